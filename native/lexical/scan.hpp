// Lists of postings read: BM25 of all rows, the best of them, the scores of given rows.
// The maths is in xtr_assets/index/lexical/bm25.py. Floats are multiplied, divided and added in the order stated there
// and never contracted, so that every result is the one of NumPy (list_scan.py), bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lexical {

// The postings of one segment, whose document p is row base + p. Bounds were checked; row numbers are checked when they
// are followed.
struct Part {
  std::int64_t base, rows, term_count;
  const char* terms;
  const std::int64_t *term_bounds, *lists;
  const std::int32_t* documents;
  const std::uint16_t* counts;
};

// Best first, equal scores by ascending row.
struct Best {
  std::vector<float> scores;
  std::vector<std::int64_t> rows;
};

class Scan {
 public:
  // norms float [end_row], live [end_row]: parts are in row order and reach no further.
  Scan(std::vector<Part> parts, const float* norms, const std::uint8_t* live, std::int64_t end_row);

  // The number of a term in a part, -1 where it has none.
  std::int64_t number_of(std::size_t part, std::string_view term) const;
  // In how many live rows of a part a term stands. A std::out_of_range names the part whose list leaves its rows.
  std::int64_t live_rows(std::size_t part, std::int64_t number) const;

  // lists [parts, terms]: term numbers, -1 where a part lacks the term; weights [terms]. The k best rows that are live,
  // allowed (all where it is null) and score above 0. Throws as live_rows does.
  Best search(const std::int64_t* lists, const float* weights, std::size_t terms, std::int64_t k,
              const std::uint8_t* allowed) const;

  // Scores of rows [count], in any order, into out; 0 for a row of no part.
  void score(const std::int64_t* lists, const float* weights, std::size_t terms, const std::int64_t* rows,
             std::size_t count, float* out) const;

  const std::vector<Part>& parts() const { return parts_; }
  std::int64_t end_row() const { return end_row_; }

 private:
  void add(std::size_t part, std::int64_t number, float weight, float* totals) const;

  std::vector<Part> parts_;
  std::vector<bool> whole_;  // no row of the part is dead
  const float* norms_;
  std::vector<float> search_norms_;  // infinite in dead rows; empty where there are none
  const std::uint8_t* live_;
  std::int64_t end_row_;
};

}  // namespace lexical

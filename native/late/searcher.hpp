// Retrieval and rescoring over the segments of an index. xtr_assets/index/late/backends/reference.py states the maths.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "late/kernels.hpp"

namespace xtr {

// The centroid of each token, in 16 bits or in 32: one of the two is there, and the same one in every segment.
struct CentroidNumbers {
  const std::uint16_t* narrow;
  const std::uint32_t* wide;

  template <typename Number>
  const Number* as() const {
    if constexpr (sizeof(Number) == sizeof(std::uint16_t)) {
      return narrow;
    } else {
      return wide;
    }
  }
  std::uint32_t operator[](std::int64_t token) const { return wide ? wide[token] : narrow[token]; }
};

struct Segment {
  std::int64_t base_row;
  std::int64_t rows;
  const std::int32_t* lists;      // [centroids + 1]
  const std::int32_t* documents;  // [lists' end]
  CentroidNumbers numbers;        // [tokens]
  const std::int8_t* tokens;      // [tokens, dim], null in a compact index
  const std::uint16_t* scales;    // [tokens], half floats, null in a compact index
  const std::uint8_t* residuals;  // [tokens, packed_dim], null in all others
  const std::int64_t* offsets;    // [rows + 1]
};

struct Model {
  const std::int8_t* centroids;  // [count, dim]
  const float* scales;           // [count]
  int count;
  int dim;
  Residuals residuals;  // of a compact index
};

struct Query {
  int tokens;
  const std::int8_t* codes;       // [tokens, dim]
  const float* scales;            // [tokens]
  const float* centroid_factors;  // [tokens]
};

// Several queries, one after the other: query i has the tokens up to ends[i].
struct Queries {
  const std::int8_t* codes;       // [tokens, dim]
  const std::int8_t* fine_codes;  // [tokens, dim], or null: in 8 bits alone
  const float* factors;           // [tokens]
  const std::int64_t* ends;       // [count]
  std::int64_t count;

  int tokens() const { return count ? static_cast<int>(ends[count - 1]) : 0; }
};

// How candidates are found; reference.py says what each number does.
struct Plan {
  int nprobe;  // 0: no lists, every allowed row is a candidate
  std::int64_t k_prime;
  std::int64_t met;    // rows kept by what they gained from lists
  std::int64_t limit;  // of these, by their centroids
  std::int64_t keep;   // of these, by their likely tokens; 0: none is multiplied, all of `limit` come back
  int margin;
};

struct Candidates {
  std::vector<std::int64_t> rows;
  std::int64_t retrieved = 0;
  std::int64_t touched = 0;
  std::int64_t meetings = 0;
  std::int64_t rescored = 0;
  // Seconds spent on centroids and lists, on centroids of documents, on tokens of documents.
  double seconds[3] = {0, 0, 0};
};

// A row with what it is chosen by.
struct Ranked {
  double score;
  std::int64_t row;
  std::size_t slot;  // where its best levels lie
};

// The `limit` best, ascending by row; equal scores by ascending row.
void keep_best(std::vector<Ranked>& ranked, std::int64_t limit);

struct Probes;

class Searcher {
 public:
  Searcher(const Model& model, std::vector<Segment> segments, std::int64_t end_row, const Kernels& kernels)
      : model_(model),
        segments_(std::move(segments)),
        end_row_(end_row),
        kernels_(kernels),
        wide_(std::any_of(segments_.begin(), segments_.end(), [](const Segment& s) { return s.numbers.wide; })) {}

  // allowed: bool [end_row], or null where every row is.
  Candidates retrieve(const Query& query, const Plan& plan, const std::uint8_t* allowed) const;

  // MaxSim of integer codes, times factors, summed, of every query and row: float [queries, count]; rows ascending, each
  // in some segment. Without fine codes: sum of factor * max(dots * scale); with them dots is 256 * coarse + fine. A row
  // is read once for all queries, and what one scores does not depend on the others.
  void score(const Queries& queries, const std::int64_t* rows, std::int64_t count, float* out) const;

  const Kernels& kernels() const { return kernels_; }
  std::int64_t end_row() const { return end_row_; }
  const Model& model() const { return model_; }

 private:
  const Segment* segment_of(std::int64_t row) const;
  // Bytes of a stored token, and where it lies.
  int token_bytes(const Segment& segment) const {
    return segment.residuals ? model_.residuals.packed_dim() : model_.dim;
  }
  const void* token_at(const Segment& segment, std::int64_t token) const {
    const void* first = segment.residuals ? static_cast<const void*>(segment.residuals) : segment.tokens;
    return static_cast<const char*>(first) + token * token_bytes(segment);
  }
  // Tokens of a segment, counted from `start`: those chosen, or the first `count`; and what is fetched meanwhile.
  struct Some {
    std::int64_t start;
    const std::int32_t* chosen;
    int count;
    Ahead next;
    const void* const* coming;
  };
  // Raises `best` by some tokens.
  void raise(const Kernels& kernels, const PackedQuery& coarse, const PackedQuery* fine, const Segment& segment,
             const Some& some, float* best) const;
  std::vector<Ranked> met_rows(const Query& query, const Plan& plan, const std::uint8_t* allowed, const Probes& probes,
                               Candidates& found, std::int32_t& floors) const;
  std::vector<Ranked> allowed_rows(const std::uint8_t* allowed) const;
  template <typename Number>
  void by_centroids(const Levels& levels, const std::vector<std::size_t>& chosen, std::vector<Ranked>& ranked) const;
  template <typename Number>
  void keep_by_centroids(const Levels& levels, std::int64_t limit, std::int32_t floors,
                         std::vector<Ranked>& ranked) const;
  template <typename Number>
  void by_tokens(const Query& query, const Levels& levels, int margin, std::vector<Ranked>& ranked) const;

  Model model_;
  std::vector<Segment> segments_;
  std::int64_t end_row_;
  const Kernels& kernels_;
  bool wide_;
};

// Documents whose tokens lie one after the other, apart from any index.
struct Store {
  const std::int8_t* tokens;    // [tokens, dim]
  const std::uint16_t* scales;  // [tokens], half floats
  const std::int64_t* offsets;  // [documents + 1]
  int dim;
};

// MaxSim of 16-bit codes as Searcher::score computes it, of every query and document: out float [queries, count].
void scan(const Store& store, const Queries& queries, const std::int64_t* documents, std::int64_t count,
          const Kernels& kernels, float* out);

// Nearest centroid of int8 tokens with scales: which int32 [count]; bias = half the squared norm plus mean . centroid.
void assign(const Model& model, const float* biases, const std::int8_t* tokens, const float* scales, std::int64_t count,
            const Kernels& kernels, std::int32_t* which);

}  // namespace xtr

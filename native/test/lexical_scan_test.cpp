// The scan of postings against loops over documents: every row, every bit, and row numbers that leave the segment.
#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "lexical/scan.hpp"
#include "test/check.hpp"

namespace {

constexpr const char* kWho = "lexical";
using Document = std::map<std::string, int>;  // term -> count

// One segment as arrays.
struct Segment {
  Segment(std::int64_t base, const std::vector<Document>& documents) : base(base), held(documents) {
    std::map<std::string, std::vector<std::pair<int, int>>> inverted;
    for (std::size_t row = 0; row < documents.size(); ++row) {
      for (const auto& [term, count] : documents[row]) inverted[term].push_back({static_cast<int>(row), count});
    }
    bounds.push_back(0);
    lists.push_back(0);
    for (const auto& [term, postings] : inverted) {
      terms += term;
      bounds.push_back(static_cast<std::int64_t>(terms.size()));
      for (const auto& [row, count] : postings) {
        rows.push_back(row);
        counts.push_back(static_cast<std::uint16_t>(count));
      }
      lists.push_back(static_cast<std::int64_t>(rows.size()));
    }
  }

  lexical::Part part() const {
    return {base,
            static_cast<std::int64_t>(held.size()),
            static_cast<std::int64_t>(lists.size()) - 1,
            terms.data(),
            bounds.data(),
            lists.data(),
            rows.data(),
            counts.data()};
  }

  std::int64_t base;
  std::vector<Document> held;
  std::string terms;
  std::vector<std::int64_t> bounds, lists;
  std::vector<std::int32_t> rows;
  std::vector<std::uint16_t> counts;
};

// Documents of words w0 to w19, the first ones in nearly every document; the rows between segments belong to nobody.
struct Corpus {
  explicit Corpus(std::mt19937& random) {
    for (const auto& [base, count] : std::vector<std::pair<int, int>>{{0, 700}, {705, 1}, {706, 0}, {710, 290}}) {
      std::vector<Document> documents(count);
      for (Document& one : documents) {
        for (int word = 0; word < 20; ++word) {
          if (static_cast<int>(random() % 20) >= word) one["w" + std::to_string(word)] = 1 + random() % 5;
        }
        if (random() % 9 == 0) one.clear();
      }
      segments.emplace_back(base, documents);
    }
    std::uniform_real_distribution<float> norm(0.3f, 4.0f);
    for (int row = 0; row < end; ++row) {
      norms.push_back(norm(random));
      live.push_back(random() % 4 != 0);
      allowed.push_back(random() % 3 != 0);
    }
    // A segment of which no row is dead.
    std::fill(live.begin() + 710, live.end(), std::uint8_t{1});
    for (int row = 700; row < 710; ++row) live[row] = row == 705;
  }

  std::vector<lexical::Part> parts() const {
    std::vector<lexical::Part> all;
    for (const Segment& one : segments) all.push_back(one.part());
    return all;
  }

  float score(std::int64_t row, const std::vector<std::string>& query, const std::vector<float>& weights) const {
    float total = 0;
    for (const Segment& one : segments) {
      if (row < one.base || row >= one.base + static_cast<std::int64_t>(one.held.size())) continue;
      for (std::size_t term = 0; term < query.size(); ++term) {
        const auto found = one.held[row - one.base].find(query[term]);
        if (found == one.held[row - one.base].end()) continue;
        const float tf = static_cast<float>(found->second);
        total += weights[term] * (tf / (tf + norms[row]));
      }
    }
    return total;
  }

  static constexpr int end = 1000;
  std::vector<Segment> segments;
  std::vector<float> norms;
  std::vector<std::uint8_t> live, allowed;
};

std::vector<std::int64_t> look_up(const lexical::Scan& scan, const std::vector<std::string>& query) {
  std::vector<std::int64_t> lists;
  for (std::size_t part = 0; part < scan.parts().size(); ++part) {
    for (const std::string& term : query) lists.push_back(scan.number_of(part, term));
  }
  return lists;
}

void test_terms(const Corpus& corpus, const lexical::Scan& scan) {
  const std::vector<lexical::Part> parts = scan.parts();
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const Segment& segment = corpus.segments[part];
    for (std::int64_t number = 0; number < parts[part].term_count; ++number) {
      const std::string term =
          segment.terms.substr(segment.bounds[number], segment.bounds[number + 1] - segment.bounds[number]);
      CHECK(scan.number_of(part, term) == number, kWho);
      std::int64_t live = 0;
      for (std::int64_t at = segment.lists[number]; at < segment.lists[number + 1]; ++at) {
        live += corpus.live[segment.base + segment.rows[at]];
      }
      CHECK(scan.live_rows(part, number) == live, kWho);
    }
    for (const char* term : {"", "w", "w00", "w2", "w20", "x", "\xff"}) {
      const bool stands = segment.terms.size() && std::string(term) == "w2";
      CHECK((scan.number_of(part, term) >= 0) == stands || segment.held.size() < 2, kWho);
    }
  }
}

void test_search(const Corpus& corpus, const lexical::Scan& scan, const std::vector<std::string>& query) {
  std::vector<float> weights;
  for (std::size_t term = 0; term < query.size(); ++term) weights.push_back(0.1f + 1.7f * static_cast<float>(term % 7));
  const std::vector<std::int64_t> lists = look_up(scan, query);
  // Scores of given rows, in disorder and twice.
  std::vector<std::int64_t> rows(Corpus::end);
  std::iota(rows.begin(), rows.end(), 0);
  std::mt19937 random(3);
  for (const bool shuffled : {false, true}) {
    if (shuffled) {
      rows.insert(rows.end(), rows.begin(), rows.begin() + 100);
      std::shuffle(rows.begin(), rows.end(), random);
    }
    std::vector<float> scores(rows.size()), expected;
    scan.score(lists.data(), weights.data(), weights.size(), rows.data(), rows.size(), scores.data());
    for (const std::int64_t row : rows) expected.push_back(corpus.score(row, query, weights));
    CHECK(test::same(scores, expected), kWho);
  }
  for (const bool filtered : {false, true}) {
    std::vector<std::pair<float, std::int64_t>> all;
    for (std::int64_t row = 0; row < Corpus::end; ++row) {
      const float score = corpus.score(row, query, weights);
      if (score > 0 && corpus.live[row] && (!filtered || corpus.allowed[row])) all.push_back({-score, row});
    }
    std::sort(all.begin(), all.end());
    for (const std::size_t k : {1, 7, 64, 5000}) {
      const lexical::Best best = scan.search(lists.data(), weights.data(), weights.size(), static_cast<std::int64_t>(k),
                                             filtered ? corpus.allowed.data() : nullptr);
      std::vector<float> scores;
      std::vector<std::int64_t> order;
      for (std::size_t i = 0; i < std::min(k, all.size()); ++i) {
        scores.push_back(-all[i].first);
        order.push_back(all[i].second);
      }
      CHECK(test::same(best.rows, order), kWho);
      CHECK(test::same(best.scores, scores), kWho);
    }
  }
}

template <typename Call>
std::string refused(const Call& call) {
  try {
    call();
  } catch (const std::out_of_range& error) {
    return error.what();
  }
  return "not refused";
}

void test_rows_outside(Corpus corpus) {
  for (const std::int32_t outside : {-1, 290, INT32_MAX, INT32_MIN}) {
    for (const std::uint8_t alive : {0, 1}) {
      Segment& last = corpus.segments[3];
      last.rows[static_cast<std::size_t>(last.lists[1]) - 1] = outside;
      corpus.live[900] = alive;
      const lexical::Scan scan(corpus.parts(), corpus.norms.data(), corpus.live.data(), Corpus::end);
      const std::vector<std::int64_t> lists{-1, -1, -1, 0};
      const float weight = 1;
      CHECK(refused([&] { scan.search(lists.data(), &weight, 1, 5, nullptr); }) == "3", kWho);
      // Where nothing is dead, a list is as long as it is and no row is followed.
      if (!alive) CHECK(refused([&] { scan.live_rows(3, 0); }) == "3", kWho);
      std::vector<std::int64_t> rows(Corpus::end);
      std::iota(rows.begin(), rows.end(), 0);
      std::vector<float> scores(rows.size());
      scan.score(lists.data(), &weight, 1, rows.data(), rows.size(), scores.data());
    }
  }
}

}  // namespace

int main() {
  std::mt19937 random(5);
  const Corpus corpus(random);
  const lexical::Scan scan(corpus.parts(), corpus.norms.data(), corpus.live.data(), Corpus::end);
  test_terms(corpus, scan);
  std::vector<std::string> every;
  for (int word = 0; word < 20; ++word) every.push_back("w" + std::to_string(word));
  std::sort(every.begin(), every.end());
  for (const auto& query : std::vector<std::vector<std::string>>{
           {}, {"w0"}, {"w19"}, {"unknown"}, {"w0", "w1", "w2"}, {"unknown", "w18", "w3"}, every}) {
    test_search(corpus, scan, query);
  }
  test_rows_outside(corpus);
  return test::finish("lexical_scan_test");
}

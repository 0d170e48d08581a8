// Rescoring, scans and assignment of the token index against loops over documents.
#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "common/naming.hpp"
#include "late/searcher.hpp"
#include "test/check.hpp"

namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

// Documents of one segment, every token at centroid 0.
struct Corpus {
  Corpus(int documents, int dim, std::mt19937& random) : dim(dim) {
    offsets.push_back(0);
    for (int i = 0; i < documents; ++i) offsets.push_back(offsets.back() + 1 + static_cast<std::int64_t>(random() % 9));
    tokens.resize(static_cast<std::size_t>(offsets.back()) * dim);
    scales.resize(static_cast<std::size_t>(offsets.back()));
    numbers.resize(scales.size());
    for (std::int8_t& one : tokens) one = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
    for (std::uint16_t& one : scales) one = static_cast<std::uint16_t>(0x1000 + random() % 0x800);
    lists = {0, documents};
    list.resize(static_cast<std::size_t>(documents));
    std::iota(list.begin(), list.end(), 0);
    centroid.assign(static_cast<std::size_t>(dim), 1);
  }

  xtr::Segment segment(std::int64_t base_row) const {
    return {base_row,      static_cast<std::int64_t>(list.size()),
            lists.data(),  list.data(),
            {numbers.data(), nullptr},
            tokens.data(), scales.data(),
            nullptr,       offsets.data()};
  }

  // sum over query tokens of factor times the best product of a document's tokens.
  double maxsim(std::int64_t document, const std::vector<std::int8_t>& codes, const std::vector<std::int8_t>* fine,
                const std::vector<float>& factors, std::size_t first, std::size_t stop) const {
    double sum = 0;
    for (std::size_t t = first; t < stop; ++t) {
      double best = kLowest;
      for (std::int64_t at = offsets[document]; at < offsets[document + 1]; ++at) {
        double product = 0;
        for (int d = 0; d < dim; ++d) {
          const int code = fine ? 256 * codes[t * dim + d] + (*fine)[t * dim + d] : codes[t * dim + d];
          product += code * tokens[static_cast<std::size_t>(at) * dim + d];
        }
        best = std::max(best, product * test::value_of_half(scales[at]));
      }
      sum += factors[t] * best;
    }
    return sum;
  }

  int dim;
  std::vector<std::int8_t> tokens, centroid;
  std::vector<std::uint16_t> scales, numbers;
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> lists, list;
  std::vector<float> centroid_scale{1.0f};
};

bool close(double found, double expected) { return std::fabs(found - expected) <= 1e-4 * (1 + std::fabs(expected)); }

// Of so many query tokens: of few and of many the kernels may be others.
void test_scores(const xtr::Kernels& kernels, int dim, int tokens) {
  std::mt19937 random(13);
  const Corpus first(30, dim, random), second(20, dim, random);
  constexpr int kBase = 40;
  std::vector<std::int8_t> codes(static_cast<std::size_t>(tokens) * dim), fine(codes.size());
  for (std::int8_t& one : codes) one = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  for (std::int8_t& one : fine) one = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  std::vector<float> factors(tokens);
  for (float& one : factors) one = static_cast<float>(random() % 1000) / 1e6f;
  const xtr::Model model{first.centroid.data(), first.centroid_scale.data(), 1, dim, {}};
  const xtr::Searcher searcher(model, {first.segment(0), second.segment(kBase)}, kBase + 20, kernels);
  // Rows 30 to 39 are a hole between segments.
  const std::vector<std::int64_t> rows{0, 3, 29, 35, 40, 41, 59};
  for (const std::vector<std::int8_t>* second_codes : {static_cast<std::vector<std::int8_t>*>(nullptr), &fine}) {
    const std::int8_t* fine_codes = second_codes ? second_codes->data() : nullptr;
    const auto count = static_cast<std::int64_t>(rows.size());
    const std::vector<std::int64_t> whole{tokens};
    std::vector<float> found(rows.size());
    searcher.score({codes.data(), fine_codes, factors.data(), whole.data(), 1}, rows.data(), count, found.data());
    // In another order, which only fetches nothing ahead: what lies before a segment is not its own.
    const std::vector<std::int64_t> back(rows.rbegin(), rows.rend());
    std::vector<float> turned(rows.size());
    searcher.score({codes.data(), fine_codes, factors.data(), whole.data(), 1}, back.data(), count, turned.data());
    CHECK(test::same(turned, std::vector<float>(found.rbegin(), found.rend())), kernels.name);
    // Several at once, one of no tokens among them, score as each alone, bit for bit.
    const std::vector<std::int64_t> some{8, 8, tokens};
    std::vector<float> together(some.size() * rows.size()), alone(rows.size());
    searcher.score({codes.data(), fine_codes, factors.data(), some.data(), 3}, rows.data(), count, together.data());
    std::int64_t start = 0;
    for (std::size_t one = 0; one < some.size(); start = some[one++]) {
      const std::int64_t own = some[one] - start;
      const std::int8_t* own_fine = fine_codes ? fine_codes + start * dim : nullptr;
      searcher.score({codes.data() + start * dim, own_fine, factors.data() + start, &own, 1}, rows.data(), count,
                     alone.data());
      for (std::size_t i = 0; i < rows.size(); ++i) CHECK(together[one * rows.size() + i] == alone[i], kernels.name);
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] == 35) {
        CHECK(found[i] == kLowest, kernels.name);
        continue;
      }
      const double expected = rows[i] < kBase
                                  ? first.maxsim(rows[i], codes, second_codes, factors, 0, tokens)
                                  : second.maxsim(rows[i] - kBase, codes, second_codes, factors, 0, tokens);
      CHECK(close(found[i], expected), kernels.name);
    }
  }
  // The same documents apart from an index, two queries at once.
  const xtr::Store store{first.tokens.data(), first.scales.data(), first.offsets.data(), dim};
  const std::vector<std::int64_t> ends{8, tokens}, documents{2, 5, 17, 29};
  const xtr::Queries queries{codes.data(), fine.data(), factors.data(), ends.data(), 2};
  std::vector<float> found(2 * documents.size());
  xtr::scan(store, queries, documents.data(), static_cast<std::int64_t>(documents.size()), kernels, found.data());
  for (std::size_t i = 0; i < documents.size(); ++i) {
    CHECK(close(found[i], first.maxsim(documents[i], codes, &fine, factors, 0, 8)), kernels.name);
    CHECK(close(found[documents.size() + i], first.maxsim(documents[i], codes, &fine, factors, 8, tokens)),
          kernels.name);
  }
  // Without lists every allowed row is a candidate, and no other.
  std::vector<std::uint8_t> allowed(kBase + 20, 0);
  for (const int row : {1, 7, 29, 45, 59}) allowed[static_cast<std::size_t>(row)] = 1;
  const std::vector<float> ones(tokens, 1.0f);
  const xtr::Query query{tokens, codes.data(), factors.data(), ones.data()};
  const xtr::Candidates candidates = searcher.retrieve(query, {0, 0, 100, 100, 0, 0}, allowed.data());
  CHECK(test::same(candidates.rows, {1, 7, 29, 45, 59}), kernels.name);
}

void test_assign(const xtr::Kernels& kernels, int dim) {
  std::mt19937 random(17);
  constexpr int kCentroids = 70, kTokens = 50;
  std::vector<std::int8_t> centroids(static_cast<std::size_t>(kCentroids) * dim),
      tokens(static_cast<std::size_t>(kTokens) * dim);
  for (auto* codes : {&centroids, &tokens}) {
    for (std::int8_t& one : *codes) one = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  }
  std::vector<float> scales(kCentroids), biases(kCentroids), token_scales(kTokens, 0.01f);
  for (float& one : scales) one = 0.01f + static_cast<float>(random() % 100) / 1e5f;
  for (float& one : biases) one = static_cast<float>(random() % 100) / 100.0f;
  std::vector<std::int32_t> which(kTokens);
  const xtr::Model model{centroids.data(), scales.data(), kCentroids, dim, {}};
  xtr::assign(model, biases.data(), tokens.data(), token_scales.data(), kTokens, kernels, which.data());
  for (int t = 0; t < kTokens; ++t) {
    int nearest = -1;
    float best = kLowest;
    for (int c = 0; c < kCentroids; ++c) {
      int product = 0;
      for (int d = 0; d < dim; ++d) product += centroids[c * dim + d] * tokens[t * dim + d];
      const float score = static_cast<float>(product) * scales[c] * token_scales[t] - biases[c];
      if (score > best) {
        best = score;
        nearest = c;
      }
    }
    CHECK(which[t] == nearest, kernels.name);
  }
}

// More centroids than 16 bits count, of which documents hold the highest: numbers of 32 bits choose them.
void test_many_centroids(const xtr::Kernels& kernels) {
  constexpr int kCentroids = 70'000, kDim = 2, kDocuments = 60;
  std::vector<std::int8_t> centroids(static_cast<std::size_t>(kCentroids) * kDim);
  for (int c = 0; c < kCentroids; ++c) {
    centroids[2 * c] = static_cast<std::int8_t>(c % 251 - 125);
    centroids[2 * c + 1] = static_cast<std::int8_t>(c % 199 - 99);
  }
  const std::vector<float> scales(kCentroids, 1.0f);
  const xtr::Model model{centroids.data(), scales.data(), kCentroids, kDim, {}};
  // A token a document: centroids 1 to 30, and 65,536 and 65,537 to 65,566, which 16 bits would take for 0 to 30.
  std::vector<std::uint32_t> numbers(kDocuments);
  for (int i = 0; i < kDocuments; ++i) numbers[i] = static_cast<std::uint32_t>(i % 2 ? 65'536 + i : 1 + i);
  std::vector<std::int32_t> lists(kCentroids + 1, 0), documents;
  std::vector<std::int64_t> offsets{0};
  for (int c = 0; c < kCentroids; ++c) {
    for (int i = 0; i < kDocuments; ++i) {
      if (numbers[i] == static_cast<std::uint32_t>(c)) documents.push_back(i);
    }
    lists[c + 1] = static_cast<std::int32_t>(documents.size());
  }
  for (int i = 0; i < kDocuments; ++i) offsets.push_back(i + 1);
  std::vector<std::int8_t> tokens(static_cast<std::size_t>(kDocuments) * kDim);
  for (int i = 0; i < kDocuments; ++i) {
    for (int d = 0; d < kDim; ++d) tokens[i * kDim + d] = centroids[numbers[i] * kDim + d];
  }
  const std::vector<std::uint16_t> halves(kDocuments, 0x3c00);
  const xtr::Segment segment{0,
                             kDocuments,
                             lists.data(),
                             documents.data(),
                             {nullptr, numbers.data()},
                             tokens.data(),
                             halves.data(),
                             nullptr,
                             offsets.data()};
  const xtr::Searcher searcher(model, {segment}, kDocuments, kernels);
  const std::vector<std::int8_t> codes{90, -70};
  const std::vector<float> factors{1.0f}, levels{190.0f / 20'000.0f};
  std::vector<std::pair<int, std::int64_t>> order;
  for (int i = 0; i < kDocuments; ++i) order.emplace_back(-(codes[0] * tokens[2 * i] + codes[1] * tokens[2 * i + 1]), i);
  std::sort(order.begin(), order.end());
  std::vector<std::int64_t> expected;
  for (int i = 0; i < 5; ++i) expected.push_back(order[i].second);
  std::sort(expected.begin(), expected.end());
  // By their centroids and tokens; by lists, of which all are read.
  for (const int nprobe : {0, kCentroids}) {
    const xtr::Query query{1, codes.data(), factors.data(), levels.data()};
    const xtr::Candidates found = searcher.retrieve(query, {nprobe, 1 << 30, kDocuments, 20, 5, 2}, nullptr);
    CHECK(test::same(found.rows, expected), kernels.name);
  }
}

// No index holds documents of no token; of nothing but these there is no token whose memory is asked for again.
void test_documents_of_nothing(const xtr::Kernels& kernels) {
  std::mt19937 random(19);
  const Corpus corpus(3, 24, random);
  const std::vector<std::int64_t> nothing(4, 0);
  xtr::Segment segment = corpus.segment(0);
  segment.offsets = nothing.data();
  const xtr::Model model{corpus.centroid.data(), corpus.centroid_scale.data(), 1, 24, {}};
  const xtr::Searcher searcher(model, {segment}, 3, kernels);
  const std::vector<std::int8_t> codes(24, 5);
  const float one = 1.0f;
  const xtr::Candidates found = searcher.retrieve({1, codes.data(), &one, &one}, {0, 1, 3, 3, 2, 2}, nullptr);
  CHECK(test::same(found.rows, {0, 1}), kernels.name);
}

void test_keep_best() {
  std::vector<xtr::Ranked> ranked{{1.0, 9, 0}, {2.0, 8, 1}, {2.0, 3, 2}, {0.5, 1, 3}, {2.0, 5, 4}};
  xtr::keep_best(ranked, 2);
  CHECK(ranked.size() == 2 && ranked[0].row == 3 && ranked[1].row == 5, "keep_best");
  xtr::keep_best(ranked, 10);
  CHECK(ranked.size() == 2, "keep_best");
}

}  // namespace

int main() {
  for (const xtr::Kernels* kernels :
       xtr::supported({&xtr::scalar_kernels(), xtr::avx2_kernels(), xtr::avx512_kernels(), xtr::neon_kernels()})) {
    for (const int dim : {24, 128}) {
      for (const int tokens : {21, 70}) test_scores(*kernels, dim, tokens);
      test_assign(*kernels, dim);
    }
    test_many_centroids(*kernels);
    test_documents_of_nothing(*kernels);
  }
  test_keep_best();
  return test::finish("late_searcher_test");
}

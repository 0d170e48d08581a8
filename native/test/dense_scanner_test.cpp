// The scan of inverted lists against exact arithmetic over the values that codes stand for.
#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "common/naming.hpp"
#include "dense/scanner.hpp"
#include "test/check.hpp"

namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

struct Hits {
  std::vector<float> scores;
  std::vector<std::int64_t> rows;
};

// Lists of random codes; rows are numbered across lists, in no order.
struct Index {
  Index(int dim, int bits, bool residual, std::mt19937& random) : dim(dim), bits(bits) {
    constexpr int kLists = 6;
    const int bytes = bits == 8 ? dim : (dim + 1) / 2;
    std::vector<std::int64_t> numbers(total);
    std::iota(numbers.begin(), numbers.end(), 0);
    std::shuffle(numbers.begin(), numbers.end(), random);
    std::normal_distribution<float> normal;
    for (int i = 0; i < kLists * dim; ++i) centroids.push_back(normal(random));
    for (int i = 0; i < dim; ++i) {
      low.push_back(-1.0f - static_cast<float>(random() % 100) / 100.0f);
      span.push_back(1.0f + static_cast<float>(random() % 100) / 100.0f);
    }
    codes.resize(kLists);
    rows.resize(kLists);
    for (int i = 0; i < total; ++i)
      rows[static_cast<std::size_t>(i) * i % 5].push_back(numbers[i]);  // one list is empty
    for (int list = 0; list < kLists; ++list) {
      codes[list].resize(rows[list].size() * bytes);
      for (std::uint8_t& one : codes[list]) one = static_cast<std::uint8_t>(random());
    }
    held.centroids = centroids.data();
    held.low = low.data();
    held.span = span.data();
    held.dim = held.query_dim = dim;
    held.bits = bits;
    held.axes = nullptr;
    held.residual = residual;
    for (int list = 0; list < kLists; ++list) {
      held.lists.push_back({codes[list].data(), rows[list].data(), static_cast<std::int64_t>(rows[list].size())});
    }
  }

  // The exact product of a query with what a row's codes stand for.
  double exact(int list, std::size_t at, const std::vector<float>& query) const {
    double sum = 0;
    for (int d = 0; d < dim; ++d) {
      int code = 0;
      if (bits == 8) {
        code = codes[list][at * dim + d];
      } else {
        const int both = codes[list][at * ((dim + 1) / 2) + d / 2];
        code = d % 2 ? both / 16 : both % 16;
      }
      const double largest = bits == 8 ? 255.0 : 15.0;
      double value = low[d] + (code + 0.5) / largest * span[d];
      if (held.residual) value += centroids[static_cast<std::size_t>(list) * dim + d];
      sum += value * query[d];
    }
    return sum;
  }

  // By how much the whole numbers that a query is rounded to may change a score.
  double tolerance(const std::vector<float>& query) const {
    const double largest = bits == 8 ? 255.0 : 15.0;
    double peak = 0;
    for (int d = 0; d < dim; ++d) peak = std::max(peak, std::fabs(query[d] * span[d] / largest));
    return dim * largest * peak / 127.0 / 2 + 1e-3;
  }

  static constexpr int total = 500;
  int dim, bits;
  std::vector<float> centroids, low, span;
  std::vector<std::vector<std::uint8_t>> codes;
  std::vector<std::vector<std::int64_t>> rows;
  dense::Codes held;
};

Hits search(const dense::Scanner& scanner, const std::vector<float>& query, int nprobe, int wanted,
            const std::uint8_t* allowed = nullptr) {
  Hits found{std::vector<float>(wanted), std::vector<std::int64_t>(wanted)};
  scanner.search(query.data(), nprobe, wanted, allowed, found.scores.data(), found.rows.data());
  return found;
}

void test_search(const dense::Kernels& kernels, int dim, int bits, bool residual) {
  std::mt19937 random(5);
  const Index index(dim, bits, residual, random);
  const dense::Scanner scanner(index.held, kernels), plain(index.held, dense::scalar_kernels());
  std::normal_distribution<float> normal;
  std::vector<float> query(dim);
  for (float& one : query) one = normal(random);
  const Hits all = search(scanner, query, 6, Index::total + 3);
  // Every row once, in order of score and then of row, and nothing where nothing is left.
  std::vector<std::int64_t> sorted(all.rows.begin(), all.rows.end() - 3), expected(Index::total);
  std::iota(expected.begin(), expected.end(), 0);
  for (int i = 1; i < Index::total; ++i) {
    CHECK(all.scores[i - 1] > all.scores[i] || (all.scores[i - 1] == all.scores[i] && all.rows[i - 1] < all.rows[i]),
          kernels.name);
  }
  std::sort(sorted.begin(), sorted.end());
  CHECK(test::same(sorted, expected), kernels.name);
  CHECK(all.rows.back() == -1 && all.scores.back() == kLowest, kernels.name);
  // The scores are those of the stored values, but for the query's rounding.
  for (int list = 0; list < 6; ++list) {
    for (std::size_t at = 0; at < index.rows[list].size(); ++at) {
      const auto place = std::find(all.rows.begin(), all.rows.end(), index.rows[list][at]) - all.rows.begin();
      CHECK(std::fabs(all.scores[place] - index.exact(list, at, query)) <= index.tolerance(query), kernels.name);
    }
  }
  // Fewer are the first of all; a row that is not allowed is not found; one list holds its own rows alone.
  Hits first = search(scanner, query, 6, 20);
  CHECK(test::same(first.rows, {all.rows.begin(), all.rows.begin() + 20}), kernels.name);
  std::vector<std::uint8_t> allowed(Index::total, 1);
  for (int i = 0; i < 10; ++i) allowed[all.rows[2 * i]] = 0;
  first = search(scanner, query, 6, 5, allowed.data());
  CHECK(test::same(first.rows, {all.rows[1], all.rows[3], all.rows[5], all.rows[7], all.rows[9]}), kernels.name);
  const Hits near = search(scanner, query, 1, Index::total);
  int lists_met = 0;
  for (const auto& own : index.rows) {
    lists_met += std::any_of(own.begin(), own.end(), [&](std::int64_t row) {
      return std::find(near.rows.begin(), near.rows.end(), row) != near.rows.end();
    });
  }
  CHECK(lists_met <= 1, kernels.name);
  // The same on every machine.
  const Hits same = search(plain, query, 6, Index::total + 3);
  CHECK(test::same(all.rows, same.rows) && test::same(all.scores, same.scores), kernels.name);
}

void test_stored(const dense::Kernels& kernels) {
  // Rows 0 and 1 as half floats (1, 2), (3, 4); rows 5 and 6 as floats; nothing between.
  const std::vector<std::uint16_t> halves{0x3c00, 0x4000, 0x4200, 0x4400};
  const std::vector<float> floats{5.0f, 6.0f, 7.0f, 8.0f}, query{1.0f, 10.0f};
  const std::vector<dense::Stored> parts{{0, 2, halves.data(), false}, {5, 7, floats.data(), true}};
  const std::vector<std::int64_t> rows{6, 0, 3, 5, 1, 7};
  std::vector<float> scores(rows.size());
  dense::score_stored(parts, 2, kernels, query.data(), rows.data(), static_cast<std::int64_t>(rows.size()),
                      scores.data());
  CHECK(test::same(scores, {87.0f, 21.0f, kLowest, 65.0f, 43.0f, kLowest}), kernels.name);
}

void test_best_of() {
  const std::vector<float> scores{1.0f, 3.0f, kLowest, 3.0f, 2.0f};
  const std::vector<std::int64_t> rows{40, 30, 20, 10, 50};
  std::vector<float> best(5);
  std::vector<std::int64_t> at(5);
  dense::best_of(scores.data(), rows.data(), 5, 5, best.data(), at.data());
  CHECK(test::same(at, {10, 30, 50, 40, -1}), "best_of");
  CHECK(test::same(best, {3.0f, 3.0f, 2.0f, 1.0f, kLowest}), "best_of");
}

}  // namespace

int main() {
  for (const dense::Kernels* kernels : xtr::supported(
           {&dense::scalar_kernels(), dense::avx2_kernels(), dense::avx512_kernels(), dense::neon_kernels()})) {
    for (const int dim : {7, 64, 100}) {
      for (const int bits : {4, 8}) {
        for (const bool residual : {false, true}) test_search(*kernels, dim, bits, residual);
      }
    }
    test_stored(*kernels);
  }
  test_best_of();
  return test::finish("dense_scanner_test");
}

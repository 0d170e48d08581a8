// Every kernel of the dense index against loops written here from what dense/kernels.hpp says of it. Arrays are exactly
// as long as they must be, so that a sanitizer sees what reads beyond.
#include <random>

#include "common/naming.hpp"
#include "dense/kernels.hpp"
#include "test/check.hpp"

namespace {

constexpr int kLanes = dense::kLanes;

// Values of query weights, zeros up to a multiple of 64.
struct Weights {
  Weights(int bytes, bool halves, std::mt19937& random)
      : values((bytes + 63) / 64 * 64),
        upper(values.size()),
        wide(values.size()),
        view{values.data(), halves ? upper.data() : nullptr, wide.data(), bytes, 0.0123f} {
    for (int i = 0; i < bytes; ++i) {
      values[i] = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
      upper[i] = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
      wide[i] = values[i];
    }
  }
  std::vector<std::int8_t> values, upper;
  std::vector<std::int16_t> wide;
  dense::Weights view;
};

void test_scores(const dense::Kernels& kernels, bool halves, std::mt19937& random) {
  for (const int bytes : {1, 15, 16, 31, 63, 64, 65, 192, 384}) {
    for (int count = 1; count <= kLanes; ++count) {
      const Weights weights(bytes, halves, random);
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(count) * bytes);
      for (std::uint8_t& one : codes) one = static_cast<std::uint8_t>(random());
      std::vector<float> found(kLanes), expected(count);
      for (int row = 0; row < count; ++row) {
        std::int64_t sum = 0;
        for (int i = 0; i < bytes; ++i) {
          const int code = codes[static_cast<std::size_t>(row) * bytes + i];
          sum += halves ? code % 16 * weights.values[i] + code / 16 * weights.upper[i] : code * weights.values[i];
        }
        expected[row] = static_cast<float>(sum) * 0.0123f + 0.5f;
      }
      const float threshold = expected[count / 2];
      std::uint32_t expected_bits = 0;
      for (int row = 0; row < count; ++row)
        expected_bits |= static_cast<std::uint32_t>(expected[row] >= threshold) << row;
      const auto score = halves ? kernels.score_halves : kernels.score;
      const std::uint32_t bits = score(weights.view, codes.data(), count, 0.5f, threshold, found.data());
      found.resize(count);
      CHECK(bits == expected_bits, kernels.name);
      CHECK(test::same(found, expected), kernels.name);
    }
  }
}

// Lane j sums dimensions j, j + 16, ...; lanes are added by halves.
float in_stated_order(const std::vector<float>& row, const std::vector<float>& query) {
  std::vector<float> lanes(kLanes, 0.0f);
  for (std::size_t i = 0; i < row.size(); ++i) lanes[i % kLanes] += row[i] * query[i];
  while (lanes.size() > 1) {
    std::vector<float> halved(lanes.size() / 2);
    for (std::size_t i = 0; i < halved.size(); ++i) halved[i] = lanes[i] + lanes[i + halved.size()];
    lanes = halved;
  }
  return lanes[0];
}

void test_products(const dense::Kernels& kernels, std::mt19937& random) {
  std::normal_distribution<float> normal;
  for (const int dim : {1, 7, 8, 9, 16, 17, 24, 100, 384}) {
    std::vector<float> query(dim);
    for (float& one : query) one = normal(random);
    for (const int count : {1, 2, 4, 5}) {
      std::vector<float> rows(static_cast<std::size_t>(count) * dim), found(count), expected;
      for (float& one : rows) one = normal(random);
      for (int row = 0; row < count; ++row) {
        expected.push_back(in_stated_order({rows.begin() + row * dim, rows.begin() + (row + 1) * dim}, query));
      }
      kernels.products(rows.data(), count, dim, query.data(), found.data());
      CHECK(test::same(found, expected), kernels.name);
    }
    std::vector<std::uint16_t> halves(dim);
    std::vector<float> values;
    for (std::uint16_t& half : halves) {
      // Finite ones of both signs, subnormals among them.
      half = static_cast<std::uint16_t>((random() % 0x7c00) | (random() % 2 << 15));
      values.push_back(static_cast<float>(test::value_of_half(half)));
    }
    const std::vector<float> found{kernels.half_product(halves.data(), dim, query.data())};
    CHECK(test::same(found, {in_stated_order(values, query)}), kernels.name);
  }
}

}  // namespace

int main() {
  for (const dense::Kernels* kernels : xtr::supported(
           {&dense::scalar_kernels(), dense::avx2_kernels(), dense::avx512_kernels(), dense::neon_kernels()})) {
    std::mt19937 random(11);
    test_scores(*kernels, false, random);
    test_scores(*kernels, true, random);
    test_products(*kernels, random);
  }
  return test::finish("dense_kernels_test");
}

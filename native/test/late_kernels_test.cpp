// Every kernel of the token index, of every instruction set that this processor has and of the plain loops, against
// loops written here from what late/kernels.hpp says of it.
#include <limits>
#include <random>

#include "common/naming.hpp"
#include "late/kernels.hpp"
#include "test/check.hpp"

namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();
using Codes = std::vector<std::int8_t>;

Codes random_codes(std::size_t count, std::mt19937& random) {
  Codes codes(count);
  for (std::int8_t& one : codes) one = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  return codes;
}

std::vector<float> random_floats(std::size_t count, float largest, std::mt19937& random) {
  std::vector<float> values(count);
  for (float& one : values) one = (static_cast<float>(random() % 2001) / 1000.0f - 1.0f) * largest;
  return values;
}

struct Tokens {
  Tokens(const xtr::Kernels& kernels, const Codes& codes, int tokens, int dim)
      : data(kernels.packed_bytes(tokens, dim)), view{data.data(), xtr::padded_tokens(tokens), dim} {
    kernels.pack(codes.data(), tokens, dim, data.data());
  }
  std::vector<std::uint8_t> data;
  xtr::PackedQuery view;
};

std::int32_t product(const std::int8_t* row, const std::int8_t* token, int dim) {
  std::int32_t sum = 0;
  for (int i = 0; i < dim; ++i) sum += row[i] * token[i];
  return sum;
}

void test_dots(const xtr::Kernels& kernels, std::mt19937& random) {
  for (const int dim : {1, 15, 64, 127, 128, 384}) {
    for (const int tokens : {1, 16, 19, 33}) {
      for (const int count : {1, 6, 64}) {
        const Codes rows = random_codes(static_cast<std::size_t>(count) * dim, random);
        const Codes codes = random_codes(static_cast<std::size_t>(tokens) * dim, random);
        const Tokens packed(kernels, codes, tokens, dim);
        const int padded = packed.view.tokens;
        std::vector<std::int32_t> found(static_cast<std::size_t>(count) * padded, -1), expected(found.size(), 0);
        kernels.dots(packed.view, rows.data(), count, found.data());
        for (int row = 0; row < count; ++row) {
          for (int t = 0; t < tokens; ++t) expected[row * padded + t] = product(&rows[row * dim], &codes[t * dim], dim);
        }
        CHECK(test::same(found, expected), kernels.name);
      }
    }
  }
}

void test_best(const xtr::Kernels& kernels, bool with_fine, bool with_choice, std::mt19937& random) {
  for (const int dim : {5, 48, 128, 600}) {
    for (const int tokens : {3, 32, 50}) {
      constexpr int kCount = 11;
      const auto size = static_cast<std::size_t>(tokens) * dim;
      const Codes rows = random_codes(kCount * static_cast<std::size_t>(dim), random);
      const Codes codes = random_codes(size, random), fine_codes = random_codes(size, random);
      const Tokens coarse(kernels, codes, tokens, dim), fine(kernels, fine_codes, tokens, dim);
      std::vector<std::uint16_t> scales(kCount);
      for (std::uint16_t& scale : scales) scale = static_cast<std::uint16_t>(random() % 0x3c00);
      scales[4] = 0x7e00;  // no number: such a row raises nothing
      const std::vector<std::int32_t> chosen{7, 4, 2, 2, 10};
      const std::vector<const void*> coming(kCount, rows.data());
      const int count = with_choice ? static_cast<int>(chosen.size()) : kCount;
      const xtr::Rows all{rows.data(),
                          scales.data(),
                          with_choice ? chosen.data() : nullptr,
                          count,
                          {rows.data(), static_cast<std::int64_t>(rows.size())},
                          with_choice ? coming.data() : nullptr};
      std::vector<float> found(coarse.view.tokens, -3.0f), expected(tokens, -3.0f);
      kernels.best(coarse.view, with_fine ? &fine.view : nullptr, all, found.data());
      for (int i = 0; i < count; ++i) {
        const int row = with_choice ? chosen[i] : i;
        for (int t = 0; t < tokens; ++t) {
          auto value = static_cast<float>(product(&rows[row * dim], &codes[t * dim], dim));
          if (with_fine) {
            value = value * 256.0f + static_cast<float>(product(&rows[row * dim], &fine_codes[t * dim], dim));
          }
          value *= static_cast<float>(test::value_of_half(scales[row]));
          if (value > expected[t]) expected[t] = value;
        }
      }
      found.resize(tokens);
      CHECK(test::same(found, expected), kernels.name);
    }
  }
}

void test_nearest_and_scaled(const xtr::Kernels& kernels, std::mt19937& random) {
  constexpr int kCount = 9, kTokens = 32, kFirst = 100;
  std::vector<std::int32_t> dots(kCount * kTokens);
  // Few values, so that many are equal: the first of equal rows stays.
  for (std::int32_t& one : dots) one = static_cast<std::int32_t>(random() % 5) - 2;
  const std::vector<float> row_scales(kCount, 0.5f), biases(kCount, 0.25f);
  const std::vector<float> factors = random_floats(kTokens, 2.0f, random);
  std::vector<float> best(kTokens, kLowest), expected_best(kTokens, kLowest);
  std::vector<std::int32_t> which(kTokens, -1), expected_which(kTokens, -1);
  std::vector<float> scaled(dots.size()), expected_scaled(dots.size());
  kernels.nearest(dots.data(), row_scales.data(), biases.data(), factors.data(), kCount, kTokens, kFirst, best.data(),
                  which.data());
  kernels.scaled(dots.data(), row_scales.data(), factors.data(), kCount, kTokens, scaled.data());
  for (int row = 0; row < kCount; ++row) {
    for (int t = 0; t < kTokens; ++t) {
      const float value = static_cast<float>(dots[row * kTokens + t]) * row_scales[row] * factors[t];
      expected_scaled[row * kTokens + t] = value;
      if (value - biases[row] > expected_best[t]) {
        expected_best[t] = value - biases[row];
        expected_which[t] = kFirst + row;
      }
    }
  }
  CHECK(test::same(best, expected_best), kernels.name);
  CHECK(test::same(which, expected_which), kernels.name);
  CHECK(test::same(scaled, expected_scaled), kernels.name);
}

void test_levels(const xtr::Kernels& kernels) {
  // Ties go to even; what lies outside 0 to 255 is cut.
  const std::vector<float> scores{-1000.0f, -64.4f, -63.5f, -0.5f, 0.0f, 0.5f, 1.5f, 190.6f, 191.0f, 192.0f, 1e6f};
  const std::vector<std::uint8_t> expected{0, 0, 0, 64, 64, 64, 66, 255, 255, 255, 255};
  std::vector<std::uint8_t> found(scores.size());
  kernels.levels(scores.data(), static_cast<int>(scores.size()), found.data());
  CHECK(test::same(found, expected), kernels.name);
  std::vector<float> values(xtr::kLanes, 1.0f), thresholds(xtr::kLanes, 1.0f);
  thresholds[3] = 0.5f;
  thresholds[15] = kLowest;
  values[7] = NAN;
  CHECK(kernels.exceeding(values.data(), thresholds.data()) == ((1u << 3) | (1u << 15)), kernels.name);
}

template <typename Number>
void test_centroids_of_documents(const xtr::Kernels& kernels, std::mt19937& random) {
  constexpr int kCentroids = 40;
  for (const int stride : {32, 64, 96}) {
    std::vector<std::uint8_t> data(static_cast<std::size_t>(kCentroids) * stride), thresholds(stride, 250);
    for (std::uint8_t& one : data) one = static_cast<std::uint8_t>(random());
    const xtr::Levels levels{data.data(), stride, kCentroids - 1};
    std::vector<Number> numbers(70);
    for (Number& one : numbers) one = static_cast<Number>(random() % kCentroids);
    // Of a damaged file: taken for the last centroid.
    numbers[5] = std::numeric_limits<Number>::max();
    numbers[6] = kCentroids;
    for (const int count : {0, 1, 2, 3, 70}) {
      std::vector<std::uint8_t> best(stride, 1), expected(stride, 0);
      std::vector<std::int32_t> chosen(numbers.size()), expected_chosen;
      for (int i = 0; i < count; ++i) {
        const std::uint8_t* own = &data[static_cast<std::size_t>(std::min<Number>(numbers[i], kCentroids - 1)) * stride];
        bool any = false;
        for (int t = 0; t < stride; ++t) {
          expected[t] = std::max(expected[t], own[t]);
          any = any || own[t] >= thresholds[t];
        }
        if (any) expected_chosen.push_back(i);
      }
      kernels.by<Number>().interact(levels, numbers.data(), count, best.data());
      CHECK(test::same(best, expected), kernels.name);
      const int kept =
          kernels.by<Number>().choose(levels, numbers.data(), count, thresholds.data(), chosen.data());
      chosen.resize(static_cast<std::size_t>(kept));
      CHECK(test::same(chosen, expected_chosen), kernels.name);
    }
  }
}

void test_decode(const xtr::Kernels& kernels, std::mt19937& random) {
  for (const int dim : {2, 13, 64, 128}) {
    constexpr int kCentroids = 3;
    const std::vector<float> anchors = random_floats(static_cast<std::size_t>(kCentroids) * dim, 1.0f, random);
    std::vector<float> steps = random_floats(dim, 0.01f, random);
    for (float& step : steps) step = std::fabs(step);
    const Codes levels = random_codes(32, random);
    const xtr::Residuals residuals{anchors.data(), levels.data(), steps.data(), dim, kCentroids - 1};
    for (int round = 0; round < 10; ++round) {
      const std::uint32_t number = round ? random() % (kCentroids + 2) : UINT32_MAX;
      const float* anchor = &anchors[static_cast<std::size_t>(std::min<std::uint32_t>(number, kCentroids - 1)) * dim];
      // Written here the other way around: from codes to their five bits.
      const int half = (dim + 1) / 2;
      std::vector<std::uint8_t> packed(residuals.packed_dim(), 0);
      std::vector<float> values(dim);
      float peak = 0;
      for (int j = 0; j < dim; ++j) {
        const unsigned code = random() % 32;
        packed[j % half] |= static_cast<std::uint8_t>((code & 15) << (j < half ? 0 : 4));
        packed[half + j / 8] |= static_cast<std::uint8_t>((code >> 4) << j % 8);
        values[j] = static_cast<float>(levels[code]) * steps[j] + anchor[j];
        peak = std::max(peak, std::fabs(values[j]));
      }
      const std::uint16_t scale = test::nearest_half(peak / 127.0f);
      const float factor = 1.0f / static_cast<float>(test::value_of_half(scale));
      Codes expected(dim), found(dim);
      for (int j = 0; j < dim; ++j) {
        expected[j] = static_cast<std::int8_t>(std::min(127.0f, std::max(-127.0f, std::nearbyint(values[j] * factor))));
      }
      std::uint16_t found_scale = 0;
      kernels.decode(residuals, packed.data(), number, found.data(), &found_scale);
      CHECK(found_scale == scale, kernels.name);
      CHECK(test::same(found, expected), kernels.name);
    }
  }
}

// The kernels for many query tokens that one of them brings, if any.
const xtr::Kernels* of_many(const std::vector<const xtr::Kernels*>& all) {
  for (const xtr::Kernels* one : all) {
    if (one->many && one->many()) return one->many();
  }
  return nullptr;
}

}  // namespace

int main() {
  auto all = xtr::supported({&xtr::scalar_kernels(), xtr::avx2_kernels(), xtr::avx512_kernels(), xtr::neon_kernels()});
  if (const xtr::Kernels* many = of_many(all)) all.push_back(many);
  for (const xtr::Kernels* kernels : all) {
    const xtr::Entered entered(*kernels);
    std::mt19937 random(7);
    test_dots(*kernels, random);
    for (const bool fine : {false, true}) {
      for (const bool choice : {false, true}) test_best(*kernels, fine, choice, random);
    }
    test_nearest_and_scaled(*kernels, random);
    test_levels(*kernels);
    test_centroids_of_documents<std::uint16_t>(*kernels, random);
    test_centroids_of_documents<std::uint32_t>(*kernels, random);
    test_decode(*kernels, random);
  }
  return test::finish("late_kernels_test");
}

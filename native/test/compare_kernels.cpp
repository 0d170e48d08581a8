// Holds every instruction set of this processor to the plain loops, bit for bit, and the dense index to knowing it;
// exits with 1 where one differs, with 2 where there is none (README.md).
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "common/naming.hpp"
#include "dense/scanner.hpp"
#include "late/kernels.hpp"

namespace {

using Bytes = std::vector<std::int8_t>;
constexpr float kLowest = -std::numeric_limits<float>::infinity();

// Query tokens in 16 bits, rows and their scales, and a choice of rows.
struct Case {
  int dim, tokens;
  Bytes codes, fine_codes, rows;
  std::vector<std::uint16_t> scales;
  std::vector<std::int32_t> chosen;
  std::vector<const void*> coming;

  Case(int dim, int tokens, int count, bool extreme, std::mt19937& random)
      : dim(dim),
        tokens(tokens),
        codes(tokens * dim),
        fine_codes(tokens * dim),
        rows(count * dim),
        scales(count),
        chosen(count),
        coming(count + 1, rows.data()) {
    for (Bytes* bytes : {&codes, &fine_codes, &rows}) {
      for (std::int8_t& one : *bytes) {
        one = static_cast<std::int8_t>(extreme ? (random() % 2 ? 127 : -127) : static_cast<int>(random() % 255) - 127);
      }
    }
    // One in nine is no number.
    for (std::uint16_t& scale : scales) scale = random() % 9 ? random() % 31744 : 0x7e00;
    for (std::int32_t& row : chosen) row = static_cast<std::int32_t>(random() % count);
  }
};

// Products, then the best of each token: of 8 and 16 bits, of all rows and of chosen ones.
std::vector<float> answers(const Case& own, const xtr::Kernels& kernels) {
  const xtr::Entered entered(kernels);
  std::vector<std::uint8_t> coarse(kernels.packed_bytes(own.tokens, own.dim)), fine(coarse.size());
  kernels.pack(own.codes.data(), own.tokens, own.dim, coarse.data());
  kernels.pack(own.fine_codes.data(), own.tokens, own.dim, fine.data());
  const int padded = xtr::padded_tokens(own.tokens), count = static_cast<int>(own.scales.size());
  const xtr::PackedQuery view{coarse.data(), padded, own.dim}, fine_view{fine.data(), padded, own.dim};
  std::vector<std::int32_t> products(static_cast<std::size_t>(count) * padded);
  kernels.dots(view, own.rows.data(), count, products.data());
  std::vector<float> out(products.begin(), products.end());
  for (const bool some : {false, true}) {
    for (const xtr::PackedQuery* second : {static_cast<const xtr::PackedQuery*>(nullptr), &fine_view}) {
      const xtr::Ahead next{own.rows.data(), static_cast<std::int64_t>(own.rows.size())};
      const xtr::Rows rows{own.rows.data(),
                           own.scales.data(),
                           some ? own.chosen.data() : nullptr,
                           count,
                           next,
                           some ? own.coming.data() : nullptr};
      std::vector<float> best(padded, kLowest);
      kernels.best(view, second, rows, best.data());
      out.insert(out.end(), best.begin(), best.begin() + own.tokens);
    }
  }
  return out;
}

// Rows of a compact index, their codes and then their scales.
std::vector<float> decoded(int dim, const xtr::Kernels& kernels) {
  std::mt19937 random(5);
  std::vector<float> anchors(4 * dim), steps(dim);
  Bytes levels(32);
  for (float& one : anchors) one = (static_cast<float>(random() % 2000) - 1000.0f) / 1000.0f;
  for (float& one : steps) one = static_cast<float>(random() % 100) / 5000.0f;
  for (int i = 0; i < 32; ++i) levels[i] = static_cast<std::int8_t>(i * 4 - 64);
  const xtr::Residuals residuals{anchors.data(), levels.data(), steps.data(), dim, 3};
  std::vector<float> out;
  for (int round = 0; round < 500; ++round) {
    std::vector<std::uint8_t> packed(residuals.packed_dim());
    for (std::uint8_t& one : packed) one = static_cast<std::uint8_t>(random());
    Bytes codes(dim);
    std::uint16_t scale;
    kernels.decode(residuals, packed.data(), random() % 5, codes.data(), &scale);
    out.insert(out.end(), codes.begin(), codes.end());
    out.push_back(scale);
  }
  return out;
}

bool same(const std::vector<float>& some, const std::vector<float>& others) {
  return some.size() == others.size() && !std::memcmp(some.data(), others.data(), some.size() * sizeof(float));
}

int differences(const xtr::Kernels& kernels) {
  const xtr::Kernels& plain = xtr::scalar_kernels();
  std::mt19937 random(3);
  int found = 0;
  for (const int dim : {1, 2, 7, 16, 20, 33, 64, 127, 128, 130, 512, 513, 1024}) {
    for (const int tokens : {1, 5, 16, 17, 32, 40, 70}) {
      for (const int count : {1, 2, 3, 4, 5, 7, 64}) {
        for (const bool extreme : {false, true}) {
          const Case own(dim, tokens, count, extreme, random);
          if (same(answers(own, kernels), answers(own, plain))) continue;
          std::printf("%s: %d dimensions, %d tokens, %d rows differ\n", kernels.name, dim, tokens, count);
          ++found;
        }
      }
    }
  }
  for (const int dim : {20, 64, 128, 192}) found += !same(decoded(dim, kernels), decoded(dim, plain));
  std::printf("%s: %d differences\n", kernels.name, found);
  return found;
}

}  // namespace

int main() {
  const auto sets = xtr::supported({xtr::avx512_kernels(), xtr::avx2_kernels(), xtr::neon_kernels()});
  const auto dense_sets = xtr::supported({dense::avx512_kernels(), dense::avx2_kernels(), dense::neon_kernels()});
  int found = 0;
  for (const xtr::Kernels* one : sets) {
    found += differences(*one);
    if (one->many && one->many()) found += differences(*one->many());
    xtr::named(dense_sets, one->name);
  }
  return sets.empty() ? 2 : found != 0;
}

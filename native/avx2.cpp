// AVX2: eight query tokens a register, two dimensions an instruction, in 16 bits, which no product can exceed.
#include "common.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))

namespace xtr {
namespace {

constexpr int kRows = 4;
constexpr int kMaxStackDim = 1024;

inline int pairs(int dim) { return (dim + 1) / 2; }

std::size_t packed_bytes(int tokens, int dim) {
  return static_cast<std::size_t>(padded_tokens(tokens)) * pairs(dim) * 4;
}

// [tile][pair][16 tokens][2 dimensions], int16.
void pack(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data, std::int32_t* corrections) {
  std::memset(data, 0, packed_bytes(tokens, dim));
  std::fill_n(corrections, padded_tokens(tokens), 0);
  for (int t = 0; t < tokens; ++t) {
    for (int i = 0; i < dim; ++i) {
      const std::int16_t code = codes[static_cast<std::size_t>(t) * dim + i];
      const std::size_t pair = static_cast<std::size_t>(t / kLanes) * pairs(dim) + i / 2;
      std::memcpy(data + ((pair * kLanes + t % kLanes) * 2 + i % 2) * 2, &code, 2);
    }
  }
}

TARGET void dots(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out) {
  alignas(32) std::int16_t wide[kRows * (kMaxStackDim + 16)];
  const int pair_count = pairs(query.dim), tiles = query.tokens / kLanes;
  const std::size_t stride = static_cast<std::size_t>(pair_count) * 2;
  for (int first = 0; first < count; first += kRows) {
    const int here = std::min(kRows, count - first);
    for (int row = 0; row < kRows; ++row) {
      const std::int8_t* own = rows + static_cast<std::size_t>(first + std::min(row, here - 1)) * query.dim;
      std::int16_t* target = wide + row * stride;
      for (int i = 0; i < query.dim; ++i) target[i] = own[i];
      if (query.dim % 2) target[query.dim] = 0;
    }
    for (int tile = 0; tile < tiles; ++tile) {
      const std::uint8_t* packed = query.data + static_cast<std::size_t>(tile) * pair_count * 64;
      __m256i sums[kRows][2];
      for (int row = 0; row < kRows; ++row) sums[row][0] = sums[row][1] = _mm256_setzero_si256();
      for (int pair = 0; pair < pair_count; ++pair) {
        const auto* at = reinterpret_cast<const __m256i*>(packed + static_cast<std::size_t>(pair) * 64);
        const __m256i left = _mm256_loadu_si256(at), right = _mm256_loadu_si256(at + 1);
#pragma GCC unroll 4
        for (int row = 0; row < kRows; ++row) {
          std::int32_t two;
          std::memcpy(&two, wide + row * stride + static_cast<std::size_t>(pair) * 2, 4);
          const __m256i values = _mm256_set1_epi32(two);
          sums[row][0] = _mm256_add_epi32(sums[row][0], _mm256_madd_epi16(values, left));
          sums[row][1] = _mm256_add_epi32(sums[row][1], _mm256_madd_epi16(values, right));
        }
      }
      for (int row = 0; row < here; ++row) {
        auto* target = reinterpret_cast<__m256i*>(out + static_cast<std::size_t>(first + row) * query.tokens +
                                                  tile * kLanes);
        _mm256_storeu_si256(target, sums[row][0]);
        _mm256_storeu_si256(target + 1, sums[row][1]);
      }
    }
  }
}

TARGET void residual_dots(const std::uint8_t* residuals, const std::int32_t* chosen, int count,
                          const ResidualQuery& query, std::int32_t* out) {
  const __m256i levels = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
  const __m256i nibble = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
  for (int i = 0; i < count; ++i) {
    const std::uint8_t* own = residuals + static_cast<std::size_t>(chosen ? chosen[i] : i) * query.packed_dim;
    __m256i sum = _mm256_setzero_si256();
    for (int start = 0; start < query.packed_dim; start += 32) {
      const int left = query.packed_dim - start;
      alignas(32) std::uint8_t tail[32] = {};
      const std::uint8_t* from = own + start;
      if (left < 32) {
        std::memcpy(tail, from, static_cast<std::size_t>(left));
        from = tail;
      }
      const __m256i packed = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
      const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query.low + start));
      const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query.high + start));
      const __m256i first = _mm256_shuffle_epi8(levels, _mm256_and_si256(packed, nibble));
      const __m256i second = _mm256_shuffle_epi8(levels, _mm256_and_si256(_mm256_srli_epi16(packed, 4), nibble));
      // Levels have 7 bits: two products of 127 * 127 stay below the 16-bit limit, nothing saturates.
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(first, low), ones));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(second, high), ones));
    }
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    out[i] = _mm_cvtsi128_si32(four) - query.correction;
  }
}

TARGET void widen(const std::uint16_t* halves, int count, float* out) {
  for (int i = 0; i < count; ++i) out[i] = _cvtsh_ss(halves[i]);
}

TARGET void raise(const std::int32_t* d, const float* s, int n, int t, float* best) {
  common::raise(d, s, n, t, best);
}
TARGET void raise_fine(const std::int32_t* c, const std::int32_t* f, const float* s, int n, int t, float* best) {
  common::raise_fine(c, f, s, n, t, best);
}
TARGET void nearest(const std::int32_t* d, const float* rs, const float* b, const float* ts, int n, int t, int first,
                    float* best, std::int32_t* which) {
  common::nearest(d, rs, b, ts, n, t, first, best, which);
}
TARGET void scaled(const std::int32_t* d, const float* rs, const float* f, int n, int t, float* out) {
  common::scaled(d, rs, f, n, t, out);
}
TARGET bool exceeds(const float* v, const float* thresholds, int t) { return common::exceeds(v, thresholds, t); }

TARGET void to_fixed(std::int32_t* p, int n, float base, float factor) { common::to_fixed(p, n, base, factor); }
TARGET bool inside(const std::int32_t* p, int n, std::uint32_t rows) { return common::inside(p, n, rows); }

}  // namespace

const Kernels* avx2_kernels() {
  static const Kernels kernels{"avx2", packed_bytes, pack, dots, raise, raise_fine, nearest, scaled, exceeds, residual_dots, to_fixed, inside, widen};
  __builtin_cpu_init();
  const bool known =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  return known ? &kernels : nullptr;
}

}  // namespace xtr
#else
namespace xtr {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace xtr
#endif

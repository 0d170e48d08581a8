// AVX2: eight query tokens a register, two dimensions an instruction, in 16 bits, which no product can exceed.
#include "common.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))

namespace xtr {
namespace {

constexpr int kRows = 4;

inline int pairs(int dim) { return (dim + 1) / 2; }

std::size_t packed_bytes(int tokens, int dim) {
  return static_cast<std::size_t>(padded_tokens(tokens)) * pairs(dim) * 4;
}

// [tile][pair][16 tokens][2 dimensions], int16.
void pack(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data) {
  std::memset(data, 0, packed_bytes(tokens, dim));
  for (int t = 0; t < tokens; ++t) {
    for (int i = 0; i < dim; ++i) {
      const std::int16_t code = codes[static_cast<std::size_t>(t) * dim + i];
      const std::size_t pair = static_cast<std::size_t>(t / kLanes) * pairs(dim) + i / 2;
      std::memcpy(data + ((pair * kLanes + t % kLanes) * 2 + i % 2) * 2, &code, 2);
    }
  }
}

TARGET void dots_of(const PackedQuery& query, int first_token, int tokens, const std::int8_t* rows, int count,
                    std::int32_t* out) {
  alignas(32) std::int16_t wide[kRows * (common::kMaxStackDim + 16)];
  const int pair_count = pairs(query.dim), tiles = tokens / kLanes;
  const std::uint8_t* data = query.data + static_cast<std::size_t>(first_token / kLanes) * pair_count * 64;
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
      const std::uint8_t* packed = data + static_cast<std::size_t>(tile) * pair_count * 64;
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
        auto* target =
            reinterpret_cast<__m256i*>(out + static_cast<std::size_t>(first + row) * tokens + tile * kLanes);
        _mm256_storeu_si256(target, sums[row][0]);
        _mm256_storeu_si256(target + 1, sums[row][1]);
      }
    }
  }
}

TARGET void dots(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out) {
  dots_of(query, 0, query.tokens, rows, count, out);
}

TARGET float widen(std::uint16_t half) { return _cvtsh_ss(half); }

TARGET void best(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best) {
  common::best(coarse, fine, rows, best, dots_of, widen);
}
TARGET void nearest(const std::int32_t* d, const float* rs, const float* b, const float* ts, int n, int t, int first,
                    float* best, std::int32_t* which) {
  common::nearest(d, rs, b, ts, n, t, first, best, which);
}
TARGET void scaled(const std::int32_t* d, const float* rs, const float* f, int n, int t, float* out) {
  common::scaled(d, rs, f, n, t, out);
}
TARGET void levels(const float* s, int n, std::uint8_t* out) { common::levels(s, n, out); }
TARGET std::uint32_t exceeding(const float* v, const float* t) {
  const __m256 low = _mm256_cmp_ps(_mm256_loadu_ps(v), _mm256_loadu_ps(t), _CMP_GT_OQ);
  const __m256 high = _mm256_cmp_ps(_mm256_loadu_ps(v + 8), _mm256_loadu_ps(t + 8), _CMP_GT_OQ);
  return static_cast<std::uint32_t>(_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8);
}

TARGET void interact(const Levels& levels, const std::uint16_t* numbers, int count, std::uint8_t* best) {
  for (int first = 0; first < levels.stride; first += kLevelLanes) {
    __m256i most = _mm256_setzero_si256();
    for (int i = 0; i < count; ++i) {
      const std::uint8_t* own = common::level_row(levels, numbers[i]) + first;
      most = _mm256_max_epu8(most, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(own)));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(best + first), most);
  }
}

TARGET int choose(const Levels& levels, const std::uint16_t* numbers, int count, const std::uint8_t* thresholds,
                  std::int32_t* chosen) {
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    const std::uint8_t* own = common::level_row(levels, numbers[i]);
    __m256i any = _mm256_setzero_si256();
    for (int first = 0; first < levels.stride; first += kLevelLanes) {
      const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(own + first));
      const __m256i least = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(thresholds + first));
      any = _mm256_or_si256(any, _mm256_cmpeq_epi8(_mm256_max_epu8(values, least), values));
    }
    chosen[kept] = i;
    kept += !_mm256_testz_si256(any, any);
  }
  return kept;
}

TARGET std::uint16_t narrow(float value) { return _cvtss_sh(value, 0); }

TARGET void decode(const Residuals& residuals, const std::uint8_t* packed, std::uint16_t number, std::int8_t* codes,
                   std::uint16_t* scale) {
  common::decode(residuals, packed, number, codes, scale, narrow, widen);
}

}  // namespace

const Kernels* avx2_kernels() {
  static const Kernels kernels{"avx2", packed_bytes, pack,      dots,     best,   nearest,
                               scaled, levels,       exceeding, interact, choose, decode};
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

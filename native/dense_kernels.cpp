// The kernels of dense.hpp: AVX-512 with VNNI, AVX2, and plain loops. Products of codes are integers, exact everywhere;
// floats are multiplied and added in a stated order and never contracted, so that results are equal bit for bit.
#include <algorithm>
#include <cstring>

#include "dense.hpp"
#include "kernels.hpp"

namespace dense {
namespace {

inline float added_by_halves(const float* lanes) {
  float sums[kLanes];
  std::memcpy(sums, lanes, sizeof sums);
  for (int half = kLanes / 2; half; half /= 2) {
    for (int i = 0; i < half; ++i) sums[i] = sums[i] + sums[i + half];
  }
  return sums[0];
}

std::int32_t sum(const Weights& weights, const std::uint8_t* codes) {
  std::int32_t total = 0;
  for (int i = 0; i < weights.bytes; ++i) total += static_cast<std::int32_t>(codes[i]) * weights.values[i];
  return total;
}

std::int32_t sum_halves(const Weights& weights, const std::uint8_t* codes) {
  std::int32_t total = 0;
  for (int i = 0; i < weights.bytes; ++i) {
    total += (codes[i] & 15) * weights.values[i] + (codes[i] >> 4) * weights.upper[i];
  }
  return total;
}

// One row at a time.
template <std::int32_t (*kSum)(const Weights&, const std::uint8_t*)>
std::uint32_t score_rows(const Weights& weights, const std::uint8_t* codes, int count, float bias, float threshold,
                         float* scores) {
  std::uint32_t bits = 0;
  for (int row = 0; row < count; ++row) {
    const std::int32_t own = kSum(weights, codes + static_cast<std::size_t>(row) * weights.bytes);
    scores[row] = static_cast<float>(own) * weights.scale + bias;
    bits |= static_cast<std::uint32_t>(scores[row] >= threshold) << row;
  }
  return bits;
}

void products(const float* rows, int count, int dim, const float* query, float* out) {
  for (int row = 0; row < count; ++row) {
    const float* own = rows + static_cast<std::size_t>(row) * dim;
    float lanes[kLanes] = {};
    for (int i = 0; i < dim; ++i) lanes[i % kLanes] = lanes[i % kLanes] + own[i] * query[i];
    out[row] = added_by_halves(lanes);
  }
}

// Exactly, as the processors' own conversion does: bits are moved into place, and the exponent is corrected by one
// product, which also settles subnormals.
inline float widen(std::uint16_t half) {
  const std::uint32_t bits = (static_cast<std::uint32_t>(half & 0x7FFF) << 13) |
                             (static_cast<std::uint32_t>(half & 0x8000) << 16);
  float value;
  std::memcpy(&value, &bits, 4);
  return value * 5192296858534827628530496329220096.0f;  // 2^112
}

float half_product(const std::uint16_t* row, int dim, const float* query) {
  float lanes[kLanes] = {};
  for (int i = 0; i < dim; ++i) lanes[i % kLanes] = lanes[i % kLanes] + widen(row[i]) * query[i];
  return added_by_halves(lanes);
}

}  // namespace

const Kernels& scalar_kernels() {
  static const Kernels kernels{"scalar", score_rows<sum>, score_rows<sum_halves>, products, half_product};
  return kernels;
}

// The plain loops, of which compilers make NEON, under the name of the token index's kernels: whoever asks for the fastest
// asks both indexes for the same.
const Kernels* neon_kernels() {
  const xtr::Kernels* tokens = xtr::neon_kernels();
  if (!tokens) return nullptr;
  static const Kernels kernels{tokens->name, score_rows<sum>, score_rows<sum_halves>, products, half_product};
  return &kernels;
}

}  // namespace dense

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#define TARGET2 __attribute__((target("avx2,f16c")))
#define TARGET512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c")))

namespace dense {
namespace {

// ---- AVX2: bytes are widened to 16 bits, whose pairs of products 32 bits hold; half bytes need no widening, as two of
// their products stay below 2**12.

TARGET2 inline __m256i tail_mask(int lanes) {
  const __m256i numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), numbers);
}

TARGET2 inline std::int32_t across_avx2(__m256i sums) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
  return _mm_cvtsi128_si32(four);
}

TARGET2 std::int32_t sum_avx2(const Weights& weights, const std::uint8_t* codes) {
  __m256i sums = _mm256_setzero_si256();
  int i = 0;
  for (; i + 16 <= weights.bytes; i += 16) {
    const __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i)));
    const __m256i own = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights.wide + i));
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(wide, own));
  }
  std::int32_t total = across_avx2(sums);
  for (; i < weights.bytes; ++i) total += static_cast<std::int32_t>(codes[i]) * weights.wide[i];
  return total;
}

TARGET2 std::int32_t sum_halves_avx2(const Weights& weights, const std::uint8_t* codes) {
  __m256i sums = _mm256_setzero_si256();
  const __m256i half = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
  int i = 0;
  for (; i + 32 <= weights.bytes; i += 32) {
    const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
    const __m256i lower = _mm256_and_si256(both, half), upper = _mm256_and_si256(_mm256_srli_epi16(both, 4), half);
    const __m256i pairs =
        _mm256_add_epi16(_mm256_maddubs_epi16(lower, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights.values + i))),
                         _mm256_maddubs_epi16(upper, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights.upper + i))));
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
  }
  std::int32_t total = across_avx2(sums);
  for (; i < weights.bytes; ++i) total += (codes[i] & 15) * weights.values[i] + (codes[i] >> 4) * weights.upper[i];
  return total;
}

TARGET2 void products_avx2(const float* rows, int count, int dim, const float* query, float* out) {
  for (int row = 0; row < count; ++row) {
    const float* own = rows + static_cast<std::size_t>(row) * dim;
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    int i = 0;
    for (; i + kLanes <= dim; i += kLanes) {
      low = _mm256_add_ps(low, _mm256_mul_ps(_mm256_loadu_ps(own + i), _mm256_loadu_ps(query + i)));
      high = _mm256_add_ps(high, _mm256_mul_ps(_mm256_loadu_ps(own + i + 8), _mm256_loadu_ps(query + i + 8)));
    }
    if (i < dim) {
      const __m256i first = tail_mask(dim - i), second = tail_mask(dim - i - 8);
      low = _mm256_add_ps(low, _mm256_mul_ps(_mm256_maskload_ps(own + i, first), _mm256_maskload_ps(query + i, first)));
      high = _mm256_add_ps(
          high, _mm256_mul_ps(_mm256_maskload_ps(own + i + 8, second), _mm256_maskload_ps(query + i + 8, second)));
    }
    alignas(32) float lanes[kLanes];
    _mm256_store_ps(lanes, low);
    _mm256_store_ps(lanes + 8, high);
    out[row] = added_by_halves(lanes);
  }
}

TARGET2 float half_product_avx2(const std::uint16_t* row, int dim, const float* query) {
  __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
  int i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    const auto* at = reinterpret_cast<const __m128i*>(row + i);
    low = _mm256_add_ps(low, _mm256_mul_ps(_mm256_cvtph_ps(_mm_loadu_si128(at)), _mm256_loadu_ps(query + i)));
    high = _mm256_add_ps(high, _mm256_mul_ps(_mm256_cvtph_ps(_mm_loadu_si128(at + 1)), _mm256_loadu_ps(query + i + 8)));
  }
  alignas(32) float lanes[kLanes];
  _mm256_store_ps(lanes, low);
  _mm256_store_ps(lanes + 8, high);
  for (; i < dim; ++i) lanes[i % kLanes] = lanes[i % kLanes] + widen(row[i]) * query[i];
  return added_by_halves(lanes);
}

// ---- AVX-512 with VNNI: sixty-four products an instruction, unsigned codes times signed weights.

// Sums over the lanes of sixteen registers: lane i of the result is that of sums[i].
TARGET512 inline __m512i across(__m512i (&sums)[kLanes]) {
  // Pairs of 32-bit lanes are interleaved and added until a register holds one partial sum of each of four rows, then
  // quarters are exchanged.
  __m512i four[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    __m512i* own = sums + 4 * i;
    const __m512i first = _mm512_add_epi32(_mm512_unpacklo_epi32(own[0], own[1]), _mm512_unpackhi_epi32(own[0], own[1]));
    const __m512i second =
        _mm512_add_epi32(_mm512_unpacklo_epi32(own[2], own[3]), _mm512_unpackhi_epi32(own[2], own[3]));
    four[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second));
  }
  const __m512i left = _mm512_add_epi32(_mm512_shuffle_i32x4(four[0], four[1], 0x88),
                                        _mm512_shuffle_i32x4(four[0], four[1], 0xDD));
  const __m512i right = _mm512_add_epi32(_mm512_shuffle_i32x4(four[2], four[3], 0x88),
                                         _mm512_shuffle_i32x4(four[2], four[3], 0xDD));
  return _mm512_add_epi32(_mm512_shuffle_i32x4(left, right, 0x88), _mm512_shuffle_i32x4(left, right, 0xDD));
}

// What 64 bytes of a row at `at` add to its sums.
template <bool kHalves>
TARGET512 inline __attribute__((always_inline)) __m512i added(__m512i sums, const Weights& weights, __m512i bytes,
                                                              std::size_t at) {
  const __m512i own = _mm512_loadu_si512(weights.values + at);
  if constexpr (!kHalves) return _mm512_dpbusd_epi32(sums, bytes, own);
  const __m512i half = _mm512_set1_epi8(15);
  const __m512i lower = _mm512_dpbusd_epi32(sums, _mm512_and_si512(bytes, half), own);
  const __m512i upper = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), half);
  return _mm512_dpbusd_epi32(lower, upper, _mm512_loadu_si512(weights.upper + at));
}

// Sixteen sums stay in registers from the first product to the last addition: no index of theirs may be a variable.
// Rows beyond the last repeat it.
template <bool kHalves, bool kWhole>
TARGET512 inline __attribute__((always_inline)) __m512i sums_of(const Weights& weights, const std::uint8_t* codes,
                                                                int count) {
  const auto bytes = static_cast<std::size_t>(weights.bytes);
  const auto at = [codes, bytes, count](int row) __attribute__((always_inline)) {
    return codes + static_cast<std::size_t>(kWhole ? row : std::min(row, count - 1)) * bytes;
  };
  __m512i sums[kLanes];
#pragma GCC unroll 16
  for (int row = 0; row < kLanes; ++row) sums[row] = _mm512_setzero_si512();
  std::size_t i = 0;
  for (; i + 64 <= bytes; i += 64) {
#pragma GCC unroll 16
    for (int row = 0; row < kLanes; ++row) {
      sums[row] = added<kHalves>(sums[row], weights, _mm512_loadu_si512(at(row) + i), i);
    }
  }
  if (i < bytes) {
    const __mmask64 mask = (1ull << (bytes - i)) - 1;
#pragma GCC unroll 16
    for (int row = 0; row < kLanes; ++row) {
      sums[row] = added<kHalves>(sums[row], weights, _mm512_maskz_loadu_epi8(mask, at(row) + i), i);
    }
  }
  return across(sums);
}

template <bool kHalves>
TARGET512 std::uint32_t score_avx512(const Weights& weights, const std::uint8_t* codes, int count, float bias,
                                     float threshold, float* scores) {
  const __m512i sums = count == kLanes ? sums_of<kHalves, true>(weights, codes, count)
                                       : sums_of<kHalves, false>(weights, codes, count);
  const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(weights.scale));
  const __m512 whole = _mm512_add_ps(product, _mm512_set1_ps(bias));
  _mm512_storeu_ps(scores, whole);
  const auto here = static_cast<__mmask16>((1u << count) - 1);
  return _mm512_mask_cmp_ps_mask(here, whole, _mm512_set1_ps(threshold), _CMP_GE_OQ);
}

TARGET512 inline float added_by_halves_avx512(__m512 lanes) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

TARGET512 void products_avx512(const float* rows, int count, int dim, const float* query, float* out) {
  const auto stride = static_cast<std::size_t>(dim);
  int row = 0;
  // Four rows at a time: each sum waits for its own last addition.
  for (; row < count; row += 4) {
    const int here = std::min(4, count - row);
    const float* own[4];
    __m512 sums[4];
    for (int j = 0; j < 4; ++j) {
      own[j] = rows + static_cast<std::size_t>(row + std::min(j, here - 1)) * stride;
      sums[j] = _mm512_setzero_ps();
    }
    for (int i = 0; i < dim; i += kLanes) {
      const __mmask16 mask = dim - i >= kLanes ? 0xFFFF : static_cast<__mmask16>((1u << (dim - i)) - 1);
      const __m512 asked = _mm512_maskz_loadu_ps(mask, query + i);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        sums[j] = _mm512_add_ps(sums[j], _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, own[j] + i), asked));
      }
    }
    for (int j = 0; j < here; ++j) out[row + j] = added_by_halves_avx512(sums[j]);
  }
}

TARGET512 float half_product_avx512(const std::uint16_t* row, int dim, const float* query) {
  __m512 sum = _mm512_setzero_ps();
  int i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i));
    sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_cvtph_ps(halves), _mm512_loadu_ps(query + i)));
  }
  if (i < dim) {
    const auto mask = static_cast<__mmask16>((1u << (dim - i)) - 1);
    const __m256i halves = _mm256_maskz_loadu_epi16(mask, row + i);
    sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_cvtph_ps(halves), _mm512_maskz_loadu_ps(mask, query + i)));
  }
  return added_by_halves_avx512(sum);
}

}  // namespace

const Kernels* avx2_kernels() {
  static const Kernels kernels{"avx2", score_rows<sum_avx2>, score_rows<sum_halves_avx2>, products_avx2,
                               half_product_avx2};
  __builtin_cpu_init();
  // Every processor with AVX2 has F16C, by which not every compiler can ask.
  return __builtin_cpu_supports("avx2") ? &kernels : nullptr;
}

const Kernels* avx512_kernels() {
  static const Kernels kernels{"avx512-vnni", score_avx512<false>, score_avx512<true>, products_avx512,
                               half_product_avx512};
  __builtin_cpu_init();
  const bool known = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                     __builtin_cpu_supports("avx512vnni");
  return known ? &kernels : nullptr;
}

}  // namespace dense
#else
namespace dense {
const Kernels* avx2_kernels() { return nullptr; }
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace dense
#endif

// AVX-512 with VNNI: sixty-four products an instruction, unsigned codes times signed weights.
#include "common/processor.hpp"
#include "common/watched.hpp"
#include "dense/kernels.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#include <algorithm>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c")))

namespace dense {
namespace {

// Sums over the lanes of sixteen registers: lane i of the result is that of sums[i].
TARGET inline __m512i across(__m512i (&sums)[kLanes]) {
  // Pairs of 32-bit lanes are interleaved and added until a register holds one partial sum of each of four rows, then
  // quarters are exchanged.
  __m512i four[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    __m512i* own = sums + 4 * i;
    const __m512i first =
        _mm512_add_epi32(_mm512_unpacklo_epi32(own[0], own[1]), _mm512_unpackhi_epi32(own[0], own[1]));
    const __m512i second =
        _mm512_add_epi32(_mm512_unpacklo_epi32(own[2], own[3]), _mm512_unpackhi_epi32(own[2], own[3]));
    four[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second));
  }
  const __m512i left =
      _mm512_add_epi32(_mm512_shuffle_i32x4(four[0], four[1], 0x88), _mm512_shuffle_i32x4(four[0], four[1], 0xDD));
  const __m512i right =
      _mm512_add_epi32(_mm512_shuffle_i32x4(four[2], four[3], 0x88), _mm512_shuffle_i32x4(four[2], four[3], 0xDD));
  return _mm512_add_epi32(_mm512_shuffle_i32x4(left, right, 0x88), _mm512_shuffle_i32x4(left, right, 0xDD));
}

// What 64 bytes of a row at `at` add to its sums.
template <bool kHalves>
TARGET inline __attribute__((always_inline)) __m512i added(__m512i sums, const Weights& weights, __m512i bytes,
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
TARGET inline __attribute__((always_inline)) __m512i sums_of(const Weights& weights, const std::uint8_t* codes,
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
      XTR_WATCH(at(row) + i, bytes - i);
      sums[row] = added<kHalves>(sums[row], weights, _mm512_maskz_loadu_epi8(mask, at(row) + i), i);
    }
  }
  return across(sums);
}

template <bool kHalves>
TARGET std::uint32_t score_avx512(const Weights& weights, const std::uint8_t* codes, int count, float bias,
                                  float threshold, float* scores) {
  const __m512i sums =
      count == kLanes ? sums_of<kHalves, true>(weights, codes, count) : sums_of<kHalves, false>(weights, codes, count);
  const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(weights.scale));
  const __m512 whole = _mm512_add_ps(product, _mm512_set1_ps(bias));
  _mm512_storeu_ps(scores, whole);
  const auto here = static_cast<__mmask16>((1u << count) - 1);
  return _mm512_mask_cmp_ps_mask(here, whole, _mm512_set1_ps(threshold), _CMP_GE_OQ);
}

TARGET inline float added_by_halves_avx512(__m512 lanes) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

TARGET void products_avx512(const float* rows, int count, int dim, const float* query, float* out) {
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
      [[maybe_unused]] const auto size = static_cast<std::size_t>(std::min(kLanes, dim - i)) * sizeof(float);
      XTR_WATCH(query + i, size);
      const __m512 asked = _mm512_maskz_loadu_ps(mask, query + i);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        XTR_WATCH(own[j] + i, size);
        sums[j] = _mm512_add_ps(sums[j], _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, own[j] + i), asked));
      }
    }
    for (int j = 0; j < here; ++j) out[row + j] = added_by_halves_avx512(sums[j]);
  }
}

TARGET float half_product_avx512(const std::uint16_t* row, int dim, const float* query) {
  __m512 sum = _mm512_setzero_ps();
  int i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i));
    sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_cvtph_ps(halves), _mm512_loadu_ps(query + i)));
  }
  if (i < dim) {
    const auto mask = static_cast<__mmask16>((1u << (dim - i)) - 1);
    XTR_WATCH(row + i, (dim - i) * sizeof(std::uint16_t));
    XTR_WATCH(query + i, (dim - i) * sizeof(float));
    const __m256i halves = _mm256_maskz_loadu_epi16(mask, row + i);
    sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_cvtph_ps(halves), _mm512_maskz_loadu_ps(mask, query + i)));
  }
  return added_by_halves_avx512(sum);
}

}  // namespace

const Kernels* avx512_kernels() {
  static const Kernels kernels{"avx512-vnni", score_avx512<false>, score_avx512<true>, products_avx512,
                               half_product_avx512};
  return xtr::has_avx512() ? &kernels : nullptr;
}

}  // namespace dense
#else
namespace dense {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace dense
#endif

// AVX2: bytes are widened to 16 bits, whose pairs of products 32 bits hold; half bytes need no widening, as two of
// their products stay below 2**12.
#include "common/processor.hpp"
#include "common/watched.hpp"
#include "dense/loops.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,f16c")))

namespace dense {
namespace {

TARGET inline __m256i tail_mask(int lanes) {
  const __m256i numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), numbers);
}

TARGET inline std::int32_t across_avx2(__m256i sums) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
  return _mm_cvtsi128_si32(four);
}

TARGET std::int32_t sum_avx2(const Weights& weights, const std::uint8_t* codes) {
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

TARGET std::int32_t sum_halves_avx2(const Weights& weights, const std::uint8_t* codes) {
  __m256i sums = _mm256_setzero_si256();
  const __m256i half = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
  int i = 0;
  for (; i + 32 <= weights.bytes; i += 32) {
    const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
    const __m256i lower = _mm256_and_si256(both, half), upper = _mm256_and_si256(_mm256_srli_epi16(both, 4), half);
    const __m256i pairs = _mm256_add_epi16(
        _mm256_maddubs_epi16(lower, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights.values + i))),
        _mm256_maddubs_epi16(upper, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights.upper + i))));
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
  }
  std::int32_t total = across_avx2(sums);
  for (; i < weights.bytes; ++i) total += (codes[i] & 15) * weights.values[i] + (codes[i] >> 4) * weights.upper[i];
  return total;
}

TARGET void products_avx2(const float* rows, int count, int dim, const float* query, float* out) {
  for (int row = 0; row < count; ++row) {
    const float* own = rows + static_cast<std::size_t>(row) * dim;
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    int i = 0;
    for (; i + kLanes <= dim; i += kLanes) {
      low = _mm256_add_ps(low, _mm256_mul_ps(_mm256_loadu_ps(own + i), _mm256_loadu_ps(query + i)));
      high = _mm256_add_ps(high, _mm256_mul_ps(_mm256_loadu_ps(own + i + 8), _mm256_loadu_ps(query + i + 8)));
    }
    if (i < dim) {
      XTR_WATCH(own + i, (dim - i) * sizeof(float));
      XTR_WATCH(query + i, (dim - i) * sizeof(float));
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

TARGET float half_product_avx2(const std::uint16_t* row, int dim, const float* query) {
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

}  // namespace

const Kernels* avx2_kernels() {
  static const Kernels kernels{"avx2", score_rows<sum_avx2>, score_rows<sum_halves_avx2>, products_avx2,
                               half_product_avx2};
  return xtr::has_avx2() ? &kernels : nullptr;
}

}  // namespace dense
#else
namespace dense {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace dense
#endif

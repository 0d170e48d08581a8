// AVX-512 with VNNI: sixteen query tokens a register, four dimensions an instruction.
#include "common/processor.hpp"
#include "late/loops.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include "late/avx512/products.hpp"

namespace xtr {
namespace {

// The nearest rows of kTiles times sixteen tokens: they stay in registers while the rows pass by.
template <int kTiles>
struct Nearest {
  __m512 factors[kTiles], best[kTiles];
  __m512i which[kTiles];

  template <int kTile>
  TARGET_INLINE void compare(const std::int32_t* dots, __m512 scale, __m512 bias, __m512i number) {
    const __m512 products = _mm512_cvtepi32_ps(_mm512_loadu_si512(dots + kTile * kLanes));
    const __m512 score = _mm512_sub_ps(_mm512_mul_ps(_mm512_mul_ps(products, scale), factors[kTile]), bias);
    const __mmask16 better = _mm512_cmp_ps_mask(score, best[kTile], _CMP_GT_OQ);
    best[kTile] = _mm512_mask_mov_ps(best[kTile], better, score);
    which[kTile] = _mm512_mask_mov_epi32(which[kTile], better, number);
  }

  template <int... kTile>
  TARGET_INLINE void load(const float* token_scales, const float* bests, const std::int32_t* rows, Numbers<kTile...>) {
    ((factors[kTile] = _mm512_loadu_ps(token_scales + kTile * kLanes)), ...);
    ((best[kTile] = _mm512_loadu_ps(bests + kTile * kLanes)), ...);
    ((which[kTile] = _mm512_loadu_si512(rows + kTile * kLanes)), ...);
  }

  template <int... kTile>
  TARGET_INLINE void compare_all(const std::int32_t* dots, float scale, float bias, int number, Numbers<kTile...>) {
    const __m512 scales = _mm512_set1_ps(scale), biases = _mm512_set1_ps(bias);
    const __m512i numbers = _mm512_set1_epi32(number);
    (compare<kTile>(dots, scales, biases, numbers), ...);
  }

  template <int... kTile>
  TARGET_INLINE void store(float* bests, std::int32_t* rows, Numbers<kTile...>) const {
    (_mm512_storeu_ps(bests + kTile * kLanes, best[kTile]), ...);
    (_mm512_storeu_si512(rows + kTile * kLanes, which[kTile]), ...);
  }
};

template <int kTiles>
TARGET_INLINE void nearest_of(const std::int32_t* dots, const float* row_scales, const float* biases,
                              const float* token_scales, int count, int tokens, int first, float* best,
                              std::int32_t* which) {
  Nearest<kTiles> own;
  own.load(token_scales, best, which, Each<kTiles>());
  for (int row = 0; row < count; ++row) {
    own.compare_all(dots + static_cast<std::size_t>(row) * tokens, row_scales[row], biases[row], first + row,
                    Each<kTiles>());
  }
  own.store(best, which, Each<kTiles>());
}

TARGET void nearest(const std::int32_t* dots, const float* row_scales, const float* biases, const float* token_scales,
                    int count, int tokens, int first, float* best, std::int32_t* which) {
  int t = 0;
  for (; t + 4 * kLanes <= tokens; t += 4 * kLanes) {
    nearest_of<4>(dots + t, row_scales, biases, token_scales + t, count, tokens, first, best + t, which + t);
  }
  for (; t < tokens; t += kLanes) {
    nearest_of<1>(dots + t, row_scales, biases, token_scales + t, count, tokens, first, best + t, which + t);
  }
}
TARGET void scaled(const std::int32_t* d, const float* rs, const float* f, int n, int t, float* out) {
  common::scaled(d, rs, f, n, t, out);
}
TARGET void levels(const float* scores, int count, std::uint8_t* out) {
  for (int i = 0; i < count; i += 16) {
    const int here = std::min(16, count - i);
    const __mmask16 mask = static_cast<__mmask16>((1u << here) - 1);
    XTR_WATCH(scores + i, here * sizeof(float));
    XTR_WATCH(out + i, here);
    const __m512 whole = _mm512_roundscale_ps(_mm512_maskz_loadu_ps(mask, scores + i), 0);
    const __m512 moved = _mm512_add_ps(whole, _mm512_set1_ps(kLevelZero));
    const __m512 inside = _mm512_min_ps(_mm512_max_ps(moved, _mm512_setzero_ps()), _mm512_set1_ps(255.0f));
    _mm_mask_storeu_epi8(out + i, mask, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(inside)));
  }
}
TARGET std::uint32_t exceeding(const float* v, const float* t) {
  return _mm512_cmp_ps_mask(_mm512_loadu_ps(v), _mm512_loadu_ps(t), _CMP_GT_OQ);
}

template <typename Number>
TARGET void interact(const Levels& levels, const Number* numbers, int count, std::uint8_t* best) {
  int first = 0;
  for (; first + 64 <= levels.stride; first += 64) {
    __m512i most = _mm512_setzero_si512();
    for (int i = 0; i < count; ++i) {
      most = _mm512_max_epu8(most, _mm512_loadu_si512(common::level_row(levels, numbers[i]) + first));
    }
    _mm512_storeu_si512(best + first, most);
  }
  if (first < levels.stride) {
    __m256i most = _mm256_setzero_si256();
    for (int i = 0; i < count; ++i) {
      const std::uint8_t* own = common::level_row(levels, numbers[i]) + first;
      most = _mm256_max_epu8(most, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(own)));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(best + first), most);
  }
}

template <typename Number>
TARGET int choose(const Levels& levels, const Number* numbers, int count, const std::uint8_t* thresholds,
                  std::int32_t* chosen) {
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    const std::uint8_t* own = common::level_row(levels, numbers[i]);
    std::uint32_t any = 0;
    for (int first = 0; first < levels.stride; first += kLevelLanes) {
      const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(own + first));
      const __m256i least = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(thresholds + first));
      any |= _mm256_cmpge_epu8_mask(values, least);
    }
    chosen[kept] = i;
    kept += any != 0;
  }
  return kept;
}

TARGET_INLINE std::uint16_t narrow(float value) { return _cvtss_sh(value, 0); }

TARGET void decode(const Residuals& residuals, const std::uint8_t* packed, std::uint32_t number, std::int8_t* codes,
                   std::uint16_t* scale) {
  const int half = residuals.low_bytes(), dim = residuals.dim;
  if (dim % 128) {
    common::decode(residuals, packed, number, codes, scale, narrow, widen);
    return;
  }
  alignas(64) float values[common::kMaxStackDim];
  const float* anchor = common::anchor_of(residuals, number);
  const auto* levels = reinterpret_cast<const __m128i*>(residuals.levels);
  const __m512i lower = _mm512_broadcast_i32x4(_mm_loadu_si128(levels));
  const __m512i upper = _mm512_broadcast_i32x4(_mm_loadu_si128(levels + 1));
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512 peak = _mm512_setzero_ps();
  for (int j = 0; j < dim; j += 64) {
    const __m512i bytes = _mm512_loadu_si512(packed + j % half);
    const __m512i codes_low = _mm512_and_si512(j < half ? bytes : _mm512_srli_epi16(bytes, 4), nibble);
    std::uint64_t bits;
    std::memcpy(&bits, packed + half + j / 8, 8);
    const __m512i own = _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(lower, codes_low), bits, upper, codes_low);
    alignas(64) std::int8_t steps[64];
    _mm512_store_si512(steps, own);
#pragma GCC unroll 4
    for (int i = 0; i < 64; i += 16) {
      const __m512i whole = _mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(steps + i)));
      const __m512 step = _mm512_loadu_ps(residuals.steps + j + i);
      const __m512 value =
          _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(whole), step), _mm512_loadu_ps(anchor + j + i));
      _mm512_store_ps(values + j + i, value);
      peak = _mm512_max_ps(peak, _mm512_abs_ps(value));
    }
  }
  common::scale_row(values, dim, _mm512_reduce_max_ps(peak), codes, scale, narrow, widen);
}

}  // namespace

const Kernels* avx512_kernels() {
  static const Kernels kernels{
      "avx512-vnni",      packed_bytes,       pack,       dots, best, nearest, scaled, levels, exceeding, decode,
      {interact, choose}, {interact, choose}, amx_kernels};
  return xtr::has_avx512() ? &kernels : nullptr;
}

}  // namespace xtr
#else
namespace xtr {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace xtr
#endif

// AVX2: eight query tokens a register, two dimensions an instruction.
#include "common/processor.hpp"
#include "late/loops.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include "late/avx2/products.hpp"

namespace xtr {
namespace {

TARGET void nearest(const std::int32_t* dots, const float* row_scales, const float* biases, const float* token_scales,
                    int count, int tokens, int first, float* best, std::int32_t* which) {
  // Eight tokens after the other: their best stay in registers.
  for (int t = 0; t < tokens; t += kWide) {
    const __m256 factors = _mm256_loadu_ps(token_scales + t);
    __m256 most = _mm256_loadu_ps(best + t);
    __m256i number = load(which + t);
    for (int row = 0; row < count; ++row) {
      const __m256 product = _mm256_cvtepi32_ps(load(dots + static_cast<std::size_t>(row) * tokens + t));
      const __m256 scaled = _mm256_mul_ps(_mm256_mul_ps(product, _mm256_set1_ps(row_scales[row])), factors);
      const __m256 value = _mm256_sub_ps(scaled, _mm256_set1_ps(biases[row]));
      const __m256 better = _mm256_cmp_ps(value, most, _CMP_GT_OQ);
      most = _mm256_blendv_ps(most, value, better);
      number = _mm256_blendv_epi8(number, _mm256_set1_epi32(first + row), _mm256_castps_si256(better));
    }
    _mm256_storeu_ps(best + t, most);
    store(which + t, number);
  }
}

TARGET void scaled(const std::int32_t* dots, const float* row_scales, const float* factors, int count, int tokens,
                   float* out) {
  for (int row = 0; row < count; ++row) {
    const __m256 scale = _mm256_set1_ps(row_scales[row]);
    const std::size_t start = static_cast<std::size_t>(row) * tokens;
    for (int t = 0; t < tokens; t += kWide) {
      const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(load(dots + start + t)), scale);
      _mm256_storeu_ps(out + start + t, _mm256_mul_ps(product, _mm256_loadu_ps(factors + t)));
    }
  }
}

// Thirty-two whole numbers within eight bits, signed or not as `kSigned` says, in their order.
template <bool kSigned>
TARGET_INLINE __m256i narrowed(__m256i first, __m256i second, __m256i third, __m256i fourth) {
  const __m256i low = _mm256_packs_epi32(first, second), high = _mm256_packs_epi32(third, fourth);
  const __m256i bytes = kSigned ? _mm256_packs_epi16(low, high) : _mm256_packus_epi16(low, high);
  // Each pack takes halves of registers in turns.
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// The nearest whole numbers within bounds.
TARGET_INLINE __m256i bounded(__m256 values, float low, float high) {
  const __m256 whole = _mm256_round_ps(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(whole, _mm256_set1_ps(low)), _mm256_set1_ps(high)));
}

TARGET_INLINE __m256i level(const float* scores) {
  const __m256i own = bounded(_mm256_loadu_ps(scores), -kLevelZero, 255.0f - kLevelZero);
  return _mm256_add_epi32(own, _mm256_set1_epi32(static_cast<int>(kLevelZero)));
}

TARGET void levels(const float* scores, int count, std::uint8_t* out) {
  int i = 0;
  for (; i + 32 <= count; i += 32) {
    store(out + i,
          narrowed<false>(level(scores + i), level(scores + i + 8), level(scores + i + 16), level(scores + i + 24)));
  }
  common::levels(scores + i, count - i, out + i);
}

TARGET std::uint32_t exceeding(const float* v, const float* t) {
  const __m256 low = _mm256_cmp_ps(_mm256_loadu_ps(v), _mm256_loadu_ps(t), _CMP_GT_OQ);
  const __m256 high = _mm256_cmp_ps(_mm256_loadu_ps(v + 8), _mm256_loadu_ps(t + 8), _CMP_GT_OQ);
  return static_cast<std::uint32_t>(_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8);
}

template <typename Number>
TARGET void interact(const Levels& levels, const Number* numbers, int count, std::uint8_t* best) {
  for (int first = 0; first < levels.stride; first += kLevelLanes) {
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

TARGET_INLINE std::uint16_t narrow(float value) { return _cvtss_sh(value, 0); }

// Thirty-two dimensions of a packed row: their levels, by four bits of `nibbles` and one of `bits` each.
TARGET_INLINE __m256i levels_of(__m256i nibbles, std::uint32_t bits, __m256i lower, __m256i upper) {
  const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i own = _mm256_set1_epi64x(static_cast<std::int64_t>(0x8040201008040201ull));
  const __m256i each = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<std::int32_t>(bits)), spread);
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(each, own), own);
  return _mm256_blendv_epi8(_mm256_shuffle_epi8(lower, nibbles), _mm256_shuffle_epi8(upper, nibbles), set);
}

TARGET_INLINE __m256i code(const float* values, __m256 factor) {
  return bounded(_mm256_mul_ps(_mm256_loadu_ps(values), factor), -127.0f, 127.0f);
}

TARGET void decode(const Residuals& residuals, const std::uint8_t* packed, std::uint32_t number, std::int8_t* codes,
                   std::uint16_t* scale) {
  const int half = residuals.low_bytes(), dim = residuals.dim;
  if (dim % 64) {
    common::decode(residuals, packed, number, codes, scale, narrow, widen);
    return;
  }
  alignas(32) float values[common::kMaxStackDim];
  const float* anchor = common::anchor_of(residuals, number);
  const auto* levels = reinterpret_cast<const __m128i*>(residuals.levels);
  const __m256i lower = _mm256_broadcastsi128_si256(_mm_loadu_si128(levels));
  const __m256i upper = _mm256_broadcastsi128_si256(_mm_loadu_si128(levels + 1));
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 peaks = _mm256_setzero_ps();
  for (int j = 0; j < dim; j += 32) {
    const __m256i bytes = load(packed + j % half);
    const __m256i nibbles = _mm256_and_si256(j < half ? bytes : _mm256_srli_epi16(bytes, 4), nibble);
    std::uint32_t bits;
    std::memcpy(&bits, packed + half + j / 8, 4);
    alignas(32) std::int8_t steps[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(steps), levels_of(nibbles, bits, lower, upper));
    for (int i = 0; i < 32; i += kWide) {
      std::int64_t eight;
      std::memcpy(&eight, steps + i, 8);
      const __m256 whole = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_cvtsi64_si128(eight)));
      const __m256 moved = _mm256_mul_ps(whole, _mm256_loadu_ps(residuals.steps + j + i));
      const __m256 value = _mm256_add_ps(moved, _mm256_loadu_ps(anchor + j + i));
      _mm256_store_ps(values + j + i, value);
      peaks = _mm256_max_ps(peaks, _mm256_andnot_ps(sign, value));
    }
  }
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(peaks), _mm256_extractf128_ps(peaks, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  const float factor = common::row_factor(_mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two))), scale, narrow, widen);
  const __m256 factors = _mm256_set1_ps(factor);
  for (int j = 0; j < dim; j += 32) {
    const float* own = values + j;
    store(codes + j,
          narrowed<true>(code(own, factors), code(own + 8, factors), code(own + 16, factors), code(own + 24, factors)));
  }
}

}  // namespace

const Kernels* avx2_kernels() {
  static const Kernels kernels{"avx2", packed_bytes, pack,   dots,      best,   nearest,
                               scaled, levels, exceeding, decode, {interact, choose}, {interact, choose}};
  return xtr::has_avx2() ? &kernels : nullptr;
}

}  // namespace xtr
#else
namespace xtr {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace xtr
#endif

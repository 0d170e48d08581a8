// AVX2 with FMA: eight floats a register.
#include "common/processor.hpp"
#include "encoder/model.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#include <cmath>
#include <cstring>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#include "encoder/loops.hpp"

namespace encoder {
namespace {

// Registers: 6 x 2 sums, 2 of the panel, 1 of the rows.
struct Eight {
  static constexpr int lanes = 8, neighbours = 1, wide = 2, wide_rows = 6, narrow_rows = 6;
  using F = __m256;
  using U = __m256;
  static F zero() { return _mm256_setzero_ps(); }
  static F all(float value) { return _mm256_set1_ps(value); }
  static U load(const Unit* from) { return _mm256_loadu_ps(reinterpret_cast<const float*>(from)); }
  static U broadcast(const Unit* from) { return _mm256_broadcast_ss(reinterpret_cast<const float*>(from)); }
  static F dp(F sum, U a, U b) { return _mm256_fmadd_ps(a, b, sum); }
  static F load_floats(const float* from) { return _mm256_loadu_ps(from); }
  static void store_floats(float* to, F value) { _mm256_storeu_ps(to, value); }
  static void store(void* base, std::size_t number, F value) { _mm256_storeu_ps(static_cast<float*>(base) + number, value); }
  static Unit unit(const float* from) {
    Unit out;
    std::memcpy(&out, from, sizeof out);
    return out;
  }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F round(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F sign_bit() { return _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0x80000000u))); }
  static F abs(F a) { return _mm256_andnot_ps(sign_bit(), a); }
  static F signed_as(F a, F sign) { return _mm256_or_ps(abs(a), _mm256_and_ps(sign_bit(), sign)); }
  static F scaled(F a, F power) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(power), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
  }
  static float total(F a) {
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
  }
  static float most(F a) {
    const __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
  }
};

void pack_eight(const float* weights, int out, int in, Linear& into) { pack<Eight>(weights, out, in, into); }
void forward_eight(const Model& m, const std::int32_t* ids, const std::int64_t* starts, int texts, float* const* states) {
  forward<Eight>(m, ids, starts, texts, states);
}

}  // namespace
}  // namespace encoder
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace encoder {
const Engine* avx2_engine() {
  static const Engine engine{"avx2", "fp32", 16, 16, pack_eight, forward_eight};
  return xtr::has_avx2() ? &engine : nullptr;
}
}  // namespace encoder
#else
namespace encoder {
const Engine* avx2_engine() { return nullptr; }
}  // namespace encoder
#endif

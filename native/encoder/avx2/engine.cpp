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
#include "encoder/integers.hpp"
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

// Pairs of 16 bits in either case: AVX2's products of bytes saturate.
struct Pairs : Eight {
  static constexpr int small = 2, ahead = 16;
  using V = __m256i;
  static std::int32_t first(std::int32_t) { return 0; }
  static V load_sums(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
  static V broadcast_sums(const Unit* from) { return _mm256_set1_epi32(static_cast<int>(*from)); }
  static V small_dp(V sum, V row, V weights) { return wide_dp(sum, row, weights); }
  static V wide_dp(V sum, V row, V weights) { return _mm256_add_epi32(sum, _mm256_madd_epi16(row, weights)); }
  static V shifted(V sum) { return _mm256_slli_epi32(sum, kFinerBits); }
  static F floats_of(V sum) { return _mm256_cvtepi32_ps(sum); }
  static void fetch(const Unit* from) { _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T0); }
  static void store_small(char* base, int number, F value) { store_wide(base, number, value); }
  static void store_wide(char* base, int number, F value) {
    const V whole = _mm256_cvtps_epi32(value);
    const __m128i pairs = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(base + 2 * number), pairs);
  }
  static int compress(float* to, F value, unsigned bits) {
    alignas(32) float all[lanes];
    _mm256_store_ps(all, value);
    int count = 0;
    for (int i = 0; i < lanes; ++i) {
      to[count] = all[i];
      count += bits >> i & 1;
    }
    return count;
  }
  static Unit small_unit(const std::int16_t* from) {
    return static_cast<std::uint16_t>(from[0]) | static_cast<Unit>(static_cast<std::uint16_t>(from[1])) << 16;
  }
};

}  // namespace
}  // namespace encoder
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace encoder {
const Engine* avx2_engine() {
  static const Engine engine{"avx2", "fp32", 16, 16, pack<Eight>, forward<Eight>};
  return xtr::has_avx2() ? &engine : nullptr;
}

const Engine* avx2_int16_engine() {
  static const Engine engine{"avx2_int16", "int16", 16, 16, pack_integers<Pairs>, integer_forward<Pairs>};
  return xtr::has_avx2() ? &engine : nullptr;
}

const Engine* avx2_int8_engine() {
  static const Engine engine{"avx2_int8", "int8", 16, 16, pack_integers<Pairs>, integer_forward<Pairs>};
  return xtr::has_avx2() ? &engine : nullptr;
}
}  // namespace encoder
#else
namespace encoder {
const Engine* avx2_engine() { return nullptr; }
const Engine* avx2_int16_engine() { return nullptr; }
const Engine* avx2_int8_engine() { return nullptr; }
}  // namespace encoder
#endif

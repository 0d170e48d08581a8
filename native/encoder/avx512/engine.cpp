// AVX-512: sixteen floats a register; with AVX512_BF16 two neighbours a lane, twice the products an instruction.
#include "encoder/model.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#include <cmath>
#include <cstring>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")
#endif
#include "encoder/loops.hpp"

namespace encoder {
namespace {

struct Floats {
  static constexpr int lanes = 16;
  using F = __m512;
  using U = __m512i;
  static F zero() { return _mm512_setzero_ps(); }
  static F all(float value) { return _mm512_set1_ps(value); }
  static U load(const Unit* from) { return _mm512_loadu_si512(from); }
  static U broadcast(const Unit* from) { return _mm512_set1_epi32(static_cast<int>(*from)); }
  static F load_floats(const float* from) { return _mm512_loadu_ps(from); }
  static void store_floats(float* to, F value) { _mm512_storeu_ps(to, value); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F round(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F abs(F a) { return _mm512_abs_ps(a); }
  static F signed_as(F a, F sign) {
    const U bit = _mm512_set1_epi32(static_cast<int>(0x80000000u));
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_andnot_si512(bit, _mm512_castps_si512(a)),
                                               _mm512_and_si512(bit, _mm512_castps_si512(sign))));
  }
  static F scaled(F a, F power) { return _mm512_scalef_ps(a, power); }
  static float total(F a) { return _mm512_reduce_add_ps(a); }
  static float most(F a) { return _mm512_reduce_max_ps(a); }
};

// Registers: 6 x 4 sums, 4 of the panel, 1 of the rows; 14 x 2, 2 and 1 where rows are few.
struct Single : Floats {
  static constexpr int neighbours = 1, wide = 4, wide_rows = 6, narrow_rows = 14;
  static F dp(F sum, U a, U b) { return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum); }
  static void store(void* base, std::size_t number, F value) { _mm512_storeu_ps(static_cast<float*>(base) + number, value); }
  static Unit unit(const float* from) {
    Unit out;
    std::memcpy(&out, from, sizeof out);
    return out;
  }
};

struct Brain : Floats {
  static constexpr int neighbours = 2, wide = 4, wide_rows = 6, narrow_rows = 14;
  static F dp(F sum, U a, U b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
  static void store(void* base, std::size_t number, F value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(static_cast<std::uint16_t*>(base) + number),
                        (__m256i)_mm512_cvtneps_pbh(value));
  }
  // Rounded to the nearest, to the even one between two.
  static std::uint32_t rounded(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
  }
  static Unit unit(const float* from) { return rounded(from[0]) | rounded(from[1]) << 16; }
};

void pack_single(const float* weights, int out, int in, Linear& into) { pack<Single>(weights, out, in, into); }
void pack_brain(const float* weights, int out, int in, Linear& into) { pack<Brain>(weights, out, in, into); }
void forward_single(const Model& m, const std::int32_t* ids, const std::int64_t* starts, int texts, float* const* states) {
  forward<Single>(m, ids, starts, texts, states);
}
void forward_brain(const Model& m, const std::int32_t* ids, const std::int64_t* starts, int texts, float* const* states) {
  forward<Brain>(m, ids, starts, texts, states);
}

}  // namespace
}  // namespace encoder
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace encoder {

const Engine* avx512_bf16_engine() {
  static const Engine engine{"avx512_bf16", "bf16", 64, 32, pack_brain, forward_brain};
  return avx512_engine() && __builtin_cpu_supports("avx512bf16") ? &engine : nullptr;
}

const Engine* avx512_engine() {
  static const Engine engine{"avx512", "fp32", 64, 32, pack_single, forward_single};
  const bool known = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return known ? &engine : nullptr;
}

}  // namespace encoder
#else
namespace encoder {
const Engine* avx512_bf16_engine() { return nullptr; }
const Engine* avx512_engine() { return nullptr; }
}  // namespace encoder
#endif

// Sixteen floats a register. To be included where the compiler was told of AVX-512.
#pragma once

#include <immintrin.h>

#include "encoder/parts.hpp"

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
  // Sixteen columns of sixteen units, of as many rows: `rows` of them are read, the others are zeros.
  static void turn(const Unit* from, std::int64_t stride, int rows, Unit* to, int to_stride) {
    U r[16], half[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = i < rows ? load(from + i * stride) : _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      half[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
      half[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    // Of rows i to i + 3 the columns i and every fourth after it.
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      r[i] = _mm512_unpacklo_epi64(half[i], half[i + 2]);
      r[i + 1] = _mm512_unpackhi_epi64(half[i], half[i + 2]);
      r[i + 2] = _mm512_unpacklo_epi64(half[i + 1], half[i + 3]);
      r[i + 3] = _mm512_unpackhi_epi64(half[i + 1], half[i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      half[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
      half[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
      half[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
      half[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      _mm512_storeu_si512(to + i * to_stride, _mm512_shuffle_i32x4(half[i], half[i + 8], 0x88));
      _mm512_storeu_si512(to + (i + 4) * to_stride, _mm512_shuffle_i32x4(half[i + 4], half[i + 12], 0x88));
      _mm512_storeu_si512(to + (i + 8) * to_stride, _mm512_shuffle_i32x4(half[i], half[i + 8], 0xdd));
      _mm512_storeu_si512(to + (i + 12) * to_stride, _mm512_shuffle_i32x4(half[i + 4], half[i + 12], 0xdd));
    }
  }
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

}  // namespace
}  // namespace encoder

// Four products of bytes, or two of 16 bits, a lane. To be included where the compiler was told of AVX-512 and VNNI.
#pragma once

#include "encoder/avx512/floats.hpp"
#include "encoder/integers.hpp"

namespace encoder {
namespace {

// Bytes of rows have no sign, those of weights have: a row's are 128 too large, which sums begin without.
struct Integer : Single {
  // Registers: 14 x 2 sums, 2 of the panel, 1 of the rows. A panel of 192 units (384 channels) stays in the first cache.
  static constexpr int small = 4, wide = 2, wide_rows = 14;
  // Rows of a panel that are asked for ahead: where a text is short, the weights are what takes the time.
  static constexpr int ahead = 24;
  using V = __m512i;
  static std::int32_t first(std::int32_t sum) { return -128 * sum; }
  static V load_sums(const void* from) { return _mm512_loadu_si512(from); }
  static V broadcast_sums(const Unit* from) { return _mm512_set1_epi32(static_cast<int>(*from)); }
  // Not the intrinsics: GCC 12 keeps the sums of a tile of these in memory, six stores for each product.
  static V small_dp(V sum, V row, V weights) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(row), "v"(weights));
    return sum;
  }
  static V wide_dp(V sum, V row, V weights) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(row), "v"(weights));
    return sum;
  }
  static V shifted(V sum) { return _mm512_slli_epi32(sum, kFinerBits); }
  static F floats_of(V sum) { return _mm512_cvtepi32_ps(sum); }
  static void fetch(const Unit* from) {
    _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(from + lanes), _MM_HINT_T0);
  }
  static void store_small(char* base, int number, F value) {
    const V above = _mm512_max_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(value), _mm512_set1_epi32(128)), _mm512_setzero_si512());
    _mm_storeu_si128(reinterpret_cast<__m128i*>(base + number), _mm512_cvtusepi32_epi8(above));
  }
  static void store_wide(char* base, int number, F value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(base + 2 * number), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(value)));
  }
  static int compress(float* to, F value, unsigned bits) {
    _mm512_storeu_ps(to, _mm512_maskz_compress_ps(static_cast<__mmask16>(bits), value));
    return __builtin_popcount(bits);
  }
  static Unit small_unit(const std::int16_t* from) {
    Unit unit = 0;
    for (int n = 0; n < 4; ++n) unit |= static_cast<Unit>(static_cast<std::uint8_t>(from[n])) << (8 * n);
    return unit;
  }
};

}  // namespace
}  // namespace encoder

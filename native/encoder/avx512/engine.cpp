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
#include "encoder/avx512/floats.hpp"
#include "encoder/loops.hpp"

namespace encoder {
namespace {

struct Brain : Floats {
  static constexpr int neighbours = 2, wide = 4, wide_rows = 6, narrow_rows = 14;
  static F dp(F sum, U a, U b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
  static void store(void* base, std::size_t number, F value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(static_cast<std::uint16_t*>(base) + number),
                        (__m256i)_mm512_cvtneps_pbh(value));
  }
  static Unit unit(const float* from) { return brain_of(from[0]) | brain_of(from[1]) << 16; }
};


}  // namespace
}  // namespace encoder
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace encoder {

const Engine* avx512_bf16_engine() {
  static const Engine engine{"avx512_bf16", "bf16", 64, 32, pack<Brain>, forward<Brain>};
  return avx512_engine() && __builtin_cpu_supports("avx512bf16") ? &engine : nullptr;
}

const Engine* avx512_engine() {
  static const Engine engine{"avx512", "fp32", 64, 32, pack<Single>, forward<Single>};
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

// AVX-512 with VNNI: four products of bytes, or two of 16 bits, a lane.
#include "common/processor.hpp"
#include "encoder/model.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#include <cmath>
#include <cstring>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,popcnt"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,popcnt")
#endif
#include "encoder/avx512/vnni.hpp"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace encoder {

const Engine* avx512_int16_engine() {
  static const Engine engine{"avx512_int16", "int16", 32, 32, pack_integers<Integer>, integer_forward<Integer>};
  return xtr::has_avx512() ? &engine : nullptr;
}

const Engine* avx512_int8_engine() {
  static const Engine engine{"avx512_int8", "int8", 32, 32, pack_integers<Integer>, integer_forward<Integer>};
  return xtr::has_avx512() ? &engine : nullptr;
}

}  // namespace encoder
#else
namespace encoder {
const Engine* avx512_int16_engine() { return nullptr; }
const Engine* avx512_int8_engine() { return nullptr; }
}  // namespace encoder
#endif

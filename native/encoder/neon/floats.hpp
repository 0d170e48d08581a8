// NEON: four floats a register, thirty-two registers.
#pragma once

#include <arm_neon.h>

#include "encoder/loops.hpp"

namespace encoder {
namespace {

// Registers: 6 x 4 sums, 4 of the panel, 1 of the rows; 12 x 2, 2 and 1 where rows are few.
struct Four {
  static constexpr int lanes = 4, neighbours = 1, wide = 4, wide_rows = 6, narrow_rows = 12;
  using F = float32x4_t;
  using U = float32x4_t;
  static F zero() { return vdupq_n_f32(0.0f); }
  static F all(float value) { return vdupq_n_f32(value); }
  static U load(const Unit* from) { return vreinterpretq_f32_u32(vld1q_u32(from)); }
  static U broadcast(const Unit* from) { return vreinterpretq_f32_u32(vld1q_dup_u32(from)); }
  static F dp(F sum, U a, U b) { return vfmaq_f32(sum, a, b); }
  static F load_floats(const float* from) { return vld1q_f32(from); }
  static void store_floats(float* to, F value) { vst1q_f32(to, value); }
  static void store(void* base, std::size_t number, F value) { vst1q_f32(static_cast<float*>(base) + number, value); }
  static Unit unit(const float* from) {
    Unit out;
    std::memcpy(&out, from, sizeof out);
    return out;
  }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static F max(F a, F b) { return vmaxq_f32(a, b); }
  static F min(F a, F b) { return vminq_f32(a, b); }
  static F round(F a) { return vrndnq_f32(a); }
  static F abs(F a) { return vabsq_f32(a); }
  static F signed_as(F a, F sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, vabsq_f32(a)); }
  static F scaled(F a, F power) {
    const int32x4_t exponent = vaddq_s32(vcvtnq_s32_f32(power), vdupq_n_s32(127));
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
  }
  static float total(F a) { return vaddvq_f32(a); }
  static float most(F a) { return vmaxvq_f32(a); }
};

}  // namespace
}  // namespace encoder

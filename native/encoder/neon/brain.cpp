// ARM with bf16 (Armv8.6: Graviton 3, Apple M2 and newer): two neighbours a lane, twice the products an instruction.
#include "encoder/model.hpp"

#if defined(__aarch64__) && defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#include "encoder/neon/floats.hpp"
#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace encoder {
namespace {

struct Brain : Four {
  static constexpr int neighbours = 2;
  using U = bfloat16x8_t;
  static U load(const Unit* from) { return vreinterpretq_bf16_u32(vld1q_u32(from)); }
  static U broadcast(const Unit* from) { return vreinterpretq_bf16_u32(vld1q_dup_u32(from)); }
  static F dp(F sum, U a, U b) { return vbfdotq_f32(sum, a, b); }
  static void store(void* base, std::size_t number, F value) {
    vst1_u16(static_cast<std::uint16_t*>(base) + number, vreinterpret_u16_bf16(vcvt_bf16_f32(value)));
  }
  static Unit unit(const float* from) { return brain_of(from[0]) | brain_of(from[1]) << 16; }
};

bool known() {
#if defined(__linux__)
  constexpr unsigned long kBrain = 1ul << 14;  // HWCAP2_BF16
  return getauxval(AT_HWCAP2) & kBrain;
#elif defined(__APPLE__)
  int found = 0;
  std::size_t size = sizeof found;
  return !sysctlbyname("hw.optional.arm.FEAT_BF16", &found, &size, nullptr, 0) && found;
#else
  return false;
#endif
}

}  // namespace

const Engine* neon_bf16_engine() {
  static const Engine engine{"neon_bf16", "bf16", 16, 8, pack<Brain>, forward<Brain>};
  return known() ? &engine : nullptr;
}

}  // namespace encoder
#else
namespace encoder {
const Engine* neon_bf16_engine() { return nullptr; }
}  // namespace encoder
#endif

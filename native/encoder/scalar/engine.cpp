// Plain loops over eight floats, which compilers make vectors of: what every processor runs, and what others are held to.
#include "encoder/loops.hpp"

namespace encoder {
namespace {

struct Plain {
  static constexpr int lanes = 8, neighbours = 1, wide = 2, wide_rows = 4, narrow_rows = 4;
  struct F {
    float at[lanes];
  };
  struct U {
    float at[lanes];
  };

  template <typename Change>
  static F each(Change change) {
    F out;
    for (int i = 0; i < lanes; ++i) out.at[i] = change(i);
    return out;
  }
  static F zero() { return all(0.0f); }
  static F all(float value) {
    return each([&](int) { return value; });
  }
  static U load(const Unit* from) {
    U out;
    std::memcpy(out.at, from, sizeof out.at);
    return out;
  }
  static U broadcast(const Unit* from) {
    float value;
    std::memcpy(&value, from, sizeof value);
    U out;
    for (float& one : out.at) one = value;
    return out;
  }
  static F dp(F sum, U a, U b) {
    return each([&](int i) { return sum.at[i] + a.at[i] * b.at[i]; });
  }
  static F load_floats(const float* from) {
    F out;
    std::memcpy(out.at, from, sizeof out.at);
    return out;
  }
  static void store_floats(float* to, F value) { std::memcpy(to, value.at, sizeof value.at); }
  static void store(void* base, std::size_t number, F value) { store_floats(static_cast<float*>(base) + number, value); }
  static Unit unit(const float* from) {
    Unit out;
    std::memcpy(&out, from, sizeof out);
    return out;
  }
  static F add(F a, F b) {
    return each([&](int i) { return a.at[i] + b.at[i]; });
  }
  static F sub(F a, F b) {
    return each([&](int i) { return a.at[i] - b.at[i]; });
  }
  static F mul(F a, F b) {
    return each([&](int i) { return a.at[i] * b.at[i]; });
  }
  static F div(F a, F b) {
    return each([&](int i) { return a.at[i] / b.at[i]; });
  }
  static F fma(F a, F b, F c) {
    return each([&](int i) { return a.at[i] * b.at[i] + c.at[i]; });
  }
  static F max(F a, F b) {
    return each([&](int i) { return a.at[i] > b.at[i] ? a.at[i] : b.at[i]; });
  }
  static F min(F a, F b) {
    return each([&](int i) { return a.at[i] < b.at[i] ? a.at[i] : b.at[i]; });
  }
  static F round(F a) {
    return each([&](int i) { return __builtin_rintf(a.at[i]); });
  }
  static F abs(F a) {
    return each([&](int i) { return __builtin_fabsf(a.at[i]); });
  }
  static F signed_as(F a, F sign) {
    return each([&](int i) { return __builtin_copysignf(a.at[i], sign.at[i]); });
  }
  static F scaled(F a, F power) {
    return each([&](int i) {
      const std::uint32_t bits = static_cast<std::uint32_t>(static_cast<std::int32_t>(power.at[i]) + 127) << 23;
      float factor;
      std::memcpy(&factor, &bits, sizeof factor);
      return a.at[i] * factor;
    });
  }
  static float total(F a) {
    float sum = 0;
    for (float one : a.at) sum += one;
    return sum;
  }
  static float most(F a) {
    float found = a.at[0];
    for (float one : a.at) found = one > found ? one : found;
    return found;
  }
};

}  // namespace

const Engine& scalar_engine() {
  static const Engine engine{"scalar", "fp32", Plain::wide * Plain::lanes, kNarrow * Plain::lanes, pack<Plain>, forward<Plain>};
  return engine;
}

}  // namespace encoder

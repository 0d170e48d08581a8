// Plain loops over eight floats, which compilers make vectors of: what every processor runs, and what others are held to.
#include "encoder/integers.hpp"
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

// Pairs of 16 bits. Sums wrap as those of registers do, so that no number of a row that holds NaN is undefined.
struct Pairs : Plain {
  static constexpr int small = 2, ahead = 0;
  struct V {
    std::uint32_t at[lanes];
  };
  static std::int32_t first(std::int32_t) { return 0; }
  static V load_sums(const void* from) {
    V out;
    std::memcpy(out.at, from, sizeof out.at);
    return out;
  }
  static V broadcast_sums(const Unit* from) {
    V out;
    for (std::uint32_t& one : out.at) one = *from;
    return out;
  }
  static V small_dp(V sum, V row, V weights) { return wide_dp(sum, row, weights); }
  static V wide_dp(V sum, V row, V weights) {
    for (int i = 0; i < lanes; ++i) sum.at[i] += product(row.at[i], weights.at[i]) + product(row.at[i] >> 16, weights.at[i] >> 16);
    return sum;
  }
  static std::uint32_t product(std::uint32_t a, std::uint32_t b) {
    const std::int32_t left = static_cast<std::int16_t>(a), right = static_cast<std::int16_t>(b);
    return static_cast<std::uint32_t>(left * right);
  }
  static V shifted(V sum) {
    for (std::uint32_t& one : sum.at) one <<= kFinerBits;
    return sum;
  }
  static F floats_of(V sum) {
    return each([&](int i) { return static_cast<float>(static_cast<std::int32_t>(sum.at[i])); });
  }
  static void fetch(const Unit*) {}
  static void store_small(char* base, int number, F value) { store_wide(base, number, value); }
  static void store_wide(char* base, int number, F value) {
    std::int16_t out[lanes];
    // Of what is no number the comparison makes 0.
    for (int i = 0; i < lanes; ++i) out[i] = static_cast<std::int16_t>(__builtin_fabsf(value.at[i]) <= 32700.0f ? __builtin_rintf(value.at[i]) : 0.0f);
    std::memcpy(base + 2 * number, out, sizeof out);
  }
  static int compress(float* to, F value, unsigned bits) {
    int count = 0;
    for (int i = 0; i < lanes; ++i) {
      to[count] = value.at[i];
      count += bits >> i & 1;
    }
    return count;
  }
  static Unit small_unit(const std::int16_t* from) {
    return static_cast<std::uint16_t>(from[0]) | static_cast<Unit>(static_cast<std::uint16_t>(from[1])) << 16;
  }
};

}  // namespace

const Engine& scalar_engine() {
  static const Engine engine{"scalar", "fp32", Plain::wide * Plain::lanes, kNarrow * Plain::lanes, pack<Plain>, forward<Plain>};
  return engine;
}

const Engine& scalar_int16_engine() {
  static const Engine engine{"scalar_int16", "int16", 16, 16, pack_integers<Pairs>, integer_forward<Pairs>};
  return engine;
}

const Engine& scalar_int8_engine() {
  static const Engine engine{"scalar_int8", "int8", 16, 16, pack_integers<Pairs>, integer_forward<Pairs>};
  return engine;
}

}  // namespace encoder

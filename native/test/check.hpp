// What every test needs: a claim that says where it failed, exact comparison of arrays, the kernels of this processor.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace test {

inline int failures = 0;

// One line for a claim that does not hold; after twenty the rest is only counted.
inline void claim(bool holds, const char* what, const char* kernels, const char* file, int line) {
  if (holds) return;
  if (++failures <= 20) std::printf("%s:%d: %s: %s does not hold\n", file, line, kernels, what);
}

#define CHECK(holds, kernels) ::test::claim((holds), #holds, (kernels), __FILE__, __LINE__)

// Bit for bit: -0 is not 0, and a value that is no number equals itself.
template <typename T>
bool same(const std::vector<T>& some, const std::vector<T>& others) {
  return some.size() == others.size() &&
         (some.empty() || !std::memcmp(some.data(), others.data(), some.size() * sizeof(T)));
}

// The value of a half float, by the definition of IEEE 754.
inline double value_of_half(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const double fraction = (half & 1023) / 1024.0, sign = half >> 15 ? -1.0 : 1.0;
  if (exponent == 31) return fraction > 0 ? NAN : sign * INFINITY;
  return sign * (exponent ? (1 + fraction) * std::exp2(exponent - 15) : fraction * std::exp2(-14));
}

// The half float nearest to a value that is not negative, found by looking at all of them; the even one of two.
inline std::uint16_t nearest_half(double value) {
  std::uint16_t best = 0;
  double least = INFINITY;
  for (std::uint16_t half = 0; half < 0x7c00; ++half) {
    const double apart = std::fabs(value_of_half(half) - value);
    if (apart < least || (apart == least && half % 2 == 0)) {
      least = apart;
      best = half;
    }
  }
  return best;
}

inline int finish(const char* name) {
  std::printf("%s: %d failures\n", name, failures);
  return failures != 0;
}

}  // namespace test

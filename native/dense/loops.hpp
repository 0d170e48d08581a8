// The plain loops: what every processor runs, what NEON is made of by compilers, and what the vector kernels end rows
// with. Floats are multiplied and added in a stated order and never contracted, so that results are equal bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dense/kernels.hpp"

namespace dense {
namespace {

inline float added_by_halves(const float* lanes) {
  float sums[kLanes];
  std::memcpy(sums, lanes, sizeof sums);
  for (int half = kLanes / 2; half; half /= 2) {
    for (int i = 0; i < half; ++i) sums[i] = sums[i] + sums[i + half];
  }
  return sums[0];
}

inline std::int32_t sum(const Weights& weights, const std::uint8_t* codes) {
  std::int32_t total = 0;
  for (int i = 0; i < weights.bytes; ++i) total += static_cast<std::int32_t>(codes[i]) * weights.values[i];
  return total;
}

inline std::int32_t sum_halves(const Weights& weights, const std::uint8_t* codes) {
  std::int32_t total = 0;
  for (int i = 0; i < weights.bytes; ++i) {
    total += (codes[i] & 15) * weights.values[i] + (codes[i] >> 4) * weights.upper[i];
  }
  return total;
}

// One row at a time.
template <std::int32_t (*kSum)(const Weights&, const std::uint8_t*)>
std::uint32_t score_rows(const Weights& weights, const std::uint8_t* codes, int count, float bias, float threshold,
                         float* scores) {
  std::uint32_t bits = 0;
  for (int row = 0; row < count; ++row) {
    const std::int32_t own = kSum(weights, codes + static_cast<std::size_t>(row) * weights.bytes);
    scores[row] = static_cast<float>(own) * weights.scale + bias;
    bits |= static_cast<std::uint32_t>(scores[row] >= threshold) << row;
  }
  return bits;
}

inline void products(const float* rows, int count, int dim, const float* query, float* out) {
  for (int row = 0; row < count; ++row) {
    const float* own = rows + static_cast<std::size_t>(row) * dim;
    float lanes[kLanes] = {};
    for (int i = 0; i < dim; ++i) lanes[i % kLanes] = lanes[i % kLanes] + own[i] * query[i];
    out[row] = added_by_halves(lanes);
  }
}

// Exactly, as the processors' own conversion does: bits are moved into place, and the exponent is corrected by one
// product, which also settles subnormals.
inline float widen(std::uint16_t half) {
  const std::uint32_t bits =
      (static_cast<std::uint32_t>(half & 0x7FFF) << 13) | (static_cast<std::uint32_t>(half & 0x8000) << 16);
  float value;
  std::memcpy(&value, &bits, 4);
  return value * 5192296858534827628530496329220096.0f;  // 2^112
}

inline float half_product(const std::uint16_t* row, int dim, const float* query) {
  float lanes[kLanes] = {};
  for (int i = 0; i < dim; ++i) lanes[i % kLanes] = lanes[i % kLanes] + widen(row[i]) * query[i];
  return added_by_halves(lanes);
}

}  // namespace
}  // namespace dense

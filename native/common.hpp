// Loops that every instruction set runs, compiled anew for each: always inlined into functions with its target.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels.hpp"

#define XTR_INLINE static inline __attribute__((always_inline))

namespace xtr::common {

XTR_INLINE void raise(const std::int32_t* dots, const float* scales, int count, int tokens, float* best) {
  for (int row = 0; row < count; ++row) {
    const float scale = scales[row];
    const std::int32_t* own = dots + static_cast<std::size_t>(row) * tokens;
    for (int t = 0; t < tokens; ++t) {
      const float value = static_cast<float>(own[t]) * scale;
      best[t] = value > best[t] ? value : best[t];
    }
  }
}

XTR_INLINE void raise_fine(const std::int32_t* coarse, const std::int32_t* fine, const float* scales, int count,
                           int tokens, float* best) {
  for (int row = 0; row < count; ++row) {
    const float scale = scales[row];
    const std::size_t start = static_cast<std::size_t>(row) * tokens;
    for (int t = 0; t < tokens; ++t) {
      // The product with 256 is exact: one rounding in all.
      const float sum = static_cast<float>(coarse[start + t]) * 256.0f + static_cast<float>(fine[start + t]);
      const float value = sum * scale;
      best[t] = value > best[t] ? value : best[t];
    }
  }
}

XTR_INLINE void nearest(const std::int32_t* dots, const float* row_scales, const float* biases,
                        const float* token_scales, int count, int tokens, int first, float* best,
                        std::int32_t* which) {
  for (int row = 0; row < count; ++row) {
    const float scale = row_scales[row], bias = biases[row];
    const std::int32_t* own = dots + static_cast<std::size_t>(row) * tokens;
    for (int t = 0; t < tokens; ++t) {
      const float value = static_cast<float>(own[t]) * scale * token_scales[t] - bias;
      const bool better = value > best[t];
      best[t] = better ? value : best[t];
      which[t] = better ? first + row : which[t];
    }
  }
}

XTR_INLINE void scaled(const std::int32_t* dots, const float* row_scales, const float* factors, int count, int tokens,
                       float* out) {
  for (int row = 0; row < count; ++row) {
    const float scale = row_scales[row];
    const std::size_t start = static_cast<std::size_t>(row) * tokens;
    for (int t = 0; t < tokens; ++t) out[start + t] = static_cast<float>(dots[start + t]) * scale * factors[t];
  }
}

XTR_INLINE bool exceeds(const float* values, const float* thresholds, int tokens) {
  int any = 0;
  for (int t = 0; t < tokens; ++t) any |= values[t] > thresholds[t];
  return any != 0;
}

XTR_INLINE void to_fixed(std::int32_t* products, int count, float base, float factor) {
  for (int i = 0; i < count; ++i) {
    const float whole = std::nearbyintf(base + static_cast<float>(products[i]) * factor);
    const float low = whole < -kFixedLimit ? -kFixedLimit : whole;
    products[i] = static_cast<std::int32_t>(low > kFixedLimit ? kFixedLimit : low);
  }
}

XTR_INLINE bool inside(const std::int32_t* positions, int count, std::uint32_t rows) {
  int any = 0;
  // Negative positions become huge.
  for (int i = 0; i < count; ++i) any |= static_cast<std::uint32_t>(positions[i]) >= rows;
  return any == 0;
}

}  // namespace xtr::common

// Loops that every instruction set runs, compiled anew for each: always inlined into functions with its target.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "late/kernels.hpp"

#define XTR_INLINE static inline __attribute__((always_inline))

namespace xtr::common {

constexpr int kMaxStackDim = 1024;
// Numbers of dimensions that kernels are compiled for, beside any other: that of ColBERT, and of the shipped head.
constexpr int kUsualDim = 128;
constexpr int kShippedDim = 48;
// What lies so many rows ahead is fetched while others are multiplied.
constexpr std::int64_t kAheadRows = 32;

// Rows and registers are named by constants from the start: where they are counted in loops, GCC may leave all sums in
// memory.
template <int kCount>
using Each = std::make_integer_sequence<int, kCount>;
template <int... kNumber>
using Numbers = std::integer_sequence<int, kNumber...>;

// Where the bytes begin that are fetched while rows from `first` on are multiplied.
XTR_INLINE const std::int8_t* ahead_of(const Rows& rows, int first, int dim) {
  // Of fewer rows each fetches one of the next document.
  const std::int64_t row = first + std::min<std::int64_t>(kAheadRows, rows.count);
  if (row < rows.count || !rows.next.at) return rows.codes + std::min<std::int64_t>(row, rows.count) * dim;
  return rows.next.at + std::min((row - rows.count) * dim, rows.next.bytes);
}

// Fetches the row that comes while `row` is multiplied.
XTR_INLINE void fetch(const Rows& rows, int row, int dim) {
  const auto* at = rows.chosen ? static_cast<const std::int8_t*>(rows.coming[row]) : ahead_of(rows, row, dim);
  for (int line = 0; line < dim; line += 64) __builtin_prefetch(at + line);
}

// `dots` and `widen` are the instruction set's own; rows that do not lie together are copied, a block at a time.
template <typename Dots, typename Widen>
XTR_INLINE void best(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best, Dots dots,
                     Widen widen) {
  constexpr int kTokens = 64;
  alignas(64) std::int32_t products[kBlockRows * kTokens], fine_products[kBlockRows * kTokens];
  alignas(64) std::int8_t gathered[kBlockRows * kMaxStackDim];
  float scales[kBlockRows];
  const auto dim = static_cast<std::size_t>(coarse.dim);
  for (int first = 0; first < rows.count; first += kBlockRows) {
    const int here = std::min(kBlockRows, rows.count - first);
    const std::int8_t* own = rows.codes + static_cast<std::size_t>(first) * dim;
    for (int row = 0; row < here; ++row) {
      fetch(rows, first + row, coarse.dim);
      const auto number = static_cast<std::size_t>(rows.chosen ? rows.chosen[first + row] : first + row);
      scales[row] = widen(rows.scales[number]);
      if (rows.chosen) std::memcpy(gathered + row * dim, rows.codes + number * dim, dim);
    }
    if (rows.chosen) own = gathered;
    for (int t = 0; t < coarse.tokens; t += kTokens) {
      const int tokens = std::min(kTokens, coarse.tokens - t);
      dots(coarse, t, tokens, own, here, products);
      if (fine) dots(*fine, t, tokens, own, here, fine_products);
      for (int row = 0; row < here; ++row) {
        const std::int32_t* mine = products + row * tokens;
        const std::int32_t* mine_fine = fine_products + row * tokens;
        for (int i = 0; i < tokens; ++i) {
          float value = static_cast<float>(mine[i]);
          // The product with 256 is exact: one rounding in all.
          if (fine) value = value * 256.0f + static_cast<float>(mine_fine[i]);
          value *= scales[row];
          best[t + i] = value > best[t + i] ? value : best[t + i];
        }
      }
    }
  }
}

XTR_INLINE void nearest(const std::int32_t* dots, const float* row_scales, const float* biases,
                        const float* token_scales, int count, int tokens, int first, float* best, std::int32_t* which) {
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

XTR_INLINE void levels(const float* scores, int count, std::uint8_t* out) {
  for (int i = 0; i < count; ++i) {
    const float whole = std::nearbyintf(scores[i]) + kLevelZero;
    const float low = whole < 0.0f ? 0.0f : whole;
    out[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(low > 255.0f ? 255.0f : low));
  }
}

XTR_INLINE std::uint32_t exceeding(const float* values, const float* thresholds) {
  std::uint32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= static_cast<std::uint32_t>(values[i] > thresholds[i]) << i;
  return bits;
}

XTR_INLINE const std::uint8_t* level_row(const Levels& levels, std::uint32_t number) {
  const std::uint32_t inside = number < levels.last ? number : levels.last;
  return levels.data + static_cast<std::size_t>(inside) * levels.stride;
}

template <typename Number>
XTR_INLINE void interact(const Levels& levels, const Number* numbers, int count, std::uint8_t* best) {
  for (int first = 0; first < levels.stride; first += kLevelLanes) {
    std::uint8_t most[kLevelLanes] = {};
    for (int i = 0; i < count; ++i) {
      const std::uint8_t* own = level_row(levels, numbers[i]) + first;
      for (int t = 0; t < kLevelLanes; ++t) most[t] = own[t] > most[t] ? own[t] : most[t];
    }
    std::memcpy(best + first, most, kLevelLanes);
  }
}

template <typename Number>
XTR_INLINE int choose(const Levels& levels, const Number* numbers, int count, const std::uint8_t* thresholds,
                      std::int32_t* chosen) {
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    const std::uint8_t* own = level_row(levels, numbers[i]);
    std::uint8_t any = 0;
    for (int t = 0; t < levels.stride; ++t) any |= own[t] >= thresholds[t];
    chosen[kept] = i;
    kept += any;
  }
  return kept;
}

// Stores the scale of a row whose largest value is `peak`, and returns what its values are multiplied by. `narrow`
// turns a float into a half float, `widen` back.
template <typename Narrow, typename Widen>
XTR_INLINE float row_factor(float peak, std::uint16_t* scale, Narrow narrow, Widen widen) {
  *scale = narrow(peak / 127.0f);
  const float step = widen(*scale);
  return 1.0f / (step > 0.0f ? step : 1.0f);
}

// values holds `dim` floats.
template <typename Narrow, typename Widen>
XTR_INLINE void scale_row(const float* values, int dim, float peak, std::int8_t* codes, std::uint16_t* scale,
                          Narrow narrow, Widen widen) {
  const float factor = row_factor(peak, scale, narrow, widen);
  for (int j = 0; j < dim; ++j) {
    const float whole = std::nearbyintf(values[j] * factor);
    const float low = whole < -127.0f ? -127.0f : whole;
    codes[j] = static_cast<std::int8_t>(low > 127.0f ? 127.0f : low);
  }
}

// The floats of a centroid that packed rows are counted from.
XTR_INLINE const float* anchor_of(const Residuals& residuals, std::uint32_t number) {
  const std::uint32_t inside = number < residuals.last ? number : residuals.last;
  return residuals.anchors + static_cast<std::size_t>(inside) * residuals.dim;
}

template <typename Narrow, typename Widen>
XTR_INLINE void decode(const Residuals& residuals, const std::uint8_t* packed, std::uint32_t number, std::int8_t* codes,
                       std::uint16_t* scale, Narrow narrow, Widen widen) {
  float values[kMaxStackDim];
  const float* anchor = anchor_of(residuals, number);
  const int half = residuals.low_bytes();
  const std::uint8_t* bits = packed + half;
  float peak = 0.0f;
  for (int j = 0; j < residuals.dim; ++j) {
    const int low = j < half ? packed[j] & 15 : packed[j - half] >> 4;
    const int code = low | (bits[j / 8] >> (j % 8) & 1) << 4;
    values[j] = static_cast<float>(residuals.levels[code]) * residuals.steps[j] + anchor[j];
    const float size = std::fabs(values[j]);
    peak = size > peak ? size : peak;
  }
  scale_row(values, residuals.dim, peak, codes, scale, narrow, widen);
}

}  // namespace xtr::common

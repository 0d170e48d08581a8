// The forward pass of a BERT whose matrices multiply integers: 16 bits, or 8 where a channel allows it.
//
// A row of activations is divided by its own scale and rounded, and so is a row of a matrix; sums are exact, in 32 bits
// that cannot overflow: `Integers.most` and `limit` see to it. So every instruction set has the same sums. Attention,
// norms and what is added stay floats.
// A channel in 8 bits bounds the scale of its row, so that a few channels that are large in every text would take the
// others' bits. These are wide: 16 bits in steps of the row's scale, and weights in steps kFiner times as fine as those
// of other channels, because an error of theirs is multiplied by more. Where all channels are wide the scale is theirs.
// J gives, beside what parts.hpp asks (floats, neighbours 1): V, a register of `lanes` sums; small, channels of 8 bits in
// a unit; first(sum of weights), what a sum of small channels begins with; small_dp and wide_dp; load_sums,
// broadcast_sums, floats_of, shifted; store_small and store_wide, which write `lanes` numbers; compress.
#pragma once

#include "encoder/parts.hpp"

namespace encoder {
namespace {

// Rows that pass through the matrices after attention together, at most: their inner activations, 690 kB, stay in the cache.
constexpr int kBlock = 112;
// Rows of all-wide matrices: 8,191 and weights of what is left of 31 bits. Of 384 channels that is 13 bits for a row's
// largest weight, of 1,536 about 10; the error of both is below that of bf16.
constexpr float kWideMost = 8191.0f;
constexpr int kFinerBits = 6;
constexpr float kFiner = 1 << kFinerBits;
// A sum's room, less what rounding of the scales may add to it.
constexpr float kRoom = 2147400000.0f;
// Below this the largest of a row counts as 0: its inverse would be no number.
constexpr float kLeast = 1e-30f;

// c [R, C registers] = a [R, units] times a panel, `stride` units a row, scaled.
template <typename J, int R, int C>
__attribute__((noinline)) void integer_tile(const Unit* a, std::int64_t a_stride, const Unit* b, int stride, int small_units, int wide_units,
                         const std::int32_t* first, const float* columns, const float* scales, float* c, int c_stride) {
  typename J::V sums[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) sums[r][v] = J::load_sums(first + v * J::lanes);
  }
  for (int u = 0; u < small_units; ++u) {
    typename J::V right[C];
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) right[v] = J::load_sums(b + v * J::lanes);
    J::fetch(b + static_cast<std::int64_t>(J::ahead) * stride);
    b += stride;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const typename J::V left = J::broadcast_sums(a + r * a_stride + u);
#pragma GCC unroll 4
      for (int v = 0; v < C; ++v) sums[r][v] = J::small_dp(sums[r][v], left, right[v]);
    }
  }
  if (small_units) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < C; ++v) sums[r][v] = J::shifted(sums[r][v]);
    }
  }
  a += small_units;
  for (int u = 0; u < wide_units; ++u) {
    typename J::V right[C];
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) right[v] = J::load_sums(b + v * J::lanes);
    J::fetch(b + static_cast<std::int64_t>(J::ahead) * stride);
    b += stride;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const typename J::V left = J::broadcast_sums(a + r * a_stride + u);
#pragma GCC unroll 4
      for (int v = 0; v < C; ++v) sums[r][v] = J::wide_dp(sums[r][v], left, right[v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const auto scale = J::all(scales[r]);
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) {
      const auto worth = J::mul(scale, J::load_floats(columns + v * J::lanes));
      J::store_floats(c + r * c_stride + v * J::lanes, J::mul(J::floats_of(sums[r][v]), worth));
    }
  }
}

template <typename J, int C, int Most>
inline void integer_rows(int count, const Unit* a, std::int64_t a_stride, const Unit* b, int stride, int small_units,
                         int wide_units, const std::int32_t* first, const float* columns, const float* scales, float* c,
                         int c_stride) {
  if constexpr (Most > 0) {
    if (count == Most) {
      return integer_tile<J, Most, C>(a, a_stride, b, stride, small_units, wide_units, first, columns, scales, c, c_stride);
    }
    return integer_rows<J, C, Most - 1>(count, a, a_stride, b, stride, small_units, wide_units, first, columns, scales, c,
                                        c_stride);
  }
}

// Whether a set multiplies tiles: it lays rows and panels out itself, has a product of its own (amx/engine.cpp), and has to
// be configured for a pass of so many rows.
template <typename J>
constexpr bool kTiled = requires { typename J::Configured; };
template <typename J, bool = kTiled<J>>
struct Configuration {
  struct Type {
    explicit Type(int) {}
  };
};
template <typename J>
struct Configuration<J, true> {
  using Type = typename J::Configured;
};

// Rows as integers, and what a unit of each is worth.
struct Rows {
  Buffer<Unit> units;
  Buffer<float> scales, kept;
  // The last store of a row may pass its end; tiles have whole numbers of rows and of channels.
  Rows(const Model& m, std::size_t count)
      : units((count + 15) / 16 * 16 * (((m.inner > m.hidden ? m.inner : m.hidden) + 63) / 64 * 64) / 2 + 64),
        scales(count),
        kept((m.inner > m.hidden ? m.inner : m.hidden) + 64) {}
};

// m rows times the matrix; take(row, rows, column, block [rows, wide registers]) gets each block of the result.
template <typename J, typename Take>
inline void integer_product(const Linear& linear, const Rows& rows, int m, Take take) {
  if constexpr (kTiled<J>) {
    J::product(linear, rows, m, take);
  } else {
    constexpr int width = J::wide * J::lanes;
    alignas(64) float block[J::wide_rows * width];
    const Integers& own = linear.integers;
    const int small = own.small_units, wide = own.wide_units, units = small + wide;
    const Unit* a = rows.units.data();
    const float* scales = rows.scales.data();
    // Tiles of like height: one of two rows at the end would read a panel as long as one of twelve.
    const int tiles = (m + J::wide_rows - 1) / J::wide_rows, step = (m + tiles - 1) / tiles;
    for (int column = 0; column < linear.out; column += width) {
      const Unit* panel = linear.panels.data() + static_cast<std::int64_t>(column) * units;
      const std::int32_t* first = own.first.data() + column;
      const float* columns = own.scales.data() + column;
      for (int row = 0; row < m; row += step) {
        const int count = least(step, m - row);
        integer_rows<J, J::wide, J::wide_rows>(count, a + static_cast<std::int64_t>(row) * units, units, panel, width,
                                               small, wide, first, columns, scales + row, block, width);
        take(row, count, column, block);
      }
    }
  }
}

// The largest magnitude of `count` floats, a multiple of 16; no number where one of them is none.
template <typename J>
inline float magnitude(const float* row, int count) {
  auto most = J::zero(), poison = J::zero();
  for (int i = 0; i < count; i += J::lanes) {
    const auto value = J::load_floats(row + i);
    most = J::max(most, J::abs(value));
    poison = J::fma(value, J::zero(), poison);
  }
  return J::most(most) + J::total(poison);
}

// Rows float [m, linear.in] as integers for a matrix.
template <typename J>
inline void as_integers(const Linear& linear, const float* from, int m, Rows& rows) {
  const Integers& own = linear.integers;
  const int units = own.small_units + own.wide_units;
  for (int r = 0; r < m; ++r) {
    const float* row = from + static_cast<std::int64_t>(r) * linear.in;
    float* kept = rows.kept.data();
    float* large = kept;
    if (own.small_count) {
      // Small channels first, then the wide ones; a register is written whole, so that each part may pass its end.
      large = kept + own.small_count + J::lanes;
      float *to = kept, *to_large = large;
      for (int i = 0; i < linear.in; i += J::lanes) {
        const unsigned bits = static_cast<unsigned>(own.wide[i / 16] >> (i % 16)) & ((1u << J::lanes) - 1);
        const auto value = J::load_floats(row + i);
        to += J::compress(to, value, ~bits & ((1u << J::lanes) - 1));
        if (bits) to_large += J::compress(to_large, value, bits);
      }
    }
    const float* wide = own.small_count ? large : row;
    // The step in which neither the small channels pass `most` nor the wide ones `limit`; what is no number stays none.
    const float small_step = magnitude<J>(kept, own.small_count) / own.most;
    const float wide_step = magnitude<J>(wide, own.wide_count) / own.limit;
    const float step = small_step > wide_step ? small_step + 0.0f * wide_step : wide_step + 0.0f * small_step;
    const auto inverse = J::all(step > kLeast ? 1.0f / step : 0.0f);
    rows.scales.data()[r] = step > kLeast ? step : 0.0f * step;
    char* to;
    if constexpr (kTiled<J>) {
      to = J::row(rows.units.data(), r, units);
    } else {
      to = reinterpret_cast<char*>(rows.units.data() + static_cast<std::int64_t>(r) * units);
    }
    for (int i = 0; i < own.small_count; i += J::lanes) J::store_small(to, i, J::mul(J::load_floats(kept + i), inverse));
    to += static_cast<std::int64_t>(own.small_units) * sizeof(Unit);
    const auto limit = J::all(own.limit), least_value = J::all(-own.limit);
    for (int i = 0; i < own.wide_count; i += J::lanes) {
      const auto value = J::mul(J::load_floats(wide + i), inverse);
      J::store_wide(to, i, J::max(J::min(value, limit), least_value));
    }
  }
}

// `out` + x W' + b, normed, to x: the end of attention and of the inner layer.
template <typename J>
inline void join(const Model& m, const Linear& linear, const Norm& norm, const Rows& rows, int count, float* x,
                 float* grown) {
  constexpr int width = J::wide * J::lanes;
  integer_product<J>(linear, rows, count, [&](int row, int some, int column, const float* block) {
    for (int r = 0; r < some; ++r) {
      const std::int64_t at = static_cast<std::int64_t>(row + r) * linear.out + column;
      for (int i = 0; i < width; i += J::lanes) {
        const auto own = J::add(J::load_floats(block + r * width + i), J::load_floats(linear.bias.data() + column + i));
        J::store_floats(grown + at + i, J::add(own, J::load_floats(x + at + i)));
      }
    }
  });
  for (int r = 0; r < count; ++r) {
    const std::int64_t at = static_cast<std::int64_t>(r) * m.hidden;
    normalize<J>(grown + at, norm, m.hidden, m.epsilon, x + at, x, static_cast<std::size_t>(at));
  }
}

// Rows W' + b through `change`, floats [count, linear.out].
template <typename J, typename Change>
inline void spread(const Linear& linear, const Rows& rows, int count, float* out, Change change) {
  constexpr int width = J::wide * J::lanes;
  integer_product<J>(linear, rows, count, [&](int row, int some, int column, const float* block) {
    for (int r = 0; r < some; ++r) {
      float* to = out + static_cast<std::int64_t>(row + r) * linear.out + column;
      for (int i = 0; i < width; i += J::lanes) {
        const auto bias = J::load_floats(linear.bias.data() + column + i);
        J::store_floats(to + i, change(J::add(J::load_floats(block + r * width + i), bias)));
      }
    }
  });
}

// Rows of one block, all blocks alike: a last one of a few rows would wait for all weights.
template <typename J>
inline int block_rows(int tokens) {
  const int blocks = (tokens + kBlock - 1) / kBlock, rows = (tokens + blocks - 1) / blocks;
  return (rows + J::wide_rows - 1) / J::wide_rows * J::wide_rows;
}

template <typename J>
void integer_forward(const Model& m, const std::int32_t* ids, const std::int64_t* starts, int texts, float* const* states) {
  const int tokens = static_cast<int>(starts[texts] - starts[0]);
  if (!tokens) return;
  [[maybe_unused]] const typename Configuration<J>::Type configured(tokens);
  const int block = block_rows<J>(tokens);
  Room<J> room(m, tokens, longest_of(starts, texts), least(block, tokens));
  Rows rows(m, least(block, tokens));
  float *x = room.x.data(), *grown = room.grown.data();
  float* qkv = reinterpret_cast<float*>(room.qkv.data());
  const float* met = reinterpret_cast<const float*>(room.met.data());
  float* inner = reinterpret_cast<float*>(room.inner.data());
  const std::size_t bytes = static_cast<std::size_t>(tokens) * m.hidden * sizeof(float);
  embed<J>(m, ids, starts, texts, room, x);
  if (states[0]) std::memcpy(states[0], x, bytes);
  for (std::size_t number = 0; number < m.layers.size(); ++number) {
    const Layer& layer = m.layers[number];
    for (int start = 0; start < tokens; start += block) {
      const int count = least(block, tokens - start);
      const std::int64_t at = static_cast<std::int64_t>(start) * m.hidden;
      as_integers<J>(layer.qkv, x + at, count, rows);
      spread<J>(layer.qkv, rows, count, qkv + 3 * at, [](auto value) { return value; });
    }
    attend<J>(m, room, starts, texts);
    for (int start = 0; start < tokens; start += block) {
      const int count = least(block, tokens - start);
      const std::int64_t at = static_cast<std::int64_t>(start) * m.hidden;
      as_integers<J>(layer.met, met + at, count, rows);
      join<J>(m, layer.met, layer.after_met, rows, count, x + at, grown + at);
      as_integers<J>(layer.up, x + at, count, rows);
      spread<J>(layer.up, rows, count, inner, [](auto value) { return gelu<J>(value); });
      as_integers<J>(layer.down, inner, count, rows);
      join<J>(m, layer.down, layer.after_down, rows, count, x + at, grown + at);
    }
    if (states[number + 1]) std::memcpy(states[number + 1], x, bytes);
  }
}

// Rounded to the nearest, to the even one between two.
inline float rounded_number(float value) { return (value + 12582912.0f) - 12582912.0f; }

// One row of a matrix as integers, small channels first; scales and what a sum begins with for column `at`.
inline void pack_row(const float* row, int in, Integers& own, int at, std::int16_t* to) {
  float most_small = 0, most_wide = 0, sum_small = 0, sum_wide = 0;
  for (int i = 0; i < in; ++i) {
    const float size = __builtin_fabsf(row[i]);
    if (own.wide[i / 16] >> (i % 16) & 1) {
      most_wide = size > most_wide ? size : most_wide;
      sum_wide += size;
    } else {
      most_small = size > most_small ? size : most_small;
      sum_small += size;
    }
  }
  // The finest steps in which every weight has its bits, and in which all sums of rows have theirs: a channel is 127 at
  // most, or that much, and half a step of each is rounding.
  const float rounding =
      0.5f * (static_cast<float>(own.wide_count) * kWideMost + 127.0f * kFiner * static_cast<float>(own.small_count));
  const float by_sum = (sum_wide * (kWideMost + 1.0f) + sum_small * 128.0f) / (kRoom - rounding);
  const float by_wide = most_wide / 32000.0f, by_small = most_small / 127.0f / kFiner;
  float step = by_sum > by_wide ? by_sum : by_wide;
  step = by_small > step ? by_small : step;
  step = step > kLeast ? step : kLeast;
  own.scales.data()[at] = step;
  std::int16_t* wide = to + own.small_count;
  const float small_step = step * kFiner;
  std::int32_t sum = 0;
  float small_size = 0, wide_size = 0;
  for (int i = 0; i < in; ++i) {
    if (own.wide[i / 16] >> (i % 16) & 1) {
      const float value = rounded_number(row[i] / step);
      wide_size += __builtin_fabsf(value);
      *wide++ = static_cast<std::int16_t>(value);
    } else {
      const float value = rounded_number(row[i] / small_step);
      small_size += __builtin_fabsf(value);
      sum += static_cast<std::int32_t>(value);
      *to++ = static_cast<std::int16_t>(value);
    }
  }
  own.first.data()[at] = sum;
  if (own.small_count) {
    // Most matrices leave more room than that, for channels of strange texts.
    const float room = (kRoom - 127.0f * kFiner * small_size) / (wide_size > 1.0f ? wide_size : 1.0f);
    own.limit = room < own.limit ? room : own.limit;
  }
}

// wide : the channels in 16 bits. `into.integers.wide` is all zeros.
template <typename J>
void pack_integers(const float* weights, int out, int in, const std::vector<int>& wide, Linear& into) {
  constexpr int width = J::wide * J::lanes;
  Integers& own = into.integers;
  into.in = in;
  into.out = out;
  own.wide_count = static_cast<int>(wide.size());
  own.small_count = in - own.wide_count;
  own.small_units = own.small_count / J::small;
  own.wide_units = own.wide_count / 2;
  if constexpr (kTiled<J>) own.wide_units = (own.wide_count + 63) / 64 * 32;
  own.most = 127.0f;
  own.limit = own.small_count ? 32000.0f : kWideMost;
  own.scales = Buffer<float>(out);
  own.first = Buffer<std::int32_t>(out);
  for (int channel : wide) own.wide[channel / 16] |= static_cast<std::uint16_t>(1u << (channel % 16));
  const int units = own.small_units + own.wide_units;
  into.panels = Buffer<Unit>(static_cast<std::size_t>(out) * units);
  Buffer<std::int16_t> row(in);
  for (int column = 0; column < out; ++column) {
    pack_row(weights + static_cast<std::int64_t>(column) * in, in, own, column, row.data());
    own.first.data()[column] = J::first(own.first.data()[column]);
    if constexpr (kTiled<J>) {
      J::pack_column(row.data(), in, column, units, into.panels.data());
      continue;
    }
    Unit* to = into.panels.data() + static_cast<std::int64_t>(column / width) * width * units + column % width;
    const std::int16_t* from = row.data();
    for (int u = 0; u < own.small_units; ++u, to += width, from += J::small) *to = J::small_unit(from);
    for (int u = 0; u < own.wide_units; ++u, to += width, from += 2) {
      *to = static_cast<std::uint16_t>(from[0]) | static_cast<Unit>(static_cast<std::uint16_t>(from[1])) << 16;
    }
  }
}

}  // namespace
}  // namespace encoder

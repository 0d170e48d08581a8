// What the forward pass of a BERT is made of, over an instruction set `I`, which each of them compiles for itself:
// products of tiles, the activation, the norm, and attention.
//
// I gives: F, a register of `lanes` floats; U, of as many units; `neighbours`, floats in a unit; dp(sum, a, b), the sum
// of products of the neighbours added to each lane; broadcast and load of units; store, which writes floats as the
// numbers that products multiply; and arithmetic. wide : registers of a panel of weights, wide_rows : rows multiplied by
// it at once; narrow_rows : rows multiplied at once by two registers, for attention and for short texts.
// Nothing here may be inlined into code of another instruction set: all of it lies in an unnamed namespace, and nothing of
// the standard library is called.
#pragma once

#include <cmath>
#include <cstring>

#include "encoder/model.hpp"

namespace encoder {
namespace {

constexpr int kNarrow = 2;

inline int least(int a, int b) { return a < b ? a : b; }

// A float as bf16: rounded to the nearest, to the even one between two.
inline std::uint32_t brain_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

// c [R, C registers] = a [R, units] times a panel, of which C registers from `b` on are read, `stride` units a row.
template <typename I, int R, int C>
inline void tile(const Unit* a, std::int64_t a_stride, const Unit* b, int stride, int units, float* c, int c_stride) {
  typename I::F sums[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) sums[r][v] = I::zero();
  }
  for (int u = 0; u < units; ++u) {
    typename I::U right[C];
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) right[v] = I::load(b + static_cast<std::int64_t>(u) * stride + v * I::lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const typename I::U left = I::broadcast(a + r * a_stride + u);
#pragma GCC unroll 4
      for (int v = 0; v < C; ++v) sums[r][v] = I::dp(sums[r][v], left, right[v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) I::store_floats(c + r * c_stride + v * I::lanes, sums[r][v]);
  }
}

// The same for 1 to Most rows.
template <typename I, int C, int Most>
inline void rows(int count, const Unit* a, std::int64_t a_stride, const Unit* b, int stride, int units, float* c,
                 int c_stride) {
  if constexpr (Most > 0) {
    if (count == Most) return tile<I, Most, C>(a, a_stride, b, stride, units, c, c_stride);
    return rows<I, C, Most - 1>(count, a, a_stride, b, stride, units, c, c_stride);
  }
}

// a [m, units] times panels of C registers; take(row, rows, column, columns, values [rows, width]) gets each block.
template <typename I, int C, typename Take>
inline void product(const Unit* a, std::int64_t a_stride, int m, const Unit* panels, int units, int n, Take take) {
  constexpr int width = C * I::lanes;
  constexpr int most = C == kNarrow || I::narrow_rows < I::wide_rows ? I::narrow_rows : I::wide_rows;
  alignas(64) float block[(I::narrow_rows > I::wide_rows ? I::narrow_rows : I::wide_rows) * width];
  for (int column = 0; column < n; column += width) {
    const Unit* panel = panels + static_cast<std::int64_t>(column) * units;
    if (C > kNarrow && m <= I::narrow_rows) {
      for (int v = 0; v < C; v += kNarrow) {
        rows<I, kNarrow, I::narrow_rows>(m, a, a_stride, panel + v * I::lanes, width, units, block + v * I::lanes, width);
      }
      take(0, m, column, block);
      continue;
    }
    constexpr int step = C == kNarrow ? I::narrow_rows : most < I::wide_rows ? most : I::wide_rows;
    for (int row = 0; row < m; row += step) {
      const int count = least(step, m - row);
      rows<I, C, step>(count, a + row * a_stride, a_stride, panel, width, units, block, width);
      take(row, count, column, block);
    }
  }
}

// The same by panels of kNarrow registers, as floats into rows of c.
template <typename I>
inline void product_into(const Unit* a, std::int64_t a_stride, int m, const Unit* panels, int units, int n, float* c,
                         int c_stride) {
  constexpr int width = kNarrow * I::lanes;
  for (int column = 0; column < n; column += width) {
    for (int row = 0; row < m; row += I::narrow_rows) {
      rows<I, kNarrow, I::narrow_rows>(least(I::narrow_rows, m - row), a + row * a_stride, a_stride,
                                       panels + static_cast<std::int64_t>(column) * units, width, units,
                                       c + static_cast<std::int64_t>(row) * c_stride + column, c_stride);
    }
  }
}

// e^x, to a unit or two of float's last place; below -80 it is 0 to all who add it up. Not less: a share of e^-87 is so small
// that Intel's cores take 150 cycles for its last bits.
template <typename I>
inline typename I::F exponential(typename I::F x) {
  x = I::max(x, I::all(-80.0f));
  x = I::min(x, I::all(88.3f));
  const auto n = I::round(I::mul(x, I::all(1.44269504f)));
  auto r = I::fma(n, I::all(-0.693359375f), x);
  r = I::fma(n, I::all(2.12194440e-4f), r);
  auto p = I::all(1.9875691500e-4f);
  p = I::fma(p, r, I::all(1.3981999507e-3f));
  p = I::fma(p, r, I::all(8.3334519073e-3f));
  p = I::fma(p, r, I::all(4.1665795894e-2f));
  p = I::fma(p, r, I::all(1.6666665459e-1f));
  p = I::fma(p, r, I::all(5.0000001201e-1f));
  p = I::fma(p, I::mul(r, r), I::add(r, I::all(1.0f)));
  return I::scaled(p, n);
}

// x times the normal distribution function: erf by 7.1.26 of Abramowitz and Stegun's Handbook, to 1.5e-7.
template <typename I>
inline typename I::F gelu(typename I::F x) {
  const auto z = I::mul(I::abs(x), I::all(0.70710678f));
  const auto t = I::div(I::all(1.0f), I::fma(z, I::all(0.3275911f), I::all(1.0f)));
  auto sum = I::all(1.061405429f);
  sum = I::fma(sum, t, I::all(-1.453152027f));
  sum = I::fma(sum, t, I::all(1.421413741f));
  sum = I::fma(sum, t, I::all(-0.284496736f));
  sum = I::fma(sum, t, I::all(0.254829592f));
  sum = I::mul(sum, t);
  const auto rest = I::mul(sum, exponential<I>(I::mul(I::mul(z, z), I::all(-1.0f))));
  const auto erf = I::signed_as(I::sub(I::all(1.0f), rest), x);
  return I::mul(I::mul(x, I::all(0.5f)), I::add(erf, I::all(1.0f)));
}

// A row float [width] to mean 0 and variance 1, weighed; as floats to `out` and as numbers to multiply to `multiplied`.
template <typename I>
inline void normalize(const float* row, const Norm& norm, int width, float epsilon, float* out, void* multiplied,
                      std::size_t at) {
  auto sum = I::zero();
  for (int i = 0; i < width; i += I::lanes) sum = I::add(sum, I::load_floats(row + i));
  const auto mean = I::all(I::total(sum) / static_cast<float>(width));
  auto square = I::zero();
  for (int i = 0; i < width; i += I::lanes) {
    const auto apart = I::sub(I::load_floats(row + i), mean);
    square = I::fma(apart, apart, square);
  }
  const auto scale = I::all(1.0f / __builtin_sqrtf(I::total(square) / static_cast<float>(width) + epsilon));
  for (int i = 0; i < width; i += I::lanes) {
    const auto apart = I::mul(I::sub(I::load_floats(row + i), mean), scale);
    const auto normed = I::fma(apart, I::load_floats(norm.weight.data() + i), I::load_floats(norm.bias.data() + i));
    I::store_floats(out + i, normed);
    I::store(multiplied, at + i, normed);
  }
}

// Bytes of one number that products multiply.
template <typename I>
constexpr std::size_t kSize = sizeof(Unit) / I::neighbours;

template <typename I>
inline const Unit* units_at(const void* base, std::size_t number) {
  return reinterpret_cast<const Unit*>(static_cast<const char*>(base) + number * kSize<I>);
}

// Room for one call.
template <typename I>
struct Room {
  Buffer<float> x, grown, scores, beyond;
  Buffer<Unit> xs, qkv, met, inner, weights, keys, values;
  int longest;

  // inner_rows : of how many tokens the inner activations are held at once.
  Room(const Model& m, std::size_t tokens, int longest_text, std::size_t inner_rows)
      : x(tokens * m.hidden),
        grown(tokens * m.hidden),
        scores(static_cast<std::size_t>(padded(longest_text)) * longest_text),
        beyond(padded(longest_text)),
        xs(units(tokens * m.hidden)),
        qkv(units(tokens * 3 * m.hidden)),
        met(units(tokens * m.hidden)),
        inner(units(inner_rows * m.inner)),
        weights(units(static_cast<std::size_t>(padded(longest_text)) * longest_text)),
        keys(units(static_cast<std::size_t>(padded(longest_text)) * (m.hidden / m.heads))),
        values(units(static_cast<std::size_t>(padded(longest_text)) * (m.hidden / m.heads))),
        longest(longest_text) {}

  static std::size_t units(std::size_t numbers) { return numbers / I::neighbours + 16; }
  // Columns of a text's scores: whole panels.
  static int padded(int tokens) {
    constexpr int width = kNarrow * I::lanes;
    return (tokens + width - 1) / width * width;
  }
};

inline int longest_of(const std::int64_t* starts, int texts) {
  int longest = 0;
  for (int i = 0; i < texts; ++i) {
    const int own = static_cast<int>(starts[i + 1] - starts[i]);
    longest = own > longest ? own : longest;
  }
  return longest;
}

// The states before the first layer: floats to room.x, and as numbers to multiply to `multiplied`.
template <typename I>
inline void embed(const Model& m, const std::int32_t* ids, const std::int64_t* starts, int texts, Room<I>& room,
                  void* multiplied) {
  std::size_t token = 0;
  for (int i = 0; i < texts; ++i) {
    for (std::int64_t at = starts[i]; at < starts[i + 1]; ++at, ++token) {
      const float* word = m.word_table + static_cast<std::int64_t>(ids[at]) * m.hidden;
      const float* place = m.position_table + (at - starts[i]) * m.hidden;
      float* row = room.grown.data() + token * m.hidden;
      for (int d = 0; d < m.hidden; d += I::lanes) {
        const auto sum = I::add(I::load_floats(word + d), I::load_floats(place + d));
        I::store_floats(row + d, I::add(sum, I::load_floats(m.type.data() + d)));
      }
      normalize<I>(row, m.embedded, m.hidden, m.epsilon, room.x.data() + token * m.hidden, multiplied, token * m.hidden);
    }
  }
}

// Columns of a panel of kNarrow registers: column t, of so many, is the row of `units` units at from + t stride, and beyond
// `rows` of them zeros.
template <typename I>
inline void as_columns(const Unit* from, std::int64_t stride, int rows, int columns, int units, Unit* panels) {
  constexpr int panel = kNarrow * I::lanes;
  for (int t = 0; t < columns; t += I::lanes) {
    Unit* to = panels + static_cast<std::int64_t>(t / panel) * panel * units + t % panel;
    const Unit* own = from + t * stride;
    const int count = least(I::lanes, rows - t);
    if constexpr (requires { I::turn(own, stride, count, to, panel); }) {
      if (units % I::lanes == 0) {
        for (int u = 0; u < units; u += I::lanes) I::turn(own + u, stride, count, to + static_cast<std::int64_t>(u) * panel, panel);
        continue;
      }
    }
    for (int r = 0; r < I::lanes; ++r) {
      for (int u = 0; u < units; ++u) to[static_cast<std::int64_t>(u) * panel + r] = r < count ? own[r * stride + u] : 0;
    }
  }
}

// Attention of one head within one text: met [tokens, head] of qkv [tokens, 3 hidden].
template <typename I>
inline void attend_head(const Model& m, Room<I>& room, std::size_t first, int tokens, int head) {
  const int width = m.hidden / m.heads, units = width / I::neighbours, columns = Room<I>::padded(tokens);
  constexpr int panel = kNarrow * I::lanes;
  const std::int64_t stride = static_cast<std::int64_t>(3) * m.hidden / I::neighbours;
  const std::size_t at = first * 3 * m.hidden + static_cast<std::size_t>(head) * width;
  const Unit* q = units_at<I>(room.qkv.data(), at);
  Unit* keys = room.keys.data();
  as_columns<I>(units_at<I>(room.qkv.data(), at + m.hidden), stride, tokens, columns, units, keys);
  float* scores = room.scores.data();
  const auto scale = I::all(1.0f / __builtin_sqrtf(static_cast<float>(width)));
  product_into<I>(q, stride, tokens, keys, units, columns, scores, columns);
  for (int row = 0; row < tokens; ++row) {
    float* own = scores + static_cast<std::int64_t>(row) * columns;
    const float* beyond = room.beyond.data();
    auto most = I::add(I::load_floats(own), I::load_floats(beyond));
    for (int t = I::lanes; t < columns; t += I::lanes) {
      most = I::max(most, I::add(I::load_floats(own + t), I::load_floats(beyond + t)));
    }
    const auto top = I::all(I::most(most));
    auto sum = I::zero();
    for (int t = 0; t < columns; t += I::lanes) {
      const auto score = I::add(I::load_floats(own + t), I::load_floats(beyond + t));
      const auto power = exponential<I>(I::mul(I::sub(score, top), scale));
      I::store_floats(own + t, power);
      sum = I::add(sum, power);
    }
    const auto share = I::all(1.0f / I::total(sum));
    for (int t = 0; t < columns; t += I::lanes) {
      I::store(room.weights.data(), static_cast<std::size_t>(row) * columns + t, I::mul(I::load_floats(own + t), share));
    }
  }
  const Unit* v = units_at<I>(room.qkv.data(), at + 2 * m.hidden);
  const std::size_t out = first * m.hidden + static_cast<std::size_t>(head) * width;
  Unit* values = room.values.data();
  if constexpr (I::neighbours == 1) {
    for (int t = 0; t < tokens; ++t) {
      for (int c = 0; c < width; c += panel) {
        std::memcpy(values + static_cast<std::int64_t>(c) * tokens + static_cast<std::int64_t>(t) * panel,
                    v + t * stride + c, panel * sizeof(Unit));
      }
    }
    product_into<I>(room.weights.data(), columns, tokens, values, tokens, width,
                    reinterpret_cast<float*>(room.met.data()) + out, m.hidden);
  } else {
    // What was put beyond the text is a weight of e^-80 at most, times a value of 0.
    const int pairs = columns / I::neighbours;
    for (int p = 0; p < pairs; ++p) {
      for (int c = 0; c < width; ++c) {
        Unit unit = 0;
        for (int n = 0; n < I::neighbours; ++n) {
          const int t = p * I::neighbours + n;
          if (t < tokens) {
            const char* row = reinterpret_cast<const char*>(v + t * stride);
            std::memcpy(reinterpret_cast<char*>(&unit) + n * kSize<I>, row + c * kSize<I>, kSize<I>);
          }
        }
        values[static_cast<std::int64_t>(c / panel) * panel * pairs + static_cast<std::int64_t>(p) * panel + c % panel] = unit;
      }
    }
    product<I, kNarrow>(room.weights.data(), pairs, tokens, values, pairs, width,
                        [&](int row, int count, int column, const float* block) {
                          for (int r = 0; r < count; ++r) {
                            for (int i = 0; i < panel; i += I::lanes) {
                              I::store(room.met.data(), out + static_cast<std::size_t>(row + r) * m.hidden + column + i,
                                       I::load_floats(block + r * panel + i));
                            }
                          }
                        });
  }
}

// Attention of all heads within each text.
template <typename I>
inline void attend(const Model& m, Room<I>& room, const std::int64_t* starts, int texts) {
  for (int i = 0; i < texts; ++i) {
    const int tokens = static_cast<int>(starts[i + 1] - starts[i]);
    // Added to the scores: written over them, single floats would hold up the loads of whole registers that follow.
    for (int t = 0; t < Room<I>::padded(tokens); ++t) room.beyond.data()[t] = t < tokens ? 0.0f : -1e30f;
    for (int head = 0; tokens && head < m.heads; ++head) {
      attend_head<I>(m, room, static_cast<std::size_t>(starts[i] - starts[0]), tokens, head);
    }
  }
}

}  // namespace
}  // namespace encoder

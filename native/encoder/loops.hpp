// The forward pass of a BERT over an instruction set `I`, whose matrices multiply floats or bf16.
#pragma once

#include "encoder/parts.hpp"

namespace encoder {
namespace {

// x + (a W' + b), to `grown`.
template <typename I>
inline void add_linear(const Linear& linear, const Buffer<Unit>& a, int tokens, const float* x, float* grown) {
  constexpr int width = I::wide * I::lanes;
  product<I, I::wide>(a.data(), linear.in / I::neighbours, tokens, linear.panels.data(), linear.in / I::neighbours,
                      linear.out, [&](int row, int count, int column, const float* block) {
                        for (int r = 0; r < count; ++r) {
                          const std::int64_t at = static_cast<std::int64_t>(row + r) * linear.out + column;
                          for (int i = 0; i < width; i += I::lanes) {
                            const auto bias = I::load_floats(linear.bias.data() + column + i);
                            const auto own = I::add(I::load_floats(block + r * width + i), bias);
                            I::store_floats(grown + at + i, I::add(own, I::load_floats(x + at + i)));
                          }
                        }
                      });
}

// a W' + b through `change`, to numbers that products multiply.
template <typename I, typename Change>
inline void linear_units(const Linear& linear, const Buffer<Unit>& a, int tokens, Unit* out, Change change) {
  constexpr int width = I::wide * I::lanes;
  product<I, I::wide>(a.data(), linear.in / I::neighbours, tokens, linear.panels.data(), linear.in / I::neighbours,
                      linear.out, [&](int row, int count, int column, const float* block) {
                        for (int r = 0; r < count; ++r) {
                          const std::size_t at = static_cast<std::size_t>(row + r) * linear.out + column;
                          for (int i = 0; i < width; i += I::lanes) {
                            const auto bias = I::load_floats(linear.bias.data() + column + i);
                            I::store(out, at + i, change(I::add(I::load_floats(block + r * width + i), bias)));
                          }
                        }
                      });
}

template <typename I>
void forward(const Model& m, const std::int32_t* ids, const std::int64_t* starts, int texts, float* const* states) {
  const int tokens = static_cast<int>(starts[texts] - starts[0]);
  if (!tokens) return;
  Room<I> room(m, tokens, longest_of(starts, texts), tokens);
  float* x = room.x.data();
  float* grown = room.grown.data();
  const std::size_t bytes = static_cast<std::size_t>(tokens) * m.hidden * sizeof(float);
  embed<I>(m, ids, starts, texts, room, room.xs.data());
  if (states[0]) std::memcpy(states[0], x, bytes);
  for (std::size_t number = 0; number < m.layers.size(); ++number) {
    const Layer& layer = m.layers[number];
    linear_units<I>(layer.qkv, room.xs, tokens, room.qkv.data(), [](auto value) { return value; });
    attend<I>(m, room, starts, texts);
    add_linear<I>(layer.met, room.met, tokens, x, grown);
    for (int t = 0; t < tokens; ++t) {
      const std::size_t at = static_cast<std::size_t>(t) * m.hidden;
      normalize<I>(grown + at, layer.after_met, m.hidden, m.epsilon, x + at, room.xs.data(), at);
    }
    linear_units<I>(layer.up, room.xs, tokens, room.inner.data(), [](auto value) { return gelu<I>(value); });
    add_linear<I>(layer.down, room.inner, tokens, x, grown);
    for (int t = 0; t < tokens; ++t) {
      const std::size_t at = static_cast<std::size_t>(t) * m.hidden;
      normalize<I>(grown + at, layer.after_down, m.hidden, m.epsilon, x + at, room.xs.data(), at);
    }
    if (states[number + 1]) std::memcpy(states[number + 1], x, bytes);
  }
}

template <typename I>
void pack(const float* weights, int out, int in, const std::vector<int>&, Linear& into) {
  constexpr int width = I::wide * I::lanes;
  const int units = in / I::neighbours;
  into.in = in;
  into.out = out;
  into.panels = Buffer<Unit>(static_cast<std::size_t>(out) * units);
  Unit* panels = into.panels.data();
  for (int column = 0; column < out; ++column) {
    Unit* to = panels + static_cast<std::int64_t>(column / width) * width * units + column % width;
    const float* row = weights + static_cast<std::int64_t>(column) * in;
    for (int u = 0; u < units; ++u) to[static_cast<std::int64_t>(u) * width] = I::unit(row + u * I::neighbours);
  }
}

}  // namespace
}  // namespace encoder

// The forward pass of every engine of this processor against a plain one in double precision that is written here.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "encoder/model.hpp"
#include "test/check.hpp"

namespace {

using Numbers = std::vector<float>;
constexpr int kHidden = 128, kHeads = 4, kInner = 192, kWords = 30, kPositions = 80, kLayers = 2;

Numbers drawn(int count, float around, float spread, std::mt19937& random) {
  std::normal_distribution<float> normal(around, spread);
  Numbers out(count);
  for (float& one : out) one = normal(random);
  return out;
}

struct Matrix {
  Numbers weights, bias;
  int out, in;
  Matrix(int out, int in, std::mt19937& random)
      : weights(drawn(out * in, 0, 0.15f, random)), bias(drawn(out, 0, 0.15f, random)), out(out), in(in) {}
};

struct Weights {
  Numbers words, places, type;
  std::vector<encoder::Norm> norms;
  std::vector<Matrix> matrices;  // qkv, met, up, down of each layer

  explicit Weights(std::mt19937& random)
      : words(drawn(kWords * kHidden, 0, 0.15f, random)),
        places(drawn(kPositions * kHidden, 0, 0.15f, random)),
        type(drawn(kHidden, 0, 0.15f, random)) {
    for (int i = 0; i < 1 + 2 * kLayers; ++i) {
      norms.push_back({drawn(kHidden, 1, 0.15f, random), drawn(kHidden, 0, 0.15f, random)});
    }
    for (int i = 0; i < kLayers; ++i) {
      for (const auto& [out, in] : {std::pair{3 * kHidden, kHidden}, {kHidden, kHidden}, {kInner, kHidden}, {kHidden, kInner}}) {
        matrices.emplace_back(out, in, random);
      }
    }
  }
};

using Row = std::vector<double>;

Row times(const Matrix& matrix, const Row& x) {
  Row out(matrix.out);
  for (int o = 0; o < matrix.out; ++o) {
    out[o] = matrix.bias[o];
    for (int i = 0; i < matrix.in; ++i) out[o] += double{matrix.weights[o * matrix.in + i]} * x[i];
  }
  return out;
}

Row normed(const Row& x, const encoder::Norm& norm) {
  double mean = 0, square = 0;
  for (double one : x) mean += one / kHidden;
  for (double one : x) square += (one - mean) * (one - mean) / kHidden;
  Row out(kHidden);
  for (int i = 0; i < kHidden; ++i) out[i] = (x[i] - mean) / std::sqrt(square + 1e-12) * norm.weight[i] + norm.bias[i];
  return out;
}

Row sum_of(Row a, const Row& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

// The last states of one text.
std::vector<Row> reference(const Weights& w, const std::vector<std::int32_t>& ids) {
  std::vector<Row> x;
  for (std::size_t t = 0; t < ids.size(); ++t) {
    Row row(kHidden);
    for (int d = 0; d < kHidden; ++d) {
      row[d] = double{w.words[ids[t] * kHidden + d]} + w.places[t * kHidden + d] + w.type[d];
    }
    x.push_back(normed(row, w.norms[0]));
  }
  for (int layer = 0; layer < kLayers; ++layer) {
    const Matrix* own = &w.matrices[4 * layer];
    std::vector<Row> qkv, met(x.size(), Row(kHidden));
    for (const Row& row : x) qkv.push_back(times(own[0], row));
    constexpr int width = kHidden / kHeads;
    for (int h = 0; h < kHeads; ++h) {
      for (std::size_t t = 0; t < x.size(); ++t) {
        Row powers(x.size());
        double all = 0;
        for (std::size_t s = 0; s < x.size(); ++s) {
          double dot = 0;
          for (int d = 0; d < width; ++d) dot += qkv[t][h * width + d] * qkv[s][kHidden + h * width + d];
          all += powers[s] = std::exp(dot / std::sqrt(double{width}));
        }
        for (std::size_t s = 0; s < x.size(); ++s) {
          for (int d = 0; d < width; ++d) met[t][h * width + d] += powers[s] / all * qkv[s][2 * kHidden + h * width + d];
        }
      }
    }
    for (std::size_t t = 0; t < x.size(); ++t) {
      x[t] = normed(sum_of(times(own[1], met[t]), x[t]), w.norms[1 + 2 * layer]);
      Row grown = times(own[2], x[t]);
      for (double& one : grown) one = one * 0.5 * (1 + std::erf(one * std::sqrt(0.5)));
      x[t] = normed(sum_of(times(own[3], grown), x[t]), w.norms[2 + 2 * layer]);
    }
  }
  return x;
}

void pack(const encoder::Engine& engine, const Matrix& matrix, encoder::Linear& into) {
  std::vector<int> wide;
  // int8 keeps every fourth channel in 16 bits; the others take what they need.
  for (int i = 0; i < matrix.in; ++i) {
    if (engine.precision != std::string("int8") || i % 4 == 1) wide.push_back(i);
  }
  into.integers.wide.assign(matrix.in / 16, 0);
  engine.pack(matrix.weights.data(), matrix.out, matrix.in, wide, into);
  into.bias = matrix.bias;
}

encoder::Model packed(const encoder::Engine& engine, const Weights& w) {
  encoder::Model m;
  m.hidden = kHidden, m.heads = kHeads, m.inner = kInner, m.positions = kPositions, m.words = kWords, m.epsilon = 1e-12f;
  m.word_table = w.words.data();
  m.position_table = w.places.data();
  m.type = w.type;
  m.embedded = w.norms[0];
  for (int i = 0; i < kLayers; ++i) {
    encoder::Layer layer;
    pack(engine, w.matrices[4 * i], layer.qkv);
    pack(engine, w.matrices[4 * i + 1], layer.met);
    pack(engine, w.matrices[4 * i + 2], layer.up);
    pack(engine, w.matrices[4 * i + 3], layer.down);
    layer.after_met = w.norms[1 + 2 * i];
    layer.after_down = w.norms[2 + 2 * i];
    m.layers.push_back(std::move(layer));
  }
  return m;
}

// The largest distance of a component: of fp32 4e-6 is found, of int16 0.0023, of bf16 0.032, of int8 0.13.
double bound(const char* precision) {
  const std::string name = precision;
  return name == "fp32" ? 1e-5 : name == "int16" ? 0.005 : name == "bf16" ? 0.08 : 0.3;
}

// What an engine makes of weights, the states of every layer; texts of the given lengths one after another.
Numbers states_of(const encoder::Engine& engine, const Weights& weights, const std::vector<int>& lengths) {
  const encoder::Model model = packed(engine, weights);
  std::vector<std::int32_t> ids;
  std::vector<std::int64_t> starts{0};
  for (int length : lengths) {
    for (int i = 0; i < length; ++i) ids.push_back((7 * i + length) % kWords);
    starts.push_back(static_cast<std::int64_t>(ids.size()));
  }
  std::vector<Numbers> found(kLayers + 1, Numbers(ids.size() * kHidden, NAN));
  std::vector<float*> places;
  for (Numbers& one : found) places.push_back(one.data());
  engine.forward(model, ids.data(), starts.data(), static_cast<int>(lengths.size()), places.data());
  Numbers all;
  for (const Numbers& one : found) all.insert(all.end(), one.begin(), one.end());
  return all;
}

// Every channel of a row is 8,191 or -8,191, and of a matrix's rows some have sums of the last of 31 bits, some one weight
// that takes all 16, some weights whose low byte is 0, 127, 128 or 255.
Weights extremes(Weights w) {
  for (encoder::Norm& norm : w.norms) {
    for (int i = 0; i < kHidden; ++i) norm.weight[i] = 0, norm.bias[i] = i % 3 ? 1.0f : -1.0f;
  }
  for (Matrix& matrix : w.matrices) {
    for (int o = 0; o < matrix.out; ++o) {
      for (int i = 0; i < matrix.in; ++i) {
        float& one = matrix.weights[o * matrix.in + i];
        const float sign = i % 3 ? 1.0f : -1.0f;
        if (o % 5 == 0) one = sign;
        if (o % 5 == 1) one = -sign;
        if (o % 5 == 2) one = i == o % matrix.in ? 1.0f : 0.0f;
        if (o % 5 == 3) one = i == o % matrix.in ? -32000.0f : static_cast<float>(std::vector{0, 127, 128, 255}[i % 4]);
      }
    }
  }
  return w;
}

// Tiles have the bits of registers, where this processor has both.
void tiles_are_registers(const Weights& weights) {
  const encoder::Engine *tiles = encoder::amx_int16_engine(), *registers = encoder::avx512_int16_engine();
  if (!tiles || !registers) {
    std::printf("no tiles here: their bits were not compared\n");
    return;
  }
  std::vector<std::vector<int>> sets{{80, 80, 80}, {3, 0, 40, 1, 17}, {80, 33}};
  for (int length = 1; length <= 66; ++length) sets.push_back({length});
  for (const Weights& one : {weights, extremes(weights)}) {
    for (const auto& lengths : sets) {
      const std::string texts = std::to_string(lengths.size()) + " texts, the first of " + std::to_string(lengths[0]);
      CHECK(test::same(states_of(*tiles, one, lengths), states_of(*registers, one, lengths)), texts.c_str());
    }
  }
}

}  // namespace

int main() {
  std::mt19937 random(3);
  const Weights weights(random);
  std::vector<std::int32_t> ids;
  std::vector<std::int64_t> starts{0};
  std::vector<Row> expected;
  for (int length : {1, 2, 7, 13, 31, 80}) {
    std::vector<std::int32_t> text(length);
    for (auto& one : text) one = static_cast<std::int32_t>(random() % kWords);
    for (const Row& row : reference(weights, text)) expected.push_back(row);
    ids.insert(ids.end(), text.begin(), text.end());
    starts.push_back(static_cast<std::int64_t>(ids.size()));
  }
  for (const encoder::Engine* engine : encoder::known_engines()) {
    const encoder::Model model = packed(*engine, weights);
    Numbers found(ids.size() * kHidden, NAN);
    std::vector<float*> places(kLayers + 1, nullptr);
    places[kLayers] = found.data();
    engine->forward(model, ids.data(), starts.data(), static_cast<int>(starts.size()) - 1, places.data());
    double apart = 0;
    for (std::size_t t = 0; t < ids.size(); ++t) {
      for (int d = 0; d < kHidden; ++d) {
        const double one = std::fabs(found[t * kHidden + d] - expected[t][d]);
        apart = one <= apart ? apart : one;  // what is no number counts as well
      }
    }
    std::printf("%s: %.2g apart\n", engine->name, apart);
    CHECK(apart <= bound(engine->precision), engine->name);
  }
  tiles_are_registers(weights);
  return test::finish("forward_test");
}

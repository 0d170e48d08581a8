// The Python module of the forward pass: checks shapes, holds the model, releases the lock while it computes.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "bindings/arrays.hpp"
#include "bindings/release.hpp"
#include "common/naming.hpp"
#include "encoder/model.hpp"

namespace {

using Row = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Starts = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Channels = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Panels = nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using State = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

std::vector<float> copied(const Row& row, int width) {
  require(static_cast<int>(row.shape(0)) == width, "a bias, or a weight of a norm, is of another width");
  return {row.data(), row.data() + width};
}

class Bert {
 public:
  Bert(const std::string& name, int heads, float epsilon, Table words, Table places, Row type, Row norm_weight,
       Row norm_bias)
      : engine_(xtr::named(encoder::known_engines(), name)), words_(words), places_(places) {
    model_.hidden = static_cast<int>(words.shape(1));
    model_.heads = heads;
    model_.epsilon = epsilon;
    model_.words = static_cast<int>(words.shape(0));
    model_.positions = static_cast<int>(places.shape(0));
    require(static_cast<int>(places.shape(1)) == model_.hidden, "positions are of another width than words");
    require(heads > 0 && model_.hidden > 0 && model_.hidden % heads == 0, "the width is no multiple of the number of heads");
    require(model_.hidden % engine_.columns == 0 && model_.hidden / heads % engine_.head_columns == 0,
            "the width, or that of a head, is none that these instructions take");
    model_.word_table = words.data();
    model_.position_table = places.data();
    model_.type = copied(type, model_.hidden);
    model_.embedded = {copied(norm_weight, model_.hidden), copied(norm_bias, model_.hidden)};
  }

  Bert(const Bert&) = delete;

  // Matrices [out, in] and biases in the order query, key, value, output of attention, its norm; up, down, its norm.
  // wide : of int8, the channels that stay in 16 bits of query, key and value, output, up, down; ascending.
  void add_layer(const std::vector<Table>& matrices, const std::vector<Row>& rows, const std::vector<Channels>& wide) {
    require(matrices.size() == 6 && rows.size() == 10, "a layer has six matrices and ten rows");
    const int h = model_.hidden;
    const int inner = static_cast<int>(matrices[4].shape(0));
    require(model_.layers.empty() || inner == model_.inner, "layers are of different inner widths");
    require(inner % engine_.columns == 0, "the inner width is none that these instructions take");
    model_.inner = inner;
    const int outs[] = {h, h, h, h, inner, h}, ins[] = {h, h, h, h, h, inner};
    for (int i = 0; i < 6; ++i) {
      require(static_cast<int>(matrices[i].shape(0)) == outs[i] && static_cast<int>(matrices[i].shape(1)) == ins[i],
              "a matrix of a layer is of another shape");
    }
    encoder::Layer layer;
    std::vector<float> joined(static_cast<std::size_t>(3) * h * h);
    for (int i = 0; i < 3; ++i) {
      std::memcpy(joined.data() + static_cast<std::size_t>(i) * h * h, matrices[i].data(),
                  static_cast<std::size_t>(h) * h * sizeof(float));
      const auto bias = copied(rows[i], h);
      layer.qkv.bias.insert(layer.qkv.bias.end(), bias.begin(), bias.end());
    }
    require(wide.size() == (engine_.precision == std::string("int8") ? 4 : 0),
            "int8 takes the wide channels of four matrices, no other precision does");
    pack(joined.data(), 3 * h, h, wide, 0, layer.qkv);
    pack(matrices[3].data(), h, h, wide, 1, layer.met);
    pack(matrices[4].data(), inner, h, wide, 2, layer.up);
    pack(matrices[5].data(), h, inner, wide, 3, layer.down);
    layer.met.bias = copied(rows[3], h);
    layer.after_met = {copied(rows[4], h), copied(rows[5], h)};
    layer.up.bias = copied(rows[6], inner);
    layer.down.bias = copied(rows[7], h);
    layer.after_down = {copied(rows[8], h), copied(rows[9], h)};
    model_.layers.push_back(std::move(layer));
  }

  // What was packed of a layer: the panels of its four matrices, views of this model's memory, each followed by how it is
  // integers (`told`), a copy.
  std::vector<nb::ndarray<nb::numpy, const std::uint32_t, nb::ndim<1>>> panels(std::size_t number) {
    require(number < model_.layers.size(), "the model has no such layer");
    const encoder::Layer& layer = model_.layers[number];
    std::vector<nb::ndarray<nb::numpy, const std::uint32_t, nb::ndim<1>>> views;
    for (const encoder::Linear* one : {&layer.qkv, &layer.met, &layer.up, &layer.down}) {
      views.emplace_back(one->panels.data(), std::initializer_list<std::size_t>{one->panels.count()}, nb::find(this));
      auto* words = new std::vector<std::uint32_t>(told(one->integers));
      nb::capsule owner(words, [](void* at) noexcept { delete static_cast<std::vector<std::uint32_t>*>(at); });
      views.emplace_back(words->data(), std::initializer_list<std::size_t>{words->size()}, owner);
    }
    return views;
  }

  // A layer that another model of this engine packed (`panels`); its matrices are read where they lie.
  void add_packed_layer(const std::vector<Panels>& panels, const std::vector<Row>& rows) {
    require(panels.size() == 8 && rows.size() == 10, "a packed layer has four matrices and ten rows");
    const std::string precision = engine_.precision;
    const int h = model_.hidden;
    const int inner = static_cast<int>(rows[6].shape(0));
    require(model_.layers.empty() || inner == model_.inner, "layers are of different inner widths");
    require(inner % engine_.columns == 0, "the inner width is none that these instructions take");
    model_.inner = inner;
    encoder::Layer layer;
    encoder::Linear* linears[] = {&layer.qkv, &layer.met, &layer.up, &layer.down};
    const int outs[] = {3 * h, h, inner, h}, ins[] = {h, h, h, inner};
    for (int i = 0; i < 4; ++i) {
      const Panels &units = panels[2 * i], &words = panels[2 * i + 1];
      encoder::Linear& into = *linears[i];
      into.out = outs[i];
      into.in = ins[i];
      read(words, into);
      require((into.integers.scales.count() == 0) == (precision == "fp32" || precision == "bf16"),
              "packed integers are of another precision");
      const std::size_t row = precision == "fp32" ? ins[i]
                              : precision == "bf16" ? ins[i] / 2
                                                    : into.integers.small_units + into.integers.wide_units;
      const std::size_t count = row * outs[i];
      require(units.shape(0) == count && reinterpret_cast<std::uintptr_t>(units.data()) % 64 == 0,
              "packed panels are of another size, or begin inside a line of the cache");
      into.panels = encoder::Buffer<encoder::Unit>::borrowed(units.data(), count);
      held_.push_back(units);
    }
    for (int i = 0; i < 3; ++i) {
      const auto bias = copied(rows[i], h);
      layer.qkv.bias.insert(layer.qkv.bias.end(), bias.begin(), bias.end());
    }
    layer.met.bias = copied(rows[3], h);
    layer.after_met = {copied(rows[4], h), copied(rows[5], h)};
    layer.up.bias = copied(rows[6], inner);
    layer.down.bias = copied(rows[7], h);
    layer.after_down = {copied(rows[8], h), copied(rows[9], h)};
    model_.layers.push_back(std::move(layer));
  }

  void forward(Ids ids, Starts starts, const std::vector<std::optional<State>>& states) const {
    require(starts.shape(0) >= 1 && starts(0) == 0, "starts begin with 0");
    const std::int64_t texts = static_cast<std::int64_t>(starts.shape(0)) - 1;
    for (std::int64_t i = 0; i < texts; ++i) {
      const std::int64_t own = starts(i + 1) - starts(i);
      require(own >= 0 && own <= model_.positions, "a text is longer than the model takes");
    }
    require(starts(texts) == static_cast<std::int64_t>(ids.shape(0)), "starts do not end with the ids");
    require(ids.shape(0) < (1u << 24) && texts < (1 << 24), "too many tokens for one pass");
    for (std::size_t i = 0; i < ids.shape(0); ++i) {
      require(ids(i) >= 0 && ids(i) < model_.words, "an id is none of the vocabulary");
    }
    require(states.size() == model_.layers.size() + 1, "a place is needed for the states before and after each layer");
    std::vector<float*> out;
    for (const auto& state : states) {
      require(!state || (state->shape(0) == ids.shape(0) && static_cast<int>(state->shape(1)) == model_.hidden),
              "the room for states is of another shape");
      out.push_back(state ? state->data() : nullptr);
    }
    Release free;
    engine_.forward(model_, ids.data(), starts.data(), static_cast<int>(texts), out.data());
  }

  std::string precision() const { return engine_.precision; }

 private:
  // Six numbers, the scales and first sums of the columns, and the wide channels.
  static std::vector<std::uint32_t> told(const encoder::Integers& own) {
    std::vector<std::uint32_t> words(6 + 2 * own.scales.count());
    const std::int32_t counts[] = {own.small_count, own.wide_count, own.small_units, own.wide_units};
    std::memcpy(words.data(), counts, sizeof counts);
    std::memcpy(&words[4], &own.most, 4);
    std::memcpy(&words[5], &own.limit, 4);
    // Of floats there are none, and nothing may be copied from nowhere.
    if (const std::size_t columns = own.scales.count()) {
      std::memcpy(words.data() + 6, own.scales.data(), 4 * columns);
      std::memcpy(words.data() + 6 + columns, own.first.data(), 4 * columns);
    }
    words.insert(words.end(), own.wide.begin(), own.wide.end());
    return words;
  }

  static void read(const Panels& words, encoder::Linear& into) {
    encoder::Integers& own = into.integers;
    const std::size_t wide = (static_cast<std::size_t>(into.in) + 15) / 16, out = into.out;
    const bool integers = words.shape(0) == 6 + 2 * out + wide;
    require(integers || words.shape(0) == 6 + wide, "what tells of packed integers is of another size");
    std::int32_t counts[4];
    std::memcpy(counts, words.data(), sizeof counts);
    require(counts[0] >= 0 && counts[1] >= 0 && counts[0] + counts[1] <= into.in && counts[2] >= 0 && counts[3] >= 0,
            "packed integers have other channels than the matrix");
    own.small_count = counts[0], own.wide_count = counts[1];
    own.small_units = counts[2], own.wide_units = counts[3];
    std::memcpy(&own.most, words.data() + 4, 4);
    std::memcpy(&own.limit, words.data() + 5, 4);
    if (integers) {
      own.scales = encoder::Buffer<float>(out);
      own.first = encoder::Buffer<std::int32_t>(out);
      std::memcpy(own.scales.data(), words.data() + 6, 4 * out);
      std::memcpy(own.first.data(), words.data() + 6 + out, 4 * out);
    }
    const std::uint32_t* bits = words.data() + words.shape(0) - wide;
    own.wide.assign(bits, bits + wide);
  }

  void pack(const float* weights, int out, int in, const std::vector<Channels>& wide, std::size_t number,
            encoder::Linear& into) {
    std::vector<int> channels;
    if (number < wide.size()) {
      for (std::size_t i = 0; i < wide[number].shape(0); ++i) {
        channels.push_back(wide[number](i));
        require(channels[i] >= 0 && channels[i] < in && (i == 0 || channels[i - 1] < channels[i]),
                "wide channels ascend, and are channels of the matrix");
      }
      require(channels.size() % 16 == 0 && in % 16 == 0, "wide channels are a multiple of 16");
    } else {
      for (int i = 0; i < in; ++i) channels.push_back(i);
    }
    into.integers.wide.assign((static_cast<std::size_t>(in) + 15) / 16, 0);
    engine_.pack(weights, out, in, channels, into);
    // Rows of thousands of large weights: what is left for wide channels is less than a small one may have.
    require(into.integers.small_count == 0 || into.integers.limit >= 127, "32 bits do not hold the sums of this matrix");
  }

  const encoder::Engine& engine_;
  Table words_, places_;
  std::vector<Panels> held_;
  encoder::Model model_;
};

}  // namespace

NB_MODULE(_forward, m) {
  // A process that an error ends leaves its modules alive: lines about that would stand where the error is told.
  nb::set_leak_warnings(false);
  m.attr("ABI") = 3;
  m.def("instruction_sets", [] {
    std::vector<std::string> names;
    for (const encoder::Engine* one : encoder::known_engines()) names.emplace_back(one->name);
    return names;
  });
  nb::class_<Bert>(m, "Bert")
      .def(nb::init<const std::string&, int, float, Table, Table, Row, Row, Row>())
      .def("add_layer", &Bert::add_layer)
      .def("add_packed_layer", &Bert::add_packed_layer)
      .def("panels", &Bert::panels)
      .def("forward", &Bert::forward)
      .def_prop_ro("precision", &Bert::precision);
}

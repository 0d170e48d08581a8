// A BERT as its forward pass wants it: tables as they lie in the checkpoint, matrices packed once for an engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace encoder {

// Memory on the border of a cache line: its own, not cleared, or somebody else's, which is only read.
template <typename T>
class Buffer {
 public:
  explicit Buffer(std::size_t count = 0) {
    if (!count) return;
    if (count > SIZE_MAX / 2 / sizeof(T)) throw std::bad_alloc();
    const std::size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
    data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    if (!data_) throw std::bad_alloc();
    count_ = count;
  }
  static Buffer borrowed(const T* data, std::size_t count) {
    Buffer made;
    made.data_ = std::unique_ptr<T, Free>(const_cast<T*>(data), Free{false});
    made.count_ = count;
    return made;
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t count() const { return count_; }

 private:
  struct Free {
    bool own = true;
    void operator()(T* at) const {
      if (own) std::free(at);
    }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t count_ = 0;
};

// What products multiply is four bytes: two neighbours of a row as bf16 or 16-bit integers, four 8-bit integers, or one
// float. An engine says which.
using Unit = std::uint32_t;

// How a matrix, and the rows that it multiplies, are integers: integers.hpp. Rows are [small channels][wide channels].
struct Integers {
  Buffer<float> scales;             // [out], what a unit of a column's sum is worth, but for the row's own scale
  Buffer<std::int32_t> first;       // [out], what a column's sum begins with
  std::vector<std::uint16_t> wide;  // [in / 16], the channels in 16 bits, a bit each; the others have 8
  int small_count = 0, wide_count = 0;
  int small_units = 0, wide_units = 0;
  float most = 0;   // what the largest small channel of a row becomes,
  float limit = 0;  // and at most the largest wide one, so that no sum leaves 32 bits
};

// y = x W' + b. panels : W [out, in] in panels of some columns, [out / width][units of a row][width] units.
struct Linear {
  Buffer<Unit> panels;
  std::vector<float> bias;
  int in = 0, out = 0;
  Integers integers;
};

struct Norm {
  std::vector<float> weight, bias;
};

struct Layer {
  Linear qkv, met, up, down;
  Norm after_met, after_down;
};

struct Model {
  int hidden = 0, heads = 0, inner = 0, positions = 0, words = 0;
  float epsilon = 0;
  const float* word_table = nullptr;      // [words, hidden], somebody else's memory
  const float* position_table = nullptr;  // [positions, hidden], likewise
  std::vector<float> type;                // [hidden], of type 0
  Norm embedded;
  std::vector<Layer> layers;
};

// One instruction set in one precision.
struct Engine {
  const char* name;       // the set alone, "avx512", for fp32, else "avx512_bf16"
  const char* precision;  // what products multiply: "bf16", "fp32", "int16" or "int8"
  int columns;            // widths of a model are multiples of this,
  int head_columns;       // and those of a head of this
  // The panels of a matrix [out, in] of floats. wide : the channels that "int8" leaves in 16 bits, ascending, a multiple
  // of 16 of them; others have no use for it.
  void (*pack)(const float* weights, int out, int in, const std::vector<int>& wide, Linear& into);
  // The states float [tokens, hidden] after the layers whose place in `states` is not null; 0 is before the first.
  // starts [texts + 1]: text i owns the ids from starts[i] to starts[i + 1], at most `positions`, all below `words`.
  void (*forward)(const Model& model, const std::int32_t* ids, const std::int64_t* starts, int texts,
                  float* const* states);
};

// Null where the processor, or the compiler, lacks the instructions.
const Engine* amx_int16_engine();
const Engine* avx512_bf16_engine();
const Engine* avx512_engine();
const Engine* avx512_int16_engine();
const Engine* avx512_int8_engine();
const Engine* avx2_engine();
const Engine* avx2_int16_engine();
const Engine* avx2_int8_engine();
const Engine* neon_bf16_engine();
const Engine* neon_engine();
const Engine& scalar_engine();
const Engine& scalar_int16_engine();
const Engine& scalar_int8_engine();

// Those of this processor, the fastest first.
std::vector<const Engine*> known_engines();

}  // namespace encoder

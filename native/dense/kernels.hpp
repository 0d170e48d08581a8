// What differs between instruction sets, for rows of one byte or half a byte a dimension and for stored vectors.
// Products of codes are integers, exact everywhere; floats are added in a stated order and never contracted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dense {

// Rows scored at a time: one AVX-512 register of 32-bit sums. Also the lanes of a float sum, so that every instruction
// set adds in the same order.
constexpr int kLanes = 16;

// A query as integers: score = float(codes . weights) * scale + bias. All arrays have zeros up to a multiple of 64.
struct Weights {
  const std::int8_t* values;  // [bytes]: of each byte of a row; of half bytes, of its lower one
  const std::int8_t* upper;   // [bytes]: of half bytes, of the upper one; else null
  const std::int16_t* wide;   // [bytes]: values in 16 bits, for instruction sets that multiply those
  int bytes;                  // of a row
  float scale;
};

struct Kernels {
  const char* name;
  // Scores of up to kLanes rows that follow each other; bit i of the result says whether that of row i is at least the
  // threshold.
  std::uint32_t (*score)(const Weights& weights, const std::uint8_t* codes, int count, float bias, float threshold,
                         float* scores);
  // The same for half bytes: the lower half of a byte is an even dimension, the upper one the next.
  std::uint32_t (*score_halves)(const Weights& weights, const std::uint8_t* codes, int count, float bias,
                                float threshold, float* scores);
  // out [count] = rows float [count, dim] . query: lane j sums dimensions j, j + 16, ...; lanes are added by halves.
  void (*products)(const float* rows, int count, int dim, const float* query, float* out);
  // The same of one row of half floats, finite ones.
  float (*half_product)(const std::uint16_t* row, int dim, const float* query);
};

const Kernels& scalar_kernels();
// Null where the compiler or the processor does not know the instructions.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* neon_kernels();

}  // namespace dense

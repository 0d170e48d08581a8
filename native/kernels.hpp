// What differs between instruction sets. All of it is integer arithmetic, exact on every machine; the few float
// operations have a stated order and are never contracted (-ffp-contract=off), so results are equal bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xtr {

// Query tokens are handled sixteen at a time: one AVX-512 register of 32-bit sums, two of AVX2.
constexpr int kLanes = 16;
// Rows whose products are held at a time: 64 rows x 32 tokens x 4 bytes stay in the first-level cache.
constexpr int kBlockRows = 64;

inline int padded_tokens(int tokens) { return (tokens + kLanes - 1) / kLanes * kLanes; }

// Query tokens int8 [tokens, dim] as an instruction set wants them, and what its unsigned trick must be corrected by.
struct PackedQuery {
  const std::uint8_t* data;
  const std::int32_t* corrections;  // [padded tokens]
  int tokens;                       // padded to kLanes
  int dim;
};

// One query token against packed residuals: 7-bit unsigned levels by 4-bit code, the token's signed components for the
// low and the high nibbles (each [packed_dim] padded with zeros to a multiple of 64), and 64 times their sum.
struct ResidualQuery {
  const std::uint8_t* levels;  // [16]
  const std::int8_t* low;
  const std::int8_t* high;
  std::int32_t correction;
  int packed_dim;
};

// Scores beyond this are cut (query.py, FIXED_LIMIT).
constexpr float kFixedLimit = 1 << 26;

struct Kernels {
  const char* name;
  std::size_t (*packed_bytes)(int tokens, int dim);
  // codes int8 [tokens, dim] -> data [packed_bytes], corrections [padded tokens]; padding tokens are zero.
  void (*pack)(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data, std::int32_t* corrections);
  // out int32 [count, query.tokens] = rows int8 [count, dim] . query; count <= kBlockRows.
  void (*dots)(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out);
  // best [tokens] = max(best, float(dots) * scale) over rows.
  void (*raise)(const std::int32_t* dots, const float* scales, int count, int tokens, float* best);
  // The same for the sum 256 * coarse + fine.
  void (*raise_fine)(const std::int32_t* coarse, const std::int32_t* fine, const float* scales, int count, int tokens,
                     float* best);
  // Nearest rows: score = float(dots) * row_scale * token_scale - bias; strictly better ones replace. first = row number.
  void (*nearest)(const std::int32_t* dots, const float* row_scales, const float* biases, const float* token_scales,
                  int count, int tokens, int first, float* best, std::int32_t* which);
  // out float [count, tokens] = float(dots) * row_scale * token_factor.
  void (*scaled)(const std::int32_t* dots, const float* row_scales, const float* factors, int count, int tokens,
                 float* out);
  // True where any of values [tokens] exceeds its threshold.
  bool (*exceeds)(const float* values, const float* thresholds, int tokens);
  // out int32 [count]: products of postings with one query token; those `chosen`, or the first ones where it is null.
  void (*residual_dots)(const std::uint8_t* residuals, const std::int32_t* chosen, int count,
                        const ResidualQuery& query, std::int32_t* out);
  // In place: products become round(base + product * factor), within the limit.
  void (*to_fixed)(std::int32_t* products, int count, float base, float factor);
  // Whether every position is within [0, rows).
  bool (*inside)(const std::int32_t* positions, int count, std::uint32_t rows);
  // Half floats to floats.
  void (*widen)(const std::uint16_t* halves, int count, float* out);
};

const Kernels& scalar_kernels();
// Null where the compiler or the processor does not know the instructions.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();

}  // namespace xtr

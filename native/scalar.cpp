// Plain C++: what runs anywhere, and what the vector kernels are tested against.
#include <cmath>

#include "common.hpp"

namespace xtr {
namespace {

std::size_t packed_bytes(int tokens, int dim) {
  return static_cast<std::size_t>(padded_tokens(tokens)) * dim;
}

void pack(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data, std::int32_t* corrections) {
  std::memset(data, 0, packed_bytes(tokens, dim));
  std::memcpy(data, codes, static_cast<std::size_t>(tokens) * dim);
  std::fill_n(corrections, padded_tokens(tokens), 0);
}

void dots(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out) {
  const auto* tokens = reinterpret_cast<const std::int8_t*>(query.data);
  for (int row = 0; row < count; ++row) {
    const std::int8_t* own = rows + static_cast<std::size_t>(row) * query.dim;
    for (int t = 0; t < query.tokens; ++t) {
      const std::int8_t* token = tokens + static_cast<std::size_t>(t) * query.dim;
      std::int32_t sum = 0;
      for (int i = 0; i < query.dim; ++i) sum += static_cast<std::int32_t>(own[i]) * token[i];
      out[static_cast<std::size_t>(row) * query.tokens + t] = sum;
    }
  }
}

void residual_dots(const std::uint8_t* residuals, const std::int32_t* chosen, int count, const ResidualQuery& query,
                   std::int32_t* out) {
  for (int i = 0; i < count; ++i) {
    const std::uint8_t* packed = residuals + static_cast<std::size_t>(chosen ? chosen[i] : i) * query.packed_dim;
    std::int32_t sum = -query.correction;
    for (int b = 0; b < query.packed_dim; ++b) {
      sum += static_cast<std::int32_t>(query.levels[packed[b] & 15]) * query.low[b];
      sum += static_cast<std::int32_t>(query.levels[packed[b] >> 4]) * query.high[b];
    }
    out[i] = sum;
  }
}

void widen(const std::uint16_t* halves, int count, float* out) {
  for (int i = 0; i < count; ++i) {
    const int exponent = halves[i] >> 10 & 31, mantissa = halves[i] & 1023;
    float value = exponent == 0    ? std::ldexp(static_cast<float>(mantissa), -24)
                  : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                   : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    out[i] = halves[i] & 0x8000 ? -value : value;
  }
}

void raise(const std::int32_t* d, const float* s, int n, int t, float* best) { common::raise(d, s, n, t, best); }
void raise_fine(const std::int32_t* c, const std::int32_t* f, const float* s, int n, int t, float* best) {
  common::raise_fine(c, f, s, n, t, best);
}
void nearest(const std::int32_t* d, const float* rs, const float* b, const float* ts, int n, int t, int first,
             float* best, std::int32_t* which) {
  common::nearest(d, rs, b, ts, n, t, first, best, which);
}
void scaled(const std::int32_t* d, const float* rs, const float* f, int n, int t, float* out) {
  common::scaled(d, rs, f, n, t, out);
}
bool exceeds(const float* v, const float* thresholds, int t) { return common::exceeds(v, thresholds, t); }

void to_fixed(std::int32_t* p, int n, float base, float factor) { common::to_fixed(p, n, base, factor); }
bool inside(const std::int32_t* p, int n, std::uint32_t rows) { return common::inside(p, n, rows); }

}  // namespace

const Kernels& scalar_kernels() {
  static const Kernels kernels{"scalar", packed_bytes, pack, dots, raise, raise_fine, nearest, scaled, exceeds, residual_dots, to_fixed, inside, widen};
  return kernels;
}

}  // namespace xtr

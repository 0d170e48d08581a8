// Plain C++: what runs anywhere, and what the vector kernels are tested against.
#include <cmath>

#include "late/loops.hpp"

namespace xtr {
namespace {

std::size_t packed_bytes(int tokens, int dim) { return static_cast<std::size_t>(padded_tokens(tokens)) * dim; }

void pack(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data) {
  std::memset(data, 0, packed_bytes(tokens, dim));
  std::memcpy(data, codes, static_cast<std::size_t>(tokens) * dim);
}

void dots_of(const PackedQuery& query, int first, int tokens, const std::int8_t* rows, int count, std::int32_t* out) {
  const auto* packed = reinterpret_cast<const std::int8_t*>(query.data);
  for (int row = 0; row < count; ++row) {
    const std::int8_t* own = rows + static_cast<std::size_t>(row) * query.dim;
    for (int t = 0; t < tokens; ++t) {
      const std::int8_t* token = packed + static_cast<std::size_t>(first + t) * query.dim;
      std::int32_t sum = 0;
      for (int i = 0; i < query.dim; ++i) sum += static_cast<std::int32_t>(own[i]) * token[i];
      out[static_cast<std::size_t>(row) * tokens + t] = sum;
    }
  }
}

void dots(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out) {
  dots_of(query, 0, query.tokens, rows, count, out);
}

float widen(std::uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const float value = exponent == 0    ? std::ldexp(static_cast<float>(mantissa), -24)
                      : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                       : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  return half & 0x8000 ? -value : value;
}

// Of a float that is not negative; ties go to the even half float.
std::uint16_t narrow(float value) {
  if (!(value < 65520.0f)) return 0x7c00;
  if (value < 0x1p-14f) return static_cast<std::uint16_t>(std::nearbyintf(value * 0x1p24f));
  int exponent = 0;
  const float fraction = std::frexp(value, &exponent);
  // A fraction that rounds up to the next power of two carries into the exponent, as it should.
  const auto mantissa = static_cast<int>(std::nearbyintf((fraction * 2.0f - 1.0f) * 1024.0f));
  return static_cast<std::uint16_t>((exponent + 14) * 1024 + mantissa);
}

void best(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best) {
  common::best(coarse, fine, rows, best, dots_of, widen);
}
void nearest(const std::int32_t* d, const float* rs, const float* b, const float* ts, int n, int t, int first,
             float* best, std::int32_t* which) {
  common::nearest(d, rs, b, ts, n, t, first, best, which);
}
void scaled(const std::int32_t* d, const float* rs, const float* f, int n, int t, float* out) {
  common::scaled(d, rs, f, n, t, out);
}
void levels(const float* s, int n, std::uint8_t* out) { common::levels(s, n, out); }
std::uint32_t exceeding(const float* v, const float* t) { return common::exceeding(v, t); }
template <typename Number>
void interact(const Levels& l, const Number* numbers, int n, std::uint8_t* best) {
  common::interact(l, numbers, n, best);
}
template <typename Number>
int choose(const Levels& l, const Number* numbers, int n, const std::uint8_t* thresholds, std::int32_t* chosen) {
  return common::choose(l, numbers, n, thresholds, chosen);
}

void decode(const Residuals& residuals, const std::uint8_t* packed, std::uint32_t number, std::int8_t* codes,
            std::uint16_t* scale) {
  common::decode(residuals, packed, number, codes, scale, narrow, widen);
}

}  // namespace

const Kernels& scalar_kernels() {
  static const Kernels kernels{"scalar",     packed_bytes, pack,      dots,   best,
                               nearest,      scaled,       levels,    exceeding, decode,
                               {interact, choose}, {interact, choose}};
  return kernels;
}

}  // namespace xtr

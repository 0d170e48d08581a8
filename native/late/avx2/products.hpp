// Products of rows and query tokens with AVX2; included by kernels.cpp alone, within its guard.
//
// Both are widened to 16 bits and multiplied by pairs of dimensions, which no product can exceed. A query token of 16
// bits, 256 times its coarse code and the fine one, then costs what one of eight bits does.
#pragma once

#include <immintrin.h>

#include "late/loops.hpp"

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define TARGET_INLINE TARGET inline __attribute__((always_inline))

namespace xtr {
namespace {

using common::kShippedDim;
using common::kUsualDim;
// Up to so many dimensions 32-bit sums hold products of 16-bit codes: 512 * 128 * 32640 < 2^31.
constexpr int kSafeDim = 512;
// Tokens of a register.
constexpr int kWide = 8;

inline int pairs(int dim) { return (dim + 1) / 2; }

inline std::size_t tile_bytes(int dim) { return static_cast<std::size_t>(pairs(dim)) * kLanes * 4; }

std::size_t packed_bytes(int tokens, int dim) { return padded_tokens(tokens) / kLanes * tile_bytes(dim); }

// [tile][pair][16 tokens][2 dimensions], int16.
void pack(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data) {
  std::memset(data, 0, packed_bytes(tokens, dim));
  for (int t = 0; t < tokens; ++t) {
    for (int i = 0; i < dim; ++i) {
      const std::int16_t code = codes[static_cast<std::size_t>(t) * dim + i];
      const std::size_t pair = static_cast<std::size_t>(t / kLanes) * pairs(dim) + i / 2;
      std::memcpy(data + ((pair * kLanes + t % kLanes) * 2 + i % 2) * 2, &code, 2);
    }
  }
}

TARGET_INLINE __m256i load(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }

TARGET_INLINE void store(void* at, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(at), value); }

TARGET_INLINE float widen(std::uint16_t half) { return _cvtsh_ss(half); }

// What is 256 times the coarse tokens and the fine ones.
TARGET_INLINE void combine(const std::uint8_t* coarse, const std::uint8_t* fine, std::size_t bytes, std::uint8_t* out) {
  for (std::size_t at = 0; at < bytes; at += 32) {
    store(out + at, _mm256_add_epi16(_mm256_slli_epi16(load(coarse + at), 8), load(fine + at)));
  }
}

// Rows as 16-bit numbers.
template <int kCount>
struct RowBlock {
  alignas(32) std::int16_t values[kCount * common::kMaxStackDim];
  int stride;

  // Rows beyond the last repeat it.
  TARGET_INLINE void load(const std::int8_t* codes, const std::int32_t* chosen, int first, int count, int dim) {
    stride = (dim + 15) / 16 * 16;
    for (int row = 0; row < kCount; ++row) {
      const int number = std::min(first + row, count - 1);
      const std::int8_t* at = codes + static_cast<std::size_t>(chosen ? chosen[number] : number) * dim;
      std::int16_t* own = values + static_cast<std::size_t>(row) * stride;
      int i = 0;
      for (; i + 16 <= dim; i += 16) {
        store(own + i, _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + i))));
      }
      for (; i < dim; ++i) own[i] = at[i];
      if (dim % 2) own[dim] = 0;
    }
  }

  // Two dimensions of a row, for eight tokens.
  TARGET_INLINE __m256i two(int row, std::ptrdiff_t pair) const {
    std::int32_t both;
    std::memcpy(&both, values + static_cast<std::size_t>(row) * stride + pair * 2, 4);
    return _mm256_set1_epi32(both);
  }
};

using common::Each;
using common::Numbers;

// In a register: GCC would read the same memory again for each product.
TARGET_INLINE __m256i held(const void* at) {
  __m256i value = load(at);
  asm("" : "+x"(value));
  return value;
}

// The instruction itself: from the intrinsic, GCC 12 copies sums around the loop, a third of the time.
TARGET_INLINE void accumulate(__m256i& sums, __m256i values, __m256i tokens) {
  asm("vpaddd %1, %0, %0" : "+x"(sums) : "x"(_mm256_madd_epi16(values, tokens)));
}

// Products of kCount rows and one or two tiles of tokens, kSpan registers: eight sums leave room for what they are made
// of.
template <int kSpan>
struct Sums {
  static constexpr int kCount = 8 / kSpan;
  __m256i at[kCount][kSpan];

  template <int... kPlace>
  TARGET_INLINE void start(Numbers<kPlace...>) {
    ((at[kPlace / kSpan][kPlace % kSpan] = _mm256_setzero_si256()), ...);
  }

  template <int kColumn, int... kRow>
  TARGET_INLINE void add_column(__m256i tokens, const __m256i (&values)[kCount], Numbers<kRow...>) {
    (accumulate(at[kRow][kColumn], values[kRow], tokens), ...);
  }

  // Two dimensions of all rows.
  template <int... kRow, int... kColumn>
  TARGET_INLINE void add(const std::uint8_t* tokens, int pair_count, const RowBlock<kCount>& rows, std::ptrdiff_t pair,
                         Numbers<kRow...> each_row, Numbers<kColumn...>) {
    const __m256i values[kCount] = {rows.two(kRow, pair)...};
    (add_column<kColumn>(held(tokens + (kColumn / 2 * pair_count + pair) * 64 + kColumn % 2 * 32), values, each_row),
     ...);
  }

  TARGET_INLINE void multiply(const std::uint8_t* tokens, int pair_count, const RowBlock<kCount>& rows) {
    start(Each<8>());
    for (std::ptrdiff_t pair = 0; pair < pair_count; ++pair) {
      add(tokens, pair_count, rows, pair, Each<kCount>(), Each<kSpan>());
    }
  }

  template <int... kPlace>
  TARGET_INLINE void keep(int count, int tokens, std::int32_t* out, Numbers<kPlace...>) const {
    ((kPlace / kSpan < count ? store(out + static_cast<std::size_t>(kPlace / kSpan) * tokens + kPlace % kSpan * kWide,
                                     at[kPlace / kSpan][kPlace % kSpan])
                             : void()),
     ...);
  }

  // The order matters where a scale is no number: it then raises nothing.
  template <int... kPlace>
  TARGET_INLINE void raise(const float (&scales)[kCount], __m256 (&most)[kSpan], Numbers<kPlace...>) const {
    ((most[kPlace % kSpan] = _mm256_max_ps(
          _mm256_mul_ps(_mm256_cvtepi32_ps(at[kPlace / kSpan][kPlace % kSpan]), _mm256_set1_ps(scales[kPlace / kSpan])),
          most[kPlace % kSpan])),
     ...);
  }
};

template <int kSpan, int kDim>
TARGET void dots_of(const std::uint8_t* data, int any_dim, const std::int8_t* rows, int count, int tokens,
                    std::int32_t* out) {
  const int dim = kDim ? kDim : any_dim;
  RowBlock<Sums<kSpan>::kCount> block;
  for (int first = 0; first < count; first += Sums<kSpan>::kCount) {
    block.load(rows, nullptr, first, count, dim);
    Sums<kSpan> sums;
    sums.multiply(data, pairs(dim), block);
    sums.keep(count - first, tokens, out + static_cast<std::size_t>(first) * tokens, Each<8>());
  }
}

// Some tiles of a query.
TARGET void dots_between(const PackedQuery& query, int first_token, int tokens, const std::int8_t* rows, int count,
                         std::int32_t* out) {
  for (int token = 0; token < tokens; token += 2 * kLanes) {
    const std::uint8_t* data = query.data + (first_token + token) / kLanes * tile_bytes(query.dim);
    const bool usual = query.dim == kUsualDim;
    if (token + kLanes < tokens) {
      (usual ? dots_of<4, kUsualDim> : dots_of<4, 0>)(data, query.dim, rows, count, tokens, out + token);
    } else {
      (usual ? dots_of<2, kUsualDim> : dots_of<2, 0>)(data, query.dim, rows, count, tokens, out + token);
    }
  }
}

TARGET void dots(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out) {
  dots_between(query, 0, query.tokens, rows, count, out);
}

// Raises the best of some tiles by all rows.
template <int kSpan, int kDim, bool kChosen>
TARGET void best_of(const std::uint8_t* data, int any_dim, const Rows& rows, float* best) {
  constexpr int kCount = Sums<kSpan>::kCount;
  const int dim = kDim ? kDim : any_dim;
  __m256 most[kSpan];
  for (int i = 0; i < kSpan; ++i) most[i] = _mm256_loadu_ps(best + i * kWide);
  RowBlock<kCount> block;
  for (int first = 0; first < rows.count; first += kCount) {
    for (int row = first; row < std::min(first + kCount, rows.count); ++row) common::fetch(rows, row, dim);
    block.load(rows.codes, kChosen ? rows.chosen : nullptr, first, rows.count, dim);
    float scales[kCount];
    for (int row = 0; row < kCount; ++row) {
      const int number = std::min(first + row, rows.count - 1);
      scales[row] = widen(rows.scales[kChosen ? rows.chosen[number] : number]);
    }
    Sums<kSpan> sums;
    sums.multiply(data, pairs(dim), block);
    sums.raise(scales, most, Each<8>());
  }
  for (int i = 0; i < kSpan; ++i) _mm256_storeu_ps(best + i * kWide, most[i]);
}

// Usual numbers of dimensions are known to the compiler.
template <int kSpan, int kDim>
TARGET void best_of_dim(const std::uint8_t* data, int dim, const Rows& rows, float* best) {
  (rows.chosen ? best_of<kSpan, kDim, true> : best_of<kSpan, kDim, false>)(data, dim, rows, best);
}

template <int kSpan>
TARGET void best_of_tiles(const std::uint8_t* data, int dim, const Rows& rows, float* best) {
  (dim == kUsualDim     ? best_of_dim<kSpan, kUsualDim>
   : dim == kShippedDim ? best_of_dim<kSpan, kShippedDim>
                        : best_of_dim<kSpan, 0>)(data, dim, rows, best);
}

TARGET void best(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best) {
  if (fine && coarse.dim > kSafeDim) {
    common::best(coarse, fine, rows, best, dots_between, widen);
    return;
  }
  alignas(32) std::uint8_t both[2 * kLanes * kSafeDim * 2];
  for (int token = 0; token < coarse.tokens; token += 2 * kLanes) {
    const bool two = token + kLanes < coarse.tokens;
    const std::size_t start = token / kLanes * tile_bytes(coarse.dim), bytes = (two ? 2 : 1) * tile_bytes(coarse.dim);
    if (fine) combine(coarse.data + start, fine->data + start, bytes, both);
    const std::uint8_t* data = fine ? both : coarse.data + start;
    (two ? best_of_tiles<4> : best_of_tiles<2>)(data, coarse.dim, rows, best + token);
  }
}

}  // namespace
}  // namespace xtr

// Products of rows and query tokens with AVX-512 and VNNI; included by kernels.cpp alone, within its guard.
#pragma once

#include <immintrin.h>

#include "common/watched.hpp"
#include "late/loops.hpp"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma")))
#define TARGET_INLINE TARGET inline __attribute__((always_inline))

namespace xtr {
namespace {

// Rows multiplied at a time: so many sums keep both multipliers busy through their latency and fit the registers.
constexpr int kRows = 8;
constexpr int kFineRows = 6;
using common::kShippedDim;
using common::kUsualDim;

inline int groups(int dim) { return (dim + 3) / 4; }

inline std::size_t tile_bytes(int dim) { return static_cast<std::size_t>(groups(dim)) * 64; }

std::size_t packed_bytes(int tokens, int dim) {
  return static_cast<std::size_t>(padded_tokens(tokens)) * (groups(dim) + 1) * 4;
}

// [tile][group][16 tokens][4 dimensions], and then for each token what its sums start from: rows are multiplied as
// unsigned bytes, shifted by 128, which costs 128 times the sum of the token.
void pack(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data) {
  std::memset(data, 0, packed_bytes(tokens, dim));
  std::uint8_t* starts = data + static_cast<std::size_t>(padded_tokens(tokens)) / kLanes * tile_bytes(dim);
  for (int t = 0; t < tokens; ++t) {
    const std::int8_t* own = codes + static_cast<std::size_t>(t) * dim;
    std::int32_t sum = 0;
    for (int i = 0; i < dim; ++i) {
      const std::size_t group = static_cast<std::size_t>(t / kLanes) * groups(dim) + i / 4;
      data[(group * kLanes + t % kLanes) * 4 + i % 4] = static_cast<std::uint8_t>(own[i]);
      sum += own[i];
    }
    const std::int32_t start = -128 * sum;
    std::memcpy(starts + static_cast<std::size_t>(t) * 4, &start, 4);
  }
}

// Up to two tiles of a packed query.
struct Tiles {
  const std::uint8_t* data;
  const std::uint8_t* starts;

  Tiles(const PackedQuery& query, int tile)
      : data(query.data + tile * tile_bytes(query.dim)),
        starts(query.data + query.tokens / kLanes * tile_bytes(query.dim) + static_cast<std::size_t>(tile) * 64) {}
};

// The instruction itself: from the intrinsic, GCC 12 copies every sum twice around the loop.
TARGET_INLINE void accumulate(__m512i& sums, __m512i unsigned_bytes, __m512i signed_bytes) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(unsigned_bytes), "v"(signed_bytes));
}

TARGET_INLINE float widen(std::uint16_t half) { return _cvtsh_ss(half); }

// Rows as unsigned bytes, shifted by 128, and their scales. Beyond the last dimension anything may lie: the query has
// zeros there.
template <int kCount>
struct RowBlock {
  alignas(64) std::uint8_t bytes[kCount * common::kMaxStackDim];
  int stride;

  // Rows beyond the last repeat it.
  TARGET_INLINE void load(const std::int8_t* codes, const std::int32_t* chosen, int first, int count, int dim) {
    const __m512i shift = _mm512_set1_epi8(-128);
    stride = (dim + 63) / 64 * 64;
    for (int row = 0; row < kCount; ++row) {
      const int number = std::min(first + row, count - 1);
      const std::int8_t* at = codes + static_cast<std::size_t>(chosen ? chosen[number] : number) * dim;
      for (int i = 0; i < dim; i += 64) {
        const __mmask64 mask = dim - i >= 64 ? ~0ull : (1ull << (dim - i)) - 1;
        XTR_WATCH(at + i, std::min(64, dim - i));
        const __m512i own = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, at + i), shift);
        _mm512_store_si512(bytes + static_cast<std::size_t>(row) * stride + i, own);
      }
    }
  }

  // Four dimensions of a row, for sixteen tokens.
  TARGET_INLINE __m512i four(int row, std::ptrdiff_t group) const {
    std::int32_t four_bytes;
    std::memcpy(&four_bytes, bytes + static_cast<std::size_t>(row) * stride + group * 4, 4);
    return _mm512_set1_epi32(four_bytes);
  }
};

using common::Each;
using common::Numbers;

template <int kCount, int kTiles>
struct Sums {
  __m512i at[kCount][kTiles];

  template <int... kRow>
  TARGET_INLINE void start(const Tiles& tiles, Numbers<kRow...>) {
    const __m512i first = _mm512_loadu_si512(tiles.starts);
    ((at[kRow][0] = first), ...);
    if constexpr (kTiles == 2) {
      const __m512i second = _mm512_loadu_si512(tiles.starts + 64);
      ((at[kRow][1] = second), ...);
    }
  }

  template <int kRow>
  TARGET_INLINE void add(__m512i values, const __m512i (&tokens)[kTiles]) {
    accumulate(at[kRow][0], values, tokens[0]);
    if constexpr (kTiles == 2) accumulate(at[kRow][1], values, tokens[1]);
  }

  // Four dimensions of all rows.
  template <int... kRow>
  TARGET_INLINE void add(const RowBlock<kCount>& rows, std::ptrdiff_t group, const __m512i (&tokens)[kTiles],
                         Numbers<kRow...>) {
    (add<kRow>(rows.four(kRow, group), tokens), ...);
  }

  template <int kRow>
  TARGET_INLINE void store(int tokens, std::int32_t* out) const {
    _mm512_storeu_si512(out + static_cast<std::size_t>(kRow) * tokens, at[kRow][0]);
    if constexpr (kTiles == 2) _mm512_storeu_si512(out + static_cast<std::size_t>(kRow) * tokens + kLanes, at[kRow][1]);
  }

  template <int... kRow>
  TARGET_INLINE void store(int count, int tokens, std::int32_t* out, Numbers<kRow...>) const {
    ((kRow < count ? store<kRow>(tokens, out) : void()), ...);
  }
};

template <int kTiles>
TARGET_INLINE void load_tokens(const std::uint8_t* data, std::ptrdiff_t group, int group_count,
                               __m512i (&tokens)[kTiles]) {
  tokens[0] = _mm512_loadu_si512(data + group * 64);
  if constexpr (kTiles == 2) tokens[1] = _mm512_loadu_si512(data + (group_count + group) * 64);
}

template <int kTiles>
TARGET void multiply(const Tiles& tiles, const RowBlock<kRows>& rows, int count, int group_count, int tokens,
                     std::int32_t* out) {
  Sums<kRows, kTiles> sums;
  sums.start(tiles, Each<kRows>());
  for (std::ptrdiff_t group = 0; group < group_count; ++group) {
    __m512i own[kTiles];
    load_tokens(tiles.data, group, group_count, own);
    sums.add(rows, group, own, Each<kRows>());
  }
  sums.store(count, tokens, out, Each<kRows>());
}

TARGET void dots(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out) {
  const int group_count = groups(query.dim), tiles = query.tokens / kLanes;
  RowBlock<kRows> block;
  for (int first = 0; first < count; first += kRows) {
    block.load(rows, nullptr, first, count, query.dim);
    std::int32_t* target = out + static_cast<std::size_t>(first) * query.tokens;
    int tile = 0;
    for (; tile + 2 <= tiles; tile += 2) {
      multiply<2>({query, tile}, block, count - first, group_count, query.tokens, target + tile * kLanes);
    }
    if (tile < tiles) {
      multiply<1>({query, tile}, block, count - first, group_count, query.tokens, target + tile * kLanes);
    }
  }
}

// What one row raises with one tile. With fine sums the product is 256 times the coarse one and the fine one.
template <int kRow, int kTile, bool kFine, int kCount, int kTiles, int kFineCount>
TARGET_INLINE void raise_tile(const Sums<kCount, kTiles>& sums, const Sums<kFineCount, kTiles>& fine, __m512 scale,
                              __m512 (&most)[kTiles]) {
  __m512 value = _mm512_cvtepi32_ps(sums.at[kRow][kTile]);
  // The product with 256 is exact: one rounding in all.
  if constexpr (kFine) {
    value = _mm512_add_ps(_mm512_mul_ps(value, _mm512_set1_ps(256.0f)), _mm512_cvtepi32_ps(fine.at[kRow][kTile]));
  }
  // The order matters where a scale is no number: it then raises nothing.
  most[kTile] = _mm512_max_ps(_mm512_mul_ps(value, scale), most[kTile]);
}

template <int kRow, bool kFine, int kCount, int kTiles, int kFineCount>
TARGET_INLINE void raise(const Sums<kCount, kTiles>& sums, const Sums<kFineCount, kTiles>& fine, float row_scale,
                         __m512 (&most)[kTiles]) {
  const __m512 scale = _mm512_set1_ps(row_scale);
  raise_tile<kRow, 0, kFine>(sums, fine, scale, most);
  if constexpr (kTiles == 2) raise_tile<kRow, 1, kFine>(sums, fine, scale, most);
}

template <bool kFine, int kCount, int kTiles, int kFineCount, int... kRow>
TARGET_INLINE void raise_all(const Sums<kCount, kTiles>& sums, const Sums<kFineCount, kTiles>& fine,
                             const float (&scales)[kCount], __m512 (&most)[kTiles], Numbers<kRow...>) {
  (raise<kRow, kFine>(sums, fine, scales[kRow], most), ...);
}

// Raises the best of some tiles by rows first to stop, kCount at a time; the best stay in registers.
template <int kCount, int kTiles, bool kFine, int kDim, bool kChosen>
TARGET void best_of(const Tiles& coarse, const Tiles& fine, int any_dim, const Rows& rows, int first, int stop,
                    float* best) {
  const int dim = kDim ? kDim : any_dim;
  const int group_count = groups(dim);
  __m512 most[kTiles];
  most[0] = _mm512_loadu_ps(best);
  if constexpr (kTiles == 2) most[1] = _mm512_loadu_ps(best + kLanes);
  RowBlock<kCount> block;
  for (; first < stop; first += kCount) {
    // A line with every other group, so that the processor's queue of misses is never full: a token costs 3 ns more
    // than from the cache, and 8 where all of the next document is asked for at once.
    const std::int8_t* ahead = kChosen ? nullptr : common::ahead_of(rows, first, dim);
    block.load(rows.codes, kChosen ? rows.chosen : nullptr, first, rows.count, dim);
    float scales[kCount];
    for (int row = 0; row < kCount; ++row) {
      const int number = std::min(first + row, rows.count - 1);
      scales[row] = widen(rows.scales[kChosen ? rows.chosen[number] : number]);
    }
    Sums<kCount, kTiles> sums;
    Sums<kFine ? kCount : 1, kTiles> fine_sums;
    sums.start(coarse, Each<kCount>());
    if constexpr (kFine) fine_sums.start(fine, Each<kCount>());
    for (std::ptrdiff_t group = 0; group < group_count; ++group) {
      if constexpr (kChosen) {
        // As many rows as are multiplied, whose first lines come at even steps.
        const std::ptrdiff_t place = group * kCount;
        const auto* row = static_cast<const std::int8_t*>(rows.coming[first + place / group_count]);
        __builtin_prefetch(row + place % group_count * 4);
      } else {
        __builtin_prefetch(ahead + group * kCount * 4);
      }
      __m512i own[kTiles];
      load_tokens(coarse.data, group, group_count, own);
      sums.add(block, group, own, Each<kCount>());
      if constexpr (kFine) {
        load_tokens(fine.data, group, group_count, own);
        fine_sums.add(block, group, own, Each<kCount>());
      }
    }
    raise_all<kFine>(sums, fine_sums, scales, most, Each<kCount>());
  }
  _mm512_storeu_ps(best, most[0]);
  if constexpr (kTiles == 2) _mm512_storeu_ps(best + kLanes, most[1]);
}

// All rows: as many as fit in whole blocks, and the rest in ones that are just large enough, by pairs.
template <int kTiles, bool kFine, int kDim, bool kChosen>
TARGET void best_of_all(const Tiles& coarse, const Tiles& fine, int dim, const Rows& rows, float* best) {
  constexpr int kCount = kFine && kTiles == 2 ? kFineRows : kRows;
  const int whole = rows.count / kCount * kCount;
  best_of<kCount, kTiles, kFine, kDim, kChosen>(coarse, fine, dim, rows, 0, whole, best);
  int first = whole;
  if (rows.count - first >= 4) {
    best_of<4, kTiles, kFine, kDim, kChosen>(coarse, fine, dim, rows, first, first + 4, best);
    first += 4;
  }
  if (first < rows.count) best_of<2, kTiles, kFine, kDim, kChosen>(coarse, fine, dim, rows, first, rows.count, best);
}

// Usual numbers of dimensions are known to the compiler: a fifth faster.
template <int kTiles, bool kFine, int kDim>
TARGET void best_of_dim(const Tiles& coarse, const Tiles& fine, int dim, const Rows& rows, float* best) {
  (rows.chosen ? best_of_all<kTiles, kFine, kDim, true> : best_of_all<kTiles, kFine, kDim, false>)(coarse, fine, dim, rows,
                                                                                                 best);
}

template <int kTiles, bool kFine>
TARGET void best_of_tiles(const Tiles& coarse, const Tiles& fine, int dim, const Rows& rows, float* best) {
  (dim == kUsualDim     ? best_of_dim<kTiles, kFine, kUsualDim>
   : dim == kShippedDim ? best_of_dim<kTiles, kFine, kShippedDim>
                        : best_of_dim<kTiles, kFine, 0>)(coarse, fine, dim, rows, best);
}

TARGET void best(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best) {
  const int tiles = coarse.tokens / kLanes;
  for (int tile = 0; tile < tiles; tile += 2) {
    const Tiles own(coarse, tile), own_fine(fine ? *fine : coarse, tile);
    float* target = best + tile * kLanes;
    if (tile + 1 < tiles) {
      (fine ? best_of_tiles<2, true> : best_of_tiles<2, false>)(own, own_fine, coarse.dim, rows, target);
    } else {
      (fine ? best_of_tiles<1, true> : best_of_tiles<1, false>)(own, own_fine, coarse.dim, rows, target);
    }
  }
}

}  // namespace
}  // namespace xtr

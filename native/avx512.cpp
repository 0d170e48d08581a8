// AVX-512 with VNNI: sixteen query tokens a register, four dimensions an instruction.
#include "common.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma")))
#define TARGET_INLINE TARGET inline __attribute__((always_inline))

namespace xtr {
namespace {

// Rows multiplied at a time: so many sums keep both multipliers busy through their latency and fit the registers.
constexpr int kRows = 8;
constexpr int kFineRows = 6;

inline int groups(int dim) { return (dim + 3) / 4; }

std::size_t packed_bytes(int tokens, int dim) {
  return static_cast<std::size_t>(padded_tokens(tokens)) * groups(dim) * 4;
}

// [tile][group][16 tokens][4 dimensions], unsigned: shifted by 128, which costs 128 times the sum of the row.
void pack(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data) {
  std::memset(data, 0x80, packed_bytes(tokens, dim));
  for (int t = 0; t < tokens; ++t) {
    for (int i = 0; i < dim; ++i) {
      const std::size_t group = static_cast<std::size_t>(t / kLanes) * groups(dim) + i / 4;
      data[(group * kLanes + t % kLanes) * 4 + i % 4] =
          static_cast<std::uint8_t>(codes[static_cast<std::size_t>(t) * dim + i]) ^ 0x80;
    }
  }
}

// The instruction itself: from the intrinsic, GCC 12 copies every sum twice around the loop.
TARGET_INLINE void accumulate(__m512i& sums, __m512i unsigned_bytes, __m512i signed_bytes) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(unsigned_bytes), "v"(signed_bytes));
}

// Rows of a number of bytes that four divides; others are copied and padded with zeros.
template <int kCount>
struct RowBlock {
  const std::int8_t* at[kCount];
  std::int32_t corrections[kCount];
  alignas(64) std::int8_t padded[kCount * (common::kMaxStackDim + 4)];

  // Rows beyond the last repeat it.
  TARGET_INLINE void load(const std::int8_t* codes, const std::int32_t* chosen, int first, int count, int dim) {
    const __m512i ones = _mm512_set1_epi8(1);
    for (int row = 0; row < kCount; ++row) {
      const int number = std::min(first + row, count - 1);
      at[row] = codes + static_cast<std::size_t>(chosen ? chosen[number] : number) * dim;
      __m512i sum = _mm512_setzero_si512();
      for (int i = 0; i < dim; i += 64) {
        const __mmask64 mask = dim - i >= 64 ? ~0ull : (1ull << (dim - i)) - 1;
        accumulate(sum, ones, _mm512_maskz_loadu_epi8(mask, at[row] + i));
      }
      corrections[row] = -128 * _mm512_reduce_add_epi32(sum);
      if (dim % 4) {
        std::int8_t* copy = padded + static_cast<std::size_t>(row) * groups(dim) * 4;
        std::memset(copy + dim / 4 * 4, 0, 4);
        std::memcpy(copy, at[row], static_cast<std::size_t>(dim));
        at[row] = copy;
      }
    }
  }
};

template <int kCount, int kTiles>
TARGET_INLINE void start(const RowBlock<kCount>& rows, __m512i (&sums)[kCount][kTiles]) {
#pragma GCC unroll 8
  for (int row = 0; row < kCount; ++row) {
#pragma GCC unroll 2
    for (int tile = 0; tile < kTiles; ++tile) sums[row][tile] = _mm512_set1_epi32(rows.corrections[row]);
  }
}

TARGET_INLINE __m512i four(const std::int8_t* at) {
  std::int32_t bytes;
  std::memcpy(&bytes, at, 4);
  return _mm512_set1_epi32(bytes);
}

template <int kTiles>
TARGET void multiply(const std::uint8_t* packed, const RowBlock<kRows>& rows, int count, int group_count, int tokens,
                     std::int32_t* out) {
  __m512i sums[kRows][kTiles];
  start(rows, sums);
  const std::size_t second = static_cast<std::size_t>(kTiles - 1) * group_count * 64;
  for (std::ptrdiff_t group = 0; group < group_count; ++group) {
    const __m512i left = _mm512_loadu_si512(packed + group * 64);
    const __m512i right = _mm512_loadu_si512(packed + second + group * 64);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const __m512i values = four(rows.at[row] + group * 4);
      accumulate(sums[row][0], left, values);
      if constexpr (kTiles == 2) accumulate(sums[row][1], right, values);
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    if (row == count) break;
#pragma GCC unroll 2
    for (int tile = 0; tile < kTiles; ++tile) {
      _mm512_storeu_si512(out + static_cast<std::size_t>(row) * tokens + tile * kLanes, sums[row][tile]);
    }
  }
}

TARGET void dots(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out) {
  const int group_count = groups(query.dim), tiles = query.tokens / kLanes;
  RowBlock<kRows> block;
  for (int first = 0; first < count; first += kRows) {
    block.load(rows, nullptr, first, count, query.dim);
    std::int32_t* target = out + static_cast<std::size_t>(first) * query.tokens;
    int tile = 0;
    for (; tile + 2 <= tiles; tile += 2) {
      multiply<2>(query.data + static_cast<std::size_t>(tile) * group_count * 64, block, count - first, group_count,
                  query.tokens, target + tile * kLanes);
    }
    if (tile < tiles) {
      multiply<1>(query.data + static_cast<std::size_t>(tile) * group_count * 64, block, count - first, group_count,
                  query.tokens, target + tile * kLanes);
    }
  }
}

TARGET_INLINE float widen(std::uint16_t half) { return _cvtsh_ss(half); }

// The best of some tiles over all rows, kept in registers from the first product to the last comparison.
template <int kCount, int kTiles, bool kFine>
TARGET void best_of(const std::uint8_t* coarse, const std::uint8_t* fine, int dim, const Rows& rows, float* best) {
  const int group_count = groups(dim);
  const std::size_t second = static_cast<std::size_t>(kTiles - 1) * group_count * 64;
  __m512 most[kTiles];
#pragma GCC unroll 2
  for (int tile = 0; tile < kTiles; ++tile) most[tile] = _mm512_loadu_ps(best + tile * kLanes);
  RowBlock<kCount> block;
  for (int first = 0; first < rows.count; first += kCount) {
    // Chosen rows lie apart: the next ones are on their way while these are multiplied.
    if (rows.chosen) {
      for (int next = first + kCount; next < std::min(first + 2 * kCount, rows.count); ++next) {
        const std::int8_t* at = rows.codes + static_cast<std::size_t>(rows.chosen[next]) * dim;
        for (int line = 0; line < dim; line += 64) __builtin_prefetch(at + line);
      }
    }
    block.load(rows.codes, rows.chosen, first, rows.count, dim);
    __m512i sums[kCount][kTiles], fine_sums[kFine ? kCount : 1][kTiles];
    start(block, sums);
    if constexpr (kFine) start(block, fine_sums);
    for (std::ptrdiff_t group = 0; group < group_count; ++group) {
      const __m512i left = _mm512_loadu_si512(coarse + group * 64);
      const __m512i right = _mm512_loadu_si512(coarse + second + group * 64);
#pragma GCC unroll 8
      for (int row = 0; row < kCount; ++row) {
        const __m512i values = four(block.at[row] + group * 4);
        accumulate(sums[row][0], left, values);
        if constexpr (kTiles == 2) accumulate(sums[row][1], right, values);
        if constexpr (kFine) {
          accumulate(fine_sums[row][0], _mm512_loadu_si512(fine + group * 64), values);
          if constexpr (kTiles == 2) accumulate(fine_sums[row][1], _mm512_loadu_si512(fine + second + group * 64), values);
        }
      }
    }
#pragma GCC unroll 8
    for (int row = 0; row < kCount; ++row) {
      const int number = std::min(first + row, rows.count - 1);
      const __m512 scale = _mm512_set1_ps(widen(rows.scales[rows.chosen ? rows.chosen[number] : number]));
#pragma GCC unroll 2
      for (int tile = 0; tile < kTiles; ++tile) {
        __m512 value = _mm512_cvtepi32_ps(sums[row][tile]);
        // The product with 256 is exact: one rounding in all.
        if constexpr (kFine) {
          value = _mm512_add_ps(_mm512_mul_ps(value, _mm512_set1_ps(256.0f)), _mm512_cvtepi32_ps(fine_sums[row][tile]));
        }
        // The order matters where a scale is no number: it then raises nothing.
        most[tile] = _mm512_max_ps(_mm512_mul_ps(value, scale), most[tile]);
      }
    }
  }
#pragma GCC unroll 2
  for (int tile = 0; tile < kTiles; ++tile) _mm512_storeu_ps(best + tile * kLanes, most[tile]);
}

TARGET void best(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best) {
  const int tiles = coarse.tokens / kLanes;
  const std::size_t stride = static_cast<std::size_t>(groups(coarse.dim)) * 64;
  for (int tile = 0; tile < tiles; tile += 2) {
    const std::uint8_t* data = coarse.data + tile * stride;
    const std::uint8_t* fine_data = fine ? fine->data + tile * stride : nullptr;
    float* own = best + tile * kLanes;
    if (tile + 1 < tiles) {
      if (fine) {
        best_of<kFineRows, 2, true>(data, fine_data, coarse.dim, rows, own);
      } else {
        best_of<kRows, 2, false>(data, nullptr, coarse.dim, rows, own);
      }
    } else if (fine) {
      best_of<kRows, 1, true>(data, fine_data, coarse.dim, rows, own);
    } else {
      best_of<kRows, 1, false>(data, nullptr, coarse.dim, rows, own);
    }
  }
}

TARGET void nearest(const std::int32_t* d, const float* rs, const float* b, const float* ts, int n, int t, int first,
                    float* best, std::int32_t* which) {
  common::nearest(d, rs, b, ts, n, t, first, best, which);
}
TARGET void scaled(const std::int32_t* d, const float* rs, const float* f, int n, int t, float* out) {
  common::scaled(d, rs, f, n, t, out);
}
TARGET void levels(const float* scores, int count, std::uint8_t* out) {
  for (int i = 0; i < count; i += 16) {
    const __mmask16 mask = static_cast<__mmask16>((1u << std::min(16, count - i)) - 1);
    const __m512 whole = _mm512_roundscale_ps(_mm512_maskz_loadu_ps(mask, scores + i), 0);
    const __m512 moved = _mm512_add_ps(whole, _mm512_set1_ps(kLevelZero));
    const __m512 inside = _mm512_min_ps(_mm512_max_ps(moved, _mm512_setzero_ps()), _mm512_set1_ps(255.0f));
    _mm_mask_storeu_epi8(out + i, mask, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(inside)));
  }
}
TARGET std::uint32_t exceeding(const float* v, const float* t) {
  return _mm512_cmp_ps_mask(_mm512_loadu_ps(v), _mm512_loadu_ps(t), _CMP_GT_OQ);
}

TARGET void interact(const Levels& levels, const std::uint16_t* numbers, int count, std::uint8_t* best) {
  int first = 0;
  for (; first + 64 <= levels.stride; first += 64) {
    __m512i most = _mm512_setzero_si512();
    for (int i = 0; i < count; ++i) {
      most = _mm512_max_epu8(most, _mm512_loadu_si512(common::level_row(levels, numbers[i]) + first));
    }
    _mm512_storeu_si512(best + first, most);
  }
  if (first < levels.stride) {
    __m256i most = _mm256_setzero_si256();
    for (int i = 0; i < count; ++i) {
      const std::uint8_t* own = common::level_row(levels, numbers[i]) + first;
      most = _mm256_max_epu8(most, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(own)));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(best + first), most);
  }
}

TARGET int choose(const Levels& levels, const std::uint16_t* numbers, int count, const std::uint8_t* thresholds,
                  std::int32_t* chosen) {
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    const std::uint8_t* own = common::level_row(levels, numbers[i]);
    std::uint32_t any = 0;
    for (int first = 0; first < levels.stride; first += kLevelLanes) {
      const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(own + first));
      const __m256i least = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(thresholds + first));
      any |= _mm256_cmpge_epu8_mask(values, least);
    }
    chosen[kept] = i;
    kept += any != 0;
  }
  return kept;
}

TARGET_INLINE std::uint16_t narrow(float value) { return _cvtss_sh(value, 0); }

TARGET void decode(const Residuals& residuals, const std::uint8_t* packed, std::uint16_t number, std::int8_t* codes,
                   std::uint16_t* scale) {
  const int half = residuals.low_bytes(), dim = residuals.dim;
  if (dim % 128) {
    common::decode(residuals, packed, number, codes, scale, narrow, widen);
    return;
  }
  alignas(64) float values[common::kMaxStackDim];
  const std::uint32_t inside = number < residuals.last ? number : residuals.last;
  const float* anchor = residuals.anchors + static_cast<std::size_t>(inside) * dim;
  const auto* levels = reinterpret_cast<const __m128i*>(residuals.levels);
  const __m512i lower = _mm512_broadcast_i32x4(_mm_loadu_si128(levels));
  const __m512i upper = _mm512_broadcast_i32x4(_mm_loadu_si128(levels + 1));
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512 peak = _mm512_setzero_ps();
  for (int j = 0; j < dim; j += 64) {
    const __m512i bytes = _mm512_loadu_si512(packed + j % half);
    const __m512i codes_low = _mm512_and_si512(j < half ? bytes : _mm512_srli_epi16(bytes, 4), nibble);
    std::uint64_t bits;
    std::memcpy(&bits, packed + half + j / 8, 8);
    const __m512i own = _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(lower, codes_low), bits, upper, codes_low);
    alignas(64) std::int8_t steps[64];
    _mm512_store_si512(steps, own);
#pragma GCC unroll 4
    for (int i = 0; i < 64; i += 16) {
      const __m512i whole = _mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(steps + i)));
      const __m512 step = _mm512_loadu_ps(residuals.steps + j + i);
      const __m512 value =
          _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(whole), step), _mm512_loadu_ps(anchor + j + i));
      _mm512_store_ps(values + j + i, value);
      peak = _mm512_max_ps(peak, _mm512_abs_ps(value));
    }
  }
  common::scale_row(values, dim, _mm512_reduce_max_ps(peak), codes, scale, narrow, widen);
}

}  // namespace

const Kernels* avx512_kernels() {
  static const Kernels kernels{"avx512-vnni", packed_bytes, pack,      dots,     best,   nearest,
                               scaled,        levels,       exceeding, interact, choose, decode};
  __builtin_cpu_init();
  const bool known = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                     __builtin_cpu_supports("avx512vnni");
  return known ? &kernels : nullptr;
}

}  // namespace xtr
#else
namespace xtr {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace xtr
#endif

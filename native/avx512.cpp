// AVX-512 with VNNI: sixteen query tokens a register, four dimensions an instruction.
#include "common.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi,f16c,fma")))

namespace xtr {
namespace {

// Rows multiplied at a time: 8 x 2 sums keep both multipliers busy through their latency and fit the registers.
constexpr int kRows = 8;
constexpr int kMaxStackDim = 1024;

inline int groups(int dim) { return (dim + 3) / 4; }

std::size_t packed_bytes(int tokens, int dim) {
  return static_cast<std::size_t>(padded_tokens(tokens)) * groups(dim) * 4;
}

// [tile][group][16 tokens][4 dimensions], signed. Rows go in unsigned, shifted by 128: hence the corrections.
void pack(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data, std::int32_t* corrections) {
  std::memset(data, 0, packed_bytes(tokens, dim));
  std::fill_n(corrections, padded_tokens(tokens), 0);
  for (int t = 0; t < tokens; ++t) {
    std::int32_t sum = 0;
    for (int i = 0; i < dim; ++i) {
      const std::int8_t code = codes[static_cast<std::size_t>(t) * dim + i];
      sum += code;
      const std::size_t group = static_cast<std::size_t>(t / kLanes) * groups(dim) + i / 4;
      data[(group * kLanes + t % kLanes) * 4 + i % 4] = static_cast<std::uint8_t>(code);
    }
    corrections[t] = -128 * sum;
  }
}

// The instruction itself: from the intrinsic, GCC 12 copies every sum twice around the loop.
TARGET inline void accumulate(__m512i& sums, __m512i unsigned_bytes, __m512i signed_bytes) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(unsigned_bytes), "v"(signed_bytes));
}

template <int kTiles>
TARGET void multiply(const std::uint8_t* packed, const std::int32_t* corrections, const std::uint8_t* rows, int count,
                     int group_count, int tokens, std::int32_t* out) {
  __m512i sums[kRows][kTiles];
#pragma GCC unroll 2
  for (int tile = 0; tile < kTiles; ++tile) {
    const __m512i start = _mm512_loadu_si512(corrections + tile * kLanes);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) sums[row][tile] = start;
  }
  const std::size_t stride = static_cast<std::size_t>(group_count) * 4;
  const std::size_t second = static_cast<std::size_t>(kTiles - 1) * group_count * 64;
  for (int group = 0; group < group_count; ++group) {
    const __m512i left = _mm512_loadu_si512(packed), right = _mm512_loadu_si512(packed + second);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      std::int32_t four;
      std::memcpy(&four, rows + row * stride, 4);
      const __m512i values = _mm512_set1_epi32(four);
      accumulate(sums[row][0], values, left);
      if constexpr (kTiles == 2) accumulate(sums[row][1], values, right);
    }
    packed += 64;
    rows += 4;
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    if (row == count) break;
    _mm512_storeu_si512(out + static_cast<std::size_t>(row) * tokens, sums[row][0]);
    if constexpr (kTiles == 2) _mm512_storeu_si512(out + static_cast<std::size_t>(row) * tokens + kLanes, sums[row][1]);
  }
}

TARGET void dots(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out) {
  alignas(64) std::uint8_t shifted[kRows * kMaxStackDim];
  const int group_count = groups(query.dim);
  const std::size_t stride = static_cast<std::size_t>(group_count) * 4;
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  for (int first = 0; first < count; first += kRows) {
    const int here = std::min(kRows, count - first);
    for (int row = 0; row < kRows; ++row) {
      // Rows beyond the last repeat it; their sums are not stored.
      const std::int8_t* own = rows + static_cast<std::size_t>(first + std::min(row, here - 1)) * query.dim;
      std::uint8_t* target = shifted + row * stride;
      int i = 0;
      // Whole stores where there is room: what a masked one wrote cannot be read back before it has left the core.
      for (; i + 64 <= query.dim; i += 64) {
        _mm512_storeu_si512(target + i, _mm512_xor_si512(_mm512_loadu_si512(own + i), flip));
      }
      for (; i < query.dim; ++i) target[i] = static_cast<std::uint8_t>(own[i]) ^ 0x80;
      for (; i < static_cast<int>(stride); ++i) target[i] = 0x80;
    }
    std::int32_t* target = out + static_cast<std::size_t>(first) * query.tokens;
    int tile = 0;
    const int tiles = query.tokens / kLanes;
    for (; tile + 2 <= tiles; tile += 2) {
      multiply<2>(query.data + static_cast<std::size_t>(tile) * group_count * 64, query.corrections + tile * kLanes,
                  shifted, here, group_count, query.tokens, target + tile * kLanes);
    }
    if (tile < tiles) {
      multiply<1>(query.data + static_cast<std::size_t>(tile) * group_count * 64, query.corrections + tile * kLanes,
                  shifted, here, group_count, query.tokens, target + tile * kLanes);
    }
  }
}

// Sums of sixteen registers, one in each lane.
TARGET inline __m512i sum_each(const __m512i* v) {
  __m512i fours[4];
  for (int i = 0; i < 4; ++i) {
    const __m512i* p = v + 4 * i;
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(p[0], p[1]), _mm512_unpackhi_epi32(p[0], p[1]));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(p[2], p[3]), _mm512_unpackhi_epi32(p[2], p[3]));
    fours[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  }
  const __m512i low = _mm512_add_epi32(_mm512_shuffle_i32x4(fours[0], fours[1], 0x88),
                                       _mm512_shuffle_i32x4(fours[0], fours[1], 0xdd));
  const __m512i high = _mm512_add_epi32(_mm512_shuffle_i32x4(fours[2], fours[3], 0x88),
                                        _mm512_shuffle_i32x4(fours[2], fours[3], 0xdd));
  return _mm512_add_epi32(_mm512_shuffle_i32x4(low, high, 0x88), _mm512_shuffle_i32x4(low, high, 0xdd));
}

TARGET void residual_dots(const std::uint8_t* residuals, const std::int32_t* chosen, int count,
                          const ResidualQuery& query, std::int32_t* out) {
  const __m512i levels = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i correction = _mm512_set1_epi32(query.correction);
  for (int first = 0; first < count; first += kLanes) {
    const int here = std::min(kLanes, count - first);
    __m512i sums[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) sums[i] = _mm512_setzero_si512();
    for (int start = 0; start < query.packed_dim; start += 64) {
      const int left = std::min(64, query.packed_dim - start);
      const __mmask64 mask = left == 64 ? ~0ull : (1ull << left) - 1;
      const __m512i low = _mm512_loadu_si512(query.low + start), high = _mm512_loadu_si512(query.high + start);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        const int number = first + std::min(i, here - 1);
        const auto posting = static_cast<std::size_t>(chosen ? chosen[number] : number);
        const __m512i packed = _mm512_maskz_loadu_epi8(mask, residuals + posting * query.packed_dim + start);
        const __m512i first_levels = _mm512_shuffle_epi8(levels, _mm512_and_si512(packed, nibble));
        const __m512i second_levels =
            _mm512_shuffle_epi8(levels, _mm512_and_si512(_mm512_srli_epi16(packed, 4), nibble));
        accumulate(sums[i], first_levels, low);
        accumulate(sums[i], second_levels, high);
      }
    }
    const __m512i totals = _mm512_sub_epi32(sum_each(sums), correction);
    _mm512_mask_storeu_epi32(out + first, static_cast<__mmask16>((1u << here) - 1), totals);
  }
}

TARGET void widen(const std::uint16_t* halves, int count, float* out) {
  for (int i = 0; i < count; i += 16) {
    const __mmask16 mask = static_cast<__mmask16>((1u << std::min(16, count - i)) - 1);
    _mm512_mask_storeu_ps(out + i, mask, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, halves + i)));
  }
}

TARGET void raise(const std::int32_t* d, const float* s, int n, int t, float* best) {
  common::raise(d, s, n, t, best);
}
TARGET void raise_fine(const std::int32_t* c, const std::int32_t* f, const float* s, int n, int t, float* best) {
  common::raise_fine(c, f, s, n, t, best);
}
TARGET void nearest(const std::int32_t* d, const float* rs, const float* b, const float* ts, int n, int t, int first,
                    float* best, std::int32_t* which) {
  common::nearest(d, rs, b, ts, n, t, first, best, which);
}
TARGET void scaled(const std::int32_t* d, const float* rs, const float* f, int n, int t, float* out) {
  common::scaled(d, rs, f, n, t, out);
}
TARGET bool exceeds(const float* v, const float* thresholds, int t) {
  for (int i = 0; i < t; i += kLanes) {
    if (_mm512_cmp_ps_mask(_mm512_loadu_ps(v + i), _mm512_loadu_ps(thresholds + i), _CMP_GT_OQ)) return true;
  }
  return false;
}

TARGET void to_fixed(std::int32_t* p, int n, float base, float factor) { common::to_fixed(p, n, base, factor); }
TARGET bool inside(const std::int32_t* p, int n, std::uint32_t rows) { return common::inside(p, n, rows); }

}  // namespace

const Kernels* avx512_kernels() {
  static const Kernels kernels{"avx512-vnni", packed_bytes, pack, dots, raise, raise_fine, nearest, scaled, exceeds, residual_dots, to_fixed, inside, widen};
  __builtin_cpu_init();
  const bool known = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                     __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
  return known ? &kernels : nullptr;
}

}  // namespace xtr
#else
namespace xtr {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace xtr
#endif

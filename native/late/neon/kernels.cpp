// ARM with dot products (Armv8.2 and later: Graviton 2, Apple M1 and newer): four query tokens a register, four
// dimensions an instruction.
#include "late/loops.hpp"

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

namespace xtr {
namespace {

// Rows multiplied at a time, and registers of a tile: sixteen sums and what they are made of fit 32 registers.
constexpr int kRows = 4;
constexpr int kFineRows = 2;
constexpr int kSpan = kLanes / 4;
// Dimensions of a register of a row.
constexpr int kPart = 16;

inline int parts(int dim) { return (dim + kPart - 1) / kPart; }

inline std::size_t tile_bytes(int dim) { return static_cast<std::size_t>(parts(dim)) * kPart * kLanes; }

std::size_t packed_bytes(int tokens, int dim) { return padded_tokens(tokens) / kLanes * tile_bytes(dim); }

// [tile][group][16 tokens][4 dimensions], zeros beyond the last dimension.
void pack(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data) {
  std::memset(data, 0, packed_bytes(tokens, dim));
  for (int t = 0; t < tokens; ++t) {
    std::uint8_t* tile = data + t / kLanes * tile_bytes(dim) + t % kLanes * 4;
    for (int i = 0; i < dim; ++i) {
      tile[i / 4 * kLanes * 4 + i % 4] = static_cast<std::uint8_t>(codes[static_cast<std::size_t>(t) * dim + i]);
    }
  }
}

// Sixteen dimensions of a row; zeros beyond the last.
XTR_INLINE int8x16_t part_of(const std::int8_t* row, int first, int dim) {
  if (dim - first >= kPart) return vld1q_s8(row + first);
  std::int8_t rest[kPart] = {};
  std::memcpy(rest, row + first, static_cast<std::size_t>(dim - first));
  return vld1q_s8(rest);
}

template <int kCount>
using Sums = int32x4_t[kCount][kSpan];

template <int kLane, int kCount>
XTR_INLINE void add_group(const std::int8_t* tokens, const int8x16_t (&rows)[kCount], Sums<kCount>& sums) {
  for (int i = 0; i < kSpan; ++i) {
    const int8x16_t own = vld1q_s8(tokens + i * 16);
    for (int row = 0; row < kCount; ++row) sums[row][i] = vdotq_laneq_s32(sums[row][i], own, rows[row], kLane);
  }
}

// Products of some rows with a tile.
template <int kCount>
XTR_INLINE void multiply(const std::uint8_t* tile, const std::int8_t* const (&rows)[kCount], int dim,
                         Sums<kCount>& sums) {
  const auto* tokens = reinterpret_cast<const std::int8_t*>(tile);
  for (auto& row : sums) {
    for (auto& sum : row) sum = vdupq_n_s32(0);
  }
  for (int first = 0; first < dim; first += kPart, tokens += kPart * kLanes) {
    int8x16_t own[kCount];
    for (int row = 0; row < kCount; ++row) own[row] = part_of(rows[row], first, dim);
    add_group<0>(tokens, own, sums);
    add_group<1>(tokens + 4 * kLanes, own, sums);
    add_group<2>(tokens + 8 * kLanes, own, sums);
    add_group<3>(tokens + 12 * kLanes, own, sums);
  }
}

void dots(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out) {
  const auto dim = static_cast<std::size_t>(query.dim);
  for (int first = 0; first < count; first += kRows) {
    const std::int8_t* own[kRows];
    // Rows beyond the last repeat it.
    for (int row = 0; row < kRows; ++row) own[row] = rows + std::min(first + row, count - 1) * dim;
    for (int tile = 0; tile < query.tokens / kLanes; ++tile) {
      Sums<kRows> sums;
      multiply(query.data + tile * tile_bytes(query.dim), own, query.dim, sums);
      for (int row = 0; row < std::min(kRows, count - first); ++row) {
        std::int32_t* target = out + static_cast<std::size_t>(first + row) * query.tokens + tile * kLanes;
        for (int i = 0; i < kSpan; ++i) vst1q_s32(target + i * 4, sums[row][i]);
      }
    }
  }
}

float widen(std::uint16_t half) {
  __fp16 value;
  std::memcpy(&value, &half, sizeof value);
  return static_cast<float>(value);
}

std::uint16_t narrow(float value) {
  const auto half = static_cast<__fp16>(value);
  std::uint16_t bits;
  std::memcpy(&bits, &half, sizeof bits);
  return bits;
}

template <int kCount, bool kFine>
XTR_INLINE void best_of(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best) {
  const int dim = coarse.dim;
  for (int first = 0; first < rows.count; first += kCount) {
    const std::int8_t* own[kCount];
    float scales[kCount];
    for (int row = 0; row < kCount; ++row) {
      const int number = std::min(first + row, rows.count - 1), chosen = rows.chosen ? rows.chosen[number] : number;
      own[row] = rows.codes + static_cast<std::size_t>(chosen) * dim;
      scales[row] = widen(rows.scales[chosen]);
      if (first + row < rows.count) common::fetch(rows, first + row, dim);
    }
    for (int tile = 0; tile < coarse.tokens / kLanes; ++tile) {
      Sums<kCount> sums, fine_sums;
      multiply(coarse.data + tile * tile_bytes(dim), own, dim, sums);
      if constexpr (kFine) multiply(fine->data + tile * tile_bytes(dim), own, dim, fine_sums);
      for (int i = 0; i < kSpan; ++i) {
        float* target = best + tile * kLanes + i * 4;
        float32x4_t most = vld1q_f32(target);
        for (int row = 0; row < kCount; ++row) {
          float32x4_t value = vcvtq_f32_s32(sums[row][i]);
          // The product with 256 is exact: one rounding in all.
          if constexpr (kFine) {
            value = vaddq_f32(vmulq_f32(value, vdupq_n_f32(256.0f)), vcvtq_f32_s32(fine_sums[row][i]));
          }
          value = vmulq_f32(value, vdupq_n_f32(scales[row]));
          // Where a scale is no number it raises nothing, which vmaxq_f32 would let through.
          most = vbslq_f32(vcgtq_f32(value, most), value, most);
        }
        vst1q_f32(target, most);
      }
    }
  }
}

void best(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best) {
  if (fine) {
    best_of<kFineRows, true>(coarse, fine, rows, best);
  } else {
    best_of<kRows, false>(coarse, nullptr, rows, best);
  }
}

void decode(const Residuals& residuals, const std::uint8_t* packed, std::uint32_t number, std::int8_t* codes,
            std::uint16_t* scale) {
  common::decode(residuals, packed, number, codes, scale, narrow, widen);
}

bool known() {
#if defined(__linux__)
  constexpr unsigned long kDotProducts = 1ul << 20;  // HWCAP_ASIMDDP
  return getauxval(AT_HWCAP) & kDotProducts;
#else
  return true;  // the compiler was told so by the platform: every Apple processor of this kind
#endif
}

// All but the products are the plain loops, of which compilers make NEON by themselves.
Kernels made() {
  Kernels own = scalar_kernels();
  own.name = "neon-dotprod";
  own.packed_bytes = packed_bytes;
  own.pack = pack;
  own.dots = dots;
  own.best = best;
  own.decode = decode;
  return own;
}

}  // namespace

const Kernels* neon_kernels() {
  if (!known()) return nullptr;
  static const Kernels kernels = made();
  return &kernels;
}

}  // namespace xtr
#else
namespace xtr {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace xtr
#endif

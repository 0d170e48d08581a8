// AMX: products of sixteen rows and sixteen query tokens by tiles of bytes, bit for bit those of AVX-512.
#include "common/processor.hpp"
#include "late/loops.hpp"

// XTR_AMX: the assembler knows tiles (CMakeLists.txt).
#if defined(XTR_AMX) && defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma")
#endif
#include "common/tiles.hpp"

namespace xtr {
namespace {

using tiles::clear;
using tiles::dp_ss;
using tiles::read;
using tiles::write;

// Rows and tokens of a tile, and the dimensions that one product adds up.
constexpr int kTileRows = 16;
constexpr int kTileDims = 64;
constexpr int kTileBytes = kTileRows * kTileDims;
constexpr int kMaxSteps = common::kMaxStackDim / kTileDims;

inline int steps_of(int dim) { return (dim + kTileDims - 1) / kTileDims; }

std::size_t packed_bytes(int tokens, int dim) {
  return static_cast<std::size_t>(padded_tokens(tokens)) / kLanes * steps_of(dim) * kTileBytes;
}

// [16 tokens][64 dimensions][4 dimensions][token][4 bytes]; zero beyond the last dimension.
void pack(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data) {
  std::memset(data, 0, packed_bytes(tokens, dim));
  for (int t = 0; t < tokens; ++t) {
    std::uint8_t* own = data + static_cast<std::size_t>(t / kLanes) * steps_of(dim) * kTileBytes + t % kLanes * 4;
    for (int i = 0; i < dim; ++i) {
      own[i / 4 * kTileDims + i % 4] = static_cast<std::uint8_t>(codes[static_cast<std::size_t>(t) * dim + i]);
    }
  }
}

// Sixteen rows, [64 dimensions][row][64 bytes]. Beyond the last dimension anything may lie: the query has zeros there.
struct RowTile {
  alignas(64) std::int8_t bytes[kMaxSteps * kTileBytes];

  // Rows beyond the last repeat it.
  void load(const std::int8_t* codes, const std::int32_t* chosen, int first, int count, int dim) {
    for (int row = 0; row < kTileRows; ++row) {
      const int number = std::min(first + row, count - 1);
      const std::int8_t* at = codes + static_cast<std::size_t>(chosen ? chosen[number] : number) * dim;
      std::int8_t* to = bytes + row * kTileDims;
      for (int i = 0; i < dim; i += kTileDims, to += kTileBytes) {
        const __mmask64 mask = dim - i >= kTileDims ? ~0ull : (1ull << (dim - i)) - 1;
        XTR_WATCH(at + i, std::min(kTileDims, dim - i));
        _mm512_store_si512(to, _mm512_maskz_loadu_epi8(mask, at + i));
      }
    }
  }
};

void dots(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out) {
  const int steps = steps_of(query.dim);
  const std::size_t tokens = query.tokens;
  RowTile block;
  alignas(64) std::int32_t last[kTileRows * kLanes];
  for (int first = 0; first < count; first += kTileRows) {
    block.load(rows, nullptr, first, count, query.dim);
    const int here = std::min(kTileRows, count - first);
    const std::uint8_t* panel = query.data;
    for (std::size_t token = 0; token < tokens; token += kLanes) {
      clear<0>();
      for (int step = 0; step < steps; ++step, panel += kTileBytes) {
        read<6>(panel);
        read<7>(block.bytes + step * kTileBytes);
        dp_ss<0, 7, 6>();
      }
      std::int32_t* target = out + first * tokens + token;
      if (here == kTileRows) {
        write<0>(target, static_cast<std::int64_t>(tokens) * 4);
      } else {
        write<0>(last);
        for (int row = 0; row < here; ++row) {
          _mm512_storeu_si512(target + row * tokens, _mm512_load_si512(last + row * kLanes));
        }
      }
    }
  }
}

// Sums of a tile of rows and one of tokens that are there, and what they raise is not.
struct Summed {
  const std::int32_t (*sums)[kTileRows * kLanes] = nullptr;
  const float* scales = nullptr;
  int rows = 0;
  float* best = nullptr;
};

template <bool kFine>
inline __attribute__((always_inline)) void finish(const Summed& summed) {
  // The maximum of rows by two: one after the other they would wait for each other.
  __m512 most = _mm512_loadu_ps(summed.best), other = most;
  const auto raise = [&](int row, __m512& own) __attribute__((always_inline)) {
    const std::int32_t* at = summed.sums[0] + row * kLanes;
    __m512 value = _mm512_cvtepi32_ps(_mm512_load_si512(at));
    if constexpr (kFine) {
      // The product with 256 is exact: one rounding in all.
      value = _mm512_fmadd_ps(value, _mm512_set1_ps(256.0f),
                              _mm512_cvtepi32_ps(_mm512_load_si512(at + kTileRows * kLanes)));
    }
    // The order matters where a scale is no number: it then raises nothing.
    own = _mm512_max_ps(_mm512_mul_ps(value, _mm512_set1_ps(summed.scales[row])), own);
  };
  int row = 0;
  for (; row + 2 <= summed.rows; row += 2) {
    raise(row, most);
    raise(row + 1, other);
  }
  if (row < summed.rows) raise(row, most);
  _mm512_storeu_ps(summed.best, _mm512_max_ps(most, other));
}

// kSteps: of so many times 64 dimensions, or 0 of any number.
template <bool kFine, int kSteps>
void best_of(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best) {
  const int steps = kSteps ? kSteps : steps_of(coarse.dim);
  alignas(64) std::int32_t sums[2][2][kTileRows * kLanes];
  alignas(64) float scales[2][kTileRows];
  RowTile block;
  Summed last;
  int turn = 0, side = 0;
  for (int first = 0; first < rows.count; first += kTileRows, side = 1 - side) {
    const int here = std::min(kTileRows, rows.count - first);
    for (int row = 0; row < here; ++row) {
      common::fetch(rows, first + row, coarse.dim);
      scales[side][row] = _cvtsh_ss(rows.scales[rows.chosen ? rows.chosen[first + row] : first + row]);
    }
    block.load(rows.codes, rows.chosen, first, rows.count, coarse.dim);
    const std::uint8_t* panel = coarse.data;
    const std::uint8_t* fine_panel = kFine ? fine->data : nullptr;
    if constexpr (kSteps == 1) read<7>(block.bytes);
    for (int token = 0; token < coarse.tokens; token += kLanes) {
      clear<0>();
      if constexpr (kFine) clear<1>();
      for (int step = 0; step < steps; ++step, panel += kTileBytes) {
        if constexpr (kSteps != 1) read<7>(block.bytes + step * kTileBytes);
        read<6>(panel);
        dp_ss<0, 7, 6>();
        if constexpr (kFine) {
          read<5>(fine_panel);
          dp_ss<1, 7, 5>();
          fine_panel += kTileBytes;
        }
      }
      write<0>(sums[turn][0]);
      if constexpr (kFine) write<1>(sums[turn][1]);
      // While the tiles multiply, the registers take what was multiplied before.
      if (last.rows) finish<kFine>(last);
      last = {sums[turn], scales[side], here, best + token};
      turn = 1 - turn;
    }
  }
  if (last.rows) finish<kFine>(last);
}

void best(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best) {
  const bool one = steps_of(coarse.dim) == 1, two = steps_of(coarse.dim) == 2;
  if (fine) {
    (one ? best_of<true, 1> : two ? best_of<true, 2> : best_of<true, 0>)(coarse, fine, rows, best);
  } else {
    (one ? best_of<false, 1> : two ? best_of<false, 2> : best_of<false, 0>)(coarse, fine, rows, best);
  }
}

// All but the products are those of AVX-512.
Kernels made(const Kernels& others) {
  Kernels own = others;
  own.name = "amx";
  own.packed_bytes = packed_bytes;
  own.pack = pack;
  own.dots = dots;
  own.best = best;
  own.many = nullptr;
  own.enter = [] { tiles::configure(kTileRows); };
  own.leave = tiles::release;
  return own;
}

}  // namespace

const Kernels* amx_kernels() {
  const Kernels* others = avx512_kernels();
  if (!others || !has_amx()) return nullptr;
  static const Kernels own = made(*others);
  return &own;
}

}  // namespace xtr
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#else
namespace xtr {
const Kernels* amx_kernels() { return nullptr; }
}  // namespace xtr
#endif

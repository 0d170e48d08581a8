// AMX: products of 16 bits by tiles of bytes, bit for bit those of AVX-512.
#include "common/processor.hpp"
#include "common/watched.hpp"
#include "encoder/model.hpp"

// XTR_AMX: the assembler knows tiles (CMakeLists.txt).
#if defined(XTR_AMX) && defined(__x86_64__)
#include <immintrin.h>

#include <cmath>
#include <cstring>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,popcnt"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,popcnt")
#endif
#include "common/tiles.hpp"
#include "encoder/avx512/vnni.hpp"

namespace encoder {
namespace {

using namespace xtr::tiles;

// Columns whose panels, 295 kB of 384 channels, stay in the second cache while all rows pass by.
constexpr int kColumns = 384;

// A number of 16 bits is 256 high + low, high with a sign and low without; a product of two is four products of bytes,
// and a sum of products 65536 HH + 256 (HL + LH) + LL. All of that holds modulo 2^32, in which both tiles and registers
// count: whatever the numbers are, the sum is that of vpdpwssd.
// Rows lie in blocks of 16, [block][64 channels][high, low][row][64 bytes]; panels of 16 columns
// [panel][64 channels][high, low][4 channels][column][4 bytes]. Each tile is 1,024 bytes that lie together.
struct Tiles : Integer {
  using Configured = xtr::tiles::Configured;
  static constexpr int wide = 1, wide_rows = 32;
  static constexpr int tile = 1024, step = 2 * tile;
  static char* row(Unit* units, int number, int row_units) {
    return reinterpret_cast<char*>(units) + static_cast<std::int64_t>(number / 16) * 64 * row_units + number % 16 * 64;
  }
  static void store_wide(char* row, int number, F value) {
    const V whole = _mm512_cvtps_epi32(value);
    char* to = row + number / 64 * step + number % 64;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(_mm512_srai_epi32(whole, 8)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + tile), _mm512_cvtepi32_epi8(whole));
  }
  static void pack_column(const std::int16_t* from, int in, int column, int units, Unit* panels) {
    Unit* to = panels + static_cast<std::int64_t>(column / 16) * 16 * units + column % 16;
    for (int i = 0; i < units * 2; i += 4) {
      Unit high = 0, low = 0;
      for (int n = 0; n < 4 && i + n < in; ++n) {
        high |= static_cast<Unit>(static_cast<std::uint8_t>(from[i + n] >> 8)) << (8 * n);
        low |= static_cast<Unit>(static_cast<std::uint8_t>(from[i + n])) << (8 * n);
      }
      Unit* at = to + i / 64 * (step / 4) + i % 64 / 4 * 16;
      at[0] = high;
      at[tile / 4] = low;
    }
  }

  // Sums of 32 rows, HH, HL + LH, LL of each 16. 64 channels take 8 products and 9 reads; between(step) is work for the
  // registers while the tiles multiply.
  template <typename Between>
  static void two_blocks(const char* a, std::int64_t block, const char* b, int steps, std::int32_t (*sums)[256],
                         Between between) {
    clear<0>(), clear<1>(), clear<2>(), clear<3>(), clear<4>(), clear<5>();
    const char* below = a + block;
    for (int s = 0; s < steps; ++s, a += step, below += step, b += step) {
      read<6>(b);
      read<7>(a);
      dp_ss<0, 7, 6>();
      read<7>(below);
      dp_ss<3, 7, 6>();
      read<7>(a + tile);
      dp_us<1, 7, 6>();
      read<7>(below + tile);
      dp_us<4, 7, 6>();
      read<6>(b + tile);
      dp_uu<5, 7, 6>();
      read<7>(a + tile);
      dp_uu<2, 7, 6>();
      read<7>(a);
      dp_su<1, 7, 6>();
      read<7>(below);
      dp_su<4, 7, 6>();
      between(s);
    }
    write<0>(sums[0]), write<1>(sums[1]), write<2>(sums[2]);
    write<3>(sums[3]), write<4>(sums[4]), write<5>(sums[5]);
  }

  template <typename Between>
  static void one_block(const char* a, const char* b, int steps, std::int32_t (*sums)[256], Between between) {
    clear<0>(), clear<1>(), clear<2>();
    for (int s = 0; s < steps; ++s, a += step, b += step) {
      read<4>(a);
      read<6>(b);
      dp_ss<0, 4, 6>();
      read<5>(a + tile);
      dp_us<1, 5, 6>();
      read<7>(b + tile);
      dp_uu<2, 5, 7>();
      dp_su<1, 4, 7>();
      // Of a short text the weights are what is waited for, and a read of a tile asks for them too late.
#pragma GCC unroll 32
      for (int line = 0; line < step; line += 64) _mm_prefetch(b + 2 * step + line, _MM_HINT_T0);
      between(s);
    }
    write<0>(sums[0]), write<1>(sums[1]), write<2>(sums[2]);
  }

  // A block of the result whose sums are there, and what becomes of it is not.
  struct Summed {
    const std::int32_t (*sums)[256] = nullptr;
    int row = 0, count = 0, column = 0;
  };

  // The sums of a block become floats, and go through what follows, while the tiles multiply the next one.
  template <typename Take>
  static void product(const Linear& linear, const Rows& rows, int m, Take take) {
    alignas(64) std::int32_t sums[2][6][256];
    alignas(64) float block[wide_rows * lanes];
    const Integers& own = linear.integers;
    const int units = own.wide_units, steps = units / 32, share = (wide_rows + steps - 1) / steps;
    const std::int64_t row_block = static_cast<std::int64_t>(16) * units * 4;
    const char* a = reinterpret_cast<const char*>(rows.units.data());
    const char* b = reinterpret_cast<const char*>(linear.panels.data());
    Summed last;
    const auto finish = [&](int from, int to) __attribute__((always_inline)) {
      const F columns = load_floats(own.scales.data() + last.column);
      for (int r = from; r < to; ++r) {
        const std::int32_t* at = last.sums[r / 16 * 3] + r % 16 * 16;
        const V cross = _mm512_add_epi32(_mm512_slli_epi32(load_sums(at), 8), load_sums(at + 256));
        const V sum = _mm512_add_epi32(_mm512_slli_epi32(cross, 8), load_sums(at + 512));
        store_floats(block + (r - from) * lanes, mul(floats_of(sum), mul(all(rows.scales.data()[last.row + r]), columns)));
      }
      take(last.row + from, to - from, last.column, block);
    };
    const auto between = [&](int s) __attribute__((always_inline)) {
      const int from = s * share, to = least(from + share, last.count);
      if (from < to) finish(from, to);
    };
    int turn = 0;
    for (int left = 0; left < linear.out; left += kColumns) {
      const int right = least(left + kColumns, linear.out);
      for (int row = 0; row < m; row += wide_rows) {
        const int count = least(wide_rows, m - row);
        const char* own_rows = a + row / 16 * row_block;
        for (int column = left; column < right; column += lanes) {
          const char* panel = b + column / 16 * row_block;
          if (count > 16) {
            two_blocks(own_rows, row_block, panel, steps, sums[turn], between);
          } else {
            one_block(own_rows, panel, steps, sums[turn], between);
          }
          last = {sums[turn], row, count, column};
          turn = 1 - turn;
        }
      }
    }
    finish(0, last.count);
  }
};

}  // namespace
}  // namespace encoder
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace encoder {

const Engine* amx_int16_engine() {
  static const Engine engine{"amx_int16", "int16", 32, 32, pack_integers<Tiles>, integer_forward<Tiles>};
  return xtr::has_avx512() && xtr::has_amx() ? &engine : nullptr;
}

}  // namespace encoder
#else
namespace encoder {
const Engine* amx_int16_engine() { return nullptr; }
}  // namespace encoder
#endif

// Tile instructions, written out: the assembler must know them, the compiler need not, and each of them says that it
// reads or writes memory, which the intrinsics of GCC 12 do not.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "common/watched.hpp"

namespace xtr::tiles {
namespace {

// Eight tiles of 64 bytes a row, of this thread: 6 and 7 of 16 rows, the others of as many as there are, at most 16; a
// product takes as many cycles as its left side has rows.
inline void configure(int rows) {
  alignas(64) std::uint8_t told[64] = {1};
  for (int i = 0; i < 8; ++i) {
    told[16 + 2 * i] = 64;
    told[48 + i] = static_cast<std::uint8_t>(i < 6 && rows < 16 ? rows : 16);
  }
  asm volatile("ldtilecfg %0" : : "m"(told));
}

// What is left configured would be saved at each switch of threads, and keeps a core from its deeper sleep.
inline void release() { asm volatile("tilerelease"); }

class Configured {
 public:
  explicit Configured(int rows) { configure(rows); }
  ~Configured() { release(); }
  Configured(const Configured&) = delete;
};

template <int T>
inline void clear() {
  asm volatile("tilezero %%tmm%c0" : : "i"(T));
}

// A tile of 1,024 bytes that lie together.
template <int T>
inline void read(const void* from) {
  XTR_WATCH(from, 1024);
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(std::int64_t{64}), "i"(T) : "memory");
}

// A tile of 16 rows of 64 bytes, `stride` bytes from one to the next.
template <int T>
inline void write(void* to, std::int64_t stride = 64) {
  for (int row = 0; row < 16; ++row) XTR_WATCH(static_cast<char*>(to) + row * stride, 64);
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(T) : "memory");
}

// Sum += rows A times panel B; of bytes with a sign (s) or without (u). Sums of 32 bits wrap, as those of registers do.
template <int Sum, int A, int B>
inline void dp_ss() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(A), "i"(B));
}
template <int Sum, int A, int B>
inline void dp_su() {
  asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(A), "i"(B));
}
template <int Sum, int A, int B>
inline void dp_us() {
  asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(A), "i"(B));
}
template <int Sum, int A, int B>
inline void dp_uu() {
  asm volatile("tdpbuud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(A), "i"(B));
}

}  // namespace
}  // namespace xtr::tiles

// Which instruction sets this processor has: asked by both indexes, so that a name means the same kernels in each.
#pragma once

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace xtr {

// Every processor with AVX2 has F16C, by which not every compiler can ask.
inline bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

inline bool has_avx512() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

// Tiles of bytes: that the processor has them, that the system keeps them for each thread, and that it lends them to this
// process when asked, which holds for all its threads and for what it forks. A system that does not know the question, a
// container that forbids it, and threads whose stack for signals is too small for a tile's state are a plain no.
inline bool has_amx() {
#if defined(__linux__)
  static const bool lent = [] {
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 24 & 1) || !(d >> 25 & 1)) return false;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return false;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    constexpr unsigned states = 3u << 17;
    constexpr long ask = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return (low & states) == states && syscall(SYS_arch_prctl, ask, tile_data) == 0;
  }();
  return lent;
#else
  return false;
#endif
}

}  // namespace xtr
#endif

// Which instruction sets this processor has: asked by both indexes, so that a name means the same kernels in each.
#pragma once

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

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

}  // namespace xtr
#endif

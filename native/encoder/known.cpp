// Which engines there are, and their order.
#include <utility>

#include "common/naming.hpp"
#include "encoder/model.hpp"

namespace encoder {

// Intel's cores multiply bf16 no faster than they do floats (one instruction a cycle against two of half as many
// products), AMD's twice as fast, which is as fast as they multiply 16 bits. Without vectors of them 16 bits are slower
// than floats; int8 stands last, because its vectors are others.
std::vector<const Engine*> known_engines() {
  const Engine *brain = avx512_bf16_engine(), *pairs = avx512_int16_engine();
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
  if (__builtin_cpu_is("intel")) std::swap(brain, pairs);
#endif
  return xtr::supported({amx_int16_engine(), brain, pairs, avx512_engine(), avx2_int16_engine(), avx2_engine(), neon_bf16_engine(),
                         neon_engine(), &scalar_engine(), &scalar_int16_engine(), avx512_int8_engine(),
                         avx2_int8_engine(), &scalar_int8_engine()});
}

}  // namespace encoder

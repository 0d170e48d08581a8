// ARM: floats.
#include "encoder/model.hpp"

#if defined(__aarch64__)
#include "encoder/neon/floats.hpp"

namespace encoder {
const Engine* neon_engine() {
  static const Engine engine{"neon", "fp32", 16, 8, pack<Four>, forward<Four>};
  return &engine;
}
}  // namespace encoder
#else
namespace encoder {
const Engine* neon_engine() { return nullptr; }
}  // namespace encoder
#endif

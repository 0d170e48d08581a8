#include "dense/loops.hpp"
#include "late/kernels.hpp"

namespace dense {

// The plain loops, of which compilers make NEON, under the name of the token index's kernels: whoever asks for the
// fastest asks both indexes for the same.
const Kernels* neon_kernels() {
  const xtr::Kernels* tokens = xtr::neon_kernels();
  if (!tokens) return nullptr;
  static const Kernels kernels{tokens->name, score_rows<sum>, score_rows<sum_halves>, products, half_product};
  return &kernels;
}

}  // namespace dense

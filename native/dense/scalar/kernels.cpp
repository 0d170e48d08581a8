// Plain C++: what runs anywhere, and what the vector kernels are tested against.
#include "dense/loops.hpp"

namespace dense {

const Kernels& scalar_kernels() {
  static const Kernels kernels{"scalar", score_rows<sum>, score_rows<sum_halves>, products, half_product};
  return kernels;
}

}  // namespace dense

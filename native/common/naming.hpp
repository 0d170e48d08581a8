// Which kernels a name stands for. Both indexes are asked by the same names, so that each has kernels for all of them.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

namespace xtr {

// Those that are not null, in their order.
template <typename Kernels>
std::vector<const Kernels*> those_known(std::initializer_list<const Kernels*> all) {
  std::vector<const Kernels*> known;
  for (const Kernels* one : all) {
    if (one) known.push_back(one);
  }
  return known;
}

template <typename Kernels>
const Kernels& named(const std::vector<const Kernels*>& known, const std::string& name) {
  for (const Kernels* one : known) {
    if (name == one->name) return *one;
  }
  throw std::invalid_argument("unknown instruction set, or one that this processor lacks: " + name);
}

}  // namespace xtr

// Which kernels a name stands for. Both indexes are asked by the same names, so that each has kernels for all of them.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

namespace xtr {

// The kernels that this processor supports, in order of preference.
template <typename Kernels>
std::vector<const Kernels*> supported(std::initializer_list<const Kernels*> all) {
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

// Query tokens packed for one instruction set, kept as long as they are used.
#pragma once

#include <vector>

#include "kernels.hpp"

namespace xtr {

class Packed {
 public:
  Packed(const Kernels& kernels, const std::int8_t* codes, int tokens, int dim)
      : data_(kernels.packed_bytes(tokens, dim)), tokens_(padded_tokens(tokens)), dim_(dim) {
    kernels.pack(codes, tokens, dim, data_.data());
  }
  PackedQuery view() const { return {data_.data(), tokens_, dim_}; }

 private:
  std::vector<std::uint8_t> data_;
  int tokens_;
  int dim_;
};

}  // namespace xtr

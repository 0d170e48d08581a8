// Query tokens packed for one instruction set, kept as long as they are used.
#pragma once

#include <vector>

#include "late/kernels.hpp"

namespace xtr {

class Packed {
 public:
  Packed(const Kernels& kernels, const std::int8_t* codes, int tokens, int dim)
      : lines_(kernels.packed_bytes(tokens, dim) / sizeof(Line) + 1), tokens_(padded_tokens(tokens)), dim_(dim) {
    kernels.pack(codes, tokens, dim, lines_.front().bytes);
  }
  PackedQuery view() const { return {lines_.front().bytes, tokens_, dim_}; }

 private:
  // A register of packed tokens lies in one line of the cache.
  struct alignas(64) Line {
    std::uint8_t bytes[64];
  };
  std::vector<Line> lines_;
  int tokens_;
  int dim_;
};

}  // namespace xtr

// What centroids say of query tokens, and which lists each of them reads.
#pragma once

#include "late/searcher.hpp"

namespace xtr {

struct Probes {
  int width = 0;                     // lists of each query token
  std::vector<std::int32_t> lists;   // [tokens, width], the best first, equal ones by ascending number
  std::vector<std::uint8_t> levels;  // [tokens, width]
  std::vector<std::uint8_t> floors;  // [tokens], the level of the best list that is not read
};

// `levels` becomes uint8 [centroids, stride] and `probes` what each query token reads; nprobe of 0 reads nothing.
Probes probe(const Model& model, const Query& query, int nprobe, const Kernels& kernels,
             std::vector<std::uint8_t>& levels);

}  // namespace xtr

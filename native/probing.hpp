// Which lists a query token reads.
#pragma once

#include "searcher.hpp"

namespace xtr {

struct Probes {
  int width = 0;                     // lists of each query token
  std::vector<std::int32_t> lists;   // [tokens, width], ascending
  std::vector<float> scores;         // [tokens, width]
  std::vector<std::int32_t> floors;  // [tokens]
};

Probes best_lists(const Model& model, const Query& query, int nprobe, const Kernels& kernels);

}  // namespace xtr

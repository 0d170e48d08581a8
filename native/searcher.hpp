// Retrieval and rescoring over the segments of an index. xtr_assets/index/xtr/reference.py states the maths.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace xtr {

struct Segment {
  std::int64_t base_row;
  std::int64_t rows;
  const std::int32_t* lists;       // [centroids + 1]
  const std::int32_t* positions;   // [postings]
  const std::uint8_t* residuals;   // [postings, packed_dim]
  const std::int8_t* tokens;       // [tokens, dim]
  const std::uint16_t* scales;     // [tokens], half floats
  const std::int64_t* offsets;     // [rows + 1]
};

struct Model {
  const std::int8_t* centroids;  // [count, dim]
  const float* scales;           // [count]
  const std::int8_t* levels;     // [16]
  int count;
  int dim;
  int packed_dim() const { return (dim + 1) / 2; }
};

struct Query {
  int tokens;
  const std::int8_t* codes;           // [tokens, dim]
  const std::int8_t* fine_codes;      // [tokens, dim]
  const float* centroid_factors;      // [tokens]
  const std::int8_t* residual_codes;  // [tokens, 2 * packed_dim]
  const float* residual_factors;      // [tokens]
  const float* margins;               // [tokens]
};

struct Candidates {
  std::vector<std::int64_t> rows;
  std::int64_t retrieved = 0;
  std::int64_t touched = 0;
};

class Searcher {
 public:
  Searcher(const Model& model, std::vector<Segment> segments, std::int64_t end_row, const Kernels& kernels)
      : model_(model), segments_(std::move(segments)), end_row_(end_row), kernels_(kernels) {}

  // allowed: bool [end_row], or null where every row is.
  Candidates retrieve(const Query& query, int nprobe, std::int64_t k_prime, std::int64_t limit,
                      const std::uint8_t* allowed) const;

  // MaxSim of integer codes, times factors, summed: float [count]; rows ascending, each in some segment. Without fine
  // codes: sum of factor * max(dots * scale); with them dots is 256 * coarse + fine.
  void score(const std::int8_t* codes, const std::int8_t* fine_codes, const float* factors, int tokens,
             const std::int64_t* rows, std::int64_t count, float* out) const;

  const Kernels& kernels() const { return kernels_; }
  std::int64_t end_row() const { return end_row_; }
  const Model& model() const { return model_; }

 private:
  const Segment* segment_of(std::int64_t row) const;

  Model model_;
  std::vector<Segment> segments_;
  std::int64_t end_row_;
  const Kernels& kernels_;
};

// Nearest centroid of int8 tokens with scales: which int32 [count]; bias = half the squared norm plus mean . centroid.
void assign(const Model& model, const float* biases, const std::int8_t* tokens, const float* scales,
            std::int64_t count, const Kernels& kernels, std::int32_t* which);

}  // namespace xtr

// Search over inverted lists of one byte or half a byte a dimension: what FAISS stores for IVF<n>,SQ8 and IVF<n>,SQ4,
// read where it lies. xtr_assets/index/dense/sq_scan.py states the maths.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dense/kernels.hpp"

namespace dense {

// Codes uint8 [count, code bytes] with the row of each.
struct List {
  const std::uint8_t* codes;
  const std::int64_t* rows;
  std::int64_t count;
};

// Where stored vectors lie: rows first to end - 1, each of dim half floats, or floats where `whole`.
struct Stored {
  std::int64_t first, end;
  const void* vectors;
  bool whole;
};

// Inner products of a query with stored rows, -inf for a row that no part holds; parts ascending.
void score_stored(const std::vector<Stored>& parts, int dim, const Kernels& kernels, const float* query,
                  const std::int64_t* rows, std::int64_t count, float* scores);

// The `wanted` best by score, then by row, of those above -inf; -inf and -1 pad.
void best_of(const float* scores, const std::int64_t* rows, std::int64_t count, std::int64_t wanted, float* best,
             std::int64_t* at);

struct Codes {
  std::vector<List> lists;
  const float* centroids;  // [lists, dim]
  const float* low;        // [dim]: code c of dimension d stands for low + (c + 0.5) / largest code * span
  const float* span;       // [dim]
  int dim;
  int bits;           // 8 or 4
  const float* axes;  // [dim, query dim]: what a query is turned onto first; null where it is not
  int query_dim;
  bool residual;  // codes are of what the centroid leaves
};

class Scanner {
 public:
  Scanner(Codes codes, const Kernels& kernels);

  // The `wanted` best rows of `nprobe` lists by the scores of their codes, then by row; -inf and -1 pad.
  // allowed: bool by row, or null where every row is.
  void search(const float* query, int nprobe, std::int64_t wanted, const std::uint8_t* allowed, float* scores,
              std::int64_t* rows) const;

  const Kernels& kernels() const { return kernels_; }
  std::size_t lists() const { return codes_.lists.size(); }
  int query_dim() const { return codes_.query_dim; }

 private:
  // What codes stand for: code c of dimension d for offsets[d] + c * steps[d].
  struct Grid {
    std::vector<float> steps, offsets;
    int bits;
  };
  static Grid grid(const float* low, const float* span, int dim, int bits);
  Weights weigh(const Grid& grid, const float* query, float& bias) const;

  Codes codes_;
  Grid grid_;
  // Bytes of all centroids: which lists are near is said by them, how near by the centroids themselves.
  Grid coarse_grid_;
  std::vector<std::uint8_t> coarse_;
  const Kernels& kernels_;
};

}  // namespace dense

#include "late/probing.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "late/packing.hpp"

namespace xtr {
namespace {

// Up to so many lists are kept in order while scores pass by; for more, all scores are kept and selected from.
constexpr int kInsertionLimit = 48;

// The best scores of one query token so far, best first; equal scores in the order they came.
class Best {
 public:
  explicit Best(int room) : scores_(room, -std::numeric_limits<float>::infinity()), lists_(room, -1) {}
  float threshold() const { return scores_.back(); }
  void insert(float score, std::int32_t list) {
    std::size_t at = scores_.size() - 1;
    for (; at > 0 && scores_[at - 1] < score; --at) {
      scores_[at] = scores_[at - 1];
      lists_[at] = lists_[at - 1];
    }
    scores_[at] = score;
    lists_[at] = list;
  }
  const std::vector<std::int32_t>& lists() const { return lists_; }

 private:
  std::vector<float> scores_;
  std::vector<std::int32_t> lists_;
};

// Calls `block(first, count, scores float [count, padded tokens])` for all centroids.
template <typename Block>
void score_centroids(const Model& model, const Query& query, const Kernels& kernels, const Block& block) {
  const Packed packed(kernels, query.codes, query.tokens, model.dim);
  const PackedQuery view = packed.view();
  std::vector<float> factors(view.tokens, 0.0f);
  std::copy_n(query.centroid_factors, query.tokens, factors.begin());
  std::vector<std::int32_t> dots(static_cast<std::size_t>(kBlockRows) * view.tokens);
  std::vector<float> scores(dots.size());
  for (int first = 0; first < model.count; first += kBlockRows) {
    const int count = std::min(kBlockRows, model.count - first);
    kernels.dots(view, model.centroids + static_cast<std::size_t>(first) * model.dim, count, dots.data());
    kernels.scaled(dots.data(), model.scales + first, factors.data(), count, view.tokens, scores.data());
    block(first, count, scores.data(), view.tokens);
  }
}

// Rows of levels; padding tokens get none.
class LevelRows {
 public:
  LevelRows(const Kernels& kernels, int tokens, std::uint8_t* out)
      : kernels_(kernels), tokens_(tokens), stride_(level_stride(tokens)), out_(out) {}
  void take(int first, int count, const float* scores, int padded) const {
    for (int row = 0; row < count; ++row) {
      std::uint8_t* own = out_ + static_cast<std::size_t>(first + row) * stride_;
      kernels_.levels(scores + static_cast<std::size_t>(row) * padded, tokens_, own);
      std::fill(own + tokens_, own + stride_, 0);
    }
  }

 private:
  const Kernels& kernels_;
  int tokens_, stride_;
  std::uint8_t* out_;
};

void insert_best(const Model& model, const Query& query, const Kernels& kernels, const LevelRows& rows,
                 std::vector<std::int32_t>& chosen, int beyond) {
  std::vector<Best> best(query.tokens, Best(beyond));
  // Padding tokens never exceed.
  std::vector<float> thresholds(padded_tokens(query.tokens), std::numeric_limits<float>::infinity());
  std::fill_n(thresholds.begin(), query.tokens, -std::numeric_limits<float>::infinity());
  score_centroids(model, query, kernels, [&](int first, int count, const float* scores, int stride) {
    rows.take(first, count, scores, stride);
    for (int row = 0; row < count; ++row) {
      const float* own = scores + static_cast<std::size_t>(row) * stride;
      for (int tile = 0; tile < stride; tile += kLanes) {
        for (std::uint32_t bits = kernels.exceeding(own + tile, thresholds.data() + tile); bits; bits &= bits - 1) {
          const int t = tile + __builtin_ctz(bits);
          best[t].insert(own[t], first + row);
          thresholds[t] = best[t].threshold();
        }
      }
    }
  });
  for (const Best& own : best) chosen.insert(chosen.end(), own.lists().begin(), own.lists().end());
}

void select_best(const Model& model, const Query& query, const Kernels& kernels, const LevelRows& rows,
                 std::vector<std::int32_t>& chosen, int beyond) {
  const std::size_t count = model.count;
  std::vector<float> all(count * query.tokens);
  score_centroids(model, query, kernels, [&](int first, int here, const float* scores, int stride) {
    rows.take(first, here, scores, stride);
    for (int t = 0; t < query.tokens; ++t) {
      for (int row = 0; row < here; ++row) {
        all[t * count + first + row] = scores[static_cast<std::size_t>(row) * stride + t];
      }
    }
  });
  std::vector<std::int32_t> order(count);
  for (int t = 0; t < query.tokens; ++t) {
    const float* own = all.data() + t * count;
    const auto better = [own](std::int32_t a, std::int32_t b) {
      return own[a] > own[b] || (own[a] == own[b] && a < b);
    };
    std::iota(order.begin(), order.end(), 0);
    std::nth_element(order.begin(), order.begin() + (beyond - 1), order.end(), better);
    std::sort(order.begin(), order.begin() + beyond, better);
    chosen.insert(chosen.end(), order.begin(), order.begin() + beyond);
  }
}

}  // namespace

Probes probe(const Model& model, const Query& query, int nprobe, const Kernels& kernels,
             std::vector<std::uint8_t>& levels) {
  const int stride = level_stride(query.tokens);
  const std::size_t needed = static_cast<std::size_t>(model.count) * stride;
  if (levels.size() < needed) levels.resize(needed);
  const LevelRows rows(kernels, query.tokens, levels.data());
  Probes probes;
  if (nprobe == 0) {
    score_centroids(model, query, kernels, [&](int first, int count, const float* scores, int padded) {
      rows.take(first, count, scores, padded);
    });
    return probes;
  }
  probes.width = std::min(nprobe, model.count);
  // The best list that is not read, or the last one that is where all are.
  const int beyond = std::min(nprobe + 1, model.count);
  std::vector<std::int32_t> chosen;
  (beyond <= kInsertionLimit ? insert_best : select_best)(model, query, kernels, rows, chosen, beyond);
  for (int t = 0; t < query.tokens; ++t) {
    const std::int32_t* own = chosen.data() + static_cast<std::size_t>(t) * beyond;
    const auto level = [&](int i) { return levels[static_cast<std::size_t>(own[i]) * stride + t]; };
    for (int i = 0; i < probes.width; ++i) {
      probes.lists.push_back(own[i]);
      probes.levels.push_back(level(i));
    }
    probes.floors.push_back(level(beyond - 1));
  }
  return probes;
}

}  // namespace xtr

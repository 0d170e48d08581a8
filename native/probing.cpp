#include "probing.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "packing.hpp"

namespace xtr {
namespace {

// Up to so many lists are kept in order while scores pass by; for more, all scores are kept and selected from.
constexpr int kInsertionLimit = 48;

std::int32_t fixed_floor(float following, float margin) {
  return static_cast<std::int32_t>(std::clamp(std::nearbyintf(following - margin), -kFixedLimit, kFixedLimit));
}

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
  const std::vector<float>& scores() const { return scores_; }
  const std::vector<std::int32_t>& lists() const { return lists_; }

 private:
  std::vector<float> scores_;
  std::vector<std::int32_t> lists_;
};

void take(Probes& probes, int token, std::vector<std::pair<std::int32_t, float>>& chosen) {
  std::sort(chosen.begin(), chosen.end());
  for (int i = 0; i < probes.width; ++i) {
    probes.lists[static_cast<std::size_t>(token) * probes.width + i] = chosen[i].first;
    probes.scores[static_cast<std::size_t>(token) * probes.width + i] = chosen[i].second;
  }
}

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

void insert_best(const Model& model, const Query& query, const Kernels& kernels, Probes& probes) {
  const int beyond = std::min(probes.width + 1, model.count);
  std::vector<Best> best(query.tokens, Best(beyond));
  // Padding tokens never exceed.
  std::vector<float> thresholds(padded_tokens(query.tokens), std::numeric_limits<float>::infinity());
  std::fill_n(thresholds.begin(), query.tokens, -std::numeric_limits<float>::infinity());
  score_centroids(model, query, kernels, [&](int first, int count, const float* scores, int stride) {
    for (int row = 0; row < count; ++row) {
      const float* own = scores + static_cast<std::size_t>(row) * stride;
      if (!kernels.exceeds(own, thresholds.data(), stride)) continue;
      for (int t = 0; t < query.tokens; ++t) {
        if (own[t] > thresholds[t]) {
          best[t].insert(own[t], first + row);
          thresholds[t] = best[t].threshold();
        }
      }
    }
  });
  std::vector<std::pair<std::int32_t, float>> chosen(probes.width);
  for (int t = 0; t < query.tokens; ++t) {
    for (int i = 0; i < probes.width; ++i) chosen[i] = {best[t].lists()[i], best[t].scores()[i]};
    probes.floors[t] = fixed_floor(best[t].scores()[beyond - 1], query.margins[t]);
    take(probes, t, chosen);
  }
}

void select_best(const Model& model, const Query& query, const Kernels& kernels, Probes& probes) {
  const std::size_t count = model.count;
  std::vector<float> all(count * query.tokens);
  score_centroids(model, query, kernels, [&](int first, int rows, const float* scores, int stride) {
    for (int t = 0; t < query.tokens; ++t) {
      for (int row = 0; row < rows; ++row) {
        all[t * count + first + row] = scores[static_cast<std::size_t>(row) * stride + t];
      }
    }
  });
  std::vector<std::int32_t> order(count);
  std::vector<std::pair<std::int32_t, float>> chosen(probes.width);
  for (int t = 0; t < query.tokens; ++t) {
    const float* own = all.data() + t * count;
    const auto better = [own](std::int32_t a, std::int32_t b) { return own[a] > own[b] || (own[a] == own[b] && a < b); };
    std::iota(order.begin(), order.end(), 0);
    const std::size_t beyond = std::min<std::size_t>(probes.width + 1, count);
    std::nth_element(order.begin(), order.begin() + (beyond - 1), order.end(), better);
    const float following = own[order[beyond - 1]];
    std::nth_element(order.begin(), order.begin() + (probes.width - 1), order.begin() + beyond, better);
    for (int i = 0; i < probes.width; ++i) chosen[i] = {order[i], own[order[i]]};
    probes.floors[t] = fixed_floor(following, query.margins[t]);
    take(probes, t, chosen);
  }
}

}  // namespace

Probes best_lists(const Model& model, const Query& query, int nprobe, const Kernels& kernels) {
  Probes probes;
  probes.width = std::min(nprobe, model.count);
  probes.lists.resize(static_cast<std::size_t>(query.tokens) * probes.width);
  probes.scores.resize(probes.lists.size());
  probes.floors.resize(query.tokens);
  if (probes.width < kInsertionLimit) {
    insert_best(model, query, kernels, probes);
  } else {
    select_best(model, query, kernels, probes);
  }
  return probes;
}

}  // namespace xtr

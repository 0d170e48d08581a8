#include "dense.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace dense {
namespace {

struct Found {
  float score;
  std::int64_t row;
};

inline bool better(const Found& a, const Found& b) { return a.score > b.score || (a.score == b.score && a.row < b.row); }

// The best so far, in no order, and more until they are cut: most rows fall below the threshold and cost a comparison.
class Pool {
 public:
  Pool(std::int64_t wanted, std::vector<Found>& held)
      : wanted_(static_cast<std::size_t>(wanted)), limit_(2 * wanted_ + 64), held_(held) {
    held_.clear();
  }
  float threshold() const { return threshold_; }
  void take(float score, std::int64_t row) {
    held_.push_back({score, row});
    if (held_.size() >= limit_) cut();
  }
  const std::vector<Found>& finish() {
    cut();
    std::sort(held_.begin(), held_.end(), better);
    return held_;
  }

 private:
  void cut() {
    if (held_.size() <= wanted_) return;
    std::nth_element(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(wanted_ - 1), held_.end(), better);
    threshold_ = held_[wanted_ - 1].score;
    held_.resize(wanted_);
  }

  std::size_t wanted_, limit_;
  float threshold_ = -std::numeric_limits<float>::infinity();
  std::vector<Found>& held_;
};

// One per thread and kept.
struct Scratch {
  std::vector<Found> held;
  std::vector<float> closeness, factors, turned;
  std::vector<std::int32_t> order;
  std::vector<std::int8_t> values, upper;
  std::vector<std::int16_t> wide;
};

Scratch& scratch() {
  thread_local Scratch own;
  return own;
}

// The same on every machine: plain loops in a stated order, never contracted.
Weights weigh(const float* low, const float* span, int dim, int bits, const float* query, Scratch& own, float& bias) {
  const int bytes = bits == 8 ? dim : (dim + 1) / 2;
  const auto padded = static_cast<std::size_t>((bytes + 63) / 64 * 64);
  const float largest = bits == 8 ? 255.0f : 15.0f;
  own.factors.resize(static_cast<std::size_t>(dim));
  own.values.assign(padded, 0);
  own.upper.assign(padded, 0);
  own.wide.assign(padded, 0);
  double constant = 0;
  float peak = 0;
  for (int i = 0; i < dim; ++i) {
    const float step = span[i] / largest;
    own.factors[i] = query[i] * step;
    constant += static_cast<double>(query[i]) * (static_cast<double>(low[i]) + 0.5 * static_cast<double>(step));
    peak = std::max(peak, std::fabs(own.factors[i]));
  }
  const float scale = peak / 127.0f, inverse = peak > 0 ? 127.0f / peak : 0.0f;
  for (int i = 0; i < dim; ++i) {
    const auto whole = static_cast<std::int8_t>(std::nearbyintf(own.factors[i] * inverse));
    if (bits == 8) {
      own.wide[i] = own.values[i] = whole;
    } else {
      (i % 2 ? own.upper : own.values)[static_cast<std::size_t>(i / 2)] = whole;
    }
  }
  bias = static_cast<float>(constant);
  return {own.values.data(), bits == 8 ? nullptr : own.upper.data(), own.wide.data(), bytes, scale};
}

void scan(const Kernels& kernels, const Weights& weights, const List& list, float bias, const std::uint8_t* allowed,
          Pool& pool) {
  alignas(64) float scores[kLanes];
  const auto score = weights.upper ? kernels.score_halves : kernels.score;
  for (std::int64_t first = 0; first < list.count; first += kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(kLanes, list.count - first));
    std::uint32_t bits = score(weights, list.codes + first * weights.bytes, count, bias, pool.threshold(), scores);
    for (; bits; bits &= bits - 1) {
      const int at = __builtin_ctz(bits);
      const std::int64_t row = list.rows[first + at];
      if (!allowed || allowed[row]) pool.take(scores[at], row);
    }
  }
}

}  // namespace

Scanner::Scanner(Codes codes, const Kernels& kernels) : codes_(std::move(codes)), kernels_(kernels) {
  const auto dim = static_cast<std::size_t>(codes_.dim);
  coarse_.low.assign(dim, std::numeric_limits<float>::infinity());
  coarse_.span.assign(dim, -std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < codes_.lists.size() * dim; ++i) {
    coarse_.low[i % dim] = std::min(coarse_.low[i % dim], codes_.centroids[i]);
    coarse_.span[i % dim] = std::max(coarse_.span[i % dim], codes_.centroids[i]);
  }
  for (std::size_t d = 0; d < dim; ++d) coarse_.span[d] -= coarse_.low[d];
  coarse_.codes.resize(codes_.lists.size() * dim);
  for (std::size_t i = 0; i < coarse_.codes.size(); ++i) {
    const float span = coarse_.span[i % dim];
    const float share = span > 0 ? (codes_.centroids[i] - coarse_.low[i % dim]) / span : 0.0f;
    coarse_.codes[i] = static_cast<std::uint8_t>(std::clamp(static_cast<int>(share * 255.0f), 0, 255));
  }
}

void Scanner::search(const float* query, int nprobe, std::int64_t wanted, const std::uint8_t* allowed, float* scores,
                     std::int64_t* rows) const {
  Scratch& own = scratch();
  const int count = static_cast<int>(codes_.lists.size()), dim = codes_.dim;
  if (codes_.axes) {
    own.turned.resize(static_cast<std::size_t>(dim));
    kernels_.products(codes_.axes, dim, codes_.query_dim, query, own.turned.data());
    query = own.turned.data();
  }
  // Room for whole blocks of sixteen.
  own.closeness.resize(static_cast<std::size_t>(count) + kLanes);
  float* closeness = own.closeness.data();
  float bias = 0;
  const Weights nearness = weigh(coarse_.low.data(), coarse_.span.data(), dim, 8, query, own, bias);
  for (int first = 0; first < count; first += kLanes) {
    kernels_.score(nearness, coarse_.codes.data() + static_cast<std::size_t>(first) * dim, std::min(kLanes, count - first),
                   bias, 0, closeness + first);
  }
  own.order.resize(static_cast<std::size_t>(count));
  std::iota(own.order.begin(), own.order.end(), 0);
  const auto nearer = [closeness](std::int32_t a, std::int32_t b) {
    return closeness[a] > closeness[b] || (closeness[a] == closeness[b] && a < b);
  };
  const auto last = own.order.begin() + std::min(nprobe, count);
  if (last != own.order.end()) std::nth_element(own.order.begin(), last, own.order.end(), nearer);
  // The nearest list first: it raises the threshold at once.
  std::sort(own.order.begin(), last, nearer);

  const Weights weights = weigh(codes_.low, codes_.span, dim, codes_.bits, query, own, bias);
  Pool pool(wanted, own.held);
  for (auto at = own.order.begin(); at != last; ++at) {
    // Lists lie apart: the beginning of the next one is on its way while this one is read.
    if (at + 1 != last) {
      const std::uint8_t* next = codes_.lists[static_cast<std::size_t>(at[1])].codes;
      for (int line = 0; line < 4; ++line) __builtin_prefetch(next + line * 64);
    }
    float near = 0;
    if (codes_.residual) {
      kernels_.products(codes_.centroids + static_cast<std::size_t>(*at) * dim, 1, dim, query, &near);
    }
    scan(kernels_, weights, codes_.lists[static_cast<std::size_t>(*at)], bias + near, allowed, pool);
  }
  const std::vector<Found>& best = pool.finish();
  const auto kept = std::min<std::size_t>(best.size(), static_cast<std::size_t>(wanted));
  for (std::size_t i = 0; i < kept; ++i) {
    scores[i] = best[i].score;
    rows[i] = best[i].row;
  }
  std::fill(scores + kept, scores + wanted, -std::numeric_limits<float>::infinity());
  std::fill(rows + kept, rows + wanted, -1);
}

}  // namespace dense

#include "dense/scanner.hpp"

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

inline bool better(const Found& a, const Found& b) {
  return a.score > b.score || (a.score == b.score && a.row < b.row);
}

// The best so far, in no order, and more until they are cut: most rows fall below the threshold and cost a comparison.
class Pool {
 public:
  Pool(std::int64_t wanted, std::vector<Found>& held)
      : wanted_(static_cast<std::size_t>(wanted)),
        limit_(wanted_ + std::max<std::size_t>(16, wanted_ / 2)),
        held_(held) {
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
  std::vector<std::int16_t> wide, rounded;
};

Scratch& scratch() {
  thread_local Scratch own;
  return own;
}

const Stored* part_of(const std::vector<Stored>& parts, std::int64_t row) {
  const auto after = std::upper_bound(parts.begin(), parts.end(), row,
                                      [](std::int64_t value, const Stored& part) { return value < part.first; });
  if (after == parts.begin()) return nullptr;
  const Stored& part = *(after - 1);
  return row < part.end ? &part : nullptr;
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

void score_stored(const std::vector<Stored>& parts, int dim, const Kernels& kernels, const float* query,
                  const std::int64_t* rows, std::int64_t count, float* scores) {
  // Rows lie apart: so many ahead are on their way while one is multiplied. 2 to 8 measure alike.
  constexpr std::int64_t kAhead = 4;
  const auto address = [&](std::int64_t row, const Stored*& part) -> const char* {
    part = part_of(parts, row);
    const std::size_t bytes = part && part->whole ? 4 : 2;
    return part ? static_cast<const char*>(part->vectors) + static_cast<std::size_t>(row - part->first) * dim * bytes
                : nullptr;
  };
  const Stored* part = nullptr;
  for (std::int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) {
      if (const char* next = address(rows[i + kAhead], part)) {
        for (int line = 0; line < 2 * dim; line += 64) __builtin_prefetch(next + line);
      }
    }
    const char* at = address(rows[i], part);
    if (!at) {
      scores[i] = -std::numeric_limits<float>::infinity();
    } else if (part->whole) {
      kernels.products(reinterpret_cast<const float*>(at), 1, dim, query, scores + i);
    } else {
      scores[i] = kernels.half_product(reinterpret_cast<const std::uint16_t*>(at), dim, query);
    }
  }
}

void best_of(const float* scores, const std::int64_t* rows, std::int64_t count, std::int64_t wanted, float* best,
             std::int64_t* at) {
  std::vector<Found>& held = scratch().held;
  held.clear();
  for (std::int64_t i = 0; i < count; ++i) {
    if (scores[i] > -std::numeric_limits<float>::infinity()) held.push_back({scores[i], rows[i]});
  }
  const auto kept = std::min<std::size_t>(held.size(), static_cast<std::size_t>(wanted));
  std::partial_sort(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(kept), held.end(), better);
  for (std::size_t i = 0; i < kept; ++i) {
    best[i] = held[i].score;
    at[i] = held[i].row;
  }
  std::fill(best + kept, best + wanted, -std::numeric_limits<float>::infinity());
  std::fill(at + kept, at + wanted, -1);
}

Scanner::Grid Scanner::grid(const float* low, const float* span, int dim, int bits) {
  Grid made{{}, {}, bits};
  const float largest = bits == 8 ? 255.0f : 15.0f;
  for (int i = 0; i < dim; ++i) {
    made.steps.push_back(span[i] / largest);
    made.offsets.push_back(low[i] + 0.5f * made.steps.back());
  }
  return made;
}

Scanner::Scanner(Codes codes, const Kernels& kernels)
    : codes_(std::move(codes)), grid_(grid(codes_.low, codes_.span, codes_.dim, codes_.bits)), kernels_(kernels) {
  const auto dim = static_cast<std::size_t>(codes_.dim);
  std::vector<float> low(dim, std::numeric_limits<float>::infinity()), span(dim, -low[0]);
  coarse_.resize(codes_.lists.size() * dim);
  for (std::size_t i = 0; i < coarse_.size(); ++i) {
    low[i % dim] = std::min(low[i % dim], codes_.centroids[i]);
    span[i % dim] = std::max(span[i % dim], codes_.centroids[i]);
  }
  for (std::size_t d = 0; d < dim; ++d) span[d] -= low[d];
  for (std::size_t i = 0; i < coarse_.size(); ++i) {
    const float share = span[i % dim] > 0 ? (codes_.centroids[i] - low[i % dim]) / span[i % dim] : 0.0f;
    coarse_[i] = static_cast<std::uint8_t>(std::clamp(static_cast<int>(share * 255.0f), 0, 255));
  }
  coarse_grid_ = grid(low.data(), span.data(), codes_.dim, 8);
}

// The same on every machine: each step is of one dimension, or a maximum, or a sum in a stated order.
Weights Scanner::weigh(const Grid& grid, const float* query, float& bias) const {
  Scratch& own = scratch();
  const int dim = codes_.dim, bytes = grid.bits == 8 ? dim : (dim + 1) / 2;
  const auto padded = static_cast<std::size_t>((bytes + 63) / 64 * 64);
  own.factors.resize(static_cast<std::size_t>(dim));
  own.rounded.resize(static_cast<std::size_t>(dim));
  float* factors = own.factors.data();
  float peaks[kLanes] = {};
  for (int i = 0; i < dim; ++i) factors[i] = query[i] * grid.steps[static_cast<std::size_t>(i)];
  for (int i = 0; i < dim; ++i) {
    const float size = std::fabs(factors[i]);
    float& peak = peaks[i % kLanes];
    peak = size > peak ? size : peak;
  }
  const float peak = *std::max_element(peaks, peaks + kLanes);
  const float scale = peak / 127.0f, inverse = peak > 0 ? 127.0f / peak : 0.0f;
  // Adding and taking away 1.5 x 2^23 rounds to the nearest whole number, ties to even.
  constexpr float kWhole = 12582912.0f, kLargest = std::numeric_limits<float>::max();
  std::int16_t* rounded = own.rounded.data();
  if (peak <= kLargest && inverse <= kLargest) {
    for (int i = 0; i < dim; ++i) rounded[i] = static_cast<std::int16_t>((factors[i] * inverse + kWhole) - kWhole);
  } else {
    // Of a query so small that the inverse is no number each share is a quotient; one so large that its products are
    // none says nothing.
    for (int i = 0; i < dim; ++i) {
      const float share = peak <= kLargest ? factors[i] / peak * 127.0f : 0.0f;
      rounded[i] = static_cast<std::int16_t>((share + kWhole) - kWhole);
    }
  }
  own.values.assign(padded, 0);
  own.upper.assign(padded, 0);
  own.wide.assign(padded, 0);
  if (grid.bits == 8) {
    for (int i = 0; i < dim; ++i) own.values[i] = static_cast<std::int8_t>(own.wide[i] = rounded[i]);
  } else {
    for (int i = 0; i < dim; ++i) (i % 2 ? own.upper : own.values)[i / 2] = static_cast<std::int8_t>(rounded[i]);
  }
  kernels_.products(grid.offsets.data(), 1, dim, query, &bias);
  return {own.values.data(), grid.bits == 8 ? nullptr : own.upper.data(), own.wide.data(), bytes, scale};
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
  const Weights nearness = weigh(coarse_grid_, query, bias);
  for (int first = 0; first < count; first += kLanes) {
    kernels_.score(nearness, coarse_.data() + static_cast<std::size_t>(first) * dim, std::min(kLanes, count - first),
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

  const Weights weights = weigh(grid_, query, bias);
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

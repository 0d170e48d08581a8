#include "lexical/scan.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

namespace lexical {
namespace {

// Postings whose values are computed before they are added: the compiler divides several at a time, and they stay in L1.
constexpr std::int64_t kBlock = 256;
// Rows of which one comparison says that none is among the best.
constexpr std::int64_t kStride = 16;

[[noreturn]] void leaves_rows(std::size_t part) { throw std::out_of_range(std::to_string(part)); }

// Whether every row number of a block lies in the part; a negative one is large as an unsigned one.
bool within(const std::int32_t* documents, std::int64_t count, std::int64_t rows) {
  std::uint32_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, static_cast<std::uint32_t>(documents[i]));
  return static_cast<std::int64_t>(largest) < rows;
}

float value(float weight, std::uint16_t count, float norm) {
  const float tf = count;
  return weight * (tf / (tf + norm));
}

// Collects the best k of rows that come in ascending order: a later row with an equal score never counts.
class Collector {
 public:
  explicit Collector(std::int64_t k) : k_(static_cast<std::size_t>(k)) {}

  float floor() const { return floor_; }

  void take(float score, std::int64_t row) {
    heap_.emplace_back(score, row);
    std::push_heap(heap_.begin(), heap_.end(), better);
    if (heap_.size() > k_) {
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.pop_back();
    }
    if (heap_.size() == k_) floor_ = heap_.front().first;
  }

  Best finish() {
    std::sort_heap(heap_.begin(), heap_.end(), better);
    Best best;
    for (const auto& [score, row] : heap_) {
      best.scores.push_back(score);
      best.rows.push_back(row);
    }
    return best;
  }

 private:
  using Scored = std::pair<float, std::int64_t>;
  static bool better(const Scored& one, const Scored& other) {
    return one.first > other.first || (one.first == other.first && one.second < other.second);
  }

  std::size_t k_;
  float floor_ = 0;
  std::vector<Scored> heap_;
};

}  // namespace

Scan::Scan(std::vector<Part> parts, const float* norms, const std::uint8_t* live, std::int64_t end_row)
    : parts_(std::move(parts)), norms_(norms), live_(live), end_row_(end_row) {
  for (const Part& part : parts_) {
    const std::uint8_t* own = live + part.base;
    whole_.push_back(std::all_of(own, own + part.rows, [](std::uint8_t one) { return one != 0; }));
  }
}

std::int64_t Scan::number_of(std::size_t part, std::string_view term) const {
  const Part& own = parts_[part];
  const auto at = [&](std::int64_t number) {
    return std::string_view(own.terms + own.term_bounds[number],
                            static_cast<std::size_t>(own.term_bounds[number + 1] - own.term_bounds[number]));
  };
  std::int64_t low = 0, high = own.term_count;
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (at(middle) < term) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < own.term_count && at(low) == term ? low : -1;
}

std::int64_t Scan::live_rows(std::size_t part, std::int64_t number) const {
  const Part& own = parts_[part];
  const std::int64_t begin = own.lists[number], end = own.lists[number + 1];
  if (whole_[part]) return end - begin;
  const std::uint8_t* live = live_ + own.base;
  std::int64_t count = 0;
  for (std::int64_t start = begin; start < end; start += kBlock) {
    const std::int64_t size = std::min(kBlock, end - start);
    const std::int32_t* documents = own.documents + start;
    if (!within(documents, size, own.rows)) leaves_rows(part);
    for (std::int64_t i = 0; i < size; ++i) count += live[documents[i]] != 0;
  }
  return count;
}

void Scan::add(std::size_t part, std::int64_t number, float weight, float* totals) const {
  const Part& own = parts_[part];
  const float* norms = norms_ + own.base;
  float* sums = totals + own.base;
  float values[kBlock];
  for (std::int64_t start = own.lists[number]; start < own.lists[number + 1]; start += kBlock) {
    const std::int64_t size = std::min(kBlock, own.lists[number + 1] - start);
    const std::int32_t* documents = own.documents + start;
    const std::uint16_t* counts = own.counts + start;
    if (!within(documents, size, own.rows)) leaves_rows(part);
    for (std::int64_t i = 0; i < size; ++i) values[i] = norms[documents[i]];
    for (std::int64_t i = 0; i < size; ++i) values[i] = value(weight, counts[i], values[i]);
    for (std::int64_t i = 0; i < size; ++i) sums[documents[i]] += values[i];
  }
}

Best Scan::search(const std::int64_t* lists, const float* weights, std::size_t terms, std::int64_t k,
                  const std::uint8_t* allowed) const {
  // Kept by the thread: to ask the system for it anew costs as much as a query of rare terms.
  thread_local std::vector<float> totals;
  totals.assign(static_cast<std::size_t>(end_row_), 0.0f);
  for (std::size_t term = 0; term < terms; ++term) {
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      const std::int64_t number = lists[part * terms + term];
      if (number >= 0) add(part, number, weights[term], totals.data());
    }
  }
  Collector best(k);
  for (std::int64_t start = 0; start < end_row_; start += kStride) {
    const std::int64_t end = std::min(start + kStride, end_row_);
    const float floor = best.floor();
    int above = 0;
    for (std::int64_t row = start; row < end; ++row) above |= totals[row] > floor;
    if (!above) continue;
    for (std::int64_t row = start; row < end; ++row) {
      if (totals[row] > best.floor() && live_[row] && (!allowed || allowed[row])) best.take(totals[row], row);
    }
  }
  return best.finish();
}

void Scan::score(const std::int64_t* lists, const float* weights, std::size_t terms, const std::int64_t* rows,
                 std::size_t count, float* out) const {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!std::is_sorted(rows, rows + count)) {
    std::sort(order.begin(), order.end(), [&](std::size_t one, std::size_t other) { return rows[one] < rows[other]; });
  }
  std::fill(out, out + count, 0.0f);
  std::size_t first = 0;
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    const Part& own = parts_[part];
    while (first < count && rows[order[first]] < own.base) ++first;
    std::size_t last = first;
    while (last < count && rows[order[last]] < own.base + own.rows) ++last;
    for (std::size_t term = 0; term < terms && first < last; ++term) {
      const std::int64_t number = lists[part * terms + term];
      if (number < 0) continue;
      const std::int32_t* const begin = own.documents + own.lists[number];
      const std::int32_t* const end = own.documents + own.lists[number + 1];
      const std::int32_t* at = begin;
      for (std::size_t i = first; i < last && at < end; ++i) {
        const std::int64_t row = rows[order[i]];
        const auto document = static_cast<std::int32_t>(row - own.base);
        // Rows ascend: the next one lies a little further on, seldom far.
        std::ptrdiff_t step = 1;
        const std::int32_t* low = at;
        while (step < end - low && low[step] < document) {
          low += step;
          step *= 2;
        }
        at = std::lower_bound(low, low + std::min<std::ptrdiff_t>(step + 1, end - low), document);
        if (at < end && *at == document) {
          out[order[i]] += value(weights[term], own.counts[at - own.documents], norms_[row]);
        }
      }
    }
    first = last;
  }
}

}  // namespace lexical

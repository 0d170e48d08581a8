#include "lexical/scan.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

namespace lexical {
namespace {

// Postings whose values are computed before they are added: the compiler divides several at a time, and they stay in
// L1.
constexpr std::int64_t kBlock = 256;
// Rows of which one number says whether any may be among the best.
constexpr std::int64_t kStride = 16;

[[noreturn]] void leaves_rows(std::size_t part) { throw std::out_of_range(std::to_string(part)); }

// Whether every row number of a block lies in the part: the highest bit is set in a negative one, and in what is left
// up to the last row where there is less than nothing left.
bool within(const std::int32_t* documents, std::int64_t count, std::int64_t rows) {
  const auto last = static_cast<std::uint32_t>(rows - 1);
  std::uint32_t bits = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto document = static_cast<std::uint32_t>(documents[i]);
    bits |= document | (last - document);
  }
  return !(bits >> 31);
}

float value(float weight, std::uint16_t count, float norm) {
  const float tf = count;
  return weight * (tf / (tf + norm));
}

// Zero where a row is not allowed, by the bits: compilers take sixteen rows at a time, where a product or a choice of
// floats is a branch for each.
void keep(float* totals, const std::uint8_t* __restrict allowed, std::int64_t count) {
  auto* __restrict bits = reinterpret_cast<std::uint32_t*>(totals);
  for (std::int64_t row = 0; row < count; ++row) bits[row] &= 0u - static_cast<std::uint32_t>(allowed[row] != 0);
}

// Of floats that are not negative the larger one has the larger bits, whose maximum compilers take several at a time.
std::int32_t bits_of(float value) {
  std::int32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// The best k of totals [count], none below 0, that are above 0. The maxima of strides come first: where k strides have
// one so large, a row below the k-th of them is not among the best, and most strides are not looked into again.
Best best_of(const float* totals, std::int64_t count, std::int64_t k) {
  std::vector<std::int32_t> maxima;
  maxima.reserve(static_cast<std::size_t>(count / kStride + 1));
  for (std::int64_t start = 0; start < count; start += kStride) {
    const std::int64_t end = std::min(start + kStride, count);
    std::int32_t most = 0;
    for (std::int64_t row = start; row < end; ++row) most = std::max(most, bits_of(totals[row]));
    maxima.push_back(most);
  }
  std::int32_t least = 1;
  if (k <= static_cast<std::int64_t>(maxima.size())) {
    std::vector<std::int32_t> sorted(maxima);
    std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(), std::greater<>());
    least = std::max(least, sorted[static_cast<std::size_t>(k - 1)]);
  }
  std::vector<std::pair<std::int32_t, std::int64_t>> kept;
  for (std::size_t stride = 0; stride < maxima.size(); ++stride) {
    if (maxima[stride] < least) continue;
    const std::int64_t start = static_cast<std::int64_t>(stride) * kStride, end = std::min(start + kStride, count);
    for (std::int64_t row = start; row < end; ++row) {
      if (bits_of(totals[row]) >= least) kept.emplace_back(-bits_of(totals[row]), row);
    }
  }
  // Pairs of a score's negative and a row ascend as the best come.
  if (static_cast<std::int64_t>(kept.size()) > k) {
    std::nth_element(kept.begin(), kept.begin() + k, kept.end());
    kept.resize(static_cast<std::size_t>(k));
  }
  std::sort(kept.begin(), kept.end());
  Best best;
  for (const auto& [score, row] : kept) {
    best.scores.push_back(totals[row]);
    best.rows.push_back(row);
  }
  return best;
}

}  // namespace

Scan::Scan(std::vector<Part> parts, const float* norms, const std::uint8_t* live, std::int64_t end_row)
    : parts_(std::move(parts)), norms_(norms), live_(live), end_row_(end_row) {
  for (const Part& part : parts_) {
    const std::uint8_t* own = live + part.base;
    whole_.push_back(std::all_of(own, own + part.rows, [](std::uint8_t one) { return one != 0; }));
  }
  // What a count over an infinite norm adds is 0: a dead row is never above it, and no pass over all rows says so
  // again.
  if (std::find(whole_.begin(), whole_.end(), false) != whole_.end()) {
    search_norms_.assign(norms, norms + end_row);
    for (std::int64_t row = 0; row < end_row; ++row) {
      if (!live[row]) search_norms_[static_cast<std::size_t>(row)] = std::numeric_limits<float>::infinity();
    }
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
  const float* norms = (search_norms_.empty() ? norms_ : search_norms_.data()) + own.base;
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
  if (allowed) keep(totals.data(), allowed, end_row_);
  return best_of(totals.data(), end_row_, k);
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

#include <algorithm>
#include <cmath>
#include <functional>

#include "probing.hpp"
#include "searcher.hpp"

namespace xtr {
namespace {

// What a row has gained, and the best excess of the query token that met it last: (token << 32) + excess, so that
// nothing needs resetting between tokens. Both are -1 between queries.
struct Cell {
  std::int64_t gain = -1;
  std::int64_t best = -1;
};

// One per thread and kept: a million rows are 16 MB, and clearing them would cost more than a search.
struct Scratch {
  std::vector<Cell> cells;
  std::vector<std::int32_t> rows, scores, sorted, chosen, products;
  std::vector<std::int64_t> touched;
};

Scratch& scratch_for(std::int64_t rows) {
  thread_local Scratch scratch;
  if (static_cast<std::int64_t>(scratch.cells.size()) < rows) scratch.cells.resize(rows);
  return scratch;
}

// Gives cells back as they were found, whatever happens on the way.
struct Restore {
  Scratch& scratch;
  ~Restore() {
    for (const std::int64_t row : scratch.touched) scratch.cells[row] = Cell{};
    scratch.touched.clear();
  }
};

// Postings of a list that are whole and allowed: their numbers from the list's first.
int choose(const Segment& segment, std::int32_t start, std::int32_t stop, const std::uint8_t* allowed,
           std::int32_t* chosen) {
  int count = 0;
  const std::uint8_t* own = allowed ? allowed + segment.base_row : nullptr;
  const auto rows = static_cast<std::uint64_t>(segment.rows);
  for (std::int32_t posting = start; posting < stop; ++posting) {
    const std::int32_t position = segment.positions[posting];
    // A damaged position must not lead out of the segment; negative ones become huge.
    const bool inside = static_cast<std::uint64_t>(static_cast<std::int64_t>(position)) < rows;
    chosen[count] = posting;
    count += inside && (!own || own[position]);
  }
  return count;
}

// The rows of most gain, ascending; equal gains by ascending row.
std::vector<std::int64_t> best_rows(const Scratch& scratch, std::int64_t limit) {
  std::vector<std::int64_t> rows = scratch.touched;
  if (static_cast<std::int64_t>(rows.size()) > limit) {
    // A histogram finds about where the cut lies; only rows in its bucket are put in order.
    constexpr int kBuckets = 2048;
    std::int64_t top = 0;
    for (const std::int64_t row : rows) top = std::max(top, scratch.cells[row].gain);
    int shift = 0;
    while ((top >> shift) >= kBuckets) ++shift;
    std::int64_t counts[kBuckets] = {};
    for (const std::int64_t row : rows) ++counts[scratch.cells[row].gain >> shift];
    std::int64_t above = 0;
    int bucket = kBuckets - 1;
    while (above + counts[bucket] < limit) above += counts[bucket--];
    std::vector<std::int64_t> edge;
    std::size_t kept = 0;
    for (const std::int64_t row : rows) {
      const std::int64_t own = scratch.cells[row].gain >> shift;
      if (own > bucket) rows[kept++] = row;
      if (own == bucket) edge.push_back(row);
    }
    const auto better = [&](std::int64_t a, std::int64_t b) {
      const std::int64_t left = scratch.cells[a].gain, right = scratch.cells[b].gain;
      return left > right || (left == right && a < b);
    };
    const std::size_t wanted = static_cast<std::size_t>(limit) - kept;
    std::nth_element(edge.begin(), edge.begin() + (wanted - 1), edge.end(), better);
    rows.resize(kept);
    rows.insert(rows.end(), edge.begin(), edge.begin() + wanted);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace

Candidates Searcher::retrieve(const Query& query, int nprobe, std::int64_t k_prime, std::int64_t limit,
                              const std::uint8_t* allowed) const {
  const Probes probes = best_lists(model_, query, nprobe, kernels_);
  Scratch& scratch = scratch_for(end_row_);
  const Restore restore{scratch};
  const int packed_dim = model_.packed_dim(), padded = (packed_dim + 63) / 64 * 64;
  std::uint8_t levels[16];
  for (int i = 0; i < 16; ++i) levels[i] = static_cast<std::uint8_t>(model_.levels[i] + 64);
  std::vector<std::int8_t> low(padded), high(padded);
  Candidates found;
  for (int token = 0; token < query.tokens; ++token) {
    const std::int8_t* codes = query.residual_codes + static_cast<std::size_t>(token) * 2 * packed_dim;
    std::copy_n(codes, packed_dim, low.begin());
    std::copy_n(codes + packed_dim, packed_dim, high.begin());
    std::int32_t sum = 0;
    for (int i = 0; i < 2 * packed_dim; ++i) sum += codes[i];
    const ResidualQuery residual{levels, low.data(), high.data(), 64 * sum, packed_dim};

    std::size_t count = 0;
    for (const Segment& segment : segments_) {
      for (int probe = 0; probe < probes.width; ++probe) {
        const std::size_t at = static_cast<std::size_t>(token) * probes.width + probe;
        const std::int32_t list = probes.lists[at];
        const std::int32_t start = segment.lists[list], stop = segment.lists[list + 1];
        if (start == stop) continue;
        const std::size_t room = count + static_cast<std::size_t>(stop - start);
        // In steps, so that growing costs little; 16 beyond for whole registers.
        if (scratch.rows.size() < room) {
          scratch.rows.resize(2 * room);
          scratch.scores.resize(2 * room);
        }
        if (scratch.chosen.size() < static_cast<std::size_t>(stop - start)) {
          scratch.chosen.resize(2 * static_cast<std::size_t>(stop - start));
          scratch.products.resize(scratch.chosen.size());
        }
        const int chosen = choose(segment, start, stop, allowed, scratch.chosen.data());
        kernels_.residual_dots(segment.residuals, scratch.chosen.data(), chosen, residual, scratch.products.data());
        const float list_score = probes.scores[at], factor = query.residual_factors[token];
        const auto base = static_cast<std::int32_t>(segment.base_row);
        for (int i = 0; i < chosen; ++i) {
          const float score = list_score + static_cast<float>(scratch.products[i]) * factor;
          const float whole = std::min(std::max(std::nearbyintf(score), -kFixedLimit), kFixedLimit);
          scratch.scores[count + i] = static_cast<std::int32_t>(whole);
          scratch.rows[count + i] = base + segment.positions[scratch.chosen[i]];
        }
        count += chosen;
      }
    }
    found.retrieved += static_cast<std::int64_t>(count);
    std::int32_t floor = probes.floors[token];
    if (static_cast<std::int64_t>(count) > k_prime) {
      scratch.sorted.assign(scratch.scores.begin(), scratch.scores.begin() + count);
      const auto kth = scratch.sorted.begin() + (k_prime - 1);
      std::nth_element(scratch.sorted.begin(), kth, scratch.sorted.end(), std::greater<>());
      floor = std::max(floor, *kth);
    }
    const std::int64_t stamp = static_cast<std::int64_t>(token) << 32;
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t excess = static_cast<std::int64_t>(scratch.scores[i]) - floor;
      if (excess < 0) continue;
      Cell& cell = scratch.cells[scratch.rows[i]];
      const std::int64_t best = stamp + excess;
      if (best <= cell.best) continue;
      if (cell.gain < 0) {
        scratch.touched.push_back(scratch.rows[i]);
        cell.gain = 0;
      }
      cell.gain += cell.best >= stamp ? best - cell.best : excess;
      cell.best = best;
    }
  }
  found.touched = static_cast<std::int64_t>(scratch.touched.size());
  found.rows = best_rows(scratch, limit);
  return found;
}

}  // namespace xtr

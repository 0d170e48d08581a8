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
  std::vector<std::int32_t> rows, scores, sorted, chosen;
  std::vector<std::int64_t> touched;
  std::size_t touched_count = 0;

  // In steps, so that growing costs little.
  void reserve(std::size_t postings, std::size_t listed) {
    if (scores.size() < postings) {
      scores.resize(2 * postings);
      rows.resize(2 * postings);
    }
    if (chosen.size() < listed) chosen.resize(2 * listed);
  }
};

// Gives cells back as they were found, whatever happens on the way.
struct Restore {
  Scratch& scratch;
  ~Restore() {
    for (std::size_t i = 0; i < scratch.touched_count; ++i) scratch.cells[scratch.touched[i]] = Cell{};
    scratch.touched_count = 0;
  }
};

// Adds what postings of one query token exceed its floor by; returns how many rows are touched now. Not inlined: within
// its caller the compiler would ask for the thread's scratch again at every posting.
__attribute__((noinline)) std::size_t accumulate(Cell* cells, std::int32_t* rows, std::int32_t* scores,
                                                 std::size_t count, std::int32_t floor, std::int64_t stamp,
                                                 std::int64_t* touched, std::size_t touched_count) {
  // Without a branch: half of the postings lie below the floor, in no order that a processor could foresee.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t score = scores[i], row = rows[i];
    scores[kept] = score;
    rows[kept] = row;
    kept += score >= floor;
  }
  for (std::size_t i = 0; i < kept; ++i) {
    if (i + 16 < kept) __builtin_prefetch(cells + rows[i + 16], 1);
    const std::int64_t excess = static_cast<std::int64_t>(scores[i]) - floor;
    Cell& cell = cells[rows[i]];
    const std::int64_t best = stamp + excess;
    // What the row had: this token's best so far, or nothing; without a branch here either.
    const std::int64_t before = std::max(cell.best, stamp);
    touched[touched_count] = rows[i];
    touched_count += cell.gain < 0;
    cell.gain = std::max<std::int64_t>(cell.gain, 0) + std::max<std::int64_t>(best - before, 0);
    cell.best = std::max(before, best);
  }
  return touched_count;
}

Scratch& scratch_for(std::int64_t rows) {
  thread_local Scratch scratch;
  if (static_cast<std::int64_t>(scratch.cells.size()) < rows) scratch.cells.resize(rows);
  return scratch;
}

// Postings of a list that are whole and allowed: their numbers from the list's first.
int choose(const Segment& segment, const std::int32_t* positions, int listed, const std::uint8_t* allowed,
           std::int32_t* chosen) {
  int count = 0;
  const std::uint8_t* own = allowed ? allowed + segment.base_row : nullptr;
  for (int i = 0; i < listed; ++i) {
    chosen[count] = i;
    // A damaged position must not lead out of the segment; negative ones become huge.
    const bool inside = static_cast<std::uint32_t>(positions[i]) < static_cast<std::uint64_t>(segment.rows);
    count += inside && (!own || own[positions[i]]);
  }
  return count;
}

// The rows of most gain, ascending; equal gains by ascending row.
__attribute__((noinline)) std::vector<std::int64_t> best_rows(const Scratch& scratch, std::int64_t limit) {
  std::vector<std::int64_t> rows(scratch.touched.begin(), scratch.touched.begin() + scratch.touched_count);
  const Cell* cells = scratch.cells.data();
  if (static_cast<std::int64_t>(rows.size()) > limit) {
    // A histogram finds about where the cut lies; only rows in its bucket are put in order.
    constexpr int kBuckets = 2048;
    std::int64_t top = 0;
    for (const std::int64_t row : rows) top = std::max(top, cells[row].gain);
    int shift = 0;
    while ((top >> shift) >= kBuckets) ++shift;
    std::int64_t counts[kBuckets] = {};
    for (const std::int64_t row : rows) ++counts[cells[row].gain >> shift];
    std::int64_t above = 0;
    int bucket = kBuckets - 1;
    while (above + counts[bucket] < limit) above += counts[bucket--];
    std::vector<std::int64_t> edge;
    std::size_t kept = 0;
    for (const std::int64_t row : rows) {
      const std::int64_t own = cells[row].gain >> shift;
      if (own > bucket) rows[kept++] = row;
      if (own == bucket) edge.push_back(row);
    }
    const auto better = [&](std::int64_t a, std::int64_t b) {
      const std::int64_t left = cells[a].gain, right = cells[b].gain;
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
        const int listed = stop - start;
        scratch.reserve(count + static_cast<std::size_t>(listed), static_cast<std::size_t>(listed));
        const std::int32_t* positions = segment.positions + start;
        const std::uint8_t* residuals = segment.residuals + static_cast<std::size_t>(start) * packed_dim;
        std::int32_t* scores = scratch.scores.data() + count;
        std::int32_t* rows = scratch.rows.data() + count;
        const auto base = static_cast<std::int32_t>(segment.base_row);
        int taken = listed;
        if (!allowed && kernels_.inside(positions, listed, static_cast<std::uint32_t>(segment.rows))) {
          kernels_.residual_dots(residuals, nullptr, listed, residual, scores);
          for (int i = 0; i < listed; ++i) rows[i] = base + positions[i];
        } else {
          std::int32_t* chosen = scratch.chosen.data();
          taken = choose(segment, positions, listed, allowed, chosen);
          kernels_.residual_dots(residuals, chosen, taken, residual, scores);
          for (int i = 0; i < taken; ++i) rows[i] = base + positions[chosen[i]];
        }
        kernels_.to_fixed(scores, taken, probes.scores[at], query.residual_factors[token]);
        count += static_cast<std::size_t>(taken);
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
    if (scratch.touched.size() <= scratch.touched_count + count) {
      scratch.touched.resize(2 * (scratch.touched_count + count) + 1);
    }
    scratch.touched_count =
        accumulate(scratch.cells.data(), scratch.rows.data(), scratch.scores.data(), count, floor,
                   static_cast<std::int64_t>(token) << 32, scratch.touched.data(), scratch.touched_count);
  }
  found.touched = static_cast<std::int64_t>(scratch.touched_count);
  found.rows = best_rows(scratch, limit);
  return found;
}

}  // namespace xtr

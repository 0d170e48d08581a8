#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <numeric>

#include "late/packing.hpp"
#include "late/probing.hpp"
#include "late/searcher.hpp"

namespace xtr {
namespace {

// 16 documents a line of memory; half of the lists are shorter than this.
constexpr int kListLines = 8;
// Rows that lists met lie apart: where the centroids of one so many ahead begin is on its way.
constexpr std::size_t kBeginsAhead = 12;
// Of so many times the rows that are kept by their centroids, bounds are worth working out: those that lists meet in
// 100,000 rows. Of fewer, which lie in the caches, that takes as long as to look at all of them.
constexpr std::int64_t kWorthBounds = 16;
// Likely tokens lie apart: so many of them, or 8 KB, are on their way while one is multiplied.
constexpr std::size_t kTokensAhead = 64;

// What a row has gained, and the query token that met it last, -1 between queries.
struct Cell {
  std::int32_t gain = 0;
  std::int32_t token = -1;
};

// One per thread and kept: a million rows are 8 MB, and clearing them would cost more than a search.
struct Scratch {
  std::vector<Cell> cells;
  std::vector<std::int32_t> touched, documents, gains;
  std::vector<std::uint64_t> kept;  // a bit a row, zero between queries
  std::vector<std::uint8_t> levels, best;
  std::size_t touched_count = 0;
};

Scratch& scratch() {
  thread_local Scratch own;
  return own;
}

// Gives cells back as they were found, whatever happens on the way.
struct Restore {
  Scratch& own;
  ~Restore() {
    for (std::size_t i = 0; i < own.touched_count; ++i) own.cells[own.touched[i]] = Cell{};
    own.touched_count = 0;
  }
};

// The documents of a list, counted within their segment.
struct Listed {
  const std::int32_t* documents;
  std::size_t count;
};

Listed listed(const Segment& segment, std::int32_t list) {
  const std::int32_t start = segment.lists[list];
  return {segment.documents + start, static_cast<std::size_t>(segment.lists[list + 1] - start)};
}

// Those that are whole and allowed. A damaged number must not lead out of the segment; negative ones become huge.
std::size_t choose(const Segment& segment, const Listed& own, const std::uint8_t* allowed, std::int32_t* out) {
  const auto rows = static_cast<std::uint64_t>(segment.rows);
  const std::uint8_t* mask = allowed ? allowed + segment.base_row : nullptr;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < own.count; ++i) {
    const std::int32_t document = own.documents[i];
    out[kept] = document;
    kept += static_cast<std::uint32_t>(document) < rows && (!mask || mask[document]);
  }
  return kept;
}

bool whole(const Segment& segment, const Listed& own) {
  const auto rows = static_cast<std::uint32_t>(segment.rows);
  std::uint32_t outside = 0;
  for (std::size_t i = 0; i < own.count; ++i) outside |= static_cast<std::uint32_t>(own.documents[i]) >= rows;
  return !outside;
}

// What one list gives its documents; returns how many rows are touched now. Not inlined: within its caller the compiler
// would ask for the thread's scratch again at every document.
__attribute__((noinline)) std::size_t gain(Cell* cells, const std::int32_t* documents, std::size_t count,
                                           std::int32_t base, std::int32_t token, std::int32_t value,
                                           std::int32_t* touched, std::size_t touched_count, std::int64_t& meetings) {
  std::int64_t met = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i + 16 < count) __builtin_prefetch(cells + base + documents[i + 16], 1);
    const std::int32_t row = base + documents[i];
    Cell& cell = cells[row];
    touched[touched_count] = row;
    touched_count += cell.token < 0;
    // Lists come from the best down: what met the row first stays.
    const bool first = cell.token != token;
    met += first;
    cell.gain += first ? value : 0;
    cell.token = token;
  }
  meetings += met;
  return touched_count;
}

// What the touched rows gained, in their order, as own.gains; returns the largest.
__attribute__((noinline)) std::int32_t collect(Scratch& own) {
  constexpr std::size_t kAhead = 16;
  if (own.gains.size() < own.touched.size()) own.gains.resize(own.touched.size());
  const Cell* cells = own.cells.data();
  const std::int32_t* touched = own.touched.data();
  std::int32_t* gains = own.gains.data();
  const std::size_t count = own.touched_count;
  std::int32_t top = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) __builtin_prefetch(cells + touched[i + kAhead]);
    gains[i] = cells[touched[i]].gain;
    top = std::max(top, gains[i]);
  }
  return top;
}

// The rows of most gain, ascending, each with its gain; of equal gains the lowest rows.
__attribute__((noinline)) std::vector<Ranked> best_met(Scratch& own, std::int64_t limit) {
  const std::size_t count = own.touched_count;
  const std::int32_t top = collect(own);
  const std::int32_t* touched = own.touched.data();
  const std::int32_t* gains = own.gains.data();
  // Rows are put in order by a bit each.
  std::vector<std::uint64_t>& kept = own.kept;
  if (kept.size() < own.cells.size() / 64 + 1) kept.resize(own.cells.size() / 64 + 1);
  const auto keep = [&](std::int32_t row) { kept[row / 64] |= std::uint64_t{1} << (row % 64); };
  // Room for everything first: what throws between a bit and its clearing would leave it to the next query.
  std::vector<Ranked> ranked;
  ranked.reserve(static_cast<std::size_t>(std::min<std::int64_t>(static_cast<std::int64_t>(count), limit)));
  if (static_cast<std::int64_t>(count) <= limit) {
    for (std::size_t i = 0; i < count; ++i) keep(touched[i]);
  } else {
    // A histogram finds about where the cut lies; only rows in its bucket are put in order.
    constexpr int kBuckets = 2048;
    int shift = 0;
    while ((top >> shift) >= kBuckets) ++shift;
    std::int64_t counts[kBuckets] = {};
    for (std::size_t i = 0; i < count; ++i) ++counts[gains[i] >> shift];
    std::int64_t above = 0;
    int bucket = kBuckets - 1;
    while (above + counts[bucket] < limit) above += counts[bucket--];
    std::vector<std::pair<std::int32_t, std::int32_t>> edge;
    edge.reserve(static_cast<std::size_t>(counts[bucket]));
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t mine = gains[i] >> shift;
      if (mine > bucket) keep(touched[i]);
      // The largest gain first, then the lowest row.
      if (mine == bucket) edge.emplace_back(-gains[i], touched[i]);
    }
    const auto wanted = static_cast<std::ptrdiff_t>(limit - above);
    std::nth_element(edge.begin(), edge.begin() + (wanted - 1), edge.end());
    for (std::ptrdiff_t i = 0; i < wanted; ++i) keep(edge[i].second);
  }
  for (std::size_t word = 0; word < kept.size(); ++word) {
    for (std::uint64_t bits = kept[word]; bits; bits &= bits - 1) {
      const auto row = static_cast<std::int64_t>(word * 64) + __builtin_ctzll(bits);
      ranked.push_back({static_cast<double>(own.cells[row].gain), row, 0});
    }
    kept[word] = 0;
  }
  return ranked;
}

class Watch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace

void keep_best(std::vector<Ranked>& ranked, std::int64_t limit) {
  if (static_cast<std::int64_t>(ranked.size()) <= limit) return;
  std::nth_element(ranked.begin(), ranked.begin() + (limit - 1), ranked.end(), [](const Ranked& a, const Ranked& b) {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
  });
  ranked.resize(static_cast<std::size_t>(limit));
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) { return a.row < b.row; });
}

std::vector<Ranked> Searcher::met_rows(const Query& query, const Plan& plan, const std::uint8_t* allowed,
                                       const Probes& probes, Candidates& found, std::int32_t& floors) const {
  Scratch& own = scratch();
  const Restore restore{own};
  if (own.cells.size() < static_cast<std::size_t>(end_row_)) own.cells.resize(end_row_);
  // One more: the next row is written before it is known to be new.
  if (own.touched.size() <= static_cast<std::size_t>(end_row_)) own.touched.resize(end_row_ + 1);
  std::vector<std::int64_t> counts(probes.width);
  for (int token = 0; token < query.tokens; ++token) {
    const std::int32_t* lists = probes.lists.data() + static_cast<std::size_t>(token) * probes.width;
    const std::uint8_t* levels = probes.levels.data() + static_cast<std::size_t>(token) * probes.width;
    std::size_t room = 0;
    std::int64_t total = 0;
    for (int i = 0; i < probes.width; ++i) {
      for (const Segment& segment : segments_) {
        const auto size = static_cast<std::size_t>(segment.lists[lists[i] + 1] - segment.lists[lists[i]]);
        room = std::max(room, size);
        total += static_cast<std::int64_t>(size);
      }
    }
    if (own.documents.size() <= room) own.documents.resize(2 * room + 1);
    const auto chosen = [&](const Segment& segment, std::int32_t list) -> Listed {
      const Listed all = listed(segment, list);
      if (!allowed && whole(segment, all)) return all;
      return {own.documents.data(), choose(segment, all, allowed, own.documents.data())};
    };
    std::int32_t floor = probes.floors[token];
    if (total >= plan.k_prime) {
      std::int64_t counted = 0;
      for (int i = 0; i < probes.width && counted < plan.k_prime; ++i) {
        for (const Segment& segment : segments_) counted += static_cast<std::int64_t>(chosen(segment, lists[i]).count);
        if (counted >= plan.k_prime) floor = std::max<std::int32_t>(floor, levels[i]);
      }
    }
    floors += floor;
    for (int i = 0; i < probes.width; ++i) {
      for (const Segment& segment : segments_) {
        // Lists lie apart: the next one's first lines are on their way while this one is read.
        const std::int32_t* next = segment.documents + segment.lists[lists[i + 1 < probes.width ? i + 1 : i]];
        for (int line = 0; line < kListLines; ++line) __builtin_prefetch(next + line * 16);
        const Listed read = chosen(segment, lists[i]);
        found.retrieved += static_cast<std::int64_t>(read.count);
        if (levels[i] < floor) continue;
        own.touched_count =
            gain(own.cells.data(), read.documents, read.count, static_cast<std::int32_t>(segment.base_row), token,
                 levels[i] - floor, own.touched.data(), own.touched_count, found.meetings);
      }
    }
  }
  found.touched = static_cast<std::int64_t>(own.touched_count);
  return best_met(own, plan.met);
}

std::vector<Ranked> Searcher::allowed_rows(const std::uint8_t* allowed) const {
  std::vector<Ranked> ranked;
  for (const Segment& segment : segments_) {
    for (std::int64_t row = segment.base_row; row < segment.base_row + segment.rows; ++row) {
      if (!allowed || allowed[row]) ranked.push_back({0, row, 0});
    }
  }
  return ranked;
}

template <typename Number>
void Searcher::by_centroids(const Levels& levels, const std::vector<std::size_t>& chosen,
                            std::vector<Ranked>& ranked) const {
  std::vector<std::uint8_t>& best = scratch().best;
  const auto stride = static_cast<std::size_t>(levels.stride);
  if (best.size() < ranked.size() * stride) best.resize(ranked.size() * stride);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (i + kBeginsAhead < chosen.size()) {
      const std::int64_t row = ranked[chosen[i + kBeginsAhead]].row;
      const Segment& later = *segment_of(row);
      __builtin_prefetch(later.offsets + (row - later.base_row));
    }
    if (i + 4 < chosen.size()) {
      // Some documents ahead: where their centroids begin takes two looks at memory.
      const std::int64_t row = ranked[chosen[i + 4]].row;
      const Segment& next = *segment_of(row);
      const std::int64_t position = row - next.base_row;
      const Number* from = next.numbers.as<Number>() + next.offsets[position];
      const std::int64_t count = std::min<std::int64_t>(next.offsets[position + 1] - next.offsets[position], 256);
      for (std::int64_t line = 0; line < count; line += 64 / sizeof(Number)) __builtin_prefetch(from + line);
    }
    Ranked& one = ranked[chosen[i]];
    const Segment& segment = *segment_of(one.row);
    const std::int64_t position = one.row - segment.base_row, start = segment.offsets[position];
    one.slot = chosen[i];
    std::uint8_t* own = best.data() + one.slot * stride;
    const auto count = static_cast<int>(segment.offsets[position + 1] - start);
    kernels_.by<Number>().interact(levels, segment.numbers.as<Number>() + start, count, own);
    std::int32_t sum = 0;
    for (std::size_t t = 0; t < stride; ++t) sum += own[t];
    one.score = sum;
  }
}

// The `limit` rows whose centroids reach the highest levels. Rows that lists met come with their gain: where a list met a
// row, what its centroids reach of that token is the list's level, elsewhere no more than the floor. So the gain and all
// floors are a bound of the sum, and rows whose bound is below the sums of `limit` others are not looked at.
template <typename Number>
void Searcher::keep_by_centroids(const Levels& levels, std::int64_t limit, std::int32_t floors,
                                 std::vector<Ranked>& ranked) const {
  std::vector<std::size_t> chosen(ranked.size());
  std::iota(chosen.begin(), chosen.end(), std::size_t{0});
  if (floors < 0 || limit < 1 || static_cast<std::int64_t>(ranked.size()) < kWorthBounds * limit) {
    by_centroids<Number>(levels, chosen, ranked);
    return keep_best(ranked, limit);
  }
  // The `limit`-th best of some values, which are whole numbers.
  std::vector<std::int32_t> values;
  const auto limit_th = [&](const std::vector<std::size_t>& places) {
    values.clear();
    for (const std::size_t i : places) values.push_back(static_cast<std::int32_t>(ranked[i].score));
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(limit - 1), values.end(),
                     std::greater<>());
    return values[static_cast<std::size_t>(limit - 1)];
  };
  const std::int32_t gained = limit_th(chosen);
  std::vector<std::size_t> others;
  std::size_t most = 0;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    if (ranked[i].score >= gained) {
      chosen[most++] = i;
    } else {
      others.push_back(i);
    }
  }
  chosen.resize(most);
  by_centroids<Number>(levels, chosen, ranked);
  const std::int32_t reached = limit_th(chosen);
  others.erase(std::remove_if(others.begin(), others.end(),
                              [&](std::size_t i) { return ranked[i].score + floors < reached; }),
               others.end());
  by_centroids<Number>(levels, others, ranked);
  std::vector<std::size_t> looked(chosen.size() + others.size());
  std::merge(chosen.begin(), chosen.end(), others.begin(), others.end(), looked.begin());
  for (std::size_t i = 0; i < looked.size(); ++i) ranked[i] = ranked[looked[i]];
  ranked.resize(looked.size());
  keep_best(ranked, limit);
}

template <typename Number>
void Searcher::by_tokens(const Query& query, const Levels& levels, int margin, std::vector<Ranked>& ranked) const {
  const auto stride = static_cast<std::size_t>(levels.stride);
  const Packed packed(kernels_, query.codes, query.tokens, model_.dim);
  const PackedQuery view = packed.view();
  // Padding tokens, which have no level, reach no threshold.
  std::vector<std::uint8_t> thresholds(stride, 255);
  std::vector<float> most(view.tokens);
  // The likely tokens of one document after the other, and where they lie: they are on their way kTokensAhead early.
  std::vector<std::int32_t> chosen;
  std::vector<const void*> places;
  std::vector<std::size_t> bounds{0};
  const auto prepare = [&] {
    const Ranked& one = ranked[bounds.size() - 1];
    const Segment& segment = *segment_of(one.row);
    const std::int64_t position = one.row - segment.base_row, start = segment.offsets[position];
    const auto count = static_cast<int>(segment.offsets[position + 1] - start);
    const std::uint8_t* best = scratch().best.data() + one.slot * stride;
    for (int t = 0; t < query.tokens; ++t) {
      thresholds[t] = static_cast<std::uint8_t>(best[t] > margin ? best[t] - margin : 0);
    }
    const std::size_t before = bounds.back();
    // One more: the next token is written before it is known to be likely.
    chosen.resize(before + count + 1);
    const Number* numbers = segment.numbers.as<Number>() + start;
    const int kept = kernels_.by<Number>().choose(levels, numbers, count, thresholds.data(), chosen.data() + before);
    places.resize(before + kept);
    for (int i = 0; i < kept; ++i) places[before + i] = token_at(segment, start + chosen[before + i]);
    bounds.push_back(before + kept);
    // 32 scales a line of memory.
    if (segment.scales) {
      for (std::int64_t token = start; token < start + count; token += 32) __builtin_prefetch(segment.scales + token);
    }
  };
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    while (bounds.size() <= ranked.size() && (bounds.size() < i + 2 || bounds.back() < bounds[i + 1] + kTokensAhead)) {
      prepare();
    }
    const std::size_t own = bounds[i], count = bounds[i + 1] - own;
    // After the last one nothing comes: its own memory is asked for again. One more, as rows are multiplied by pairs.
    const void* const again = own < places.size() ? places[own] : nullptr;
    places.resize(std::max(places.size(), bounds[i + 1] + kTokensAhead + 1), again);
    const Segment& segment = *segment_of(ranked[i].row);
    const std::int64_t start = segment.offsets[ranked[i].row - segment.base_row];
    std::fill(most.begin(), most.end(), -std::numeric_limits<float>::infinity());
    raise(kernels_, view, nullptr, segment,
          {start, chosen.data() + own, static_cast<int>(count), {}, places.data() + own + kTokensAhead}, most.data());
    places.resize(bounds.back());
    double sum = 0;
    for (int t = 0; t < query.tokens; ++t) sum += static_cast<double>(most[t] * query.scales[t]);
    ranked[i].score = static_cast<float>(sum);
  }
}

Candidates Searcher::retrieve(const Query& query, const Plan& plan, const std::uint8_t* allowed) const {
  Candidates found;
  Watch watch;
  std::vector<std::uint8_t>& data = scratch().levels;
  const Probes probes = probe(model_, query, plan.nprobe, kernels_, data);
  const Levels levels{data.data(), level_stride(query.tokens), static_cast<std::uint32_t>(model_.count - 1)};
  // What no list that was read can give a row, summed over the tokens; unknown where none is read.
  std::int32_t floors = plan.nprobe ? 0 : -1;
  std::vector<Ranked> ranked =
      plan.nprobe ? met_rows(query, plan, allowed, probes, found, floors) : allowed_rows(allowed);
  if (!plan.nprobe) found.touched = static_cast<std::int64_t>(ranked.size());
  found.seconds[0] = watch.lap();
  wide_ ? keep_by_centroids<std::uint32_t>(levels, plan.limit, floors, ranked)
        : keep_by_centroids<std::uint16_t>(levels, plan.limit, floors, ranked);
  found.seconds[1] = watch.lap();
  if (plan.keep) {
    wide_ ? by_tokens<std::uint32_t>(query, levels, plan.margin, ranked)
          : by_tokens<std::uint16_t>(query, levels, plan.margin, ranked);
    found.rescored = static_cast<std::int64_t>(ranked.size());
    keep_best(ranked, plan.keep);
  }
  found.seconds[2] = watch.lap();
  found.rows.reserve(ranked.size());
  for (const Ranked& one : ranked) found.rows.push_back(one.row);
  return found;
}

}  // namespace xtr

#include <algorithm>
#include <limits>

#include "late/packing.hpp"
#include "late/searcher.hpp"

namespace xtr {
const Segment* Searcher::segment_of(std::int64_t row) const {
  const auto after = std::upper_bound(segments_.begin(), segments_.end(), row,
                                      [](std::int64_t value, const Segment& s) { return value < s.base_row; });
  if (after == segments_.begin()) return nullptr;
  const Segment& segment = *(after - 1);
  return row - segment.base_row < segment.rows ? &segment : nullptr;
}

namespace {
// What each query makes of one row: the best products of its tokens, times their factors, summed in their order.
void sum_up(const Queries& queries, const float* best, std::int64_t row, std::int64_t rows, float* out) {
  std::int64_t token = 0;
  for (std::int64_t query = 0; query < queries.count; ++query) {
    double sum = 0;
    for (; token < queries.ends[query]; ++token) sum += static_cast<double>(best[token] * queries.factors[token]);
    out[query * rows + row] = static_cast<float>(sum);
  }
}
}  // namespace

void Searcher::score(const Queries& queries, const std::int64_t* rows, std::int64_t count, float* out) const {
  const int tokens = queries.tokens();
  const bool with_fine = queries.fine_codes != nullptr;
  const Entered entered(kernels_, tokens);
  const Kernels& kernels = entered.kernels();
  const Packed coarse(kernels, queries.codes, tokens, model_.dim);
  const Packed fine(kernels, with_fine ? queries.fine_codes : queries.codes, with_fine ? tokens : 0, model_.dim);
  const PackedQuery view = coarse.view(), fine_view = fine.view();
  std::vector<float> best(view.tokens);
  for (std::int64_t i = 0; i < count; ++i) {
    const Segment* segment = segment_of(rows[i]);
    if (!segment) {
      for (std::int64_t query = 0; query < queries.count; ++query) {
        out[query * count + i] = -std::numeric_limits<float>::infinity();
      }
      continue;
    }
    std::fill(best.begin(), best.end(), -std::numeric_limits<float>::infinity());
    const std::int64_t position = rows[i] - segment->base_row, start = segment->offsets[position];
    Ahead ahead;
    if (i + 1 < count && rows[i + 1] >= segment->base_row && rows[i + 1] - segment->base_row < segment->rows) {
      const std::int64_t* next = segment->offsets + (rows[i + 1] - segment->base_row);
      ahead.at = static_cast<const std::int8_t*>(token_at(*segment, next[0]));
      ahead.bytes = (next[1] - next[0]) * token_bytes(*segment);
      if (!segment->residuals) {
        for (std::int64_t token = next[0]; token < next[1]; token += 32) __builtin_prefetch(segment->scales + token);
      }
    }
    const auto length = static_cast<int>(segment->offsets[position + 1] - start);
    raise(kernels, view, with_fine ? &fine_view : nullptr, *segment, {start, nullptr, length, ahead, nullptr},
          best.data());
    sum_up(queries, best.data(), i, count, out);
  }
}

void Searcher::raise(const Kernels& kernels, const PackedQuery& coarse, const PackedQuery* fine, const Segment& segment,
                     const Some& some, float* best) const {
  const auto dim = static_cast<std::size_t>(model_.dim);
  if (!segment.residuals) {
    kernels.best(coarse, fine,
                 {segment.tokens + some.start * model_.dim, segment.scales + some.start, some.chosen, some.count,
                  some.next, some.coming},
                 best);
    return;
  }
  thread_local std::vector<std::int8_t> codes;
  thread_local std::vector<std::uint16_t> scales;
  codes.resize(kBlockRows * dim);
  scales.resize(kBlockRows);
  const int bytes = model_.residuals.packed_dim();
  for (int first = 0; first < some.count; first += kBlockRows) {
    const int here = std::min(kBlockRows, some.count - first);
    for (int i = 0; i < here; ++i) {
      const std::int64_t token = some.start + (some.chosen ? some.chosen[first + i] : first + i);
      if (some.coming) {
        const auto* coming = static_cast<const std::uint8_t*>(some.coming[first + i]);
        for (int line = 0; line < bytes; line += 64) __builtin_prefetch(coming + line);
      }
      kernels.decode(model_.residuals, segment.residuals + token * bytes, segment.numbers[token],
                     codes.data() + i * dim, scales.data() + i);
    }
    kernels.best(coarse, fine, {codes.data(), scales.data(), nullptr, here, {}}, best);
  }
}

void scan(const Store& store, const Queries& queries, const std::int64_t* documents, std::int64_t count,
          const Kernels& usual, float* out) {
  const int tokens = queries.tokens();
  const Entered entered(usual, tokens);
  const Kernels& kernels = entered.kernels();
  const Packed coarse(kernels, queries.codes, tokens, store.dim);
  const Packed fine(kernels, queries.fine_codes, tokens, store.dim);
  const PackedQuery view = coarse.view(), fine_view = fine.view();
  std::vector<float> best(view.tokens);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t start = store.offsets[documents[i]], stop = store.offsets[documents[i] + 1];
    std::fill(best.begin(), best.end(), -std::numeric_limits<float>::infinity());
    kernels.best(view, &fine_view,
                 {store.tokens + start * store.dim, store.scales + start, nullptr, static_cast<int>(stop - start), {}},
                 best.data());
    sum_up(queries, best.data(), i, count, out);
  }
}

void assign(const Model& model, const float* biases, const std::int8_t* tokens, const float* scales, std::int64_t count,
            const Kernels& usual, std::int32_t* which) {
  constexpr int kTokens = 64;
  const Entered entered(usual, static_cast<int>(std::min<std::int64_t>(count, kTokens)));
  const Kernels& kernels = entered.kernels();
  std::vector<std::int32_t> dots(static_cast<std::size_t>(kBlockRows) * kTokens);
  std::vector<float> best(kTokens), factors(kTokens);
  std::vector<std::int32_t> found(kTokens);
  for (std::int64_t first = 0; first < count; first += kTokens) {
    const int here = static_cast<int>(std::min<std::int64_t>(kTokens, count - first));
    const Packed packed(kernels, tokens + first * model.dim, here, model.dim);
    const PackedQuery view = packed.view();
    std::fill(best.begin(), best.end(), -std::numeric_limits<float>::infinity());
    std::fill(factors.begin(), factors.end(), 0.0f);
    std::copy_n(scales + first, here, factors.begin());
    for (int row = 0; row < model.count; row += kBlockRows) {
      const int rows = std::min(kBlockRows, model.count - row);
      kernels.dots(view, model.centroids + static_cast<std::size_t>(row) * model.dim, rows, dots.data());
      kernels.nearest(dots.data(), model.scales + row, biases + row, factors.data(), rows, view.tokens, row,
                      best.data(), found.data());
    }
    std::copy_n(found.begin(), here, which + first);
  }
}

}  // namespace xtr

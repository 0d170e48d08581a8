// What differs between instruction sets. All of it is integer arithmetic, exact on every machine; the few float
// operations have a stated order and are never contracted (-ffp-contract=off), so results are equal bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xtr {

// Query tokens are handled sixteen at a time: one AVX-512 register of 32-bit sums, two of AVX2.
constexpr int kLanes = 16;
// Rows whose products are held at a time: 64 rows x 32 tokens x 4 bytes stay in the first-level cache.
constexpr int kBlockRows = 64;
// Levels of centroids lie in rows of so many bytes or a multiple: a register of AVX2.
constexpr int kLevelLanes = 32;
// The level of similarity 0 (query.py, LEVEL_ZERO).
constexpr float kLevelZero = 64;

inline int padded_tokens(int tokens) { return (tokens + kLanes - 1) / kLanes * kLanes; }
inline int level_stride(int tokens) { return (tokens + kLevelLanes - 1) / kLevelLanes * kLevelLanes; }

// Query tokens int8 [tokens, dim] as an instruction set wants them.
struct PackedQuery {
  const std::uint8_t* data;
  int tokens;  // padded to kLanes
  int dim;
};

// Memory that is read soon: `bytes` from `at` on, or none.
struct Ahead {
  const std::int8_t* at = nullptr;
  std::int64_t bytes = 0;
};

// Rows int8 [.., dim] with a half float scale each; those `chosen`, or the first ones where it is null. While these are
// multiplied others are on their way: `next` where rows lie together, else one of `coming` for each and one
// more, as rows are multiplied by pairs.
struct Rows {
  const std::int8_t* codes;
  const std::uint16_t* scales;
  const std::int32_t* chosen;
  int count;
  Ahead next;
  const void* const* coming = nullptr;
};

// What centroids say of query tokens: uint8 [count, stride], zero for padding tokens.
struct Levels {
  const std::uint8_t* data;
  int stride;
  std::uint32_t last;  // the number of the last centroid: what a damaged file holds beyond it is taken for it
};

// Rows of a compact index: five bits a dimension, packed as TokenModel.packed_dim says, of what the centroid leaves.
struct Residuals {
  const float* anchors;       // [centroids, dim]
  const std::int8_t* levels;  // [32]
  const float* steps;         // [dim]
  int dim;
  std::uint32_t last;  // the number of the last centroid

  int low_bytes() const { return (dim + 1) / 2; }
  int packed_dim() const { return low_bytes() + (dim + 7) / 8; }
};

// What reads the centroids of tokens, for numbers of one width: 16 bits where they count the centroids, else 32.
template <typename Number>
struct ByNumber {
  // best uint8 [stride] = the largest level of each query token over some tokens' centroids.
  void (*interact)(const Levels& levels, const Number* numbers, int count, std::uint8_t* best);
  // The tokens whose centroid reaches the threshold [stride] of some query token; returns how many.
  int (*choose)(const Levels& levels, const Number* numbers, int count, const std::uint8_t* thresholds,
                std::int32_t* chosen);
};

struct Kernels {
  const char* name;
  std::size_t (*packed_bytes)(int tokens, int dim);
  // codes int8 [tokens, dim] -> data [packed_bytes]; padding tokens are zero.
  void (*pack)(const std::int8_t* codes, int tokens, int dim, std::uint8_t* data);
  // out int32 [count, query.tokens] = rows int8 [count, dim] . query; count <= kBlockRows.
  void (*dots)(const PackedQuery& query, const std::int8_t* rows, int count, std::int32_t* out);
  // best [query.tokens] = max(best, product * scale) over rows. The product is that of `coarse`, or with `fine` not
  // null 256 times that and the one of fine.
  void (*best)(const PackedQuery& coarse, const PackedQuery* fine, const Rows& rows, float* best);
  // Nearest rows: score = float(dots) * row_scale * token_scale - bias; strictly better ones replace. first = row
  // number.
  void (*nearest)(const std::int32_t* dots, const float* row_scales, const float* biases, const float* token_scales,
                  int count, int tokens, int first, float* best, std::int32_t* which);
  // out float [count, tokens] = float(dots) * row_scale * token_factor.
  void (*scaled)(const std::int32_t* dots, const float* row_scales, const float* factors, int count, int tokens,
                 float* out);
  // out uint8 [count] = round(score) + kLevelZero, within 0 to 255.
  void (*levels)(const float* scores, int count, std::uint8_t* out);
  // Which of sixteen values exceed their thresholds: bit i for value i.
  std::uint32_t (*exceeding)(const float* values, const float* thresholds);
  // The int8 row with a half float scale that a packed row of a centroid stands for (compact.py).
  void (*decode)(const Residuals& residuals, const std::uint8_t* packed, std::uint32_t number, std::int8_t* codes,
                 std::uint16_t* scale);
  ByNumber<std::uint16_t> narrow;
  ByNumber<std::uint32_t> wide;
  // What multiplies many query tokens faster, asked for when they come: null, or it returns null, where nothing does.
  const Kernels* (*many)() = nullptr;
  // What a thread does before the first product and after the last one; null where that is nothing.
  void (*enter)() = nullptr;
  void (*leave)() = nullptr;

  template <typename Number>
  const ByNumber<Number>& by() const {
    if constexpr (sizeof(Number) == sizeof(std::uint16_t)) {
      return narrow;
    } else {
      return wide;
    }
  }
};

// Kernels for products with so many query tokens, entered by this thread for as long as this lives.
class Entered {
 public:
  // From so many query tokens on `many` is the faster one.
  static constexpr int kMany = 33;

  explicit Entered(const Kernels& usual, int tokens = 0) : kernels_(&usual) {
    if (tokens >= kMany && usual.many) {
      if (const Kernels* faster = usual.many()) kernels_ = faster;
    }
    if (kernels_->enter) kernels_->enter();
  }
  ~Entered() {
    if (kernels_->leave) kernels_->leave();
  }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

  const Kernels& kernels() const { return *kernels_; }

 private:
  const Kernels* kernels_;
};

const Kernels& scalar_kernels();
// Null where the compiler or the processor does not know the instructions.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* neon_kernels();
// For many query tokens, beside those of AVX-512; asks the system for its tiles.
const Kernels* amx_kernels();

}  // namespace xtr

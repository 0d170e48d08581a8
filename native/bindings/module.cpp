// The Python module: checks shapes, holds the arrays, releases the lock while it computes.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "bindings/arrays.hpp"
#include "bindings/release.hpp"
#include "common/naming.hpp"
#include "late/searcher.hpp"

// dense_module.cpp, lexical_module.cpp
void bind_dense(nb::module_& m);
void bind_lexical(nb::module_& m);

namespace {

// Half floats and booleans arrive as views of their bytes.
// The centroid of each token: 16 bits where they count the centroids, else 32.
using CentroidNumbers = std::variant<Vector<std::uint16_t>, Vector<std::uint32_t>>;
// base row, lists, documents, numbers, offsets, then tokens and scales, or the residuals of a compact index.
using Part = std::tuple<std::int64_t, Vector<std::int32_t>, Vector<std::int32_t>, CentroidNumbers,
                        Vector<std::int64_t>, std::optional<Matrix<std::int8_t>>, std::optional<Vector<std::uint16_t>>,
                        std::optional<Matrix<std::uint8_t>>>;
// anchors, levels, steps of a compact index.
using Compact = std::tuple<Matrix<float>, Vector<std::int8_t>, Vector<float>>;

// The same bound as TokenModel.MAX_DIM: buffers of the kernels hold rows of so many bytes.
constexpr std::size_t kMaxDim = 1024;

// The fastest first.
std::vector<const xtr::Kernels*> known_kernels() {
  return xtr::supported({xtr::avx512_kernels(), xtr::avx2_kernels(), xtr::neon_kernels(), &xtr::scalar_kernels()});
}

const xtr::Kernels& kernels_named(const std::string& name) { return xtr::named(known_kernels(), name); }

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const xtr::Kernels* one : known_kernels()) names.emplace_back(one->name);
  return names;
}

template <typename T>
nb::ndarray<nb::numpy, T, nb::ndim<1>> owned(std::vector<T>&& values) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::ndarray<nb::numpy, T, nb::ndim<1>>(kept->data(), {kept->size()}, owner);
}

template <typename T>
nb::ndarray<nb::numpy, T, nb::ndim<2>> owned(std::vector<T>&& values, std::size_t rows, std::size_t columns) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::ndarray<nb::numpy, T, nb::ndim<2>>(kept->data(), {rows, columns}, owner);
}

// Where each of several queries ends.
void check_ends(const Vector<std::int64_t>& ends, std::size_t tokens) {
  std::int64_t before = 0;
  for (std::size_t i = 0; i < ends.shape(0); before = ends(i++)) require(ends(i) >= before, "ends descend");
  require(before == static_cast<std::int64_t>(tokens), "ends do not span the queries");
}

xtr::Model model_of(const Matrix<std::int8_t>& centroids, const Vector<float>& scales) {
  require(centroids.shape(0) > 0 && centroids.shape(0) == scales.shape(0), "centroids and scales differ in number");
  require(centroids.shape(0) < INT32_MAX, "there are more centroids than 32 bits count");
  require(centroids.shape(1) > 0 && centroids.shape(1) <= kMaxDim, "dim must be 1 to 1024");
  return {
      centroids.data(), scales.data(), static_cast<int>(centroids.shape(0)), static_cast<int>(centroids.shape(1)), {}};
}

class Index {
 public:
  Index(Matrix<std::int8_t> centroids, Vector<float> scales, std::vector<Part> parts, std::optional<Compact> compact,
        const std::string& instructions)
      : centroids_(std::move(centroids)),
        scales_(std::move(scales)),
        parts_(std::move(parts)),
        compact_(std::move(compact)) {
    xtr::Model model = model_of(centroids_, scales_);
    const auto dim = static_cast<std::size_t>(model.dim);
    if (compact_) {
      const auto& [anchors, levels, steps] = *compact_;
      require(anchors.shape(0) == centroids_.shape(0) && anchors.shape(1) == dim && steps.shape(0) == dim,
              "anchors and steps do not fit the centroids");
      require(levels.shape(0) == 32, "there must be 32 levels");
      model.residuals = {anchors.data(), levels.data(), steps.data(), model.dim,
                         static_cast<std::uint32_t>(model.count - 1)};
    }
    std::vector<xtr::Segment> segments;
    std::int64_t end = 0;
    for (const auto& [base, lists, documents, numbers, offsets, tokens, token_scales, residuals] : parts_) {
      require(base >= end, "segments overlap or are out of order");
      require(lists.shape(0) == static_cast<std::size_t>(model.count) + 1, "lists do not fit the centroids");
      const auto* narrow = std::get_if<Vector<std::uint16_t>>(&numbers);
      const auto* wide = std::get_if<Vector<std::uint32_t>>(&numbers);
      require(!narrow || model.count <= UINT16_MAX + 1, "there are more centroids than 16 bits count");
      require(numbers.index() == std::get<3>(parts_.front()).index(), "some numbers have 16 bits, others 32");
      const std::size_t count = narrow ? narrow->shape(0) : wide->shape(0);
      require(count <= INT32_MAX, "more tokens in a segment than 32 bits count");
      if (residuals) {
        require(compact_ && residuals->shape(0) == count &&
                    residuals->shape(1) == static_cast<std::size_t>(model.residuals.packed_dim()),
                "residuals do not fit the segment");
      } else {
        require(tokens && token_scales && tokens->shape(0) == count && token_scales->shape(0) == count,
                "arrays of a segment differ in length");
        require(tokens->shape(1) == dim, "arrays of a segment differ in dim");
      }
      require(offsets.shape(0) > 0, "offsets are empty");
      check_bounds(lists.data(), lists.shape(0), static_cast<std::int64_t>(documents.shape(0)));
      check_bounds(offsets.data(), offsets.shape(0), static_cast<std::int64_t>(count));
      const auto rows = static_cast<std::int64_t>(offsets.shape(0)) - 1;
      segments.push_back({base, rows, lists.data(), documents.data(),
                          {narrow ? narrow->data() : nullptr, wide ? wide->data() : nullptr},
                          residuals ? nullptr : tokens->data(), residuals ? nullptr : token_scales->data(),
                          residuals ? residuals->data() : nullptr, offsets.data()});
      end = base + rows;
    }
    require(end <= INT32_MAX, "more rows than 32 bits count");
    searcher_ = std::make_unique<xtr::Searcher>(model, std::move(segments), end, kernels_named(instructions));
  }

  nb::tuple retrieve(const Matrix<std::int8_t>& codes, const Vector<float>& scales,
                     const Vector<float>& centroid_factors, std::int64_t nprobe, std::int64_t k_prime, std::int64_t met,
                     std::int64_t limit, std::int64_t keep, int margin,
                     const std::optional<Vector<std::uint8_t>>& allowed) const {
    const std::size_t tokens = codes.shape(0);
    check_codes(codes);
    require(scales.shape(0) == tokens && centroid_factors.shape(0) == tokens, "arrays of a query differ in length");
    require(nprobe >= 0 && keep >= 0 && margin >= 0, "nprobe, keep and margin must not be negative");
    require(k_prime > 0 && met > 0 && limit > 0, "k_prime, met and limit must be at least 1");
    require(!allowed || allowed->shape(0) == static_cast<std::size_t>(searcher_->end_row()),
            "allowed does not fit the rows");
    const xtr::Query query{static_cast<int>(tokens), codes.data(), scales.data(), centroid_factors.data()};
    xtr::Candidates found;
    {
      Release release;
      const int lists = static_cast<int>(std::min<std::int64_t>(nprobe, searcher_->model().count));
      found =
          searcher_->retrieve(query, {lists, k_prime, met, limit, keep, margin}, allowed ? allowed->data() : nullptr);
    }
    return nb::make_tuple(owned(std::move(found.rows)), found.retrieved, found.touched, found.meetings, found.rescored,
                          nb::make_tuple(found.seconds[0], found.seconds[1], found.seconds[2]));
  }

  nb::ndarray<nb::numpy, float, nb::ndim<2>> score(const Matrix<std::int8_t>& codes,
                                                   const std::optional<Matrix<std::int8_t>>& fine_codes,
                                                   const Vector<float>& factors, const Vector<std::int64_t>& ends,
                                                   const Vector<std::int64_t>& rows) const {
    check_codes(codes);
    if (fine_codes) check_codes(*fine_codes);
    require(factors.shape(0) == codes.shape(0) && (!fine_codes || fine_codes->shape(0) == codes.shape(0)),
            "arrays of a query differ in length");
    check_ends(ends, codes.shape(0));
    std::vector<float> out(ends.shape(0) * rows.shape(0));
    {
      Release release;
      searcher_->score({codes.data(), fine_codes ? fine_codes->data() : nullptr, factors.data(), ends.data(),
                        static_cast<std::int64_t>(ends.shape(0))},
                       rows.data(), static_cast<std::int64_t>(rows.shape(0)), out.data());
    }
    return owned(std::move(out), ends.shape(0), rows.shape(0));
  }

  std::string instructions() const { return searcher_->kernels().name; }

 private:
  template <typename T>
  static void check_bounds(const T* bounds, std::size_t count, std::int64_t total) {
    require(bounds[0] == 0 && bounds[count - 1] == total, "bounds do not span what they bound");
    for (std::size_t i = 1; i < count; ++i) require(bounds[i] >= bounds[i - 1], "bounds descend");
  }
  void check_codes(const Matrix<std::int8_t>& codes) const {
    require(codes.shape(1) == static_cast<std::size_t>(searcher_->model().dim), "query and index differ in dim");
  }

  Matrix<std::int8_t> centroids_;
  Vector<float> scales_;
  std::vector<Part> parts_;
  std::optional<Compact> compact_;
  std::unique_ptr<xtr::Searcher> searcher_;
};

nb::ndarray<nb::numpy, std::int32_t, nb::ndim<1>> assign(const Matrix<std::int8_t>& centroids,
                                                         const Vector<float>& centroid_scales,
                                                         const Vector<float>& biases, const Matrix<std::int8_t>& tokens,
                                                         const Vector<float>& scales, const std::string& instructions) {
  require(
      centroids.shape(0) > 0 && centroids.shape(0) == centroid_scales.shape(0) && biases.shape(0) == centroids.shape(0),
      "centroids, scales and biases differ in number");
  require(centroids.shape(1) > 0 && centroids.shape(1) <= kMaxDim, "dim must be 1 to 1024");
  require(tokens.shape(1) == centroids.shape(1), "tokens and centroids differ in dim");
  require(tokens.shape(0) == scales.shape(0), "tokens and scales differ in number");
  const xtr::Kernels& kernels = kernels_named(instructions);
  const xtr::Model model{centroids.data(),
                         centroid_scales.data(),
                         static_cast<int>(centroids.shape(0)),
                         static_cast<int>(centroids.shape(1)),
                         {}};
  std::vector<std::int32_t> which(tokens.shape(0));
  {
    Release release;
    xtr::assign(model, biases.data(), tokens.data(), scales.data(), static_cast<std::int64_t>(tokens.shape(0)), kernels,
                which.data());
  }
  return owned(std::move(which));
}

nb::ndarray<nb::numpy, float, nb::ndim<2>> scan(const Matrix<std::int8_t>& tokens, const Vector<std::uint16_t>& scales,
                                                const Vector<std::int64_t>& offsets, const Matrix<std::int8_t>& codes,
                                                const Matrix<std::int8_t>& fine_codes, const Vector<float>& factors,
                                                const Vector<std::int64_t>& ends, const Vector<std::int64_t>& documents,
                                                const std::string& instructions) {
  const std::size_t dim = tokens.shape(1), asked = codes.shape(0), count = documents.shape(0);
  require(dim > 0 && dim <= kMaxDim, "dim must be 1 to 1024");
  require(codes.shape(1) == dim && fine_codes.shape(1) == dim, "queries and documents differ in dim");
  require(fine_codes.shape(0) == asked && factors.shape(0) == asked, "arrays of the queries differ in length");
  require(scales.shape(0) == tokens.shape(0), "tokens and scales differ in number");
  require(tokens.shape(0) <= INT32_MAX, "more tokens than 32 bits count");
  check_ends(ends, asked);
  std::int64_t before = 0;
  for (std::size_t i = 0; i < offsets.shape(0); before = offsets(i++)) require(offsets(i) >= before, "offsets descend");
  require(before <= static_cast<std::int64_t>(tokens.shape(0)), "offsets go beyond the tokens");
  const auto held = static_cast<std::int64_t>(offsets.shape(0)) - 1;
  for (std::size_t i = 0; i < count; ++i) require(documents(i) >= 0 && documents(i) < held, "no such document");
  const xtr::Kernels& kernels = kernels_named(instructions);
  std::vector<float> out(ends.shape(0) * count);
  {
    Release release;
    xtr::scan({tokens.data(), scales.data(), offsets.data(), static_cast<int>(dim)},
              {codes.data(), fine_codes.data(), factors.data(), ends.data(), static_cast<std::int64_t>(ends.shape(0))},
              documents.data(), static_cast<std::int64_t>(count), kernels, out.data());
  }
  return owned(std::move(out), ends.shape(0), count);
}

}  // namespace

NB_MODULE(_kernels, m) {
  // A process that an error ends leaves its modules alive: lines about that would stand where the error is told.
  nb::set_leak_warnings(false);
  m.attr("ABI") = 8;
  m.def("instruction_sets", &instruction_sets, "Instruction sets that this processor has, the fastest first.");
  m.def("assign", &assign);
  m.def("scan", &scan, nb::arg("tokens"), nb::arg("scales"), nb::arg("offsets"), nb::arg("codes"),
        nb::arg("fine_codes"), nb::arg("factors"), nb::arg("ends"), nb::arg("documents"), nb::arg("instructions"));
  nb::class_<Index>(m, "Index")
      .def(
          nb::init<Matrix<std::int8_t>, Vector<float>, std::vector<Part>, std::optional<Compact>, const std::string&>(),
          nb::arg("centroids"), nb::arg("scales"), nb::arg("parts"), nb::arg("compact").none(), nb::arg("instructions"))
      .def("retrieve", &Index::retrieve, nb::arg("codes"), nb::arg("scales"), nb::arg("centroid_factors"),
           nb::arg("nprobe"), nb::arg("k_prime"), nb::arg("met"), nb::arg("limit"), nb::arg("keep"), nb::arg("margin"),
           nb::arg("allowed").none())
      .def("score", &Index::score, nb::arg("codes"), nb::arg("fine_codes").none(), nb::arg("factors"), nb::arg("ends"),
           nb::arg("rows"))
      .def_prop_ro("instructions", &Index::instructions);
  bind_dense(m);
  bind_lexical(m);
}

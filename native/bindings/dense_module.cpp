// Scan: the Python class over dense/scanner.hpp. It reads memory that FAISS owns, by address: the caller keeps the index alive
// and makes a new one after every change of its lists.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/release.hpp"
#include "common/naming.hpp"
#include "dense/scanner.hpp"

namespace {

// Sums of so many products of a byte and a signed byte fit 32 bits.
constexpr std::size_t kMaxDim = 65536;

const dense::Kernels& kernels_named(const std::string& name) {
  return xtr::named(xtr::supported({dense::avx512_kernels(), dense::avx2_kernels(), dense::neon_kernels(),
                                    &dense::scalar_kernels()}),
                    name);
}

template <typename T>
nb::ndarray<nb::numpy, T, nb::ndim<2>> owned(std::unique_ptr<T[]> values, std::size_t rows, std::size_t columns) {
  T* data = values.get();
  nb::capsule owner(values.release(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nb::ndarray<nb::numpy, T, nb::ndim<2>>(data, {rows, columns}, owner);
}

class Scan {
 public:
  // places int64 [lists, 3]: address of the codes, address of the rows, number of both.
  Scan(const Matrix<std::int64_t>& places, Matrix<float> centroids, Vector<float> low, Vector<float> span, int bits,
       bool residual, std::optional<Matrix<float>> axes, std::int64_t end_row, const std::string& instructions)
      : centroids_(std::move(centroids)),
        low_(std::move(low)),
        span_(std::move(span)),
        axes_(std::move(axes)),
        end_row_(end_row) {
    const std::size_t dim = low_.shape(0);
    require(places.shape(1) == 3, "a list needs three numbers");
    require(dim > 0 && dim <= kMaxDim && span_.shape(0) == dim, "low and span differ in dim");
    require(places.shape(0) > 0 && centroids_.shape(0) == places.shape(0) && centroids_.shape(1) == dim,
            "centroids do not fit the lists");
    require(!axes_ || (axes_->shape(0) == dim && axes_->shape(1) <= kMaxDim), "axes do not fit the codes");
    require(bits == 8 || bits == 4, "codes have 8 bits a dimension, or 4");
    dense::Codes codes{{},
                       centroids_.data(),
                       low_.data(),
                       span_.data(),
                       static_cast<int>(dim),
                       bits,
                       axes_ ? axes_->data() : nullptr,
                       static_cast<int>(axes_ ? axes_->shape(1) : dim),
                       residual};
    for (std::size_t i = 0; i < places.shape(0); ++i) {
      const std::int64_t* own = places.data() + 3 * i;
      require(own[2] >= 0 && (own[2] == 0 || (own[0] && own[1])), "a list of rows lies nowhere");
      codes.lists.push_back(
          {reinterpret_cast<const std::uint8_t*>(own[0]), reinterpret_cast<const std::int64_t*>(own[1]), own[2]});
    }
    scanner_ = std::make_unique<dense::Scanner>(std::move(codes), kernels_named(instructions));
  }

  nb::tuple search(const Matrix<float>& queries, int nprobe, std::int64_t wanted,
                   const std::optional<Vector<std::uint8_t>>& allowed, int threads) const {
    require(queries.shape(1) == static_cast<std::size_t>(scanner_->query_dim()), "query and index differ in dim");
    require(nprobe > 0 && wanted > 0 && threads > 0, "nprobe, wanted and threads must be at least 1");
    require(!allowed || allowed->shape(0) == static_cast<std::size_t>(end_row_), "allowed does not fit the rows");
    const std::size_t count = queries.shape(0), width = static_cast<std::size_t>(wanted);
    std::unique_ptr<float[]> scores(new float[count * width]);
    std::unique_ptr<std::int64_t[]> rows(new std::int64_t[count * width]);
    {
      Release release;
      std::atomic<std::size_t> next{0};
      std::mutex failing;
      std::exception_ptr failed;
      const auto work = [&]() noexcept {
        try {
          for (std::size_t i = next++; i < count; i = next++) {
            scanner_->search(queries.data() + i * queries.shape(1), nprobe, wanted, allowed ? allowed->data() : nullptr,
                             scores.get() + i * width, rows.get() + i * width);
          }
        } catch (...) {
          // Out of a thread it would end the process: the caller's thread tells it when all are done.
          const std::lock_guard<std::mutex> held(failing);
          if (!failed) failed = std::current_exception();
        }
      };
      std::vector<std::thread> others;
      try {
        for (int i = 1; i < std::min<int>(threads, static_cast<int>(count)); ++i) others.emplace_back(work);
      } catch (const std::exception&) {
        // There are as many as the system gives, which may be none: the others do their share.
      }
      work();
      for (std::thread& other : others) other.join();
      if (failed) std::rethrow_exception(failed);
    }
    return nb::make_tuple(owned(std::move(scores), count, width), owned(std::move(rows), count, width));
  }

  std::string instructions() const { return scanner_->kernels().name; }

 private:
  Matrix<float> centroids_;
  Vector<float> low_, span_;
  std::optional<Matrix<float>> axes_;
  std::int64_t end_row_;
  std::unique_ptr<dense::Scanner> scanner_;
};

// Where the parts of stored vectors lie: int64 [parts, 4] of first row, end row, address, bytes of an element.
std::vector<dense::Stored> parts_of(const Matrix<std::int64_t>& places) {
  require(places.shape(1) == 4, "a part needs four numbers");
  std::vector<dense::Stored> parts;
  for (std::size_t i = 0; i < places.shape(0); ++i) {
    const std::int64_t* own = places.data() + 4 * i;
    require(own[0] <= own[1] && (parts.empty() || own[0] >= parts.back().end), "parts overlap or are out of order");
    require(own[3] == 2 || own[3] == 4, "vectors are half floats or floats");
    parts.push_back({own[0], own[1], reinterpret_cast<const void*>(own[2]), own[3] == 4});
  }
  return parts;
}

// Scores float [q, m] of rows int64 [q, m].
nb::ndarray<nb::numpy, float, nb::ndim<2>> stored_scores(const Matrix<std::int64_t>& places,
                                                         const Matrix<float>& queries, const Matrix<std::int64_t>& rows,
                                                         const std::string& instructions) {
  require(queries.shape(0) == rows.shape(0), "each query needs its own rows");
  const auto parts = parts_of(places);
  const dense::Kernels& kernels = kernels_named(instructions);
  const std::size_t count = rows.shape(0), width = rows.shape(1), dim = queries.shape(1);
  std::unique_ptr<float[]> scores(new float[count * width]);
  {
    Release release;
    for (std::size_t i = 0; i < count; ++i) {
      dense::score_stored(parts, static_cast<int>(dim), kernels, queries.data() + i * dim, rows.data() + i * width,
                          static_cast<std::int64_t>(width), scores.get() + i * width);
    }
  }
  return owned(std::move(scores), count, width);
}

// The k best of them: float and int64 [q, k].
nb::tuple best_stored(const Matrix<std::int64_t>& places, const Matrix<float>& queries,
                      const Matrix<std::int64_t>& rows, std::int64_t k, const std::string& instructions) {
  require(queries.shape(0) == rows.shape(0) && k >= 0, "each query needs its own rows, and k must not be negative");
  const auto parts = parts_of(places);
  const dense::Kernels& kernels = kernels_named(instructions);
  const std::size_t count = rows.shape(0), width = rows.shape(1), dim = queries.shape(1);
  const auto wanted = static_cast<std::size_t>(k);
  std::unique_ptr<float[]> best(new float[count * wanted]);
  std::unique_ptr<std::int64_t[]> at(new std::int64_t[count * wanted]);
  {
    Release release;
    std::vector<float> scores(width);
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t* own = rows.data() + i * width;
      dense::score_stored(parts, static_cast<int>(dim), kernels, queries.data() + i * dim, own,
                          static_cast<std::int64_t>(width), scores.data());
      dense::best_of(scores.data(), own, static_cast<std::int64_t>(width), k, best.get() + i * wanted,
                     at.get() + i * wanted);
    }
  }
  return nb::make_tuple(owned(std::move(best), count, wanted), owned(std::move(at), count, wanted));
}

}  // namespace

void bind_dense(nb::module_& m) {
  m.def("stored_scores", &stored_scores, nb::arg("places"), nb::arg("queries"), nb::arg("rows"),
        nb::arg("instructions"));
  m.def("best_stored", &best_stored, nb::arg("places"), nb::arg("queries"), nb::arg("rows"), nb::arg("k"),
        nb::arg("instructions"));
  nb::class_<Scan>(m, "Scan")
      .def(nb::init<const Matrix<std::int64_t>&, Matrix<float>, Vector<float>, Vector<float>, int, bool,
                    std::optional<Matrix<float>>, std::int64_t, const std::string&>(),
           nb::arg("places"), nb::arg("centroids"), nb::arg("low"), nb::arg("span"), nb::arg("bits"),
           nb::arg("residual"), nb::arg("axes").none(), nb::arg("end_row"), nb::arg("instructions"))
      .def("search", &Scan::search, nb::arg("queries"), nb::arg("nprobe"), nb::arg("wanted"), nb::arg("allowed").none(),
           nb::arg("threads"))
      .def_prop_ro("instructions", &Scan::instructions);
}

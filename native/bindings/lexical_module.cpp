// Lists: the Python class over lexical/scan.hpp. It holds the arrays that it reads.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/release.hpp"
#include "lexical/scan.hpp"

namespace {

// base row, rows, terms, term_bounds, lists, documents, counts.
using LexicalPart = std::tuple<std::int64_t, std::int64_t, Vector<std::uint8_t>, Vector<std::int64_t>,
                               Vector<std::int64_t>, Vector<std::int32_t>, Vector<std::uint16_t>>;

template <typename T>
nb::ndarray<nb::numpy, T, nb::ndim<1>> owned(std::vector<T>&& values) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::ndarray<nb::numpy, T, nb::ndim<1>>(kept->data(), {kept->size()}, owner);
}

void check_bounds(const Vector<std::int64_t>& bounds, std::size_t total) {
  const std::size_t count = bounds.shape(0);
  require(count > 0, "bounds are empty");
  require(bounds(0) == 0 && bounds(count - 1) == static_cast<std::int64_t>(total),
          "bounds do not span what they bound");
  for (std::size_t i = 1; i < count; ++i) require(bounds(i) >= bounds(i - 1), "bounds descend");
}

class Lists {
 public:
  Lists(std::vector<LexicalPart> parts, Vector<float> norms, Vector<std::uint8_t> live)
      : parts_(std::move(parts)), norms_(std::move(norms)), live_(std::move(live)) {
    const auto end_row = static_cast<std::int64_t>(norms_.shape(0));
    require(live_.shape(0) == norms_.shape(0), "norms and live differ in length");
    std::vector<lexical::Part> read;
    std::int64_t end = 0;
    for (const auto& [base, rows, terms, term_bounds, lists, documents, counts] : parts_) {
      require(base >= end && rows >= 0 && rows <= INT32_MAX && base <= end_row - rows,
              "parts overlap, are out of order, or reach beyond the rows");
      require(term_bounds.shape(0) == lists.shape(0), "terms and lists differ in number");
      require(documents.shape(0) == counts.shape(0), "documents and counts differ in number");
      check_bounds(term_bounds, terms.shape(0));
      check_bounds(lists, documents.shape(0));
      read.push_back({base, rows, static_cast<std::int64_t>(lists.shape(0)) - 1,
                      reinterpret_cast<const char*>(terms.data()), term_bounds.data(), lists.data(), documents.data(),
                      counts.data()});
      end = base + rows;
    }
    scan_ = std::make_unique<lexical::Scan>(std::move(read), norms_.data(), live_.data(), end_row);
  }

  nb::tuple look_up(const std::vector<nb::bytes>& terms) const {
    std::vector<std::string_view> asked;
    for (const nb::bytes& term : terms) asked.emplace_back(term.c_str(), term.size());
    const std::size_t parts = scan_->parts().size();
    auto* lists = new std::vector<std::int64_t>(parts * asked.size());
    nb::capsule owner(lists, [](void* p) noexcept { delete static_cast<std::vector<std::int64_t>*>(p); });
    std::vector<std::int64_t> live(asked.size());
    {
      Release release;
      for (std::size_t part = 0; part < parts; ++part) {
        for (std::size_t term = 0; term < asked.size(); ++term) {
          const std::int64_t number = scan_->number_of(part, asked[term]);
          (*lists)[part * asked.size() + term] = number;
          if (number >= 0) live[term] += scan_->live_rows(part, number);
        }
      }
    }
    return nb::make_tuple(
        nb::ndarray<nb::numpy, std::int64_t, nb::ndim<2>>(lists->data(), {parts, asked.size()}, owner),
        owned(std::move(live)));
  }

  nb::tuple search(const Matrix<std::int64_t>& lists, const Vector<float>& weights, std::int64_t k,
                   const std::optional<Vector<std::uint8_t>>& allowed) const {
    check(lists, weights);
    require(k > 0, "k must be at least 1");
    require(!allowed || allowed->shape(0) == live_.shape(0), "allowed does not fit the rows");
    lexical::Best best;
    {
      Release release;
      best = scan_->search(lists.data(), weights.data(), weights.shape(0), k, allowed ? allowed->data() : nullptr);
    }
    return nb::make_tuple(owned(std::move(best.scores)), owned(std::move(best.rows)));
  }

  nb::ndarray<nb::numpy, float, nb::ndim<1>> score(const Matrix<std::int64_t>& lists, const Vector<float>& weights,
                                                   const Vector<std::int64_t>& rows) const {
    check(lists, weights);
    std::vector<float> scores(rows.shape(0));
    {
      Release release;
      scan_->score(lists.data(), weights.data(), weights.shape(0), rows.data(), rows.shape(0), scores.data());
    }
    return owned(std::move(scores));
  }

 private:
  void check(const Matrix<std::int64_t>& lists, const Vector<float>& weights) const {
    const auto& parts = scan_->parts();
    require(lists.shape(0) == parts.size() && lists.shape(1) == weights.shape(0), "lists do not fit parts and weights");
    for (std::size_t part = 0; part < parts.size(); ++part) {
      for (std::size_t term = 0; term < weights.shape(0); ++term) {
        require(lists(part, term) >= -1 && lists(part, term) < parts[part].term_count, "there is no such list");
      }
    }
  }

  std::vector<LexicalPart> parts_;
  Vector<float> norms_;
  Vector<std::uint8_t> live_;
  std::unique_ptr<lexical::Scan> scan_;
};

}  // namespace

void bind_lexical(nb::module_& m) {
  nb::class_<Lists>(m, "Lists")
      .def(nb::init<std::vector<LexicalPart>, Vector<float>, Vector<std::uint8_t>>(), nb::arg("parts"),
           nb::arg("norms"), nb::arg("live"))
      .def("look_up", &Lists::look_up, nb::arg("terms"))
      .def("search", &Lists::search, nb::arg("lists"), nb::arg("weights"), nb::arg("k"), nb::arg("allowed").none())
      .def("score", &Lists::score, nb::arg("lists"), nb::arg("weights"), nb::arg("rows"));
}

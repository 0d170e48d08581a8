// The Python module of a look into a folder: releases the lock while it looks, raises OSError as Python itself would.
#include <nanobind/nanobind.h>

#include <cerrno>

#include "bindings/release.hpp"
#include "listing/folder.hpp"

namespace nb = nanobind;

namespace {

// (names: bytes, 0 between them; numbers: bytes of uint64 as listing/folder.hpp has them; the newest time in ns; names
// of folders: a list of bytes).
nb::tuple look_into(const nb::bytes& path) {
  listing::Folder found;
  int failed;
  {
    Release release;
    failed = listing::look_into(path.c_str(), found);
  }
  if (failed != 0) {
    errno = failed;
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path.ptr());
    throw nb::python_error();
  }
  nb::list folders;
  for (const std::string& name : found.folders) folders.append(nb::bytes(name.data(), name.size()));
  return nb::make_tuple(nb::bytes(found.names.data(), found.names.size()),
                        nb::bytes(reinterpret_cast<const char*>(found.numbers.data()),
                                  found.numbers.size() * sizeof(found.numbers[0])),
                        found.newest, folders);
}

}  // namespace

NB_MODULE(_listing, m) {
  // A process that an error ends leaves its modules alive: lines about that would stand where the error is told.
  nb::set_leak_warnings(false);
  m.attr("ABI") = 1;
  m.def("look_into", &look_into, nb::arg("path"));
}

#pragma once

#include <Python.h>

#include <cxxabi.h>
#include <unistd.h>

// Releases Python's lock for as long as it lives, as nb::gil_scoped_release does.
//
// A daemon thread that wants the lock back once the interpreter ends is ended by Python before 3.14: by pthread_exit,
// which unwinds, and where that meets a function that may not throw, as nanobind's are, the whole process aborts, with
// all its work done. Here it waits for the process to end, as in Python 3.14.
class Release {
 public:
  Release() : state_(PyEval_SaveThread()) {}
  Release(const Release&) = delete;
  Release& operator=(const Release&) = delete;
  ~Release() {
#ifdef __GLIBCXX__
    try {
      PyEval_RestoreThread(state_);
    } catch (abi::__forced_unwind&) {
      for (;;) pause();
    }
#else
    PyEval_RestoreThread(state_);
#endif
  }

 private:
  PyThreadState* state_;
};

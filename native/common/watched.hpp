// What AddressSanitizer does not see by itself: tiles, which are assembly, and reads and writes under a mask.
// XTR_WATCH(at, bytes): so many are about to be read or written. Under the sanitizer the first of them that is nobody's is
// read in a way that is seen. In a usual build it is nothing at all: an expression that is thrown away moved registers.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define XTR_WATCHED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define XTR_WATCHED
#endif
#endif

#ifdef XTR_WATCHED
#include <sanitizer/asan_interface.h>

#include <cstddef>

namespace xtr {
namespace {

inline void watched(const void* at, std::size_t bytes) {
  if (const void* bad = __asan_region_is_poisoned(const_cast<void*>(at), bytes)) {
    [[maybe_unused]] const char seen = *static_cast<const volatile char*>(bad);
  }
}

}  // namespace
}  // namespace xtr
#define XTR_WATCH(at, bytes) xtr::watched(at, bytes)
#else
#define XTR_WATCH(at, bytes) static_cast<void>(0)
#endif

// What AddressSanitizer does not see by itself: tiles, which are assembly, and reads and writes under a mask.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define XTR_WATCHED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define XTR_WATCHED
#endif
#endif

#ifdef XTR_WATCHED
#include <sanitizer/asan_interface.h>
#endif

namespace xtr {
namespace {

// `bytes` at `at` are about to be read or written. Nothing in a usual build; else the first of them that is nobody's is
// read in a way that is seen.
inline void watched([[maybe_unused]] const void* at, [[maybe_unused]] std::size_t bytes) {
#ifdef XTR_WATCHED
  if (const void* bad = __asan_region_is_poisoned(const_cast<void*>(at), bytes)) {
    [[maybe_unused]] const char seen = *static_cast<const volatile char*>(bad);
  }
#endif
}

}  // namespace
}  // namespace xtr

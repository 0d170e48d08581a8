// Under AddressSanitizer alone: what is one byte too long for its memory has to end this, seen by nothing but XTR_WATCH.
#include "common/watched.hpp"

#include <vector>

int main() {
  const std::vector<char> memory(1024);
  XTR_WATCH(memory.data(), memory.size());
  XTR_WATCH(memory.data(), memory.size() + 1);
}

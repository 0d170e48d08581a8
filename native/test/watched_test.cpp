// Under AddressSanitizer alone: what is one byte too long for its memory has to end this, seen by nothing but `watched`.
#include "common/watched.hpp"

#include <vector>

int main() {
  const std::vector<char> memory(1024);
  xtr::watched(memory.data(), memory.size());
  xtr::watched(memory.data(), memory.size() + 1);
}

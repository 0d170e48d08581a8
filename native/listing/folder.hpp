// What the system knows of a folder and of all that lies in it, in one pass, without Python.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace listing {

// Numbers of an entry: device, inode, mode, size, mtime and ctime in ns; what is below zero (a time before 1970) is 0,
// what 64 bits do not hold (a time after 2554) the largest number.
constexpr int kFields = 6;

struct Folder {
  std::string names;                 // In the order of the folder, 0 between them.
  std::vector<std::uint64_t> numbers;  // kFields of the folder itself, then of what each name leads to.
  std::vector<std::string> folders;  // The names that lead to folders.
  std::uint64_t newest = 0;          // The latest of all times above.
};

// 0, or the errno of what could not be opened, listed or looked at. Entries are looked at relative to the open folder: the
// system walks one name for each, not the whole path. A link to nothing, or a file that went meanwhile, is the link itself.
int look_into(const char* path, Folder& found);

}  // namespace listing

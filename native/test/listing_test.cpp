// A look into a folder against `stat` of each path: links, what is no file, times that 64 bits do not hold, closed folders.
#include "listing/folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "test/check.hpp"

namespace {

constexpr const char* kWho = "listing";

std::vector<std::string> split(const std::string& names) {
  std::vector<std::string> parts(1);
  for (char one : names) {
    if (one == '\0') {
      parts.emplace_back();
    } else {
      parts.back().push_back(one);
    }
  }
  return names.empty() ? std::vector<std::string>{} : parts;
}

void holds_what_stat_says(const std::string& root) {
  listing::Folder found;
  CHECK(listing::look_into(root.c_str(), found) == 0, kWho);
  const std::vector<std::string> names = split(found.names);
  CHECK(names.size() == 5, kWho);
  CHECK(found.numbers.size() == (names.size() + 1) * listing::kFields, kWho);
  struct stat own;
  CHECK(stat(root.c_str(), &own) == 0 && found.numbers[1] == own.st_ino, kWho);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string path = root + "/" + names[i];
    struct stat state;
    if (stat(path.c_str(), &state) != 0) CHECK(lstat(path.c_str(), &state) == 0, kWho);
    const std::uint64_t* at = found.numbers.data() + (i + 1) * listing::kFields;
    CHECK(at[0] == state.st_dev && at[1] == state.st_ino, kWho);
    CHECK(at[2] == state.st_mode && at[3] == static_cast<std::uint64_t>(state.st_size), kWho);
    CHECK(names[i] != "old" || at[4] == 0, kWho);
  }
  CHECK(found.folders.size() == 2, kWho);
}

void says_why_it_cannot(const std::string& root) {
  listing::Folder found;
  CHECK(listing::look_into((root + "/none").c_str(), found) == ENOENT, kWho);
  CHECK(listing::look_into((root + "/old").c_str(), found) == ENOTDIR, kWho);
}

}  // namespace

int main() {
  char name[] = "/tmp/listing_test.XXXXXX";
  CHECK(mkdtemp(name) != nullptr, kWho);
  const std::string root = name;
  std::ofstream(root + "/old") << "text";
  const timespec times[2] = {{-1000, 0}, {-1000, 0}};
  CHECK(utimensat(AT_FDCWD, (root + "/old").c_str(), times, 0) == 0, kWho);
  std::ofstream(root + "/\xff name") << "a name that is no UTF-8";
  CHECK(mkdir((root + "/deep").c_str(), 0755) == 0, kWho);
  CHECK(symlink("deep", (root + "/to deep").c_str()) == 0, kWho);
  CHECK(symlink("none", (root + "/to none").c_str()) == 0, kWho);
  holds_what_stat_says(root);
  says_why_it_cannot(root);
  for (const char* one : {"/old", "/\xff name", "/to deep", "/to none"}) unlink((root + one).c_str());
  rmdir((root + "/deep").c_str());
  rmdir(root.c_str());
  return test::finish("listing_test");
}

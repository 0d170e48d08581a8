#include "listing/folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace listing {
namespace {

template <typename T>
std::uint64_t positive(T number) {
  return number < 0 ? 0 : static_cast<std::uint64_t>(number);
}

std::uint64_t nanoseconds(const timespec& time) {
  constexpr std::uint64_t second = 1'000'000'000, most = std::numeric_limits<std::uint64_t>::max();
  if (time.tv_sec < 0) return 0;
  const auto seconds = static_cast<std::uint64_t>(time.tv_sec), rest = static_cast<std::uint64_t>(time.tv_nsec);
  return seconds > (most - rest) / second ? most : seconds * second + rest;
}

void add(const struct stat& state, std::uint64_t* into, std::uint64_t& newest) {
#ifdef __APPLE__
  const timespec &written = state.st_mtimespec, &changed = state.st_ctimespec;
#else
  const timespec &written = state.st_mtim, &changed = state.st_ctim;
#endif
  into[0] = static_cast<std::uint64_t>(state.st_dev);
  into[1] = static_cast<std::uint64_t>(state.st_ino);
  into[2] = static_cast<std::uint64_t>(state.st_mode);
  into[3] = positive(state.st_size);
  into[4] = nanoseconds(written);
  into[5] = nanoseconds(changed);
  newest = std::max({newest, into[4], into[5]});
}

// Closes what it holds, whichever way it is left.
class Opened {
 public:
  explicit Opened(const char* path) {
    int number;
    do {
      number = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (number < 0 && errno == EINTR);
    if (number < 0) return;
    folder_ = fdopendir(number);
    if (folder_ == nullptr) {
      const int why = errno;
      ::close(number);
      errno = why;
    }
  }
  ~Opened() {
    if (folder_ != nullptr) closedir(folder_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  DIR* get() const { return folder_; }

 private:
  DIR* folder_ = nullptr;
};

}  // namespace

int look_into(const char* path, Folder& found) {
  const Opened opened(path);
  if (opened.get() == nullptr) return errno;
  const int folder = dirfd(opened.get());
  found.numbers.assign(kFields, 0);
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(opened.get());
    if (entry == nullptr) break;
    const char* name = entry->d_name;
    if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
    struct stat state;
    int failed = fstatat(folder, name, &state, 0);
    if (failed != 0 && errno == ENOENT) failed = fstatat(folder, name, &state, AT_SYMLINK_NOFOLLOW);
    if (failed != 0) return errno;
    const std::size_t at = found.numbers.size();
    found.numbers.resize(at + kFields);
    add(state, found.numbers.data() + at, found.newest);
    if (at > kFields) found.names.push_back('\0');
    found.names.append(name);
    if (S_ISDIR(state.st_mode)) found.folders.emplace_back(name);
  }
  if (errno != 0) return errno;
  struct stat own;
  if (fstat(folder, &own) != 0) return errno;
  add(own, found.numbers.data(), found.newest);
  return 0;
}

}  // namespace listing

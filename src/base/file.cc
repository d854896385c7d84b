#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace stele {

namespace {

[[noreturn]] void fail(const char* what, const std::string& path) {
  int e = errno;
  ErrorCode code = e == ENOENT   ? ErrorCode::kUndefinedFile
                   : e == ENOSPC ? ErrorCode::kDiskFull
                                 : ErrorCode::kIoError;
  throw Error(code, fmt::format("could not {} \"{}\": {}", what, path, std::strerror(e)));
}

class PosixWritable final : public WritableFile {
 public:
  PosixWritable(int fd, std::string path, uint64_t size)
      : fd_(fd), path_(std::move(path)), size_(size) {}
  ~PosixWritable() override { ::close(fd_); }

  void append(std::string_view bytes) override {
    while (!bytes.empty()) {
      ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (n < 0) {
        if (errno == EINTR) continue;
        fail("write to file", path_);
      }
      size_ += static_cast<uint64_t>(n);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void sync() override {
    if (::fdatasync(fd_) != 0) fail("fsync file", path_);
  }
  uint64_t size() const override { return size_; }

  void preallocate(uint64_t bytes) override {
    static const std::string zeros(256 << 10, '\0');
    uint64_t at = size_;
    while (at < bytes) {
      size_t n = static_cast<size_t>(std::min<uint64_t>(zeros.size(), bytes - at));
      ssize_t w = ::pwrite(fd_, zeros.data(), n, static_cast<off_t>(at));
      if (w < 0) {
        if (errno == EINTR) continue;
        if (errno == ENOSPC) return;  // a hint only; the append itself will report it
        fail("write to file", path_);
      }
      at += static_cast<uint64_t>(w);
    }
    if (::fsync(fd_) != 0) fail("fsync file", path_);
  }

 private:
  int fd_;
  std::string path_;
  uint64_t size_;
};

class PosixReadable final : public ReadableFile {
 public:
  PosixReadable(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixReadable() override { ::close(fd_); }

  size_t read(uint64_t offset, size_t n, char* out) const override {
    size_t done = 0;
    while (done < n) {
      ssize_t r = ::pread(fd_, out + done, n - done, static_cast<off_t>(offset + done));
      if (r < 0) {
        if (errno == EINTR) continue;
        fail("read file", path_);
      }
      if (r == 0) break;
      done += static_cast<size_t>(r);
    }
    return done;
  }
  uint64_t size() const override {
    struct stat st;
    if (::fstat(fd_, &st) != 0) fail("stat file", path_);
    return static_cast<uint64_t>(st.st_size);
  }

 private:
  int fd_;
  std::string path_;
};

class PosixFiles final : public Files {
 public:
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) fail("create file", path);
    return std::make_unique<PosixWritable>(fd, path, 0);
  }
  std::unique_ptr<WritableFile> open_append(const std::string& path) override {
    int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) fail("open file", path);
    struct stat st;
    if (::fstat(fd, &st) != 0) {
      ::close(fd);
      fail("stat file", path);
    }
    return std::make_unique<PosixWritable>(fd, path, static_cast<uint64_t>(st.st_size));
  }
  std::unique_ptr<ReadableFile> open(const std::string& path) override {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail("open file", path);
    return std::make_unique<PosixReadable>(fd, path);
  }
  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }
  void remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) fail("remove file", path);
  }
  void rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) fail("rename file", from);
  }
  void truncate(const std::string& path, uint64_t size) override {
    if (::truncate(path.c_str(), static_cast<off_t>(size)) != 0) fail("truncate file", path);
  }
  std::vector<std::string> list(const std::string& directory) override {
    DIR* d = ::opendir(directory.c_str());
    if (d == nullptr) fail("open directory", directory);
    std::vector<std::string> names;
    while (dirent* e = ::readdir(d)) {
      std::string_view name = e->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(d);
    return names;
  }
  void make_directories(const std::string& path) override {
    for (size_t i = 1; i <= path.size(); ++i) {
      if (i != path.size() && path[i] != '/') continue;
      std::string prefix = path.substr(0, i);
      if (::mkdir(prefix.c_str(), 0700) != 0 && errno != EEXIST) fail("create directory", prefix);
    }
  }
  void sync_directory(const std::string& path) override {
    int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) fail("open directory", path);
    int r = ::fsync(fd);
    ::close(fd);
    if (r != 0) fail("fsync directory", path);
  }
};

}  // namespace

Files& posix_files() {
  static PosixFiles files;
  return files;
}

}  // namespace stele

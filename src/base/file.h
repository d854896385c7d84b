// The file layer under the log and segment files. Production uses posix_files(); crash tests use a
// FaultyFiles (base/faulty_files.h) that drops everything unsynced on "power loss" and can fail the
// Nth operation. I/O failures throw Error(kIoError); a failed sync is the caller's to treat as fatal.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace stele {

class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual void append(std::string_view bytes) = 0;
  virtual void sync() = 0;  // data and size are durable when it returns
  virtual uint64_t size() const = 0;
  // Zeros from size() to `bytes`, made durable, so that later syncs need not change the file's length.
  // A hint: what is read beyond size() after a crash may be zeros.
  virtual void preallocate(uint64_t bytes) { (void)bytes; }
};
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Reads up to n bytes at offset; shorter only at the end of the file. Thread-safe.
  virtual size_t read(uint64_t offset, size_t n, char* out) const = 0;
  virtual uint64_t size() const = 0;
};
class Files {
 public:
  virtual ~Files() = default;
  virtual std::unique_ptr<WritableFile> create(const std::string& path) = 0;  // truncates
  virtual std::unique_ptr<WritableFile> open_append(const std::string& path) = 0;
  virtual std::unique_ptr<ReadableFile> open(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual void remove(const std::string& path) = 0;
  virtual void rename(const std::string& from, const std::string& to) = 0;
  virtual void truncate(const std::string& path, uint64_t size) = 0;
  virtual std::vector<std::string> list(const std::string& directory) = 0;  // names, unsorted
  virtual void make_directories(const std::string& path) = 0;
  virtual void sync_directory(const std::string& path) = 0;
};
Files& posix_files();

}  // namespace stele

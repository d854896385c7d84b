// A file layer for crash tests over a real directory: power_loss() drops everything that was not
// synced, and the Nth operation from now can be made to fail.
//
// Model: file contents survive up to the last sync, plus a random torn part of what followed; a new,
// renamed or removed name survives once its directory was synced. After power_loss() every open handle is
// dead (throws kIoError) until the files are opened again. Thread-safe.
#pragma once

#include <map>
#include <mutex>

#include "base/clock.h"
#include "base/file.h"

namespace stele {

class FaultyFiles final : public Files {
 public:
  explicit FaultyFiles(uint64_t seed, Files& base = posix_files());
  ~FaultyFiles() override;

  // The next `operations` writes and syncs succeed, the one after throws kIoError, as all that follow.
  void fail_after(uint64_t operations);
  void heal();
  void power_loss();
  // Operations (append, sync, create, rename, remove, truncate) seen so far.
  uint64_t operations() const;

  std::unique_ptr<WritableFile> create(const std::string& path) override;
  std::unique_ptr<WritableFile> open_append(const std::string& path) override;
  std::unique_ptr<ReadableFile> open(const std::string& path) override;
  bool exists(const std::string& path) override;
  void remove(const std::string& path) override;
  void rename(const std::string& from, const std::string& to) override;
  void truncate(const std::string& path, uint64_t size) override;
  std::vector<std::string> list(const std::string& directory) override;
  void make_directories(const std::string& path) override;
  void sync_directory(const std::string& path) override;

 private:
  friend class FaultyWritable;
  struct State {
    uint64_t synced = 0;        // bytes that survive for sure
    uint64_t size = 0;          // bytes written
    bool name_durable = false;  // directory synced since the name appeared
  };
  void operation(const std::string& what);  // counts and maybe fails; lock held

  Files& base_;
  mutable std::mutex mutex_;
  Random random_;
  std::map<std::string, State> files_;
  // Where open files have gone by renames.
  std::string now_at(std::string path) const {
    for (auto it = moved_.find(path); it != moved_.end(); it = moved_.find(path)) path = it->second;
    return path;
  }
  std::map<std::string, std::string> moved_;
  // Removed names whose directory was not synced yet: contents kept aside under another name.
  std::map<std::string, std::string> removed_;
  uint64_t generation_ = 0;
  uint64_t operations_ = 0;
  uint64_t fail_at_ = UINT64_MAX;
};

}  // namespace stele

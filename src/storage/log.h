// The log: the truth, and the order of everything. One record a commit, numbered by consecutive
// Lsns, appended atomically, checksummed. Files log/<first lsn, 16 hex digits>.log.
//
// Threads: append() is called by the commit leader only; everything else from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"

namespace stele::storage {

using Lsn = uint64_t;  // 0 is "before every commit"

class LogCursor {
 public:
  virtual ~LogCursor() = default;
  // False when there is no further record (yet). The view is valid until the next call.
  virtual bool next(Lsn* lsn, std::string_view* payload) = 0;
};

class Log {
 public:
  struct Options {
    std::string directory;
    Files* files = nullptr;  // null: posix_files()
    uint64_t segment_bytes = 64 << 20;
    uint64_t retain_cap_bytes = uint64_t{4} << 30;  // beyond it the slowest consumers are dropped
    bool preallocate = true;  // write zeros ahead, so that a sync need not grow the file
    // Called when a write or sync failed; returning leaves a log on which every append and sync
    // throws. Null: the process ends.
    std::function<void(const std::string&)> on_failure;
  };
  // Opens and verifies; a torn tail is cut off, damage before the tail throws data_corrupted.
  static std::unique_ptr<Log> open(const Options& options);
  virtual ~Log() = default;

  // Hands the record to the writer thread; visible to read_from() at once. lsn must be last_lsn()+1.
  virtual void append(Lsn lsn, std::string_view payload) = 0;
  // Blocks until durable_lsn() >= lsn. One sync serves everyone waiting. A failed sync ends the process.
  virtual void sync(Lsn lsn) = 0;
  // Asks for a sync without waiting; on_durable callbacks tell when.
  virtual void request_sync(Lsn lsn) = 0;
  virtual Lsn durable_lsn() const = 0;
  virtual Lsn last_lsn() const = 0;
  virtual Lsn first_lsn() const = 0;
  // Called on the sync thread after durable_lsn() advanced; must not block.
  virtual void on_durable(std::function<void(Lsn)> callback) = 0;

  // Records with lsn >= from. Throws snapshot_too_old when they are no longer retained.
  virtual std::unique_ptr<LogCursor> read_from(Lsn from) = 0;
  // A named consumer needs every record above `lsn`; files below the minimum are removed.
  virtual void retain(const std::string& consumer, Lsn lsn) = 0;
  virtual void forget(const std::string& consumer) = 0;
  virtual uint64_t bytes_appended() const = 0;
  virtual uint64_t sync_count() const = 0;
  virtual uint64_t longest_sync_us() const = 0;
};

}  // namespace stele::storage

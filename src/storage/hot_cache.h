// The in-memory form of hot rows and index entries: a sharded table of key -> newest version, kept
// right by the commit and evicted by CLOCK under a byte budget. Absence means nothing (no negative
// entries).
//
// Invariants
//  1. An entry is the newest applied version of its key, so it answers any reader whose snapshot is not
//     older than it.
//  2. The commit changes entries after RocksDB and before publish. A reader that fetched a version from
//     RocksDB may insert it only if no commit younger than its snapshot has touched the shard.
//  3. A shard's lock is held for a lookup or a change only; no other lock is taken under it except the
//     range list's.
//
// Thread-safe; committed_*() by the commit leader only.
#pragma once

#include <atomic>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "storage/log.h"

namespace stele::storage {

class HotCache {
 public:
  explicit HotCache(uint64_t budget_bytes);
  ~HotCache();

  // The entry if it is visible at `at`.
  bool get(std::string_view key, Lsn at, std::string* value, Lsn* lsn) const;
  // Offers a version that was the newest as of `snapshot`.
  enum class Offered : uint8_t {
    kRefused,      // there already, outdated by a commit, or too large
    kRoomForMore,  // taken, and there is room for a good many more
    kFull,         // taken, and little room is left
  };
  Offered offer(std::string_view key, std::string_view value, Lsn lsn, Lsn snapshot);

  void committed_put(std::string_view key, std::string_view value, Lsn lsn);
  void committed_erase(std::string_view key, Lsn lsn);
  void committed_erase_range(std::string_view lower, std::string_view upper, Lsn lsn);
  // Drops entries that range erases made stale; from a background thread.
  void sweep();

  uint64_t bytes() const;
  uint64_t entries() const;

 private:
  struct Entry;
  struct Shard;
  struct Range {
    std::string lower, upper;
    Lsn lsn;
  };
  Shard& shard(uint64_t hash) const;
  bool in_erased_range(std::string_view key, Lsn lsn) const;

  std::unique_ptr<Shard[]> shards_;
  uint64_t shard_budget_;
  std::atomic<bool> has_ranges_{false};
  std::atomic<Lsn> range_lsn_{0};
  mutable std::shared_mutex ranges_mutex_;
  std::vector<Range> ranges_;
};

}  // namespace stele::storage

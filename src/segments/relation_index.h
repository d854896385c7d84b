// The segments of one relation: a tail of fragments in memory, files below, and the merging between.
//
// Invariants
//  1. A row has at most one ordinal, over all segments, that has not died.
//  2. The list of segments is replaced, never changed; a reader keeps the list it resolved.
//  3. link() and kill() are called in lsn order by one thread at a time (the commit leader, or replay);
//     merging runs beside them and installs its result under the same mutex, after carrying over the
//     deaths that happened meanwhile.
//  4. Everything up to checkpoint_lsn() is in files named by the manifest; the log has the rest. The log is
//     durable up to there before the manifest is written.
//  5. A build from rows reads a snapshot while commits go on: they are linked as ever and noted in a journal;
//     finish_build() lets what the journal names win over what the snapshot had.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "segments/search/searcher.h"
#include "segments/segment.h"

namespace stele::segments {

class RelationIndex {
 public:
  struct Options {
    std::string directory;              // empty: memory only
    size_t merge_factor = 8;
    uint64_t tail_bytes = 64 << 20;     // beyond it the tail is written to a file
    std::function<Lsn()> horizon;       // oldest lsn a reader may hold; empty: nothing is pinned
    std::function<void(Lsn)> wait_durable;  // returns when the log is durable up to there
  };
  using List = std::vector<SegmentPtr>;
  explicit RelationIndex(Options options);
  ~RelationIndex();

  // Publishes one commit: `dead` rows lose their live ordinal, the fragment (may be null) is born.
  void link(Lsn lsn, const std::vector<uint64_t>& dead, SegmentPtr fragment);

  // TRUNCATE: every document dies.
  void kill_all(Lsn lsn);

  std::shared_ptr<const List> segments() const;
  // Leaves visible at lsn. `hidden_rows`: rows that the reader's transaction has replaced or deleted.
  std::vector<Leaf> leaves(Lsn lsn, const std::vector<uint64_t>* hidden_rows = nullptr) const;

  // Building the contents from rows. begin_build() before the snapshot is taken, by a thread that no commit can pass
  // (the leader) or before there are any. What was there before is replaced by finish_build(). While `readers_wait`,
  // wait_built() blocks.
  void begin_build(bool readers_wait);
  void finish_build(List built, Lsn snapshot);
  void wait_built() const;
  bool building() const;

  // Merges what the tiers ask for; cheap when nothing is due. Any thread but the leader.
  void maintain();
  // One segment (forcemerge).
  void merge_all();
  // What the files hold besides segments: the definition they were built for, and a counter of the owner's.
  struct Identity { std::string tag; int64_t next_number = 0; };
  // Writes the tail, the deaths and the manifest; returns the new checkpoint lsn.
  Lsn checkpoint(const Identity& identity);
  Lsn checkpoint() { return checkpoint(Identity()); }
  // Bytes that only memory holds.
  uint64_t tail_bytes() const;
  // The lsn after which the log is needed; UINT64_MAX: nothing is newer than the files. No lock of others is taken.
  Lsn needs_log_from() const;
  Lsn checkpoint_lsn() const { return checkpoint_lsn_; }
  Lsn applied_lsn() const;
  // Reads the manifest; false when there is none or it was made for another tag. Throws data_corrupted.
  bool load(Identity* identity);
  // The checkpoint lsn of the manifest in a directory; nullopt: none that can be read.
  static std::optional<Lsn> stored_checkpoint(const std::string& directory);
  void drop_files();

  struct Stats { uint64_t docs = 0, deleted = 0, bytes = 0, segments = 0; };
  Stats stats() const;
  // Empty when every row has at most one live ordinal and each image reads back; else what is wrong.
  std::string check() const;

 private:
  void replace(const List& sources, SegmentPtr merged, const std::vector<std::vector<uint32_t>>& moved);
  SegmentPtr write_file(const SegmentPtr& segment);
  // Merges and, when it is large, moves the result into a file.
  SegmentPtr merge(const List& sources, std::vector<std::vector<uint32_t>>* moved);
  List pick_merge() const;
  List mergeable() const;

  Options options_;
  mutable std::mutex mutex_;
  std::mutex merge_mutex_;  // one merge at a time
  std::shared_ptr<const List> list_;
  Lsn applied_ = 0;
  std::atomic<Lsn> checkpoint_lsn_{0};
  uint64_t next_file_ = 1;  // guarded by merge_mutex_
  // While building: segments that will be replaced stand first.
  bool building_ = false, readers_wait_ = false;
  size_t replaced_ = 0;
  struct Journal { Lsn lsn; std::vector<uint64_t> rows; bool all = false; };
  std::vector<Journal> journal_;
  mutable std::condition_variable built_;
};

}  // namespace stele::segments

// The segments of one relation: a tail of fragments in memory, files below, and the merging between.
//
// Invariants
//  1. A row has at most one ordinal, over all segments, that has not died.
//  2. The list of segments is replaced, never changed; a reader keeps the list it resolved.
//  3. link() and kill() are called in lsn order by one thread at a time (the commit leader, or replay);
//     merging runs beside them and installs its result under the same mutex, after carrying over the
//     deaths that happened meanwhile.
//  4. Everything up to checkpoint_lsn() is in files named by the manifest; the log has the rest.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
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
  };
  explicit RelationIndex(Options options);
  ~RelationIndex();

  // Publishes one commit: `dead` rows lose their live ordinal, the fragment (may be null) is born.
  void link(Lsn lsn, const std::vector<uint64_t>& dead, SegmentPtr fragment);

  // TRUNCATE: every document dies.
  void kill_all(Lsn lsn);

  using List = std::vector<SegmentPtr>;
  std::shared_ptr<const List> segments() const;
  // Leaves visible at lsn. `hidden_rows`: rows that the reader's transaction has replaced or deleted.
  std::vector<Leaf> leaves(Lsn lsn, const std::vector<uint64_t>* hidden_rows = nullptr) const;

  // Merges what the tiers ask for; cheap when nothing is due. Any thread but the leader.
  void maintain();
  // One segment (forcemerge).
  void merge_all();
  // Writes the tail, the deaths and the manifest; returns the new checkpoint lsn.
  Lsn checkpoint();
  Lsn checkpoint_lsn() const { return checkpoint_lsn_; }
  Lsn applied_lsn() const;
  // Reads the manifest; false when there is none.
  bool load();
  void drop_files();

  struct Stats { uint64_t docs = 0, deleted = 0, bytes = 0, segments = 0; };
  Stats stats() const;
  // Empty when every row has at most one live ordinal and each image reads back; else what is wrong.
  std::string check() const;

 private:
  void replace(const List& sources, SegmentPtr merged, const std::vector<std::vector<uint32_t>>& moved);
  SegmentPtr write_file(const SegmentPtr& segment);
  List pick_merge() const;

  Options options_;
  mutable std::mutex mutex_;
  std::mutex merge_mutex_;  // one merge at a time
  std::shared_ptr<const List> list_;
  Lsn applied_ = 0, checkpoint_lsn_ = 0;
  uint64_t next_file_ = 1;
};

}  // namespace stele::segments

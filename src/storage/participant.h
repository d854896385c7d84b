// State that is derived from the log beside the rows in RocksDB: the keyspace, segments, change
// streams. A commit carries at most one Section for each participant.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "storage/log.h"

namespace stele::storage {

enum class ParticipantId : uint8_t { kCatalog = 1, kKeyspace = 2, kSegments = 3, kStreams = 4, kSequences = 5, kVectors = 6 };

// What one participant has to say in one commit. The payload is logged; `prepared` is in-memory
// work done by the session beforehand (a tail fragment, new hot objects) and never logged.
struct Section {
  ParticipantId participant;
  std::string payload;
  std::shared_ptr<void> prepared;
};

struct RowOp {
  std::string_view key;
  std::string_view value;  // without the lsn header; empty view with erased = true for deletes
  bool erased;
};

// A decoded log record; views into the record.
struct LogRecord {
  Lsn lsn;
  int64_t commit_us;  // wall clock of the commit, unix microseconds
  // Ranges erased before the rows of the same record were written.
  std::function<void(const std::function<void(std::string_view lower, std::string_view upper)>&)> for_each_range;
  // Names of the sorted files that the commit made visible.
  std::function<void(const std::function<void(std::string_view)>&)> for_each_file;
  std::function<void(const std::function<void(const RowOp&)>&)> for_each_row;
  std::function<void(const std::function<void(ParticipantId, std::string_view)>&)> for_each_section;
};

class Participant {
 public:
  virtual ~Participant() = default;
  virtual ParticipantId id() const = 0;
  // On the commit leader, in Lsn order, after append and before publish, only for commits with a
  // section of this participant. Must not block, throw or call back into the store.
  virtual void apply(Lsn lsn, int64_t commit_us, Section& section) = 0;
  // After publish, same thread and order; for waking readers (BLPOP, LISTEN, tails).
  virtual void published(Lsn lsn, Section& section) { (void)lsn; (void)section; }
  // Recovery: the first record it needs is recovery_lsn()+1; every later record is handed over. Asked
  // again later, from the store's background thread, to let the log go.
  virtual Lsn recovery_lsn() = 0;
  virtual void replay(const LogRecord& record) = 0;
};

}  // namespace stele::storage

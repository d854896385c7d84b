// Serializable snapshot isolation among SERIALIZABLE transactions, after Cahill, Röhm and Fekete (2008)
// and Ports and Grittner (2012): reads leave marks on keys and ranges that outlive their transaction
// while anybody overlaps it; a write that meets a concurrent read mark, or a read that meets a
// concurrent write, is a read-write dependency; a transaction with one in and one out whose out side
// committed first is dangerous, and somebody who can still be retried safely fails with
// serialization_failure.
//
// Threads: any; one mutex inside. A transaction's own calls come from one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "storage/log.h"

namespace stele::storage {

class SerializableTxn;

class Ssi {
 public:
  Ssi();
  ~Ssi();

  // Registers a transaction before it takes its snapshot, so that nothing it may depend on is forgotten:
  // `floor` is the newest published lsn before the call. set_snapshot() tells what it got.
  SerializableTxn* begin(Lsn floor, bool read_only);
  void set_snapshot(SerializableTxn* t, Lsn snapshot);
  // Throw serialization_failure.
  void read_key(SerializableTxn* t, std::string_view key);
  void read_range(SerializableTxn* t, std::string_view lower, std::string_view upper);  // empty upper: no bound
  void write_key(SerializableTxn* t, std::string_view key);
  void write_range(SerializableTxn* t, std::string_view lower, std::string_view upper);
  void check(SerializableTxn* t);  // fails if somebody else has chosen t as the victim

  // In commit order: before the commit enters the log (throws); when it has its number; when it is published.
  void before_commit(SerializableTxn* t);
  void committed(SerializableTxn* t, Lsn lsn);
  void published();
  void aborted(SerializableTxn* t);
  // For READ ONLY DEFERRABLE: waits until a snapshot at `snapshot` can see no anomaly; false when it could,
  // and the caller takes a newer one.
  bool wait_safe(Lsn snapshot, const std::function<void()>* check_interrupts);

  size_t tracked() const;  // transactions remembered, for tests and metrics

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele::storage

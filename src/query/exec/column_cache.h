// Decoded columns of tables that are scanned again and again without being changed: what analytical statements
// read instead of rows. Made by the second full scan since a table's last change, forgotten at its next change,
// bounded in bytes over all tables (least recently used ones go first).
//
// A table's columns as of lsn B serve a snapshot S when no commit changed the table after min(B, S): the store
// says when a table was changed last, before that commit is published (Store::last_change).
//
// Thread-safe. What acquire() returned stays valid as long as it is held.
#pragma once

#include <map>
#include <mutex>

#include "query/exec/state.h"
#include "rows/table_access.h"

namespace stele::query {

class ColumnCache {
 public:
  struct Column {
    std::vector<Datum> values;   // by-reference ones point into the arena
    std::vector<uint8_t> nulls;
    Arena arena;
    size_t bytes() const { return values.capacity() * sizeof(Datum) + nulls.capacity() + arena.bytes(); }
  };
  struct Columns {
    std::shared_ptr<const std::vector<uint64_t>> row_ids;          // ascending
    std::vector<std::shared_ptr<const Column>> columns;            // in the order asked for; null for attributes <= 0
    size_t rows() const { return row_ids->size(); }
    // Position of a row; false: there is none.
    bool find(uint64_t row_id, size_t* position) const;
  };

  static ColumnCache& of(storage::Store& store);

  // Columns of the attributes (numbers <= 0 are left out) as the view sees them, or null. `build`: this is a
  // full scan that may make what is missing.
  std::unique_ptr<Columns> acquire(const rows::TableAccess& access, storage::Transaction& txn, const storage::ReadView& view, const std::vector<int16_t>& attributes, bool build,
                                   const std::function<void()>& interrupts);
  // A full scan over rows came to its end.
  void scanned(const rows::TableAccess& access, storage::Transaction& txn, const storage::ReadView& view);

  void set_budget(size_t bytes) { budget_ = bytes; }
  size_t bytes() const { return bytes_; }

 private:
  struct Table {
    storage::Lsn lsn = 0;        // of the first column made; 0: none yet
    storage::Lsn scanned_at = 0; // changed state that `scans` counts
    int scans = 0;
    bool building = false, too_large = false;
    std::shared_ptr<const std::vector<uint64_t>> row_ids;
    std::map<int16_t, std::shared_ptr<const Column>> columns;
    size_t bytes = 0;
    uint64_t used = 0;
  };
  void forget(Table& t);
  void make_room(const Table& keep);

  std::mutex mutex_;
  std::map<std::string, Table, std::less<>> tables_;
  size_t budget_ = size_t{512} << 20, bytes_ = 0;
  uint64_t clock_ = 0;
};

}  // namespace stele::query

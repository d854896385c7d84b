// Filling indexes and tables in bulk: sorted files that join the transaction (storage's BulkWriter).
#pragma once

#include <functional>
#include <memory>

#include "rows/table_access.h"

namespace stele::rows {

// A duplicate key that BulkLoader::finish() finds names its row: the error's context is this and the row's id.
inline constexpr std::string_view kLoadedRow = "loaded row ";

// Writes the entries of an index whose storage id is new, from the rows that `view` shows. The caller
// holds a lock that keeps writers out (SHARE), or indexes what they write beside it. Throws
// unique_violation "could not create unique index".
void build_index(TableAccess& table, const IndexDef& index, const storage::ReadView& view, storage::Transaction& txn,
                 const std::function<void()>& check_interrupts = {});

// Fills an index while others go on writing. The index exists already, committed as not valid, and every
// transaction that does not know it has ended: whoever writes a row writes its entry. Rows are then taken
// in small transactions of their own, each row locked (SHARE) while its entry is added, so that no
// concurrent change is overwritten and no erased row comes back. Throws unique_violation when two rows have one
// key; the index then stays not valid. Afterwards the caller marks it valid.
void build_index_online(storage::Store& store, const std::shared_ptr<const Table>& table, const IndexDef& index,
                        IndexEvaluator* evaluator, EvalContext* eval, const storage::WaitOptions& wait);

// Loads rows into a table whose storage ids (its own and its indexes') are new in this transaction, so
// that nobody else can see them. Rows appear to the transaction itself after finish().
class BulkLoader {
 public:
  virtual ~BulkLoader() = default;
  // Returns the row id.
  virtual uint64_t add(std::span<const NullableDatum> row) = 0;
  // Sorts and writes what is left; throws unique_violation.
  virtual void finish() = 0;
};
std::unique_ptr<BulkLoader> make_bulk_loader(TableAccess& table, storage::Transaction& txn);

}  // namespace stele::rows

// Reading and writing the rows of one table inside a transaction, with its ordered indexes.
//
// Nothing here checks constraints other than uniqueness, fires triggers or asks for privileges: that is
// query's TableWriter. Used by the transaction's thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "rows/keys.h"
#include "rows/table.h"
#include "types/context.h"

namespace stele::rows {

// Index expressions and predicates over a row (attribute order); implemented by query.
class IndexEvaluator {
 public:
  virtual ~IndexEvaluator() = default;
  // Values of the keys whose column is 0, in order, into out[0 .. index.expressions).
  virtual void expressions(const IndexDef& index, std::span<const NullableDatum> row, NullableDatum* out, Arena& arena) = 0;
  virtual bool predicate(const IndexDef& index, std::span<const NullableDatum> row) = 0;
};

struct UniqueConflict {
  const IndexDef* index = nullptr;
  uint64_t row_id = 0;  // of the row that has the key, committed or the transaction's own
};

// Rows in row id order, which is the order of insertion.
class RowCursor {
 public:
  bool valid() const { return cursor_->valid(); }
  void next() { cursor_->next(); }
  uint64_t row_id() const { return row_id_of(cursor_->key()); }
  std::string_view bytes() const { return cursor_->value(); }  // until the next move
  storage::Lsn lsn() const { return cursor_->lsn(); }

 private:
  friend class TableAccess;
  std::unique_ptr<storage::Cursor> cursor_;
};

// A range of an ordered index, as key bytes.
struct KeyRange {
  std::string lower, upper;  // [lower, upper)
  bool point = false;        // all key columns are given: in a unique index at most the entry `lower`
  bool empty() const { return lower >= upper; }
};
struct KeyBound {
  NullableDatum value;
  bool inclusive = true;
};
// Keys whose first columns equal `equal` (a NULL there means IS NULL) and whose next column lies between the
// bounds, in the column's own order whatever its direction in the index. `not_null`: that next column IS NOT
// NULL; implied by any bound.
KeyRange key_range(const IndexDef& index, std::span<const NullableDatum> equal, const KeyBound* lower,
                   const KeyBound* upper, bool not_null = false);

// Entries of a range, in key order or against it. A unique index asked for one whole key answers from the
// hot cache, without an iterator.
class IndexCursor {
 public:
  bool valid() const { return cursor_ != nullptr && cursor_->valid() && (!limited_ || inside()); }
  void next() { cursor_->next(); }
  // Goes on with another range of the same index, view and direction: cheaper than a new cursor (the inner side
  // of a nested loop, IN lists).
  void rescan(const KeyRange& range);
  uint64_t row_id() const;
  // Value of an attribute that the index covers.
  NullableDatum attribute(int16_t attribute, Arena& arena) const;
  // Values of the first n key columns; requires their types' decode_key.
  void keys(NullableDatum* out, size_t n, Arena& arena) const;
  std::string_view key() const { return cursor_->key(); }
  std::string_view value() const { return cursor_->value(); }
  // Jumps to the first entry at or beyond the key bytes in scan direction.
  void seek(std::string_view key) { cursor_->seek(key); }

 private:
  friend class TableAccess;
  class Point;
  bool inside() const { return reverse_ ? cursor_->key() >= limit_ : cursor_->key() < limit_; }
  const IndexDef* index_ = nullptr;
  storage::Transaction* txn_ = nullptr;
  storage::ReadView view_;
  bool reverse_ = false;
  bool limited_ = false;   // the cursor runs over the whole index; limit_ ends the range
  std::string limit_;
  storage::Cursor* cursor_ = nullptr;              // the one in use
  std::unique_ptr<storage::Cursor> range_cursor_;  // of a range, or of the whole index once rescanned
  bool whole_ = false;                             // range_cursor_ runs over the whole index
  std::unique_ptr<Point> point_;

 public:
  IndexCursor();
  IndexCursor(IndexCursor&&) noexcept;
  IndexCursor& operator=(IndexCursor&&) noexcept;
  ~IndexCursor();
};

class TableAccess {
 public:
  // evaluator may be null when no index has expressions or a predicate; eval may be null (used for error details).
  TableAccess(std::shared_ptr<const Table> table, storage::Transaction& txn, IndexEvaluator* evaluator = nullptr,
              EvalContext* eval = nullptr);
  ~TableAccess();
  const Table& table() const { return *table_; }

  // --- Reading
  RowCursor scan(const storage::ReadView& view, bool reverse = false) const;
  // Row ids in [from, to).
  RowCursor scan(const storage::ReadView& view, uint64_t from, uint64_t to, bool reverse = false) const;
  // False: no such row in the view.
  bool fetch(uint64_t row_id, const storage::ReadView& view, std::string* bytes, storage::Lsn* lsn = nullptr) const;
  IndexCursor index_scan(const IndexDef& index, const KeyRange& range, const storage::ReadView& view,
                         bool reverse = false) const;
  // The row with these key values (all of them, none NULL) in a unique, non-deferrable index.
  std::optional<uint64_t> find_unique(const IndexDef& index, std::span<const NullableDatum> key,
                                      const storage::ReadView& view) const;
  storage::LockOutcome lock_row(uint64_t row_id, storage::LockMode strength, const storage::WaitOptions& wait) const;
  std::string key_of(uint64_t row_id) const { return row_key(table_->prefix(), row_id); }

  // --- Writing. Rows in attribute order. The caller holds the row's lock for update and erase.
  // Throws unique_violation. Waits for transactions that insert or remove the same key.
  uint64_t insert(std::span<const NullableDatum> row, const storage::WaitOptions& wait = {});
  // As insert, but a conflict in one of the arbiters (empty: any unique index) is returned and nothing
  // is written; other conflicts throw.
  std::optional<UniqueConflict> insert_unless_conflict(std::span<const NullableDatum> row,
                                                       std::span<const IndexDef* const> arbiters, uint64_t* row_id,
                                                       const storage::WaitOptions& wait = {});
  // Touches only the indexes that the change concerns.
  void update(uint64_t row_id, std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row,
              const storage::WaitOptions& wait = {});
  void erase(uint64_t row_id, std::span<const NullableDatum> old_row);
  // Document version of the last row written.
  uint32_t document_version() const { return document_version_; }

  // Deferrable unique indexes: keys written since the last call are checked; throws unique_violation. Called
  // at the end of the statement or, for deferred constraints, before commit.
  void check_deferred();
  bool has_deferred() const { return !deferred_.empty(); }
  // Moves the keys to check to another access of the same table (one that outlives the statement).
  void hand_deferred_to(TableAccess& other);

  // Used by index builds.
  // Adds the entry of a row that exists already; the caller holds the row's lock. With `wait` kSkip, kWouldBlock
  // tells that the key is being written by somebody else. Throws unique_violation.
  storage::LockOutcome add_entry(const IndexDef& index, uint64_t row_id, std::span<const NullableDatum> row,
                                 const storage::WaitOptions& wait);
  // False: the row is not in the (partial) index. `distinct` tells that a NULL makes a unique key distinct.
  bool encode_key(const IndexDef& index, std::span<const NullableDatum> row, std::string* key, bool* distinct);
  void encode_entry(const IndexDef& index, std::span<const NullableDatum> row, uint64_t row_id, bool distinct,
                    std::string* key, std::string* value);
  // Texts for errors: "(a, b)" and "(1, x)".
  std::string key_names(const IndexDef& index) const;
  std::string key_values(const IndexDef& index, std::span<const NullableDatum> row);

 private:
  struct Pending { const IndexDef* index; std::string prefix; std::string values; };
  std::optional<UniqueConflict> check_unique(const IndexDef& index, const std::string& key, uint64_t own_row,
                                             bool own_row_known, const storage::WaitOptions& wait);
  [[noreturn]] void throw_unique(const IndexDef& index, std::span<const NullableDatum> row);
  std::optional<UniqueConflict> insert_impl(std::span<const NullableDatum> row, bool report,
                                            std::span<const IndexDef* const> arbiters, uint64_t* row_id,
                                            const storage::WaitOptions& wait);
  uint64_t next_row_id();
  bool concerned(const IndexDef& index, std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row) const;
  void notify(uint64_t row_id, const NullableDatum* old_row, const NullableDatum* new_row);

  std::shared_ptr<const Table> table_;
  storage::Transaction& txn_;
  IndexEvaluator* evaluator_;
  EvalContext* eval_;
  Arena arena_;
  std::vector<Pending> deferred_;
  uint64_t next_id_ = 0, id_limit_ = 0, ids_taken_ = 0;
  uint32_t document_version_ = 0;
  std::string scratch_;
};

// Removes everything of a storage id at commit: TRUNCATE and DROP of the old contents. `table` may be an index.
void erase_storage(storage::Transaction& txn, const catalog::Relation& relation);

}  // namespace stele::rows

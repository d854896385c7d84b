// What row access needs to know of a relation, worked out once a plan: formats, indexes, observers.
// Immutable and shared; valid for the catalogue state it was made from.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "rows/codec.h"

namespace stele::rows {

class Table;

// A change of one row of a table, as observers see it, inside the transaction and before its commit.
// Rows are in attribute order; null pointers: there was / is none.
struct RowChange {
  const Table* table = nullptr;
  uint64_t row_id = 0;
  const NullableDatum* old_row = nullptr;
  const NullableDatum* new_row = nullptr;
  uint32_t document_version = 0;  // of the new row, or of the erased one
};

// Follows the rows of the tables it wants: segments, keyspace mirrors. Registered once at start-up.
// row_changed() runs on the writing session's thread, may throw to fail the statement, and adds its
// sections to the transaction itself.
class RowObserver {
 public:
  virtual ~RowObserver() = default;
  virtual bool wants(const catalog::Relation& table, const catalog::State& state) = 0;
  virtual void row_changed(storage::Transaction& txn, const RowChange& change) = 0;
  // Everything was removed at once (TRUNCATE, DROP); the catalogue says what comes instead.
  virtual void truncated(storage::Transaction& txn, const Table& table) { (void)txn; (void)table; }
};
// Process-wide list; not owned. Register before any table is used.
void add_observer(RowObserver* observer);
void remove_observer(RowObserver* observer);

// An ordered index (btree, hash) over keys. Other methods are kept by observers or not at all.
struct IndexDef {
  struct Key {
    int16_t column = 0;  // attribute number; 0: expression
    ColumnType type;
    Oid collation = 0;
    bool descending = false, nulls_first = false;
  };
  catalog::Ptr<catalog::Relation> relation;
  std::string prefix;                  // of its entries
  std::vector<Key> keys;
  std::vector<int16_t> included;
  std::shared_ptr<const RowFormat> included_format;  // null when nothing is included
  bool unique = false, nulls_not_distinct = false;
  bool deferrable = false;             // unique, but checked at the end of the statement or transaction
  bool partial = false, has_expressions = false;
  int expressions = 0;

  const std::string& name() const { return relation->name; }
  // The entry itself holds the value of the attribute: index-only scans can return it.
  bool covers(int16_t attribute) const;
  // True for entries of the form key -> row id.
  bool row_id_in_value() const { return unique; }
};

class Table {
 public:
  static std::shared_ptr<const Table> make(catalog::Ptr<catalog::Relation> relation, const catalog::State& state);

  const catalog::Relation& relation() const { return *relation_; }
  const RowFormat& format() const { return *format_; }
  const std::string& prefix() const { return prefix_; }  // of its row keys
  // Valid and invalid (being built) ones: writes maintain both.
  const std::vector<IndexDef>& indexes() const { return indexes_; }
  const IndexDef* index(Oid oid) const;
  const std::vector<RowObserver*>& observers() const { return observers_; }
  const std::string& id_counter() const { return id_counter_; }
  const std::string& schema_name() const { return schema_name_; }
  // Tells the observers that all rows are gone (TRUNCATE, DROP, a rewrite into a new storage id).
  void notify_truncated(storage::Transaction& txn) const;

 private:
  catalog::Ptr<catalog::Relation> relation_;
  std::shared_ptr<const RowFormat> format_;
  std::string prefix_, id_counter_, schema_name_;
  std::vector<IndexDef> indexes_;
  std::vector<RowObserver*> observers_;
};

// An index on its own, as the planner or an index build needs it.
IndexDef make_index_def(catalog::Ptr<catalog::Relation> index, const catalog::Relation& table, const catalog::State& state);

}  // namespace stele::rows

// TableWriter's implementation, for ModifyTable and point statements.
#pragma once

#include "query/dml/exclusion.h"
#include "query/dml/partitions.h"
#include "query/exec/table_cache.h"
#include "rows/build.h"

namespace stele::query {

struct ForeignKeyRef {          // a constraint of `table` that refers to another one
  std::shared_ptr<const catalog::Relation> table;
  const catalog::Constraint* constraint;
  std::shared_ptr<const catalog::Constraint> own;   // keeps `constraint` when it was made for a partition
};
// Constraints that refer to the relation, or to a partitioned table above it: referenced_columns are the relation's.
// Those of partitioned tables are left out, their partitions have the same.
std::vector<ForeignKeyRef> referencing(const catalog::State& state, Oid relation);
// The default of a column as an expression: DEFAULT text, identity's nextval, or null for none.
ExprPtr column_default(const catalog::Relation& table, const catalog::Column& column, ExecContext& ctx);

using OwnedRowPtr = std::shared_ptr<std::vector<NullableDatum>>;   // with its own memory

class WriterImpl final : public TableWriter {
 public:
  WriterImpl(std::shared_ptr<const catalog::Relation> table, ExecContext& ctx);
  ~WriterImpl() override;
  uint64_t insert(std::span<const NullableDatum> row, std::span<const bool> given) override;
  void update(uint64_t row_id, std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row) override;
  void erase(uint64_t row_id, std::span<const NullableDatum> old_row) override;
  void finish() override;
  void begin_insert() override;
  // From here on insert() goes through sorted files.
  bool start_bulk();
  // The same for a table without indexes that was made or emptied in this transaction.
  void start_bulk_if_new();

  const catalog::Relation& table() const { return *table_; }
  rows::TableAccess& access() { return *access_; }
  size_t columns() const { return table_->columns.size(); }
  // Steps of insert(): fills defaults, fires BEFORE triggers, computes generated columns, checks. False: a
  // trigger suppressed the row. The row's memory is the writer's until reset_row().
  bool prepare_insert(std::vector<NullableDatum>& row, std::span<const bool> given);
  // The two halves of it: what is not given, by the defaults of the table that was named; and the rest, for a row that
  // `routed` says was found to belong here.
  void fill_defaults(std::vector<NullableDatum>& row, std::span<const bool> given);
  bool prepare_filled(std::vector<NullableDatum>& row, bool routed);
  std::optional<rows::UniqueConflict> insert_prepared(const std::vector<NullableDatum>& row, bool on_conflict, std::span<const rows::IndexDef* const> arbiters, uint64_t* row_id);
  // As update() and erase(), telling whether a BEFORE trigger let it happen; new_row becomes what was written.
  bool update_row(uint64_t row_id, std::span<const NullableDatum> old_row, std::vector<NullableDatum>& new_row);
  // As update_row() of a partition whose rows may go elsewhere: *moves is set, and nothing written, when the new row
  // belongs into another partition.
  bool update_or_move(uint64_t row_id, std::span<const NullableDatum> old_row, std::vector<NullableDatum>& new_row, bool* moves);
  // `moved_to`: the row lives on in another partition, in these columns' form.
  bool erase_row(uint64_t row_id, std::span<const NullableDatum> old_row, const NullableDatum* moved_to = nullptr);
  // Changes show in the transition tables of the table that the statement names.
  void capture_for(WriterImpl& root);
  // Newest version of a row; false when it is gone.
  bool fetch_newest(uint64_t row_id, std::vector<NullableDatum>& row, Arena& arena, storage::Lsn* lsn);
  storage::LockMode update_strength(std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row) const;
  storage::LockMode key_strength(const std::vector<int16_t>& assigned) const;
  Arena& row_arena() { return arena_; }
  bool plain() const;            // no triggers, keys, generated columns: point statements may use it
  void fire_statement(int bits);
  std::string failing_row(std::span<const NullableDatum> row);
  // Columns that UPDATE assigns, for UPDATE OF triggers.
  void set_assigned(std::vector<int16_t> columns) { assigned_ = std::move(columns); }

 private:
  struct Check { std::string name; EvalPtr node; ExprPtr owner; };
  struct Pending;                // work for the end of the statement or transaction
  void compile_exprs();
  void load(std::span<const NullableDatum> row);
  NullableDatum eval(EvalNode& node, Arena& arena);
  void compute_generated(std::vector<NullableDatum>& row);
  void check_row(std::span<const NullableDatum> row);
  void check_exclusions(uint64_t row_id, const std::vector<NullableDatum>& row, std::span<const NullableDatum> old_row);
  void queue_foreign_keys(std::span<const NullableDatum> row, const NullableDatum* old_row);
  void queue_references(std::span<const NullableDatum> old_row, const NullableDatum* new_row);
  bool fire(int bits, const std::vector<NullableDatum>* old_row, std::vector<NullableDatum>* new_row);
  void note_change(int event, std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row);
  bool same(size_t column, NullableDatum a, NullableDatum b) const;
  void capture(int event, const OwnedRowPtr& old_row, const OwnedRowPtr& new_row);
  [[noreturn]] void fail_partition(std::span<const NullableDatum> row);

  std::shared_ptr<const catalog::Relation> table_;
  ExecContext& ctx_;
  ExecState state_;
  catalog::StatePtr catalog_;
  std::unique_ptr<IndexExpressions> evaluator_;
  std::unique_ptr<rows::TableAccess> access_;
  std::unique_ptr<rows::BulkLoader> loader_;
  std::vector<TypeInfo> types_;
  std::vector<EvalPtr> defaults_, generated_;
  std::vector<ExprPtr> owners_;
  std::vector<Check> checks_;
  std::vector<int16_t> not_null_;
  std::vector<bool> key_columns_;
  std::vector<const catalog::Constraint*> foreign_;
  std::vector<std::shared_ptr<ExclusionCheck>> exclusions_;
  std::vector<ForeignKeyRef> incoming_;
  int trigger_bits_ = 0;
  bool row_triggers_ = false, transitions_ = false;
  std::vector<int16_t> assigned_;
  WriterImpl* root_ = nullptr;          // whose transition tables show our changes
  std::vector<int16_t> from_root_;      // its columns among ours
  std::unique_ptr<PartitionRouter> above_;   // of a partition: to see whether a row is its own
  bool before_insert_ = false, statement_insert_ = false;
  struct TransitionRows { std::vector<TriggerRow> old_rows, new_rows; };
  TransitionRows transition_rows_[3];   // INSERT, UPDATE, DELETE
  std::vector<Datum> values_;
  std::vector<uint8_t> nulls_;
  std::vector<Vec> vecs_;
  Arena arena_;
  std::unique_ptr<Pending> pending_;
};

}  // namespace stele::query

// Executor operators: pull batches from below. One instance belongs to one execution.
#pragma once

#include "query/exec/state.h"
#include "query/plan/plan.h"

namespace stele::query {

class Operator {
 public:
  Operator(const PlanNode& n, ExecState& s) : node(n), state(s) {}
  virtual ~Operator() = default;
  // Starts, or starts again with the exec parameters of now. Called before the first next().
  virtual void rescan() = 0;
  // Up to max rows, at least one; false at the end. Columns follow node.layout and live until the next call
  // of next() or rescan().
  virtual bool next(Batch& out, int max) = 0;
  const PlanNode& node;
  ExecState& state;
};
using OperatorPtr = std::unique_ptr<Operator>;
OperatorPtr make_operator(const PlanNode& n, ExecState& state);

// Makers by family.
OperatorPtr make_scan(const PlanNode& n, ExecState& state);        // scan.cc, scan_other.cc
OperatorPtr make_other_scan(const PlanNode& n, ExecState& state);
OperatorPtr make_join(const PlanNode& n, ExecState& state);        // join.cc
OperatorPtr make_agg(const PlanNode& n, ExecState& state);         // agg.cc
OperatorPtr make_sort(const PlanNode& n, ExecState& state);        // sort.cc: sort, unique, limit, materialize
OperatorPtr make_setop(const PlanNode& n, ExecState& state);       // setop.cc: append, setop, recursive union
OperatorPtr make_window(const PlanNode& n, ExecState& state);      // window.cc
OperatorPtr make_modify(const PlanNode& n, ExecState& state);      // dml/modify.cc
OperatorPtr make_lock_rows(const PlanNode& n, ExecState& state);   // dml/lock_rows.cc

// Buffers of an operator's own output.
struct OutputBatch {
  std::vector<Buffer> buffers;
  void ensure(size_t columns, int rows) {
    if (buffers.size() < columns) buffers.resize(columns);
    for (size_t i = 0; i < columns; ++i) buffers[i].ensure(rows);
  }
  void expose(Batch& out, size_t columns, int size) {
    out.size = size;
    out.columns.resize(columns);
    for (size_t i = 0; i < columns; ++i) out.columns[i] = buffers[i].vec;
  }
  Vec& operator[](size_t i) { return buffers[i].vec; }
};

// Conditions over a batch; keeps the first `keep` columns of the rows that pass.
class BatchFilter {
 public:
  void compile(const std::vector<ExprPtr>& quals, const std::vector<ExprPtr>& layout, ExecState& state);
  bool empty() const { return nodes_.empty(); }
  // The passing rows' positions, in sel().
  int select(const Batch& in, Arena& arena, ExecState& state);
  const int* sel() const { return sel_.data(); }
  // Compacts in to its passing rows (of the first keep columns) when not all pass.
  void apply(Batch& in, size_t keep, Arena& arena, ExecState& state, NodeStats* stats);

 private:
  std::vector<EvalPtr> nodes_;
  std::vector<int> sel_;
  OutputBatch out_;
};

// Rows kept in memory: by-reference values are copied into the store's arena.
struct StoredRow {
  Datum* values;
  uint8_t* nulls;
};
class RowStore {
 public:
  void init(const std::vector<ExprPtr>& layout, ExecContext& ctx, size_t extra_bytes = 0);
  // The row's memory: values, nulls, then extra_bytes.
  char* add(const Batch& b, int row);
  char* add_values(const Datum* values, const uint8_t* nulls);
  size_t columns() const { return types_.size(); }
  Datum* values(char* row) const { return reinterpret_cast<Datum*>(row); }
  const Datum* values(const char* row) const { return reinterpret_cast<const Datum*>(row); }
  uint8_t* nulls(char* row) const { return reinterpret_cast<uint8_t*>(row) + 8 * types_.size(); }
  const uint8_t* nulls(const char* row) const { return reinterpret_cast<const uint8_t*>(row) + 8 * types_.size(); }
  char* extra(char* row) const { return row + fixed_; }
  const std::vector<TypeInfo>& types() const { return types_; }
  size_t bytes() const { return arena_->bytes(); }
  void clear() { arena_->reset(); }
  Arena& arena() { return *arena_; }

 private:
  std::vector<TypeInfo> types_;
  size_t fixed_ = 0, total_ = 0;
  std::unique_ptr<Arena> arena_ = std::make_unique<Arena>();
};

// Ordering of rows by sort keys.
struct KeyCompare {
  const TypeOps* ops = nullptr;
  Oid collation = 0;
  bool descending = false, nulls_first = false;
  int operator()(Datum a, bool a_null, Datum b, bool b_null) const {
    if (a_null || b_null) {
      if (a_null && b_null) return 0;
      return (a_null == nulls_first) ? -1 : 1;
    }
    int c = ops->compare(a, b, collation);
    return descending ? -c : c;
  }
};
KeyCompare key_compare(const SortKey& k, ExecContext& ctx);
KeyCompare key_compare(const ExprPtr& e, ExecContext& ctx);

// Gathers rows of an input batch into outputs.
void gather(const Vec& in, const int* rows, int n, Vec& out);

// Expressions over a child's batches.
struct ExprList {
  std::vector<EvalPtr> nodes;
  std::vector<const Vec*> vecs;
  void compile(const std::vector<ExprPtr>& list, const std::vector<ExprPtr>& layout, ExecState& state);
  void eval(const Batch& b, Arena& arena, ExecState& state);
};

constexpr int kNoLimit = kBatchRows;

}  // namespace stele::query

// Opening tables for scans and writes; turning index conditions into key ranges.
#pragma once

#include "query/exec/operator.h"
#include "rows/table_access.h"

namespace stele::query {

// rows::Table is worked out once a catalogue version and shared.
std::shared_ptr<const rows::Table> shared_table(const std::shared_ptr<const catalog::Relation>& relation, const catalog::State& state);

// Index expressions and predicates of one table, compiled at first use. Lives as long as its access.
class IndexExpressions final : public rows::IndexEvaluator {
 public:
  IndexExpressions(std::shared_ptr<const catalog::Relation> table, ExecContext& ctx);
  ~IndexExpressions() override;
  void expressions(const rows::IndexDef& index, std::span<const NullableDatum> row, NullableDatum* out, Arena& arena) override;
  bool predicate(const rows::IndexDef& index, std::span<const NullableDatum> row) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// For reading only: no index evaluator.
std::unique_ptr<rows::TableAccess> open_access(const std::shared_ptr<const catalog::Relation>& table, ExecState& state);

class IndexBounds {
 public:
  void compile(const std::vector<IndexCond>& conds, const rows::IndexDef& index, ExecState& state);
  // Key ranges in key order, with the parameters of now. A NULL comparison value gives none.
  void ranges(const rows::IndexDef& index, ExecState& state, Arena& arena, std::vector<rows::KeyRange>& out);

 private:
  struct Cond { IndexCond cond; EvalPtr value; TypeInfo value_type, key_type; };
  std::vector<Cond> conds_;
};

}  // namespace stele::query

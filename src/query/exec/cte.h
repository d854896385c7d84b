// Shared materialisations of WITH queries.
#pragma once

#include "query/exec/operator.h"

namespace stele::query {

struct CteStore {
  RowStore rows;
  std::vector<char*> list;
  OperatorPtr source;
  Batch batch;
  bool started = false, done = false;
  // Makes row number i available; false when there are not so many.
  bool reach(size_t i);
  // Forgets the rows: they are made again, with the parameters of then.
  void reset();
  // The working table of a recursion.
  RowStore* working = nullptr;
  const std::vector<char*>* working_rows = nullptr;
  uint64_t round = 0;          // changes with it
};
std::shared_ptr<CteStore>& cte_store(ExecState& state, int cte);
void reset_ctes(ExecState& state, const std::vector<int>& ctes);
void run_modifying_ctes(ExecState& state);
// Runs a plan with instrumentation, for EXPLAIN ANALYZE (operator.cc).
void run_instrumented(const std::shared_ptr<const PlannedStatement>& plan, ExecContext& ctx, const storage::ReadView& view, std::unordered_map<const PlanNode*, NodeStats>& stats);

}  // namespace stele::query

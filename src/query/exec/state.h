// What one running statement's operators and expressions share.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "query/eval/eval.h"
#include "query/execution.h"

namespace stele::query {

struct PlannedStatement;
struct PlanNode;

// Exec parameters made by the planner have ids from here on; smaller ids in a SubLink's test stand for
// the subquery's columns.
constexpr int kExecParamBase = 1 << 28;

struct NodeStats {            // EXPLAIN ANALYZE, by plan node
  double startup_ms = 0, total_ms = 0, rows = 0, loops = 0, removed = 0, removed_join = 0;
  double memory_bytes = 0, buckets = 0, batches = 1, disk_bytes = 0, heap_fetches = 0;
  double exact_memory = 0;
  std::string method;         // Sort Method
  double conflicts = 0;
  std::vector<std::pair<std::string, std::string>> lines;   // of a scan provider
};

struct CteStore;              // exec/cte.cc: shared materialisations

struct ExecState {
  ExecContext* ctx = nullptr;
  EvalContext* eval = nullptr;
  storage::ReadView view;
  const PlannedStatement* plan = nullptr;
  std::vector<NullableDatum> params;      // by id - kExecParamBase; point into the outer row's batch
  std::unordered_map<const PlanNode*, NodeStats>* stats = nullptr;  // non-null: instrumented
  std::unordered_map<int, std::shared_ptr<CteStore>> ctes;
  // READ COMMITTED re-evaluation: scans of these range table indexes (global numbers) return the pinned row only.
  struct Pinned { bool none = false; uint64_t row_id = 0; Oid relation = 0; };
  const std::unordered_map<int, Pinned>* pinned = nullptr;
  uint64_t processed = 0;
  const storage::SnapshotPtr& snapshot() const { return view.snapshot; }
  void interrupts() { if (eval->check_interrupts) eval->check_interrupts(); }
  size_t work_mem() const { return ctx->settings != nullptr ? ctx->settings->work_mem_bytes : size_t{4} << 20; }
};

}  // namespace stele::query

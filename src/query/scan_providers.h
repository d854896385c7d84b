// How other layers (segments: full-text search, vectors, column scans) offer access paths to the planner
// and run them. Providers register at start-up, before any session; offers are asked while planning, scans
// are opened by executions.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <vector>

#include "query/execution.h"

namespace stele::query {

struct ProviderRequest {
  const catalog::Relation& table;
  int rti;                              // the Vars of this relation have this number
  const std::vector<ExprPtr>& quals;    // all must hold
  const std::vector<SortKey>& order;    // what the query would like (expr, descending); may be empty
  const std::set<int16_t>& columns;     // used attributes; system_column::kScore among them asks for scores
  double tuples;
  ExecContext& ctx;
};

// One row source of a running statement.
class ProviderScan {
 public:
  virtual ~ProviderScan() = default;
  struct Row { uint64_t row_id = 0; double score = 0; const NullableDatum* columns = nullptr; /* null: fetch the row by row_id */ };
  // False at the end. `columns`, when given, is in the order of ProviderPlan::columns().
  virtual bool next(Row& row) = 0;
};

// Immutable part of a plan. Expressions in it (a query text, a query vector) are evaluated at open().
class ProviderPlan {
 public:
  virtual ~ProviderPlan() = default;
  // limit: rows wanted, -1 unknown. evaluate: of an expression of the plan without Vars.
  virtual std::unique_ptr<ProviderScan> open(ExecContext& ctx, const storage::ReadView& view, int64_t limit,
                                             const std::function<NullableDatum(const ExprPtr&)>& evaluate) const = 0;
  virtual const std::vector<int16_t>& columns() const { static const std::vector<int16_t> none; return none; }
  // For EXPLAIN: "Search Scan using idx on t", and lines below it.
  virtual std::string node_name() const = 0;
  virtual std::vector<std::pair<std::string, std::string>> properties() const { return {}; }
};

struct ProviderOffer {
  std::shared_ptr<ProviderPlan> scan;
  std::vector<ExprPtr> remaining_quals;  // still to be checked on its rows
  double startup_cost = 0, total_cost = 0, rows = 1;
  bool ordered = false;                  // rows come in ProviderRequest::order
};

class ScanProvider {
 public:
  virtual ~ScanProvider() = default;
  virtual std::vector<ProviderOffer> offers(const ProviderRequest& request) = 0;
};
void register_scan_provider(std::unique_ptr<ScanProvider> provider);
const std::vector<std::unique_ptr<ScanProvider>>& scan_providers();

}  // namespace stele::query

// How other access paths than keys (full-text search, nearest neighbours, columns) reach the planner and the
// executor. A provider is a class in query/providers/, registered once at start-up (register_scan_provider),
// before any session. For every plain table that a statement reads, offers() is asked while planning; the
// cheapest plan wins as for any index; EXPLAIN shows it.
//
// What a provider is given
//  - quals: every condition on the relation alone. `search(t, 'q')` and `highlight(t, ...)` arrive with their
//    first argument replaced by Var(rti, system_column::kRowId) (the row's identity, so that no column is needed for it);
//    `score(t)`, and `score()` when one relation of the query level is searched, arrive as Var(rti, kScore), the
//    same value as the hidden column _score. kScore in `columns` asks the scan to fill ProviderScan::Row::score.
//  - order: what ORDER BY wants, e.g. [v <=> $1] or [Var(kScore) DESC]. Offer `ordered` when rows come that way
//    (descending and nulls_first are part of it). No order is asked where a join below could not keep it.
//  - limit: rows that LIMIT + OFFSET want when known while planning, else -1.
// What a provider decides
//  - Conditions that the scan's own structure decides are in neither list. Those that it must decide per row while
//    it searches (so that LIMIT k finds k matches) go to `filter`: the executor compiles them, and the scan asks
//    ProviderOpen::passes. What is cheaper afterwards goes to `remaining_quals`.
//  - Rows of the transaction itself: the view's snapshot does not hold them. Scans must add what ctx.txn has
//    written and leave out what it has replaced or deleted (Segments::leaves with `own` does).
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
  const std::vector<SortKey>& order;    // may be empty
  const std::set<int16_t>& columns;     // used attributes; system_column::kScore among them asks for scores
  double tuples;                        // rows of the table
  double rows;                          // estimate of those that satisfy the quals
  double limit;                         // -1: unknown or none
  ExecContext& ctx;
  // Estimated share of rows that satisfy a condition over this relation.
  std::function<double(const ExprPtr&)> selectivity;
};

// What an execution gives a scan. References outlive it.
struct ProviderOpen {
  ExecContext& ctx;
  const storage::ReadView& view;
  int64_t limit = -1;                   // rows that will be read at most; -1: unknown, be ready to go on
  // Value of an expression of the plan without Vars of the relation (parameters included): changes between rescans.
  std::function<NullableDatum(const ExprPtr&)> evaluate;
  // pass[i] = row ids[i] is visible and satisfies ProviderOffer::filter. Fetches rows: a batch costs less.
  std::function<void(std::span<const uint64_t> ids, uint8_t* pass)> passes;
  // The visible version of one row, in the row format; false: there is none.
  std::function<bool(uint64_t id, std::string* bytes)> fetch;
};

// One row source of a running statement.
class ProviderScan {
 public:
  virtual ~ProviderScan() = default;
  struct Row { uint64_t row_id = 0; double score = 0; const NullableDatum* columns = nullptr; /* null: fetch the row by row_id */ };
  // False at the end. `columns`, when given, is in the order of ProviderPlan::columns(). A row that is not visible any
  // more is skipped by the executor.
  virtual bool next(Row& row) = 0;
  // Column at a time: fills out[i] (for wanted[i]; a kScore or kRowId there too) for up to max rows and returns how
  // many, 0 at the end; -1: not this way, next() is used. Values live until the next call. Only for plans with columns().
  virtual int next_batch(std::span<const int16_t> wanted, std::span<Vec> out, int max) { (void)wanted; (void)out; (void)max; return -1; }
  // EXPLAIN ANALYZE, after the run: "Path: graph, 3 candidates filtered", "Measured Recall: 0.99". Text and other formats.
  virtual std::vector<std::pair<std::string, std::string>> analyze() const { return {}; }
};

// Immutable part of a plan. Expressions in it (a query text, a query vector) are evaluated at open().
class ProviderPlan {
 public:
  virtual ~ProviderPlan() = default;
  virtual std::unique_ptr<ProviderScan> open(const ProviderOpen& with) const = 0;
  // Attributes that rows bring along; a scan that brings all that is used never fetches rows.
  virtual const std::vector<int16_t>& columns() const { static const std::vector<int16_t> none; return none; }
  // Expressions that hold exec parameters are replaced when the plan becomes the inner side of a nested loop:
  // returns a copy with f applied to each expression. Null: the plan has no expressions that could change.
  virtual std::shared_ptr<ProviderPlan> map(const std::function<ExprPtr(const ExprPtr&)>& f) const { (void)f; return nullptr; }
  // For EXPLAIN: "Index Scan" and the index's name give "Index Scan using idx on t".
  virtual std::string node_name() const = 0;
  virtual std::string index_name() const { return {}; }
  // Lines below it: expressions are printed as PostgreSQL prints conditions ("Order By" -> "(v <=> '[1,2]'::vector)").
  virtual std::vector<std::pair<std::string, std::vector<ExprPtr>>> conditions() const { return {}; }
  virtual std::vector<std::pair<std::string, std::string>> properties() const { return {}; }
};

struct ProviderOffer {
  std::shared_ptr<ProviderPlan> scan;
  std::vector<ExprPtr> filter;           // the scan asks ProviderOpen::passes; shown as Filter
  std::vector<ExprPtr> remaining_quals;  // checked on its rows afterwards; shown as Filter
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

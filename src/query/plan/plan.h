// Physical plans. One struct for every node type: the fields a type uses are named beside them. The
// planner makes candidate nodes ("paths") cheaply, then finalize() copies the chosen tree, fixes what
// each node emits (layout) and wires exec parameters. After that a plan is immutable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "query/execution.h"
#include "query/query.h"

namespace stele::query {

namespace system_column { constexpr int16_t kRowId = -8; }   // int8, internal: the row identity

enum class NodeType : uint8_t {
  kResult, kProject, kProjectSet, kSeqScan, kIndexScan, kIndexOnlyScan, kBitmapScan, kSubqueryScan, kFunctionScan,
  kValuesScan, kCteScan, kWorkTableScan, kProviderScan, kNestLoop, kHashJoin, kMergeJoin, kMaterialize, kSort, kAgg,
  kGroup, kWindowAgg, kUnique, kSetOp, kAppend, kMergeAppend, kRecursiveUnion, kLimit, kLockRows, kModifyTable,
};

using Relids = uint64_t;      // bits are positions in the planner's list of base relations of one level

enum class IndexStrategy : uint8_t { kLess = 1, kLessEqual, kEqual, kGreaterEqual, kGreater, kIn, kIsNull, kIsNotNull, kPrefix };
struct IndexCond {
  int column = 0;             // position in the index key
  IndexStrategy strategy = IndexStrategy::kEqual;
  ExprPtr value;              // kIn: an array
  ExprPtr clause;             // what EXPLAIN shows
};

struct PathKey { int ec = 0; bool descending = false, nulls_first = false; bool operator==(const PathKey&) const = default; };

struct PlanNode;
using NodePtr = std::shared_ptr<PlanNode>;

enum class AggStrategy : uint8_t { kPlain, kSorted, kHashed, kMixed };

struct ModifyTarget {
  Oid relation = 0;
  int rti = 0;
};
struct ModifyInfo {
  CommandKind command = CommandKind::kInsert;
  int rti = 0;                             // of the target
  Oid relation = 0;
  std::string alias;
  std::vector<Oid> child_relations;        // inheritance: every relation that may hold target rows
  // INSERT: for every attribute the child's output slot, or -1 (default).
  // UPDATE: assigned attributes and the slot of the new value.
  std::vector<int> insert_slots;
  std::vector<std::pair<int16_t, int>> assignments;
  int row_id_slot = -1, table_oid_slot = -1;
  std::vector<int> old_slots;              // views: where the old row's columns are
  std::vector<TargetEntry> returning;      // over target Vars (new row; old for DELETE) and child output
  std::vector<ExprPtr> returning_layout_extra;
  std::shared_ptr<const OnConflict> on_conflict;
  int excluded_rti = 0;
  bool overriding_system = false, overriding_user = false;
  std::vector<MergeAction> merge_actions;
  std::vector<CheckOption> check_options;
  bool can_set_tag = true;
  std::vector<int> explicit_default;       // INSERT: attributes given as DEFAULT in every row
};

struct WindowSpec {
  Window window;
  std::vector<ExprPtr> partition_by;
  std::vector<SortKey> order_by;
  std::vector<ExprPtr> functions;          // WindowExpr
};

struct PlanNode {
  NodeType type = NodeType::kResult;
  double startup = 0, total = 0, rows = 1;
  int width = 8;
  std::vector<ExprPtr> layout;             // what each output column is
  std::vector<NodePtr> children;
  std::vector<ExprPtr> quals;              // Filter
  std::vector<ExprPtr> one_time;           // kResult: One-Time Filter

  // Scans.
  int rti = 0;
  Oid relation = 0;
  std::shared_ptr<const catalog::Relation> table;
  std::string alias, sample_method;
  bool system_catalog = false;
  std::vector<ExprPtr> sample_args; ExprPtr sample_repeatable;
  std::shared_ptr<const catalog::Relation> index;
  std::vector<IndexCond> conds;
  std::vector<std::vector<IndexCond>> or_conds;   // kBitmapScan: one list an index of or_indexes
  std::vector<std::shared_ptr<const catalog::Relation>> or_indexes;
  bool backward = false;
  std::vector<RangeFunction> functions;
  bool with_ordinality = false;
  std::vector<std::vector<ExprPtr>> values;
  int cte = -1;                            // kCteScan, kWorkTableScan, kRecursiveUnion
  std::vector<ExprPtr> sub_columns;        // kSubqueryScan: child's output column of each of our columns
  std::vector<std::pair<int, ExprPtr>> lateral_params;
  std::vector<int> own_ctes;               // kSubqueryScan: WITH queries inside that are made anew for each rescan
  std::shared_ptr<void> provider;          // kProviderScan: ProviderPlan
  std::vector<ExprPtr> provider_filter;    // kProviderScan: conditions that the scan asks for while it searches

  // Joins.
  JoinKind join = JoinKind::kInner;
  std::vector<ExprPtr> join_quals;         // decide a match
  std::vector<ExprPtr> outer_keys, inner_keys;
  std::vector<ExprPtr> key_clauses;        // Hash Cond / Merge Cond
  std::vector<SortKey> merge_order;
  std::vector<std::pair<int, ExprPtr>> nest_params;
  bool inner_unique = false;

  // Sorting, grouping, limits.
  std::vector<SortKey> sort_keys;          // kSort, kMergeAppend, kUnique (expr set), kLimit (WITH TIES)
  double limit_rows = -1;                  // kSort: top-N bound; costs only
  AggStrategy strategy = AggStrategy::kPlain;
  std::vector<ExprPtr> group_keys;
  std::vector<std::vector<int>> grouping_sets;   // indexes of group_keys
  std::vector<ExprPtr> aggregates;         // AggregateExpr / GroupingExpr
  std::vector<WindowSpec> windows;
  ExprPtr limit_count, limit_offset;
  bool with_ties = false;
  SetOp set_op = SetOp::kIntersect;
  bool set_all = false;
  std::vector<ExprPtr> set_targets;        // kAppend/kSetOp/kRecursiveUnion/kProjectSet: output expressions
  std::vector<std::pair<RowLock, int>> locks;   // kLockRows: with the rti's row-id column's slot
  std::vector<ExprPtr> lock_row_ids;
  std::shared_ptr<ModifyInfo> modify;

  std::vector<int16_t> column_map;         // scans of inheritance children: parent's attribute -> own

  // Planner only.
  std::vector<ExprPtr> enforced;           // join clauses that a parameterised scan applies itself
  std::vector<int> enforced_ecs;
  Relids relids = 0, required_outer = 0;
  std::vector<PathKey> pathkeys;
};

struct CtePlan {
  std::string name;
  NodePtr plan;
  std::vector<ExprPtr> columns;            // output Vars by position (relation = its own pseudo rti)
  bool modifying = false, recursive = false;
  double rows = 0;
  double working_rows = 100;               // estimate of one iteration's rows
};

// Everything one statement needs.
struct PlannedStatement final : Plan {
  NodePtr root;
  std::vector<NodePtr> subplans;
  std::vector<CtePlan> ctes;
  std::vector<std::shared_ptr<const RangeTableEntry>> range_table;   // global numbers, 1-based by position + 1
  int exec_params = 0;
  std::vector<OutputColumn> columns;
  std::vector<int> output_slots;           // of non-junk targets in root's layout
  CommandKind kind = CommandKind::kSelect;
  uint64_t version = 0;
  bool rows_returned = false, is_generic = false, point = false;
  std::vector<std::pair<Oid, storage::LockMode>> locks;
  std::shared_ptr<void> point_plan;        // dml/point.h

  const std::vector<OutputColumn>& output() const override { return columns; }
  CommandKind command() const override { return kind; }
  uint64_t catalog_version() const override { return version; }
  bool returns_rows() const override { return rows_returned; }
  const std::vector<std::pair<Oid, storage::LockMode>>& relation_locks() const override { return locks; }
  bool generic() const override { return is_generic; }
  bool is_point() const override { return point; }
};

}  // namespace stele::query

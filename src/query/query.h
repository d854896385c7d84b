// The logical form of a statement: PostgreSQL's Query tree. sql's binder makes it, views are stored as
// it (deparsed), the planner consumes it; doors may build it directly.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/objects.h"
#include "query/expr.h"
#include "storage/locks.h"

namespace stele::query {

enum class CommandKind : uint8_t { kSelect, kInsert, kUpdate, kDelete, kMerge, kUtility };

struct TargetEntry {
  ExprPtr expr;
  std::string name;
  int resno = 0;              // 1-based; for INSERT/UPDATE the target column's attribute number is `column`
  int16_t column = 0;         // INSERT/UPDATE: attribute number in the target relation
  bool junk = false;          // not returned (ORDER BY expressions, row identities)
  Oid origin_table = 0;       // for RowDescription
  int16_t origin_column = 0;
  int sort_group_ref = 0;     // non-zero: named by SortGroupRef::ref
};

enum class RteKind : uint8_t { kRelation, kSubquery, kJoin, kFunction, kTableFunc, kValues, kCte, kResult };
enum class JoinKind : uint8_t { kInner, kLeft, kFull, kRight, kSemi, kAnti };

struct RangeFunction {
  ExprPtr call;               // FuncExpr (or any expression used as a table function)
  std::vector<std::string> column_names;  // for record-returning calls: the column definition list
  std::vector<Oid> column_types;
  std::vector<int32_t> column_typmods;
  std::vector<Oid> column_collations;
};

struct RangeTableEntry {
  RteKind kind = RteKind::kRelation;
  std::string alias;          // name to show and refer by
  bool has_alias = false;     // written by the user
  std::vector<std::string> column_aliases;  // every visible column's name
  std::vector<Oid> column_types;            // every column's type, in attribute order (relations: dropped ones too, type 0)
  std::vector<int32_t> column_typmods;
  std::vector<Oid> column_collations;
  bool lateral = false, in_from_clause = true, inherit = true;
  Oid relation = 0;           // kRelation: table, view (expanded by the planner's view step), matview, system catalogue
  char relkind = 'r';
  storage::LockMode lock_mode = storage::LockMode::kAccessShare;
  uint32_t required_privileges = 0;         // catalog::Privilege bits
  Oid check_as_user = 0;
  std::vector<int16_t> selected_columns, inserted_columns, updated_columns;
  std::shared_ptr<const Query> subquery;    // kSubquery (also an expanded view: relation stays set)
  bool security_barrier = false;
  JoinKind join_kind = JoinKind::kInner;    // kJoin
  std::vector<ExprPtr> join_columns;        // kJoin: expression of each output column (merged USING columns included)
  int merged_columns = 0;
  std::string join_using_alias;
  std::vector<RangeFunction> functions;     // kFunction
  bool with_ordinality = false;
  std::vector<std::vector<ExprPtr>> values; // kValues
  std::string cte_name;                     // kCte
  int cte_levels_up = 0;
  bool cte_self_reference = false;
  // TABLESAMPLE
  std::string sample_method; std::vector<ExprPtr> sample_args; ExprPtr sample_repeatable;
};

struct FromItem;
using FromPtr = std::shared_ptr<const FromItem>;
struct FromItem {             // a leaf (range table index) or a join of two
  int relation = 0;           // 1-based; for a join: its own RTE index
  bool is_join = false;
  JoinKind join = JoinKind::kInner;
  FromPtr left, right;
  ExprPtr condition;
  std::vector<std::string> using_columns;
  bool natural = false;
};

struct SortGroupRef {         // an entry of ORDER BY, GROUP BY, DISTINCT, PARTITION BY
  int ref = 0;                // TargetEntry::sort_group_ref
  Oid equality_op = 0, sort_op = 0;
  bool descending = false, nulls_first = false, hashable = true;
};
enum class GroupingSetKind : uint8_t { kEmpty, kSimple, kRollup, kCube, kSets };
struct GroupingSet { GroupingSetKind kind; std::vector<int> refs; std::vector<GroupingSet> children; };

namespace frame {  // bits of Window::frame_options
constexpr int kNonDefault = 1, kRange = 2, kRows = 4, kGroups = 8, kBetween = 0x10,
  kStartUnboundedPreceding = 0x20, kEndUnboundedPreceding = 0x40, kStartUnboundedFollowing = 0x80,
  kEndUnboundedFollowing = 0x100, kStartCurrentRow = 0x200, kEndCurrentRow = 0x400,
  kStartOffsetPreceding = 0x800, kEndOffsetPreceding = 0x1000, kStartOffsetFollowing = 0x2000,
  kEndOffsetFollowing = 0x4000, kExcludeCurrentRow = 0x8000, kExcludeGroup = 0x10000, kExcludeTies = 0x20000;
}
struct Window {
  std::string name, base_name;
  std::vector<SortGroupRef> partition_by, order_by;
  int frame_options = frame::kRange | frame::kStartUnboundedPreceding | frame::kEndCurrentRow;
  ExprPtr start_offset, end_offset;
  Oid start_in_range_func = 0, end_in_range_func = 0;
};

enum class SetOp : uint8_t { kUnion, kIntersect, kExcept };
struct SetOperation {         // tree over range table subqueries
  bool leaf = false;
  int relation = 0;           // leaf: 1-based RTE index
  SetOp op = SetOp::kUnion;
  bool all = false;
  std::shared_ptr<const SetOperation> left, right;
  std::vector<Oid> types; std::vector<int32_t> typmods; std::vector<Oid> collations;
  std::vector<SortGroupRef> group_by;  // by output column (ref = column number), for non-ALL
};

enum class CteMaterialize : uint8_t { kDefault, kAlways, kNever };
struct CommonTable {
  std::string name;
  std::vector<std::string> column_names;
  CteMaterialize materialize = CteMaterialize::kDefault;
  std::shared_ptr<const Query> query;
  bool recursive = false;
  int references = 0;
  std::vector<Oid> column_types; std::vector<int32_t> column_typmods; std::vector<Oid> column_collations;
  // SEARCH and CYCLE clauses are rewritten by the binder into plain columns.
};

struct OnConflict {
  bool do_update = false;
  std::vector<ExprPtr> arbiter_elements;    // inferred index expressions over the target
  ExprPtr arbiter_where;
  Oid constraint = 0;                       // ON CONSTRAINT
  std::vector<Oid> arbiter_indexes;         // empty for DO NOTHING without a target: any
  std::vector<TargetEntry> set;             // DO UPDATE
  ExprPtr where;
  int excluded_relation = 0;                // RTE index of EXCLUDED
};
enum class RowWait : uint8_t { kBlock, kSkipLocked, kNoWait };
struct RowLock { int relation = 0; storage::LockMode strength = storage::LockMode::kForUpdate; RowWait wait = RowWait::kBlock; };
struct MergeAction { bool matched = true; CommandKind command = CommandKind::kSelect /* DO NOTHING */; ExprPtr condition; std::vector<TargetEntry> targets; };

// What a new row has to satisfy: WITH CHECK OPTION of a view, or a row security policy's WITH CHECK.
struct CheckOption { std::string name; ExprPtr expr; bool policy = false; std::string policy_name; };

struct Query {
  CommandKind command = CommandKind::kSelect;
  int result_relation = 0;                  // 1-based RTE of the DML target
  int instead_source = 0;                   // the target is a view with INSTEAD OF triggers: its rows, scanned (UPDATE, DELETE)
  std::vector<std::shared_ptr<RangeTableEntry>> range_table;
  std::vector<FromPtr> from;                // cross-joined items
  ExprPtr where;
  std::vector<TargetEntry> targets;         // SELECT list; assignments of INSERT/UPDATE
  std::vector<TargetEntry> returning;
  std::optional<OnConflict> on_conflict;
  bool overriding_system = false, overriding_user = false;
  std::vector<MergeAction> merge_actions;
  std::vector<CheckOption> check_options;   // over the target's Vars, as the new row
  std::vector<SortGroupRef> group_by;
  bool group_distinct = false;
  std::vector<GroupingSet> grouping_sets;
  ExprPtr having;
  std::vector<Window> windows;
  std::vector<SortGroupRef> distinct;       // DISTINCT [ON]
  bool has_distinct_on = false;
  std::vector<SortGroupRef> order_by;
  ExprPtr limit_offset, limit_count;
  bool with_ties = false;
  std::vector<RowLock> row_locks;
  std::shared_ptr<const SetOperation> set_operation;
  std::vector<CommonTable> ctes;
  bool recursive = false, has_modifying_cte = false;
  bool has_aggregates = false, has_windows = false, has_target_srfs = false, has_sublinks = false;
  bool can_set_tag = true;
  // Objects the statement depends on beyond its range table (functions, types), for view dependencies.
  std::vector<catalog::ObjectAddress> dependencies;
};
using QueryPtr = std::shared_ptr<const Query>;

}  // namespace stele::query

// The planner's working state. Private to src/query/optimizer.
//
// Range table numbers are global to the statement: every subquery's entries are appended to one range
// table (Planner::rtable) when it is planned or pulled up, so a Var names one column wherever it stands.
#pragma once

#include <map>

#include "query/dml/partitions.h"
#include "query/eval/eval.h"
#include "query/inheritance.h"
#include "query/exec/state.h"
#include "query/plan/plan.h"
#include "query/rewrite.h"

namespace stele::query {

struct Clause {
  ExprPtr expr;
  Relids relids = 0;          // of its Vars
  Relids required = 0;        // where it may be evaluated at the earliest
  bool pushed_down = true;    // false: an outer join's own condition
  bool delayed = false;       // references the nullable side of an outer join below
  // Binary equality over disjoint sides.
  bool equality = false;
  ExprPtr left, right;
  Relids left_relids = 0, right_relids = 0;
  Oid op = 0;
  int ec = -1;
  double selectivity = -1;
  std::shared_ptr<Clause> implied_by;   // drawn from that OR: it removes nothing that the OR would not
};
using ClausePtr = std::shared_ptr<Clause>;

struct EquivClass {
  struct Member { ExprPtr expr; Relids relids; bool is_const; };
  std::vector<Member> members;
  Oid family = 0, collation = 0;
  bool has_const = false, merged = false, from_clause = false;
  Relids relids = 0;
};

struct SpecialJoin {
  Relids min_left = 0, min_right = 0, syn_left = 0, syn_right = 0;
  JoinKind kind = JoinKind::kLeft;
  bool lhs_strict = false;
};

struct RelInfo {
  Relids relids = 0;
  int rti = 0;                // base relations
  std::shared_ptr<const RangeTableEntry> rte;
  std::shared_ptr<const catalog::Relation> table;
  std::shared_ptr<const catalog::Relation> system;   // system catalogues: the definition; `table` is null
  std::shared_ptr<const catalog::RelationStatistics> stats;
  double rows = 1, tuples = 1, pages = 1;
  int width = 8;
  std::vector<ClausePtr> quals;
  Relids lateral = 0;         // base relations it refers to
  std::vector<NodePtr> paths;
  NodePtr cheapest;           // unparameterised, by total cost
  // Of an inheritance child, whose conditions name the columns of the parent (rti): parent's attribute -> own, and back.
  std::vector<int16_t> column_map, parent_columns;
  std::string alias;          // of a child, in EXPLAIN
};

struct CteScope {             // visible WITH names, innermost last
  std::string name;
  int cte = -1;               // index into PlannedStatement::ctes; -1: inlined
  int depth = 0;
  bool working = false;       // self reference inside a recursive term
};

constexpr size_t kMaxRelations = 64;   // of one level: the bits of Relids
[[noreturn]] void too_many_relations();

class Planner;

// One query level.
class Level {
 public:
  Level(Planner& planner, Level* parent) : planner_(planner), parent_(parent) {}
  // The plan's layout starts with the query's targets in order (junk included).
  NodePtr plan(Query q, double tuple_fraction);
  std::vector<ExprPtr> target_exprs() const;
  const Query& query() const { return q_; }

  Planner& planner_;
  Level* parent_;
  Query q_;
  std::vector<CteScope> cte_scopes_;
  double tuple_fraction_ = 0;   // 0: all rows; <1 fraction; >=1 rows

  // prep.cc
  void adopt(Query q);                       // offsets into the global range table
  void expand_views();
  void expand_ctes();
  // collapse.cc: what joins too many relations is split
  size_t count_leaves() const;
  FromPtr collapse(const FromPtr& item);
  void limit_relations();
  size_t base_leaves_ = 0, pulled_ = 0;      // relations as written; those that pulled-up subqueries and sublinks brought
  std::vector<int> rtis_;                    // global number of each entry of q_.range_table
  void rewrite_all(const Rewriter& f);       // over the level, range table included
  void flatten_join_vars();
  void bind_search_calls();
  ExprPtr expand_whole_row(const VarExpr& v);
  FromPtr from_chain(std::vector<FromPtr> items, ExprPtr quals);
  void append_entries(Query& sub, int offset);
  void pull_up_sublinks();
  void pull_up_subqueries();
  void reduce_outer_joins();
  void simplify_all();
  FromPtr pull_up_from(const FromPtr& item, bool nullable);
  FromPtr pull_sublinks_from(const FromPtr& item);
  FromPtr pull_sublinks_qual(ExprPtr& qual, FromPtr item, int depth);
  bool is_simple_subquery(const Query& sub, const RangeTableEntry& rte, bool nullable);
  void replace_vars(int rti, const std::vector<ExprPtr>& replacement);
  int add_rte(std::shared_ptr<RangeTableEntry> rte);

  // sublinks.cc
  ExprPtr plan_sublinks(const ExprPtr& e, bool top_qual);
  void plan_all_sublinks();
  bool has_sublink_anywhere(const ExprPtr& e);
  std::map<int, ExprPtr> multi_;             // SET (a, b) = (SELECT ...) by number
  // The subquery planned with this level's Vars turned into exec parameters.
  NodePtr plan_subselect(const Query& sub, std::vector<std::pair<int, ExprPtr>>& args, double fraction, std::shared_ptr<Level>* level_out);

  // quals.cc
  struct JoinScope { Relids relids = 0, inner = 0, nonnullable = 0; };
  void collect_base_relations();
  JoinScope deconstruct(const FromPtr& item, bool below_outer);
  void distribute(const ExprPtr& clause, bool below_outer, Relids qualscope, Relids ojscope, Relids nonnullable, bool is_join_clause);
  bool check_delay(Relids& relids, bool pushed_down);
  SpecialJoin make_special(Relids left, Relids right, Relids inner_rels, JoinKind kind, const ExprPtr& condition);
  bool add_to_ec(const ClausePtr& c);
  void place(const ClausePtr& c);
  void base_implied();
  std::vector<ClausePtr> join_clauses(Relids outer, Relids inner, Relids joined);
  void ec_clauses(Relids outer, Relids inner, std::vector<ClausePtr>& out);
  Relids relids_of(const ExprPtr& e) const;
  Relids bit(int rti) const;
  int rel_index(int rti) const;
  int ec_for(const ExprPtr& e, Oid family, Oid collation, bool create);
  std::vector<PathKey> pathkeys_for(const std::vector<SortKey>& keys);
  ClausePtr make_clause(const ExprPtr& e);

  // paths.cc
  struct IndexMatch { std::vector<IndexCond> conds; std::vector<ExprPtr> used; std::vector<int> ecs; int equal_columns = 0; bool exact = true; };
  IndexMatch match_index(RelInfo& rel, const catalog::Relation& index, const std::vector<ClausePtr>& clauses);
  std::vector<ExprPtr> index_keys(const RelInfo& rel, const catalog::Relation& index);
  bool match_clause(const ExprPtr& clause, const ExprPtr& key, const catalog::IndexColumn& column, int position, Relids rel, IndexCond* out, bool* lossy);
  bool index_usable(RelInfo& rel, const catalog::Relation& index);
  bool covers(const RelInfo& rel, const catalog::Relation& index);
  NodePtr make_index_path(RelInfo& rel, const std::shared_ptr<const catalog::Relation>& index, const IndexMatch& m, const std::vector<ClausePtr>& all, Relids outer, bool backward, const std::vector<PathKey>& keys);
  std::vector<ClausePtr> join_clauses_for(RelInfo& rel);
  void collect_used_columns();
  std::map<int, std::set<int16_t>> used_columns_;
  std::map<Oid, std::vector<ExprPtr>> index_key_cache_;
  void set_base_paths(RelInfo& rel);
  void set_base_size(RelInfo& rel);
  void index_paths(RelInfo& rel);
  void system_index_paths(RelInfo& rel);
  void subquery_path(RelInfo& rel);
  void inherit_path(RelInfo& rel);               // inherit.cc
  void expand_inheritance(const std::shared_ptr<const catalog::Relation>& table, RelInfo& rel, std::vector<std::shared_ptr<const catalog::Relation>>& out);
  void child_paths(RelInfo& child);
  void add_path(RelInfo& rel, NodePtr path);
  void set_cheapest(RelInfo& rel);
  bool push_into_subquery(const ExprPtr& clause, int rti, Query& sub);
  void push_quals(RelInfo& rel, Query& sub);

  // joins.cc
  NodePtr join_search();
  RelInfo* make_join_rel(RelInfo* a, RelInfo* b);
  bool legal_join(Relids a, Relids b, Relids joined, const SpecialJoin** sj, bool* reversed);
  bool unique_rhs(RelInfo& rhs, const std::vector<ClausePtr>& clauses, Relids outer, RelInfo* made);
  void join_paths(RelInfo& joinrel, RelInfo& outer, RelInfo& inner, JoinKind kind, const SpecialJoin* sj, const std::vector<ClausePtr>& clauses);
  bool has_clause_between(Relids a, Relids b);
  bool has_order_restriction(Relids a, Relids b);
  bool inner_is_unique(const RelInfo& inner, const std::vector<ClausePtr>& clauses, Relids outer);
  RelInfo* rel_for(Relids r);

  // selectivity.cc
  double selectivity(const ExprPtr& e);
  double list_selectivity(const std::vector<ExprPtr>& list);
  ExprPtr bound_of(const ExprPtr& e, int* direction);
  void extract_or_quals();                   // or_quals.cc
  double clause_selectivity(const ClausePtr& c);
  double join_rows(const RelInfo& a, const RelInfo& b, JoinKind kind, const std::vector<ClausePtr>& clauses);
  struct VarStats { const catalog::ColumnStatistics* column = nullptr; double rows = 0, distinct = 200; bool unique = false; const RelInfo* rel = nullptr; };
  VarStats var_stats(const ExprPtr& e);
  double estimate_groups(const std::vector<ExprPtr>& keys, double rows);

  // upper.cc
  NodePtr plan_set_operation();
  NodePtr plan_set_node(const SetOperation& op, std::vector<ExprPtr>& columns);
  NodePtr plan_from_where(std::vector<SortKey>& wanted);
  NodePtr plan_grouping(NodePtr input);
  NodePtr plan_windows(NodePtr input);
  NodePtr plan_distinct(NodePtr input);
  NodePtr plan_order(NodePtr input);
  NodePtr plan_limit(NodePtr input);
  NodePtr plan_locks(NodePtr input);
  NodePtr plan_project(NodePtr input);
  NodePtr plan_modify(NodePtr input);
  void prepare_modify();
  size_t instead_at_ = 0;   // where a view's old columns start among the targets
  void add_modify_columns();
  void check_generated(const catalog::Relation& table, int16_t column, bool is_default);
  SortKey sort_key_for(const SortGroupRef& r, const std::vector<TargetEntry>& targets);
  bool sorted_by(const PlanNode& n, const std::vector<SortKey>& keys);
  NodePtr make_sort(NodePtr input, const std::vector<SortKey>& keys, double limit = -1);
  NodePtr min_max_by_index();
  std::vector<std::vector<int>> expand_grouping_sets();
  std::vector<ExprPtr> provided_below_;      // grouped expressions and aggregates under the targets

  std::vector<RelInfo*> base_;               // by bit position
  std::map<int, int> rel_position_;          // rti -> bit position
  std::map<Relids, std::unique_ptr<RelInfo>> rels_;
  std::vector<SpecialJoin> special_;
  std::vector<EquivClass> ecs_;
  std::vector<ClausePtr> clauses_;           // join clauses outside of equivalence classes
  std::vector<ExprPtr> one_time_;            // no Vars at all
  std::vector<SortKey> query_order_;         // what the top of this level would like
  NodePtr cheapest_input_;                   // of the joins, whatever its order
  Relids all_ = 0;
  Relids nullable_ = 0;
  bool modified_rowids_ = false;
  std::vector<std::pair<int, std::vector<ExprPtr>>> pending_;   // subqueries being pulled up
  int recursive_cte_ = -1;                   // this level is the body of that recursive CTE
  std::vector<ExprPtr> output_exprs() const; // of non-junk targets, as the plan's layout names them
  std::vector<ExprPtr> set_columns_;         // set operations: the result's columns
};

class Planner {
 public:
  Planner(ExecContext& ctx, bool fold_params);
  std::shared_ptr<PlannedStatement> plan(const Query& q);
  ExprPtr simplify(const ExprPtr& e);
  int new_param() { return kExecParamBase + stmt->exec_params++; }
  std::shared_ptr<const RangeTableEntry> rte(int rti) const { return rtable[rti - 1]; }
  std::shared_ptr<const catalog::Relation> relation(Oid oid) const { return state->relation(oid); }
  const PlannerSettings& settings() const { return *settings_; }

  ExecContext& ctx;
  bool fold_params;
  catalog::StatePtr state;
  std::shared_ptr<PlannedStatement> stmt;
  std::vector<std::shared_ptr<RangeTableEntry>> rtable;
  int subplan_count = 0;
  Arena arena;
  ExecState exec;
  bool used_params = false;     // an estimate or a fold depended on parameter values
  bool has_row_marks = false;   // row identities of every relation are carried (UPDATE, FOR UPDATE)

 private:
  PlannerSettings defaults_;
  PlannerSettings* settings_;
};

// fold.cc
ExprPtr make_const(Oid type, NullableDatum v, ExecContext& ctx, int32_t typmod = -1, Oid collation = 0);
ExprPtr make_bool(bool v);
bool is_true(const ExprPtr& e);
bool is_false_or_null(const ExprPtr& e);
bool has_volatile(const ExprPtr& e, ExecContext& ctx);
bool query_volatile(const Query& q, ExecContext& ctx);
bool has_mutable(const ExprPtr& e, ExecContext& ctx);
bool is_strict_for(const ExprPtr& clause, const std::function<bool(const VarExpr&)>& of, ExecContext& ctx);
void split_and(const ExprPtr& e, std::vector<ExprPtr>& out);
ExprPtr make_and(std::vector<ExprPtr> list);
ExprPtr make_or(std::vector<ExprPtr> list);
ExprPtr make_var(int rti, int16_t column, Oid type, int32_t typmod = -1, Oid collation = 0);

// opinfo.cc: B-tree operator families.
struct BtreeOp { Oid family = 0; int strategy = 0; Oid left = 0, right = 0; };
std::vector<BtreeOp> btree_ops(Oid op, const catalog::State& state);
Oid family_operator(Oid family, Oid left, Oid right, int strategy);
Oid opclass_family(Oid opclass);
bool op_hashable(Oid op, const catalog::State& state);
bool op_mergeable(Oid op, const catalog::State& state);
Oid op_commutator(Oid op, const catalog::State& state);
Oid op_negator(Oid op, const catalog::State& state);
Oid op_func(Oid op, const catalog::State& state);
std::string op_name(Oid op, const catalog::State& state);
Oid default_equality(Oid type, ExecContext& ctx);   // operator oid, or 0

// finalize.cc
NodePtr finalize(const NodePtr& path, const std::vector<ExprPtr>& need, Level& level);
// Every Var, aggregate, window function ... that an expression takes from below.
void pull_needed(const ExprPtr& e, std::vector<ExprPtr>& out);
void add_distinct(std::vector<ExprPtr>& list, const ExprPtr& e);

// prune.cc: the positions of PartitionMap::partitions() where rows that satisfy the conditions can be; conditions name
// the table's columns as relation rti.
std::vector<int> prune_partitions(const PartitionMap& map, const std::vector<ExprPtr>& quals, int rti, Planner& planner);

// cost.cc
void cost_sort(PlanNode& n, const PlanNode& input, double limit, Planner& p);
double qual_cost(const std::vector<ExprPtr>& quals, Planner& p);
int type_width(Oid type, int32_t typmod);
int exprs_width(const std::vector<ExprPtr>& list);

}  // namespace stele::query

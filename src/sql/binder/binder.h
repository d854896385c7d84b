// The binder itself, inner to this folder. Binder holds what one statement shares; Scope is one query level
// (PostgreSQL's ParseState). Methods are grouped by the file that has them.
#pragma once

#include <optional>
#include <unordered_set>

#include "base/error.h"
#include "query/query.h"
#include "query/rewrite.h"
#include "sql/binder/bind.h"
#include "sql/parser/parser.h"
#include "sql/parser/pg.h"

namespace stele::sql {

using namespace query;  // NOLINT: the binder makes nothing but query trees
using catalog::ObjectAddress;
using catalog::ObjectKind;
using pg::Node;
using RtePtr = std::shared_ptr<RangeTableEntry>;
using MutExpr = std::shared_ptr<Expr>;

template <typename T, typename... A>
std::shared_ptr<T> make(A... a) { return std::make_shared<T>(a...); }
template <typename T>
const T& as(const ExprPtr& e) { return static_cast<const T&>(*e); }

struct NsColumn {
  std::string name;
  int relation = 0;
  int16_t column = 0;
  Oid type = 0;  // 0: dropped
  int32_t typmod = -1;
  Oid collation = 0;
  bool hidden = false;  // not expanded by *
};
struct NsItem {
  RtePtr rte;
  int index = 0;
  std::string name;
  std::string schema;  // of plain relations without alias, for qualified references
  std::vector<NsColumn> columns;
  bool rel_visible = true, cols_visible = true, lateral_only = false, lateral_ok = true;
  bool using_alias = false;
};
using NsPtr = std::shared_ptr<NsItem>;

struct CteState {
  CommonTable table;
  const pg::CommonTableExpr* node = nullptr;
  bool analyzed = false;
  size_t visible = SIZE_MAX;  // columns that * shows in the recursive term (SEARCH and CYCLE add hidden ones)
};
using CtePtr = std::shared_ptr<CteState>;

struct Scope {
  Scope* parent = nullptr;
  Query* query = nullptr;
  std::vector<RtePtr> range_table;
  std::vector<NsPtr> ns;
  std::vector<CtePtr> ctes;
  std::vector<const pg::CommonTableExpr*> future_ctes;
  CteState* parent_cte = nullptr;
  std::vector<const pg::WindowDef*> windows;
  ExprContext kind = ExprContext::kNone;
  bool lateral_active = false, resolve_unknowns = true, locked_from_parent = false;
  bool has_aggregates = false, has_windows = false, has_srfs = false, has_sublinks = false, has_modifying_cte = false;
  ExprPtr last_srf;
  NsPtr target;
  catalog::Ptr<catalog::Relation> target_relation;
  bool is_insert = false;
  int next_resno = 1, next_multi = 1;
  std::vector<const pg::LockingClause*> locking;
};


struct Domain {  // VALUE in domain checks
  Oid type = 0;
  int32_t typmod = -1;
  Oid collation = 0;
};

enum class CoerceContext : uint8_t { kImplicit, kAssignment, kPlpgsql, kExplicit };
enum class CoercePath : uint8_t { kNone, kFunc, kRelabel, kArray, kViaIo };

class Binder {
 public:
  explicit Binder(const BindContext& c) : ctx(c), cat(*c.view) {}
  const BindContext& ctx;
  CatalogView& cat;
  std::vector<ObjectAddress> dependencies;
  std::optional<Domain> domain;
  std::map<Oid, std::shared_ptr<ProcRow>> call_rows_;   // procedures as CALL sees them

  [[noreturn]] void fail(ErrorCode code, std::string message, int location = -1, std::string detail = {}, std::string hint = {}) const;
  int position(int location) const { return character_position(ctx.text, location); }

  // statement.cc
  std::shared_ptr<Query> statement(const Node* n, Scope* parent, CteState* parent_cte = nullptr, bool locked_from_parent = false,
                                   bool resolve_unknowns = true);
  std::shared_ptr<Query> select(Scope& s, const pg::SelectStmt* n);
  std::shared_ptr<Query> values(Scope& s, const pg::SelectStmt* n);
  std::shared_ptr<Query> set_operations(Scope& s, const pg::SelectStmt* n);
  std::shared_ptr<const SetOperation> set_operation_tree(Scope& s, const pg::SelectStmt* n, bool top, std::vector<TargetEntry>* targets, Query& q);
  void locking(Scope& s, Query& q, const pg::LockingClause* lc, bool pushed_down);
  void check_select_locking(const Query& q, const char* strength);
  void finish(Scope& s, Query& q);
  std::vector<ExprPtr> flat(const std::vector<TargetEntry>& t);
  // dml.cc
  std::shared_ptr<Query> insert(Scope& s, const pg::InsertStmt* n);
  std::shared_ptr<Query> update(Scope& s, const pg::UpdateStmt* n);
  std::shared_ptr<Query> erase(Scope& s, const pg::DeleteStmt* n);
  std::shared_ptr<Query> merge(Scope& s, const pg::MergeStmt* n);
  std::vector<ExprPtr> insert_row(Scope& s, std::vector<ExprPtr> exprs, std::span<Node* const> stmtcols,
                                  const std::vector<pg::ResTarget*>& cols, const std::vector<int16_t>& attnos, bool strip);
  std::vector<TargetEntry> update_targets(Scope& s, std::span<Node* const> list);
  std::vector<TargetEntry> returning(Scope& s, std::span<Node* const> list);
  void on_conflict(Scope& s, Query& q, const pg::OnConflictClause* c);
  void set_target(Scope& s, Query& q, const pg::RangeVar* rv, bool in_from, uint32_t privileges, std::string_view verb);
  void insert_columns(Scope& s, std::span<Node* const> cols, std::vector<int16_t>& attnos, std::vector<const pg::ResTarget*>& targets);
  ExprPtr assigned(Scope& s, ExprPtr e, ExprContext kind, const std::string& column, int16_t attno, std::span<Node* const> indirection, int location);
  ExprPtr assign_indirection(Scope& s, ExprPtr base, const std::string& name, bool subscripting, Oid type, int32_t typmod, Oid collation,
                             std::span<Node* const> indirection, size_t at, ExprPtr rhs, CoerceContext cc, int location);
  // view_update.cc: a statement on an updatable view becomes one on its table
  std::shared_ptr<Query> rewrite_target_view(std::shared_ptr<Query> q);
  bool cascading_ = false;
  // row_security.cc
  struct Policies { ExprPtr permissive; std::vector<std::pair<std::string, ExprPtr>> restrictive; };
  bool policies_apply(const catalog::Relation& r, Oid user);
  Policies policies_of(const catalog::Relation& r, Oid user, char command, bool check);
  ExprPtr policy_condition(const Policies& p);
  void apply_read_policies(Query& q);
  void apply_target_policies(Query& q);
  // relation.cc
  NsPtr add_relation(Scope& s, const catalog::Relation& r, storage::LockMode lock, const pg::Alias* alias, bool inherit, bool in_from);
  NsPtr add_rte(Scope& s, RtePtr rte, std::string schema = {});
  NsPtr add_subquery(Scope& s, std::shared_ptr<Query> q, const pg::Alias* alias, bool lateral, bool in_from);
  void apply_alias(RangeTableEntry& rte, const pg::Alias* alias, size_t columns, std::string_view kind);
  void add_to_namespace(Scope& s, const NsPtr& item, bool rel_name, bool cols);
  void check_namespace_conflicts(const std::vector<NsPtr>& a, const std::vector<NsPtr>& b);
  NsPtr find_ns_item(Scope& s, std::string_view schema, std::string_view name, int location, int* levels);
  ExprPtr scan_columns(Scope& s, const NsPtr& item, int levels, std::string_view name, int location, bool system = true);
  ExprPtr column_named(Scope& s, std::string_view name, bool local_only, int location);
  ExprPtr column_var(Scope& s, const NsPtr& item, size_t i, int levels, int location);
  ExprPtr whole_row(Scope& s, const NsPtr& item, int levels, int location);
  [[noreturn]] void missing_relation(Scope& s, const std::string& schema, const std::string& name, int location);
  [[noreturn]] void missing_column(Scope& s, const std::string& qualifier, const std::string& column, int location);
  catalog::Ptr<catalog::Relation> open_relation(const pg::RangeVar* rv, bool missing_ok);
  CtePtr find_cte(Scope& s, std::string_view name, int* levels);
  void expand(Scope& s, const NsPtr& item, int levels, std::vector<TargetEntry>& out, bool names, int location);
  void mark_selected(Scope& s, int relation, int16_t column, int levels);
  std::pair<Oid, int16_t> origin(Scope& s, const ExprPtr& e);
  // from.cc
  void from_clause(Scope& s, Query& q, std::span<Node* const> list);
  FromPtr from_item(Scope& s, const Node* n, NsPtr* top, std::vector<NsPtr>* ns);
  FromPtr join_item(Scope& s, const pg::JoinExpr* j, NsPtr* top, std::vector<NsPtr>* ns);
  NsPtr held_rows(Scope& s, const BindContext::HeldRows& held, const pg::RangeVar* rv);
  NsPtr range_function(Scope& s, const pg::RangeFunction* f);
  NsPtr add_function_rte(Scope& s, std::vector<std::string> names, std::vector<ExprPtr> calls,
                         std::vector<std::vector<Node*>> coldefs, bool ordinality, bool lateral, const pg::Alias* alias);
  ExprPtr where_clause(Scope& s, const Node* n, ExprContext kind, const char* name);
  // cte.cc
  void with_clause(Scope& s, const pg::WithClause* w);
  void analyze_cte(Scope& s, CteState& c);
  void cte_columns(CteState& c, const std::vector<TargetEntry>& targets);
  void check_recursion(const std::vector<CtePtr>& ctes, const CtePtr& c);
  void rewrite_search_cycle(Scope& s, CteState& c);
  // target.cc
  std::vector<TargetEntry> target_list(Scope& s, std::span<Node* const> list, ExprContext kind);
  std::vector<ExprPtr> expression_list(Scope& s, std::span<Node* const> list, ExprContext kind, bool allow_default);
  void expand_star(Scope& s, const pg::ColumnRef* c, std::vector<TargetEntry>& out, bool top);
  void expand_row(Scope& s, ExprPtr e, std::vector<TargetEntry>& out, int location);
  std::string figure_name(const Node* n);
  int figure_name(const Node* n, std::string& name);
  void resolve_unknown_targets(std::vector<TargetEntry>& t);
  void mark_origins(Scope& s, std::vector<TargetEntry>& t);
  TargetEntry make_target(Scope& s, ExprPtr e, std::string name, bool junk = false);
  // clause.cc
  std::vector<SortGroupRef> sort_clause(Scope& s, std::span<Node* const> list, std::vector<TargetEntry>& t, ExprContext kind, bool sql99);
  void group_clause(Scope& s, Query& q, std::span<Node* const> list);
  int find_target(Scope& s, const Node* n, std::vector<TargetEntry>& t, ExprContext kind, bool sql99);
  void add_sort(std::vector<SortGroupRef>& out, std::vector<TargetEntry>& t, int index, const pg::SortBy* sb, bool resolve_unknown);
  void add_group(std::vector<SortGroupRef>& out, std::vector<TargetEntry>& t, int index, const std::vector<SortGroupRef>& sort, int location);
  int assign_ref(std::vector<TargetEntry>& t, int index);
  std::vector<SortGroupRef> distinct_clause(std::vector<TargetEntry>& t, const std::vector<SortGroupRef>& sort, bool is_agg);
  std::vector<SortGroupRef> distinct_on(Scope& s, std::span<Node* const> list, std::vector<TargetEntry>& t, const std::vector<SortGroupRef>& sort);
  void window_definitions(Scope& s, Query& q);
  ExprPtr frame_offset(Scope& s, int options, const Window& w, const std::vector<TargetEntry>& t, const Node* n, Oid* func);
  ExprPtr limit_clause(Scope& s, const Node* n, ExprContext kind, const char* name, bool with_ties);
  GroupingSet grouping_set(Scope& s, const Node* n, Query& q, bool top, std::vector<SortGroupRef>& flat);
  // agg.cc
  void check_aggregates(Scope& s, Query& q);
  void finish_aggregate(Scope& s, const std::shared_ptr<AggregateExpr>& a, std::span<Node* const> order, bool within_group, const std::string& name);
  int aggregate_level(Scope& s, const std::vector<ExprPtr>& direct, const std::vector<ExprPtr>& args, const ExprPtr& filter, int location, std::string_view what);
  void check_aggregate_context(Scope& s, int level, int location, bool grouping);
  void finish_window(Scope& s, const std::shared_ptr<WindowExpr>& w, const pg::WindowDef* def, int location);
  // expr.cc
  ExprPtr expr(Scope& s, const Node* n, ExprContext kind);
  ExprPtr expr_in(Scope& s, const Node* n);
  ExprPtr column_ref(Scope& s, const pg::ColumnRef* c);
  ExprPtr param_ref(const pg::ParamRef* p);
  ExprPtr constant(const pg::AConst* c);
  ExprPtr a_expr(Scope& s, const pg::AExpr* a);
  ExprPtr in_expr(Scope& s, const pg::AExpr* a);
  ExprPtr between(Scope& s, const pg::AExpr* a);
  ExprPtr bool_expr(Scope& s, const pg::BoolExpr* b);
  ExprPtr func_call(Scope& s, const pg::FuncCall* f);
  ExprPtr sub_link(Scope& s, const pg::SubLink* l);
  ExprPtr case_expr(Scope& s, const pg::CaseExpr* c);
  ExprPtr array_expr(Scope& s, const pg::AArrayExpr* a, Oid array_type, Oid element_type, int32_t typmod);
  ExprPtr row_expr(Scope& s, const pg::RowExpr* r);
  ExprPtr coalesce(Scope& s, const pg::CoalesceExpr* c);
  ExprPtr min_max(Scope& s, const pg::MinMaxExpr* m);
  ExprPtr sql_value(const pg::SQLValueFunction* f);
  ExprPtr boolean_test(Scope& s, const pg::BooleanTest* b);
  ExprPtr null_test(Scope& s, const pg::NullTest* t);
  ExprPtr type_cast(Scope& s, const pg::TypeCast* t);
  ExprPtr collate(Scope& s, const pg::CollateClause* c);
  ExprPtr indirection(Scope& s, const pg::AIndirection* a);
  ExprPtr current_of(Scope& s, const pg::CurrentOfExpr* c);
  ExprPtr grouping_func(Scope& s, const pg::GroupingFunc* g);
  ExprPtr subscripts(Scope& s, ExprPtr base, Oid type, int32_t typmod, std::span<Node* const> subs, ExprPtr assign, bool assigning);
  ExprPtr field_select(Scope& s, ExprPtr e, const std::string& name, int location, bool missing_ok);
  ExprPtr row_comparison(Scope& s, const std::vector<std::string>& op, const std::vector<ExprPtr>& l, const std::vector<ExprPtr>& r, int location, bool for_sublink = false);
  ExprPtr make_distinct(Scope& s, const std::vector<std::string>& op, ExprPtr l, ExprPtr r, int location);
  ExprPtr row_distinct(Scope& s, const std::vector<std::string>& op, const std::vector<ExprPtr>& l, const std::vector<ExprPtr>& r, int location);
  std::vector<CompositeColumn> row_columns(Scope* s, const ExprPtr& e);
  // func.cc
  ExprPtr function(Scope& s, std::vector<std::string> names, std::vector<ExprPtr> args, const pg::FuncCall* f, bool column_ok, int location, bool proc_call = false);
  enum class FuncKind : uint8_t { kNotFound, kMultiple, kNormal, kAggregate, kWindow, kCoercion, kProcedure };
  struct FuncMatch {
    FuncKind kind = FuncKind::kNotFound;
    const ProcRow* proc = nullptr;
    std::vector<Oid> declared;      // types of the arguments as called, variadic expanded
    int variadic_count = 0, defaults = 0;
    std::vector<int> arg_numbers;   // of named notation: position of each passed argument
  };
  FuncMatch find_function(const std::vector<std::string>& names, const std::vector<ExprPtr>* args, const std::vector<Oid>& types,
                          const std::vector<std::string>& arg_names, bool expand_variadic, bool expand_defaults);
  struct Candidate { const ProcRow* proc = nullptr; const OperatorRow* op = nullptr; std::vector<Oid> args; int variadic = 0, defaults = 0; std::vector<int> numbers; int path = 0; };
  std::vector<Candidate> function_candidates(const std::vector<std::string>& names, int nargs, const std::vector<std::string>& arg_names,
                                             bool expand_variadic, bool expand_defaults);
  std::vector<size_t> match_candidates(const std::vector<Oid>& types, const std::vector<Candidate>& c);
  int select_candidate(const std::vector<Oid>& types, std::vector<Candidate>& c);  // index or -1
  std::string signature(const std::string& name, const std::vector<Oid>& types, const std::vector<std::string>& arg_names = {});
  ExprPtr default_argument(const ProcRow& p, int index);
  std::vector<ExprPtr> coerce_arguments(const std::vector<ExprPtr>& args, const std::vector<Oid>& actual, const std::vector<Oid>& declared);
  void check_srf(Scope& s, const ExprPtr& last_srf, int location);
  // oper.cc
  ExprPtr op(Scope& s, const std::vector<std::string>& name, ExprPtr l, ExprPtr r, int location, const ExprPtr& last_srf = nullptr);
  ExprPtr scalar_array_op(Scope& s, const std::vector<std::string>& name, bool use_or, ExprPtr l, ExprPtr r, int location);
  const OperatorRow* find_operator(const std::vector<std::string>& name, Oid l, Oid r, bool no_error, int location);
  const OperatorRow* find_left_operator(const std::vector<std::string>& name, Oid r, bool no_error, int location);
  const OperatorRow* compatible_operator(const std::vector<std::string>& name, Oid l, Oid r, bool no_error, int location);
  std::string op_signature(const std::vector<std::string>& name, Oid l, Oid r, bool prefix);
  SortOps sort_group_ops(Oid type, bool lt, bool eq, bool gt, int location = -1);
  // coerce.cc
  bool can_coerce(const std::vector<Oid>& from, const std::vector<Oid>& to, CoerceContext c);
  bool can_coerce(Oid from, Oid to, CoerceContext c) { return can_coerce(std::vector<Oid>{from}, std::vector<Oid>{to}, c); }
  CoercePath find_path(Oid target, Oid source, CoerceContext c, Oid* func);
  CoercePath find_typmod_path(Oid type, Oid* func);
  ExprPtr coerce(ExprPtr e, Oid from, Oid to, int32_t typmod, CoerceContext c, FuncFormat format, int location);
  ExprPtr coerce_to_target(ExprPtr e, Oid from, Oid to, int32_t typmod, CoerceContext c, FuncFormat format, int location);
  ExprPtr coerce_typmod(ExprPtr e, Oid type, int32_t typmod, CoerceContext c, FuncFormat format, int location, bool hide);
  ExprPtr coerce_to_domain(ExprPtr e, Oid base, int32_t base_typmod, Oid type, CoerceContext c, FuncFormat format, int location, bool hide);
  ExprPtr coerce_record(ExprPtr e, Oid to, CoerceContext c, FuncFormat format, int location);
  ExprPtr build_coercion(ExprPtr e, CoercePath path, Oid func, Oid to, int32_t typmod, CoerceContext c, FuncFormat format, int location);
  ExprPtr to_boolean(ExprPtr e, const char* construct);
  ExprPtr to_specific(ExprPtr e, Oid type, const char* construct);
  Oid common_type(const std::vector<ExprPtr>& exprs, const char* context, size_t* which = nullptr);  // context null: 0 on failure
  ExprPtr to_common(ExprPtr e, Oid type, const char* context);
  int32_t common_typmod(const std::vector<ExprPtr>& exprs, Oid type);
  Oid enforce_generics(const std::vector<Oid>& actual, std::vector<Oid>& declared, Oid result, bool allow_poly);
  bool check_generics(const std::vector<Oid>& actual, const std::vector<Oid>& declared);
  ExprPtr make_const(Oid type, int32_t typmod, Oid collation, Datum value, bool is_null, int location = -1);
  ExprPtr make_null(Oid type, int32_t typmod = -1) { return make_const(type, typmod, cat.type(type).collation, {}, true); }
  ExprPtr text_const(Oid type, std::string_view text, int location);
  ExprPtr int4_const(int32_t v);
  ExprPtr bool_const(bool v);
  // collate.cc
  void assign_collations(Query& q);
  void assign_collations(const ExprPtr& e);
  void assign_list_collations(const std::vector<ExprPtr>& list);
  Oid select_common_collation(const std::vector<ExprPtr>& list, bool none_ok);
  // type.cc
  ResolvedType type_name(const pg::TypeName* t);
  ResolvedType type_name_or_missing(const pg::TypeName* t, bool missing_ok);
  int32_t typmod_of(const pg::TypeName* t, const TypeRow& type);
  Oid collation_by_name(std::span<Node* const> names, int location);

};

bool is_polymorphic(Oid type);
bool is_polymorphic_family1(Oid type);
bool is_polymorphic_family2(Oid type);
const char* context_name(ExprContext k);
int expr_location(const ExprPtr& e);
// Where a node of the parse tree begins, for errors; -1 if it does not say.
int node_location(const Node* n);
// Of a parse tree node that is an expression or a table; -1 when it is not known.
int node_location(const pg::Node* n);
std::string names_to_string(const std::vector<std::string>& names);

}  // namespace stele::sql

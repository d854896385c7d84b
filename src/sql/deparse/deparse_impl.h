// The printer, inner to this folder.
#pragma once

#include "base/error.h"
#include "query/rewrite.h"
#include "sql/deparse/deparse.h"
#include "types/type_io.h"

namespace stele::sql {

using namespace query;  // NOLINT: prints nothing but query trees

class Printer {
 public:
  Printer(CatalogView& view, EvalContext& eval, const DeparseOptions& options) : cat(view), eval(eval), options(options), indent_level(options.start_indent) {}

  struct Level {               // one query level's names
    const Query* query = nullptr;
    std::vector<std::string> names;                     // by range table index - 1
    std::vector<std::vector<std::string>> columns;
    bool prefix = true;
  };
  CatalogView& cat;
  EvalContext& eval;
  DeparseOptions options;
  std::string out;
  std::vector<Level> levels;   // innermost last
  const catalog::Relation* relation = nullptr;
  const VarNamer* namer = nullptr;
  const ExprPtr* case_test = nullptr;
  const std::vector<ExprPtr>* sublink_columns = nullptr;

  // expressions.cc
  void expr(const ExprPtr& e, bool show_implicit = false);
  void paren(const ExprPtr& e, bool show_implicit, const ExprPtr& parent);
  void constant(const ConstExpr& c, int show_type);
  void var(const VarExpr& v);
  void func(const FuncExpr& f, bool show_implicit);
  bool sql_syntax(const FuncExpr& f);
  void coercion(const ExprPtr& arg, Oid type, int32_t typmod, const ExprPtr& parent);
  void op(const OpExpr& o, const ExprPtr& self);
  void aggregate(const AggregateExpr& a);
  void window(const WindowExpr& w);
  void sublink(const SubLinkExpr& l, const ExprPtr& self);
  void args(const std::vector<ExprPtr>& a, bool variadic = false);
  bool simple(const ExprPtr& e, const ExprPtr& parent);
  std::string operator_name(Oid op, Oid left, Oid right);
  std::string function_name(Oid func, const std::vector<ExprPtr>& args, bool has_variadic);
  std::string collation_name(Oid coll);
  // query.cc
  void query(const Query& q, const std::vector<std::string>& columns);
  void select(const Query& q, const std::vector<std::string>& columns);
  void basic_select(const Query& q, const std::vector<std::string>& columns);
  void set_operation(const SetOperation& s, const Query& q, const std::vector<std::string>& columns);
  void with(const Query& q);
  void target_list(const Query& q, const std::vector<TargetEntry>& targets, const std::vector<std::string>& columns);
  void from(const Query& q);
  void from_item(const Query& q, const FromPtr& f);
  void column_aliases(const Query& q, int index);
  void sort_list(const std::vector<SortGroupRef>& s, const std::vector<TargetEntry>& t, bool force_column_numbers);
  void sort_group(int ref, const std::vector<TargetEntry>& t, bool number);
  void window_spec(const Window& w, const Query& q);
  void grouping_set(const GroupingSet& g, const Query& q, bool omit_parens);
  void push_level(const Query& q);
  std::string relation_name(Oid oid);
  void keyword(std::string_view s, int before, int after, int plus);

  int indent_level;
  bool names_visible = true;   // false where output names do not matter: sublinks, right sides of set operations
};

template <typename T> const T& as_node(const ExprPtr& e) { return static_cast<const T&>(*e); }

}  // namespace stele::sql

// Parse analysis: a parse tree becomes a query::Query. What PostgreSQL's analyze.c and parse_*.c
// decide is decided here, with their error texts, codes and positions.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "query/query.h"
#include "sql/binder/catalog_view.h"
#include "types/context.h"

struct PgQuery__Node;

namespace stele::sql {

// $n types. With `infer`, unknown ones take the type that their first use wants.
struct ParamTypes {
  std::vector<Oid> types;
  bool infer = false;
};

struct BindContext {
  CatalogView* view = nullptr;
  EvalContext* eval = nullptr;
  std::string_view text;               // for error positions
  ParamTypes* params = nullptr;        // null: $n is an error
  bool allow_shell_types = false;      // CREATE FUNCTION may name a type that is only declared
  Oid user = 0;                        // whose row security policies apply; 0: none do
  // Names of variables and function arguments: asked when no column matches (or first, if
  // variables_first). Null result: not a variable.
  std::function<query::ExprPtr(const std::vector<std::string>& names, int location)> variables;
  bool variables_first = false;
  std::function<query::ExprPtr(int number, int location)> parameter;  // overrides params
  // True: a variable has the name of a column that was found, and neither wins (PL/pgSQL's rule).
  std::function<bool(const std::vector<std::string>& names)> shadows;
  // Rows that only this statement sees under a name (transition tables); null: none of that name.
  struct HeldRows { int number = 0; const catalog::Relation* shape = nullptr; };
  std::function<const HeldRows*(std::string_view name)> held_rows;
};

// SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES.
std::shared_ptr<query::Query> bind_statement(const PgQuery__Node* statement, const BindContext& context);

// What an expression outside a query is for; decides what it may contain and how errors name it.
enum class ExprContext : uint8_t {
  kNone, kOther, kJoinOn, kJoinUsing, kFromSubselect, kFromFunction, kWhere, kHaving, kFilter, kWindowPartition,
  kWindowOrder, kWindowFrameRange, kWindowFrameRows, kWindowFrameGroups, kSelectTarget, kInsertTarget,
  kUpdateSource, kUpdateTarget, kMergeWhen, kGroupBy, kOrderBy, kDistinctOn, kLimit, kOffset, kReturning, kValues,
  kValuesSingle, kCheckConstraint, kDomainCheck, kColumnDefault, kFunctionDefault, kIndexExpression,
  kIndexPredicate, kStatsExpression, kAlterColTransform, kExecuteParameter, kTriggerWhen, kPolicy, kPartitionBound,
  kPartitionExpression, kCallArgument, kCopyWhere, kGeneratedColumn, kCycleMark,
};

// An expression over a relation's columns (Vars of relation 1), or over none when `relation` is null.
// `type` 0 keeps the expression's own type; otherwise it is coerced as for assignment, and an error
// names the column. Triggers see OLD as relation 1 and NEW as relation 2 when context is kTriggerWhen.
query::ExprPtr bind_expression(const PgQuery__Node* node, const catalog::Relation* relation, ExprContext kind,
                               const BindContext& context, Oid type = 0, int32_t typmod = -1,
                               std::string_view column_name = {});
// Domain constraints: VALUE is DomainValueExpr of the type.
query::ExprPtr bind_domain_check(const PgQuery__Node* node, Oid type, int32_t typmod, Oid collation, const BindContext& context);
// Parses "expr" alone; the tree owns the node.
struct ParsedExpression {
  std::shared_ptr<const void> owner;
  const PgQuery__Node* node = nullptr;
};
ParsedExpression parse_expression(std::string_view sql);

// Coerces as an assignment to a column would; throws datatype_mismatch.
query::ExprPtr coerce_for_assignment(query::ExprPtr e, Oid type, int32_t typmod, std::string_view column, const BindContext& context);

// Bits of the changes (4 insert, 8 delete, 16 update) that a view takes without triggers.
// Why a view of this query takes no changes; null: it does.
const char* view_update_problem(const query::Query& q);
int view_updatable_events(const catalog::Relation& view, const BindContext& context);

// As a PL/pgSQL assignment would; null when there is no way.
query::ExprPtr coerce_plpgsql(query::ExprPtr e, Oid type, int32_t typmod, const BindContext& context);
// `target` is a ResTarget with indirection: the value of `base` with that part replaced.
query::ExprPtr bind_element_assignment(const PgQuery__Node* target, query::ExprPtr base, const std::string& name, const BindContext& context);
// The call of CALL: arguments in the procedure's order, placeholders of OUT arguments too.
query::ExprPtr bind_call(const PgQuery__Node* func_call, const BindContext& context);

struct ResolvedType { Oid type = 0; int32_t typmod = -1; };
// TypeName node; throws undefined_object `type "x" does not exist`.
ResolvedType resolve_type(const void* type_name, const BindContext& context);
// "integer", "varchar(10)[]": throws as the grammar and resolve_type do. allow_missing: type 0.
ResolvedType parse_type_string(std::string_view sql, const BindContext& context, bool allow_missing = false);
// COLLATE name list; 0 for none.
Oid resolve_collation(const std::vector<std::string>& names, const BindContext& context, int location = -1);

// ObjectWithArgs lookups for DDL.
Oid find_function(const void* object_with_args, char kind /* f a p or 0 any */, const BindContext& context, bool missing_ok);
Oid find_operator(const void* object_with_args, const BindContext& context, bool missing_ok);

// Looks up a relation by its RangeVar; throws undefined_table as the parser does.
catalog::Ptr<catalog::Relation> resolve_relation(const void* range_var, const BindContext& context, bool missing_ok = false);

}  // namespace stele::sql

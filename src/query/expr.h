// Bound expressions: typed, resolved, with no names left to look up. Produced by sql's binder (and by
// other doors for filters), simplified by the optimiser, compiled by the executor, printed back by sql's
// deparser. Trees are immutable once built and shared between cached plans; rewriting makes new nodes.
// Node kinds and field meanings follow PostgreSQL's primnodes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "types/datum.h"
#include "types/function.h"

namespace stele::query {

struct Query;
struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

enum class ExprKind : uint8_t {
  kConst, kVar, kParam, kFunc, kOp, kDistinct, kNullIf, kScalarArrayOp, kBool, kCase, kCaseTest,
  kCoalesce, kMinMax, kArray, kRow, kRowCompare, kNullTest, kBooleanTest, kRelabel, kCoerceViaIo,
  kArrayCoerce, kConvertRowType, kCoerceToDomain, kDomainValue, kFieldSelect, kSubscript, kAggregate,
  kGrouping, kWindow, kSubLink, kSqlValue, kSetToDefault, kCurrentOf, kCollate, kNamedArg, kFieldStore,
  kSubPlan /* planner-made */,
};

struct Expr {
  ExprKind kind;
  Oid type = 0;          // result type
  int32_t typmod = -1;
  Oid collation = 0;     // result collation
  int location = -1;     // 0-based byte offset in the statement text, -1 unknown
  explicit Expr(ExprKind k) : kind(k) {}
  virtual ~Expr() = default;
};

// By-reference values are owned by `owned` (payload bytes after a Varlena header).
struct ConstExpr : Expr {
  ConstExpr() : Expr(ExprKind::kConst) {}
  Datum value;
  bool is_null = false;
  std::shared_ptr<char[]> owned;
};
// A column of a range table entry. `levels_up` > 0 refers to an enclosing query (correlation).
struct VarExpr : Expr {
  VarExpr() : Expr(ExprKind::kVar) {}
  int relation = 0;      // 1-based index into Query::range_table
  int16_t column = 0;    // 1-based attribute number; 0: whole row; negative: system columns (system_column::*)
  int levels_up = 0;
};
namespace system_column { constexpr int16_t kCtid = -1, kXmin = -2, kCmin = -3, kXmax = -4, kCmax = -5, kTableOid = -6, kScore = -7; }
enum class ParamKind : uint8_t { kExtern /* $n */, kExec /* planner-made */ };
struct ParamExpr : Expr {
  ParamExpr() : Expr(ExprKind::kParam) {}
  ParamKind param_kind = ParamKind::kExtern;
  int id = 0;            // 1-based for kExtern
};
enum class FuncFormat : uint8_t { kCall, kExplicitCast, kImplicitCast, kSqlSyntax };
struct FuncExpr : Expr {
  FuncExpr() : Expr(ExprKind::kFunc) {}
  Oid func = 0;
  std::vector<ExprPtr> args;
  Oid input_collation = 0;
  FuncFormat format = FuncFormat::kCall;
  bool returns_set = false, variadic = false /* last arg is the VARIADIC array */;
};
struct OpExpr : Expr {   // kOp, kDistinct (IS DISTINCT FROM), kNullIf
  explicit OpExpr(ExprKind k = ExprKind::kOp) : Expr(k) {}
  Oid op = 0, func = 0;
  std::vector<ExprPtr> args;
  Oid input_collation = 0;
};
struct ScalarArrayOpExpr : Expr {  // x op ANY/ALL (array)
  ScalarArrayOpExpr() : Expr(ExprKind::kScalarArrayOp) {}
  Oid op = 0, func = 0;
  bool use_or = true;
  ExprPtr scalar, array;
  Oid input_collation = 0;
};
enum class BoolOp : uint8_t { kAnd, kOr, kNot };
struct BoolExpr : Expr {
  BoolExpr() : Expr(ExprKind::kBool) {}
  BoolOp op = BoolOp::kAnd;
  std::vector<ExprPtr> args;
};
struct CaseExpr : Expr {
  CaseExpr() : Expr(ExprKind::kCase) {}
  ExprPtr arg;           // CASE arg WHEN ...: conditions compare a CaseTest placeholder
  std::vector<std::pair<ExprPtr, ExprPtr>> when;
  ExprPtr otherwise;     // null: NULL
};
struct CaseTestExpr : Expr { CaseTestExpr() : Expr(ExprKind::kCaseTest) {} };  // the value under test
struct ListExpr : Expr {  // kCoalesce, kMinMax (greatest/least), kArray, kRow
  explicit ListExpr(ExprKind k) : Expr(k) {}
  std::vector<ExprPtr> args;
  bool greatest = true;           // kMinMax
  Oid element_type = 0;           // kArray
  bool nested = false;            // kArray: elements are themselves arrays
  std::vector<std::string> names; // kRow
  Oid input_collation = 0;
  bool explicit_row = true;       // kRow: ROW(...) keyword
};
struct RowCompareExpr : Expr {
  RowCompareExpr() : Expr(ExprKind::kRowCompare) {}
  int comparison = 0;    // 1 <, 2 <=, 4 >=, 5 >
  std::vector<Oid> ops, funcs;
  std::vector<ExprPtr> left, right;
  std::vector<Oid> collations;
};
struct NullTestExpr : Expr {
  NullTestExpr() : Expr(ExprKind::kNullTest) {}
  ExprPtr arg;
  bool is_null = true;
  bool row_format = false;  // arg is a row: test every field
};
enum class BoolTest : uint8_t { kIsTrue, kIsNotTrue, kIsFalse, kIsNotFalse, kIsUnknown, kIsNotUnknown };
struct BooleanTestExpr : Expr { BooleanTestExpr() : Expr(ExprKind::kBooleanTest) {} ExprPtr arg; BoolTest test = BoolTest::kIsTrue; };
// kRelabel (binary-coercible), kCoerceViaIo, kArrayCoerce (element-wise), kConvertRowType,
// kCoerceToDomain, kCollate (COLLATE clause), kNamedArg: one input.
struct UnaryExpr : Expr {
  explicit UnaryExpr(ExprKind k) : Expr(k) {}
  ExprPtr arg;
  FuncFormat format = FuncFormat::kImplicitCast;
  ExprPtr element;       // kArrayCoerce: conversion of a CaseTest placeholder
  std::string name;      // kNamedArg
  int position = -1;     // kNamedArg
};
struct DomainValueExpr : Expr { DomainValueExpr() : Expr(ExprKind::kDomainValue) {} };
struct FieldSelectExpr : Expr { FieldSelectExpr() : Expr(ExprKind::kFieldSelect) {} ExprPtr arg; int16_t field = 0; };
struct FieldStoreExpr : Expr {  // UPDATE t SET comp.f = v
  FieldStoreExpr() : Expr(ExprKind::kFieldStore) {}
  ExprPtr arg; std::vector<std::pair<int16_t, ExprPtr>> fields;
};
struct SubscriptExpr : Expr {  // container[...]; assignment when `assign` is set
  SubscriptExpr() : Expr(ExprKind::kSubscript) {}
  ExprPtr container;
  std::vector<ExprPtr> upper, lower;   // entries may be null in slices
  bool slice = false;
  ExprPtr assign;
  Oid container_type = 0, element_type = 0;
};
struct SortKey {
  int target = 0;        // index into the owning target list (0-based) where one applies
  ExprPtr expr;
  Oid sort_op = 0, equality_op = 0;
  bool descending = false, nulls_first = false, hashable = true;
  Oid collation = 0;
};
struct AggregateExpr : Expr {
  AggregateExpr() : Expr(ExprKind::kAggregate) {}
  Oid func = 0;          // pg_proc oid
  std::vector<ExprPtr> direct_args, args;
  std::vector<Oid> arg_types;
  std::vector<SortKey> order_by;  // SortKey::expr set
  bool distinct = false, star = false, variadic = false;
  ExprPtr filter;
  char agg_kind = 'n';
  int levels_up = 0;
  Oid input_collation = 0;
};
struct GroupingExpr : Expr { GroupingExpr() : Expr(ExprKind::kGrouping) {} std::vector<ExprPtr> args; std::vector<int> refs; int levels_up = 0; };
struct WindowExpr : Expr {
  WindowExpr() : Expr(ExprKind::kWindow) {}
  Oid func = 0;
  std::vector<ExprPtr> args;
  std::vector<Oid> arg_types;
  ExprPtr filter;
  int window = 0;        // index into Query::windows
  bool star = false, is_aggregate = false, variadic = false;
  Oid input_collation = 0;
};
enum class SubLinkKind : uint8_t { kExists, kAny, kAll, kExpr, kMultiExpr, kArray, kRowCompare };
struct SubLinkExpr : Expr {
  SubLinkExpr() : Expr(ExprKind::kSubLink) {}
  SubLinkKind link = SubLinkKind::kExpr;
  // kAny/kAll/kRowCompare: the test over ParamExpr(kExec, id = column 1..n) placeholders for the
  // subquery's columns.
  ExprPtr test;
  std::string operator_name;
  std::shared_ptr<const Query> subquery;
  int multi_id = 0;      // kMultiExpr: SET (a, b) = (SELECT ...): fields refer to it by ParamExpr with id (multi_id << 16 | column)
};
enum class SqlValue : uint8_t { kCurrentDate, kCurrentTime, kCurrentTimestamp, kLocalTime, kLocalTimestamp, kCurrentRole, kCurrentUser, kUser, kSessionUser, kCurrentCatalog, kCurrentSchema };
struct SqlValueExpr : Expr { SqlValueExpr() : Expr(ExprKind::kSqlValue) {} SqlValue value = SqlValue::kCurrentDate; };
struct SetToDefaultExpr : Expr { SetToDefaultExpr() : Expr(ExprKind::kSetToDefault) {} };
struct CurrentOfExpr : Expr { CurrentOfExpr() : Expr(ExprKind::kCurrentOf) {} std::string cursor; int relation = 0; };

// A planned sublink: what the planner leaves in place of a SubLinkExpr that it could not turn into a join.
struct SubPlanExpr : Expr {
  SubPlanExpr() : Expr(ExprKind::kSubPlan) {}
  SubLinkKind link = SubLinkKind::kExpr;
  ExprPtr test;              // as SubLinkExpr::test, over ParamExpr(kExec, id = column 1..n)
  int plan = 0;              // index into the planned statement's subplans
  std::vector<std::pair<int, ExprPtr>> args;  // exec parameters set from the outer row before each run
  bool hashed = false, cacheable = false;     // cacheable: no outer dependency at all, runs once
  std::vector<int> ctes;                      // WITH queries inside that are made anew for each run
  int multi_column = 0;      // kMultiExpr: the column of its row
  std::string label;         // "SubPlan 1", "hashed SubPlan 1", "InitPlan 1": what EXPLAIN shows
};

// Calls f on every direct child expression (not into subqueries' bodies).
void for_each_child(const Expr& e, const std::function<void(const ExprPtr&)>& f);
// A copy with every direct child replaced by f(child); the same pointer when nothing changed.
ExprPtr map_children(const ExprPtr& e, const std::function<ExprPtr(const ExprPtr&)>& f);
bool equal(const ExprPtr& a, const ExprPtr& b);  // structural, ignoring locations

}  // namespace stele::query

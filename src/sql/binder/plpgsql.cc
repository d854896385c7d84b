// What PL/pgSQL needs of the binder beyond whole statements.
#include "query/execution.h"
#include "sql/binder/binder.h"

namespace stele::sql {

ExprPtr coerce_plpgsql(ExprPtr e, Oid type, int32_t typmod, const BindContext& context) {
  Binder b(context);
  const Oid from = e->type;
  ExprPtr r = b.coerce_to_target(std::move(e), from, type, typmod, CoerceContext::kPlpgsql, FuncFormat::kImplicitCast, -1);
  if (r != nullptr) b.assign_collations(r);
  return r;
}

ExprPtr bind_element_assignment(const PgQuery__Node* target, ExprPtr base, const std::string& name, const BindContext& context) {
  Binder b(context);
  Scope s;
  Query q;
  s.query = &q;
  const pg::ResTarget* t = target->res_target;
  ExprPtr value = b.expr(s, t->val, ExprContext::kOther);
  const Oid type = base->type;
  const int32_t typmod = base->typmod;
  const Oid collation = base->collation;
  ExprPtr e = b.assign_indirection(s, std::move(base), name, false, type, typmod, collation, PG_LIST(t, indirection), 0, std::move(value),
                                   CoerceContext::kPlpgsql, t->location);
  b.assign_collations(e);
  return e;
}

ExprPtr bind_call(const PgQuery__Node* func_call, const BindContext& context) {
  Binder b(context);
  Scope s;
  Query q;
  s.query = &q;
  const pg::FuncCall* f = func_call->func_call;
  s.kind = ExprContext::kCallArgument;
  std::vector<ExprPtr> args;
  for (const Node* n : PG_LIST(f, args)) {
    args.push_back(b.expr(s, n, ExprContext::kCallArgument));
    if (s.has_sublinks) b.fail(ErrorCode::kFeatureNotSupported, "cannot use subquery in CALL argument", expr_location(args.back()));
  }
  ExprPtr e = b.function(s, pg::strings(PG_LIST(f, funcname)), std::move(args), f, false, f->location, true);
  b.assign_collations(e);
  return e;
}

NsPtr Binder::held_rows(Scope& s, const BindContext::HeldRows& held, const pg::RangeVar* rv) {
  auto call = make<FuncExpr>();
  call->func = kHeldRowsFunction;
  call->type = oid::kRecord;
  call->returns_set = true;
  call->args = {int4_const(held.number)};
  RangeFunction f;
  f.call = call;
  auto rte = std::make_shared<RangeTableEntry>();
  rte->kind = RteKind::kFunction;
  rte->alias = rv->relname;
  size_t live = 0;
  for (const auto& c : held.shape->columns) live += c.dropped ? 0 : 1;
  apply_alias(*rte, rv->alias, live, "table");
  size_t given = 0;
  for (const auto& c : held.shape->columns) {
    if (c.dropped) continue;
    std::string name = c.name;
    if (rv->alias != nullptr && given < rv->alias->n_colnames) name = pg::str(rv->alias->colnames[given]);
    ++given;
    rte->column_aliases.push_back(name);
    rte->column_types.push_back(c.type);
    rte->column_typmods.push_back(c.typmod);
    rte->column_collations.push_back(c.collation);
    f.column_names.push_back(name);
    f.column_types.push_back(c.type);
    f.column_typmods.push_back(c.typmod);
    f.column_collations.push_back(c.collation);
  }
  rte->functions.push_back(std::move(f));
  return add_rte(s, rte);
}

}  // namespace stele::sql

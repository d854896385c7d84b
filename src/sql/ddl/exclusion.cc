// EXCLUDE constraints: their operators, their index, and the rows that are there.
#include "query/dml/exclusion.h"
#include "sql/ddl/ddl.h"
#include "types/builtin.h"

namespace stele::sql {

using namespace query;  // NOLINT

void Ddl::add_exclusion(std::shared_ptr<Relation>& r, const pg::Constraint* c, bool existing_rows) {
  if (r->partitioning) fail(ErrorCode::kFeatureNotSupported, "exclusion constraints are not supported on partitioned tables", c->location);
  Constraint k;
  k.kind = ConstraintKind::kExclusion;
  k.deferrable = c->deferrable;
  k.initially_deferred = c->initdeferred;
  catalog::IndexInfo info;
  info.method = pg::has(c->access_method) ? c->access_method : "gist";
  auto method = find_entry(ObjectKind::kAccessMethod, {{info.method}, {}});
  if (method == nullptr) fail(ErrorCode::kUndefinedObject, "access method \"" + info.method + "\" does not exist");
  if (info.method == "gin" || info.method == "brin") fail(ErrorCode::kFeatureNotSupported, "access method \"" + info.method + "\" does not support exclusion constraints");
  if (c->n_exclusions > 1 && (info.method == "hash" || info.method == "spgist"))
    fail(ErrorCode::kFeatureNotSupported, "access method \"" + info.method + "\" does not support multicolumn indexes");
  info.immediate = !c->deferrable;
  BindContext b = bind();
  std::vector<std::string> names;
  for (const Node* n : PG_LIST(c, exclusions)) {
    const auto pair = PG_LIST(n->list, items);
    const pg::IndexElem* e = pair[0]->index_elem;
    catalog::IndexColumn key = index_key(*r, e, info.method);
    k.columns.push_back(key.column);
    if (key.column != 0) names.push_back(r->column(key.column)->name);
    else {
      // As a result column would be called.
      const Node* x = e->expr;
      while (pg::is(x, pg::kTypeCast) && !pg::is(x->type_cast->arg, pg::kAConst)) x = x->type_cast->arg;
      names.push_back(pg::is(x, pg::kFuncCall) ? std::string(pg::str(x->func_call->funcname[x->func_call->n_funcname - 1]))
                      : pg::is(x, pg::kColumnRef) ? std::string(pg::str(x->column_ref->fields[x->column_ref->n_fields - 1])) : "expr");
    }
    // The operator as `key op key` finds it.
    pg::Node column = PG_QUERY__NODE__INIT, field = PG_QUERY__NODE__INIT, operation = PG_QUERY__NODE__INIT;
    PgQuery__ColumnRef reference = PG_QUERY__COLUMN_REF__INIT;
    pg::String name = PG_QUERY__STRING__INIT;
    PgQuery__AExpr both = PG_QUERY__A__EXPR__INIT;
    pg::Node* fields[] = {&field};
    pg::Node* side = e->expr;
    if (pg::has(e->name)) {
      name.sval = e->name;
      field.node_case = pg::kString;
      field.string = &name;
      reference.fields = fields;
      reference.n_fields = 1;
      column.node_case = pg::kColumnRef;
      column.column_ref = &reference;
      side = &column;
    }
    const std::vector<std::string> written = pg::strings(PG_LIST(pair[1]->list, items));
    both.kind = PG_QUERY__A__EXPR__KIND__AEXPR_OP;
    both.name = pair[1]->list->items;
    both.n_name = pair[1]->list->n_items;
    both.lexpr = both.rexpr = side;
    operation.node_case = pg::kAExpr;
    operation.a_expr = &both;
    Oid op = 0;
    without_position([&] {
      ExprPtr x = bind_expression(&operation, r.get(), ExprContext::kIndexExpression, b);
      if (x->kind == ExprKind::kOp) op = static_cast<const OpExpr&>(*x).op;
    });
    const OperatorRow* row = view().oper(op);
    if (row == nullptr) fail(ErrorCode::kWrongObjectType, "operator " + written.back() + " cannot be used in exclusion constraints");
    const std::string shown = row->name + "(" + view().format_type(row->left) + "," + view().format_type(row->right) + ")";
    if (row->commutator != row->oid)
      fail(ErrorCode::kWrongObjectType, "operator " + shown + " is not commutative", -1, "Only commutative operators can be used in exclusion constraints.");
    if (const OpclassRow* oc = view().opclass(key.opclass); oc != nullptr && oc->family < oid::kFirstUserOid) {
      bool member = false;
      for (const auto& f : builtin::rows("pg_amop")) member |= std::stoul(f[1]) == oc->family && std::stoul(f[6]) == op;
      std::string family = oc->name;
      for (const auto& f : builtin::rows("pg_opfamily"))
        if (std::stoul(f[0]) == oc->family) family = f[1];
      if (!member)
        fail(ErrorCode::kWrongObjectType, "operator " + shown + " is not a member of operator family \"" + family + "\"", -1,
             "The exclusion operator must be related to the index operator class for the constraint.");
    }
    k.equality_operators.push_back(op);
    info.keys.push_back(std::move(key));
  }
  for (const Node* n : PG_LIST(c, including)) {
    const Column* col = r->column(pg::str(n));
    if (col == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + std::string(pg::str(n)) + "\" named in key does not exist", c->location);
    info.included.push_back(col->number);
    names.emplace_back(col->name);
  }
  if (c->where_clause != nullptr) info.predicate_sql = stored_sql(bind_expression(c->where_clause, r.get(), ExprContext::kIndexPredicate, b), r.get());
  k.oid = catalog().allocate_oid();
  k.name = constraint_name(*r, c, "excl", names);
  if (name_used(r->schema, k.name)) fail(ErrorCode::kDuplicateTable, "relation \"" + k.name + "\" already exists");
  put(std::make_shared<Relation>(*r));
  auto index = make_index(*r, k.name, info);
  k.index = index->oid;
  if (existing_rows && (info.method == "btree" || info.method == "hash")) build(*index);
  r->constraints.push_back(k);
  put(std::make_shared<Relation>(*r));
  if (existing_rows) {
    host.next_command();
    validate_exclusion(state()->relation(r->oid), k, host.exec());
  }
  const ObjectAddress self{ObjectKind::kConstraint, k.oid, 0};
  depend(self, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto);
  for (int16_t n : k.columns)
    if (n != 0) depend(self, {ObjectKind::kRelation, r->oid, n}, DependencyKind::kAuto);
  for (Oid op : k.equality_operators) depend(self, {ObjectKind::kOperator, op, 0});
  changes().add_dependency({{ObjectKind::kRelation, index->oid, 0}, self, DependencyKind::kInternal});
}

}  // namespace stele::sql

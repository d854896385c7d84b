// INSERT, UPDATE, DELETE and MERGE.
#include "sql/binder/binder.h"

namespace stele::sql {
namespace {
const char* relkind_phrase(char k) {
  switch (k) {
    case 'S': return "sequences";
    case 'i': case 'I': return "indexes";
    case 'c': return "composite types";
    case 'm': return "materialized views";
    default: return "this relation";
  }
}
}  // namespace

void Binder::set_target(Scope& s, Query& q, const pg::RangeVar* rv, bool in_from, uint32_t privileges, std::string_view verb) {
  auto r = open_relation(rv, false);
  if (r->relkind == 'i' || r->relkind == 'I' || r->relkind == 'c')
    fail(ErrorCode::kWrongObjectType, "cannot open relation \"" + r->name + "\"", rv->location,
         std::string("This operation is not supported for ") + relkind_phrase(r->relkind) + ".");
  if (r->relkind == 'S') fail(ErrorCode::kWrongObjectType, "cannot change sequence \"" + r->name + "\"");
  if (r->relkind == 'm') fail(ErrorCode::kWrongObjectType, "cannot change materialized view \"" + r->name + "\"");
  (void)verb;
  s.target_relation = r;
  s.target = add_relation(s, *r, storage::LockMode::kRowExclusive, rv->alias, rv->inh, in_from);
  s.target->rte->required_privileges = privileges;
  q.result_relation = s.target->index;
}

void Binder::insert_columns(Scope& s, std::span<Node* const> cols, std::vector<int16_t>& attnos, std::vector<const pg::ResTarget*>& targets) {
  if (cols.empty()) {
    for (const catalog::Column& c : s.target_relation->columns) {
      if (c.dropped) continue;
      attnos.push_back(c.number);
      targets.push_back(nullptr);
    }
    return;
  }
  std::vector<bool> whole(s.target_relation->columns.size() + 1, false), partial(s.target_relation->columns.size() + 1, false);
  for (const Node* n : cols) {
    const pg::ResTarget* t = n->res_target;
    const catalog::Column* c = s.target_relation->column(std::string_view(t->name));
    if (c == nullptr) {
      for (const char* sys : {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
        if (std::string_view(t->name) == sys) fail(ErrorCode::kFeatureNotSupported, std::string("cannot assign to system column \"") + t->name + "\"", t->location);
      fail(ErrorCode::kUndefinedColumn, std::string("column \"") + t->name + "\" of relation \"" + s.target_relation->name + "\" does not exist", t->location);
    }
    if (t->n_indirection == 0) {
      if (whole[c->number] || partial[c->number])
        fail(ErrorCode::kDuplicateColumn, std::string("column \"") + t->name + "\" specified more than once", t->location);
      whole[c->number] = true;
    } else {
      if (whole[c->number]) fail(ErrorCode::kDuplicateColumn, std::string("column \"") + t->name + "\" specified more than once", t->location);
      partial[c->number] = true;
    }
    attnos.push_back(c->number);
    targets.push_back(t);
  }
}

// An assignment to a part of a column that `prior` changes already starts from that change.
static ExprPtr on_top_of(const ExprPtr& later, const ExprPtr& prior) {
  if (later->kind == ExprKind::kCoerceToDomain && prior->kind == ExprKind::kCoerceToDomain) {
    auto both = std::static_pointer_cast<UnaryExpr>(copy_expr(*later));
    both->arg = on_top_of(as<UnaryExpr>(later).arg, as<UnaryExpr>(prior).arg);
    return both;
  }
  const ExprPtr base = later->kind == ExprKind::kSubscript ? as<SubscriptExpr>(later).container : later->kind == ExprKind::kFieldStore ? as<FieldStoreExpr>(later).arg : nullptr;
  if (base == nullptr) return later;
  return rewrite(later, [&](const ExprPtr& e, int) { return e == base ? prior : nullptr; });
}

ExprPtr Binder::assign_indirection(Scope& s, ExprPtr base, const std::string& name, bool subscripting, Oid type, int32_t typmod, Oid collation,
                                   std::span<Node* const> indirection, size_t at, ExprPtr rhs, CoerceContext cc, int location) {
  if (at < indirection.size() && base == nullptr) {
    auto placeholder = make<CaseTestExpr>();
    placeholder->type = type;
    placeholder->typmod = typmod;
    placeholder->collation = collation;
    base = placeholder;
  }
  std::vector<Node*> subs;
  size_t i = at;
  while (i < indirection.size() && indirection[i]->node_case == pg::kAIndices) subs.push_back(indirection[i++]);
  if (!subs.empty()) {
    int32_t base_typmod = typmod;
    Oid container = cat.base_type(type, &base_typmod);
    ExprPtr probe = subscripts(s, base, type, typmod, subs, nullptr, false);
    const auto& p = as<SubscriptExpr>(probe);
    Oid element = p.slice ? container : p.element_type;
    Oid element_collation = cat.type(container).collation;
    ExprPtr inner;
    if (i < indirection.size()) {
      inner = probe;
    }
    ExprPtr value = assign_indirection(s, i < indirection.size() ? inner : nullptr, name, true, element, base_typmod, element_collation, indirection, i, rhs, cc, location);
    ExprPtr result = subscripts(s, base, type, typmod, subs, value, true);
    if (container != type) {
      Oid result_type = result->type;
      result = coerce_to_target(result, result_type, type, typmod, cc, FuncFormat::kImplicitCast, -1);
    }
    return result;
  }
  if (at < indirection.size()) {
    const Node* n = indirection[at];
    if (n->node_case == pg::kAStar) fail(ErrorCode::kFeatureNotSupported, "row expansion via \"*\" is not supported here", location);
    std::string field(pg::str(n));
    int32_t base_typmod = typmod;
    Oid base_type = cat.base_type(type, &base_typmod);
    Oid relation_oid = cat.type_relation(base_type);
    if (relation_oid == 0)
      fail(ErrorCode::kDatatypeMismatch,
           "cannot assign to field \"" + field + "\" of column \"" + name + "\" because its type " + cat.format_type(type) + " is not a composite type", location);
    auto r = cat.relation(relation_oid);
    const catalog::Column* c = r->column(field);
    if (c == nullptr)
      fail(ErrorCode::kUndefinedColumn,
           "cannot assign to field \"" + field + "\" of column \"" + name + "\" because there is no such column in data type " + cat.format_type(type), location);
    ExprPtr inner;
    if (at + 1 < indirection.size()) {
      auto f = make<FieldSelectExpr>();
      f->arg = base;
      f->field = c->number;
      f->type = c->type;
      f->typmod = c->typmod;
      f->collation = c->collation;
      inner = f;
    }
    ExprPtr value = assign_indirection(s, inner, field, false, c->type, c->typmod, c->collation, indirection, at + 1, rhs, cc, location);
    auto store = make<FieldStoreExpr>();
    store->arg = base;
    store->fields.emplace_back(c->number, value);
    store->type = base_type;
    store->typmod = -1;
    ExprPtr result = store;
    if (base_type != type) result = coerce_to_domain(result, base_type, base_typmod, type, CoerceContext::kImplicit, FuncFormat::kImplicitCast, location, false);
    return result;
  }
  ExprPtr r = coerce_to_target(rhs, rhs->type, type, typmod, cc, FuncFormat::kImplicitCast, -1);
  if (r == nullptr) {
    if (subscripting)
      fail(ErrorCode::kDatatypeMismatch,
           "subscripted assignment to \"" + name + "\" requires type " + cat.format_type(type) + " but expression is of type " + cat.format_type(rhs->type), location, {},
           "You will need to rewrite or cast the expression.");
    fail(ErrorCode::kDatatypeMismatch,
         "subfield \"" + name + "\" is of type " + cat.format_type(type) + " but expression is of type " + cat.format_type(rhs->type), location, {},
         "You will need to rewrite or cast the expression.");
  }
  return r;
}

ExprPtr Binder::assigned(Scope& s, ExprPtr e, ExprContext kind, const std::string& column, int16_t attno, std::span<Node* const> indirection, int location) {
  ExprContext saved = s.kind;
  s.kind = kind;
  if (attno <= 0) fail(ErrorCode::kFeatureNotSupported, "cannot assign to system column \"" + column + "\"", location);
  const catalog::Column* c = s.target_relation->column(attno);
  if (e->kind == ExprKind::kSetToDefault) {
    auto d = make<SetToDefaultExpr>(as<SetToDefaultExpr>(e));
    d->type = c->type;
    d->typmod = c->typmod;
    d->collation = c->collation;
    e = d;
    if (!indirection.empty()) {
      if (indirection[0]->node_case == pg::kAIndices) fail(ErrorCode::kFeatureNotSupported, "cannot set an array element to DEFAULT", location);
      fail(ErrorCode::kFeatureNotSupported, "cannot set a subfield to DEFAULT", location);
    }
    s.kind = saved;
    return e;
  }
  if (!indirection.empty()) {
    ExprPtr base;
    if (s.is_insert) {
      base = make_null(c->type, c->typmod);
    } else {
      base = column_var(s, s.target, static_cast<size_t>(attno - 1), 0, location);
    }
    // Repeated assignments to one column nest in the rewriting of the target list.
    e = assign_indirection(s, base, column, false, c->type, c->typmod, c->collation, indirection, 0, e, CoerceContext::kAssignment, location);
  } else {
    ExprPtr r = coerce_to_target(e, e->type, c->type, c->typmod, CoerceContext::kAssignment, FuncFormat::kImplicitCast, -1);
    if (r == nullptr)
      fail(ErrorCode::kDatatypeMismatch,
           "column \"" + column + "\" is of type " + cat.format_type(c->type) + " but expression is of type " + cat.format_type(e->type), expr_location(e), {},
           "You will need to rewrite or cast the expression.");
    e = r;
  }
  s.kind = saved;
  return e;
}

std::vector<ExprPtr> Binder::insert_row(Scope& s, std::vector<ExprPtr> exprs, std::span<Node* const> stmtcols, const std::vector<pg::ResTarget*>& cols,
                                        const std::vector<int16_t>& attnos, bool) {
  if (exprs.size() > attnos.size())
    fail(ErrorCode::kSyntaxError, "INSERT has more expressions than target columns", expr_location(exprs[attnos.size()]));
  if (!stmtcols.empty() && exprs.size() < attnos.size()) {
    std::string hint;
    if (exprs.size() == 1 && exprs[0]->kind == ExprKind::kRow && as<ListExpr>(exprs[0]).args.size() == attnos.size())
      hint = "The insertion source is a row expression containing the same number of columns expected by the INSERT. Did you accidentally use extra parentheses?";
    fail(ErrorCode::kSyntaxError, "INSERT has more target columns than expressions", cols[exprs.size()]->location, {}, hint);
  }
  std::vector<ExprPtr> out;
  for (size_t i = 0; i < exprs.size(); ++i) {
    const pg::ResTarget* t = cols[i];
    out.push_back(assigned(s, exprs[i], ExprContext::kInsertTarget, s.target_relation->column(attnos[i])->name, attnos[i],
                           t != nullptr ? PG_LIST(t, indirection) : std::span<Node* const>{}, t != nullptr ? t->location : expr_location(exprs[i])));
  }
  return out;
}

std::shared_ptr<Query> Binder::insert(Scope& s, const pg::InsertStmt* n) {
  auto q = std::make_shared<Query>();
  q->command = CommandKind::kInsert;
  s.query = q.get();
  s.is_insert = true;
  if (n->with_clause != nullptr) {
    q->recursive = n->with_clause->recursive;
    with_clause(s, n->with_clause);
  }
  q->overriding_system = n->override == pg::OVERRIDING_SYSTEM_VALUE;
  q->overriding_user = n->override == pg::OVERRIDING_USER_VALUE;
  bool update = n->on_conflict_clause != nullptr && n->on_conflict_clause->action == pg::ONCONFLICT_UPDATE;
  const pg::SelectStmt* sel = n->select_stmt != nullptr ? n->select_stmt->select_stmt : nullptr;
  bool general = sel != nullptr && (sel->n_values_lists == 0 || sel->n_sort_clause > 0 || sel->limit_offset != nullptr || sel->limit_count != nullptr ||
                                    sel->n_locking_clause > 0 || sel->with_clause != nullptr);
  // INSERT ... SELECT must not see the target; its relations come first in the parser, too.
  std::vector<CtePtr> ctes = s.ctes;
  set_target(s, *q, n->relation, false, catalog::kInsert | (update ? catalog::kUpdate : 0u), "INSERT");
  std::vector<int16_t> attnos;
  std::vector<const pg::ResTarget*> const_targets;
  insert_columns(s, PG_LIST(n, cols), attnos, const_targets);
  std::vector<pg::ResTarget*> targets;
  for (auto* t : const_targets) targets.push_back(const_cast<pg::ResTarget*>(t));
  auto stmtcols = PG_LIST(n, cols);
  std::vector<ExprPtr> row;
  if (sel == nullptr) {
    // DEFAULT VALUES
  } else if (general) {
    Scope sub;
    sub.parent = &s;
    sub.resolve_unknowns = false;
    std::shared_ptr<Query> source;
    Node wrap = *n->select_stmt;
    {
      std::vector<NsPtr> saved = s.ns;
      s.ns.clear();
      source = statement(&wrap, &s, nullptr, false, false);
      s.ns = saved;
    }
    NsPtr item = add_subquery(s, source, nullptr, false, false);
    item->rte->alias = "*SELECT*";
    item->name = "*SELECT*";
    size_t k = 0;
    for (TargetEntry& t : std::const_pointer_cast<Query>(item->rte->subquery)->targets) {
      if (t.junk) continue;
      if (t.expr->type == oid::kUnknown && (t.expr->kind == ExprKind::kConst || t.expr->kind == ExprKind::kParam)) {
        row.push_back(t.expr);
      } else {
        auto v = make<VarExpr>();
        v->relation = item->index;
        v->column = static_cast<int16_t>(k + 1);
        v->type = t.expr->type;
        v->typmod = t.expr->typmod;
        v->collation = t.expr->collation;
        v->location = expr_location(t.expr);
        row.push_back(v);
      }
      ++k;
    }
    row = insert_row(s, row, stmtcols, targets, attnos, false);
    // Unknown literals were taken out of the subquery; give them a type there.
    for (TargetEntry& t : std::const_pointer_cast<Query>(item->rte->subquery)->targets)
      if (t.expr->type == oid::kUnknown && t.expr->kind == ExprKind::kConst)
        t.expr = coerce(t.expr, oid::kUnknown, oid::kText, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1);
    for (size_t i = 0; i < item->rte->column_types.size(); ++i)
      if (item->rte->column_types[i] == oid::kUnknown) item->rte->column_types[i] = oid::kText;
    auto leaf = std::make_shared<FromItem>();
    leaf->relation = item->index;
    q->from.push_back(leaf);
  } else if (sel->n_values_lists > 1) {
    auto rte = std::make_shared<RangeTableEntry>();
    rte->kind = RteKind::kValues;
    rte->alias = "*VALUES*";
    rte->required_privileges = 0;
    size_t width = 0;
    bool first = true;
    for (const Node* r : PG_LIST(sel, values_lists)) {
      std::vector<ExprPtr> exprs = expression_list(s, PG_LIST(r->list, items), ExprContext::kValues, true);
      if (first) width = exprs.size();
      else if (exprs.size() != width)
        fail(ErrorCode::kSyntaxError, "VALUES lists must all be the same length", exprs.empty() ? -1 : expr_location(exprs[0]));
      first = false;
      exprs = insert_row(s, exprs, stmtcols, targets, attnos, false);
      assign_list_collations(exprs);
      rte->values.push_back(std::move(exprs));
    }
    for (size_t c = 0; c < width; ++c) {
      const ExprPtr& e = rte->values[0][c];
      rte->column_aliases.push_back("column" + std::to_string(c + 1));
      rte->column_types.push_back(e->type);
      rte->column_typmods.push_back(e->typmod);
      rte->column_collations.push_back(e->collation);
    }
    NsPtr item = add_rte(s, rte);
    for (size_t c = 0; c < width; ++c) row.push_back(column_var(s, item, c, 0, expr_location(rte->values[0][c])));
    auto leaf = std::make_shared<FromItem>();
    leaf->relation = item->index;
    q->from.push_back(leaf);
  } else {
    std::vector<ExprPtr> exprs = expression_list(s, PG_LIST(sel->values_lists[0]->list, items), ExprContext::kValuesSingle, true);
    row = insert_row(s, exprs, stmtcols, targets, attnos, false);
  }
  for (size_t i = 0; i < row.size(); ++i) {
    TargetEntry t = make_target(s, row[i], s.target_relation->column(attnos[i])->name);
    t.column = attnos[i];
    // col[1], col[2] of one column merge into nested assignments.
    if (targets[i] != nullptr && targets[i]->n_indirection > 0) {
      bool merged = false;
      for (TargetEntry& prior : q->targets)
        if (prior.column == t.column) {
          prior.expr = on_top_of(t.expr, prior.expr);
          merged = true;
        }
      if (merged) continue;
    }
    q->targets.push_back(std::move(t));
    auto& ins = s.target->rte->inserted_columns;
    ins.push_back(attnos[i]);
  }
  s.ns.clear();
  if (n->on_conflict_clause != nullptr || n->n_returning_list > 0) add_to_namespace(s, s.target, true, true);
  if (n->on_conflict_clause != nullptr) on_conflict(s, *q, n->on_conflict_clause);
  if (n->n_returning_list > 0) {
    s.ns.clear();
    add_to_namespace(s, s.target, true, true);
    q->returning = returning(s, PG_LIST(n, returning_list));
  }
  finish(s, *q);
  q = rewrite_target_view(q);
  if (ctx.user != 0) apply_target_policies(*q);
  q->dependencies = dependencies;
  return q;
}

void Binder::on_conflict(Scope& s, Query& q, const pg::OnConflictClause* c) {
  OnConflict oc;
  oc.do_update = c->action == pg::ONCONFLICT_UPDATE;
  const pg::InferClause* infer = c->infer;
  if (oc.do_update && infer == nullptr)
    fail(ErrorCode::kSyntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name", c->location, {},
         "For example, ON CONFLICT (column_name).");
  const catalog::Relation& r = *s.target_relation;
  if (infer != nullptr) {
    if (pg::has(infer->conname)) {
      for (const catalog::Constraint& k : r.constraints)
        if (k.name == infer->conname) oc.constraint = k.oid;
      if (oc.constraint == 0)
        fail(ErrorCode::kUndefinedObject, std::string("constraint \"") + infer->conname + "\" for table \"" + r.name + "\" does not exist");
      for (const catalog::Constraint& k : r.constraints)
        if (k.oid == oc.constraint) {
          if (k.index == 0 || k.kind == catalog::ConstraintKind::kForeignKey)
            fail(ErrorCode::kWrongObjectType, "constraint in ON CONFLICT clause has no associated index");
          if (k.deferrable)
            fail(ErrorCode::kObjectNotInPrerequisiteState, "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters");
          if (k.kind == catalog::ConstraintKind::kExclusion && oc.do_update)
            fail(ErrorCode::kWrongObjectType, "ON CONFLICT DO UPDATE not supported with exclusion constraints");
          oc.arbiter_indexes = {k.index};
        }
    } else {
      for (const Node* n : PG_LIST(infer, index_elems)) {
        const pg::IndexElem* e = n->index_elem;
        if (e->ordering != pg::SORTBY_DEFAULT && e->ordering != 0)
          fail(ErrorCode::kInvalidColumnReference, "ASC/DESC is not allowed in ON CONFLICT clause", infer->location);
        if (e->nulls_ordering != pg::SORTBY_NULLS_DEFAULT && e->nulls_ordering != 0)
          fail(ErrorCode::kInvalidColumnReference, "NULLS FIRST/LAST is not allowed in ON CONFLICT clause", infer->location);
        ExprPtr x;
        if (pg::has(e->name)) {
          x = scan_columns(s, s.target, 0, e->name, infer->location, false);
          if (x == nullptr) fail(ErrorCode::kUndefinedColumn, std::string("column \"") + e->name + "\" does not exist", infer->location);
        } else {
          x = expr(s, e->expr, ExprContext::kIndexExpression);
        }
        assign_collations(x);
        oc.arbiter_elements.push_back(x);
      }
      oc.arbiter_where = where_clause(s, infer->where_clause, ExprContext::kIndexPredicate, "WHERE");
      if (oc.arbiter_where != nullptr) assign_collations(oc.arbiter_where);
      // The unique indexes over exactly these columns and expressions.
      for (Oid index_oid : r.indexes) {
        auto index = cat.relation(index_oid);
        if (index == nullptr || !index->index || !index->index->unique || !index->index->valid) continue;
        const catalog::IndexInfo& info = *index->index;
        bool ok = true, used[64] = {};
        for (const catalog::IndexColumn& k : info.keys) {
          bool found = false;
          ExprPtr key;
          if (k.column == 0) {
            ParsedExpression p = parse_expression(k.expression_sql);
            BindContext inner = ctx;
            inner.text = k.expression_sql;
            inner.params = nullptr;
            key = bind_expression(p.node, &r, ExprContext::kIndexExpression, inner);
          }
          for (size_t i = 0; i < oc.arbiter_elements.size() && i < 64; ++i) {
            const ExprPtr& a = oc.arbiter_elements[i];
            bool same = k.column != 0 ? a->kind == ExprKind::kVar && as<VarExpr>(a).column == k.column
                                      : equal(offset_relations(key, s.target->index - 1), a);
            if (same) found = used[i] = true;
          }
          ok = ok && found;
        }
        for (size_t i = 0; i < oc.arbiter_elements.size() && i < 64; ++i) ok = ok && used[i];
        if (!ok) continue;
        if (!info.immediate) {
          fail(ErrorCode::kObjectNotInPrerequisiteState, "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters");
        }
        if (!info.predicate_sql.empty()) {
          // A partial index serves when the clause states its predicate.
          if (oc.arbiter_where == nullptr) continue;
          ParsedExpression p = parse_expression(info.predicate_sql);
          BindContext inner = ctx;
          inner.text = info.predicate_sql;
          inner.params = nullptr;
          ExprPtr pred = offset_relations(bind_expression(p.node, &r, ExprContext::kIndexPredicate, inner), s.target->index - 1);
          bool implied = equal(pred, oc.arbiter_where);
          if (!implied && oc.arbiter_where->kind == ExprKind::kBool && as<BoolExpr>(oc.arbiter_where).op == BoolOp::kAnd)
            for (const ExprPtr& part : as<BoolExpr>(oc.arbiter_where).args) implied = implied || equal(pred, part);
          if (!implied) continue;
        }
        oc.arbiter_indexes.push_back(index_oid);
      }
      if (oc.arbiter_indexes.empty() && r.relkind != 'v')
        fail(ErrorCode::kInvalidColumnReference, "there is no unique or exclusion constraint matching the ON CONFLICT specification");
    }
  }
  if (oc.do_update) {
    s.is_insert = false;
    auto excluded = std::make_shared<RangeTableEntry>(*s.target->rte);
    excluded->alias = "excluded";
    excluded->has_alias = true;
    excluded->relkind = 'c';
    excluded->required_privileges = 0;
    excluded->inserted_columns.clear();
    excluded->in_from_clause = false;
    for (size_t i = 0; i < r.columns.size(); ++i)
      if (!r.columns[i].dropped) excluded->column_aliases[i] = r.columns[i].name;
    NsPtr item = add_rte(s, excluded);
    oc.excluded_relation = item->index;
    s.ns.clear();
    add_to_namespace(s, s.target, true, true);
    add_to_namespace(s, item, true, true);
    oc.set = update_targets(s, PG_LIST(c, target_list));
    oc.where = where_clause(s, c->where_clause, ExprContext::kWhere, "WHERE");
    s.is_insert = true;
  }
  q.on_conflict = std::move(oc);
}

std::vector<TargetEntry> Binder::update_targets(Scope& s, std::span<Node* const> list) {
  std::vector<TargetEntry> out;
  struct Multi { const Node* source; std::vector<ExprPtr> values; };
  std::vector<Multi> multis;
  int saved = s.next_resno;
  s.next_resno = 1;
  for (const Node* n : list) {
    const pg::ResTarget* t = n->res_target;
    const catalog::Column* c = s.target_relation->column(std::string_view(t->name));
    if (c == nullptr) {
      for (const char* sys : {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
        if (std::string_view(t->name) == sys) fail(ErrorCode::kFeatureNotSupported, std::string("cannot assign to system column \"") + t->name + "\"", t->location);
    }
    ExprPtr value;
    if (t->val->node_case == pg::kMultiAssignRef) {
      const pg::MultiAssignRef* m = t->val->multi_assign_ref;
      // The source is parsed once, at its first column.
      if (m->colno == 1) {
        Multi multi{m->source, {}};
        const Node* source = m->source;
        if (pg::is(source, pg::kRowExpr)) {
          for (const Node* x : PG_LIST(source->row_expr, args)) {
            if (x->node_case == pg::kSetToDefault) {
              auto d = make<SetToDefaultExpr>();
              d->type = oid::kUnknown;
              multi.values.push_back(d);
            } else {
              multi.values.push_back(expr(s, x, ExprContext::kUpdateSource));
            }
          }
          if (static_cast<int>(multi.values.size()) != m->ncolumns)
            fail(ErrorCode::kSyntaxError, "number of columns does not match number of values", source->row_expr->location);
        } else if (pg::is(source, pg::kSubLink) && source->sub_link->sub_link_type == pg::EXPR_SUBLINK) {
          ExprContext kind = s.kind;
          s.kind = ExprContext::kUpdateSource;
          auto sub = statement(source->sub_link->subselect, &s);
          s.kind = kind;
          s.has_sublinks = true;
          auto link = make<SubLinkExpr>();
          link->link = SubLinkKind::kMultiExpr;
          link->subquery = sub;
          link->multi_id = s.next_multi++;
          link->type = oid::kRecord;
          link->location = source->sub_link->location;
          int k = 0;
          for (const TargetEntry& x : sub->targets) {
            if (x.junk) continue;
            auto p = make<ParamExpr>();
            p->param_kind = ParamKind::kExec;
            p->id = link->multi_id << 16 | ++k;
            p->type = x.expr->type;
            p->typmod = x.expr->typmod;
            p->collation = x.expr->collation;
            p->location = source->sub_link->location;
            multi.values.push_back(p);
          }
          if (k != m->ncolumns) fail(ErrorCode::kSyntaxError, "number of columns does not match number of values", source->sub_link->location);
          TargetEntry junk;
          junk.expr = link;
          junk.junk = true;
          out.push_back(junk);
        } else {
          fail(ErrorCode::kFeatureNotSupported, "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
               expr_location(expr(s, source, ExprContext::kUpdateSource)));
        }
        multis.push_back(std::move(multi));
      }
      value = multis.back().values[static_cast<size_t>(m->colno) - 1];
    } else if (t->val->node_case == pg::kSetToDefault) {
      auto d = make<SetToDefaultExpr>();
      d->type = oid::kUnknown;
      value = d;
    } else {
      value = expr(s, t->val, ExprContext::kUpdateSource);
    }
    if (c == nullptr)
      fail(ErrorCode::kUndefinedColumn, std::string("column \"") + t->name + "\" of relation \"" + s.target_relation->name + "\" does not exist", t->location,
           {}, t->n_indirection > 0 && s.target->name == t->name ? "SET target columns cannot be qualified with the relation name." : "");
    auto indirection = PG_LIST(t, indirection);
    TargetEntry entry;
    entry.expr = assigned(s, value, ExprContext::kUpdateTarget, t->name, c->number, indirection, t->location);
    entry.name = t->name;
    entry.column = c->number;
    bool merged = false;
    for (TargetEntry& prior : out) {
      if (prior.junk || prior.column != entry.column) continue;
      bool nested = !indirection.empty() && (prior.expr->kind == ExprKind::kSubscript || prior.expr->kind == ExprKind::kFieldStore || prior.expr->kind == ExprKind::kCoerceToDomain);
      if (!nested) fail(ErrorCode::kSyntaxError, "multiple assignments to same column \"" + entry.name + "\"");
      prior.expr = on_top_of(entry.expr, prior.expr);
      merged = true;
    }
    auto& upd = s.target->rte->updated_columns;
    if (std::find(upd.begin(), upd.end(), c->number) == upd.end()) upd.push_back(c->number);
    if (merged) continue;
    entry.resno = s.next_resno++;
    out.push_back(std::move(entry));
  }
  for (TargetEntry& t : out)
    if (t.junk) t.resno = s.next_resno++;
  s.next_resno = saved;
  return out;
}

std::vector<TargetEntry> Binder::returning(Scope& s, std::span<Node* const> list) {
  if (list.empty()) return {};
  int saved = s.next_resno;
  s.next_resno = 1;
  auto out = target_list(s, list, ExprContext::kReturning);
  if (out.empty()) fail(ErrorCode::kSyntaxError, "RETURNING must have at least one column", -1);
  mark_origins(s, out);
  resolve_unknown_targets(out);
  s.next_resno = saved;
  return out;
}

std::shared_ptr<Query> Binder::update(Scope& s, const pg::UpdateStmt* n) {
  auto q = std::make_shared<Query>();
  q->command = CommandKind::kUpdate;
  s.query = q.get();
  if (n->with_clause != nullptr) {
    q->recursive = n->with_clause->recursive;
    with_clause(s, n->with_clause);
  }
  set_target(s, *q, n->relation, true, catalog::kUpdate, "UPDATE");
  auto leaf = std::make_shared<FromItem>();
  leaf->relation = q->result_relation;
  q->from.push_back(leaf);
  // FROM items may not refer to the target laterally, yet conflicts of names are found.
  s.target->lateral_only = true;
  s.target->lateral_ok = false;
  s.ns.push_back(s.target);
  from_clause(s, *q, PG_LIST(n, from_clause));
  q->targets = {};
  q->where = where_clause(s, n->where_clause, ExprContext::kWhere, "WHERE");
  q->returning = returning(s, PG_LIST(n, returning_list));
  q->targets = update_targets(s, PG_LIST(n, target_list));
  finish(s, *q);
  q = rewrite_target_view(q);
  if (ctx.user != 0) apply_target_policies(*q);
  q->dependencies = dependencies;
  return q;
}

std::shared_ptr<Query> Binder::erase(Scope& s, const pg::DeleteStmt* n) {
  auto q = std::make_shared<Query>();
  q->command = CommandKind::kDelete;
  s.query = q.get();
  if (n->with_clause != nullptr) {
    q->recursive = n->with_clause->recursive;
    with_clause(s, n->with_clause);
  }
  set_target(s, *q, n->relation, true, catalog::kDelete, "DELETE");
  auto leaf = std::make_shared<FromItem>();
  leaf->relation = q->result_relation;
  q->from.push_back(leaf);
  s.target->lateral_only = true;
  s.target->lateral_ok = false;
  s.ns.push_back(s.target);
  from_clause(s, *q, PG_LIST(n, using_clause));
  q->where = where_clause(s, n->where_clause, ExprContext::kWhere, "WHERE");
  q->returning = returning(s, PG_LIST(n, returning_list));
  finish(s, *q);
  q = rewrite_target_view(q);
  if (ctx.user != 0) apply_target_policies(*q);
  q->dependencies = dependencies;
  return q;
}

std::shared_ptr<Query> Binder::merge(Scope& s, const pg::MergeStmt* n) {
  auto q = std::make_shared<Query>();
  q->command = CommandKind::kMerge;
  s.query = q.get();
  if (n->with_clause != nullptr) {
    if (n->with_clause->recursive) fail(ErrorCode::kSyntaxError, "WITH RECURSIVE is not supported for MERGE statement");
    with_clause(s, n->with_clause);
    if (s.has_modifying_cte) fail(ErrorCode::kFeatureNotSupported, "MERGE not supported in WITH query");
  }
  bool terminal[2] = {false, false};
  uint32_t privileges = catalog::kSelect;
  for (const Node* w : PG_LIST(n, merge_when_clauses)) {
    const pg::MergeWhenClause* c = w->merge_when_clause;
    int k = c->matched ? 1 : 0;
    if (terminal[k]) fail(ErrorCode::kSyntaxError, "unreachable WHEN clause specified after unconditional WHEN clause");
    if (c->condition == nullptr) terminal[k] = true;
    if (c->command_type == pg::CMD_INSERT) privileges |= catalog::kInsert;
    if (c->command_type == pg::CMD_UPDATE) privileges |= catalog::kUpdate;
    if (c->command_type == pg::CMD_DELETE) privileges |= catalog::kDelete;
  }
  set_target(s, *q, n->relation, false, privileges, "MERGE");
  if (s.target_relation->relkind == 'v')
    fail(ErrorCode::kWrongObjectType, "cannot execute MERGE on relation \"" + s.target_relation->name + "\"", -1, "This operation is not supported for views.");
  NsPtr target = s.target;
  // The source sees neither the target nor its columns.
  NsPtr top;
  std::vector<NsPtr> source_ns;
  FromPtr source = from_item(s, n->source_relation, &top, &source_ns);
  check_namespace_conflicts({target}, source_ns);
  auto target_leaf = std::make_shared<FromItem>();
  target_leaf->relation = target->index;
  target->rel_visible = target->cols_visible = true;
  s.ns = source_ns;
  s.ns.insert(s.ns.begin(), target);
  for (NsPtr& x : s.ns) {
    x->lateral_only = false;
    x->lateral_ok = true;
  }
  q->where = nullptr;
  // A join of the source with the target: outer when unmatched rows matter.
  bool outer = false;
  for (const Node* w : PG_LIST(n, merge_when_clauses)) outer = outer || !w->merge_when_clause->matched;
  ExprPtr condition = where_clause(s, n->join_condition, ExprContext::kJoinOn, "MERGE");
  auto rte = std::make_shared<RangeTableEntry>();
  rte->kind = RteKind::kJoin;
  rte->alias = "unnamed_join";
  rte->join_kind = outer ? JoinKind::kLeft : JoinKind::kInner;
  rte->required_privileges = 0;
  NsPtr join_item = add_rte(s, rte);
  auto join = std::make_shared<FromItem>();
  join->is_join = true;
  join->join = rte->join_kind;
  join->left = source;
  join->right = target_leaf;
  join->condition = condition;
  join->relation = join_item->index;
  q->from.push_back(join);
  std::vector<NsPtr> all = s.ns;
  for (const Node* w : PG_LIST(n, merge_when_clauses)) {
    const pg::MergeWhenClause* c = w->merge_when_clause;
    MergeAction a;
    a.matched = c->matched;
    // A row that does not match has no target columns to speak of.
    s.ns = c->matched ? all : source_ns;
    a.condition = where_clause(s, c->condition, ExprContext::kMergeWhen, "WHEN");
    switch (c->command_type) {
      case pg::CMD_INSERT: {
        a.command = CommandKind::kInsert;
        s.is_insert = true;
        std::vector<int16_t> attnos;
        std::vector<const pg::ResTarget*> targets;
        insert_columns(s, PG_LIST(c, target_list), attnos, targets);
        if (c->n_values > 0) {
          std::vector<ExprPtr> exprs = expression_list(s, PG_LIST(c, values), ExprContext::kValuesSingle, true);
          std::vector<pg::ResTarget*> mutable_targets;
          for (auto* t : targets) mutable_targets.push_back(const_cast<pg::ResTarget*>(t));
          exprs = insert_row(s, exprs, PG_LIST(c, target_list), mutable_targets, attnos, false);
          for (size_t i = 0; i < exprs.size(); ++i) {
            TargetEntry t;
            t.expr = exprs[i];
            t.name = s.target_relation->column(attnos[i])->name;
            t.resno = static_cast<int>(i) + 1;
            t.column = attnos[i];
            a.targets.push_back(t);
            target->rte->inserted_columns.push_back(attnos[i]);
          }
        }
        s.is_insert = false;
        break;
      }
      case pg::CMD_UPDATE:
        a.command = CommandKind::kUpdate;
        a.targets = update_targets(s, PG_LIST(c, target_list));
        break;
      case pg::CMD_DELETE: a.command = CommandKind::kDelete; break;
      default: a.command = CommandKind::kSelect; break;
    }
    q->overriding_system = q->overriding_system || c->override == pg::OVERRIDING_SYSTEM_VALUE;
    q->merge_actions.push_back(std::move(a));
  }
  finish(s, *q);
  q = rewrite_target_view(q);
  if (ctx.user != 0) apply_target_policies(*q);
  q->dependencies = dependencies;
  return q;
}

}  // namespace stele::sql

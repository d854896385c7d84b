// Subscripts and fields: a[1:2].f, and the columns of a row value.
#include "sql/binder/binder.h"
#include "types/type_io.h"

namespace stele::sql {

ExprPtr Binder::indirection(Scope& s, const pg::AIndirection* a) {
  ExprPtr last = s.last_srf;
  ExprPtr e = expr_in(s, a->arg);
  std::vector<Node*> subs;
  int location = expr_location(e);
  auto flush = [&] {
    if (subs.empty()) return;
    e = subscripts(s, e, e->type, e->typmod, subs, nullptr, false);
    subs.clear();
  };
  for (Node* n : PG_LIST(a, indirection)) {
    if (n->node_case == pg::kAIndices) {
      subs.push_back(n);
      continue;
    }
    flush();
    if (n->node_case == pg::kAStar) fail(ErrorCode::kFeatureNotSupported, "row expansion via \"*\" is not supported here", location);
    std::string field(pg::str(n));
    ExprPtr r = function(s, {field}, {e}, nullptr, true, location);
    if (r == nullptr) {
      r = field_select(s, e, field, location, false);
    }
    e = r;
  }
  flush();
  return e;
}

ExprPtr Binder::subscripts(Scope& s, ExprPtr base, Oid type, int32_t typmod, std::span<Node* const> subs, ExprPtr assign, bool assigning) {
  Oid container = cat.base_type(type, &typmod);
  const TypeRow& t = cat.type(container);
  auto e = make<SubscriptExpr>();
  e->container_type = container;
  e->location = base != nullptr ? base->location : -1;
  if (base != nullptr && container != type && !assigning) {
    // Subscripting looks through domains.
    auto r = make<UnaryExpr>(ExprKind::kRelabel);
    r->arg = base;
    r->type = container;
    r->typmod = typmod;
    r->location = base->location;
    base = r;
  }
  e->container = base;
  bool is_vector = container == oid::kInt2Vector || container == oid::kOidVector;
  if (t.element == 0 && !is_vector && container != oid::kJsonb && t.raw_element == 0)
    fail(ErrorCode::kDatatypeMismatch, "cannot subscript type " + cat.format_type(type) + " because it does not support subscripting", expr_location(base));
  bool slice = false;
  for (const Node* n : subs) slice = slice || n->a_indices->is_slice;
  e->slice = slice;
  if (container == oid::kJsonb) {
    for (const Node* n : subs) {
      const pg::AIndices* i = n->a_indices;
      if (i->is_slice) {
        const Node* at = i->uidx != nullptr ? i->uidx : i->lidx;
        fail(ErrorCode::kDatatypeMismatch, "jsonb subscript does not support slices", at != nullptr ? expr_location(expr_in(s, at)) : -1);
      }
      ExprPtr sub = expr_in(s, i->uidx);
      Oid target = oid::kUnknown;
      if (sub->type == oid::kUnknown) {
        target = oid::kText;
      } else {
        bool as_int = can_coerce(sub->type, oid::kInt4, CoerceContext::kImplicit), as_text = can_coerce(sub->type, oid::kText, CoerceContext::kImplicit);
        if (as_int && as_text)
          fail(ErrorCode::kDatatypeMismatch, "subscript type " + cat.format_type(sub->type) + " is not supported", expr_location(sub), {},
               "jsonb subscript must be coercible to only one type, integer or text.");
        if (!as_int && !as_text)
          fail(ErrorCode::kDatatypeMismatch, "subscript type " + cat.format_type(sub->type) + " is not supported", expr_location(sub), {},
               "jsonb subscript must be coercible to either integer or text.");
        target = as_int ? oid::kInt4 : oid::kText;
      }
      e->upper.push_back(coerce(sub, sub->type, target, -1, CoerceContext::kImplicit, FuncFormat::kImplicitCast, -1));
      e->lower.push_back(nullptr);
    }
    e->element_type = oid::kJsonb;
    e->type = oid::kJsonb;
    e->typmod = -1;
  } else {
    e->element_type = t.element != 0 ? t.element : t.raw_element;
    auto index = [&](const Node* n) -> ExprPtr {
      ExprPtr x = expr_in(s, n);
      ExprPtr r = coerce_to_target(x, x->type, oid::kInt4, -1, CoerceContext::kAssignment, FuncFormat::kImplicitCast, -1);
      if (r == nullptr) fail(ErrorCode::kDatatypeMismatch, "array subscript must have type integer", expr_location(x));
      return r;
    };
    for (const Node* n : subs) {
      const pg::AIndices* i = n->a_indices;
      ExprPtr lo, hi;
      if (slice) {
        if (i->lidx != nullptr) lo = index(i->lidx);
        else if (!i->is_slice) lo = int4_const(1);
        if (i->uidx != nullptr) hi = index(i->uidx);
      } else {
        hi = index(i->uidx);
      }
      e->lower.push_back(lo);
      e->upper.push_back(hi);
    }
    if (subs.size() > 6)
      fail(ErrorCode::kProgramLimitExceeded, "number of array dimensions (" + std::to_string(subs.size()) + ") exceeds the maximum allowed (6)");
    e->type = slice ? container : e->element_type;
    e->typmod = typmod;
  }
  if (assigning) {
    e->assign = assign;
    e->type = container;
    e->typmod = typmod;
  }
  e->collation = base != nullptr ? base->collation : 0;
  return e;
}

std::vector<CompositeColumn> Binder::row_columns(Scope* s, const ExprPtr& e) {
  std::vector<CompositeColumn> out;
  Oid base = cat.base_type(e->type);
  if (cat.is_composite(base)) {
    auto r = cat.relation(cat.type(base).relation);
    if (r != nullptr)
      for (const catalog::Column& c : r->columns) out.push_back({c.name, c.type, c.typmod, c.dropped});
    return out;
  }
  switch (e->kind) {
    case ExprKind::kRow: {
      const auto& row = as<ListExpr>(e);
      for (size_t i = 0; i < row.args.size(); ++i)
        out.push_back({i < row.names.size() ? row.names[i] : "f" + std::to_string(i + 1), row.args[i]->type, row.args[i]->typmod, false});
      return out;
    }
    case ExprKind::kVar: {
      const auto& v = as<VarExpr>(e);
      Scope* p = s;
      for (int l = v.levels_up; l-- > 0 && p != nullptr;) p = p->parent;
      if (p == nullptr || v.relation < 1 || static_cast<size_t>(v.relation) > p->range_table.size()) return out;
      const RangeTableEntry& rte = *p->range_table[v.relation - 1];
      if (v.column == 0) {
        for (size_t i = 0; i < rte.column_types.size(); ++i)
          out.push_back({rte.column_aliases[i], rte.column_types[i], rte.column_typmods[i], rte.column_types[i] == 0});
        return out;
      }
      if (rte.kind == RteKind::kSubquery && rte.subquery != nullptr) {
        int n = 0;
        for (const TargetEntry& t : rte.subquery->targets)
          if (!t.junk && ++n == v.column) {
            Scope inner;
            inner.parent = p;
            inner.range_table = rte.subquery->range_table;
            return row_columns(&inner, t.expr);
          }
      } else if (rte.kind == RteKind::kJoin && v.column > 0 && static_cast<size_t>(v.column) <= rte.join_columns.size()) {
        return row_columns(p, rte.join_columns[v.column - 1]);
      } else if (rte.kind == RteKind::kCte && !rte.cte_self_reference) {
        for (int l = rte.cte_levels_up; l-- > 0 && p != nullptr;) p = p->parent;
        if (p != nullptr)
          for (const CtePtr& c : p->ctes)
            if (c->table.name == rte.cte_name && c->table.query != nullptr) {
              const auto& targets = c->table.query->command == CommandKind::kSelect ? c->table.query->targets : c->table.query->returning;
              int n = 0;
              for (const TargetEntry& t : targets)
                if (!t.junk && ++n == v.column) {
                  Scope inner;
                  inner.parent = p;
                  inner.range_table = c->table.query->range_table;
                  return row_columns(&inner, t.expr);
                }
            }
      }
      return out;
    }
    case ExprKind::kFunc: {
      const auto& f = as<FuncExpr>(e);
      const ProcRow* p = cat.proc(f.func);
      if (p != nullptr)
        for (size_t k = 0; k < p->all_args.size() && k < p->arg_modes.size(); ++k) {
          char m = p->arg_modes[k];
          if (m != 'o' && m != 'b' && m != 't') continue;
          std::vector<Oid> actual, declared = p->args;
          for (const ExprPtr& a : f.args) actual.push_back(a->type);
          declared.resize(actual.size(), oid::kAny);
          Oid t = is_polymorphic(p->all_args[k]) ? enforce_generics(actual, declared, p->all_args[k], false) : p->all_args[k];
          out.push_back({k < p->arg_names.size() && !p->arg_names[k].empty() ? p->arg_names[k] : "column" + std::to_string(out.size() + 1), t, -1, false});
        }
      return out;
    }
    default: return out;
  }
}

ExprPtr Binder::field_select(Scope& s, ExprPtr e, const std::string& name, int location, bool missing_ok) {
  Oid type = e->type;
  if (type != oid::kRecord && !cat.is_composite(cat.base_type(type))) {
    if (missing_ok) return nullptr;
    fail(ErrorCode::kWrongObjectType, "column notation ." + name + " applied to type " + cat.format_type(type) + ", which is not a composite type", location);
  }
  // A whole-row Var of a local item: take the column itself.
  if (e->kind == ExprKind::kVar && as<VarExpr>(e).column == 0) {
    const auto& v = as<VarExpr>(e);
    Scope* p = &s;
    for (int l = v.levels_up; l-- > 0 && p != nullptr;) p = p->parent;
    if (p != nullptr && v.relation >= 1 && static_cast<size_t>(v.relation) <= p->range_table.size()) {
      for (const NsPtr& item : p->ns)
        if (item->index == v.relation && !item->using_alias) {
          ExprPtr c = scan_columns(s, item, v.levels_up, name, location, false);
          if (c != nullptr) return c;
        }
    }
  }
  auto columns = row_columns(&s, e);
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].dropped || columns[i].name != name) continue;
    auto f = make<FieldSelectExpr>();
    f->arg = e;
    f->field = static_cast<int16_t>(i + 1);
    f->type = columns[i].type;
    f->typmod = columns[i].typmod;
    f->collation = cat.type(columns[i].type).collation;
    f->location = e->location;
    return f;
  }
  if (missing_ok) return nullptr;
  if (type == oid::kRecord && columns.empty())
    fail(ErrorCode::kUndefinedColumn, "could not identify column \"" + name + "\" in record data type", location);
  if (type == oid::kRecord) fail(ErrorCode::kUndefinedColumn, "could not identify column \"" + name + "\" in record data type", location);
  fail(ErrorCode::kUndefinedColumn, "column \"" + name + "\" not found in data type " + cat.format_type(type), location);
}

}  // namespace stele::sql

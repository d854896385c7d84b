// Range table entries, the name space of a query level, and what happens when a name is not found.
#include "sql/binder/binder.h"

namespace stele::sql {
namespace {

// Levenshtein distance, bounded: suggestions only need small ones.
int edit_distance(std::string_view a, std::string_view b, int limit) {
  if (std::abs(static_cast<int>(a.size()) - static_cast<int>(b.size())) > limit) return limit + 1;
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      int up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = up;
    }
  }
  return row[b.size()];
}

struct SystemColumn { const char* name; int16_t number; Oid type; };
constexpr SystemColumn kSystemColumns[] = {
    {"ctid", system_column::kCtid, oid::kTid}, {"xmin", system_column::kXmin, oid::kXid}, {"cmin", system_column::kCmin, oid::kCid},
    {"xmax", system_column::kXmax, oid::kXid}, {"cmax", system_column::kCmax, oid::kCid}, {"tableoid", system_column::kTableOid, oid::kOid},
    {"_score", system_column::kScore, oid::kFloat4}};

}  // namespace

catalog::Ptr<catalog::Relation> Binder::open_relation(const pg::RangeVar* rv, bool missing_ok) {
  std::string name = rv->relname, schema = pg::has(rv->schemaname) ? rv->schemaname : "";
  if (pg::has(rv->catalogname) && rv->catalogname != cat.database())
    fail(ErrorCode::kFeatureNotSupported, std::string("cross-database references are not implemented: \"") + rv->catalogname + "." + schema + "." + name + "\"", rv->location);
  if (schema.empty()) {
    auto r = cat.find_relation(name);
    if (r == nullptr && !missing_ok)
      fail(ErrorCode::kUndefinedTable, "relation \"" + name + "\" does not exist", rv->location);
    return r;
  }
  Oid s = 0;
  try {
    s = cat.schema(schema);
  } catch (Error& e) {
    e.set_position(position(rv->location));
    throw;
  }
  auto r = s == 0 ? nullptr : cat.find_relation(name, s);
  if (r == nullptr && !missing_ok)
    fail(ErrorCode::kUndefinedTable, "relation \"" + schema + "." + name + "\" does not exist", rv->location);
  return r;
}

void Binder::apply_alias(RangeTableEntry& rte, const pg::Alias* alias, size_t columns, std::string_view kind) {
  if (alias == nullptr) return;
  rte.alias = alias->aliasname;
  rte.has_alias = true;
  size_t given = alias->n_colnames;
  if (given > columns) {
    if (kind == "table")
      fail(ErrorCode::kInvalidColumnReference,
           "table \"" + rte.alias + "\" has " + std::to_string(columns) + " columns available but " + std::to_string(given) + " columns specified");
    fail(ErrorCode::kInvalidColumnReference, std::string(kind) + " \"" + rte.alias + "\" has " + std::to_string(columns) +
                                                  " columns available but " + std::to_string(given) + " columns specified");
  }
}

NsPtr Binder::add_rte(Scope& s, RtePtr rte, std::string schema) {
  s.range_table.push_back(rte);
  s.query->range_table = s.range_table;
  auto item = std::make_shared<NsItem>();
  item->rte = rte;
  item->index = static_cast<int>(s.range_table.size());
  item->name = rte->alias;
  item->schema = std::move(schema);
  for (size_t i = 0; i < rte->column_types.size(); ++i)
    item->columns.push_back({rte->column_aliases[i], item->index, static_cast<int16_t>(i + 1), rte->column_types[i], rte->column_typmods[i],
                             rte->column_collations[i], false});
  return item;
}

NsPtr Binder::add_relation(Scope& s, const catalog::Relation& r, storage::LockMode lock, const pg::Alias* alias, bool inherit, bool in_from) {
  auto rte = std::make_shared<RangeTableEntry>();
  rte->kind = RteKind::kRelation;
  rte->relation = r.oid;
  rte->relkind = r.relkind;
  rte->lock_mode = lock;
  rte->inherit = inherit;
  rte->in_from_clause = in_from;
  rte->required_privileges = catalog::kSelect;
  rte->alias = r.name;
  size_t live = 0;
  for (const auto& c : r.columns) live += c.dropped ? 0 : 1;
  apply_alias(*rte, alias, live, "table");
  size_t given = 0;
  for (const auto& c : r.columns) {
    std::string name = c.name;
    if (c.dropped) name.clear();
    else if (alias != nullptr && given < alias->n_colnames) name = pg::str(alias->colnames[given++]);
    rte->column_aliases.push_back(name);
    rte->column_types.push_back(c.dropped ? 0 : c.type);
    rte->column_typmods.push_back(c.typmod);
    rte->column_collations.push_back(c.collation);
  }
  if (r.oid >= oid::kFirstUserOid) dependencies.push_back({ObjectKind::kRelation, r.oid, 0});
  return add_rte(s, rte, alias == nullptr ? cat.schema_name(r.schema) : std::string());
}

NsPtr Binder::add_subquery(Scope& s, std::shared_ptr<Query> q, const pg::Alias* alias, bool lateral, bool in_from) {
  auto rte = std::make_shared<RangeTableEntry>();
  rte->kind = RteKind::kSubquery;
  rte->lateral = lateral;
  rte->in_from_clause = in_from;
  rte->alias = "unnamed_subquery";
  const auto& targets = q->command == CommandKind::kSelect ? q->targets : q->returning;
  size_t n = 0;
  for (const auto& t : targets) n += t.junk ? 0 : 1;
  apply_alias(*rte, alias, n, "table");
  size_t given = 0;
  for (const auto& t : targets) {
    if (t.junk) continue;
    std::string name = t.name;
    if (alias != nullptr && given < alias->n_colnames) name = pg::str(alias->colnames[given]);
    ++given;
    rte->column_aliases.push_back(name);
    rte->column_types.push_back(t.expr->type);
    rte->column_typmods.push_back(t.expr->typmod);
    rte->column_collations.push_back(t.expr->collation);
  }
  rte->subquery = std::move(q);
  return add_rte(s, rte);
}

void Binder::add_to_namespace(Scope& s, const NsPtr& item, bool rel_name, bool cols) {
  item->rel_visible = rel_name;
  item->cols_visible = cols;
  item->lateral_only = false;
  item->lateral_ok = true;
  s.ns.push_back(item);
}

void Binder::check_namespace_conflicts(const std::vector<NsPtr>& a, const std::vector<NsPtr>& b) {
  for (const NsPtr& x : a) {
    if (!x->rel_visible || x->name.empty()) continue;
    for (const NsPtr& y : b) {
      if (!y->rel_visible || x->name != y->name) continue;
      if (x->rte->kind == RteKind::kRelation && !x->rte->has_alias && y->rte->kind == RteKind::kRelation && !y->rte->has_alias &&
          x->rte->relation != y->rte->relation)
        continue;
      fail(ErrorCode::kDuplicateAlias, "table name \"" + x->name + "\" specified more than once");
    }
  }
}

NsPtr Binder::find_ns_item(Scope& s, std::string_view schema, std::string_view name, int location, int* levels) {
  *levels = 0;
  for (Scope* p = &s; p != nullptr; p = p->parent, ++*levels) {
    NsPtr found;
    for (const NsPtr& item : p->ns) {
      if (!item->rel_visible) continue;
      if (item->lateral_only && !p->lateral_active) continue;
      if (schema.empty()) {
        if (item->name != name) continue;
      } else {
        if (item->rte->kind != RteKind::kRelation || item->rte->has_alias || item->name != name || item->schema != schema) continue;
      }
      if (found != nullptr)
        fail(ErrorCode::kAmbiguousAlias, "table reference \"" + std::string(name) + "\" is ambiguous", location);
      if (!item->lateral_ok)
        fail(ErrorCode::kInvalidColumnReference, "invalid reference to FROM-clause entry for table \"" + std::string(name) + "\"", location,
             "The combining JOIN type must be INNER or LEFT for a LATERAL reference.");
      found = item;
    }
    if (found != nullptr) return found;
  }
  return nullptr;
}

void Binder::mark_selected(Scope& s, int relation, int16_t column, int levels) {
  Scope* p = &s;
  while (levels-- > 0 && p != nullptr) p = p->parent;
  if (p == nullptr || relation < 1 || static_cast<size_t>(relation) > p->range_table.size()) return;
  RangeTableEntry& rte = *p->range_table[relation - 1];
  if (rte.kind == RteKind::kRelation) {
    rte.required_privileges |= catalog::kSelect;
    if (std::find(rte.selected_columns.begin(), rte.selected_columns.end(), column) == rte.selected_columns.end())
      rte.selected_columns.push_back(column);
  } else if (rte.kind == RteKind::kJoin) {
    auto mark = [&](const ExprPtr& e) {
      walk(e, [&](const Expr& x, int) {
        if (x.kind == ExprKind::kVar) {
          const auto& v = static_cast<const VarExpr&>(x);
          if (v.levels_up == 0) mark_selected(*p, v.relation, v.column, 0);
        }
        return false;
      });
    };
    if (column > 0 && static_cast<size_t>(column) <= rte.join_columns.size()) mark(rte.join_columns[column - 1]);
    else if (column == 0) for (const ExprPtr& e : rte.join_columns) mark(e);
  }
}

ExprPtr Binder::column_var(Scope& s, const NsPtr& item, size_t i, int levels, int location) {
  const NsColumn& c = item->columns[i];
  auto v = make<VarExpr>();
  v->relation = c.relation;
  v->column = c.column;
  v->type = c.type;
  v->typmod = c.typmod;
  v->collation = c.collation;
  v->levels_up = levels;
  v->location = location;
  mark_selected(s, c.relation, c.column, levels);
  return v;
}

ExprPtr Binder::scan_columns(Scope& s, const NsPtr& item, int levels, std::string_view name, int location, bool system) {
  int found = -1;
  for (size_t i = 0; i < item->columns.size(); ++i) {
    const NsColumn& c = item->columns[i];
    if (c.type == 0 || c.name != name) continue;
    if (found >= 0)
      fail(ErrorCode::kAmbiguousColumn, "column reference \"" + std::string(name) + "\" is ambiguous", location);
    found = static_cast<int>(i);
  }
  if (found >= 0) return column_var(s, item, static_cast<size_t>(found), levels, location);
  if (!system || item->rte->kind != RteKind::kRelation || item->rte->relkind == 'v') return nullptr;
  for (const SystemColumn& c : kSystemColumns) {
    if (name != c.name) continue;
    auto kind = s.kind;
    if (kind == ExprContext::kCheckConstraint && c.number != system_column::kTableOid)
      fail(ErrorCode::kInvalidColumnReference, "system column \"" + std::string(name) + "\" reference in check constraint is invalid", location);
    if (kind == ExprContext::kGeneratedColumn && c.number != system_column::kTableOid)
      fail(ErrorCode::kInvalidColumnReference, "cannot use system column \"" + std::string(name) + "\" in column generation expression", location);
    auto v = make<VarExpr>();
    v->relation = item->index;
    v->column = c.number;
    v->type = c.type;
    v->levels_up = levels;
    v->location = location;
    mark_selected(s, item->index, c.number, levels);
    return v;
  }
  return nullptr;
}

ExprPtr Binder::whole_row(Scope& s, const NsPtr& item, int levels, int location) {
  const RangeTableEntry& rte = *item->rte;
  if (item->using_alias) {
    auto row = make<ListExpr>(ExprKind::kRow);
    for (size_t i = 0; i < item->columns.size(); ++i) {
      row->args.push_back(column_var(s, item, i, levels, location));
      row->names.push_back(item->columns[i].name);
    }
    row->type = oid::kRecord;
    row->explicit_row = false;
    row->location = location;
    return row;
  }
  // A function returning one scalar column gives the column itself.
  if (rte.kind == RteKind::kFunction && rte.functions.size() == 1 && !rte.with_ordinality && rte.functions[0].column_names.empty() &&
      item->columns.size() == 1 && !cat.is_composite(cat.base_type(rte.functions[0].call->type)) && rte.functions[0].call->type != oid::kRecord)
    return column_var(s, item, 0, levels, location);
  auto v = make<VarExpr>();
  v->relation = item->index;
  v->column = 0;
  v->levels_up = levels;
  v->location = location;
  v->type = oid::kRecord;
  if (rte.kind == RteKind::kRelation) {
    auto r = cat.relation(rte.relation);
    if (r != nullptr && r->row_type != 0) v->type = r->row_type;
  } else if (rte.kind == RteKind::kFunction && rte.functions.size() == 1 && !rte.with_ordinality && cat.is_composite(cat.base_type(rte.functions[0].call->type))) {
    v->type = rte.functions[0].call->type;
  }
  for (size_t i = 0; i < item->columns.size(); ++i)
    if (item->columns[i].type != 0) mark_selected(s, item->columns[i].relation, item->columns[i].column, levels);
  mark_selected(s, item->index, 0, levels);
  return v;
}

ExprPtr Binder::column_named(Scope& s, std::string_view name, bool local_only, int location) {
  int levels = 0;
  for (Scope* p = &s; p != nullptr; p = p->parent, ++levels) {
    ExprPtr found;
    for (const NsPtr& item : p->ns) {
      if (!item->cols_visible) continue;
      if (item->lateral_only && !p->lateral_active) continue;
      ExprPtr e = scan_columns(s, item, levels, name, location, true);
      if (e == nullptr) continue;
      if (found != nullptr)
        fail(ErrorCode::kAmbiguousColumn, "column reference \"" + std::string(name) + "\" is ambiguous", location);
      if (!item->lateral_ok)
        fail(ErrorCode::kInvalidColumnReference, "invalid reference to FROM-clause entry for table \"" + item->name + "\"", location,
             "The combining JOIN type must be INNER or LEFT for a LATERAL reference.");
      found = e;
    }
    if (found != nullptr || local_only) return found;
  }
  return nullptr;
}

void Binder::missing_relation(Scope& s, const std::string& schema, const std::string& name, int location) {
  // An entry that exists but cannot be seen from here, or a table hidden behind its alias.
  const RangeTableEntry* hidden = nullptr;
  for (Scope* p = &s; p != nullptr && hidden == nullptr; p = p->parent)
    for (const RtePtr& rte : p->range_table) {
      if (rte->kind == RteKind::kJoin && !rte->has_alias) continue;
      if (rte->alias == name) { hidden = rte.get(); break; }
      if (rte->kind == RteKind::kRelation && rte->has_alias) {
        auto r = cat.relation(rte->relation);
        if (r != nullptr && r->name == name) { hidden = rte.get(); break; }
      }
    }
  if (hidden != nullptr) {
    std::string hint, detail;
    if (hidden->has_alias && hidden->alias != name)
      hint = "Perhaps you meant to reference the table alias \"" + hidden->alias + "\".";
    else
      hint = "There is an entry for table \"" + name + "\", but it cannot be referenced from this part of the query.";
    fail(ErrorCode::kUndefinedTable, "invalid reference to FROM-clause entry for table \"" + name + "\"", location, {}, hint);
  }
  fail(ErrorCode::kUndefinedTable, "missing FROM-clause entry for table \"" + name + "\"", location);
}

void Binder::missing_column(Scope& s, const std::string& qualifier, const std::string& column, int location) {
  std::string message = qualifier.empty() ? "column \"" + column + "\" does not exist" : "column " + qualifier + "." + column + " does not exist";
  // Exact match in a range table entry that is not visible here.
  int levels = 0;
  std::string best_name, second_name;
  int best = 3, ties = 0;
  for (Scope* p = &s; p != nullptr; p = p->parent, ++levels) {
    for (const RtePtr& rte : p->range_table) {
      if (rte->kind == RteKind::kJoin) continue;
      if (!qualifier.empty() && rte->alias != qualifier) continue;
      for (size_t i = 0; i < rte->column_aliases.size(); ++i) {
        const std::string& c = rte->column_aliases[i];
        if (c.empty() || rte->column_types[i] == 0) continue;
        if (c == column) {
          std::string detail_or_hint = "There is a column named \"" + column + "\" in table \"" + rte->alias +
                                       "\", but it cannot be referenced from this part of the query.";
          fail(ErrorCode::kUndefinedColumn, message, location, {}, detail_or_hint);
        }
        int limit = std::min(static_cast<int>(column.size()) / 2 + (column.size() % 2 != 0 ? 0 : 0), 3);
        int d = edit_distance(column, c, 3);
        if (d > limit || d > 3 || d > static_cast<int>(column.size()) / 2) continue;
        std::string shown = "\"" + rte->alias + "." + c + "\"";
        if (best_name.empty() || d < best) {
          best = d;
          best_name = shown;
          second_name.clear();
          ties = 1;
        } else if (d == best) {
          if (++ties == 2) second_name = shown;
        }
      }
    }
  }
  if (best_name.empty() || ties > 2) fail(ErrorCode::kUndefinedColumn, message, location);
  if (ties == 2)
    fail(ErrorCode::kUndefinedColumn, message, location, {}, "Perhaps you meant to reference the column " + best_name + " or the column " + second_name + ".");
  fail(ErrorCode::kUndefinedColumn, message, location, {}, "Perhaps you meant to reference the column " + best_name + ".");
}

void Binder::expand(Scope& s, const NsPtr& item, int levels, std::vector<TargetEntry>& out, bool names, int location) {
  for (size_t i = 0; i < item->columns.size(); ++i) {
    const NsColumn& c = item->columns[i];
    if (c.type == 0 || c.hidden) continue;
    TargetEntry t;
    t.expr = column_var(s, item, i, levels, location);
    if (names) {
      t.name = c.name;
      t.resno = s.next_resno++;
    } else {
      t.name = c.name;
    }
    out.push_back(std::move(t));
  }
  // Reading a table's every column includes tables that have none.
  if (item->rte->kind == RteKind::kRelation) {
    Scope* p = &s;
    for (int l = levels; l-- > 0 && p->parent != nullptr;) p = p->parent;
    item->rte->required_privileges |= catalog::kSelect;
  }
}

std::pair<Oid, int16_t> Binder::origin(Scope& s, const ExprPtr& e) {
  if (e == nullptr || e->kind != ExprKind::kVar) return {0, 0};
  const auto& v = as<VarExpr>(e);
  Scope* p = &s;
  for (int l = v.levels_up; l-- > 0 && p != nullptr;) p = p->parent;
  if (p == nullptr || v.relation < 1 || static_cast<size_t>(v.relation) > p->range_table.size()) return {0, 0};
  const RangeTableEntry& rte = *p->range_table[v.relation - 1];
  switch (rte.kind) {
    case RteKind::kRelation: return v.column > 0 ? std::pair{rte.relation, v.column} : std::pair<Oid, int16_t>{0, 0};
    case RteKind::kSubquery: {
      if (rte.subquery == nullptr || v.column <= 0) return {0, 0};
      int n = 0;
      for (const auto& t : rte.subquery->targets)
        if (!t.junk && ++n == v.column) return {t.origin_table, t.origin_column};
      return {0, 0};
    }
    case RteKind::kJoin:
      if (v.column > 0 && static_cast<size_t>(v.column) <= rte.join_columns.size()) return origin(*p, rte.join_columns[v.column - 1]);
      return {0, 0};
    case RteKind::kCte: {
      int up = rte.cte_levels_up;
      for (; up-- > 0 && p != nullptr;) p = p->parent;
      if (p == nullptr || rte.cte_self_reference) return {0, 0};
      for (const CtePtr& c : p->ctes)
        if (c->table.name == rte.cte_name && c->table.query != nullptr) {
          const auto& targets = c->table.query->command == CommandKind::kSelect ? c->table.query->targets : c->table.query->returning;
          int n = 0;
          for (const auto& t : targets)
            if (!t.junk && ++n == v.column) return {t.origin_table, t.origin_column};
        }
      return {0, 0};
    }
    default: return {0, 0};
  }
}

CtePtr Binder::find_cte(Scope& s, std::string_view name, int* levels) {
  *levels = 0;
  for (Scope* p = &s; p != nullptr; p = p->parent, ++*levels)
    for (const CtePtr& c : p->ctes)
      if (c->table.name == name) return c;
  return nullptr;
}

}  // namespace stele::sql

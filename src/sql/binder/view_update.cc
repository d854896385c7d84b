// INSERT, UPDATE and DELETE on views that are simple enough: the statement is turned into one on the table below.
#include "sql/binder/binder.h"

namespace stele::sql {

namespace {

// Why a view cannot take changes of any kind; null: it can.
const char* not_updatable(const Query& v) {
  if (!v.distinct.empty()) return "Views containing DISTINCT are not automatically updatable.";
  if (!v.group_by.empty() || !v.grouping_sets.empty()) return "Views containing GROUP BY are not automatically updatable.";
  if (v.having != nullptr) return "Views containing HAVING are not automatically updatable.";
  if (v.set_operation != nullptr) return "Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable.";
  if (!v.ctes.empty()) return "Views containing WITH are not automatically updatable.";
  if (v.limit_count != nullptr || v.limit_offset != nullptr) return "Views containing LIMIT or OFFSET are not automatically updatable.";
  if (v.has_aggregates) return "Views that return aggregate functions are not automatically updatable.";
  if (v.has_windows) return "Views that return window functions are not automatically updatable.";
  if (v.has_target_srfs) return "Views that return set-returning functions are not automatically updatable.";
  if (v.from.size() != 1 || v.from[0]->is_join) return "Views that do not select from a single table or view are not automatically updatable.";
  const RangeTableEntry& rte = *v.range_table[static_cast<size_t>(v.from[0]->relation - 1)];
  if (rte.kind != RteKind::kRelation || (rte.relkind != 'r' && rte.relkind != 'v' && rte.relkind != 'p' && rte.relkind != 'f'))
    return "Views that do not select from a single table or view are not automatically updatable.";
  if (!rte.sample_method.empty()) return "Views containing TABLESAMPLE are not automatically updatable.";
  return nullptr;
}

bool has_instead(CatalogView& cat, const catalog::Relation& view, int event) {
  for (Oid t : view.triggers) {
    auto trigger = cat.state()->get_as<catalog::Trigger>(catalog::ObjectKind::kTrigger, t);
    if (trigger != nullptr && (trigger->type & 64) != 0 && (trigger->type & event) != 0) return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<Query> Binder::rewrite_target_view(std::shared_ptr<Query> q) {
  if (q->result_relation <= 0) return q;
  for (int depth = 0; depth < 64; ++depth) {
    const RtePtr target = q->range_table[static_cast<size_t>(q->result_relation - 1)];
    if (target->kind != RteKind::kRelation || target->relkind != 'v') return q;
    auto view = cat.relation(target->relation);
    if (view == nullptr || view->view_sql.empty()) return q;
    const bool insert = q->command == CommandKind::kInsert, update = q->command == CommandKind::kUpdate;
    const int event = insert ? 4 : update ? 16 : 8;
    if (has_instead(cat, *view, event)) {
      if (insert) return q;
      // The view's rows come from a scan of it; what the statement reads of the target it reads there.
      const int source = static_cast<int>(q->range_table.size()) + 1;
      auto scan = std::make_shared<RangeTableEntry>(*target);
      scan->lock_mode = storage::LockMode::kAccessShare;
      q->range_table.push_back(scan);
      const int old = q->result_relation;
      std::vector<TargetEntry> kept = std::move(q->returning);
      q->returning.clear();
      rewrite_query(*q, [&](const ExprPtr& n, int level) -> ExprPtr {
        if (n->kind != ExprKind::kVar || as<VarExpr>(n).levels_up != level || as<VarExpr>(n).relation != old) return nullptr;
        auto copy = std::make_shared<VarExpr>(as<VarExpr>(n));
        copy->relation = source;
        return copy;
      }, 0);
      q->returning = std::move(kept);
      std::function<FromPtr(const FromPtr&)> move = [&](const FromPtr& item) -> FromPtr {
        auto copy = std::make_shared<FromItem>(*item);
        if (item->is_join) {
          copy->left = move(item->left);
          if (item->right) copy->right = move(item->right);
        } else if (item->relation == old) {
          copy->relation = source;
        }
        return copy;
      };
      bool found = false;
      for (FromPtr& item : q->from) {
        found |= !item->is_join && item->relation == old;
        item = move(item);
      }
      if (!found) {
        auto leaf = std::make_shared<FromItem>();
        leaf->relation = source;
        q->from.insert(q->from.begin(), leaf);
      }
      q->instead_source = source;
      return q;
    }
    // An unconditional INSTEAD rule does the work: the session runs it.
    const char rule_event = insert ? '3' : update ? '2' : '4';
    if (q->command != CommandKind::kMerge &&
        std::any_of(view->rules.begin(), view->rules.end(), [&](const catalog::Rule& x) { return x.event == rule_event && x.instead && x.condition_sql.empty() && x.enabled != 'D'; }))
      return q;
    const char* verb = insert ? "insert into" : update ? "update" : q->command == CommandKind::kMerge ? "merge into" : "delete from";
    auto refuse = [&](const char* detail) {
      const char* doing = insert ? "inserting into" : update ? "updating" : "deleting from";
      const char* what = insert ? "INSERT" : update ? "UPDATE" : "DELETE";
      fail(ErrorCode::kObjectNotInPrerequisiteState, std::string("cannot ") + verb + " view \"" + view->name + "\"", -1, detail,
           std::string("To enable ") + doing + " the view, provide an INSTEAD OF " + what + " trigger or an unconditional ON " + what + " DO INSTEAD rule.");
    };
    ParseTreePtr tree = parse_sql(view->view_sql);
    CatalogView stored(cat.state(), {catalog::kPgCatalog}, 0, 0);
    BindContext inner = ctx;
    inner.view = &stored;
    inner.text = tree->text;
    inner.user = 0;
    inner.variables = nullptr;
    inner.shadows = nullptr;
    inner.params = nullptr;
    auto v = bind_statement(tree->statements.at(0).node, inner);
    if (const char* why = not_updatable(*v)) refuse(why);
    if (q->command == CommandKind::kMerge) refuse("MERGE is not supported for views.");
    const int inner_rti = v->from[0]->relation;
    const RtePtr base_rte = v->range_table[static_cast<size_t>(inner_rti - 1)];
    auto base = cat.relation(base_rte->relation);
    std::vector<ExprPtr> outputs;   // by view column
    for (const TargetEntry& t : v->targets)
      if (!t.junk) outputs.push_back(t.expr);
    auto base_column = [&](int16_t column) -> int16_t {
      if (column < 1 || static_cast<size_t>(column) > outputs.size()) return 0;
      const ExprPtr& e = outputs[static_cast<size_t>(column - 1)];
      if (e->kind != ExprKind::kVar) return 0;
      const auto& var = as<VarExpr>(e);
      return var.relation == inner_rti && var.levels_up == 0 ? var.column : 0;
    };
    bool any = false;
    for (size_t i = 0; i < outputs.size(); ++i) any |= base_column(static_cast<int16_t>(i + 1)) > 0;
    if (!any && q->command != CommandKind::kDelete) refuse("Views that have no updatable columns are not automatically updatable.");
    const int rti = q->result_relation;
    auto column_error = [&](int16_t column, const char* what) {
      const ExprPtr& e = outputs[static_cast<size_t>(column - 1)];
      const bool system = e->kind == ExprKind::kVar && as<VarExpr>(e).column < 0;
      fail(ErrorCode::kFeatureNotSupported, std::string("cannot ") + what + " column \"" + view->column(column)->name + "\" of view \"" + view->name + "\"", -1,
           system ? "View columns that refer to system columns are not updatable." : "View columns that are not columns of their base relation are not updatable.");
    };
    auto move_targets = [&](std::vector<TargetEntry>& list, const char* what) {
      for (TargetEntry& t : list) {
        if (t.junk || t.column <= 0) continue;
        const int16_t b = base_column(t.column);
        if (b <= 0) column_error(t.column, what);
        t.column = b;
      }
    };
    // Defaults of the view's own columns come before those of the table.
    if (insert) {
      for (const catalog::Column& c : view->columns) {
        if (c.default_sql.empty() || base_column(c.number) <= 0) continue;
        bool given = false;
        for (TargetEntry& t : q->targets) {
          given |= t.column == c.number && t.expr->kind != ExprKind::kSetToDefault;
        }
        if (given) continue;
        std::erase_if(q->targets, [&](const TargetEntry& t) { return t.column == c.number; });
        ParsedExpression p = parse_expression(c.default_sql);
        BindContext d = inner;
        d.text = c.default_sql;
        TargetEntry t;
        t.expr = bind_expression(p.node, nullptr, ExprContext::kColumnDefault, d, c.type, c.typmod, c.name);
        t.column = c.number;
        t.name = c.name;
        t.resno = static_cast<int>(q->targets.size()) + 1;
        q->targets.push_back(std::move(t));
      }
    }
    move_targets(q->targets, insert ? "insert into" : "update");
    if (q->on_conflict) move_targets(q->on_conflict->set, "update");
    // References to the view's columns become what the view computes them from.
    auto outer = [&](const ExprPtr& e, int to, int level) {
      ExprPtr x = rewrite(e, [&](const ExprPtr& n, int inner_level) -> ExprPtr {
        if (n->kind != ExprKind::kVar || as<VarExpr>(n).levels_up != inner_level || as<VarExpr>(n).relation != inner_rti) return nullptr;
        auto copy = std::make_shared<VarExpr>(as<VarExpr>(n));
        copy->relation = to;
        return copy;
      });
      return level == 0 ? x : shift_levels(x, level, 0);
    };
    const int excluded = q->on_conflict ? q->on_conflict->excluded_relation : 0;
    rewrite_query(*q, [&](const ExprPtr& n, int level) -> ExprPtr {
      if (n->kind != ExprKind::kVar) return nullptr;
      const auto& var = as<VarExpr>(n);
      if (var.levels_up != level || (var.relation != rti && (excluded == 0 || var.relation != excluded))) return nullptr;
      if (var.column < 0) {
        auto copy = std::make_shared<VarExpr>(var);
        return copy;
      }
      if (var.column == 0) {
        auto row = std::make_shared<ListExpr>(ExprKind::kRow);
        row->type = var.type;
        row->location = var.location;
        for (size_t i = 0; i < outputs.size(); ++i) {
          row->args.push_back(outer(outputs[i], var.relation, level));
          row->names.push_back(view->columns[i].name);
        }
        return row;
      }
      return outer(outputs[static_cast<size_t>(var.column - 1)], var.relation, level);
    }, 0);
    // The table in the view's place; whoever owns the view needs the privileges on it.
    auto fresh = std::make_shared<RangeTableEntry>(*base_rte);
    fresh->alias = target->has_alias ? target->alias : base->name;
    fresh->has_alias = target->has_alias;
    fresh->lock_mode = target->lock_mode;
    fresh->in_from_clause = target->in_from_clause;
    fresh->required_privileges = target->required_privileges;
    fresh->check_as_user = target->check_as_user != 0 ? target->check_as_user : view->owner;
    if (auto it = view->options.find("security_invoker"); it != view->options.end() && it->second == "true") fresh->check_as_user = target->check_as_user;
    auto map_columns = [&](const std::vector<int16_t>& from) {
      std::vector<int16_t> out;
      for (int16_t c : from)
        if (int16_t b = base_column(c); b > 0) out.push_back(b);
      return out;
    };
    fresh->selected_columns = map_columns(target->selected_columns);
    fresh->inserted_columns = map_columns(target->inserted_columns);
    fresh->updated_columns = map_columns(target->updated_columns);
    q->range_table[static_cast<size_t>(rti - 1)] = fresh;
    if (excluded != 0) {
      auto e = std::make_shared<RangeTableEntry>(*fresh);
      e->alias = "excluded";
      e->has_alias = true;
      e->required_privileges = 0;
      q->range_table[static_cast<size_t>(excluded - 1)] = e;
    }
    auto check = std::make_shared<RangeTableEntry>(*target);   // for the privileges on the view itself
    q->range_table.push_back(check);
    const ExprPtr where = v->where == nullptr ? nullptr : outer(v->where, rti, 0);
    if (where != nullptr && !insert) {
      if (q->where == nullptr) {
        q->where = where;
      } else {
        auto both = std::make_shared<BoolExpr>();
        both->op = BoolOp::kAnd;
        both->type = oid::kBool;
        both->args = {where, q->where};
        q->where = both;
      }
      q->has_sublinks |= v->has_sublinks;
    }
    auto option = view->options.find("check_option");
    const bool cascaded_from_above = cascading_;
    if (option != view->options.end() && option->second == "cascaded") cascading_ = true;
    if (where != nullptr && q->command != CommandKind::kDelete && (option != view->options.end() || cascaded_from_above)) {
      CheckOption c;
      c.name = view->name;
      c.expr = where;
      q->check_options.insert(q->check_options.begin(), std::move(c));
    }
    dependencies.push_back({ObjectKind::kRelation, base->oid, 0});
  }
  fail(ErrorCode::kInvalidObjectDefinition, "infinite recursion detected in rules for relation");
}

const char* view_update_problem(const query::Query& q) {
  if (const char* why = not_updatable(q)) return why;
  for (const TargetEntry& t : q.targets)
    if (!t.junk && t.expr->kind == ExprKind::kVar && as<VarExpr>(t.expr).column > 0) return nullptr;
  return "Views that have no updatable columns are not automatically updatable.";
}

// 0: none; bits of insert 4, update 16, delete 8 that a view takes by itself (for information_schema and pg_relation_is_updatable).
int view_updatable_events(const catalog::Relation& view, const BindContext& context) {
  if (view.view_sql.empty()) return 0;
  try {
    ParseTreePtr tree = parse_sql(view.view_sql);
    CatalogView stored(context.view->state(), {catalog::kPgCatalog}, 0, 0);
    BindContext inner = context;
    inner.view = &stored;
    inner.text = tree->text;
    inner.user = 0;
    auto v = bind_statement(tree->statements.at(0).node, inner);
    if (not_updatable(*v) != nullptr) return 0;
    bool any = false;
    for (const TargetEntry& t : v->targets) any |= !t.junk && t.expr->kind == ExprKind::kVar && as<VarExpr>(t.expr).column > 0;
    auto base = context.view->relation(v->range_table[static_cast<size_t>(v->from[0]->relation - 1)]->relation);
    const int below = base != nullptr && base->relkind == 'v' ? view_updatable_events(*base, context) : 28;
    return below & (any ? 28 : 8);
  } catch (const std::exception&) {
    return 0;
  }
}

}  // namespace stele::sql

// INSERT, UPDATE, DELETE and MERGE: what their plans carry beyond a SELECT's.
#include "base/error.h"
#include "query/dml/writer.h"
#include "query/optimizer/planner.h"
#include "types/oids.h"

namespace stele::query {

void Level::prepare_modify() {
  if (q_.command == CommandKind::kSelect || q_.command == CommandKind::kUtility) return;
  auto rte = planner_.rte(q_.result_relation);
  auto table = planner_.relation(rte->relation);
  if (!table) throw Error(ErrorCode::kInsufficientPrivilege, "permission denied: system catalogs cannot be modified");
  // DEFAULT in VALUES lists and assignments.
  auto default_of = [&](int16_t column, Oid type) -> ExprPtr {
    const catalog::Column* c = table->column(column);
    ExprPtr e = c->generated ? nullptr : column_default(*table, *c, planner_.ctx);
    return e ? e : make_const(type != 0 ? type : c->type, {}, planner_.ctx, c->typmod, c->collation);
  };
  if (q_.command == CommandKind::kInsert) {
    for (auto& t : q_.targets) {
      if (t.expr->kind != ExprKind::kVar) continue;
      int rti = static_cast<const VarExpr&>(*t.expr).relation;
      int column = static_cast<const VarExpr&>(*t.expr).column;
      auto values = planner_.rte(rti);
      if (values->kind != RteKind::kValues || column < 1) continue;
      bool any = false, all = true;
      for (auto& row : values->values) (row[static_cast<size_t>(column - 1)]->kind == ExprKind::kSetToDefault ? any : all) = row[static_cast<size_t>(column - 1)]->kind == ExprKind::kSetToDefault;
      all = true;
      any = false;
      for (auto& row : values->values) {
        bool d = row[static_cast<size_t>(column - 1)]->kind == ExprKind::kSetToDefault;
        any |= d;
        all &= d;
      }
      check_generated(*table, t.column, all);
      if (!any) continue;
      auto copy = std::make_shared<RangeTableEntry>(*values);
      for (auto& row : copy->values)
        if (row[static_cast<size_t>(column - 1)]->kind == ExprKind::kSetToDefault) row[static_cast<size_t>(column - 1)] = default_of(t.column, t.expr->type);
      for (size_t i = 0; i < rtis_.size(); ++i) if (rtis_[i] == rti) q_.range_table[i] = copy;
      planner_.rtable[rti - 1] = copy;
    }
    for (auto& t : q_.targets) if (!t.junk && t.expr->kind != ExprKind::kVar) check_generated(*table, t.column, t.expr->kind == ExprKind::kSetToDefault);
    for (auto& t : q_.targets)
      if (t.expr->kind == ExprKind::kVar && planner_.rte(static_cast<const VarExpr&>(*t.expr).relation)->kind != RteKind::kValues) check_generated(*table, t.column, false);
    std::erase_if(q_.targets, [&](auto& t) { return t.expr->kind == ExprKind::kSetToDefault || (q_.overriding_user && t.column > 0 && table->column(t.column)->identity != catalog::Identity::kNone); });
  }
  auto assignments = [&](std::vector<TargetEntry>& list) {
    for (auto& t : list) {
      if (t.junk || t.column <= 0) continue;
      bool is_default = t.expr->kind == ExprKind::kSetToDefault;
      const catalog::Column* c = table->column(t.column);
      if (!is_default && c->generated)
        throw Error(ErrorCode::kGeneratedAlways, fmt::format("column \"{}\" can only be updated to DEFAULT", c->name)).detail(fmt::format("Column \"{}\" is a generated column.", c->name));
      if (!is_default && c->identity == catalog::Identity::kAlways)
        throw Error(ErrorCode::kGeneratedAlways, fmt::format("column \"{}\" can only be updated to DEFAULT", c->name)).detail(fmt::format("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", c->name));
      if (is_default) t.expr = default_of(t.column, t.expr->type);
    }
  };
  if (q_.command == CommandKind::kUpdate) assignments(q_.targets);
  if (q_.on_conflict) assignments(q_.on_conflict->set);
  for (auto& a : q_.merge_actions) {
    if (a.command == CommandKind::kUpdate) assignments(a.targets);
    if (a.command == CommandKind::kInsert) {
      for (auto& t : a.targets) check_generated(*table, t.column, t.expr->kind == ExprKind::kSetToDefault);
      std::erase_if(a.targets, [](auto& t) { return t.expr->kind == ExprKind::kSetToDefault; });
    }
  }
  if (q_.instead_source > 0) {
    instead_at_ = q_.targets.size();
    for (auto& c : table->columns) {
      TargetEntry t;
      t.expr = make_var(q_.instead_source, c.number, c.type);
      t.name = c.name;
      t.junk = true;
      q_.targets.push_back(t);
    }
  } else if (q_.command != CommandKind::kInsert) {
    TargetEntry id;
    id.expr = make_var(q_.result_relation, system_column::kRowId, oid::kInt8);
    id.name = "ctid";
    id.junk = true;
    q_.targets.push_back(id);
    TargetEntry oid_entry;
    oid_entry.expr = make_var(q_.result_relation, system_column::kTableOid, oid::kOid);
    oid_entry.name = "tableoid";
    oid_entry.junk = true;
    q_.targets.push_back(oid_entry);
  }
  // A target that the FROM list lacks (DELETE and UPDATE name it themselves).
  if ((q_.command == CommandKind::kUpdate || q_.command == CommandKind::kDelete) && q_.instead_source == 0) {
    std::function<bool(const FromPtr&)> has = [&](const FromPtr& i) { return i->is_join ? has(i->left) || (i->right && has(i->right)) : i->relation == q_.result_relation; };
    if (std::none_of(q_.from.begin(), q_.from.end(), has)) {
      auto leaf = std::make_shared<FromItem>();
      leaf->relation = q_.result_relation;
      q_.from.insert(q_.from.begin(), leaf);
    }
  }
}

void Level::check_generated(const catalog::Relation& table, int16_t column, bool is_default) {
  if (is_default || column <= 0) return;
  const catalog::Column* c = table.column(column);
  if (c->generated)
    throw Error(ErrorCode::kGeneratedAlways, fmt::format("cannot insert a non-DEFAULT value into column \"{}\"", c->name)).detail(fmt::format("Column \"{}\" is a generated column.", c->name));
  if (c->identity == catalog::Identity::kAlways && !q_.overriding_system && !q_.overriding_user)
    throw Error(ErrorCode::kGeneratedAlways, fmt::format("cannot insert a non-DEFAULT value into column \"{}\"", c->name))
        .detail(fmt::format("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", c->name)).hint("Use OVERRIDING SYSTEM VALUE to override.");
}

// Columns of the source that RETURNING and MERGE's actions read.
void Level::add_modify_columns() {
  if (q_.command == CommandKind::kSelect) return;
  std::vector<ExprPtr> vars;
  auto collect = [&](const ExprPtr& e, bool target_too) {
    walk(e, [&](const Expr& x, int level) {
      if (x.kind != ExprKind::kVar || static_cast<const VarExpr&>(x).levels_up != level || level > 0) return false;
      auto& v = static_cast<const VarExpr&>(x);
      if ((v.relation == q_.result_relation && !target_too) || (q_.on_conflict && v.relation == q_.on_conflict->excluded_relation)) return false;
      add_distinct(vars, std::make_shared<VarExpr>(v));
      return false;
    });
  };
  for (auto& t : q_.returning) collect(t.expr, false);
  for (auto& a : q_.merge_actions) {
    collect(a.condition, true);
    for (auto& t : a.targets) collect(t.expr, true);
  }
  for (auto& v : vars) {
    if (std::any_of(q_.targets.begin(), q_.targets.end(), [&](auto& t) { return equal(t.expr, v); })) continue;
    TargetEntry t;
    t.expr = v;
    t.junk = true;
    q_.targets.push_back(t);
  }
}

NodePtr Level::plan_modify(NodePtr input) {
  if (input->type != NodeType::kProject) {
    auto p = std::make_shared<PlanNode>();
    p->type = NodeType::kProject;
    p->children = {input};
    p->set_targets = target_exprs();
    p->rows = input->rows;
    p->total = input->total;
    p->startup = input->startup;
    input = p;
  }
  auto info = std::make_shared<ModifyInfo>();
  auto rte = planner_.rte(q_.result_relation);
  auto table = planner_.relation(rte->relation);
  info->command = q_.command;
  info->rti = q_.result_relation;
  info->relation = rte->relation;
  info->alias = rte->alias;
  info->overriding_system = q_.overriding_system;
  info->overriding_user = q_.overriding_user;
  info->merge_actions = q_.merge_actions;
  info->returning = q_.returning;
  info->check_options = q_.check_options;
  info->can_set_tag = q_.can_set_tag && parent_ == nullptr;
  if (q_.on_conflict) {
    info->on_conflict = std::make_shared<OnConflict>(*q_.on_conflict);
    info->excluded_rti = q_.on_conflict->excluded_relation;
  }
  if (rte->inherit) info->child_relations = inheritance_children(*planner_.state, rte->relation);
  info->insert_slots.assign(table->columns.size(), -1);
  for (size_t i = 0; i < q_.targets.size(); ++i) {
    auto& t = q_.targets[i];
    if (!t.junk && t.column > 0) {
      if (q_.command == CommandKind::kInsert) info->insert_slots[static_cast<size_t>(t.column - 1)] = static_cast<int>(i);
      else info->assignments.emplace_back(t.column, static_cast<int>(i));
    }
    if (t.junk && t.expr->kind == ExprKind::kVar && static_cast<const VarExpr&>(*t.expr).relation == q_.result_relation) {
      if (static_cast<const VarExpr&>(*t.expr).column == system_column::kRowId && info->row_id_slot < 0) info->row_id_slot = static_cast<int>(i);
      if (static_cast<const VarExpr&>(*t.expr).column == system_column::kTableOid && info->table_oid_slot < 0) info->table_oid_slot = static_cast<int>(i);
    }
  }
  if (q_.instead_source > 0)
    for (size_t i = 0; i < table->columns.size(); ++i) info->old_slots.push_back(static_cast<int>(instead_at_ + i));
  auto n = std::make_shared<PlanNode>();
  n->type = NodeType::kModifyTable;
  n->children = {input};
  n->modify = info;
  n->rti = info->rti;
  n->relation = info->relation;
  n->table = table;
  n->alias = rte->alias;
  n->startup = input->startup;
  n->total = input->total;
  n->rows = q_.returning.empty() ? 0 : input->rows;
  n->width = 0;
  for (auto& t : q_.returning) n->layout.push_back(t.expr);
  return n;
}

}  // namespace stele::query

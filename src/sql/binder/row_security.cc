// Row level security: policies become conditions of the scans and checks of new rows, per user.
#include <set>

#include "sql/binder/binder.h"

namespace stele::sql {

namespace {

// Relations whose policies are being expanded: a policy that reads its own table would never end.
thread_local std::vector<Oid> expanding;

ExprPtr combine(BoolOp op, std::vector<ExprPtr> list) {
  if (list.size() == 1) return list[0];
  auto b = std::make_shared<BoolExpr>();
  b->op = op;
  b->type = oid::kBool;
  b->args = std::move(list);
  return b;
}

}  // namespace

bool Binder::policies_apply(const catalog::Relation& r, Oid user) {
  if (!r.row_security || ctx.user == 0) return false;
  auto role = cat.state()->get_as<catalog::Role>(catalog::ObjectKind::kRole, user);
  if (role != nullptr && (role->superuser || role->bypass_rls)) return false;
  if (!r.force_row_security && member_of(*cat.state(), user, r.owner)) return false;
  if (ctx.eval != nullptr && ctx.eval->setting) {
    const auto setting = ctx.eval->setting("row_security");
    if (setting && *setting == "off")
      fail(ErrorCode::kInsufficientPrivilege, "query would be affected by row-level security policy for table \"" + r.name + "\"", -1, {},
           r.owner == user ? "To disable the policy for the table's owner, use ALTER TABLE NO FORCE ROW LEVEL SECURITY." : "");
  }
  return true;
}

Binder::Policies Binder::policies_of(const catalog::Relation& r, Oid user, char command, bool check) {
  for (Oid o : expanding)
    if (o == r.oid) fail(ErrorCode::kInvalidObjectDefinition, "infinite recursion detected in policy for relation \"" + r.name + "\"");
  std::vector<catalog::Ptr<catalog::Policy>> found;
  cat.state()->for_each(catalog::ObjectKind::kPolicy, [&](const catalog::Ptr<catalog::Object>& o) {
    auto p = std::static_pointer_cast<const catalog::Policy>(o);
    if (p->relation != r.oid || (p->command != '*' && p->command != command)) return;
    bool mine = p->roles.empty();
    for (Oid role : p->roles) mine |= role == 0 || member_of(*cat.state(), user, role);
    if (mine) found.push_back(p);
  });
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
  Policies out;
  expanding.push_back(r.oid);
  struct Leave { ~Leave() { expanding.pop_back(); } } leave;
  std::vector<ExprPtr> permissive;
  bool open = false;
  CatalogView stored(cat.state(), {catalog::kPgCatalog}, 0, 0);
  for (const auto& p : found) {
    const std::string& sql = check && !p->check_sql.empty() ? p->check_sql : p->using_sql;
    if (sql.empty()) {
      if (p->permissive) open = true;
      continue;
    }
    ParsedExpression parsed = parse_expression(sql);
    BindContext c = ctx;
    c.view = &stored;
    c.text = sql;
    c.variables = nullptr;
    c.shadows = nullptr;
    c.params = nullptr;
    c.parameter = nullptr;
    c.held_rows = nullptr;
    ExprPtr e = bind_expression(parsed.node, &r, ExprContext::kPolicy, c);
    if (p->permissive) permissive.push_back(std::move(e));
    else out.restrictive.emplace_back(p->name, std::move(e));
  }
  if (!open) out.permissive = permissive.empty() ? bool_const(false) : combine(BoolOp::kOr, std::move(permissive));
  return out;
}

ExprPtr Binder::policy_condition(const Policies& p) {
  std::vector<ExprPtr> all;
  for (const auto& [name, e] : p.restrictive) all.push_back(e);
  if (p.permissive != nullptr) all.push_back(p.permissive);
  return all.empty() ? nullptr : combine(BoolOp::kAnd, std::move(all));
}

// Every relation that is read, but not the target of a change: it becomes a subquery behind its policies.
void Binder::apply_read_policies(Query& q) {
  for (size_t i = 0; i < q.range_table.size(); ++i) {
    const RtePtr rte = q.range_table[i];
    if (rte->kind != RteKind::kRelation || rte->relation < oid::kFirstUserOid || static_cast<int>(i) + 1 == q.result_relation) continue;
    if (rte->relkind != 'r' && rte->relkind != 'p') continue;
    if (q.on_conflict && q.on_conflict->excluded_relation == static_cast<int>(i) + 1) continue;
    auto r = cat.relation(rte->relation);
    if (r == nullptr || !r->row_security) continue;
    const Oid user = rte->check_as_user != 0 ? rte->check_as_user : ctx.user;
    if (!policies_apply(*r, user)) continue;
    ExprPtr condition = policy_condition(policies_of(*r, user, 'r', false));
    bool locked = false;
    for (const RowLock& l : q.row_locks) locked |= l.relation == static_cast<int>(i) + 1;
    if (locked) {
      ExprPtr more = policy_condition(policies_of(*r, user, 'w', false));
      if (more != nullptr) condition = condition == nullptr ? more : combine(BoolOp::kAnd, {condition, more});
    }
    if (condition == nullptr) continue;
    auto inner = std::make_shared<Query>();
    auto scan = std::make_shared<RangeTableEntry>(*rte);
    inner->range_table.push_back(scan);
    auto leaf = std::make_shared<FromItem>();
    leaf->relation = 1;
    inner->from.push_back(leaf);
    for (const catalog::Column& c : r->columns) {
      TargetEntry t;
      if (c.dropped) {
        t.expr = make_null(oid::kInt4);
      } else {
        auto v = std::make_shared<VarExpr>();
        v->relation = 1;
        v->column = c.number;
        v->type = c.type;
        v->typmod = c.typmod;
        v->collation = c.collation;
        t.expr = v;
      }
      t.name = c.name;
      t.resno = static_cast<int>(inner->targets.size()) + 1;
      inner->targets.push_back(std::move(t));
    }
    inner->where = condition;
    inner->has_sublinks = true;
    auto fresh = std::make_shared<RangeTableEntry>(*rte);
    fresh->kind = RteKind::kSubquery;
    fresh->subquery = inner;
    fresh->security_barrier = true;
    fresh->required_privileges = 0;
    q.range_table[i] = fresh;
  }
}

void Binder::apply_target_policies(Query& q) {
  if (q.result_relation <= 0) return;
  const int rti = q.result_relation;
  const RtePtr rte = q.range_table[static_cast<size_t>(rti - 1)];
  if (rte->kind != RteKind::kRelation || (rte->relkind != 'r' && rte->relkind != 'p')) return;
  auto r = cat.relation(rte->relation);
  const Oid user = rte->check_as_user != 0 ? rte->check_as_user : ctx.user;
  if (r == nullptr || !r->row_security || !policies_apply(*r, user)) return;
  auto to_target = [&](const ExprPtr& e) {
    return rewrite(e, [&](const ExprPtr& n, int level) -> ExprPtr {
      if (n->kind != ExprKind::kVar || as<VarExpr>(n).levels_up != level || as<VarExpr>(n).relation != 1) return nullptr;
      auto copy = std::make_shared<VarExpr>(as<VarExpr>(n));
      copy->relation = rti;
      return copy;
    });
  };
  auto add_where = [&](const ExprPtr& e) {
    if (e == nullptr) return;
    const ExprPtr c = to_target(e);
    q.where = q.where == nullptr ? c : combine(BoolOp::kAnd, {c, q.where});
    q.has_sublinks = true;
  };
  auto add_check = [&](const Policies& p) {
    auto add = [&](const ExprPtr& e, const std::string& name) {
      if (e == nullptr) return;
      CheckOption c;
      c.name = r->name;
      c.policy = true;
      c.policy_name = name;
      c.expr = to_target(e);
      q.check_options.push_back(std::move(c));
    };
    add(p.permissive, "");
    for (const auto& [name, e] : p.restrictive) add(e, name);
  };
  const bool reads = (rte->required_privileges & catalog::kSelect) != 0;
  if (q.command == CommandKind::kUpdate || q.command == CommandKind::kDelete) {
    add_where(policy_condition(policies_of(*r, user, q.command == CommandKind::kUpdate ? 'w' : 'd', false)));
    if (reads) add_where(policy_condition(policies_of(*r, user, 'r', false)));
  }
  if (q.command == CommandKind::kInsert) add_check(policies_of(*r, user, 'a', true));
  if (q.command == CommandKind::kUpdate || (q.on_conflict && q.on_conflict->do_update)) add_check(policies_of(*r, user, 'w', true));
  if (reads && q.command != CommandKind::kDelete && !q.returning.empty()) add_check(policies_of(*r, user, 'r', false));
}

}  // namespace stele::sql

#include "sql/binder/privileges.h"

#include <set>

#include "base/error.h"
#include "query/rewrite.h"
#include "types/oids.h"

namespace stele::sql {
namespace {

using catalog::ObjectKind;

struct Checker {
  const catalog::State& state;
  std::set<Oid> roles;  // the role and what it is a member of
  bool as_user = false;

  Checker(const catalog::State& s, Oid role) : state(s), roles{role} {
    std::vector<Oid> todo{role};
    while (!todo.empty()) {
      auto r = s.get_as<catalog::Role>(ObjectKind::kRole, todo.back());
      todo.pop_back();
      if (r == nullptr) continue;
      for (const auto& m : r->member_of)
        if (roles.insert(m.role).second) todo.push_back(m.role);
    }
  }
  uint32_t granted(const std::vector<catalog::AclItem>& acl) const {
    uint32_t bits = 0;
    for (const catalog::AclItem& i : acl)
      if (i.grantee == 0 || roles.contains(i.grantee)) bits |= i.privileges;
    return bits;
  }
  bool columns_allow(const catalog::Relation& r, const std::vector<int16_t>& columns, uint32_t privilege) const {
    if (columns.empty()) {
      // No column in particular (count(*)): any one column will do.
      for (const catalog::Column& c : r.columns)
        if (!c.dropped && c.acl && (granted(*c.acl) & privilege) != 0) return true;
      return false;
    }
    for (int16_t n : columns) {
      if (n <= 0) return false;
      const catalog::Column* c = r.column(n);
      if (c == nullptr || !c->acl || (granted(*c->acl) & privilege) == 0) return false;
    }
    return true;
  }
  void check(const query::RangeTableEntry& rte) const {
    if (rte.kind != query::RteKind::kRelation || rte.required_privileges == 0 || rte.relation < oid::kFirstUserOid) return;
    if (rte.check_as_user != 0 && !as_user) {   // below a view: its owner's privileges count
      auto owner = state.get_as<catalog::Role>(ObjectKind::kRole, rte.check_as_user);
      if (owner != nullptr && owner->superuser) return;
      Checker other(state, rte.check_as_user);
      other.as_user = true;
      other.check(rte);
      return;
    }
    auto r = state.relation(rte.relation);
    if (r == nullptr || roles.contains(r->owner)) return;
    uint32_t have = r->acl ? granted(*r->acl) : 0;
    // pg_read_all_data and pg_write_all_data.
    if (roles.contains(6181)) have |= catalog::kSelect;
    if (roles.contains(6182)) have |= catalog::kInsert | catalog::kUpdate | catalog::kDelete;
    uint32_t missing = rte.required_privileges & ~have;
    if ((missing & catalog::kSelect) != 0 && columns_allow(*r, rte.selected_columns, catalog::kSelect)) missing &= ~static_cast<uint32_t>(catalog::kSelect);
    if ((missing & catalog::kInsert) != 0 && columns_allow(*r, rte.inserted_columns, catalog::kInsert)) missing &= ~static_cast<uint32_t>(catalog::kInsert);
    if ((missing & catalog::kUpdate) != 0 && columns_allow(*r, rte.updated_columns, catalog::kUpdate)) missing &= ~static_cast<uint32_t>(catalog::kUpdate);
    if (missing == 0) return;
    const char* kind = r->relkind == 'v' ? "view" : r->relkind == 'm' ? "materialized view" : r->relkind == 'S' ? "sequence" : "table";
    throw Error(ErrorCode::kInsufficientPrivilege, std::string("permission denied for ") + kind + " " + r->name);
  }
  void range_tables(const query::Query& q) const {
    for (const auto& rte : q.range_table) {
      check(*rte);
      if (rte->subquery != nullptr) range_tables(*rte->subquery);
    }
    for (const query::CommonTable& c : q.ctes) range_tables(*c.query);
  }
};

}  // namespace

void check_privileges(const query::Query& q, const catalog::State& state, Oid role) {
  auto r = state.get_as<catalog::Role>(ObjectKind::kRole, role);
  if (r == nullptr || r->superuser) return;
  Checker c(state, role);
  c.range_tables(q);
  query::walk_query(q, [&](const query::Expr& e, int) {
    if (e.kind == query::ExprKind::kFunc) {
      const Oid func = static_cast<const query::FuncExpr&>(e).func;
      auto f = func >= oid::kFirstUserOid ? state.function(func) : nullptr;
      if (f != nullptr && f->acl && !c.roles.contains(f->owner) && (c.granted(*f->acl) & catalog::kExecute) == 0)
        throw Error(ErrorCode::kInsufficientPrivilege, "permission denied for function " + f->name);
    }
    if (e.kind == query::ExprKind::kSubLink) c.range_tables(*static_cast<const query::SubLinkExpr&>(e).subquery);
    return false;
  }, 0);
}

}  // namespace stele::sql

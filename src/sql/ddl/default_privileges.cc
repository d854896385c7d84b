// ALTER DEFAULT PRIVILEGES: what new objects of a role start with. Kept as settings named "default_acl/role/schema/type".
#include "sql/ddl/ddl.h"

namespace stele::sql {

namespace {
using Acl = std::vector<catalog::AclItem>;

uint32_t all_of(char type) {
  switch (type) {
    case 'r': return catalog::kInsert | catalog::kSelect | catalog::kUpdate | catalog::kDelete | catalog::kTruncate | catalog::kReferences | catalog::kTriggerPriv;
    case 'S': return catalog::kUsage | catalog::kSelect | catalog::kUpdate;
    case 'f': return catalog::kExecute;
    case 'n': return catalog::kUsage | catalog::kCreate;
    default: return catalog::kUsage;
  }
}
// What an object of the kind has when nobody said anything.
Acl built_in(char type, Oid owner) {
  Acl out;
  if (type == 'f' || type == 'T') out.push_back({0, owner, all_of(type), 0});
  out.push_back({owner, owner, all_of(type), 0});
  return out;
}
bool same(Acl a, Acl b) {
  auto key = [](const catalog::AclItem& i) { return std::tuple(i.grantee, i.grantor, i.privileges, i.grant_options); };
  auto less = [&](const auto& x, const auto& y) { return key(x) < key(y); };
  std::sort(a.begin(), a.end(), less);
  std::sort(b.begin(), b.end(), less);
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [&](const auto& x, const auto& y) { return key(x) == key(y); });
}
void change(Acl& acl, bool grant, bool option, Oid grantor, const std::vector<Oid>& grantees, uint32_t privileges) {
  for (Oid g : grantees) {
    auto it = std::find_if(acl.begin(), acl.end(), [&](const auto& i) { return i.grantee == g; });
    if (grant) {
      if (it == acl.end()) it = acl.insert(acl.end(), {g, grantor, 0, 0});
      it->privileges |= privileges;
      if (option) it->grant_options |= privileges;
    } else if (it != acl.end()) {
      if (!option) it->privileges &= ~privileges;
      it->grant_options &= ~privileges;
      if (it->privileges == 0) acl.erase(it);
    }
  }
}
std::string setting_name(Oid role, Oid schema, char type) { return "default_acl/" + std::to_string(role) + "/" + std::to_string(schema) + "/" + std::string(1, type); }
}  // namespace

void Ddl::alter_default_privileges(const pg::AlterDefaultPrivilegesStmt* s) {
  std::vector<Oid> roles, schemas;
  for (const Node* n : PG_LIST(s, options)) {
    const std::string k = n->def_elem->defname;
    for (const Node* x : PG_LIST(n->def_elem->arg->list, items)) {
      if (k == "roles") {
        roles.push_back(role_spec(x->role_spec));
        if (!host.superuser() && !is_member(host.current_user(), roles.back())) fail(ErrorCode::kInsufficientPrivilege, "must be member of role \"" + view().role_name(roles.back()) + "\"");
      } else {
        const std::string name(pg::str(x));
        const Oid schema = view().schema(name);
        if (schema == 0) fail(ErrorCode::kInvalidSchemaName, "schema \"" + name + "\" does not exist");
        schemas.push_back(schema);
      }
    }
  }
  if (roles.empty()) roles.push_back(host.current_user());
  auto wrong = [](std::string message) {
    Error e(ErrorCode::kInvalidGrantor, std::move(message));
    e.set_sqlstate("0LP01");   // invalid_grant_operation
    throw e;
  };
  const pg::GrantStmt* g = s->action;
  char type = 'r';
  const char* what = "relation";
  switch (g->objtype) {
    case pg::OBJECT_SEQUENCE: type = 'S'; what = "sequence"; break;
    case pg::OBJECT_FUNCTION: case pg::OBJECT_ROUTINE: case pg::OBJECT_PROCEDURE: type = 'f'; what = "function"; break;
    case pg::OBJECT_TYPE: type = 'T'; what = "type"; break;
    case pg::OBJECT_SCHEMA: type = 'n'; what = "schema"; break;
    default: break;
  }
  if (type == 'n' && !schemas.empty()) wrong("cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS");
  if (schemas.empty()) schemas.push_back(0);
  static const std::map<std::string, uint32_t> kNames = {{"insert", catalog::kInsert}, {"select", catalog::kSelect}, {"update", catalog::kUpdate}, {"delete", catalog::kDelete},
      {"truncate", catalog::kTruncate}, {"references", catalog::kReferences}, {"trigger", catalog::kTriggerPriv}, {"execute", catalog::kExecute}, {"usage", catalog::kUsage}, {"create", catalog::kCreate}};
  uint32_t privileges = g->n_privileges == 0 ? all_of(type) : 0;
  for (const Node* n : PG_LIST(g, privileges)) {
    if (n->access_priv->n_cols > 0) wrong("default privileges cannot be set for columns");
    const std::string name = pg::has(n->access_priv->priv_name) ? n->access_priv->priv_name : "";
    auto it = kNames.find(name);
    if (it == kNames.end()) fail(ErrorCode::kSyntaxError, "unrecognized privilege type \"" + name + "\"");
    if ((it->second & ~all_of(type)) != 0) wrong("invalid privilege type " + upper(name) + " for " + what);
    privileges |= it->second;
  }
  std::vector<Oid> grantees;
  for (const Node* n : PG_LIST(g, grantees)) grantees.push_back(role_spec(n->role_spec));
  if (g->is_grant && g->grant_option && std::find(grantees.begin(), grantees.end(), Oid{0}) != grantees.end())
    wrong("grant options can only be granted to roles");
  for (Oid role : roles)
    for (Oid schema : schemas) {
      const std::string name = setting_name(role, schema, type);
      auto old = std::static_pointer_cast<const catalog::Setting>(state()->find(ObjectKind::kSetting, 0, name));
      Acl acl = old != nullptr && old->acl ? *old->acl : schema == 0 ? built_in(type, role) : Acl{};
      change(acl, g->is_grant, g->grant_option, role, grantees, privileges);
      std::stable_sort(acl.begin(), acl.end(), [](const auto& a, const auto& b) { return a.grantee < b.grantee; });
      // Back to what holds anyway: nothing to keep.
      if (schema == 0 ? same(acl, built_in(type, role)) : acl.empty()) {
        if (old != nullptr) changes().drop(ObjectKind::kSetting, old->oid);
        continue;
      }
      auto m = std::make_shared<catalog::Setting>();
      m->oid = old != nullptr ? old->oid : catalog().allocate_oid();
      m->name = name;
      m->owner = role;
      m->acl = acl;
      put(m);
    }
}

// The privileges that a new object of `owner` starts with; nullopt: its kind's own.
std::optional<std::vector<catalog::AclItem>> Ddl::default_acl(char type, Oid owner, Oid schema) {
  auto find = [&](Oid in) { return std::static_pointer_cast<const catalog::Setting>(state()->find(ObjectKind::kSetting, 0, setting_name(owner, in, type))); };
  auto everywhere = find(0), here = type == 'n' || schema == 0 ? nullptr : find(schema);
  if (everywhere == nullptr && here == nullptr) return std::nullopt;
  Acl acl = everywhere != nullptr ? *everywhere->acl : built_in(type, owner);
  if (here != nullptr)
    for (const auto& item : *here->acl) {
      auto it = std::find_if(acl.begin(), acl.end(), [&](const auto& i) { return i.grantee == item.grantee && i.grantor == item.grantor; });
      if (it == acl.end()) acl.push_back(item);
      else {
        it->privileges |= item.privileges;
        it->grant_options |= item.grant_options;
      }
    }
  if (same(acl, built_in(type, owner))) return std::nullopt;
  return acl;
}

}  // namespace stele::sql

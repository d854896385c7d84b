// Roles, memberships and GRANT.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "sql/ddl/ddl.h"

namespace stele::sql {
namespace {

std::string base64(const unsigned char* bytes, size_t n) {
  std::string out((n + 2) / 3 * 4 + 1, '\0');  // the terminator is written too
  out.resize(static_cast<size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes, static_cast<int>(n))));
  return out;
}

// What is kept of a password: SCRAM-SHA-256$4096:salt$StoredKey:ServerKey. Verifiers pass as they are.
std::string password_verifier(const std::string& password) {
  if (password.starts_with("SCRAM-SHA-256$") || password.empty()) return password;
  constexpr int kIterations = 4096;
  unsigned char salt[16], salted[32], client[32], stored[32], server[32];
  RAND_bytes(salt, sizeof salt);
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt, sizeof salt, kIterations, EVP_sha256(), sizeof salted, salted);
  auto hmac = [&](std::string_view text, unsigned char* out) {
    unsigned int n = 32;
    HMAC(EVP_sha256(), salted, sizeof salted, reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &n);
  };
  hmac("Client Key", client);
  hmac("Server Key", server);
  SHA256(client, sizeof client, stored);
  return fmt::format("SCRAM-SHA-256${}:{}${}:{}", kIterations, base64(salt, sizeof salt), base64(stored, 32), base64(server, 32));
}

}  // namespace

void Ddl::role_options(catalog::Role& r, std::span<Node* const> list, std::vector<std::pair<std::string, const Node*>>* members) {
  for (const Node* n : list) {
    const pg::DefElem* d = n->def_elem;
    std::string_view k = d->defname;
    if (k == "superuser") r.superuser = def_bool(d);
    else if (k == "inherit") r.inherit = def_bool(d);
    else if (k == "createrole") r.create_role = def_bool(d);
    else if (k == "createdb") r.create_db = def_bool(d);
    else if (k == "canlogin") r.login = def_bool(d);
    else if (k == "isreplication") r.replication = def_bool(d);
    else if (k == "bypassrls") r.bypass_rls = def_bool(d);
    else if (k == "connectionlimit") r.connection_limit = static_cast<int>(def_int(d));
    else if (k == "validUntil") r.valid_until = def_string(d);
    else if (k == "password") r.password = d->arg == nullptr ? "" : password_verifier(def_string(d));
    else if (members != nullptr) members->emplace_back(std::string(k), d->arg);
  }
  if (r.superuser && !host.superuser()) fail(ErrorCode::kInsufficientPrivilege, "must be superuser to create superusers");
}

void Ddl::create_role(const pg::CreateRoleStmt* s) {
  auto me = state()->get_as<catalog::Role>(ObjectKind::kRole, host.current_user());
  if (!host.superuser() && (me == nullptr || !me->create_role)) fail(ErrorCode::kInsufficientPrivilege, "permission denied to create role");
  std::string name = s->role;
  if (name.starts_with("pg_")) fail(ErrorCode::kReservedName, "role name \"" + name + "\" is reserved", -1, "Role names starting with \"pg_\" are reserved.");
  if (state()->find(ObjectKind::kRole, 0, name) != nullptr) fail(ErrorCode::kDuplicateObject, "role \"" + name + "\" already exists");
  auto r = std::make_shared<catalog::Role>();
  r->oid = catalog().allocate_oid();
  r->name = name;
  r->login = s->stmt_type == pg::ROLESTMT_USER;
  std::vector<std::pair<std::string, const Node*>> members;
  role_options(*r, PG_LIST(s, options), &members);
  for (auto& [kind, list] : members)
    if (kind == "addroleto" && list != nullptr)
      for (const Node* n : PG_LIST(list->list, items)) r->member_of.push_back({role_spec(n->role_spec), false, host.current_user()});
  put(r);
  for (auto& [kind, list] : members)
    if ((kind == "rolemembers" || kind == "adminmembers") && list != nullptr)
      for (const Node* n : PG_LIST(list->list, items)) {
        auto m = edit(state()->get_as<catalog::Role>(ObjectKind::kRole, role_spec(n->role_spec)));
        m->member_of.push_back({r->oid, kind == "adminmembers", host.current_user()});
        put(m);
      }
}

void Ddl::alter_role(const pg::AlterRoleStmt* s) {
  Oid oid = role_spec(s->role);
  auto me = state()->get_as<catalog::Role>(ObjectKind::kRole, host.current_user());
  if (!host.superuser() && oid != host.current_user() && (me == nullptr || !me->create_role)) fail(ErrorCode::kInsufficientPrivilege, "permission denied");
  auto r = edit(state()->get_as<catalog::Role>(ObjectKind::kRole, oid));
  std::vector<std::pair<std::string, const Node*>> members;
  role_options(*r, PG_LIST(s, options), &members);
  put(r);
  for (auto& [kind, list] : members)
    if (kind == "rolemembers" && list != nullptr)
      for (const Node* n : PG_LIST(list->list, items)) {
        auto m = edit(state()->get_as<catalog::Role>(ObjectKind::kRole, role_spec(n->role_spec)));
        std::erase_if(m->member_of, [&](const auto& x) { return x.role == oid; });
        if (s->action > 0) m->member_of.push_back({oid, false, host.current_user()});
        put(m);
      }
}

void Ddl::alter_role_set(Oid role, const std::string&, const pg::VariableSetStmt* set) {
  if (role == 0) fail(ErrorCode::kFeatureNotSupported, "ALTER ROLE ALL is not supported");
  auto r = edit(state()->get_as<catalog::Role>(ObjectKind::kRole, role));
  if (set->kind == pg::VAR_RESET_ALL) r->settings.clear();
  else if (set->kind == pg::VAR_RESET || set->kind == pg::VAR_SET_DEFAULT) r->settings.erase(set->name);
  else {
    std::string value;
    for (const Node* a : PG_LIST(set, args))
      if (a->node_case == pg::kAConst) {
        const pg::AConst* c = a->a_const;
        value += (value.empty() ? "" : ", ") + (c->val_case == PG_QUERY__A__CONST__VAL_IVAL ? std::to_string(c->ival->ival)
                                                : c->val_case == PG_QUERY__A__CONST__VAL_FVAL ? std::string(c->fval->fval) : std::string(c->sval->sval));
      }
    r->settings[set->name] = value;
  }
  put(r);
}

void Ddl::drop_role(const pg::DropRoleStmt* s) {
  for (const Node* n : PG_LIST(s, roles)) {
    std::string name = n->role_spec->rolename;
    auto r = role_named(name, true);
    if (r == nullptr) {
      if (!s->missing_ok) fail(ErrorCode::kUndefinedObject, "role \"" + name + "\" does not exist");
      notice("role \"" + name + "\" does not exist, skipping");
      continue;
    }
    if (r->oid == host.current_user()) fail(ErrorCode::kObjectInUse, "current user cannot be dropped");
    std::string owned;
    auto scan = [&](ObjectKind kind) {
      state()->for_each(kind, [&](const Ptr<catalog::Object>& o) {
        if (kind == ObjectKind::kRelation && static_cast<const Relation&>(*o).index) return;
        if (o->owner == r->oid) owned += (owned.empty() ? "" : "\n") + ("owner of " + describe({kind, o->oid, 0}));
        else if (o->acl)
          for (auto& i : *o->acl)
            if (i.grantee == r->oid) { owned += (owned.empty() ? "" : "\n") + ("privileges for " + describe({kind, o->oid, 0})); break; }
      });
    };
    for (ObjectKind k : {ObjectKind::kDatabase, ObjectKind::kSchema, ObjectKind::kRelation, ObjectKind::kFunction}) scan(k);
    // What other databases have of it is only counted.
    std::map<Oid, int> elsewhere;
    auto all = catalog().state();
    for (ObjectKind k : {ObjectKind::kSchema, ObjectKind::kRelation, ObjectKind::kFunction, ObjectKind::kType})
      all->for_each(k, [&](const Ptr<catalog::Object>& o) {
        // Row and array types are owned through what they are of.
        if (k == ObjectKind::kType && (static_cast<const catalog::Type&>(*o).relation != 0 || static_cast<const catalog::Type&>(*o).element != 0)) return;
        bool concerned = o->owner == r->oid;
        if (o->acl)
          for (auto& i : *o->acl) concerned = concerned || i.grantee == r->oid;
        auto schema = o->schema_oid() != 0 ? all->get(ObjectKind::kSchema, o->schema_oid()) : o;
        if (concerned && schema != nullptr && schema->database != changes().database()) ++elsewhere[schema->database];
      });
    for (auto& [database, n] : elsewhere) {
      auto d = all->get(ObjectKind::kDatabase, database);
      owned += (owned.empty() ? "" : "\n") + std::to_string(n) + (n == 1 ? " object" : " objects") + " in database " + (d != nullptr ? d->name : "stele");
    }
    if (!owned.empty()) fail(ErrorCode::kDependentObjectsStillExist, "role \"" + name + "\" cannot be dropped because some objects depend on it", -1, owned);
    changes().drop(ObjectKind::kRole, r->oid);
  }
}

void Ddl::grant_role(const pg::GrantRoleStmt* s) {
  for (const Node* g : PG_LIST(s, granted_roles)) {
    auto role = role_named(g->access_priv->priv_name);
    for (const Node* n : PG_LIST(s, grantee_roles)) {
      auto m = edit(state()->get_as<catalog::Role>(ObjectKind::kRole, role_spec(n->role_spec)));
      bool already = false;
      for (auto& x : m->member_of) already = already || x.role == role->oid;
      if (s->is_grant) {
        if (already && !s->admin_opt) {
          notice("role \"" + m->name + "\" is already a member of role \"" + role->name + "\"");
          continue;
        }
        if (is_member(role->oid, m->oid) && !role->superuser)
          fail(ErrorCode::kInvalidGrantor, "role \"" + role->name + "\" is a member of role \"" + m->name + "\"");
        std::erase_if(m->member_of, [&](const auto& x) { return x.role == role->oid; });
        m->member_of.push_back({role->oid, s->admin_opt != 0, host.current_user()});
      } else {
        if (!already) notice("role \"" + m->name + "\" is not a member of role \"" + role->name + "\"", {}, {}, "WARNING", ErrorCode::kWarning);
        std::erase_if(m->member_of, [&](const auto& x) { return x.role == role->oid; });
      }
      put(m);
    }
  }
}

void Ddl::grant(const pg::GrantStmt* s) {
  auto bit = [&](std::string_view p) -> uint32_t {
    static const std::pair<const char*, uint32_t> kNames[] = {{"insert", catalog::kInsert}, {"select", catalog::kSelect}, {"update", catalog::kUpdate}, {"delete", catalog::kDelete},
        {"truncate", catalog::kTruncate}, {"references", catalog::kReferences}, {"trigger", catalog::kTriggerPriv}, {"execute", catalog::kExecute}, {"usage", catalog::kUsage},
        {"create", catalog::kCreate}, {"temporary", catalog::kTemp}, {"temp", catalog::kTemp}, {"connect", catalog::kConnect}};
    for (auto& [name, b] : kNames)
      if (p == name) return b;
    fail(ErrorCode::kSyntaxError, "unrecognized privilege type \"" + std::string(p) + "\"");
  };
  uint32_t all_table = catalog::kInsert | catalog::kSelect | catalog::kUpdate | catalog::kDelete | catalog::kTruncate | catalog::kReferences | catalog::kTriggerPriv;
  auto all_of = [&](ObjectKind kind, char relkind) -> uint32_t {
    if (kind == ObjectKind::kSchema) return catalog::kUsage | catalog::kCreate;
    if (kind == ObjectKind::kFunction) return catalog::kExecute;
    if (kind == ObjectKind::kType) return catalog::kUsage;
    if (kind == ObjectKind::kDatabase) return catalog::kCreate | catalog::kTemp | catalog::kConnect;
    return relkind == 'S' ? catalog::kUsage | catalog::kSelect | catalog::kUpdate : all_table;
  };
  std::vector<std::pair<uint32_t, std::vector<std::string>>> wanted;
  for (const Node* n : PG_LIST(s, privileges))
    wanted.emplace_back(pg::has(n->access_priv->priv_name) ? bit(n->access_priv->priv_name) : 0, pg::strings(PG_LIST(n->access_priv, cols)));
  std::vector<Oid> grantees;
  for (const Node* n : PG_LIST(s, grantees)) grantees.push_back(role_spec(n->role_spec));
  auto apply = [&](std::optional<std::vector<catalog::AclItem>>& acl, Oid owner, uint32_t all, uint32_t public_default, uint32_t privileges, bool column) {
    if (!acl) {
      acl.emplace();
      if (!column) {
        acl->push_back({owner, owner, all, 0});
        if (public_default != 0) acl->push_back({0, owner, public_default, 0});
      }
    }
    for (Oid g : grantees) {
      auto it = std::find_if(acl->begin(), acl->end(), [&](const auto& i) { return i.grantee == g; });
      if (s->is_grant) {
        if (it == acl->end()) it = acl->insert(acl->end(), {g, owner, 0, 0});
        it->privileges |= privileges;
        if (s->grant_option) it->grant_options |= privileges;
      } else if (it != acl->end()) {
        if (!s->grant_option) it->privileges &= ~privileges;
        it->grant_options &= ~privileges;
        if (it->privileges == 0) acl->erase(it);
      }
    }
  };
  auto one = [&](auto object, uint32_t public_default) {
    if (object == nullptr) return;
    auto m = edit(object);
    char relkind = 0;
    if constexpr (std::is_same_v<decltype(m), std::shared_ptr<Relation>>) relkind = m->relkind;
    uint32_t all = all_of(m->kind(), relkind);
    if (!host.superuser() && !is_member(host.current_user(), m->owner))
      fail(ErrorCode::kInsufficientPrivilege, std::string("permission denied for ") + (relkind != 0 ? relkind_word(relkind) : m->kind() == ObjectKind::kSchema ? "schema" : "object") + " " + m->name);
    uint32_t privileges = wanted.empty() ? all : 0;
    for (auto& [p, cols] : wanted) {
      if (cols.empty()) { privileges |= p == 0 ? all : p; continue; }
      if constexpr (std::is_same_v<decltype(m), std::shared_ptr<Relation>>) {
        for (const std::string& name : cols) {
          const Column* c = m->column(std::string_view(name));
          if (c == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + name + "\" of relation \"" + m->name + "\" does not exist");
          apply(m->columns[c->number - 1].acl, m->owner, 0, 0, p == 0 ? catalog::kSelect | catalog::kInsert | catalog::kUpdate | catalog::kReferences : p, true);
        }
      }
    }
    if ((privileges & ~all) != 0) fail(ErrorCode::kInvalidParameterValue, "invalid privilege type for " + std::string(relkind != 0 ? "relation" : "object"));
    if (privileges != 0) apply(m->acl, m->owner, all, public_default, privileges, false);
    put(m);
  };
  if (s->targtype == pg::ACL_TARGET_ALL_IN_SCHEMA) {
    for (const Node* n : PG_LIST(s, objects)) {
      Oid schema = view().schema(pg::str(n));
      if (schema == 0) fail(ErrorCode::kInvalidSchemaName, "schema \"" + std::string(pg::str(n)) + "\" does not exist");
      std::vector<Ptr<Relation>> found;
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto r = std::static_pointer_cast<const Relation>(o);
        bool sequence = s->objtype == pg::OBJECT_SEQUENCE;
        if (r->schema == schema && (sequence ? r->relkind == 'S' : r->relkind == 'r' || r->relkind == 'p' || r->relkind == 'v' || r->relkind == 'm')) found.push_back(r);
      });
      if (s->objtype == pg::OBJECT_TABLE || s->objtype == pg::OBJECT_SEQUENCE)
        for (auto& r : found) one(r, 0u);
    }
    return;
  }
  for (const Node* n : PG_LIST(s, objects)) {
    switch (s->objtype) {
      case pg::OBJECT_TABLE: case pg::OBJECT_SEQUENCE: one(relation(n->range_var), 0u); break;
      case pg::OBJECT_SCHEMA: {
        auto o = std::static_pointer_cast<const catalog::Schema>(state()->find(ObjectKind::kSchema, 0, pg::str(n)));
        if (o == nullptr) fail(ErrorCode::kInvalidSchemaName, "schema \"" + std::string(pg::str(n)) + "\" does not exist");
        one(o, 0u);
        break;
      }
      case pg::OBJECT_DATABASE: {
        one(database_named(pg::str(n)), static_cast<uint32_t>(catalog::kTemp | catalog::kConnect));
        break;
      }
      case pg::OBJECT_FUNCTION: case pg::OBJECT_PROCEDURE: case pg::OBJECT_ROUTINE: {
        BindContext b = bind();
        one(state()->function(find_function(n->object_with_args, 0, b, false)), static_cast<uint32_t>(catalog::kExecute));
        break;
      }
      case pg::OBJECT_TYPE: case pg::OBJECT_DOMAIN: {
        std::vector<std::string> names = pg::strings(PG_LIST(n->list, items));
        const TypeRow* t = view().find_type(names.back());
        if (t == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + names.back() + "\" does not exist");
        one(state()->type(t->oid), static_cast<uint32_t>(catalog::kUsage));
        break;
      }
      default: break;
    }
  }
}

void Ddl::reassign_owned(const pg::ReassignOwnedStmt* s) {
  Oid to = role_spec(s->newrole);
  for (const Node* n : PG_LIST(s, roles)) {
    Oid from = role_spec(n->role_spec);
    auto move = [&](auto tag, ObjectKind kind) {
      using T = decltype(tag);
      std::vector<Ptr<T>> found;
      state()->for_each(kind, [&](const Ptr<catalog::Object>& o) {
        if (o->owner == from) found.push_back(std::static_pointer_cast<const T>(o));
      });
      for (auto& o : found) {
        auto m = edit(o);
        m->owner = to;
        put(m);
      }
    };
    move(Relation{}, ObjectKind::kRelation);
    move(catalog::Schema{}, ObjectKind::kSchema);
    move(catalog::Type{}, ObjectKind::kType);
    move(catalog::Function{}, ObjectKind::kFunction);
  }
}

void Ddl::drop_owned(const pg::DropOwnedStmt* s) {
  std::vector<ObjectAddress> targets;
  for (const Node* n : PG_LIST(s, roles)) {
    Oid role = role_spec(n->role_spec);
    for (ObjectKind k : {ObjectKind::kSchema, ObjectKind::kRelation, ObjectKind::kFunction})
      state()->for_each(k, [&](const Ptr<catalog::Object>& o) {
        if (o->owner != role) return;
        if (k == ObjectKind::kRelation && static_cast<const Relation&>(*o).index) return;
        targets.push_back({k, o->oid, 0});
      });
  }
  if (!targets.empty()) drop(targets, s->behavior == pg::DROP_CASCADE);
}

}  // namespace stele::sql

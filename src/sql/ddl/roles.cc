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
    std::map<Oid, std::string> found;   // in the order in which they were made
    auto scan = [&](ObjectKind kind) {
      state()->for_each(kind, [&](const Ptr<catalog::Object>& o) {
        if (kind == ObjectKind::kRelation && static_cast<const Relation&>(*o).index) return;
        if (kind == ObjectKind::kType && (static_cast<const catalog::Type&>(*o).relation != 0 || static_cast<const catalog::Type&>(*o).element != 0)) return;
        if (kind == ObjectKind::kPolicy) {
          const auto& p = static_cast<const catalog::Policy&>(*o);
          if (std::find(p.roles.begin(), p.roles.end(), r->oid) != p.roles.end()) found[o->oid] = "target of " + describe({kind, o->oid, 0});
          return;
        }
        bool granted = false;
        auto look = [&](const std::optional<std::vector<catalog::AclItem>>& acl) {
          if (acl)
            for (auto& i : *acl) granted = granted || i.grantee == r->oid;
        };
        look(o->acl);
        if (kind == ObjectKind::kRelation)
          for (const Column& c : static_cast<const Relation&>(*o).columns) look(c.acl);
        if (o->owner == r->oid) found[o->oid] = "owner of " + describe({kind, o->oid, 0});
        else if (granted) found[o->oid] = "privileges for " + describe({kind, o->oid, 0});
      });
    };
    for (ObjectKind k : {ObjectKind::kDatabase, ObjectKind::kSchema, ObjectKind::kRelation, ObjectKind::kFunction, ObjectKind::kType, ObjectKind::kPolicy}) scan(k);
    std::string owned;
    for (auto& [oid, text] : found) owned += (owned.empty() ? "" : "\n") + text;
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

}  // namespace stele::sql

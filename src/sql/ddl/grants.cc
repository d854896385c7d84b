// GRANT and REVOKE: access control lists with grantors, grant options and what depends on them.
#include <bit>

#include "sql/ddl/ddl.h"

namespace stele::sql {

using catalog::AclItem;

namespace {
using Acl = std::vector<AclItem>;

[[noreturn]] void invalid_grant(std::string message, std::string hint = {}) {
  Error e(ErrorCode::kInvalidGrantor, std::move(message));
  e.set_sqlstate("0LP01");
  throw std::move(e).hint(std::move(hint));
}

constexpr uint32_t kTablePrivileges = catalog::kInsert | catalog::kSelect | catalog::kUpdate | catalog::kDelete | catalog::kTruncate | catalog::kReferences | catalog::kTriggerPriv;
constexpr uint32_t kColumnPrivileges = catalog::kInsert | catalog::kSelect | catalog::kUpdate | catalog::kReferences;
constexpr uint32_t kSequencePrivileges = catalog::kUsage | catalog::kSelect | catalog::kUpdate;

struct PrivilegeName { const char* name; uint32_t bit; };
constexpr PrivilegeName kNames[] = {{"insert", catalog::kInsert}, {"select", catalog::kSelect}, {"update", catalog::kUpdate}, {"delete", catalog::kDelete},
    {"truncate", catalog::kTruncate}, {"references", catalog::kReferences}, {"trigger", catalog::kTriggerPriv}, {"execute", catalog::kExecute}, {"usage", catalog::kUsage},
    {"create", catalog::kCreate}, {"temporary", catalog::kTemp}, {"temp", catalog::kTemp}, {"connect", catalog::kConnect}};

// One kind of object as the messages call it, and what can be granted on it.
struct Kind { const char* word; uint32_t all; uint32_t everyone; };

// A list under change; the owner has every grant option without an entry.
struct List {
  Ddl& ddl;
  Acl& acl;
  Oid owner;

  // Of `mask`, what `role` can grant on, by itself, its roles or PUBLIC.
  uint32_t grantable(Oid role, uint32_t mask) const {
    if (ddl.is_member(role, owner)) return mask;
    uint32_t out = 0;
    for (const AclItem& i : acl)
      if (i.grantee != 0 && ddl.is_member(role, i.grantee)) out |= i.grant_options & mask;
    return out;
  }
  uint32_t held(Oid role, uint32_t mask) const {
    if (ddl.is_member(role, owner)) return mask;
    uint32_t out = 0;
    for (const AclItem& i : acl)
      if (i.grantee == 0 || ddl.is_member(role, i.grantee)) out |= (i.privileges | i.grant_options) & mask;
    return out;
  }
  // Grant options of exactly this role, as chains of grants are followed.
  uint32_t own_options(Oid role, uint32_t mask) const {
    if (role == owner) return mask;
    uint32_t out = 0;
    for (const AclItem& i : acl)
      if (i.grantee == role) out |= i.grant_options & mask;
    return out;
  }
  // Whoever lost options takes back what was granted by them.
  void revoke_dependents(Oid role, uint32_t lost, bool cascade) {
    if (role == owner) return;
    lost &= ~own_options(role, lost);
    if (lost == 0) return;
    for (size_t i = 0; i < acl.size(); ++i) {
      if (acl[i].grantor != role || (acl[i].privileges & lost) == 0) continue;
      if (!cascade) ddl.fail(ErrorCode::kDependentObjectsStillExist, "dependent privileges exist", -1, {}, "Use CASCADE to revoke them too.");
      change(acl[i].grantee, role, lost, lost, /*add=*/false, cascade);
      i = static_cast<size_t>(-1);
    }
  }
  void change(Oid grantee, Oid grantor, uint32_t privileges, uint32_t options, bool add, bool cascade) {
    if (add && options != 0) check_circle(grantee, grantor, options);
    auto it = std::find_if(acl.begin(), acl.end(), [&](const AclItem& i) { return i.grantee == grantee && i.grantor == grantor; });
    if (it == acl.end()) {
      if (!add) return;
      it = acl.insert(acl.end(), {grantee, grantor, 0, 0});
    }
    const uint32_t before = it->grant_options;
    if (add) {
      it->privileges |= privileges;
      it->grant_options |= options;
      return;
    }
    it->privileges &= ~privileges;
    it->grant_options &= ~options;
    const uint32_t lost = before & ~it->grant_options;
    if (it->privileges == 0 && it->grant_options == 0) acl.erase(it);
    if (lost != 0) revoke_dependents(grantee, lost, cascade);
  }
  // A grantor must keep its options when everything that comes from the grantee is taken away.
  void check_circle(Oid grantee, Oid grantor, uint32_t options) {
    if (grantor == owner) return;
    Acl without = acl;
    List rest{ddl, without, owner};
    for (size_t i = 0; i < without.size(); ++i)
      if (without[i].grantee == grantee && (without[i].grant_options & options) != 0) {
        const AclItem item = without[i];
        rest.change(item.grantee, item.grantor, 0, options, false, true);
        i = static_cast<size_t>(-1);
      }
    if ((options & ~rest.own_options(grantor, options)) != 0)
      invalid_grant("grant options cannot be granted back to your own grantor");
  }
};

Acl initial(Oid owner, const Kind& kind) {
  Acl out;
  if (kind.everyone != 0) out.push_back({0, owner, kind.everyone, 0});
  out.push_back({owner, owner, kind.all, 0});
  return out;
}
}  // namespace

void Ddl::grant(const pg::GrantStmt* s) {
  if (s->grantor != nullptr && role_spec(s->grantor) != host.current_user()) fail(ErrorCode::kFeatureNotSupported, "grantor must be current user");
  const bool routine = s->objtype == pg::OBJECT_FUNCTION || s->objtype == pg::OBJECT_PROCEDURE || s->objtype == pg::OBJECT_ROUTINE;
  const bool on_relation = s->objtype == pg::OBJECT_TABLE || s->objtype == pg::OBJECT_SEQUENCE;
  const char* kind_name = s->objtype == pg::OBJECT_TABLE ? "relation" : s->objtype == pg::OBJECT_SEQUENCE ? "sequence" : s->objtype == pg::OBJECT_DATABASE ? "database"
                        : s->objtype == pg::OBJECT_SCHEMA ? "schema" : s->objtype == pg::OBJECT_FUNCTION ? "function" : s->objtype == pg::OBJECT_PROCEDURE ? "procedure"
                        : s->objtype == pg::OBJECT_ROUTINE ? "routine" : s->objtype == pg::OBJECT_DOMAIN ? "domain" : s->objtype == pg::OBJECT_FDW ? "foreign-data wrapper"
                        : s->objtype == pg::OBJECT_FOREIGN_SERVER ? "foreign server" : s->objtype == pg::OBJECT_LANGUAGE ? "language" : s->objtype == pg::OBJECT_TABLESPACE ? "tablespace" : "type";
  const uint32_t possible = s->objtype == pg::OBJECT_TABLE ? kTablePrivileges | kSequencePrivileges : s->objtype == pg::OBJECT_SEQUENCE ? kSequencePrivileges
                          : s->objtype == pg::OBJECT_DATABASE ? static_cast<uint32_t>(catalog::kCreate | catalog::kTemp | catalog::kConnect)
                          : s->objtype == pg::OBJECT_SCHEMA ? static_cast<uint32_t>(catalog::kUsage | catalog::kCreate) : routine ? static_cast<uint32_t>(catalog::kExecute)
                          : s->objtype == pg::OBJECT_TABLESPACE ? static_cast<uint32_t>(catalog::kCreate) : static_cast<uint32_t>(catalog::kUsage);
  std::vector<Oid> grantees;
  for (const Node* n : PG_LIST(s, grantees)) {
    grantees.push_back(role_spec(n->role_spec));
    if (grantees.back() == 0 && s->is_grant && s->grant_option) invalid_grant("grant options can only be granted to roles");
  }
  // Names of privileges are looked at before the objects.
  struct Wanted { uint32_t bits; std::vector<std::string> columns; };
  uint32_t whole = 0;
  bool everything = s->n_privileges == 0;
  std::vector<Wanted> of_columns;
  for (const Node* n : PG_LIST(s, privileges)) {
    const pg::AccessPriv* p = n->access_priv;
    uint32_t bits = 0;
    if (pg::has(p->priv_name)) {
      for (const PrivilegeName& k : kNames)
        if (std::string_view(p->priv_name) == k.name) bits = k.bit;
      if (bits == 0) fail(ErrorCode::kSyntaxError, std::string("unrecognized privilege type \"") + p->priv_name + "\"");
    }
    auto invalid = [&](const std::string& what) { invalid_grant("invalid privilege type " + upper(p->priv_name) + " for " + what); };
    if (p->n_cols > 0) {
      if (s->objtype != pg::OBJECT_TABLE) invalid_grant("column privileges are only valid for relations");
      if ((bits & ~kColumnPrivileges) != 0) invalid("column");
      of_columns.push_back({bits, pg::strings(PG_LIST(p, cols))});
    } else if (bits == 0) {
      everything = true;
    } else {
      if ((bits & ~possible) != 0) invalid(kind_name);
      whole |= bits;
    }
  }
  const bool cascade = s->behavior == pg::DROP_CASCADE;

  // In whose name, and with what in hand: the owner's when the user is one, else of its roles the one that can grant most.
  auto best_grantor = [&](const List& list, uint32_t bits, uint32_t* available) {
    if (is_member(host.current_user(), list.owner)) {
      *available = bits;
      return list.owner;
    }
    Oid best = host.current_user();
    *available = list.own_options(best, bits);
    int most = std::popcount(*available);
    for (const AclItem& i : list.acl) {
      if (i.grantee == 0 || i.grantee == best || !is_member(host.current_user(), i.grantee)) continue;
      const uint32_t options = list.own_options(i.grantee, bits);
      if (std::popcount(options) > most) {
        best = i.grantee;
        *available = options;
        most = std::popcount(options);
      }
    }
    return best;
  };
  // What of `bits` the grantor may give or take; complains about the rest.
  auto restricted = [&](const List& list, Oid grantor, uint32_t available, uint32_t bits, bool all, uint32_t mask, const std::string& denied, const std::string& shown) {
    if (available == 0 && list.held(grantor, mask) == 0) fail(ErrorCode::kInsufficientPrivilege, "permission denied for " + denied);
    const uint32_t usable = bits & available;
    const std::string verb = s->is_grant ? "were granted for " : "could be revoked for ";
    if (usable == 0 || (!all && usable != bits)) {
      Error w(ErrorCode::kWarning, (usable == 0 ? "no privileges " : "not all privileges ") + verb + shown);
      w.set_sqlstate(s->is_grant ? "01007" : "01006");
      host.notice("WARNING", w);
    }
    return usable;
  };
  auto apply = [&](List& list, Oid grantor, uint32_t bits) {
    for (Oid g : grantees)
      list.change(g, grantor, s->is_grant || !s->grant_option ? bits : 0, !s->is_grant || s->grant_option ? bits : 0, s->is_grant, cascade);
  };
  auto one = [&](auto object, const Kind& kind) {
    auto m = edit(object);
    const std::string shown = "\"" + m->name + "\"", denied = std::string(kind.word) + " " + m->name;
    Acl acl = m->acl ? *m->acl : initial(m->owner, kind);
    if (everything || whole != 0) {
      List list{*this, acl, m->owner};
      const bool all = everything;
      const uint32_t bits = all ? kind.all : whole;
      uint32_t available = 0;
      const Oid grantor = best_grantor(list, bits, &available);
      const uint32_t usable = restricted(list, grantor, available, bits, all, kind.all, denied, shown);
      apply(list, grantor, usable);
      m->acl = acl;
      if constexpr (std::is_same_v<decltype(m), std::shared_ptr<Relation>>) {
        // Taking a privilege away from a relation takes it from its columns.
        if (!s->is_grant)
          for (Column& c : m->columns)
            if (c.acl) {
              List of_column{*this, *c.acl, m->owner};
              apply(of_column, grantor, usable & kColumnPrivileges);
              if (c.acl->empty()) c.acl.reset();
            }
      }
    }
    if constexpr (std::is_same_v<decltype(m), std::shared_ptr<Relation>>) {
      for (const Wanted& w : of_columns)
        for (const std::string& name : w.columns) {
          const Column* found = m->column(std::string_view(name));
          if (found == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + name + "\" of relation \"" + m->name + "\" does not exist");
          Column& c = m->columns[static_cast<size_t>(found->number - 1)];
          if (!c.acl) c.acl.emplace();
          // The relation's own grant options count for its columns.
          Acl merged = acl;
          merged.insert(merged.end(), c.acl->begin(), c.acl->end());
          const List both{*this, merged, m->owner};
          const uint32_t bits = w.bits == 0 ? kColumnPrivileges : w.bits;
          uint32_t available = 0;
          const Oid grantor = best_grantor(both, bits, &available);
          const uint32_t usable = restricted(both, grantor, available, bits, w.bits == 0, kColumnPrivileges, denied, "column \"" + name + "\" of relation " + shown);
          List list{*this, *c.acl, m->owner};
          apply(list, grantor, usable);
          if (c.acl->empty()) c.acl.reset();
        }
    }
    put(m);
  };
  auto relation_kind = [&](const Relation& r) {
    return r.relkind == 'S' ? Kind{"sequence", kSequencePrivileges, 0} : Kind{relkind_word(r.relkind), kTablePrivileges, 0};
  };
  auto on = [&](const Ptr<Relation>& r) {
    if (r->index) fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is an index");
    if (r->relkind == 'c') fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is a composite type");
    if (s->objtype == pg::OBJECT_SEQUENCE && r->relkind != 'S') fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is not a sequence");
    if (s->objtype == pg::OBJECT_TABLE && r->relkind != 'S' && (whole & ~kTablePrivileges) != 0)
      invalid_grant("invalid privilege type USAGE for table");
    if (s->objtype == pg::OBJECT_TABLE && r->relkind == 'S' && (whole & ~kSequencePrivileges) != 0)
      notice("sequence \"" + r->name + "\" only supports USAGE, SELECT, and UPDATE privileges", {}, {}, "WARNING", ErrorCode::kWarning);
    one(r, relation_kind(*r));
  };
  auto on_function = [&](const Ptr<catalog::Function>& f) {
    if (f != nullptr) one(f, {f->prokind == 'p' ? "procedure" : "function", catalog::kExecute, catalog::kExecute});
  };
  if (s->targtype == pg::ACL_TARGET_ALL_IN_SCHEMA) {
    for (const Node* n : PG_LIST(s, objects)) {
      const Oid schema = view().schema(pg::str(n));
      if (schema == 0) fail(ErrorCode::kInvalidSchemaName, "schema \"" + std::string(pg::str(n)) + "\" does not exist");
      std::vector<Ptr<Relation>> relations;
      std::vector<Ptr<catalog::Function>> functions;
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto r = std::static_pointer_cast<const Relation>(o);
        if (r->schema == schema && (s->objtype == pg::OBJECT_SEQUENCE ? r->relkind == 'S' : std::string_view("rpvmf").find(r->relkind) != std::string_view::npos)) relations.push_back(r);
      });
      state()->for_each(ObjectKind::kFunction, [&](const Ptr<catalog::Object>& o) {
        auto f = std::static_pointer_cast<const catalog::Function>(o);
        if (f->schema == schema && (s->objtype == pg::OBJECT_ROUTINE || (f->prokind == 'p') == (s->objtype == pg::OBJECT_PROCEDURE))) functions.push_back(f);
      });
      if (on_relation)
        for (auto& r : relations) on(r);
      if (routine)
        for (auto& f : functions) on_function(f);
    }
    return;
  }
  for (const Node* n : PG_LIST(s, objects)) {
    switch (s->objtype) {
      case pg::OBJECT_TABLE: case pg::OBJECT_SEQUENCE: on(relation(n->range_var)); break;
      case pg::OBJECT_SCHEMA: {
        auto o = std::static_pointer_cast<const catalog::Schema>(state()->find(ObjectKind::kSchema, 0, pg::str(n)));
        if (o == nullptr) fail(ErrorCode::kInvalidSchemaName, "schema \"" + std::string(pg::str(n)) + "\" does not exist");
        one(o, {"schema", catalog::kUsage | catalog::kCreate, 0});
        break;
      }
      case pg::OBJECT_DATABASE:
        one(database_named(pg::str(n)), {"database", catalog::kCreate | catalog::kTemp | catalog::kConnect, catalog::kTemp | catalog::kConnect});
        break;
      case pg::OBJECT_FUNCTION: case pg::OBJECT_PROCEDURE: case pg::OBJECT_ROUTINE: {
        BindContext b = bind();
        on_function(state()->function(find_function(n->object_with_args, 0, b, false)));
        break;
      }
      case pg::OBJECT_FDW: case pg::OBJECT_FOREIGN_SERVER: case pg::OBJECT_LANGUAGE: case pg::OBJECT_TABLESPACE: {
        const EntryKind* k = entry_kind(static_cast<int>(s->objtype));
        auto e = entry(k->kind, {{std::string(pg::str(n))}, {}});
        if (e->oid >= oid::kFirstUserOid) one(e, {k->owned_word, possible, k->kind == ObjectKind::kLanguage ? uint32_t{catalog::kUsage} : 0u});
        break;
      }
      case pg::OBJECT_TYPE: case pg::OBJECT_DOMAIN: {
        std::vector<std::string> names = pg::strings(PG_LIST(n->list, items));
        const TypeRow* t = view().find_type(names.back());
        if (t == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + names.back() + "\" does not exist");
        if (s->objtype == pg::OBJECT_DOMAIN && t->typtype != 'd') fail(ErrorCode::kWrongObjectType, "\"" + names.back() + "\" is not a domain");
        if (t->element != 0 && t->category == 'A')
          invalid_grant("cannot set privileges of array types", "Set the privileges of the element type instead.");
        if (auto o = state()->type(t->oid)) one(o, {"type", catalog::kUsage, catalog::kUsage});
        break;
      }
      default: break;
    }
  }
}

void Ddl::drop_owned(const pg::DropOwnedStmt* s) {
  std::vector<ObjectAddress> targets;
  for (const Node* n : PG_LIST(s, roles)) {
    const Oid role = role_spec(n->role_spec);
    if (!is_member(host.current_user(), role)) fail(ErrorCode::kInsufficientPrivilege, "permission denied to drop objects");
    if (role < oid::kFirstUserOid)
      fail(ErrorCode::kDependentObjectsStillExist, "cannot drop objects owned by role " + view().role_name(role) + " because they are required by the database system");
    // What was granted to the role goes with what it owns.
    auto revoke = [&](std::optional<Acl>& acl) {
      if (!acl) return false;
      return std::erase_if(*acl, [&](const AclItem& i) { return i.grantee == role || i.grantor == role; }) > 0;
    };
    std::vector<std::shared_ptr<const catalog::Object>> changed;
    auto strip = [&](auto tag, ObjectKind kind) {
      using T = decltype(tag);
      std::vector<Ptr<T>> found;
      state()->for_each(kind, [&](const Ptr<catalog::Object>& o) { found.push_back(std::static_pointer_cast<const T>(o)); });
      for (const Ptr<T>& o : found) {
        if (o->owner == role) {
          if constexpr (std::is_same_v<T, Relation>)
            if (o->index) continue;
          if constexpr (std::is_same_v<T, catalog::Type>)
            if (o->relation != 0 || o->element != 0) continue;
          if (kind != ObjectKind::kDatabase) targets.push_back({kind, o->oid, 0});
          continue;
        }
        auto m = edit(o);
        bool any = revoke(m->acl);
        if constexpr (std::is_same_v<T, Relation>)
          for (Column& c : m->columns) any |= revoke(c.acl);
        if (any) put(m);
      }
    };
    strip(catalog::Schema{}, ObjectKind::kSchema);
    strip(Relation{}, ObjectKind::kRelation);
    strip(catalog::Function{}, ObjectKind::kFunction);
    strip(catalog::Type{}, ObjectKind::kType);
    strip(catalog::Database{}, ObjectKind::kDatabase);
    // Policies lose the role, and go with their last one.
    std::vector<Ptr<catalog::Policy>> policies;
    state()->for_each(ObjectKind::kPolicy, [&](const Ptr<catalog::Object>& o) { policies.push_back(std::static_pointer_cast<const catalog::Policy>(o)); });
    for (auto& p : policies) {
      auto m = edit(p);
      if (std::erase(m->roles, role) == 0) continue;
      if (m->roles.empty()) changes().drop(ObjectKind::kPolicy, m->oid);
      else put(m);
    }
  }
  if (!targets.empty()) drop(targets, s->behavior == pg::DROP_CASCADE);
}

}  // namespace stele::sql

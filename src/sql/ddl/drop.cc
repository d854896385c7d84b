// DROP: what goes with an object, what forbids it, and taking it away.
#include "rows/codec.h"
#include "rows/keys.h"
#include "sql/ddl/ddl.h"
#include "sql/index_methods.h"

namespace stele::sql {

void Ddl::erase_storage(const Relation& r) {
  if (r.storage_id == 0 || r.relkind == 'S' || r.relkind == 'v') return;
  std::string prefix = r.relkind == 'i' ? rows::index_prefix(r) : rows::row_prefix(r);
  txn().erase_range(prefix, rows::after_prefix(prefix));
}

void Ddl::drop(const std::vector<ObjectAddress>& targets, bool cascade, bool report) {
  struct Found { ObjectAddress address; ObjectAddress because; bool silent; };
  std::vector<Found> order;
  std::set<ObjectAddress> seen(targets.begin(), targets.end()), silenced;
  auto s = state();
  // Everything an internal dependency ties together goes at once; others are reported. As PostgreSQL does, the newest
  // dependents are visited first and each is noted after its own: reports and removals go backwards through that list.
  std::function<void(const ObjectAddress&)> visit = [&](const ObjectAddress& a) {
    std::vector<catalog::Dependency> deps = s->dependents_of(a);
    std::stable_sort(deps.begin(), deps.end(), [](const auto& x, const auto& y) { return x.dependent.oid > y.dependent.oid; });
    for (const auto& d : deps) {
      ObjectAddress dep = d.dependent;
      if (dep == a || (dep.kind == a.kind && dep.oid == a.oid && a.sub == 0)) continue;
      if (seen.contains(dep) || (dep.sub > 0 && dep.kind == ObjectKind::kRelation && seen.contains({dep.kind, dep.oid, 0}))) {
        // Reached again through a silent way: no longer a reason to stop.
        if (d.kind != DependencyKind::kNormal) {
          silenced.insert(dep);
          for (Found& f : order)
            if (f.address == dep) f.silent = true;
        }
        continue;
      }
      seen.insert(dep);
      visit(dep);
      order.push_back({dep, a, d.kind != DependencyKind::kNormal || silenced.contains(dep)});
    }
  };
  for (auto t = targets.rbegin(); t != targets.rend(); ++t) visit(*t);
  std::reverse(order.begin(), order.end());
  // A dependent that some removed object owns silently does not block either.
  for (Found& f : order) {
    if (f.silent) continue;
    for (const auto& d : s->dependencies_of({f.address.kind, f.address.oid, 0}))
      if (d.dependent == f.address && d.kind != DependencyKind::kNormal) {
        bool gone = seen.contains(d.referenced) || seen.contains({d.referenced.kind, d.referenced.oid, 0});
        if (gone && (std::find(targets.begin(), targets.end(), d.referenced) != targets.end() ||
                     std::find(targets.begin(), targets.end(), ObjectAddress{d.referenced.kind, d.referenced.oid, 0}) != targets.end()))
          f.silent = true;
      }
  }
  std::vector<std::string> reports;
  for (const Found& f : order)
    if (!f.silent) {
      ObjectAddress because = f.because;
      // What was asked for is the better reason when both are true.
      for (const auto& d : s->dependencies_of(f.address))
        for (const ObjectAddress& t : targets)
          if (d.dependent == f.address && t.kind == d.referenced.kind && t.oid == d.referenced.oid && (t.sub == 0 || t.sub == d.referenced.sub)) because = t;
      reports.push_back(cascade ? "drop cascades to " + describe(f.address) : describe(f.address) + " depends on " + describe(because));
    }
  auto joined = [&] {
    std::string d;
    size_t n = 0;
    for (const std::string& r : reports) {
      if (n++ == 100) {
        d += "\nand " + std::to_string(reports.size() - 100) + " other objects (see server log for list)";
        break;
      }
      d += (d.empty() ? "" : "\n") + r;
    }
    return d;
  };
  if (!reports.empty() && report) {
    if (!cascade) {
      if (targets.size() == 1)
        fail(ErrorCode::kDependentObjectsStillExist, "cannot drop " + describe(targets[0]) + " because other objects depend on it", -1, joined(),
             "Use DROP ... CASCADE to drop the dependent objects too.");
      fail(ErrorCode::kDependentObjectsStillExist, "cannot drop desired object(s) because other objects depend on them", -1, joined(),
           "Use DROP ... CASCADE to drop the dependent objects too.");
    }
    if (reports.size() == 1) notice(reports[0]);
    else notice("drop cascades to " + std::to_string(reports.size()) + " other objects", joined());
  }
  for (const ObjectAddress& t : targets) note_dropped(t, true, false);
  for (const Found& f : order) note_dropped(f.address, false, !f.silent);
  for (auto it = order.rbegin(); it != order.rend(); ++it) drop_now(it->address);
  for (const ObjectAddress& t : targets) drop_now(t);
}

void Ddl::remove_constraint_record(Oid constraint) {
  changes().drop_dependencies_of({ObjectKind::kConstraint, constraint, 0});
  for (const auto& d : state()->dependents_of({ObjectKind::kConstraint, constraint, 0})) changes().drop_dependencies_of(d.dependent);
}

void Ddl::drop_now(const ObjectAddress& a) {
  auto s = state();
  switch (a.kind) {
    case ObjectKind::kRelation: {
      auto r = s->relation(a.oid);
      if (r == nullptr) return;
      if (a.sub > 0) {
        auto m = edit(r);
        Column& c = m->columns[a.sub - 1];
        if (c.dropped) return;
        c.dropped = true;
        // Its type may go too: what is stored keeps its width.
        if (c.type >= oid::kFirstUserOid) {
          const rows::ColumnType stored = rows::resolve_type(c.type, *s);
          c.type = stored.width == 8 ? Oid{oid::kInt8} : stored.width == 4 ? Oid{oid::kInt4} : stored.width == 2 ? Oid{oid::kInt2} : stored.width == 1 ? Oid{oid::kBool} : Oid{oid::kText};
        }
        c.name = "........pg.dropped." + std::to_string(a.sub) + "........";
        c.default_sql.clear();
        c.not_null = false;
        c.generated = false;
        c.identity = catalog::Identity::kNone;
        ++m->schema_version;
        put(m);
        changes().drop_dependencies_of(a);
        changes().drop_dependencies_of({ObjectKind::kDefault, a.oid, a.sub});
        return;
      }
      if (r->relkind != 'v' && r->relkind != 'c') host.lock_relation(a.oid, LockMode::kAccessExclusive);
      if (r->index) {
        if (IndexMethod* m = index_method(r->index->method)) m->dropped(*r, host.exec());
        if (auto t = s->relation(r->index->table)) {
          auto m = edit(t);
          std::erase(m->indexes, a.oid);
          std::erase_if(m->constraints, [&](const Constraint& c) { return c.index == a.oid && c.kind != ConstraintKind::kForeignKey; });
          put(m);
        }
      }
      erase_storage(*r);
      if (r->relkind == 'r' || r->relkind == 'm' || r->relkind == 'p')
        for (Oid i : r->indexes)
          if (auto index = s->relation(i)) {
            erase_storage(*index);
            changes().drop(ObjectKind::kRelation, i);
          }
      for (const Constraint& c : r->constraints) remove_constraint_record(c.oid);
      for (const auto& rule : r->rules) changes().drop_dependencies_of({ObjectKind::kRule, rule.oid, 0});
      for (Oid t : r->triggers)
        if (s->get(ObjectKind::kTrigger, t) != nullptr) changes().drop(ObjectKind::kTrigger, t);
      changes().drop(ObjectKind::kRelation, a.oid);
      return;
    }
    case ObjectKind::kDefault: {
      auto r = s->relation(a.oid);
      changes().drop_dependencies_of(a);
      if (r == nullptr || r->columns[a.sub - 1].default_sql.empty()) return;
      auto m = edit(r);
      m->columns[a.sub - 1].default_sql.clear();
      put(m);
      return;
    }
    case ObjectKind::kConstraint: {
      for (const auto& d : s->dependencies_of(a)) {
        if (d.referenced.kind == ObjectKind::kRelation) {
          auto r = s->relation(d.referenced.oid);
          if (r == nullptr) continue;
          bool has = false;
          for (const Constraint& c : r->constraints) has = has || c.oid == a.oid;
          if (!has) continue;
          auto m = edit(r);
          std::erase_if(m->constraints, [&](const Constraint& c) { return c.oid == a.oid; });
          put(m);
        } else if (d.referenced.kind == ObjectKind::kType) {
          auto t = s->type(d.referenced.oid);
          if (t == nullptr) continue;
          auto m = edit(t);
          std::erase_if(m->constraints, [&](const Constraint& c) { return c.oid == a.oid; });
          put(m);
        }
      }
      remove_constraint_record(a.oid);
      return;
    }
    case ObjectKind::kRule: {
      if (auto r = rule_relation(a.oid)) {
        auto m = edit(r);
        std::erase_if(m->rules, [&](const auto& x) { return x.oid == a.oid; });
        put(m);
      }
      changes().drop_dependencies_of(a);
      return;
    }
    case ObjectKind::kTrigger: {
      auto t = s->get_as<catalog::Trigger>(ObjectKind::kTrigger, a.oid);
      if (t == nullptr) return;
      if (auto r = s->relation(t->relation)) {
        auto m = edit(r);
        std::erase(m->triggers, a.oid);
        put(m);
      }
      changes().drop(ObjectKind::kTrigger, a.oid);
      return;
    }
    default:
      if (s->get(a.kind, a.oid) != nullptr) changes().drop(a.kind, a.oid);
      return;
  }
}

void Ddl::drop_statement(const pg::DropStmt* s) {
  if (s->concurrent) host.prevent_in_block("DROP INDEX CONCURRENTLY");
  bool cascade = s->behavior == pg::DROP_CASCADE;
  std::vector<ObjectAddress> targets;
  auto names_of = [](const Node* n) {
    if (n->node_case == pg::kList) return pg::strings(PG_LIST(n->list, items));
    if (n->node_case == pg::kTypeName) return pg::strings(PG_LIST(n->type_name, names));
    return std::vector<std::string>{std::string(pg::str(n))};
  };
  struct Wanted { int type; const char* word; const char* kinds; };
  static const Wanted kRelations[] = {{static_cast<int>(pg::OBJECT_TABLE), "table", "rp"}, {static_cast<int>(pg::OBJECT_VIEW), "view", "v"},
                                      {static_cast<int>(pg::OBJECT_MATVIEW), "materialized view", "m"}, {static_cast<int>(pg::OBJECT_INDEX), "index", "iI"},
                                      {static_cast<int>(pg::OBJECT_SEQUENCE), "sequence", "S"}, {static_cast<int>(pg::OBJECT_FOREIGN_TABLE), "foreign table", "f"}};
  for (const Node* n : PG_LIST(s, objects)) {
    std::vector<std::string> names = names_of(n);
    std::string shown;
    for (const std::string& x : names) shown += (shown.empty() ? "" : ".") + x;
    bool is_relation = false;
    for (const Wanted& w : kRelations) {
      if (static_cast<int>(s->remove_type) != w.type) continue;
      is_relation = true;
      Oid schema = 0;
      if (names.size() > 1) {
        schema = view().schema(names[names.size() - 2]);
        if (schema == 0) {
          if (!s->missing_ok) fail(ErrorCode::kInvalidSchemaName, "schema \"" + names[names.size() - 2] + "\" does not exist");
          notice("schema \"" + names[names.size() - 2] + "\" does not exist, skipping");
          continue;
        }
      }
      auto r = view().find_relation(names.back(), schema);
      if (r == nullptr) {
        if (!s->missing_ok) fail(w.kinds[0] == 'i' || w.kinds[0] == 'f' ? ErrorCode::kUndefinedObject : ErrorCode::kUndefinedTable, std::string(w.word) + " \"" + (names.size() > 1 ? shown : names.back()) + "\" does not exist");
        notice(std::string(w.word) + " \"" + (names.size() > 1 ? shown : names.back()) + "\" does not exist, skipping");
        continue;
      }
      if (std::string_view(w.kinds).find(r->relkind) == std::string_view::npos) {
        const char* actual = relkind_word(r->relkind);
        fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is not " + (w.kinds[0] == 'i' ? "an " : "a ") + w.word, -1, {},
             std::string("Use DROP ") + upper(actual) + " to remove " + (r->index ? "an " : "a ") + actual + ".");
      }
      if (r->oid < oid::kFirstUserOid) fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + r->name + "\" is a system catalog");
      check_owner(*r, w.word);
      host.lock_relation(r->index ? r->index->table : r->oid, LockMode::kAccessExclusive);
      if (r->index && !r->parents.empty()) {
        auto above = state()->relation(r->parents[0]);
        fail(ErrorCode::kDependentObjectsStillExist, "cannot drop index " + qualified(*r) + " because index " + qualified(*above) + " requires it", -1, {},
             "You can drop index " + qualified(*above) + " instead.");
      }
      if (r->index) {
        auto t = state()->relation(r->index->table);
        for (const Constraint& c : t->constraints)
          if (c.index == r->oid && c.kind != ConstraintKind::kForeignKey)
            fail(ErrorCode::kDependentObjectsStillExist, "cannot drop index " + qualified(*r) + " because constraint " + quote_identifier(c.name) + " on table " + qualified(*t) + " requires it", -1, {},
                 "You can drop constraint " + quote_identifier(c.name) + " on table " + qualified(*t) + " instead.");
      }
      if (r->relkind == 'S' && r->sequence->identity) {
        auto t = state()->relation(r->sequence->owner_table);
        const Column* c = t->column(r->sequence->owner_column);
        fail(ErrorCode::kDependentObjectsStillExist, "cannot drop sequence " + qualified(*r) + " because column " + quote_identifier(c->name) + " of table " + qualified(*t) + " requires it", -1, {},
             "You can drop column " + quote_identifier(c->name) + " of table " + qualified(*t) + " instead.");
      }
      ObjectAddress a{ObjectKind::kRelation, r->oid, 0};
      if (std::find(targets.begin(), targets.end(), a) == targets.end()) targets.push_back(a);
    }
    if (is_relation) continue;
    auto missing = [&](ErrorCode code, const std::string& what, const std::string& where = {}) {
      if (!s->missing_ok) fail(code, what + " does not exist" + where);
      notice(what + " does not exist" + where + ", skipping");
    };
    // IF EXISTS forgives schemas and types that are not there either.
    auto missing_schema = [&](const std::vector<std::string>& parts) {
      if (parts.size() < 2 || view().schema(parts[parts.size() - 2]) != 0) return false;
      notice("schema \"" + parts[parts.size() - 2] + "\" does not exist, skipping");
      return true;
    };
    auto missing_type = [&](const pg::TypeName* t) {
      const auto parts = pg::strings(PG_LIST(t, names));
      if (missing_schema(parts)) return true;
      BindContext b = bind();
      try {
        resolve_type(t, b);
        return false;
      } catch (const Error& e) {
        if (e.code() != ErrorCode::kUndefinedObject) throw;
      }
      std::string name;
      for (const std::string& part : parts) name += (name.empty() ? "" : ".") + part;
      notice("type \"" + name + "\" does not exist, skipping");
      return true;
    };
    auto missing_names = [&](const pg::ObjectWithArgs* o) {
      if (missing_schema(pg::strings(PG_LIST(o, objname)))) return true;
      for (const Node* t : PG_LIST(o, objargs))
        if (pg::is(t, pg::kTypeName) && missing_type(t->type_name)) return true;
      return false;
    };
    switch (s->remove_type) {
      case pg::OBJECT_SCHEMA: {
        auto o = std::static_pointer_cast<const catalog::Schema>(state()->find(ObjectKind::kSchema, 0, names.back()));
        if (o == nullptr) { missing(ErrorCode::kInvalidSchemaName, "schema \"" + names.back() + "\""); break; }
        check_owner(*o, "schema");
        if (o->oid < oid::kFirstUserOid && o->oid != catalog::kPublic)
          fail(ErrorCode::kDependentObjectsStillExist, "cannot drop schema " + o->name + " because it is required by the database system");
        targets.push_back({ObjectKind::kSchema, o->oid, 0});
        break;
      }
      case pg::OBJECT_TYPE: case pg::OBJECT_DOMAIN: {
        Oid schema = names.size() > 1 ? view().schema(names[names.size() - 2]) : 0;
        const TypeRow* t = names.size() > 1 ? (schema != 0 ? view().find_type(schema, names.back()) : nullptr) : view().find_type(names.back());
        if (names.size() > 1 && schema == 0) { missing(ErrorCode::kInvalidSchemaName, "schema \"" + names[names.size() - 2] + "\""); break; }
        if (t == nullptr) { missing(ErrorCode::kUndefinedObject, "type \"" + shown + "\""); break; }
        if (t->oid < oid::kFirstUserOid)
          fail(ErrorCode::kDependentObjectsStillExist, "cannot drop type " + view().format_type(t->oid) + " because it is required by the database system");
        auto o = state()->type(t->oid);
        check_owner(*o, "type");
        if (s->remove_type == pg::OBJECT_DOMAIN && o->typtype != 'd') fail(ErrorCode::kWrongObjectType, "\"" + o->name + "\" is not a domain");
        if (o->typtype == 'c') {
          auto r = state()->relation(o->relation);
          if (r != nullptr && r->relkind != 'c')
            fail(ErrorCode::kDependentObjectsStillExist, "cannot drop type " + quote_identifier(o->name) + " because table " + qualified(*r) + " requires it", -1, {},
                 "You can drop table " + qualified(*r) + " instead.");
          if (r != nullptr) { targets.push_back({ObjectKind::kRelation, r->oid, 0}); break; }
        }
        targets.push_back({ObjectKind::kType, t->oid, 0});
        break;
      }
      case pg::OBJECT_FUNCTION: case pg::OBJECT_PROCEDURE: case pg::OBJECT_ROUTINE: case pg::OBJECT_AGGREGATE: {
        char kind = s->remove_type == pg::OBJECT_FUNCTION ? 'f' : s->remove_type == pg::OBJECT_PROCEDURE ? 'p' : s->remove_type == pg::OBJECT_AGGREGATE ? 'a' : 0;
        BindContext b = bind();
        if (s->missing_ok && missing_names(n->object_with_args)) break;
        Oid f = find_function(n->object_with_args, kind, b, s->missing_ok);
        if (f == 0) {
          std::vector<std::string> fn = pg::strings(PG_LIST(n->object_with_args, objname));
          std::string args;
          for (const Node* t : PG_LIST(n->object_with_args, objargs))
            if (pg::is(t, pg::kTypeName)) {
              std::string type;
              for (const std::string& part : pg::strings(PG_LIST(t->type_name, names))) type += (type.empty() ? "" : ".") + part;
              if (t->type_name->n_array_bounds > 0) type += "[]";
              args += (args.empty() ? "" : ",") + type;
            }
          notice(std::string(kind == 'a' ? "aggregate " : kind == 'p' ? "procedure " : "function ") + fn.back() + "(" + args + ") does not exist, skipping");
          break;
        }
        auto o = state()->function(f);
        if (o == nullptr) fail(ErrorCode::kDependentObjectsStillExist, "cannot drop " + describe({ObjectKind::kFunction, f, 0}) + " because it is required by the database system");
        check_owner(*o, "function");
        targets.push_back({ObjectKind::kFunction, f, 0});
        break;
      }
      case pg::OBJECT_OPERATOR: {
        BindContext b = bind();
        if (s->missing_ok && missing_names(n->object_with_args)) break;
        Oid o = find_operator(n->object_with_args, b, s->missing_ok);
        if (o == 0) { notice("operator " + pg::strings(PG_LIST(n->object_with_args, objname)).back() + " does not exist, skipping"); break; }
        if (o < oid::kFirstUserOid) fail(ErrorCode::kDependentObjectsStillExist, "cannot drop " + describe({ObjectKind::kOperator, o, 0}) + " because it is required by the database system");
        targets.push_back({ObjectKind::kOperator, o, 0});
        break;
      }
      case pg::OBJECT_CAST: {
        BindContext b = bind();
        auto types = PG_LIST(n->list, items);
        if (s->missing_ok && (missing_type(types[0]->type_name) || missing_type(types[1]->type_name))) break;
        for (const Node* x : types)
          try {
            resolve_type(x->type_name, b);
          } catch (const Error& e) {
            Error copy = e;
            copy.set_position(0);
            throw copy;
          }
        Oid from = resolve_type(types[0]->type_name, b).type, to = resolve_type(types[1]->type_name, b).type;
        Oid found = 0;
        state()->for_each(ObjectKind::kCast, [&](const Ptr<catalog::Object>& o) {
          auto& c = static_cast<const catalog::Cast&>(*o);
          if (c.source == from && c.target == to) found = c.oid;
        });
        if (found == 0) { missing(ErrorCode::kUndefinedObject, "cast from type " + view().format_type(from) + " to type " + view().format_type(to)); break; }
        targets.push_back({ObjectKind::kCast, found, 0});
        break;
      }
      case pg::OBJECT_TRIGGER: case pg::OBJECT_POLICY: case pg::OBJECT_RULE: {
        const char* word = s->remove_type == pg::OBJECT_TRIGGER ? "trigger" : s->remove_type == pg::OBJECT_POLICY ? "policy" : "rule";
        std::string object = names.back(), table = names.size() > 1 ? names[names.size() - 2] : "";
        Oid schema = names.size() > 2 ? view().schema(names[names.size() - 3]) : 0;
        auto r = view().find_relation(table, schema);
        if (r == nullptr) {
          if (!s->missing_ok) fail(ErrorCode::kUndefinedTable, "relation \"" + table + "\" does not exist");
          notice("relation \"" + table + "\" does not exist, skipping");
          break;
        }
        if (s->remove_type == pg::OBJECT_RULE) {
          auto rule = std::find_if(r->rules.begin(), r->rules.end(), [&](const auto& x) { return x.name == object; });
          if (rule == r->rules.end()) { missing(ErrorCode::kUndefinedObject, "rule \"" + object + "\" for relation \"" + table + "\""); break; }
          check_owner(*r, relkind_word(r->relkind));
          targets.push_back({ObjectKind::kRule, rule->oid, 0});
          break;
        }
        auto o = state()->find(s->remove_type == pg::OBJECT_POLICY ? ObjectKind::kPolicy : ObjectKind::kTrigger, r->oid, object);
        if (o == nullptr) { missing(ErrorCode::kUndefinedObject, std::string(word) + " \"" + object + "\" for " + (s->missing_ok || s->remove_type == pg::OBJECT_RULE ? "relation" : "table") + " \"" + table + "\""); break; }
        if (s->remove_type == pg::OBJECT_TRIGGER)
          if (Oid parent = static_cast<const catalog::Trigger&>(*o).parent; parent != 0)
            fail(ErrorCode::kDependentObjectsStillExist, "cannot drop " + describe({ObjectKind::kTrigger, o->oid, 0}) + " because " + describe({ObjectKind::kTrigger, parent, 0}) + " requires it", -1, {},
                 "You can drop " + describe({ObjectKind::kTrigger, parent, 0}) + " instead.");
        targets.push_back({o->kind(), o->oid, 0});
        break;
      }
      case pg::OBJECT_EXTENSION: {
        auto o = state()->find(ObjectKind::kExtension, 0, names.back());
        if (o == nullptr) { missing(ErrorCode::kUndefinedObject, "extension \"" + names.back() + "\""); break; }
        targets.push_back({ObjectKind::kExtension, o->oid, 0});
        break;
      }
      case pg::OBJECT_COLLATION: {
        Oid c = view().collation(names.back(), names.size() > 1 ? view().schema(names[names.size() - 2]) : 0);
        if (c == 0) { missing(ErrorCode::kUndefinedObject, "collation \"" + shown + "\"" + (s->missing_ok ? "" : " for encoding \"UTF8\"")); break; }
        targets.push_back({ObjectKind::kCollation, c, 0});
        break;
      }
      default:
        if (!drop_entry(s, n, targets)) fail(ErrorCode::kFeatureNotSupported, "this kind of object cannot be dropped");
    }
  }
  if (!targets.empty()) drop(targets, cascade);
}

void Ddl::drop_column(std::shared_ptr<Relation>& r, int16_t number, bool cascade) {
  drop({{ObjectKind::kRelation, r->oid, number}}, cascade);
  r = edit(state()->relation(r->oid));
}

void Ddl::drop_constraint(std::shared_ptr<Relation>& r, const std::string& name, bool cascade, bool missing_ok) {
  for (const Constraint& c : r->constraints) {
    if (c.name != name) continue;
    std::vector<ObjectAddress> targets{{ObjectKind::kConstraint, c.oid, 0}};
    drop(targets, cascade);
    r = edit(state()->relation(r->oid));
    return;
  }
  if (!missing_ok) fail(ErrorCode::kUndefinedObject, "constraint \"" + name + "\" of relation \"" + r->name + "\" does not exist");
  notice("constraint \"" + name + "\" of relation \"" + r->name + "\" does not exist, skipping");
}

}  // namespace stele::sql

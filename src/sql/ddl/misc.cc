// Schemas, COMMENT, TRUNCATE, LOCK, maintenance, policies, extensions.
#include <algorithm>

#include "query/inheritance.h"
#include "rows/keys.h"
#include "rows/sequences.h"
#include "rows/table.h"
#include "sql/ddl/ddl.h"
#include "sql/ddl/table_options.h"
#include "sql/index_methods.h"
#include "sql/plpgsql/call.h"

namespace stele::sql {

using namespace query;  // NOLINT

void Ddl::create_schema(const pg::CreateSchemaStmt* s) {
  Oid owner = s->authrole != nullptr ? role_spec(s->authrole) : host.current_user();
  std::string name = pg::has(s->schemaname) ? s->schemaname : view().role_name(owner);
  if (!host.superuser()) {
    auto db = state()->get(ObjectKind::kDatabase, host.database_oid());
    if (db != nullptr && !has_privilege(db->acl, db->owner, host.current_user(), catalog::kCreate, 0))
      fail(ErrorCode::kInsufficientPrivilege, "permission denied for database " + host.database_name());
  }
  if (name.starts_with("pg_"))
    fail(ErrorCode::kReservedName, "unacceptable schema name \"" + name + "\"", -1, "The prefix \"pg_\" is reserved for system schemas.");
  if (state()->find(ObjectKind::kSchema, 0, name) != nullptr) {
    if (s->if_not_exists) {
      notice("schema \"" + name + "\" already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateSchema);
      return;
    }
    fail(ErrorCode::kDuplicateSchema, "schema \"" + name + "\" already exists");
  }
  auto o = std::make_shared<catalog::Schema>();
  o->oid = catalog().allocate_oid();
  o->name = name;
  o->owner = owner;
  o->acl = default_acl('n', owner, 0);
  put_new(o);
  host.next_command();
  std::vector<Node*> elements(PG_LIST(s, schema_elts).begin(), PG_LIST(s, schema_elts).end());
  if (elements.empty()) return;
  // Whatever the order in which they are written: what others stand on comes first.
  auto rank = [](const Node* n) {
    switch (n->node_case) {
      case pg::kCreateSeqStmt: return 0;
      case pg::kCreateStmt: return 1;
      case pg::kViewStmt: return 2;
      case pg::kIndexStmt: return 3;
      case pg::kCreateTrigStmt: return 4;
      default: return 5;
    }
  };
  std::stable_sort(elements.begin(), elements.end(), [&](const Node* x, const Node* y) { return rank(x) < rank(y); });
  // They belong to the schema's owner, and names resolve in the new schema first.
  catalog::Function as_owner;
  as_owner.security_definer = owner != host.current_user();
  as_owner.owner = owner;
  const std::string& path = host.search_path_text();
  as_owner.settings.emplace("search_path", path.empty() ? quote_identifier(name) : quote_identifier(name) + ", " + path);
  CallScope scope(host, as_owner);
  for (Node* n : elements) {
    const pg::RangeVar* rv = n->node_case == pg::kCreateStmt ? n->create_stmt->relation : n->node_case == pg::kViewStmt ? n->view_stmt->view
                             : n->node_case == pg::kCreateSeqStmt ? n->create_seq_stmt->sequence : n->node_case == pg::kIndexStmt ? n->index_stmt->relation
                             : n->node_case == pg::kCreateTrigStmt ? n->create_trig_stmt->relation : nullptr;
    if (rv != nullptr && pg::has(rv->schemaname) && name != rv->schemaname) {
      fail(ErrorCode::kInvalidSchemaDefinition, "CREATE specifies a schema (" + std::string(rv->schemaname) + ") different from the one being created (" + name + ")");
    }
    run(n);
    host.next_command();
  }
}

std::string Ddl::comment(const pg::CommentStmt* s) {
  std::optional<std::string> text;
  if (pg::has(s->comment)) text = s->comment;
  const Node* object = s->object;
  auto names = object->node_case == pg::kList ? pg::strings(PG_LIST(object->list, items))
               : object->node_case == pg::kTypeName ? pg::strings(PG_LIST(object->type_name, names))
               : object->node_case == pg::kString ? std::vector<std::string>{std::string(pg::str(object))} : std::vector<std::string>{};
  auto find_relation = [&](size_t parts) {
    std::string name = names[parts - 1];
    Oid schema = parts > 1 ? view().schema(names[parts - 2]) : 0;
    auto r = view().find_relation(name, schema);
    std::string shown = parts > 1 ? names[parts - 2] + "." + name : name;
    if (r == nullptr) fail(ErrorCode::kUndefinedTable, "relation \"" + shown + "\" does not exist");
    check_owner(*r, relkind_word(r->relkind));
    return edit(r);
  };
  auto set = [&](auto o) {
    o->comment = text;
    put(o);
  };
  switch (s->objtype) {
    case pg::OBJECT_TABLE: case pg::OBJECT_VIEW: case pg::OBJECT_MATVIEW: case pg::OBJECT_INDEX: case pg::OBJECT_SEQUENCE: case pg::OBJECT_FOREIGN_TABLE: {
      auto r = find_relation(names.size());
      char want = s->objtype == pg::OBJECT_TABLE ? 'r' : s->objtype == pg::OBJECT_VIEW ? 'v' : s->objtype == pg::OBJECT_MATVIEW ? 'm' : s->objtype == pg::OBJECT_INDEX ? 'i' : 'S';
      if (r->relkind != want) fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is not " + (want == 'i' ? "an " : "a ") + relkind_word(want));
      set(r);
      break;
    }
    case pg::OBJECT_COLUMN: {
      auto r = find_relation(names.size() - 1);
      const Column* c = r->column(std::string_view(names.back()));
      if (c == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + names.back() + "\" of relation \"" + r->name + "\" does not exist");
      r->columns[c->number - 1].comment = text;
      put(r);
      break;
    }
    case pg::OBJECT_TABCONSTRAINT: {
      auto r = find_relation(names.size() - 1);
      bool found = false;
      for (Constraint& c : r->constraints)
        if (c.name == names.back()) {
          c.comment = text;
          found = true;
        }
      if (!found) fail(ErrorCode::kUndefinedObject, "constraint \"" + names.back() + "\" for table \"" + r->name + "\" does not exist");
      put(r);
      break;
    }
    case pg::OBJECT_SCHEMA: {
      auto o = std::static_pointer_cast<const catalog::Schema>(state()->find(ObjectKind::kSchema, 0, names.back()));
      if (o == nullptr) fail(ErrorCode::kInvalidSchemaName, "schema \"" + names.back() + "\" does not exist");
      set(edit(o));
      break;
    }
    case pg::OBJECT_DATABASE: {
      set(edit(database_named(names.back())));
      break;
    }
    case pg::OBJECT_ROLE: set(edit(role_named(names.back()))); break;
    case pg::OBJECT_TYPE: case pg::OBJECT_DOMAIN: {
      BindContext b = bind();
      Oid t = resolve_type(object->type_name, b).type;
      auto o = state()->type(t);
      if (o == nullptr) fail(ErrorCode::kInsufficientPrivilege, "must be owner of type " + view().format_type(t));
      set(edit(o));
      break;
    }
    case pg::OBJECT_FUNCTION: case pg::OBJECT_PROCEDURE: case pg::OBJECT_AGGREGATE: case pg::OBJECT_ROUTINE: {
      BindContext b = bind();
      Oid f = find_function(object->object_with_args, s->objtype == pg::OBJECT_AGGREGATE ? 'a' : s->objtype == pg::OBJECT_PROCEDURE ? 'p' : 0, b, false);
      if (auto o = state()->function(f)) set(edit(o));
      break;
    }
    case pg::OBJECT_EXTENSION: {
      auto o = std::static_pointer_cast<const catalog::Extension>(state()->find(ObjectKind::kExtension, 0, names.back()));
      if (o == nullptr) fail(ErrorCode::kUndefinedObject, "extension \"" + names.back() + "\" does not exist");
      set(edit(o));
      break;
    }
    case pg::OBJECT_TRIGGER: case pg::OBJECT_POLICY: {
      auto r = find_relation(names.size() - 1);
      if (s->objtype == pg::OBJECT_TRIGGER) {
        auto o = std::static_pointer_cast<const catalog::Trigger>(state()->find(ObjectKind::kTrigger, r->oid, names.back()));
        if (o == nullptr) fail(ErrorCode::kUndefinedObject, "trigger \"" + names.back() + "\" for table \"" + r->name + "\" does not exist");
        set(edit(o));
      } else {
        auto o = std::static_pointer_cast<const catalog::Policy>(state()->find(ObjectKind::kPolicy, r->oid, names.back()));
        if (o == nullptr) fail(ErrorCode::kUndefinedObject, "policy \"" + names.back() + "\" for table \"" + r->name + "\" does not exist");
        set(edit(o));
      }
      break;
    }
    case pg::OBJECT_OPERATOR: {
      BindContext b = bind();
      auto o = state()->get_as<catalog::Operator>(ObjectKind::kOperator, find_operator(object->object_with_args, b, false));
      if (o == nullptr) break;
      check_owner(*o, "operator");
      set(edit(o));
      break;
    }
    case pg::OBJECT_COLLATION: {
      auto o = state()->get_as<catalog::Collation>(ObjectKind::kCollation, resolve_collation(names, bind()));
      if (o == nullptr) break;
      check_owner(*o, "collation");
      set(edit(o));
      break;
    }
    case pg::OBJECT_CAST: {
      BindContext b = bind();
      const auto types = PG_LIST(object->list, items);
      const Oid from = type_without_position(types[0]->type_name, b).type, to = type_without_position(types[1]->type_name, b).type;
      Ptr<catalog::Cast> found;
      state()->for_each(ObjectKind::kCast, [&](const Ptr<catalog::Object>& o) {
        auto c = std::static_pointer_cast<const catalog::Cast>(o);
        if (c->source == from && c->target == to) found = c;
      });
      if (found != nullptr) set(edit(found));
      else if (!view().find_cast(from, to)) fail(ErrorCode::kUndefinedObject, "cast from type " + view().format_type(from) + " to type " + view().format_type(to) + " does not exist");
      break;
    }
    case pg::OBJECT_RULE: {
      auto r = find_relation(names.size() - 1);
      auto rule = std::find_if(r->rules.begin(), r->rules.end(), [&](const auto& x) { return x.name == names.back(); });
      if (rule == r->rules.end()) fail(ErrorCode::kUndefinedObject, "rule \"" + names.back() + "\" for relation \"" + r->name + "\" does not exist");
      rule->comment = text;
      put(r);
      break;
    }
    case pg::OBJECT_DOMCONSTRAINT: {
      const auto items = PG_LIST(object->list, items);
      BindContext b = bind();
      auto t = state()->type(type_without_position(items[0]->type_name, b).type);
      if (t == nullptr) break;
      check_owner(*t, "type");
      auto m = edit(t);
      const std::string constraint(pg::str(items[1]));
      auto k = std::find_if(m->constraints.begin(), m->constraints.end(), [&](const Constraint& c) { return c.name == constraint; });
      if (k == m->constraints.end()) fail(ErrorCode::kUndefinedObject, "constraint \"" + constraint + "\" for domain " + view().format_type(t->oid) + " does not exist");
      k->comment = text;
      put(m);
      break;
    }
    default: comment_entry(s, text); break;
  }
  return "COMMENT";
}

void Ddl::truncate(const pg::TruncateStmt* s) {
  std::vector<Oid> tables;
  auto add = [&](const Ptr<Relation>& r) {
    if (std::find(tables.begin(), tables.end(), r->oid) == tables.end()) tables.push_back(r->oid);
  };
  for (const Node* n : PG_LIST(s, relations)) {
    Ptr<Relation> r = relation(n->range_var);
    if (r->relkind != 'r' && r->relkind != 'p') fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is not a table");
    if (r->oid < oid::kFirstUserOid) fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + r->name + "\" is a system catalog");
    if (!host.superuser() && !has_privilege(r->acl, r->owner, host.current_user(), catalog::kTruncate, 0))
      fail(ErrorCode::kInsufficientPrivilege, "permission denied for table " + r->name);
    host.lock_relation(r->oid, LockMode::kAccessExclusive);
    add(r);
    if (!n->range_var->inh && r->partitioning)
      fail(ErrorCode::kWrongObjectType, "cannot truncate only a partitioned table", -1, {}, "Do not specify the ONLY keyword, or use TRUNCATE ONLY on the partitions directly.");
    if (n->range_var->inh)
      for (Oid child : query::inheritance_children(*state(), r->oid)) {
        host.lock_relation(child, LockMode::kAccessExclusive);
        add(state()->relation(child));
      }
  }
  changes().refresh();
  // A partition's rows are referred to through the tables above it.
  auto refers_to = [&](Oid referenced) {
    return std::any_of(tables.begin(), tables.end(), [&](Oid t) {
      if (t == referenced) return true;
      for (auto& above : query::partition_ancestors(*state(), *state()->relation(t)))
        if (above->oid == referenced) return true;
      return false;
    });
  };
  // Tables that refer to these must be among them.
  for (bool again = true; again;) {
    again = false;
    Ptr<Relation> from;
    Oid to = 0;
    state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
      auto r = std::static_pointer_cast<const Relation>(o);
      if (from != nullptr || std::find(tables.begin(), tables.end(), r->oid) != tables.end()) return;
      for (const Constraint& c : r->constraints)
        if (c.kind == ConstraintKind::kForeignKey && c.parent == 0 && refers_to(c.referenced)) {
          from = r;
          to = c.referenced;
        }
    });
    if (from == nullptr) break;
    if (s->behavior != pg::DROP_CASCADE)
      fail(ErrorCode::kFeatureNotSupported, "cannot truncate a table referenced in a foreign key constraint", -1,
           "Table \"" + from->name + "\" references \"" + state()->relation(to)->name + "\".",
           "Truncate table \"" + from->name + "\" at the same time, or use TRUNCATE ... CASCADE.");
    notice("truncate cascades to table \"" + from->name + "\"");
    host.lock_relation(from->oid, LockMode::kAccessExclusive);
    add(from);
    again = true;
  }
  auto fire = [&](int bits) {
    for (Oid t : tables) {
      auto r = state()->relation(t);
      if (r == nullptr || r->triggers.empty() || !host.exec().fire_trigger) continue;
      query::TriggerEvent e;
      e.table = r.get();
      e.bits = bits;
      host.exec().fire_trigger(e);
    }
  };
  constexpr int kBefore = 2, kTruncated = 32;
  fire(kBefore | kTruncated);
  for (Oid t : tables) {
    auto old = state()->relation(t);
    auto r = edit(old);
    if (r->partitioning) continue;
    erase_storage(*r);
    rows::Table::make(old, *state())->notify_truncated(txn());
    r->storage_id = catalog().allocate_storage_id();
    for (Oid i : r->indexes) {
      auto index = edit(state()->relation(i));
      erase_storage(*index);
      index->storage_id = catalog().allocate_storage_id();
      put(index);
    }
    put(r);
    if (s->restart_seqs)
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto seq = std::static_pointer_cast<const Relation>(o);
        if (seq->relkind != 'S' || seq->sequence->owner_table != t) return;
        auto m = edit(seq);
        m->storage_id = catalog().allocate_storage_id();
        rows::Sequences::of(*host.exec().engine->store).set(*m, m->sequence->start, false);
        put(m);
      });
  }
  host.next_command();
  fire(kTruncated);
}

void Ddl::lock_table(const pg::LockStmt* s) {
  static const LockMode kModes[] = {LockMode::kNone, LockMode::kAccessShare, LockMode::kRowShare, LockMode::kRowExclusive, LockMode::kShareUpdateExclusive,
                                    LockMode::kShare, LockMode::kShareRowExclusive, LockMode::kExclusive, LockMode::kAccessExclusive};
  if (!host.in_block()) fail(ErrorCode::kNoActiveSqlTransaction, "LOCK TABLE can only be used in transaction blocks");
  for (const Node* n : PG_LIST(s, relations)) {
    Ptr<Relation> r = relation(n->range_var);
    if (r->relkind != 'r' && r->relkind != 'p' && r->relkind != 'v')
      fail(ErrorCode::kWrongObjectType, "cannot lock relation \"" + r->name + "\"", -1, "This operation is not supported for this relation.");
    if (!host.superuser() && !has_privilege(r->acl, r->owner, host.current_user(), catalog::kSelect | catalog::kUpdate | catalog::kDelete | catalog::kTruncate, 0))
      fail(ErrorCode::kInsufficientPrivilege, "permission denied for table " + r->name);
    host.lock_relation(r->oid, kModes[s->mode >= 1 && s->mode <= 8 ? s->mode : 8], s->nowait);
  }
}

std::string Ddl::vacuum(const pg::VacuumStmt* s) {
  bool analyze = !s->is_vacuumcmd, full = false, parallel = false, every_page = false;
  for (const Node* n : PG_LIST(s, options)) {
    std::string_view name = n->def_elem->defname;
    static const std::set<std::string_view> kVacuum = {"verbose", "skip_locked", "analyze", "freeze", "full", "disable_page_skipping", "index_cleanup", "process_toast", "truncate", "parallel"};
    if (name != "verbose" && name != "skip_locked" && !(s->is_vacuumcmd && kVacuum.contains(name)))
      fail(ErrorCode::kSyntaxError, std::string("unrecognized ") + (s->is_vacuumcmd ? "VACUUM" : "ANALYZE") + " option \"" + std::string(name) + "\"", n->def_elem->location);
    if (name == "parallel") {
      if (n->def_elem->arg == nullptr) fail(ErrorCode::kSyntaxError, "parallel option requires a value between 0 and 1024", n->def_elem->location);
      if (const int64_t workers = def_int(n->def_elem); workers < 0 || workers > 1024)
        fail(ErrorCode::kSyntaxError, "parallel workers for vacuum must be between 0 and 1024", n->def_elem->location);
      parallel = true;
    } else if (name == "index_cleanup") {
      // auto, or a boolean
    } else if (const bool on = def_bool(n->def_elem); name == "analyze") {
      analyze = on;
    } else if (name == "full") {
      full = on;
    } else if (name == "disable_page_skipping") {
      every_page = on;
    }
  }
  if (full && parallel) fail(ErrorCode::kFeatureNotSupported, "VACUUM FULL cannot be performed in parallel");
  if (full && every_page) fail(ErrorCode::kFeatureNotSupported, "VACUUM option DISABLE_PAGE_SKIPPING cannot be used with FULL");
  if (!analyze)
    for (const Node* n : PG_LIST(s, rels))
      if (n->vacuum_relation->n_va_cols > 0) fail(ErrorCode::kFeatureNotSupported, "ANALYZE option must be specified when a column list is provided");
  if (s->is_vacuumcmd) host.prevent_in_block("VACUUM");
  if (analyze) {
    std::vector<Oid> targets;
    for (const Node* n : PG_LIST(s, rels)) {
      Ptr<Relation> r = relation(n->vacuum_relation->relation);
      std::set<std::string_view> named;
      for (const Node* c : PG_LIST(n->vacuum_relation, va_cols)) {
        if (r->column(pg::str(c)) == nullptr)
          fail(ErrorCode::kUndefinedColumn, "column \"" + std::string(pg::str(c)) + "\" of relation \"" + r->name + "\" does not exist");
        if (!named.insert(pg::str(c)).second)
          fail(ErrorCode::kDuplicateColumn, "column \"" + std::string(pg::str(c)) + "\" of relation \"" + r->name + "\" appears more than once");
      }
      if (r->relkind == 'r' || r->relkind == 'm') targets.push_back(r->oid);
      // What is in the children counts for a parent.
      for (Oid child : query::inheritance_children(*state(), r->oid))
        if (state()->relation(child)->relkind == 'r') targets.push_back(child);
    }
    if (s->n_rels == 0)
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto& r = static_cast<const Relation&>(*o);
        if ((r.relkind == 'r' || r.relkind == 'm') && r.oid >= oid::kFirstUserOid && r.persistence != 't') targets.push_back(r.oid);
      });
    for (Oid t : targets)
      if (t >= oid::kFirstUserOid) analyze_relation(t, host.exec());
  } else {
    for (const Node* n : PG_LIST(s, rels)) relation(n->vacuum_relation->relation);
  }
  return s->is_vacuumcmd ? "VACUUM" : "ANALYZE";
}

void Ddl::reindex(const pg::ReindexStmt* s) {
  std::vector<Oid> indexes;
  if (s->kind == pg::REINDEX_OBJECT_INDEX || s->kind == pg::REINDEX_OBJECT_TABLE) {
    Ptr<Relation> r = relation(s->relation);
    if (s->kind == pg::REINDEX_OBJECT_INDEX) {
      if (!r->index) fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is not an index");
      indexes.push_back(r->oid);
      if (r->relkind == 'I') {
        indexes.clear();
        for (Oid child : query::inheritance_children(*state(), r->oid))
          if (state()->relation(child)->relkind == 'i') indexes.push_back(child);
      }
    } else {
      if (r->relkind != 'r' && r->relkind != 'm' && r->relkind != 'p') fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is not a table or materialized view");
      indexes = r->indexes;
      if (r->relkind == 'p') indexes.clear();
      for (Oid child : r->relkind == 'p' ? query::inheritance_children(*state(), r->oid) : std::vector<Oid>{})
        if (auto c = state()->relation(child); c->relkind == 'r') indexes.insert(indexes.end(), c->indexes.begin(), c->indexes.end());
    }
  } else {
    if (s->kind == pg::REINDEX_OBJECT_SCHEMA && view().schema(s->name) == 0)
      fail(ErrorCode::kInvalidSchemaName, std::string("schema \"") + s->name + "\" does not exist");
    if (s->kind != pg::REINDEX_OBJECT_SCHEMA && pg::has(s->name) && s->name != host.database_name())
      fail(ErrorCode::kFeatureNotSupported, "can only reindex the currently open database");
    state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
      auto& r = static_cast<const Relation&>(*o);
      if (r.relkind == 'i' && (s->kind != pg::REINDEX_OBJECT_SCHEMA || view().schema(s->name) == r.schema)) indexes.push_back(r.oid);
    });
  }
  for (Oid i : indexes) {
    auto old = state()->relation(i);
    if (old == nullptr) continue;
    host.lock_relation(old->index->table, LockMode::kShare);
    auto r = edit(old);
    erase_storage(*r);
    r->storage_id = catalog().allocate_storage_id();
    put(r);
    host.next_command();
    if (IndexMethod* m = index_method(r->index->method)) m->build(*r, host.exec());
    else build(*r);
  }
}

void Ddl::create_policy(const pg::CreatePolicyStmt* s) {
  Ptr<Relation> r = relation(s->table);
  check_owner(*r, "table");
  if (state()->find(ObjectKind::kPolicy, r->oid, s->policy_name) != nullptr)
    fail(ErrorCode::kDuplicateObject, std::string("policy \"") + s->policy_name + "\" for table \"" + r->name + "\" already exists");
  auto p = std::make_shared<catalog::Policy>();
  p->oid = catalog().allocate_oid();
  p->name = s->policy_name;
  p->relation = r->oid;
  p->owner = r->owner;
  p->permissive = s->permissive;
  std::string_view cmd = s->cmd_name;
  p->command = cmd == "select" ? 'r' : cmd == "insert" ? 'a' : cmd == "update" ? 'w' : cmd == "delete" ? 'd' : '*';
  for (const Node* n : PG_LIST(s, roles)) p->roles.push_back(role_spec(n->role_spec));
  BindContext b = bind();
  if (s->qual != nullptr) p->using_sql = stored_sql(bind_expression(s->qual, r.get(), ExprContext::kPolicy, b), r.get());
  if (s->with_check != nullptr) p->check_sql = stored_sql(bind_expression(s->with_check, r.get(), ExprContext::kPolicy, b), r.get());
  put(p);
  changes().add_dependency({{ObjectKind::kPolicy, p->oid, 0}, {ObjectKind::kRelation, r->oid, 0}, DependencyKind::kAuto});
}

void mark_clustered(Ddl& ddl, const Relation& r, const char* name) {
  Oid chosen = 0;
  if (name != nullptr) {
    auto i = ddl.view().find_relation(name, r.schema);
    if (i == nullptr || !i->index) ddl.fail(ErrorCode::kUndefinedObject, std::string("index \"") + name + "\" for table \"" + r.name + "\" does not exist");
    if (i->index->table != r.oid) ddl.fail(ErrorCode::kWrongObjectType, std::string("\"") + name + "\" is not an index for table \"" + r.name + "\"");
    if (i->index->method != "btree" && i->index->method != "gist") ddl.fail(ErrorCode::kFeatureNotSupported, std::string("cannot cluster on index \"") + name + "\" because access method does not support clustering");
    if (!i->index->predicate_sql.empty()) ddl.fail(ErrorCode::kFeatureNotSupported, std::string("cannot cluster on partial index \"") + name + "\"");
    chosen = i->oid;
  }
  for (Oid o : r.indexes) {
    auto i = ddl.state()->relation(o);
    if (i->index->clustered == (o == chosen)) continue;
    auto m = ddl.edit(i);
    m->index->clustered = o == chosen;
    ddl.put(m);
  }
}

std::string Ddl::other(const Node* n) {
  switch (n->node_case) {
    case pg::kCheckPointStmt:
      if (!host.superuser()) fail(ErrorCode::kInsufficientPrivilege, "must be superuser or have privileges of pg_checkpoint to do CHECKPOINT");
      host.exec().engine->store->checkpoint();
      return "CHECKPOINT";
    case pg::kClusterStmt:
      if (n->cluster_stmt->relation != nullptr) {
        Ptr<Relation> r = relation(n->cluster_stmt->relation);
        check_owner(*r, relkind_word(r->relkind));
        if (r->relkind != 'r' && r->relkind != 'm' && r->relkind != 'p') fail(ErrorCode::kWrongObjectType, "\"" + r->name + "\" is not a table or materialized view");
        if (r->partitioning) host.prevent_in_block("CLUSTER");
        host.lock_relation(r->oid, LockMode::kAccessExclusive);
        if (pg::has(n->cluster_stmt->indexname)) {
          if (r->partitioning) {
            if (auto i = view().find_relation(n->cluster_stmt->indexname, r->schema); i == nullptr || !i->index) fail(ErrorCode::kUndefinedObject, std::string("index \"") + n->cluster_stmt->indexname + "\" for table \"" + r->name + "\" does not exist");
          } else {
            mark_clustered(*this, *r, n->cluster_stmt->indexname);
          }
        } else {
          bool any = false;
          for (Oid i : r->indexes) any |= state()->relation(i)->index->clustered;
          if (!any) fail(ErrorCode::kUndefinedObject, "there is no previously clustered index for table \"" + r->name + "\"");
        }
      }
      return "CLUSTER";
    case pg::kCreateExtensionStmt: {
      const pg::CreateExtensionStmt* s = n->create_extension_stmt;
      std::string name = s->extname;
      if (state()->find(ObjectKind::kExtension, 0, name) != nullptr) {
        if (!s->if_not_exists) fail(ErrorCode::kDuplicateObject, "extension \"" + name + "\" already exists");
        notice("extension \"" + name + "\" already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateObject);
        return "CREATE EXTENSION";
      }
      // What these add is built in.
      static const std::pair<const char*, const char*> kKnown[] = {{"plpgsql", "1.0"}, {"pgcrypto", "1.3"}, {"uuid-ossp", "1.1"}, {"vector", "0.7.0"},
                                                                   {"btree_gin", "1.3"}, {"btree_gist", "1.7"}, {"pg_stat_statements", "1.10"}};
      for (auto& [known, version] : kKnown) {
        if (name != known) continue;
        auto e = std::make_shared<catalog::Extension>();
        e->oid = catalog().allocate_oid();
        e->name = name;
        e->owner = host.current_user();
        e->schema = view().creation_schema();
        e->version = version;
        put_new(e);
        return "CREATE EXTENSION";
      }
      fail(ErrorCode::kFeatureNotSupported, "extension \"" + name + "\" is not available", -1, {}, "The extension must first be installed on the system where PostgreSQL is running.");
    }
    case pg::kAlterExtensionStmt: return "ALTER EXTENSION";
    case pg::kCreatedbStmt: create_database(n->createdb_stmt); return "CREATE DATABASE";
    case pg::kDropdbStmt: drop_database(n->dropdb_stmt); return "DROP DATABASE";
    case pg::kAlterDatabaseStmt: alter_database(n->alter_database_stmt); return "ALTER DATABASE";
    case pg::kAlterDatabaseSetStmt: alter_database_set(n->alter_database_set_stmt); return "ALTER DATABASE";
    case pg::kAlterSystemStmt: return "ALTER SYSTEM";
    case pg::kAlterDefaultPrivilegesStmt: alter_default_privileges(n->alter_default_privileges_stmt); return "ALTER DEFAULT PRIVILEGES";
    case pg::kAlterTypeStmt: return "ALTER TYPE";
    case pg::kAlterPolicyStmt: {
      const pg::AlterPolicyStmt* s = n->alter_policy_stmt;
      Ptr<Relation> r = relation(s->table);
      auto p = std::static_pointer_cast<const catalog::Policy>(state()->find(ObjectKind::kPolicy, r->oid, s->policy_name));
      if (p == nullptr) fail(ErrorCode::kUndefinedObject, std::string("policy \"") + s->policy_name + "\" for table \"" + r->name + "\" does not exist");
      auto m = edit(p);
      BindContext b = bind();
      if (s->n_roles > 0) m->roles.clear();
      for (const Node* x : PG_LIST(s, roles)) m->roles.push_back(role_spec(x->role_spec));
      if (s->qual != nullptr) m->using_sql = stored_sql(bind_expression(s->qual, r.get(), ExprContext::kPolicy, b), r.get());
      if (s->with_check != nullptr) m->check_sql = stored_sql(bind_expression(s->with_check, r.get(), ExprContext::kPolicy, b), r.get());
      put(m);
      return "ALTER POLICY";
    }
    case pg::kRuleStmt: create_rule(n->rule_stmt); return "CREATE RULE";
    case pg::kCreateRangeStmt: create_range(n->create_range_stmt); return "CREATE TYPE";
    case pg::kCreateFdwStmt: case pg::kAlterFdwStmt: case pg::kCreateForeignServerStmt: case pg::kAlterForeignServerStmt: case pg::kCreateUserMappingStmt:
    case pg::kAlterUserMappingStmt: case pg::kDropUserMappingStmt: case pg::kCreateForeignTableStmt: case pg::kImportForeignSchemaStmt: return foreign(n);
    case pg::kCreatePublicationStmt: case pg::kAlterPublicationStmt: case pg::kCreateSubscriptionStmt: case pg::kAlterSubscriptionStmt: case pg::kDropSubscriptionStmt: return publication(n);
    case pg::kCreateOpClassStmt: case pg::kCreateOpFamilyStmt: case pg::kAlterOpFamilyStmt: return operator_class(n);
    case pg::kCreateEventTrigStmt: create_event_trigger(n->create_event_trig_stmt); return "CREATE EVENT TRIGGER";
    case pg::kAlterEventTrigStmt: alter_event_trigger(n->alter_event_trig_stmt); return "ALTER EVENT TRIGGER";
    case pg::kAlterTsdictionaryStmt: alter_dictionary(n->alter_tsdictionary_stmt); return "ALTER TEXT SEARCH DICTIONARY";
    case pg::kAlterTsconfigurationStmt: alter_configuration(n->alter_tsconfiguration_stmt); return "ALTER TEXT SEARCH CONFIGURATION";
    default: return create_kind(n);
  }
}

}  // namespace stele::sql

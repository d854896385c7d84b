// Publications and subscriptions as catalogue objects: what would be replicated, and to whom. Nothing is.
#include "sql/ddl/ddl.h"

namespace stele::sql {

using catalog::Entry;

namespace {
constexpr const char* kActions[] = {"insert", "update", "delete", "truncate"};

std::vector<std::string> split_names(const std::string& s) {
  std::vector<std::string> out;
  std::string cur;
  for (char c : s + ",") {
    if (c == ',') {
      out.push_back(cur);
      cur.clear();
    } else if (c != ' ') {
      cur += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}
}  // namespace

std::string Ddl::publication(const Node* n) {
  auto options_of = [&](Entry& e, std::span<pg::Node* const> list) {
    std::set<std::string> seen;
    for (const Node* x : list) {
      const pg::DefElem* d = x->def_elem;
      const std::string k = d->defname;
      if (k != "publish" && k != "publish_via_partition_root") fail(ErrorCode::kSyntaxError, "unrecognized publication parameter: \"" + k + "\"");
      if (!seen.insert(k).second) fail(ErrorCode::kSyntaxError, "conflicting or redundant options", d->location);
      if (k == "publish_via_partition_root") {
        e.facts["via_root"] = def_bool(d) ? "t" : "f";
        continue;
      }
      for (const char* a : kActions) e.facts[a] = "f";
      const std::string text = def_string(d);
      if (text.find_first_not_of(' ') == std::string::npos) continue;
      for (const std::string& a : split_names(text)) {
        if (a.empty()) fail(ErrorCode::kSyntaxError, "invalid list syntax for \"publish\" option");
        if (std::find_if(std::begin(kActions), std::end(kActions), [&](const char* x2) { return a == x2; }) == std::end(kActions))
          fail(ErrorCode::kSyntaxError, "unrecognized value for publication option \"publish\": \"" + a + "\"");
        e.facts[a] = "t";
      }
    }
  };
  auto members_of = [&](Oid publication, ObjectKind kind) {
    std::vector<Ptr<Entry>> out;
    state()->for_each(kind, [&](const Ptr<catalog::Object>& o) {
      auto e = std::static_pointer_cast<const Entry>(o);
      if (e->ref(0) == publication) out.push_back(e);
    });
    return out;
  };
  struct Wanted { Ptr<Relation> table; Oid schema = 0; std::string where; std::vector<int16_t> columns; bool has_columns = false; };
  auto wanted = [&](std::span<pg::Node* const> list, const std::string& name, bool dropping) {
    std::vector<Wanted> out;
    for (const Node* x : list) {
      const pg::PublicationObjSpec* o = x->publication_obj_spec;
      Wanted w;
      if (o->pubobjtype == PG_QUERY__PUBLICATION_OBJ_SPEC_TYPE__PUBLICATIONOBJ_TABLES_IN_SCHEMA || o->pubobjtype == PG_QUERY__PUBLICATION_OBJ_SPEC_TYPE__PUBLICATIONOBJ_TABLES_IN_CUR_SCHEMA) {
        if (o->pubobjtype == PG_QUERY__PUBLICATION_OBJ_SPEC_TYPE__PUBLICATIONOBJ_TABLES_IN_SCHEMA) {
          w.schema = view().schema(o->name);
          if (w.schema == 0) fail(ErrorCode::kInvalidSchemaName, std::string("schema \"") + o->name + "\" does not exist");
        } else {
          w.schema = view().creation_schema();
          if (w.schema == 0) fail(ErrorCode::kInvalidSchemaName, "no schema has been selected for CURRENT_SCHEMA");
        }
        bool again = false;
        for (const Wanted& have : out) again |= have.schema == w.schema;
        if (!again) out.push_back(std::move(w));
        continue;
      }
      w.table = relation(o->pubtable->relation);
      if (w.table->relkind == 'S' || w.table->index || w.table->relkind == 'c') fail(ErrorCode::kWrongObjectType, "\"" + w.table->name + "\" is not a table");
      const bool has_where = o->pubtable->where_clause != nullptr;
      w.has_columns = o->pubtable->n_columns > 0;
      if (dropping && has_where) fail(ErrorCode::kSyntaxError, "cannot use a WHERE clause when removing a table from a publication");
      if (dropping && w.has_columns) fail(ErrorCode::kSyntaxError, "column list must not be specified in ALTER PUBLICATION ... DROP");
      bool again = false;
      for (const Wanted& have : out)
        if (have.table != nullptr && have.table->oid == w.table->oid) {
          if (has_where || !have.where.empty()) fail(ErrorCode::kDuplicateObject, "conflicting or redundant WHERE clauses for table \"" + w.table->name + "\"");
          if (w.has_columns || have.has_columns) fail(ErrorCode::kDuplicateObject, "conflicting or redundant column lists for table \"" + w.table->name + "\"");
          again = true;
        }
      if (again) continue;
      if (!dropping) {
        check_owner(*w.table, relkind_word(w.table->relkind));
        auto refuse = [&](const char* what) { fail(ErrorCode::kInvalidParameterValue, "cannot add relation \"" + w.table->name + "\" to publication", -1, std::string("This operation is not supported for ") + what + "."); };
        if (w.table->oid < oid::kFirstUserOid) refuse("system tables");
        if (w.table->relkind == 'v') refuse("views");
        if (w.table->relkind == 'm') refuse("materialized views");
        if (w.table->relkind == 'f') refuse("foreign tables");
        if (w.table->persistence == 't') refuse("temporary tables");
        if (w.table->persistence == 'u') refuse("unlogged tables");
        if (has_where) {
          BindContext b = bind();
          auto e = bind_expression(o->pubtable->where_clause, w.table.get(), ExprContext::kWhere, b);
          if (e->type != oid::kBool) fail(ErrorCode::kDatatypeMismatch, "argument of PUBLICATION WHERE must be type boolean, not type " + view().format_type(e->type));
          w.where = stored_sql(e, w.table.get());
        }
        for (const Node* c : PG_LIST(o->pubtable, columns)) {
          const std::string column(pg::str(c));
          for (const char* sys : {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
            if (column == sys) fail(ErrorCode::kInvalidColumnReference, "cannot use system column \"" + column + "\" in publication column list");
          const Column* found = w.table->column(std::string_view(column));
          if (found == nullptr) fail(ErrorCode::kUndefinedColumn, "column \"" + column + "\" of relation \"" + w.table->name + "\" does not exist");
          if (found->generated) fail(ErrorCode::kInvalidColumnReference, "cannot use generated column \"" + column + "\" in publication column list");
          if (std::find(w.columns.begin(), w.columns.end(), found->number) != w.columns.end()) fail(ErrorCode::kDuplicateObject, "duplicate column \"" + column + "\" in publication column list");
          w.columns.push_back(found->number);
        }
        std::sort(w.columns.begin(), w.columns.end());
      }
      out.push_back(std::move(w));
    }
    (void)name;
    return out;
  };
  auto add = [&](const Entry& p, const std::vector<Wanted>& list, bool tolerant) {
    for (const Wanted& w : list) {
      const ObjectKind kind = w.schema != 0 ? ObjectKind::kPublicationSchema : ObjectKind::kPublicationRelation;
      const Oid target = w.schema != 0 ? w.schema : w.table->oid;
      const std::string key = std::to_string(p.oid) + "/" + std::to_string(target);
      if (w.schema != 0 && !host.superuser()) fail(ErrorCode::kInsufficientPrivilege, "must be superuser to add or set schemas");
      if (w.schema != 0 && w.schema < oid::kFirstUserOid && w.schema != catalog::kPublic)
        fail(ErrorCode::kInvalidParameterValue, "cannot add schema \"" + view().schema_name(w.schema) + "\" to publication", -1, "This operation is not supported for system schemas.");
      if (state()->find(kind, 0, key) != nullptr) {
        if (tolerant) continue;
        if (w.schema != 0) fail(ErrorCode::kDuplicateObject, "schema \"" + view().schema_name(w.schema) + "\" is already member of publication \"" + p.name + "\"");
        fail(ErrorCode::kDuplicateObject, "relation \"" + w.table->name + "\" is already member of publication \"" + p.name + "\"");
      }
      auto e = std::make_shared<Entry>(kind);
      e->oid = catalog().allocate_oid();
      e->name = key;
      e->owner = p.owner;
      e->database = changes().database();
      e->refs = {p.oid, target};
      e->columns = w.columns;
      if (!w.where.empty()) e->facts["where"] = w.where;
      put(e);
      const ObjectAddress self{kind, e->oid, 0};
      changes().add_dependency({self, {ObjectKind::kPublication, p.oid, 0}, DependencyKind::kAuto});
      changes().add_dependency({self, {w.schema != 0 ? ObjectKind::kSchema : ObjectKind::kRelation, target, 0}, DependencyKind::kAuto});
      for (int16_t c : w.columns) changes().add_dependency({self, {ObjectKind::kRelation, target, c}, DependencyKind::kNormal});
    }
  };
  auto warn_level = [&] {
    if (host.settings().shown("wal_level").value_or("replica") != "logical")
      notice("wal_level is insufficient to publish logical changes", {}, "Set wal_level to \"logical\" before creating subscriptions.", "WARNING", ErrorCode::kObjectNotInPrerequisiteState);
  };
  switch (n->node_case) {
    case pg::kCreatePublicationStmt: {
      const pg::CreatePublicationStmt* s = n->create_publication_stmt;
      if (!host.superuser()) {
        auto db = state()->find(ObjectKind::kDatabase, 0, host.database_name());
        if (db != nullptr && !has_privilege(db->acl, db->owner, host.current_user(), catalog::kCreate, 0)) fail(ErrorCode::kInsufficientPrivilege, "permission denied for database " + host.database_name());
        if (s->for_all_tables) fail(ErrorCode::kInsufficientPrivilege, "must be superuser to create FOR ALL TABLES publication");
      }
      auto e = new_entry(ObjectKind::kPublication, {{s->pubname}, {}});
      e->facts = {{"insert", "t"}, {"update", "t"}, {"delete", "t"}, {"truncate", "t"}, {"via_root", "f"}, {"all_tables", s->for_all_tables ? "t" : "f"}};
      options_of(*e, PG_LIST(s, options));
      const auto list = wanted(PG_LIST(s, pubobjects), e->name, false);
      for (const Wanted& w : list)
        if (w.schema != 0 && !host.superuser()) fail(ErrorCode::kInsufficientPrivilege, "must be superuser to create FOR TABLES IN SCHEMA publication");
      bool schemas = false;
      for (const Wanted& w : list) schemas |= w.schema != 0;
      for (const Wanted& w : list)
        if (schemas && w.has_columns)
          fail(ErrorCode::kInvalidParameterValue, "cannot use column list for relation \"" + view().schema_name(w.table->schema) + "." + w.table->name + "\" in publication \"" + e->name + "\"", -1,
               "Column lists cannot be specified in publications containing FOR TABLES IN SCHEMA elements.");
      put_entry(e);
      add(*e, list, true);
      warn_level();
      return "CREATE PUBLICATION";
    }
    case pg::kAlterPublicationStmt: {
      const pg::AlterPublicationStmt* s = n->alter_publication_stmt;
      auto p = own_entry(ObjectKind::kPublication, {{s->pubname}, {}});
      if (s->n_options > 0) {
        auto m = std::make_shared<Entry>(*p);
        options_of(*m, PG_LIST(s, options));
        put(m);
        return "ALTER PUBLICATION";
      }
      const bool dropping = s->action == PG_QUERY__ALTER_PUBLICATION_ACTION__AP_DropObjects, setting = s->action == PG_QUERY__ALTER_PUBLICATION_ACTION__AP_SetObjects;
      if (p->fact("all_tables") == "t") {
        bool schema = false;
        for (const Node* x : PG_LIST(s, pubobjects)) schema |= x->publication_obj_spec->pubtable == nullptr;
        fail(ErrorCode::kObjectNotInPrerequisiteState, "publication \"" + p->name + "\" is defined as FOR ALL TABLES", -1,
             schema ? "Schemas cannot be added to or dropped from FOR ALL TABLES publications." : "Tables cannot be added to or dropped from FOR ALL TABLES publications.");
      }
      const auto list = wanted(PG_LIST(s, pubobjects), p->name, dropping);
      if (dropping) {
        for (const Wanted& w : list) {
          const ObjectKind kind = w.schema != 0 ? ObjectKind::kPublicationSchema : ObjectKind::kPublicationRelation;
          auto have = state()->find(kind, 0, std::to_string(p->oid) + "/" + std::to_string(w.schema != 0 ? w.schema : w.table->oid));
          if (have == nullptr) {
            if (w.schema != 0) fail(ErrorCode::kUndefinedObject, "tables from schema \"" + view().schema_name(w.schema) + "\" are not part of the publication");
            fail(ErrorCode::kUndefinedObject, "relation \"" + w.table->name + "\" is not part of the publication");
          }
          drop({{kind, have->oid, 0}}, true);
        }
        return "ALTER PUBLICATION";
      }
      if (setting)
        for (ObjectKind kind : {ObjectKind::kPublicationRelation, ObjectKind::kPublicationSchema})
          for (auto& e : members_of(p->oid, kind)) drop({{kind, e->oid, 0}}, true);
      add(*p, list, false);
      return "ALTER PUBLICATION";
    }
    case pg::kCreateSubscriptionStmt: case pg::kAlterSubscriptionStmt: case pg::kDropSubscriptionStmt: return subscription(n);
    default: fail(ErrorCode::kFeatureNotSupported, "this statement is not supported");
  }
}

std::string Ddl::subscription(const Node* n) {
  auto check_conninfo = [&](const std::string& s) {
    if (s.starts_with("postgres://") || s.starts_with("postgresql://") || s.find_first_not_of(' ') == std::string::npos) return;
    const size_t start = s.find_first_not_of(' ');
    const size_t eq = s.find('=', start), space = s.find(' ', start);
    if (eq == std::string::npos || (space != std::string::npos && space < eq && s.find_first_not_of(' ', space) != eq))
      fail(ErrorCode::kSyntaxError, "invalid connection string syntax: missing \"=\" after \"" + s.substr(start, space == std::string::npos ? space : space - start) + "\" in connection info string\n");
  };
  auto publications = [&](std::span<pg::Node* const> list) {
    std::vector<std::string> out;
    for (const std::string& p : pg::strings(list)) {
      if (std::find(out.begin(), out.end(), p) != out.end()) fail(ErrorCode::kDuplicateObject, "publication name \"" + p + "\" used more than once");
      out.push_back(p);
    }
    return out;
  };
  auto options = [&](std::span<pg::Node* const> list, const std::set<std::string>& allowed) {
    std::map<std::string, std::string> out;
    for (const Node* x : list) {
      const pg::DefElem* d = x->def_elem;
      const std::string k = d->defname;
      if (!allowed.contains(k)) fail(ErrorCode::kSyntaxError, "unrecognized subscription parameter: \"" + k + "\"");
      if (out.contains(k)) fail(ErrorCode::kSyntaxError, "conflicting or redundant options", d->location);
      if (k == "slot_name" || k == "synchronous_commit" || k == "lsn") {
        std::string v = def_string(d);
        if (k == "slot_name" && v == "none") v.clear();
        if (k == "synchronous_commit" && v != "on" && v != "off" && v != "local" && v != "remote_write" && v != "remote_apply" && !parse_bool_setting(v))
          fail(ErrorCode::kInvalidParameterValue, "invalid value for parameter \"synchronous_commit\": \"" + v + "\"", -1, {}, "Available values: local, remote_write, remote_apply, on, off.");
        out[k] = v;
      } else {
        out[k] = def_bool(d) ? "t" : "f";
      }
    }
    return out;
  };
  auto quoted = [](const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& p : names) out += (out.empty() ? "\"" : ", \"") + p + "\"";
    return out;
  };
  (void)quoted;
  switch (n->node_case) {
    case pg::kCreateSubscriptionStmt: {
      const pg::CreateSubscriptionStmt* s = n->create_subscription_stmt;
      auto o = options(PG_LIST(s, options), {"connect", "enabled", "create_slot", "slot_name", "copy_data", "synchronous_commit", "binary", "streaming", "two_phase", "disable_on_error"});
      auto is = [&](const char* k, const char* v) { return o.contains(k) && o[k] == v; };
      if (is("connect", "f")) {
        for (const char* k : {"enabled", "create_slot", "copy_data"})
          if (is(k, "t")) fail(ErrorCode::kSyntaxError, std::string("connect = false and ") + k + " = true are mutually exclusive options");
        o["enabled"] = o["create_slot"] = o["copy_data"] = "f";
      }
      if (o.contains("slot_name") && o["slot_name"].empty()) {
        for (const char* k : {"enabled", "create_slot"})
          if (is(k, "t")) fail(ErrorCode::kSyntaxError, std::string("slot_name = NONE and ") + k + " = true are mutually exclusive options");
        for (const char* k : {"enabled", "create_slot"})
          if (!o.contains(k)) fail(ErrorCode::kSyntaxError, std::string("subscription with slot_name = NONE must also set ") + k + " = false");
      }
      if (!is("create_slot", "f")) host.prevent_in_block("CREATE SUBSCRIPTION ... WITH (create_slot = true)");
      if (!host.superuser()) fail(ErrorCode::kInsufficientPrivilege, "must be superuser to create subscriptions");
      auto e = new_entry(ObjectKind::kSubscription, {{s->subname}, {}});
      e->list = publications(PG_LIST(s, publication));
      check_conninfo(s->conninfo);
      if (!is("connect", "f"))
        fail(ErrorCode::kConnectionFailure, "could not connect to the publisher: subscriptions are kept but do not connect", -1, {}, "Use WITH (connect = false).");
      notice("tables were not subscribed, you will have to run ALTER SUBSCRIPTION ... REFRESH PUBLICATION to subscribe the tables", {}, {}, "WARNING");
      if (!o.contains("slot_name")) o["slot_name"] = e->name;
      e->facts = {o.begin(), o.end()};
      e->facts["conninfo"] = s->conninfo;
      put_entry(e);
      return "CREATE SUBSCRIPTION";
    }
    case pg::kAlterSubscriptionStmt: {
      const pg::AlterSubscriptionStmt* s = n->alter_subscription_stmt;
      auto m = std::make_shared<Entry>(*own_entry(ObjectKind::kSubscription, {{s->subname}, {}}));
      const bool enabled = m->fact("enabled") != "f";
      switch (s->kind) {
        case PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_OPTIONS:
          for (auto& [k, v] : options(PG_LIST(s, options), {"slot_name", "synchronous_commit", "binary", "streaming", "disable_on_error"})) {
            if (k == "slot_name" && v.empty() && enabled) fail(ErrorCode::kSyntaxError, "cannot set slot_name = NONE for enabled subscription");
            m->facts[k] = v;
          }
          break;
        case PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_ENABLED: {
          const bool on = def_bool(s->options[0]->def_elem);
          if (on && m->fact("slot_name").empty()) fail(ErrorCode::kObjectNotInPrerequisiteState, "cannot enable subscription that does not have a slot name");
          m->facts["enabled"] = on ? "t" : "f";
          break;
        }
        case PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_CONNECTION:
          check_conninfo(s->conninfo);
          m->facts["conninfo"] = s->conninfo;
          break;
        case PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_SET_PUBLICATION: case PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_ADD_PUBLICATION:
        case PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_DROP_PUBLICATION: {
          const auto given = options(PG_LIST(s, options), s->kind == PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_DROP_PUBLICATION ? std::set<std::string>{"refresh"} : std::set<std::string>{"copy_data", "refresh"});
          const auto names = publications(PG_LIST(s, publication));
          if (s->kind == PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_SET_PUBLICATION) m->list = names;
          else
            for (const std::string& p : names) {
              auto have = std::find(m->list.begin(), m->list.end(), p);
              if (s->kind == PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_ADD_PUBLICATION) {
                if (have != m->list.end()) fail(ErrorCode::kDuplicateObject, "publication \"" + p + "\" is already in subscription \"" + m->name + "\"");
                m->list.push_back(p);
              } else {
                if (have == m->list.end()) fail(ErrorCode::kInvalidObjectDefinition, "publication \"" + p + "\" is not in subscription \"" + m->name + "\"");
                m->list.erase(have);
              }
            }
          if (m->list.empty()) fail(ErrorCode::kInvalidObjectDefinition, "cannot drop all the publications from a subscription");
          if (!given.contains("refresh") || given.at("refresh") == "t") {
            const std::string form = s->kind == PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_ADD_PUBLICATION ? "ADD" : s->kind == PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_SET_PUBLICATION ? "SET" : "DROP";
            if (!enabled)
              fail(ErrorCode::kObjectNotInPrerequisiteState, "ALTER SUBSCRIPTION with refresh is not allowed for disabled subscriptions", -1, {},
                   "Use ALTER SUBSCRIPTION ... " + form + " PUBLICATION ... WITH (refresh = false) instead.");
            host.prevent_in_block("ALTER SUBSCRIPTION with refresh");
            fail(ErrorCode::kConnectionFailure, "could not connect to the publisher: subscriptions are kept but do not connect");
          }
          break;
        }
        case PG_QUERY__ALTER_SUBSCRIPTION_TYPE__ALTER_SUBSCRIPTION_REFRESH:
          if (!enabled) fail(ErrorCode::kObjectNotInPrerequisiteState, "ALTER SUBSCRIPTION ... REFRESH is not allowed for disabled subscriptions");
          options(PG_LIST(s, options), {"copy_data"});
          host.prevent_in_block("ALTER SUBSCRIPTION ... REFRESH");
          fail(ErrorCode::kConnectionFailure, "could not connect to the publisher: subscriptions are kept but do not connect");
        default: {
          auto o = options(PG_LIST(s, options), {"lsn"});
          std::string lsn = o["lsn"];
          if (lsn == "none") lsn = "0/0";
          else if (lsn.find('/') == std::string::npos || lsn.find_first_not_of("0123456789abcdefABCDEF/") != std::string::npos) fail(ErrorCode::kInvalidTextRepresentation, "invalid input syntax for type pg_lsn: \"" + lsn + "\"");
          else if (lsn == "0/0") fail(ErrorCode::kInvalidParameterValue, "invalid WAL location (LSN): 0/0");
          m->facts["skip_lsn"] = lsn;
        }
      }
      put(m);
      return "ALTER SUBSCRIPTION";
    }
    default: {
      const pg::DropSubscriptionStmt* s = n->drop_subscription_stmt;
      auto e = find_entry(ObjectKind::kSubscription, {{s->subname}, {}});
      if (e == nullptr) {
        if (!s->missing_ok) fail(ErrorCode::kUndefinedObject, std::string("subscription \"") + s->subname + "\" does not exist");
        notice(std::string("subscription \"") + s->subname + "\" does not exist, skipping");
        return "DROP SUBSCRIPTION";
      }
      check_owner(*e, "subscription");
      if (!e->fact("slot_name").empty()) {
        host.prevent_in_block("DROP SUBSCRIPTION");
        fail(ErrorCode::kConnectionFailure, "could not connect to publisher when attempting to drop replication slot \"" + e->fact("slot_name") + "\": subscriptions are kept but do not connect", -1, {},
             "Use ALTER SUBSCRIPTION ... SET (slot_name = NONE) to disassociate the subscription from the slot.");
      }
      drop({{ObjectKind::kSubscription, e->oid, 0}}, true);
      return "DROP SUBSCRIPTION";
    }
  }
}

}  // namespace stele::sql

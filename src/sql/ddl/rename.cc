// RENAME, SET SCHEMA, OWNER TO.
#include "query/inheritance.h"
#include "sql/ddl/ddl.h"

namespace stele::sql {

using namespace query;  // NOLINT

namespace {
// Views that mention a relation, bound before its change and printed after it.
struct ViewTexts {
  Ddl& ddl;
  struct BoundView { Oid oid; std::shared_ptr<Query> query; };
  std::vector<BoundView> views;
  void bind_views(Oid relation_oid) {
    std::set<Oid> seen;
    for (const auto& d : ddl.state()->dependents_of({ObjectKind::kRelation, relation_oid, 0})) {
      if (d.dependent.kind != ObjectKind::kRelation || !seen.insert(d.dependent.oid).second) continue;
      auto v = ddl.state()->relation(d.dependent.oid);
      if (v == nullptr || v->view_sql.empty()) continue;
      ParseTreePtr tree = parse_sql(v->view_sql);
      CatalogView sv = ddl.stored_view();
      BindContext b = ddl.bind();
      b.view = &sv;
      b.text = tree->text;
      views.push_back({v->oid, bind_statement(tree->statements[0].node, b)});
    }
  }
  void print_views(Oid relation_oid, const std::string& old_column, const std::string& new_column) {
    for (BoundView& v : views) {
      std::function<void(Query&)> patch = [&](Query& q) {
        for (auto& rte : q.range_table) {
          if (rte->kind == RteKind::kRelation && rte->relation == relation_oid) {
            auto r = ddl.state()->relation(relation_oid);
            if (!rte->has_alias) rte->alias = r->name;
            for (auto& c : rte->column_aliases)
              if (!old_column.empty() && c == old_column) c = new_column;
          }
          if (rte->subquery != nullptr) patch(*std::const_pointer_cast<Query>(rte->subquery));
        }
        for (auto& c : q.ctes) patch(*std::const_pointer_cast<Query>(c.query));
      };
      patch(*v.query);
      CatalogView sv = ddl.stored_view();
      auto m = ddl.edit(ddl.state()->relation(v.oid));
      std::vector<std::string> names;
      for (const Column& c : m->columns) names.push_back(c.name);
      m->view_sql = deparse_query(*v.query, sv, *ddl.host.exec().eval, {.pretty = false, .indent = false}, names);
      ddl.put(m);
    }
  }
};
}  // namespace

// Stored SQL names columns and relations: for a rename it is bound with the old names and printed with the new.
void Ddl::rename_column(const Ptr<Relation>& found, const std::string& from, const std::string& to) {
  auto r = edit(found);
  const Column* c = r->column(std::string_view(from));
  if (r->column(std::string_view(to)) != nullptr) fail(ErrorCode::kDuplicateColumn, "column \"" + to + "\" of relation \"" + r->name + "\" already exists");
  if (r->of_type != 0) fail(ErrorCode::kWrongObjectType, "cannot rename column of typed table");
  if (r->relkind == 'r' || r->relkind == 'p')
    for (const char* sys : {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
      if (to == sys) fail(ErrorCode::kDuplicateColumn, "column name \"" + to + "\" conflicts with a system column name");
  ViewTexts texts{*this, {}};
  texts.bind_views(r->oid);
  // Expressions of the relation itself and its indexes.
  auto bound = [&](const std::string& sql, ExprContext kind) -> ExprPtr {
    ParsedExpression p = parse_expression(sql);
    CatalogView sv = stored_view();
    BindContext b = bind();
    b.view = &sv;
    b.text = sql;
    return bind_expression(p.node, found.get(), kind, b);
  };
  std::vector<std::pair<size_t, ExprPtr>> checks, generated;
  for (size_t i = 0; i < r->constraints.size(); ++i)
    if (!r->constraints[i].check_sql.empty()) checks.emplace_back(i, bound(r->constraints[i].check_sql, ExprContext::kCheckConstraint));
  for (size_t i = 0; i < r->columns.size(); ++i)
    if (r->columns[i].generated && !r->columns[i].dropped) generated.emplace_back(i, bound(r->columns[i].default_sql, ExprContext::kGeneratedColumn));
  int16_t number = c->number;
  std::string old = c->name;
  if (auto key = r->options.find("redis_key"); key != r->options.end())
    if (size_t at = key->second.find("{" + old + "}"); at != std::string::npos) key->second.replace(at + 1, old.size(), to);
  struct IndexText { std::shared_ptr<Relation> index; std::vector<std::pair<size_t, ExprPtr>> keys; ExprPtr predicate; };
  std::vector<IndexText> indexes;
  for (Oid i : r->indexes) {
    IndexText t{edit(state()->relation(i)), {}, nullptr};
    for (size_t k = 0; k < t.index->index->keys.size(); ++k) {
      auto& key = t.index->index->keys[k];
      if (!key.expression_sql.empty()) t.keys.emplace_back(k, bound(key.expression_sql, ExprContext::kIndexExpression));
      if (key.column == number && t.index->columns[k].name == old) t.index->columns[k].name = to;
    }
    if (!t.index->index->predicate_sql.empty()) t.predicate = bound(t.index->index->predicate_sql, ExprContext::kIndexPredicate);
    indexes.push_back(std::move(t));
  }
  r->columns[number - 1].name = to;
  for (auto& [i, e] : checks) r->constraints[i].check_sql = stored_sql(e, r.get());
  for (auto& [i, e] : generated) r->columns[i].default_sql = stored_sql(e, r.get());
  put(r);
  for (auto& t : indexes) {
    for (auto& [k, e] : t.keys) t.index->index->keys[k].expression_sql = stored_sql(e, r.get());
    if (t.predicate != nullptr) t.index->index->predicate_sql = stored_sql(t.predicate, r.get());
    put(t.index);
  }
  texts.print_views(r->oid, old, to);
  if (r->relkind == 'v' || r->relkind == 'm') {
    // The view's own text names its output.
    ParseTreePtr tree = parse_sql(r->view_sql);
    CatalogView sv = stored_view();
    BindContext b = bind();
    b.view = &sv;
    b.text = tree->text;
    auto q = bind_statement(tree->statements[0].node, b);
    std::vector<std::string> names;
    for (const Column& x : r->columns) names.push_back(x.name);
    auto m = edit(Ptr<Relation>(r));
    m->view_sql = deparse_query(*q, sv, *host.exec().eval, {.pretty = false, .indent = false}, names);
    put(m);
  }
}

void Ddl::rename(const pg::RenameStmt* s) {
  std::string to = s->newname;
  if (to.size() > 63) to.resize(63);
  ViewTexts texts{*this, {}};
  switch (s->rename_type) {
    case pg::OBJECT_TABLE: case pg::OBJECT_VIEW: case pg::OBJECT_MATVIEW: case pg::OBJECT_INDEX: case pg::OBJECT_SEQUENCE: case pg::OBJECT_FOREIGN_TABLE: {
      Ptr<Relation> found = table_for(s->relation, LockMode::kAccessExclusive, s->missing_ok);
      if (found == nullptr) return;
      if (name_used(found->schema, to)) fail(ErrorCode::kDuplicateTable, "relation \"" + to + "\" already exists");
      texts.bind_views(found->oid);
      auto r = edit(found);
      std::string old = r->name;
      r->name = to;
      put(r);
      if (r->row_type != 0)
        if (auto t = state()->type(r->row_type)) {
          auto m = edit(t);
          m->name = to;
          put(m);
        }
      if (r->index)
        if (auto t = state()->relation(r->index->table)) {
          auto m = edit(t);
          bool changed = false;
          for (Constraint& c : m->constraints)
            if (c.index == r->oid && c.kind != ConstraintKind::kForeignKey) {
              c.name = to;
              changed = true;
            }
          if (changed) put(m);
        }
      // Defaults that call nextval on it.
      if (r->relkind == 'S')
        for (const auto& d : state()->dependents_of({ObjectKind::kRelation, r->oid, 0})) {
          if (d.dependent.kind != ObjectKind::kDefault) continue;
          auto t = state()->relation(d.dependent.oid);
          if (t == nullptr) continue;
          auto m = edit(t);
          std::string schema = quote_identifier(view().schema_name(r->schema)) + ".";
          std::string from_text = quote_literal(schema + quote_identifier(old)), to_text = quote_literal(schema + quote_identifier(to));
          std::string& sql = m->columns[d.dependent.sub - 1].default_sql;
          if (size_t at = sql.find(from_text); at != std::string::npos) sql.replace(at, from_text.size(), to_text);
          put(m);
        }
      texts.print_views(r->oid, {}, {});
      return;
    }
    case pg::OBJECT_COLUMN: case pg::OBJECT_ATTRIBUTE: {
      Ptr<Relation> found = table_for(s->relation, LockMode::kAccessExclusive, s->missing_ok);
      if (found == nullptr) return;
      if (found->of_type != 0) fail(ErrorCode::kWrongObjectType, "cannot rename column of typed table");
      const Column* c = found->column(std::string_view(s->subname));
      if (c == nullptr) fail(ErrorCode::kUndefinedColumn, std::string("column \"") + s->subname + "\" does not exist");
      if (!s->relation->inh && !direct_children(*state(), found->oid).empty())
        fail(ErrorCode::kInvalidTableDefinition, std::string("inherited column \"") + s->subname + "\" must be renamed in child tables too");
      if (c->inherited()) fail(ErrorCode::kInvalidTableDefinition, std::string("cannot rename inherited column \"") + s->subname + "\"");
      const std::string old = c->name;
      rename_column(found, old, to);
      for (Oid child : inheritance_children(*state(), found->oid))
        if (auto m = state()->relation(child); m->column(std::string_view(old)) != nullptr) rename_column(m, old, to);
      return;
    }
    case pg::OBJECT_TABCONSTRAINT: {
      Ptr<Relation> found = table_for(s->relation, LockMode::kAccessExclusive, s->missing_ok);
      if (found == nullptr) return;
      auto r = edit(found);
      if (constraint_exists(*r, to)) fail(ErrorCode::kDuplicateObject, "constraint \"" + to + "\" for relation \"" + r->name + "\" already exists");
      for (Constraint& c : r->constraints)
        if (c.name == s->subname) {
          c.name = to;
          if (c.index != 0 && c.kind != ConstraintKind::kForeignKey) {
            if (name_used(r->schema, to)) fail(ErrorCode::kDuplicateTable, "relation \"" + to + "\" already exists");
            auto index = edit(state()->relation(c.index));
            index->name = to;
            put(index);
          }
          put(r);
          return;
        }
      fail(ErrorCode::kUndefinedObject, std::string("constraint \"") + s->subname + "\" for table \"" + r->name + "\" does not exist");
    }
    case pg::OBJECT_SCHEMA: {
      auto o = std::static_pointer_cast<const catalog::Schema>(state()->find(ObjectKind::kSchema, 0, s->subname));
      if (o == nullptr) fail(ErrorCode::kInvalidSchemaName, std::string("schema \"") + s->subname + "\" does not exist");
      check_owner(*o, "schema");
      if (state()->find(ObjectKind::kSchema, 0, to) != nullptr) fail(ErrorCode::kDuplicateSchema, "schema \"" + to + "\" already exists");
      if (to.starts_with("pg_")) fail(ErrorCode::kReservedName, "unacceptable schema name \"" + to + "\"", -1, "The prefix \"pg_\" is reserved for system schemas.");
      std::vector<Oid> inside;
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& x) {
        if (x->schema_oid() == o->oid) inside.push_back(x->oid);
      });
      for (Oid i : inside) texts.bind_views(i);
      auto m = edit(o);
      m->name = to;
      put(m);
      for (Oid i : inside) texts.print_views(i, {}, {});
      return;
    }
    case pg::OBJECT_TYPE: case pg::OBJECT_DOMAIN: {
      std::vector<std::string> names = pg::strings(PG_LIST(s->object->list, items));
      const TypeRow* row = names.size() > 1 ? view().find_type(view().schema(names[names.size() - 2]), names.back()) : view().find_type(names.back());
      if (row == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + names.back() + "\" does not exist");
      auto t = edit(state()->type(row->oid));
      check_owner(*t, "type");
      if (view().find_type(t->schema, to) != nullptr) fail(ErrorCode::kDuplicateObject, "type \"" + to + "\" already exists");
      t->name = to;
      put(t);
      if (t->relation != 0)
        if (auto r = state()->relation(t->relation)) {
          auto m = edit(r);
          m->name = to;
          put(m);
        }
      return;
    }
    case pg::OBJECT_DOMCONSTRAINT: {
      std::vector<std::string> names = pg::strings(PG_LIST(s->object->list, items));
      const TypeRow* row = view().find_type(names.back());
      if (row == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + names.back() + "\" does not exist");
      auto t = edit(state()->type(row->oid));
      check_owner(*t, "type");
      auto k = std::find_if(t->constraints.begin(), t->constraints.end(), [&](const Constraint& c) { return c.name == s->subname; });
      if (k == t->constraints.end()) fail(ErrorCode::kUndefinedObject, std::string("constraint \"") + s->subname + "\" for domain " + view().format_type(t->oid) + " does not exist");
      k->name = to;
      put(t);
      return;
    }
    case pg::OBJECT_FUNCTION: case pg::OBJECT_PROCEDURE: case pg::OBJECT_AGGREGATE: case pg::OBJECT_ROUTINE: {
      BindContext b = bind();
      Oid f = find_function(s->object->object_with_args, 0, b, false);
      auto o = state()->function(f);
      if (o == nullptr) fail(ErrorCode::kInsufficientPrivilege, "must be owner of function");
      check_owner(*o, "function");
      auto m = edit(o);
      m->name = to;
      put(m);
      return;
    }
    case pg::OBJECT_ROLE: {
      auto r = edit(role_named(s->subname));
      if (state()->find(ObjectKind::kRole, 0, to) != nullptr) fail(ErrorCode::kDuplicateObject, "role \"" + to + "\" already exists");
      r->name = to;
      put(r);
      return;
    }
    case pg::OBJECT_DATABASE: {
      rename_database(s->subname, to);
      return;
    }
    case pg::OBJECT_RULE: {
      Ptr<Relation> found = relation(s->relation);
      check_owner(*found, relkind_word(found->relkind));
      auto r = edit(found);
      auto rule = std::find_if(r->rules.begin(), r->rules.end(), [&](const auto& x) { return x.name == s->subname; });
      if (rule == r->rules.end()) fail(ErrorCode::kUndefinedObject, std::string("rule \"") + s->subname + "\" for relation \"" + r->name + "\" does not exist");
      if (std::any_of(r->rules.begin(), r->rules.end(), [&](const auto& x) { return x.name == to; }))
        fail(ErrorCode::kDuplicateObject, "rule \"" + to + "\" for relation \"" + r->name + "\" already exists");
      rule->name = to;
      std::sort(r->rules.begin(), r->rules.end(), [](const auto& x, const auto& y) { return x.name < y.name; });
      put(r);
      return;
    }
    case pg::OBJECT_TRIGGER: case pg::OBJECT_POLICY: {
      Ptr<Relation> r = relation(s->relation);
      if (s->rename_type == pg::OBJECT_TRIGGER) {
        auto o = std::static_pointer_cast<const catalog::Trigger>(state()->find(ObjectKind::kTrigger, r->oid, s->subname));
        if (o == nullptr) fail(ErrorCode::kUndefinedObject, std::string("trigger \"") + s->subname + "\" for table \"" + r->name + "\" does not exist");
        auto m = edit(o);
        m->name = to;
        put(m);
      } else {
        auto o = std::static_pointer_cast<const catalog::Policy>(state()->find(ObjectKind::kPolicy, r->oid, s->subname));
        if (o == nullptr) fail(ErrorCode::kUndefinedObject, std::string("policy \"") + s->subname + "\" for table \"" + r->name + "\" does not exist");
        auto m = edit(o);
        m->name = to;
        put(m);
      }
      return;
    }
    case pg::OBJECT_COLLATION: {
      auto o = std::static_pointer_cast<const catalog::Collation>(state()->get(ObjectKind::kCollation, resolve_collation(pg::strings(PG_LIST(s->object->list, items)), bind())));
      if (o == nullptr) fail(ErrorCode::kInsufficientPrivilege, "must be owner of collation");
      check_owner(*o, "collation");
      if (state()->find(ObjectKind::kCollation, o->schema, to) != nullptr)
        fail(ErrorCode::kDuplicateObject, "collation \"" + to + "\" for encoding \"UTF8\" already exists in schema \"" + view().schema_name(o->schema) + "\"");
      auto m = edit(o);
      m->name = to;
      put(m);
      return;
    }
    default:
      if (!rename_entry(s, to)) fail(ErrorCode::kFeatureNotSupported, "this kind of object cannot be renamed");
  }
}

void Ddl::set_schema(const pg::AlterObjectSchemaStmt* s) {
  Oid schema = view().schema(s->newschema);
  if (schema == 0) fail(ErrorCode::kInvalidSchemaName, std::string("schema \"") + s->newschema + "\" does not exist");
  check_schema_create(schema);
  switch (s->object_type) {
    case pg::OBJECT_TABLE: case pg::OBJECT_VIEW: case pg::OBJECT_MATVIEW: case pg::OBJECT_SEQUENCE: case pg::OBJECT_INDEX: {
      Ptr<Relation> found = table_for(s->relation, LockMode::kAccessExclusive, s->missing_ok);
      if (found == nullptr) return;
      if (found->schema == schema) return;
      if (found->relkind == 'S' && found->sequence->owner_table != 0)
        fail(ErrorCode::kFeatureNotSupported, "cannot move an owned sequence into another schema", -1,
             "Sequence \"" + found->name + "\" is linked to table \"" + state()->relation(found->sequence->owner_table)->name + "\".");
      if (name_used(schema, found->name)) fail(ErrorCode::kDuplicateTable, "relation \"" + found->name + "\" already exists in schema \"" + s->newschema + "\"");
      struct BoundView { Oid oid; std::shared_ptr<Query> query; };
      std::vector<BoundView> views;
      for (const auto& d : state()->dependents_of({ObjectKind::kRelation, found->oid, 0})) {
        auto v = d.dependent.kind == ObjectKind::kRelation ? state()->relation(d.dependent.oid) : nullptr;
        if (v == nullptr || v->view_sql.empty()) continue;
        ParseTreePtr tree = parse_sql(v->view_sql);
        CatalogView sv = stored_view();
        BindContext b = bind();
        b.view = &sv;
        b.text = tree->text;
        views.push_back({v->oid, bind_statement(tree->statements[0].node, b)});
      }
      auto move = [&](Oid oid) {
        auto m = edit(state()->relation(oid));
        m->schema = schema;
        put(m);
        if (m->row_type != 0)
          if (auto t = state()->type(m->row_type)) {
            auto mt = edit(t);
            mt->schema = schema;
            put(mt);
            if (auto a = state()->type(t->array)) {
              auto ma = edit(a);
              ma->schema = schema;
              put(ma);
            }
          }
      };
      std::vector<Oid> owned = found->indexes;
      state()->for_each(ObjectKind::kRelation, [&](const Ptr<catalog::Object>& o) {
        auto& seq = static_cast<const Relation&>(*o);
        if (seq.relkind == 'S' && seq.sequence->owner_table == found->oid) owned.push_back(seq.oid);
      });
      move(found->oid);
      for (Oid o : owned) move(o);
      for (BoundView& v : views) {
        CatalogView sv = stored_view();
        auto m = edit(state()->relation(v.oid));
        std::vector<std::string> names;
        for (const Column& c : m->columns) names.push_back(c.name);
        m->view_sql = deparse_query(*v.query, sv, *host.exec().eval, {.pretty = false, .indent = false}, names);
        put(m);
      }
      changes().drop_dependencies_of({ObjectKind::kRelation, found->oid, 0});
      depend({ObjectKind::kRelation, found->oid, 0}, {ObjectKind::kSchema, schema, 0});
      return;
    }
    case pg::OBJECT_TYPE: case pg::OBJECT_DOMAIN: {
      std::vector<std::string> names = pg::strings(PG_LIST(s->object->list, items));
      const TypeRow* row = names.size() > 1 ? view().find_type(view().schema(names[names.size() - 2]), names.back()) : view().find_type(names.back());
      if (row == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + names.back() + "\" does not exist");
      auto t = edit(state()->type(row->oid));
      t->schema = schema;
      put(t);
      return;
    }
    case pg::OBJECT_FUNCTION: case pg::OBJECT_PROCEDURE: case pg::OBJECT_AGGREGATE: case pg::OBJECT_ROUTINE: {
      BindContext b = bind();
      auto o = state()->function(find_function(s->object->object_with_args, 0, b, false));
      if (o == nullptr) return;
      auto m = edit(o);
      m->schema = schema;
      put(m);
      return;
    }
    case pg::OBJECT_OPERATOR: {
      BindContext b = bind();
      auto o = state()->get_as<catalog::Operator>(ObjectKind::kOperator, find_operator(s->object->object_with_args, b, false));
      if (o == nullptr) return;
      check_owner(*o, "operator");
      for (const OperatorRow* x : view().operators(o->name, schema))
        if (x->schema == schema && x->left == o->left && x->right == o->right && x->oid != o->oid)
          fail(ErrorCode::kDuplicateFunction, "operator " + o->name + "(" + (o->left == 0 ? "NONE" : view().format_type(o->left)) + ", " + view().format_type(o->right) + ") already exists in schema \"" + s->newschema + "\"");
      auto m = edit(o);
      m->schema = schema;
      put(m);
      return;
    }
    case pg::OBJECT_COLLATION: {
      auto o = std::static_pointer_cast<const catalog::Collation>(state()->get(ObjectKind::kCollation, resolve_collation(pg::strings(PG_LIST(s->object->list, items)), bind())));
      if (o == nullptr) return;
      check_owner(*o, "collation");
      if (o->schema != schema && state()->find(ObjectKind::kCollation, schema, o->name) != nullptr)
        fail(ErrorCode::kDuplicateObject, "collation \"" + o->name + "\" for encoding \"UTF8\" already exists in schema \"" + s->newschema + "\"");
      auto m = edit(o);
      m->schema = schema;
      put(m);
      return;
    }
    default: entry_set_schema(s, schema); return;
  }
}

void Ddl::set_owner(const pg::AlterOwnerStmt* s) {
  Oid owner = role_spec(s->newowner);
  auto own = [&](auto o) {
    if (o == nullptr) return;
    check_owner(*o, "object");
    auto m = edit(o);
    m->owner = owner;
    put(m);
  };
  auto last = [&] {
    return s->object->node_case == pg::kString ? std::string(pg::str(s->object)) : pg::strings(PG_LIST(s->object->list, items)).back();
  };
  switch (s->object_type) {
    case pg::OBJECT_SCHEMA: {
      auto o = std::static_pointer_cast<const catalog::Schema>(state()->find(ObjectKind::kSchema, 0, last()));
      if (o == nullptr) fail(ErrorCode::kInvalidSchemaName, "schema \"" + last() + "\" does not exist");
      own(o);
      return;
    }
    case pg::OBJECT_DATABASE: own(database_named(last())); return;
    case pg::OBJECT_TYPE: case pg::OBJECT_DOMAIN: {
      const TypeRow* row = view().find_type(last());
      if (row == nullptr) fail(ErrorCode::kUndefinedObject, "type \"" + last() + "\" does not exist");
      own(state()->type(row->oid));
      return;
    }
    case pg::OBJECT_FUNCTION: case pg::OBJECT_PROCEDURE: case pg::OBJECT_AGGREGATE: case pg::OBJECT_ROUTINE: {
      BindContext b = bind();
      own(state()->function(find_function(s->object->object_with_args, 0, b, false)));
      return;
    }
    case pg::OBJECT_OPERATOR: {
      BindContext b = bind();
      own(state()->get_as<catalog::Operator>(ObjectKind::kOperator, find_operator(s->object->object_with_args, b, false)));
      return;
    }
    case pg::OBJECT_COLLATION:
      own(state()->get_as<catalog::Collation>(ObjectKind::kCollation, resolve_collation(pg::strings(PG_LIST(s->object->list, items)), bind())));
      return;
    default: entry_set_owner(s, owner); return;
  }
}

}  // namespace stele::sql

// Views, materialized views, CREATE TABLE AS.
#include "rows/keys.h"
#include "sql/ddl/ddl.h"

namespace stele::sql {

using namespace query;  // NOLINT

void Ddl::view_dependencies(const ObjectAddress& self, const Query& q, const std::vector<ObjectAddress>& extra) {
  std::set<ObjectAddress> refs;
  std::function<void(const Query&)> collect = [&](const Query& x) {
    for (size_t i = 0; i < x.range_table.size(); ++i) {
      const RangeTableEntry& rte = *x.range_table[i];
      if (rte.kind == RteKind::kRelation) {
        refs.insert({ObjectKind::kRelation, rte.relation, 0});
        for (int16_t c : rte.selected_columns)
          if (c > 0) refs.insert({ObjectKind::kRelation, rte.relation, c});
      }
      if (rte.subquery != nullptr) collect(*rte.subquery);
    }
    for (const CommonTable& c : x.ctes) collect(*c.query);
    auto scan = [&](const ExprPtr& e) {
      walk(e, [&](const Expr& y, int) {
        if (y.kind == ExprKind::kSubLink) collect(*static_cast<const SubLinkExpr&>(y).subquery);
        Oid func = y.kind == ExprKind::kFunc ? static_cast<const FuncExpr&>(y).func : y.kind == ExprKind::kAggregate ? static_cast<const AggregateExpr&>(y).func : 0;
        if (func >= oid::kFirstUserOid) refs.insert({ObjectKind::kFunction, func, 0});
        return false;
      });
    };
    for (const TargetEntry& t : x.targets) scan(t.expr);
    scan(x.where);
    scan(x.having);
  };
  collect(q);
  for (const ObjectAddress& a : extra)
    if (a.kind != ObjectKind::kRelation) refs.insert(a);
  // A relation whose columns are listed needs no entry of its own.
  for (const ObjectAddress& a : refs) {
    if (a.kind == ObjectKind::kRelation && a.sub == 0) {
      auto next = refs.upper_bound(a);
      if (next != refs.end() && next->kind == a.kind && next->oid == a.oid) continue;
    }
    depend(self, a);
  }
}

void Ddl::create_view(const pg::ViewStmt* s) {
  BindContext b = bind();
  for (const pg::SelectStmt* select = s->query->node_case == pg::kSelectStmt ? s->query->select_stmt : nullptr; select != nullptr; select = select->larg)
    if (select->into_clause != nullptr) fail(ErrorCode::kFeatureNotSupported, "views must not contain SELECT INTO");
  auto q = bind_statement(s->query, b);
  if (q->command != CommandKind::kSelect) fail(ErrorCode::kFeatureNotSupported, "views must not contain data-modifying statements in WITH");
  if (q->has_modifying_cte) fail(ErrorCode::kFeatureNotSupported, "views must not contain data-modifying statements in WITH");
  std::vector<std::string> names = pg::strings(PG_LIST(s, aliases));
  std::vector<OutputColumn> columns;
  std::vector<Oid> collations;
  bool uses_temp = false;
  for (const auto& rte : q->range_table)
    if (rte->kind == RteKind::kRelation) {
      auto r = view().relation(rte->relation);
      uses_temp = uses_temp || (r != nullptr && r->persistence == 't');
    }
  for (const TargetEntry& t : q->targets) {
    if (t.junk) continue;
    OutputColumn c;
    c.name = columns.size() < names.size() ? names[columns.size()] : t.name;
    c.type = t.expr->type;
    c.typmod = t.expr->typmod;
    columns.push_back(c);
    collations.push_back(t.expr->collation);
  }
  if (names.size() > columns.size()) fail(ErrorCode::kSyntaxError, "CREATE VIEW specifies more column names than columns");
  pg::RangeVar rv = *s->view;
  char temp[] = "t";
  if (uses_temp && std::string_view(rv.relpersistence) != "t") {
    rv.relpersistence = temp;
    notice(std::string("view \"") + rv.relname + "\" will be a temporary view");
  }
  Target target = creation_target(&rv);
  auto existing = std::static_pointer_cast<const Relation>(state()->find(ObjectKind::kRelation, target.schema, target.name));
  std::vector<std::string> output;
  for (auto& c : columns) output.push_back(c.name);
  std::shared_ptr<Relation> r;
  std::map<std::string, std::string> opts = options(PG_LIST(s, options));
  if (s->with_check_option == pg::LOCAL_CHECK_OPTION) opts["check_option"] = "local";
  if (s->with_check_option == pg::CASCADED_CHECK_OPTION) opts["check_option"] = "cascaded";
  if (opts.contains("check_option")) {
    if (const char* why = view_update_problem(*q)) fail(ErrorCode::kFeatureNotSupported, "WITH CHECK OPTION is supported only on automatically updatable views", -1, {}, why);
  }
  if (existing != nullptr) {
    if (!s->replace) fail(ErrorCode::kDuplicateTable, "relation \"" + target.name + "\" already exists");
    if (existing->relkind != 'v') fail(ErrorCode::kWrongObjectType, "\"" + target.name + "\" is not a view");
    check_owner(*existing, "view");
    host.lock_relation(existing->oid, LockMode::kAccessExclusive);
    r = edit(existing);
    std::vector<Column> old;
    for (const Column& c : existing->columns)
      if (!c.dropped) old.push_back(c);
    if (columns.size() < old.size()) fail(ErrorCode::kInvalidTableDefinition, "cannot drop columns from view");
    for (size_t i = 0; i < old.size(); ++i) {
      if (old[i].name != columns[i].name)
        fail(ErrorCode::kInvalidTableDefinition, "cannot change name of view column \"" + old[i].name + "\" to \"" + columns[i].name + "\"", -1, {},
             "Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.");
      Oid type = columns[i].type == oid::kUnknown ? oid::kText : columns[i].type;
      if (old[i].type != type || old[i].typmod != columns[i].typmod)
        fail(ErrorCode::kInvalidTableDefinition,
             "cannot change data type of view column \"" + old[i].name + "\" from " + view().format_type(old[i].type, old[i].typmod) + " to " + view().format_type(type, columns[i].typmod));
    }
    auto fresh = table_from_columns(target, columns, {}, 'v', collations);
    for (size_t i = old.size(); i < fresh->columns.size(); ++i) {
      Column c = fresh->columns[i];
      c.number = static_cast<int16_t>(r->columns.size() + 1);
      r->columns.push_back(c);
    }
    changes().drop_dependencies_of({ObjectKind::kRelation, r->oid, 0});
  } else {
    check_name_free(target);
    r = table_from_columns(target, columns, {}, 'v', collations);
    make_row_types(*r);
  }
  r->options = opts;
  CatalogView stored = stored_view();
  r->view_sql = deparse_query(*q, stored, *host.exec().eval, {.pretty = false, .indent = false}, output);
  put(r);
  ObjectAddress self{ObjectKind::kRelation, r->oid, 0};
  depend(self, {ObjectKind::kSchema, r->schema, 0});
  view_dependencies(self, *q, q->dependencies);
}

uint64_t Ddl::insert_from(const Relation& target, const std::shared_ptr<Query>& source, std::span<const NullableDatum> params,
                          std::span<const Oid> param_types) {
  // INSERT INTO target SELECT * FROM (source).
  auto q = std::make_shared<Query>();
  q->command = CommandKind::kInsert;
  auto rte = std::make_shared<RangeTableEntry>();
  rte->kind = RteKind::kRelation;
  rte->relation = target.oid;
  rte->relkind = 'r';
  rte->lock_mode = LockMode::kRowExclusive;
  rte->alias = target.name;
  rte->in_from_clause = false;
  for (const Column& c : target.columns) {
    rte->column_aliases.push_back(c.name);
    rte->column_types.push_back(c.type);
    rte->column_typmods.push_back(c.typmod);
    rte->column_collations.push_back(c.collation);
  }
  auto sub = std::make_shared<RangeTableEntry>();
  sub->kind = RteKind::kSubquery;
  sub->alias = "*SELECT*";
  sub->in_from_clause = false;
  sub->subquery = source;
  int16_t n = 0;
  for (const TargetEntry& t : source->targets) {
    if (t.junk) continue;
    ++n;
    sub->column_aliases.push_back(t.name);
    sub->column_types.push_back(t.expr->type);
    sub->column_typmods.push_back(t.expr->typmod);
    sub->column_collations.push_back(t.expr->collation);
    auto v = std::make_shared<VarExpr>();
    v->relation = 2;
    v->column = n;
    v->type = t.expr->type;
    v->typmod = t.expr->typmod;
    v->collation = t.expr->collation;
    TargetEntry e;
    e.expr = v;
    e.name = target.columns[n - 1].name;
    e.resno = n;
    e.column = n;
    q->targets.push_back(e);
  }
  q->range_table = {rte, sub};
  q->result_relation = 1;
  auto leaf = std::make_shared<FromItem>();
  leaf->relation = 2;
  q->from.push_back(leaf);
  return host.run(q, params, param_types, {});
}

std::string Ddl::create_table_as(const pg::CreateTableAsStmt* s) {
  bool matview = s->objtype == pg::OBJECT_MATVIEW;
  const pg::IntoClause* into = s->into;
  Target target = creation_target(into->rel);
  if (name_used(target.schema, target.name)) {
    if (s->if_not_exists) {
      notice("relation \"" + target.name + "\" already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateTable);
      return matview ? "CREATE MATERIALIZED VIEW" : "CREATE TABLE AS";
    }
    fail(ErrorCode::kDuplicateTable, "relation \"" + target.name + "\" already exists");
  }
  check_name_free(target);
  BindContext b = bind();
  const Node* query_node = s->query;
  std::shared_ptr<Query> q;
  Arena arena;
  UtilityHost::PreparedRun prepared;
  pg::SelectStmt copy;
  Node wrap = PG_QUERY__NODE__INIT;
  if (query_node->node_case == pg::kSelectStmt && query_node->select_stmt->into_clause != nullptr) {
    copy = *query_node->select_stmt;
    copy.into_clause = nullptr;
    wrap.node_case = pg::kSelectStmt;
    wrap.select_stmt = &copy;
    query_node = &wrap;
  }
  if (!matview) b.user = host.current_user();
  if (query_node->node_case == pg::kExecuteStmt) {
    prepared = host.prepared_run(query_node, text, arena);
    q = std::make_shared<Query>(*prepared.query);
  } else {
    q = bind_statement(query_node, b);
  }
  if (matview && q->has_modifying_cte) fail(ErrorCode::kFeatureNotSupported, "materialized views must not use data-modifying statements in WITH");
  std::vector<std::string> names = pg::strings(PG_LIST(into, col_names));
  std::vector<OutputColumn> columns;
  std::vector<Oid> collations;
  for (const TargetEntry& t : q->targets) {
    if (t.junk) continue;
    OutputColumn c;
    c.name = t.name;
    c.type = t.expr->type;
    c.typmod = t.expr->typmod;
    columns.push_back(c);
    collations.push_back(t.expr->collation);
  }
  if (names.size() > columns.size()) fail(ErrorCode::kSyntaxError, "too many column names were specified");
  std::vector<std::string> all;
  for (size_t i = 0; i < columns.size(); ++i) all.push_back(i < names.size() ? names[i] : columns[i].name);
  auto r = table_from_columns(target, columns, all, matview ? 'm' : 'r', collations);
  if (!target.temporary && std::string_view(into->rel->relpersistence) == "u") r->persistence = 'u';
  r->options = options(PG_LIST(into, options));
  if (into->on_commit == pg::ONCOMMIT_DELETE_ROWS) r->on_commit = 1;
  if (into->on_commit == pg::ONCOMMIT_DROP) r->on_commit = 2;
  make_row_types(*r);
  if (matview) {
    CatalogView stored = stored_view();
    r->view_sql = deparse_query(*q, stored, *host.exec().eval, {.pretty = false, .indent = false}, all);
    r->populated = !into->skip_data;
  }
  put(r);
  ObjectAddress self{ObjectKind::kRelation, r->oid, 0};
  depend(self, {ObjectKind::kSchema, r->schema, 0});
  if (matview) view_dependencies(self, *q, q->dependencies);
  if (into->skip_data) return matview ? "CREATE MATERIALIZED VIEW" : "CREATE TABLE AS";
  host.next_command();
  uint64_t n = insert_from(*r, q, prepared.params, prepared.types);
  return "SELECT " + std::to_string(n);
}

void Ddl::refresh_view(const pg::RefreshMatViewStmt* s) {
  if (s->concurrent && s->skip_data) fail(ErrorCode::kSyntaxError, "REFRESH options CONCURRENTLY and WITH NO DATA cannot be used together");
  Ptr<Relation> found = relation(s->relation);
  if (found->relkind != 'm') fail(ErrorCode::kFeatureNotSupported, "\"" + found->name + "\" is not a materialized view");
  check_owner(*found, "materialized view");
  host.lock_relation(found->oid, s->concurrent ? LockMode::kExclusive : LockMode::kAccessExclusive);
  changes().refresh();
  auto r = edit(state()->relation(found->oid));
  if (s->concurrent && !r->populated) fail(ErrorCode::kFeatureNotSupported, "CONCURRENTLY cannot be used when the materialized view is not populated");
  if (s->concurrent) {
    bool unique = false;
    for (Oid i : r->indexes) {
      auto index = state()->relation(i);
      bool columns = index->index->unique && index->index->valid && index->index->predicate_sql.empty();
      for (const auto& k : index->index->keys) columns = columns && k.column != 0;
      unique = unique || columns;
    }
    if (!unique)
      fail(ErrorCode::kObjectNotInPrerequisiteState, "cannot refresh materialized view \"" + quote_identifier(view().schema_name(r->schema)) + "." + quote_identifier(r->name) + "\" concurrently", -1, {},
           "Create a unique index with no WHERE clause on one or more columns of the materialized view.");
  }
  erase_storage(*r);
  r->storage_id = catalog().allocate_storage_id();
  r->populated = !s->skip_data;
  for (Oid i : r->indexes) {
    auto index = edit(state()->relation(i));
    erase_storage(*index);
    index->storage_id = catalog().allocate_storage_id();
    put(index);
  }
  put(r);
  host.next_command();
  if (s->skip_data) return;
  ParseTreePtr tree = parse_sql(r->view_sql);
  CatalogView v = stored_view();
  BindContext b = bind();
  b.view = &v;
  b.text = tree->text;
  auto q = bind_statement(tree->statements[0].node, b);
  insert_from(*r, q);
}

}  // namespace stele::sql

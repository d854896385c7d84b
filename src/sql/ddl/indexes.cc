// CREATE INDEX and index relations in general.
#include "query/inheritance.h"
#include "sql/ddl/ddl.h"
#include "sql/index_methods.h"

namespace stele::sql {

using namespace query;  // NOLINT

namespace {
std::vector<IndexMethod*>& methods() {
  static auto* const list = new std::vector<IndexMethod*>;
  return *list;
}
}  // namespace

void register_index_method(IndexMethod* m) { methods().push_back(m); }
IndexMethod* index_method(std::string_view name) {
  for (IndexMethod* m : methods())
    if (m->name() == name) return m;
  return nullptr;
}

std::shared_ptr<Relation> Ddl::make_index(Relation& table, const std::string& name, catalog::IndexInfo info) {
  auto i = std::make_shared<Relation>();
  i->oid = catalog().allocate_oid();
  i->name = name;
  i->schema = table.schema;
  i->owner = table.owner;
  i->relkind = table.partitioning ? 'I' : 'i';
  i->persistence = table.persistence;
  i->temp_session = table.temp_session;
  if (!table.partitioning) i->storage_id = catalog().allocate_storage_id();
  info.table = table.oid;
  auto column_name = [&](const catalog::IndexColumn& k) -> std::string {
    if (k.column != 0) return table.column(k.column)->name;
    const ParsedExpression parsed = parse_expression(k.expression_sql);
    if (pg::is(parsed.node, pg::kFuncCall)) return std::string(pg::str(parsed.node->func_call->funcname[parsed.node->func_call->n_funcname - 1]));
    if (pg::is(parsed.node, pg::kCoalesceExpr)) return "coalesce";
    return "expr";
  };
  std::set<std::string> used;
  int16_t number = 0;
  auto add = [&](std::string n, Oid type, int32_t typmod, Oid collation) {
    std::string base = n;
    for (int k = 1; used.contains(n); ++k) n = base + std::to_string(k);
    used.insert(n);
    Column c;
    c.name = n;
    c.number = ++number;
    c.type = type;
    c.typmod = typmod;
    c.collation = collation;
    i->columns.push_back(c);
  };
  for (const auto& k : info.keys) add(column_name(k), k.type, k.typmod, k.collation);
  for (int16_t n : info.included) {
    const Column* c = table.column(n);
    add(c->name, c->type, c->typmod, c->collation);
  }
  i->index = info;
  put(i);
  table.indexes.push_back(i->oid);
  put(std::make_shared<Relation>(table));
  ObjectAddress self{ObjectKind::kRelation, i->oid, 0};
  for (const auto& k : info.keys)
    if (k.column != 0) changes().add_dependency({self, {ObjectKind::kRelation, table.oid, k.column}, DependencyKind::kAuto});
  for (int16_t n : info.included) changes().add_dependency({self, {ObjectKind::kRelation, table.oid, n}, DependencyKind::kAuto});
  changes().add_dependency({self, {ObjectKind::kRelation, table.oid, 0}, DependencyKind::kAuto});
  for (const auto& k : info.keys)
    if (k.opclass >= oid::kFirstUserOid) depend(self, {ObjectKind::kOpclass, k.opclass, 0});
  return i;
}

void Ddl::build(const Relation& index) {
  host.next_command();
  build_index(index.oid, host.exec());
}

catalog::IndexColumn Ddl::index_key(const Relation& table, const pg::IndexElem* e, const std::string& method) {
  catalog::IndexColumn k;
  BindContext b = bind();
  if (pg::has(e->name)) {
    const Column* c = table.column(std::string_view(e->name));
    if (c == nullptr) {
      for (const char* sys : {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
        if (std::string_view(e->name) == sys) fail(ErrorCode::kFeatureNotSupported, "index creation on system columns is not supported");
      fail(ErrorCode::kUndefinedColumn, std::string("column \"") + e->name + "\" does not exist");
    }
    k.column = c->number;
    k.type = c->type;
    k.typmod = c->typmod;
    k.collation = c->collation;
  } else {
    ExprPtr x = bind_expression(e->expr, &table, ExprContext::kIndexExpression, b);
    if (x->kind == ExprKind::kVar && static_cast<const VarExpr&>(*x).column > 0) {
      const Column* c = table.column(static_cast<const VarExpr&>(*x).column);
      k.column = c->number;
      k.type = c->type;
      k.typmod = c->typmod;
      k.collation = c->collation;
    } else {
      bool mutable_function = false;
      walk(x, [&](const Expr& y, int) {
        Oid func = y.kind == ExprKind::kFunc ? static_cast<const FuncExpr&>(y).func : y.kind == ExprKind::kOp ? static_cast<const OpExpr&>(y).func : 0;
        if (func != 0)
          if (const ProcRow* p = view().proc(func); p != nullptr && p->volatility != 'i') mutable_function = true;
        if (y.kind == ExprKind::kSqlValue) mutable_function = true;
        return false;
      });
      if (mutable_function)
        fail(ErrorCode::kInvalidObjectDefinition, "functions in index expression must be marked IMMUTABLE");
      k.expression_sql = stored_sql(x, &table);
      k.type = x->type;
      k.typmod = x->typmod;
      k.collation = x->collation;
    }
  }
  if (e->n_collation > 0) k.collation = resolve_collation(pg::strings(PG_LIST(e, collation)), b);
  Oid am = method == "hash" ? 405 : method == "gin" ? 2742 : method == "gist" ? 783 : method == "brin" ? 3580 : method == "spgist" ? 4000 : method == "hnsw" || method == "ivfflat" ? 15900 : 403;
  if (am == 403 && method != "btree")
    if (auto own = state()->find(ObjectKind::kAccessMethod, 0, method)) am = own->oid;
  bool ours = method == "search" || method == "hnsw" || method == "columns" || method == "ivfflat";
  if (e->n_opclass > 0) {
    std::string name(pg::str(e->opclass[e->n_opclass - 1]));
    const OpclassRow* oc = view().find_opclass(name, am, e->n_opclass > 1 ? view().schema(pg::str(e->opclass[e->n_opclass - 2])) : 0);
    if (oc == nullptr) {
      if (!ours) fail(ErrorCode::kUndefinedObject, "operator class \"" + name + "\" does not exist for access method \"" + method + "\"");
      k.opclass_options["opclass"] = name;
    } else {
      if (!view().binary_coercible(k.type, oc->type))
        fail(ErrorCode::kDatatypeMismatch, "operator class \"" + name + "\" does not accept data type " + view().format_type(k.type));
      k.opclass = oc->oid;
    }
  } else if (!ours) {
    k.opclass = view().default_opclass(k.type, am);
    if (k.opclass == 0)
      fail(ErrorCode::kUndefinedObject, "data type " + view().format_type(k.type) + " has no default operator class for access method \"" + method + "\"", -1, {},
           "You must specify an operator class for the index or define a default operator class for the data type.");
  }
  for (const Node* n : PG_LIST(e, opclassopts)) k.opclass_options[n->def_elem->defname] = def_string(n->def_elem);
  if (method != "btree" && !ours) {
    if (e->ordering != pg::SORTBY_DEFAULT && e->ordering != 0)
      fail(ErrorCode::kFeatureNotSupported, "access method \"" + method + "\" does not support ASC/DESC options");
    if (e->nulls_ordering != pg::SORTBY_NULLS_DEFAULT && e->nulls_ordering != 0)
      fail(ErrorCode::kFeatureNotSupported, "access method \"" + method + "\" does not support NULLS FIRST/LAST options");
  }
  k.descending = e->ordering == pg::SORTBY_DESC;
  k.nulls_first = e->nulls_ordering == pg::SORTBY_NULLS_FIRST || (e->nulls_ordering != pg::SORTBY_NULLS_LAST && k.descending);
  return k;
}

void Ddl::create_index(const pg::IndexStmt* s) {
  if (s->concurrent) host.prevent_in_block("CREATE INDEX CONCURRENTLY");
  Ptr<Relation> found = relation(s->relation);
  if (found->relkind != 'r' && found->relkind != 'm' && found->relkind != 'p')
    fail(ErrorCode::kWrongObjectType, "cannot create index on relation \"" + found->name + "\"", -1,
         std::string("This operation is not supported for ") + (found->relkind == 'v' ? "views." : found->relkind == 'S' ? "sequences." : found->relkind == 'f' ? "foreign tables." : found->index ? "indexes." : found->relkind == 'c' ? "composite types." : "this relation."));
  if (found->oid < oid::kFirstUserOid) fail(ErrorCode::kInsufficientPrivilege, "permission denied: \"" + found->name + "\" is a system catalog");
  check_owner(*found, relkind_word(found->relkind));
  host.lock_relation(found->oid, LockMode::kShare);
  changes().refresh();
  found = state()->relation(found->oid);
  if (found == nullptr) fail(ErrorCode::kUndefinedTable, std::string("relation \"") + s->relation->relname + "\" does not exist");
  auto table = edit(found);
  catalog::IndexInfo info;
  info.method = pg::has(s->access_method) ? s->access_method : "btree";
  static const char* const kMethods[] = {"btree", "hash", "gin", "gist", "brin", "spgist", "search", "columns", "hnsw", "ivfflat"};
  if (std::find_if(std::begin(kMethods), std::end(kMethods), [&](const char* m) { return info.method == m; }) == std::end(kMethods) && index_method(info.method) == nullptr && find_entry(ObjectKind::kAccessMethod, {{info.method}, {}}) == nullptr)
    fail(ErrorCode::kUndefinedObject, "access method \"" + info.method + "\" does not exist");
  info.unique = s->unique;
  info.nulls_not_distinct = s->nulls_not_distinct;
  if (info.unique && info.method != "btree") fail(ErrorCode::kFeatureNotSupported, "access method \"" + info.method + "\" does not support unique indexes");
  if (s->n_index_params > 1 && (info.method == "hash" || info.method == "spgist"))
    fail(ErrorCode::kFeatureNotSupported, "access method \"" + info.method + "\" does not support multicolumn indexes");
  if (s->n_index_params > 32) fail(ErrorCode::kTooManyColumns, "cannot use more than 32 columns in an index");
  std::vector<std::string> names;
  for (const Node* n : PG_LIST(s, index_params)) {
    catalog::IndexColumn k = index_key(*table, n->index_elem, info.method);
    if (k.column != 0) names.push_back(table->column(k.column)->name);
    else {
      std::string guess = "expr";
      const Node* x = n->index_elem->expr;
      if (pg::is(x, pg::kFuncCall)) guess = pg::str(x->func_call->funcname[x->func_call->n_funcname - 1]);
      names.push_back(guess);
    }
    info.keys.push_back(std::move(k));
  }
  if (s->n_index_including_params > 0 && (info.method == "hash" || info.method == "gin" || info.method == "brin"))
    fail(ErrorCode::kFeatureNotSupported, "access method \"" + info.method + "\" does not support included columns");
  for (const Node* n : PG_LIST(s, index_including_params)) {
    if (!pg::has(n->index_elem->name)) fail(ErrorCode::kFeatureNotSupported, "expressions are not supported in included columns");
    const Column* c = table->column(std::string_view(n->index_elem->name));
    if (c == nullptr) fail(ErrorCode::kUndefinedColumn, std::string("column \"") + n->index_elem->name + "\" does not exist");
    info.included.push_back(c->number);
    names.push_back(c->name);
  }
  if (s->where_clause != nullptr) {
    BindContext b = bind();
    ExprPtr p = bind_expression(s->where_clause, table.get(), ExprContext::kIndexPredicate, b);
    walk(p, [&](const Expr& y, int) {
      Oid func = y.kind == ExprKind::kFunc ? static_cast<const FuncExpr&>(y).func : y.kind == ExprKind::kOp ? static_cast<const OpExpr&>(y).func : 0;
      const ProcRow* row = func != 0 ? view().proc(func) : nullptr;
      if ((row != nullptr && row->volatility != 'i') || y.kind == ExprKind::kSqlValue)
        fail(ErrorCode::kInvalidObjectDefinition, "functions in index predicate must be marked IMMUTABLE");
      return false;
    });
    info.predicate_sql = stored_sql(p, table.get());
  }
  std::string name;
  if (pg::has(s->idxname)) {
    name = s->idxname;
    if (name_used(table->schema, name)) {
      if (s->if_not_exists) {
        notice("relation \"" + name + "\" already exists, skipping", {}, {}, "NOTICE", ErrorCode::kDuplicateTable);
        return;
      }
      fail(ErrorCode::kDuplicateTable, "relation \"" + name + "\" already exists");
    }
  } else {
    std::string joined;
    for (const std::string& n : names) joined += (joined.empty() ? "" : "_") + n;
    name = choose_name(table->name, joined, "idx", table->schema);
  }
  if (found->partitioning) {
    if (s->concurrent) fail(ErrorCode::kFeatureNotSupported, "cannot create index on partitioned table \"" + found->name + "\" concurrently");
    std::vector<int16_t> columns;
    for (auto& k : info.keys) columns.push_back(k.column);
    if (info.unique) check_partition_unique(*table, columns, "UNIQUE");
  }
  auto given = options(PG_LIST(s, options));
  check_options(given, info.method);
  auto index = make_index(*table, name, info);
  auto with_options = edit(state()->relation(index->oid));
  with_options->options = std::move(given);
  set_tablespace(*with_options, s->table_space);
  put(with_options);
  if (found->partitioning) {
    const auto children = direct_children(*state(), found->oid);
    if (!s->relation->inh) {
      if (children.empty()) return;
      auto incomplete = edit(state()->relation(index->oid));
      incomplete->index->valid = false;
      put(incomplete);
      return;
    }
    const Relation above = *state()->relation(index->oid), parent = *state()->relation(found->oid);
    for (Oid child : children) {
      host.lock_relation(child, LockMode::kShare);
      partition_index(above, parent, child);
    }
    return;
  }
  if (IndexMethod* m = index_method(info.method)) {
    host.next_command();
    m->build(*with_options, host.exec());
  } else if (info.method != "search" && info.method != "columns" && info.method != "hnsw" && info.method != "ivfflat") {
    build(*with_options);
  }
}

}  // namespace stele::sql

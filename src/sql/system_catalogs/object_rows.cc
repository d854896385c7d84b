// Catalogues of users' objects: relations, columns, indexes, constraints, roles, dependencies.
#include "sql/system_catalogs/rows.h"
#include "types/builtin.h"

namespace stele::sql::system_catalogs {
namespace {

using catalog::Column;
using catalog::Constraint;
using catalog::ConstraintKind;
using catalog::kBootstrapRole;
using catalog::kPgCatalog;
using catalog::ObjectKind;
using catalog::Relation;

constexpr double kRowsPerPage = 60;

bool has_storage(char relkind) { return std::string_view("rmiSt").find(relkind) != std::string_view::npos; }

// The columns of an index relation, which only stores what it indexes.
std::vector<Column> columns_of(Rows& out, const Relation& r) {
  if (!r.index || !r.columns.empty()) return r.columns;
  std::vector<Column> columns;
  auto table = out.state.relation(r.index->table);
  auto add = [&](int16_t source, const catalog::IndexColumn* key) {
    Column c;
    c.number = static_cast<int16_t>(columns.size() + 1);
    const Column* from = source != 0 && table ? table->column(source) : nullptr;
    if (from) {
      c = *from;
      c.number = static_cast<int16_t>(columns.size() + 1);
      c.not_null = false;
      c.default_sql.clear();
      c.identity = catalog::Identity::kNone;
      c.generated = false;
      c.comment.reset();
      c.acl.reset();
      c.missing_value.reset();
    } else {
      c.name = "expr";
      if (key) c.type = key->type, c.typmod = key->typmod, c.collation = key->collation;
    }
    if (key && key->collation != 0) c.collation = key->collation;
    columns.push_back(std::move(c));
  };
  for (auto& k : r.index->keys) add(k.column, &k);
  for (auto n : r.index->included) add(n, nullptr);
  return columns;
}

void class_row(Rows& out, const Relation& r, const std::set<Oid>& parents, const std::set<Oid>& referenced) {
  auto statistics = out.state.statistics(r.oid);
  double tuples = has_storage(r.relkind) || r.relkind == 'p' ? -1 : 0, pages = 0;
  if (statistics && statistics->rows >= 0) {
    tuples = statistics->rows;
    pages = statistics->pages > 0 ? statistics->pages : std::ceil(tuples / kRowsPerPage);
  }
  if (r.relkind == 'i' && !statistics) tuples = 0;
  if (r.relkind == 'S') tuples = 1, pages = 1;
  Oid am = r.index ? access_method_oid(r.index->method) : r.relkind == 'r' || r.relkind == 'm' ? 2 : 0;
  int checks = 0;
  for (auto& c : r.constraints) checks += c.kind == ConstraintKind::kCheck;
  // Foreign keys are triggers on both of their tables.
  bool foreign = referenced.count(r.oid) != 0;
  for (auto& c : r.constraints) foreign |= c.kind == ConstraintKind::kForeignKey;
  std::vector<Column> columns = columns_of(out, r);
  bool children = parents.count(r.oid) != 0;
  out(r.oid, r.name, r.schema, r.row_type, r.of_type, r.owner, am, has_storage(r.relkind) ? r.oid : 0, r.extra.contains("tablespace") ? static_cast<Oid>(std::stoul(r.extra.at("tablespace"))) : 0, pages,
      tuples, 0, 0, !r.indexes.empty(), false, r.persistence, r.relkind, static_cast<int>(columns.size()), checks,
      r.relkind == 'v' || r.relkind == 'm' || !r.rules.empty(), !r.triggers.empty() || foreign, children,
      r.row_security, r.force_row_security, r.populated, r.index ? 'n' : has_storage(r.relkind) && r.relkind != 'S' ? r.replica_identity : 'n',
      r.bound || (r.index && !r.parents.empty()), 0, r.relkind == 'r' || r.relkind == 'm' ? 3 : 0, r.relkind == 'r' || r.relkind == 'm' ? 1 : 0,
      out.acl(r.acl), out.options(r.options),
      r.partition_bound.empty() ? std::optional<std::string>() : r.partition_bound);
}

void pg_class(Rows& out) {
  for (auto& r : all()) {
    bool table = r->relkind == 'r';
    out(r->oid, r->name, r->schema, 0, 0, kBootstrapRole, table ? 2 : 0, table ? r->oid : 0, 0, 0, table ? -1 : 0, 0, 0,
        table, false, 'p', r->relkind, static_cast<int>(r->columns.size()), 0, !table, false, false, false, false, true,
        'n', false, 0, 0, 0, out.acl(r->acl), nullptr, nullptr);
  }
  std::set<Oid> parents, referenced;
  out.each_relation([&](const Relation& r) {
    for (auto& c : r.constraints)
      if (c.kind == ConstraintKind::kForeignKey) referenced.insert(c.referenced);
    parents.insert(r.parents.begin(), r.parents.end());
  });
  out.each_relation([&](const Relation& r) { class_row(out, r, parents, referenced); });
}

void attribute_row(Rows& out, Oid relation, const Column& c, const Relation* table = nullptr) {
  int16_t len = -1;
  bool by_value = false;
  char align = 'i', storage = 'x';
  if (const BuiltinType* t = builtin::type(c.type)) {
    len = t->len, by_value = t->by_value, align = t->align, storage = t->storage;
  } else if (auto t = out.state.type(c.type)) {
    if (t->typtype == 'e') len = 4, by_value = true, storage = 'p';
    else if (t->typtype == 'd') {
      if (const BuiltinType* b = builtin::type(t->base)) len = b->len, by_value = b->by_value, align = b->align, storage = b->storage;
    } else align = 'd';
  }
  if (c.storage != 0) storage = c.storage;
  std::optional<Made> foreign;
  if (table != nullptr && table->relkind == 'f')
    if (auto o = table->extra.find("column_options/" + std::to_string(c.number)); o != table->extra.end() && !o->second.empty()) {
      std::vector<std::string> list;
      for (auto& [k, v] : foreign_options(o->second)) list.push_back(k + "=" + v);
      foreign = out.text_array(list);
    }
  std::string name = c.dropped ? fmt::format("........pg.dropped.{}........", c.number) : c.name;
  out(relation, name, c.dropped ? 0 : c.type, c.statistics_target, len, c.number, c.dimensions, -1, c.typmod, by_value,
      align, storage, "", c.not_null, !c.default_sql.empty(), c.missing_value.has_value(), static_cast<char>(c.identity),
      c.generated ? 's' : '\0', c.dropped, c.local, c.inherit_count, c.collation, out.acl(c.acl),
      out.options(c.options), foreign, nullptr);
}

void system_attributes(Rows& out, Oid relation) {
  struct System { const char* name; Oid type; int16_t number; };
  static constexpr System kSystem[] = {{"ctid", oid::kTid, -1}, {"xmin", oid::kXid, -2}, {"cmin", oid::kCid, -3},
                                       {"xmax", oid::kXid, -4}, {"cmax", oid::kCid, -5}, {"tableoid", oid::kOid, -6}};
  for (auto& s : kSystem) {
    Column c;
    c.name = s.name;
    c.type = s.type;
    c.number = s.number;
    c.not_null = true;
    c.statistics_target = 0;
    attribute_row(out, relation, c);
  }
}

void pg_attribute(Rows& out) {
  for (auto& r : all())
    for (auto& c : r->columns) attribute_row(out, r->oid, c);
  out.each_relation([&](const Relation& r) {
    for (auto& c : columns_of(out, r)) attribute_row(out, r.oid, c, &r);
    if (r.relkind == 'r' || r.relkind == 'm' || r.relkind == 'p') system_attributes(out, r.oid);
  });
}

void pg_attrdef(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (r.index) return;
    for (auto& c : r.columns)
      if (!c.dropped && !c.default_sql.empty()) out(attribute_default_oid(r.oid, c.number), r.oid, c.number, c.default_sql);
  });
}

void pg_index(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (!r.index) return;
    auto& x = *r.index;
    std::vector<int16_t> columns, options;
    std::vector<Oid> collations, classes;
    std::string expressions;
    for (auto& k : x.keys) {
      columns.push_back(k.column);
      options.push_back(static_cast<int16_t>((k.descending ? 1 : 0) | (k.nulls_first ? 2 : 0)));
      collations.push_back(k.collation);
      classes.push_back(k.opclass);
      if (!k.expression_sql.empty()) expressions += (expressions.empty() ? "" : ", ") + k.expression_sql;
    }
    size_t keys = columns.size();
    for (auto n : x.included) columns.push_back(n);
    auto table = out.state.relation(x.table);
    bool exclusion = false;
    if (table)
      for (auto& c : table->constraints) exclusion |= c.index == r.oid && c.kind == ConstraintKind::kExclusion;
    out(r.oid, x.table, static_cast<int>(columns.size()), static_cast<int>(keys), x.unique, x.nulls_not_distinct,
        x.primary, exclusion, x.immediate, x.clustered, x.valid, false, x.valid, true, x.replica_identity,
        out.int2vector(columns), out.oidvector(collations), out.oidvector(classes), out.int2vector(options),
        expressions.empty() ? std::optional<std::string>() : expressions,
        x.predicate_sql.empty() ? std::optional<std::string>() : x.predicate_sql);
  });
}

void constraint_row(Rows& out, const Constraint& c, Oid schema, Oid relation, Oid type) {
  if (c.kind == ConstraintKind::kNotNull) return;  // rows of their own only from PostgreSQL 18 on
  bool foreign = c.kind == ConstraintKind::kForeignKey;
  auto int2s = [&](auto& v) { return out.int2_array(v); };
  auto oids = [&](auto& v) { return out.oid_array(v); };
  std::vector<Oid> none;
  out(c.oid, c.name, schema, static_cast<char>(c.kind), c.deferrable, c.initially_deferred, c.validated, relation, type,
      c.index, c.parent, c.referenced, foreign ? c.on_update : ' ', foreign ? c.on_delete : ' ', foreign ? c.match : ' ', c.local, c.inherit_count,
      c.kind != ConstraintKind::kCheck ? true : c.no_inherit, out.if_any(c.columns, int2s),
      out.if_any(c.referenced_columns, int2s), out.if_any(foreign ? c.equality_operators : none, oids),
      out.if_any(foreign ? c.equality_operators : none, oids), out.if_any(foreign ? c.equality_operators : none, oids),
      out.if_any(c.on_delete_columns, int2s), out.if_any(!foreign ? c.equality_operators : none, oids),
      c.check_sql.empty() ? std::optional<std::string>() : c.check_sql);
}

void pg_constraint(Rows& out) {
  out.each_relation([&](const Relation& r) {
    for (auto& c : r.constraints) constraint_row(out, c, r.schema, r.oid, 0);
  });
  out.each<catalog::Type>(ObjectKind::kType, [&](const catalog::Type& t) {
    for (auto& c : t.constraints) constraint_row(out, c, t.schema, 0, t.oid);
  });
}

void pg_namespace(Rows& out) {
  bool toast = false, info = false, system = false;
  out.each<catalog::Schema>(ObjectKind::kSchema, [&](const catalog::Schema& s) {
    toast |= s.oid == catalog::kPgToast;
    info |= s.oid == catalog::kInformationSchema;
    system |= s.oid == kPgCatalog;
    out(s.oid, s.name, s.owner, out.acl(s.acl));
  });
  if (!system) out(kPgCatalog, "pg_catalog", kBootstrapRole, nullptr);
  if (!toast) out(catalog::kPgToast, "pg_toast", kBootstrapRole, nullptr);
  if (!info) out(catalog::kInformationSchema, "information_schema", kBootstrapRole, nullptr);
}

void pg_sequence(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (!r.sequence) return;
    auto& s = *r.sequence;
    out(r.oid, s.type, s.start, s.increment, s.max, s.min, s.cache, s.cycle);
  });
}

void pg_enum(Rows& out) {
  out.each<catalog::Type>(ObjectKind::kType, [&](const catalog::Type& t) {
    for (auto& l : t.labels) out(l.oid, t.oid, static_cast<double>(l.sort_order), l.label);
  });
}

void pg_authid(Rows& out) {
  out.each<catalog::Role>(ObjectKind::kRole, [&](const catalog::Role& r) {
    out(r.oid, r.name, r.superuser, r.inherit, r.create_role, r.create_db, r.login, r.replication, r.bypass_rls,
        r.connection_limit, r.password.empty() ? std::optional<std::string>() : r.password, r.valid_until);
  });
}
void pg_auth_members(Rows& out) {
  out.each<catalog::Role>(ObjectKind::kRole, [&](const catalog::Role& r) {
    for (auto& m : r.member_of) out(m.role, r.oid, m.grantor, m.admin);
  });
}
void pg_database(Rows& out) {
  out.each<catalog::Database>(ObjectKind::kDatabase, [&](const catalog::Database& d) {
    out(d.oid, d.name, d.owner, 6, 'c', d.is_template, d.allow_connections, d.connection_limit, 3, 1, 1663, d.collate,
        d.ctype, nullptr, nullptr, out.acl(d.acl));
  });
}
void pg_db_role_setting(Rows& out) {
  out.each<catalog::Role>(ObjectKind::kRole, [&](const catalog::Role& r) {
    if (!r.settings.empty()) out(0, r.oid, out.options(r.settings));
  });
  out.each<catalog::Database>(ObjectKind::kDatabase, [&](const catalog::Database& d) {
    if (!d.settings.empty()) out(d.oid, 0, out.options(d.settings));
  });
}

constexpr ObjectKind kCommentedKinds[] = {ObjectKind::kSchema, ObjectKind::kRelation, ObjectKind::kType, ObjectKind::kFunction,
    ObjectKind::kOperator, ObjectKind::kCast, ObjectKind::kCollation, ObjectKind::kExtension, ObjectKind::kTrigger, ObjectKind::kPolicy,
    ObjectKind::kLanguage, ObjectKind::kTextSearchConfig, ObjectKind::kStatistics, ObjectKind::kEventTrigger, ObjectKind::kOpclass, ObjectKind::kOpfamily, ObjectKind::kAccessMethod,
    ObjectKind::kConversion, ObjectKind::kPublication, ObjectKind::kSubscription, ObjectKind::kForeignWrapper, ObjectKind::kForeignServer, ObjectKind::kTextSearchDictionary,
    ObjectKind::kTextSearchParser, ObjectKind::kTextSearchTemplate};

void pg_description(Rows& out) {
  for (ObjectKind kind : kCommentedKinds)
    out.state.for_each(kind, [&](const catalog::Ptr<catalog::Object>& o) {
      if (o->comment) out(o->oid, class_oid(kind), 0, *o->comment);
    });
  out.each_relation([&](const Relation& r) {
    for (auto& c : r.columns)
      if (c.comment) out(r.oid, 1259, c.number, *c.comment);
    for (auto& c : r.constraints)
      if (c.comment) out(c.oid, 2606, 0, *c.comment);
    for (auto& rule : r.rules)
      if (rule.comment) out(rule.oid, 2618, 0, *rule.comment);
  });
  out(11, 2615, 0, "system catalog schema");
}
void pg_shdescription(Rows& out) {
  for (ObjectKind kind : {ObjectKind::kRole, ObjectKind::kDatabase, ObjectKind::kTablespace})
    out.state.for_each(kind, [&](const catalog::Ptr<catalog::Object>& o) {
      if (o->comment) out(o->oid, class_oid(kind), *o->comment);
    });
}

void pg_depend(Rows& out) {
  auto put = [&](Oid cls, Oid obj, int sub, Oid ref_cls, Oid ref, int ref_sub, char type) {
    out(cls, obj, sub, ref_cls, ref, ref_sub, type);
  };
  out.each_relation([&](const Relation& r) {
    if (r.sequence && r.sequence->owner_table != 0)
      put(1259, r.oid, 0, 1259, r.sequence->owner_table, r.sequence->owner_column, r.sequence->identity ? 'i' : 'a');
    // The default of a serial column needs its sequence.
    if (r.sequence && r.sequence->owner_table != 0 && !r.sequence->identity)
      put(2604, attribute_default_oid(r.sequence->owner_table, r.sequence->owner_column), 0, 1259, r.oid, 0, 'n');
    if (r.index) {
      auto table = out.state.relation(r.index->table);
      const Constraint* owner = nullptr;
      if (table)
        for (auto& c : table->constraints)
          if (c.index == r.oid && c.kind != ConstraintKind::kForeignKey) owner = &c;
      if (owner) put(1259, r.oid, 0, 2606, owner->oid, 0, 'i');
      else
        for (auto& k : r.index->keys)
          if (k.column != 0) put(1259, r.oid, 0, 1259, r.index->table, k.column, 'a');
      return;
    }
    for (auto& c : r.constraints) {
      for (auto n : c.columns) put(2606, c.oid, 0, 1259, r.oid, n, 'a');
      for (auto n : c.referenced_columns) put(2606, c.oid, 0, 1259, c.referenced, n, 'n');
    }
    for (auto& c : r.columns)
      if (!c.dropped && !c.default_sql.empty()) put(2604, attribute_default_oid(r.oid, c.number), 0, 1259, r.oid, c.number, 'a');
    if (r.relkind == 'v' || r.relkind == 'm') put(2618, rewrite_oid(r.oid), 0, 1259, r.oid, 0, 'i');
    put(1259, r.oid, 0, 2615, r.schema, 0, 'n');
  });
  for (ObjectKind kind : {ObjectKind::kRelation, ObjectKind::kType, ObjectKind::kFunction, ObjectKind::kTrigger, ObjectKind::kPolicy, ObjectKind::kEventTrigger, ObjectKind::kForeignServer,
                          ObjectKind::kUserMapping, ObjectKind::kStatistics, ObjectKind::kOpclass, ObjectKind::kOpfamily, ObjectKind::kTextSearchConfig, ObjectKind::kTextSearchDictionary,
                          ObjectKind::kPublicationRelation, ObjectKind::kPublicationSchema, ObjectKind::kTransform, ObjectKind::kAccessMethod, ObjectKind::kConversion})
    out.state.for_each(kind, [&](const catalog::Ptr<catalog::Object>& o) {
      bool view = kind == ObjectKind::kRelation && std::string_view("vm").find(static_cast<const Relation&>(*o).relkind) != std::string_view::npos;
      if (kind == ObjectKind::kRelation && (static_cast<const Relation&>(*o).index || static_cast<const Relation&>(*o).sequence)) return;
      for (auto& d : out.state.dependencies_of({kind, o->oid, 0})) {
        // What a view reads is a dependency of its rule.
        if (view) put(2618, rewrite_oid(o->oid), 0, class_oid(d.referenced.kind), d.referenced.oid, d.referenced.sub, 'n');
        else put(class_oid(kind), o->oid, d.dependent.sub, class_oid(d.referenced.kind), d.referenced.oid, d.referenced.sub, static_cast<char>(d.kind));
      }
    });
}

void pg_shdepend(Rows& out) {
  for (ObjectKind kind : {ObjectKind::kRelation, ObjectKind::kSchema, ObjectKind::kType, ObjectKind::kFunction})
    out.state.for_each(kind, [&](const catalog::Ptr<catalog::Object>& o) {
      if (o->owner != kBootstrapRole) out(out.context.database_oid, class_oid(kind), o->oid, 0, 1260, o->owner, 'o');
      if (o->acl)
        for (auto& a : *o->acl)
          if (a.grantee != 0 && a.grantee != o->owner) out(out.context.database_oid, class_oid(kind), o->oid, 0, 1260, a.grantee, 'a');
    });
}

void pg_inherits(Rows& out) {
  out.each_relation([&](const Relation& r) {
    int n = 0;
    for (Oid p : r.parents) out(r.oid, p, ++n, false);
  });
}
void pg_partitioned_table(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (!r.partitioning) return;
    auto& p = *r.partitioning;
    Oid default_partition = 0;
    out.each_relation([&](const Relation& child) {
      if (child.partition_bound == "DEFAULT" && std::find(child.parents.begin(), child.parents.end(), r.oid) != child.parents.end())
        default_partition = child.oid;
    });
    std::string expressions;
    for (auto& e : p.expressions)
      if (!e.empty()) expressions += (expressions.empty() ? "" : ", ") + e;
    out(r.oid, p.strategy, static_cast<int>(p.columns.size()), default_partition, out.int2vector(p.columns),
        out.oidvector(p.opclasses), out.oidvector(p.collations),
        expressions.empty() ? std::optional<std::string>() : expressions);
  });
}
void pg_default_acl(Rows& out) {
  out.each<catalog::Setting>(ObjectKind::kSetting, [&](const catalog::Setting& s) {
    if (!s.name.starts_with("default_acl/")) return;
    const size_t schema = s.name.find('/', 12);
    out(s.oid, s.owner, static_cast<Oid>(std::stoul(s.name.substr(schema + 1))), s.name.back(), out.acl(s.acl));
  });
}
void pg_extension(Rows& out) {
  out(13562, "plpgsql", kBootstrapRole, kPgCatalog, false, "1.0", nullptr, nullptr);
  out.each<catalog::Extension>(ObjectKind::kExtension, [&](const catalog::Extension& e) {
    if (e.name != "plpgsql") out(e.oid, e.name, e.owner, e.schema, true, e.version, nullptr, nullptr);
  });
}
void pg_trigger(Rows& out) {
  out.each<catalog::Trigger>(ObjectKind::kTrigger, [&](const catalog::Trigger& t) {
    std::string args;
    for (auto& a : t.args) args.append(a).push_back('\0');
    auto name = [](const std::string& s) { return s.empty() ? std::optional<std::string>() : s; };
    out(t.oid, t.relation, t.parent, t.name, t.function, t.type, t.enabled, false, 0, 0, t.constraint, t.deferrable,
        t.initially_deferred, static_cast<int>(t.args.size()), out.int2vector(t.columns), args, name(t.when_sql),
        name(t.old_table), name(t.new_table));
  });
}
void pg_policy(Rows& out) {
  out.each<catalog::Policy>(ObjectKind::kPolicy, [&](const catalog::Policy& p) {
    std::vector<Oid> roles = p.roles.empty() ? std::vector<Oid>{0} : p.roles;
    auto text = [](const std::string& s) { return s.empty() ? std::optional<std::string>() : s; };
    out(p.oid, p.name, p.relation, p.command, p.permissive, out.oid_array(roles), text(p.using_sql), text(p.check_sql));
  });
}
void pg_rewrite(Rows& out) {
  out.each_relation([&](const Relation& r) {
    for (auto& rule : r.rules)
      out(rule.oid, rule.name, r.oid, rule.event, rule.enabled, rule.instead, rule.condition_sql.empty() ? "<>" : rule.condition_sql, rule.actions_sql.empty() ? "<>" : rule.actions_sql[0]);
    if (r.relkind != 'v' && r.relkind != 'm') return;
    out(rewrite_oid(r.oid), "_RETURN", r.oid, '1', 'O', true, "<>", r.view_sql);
  });
}

}  // namespace

Producer object_producer(std::string_view name) {
  static const std::unordered_map<std::string_view, Producer> kProducers = {
#define P(f) {#f, f}
      P(pg_class), P(pg_attribute), P(pg_attrdef), P(pg_index), P(pg_constraint), P(pg_namespace), P(pg_sequence),
      P(pg_enum), P(pg_authid), P(pg_auth_members), P(pg_database), P(pg_db_role_setting),
      P(pg_description), P(pg_shdescription), P(pg_depend), P(pg_shdepend), P(pg_inherits), P(pg_partitioned_table),
      P(pg_extension), P(pg_default_acl), P(pg_trigger), P(pg_policy), P(pg_rewrite)
#undef P
  };
  auto it = kProducers.find(name);
  return it == kProducers.end() ? nullptr : it->second;
}

}  // namespace stele::sql::system_catalogs

#include "catalog/encode.h"

#include "base/codec.h"
#include "base/error.h"

namespace stele::catalog {
namespace {

constexpr char kVersion = 4;   // 2: partitions, rules, what is inherited, more of aggregates and operators; 3: databases; 4: base types, entries

// One field list a struct (describe below) serves writing and reading.
struct Writer {
  std::string out;
  char version = kVersion;
  template <typename... T> void operator()(T&... v) { (put(v), ...); }

  void put(bool& v) { out.push_back(v ? 1 : 0); }
  void put(char& v) { out.push_back(v); }
  void put(float& v) { put_le(out, v); }
  void put(double& v) { put_le(out, v); }
  template <typename T> requires std::is_integral_v<T> || std::is_enum_v<T>
  void put(T& v) {
    auto i = static_cast<int64_t>(v);
    put_varint(out, (static_cast<uint64_t>(i) << 1) ^ static_cast<uint64_t>(i >> 63));
  }
  void put(std::string& v) { put_string(out, v); }
  template <typename T> void put(std::vector<T>& v) {
    put_varint(out, v.size());
    for (auto& x : v) put(x);
  }
  template <typename T> void put(std::optional<T>& v) {
    out.push_back(v ? 1 : 0);
    if (v) put(*v);
  }
  template <typename A, typename B> void put(std::pair<A, B>& v) { put(v.first); put(v.second); }
  template <typename K, typename V> void put(std::map<K, V>& v) {
    put_varint(out, v.size());
    for (auto& [k, x] : v) { put(const_cast<K&>(k)); put(x); }
  }
  template <typename T> requires std::is_class_v<T>
  void put(T& v) { describe(*this, v); }
};

struct Loader {
  Reader in;
  char version = kVersion;
  template <typename... T> void operator()(T&... v) { (get(v), ...); }

  void get(bool& v) { v = in.le<char>() != 0; }
  void get(char& v) { v = in.le<char>(); }
  void get(float& v) { v = in.le<float>(); }
  void get(double& v) { v = in.le<double>(); }
  template <typename T> requires std::is_integral_v<T> || std::is_enum_v<T>
  void get(T& v) {
    uint64_t u = in.varint();
    v = static_cast<T>(static_cast<int64_t>((u >> 1) ^ (~(u & 1) + 1)));
  }
  void get(std::string& v) { v = in.string(); }
  template <typename T> void get(std::vector<T>& v) {
    uint64_t n = in.varint();
    for (uint64_t i = 0; i < n && in.ok(); ++i) get(v.emplace_back());
  }
  template <typename T> void get(std::optional<T>& v) {
    if (in.le<char>() != 0) get(v.emplace());
  }
  template <typename A, typename B> void get(std::pair<A, B>& v) { get(v.first); get(v.second); }
  template <typename K, typename V> void get(std::map<K, V>& v) {
    uint64_t n = in.varint();
    for (uint64_t i = 0; i < n && in.ok(); ++i) {
      K k;
      get(k);
      get(v[k]);
    }
  }
  template <typename T> requires std::is_class_v<T>
  void get(T& v) { describe(*this, v); }
};

template <typename A> void describe(A& a, AclItem& x) { a(x.grantee, x.grantor, x.privileges, x.grant_options); }
template <typename A> void base(A& a, Object& x) {
  a(x.oid, x.name, x.owner, x.acl, x.comment);
  if (a.version >= 3) a(x.database);
}
template <typename A> void describe(A& a, Column& x) {
  a(x.name, x.number, x.type, x.typmod, x.collation, x.dimensions, x.not_null, x.dropped, x.identity, x.generated,
    x.default_sql, x.missing_value, x.storage, x.statistics_target, x.options, x.comment, x.acl);
  bool inherited = x.inherited();
  a(inherited);
  if (a.version >= 2) {
    a(x.inherit_count, x.local);
  } else {
    x.inherit_count = inherited ? 1 : 0;
    x.local = !inherited;
  }
}
template <typename A> void describe(A& a, Constraint& x) {
  a(x.oid, x.name, x.kind, x.columns, x.index, x.check_sql, x.referenced, x.referenced_columns, x.on_update,
    x.on_delete, x.on_delete_columns, x.match, x.deferrable, x.initially_deferred, x.validated, x.no_inherit,
    x.equality_operators, x.comment);
  if (a.version >= 2) a(x.inherit_count, x.local, x.parent);
}
template <typename A> void describe(A& a, PartitionDatum& x) { a(x.kind, x.value); }
template <typename A> void describe(A& a, PartitionBound& x) { a(x.strategy, x.is_default, x.modulus, x.remainder, x.lower, x.upper, x.values); }
template <typename A> void describe(A& a, Rule& x) {
  a(x.oid, x.name, x.event, x.instead, x.enabled, x.condition_sql, x.actions_sql, x.comment);
}
template <typename A> void describe(A& a, IndexColumn& x) {
  a(x.column, x.expression_sql, x.type, x.typmod, x.collation, x.opclass, x.opclass_options, x.descending, x.nulls_first);
}
template <typename A> void describe(A& a, IndexInfo& x) {
  a(x.table, x.method, x.keys, x.included, x.predicate_sql, x.unique, x.primary, x.nulls_not_distinct, x.immediate,
    x.valid, x.clustered, x.replica_identity);
}
template <typename A> void describe(A& a, SequenceInfo& x) {
  a(x.type, x.start, x.increment, x.min, x.max, x.cache, x.cycle, x.owner_table, x.owner_column, x.identity);
}
template <typename A> void describe(A& a, PartitionInfo& x) { a(x.strategy, x.columns, x.expressions, x.opclasses, x.collations); }
template <typename A> void describe(A& a, EnumLabelInfo& x) { a(x.oid, x.sort_order, x.label); }
template <typename A> void describe(A& a, Role::Membership& x) { a(x.role, x.admin, x.grantor); }
template <typename A> void describe(A& a, ColumnStatistics& x) {
  a(x.null_fraction, x.distinct, x.average_width, x.most_common, x.histogram, x.correlation);
}
template <typename A> void describe(A& a, RelationStatistics& x) {
  a(x.rows, x.pages, x.columns, x.last_analyze_us, x.last_autoanalyze_us);
}

template <typename A> void describe(A& a, Schema& x) { base(a, x); }
template <typename A> void describe(A& a, Relation& x) {
  base(a, x);
  a(x.schema, x.relkind, x.persistence, x.row_type, x.storage_id, x.schema_version, x.columns, x.constraints, x.indexes,
    x.index, x.sequence, x.view_sql, x.populated, x.partitioning, x.partition_bound, x.parents, x.triggers, x.rules,
    x.row_security, x.force_row_security, x.options, x.extra, x.replica_identity, x.of_type, x.on_commit, x.temp_session);
  if (a.version >= 2) a(x.bound);
}
template <typename A> void describe(A& a, Type& x) {
  base(a, x);
  a(x.schema, x.typtype, x.element, x.array, x.relation, x.labels, x.base, x.base_typmod, x.not_null, x.default_sql,
    x.collation, x.constraints, x.subtype, x.multirange, x.range, x.subtype_opclass, x.canonical, x.subdiff);
  if (a.version >= 4)
    a(x.like, x.input, x.output, x.receive, x.send, x.modin, x.modout, x.analyze, x.subscript, x.defined, x.preferred, x.by_value, x.length, x.category, x.delimiter,
      x.alignment, x.storage);
}
template <typename A> void describe(A& a, Function& x) {
  base(a, x);
  a(x.schema, x.prokind, x.language, x.language_name, x.result, x.returns_set, x.strict, x.security_definer, x.leakproof,
    x.volatility, x.parallel, x.args, x.all_args, x.arg_modes, x.arg_names, x.arg_defaults_sql, x.variadic, x.cost, x.rows,
    x.source, x.sql_body, x.settings, x.transition, x.final, x.combine, x.transition_type, x.sort_operator, x.initial);
  if (a.version >= 2)
    a(x.aggregate_kind, x.direct_args, x.final_extra, x.moving_final_extra, x.final_modify, x.moving_final_modify, x.serial, x.deserial, x.moving_transition,
      x.moving_inverse, x.moving_final, x.moving_type, x.state_space, x.moving_space, x.moving_initial);
}
template <typename A> void describe(A& a, Operator& x) {
  base(a, x);
  a(x.schema, x.left, x.right, x.result, x.proc, x.commutator, x.negator, x.can_merge, x.can_hash);
  if (a.version >= 2) a(x.restriction, x.join);
}
template <typename A> void describe(A& a, Cast& x) { base(a, x); a(x.source, x.target, x.func, x.context, x.method); }
template <typename A> void describe(A& a, Collation& x) { base(a, x); a(x.schema, x.provider, x.deterministic, x.locale); }
template <typename A> void describe(A& a, Role& x) {
  base(a, x);
  a(x.superuser, x.inherit, x.create_role, x.create_db, x.login, x.replication, x.bypass_rls, x.connection_limit,
    x.password, x.valid_until, x.member_of, x.settings);
}
template <typename A> void describe(A& a, Database& x) {
  base(a, x);
  a(x.collate, x.ctype, x.allow_connections, x.is_template, x.connection_limit, x.settings);
}
template <typename A> void describe(A& a, Extension& x) { base(a, x); a(x.schema, x.version); }
template <typename A> void describe(A& a, Trigger& x) {
  base(a, x);
  a(x.relation, x.function, x.constraint, x.type, x.enabled, x.columns, x.args, x.when_sql, x.definition_sql, x.old_table,
    x.new_table, x.deferrable, x.initially_deferred);
  if (a.version >= 2) a(x.parent);
}
template <typename A> void describe(A& a, Policy& x) {
  base(a, x);
  a(x.relation, x.command, x.permissive, x.roles, x.using_sql, x.check_sql);
}
template <typename A> void describe(A& a, EntryMember& x) { a(x.kind, x.oid, x.number, x.left, x.right, x.object, x.extra); }
template <typename A> void describe(A& a, Entry& x) {
  base(a, x);
  a(x.schema, x.facts, x.options, x.list, x.refs, x.columns, x.members);
}
template <typename A> void describe(A& a, Setting& x) { base(a, x); a(x.value); }

template <typename T> std::string encode_as(const Object& o) {
  Writer w;
  w.out.push_back(kVersion);
  T copy = static_cast<const T&>(o);
  describe(w, copy);
  return std::move(w.out);
}
template <typename T> std::shared_ptr<const Object> decode_as(Loader& l) {
  auto o = std::make_shared<T>();
  describe(l, *o);
  return o;
}

}  // namespace

#define STELE_CATALOG_KINDS(X)                                                                                  \
  X(kSchema, Schema) X(kRelation, Relation) X(kType, Type) X(kFunction, Function) X(kOperator, Operator)        \
  X(kCast, Cast) X(kCollation, Collation) X(kRole, Role) X(kDatabase, Database) X(kExtension, Extension)        \
  X(kTrigger, Trigger) X(kPolicy, Policy) X(kSetting, Setting)

static bool is_entry(ObjectKind k) {
  return k >= ObjectKind::kEventTrigger || k == ObjectKind::kLanguage || k == ObjectKind::kTextSearchConfig || k == ObjectKind::kStatistics;
}

std::string encode_object(const Object& object) {
  if (is_entry(object.kind())) return encode_as<Entry>(object);
  switch (object.kind()) {
#define STELE_CASE(kind, type) case ObjectKind::kind: return encode_as<type>(object);
    STELE_CATALOG_KINDS(STELE_CASE)
#undef STELE_CASE
    default: throw Error(ErrorCode::kInternalError, "catalog object of unknown kind");
  }
}

std::shared_ptr<const Object> decode_object(ObjectKind kind, std::string_view bytes) {
  Loader l{Reader(bytes)};
  l.version = l.in.le<char>();
  if (l.version < 1 || l.version > kVersion)
    throw Error(ErrorCode::kFeatureNotSupported, "catalog object has an unknown format version");
  std::shared_ptr<const Object> o;
  if (is_entry(kind)) {
    auto entry = std::make_shared<Entry>(kind);
    describe(l, *entry);
    o = entry;
  } else switch (kind) {
#define STELE_CASE(kind, type) case ObjectKind::kind: o = decode_as<type>(l); break;
    STELE_CATALOG_KINDS(STELE_CASE)
#undef STELE_CASE
    default: throw Error(ErrorCode::kDataCorrupted, "catalog object of unknown kind");
  }
  if (!l.in.ok() || !l.in.empty()) throw Error(ErrorCode::kDataCorrupted, "catalog object is damaged");
  return o;
}

std::string encode_statistics(const RelationStatistics& s) {
  Writer w;
  w.out.push_back(kVersion);
  RelationStatistics copy = s;
  describe(w, copy);
  return std::move(w.out);
}

std::shared_ptr<const RelationStatistics> decode_statistics(std::string_view bytes) {
  Loader l{Reader(bytes)};
  l.version = l.in.le<char>();
  if (l.version < 1 || l.version > kVersion)
    throw Error(ErrorCode::kFeatureNotSupported, "statistics have an unknown format version");
  auto s = std::make_shared<RelationStatistics>();
  describe(l, *s);
  if (!l.in.ok()) throw Error(ErrorCode::kDataCorrupted, "statistics are damaged");
  return s;
}

const Column* Relation::column(std::string_view name) const {
  for (const Column& c : columns)
    if (!c.dropped && c.name == name) return &c;
  return nullptr;
}
const Column* Relation::column(int16_t number) const {
  if (number >= 1 && static_cast<size_t>(number) <= columns.size() && columns[number - 1].number == number)
    return &columns[number - 1];
  for (const Column& c : columns)
    if (c.number == number) return &c;
  return nullptr;
}

}  // namespace stele::catalog

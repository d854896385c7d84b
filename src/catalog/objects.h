// What exists: one struct a kind of object. Objects are immutable once published (held by
// shared_ptr<const T>); DDL copies, changes and puts back (catalog.h). Oids and field meanings follow
// PostgreSQL's system catalogues, which are rendered from these objects.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "types/datum.h"

namespace stele::catalog {

// Namespaces of PostgreSQL with their own oids.
constexpr Oid kPgCatalog = 11, kPublic = 2200, kPgToast = 99, kInformationSchema = 13000, kRedisSchema = 13100;
constexpr Oid kBootstrapRole = 10;

enum class ObjectKind : uint8_t {
  kSchema = 1, kRelation, kType, kFunction, kOperator, kCast, kCollation, kRole, kDatabase, kExtension,
  kTrigger, kPolicy, kLanguage, kAggregate, kTextSearchConfig, kStatistics, kSetting, kSettings /* ALTER ROLE/DATABASE SET */,
  kConstraint /* of a table or domain; an address in dependencies only */, kDefault /* of a column, the same */,
  kRule /* the same */,
  // Held as Entry, as kLanguage, kTextSearchConfig and kStatistics are.
  kEventTrigger, kOpclass, kOpfamily, kAccessMethod, kConversion, kTransform, kPublication, kPublicationRelation,
  kPublicationSchema, kSubscription, kTablespace, kForeignWrapper, kForeignServer, kUserMapping, kTextSearchDictionary,
  kTextSearchParser, kTextSearchTemplate,
};

struct AclItem {  // grantor grants privileges to grantee (0 = PUBLIC)
  Oid grantee = 0, grantor = 0;
  uint32_t privileges = 0;      // bits of Privilege
  uint32_t grant_options = 0;
};
enum Privilege : uint32_t {
  kInsert = 1, kSelect = 2, kUpdate = 4, kDelete = 8, kTruncate = 16, kReferences = 32, kTriggerPriv = 64,
  kExecute = 128, kUsage = 256, kCreate = 512, kTemp = 1024, kConnect = 2048, kSetPriv = 4096,
};

struct Object {
  Oid oid = 0;
  std::string name;
  Oid owner = kBootstrapRole;
  std::optional<std::vector<AclItem>> acl;  // nullopt: the default privileges of the kind
  std::optional<std::string> comment;
  // Of a kind without a schema that belongs to one database (schemas, extensions, casts): which; 0: the default one, or all.
  Oid database = 0;
  virtual ~Object() = default;
  virtual ObjectKind kind() const = 0;
  virtual Oid schema_oid() const { return 0; }
};

struct Schema : Object {
  ObjectKind kind() const override { return ObjectKind::kSchema; }
};

enum class Identity : char { kNone = 0, kAlways = 'a', kByDefault = 'd' };

struct Column {
  std::string name;
  int16_t number = 0;        // attnum, 1-based, never reused
  Oid type = 0;
  int32_t typmod = -1;
  Oid collation = 0;
  int16_t dimensions = 0;
  bool not_null = false;
  bool dropped = false;
  Identity identity = Identity::kNone;
  bool generated = false;    // GENERATED ALWAYS AS (default_sql) STORED
  std::string default_sql;   // deparsed expression text; empty: none
  // Value of rows written before the column was added: the row codec's stored form; nullopt is NULL.
  std::optional<std::string> missing_value;
  char storage = 0;          // p e x m, 0: the type's
  int32_t statistics_target = -1;
  std::map<std::string, std::string> options;
  std::optional<std::string> comment;
  std::optional<std::vector<AclItem>> acl;
  int16_t inherit_count = 0; // parents that have the column
  bool local = true;         // declared by the table itself, whatever its parents have
  bool inherited() const { return inherit_count > 0; }
};

enum class ConstraintKind : char { kCheck = 'c', kForeignKey = 'f', kPrimary = 'p', kUnique = 'u', kExclusion = 'x', kNotNull = 'n' };
struct Constraint {  // table and domain constraints
  Oid oid = 0;
  std::string name;
  ConstraintKind kind;
  std::vector<int16_t> columns;
  Oid index = 0;                 // supporting index (p, u, x; of the referenced table for f)
  std::string check_sql;         // deparsed
  Oid referenced = 0;
  std::vector<int16_t> referenced_columns;
  char on_update = 'a', on_delete = 'a';  // a no action, r restrict, c cascade, n set null, d set default
  std::vector<int16_t> on_delete_columns; // SET NULL/DEFAULT (columns)
  char match = 's';              // s simple, f full
  bool deferrable = false, initially_deferred = false, validated = true, no_inherit = false;
  std::vector<Oid> equality_operators;    // f: pk = fk
  std::optional<std::string> comment;
  int16_t inherit_count = 0;
  bool local = true;
  Oid parent = 0;                // of a partition: the partitioned table's constraint (p, u, x, f)
};

struct IndexColumn {
  int16_t column = 0;            // 0: expression
  std::string expression_sql;    // deparsed
  Oid type = 0;                  // of the key
  int32_t typmod = -1;
  Oid collation = 0;
  Oid opclass = 0;
  std::map<std::string, std::string> opclass_options;
  bool descending = false, nulls_first = false;
};
struct IndexInfo {  // of a relation whose relkind is 'i'
  Oid table = 0;
  std::string method = "btree";  // btree hash gin gist brin spgist search hnsw columns
  std::vector<IndexColumn> keys;
  std::vector<int16_t> included;
  std::string predicate_sql;     // partial index
  bool unique = false, primary = false, nulls_not_distinct = false, immediate = true;
  bool valid = true;             // false while an online build runs
  bool clustered = false, replica_identity = false;
};
struct SequenceInfo {
  Oid type = 20;
  int64_t start = 1, increment = 1, min = 1, max = INT64_MAX, cache = 1;
  bool cycle = false;
  Oid owner_table = 0;
  int16_t owner_column = 0;      // OWNED BY / serial / identity
  bool identity = false;
};
// Of a partitioned table: the key. columns[i] 0 takes the next of expressions.
struct PartitionInfo { char strategy = 0 /* r range, l list, h hash */; std::vector<int16_t> columns; std::vector<std::string> expressions; std::vector<Oid> opclasses, collations; };
// Of a partition: which keys are its own.
struct PartitionDatum { char kind = 'v'; std::string value; };   // v value (the row codec's stored form), n NULL, < MINVALUE, > MAXVALUE
struct PartitionBound {
  char strategy = 0;
  bool is_default = false;
  int32_t modulus = 0, remainder = 0;           // hash
  std::vector<PartitionDatum> lower, upper;     // range: lower is inclusive, upper is not
  std::vector<PartitionDatum> values;           // list
};
// CREATE RULE: texts are deparsed as views' are; actions see OLD and NEW as relations of that name.
struct Rule {
  Oid oid = 0;
  std::string name;
  char event = '1';              // pg_rewrite.ev_type: 1 SELECT, 2 UPDATE, 3 INSERT, 4 DELETE
  bool instead = false;
  char enabled = 'O';
  std::string condition_sql;
  std::vector<std::string> actions_sql;
  std::optional<std::string> comment;
};

struct Relation : Object {
  ObjectKind kind() const override { return ObjectKind::kRelation; }
  Oid schema_oid() const override { return schema; }
  Oid schema = kPublic;
  char relkind = 'r';            // r table, v view, m matview, i index, S sequence, c composite, f foreign, p partitioned, I part. index
  char persistence = 'p';        // p permanent, u unlogged, t temporary
  Oid row_type = 0;              // pg_type oid of the row type
  uint32_t storage_id = 0;       // key prefix of rows or index entries; TRUNCATE and rewrites take a new one
  uint16_t schema_version = 0;   // of the row codec, raised by every column change
  std::vector<Column> columns;
  std::vector<Constraint> constraints;
  std::vector<Oid> indexes;
  std::optional<IndexInfo> index;
  std::optional<SequenceInfo> sequence;
  std::string view_sql;          // deparsed SELECT
  bool populated = true;         // matview
  std::optional<PartitionInfo> partitioning;
  std::string partition_bound;   // FOR VALUES ... text, for partitions
  std::optional<PartitionBound> bound;
  std::vector<Oid> parents;      // INHERITS / PARTITION OF; of an index: the partitioned index
  std::vector<Oid> triggers;
  std::vector<Rule> rules;       // beside a view's own
  bool row_security = false, force_row_security = false;
  std::map<std::string, std::string> options;  // reloptions: fillfactor, redis_key, ...
  // Doors' own metadata (Elasticsearch mappings and settings, Qdrant parameters), JSON by name.
  std::map<std::string, std::string> extra;
  char replica_identity = 'd';
  Oid of_type = 0;
  int on_commit = 0;             // temporary tables: 0 preserve, 1 delete rows, 2 drop
  uint64_t temp_session = 0;     // owner of a temporary relation
  const Column* column(std::string_view name) const;
  const Column* column(int16_t number) const;
};

struct EnumLabelInfo { Oid oid; float sort_order; std::string label; };
struct Type : Object {
  ObjectKind kind() const override { return ObjectKind::kType; }
  Oid schema_oid() const override { return schema; }
  Oid schema = kPublic;
  char typtype = 'b';            // c composite, d domain, e enum, r range, m multirange, b (arrays of those)
  Oid element = 0, array = 0;    // array type <-> element type
  Oid relation = 0;              // composite
  std::vector<EnumLabelInfo> labels;
  // Domains.
  Oid base = 0;
  int32_t base_typmod = -1;
  bool not_null = false;
  std::string default_sql;
  Oid collation = 0;
  std::vector<Constraint> constraints;
  // Ranges.
  Oid subtype = 0, multirange = 0, range = 0, subtype_opclass = 0, canonical = 0, subdiff = 0;
  // Base types (typtype b without an element, p while only a shell): `like` is the built-in type whose values they are.
  Oid like = 0, input = 0, output = 0, receive = 0, send = 0, modin = 0, modout = 0, analyze = 0, subscript = 0;
  bool defined = true, preferred = false, by_value = false;
  int16_t length = -1;
  char category = 'U', delimiter = ',', alignment = 'i', storage = 'x';
};

struct Function : Object {
  ObjectKind kind() const override { return ObjectKind::kFunction; }
  Oid schema_oid() const override { return schema; }
  Oid schema = kPublic;
  char prokind = 'f';            // f p a w
  Oid language = 0;
  std::string language_name;     // sql, plpgsql, internal
  Oid result = 0;
  bool returns_set = false, strict = false, security_definer = false, leakproof = false;
  char volatility = 'v', parallel = 'u';
  std::vector<Oid> args;         // input arguments
  std::vector<Oid> all_args;
  std::string arg_modes;
  std::vector<std::string> arg_names;
  std::vector<std::string> arg_defaults_sql;  // of the last arguments
  Oid variadic = 0;
  double cost = 100, rows = 0;
  std::string source;            // body
  std::string sql_body;          // SQL-standard body, deparsed
  std::map<std::string, std::string> settings;
  // Aggregates (prokind a).
  Oid transition = 0, final = 0, combine = 0, transition_type = 0, sort_operator = 0;
  std::optional<std::string> initial;
  char aggregate_kind = 'n';     // n normal, o ordered-set, h hypothetical
  int16_t direct_args = 0;
  bool final_extra = false, moving_final_extra = false;
  char final_modify = 'r', moving_final_modify = 'r';
  Oid serial = 0, deserial = 0, moving_transition = 0, moving_inverse = 0, moving_final = 0, moving_type = 0;
  int32_t state_space = 0, moving_space = 0;
  std::optional<std::string> moving_initial;
};

struct Operator : Object {
  ObjectKind kind() const override { return ObjectKind::kOperator; }
  Oid schema_oid() const override { return schema; }
  Oid schema = kPublic;
  Oid left = 0, right = 0, result = 0, proc = 0, commutator = 0, negator = 0;
  bool can_merge = false, can_hash = false;
  Oid restriction = 0, join = 0; // selectivity estimators
};
struct Cast : Object {
  ObjectKind kind() const override { return ObjectKind::kCast; }
  Oid source = 0, target = 0, func = 0;
  char context = 'e', method = 'f';
};
struct Collation : Object {
  ObjectKind kind() const override { return ObjectKind::kCollation; }
  Oid schema_oid() const override { return schema; }
  Oid schema = kPublic;
  char provider = 'i';
  bool deterministic = true;
  std::string locale;
};

struct Role : Object {
  ObjectKind kind() const override { return ObjectKind::kRole; }
  bool superuser = false, inherit = true, create_role = false, create_db = false, login = false,
       replication = false, bypass_rls = false;
  int connection_limit = -1;
  std::string password;          // SCRAM-SHA-256$... verifier
  std::optional<std::string> valid_until;
  struct Membership { Oid role; bool admin; Oid grantor; };
  std::vector<Membership> member_of;
  std::map<std::string, std::string> settings;
};
struct Database : Object {
  ObjectKind kind() const override { return ObjectKind::kDatabase; }
  std::string collate = "C.UTF-8", ctype = "C.UTF-8";
  bool allow_connections = true, is_template = false;
  int connection_limit = -1;
  std::map<std::string, std::string> settings;
};
struct Extension : Object {
  ObjectKind kind() const override { return ObjectKind::kExtension; }
  Oid schema = kPublic;
  std::string version;
};
struct Trigger : Object {
  ObjectKind kind() const override { return ObjectKind::kTrigger; }
  Oid relation = 0, function = 0, constraint = 0;
  int16_t type = 0;              // pg_trigger.tgtype bits
  char enabled = 'O';
  std::vector<int16_t> columns;
  std::vector<std::string> args;
  std::string when_sql, definition_sql, old_table, new_table;
  bool deferrable = false, initially_deferred = false;
  Oid parent = 0;                // of a partition: the partitioned table's trigger
};
struct Policy : Object {
  ObjectKind kind() const override { return ObjectKind::kPolicy; }
  Oid relation = 0;
  char command = '*';
  bool permissive = true;
  std::vector<Oid> roles;
  std::string using_sql, check_sql;
};
// Objects that little reads but statements about them and the system catalogues: foreign servers, publications, operator
// classes, text search dictionaries, event triggers ... What each fact means stands with the statement that makes it
// (sql/ddl) and the catalogue that shows it (sql/system_catalogs/entry_rows.cc).
struct EntryMember {  // of an operator class or family (o operator, f function), a configuration's mapping (m)
  char kind = 0;
  Oid oid = 0;
  int32_t number = 0;
  Oid left = 0, right = 0, object = 0, extra = 0;
};
struct Entry : Object {
  explicit Entry(ObjectKind k = ObjectKind::kSetting) : what(k) {}
  ObjectKind what;
  ObjectKind kind() const override { return what; }
  Oid schema_oid() const override { return schema; }
  Oid schema = 0;
  std::map<std::string, std::string> facts;
  std::vector<std::pair<std::string, std::string>> options;   // in the order in which they were given
  std::vector<std::string> list;
  std::vector<Oid> refs;
  std::vector<int16_t> columns;
  std::vector<EntryMember> members;
  const std::string& fact(const std::string& name) const {
    static const std::string kNone;
    auto it = facts.find(name);
    return it == facts.end() ? kNone : it->second;
  }
  Oid ref(size_t i) const { return i < refs.size() ? refs[i] : 0; }
};
// A namespaced blob for things a door keeps in the catalogue without being a relation (index
// templates, aliases, pipelines, Qdrant aliases): name is "kind/name".
struct Setting : Object {
  ObjectKind kind() const override { return ObjectKind::kSetting; }
  std::string value;
};

// Statistics of a relation, kept beside the object so that ANALYZE does not invalidate plans' schema.
struct ColumnStatistics {
  double null_fraction = 0;
  double distinct = 0;           // >0 count, <0 fraction of rows (PostgreSQL's convention)
  double average_width = 8;
  std::vector<std::pair<std::string, double>> most_common;  // codec form of the value, frequency
  std::vector<std::string> histogram;                        // codec form, equi-depth bounds
  double correlation = 0;
};
struct RelationStatistics {
  double rows = -1, pages = 0;
  std::map<int16_t, ColumnStatistics> columns;
  int64_t last_analyze_us = 0, last_autoanalyze_us = 0;
};

// Dependency: `dependent` goes (or blocks) when `referenced` is dropped. Sub-ids are column numbers.
enum class DependencyKind : char { kNormal = 'n', kAuto = 'a', kInternal = 'i', kExtension = 'e', kPin = 'p' };
struct ObjectAddress {
  ObjectKind kind; Oid oid = 0; int32_t sub = 0;
  auto operator<=>(const ObjectAddress&) const = default;
};
struct Dependency { ObjectAddress dependent, referenced; DependencyKind kind; };

}  // namespace stele::catalog

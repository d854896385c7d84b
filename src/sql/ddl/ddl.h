// Inner to ddl/: what the statements share. One Ddl object runs one utility statement.
#pragma once

#include <optional>
#include <set>

#include "base/error.h"
#include "query/rewrite.h"
#include "sql/deparse/deparse.h"
#include "sql/parser/parser.h"
#include "sql/parser/pg.h"
#include "sql/session/utility.h"

namespace stele::sql {

using catalog::Column;
using catalog::Constraint;
using catalog::ConstraintKind;
using catalog::DependencyKind;
using catalog::ObjectAddress;
using catalog::ObjectKind;
using catalog::Ptr;
using catalog::Relation;
using pg::Node;
using storage::LockMode;

class Ddl {
 public:
  Ddl(UtilityHost& h, std::string_view t) : host(h), text(t) {}
  UtilityHost& host;
  std::string_view text;

  // utility.cc
  std::string run(const Node* n);
  catalog::Changes& changes() { return *host.exec().catalog; }
  catalog::StatePtr state() { return changes().state(); }
  CatalogView& view() { return host.view(); }
  catalog::Catalog& catalog() { return *host.exec().engine->catalog; }
  storage::Transaction& txn() { return *host.exec().txn; }
  // For what is stored: no user's row security policies are part of it.
  BindContext bind() {
    BindContext b = host.bind_context(text);
    b.user = 0;
    return b;
  }
  int position(int location) { return character_position(text, location); }
  [[noreturn]] void fail(ErrorCode code, std::string message, int location = -1, std::string detail = {}, std::string hint = {}) {
    throw Error(code, std::move(message)).detail(std::move(detail)).hint(std::move(hint)).position(position(location));
  }
  void notice(std::string message, std::string detail = {}, std::string hint = {}, const char* severity = "NOTICE",
              ErrorCode code = ErrorCode::kSuccessfulCompletion) {
    host.notice(severity, Error(code, std::move(message)).detail(std::move(detail)).hint(std::move(hint)));
  }
  void put(std::shared_ptr<const catalog::Object> o);
  // A new object of a kind without a schema: the database's own.
  void put_new(std::shared_ptr<catalog::Object> o) {
    o->database = changes().database();
    put(std::move(o));
  }
  template <typename T> std::shared_ptr<T> edit(const Ptr<T>& o) { return std::make_shared<T>(*o); }
  void depend(ObjectAddress dependent, ObjectAddress referenced, DependencyKind kind = DependencyKind::kNormal);
  void depend_on_all(ObjectAddress dependent, const std::vector<ObjectAddress>& referenced);
  // A view over the current state whose path is pg_catalog only: for stored SQL.
  CatalogView stored_view();
  std::string stored_sql(const query::ExprPtr& e, const Relation* r);
  // The first value of a query's first row as text; empty: none.
  std::string query_text(const std::string& sql);

  // names.cc
  struct Target { Oid schema = 0; std::string name; bool temporary = false; };
  Target creation_target(const pg::RangeVar* rv);
  Target creation_target(const std::vector<std::string>& names);
  Ptr<Relation> relation(const pg::RangeVar* rv, bool missing_ok = false);
  Ptr<Relation> table_for(const pg::RangeVar* rv, LockMode lock, bool missing_ok, const char* kinds = "");
  void check_owner(const catalog::Object& o, std::string_view what);
  void check_schema_create(Oid schema);
  bool has_privilege(const std::optional<std::vector<catalog::AclItem>>& acl, Oid owner, Oid role, uint32_t privilege, uint32_t public_default);
  bool is_member(Oid member, Oid role);
  std::string qualified(const Relation& r);
  std::string choose_name(std::string base1, std::string base2, std::string label, Oid schema, const std::set<std::string>& taken = {});
  bool name_used(Oid schema, const std::string& name);
  void check_name_free(const Target& t, const char* what = "relation");
  Oid role_spec(const pg::RoleSpec* r, bool missing_ok = false);
  std::string describe(const ObjectAddress& a);
  static const char* relkind_word(char k);
  Ptr<catalog::Role> role_named(std::string_view name, bool missing_ok = false);
  std::map<std::string, std::string> options(std::span<Node* const> list);
  static std::string def_string(const pg::DefElem* d);
  bool def_bool(const pg::DefElem* d);
  int64_t def_int(const pg::DefElem* d);

  // create_table.cc
  struct NewColumn { Column column; const pg::ColumnDef* def = nullptr; bool serial = false; Oid serial_type = 0; const Node* default_expr = nullptr;
    const Node* generated = nullptr; const pg::Constraint* identity = nullptr; std::string inherited_default; bool default_conflict = false; };
  struct NewTable {
    std::shared_ptr<Relation> relation;
    std::vector<NewColumn> columns;
    std::vector<const pg::Constraint*> constraints;    // table constraints
    std::vector<std::pair<const pg::Constraint*, std::string>> column_constraints;  // with their column
    std::vector<std::pair<Ptr<Relation>, bool>> like_indexes;
    std::vector<Oid> like_sources;
    const pg::CreateStmt* statement = nullptr;
    int written = 0;   // columns in the statement itself
  };
  void create_table(const pg::CreateStmt* s);
  void column_from(NewTable& t, const pg::ColumnDef* d);
  void like(NewTable& t, const pg::TableLikeClause* l);
  void finish_columns(NewTable& t);
  Column make_column(const pg::ColumnDef* d, const std::string& table);
  void make_row_types(Relation& r);
  std::shared_ptr<Relation> make_sequence(const Target& t, Oid type, std::span<Node* const> options, Oid table, int16_t column, bool identity, char persistence);
  void set_default(Relation& r, int16_t column, const Node* n, bool generated);
  std::shared_ptr<Relation> table_from_columns(const Target& t, const std::vector<query::OutputColumn>& columns, const std::vector<std::string>& names, char relkind,
                                               const std::vector<Oid>& collations);

  // constraints.cc
  void add_check(std::shared_ptr<Relation>& r, const pg::Constraint* c, const std::string& column, bool validate);
  void add_index_constraint(std::shared_ptr<Relation>& r, const pg::Constraint* c, const std::string& column, bool existing_rows);
  void add_foreign_key(std::shared_ptr<Relation>& r, const pg::Constraint* c, const std::string& column, bool validate);
  std::string constraint_name(const Relation& r, const pg::Constraint* c, const std::string& label, const std::vector<std::string>& columns);
  bool constraint_exists(const Relation& r, const std::string& name);

  // indexes.cc
  std::shared_ptr<Relation> make_index(Relation& table, const std::string& name, catalog::IndexInfo info);
  void create_index(const pg::IndexStmt* s);
  catalog::IndexColumn index_key(const Relation& table, const pg::IndexElem* e, const std::string& method);
  void build(const Relation& index);

  // drop.cc
  struct DropTarget { ObjectAddress address; };
  void drop(const std::vector<ObjectAddress>& targets, bool cascade, bool report = true);
  void drop_now(const ObjectAddress& a);
  void drop_statement(const pg::DropStmt* s);
  void drop_column(std::shared_ptr<Relation>& r, int16_t column, bool cascade);
  void drop_constraint(std::shared_ptr<Relation>& r, const std::string& name, bool cascade, bool missing_ok);
  void erase_storage(const Relation& r);
  void remove_constraint_record(Oid constraint);

  // alter_table.cc
  std::string alter_table(const pg::AlterTableStmt* s);
  void alter_command(std::shared_ptr<Relation>& r, const pg::AlterTableCmd* c, const pg::AlterTableStmt* s);
  void add_column(std::shared_ptr<Relation>& r, const pg::ColumnDef* d, bool missing_ok);
  void rewrite(const Relation& from, std::shared_ptr<Relation>& r, const std::vector<query::ExprPtr>& columns);
  void alter_column_type(std::shared_ptr<Relation>& r, const pg::AlterTableCmd* c);
  // rename.cc
  void rename(const pg::RenameStmt* s);
  void rename_column(const Ptr<Relation>& found, const std::string& from, const std::string& to);
  void set_schema(const pg::AlterObjectSchemaStmt* s);
  void set_owner(const pg::AlterOwnerStmt* s);

  // sequences.cc
  void sequence_options(catalog::SequenceInfo& info, std::span<Node* const> options, bool is_new, std::optional<int64_t>* restart, std::vector<std::string>* owned_by, const std::string& name);
  void create_sequence(const pg::CreateSeqStmt* s);
  void alter_sequence(const pg::AlterSeqStmt* s);
  void own_sequence(std::shared_ptr<Relation> seq, const std::vector<std::string>& owned_by);

  // views.cc
  void create_view(const pg::ViewStmt* s);
  std::string create_table_as(const pg::CreateTableAsStmt* s);
  void refresh_view(const pg::RefreshMatViewStmt* s);
  void view_dependencies(const ObjectAddress& dependent, const query::Query& q, const std::vector<ObjectAddress>& extra);
  uint64_t insert_from(const Relation& target, const std::shared_ptr<query::Query>& source, std::span<const NullableDatum> params = {},
                       std::span<const Oid> param_types = {});

  // types.cc
  void create_enum(const pg::CreateEnumStmt* s);
  void alter_enum(const pg::AlterEnumStmt* s);
  void create_composite(const pg::CompositeTypeStmt* s);
  void create_domain(const pg::CreateDomainStmt* s);
  void alter_domain(const pg::AlterDomainStmt* s);
  void make_domain(const pg::CreateDomainStmt* s);
  void change_domain(const pg::AlterDomainStmt* s);
  // Errors of names and values in it lose their position.
  template <typename F> void without_position(F&& f) {
    try {
      f();
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kUndefinedObject && e.code() != ErrorCode::kUndefinedColumn && e.code() != ErrorCode::kInvalidTextRepresentation) throw;
      Error copy = e;
      copy.set_position(0);
      throw copy;
    }
  }
  std::shared_ptr<catalog::Type> make_type(const Target& t, char typtype);
  void put_with_array(std::shared_ptr<catalog::Type> t);
  // Types of arguments, results and definitions are looked up apart from the statement's text.
  static ResolvedType type_without_position(const pg::TypeName* t, const BindContext& b);
  // range_types.cc
  void create_range(const pg::CreateRangeStmt* s);

  // databases.cc
  Ptr<catalog::Database> database_named(std::string_view name, bool missing_ok = false);
  void create_database(const pg::CreatedbStmt* s);
  void drop_database(const pg::DropdbStmt* s);
  void alter_database(const pg::AlterDatabaseStmt* s);
  void alter_database_set(const pg::AlterDatabaseSetStmt* s);
  void rename_database(std::string_view from, const std::string& to);

  // roles.cc
  void create_role(const pg::CreateRoleStmt* s);
  void alter_role(const pg::AlterRoleStmt* s);
  void alter_role_set(Oid role, const std::string& database, const pg::VariableSetStmt* set);
  void drop_role(const pg::DropRoleStmt* s);
  void grant(const pg::GrantStmt* s);
  // options.cc
  void check_options(std::map<std::string, std::string>& options, const std::string& kind);
  void check_tablespace(const char* name);
  void set_tablespace(Relation& r, const char* name);
  void check_table_method(const char* name);
  // default_privileges.cc
  void alter_default_privileges(const pg::AlterDefaultPrivilegesStmt* s);
  std::optional<std::vector<catalog::AclItem>> default_acl(char type, Oid owner, Oid schema);
  void grant_role(const pg::GrantRoleStmt* s);
  void reassign_owned(const pg::ReassignOwnedStmt* s);
  void drop_owned(const pg::DropOwnedStmt* s);
  void role_options(catalog::Role& r, std::span<Node* const> options, std::vector<std::pair<std::string, const Node*>>* members);

  // routines.cc
  std::string create_function(const pg::CreateFunctionStmt* s);
  void alter_function(const pg::AlterFunctionStmt* s);
  void function_setting(catalog::Function& f, const pg::VariableSetStmt* set);
  // rules.cc
  void create_rule(const pg::RuleStmt* s);
  Ptr<Relation> rule_relation(Oid rule);
  // operators.cc
  std::string define(const pg::DefineStmt* s);
  const ProcRow* support_function(const std::vector<std::string>& name, const std::vector<Oid>& args);
  Oid support_result(const ProcRow& p, const std::vector<Oid>& args);
  void create_aggregate(const pg::DefineStmt* s);
  void create_operator(const pg::DefineStmt* s);
  void create_cast(const pg::CreateCastStmt* s);
  // triggers.cc
  void create_trigger(const pg::CreateTrigStmt* s);

  // partitions.cc
  void partition_key(Relation& r, const pg::PartitionSpec* s);
  // Checks a bound against the partitions that are there; *shown is its text as pg_get_expr prints it.
  catalog::PartitionBound partition_bound(const std::string& name, const Relation& parent, const pg::PartitionBoundSpec* s, std::string* shown);
  void clone_to_partition(Oid partition, const Relation& parent);
  void partition_index(const Relation& above, const Relation& parent, Oid partition);
  void clone_foreign_key(const Constraint& above, const Relation& parent, Oid partition);
  void clone_trigger(const catalog::Trigger& above, const Relation& parent, Oid partition);
  void check_default_partition(const Relation& parent, const catalog::PartitionBound& bound, Oid except);
  void attach_partition(std::shared_ptr<Relation>& parent, const pg::PartitionCmd* c);
  void detach_partition(std::shared_ptr<Relation>& parent, const pg::PartitionCmd* c);
  void check_detach_references(const Relation& partition, const Relation& parent);
  void attach_index(std::shared_ptr<Relation>& parent, const pg::PartitionCmd* c);
  void merge_into_existing(Relation& child, const Relation& parent, bool partition);
  void check_partition_unique(const Relation& table, const std::vector<int16_t>& columns, const char* what);

  // inherit.cc: changes of a parent that its children follow
  bool recurse_ = true, recursing_ = false;   // of the ALTER TABLE command at work: without ONLY; on a child of the table named
  void check_alter_child(const Relation& r, const pg::AlterTableCmd* c);
  void alter_children(const Relation& parent, const Relation& before, const pg::AlterTableCmd* c, const pg::AlterTableStmt* s);
  void add_inherited_column(const Relation& parent, const Column& column, const pg::ColumnDef* d);
  void drop_inherited_column(const Relation& parent, const std::string& name);
  void add_inherited_check(const Relation& parent, const Constraint& check);
  void drop_inherited_constraint(const Relation& parent, const Constraint& constraint);
  void add_inherit(std::shared_ptr<Relation>& r, const pg::RangeVar* parent);
  void drop_inherit(std::shared_ptr<Relation>& r, const pg::RangeVar* parent);

  // entries.cc: objects held as catalog::Entry
  struct EntryKind { int object_type; ObjectKind kind; const char *word, *owned_word, *tag; bool in_schema; };
  struct EntryName { std::vector<std::string> parts; std::string method; };   // method: of operator classes and families
  static const EntryKind* entry_kind(int object_type);
  static const EntryKind* entry_kind(ObjectKind kind);
  static EntryName entry_name(const Node* n, int object_type);
  // Null: none. Built-in ones come as entries with their own oid.
  Ptr<catalog::Entry> find_entry(ObjectKind kind, const EntryName& name);
  Ptr<catalog::Entry> entry(ObjectKind kind, const EntryName& name);       // throws undefined_object
  Ptr<catalog::Entry> own_entry(ObjectKind kind, const EntryName& name);   // and must belong to the user
  std::shared_ptr<catalog::Entry> new_entry(ObjectKind kind, const EntryName& name);
  void put_entry(const std::shared_ptr<catalog::Entry>& e);
  bool entry_exists(const catalog::Entry& e);
  void check_entry_taken(const catalog::Entry& e, bool in_schema);
  void check_method(const EntryName& name);
  std::string entry_text(ObjectKind kind, const EntryName& name);
  // Each false when the statement is about another kind of object.
  bool rename_entry(const pg::RenameStmt* s, const std::string& to);
  bool entry_set_schema(const pg::AlterObjectSchemaStmt* s, Oid schema);
  bool entry_set_owner(const pg::AlterOwnerStmt* s, Oid owner);
  bool comment_entry(const pg::CommentStmt* s, const std::optional<std::string>& text);
  bool drop_entry(const pg::DropStmt* s, const Node* object, std::vector<ObjectAddress>& targets);
  std::string describe_entry(const ObjectAddress& a);
  // The function with exactly these arguments; result 0: any.
  const ProcRow* function_of(const std::vector<std::string>& name, const std::vector<Oid>& args, Oid result, const char* result_name);

  // exclusion.cc
  void add_exclusion(std::shared_ptr<Relation>& r, const pg::Constraint* c, bool existing_rows);

  // foreign.cc
  std::string foreign(const Node* n);
  void validate_options(Oid wrapper, const std::vector<std::pair<std::string, std::string>>& options, Oid context);
  char table_kind_ = 0;   // 'f': create_table makes a foreign table
  void change_options(std::vector<std::pair<std::string, std::string>>& options, std::span<Node* const> list);
  void create_foreign_table(const pg::CreateForeignTableStmt* s);
  // publications.cc
  std::string publication(const Node* n);
  std::string subscription(const Node* n);
  // operator_classes.cc
  std::string operator_class(const Node* n);
  // event_triggers.cc
  void create_event_trigger(const pg::CreateEventTrigStmt* s);
  void alter_event_trigger(const pg::AlterEventTrigStmt* s);
  std::string run_with_events(const Node* n);
  static std::string command_tag(const Node* n);   // empty: no event trigger follows it
  void note_dropped(const ObjectAddress& a, bool original, bool normal);
  void note_commands(const std::string& tag);
  bool noting_ = false;
  std::vector<std::pair<ObjectAddress, bool>> noted_;   // objects put, and whether they are new
  // text_search.cc
  void create_text_search(const pg::DefineStmt* s, ObjectKind kind);
  void check_text_search_name(const catalog::Entry& e);
  void alter_dictionary(const pg::AlterTSDictionaryStmt* s);
  void alter_configuration(const pg::AlterTSConfigurationStmt* s);
  // base_types.cc
  void create_shell_type(const Target& t);
  void create_base_type(const pg::DefineStmt* s);
  void create_collation(const pg::DefineStmt* s);
  // kinds.cc: access methods, conversions, transforms, languages, statistics, tablespaces
  std::string create_kind(const Node* n);

  // misc.cc
  void create_schema(const pg::CreateSchemaStmt* s);
  std::string comment(const pg::CommentStmt* s);
  void truncate(const pg::TruncateStmt* s);
  void lock_table(const pg::LockStmt* s);
  std::string vacuum(const pg::VacuumStmt* s);
  void reindex(const pg::ReindexStmt* s);
  void create_policy(const pg::CreatePolicyStmt* s);
  std::string other(const Node* n);
};

std::string upper(std::string_view s);

}  // namespace stele::sql

// One name space for built-in facts and users' objects: types, functions, operators, casts,
// relations, looked up through a search path over one catalogue state. Made by a session for one
// state and search path; used by one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "catalog/catalog.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::sql {

struct TypeRow {
  Oid oid = 0;
  std::string name;
  Oid schema = catalog::kPgCatalog;
  char typtype = 'b', category = 'U';
  bool preferred = false;
  Oid element = 0;        // of true arrays only
  Oid raw_element = 0;    // pg_type.typelem
  Oid array = 0, relation = 0, base = 0, collation = 0, subtype = 0, multirange = 0, range = 0;
  int32_t base_typmod = -1;
  int16_t len = -1;
  bool defined = true;     // false: only a shell
  Oid like = 0;            // of a user's base type: the built-in type whose values it holds
  char delimiter = ',';
  std::string modin, input;
  Oid owner = catalog::kBootstrapRole;
};

struct ProcRow {
  Oid oid = 0;
  std::string name;
  Oid schema = catalog::kPgCatalog;
  char kind = 'f', volatility = 'i', agg_kind = 'n';
  bool strict = false, returns_set = false, user = false;
  Oid result = 0, variadic = 0, language = 12;
  std::vector<Oid> args, all_args;
  std::string arg_modes;
  std::vector<std::string> arg_names;
  int n_defaults = 0, agg_direct = 0;
  std::vector<std::string> defaults;  // SQL, of the last arguments
  Oid owner = catalog::kBootstrapRole;
};

struct OperatorRow {
  Oid oid = 0;
  std::string name;
  Oid schema = catalog::kPgCatalog;
  Oid left = 0, right = 0, result = 0, proc = 0, commutator = 0, negator = 0;
  bool can_merge = false, can_hash = false;
};

struct CastRow { Oid func = 0; char context = 'e', method = 'f'; };
struct SortOps { Oid lt = 0, eq = 0, gt = 0; bool hashable = false; };
struct OpclassRow { Oid oid; std::string name; Oid method, family, type, key_type; bool is_default; };

// Whether `user` is `role` or its member, directly or not (superusers are not members of everything here).
bool member_of(const catalog::State& state, Oid user, Oid role);
// Whether `user` may look up names in the schema.
bool may_use_schema(const catalog::State& state, const catalog::Object& schema, Oid user);

class CatalogView {
 public:
  // path: schema oids in order, implicit ones (pg_temp, pg_catalog) included.
  CatalogView(catalog::StatePtr state, std::vector<Oid> path, Oid creation_schema, Oid temp_schema);

  const catalog::StatePtr& state() const { return state_; }
  const std::vector<Oid>& path() const { return path_; }
  Oid creation_schema() const { return creation_schema_; }
  Oid temp_schema() const { return temp_schema_; }
  // The database that names in three parts may begin with.
  const std::string& database() const { return database_; }
  void set_database(std::string name) { database_ = std::move(name); }

  // Throws internal_error "cache lookup failed for type %u".
  const TypeRow& type(Oid oid);
  const TypeRow* find_type(Oid oid);
  const TypeRow* find_type(std::string_view name);                      // along the path
  const TypeRow* find_type(Oid schema, std::string_view name);
  Oid base_type(Oid type, int32_t* typmod = nullptr);
  bool is_array(Oid type) { return type >= 16 && this->type(type).element != 0; }
  bool is_composite(Oid type) { const TypeRow* t = find_type(type); return t != nullptr && t->relation != 0; }
  char category(Oid type) { return this->type(type).category; }
  // Composite relation of a type, through domains; 0 if none.
  Oid type_relation(Oid type);
  std::string format_type(Oid type, int32_t typmod = -1);

  // Schema 0: along the path; earlier schemas hide later ones with the same input types.
  std::vector<const ProcRow*> procs(std::string_view name, Oid schema = 0);
  const ProcRow* proc(Oid oid);  // null: none
  std::vector<const OperatorRow*> operators(std::string_view name, Oid schema = 0);
  const OperatorRow* oper(Oid oid);
  std::optional<CastRow> find_cast(Oid source, Oid target);
  SortOps sort_ops(Oid type);
  // Default opclass of a type for an access method (403 btree, 405 hash ...); 0: none.
  Oid default_opclass(Oid type, Oid method);
  // Of exactly this type.
  Oid default_opclass_exact(Oid type, Oid method);
  const OpclassRow* opclass(Oid oid);
  const OpclassRow* find_opclass(std::string_view name, Oid method, Oid schema = 0);
  // pg_amop: operator of a family for two types and a strategy.
  Oid family_operator(Oid family, Oid left, Oid right, int strategy);
  // All (family, strategy) pairs of btree that an operator belongs to.
  std::vector<std::pair<Oid, int>> btree_memberships(Oid op);
  bool binary_coercible(Oid source, Oid target);

  Oid collation(std::string_view name, Oid schema = 0);  // 0: none
  std::string collation_name(Oid oid);
  Oid collation_schema(Oid oid);

  catalog::Ptr<catalog::Relation> relation(Oid oid);
  catalog::Ptr<catalog::Relation> find_relation(std::string_view name, Oid schema = 0);
  // 0: no such schema. "pg_temp" is the session's own.
  // A schema by name, 0: none. Throws when set_user() named one who may not use it, but not while stored SQL is bound.
  Oid schema(std::string_view name);
  void set_user(Oid user) { user_ = user; }
  class StoredSql {   // names in stored SQL were checked when it was stored
   public:
    explicit StoredSql(CatalogView& v) : view_(v) { ++view_.stored_; }
    ~StoredSql() { --view_.stored_; }
    StoredSql(const StoredSql&) = delete;

   private:
    CatalogView& view_;
  };
  std::string schema_name(Oid oid);
  bool relation_visible(const catalog::Relation& r);
  bool type_visible(Oid oid);
  bool proc_visible(Oid oid);
  bool operator_visible(Oid oid);
  std::string role_name(Oid oid);

 private:
  Oid user_default_opclass(Oid type, Oid method);
  std::unordered_map<Oid, std::unique_ptr<OpclassRow>> opclasses_;
  const TypeRow* user_type(const catalog::Ptr<catalog::Type>& t);
  const ProcRow* user_proc(const catalog::Ptr<catalog::Function>& f);
  const OperatorRow* user_operator(const catalog::Ptr<catalog::Operator>& o);

  catalog::StatePtr state_;
  std::vector<Oid> path_;
  std::string database_ = "stele";
  Oid user_ = 0;
  int stored_ = 0;
  Oid creation_schema_, temp_schema_;
  std::unordered_map<Oid, std::unique_ptr<TypeRow>> types_;
  std::unordered_map<Oid, std::unique_ptr<ProcRow>> procs_;
  std::unordered_map<Oid, std::unique_ptr<OperatorRow>> operators_;
};

// Catalogue relations (pg_class ...) and information_schema as relations; built once.
catalog::Ptr<catalog::Relation> system_relation(Oid oid);
catalog::Ptr<catalog::Relation> system_relation(Oid schema, std::string_view name);
const std::vector<catalog::Ptr<catalog::Relation>>& system_relations();

// "name" or "\"Name\"" as SQL needs it.
std::string quote_identifier(std::string_view name);
std::string quote_literal(std::string_view s);

}  // namespace stele::sql

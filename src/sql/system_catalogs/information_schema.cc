// The SQL standard's views. Rows show what the current user owns or holds a privilege on.
#include "sql/binder/bind.h"
#include "sql/functions/host.h"
#include "sql/system_catalogs/rows.h"
#include "types/builtin.h"

namespace stele::sql::system_catalogs {
namespace {

using catalog::Column;
using catalog::Constraint;
using catalog::ConstraintKind;
using catalog::ObjectKind;
using catalog::Relation;

const char* yes_no(bool b) { return b ? "YES" : "NO"; }
std::optional<std::string> text(const std::string& s) { return s.empty() ? std::optional<std::string>() : s; }

// The user's roles, itself first; `all` for superusers.
struct Viewer {
  std::set<Oid> roles;
  bool all = false;
  explicit Viewer(Rows& out) { add(out, out.context.current_user); }
  void add(Rows& out, Oid role) {
    if (!roles.insert(role).second) return;
    auto r = out.state.get_as<catalog::Role>(ObjectKind::kRole, role);
    if (!r) return;
    all |= r->superuser;
    for (auto& m : r->member_of) add(out, m.role);
  }
  bool owns(const catalog::Object& o) const { return all || roles.count(o.owner) != 0; }
  bool granted(const std::optional<std::vector<catalog::AclItem>>& acl) const {
    if (!acl) return false;
    for (auto& a : *acl)
      if (a.privileges != 0 && (a.grantee == 0 || roles.count(a.grantee) != 0)) return true;
    return false;
  }
  bool sees(const Relation& r) const {
    if (owns(r) || granted(r.acl)) return true;
    for (auto& c : r.columns)
      if (granted(c.acl)) return true;
    return false;
  }
};

struct TypeNames { std::string data_type, schema, name; };
// SQL's name of a type, and the underlying type of a domain.
TypeNames type_names(Rows& out, Oid type) {
  if (const BuiltinType* t = builtin::type(type))
    return {t->is_true_array() ? "ARRAY" : out.type_name(type), "pg_catalog", t->name};
  auto t = out.state.type(type);
  if (!t) return {"USER-DEFINED", "public", "???"};
  return {t->typtype == 'b' && t->element != 0 ? "ARRAY" : "USER-DEFINED", out.schema_name(t->schema), t->name};
}
Oid base_of(Rows& out, Oid type, int32_t* typmod) {
  for (int depth = 0; depth < 32; ++depth) {
    auto t = builtin::type(type) ? nullptr : out.state.type(type);
    if (!t || t->typtype != 'd') return type;
    type = t->base;
    if (*typmod < 0) *typmod = t->base_typmod;
  }
  return type;
}

// The length, precision and scale columns that many views share.
void set_type_columns(Rows& out, Oid type, int32_t typmod) {
  switch (type) {
    case oid::kBpchar: case oid::kVarchar:
      if (typmod >= 4) {
        out.set("character_maximum_length", typmod - 4);
        out.set("character_octet_length", std::min<int64_t>(int64_t{typmod - 4} * 4, 1073741824));
      } else {
        out.set("character_octet_length", 1073741824);
      }
      break;
    case oid::kText: out.set("character_octet_length", 1073741824); break;
    case oid::kBit: case oid::kVarbit:
      if (typmod >= 0) out.set("character_maximum_length", typmod);
      break;
    case oid::kInt2: case oid::kInt4: case oid::kInt8:
      out.set("numeric_precision", type == oid::kInt2 ? 16 : type == oid::kInt4 ? 32 : 64);
      out.set("numeric_precision_radix", 2);
      out.set("numeric_scale", 0);
      break;
    case oid::kFloat4: case oid::kFloat8:
      out.set("numeric_precision", type == oid::kFloat4 ? 24 : 53);
      out.set("numeric_precision_radix", 2);
      break;
    case oid::kNumeric:
      out.set("numeric_precision_radix", 10);
      if (typmod >= 4) {
        out.set("numeric_precision", (typmod - 4) >> 16 & 0xffff);
        out.set("numeric_scale", (((typmod - 4) & 0x7ff) ^ 1024) - 1024);
      }
      break;
    case oid::kDate: out.set("datetime_precision", 0); break;
    case oid::kTime: case oid::kTimetz: case oid::kTimestamp: case oid::kTimestamptz:
      out.set("datetime_precision", typmod < 0 ? 6 : typmod);
      break;
    case oid::kInterval:
      out.set("datetime_precision", typmod < 0 || (typmod & 0xffff) == 0xffff ? 6 : typmod & 0xffff);
      break;
    default: break;
  }
}

void set_collation(Rows& out, Oid type, Oid collation) {
  if (collation == 0 || collation == oid::kDefaultCollation) return;
  if (const BuiltinType* t = builtin::type(type); t && t->collation == collation && collation == oid::kDefaultCollation) return;
  for (const auto& f : builtin::rows("pg_collation")) {
    if (static_cast<Oid>(std::atoll(f[0].c_str())) != collation) continue;
    out.set("collation_catalog", out.context.database);
    out.set("collation_schema", "pg_catalog");
    out.set("collation_name", f[1]);
    return;
  }
}

void column_row(Rows& out, const Relation& r, const Column& c, int position) {
  const std::string& database = out.context.database;
  int32_t typmod = c.typmod;
  Oid base = base_of(out, c.type, &typmod);
  TypeNames names = type_names(out, base);
  out.begin_named();
  out.set("table_catalog", database);
  out.set("table_schema", out.schema_name(r.schema));
  out.set("table_name", r.name);
  out.set("column_name", c.name);
  out.set("ordinal_position", position);
  if (!c.generated && !c.default_sql.empty())
    out.set("column_default", out.context.eval->session == nullptr ? c.default_sql : shown_expression(*out.context.eval, c.default_sql, &r));
  auto domain = base != c.type ? out.state.type(c.type) : nullptr;
  out.set("is_nullable", yes_no(!(c.not_null || (domain && domain->not_null))));
  out.set("data_type", names.data_type);
  set_type_columns(out, base, typmod);
  set_collation(out, base, c.collation);
  if (domain) {
    out.set("domain_catalog", database);
    out.set("domain_schema", out.schema_name(domain->schema));
    out.set("domain_name", domain->name);
  }
  out.set("udt_catalog", database);
  out.set("udt_schema", names.schema);
  out.set("udt_name", names.name);
  out.set("dtd_identifier", static_cast<int>(c.number));
  out.set("is_self_referencing", "NO");
  bool identity = c.identity != catalog::Identity::kNone;
  out.set("is_identity", yes_no(identity));
  out.set("identity_cycle", "NO");
  if (identity) {
    out.set("identity_generation", c.identity == catalog::Identity::kAlways ? "ALWAYS" : "BY DEFAULT");
    out.each_relation([&](const Relation& s) {
      if (!s.sequence || s.sequence->owner_table != r.oid || s.sequence->owner_column != c.number) return;
      out.set("identity_start", s.sequence->start);
      out.set("identity_increment", s.sequence->increment);
      out.set("identity_maximum", s.sequence->max);
      out.set("identity_minimum", s.sequence->min);
      out.set("identity_cycle", yes_no(s.sequence->cycle));
    });
  }
  out.set("is_generated", c.generated ? "ALWAYS" : "NEVER");
  if (c.generated) out.set("generation_expression", c.default_sql);
  out.set("is_updatable", yes_no(r.relkind == 'r' || r.relkind == 'p'));
  out.finish_named();
}

bool listed(const Relation& r) { return std::string_view("rvpf").find(r.relkind) != std::string_view::npos; }

// Every relation that the table views list and the user may see, the system's own included.
template <typename F> void each_visible(Rows& out, F f) {
  Viewer viewer(out);
  for (auto& r : all()) f(*r);
  out.each_relation([&](const Relation& r) {
    if (listed(r) && viewer.sees(r)) f(r);
  });
}

void columns(Rows& out) {
  each_visible(out, [&](const Relation& r) {
    for (auto& c : r.columns)
      if (!c.dropped) column_row(out, r, c, c.number);
  });
}

// Bits of the changes (4 insert, 8 delete, 16 update) that views take.
int updatable(Rows& out, const Relation& r) {
  CatalogView view(out.context.state, {catalog::kPgCatalog}, 0, 0);
  BindContext c;
  c.view = &view;
  c.eval = out.context.eval;
  return view_updatable_events(r, c);
}

bool instead(Rows& out, const Relation& r, int event) {
  for (Oid t : r.triggers) {
    auto trigger = out.state.get_as<catalog::Trigger>(ObjectKind::kTrigger, t);
    if (trigger && (trigger->type & 64) != 0 && (trigger->type & event) != 0) return true;
  }
  return false;
}

void tables(Rows& out) {
  each_visible(out, [&](const Relation& r) {
    const char* type = r.persistence == 't' ? "LOCAL TEMPORARY" : r.relkind == 'v' ? "VIEW" : r.relkind == 'f' ? "FOREIGN" : "BASE TABLE";
    out(out.context.database, out.schema_name(r.schema), r.name, type, nullptr, nullptr, nullptr, nullptr, nullptr,
        yes_no(r.relkind == 'r' || r.relkind == 'p' || (r.relkind == 'v' && (updatable(out, r) & 4) != 0)), yes_no(r.of_type != 0), nullptr);
  });
}

void views(Rows& out) {
  each_visible(out, [&](const Relation& r) {
    if (r.relkind != 'v') return;
    std::optional<std::string> definition = text(r.view_sql);
    if (definition)
      if (auto d = out.text_function("pg_get_viewdef", r.oid)) definition = d;
    auto option = r.options.find("check_option");
    std::string check = option == r.options.end() ? "NONE" : option->second == "local" ? "LOCAL" : "CASCADED";
    out(out.context.database, out.schema_name(r.schema), r.name, definition, check, yes_no((updatable(out, r) & 24) == 24), yes_no((updatable(out, r) & 4) != 0),
        yes_no(instead(out, r, 16)), yes_no(instead(out, r, 8)), yes_no(instead(out, r, 4)));
  });
}

const char* constraint_type(ConstraintKind k) {
  switch (k) {
    case ConstraintKind::kCheck: return "CHECK";
    case ConstraintKind::kForeignKey: return "FOREIGN KEY";
    case ConstraintKind::kPrimary: return "PRIMARY KEY";
    case ConstraintKind::kUnique: return "UNIQUE";
    default: return nullptr;
  }
}
std::string not_null_name(const Relation& r, const Column& c) {
  return fmt::format("{}_{}_{}_not_null", r.schema, r.oid, c.number);
}

template <typename F> void each_constraint(Rows& out, F f) {
  Viewer viewer(out);
  out.each_relation([&](const Relation& r) {
    if (r.relkind != 'r' && r.relkind != 'p') return;
    if (!viewer.sees(r)) return;
    for (auto& c : r.constraints)
      if (constraint_type(c.kind) != nullptr) f(r, c);
  });
}

void table_constraints(Rows& out) {
  const std::string& db = out.context.database;
  each_constraint(out, [&](const Relation& r, const Constraint& c) {
    std::string schema = out.schema_name(r.schema);
    std::optional<const char*> distinct;
    if (c.kind == ConstraintKind::kUnique) {
      auto index = out.state.relation(c.index);
      distinct = yes_no(!(index && index->index && index->index->nulls_not_distinct));
    }
    out(db, schema, c.name, db, schema, r.name, constraint_type(c.kind), yes_no(c.deferrable), yes_no(c.initially_deferred),
        "YES", distinct);
  });
  Viewer viewer(out);
  out.each_relation([&](const Relation& r) {
    if ((r.relkind != 'r' && r.relkind != 'p') || !viewer.sees(r)) return;
    std::string schema = out.schema_name(r.schema);
    for (auto& c : r.columns)
      if (c.not_null && !c.dropped)
        out(db, schema, not_null_name(r, c), db, schema, r.name, "CHECK", "NO", "NO", "YES", nullptr);
  });
}

void key_column_usage(Rows& out) {
  const std::string& db = out.context.database;
  each_constraint(out, [&](const Relation& r, const Constraint& c) {
    if (c.kind == ConstraintKind::kCheck) return;
    std::string schema = out.schema_name(r.schema);
    for (size_t i = 0; i < c.columns.size(); ++i) {
      const Column* column = r.column(c.columns[i]);
      if (column == nullptr) continue;
      std::optional<int> position;
      if (c.kind == ConstraintKind::kForeignKey) {
        auto target = out.state.relation(c.referenced);
        auto index = out.state.relation(c.index);
        if (target && index && index->index) {
          for (size_t k = 0; k < index->index->keys.size(); ++k)
            if (index->index->keys[k].column == c.referenced_columns[i]) position = static_cast<int>(k + 1);
        } else {
          position = static_cast<int>(i + 1);
        }
      }
      out(db, schema, c.name, db, schema, r.name, column->name, static_cast<int>(i + 1), position);
    }
  });
}

const char* action(char a) {
  return a == 'c' ? "CASCADE" : a == 'n' ? "SET NULL" : a == 'd' ? "SET DEFAULT" : a == 'r' ? "RESTRICT" : "NO ACTION";
}
void referential_constraints(Rows& out) {
  const std::string& db = out.context.database;
  each_constraint(out, [&](const Relation& r, const Constraint& c) {
    if (c.kind != ConstraintKind::kForeignKey) return;
    std::optional<std::string> unique_schema, unique_name, unique_db;
    if (auto target = out.state.relation(c.referenced))
      for (auto& u : target->constraints)
        if (u.index == c.index && (u.kind == ConstraintKind::kPrimary || u.kind == ConstraintKind::kUnique))
          unique_db = db, unique_schema = out.schema_name(target->schema), unique_name = u.name;
    out(db, out.schema_name(r.schema), c.name, unique_db, unique_schema, unique_name, c.match == 'f' ? "FULL" : "NONE",
        action(c.on_update), action(c.on_delete));
  });
}

void constraint_column_usage(Rows& out) {
  const std::string& db = out.context.database;
  each_constraint(out, [&](const Relation& r, const Constraint& c) {
    bool foreign = c.kind == ConstraintKind::kForeignKey;
    auto target = foreign ? out.state.relation(c.referenced) : out.state.relation(r.oid);
    if (!target) return;
    for (auto n : foreign ? c.referenced_columns : c.columns)
      if (auto* column = target->column(n))
        out(db, out.schema_name(target->schema), target->name, column->name, db, out.schema_name(r.schema), c.name);
  });
}
void constraint_table_usage(Rows& out) {
  const std::string& db = out.context.database;
  each_constraint(out, [&](const Relation& r, const Constraint& c) {
    if (c.kind == ConstraintKind::kCheck) return;
    auto target = c.kind == ConstraintKind::kForeignKey ? out.state.relation(c.referenced) : out.state.relation(r.oid);
    if (target) out(db, out.schema_name(target->schema), target->name, db, out.schema_name(r.schema), c.name);
  });
}
void check_constraints(Rows& out) {
  const std::string& db = out.context.database;
  each_constraint(out, [&](const Relation& r, const Constraint& c) {
    if (c.kind == ConstraintKind::kCheck) out(db, out.schema_name(r.schema), c.name, c.check_sql);
  });
  out.each<catalog::Type>(ObjectKind::kType, [&](const catalog::Type& t) {
    for (auto& c : t.constraints) out(db, out.schema_name(t.schema), c.name, c.check_sql);
  });
  out.each_relation([&](const Relation& r) {
    if (r.relkind != 'r' && r.relkind != 'p') return;
    for (auto& c : r.columns)
      if (c.not_null && !c.dropped) out(db, out.schema_name(r.schema), not_null_name(r, c), c.name + " IS NOT NULL");
  });
}

void sequences(Rows& out) {
  Viewer viewer(out);
  out.each_relation([&](const Relation& r) {
    if (!r.sequence || r.sequence->identity || !viewer.sees(r)) return;
    auto& s = *r.sequence;
    out(out.context.database, out.schema_name(r.schema), r.name, out.type_name(s.type),
        s.type == oid::kInt2 ? 16 : s.type == oid::kInt4 ? 32 : 64, 2, 0, s.start, s.min, s.max, s.increment, yes_no(s.cycle));
  });
}

void schemata(Rows& out) {
  Viewer viewer(out);
  out.each<catalog::Schema>(ObjectKind::kSchema, [&](const catalog::Schema& s) {
    if (viewer.owns(s)) out(out.context.database, s.name, out.role_name(s.owner), nullptr, nullptr, nullptr, nullptr);
  });
}

void domains(Rows& out) {
  out.each<catalog::Type>(ObjectKind::kType, [&](const catalog::Type& t) {
    if (t.typtype != 'd') return;
    int32_t typmod = t.base_typmod;
    Oid base = base_of(out, t.base, &typmod);
    TypeNames names = type_names(out, base);
    out.begin_named();
    out.set("domain_catalog", out.context.database);
    out.set("domain_schema", out.schema_name(t.schema));
    out.set("domain_name", t.name);
    out.set("data_type", names.data_type);
    set_type_columns(out, base, typmod);
    set_collation(out, base, t.collation);
    out.set("domain_default", text(t.default_sql));
    out.set("udt_catalog", out.context.database);
    out.set("udt_schema", names.schema);
    out.set("udt_name", names.name);
    out.set("dtd_identifier", "1");
    out.finish_named();
  });
}
void domain_constraints(Rows& out) {
  out.each<catalog::Type>(ObjectKind::kType, [&](const catalog::Type& t) {
    if (t.typtype != 'd') return;
    std::string schema = out.schema_name(t.schema);
    for (auto& c : t.constraints)
      out(out.context.database, schema, c.name, out.context.database, schema, t.name, yes_no(c.deferrable), yes_no(c.initially_deferred));
  });
}

void attributes(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (r.relkind != 'c') return;
    for (auto& c : r.columns) {
      if (c.dropped) continue;
      int32_t typmod = c.typmod;
      Oid base = base_of(out, c.type, &typmod);
      TypeNames names = type_names(out, base);
      out.begin_named();
      out.set("udt_catalog", out.context.database);
      out.set("udt_schema", out.schema_name(r.schema));
      out.set("udt_name", r.name);
      out.set("attribute_name", c.name);
      out.set("ordinal_position", static_cast<int>(c.number));
      out.set("is_nullable", yes_no(!c.not_null));
      out.set("data_type", names.data_type);
      set_type_columns(out, base, typmod);
      out.set("attribute_udt_catalog", out.context.database);
      out.set("attribute_udt_schema", names.schema);
      out.set("attribute_udt_name", names.name);
      out.set("dtd_identifier", static_cast<int>(c.number));
      out.set("is_derived_reference_attribute", "NO");
      out.finish_named();
    }
  });
}

void routines(Rows& out) {
  Viewer viewer(out);
  auto row = [&](Oid oid, const std::string& schema, const std::string& name, char kind, Oid result,
                 const std::string& language, const std::string* body, char volatility, bool strict, bool definer) {
    TypeNames names = type_names(out, result);
    const std::string& db = out.context.database;
    std::string specific = fmt::format("{}_{}", name, oid);
    out.begin_named();
    out.set("specific_catalog", db);
    out.set("specific_schema", schema);
    out.set("specific_name", specific);
    out.set("routine_catalog", db);
    out.set("routine_schema", schema);
    out.set("routine_name", name);
    if (kind == 'f') out.set("routine_type", "FUNCTION");
    if (kind == 'p') out.set("routine_type", "PROCEDURE");
    if (kind != 'p') {
      out.set("type_udt_catalog", db);
      out.set("type_udt_schema", names.schema);
      out.set("type_udt_name", names.name);
      out.set("data_type", names.data_type);
      out.set("dtd_identifier", 0);
    }
    bool sql = language == "sql";
    out.set("routine_body", sql ? "SQL" : "EXTERNAL");
    if (body != nullptr) out.set("routine_definition", *body);
    std::string upper = language;
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    out.set("external_language", upper);
    out.set("parameter_style", "GENERAL");
    out.set("is_deterministic", yes_no(volatility == 'i'));
    out.set("sql_data_access", "MODIFIES");
    if (kind != 'p') out.set("is_null_call", yes_no(strict));
    out.set("schema_level_routine", "YES");
    out.set("max_dynamic_result_sets", 0);
    out.set("security_type", definer ? "DEFINER" : "INVOKER");
    out.set("as_locator", "NO");
    out.set("is_udt_dependent", "NO");
    out.finish_named();
  };
  for (const auto& p : builtin::procs())
    row(p.oid, "pg_catalog", p.name, p.kind, p.result, p.language == 14 ? "sql" : "internal", nullptr, p.volatility, p.strict, false);
  out.each<catalog::Function>(ObjectKind::kFunction, [&](const catalog::Function& f) {
    row(f.oid, out.schema_name(f.schema), f.name, f.prokind, f.result, f.language_name, viewer.owns(f) ? &f.source : nullptr,
        f.volatility, f.strict, f.security_definer);
  });
}

void parameters(Rows& out) {
  out.each<catalog::Function>(ObjectKind::kFunction, [&](const catalog::Function& f) {
    auto& types = f.all_args.empty() ? f.args : f.all_args;
    for (size_t i = 0; i < types.size(); ++i) {
      char mode = i < f.arg_modes.size() ? f.arg_modes[i] : 'i';
      TypeNames names = type_names(out, types[i]);
      out.begin_named();
      out.set("specific_catalog", out.context.database);
      out.set("specific_schema", out.schema_name(f.schema));
      out.set("specific_name", fmt::format("{}_{}", f.name, f.oid));
      out.set("ordinal_position", static_cast<int>(i + 1));
      out.set("parameter_mode", mode == 'o' || mode == 't' ? "OUT" : mode == 'b' ? "INOUT" : "IN");
      out.set("is_result", "NO");
      out.set("as_locator", "NO");
      if (i < f.arg_names.size()) out.set("parameter_name", text(f.arg_names[i]));
      out.set("data_type", names.data_type);
      out.set("udt_catalog", out.context.database);
      out.set("udt_schema", names.schema);
      out.set("udt_name", names.name);
      out.set("dtd_identifier", static_cast<int>(i + 1));
      out.finish_named();
    }
  });
}

constexpr std::pair<uint32_t, const char*> kTablePrivileges[] = {
    {catalog::kInsert, "INSERT"}, {catalog::kSelect, "SELECT"}, {catalog::kUpdate, "UPDATE"}, {catalog::kDelete, "DELETE"},
    {catalog::kTruncate, "TRUNCATE"}, {catalog::kReferences, "REFERENCES"}, {catalog::kTriggerPriv, "TRIGGER"}};
constexpr uint32_t kAllOnTables = catalog::kInsert | catalog::kSelect | catalog::kUpdate | catalog::kDelete |
                                  catalog::kTruncate | catalog::kReferences | catalog::kTriggerPriv;

std::vector<catalog::AclItem> acl_or_default(const Relation& r) {
  if (r.acl) return *r.acl;
  return {{r.owner, r.owner, kAllOnTables, kAllOnTables}};
}

// The grants on relations; without PUBLIC's for the role_ forms.
void grants(Rows& out, bool with_public) {
  Viewer viewer(out);
  each_visible(out, [&](const Relation& r) {
    for (auto& a : acl_or_default(r)) {
      if (a.grantee == 0 && !with_public) continue;
      if (!viewer.all && a.grantee != 0 && !viewer.roles.count(a.grantee) && !viewer.roles.count(a.grantor)) continue;
      for (auto [bit, name] : kTablePrivileges)
        if (a.privileges & bit)
          out(out.role_name(a.grantor), a.grantee == 0 ? "PUBLIC" : out.role_name(a.grantee), out.context.database,
              out.schema_name(r.schema), r.name, name, yes_no(a.grant_options & bit || a.grantee == r.owner), yes_no(bit == catalog::kSelect));
    }
  });
}
void table_privileges(Rows& out) { grants(out, true); }
void role_table_grants(Rows& out) { grants(out, false); }

void column_grants(Rows& out, bool with_public) {
  each_visible(out, [&](const Relation& r) {
    for (auto& c : r.columns) {
      if (c.dropped) continue;
      std::vector<catalog::AclItem> items = acl_or_default(r);
      if (c.acl) items.insert(items.end(), c.acl->begin(), c.acl->end());
      for (auto& a : items) {
        if (a.grantee == 0 && !with_public) continue;
        for (auto [bit, name] : kTablePrivileges)
          if (a.privileges & bit & (catalog::kInsert | catalog::kSelect | catalog::kUpdate | catalog::kReferences))
            out(out.role_name(a.grantor), a.grantee == 0 ? "PUBLIC" : out.role_name(a.grantee), out.context.database,
                out.schema_name(r.schema), r.name, c.name, name, yes_no(a.grant_options & bit || a.grantee == r.owner));
      }
    }
  });
}
void column_privileges(Rows& out) { column_grants(out, true); }
void role_column_grants(Rows& out) { column_grants(out, false); }

void character_sets(Rows& out) {
  out(nullptr, nullptr, "UTF8", "UCS", "UTF8", out.context.database, "pg_catalog", "C.UTF-8");
}
void information_schema_catalog_name(Rows& out) { out(out.context.database); }
void enabled_roles(Rows& out) {
  Viewer viewer(out);
  out.each<catalog::Role>(ObjectKind::kRole, [&](const catalog::Role& r) {
    if (viewer.all || viewer.roles.count(r.oid)) out(r.name);
  });
}
void applicable_roles(Rows& out) {
  out.each<catalog::Role>(ObjectKind::kRole, [&](const catalog::Role& r) {
    for (auto& m : r.member_of) out(r.name, out.role_name(m.role), yes_no(m.admin));
  });
}
void collations(Rows& out) {
  for (const auto& f : builtin::rows("pg_collation")) out(out.context.database, "pg_catalog", f[1], "NO PAD");
}

// What views read, by their dependencies.
template <typename F> void each_view_use(Rows& out, F f) {
  out.each_relation([&](const Relation& v) {
    if (v.relkind != 'v') return;
    for (auto& d : out.state.dependencies_of({ObjectKind::kRelation, v.oid, 0})) {
      if (d.referenced.kind != ObjectKind::kRelation) continue;
      if (auto r = out.state.relation(d.referenced.oid)) f(v, *r, d.referenced.sub);
    }
  });
}
void view_table_usage(Rows& out) {
  std::set<std::pair<Oid, Oid>> seen;
  each_view_use(out, [&](const Relation& v, const Relation& r, int) {
    if (!seen.insert({v.oid, r.oid}).second) return;
    out(out.context.database, out.schema_name(v.schema), v.name, out.context.database, out.schema_name(r.schema), r.name);
  });
}
void view_column_usage(Rows& out) {
  each_view_use(out, [&](const Relation& v, const Relation& r, int sub) {
    if (auto* c = sub > 0 ? r.column(static_cast<int16_t>(sub)) : nullptr)
      out(out.context.database, out.schema_name(v.schema), v.name, out.context.database, out.schema_name(r.schema), r.name, c->name);
  });
}

void triggers(Rows& out) {
  const std::string& db = out.context.database;
  out.each<catalog::Trigger>(ObjectKind::kTrigger, [&](const catalog::Trigger& t) {
    auto table = out.state.relation(t.relation);
    if (!table) return;
    auto function = out.state.function(t.function);
    std::string statement = fmt::format("EXECUTE FUNCTION {}()", function ? function->name : "???");
    const char* timing = t.type & 64 ? "INSTEAD OF" : t.type & 2 ? "BEFORE" : "AFTER";
    int order = 1;
    for (auto [bit, event] : {std::pair{4, "INSERT"}, {8, "DELETE"}, {16, "UPDATE"}})
      if (t.type & bit)
        out(db, out.schema_name(table->schema), t.name, event, db, out.schema_name(table->schema), table->name, order,
            text(t.when_sql), statement, t.type & 1 ? "ROW" : "STATEMENT", timing, text(t.old_table), text(t.new_table),
            nullptr, nullptr, nullptr);
  });
}

void user_defined_types(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (r.relkind != 'c') return;
    out.begin_named();
    out.set("user_defined_type_catalog", out.context.database);
    out.set("user_defined_type_schema", out.schema_name(r.schema));
    out.set("user_defined_type_name", r.name);
    out.set("user_defined_type_category", "STRUCTURED");
    out.set("is_instantiable", "YES");
    out.finish_named();
  });
}

}  // namespace

Producer information_schema_producer(std::string_view name) {
  static const std::unordered_map<std::string_view, Producer> kProducers = {
#define P(f) {#f, f}
      P(columns), P(tables), P(views), P(table_constraints), P(key_column_usage), P(referential_constraints),
      P(constraint_column_usage), P(constraint_table_usage), P(check_constraints), P(sequences), P(schemata), P(domains),
      P(domain_constraints), P(attributes), P(routines), P(parameters), P(table_privileges), P(role_table_grants),
      P(column_privileges), P(role_column_grants), P(character_sets), P(information_schema_catalog_name), P(enabled_roles),
      P(applicable_roles), P(collations), P(view_table_usage), P(view_column_usage), P(triggers), P(user_defined_types)
#undef P
  };
  auto it = kProducers.find(name);
  return it == kProducers.end() ? nullptr : it->second;
}

}  // namespace stele::sql::system_catalogs

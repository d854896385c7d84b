// has_*_privilege, pg_has_role, *_is_visible, aclexplode and acldefault.
#include "sql/functions/host.h"
#include "sql/system_catalogs/system_catalogs.h"
#include "types/array.h"

namespace stele::sql {

using catalog::ObjectKind;
using catalog::State;

bool is_superuser(Oid role, const State& state) {
  auto r = state.get_as<catalog::Role>(ObjectKind::kRole, role);
  return r && r->superuser;
}
bool is_member(Oid role, Oid of, const State& state, bool superusers) {
  if (role == of) return true;
  if (superusers && is_superuser(role, state)) return true;
  std::set<Oid> seen{role};
  std::vector<Oid> todo{role};
  while (!todo.empty()) {
    auto r = state.get_as<catalog::Role>(ObjectKind::kRole, todo.back());
    todo.pop_back();
    if (!r) continue;
    for (auto& m : r->member_of) {
      if (m.role == of) return true;
      if (seen.insert(m.role).second) todo.push_back(m.role);
    }
  }
  return false;
}
uint32_t privileges_of(Oid role, const catalog::Object& object, const std::optional<std::vector<catalog::AclItem>>& acl,
                       uint32_t owner_default, uint32_t public_default, const State& state) {
  if (is_superuser(role, state)) return ~0u;
  uint32_t out = 0;
  bool owner = is_member(role, object.owner, state, false);
  if (!acl) return (owner ? owner_default : 0) | public_default;
  for (auto& a : *acl)
    if (a.grantee == 0 || is_member(role, a.grantee, state, false)) out |= a.privileges;
  return out;
}

namespace {

constexpr uint32_t kTableAll = catalog::kInsert | catalog::kSelect | catalog::kUpdate | catalog::kDelete | catalog::kTruncate |
                               catalog::kReferences | catalog::kTriggerPriv;
struct Named { const char* name; uint32_t bit; };
constexpr Named kNames[] = {{"SELECT", catalog::kSelect}, {"INSERT", catalog::kInsert}, {"UPDATE", catalog::kUpdate},
                            {"DELETE", catalog::kDelete}, {"TRUNCATE", catalog::kTruncate}, {"REFERENCES", catalog::kReferences},
                            {"TRIGGER", catalog::kTriggerPriv}, {"EXECUTE", catalog::kExecute}, {"USAGE", catalog::kUsage},
                            {"CREATE", catalog::kCreate}, {"TEMP", catalog::kTemp}, {"TEMPORARY", catalog::kTemp},
                            {"CONNECT", catalog::kConnect}, {"SET", catalog::kSetPriv}};

std::string upper_trimmed(std::string_view s) {
  size_t a = s.find_first_not_of(" \t"), b = s.find_last_not_of(" \t");
  std::string out(a == s.npos ? "" : s.substr(a, b - a + 1));
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// One check a comma-separated item; any suffices.
template <typename F> bool any_privilege(std::string_view list, uint32_t allowed, F holds) {
  bool result = false;
  for (size_t at = 0; at <= list.size();) {
    size_t comma = std::min(list.find(',', at), list.size());
    std::string item = upper_trimmed(list.substr(at, comma - at));
    bool grant = item.ends_with(" WITH GRANT OPTION");
    if (grant) item = item.substr(0, item.size() - 18);
    uint32_t bit = 0;
    for (auto& n : kNames)
      if (item == n.name) bit = n.bit;
    if (bit == 0 || !(bit & allowed))
      throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unrecognized privilege type: \"{}\"", std::string(list.substr(at, comma - at))));
    result |= holds(bit, grant);
    at = comma + 1;
  }
  return result;
}

Oid role_of(FnCall& c, int i, const State& state) {
  if (c.arg_types[i] == oid::kOid) return c.arg(i).as_oid();
  std::string_view name = c.text_arg(i);
  if (name == "public") return 0;
  Oid found = 0;
  state.for_each(ObjectKind::kRole, [&](const catalog::Ptr<catalog::Object>& o) {
    if (o->name == name) found = o->oid;
  });
  if (found == 0) throw Error(ErrorCode::kUndefinedObject, fmt::format("role \"{}\" does not exist", name));
  return found;
}

enum class What { kTable, kSequence, kColumn, kAnyColumn, kSchema, kDatabase, kFunction, kType, kLanguage, kTablespace, kParameter };

bool with_grant(Oid role, const std::optional<std::vector<catalog::AclItem>>& acl, const catalog::Object& object, uint32_t bit, const State& state) {
  if (is_member(role, object.owner, state)) return true;
  if (acl)
    for (auto& a : *acl)
      if (a.grant_options & bit && is_member(role, a.grantee, state, false)) return true;
  return false;
}

template <What what> Datum has_privilege(FnCall& c) {
  UtilityHost& host = host_of(c);
  CatalogView& view = host.view();
  const State& state = *view.state();
  const int object_args = what == What::kColumn ? 2 : 1;
  int at = c.nargs == object_args + 2 ? 1 : 0;
  Oid role = at == 1 ? role_of(c, 0, state) : host.current_user();
  std::string_view list = c.text_arg(c.nargs - 1);
  bool by_oid = c.arg_types[at] == oid::kOid;
  auto answer = [&](const catalog::Object& o, uint32_t owner_default, uint32_t public_default, uint32_t allowed,
                    uint32_t extra = 0) {
    uint32_t held = role == 0 && false ? 0 : privileges_of(role, o, o.acl, owner_default, public_default, state) | extra;
    return Datum::from_bool(any_privilege(list, allowed, [&](uint32_t bit, bool grant) {
      return grant ? with_grant(role, o.acl, o, bit, state) : (held & bit) != 0;
    }));
  };
  if constexpr (what == What::kTable || what == What::kSequence || what == What::kColumn || what == What::kAnyColumn) {
    auto r = by_oid ? view.relation(c.arg(at).as_oid()) : relation_named(c, c.text_arg(at));
    if (!r) return c.null();
    if (what == What::kSequence && r->relkind != 'S')
      throw Error(ErrorCode::kWrongObjectType, fmt::format("\"{}\" is not a sequence", r->name));
    uint32_t defaults = r->relkind == 'S' ? catalog::kSelect | catalog::kUpdate | catalog::kUsage : kTableAll;
    uint32_t extra = 0;
    auto add = [&](const catalog::Column& column) {
      if (column.acl)
        for (auto& a : *column.acl)
          if (a.grantee == 0 || is_member(role, a.grantee, state, false)) extra |= a.privileges;
    };
    if constexpr (what == What::kColumn) {
      const catalog::Column* column = c.arg_types[at + 1] == oid::kInt2 ? r->column(static_cast<int16_t>(c.int_arg(at + 1))) : r->column(c.text_arg(at + 1));
      if (column == nullptr) {
        if (c.arg_types[at + 1] == oid::kInt2) return c.null();
        throw Error(ErrorCode::kUndefinedColumn, fmt::format("column \"{}\" of relation \"{}\" does not exist", c.text_arg(at + 1), r->name));
      }
      add(*column);
    }
    if constexpr (what == What::kAnyColumn)
      for (auto& column : r->columns) add(column);
    uint32_t allowed = what == What::kSequence ? catalog::kSelect | catalog::kUpdate | catalog::kUsage
                     : what == What::kTable ? kTableAll : catalog::kSelect | catalog::kInsert | catalog::kUpdate | catalog::kReferences;
    return answer(*r, defaults, 0, allowed, extra);
  } else if constexpr (what == What::kSchema) {
    Oid oid = by_oid ? c.arg(at).as_oid() : view.schema(c.text_arg(at));
    auto s = state.get(ObjectKind::kSchema, oid);
    if (!s) {
      if (oid == catalog::kPgCatalog || oid == catalog::kInformationSchema)
        return Datum::from_bool(any_privilege(list, catalog::kUsage | catalog::kCreate, [&](uint32_t bit, bool) {
          return bit == catalog::kUsage || is_superuser(role, state);
        }));
      if (by_oid) return c.null();
      throw Error(ErrorCode::kInvalidSchemaName, fmt::format("schema \"{}\" does not exist", c.text_arg(at)));
    }
    uint32_t everyone = oid == catalog::kPublic || oid == catalog::kPgCatalog || oid == catalog::kInformationSchema ? static_cast<uint32_t>(catalog::kUsage) : 0;
    return answer(*s, catalog::kUsage | catalog::kCreate, s->acl ? 0 : everyone, catalog::kUsage | catalog::kCreate);
  } else if constexpr (what == What::kDatabase) {
    catalog::Ptr<catalog::Object> found;
    state.for_each(ObjectKind::kDatabase, [&](const catalog::Ptr<catalog::Object>& o) {
      if (by_oid ? o->oid == c.arg(at).as_oid() : o->name == c.text_arg(at)) found = o;
    });
    if (!found) {
      if (by_oid) return c.null();
      throw Error(ErrorCode::kInvalidCatalogName, fmt::format("database \"{}\" does not exist", c.text_arg(at)));
    }
    uint32_t all = catalog::kCreate | catalog::kTemp | catalog::kConnect;
    return answer(*found, all, catalog::kTemp | catalog::kConnect, all);
  } else if constexpr (what == What::kFunction) {
    Oid oid = by_oid ? c.arg(at).as_oid() : c.context->catalog->find(oid::kRegprocedure, c.text_arg(at));
    auto f = state.function(oid);
    if (!f) {
      if (view.proc(oid) == nullptr) return c.null();
      return Datum::from_bool(any_privilege(list, catalog::kExecute, [](uint32_t, bool) { return true; }));
    }
    return answer(*f, catalog::kExecute, catalog::kExecute, catalog::kExecute);
  } else if constexpr (what == What::kType) {
    Oid oid = by_oid ? c.arg(at).as_oid() : c.context->catalog->find(oid::kRegtype, c.text_arg(at));
    auto t = state.type(oid);
    if (!t) {
      if (view.find_type(oid) == nullptr) return c.null();
      return Datum::from_bool(any_privilege(list, catalog::kUsage, [](uint32_t, bool) { return true; }));
    }
    return answer(*t, catalog::kUsage, catalog::kUsage, catalog::kUsage);
  } else {
    return Datum::from_bool(any_privilege(list, catalog::kUsage | catalog::kCreate | catalog::kSetPriv, [&](uint32_t bit, bool) {
      return bit == catalog::kUsage || is_superuser(role, state);
    }));
  }
}

Datum has_role(FnCall& c) {
  UtilityHost& host = host_of(c);
  const State& state = *host.view().state();
  int at = c.nargs == 3 ? 1 : 0;
  Oid role = at ? role_of(c, 0, state) : host.current_user();
  Oid of = role_of(c, at, state);
  std::string what = upper_trimmed(c.text_arg(c.nargs - 1));
  if (what != "USAGE" && what != "MEMBER" && what != "MEMBER WITH GRANT OPTION" && what != "MEMBER WITH ADMIN OPTION" &&
      what != "USAGE WITH GRANT OPTION" && what != "USAGE WITH ADMIN OPTION")
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unrecognized privilege type: \"{}\"", c.text_arg(c.nargs - 1)));
  return Datum::from_bool(is_member(role, of, state));
}

Datum table_visible(FnCall& c) {
  auto r = host_of(c).view().relation(c.arg(0).as_oid());
  return r ? Datum::from_bool(host_of(c).view().relation_visible(*r)) : c.null();
}
Datum type_visible(FnCall& c) {
  CatalogView& v = host_of(c).view();
  return v.find_type(c.arg(0).as_oid()) ? Datum::from_bool(v.type_visible(c.arg(0).as_oid())) : c.null();
}
Datum function_visible(FnCall& c) {
  CatalogView& v = host_of(c).view();
  return v.proc(c.arg(0).as_oid()) ? Datum::from_bool(v.proc_visible(c.arg(0).as_oid())) : c.null();
}
Datum operator_visible(FnCall& c) {
  CatalogView& v = host_of(c).view();
  return v.oper(c.arg(0).as_oid()) ? Datum::from_bool(v.operator_visible(c.arg(0).as_oid())) : c.null();
}
Datum always_visible(FnCall&) { return Datum::from_bool(true); }

// aclexplode(aclitem[]) -> (grantor oid, grantee oid, privilege_type text, is_grantable bool)
class AclRows final : public SetRows {
 public:
  explicit AclRows(FnCall& c) {
    const State& state = *host_of(c).view().state();
    static constexpr std::pair<char, const char*> kLetters[] = {
        {'a', "INSERT"}, {'r', "SELECT"}, {'w', "UPDATE"}, {'d', "DELETE"}, {'D', "TRUNCATE"}, {'x', "REFERENCES"}, {'t', "TRIGGER"},
        {'X', "EXECUTE"}, {'U', "USAGE"}, {'C', "CREATE"}, {'T', "TEMPORARY"}, {'c', "CONNECT"}, {'s', "SET"}};
    auto role = [&](std::string_view name) {
      Oid found = 0;
      state.for_each(ObjectKind::kRole, [&](const catalog::Ptr<catalog::Object>& o) {
        if (o->name == name) found = o->oid;
      });
      return found;
    };
    ArrayView items(c.arg(0));
    for (int i = 0; i < items.count(); ++i) {
      if (items.is_null(i)) continue;
      std::string_view text = items.get(i).as_view();
      size_t eq = text.find('='), slash = text.rfind('/');
      Oid grantee = eq == 0 ? 0 : role(text.substr(0, eq)), grantor = slash == text.npos ? 0 : role(text.substr(slash + 1));
      std::string_view letters = text.substr(eq + 1, slash == text.npos ? text.npos : slash - eq - 1);
      for (size_t k = 0; k < letters.size(); ++k)
        for (auto [letter, name] : kLetters)
          if (letters[k] == letter) rows_.push_back({grantor, grantee, name, k + 1 < letters.size() && letters[k + 1] == '*'});
    }
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ == rows_.size()) return false;
    auto& r = rows_[at_++];
    out[0] = Datum::from_oid(r.grantor);
    out[1] = Datum::from_oid(r.grantee);
    out[2] = c.text(r.privilege);
    out[3] = Datum::from_bool(r.grantable);
    for (int i = 0; i < 4; ++i) nulls[i] = false;
    return true;
  }

 private:
  struct Row { Oid grantor, grantee; const char* privilege; bool grantable; };
  std::vector<Row> rows_;
  size_t at_ = 0;
};
std::unique_ptr<SetRows> aclexplode(FnCall& c) { return std::make_unique<AclRows>(c); }

Datum acldefault(FnCall& c) {
  const State& state = *host_of(c).view().state();
  Oid owner = c.arg(1).as_oid();
  uint32_t mine = 0, everyone = 0;
  switch (static_cast<char>(c.int_arg(0))) {
    case 'c': break;
    case 'r': mine = kTableAll; break;
    case 's': mine = catalog::kSelect | catalog::kUpdate | catalog::kUsage; break;
    case 'd': mine = catalog::kCreate | catalog::kTemp | catalog::kConnect; everyone = catalog::kTemp | catalog::kConnect; break;
    case 'f': mine = everyone = catalog::kExecute; break;
    case 'l': case 'T': mine = everyone = catalog::kUsage; break;
    case 'n': mine = catalog::kUsage | catalog::kCreate; break;
    case 't': mine = catalog::kCreate; break;
    default: throw Error(ErrorCode::kInternalError, fmt::format("unrecognized objtype abbreviation: {}", static_cast<char>(c.int_arg(0))));
  }
  ArrayBuilder b(element_info(oid::kAclitem, nullptr));
  if (everyone) b.add(make_bytes(*c.arena, system_catalogs::acl_item_text({0, owner, everyone, 0}, state)));
  if (mine) b.add(make_bytes(*c.arena, system_catalogs::acl_item_text({owner, owner, mine, 0}, state)));
  return b.finish(*c.arena);
}

template <What what> void add_family(FunctionRegistry& r, const std::string& name) {
  for (const char* suffix : {"_name_name", "_name_id", "_id_name", "_id_id", "_name", "_id"})
    r.add(keep_name(name + suffix), has_privilege<what>);
}

}  // namespace

void register_privilege_functions(FunctionRegistry& r) {
  add_family<What::kTable>(r, "has_table_privilege");
  add_family<What::kSequence>(r, "has_sequence_privilege");
  add_family<What::kAnyColumn>(r, "has_any_column_privilege");
  add_family<What::kSchema>(r, "has_schema_privilege");
  add_family<What::kDatabase>(r, "has_database_privilege");
  add_family<What::kFunction>(r, "has_function_privilege");
  add_family<What::kType>(r, "has_type_privilege");
  add_family<What::kLanguage>(r, "has_language_privilege");
  add_family<What::kTablespace>(r, "has_tablespace_privilege");
  add_family<What::kLanguage>(r, "has_foreign_data_wrapper_privilege");
  add_family<What::kLanguage>(r, "has_server_privilege");
  add_family<What::kParameter>(r, "has_parameter_privilege");
  for (const char* s : {"_name_name_name", "_name_name_attnum", "_name_id_name", "_name_id_attnum", "_id_name_name", "_id_name_attnum",
                        "_id_id_name", "_id_id_attnum", "_name_name", "_name_attnum", "_id_name", "_id_attnum"})
    r.add(keep_name(std::string("has_column_privilege") + s), has_privilege<What::kColumn>);
  for (const char* s : {"_name_name", "_name_id", "_id_name", "_id_id", "_name", "_id"}) r.add(keep_name(std::string("pg_has_role") + s), has_role);
  r.add("pg_table_is_visible", table_visible);
  r.add("pg_type_is_visible", type_visible);
  r.add("pg_function_is_visible", function_visible);
  r.add("pg_operator_is_visible", operator_visible);
  for (const char* n : {"pg_opclass_is_visible", "pg_opfamily_is_visible", "pg_conversion_is_visible", "pg_statistics_obj_is_visible",
                        "pg_ts_parser_is_visible", "pg_ts_dict_is_visible", "pg_ts_config_is_visible", "pg_ts_template_is_visible", "pg_collation_is_visible"})
    r.add(n, always_visible);
  r.add_set("aclexplode", aclexplode);
  r.add("acldefault_sql", acldefault);
}

}  // namespace stele::sql

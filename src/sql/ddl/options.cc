// Storage parameters: which a kind of relation has, and their ranges. Doors' own (redis_*, search options ...) pass.
#include "sql/ddl/ddl.h"

namespace stele::sql {

namespace {
struct Number { const char* name; double low, high; bool whole; };
const Number* number_option(std::string_view name, std::string_view kind) {
  static const Number kHeap[] = {{"fillfactor", 10, 100, true}, {"toast_tuple_target", 128, 8160, true}, {"parallel_workers", 0, 1024, true},
    {"autovacuum_vacuum_threshold", 0, INT32_MAX, true}, {"autovacuum_vacuum_insert_threshold", -1, INT32_MAX, true}, {"autovacuum_analyze_threshold", 0, INT32_MAX, true},
    {"autovacuum_vacuum_cost_limit", 1, 10000, true}, {"autovacuum_freeze_min_age", 0, 1000000000, true}, {"autovacuum_freeze_max_age", 100000, 2000000000, true},
    {"autovacuum_freeze_table_age", 0, 2000000000, true}, {"autovacuum_multixact_freeze_min_age", 0, 1000000000, true}, {"autovacuum_multixact_freeze_max_age", 10000, 2000000000, true},
    {"autovacuum_multixact_freeze_table_age", 0, 2000000000, true}, {"log_autovacuum_min_duration", -1, INT32_MAX, true},
    {"autovacuum_vacuum_cost_delay", 0, 100, false}, {"autovacuum_vacuum_scale_factor", 0, 100, false}, {"autovacuum_vacuum_insert_scale_factor", 0, 100, false},
    {"autovacuum_analyze_scale_factor", 0, 100, false}};
  static const Number kFill[] = {{"fillfactor", 10, 100, true}};
  static const Number kGin[] = {{"gin_pending_list_limit", 64, INT32_MAX, true}};
  static const Number kBrin[] = {{"pages_per_range", 1, 131072, true}};
  auto find = [&](const auto& list) -> const Number* {
    for (const Number& n : list)
      if (name == n.name) return &n;
    return nullptr;
  };
  if (kind == "table") return find(kHeap);
  if (kind == "btree" || kind == "hash" || kind == "gist" || kind == "spgist") return find(kFill);
  if (kind == "gin") return find(kGin);
  if (kind == "brin") return find(kBrin);
  static const Number kSpace[] = {{"seq_page_cost", 0, 1e10, false}, {"random_page_cost", 0, 1e10, false}, {"effective_io_concurrency", 0, 1000, true}, {"maintenance_io_concurrency", 0, 1000, true}};
  if (kind == "tablespace") return find(kSpace);
  return nullptr;
}
bool bool_option(std::string_view name, std::string_view kind) {
  if (kind == "table") return name == "autovacuum_enabled" || name == "user_catalog_table" || name == "vacuum_truncate";
  if (kind == "btree") return name == "deduplicate_items";
  if (kind == "gin") return name == "fastupdate";
  if (kind == "brin") return name == "autosummarize";
  if (kind == "view") return name == "security_barrier" || name == "security_invoker";
  return false;
}
}  // namespace

// kind: "table", "view", or an index method of PostgreSQL's.
void Ddl::check_options(std::map<std::string, std::string>& options, const std::string& kind) {
  static const std::set<std::string> kKinds = {"table", "view", "btree", "hash", "gist", "spgist", "gin", "brin", "tablespace"};
  if (!kKinds.contains(kind)) return;
  if (auto it = options.find("oids"); it != options.end() && kind == "table") {
    const auto on = parse_bool_setting(it->second);
    if (!on) fail(ErrorCode::kSyntaxError, "oids requires a Boolean value");
    if (*on) fail(ErrorCode::kFeatureNotSupported, "tables declared WITH OIDS are not supported");
    options.erase(it);
  }
  for (auto& [name, value] : options) {
    if (kind == "table" && name.starts_with("redis_")) continue;
    std::string bare = name;
    if (const size_t dot = name.find('.'); dot != std::string::npos) {
      const std::string space = name.substr(0, dot);
      if (kind != "table" || space != "toast") fail(ErrorCode::kInvalidParameterValue, "unrecognized parameter namespace \"" + space + "\"");
      bare = name.substr(dot + 1);
    }
    if (const Number* n = number_option(bare, kind)) {
      char* end = nullptr;
      const double v = n->whole ? static_cast<double>(std::strtoll(value.c_str(), &end, 10)) : std::strtod(value.c_str(), &end);
      if (value.empty() || *end != 0)
        fail(ErrorCode::kInvalidParameterValue, std::string("invalid value for ") + (n->whole ? "integer" : "floating point") + " option \"" + bare + "\": " + value);
      if (v < n->low || v > n->high)
        fail(ErrorCode::kInvalidParameterValue, "value " + value + " out of bounds for option \"" + bare + "\"", -1,
             n->whole ? fmt::format("Valid values are between \"{:.0f}\" and \"{:.0f}\".", n->low, n->high) : fmt::format("Valid values are between \"{:f}\" and \"{:f}\".", n->low, n->high));
      continue;
    }
    if (bool_option(bare, kind)) {
      if (!parse_bool_setting(value)) fail(ErrorCode::kInvalidParameterValue, "invalid value for boolean option \"" + bare + "\": " + value);
      continue;
    }
    if (kind == "table" && bare == "vacuum_index_cleanup") {
      if (value != "auto" && !parse_bool_setting(value)) fail(ErrorCode::kInvalidParameterValue, "invalid value for enum option \"" + bare + "\": " + value, -1, "Valid values are \"on\", \"off\", and \"auto\".");
      continue;
    }
    if (kind == "view" && bare == "check_option") {
      if (value != "local" && value != "cascaded") fail(ErrorCode::kInvalidParameterValue, "invalid value for enum option \"check_option\": " + value, -1, "Valid values are \"local\" and \"cascaded\".");
      continue;
    }
    if (kind == "gist" && bare == "buffering") {
      if (value != "on" && value != "off" && value != "auto") fail(ErrorCode::kInvalidParameterValue, "invalid value for enum option \"buffering\": " + value, -1, "Valid values are \"on\", \"off\", and \"auto\".");
      continue;
    }
    fail(ErrorCode::kInvalidParameterValue, "unrecognized parameter \"" + bare + "\"");
  }
}

void Ddl::check_tablespace(const char* name) {
  if (!pg::has(name)) return;
  auto e = entry(ObjectKind::kTablespace, {{name}, {}});
  if (e->name == "pg_global") fail(ErrorCode::kInvalidParameterValue, "only shared relations can be placed in pg_global tablespace");
  if (e->oid >= oid::kFirstUserOid && !has_privilege(e->acl, e->owner, host.current_user(), catalog::kCreate, 0))
    fail(ErrorCode::kInsufficientPrivilege, "permission denied for tablespace " + e->name);
}
// Everything is stored in one way; that a relation was put somewhere is remembered.
void Ddl::set_tablespace(Relation& r, const char* name) {
  check_tablespace(name);
  if (!pg::has(name)) return;
  const Oid oid = entry(ObjectKind::kTablespace, {{name}, {}})->oid;
  if (oid == 1663) r.extra.erase("tablespace");
  else r.extra["tablespace"] = std::to_string(oid);
}
void Ddl::check_table_method(const char* name) {
  if (!pg::has(name) || std::string_view(name) == "heap") return;
  auto e = find_entry(ObjectKind::kAccessMethod, {{name}, {}});
  if (e == nullptr) fail(ErrorCode::kUndefinedObject, std::string("access method \"") + name + "\" does not exist");
  if (e->fact("type") != "t") fail(ErrorCode::kObjectNotInPrerequisiteState, std::string("access method \"") + name + "\" is not of type TABLE");
}

}  // namespace stele::sql

#include "types/builtin.h"

#include "base/error.h"
#include "types/oids.h"

// The facts are compiled in as they are: cmake/layers.cmake tells the assembler where builtin/ is.
#define STELE_EMBED(symbol, file)                                    \
  asm(".section .rodata\n"                                           \
      ".global stele_embed_" #symbol "\n"                            \
      ".global stele_embed_" #symbol "_end\n"                        \
      "stele_embed_" #symbol ":\n"                                   \
      ".incbin \"" file "\"\n"                                       \
      "stele_embed_" #symbol "_end:\n"                               \
      ".byte 0\n"                                                    \
      ".text\n");                                                    \
  extern "C" const char stele_embed_##symbol[];                      \
  extern "C" const char stele_embed_##symbol##_end[];

#define STELE_TABLES(X)                                                                     \
  X(pg_aggregate) X(pg_am) X(pg_amop) X(pg_amproc) X(pg_cast) X(pg_collation) X(pg_keywords) X(pg_language) \
  X(pg_opclass) X(pg_operator) X(pg_opfamily) X(pg_proc) X(pg_proc_sql) X(pg_range)          \
  X(pg_settings) X(pg_ts_config) X(pg_ts_dict) X(pg_type) X(system_columns) X(information_schema_columns) X(stele_types)   \
  X(stele_procs) X(stele_operators) X(stele_casts) X(stele_aggregates) X(stele_opclasses)   \
  X(stele_opfamilies) X(stele_amops) X(stele_ams)

#define X(name) STELE_EMBED(name, #name ".tsv")
STELE_TABLES(X)
#undef X

namespace stele {
namespace {

std::string_view embedded(std::string_view table) {
#define X(name)       \
  if (table == #name) \
    return {stele_embed_##name, static_cast<size_t>(stele_embed_##name##_end - stele_embed_##name)};
  STELE_TABLES(X)
#undef X
  throw Error(ErrorCode::kInternalError, "no built-in table \"" + std::string(table) + "\"");
}

// A field of COPY's text format. \N stays as it is: the readers below know it as NULL.
std::string unescape(std::string_view raw) {
  if (raw == "\\N" || raw.find('\\') == std::string_view::npos) return std::string(raw);
  std::string out;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      out.push_back(raw[i]);
      continue;
    }
    char c = raw[++i];
    out.push_back(c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c);
  }
  return out;
}

// Calls fn(fields) for each line; fields are raw.
template <typename F>
void each_line(std::string_view table, F fn) {
  std::string_view in = embedded(table);
  std::vector<std::string_view> fields;
  while (!in.empty()) {
    size_t nl = in.find('\n');
    std::string_view line = in.substr(0, nl);
    in.remove_prefix(nl == std::string_view::npos ? in.size() : nl + 1);
    if (line.empty()) continue;
    fields.clear();
    for (;;) {
      size_t tab = line.find('\t');
      fields.push_back(line.substr(0, tab));
      if (tab == std::string_view::npos) break;
      line.remove_prefix(tab + 1);
    }
    fn(fields);
  }
}

int64_t to_int(std::string_view s) {
  int64_t v = 0;
  bool negative = !s.empty() && s[0] == '-';
  for (char c : s.substr(negative))
    if (c >= '0' && c <= '9') v = v * 10 + (c - '0');
  return negative ? -v : v;
}
Oid to_oid(std::string_view s) { return static_cast<Oid>(to_int(s)); }
bool to_bool(std::string_view s) { return s == "t"; }
char to_char(std::string_view s) { return s.empty() ? '\0' : s[0]; }

// "{a,b}" of simple words; "" is an empty one.
std::vector<std::string> words(std::string_view s) {
  std::vector<std::string> out;
  if (s.size() < 2 || s == "\\N") return out;
  s = s.substr(1, s.size() - 2);
  if (s.empty()) return out;
  for (;;) {
    size_t comma = s.find(',');
    std::string_view w = s.substr(0, comma);
    if (w.size() >= 2 && w.front() == '"') w = w.substr(1, w.size() - 2);
    out.emplace_back(w);
    if (comma == std::string_view::npos) return out;
    s.remove_prefix(comma + 1);
  }
}

template <typename T>
struct Table {
  std::vector<T> rows;
  std::unordered_map<Oid, const T*> by_oid;
  std::unordered_map<std::string_view, std::vector<const T*>> by_name;

  void index(Oid (*key)(const T&)) {
    by_oid.reserve(rows.size());
    for (const T& r : rows) by_oid.emplace(key(r), &r);
  }
  void index_names() {
    for (const T& r : rows) by_name[r.name].push_back(&r);
  }
  const T* find(Oid oid) const {
    auto it = by_oid.find(oid);
    return it == by_oid.end() ? nullptr : it->second;
  }
  std::span<const T* const> named(std::string_view name) const {
    auto it = by_name.find(name);
    if (it == by_name.end()) return {};
    return it->second;
  }
};

const Table<BuiltinType>& type_table() {
  static const auto* table = [] {
    auto* t = new Table<BuiltinType>;
    auto add = [&](const std::vector<std::string_view>& f) {
      BuiltinType r;
      r.oid = to_oid(f[0]);
      r.name = unescape(f[1]);
      r.len = static_cast<int16_t>(to_int(f[2]));
      r.by_value = to_bool(f[3]);
      r.kind = to_char(f[4]);
      r.category = to_char(f[5]);
      r.preferred = to_bool(f[6]);
      r.delimiter = to_char(f[7]);
      r.element = to_oid(f[8]);
      r.array = to_oid(f[9]);
      r.input = f[10];
      r.output = f[11];
      r.receive = f[12];
      r.send = f[13];
      r.modin = f[14];
      r.modout = f[15];
      r.align = to_char(f[16]);
      r.storage = to_char(f[17]);
      r.collation = to_oid(f[18]);
      r.subscript = f[19];
      t->rows.push_back(std::move(r));
    };
    each_line("pg_type", add);
    each_line("stele_types", add);
    t->index([](const BuiltinType& r) { return r.oid; });
    t->index_names();
    return t;
  }();
  return *table;
}

const Table<BuiltinProc>& proc_table() {
  static const auto* table = [] {
    auto* t = new Table<BuiltinProc>;
    t->rows.reserve(3300);
    auto add = [&](const std::vector<std::string_view>& f) {
      BuiltinProc r;
      r.oid = to_oid(f[0]);
      r.name = f[1];
      r.language = to_oid(f[2]);
      r.kind = to_char(f[3]);
      r.strict = to_bool(f[6]);
      r.returns_set = to_bool(f[7]);
      r.volatility = to_char(f[8]);
      r.parallel = to_char(f[9]);
      r.n_defaults = static_cast<int>(to_int(f[10]));
      r.result = to_oid(f[11]);
      for (std::string_view a = f[12]; !a.empty();) {
        size_t space = a.find(' ');
        r.args.push_back(to_oid(a.substr(0, space)));
        a.remove_prefix(space == std::string_view::npos ? a.size() : space + 1);
      }
      for (const std::string& w : words(f[13])) r.all_args.push_back(to_oid(w));
      for (const std::string& w : words(f[14])) r.arg_modes.push_back(to_char(w));
      r.arg_names = words(f[15]);
      r.variadic = to_oid(f[16]);
      r.cost = static_cast<double>(to_int(f[18]));
      r.rows = static_cast<double>(to_int(f[19]));
      r.source = unescape(f[20]);
      if (f[21] != "\\N") r.defaults = unescape(f[21]);
      // PostgreSQL writes the bodies of these in SQL; here they are native, under a key of their own.
      if (r.language == 14) {
        r.source = "sql:" + r.name + "/";
        for (size_t i = 0; i < r.args.size(); ++i) {
          const BuiltinType* type = type_table().find(r.args[i]);
          if (i > 0) r.source += ',';
          r.source += type != nullptr ? type->name : std::to_string(r.args[i]);
        }
      }
      t->rows.push_back(std::move(r));
    };
    each_line("pg_proc", add);
    each_line("pg_proc_sql", add);
    each_line("stele_procs", add);
    t->index([](const BuiltinProc& r) { return r.oid; });
    t->index_names();
    return t;
  }();
  return *table;
}

const Table<BuiltinOperator>& operator_table() {
  static const auto* table = [] {
    auto* t = new Table<BuiltinOperator>;
    auto add = [&](const std::vector<std::string_view>& f) {
      BuiltinOperator r;
      r.oid = to_oid(f[0]);
      r.name = unescape(f[1]);
      r.kind = to_char(f[2]);
      r.can_merge = to_bool(f[3]);
      r.can_hash = to_bool(f[4]);
      r.left = to_oid(f[5]);
      r.right = to_oid(f[6]);
      r.result = to_oid(f[7]);
      r.commutator = to_oid(f[8]);
      r.negator = to_oid(f[9]);
      r.proc = to_oid(f[10]);
      r.restrict_estimator = f[11];
      r.join_estimator = f[12];
      t->rows.push_back(std::move(r));
    };
    each_line("pg_operator", add);
    each_line("stele_operators", add);
    t->index([](const BuiltinOperator& r) { return r.oid; });
    t->index_names();
    return t;
  }();
  return *table;
}

const std::vector<BuiltinCast>& cast_table() {
  static const auto* table = [] {
    auto* t = new std::vector<BuiltinCast>;
    auto add = [&](const std::vector<std::string_view>& f) {
      t->push_back({to_oid(f[0]), to_oid(f[1]), to_oid(f[2]), to_oid(f[3]), to_char(f[4]), to_char(f[5])});
    };
    each_line("pg_cast", add);
    each_line("stele_casts", add);
    return t;
  }();
  return *table;
}

const Table<BuiltinAggregate>& aggregate_table() {
  static const auto* table = [] {
    auto* t = new Table<BuiltinAggregate>;
    auto add = [&](const std::vector<std::string_view>& f) {
      BuiltinAggregate r;
      r.proc = to_oid(f[0]);
      r.kind = to_char(f[1]);
      r.n_direct = static_cast<int>(to_int(f[2]));
      r.transition = to_oid(f[3]);
      r.final = to_oid(f[4]);
      r.combine = to_oid(f[5]);
      r.final_extra = to_bool(f[6]);
      r.sort_operator = to_oid(f[7]);
      r.transition_type = to_oid(f[8]);
      r.has_initial = f[9] != "\\N";
      if (r.has_initial) r.initial = unescape(f[9]);
      t->rows.push_back(std::move(r));
    };
    each_line("pg_aggregate", add);
    each_line("stele_aggregates", add);
    t->index([](const BuiltinAggregate& r) { return r.proc; });
    return t;
  }();
  return *table;
}

}  // namespace

namespace builtin {
std::span<const BuiltinType> types() { return type_table().rows; }
std::span<const BuiltinProc> procs() { return proc_table().rows; }
std::span<const BuiltinOperator> operators() { return operator_table().rows; }
std::span<const BuiltinCast> casts() { return cast_table(); }
std::span<const BuiltinAggregate> aggregates() { return aggregate_table().rows; }
const BuiltinType* type(Oid oid) { return type_table().find(oid); }
const BuiltinType* type(std::string_view name) {
  auto found = type_table().named(name);
  return found.empty() ? nullptr : found[0];
}
const BuiltinProc* proc(Oid oid) { return proc_table().find(oid); }
const BuiltinOperator* op(Oid oid) { return operator_table().find(oid); }
const BuiltinAggregate* aggregate(Oid proc) { return aggregate_table().find(proc); }
std::span<const BuiltinProc* const> procs_named(std::string_view name) { return proc_table().named(name); }
std::span<const BuiltinOperator* const> operators_named(std::string_view name) {
  return operator_table().named(name);
}

const BuiltinRows& rows(std::string_view table) {
  static std::mutex mutex;
  static std::map<std::string, BuiltinRows, std::less<>> loaded;
  std::lock_guard lock(mutex);
  auto it = loaded.find(table);
  if (it != loaded.end()) return it->second;
  BuiltinRows out;
  auto add = [&](const std::vector<std::string_view>& f) {
    auto& row = out.emplace_back();
    row.reserve(f.size());
    for (std::string_view s : f) row.push_back(unescape(s));
  };
  each_line(table, add);
  // Stele's own entries stand in a table beside each of PostgreSQL's.
  constexpr std::pair<std::string_view, std::string_view> kOwn[] = {
      {"pg_type", "stele_types"},       {"pg_proc", "stele_procs"},          {"pg_operator", "stele_operators"},
      {"pg_cast", "stele_casts"},       {"pg_aggregate", "stele_aggregates"}, {"pg_opclass", "stele_opclasses"},
      {"pg_opfamily", "stele_opfamilies"}, {"pg_amop", "stele_amops"},       {"pg_am", "stele_ams"}};
  for (const auto& [of, own] : kOwn) {
    if (of == table) each_line(own, add);
  }
  return loaded.emplace(std::string(table), std::move(out)).first->second;
}
}  // namespace builtin

bool passed_by_value(Oid builtin_type) {
  static const auto* table = [] {
    auto* t = new std::vector<bool>(oid::kFirstUserOid, false);
    for (const BuiltinType& r : builtin::types()) (*t)[r.oid] = r.by_value;
    return t;
  }();
  return builtin_type < table->size() && (*table)[builtin_type];
}

}  // namespace stele

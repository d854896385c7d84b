#include "sql/session/settings.h"

#include <charconv>

#include "base/error.h"
#include "types/builtin.h"
#include "types/timezone.h"

namespace stele::sql {

namespace {

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// What this server says instead of what the facts were read from.
const std::map<std::string_view, std::string_view>& own_values() {
  static const std::map<std::string_view, std::string_view> values = {
      {"server_version", "15.15"}, {"server_version_num", "150015"}, {"data_directory", ""}, {"config_file", ""},
      {"hba_file", ""}, {"ident_file", ""}, {"external_pid_file", ""}, {"unix_socket_directories", ""}, {"ssl_cert_file", ""},
      {"ssl_key_file", ""}, {"dynamic_shared_memory_type", "mmap"}, {"log_timezone", "UTC"}, {"TimeZone", "UTC"},
      {"client_encoding", "UTF8"}, {"server_encoding", "UTF8"}, {"lc_collate", "C.UTF-8"}, {"lc_ctype", "C.UTF-8"},
      {"lc_messages", "C.UTF-8"}, {"lc_monetary", "C.UTF-8"}, {"lc_numeric", "C.UTF-8"}, {"lc_time", "C.UTF-8"},
      {"default_text_search_config", "pg_catalog.english"}, {"DateStyle", "ISO, MDY"}, {"cluster_name", ""},
      {"application_name", ""}, {"session_authorization", ""}, {"is_superuser", "on"}, {"stats_temp_directory", ""}};
  return values;
}

const std::set<std::string_view>& reported_names() {
  static const std::set<std::string_view> names = {
      "application_name", "client_encoding", "DateStyle", "default_transaction_read_only", "in_hot_standby", "integer_datetimes",
      "IntervalStyle", "is_superuser", "server_encoding", "server_version", "session_authorization", "standard_conforming_strings", "TimeZone"};
  return names;
}

struct Unit { const char* name; double factor; };
// Factors to the base of memory (bytes) and of time (microseconds).
constexpr Unit kMemory[] = {{"TB", 1099511627776.0}, {"GB", 1073741824.0}, {"MB", 1048576.0}, {"kB", 1024.0}, {"B", 1.0}};
constexpr Unit kTime[] = {{"d", 86400e6}, {"h", 3600e6}, {"min", 60e6}, {"s", 1e6}, {"ms", 1e3}, {"us", 1.0}};

// The size of a parameter's unit in the base of its kind; 0 when it has none.
double unit_size(const std::string& unit, bool* memory) {
  *memory = false;
  if (unit.empty()) return 0;
  if (unit == "8kB") {
    *memory = true;
    return 8192;
  }
  for (const Unit& u : kMemory) {
    if (unit == u.name) {
      *memory = true;
      return u.factor;
    }
  }
  for (const Unit& u : kTime) {
    if (unit == u.name) return u.factor;
  }
  return 0;
}

[[noreturn]] void invalid_value(const SettingDefinition& d, std::string_view value, std::string hint = {}) {
  throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid value for parameter \"{}\": \"{}\"", d.name, value)).hint(std::move(hint));
}

std::string number_text(double v) {
  if (v == std::floor(v) && std::fabs(v) < 1e15) return fmt::format("{}", static_cast<int64_t>(v));
  return fmt::format("{}", v);
}

std::string check_number(const SettingDefinition& d, std::string_view text) {
  std::string_view s = text;
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  const bool integer = d.type == "integer";
  double v = 0;
  const char* end = nullptr;
  if (s.starts_with("0x") || s.starts_with("0X")) {
    int64_t n = 0;
    auto [p, ec] = std::from_chars(s.data() + 2, s.data() + s.size(), n, 16);
    if (ec != std::errc()) invalid_value(d, text);
    v = static_cast<double>(n);
    end = p;
  } else {
    std::string_view digits = s.starts_with('+') ? s.substr(1) : s;
    auto [p, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), v);
    if (ec != std::errc() || std::isnan(v)) invalid_value(d, text);
    end = p;
  }
  std::string_view rest(end, static_cast<size_t>(s.data() + s.size() - end));
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  while (!rest.empty() && rest.back() == ' ') rest.remove_suffix(1);
  if (!rest.empty()) {
    bool memory;
    const double size = unit_size(d.unit, &memory);
    double factor = 0;
    if (size > 0) {
      for (const Unit& u : memory ? std::span<const Unit>(kMemory) : std::span<const Unit>(kTime)) {
        if (rest == u.name) factor = u.factor;
      }
    }
    if (factor == 0) {
      invalid_value(d, text, size == 0 ? "" : memory ? "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\"."
                                                     : "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".");
    }
    v = v * factor / size;
  }
  if (integer) v = std::nearbyint(v);
  double low = -1e308, high = 1e308;
  if (!d.min.empty() && d.min != "\\N") low = std::stod(d.min);
  if (!d.max.empty() && d.max != "\\N") high = std::stod(d.max);
  if (v < low || v > high) {
    const std::string unit = d.unit.empty() ? "" : " " + d.unit;
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("{}{} is outside the valid range for parameter \"{}\" ({} .. {})",
                                                               number_text(v), unit, d.name, d.min, d.max));
  }
  return number_text(v);
}

// "ISO, MDY" from any partial form, over the current one.
std::string check_datestyle(const SettingDefinition& d, std::string_view value, std::string_view current) {
  const size_t comma = current.find(", ");
  std::string style(current.substr(0, comma)), order(comma == std::string_view::npos ? "MDY" : current.substr(comma + 2));
  bool have_style = false, have_order = false, conflict = false;
  auto bad = [&](std::string detail) {
    return Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid value for parameter \"{}\": \"{}\"", d.name, value)).detail(std::move(detail));
  };
  auto choose = [&](std::string& what, bool& have, const char* to) {
    conflict |= have && what != to;
    what = to;
    have = true;
  };
  std::string item;
  auto take = [&] {
    const std::string word = std::exchange(item, {}), w = lower(word);
    if (w.empty()) return;
    if (w == "iso") choose(style, have_style, "ISO");
    else if (w == "sql") choose(style, have_style, "SQL");
    else if (w.starts_with("postgres")) choose(style, have_style, "Postgres");
    else if (w == "german") {
      choose(style, have_style, "German");
      if (!have_order) order = "DMY";
    } else if (w == "mdy" || w == "us" || w.starts_with("noneuro")) choose(order, have_order, "MDY");
    else if (w == "dmy" || w.starts_with("euro")) choose(order, have_order, "DMY");
    else if (w == "ymd") choose(order, have_order, "YMD");
    else if (w == "default") {
      if (!have_style) style = "ISO";
      if (!have_order) order = "MDY";
    } else throw bad(fmt::format("Unrecognized key word: \"{}\".", word));
  };
  for (char c : value) {
    if (c == ',' || c == ' ') take();
    else item.push_back(c);
  }
  take();
  if (conflict) throw bad("Conflicting \"datestyle\" specifications.");
  return style + ", " + order;
}

}  // namespace

std::optional<bool> parse_bool_setting(std::string_view text) {
  const std::string s = lower(text);
  if (s.empty()) return std::nullopt;
  auto prefix_of = [&](std::string_view word, size_t least) { return s.size() >= least && word.starts_with(s); };
  if (prefix_of("true", 1) || prefix_of("yes", 1) || s == "on" || s == "1") return true;
  if (prefix_of("false", 1) || prefix_of("no", 1) || prefix_of("off", 2) || s == "0") return false;
  return std::nullopt;
}

const std::vector<SettingDefinition>& setting_definitions() {
  static const std::vector<SettingDefinition> all = [] {
    std::vector<SettingDefinition> out;
    for (const auto& row : builtin::rows("pg_settings")) {
      SettingDefinition d;
      d.name = row[0];
      d.unit = row[1] == "\\N" ? "" : row[1];
      d.category = row[2];
      d.context = row[3];
      d.type = row[4];
      d.min = row[5] == "\\N" ? "" : row[5];
      d.max = row[6] == "\\N" ? "" : row[6];
      if (row[7].size() > 2) {
        std::string word;
        bool quoted = false;
        for (char c : std::string_view(row[7]).substr(1, row[7].size() - 2)) {
          if (c == '"') quoted = !quoted;
          else if (c == ',' && !quoted) d.choices.push_back(std::exchange(word, {}));
          else word.push_back(c);
        }
        d.choices.push_back(word);
      }
      d.boot = row[8] == "\\N" ? "" : row[8];
      d.reset = row[9] == "\\N" ? d.boot : row[9];
      auto own = own_values().find(d.name);
      if (own != own_values().end()) d.boot = d.reset = own->second;
      d.reported = reported_names().contains(d.name);
      out.push_back(std::move(d));
    }
    // Parameters that pg_settings does not show.
    auto hidden = [&](const char* name, const char* context, const char* type, const char* value) {
      for (const SettingDefinition& d : out)
        if (d.name == name) return;
      SettingDefinition d;
      d.name = name;
      d.category = "Client Connection Defaults / Statement Behavior";
      d.context = context;
      d.type = type;
      d.boot = d.reset = value;
      d.reported = reported_names().contains(d.name);
      out.push_back(std::move(d));
    };
    hidden("is_superuser", "internal", "bool", "off");
    hidden("session_authorization", "user", "string", "");
    hidden("role", "user", "string", "none");
    hidden("seed", "user", "real", "0");
    return out;
  }();
  return all;
}

const SettingDefinition* setting_definition(std::string_view name) {
  static const auto* by_name = [] {
    auto* m = new std::unordered_map<std::string, const SettingDefinition*>;
    for (const SettingDefinition& d : setting_definitions()) (*m)[lower(d.name)] = &d;
    return m;
  }();
  auto it = by_name->find(lower(name));
  return it == by_name->end() ? nullptr : it->second;
}

std::string check_setting(const SettingDefinition& d, std::string_view value, std::string_view current) {
  if (d.type == "bool") {
    const auto b = parse_bool_setting(value);
    if (!b) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("parameter \"{}\" requires a Boolean value", d.name));
    return *b ? "on" : "off";
  }
  if (d.type == "enum") {
    const std::string wanted = lower(value);
    for (const std::string& choice : d.choices) {
      if (lower(choice) == wanted) return choice;
    }
    // Parameters that also take Boolean words.
    const bool on_off = std::find(d.choices.begin(), d.choices.end(), "on") != d.choices.end();
    if (const auto b = parse_bool_setting(value); b && on_off) return *b ? "on" : "off";
    std::string list;
    for (const std::string& choice : d.choices) list += (list.empty() ? "" : ", ") + choice;
    invalid_value(d, value, "Available values: " + list + ".");
  }
  if (d.type == "integer" || d.type == "real") return check_number(d, value);
  if (d.name == "DateStyle") return check_datestyle(d, value, current.empty() ? std::string_view("ISO, MDY") : current);
  if (d.name == "default_text_search_config") {
    std::string name = lower(value);
    if (name.starts_with("pg_catalog.")) name.erase(0, 11);
    for (const auto& row : builtin::rows("pg_ts_config")) {
      if (row[1] == name) return "pg_catalog." + name;
    }
    invalid_value(d, value);
  }
  if (d.name == "client_encoding") {
    const std::string e = lower(value);
    if (e == "utf8" || e == "utf-8" || e == "unicode") return "UTF8";
    if (e == "sql_ascii") return "SQL_ASCII";
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid value for parameter \"client_encoding\": \"{}\"", value))
        .detail("This server talks UTF8 only.");
  }
  if (d.name == "TimeZone" || d.name == "log_timezone") {
    std::string_view zone = value;
    if (lower(zone) == "default" || lower(zone) == "local") zone = d.reset;
    if (TimeZone::find(zone) == nullptr) invalid_value(d, value);
    return std::string(zone);
  }
  return std::string(value);
}

std::string show_setting(const SettingDefinition& d, const std::string& raw) {
  if (d.unit.empty() || (d.type != "integer" && d.type != "real")) return raw;
  const double v = std::stod(raw);
  if (v <= 0) return raw;
  bool memory;
  const double size = unit_size(d.unit, &memory);
  if (size == 0) return raw;
  const double base = v * size;
  for (const Unit& u : memory ? std::span<const Unit>(kMemory) : std::span<const Unit>(kTime)) {
    if (base >= u.factor && std::fmod(base, u.factor) == 0) return number_text(base / u.factor) + u.name;
  }
  return raw + d.unit;
}

std::string Settings::key_of(std::string_view name) { return lower(name); }

namespace {
const SettingDefinition* require(std::string_view name) {
  const SettingDefinition* d = setting_definition(name);
  if (d == nullptr && name.find('.') == std::string_view::npos) {
    throw Error(ErrorCode::kUndefinedObject, fmt::format("unrecognized configuration parameter \"{}\"", name));
  }
  return d;
}
void check_custom_name(std::string_view name) {
  bool start = true;
  for (char c : name) {
    const bool letter = std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
    if (!(letter || (!start && (c == '$' || std::isdigit(static_cast<unsigned char>(c)) != 0)) || (!start && c == '.'))) {
      throw Error(ErrorCode::kInvalidName, fmt::format("invalid configuration parameter name \"{}\"", name))
          .detail("Custom parameter names must be two or more simple identifiers separated by dots.");
    }
    start = c == '.';
  }
}
}  // namespace

void Settings::set_default(std::string_view name, std::string_view value) {
  const SettingDefinition* d = require(name);
  const std::string key = key_of(name);
  values_[key].base = d == nullptr ? std::string(value) : check_setting(*d, value);
  tell(key);
}

void Settings::tell(const std::string& key) {
  if (!changed_) return;
  const SettingDefinition* d = setting_definition(key);
  changed_(d, d == nullptr ? key : d->name, raw(key).value_or(""));
}

void Settings::assign(const std::string& key, std::optional<std::string> value, bool local) {
  Value& v = values_[key];
  undo_.push_back({key, v.session, v.local});
  const std::string before = raw(key).value_or("");
  if (local) {
    v.local = std::move(value);
  } else {
    v.session = std::move(value);
    v.local.reset();
  }
  if (raw(key).value_or("") != before) {
    try {
      tell(key);
    } catch (...) {
      v.session = undo_.back().session;
      v.local = undo_.back().local;
      undo_.pop_back();
      tell(key);
      throw;
    }
  }
}

// PL/pgSQL's own parameters, which are no rows of pg_settings until it is loaded.
static void check_plpgsql_setting(std::string_view name, std::string_view value) {
  const std::string key = lower(name);
  auto bad = [&] { return Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid value for parameter \"{}\": \"{}\"", key, value)); };
  if (key == "plpgsql.variable_conflict") {
    const std::string v = lower(value);
    if (v != "error" && v != "use_variable" && v != "use_column") throw bad().hint("Available values: error, use_variable, use_column.");
  }
  if (key != "plpgsql.extra_warnings" && key != "plpgsql.extra_errors") return;
  const std::string whole = lower(value);
  if (whole == "all" || whole == "none") return;
  std::string word;
  for (size_t i = 0; i <= value.size(); ++i) {
    if (i < value.size() && value[i] != ',' && value[i] != ' ') {
      word.push_back(value[i]);
      continue;
    }
    const std::string w = lower(std::exchange(word, {}));
    if (w == "all" || w == "none") throw bad().detail(fmt::format("Key word \"{}\" cannot be combined with other key words.", w));
    if (!w.empty() && w != "shadowed_variables" && w != "too_many_rows" && w != "strict_multi_assignment")
      throw bad().detail(fmt::format("Unrecognized key word: \"{}\".", w));
  }
}

void Settings::set(std::string_view name, std::string_view value, bool local, bool superuser) {
  const SettingDefinition* d = require(name);
  if (d == nullptr) {
    check_custom_name(name);
    check_plpgsql_setting(name, value);
    assign(key_of(name), std::string(value), local);
    return;
  }
  if (d->context == "internal") {
    throw Error(ErrorCode::kCantChangeRuntimeParam, fmt::format("parameter \"{}\" cannot be changed", d->name));
  }
  if (d->context == "postmaster") {
    throw Error(ErrorCode::kCantChangeRuntimeParam, fmt::format("parameter \"{}\" cannot be changed without restarting the server", d->name));
  }
  if (d->context == "sighup") {
    throw Error(ErrorCode::kCantChangeRuntimeParam, fmt::format("parameter \"{}\" cannot be changed now", d->name));
  }
  if (d->context == "backend" || d->context == "superuser-backend") {
    throw Error(ErrorCode::kCantChangeRuntimeParam, fmt::format("parameter \"{}\" cannot be set after connection start", d->name));
  }
  if (d->context == "superuser" && !superuser) {
    throw Error(ErrorCode::kInsufficientPrivilege, fmt::format("permission denied to set parameter \"{}\"", d->name));
  }
  assign(key_of(name), check_setting(*d, value, raw(name).value_or("")), local);
}

void Settings::reset(std::string_view name, bool local) {
  const SettingDefinition* d = require(name);
  if (d != nullptr && (d->context == "internal" || d->context == "postmaster" || d->context == "sighup")) set(name, d->reset, local);
  const std::string key = key_of(name);
  if (local) {
    const auto& v = values_[key];
    assign(key, v.base ? *v.base : d != nullptr ? d->reset : "", true);
  } else {
    assign(key, std::nullopt, false);
  }
}

void Settings::reset_all() {
  static const std::set<std::string_view> kKept = {"role", "session_authorization", "transaction_isolation", "transaction_read_only",
                                                   "transaction_deferrable", "seed", "is_superuser"};
  std::vector<std::string> keys;
  for (const auto& [key, v] : values_) {
    if ((v.session || v.local) && !kKept.contains(key)) keys.push_back(key);
  }
  for (const std::string& key : keys) assign(key, std::nullopt, false);
}

std::optional<std::string> Settings::raw(std::string_view name) const {
  auto it = values_.find(key_of(name));
  if (it != values_.end()) {
    if (const std::string* v = it->second.current()) return *v;
  }
  const SettingDefinition* d = setting_definition(name);
  if (d == nullptr) {
    // A custom parameter that was set once exists, empty, from then on.
    return it != values_.end() ? std::optional<std::string>("") : std::nullopt;
  }
  return d->reset;
}
std::optional<std::string> Settings::shown(std::string_view name) const {
  auto v = raw(name);
  const SettingDefinition* d = setting_definition(name);
  if (!v || d == nullptr) return v;
  return show_setting(*d, *v);
}
std::string Settings::source(std::string_view name) const {
  auto it = values_.find(key_of(name));
  if (it == values_.end()) return "default";
  if (it->second.local || it->second.session) return "session";
  return it->second.base ? "configuration file" : "default";
}
bool Settings::is_default(std::string_view name) const { return source(name) == "default"; }
std::vector<std::string> Settings::custom_names() const {
  std::vector<std::string> out;
  for (const auto& [key, v] : values_) {
    if (key.find('.') != std::string::npos && v.current() != nullptr) out.push_back(key);
  }
  return out;
}

void Settings::rollback_to(size_t mark) {
  while (undo_.size() > mark) {
    Undo u = std::move(undo_.back());
    undo_.pop_back();
    Value& v = values_[u.key];
    const std::string before = raw(u.key).value_or("");
    v.session = std::move(u.session);
    v.local = std::move(u.local);
    if (raw(u.key).value_or("") != before) tell(u.key);
  }
}
void Settings::rollback() { rollback_to(0); }
void Settings::commit() {
  std::set<std::string> touched;
  for (const Undo& u : undo_) touched.insert(u.key);
  undo_.clear();
  for (const std::string& key : touched) {
    Value& v = values_[key];
    if (!v.local) continue;
    const std::string before = raw(key).value_or("");
    v.local.reset();
    if (raw(key).value_or("") != before) tell(key);
  }
}
void Settings::announce() {
  for (const SettingDefinition& d : setting_definitions()) {
    if (changed_) changed_(&d, d.name, raw(d.name).value_or(""));
  }
}

}  // namespace stele::sql

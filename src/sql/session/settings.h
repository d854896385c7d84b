// Run-time parameters (GUCs): definitions from PostgreSQL's list, values of one session with the rules of SET,
// SET LOCAL and transaction rollback.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stele::sql {

struct SettingDefinition {
  std::string name;                 // as shown: "TimeZone"
  std::string unit, category, context, type, min, max;
  std::vector<std::string> choices; // of enums
  std::string boot, reset;          // in the unit, without it
  bool reported = false;            // told to clients by ParameterStatus
};
// Case does not matter. Null: no such parameter (and no custom one: those have a dot).
const SettingDefinition* setting_definition(std::string_view name);
const std::vector<SettingDefinition>& setting_definitions();

class Settings {
 public:
  // `changed` runs after a value changed, whatever the reason, with the value in the unit.
  using Changed = std::function<void(const SettingDefinition* definition, const std::string& name, const std::string& value)>;
  explicit Settings(Changed changed) : changed_(std::move(changed)) {}

  // Server-wide default under this session (command line, ALTER SYSTEM, role, database); validated.
  void set_default(std::string_view name, std::string_view value);
  // Throws undefined_object, invalid_parameter_value, cant_change_runtime_param. `local`: until the transaction ends.
  void set(std::string_view name, std::string_view value, bool local, bool superuser = true);
  void reset(std::string_view name, bool local = false);
  void reset_all();

  // nullopt: no such parameter. raw: in the unit ("4096"); shown: with it ("4MB").
  std::optional<std::string> raw(std::string_view name) const;
  std::optional<std::string> shown(std::string_view name) const;
  std::string source(std::string_view name) const;   // "default", "session" ...
  bool is_default(std::string_view name) const;
  // Names of custom parameters that have a value.
  std::vector<std::string> custom_names() const;

  // Transactions: a mark is a position of the undo list.
  size_t mark() const { return undo_.size(); }
  void rollback_to(size_t mark);
  void commit();     // SET LOCAL values go
  void rollback();   // everything since the start goes
  // Tells `changed` every current value; once, at session start.
  void announce();

 private:
  struct Value {
    std::optional<std::string> base;      // default under the session's own value
    std::optional<std::string> session, local;
    const std::string* current() const { return local ? &*local : session ? &*session : base ? &*base : nullptr; }
  };
  struct Undo { std::string key; std::optional<std::string> session, local; };
  Value& slot(const std::string& key, size_t* undo);
  void assign(const std::string& key, std::optional<std::string> value, bool local);
  void tell(const std::string& key);
  static std::string key_of(std::string_view name);

  std::map<std::string, Value> values_;   // by lower-case name
  std::vector<Undo> undo_;
  Changed changed_;
};

// Checks and brings a value to the parameter's canonical form, in its unit.
// `current` is what a partial value (DateStyle) changes.
std::string check_setting(const SettingDefinition& d, std::string_view value, std::string_view current = {});
std::string show_setting(const SettingDefinition& d, const std::string& raw);
// "on", "off" and every unambiguous form of them.
std::optional<bool> parse_bool_setting(std::string_view s);

}  // namespace stele::sql

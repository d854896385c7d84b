// Users, what they may run and on what: root permissions plus selectors, as Redis's ACLs.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/command.h"

namespace stele::keyspace {

struct AclPattern {
  bool read, write;
  std::string pattern;
};
struct AclSelector {
  bool all_commands = false, all_keys = false, all_channels = false;
  std::vector<bool> allowed;                                   // by command id
  std::map<int, std::vector<std::string>> first_args;          // deprecated "+get|arg" form
  std::vector<AclPattern> keys;
  std::vector<std::string> channels;
  std::vector<std::string> rules;                              // "+@all", "-get" in order, minimised
  bool can_run(int id) const { return id < static_cast<int>(allowed.size()) && allowed[static_cast<size_t>(id)]; }
};
struct AclUser {
  std::string name;
  bool enabled = false, nopass = false, sanitize_skip = false, sanitize_asked = false;
  std::vector<std::string> passwords;                          // SHA-256, hex
  std::vector<AclSelector> selectors{1};                       // [0] is the root
};

enum class AclVerdict : uint8_t { kOk, kCommand, kKey, kChannel };

struct AclLogEntry {
  uint64_t count = 1, id = 0;
  AclVerdict reason{};
  bool auth = false;
  std::string context, object, username, client;
  int64_t created_ms = 0, updated_ms = 0;
};

class Acl {
 public:
  explicit Acl(CommandTable& table);
  std::map<std::string, std::shared_ptr<AclUser>, std::less<>> users;
  std::shared_ptr<AclUser> default_user;
  std::deque<AclLogEntry> log;
  uint64_t log_ids = 0;

  std::shared_ptr<AclUser> find(std::string_view name) const;
  std::shared_ptr<AclUser> create(std::string_view name, bool reset_channels);
  // Applies one rule; an error text or "".
  std::string set_rule(AclUser& u, std::string_view op, bool default_all_channels);
  // Applies several, merging "( ... )"; on error nothing is changed.
  std::string set_rules(AclUser& u, const std::vector<std::string>& ops, bool default_all_channels);
  std::string describe(const AclUser& u) const;
  std::string describe_commands(const AclSelector& s) const;
  std::string describe_keys(const AclSelector& s) const;
  std::string describe_channels(const AclSelector& s) const;
  bool check_password(const AclUser& u, std::string_view password) const;
  // *bad: index of the offending argument.
  AclVerdict check(const AclUser& u, const CommandSpec& spec, Argv argv, int* bad) const;
  bool channel_allowed(const AclUser& u, std::string_view channel, bool literal) const;
  bool key_allowed(const AclUser& u, std::string_view key, uint32_t key_flags) const;

 private:
  std::string selector_rule(AclSelector& s, std::string_view op) const;
  void allow(AclSelector& s, const CommandSpec& c, bool on) const;
  AclVerdict check_selector(const AclSelector& s, const CommandSpec& spec, Argv argv, int* bad) const;
  CommandTable& table_;
};

}  // namespace stele::keyspace

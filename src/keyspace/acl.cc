#include "keyspace/acl.h"

#include "keyspace/util.h"

namespace stele::keyspace {

Acl::Acl(CommandTable& table) : table_(table) {
  default_user = create("default", false);
  for (const char* r : {"on", "nopass", "~*", "&*", "+@all"}) set_rule(*default_user, r, true);
}
std::shared_ptr<AclUser> Acl::find(std::string_view name) const {
  auto it = users.find(name);
  return it == users.end() ? nullptr : it->second;
}
std::shared_ptr<AclUser> Acl::create(std::string_view name, bool reset_channels) {
  auto u = std::make_shared<AclUser>();
  u->name = name;
  u->selectors[0].allowed.assign(table_.all().size(), false);
  u->selectors[0].rules = {"-@all"};
  u->selectors[0].all_channels = !reset_channels;
  users[u->name] = u;
  return u;
}
void Acl::allow(AclSelector& s, const CommandSpec& c, bool on) const {
  if (s.allowed.size() < table_.all().size()) s.allowed.resize(table_.all().size());
  s.allowed[static_cast<size_t>(c.id)] = on;
  for (auto* sub : c.subcommands) allow(s, *sub, on);
  s.first_args.erase(c.id);
  if (!on) s.all_commands = false;
}

std::string Acl::selector_rule(AclSelector& s, std::string_view op) const {
  auto add_rule = [&](std::string rule) {
    // A later rule of the same subject replaces the earlier one.
    std::string subject = rule.substr(1);
    std::erase_if(s.rules, [&](const std::string& r) {
      std::string_view other = std::string_view(r).substr(1);
      return other == subject || (other.size() > subject.size() && other.substr(0, subject.size()) == subject && other[subject.size()] == '|');
    });
    s.rules.push_back(std::move(rule));
  };
  if (iequals(op, "allkeys") || op == "~*") { s.all_keys = true; s.keys.clear(); return ""; }
  if (iequals(op, "resetkeys")) { s.all_keys = false; s.keys.clear(); return ""; }
  if (iequals(op, "allchannels") || op == "&*") { s.all_channels = true; s.channels.clear(); return ""; }
  if (iequals(op, "resetchannels")) { s.all_channels = false; s.channels.clear(); return ""; }
  if (iequals(op, "allcommands") || iequals(op, "+@all")) {
    s.allowed.assign(table_.all().size(), true);
    s.all_commands = true;
    s.first_args.clear();
    s.rules = {"+@all"};
    return "";
  }
  if (iequals(op, "nocommands") || iequals(op, "-@all")) {
    s.allowed.assign(table_.all().size(), false);
    s.all_commands = false;
    s.first_args.clear();
    s.rules = {"-@all"};
    return "";
  }
  if (op.empty()) return "Syntax error";
  if (op[0] == '~' || op[0] == '%') {
    if (s.all_keys) return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns";
    AclPattern p{true, true, {}};
    if (op[0] == '%') {
      p.read = p.write = false;
      size_t i = 1;
      for (; i < op.size() && op[i] != '~'; ++i) {
        if (toupper(op[i]) == 'R' && !p.read) p.read = true;
        else if (toupper(op[i]) == 'W' && !p.write) p.write = true;
        else return "Syntax error";
      }
      if (i >= op.size() || (!p.read && !p.write)) return "Syntax error";
      p.pattern = op.substr(i + 1);
      if (p.read && p.write && p.pattern == "*") { s.all_keys = true; s.keys.clear(); return ""; }
    } else {
      p.pattern = op.substr(1);
    }
    for (char c : p.pattern)
      if (isspace(static_cast<unsigned char>(c)) || c == 0) return "Syntax error";
    for (auto& k : s.keys)
      if (k.pattern == p.pattern) { k.read |= p.read; k.write |= p.write; return ""; }
    s.keys.push_back(std::move(p));
    return "";
  }
  if (op[0] == '&') {
    if (s.all_channels) return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels";
    for (char c : op)
      if (isspace(static_cast<unsigned char>(c)) || c == 0) return "Syntax error";
    std::string p(op.substr(1));
    if (std::find(s.channels.begin(), s.channels.end(), p) == s.channels.end()) s.channels.push_back(p);
    return "";
  }
  if (op.size() > 1 && (op[0] == '+' || op[0] == '-')) {
    bool on = op[0] == '+';
    if (op[1] == '@') {
      std::string name = lower(op.substr(2));
      auto& cats = acl_categories();
      auto it = std::find(cats.begin(), cats.end(), name);
      if (it == cats.end()) return "Unknown command or category name in ACL";
      uint64_t bit = uint64_t{1} << (it - cats.begin());
      for (auto& c : table_.all())
        if (c->categories & bit) {
          if (s.allowed.size() < table_.all().size()) s.allowed.resize(table_.all().size());
          s.allowed[static_cast<size_t>(c->id)] = on;
          s.first_args.erase(c->id);
          if (!on) s.all_commands = false;
        }
      // Rules on single commands of the category are overridden by it.
      std::erase_if(s.rules, [&](const std::string& r) {
        if (r.size() < 2 || r[1] == '@') return false;
        CommandSpec* c = table_.find_full(r.substr(1));
        return c != nullptr && (c->categories & bit);
      });
      add_rule((on ? "+@" : "-@") + name);
      return "";
    }
    std::string name = lower(op.substr(1));
    size_t bar = name.find('|');
    if (bar == std::string::npos) {
      CommandSpec* c = table_.find_full(name);
      if (c == nullptr) return "Unknown command or category name in ACL";
      bool had = s.can_run(c->id);
      for (auto* x : c->subcommands) had |= s.can_run(x->id);
      allow(s, *c, on);
      add_rule((on ? "+" : "-") + name);
      if (!on && !had) s.rules.pop_back();  // it was not allowed anyway
      return "";
    }
    if (name.find('|', bar + 1) != std::string::npos) return "Allowing first-arg of a subcommand is not supported";
    CommandSpec* parent = table_.find_full(name.substr(0, bar));
    if (parent == nullptr) return "Unknown command or category name in ACL";
    if (CommandSpec* sub = table_.find_full(name)) {
      allow(s, *sub, on);
      add_rule((on ? "+" : "-") + name);
      return "";
    }
    if (!on || !parent->subcommands.empty()) return "Unknown command or category name in ACL";
    if (bar + 1 >= name.size()) return "Syntax error";
    if (s.can_run(parent->id)) return "";  // everything about it is allowed already
    auto& args = s.first_args[parent->id];
    std::string arg = name.substr(bar + 1);
    if (std::find(args.begin(), args.end(), arg) == args.end()) args.push_back(arg);
    add_rule("+" + name);
    return "";
  }
  return "Syntax error";
}

std::string Acl::set_rule(AclUser& u, std::string_view op, bool default_all_channels) {
  if (iequals(op, "on")) { u.enabled = true; return ""; }
  if (iequals(op, "off")) { u.enabled = false; return ""; }
  if (iequals(op, "nopass")) { u.nopass = true; u.passwords.clear(); return ""; }
  if (iequals(op, "resetpass")) { u.nopass = false; u.passwords.clear(); return ""; }
  if (iequals(op, "sanitize-payload")) { u.sanitize_skip = false; u.sanitize_asked = true; return ""; }
  if (iequals(op, "skip-sanitize-payload")) { u.sanitize_skip = true; u.sanitize_asked = false; return ""; }
  if (iequals(op, "reset")) {
    u.nopass = u.enabled = u.sanitize_skip = false;
    u.sanitize_asked = true;
    u.passwords.clear();
    u.selectors.assign(1, {});
    u.selectors[0].all_channels = default_all_channels;
    return selector_rule(u.selectors[0], "-@all");
  }
  if (iequals(op, "clearselectors")) { u.selectors.resize(1); return ""; }
  if (!op.empty() && (op[0] == '>' || op[0] == '#')) {
    std::string hash = op[0] == '>' ? sha256_hex(op.substr(1)) : std::string(op.substr(1));
    if (op[0] == '#') {
      bool ok = hash.size() == 64;
      for (char c : hash) ok &= (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      if (!ok) return "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
    }
    if (std::find(u.passwords.begin(), u.passwords.end(), hash) == u.passwords.end()) u.passwords.push_back(hash);
    u.nopass = false;
    return "";
  }
  if (!op.empty() && (op[0] == '<' || op[0] == '!')) {
    std::string hash = op[0] == '<' ? sha256_hex(op.substr(1)) : std::string(op.substr(1));
    if (op[0] == '!' && hash.size() != 64) return "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
    auto it = std::find(u.passwords.begin(), u.passwords.end(), hash);
    if (it == u.passwords.end()) return "The password you are trying to remove from the user does not exist";
    u.passwords.erase(it);
    return "";
  }
  if (!op.empty() && op[0] == '(' && op.back() == ')') {
    AclSelector s;
    s.allowed.assign(table_.all().size(), false);
    s.rules = {"-@all"};
    std::vector<std::string> ops;
    if (!split_args(op.substr(1, op.size() - 2), &ops)) return "Syntax error";
    for (auto& o : ops)
      if (auto e = selector_rule(s, o); !e.empty()) return e;
    u.selectors.push_back(std::move(s));
    return "";
  }
  return selector_rule(u.selectors[0], op);
}

std::string Acl::set_rules(AclUser& u, const std::vector<std::string>& ops, bool all_channels) {
  std::vector<std::string> merged;
  std::string open;
  for (auto& o : ops) {
    if (!o.empty() && o[0] == '(' && o.back() != ')') { open = o; continue; }  // within another one too, which then never ends
    if (!open.empty()) {
      open += " " + o;
      if (o.back() == ')') { merged.push_back(open); open.clear(); }
      continue;
    }
    merged.push_back(o);
  }
  if (!open.empty()) return "Unmatched parenthesis in acl selector starting at '" + open.substr(0, open.find(' ')) + "'.";
  AclUser copy = u;
  for (auto& o : merged)
    if (auto e = set_rule(copy, o, all_channels); !e.empty()) return fmt::format("Error in ACL SETUSER modifier '{}': {}", o, e);
  u = std::move(copy);
  return "";
}

std::string Acl::describe_commands(const AclSelector& s) const {
  std::string r;
  bool all = false;
  for (auto& x : s.rules) {
    if (x == "+@all" || x == "-@all") { all = true; }
    r += (r.empty() ? "" : " ") + x;
  }
  return all ? r : "-@all" + (r.empty() ? "" : " " + r);
}
std::string Acl::describe_keys(const AclSelector& s) const {
  if (s.all_keys) return "~*";
  std::string r;
  for (auto& k : s.keys) r += (r.empty() ? "" : " ") + std::string(k.read && k.write ? "~" : k.read ? "%R~" : "%W~") + k.pattern;
  return r;
}
std::string Acl::describe_channels(const AclSelector& s) const {
  if (s.all_channels) return "&*";
  std::string r;
  for (auto& c : s.channels) r += (r.empty() ? "&" : " &") + c;
  return r;
}
std::string Acl::describe(const AclUser& u) const {
  std::string r = u.enabled ? "on" : "off";
  if (u.nopass) r += " nopass";
  if (u.sanitize_skip) r += " skip-sanitize-payload";
  if (u.sanitize_asked) r += " sanitize-payload";
  for (auto& p : u.passwords) r += " #" + p;
  for (size_t i = 0; i < u.selectors.size(); ++i) {
    auto& s = u.selectors[i];
    std::string keys = describe_keys(s), text = keys;
    std::string channels = s.all_channels ? "&*" : "resetchannels" + (s.channels.empty() ? "" : " " + describe_channels(s));
    text += (text.empty() ? "" : " ") + channels + " " + describe_commands(s);
    r += i == 0 ? " " + text : " (" + text + ")";
  }
  return r;
}

bool Acl::check_password(const AclUser& u, std::string_view password) const {
  if (u.nopass) return true;
  std::string hash = sha256_hex(password);
  bool found = false;
  for (auto& p : u.passwords) {
    unsigned diff = p.size() == hash.size() ? 0 : 1;
    for (size_t i = 0; i < p.size() && i < hash.size(); ++i) diff |= static_cast<unsigned>(p[i] ^ hash[i]);
    found |= diff == 0;
  }
  return found;
}

static bool key_ok(const AclSelector& s, std::string_view key, uint32_t flags) {
  if (s.all_keys) return true;
  bool read = flags & kKeyAccess, write = flags & (kKeyInsert | kKeyDelete | kKeyUpdate);
  for (auto& p : s.keys) {
    if ((read && !p.read) || (write && !p.write)) continue;
    if (glob_match(p.pattern, key)) return true;
  }
  return false;
}
static bool channel_ok(const AclSelector& s, std::string_view channel, bool literal) {
  if (s.all_channels) return true;
  for (auto& p : s.channels)
    if (literal ? p == channel : glob_match(p, channel)) return true;
  return false;
}
bool Acl::channel_allowed(const AclUser& u, std::string_view channel, bool literal) const {
  for (auto& s : u.selectors)
    if (channel_ok(s, channel, literal)) return true;
  return false;
}
bool Acl::key_allowed(const AclUser& u, std::string_view key, uint32_t flags) const {
  for (auto& s : u.selectors)
    if (key_ok(s, key, flags)) return true;
  return false;
}
AclVerdict Acl::check_selector(const AclSelector& s, const CommandSpec& spec, Argv argv, int* bad) const {
  if (!spec.is(kCmdNoAuth) && !s.can_run(spec.id)) {
    auto it = s.first_args.find(spec.id);
    bool ok = false;
    if (it != s.first_args.end() && argv.size() > 1)
      for (auto& a : it->second) ok |= iequals(a, argv[1]);
    if (!ok) return AclVerdict::kCommand;
  }
  if (!s.all_keys && (!spec.keys.empty())) {
    std::vector<KeyRef> keys;
    table_.keys_of(spec, argv, &keys);
    for (auto& k : keys) {
      if (k.flags & kKeyNotKey) continue;
      if (!key_ok(s, argv[static_cast<size_t>(k.index)], k.flags)) { *bad = k.index; return AclVerdict::kKey; }
    }
  }
  if (!s.all_channels && spec.is(kCmdPubsub)) {
    bool literal = spec.name == "psubscribe";
    bool checks = spec.name == "subscribe" || spec.name == "ssubscribe" || literal || spec.name == "publish" || spec.name == "spublish";
    size_t last = spec.name == "publish" || spec.name == "spublish" ? 1 : argv.size() - 1;
    for (size_t i = 1; checks && i <= last; ++i)
      if (!channel_ok(s, argv[i], literal)) { *bad = static_cast<int>(i); return AclVerdict::kChannel; }
  }
  return AclVerdict::kOk;
}
AclVerdict Acl::check(const AclUser& u, const CommandSpec& spec, Argv argv, int* bad) const {
  AclVerdict worst = AclVerdict::kCommand;
  int at = 0;
  *bad = 0;
  for (auto& s : u.selectors) {
    AclVerdict v = check_selector(s, spec, argv, &at);
    if (v == AclVerdict::kOk) return v;
    if (v > worst || (v == worst && at > *bad)) { worst = v; *bad = at; }
  }
  return worst;
}

}  // namespace stele::keyspace

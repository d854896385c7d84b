// ACL.
#include <fstream>

#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

void getuser(Call& c, const AclUser& u) {
  Acl& acl = c.ks.acl;
  c.reply.map(6);
  c.reply.bulk("flags");
  std::vector<const char*> flags;
  flags.push_back(u.enabled ? "on" : "off");
  if (u.nopass) flags.push_back("nopass");
  if (u.sanitize_skip) flags.push_back("skip-sanitize-payload");
  if (u.sanitize_asked) flags.push_back("sanitize-payload");
  c.reply.set(flags.size());
  for (auto* f : flags) c.reply.bulk(f);
  c.reply.bulk("passwords");
  c.reply.array(u.passwords.size());
  for (auto& p : u.passwords) c.reply.bulk(p);
  auto selector = [&](const AclSelector& s) {
    c.reply.bulk("commands");
    c.reply.bulk(acl.describe_commands(s));
    c.reply.bulk("keys");
    c.reply.bulk(acl.describe_keys(s));
    c.reply.bulk("channels");
    c.reply.bulk(acl.describe_channels(s));
  };
  selector(u.selectors[0]);
  c.reply.bulk("selectors");
  c.reply.array(u.selectors.size() - 1);
  for (size_t i = 1; i < u.selectors.size(); ++i) {
    c.reply.map(3);
    selector(u.selectors[i]);
  }
}
bool load_file(Keyspace& ks, std::string* error) {
  std::ifstream f(ks.config.s.aclfile);
  if (!f) { *error = fmt::format("Error loading ACLs, opening file '{}': {}", ks.config.s.aclfile, std::strerror(errno)); return false; }
  Acl fresh(ks.commands);
  std::string line;
  int number = 0;
  while (std::getline(f, line)) {
    ++number;
    std::vector<std::string> w;
    if (!split_args(line, &w) || w.empty()) continue;
    if (w[0] != "user" || w.size() < 2) { *error = fmt::format("{}:{}: line should start with user keyword. ", ks.config.s.aclfile, number); return false; }
    auto u = w[1] == "default" ? fresh.default_user : fresh.create(w[1], true);
    if (w[1] == "default") fresh.set_rule(*u, "reset", false);
    auto e = fresh.set_rules(*u, {w.begin() + 2, w.end()}, false);
    if (!e.empty()) { *error = fmt::format("{}:{}: {}. ", ks.config.s.aclfile, number, e); return false; }
  }
  auto old = ks.acl.users;
  *ks.acl.default_user = *fresh.default_user;
  fresh.users["default"] = ks.acl.default_user;
  ks.acl.users = fresh.users;
  for (auto& [name, u] : old) {
    if (name == "default") continue;
    auto now = ks.acl.find(name);
    if (now == nullptr) { ks.free_clients_of_user(*u); continue; }
    if (ks.acl.describe(*now) != ks.acl.describe(*u)) ks.free_clients_of_user(*u);
    for (Session* s : ks.sessions)
      if (s->user == u) s->user = now;
  }
  return true;
}

void cmd_acl(Call& c) {
  Acl& acl = c.ks.acl;
  if (c.is(1, "help")) {
    static const char* const lines[] = {"ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "CAT [<category>]", "DELUSER <username> [<username> ...]", "DRYRUN <username> <command> [<arg> ...]", "GETUSER <username>", "GENPASS [<bits>]", "LIST", "LOAD", "LOG [<count> | RESET]", "SAVE",
                                        "SETUSER <username> <attribute> [<attribute> ...]", "USERS", "WHOAMI", "HELP"};
    c.reply.array(std::size(lines));
    for (auto l : lines) c.reply.simple(l);
  } else if (c.is(1, "setuser")) {
    for (char ch : c[2])
      if (isspace(static_cast<unsigned char>(ch)) || ch == 0) { c.fail("Usernames can't contain spaces or null characters"); return; }
    auto u = acl.find(c[2]);
    AclUser trial;
    bool all_channels = c.ks.config.s.acl_pubsub_default == 1;
    bool fresh = u == nullptr;
    if (fresh) u = acl.create(c[2], !all_channels);
    std::vector<std::string> ops(c.argv.begin() + 3, c.argv.end());
    auto error = acl.set_rules(*u, ops, all_channels);
    if (!error.empty()) {
      if (fresh) acl.users.erase(std::string(c[2]));
      c.fail(error);
      return;
    }
    // Subscriptions that are no longer allowed end their clients.
    std::vector<Session*> ends;
    for (Session* s : c.ks.sessions) {
      if (s->user != u || !s->pubsub()) continue;
      bool ok = true;
      for (auto& ch : s->channels) ok &= acl.channel_allowed(*u, ch, false);
      for (auto& ch : s->shard_channels) ok &= acl.channel_allowed(*u, ch, false);
      for (auto& ch : s->patterns) ok &= acl.channel_allowed(*u, ch, true);
      if (!ok) ends.push_back(s);
    }
    for (Session* s : ends) c.ks.kill(*s);
    c.reply.ok();
  } else if (c.is(1, "deluser")) {
    int64_t n = 0;
    for (size_t i = 2; i < c.argc(); ++i) {
      if (c[i] == "default") { c.fail("The 'default' user cannot be removed"); return; }
      auto it = acl.users.find(c[i]);
      if (it == acl.users.end()) continue;
      auto u = it->second;
      acl.users.erase(it);
      c.ks.free_clients_of_user(*u);
      ++n;
    }
    c.reply.integer(n);
  } else if (c.is(1, "getuser")) {
    auto u = acl.find(c[2]);
    if (u == nullptr) c.reply.null();
    else getuser(c, *u);
  } else if (c.is(1, "list") || c.is(1, "users")) {
    c.reply.array(acl.users.size());
    for (auto& [name, u] : acl.users) c.reply.bulk(c.is(1, "users") ? name : "user " + name + " " + acl.describe(*u));
  } else if (c.is(1, "whoami")) {
    c.reply.bulk(c.session.user->name);
  } else if (c.is(1, "save") || c.is(1, "load")) {
    if (c.ks.config.s.aclfile.empty()) {
      c.fail("This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.");
      return;
    }
    if (c.is(1, "load")) {
      std::string error;
      if (!load_file(c.ks, &error)) { c.fail(error); return; }
    } else {
      std::ofstream f(c.ks.config.s.aclfile, std::ios::trunc);
      for (auto& [name, u] : acl.users) f << "user " << name << " " << acl.describe(*u) << "\n";
      if (!f.good()) { c.fail("There was an error trying to save the ACLs. Please check the server logs for more information"); return; }
    }
    c.reply.ok();
  } else if (c.is(1, "cat")) {
    if (c.argc() > 3) { c.fail(fmt::format("unknown subcommand or wrong number of arguments for '{}'. Try ACL HELP.", c[1])); return; }
    auto& cats = acl_categories();
    if (c.argc() == 2) {
      c.reply.array(cats.size());
      for (auto& x : cats) c.reply.bulk(x);
      return;
    }
    auto it = std::find(cats.begin(), cats.end(), lower(c[2]));
    if (it == cats.end()) { c.fail(fmt::format("Unknown category '{}'", c[2])); return; }
    uint64_t bit = uint64_t{1} << (it - cats.begin());
    size_t mark = c.reply.mark(), n = 0;
    for (auto& s : c.ks.commands.all())
      if (s->categories & bit) { c.reply.bulk(s->name); ++n; }
    c.reply.insert_array(mark, n);
  } else if (c.is(1, "genpass")) {
    int64_t bits = 256;
    if (c.argc() > 3) { c.fail("wrong number of arguments for 'acl|genpass' command"); return; }
    if (c.argc() == 3) {
      if (!c.get_int(2, &bits)) return;
      if (bits <= 0 || bits > 4096) { c.fail("ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096"); return; }
    }
    c.reply.bulk(random_hex(static_cast<size_t>((bits + 3) / 4)));
  } else if (c.is(1, "dryrun")) {
    auto u = acl.find(c[2]);
    if (u == nullptr) { c.fail(fmt::format("User '{}' not found", c[2])); return; }
    Argv rest = c.argv.subspan(3);
    CommandSpec* spec = c.ks.commands.find(rest);
    if (spec == nullptr) { c.fail(fmt::format("Command '{}' not found", c[3])); return; }
    if ((spec->arity > 0 && static_cast<int>(rest.size()) != spec->arity) || static_cast<int>(rest.size()) < -spec->arity) { c.fail(fmt::format("wrong number of arguments for '{}' command", spec->name)); return; }
    int bad;
    switch (acl.check(*u, *spec, rest, &bad)) {
      case AclVerdict::kOk: c.reply.ok(); return;
      case AclVerdict::kCommand: c.reply.bulk(fmt::format("This user has no permissions to run the '{}' command", spec->name)); return;
      case AclVerdict::kKey: c.reply.bulk(fmt::format("This user has no permissions to access the '{}' key", rest[static_cast<size_t>(bad)])); return;
      default: c.reply.bulk(fmt::format("This user has no permissions to access the '{}' channel", rest[static_cast<size_t>(bad)])); return;
    }
  } else if (c.is(1, "log")) {
    if (c.argc() > 3) { c.fail("wrong number of arguments for 'acl|log' command"); return; }
    int64_t n = 10;
    if (c.argc() == 3) {
      if (c.is(2, "reset")) { acl.log.clear(); c.reply.ok(); return; }
      if (!c.get_int(2, &n)) return;
      n = std::max<int64_t>(0, n);
    }
    size_t shown = std::min<size_t>(static_cast<size_t>(n), acl.log.size());
    c.reply.array(shown);
    for (size_t i = 0; i < shown; ++i) {
      auto& e = acl.log[i];
      c.reply.map(7);
      c.reply.bulk("count"); c.reply.integer(static_cast<int64_t>(e.count));
      c.reply.bulk("reason"); c.reply.bulk(e.auth ? "auth" : e.reason == AclVerdict::kCommand ? "command" : e.reason == AclVerdict::kKey ? "key" : "channel");
      c.reply.bulk("context"); c.reply.bulk(e.context);
      c.reply.bulk("object"); c.reply.bulk(e.auth ? "AUTH" : e.object);
      c.reply.bulk("username"); c.reply.bulk(e.username);
      c.reply.bulk("age-seconds"); c.reply.number(static_cast<double>(c.ks.now_ms() - e.created_ms) / 1000);
      c.reply.bulk("client-info"); c.reply.bulk(e.client);
    }
  }
}
const HandlerEntry kCommands[] = {{"acl", cmd_acl}};
}  // namespace
std::span<const HandlerEntry> acl_commands() { return kCommands; }
}  // namespace stele::keyspace

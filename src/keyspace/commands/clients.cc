// Connections: AUTH, HELLO, PING, QUIT, RESET and CLIENT.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

std::string Keyspace::client_line(const Session& s) const {
  std::string flags;
  if (s.monitor) flags += 'O';
  if (s.pubsub()) flags += 'P';
  if (s.in_multi) flags += 'x';
  if (s.blocked()) flags += 'b';
  if (s.tracking.on) {
    flags += 't';
    if (s.tracking.broken) flags += 'R';
    if (s.tracking.bcast) flags += 'B';
  }
  if (s.dirty_cas) flags += 'd';
  if (s.close_asked) flags += 'c';
  if (s.no_evict) flags += 'e';
  if (flags.empty()) flags = "N";
  size_t in = s.host ? s.host->input_bytes(s) : 0, cap = s.host ? s.host->input_capacity(s) : 0, out = s.host ? s.host->output_bytes(s) : 0;
  std::string cmd = s.last_command != nullptr ? s.last_command->name : "NULL";
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs={} rbp={} obl={} oll={} omem={} tot-mem={} events={} cmd={} user={} redir={} resp={}",
      s.id, s.address, s.local_address, s.fd, s.name, (now_ms_ - s.created_ms) / 1000, (now_ms_ - s.last_active_ms) / 1000, flags, s.db, s.channels.size(), s.patterns.size(),
      s.shard_channels.size(), s.in_multi ? static_cast<int64_t>(s.queued.size()) : -1, in, cap > in ? cap - in : 0, &s == current ? 10 : 0, s.multi_bytes, 1024, 0, out < 16384 ? out : 0, out < 16384 ? 0 : 1 + out / 16384,
      out < 16384 ? 0 : out, cap + out + s.multi_bytes + sizeof(Session), "r", cmd, s.user ? s.user->name : "default",
      s.tracking.on ? static_cast<int64_t>(s.tracking.redirect) : -1, s.reply.resp());
}

namespace {

bool authenticate(Call& c, std::string_view user, std::string_view password) {
  Session& s = c.session;
  auto u = c.ks.acl.find(user);
  if (u != nullptr && u->enabled && c.ks.acl.check_password(*u, password)) {
    s.user = u;
    s.authenticated = true;
    return true;
  }
  c.ks.acl_log(s, AclVerdict::kOk, "auth", std::string(user), s.in_multi ? "multi" : "toplevel", true);
  return c.fail("-WRONGPASS invalid username-password pair or user is disabled.");
}
void cmd_auth(Call& c) {
  if (c.argc() > 3) { c.syntax_error(); return; }
  if (c.argc() == 2 && c.ks.acl.default_user->nopass) {
    c.fail("AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?");
    return;
  }
  if (authenticate(c, c.argc() == 2 ? "default" : c[1], c[c.argc() - 1])) c.reply.ok();
}
bool valid_name(Call& c, std::string_view name) {
  for (char ch : name)
    if (ch < '!' || ch > '~') return c.fail("Client names cannot contain spaces, newlines or special characters.");
  return true;
}
void cmd_hello(Call& c) {
  int64_t version = 0;
  size_t i = 1;
  if (c.argc() >= 2) {
    if (!c.get_int(1, &version, "Protocol version is not an integer or out of range")) return;
    if (version < 2 || version > 3) { c.fail("-NOPROTO unsupported protocol version"); return; }
    i = 2;
  }
  std::string_view user, password, name;
  bool auth = false, named = false;
  for (; i < c.argc(); ++i) {
    size_t more = c.argc() - 1 - i;
    if (c.is(i, "auth") && more >= 2) { user = c[i + 1]; password = c[i + 2]; auth = true; i += 2; }
    else if (c.is(i, "setname") && more >= 1) { name = c[++i]; named = true; if (!valid_name(c, name)) return; }
    else { c.fail(fmt::format("Syntax error in HELLO option '{}'", c[i])); return; }
  }
  if (auth && !authenticate(c, user, password)) return;
  Session& s = c.session;
  if (!s.authenticated && !(s.user->nopass && s.user->enabled)) {
    c.fail("-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time");
    return;
  }
  if (named) s.name = name;
  if (version) s.reply.set_resp(static_cast<int>(version));
  c.reply.map(7);
  c.reply.bulk("server"); c.reply.bulk("redis");
  c.reply.bulk("version"); c.reply.bulk("7.0.15");
  c.reply.bulk("proto"); c.reply.integer(s.reply.resp());
  c.reply.bulk("id"); c.reply.integer(static_cast<int64_t>(s.id));
  c.reply.bulk("mode"); c.reply.bulk("standalone");
  c.reply.bulk("role"); c.reply.bulk("master");
  c.reply.bulk("modules"); c.reply.array(0);
}
void cmd_ping(Call& c) {
  if (c.argc() > 2) { c.fail("wrong number of arguments for 'ping' command"); return; }
  if (c.session.pubsub() && c.reply.resp() == 2) {
    c.reply.array(2);
    c.reply.bulk("pong");
    c.reply.bulk(c.argc() == 2 ? c[1] : "");
  } else if (c.argc() == 1) {
    c.reply.simple("PONG");
  } else {
    c.reply.bulk(c[1]);
  }
}
void cmd_echo(Call& c) { c.reply.bulk(c[1]); }
void cmd_quit(Call& c) { c.reply.ok(); c.session.close_asked = true; }
void cmd_reset(Call& c) {
  c.ks.reset_session(c.session);
  c.reply.simple("RESET");
}

// Type filter of CLIENT LIST and KILL: normal, master, replica, pubsub. -1: unknown.
int client_type(std::string_view t) {
  if (iequals(t, "normal")) return 0;
  if (iequals(t, "replica") || iequals(t, "slave")) return 1;
  if (iequals(t, "pubsub")) return 2;
  if (iequals(t, "master")) return 3;
  return -1;
}
int type_of(const Session& s) { return s.monitor ? 1 : s.pubsub() ? 2 : 0; }

void kill(Call& c) {
  if (c.argc() == 3) {
    for (Session* s : c.ks.sessions)
      if (s->address == c[2]) {
        c.reply.ok();
        c.ks.kill(*s);
        return;
      }
    c.fail("No such client");
    return;
  }
  uint64_t id = 0;
  int type = -1;
  std::string_view addr, laddr, user;
  bool skip_me = true, has_user = false;
  for (size_t i = 2; i < c.argc(); i += 2) {
    if (i + 1 >= c.argc()) { c.syntax_error(); return; }
    if (c.is(i, "id")) {
      int64_t v;
      if (!c.get_int_range(i + 1, 1, INT64_MAX, &v, "client-id should be greater than 0")) return;
      id = static_cast<uint64_t>(v);
    } else if (c.is(i, "type")) {
      type = client_type(c[i + 1]);
      if (type < 0) { c.fail(fmt::format("Unknown client type '{}'", c[i + 1])); return; }
    } else if (c.is(i, "addr")) addr = c[i + 1];
    else if (c.is(i, "laddr")) laddr = c[i + 1];
    else if (c.is(i, "user")) {
      user = c[i + 1];
      has_user = true;
      if (c.ks.acl.find(user) == nullptr) { c.fail(fmt::format("No such user '{}'", user)); return; }
    } else if (c.is(i, "skipme")) {
      if (c.is(i + 1, "yes")) skip_me = true;
      else if (c.is(i + 1, "no")) skip_me = false;
      else { c.syntax_error(); return; }
    } else { c.syntax_error(); return; }
  }
  std::vector<Session*> ends;
  for (Session* s : c.ks.sessions) {
    if (!addr.empty() && s->address != addr) continue;
    if (!laddr.empty() && s->local_address != laddr) continue;
    if (type >= 0 && type_of(*s) != type) continue;
    if (id != 0 && s->id != id) continue;
    if (has_user && s->user->name != user) continue;
    if (s == &c.session && skip_me) continue;
    ends.push_back(s);
  }
  for (Session* s : ends) c.ks.kill(*s);
  c.reply.integer(static_cast<int64_t>(ends.size()));
}

void tracking(Call& c) {
  Session& s = c.session;
  Tracking t;
  for (size_t i = 3; i < c.argc(); ++i) {
    bool more = i + 1 < c.argc();
    if (c.is(i, "redirect") && more) {
      int64_t id;
      if (t.redirect != 0) { c.fail("A client can only redirect to a single other client"); return; }
      if (!c.get_int(++i, &id)) return;
      if (!c.ks.session_by_id.contains(static_cast<uint64_t>(id))) { c.fail("The client ID you want redirect to does not exist"); return; }
      t.redirect = static_cast<uint64_t>(id);
    } else if (c.is(i, "bcast")) t.bcast = true;
    else if (c.is(i, "optin")) t.optin = true;
    else if (c.is(i, "optout")) t.optout = true;
    else if (c.is(i, "noloop")) t.noloop = true;
    else if (c.is(i, "prefix") && more) t.prefixes.emplace_back(c[++i]);
    else { c.syntax_error(); return; }
  }
  if (c.is(2, "on")) {
    if (!t.bcast && !t.prefixes.empty()) { c.fail("PREFIX option requires BCAST mode to be enabled"); return; }
    if (s.tracking.on && s.tracking.bcast != t.bcast) { c.fail("You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."); return; }
    if (t.bcast && (t.optin || t.optout)) { c.fail("OPTIN and OPTOUT are not compatible with BCAST"); return; }
    if (t.optin && t.optout) { c.fail("You can't specify both OPTIN mode and OPTOUT mode"); return; }
    if ((t.optin && s.tracking.optout) || (t.optout && s.tracking.optin)) { c.fail("You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."); return; }
    if (t.bcast) {
      auto overlap = [](const std::string& a, const std::string& b) { size_t n = std::min(a.size(), b.size()); return a.substr(0, n) == b.substr(0, n); };
      for (size_t i = 0; i < t.prefixes.size(); ++i) {
        for (auto& old : s.tracking.prefixes)
          if (overlap(old, t.prefixes[i]) ) { c.fail(fmt::format("Prefix '{}' overlaps with an existing prefix '{}'. Prefixes for a single client must not overlap.", t.prefixes[i], old)); return; }
        for (size_t k = i + 1; k < t.prefixes.size(); ++k)
          if (overlap(t.prefixes[i], t.prefixes[k])) { c.fail(fmt::format("Prefix '{}' overlaps with another provided prefix '{}'. Prefixes for a single client must not overlap.", t.prefixes[i], t.prefixes[k])); return; }
      }
      if (t.prefixes.empty() && !s.tracking.on) t.prefixes.push_back("");
      for (auto& p : t.prefixes) c.ks.tracking_prefixes[p].insert(s.id);
      t.prefixes.insert(t.prefixes.end(), s.tracking.prefixes.begin(), s.tracking.prefixes.end());
    }
    if (!s.tracking.on) ++c.ks.tracking_clients;
    t.on = true;
    s.tracking = t;
  } else if (c.is(2, "off")) {
    c.ks.tracking_disable(s);
  } else { c.syntax_error(); return; }
  c.reply.ok();
}

void cmd_client(Call& c) {
  Session& s = c.session;
  if (c.is(1, "help")) {
    static const char* const lines[] = {"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "CACHING (YES|NO)", "GETNAME", "GETREDIR", "ID", "INFO", "KILL <ip:port>|<option> <value> ...", "LIST [options ...]", "NO-EVICT (ON|OFF)",
                                        "PAUSE <timeout> [WRITE|ALL]", "REPLY (ON|OFF|SKIP)", "SETNAME <name>", "TRACKING (ON|OFF) [options ...]", "TRACKINGINFO", "UNBLOCK <clientid> [TIMEOUT|ERROR]", "UNPAUSE", "HELP"};
    c.reply.array(std::size(lines));
    for (auto l : lines) c.reply.simple(l);
  } else if (c.is(1, "id")) {
    c.reply.integer(static_cast<int64_t>(s.id));
  } else if (c.is(1, "info")) {
    c.reply.verbatim(c.ks.client_line(s) + "\n");
  } else if (c.is(1, "list")) {
    std::string out;
    int type = -1;
    std::vector<uint64_t> ids;
    bool by_id = false;
    if (c.argc() == 4 && c.is(2, "type")) {
      type = client_type(c[3]);
      if (type < 0) { c.fail(fmt::format("Unknown client type '{}'", c[3])); return; }
    } else if (c.argc() > 3 && c.is(2, "id")) {
      by_id = true;
      for (size_t i = 3; i < c.argc(); ++i) {
        int64_t v;
        if (!c.get_int_range(i, INT64_MIN, INT64_MAX, &v, "Invalid client ID")) return;
        ids.push_back(static_cast<uint64_t>(v));
      }
    } else if (c.argc() != 2) { c.syntax_error(); return; }
    if (by_id) {
      for (uint64_t id : ids)
        if (auto it = c.ks.session_by_id.find(id); it != c.ks.session_by_id.end()) out += c.ks.client_line(*it->second) + "\n";
    } else {
      for (Session* x : c.ks.sessions)
        if (type < 0 || type_of(*x) == type) out += c.ks.client_line(*x) + "\n";
    }
    c.reply.verbatim(out);
  } else if (c.is(1, "reply")) {
    if (c.is(2, "on")) { s.reply_off = s.reply_skip = false; c.reply.ok(); }
    else if (c.is(2, "off")) s.reply_off = true;
    else if (c.is(2, "skip")) { if (!s.reply_off) s.reply_skip_next = true; }
    else c.syntax_error();
  } else if (c.is(1, "no-evict")) {
    if (c.is(2, "on")) s.no_evict = true;
    else if (c.is(2, "off")) s.no_evict = false;
    else { c.syntax_error(); return; }
    c.reply.ok();
  } else if (c.is(1, "kill")) {
    kill(c);
  } else if (c.is(1, "unblock")) {
    bool error = false;
    int64_t id;
    if (c.argc() == 4) {
      if (c.is(3, "error")) error = true;
      else if (!c.is(3, "timeout")) { c.fail("CLIENT UNBLOCK reason should be TIMEOUT or ERROR"); return; }
    }
    if (!c.get_int(2, &id)) return;
    auto it = c.ks.session_by_id.find(static_cast<uint64_t>(id));
    if (it == c.ks.session_by_id.end() || !it->second->blocked()) { c.reply.integer(0); return; }
    if (error) c.ks.unblock_with_error(*it->second);
    else { c.ks.reply_timeout(*it->second); c.ks.unblock(*it->second); }
    c.reply.integer(1);
  } else if (c.is(1, "setname")) {
    if (!valid_name(c, c[2])) return;
    s.name = c[2];
    c.reply.ok();
  } else if (c.is(1, "getname")) {
    if (s.name.empty()) c.reply.null();
    else c.reply.bulk(s.name);
  } else if (c.is(1, "pause")) {
    bool writes = false;
    if (c.argc() == 4) {
      if (c.is(3, "write")) writes = true;
      else if (!c.is(3, "all")) { c.fail("CLIENT PAUSE mode must be WRITE or ALL"); return; }
    }
    int64_t ms;
    if (!parse_i64(c[2], &ms)) { c.fail("timeout is not an integer or out of range"); return; }
    if (ms < 0) { c.fail("timeout is negative"); return; }
    c.ks.pause_clients(writes, c.ks.now_ms() + ms);
    c.reply.ok();
  } else if (c.is(1, "unpause")) {
    c.ks.unpause_clients();
    c.reply.ok();
  } else if (c.is(1, "tracking")) {
    tracking(c);
  } else if (c.is(1, "caching")) {
    if (!s.tracking.on) { c.fail("CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"); return; }
    if (c.is(2, "yes")) {
      if (!s.tracking.optin) { c.fail("CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."); return; }
    } else if (c.is(2, "no")) {
      if (!s.tracking.optout) { c.fail("CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."); return; }
    } else { c.syntax_error(); return; }
    s.tracking.caching = s.tracking.caching_set = true;
    c.reply.ok();
  } else if (c.is(1, "getredir")) {
    c.reply.integer(s.tracking.on ? static_cast<int64_t>(s.tracking.redirect) : -1);
  } else if (c.is(1, "trackinginfo")) {
    c.reply.map(3);
    c.reply.bulk("flags");
    std::vector<const char*> flags;
    const Tracking& t = s.tracking;
    flags.push_back(t.on ? "on" : "off");
    if (t.bcast) flags.push_back("bcast");
    if (t.optin) { flags.push_back("optin"); if (t.caching) flags.push_back("caching-yes"); }
    if (t.optout) { flags.push_back("optout"); if (t.caching) flags.push_back("caching-no"); }
    if (t.noloop) flags.push_back("noloop");
    if (t.broken) flags.push_back("broken_redirect");
    c.reply.set(flags.size());
    for (auto* f : flags) c.reply.bulk(f);
    c.reply.bulk("redirect");
    c.reply.integer(t.on ? static_cast<int64_t>(t.redirect) : -1);
    c.reply.bulk("prefixes");
    c.reply.array(t.prefixes.size());
    for (auto& p : t.prefixes) c.reply.bulk(p);
  }
}
const HandlerEntry kConnection[] = {{"auth", cmd_auth}, {"hello", cmd_hello}, {"ping", cmd_ping}, {"echo", cmd_echo}, {"quit", cmd_quit}, {"reset", cmd_reset}};
const HandlerEntry kClient[] = {{"client", cmd_client}};
}  // namespace
std::span<const HandlerEntry> connection_commands() { return kConnection; }
std::span<const HandlerEntry> client_commands() { return kClient; }
}  // namespace stele::keyspace

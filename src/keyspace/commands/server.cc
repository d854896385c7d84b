// Server commands: COMMAND, SLOWLOG, LATENCY, MEMORY, MONITOR, TIME, saving, replication answers.
#include "keyspace/keyspace.h"
#include "keyspace/scripting/engine.h"

namespace stele::keyspace {
namespace {

bool help(Call& c, std::initializer_list<const char*> lines) {
  if (!c.is(1, "help")) return false;
  c.reply.array(lines.size() + 2);
  c.reply.simple(fmt::format("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", upper(c[0])));
  for (auto l : lines) c.reply.simple(l);
  c.reply.simple("HELP");
  return true;
}

void reply_key_spec(Reply& r, const KeySpec& k) {
  r.map(3);
  r.bulk("flags");
  std::vector<std::string> flags;
  key_flag_names(k.flags, &flags);
  r.set(flags.size());
  for (auto& f : flags) r.simple(f);
  r.bulk("begin_search");
  r.map(2);
  r.bulk("type");
  r.bulk(k.begin == 'i' ? "index" : k.begin == 'k' ? "keyword" : "unknown");
  r.bulk("spec");
  if (k.begin == 'i') { r.map(1); r.bulk("index"); r.integer(k.index); }
  else if (k.begin == 'k') { r.map(2); r.bulk("keyword"); r.bulk(k.keyword); r.bulk("startfrom"); r.integer(k.start_from); }
  else r.map(0);
  r.bulk("find_keys");
  r.map(2);
  r.bulk("type");
  r.bulk(k.find == 'r' ? "range" : k.find == 'n' ? "keynum" : "unknown");
  r.bulk("spec");
  if (k.find == 'r') {
    r.map(3);
    r.bulk("lastkey"); r.integer(k.last);
    r.bulk("keystep"); r.integer(k.step);
    r.bulk("limit"); r.integer(k.limit);
  } else if (k.find == 'n') {
    r.map(3);
    r.bulk("keynumidx"); r.integer(k.num_index);
    r.bulk("firstkey"); r.integer(k.first);
    r.bulk("keystep"); r.integer(k.step);
  } else {
    r.map(0);
  }
}
void reply_command(Reply& r, const CommandSpec* s) {
  if (s == nullptr) { r.null_array(); return; }
  r.array(10);
  r.bulk(s->name);
  r.integer(s->arity);
  std::vector<const char*> flags;
  for (int b = 0; b < 20; ++b)
    if (s->flags & ~kCmdMayReplicate & (1u << b)) flags.push_back(command_flag_name(b));
  r.set(flags.size());
  for (auto* f : flags) r.simple(f);
  r.integer(s->first_key);
  r.integer(s->last_key);
  r.integer(s->key_step);
  std::vector<const std::string*> cats;
  for (size_t b = 0; b < acl_categories().size(); ++b)
    if (s->categories & (uint64_t{1} << b)) cats.push_back(&acl_categories()[b]);
  r.set(cats.size());
  for (auto* cat : cats) r.simple("@" + *cat);
  r.set(s->tips.size());
  for (auto& t : s->tips) r.bulk(t);
  r.set(s->keys.size());
  for (auto& k : s->keys) reply_key_spec(r, k);
  s->subcommands.empty() ? r.set(0) : r.array(s->subcommands.size());
  for (auto* sub : s->subcommands) reply_command(r, sub);
}
void reply_docs(Reply& r, const CommandSpec* s) {
  r.bulk(s->name);
  r.map(s->subcommands.empty() ? 3 : 4);
  r.bulk("summary"); r.bulk("");
  r.bulk("since"); r.bulk(s->since);
  r.bulk("group"); r.bulk(s->group);
  if (s->subcommands.empty()) return;
  r.bulk("subcommands");
  r.map(s->subcommands.size());
  for (auto* sub : s->subcommands) reply_docs(r, sub);
}
void cmd_command(Call& c) {
  auto& table = c.ks.commands;
  if (c.argc() == 1) {
    c.reply.array(table.top().size());
    for (auto* s : table.top()) reply_command(c.reply, s);
    return;
  }
  if (help(c, {"COUNT", "DOCS [<command-name> ...]", "GETKEYS <full-command>", "GETKEYSANDFLAGS <full-command>", "INFO [<command-name> ...]", "LIST [FILTERBY ...]"})) return;
  if (c.is(1, "count")) {
    c.reply.integer(static_cast<int64_t>(table.top().size()));
  } else if (c.is(1, "info")) {
    if (c.argc() == 2) {
      c.reply.array(table.top().size());
      for (auto* s : table.top()) reply_command(c.reply, s);
      return;
    }
    c.reply.array(c.argc() - 2);
    for (size_t i = 2; i < c.argc(); ++i) reply_command(c.reply, table.find_full(c[i]));
  } else if (c.is(1, "docs")) {
    if (c.argc() == 2) {
      c.reply.map(table.top().size());
      for (auto* s : table.top()) reply_docs(c.reply, s);
      return;
    }
    size_t mark = c.reply.mark(), n = 0;
    for (size_t i = 2; i < c.argc(); ++i)
      if (auto* s = table.find_full(c[i])) { reply_docs(c.reply, s); ++n; }
    c.reply.insert_map(mark, n);
  } else if (c.is(1, "list")) {
    std::function<bool(const CommandSpec&)> filter = [](const CommandSpec&) { return true; };
    if (c.argc() > 2) {
      if (c.argc() != 5 || !c.is(2, "filterby")) { c.syntax_error(); return; }
      std::string arg(c[4]);
      if (c.is(3, "module")) filter = [](const CommandSpec&) { return false; };
      else if (c.is(3, "aclcat")) {
        uint64_t bit = 0;
        for (size_t b = 0; b < acl_categories().size(); ++b)
          if (iequals(acl_categories()[b], arg)) bit = uint64_t{1} << b;
        filter = [bit](const CommandSpec& s) { return (s.categories & bit) != 0; };
      } else if (c.is(3, "pattern")) filter = [arg](const CommandSpec& s) { return glob_match(arg, s.name, true); };
      else { c.syntax_error(); return; }
    }
    size_t mark = c.reply.mark(), n = 0;
    for (auto& s : table.all()) {
      if (c.argc() == 2 && s->parent != nullptr) continue;
      if (filter(*s)) { c.reply.bulk(s->name); ++n; }
    }
    c.reply.insert_array(mark, n);
  } else {
    bool flags = c.is(1, "getkeysandflags");
    Argv rest = c.argv.subspan(2);
    CommandSpec* s = table.find(rest);
    if (s == nullptr) { c.fail("Invalid command specified"); return; }
    if (s->keys.empty()) { c.fail("The command has no key arguments"); return; }
    if ((s->arity > 0 && static_cast<int>(rest.size()) != s->arity) || static_cast<int>(rest.size()) < -s->arity) { c.fail("Invalid number of arguments specified for command"); return; }
    std::vector<KeyRef> keys;
    if (!table.keys_of(*s, rest, &keys)) { c.fail("Invalid arguments specified for command"); return; }
    if (keys.empty() && !s->is(kCmdNoMandatoryKeys)) { c.fail("Invalid arguments specified for command"); return; }
    c.reply.array(keys.size());
    for (auto& k : keys) {
      if (!flags) { c.reply.bulk(rest[static_cast<size_t>(k.index)]); continue; }
      c.reply.array(2);
      c.reply.bulk(rest[static_cast<size_t>(k.index)]);
      std::vector<std::string> names;
      key_flag_names(k.flags, &names);
      c.reply.set(names.size());
      for (auto& n : names) c.reply.simple(n);
    }
  }
}

void cmd_slowlog(Call& c) {
  if (help(c, {"GET [<count>]", "LEN", "RESET"})) return;
  if (c.is(1, "reset")) { c.ks.slowlog.clear(); c.reply.ok(); return; }
  if (c.is(1, "len")) { c.reply.integer(static_cast<int64_t>(c.ks.slowlog.size())); return; }
  if (c.argc() > 3) { c.fail("unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP."); return; }
  int64_t n = 10;
  if (c.argc() == 3) {
    if (!c.get_int_range(2, -1, INT64_MAX, &n, "count should be greater than or equal to -1")) return;
    if (n == -1) n = static_cast<int64_t>(c.ks.slowlog.size());
  }
  size_t shown = std::min<size_t>(static_cast<size_t>(n), c.ks.slowlog.size());
  c.reply.array(shown);
  for (size_t i = 0; i < shown; ++i) {
    auto& e = c.ks.slowlog[i];
    c.reply.array(6);
    c.reply.integer(e.id);
    c.reply.integer(e.time_s);
    c.reply.integer(e.duration_us);
    c.reply.array(e.argv.size());
    for (auto& a : e.argv) c.reply.bulk(a);
    c.reply.bulk(e.peer);
    c.reply.bulk(e.name);
  }
}

void cmd_latency(Call& c) {
  if (help(c, {"DOCTOR", "GRAPH <event>", "HISTORY <event>", "LATEST", "RESET [<event> ...]", "HISTOGRAM [COMMAND ...]"})) return;
  if (c.is(1, "history")) {
    auto it = c.ks.latency.find(std::string(c[2]));
    if (it == c.ks.latency.end()) { c.reply.array(0); return; }
    c.reply.array(it->second.samples.size());
    for (auto& s : it->second.samples) { c.reply.array(2); c.reply.integer(s.time_s); c.reply.integer(s.ms); }
  } else if (c.is(1, "latest")) {
    c.reply.array(c.ks.latency.size());
    for (auto& [event, series] : c.ks.latency) {
      c.reply.array(4);
      c.reply.bulk(event);
      c.reply.integer(series.samples.back().time_s);
      c.reply.integer(series.samples.back().ms);
      c.reply.integer(series.max_ms);
    }
  } else if (c.is(1, "reset")) {
    int64_t n = 0;
    if (c.argc() == 2) { n = static_cast<int64_t>(c.ks.latency.size()); c.ks.latency.clear(); }
    for (size_t i = 2; i < c.argc(); ++i) n += static_cast<int64_t>(c.ks.latency.erase(std::string(c[i])));
    c.reply.integer(n);
  } else if (c.is(1, "histogram")) {
    std::vector<CommandSpec*> shown;
    auto add = [&](CommandSpec* s) { if (s->latency != nullptr && s->calls > 0) shown.push_back(s); };
    if (c.argc() == 2) for (auto& s : c.ks.commands.all()) add(s.get());
    for (size_t i = 2; i < c.argc(); ++i)
      if (auto* s = c.ks.commands.find_full(c[i])) {
        add(s);
        for (auto* sub : s->subcommands) add(sub);
      }
    c.reply.map(shown.size());
    for (auto* s : shown) {
      c.reply.bulk(s->name);
      c.reply.map(2);
      c.reply.bulk("calls");
      c.reply.integer(static_cast<int64_t>(s->latency->total()));
      c.reply.bulk("histogram_usec");
      auto buckets = s->latency->by_powers_of_two();
      c.reply.map(buckets.size());
      for (auto& [bound, count] : buckets) { c.reply.integer(static_cast<int64_t>(bound)); c.reply.integer(static_cast<int64_t>(count)); }
    }
  } else if (c.is(1, "graph")) {
    auto it = c.ks.latency.find(std::string(c[2]));
    if (it == c.ks.latency.end()) { c.fail(fmt::format("No samples available for event '{}'", c[2])); return; }
    std::string out = fmt::format("{} - high {} ms\n", c[2], it->second.max_ms);
    for (auto& s : it->second.samples) out += fmt::format("{} {} ms\n", s.time_s, s.ms);
    c.reply.verbatim(out);
  } else {
    std::string out = c.ks.config.s.latency_monitor_threshold == 0 ? "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it.\n" : "";
    for (auto& [event, series] : c.ks.latency) out += fmt::format("{}: {} latency spikes, worst {} ms\n", event, series.samples.size(), series.max_ms);
    if (out.empty()) out = "No latency spike was observed so far.\n";
    c.reply.verbatim(out);
  }
}

void cmd_memory(Call& c) {
  if (help(c, {"DOCTOR", "MALLOC-STATS", "PURGE", "STATS", "USAGE <key> [SAMPLES <count>]"})) return;
  if (c.is(1, "usage")) {
    int64_t samples = 5;
    for (size_t i = 3; i < c.argc(); ++i) {
      if (c.is(i, "samples") && i + 1 < c.argc()) {
        if (!c.get_int(++i, &samples)) return;
        if (samples < 0) { c.syntax_error(); return; }
      } else { c.syntax_error(); return; }
    }
    Entry* e = c.ks.lookup_read(c.db, c[2], Keyspace::kNoTouch);
    if (e == nullptr) { c.reply.null(); return; }
    c.reply.integer(static_cast<int64_t>(malloc_usable_size(e) + 8 + e->value.memory_bytes(static_cast<size_t>(samples))));
  } else if (c.is(1, "stats")) {
    std::vector<std::pair<std::string, int64_t>> rows = {{"peak.allocated", static_cast<int64_t>(std::max(c.ks.stats.peak_memory, c.ks.used_memory()))}, {"total.allocated", static_cast<int64_t>(c.ks.used_memory())}, {"startup.allocated", 1000000},
                                                         {"replication.backlog", 0}, {"clients.slaves", 0}, {"clients.normal", 0}, {"cluster.links", 0}, {"aof.buffer", 0}, {"lua.caches", static_cast<int64_t>(c.ks.scripts->memory_bytes())}, {"functions.caches", 0}};
    size_t dbs = 0;
    int64_t keys = 0;
    for (int i = 0; i < c.ks.databases(); ++i) { dbs += c.ks.db(i).dict.size() > 0; keys += static_cast<int64_t>(c.ks.db(i).dict.size()); }
    c.reply.map(rows.size() + dbs + 5);
    for (auto& [k, v] : rows) { c.reply.bulk(k); c.reply.integer(v); }
    for (int i = 0; i < c.ks.databases(); ++i) {
      Database& d = c.ks.db(i);
      if (d.dict.size() == 0) continue;
      c.reply.bulk(fmt::format("db.{}", i));
      c.reply.map(3);
      c.reply.bulk("overhead.hashtable.main"); c.reply.integer(static_cast<int64_t>(d.dict.memory_bytes() + d.dict.size() * 24));
      c.reply.bulk("overhead.hashtable.expires"); c.reply.integer(static_cast<int64_t>(d.expires.memory_bytes() + d.expires.size() * 24));
      c.reply.bulk("overhead.hashtable.slot-to-keys"); c.reply.integer(0);
    }
    c.reply.bulk("overhead.total"); c.reply.integer(1000000);
    c.reply.bulk("keys.count"); c.reply.integer(keys);
    c.reply.bulk("keys.bytes-per-key"); c.reply.integer(keys ? static_cast<int64_t>(g_memory_used) / keys : 0);
    c.reply.bulk("dataset.bytes"); c.reply.integer(static_cast<int64_t>(g_memory_used));
    c.reply.bulk("dataset.percentage"); c.reply.number(100.0 * static_cast<double>(g_memory_used) / static_cast<double>(c.ks.used_memory()));
  } else if (c.is(1, "malloc-stats")) {
    c.reply.verbatim("Stats not supported for the current allocator");
  } else if (c.is(1, "doctor")) {
    constexpr uint64_t kLittle = 5 << 20;
    if (c.ks.used_memory() < kLittle)
      c.reply.verbatim("Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these conditions. "
                       "Please, leave for your mission on Earth and fill it with some data. The new Sam and I will be back to our programming "
                       "as soon as I finished rebooting.\n");
    else c.reply.verbatim("Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n");
  } else {
    c.reply.ok();
  }
}

void cmd_monitor(Call& c) {
  if (c.session.deny_blocking) { c.fail("MONITOR isn't allowed for DENY BLOCKING client"); return; }
  c.session.monitor = true;
  c.ks.monitors.insert(&c.session);
  c.reply.ok();
}
void cmd_time(Call& c) {
  int64_t us = c.ks.now_us();
  c.reply.array(2);
  c.reply.bulk_int(us / 1000000);
  c.reply.bulk_int(us % 1000000);
}
void saved(Call& c) {
  c.ks.stats.last_save_s = c.ks.now_ms() / 1000;
  c.ks.stats.dirty_at_save = c.ks.dirty;
  ++c.ks.stats.saves;
  if (c.ks.background_save) c.ks.background_save(false);
}
void cmd_save(Call& c) { saved(c); c.reply.ok(); }
void cmd_bgsave(Call& c) {
  if (c.argc() > 2 || (c.argc() == 2 && !c.is(1, "schedule"))) { c.syntax_error(); return; }
  saved(c);
  c.reply.simple("Background saving started");
}
void cmd_bgrewriteaof(Call& c) {
  if (c.ks.background_save) c.ks.background_save(true);
  c.reply.simple("Background append only file rewriting started");
}
void cmd_lastsave(Call& c) { c.reply.integer(c.ks.stats.last_save_s); }
void cmd_shutdown(Call& c) {
  bool abort = false, save = false, nosave = false;
  for (size_t i = 1; i < c.argc(); ++i) {
    save |= c.is(i, "save");
    nosave |= c.is(i, "nosave");
    if (c.is(i, "abort")) abort = true;
    else if (!c.is(i, "nosave") && !c.is(i, "save") && !c.is(i, "now") && !c.is(i, "force")) { c.syntax_error(); return; }
  }
  if ((abort && c.argc() > 2) || (save && nosave)) { c.syntax_error(); return; }
  if (abort) { c.fail("No shutdown in progress."); return; }
  if (c.ks.shutdown) c.ks.shutdown();
  c.session.close_asked = true;
}
void cmd_role(Call& c) {
  c.reply.array(3);
  c.reply.bulk("master");
  c.reply.integer(0);
  c.reply.array(0);
}
void cmd_replicaof(Call& c) {
  int64_t port;
  if (c.is(1, "no") && c.is(2, "one")) c.reply.ok();
  else if (!parse_i64(c[2], &port) || port < 0 || port > 65535) c.fail("Invalid master port");
  else c.fail("This server does not follow others as a replica");
}
void cmd_replconf(Call& c) {
  if (c.argc() % 2 == 0) c.syntax_error();
  else c.reply.ok();
}
void cmd_lolwut(Call& c) { c.reply.verbatim("Stele, a stone that carries one text in several scripts.\nRedis ver. 7.0.15\n"); }
void cmd_module(Call& c) {
  if (help(c, {"LIST", "LOAD <path> [<arg> ...]", "UNLOAD <name>"})) return;
  if (c.is(1, "list")) c.reply.array(0);
  else c.fail("MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.");
}
void cmd_cluster(Call& c) { c.fail("This instance has cluster support disabled"); }
void cmd_failover(Call& c) {
  if (c.argc() == 2 && c.is(1, "abort")) c.fail("No failover in progress.");
  else c.fail("FAILOVER requires connected replicas.");
}
// The dispatcher takes it to a worker before it gets here.
void cmd_sql(Call& c) { c.fail("SQL is not available here"); }
const HandlerEntry kCommands[] = {
    {"command", cmd_command}, {"slowlog", cmd_slowlog}, {"latency", cmd_latency}, {"memory", cmd_memory}, {"monitor", cmd_monitor}, {"time", cmd_time},
    {"save", cmd_save}, {"bgsave", cmd_bgsave}, {"bgrewriteaof", cmd_bgrewriteaof}, {"lastsave", cmd_lastsave}, {"shutdown", cmd_shutdown}, {"role", cmd_role},
    {"replicaof", cmd_replicaof}, {"slaveof", cmd_replicaof}, {"replconf", cmd_replconf}, {"lolwut", cmd_lolwut}, {"module", cmd_module},
    {"cluster", cmd_cluster}, {"readonly", cmd_cluster}, {"readwrite", cmd_cluster}, {"asking", cmd_cluster}, {"failover", cmd_failover}, {"stele.sql", cmd_sql}};
}  // namespace
std::span<const HandlerEntry> server_commands() { return kCommands; }
}  // namespace stele::keyspace

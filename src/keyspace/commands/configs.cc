// CONFIG.
#include <fstream>

#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

void get(Call& c) {
  std::map<std::string, std::string> found;
  for (size_t i = 2; i < c.argc(); ++i)
    for (auto& p : c.ks.config.params())
      for (const std::string& name : {p.name, p.alias})
        if (!name.empty() && glob_match(c[i], name, true)) found[name] = p.value;
  c.reply.map(found.size());
  for (auto& [k, v] : found) { c.reply.bulk(k); c.reply.bulk(v); }
}
void set(Call& c) {
  if (c.argc() % 2) { c.fail("wrong number of arguments for 'config|set' command"); return; }
  struct Change { Config::Param* p; std::string name, before; bool changed; };
  std::vector<Change> done;
  auto fail = [&](std::string_view name, const std::string& why) { c.fail(fmt::format("CONFIG SET failed (possibly related to argument '{}') - {}", name, why)); };
  for (size_t i = 2; i < c.argc(); i += 2) {
    Config::Param* p = c.ks.config.find(c[i]);
    if (p == nullptr) { c.fail(fmt::format("Unknown option or number of arguments for CONFIG SET - '{}'", c[i])); return; }
    if (p->immutable) { fail(p->name, "can't set immutable config"); return; }
    if (p->is_protected) { fail(p->name, "can't set protected config"); return; }
    for (auto& d : done)
      if (d.p == p) { fail(c[i], "duplicate parameter"); return; }
    done.push_back({p, std::string(c[i]), p->value, p->changed});
  }
  auto restore = [&](size_t upto) {
    for (size_t k = 0; k < upto; ++k) {
      c.ks.config.set(*done[k].p, done[k].before);
      done[k].p->changed = done[k].changed;
      if (done[k].p->apply) done[k].p->apply(done[k].p->value);
    }
  };
  for (size_t k = 0; k < done.size(); ++k) {
    std::string error = c.ks.config.set(*done[k].p, std::string(c[3 + 2 * k]));
    if (!error.empty()) { restore(k); fail(done[k].name, error); return; }
  }
  for (size_t k = 0; k < done.size(); ++k) {
    if (!done[k].p->apply) continue;
    std::string error = done[k].p->apply(done[k].p->value);
    if (!error.empty()) { restore(done.size()); fail(done[k].name, error); return; }
  }
  for (auto& d : done)
    if (c.ks.option_changed) c.ks.option_changed(d.p->name, d.p->value);
  c.reply.ok();
}
void cmd_config(Call& c) {
  if (c.is(1, "help")) {
    static const char* const lines[] = {"CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "GET <pattern>", "SET <directive> <value>", "RESETSTAT", "REWRITE", "HELP"};
    c.reply.array(std::size(lines));
    for (auto l : lines) c.reply.simple(l);
  } else if (c.is(1, "get")) {
    get(c);
  } else if (c.is(1, "set")) {
    set(c);
  } else if (c.is(1, "resetstat")) {
    Stats fresh;
    Stats& s = c.ks.stats;
    fresh.start_ms = s.start_ms;
    fresh.last_save_s = s.last_save_s;
    fresh.dirty_at_save = s.dirty_at_save;
    fresh.peak_memory = s.peak_memory;
    s = fresh;
    for (auto& spec : c.ks.commands.all()) {
      spec->calls = spec->usec = spec->rejected = spec->failed = 0;
      spec->latency.reset();
    }
    c.reply.ok();
  } else {
    if (c.ks.config_file.empty()) { c.fail("The server is running without a config file"); return; }
    std::ofstream f(c.ks.config_file, std::ios::trunc);
    for (auto& p : c.ks.config.params())
      if (p.changed) f << p.name << " " << (p.value.empty() || p.value.find('#') != std::string::npos ? quoted(p.value) : p.value) << "\n";
    for (auto& [name, u] : c.ks.acl.users) f << "user " << name << " " << c.ks.acl.describe(*u) << "\n";
    if (!f.good()) { c.fail("Rewriting config file: could not write"); return; }
    c.reply.ok();
  }
}
const HandlerEntry kCommands[] = {{"config", cmd_config}};
}  // namespace
std::span<const HandlerEntry> config_commands() { return kCommands; }
}  // namespace stele::keyspace

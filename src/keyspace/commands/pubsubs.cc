// SUBSCRIBE, PUBLISH and PUBSUB.
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

using Names = std::set<std::string, std::less<>>;

void confirm(Call& c, const char* kind, std::string_view name, bool has_name, size_t count) {
  c.reply.push(3);
  c.reply.bulk(kind);
  if (has_name) c.reply.bulk(name);
  else c.reply.null();
  c.reply.integer(static_cast<int64_t>(count));
}
size_t total(Session& s) { return s.channels.size() + s.patterns.size(); }

template <class Table>
void subscribe(Call& c, Names& names, Table& table, const char* kind, bool shard) {
  Session& s = c.session;
  if (s.deny_blocking && s.reply.resp() < 3 && !s.in_exec) {}
  for (size_t i = 1; i < c.argc(); ++i) {
    std::string name(c[i]);
    if (names.insert(name).second) table[name].push_back(&s);
    confirm(c, kind, name, true, shard ? s.shard_channels.size() : total(s));
  }
}
template <class Table>
void unsubscribe(Call& c, Names& names, Table& table, const char* kind, bool shard) {
  Session& s = c.session;
  auto drop = [&](const std::string& name) {
    if (names.erase(name)) {
      auto it = table.find(name);
      std::erase(it->second, &s);
      if (it->second.empty()) table.erase(it);
    }
    confirm(c, kind, name, true, shard ? s.shard_channels.size() : total(s));
  };
  if (c.argc() > 1) {
    for (size_t i = 1; i < c.argc(); ++i) drop(std::string(c[i]));
    return;
  }
  if (names.empty()) { confirm(c, kind, {}, false, shard ? s.shard_channels.size() : total(s)); return; }
  std::vector<std::string> all(names.begin(), names.end());
  for (auto& n : all) drop(n);
}
bool refuse(Call& c) {
  if (!c.session.deny_blocking || c.session.reply.resp() >= 3 || c.session.in_exec) return false;
  return c.session.script ? (c.fail(fmt::format("{} isn't allowed for a DENY BLOCKING client", upper(c.spec->name))), true) : false;
}
void cmd_subscribe(Call& c) { if (!refuse(c)) subscribe(c, c.session.channels, c.ks.channels, "subscribe", false); }
void cmd_psubscribe(Call& c) { if (!refuse(c)) subscribe(c, c.session.patterns, c.ks.patterns, "psubscribe", false); }
void cmd_ssubscribe(Call& c) { if (!refuse(c)) subscribe(c, c.session.shard_channels, c.ks.shard_channels, "ssubscribe", true); }
void cmd_unsubscribe(Call& c) { unsubscribe(c, c.session.channels, c.ks.channels, "unsubscribe", false); }
void cmd_punsubscribe(Call& c) { unsubscribe(c, c.session.patterns, c.ks.patterns, "punsubscribe", false); }
void cmd_sunsubscribe(Call& c) { unsubscribe(c, c.session.shard_channels, c.ks.shard_channels, "sunsubscribe", true); }
void cmd_publish(Call& c) { c.reply.integer(c.ks.publish(c[1], c[2])); }
void cmd_spublish(Call& c) { c.reply.integer(c.ks.publish(c[1], c[2], true)); }

void cmd_pubsub(Call& c) {
  if (c.is(1, "help")) {
    static const char* const lines[] = {"PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "CHANNELS [<pattern>]", "    Active channels matching a pattern (default: all).",
                                        "NUMPAT", "    Number of pattern subscriptions.", "NUMSUB [<channel> ...]", "    Number of subscribers of the channels, patterns aside.",
                                        "SHARDCHANNELS [<pattern>]", "    Active shard channels matching a pattern (default: all).", "SHARDNUMSUB [<shardchannel> ...]", "    Number of subscribers of the shard channels.", "HELP", "    Print this help."};
    c.reply.array(std::size(lines));
    for (auto l : lines) c.reply.simple(l);
    return;
  }
  bool shard = c.is(1, "shardchannels") || c.is(1, "shardnumsub");
  auto& table = shard ? c.ks.shard_channels : c.ks.channels;
  if (c.is(1, "channels") || c.is(1, "shardchannels")) {
    if (c.argc() > 3) { c.fail(fmt::format("unknown subcommand or wrong number of arguments for '{}'. Try PUBSUB HELP.", c[1])); return; }
    size_t mark = c.reply.mark(), n = 0;
    for (auto& [name, list] : table)
      if (c.argc() == 2 || glob_match(c[2], name)) { c.reply.bulk(name); ++n; }
    c.reply.insert_array(mark, n);
  } else if (c.is(1, "numsub") || c.is(1, "shardnumsub")) {
    c.reply.array((c.argc() - 2) * 2);
    for (size_t i = 2; i < c.argc(); ++i) {
      auto it = table.find(c[i]);
      c.reply.bulk(c[i]);
      c.reply.integer(it == table.end() ? 0 : static_cast<int64_t>(it->second.size()));
    }
  } else {
    c.reply.integer(static_cast<int64_t>(c.ks.patterns.size()));
  }
}
const HandlerEntry kCommands[] = {{"subscribe", cmd_subscribe}, {"psubscribe", cmd_psubscribe}, {"ssubscribe", cmd_ssubscribe},
                                  {"unsubscribe", cmd_unsubscribe}, {"punsubscribe", cmd_punsubscribe}, {"sunsubscribe", cmd_sunsubscribe},
                                  {"publish", cmd_publish}, {"spublish", cmd_spublish}, {"pubsub", cmd_pubsub}};
}  // namespace
std::span<const HandlerEntry> pubsub_commands() { return kCommands; }
}  // namespace stele::keyspace

#include "keyspace/command.h"

#include <charconv>

#include "base/error.h"
#include "keyspace/hash_table.h"
#include "keyspace/util.h"

namespace stele::keyspace {
namespace {

const char* const kTable =
#include "keyspace/commands/table.inc"
    ;

const char* const kFlagNames[] = {"write", "readonly", "denyoom", "admin", "pubsub", "noscript", "blocking",
                                  "loading", "stale", "skip_monitor", "skip_slowlog", "asking", "fast", "no_auth",
                                  "may_replicate", "no_async_loading", "no_multi", "movablekeys", "allow_busy", "no_mandatory_keys"};
const std::pair<const char*, uint32_t> kKeyFlagNames[] = {
    {"RO", kKeyRO}, {"RW", kKeyRW}, {"OW", kKeyOW}, {"RM", kKeyRM}, {"access", kKeyAccess}, {"update", kKeyUpdate},
    {"insert", kKeyInsert}, {"delete", kKeyDelete}, {"not_key", kKeyNotKey}, {"incomplete", kKeyIncomplete}, {"variable_flags", kKeyVariable}};

std::vector<std::string_view> split(std::string_view s, char by) {
  std::vector<std::string_view> out;
  while (true) {
    size_t at = s.find(by);
    out.push_back(s.substr(0, at));
    if (at == std::string_view::npos) return out;
    s = s.substr(at + 1);
  }
}
int number(std::string_view s) {
  int v = 0;
  std::from_chars(s.data(), s.data() + s.size(), v);
  return v;
}
KeySpec parse_key_spec(std::string_view text) {
  KeySpec k;
  auto parts = split(text, ';');
  for (auto f : split(parts[0], '+'))
    for (auto& [name, bit] : kKeyFlagNames)
      if (f == name) k.flags |= bit;
  k.begin = parts[1][0];
  if (k.begin == 'i') k.index = number(parts[1].substr(1));
  if (k.begin == 'k') {
    auto at = parts[1].find('@');
    k.keyword = parts[1].substr(1, at - 1);
    k.start_from = number(parts[1].substr(at + 1));
  }
  k.find = parts[2][0];
  if (k.find != 'u') {
    auto n = split(parts[2].substr(1), '/');
    if (k.find == 'r') { k.last = number(n[0]); k.step = number(n[1]); k.limit = number(n[2]); }
    else { k.num_index = number(n[0]); k.first = number(n[1]); k.step = number(n[2]); }
  }
  return k;
}

// Writes that name one key and replay to the same result as they stand (or rewrite themselves).
const char* const kSimple =
    "set setnx getset append incr decr incrby decrby setrange setbit getdel lpush rpush lpushx rpushx lpop rpop lset ltrim "
    "lrem linsert sadd srem spop hset hsetnx hmset hdel hincrby zadd zrem zincrby zremrangebyrank zremrangebyscore "
    "zremrangebylex zpopmin zpopmax xadd xdel xtrim xsetid persist pexpireat expire pexpire expireat setex psetex getex "
    "pfadd bitfield geoadd xack blpop brpop bzpopmin bzpopmax lmove rpoplpush blmove brpoplpush xreadgroup xclaim xautoclaim restore "
    "xgroup|create xgroup|setid xgroup|destroy xgroup|createconsumer xgroup|delconsumer flushall flushdb "
    "function|load function|delete function|flush function|restore ";

// Readers by their flags that may write or reach other servers all the same. Redis knows it by a flag that COMMAND INFO,
// from which the table is, does not show.
const char* const kMayReplicate = " eval evalsha fcall pfcount publish spublish ";

}  // namespace

const std::vector<std::string>& acl_categories() {
  static const std::vector<std::string> names = {"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo",
                                                 "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"};
  return names;
}
const char* command_flag_name(int bit) { return bit < 20 ? kFlagNames[bit] : nullptr; }
const char* key_flag_names(uint32_t flags, std::vector<std::string>* out) {
  for (auto& [name, bit] : kKeyFlagNames)
    if (flags & bit) out->push_back(name);
  return nullptr;
}

size_t CommandTable::Hash::operator()(std::string_view s) const { return hash_key(s); }

CommandTable::CommandTable() {
  for (auto line : split(kTable, '\n')) {
    if (line.empty()) continue;
    auto f = split(line, ' ');
    STELE_CHECK(f.size() == 11);
    auto c = std::make_unique<CommandSpec>();
    c->name = f[0];
    c->arity = number(f[1]);
    for (auto flag : split(f[2], ','))
      for (int b = 0; b < 20; ++b)
        if (flag == kFlagNames[b]) c->flags |= 1u << b;
    if (std::string_view(kMayReplicate).find(" " + c->name + " ") != std::string_view::npos) c->flags |= kCmdMayReplicate;
    c->first_key = number(f[3]);
    c->last_key = number(f[4]);
    c->key_step = number(f[5]);
    for (auto cat : split(f[6], ','))
      for (size_t b = 0; b < acl_categories().size(); ++b)
        if (cat == acl_categories()[b]) c->categories |= uint64_t{1} << b;
    if (f[7] != "-")
      for (auto t : split(f[7], ',')) c->tips.emplace_back(t);
    if (f[8] != "-")
      for (auto k : split(f[8], '|')) c->keys.push_back(parse_key_spec(k));
    c->group = f[9];
    c->since = f[10];
    c->id = static_cast<int>(all_.size());
    c->simple_write = std::string_view(kSimple).find(c->name + " ") != std::string_view::npos &&
                      (" " + std::string(kSimple)).find(" " + c->name + " ") != std::string::npos;
    if (auto bar = c->name.find('|'); bar != std::string::npos) {
      c->parent = by_name_.at(c->name.substr(0, bar));
      c->parent->subcommands.push_back(c.get());
    } else {
      top_.push_back(c.get());
    }
    by_name_[c->name] = c.get();
    all_.push_back(std::move(c));
  }
  for (auto group : {string_commands(), bit_commands(), hll_commands(), list_commands(), set_commands(), hash_commands(),
                     zset_commands(), zset_range_commands(), geo_commands(), stream_commands(), stream_group_commands(), generic_commands(),
                     scan_commands(), sort_commands(), dump_commands(), pubsub_commands(), multi_commands(), script_commands(),
                     function_commands(), connection_commands(), client_commands(), acl_commands(), server_commands(),
                     info_commands(), config_commands(), debug_commands()})
    for (auto& h : group) {
      auto it = by_name_.find(std::string_view(h.name));
      if (it == by_name_.end()) {  // our own: STELE.SQL
        auto c = std::make_unique<CommandSpec>();
        c->name = h.name;
        c->arity = -2;
        c->flags = kCmdNoScript;
        c->group = "server";
        c->since = "7.0.0";
        c->categories = uint64_t{1} << 13 | uint64_t{1} << 15 | uint64_t{1} << 17;
        c->id = static_cast<int>(all_.size());
        top_.push_back(c.get());
        by_name_[c->name] = c.get();
        all_.push_back(std::move(c));
        it = by_name_.find(std::string_view(h.name));
      }
      it->second->handler = h.handler;
    }
  // A handler of a container serves its subcommands.
  for (auto& c : all_)
    if (c->parent != nullptr && c->handler == nullptr) c->handler = c->parent->handler;
}

CommandSpec* CommandTable::find(std::string_view name) {
  char buf[64];
  if (name.size() > sizeof buf) return nullptr;
  for (size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    if (c == '|') return nullptr;
    buf[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  auto it = by_name_.find(std::string_view(buf, name.size()));
  return it == by_name_.end() ? nullptr : it->second;
}
CommandSpec* CommandTable::find(Argv argv) {
  CommandSpec* c = find(argv[0]);
  if (c == nullptr || c->subcommands.empty() || argv.size() < 2) return c;
  for (CommandSpec* s : c->subcommands)
    if (iequals(s->sub_name(), argv[1])) return s;
  return nullptr;
}
CommandSpec* CommandTable::find_full(std::string_view name) {
  auto it = by_name_.find(lower(name));
  return it == by_name_.end() ? nullptr : it->second;
}

bool CommandTable::keys_of(const CommandSpec& c, Argv argv, std::vector<KeyRef>* out, bool with_channels) const {
  int argc = static_cast<int>(argv.size());
  if (with_channels) {
    int first = 1, last = argc - 1;
    if (c.name == "publish" || c.name == "spublish") last = 1;
    else if (c.name != "subscribe" && c.name != "ssubscribe" && c.name != "psubscribe" && c.name != "unsubscribe" && c.name != "sunsubscribe" && c.name != "punsubscribe") first = argc;
    for (int i = first; i <= last; ++i) out->push_back({i, kKeyChannel | kKeyNotKey});
    if (first < argc) return true;
  }
  for (auto& k : c.keys) {
    int first = 0;
    uint32_t flags = k.flags;
    if (k.begin == 'i') {
      first = k.index;
    } else if (k.begin == 'k') {
      int from = k.start_from > 0 ? k.start_from : argc + k.start_from, end = k.start_from > 0 ? argc - 1 : 1;
      int step = k.start_from > 0 ? 1 : -1;
      for (int i = from; i != end + (step > 0 ? 0 : 0) && i > 0 && i < argc; i += step)
        if (iequals(argv[static_cast<size_t>(i)], k.keyword)) { first = i + 1; break; }
      if (first == 0) continue;
      if (c.name == "migrate" && argc > 3 && !argv[3].empty()) return false;
    } else if (c.name == "sort") {
      if (flags & kKeyOW)
        for (int i = 2; i < argc; ++i) {
          auto a = argv[static_cast<size_t>(i)];
          if (iequals(a, "limit")) i += 2;
          else if (iequals(a, "get") || iequals(a, "by")) i += 1;
          else if (iequals(a, "store") && i + 1 < argc) { first = i + 1; }
        }
      if (first != 0) out->push_back({first, kKeyOW | kKeyUpdate});
      continue;
    } else {
      continue;
    }
    if (k.find == 'r') {
      int last = k.last >= 0 ? first + k.last : argc + k.last;
      if (k.last < 0 && k.limit > 1 && k.last == -1) last = first + (argc - first) / k.limit - 1;
      if (c.name == "xread" || c.name == "xreadgroup") last = first + (argc - first) / 2 - 1;
      int step = c.name == "xread" || c.name == "xreadgroup" ? 1 : std::max(1, k.step);
      if (k.flags & kKeyVariable) {
        bool get = false;
        if (c.name == "set")
          for (int i = 3; i < argc; ++i) get |= iequals(argv[static_cast<size_t>(i)], "get");
        if (c.name == "set") flags = get ? kKeyRW | kKeyAccess | kKeyUpdate : kKeyOW | kKeyUpdate;
        if (c.name == "bitfield") {
          bool write = false;
          for (int i = 2; i < argc; ++i) write |= iequals(argv[static_cast<size_t>(i)], "set") || iequals(argv[static_cast<size_t>(i)], "incrby");
          flags = write ? kKeyRW | kKeyAccess | kKeyUpdate : kKeyRO | kKeyAccess;
        }
      }
      for (int i = first; i <= last; i += step) {
        if (i >= argc || i <= 0) {
          if (c.arity > 0 || static_cast<int>(argv.size()) < -c.arity) return false;
          break;
        }
        if (c.name == "migrate" && argv[static_cast<size_t>(i)].empty()) continue;
        out->push_back({i, flags});
      }
    } else if (k.find == 'n') {
      int at = first + k.num_index;
      int64_t n;
      if (at >= argc || !parse_i64(argv[static_cast<size_t>(at)], &n) || n < 0) return false;
      if (n > argc - (first + k.first)) return false;
      for (int64_t i = 0; i < n; ++i) out->push_back({first + k.first + static_cast<int>(i) * std::max(1, k.step), flags});
    }
  }
  return true;
}

}  // namespace stele::keyspace

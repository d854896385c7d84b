// DEBUG, as tools and test suites use it.
#include <unistd.h>

#include "base/codec.h"
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

// Writes every value out and reads it back, as a restart would.
void reload(Call& c) {
  for (int i = 0; i < c.ks.databases(); ++i) {
    Database& d = c.ks.db(i);
    std::vector<Entry*> expired;
    d.dict.for_each([&](Entry* e) { if (c.ks.is_expired(d, e)) expired.push_back(e); });
    for (Entry* e : expired) c.ks.remove_entry(d, e);
    std::vector<Entry*> all;
    d.dict.for_each([&](Entry* e) { all.push_back(e); });
    for (Entry* e : all) {
      if (e->value.enc() == Enc::kCold) continue;
      std::string payload = dump_value(e->value);
      Object fresh;
      if (!restore_value(c.ks, payload, &fresh, false)) { c.fail("Error trying to load the RDB dump, check server logs."); return; }
      uint32_t access = e->value.lru();
      e->value = std::move(fresh);
      e->value.set_lru(access);
    }
  }
  c.reply.ok();
}

void cmd_debug(Call& c) {
  if (c.is(1, "help")) {
    static const char* const lines[] = {"DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "CHANGE-REPL-ID", "DIGEST", "DIGEST-VALUE <key> [<key> ...]", "ERROR <string>", "HTSTATS <dbid>", "HTSTATS-KEY <key>", "LISTPACK <key>", "LOADAOF", "LOG <message>",
                                        "OBJECT <key>", "POPULATE <count> [<prefix>] [<size>]", "PROTOCOL <type>", "QUICKLIST-PACKED-THRESHOLD <size>", "RELOAD", "SET-ACTIVE-EXPIRE <0|1>", "SLEEP <seconds>", "STRINGMATCH-LEN <count> <pattern>", "STRUCTSIZE", "HELP"};
    c.reply.array(std::size(lines));
    for (auto l : lines) c.reply.simple(l);
    return;
  }
  if (c.is(1, "sleep") && c.argc() == 3) {
    double seconds = std::strtod(std::string(c[2]).c_str(), nullptr);
    usleep(static_cast<useconds_t>(seconds * 1e6));
    c.reply.ok();
  } else if (c.is(1, "set-active-expire") && c.argc() == 3) {
    c.ks.active_expire_on = c[2] != "0";
    c.reply.ok();
  } else if (c.is(1, "digest") && c.argc() == 2) {
    c.reply.simple(digest_hex(c.ks));
  } else if (c.is(1, "digest-value") && c.argc() >= 2) {
    c.reply.array(c.argc() - 2);
    for (size_t i = 2; i < c.argc(); ++i) {
      Entry* e = c.ks.lookup_read(c.db, c[i], Keyspace::kNoTouch | Keyspace::kNoStats);
      c.reply.simple(digest_value_hex(c.ks, c.db, e));
    }
  } else if (c.is(1, "object") && c.argc() == 3) {
    Entry* e = c.db.dict.find(c[2]);
    if (e == nullptr) { c.fail("no such key"); return; }
    std::string extra;
    if (e->value.enc() == Enc::kQuicklist) {
      auto& l = e->value.list();
      extra = fmt::format(" ql_nodes:{} ql_avg_node:{:.2f} ql_listpack_max:{} ql_compressed:0 ql_uncompressed_size:{}", l.nodes(), l.nodes() ? static_cast<double>(l.size()) / l.nodes() : 0.0, c.ks.config.s.list_max_listpack_size, l.memory_bytes());
    }
    c.reply.simple(fmt::format("Value at:0x{:x} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}{}", reinterpret_cast<uintptr_t>(e), encoding_name(e->value.enc()), dump_value(e->value).size() - 11, e->value.lru(), c.ks.idle_ms(e->value) / 1000, extra));
  } else if (c.is(1, "listpack") && c.argc() == 3) {
    Entry* e = c.db.dict.find(c[2]);
    if (e == nullptr) { c.fail("no such key"); return; }
    if (e->value.enc() != Enc::kListpack) { c.fail("Not a listpack encoded object."); return; }
    c.reply.simple("Listpack structure printed on stdout");
  } else if (c.is(1, "sdslen") && c.argc() == 3) {
    Entry* e = c.db.dict.find(c[2]);
    if (e == nullptr) { c.fail("no such key"); return; }
    if (e->value.type() != Type::kString || e->value.enc() == Enc::kInt) { c.fail("Not an sds encoded string."); return; }
    const Str* v = e->value.str();
    size_t key = e->key().size();
    c.reply.simple(fmt::format("key_sds_len:{}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{}, val_sds_avail:{}, val_zmalloc: {}", key, malloc_usable_size(e), v->len, v->cap - v->len, v->cap + sizeof(Str)));
  } else if (c.is(1, "reload")) {
    reload(c);
  } else if (c.is(1, "loadaof") && c.argc() == 2) {
    c.reply.ok();
  } else if (c.is(1, "quicklist-packed-threshold") && c.argc() == 3) {
    int64_t n;
    if (!parse_memory(c[2], &n) || n < 0) { c.fail("argument must be a memory value bigger than 1 and smaller than 4gb"); return; }
    g_packed_threshold = n == 0 ? (1 << 30) : static_cast<size_t>(n);
    c.reply.ok();
  } else if (c.is(1, "stringmatch-len") && c.argc() == 4) {
    // The pattern argument is matched against a run of 'a' of the given length.
    int64_t n;
    if (!c.get_int(2, &n)) return;
    glob_match(c[3], std::string(static_cast<size_t>(std::clamp<int64_t>(n, 0, 1 << 24)), 'a'));
    c.reply.ok();
  } else if (c.is(1, "change-repl-id") && c.argc() == 2) {
    c.ks.replid = random_hex(40);
    c.reply.ok();
  } else if (c.is(1, "populate") && c.argc() >= 3) {
    int64_t n, size = 0;
    if (!c.get_positive(2, &n)) return;
    std::string prefix = c.argc() > 3 ? std::string(c[3]) : "key";
    if (c.argc() > 4 && !c.get_positive(4, &size)) return;
    for (int64_t i = 0; i < n; ++i) {
      std::string key = fmt::format("{}:{}", prefix, i);
      if (c.ks.lookup_write(c.db, key) != nullptr) continue;
      std::string value = fmt::format("value:{}", i);
      if (size > 0) value.resize(static_cast<size_t>(size));
      c.ks.add(c.db, key, Object::from_string(value));
      c.ks.touched(&c.session, c.db, key);
      c.ks.propagate_image(c.db, key);
      ++c.ks.dirty;
    }
    c.stop_propagation = true;
    c.reply.ok();
  } else if (c.is(1, "error") && c.argc() == 3) {
    std::string s(c[2]);
    c.reply.error("-" + s);
  } else if (c.is(1, "log")) {
    c.reply.ok();
  } else if (c.is(1, "replicate") || c.is(1, "pause-cron") || c.is(1, "replybuffer") || c.is(1, "set-disable-deny-scripts") ||
             c.is(1, "config-rewrite-force-all") || c.is(1, "drop-cluster-packet-filter") || (c.is(1, "leak") && c.argc() == 3)) {
    c.reply.ok();
  } else if (c.is(1, "structsize")) {
    c.reply.simple(fmt::format("bits:64 robj:{} dictentry:{}", sizeof(Object), sizeof(Entry)));
  } else if (c.is(1, "htstats") && c.argc() >= 3) {
    int64_t n;
    if (!c.get_int(2, &n)) return;
    if (n < 0 || n >= c.ks.databases()) { c.fail("Out of range database"); return; }
    Database& d = c.ks.db(static_cast<int>(n));
    c.reply.verbatim(fmt::format("[Dictionary HT]\nHash table 0 stats (main hash table):\n table size: {}\n number of elements: {}\n[Expires HT]\nHash table 0 stats (main hash table):\n table size: {}\n number of elements: {}\n", d.dict.buckets(), d.dict.size(), d.expires.buckets(), d.expires.size()));
  } else if (c.is(1, "htstats-key") && c.argc() >= 3) {
    Entry* e = c.db.dict.find(c[2]);
    if (e == nullptr) { c.fail("no such key"); return; }
    size_t buckets = 0, n = 0;
    if (e->value.enc() == Enc::kTable && e->value.type() == Type::kSet) { buckets = e->value.set_table().buckets(); n = e->value.set_table().size(); }
    else if (e->value.enc() == Enc::kTable) { buckets = e->value.fields().buckets(); n = e->value.fields().size(); }
    else if (e->value.enc() == Enc::kSkiplist) { buckets = e->value.zset().table.buckets(); n = e->value.zset().size(); }
    else { c.fail("The value stored at the specified key is not represented using an hash table"); return; }
    c.reply.verbatim(fmt::format("Hash table 0 stats (main hash table):\n table size: {}\n number of elements: {}\n", buckets, n));
  } else if (c.is(1, "protocol") && c.argc() == 3) {
    Reply& r = c.reply;
    if (c.is(2, "string")) r.bulk("Hello World");
    else if (c.is(2, "integer")) r.integer(12345);
    else if (c.is(2, "double")) r.number(3.141);
    else if (c.is(2, "null")) r.null();
    else if (c.is(2, "array")) { r.array(3); for (int i = 0; i < 3; ++i) r.integer(i); }
    else if (c.is(2, "set")) { r.set(3); for (int i = 0; i < 3; ++i) r.integer(i); }
    else if (c.is(2, "map")) { r.map(3); for (int i = 0; i < 3; ++i) { r.integer(i); r.boolean(i == 1); } }
    else if (c.is(2, "attrib")) {
      if (r.resp() >= 3) { r.attribute(1); r.bulk("key-popularity"); r.array(2); r.bulk("key:123"); r.integer(90); }
      r.bulk("Some real reply following the attribute");
    } else if (c.is(2, "push")) {
      if (r.resp() < 3) { c.fail("RESP2 is not supported by this command"); return; }
      r.push(2);
      r.bulk("server-cpu-usage");
      r.integer(42);
    } else if (c.is(2, "true")) r.boolean(true);
    else if (c.is(2, "false")) r.boolean(false);
    else if (c.is(2, "verbatim")) r.verbatim("This is a verbatim\nstring");
    else if (c.is(2, "bignum")) r.bignum("1234567999999999999999999999999999999");
    else c.fail("Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
  } else {
    c.fail(fmt::format("unknown subcommand or wrong number of arguments for '{}'. Try DEBUG HELP.", c[1]));
  }
}
const HandlerEntry kCommands[] = {{"debug", cmd_debug}};
}  // namespace
std::span<const HandlerEntry> debug_commands() { return kCommands; }
}  // namespace stele::keyspace

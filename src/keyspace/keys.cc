// Keys: lookup with expiry, insertion, removal, access statistics, change signals.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

int64_t Keyspace::now_us() const { return system_clock().unix_us(); }
void Keyspace::refresh_time() { set_time(system_clock().monotonic_us()); }
// One clock is read for a command; how it relates to the other one is looked up now and then.
void Keyspace::set_time(int64_t monotonic_us) {
  constexpr int64_t kTrustUs = 10000;
  if (monotonic_us - offset_at_us_ > kTrustUs || offset_at_us_ == 0) {
    offset_at_us_ = monotonic_us = system_clock().monotonic_us();
    unix_offset_us_ = system_clock().unix_us() - monotonic_us;
  }
  monotonic_us_ = monotonic_us;
  now_ms_ = (monotonic_us + unix_offset_us_) / 1000;
}

namespace {
// f(table) for a collection's hash table, if it has one.
template <class F>
void with_table(const Object& o, F f) {
  if (o.enc() == Enc::kSkiplist) f(o.zset().table);
  else if (o.enc() != Enc::kTable) return;
  else if (o.type() == Type::kSet) f(o.set_table());
  else f(o.fields());
}
// Which argument names an element, for commands about one of a large collection; 0: none.
size_t element_at(const CommandSpec& spec, Argv argv) {
  if (argv.size() < 3) return 0;
  if (spec.group == "sorted-set") return spec.name == "zadd" ? (argv.size() == 4 ? 3 : 0) : spec.name == "zincrby" ? 3 : 2;
  return spec.group == "hash" || spec.group == "set" ? 2 : 0;
}
}  // namespace

void Keyspace::prefetch(const Session& s, std::span<const Argv> requests) {
  constexpr size_t kMost = 32;
  struct Want { uint64_t hash, element_hash; std::string_view key, element; Object* value; } wanted[kMost];
  size_t n = 0, elements = 0;
  HashTable<Entry>& dict = db(s.db).dict;
  if (dict.size() == 0) return;
  std::string_view name;
  const CommandSpec* spec = nullptr;
  for (Argv r : requests) {
    if (r.size() < 2 || n == kMost) continue;
    if (r[0] != name) {
      name = r[0];
      spec = commands.find(name);
      if (spec != nullptr && spec->first_key != 1) spec = nullptr;
    }
    if (spec == nullptr) continue;
    size_t at = element_at(*spec, r);
    elements += at != 0;
    wanted[n] = {hash_key(r[1]), 0, r[1], at != 0 && at < r.size() ? r[at] : std::string_view(), nullptr};
    dict.prefetch_bucket(wanted[n++].hash);
  }
  for (size_t i = 0; i < n; ++i) dict.prefetch_chain(wanted[i].hash);
  for (size_t i = 0; i < n; ++i) dict.prefetch_behind(wanted[i].hash, [](const Entry*) {});
  for (size_t i = 0; i < n; ++i) {
    Entry* e = dict.find_hashed(wanted[i].key, wanted[i].hash);
    if (e == nullptr || e->value.enc() == Enc::kInt || e->value.enc() == Enc::kCold) continue;
    __builtin_prefetch(e->value.str());
    wanted[i].value = &e->value;
  }
  if (elements == 0) return;
  for (Want& w : std::span(wanted, n)) {
    if (w.value == nullptr || w.element.empty()) continue;
    w.element_hash = hash_key(w.element);
    with_table(*w.value, [&](auto& table) { table.prefetch_bucket(w.element_hash); });
  }
  for (Want& w : std::span(wanted, n))
    if (w.value != nullptr && !w.element.empty()) with_table(*w.value, [&](auto& table) { table.prefetch_chain(w.element_hash); });
  for (Want& w : std::span(wanted, n)) {
    if (w.value == nullptr || w.element.empty()) continue;
    with_table(*w.value, [&](auto& table) {
      table.prefetch_behind(w.element_hash, [](const auto* node) {
        if constexpr (requires { __builtin_prefetch(node->value); }) __builtin_prefetch(node->value);
      });
    });
  }
}
void Keyspace::prefetch_keys(Database& d, Argv argv, size_t from, size_t step) {
  if (d.dict.size() < 4096) return;  // at hand anyway
  uint64_t hashes[kPrefetched];
  size_t n = 0;
  for (size_t i = from; i < argv.size() && n < kPrefetched; i += step) d.dict.prefetch_bucket(hashes[n++] = hash_key(argv[i]));
  for (size_t i = 0; i < n; ++i) d.dict.prefetch_chain(hashes[i]);
  for (size_t i = 0; i < n; ++i)
    d.dict.prefetch_behind(hashes[i], [](const Entry* e) {
      if (e->value.enc() != Enc::kInt) __builtin_prefetch(e->value.str());
    });
}

// ---- access clocks: 24 bits, seconds for LRU; minutes and a logarithmic counter for LFU ----

static uint32_t lfu_minutes(int64_t now_ms) { return static_cast<uint32_t>(now_ms / 60000) & 0xffff; }

void Keyspace::init_access(Object& o) {
  if (lfu_policy(config.s.maxmemory_policy)) o.set_lru(lfu_minutes(now_ms_) << 8 | 5);
  else o.set_lru(lru_clock());
}
uint8_t Keyspace::lfu_counter(const Object& o) const {
  uint32_t then = o.lru() >> 8, now = lfu_minutes(now_ms_);
  uint32_t passed = now >= then ? now - then : 65535 - then + now;
  uint32_t counter = o.lru() & 255;
  uint32_t periods = config.s.lfu_decay_time ? passed / static_cast<uint32_t>(config.s.lfu_decay_time) : 0;
  return static_cast<uint8_t>(periods > counter ? 0 : counter - periods);
}
void Keyspace::touch_access(Object& o) {
  if (!lfu_policy(config.s.maxmemory_policy)) {
    o.set_lru(lru_clock());
    return;
  }
  uint32_t c = lfu_counter(o);
  if (c < 255) {
    double base = c > 5 ? c - 5 : 0;
    double p = 1.0 / (base * static_cast<double>(config.s.lfu_log_factor) + 1);
    if (static_cast<double>(random_u64() >> 11) * 0x1.0p-53 < p) ++c;
  }
  o.set_lru(lfu_minutes(now_ms_) << 8 | c);
}
uint64_t Keyspace::idle_ms(const Object& o) const {
  uint32_t now = lru_clock(), then = o.lru();
  return uint64_t{now >= then ? now - then : now + (0xffffff - then)} * 1000;
}

// ---- lookup ----

int64_t Keyspace::expire_of(Database& d, Entry* e) {
  if (!e->value.has_expire()) return -1;
  ExpireNode* n = d.expires.find(e->key());
  return n == nullptr ? -1 : n->when_ms;
}
bool Keyspace::is_expired(Database& d, Entry* e) {
  if (!e->value.has_expire() || replaying) return false;
  int64_t when = expire_of(d, e);
  return when >= 0 && now_ms_ > when;
}
void Keyspace::expire_now(Database& d, Entry* e) {
  std::string key(e->key());
  if (key_locks.held(d.id, key)) return;  // hidden already; goes when the transaction has ended
  if (keeps_versions && Versions::enabled()) versions.keep(*this, d, key);
  ++stats.expired;
  propagate_delete(d.id, key);
  remove_entry(d, e);
  notify(kNotifyExpired, "expired", key, d.id);
  touched(nullptr, d, key);
}

static Entry* find_live(Keyspace& ks, Database& d, std::string_view key) {
  if (ks.rows_active && ks.rows->owns(d.id, key)) return ks.rows->find(d, key);
  Entry* e = d.dict.find(key);
  if (e != nullptr && e->value.has_expire() && ks.is_expired(d, e)) {
    ks.expire_now(d, e);
    return nullptr;
  }
  if (e != nullptr && e->value.enc() == Enc::kCold) ks.load_value(d, e);
  return e;
}

Entry* Keyspace::lookup_read(Database& d, std::string_view key, int flags) {
  Entry* e = find_live(*this, d, key);
  if (e == nullptr) {
    if (!(flags & kNoNotify)) notify(kNotifyKeyMiss, "keymiss", key, d.id);
    if (!(flags & kNoStats)) ++stats.misses;
    return nullptr;
  }
  if (!(flags & kNoTouch)) touch_access(e->value);
  if (!(flags & kNoStats)) ++stats.hits;
  return e;
}
Entry* Keyspace::lookup_write(Database& d, std::string_view key, int flags) {
  Entry* e = find_live(*this, d, key);
  if (e != nullptr && !(flags & kNoTouch)) touch_access(e->value);
  return e;
}

Entry* Keyspace::add(Database& d, std::string_view key, Object&& value) {
  Entry* e = Entry::make(key, std::move(value));
  init_access(e->value);
  d.dict.insert(e);
  if (e->value.type() == Type::kList || e->value.type() == Type::kZset || e->value.type() == Type::kStream)
    signal_ready(d, key);
  if (notify_flags & kNotifyNew) notify(kNotifyNew, "new", key, d.id);
  return e;
}
void Keyspace::set_key(Database& d, std::string_view key, Object&& value, bool keep_ttl) {
  Entry* e = find_live(*this, d, key);
  if (e == nullptr) {
    add(d, key, std::move(value));
  } else {
    uint32_t access = e->value.lru();
    if (e->value.type() == Type::kStream) signal_ready(d, key);  // who waits as a group's consumer must learn that it is gone
    if (e->value.type() != Type::kString || e->value.free_effort() > 64) {
      Object old = std::move(e->value);
      lazy_free(std::move(old));
    }
    e->value = std::move(value);
    if (lfu_policy(config.s.maxmemory_policy)) e->value.set_lru(access);
    else init_access(e->value);
    if (e->value.type() == Type::kList || e->value.type() == Type::kZset || e->value.type() == Type::kStream)
      signal_ready(d, key);
    if (!keep_ttl) clear_expire(d, e);
  }
}
void Keyspace::lazy_free(Object&& o) {
  if (o.free_effort() > 64) {
    ++lazy_pending;
    lazy_.push_back(std::move(o));
  } else {
    Object dead = std::move(o);
  }
}
void Keyspace::free_some(size_t allocations) {
  while (allocations > 0 && !lazy_.empty()) {
    if (!lazy_.front().shed(&allocations)) return;
    lazy_.pop_front();
    --lazy_pending;
    ++stats.lazyfreed;
    allocations -= allocations > 0;
  }
}
void Keyspace::remove_entry(Database& d, Entry* e) {
  if (sink != nullptr) sink->removing(d, *e);
  if (e->value.enc() == Enc::kCold) --draining.cold_keys;
  clear_expire(d, e);
  d.dict.remove(e->key());
  if (e->value.type() == Type::kStream && !blocked_clients) {
  } else if (e->value.type() == Type::kStream) {
    signal_ready(d, e->key());  // consumers blocked on a group must learn that it is gone
  }
  lazy_free(std::move(e->value));
  e->value.set_key_len(0);
  Entry::destroy(e);
  d.dict.shrink_if_sparse();
}
bool Keyspace::remove(Database& d, std::string_view key) {
  Entry* e = d.dict.find(key);
  if (e == nullptr) return false;
  remove_entry(d, e);
  return true;
}
void Keyspace::set_expire(Database& d, Entry* e, int64_t when_ms) {
  if (e->value.has_expire()) {
    if (ExpireNode* n = d.expires.find(e->key())) {
      n->when_ms = when_ms;
      return;
    }
  }
  auto* n = static_cast<ExpireNode*>(mem_alloc(sizeof(ExpireNode)));
  n->next = nullptr;
  n->entry = e;
  n->when_ms = when_ms;
  d.expires.insert(n);
  e->value.set_has_expire(true);
}
bool Keyspace::clear_expire(Database& d, Entry* e) {
  if (!e->value.has_expire()) return false;
  e->value.set_has_expire(false);
  ExpireNode* n = d.expires.remove(e->key());
  mem_free(n);
  d.expires.shrink_if_sparse();
  return n != nullptr;
}

void Keyspace::touched(Session* s, Database& d, std::string_view key) {
  if (!d.watchers.empty()) {
    auto it = d.watchers.find(key);
    if (it != d.watchers.end())
      for (Session* w : it->second) {
        // A key that was already expired when watched and is removed now has not changed.
        bool stale = false;
        if (d.dict.find(key) == nullptr)
          for (auto& k : w->watched) stale |= k.expired && k.db == d.id && k.key == key;
        if (!stale) w->dirty_cas = true;
      }
  }
  if (applying) {
    if (tracking_clients > 0) outside_events_.push_back({0, nullptr, std::string(key), d.id, true});
  } else if (tracking_clients > 0) {
    tracking_invalidate(s, key, true);
  }
  if (collecting_keys) dirty_keys_round.emplace_back(d.id, key);
  if (sink != nullptr) sink->changed(d, key);
}

static void free_tables(Keyspace& ks, Database& d) {
  d.expires.for_each([](ExpireNode* n) { mem_free(n); });
  d.expires.clear();
  d.dict.for_each([&](Entry* e) {
    if (e->value.enc() == Enc::kCold) --ks.draining.cold_keys;
    ks.lazy_free(std::move(e->value));
    Entry::destroy(e);
  });
  d.dict.clear();
}

void Keyspace::flush_db(Database& d, bool) {
  for (auto& [key, list] : d.watchers)
    for (Session* w : list) {
      bool expired = false;
      for (auto& k : w->watched) expired |= k.expired && k.db == d.id && k.key == key;
      if (d.dict.find(key) != nullptr && !expired) w->dirty_cas = true;
    }
  // Consumers blocked on streams that go away must be told.
  for (auto& [key, list] : d.blocked)
    if (Entry* e = d.dict.find(key); e != nullptr && e->value.type() == Type::kStream) signal_ready(d, key);
  d.avg_ttl = 0;
  // Streams of tables' changes stay.
  std::vector<std::pair<std::string, Object>> kept;
  if (rows_active)
    d.dict.for_each([&](Entry* e) {
      if (!rows->is_change_stream(d.id, e->key())) return;
      if (e->value.enc() == Enc::kCold) load_value(d, e);
      kept.emplace_back(std::string(e->key()), std::move(e->value));
    });
  if (sink != nullptr) sink->flushed(d);
  free_tables(*this, d);
  for (auto& [key, value] : kept) {
    value.set_dirty(false);
    value.set_stored(false);
    add(d, key, std::move(value));
    if (sink != nullptr) sink->changed(d, key);
  }
}

void Keyspace::swap_dbs(int a, int b) {
  Database &x = db(a), &y = db(b);
  auto mark = [&](Database& from, Database& other) {
    for (auto& [key, list] : from.watchers)
      for (Session* w : list)
        for (auto& k : w->watched) {
          if (k.db != from.id || k.key != key) continue;
          Entry *mine = from.dict.find(key), *theirs = other.dict.find(key);
          if (mine == nullptr && theirs == nullptr) continue;
          if (k.expired && theirs == nullptr) continue;
          w->dirty_cas = true;
        }
  };
  mark(x, y);
  mark(y, x);
  if (load_value)
    for (Database* d : {&x, &y})
      d->dict.for_each([&](Entry* e) { if (e->value.enc() == Enc::kCold) load_value(*d, e); });
  // Contents change places; watchers and blocked clients stay with the number.
  auto swap_bytes = [](auto& p, auto& q) {
    alignas(16) char t[sizeof p];
    std::memcpy(t, static_cast<void*>(&p), sizeof p);
    std::memcpy(static_cast<void*>(&p), static_cast<void*>(&q), sizeof p);
    std::memcpy(static_cast<void*>(&q), t, sizeof p);
  };
  swap_bytes(x.dict, y.dict);
  swap_bytes(x.expires, y.expires);
  std::swap(x.avg_ttl, y.avg_ttl);
  // Every key changed its place: both sides are logged and drained anew.
  if (sink != nullptr)
    for (Database* d : {&x, &y}) sink->flushed(*d);
  for (Database* d : {&x, &y}) {
    auto touch = [&](Entry* e) {
      if (collecting_keys) dirty_keys_round.emplace_back(d->id, e->key());
      if (collecting_keys) dirty_keys_round.emplace_back(d == &x ? y.id : x.id, e->key());
      e->value.set_stored(false);
      e->value.set_dirty(false);
      if (sink != nullptr) sink->changed(*d, e->key());
    };
    if (collecting_keys || sink != nullptr) d->dict.for_each(touch);
  }
  for (Database* d : {&x, &y})
    for (auto& [key, list] : d->blocked)
      if (d->dict.find(key) != nullptr) signal_ready(*d, key);
}

// ---- Call helpers ----

bool Call::get_int(size_t i, int64_t* out, std::string_view error) {
  if (parse_i64(argv[i], out)) return true;
  return fail(error.empty() ? "value is not an integer or out of range" : error);
}
bool Call::get_int_range(size_t i, int64_t min, int64_t max, int64_t* out, std::string_view error) {
  if (!get_int(i, out, error)) return false;
  if (*out >= min && *out <= max) return true;
  if (!error.empty()) return fail(error);
  return fail(fmt::format("value is out of range, value must between {} and {}", min, max));
}
bool Call::get_positive(size_t i, int64_t* out, std::string_view error) {
  if (!get_int(i, out, error.empty() ? "value is out of range, must be positive" : error)) return false;
  if (*out >= 0) return true;
  return fail(error.empty() ? "value is out of range, must be positive" : error);
}
bool Call::get_double(size_t i, double* out, std::string_view error) {
  if (parse_double(argv[i], out)) return true;
  return fail(error.empty() ? "value is not a valid float" : error);
}
Entry* Call::read_or(std::string_view key, Type t, void (Reply::*missing)()) {
  Entry* e = ks.lookup_read(db, key);
  if (e == nullptr) { (reply.*missing)(); return nullptr; }
  if (e->value.type() != t) { wrong_type(); return nullptr; }
  return e;
}
Entry* Call::typed(std::string_view key, Type t, bool write, bool* bad) {
  Entry* e = write ? ks.lookup_write(db, key) : ks.lookup_read(db, key);
  *bad = e != nullptr && e->value.type() != t;
  if (*bad) { wrong_type(); return nullptr; }
  return e;
}
void Call::changed(std::string_view key, uint32_t cls, const char* event, uint64_t n) {
  ks.touched(&session, db, key);
  if (event != nullptr) ks.notify(cls, event, key, db.id);
  ks.dirty += n;
}
void Call::rewrite(std::initializer_list<std::string_view> args) {
  rewritten.assign(args.begin(), args.end());
}

}  // namespace stele::keyspace

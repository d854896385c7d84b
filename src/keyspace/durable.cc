#include "keyspace/durable.h"

#include "base/codec.h"
#include "keyspace/scripting/engine.h"

namespace stele::keyspace {
namespace {
struct AlreadyApplied {};
constexpr char kKeyPrefix = 'k';
constexpr const char* kFunctionsKey = "f";
}  // namespace

std::string DurableKeyspace::disk_key(int db, std::string_view key) {
  std::string s(1, kKeyPrefix);
  put_be16(s, static_cast<uint16_t>(db));
  s += key;
  return s;
}

DurableKeyspace::DurableKeyspace(Keyspace& keyspace, storage::Store& store)
    : ks_(keyspace), store_(store), derived_(store.derived("keyspace")) {
  session_ = std::make_unique<Session>(&sink_);
  session_->fake = true;
  session_->user = ks_.acl.default_user;
  session_->authenticated = true;
  session_->deny_blocking = true;
  ks_.on_touched = [this](int db, std::string_view key) { dirty_.insert(disk_key(db, key)); };
  ks_.load_value = [this](Database& d, Entry* e) { return load_value(d, e); };
}

DurableKeyspace::~DurableKeyspace() {
  stop();
  ks_.on_touched = nullptr;
  ks_.load_value = nullptr;
  ks_.commit_effects = nullptr;
}

// ---- recovery ----

void DurableKeyspace::load() {
  loaded_ = true;
  ks_.replaying = true;
  std::string value;
  std::string end(1, kKeyPrefix + 1);
  auto cursor = derived_.scan(std::string(1, kKeyPrefix), end);
  for (; cursor->valid(); cursor->next()) {
    std::string_view k = cursor->key(), v = cursor->value();
    if (k.size() < 3 || v.size() < 16) continue;
    int db = static_cast<unsigned char>(k[1]) << 8 | static_cast<unsigned char>(k[2]);
    if (db >= ks_.databases()) continue;
    auto lsn = load_le<uint64_t>(v.data());
    auto when = load_le<int64_t>(v.data() + 8);
    Object o;
    if (!restore_value(ks_, v.substr(16), &o, false)) throw Error(ErrorCode::kDataCorrupted, fmt::format("the stored value of a Redis key in database {} cannot be read", db));
    Entry* e = ks_.add(ks_.db(db), k.substr(3), std::move(o));
    if (when >= 0) ks_.set_expire(ks_.db(db), e, when);
    key_lsn_[std::string(k)] = lsn;
  }
  if (derived_.get(kFunctionsKey, &value)) {
    Reader r(value);
    while (r.ok() && !r.empty()) {
      std::string name;
      ks_.scripts->load_library(std::string(r.string()), true, &name);
    }
  }
  ks_.replaying = false;
}

storage::Lsn DurableKeyspace::recovery_lsn() {
  KeyspaceLatch latch(ks_.latch());
  if (!loaded_) load();
  last_lsn_ = std::max(last_lsn_, derived_.applied());
  return derived_.applied();
}

void DurableKeyspace::run_effects(std::string_view payload, storage::Lsn lsn, bool recovering) {
  Reader r(payload);
  std::vector<std::string_view> argv;
  bool before = ks_.replaying;
  ks_.replaying = true;
  ks_.refresh_time();
  while (r.ok() && !r.empty()) {
    int db = static_cast<int>(r.varint());
    uint64_t n = r.varint();
    argv.clear();
    for (uint64_t i = 0; i < n && r.ok(); ++i) argv.push_back(r.string());
    if (!r.ok() || argv.empty() || db >= ks_.databases()) break;
    CommandSpec* spec = ks_.commands.find(argv);
    if (spec == nullptr || spec->handler == nullptr) continue;
    session_->db = db;
    if (recovering && (spec->name == "flushall" || spec->name == "flushdb")) {
      for (int i = 0; i < ks_.databases(); ++i) {
        if (spec->name == "flushdb" && i != db) continue;
        Database& d = ks_.db(i);
        std::vector<Entry*> older;
        d.dict.for_each([&](Entry* e) {
          auto it = key_lsn_.find(disk_key(i, e->key()));
          if (it == key_lsn_.end() || it->second < lsn) older.push_back(e);
        });
        for (Entry* e : older) {
          dirty_.insert(disk_key(i, e->key()));
          ks_.remove_entry(d, e);
        }
      }
      continue;
    }
    if (recovering && spec->group != "scripting" && argv.size() > 1) {
      size_t at = spec->name.starts_with("xgroup|") ? 2 : 1;
      auto it = key_lsn_.find(disk_key(db, argv[std::min(at, argv.size() - 1)]));
      if (it != key_lsn_.end() && it->second >= lsn) continue;
    }
    if (spec->group == "scripting") functions_dirty_ = true;
    ks_.call(*session_, spec, argv, 0);
    sink_.clear();
  }
  ks_.replaying = before;
}

void DurableKeyspace::replay(const storage::LogRecord& record) {
  KeyspaceLatch latch(ks_.latch());
  record.for_each_section([&](storage::ParticipantId p, std::string_view payload) {
    if (p == storage::ParticipantId::kKeyspace) run_effects(payload, record.lsn, true);
  });
  last_lsn_ = std::max(last_lsn_, record.lsn);
}

// ---- commits ----

void DurableKeyspace::apply(storage::Lsn lsn, int64_t, storage::Section& section) {
  last_lsn_ = lsn;
  if (section.prepared != nullptr) return;  // memory has it already
  // A transaction's effects: its committer holds the latch (lock_for_commit), so nobody else is inside.
  run_effects(section.payload, lsn, false);
}

storage::Lsn DurableKeyspace::commit_pending_locked() {
  std::lock_guard order(ks_.commit_order_);
  if (ks_.effects_.empty()) return last_lsn_;
  std::string effects;
  effects.swap(ks_.effects_);
  return ks_.commit_effects(std::move(effects));
}

void DurableKeyspace::lock_for_commit() {
  ks_.latch().lock();
  commit_pending_locked();
}
void DurableKeyspace::unlock_after_commit() { ks_.latch().unlock(); }

void DurableKeyspace::start() {
  key_lsn_.clear();
  auto marker = std::make_shared<AlreadyApplied>();
  ks_.commit_effects = [this, marker](std::string effects) -> uint64_t {
    storage::Section s{storage::ParticipantId::kKeyspace, std::move(effects), marker};
    return store_.commit_sections({&s, 1});
  };
  thread_ = std::thread([this] { loop(); });
}

void DurableKeyspace::stop() {
  {
    std::lock_guard lock(wait_mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (ks_.commit_effects) {
    drain_all();
    store_.checkpoint();
  }
}

// ---- draining ----

bool DurableKeyspace::drain_some(std::vector<std::string>& keys, size_t& next, storage::Lsn applied) {
  std::vector<storage::DerivedStore::Op> ops;
  {
    KeyspaceLatch latch(ks_.latch());
    ks_.refresh_time();
    storage::Lsn lsn = commit_pending_locked();
    size_t bytes = 0;
    while (next < keys.size() && ops.size() < 256 && bytes < (256 << 10)) {
      std::string& k = keys[next++];
      int dbn = static_cast<unsigned char>(k[1]) << 8 | static_cast<unsigned char>(k[2]);
      Database& d = ks_.db(dbn);
      Entry* e = d.dict.find(std::string_view(k).substr(3));
      dirty_.erase(k);
      if (e == nullptr) {
        ops.push_back({std::move(k), {}, true});
        continue;
      }
      if (e->value.enc() == Enc::kCold) continue;  // clean by definition
      std::string v;
      put_le<uint64_t>(v, lsn);
      put_le<int64_t>(v, ks_.expire_of(d, e));
      v += dump_value(e->value);
      bytes += v.size() + k.size();
      ops.push_back({std::move(k), std::move(v), false});
    }
    drained_bytes_ += bytes;
  }
  bool last = next >= keys.size();
  if (!ops.empty() || last) derived_.write(ops, last ? applied : derived_.applied());
  return !last;
}

void DurableKeyspace::drain_all() {
  std::vector<std::string> keys;
  storage::Lsn applied;
  std::string functions;
  bool write_functions;
  {
    KeyspaceLatch latch(ks_.latch());
    applied = commit_pending_locked();
    keys.assign(dirty_.begin(), dirty_.end());
    write_functions = functions_dirty_ || ks_.functions_changed;
    functions_dirty_ = ks_.functions_changed = false;
    if (write_functions)
      for (auto& [name, lib] : ks_.scripts->libraries()) put_string(functions, lib->code);
  }
  if (write_functions) {
    storage::DerivedStore::Op op{kFunctionsKey, functions, false};
    derived_.write({&op, 1}, derived_.applied());
  }
  if (keys.empty() && !write_functions && derived_.applied() >= applied) return;
  size_t next = 0;
  while (drain_some(keys, next, std::max(applied, derived_.applied()))) {
    if (!stopping_) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // leaves the latch to the doors
  }
}

// Drops clean values, least recently used first by sampling, until memory is below its limit.
void DurableKeyspace::spill() {
  uint64_t limit = ks_.memory_limit_bytes;
  if (limit == 0) return;
  for (int round = 0; round < 10000; ++round) {
    KeyspaceLatch latch(ks_.latch());
    if (ks_.used_memory() <= limit) return;
    ks_.refresh_time();
    size_t dropped = 0;
    for (int i = 0; i < ks_.databases(); ++i) {
      Database& d = ks_.db(i);
      if (d.dict.size() == 0) continue;
      Entry* sample[64];
      size_t n = d.dict.some(sample, 64);
      std::sort(sample, sample + n, [&](Entry* a, Entry* b) { return ks_.idle_ms(a->value) > ks_.idle_ms(b->value); });
      for (size_t k = 0; k < std::max<size_t>(1, n / 2); ++k) {
        Entry* e = sample[k];
        if (e->value.enc() == Enc::kCold || e->value.enc() == Enc::kInt || dirty_.contains(disk_key(i, e->key()))) continue;
        Type t = e->value.type();
        uint32_t access = e->value.lru();
        e->value = Object(t, Enc::kCold, nullptr);
        e->value.set_lru(access);
        ++dropped;
      }
    }
    if (dropped == 0 && round > 200) return;
  }
}

Entry* DurableKeyspace::load_value(Database& d, Entry* e) {
  std::string v;
  if (!derived_.get(disk_key(d.id, e->key()), &v) || v.size() < 16)
    throw Error(ErrorCode::kDataCorrupted, fmt::format("the stored value of a Redis key in database {} is missing", d.id));
  Object o;
  if (!restore_value(ks_, std::string_view(v).substr(16), &o, false)) throw Error(ErrorCode::kDataCorrupted, "a stored Redis value cannot be read");
  uint32_t access = e->value.lru();
  e->value = std::move(o);
  e->value.set_lru(access);
  return e;
}

void DurableKeyspace::loop() {
  auto last_drain = std::chrono::steady_clock::now();
  uint64_t bytes_at_drain = store_.log().bytes_appended();
  std::unique_lock lock(wait_mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, std::chrono::milliseconds(100));
    if (stopping_) break;
    lock.unlock();
    auto now = std::chrono::steady_clock::now();
    static auto last_sync = now;
    if (now - last_sync > std::chrono::milliseconds(900) && ks_.config.s.appendfsync == 1) {
      last_sync = now;
      storage::Lsn lsn = store_.log().last_lsn();
      if (lsn > store_.log().durable_lsn()) store_.log().request_sync(lsn);
    }
    bool pressed = ks_.memory_limit_bytes != 0 && ks_.used_memory() > ks_.memory_limit_bytes;
    if (pressed || now - last_drain > std::chrono::seconds(5) || store_.log().bytes_appended() - bytes_at_drain > (32 << 20)) {
      drain_all();
      spill();
      store_.log().retain("keyspace", derived_.durable_applied());
      last_drain = std::chrono::steady_clock::now();
      bytes_at_drain = store_.log().bytes_appended();
    }
    lock.lock();
  }
}

}  // namespace stele::keyspace

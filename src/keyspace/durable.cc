#include "keyspace/durable.h"

#include "base/codec.h"
#include "keyspace/scripting/engine.h"

namespace stele::keyspace {
namespace {
constexpr char kKeyPrefix = 'k';
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
  changes_.resize(static_cast<size_t>(ks_.databases()));
  ks_.sink = this;
  ks_.load_value = [this](Database& d, Entry* e) { return load_value(d, e); };
}

DurableKeyspace::~DurableKeyspace() {
  stop();
  ks_.sink = nullptr;
  ks_.load_value = nullptr;
  ks_.commit_effects = nullptr;
}

// ---- recovery ----

void DurableKeyspace::load() {
  loaded_ = true;
  ks_.replaying = true;
  std::string value;
  load_elements();
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
    Type type;
    // What does not fit stays on disk.
    bool full = ks_.memory_limit() != 0 && ks_.used_memory() > ks_.memory_limit() / 10 * 9;
    bool head = is_head(v.substr(16), &type);
    if (head) {
      generations_[std::string(k)] = load_be64(v.data() + 18);
      generation_ = std::max(generation_, generations_[std::string(k)]);
    }
    bool cold = full && (head || dumped_type(v.substr(16), &type));
    if (head && !cold) read_collection(std::string(k), v.substr(16), &o);
    else if (cold) o = Object(type, Enc::kCold, nullptr);
    else if (!restore_value(ks_, v.substr(16), &o, false)) throw Error(ErrorCode::kDataCorrupted, fmt::format("the stored value of a Redis key in database {} cannot be read", db));
    Entry* e = ks_.add(ks_.db(db), k.substr(3), std::move(o));
    e->value.set_stored(true);
    if (cold) ++ks_.draining.cold_keys;
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
  last_lsn_ = std::max(last_lsn_.load(), derived_.applied());
  return derived_.applied();
}

void DurableKeyspace::run_effects(std::string_view payload, storage::Lsn lsn, bool recovering) {
  Reader r(payload);
  std::vector<std::string_view> argv;
  uint64_t changes = 0;
  bool before = ks_.replaying;
  ks_.replaying = true;
  ks_.refresh_time();
  while (r.ok() && !r.empty()) {
    int db = static_cast<int>(r.varint());
    uint64_t n = r.varint();
    argv.clear();
    for (uint64_t i = 0; i < n && r.ok(); ++i) argv.push_back(r.string());
    if (!r.ok() || argv.empty() || db >= ks_.databases()) break;
    std::vector<std::string> change;
    if (argv[0] == kTableChange && argv.size() > 2) {
      // The identifier in a table's stream of changes is the commit's lsn and the change's place in it.
      change = {"XADD", std::string(argv[1]), "MAXLEN", "~", std::string(argv[2]), fmt::format("{}-{}", lsn, ++changes)};
      if (argv[2] == "0") change.erase(change.begin() + 2, change.begin() + 5);
      for (size_t i = 3; i < argv.size(); ++i) change.emplace_back(argv[i]);
      argv.assign(change.begin(), change.end());
    }
    CommandSpec* spec = ks_.commands.find(argv);
    if (spec == nullptr || spec->handler == nullptr) continue;
    session_->db = db;
    if (!recovering && Versions::enabled()) ks_.versions.before_command(ks_, ks_.db(db), *spec, argv);
    if (recovering && (spec->name == "flushall" || spec->name == "flushdb")) {
      for (int i = 0; i < ks_.databases(); ++i) {
        if (spec->name == "flushdb" && i != db) continue;
        Database& d = ks_.db(i);
        std::vector<Entry*> older;
        d.dict.for_each([&](Entry* e) {
          auto it = key_lsn_.find(disk_key(i, e->key()));
          if (it == key_lsn_.end() || it->second < lsn) older.push_back(e);
        });
        for (Entry* e : older) ks_.remove_entry(d, e);
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
  last_lsn_ = std::max(last_lsn_.load(), record.lsn);
}

// ---- commits ----

void DurableKeyspace::apply(storage::Lsn lsn, int64_t, storage::Section& section) {
  last_lsn_ = lsn;
  ks_.last_effect_lsn.store(lsn, std::memory_order_release);
  if (section.prepared != nullptr) {  // memory has it already; what it replaced was so until this commit
    if (auto* stamp = static_cast<std::atomic<storage::Lsn>*>(section.prepared.get())) stamp->store(lsn, std::memory_order_release);
    return;
  }
  // A transaction's effects: its committer holds the latch (lock_for_commit), so nobody else is inside.
  ks_.applying = true;
  ks_.versions.begin_commit(lsn);
  run_effects(section.payload, lsn, false);
  ks_.versions.end_commit();
  ks_.applying = false;
}

storage::Lsn DurableKeyspace::commit_pending_locked() {
  std::lock_guard order(ks_.commit_order_);
  if (ks_.effects_.empty()) return last_lsn_;
  std::string effects;
  effects.swap(ks_.effects_);
  return ks_.commit_effects(std::move(effects), ks_.versions.seal());
}

void DurableKeyspace::lock_for_commit() {
  ks_.latch().lock();
  commit_pending_locked();
}
void DurableKeyspace::unlock_after_commit() { ks_.latch().unlock(); }

void DurableKeyspace::start(bool background) {
  key_lsn_.clear();
  ks_.commit_effects = [this](std::string effects, Stamp stamp) -> uint64_t {
    static const Stamp none = std::make_shared<std::atomic<storage::Lsn>>(0);
    storage::Section s{storage::ParticipantId::kKeyspace, std::move(effects), stamp != nullptr ? stamp : none};
    return store_.commit_sections({&s, 1});
  };
  ks_.keeps_versions = true;
  if (!background) return;
  drainer_ = std::thread([this] { drain_loop(); });
  syncer_ = std::thread([this] { sync_loop(); });
}

void DurableKeyspace::stop() {
  {
    std::lock_guard lock(wait_mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  wake_.notify_all();
  if (drainer_.joinable()) drainer_.join();
  if (syncer_.joinable()) syncer_.join();
  if (ks_.commit_effects) {
    drain_all();
    store_.checkpoint();
  }
}

}  // namespace stele::keyspace

// The background of a durable keyspace: what changed goes to RocksDB, cold values leave memory, the log is synced every second.
#include "base/codec.h"
#include "keyspace/durable.h"
#include "keyspace/scripting/engine.h"

namespace stele::keyspace {
namespace {
using Clock = std::chrono::steady_clock;
constexpr auto kDrainEvery = std::chrono::seconds(15);
constexpr uint64_t kDrainLogBytes = 128 << 20;      // of log since the last drain: what recovery replays
constexpr uint64_t kDrainLogMost = 4 * kDrainLogBytes;
constexpr int kRest = 50;  // a large value is written out in one go: commands are held up for one part in fifty at most
constexpr double kShareLeast = 0.06;                // of a processor, while commands run and there is little log to replay
constexpr double kBusyCommands = 3000;              // a second, from which on commands come first
constexpr auto kLongestRest = std::chrono::milliseconds(50);
constexpr size_t kSliceEntries = 256, kSliceBytes = 256 << 10;
constexpr auto kSyncEvery = std::chrono::milliseconds(700);  // so that a second is never reached
}  // namespace

// ---- what changed ----

void DurableKeyspace::changed(Database& d, std::string_view key) {
  uint64_t h = hash_key(key);
  Entry* e = d.dict.find_hashed(key, h);
  if (e == nullptr || e->value.dirty()) return;
  e->value.set_dirty(true);
  changes_of(d).queue.push_back(h);
}
void DurableKeyspace::removing(Database& d, const Entry& e) {
  if (e.value.stored()) changes_of(d).removed.emplace(e.key());
}
void DurableKeyspace::flushed(Database& d) {
  Changes fresh;
  fresh.flushed = true;
  changes_of(d) = std::move(fresh);
}

// ---- draining ----

void DurableKeyspace::held(Clock::time_point since) {
  auto us = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - since).count());
  longest_hold_us_ = std::max(longest_hold_us_, us);
  if (us > ks_.draining.longest_latch_us) ks_.draining.longest_latch_us = us;
  commands_seen_ = ks_.stats.commands;
  pressed_ = ks_.memory_limit() != 0 && ks_.used_memory() > ks_.memory_limit();
}

// After a slice of work, without the latch: what drains took of the processor is a small share of it as long as commands
// run, a larger one the more log there is that recovery would replay, and all of it when nobody else wants it.
void DurableKeyspace::rest(double least_share) {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  int64_t cpu_us = t.tv_sec * 1000000 + t.tv_nsec / 1000, worked = cpu_us - cpu_at_rest_us_;
  double passed = std::chrono::duration<double>(Clock::now() - rested_).count();
  bool busy = static_cast<double>(commands_seen_ - commands_at_rest_) > kBusyCommands * passed;
  double behind = static_cast<double>(store_.log().bytes_appended() - bytes_at_drain_) / static_cast<double>(kDrainLogMost);
  double share = least_share + (1 - least_share) * std::clamp(behind, 0.0, 1.0);
  auto rest = std::chrono::microseconds(!busy || pressed_ ? 50 : std::max<int64_t>(50, static_cast<int64_t>(static_cast<double>(worked) * (1 / share - 1))));
  if (!stopping_) std::this_thread::sleep_for(std::min<Clock::duration>(rest, kLongestRest));
  cpu_at_rest_us_ = cpu_us;
  commands_at_rest_ = commands_seen_;
  rested_ = Clock::now();
}

void DurableKeyspace::drain_entry(Database& d, Entry* e, storage::Lsn lsn, Ops* ops) {
  std::string key = disk_key(d.id, e->key());
  if (!generations_.empty()) retire(key, ops);
  e->value.set_dirty(false);
  e->value.set_stored(true);
  std::string v;
  std::string dump = dump_value(e->value, false);
  v.reserve(16 + dump.size());
  put_le<uint64_t>(v, lsn);
  put_le<int64_t>(v, ks_.expire_of(d, e));
  v += dump;
  ops->push_back({std::move(key), std::move(v), false});
}

void DurableKeyspace::drain_changes(int db, Changes& changes) {
  if (changes.flushed) {
    std::string prefix = disk_key(db, "");
    std::vector<std::string> keys;
    for (auto& [key, generation] : generations_)
      if (key.starts_with(prefix)) keys.push_back(key);
    Ops marks;
    for (auto& key : keys) {
      marks.push_back({key, {}, true});
      retire(key, &marks);
    }
    if (!marks.empty()) derived_.write(marks, derived_.applied());
    derived_.erase_range(prefix, disk_key(db + 1, ""));
    erase_retired();
  }
  auto removed = changes.removed.begin();
  std::vector<std::string> collections;
  while (removed != changes.removed.end() || !changes.queue.empty()) {
    Ops ops;
    ops.reserve(kSliceEntries);
    collections.clear();
    {
      KeyspaceLatch latch(ks_.latch());
      auto started = Clock::now();
      ks_.refresh_time();
      Database& d = ks_.db(db);
      if (changes_of(d).flushed) return;  // nothing of this counts any more; what is there now stands in the new queue
      storage::Lsn lsn = commit_pending_locked();
      size_t bytes = 0;
      auto room = [&] { return ops.size() < kSliceEntries && bytes < kSliceBytes && collections.empty(); };
      for (; removed != changes.removed.end() && room(); ++removed) {
        if (d.dict.find(*removed) != nullptr) continue;
        ops.push_back({disk_key(db, *removed), {}, true});
        retire(ops.back().key, &ops);
      }
      while (!changes.queue.empty() && room()) {
        uint64_t h = changes.queue.front();
        changes.queue.pop_front();
        d.dict.each_in_chain(h, [&](Entry* e) {
          if (!e->value.dirty()) return;
          if (e->value.enc() == Enc::kCold) load_value(d, e);
          if (by_elements(e->value)) {
            collections.emplace_back(e->key());
            return;
          }
          drain_entry(d, e, lsn, &ops);
          bytes += ops.back().key.size() + ops.back().value.size();
        });
      }
      ks_.draining.bytes += bytes;
      held(started);
    }
    if (!ops.empty()) derived_.write(ops, derived_.applied());
    erase_retired();
    for (auto& key : collections) drain_collection(db, key);
    rest(kShareLeast);
  }
}

void DurableKeyspace::drain_all() {
  longest_hold_us_ = 0;
  bytes_at_drain_ = store_.log().bytes_appended();
  std::vector<Changes> changes;
  storage::Lsn applied;
  std::string functions;
  bool write_functions;
  {
    KeyspaceLatch latch(ks_.latch());
    applied = commit_pending_locked();
    changes.swap(changes_);
    changes_.resize(changes.size());
    write_functions = functions_dirty_ || ks_.functions_changed;
    functions_dirty_ = ks_.functions_changed = false;
    if (write_functions)
      for (auto& [name, lib] : ks_.scripts->libraries()) put_string(functions, lib->code);
  }
  bool any = write_functions;
  for (auto& c : changes) any |= !c.empty();
  if (!any && derived_.applied() >= applied) return;
  if (any) ++ks_.draining.runs;
  for (size_t i = 0; i < changes.size(); ++i) drain_changes(static_cast<int>(i), changes[i]);
  // Only now is everything up to `applied` on its way to disk.
  std::vector<storage::DerivedStore::Op> ops;
  if (write_functions) ops.push_back({kFunctionsKey, functions, false});
  derived_.write(ops, std::max(applied, derived_.applied()));
}

// ---- larger than memory ----

bool DurableKeyspace::pressed() {
  KeyspaceLatch latch(ks_.latch());
  return ks_.memory_limit() != 0 && ks_.used_memory() > ks_.memory_limit();
}

// Drops clean values, least recently used first by sampling, until memory is below its limit.
void DurableKeyspace::spill() {
  for (int round = 0, idle = 0; idle < 200; ++round) {
    {
      KeyspaceLatch latch(ks_.latch());
      if (ks_.memory_limit() == 0 || ks_.used_memory() <= ks_.memory_limit() / 20 * 19) return;
      ks_.refresh_time();
      size_t dropped = 0;
      for (int i = 0; i < ks_.databases(); ++i) {
        Database& d = ks_.db(i);
        if (d.dict.size() == 0) continue;
        Entry* sample[64];
        size_t n = d.dict.some(sample, 64);
        auto candidate = [](const Entry* e) { return e->value.stored() && !e->value.dirty() && e->value.enc() != Enc::kCold && e->value.enc() != Enc::kInt; };
        n = static_cast<size_t>(std::partition(sample, sample + n, candidate) - sample);
        std::sort(sample, sample + n, [&](Entry* a, Entry* b) { return ks_.idle_ms(a->value) > ks_.idle_ms(b->value); });
        for (size_t k = 0; k < (n + 1) / 2; ++k) {
          Object& v = sample[k]->value;
          uint32_t access = v.lru();
          ks_.lazy_free(std::move(v));
          v = Object(v.type(), Enc::kCold, nullptr);
          v.set_lru(access);
          ++ks_.draining.cold_keys;
          ++dropped;
        }
      }
      idle = dropped == 0 ? idle + 1 : 0;
    }
    for (bool more = true; more;) {
      KeyspaceLatch latch(ks_.latch());
      ks_.free_some(2048);
      more = ks_.lazy_pending > 0;
    }
    if (round % 8 == 7) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

Entry* DurableKeyspace::load_value(Database& d, Entry* e) {
  std::string v;
  if (!derived_.get(disk_key(d.id, e->key()), &v) || v.size() < 16)
    throw Error(ErrorCode::kDataCorrupted, fmt::format("the stored value of a Redis key in database {} is missing", d.id));
  Object o;
  Type type;
  if (is_head(std::string_view(v).substr(16), &type)) read_collection(disk_key(d.id, e->key()), std::string_view(v).substr(16), &o);
  else if (!restore_value(ks_, std::string_view(v).substr(16), &o, false)) throw Error(ErrorCode::kDataCorrupted, "a stored Redis value cannot be read");
  uint32_t access = e->value.lru();
  e->value = std::move(o);
  e->value.set_lru(access);
  --ks_.draining.cold_keys;
  return e;
}

// ---- threads ----

void DurableKeyspace::drain_loop() {
  auto last_drain = Clock::now();
  bytes_at_drain_ = store_.log().bytes_appended();
  std::unique_lock lock(wait_mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, std::chrono::milliseconds(100));
    if (stopping_) break;
    lock.unlock();
    auto passed = Clock::now() - last_drain;
    uint64_t log_bytes = store_.log().bytes_appended() - bytes_at_drain_;
    bool due = (passed > kDrainEvery || log_bytes > kDrainLogBytes) && passed > std::chrono::microseconds(longest_hold_us_ * kRest);
    if (due || log_bytes > kDrainLogMost || pressed()) {
      last_drain = Clock::now();
      drain_all();
      spill();
      store_.log().retain("keyspace", derived_.durable_applied());
    }
    lock.lock();
  }
}

// appendfsync everysec, on a thread of its own: a long drain must not delay it.
void DurableKeyspace::sync_loop() {
  std::unique_lock lock(wait_mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, kSyncEvery);
    if (stopping_) break;
    lock.unlock();
    bool every_second;
    storage::Lsn horizon = Versions::enabled() ? store_.horizon() : 0;
    {
      KeyspaceLatch latch(ks_.latch());
      if (horizon != 0) ks_.versions.prune(horizon);
      every_second = ks_.config.s.appendfsync == 1;
    }
    storage::Lsn lsn = ks_.last_effect_lsn.load(std::memory_order_acquire);
    if (every_second && lsn > store_.log().durable_lsn()) store_.log().request_sync(lsn);
    lock.lock();
  }
}

}  // namespace stele::keyspace

// Making room: the eviction policies over sampled keys, and the active expiry cycle.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

uint64_t Keyspace::used_memory() const { return g_memory_used + 1000000; }

namespace {
struct Candidate {
  double score;  // higher goes first
  int db;
  std::string key;
};
}  // namespace

bool Keyspace::evict(bool* freed) {
  *freed = false;
  uint64_t limit = static_cast<uint64_t>(config.s.maxmemory);
  if (limit == 0 || used_memory() <= limit) return true;
  if (rows != nullptr) {  // a cache: it goes first
    rows->trim(true);
    if (used_memory() <= limit) return true;
  }
  int64_t policy = config.s.maxmemory_policy;
  if (policy == kNoEviction || replaying) return false;
  static std::vector<Candidate> pool;
  int64_t start = system_clock().monotonic_us();
  int64_t tenacity = config.s.maxmemory_eviction_tenacity;
  int64_t budget = tenacity <= 10 ? 50 * tenacity : tenacity < 100 ? static_cast<int64_t>(500.0 * std::pow(1.15, static_cast<double>(tenacity - 10))) : INT64_MAX;
  bool all = policy == kAllkeysLru || policy == kAllkeysLfu || policy == kAllkeysRandom;
  bool random = policy == kAllkeysRandom || policy == kVolatileRandom;
  static int next_db = 0;
  int rounds = 0;
  while (used_memory() > limit) {
    std::string victim;
    int victim_db = -1;
    if (random) {
      for (int i = 0; i < databases() && victim_db < 0; ++i) {
        next_db = (next_db + 1) % databases();
        Database& d = db(next_db);
        if ((all ? d.dict.size() : d.expires.size()) == 0) continue;
        victim = all ? d.dict.random()->key() : d.expires.random()->key();
        victim_db = next_db;
      }
    } else {
      size_t present = 0;
      for (int i = 0; i < databases(); ++i) {
        Database& d = db(i);
        auto consider = [&](Entry* e, int64_t when) {
          double score;
          if (policy == kVolatileTtl) score = static_cast<double>(INT64_MAX - when);
          else if (lfu_policy(policy)) score = 255 - lfu_counter(e->value);
          else score = static_cast<double>(idle_ms(e->value));
          for (auto& p : pool)
            if (p.db == i && p.key == e->key()) return;
          if (pool.size() >= 16 && pool.front().score >= score) return;
          auto at = std::upper_bound(pool.begin(), pool.end(), score, [](double s, const Candidate& x) { return s < x.score; });
          pool.insert(at, {score, i, std::string(e->key())});
          if (pool.size() > 16) pool.erase(pool.begin());
        };
        size_t samples = static_cast<size_t>(std::min<int64_t>(config.s.maxmemory_samples, 64));
        if (all) {
          present += d.dict.size();
          if (d.dict.size() == 0) continue;
          Entry* sample[64];
          size_t n = d.dict.some(sample, samples);
          for (size_t k = 0; k < n; ++k) consider(sample[k], 0);
        } else {
          present += d.expires.size();
          if (d.expires.size() == 0) continue;
          ExpireNode* sample[64];
          size_t n = d.expires.some(sample, samples);
          for (size_t k = 0; k < n; ++k) consider(sample[k]->entry, sample[k]->when_ms);
        }
      }
      if (present == 0) break;
      while (!pool.empty() && victim_db < 0) {
        Candidate best = std::move(pool.back());
        pool.pop_back();
        Database& d = db(best.db);
        bool there = all ? d.dict.find(best.key) != nullptr : d.expires.find(best.key) != nullptr;
        if (there) {
          victim = best.key;
          victim_db = best.db;
        }
      }
      if (victim_db < 0) continue;
    }
    if (victim_db < 0) break;
    Database& d = db(victim_db);
    if (key_locks.held(victim_db, victim) || (rows_active && rows->is_change_stream(victim_db, victim))) {
      if (++rounds > 1000) break;
      continue;
    }
    propagate_delete(victim_db, victim);
    remove(d, victim);
    while (!lazy_.empty()) { lazy_.pop_front(); --lazy_pending; ++stats.lazyfreed; }
    ++stats.evicted;
    *freed = true;
    touched(nullptr, d, victim);
    notify(kNotifyEvicted, "evicted", victim, victim_db);
    if (++rounds % 16 == 0 && system_clock().monotonic_us() - start > budget) {
      // The rest is done by later rounds.
      return true;
    }
  }
  return used_memory() <= limit;
}

void Keyspace::active_expire(int64_t budget_us) {
  if (!active_expire_on || replaying || (pause_until_ms > now_ms_)) return;
  int64_t start = system_clock().monotonic_us();
  uint64_t sampled_all = 0, expired_all = 0;
  for (int i = 0; i < databases(); ++i) {
    Database& d = db(i);
    for (int rounds = 0; d.expires.size() > 0; ++rounds) {
      size_t sampled = 0, expired = 0;
      int64_t ttl_sum = 0, ttl_count = 0;
      std::vector<Entry*> dead;
      int buckets = 0;
      while (sampled < 20 && buckets++ < 400) {
        d.expire_cursor = d.expires.scan(d.expire_cursor, [&](ExpireNode* n) {
          ++sampled;
          if (n->when_ms < now_ms_) dead.push_back(n->entry);
          else { ttl_sum += n->when_ms - now_ms_; ++ttl_count; }
        });
        if (d.expire_cursor == 0) break;
      }
      for (Entry* e : dead) { expire_now(d, e); ++expired; }
      if (ttl_count > 0) {
        double avg = static_cast<double>(ttl_sum) / static_cast<double>(ttl_count);
        d.avg_ttl = d.avg_ttl == 0 ? avg : d.avg_ttl / 50 * 49 + avg / 50;
      }
      sampled_all += sampled;
      expired_all += expired;
      if (system_clock().monotonic_us() - start > budget_us) { ++stats.expire_cap_reached; goto out; }
      if (sampled == 0 || expired * 100 / sampled <= 10) break;
    }
  }
out:
  stats.expire_cycle_us += static_cast<uint64_t>(system_clock().monotonic_us() - start);
  double perc = sampled_all ? static_cast<double>(expired_all) / static_cast<double>(sampled_all) : 0;
  stats.expired_stale_perc = perc * 0.05 + stats.expired_stale_perc * 0.95;
}

}  // namespace stele::keyspace

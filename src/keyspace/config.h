// The server's parameters by Redis's names: typed, checked, listed in one table (config.cc).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace stele::keyspace {

enum Policy : uint8_t { kVolatileLru, kVolatileLfu, kVolatileRandom, kVolatileTtl, kAllkeysLru, kAllkeysLfu, kAllkeysRandom, kNoEviction };

// What the code reads often, bound to parameters.
struct Settings {
  int64_t hash_max_listpack_entries, hash_max_listpack_value, set_max_intset_entries;
  int64_t zset_max_listpack_entries, zset_max_listpack_value, list_max_listpack_size;
  int64_t stream_node_max_bytes, stream_node_max_entries, hll_sparse_max_bytes;
  int64_t maxmemory, memory_limit, maxmemory_policy, maxmemory_samples, maxmemory_eviction_tenacity, maxmemory_clients;
  int64_t lfu_log_factor, lfu_decay_time, active_expire_effort, hz, databases, maxclients, timeout;
  int64_t slowlog_log_slower_than, slowlog_max_len, latency_monitor_threshold, acllog_max_len;
  int64_t proto_max_bulk_len, client_query_buffer_limit, busy_reply_threshold, tracking_table_max_keys;
  int64_t min_replicas_to_write, appendfsync, enable_debug_command, acl_pubsub_default, propagation_error_behavior;
  bool lazyfree_lazy_user_del, lazyfree_lazy_user_flush, latency_tracking, sanitize, appendonly, replica_serve_stale;
  bool protected_mode, rdb_compression, activerehashing;
  std::string requirepass, notify_keyspace_events, aclfile, dir, dbfilename, save, bind, unixsocket, client_output_buffer_limit, percentiles, oom_values;
  int64_t port, tcp_keepalive;
};

class Config {
 public:
  enum class Kind : uint8_t { kBool, kInt, kMemory, kPercentMemory, kString, kEnum, kSpecial };
  struct Param {
    std::string name, alias;
    Kind kind;
    std::string value;                       // canonical text, as CONFIG GET shows it
    int64_t min = 0, max = 0;
    std::vector<std::pair<std::string, int64_t>> values;  // of an enumeration
    bool immutable = false, is_protected = false, multi_arg = false, changed = false;
    int64_t* number = nullptr;
    bool* flag = nullptr;
    std::string* text = nullptr;
    // Called after a change; returns an error text or "".
    std::function<std::string(const std::string&)> apply;
    // Checks and canonicalises; returns an error text or "".
    std::function<std::string(std::string*)> check;
  };
  Config();
  Settings s;
  Param* find(std::string_view name);
  // Parses, checks and stores without apply(). Returns an error text or "".
  std::string set(Param& p, std::string value);
  void bind_apply(std::string_view name, std::function<std::string(const std::string&)> f);
  const std::vector<Param>& params() const { return params_; }

 private:
  std::vector<Param> params_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace stele::keyspace

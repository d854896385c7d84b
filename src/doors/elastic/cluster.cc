// The root, cluster, nodes, tasks and _cat.
#include <unistd.h>

#include "doors/elastic/activity.h"
#include "doors/elastic/cluster_parts.h"
#include "doors/elastic/index_settings.h"
#include "doors/elastic/machine.h"

namespace stele::elastic {

namespace {


Reply root(Call& c) {
  json::object version{{"number", kVersion}, {"build_flavor", "default"}, {"build_type", "tar"}, {"build_hash", "7afee58c3a4c4d0a2ae1ee2a9b7a9d5ea34f0b11"},
                       {"build_date", "2025-07-23T22:05:31.000000000Z"}, {"build_snapshot", false}, {"lucene_version", "9.12.2"},
                       {"minimum_wire_compatibility_version", "7.17.0"}, {"minimum_index_compatibility_version", "7.0.0"}};
  Reply r(json::object{{"name", c.door.node_name}, {"cluster_name", c.door.cluster_name}, {"cluster_uuid", "c3RlbGUtY2x1c3Rlci11dWlk"}, {"version", version}, {"tagline", "You Know, for Search"}});
  return r;
}


Reply health(Call& c) {
  auto targets = c.part("index").empty() ? c.resolve("") : c.resolve(c.part("index"), true, true, true);
  json::object indices;
  int64_t primaries = 0, unassigned = 0;
  for (auto& t : targets) {
    Counts n = counts(*t.index);
    primaries += n.primaries;
    unassigned += n.replicas;
    json::object shards_json;
    for (int64_t s = 0; s < n.primaries; ++s) {
      shards_json[std::to_string(s)] = json::object{{"status", n.replicas > 0 ? "yellow" : "green"}, {"primary_active", true}, {"active_shards", 1}, {"relocating_shards", 0}, {"initializing_shards", 0}, {"unassigned_shards", n.replicas / n.primaries}, {"unassigned_primary_shards", 0}};
    }
    json::object o{{"status", n.replicas > 0 ? "yellow" : "green"}, {"number_of_shards", n.primaries}, {"number_of_replicas", n.replicas / n.primaries}, {"active_primary_shards", n.primaries}, {"active_shards", n.primaries}, {"relocating_shards", 0}, {"initializing_shards", 0}, {"unassigned_shards", n.replicas}, {"unassigned_primary_shards", 0}};
    if (c.param("level") == "shards") o["shards"] = shards_json;
    indices[t.index->name] = o;
  }
  std::string status = unassigned > 0 ? "yellow" : "green";
  std::string wait = c.param("wait_for_status");
  if (!wait.empty() && wait != "green" && wait != "yellow" && wait != "red") illegal("unknown cluster health status [" + wait + "]");
  bool missing = false;
  if (!c.part("index").empty() && c.part("index").find('*') == std::string::npos) {
    for (auto& n : split(c.part("index"), ',')) missing |= !c.engine().find(n) && c.engine().by_alias(n).empty();
  }
  if (missing) status = "red";
  auto rank = [](const std::string& s) { return s == "green" ? 0 : s == "yellow" ? 1 : 2; };
  bool timed_out = (!wait.empty() && rank(status) > rank(wait)) || missing;
  if (c.has("wait_for_nodes")) {
    std::string w = c.param("wait_for_nodes");
    int n = std::atoi(w.c_str() + w.find_first_of("0123456789"));
    bool ok = w.starts_with(">=") || w.starts_with("ge(") ? 1 >= n : w.starts_with("<=") || w.starts_with("le(") ? 1 <= n : w[0] == '>' || w.starts_with("gt(") ? 1 > n : w[0] == '<' || w.starts_with("lt(") ? 1 < n : n == 1;
    timed_out |= !ok;
  }
  if (c.has("wait_for_active_shards")) {
    std::string w = c.param("wait_for_active_shards");
    timed_out |= w == "all" ? unassigned > 0 : std::atoll(w.c_str()) > primaries;
  }
  double percent = primaries + unassigned == 0 ? 100.0 : 100.0 * static_cast<double>(primaries) / static_cast<double>(primaries + unassigned);
  json::object out{{"cluster_name", c.door.cluster_name}, {"status", status}, {"timed_out", timed_out}, {"number_of_nodes", 1}, {"number_of_data_nodes", 1}, {"active_primary_shards", primaries}, {"active_shards", primaries}, {"relocating_shards", 0}, {"initializing_shards", 0}, {"unassigned_shards", unassigned}, {"unassigned_primary_shards", 0}, {"delayed_unassigned_shards", 0}, {"number_of_pending_tasks", 0}, {"number_of_in_flight_fetch", 0}, {"task_max_waiting_in_queue_millis", 0}, {"active_shards_percent_as_number", percent}};
  std::string level = c.param("level", "cluster");
  if (level != "cluster" && level != "indices" && level != "shards") illegal("level parameter must be one of [cluster] or [indices] or [shards] but was [" + level + "]");
  if (level != "cluster") out["indices"] = indices;
  return Reply(out, timed_out ? 408 : 200);
}

Reply get_cluster_settings(Call& c) {
  std::lock_guard lock(c.door.settings_mutex);
  bool flat = c.flag("flat_settings", false);
  json::object out{{"persistent", flat ? c.door.persistent_settings : nest(c.door.persistent_settings)}, {"transient", flat ? c.door.transient_settings : nest(c.door.transient_settings)}};
  if (c.flag("include_defaults", false)) {
    json::object d{{"cluster.name", c.door.cluster_name}, {"node.name", c.door.node_name}, {"node.attr.testattr", "test"}, {"search.max_buckets", "65536"}, {"action.auto_create_index", "true"}};
    out["defaults"] = flat ? d : nest(d);
  }
  return Reply(out);
}
Reply put_cluster_settings(Call& c) {
  json::object body = c.body(true);
  if (!body.contains("persistent") && !body.contains("transient")) invalid({"no settings to update"});
  std::lock_guard lock(c.door.settings_mutex);
  json::object out{{"acknowledged", true}};
  for (const char* kind : {"persistent", "transient"}) {
    json::object& store = kind[0] == 'p' ? c.door.persistent_settings : c.door.transient_settings;
    json::object echo;
    if (auto* s = body.if_contains(kind); s != nullptr && s->is_object()) {
      json::object flat;
      flatten(s->get_object(), "", flat);
      for (auto& [k, v] : flat) {
        static const std::set<std::string> kPrefixes = {"action", "cluster", "indices", "search", "node", "script", "logger", "network", "http", "ingest", "discovery", "gateway", "xpack", "persistent", "transport", "archived", "stack", "snapshot", "slm", "thread_pool", "monitor", "repositories", "health", "master_history", "data_streams", "write_load_forecaster", "time_series", "reindex", "remote_cluster_client", "serverless", "readiness", "telemetry", "tracing"};
        std::string key(k);
        if (kPrefixes.count(key.substr(0, key.find('.'))) == 0) illegal(std::string(kind) + " setting [" + key + "], not recognized");
        if (v.is_null()) {
          if (key.find('*') != std::string::npos) {
            std::vector<std::string> gone;
            for (auto& [x, y] : store) if (glob(key, std::string(x))) gone.emplace_back(x);
            for (auto& g : gone) store.erase(g);
          } else {
            store.erase(k);
          }
        } else {
          store[k] = v.is_array() ? v : json::value(json_text(v));
          echo[k] = store[k];
        }
      }
    }
    out[kind] = c.flag("flat_settings", false) ? echo : nest(echo);
    if (kind[0] == 'p' && body.contains(kind)) c.engine().put_thing("cluster_settings", "persistent", store);
  }
  constexpr std::string_view kExpensive = "search.allow_expensive_queries";
  const json::value* allowed = c.door.transient_settings.if_contains(kExpensive);
  if (allowed == nullptr) allowed = c.door.persistent_settings.if_contains(kExpensive);
  allow_expensive_queries(allowed == nullptr || json_text(*allowed) != "false");
  return Reply(out);
}

json::object node_json(Call& c, const std::set<std::string>& metrics) {
  json::object settings{{"cluster", json::object{{"name", c.door.cluster_name}}}, {"node", json::object{{"name", c.door.node_name}}}, {"http", json::object{{"port", "9200"}}}, {"client", json::object{{"type", "node"}}}};
  json::object o{{"name", c.door.node_name}, {"transport_address", c.door.address}, {"host", "127.0.0.1"}, {"ip", "127.0.0.1"}, {"version", kVersion}, {"transport_version", 8841000}, {"index_version", 8512000}, {"component_versions", json::object()}, {"build_flavor", "default"}, {"build_type", "tar"}, {"build_hash", "7afee58c3a4c4d0a2ae1ee2a9b7a9d5ea34f0b11"}, {"total_indexing_buffer", 67108864},
                 {"roles", json::array{"data", "data_content", "ingest", "master", "remote_cluster_client"}}, {"attributes", json::object{{"testattr", "test"}}}};
  auto want = [&](const char* m) { return metrics.empty() || metrics.count(m) != 0 || metrics.count("_all") != 0; };
  if (want("settings")) o["settings"] = settings;
  if (want("os")) o["os"] = json::object{{"refresh_interval_in_millis", 1000}, {"name", "Linux"}, {"pretty_name", "Linux"}, {"arch", "amd64"}, {"version", "6"}, {"available_processors", static_cast<int64_t>(std::thread::hardware_concurrency())}, {"allocated_processors", static_cast<int64_t>(std::thread::hardware_concurrency())}};
  if (want("process")) o["process"] = json::object{{"refresh_interval_in_millis", 1000}, {"id", static_cast<int64_t>(::getpid())}, {"mlockall", false}};
  if (want("jvm")) o["jvm"] = json::object{{"pid", static_cast<int64_t>(::getpid())}, {"version", "21"}, {"vm_name", "none"}, {"mem", json::object{{"heap_init_in_bytes", 0}, {"heap_max_in_bytes", 1073741824}}}, {"gc_collectors", json::array()}, {"memory_pools", json::array()}};
  if (want("thread_pool")) o["thread_pool"] = json::object{{"search", json::object{{"type", "fixed"}, {"size", 4}, {"queue_size", 1000}}}, {"write", json::object{{"type", "fixed"}, {"size", 4}, {"queue_size", 10000}}}};
  if (want("transport")) o["transport"] = json::object{{"bound_address", json::array{json::value(c.door.address)}}, {"publish_address", c.door.address}, {"profiles", json::object()}};
  if (want("http")) o["http"] = json::object{{"bound_address", json::array{json::value(c.door.address)}}, {"publish_address", c.door.address}, {"max_content_length_in_bytes", 104857600}};
  if (want("plugins")) o["plugins"] = json::array();
  if (want("modules")) o["modules"] = json::array();
  if (want("ingest")) o["ingest"] = json::object{{"processors", json::array()}};
  if (want("aggregations")) o["aggregations"] = json::object{{"terms", json::object{{"types", json::array{"boolean", "date", "ip", "keyword", "numeric"}}}}};
  return o;
}
bool node_selected(Call& c) {
  std::string id = c.part("node_id");
  if (id.empty() || id == "_all" || id == "_local" || id == "_master" || id == "*") return true;
  for (auto& n : split(id, ',')) if (glob(n, c.engine().node_id()) || glob(n, c.door.node_name) || n == "_local" || n == "_master" || n.starts_with("data:") || n.starts_with("master:")) return true;
  return false;
}
json::object node_frame(Call& c, json::object nodes) {
  int n = static_cast<int>(nodes.size());
  return json::object{{"_nodes", json::object{{"total", n}, {"successful", n}, {"failed", 0}}}, {"cluster_name", c.door.cluster_name}, {"nodes", nodes}};
}
Reply nodes_info(Call& c) {
  std::set<std::string> metrics;
  for (auto& m : split(c.part("metric"), ',')) metrics.insert(m);
  static const std::set<std::string> kMetrics = {"settings", "os", "process", "jvm", "thread_pool", "transport", "http", "plugins", "ingest", "aggregations", "indices", "_all", "remote_cluster_server"};
  if (c.path.count("node_or_metric") != 0) {
    bool all_metrics = true;
    for (auto& m : split(c.part("node_or_metric"), ',')) all_metrics &= kMetrics.count(m) != 0;
    if (all_metrics) for (auto& m : split(c.part("node_or_metric"), ',')) metrics.insert(m);
    else c.path["node_id"] = c.part("node_or_metric");
  }
  json::object nodes;
  if (node_selected(c)) nodes[c.engine().node_id()] = node_json(c, metrics);
  return Reply(node_frame(c, nodes));
}
Reply nodes_stats(Call& c) {
  json::object nodes;
  Activity all;
  segments::RelationIndex::Stats sum;
  for (auto& x : c.engine().all()) {
    auto s = x->indexed->index.stats();
    all.add(activity_of(x->oid));
    sum.docs += s.docs;
    sum.deleted += s.deleted;
    sum.bytes += s.bytes;
    sum.segments += s.segments;
  }
  std::set<std::string> metrics;
  for (auto& m : split(c.part("metric"), ',')) metrics.insert(m);
  auto want = [&](const char* m) { return metrics.empty() || metrics.count(m) != 0 || metrics.count("_all") != 0; };
  static const std::set<std::string> kMetrics = {"_all", "breaker", "fs", "http", "indices", "jvm", "os", "process", "thread_pool", "transport", "discovery", "indexing_pressure", "ingest", "adaptive_selection", "script", "script_cache", "repositories", "allocations"};
  for (auto& m : metrics) if (kMetrics.count(m) == 0) illegal("request [" + c.request.path + "] contains unrecognized metric: [" + m + "]");
  json::object o{{"timestamp", c.engine().now_ms()}, {"name", c.door.node_name}, {"transport_address", c.door.address}, {"host", "127.0.0.1"}, {"ip", c.door.address}, {"roles", json::array{"data", "ingest", "master"}}, {"attributes", json::object{{"testattr", "test"}}}};
  if (want("indices")) {
    o["indices"] = json::object{{"docs", json::object{{"count", sum.docs}, {"deleted", sum.deleted}, {"total_size_in_bytes", sum.bytes}}}, {"shard_stats", json::object{{"total_count", static_cast<int64_t>(c.engine().all().size())}}}, {"store", json::object{{"size_in_bytes", sum.bytes}, {"total_data_set_size_in_bytes", sum.bytes}, {"reserved_in_bytes", 0}}}, {"indexing", json::object{{"index_total", all.indexed}, {"index_time_in_millis", all.write_us / 1000}, {"index_current", 0}, {"index_failed", all.failed}, {"delete_total", all.deleted}, {"delete_time_in_millis", 0}, {"delete_current", 0}, {"noop_update_total", all.noops}, {"is_throttled", false}, {"throttle_time_in_millis", 0}}}, {"get", json::object{{"total", all.gets}, {"exists_total", all.gets_found}, {"missing_total", all.gets - all.gets_found}}}, {"search", json::object{{"open_contexts", 0}, {"query_total", all.search.queries}, {"query_time_in_millis", all.search.query_us / 1000}, {"fetch_total", all.search.fetches}, {"fetch_time_in_millis", all.search.fetch_us / 1000}}}, {"merges", json::object{{"current", 0}, {"total", 0}}}, {"refresh", json::object{{"total", all.refreshes}}}, {"flush", json::object{{"total", all.flushes}}}, {"warmer", json::object{{"current", 0}}}, {"query_cache", json::object{{"memory_size_in_bytes", 0}}}, {"fielddata", json::object{{"memory_size_in_bytes", 0}, {"evictions", 0}}}, {"completion", json::object{{"size_in_bytes", 0}}}, {"segments", json::object{{"count", sum.segments}}}, {"translog", json::object{{"operations", 0}}}, {"request_cache", json::object{{"memory_size_in_bytes", 0}}}, {"recovery", json::object{{"current_as_source", 0}}}, {"bulk", json::object{{"total_operations", all.bulks}, {"total_size_in_bytes", all.bulk_bytes}}}, {"mappings", json::object{{"total_count", 0}, {"total_estimated_overhead_in_bytes", 0}}}};
  }
  Machine m = machine_now();
  int64_t busy = std::min<int64_t>(100, static_cast<int64_t>(100 * m.load_1m / m.processors));
  if (want("os")) {
    o["os"] = json::object{{"timestamp", c.engine().now_ms()}, {"cpu", json::object{{"percent", busy}, {"load_average", json::object{{"1m", m.load_1m}, {"5m", m.load_5m}, {"15m", m.load_15m}}}}},
                           {"mem", json::object{{"total_in_bytes", m.memory_total}, {"adjusted_total_in_bytes", m.memory_total}, {"free_in_bytes", m.memory_free}, {"used_in_bytes", m.memory_total - m.memory_free}, {"free_percent", 100 - m.memory_used_percent()}, {"used_percent", m.memory_used_percent()}}}};
  }
  if (want("process")) o["process"] = json::object{{"timestamp", c.engine().now_ms()}, {"open_file_descriptors", m.open_files}, {"max_file_descriptors", m.max_files}, {"cpu", json::object{{"percent", busy}, {"total_in_millis", m.cpu_ms}}}, {"mem", json::object{{"total_virtual_in_bytes", m.virtual_size}}}};
  // There is no virtual machine: its memory is this process's.
  if (want("jvm")) o["jvm"] = json::object{{"timestamp", c.engine().now_ms()}, {"uptime_in_millis", c.engine().now_ms() - c.door.started_ms}, {"mem", json::object{{"heap_used_in_bytes", m.resident}, {"heap_used_percent", m.resident_percent()}, {"heap_committed_in_bytes", m.resident}, {"heap_max_in_bytes", m.memory_total}}}, {"threads", json::object{{"count", m.threads}}}, {"gc", json::object{{"collectors", json::object()}}}};
  json::object disk{{"total_in_bytes", m.disk_total}, {"free_in_bytes", m.disk_free}, {"available_in_bytes", m.disk_avail}};
  if (want("fs")) o["fs"] = json::object{{"timestamp", c.engine().now_ms()}, {"total", disk}, {"data", json::array{disk}}};
  if (want("transport")) o["transport"] = json::object{{"server_open", 0}, {"total_outbound_connections", 0}, {"rx_count", 0}, {"tx_count", 0}};
  if (want("http")) o["http"] = json::object{{"current_open", 1}, {"total_opened", 1}, {"clients", json::array()}, {"routes", json::object()}};
  if (want("breaker")) o["breakers"] = json::object();
  if (want("script")) o["script"] = json::object{{"compilations", 0}, {"cache_evictions", 0}};
  if (want("discovery")) o["discovery"] = json::object{{"cluster_state_queue", json::object{{"total", 0}, {"pending", 0}, {"committed", 0}}}, {"published_cluster_states", json::object()}, {"cluster_state_update", json::object{{"unchanged", json::object{{"count", 0}}}}}, {"serialized_cluster_states", json::object()}, {"cluster_applier_stats", json::object{{"recordings", json::array()}}}};
  if (want("ingest")) o["ingest"] = json::object{{"total", json::object{{"count", 0}}}, {"pipelines", json::object()}};
  if (want("adaptive_selection")) o["adaptive_selection"] = json::object();
  if (want("indexing_pressure")) o["indexing_pressure"] = json::object{{"memory", json::object{{"current", json::object{{"combined_coordinating_and_primary_in_bytes", 0}, {"coordinating_in_bytes", 0}, {"primary_in_bytes", 0}, {"replica_in_bytes", 0}, {"all_in_bytes", 0}}}, {"total", json::object{{"combined_coordinating_and_primary_in_bytes", 0}, {"coordinating_in_bytes", 0}, {"primary_in_bytes", 0}, {"replica_in_bytes", 0}, {"all_in_bytes", 0}, {"coordinating_rejections", 0}, {"primary_rejections", 0}, {"replica_rejections", 0}}}, {"limit_in_bytes", 107374182}}}};
  if (want("thread_pool")) o["thread_pool"] = json::object{{"search", json::object{{"threads", 0}, {"queue", 0}, {"active", 0}, {"rejected", 0}, {"largest", 0}, {"completed", 0}}}};
  if (node_selected(c)) nodes[c.engine().node_id()] = o;
  return Reply(node_frame(c, nodes));
}
Reply hot_threads(Call& c) { return Reply::plain("::: {" + c.door.node_name + "}{" + c.engine().node_id() + "}\n   Hot threads at now, interval=500ms, busiestThreads=3, ignoreIdleThreads=true:\n"); }
Reply usage(Call& c) {
  return Reply(node_frame(c, json::object{{c.engine().node_id(), json::object{{"timestamp", c.engine().now_ms()}, {"since", c.door.started_ms}, {"rest_actions", json::object()}, {"aggregations", json::object()}}}}));
}

Reply cluster_state(Call& c) {
  json::object nodes{{c.engine().node_id(), json::object{{"name", c.door.node_name}, {"ephemeral_id", c.engine().node_id()}, {"transport_address", c.door.address}, {"attributes", json::object{{"testattr", "test"}}}, {"roles", json::array{"data", "ingest", "master"}}}}};
  json::object indices, routing, blocks;
  std::string expr = c.part("index");
  for (auto& t : c.resolve(expr, true, c.flag("ignore_unavailable", false), true)) {
    const Index& x = *t.index;
    json::array aliases;
    for (auto& [a, d] : x.aliases) aliases.push_back(json::value(std::string(a)));
    indices[x.name] = json::object{{"version", 1}, {"mapping_version", 1}, {"settings_version", 1}, {"aliases_version", 1}, {"routing_num_shards", 1024}, {"state", x.closed ? "close" : "open"}, {"settings", x.settings}, {"mappings", json::object{{"_doc", x.mapping()->json()}}}, {"aliases", aliases}, {"primary_terms", json::object{{"0", 1}}}, {"in_sync_allocations", json::object{{"0", json::array{json::value(x.uuid)}}}}};
    json::object shard{{"state", "STARTED"}, {"primary", true}, {"node", c.engine().node_id()}, {"relocating_node", nullptr}, {"shard", 0}, {"index", x.name}};
    routing[x.name] = json::object{{"shards", json::object{{"0", json::array{shard}}}}};
    json::object b;
    for (const char* k : {"read_only", "read", "write", "metadata"}) {
      static const std::map<std::string, std::string> kIds = {{"read_only", "5"}, {"read", "7"}, {"write", "8"}, {"metadata", "9"}};
      if (x.setting(std::string("blocks.") + k) == "true") b[kIds.at(k)] = json::object{{"description", std::string("index ") + k + " (api)"}, {"retryable", false}, {"levels", json::array{"write"}}};
    }
    if (x.closed) b["4"] = json::object{{"description", "index closed"}, {"retryable", false}, {"levels", json::array{"read", "write"}}};
    if (!b.empty()) blocks[x.name] = b;
  }
  json::object blocks_out;
  if (!blocks.empty()) blocks_out["indices"] = blocks;
  json::object templates;
  for (auto& [n, t] : c.engine().things("template")) templates[n] = t;
  json::object all{{"version", 1}, {"state_uuid", "c3RlbGUtc3RhdGU"}, {"master_node", c.engine().node_id()}, {"blocks", blocks_out}, {"nodes", nodes},
                   {"metadata", json::object{{"cluster_uuid", "c3RlbGUtY2x1c3Rlci11dWlk"}, {"cluster_uuid_committed", true}, {"cluster_coordination", json::object{{"term", 1}, {"last_committed_config", json::array{json::value(c.engine().node_id())}}, {"last_accepted_config", json::array{json::value(c.engine().node_id())}}, {"voting_config_exclusions", json::array()}}}, {"templates", templates}, {"indices", indices}, {"index-graveyard", json::object{{"tombstones", json::array()}}}}},
                   {"routing_table", json::object{{"indices", routing}}}, {"routing_nodes", json::object{{"unassigned", json::array()}, {"nodes", json::object{{c.engine().node_id(), json::array()}}}}}};
  json::object out{{"cluster_name", c.door.cluster_name}, {"cluster_uuid", "c3RlbGUtY2x1c3Rlci11dWlk"}};
  std::vector<std::string> metrics = split(c.part("metric"), ',');
  bool everything = metrics.empty() || metrics[0] == "_all";
  for (auto& [k, v] : all) {
    bool take = everything;
    for (auto& m : metrics) take |= m == k || (m == "version" && k == "state_uuid");
    if (take) out[k] = v;
  }
  return Reply(out);
}
Reply cluster_stats(Call& c) {
  Machine m = machine_now();
  segments::RelationIndex::Stats sum;
  int64_t n = 0, primaries = 0;
  for (auto& x : c.engine().all()) {
    auto s = x->indexed->index.stats();
    sum.docs += s.docs;
    sum.deleted += s.deleted;
    sum.bytes += s.bytes;
    sum.segments += s.segments;
    ++n;
    primaries += counts(*x).primaries;
  }
  json::object indices{{"count", n}, {"shards", json::object{{"total", primaries}, {"primaries", primaries}, {"replication", 0.0}}}, {"docs", json::object{{"count", sum.docs}, {"deleted", sum.deleted}}}, {"store", json::object{{"size_in_bytes", sum.bytes}, {"total_data_set_size_in_bytes", sum.bytes}, {"reserved_in_bytes", 0}}}, {"fielddata", json::object{{"memory_size_in_bytes", 0}, {"evictions", 0}}}, {"query_cache", json::object{{"memory_size_in_bytes", 0}}}, {"completion", json::object{{"size_in_bytes", 0}}}, {"segments", json::object{{"count", sum.segments}}}, {"mappings", json::object{{"field_types", json::array()}, {"runtime_field_types", json::array()}}}, {"analysis", json::object{{"char_filter_types", json::array()}, {"tokenizer_types", json::array()}, {"filter_types", json::array()}, {"analyzer_types", json::array()}}}, {"versions", json::array()}};
  json::object nodes{{"count", json::object{{"total", 1}, {"data", 1}, {"coordinating_only", 0}, {"ingest", 1}, {"master", 1}, {"voting_only", 0}}}, {"versions", json::array{kVersion}}, {"os", json::object{{"available_processors", static_cast<int64_t>(std::thread::hardware_concurrency())}, {"allocated_processors", 1}, {"names", json::array()}, {"mem", json::object{{"total_in_bytes", m.memory_total}, {"free_in_bytes", m.memory_free}, {"used_in_bytes", m.memory_total - m.memory_free}, {"used_percent", m.memory_used_percent()}}}}}, {"process", json::object{{"cpu", json::object{{"percent", std::min<int64_t>(100, static_cast<int64_t>(100 * m.load_1m / m.processors))}}}, {"open_file_descriptors", json::object{{"min", m.open_files}, {"max", m.open_files}, {"avg", m.open_files}}}}}, {"jvm", json::object{{"max_uptime_in_millis", c.engine().now_ms() - c.door.started_ms}, {"versions", json::array()}, {"mem", json::object{{"heap_used_in_bytes", m.resident}, {"heap_max_in_bytes", m.memory_total}}}, {"threads", m.threads}}}, {"fs", json::object{{"total_in_bytes", m.disk_total}, {"free_in_bytes", m.disk_free}, {"available_in_bytes", m.disk_avail}}}, {"plugins", json::array()}, {"network_types", json::object{{"transport_types", json::object()}, {"http_types", json::object()}}}, {"discovery_types", json::object{{"single-node", 1}}}, {"packaging_types", json::array()}, {"ingest", json::object{{"number_of_pipelines", 0}, {"processor_stats", json::object()}}}};
  return Reply(json::object{{"_nodes", json::object{{"total", 1}, {"successful", 1}, {"failed", 0}}}, {"cluster_name", c.door.cluster_name}, {"cluster_uuid", "c3RlbGUtY2x1c3Rlci11dWlk"}, {"timestamp", c.engine().now_ms()}, {"status", "green"}, {"indices", indices}, {"nodes", nodes}});
}
Reply pending_tasks(Call&) { return Reply(json::object{{"tasks", json::array()}}); }
Reply tasks(Call& c) {
  std::string id = c.part("task_id");
  if (!id.empty()) {
    auto t = c.engine().get_thing("task", id);
    if (!t) {
      if (id.find(':') == std::string::npos) illegal("malformed task id " + id);
      throw ElasticError(404, "resource_not_found_exception", "task [" + id + "] isn't running and hasn't stored its results");
    }
    return Reply(*t);
  }
  json::object task{{"node", c.engine().node_id()}, {"id", 1}, {"type", "direct"}, {"action", "cluster:monitor/tasks/lists"}, {"start_time_in_millis", c.engine().now_ms()}, {"running_time_in_nanos", 1000}, {"cancellable", false}, {"headers", json::object()}};
  if (auto h = c.request.header("x-opaque-id"); !h.empty()) task["headers"] = json::object{{"X-Opaque-Id", std::string(h)}};
  std::string key = c.engine().node_id() + ":1", group = c.param("group_by", "nodes");
  if (group == "none") return Reply(json::object{{"tasks", json::array{task}}});
  if (group == "parents") return Reply(json::object{{"tasks", json::object{{key, task}}}});
  json::object node{{"name", c.door.node_name}, {"transport_address", c.door.address}, {"host", "127.0.0.1"}, {"ip", c.door.address}, {"roles", json::array{"data", "master"}}, {"tasks", json::object{{key, task}}}};
  return Reply(json::object{{"nodes", json::object{{c.engine().node_id(), node}}}});
}
Reply cancel_tasks(Call& c) {
  std::string id = c.part("task_id");
  if (!id.empty() && id != "_all") {
    if (id.find(':') == std::string::npos) illegal("malformed task id " + id);
    throw ElasticError(404, "resource_not_found_exception", "task [" + id + "] is not found");
  }
  return Reply(json::object{{"nodes", json::object()}});
}

// --- The rest

Reply license(Call&) {
  return Reply(json::object{{"license", json::object{{"status", "active"}, {"uid", "stele"}, {"type", "basic"}, {"issue_date", "2026-01-01T00:00:00.000Z"}, {"issue_date_in_millis", 1767225600000}, {"max_nodes", 1000}, {"issued_to", "stele"}, {"issuer", "stele"}, {"start_date_in_millis", -1}}}});
}
Reply xpack(Call&) {
  json::object off{{"available", false}, {"enabled", false}};
  return Reply(json::object{{"build", json::object{{"hash", "7afee58"}, {"date", "2025-07-23T22:05:31Z"}}}, {"license", json::object{{"uid", "stele"}, {"type", "basic"}, {"mode", "basic"}, {"status", "active"}}}, {"features", json::object{{"security", off}, {"ml", off}, {"sql", off}}}, {"tagline", "You know, for X"}});
}
Reply empty_object(Call&) { return Reply(json::object{}); }
Reply allocation_explain(Call& c) {
  json::object body = c.body();
  IndexPtr x;
  bool primary = flag_or(body, "primary", false);
  int64_t shard = body.contains("shard") ? std::atoll(text_or(body, "shard").c_str()) : 0;
  if (body.empty()) {
    for (auto& i : c.engine().all()) if (!x && counts(*i).replicas > 0) x = i;
    if (!x) {
      throw ElasticError(400, "illegal_argument_exception", "No shard was specified in the request which means the response should explain a randomly-chosen unassigned shard, but there are no unassigned shards in this cluster. To explain the allocation of an assigned shard you must specify the target shard in the request. See https://www.elastic.co/guide/en/elasticsearch/reference/8.19/cluster-allocation-explain.html for more information.");
    }
  } else {
    for (const char* needed : {"index", "shard", "primary"}) if (!body.contains(needed)) illegal(std::string(needed == std::string_view("index") ? "index" : needed == std::string_view("shard") ? "shard" : "primary") + " must be specified");
    x = c.engine().find(text_or(body, "index"));
    if (!x) throw index_missing(text_or(body, "index"));
    if (shard < 0 || shard >= counts(*x).primaries || (!primary && counts(*x).replicas == 0)) illegal("No such shard: " + std::to_string(shard));
  }
  json::object out{{"index", x->name}, {"shard", shard}, {"primary", primary}};
  if (primary) {
    json::object node{{"id", c.engine().node_id()}, {"name", c.door.node_name}, {"transport_address", c.door.address}, {"roles", json::array{"data", "ingest", "master"}}, {"attributes", json::object()}, {"weight_ranking", 1}};
    out["current_state"] = "started";
    out["current_node"] = node;
    out["can_remain_on_current_node"] = "yes";
    out["can_rebalance_cluster"] = "no";
    out["can_rebalance_to_other_node"] = "no";
    out["rebalance_explanation"] = "Elasticsearch cannot rebalance this shard to another node since there is no node to which allocation is permitted";
    return Reply(out);
  }
  if (body.empty()) out["note"] = "No shard was specified in the explain API request, so this response explains a randomly chosen unassigned shard.";
  out["current_state"] = "unassigned";
  out["unassigned_info"] = json::object{{"reason", "INDEX_CREATED"}, {"at", segments::default_date_format().format(x->created_ms)}, {"last_allocation_status", "no_attempt"}};
  out["can_allocate"] = "no";
  out["allocate_explanation"] = "Elasticsearch isn't allowed to allocate this shard to any of the nodes in the cluster.";
  out["node_allocation_decisions"] = json::array{json::object{{"node_id", c.engine().node_id()}, {"node_name", c.door.node_name}, {"transport_address", c.door.address}, {"node_decision", "no"},
    {"deciders", json::array{json::object{{"decider", "same_shard"}, {"decision", "NO"}, {"explanation", "a copy of this shard is already allocated to this node"}}}}}};
  return Reply(out);
}
Reply reroute(Call& c) {
  json::object body = c.body(), out{{"acknowledged", true}};
  auto* commands = body.if_contains("commands");
  if (commands != nullptr && commands->is_array() && !commands->get_array().empty()) illegal("a single node has nowhere to move shards to: reroute commands are not supported by this server");
  if (std::string metric = c.param("metric", "none"); metric != "none") {
    c.path["metric"] = metric;
    out["state"] = cluster_state(c).body;
  }
  if (c.flag("explain", false)) out["explanations"] = json::array();
  return Reply(out);
}

constexpr const char* kCluster = "level,local,master_timeout,timeout,wait_for_active_shards,wait_for_events,wait_for_no_relocating_shards,wait_for_no_initializing_shards,wait_for_nodes,wait_for_status,expand_wildcards,flat_settings,include_defaults,allow_no_indices,ignore_unavailable,wait_for_metadata_version,wait_for_timeout,include_remotes,node_id,group_by,nodes,actions,detailed,parent_task_id,wait_for_completion,completion_fields,fielddata_fields,fields,groups,types,include_segment_file_sizes,include_unloaded_segments,interval,snapshots,threads,ignore_idle_threads,type,sort,categories,accept_enterprise,dry_run,explain,metric,retry_failed,include_yes_decisions,include_disk_info,if_version,summary";

}  // namespace

std::vector<Route> cluster_routes() {
  std::vector<Route> r = {
      {"GET,HEAD", "/", root, ""},
      {"GET", "/_cluster/health", health, kCluster},
      {"GET", "/_cluster/health/{index}", health, kCluster},
      {"GET", "/_cluster/settings", get_cluster_settings, kCluster},
      {"PUT", "/_cluster/settings", put_cluster_settings, kCluster},
      {"GET", "/_cluster/state", cluster_state, kCluster},
      {"GET", "/_cluster/state/{metric}", cluster_state, kCluster},
      {"GET", "/_cluster/state/{metric}/{index}", cluster_state, kCluster},
      {"GET", "/_cluster/stats", cluster_stats, kCluster},
      {"GET", "/_cluster/stats/nodes/{node_id}", cluster_stats, kCluster},
      {"GET", "/_cluster/pending_tasks", pending_tasks, kCluster},
      {"GET,POST", "/_cluster/allocation/explain", allocation_explain, kCluster},
      {"POST", "/_cluster/reroute", reroute, kCluster},
      {"GET", "/_remote/info", empty_object, ""},
      {"GET", "/_nodes", nodes_info, kCluster},
      {"GET", "/_nodes/stats", nodes_stats, kCluster},
      {"GET", "/_nodes/stats/{metric}", nodes_stats, kCluster},
      {"GET", "/_nodes/stats/{metric}/{index_metric}", nodes_stats, kCluster},
      {"GET", "/_nodes/usage", usage, kCluster},
      {"GET", "/_nodes/hot_threads", hot_threads, kCluster},
      {"GET", "/_nodes/{node_or_metric}", nodes_info, kCluster},
      {"GET", "/_nodes/{node_id}/stats", nodes_stats, kCluster},
      {"GET", "/_nodes/{node_id}/stats/{metric}", nodes_stats, kCluster},
      {"GET", "/_nodes/{node_id}/stats/{metric}/{index_metric}", nodes_stats, kCluster},
      {"GET", "/_nodes/{node_id}/hot_threads", hot_threads, kCluster},
      {"GET", "/_nodes/{node_id}/{metric}", nodes_info, kCluster},
      {"GET", "/_tasks", tasks, kCluster},
      {"GET", "/_tasks/{task_id}", tasks, kCluster},
      {"POST", "/_tasks/_cancel", cancel_tasks, kCluster},
      {"POST", "/_tasks/{task_id}/_cancel", cancel_tasks, kCluster},
      {"GET", "/_license", license, kCluster},
      {"GET", "/_xpack", xpack, kCluster},
  };
  return r;
}

}  // namespace stele::elastic

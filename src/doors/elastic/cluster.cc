// The root, cluster, nodes, tasks and _cat.
#include <unistd.h>

#include "doors/elastic/call.h"

namespace stele::elastic {

namespace {

constexpr const char* kVersion = "8.19.0";

Reply root(Call& c) {
  json::object version{{"number", kVersion}, {"build_flavor", "default"}, {"build_type", "tar"}, {"build_hash", "7afee58c3a4c4d0a2ae1ee2a9b7a9d5ea34f0b11"},
                       {"build_date", "2025-07-23T22:05:31.000000000Z"}, {"build_snapshot", false}, {"lucene_version", "9.12.2"},
                       {"minimum_wire_compatibility_version", "7.17.0"}, {"minimum_index_compatibility_version", "7.0.0"}};
  Reply r(json::object{{"name", c.door.node_name}, {"cluster_name", c.door.cluster_name}, {"cluster_uuid", "c3RlbGUtY2x1c3Rlci11dWlk"}, {"version", version}, {"tagline", "You Know, for Search"}});
  return r;
}

struct Counts { int64_t primaries = 0, replicas = 0; };
Counts counts(const Index& x) {
  Counts n;
  n.primaries = std::max(1, std::atoi(x.setting("number_of_shards").c_str()));
  n.replicas = n.primaries * std::atoi(x.setting("number_of_replicas").c_str());
  return n;
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
  segments::RelationIndex::Stats sum;
  for (auto& x : c.engine().all()) {
    auto s = x->indexed->index.stats();
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
    o["indices"] = json::object{{"docs", json::object{{"count", sum.docs}, {"deleted", sum.deleted}, {"total_size_in_bytes", sum.bytes}}}, {"shard_stats", json::object{{"total_count", static_cast<int64_t>(c.engine().all().size())}}}, {"store", json::object{{"size_in_bytes", sum.bytes}, {"total_data_set_size_in_bytes", sum.bytes}, {"reserved_in_bytes", 0}}}, {"indexing", json::object{{"index_total", sum.docs}, {"index_time_in_millis", 0}, {"index_current", 0}, {"index_failed", 0}, {"delete_total", 0}, {"delete_time_in_millis", 0}, {"delete_current", 0}, {"noop_update_total", 0}, {"is_throttled", false}, {"throttle_time_in_millis", 0}}}, {"get", json::object{{"total", 0}}}, {"search", json::object{{"open_contexts", 0}, {"query_total", 0}}}, {"merges", json::object{{"current", 0}, {"total", 0}}}, {"refresh", json::object{{"total", 0}}}, {"flush", json::object{{"total", 0}}}, {"warmer", json::object{{"current", 0}}}, {"query_cache", json::object{{"memory_size_in_bytes", 0}}}, {"fielddata", json::object{{"memory_size_in_bytes", 0}, {"evictions", 0}}}, {"completion", json::object{{"size_in_bytes", 0}}}, {"segments", json::object{{"count", sum.segments}}}, {"translog", json::object{{"operations", 0}}}, {"request_cache", json::object{{"memory_size_in_bytes", 0}}}, {"recovery", json::object{{"current_as_source", 0}}}, {"bulk", json::object{{"total_operations", 0}}}, {"mappings", json::object{{"total_count", 0}, {"total_estimated_overhead_in_bytes", 0}}}};
  }
  if (want("os")) o["os"] = json::object{{"timestamp", c.engine().now_ms()}, {"cpu", json::object{{"percent", 0}, {"load_average", json::object{{"1m", 0.0}}}}}, {"mem", json::object{{"total_in_bytes", 0}, {"free_in_bytes", 0}}}};
  if (want("process")) o["process"] = json::object{{"timestamp", c.engine().now_ms()}, {"open_file_descriptors", 1}, {"max_file_descriptors", 65536}, {"cpu", json::object{{"percent", 0}}}, {"mem", json::object{{"total_virtual_in_bytes", 0}}}};
  if (want("jvm")) o["jvm"] = json::object{{"timestamp", c.engine().now_ms()}, {"uptime_in_millis", c.engine().now_ms() - c.door.started_ms}, {"mem", json::object{{"heap_used_in_bytes", 0}, {"heap_used_percent", 0}, {"heap_max_in_bytes", 1073741824}}}, {"threads", json::object{{"count", 1}}}, {"gc", json::object{{"collectors", json::object()}}}};
  if (want("fs")) o["fs"] = json::object{{"timestamp", c.engine().now_ms()}, {"total", json::object{{"total_in_bytes", 0}, {"free_in_bytes", 0}, {"available_in_bytes", 0}}}, {"data", json::array()}};
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
  json::object nodes{{"count", json::object{{"total", 1}, {"data", 1}, {"coordinating_only", 0}, {"ingest", 1}, {"master", 1}, {"voting_only", 0}}}, {"versions", json::array{kVersion}}, {"os", json::object{{"available_processors", static_cast<int64_t>(std::thread::hardware_concurrency())}, {"allocated_processors", 1}, {"names", json::array()}, {"mem", json::object{{"total_in_bytes", 0}}}}}, {"process", json::object{{"cpu", json::object{{"percent", 0}}}, {"open_file_descriptors", json::object{{"min", 1}, {"max", 1}, {"avg", 1}}}}}, {"jvm", json::object{{"max_uptime_in_millis", 0}, {"versions", json::array()}, {"mem", json::object{{"heap_used_in_bytes", 0}, {"heap_max_in_bytes", 0}}}, {"threads", 1}}}, {"fs", json::object{{"total_in_bytes", 0}}}, {"plugins", json::array()}, {"network_types", json::object{{"transport_types", json::object()}, {"http_types", json::object()}}}, {"discovery_types", json::object{{"single-node", 1}}}, {"packaging_types", json::array()}, {"ingest", json::object{{"number_of_pipelines", 0}, {"processor_stats", json::object()}}}};
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

// --- _cat

struct CatColumn { const char* name; const char* alias; bool shown; bool right; };
struct CatTable {
  std::vector<CatColumn> columns;
  std::vector<std::vector<std::string>> rows;
};

Reply cat(Call& c, CatTable t) {
  if (c.flag("help", false)) {
    size_t wn = 0, wa = 0;
    for (auto& col : t.columns) {
      wn = std::max(wn, std::strlen(col.name));
      wa = std::max(wa, std::strlen(col.alias));
    }
    std::string out;
    for (auto& col : t.columns) out += fmt::format("{:<{}} | {:<{}} | {} \n", col.name, wn, col.alias, wa, std::string(col.name));
    return Reply::plain(out);
  }
  auto find = [&](const std::string& name) -> int {
    for (size_t i = 0; i < t.columns.size(); ++i) {
      if (name == t.columns[i].name) return static_cast<int>(i);
      for (auto& a : split(t.columns[i].alias, ',')) if (a == name) return static_cast<int>(i);
    }
    return -1;
  };
  std::vector<std::pair<size_t, std::string>> shown;
  if (c.has("h")) {
    for (auto& n : split(c.param("h"), ',')) {
      if (n.find('*') != std::string::npos) {
        for (size_t i = 0; i < t.columns.size(); ++i) if (glob(n, t.columns[i].name)) shown.emplace_back(i, t.columns[i].name);
        continue;
      }
      int i = find(n);
      if (i >= 0) shown.emplace_back(static_cast<size_t>(i), n);
    }
  } else {
    for (size_t i = 0; i < t.columns.size(); ++i) if (t.columns[i].shown) shown.emplace_back(i, t.columns[i].name);
  }
  if (c.has("s")) {
    auto keys = split(c.param("s"), ',');
    std::vector<std::pair<size_t, bool>> by;
    for (auto& k : keys) {
      auto parts = split(k, ':');
      int i = find(parts[0]);
      if (i < 0) throw ElasticError(400, "unsupported_operation_exception", "Unable to sort by unknown sort key `" + parts[0] + "`");
      by.emplace_back(static_cast<size_t>(i), parts.size() > 1 && parts[1] == "desc");
    }
    std::stable_sort(t.rows.begin(), t.rows.end(), [&](auto& a, auto& b) {
      for (auto& [i, desc] : by) {
        char *ea, *eb;
        double x = std::strtod(a[i].c_str(), &ea), y = std::strtod(b[i].c_str(), &eb);
        bool numeric = !a[i].empty() && !b[i].empty() && *ea == 0 && *eb == 0;
        if (numeric ? x != y : a[i] != b[i]) return desc ? (numeric ? x > y : a[i] > b[i]) : (numeric ? x < y : a[i] < b[i]);
      }
      return false;
    });
  }
  std::string accept(c.request.header("accept"));
  std::string format = c.param("format");
  if (format == "json" || format == "yaml" || (format.empty() && accept.find("json") != std::string::npos && accept.find("text/plain") == std::string::npos)) {
    json::array list;
    for (auto& r : t.rows) {
      json::object o;
      for (auto& [i, n] : shown) o[n] = r[i].empty() ? json::value(nullptr) : json::value(r[i]);
      list.push_back(o);
    }
    return Reply(list);
  }
  bool head = c.flag("v", false);
  std::string out;
  std::vector<size_t> width(shown.size());
  for (size_t k = 0; k < shown.size(); ++k) {
    if (head) width[k] = shown[k].second.size();
    for (auto& r : t.rows) width[k] = std::max(width[k], r[shown[k].first].size());
  }
  auto line = [&](auto&& cell) {
    for (size_t k = 0; k < shown.size(); ++k) {
      std::string s = cell(k);
      bool last = k + 1 == shown.size();
      if (t.columns[shown[k].first].right) out += std::string(width[k] - s.size(), ' ') + s;
      else out += last ? s : s + std::string(width[k] - s.size(), ' ');
      if (!last) out += ' ';
    }
    out += '\n';
  };
  if (head) line([&](size_t k) { return shown[k].second; });
  for (auto& r : t.rows) line([&](size_t k) { return r[shown[k].first]; });
  return Reply::plain(out);
}

std::string bytes_text(Call& c, uint64_t n) {
  std::string unit = c.param("bytes");
  if (!unit.empty()) {
    static const std::map<std::string, uint64_t> kUnits = {{"b", 1}, {"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}};
    auto it = kUnits.find(unit);
    return std::to_string(n / (it == kUnits.end() ? 1 : it->second));
  }
  const char* units[] = {"b", "kb", "mb", "gb", "tb"};
  double v = static_cast<double>(n);
  int u = 0;
  while (v >= 1024 && u < 4) {
    v /= 1024;
    ++u;
  }
  if (u == 0) return std::to_string(n) + "b";
  std::string s = fmt::format("{:.1f}", v);
  if (s.ends_with(".0")) s.resize(s.size() - 2);
  return s + units[u];
}

Reply cat_help(Call&) {
  return Reply::plain("=^.^=\n/_cat/allocation\n/_cat/shards\n/_cat/shards/{index}\n/_cat/master\n/_cat/nodes\n/_cat/tasks\n/_cat/indices\n/_cat/indices/{index}\n/_cat/segments\n/_cat/segments/{index}\n/_cat/count\n/_cat/count/{index}\n/_cat/recovery\n/_cat/recovery/{index}\n/_cat/health\n/_cat/pending_tasks\n/_cat/aliases\n/_cat/aliases/{alias}\n/_cat/thread_pool\n/_cat/thread_pool/{thread_pools}\n/_cat/plugins\n/_cat/fielddata\n/_cat/fielddata/{fields}\n/_cat/nodeattrs\n/_cat/repositories\n/_cat/snapshots/{repository}\n/_cat/templates\n/_cat/component_templates\n");
}
Reply cat_indices(Call& c) {
  CatTable t;
  t.columns = {{"health", "h", true, false}, {"status", "s", true, false}, {"index", "i,idx", true, false}, {"uuid", "id", true, false}, {"pri", "p,shards.primary,shardsPrimary", true, true}, {"rep", "r,shards.replica,shardsReplica", true, true}, {"docs.count", "dc,docsCount", true, true}, {"docs.deleted", "dd,docsDeleted", true, true}, {"creation.date", "cd", false, true}, {"creation.date.string", "cds", false, false}, {"store.size", "ss,storeSize", true, true}, {"pri.store.size", "pri.store.size", true, true}, {"dataset.size", "dataset.size", true, true}};
  std::string health = c.param("health");
  if (!health.empty() && health != "green" && health != "yellow" && health != "red") illegal("unknown cluster health status [" + health + "]");
  auto targets = c.resolve(c.part("index"), true, false, true);
  if (c.part("index").empty() || c.part("index").find('*') != std::string::npos) {
    targets = {};
    for (auto& x : c.engine().all()) {
      bool hit = c.part("index").empty();
      for (auto& p : split(c.part("index"), ',')) hit |= glob(p, x->name);
      for (auto& [a, d] : x->aliases) for (auto& p : split(c.part("index"), ',')) hit |= glob(p, std::string(a));
      std::string expand = c.param("expand_wildcards", "all");
      if (x->closed && expand == "open") hit = false;
      if (!x->closed && expand == "closed") hit = false;
      if (hit) {
        Call::Target target;
        target.index = x;
        targets.push_back(target);
      }
    }
  }
  for (auto& target : targets) {
    const Index& x = *target.index;
    Counts n = counts(x);
    auto s = x.indexed->index.stats();
    std::string h = n.replicas > 0 ? "yellow" : "green";
    if (!health.empty() && health != h) continue;
    bool closed = x.closed;
    t.rows.push_back({h, closed ? "close" : "open", x.name, x.uuid, std::to_string(n.primaries), std::to_string(n.replicas / n.primaries), closed ? "" : std::to_string(s.docs), closed ? "" : std::to_string(s.deleted), std::to_string(x.created_ms), segments::default_date_format().format(x.created_ms), closed ? "" : bytes_text(c, s.bytes), closed ? "" : bytes_text(c, s.bytes), closed ? "" : bytes_text(c, s.bytes)});
  }
  return cat(c, t);
}
Reply cat_aliases(Call& c) {
  CatTable t;
  t.columns = {{"alias", "a", true, false}, {"index", "i,idx", true, false}, {"filter", "f,fi", true, false}, {"routing.index", "ri,routingIndex", true, false}, {"routing.search", "rs,routingSearch", true, false}, {"is_write_index", "w,isWriteIndex", true, false}};
  std::vector<std::string> names = split(c.part("name"), ',');
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> sorted;
  for (auto& x : c.engine().all()) {
    for (auto& [a, d] : x->aliases) {
      bool take = names.empty();
      for (auto& n : names) {
        if (n.size() > 1 && n[0] == '-') take = take && !glob(n.substr(1), std::string(a));
        else take |= glob(n, std::string(a));
      }
      if (!take) continue;
      const json::object& o = d.as_object();
      std::string r = text_or(o, "routing");
      sorted[{std::string(a), x->name}] = {std::string(a), x->name, o.contains("filter") ? "*" : "-", text_or(o, "index_routing", r.empty() ? "-" : r), text_or(o, "search_routing", r.empty() ? "-" : r), text_or(o, "is_write_index", "-")};
    }
  }
  for (auto& [k, r] : sorted) t.rows.push_back(r);
  return cat(c, t);
}
std::pair<std::string, std::string> clock_of(Call& c) {
  int64_t now = c.engine().now_ms();
  return {std::to_string(now / 1000), segments::DateFormat("HH:mm:ss").format(now)};
}
Reply cat_count(Call& c) {
  CatTable t;
  t.columns = {{"epoch", "t,time", true, false}, {"timestamp", "ts,hms,hhmmss", true, false}, {"count", "dc,docs.count,docsCount", true, false}};
  uint64_t n = 0;
  for (auto& target : c.resolve(c.part("index"))) n += target.index->indexed->index.stats().docs;
  auto [epoch, time] = clock_of(c);
  t.rows.push_back({epoch, time, std::to_string(n)});
  return cat(c, t);
}
Reply cat_health(Call& c) {
  CatTable t;
  t.columns = {{"epoch", "t,time", true, false}, {"timestamp", "ts,hms,hhmmss", true, false}, {"cluster", "cl", true, false}, {"status", "st", true, false}, {"node.total", "nt,nodeTotal", true, true}, {"node.data", "nd,nodeData", true, true}, {"shards", "t,sh,shards.total,shardsTotal", true, true}, {"pri", "p,shards.primary,shardsPrimary", true, true}, {"relo", "r,shards.relocating,shardsRelocating", true, true}, {"init", "i,shards.initializing,shardsInitializing", true, true}, {"unassign", "u,shards.unassigned,shardsUnassigned", true, true}, {"unassign.pri", "up,shards.unassigned.primary,shardsUnassignedPrimary", true, true}, {"pending_tasks", "pt,pendingTasks", true, true}, {"max_task_wait_time", "mtwt,maxTaskWaitTime", true, true}, {"active_shards_percent", "asp,activeShardsPercent", true, true}};
  int64_t p = 0, u = 0;
  for (auto& x : c.engine().all()) {
    p += counts(*x).primaries;
    u += counts(*x).replicas;
  }
  auto [epoch, time] = clock_of(c);
  if (!c.flag("ts", true)) {
    t.columns[0].shown = t.columns[1].shown = false;
  }
  t.rows.push_back({epoch, time, c.door.cluster_name, u > 0 ? "yellow" : "green", "1", "1", std::to_string(p), std::to_string(p), "0", "0", std::to_string(u), "0", "0", "-", fmt::format("{:.1f}%", p + u == 0 ? 100.0 : 100.0 * static_cast<double>(p) / static_cast<double>(p + u))});
  return cat(c, t);
}
Reply cat_shards(Call& c) {
  CatTable t;
  t.columns = {{"index", "i,idx", true, false}, {"shard", "s,sh", true, false}, {"prirep", "p,pr,primaryOrReplica", true, false}, {"state", "st", true, false}, {"docs", "d,dc", true, true}, {"store", "sto", true, true}, {"dataset", "dataset", true, true}, {"ip", "ip", true, false}, {"id", "id", false, false}, {"node", "n", true, false}};
  for (auto& target : c.resolve(c.part("index"), true, false, true)) {
    const Index& x = *target.index;
    Counts n = counts(x);
    auto s = x.indexed->index.stats();
    for (int64_t i = 0; i < n.primaries; ++i) {
      t.rows.push_back({x.name, std::to_string(i), "p", "STARTED", std::to_string(i == 0 ? s.docs : 0), bytes_text(c, i == 0 ? s.bytes : 0), bytes_text(c, i == 0 ? s.bytes : 0), "127.0.0.1", c.engine().node_id(), c.door.node_name});
      for (int64_t r = 0; r < n.replicas / n.primaries; ++r) t.rows.push_back({x.name, std::to_string(i), "r", "UNASSIGNED", "", "", "", "", "", ""});
    }
  }
  return cat(c, t);
}
Reply cat_nodes(Call& c) {
  CatTable t;
  t.columns = {{"id", "id,nodeId", false, false}, {"pid", "p", false, false}, {"ip", "i", true, false}, {"port", "po", false, false}, {"http_address", "http", false, false}, {"version", "v", false, false}, {"heap.current", "hc,heapCurrent", false, true}, {"heap.percent", "hp,heapPercent", true, true}, {"heap.max", "hm,heapMax", false, true}, {"ram.percent", "rp,ramPercent", true, true}, {"file_desc.current", "fdc,fileDescriptorCurrent", false, true}, {"file_desc.percent", "fdp,fileDescriptorPercent", false, true}, {"file_desc.max", "fdm,fileDescriptorMax", false, true}, {"disk.total", "dt,diskTotal", false, true}, {"disk.used", "du,diskUsed", false, true}, {"disk.avail", "d,da,disk,diskAvail", false, true}, {"disk.used_percent", "dup,diskUsedPercent", false, true}, {"cpu", "cpu", true, true}, {"load_1m", "l", true, true}, {"load_5m", "l", true, true}, {"load_15m", "l", true, true}, {"node.role", "r,role,nodeRole", true, false}, {"master", "m", true, false}, {"name", "n", true, false}};
  std::string id = c.flag("full_id", false) ? c.engine().node_id() : c.engine().node_id().substr(0, 4);
  t.rows.push_back({id, std::to_string(::getpid()), "127.0.0.1", "9300", c.door.address, kVersion, "100mb", "10", "1gb", "50", "100", "1", "65536", "100gb", "50gb", "50gb", "50.00", "1", "0.10", "0.10", "0.10", "dim", "*", c.door.node_name});
  return cat(c, t);
}
Reply cat_master(Call& c) {
  CatTable t;
  t.columns = {{"id", "id", true, false}, {"host", "h", true, false}, {"ip", "ip", true, false}, {"node", "n", true, false}};
  t.rows.push_back({c.engine().node_id(), "127.0.0.1", "127.0.0.1", c.door.node_name});
  return cat(c, t);
}
Reply cat_allocation(Call& c) {
  CatTable t;
  t.columns = {{"shards", "s", true, true}, {"shards.undesired", "shards.undesired", true, true}, {"write_load.forecast", "wlf,writeLoadForecast", true, true}, {"disk.indices.forecast", "dif,diskIndicesForecast", true, true}, {"disk.indices", "di,diskIndices", true, true}, {"disk.used", "du,diskUsed", true, true}, {"disk.avail", "da,diskAvail", true, true}, {"disk.total", "dt,diskTotal", true, true}, {"disk.percent", "dp,diskPercent", true, true}, {"host", "h", true, false}, {"ip", "ip", true, false}, {"node", "n", true, false}, {"node.role", "r,role,nodeRole", true, false}};
  int64_t p = 0, u = 0;
  uint64_t bytes = 0;
  for (auto& x : c.engine().all()) {
    p += counts(*x).primaries;
    u += counts(*x).replicas;
    bytes += x->indexed->index.stats().bytes;
  }
  t.rows.push_back({std::to_string(p), "0", "0.0", bytes_text(c, bytes), bytes_text(c, bytes), bytes_text(c, uint64_t{50} << 30), bytes_text(c, uint64_t{50} << 30), bytes_text(c, uint64_t{100} << 30), "50", "127.0.0.1", "127.0.0.1", c.door.node_name, "dim"});
  if (u > 0) t.rows.push_back({std::to_string(u), "", "", "", "", "", "", "", "", "", "", "UNASSIGNED", ""});
  return cat(c, t);
}
Reply cat_templates(Call& c) {
  CatTable t;
  t.columns = {{"name", "n", true, false}, {"index_patterns", "t", true, false}, {"order", "o,p", true, false}, {"version", "v", true, false}, {"composed_of", "c", true, false}};
  auto patterns = [](const json::object& b) {
    std::string s = "[";
    auto& v = b.at("index_patterns");
    if (v.is_array()) for (auto& e : v.get_array()) s += (s.size() > 1 ? ", " : "") + json_text(e);
    else s += json_text(v);
    return s + "]";
  };
  std::string want = c.part("name");
  for (auto& [n, b] : c.engine().things("template")) {
    if (want.empty() || glob(want, n)) t.rows.push_back({n, patterns(b), text_or(b, "order", "0"), text_or(b, "version"), ""});
  }
  for (auto& [n, b] : c.engine().things("index_template")) {
    if (!want.empty() && !glob(want, n)) continue;
    std::string comp = "[";
    if (auto* l = b.if_contains("composed_of"); l != nullptr && l->is_array()) for (auto& e : l->get_array()) comp += (comp.size() > 1 ? ", " : "") + json_text(e);
    t.rows.push_back({n, patterns(b), text_or(b, "priority", "0"), text_or(b, "version"), comp + "]"});
  }
  return cat(c, t);
}
Reply cat_component_templates(Call& c) {
  CatTable t;
  t.columns = {{"name", "n", true, false}, {"version", "v", true, false}, {"alias_count", "a", true, false}, {"mapping_count", "m", true, false}, {"settings_count", "s", true, false}, {"metadata_count", "me", true, false}, {"included_in", "i", true, false}};
  std::string want = c.part("name");
  for (auto& [n, b] : c.engine().things("component_template")) {
    if (!want.empty() && !glob(want, n)) continue;
    const json::object& tpl = b.at("template").as_object();
    auto size = [&](const char* k) {
      auto* v = tpl.if_contains(k);
      if (v == nullptr || !v->is_object()) return std::string("0");
      if (std::string_view(k) == "mappings") {
        auto* p = v->get_object().if_contains("properties");
        return std::to_string(p != nullptr && p->is_object() ? p->get_object().size() : 0);
      }
      json::object flat;
      flatten(v->get_object(), "", flat);
      return std::to_string(std::string_view(k) == "aliases" ? v->get_object().size() : flat.size());
    };
    std::string in = "[";
    for (auto& [name, it] : c.engine().things("index_template")) {
      if (auto* l = it.if_contains("composed_of"); l != nullptr && l->is_array()) for (auto& e : l->get_array()) if (json_text(e) == n) in += (in.size() > 1 ? ", " : "") + name;
    }
    t.rows.push_back({n, text_or(b, "version"), size("aliases"), size("mappings"), size("settings"), b.contains("_meta") ? std::to_string(b.at("_meta").as_object().size()) : "0", in + "]"});
  }
  return cat(c, t);
}
Reply cat_segments(Call& c) {
  CatTable t;
  t.columns = {{"index", "i,idx", true, false}, {"shard", "s,sh", true, false}, {"prirep", "p,pr,primaryOrReplica", true, false}, {"ip", "ip", true, false}, {"id", "id", false, false}, {"segment", "seg", true, false}, {"generation", "g,gen", true, true}, {"docs.count", "dc,docsCount", true, true}, {"docs.deleted", "dd,docsDeleted", true, true}, {"size", "si", true, true}, {"size.memory", "sm,sizeMemory", true, true}, {"committed", "ic,isCommitted", true, false}, {"searchable", "is,isSearchable", true, false}, {"version", "v,ver", true, false}, {"compound", "ico,isCompound", true, false}};
  for (auto& target : c.resolve(c.part("index"), true, false, false)) {
    int k = 0;
    for (auto& s : *target.index->indexed->index.segments()) {
      t.rows.push_back({target.index->name, "0", "p", "127.0.0.1", c.engine().node_id(), "_" + std::to_string(k), std::to_string(k), std::to_string(s->docs() - s->deleted()), std::to_string(s->deleted()), bytes_text(c, s->image_bytes()), "0", "true", "true", "9.12.2", "true"});
      ++k;
    }
  }
  return cat(c, t);
}
Reply cat_recovery(Call& c) {
  CatTable t;
  t.columns = {{"index", "i,idx", true, false}, {"shard", "s,sh", true, false}, {"time", "t,ti", true, false}, {"type", "ty", true, false}, {"stage", "st", true, false}, {"source_host", "shost", true, false}, {"source_node", "snode", true, false}, {"target_host", "thost", true, false}, {"target_node", "tnode", true, false}, {"repository", "rep", true, false}, {"snapshot", "snap", true, false}, {"files", "f", true, false}, {"files_recovered", "fr", true, false}, {"files_percent", "fp", true, false}, {"files_total", "tf", true, false}, {"bytes", "b", true, false}, {"bytes_recovered", "br", true, false}, {"bytes_percent", "bp", true, false}, {"bytes_total", "tb", true, false}, {"translog_ops", "to", true, false}, {"translog_ops_recovered", "tor", true, false}, {"translog_ops_percent", "top", true, false}};
  for (auto& target : c.resolve(c.part("index"), true, false, true)) t.rows.push_back({target.index->name, "0", "0s", "empty_store", "done", "n/a", "n/a", "127.0.0.1", c.door.node_name, "n/a", "n/a", "0", "0", "0.0%", "0", "0b", "0b", "0.0%", "0b", "0", "0", "100.0%"});
  return cat(c, t);
}
Reply cat_simple(Call& c) {
  CatTable t;
  std::string what = split_path(c.request.path)[1];
  if (what == "plugins") t.columns = {{"id", "id", false, false}, {"name", "n", true, false}, {"component", "c", true, false}, {"version", "v", true, false}, {"description", "d", false, false}};
  else if (what == "pending_tasks") t.columns = {{"insertOrder", "o", true, true}, {"timeInQueue", "t", true, true}, {"priority", "p", true, false}, {"source", "s", true, false}};
  else if (what == "fielddata") t.columns = {{"id", "id", true, false}, {"host", "h", true, false}, {"ip", "ip", true, false}, {"node", "n", true, false}, {"field", "f", true, false}, {"size", "s", true, false}};
  else if (what == "repositories") {
    t.columns = {{"id", "id,repoId", true, false}, {"type", "t,type", true, false}};
    for (auto& [name, r] : c.engine().things("repository")) t.rows.push_back({name, text_or(r, "type")});
  } else if (what == "snapshots") {
    t.columns = {{"id", "id,snapshot", true, false}, {"repository", "re,repo", true, false}, {"status", "s,status", true, false}, {"start_epoch", "ste,startEpoch", true, true}, {"start_time", "sti,startTime", true, false}, {"end_epoch", "ete,endEpoch", true, true},
                 {"end_time", "eti,endTime", true, false}, {"duration", "dur,duration", true, true}, {"indices", "i,indices", true, true}, {"successful_shards", "ss", true, true}, {"failed_shards", "fs", true, true}, {"total_shards", "ts", true, true}, {"reason", "r,reason", false, false}};
    for (auto& [key, s] : c.engine().things("snapshot")) {
      std::string repo = key.substr(0, key.find('/'));
      if (auto want = c.part("repository"); !want.empty() && want != repo) continue;
      auto time = [&](const char* k) { return text_or(s, k).substr(11, 8); };
      std::string n = std::to_string(s.at("indices").as_array().size());
      t.rows.push_back({text_or(s, "snapshot"), repo, "SUCCESS", std::to_string(s.at("start_time_in_millis").to_number<int64_t>() / 1000), time("start_time"), std::to_string(s.at("end_time_in_millis").to_number<int64_t>() / 1000), time("end_time"),
                        text_or(s, "duration_in_millis") + "ms", n, n, "0", n, ""});
    }
  } else if (what == "circuit_breaker") {
    t.columns = {{"node_id", "id", true, false}, {"node_name", "nn", false, false}, {"breaker", "br", true, false}, {"limit", "l", true, false}, {"limit_bytes", "lb", false, true}, {"estimated", "e", true, false}, {"estimated_bytes", "eb", false, true}, {"tripped", "t", true, true}, {"overhead", "o", false, true}};
    for (const char* b : {"fielddata", "inflight_requests", "parent", "request"}) t.rows.push_back({c.engine().node_id().substr(0, 4), c.door.node_name, b, "1gb", "1073741824", "0b", "0", "0", "1.0"});
  } else if (what == "nodeattrs") {
    t.columns = {{"node", "name", true, false}, {"id", "id,nodeId", false, false}, {"pid", "p", false, false}, {"host", "h", true, false}, {"ip", "i", true, false}, {"port", "po", false, false}, {"attr", "attr.name", true, false}, {"value", "attr.value", true, false}};
    t.rows.push_back({c.door.node_name, c.engine().node_id().substr(0, 4), std::to_string(::getpid()), "127.0.0.1", "127.0.0.1", "9300", "testattr", "test"});
  } else if (what == "thread_pool") {
    t.columns = {{"node_name", "nn", true, false}, {"node_id", "id", false, false}, {"ephemeral_node_id", "eid", false, false}, {"pid", "p", false, true}, {"host", "h", false, false}, {"ip", "i", false, false}, {"port", "po", false, false}, {"name", "n", true, false}, {"type", "t", false, false}, {"active", "a", true, true}, {"pool_size", "psz", false, true}, {"queue", "q", true, true}, {"queue_size", "qs", false, true}, {"rejected", "r", true, true}, {"largest", "l", false, true}, {"completed", "c", false, true}, {"core", "cr", false, true}, {"max", "mx", false, true}, {"size", "sz", false, true}, {"keep_alive", "ka", false, true}};
    auto want = split(c.part("name"), ',');
    for (const char* n : {"analyze", "fetch_shard_started", "fetch_shard_store", "flush", "force_merge", "generic", "get", "management", "refresh", "search", "snapshot", "warmer", "write"}) {
      bool take = want.empty();
      for (auto& w : want) take |= glob(w, n);
      if (take) t.rows.push_back({c.door.node_name, c.engine().node_id(), c.engine().node_id(), std::to_string(::getpid()), "127.0.0.1", "127.0.0.1", "9300", n, "fixed", "0", "1", "0", "1000", "0", "0", "0", "", "", "4", ""});
    }
  } else if (what == "tasks") {
    t.columns = {{"id", "id", false, false}, {"action", "ac", true, false}, {"task_id", "ti", true, false}, {"parent_task_id", "pti", true, false}, {"type", "ty", true, false}, {"start_time", "start", true, false}, {"timestamp", "ts,hms,hhmmss", true, false}, {"running_time_ns", "time", false, false}, {"running_time", "time", true, false}, {"node_id", "ni", false, false}, {"ip", "i", true, false}, {"port", "po", false, false}, {"node", "n", true, false}, {"version", "v", false, false}};
    t.rows.push_back({"1", "cluster:monitor/tasks/lists", c.engine().node_id() + ":1", "-", "transport", std::to_string(c.engine().now_ms()), clock_of(c).second, "1000", "1micros", c.engine().node_id(), "127.0.0.1", "9300", c.door.node_name, kVersion});
  }
  return cat(c, t);
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
Reply allocation_explain(Call&) {
  throw ElasticError(400, "illegal_argument_exception", "No shard was specified in the request which means the response should explain a randomly-chosen unassigned shard, but there are no unassigned shards in this cluster. To explain the allocation of an assigned shard you must specify the target shard in the request. See https://www.elastic.co/guide/en/elasticsearch/reference/8.19/cluster-allocation-explain.html for more information.");
}
Reply reroute(Call&) { return Reply(json::object{{"acknowledged", true}}); }

constexpr const char* kCat = "h,v,s,help,bytes,time,local,master_timeout,health,pri,expand_wildcards,include_unloaded_segments,ts,full_id,active_only,detailed,index,size,fields,nodes,actions,parent_task_id,node_id,timeout,ignore_unavailable,allow_no_indices,wait_for_completion";
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
      {"GET", "/_cat", cat_help, kCat},
      {"GET", "/_cat/indices", cat_indices, kCat},
      {"GET", "/_cat/indices/{index}", cat_indices, kCat},
      {"GET", "/_cat/aliases", cat_aliases, kCat},
      {"GET", "/_cat/aliases/{name}", cat_aliases, kCat},
      {"GET", "/_cat/count", cat_count, kCat},
      {"GET", "/_cat/count/{index}", cat_count, kCat},
      {"GET", "/_cat/health", cat_health, kCat},
      {"GET", "/_cat/shards", cat_shards, kCat},
      {"GET", "/_cat/shards/{index}", cat_shards, kCat},
      {"GET", "/_cat/nodes", cat_nodes, kCat},
      {"GET", "/_cat/master", cat_master, kCat},
      {"GET", "/_cat/allocation", cat_allocation, kCat},
      {"GET", "/_cat/allocation/{node_id}", cat_allocation, kCat},
      {"GET", "/_cat/templates", cat_templates, kCat},
      {"GET", "/_cat/templates/{name}", cat_templates, kCat},
      {"GET", "/_cat/component_templates", cat_component_templates, kCat},
      {"GET", "/_cat/component_templates/{name}", cat_component_templates, kCat},
      {"GET", "/_cat/segments", cat_segments, kCat},
      {"GET", "/_cat/segments/{index}", cat_segments, kCat},
      {"GET", "/_cat/recovery", cat_recovery, kCat},
      {"GET", "/_cat/recovery/{index}", cat_recovery, kCat},
  };
  for (const char* p : {"/_cat/plugins", "/_cat/pending_tasks", "/_cat/fielddata", "/_cat/fielddata/{fields}", "/_cat/repositories", "/_cat/nodeattrs", "/_cat/thread_pool", "/_cat/thread_pool/{name}", "/_cat/tasks", "/_cat/snapshots", "/_cat/snapshots/{repository}", "/_cat/circuit_breaker", "/_cat/circuit_breaker/{name}"}) {
    r.push_back({"GET", p, cat_simple, kCat});
  }
  return r;
}

}  // namespace stele::elastic

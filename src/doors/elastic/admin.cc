// Calls about the cluster that a single node answers by itself: exclusions, health report, features, desired nodes; synonym sets.
#include "doors/elastic/call.h"
#include "doors/elastic/cluster_parts.h"
#include "doors/elastic/index_settings.h"
#include "doors/elastic/machine.h"

namespace stele::elastic {

namespace {
// This server alone: what it has that an expression names.
Reply resolve_cluster(Call& c) {
  bool any = false;
  if (c.path.count("name") != 0) {
    try {
      any = !c.resolve(c.part("name"), true, true, true).empty();
    } catch (const ElasticError& e) {
      if (e.status != 404) throw;
    }
  }
  json::object me{{"connected", true}, {"skip_unavailable", false}};
  if (c.path.count("name") != 0) me["matching_indices"] = any;
  me["version"] = json::object{{"number", "8.19.0"}, {"build_flavor", "default"}, {"minimum_wire_compatibility_version", "7.17.0"}, {"minimum_index_compatibility_version", "7.0.0"}};
  return Reply(json::object{{"(local)", me}});
}
[[noreturn]] void unmeasured(const std::string& what) { throw ElasticError(400, "illegal_argument_exception", what + " is not measured by this server"); }

Reply exclude_voting(Call& c) {
  std::string names = c.param("node_names"), ids = c.param("node_ids");
  if (names.empty() == ids.empty()) illegal(names.empty() ? "You must set [node_names] or [node_ids] but not both" : "You must set [node_names] or [node_ids] but not both");
  json::object list;
  if (auto old = c.engine().get_thing("voting", "exclusions")) list = *old;
  json::array all = list.contains("list") ? list.at("list").as_array() : json::array();
  for (auto& n : split(names.empty() ? ids : names, ',')) {
    bool me = n == c.door.node_name || n == c.engine().node_id();
    if (me) throw ElasticError(408, "timeout_exception", "timed out waiting for voting config exclusions [{" + n + "}] to take effect");
    all.push_back(names.empty() ? json::object{{"node_id", n}, {"node_name", "_absent_"}} : json::object{{"node_id", "_absent_"}, {"node_name", n}});
  }
  list["list"] = all;
  c.engine().put_thing("voting", "exclusions", list);
  Reply r;
  r.is_text = true;
  return r;
}
Reply include_voting(Call& c) {
  c.engine().drop_thing("voting", "exclusions");
  Reply r;
  r.is_text = true;
  return r;
}

// Each indicator looks at what it speaks of; there is one node, which leads.
Reply health_report(Call& c) {
  const std::string feature = c.part("feature");
  if (c.has("size") && c.number("size", 1000) < 0) illegal("The max number of resources should be a positive integer");
  const bool verbose = c.flag("verbose", true);
  json::object indicators;
  int worst = 0;
  auto indicator = [&](const std::string& name, int rank, std::string symptom, json::object details) {
    if (!feature.empty() && feature != name) return;
    worst = std::max(worst, rank);
    json::object o{{"status", rank == 0 ? "green" : rank == 1 ? "yellow" : "red"}, {"symptom", std::move(symptom)}};
    if (verbose && !details.empty()) o["details"] = std::move(details);
    indicators[name] = std::move(o);
  };
  json::object master{{"node_id", c.engine().node_id()}, {"name", c.door.node_name}};
  indicator("master_is_stable", 0, "The cluster has a stable master node", {{"current_master", master}, {"recent_masters", json::array{master}}});
  const size_t repositories = c.engine().things("repository").size();
  indicator("repository_integrity", 0, repositories == 0 ? "No snapshot repositories configured." : "All repositories are healthy.",
            repositories == 0 ? json::object{} : json::object{{"total_repositories", repositories}});
  const Machine machine = machine_now();
  const double used = machine.disk_used_percent();
  indicator("disk", used >= 95 ? 2 : used >= 85 ? 1 : 0,
            used >= 95 ? "1 node is out of disk space." : used >= 85 ? "1 node is low on disk space." : "The cluster has enough available disk space.",
            {{"indices_with_readonly_block", 0}, {"nodes_with_enough_disk_space", used < 85 ? 1 : 0}, {"nodes_with_unknown_disk_status", 0},
             {"nodes_over_high_watermark", used >= 85 && used < 95 ? 1 : 0}, {"nodes_over_flood_stage_watermark", used >= 95 ? 1 : 0}});
  int64_t started = 0, unassigned = 0;
  for (auto& t : c.resolve("")) {
    const Counts n = counts(*t.index);
    started += n.primaries;
    unassigned += n.replicas;
  }
  const int64_t limit = 1000;
  indicator("shards_capacity", started + unassigned > limit ? 2 : started + unassigned > limit - 10 ? 1 : 0,
            started + unassigned > limit - 10 ? "Cluster is close to reaching the configured maximum number of shards for data nodes." : "The cluster has enough room to add new shards.",
            {{"data", json::object{{"max_shards_in_cluster", limit}, {"current_used_shards", started + unassigned}}}});
  indicator("shards_availability", unassigned > 0 ? 1 : 0,
            unassigned == 0 ? std::string("This cluster has all shards available.")
                            : "This cluster has " + std::to_string(unassigned) + (unassigned == 1 ? " unavailable replica shard." : " unavailable replica shards."),
            {{"started_primaries", started}, {"unassigned_replicas", unassigned}, {"unassigned_primaries", 0}, {"started_replicas", 0},
             {"initializing_primaries", 0}, {"initializing_replicas", 0}, {"restarting_primaries", 0}, {"restarting_replicas", 0}, {"creating_primaries", 0}, {"creating_replicas", 0}});
  // Nothing runs lifecycles, so nothing is known of them.
  indicator("data_stream_lifecycle", 0, "No data stream lifecycle health data available yet. Health information will be reported after the first run.", {});
  if (!feature.empty() && indicators.empty()) throw ElasticError(404, "resource_not_found_exception", "Did not find indicator " + feature);
  json::object out;
  if (feature.empty()) out["status"] = worst == 0 ? "green" : worst == 1 ? "yellow" : "red";
  out["cluster_name"] = c.door.cluster_name;
  out["indicators"] = indicators;
  return Reply(out);
}
Reply features(Call&) { return Reply(json::object{{"features", json::array{json::object{{"name", "synonyms"}, {"description", "Manages synonyms"}}, json::object{{"name", "tasks"}, {"description", "Manages task results"}}}}}); }
Reply reset_features(Call&) { return Reply(json::object{{"features", json::array{json::object{{"feature_name", "synonyms"}, {"status", "SUCCESS"}}, json::object{{"feature_name", "tasks"}, {"status", "SUCCESS"}}}}}); }
Reply info(Call& c) {
  json::object out{{"cluster_name", c.door.cluster_name}};
  static const std::set<std::string> kTargets = {"_all", "http", "ingest", "thread_pool", "script"};
  for (auto& t : split(c.part("target"), ',')) {
    if (kTargets.count(t) == 0) illegal("request [" + c.request.path + "] contains unrecognized target: [" + t + "]");
    bool all = t == "_all";
    if (all && c.part("target") != "_all") illegal("request [" + c.request.path + "] contains _all and individual target [" + c.part("target") + "]");
  }
  // Nothing of it is counted, so nothing is shown: an absent member is not a zero.
  return Reply(out);
}
Reply prevalidate(Call& c) {
  if (!c.has("names") && !c.has("ids") && !c.has("external_ids")) invalid({"request must contain only one of the parameters 'names', 'ids', or 'external_ids'"});
  return Reply(json::object{{"is_safe", true}, {"message", "cluster status is not RED"}, {"nodes", json::array{json::object{{"id", c.engine().node_id()}, {"name", c.door.node_name}, {"external_id", c.door.node_name}, {"result", json::object{{"is_safe", true}, {"reason", "no_problems"}, {"message", ""}}}}}}});
}
Reply reload_secure(Call& c) {
  return Reply(json::object{{"_nodes", json::object{{"total", 1}, {"successful", 1}, {"failed", 0}}}, {"cluster_name", c.door.cluster_name}, {"nodes", json::object{{c.engine().node_id(), json::object{{"name", c.door.node_name}}}}}});
}
Reply shard_stores(Call& c) {
  json::object indices;
  std::set<std::string> status;
  for (auto& s : split(c.param("status", "yellow,red"), ',')) status.insert(s);
  for (auto& t : c.resolve_param()) {
    bool yellow = t.index->setting("number_of_replicas") != "0" && !t.index->setting("number_of_replicas").empty();
    if (status.count("all") == 0 && status.count(yellow ? "yellow" : "green") == 0) continue;
    json::object shards_json;
    int64_t n = std::max(1, std::atoi(t.index->setting("number_of_shards").c_str()));
    json::object node{{"name", c.door.node_name}, {"ephemeral_id", c.engine().node_id()}, {"transport_address", c.door.address}, {"attributes", json::object()}};
    for (int64_t i = 0; i < n; ++i) shards_json[std::to_string(i)] = json::object{{"stores", json::array{json::object{{c.engine().node_id(), node}, {"allocation_id", t.index->uuid}, {"allocation", "primary"}}}}};
    indices[t.index->name] = json::object{{"shards", shards_json}};
  }
  return Reply(json::object{{"indices", indices}});
}
Reply disk_usage(Call& c) {
  if (!c.flag("run_expensive_tasks", false)) illegal("analyzing the disk usage of an index is expensive and resource-intensive, the parameter [run_expensive_tasks] must be set to [true] in order for the task to be performed.");
  json::object out{{"_shards", shards(1, false)}};
  for (auto& t : c.resolve_param()) {
    uint64_t total = 0;
    json::object fields;
    auto list = t.index->indexed->index.segments();
    for (auto& s : *list) {
      total += s->image_bytes();
      for (auto& [name, f] : s->fields()) {
        int64_t norms = f.norms != 0 ? s->docs() : 0, columns = 0;
        if (f.column.kind != segments::ColumnKind::kNone) columns = static_cast<int64_t>(f.column.value_count * f.column.width + (f.column.dense ? 0 : s->docs() / 8) + (f.column.multi ? 4 * uint64_t{s->docs()} : 0));
        json::object& o = fields[name].is_object() ? fields[name].get_object() : (fields[name] = json::object{{"norms_in_bytes", 0}, {"doc_values_in_bytes", 0}}).get_object();
        o["norms_in_bytes"] = o["norms_in_bytes"].to_number<int64_t>() + norms;
        o["doc_values_in_bytes"] = o["doc_values_in_bytes"].to_number<int64_t>() + columns;
      }
    }
    out[t.index->name] = json::object{{"store_size_in_bytes", total}, {"all_fields", json::object{{"total_in_bytes", total}}}, {"fields", fields}};
  }
  return Reply(out);
}
Reply field_usage(Call&) { unmeasured("the usage of fields"); }

// --- Desired nodes

Reply put_desired(Call& c) {
  std::string history = c.part("history");
  char* end;
  const std::string given = c.part("version");
  int64_t version = std::strtoll(given.c_str(), &end, 10);
  if (version < 0 || *end != 0) invalid({"version must be positive"});
  json::object body = c.body(true);
  auto* nodes = body.if_contains("nodes");
  if (nodes == nullptr || !nodes->is_array()) throw ElasticError(400, "x_content_parse_exception", "Required [nodes]");
  if (nodes->get_array().empty()) invalid({"nodes must contain at least one master node"});
  std::map<std::string, std::set<std::string>> seen;
  for (auto& n : nodes->get_array()) {
    if (!n.is_object()) throw ElasticError(400, "x_content_parse_exception", "[1:1] [desired_node] Expected START_OBJECT");
    const json::object& node = n.get_object();
    for (auto& [k, v] : node) if (k != "settings" && k != "processors" && k != "processors_range" && k != "memory" && k != "storage" && k != "node_version") throw ElasticError(400, "x_content_parse_exception", "[1:2] [desired_node] unknown field [" + std::string(k) + "]");
    for (const char* needed : {"settings", "memory", "storage"}) if (!node.contains(needed)) throw ElasticError(400, "x_content_parse_exception", "Required [" + std::string(needed) + "]");
    bool exact = node.contains("processors"), range = node.contains("processors_range");
    if (exact == range) illegal("Either [processors] or [processors_range] must be specified");
    auto positive = [&](const json::value& v) {
      if (!v.is_number() || v.to_number<double>() <= 0) illegal("processors must be a positive number; provided [" + json_text(v) + "]");
    };
    if (exact) positive(node.at("processors"));
    if (range) {
      const json::object& r = node.at("processors_range").as_object();
      if (!r.contains("min")) throw ElasticError(400, "x_content_parse_exception", "Required [min]");
      positive(r.at("min"));
      if (r.contains("max") && r.at("max").to_number<double>() < r.at("min").to_number<double>()) illegal("min processors must be less than or equal to max processors and it was: min: " + json_text(r.at("min")) + " max: " + json_text(r.at("max")));
    }
    json::object flat;
    if (node.at("settings").is_object()) flatten(node.at("settings").get_object(), "", flat);
    std::string id = text_or(flat, "node.external_id"), name = text_or(flat, "node.name");
    if (id.empty() && name.empty()) illegal("[node.name] or [node.external_id] is missing or empty");
    for (auto& [key, value] : {std::pair<std::string, std::string>{"node.external_id", id}, {"node.name", name}}) {
      if (!value.empty() && !seen[key].insert(value).second) illegal("Some nodes contain the same setting value [" + value + "] for [" + key + "]");
    }
  }
  bool dry = c.flag("dry_run", false);
  auto old = c.engine().get_thing("desired_nodes", "latest");
  json::object next{{"history_id", history}, {"version", version}, {"nodes", *nodes}};
  bool replaced = old && text_or(*old, "history_id") != history;
  if (old && !replaced) {
    int64_t have = old->at("version").to_number<int64_t>();
    if (have > version) throw ElasticError(409, "version_conflict_exception", "version [" + std::to_string(version) + "] has been superseded by version [" + std::to_string(have) + "] for history [" + history + "]");
    if (have == version && json::serialize(old->at("nodes")) != json::serialize(*nodes)) {
      throw ElasticError(400, "illegal_argument_exception", "Desired nodes with history [" + history + "] and version [" + std::to_string(version) + "] already exists with a different definition");
    }
  }
  if (!dry) c.engine().put_thing("desired_nodes", "latest", next);
  return Reply(json::object{{"replaced_existing_history_id", replaced}, {"dry_run", dry}});
}
Reply get_desired(Call& c) {
  auto t = c.engine().get_thing("desired_nodes", "latest");
  if (!t) throw ElasticError(404, "resource_not_found_exception", "Desired nodes not found");
  return Reply(*t);
}
Reply delete_desired(Call& c) {
  c.engine().drop_thing("desired_nodes", "latest");
  return Reply(json::object{});
}
Reply desired_balance(Call&) { unmeasured("the balance of shards, of which a single node has no choice,"); }

// --- Synonym sets

json::object synonym_set(Call& c, const std::string& name) {
  auto s = c.engine().get_thing("synonyms", name);
  if (!s) throw ElasticError(404, "resource_not_found_exception", "synonyms set [" + name + "] not found");
  return *s;
}
// The analysers that read a set read it again.
json::object reloaded(Call& c, const char* result) {
  json::array details;
  std::vector<std::pair<IndexPtr, std::function<void(json::object&)>>> changes;
  for (auto& x : c.engine().all()) {
    json::object flat;
    flatten(x->settings, "", flat);
    std::set<std::string> filters;
    for (auto& [k, v] : flat) {
      std::string key(k);
      if (key.ends_with(".synonyms_set") && json_text(v) == c.part("name")) filters.insert(key.substr(22, key.size() - 22 - 13));
    }
    if (filters.empty()) continue;
    json::array analyzers;
    for (auto& [k, v] : flat) {
      std::string key(k);
      if (!key.starts_with("index.analysis.analyzer.") || !key.ends_with(".filter")) continue;
      json::array used = v.is_array() ? v.get_array() : json::array{v};
      for (auto& f : used) {
        if (filters.count(json_text(f)) == 0) continue;
        analyzers.push_back(json::value(key.substr(24, key.size() - 24 - 7)));
        break;
      }
    }
    details.push_back(json::object{{"index", x->name}, {"reloaded_analyzers", analyzers}, {"reloaded_node_ids", json::array{json::value(c.engine().node_id())}}});
    changes.emplace_back(x, [&engine = c.engine()](json::object& extra) {
      json::object all;
      flatten(extra["settings"].get_object(), "", all);
      inline_synonyms(engine, all);
      extra["settings"] = nest(all);
    });
  }
  if (!changes.empty()) c.engine().change(changes);
  auto n = static_cast<int64_t>(details.size());
  return json::object{{"result", result}, {"reload_analyzers_details", json::object{{"_shards", json::object{{"total", n}, {"successful", n}, {"failed", 0}}}, {"reload_details", details}}}};
}
json::array checked_rules(const json::value& given) {
  json::array rules = given.is_array() ? given.get_array() : json::array{given};
  std::set<std::string> ids;
  for (auto& r : rules) {
    if (!r.is_object()) throw ElasticError(400, "x_content_parse_exception", "[1:1] [synonym_rule] Expected START_OBJECT");
    json::object& o = r.get_object();
    std::string text = text_or(o, "synonyms");
    if (text.empty()) invalid({"synonyms cannot be empty"});
    std::string left = text.substr(0, text.find("=>"));
    if (text.find("=>") != std::string::npos) {
      if (text.find("=>", text.find("=>") + 2) != std::string::npos) invalid({"More than one explicit mapping specified in the same synonyms rule: [" + text + "]"});
      for (auto& side : {left, text.substr(text.find("=>") + 2)}) if (side.find_first_not_of(" ,") == std::string::npos) invalid({"Incorrect syntax for explicit mapping in synonym rule: [" + text + "]"});
    }
    if (!o.contains("id")) o["id"] = Engine::new_id();
    ids.insert(text_or(o, "id"));
    json::object tidy{{"id", o.at("id")}, {"synonyms", text}};
    o = tidy;
  }
  std::sort(rules.begin(), rules.end(), [](const json::value& a, const json::value& b) { return text_or(a.get_object(), "id") < text_or(b.get_object(), "id"); });
  return rules;
}
Reply put_synonyms(Call& c) {
  json::object body = c.body(true);
  auto* set = body.if_contains("synonyms_set");
  if (set == nullptr) throw ElasticError(400, "x_content_parse_exception", "Required [synonyms_set]");
  bool existed = c.engine().get_thing("synonyms", c.part("name")).has_value();
  c.engine().put_thing("synonyms", c.part("name"), json::object{{"rules", checked_rules(*set)}});
  return Reply(reloaded(c, existed ? "updated" : "created"), existed ? 200 : 201);
}
template <typename F>
json::array page(Call& c, const json::array& all, F&& shown) {
  auto from = static_cast<size_t>(c.number("from", 0)), size = static_cast<size_t>(c.number("size", 10));
  json::array out;
  for (size_t i = from; i < all.size() && out.size() < size; ++i) out.push_back(shown(all[i]));
  return out;
}
Reply get_synonyms(Call& c) {
  json::array rules = synonym_set(c, c.part("name")).at("rules").as_array();
  return Reply(json::object{{"count", rules.size()}, {"synonyms_set", page(c, rules, [](const json::value& v) { return v; })}});
}
Reply list_synonyms(Call& c) {
  json::array all;
  for (auto& [name, s] : c.engine().things("synonyms")) all.push_back(json::object{{"synonyms_set", name}, {"count", s.at("rules").as_array().size()}});
  return Reply(json::object{{"count", all.size()}, {"results", page(c, all, [](const json::value& v) { return v; })}});
}
Reply delete_synonyms(Call& c) {
  synonym_set(c, c.part("name"));
  // An analyzer that reads the set keeps it.
  std::string used;
  for (auto& x : c.engine().all()) {
    json::object flat;
    flatten(x->settings, "", flat);
    for (auto& [k, v] : flat) if (std::string(k).ends_with(".synonyms_set") && json_text(v) == c.part("name")) used += (used.empty() ? "" : ", ") + x->name;
  }
  if (!used.empty()) illegal("synonyms set [" + c.part("name") + "] cannot be deleted as it is used in the following indices: " + used);
  c.engine().drop_thing("synonyms", c.part("name"));
  return Reply(json::object{{"acknowledged", true}});
}
Reply put_rule(Call& c) {
  json::object set = synonym_set(c, c.part("name")), body = c.body(true);
  json::array rules = set.at("rules").as_array();
  body["id"] = c.part("rule");
  json::array one = checked_rules(body);
  bool existed = false;
  for (auto& r : rules) {
    if (text_or(r.get_object(), "id") != c.part("rule")) continue;
    r = one[0];
    existed = true;
  }
  if (!existed) rules.push_back(one[0]);
  c.engine().put_thing("synonyms", c.part("name"), json::object{{"rules", checked_rules(rules)}});
  return Reply(reloaded(c, existed ? "updated" : "created"), existed ? 200 : 201);
}
Reply get_rule(Call& c) {
  json::object set = synonym_set(c, c.part("name"));
  for (auto& r : set.at("rules").as_array()) if (text_or(r.as_object(), "id") == c.part("rule")) return Reply(r);
  throw ElasticError(404, "resource_not_found_exception", "synonym rule [" + c.part("rule") + "] on synonyms set [" + c.part("name") + "] not found");
}
Reply delete_rule(Call& c) {
  json::array kept;
  bool found = false;
  json::object set = synonym_set(c, c.part("name"));
  for (auto& r : set.at("rules").as_array()) {
    if (text_or(r.as_object(), "id") == c.part("rule")) found = true;
    else kept.push_back(r);
  }
  if (!found) throw ElasticError(404, "resource_not_found_exception", "synonym rule [" + c.part("rule") + "] on synonyms set [" + c.part("name") + "] not found");
  c.engine().put_thing("synonyms", c.part("name"), json::object{{"rules", kept}});
  return Reply(reloaded(c, "deleted"));
}
constexpr const char* kParams = "timeout,master_timeout,node_names,node_ids,wait_for_removal,verbose,size,from,names,ids,external_ids,status,ignore_unavailable,allow_no_indices,expand_wildcards,flush,ignore_throttled,run_expensive_tasks,fields,dry_run,local,refresh";
}  // namespace

std::vector<Route> admin_routes() {
  return {
      {"POST", "/_cluster/voting_config_exclusions", exclude_voting, kParams},
      {"DELETE", "/_cluster/voting_config_exclusions", include_voting, kParams},
      {"GET", "/_health_report", health_report, kParams},
      {"GET", "/_health_report/{feature}", health_report, kParams},
      {"GET", "/_features", features, kParams},
      {"POST", "/_features/_reset", reset_features, kParams},
      {"GET", "/_info/{target}", info, kParams},
      {"POST", "/_internal/prevalidate_node_removal", prevalidate, kParams},
      {"POST", "/_nodes/reload_secure_settings", reload_secure, kParams},
      {"POST", "/_nodes/{node_id}/reload_secure_settings", reload_secure, kParams},
      {"GET", "/_shard_stores", shard_stores, kParams},
      {"GET", "/{index}/_shard_stores", shard_stores, kParams},
      {"POST", "/{index}/_disk_usage", disk_usage, kParams},
      {"GET", "/{index}/_field_usage_stats", field_usage, kParams},
      {"PUT", "/_internal/desired_nodes/{history}/{version}", put_desired, kParams},
      {"GET", "/_internal/desired_nodes/_latest", get_desired, kParams},
      {"DELETE", "/_internal/desired_nodes", delete_desired, kParams},
      {"GET,DELETE", "/_internal/desired_balance", desired_balance, kParams},
      {"GET", "/_dangling", [](Call& c) { return Reply(json::object{{"_nodes", json::object{{"total", 1}, {"successful", 1}, {"failed", 0}}}, {"cluster_name", c.door.cluster_name}, {"dangling_indices", json::array()}}); }, kParams},
      {"GET", "/_resolve/cluster", resolve_cluster, kParams},
      {"GET", "/_resolve/cluster/{name}", resolve_cluster, kParams},
      {"GET", "/_synonyms", list_synonyms, kParams},
      {"PUT", "/_synonyms/{name}", put_synonyms, kParams},
      {"GET", "/_synonyms/{name}", get_synonyms, kParams},
      {"DELETE", "/_synonyms/{name}", delete_synonyms, kParams},
      {"PUT", "/_synonyms/{name}/{rule}", put_rule, kParams},
      {"GET", "/_synonyms/{name}/{rule}", get_rule, kParams},
      {"DELETE", "/_synonyms/{name}/{rule}", delete_rule, kParams},
  };
}

}  // namespace stele::elastic

// Repositories and snapshots. A snapshot keeps copies of indices as hidden ones; restoring copies them back.
#include <re2/re2.h>

#include "doors/elastic/call.h"

namespace stele::elastic {

namespace {
ElasticError missing_repository(const std::string& name) { return ElasticError(404, "repository_missing_exception", "[" + name + "] missing"); }
ElasticError missing_snapshot(const std::string& repo, const std::string& name) { return ElasticError(404, "snapshot_missing_exception", "[" + repo + ":" + name + "] is missing"); }
Reply ack() { return Reply(json::object{{"acknowledged", true}}); }

json::object repository(Call& c, const std::string& name) {
  auto r = c.engine().get_thing("repository", name);
  if (!r) throw missing_repository(name);
  return *r;
}
std::string key_of(const std::string& repo, const std::string& snapshot) { return repo + "/" + snapshot; }
std::string copy_name(const std::string& uuid, size_t i) {
  std::string lower;
  for (char ch : uuid) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
  return ".snapshot-" + lower + "-" + std::to_string(i);
}
// Snapshots of a repository that a list of names and patterns asks for.
std::vector<std::pair<std::string, json::object>> selected(Call& c, const std::string& repo, const std::string& names, bool ignore_unavailable) {
  std::vector<std::pair<std::string, json::object>> out;
  std::map<std::string, json::object> all;
  for (auto& [key, s] : c.engine().things("snapshot")) if (key.starts_with(repo + "/")) all.emplace(key.substr(repo.size() + 1), s);
  std::set<std::string> taken;
  for (auto& n : split(names, ',')) {
    bool any = false;
    if (n == "_current") continue;
    for (auto& [name, s] : all) {
      if (n != "_all" && !glob(n, name)) continue;
      any = true;
      if (taken.insert(name).second) out.emplace_back(name, s);
    }
    if (!any && n != "_all" && n.find('*') == std::string::npos && !ignore_unavailable) throw missing_snapshot(repo, n);
  }
  auto started = [](const std::pair<std::string, json::object>& x) { return x.second.at("start_time_in_millis").to_number<int64_t>(); };
  std::sort(out.begin(), out.end(), [&](const auto& a, const auto& b) { return started(a) < started(b); });
  return out;
}
json::object shown(json::object s, const std::string& repo, bool verbose) {
  s.erase("copies");
  json::object out{{"snapshot", s.at("snapshot")}, {"uuid", s.at("uuid")}, {"repository", repo}};
  for (auto& [k, v] : s) if (!out.contains(k)) out[k] = v;
  if (!verbose) for (const char* k : {"version_id", "version", "start_time", "start_time_in_millis", "end_time", "end_time_in_millis", "duration_in_millis", "failures", "shards", "feature_states", "include_global_state"}) out.erase(k);
  return out;
}

Reply put_repository(Call& c) {
  json::object body = c.body(true);
  std::string name = c.part("repository"), type = text_or(body, "type");
  if (type.empty()) invalid({"type is missing"});
  if (type != "fs" && type != "url" && type != "source") throw ElasticError(500, "repository_exception", "[" + name + "] repository type [" + type + "] does not exist");
  json::object settings;
  if (auto* s = body.if_contains("settings"); s != nullptr && s->is_object()) for (auto& [k, v] : s->get_object()) settings[k] = json_text(v);
  if (type == "fs" && !settings.contains("location")) throw ElasticError(500, "repository_exception", "[" + name + "] missing location");
  json::object r{{"type", type}};
  auto old = c.engine().get_thing("repository", name);
  r["uuid"] = old && old->contains("uuid") ? old->at("uuid") : json::value(Engine::new_id());
  r["settings"] = settings;
  c.engine().put_thing("repository", name, r);
  return ack();
}
Reply get_repository(Call& c) {
  json::object out;
  std::string names = c.part("repository");
  auto all = c.engine().things("repository");
  if (names.empty()) names = "_all";
  for (auto& n : split(names, ',')) {
    bool any = false;
    for (auto& [name, r] : all) {
      if (n != "_all" && !glob(n, name)) continue;
      out[name] = r;
      any = true;
    }
    if (!any && n != "_all" && n.find('*') == std::string::npos) throw missing_repository(n);
  }
  return Reply(out);
}
Reply delete_repository(Call& c) {
  bool any = false;
  for (auto& n : split(c.part("repository"), ',')) {
    bool hit = false;
    for (auto& [name, r] : c.engine().things("repository")) if (glob(n, name)) hit |= c.engine().drop_thing("repository", name);
    if (!hit && n.find('*') == std::string::npos) throw missing_repository(n);
    any |= hit;
  }
  (void)any;
  return ack();
}
Reply verify_repository(Call& c) {
  repository(c, c.part("repository"));
  return Reply(json::object{{"nodes", json::object{{c.engine().node_id(), json::object{{"name", c.door.node_name}}}}}});
}
Reply cleanup_repository(Call& c) {
  repository(c, c.part("repository"));
  return Reply(json::object{{"results", json::object{{"deleted_bytes", 0}, {"deleted_blobs", 0}}}});
}

Reply create_snapshot(Call& c) {
  std::string repo = c.part("repository"), name = c.part("snapshot");
  repository(c, repo);
  for (char ch : name) {
    if (ch >= 'A' && ch <= 'Z') throw ElasticError(400, "invalid_snapshot_name_exception", "[" + repo + ":" + name + "] Invalid snapshot name [" + name + "], must be lowercase");
  }
  if (name.find_first_of(" ,#\\/*?\"<>|") != std::string::npos || name.starts_with("_")) throw ElasticError(400, "invalid_snapshot_name_exception", "[" + repo + ":" + name + "] Invalid snapshot name [" + name + "], must not contain the following characters");
  if (c.engine().get_thing("snapshot", key_of(repo, name))) throw ElasticError(400, "invalid_snapshot_name_exception", "[" + repo + ":" + name + "] Invalid snapshot name [" + name + "], snapshot with the same name already exists");
  json::object body = c.body();
  std::string indices;
  if (auto* i = body.if_contains("indices")) {
    if (i->is_array()) for (auto& e : i->get_array()) indices += (indices.empty() ? "" : ",") + json_text(e);
    else indices = json_text(*i);
  }
  int64_t started = c.engine().now_ms();
  std::string uuid = Engine::new_id();
  json::array names;
  json::object copies;
  for (auto& t : c.resolve(indices, true, flag_or(body, "ignore_unavailable", false))) {
    if (!t.index->elastic) continue;
    json::object flat;
    flatten(t.index->settings, "", flat);
    for (const char* own : {"index.uuid", "index.creation_date", "index.provided_name", "index.version.created"}) flat.erase(own);
    json::object kept = nest(flat);
    flat["index.hidden"] = "true";
    for (const char* b : {"index.blocks.write", "index.blocks.read_only", "index.blocks.read", "index.blocks.metadata"}) flat.erase(b);
    std::string target = copy_name(uuid, copies.size());
    IndexPtr copy = c.engine().create(target, json::object{{"settings", nest(flat)}, {"mappings", t.index->mapping()->json()}});
    copy_documents(c, t.index, copy);
    copies[t.index->name] = json::object{{"copy", target}, {"settings", kept}, {"aliases", t.index->aliases}};
    names.push_back(json::value(t.index->name));
  }
  auto n = static_cast<int64_t>(names.size());
  int64_t ended = c.engine().now_ms();
  auto when = [](int64_t ms) { return segments::default_date_format().format(ms); };
  json::object s{{"snapshot", name}, {"uuid", uuid}, {"version_id", 8512000}, {"version", "8.19.0"}, {"indices", names}, {"data_streams", json::array()}, {"include_global_state", flag_or(body, "include_global_state", true)}};
  if (auto* m = body.if_contains("metadata"); m != nullptr && m->is_object()) s["metadata"] = *m;
  s["state"] = "SUCCESS";
  s["start_time"] = when(started);
  s["start_time_in_millis"] = started;
  s["end_time"] = when(ended);
  s["end_time_in_millis"] = ended;
  s["duration_in_millis"] = ended - started;
  s["failures"] = json::array();
  s["shards"] = json::object{{"total", n}, {"failed", 0}, {"successful", n}};
  s["feature_states"] = json::array();
  s["copies"] = copies;
  c.engine().put_thing("snapshot", key_of(repo, name), s);
  if (!c.flag("wait_for_completion", false)) return Reply(json::object{{"accepted", true}});
  return Reply(json::object{{"snapshot", shown(s, repo, true)}});
}
Reply get_snapshot(Call& c) {
  bool verbose = c.flag("verbose", true), names_of_indices = c.flag("index_names", true), with_repository = c.flag("include_repository", true);
  json::array list;
  std::string repos = c.part("repository");
  std::vector<std::string> chosen;
  for (auto& r : split(repos, ',')) {
    if (r == "_all" || r.find('*') != std::string::npos) {
      for (auto& [name, x] : c.engine().things("repository")) if (r == "_all" || glob(r, name)) chosen.push_back(name);
    } else {
      repository(c, r);
      chosen.push_back(r);
    }
  }
  for (auto& r : chosen) {
    for (auto& [name, s] : selected(c, r, c.part("snapshot"), c.flag("ignore_unavailable", false))) {
      json::object o = shown(s, r, verbose);
      if (!names_of_indices) o.erase("indices");
      if (!with_repository) o.erase("repository");
      list.push_back(o);
    }
  }
  size_t total = list.size();
  return Reply(json::object{{"snapshots", list}, {"total", total}, {"remaining", 0}});
}
Reply delete_snapshot(Call& c) {
  std::string repo = c.part("repository");
  repository(c, repo);
  for (auto& [name, s] : selected(c, repo, c.part("snapshot"), false)) {
    std::vector<IndexPtr> gone;
    for (auto& [index, x] : s.at("copies").as_object()) if (IndexPtr copy = c.engine().find(text_or(x.as_object(), "copy"))) gone.push_back(copy);
    if (!gone.empty()) c.engine().drop(gone);
    c.engine().drop_thing("snapshot", key_of(repo, name));
  }
  return ack();
}
Reply clone_snapshot(Call& c) {
  std::string repo = c.part("repository"), from = c.part("snapshot"), to = c.part("target");
  repository(c, repo);
  auto s = c.engine().get_thing("snapshot", key_of(repo, from));
  if (!s) throw missing_snapshot(repo, from);
  if (c.engine().get_thing("snapshot", key_of(repo, to))) throw ElasticError(400, "invalid_snapshot_name_exception", "[" + repo + ":" + to + "] Invalid snapshot name [" + to + "], snapshot with the same name already exists");
  json::object body = c.body(true), out = *s, copies;
  std::string uuid = Engine::new_id();
  json::array names;
  for (auto& [index, x] : s->at("copies").as_object()) {
    bool take = false;
    for (auto& p : split(text_or(body, "indices", "*"), ',')) take |= glob(p, std::string(index));
    IndexPtr old = c.engine().find(text_or(x.as_object(), "copy"));
    if (!take || !old) continue;
    std::string target = copy_name(uuid, copies.size());
    IndexPtr copy = c.engine().create(target, json::object{{"settings", json::object{{"index.hidden", true}}}, {"mappings", old->mapping()->json()}});
    copy_documents(c, old, copy);
    json::object entry = x.as_object();
    entry["copy"] = target;
    copies[index] = entry;
    names.push_back(json::value(std::string(index)));
  }
  out["snapshot"] = to;
  out["uuid"] = uuid;
  out["indices"] = names;
  out["copies"] = copies;
  c.engine().put_thing("snapshot", key_of(repo, to), out);
  return ack();
}
Reply restore_snapshot(Call& c) {
  std::string repo = c.part("repository"), name = c.part("snapshot");
  repository(c, repo);
  auto s = c.engine().get_thing("snapshot", key_of(repo, name));
  if (!s) throw ElasticError(500, "snapshot_restore_exception", "[" + repo + ":" + name + "] snapshot does not exist");
  json::object body = c.body();
  std::string indices, pattern = text_or(body, "rename_pattern"), replacement = text_or(body, "rename_replacement");
  if (auto* i = body.if_contains("indices")) {
    if (i->is_array()) for (auto& e : i->get_array()) indices += (indices.empty() ? "" : ",") + json_text(e);
    else indices = json_text(*i);
  }
  json::array restored;
  for (auto& [index, x] : s->at("copies").as_object()) {
    std::string target(index);
    bool take = indices.empty();
    for (auto& p : split(indices, ',')) take |= p == "_all" || glob(p, target);
    if (!take) continue;
    if (!pattern.empty()) {
      RE2 re(pattern, RE2::Quiet);
      std::string by = replacement;  // $1 as RE2 writes it
      for (size_t k = 0; k + 1 < by.size(); ++k) if (by[k] == '$' && by[k + 1] >= '0' && by[k + 1] <= '9') by[k] = '\\';
      if (re.ok()) RE2::GlobalReplace(&target, re, by);
    }
    const json::object& entry = x.as_object();
    IndexPtr copy = c.engine().find(text_or(entry, "copy"));
    if (!copy) continue;
    if (IndexPtr old = c.engine().find(target)) {
      if (!old->closed) {
        throw ElasticError(500, "snapshot_restore_exception", "[" + repo + ":" + name + "/" + text_or(*s, "uuid") + "] cannot restore index [" + target + "] because an open index with same name already exists in the cluster. Either close or delete the existing index or restore the index under a different name by providing a rename pattern and replacement name");
      }
      c.engine().drop({old});
    }
    json::object settings = entry.at("settings").as_object(), flat;
    flatten(settings, "", flat);
    if (auto* given = body.if_contains("index_settings"); given != nullptr && given->is_object()) {
      json::object more;
      flatten(given->get_object(), "", more);
      for (auto& [k, v] : more) flat[std::string(k).starts_with("index.") ? std::string(k) : "index." + std::string(k)] = json_text(v);
    }
    json::object create{{"settings", nest(flat)}, {"mappings", copy->mapping()->json()}};
    if (flag_or(body, "include_aliases", true)) create["aliases"] = entry.at("aliases");
    IndexPtr made = c.engine().create(target, create);
    copy_documents(c, copy, made);
    restored.push_back(json::value(target));
  }
  auto n = static_cast<int64_t>(restored.size());
  if (!c.flag("wait_for_completion", false)) return Reply(json::object{{"accepted", true}});
  return Reply(json::object{{"snapshot", json::object{{"snapshot", name}, {"indices", restored}, {"shards", json::object{{"total", n}, {"failed", 0}, {"successful", n}}}}}});
}
Reply snapshot_status(Call& c) {
  json::array list;
  std::string repo = c.part("repository"), names = c.part("snapshot");
  if (!repo.empty()) repository(c, repo);
  if (!names.empty()) {
    for (auto& [name, s] : selected(c, repo, names, c.flag("ignore_unavailable", false))) {
      json::object indices;
      json::object stats{{"incremental", json::object{{"file_count", 1}, {"size_in_bytes", 0}}}, {"total", json::object{{"file_count", 1}, {"size_in_bytes", 0}}}, {"start_time_in_millis", s.at("start_time_in_millis")}, {"time_in_millis", s.at("duration_in_millis")}};
      auto shard_counts = [](int64_t k) { return json::object{{"initializing", 0}, {"started", 0}, {"finalizing", 0}, {"done", k}, {"failed", 0}, {"total", k}}; };
      for (auto& [index, x] : s.at("copies").as_object()) {
        indices[index] = json::object{{"shards_stats", shard_counts(1)}, {"stats", stats}, {"shards", json::object{{"0", json::object{{"stage", "DONE"}, {"stats", stats}}}}}};
      }
      list.push_back(json::object{{"snapshot", name}, {"repository", repo}, {"uuid", s.at("uuid")}, {"state", "SUCCESS"}, {"include_global_state", s.at("include_global_state")},
                                  {"shards_stats", shard_counts(static_cast<int64_t>(indices.size()))}, {"stats", stats}, {"indices", indices}});
    }
  }
  return Reply(json::object{{"snapshots", list}});
}
constexpr const char* kParams = "timeout,master_timeout,verify,local,wait_for_completion,ignore_unavailable,verbose,index_details,index_names,include_repository,sort,size,order,after,offset,from_sort_value,slm_policy_filter";
}  // namespace

std::vector<Route> snapshot_routes() {
  return {
      {"GET", "/_snapshot", get_repository, kParams},
      {"GET", "/_snapshot/_status", snapshot_status, kParams},
      {"PUT,POST", "/_snapshot/{repository}", put_repository, kParams},
      {"GET", "/_snapshot/{repository}", get_repository, kParams},
      {"DELETE", "/_snapshot/{repository}", delete_repository, kParams},
      {"POST", "/_snapshot/{repository}/_verify", verify_repository, kParams},
      {"POST", "/_snapshot/{repository}/_cleanup", cleanup_repository, kParams},
      {"GET", "/_snapshot/{repository}/_status", snapshot_status, kParams},
      {"GET", "/_snapshot/{repository}/{snapshot}/_status", snapshot_status, kParams},
      {"PUT,POST", "/_snapshot/{repository}/{snapshot}", create_snapshot, kParams},
      {"GET", "/_snapshot/{repository}/{snapshot}", get_snapshot, kParams},
      {"DELETE", "/_snapshot/{repository}/{snapshot}", delete_snapshot, kParams},
      {"POST", "/_snapshot/{repository}/{snapshot}/_restore", restore_snapshot, kParams},
      {"PUT", "/_snapshot/{repository}/{snapshot}/_clone/{target}", clone_snapshot, kParams},
  };
}

}  // namespace stele::elastic

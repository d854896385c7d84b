// Data streams: a name over hidden backing indices, the newest of which takes documents. Each backing index knows its stream.
#include "doors/elastic/call.h"

namespace stele::elastic {

std::optional<std::pair<std::string, json::object>> index_template_of(Engine& e, const std::string& name) {
  std::optional<std::pair<std::string, json::object>> best;
  int64_t best_priority = -1;
  for (auto& [n, t] : e.things("index_template")) {
    auto* patterns = t.if_contains("index_patterns");
    if (patterns == nullptr) continue;
    bool match = false;
    if (patterns->is_array()) for (auto& p : patterns->get_array()) match |= glob(json_text(p), name);
    else match = glob(json_text(*patterns), name);
    int64_t priority = t.contains("priority") ? std::atoll(text_or(t, "priority").c_str()) : 0;
    if (match && priority > best_priority) {
      best.emplace(n, t);
      best_priority = priority;
    }
  }
  return best;
}

namespace {
IndexPtr next_backing(Engine& e, const std::string& name, int64_t generation) {
  json::object body = compose_create_body(e, name, {});
  body.erase("aliases");
  json::object mappings = body.contains("mappings") ? body.at("mappings").as_object() : json::object();
  json::object properties = mappings.contains("properties") ? mappings.at("properties").as_object() : json::object();
  if (!properties.contains("@timestamp")) properties["@timestamp"] = json::object{{"type", "date"}};
  mappings["properties"] = properties;
  mappings["_data_stream_timestamp"] = json::object{{"enabled", true}};
  body["mappings"] = mappings;
  json::object settings = body.contains("settings") ? body.at("settings").as_object() : json::object(), flat;
  flatten(settings, "", flat);
  flat["index.hidden"] = "true";
  body["settings"] = nest(flat);
  body["data_stream"] = json::object{{"name", name}};
  std::string day = segments::DateFormat("yyyy.MM.dd").format(e.now_ms());
  return e.create(".ds-" + name + "-" + day + "-" + fmt::format("{:06}", generation), body);
}
std::vector<IndexPtr> backing_of(Engine& e, const std::string& name) {
  std::vector<IndexPtr> out;
  for (auto& x : e.all()) if (x->data_stream == name) out.push_back(x);
  std::sort(out.begin(), out.end(), [](auto& a, auto& b) {
    // Indices that were added by hand stand first, the others by their generation.
    bool own_a = a->name.starts_with(".ds-"), own_b = b->name.starts_with(".ds-");
    if (own_a != own_b) return own_b;
    auto generation = [](const std::string& n) { return n.size() > 6 ? n.substr(n.size() - 6) : n; };
    return own_a ? generation(a->name) < generation(b->name) : a->name < b->name;
  });
  return out;
}

Reply put_stream(Call& c) {
  std::string name = c.part("name");
  Engine::validate_name(name);
  if (c.engine().get_thing("data_stream", name)) throw ElasticError(400, "resource_already_exists_exception", "data_stream [" + name + "] already exists");
  if (!c.engine().by_alias(name).empty() || c.engine().find(name)) throw ElasticError(400, "illegal_state_exception", "data stream [" + name + "] conflicts with " + (c.engine().find(name) ? "index" : "alias"));
  auto t = index_template_of(c.engine(), name);
  if (!t || !t->second.contains("data_stream")) illegal(t ? "matching index template [" + t->first + "] for data stream [" + name + "] has no data stream template" : "no matching index template found for data stream [" + name + "]");
  create_data_stream(c.engine(), name, t->second, t->first);
  return Reply(json::object{{"acknowledged", true}});
}
std::vector<std::string> streams_of(Call& c, const std::string& names, bool must) {
  std::vector<std::string> out;
  auto all = c.engine().things("data_stream");
  for (auto& n : split(names.empty() ? "*" : names, ',')) {
    bool any = false;
    for (auto& [name, s] : all) {
      if (n != "_all" && !glob(n, name)) continue;
      any = true;
      if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
    }
    if (!any && must && n.find('*') == std::string::npos && n != "_all") throw index_missing(n);
  }
  return out;
}
Reply get_stream(Call& c) {
  json::array list;
  for (auto& name : streams_of(c, c.part("name"), true)) {
    auto s = c.engine().get_thing("data_stream", name);
    json::array indices;
    for (auto& x : backing_of(c.engine(), name)) indices.push_back(json::object{{"index_name", x->name}, {"index_uuid", x->uuid}, {"prefer_ilm", true}, {"managed_by", "Unmanaged"}, {"index_mode", "standard"}});
    auto t = index_template_of(c.engine(), name);
    bool hidden = false, routing = false;
    json::object meta;
    if (t) {
      if (auto* d = t->second.if_contains("data_stream"); d != nullptr && d->is_object()) {
        hidden = flag_or(d->get_object(), "hidden", false);
        routing = flag_or(d->get_object(), "allow_custom_routing", false);
      }
      if (auto* m = t->second.if_contains("_meta"); m != nullptr && m->is_object()) meta = m->get_object();
    }
    json::object o{{"name", name}, {"timestamp_field", json::object{{"name", "@timestamp"}}}, {"indices", indices}, {"generation", s->at("generation")}};
    if (!meta.empty()) o["_meta"] = meta;
    o["status"] = "GREEN";
    o["template"] = t ? t->first : text_or(*s, "template");
    o["next_generation_managed_by"] = "Unmanaged";
    o["prefer_ilm"] = true;
    o["hidden"] = hidden;
    o["system"] = false;
    o["allow_custom_routing"] = routing;
    o["replicated"] = false;
    o["rollover_on_write"] = false;
    o["index_mode"] = "standard";
    list.push_back(o);
  }
  return Reply(json::object{{"data_streams", list}});
}
Reply delete_stream(Call& c) {
  std::vector<IndexPtr> gone;
  auto names = streams_of(c, c.part("name"), true);
  for (auto& name : names) for (auto& x : backing_of(c.engine(), name)) gone.push_back(x);
  if (!gone.empty()) c.engine().drop(gone);
  for (auto& name : names) c.engine().drop_thing("data_stream", name);
  return Reply(json::object{{"acknowledged", true}});
}
Reply stream_stats(Call& c) {
  json::array list;
  uint64_t total = 0;
  int64_t count = 0;
  auto names = streams_of(c, c.part("name"), false);
  for (auto& name : names) {
    auto indices = backing_of(c.engine(), name);
    uint64_t bytes = 0;
    for (auto& x : indices) bytes += x->indexed->index.stats().bytes;
    total += bytes;
    count += static_cast<int64_t>(indices.size());
    list.push_back(json::object{{"data_stream", name}, {"backing_indices", indices.size()}, {"store_size_bytes", bytes}, {"maximum_timestamp", 0}});
  }
  return Reply(json::object{{"_shards", shards(count, false)}, {"data_stream_count", names.size()}, {"backing_indices", count}, {"total_store_size_bytes", total}, {"data_streams", list}});
}
Reply migrate(Call& c) {
  throw ElasticError(400, "illegal_argument_exception", "alias [" + c.part("name") + "] does not exist");
}
constexpr const char* kParams = "expand_wildcards,include_defaults,timeout,master_timeout,human,verbose,forbid_closed_indices";
}  // namespace

IndexPtr create_data_stream(Engine& e, const std::string& name, const json::object&, const std::string& template_name) {
  IndexPtr x = next_backing(e, name, 1);
  e.put_thing("data_stream", name, json::object{{"generation", 1}, {"template", template_name}});
  return x;
}
IndexPtr roll_data_stream(Engine& e, const std::string& name) {
  auto s = e.get_thing("data_stream", name);
  int64_t generation = (s ? s->at("generation").to_number<int64_t>() : 0) + 1;
  IndexPtr x = next_backing(e, name, generation);
  json::object next = s ? *s : json::object();
  next["generation"] = generation;
  e.put_thing("data_stream", name, next);
  return x;
}

std::vector<Route> data_stream_routes() {
  return {
      {"GET", "/_data_stream", get_stream, kParams},
      {"GET", "/_data_stream/_stats", stream_stats, kParams},
      {"GET", "/_data_stream/{name}/_stats", stream_stats, kParams},
      {"PUT", "/_data_stream/{name}", put_stream, kParams},
      {"GET", "/_data_stream/{name}", get_stream, kParams},
      {"DELETE", "/_data_stream/{name}", delete_stream, kParams},
      {"POST", "/_data_stream/_migrate/{name}", migrate, kParams},
  };
}

}  // namespace stele::elastic

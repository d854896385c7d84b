// What may be said about data streams and indices beside their contents: lifecycles, options, settings, membership, blocks lifted,
// analyzers read again; and calls of a licensed cluster that a server without licences answers.
#include "doors/elastic/call.h"

namespace stele::elastic {

namespace {
Reply ack() { return Reply(json::object{{"acknowledged", true}}); }

// Streams by names or patterns; every plain name must exist.
std::vector<std::string> streams_named(Call& c, const std::string& names) {
  std::vector<std::string> out;
  auto all = c.engine().things("data_stream");
  for (auto& n : split(names, ',')) {
    bool any = false;
    for (auto& [name, s] : all) {
      if (n != "_all" && !glob(n, name)) continue;
      any = true;
      if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
    }
    if (!any && n.find('*') == std::string::npos && n != "_all") throw index_missing(n);
  }
  return out;
}
Reply put_part(Call& c, const char* part, json::value v) {
  for (auto& name : streams_named(c, c.part("name"))) {
    json::object s = *c.engine().get_thing("data_stream", name);
    if (v.is_null()) s.erase(part);
    else s[part] = v;
    c.engine().put_thing("data_stream", name, s);
  }
  return ack();
}
Reply get_part(Call& c, const char* part) {
  json::array list;
  for (auto& name : streams_named(c, c.part("name"))) {
    auto s = c.engine().get_thing("data_stream", name);
    json::object o{{"name", name}};
    if (auto* v = s->if_contains(part)) o[part] = *v;
    list.push_back(o);
  }
  return Reply(json::object{{"data_streams", list}});
}
Reply put_lifecycle(Call& c) {
  json::object body = c.body(), kept{{"enabled", true}};
  for (auto& [k, v] : body) {
    if (k != "data_retention" && k != "downsampling" && k != "enabled") throw ElasticError(400, "x_content_parse_exception", "[1:2] [data_stream_lifecycle] unknown field [" + std::string(k) + "]");
    kept[k] = v;
  }
  if (auto* r = body.if_contains("data_retention"); r != nullptr && !r->is_null() && !segments::parse_time_ms(json_text(*r))) illegal("failed to parse setting [data_retention] with value [" + json_text(*r) + "] as a time value: unit is missing or unrecognized");
  return put_part(c, "lifecycle", kept);
}
Reply get_lifecycle(Call& c) { return get_part(c, "lifecycle"); }
Reply delete_lifecycle(Call& c) { return put_part(c, "lifecycle", nullptr); }
Reply put_options(Call& c) {
  json::object body = c.body(true);
  for (auto& [k, v] : body) if (k != "failure_store") throw ElasticError(400, "x_content_parse_exception", "[1:2] [options] unknown field [" + std::string(k) + "]");
  return put_part(c, "options", body);
}
Reply get_options(Call& c) { return get_part(c, "options"); }
Reply delete_options(Call& c) { return put_part(c, "options", nullptr); }
Reply put_stream_settings(Call& c) {
  json::object body = c.body(true);
  put_part(c, "settings", body);
  json::array list;
  for (auto& n : streams_named(c, c.part("name"))) list.push_back(json::object{{"name", n}, {"applied_to_data_stream", true}, {"settings", body}, {"effective_settings", body}, {"index_settings_results", json::object{{"applied_to_data_stream_only", json::array()}, {"applied_to_data_stream_and_backing_indices", json::array()}}}});
  return Reply(json::object{{"data_streams", list}});
}
Reply get_stream_settings(Call& c) {
  json::array list;
  for (auto& n : streams_named(c, c.part("name"))) {
    auto s = c.engine().get_thing("data_stream", n);
    json::value settings = s->contains("settings") ? s->at("settings") : json::value(json::object());
    list.push_back(json::object{{"name", n}, {"settings", settings}, {"effective_settings", settings}});
  }
  return Reply(json::object{{"data_streams", list}});
}
Reply explain_lifecycle(Call& c) {
  json::object out;
  for (auto& t : c.resolve_param()) {
    json::object o{{"index", t.index->name}, {"managed_by_lifecycle", false}};
    if (!t.index->data_stream.empty()) {
      auto s = c.engine().get_thing("data_stream", t.index->data_stream);
      if (s && s->contains("lifecycle")) {
        o["managed_by_lifecycle"] = true;
        o["index_creation_date_millis"] = t.index->created_ms;
        o["time_since_index_creation"] = std::to_string((c.engine().now_ms() - t.index->created_ms) / 1000) + "s";
        o["lifecycle"] = s->at("lifecycle");
      }
    }
    out[t.index->name] = o;
  }
  return Reply(json::object{{"indices", out}});
}
Reply lifecycle_stats(Call& c) {
  int64_t n = 0;
  json::array list;
  for (auto& [name, s] : c.engine().things("data_stream")) {
    if (!s.contains("lifecycle")) continue;
    ++n;
    list.push_back(json::object{{"name", name}, {"backing_indices_in_total", c.engine().by_alias(name).size()}, {"backing_indices_in_error", 0}});
  }
  return Reply(json::object{{"data_stream_count", n}, {"data_streams", list}});
}
// Adds indices to a stream or takes them out of it.
Reply modify(Call& c) {
  json::object body = c.body(true);
  auto* actions = body.if_contains("actions");
  if (actions == nullptr || !actions->is_array()) throw ElasticError(400, "x_content_parse_exception", "Required [actions]");
  if (actions->get_array().empty()) invalid({"must specify at least one data stream modification action"});
  std::vector<std::pair<IndexPtr, std::function<void(json::object&)>>> changes;
  for (auto& a : actions->get_array()) {
    for (auto& [kind, spec] : a.as_object()) {
      std::string stream = text_or(spec.as_object(), "data_stream"), name = text_or(spec.as_object(), "index");
      if (!c.engine().get_thing("data_stream", stream)) illegal("data stream [" + stream + "] not found");
      IndexPtr x = c.engine().find(name);
      if (!x) illegal("index [" + name + "] not found");
      if (kind == "add_backing_index") {
        const segments::MappedField* f = x->mapping()->field("@timestamp");
        if (f == nullptr || !f->is_date()) illegal("unable to add index [" + name + "] to data stream [" + stream + "]: data stream timestamp field [@timestamp] does not exist");
        changes.emplace_back(x, [stream](json::object& extra) { extra["data_stream"] = stream; });
      } else if (kind == "remove_backing_index") {
        if (x->data_stream != stream) illegal("index [" + name + "] not found in data stream [" + stream + "]");
        auto all = c.engine().by_alias(stream);
        IndexPtr newest = c.write_target(stream, false, false);
        if (newest && newest->oid == x->oid) illegal("cannot remove backing index [" + name + "] of data stream [" + stream + "] because it is the write index of the data stream");
        changes.emplace_back(x, [](json::object& extra) {
          extra.erase("data_stream");
          if (auto* s = extra.if_contains("settings"); s != nullptr && s->is_object()) {
            json::object flat;
            flatten(s->get_object(), "", flat);
            flat.erase("index.hidden");
            extra["settings"] = nest(flat);
          }
        });
      } else {
        throw ElasticError(400, "x_content_parse_exception", "[1:2] [data_stream_action] unknown field [" + std::string(kind) + "]");
      }
    }
  }
  c.engine().change(changes);
  return ack();
}
Reply promote(Call& c) {
  if (!c.engine().get_thing("data_stream", c.part("name"))) throw ElasticError(404, "resource_not_found_exception", "data stream [" + c.part("name") + "] does not exist");
  throw ElasticError(400, "illegal_argument_exception", "data stream [" + c.part("name") + "] is not a replicated data stream");
}

Reply remove_block(Call& c) {
  std::string block = c.part("block");
  static const std::set<std::string> kBlocks = {"metadata", "read", "read_only", "write"};
  if (kBlocks.count(block) == 0) illegal("No block found with name " + block);
  std::vector<std::pair<IndexPtr, std::function<void(json::object&)>>> changes;
  json::array list;
  for (auto& t : c.resolve(c.part("index"), true, false, true)) {
    list.push_back(json::object{{"name", t.index->name}, {"unblocked", true}});
    changes.emplace_back(t.index, [block](json::object& extra) {
      json::object all;
      flatten(extra["settings"].get_object(), "", all);
      all.erase("index.blocks." + block);
      extra["settings"] = nest(all);
    });
  }
  c.engine().change(changes);
  return Reply(json::object{{"acknowledged", true}, {"indices", list}});
}
// Analyzers are read when an index is opened or its settings change: there is nothing newer to read.
Reply reload_analyzers(Call& c) {
  auto targets = c.resolve_param();
  json::array details;
  for (auto& t : targets) details.push_back(json::object{{"index", t.index->name}, {"reloaded_analyzers", json::array()}, {"reloaded_node_ids", json::array{json::value(c.engine().node_id())}}});
  return Reply(json::object{{"_shards", shards(static_cast<int64_t>(targets.size()), false)}, {"reload_details", details}});
}
Reply rethrottle(Call& c) {
  std::string id = c.part("task_id");
  if (!c.has("requests_per_second")) invalid({"requests_per_second is a required parameter"});
  if (id.find(':') == std::string::npos) illegal("malformed task id " + id);
  // A task is finished when its request is answered, so there is none to slow down.
  throw ElasticError(404, "resource_not_found_exception", "task [" + id + "] is missing");
}
Reply no_dangling(Call& c) { throw ElasticError(400, "illegal_argument_exception", "No dangling index found for UUID [" + c.part("uuid") + "]"); }
Reply create_from(Call& c) {
  IndexPtr from = c.read_target(c.part("source"));
  json::object body = c.body(), create{{"mappings", from->mapping()->json()}}, flat;
  flatten(from->settings, "", flat);
  for (const char* own : {"index.uuid", "index.creation_date", "index.provided_name", "index.version.created"}) flat.erase(own);
  if (flag_or(body, "remove_index_blocks", true)) for (const char* b : {"index.blocks.write", "index.blocks.read_only", "index.blocks.read", "index.blocks.metadata"}) flat.erase(b);
  if (auto* s = body.if_contains("settings_override"); s != nullptr && s->is_object()) {
    json::object over;
    flatten(s->get_object(), "", over);
    for (auto& [k, v] : over) {
      std::string key = std::string(k).starts_with("index.") ? std::string(k) : "index." + std::string(k);
      if (v.is_null()) flat.erase(key);
      else flat[key] = v;
    }
  }
  create["settings"] = nest(flat);
  if (auto* m = body.if_contains("mappings_override"); m != nullptr && m->is_object()) merge_into(create["mappings"].get_object(), m->get_object());
  c.engine().create(c.part("dest"), create);
  return Reply(json::object{{"acknowledged", true}, {"shards_acknowledged", true}, {"index", c.part("dest")}});
}

Reply trial_status(Call&) { return Reply(json::object{{"eligible_to_start_trial", false}}); }
Reply basic_status(Call&) { return Reply(json::object{{"eligible_to_start_basic", false}}); }
Reply start_trial(Call&) { return Reply(json::object{{"acknowledged", true}, {"trial_was_started", false}, {"error_message", "Operation failed: Trial was already activated."}}, 403); }
Reply start_basic(Call&) { return Reply(json::object{{"acknowledged", true}, {"basic_was_started", false}, {"error_message", "Operation failed: Current license is basic."}}, 403); }
Reply unsupported(Call& c) { throw ElasticError(400, "illegal_argument_exception", "[" + c.request.path + "] is not supported by this server"); }

constexpr const char* kParams = "timeout,master_timeout,expand_wildcards,include_defaults,ignore_unavailable,allow_no_indices,requests_per_second,accept_data_loss,resource,dry_run,acknowledge,type,ecs_compatibility,s,metric";
}  // namespace

std::vector<Route> stream_option_routes() {
  std::vector<Route> out = {
      {"PUT", "/_data_stream/{name}/_lifecycle", put_lifecycle, kParams},
      {"GET", "/_data_stream/{name}/_lifecycle", get_lifecycle, kParams},
      {"DELETE", "/_data_stream/{name}/_lifecycle", delete_lifecycle, kParams},
      {"PUT", "/_data_stream/{name}/_options", put_options, kParams},
      {"GET", "/_data_stream/{name}/_options", get_options, kParams},
      {"DELETE", "/_data_stream/{name}/_options", delete_options, kParams},
      {"PUT", "/_data_stream/{name}/_settings", put_stream_settings, kParams},
      {"GET", "/_data_stream/{name}/_settings", get_stream_settings, kParams},
      {"POST", "/_data_stream/_modify", modify, kParams},
      {"POST", "/_data_stream/_promote/{name}", promote, kParams},
      {"GET", "/{index}/_lifecycle/explain", explain_lifecycle, kParams},
      {"POST", "/{index}/_lifecycle/explain", explain_lifecycle, kParams},
      {"GET", "/_lifecycle/stats", lifecycle_stats, kParams},
      {"DELETE", "/{index}/_block/{block}", remove_block, kParams},
      {"GET,POST", "/{index}/_reload_search_analyzers", reload_analyzers, kParams},
      {"POST", "/_reindex/{task_id}/_rethrottle", rethrottle, kParams},
      {"POST", "/_update_by_query/{task_id}/_rethrottle", rethrottle, kParams},
      {"POST", "/_delete_by_query/{task_id}/_rethrottle", rethrottle, kParams},
      {"POST,DELETE", "/_dangling/{uuid}", no_dangling, kParams},
      {"PUT,POST", "/_create_from/{source}/{dest}", create_from, kParams},
      {"GET", "/_license/trial_status", trial_status, kParams},
      {"GET", "/_license/basic_status", basic_status, kParams},
      {"POST", "/_license/start_trial", start_trial, kParams},
      {"POST", "/_license/start_basic", start_basic, kParams},
  };
  for (const char* path : {"/{index}/_downsample/{target}", "/_migration/reindex", "/_snapshot/{repository}/_analyze", "/_snapshot/{repository}/_verify_integrity", "/_ingest/geoip/stats", "/_ingest/geoip/database", "/_ingest/geoip/database/{id}",
                           "/_ingest/ip_location/database", "/_ingest/ip_location/database/{id}", "/_cat/transforms", "/_cat/transforms/{id}", "/_cat/ml/anomaly_detectors", "/_cat/ml/datafeeds", "/_cat/ml/trained_models"}) {
    out.push_back({"GET,POST,PUT,DELETE", path, unsupported, kParams});
  }
  return out;
}

}  // namespace stele::elastic

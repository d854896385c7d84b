#include "doors/qdrant/handlers.h"

namespace stele::qdrant {

namespace {

const json::object& hnsw_defaults() {
  static const json::object o{{"m", 16}, {"ef_construct", 100}, {"full_scan_threshold", 10000}, {"max_indexing_threads", 0}, {"on_disk", false}};
  return o;
}
const json::object& optimizer_defaults() {
  static const json::object o{{"deleted_threshold", 0.2}, {"vacuum_min_vector_number", 1000}, {"default_segment_number", 0},
                              {"max_segment_size", nullptr}, {"memmap_threshold", nullptr}, {"indexing_threshold", 20000},
                              {"flush_interval_sec", 5}, {"max_optimization_threads", nullptr}};
  return o;
}
void merge(json::object& into, const json::object& from) {
  for (const auto& [k, v] : from) into[k] = v;
}

void check_hnsw(const json::object* o) {
  if (o == nullptr) return;
  if (auto ef = uint_member(*o, "ef_construct"); ef && *ef < 4) invalid(fmt::format("hnsw_config.ef_construct: value {} invalid, must be 4 or larger", *ef));
  if (auto m = uint_member(*o, "m"); m && *m > 10000) invalid("hnsw_config.m: value too large");
}
json::object check_vector(const json::value& v, const std::string& where) {
  json::object o = as_object(v, where);
  const auto size = uint_member(o, "size");
  if (!size) bad_format("missing field `size`");
  if (*size < 1 || *size > 65536) invalid(fmt::format("{}.size: value {} invalid, must be from 1 to 65536", where, *size));
  if (*size > 16000) bad_request(fmt::format("vectors of {} dimensions are not supported, at most 16000 are", *size));
  const std::string distance = as_string(required(o, "distance"), "distance");
  if (distance != "Cosine" && distance != "Euclid" && distance != "Dot" && distance != "Manhattan") {
    bad_format(fmt::format("unknown variant `{}`, expected one of `Cosine`, `Euclid`, `Dot`, `Manhattan`", distance));
  }
  check_hnsw(object_member(o, "hnsw_config"));
  if (object_member(o, "multivector_config") != nullptr) bad_request("multi-vectors are not supported by this server");
  return o;
}

// The schema entry of a payload index as info shows it.
json::object index_entry(const json::value& schema, uint64_t points) {
  if (schema.is_string()) return {{"data_type", schema}, {"points", points}};
  json::object o{{"data_type", schema.get_object().at("type")}, {"params", schema}, {"points", points}};
  return o;
}

}  // namespace

json::value list_collections(Engine& engine) {
  json::array out;
  for (const std::string& name : engine.list()) out.push_back(json::object{{"name", name}});
  return json::object{{"collections", std::move(out)}};
}

json::value create_collection(Engine& engine, const Request& r) {
  const json::object& body = as_object(r.body, "body");
  if (r.collection.empty() || r.collection.size() > 255) invalid("collection_name: value invalid");
  for (char c : r.collection) {
    if (std::string_view("<>:\"/\\|?*").find(c) != std::string_view::npos || static_cast<unsigned char>(c) < 32) {
      invalid(fmt::format("collection_name: collection name cannot contain \"{}\" char", c));
    }
  }
  json::object params;
  if (const json::value* v = member(body, "vectors")) {
    const json::object& o = as_object(*v, "vectors");
    if (o.if_contains("size") != nullptr && !o.at("size").is_object()) {
      params["vectors"] = check_vector(*v, "vectors");
    } else {
      json::object named;
      for (const auto& [name, spec] : o) {
        if (name == "id" || name == "payload") bad_request(fmt::format("vector name \"{}\" is reserved", view(name)));
        named[name] = check_vector(spec, "vectors");
      }
      params["vectors"] = std::move(named);
    }
  } else {
    params["vectors"] = json::object();
  }
  if (const json::object* sparse = object_member(body, "sparse_vectors")) {
    for (const auto& [name, spec] : *sparse) {
      if (!spec.is_object() && !spec.is_null()) bad_format("invalid type for `sparse_vectors`");
      if (params["vectors"].get_object().if_contains(name) != nullptr) bad_request(fmt::format("vector name \"{}\" is used twice", view(name)));
    }
    params["sparse_vectors"] = *sparse;
  }
  for (const auto& [key, otherwise] : {std::pair{"shard_number", 1}, {"replication_factor", 1}, {"write_consistency_factor", 1}}) {
    const auto n = uint_member(body, key);
    if (n && *n == 0) invalid(fmt::format("{}: value 0 invalid, must be 1 or larger", key));
    params[key] = n.value_or(static_cast<uint64_t>(otherwise));
  }
  params["on_disk_payload"] = bool_member(body, "on_disk_payload").value_or(true);
  if (auto sharding = string_member(body, "sharding_method")) params["sharding_method"] = *sharding;

  json::object config{{"params", std::move(params)}};
  check_hnsw(object_member(body, "hnsw_config"));
  json::object hnsw = hnsw_defaults();
  if (const json::object* o = object_member(body, "hnsw_config")) merge(hnsw, *o);
  config["hnsw_config"] = std::move(hnsw);
  json::object optimizer = optimizer_defaults();
  if (const json::object* o = object_member(body, "optimizers_config")) merge(optimizer, *o);
  config["optimizer_config"] = std::move(optimizer);
  json::object wal{{"wal_capacity_mb", 32}, {"wal_segments_ahead", 0}};
  if (const json::object* o = object_member(body, "wal_config")) merge(wal, *o);
  config["wal_config"] = std::move(wal);
  const json::value* quantization = member(body, "quantization_config");
  config["quantization_config"] = quantization == nullptr ? json::value(nullptr) : json::value(as_object(*quantization, "quantization_config"));
  if (const json::object* strict = object_member(body, "strict_mode_config")) config["strict_mode_config"] = *strict;
  if (const json::object* metadata = object_member(body, "metadata")) config["metadata"] = *metadata;
  engine.create(r.collection, std::move(config));
  return true;
}

json::value update_collection(Engine& engine, const Request& r) {
  const json::object& body = as_object(r.body, "body");
  const Handle h = engine.open(r.collection);
  json::object config = h.config;
  check_hnsw(object_member(body, "hnsw_config"));
  for (const auto& [from, to] : {std::pair{"hnsw_config", "hnsw_config"}, {"optimizers_config", "optimizer_config"},
                                 {"optimizer_config", "optimizer_config"}, {"strict_mode_config", "strict_mode_config"}, {"metadata", "metadata"}}) {
    if (const json::object* o = object_member(body, from)) {
      if (!config[to].is_object()) config[to].emplace_object();
      merge(config[to].get_object(), *o);
    }
  }
  if (const json::object* o = object_member(body, "params")) merge(config["params"].get_object(), *o);
  if (const json::value* q = member(body, "quantization_config")) {
    config["quantization_config"] = q->is_string() ? json::value(nullptr) : *q;  // "Disabled"
  }
  for (const char* kind : {"vectors", "sparse_vectors"}) {
    const json::object* changes = object_member(body, kind);
    if (changes == nullptr) continue;
    json::object& all = config["params"].get_object()[kind].get_object();
    for (const auto& [name, change] : *changes) {
      json::object* target = name.empty() && all.if_contains("size") != nullptr ? &all
                             : all.if_contains(name) != nullptr ? all.at(name).if_object() : nullptr;
      if (target == nullptr) bad_request(fmt::format("Not existing vector name error: {}", view(name)));
      for (const auto& [k, v] : as_object(change, kind)) {
        if (v.is_object() && (*target)[k].is_object()) {
          merge((*target)[k].get_object(), v.get_object());
        } else {
          (*target)[k] = v;
        }
      }
    }
  }
  engine.set_config(h.name, std::move(config));
  return true;
}

json::value collection_info(Engine& engine, const Request& r) {
  const Handle h = engine.open(r.collection);
  json::object config = h.config;
  json::object schema;
  if (const json::object* indexes = object_member(config, "payload_schema")) {
    for (const auto& [field, type] : *indexes) {
      const auto path = vectors::parse_path(view(field));
      uint64_t points = 0;
      h.data->for_each(h.lsn, [&](const vectors::Collection::Found& p) {
        bool present = false;
        if (p.payload != nullptr) {
          vectors::visit_path(*p.payload, path, [&](const json::value& v) {
            present = !v.is_null();
            return !present;
          });
        }
        points += present;
        return true;
      });
      schema[field] = index_entry(type, points);
    }
  }
  config.erase("payload_schema");
  const bool waiting = h.data->indexed() < h.data->count() && h.data->count() > 20000;
  return json::object{{"status", waiting ? "yellow" : "green"}, {"optimizer_status", "ok"}, {"vectors_count", h.data->vectors()},
                      {"indexed_vectors_count", h.data->indexed()}, {"points_count", h.data->count()},
                      {"segments_count", 1}, {"config", std::move(config)}, {"payload_schema", std::move(schema)}};
}

json::value create_index(Engine& engine, const Request& r) {
  const json::object& body = as_object(r.body, "body");
  const std::string field = as_string(required(body, "field_name"), "field_name");
  vectors::parse_path(field);
  const Handle h = engine.open(r.collection);
  json::value schema = "keyword";
  const json::value* given = member(body, "field_schema");
  if (given == nullptr) given = member(body, "field_type");
  if (given == nullptr) bad_request("Can't auto-detect field type, please specify `field_schema` in the request");
  static const std::set<std::string> kTypes = {"keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid"};
  std::string type;
  if (given->is_object()) {
    type = as_string(required(given->get_object(), "type"), "type");
  } else {
    type = as_string(*given, "field_schema");
  }
  if (!kTypes.contains(type)) bad_format("data did not match any variant of untagged enum PayloadFieldSchema");
  schema = *given;
  auto guard = engine.lock(h.name);
  json::object config = engine.open(h.name).config;
  if (!config["payload_schema"].is_object()) config["payload_schema"].emplace_object();
  config["payload_schema"].get_object()[field] = schema;
  engine.set_config(h.name, std::move(config));
  h.data->add_index(field);
  return json::object{{"operation_id", h.lsn}, {"status", r.wait() ? "completed" : "acknowledged"}};
}

json::value delete_index(Engine& engine, const Request& r) {
  const Handle h = engine.open(r.collection);
  auto guard = engine.lock(h.name);
  json::object config = engine.open(h.name).config;
  if (json::object* o = config["payload_schema"].if_object()) o->erase(r.rest[1]);
  h.data->remove_index(r.rest[1]);
  engine.set_config(h.name, std::move(config));
  return json::object{{"operation_id", h.lsn}, {"status", r.wait() ? "completed" : "acknowledged"}};
}

json::value list_aliases(Engine& engine, const std::string& collection) {
  std::string target;
  if (!collection.empty()) target = engine.open(collection).name;
  json::array out;
  for (const auto& [alias, of] : engine.aliases()) {
    if (target.empty() || of == target) out.push_back(json::object{{"alias_name", alias}, {"collection_name", of}});
  }
  return json::object{{"aliases", std::move(out)}};
}

std::string metrics_text(Engine& engine) {
  const auto names = engine.list();
  uint64_t vectors_total = 0;
  for (const auto& name : names) {
    try {
      vectors_total += engine.open(name).data->vectors();
    } catch (const ApiError&) {
      // Dropped meanwhile.
    }
  }
  return fmt::format(
      "# HELP app_info information about the server\n# TYPE app_info gauge\napp_info{{name=\"qdrant\",version=\"1.15.0\"}} 1\n"
      "# HELP collections_total number of collections\n# TYPE collections_total gauge\ncollections_total {}\n"
      "# HELP collections_vector_total total number of vectors in all collections\n# TYPE collections_vector_total gauge\n"
      "collections_vector_total {}\n",
      names.size(), vectors_total);
}

}  // namespace stele::qdrant

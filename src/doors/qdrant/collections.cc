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
// What a diff leaves out, or null, stays as it is.
void merge(json::object& into, const json::object& diff) {
  for (const auto& [k, v] : diff) {
    if (k == "max_optimization_threads" && v == "auto") into[k] = nullptr;
    else if (!v.is_null()) into[k] = v;
  }
}
json::object without_nulls(const json::object& o) {
  json::object kept;
  merge(kept, o);
  return kept;
}

// One of the names, or the error that serde gives.
void check_variant(const std::string& value, std::initializer_list<const char*> names) {
  std::string list;
  for (const char* n : names) {
    if (value == n) return;
    list += fmt::format("{}`{}`", list.empty() ? "" : ", ", n);
  }
  bad_format(fmt::format("unknown variant `{}`, expected one of {}", value, list));
}
void at_least(const json::object& o, const char* name, uint64_t least, const std::string& where) {
  if (auto n = uint_member(o, name); n && *n < least) invalid(fmt::format("{}.{}: value {} invalid, must be {} or larger", where, name, *n, least));
}
void check_hnsw(const json::object* o, const std::string& where = "hnsw_config") {
  if (o == nullptr) return;
  at_least(*o, "ef_construct", 4, where);
  if (auto n = uint_member(*o, "full_scan_threshold"); n && *n != 0) at_least(*o, "full_scan_threshold", 10, where);
  if (auto m = uint_member(*o, "m"); m && *m > 10000) invalid(fmt::format("{}.m: value {} invalid, must be from 0 to 10000", where, *m));
  bool_member(*o, "on_disk");
  uint_member(*o, "payload_m");
  uint_member(*o, "max_indexing_threads");
}
void check_optimizers(const json::object* o) {
  if (o == nullptr) return;
  if (auto d = number_member(*o, "deleted_threshold"); d && !(*d >= 0 && *d <= 1)) {
    invalid(fmt::format("optimizers_config.deleted_threshold: value {} invalid, must be from 0.0 to 1.0", *d));
  }
  at_least(*o, "vacuum_min_vector_number", 100, "optimizers_config");
  for (const char* name : {"default_segment_number", "max_segment_size", "memmap_threshold", "indexing_threshold", "flush_interval_sec"}) uint_member(*o, name);
  if (const json::value* t = member(*o, "max_optimization_threads"); t != nullptr && *t != "auto") uint_member(*o, "max_optimization_threads");
}
void check_wal(const json::object* o) {
  if (o == nullptr) return;
  at_least(*o, "wal_capacity_mb", 1, "wal_config");
  uint_member(*o, "wal_segments_ahead");
}
void check_quantization(const json::value* v) {
  if (v == nullptr) return;
  const json::object* o = v->if_object();
  const json::object* scalar = o == nullptr ? nullptr : object_member(*o, "scalar");
  const json::object* product = o == nullptr ? nullptr : object_member(*o, "product");
  if (scalar != nullptr) {
    check_variant(as_string(required(*scalar, "type"), "type"), {"int8"});
    bool_member(*scalar, "always_ram");
    if (auto q = number_member(*scalar, "quantile"); q && !(*q >= 0.5 && *q <= 1)) {
      invalid(fmt::format("quantization_config.scalar.quantile: value {} invalid, must be from 0.5 to 1.0", *q));
    }
  } else if (product != nullptr) {
    check_variant(as_string(required(*product, "compression"), "compression"), {"x4", "x8", "x16", "x32", "x64"});
    bool_member(*product, "always_ram");
  } else if (const json::object* binary = o == nullptr ? nullptr : object_member(*o, "binary")) {
    bool_member(*binary, "always_ram");
    if (const auto encoding = string_member(*binary, "encoding")) check_variant(*encoding, {"one_bit", "two_bits", "one_and_half_bits"});
    if (const auto of = string_member(*binary, "query_encoding")) check_variant(*of, {"default", "binary", "scalar4bits", "scalar8bits"});
  } else {
    bad_format("data did not match any variant of untagged enum QuantizationConfig");
  }
}
void check_strict_mode(const json::object* o) {
  if (o == nullptr) return;
  for (const char* name : {"enabled", "unindexed_filtering_retrieve", "unindexed_filtering_update", "search_allow_exact"}) bool_member(*o, name);
  for (const char* name : {"max_query_limit", "max_timeout", "search_max_hnsw_ef", "upsert_max_batchsize", "search_max_batchsize",
                           "max_collection_vector_size_bytes", "max_collection_payload_size_bytes", "max_points_count", "read_rate_limit",
                           "write_rate_limit", "filter_max_conditions", "condition_max_size"}) {
    const auto n = uint_member(*o, name);
    const std::string_view key(name);
    if (n && *n == 0 && key != "filter_max_conditions" && key != "condition_max_size") {
      invalid(fmt::format("strict_mode_config.{}: value 0 invalid, must be 1 or larger", name));
    }
  }
}
json::object check_vector(const json::value& v, const std::string& where) {
  json::object o = as_object(v, where);
  const auto size = uint_member(o, "size");
  if (!size) bad_format("missing field `size`");
  if (*size < 1 || *size > 65536) invalid(fmt::format("{}.size: value {} invalid, must be from 1 to 65536", where, *size));
  if (*size > 16000) bad_request(fmt::format("vectors of {} dimensions are not supported, at most 16000 are", *size));
  check_variant(as_string(required(o, "distance"), "distance"), {"Cosine", "Euclid", "Dot", "Manhattan"});
  check_hnsw(object_member(o, "hnsw_config"), where + ".hnsw_config");
  check_quantization(member(o, "quantization_config"));
  bool_member(o, "on_disk");
  if (const auto type = string_member(o, "datatype")) check_variant(*type, {"float32", "uint8", "float16"});
  if (const json::object* multi = object_member(o, "multivector_config")) check_variant(as_string(required(*multi, "comparator"), "comparator"), {"max_sim"});
  // Absent and null are the same, and are shown as absent.
  json::object kept;
  for (const auto& [k, x] : o) {
    if (!x.is_null()) kept[k] = x;
  }
  return kept;
}
json::object check_sparse(const json::value& v) {
  json::object kept;
  if (v.is_null()) return kept;
  for (const auto& [k, x] : as_object(v, "sparse_vectors")) {
    if (!x.is_null()) kept[k] = x;
  }
  if (const auto modifier = string_member(kept, "modifier")) check_variant(*modifier, {"none", "idf"});
  if (const json::object* index = object_member(kept, "index")) {
    if (const auto type = string_member(*index, "datatype")) check_variant(*type, {"float32", "float16", "uint8"});
  }
  return kept;
}

// Whether an index of that type takes the value in.
bool indexable(std::string_view type, const json::value& v) {
  double ignored;
  if (type == "keyword" || type == "text") return v.is_string();
  if (type == "integer") return v.is_int64() || v.is_uint64();
  if (type == "float") return v.is_number();
  if (type == "bool") return v.is_bool();
  if (type == "datetime") return v.is_string() && vectors::parse_datetime(view(v.get_string()), &ignored);
  if (type == "uuid") return v.is_string() && !vectors::canonical_uuid(view(v.get_string())).empty();
  const json::object* o = v.if_object();
  return o != nullptr && o->if_contains("lat") != nullptr && o->if_contains("lon") != nullptr && o->at("lat").is_number() && o->at("lon").is_number();
}
// Parameters of an index, by its type.
void check_index_parameters(const std::string& type, const json::object& o) {
  auto flag = [&](const char* name) {
    const json::value* v = member(o, name);
    if (v != nullptr && !v->is_bool()) bad_format("data did not match any variant of untagged enum PayloadFieldSchema");
    return v == nullptr || v->get_bool();
  };
  flag("on_disk");
  if (type == "keyword" || type == "uuid") flag("is_tenant");
  if (type == "integer" || type == "float" || type == "datetime") flag("is_principal");
  if (type == "integer") {
    const bool lookup = flag("lookup"), range = flag("range");
    if (!lookup && !range) invalid("field_schema: the 'lookup' and 'range' capabilities can't be both disabled");
  }
  if (type == "text") {
    flag("phrase_matching");
    static_cast<void>(vectors::TextAnalysis(json::value(o)));
  }
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
  auto bad_name = [](const std::string& why) { throw ApiError(422, "Validation error in path parameters: [name: " + why + "]"); };
  if (r.collection.empty() || r.collection.size() > 255) {
    bad_name(fmt::format("value \"{}\" invalid, must be from 1 to 255 characters", r.collection));
  }
  for (char c : r.collection) {
    if (std::string_view("<>:\"/\\|?*").find(c) != std::string_view::npos || static_cast<unsigned char>(c) < 32) {
      bad_name(fmt::format("value \"{}\" invalid, must not contain {}", r.collection, c));
    }
  }
  json::object params;
  if (const json::value* v = member(body, "vectors")) {
    const json::object& o = as_object(*v, "vectors");
    auto plain = [&](const char* name) { return o.if_contains(name) != nullptr && !o.at(name).is_object(); };
    if (plain("size") || plain("distance")) {
      params["vectors"] = check_vector(*v, "vectors");
    } else {
      json::object named;
      for (const auto& [name, spec] : o) {
        named[name] = check_vector(spec, "vectors");
      }
      params["vectors"] = std::move(named);
    }
  } else {
    params["vectors"] = json::object();
  }
  if (const json::object* sparse = object_member(body, "sparse_vectors")) {
    json::object kept;
    for (const auto& [name, spec] : *sparse) {
      const json::object& dense = params["vectors"].get_object();
      if (dense.if_contains(name) != nullptr && dense.at(name).is_object()) bad_request(fmt::format("vector name \"{}\" is used twice", view(name)));
      kept[name] = check_sparse(spec);
    }
    params["sparse_vectors"] = std::move(kept);
  }
  for (const auto& [key, otherwise] : {std::pair{"shard_number", 1}, {"replication_factor", 1}, {"write_consistency_factor", 1}}) {
    const auto n = uint_member(body, key);
    if (n && *n == 0) invalid(fmt::format("{}: value 0 invalid, must be 1 or larger", key));
    params[key] = n.value_or(static_cast<uint64_t>(otherwise));
  }
  params["on_disk_payload"] = bool_member(body, "on_disk_payload").value_or(true);
  if (auto sharding = string_member(body, "sharding_method")) {
    check_variant(*sharding, {"auto", "custom"});
    params["sharding_method"] = *sharding;
  }
  std::optional<Handle> source;
  if (const json::object* from = object_member(body, "init_from")) source = engine.open(as_string(required(*from, "collection"), "collection"));

  json::object config{{"params", std::move(params)}};
  check_hnsw(object_member(body, "hnsw_config"));
  json::object hnsw = hnsw_defaults();
  if (const json::object* o = object_member(body, "hnsw_config")) merge(hnsw, *o);
  config["hnsw_config"] = std::move(hnsw);
  check_optimizers(object_member(body, "optimizers_config"));
  json::object optimizer = optimizer_defaults();
  if (const json::object* o = object_member(body, "optimizers_config")) merge(optimizer, *o);
  config["optimizer_config"] = std::move(optimizer);
  json::object wal{{"wal_capacity_mb", 32}, {"wal_segments_ahead", 0}};
  check_wal(object_member(body, "wal_config"));
  if (const json::object* o = object_member(body, "wal_config")) merge(wal, *o);
  config["wal_config"] = std::move(wal);
  const json::value* quantization = member(body, "quantization_config");
  check_quantization(quantization);
  check_strict_mode(object_member(body, "strict_mode_config"));
  config["quantization_config"] = quantization == nullptr ? json::value(nullptr) : json::value(as_object(*quantization, "quantization_config"));
  const json::object* strict = object_member(body, "strict_mode_config");
  config["strict_mode_config"] = strict == nullptr ? json::object{{"enabled", false}} : without_nulls(*strict);
  if (const json::object* metadata = object_member(body, "metadata")) config["metadata"] = *metadata;
  engine.create(r.collection, std::move(config));
  if (source) engine.copy_points(*source, engine.open(r.collection));
  return true;
}

namespace {
bool disabled(const json::value& quantization) {
  if (!quantization.is_string()) return false;
  check_variant(as_string(quantization, "quantization_config"), {"Disabled"});
  return true;
}
// One vector's parameters changed by a diff of them.
void change_vector(json::object& target, const json::object& diff) {
  if (const json::object* o = object_member(diff, "hnsw_config")) {
    if (!target["hnsw_config"].is_object()) target["hnsw_config"].emplace_object();
    merge(target["hnsw_config"].get_object(), *o);
  }
  if (const json::value* q = member(diff, "quantization_config")) {
    if (disabled(*q)) {
      target.erase("quantization_config");
    } else {
      target["quantization_config"] = *q;
    }
  }
  if (const auto on_disk = bool_member(diff, "on_disk")) target["on_disk"] = *on_disk;
}
void change_sparse(json::object& target, const json::object& diff) {
  if (const json::object* o = object_member(diff, "index")) {
    if (!target["index"].is_object()) target["index"].emplace_object();
    merge(target["index"].get_object(), *o);
  }
  if (const auto modifier = string_member(diff, "modifier")) target["modifier"] = *modifier;
}
void check_vector_diff(const json::object& diff) {
  check_hnsw(object_member(diff, "hnsw_config"), "vectors.hnsw_config");
  if (const json::value* q = member(diff, "quantization_config"); q != nullptr && !disabled(*q)) check_quantization(q);
  bool_member(diff, "on_disk");
}
}  // namespace

json::value update_collection(Engine& engine, const Request& r) {
  const json::object& body = as_object(r.body, "body");
  const Handle h = engine.open(r.collection);
  check_hnsw(object_member(body, "hnsw_config"));
  check_optimizers(object_member(body, "optimizers_config"));
  check_strict_mode(object_member(body, "strict_mode_config"));
  if (const json::value* q = member(body, "quantization_config"); q != nullptr && !disabled(*q)) check_quantization(q);
  const json::object* params = object_member(body, "params");
  if (params != nullptr) {
    at_least(*params, "replication_factor", 1, "params");
    at_least(*params, "write_consistency_factor", 1, "params");
    uint_member(*params, "read_fan_out_factor");
    bool_member(*params, "on_disk_payload");
  }
  const json::object *dense = object_member(body, "vectors"), *sparse = object_member(body, "sparse_vectors");
  if (dense != nullptr) {
    for (const auto& [name, diff] : *dense) check_vector_diff(as_object(diff, "vectors"));
  }
  if (sparse != nullptr) {
    for (const auto& [name, diff] : *sparse) static_cast<void>(check_sparse(diff));
  }
  engine.change_config(h.name, [&](json::object& config) {
    for (const auto& [from, to] : {std::pair{"hnsw_config", "hnsw_config"}, {"optimizers_config", "optimizer_config"},
                                   {"strict_mode_config", "strict_mode_config"}, {"metadata", "metadata"}}) {
      if (const json::object* o = object_member(body, from)) {
        if (!config[to].is_object()) config[to].emplace_object();
        merge(config[to].get_object(), *o);
      }
    }
    json::object& all = config["params"].get_object();
    if (params != nullptr) merge(all, *params);
    if (const json::value* q = member(body, "quantization_config")) config["quantization_config"] = disabled(*q) ? json::value(nullptr) : *q;
    auto of = [&](const char* kind, const json::string_view name) -> json::object& {
      json::value* list = all.if_contains(kind);
      json::object* o = list == nullptr ? nullptr : list->if_object();
      json::value* found = o == nullptr ? nullptr : o->if_contains(name);
      if (found != nullptr && found->is_object()) return found->get_object();
      if (o == nullptr || !name.empty() || o->if_contains("size") == nullptr) bad_request(fmt::format("Not existing vector name error: {}", view(name)));
      return *o;
    };
    if (dense != nullptr) {
      for (const auto& [name, diff] : *dense) change_vector(of("vectors", name), diff.get_object());
    }
    if (sparse != nullptr) {
      for (const auto& [name, diff] : *sparse) {
        if (diff.is_object()) change_sparse(of("sparse_vectors", name), diff.get_object());
      }
    }
  });
  engine.reconfigure(h.name);
  return true;
}

json::value collection_info(Engine& engine, const Request& r) {
  const Handle h = engine.open(r.collection);
  json::object config = h.config;
  json::object schema;
  if (const json::object* indexes = object_member(config, "payload_schema")) {
    for (const auto& [field, type] : *indexes) {
      const auto path = vectors::parse_path(view(field));
      const json::value& kind = type.is_object() ? type.get_object().at("type") : type;
      const std::string_view type_name = view(kind.get_string());
      auto indexed = [&](const vectors::Collection::Found& p) {
        bool present = false;
        if (p.payload == nullptr) return false;
        vectors::visit_path(*p.payload, path, [&](const json::value& v) {
          if (const json::array* a = v.if_array()) {
            present = std::any_of(a->begin(), a->end(), [&](const json::value& x) { return indexable(type_name, x); });
          } else {
            present = indexable(type_name, v);
          }
          return !present;
        });
        return present;
      };
      const uint64_t points = h.data->counted(fmt::format("{} {}", type_name, view(field)), h.lsn, [&] {
        uint64_t n = 0;
        h.data->for_each(h.lsn, [&](const vectors::Collection::Found& p) {
          n += indexed(p);
          return true;
        });
        return n;
      });
      schema[field] = index_entry(type, points);
    }
  }
  config.erase("payload_schema");
  // Tables made in SQL have no such settings: what stands for them is shown.
  if (!config.contains("hnsw_config")) config["hnsw_config"] = hnsw_defaults();
  if (!config.contains("optimizer_config")) config["optimizer_config"] = optimizer_defaults();
  if (!config.contains("wal_config")) config["wal_config"] = json::object{{"wal_capacity_mb", 32}, {"wal_segments_ahead", 0}};
  const bool waiting = h.data->waiting() > 0 && h.data->count() > 20000;
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
  if (given->is_object()) check_index_parameters(type, given->get_object());
  engine.change_config(h.name, [&](json::object& config) {
    if (!config["payload_schema"].is_object()) config["payload_schema"].emplace_object();
    config["payload_schema"].get_object()[field] = schema;
  });
  h.data->add_index(field, schema);
  return json::object{{"operation_id", h.lsn}, {"status", r.wait() ? "completed" : "acknowledged"}};
}

json::value delete_index(Engine& engine, const Request& r) {
  const Handle h = engine.open(r.collection);
  engine.change_config(h.name, [&](json::object& config) {
    if (json::object* o = config["payload_schema"].if_object()) o->erase(r.rest[1]);
  });
  h.data->remove_index(r.rest[1]);
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

json::value cluster_info(Engine& engine, const Request& r) {
  const Handle h = engine.open(r.collection);
  return json::object{{"peer_id", 0}, {"shard_count", 1},
                      {"local_shards", json::array{json::object{{"shard_id", 0}, {"points_count", h.data->count()}, {"state", "Active"}}}},
                      {"remote_shards", json::array()}, {"shard_transfers", json::array()}};
}

}  // namespace stele::qdrant

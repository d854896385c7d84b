#include "doors/qdrant/strict.h"

namespace stele::qdrant {

namespace {

[[noreturn]] void refuse(const std::string& problem, const std::string& help) { throw ApiError(400, "Bad request: " + problem + ". Help: " + help); }

// A bucket of tokens that fills at the rate of the limit, one a collection and kind.
struct Bucket {
  double tokens = 0;
  uint64_t per_minute = 0;
  std::chrono::steady_clock::time_point filled;
};
std::mutex buckets_mutex;
std::map<std::pair<uint32_t, std::string>, Bucket> buckets;   // guarded by buckets_mutex

uint64_t json_bytes(const json::value& v) {
  if (const auto* s = v.if_string()) return s->size();
  uint64_t n = 8;
  if (const auto* o = v.if_object()) {
    for (const auto& [k, x] : *o) n += k.size() + json_bytes(x);
  }
  if (const auto* a = v.if_array()) {
    for (const json::value& x : *a) n += json_bytes(x);
  }
  return n;
}

}  // namespace

Strict::Strict(const Handle& h) : handle_(h) {
  const json::value* v = h.config.if_contains("strict_mode_config");
  const json::object* o = v == nullptr ? nullptr : v->if_object();
  if (o != nullptr && bool_member(*o, "enabled").value_or(false)) config_ = o;
}
const json::value* Strict::setting(const char* key) const { return config_ == nullptr ? nullptr : member(*config_, key); }

void Strict::rate(const char* key, const char* what, uint64_t operations) const {
  const json::value* v = setting(key);
  if (v == nullptr || !v->is_number()) return;
  const auto per_minute = v->to_number<uint64_t>();
  const auto cost = static_cast<double>(operations);
  const auto now = std::chrono::steady_clock::now();
  std::lock_guard lock(buckets_mutex);
  Bucket& b = buckets[{handle_.relation->storage_id, key}];
  if (b.per_minute != per_minute) b = {static_cast<double>(per_minute), per_minute, now};
  b.tokens = std::min(static_cast<double>(per_minute), b.tokens + std::chrono::duration<double>(now - b.filled).count() * static_cast<double>(per_minute) / 60);
  b.filled = now;
  if (cost > static_cast<double>(per_minute)) {
    throw ApiError(429, fmt::format("Rate limiting exceeded: {} rate limit exceeded, request larger than rate limiter capacity, please try to split your request", what));
  }
  if (b.tokens < cost) {
    throw ApiError(429, fmt::format("Rate limiting exceeded: {} rate limit exceeded: Operation requires {} tokens but only {} were available. Retry after {}s", what,
                                    operations, std::floor(b.tokens), std::ceil((cost - b.tokens) * 60 / static_cast<double>(per_minute))));
  }
  b.tokens -= cost;
}

void Strict::limit(const char* key, std::optional<uint64_t> value, std::string_view name) const {
  const json::value* v = setting(key);
  if (v == nullptr || !v->is_number() || !value || *value <= v->to_number<uint64_t>()) return;
  const auto most = v->to_number<uint64_t>();
  refuse(fmt::format("Limit exceeded {} > {} for \"{}\"", *value, most, name), fmt::format("Reduce the \"{}\" parameter to or below {}.", name, most));
}

void Strict::need_index(const std::string& key, const json::object& condition) const {
  if (!handle_.made_here()) return;
  std::vector<std::string> types;
  if (const json::object* m = object_member(condition, "match")) {
    if (m->if_contains("text") != nullptr || m->if_contains("phrase") != nullptr || m->if_contains("text_any") != nullptr) {
      types = {"text"};
    } else {
      const json::value* v = m->begin() == m->end() ? nullptr : &m->begin()->value();
      const json::array* list = v == nullptr ? nullptr : v->if_array();
      if (list != nullptr && !list->empty()) v = &(*list)[0];
      if (v != nullptr && v->is_bool()) types = {"bool"};
      else if (v != nullptr && v->is_number()) types = {"integer"};
      else {
        types = {"keyword"};
        const bool uuid = v != nullptr && v->is_string() && !vectors::canonical_uuid(view(v->get_string())).empty();
        if (uuid) types.push_back("uuid");
      }
    }
  } else if (const json::object* range = object_member(condition, "range")) {
    const bool date = std::any_of(range->begin(), range->end(), [](const auto& x) { return x.value().is_string(); });
    types = date ? std::vector<std::string>{"datetime"} : std::vector<std::string>{"float", "integer"};
  } else if (condition.if_contains("geo_bounding_box") != nullptr || condition.if_contains("geo_radius") != nullptr ||
             condition.if_contains("geo_polygon") != nullptr) {
    types = {"geo"};
  }
  const json::object* schema = object_member(handle_.config, "payload_schema");
  const json::value* index = schema == nullptr ? nullptr : schema->if_contains(key);
  if (index != nullptr) {
    if (types.empty()) return;
    const json::value& type = index->is_object() ? index->get_object().at("type") : *index;
    for (const auto& t : types) {
      if (type == t.c_str()) return;
    }
  }
  if (types.empty()) types = {"keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid"};
  refuse(fmt::format("Index required but not found for \"{}\" of one of the following types: [{}]", key, fmt::join(types, ", ")),
         "Create an index for this key or use a different filter.");
}

void Strict::timeout(const HttpRequest& http) const {
  const std::string* seconds = http.param("timeout");
  if (seconds != nullptr) limit("max_timeout", std::strtoull(seconds->c_str(), nullptr, 10), "timeout");
}

void Strict::conditions(const json::value& filter, const std::string& prefix, bool indexed, uint64_t* count) const {
  const json::object* o = filter.if_object();
  if (o == nullptr) return;
  auto one = [&](const json::value& c) {
    const json::object* condition = c.if_object();
    if (condition == nullptr) return;
    if (const json::value* n = condition->if_contains("nested"); n != nullptr && n->is_object()) {
      const auto key = string_member(n->get_object(), "key").value_or("");
      if (const json::value* inner = n->get_object().if_contains("filter")) conditions(*inner, prefix + key + "[].", indexed, count);
      return;
    }
    if (condition->if_contains("must") || condition->if_contains("should") || condition->if_contains("must_not") || condition->if_contains("min_should")) {
      conditions(c, prefix, indexed, count);
      return;
    }
    ++*count;
    uint64_t size = 0;
    if (const json::value* ids = condition->if_contains("has_id"); ids != nullptr && ids->is_array()) size = ids->get_array().size();
    if (const json::object* m = object_member(*condition, "match")) {
      for (const char* kind : {"any", "except"}) {
        if (const json::value* list = m->if_contains(kind); list != nullptr && list->is_array()) size = list->get_array().size();
      }
    }
    limit("condition_max_size", size, "condition size");
    if (indexed && condition->if_contains("key") != nullptr) need_index(prefix + string_member(*condition, "key").value_or(""), *condition);
  };
  for (const auto& [name, v] : *o) {
    const json::value* list = &v;
    if (name == "min_should" && v.is_object()) list = v.get_object().if_contains("conditions");
    if (list == nullptr) continue;
    if (const json::array* a = list->if_array()) {
      for (const json::value& c : *a) one(c);
    } else {
      one(*list);
    }
  }
}

void Strict::filter(const json::object& body, bool update) const {
  if (config_ == nullptr) return;
  const json::value* f = member(body, "filter");
  if (f == nullptr) return;
  const bool allowed = bool_member(*config_, update ? "unindexed_filtering_update" : "unindexed_filtering_retrieve").value_or(true);
  uint64_t count = 0;
  conditions(*f, "", !allowed, &count);
  limit("filter_max_conditions", count, "filter condition limit");
}

void Strict::search(const json::object& body) const {
  if (config_ == nullptr) return;
  limit("max_query_limit", uint_member(body, "limit").value_or(10), "limit");
  if (const json::object* params = object_member(body, "params")) {
    limit("search_max_hnsw_ef", uint_member(*params, "hnsw_ef"), "hnsw_ef");
    if (bool_member(*params, "exact").value_or(false) && !bool_member(*config_, "search_allow_exact").value_or(true)) {
      refuse("Exact search disabled!", "Set exact=false.");
    }
    const json::object* quantization = object_member(*params, "quantization");
    const json::value* most = setting("search_max_oversampling");
    if (quantization != nullptr && most != nullptr) {
      const auto asked = number_member(*quantization, "oversampling");
      if (asked && *asked > as_double(*most, "search_max_oversampling")) {
        refuse(fmt::format("Limit exceeded {} > {} for \"oversampling\"", *asked, as_double(*most, "")),
               fmt::format("Reduce the \"oversampling\" parameter to or below {}.", as_double(*most, "")));
      }
    }
  }
  filter(body, false);
  const json::value* p = member(body, "prefetch");
  if (p == nullptr) return;
  if (const json::array* list = p->if_array()) {
    for (const json::value& one : *list) {
      if (one.is_object()) search(one.get_object());
    }
  } else if (p->is_object()) {
    search(p->get_object());
  }
}

void Strict::upsert(uint64_t points, const std::vector<PointWrite>& writes) const {
  if (config_ == nullptr) return;
  limit("upsert_max_batchsize", points, "upsert limit");
  for (const auto& [key, kind] : {std::pair{"multivector_config", VectorValue::Kind::kMulti}, {"sparse_config", VectorValue::Kind::kSparse}}) {
    const json::value* named = setting(key);
    if (named == nullptr || !named->is_object()) continue;
    for (const PointWrite& w : writes) {
      for (const auto& [name, v] : w.set) {
        const json::object* of = object_member(named->get_object(), name);
        if (of == nullptr || v.kind != kind) continue;
        const bool multi = kind == VectorValue::Kind::kMulti;
        const auto most = uint_member(*of, multi ? "max_vectors" : "max_length");
        const uint64_t have = multi ? v.multi.size() : v.sparse.indexes.size();
        if (most && have > *most) {
          refuse(fmt::format("{} '{}' has a limit of {} {}, but {} were provided!", multi ? "Multivector" : "Sparse vector", name, *most,
                             multi ? "vectors" : "indices", have), multi ? "Reduce the number of vectors." : "Reduce the number of indices.");
        }
      }
    }
  }
  if (const json::value* most = setting("max_points_count"); most != nullptr && most->is_number()) {
    uint64_t fresh = 0;
    for (const PointWrite& w : writes) {
      vectors::Collection::Found found;
      fresh += !handle_.data->get(w.id, handle_.lsn, &found);
    }
    if (fresh > 0 && handle_.data->count() + fresh > most->to_number<uint64_t>()) {
      refuse(fmt::format("Max points count limit of {} reached!", most->to_number<uint64_t>()), "Reduce the number of points or raise the limit.");
    }
  }
  if (const json::value* most = setting("max_collection_vector_size_bytes"); most != nullptr && most->is_number()) {
    uint64_t bytes = 0;
    for (const auto& [name, spec] : handle_.data->dense_specs()) {
      const auto* field = handle_.data->dense(name);
      const auto* multi = handle_.data->multi(name);
      bytes += (field != nullptr ? field->live() : multi->live()) * spec.graph.dimensions * 4;
    }
    for (const PointWrite& w : writes) {
      for (const auto& [name, v] : w.set) bytes += v.dense.size() * 4 + v.sparse.indexes.size() * 8;
    }
    if (bytes > most->to_number<uint64_t>()) {
      refuse(fmt::format("Max vector storage size limit of {}bytes reached!", most->to_number<uint64_t>()), "Delete points or raise the limit.");
    }
  }
  if (const json::value* most = setting("max_collection_payload_size_bytes"); most != nullptr && most->is_number()) {
    uint64_t bytes = 0;
    handle_.data->for_each(handle_.lsn, [&](const vectors::Collection::Found& p) {
      bytes += p.payload == nullptr ? 0 : json_bytes(*p.payload);
      return true;
    });
    for (const PointWrite& w : writes) bytes += w.payload ? json_bytes(*w.payload) : 0;
    if (bytes > most->to_number<uint64_t>()) {
      refuse(fmt::format("Max payload storage size limit of {}bytes reached!", most->to_number<uint64_t>()), "Delete payloads or raise the limit.");
    }
  }
}

}  // namespace stele::qdrant

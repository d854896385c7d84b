#include "doors/qdrant/handlers.h"
#include "doors/qdrant/query.h"
#include "doors/qdrant/strict.h"

namespace stele::qdrant {

using vectors::Collection;
using vectors::Ranked;

namespace {

json::object scored_point(const Handle& h, const Ranked& r, const Shape& shape) {
  Collection::Found found;
  json::object o;
  if (!h.data->get(r.row, h.lsn, &found)) return o;
  json::object point = render_point(h, found, shape, h.lsn);
  o["id"] = point["id"];
  o["version"] = found.version;
  o["score"] = std::stod(fmt::format("{}", r.score));  // the digits of a 32-bit number
  for (const char* part : {"payload", "vector"}) {
    if (point.if_contains(part) != nullptr) o[part] = std::move(point[part]);
  }
  return o;
}
json::array scored_points(const Handle& h, const std::vector<Ranked>& ranked, const Shape& shape) {
  json::array out;
  for (const Ranked& r : ranked) {
    json::object o = scored_point(h, r, shape);
    if (!o.empty()) out.push_back(std::move(o));
  }
  return out;
}

// ---- the old endpoints as bodies of the universal query ----

void copy(const json::object& from, json::object& to, std::initializer_list<const char*> names) {
  for (const char* n : names) {
    if (const json::value* v = from.if_contains(n)) to[n] = *v;
  }
}
constexpr std::initializer_list<const char*> kCommon = {"filter", "params", "limit", "offset", "with_payload", "with_vector", "with_vectors",
                                                        "score_threshold", "using", "lookup_from", "group_by", "group_size", "with_lookup"};

json::object search_to_query(const json::object& body) {
  json::object q;
  copy(body, q, kCommon);
  const json::value& v = required(body, "vector");
  required(body, "limit");
  const json::object* named = v.if_object();
  if (named != nullptr && named->if_contains("name") != nullptr) {
    q["using"] = required(*named, "name");
    q["query"] = json::object{{"nearest", required(*named, "vector")}};
  } else {
    q["query"] = json::object{{"nearest", v}};
  }
  return q;
}
json::object recommend_to_query(const json::object& body) {
  json::object q, inner;
  required(body, "limit");
  copy(body, q, kCommon);
  copy(body, inner, {"positive", "negative", "strategy"});
  q["query"] = json::object{{"recommend", std::move(inner)}};
  return q;
}
json::object discover_to_query(const json::object& body) {
  json::object q, inner;
  required(body, "limit");
  copy(body, q, kCommon);
  const json::value* context = member(body, "context");
  if (const json::value* target = member(body, "target")) {
    inner["target"] = *target;
    inner["context"] = context == nullptr ? json::value(json::array()) : *context;
    q["query"] = json::object{{"discover", std::move(inner)}};
  } else {
    if (context == nullptr || (context->is_array() && context->get_array().empty())) bad_request("target and/or context must be specified");
    q["query"] = json::object{{"context", context == nullptr ? json::value(json::array()) : *context}};
  }
  return q;
}

using Rewrite = json::object (*)(const json::object&);
json::object unchanged(const json::object& body) { return body; }

json::array run_one(Engine& engine, const Handle& h, const json::object& body, bool payload_default) {
  Strict(h).search(body);
  const auto q = parse_query(engine, h, body);
  json::array points = scored_points(h, run_query(h, *q), parse_shape(h, body, payload_default));
  if (q->kind == QueryKind::kOrderBy) {
    const auto path = vectors::parse_path(order_key(q->order_by));
    for (json::value& point : points) {
      Collection::Found found;
      if (!h.data->get(vectors::parse_point_id(point.get_object().at("id")), h.lsn, &found) || found.payload == nullptr) continue;
      vectors::visit_path(*found.payload, path, [&](const json::value& v) {
        double seconds;
        if (v.is_number()) point.get_object()["order_value"] = v;
        else if (v.is_string() && vectors::parse_datetime(view(v.get_string()), &seconds)) point.get_object()["order_value"] = std::llround(seconds * 1e6);
        return false;
      });
    }
  }
  return points;
}

json::value batch(Engine& engine, const Request& r, Rewrite rewrite, bool wrapped) {
  const json::object& body = as_object(r.body, "body");
  const Handle h = engine.open(r.collection);
  json::array out;
  const json::array& searches = as_array(required(body, "searches"), "searches");
  Strict(h).limit("search_max_batchsize", searches.size(), "search batch size");
  Strict(h).timeout(r.http);
  Strict(h).read(searches.size());
  for (const json::value& one : searches) {
    json::array points = run_one(engine, h, rewrite(as_object(one, "search")), false);
    if (wrapped) {
      out.push_back(json::object{{"points", std::move(points)}});
    } else {
      out.push_back(std::move(points));
    }
  }
  return out;
}

// Results by the value of a payload field: the best `limit` groups of at most `group_size` points.
json::value groups(Engine& engine, const Request& r, const json::object& body) {
  const Handle h = engine.open(r.collection);
  Strict(h).read();
  Strict(h).timeout(r.http);
  Strict(h).search(body);
  const std::string group_by = as_string(required(body, "group_by"), "group_by");
  const auto path = vectors::parse_path(group_by);
  const uint64_t limit = uint_member(body, "limit").value_or(10), size = uint_member(body, "group_size").value_or(3);
  if (limit == 0) invalid("limit: value 0 invalid, must be 1 or larger");
  if (size == 0) invalid("group_size: value 0 invalid, must be 1 or larger");
  const auto q = parse_query(engine, h, body);
  const Shape shape = parse_shape(h, body, false);
  struct Group { json::value id; std::vector<Ranked> hits; };
  std::vector<Group> found;
  std::unordered_map<std::string, size_t> by_id;
  // Ask for more until there are enough full groups or nothing is left.
  for (uint64_t want = std::max<uint64_t>(limit * size * 2, 100);; want *= 4) {
    q->limit = want;
    q->offset = 0;
    const auto ranked = run_query(h, *q);
    found.clear();
    by_id.clear();
    for (const Ranked& hit : ranked) {
      Collection::Found p;
      if (!h.data->get(hit.row, h.lsn, &p) || p.payload == nullptr) continue;
      std::set<std::string> seen;
      auto take = [&](const json::value& v) {
        if (!v.is_string() && !v.is_int64() && !v.is_uint64()) return;
        const std::string key = json::serialize(v);
        if (!seen.insert(key).second) return;
        auto [it, fresh] = by_id.try_emplace(key, found.size());
        if (fresh) found.push_back({v, {}});
        auto& hits = found[it->second].hits;
        if (hits.size() < size) hits.push_back(hit);
      };
      vectors::visit_path(*p.payload, path, [&](const json::value& v) {
        if (const json::array* a = v.if_array()) {
          for (const json::value& x : *a) take(x);
        } else {
          take(v);
        }
        return true;
      });
    }
    uint64_t full = 0;
    for (size_t i = 0; i < std::min<size_t>(limit, found.size()); ++i) full += found[i].hits.size() >= size;
    if (full >= limit || ranked.size() < want) break;
  }
  if (found.size() > limit) found.resize(limit);
  std::optional<Handle> lookup;
  Shape lookup_shape;
  if (const json::value* l = member(body, "with_lookup")) {
    const json::object empty;
    const json::object* o = l->if_object();
    lookup = engine.open(o == nullptr ? as_string(*l, "with_lookup") : as_string(required(*o, "collection"), "collection"));
    lookup_shape = parse_shape(*lookup, o == nullptr ? empty : *o, true);
  }
  json::array out;
  for (const Group& g : found) {
    json::object one{{"id", g.id}, {"hits", scored_points(h, g.hits, shape)}};
    if (lookup) {
      Collection::Found p;
      boost::system::error_code ec;
      const bool usable = g.id.is_uint64() || (g.id.is_int64() && g.id.get_int64() >= 0) || (g.id.is_string() && !vectors::canonical_uuid(view(g.id.get_string())).empty());
      if (usable && lookup->data->get(vectors::parse_point_id(g.id), lookup->lsn, &p)) one["lookup"] = render_point(*lookup, p, lookup_shape, lookup->lsn);
    }
    out.push_back(std::move(one));
  }
  return json::object{{"groups", std::move(out)}};
}

json::value single(Engine& engine, const Request& r, Rewrite rewrite) {
  const json::object& body = as_object(r.body, "body");
  const Handle h = engine.open(r.collection);
  Strict(h).read();
  Strict(h).timeout(r.http);
  return run_one(engine, h, rewrite(body), false);
}

}  // namespace

json::value search(Engine& engine, const Request& r) { return single(engine, r, search_to_query); }
json::value recommend(Engine& engine, const Request& r) { return single(engine, r, recommend_to_query); }
json::value discover(Engine& engine, const Request& r) { return single(engine, r, discover_to_query); }
json::value query(Engine& engine, const Request& r) {
  return json::object{{"points", single(engine, r, unchanged)}};
}
json::value search_batch(Engine& engine, const Request& r) { return batch(engine, r, search_to_query, false); }
json::value recommend_batch(Engine& engine, const Request& r) { return batch(engine, r, recommend_to_query, false); }
json::value discover_batch(Engine& engine, const Request& r) { return batch(engine, r, discover_to_query, false); }
json::value query_batch(Engine& engine, const Request& r) { return batch(engine, r, unchanged, true); }
json::value search_groups(Engine& engine, const Request& r) { return groups(engine, r, search_to_query(as_object(r.body, "body"))); }
json::value recommend_groups(Engine& engine, const Request& r) { return groups(engine, r, recommend_to_query(as_object(r.body, "body"))); }
json::value query_groups(Engine& engine, const Request& r) { return groups(engine, r, as_object(r.body, "body")); }

json::value search_matrix(Engine& engine, const Request& r, bool offsets) {
  const json::object& body = as_object(r.body, "body");
  const Handle h = engine.open(r.collection);
  const uint64_t sample = uint_member(body, "sample").value_or(10), limit = uint_member(body, "limit").value_or(3);
  if (sample < 2) invalid("sample: value invalid, must be 2 or larger");
  if (limit == 0) invalid("limit: value 0 invalid, must be 1 or larger");
  const std::string name = string_member(body, "using").value_or("");
  Strict(h).read();
  Strict(h).search(body);
  if (h.dense(name) == nullptr && h.sparse(name) == nullptr) bad_request(fmt::format("Not existing vector name error: {}", name));
  QueryNode pick;
  pick.kind = QueryKind::kSample;
  pick.limit = h.data->count();
  pick.filter = parse_filter(h, body);
  struct Sampled { Collection::Found point; VectorValue vector; };
  std::vector<Sampled> points;
  for (const Ranked& one : run_query(h, pick)) {
    Sampled p;
    if (points.size() < sample && h.data->get(one.row, h.lsn, &p.point) && vector_of(h, name, one.row, &p.vector)) points.push_back(std::move(p));
  }
  std::sort(points.begin(), points.end(), [](const Sampled& a, const Sampled& b) { return a.point.id < b.point.id; });
  json::array pairs, offsets_row, offsets_col, scores, ids;
  for (const Sampled& p : points) ids.push_back(vectors::point_id_json(p.point.id));
  for (size_t i = 0; i < points.size(); ++i) {
    // To the nearest of the others.
    std::vector<std::pair<double, size_t>> near;
    for (size_t j = 0; j < points.size(); ++j) {
      bool has = false;
      if (j != i) near.emplace_back(vector_similarity(h, name, points[i].vector, points[j].point.row, &has), j);
    }
    std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    if (near.size() > limit) near.resize(limit);
    const vectors::DenseSpec* spec = h.dense(name);
    for (const auto& [similarity, j] : near) {
      double score = similarity;
      if (spec != nullptr && spec->graph.metric == vectors::Metric::kL2) score = std::sqrt(std::max(0.0, -similarity));
      if (spec != nullptr && spec->graph.metric == vectors::Metric::kL1) score = -similarity;
      score = std::stod(fmt::format("{}", static_cast<float>(score)));
      pairs.push_back(json::object{{"a", ids[i]}, {"b", ids[j]}, {"score", score}});
      offsets_row.emplace_back(i);
      offsets_col.emplace_back(j);
      scores.emplace_back(score);
    }
  }
  if (!offsets) return json::object{{"pairs", std::move(pairs)}};
  return json::object{{"offsets_row", std::move(offsets_row)}, {"offsets_col", std::move(offsets_col)}, {"scores", std::move(scores)}, {"ids", std::move(ids)}};
}

}  // namespace stele::qdrant

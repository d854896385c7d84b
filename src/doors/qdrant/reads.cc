#include "doors/qdrant/handlers.h"
#include "doors/qdrant/strict.h"

namespace stele::qdrant {

using vectors::Collection;
using vectors::PointId;

vectors::FilterPtr parse_filter(const Handle& h, const json::object& body) {
  const json::value* v = member(body, "filter");
  return v == nullptr ? nullptr : vectors::Filter::parse(*v, object_member(h.config, "payload_schema"));
}

Shape parse_shape(const Handle& h, const json::object& body, bool payload_default) {
  Shape s;
  s.payload = payload_default;
  auto paths = [](const json::array& a) {
    std::vector<vectors::PayloadPath> out;
    for (const json::value& p : a) out.push_back(vectors::parse_path(as_string(p, "with_payload")));
    return out;
  };
  if (const json::value* v = member(body, "with_payload")) {
    if (v->is_bool()) {
      s.payload = v->get_bool();
    } else if (const json::array* a = v->if_array()) {
      s.payload = true;
      s.include = paths(*a);
    } else {
      const json::object& o = as_object(*v, "with_payload");
      s.payload = true;
      if (const json::array* a = array_member(o, "include")) s.include = paths(*a);
      if (const json::array* a = array_member(o, "exclude")) s.exclude = paths(*a);
      if (o.if_contains("include") == nullptr && o.if_contains("exclude") == nullptr) bad_format("data did not match any variant of untagged enum WithPayloadInterface");
    }
  }
  const json::value* v = member(body, "with_vector");
  if (v == nullptr) v = member(body, "with_vectors");
  if (v != nullptr) {
    if (v->is_bool()) {
      s.vector = v->get_bool();
    } else {
      s.vector = true;
      for (const json::value& n : as_array(*v, "with_vector")) {
        s.vector_names.push_back(as_string(n, "with_vector"));
        const std::string& name = s.vector_names.back();
        if (h.dense(name) == nullptr && h.sparse(name) == nullptr) bad_request(fmt::format("Not existing vector name error: {}", name));
      }
    }
  }
  return s;
}

json::object render_point(const Handle& h, const Collection::Found& p, const Shape& shape, Lsn lsn) {
  json::object out;
  out["id"] = vectors::point_id_json(p.id);
  if (shape.payload) {
    json::object payload;
    if (p.payload != nullptr) {
      payload = shape.include.empty() ? p.payload->get_object() : vectors::select_paths(p.payload->get_object(), shape.include);
      for (const auto& path : shape.exclude) vectors::erase_path(payload, path);
    }
    out["payload"] = std::move(payload);
  }
  if (shape.vector) {
    json::object named;
    json::value unnamed;
    bool has_unnamed = false;
    auto wanted = [&](const std::string& name) {
      return shape.vector_names.empty() || std::find(shape.vector_names.begin(), shape.vector_names.end(), name) != shape.vector_names.end();
    };
    for (const auto& [name, spec] : h.data->dense_specs()) {
      std::vector<float> v;
      if (spec.multi) {
        vectors::MultiVector several;
        if (!wanted(name) || !h.data->multi(name)->vector(p.row, lsn, &several)) continue;
        if (name.empty()) {
          unnamed = multi_json(several);
          has_unnamed = true;
        } else {
          named[name] = multi_json(several);
        }
        continue;
      }
      if (!wanted(name) || !h.data->dense(name)->vector(p.row, lsn, &v)) continue;
      if (name.empty()) {
        unnamed = vector_json(v);
        has_unnamed = true;
      } else {
        named[name] = vector_json(v);
      }
    }
    for (const auto& [name, spec] : h.data->sparse_specs()) {
      vectors::SparseVector v;
      if (wanted(name) && h.data->sparse(name)->vector(p.row, lsn, &v)) named[name] = sparse_json(v);
    }
    if (has_unnamed && named.empty()) {
      out["vector"] = std::move(unnamed);
    } else {
      if (has_unnamed) named[""] = std::move(unnamed);
      out["vector"] = std::move(named);
    }
  }
  return out;
}

json::value get_point(Engine& engine, const Request& r, const std::string& id) {
  const Handle h = engine.open(r.collection);
  const std::string uuid = vectors::canonical_uuid(id);
  const PointId point = PointId::from_text(uuid.empty() ? id : uuid);
  if (point.kind == PointId::Kind::kText && h.spec.payload_column != 0) {
    bad_request(fmt::format("Can not recognize \"{}\" as point id", id));
  }
  Collection::Found found;
  if (!h.data->get(point, h.lsn, &found)) not_found(fmt::format("Point with id {} does not exists!", id));
  Shape shape;
  shape.vector = true;
  return render_point(h, found, shape, h.lsn);
}

json::value retrieve_points(Engine& engine, const Request& r) {
  const json::object& body = as_object(r.body, "body");
  const Handle h = engine.open(r.collection);
  const Shape shape = parse_shape(h, body, true);
  Strict(h).read();
  Strict(h).timeout(r.http);
  json::array out;
  std::set<PointId> seen;
  for (const json::value& id : as_array(required(body, "ids"), "ids")) {
    const PointId point = vectors::parse_point_id(id);
    Collection::Found found;
    if (seen.insert(point).second && h.data->get(point, h.lsn, &found)) out.push_back(render_point(h, found, shape, h.lsn));
  }
  return out;
}

void need_range_index(const Handle& h, const std::string& key) {
  if (!h.made_here()) return;
  const json::object* schema = object_member(h.config, "payload_schema");
  const json::value* index = schema == nullptr ? nullptr : schema->if_contains(key);
  if (index != nullptr) {
    const json::value& type = index->is_object() ? index->get_object().at("type") : *index;
    const json::value* range = index->is_object() ? member(index->get_object(), "range") : nullptr;
    for (const char* ranged : {"integer", "float", "datetime"}) {
      if (type == ranged && (range == nullptr || *range == true)) return;
    }
  }
  bad_request(fmt::format("No range index for `order_by` key: `{}`. Please create one to use `order_by`. "
                          "Check https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Range conditions", key));
}

namespace {

// The number to order a payload value by: numbers themselves, datetimes their seconds.
bool order_value(const json::value& v, double* out) {
  if (v.is_number()) return *out = v.to_number<double>(), true;
  const json::string* s = v.if_string();
  return s != nullptr && vectors::parse_datetime(view(*s), out);
}

json::value scroll_ordered(const Handle& h, const json::object& body, const json::value& order, const vectors::Filter* filter, uint64_t limit,
                           const Shape& shape) {
  std::string key;
  bool descending = false;
  std::optional<double> start;
  if (order.is_string()) {
    key = as_string(order, "order_by");
  } else {
    const json::object& o = as_object(order, "order_by");
    key = as_string(required(o, "key"), "key");
    if (auto d = string_member(o, "direction")) {
      if (*d != "asc" && *d != "desc") bad_format(fmt::format("unknown variant `{}`, expected `asc` or `desc`", *d));
      descending = *d == "desc";
    }
    if (const json::value* s = member(o, "start_from")) {
      double v;
      if (!order_value(*s, &v)) bad_format("data did not match any variant of untagged enum StartFrom");
      start = v;
    }
  }
  if (member(body, "offset") != nullptr) bad_request("Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from` and a filter to exclude the IDs that you've already seen for the `order_by.start_from` value");
  need_range_index(h, key);
  const auto path = vectors::parse_path(key);
  struct Item { double value; json::value shown; Collection::Found point; };
  std::vector<Item> items;
  h.data->for_each(h.lsn, [&](const Collection::Found& p) {
    if (p.payload == nullptr || (filter != nullptr && !h.data->matches(*filter, p, h.lsn))) return true;
    auto take = [&](const json::value& v) {
      double x;
      if (!order_value(v, &x)) return;
      if (start && (descending ? x > *start : x < *start)) return;
      items.push_back({x, v.is_string() ? json::value(std::llround(x * 1e6)) : v, p});
    };
    vectors::visit_path(*p.payload, path, [&](const json::value& v) {
      if (const json::array* a = v.if_array()) {
        for (const json::value& x : *a) take(x);
      } else {
        take(v);
      }
      return true;
    });
    return true;
  });
  std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
    if (a.value != b.value) return descending ? a.value > b.value : a.value < b.value;
    return descending ? b.point.id < a.point.id : a.point.id < b.point.id;
  });
  json::array points;
  for (const Item& item : items) {
    if (points.size() >= limit) break;
    json::object o = render_point(h, item.point, shape, h.lsn);
    o["order_value"] = item.shown;
    points.push_back(std::move(o));
  }
  return json::object{{"points", std::move(points)}, {"next_page_offset", nullptr}};
}

}  // namespace

json::value scroll_points(Engine& engine, const Request& r) {
  const json::object& body = as_object(r.body, "body");
  const Handle h = engine.open(r.collection);
  const Shape shape = parse_shape(h, body, true);
  const uint64_t limit = uint_member(body, "limit").value_or(10);
  if (limit == 0) invalid("limit: value 0 invalid, must be 1 or larger");
  Strict(h).read();
  Strict(h).timeout(r.http);
  Strict(h).search(body);
  const auto filter = parse_filter(h, body);
  if (const json::value* order = member(body, "order_by")) return scroll_ordered(h, body, *order, filter.get(), limit, shape);
  std::optional<PointId> from;
  if (const json::value* offset = member(body, "offset")) from = vectors::parse_point_id(*offset);
  json::array points;
  json::value next = nullptr;
  h.data->for_each_by_id(from ? &*from : nullptr, h.lsn, [&](const Collection::Found& p) {
    if (filter != nullptr && !h.data->matches(*filter, p, h.lsn)) return true;
    if (points.size() == limit) {
      next = vectors::point_id_json(p.id);
      return false;
    }
    points.push_back(render_point(h, p, shape, h.lsn));
    return true;
  });
  return json::object{{"points", std::move(points)}, {"next_page_offset", std::move(next)}};
}

json::value count_points(Engine& engine, const Request& r) {
  const Handle h = engine.open(r.collection);
  const json::object empty;
  const json::object& body = r.body.is_null() ? empty : as_object(r.body, "body");
  Strict(h).read();
  Strict(h).timeout(r.http);
  Strict(h).filter(body, false);
  const auto filter = parse_filter(h, body);
  uint64_t n = 0;
  if (filter == nullptr) {
    n = h.data->count();
  } else {
    n = h.data->matching_rows(*filter, h.lsn).size();
  }
  return json::object{{"count", n}};
}

json::value facet(Engine& engine, const Request& r) {
  const json::object& body = as_object(r.body, "body");
  const Handle h = engine.open(r.collection);
  const std::string key = as_string(required(body, "key"), "key");
  Strict(h).read();
  Strict(h).timeout(r.http);
  Strict(h).search(body);
  const auto path = vectors::parse_path(key);
  const uint64_t limit = uint_member(body, "limit").value_or(10);
  if (limit == 0) invalid("limit: value 0 invalid, must be 1 or larger");
  const auto filter = parse_filter(h, body);
  const json::object* indexes = object_member(h.config, "payload_schema");
  const json::value* index = indexes == nullptr ? nullptr : indexes->if_contains(key);
  bool countable = !h.made_here();
  if (index != nullptr) {
    const json::object* params = index->if_object();
    const json::value& type = params != nullptr ? params->at("type") : *index;
    const json::value* lookup = params == nullptr ? nullptr : member(*params, "lookup");
    for (const char* matched : {"keyword", "integer", "uuid", "bool"}) countable = countable || (type == matched && (lookup == nullptr || *lookup == true));
  }
  if (!countable) {
    bad_request(fmt::format("No appropriate index for faceting: `{}`. Please create one to facet on this field. "
                            "Check https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Match conditions", key));
  }
  std::map<std::string, std::pair<json::value, uint64_t>> counts;  // by serialized value
  h.data->for_each(h.lsn, [&](const Collection::Found& p) {
    if (p.payload == nullptr || (filter != nullptr && !h.data->matches(*filter, p, h.lsn))) return true;
    std::set<std::string> seen;  // a point counts once for each of its values
    auto take = [&](const json::value& v) {
      if (!v.is_string() && !v.is_int64() && !v.is_uint64() && !v.is_bool()) return;
      std::string text = json::serialize(v);
      if (!seen.insert(text).second) return;
      auto& slot = counts[text];
      slot.first = v;
      ++slot.second;
    };
    vectors::visit_path(*p.payload, path, [&](const json::value& v) {
      if (const json::array* a = v.if_array()) {
        for (const json::value& x : *a) take(x);
      } else {
        take(v);
      }
      return true;
    });
    return true;
  });
  std::vector<std::pair<json::value, uint64_t>> hits;
  for (auto& [text, hit] : counts) hits.push_back(std::move(hit));
  std::stable_sort(hits.begin(), hits.end(), [](const auto& a, const auto& b) {
    if (a.second != b.second) return a.second > b.second;
    return a.first.is_number() && b.first.is_number() && a.first.template to_number<double>() < b.first.template to_number<double>();
  });
  json::array out;
  for (const auto& [value, count] : hits) {
    if (out.size() >= limit) break;
    out.push_back(json::object{{"value", value}, {"count", count}});
  }
  return json::object{{"hits", std::move(out)}};
}

}  // namespace stele::qdrant

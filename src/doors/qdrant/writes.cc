#include "doors/qdrant/handlers.h"
#include "doors/qdrant/strict.h"
#include "segments/vectors/payload.h"
#include "types/vector_kernels.h"

namespace stele::qdrant {

using vectors::PointId;

namespace {

json::value done(uint64_t operation, bool wait) {
  return json::object{{"operation_id", operation}, {"status", wait ? "completed" : "acknowledged"}};
}

// Rounds to what the field's `datatype` can hold.
void round_to_datatype(const Handle& h, const std::string& name, std::vector<float>* v) {
  const json::object* params = object_member(h.config, "params");
  const json::object* all = params == nullptr ? nullptr : object_member(*params, "vectors");
  const json::object* of = all == nullptr ? nullptr : name.empty() ? all : object_member(*all, name);
  const auto type = of == nullptr ? std::nullopt : string_member(*of, "datatype");
  if (!type || *type == "float32") return;
  for (float& x : *v) x = *type == "uint8" ? std::trunc(std::clamp(x, 0.0f, 255.0f)) : half_to_float(float_to_half(x));
}

// Checks a vector against its field and files it under the field's name.
void add_vector(const Handle& h, const std::string& name, const json::value& v, std::vector<std::pair<std::string, VectorValue>>* out) {
  VectorValue value = parse_vector(v);
  if (value.kind == VectorValue::Kind::kSparse) {
    if (h.sparse(name) == nullptr) {
      if (h.dense(name) != nullptr) bad_request("Conversion between sparse and regular vectors failed");
      bad_request(fmt::format("Not existing vector name error: {}", name));
    }
    out->emplace_back(name, std::move(value));
    return;
  }
  const vectors::DenseSpec* spec = h.dense(name);
  if (spec == nullptr) {
    if (h.sparse(name) != nullptr) bad_request("Conversion between sparse and regular vectors failed");
    bad_request(fmt::format("Not existing vector name error: {}", name));
  }
  if (spec->multi && value.kind == VectorValue::Kind::kDense) {
    if (value.dense.empty()) bad_request("Vector dimension error: expected dim: " + std::to_string(spec->graph.dimensions) + ", got 0");
    value.kind = VectorValue::Kind::kMulti;
    value.multi.push_back(std::move(value.dense));
    value.dense.clear();
  }
  if (!spec->multi && value.kind == VectorValue::Kind::kMulti) bad_request("Conversion between multi and regular vectors failed");
  const size_t have = spec->multi ? value.multi[0].size() : value.dense.size();
  if (have != spec->graph.dimensions) bad_request(fmt::format("Vector dimension error: expected dim: {}, got {}", spec->graph.dimensions, have));
  round_to_datatype(h, name, &value.dense);
  for (auto& one : value.multi) round_to_datatype(h, name, &one);
  out->emplace_back(name, std::move(value));
}
// `vector` of a point: the unnamed vector, or an object of named ones.
void add_vectors(const Handle& h, const json::value& v, std::vector<std::pair<std::string, VectorValue>>* out) {
  if (const json::object* o = v.if_object(); o != nullptr && !(o->if_contains("indices") != nullptr && o->if_contains("values") != nullptr)) {
    for (const auto& [name, one] : *o) add_vector(h, std::string(view(name)), one, out);
  } else {
    add_vector(h, "", v, out);
  }
}

// The ids an operation is about: "points" as a list or the matches of "filter".
std::vector<PointId> selected(const Handle& h, const json::object& body) {
  std::vector<PointId> ids;
  if (const json::array* points = array_member(body, "points")) {
    for (const json::value& id : *points) ids.push_back(vectors::parse_point_id(id));
    return ids;
  }
  if (object_member(body, "filter") == nullptr) bad_format("data did not match any variant of untagged enum PointsSelector");
  const auto filter = parse_filter(h, body);
  for (vectors::RowId row : h.data->matching_rows(*filter, h.lsn)) {
    vectors::Collection::Found found;
    if (h.data->get(row, h.lsn, &found)) ids.push_back(found.id);
  }
  return ids;
}

// Whether the point, in its newest version, is still one that the operation is about.
bool still_selected(const Handle& newest, const json::object& body, const PointId& id, vectors::Collection::Found* found) {
  if (!newest.data->get(id, newest.lsn, found)) return false;
  if (array_member(body, "points") != nullptr) return true;
  const auto filter = parse_filter(newest, body);
  return filter == nullptr || newest.data->matches(*filter, *found, newest.lsn);
}

// ---- one operation each on an open collection ----
uint64_t do_upsert(Engine& engine, const Handle& h, const json::object& body, bool wait) {
  std::vector<PointWrite> writes;
  if (const json::object* batch = object_member(body, "batch")) {
    const json::array& ids = as_array(required(*batch, "ids"), "ids");
    const json::array* payloads = array_member(*batch, "payloads");
    const json::value& all = required(*batch, "vectors");
    if (payloads != nullptr && payloads->size() != ids.size()) invalid("batch.payloads: number of ids and payloads must be equal");
    for (size_t i = 0; i < ids.size(); ++i) {
      PointWrite w;
      w.id = vectors::parse_point_id(ids[i]);
      w.replace = true;
      if (payloads != nullptr && !(*payloads)[i].is_null()) w.payload = as_object((*payloads)[i], "payload");
      if (const json::array* list = all.if_array()) {
        if (list->size() != ids.size()) invalid("batch.vectors: number of ids and vectors must be equal");
        add_vectors(h, (*list)[i], &w.set);
      } else {
        for (const auto& [name, list] : as_object(all, "vectors")) {
          const json::array& a = as_array(list, "vectors");
          if (a.size() != ids.size()) invalid("batch.vectors: number of ids and vectors must be equal");
          add_vector(h, std::string(view(name)), a[i], &w.set);
        }
      }
      writes.push_back(std::move(w));
    }
  } else {
    if (body.if_contains("points") == nullptr) bad_format("data did not match any variant of untagged enum PointInsertOperations");
    for (const json::value& p : as_array(body.at("points"), "points")) {
      const json::object& o = as_object(p, "point");
      writes.push_back(whole_point(h, o));
    }
  }
  if (writes.empty()) bad_request("Empty update request");
  Strict(h).upsert(writes.size(), writes);
  const json::value* condition = member(body, "update_filter");
  if (condition == nullptr) return engine.write(h, std::move(writes), wait);
  // Points that are there are replaced only where they match.
  const auto filter = vectors::Filter::parse(*condition, object_member(h.config, "payload_schema"));
  std::vector<PointId> ids;
  for (const PointWrite& w : writes) ids.push_back(w.id);
  return engine.change(h, ids, wait, [&](const Handle& newest) {
    std::vector<PointWrite> kept;
    for (PointWrite& w : writes) {
      vectors::Collection::Found found;
      if (!newest.data->get(w.id, newest.lsn, &found) || newest.data->matches(*filter, found, newest.lsn)) kept.push_back(std::move(w));
    }
    return kept;
  });
}

uint64_t do_update_vectors(Engine& engine, const Handle& h, const json::object& body, bool wait) {
  std::vector<PointWrite> writes;
  std::vector<PointId> ids;
  for (const json::value& p : as_array(required(body, "points"), "points")) {
    const json::object& o = as_object(p, "point");
    PointWrite w;
    w.id = vectors::parse_point_id(required(o, "id"));
    add_vectors(h, required(o, "vector"), &w.set);
    ids.push_back(w.id);
    writes.push_back(std::move(w));
  }
  if (writes.empty()) invalid("points: must not be empty");
  Strict(h).upsert(writes.size(), {});
  return engine.change(h, ids, wait, [&](const Handle& newest) {
    for (const PointId& id : ids) {
      vectors::Collection::Found found;
      if (!newest.data->get(id, newest.lsn, &found)) not_found(fmt::format("No point with id {} found", id.to_text()));
    }
    return writes;
  });
}

uint64_t do_delete_vectors(Engine& engine, const Handle& h, const json::object& body, bool wait) {
  std::vector<std::string> names;
  const json::value* list = body.if_contains("vector");
  if (list == nullptr) list = &required(body, "vectors");
  for (const json::value& n : as_array(*list, "vector")) {
    names.push_back(as_string(n, "vector"));
    if (h.dense(names.back()) == nullptr && h.sparse(names.back()) == nullptr) bad_request("Not existing vector name error: " + names.back());
  }
  if (names.empty()) invalid("vector: must not be empty");
  const auto ids = selected(h, body);
  return engine.change(h, ids, wait, [&](const Handle& newest) {
    std::vector<PointWrite> writes;
    vectors::Collection::Found found;
    for (const PointId& id : ids) {
      if (still_selected(newest, body, id, &found)) writes.push_back({id, false, std::nullopt, {}, names});
    }
    return writes;
  });
}

enum class PayloadOp : uint8_t { kSet, kOverwrite, kDelete, kClear };
uint64_t do_payload(Engine& engine, const Handle& h, const json::object& body, bool wait, PayloadOp op) {
  vectors::PayloadPath key;
  if (auto k = string_member(body, "key"); k && op == PayloadOp::kSet) key = vectors::parse_path(*k);
  std::vector<vectors::PayloadPath> paths;
  const json::object* payload = nullptr;
  if (op == PayloadOp::kSet || op == PayloadOp::kOverwrite) payload = &as_object(required(body, "payload"), "payload");
  if (op == PayloadOp::kDelete) {
    for (const json::value& k : as_array(required(body, "keys"), "keys")) paths.push_back(vectors::parse_path(as_string(k, "keys")));
  }
  const auto ids = selected(h, body);
  const bool named = array_member(body, "points") != nullptr;
  return engine.change(h, ids, wait, [&](const Handle& newest) {
    std::vector<PointWrite> writes;
    for (const PointId& id : ids) {
      vectors::Collection::Found found;
      if (!still_selected(newest, body, id, &found)) {
        if (named) not_found(fmt::format("No point with id {} found", id.to_text()));
        continue;
      }
      json::object now = found.payload == nullptr ? json::object() : found.payload->get_object();
      switch (op) {
        case PayloadOp::kSet: vectors::set_payload(now, key, *payload); break;
        case PayloadOp::kOverwrite: now = *payload; break;
        case PayloadOp::kDelete:
          for (const auto& path : paths) vectors::erase_path(now, path);
          break;
        case PayloadOp::kClear: now.clear(); break;
      }
      writes.push_back({id, false, std::move(now), {}, {}});
    }
    return writes;
  });
}

uint64_t do_delete(Engine& engine, const Handle& h, const json::object& body, bool wait) {
  const auto ids = selected(h, body);
  return ids.empty() ? h.lsn : engine.erase(h, ids, wait);
}

using Operation = uint64_t (*)(Engine&, const Handle&, const json::object&, bool);
json::value run(Engine& engine, const Request& r, Operation op) {
  const json::object& body = as_object(r.body, "body");
  const Handle h = engine.open(r.collection);
  Strict(h).write();
  Strict(h).timeout(r.http);
  Strict(h).filter(body, true);
  return done(op(engine, h, body, r.wait()), r.wait());
}

}  // namespace

PointWrite whole_point(const Handle& h, const json::object& o) {
  PointWrite w;
  w.id = vectors::parse_point_id(required(o, "id"));
  w.replace = true;
  if (const json::object* payload = object_member(o, "payload")) w.payload = *payload;
  const json::value* v = o.if_contains("vector");
  if (v == nullptr) v = o.if_contains("vectors");
  if (v == nullptr) bad_format("missing field `vector`");
  if (!v->is_null()) add_vectors(h, *v, &w.set);
  return w;
}

json::value upsert_points(Engine& engine, const Request& r) { return run(engine, r, do_upsert); }
json::value delete_points(Engine& engine, const Request& r) {
  // A bare list of ids, {"points": [...]} or {"filter": ...}.
  if (r.body.is_array()) {
    Request wrapped{r.http, json::object{{"points", r.body}}, r.collection, r.rest};
    return run(engine, wrapped, do_delete);
  }
  return run(engine, r, do_delete);
}
json::value update_vectors(Engine& engine, const Request& r) { return run(engine, r, do_update_vectors); }
json::value delete_vectors(Engine& engine, const Request& r) { return run(engine, r, do_delete_vectors); }
json::value set_point_payload(Engine& engine, const Request& r, bool overwrite) {
  return overwrite ? run(engine, r, [](Engine& e, const Handle& h, const json::object& b, bool w) { return do_payload(e, h, b, w, PayloadOp::kOverwrite); })
                   : run(engine, r, [](Engine& e, const Handle& h, const json::object& b, bool w) { return do_payload(e, h, b, w, PayloadOp::kSet); });
}
json::value delete_payload(Engine& engine, const Request& r) {
  return run(engine, r, [](Engine& e, const Handle& h, const json::object& b, bool w) { return do_payload(e, h, b, w, PayloadOp::kDelete); });
}
json::value clear_payload(Engine& engine, const Request& r) {
  return run(engine, r, [](Engine& e, const Handle& h, const json::object& b, bool w) { return do_payload(e, h, b, w, PayloadOp::kClear); });
}

json::value batch_update(Engine& engine, const Request& r) {
  const json::array& operations = as_array(required(as_object(r.body, "body"), "operations"), "operations");
  const Handle first = engine.open(r.collection);
  const std::string name = first.name;
  Strict(first).write(std::max<uint64_t>(1, operations.size()));
  Strict(first).timeout(r.http);
  json::array out;
  for (const json::value& operation : operations) {
    const json::object& o = as_object(operation, "operation");
    if (o.size() != 1) bad_format("data did not match any variant of untagged enum UpdateOperation");
    const std::string kind(view(o.begin()->key()));
    const json::value& v = o.begin()->value();
    const Handle h = engine.open(name);  // each operation sees the ones before it
    const bool w = r.wait();
    uint64_t id;
    if (kind == "delete" && v.is_array()) {
      id = do_delete(engine, h, json::object{{"points", v}}, w);
    } else {
      const json::object& b = as_object(v, kind);
      Strict(h).filter(b, true);
      if (kind == "upsert") id = do_upsert(engine, h, b, w);
      else if (kind == "delete" || kind == "delete_points") id = do_delete(engine, h, b, w);
      else if (kind == "set_payload") id = do_payload(engine, h, b, w, PayloadOp::kSet);
      else if (kind == "overwrite_payload") id = do_payload(engine, h, b, w, PayloadOp::kOverwrite);
      else if (kind == "delete_payload") id = do_payload(engine, h, b, w, PayloadOp::kDelete);
      else if (kind == "clear_payload") id = do_payload(engine, h, b, w, PayloadOp::kClear);
      else if (kind == "update_vectors") id = do_update_vectors(engine, h, b, w);
      else if (kind == "delete_vectors") id = do_delete_vectors(engine, h, b, w);
      else bad_format("data did not match any variant of untagged enum UpdateOperation");
    }
    out.push_back(done(id, w));
  }
  return out;
}

}  // namespace stele::qdrant

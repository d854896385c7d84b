#include "doors/qdrant/api.h"

namespace stele::qdrant {

void bad_request(std::string message) { throw ApiError(400, "Wrong input: " + message); }
void bad_format(std::string message) { throw ApiError(400, "Format error in JSON body: " + message); }
void invalid(std::string message) { throw ApiError(422, "Validation error in JSON body: [" + message + "]"); }
void forbidden(std::string message) { throw ApiError(403, "Forbidden: " + message); }
void not_found(std::string message) { throw ApiError(404, "Not found: " + message); }

const json::value* member(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains({name.data(), name.size()});
  return v == nullptr || v->is_null() ? nullptr : v;
}
const json::value& required(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains({name.data(), name.size()});
  if (v == nullptr) bad_format(fmt::format("missing field `{}`", name));
  return *v;
}
const json::object& as_object(const json::value& v, std::string_view what) {
  const json::object* o = v.if_object();
  if (o == nullptr) bad_format(fmt::format("invalid type for `{}`: expected an object", what));
  return *o;
}
const json::array& as_array(const json::value& v, std::string_view what) {
  const json::array* a = v.if_array();
  if (a == nullptr) bad_format(fmt::format("invalid type for `{}`: expected an array", what));
  return *a;
}
std::string as_string(const json::value& v, std::string_view what) {
  const json::string* s = v.if_string();
  if (s == nullptr) bad_format(fmt::format("invalid type for `{}`: expected a string", what));
  return std::string(view(*s));
}
double as_double(const json::value& v, std::string_view what) {
  if (const auto* i = v.if_int64()) return static_cast<double>(*i);
  if (const auto* u = v.if_uint64()) return static_cast<double>(*u);
  if (const auto* d = v.if_double()) return *d;
  bad_format(fmt::format("invalid type for `{}`: expected a number", what));
}
const json::object* object_member(const json::object& o, std::string_view name) {
  const json::value* v = member(o, name);
  return v == nullptr ? nullptr : &as_object(*v, name);
}
const json::array* array_member(const json::object& o, std::string_view name) {
  const json::value* v = member(o, name);
  return v == nullptr ? nullptr : &as_array(*v, name);
}
std::optional<std::string> string_member(const json::object& o, std::string_view name) {
  const json::value* v = member(o, name);
  if (v == nullptr) return std::nullopt;
  return as_string(*v, name);
}
std::optional<uint64_t> uint_member(const json::object& o, std::string_view name) {
  const json::value* v = member(o, name);
  if (v == nullptr) return std::nullopt;
  if (const auto* u = v->if_uint64()) return *u;
  if (const auto* i = v->if_int64(); i != nullptr && *i >= 0) return static_cast<uint64_t>(*i);
  bad_format(fmt::format("invalid value for `{}`: {}, expected an unsigned integer", name, json::serialize(*v)));
}
std::optional<double> number_member(const json::object& o, std::string_view name) {
  const json::value* v = member(o, name);
  if (v == nullptr) return std::nullopt;
  return as_double(*v, name);
}
std::optional<bool> bool_member(const json::object& o, std::string_view name) {
  const json::value* v = member(o, name);
  if (v == nullptr) return std::nullopt;
  if (!v->is_bool()) bad_format(fmt::format("invalid type for `{}`: expected a boolean", name));
  return v->get_bool();
}

VectorValue parse_vector(const json::value& v) {
  VectorValue out;
  auto dense = [](const json::array& a) {
    std::vector<float> list;
    list.reserve(a.size());
    for (const json::value& x : a) {
      const auto f = static_cast<float>(as_double(x, "vector"));
      if (!std::isfinite(f)) bad_request("vector contains a value that is not a finite number");
      list.push_back(f);
    }
    return list;
  };
  if (const json::array* a = v.if_array()) {
    if (a->empty() || !(*a)[0].is_array()) {
      out.dense = dense(*a);
      return out;
    }
    out.kind = VectorValue::Kind::kMulti;
    for (const json::value& one : *a) {
      out.multi.push_back(dense(as_array(one, "vector")));
      if (out.multi.back().empty()) invalid("vector: all vectors must be non-empty");
      if (out.multi.back().size() != out.multi[0].size()) {
        invalid(fmt::format("vector: all vectors must have the same dimension, found vector with dimension {}", out.multi.back().size()));
      }
    }
    return out;
  }
  const json::object* o = v.if_object();
  if (o == nullptr || o->if_contains("indices") == nullptr || o->if_contains("values") == nullptr) {
    bad_format("data did not match any variant of untagged enum Vector");
  }
  out.kind = VectorValue::Kind::kSparse;
  const json::array& indices = as_array(*o->if_contains("indices"), "indices");
  const json::array& values = as_array(*o->if_contains("values"), "values");
  if (indices.size() != values.size()) invalid("values: must be the same length as indices");
  std::vector<std::pair<uint32_t, float>> entries;
  for (size_t i = 0; i < indices.size(); ++i) {
    const double index = as_double(indices[i], "indices");
    if (index < 0 || index > 4294967295.0 || index != std::floor(index)) bad_format("invalid value in `indices`: expected u32");
    const auto f = static_cast<float>(as_double(values[i], "values"));
    if (!std::isfinite(f)) bad_request("sparse vector contains a value that is not a finite number");
    entries.emplace_back(static_cast<uint32_t>(index), f);
  }
  std::sort(entries.begin(), entries.end());
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0 && entries[i].first == entries[i - 1].first) invalid("indices: must be unique");
    out.sparse.indexes.push_back(entries[i].first);
    out.sparse.values.push_back(entries[i].second);
  }
  return out;
}

namespace {
// The shortest decimal of the 32-bit value, not the digits of its widening.
double shortest(float f) { return std::stod(fmt::format("{}", f)); }
}  // namespace

json::value vector_json(const std::vector<float>& v) {
  json::array a;
  a.reserve(v.size());
  for (float f : v) a.emplace_back(shortest(f));
  return a;
}
json::value multi_json(const vectors::MultiVector& v) {
  json::array a;
  for (const auto& one : v) a.push_back(vector_json(one));
  return a;
}
json::value sparse_json(const vectors::SparseVector& v) {
  json::array indices, values;
  for (uint32_t i : v.indexes) indices.emplace_back(static_cast<uint64_t>(i));
  for (float f : v.values) values.emplace_back(shortest(f));
  return json::object{{"indices", std::move(indices)}, {"values", std::move(values)}};
}

}  // namespace stele::qdrant

// Values of fields beside a hit: from columns (docvalue_fields), from the source as the mapping reads it (fields), stored ones.
#include "doors/elastic/search_job.h"

namespace stele::elastic {

using segments::ColumnKind;
using segments::FieldType;
using segments::MappedField;

namespace {
// The values of a column as docvalue_fields shows them.
json::array column_values(const MappedField& field, const segments::Column& c, uint32_t doc, const std::string& format) {
  const MappedField* f = &field;
  json::array values;
  for (uint32_t i = c.begin(doc), e = c.end(doc); i < e; ++i) {
    if (c.kind() == ColumnKind::kKeyword) {
      std::string_view t = c.term(static_cast<uint64_t>(c.value(i)));
      values.push_back(json::value(f->type == FieldType::kIp ? segments::decode_ip(t) : std::string(t)));
    } else if (f->is_date()) {
      if (format == "epoch_millis") values.push_back(json::value(std::to_string(f->type == FieldType::kDateNanos ? c.value(i) / 1000000 : c.value(i))));
      else if (!format.empty() && format != "use_field_mapping") {
        segments::DateFormat fmt(format);
        values.push_back(json::value(f->render_string(c.value(i), &fmt)));
      } else values.push_back(json::value(f->render_string(c.value(i))));
    } else if (f->type == FieldType::kBoolean) {
      values.push_back(c.value(i) != 0);
    } else if (f->type == FieldType::kGeoPoint) {
      auto pt = segments::decode_point(c.value(i));
      values.push_back(json::value(segments::java_double(pt.lat) + ", " + segments::java_double(pt.lon)));
    } else {
      values.push_back(f->render(c.value(i)));
    }
  }
  return values;
}

struct WantedField { std::string pattern, format; bool unmapped; };

// One value as "fields" shows it; null: left out.
json::value shown(const MappedField& f, const json::value& v, const std::string& format) {
  if (f.is_date()) {
    if (format.empty()) return json::value(f.render_string(f.column_value(v)));
    segments::DateFormat fmt(format);
    return json::value(f.render_string(f.column_value(v), &fmt));
  }
  if (f.is_integer() || f.type == FieldType::kBoolean || f.is_float()) {
    if (f.type_name == "token_count") return nullptr;
    int64_t x = f.column_value(v);
    return f.type == FieldType::kBoolean ? json::value(x != 0) : f.render(x);
  }
  if (f.type == FieldType::kKeyword || f.type == FieldType::kText || f.type == FieldType::kIp) {
    if (v.is_object()) return nullptr;
    std::string t = json_text(v);
    if (static_cast<int64_t>(t.size()) > f.ignore_above) return nullptr;
    return json::value(f.normalizer ? f.normalizer->normalize(t) : t);
  }
  if (f.type == FieldType::kGeoPoint) {
    segments::GeoPoint p = segments::parse_point(v);
    if (format == "wkt") return json::value("POINT (" + segments::java_double(p.lon) + " " + segments::java_double(p.lat) + ")");
    return json::object{{"type", "Point"}, {"coordinates", json::array{p.lon, p.lat}}};
  }
  return v;
}

void objects_at(const json::value& v, std::string_view path, std::vector<const json::object*>& out) {
  if (v.is_array()) for (auto& e : v.get_array()) objects_at(e, path, out);
  if (!v.is_object()) return;
  if (path.empty()) {
    out.push_back(&v.get_object());
    return;
  }
  size_t dot = path.find('.');
  if (auto* c = v.get_object().if_contains(path.substr(0, dot))) objects_at(*c, dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1), out);
}

// Values at paths that the mapping does not know.
void unmapped(const segments::Mapping& m, const json::value& v, const std::string& path, const std::string& scope, const std::string& pattern, json::object& out) {
  if (v.is_array()) {
    for (auto& e : v.get_array()) unmapped(m, e, path, scope, pattern, out);
    return;
  }
  if (v.is_object()) {
    if (m.object_type(path) == "nested" && path != scope) return;
    if (m.field(path) != nullptr) return;
    for (auto& [k, e] : v.get_object()) unmapped(m, e, path.empty() ? std::string(k) : path + "." + std::string(k), scope, pattern, out);
    return;
  }
  if (path.empty() || v.is_null() || m.field(path) != nullptr || !glob(pattern, path)) return;
  std::string key = scope.empty() ? path : path.substr(scope.size() + 1);
  if (!out.contains(key)) out[key] = json::array();
  out[key].get_array().push_back(v);
}

// scope: the nested object whose members `source` are; names in the result are relative to it.
json::object fetch_fields(const segments::Mapping& m, const json::object& source, const std::string& scope, const std::vector<WantedField>& wanted) {
  json::object out;
  std::set<std::string> below;
  auto relative = [&](const std::string& path) { return scope.empty() ? path : path.substr(scope.size() + 1); };
  for (auto& [pattern, format, with_unmapped] : wanted) {
    if (std::string key; pattern.find('*') == std::string::npos && scope.empty() && m.field(pattern, &key) != nullptr && !key.empty()) {
      std::vector<json::value> raw;  // a key of a flattened field
      values_at(source, pattern, raw);
      if (!raw.empty()) out[pattern] = json::array(raw.begin(), raw.end());
      continue;
    }
    for (const std::string& name : m.matching(pattern)) {
      const MappedField* f = m.field(name);
      if (f == nullptr || f->metadata || f->runtime) continue;
      if (!scope.empty() && !f->path.starts_with(scope + ".")) continue;
      auto chain = m.nested_path(f->path);
      size_t depth = 0;
      while (depth < chain.size() && chain[depth].size() <= scope.size()) ++depth;
      if (depth < chain.size()) {
        below.insert(chain[depth]);
        continue;
      }
      std::vector<json::value> raw;
      values_at(source, relative(f->parent.empty() ? f->path : f->parent), raw);
      if (f->type == FieldType::kGeoPoint && raw.size() == 2 && raw[0].is_number()) raw = {json::value(json::array{raw[0], raw[1]})};
      json::array values;
      for (const json::value& v : raw) {
        try {
          json::value x = shown(*f, v, format);
          if (!x.is_null()) values.push_back(std::move(x));
        } catch (const Error&) {
          // What was ignored when it was indexed is not a value of the field.
        }
      }
      if (!values.empty()) out[scope.empty() ? name : relative(name)] = std::move(values);
    }
    if (with_unmapped) unmapped(m, source, scope, scope, pattern, out);
  }
  const json::value whole(source);
  for (const std::string& path : below) {
    std::vector<const json::object*> objects;
    objects_at(whole, relative(path), objects);
    json::array list;
    for (auto* o : objects) {
      json::object inner = fetch_fields(m, *o, path, wanted);
      if (!inner.empty()) list.push_back(std::move(inner));
    }
    if (!list.empty()) out[relative(path)] = std::move(list);
  }
  return out;
}
}  // namespace

json::object SearchJob::field_values(const Part& p, size_t l, uint32_t doc, const json::object& source, const json::object& options) {
  json::object out;
  auto entries = [&](const char* key) {
    std::vector<std::pair<std::string, std::string>> list;
    if (auto* v = options.if_contains(key)) {
      json::array a = v->is_array() ? v->get_array() : json::array{*v};
      for (auto& e : a) {
        if (e.is_object()) list.emplace_back(text_or(e.get_object(), "field"), text_or(e.get_object(), "format"));
        else list.emplace_back(json_text(e), "");
      }
    }
    return list;
  };
  for (auto& [pattern, format] : entries("docvalue_fields")) {
    for (const std::string& name : p.mapping->matching(pattern)) {
      const MappedField* f = p.mapping->field(name);
      segments::Column c = leaf(l).segment->column(f->path);
      if (!c) continue;
      json::array values = column_values(*f, c, doc, format);
      if (!values.empty()) out[name] = values;
    }
  }
  std::vector<WantedField> wanted;
  if (auto* v = options.if_contains("fields")) {
    json::array list = v->is_array() ? v->get_array() : json::array{*v};
    for (auto& e : list) {
      if (!e.is_object()) {
        wanted.push_back({json_text(e), "", false});
        continue;
      }
      if (!e.get_object().contains("field")) throw Error(ErrorCode::kParsing, "[fields] requires a [field]");
      wanted.push_back({text_or(e.get_object(), "field"), text_or(e.get_object(), "format"), flag_or(e.get_object(), "include_unmapped", false)});
    }
  }
  if (!wanted.empty()) {
    for (auto& [name, values] : fetch_fields(*p.mapping, source, "", wanted)) out[name] = values;
    for (auto& [pattern, format, with_unmapped] : wanted) {
      for (const std::string& name : p.mapping->matching(pattern)) {
        const MappedField* f = p.mapping->field(name);
        if (f == nullptr || !f->runtime || name[0] == '\001') continue;
        segments::Column c = leaf(l).segment->column(f->path);
        json::array values = c ? column_values(*f, c, doc, format) : json::array();
        if (!values.empty()) out[name] = std::move(values);
      }
    }
  }
  for (auto& [name, format] : entries("stored_fields")) {
    if (name.starts_with("_")) continue;
    for (const std::string& n : p.mapping->matching(name)) {
      const MappedField* f = p.mapping->field(n);
      if (f == nullptr || !f->store) continue;
      std::vector<json::value> raw;
      values_at(source, f->parent.empty() ? f->path : f->parent, raw);
      json::array values;
      for (auto& v : raw) {
        try {
          json::value x = f->type == FieldType::kKeyword || f->type == FieldType::kText ? v : shown(*f, v, "");
          if (!x.is_null()) values.push_back(std::move(x));
        } catch (const Error&) {
          // Ignored when it was indexed.
        }
      }
      if (!values.empty()) out[n] = std::move(values);
    }
  }
  return out;
}

}  // namespace stele::elastic

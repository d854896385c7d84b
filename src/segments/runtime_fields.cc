#include "segments/runtime_fields.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "segments/script/doc_values.h"
#include "segments/script/error.h"
#include "segments/script/program.h"

namespace stele::segments {

namespace {
using script::List;
using script::Value;

struct Definition {
  std::string name, type;
  json::object whole;
  std::optional<script::Call> call;
  std::string text;  // of the script
  bool skip_errors = false, returns = false;  // returns: the value of the script, not what it emits
};

std::string text_of(const json::object& o, std::string_view key) {
  auto* v = o.if_contains(key);
  return v == nullptr || v->is_null() ? std::string() : json_text(*v);
}

// One emitted value as a document of the field's type would hold it.
json::value stored(const std::string& type, const List& args) {
  if (type == "geo_point" && args.size() == 2) {
    json::object p;
    p["lat"] = args[0].as_double();
    p["lon"] = args[1].as_double();
    return p;
  }
  if (args.size() != 1) script::fail("illegal_argument_exception", "Unknown call [emit] with [" + std::to_string(args.size()) + "] arguments.");
  const Value& v = args[0];
  if (v.null()) return nullptr;
  if (type == "long") return v.as_long();
  if (type == "double") return v.as_double();
  if (type == "boolean") return v.as_bool();
  if (type == "date") return v.get<script::Instant>() != nullptr ? v.get<script::Instant>()->ms : v.as_long();
  return json::value(v.text());
}

void insert_at(json::object& o, const std::string& path, json::value v) {
  size_t dot = path.find('.');
  if (dot == std::string::npos) {
    o[path] = std::move(v);
    return;
  }
  json::value& next = o[path.substr(0, dot)];
  if (!next.is_object()) next = json::object();
  insert_at(next.as_object(), path.substr(dot + 1), std::move(v));
}
void values_below(const json::value& v, std::string_view path, json::array& out) {
  if (v.is_array()) {
    for (auto& e : v.as_array()) values_below(e, path, out);
  } else if (path.empty()) {
    if (!v.is_null()) out.push_back(v);
  } else if (v.is_object()) {
    if (auto* whole = v.as_object().if_contains(path)) {
      values_below(*whole, "", out);
      return;
    }
    size_t dot = path.find('.');
    if (dot == std::string_view::npos) return;
    if (auto* c = v.as_object().if_contains(path.substr(0, dot))) values_below(*c, path.substr(dot + 1), out);
  }
}

// The values of one document for one field, inserted under their paths.
void evaluate(const Definition& d, const Mapping& mapping, const Leaf& leaf, uint32_t doc, const RuntimeSources& sources, json::object& into) {
  if (!d.call) {
    json::array found;
    values_below(json::value(sources.source(leaf, doc)), d.name, found);
    if (!found.empty()) insert_at(into, d.name, std::move(found));
    return;
  }
  std::map<std::string, json::array> emitted;
  auto emit = std::make_shared<script::Function>();
  emit->call = [&](List& args) {
    if (d.type != "composite") {
      emitted[d.name].push_back(stored(d.type, args));
      return Value();
    }
    auto put = [&](const std::string& key, const Value& v) {
      auto* f = d.whole.at("fields").as_object().if_contains(key);
      if (f == nullptr || !f->is_object()) return;
      std::string type = text_of(f->as_object(), "type");
      if (auto* list = v.get<script::ListPtr>()) for (auto& e : **list) emitted[d.name + "." + key].push_back(stored(type, {e}));
      else emitted[d.name + "." + key].push_back(stored(type, {v}));
    };
    if (args.size() == 2) put(args[0].text(), args[1]);
    else if (auto* m = args.at(0).get<script::MapPtr>()) for (auto& [k, v] : (*m)->entries()) put(k, v);
    return Value();
  };
  script::MapPtr params = script::make_map();
  if (auto* given = d.call->params.get<script::MapPtr>()) *params = **given;
  if (d.text.find("_source") != std::string::npos) params->at("_source") = script::from_json(json::value(sources.source(leaf, doc)));
  try {
    Value got = d.call->script->run({{"doc", script::doc_of(mapping, *leaf.segment, doc)}, {"params", Value(params)}, {"emit", Value(script::FunctionPtr(emit))}});
    if (d.returns && !got.null()) {
      if (auto* list = got.get<script::ListPtr>()) for (auto& e : **list) emitted[d.name].push_back(stored(d.type, {e}));
      else emitted[d.name].push_back(stored(d.type, {got}));
    }
  } catch (const script::ScriptError&) {
    if (!d.skip_errors) throw;
    return;
  }
  for (auto& [path, values] : emitted) insert_at(into, path, std::move(values));
}

// Fields whose scripts read others come after those.
std::vector<std::vector<Definition>> waves_of(std::vector<Definition> all) {
  std::vector<std::vector<Definition>> waves;
  auto reads = [](const Definition& d, const Definition& other) {
    return d.name != other.name && (d.text.find("'" + other.name + "'") != std::string::npos || d.text.find("\"" + other.name + "\"") != std::string::npos);
  };
  while (!all.empty()) {
    std::vector<Definition> ready, later;
    for (auto& d : all) {
      bool waits = false;
      for (auto& other : all) waits |= reads(d, other);
      (waits ? later : ready).push_back(d);
    }
    if (ready.empty()) throw Error(ErrorCode::kInvalidParameterValue, "Cyclic dependency detected while resolving runtime fields: " + all[0].name + " -> " + all.back().name);
    waves.push_back(std::move(ready));
    all = std::move(later);
  }
  return waves;
}
}  // namespace

std::vector<Leaf> with_runtime_fields(std::vector<Leaf> leaves, const Mapping& mapping, const json::object& definitions, const RuntimeSources& sources) {
  std::vector<Definition> all;
  for (auto& [name, spec] : definitions) {
    if (!spec.is_object()) continue;
    Definition d;
    d.name = std::string(name);
    d.whole = spec.as_object();
    d.type = text_of(d.whole, "type");
    if (auto* s = d.whole.if_contains("script"); s != nullptr && !s->is_null()) {
      d.call = script::parse_call(*s, sources.stored_script);
      d.text = d.call->script->source();
    }
    d.skip_errors = text_of(d.whole, "on_script_error") == "continue";
    d.returns = d.whole.contains("\001returns");
    all.push_back(std::move(d));
  }
  for (auto& wave : waves_of(std::move(all))) {
    json::object properties;
    std::vector<std::string> names;
    for (auto& d : wave) {
      auto add = [&](const std::string& path, const std::string& type) {
        json::object field;
        field["type"] = type;
        if (type == "date" && d.call) field["format"] = "epoch_millis";
        else if (type == "date" && d.whole.contains("format")) field["format"] = d.whole.at("format");
        if (!d.call) field["ignore_malformed"] = true;
        if (type == "keyword") field.erase("ignore_malformed");
        properties[path] = std::move(field);
        names.push_back(path);
      };
      if (d.type != "composite") add(d.name, d.type);
      else if (auto* f = d.whole.if_contains("fields"); f != nullptr && f->is_object()) for (auto& [sub, s] : f->as_object()) add(d.name + "." + std::string(sub), text_of(s.as_object(), "type"));
    }
    json::object root;
    root["properties"] = std::move(properties);
    MappingPtr own = Mapping::parse(root, mapping.analysis());
    for (Leaf& leaf : leaves) {
      SegmentBuilder builder;
      for (uint32_t doc = 0; doc < leaf.segment->docs(); ++doc) {
        json::object values;
        if (leaf.visible(doc)) for (auto& d : wave) evaluate(d, mapping, leaf, doc, sources, values);
        own->index(values, leaf.segment->row_id(doc), {}, builder);
      }
      leaf.segment = Segment::overlaid(leaf.segment, Segment::from_image(builder.finish(), 0), names);
    }
  }
  return leaves;
}

}  // namespace stele::segments

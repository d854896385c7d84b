#include "segments/script/doc_values.h"

#include <boost/json.hpp>
#include <cmath>

#include "segments/script/error.h"
#include "segments/script/program.h"

namespace stele::segments::script {

namespace {
// The values of one field of one document.
class FieldValues : public Host {
 public:
  FieldValues(std::string name, List values, bool text) : name_(std::move(name)), values_(std::move(values)), text_(text) {}
  std::string type() const override { return text_ ? "org.elasticsearch.index.fielddata.ScriptDocValues.Strings" : "org.elasticsearch.index.fielddata.ScriptDocValues.Longs"; }
  std::string text() const override { return Value(std::make_shared<List>(values_)).text(); }
  bool member(const std::string& name, const List* args, Value* out) override {
    size_t n = args == nullptr ? 0 : args->size();
    if ((name == "value" && args == nullptr) || (name == "getValue" && n == 0)) return *out = at(0), true;
    if (name == "size" && n == 0) return *out = Value(static_cast<int>(values_.size())), true;
    if ((name == "length" && n == 0) || name == "getLength") return *out = Value(static_cast<int>(values_.size())), true;
    if (name == "empty" || name == "isEmpty") return *out = Value(values_.empty()), true;
    if (name == "values" && args == nullptr) return *out = Value(std::make_shared<List>(values_)), true;
    if (name == "get" && n == 1) return *out = at((*args)[0].as_long()), true;
    if (name == "contains" && n == 1) {
      *out = Value(false);
      for (auto& v : values_) if (same(v, (*args)[0])) *out = Value(true);
      return true;
    }
    if (const ListPtr* vector = values_.empty() ? nullptr : values_[0].get<ListPtr>()) {
      if (name == "vectorValue" || name == "getVectorValue") return *out = values_[0], true;
      if (name == "magnitude" || name == "getMagnitude") {
        double sum = 0;
        for (auto& v : **vector) sum += v.as_double() * v.as_double();
        return *out = Value(std::sqrt(sum)), true;
      }
    }
    if (const MapPtr* point = values_.empty() ? nullptr : values_[0].get<MapPtr>()) {
      if (name == "lat" || name == "lon") return *out = *(*point)->find(name), true;
      if ((name == "arcDistance" || name == "planeDistance") && n == 2) {
        GeoPoint a{(*point)->find("lat")->as_double(), (*point)->find("lon")->as_double()}, b{(*args)[0].as_double(), (*args)[1].as_double()};
        return *out = Value(haversine_m(a, b)), true;
      }
    }
    // Anything a list can do, streams included.
    if (args == nullptr) return false;
    Value list(std::make_shared<List>(values_));
    List copy = *args;
    *out = call_method(list, name, copy);
    return true;
  }
  bool index(const Value& key, Value* out) override { return *out = at(key.as_long()), true; }

 private:
  Value at(int64_t i) const {
    if (values_.empty()) fail("illegal_state_exception", "A document doesn't have a value for a field! Use doc[<field>].size()==0 to check if a document is missing a field!");
    if (i < 0 || i >= static_cast<int64_t>(values_.size())) fail("index_out_of_bounds_exception", "Index " + std::to_string(i) + " out of bounds for length " + std::to_string(values_.size()));
    return values_[static_cast<size_t>(i)];
  }
  std::string name_;
  List values_;
  bool text_;
};

class Document : public Host {
 public:
  Document(const Mapping& m, const Segment& s, uint32_t doc, const VectorOf* vectors) : mapping_(m), segment_(s), doc_(doc), vectors_(vectors) {}
  std::string type() const override { return "org.elasticsearch.search.lookup.LeafDocLookup"; }
  bool member(const std::string& name, const List* args, Value* out) override {
    if (args == nullptr) return index(Value(name), out);
    if (name == "get" && args->size() == 1) return index((*args)[0], out);
    if (name == "containsKey" && args->size() == 1) return *out = Value(mapping_.field((*args)[0].text()) != nullptr), true;
    return false;
  }
  bool index(const Value& key, Value* out) override {
    std::string name = key.text();
    const MappedField* f = mapping_.field(name);
    if (f == nullptr) fail("illegal_argument_exception", "No field found for [" + name + "] in mapping");
    if (f->type == FieldType::kDenseVector && vectors_ != nullptr && *vectors_) {
      List values;
      if (auto v = (*vectors_)(segment_, doc_, f->path)) {
        ListPtr list = make_list();
        for (double x : *v) list->push_back(Value(x));
        values.push_back(Value(list));
      }
      *out = Value(HostPtr(std::make_shared<FieldValues>(name, std::move(values), false)));
      return true;
    }
    if (f->options().column == ColumnKind::kNone) {
      fail("illegal_argument_exception", f->type == FieldType::kText
          ? "Fielddata is disabled on [" + name + "] in [index]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead. Alternatively, set fielddata=true on [" + name + "] in order to load field data by uninverting the inverted index. Note that this can use significant memory."
          : "Fielddata is not supported on field [" + name + "] of type [" + f->type_name + "]");
    }
    Column c = segment_.column(f->path);
    List values;
    for (uint32_t i = c ? c.begin(doc_) : 0, e = c ? c.end(doc_) : 0; i < e; ++i) {
      if (c.kind() == ColumnKind::kKeyword) {
        std::string_view t = c.term(static_cast<uint64_t>(c.value(i)));
        values.push_back(Value(f->type == FieldType::kIp ? decode_ip(t) : std::string(t)));
      } else if (f->is_date()) {
        values.push_back(Value(Instant{f->type == FieldType::kDateNanos ? c.value(i) / 1000000 : c.value(i)}));
      } else if (f->type == FieldType::kBoolean) {
        values.push_back(Value(c.value(i) != 0));
      } else if (f->type == FieldType::kGeoPoint) {
        GeoPoint p = decode_point(c.value(i));
        MapPtr m = make_map();
        m->at("lat") = Value(p.lat);
        m->at("lon") = Value(p.lon);
        values.push_back(Value(m));
      } else {
        values.push_back(from_json(f->render(c.value(i))));
        if (f->is_integer()) values.back().is_int = false;
        else if (f->is_float()) values.back() = Value(values.back().as_double());
      }
    }
    *out = Value(HostPtr(std::make_shared<FieldValues>(name, std::move(values), c && c.kind() == ColumnKind::kKeyword)));
    return true;
  }

 private:
  const Mapping& mapping_;
  const Segment& segment_;
  uint32_t doc_;
  const VectorOf* vectors_;
};

Value function(std::function<Value(List&)> f) {
  auto p = std::make_shared<Function>();
  p->call = std::move(f);
  return Value(FunctionPtr(p));
}
}  // namespace

namespace {
// What scripts may ask of the vector of a document: similarities and distances to one of the request.
void bind_vectors(Script::Variables& variables, const Mapping& mapping, const Segment& s, uint32_t doc, const VectorOf& vectors) {
  auto bind = [&](const char* name, std::function<double(const std::vector<double>&, const std::vector<double>&)> f) {
    variables[name] = function([&mapping, &s, doc, &vectors, f](List& a) {
      if (a.size() != 2) fail("illegal_argument_exception", "a vector function takes a query vector and a field");
      std::string field = a[1].text();
      const MappedField* m = mapping.field(field);
      if (m == nullptr) fail("illegal_argument_exception", "No field found for [" + field + "] in mapping");
      if (m->type != FieldType::kDenseVector) fail("illegal_argument_exception", "vector functions need a [dense_vector] field, [" + field + "] is of type [" + m->type_name + "]");
      auto own = vectors(s, doc, m->path);
      if (!own) fail("illegal_argument_exception", "A document doesn't have a value for a vector field!");
      auto* list = a[0].get<ListPtr>();
      if (list == nullptr) fail("class_cast_exception", "the query vector must be a list of numbers");
      std::vector<double> q;
      for (auto& v : **list) q.push_back(v.as_double());
      if (q.size() != own->size()) fail("illegal_argument_exception", "The query vector has a different number of dimensions [" + std::to_string(q.size()) + "] than the document vectors [" + std::to_string(own->size()) + "].");
      return Value(f(q, *own));
    });
  };
  auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  bind("dotProduct", dot);
  bind("cosineSimilarity", [dot](const std::vector<double>& a, const std::vector<double>& b) { return dot(a, b) / (std::sqrt(dot(a, a)) * std::sqrt(dot(b, b))); });
  bind("l1norm", [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
    return sum;
  });
  bind("l2norm", [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(sum);
  });
  bind("hamming", [](const std::vector<double>& a, const std::vector<double>& b) {
    int sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += std::popcount(static_cast<unsigned>(static_cast<uint8_t>(static_cast<int>(a[i])) ^ static_cast<uint8_t>(static_cast<int>(b[i]))));
    return static_cast<double>(sum);
  });
}
}  // namespace

Value doc_of(const Mapping& m, const Segment& s, uint32_t doc, const VectorOf* vectors) { return Value(HostPtr(std::make_shared<Document>(m, s, doc, vectors))); }

std::function<double(const Segment&, uint32_t, float)> scoring(ScriptPtr script, Value params, const Mapping* mapping, VectorOf vectors) {
  Value saturation = function([](List& a) { return Value(a.at(0).as_double() / (a.at(0).as_double() + a.at(1).as_double())); });
  Value sigmoid = function([](List& a) {
    double v = std::pow(a.at(0).as_double(), a.at(2).as_double());
    return Value(v / (std::pow(a.at(1).as_double(), a.at(2).as_double()) + v));
  });
  const std::string& text = script->source();
  bool asks_vectors = vectors && (text.find("cosineSimilarity") != std::string::npos || text.find("dotProduct") != std::string::npos || text.find("norm(") != std::string::npos || text.find("hamming") != std::string::npos);
  return [script, params, mapping, saturation, sigmoid, vectors = std::move(vectors), asks_vectors](const Segment& s, uint32_t doc, float score) {
    Script::Variables variables{{"doc", doc_of(*mapping, s, doc, &vectors)}, {"params", params}, {"_score", Value(static_cast<double>(score))}, {"saturation", saturation}, {"sigmoid", sigmoid}};
    if (asks_vectors) bind_vectors(variables, *mapping, s, doc, vectors);
    Value v = script->run(variables);
    if (v.null()) fail("illegal_argument_exception", "script_score script returned null");
    return v.get<bool>() != nullptr ? static_cast<double>(v.as_bool()) : v.as_double();
  };
}

Call parse_call(const json::value& spec, const std::function<std::optional<std::string>(const std::string&)>& stored) {
  Call out;
  out.params = Value(make_map());
  std::string source, language = "painless";
  if (spec.is_string()) {
    source = std::string(spec.as_string());
  } else if (spec.is_object()) {
    const json::object& o = spec.as_object();
    for (auto& [k, v] : o) {
      if (k == "source" || k == "inline") source = v.is_object() ? json::serialize(v) : json_text(v);
      else if (k == "lang") language = json_text(v);
      else if (k == "params") {
        if (!v.is_object()) throw Error(ErrorCode::kParsing, "[script] params doesn't support values of type: VALUE_STRING");
        out.params = from_json(v);
      } else if (k != "id" && k != "stored" && k != "options") throw Error(ErrorCode::kXContentParse, "[1:1] [script] unknown field [" + std::string(k) + "]");
    }
    auto* id = o.if_contains("id");
    if (id != nullptr) {
      auto found = stored ? stored(json_text(*id)) : std::nullopt;
      if (!found) throw Error(ErrorCode::kInvalidParameterValue, "unable to find script [" + json_text(*id) + "] in cluster state");
      source = *found;
      language = "painless";
    } else if (!o.contains("source") && !o.contains("inline")) {
      throw Error(ErrorCode::kInvalidParameterValue, "must specify either [source] for an inline script or [id] for a stored script");
    }
  } else {
    throw Error(ErrorCode::kParsing, "unexpected script");
  }
  if (language != "painless" && language != "expression" && language != "mustache") throw Error(ErrorCode::kInvalidParameterValue, "script_lang not supported [" + language + "]");
  out.script = Script::parse(source, language);
  return out;
}

}  // namespace stele::segments::script

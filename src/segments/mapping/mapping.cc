#include "segments/mapping/mapping.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "segments/mapping/mapping_parts.h"
#include "segments/dsl/dsl.h"
#include "segments/text/utf8.h"

namespace stele::segments {

namespace {
constexpr size_t kMaxFields = 1000;

const std::map<std::string, FieldType, std::less<>>& type_names() {
  static const std::map<std::string, FieldType, std::less<>> kTypes = {
      {"text", FieldType::kText}, {"match_only_text", FieldType::kText}, {"search_as_you_type", FieldType::kText},
      {"annotated_text", FieldType::kText}, {"keyword", FieldType::kKeyword}, {"constant_keyword", FieldType::kKeyword},
      {"wildcard", FieldType::kKeyword}, {"version", FieldType::kKeyword}, {"long", FieldType::kLong},
      {"integer", FieldType::kInteger}, {"short", FieldType::kShort}, {"byte", FieldType::kByte},
      {"unsigned_long", FieldType::kUnsignedLong}, {"double", FieldType::kDouble}, {"float", FieldType::kFloat},
      {"half_float", FieldType::kHalfFloat}, {"scaled_float", FieldType::kScaledFloat}, {"date", FieldType::kDate},
      {"date_nanos", FieldType::kDateNanos}, {"boolean", FieldType::kBoolean}, {"ip", FieldType::kIp},
      {"geo_point", FieldType::kGeoPoint}, {"flattened", FieldType::kFlattened}, {"alias", FieldType::kAlias},
      {"binary", FieldType::kBinary}, {"dense_vector", FieldType::kDenseVector}, {"geo_shape", FieldType::kOther},
      {"completion", FieldType::kCompletion}, {"token_count", FieldType::kInteger}, {"rank_feature", FieldType::kFloat},
      {"rank_features", FieldType::kOther}, {"percolator", FieldType::kOther}, {"join", FieldType::kKeyword},
      {"integer_range", FieldType::kRange}, {"long_range", FieldType::kRange}, {"float_range", FieldType::kRange},
      {"double_range", FieldType::kRange}, {"date_range", FieldType::kRange}, {"ip_range", FieldType::kRange},
      {"murmur3", FieldType::kLong}, {"histogram", FieldType::kOther}, {"point", FieldType::kOther},
      {"shape", FieldType::kOther}, {"sparse_vector", FieldType::kOther}, {"semantic_text", FieldType::kText}};
  return kTypes;
}


void merge_objects(json::object& into, const json::object& from, const std::string& path, bool properties);

// Merges one field definition; the type may not change.
void merge_field(json::object& into, const json::object& from, const std::string& path) {
  auto type_of = [](const json::object& o) {
    auto* t = o.if_contains("type");
    return t != nullptr ? json_text(*t) : std::string("object");
  };
  std::string a = type_of(into), b = type_of(from);
  if (a != b) {
    auto composite = [](const std::string& t) { return t == "object" || t == "nested"; };
    if (composite(a) && !composite(b)) {
      illegal_mapping("can't merge a non object mapping [" + path + "] with an object mapping");
    }
    if (!composite(a) && composite(b)) {
      if (a == "flattened") illegal_mapping("can't merge a non object mapping [" + path + "] with an object mapping");
      illegal_mapping("can't merge a non object mapping [" + path + "] with an object mapping");
    }
    if (composite(a) && composite(b)) {
      if (!from.contains("type") && from.contains("properties")) {
        // Properties of a nested field given without its type.
      } else {
        illegal_mapping("can't merge a " + std::string(a == "nested" ? "nested" : "non-nested") + " mapping [" + path + "] with a " +
                std::string(b == "nested" ? "nested" : "non-nested") + " mapping");
      }
    } else {
      illegal_mapping("mapper [" + path + "] cannot be changed from type [" + a + "] to [" + b + "]");
    }
  }
  for (const char* fixed : {"analyzer", "normalizer", "doc_values", "index", "store", "format", "similarity", "index_options", "scaling_factor", "dims"}) {
    auto* x = into.if_contains(fixed);
    auto* y = from.if_contains(fixed);
    std::string sx = x == nullptr ? std::string() : json_text(*x), sy = y == nullptr ? std::string() : json_text(*y);
    auto is_default = [&](const std::string& s) {
      std::string f = fixed;
      return s.empty() || (f == "analyzer" && s == "default") || ((f == "doc_values" || f == "index") && s == "true") || (f == "store" && s == "false");
    };
    if (sx != sy && !(is_default(sx) && is_default(sy)) && !(std::string_view(fixed) == "analyzer" && y == nullptr && false)) {
      illegal_mapping("Mapper for [" + path + "] conflicts with existing mapper:\n\tCannot update parameter [" + fixed + "] from [" +
              (sx.empty() ? (std::string_view(fixed) == "analyzer" ? "default" : std::string_view(fixed) == "store" ? "false" : std::string_view(fixed) == "normalizer" ? "null" : "true") : sx) +
              "] to [" + (sy.empty() ? (std::string_view(fixed) == "analyzer" ? "default" : std::string_view(fixed) == "store" ? "false" : std::string_view(fixed) == "normalizer" ? "null" : "true") : sy) + "]");
    }
  }
  merge_objects(into, from, path, false);
}

void merge_objects(json::object& into, const json::object& from, const std::string& path, bool properties) {
  for (auto& [key, value] : from) {
    std::string name(key);
    auto* mine = into.if_contains(key);
    if (properties) {
      std::string child = path.empty() ? name : path + "." + name;
      if (mine == nullptr) into[key] = value;
      else merge_field(mine->as_object(), value.as_object(), child);
    } else if ((name == "properties" || name == "fields") && value.is_object()) {
      if (mine == nullptr || !mine->is_object()) into[key] = json::object();
      merge_objects(into[key].as_object(), value.as_object(), path, true);
    } else {
      into[key] = value;
    }
  }
}

// "a.b": {..} becomes "a": {"properties": {"b": {..}}}.
json::object expand_dots(const json::object& properties, int depth) {
  if (depth > kMaxMappingDepth) illegal_mapping("Limit of mapping depth [20] has been exceeded");
  json::object out;
  for (auto& [key, value] : properties) {
    std::string name(key);
    if (!value.is_object()) {
      mapper_error("Expected map for property [fields] on field [" + name + "] but got a class java.lang.String");
    }
    json::object definition = value.as_object();
    if (auto* p = definition.if_contains("properties"); p != nullptr && p->is_object()) {
      *p = expand_dots(json::object(p->as_object()), depth + 1);
    }
    std::vector<std::string> parts;
    size_t i = 0;
    while (i <= name.size()) {
      size_t e = std::min(name.find('.', i), name.size());
      parts.push_back(name.substr(i, e - i));
      i = e + 1;
    }
    for (const std::string& p : parts) {
      if (p.empty()) mapper_error(name.empty() ? "field name cannot be an empty string" : "name cannot be empty string");
    }
    for (size_t k = parts.size(); k-- > 1;) {
      json::object wrap, props;
      props[parts[k]] = std::move(definition);
      wrap["properties"] = std::move(props);
      definition = std::move(wrap);
    }
    json::object single;
    single[parts[0]] = std::move(definition);
    merge_objects(out, single, "", true);
  }
  return out;
}

}  // namespace

struct Mapping::Data {
  json::object root;
};

Mapping::~Mapping() = default;
const json::object& Mapping::json() const { return data_->root; }

// One target is shown as a list, too.
static void list_copy_to(json::object& properties, int depth) {
  if (depth > kMaxMappingDepth) return;
  for (auto& e : properties) {
    if (!e.value().is_object()) continue;
    json::object& d = e.value().get_object();
    if (auto* c = d.if_contains("copy_to"); c != nullptr && c->is_string()) *c = json::array{*c};
    for (const char* inner : {"properties", "fields"}) {
      if (auto* p = d.if_contains(inner); p != nullptr && p->is_object()) list_copy_to(p->get_object(), depth + 1);
    }
  }
}

MappingPtr Mapping::parse(const json::object& mappings, std::shared_ptr<const Analysis> analysis) {
  std::shared_ptr<Mapping> m(new Mapping);
  auto data = std::make_shared<Data>();
  static const std::set<std::string_view> kRootKeys = {
      "properties", "dynamic", "dynamic_templates", "date_detection", "numeric_detection", "dynamic_date_formats", "_source",
      "_routing", "_meta", "_field_names", "runtime", "_size", "_data_stream_timestamp", "_doc_count", "enabled", "subobjects", "_tier"};
  for (auto& [key, value] : mappings) {
    if (kRootKeys.count(key) == 0) {
      mapper_error("Root mapping definition has unsupported parameters:  [" + std::string(key) + " : " + json_text(value) + "]");
    }
    data->root[key] = value;
  }
  if (auto* p = data->root.if_contains("properties"); p != nullptr) {
    if (!p->is_object()) mapper_error("Expected map for property [properties] but got a class java.lang.String");
    if (!flat_objects(data->root)) *p = expand_dots(json::object(p->as_object()), 0);
    list_copy_to(p->as_object(), 0);
  }
  if (auto* r = data->root.if_contains("runtime")) {
    if (!r->is_object()) mapper_error("Expected map for [runtime] but got a java.lang.String");
    *r = checked_runtime(json::object(r->as_object()));
    std::vector<std::string> gone;
    for (auto& [name, d] : r->as_object()) if (d.is_null()) gone.emplace_back(name);
    for (auto& name : gone) r->as_object().erase(name);
    if (r->as_object().empty()) data->root.erase("runtime");
  }
  m->data_ = data;
  m->analysis_ = std::move(analysis);
  for (const char* name : {"_id", "_routing", "_index", "_ignored", "_field_names"}) {
    MappedField f;
    f.path = f.type_name = name;
    f.type = FieldType::kKeyword;
    f.metadata = true;
    f.doc_values = std::string_view(name) != "_routing" || true;
    m->fields_.emplace(name, std::move(f));
  }
  for (const char* name : {"_seq_no", "_version", "_doc_count"}) {
    MappedField f;
    f.path = f.type_name = name;
    f.type = FieldType::kLong;
    f.metadata = true;
    m->fields_.emplace(name, std::move(f));
  }
  if (auto* p = data->root.if_contains("properties")) m->compile(p->as_object(), "", 0);
  for (auto& [path, f] : m->fields_) {
    if (f.type != FieldType::kAlias) continue;
    if (m->fields_.count(f.alias_path) == 0 || m->fields_.at(f.alias_path).type == FieldType::kAlias) {
      mapper_error("Invalid [path] value [" + f.alias_path + "] for field alias [" + path + "]: an alias must refer to an existing field in the mappings.");
    }
  }
  if (m->total_fields() > kMaxFields) illegal_mapping("Limit of total fields [1000] has been exceeded");
  return m;
}

void Mapping::compile(const json::object& properties, const std::string& prefix, int depth) {
  if (depth > kMaxMappingDepth) illegal_mapping("Limit of mapping depth [20] has been exceeded");
  for (auto& [key, value] : properties) {
    std::string path = prefix + std::string(key);
    const json::object& d = value.as_object();
    auto* t = d.if_contains("type");
    std::string type = t == nullptr ? "object" : json_text(*t);
    if (type == "object" || type == "nested") {
      objects_[path] = type;
      if (type == "nested") nested_options_[path] = {flag(d, "include_in_parent", false), flag(d, "include_in_root", false)};
      if (auto* p = d.if_contains("properties"); p != nullptr && p->is_object()) compile(p->as_object(), path + ".", depth + 1);
      continue;
    }
    compile_field(path, d, "");
  }
}

void Mapping::compile_field(const std::string& path, const json::object& d, const std::string& parent) {
  MappedField f;
  f.path = path;
  f.parent = parent;
  f.type_name = json_text(d.at("type"));
  size_t dot = path.rfind('.');
  std::string leaf = dot == std::string::npos ? path : path.substr(dot + 1);
  auto it = type_names().find(f.type_name);
  if (it == type_names().end()) {
    mapper_error("No handler for type [" + f.type_name + "] declared on field [" + leaf + "]");
  }
  static const std::set<std::string_view> kKnown = {
      "type", "analyzer", "search_analyzer", "search_quote_analyzer", "normalizer", "index", "doc_values", "norms", "store",
      "coerce", "ignore_malformed", "fielddata", "fielddata_frequency_filter", "position_increment_gap", "ignore_above",
      "scaling_factor", "null_value", "format", "locale", "copy_to", "fields", "path", "index_options", "similarity", "boost",
      "eager_global_ordinals", "meta", "term_vector", "index_prefixes", "index_phrases", "split_queries_on_whitespace",
      "ignore_z_value", "dims", "properties", "dynamic", "enabled", "time_series_dimension", "time_series_metric", "value",
      "depth_limit", "script", "on_script_error", "include_in_root", "include_in_parent", "max_input_length", "preserve_separators",
      "preserve_position_increments", "contexts", "max_shingle_size", "relations", "enable_position_increments", "orientation",
      "strategy", "positive_score_impact", "index_options", "element_type", "inference_id", "subobjects", "synthetic_source_keep"};
  for (auto& [key, value] : d) {
    if (kKnown.count(key) == 0) {
      mapper_error("unknown parameter [" + std::string(key) + "] on mapper [" + leaf + "] of type [" + f.type_name + "]");
    }
  }
  f.type = it->second;
  f.index = flag(d, "index", true);
  f.doc_values = flag(d, "doc_values", true);
  f.store = flag(d, "store", false);
  f.dimension = flag(d, "time_series_dimension", false);
  f.prefixes = d.contains("index_prefixes");
  if (auto* metric = d.if_contains("time_series_metric"); metric != nullptr && !metric->is_null()) f.metric = json_text(*metric);
  if (f.type == FieldType::kBinary) f.doc_values = flag(d, "doc_values", false);
  if (auto* tv = d.if_contains("term_vector")) f.term_vectors = json_text(*tv).starts_with("with_positions_offsets");
  f.coerce = flag(d, "coerce", true);
  f.ignore_malformed = flag(d, "ignore_malformed", false);
  f.fielddata = flag(d, "fielddata", false);
  f.norms = flag(d, "norms", f.type == FieldType::kText && f.type_name != "match_only_text");
  auto text = [&](std::string_view key) {
    auto* v = d.if_contains(key);
    return v == nullptr || v->is_null() ? std::string() : json_text(*v);
  };
  auto find_analyzer = [&](const std::string& name) -> AnalyzerPtr {
    AnalyzerPtr a = analysis_ ? analysis_->analyzer(name) : Analysis::builtin(name);
    if (!a) mapper_error("Failed to parse mapping: analyzer [" + name + "] has not been configured in mappings");
    return a;
  };
  if (f.type == FieldType::kText) {
    std::string name = text("analyzer");
    if (name.empty() && analysis_ && analysis_->analyzer("default")) name = "default";
    f.analyzer = find_analyzer(name.empty() ? "standard" : name);
    std::string search = text("search_analyzer");
    if (search.empty() && text("analyzer").empty() && analysis_) {
      AnalyzerPtr d2 = analysis_->analyzer("default_search");
      f.search_analyzer = d2 ? d2 : f.analyzer;
    } else {
      f.search_analyzer = search.empty() ? f.analyzer : find_analyzer(search);
    }
    std::string quote = text("search_quote_analyzer");
    f.search_quote_analyzer = quote.empty() ? f.search_analyzer : find_analyzer(quote);
  }
  if (std::string n = text("normalizer"); !n.empty()) {
    f.normalizer = analysis_ ? analysis_->normalizer(n) : nullptr;
    if (!f.normalizer) mapper_error("Failed to parse mapping: normalizer [" + n + "] not found for field [" + leaf + "]");
  }
  if (auto s = text("position_increment_gap"); !s.empty()) f.position_increment_gap = std::atoi(s.c_str());
  else if (f.analyzer) f.position_increment_gap = f.analyzer->position_increment_gap;
  if (auto s = text("ignore_above"); !s.empty()) f.ignore_above = std::atoll(s.c_str());
  if (f.type == FieldType::kScaledFloat) {
    std::string s = text("scaling_factor");
    if (s.empty()) mapper_error("Failed to parse mapping: Field [scaling_factor] is required");
    f.scaling_factor = std::strtod(s.c_str(), nullptr);
  }
  if (auto s = text("dims"); !s.empty()) f.dims = std::atoi(s.c_str());
  if (f.type == FieldType::kDenseVector) f.similarity = text("similarity");
  if (auto* v = d.if_contains("null_value"); v != nullptr && !v->is_null()) f.null_value = json_text(*v);
  if (f.type == FieldType::kCompletion || f.type_name == "token_count") {
    std::string name = text("analyzer");
    if (name.empty() && f.type_name == "token_count") mapper_error("Failed to parse mapping: Analyzer must be set for field [" + leaf + "] but wasn't.");
    f.analyzer = find_analyzer(name.empty() ? "simple" : name);
    std::string search = text("search_analyzer");
    f.search_analyzer = search.empty() ? f.analyzer : find_analyzer(search);
    if (auto* list = d.if_contains("contexts")) {
      json::array all = list->is_array() ? list->as_array() : json::array{*list};
      for (auto& e : all) {
        if (!e.is_object()) mapper_error("Failed to parse mapping: contexts must be objects");
        const json::object& c = e.as_object();
        MappedField::Context x;
        auto member = [&](const char* k) {
          auto* v = c.if_contains(k);
          return v == nullptr ? std::string() : json_text(*v);
        };
        x.name = member("name");
        x.kind = member("type");
        x.path = member("path");
        if (auto p = member("precision"); !p.empty()) x.precision = std::atoi(p.c_str());
        f.contexts.push_back(std::move(x));
      }
    }
  }
  if (f.type == FieldType::kRange && f.type_name == "date_range") {
    std::string format = text("format");
    f.format = std::make_shared<DateFormat>(format.empty() ? "strict_date_optional_time||epoch_millis" : format);
  }
  if (f.is_date()) {
    std::string format = text("format");
    f.format = std::make_shared<DateFormat>(format.empty() ? (f.type == FieldType::kDate ? "strict_date_optional_time||epoch_millis" : "strict_date_optional_time_nanos||epoch_millis") : format);
  }
  if (auto* v = d.if_contains("copy_to")) {
    if (v->is_array()) for (auto& e : v->as_array()) f.copy_to.push_back(json_text(e));
    else f.copy_to.push_back(json_text(*v));
  }
  if (f.type == FieldType::kAlias) {
    f.alias_path = text("path");
    if (f.alias_path.empty()) mapper_error("The [path] property must be specified for field [" + leaf + "].");
  }
  if (auto* v = d.if_contains("fields"); v != nullptr && v->is_object()) {
    for (auto& [key, value] : v->as_object()) {
      if (!value.is_object() || !value.as_object().contains("type")) {
        mapper_error("no type specified for field [" + std::string(key) + "]");
      }
      std::string sub = path + "." + std::string(key);
      f.multi_fields.push_back(sub);
      compile_field(sub, value.as_object(), path);
    }
  }
  fields_.insert_or_assign(path, std::move(f));
}

MappingPtr Mapping::merge(const json::object& update) const {
  json::object root = data_->root;
  json::object u = update;
  if (auto* p = u.if_contains("properties"); p != nullptr && p->is_object() && !flat_objects(root)) *p = expand_dots(json::object(p->as_object()), 0);
  if (auto* r = u.if_contains("runtime"); r != nullptr && r->is_object() && root.contains("runtime") && root.at("runtime").is_object()) {
    json::object all = root.at("runtime").as_object();
    for (auto& [k, v] : r->as_object()) all[k] = v;
    *r = std::move(all);
  }
  merge_objects(root, u, "", false);
  return parse(root, analysis_);
}

const MappedField* Mapping::field(std::string_view path, std::string* key) const {
  auto it = fields_.find(path);
  if (it != fields_.end()) {
    if (it->second.type == FieldType::kAlias) return field(it->second.alias_path, key);
    return &it->second;
  }
  // Inside a flattened field?
  for (size_t dot = path.rfind('.'); dot != std::string_view::npos && dot > 0; dot = path.rfind('.', dot - 1)) {
    auto f = fields_.find(path.substr(0, dot));
    if (f != fields_.end() && f->second.type == FieldType::kFlattened) {
      if (key != nullptr) *key = path.substr(dot + 1);
      return key != nullptr ? &f->second : nullptr;
    }
  }
  return nullptr;
}
bool Mapping::is_object(std::string_view path) const { return objects_.find(path) != objects_.end(); }
std::string Mapping::object_type(std::string_view path) const {
  auto it = objects_.find(path);
  return it == objects_.end() ? "" : it->second;
}
std::vector<std::string> Mapping::nested_path(std::string_view path) const {
  std::vector<std::string> out;
  for (size_t dot = path.find('.');; dot = path.find('.', dot + 1)) {
    auto it = objects_.find(path.substr(0, dot));
    if (it != objects_.end() && it->second == "nested") out.push_back(it->first);
    if (dot == std::string_view::npos) return out;
  }
}
std::vector<std::string> Mapping::matching(std::string_view pattern, bool queryable) const {
  std::vector<std::string> out;
  if (pattern.find('*') == std::string_view::npos) {
    if (field(pattern) != nullptr) out.emplace_back(pattern);
    return out;
  }
  for (auto& [path, f] : fields_) {
    if (f.metadata || !glob(pattern, path)) continue;
    if (queryable && !(f.is_string() || f.is_numeric() || f.type == FieldType::kIp || f.is_date() || f.type == FieldType::kBoolean)) continue;
    out.push_back(path);
  }
  return out;
}
size_t Mapping::total_fields() const {
  size_t n = objects_.size();
  for (auto& [path, f] : fields_) n += f.metadata ? 0 : 1;
  return n;
}
bool Mapping::routing_required() const {
  auto* r = data_->root.if_contains("_routing");
  return r != nullptr && r->is_object() && flag(r->as_object(), "required", false);
}

struct Mapping::Indexer {
  const Mapping& m;
  SegmentBuilder* builder;
  uint64_t row_id;
  TokenBuffer tokens;
  std::vector<std::string> ignored;

  SegmentBuilder* outermost = builder;

  void walk(const json::object& o, const std::string& prefix) {
    for (auto& [key, value] : o) {
      std::string path = prefix.empty() ? std::string(key) : prefix + std::string(key);
      visit(path, value);
    }
  }
  void visit(const std::string& path, const json::value& value) {
    auto it = m.fields_.find(path);
    if (it != m.fields_.end()) {
      const MappedField& f = it->second;
      if (path == "_doc_count") {
        int64_t n = value.is_int64() ? value.get_int64() : 0;
        if (!value.is_int64()) mapper_error("Failed to parse object: expecting token of type [VALUE_NUMBER] but found [" + std::string(value.is_string() ? "VALUE_STRING" : "START_OBJECT") + "]");
        if (n <= 0) mapper_error("Field [_doc_count] must be a positive integer. Value [" + std::to_string(n) + "] is not allowed.");
        builder->add_int(builder->field(path, {.column = ColumnKind::kInt64}), n);
        return;
      }
      if (f.metadata) {
        mapper_error("Field [" + path + "] is a metadata field and cannot be added inside a document. Use the index API request parameters.");
      }
      if (f.type == FieldType::kAlias) mapper_error("Cannot write to a field alias [" + path + "].");
      field(f, value);
      return;
    }
    if (value.is_array()) {
      for (auto& e : value.as_array()) visit(path, e);
      return;
    }
    auto obj = m.objects_.find(path);
    if (value.is_object()) {
      if (obj != m.objects_.end() && !enabled(path)) return;
      if (obj == m.objects_.end() || obj->second != "nested") {
        walk(value.as_object(), path + ".");
        return;
      }
      auto [in_parent, in_root] = m.nested_options_.at(path);
      if (in_parent || (in_root && builder == outermost)) walk(value.as_object(), path + ".");
      if (in_root && !in_parent && builder != outermost) {
        SegmentBuilder* here = std::exchange(builder, outermost);
        walk(value.as_object(), path + ".");
        builder = here;
      }
      SegmentBuilder* outer = builder;
      builder = &outer->child(path);
      try {
        builder->begin(row_id);
        builder->in_parent(outer->docs() - 1);
        walk(value.as_object(), path + ".");
        builder->end();
      } catch (...) {
        builder = outer;
        throw;
      }
      builder = outer;
    } else if (obj != m.objects_.end() && !value.is_null()) {
      if (!enabled(path)) return;
      mapper_error("object mapping for [" + path + "] tried to parse field [" + path.substr(path.rfind('.') + 1) + "] as object, but found a concrete value");
    }
  }
  bool enabled(const std::string& path) const {
    const json::object* node = &m.data_->root;
    size_t i = 0;
    while (i <= path.size()) {
      size_t e = std::min(path.find('.', i), path.size());
      auto* p = node->if_contains("properties");
      if (p == nullptr) return true;
      auto* c = p->as_object().if_contains(path.substr(i, e - i));
      if (c == nullptr || !c->is_object()) return true;
      node = &c->as_object();
      if (!flag(*node, "enabled", true)) return false;
      i = e + 1;
    }
    return true;
  }
  void field(const MappedField& f, const json::value& value) {
    if (f.type == FieldType::kFlattened) {
      if (value.is_object()) flattened(f, value.as_object(), "");
      else if (!value.is_null()) mapper_error("failed to parse field [" + f.path + "] of type [flattened] in document with id");
      return;
    }
    if (f.type == FieldType::kGeoPoint && value.is_array() && !value.as_array().empty() && value.as_array()[0].is_number()) {
      single(f, value);
      return;
    }
    if (f.type == FieldType::kDenseVector || f.type == FieldType::kOther || f.type == FieldType::kBinary) {
      if (f.type == FieldType::kDenseVector && value.is_array() && f.dims > 0 && static_cast<int>(value.as_array().size()) != f.dims) {
        mapper_error("The [dense_vector] field [" + f.path + "] in doc [document] has a different number of dimensions [" +
                     std::to_string(value.as_array().size()) + "] than defined in the mapping [" + std::to_string(f.dims) + "]");
      }
      if (f.type == FieldType::kBinary && f.doc_values && !value.is_null()) {
        // Only whether there is a value is ever asked.
        builder->add_keyword(builder->field(f.path, f.options()), json_text(value).substr(0, 64));
      }
      if (f.type_name == "percolator" && !value.is_null()) {
        DslContext ctx;
        ctx.mapping = &m;
        try {
          parse_query(value, ctx);
        } catch (const Error& e) {
          throw Error(ErrorCode::kDocumentMapperParsing, "failed to parse field [" + f.path + "] of type [percolator] in document").detail(e.message());
        }
      }
      return;
    }
    if (value.is_array()) {
      for (auto& e : value.as_array()) field(f, e);
      return;
    }
    if (f.type == FieldType::kCompletion) {
      completion(f, value);
      return;
    }
    if (f.type == FieldType::kRange && !value.is_null()) {
      SegmentBuilder& b = *builder;
      uint32_t h = b.field(f.path, f.options());
      try {
        auto [lo, hi] = encode_range(f, value);
        b.add_keyword(h, lo + hi);
      } catch (const Error& e) {
        if (f.ignore_malformed) ignored.push_back(f.path);
        else throw Error(ErrorCode::kDocumentMapperParsing, "failed to parse field [" + f.path + "] of type [" + f.type_name + "] in document. Preview of field's value: '" + (value.is_object() ? json::serialize(value) : json_text(value)) + "'").detail(e.message());
      }
      return;
    }
    if (value.is_null()) {
      if (f.null_value) single(f, json::value(*f.null_value));
      for (const std::string& sub : f.multi_fields) field(m.fields_.at(sub), value);
      return;
    }
    single(f, value);
  }
  void single(const MappedField& f, const json::value& value) {
    if (value.is_object() && f.type != FieldType::kGeoPoint) {
      if (f.ignore_malformed) {
        ignored.push_back(f.path);
        return;
      }
      mapper_error("failed to parse field [" + f.path + "] of type [" + f.type_name + "]");
    }
    try {
      put(f, value);
    } catch (const Error& e) {
      if (f.ignore_malformed && e.code() != ErrorCode::kDocumentMapperParsing) ignored.push_back(f.path);
      else if (e.code() == ErrorCode::kDocumentMapperParsing) throw;
      else {
        std::string m = "failed to parse field [" + f.path + "] of type [" + f.type_name + "] in document";
        std::string preview = value.is_object() ? json::serialize(value) : json_text(value);
        throw Error(ErrorCode::kDocumentMapperParsing, m + ". Preview of field's value: '" + preview + "'").detail(e.message());
      }
    }
    for (const std::string& sub : f.multi_fields) field(m.fields_.at(sub), value);
    for (const std::string& target : f.copy_to) {
      auto it = m.fields_.find(target);
      if (it != m.fields_.end()) field(it->second, value);
    }
  }
  // Each input is a term: its analysed form, its weight, itself and the contexts it stands in.
  void completion(const MappedField& f, const json::value& value) {
    if (value.is_null()) return;
    std::vector<std::string> inputs;
    int64_t weight = 1;
    json::object contexts;
    if (value.is_object()) {
      for (auto& [k, v] : value.as_object()) {
        if (k == "input") {
          if (v.is_array()) for (auto& e : v.as_array()) inputs.push_back(json_text(e));
          else if (v.is_string()) inputs.push_back(json_text(v));
          else mapper_error("failed to parse field [" + f.path + "] of type [completion] in document");
        } else if (k == "weight") {
          char* end;
          std::string w = json_text(v);
          weight = std::strtoll(w.c_str(), &end, 10);
          if (*end != 0) illegal_mapping("Weight must be an integer, but was [" + w + "]");
          if (weight < 0) illegal_mapping("weight must be in the interval [0..2147483647], but was [" + std::to_string(weight) + "]");
        } else if (k == "contexts") {
          if (v.is_object()) contexts = v.as_object();
        } else {
          mapper_error("failed to parse field [" + f.path + "] of type [completion] in document");
        }
      }
    } else if (value.is_string()) {
      inputs.push_back(json_text(value));
    } else {
      mapper_error("failed to parse field [" + f.path + "] of type [completion] in document");
    }
    SegmentBuilder& b = *builder;
    uint32_t h = b.field(f.path, f.options());
    for (const std::string& input : inputs) {
      if (input.empty()) illegal_mapping("value must have a length > 0");
      f.analyzer->analyze(input, tokens);
      std::string key;
      for (const Token& t : tokens.tokens) {
        if (!key.empty()) key += ' ';
        key += tokens.term(t);
      }
      std::string term = key + '\0' + std::to_string(weight) + '\0' + input + '\0' + json::serialize(contexts);
      if (term.size() < 32000) b.add_term(h, term);
    }
  }
  void put(const MappedField& f, const json::value& value) {
    FieldOptions o = f.options();
    SegmentBuilder& b = *builder;
    uint32_t h = b.field(f.path, o);
    switch (f.type) {
      case FieldType::kText: {
        std::string text = json_text(value);
        if (o.postings) {
          f.analyzer->analyze(text, tokens);
          b.add_tokens(h, tokens, f.position_increment_gap);
        }
        if (o.column != ColumnKind::kNone) {
          f.analyzer->analyze(text, tokens);
          for (const Token& t : tokens.tokens) b.add_keyword(h, tokens.term(t));
        }
        return;
      }
      case FieldType::kKeyword: {
        std::string text = json_text(value);
        if (f.normalizer) text = f.normalizer->normalize(text);
        if (static_cast<int64_t>(text.size()) > f.ignore_above && static_cast<int64_t>(utf16_length(text)) > f.ignore_above) {
          ignored.push_back(f.path);
          return;
        }
        if (text.size() > 32766 && (o.postings || o.column != ColumnKind::kNone)) {
          illegal_mapping("Document contains at least one immense term in field=\"" + f.path +
                  "\" (whose UTF8 encoding is longer than the max length 32766), all of which were skipped.");
        }
        if (o.postings) b.add_term(h, text);
        if (o.column != ColumnKind::kNone) b.add_keyword(h, text);
        return;
      }
      case FieldType::kIp: {
        auto ip = encode_ip(json_text(value));
        if (!ip) illegal_mapping("'" + json_text(value) + "' is not an IP string literal.");
        if (o.postings) b.add_term(h, *ip);
        if (o.column != ColumnKind::kNone) b.add_keyword(h, *ip);
        return;
      }
      default:
        if (f.type_name == "token_count") {
          f.analyzer->analyze(json_text(value), tokens);
          int64_t n = 0;
          for (const Token& t : tokens.tokens) n += t.position_increment > 0 ? t.position_increment : 0;
          b.add_int(h, n);
          return;
        }
        b.add_int(h, f.column_value(value));
        return;
    }
  }
  void flattened(const MappedField& f, const json::object& o, const std::string& prefix) {
    SegmentBuilder& b = *builder;
    uint32_t root = b.field(f.path, f.options());
    uint32_t keyed = b.field(f.path + "._keyed", f.options());
    std::function<void(const std::string&, const json::value&)> leaf = [&](const std::string& key, const json::value& v) {
      if (v.is_array()) {
        for (auto& e : v.as_array()) leaf(key, e);
      } else if (v.is_object()) {
        for (auto& [k, e] : v.as_object()) leaf(key + "." + std::string(k), e);
      } else if (!v.is_null()) {
        std::string text = json_text(v);
        if (static_cast<int64_t>(text.size()) > f.ignore_above) return;
        b.add_term(root, text);
        b.add_keyword(root, text);
        std::string both = key + '\0' + text;
        b.add_term(keyed, both);
        b.add_keyword(keyed, both);
      }
    };
    for (auto& [k, v] : o) leaf(prefix + std::string(k), v);
  }
};

void Mapping::index(const json::object& source, uint64_t row_id, const Extra& extra, SegmentBuilder& b) const {
  static const FieldOptions kId = {.postings = true, .column = ColumnKind::kKeyword};
  static const FieldOptions kNumber = {.column = ColumnKind::kInt64};
  b.begin(row_id);
  uint32_t id = b.field("_id", kId);
  b.add_term(id, extra.id);
  b.add_keyword(id, extra.id);
  if (!extra.routing.empty()) {
    uint32_t r = b.field("_routing", kId);
    b.add_term(r, extra.routing);
    b.add_keyword(r, extra.routing);
  }
  b.add_int(b.field("_seq_no", kNumber), extra.seq_no);
  b.add_int(b.field("_version", kNumber), extra.version);
  Indexer ix{*this, &b, row_id, {}, {}};
  ix.walk(source, "");
  std::sort(ix.ignored.begin(), ix.ignored.end());
  ix.ignored.erase(std::unique(ix.ignored.begin(), ix.ignored.end()), ix.ignored.end());
  for (const std::string& path : ix.ignored) {
    uint32_t f = b.field("_ignored", kId);
    b.add_term(f, path);
    b.add_keyword(f, path);
  }
  b.end();
}

}  // namespace stele::segments

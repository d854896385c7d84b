#include "base/error.h"
#include "segments/dsl/dsl_parts.h"

namespace stele::segments {

namespace {

constexpr int kMaxDepth = 100;
[[noreturn]] void parse_error(std::string m) { throw Error(ErrorCode::kParsing, std::move(m)); }
[[noreturn]] void illegal(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }

float number(const json::value& v) {
  if (v.is_number()) return static_cast<float>(v.to_number<double>());
  return std::strtof(json_text(v).c_str(), nullptr);
}
const json::object& body(const json::value& v, const std::string& name) {
  if (!v.is_object()) parse_error("[" + name + "] query malformed, no start_object after query name");
  return v.as_object();
}
std::pair<std::string, float> split_boost(const std::string& f) {
  size_t caret = f.rfind('^');
  if (caret == std::string::npos) return {f, 1.0f};
  return {f.substr(0, caret), std::strtof(f.c_str() + caret + 1, nullptr)};
}

// {"field": value} or {"field": {"<value_key>": ..., options}}, with boost and _name beside or inside.
struct FieldBody {
  std::string field;
  json::value value;
  json::object options;
};
FieldBody field_body(const json::object& o, const std::string& query, std::string_view value_key) {
  FieldBody out;
  for (auto& [k, v] : o) {
    std::string key(k);
    if (key == "boost" || key == "_name" || key == "case_insensitive") {
      out.options[k] = v;
      continue;
    }
    if (v.is_array()) parse_error("[" + query + "] query does not support arrays");
    if (!out.field.empty()) {
      parse_error("[" + query + "] query doesn't support multiple fields, found [" + out.field + "] and [" + key + "]");
    }
    out.field = key;
    if (v.is_object()) {
      for (auto& [k2, v2] : v.as_object()) {
        if (k2 == value_key || (query == "wildcard" && k2 == "wildcard") || (query == "term" && k2 == "term")) out.value = v2;
        else out.options[k2] = v2;
      }
    } else {
      out.value = v;
    }
  }
  if (out.field.empty()) illegal("field name is null or empty");
  return out;
}
void common(Query& q, const json::object& o) {
  if (auto* b = o.if_contains("boost")) q.boost *= number(*b);
  if (auto* n = o.if_contains("_name")) q.name = json_text(*n);
}
void allow(const json::object& o, const std::string& query, std::initializer_list<std::string_view> keys) {
  for (auto& [k, v] : o) {
    if (k == "boost" || k == "_name") continue;
    if (std::find(keys.begin(), keys.end(), std::string_view(k)) == keys.end()) {
      parse_error("[" + query + "] query does not support [" + std::string(k) + "]");
    }
  }
}
QueryPtr finish(const QueryPtr& q, const json::object& o) {
  if (!o.contains("boost") && !o.contains("_name")) return q;
  auto c = std::make_shared<Query>(*q);
  common(*c, o);
  return c;
}
std::string str(const json::object& o, std::string_view k, std::string d = {}) {
  auto* v = o.if_contains(k);
  return v == nullptr || v->is_null() ? d : json_text(*v);
}
bool flag(const json::object& o, std::string_view k, bool d) {
  auto* v = o.if_contains(k);
  return v == nullptr ? d : json_text(*v) == "true";
}
int integer(const json::object& o, std::string_view k, int d) {
  auto* v = o.if_contains(k);
  return v == nullptr ? d : std::atoi(json_text(*v).c_str());
}

std::vector<QueryPtr> query_list(const json::value& v, DslContext& ctx) {
  std::vector<QueryPtr> out;
  if (v.is_array()) for (auto& e : v.as_array()) out.push_back(parse_query(e, ctx));
  else out.push_back(parse_query(v, ctx));
  return out;
}

MatchOptions match_options(const json::object& o) {
  MatchOptions m;
  m.op = str(o, "operator", "or");
  m.minimum_should_match = str(o, "minimum_should_match");
  m.fuzziness = str(o, "fuzziness");
  m.analyzer = str(o, "analyzer");
  m.zero_terms = str(o, "zero_terms_query", "none");
  m.prefix_length = integer(o, "prefix_length", 0);
  m.max_expansions = integer(o, "max_expansions", 50);
  m.slop = integer(o, "slop", 0);
  m.transpositions = flag(o, "fuzzy_transpositions", true);
  m.lenient = flag(o, "lenient", false);
  std::string op = m.op;
  for (char& c : op) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (op != "and" && op != "or") illegal("operator needs to be either [AND] or [OR], but not [" + m.op + "]");
  m.op = op;
  return m;
}

QueryPtr parse_match(const std::string& name, const json::value& v, DslContext& ctx) {
  FieldBody f = field_body(body(v, name), name, "query");
  if (f.value.is_null() && !f.options.contains("query")) illegal("[" + name + "] requires query value");
  static const std::set<std::string_view> kKnown = {
      "operator", "minimum_should_match", "fuzziness", "analyzer", "zero_terms_query", "prefix_length", "max_expansions", "slop",
      "fuzzy_transpositions", "lenient", "auto_generate_synonyms_phrase_query", "fuzzy_rewrite", "boost", "_name"};
  for (auto& [k, x] : f.options) {
    if (kKnown.count(k) == 0) parse_error("[" + name + "] query does not support [" + std::string(k) + "]");
  }
  MatchOptions m = match_options(f.options);
  m.kind = name == "match" ? MatchOptions::kMatch : name == "match_phrase" ? MatchOptions::kPhrase
           : name == "match_phrase_prefix" ? MatchOptions::kPhrasePrefix : MatchOptions::kBoolPrefix;
  return finish(match_field(f.field, f.value, m, ctx), f.options);
}

QueryPtr cross_fields(const std::vector<std::pair<std::string, float>>& fields, const json::value& text, const MatchOptions& m, DslContext& ctx, float tie) {
  // Terms are looked up over all fields at once: each position matches in the best of them.
  const MappedField* first = nullptr;
  for (auto& [n, b] : fields) {
    const MappedField* f = ctx.mapping->field(n);
    if (f != nullptr && f->type == FieldType::kText) {
      first = f;
      break;
    }
  }
  TokenBuffer tokens;
  if (first != nullptr) first->search_analyzer->analyze(json_text(text), tokens);
  else tokens.add(json_text(text), 0, 0, "word");
  auto q = make_query(QueryKind::kBool);
  for (const Token& t : tokens.tokens) {
    auto d = make_query(QueryKind::kDisMax);
    d->tie_breaker = tie;
    for (auto& [n, b] : fields) {
      try {
        const MappedField* f = ctx.mapping->field(n);
        if (f == nullptr) continue;
        d->should.push_back(with_boost(term_field(n, json::value(std::string(tokens.term(t))), false, ctx), b));
      } catch (const Error&) {
        if (!m.lenient) throw;
      }
    }
    (m.op == "and" ? q->must : q->should).push_back(d);
  }
  if (m.op != "and") {
    q->minimum_should_match = std::max(1, minimum_should_match(m.minimum_should_match, static_cast<int>(q->should.size())));
    if (q->should.empty()) return make_query(QueryKind::kMatchNone);
  }
  return q;
}

QueryPtr parse_multi_match(const json::value& v, DslContext& ctx) {
  const json::object& o = body(v, "multi_match");
  auto* text = o.if_contains("query");
  if (text == nullptr) parse_error("No text specified for multi_match query");
  std::vector<std::pair<std::string, float>> given;
  if (auto* f = o.if_contains("fields")) {
    if (f->is_array()) for (auto& e : f->as_array()) given.push_back(split_boost(json_text(e)));
    else given.push_back(split_boost(json_text(*f)));
  }
  auto fields = resolve_fields(given, ctx);
  std::string type = str(o, "type", "best_fields");
  MatchOptions m = match_options(o);
  if (given.empty()) m.lenient = true;
  float tie = 0;
  if (type == "most_fields") tie = 1;
  if (auto* t = o.if_contains("tie_breaker")) tie = number(*t);
  if (o.contains("slop") && type == "bool_prefix") illegal("[slop] not allowed for type [bool_prefix]");
  if (o.contains("fuzziness") && (type == "cross_fields" || type == "phrase" || type == "phrase_prefix")) illegal("Fuzziness not allowed for type [" + type + "]");
  if (type == "cross_fields") return finish(cross_fields(fields, *text, m, ctx, tie), o);
  if (type == "phrase") m.kind = MatchOptions::kPhrase;
  else if (type == "phrase_prefix") m.kind = MatchOptions::kPhrasePrefix;
  else if (type == "bool_prefix") m.kind = MatchOptions::kBoolPrefix;
  else if (type != "best_fields" && type != "most_fields") parse_error("failed to parse [multi_match] query type [" + type + "]. unknown type.");
  auto d = make_query(QueryKind::kDisMax);
  d->tie_breaker = type == "bool_prefix" ? 1.0f : tie;
  for (auto& [name, boost] : fields) {
    try {
      d->should.push_back(with_boost(match_field(name, *text, m, ctx), boost));
    } catch (const Error&) {
      if (!m.lenient) throw;
    }
  }
  if (d->should.empty()) return make_query(QueryKind::kMatchNone);
  return finish(d, o);
}

QueryPtr parse_string_query(const json::value& v, bool simple, DslContext& ctx) {
  const json::object& o = body(v, simple ? "simple_query_string" : "query_string");
  QueryStringOptions q;
  q.simple = simple;
  if (!o.contains("query")) parse_error(std::string("[") + (simple ? "simple_query_string" : "query_string") + "] query text missing");
  if (auto* f = o.if_contains("fields"); f != nullptr && f->is_array()) {
    for (auto& e : f->as_array()) q.fields.push_back(split_boost(json_text(e)));
  }
  if (auto* f = o.if_contains("default_field")) q.fields.push_back(split_boost(json_text(*f)));
  if (q.fields.size() == 1 && q.fields[0].first == "*") q.fields.clear();
  std::string op = str(o, "default_operator", "or");
  for (char& c : op) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  q.default_operator = op;
  q.analyzer = str(o, "analyzer");
  q.quote_analyzer = str(o, "quote_analyzer");
  q.minimum_should_match = str(o, "minimum_should_match");
  q.lenient = flag(o, "lenient", q.fields.empty());
  q.allow_leading_wildcard = flag(o, "allow_leading_wildcard", true);
  q.phrase_slop = integer(o, "phrase_slop", 0);
  q.fuzzy_prefix_length = integer(o, "fuzzy_prefix_length", 0);
  q.fuzzy_max_expansions = integer(o, "fuzzy_max_expansions", 50);
  q.fuzziness = str(o, "fuzziness", "AUTO");
  if (auto* t = o.if_contains("tie_breaker")) q.tie_breaker = number(*t);
  if (simple && o.contains("flags")) {
    std::string s = str(o, "flags");
    size_t i = 0;
    while (i <= s.size()) {
      size_t e = std::min(s.find('|', i), s.size());
      q.flags.insert(s.substr(i, e - i));
      i = e + 1;
    }
  }
  return finish(parse_query_string(str(o, "query"), q, ctx), o);
}

QueryPtr parse_terms(const json::value& v, DslContext& ctx) {
  const json::object& o = body(v, "terms");
  std::string field;
  const json::value* list = nullptr;
  for (auto& [k, e] : o) {
    if (k == "boost" || k == "_name") continue;
    if (list != nullptr) parse_error("[terms] query does not support multiple fields");
    field = std::string(k);
    list = &e;
  }
  if (list == nullptr) parse_error("[terms] query requires a field name, followed by array of terms or a document lookup specification");
  std::vector<json::value> values;
  if (list->is_object()) {
    const json::object& l = list->as_object();
    if (!l.contains("index")) illegal("[terms] query lookup element requires specifying the index.");
    auto source = ctx.fetch ? ctx.fetch(str(l, "index"), str(l, "id")) : std::nullopt;
    if (source) {
      std::string path = str(l, "path");
      std::function<void(const json::value&, std::string_view)> dig = [&](const json::value& x, std::string_view p) {
        if (x.is_array()) {
          for (auto& e : x.as_array()) dig(e, p);
        } else if (p.empty()) {
          if (!x.is_null()) values.push_back(x);
        } else if (x.is_object()) {
          size_t dot = p.find('.');
          if (auto* c = x.as_object().if_contains(p.substr(0, dot))) dig(*c, dot == std::string_view::npos ? std::string_view() : p.substr(dot + 1));
        }
      };
      dig(*source, path);
    }
  } else if (list->is_array()) {
    for (auto& e : list->as_array()) {
      if (e.is_null()) illegal("No value specified for terms query");
      values.push_back(e);
    }
  } else {
    parse_error("[terms] query does not support [" + field + "]");
  }
  if (static_cast<int64_t>(values.size()) > ctx.max_terms) {
    illegal("The number of terms [" + std::to_string(values.size()) + "] used in the Terms Query request has exceeded the allowed maximum of [" + std::to_string(ctx.max_terms) + "]. This maximum can be set by changing the [index.max_terms_count] index level setting.");
  }
  const MappedField* f = ctx.mapping->field(field);
  auto c = make_query(QueryKind::kConstant);
  common(*c, o);
  if (f != nullptr && (f->type == FieldType::kKeyword || f->type == FieldType::kText)) {
    auto q = make_query(QueryKind::kTermSet);
    q->field = f->path;
    for (auto& x : values) q->terms.push_back(f->normalizer ? f->normalizer->normalize(json_text(x)) : json_text(x));
    c->filter.push_back(q);
    return c;
  }
  auto any = make_query(QueryKind::kBool);
  any->minimum_should_match = 1;
  bool exact = f != nullptr && (f->is_integer() || f->type == FieldType::kBoolean);
  if (exact) {
    auto q = make_query(QueryKind::kColumnSet);
    q->field = f->path;
    for (auto& x : values) {
      QueryPtr t = term_field(field, x, false, ctx);
      if (t->kind == QueryKind::kColumnRange) q->values.push_back(t->lo);
    }
    std::sort(q->values.begin(), q->values.end());
    c->filter.push_back(q);
    return c;
  }
  for (auto& x : values) any->should.push_back(term_field(field, x, false, ctx));
  c->filter.push_back(any->should.empty() ? QueryPtr(make_query(QueryKind::kMatchNone)) : QueryPtr(any));
  return c;
}

QueryPtr parse_range(const json::value& v, DslContext& ctx) {
  const json::object& o = body(v, "range");
  std::string field;
  RangeBounds b;
  json::object options;
  for (auto& [k, e] : o) {
    if (k == "boost" || k == "_name") {
      options[k] = e;
      continue;
    }
    if (!field.empty()) parse_error("[range] query doesn't support multiple fields, found [" + field + "] and [" + std::string(k) + "]");
    if (!e.is_object()) parse_error("[range] query does not support [" + std::string(k) + "]");
    field = std::string(k);
    for (auto& [p, x] : e.as_object()) {
      if (p == "gt" || p == "gte" || p == "from") {
        b.has_lo = !x.is_null();
        b.lo = x;
        if (p != "from") b.include_lo = p == "gte";
      } else if (p == "lt" || p == "lte" || p == "to") {
        b.has_hi = !x.is_null();
        b.hi = x;
        if (p != "to") b.include_hi = p == "lte";
      } else if (p == "include_lower") b.include_lo = json_text(x) == "true";
      else if (p == "include_upper") b.include_hi = json_text(x) == "true";
      else if (p == "format") b.format = json_text(x);
      else if (p == "time_zone") b.time_zone = json_text(x);
      else if (p == "boost" || p == "_name") options[p] = x;
      else if (p == "relation") {
        b.relation = json_text(x);
        for (char& ch : b.relation) ch = static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
        if (b.relation != "intersects" && b.relation != "within" && b.relation != "contains") illegal("[range] query does not support relation [" + json_text(x) + "]");
      }
      else parse_error("[range] query does not support [" + std::string(p) + "]");
    }
  }
  if (field.empty()) illegal("field name is null or empty");
  return finish(range_field(field, b, ctx), options);
}

QueryPtr parse_bool(const json::value& v, DslContext& ctx) {
  const json::object& o = body(v, "bool");
  auto q = make_query(QueryKind::kBool);
  for (auto& [k, e] : o) {
    if (k == "must") q->must = query_list(e, ctx);
    else if (k == "should") q->should = query_list(e, ctx);
    else if (k == "filter") q->filter = query_list(e, ctx);
    else if (k == "must_not" || k == "mustNot") q->must_not = query_list(e, ctx);
    else if (k == "minimum_should_match" || k == "boost" || k == "_name" || k == "adjust_pure_negative") {}
    else parse_error("[bool] query does not support [" + std::string(k) + "]");
  }
  size_t clauses = q->must.size() + q->should.size() + q->filter.size() + q->must_not.size();
  if (clauses > 10000) throw Error(ErrorCode::kTooManyClauses, "Query contains too many nested clauses; maxClauseCount is set to 10000");
  if (clauses == 0) return finish(make_query(QueryKind::kMatchAll), o);
  if (auto* m = o.if_contains("minimum_should_match")) {
    q->minimum_should_match = minimum_should_match(json_text(*m), static_cast<int>(q->should.size()));
    if (q->minimum_should_match == 0 && q->must.empty() && q->filter.empty() && !q->should.empty() && q->must_not.empty()) q->minimum_should_match = 0;
  }
  if (q->must.empty() && q->should.empty() && q->filter.empty()) {
    // Only exclusions: everything else, scoring zero.
    auto all = make_query(QueryKind::kMatchAll);
    q->filter.push_back(all);
  }
  common(*q, o);
  return q;
}

GeoPoint point_of(const json::value& v) {
  try {
    return parse_point(v);
  } catch (const Error& e) {
    throw Error(ErrorCode::kParsing, e.message());
  }
}

QueryPtr parse_geo_distance(const json::value& v, DslContext& ctx) {
  const json::object& o = body(v, "geo_distance");
  auto q = make_query(QueryKind::kGeoDistance);
  bool ignore = flag(o, "ignore_unmapped", false);
  std::string distance, unit = "m";
  for (auto& [k, e] : o) {
    if (k == "distance") distance = json_text(e);
    else if (k == "unit") unit = json_text(e);
    else if (k == "boost" || k == "_name" || k == "distance_type" || k == "validation_method" || k == "ignore_unmapped") {}
    else {
      q->field = std::string(k);
      q->point = point_of(e);
    }
  }
  if (q->field.empty()) parse_error("geo_distance requires a field");
  if (distance.empty()) illegal("geo_distance requires 'distance' to be specified");
  auto d = parse_distance_m(distance.find_first_not_of("0123456789.") == std::string::npos ? distance + unit : distance);
  if (!d) illegal("failed to parse distance [" + distance + "]");
  if (*d <= 0) illegal("distance must be greater than zero");
  q->distance_m = *d;
  const MappedField* f = ctx.mapping->field(q->field);
  if (f == nullptr) {
    if (ignore) return make_query(QueryKind::kMatchNone);
    throw Error(ErrorCode::kQueryShard, "failed to find geo field [" + q->field + "]");
  }
  if (f->type != FieldType::kGeoPoint) throw Error(ErrorCode::kQueryShard, "failed to create query: Field [" + q->field + "] is of unsupported type [" + f->type_name + "] for [geo_distance] query");
  q->field = f->path;
  common(*q, o);
  return q;
}

QueryPtr parse_geo_box(const json::value& v, DslContext& ctx) {
  const json::object& o = body(v, "geo_bounding_box");
  auto q = make_query(QueryKind::kGeoBox);
  for (auto& [k, e] : o) {
    if (k == "boost" || k == "_name" || k == "type" || k == "validation_method" || k == "ignore_unmapped") continue;
    q->field = std::string(k);
    if (!e.is_object()) parse_error("failed to parse bounding box");
    const json::object& b = e.as_object();
    if (auto* w = b.if_contains("wkt")) {
      double a, z, t, bo;
      if (std::sscanf(json_text(*w).c_str(), "BBOX (%lf, %lf, %lf, %lf)", &a, &z, &t, &bo) != 4 && std::sscanf(json_text(*w).c_str(), "BBOX(%lf,%lf,%lf,%lf)", &a, &z, &t, &bo) != 4) parse_error("failed to parse WKT bounding box");
      q->point = {t, a};
      q->corner = {bo, z};
      continue;
    }
    bool some = false;
    if (auto* p = b.if_contains("top_left")) { q->point = point_of(*p); some = true; }
    if (auto* p = b.if_contains("bottom_right")) { q->corner = point_of(*p); some = true; }
    if (auto* p = b.if_contains("top_right")) { GeoPoint g = point_of(*p); q->point.lat = g.lat; q->corner.lon = g.lon; some = true; }
    if (auto* p = b.if_contains("bottom_left")) { GeoPoint g = point_of(*p); q->corner.lat = g.lat; q->point.lon = g.lon; some = true; }
    auto num = [&](const char* key, double& out) {
      if (auto* p = b.if_contains(key)) {
        out = p->is_number() ? p->to_number<double>() : std::strtod(json_text(*p).c_str(), nullptr);
        some = true;
      }
    };
    num("top", q->point.lat);
    num("left", q->point.lon);
    num("bottom", q->corner.lat);
    num("right", q->corner.lon);
    if (!some) parse_error("failed to parse bounding box. [top_left, bottom_right] required");
  }
  if (q->point.lat < q->corner.lat) illegal("top is below bottom corner: " + java_double(q->point.lat) + " vs. " + java_double(q->corner.lat));
  const MappedField* f = ctx.mapping->field(q->field);
  if (f == nullptr) {
    if (flag(o, "ignore_unmapped", false)) return make_query(QueryKind::kMatchNone);
    throw Error(ErrorCode::kQueryShard, "failed to find geo field [" + q->field + "]");
  }
  q->field = f->path;
  common(*q, o);
  return q;
}

ScoreFunction parse_function(const json::object& o, DslContext& ctx) {
  ScoreFunction f;
  if (auto* w = o.if_contains("weight")) f.weight = static_cast<double>(number(*w));
  if (auto* q = o.if_contains("filter")) f.filter = parse_query(*q, ctx);
  for (auto& [k, v] : o) {
    if (k == "weight" || k == "filter") continue;
    if (k == "script_score") {
      double weight = f.weight;
      QueryPtr filter = f.filter;
      f = script_function(body(v, "script_score"), ctx);
      f.weight = weight;
      f.filter = filter;
      continue;
    }
    if (k == "random_score") {
      f.kind = ScoreFunction::kRandom;
      if (v.is_object()) f.seed = std::hash<std::string>()(str(v.as_object(), "seed", std::to_string(ctx.now_ms)));
      continue;
    }
    if (k == "field_value_factor") {
      const json::object& b = body(v, "field_value_factor");
      f.kind = ScoreFunction::kFieldValue;
      const MappedField* m = ctx.mapping->field(str(b, "field"));
      f.field = m != nullptr ? m->path : str(b, "field");
      if (auto* x = b.if_contains("factor")) f.factor = static_cast<double>(number(*x));
      f.modifier = str(b, "modifier", "none");
      for (char& c : f.modifier) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (auto* x = b.if_contains("missing")) {
        f.has_missing = true;
        f.missing = static_cast<double>(number(*x));
      }
      if (m == nullptr && !f.has_missing) illegal("Unable to find a field mapper for field [" + f.field + "]. No 'missing' value defined.");
      continue;
    }
    if (k == "gauss" || k == "exp" || k == "linear") {
      f.kind = k == "gauss" ? ScoreFunction::kGauss : k == "exp" ? ScoreFunction::kExp : ScoreFunction::kLinear;
      for (auto& [field, spec] : body(v, std::string(k))) {
        if (field == "multi_value_mode") {
          f.multi_mode = json_text(spec);
          continue;
        }
        const MappedField* m = ctx.mapping->field(field);
        if (m == nullptr) parse_error("unknown field [" + std::string(field) + "]");
        f.field = m->path;
        const json::object& s = body(spec, std::string(k));
        if (auto* d = s.if_contains("decay")) f.decay = static_cast<double>(number(*d));
        if (f.decay <= 0 || f.decay >= 1) throw Error(ErrorCode::kInvalidParameterValue, "decay must be in the range (0..1)");
        if (m->type == FieldType::kGeoPoint) {
          f.geo = true;
          f.geo_origin = point_of(s.at("origin"));
          f.scale = parse_distance_m(str(s, "scale")).value_or(1);
          f.offset = parse_distance_m(str(s, "offset", "0m")).value_or(0);
        } else if (m->is_date()) {
          std::string origin = str(s, "origin", "now");
          f.origin = static_cast<double>(m->format->parse_math(origin, ctx.now_ms, false, nullptr));
          f.scale = parse_time_ms(str(s, "scale")).value_or(1);
          f.offset = parse_time_ms(str(s, "offset", "0")).value_or(0);
        } else {
          f.origin = std::strtod(str(s, "origin").c_str(), nullptr);
          f.scale = std::strtod(str(s, "scale").c_str(), nullptr);
          f.offset = std::strtod(str(s, "offset", "0").c_str(), nullptr);
        }
        if (f.scale <= 0) throw Error(ErrorCode::kInvalidParameterValue, "scale must be > 0.0");
      }
      continue;
    }
    if (k == "boost" || k == "_name") continue;
    parse_error("failed to parse [function_score] query. field [" + std::string(k) + "] is not supported");
  }
  return f;
}

QueryPtr parse_function_score(const json::value& v, DslContext& ctx) {
  const json::object& o = body(v, "function_score");
  auto q = make_query(QueryKind::kFunctionScore);
  json::object single;
  for (auto& [k, e] : o) {
    if (k == "query") q->must.push_back(parse_query(e, ctx));
    else if (k == "functions") {
      if (!e.is_array()) parse_error("failed to parse [function_score] query. functions must be an array");
      for (auto& f : e.as_array()) q->functions.push_back(parse_function(body(f, "function_score"), ctx));
    } else if (k == "score_mode") q->score_mode = json_text(e);
    else if (k == "boost_mode") q->boost_mode = json_text(e);
    else if (k == "max_boost") q->max_boost = static_cast<double>(number(e));
    else if (k == "min_score") {
      q->has_min_score = true;
      q->min_score = static_cast<double>(number(e));
    } else if (k != "boost" && k != "_name") single[k] = e;
  }
  if (!single.empty()) q->functions.push_back(parse_function(single, ctx));
  if (q->must.empty()) q->must.push_back(make_query(QueryKind::kMatchAll));
  common(*q, o);
  return q;
}

QueryPtr parse_more_like_this(const json::value& v, DslContext& ctx) {
  const json::object& o = body(v, "more_like_this");
  std::vector<std::pair<std::string, float>> given;
  if (auto* f = o.if_contains("fields"); f != nullptr && f->is_array()) {
    if (f->as_array().empty()) illegal("more_like_this requires 'fields' to be non-empty");
    for (auto& e : f->as_array()) given.emplace_back(json_text(e), 1.0f);
  }
  auto* like = o.if_contains("like");
  if (like == nullptr) illegal("more_like_this requires 'like' to be specified");
  auto fields = resolve_fields(given, ctx);
  int min_tf = integer(o, "min_term_freq", 2), max_terms = integer(o, "max_query_terms", 25);
  int min_len = integer(o, "min_word_length", 0), max_len = integer(o, "max_word_length", 0);
  std::set<std::string> stop;
  if (auto* s = o.if_contains("stop_words"); s != nullptr && s->is_array()) for (auto& e : s->as_array()) stop.insert(json_text(e));
  std::map<std::pair<std::string, std::string>, int> freq;
  auto exclude = make_query(QueryKind::kTermSet);
  exclude->field = "_id";
  auto add = [&](const std::string& field, const json::value& text) {
    const MappedField* f = ctx.mapping->field(field);
    if (f == nullptr || !f->is_string()) return;
    if (f->type == FieldType::kKeyword) {
      ++freq[{f->path, json_text(text)}];
      return;
    }
    TokenBuffer b;
    f->analyzer->analyze(json_text(text), b);
    for (const Token& t : b.tokens) {
      std::string term(b.term(t));
      if (stop.count(term) != 0 || static_cast<int>(term.size()) < min_len || (max_len > 0 && static_cast<int>(term.size()) > max_len)) continue;
      ++freq[{f->path, term}];
    }
  };
  std::function<void(const json::value&)> one = [&](const json::value& l) {
    if (l.is_array()) {
      for (auto& e : l.as_array()) one(e);
    } else if (l.is_object()) {
      const json::object& d = l.as_object();
      json::object source;
      if (auto* doc = d.if_contains("doc"); doc != nullptr && doc->is_object()) source = doc->as_object();
      else {
        std::string index = str(d, "_index", ctx.index_name), id = str(d, "_id");
        auto s = ctx.fetch ? ctx.fetch(index, id) : std::nullopt;
        if (s) source = *s;
        exclude->terms.push_back(id);
      }
      std::function<void(const std::string&, const json::value&)> walk = [&](const std::string& path, const json::value& x) {
        if (x.is_object()) for (auto& [k, e] : x.as_object()) walk(path.empty() ? std::string(k) : path + "." + std::string(k), e);
        else if (x.is_array()) for (auto& e : x.as_array()) walk(path, e);
        else if (!x.is_null()) {
          for (auto& [f, b] : fields) {
            const MappedField* m = ctx.mapping->field(f);
            if (f == path || (m != nullptr && m->parent == path)) add(f, x);
          }
        }
      };
      walk("", source);
    } else {
      for (auto& [f, b] : fields) add(f, l);
    }
  };
  one(*like);
  std::vector<std::pair<int, std::pair<std::string, std::string>>> ranked;
  for (auto& [k, n] : freq) if (n >= min_tf) ranked.emplace_back(n, k);
  std::stable_sort(ranked.begin(), ranked.end(), [](auto& a, auto& b) { return a.first > b.first; });
  if (ranked.size() > static_cast<size_t>(max_terms)) ranked.resize(static_cast<size_t>(max_terms));
  auto q = make_query(QueryKind::kBool);
  for (auto& [n, k] : ranked) {
    auto t = make_query(QueryKind::kTerm);
    t->field = k.first;
    t->text = k.second;
    q->should.push_back(t);
  }
  if (q->should.empty()) return make_query(QueryKind::kMatchNone);
  q->minimum_should_match = std::max(1, minimum_should_match(str(o, "minimum_should_match", "30%"), static_cast<int>(q->should.size())));
  if (!exclude->terms.empty() && !flag(o, "include", false)) q->must_not.push_back(exclude);
  common(*q, o);
  return q;
}

QueryPtr parse_known(const std::string& name, const json::value& v, DslContext& ctx) {
  if (name == "match_all" || name == "match_none") {
    auto q = make_query(name == "match_all" ? QueryKind::kMatchAll : QueryKind::kMatchNone);
    const json::object& o = body(v, name);
    allow(o, name, {});
    common(*q, o);
    return q;
  }
  if (name == "match" || name == "match_phrase" || name == "match_phrase_prefix" || name == "match_bool_prefix") return parse_match(name, v, ctx);
  if (name == "multi_match") return parse_multi_match(v, ctx);
  if (name == "query_string") return parse_string_query(v, false, ctx);
  if (name == "simple_query_string") return parse_string_query(v, true, ctx);
  if (name == "term") {
    FieldBody f = field_body(body(v, name), name, "value");
    for (auto& [k, x] : f.options) {
      if (k != "boost" && k != "_name" && k != "case_insensitive") parse_error("[term] query does not support [" + std::string(k) + "]");
    }
    if (f.value.is_null()) illegal("value cannot be null");
    return finish(term_field(f.field, f.value, flag(f.options, "case_insensitive", false), ctx), f.options);
  }
  if (name == "terms") return parse_terms(v, ctx);
  if (name == "range") return parse_range(v, ctx);
  if (name == "exists") {
    const json::object& o = body(v, name);
    allow(o, name, {"field"});
    if (!o.contains("field")) illegal("field name is null or empty");
    return finish(exists_query(str(o, "field"), ctx), o);
  }
  if (name == "ids") {
    const json::object& o = body(v, name);
    allow(o, name, {"values", "type"});
    auto* ids = o.if_contains("values");
    if (ids == nullptr) illegal("Required [values]");
    auto s = make_query(QueryKind::kTermSet);
    s->field = "_id";
    if (ids->is_array()) for (auto& e : ids->as_array()) s->terms.push_back(json_text(e));
    else s->terms.push_back(json_text(*ids));
    auto c = make_query(QueryKind::kConstant);
    c->filter.push_back(s);
    common(*c, o);
    return c;
  }
  if (name == "prefix" || name == "wildcard" || name == "regexp") {
    FieldBody f = field_body(body(v, name), name, "value");
    if (f.value.is_null()) illegal("value cannot be null");
    QueryKind kind = name == "prefix" ? QueryKind::kPrefix : name == "wildcard" ? QueryKind::kWildcard : QueryKind::kRegexp;
    return finish(pattern_field(kind, f.field, json_text(f.value), flag(f.options, "case_insensitive", false), ctx), f.options);
  }
  if (name == "fuzzy") {
    FieldBody f = field_body(body(v, name), name, "value");
    if (f.value.is_null()) illegal("query value cannot be null");
    const MappedField* m = ctx.mapping->field(f.field);
    if (m == nullptr) return make_query(QueryKind::kMatchNone);
    if (!m->is_string()) throw Error(ErrorCode::kQueryShard, "failed to create query: Can only use fuzzy queries on keyword and text fields - not on [" + f.field + "] which is of type [" + m->type_name + "]");
    return finish(fuzzy_term(m->path, json_text(f.value), str(f.options, "fuzziness", "AUTO"), integer(f.options, "prefix_length", 0),
                             integer(f.options, "max_expansions", 50), flag(f.options, "transpositions", true)), f.options);
  }
  if (name == "bool") return parse_bool(v, ctx);
  if (name == "boosting") {
    const json::object& o = body(v, name);
    allow(o, name, {"positive", "negative", "negative_boost"});
    auto q = make_query(QueryKind::kBoosting);
    if (!o.contains("positive")) parse_error("[boosting] query requires 'positive' query to be set'");
    if (!o.contains("negative")) parse_error("[boosting] query requires 'negative' query to be set'");
    if (!o.contains("negative_boost")) parse_error("[boosting] query requires 'negative_boost' to be set to be a positive value'");
    q->must.push_back(parse_query(o.at("positive"), ctx));
    q->must_not.push_back(parse_query(o.at("negative"), ctx));
    q->negative_boost = number(o.at("negative_boost"));
    common(*q, o);
    return q;
  }
  if (name == "constant_score") {
    const json::object& o = body(v, name);
    allow(o, name, {"filter"});
    if (!o.contains("filter")) parse_error("[constant_score] requires a 'filter' element");
    if (!o.at("filter").is_object()) parse_error("unexpected token [START_ARRAY]");
    auto q = make_query(QueryKind::kConstant);
    q->filter.push_back(parse_query(o.at("filter"), ctx));
    common(*q, o);
    return q;
  }
  if (name == "dis_max") {
    const json::object& o = body(v, name);
    allow(o, name, {"queries", "tie_breaker"});
    if (!o.contains("queries")) parse_error("[dis_max] requires 'queries' field with at least one clause");
    auto q = make_query(QueryKind::kDisMax);
    q->should = query_list(o.at("queries"), ctx);
    if (auto* t = o.if_contains("tie_breaker")) q->tie_breaker = number(*t);
    common(*q, o);
    return q;
  }
  if (name == "function_score") return parse_function_score(v, ctx);
  if (name == "more_like_this") return parse_more_like_this(v, ctx);
  if (name == "geo_distance") return parse_geo_distance(v, ctx);
  if (name == "geo_bounding_box") return parse_geo_box(v, ctx);
  if (name == "nested") {
    const json::object& o = body(v, name);
    if (!o.contains("path")) parse_error("[nested] requires 'path' field");
    if (!o.contains("query")) parse_error("[nested] requires 'query' field");
    std::string path = str(o, "path");
    if (ctx.mapping->object_type(path) != "nested") {
      if (flag(o, "ignore_unmapped", false)) return make_query(QueryKind::kMatchNone);
      throw Error(ErrorCode::kQueryShard, "failed to create query: [nested] failed to find nested object under path [" + path + "]");
    }
    std::string mode = str(o, "score_mode", "avg");
    if (mode != "avg" && mode != "sum" && mode != "min" && mode != "max" && mode != "none") illegal("No score mode for child query [" + mode + "] found");
    // A nested object within another is reached through it.
    std::vector<std::string> chain;
    for (auto& p : ctx.mapping->nested_path(path)) if (p.size() > ctx.nested_path.size()) chain.push_back(p);
    std::string outer = std::exchange(ctx.nested_path, path);
    QueryPtr inner;
    try {
      inner = parse_query(o.at("query"), ctx);
    } catch (...) {
      ctx.nested_path = outer;
      throw;
    }
    ctx.nested_path = outer;
    std::shared_ptr<Query> q;
    for (size_t i = chain.size(); i-- > 0;) {
      q = make_query(QueryKind::kNested);
      q->field = chain[i];
      q->score_mode = mode;
      q->must.push_back(inner);
      if (auto* h = o.if_contains("inner_hits"); h != nullptr && i + 1 == chain.size()) q->inner_hits = json::serialize(*h);
      inner = q;
    }
    return finish(inner, o);
  }
  if (QueryPtr q = parse_rare_query(name, body(v, name), ctx)) return finish(q, v.as_object());
  if (name == "percolate") return finish(percolate_query(body(v, name), ctx), body(v, name));
  if (name == "has_child" || name == "has_parent" || name == "geo_shape" || name == "pinned" || name == "knn" || name.starts_with("span_")) {
    throw Error(ErrorCode::kFeatureNotSupported, "[" + name + "] queries are not supported");
  }
  static const std::vector<std::string> kNames = {
      "bool", "boosting", "combined_fields", "constant_score", "dis_max", "distance_feature", "exists", "function_score", "fuzzy", "geo_bounding_box",
      "geo_distance", "geo_grid", "geo_polygon", "geo_shape", "has_child", "has_parent", "ids", "intervals", "knn", "match", "match_all", "match_bool_prefix",
      "match_none", "match_phrase", "match_phrase_prefix", "more_like_this", "multi_match", "nested", "parent_id", "percolate", "pinned", "prefix",
      "query_string", "range", "rank_feature", "regexp", "script", "script_score", "shape", "simple_query_string", "span_containing", "span_first",
      "span_multi", "span_near", "span_not", "span_or", "span_term", "span_within", "term", "terms", "terms_set", "wildcard", "wrapper"};
  parse_error("unknown query [" + name + "]" + did_you_mean(name, kNames));
}

}  // namespace

QueryPtr parse_query(const json::value& v, DslContext& ctx) {
  if (!v.is_object()) parse_error("[_na] query malformed, must start with start_object");
  const json::object& o = v.as_object();
  if (o.empty()) illegal("query malformed, empty clause found");
  if (o.size() > 1) {
    parse_error("[" + std::string(o.begin()->key()) + "] malformed query, expected [END_OBJECT] but found [FIELD_NAME]");
  }
  if (ctx.depth >= kMaxDepth) {
    illegal("The nested depth of the query exceeds the maximum nested depth for queries set in [indices.query.bool.max_nested_depth]");
  }
  ++ctx.depth;
  std::string name(o.begin()->key());
  if (!o.begin()->value().is_object()) parse_error("[" + name + "] query malformed, no start_object after query name");
  if (!ctx.allow_expensive) check_expensive(name, o.begin()->value().as_object(), ctx);
  QueryPtr q = parse_known(name, o.begin()->value(), ctx);
  return --ctx.depth == 0 ? over_columns(q, ctx) : q;
}

void collect_highlights(const QueryPtr& q, HighlightTerms& out) {
  switch (q->kind) {
    case QueryKind::kNested: collect_highlights(q->must[0], out); return;
    case QueryKind::kTerm: case QueryKind::kTermSet: case QueryKind::kPhrase: case QueryKind::kPrefix: case QueryKind::kWildcard:
    case QueryKind::kRegexp: case QueryKind::kFuzzy: case QueryKind::kTermRange:
      out.by_field[q->field].push_back(q);
      return;
    default: break;
  }
  for (auto& c : q->must) collect_highlights(c, out);
  for (auto& c : q->should) collect_highlights(c, out);
  for (auto& c : q->filter) collect_highlights(c, out);
}

void collect_named(const QueryPtr& q, std::vector<QueryPtr>& out) {
  if (!q->name.empty()) out.push_back(q);
  if (q->kind == QueryKind::kNested) return;  // names below are those of nested documents
  for (auto* list : {&q->must, &q->should, &q->filter, &q->must_not}) {
    for (auto& c : *list) collect_named(c, out);
  }
}

}  // namespace stele::segments

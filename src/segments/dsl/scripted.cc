// Queries with scripts, and the less common ones: distance_feature, rank_feature, terms_set, combined_fields, spans, wrapper.
#include <openssl/evp.h>

#include "base/error.h"
#include "segments/dsl/dsl_parts.h"
#include "segments/script/doc_values.h"
#include "segments/script/error.h"

namespace stele::segments {

namespace {
[[noreturn]] void parse_error(std::string m) { throw Error(ErrorCode::kParsing, std::move(m)); }
[[noreturn]] void illegal(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }
std::string str(const json::object& o, std::string_view k, std::string d = {}) {
  auto* v = o.if_contains(k);
  return v == nullptr || v->is_null() ? d : json_text(*v);
}
double number(const json::value& v) { return v.is_number() ? v.to_number<double>() : std::strtod(json_text(v).c_str(), nullptr); }

QueryPtr script_query(const json::object& o, DslContext& ctx) {
  auto* spec = o.if_contains("script");
  if (spec == nullptr) parse_error("script must be provided with a [script] query");
  if (spec->is_array()) parse_error("[script] query does not support an array of scripts. Use a bool query with a clause per script instead.");
  script::Call call = script::parse_call(*spec, ctx.stored_script);
  auto q = make_query(QueryKind::kPredicate);
  const Mapping* mapping = ctx.mapping;
  q->predicate = [call, mapping](const Segment& s, uint32_t doc) {
    script::Value v = call.script->run({{"doc", script::doc_of(*mapping, s, doc)}, {"params", call.params}});
    return v.as_bool();
  };
  auto c = make_query(QueryKind::kConstant);
  c->filter.push_back(q);
  return c;
}

// Vectors of documents, as their sources have them.
script::VectorOf source_vectors(DslContext& ctx) {
  if (!ctx.fetch) return {};
  return [fetch = ctx.fetch, index = ctx.index_name](const Segment& s, uint32_t doc, const std::string& field) -> std::optional<std::vector<double>> {
    Column id = s.column("_id");
    if (!id || id.begin(doc) == id.end(doc)) return std::nullopt;
    auto source = fetch(index, std::string(id.term(static_cast<uint64_t>(id.value(id.begin(doc))))));
    if (!source) return std::nullopt;
    const json::object* at = &*source;
    std::string_view rest = field;
    for (size_t dot = rest.find('.'); dot != std::string_view::npos && !at->contains(rest); dot = rest.find('.')) {
      auto* next = at->if_contains(rest.substr(0, dot));
      if (next == nullptr || !next->is_object()) return std::nullopt;
      at = &next->as_object();
      rest = rest.substr(dot + 1);
    }
    auto* v = at->if_contains(rest);
    if (v == nullptr || !v->is_array()) return std::nullopt;
    std::vector<double> out;
    for (auto& e : v->as_array()) {
      if (!e.is_number()) return std::nullopt;
      out.push_back(e.to_number<double>());
    }
    return out;
  };
}

QueryPtr script_score(const json::object& o, DslContext& ctx) {
  if (!o.contains("query")) parse_error("Required [query]");
  if (!o.contains("script")) parse_error("Required [script]");
  auto q = make_query(QueryKind::kFunctionScore);
  q->must.push_back(parse_query(o.at("query"), ctx));
  script::Call call = script::parse_call(o.at("script"), ctx.stored_script);
  auto score = script::scoring(call.script, call.params, ctx.mapping, source_vectors(ctx));
  q->script = [score, source = call.script->source()](const Segment& s, uint32_t doc, float own) {
    double v = score(s, doc, own);
    if (v < 0 || std::isnan(v)) illegal("script_score script returned an invalid score [" + java_double(v) + "] for doc [" + std::to_string(doc) + "]. Must be a non-negative score!");
    return v;
  };
  if (auto* m = o.if_contains("min_score")) {
    q->has_min_score = true;
    q->min_score = number(*m);
  }
  return q;
}

// Nearer to the origin scores higher: boost * pivot / (pivot + distance).
QueryPtr distance_feature(const json::object& o, DslContext& ctx) {
  std::string field = str(o, "field");
  for (const char* k : {"field", "origin", "pivot"}) if (!o.contains(k)) parse_error("Required [" + std::string(k) + "]");
  const MappedField* f = ctx.mapping->field(field);
  if (f == nullptr) return make_query(QueryKind::kMatchNone);
  double pivot = 0;
  std::function<double(int64_t)> distance;
  if (f->is_date()) {
    auto ms = parse_time_ms(str(o, "pivot"));
    if (!ms) parse_error("failed to parse setting [distance_feature.pivot] with value [" + str(o, "pivot") + "] as a time value");
    bool nanos = f->type == FieldType::kDateNanos;
    int64_t origin = f->format->parse_math(str(o, "origin"), ctx.now_ms, false, nullptr);
    pivot = static_cast<double>(*ms);
    distance = [origin, nanos](int64_t v) { return std::abs(static_cast<double>((nanos ? v / 1000000 : v) - origin)); };
  } else if (f->type == FieldType::kGeoPoint) {
    auto metres = parse_distance_m(str(o, "pivot"));
    if (!metres) parse_error("failed to parse distance [" + str(o, "pivot") + "]");
    pivot = *metres;
    GeoPoint origin = parse_point(o.at("origin"));
    distance = [origin](int64_t v) { return haversine_m(decode_point(v), origin); };
  } else {
    illegal("Illegal data type of [" + f->type_name + "]!Field [" + field + "] of type [" + f->type_name + "] is not supported; [distance_feature] queries can only be run on a date, date_nanos or geo_point field type!");
  }
  auto q = make_query(QueryKind::kFunctionScore);
  auto there = make_query(QueryKind::kExists);
  there->field = f->path;
  q->must.push_back(there);
  std::string path = f->path;
  q->script = [path, pivot, distance](const Segment& s, uint32_t doc, float) {
    Column c = s.column(path);
    double best = -1;
    for (uint32_t i = c ? c.begin(doc) : 0, e = c ? c.end(doc) : 0; i < e; ++i) {
      double d = distance(c.value(i));
      if (best < 0 || d < best) best = d;
    }
    return best < 0 ? 0 : pivot / (pivot + best);
  };
  return q;
}

QueryPtr rank_feature(const json::object& o, DslContext& ctx) {
  std::string field = str(o, "field");
  const MappedField* f = ctx.mapping->field(field);
  if (f == nullptr) return make_query(QueryKind::kMatchNone);
  if (f->type_name != "rank_feature") illegal("[rank_feature] query only works on [rank_feature] fields and features of [rank_features] fields, not [" + f->type_name + "]");
  auto q = make_query(QueryKind::kFunctionScore);
  auto there = make_query(QueryKind::kExists);
  there->field = f->path;
  q->must.push_back(there);
  std::string kind = o.contains("log") ? "log" : o.contains("sigmoid") ? "sigmoid" : o.contains("linear") ? "linear" : "saturation";
  double pivot = 0, exponent = 1, scaling = 1;
  if (auto* s = o.if_contains(kind); s != nullptr && s->is_object()) {
    for (auto& [k, v] : s->as_object()) (k == "pivot" ? pivot : k == "exponent" ? exponent : scaling) = number(v);
  }
  std::string path = f->path;
  q->script = [=](const Segment& s, uint32_t doc, float) {
    Column c = s.column(path);
    double v = c && c.end(doc) > c.begin(doc) ? c.as_double(c.begin(doc)) : 0;
    if (kind == "log") return std::log(scaling + v);
    if (kind == "linear") return v;
    if (kind == "sigmoid") return std::pow(v, exponent) / (std::pow(v, exponent) + std::pow(pivot, exponent));
    return v / (v + (pivot > 0 ? pivot : 1.0));
  };
  return q;
}

QueryPtr terms_set(const json::object& o, DslContext& ctx) {
  std::string field;
  const json::object* spec = nullptr;
  for (auto& [k, v] : o) {
    if (k == "boost" || k == "_name") continue;
    field = std::string(k);
    if (!v.is_object()) parse_error("[terms_set] unknown token [VALUE_STRING] after [" + field + "]");
    spec = &v.as_object();
  }
  if (spec == nullptr) parse_error("[terms_set] requires a field");
  auto* list = spec->if_contains("terms");
  if (list == nullptr || !list->is_array()) illegal("No terms");
  std::string minimum_field = str(*spec, "minimum_should_match_field");
  std::optional<script::Call> call;
  if (auto* s = spec->if_contains("minimum_should_match_script")) call = script::parse_call(*s, ctx.stored_script);
  if (minimum_field.empty() && !call && !spec->contains("minimum_should_match")) illegal("No minimum should match has been specified");
  std::vector<std::string> terms;
  auto any = make_query(QueryKind::kBool);
  for (auto& t : list->as_array()) {
    terms.push_back(json_text(t));
    any->should.push_back(term_field(field, t, false, ctx));
  }
  if (any->should.empty()) return make_query(QueryKind::kMatchNone);
  any->minimum_should_match = spec->contains("minimum_should_match") ? minimum_should_match(str(*spec, "minimum_should_match"), static_cast<int>(terms.size())) : 1;
  if (spec->contains("minimum_should_match")) return any;
  const MappedField* f = ctx.mapping->field(field);
  const MappedField* m = ctx.mapping->field(minimum_field);
  std::string path = f == nullptr ? field : f->path, minimum_path = m == nullptr ? minimum_field : m->path;
  auto params = call ? call->params : script::Value(script::make_map());
  if (auto* map = params.get<script::MapPtr>()) (*map)->at("num_terms") = script::Value(static_cast<int>(terms.size()));
  auto enough = make_query(QueryKind::kPredicate);
  const Mapping* mapping = ctx.mapping;
  enough->predicate = [=](const Segment& s, uint32_t doc) {
    int64_t need;
    if (call) {
      need = call->script->run({{"doc", script::doc_of(*mapping, s, doc)}, {"params", params}}).as_long();
    } else {
      Column c = s.column(minimum_path);
      if (!c || c.begin(doc) == c.end(doc)) return false;
      need = c.value(c.begin(doc));
    }
    int64_t have = 0;
    const SegmentField* sf = s.field(path);
    if (sf == nullptr || !sf->options.postings) return false;
    TermsIter it = s.terms(*sf);
    for (auto& t : terms) have += it.seek_exact(t) && s.postings(*sf, it.info()).advance(doc) == doc;
    return have >= need;
  };
  auto b = make_query(QueryKind::kBool);
  b->must.push_back(any);
  b->filter.push_back(enough);
  return b;
}

// Spans of words as positions of a phrase: each clause is a set of alternatives.
void span_terms(const json::value& v, std::string& field, std::vector<std::string>& out, DslContext& ctx) {
  if (!v.is_object() || v.as_object().size() != 1) parse_error("spanNear [clauses] must be of type span query");
  std::string kind(v.as_object().begin()->key());
  const json::object& o = v.as_object().begin()->value().as_object();
  if (kind == "span_term") {
    for (auto& [k, e] : o) {
      if (k == "boost" || k == "_name") continue;
      field = std::string(k);
      out.push_back(json_text(e.is_object() ? (e.as_object().contains("value") ? e.as_object().at("value") : e.as_object().at("term")) : e));
    }
  } else if (kind == "span_or") {
    for (auto& c : o.at("clauses").as_array()) span_terms(c, field, out, ctx);
  } else if (kind == "field_masking_span") {
    span_terms(o.at("query"), field, out, ctx);
  } else {
    throw Error(ErrorCode::kFeatureNotSupported, "[" + kind + "] inside of other span queries is not supported");
  }
}
// The words' spans within max_gaps of each other.
QueryPtr spans_as_intervals(const Query& phrase, const std::string& max_gaps, const std::string& ordered, DslContext& ctx) {
  json::array all;
  for (const PhrasePosition& p : phrase.phrase) {
    json::array any;
    for (const std::string& term : p.terms) any.push_back(json::object{{"match", {{"query", term}, {"analyzer", "keyword"}}}});
    all.push_back(json::object{{"any_of", json::object{{"intervals", any}}}});
  }
  json::object whole;
  whole[phrase.field] = json::object{{"all_of", json::object{{"intervals", all}, {"max_gaps", max_gaps}, {"ordered", ordered}}}};
  return parse_intervals(whole, ctx);
}

QueryPtr span_query(const std::string& name, const json::object& o, DslContext& ctx) {
  auto q = make_query(QueryKind::kPhrase);
  if (name == "span_near") {
    auto* clauses = o.if_contains("clauses");
    if (clauses == nullptr || !clauses->is_array() || clauses->as_array().empty()) parse_error("span_near must include [clauses]");
    uint32_t at = 0;
    for (auto& c : clauses->as_array()) {
      PhrasePosition p;
      p.position = at++;
      std::string field;
      span_terms(c, field, p.terms, ctx);
      if (at > 1 && field != q->field) illegal("Clauses must have same field");
      q->field = field;
      q->phrase.push_back(p);
    }
    const std::string slop = str(o, "slop", "0"), in_order = str(o, "in_order", "true");
    // A phrase says exactly "next to each other, in this order"; everything looser is what intervals say.
    if (q->phrase.size() > 1 && (in_order == "false" || std::atoi(slop.c_str()) != 0)) return spans_as_intervals(*q, slop, in_order, ctx);
  } else {
    PhrasePosition p;
    json::object self;
    self[name] = o;
    span_terms(self, q->field, p.terms, ctx);
    q->phrase.push_back(p);
  }
  if (const MappedField* f = ctx.mapping->field(q->field)) q->field = f->path;
  if (q->phrase.size() == 1) {
    auto any = make_query(QueryKind::kBool);
    for (auto& t : q->phrase[0].terms) {
      auto term = make_query(QueryKind::kTerm);
      term->field = q->field;
      term->text = t;
      any->should.push_back(term);
    }
    any->minimum_should_match = 1;
    return any->should.size() == 1 ? any->should[0] : any;
  }
  return q;
}

QueryPtr wrapper(const json::object& o, DslContext& ctx) {
  std::string text = str(o, "query");
  if (text.empty()) parse_error("wrapper query malformed");
  std::string bytes(text.size(), '\0');
  int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (n < 0) illegal("Illegal base64 character");
  bytes.resize(static_cast<size_t>(n));
  while (!text.empty() && text.back() == '=') {
    text.pop_back();
    bytes.pop_back();
  }
  boost::system::error_code bad;
  json::value v = json::parse(bytes, bad);
  if (bad) parse_error("wrapper query malformed");
  return parse_query(v, ctx);
}
}  // namespace

QueryPtr parse_rare_query(const std::string& name, const json::object& o, DslContext& ctx) {
  if (name == "script") return script_query(o, ctx);
  if (name == "script_score") return script_score(o, ctx);
  if (name == "distance_feature") return distance_feature(o, ctx);
  if (name == "rank_feature") return rank_feature(o, ctx);
  if (name == "terms_set") return terms_set(o, ctx);
  if (name == "intervals") return parse_intervals(o, ctx);
  if (name == "span_term" || name == "span_near" || name == "span_or") return span_query(name, o, ctx);
  if (name == "wrapper") return wrapper(o, ctx);
  if (name == "combined_fields") {
    json::object m = o;
    m["type"] = "cross_fields";
    json::object whole;
    whole["multi_match"] = m;
    return parse_query(whole, ctx);
  }
  return nullptr;
}

ScoreFunction script_function(const json::object& o, DslContext& ctx) {
  ScoreFunction f;
  f.kind = ScoreFunction::kScript;
  if (!o.contains("script")) parse_error("script_score requires 'script' field");
  script::Call call = script::parse_call(o.at("script"), ctx.stored_script);
  f.script = script::scoring(call.script, call.params, ctx.mapping, source_vectors(ctx));
  return f;
}

}  // namespace stele::segments

// What a search may be asked for besides its query: checks of the request, runtime fields, boosts of indices, number types of sorts,
// explanations and profiles.
#include "doors/elastic/scripts.h"
#include "doors/elastic/search_job.h"
#include "segments/runtime_fields.h"
#include "segments/search/scorers.h"

namespace stele::elastic {

using segments::ColumnKind;
using segments::MappedField;
using segments::QueryKind;
using segments::QueryPtr;

void SearchJob::check_options(const json::object& b) {
  auto number = [&](const char* key) -> std::optional<double> {
    auto* v = b.if_contains(key);
    if (v == nullptr || v->is_null()) return std::nullopt;
    return v->is_number() ? v->to_number<double>() : std::strtod(json_text(*v).c_str(), nullptr);
  };
  if (auto n = number("terminate_after"); n && *n < 0) illegal("terminateAfter must be > 0");
  if (auto* t = b.if_contains("timeout"); t != nullptr && !t->is_null() && json_text(*t) != "-1" && json_text(*t) != "0" && !segments::parse_time_ms(json_text(*t))) {
    illegal("failed to parse setting [timeout] with value [" + json_text(*t) + "] as a time value: unit is missing or unrecognized");
  }
  auto* stored = b.if_contains("stored_fields");
  if (stored != nullptr && (json_text(*stored) == "_none_" || (stored->is_array() && json::serialize(*stored) == "[\"_none_\"]"))) {
    if (auto* s = b.if_contains("_source"); s != nullptr && json_text(*s) != "false") illegal("[stored_fields] cannot be disabled if [_source] is requested");
    if (b.contains("version") && flag_or(b, "version", false)) illegal("[stored_fields] cannot be disabled if [version] is requested");
  }
  if (auto* s = b.if_contains("slice"); s != nullptr && s->is_object()) {
    if (!b.contains("pit") && !scrolling) invalid({"[slice] can only be used with [scroll] or [point-in-time] requests"});
    const json::object& o = s->get_object();
    auto at = [&](const char* key) { return o.contains(key) ? std::atoll(json_text(o.at(key)).c_str()) : 0; };
    if (at("id") < 0) illegal("id must be greater than or equal to 0");
    if (at("max") <= 1) illegal("max must be greater than 1");
    if (at("id") >= at("max")) illegal("max must be greater than id");
    if (at("max") > 1024) throw search_failure(Error(ErrorCode::kInvalidParameterValue, "The number of slices [" + std::to_string(at("max")) + "] is too large. It must be less than [1024]. This limit can be set by changing the [index.max_slices_per_scroll] index level setting."), parts_.empty() ? Index() : *parts_[0].index, engine_.node_id());
  }
  if (auto* r = b.if_contains("rescore"); r != nullptr && !r->is_null()) {
    json::array list = r->is_array() ? r->get_array() : json::array{*r};
    if (b.contains("collapse")) invalid({"cannot use `collapse` in conjunction with `rescore`"});
    auto* sort = b.if_contains("sort");
    std::string by = sort == nullptr ? "" : json::serialize(*sort);
    if (!by.empty() && by != "\"_score\"" && by != "[\"_score\"]" && by != "[{\"_score\":\"desc\"}]" && by != "[{\"_score\":{\"order\":\"desc\"}}]") invalid({"Cannot use [sort] option in conjunction with [rescore]."});
    for (auto& e : list) {
      if (!e.is_object()) continue;
      auto* w = e.get_object().if_contains("window_size");
      int64_t window = w == nullptr ? 10 : std::atoll(json_text(*w).c_str());
      if (window > 10000) {
        throw search_failure(Error(ErrorCode::kInvalidParameterValue, "Rescore window [" + std::to_string(window) + "] is too large. It must be less than [10000]. This prevents allocating massive heaps for storing the results to be rescored. This limit can be set by changing the [index.max_rescore_window] index level setting."),
                             parts_.empty() ? Index() : *parts_[0].index, engine_.node_id());
      }
    }
  }
  if (auto* c = b.if_contains("collapse"); c != nullptr && c->is_object() && b.contains("search_after")) {
    auto* sort = b.if_contains("sort");
    std::string field = text_or(c->get_object(), "field");
    const json::value* one = sort != nullptr && sort->is_array() && sort->get_array().size() == 1 ? &sort->get_array()[0] : sort;
    std::string by = one == nullptr ? "" : one->is_string() ? json_text(*one) : one->is_object() && one->get_object().size() == 1 ? std::string(one->get_object().begin()->key()) : "";
    if (by != field) illegal("collapse field and sort field must be the same when use `collapse` in conjunction with `search_after`");
  }
}

float SearchJob::index_boost(const std::string& name) const {
  auto* b = body.if_contains("indices_boost");
  if (b == nullptr) return 1;
  auto in = [&](const json::object& o) -> std::optional<float> {
    for (auto& [k, v] : o) if (glob(std::string(k), name)) return v.is_number() ? static_cast<float>(v.to_number<double>()) : std::strtof(json_text(v).c_str(), nullptr);
    return std::nullopt;
  };
  if (b->is_object()) return in(b->get_object()).value_or(1.0f);
  if (b->is_array()) for (auto& e : b->get_array()) if (e.is_object()) if (auto f = in(e.get_object())) return *f;
  return 1;
}

namespace {
// Aggregations by script alone read a field that the script makes.
void script_fields_of(json::value& aggs, json::object& made, int depth) {
  if (!aggs.is_object() || depth > 50) return;
  for (auto& named : aggs.get_object()) {
    if (!named.value().is_object()) continue;
    for (auto& part : named.value().get_object()) {
      if (part.key() == "aggs" || part.key() == "aggregations") {
        script_fields_of(part.value(), made, depth + 1);
        continue;
      }
      if (!part.value().is_object()) continue;
      auto field_of = [&](json::object& o, const std::string& fallback) {
        if (!o.contains("script") || o.contains("field")) return;
        std::string hint = text_or(o, "value_type"), name = "\001script" + std::to_string(made.size());
        std::string type = hint == "long" || hint == "double" || hint == "boolean" || hint == "date" || hint == "ip" ? hint : hint == "string" ? "keyword" : fallback;
        made[name] = json::object{{"type", type}, {"script", o.at("script")}, {"\001returns", true}};
        o.erase("script");
        o["field"] = name;
      };
      json::object& o = part.value().get_object();
      std::string type(part.key());
      if (type == "terms" || type == "cardinality" || type == "rare_terms" || type == "string_stats" || type == "value_count") field_of(o, "keyword");
      if (type == "multi_terms" && o.contains("terms") && o.at("terms").is_array()) for (auto& t : o.at("terms").get_array()) if (t.is_object()) field_of(t.get_object(), "keyword");
      if (type == "histogram") field_of(o, "double");
      if (type == "date_histogram") field_of(o, "date");
    }
  }
}
}  // namespace

void SearchJob::rewrite_scripts() {
  for (const char* key : {"aggs", "aggregations"}) if (auto* a = body.if_contains(key)) script_fields_of(*a, scripted_, 0);
}

std::vector<segments::Leaf> SearchJob::leaves_of(Part& p) {
  auto leaves = engine_.leaves(*p.index, snapshot_);
  json::object none;
  auto* asked = body.if_contains("runtime_mappings");
  if (asked != nullptr && !asked->is_object() && !asked->is_null()) throw ElasticError(400, "parsing_exception", "Expected [START_OBJECT] in [runtime_mappings]", json::object{{"line", 1}, {"col", 1}});
  json::object all = p.mapping->runtime(asked != nullptr && asked->is_object() ? asked->get_object() : none), wanted;
  // Only what the request may read: what it names, and what that reads in turn.
  std::string text = json::serialize(body);
  bool everything = text.find('*') != std::string::npos || text.find("query_string") != std::string::npos;
  for (bool more = true; more;) {
    more = false;
    for (auto& [name, d] : all) {
      std::string_view top = std::string_view(name).substr(0, std::string_view(name).find('.'));
      if (wanted.contains(name) || !(everything || text.find(name) != std::string::npos || text.find(top) != std::string::npos)) continue;
      wanted[name] = d;
      text += json::serialize(d);
      more = true;
    }
  }
  for (auto& [name, d] : scripted_) wanted[name] = d;
  if (wanted.empty()) return leaves;
  p.mapping = p.mapping->with_runtime(wanted);
  segments::RuntimeSources sources;
  sources.source = [this, &p](const segments::Leaf& leaf, uint32_t doc) { return engine_.source_of(*p.index, leaf.segment->row_id(doc), snapshot_); };
  sources.stored_script = stored_scripts(engine_);
  return segments::with_runtime_fields(std::move(leaves), *p.mapping, wanted, sources);
}

// How the numbers of a sort compare: "" as the one type that all indices have.
std::string SearchJob::number_type(const SortField& s) const {
  if (s.kind != SortField::kField) return {};
  if (!s.numeric_type.empty()) return s.numeric_type;
  bool whole = false, real = false, millis = false, nanos = false;
  for (const Part& p : parts_) {
    const MappedField* f = p.mapping->field(s.field);
    if (f == nullptr) continue;
    whole |= f->is_integer();
    real |= f->is_float();
    millis |= f->type == segments::FieldType::kDate;
    nanos |= f->type == segments::FieldType::kDateNanos;
  }
  return whole && real ? "double" : millis && nanos ? "date" : "";
}
int64_t SearchJob::as_number_type(const SortField& s, const MappedField& f, int64_t v) const {
  std::string type = number_type(s);
  if (type.empty()) return v;
  if (type == "double") return f.is_float() ? v : segments::sortable_bits(static_cast<double>(v));
  if (type == "long") return f.is_float() ? static_cast<int64_t>(segments::from_sortable_bits(v)) : v;
  bool nanos = f.type == segments::FieldType::kDateNanos;
  if (type == "date") return nanos ? v / 1000000 : v;
  return nanos ? v : v * 1000000;
}

namespace {
const char* lucene_name(QueryKind k) {
  switch (k) {
    case QueryKind::kMatchAll: return "MatchAllDocsQuery";
    case QueryKind::kMatchNone: return "MatchNoDocsQuery";
    case QueryKind::kTerm: return "TermQuery";
    case QueryKind::kTermSet: return "TermInSetQuery";
    case QueryKind::kBool: return "BooleanQuery";
    case QueryKind::kDisMax: return "DisjunctionMaxQuery";
    case QueryKind::kBoosting: return "FunctionScoreQuery";
    case QueryKind::kConstant: return "ConstantScoreQuery";
    case QueryKind::kPhrase: return "PhraseQuery";
    case QueryKind::kPrefix: return "PrefixQuery";
    case QueryKind::kWildcard: return "WildcardQuery";
    case QueryKind::kRegexp: return "RegexpQuery";
    case QueryKind::kFuzzy: return "FuzzyQuery";
    case QueryKind::kColumnRange: return "IndexOrDocValuesQuery";
    case QueryKind::kColumnSet: return "IndexOrDocValuesQuery";
    case QueryKind::kTermRange: return "TermRangeQuery";
    case QueryKind::kExists: return "FieldExistsQuery";
    case QueryKind::kGeoDistance: return "LatLonPointDistanceQuery";
    case QueryKind::kGeoBox: return "LatLonPointQuery";
    case QueryKind::kFunctionScore: return "FunctionScoreQuery";
    case QueryKind::kNested: return "ESToParentBlockJoinQuery";
    default: return "Query";
  }
}
int64_t since(std::chrono::steady_clock::time_point t) { return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - t).count(); }

// A query run once more, by itself, with a clock beside it.
json::object profiled(const segments::Searcher& searcher, const QueryPtr& q) {
  auto now = [] { return std::chrono::steady_clock::now(); };
  auto start = now();
  auto w = searcher.weight(q, true);
  int64_t create = since(start), build = 0, next = 0, score = 0, builds = 0, nexts = 0, scores = 0;
  for (size_t l = 0; l < searcher.leaves().size(); ++l) {
    auto t = now();
    auto s = w->scorer(l);
    build += since(t);
    ++builds;
    if (!s) continue;
    for (;;) {
      t = now();
      uint32_t d = s->next();
      next += since(t);
      ++nexts;
      if (d == segments::kNoDoc) break;
      t = now();
      s->score();
      score += since(t);
      ++scores;
    }
  }
  json::object breakdown{{"set_min_competitive_score_count", 0}, {"match_count", 0}, {"shallow_advance_count", 0}, {"set_min_competitive_score", 0}, {"next_doc", next}, {"match", 0}, {"next_doc_count", nexts}, {"score_count", scores}, {"compute_max_score_count", 0}, {"compute_max_score", 0}, {"advance", 0}, {"advance_count", 0},
                         {"count_weight_count", 0}, {"score", score}, {"build_scorer_count", builds}, {"create_weight", create}, {"shallow_advance", 0}, {"count_weight", 0}, {"create_weight_count", 1}, {"build_scorer", build}};
  std::string text = q->kind == QueryKind::kMatchAll ? "*:*" : q->field.empty() ? lucene_name(q->kind) : q->field + ":" + q->text;
  json::object out{{"type", lucene_name(q->kind)}, {"description", text}, {"time_in_nanos", create + build + next + score}, {"breakdown", breakdown}};
  json::array children;
  for (auto* list : {&q->must, &q->should, &q->filter, &q->must_not}) {
    if (q->kind == QueryKind::kNested) break;
    for (auto& c : *list) children.push_back(profiled(searcher, c));
  }
  if (!children.empty()) out["children"] = children;
  return out;
}
}  // namespace

json::object SearchJob::profile(size_t from) {
  json::array list;
  for (Part& p : parts_) {
    json::object o{{"id", "[" + engine_.node_id() + "][" + p.index->name + "][0]"}, {"node_id", engine_.node_id()}, {"shard_id", 0}, {"index", p.index->name}, {"cluster", "(local)"}};
    auto parsing = std::chrono::steady_clock::now();
    segments::DslContext ctx = p.dsl;
    if (auto* q = body.if_contains("query"); q != nullptr && !q->is_null()) segments::parse_query(*q, ctx);
    int64_t rewrite = since(parsing);
    bool counts_only = size_ == 0;
    json::object collector{{"name", counts_only ? "TotalHitCountCollector" : sort_.empty() ? "SimpleTopScoreDocCollector" : "SimpleFieldCollector"}, {"reason", counts_only ? "search_count" : "search_top_hits"}, {"time_in_nanos", query_ns_}};
    if (aggs_) collector = json::object{{"name", "QueryPhaseCollector"}, {"reason", "search_query_phase"}, {"time_in_nanos", query_ns_}, {"children", json::array{collector}}};
    o["searches"] = json::array{json::object{{"query", json::array{profiled(*p.searcher, p.query)}}, {"rewrite_time", rewrite}, {"collector", json::array{collector}}}};
    json::array aggregations;
    const json::value* aggs = body.if_contains("aggs");
    if (aggs == nullptr) aggs = body.if_contains("aggregations");
    if (aggs_ && aggs != nullptr && aggs->is_object()) {
      for (auto& [name, spec] : aggs->get_object()) {
        std::string type;
        if (spec.is_object()) for (auto& [k, v] : spec.get_object()) if (k != "aggs" && k != "aggregations" && k != "meta") type = std::string(k);
        aggregations.push_back(json::object{{"type", type}, {"description", std::string(name)}, {"time_in_nanos", query_ns_}, {"breakdown", json::object{{"collect", query_ns_}, {"collect_count", total_}}}});
      }
    }
    o["aggregations"] = aggregations;
    if (fetched_ > 0) {
      json::array phases;
      auto phase = [&](const char* type) { phases.push_back(json::object{{"type", type}, {"description", ""}, {"time_in_nanos", fetch_ns_}, {"breakdown", json::object{{"process", fetch_ns_}, {"process_count", fetched_}, {"next_reader", 0}, {"next_reader_count", 1}}}}); };
      if (body.contains("fields")) phase("FetchFieldsPhase");
      if (body.contains("highlight")) phase("HighlightPhase");
      phase("FetchSourcePhase");
      phase("StoredFieldsPhase");
      o["fetch"] = json::object{{"type", "fetch"}, {"description", ""}, {"time_in_nanos", fetch_ns_}, {"breakdown", json::object{{"load_stored_fields", fetch_ns_}, {"load_stored_fields_count", fetched_}, {"load_source", fetch_ns_}, {"load_source_count", fetched_}, {"next_reader", 0}, {"next_reader_count", 1}}},
                                {"debug", json::object{{"stored_fields", json::array{"_id", "_routing", "_source"}}}}, {"children", phases}};
    }
    list.push_back(o);
  }
  (void)from;
  return json::object{{"shards", list}};
}

json::object SearchJob::explain(const Part& p, size_t l, uint32_t doc, float score) {
  (void)l;
  (void)doc;
  std::function<json::object(const QueryPtr&)> walk = [&](const QueryPtr& q) {
    auto s = p.searcher->weight(q, true)->scorer(leaves_[l].in_part);
    bool hit = s && s->advance(doc) == doc;
    double v = hit ? score_json(s->score()).to_number<double>() : 0;
    json::object o;
    o["value"] = v;
    json::array details;
    switch (q->kind) {
      case segments::QueryKind::kTerm: {
        o["description"] = "weight(" + q->field + ":" + q->text + " in " + std::to_string(doc) + ") [PerFieldSimilarity], result of:";
        auto stats = p.searcher->field_stats(q->field);
        uint64_t df = 0;
        uint32_t freq = 0;
        for (size_t i = 0; i < p.searcher->leaves().size(); ++i) {
          auto& seg = *p.searcher->leaves()[i].segment;
          auto* f = seg.field(q->field);
          if (f == nullptr || !f->options.postings) continue;
          auto it = seg.terms(*f);
          if (!it.seek_exact(q->text)) continue;
          df += it.info().df;
          if (i == leaves_[l].in_part) {
            auto pi = seg.postings(*f, it.info());
            if (pi.advance(doc) == doc) freq = pi.freq();
          }
        }
        float idf = segments::Bm25::idf(df, std::max(stats.doc_count, df));
        double tf = v / (static_cast<double>(idf) * 2.2 * static_cast<double>(q->boost));
        json::object root{{"value", v}, {"description", "score(freq=" + std::to_string(freq) + ".0), computed as boost * idf * tf from:"}};
        root["details"] = json::array{
            json::object{{"value", 2.2 * static_cast<double>(q->boost)}, {"description", "boost"}, {"details", json::array()}},
            json::object{{"value", static_cast<double>(idf)}, {"description", "idf, computed as log(1 + (N - n + 0.5) / (n + 0.5)) from:"},
                         {"details", json::array{json::object{{"value", df}, {"description", "n, number of documents containing term"}, {"details", json::array()}},
                                                 json::object{{"value", stats.doc_count}, {"description", "N, total number of documents with field"}, {"details", json::array()}}}}},
            json::object{{"value", tf}, {"description", "tf, computed as freq / (freq + k1 * (1 - b + b * dl / avgdl)) from:"}, {"details", json::array()}}};
        details.push_back(root);
        break;
      }
      case segments::QueryKind::kMatchAll: o["description"] = "*:*"; break;
      case segments::QueryKind::kConstant: o["description"] = "ConstantScore(" + q->filter[0]->field + ")"; break;
      case segments::QueryKind::kBool:
        o["description"] = "sum of:";
        for (auto* list : {&q->must, &q->should}) for (auto& c : *list) {
          json::object d = walk(c);
          if (d["value"].to_number<double>() > 0) details.push_back(d);
        }
        break;
      case segments::QueryKind::kDisMax:
        o["description"] = "max of:";
        for (auto& c : q->should) {
          json::object d = walk(c);
          if (d["value"].to_number<double>() > 0) details.push_back(d);
        }
        break;
      case segments::QueryKind::kPhrase: {
        std::string text;
        for (auto& ph : q->phrase) text += (text.empty() ? "" : " ") + (ph.terms.empty() ? std::string("?") : ph.terms[0]);
        o["description"] = "weight(" + q->field + ":\"" + text + "\" in " + std::to_string(doc) + ") [PerFieldSimilarity], result of:";
        break;
      }
      default: o["description"] = q->field.empty() ? "score" : q->field + ":" + q->text;
    }
    o["details"] = details;
    return o;
  };
  json::object o = walk(p.query);
  if (o["value"].to_number<double>() == 0 && score > 0) o["value"] = static_cast<double>(score);
  return o;
}

}  // namespace stele::elastic

// Suggestions beside hits, and aggregation names that tell their types (typed_keys).
#include "doors/elastic/search_job.h"
#include "segments/text/utf8.h"

namespace stele::elastic {

namespace {

struct Candidate { std::string text; float score; uint64_t freq; };

// Words of the index near the one given, as Lucene's DirectSpellChecker looks for them.
std::vector<Candidate> near_words(const SearchJob& job, const std::string& field, const std::string& word, int max_edits, int prefix, size_t size, uint64_t above, bool by_frequency) {
  std::map<std::string, std::pair<uint64_t, int>> found;
  auto query = segments::make_query(segments::QueryKind::kFuzzy);
  query->field = field;
  query->text = word;
  query->edits = max_edits;
  query->prefix_length = prefix;
  for (const SearchJob::Part& p : job.parts()) {
    for (auto& leaf : p.searcher->leaves()) {
      auto* f = leaf.segment->field(field);
      if (f == nullptr || !f->options.postings) continue;
      segments::expand_terms(*query, *leaf.segment, *f, [&](std::string_view t, const segments::TermInfo& info, int edits) {
        auto& at = found[std::string(t)];
        at.first += info.df;
        at.second = edits;
        return true;
      });
    }
  }
  std::vector<Candidate> out;
  size_t length = segments::code_points(word).size();
  for (auto& [text, what] : found) {
    if (text == word || what.first <= above) continue;
    size_t shorter = std::max<size_t>(1, std::min(length, segments::code_points(text).size()));
    out.push_back({text, 1.0f - static_cast<float>(what.second) / static_cast<float>(shorter), what.first});
  }
  std::sort(out.begin(), out.end(), [&](const Candidate& a, const Candidate& b) {
    if (by_frequency && a.freq != b.freq) return a.freq > b.freq;
    if (a.score != b.score) return a.score > b.score;
    if (a.freq != b.freq) return a.freq > b.freq;
    return a.text < b.text;
  });
  if (out.size() > size) out.resize(size);
  return out;
}
uint64_t frequency(const SearchJob& job, const std::string& field, const std::string& word) {
  uint64_t n = 0;
  for (const SearchJob::Part& p : job.parts()) {
    for (auto& leaf : p.searcher->leaves()) {
      auto* f = leaf.segment->field(field);
      if (f == nullptr || !f->options.postings) continue;
      auto it = leaf.segment->terms(*f);
      if (it.seek_exact(word)) n += it.info().df;
    }
  }
  return n;
}

json::array term_suggestions(const SearchJob& job, const std::string& text, const json::object& o) {
  std::string field = text_or(o, "field");
  if (field.empty()) illegal("the required field option is missing");
  segments::AnalyzerPtr analyzer;
  for (const SearchJob::Part& p : job.parts()) {
    auto* f = p.mapping->field(field);
    if (f == nullptr) continue;
    analyzer = f->search_analyzer ? f->search_analyzer : f->analyzer;
    if (auto name = text_or(o, "analyzer"); !name.empty() && p.mapping->analysis()) analyzer = p.mapping->analysis()->analyzer(name);
  }
  if (!analyzer) {
    if (job.parts().empty()) return {};
    analyzer = segments::Analysis::builtin("standard");
  }
  auto number = [&](const char* key, int64_t fallback) { return o.contains(key) ? std::atoll(json_text(o.at(key)).c_str()) : fallback; };
  std::string mode = text_or(o, "suggest_mode", "missing");
  int max_edits = static_cast<int>(number("max_edits", 2));
  if (max_edits < 1 || max_edits > 2) illegal("maxEdits must be between 1 and 2");
  auto size = static_cast<size_t>(number("size", 5));
  segments::TokenBuffer tokens;
  analyzer->analyze(text, tokens);
  json::array out;
  for (auto& t : tokens.tokens) {
    std::string word(tokens.term(t));
    json::array options;
    uint64_t have = frequency(job, field, word);
    if (static_cast<int64_t>(segments::code_points(word).size()) >= number("min_word_length", 4) && !(mode == "missing" && have > 0)) {
      for (auto& c : near_words(job, field, word, max_edits, static_cast<int>(number("prefix_length", 1)), size, mode == "popular" ? have : 0, text_or(o, "sort", "score") == "frequency")) {
        options.push_back(json::object{{"text", c.text}, {"score", score_json(c.score)}, {"freq", c.freq}});
      }
    }
    out.push_back(json::object{{"text", text.substr(t.start, t.end - t.start)}, {"offset", t.start}, {"length", t.end - t.start}, {"options", std::move(options)}});
  }
  return out;
}

const char* aggregation_type(const std::string& kind, const json::object& body, const SearchJob& job) {
  static const std::map<std::string, const char*> kNames = {
      {"percentiles", "tdigest_percentiles"}, {"percentile_ranks", "tdigest_percentile_ranks"}, {"cumulative_sum", "simple_value"}, {"avg_bucket", "simple_value"},
      {"sum_bucket", "simple_value"}, {"min_bucket", "bucket_metric_value"}, {"max_bucket", "bucket_metric_value"}, {"bucket_script", "simple_value"}, {"serial_diff", "simple_value"}, {"moving_fn", "simple_value"}};
  if (kind == "terms") {
    std::string field = text_or(body, "field");
    for (const SearchJob::Part& p : job.parts()) {
      auto* f = p.mapping->field(field);
      if (f == nullptr) continue;
      if (f->is_float()) return "dterms";
      return f->is_integer() || f->is_date() || f->type == segments::FieldType::kBoolean ? "lterms" : "sterms";
    }
    return "umterms";
  }
  auto it = kNames.find(kind);
  return it == kNames.end() ? nullptr : it->second;
}

// Renames the results of `spec` in `results`, at every depth.
json::object typed(const json::object& results, const json::object& spec, const SearchJob& job) {
  json::object out;
  for (auto& [name, value] : results) {
    auto* s = spec.if_contains(name);
    if (s == nullptr || !s->is_object()) {
      out[name] = value;
      continue;
    }
    std::string kind;
    json::object inner;
    for (auto& [k, v] : s->get_object()) {
      if (k == "aggs" || k == "aggregations") inner = v.is_object() ? v.get_object() : json::object();
      else if (k != "meta") kind = k;
    }
    const json::object& body = s->get_object().at(kind).as_object();
    const char* named = aggregation_type(kind, body, job);
    json::value v = value;
    if (v.is_object() && !inner.empty()) {
      json::object& o = v.get_object();
      if (auto* b = o.if_contains("buckets")) {
        if (b->is_array()) for (auto& e : b->get_array()) e = typed(e.as_object(), inner, job);
        else if (b->is_object()) for (auto& e : b->get_object()) e.value() = typed(e.value().as_object(), inner, job);
      } else {
        o = typed(o, inner, job);
      }
    }
    out[std::string(named == nullptr ? kind : named) + "#" + std::string(name)] = std::move(v);
  }
  return out;
}

}  // namespace

json::object suggestions(const SearchJob& job, const json::object& spec, bool typed_keys) {
  json::object out;
  std::string common = text_or(spec, "text");
  for (auto& [name, v] : spec) {
    if (name == "text") continue;
    if (!v.is_object()) illegal("[suggest] does not support [" + std::string(name) + "]");
    const json::object& o = v.get_object();
    std::string text = text_or(o, "text", text_or(o, "prefix", common)), kind;
    const json::object* body = nullptr;
    for (auto& [k, b] : o) {
      if (!b.is_object()) continue;
      kind = k;
      body = &b.get_object();
    }
    if (body == nullptr) illegal("missing suggestion object");
    if (kind == "completion" || kind == "phrase") throw Error(ErrorCode::kFeatureNotSupported, "suggester [" + kind + "] is not supported");
    if (kind != "term") throw ElasticError(400, "illegal_argument_exception", "Unknown Suggestion type [" + kind + "]");
    if (text.empty()) illegal("The required text option is missing");
    out[(typed_keys ? kind + "#" : std::string()) + std::string(name)] = term_suggestions(job, text, *body);
  }
  return out;
}

void type_keys(const SearchJob& job, const json::object& body, json::object& reply) {
  auto* spec = body.if_contains("aggs");
  if (spec == nullptr) spec = body.if_contains("aggregations");
  auto* results = reply.if_contains("aggregations");
  if (spec == nullptr || results == nullptr) return;
  *results = typed(results->as_object(), spec->as_object(), job);
}

}  // namespace stele::elastic

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

// The text with the words it does not know replaced by their nearest neighbours, best ones first.
json::array phrase_suggestions(const SearchJob& job, const std::string& text, const json::object& o) {
  std::string field = text_or(o, "field");
  if (field.empty()) illegal("the required field option is missing");
  if (text.empty()) illegal("The required text option is missing");
  segments::AnalyzerPtr analyzer;
  for (const SearchJob::Part& p : job.parts()) {
    auto* f = p.mapping->field(field);
    if (f == nullptr) throw Error(ErrorCode::kInvalidParameterValue, "no mapping found for field [" + field + "]");
    analyzer = f->search_analyzer ? f->search_analyzer : f->analyzer;
  }
  if (!analyzer) return {};
  auto number = [&](const char* key, double fallback) { return o.contains(key) ? std::strtod(json_text(o.at(key)).c_str(), nullptr) : fallback; };
  segments::TokenBuffer tokens;
  analyzer->analyze(text, tokens);
  struct Phrase { std::vector<std::string> words; std::vector<bool> changed; double score = 1; int errors = 0; };
  std::vector<Phrase> beam(1);
  double max_errors = number("max_errors", 1);
  if (max_errors < 1) max_errors = std::max(1.0, max_errors * static_cast<double>(tokens.tokens.size()));
  uint64_t words = 0;
  for (const SearchJob::Part& p : job.parts()) words += p.searcher->field_stats(field).sum_ttf;
  double total = static_cast<double>(words) + 1;
  for (auto& t : tokens.tokens) {
    std::string word(tokens.term(t));
    uint64_t have = frequency(job, field, word);
    std::vector<std::pair<std::string, double>> options{{word, have == 0 ? 0.5 / total : static_cast<double>(have) / total * number("real_word_error_likelihood", 0.95)}};
    for (auto& c : near_words(job, field, word, 2, 1, 10, 0, false)) options.emplace_back(c.text, static_cast<double>(c.freq) / total * static_cast<double>(c.score) * 0.5);
    std::vector<Phrase> next;
    for (auto& ph : beam) {
      for (auto& [w, score] : options) {
        Phrase n = ph;
        n.words.push_back(w);
        n.changed.push_back(w != word);
        n.errors += w != word;
        n.score *= score;
        if (n.errors <= max_errors) next.push_back(std::move(n));
      }
    }
    std::stable_sort(next.begin(), next.end(), [](auto& a, auto& b) { return a.score > b.score; });
    if (next.size() > 50) next.resize(50);
    beam = std::move(next);
  }
  double own = 0;
  for (auto& ph : beam) if (ph.errors == 0) own = ph.score;
  json::array options;
  std::string pre, post;
  if (auto* h = o.if_contains("highlight"); h != nullptr && h->is_object()) {
    pre = text_or(h->get_object(), "pre_tag");
    post = text_or(h->get_object(), "post_tag");
  }
  double confidence = number("confidence", 1);
  for (auto& ph : beam) {
    if (options.size() >= static_cast<size_t>(number("size", 5))) break;
    if (ph.errors == 0 || ph.score <= own * confidence) continue;
    std::string shown, marked;
    for (size_t i = 0; i < ph.words.size(); ++i) {
      shown += (i > 0 ? " " : "") + ph.words[i];
      marked += (i > 0 ? " " : "") + (ph.changed[i] ? pre + ph.words[i] + post : ph.words[i]);
    }
    json::object option{{"text", shown}, {"score", score_json(static_cast<float>(ph.score))}};
    if (!pre.empty()) option["highlighted"] = marked;
    options.push_back(std::move(option));
  }
  return json::array{json::object{{"text", text}, {"offset", 0}, {"length", segments::utf16_length(text)}, {"options", std::move(options)}}};
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

json::object suggestions(SearchJob& job, const json::object& spec, bool typed_keys) {
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
    if (kind == "completion") {
      text = text_or(o, "prefix", text_or(o, "regex", text_or(o, "text", common)));
      if (text.empty() && !o.contains("prefix") && !o.contains("regex") && !o.contains("text")) illegal("The required text option is missing");
      out[(typed_keys ? kind + "#" : std::string()) + std::string(name)] = completion_suggestions(job, text, o.contains("regex"), *body, job.body);
      continue;
    }
    if (kind == "phrase") {
      out[(typed_keys ? kind + "#" : std::string()) + std::string(name)] = phrase_suggestions(job, text, *body);
      continue;
    }
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

// Suggestions from completion fields, whose terms are (analysed input, weight, input, contexts), and from phrases.
#include <cmath>

#include "doors/elastic/search_job.h"
#include "segments/text/utf8.h"

namespace stele::elastic {

namespace {
struct Entry { std::string key, text; int64_t weight; json::object contexts; };
Entry parse_entry(std::string_view term) {
  Entry e;
  size_t a = term.find('\0'), b = term.find('\0', a + 1), c = term.find('\0', b + 1);
  e.key = term.substr(0, a);
  e.weight = std::atoll(std::string(term.substr(a + 1, b - a - 1)).c_str());
  e.text = term.substr(b + 1, c - b - 1);
  json::value v = json::parse(std::string(term.substr(c + 1)));
  if (v.is_object()) e.contexts = std::move(v.get_object());
  return e;
}

int64_t whole(const json::object& o, const char* key, int64_t fallback) { return o.contains(key) ? std::atoll(json_text(o.at(key)).c_str()) : fallback; }

// Does some prefix of the key stand within `edits` of the text?
bool near_prefix(const std::string& text, const std::string& key, int edits, int fixed) {
  std::u32string a = segments::code_points(text), b = segments::code_points(key);
  if (b.size() + static_cast<size_t>(edits) < a.size()) return false;
  for (size_t i = 0; i < static_cast<size_t>(fixed) && i < a.size(); ++i) if (i >= b.size() || a[i] != b[i]) return false;
  for (size_t n = a.size() > static_cast<size_t>(edits) ? a.size() - static_cast<size_t>(edits) : 0; n <= std::min(b.size(), a.size() + static_cast<size_t>(edits)); ++n) {
    if (segments::edit_distance(a, std::u32string_view(b).substr(0, n), edits, true) <= edits) return true;
  }
  return false;
}

std::string geohash_of(const json::value& v, int precision) {
  if (v.is_string() && v.get_string().find(',') == json::string::npos) return std::string(v.get_string()).substr(0, static_cast<size_t>(precision));
  segments::GeoPoint p = segments::parse_point(v);
  static const char* kAlphabet = "0123456789bcdefghjkmnpqrstuvwxyz";
  double lat[2] = {-90, 90}, lon[2] = {-180, 180};
  std::string out;
  for (int bit = 0, value = 0; static_cast<int>(out.size()) < precision; ++bit) {
    double* range = bit % 2 == 0 ? lon : lat;
    double x = bit % 2 == 0 ? p.lon : p.lat, mid = (range[0] + range[1]) / 2;
    value = value << 1 | (x >= mid ? 1 : 0);
    range[x >= mid ? 0 : 1] = mid;
    if (bit % 5 == 4) {
      out.push_back(kAlphabet[value]);
      value = 0;
    }
  }
  return out;
}

// The values that a suggestion has for a context: given with the input, or found in the document.
std::vector<std::string> context_values(const segments::MappedField::Context& c, const Entry& e, const json::object& source) {
  std::vector<json::value> raw;
  if (auto* v = e.contexts.if_contains(c.name)) {
    if (v->is_array() && !(c.kind == "geo" && !v->get_array().empty() && v->get_array()[0].is_number())) for (auto& x : v->get_array()) raw.push_back(x);
    else raw.push_back(*v);
  } else if (!c.path.empty()) {
    values_at(source, c.path, raw);
  }
  std::vector<std::string> out;
  for (auto& v : raw) out.push_back(c.kind == "geo" ? geohash_of(v, 12) : json_text(v));
  return out;
}
}  // namespace

json::array completion_suggestions(SearchJob& job, const std::string& text, bool regex, const json::object& o, const json::object& request) {
  std::string field = text_or(o, "field");
  if (field.empty()) illegal("the required field option is missing");
  auto size = static_cast<size_t>(whole(o, "size", 5));
  bool distinct = flag_or(o, "skip_duplicates", false);
  struct Option { Entry entry; double score; size_t leaf; uint32_t doc; json::object contexts; };
  std::vector<Option> found;
  bool known = job.parts().empty();
  for (const SearchJob::Part& p : job.parts()) {
    const segments::MappedField* f = p.mapping->field(field);
    if (f == nullptr) continue;
    known = true;
    if (f->type != segments::FieldType::kCompletion) illegal("Field [" + field + "] is not a completion suggest field");
    segments::TokenBuffer tokens;
    f->search_analyzer->analyze(text, tokens);
    std::string prefix;
    for (auto& t : tokens.tokens) {
      if (!prefix.empty()) prefix += ' ';
      prefix += tokens.term(t);
    }
    const json::object* asked = nullptr;
    if (auto* c = o.if_contains("contexts"); c != nullptr && c->is_object()) asked = &c->get_object();
    if (!f->contexts.empty() && asked == nullptr) illegal("Missing mandatory contexts in context query");
    int edits = -1, fixed = 1;
    if (auto* fuzzy = o.if_contains("fuzzy"); fuzzy != nullptr && (fuzzy->is_object() || json_text(*fuzzy) == "true")) {
      json::object spec = fuzzy->is_object() ? fuzzy->get_object() : json::object();
      std::string by = text_or(spec, "fuzziness", "AUTO");
      size_t n = segments::code_points(prefix).size();
      edits = by.starts_with("AUTO") ? (n < 3 ? 0 : n < 6 ? 1 : 2) : std::atoi(by.c_str());
      fixed = static_cast<int>(whole(spec, "prefix_length", 1));
      if (static_cast<int64_t>(n) < whole(spec, "min_length", 3)) edits = 0;
    }
    for (size_t l = 0; l < p.searcher->leaves().size(); ++l) {
      const segments::Leaf& leaf = p.searcher->leaves()[l];
      auto* sf = leaf.segment->field(f->path);
      if (sf == nullptr) continue;
      auto it = leaf.segment->terms(*sf);
      bool walk = regex || edits > 0;
      for (bool ok = walk ? it.first() : it.seek(prefix); ok; ok = it.next()) {
        if (!walk && !it.term().starts_with(prefix)) break;
        std::string_view key = it.term().substr(0, it.term().find('\0'));
        if (edits > 0 && !near_prefix(prefix, std::string(key), edits, fixed)) continue;
        if (regex) {
          std::string whole_pattern = text + ".*";
          if (!segments::regexp_matches(whole_pattern, key)) continue;
        }
        Entry e = parse_entry(it.term());
        auto postings = leaf.segment->postings(*sf, it.info());
        for (uint32_t d = postings.next(); d != segments::kNoDoc; d = postings.next()) {
          if (!leaf.visible(d)) continue;
          Option x{e, static_cast<double>(e.weight), p.first_leaf + l, d, {}};
          bool fits = f->contexts.empty() || asked == nullptr;
          if (!fits) {
            json::object source = job.source_of(x.leaf, d);
            double boost = 0;
            bool all = true;
            for (auto& [name, want] : *asked) {
              const segments::MappedField::Context* c = nullptr;
              for (auto& y : f->contexts) if (y.name == name) c = &y;
              if (c == nullptr) illegal("Unknown context name [" + std::string(name) + "], must be one of " + std::to_string(f->contexts.size()));
              std::vector<std::string> have = context_values(*c, e, source);
              json::array list = want.is_array() && !(c->kind == "geo" && !want.get_array().empty() && want.get_array()[0].is_number()) ? want.get_array() : json::array{want};
              bool any = false;
              for (auto& w : list) {
                json::value value = w;
                double b = 1;
                bool by_prefix = false;
                int precision = c->precision;
                if (w.is_object() && w.get_object().contains("context")) {
                  value = w.get_object().at("context");
                  b = static_cast<double>(whole(w.get_object(), "boost", 1));
                  by_prefix = flag_or(w.get_object(), "prefix", false);
                  precision = static_cast<int>(whole(w.get_object(), "precision", precision));
                }
                std::string key2 = c->kind == "geo" ? geohash_of(value, precision) : json_text(value);
                for (auto& h : have) {
                  if (c->kind == "geo" || by_prefix ? h.starts_with(key2) : h == key2) {
                    any = true;
                    boost = std::max(boost, b);
                  }
                }
              }
              all &= any;
              json::array shown;
              for (auto& h : have) shown.push_back(json::value(h));
              x.contexts[name] = shown;
            }
            if (!all) continue;
            x.score = static_cast<double>(e.weight) * boost;
          }
          found.push_back(std::move(x));
        }
      }
    }
  }
  if (!known) throw Error(ErrorCode::kInvalidParameterValue, "no mapping found for field [" + field + "]");
  std::stable_sort(found.begin(), found.end(), [](const Option& a, const Option& b) { return a.score != b.score ? a.score > b.score : a.entry.text < b.entry.text; });
  json::array options;
  std::set<std::pair<size_t, uint32_t>> documents;
  std::set<std::string> texts;
  for (Option& x : found) {
    if (options.size() >= size) break;
    if (!documents.emplace(x.leaf, x.doc).second || (distinct && !texts.insert(x.entry.text).second)) continue;
    Hit h;
    h.leaf = x.leaf;
    h.doc = x.doc;
    h.score = static_cast<float>(x.score);
    json::object only;
    if (auto* s = request.if_contains("_source")) only["_source"] = *s;
    json::object hit = job.render_hit(h, only);
    hit["_score"] = score_json(static_cast<float>(x.score));
    json::object out{{"text", x.entry.text}};
    for (auto& [k, v] : hit) out[k] = v;
    if (!x.contexts.empty()) out["contexts"] = x.contexts;
    options.push_back(std::move(out));
  }
  return json::array{json::object{{"text", text}, {"offset", 0}, {"length", segments::utf16_length(text)}, {"options", std::move(options)}}};
}

}  // namespace stele::elastic

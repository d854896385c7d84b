#include "segments/text/analysis.h"

#include <unicode/uchar.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "types/text_search/stop_words.h"
#include "segments/text/token_filters.h"
#include "segments/text/tokenizers.h"

namespace stele::segments {

namespace {

[[noreturn]] void bad(const std::string& message) { throw Error(ErrorCode::kInvalidParameterValue, message); }

std::vector<std::string> words_of(std::string_view list) {
  std::vector<std::string> out;
  size_t i = 0;
  while (i < list.size()) {
    size_t e = std::min(list.find(' ', i), list.size());
    if (e > i) out.emplace_back(list.substr(i, e - i));
    i = e + 1;
  }
  return out;
}
constexpr std::string_view kEnglishStop =
    "a an and are as at be but by for if in into is it no not of on or such that the their then there "
    "these they this to was will with";

std::string text_of(const json::value& v) {
  if (v.is_string()) return std::string(v.as_string());
  if (v.is_bool()) return v.as_bool() ? "true" : "false";
  return json::serialize(v);
}
// Settings arrive as strings as often as not.
struct Settings {
  const json::object& o;
  std::string str(std::string_view k, std::string d = {}) const {
    auto* v = o.if_contains(k);
    return v == nullptr || v->is_null() ? d : text_of(*v);
  }
  int num(std::string_view k, int d) const {
    auto* v = o.if_contains(k);
    return v == nullptr ? d : std::atoi(text_of(*v).c_str());
  }
  bool flag(std::string_view k, bool d) const {
    auto* v = o.if_contains(k);
    return v == nullptr ? d : text_of(*v) == "true";
  }
  std::vector<std::string> list(std::string_view k) const {
    std::vector<std::string> out;
    auto* v = o.if_contains(k);
    if (v == nullptr) return out;
    if (v->is_array()) {
      for (auto& e : v->as_array()) out.push_back(text_of(e));
    } else {
      std::string s = text_of(*v);
      size_t i = 0;
      while (i <= s.size()) {
        size_t e = std::min(s.find(',', i), s.size());
        if (e > i) out.push_back(s.substr(i, e - i));
        i = e + 1;
      }
    }
    return out;
  }
  bool has(std::string_view k) const { return o.contains(k); }
};

std::vector<std::string> stop_list(const std::vector<std::string>& given) {
  std::vector<std::string> out;
  for (const std::string& w : given) {
    if (w == "_none_") continue;
    if (w.size() > 2 && w.front() == '_' && w.back() == '_') {
      std::string language = w.substr(1, w.size() - 2);
      auto list = words_of(language == "english" ? kEnglishStop : stop_words(language));
      out.insert(out.end(), list.begin(), list.end());
    } else {
      out.push_back(w);
    }
  }
  return out;
}

std::vector<std::string> french_articles() {
  return {"l", "m", "t", "qu", "n", "s", "j", "d", "c", "jusqu", "quoiqu", "lorsqu", "puisqu"};
}
std::vector<std::string> italian_articles() {
  return {"c", "l", "all", "dall", "dell", "nell", "sull", "coll", "pell", "gl", "agl", "dagl", "degl",
          "negl", "sugl", "un", "m", "t", "s", "v", "d"};
}

std::string stemmer_name(const std::string& language) {
  static const std::map<std::string, std::string> kNames = {
      {"english", "porter"}, {"porter2", "english"}, {"light_english", "english"}, {"porter", "porter"},
      {"minimal_english", "minimal_english"}, {"possessive_english", "possessive_english"},
      {"light_german", "german"}, {"minimal_german", "german"}, {"german", "german"}, {"german2", "german"},
      {"light_french", "french"}, {"minimal_french", "french"}, {"light_spanish", "spanish"},
      {"light_italian", "italian"}, {"light_portuguese", "portuguese"}, {"minimal_portuguese", "portuguese"},
      {"light_russian", "russian"}, {"light_swedish", "swedish"}, {"light_norwegian", "norwegian"},
      {"minimal_norwegian", "norwegian"}, {"light_finnish", "finnish"}, {"light_hungarian", "hungarian"},
      {"dutch_kp", "dutch"}, {"light_nynorsk", "norwegian"}};
  std::string l;
  for (char c : language) l.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  auto it = kNames.find(l);
  return it == kNames.end() ? l : it->second;
}

std::function<bool(uint32_t)> token_chars(const std::vector<std::string>& classes, const std::string& custom) {
  if (classes.empty()) return nullptr;
  return [classes, custom](uint32_t c) {
    auto u = static_cast<UChar32>(c);
    for (const std::string& k : classes) {
      if (k == "letter" && u_isalpha(u)) return true;
      if (k == "digit" && u_isdigit(u)) return true;
      if (k == "whitespace" && u_isWhitespace(u)) return true;
      if (k == "punctuation" && u_ispunct(u)) return true;
      if (k == "symbol" && ((U_GET_GC_MASK(u) & U_GC_S_MASK) != 0)) return true;
      if (k == "custom" && c < 128 && custom.find(static_cast<char>(c)) != std::string::npos) return true;
    }
    return false;
  };
}

std::shared_ptr<const Tokenizer> make_tokenizer(const std::string& type, const Settings& s) {
  if (type == "standard" || type == "uax_url_email" || type == "thai") {
    return standard_tokenizer(s.num("max_token_length", 255));
  }
  if (type == "whitespace") {
    return char_class_tokenizer([](uint32_t c) { return !u_isWhitespace(static_cast<UChar32>(c)); }, false,
                                s.num("max_token_length", 255));
  }
  if (type == "letter" || type == "lowercase") {
    return char_class_tokenizer([](uint32_t c) { return u_isalpha(static_cast<UChar32>(c)) != 0; },
                                type == "lowercase");
  }
  if (type == "keyword") return keyword_tokenizer();
  if (type == "ngram" || type == "nGram" || type == "edge_ngram" || type == "edgeNGram") {
    bool edge = type[0] == 'e';
    int min = s.num("min_gram", 1), max = s.num("max_gram", 2);
    if (min < 1) bad("minGram must be greater than zero");
    if (min > max) bad("minGram must not be greater than maxGram");
    return ngram_tokenizer(min, max, edge, token_chars(s.list("token_chars"), s.str("custom_token_chars")));
  }
  if (type == "pattern") return pattern_tokenizer(s.str("pattern", "\\W+"), s.str("flags"), s.num("group", -1));
  if (type == "simple_pattern") return pattern_tokenizer(s.str("pattern"), "", 0);
  if (type == "simple_pattern_split") return pattern_tokenizer(s.str("pattern"), "", -1);
  if (type == "char_group") {
    std::vector<std::string> on = s.list("tokenize_on_chars");
    return char_class_tokenizer([on](uint32_t c) {
      auto u = static_cast<UChar32>(c);
      for (const std::string& k : on) {
        if (k == "whitespace" ? u_isWhitespace(u) : k == "letter" ? u_isalpha(u) : k == "digit" ? u_isdigit(u)
            : k == "punctuation" ? u_ispunct(u) : c < 128 && k.size() == 1 && k[0] == static_cast<char>(c)) return false;
      }
      return true;
    }, false, s.num("max_token_length", 255));
  }
  if (type == "path_hierarchy" || type == "PathHierarchy") {
    std::string d = s.str("delimiter", "/");
    return path_hierarchy_tokenizer(d[0], s.str("replacement", d)[0], s.flag("reverse", false), s.num("skip", 0));
  }
  return nullptr;
}

std::shared_ptr<const CharFilter> make_char_filter(const std::string& type, const Settings& s) {
  if (type == "html_strip") return html_strip_filter(s.list("escaped_tags"));
  if (type == "mapping") {
    std::vector<std::pair<std::string, std::string>> pairs;
    if (auto* m = s.o.if_contains("mappings"); m != nullptr && m->is_array()) {
      for (auto& e : m->as_array()) {
        std::string rule = text_of(e);
        size_t arrow = rule.find("=>");
        if (arrow == std::string::npos) bad("Invalid Mapping Rule : [" + rule + "]");
        auto trim = [](std::string t) {
          size_t a = t.find_first_not_of(" \t"), z = t.find_last_not_of(" \t");
          return a == std::string::npos ? std::string() : t.substr(a, z - a + 1);
        };
        pairs.emplace_back(trim(rule.substr(0, arrow)), trim(rule.substr(arrow + 2)));
      }
    } else {
      bad("mapping requires either `mappings` or `mappings_path` to be configured");
    }
    return mapping_filter(pairs);
  }
  if (type == "pattern_replace") {
    if (!s.has("pattern")) bad("pattern is missing for [pattern_replace] char filter of type 'pattern_replace'");
    return pattern_replace_char_filter(s.str("pattern"), s.str("flags"), s.str("replacement"));
  }
  return nullptr;
}

// Synonyms in Solr's format, each side analysed by whitespace and lower-cased parts upstream.
std::vector<SynonymRule> synonym_rules(const std::vector<std::string>& lines, bool expand,
                                       const std::function<std::vector<std::string>(std::string_view)>& analyze) {
  std::vector<SynonymRule> rules;
  auto sides = [&](std::string_view part) {
    std::vector<std::vector<std::string>> out;
    size_t i = 0;
    while (i <= part.size()) {
      size_t e = std::min(part.find(',', i), part.size());
      auto words = analyze(part.substr(i, e - i));
      if (!words.empty()) out.push_back(words);
      i = e + 1;
    }
    return out;
  };
  for (const std::string& line : lines) {
    if (line.empty() || line[0] == '#') continue;
    size_t arrow = line.find("=>");
    if (arrow != std::string::npos) {
      auto to = sides(std::string_view(line).substr(arrow + 2));
      for (auto& from : sides(std::string_view(line).substr(0, arrow))) rules.push_back({from, to});
    } else {
      auto all = sides(line);
      for (auto& from : all) {
        if (expand) {
          std::vector<std::vector<std::string>> to = {from};
          for (auto& other : all) {
            if (other != from) to.push_back(other);
          }
          rules.push_back({from, to});
        } else {
          rules.push_back({from, {all[0]}});
        }
      }
    }
  }
  return rules;
}

FilterPtr make_filter(const std::string& type, const std::string& name, const Settings& s,
                      const std::vector<FilterPtr>& before, const std::shared_ptr<const Tokenizer>& tokenizer) {
  if (type == "lowercase") return lowercase_filter(s.str("language"));
  if (type == "uppercase") return uppercase_filter();
  if (type == "asciifolding") return asciifolding_filter(s.flag("preserve_original", false));
  if (type == "stop") {
    std::vector<std::string> given = s.has("stopwords") ? s.list("stopwords") : std::vector<std::string>{"_english_"};
    return stop_filter(stop_list(given), s.flag("ignore_case", false), s.flag("remove_trailing", true));
  }
  if (type == "stemmer") return stemmer_filter(stemmer_name(s.str("language", s.str("name", "porter"))));
  if (type == "snowball") {
    std::string l = s.str("language", "English");
    for (char& c : l) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return stemmer_filter(l);
  }
  if (type == "porter_stem") return stemmer_filter("porter");
  if (type == "kstem") return stemmer_filter("english");
  if (type == "synonym" || type == "synonym_graph") {
    auto analyze = [&](std::string_view text) {
      TokenBuffer b;
      if (tokenizer) tokenizer->tokenize(text, b);
      for (const FilterPtr& f : before) f->apply(b);
      std::vector<std::string> out;
      for (const Token& t : b.tokens) out.emplace_back(b.term(t));
      return out;
    };
    std::vector<std::string> lines;
    if (auto* v = s.o.if_contains("synonyms"); v != nullptr) {
      if (v->is_array()) for (auto& e : v->as_array()) lines.push_back(text_of(e));
      else lines.push_back(text_of(*v));
    } else {
      bad(type + " requires either `synonyms` or `synonyms_path` to be configured");
    }
    return synonym_filter(synonym_rules(lines, s.flag("expand", true), analyze));
  }
  if (type == "ngram" || type == "nGram") {
    return ngram_filter(s.num("min_gram", 1), s.num("max_gram", 2), false, s.flag("preserve_original", false));
  }
  if (type == "edge_ngram" || type == "edgeNGram") {
    return ngram_filter(s.num("min_gram", 1), s.num("max_gram", 2), true, s.flag("preserve_original", false));
  }
  if (type == "shingle") {
    return shingle_filter(s.num("min_shingle_size", 2), s.num("max_shingle_size", 2), s.flag("output_unigrams", true),
                          s.flag("output_unigrams_if_no_shingles", false), s.str("token_separator", " "),
                          s.str("filler_token", "_"));
  }
  if (type == "word_delimiter" || type == "word_delimiter_graph") {
    WordDelimiterOptions o;
    o.generate_word_parts = s.flag("generate_word_parts", true);
    o.generate_number_parts = s.flag("generate_number_parts", true);
    o.catenate_words = s.flag("catenate_words", false);
    o.catenate_numbers = s.flag("catenate_numbers", false);
    o.catenate_all = s.flag("catenate_all", false);
    o.split_on_case_change = s.flag("split_on_case_change", true);
    o.preserve_original = s.flag("preserve_original", false);
    o.split_on_numerics = s.flag("split_on_numerics", true);
    o.stem_english_possessive = s.flag("stem_english_possessive", true);
    for (auto& w : s.list("protected_words")) o.protected_words.insert(w);
    return word_delimiter_filter(o);
  }
  if (type == "unique") return unique_filter(s.flag("only_on_same_position", false));
  if (type == "trim") return trim_filter();
  if (type == "length") return length_filter(s.num("min", 0), s.num("max", INT_MAX));
  if (type == "truncate") return truncate_filter(s.num("length", 10));
  if (type == "limit") return limit_filter(s.num("max_token_count", 1));
  if (type == "elision") {
    return elision_filter(s.has("articles") ? s.list("articles") : french_articles(), s.flag("articles_case", false));
  }
  if (type == "reverse") return reverse_filter();
  if (type == "keep") {
    auto l = s.list("keep_words");
    return keep_filter({l.begin(), l.end()});
  }
  if (type == "keyword_marker") {
    auto l = s.list("keywords");
    return keyword_marker_filter({l.begin(), l.end()}, s.flag("ignore_case", false));
  }
  if (type == "pattern_replace") {
    return pattern_replace_filter(s.str("pattern"), s.str("flags"), s.str("replacement"), s.flag("all", true));
  }
  if (type == "cjk_bigram") return cjk_bigram_filter(s.flag("output_unigrams", false));
  if (type == "cjk_width") return cjk_width_filter();
  if (type == "apostrophe") return apostrophe_filter();
  if (type == "decimal_digit") return decimal_digit_filter();
  if (type == "flatten_graph" || type == "remove_duplicates") {
    return type == "flatten_graph" ? flatten_filter() : unique_filter(true);
  }
  if (type == "german_normalization") return spelling_filter("german");
  if (type == "scandinavian_normalization") return spelling_filter("scandinavian");
  if (type == "scandinavian_folding") return spelling_filter("scandinavian_folding");
  (void)name;
  return nullptr;
}

struct Language {
  const char* name;
  const char* stemmer;
};
constexpr Language kLanguages[] = {
    {"english", "porter"}, {"german", "german"}, {"french", "french"}, {"spanish", "spanish"},
    {"italian", "italian"}, {"portuguese", "portuguese"}, {"dutch", "dutch"}, {"russian", "russian"},
    {"swedish", "swedish"}, {"norwegian", "norwegian"}, {"danish", "danish"}, {"finnish", "finnish"},
    {"hungarian", "hungarian"}, {"turkish", "turkish"}, {"romanian", "romanian"}, {"catalan", "catalan"},
    {"basque", "basque"}, {"irish", "irish"}, {"lithuanian", "lithuanian"}, {"arabic", "arabic"},
    {"armenian", "armenian"}, {"greek", "greek"}, {"hindi", "hindi"}, {"indonesian", "indonesian"},
};

AnalyzerPtr make_builtin(const std::string& type, const Settings& s) {
  auto a = std::make_shared<Analyzer>();
  a->name = type;
  auto add = [&](const char* name, FilterPtr f) {
    a->filters.push_back(std::move(f));
    a->filter_names.emplace_back(name);
  };
  auto stops = [&](std::string_view fallback) {
    return stop_list(s.has("stopwords") ? s.list("stopwords") : words_of(fallback));
  };
  if (type == "standard" || type == "default") {
    a->tokenizer = standard_tokenizer(s.num("max_token_length", 255));
    add("lowercase", lowercase_filter());
    if (s.has("stopwords")) add("stop", stop_filter(stops(""), false));
    return a;
  }
  if (type == "simple" || type == "stop") {
    a->tokenizer = make_tokenizer("lowercase", s);
    if (type == "stop") add("stop", stop_filter(stops("_english_"), false));
    return a;
  }
  if (type == "whitespace") {
    a->tokenizer = make_tokenizer("whitespace", s);
    return a;
  }
  if (type == "keyword") {
    a->tokenizer = keyword_tokenizer();
    return a;
  }
  if (type == "pattern") {
    a->tokenizer = pattern_tokenizer(s.str("pattern", "\\W+"), s.str("flags"), -1);
    if (s.flag("lowercase", true)) add("lowercase", lowercase_filter());
    if (s.has("stopwords")) add("stop", stop_filter(stops(""), false));
    return a;
  }
  if (type == "fingerprint") {
    a->tokenizer = standard_tokenizer();
    add("lowercase", lowercase_filter());
    add("asciifolding", asciifolding_filter(false));
    return a;
  }
  if (type == "cjk" || type == "chinese" || type == "japanese" || type == "korean" || type == "smartcn" ||
      type == "kuromoji" || type == "nori") {
    a->tokenizer = standard_tokenizer();
    add("cjk_width", cjk_width_filter());
    add("lowercase", lowercase_filter());
    add("cjk_bigram", cjk_bigram_filter(false));
    add("stop", stop_filter(stops("_english_"), false));
    return a;
  }
  for (const Language& l : kLanguages) {
    if (type != l.name) continue;
    a->tokenizer = standard_tokenizer();
    if (type == "english") add("stemmer", stemmer_filter("possessive_english"));
    if (type == "french") add("elision", elision_filter(french_articles(), true));
    if (type == "italian") add("elision", elision_filter(italian_articles(), true));
    if (type == "turkish") add("apostrophe", apostrophe_filter());
    add("lowercase", lowercase_filter(type == "turkish" ? "turkish" : ""));
    add("stop", stop_filter(stops("_" + type + "_"), false));
    if (s.has("stem_exclusion")) {
      auto x = s.list("stem_exclusion");
      add("keyword_marker", keyword_marker_filter({x.begin(), x.end()}, false));
    }
    if (type == "german") add("german_normalization", spelling_filter("german"));
    add("stemmer", stemmer_filter(l.stemmer));
    return a;
  }
  return nullptr;
}

}  // namespace

struct Analysis::Impl {
  json::object settings;
  std::map<std::string, AnalyzerPtr, std::less<>> analyzers, normalizers;

  const json::object* definition(std::string_view section, std::string_view name) const {
    auto* s = settings.if_contains(section);
    if (s == nullptr || !s->is_object()) return nullptr;
    auto* d = s->as_object().if_contains(name);
    return d != nullptr && d->is_object() ? &d->as_object() : nullptr;
  }

  // Parts may be named or, in _analyze, defined in place.
  template <typename Make>
  auto part(const json::value& v, std::string_view section, const char* what, Make make) const
      -> decltype(make(std::string(), std::string(), Settings{json::object{}})) {
    static const json::object kEmpty;
    if (v.is_object()) {
      Settings s{v.as_object()};
      auto p = make(s.str("type"), "__anonymous__" + s.str("type"), s);
      if (!p) bad("failed to find global " + std::string(what) + " under [" + s.str("type") + "]");
      return p;
    }
    std::string name = text_of(v);
    if (const json::object* d = definition(section, name)) {
      Settings s{*d};
      auto p = make(s.str("type"), name, s);
      if (!p) bad("Unknown " + std::string(what) + " type [" + s.str("type") + "] for [" + name + "]");
      return p;
    }
    return make(name, name, Settings{kEmpty});
  }

  AnalyzerPtr build_custom(const std::string& name, const json::object& o, bool normalizer) const {
    auto a = std::make_shared<Analyzer>();
    a->name = name;
    Settings s{o};
    if (normalizer && !o.contains("tokenizer")) {
      a->tokenizer = keyword_tokenizer();
    } else if (auto* t = o.if_contains("tokenizer")) {
      a->tokenizer = part(*t, "tokenizer", "tokenizer",
                          [](const std::string& type, const std::string&, const Settings& d) { return make_tokenizer(type, d); });
      if (!a->tokenizer) {
        bad(name.empty() ? "failed to find global tokenizer under [" + text_of(*t) + "]"
                         : "Custom Analyzer [" + name + "] failed to find tokenizer under name [" + text_of(*t) + "]");
      }
    } else {
      bad("Custom Analyzer [" + name + "] must be configured with a tokenizer");
    }
    auto each = [&](std::string_view key, auto f) {
      auto* v = o.if_contains(key);
      if (v == nullptr) return;
      if (v->is_array()) for (auto& e : v->as_array()) f(e);
      else f(*v);
    };
    each("char_filter", [&](const json::value& v) {
      auto f = part(v, "char_filter", "char_filter",
                    [](const std::string& type, const std::string&, const Settings& d) { return make_char_filter(type, d); });
      if (!f) bad(name.empty() ? "failed to find global char_filter under [" + text_of(v) + "]"
                               : "Custom Analyzer [" + name + "] failed to find char_filter under name [" + text_of(v) + "]");
      a->char_filters.push_back(f);
    });
    each("filter", [&](const json::value& v) {
      auto f = part(v, "filter", "filter", [&](const std::string& type, const std::string& n, const Settings& d) {
        return make_filter(type, n, d, a->filters, a->tokenizer);
      });
      if (!f) bad(name.empty() ? "failed to find global filter under [" + text_of(v) + "]"
                               : "Custom Analyzer [" + name + "] failed to find filter under name [" + text_of(v) + "]");
      a->filters.push_back(f);
      a->filter_names.push_back(v.is_object() ? "__anonymous__" + Settings{v.as_object()}.str("type") : text_of(v));
    });
    a->position_increment_gap = s.num("position_increment_gap", 100);
    return a;
  }
};

Analysis::Analysis() : impl_(std::make_unique<Impl>()) {}
Analysis::~Analysis() = default;

Analysis::Analysis(const json::object& settings) : impl_(std::make_unique<Impl>()) {
  impl_->settings = settings;
  auto section = [&](std::string_view name, auto f) {
    auto* v = impl_->settings.if_contains(name);
    if (v == nullptr || !v->is_object()) return;
    for (auto& [key, d] : v->as_object()) {
      if (!d.is_object()) bad("analyzer settings must be objects");
      f(std::string(key), d.as_object());
    }
  };
  section("analyzer", [&](const std::string& name, const json::object& o) {
    Settings s{o};
    std::string type = s.str("type", "custom");
    AnalyzerPtr a = type == "custom" ? impl_->build_custom(name, o, false) : make_builtin(type, s);
    if (!a) bad("Unknown analyzer type [" + type + "] for [" + name + "]");
    impl_->analyzers[name] = a;
  });
  section("normalizer", [&](const std::string& name, const json::object& o) {
    impl_->normalizers[name] = impl_->build_custom(name, o, true);
  });
}

AnalyzerPtr Analysis::analyzer(std::string_view name) const {
  auto it = impl_->analyzers.find(name);
  if (it != impl_->analyzers.end()) return it->second;
  return builtin(name);
}
AnalyzerPtr Analysis::normalizer(std::string_view name) const {
  auto it = impl_->normalizers.find(name);
  if (it != impl_->normalizers.end()) return it->second;
  if (name == "lowercase") {
    static const AnalyzerPtr lower = [] {
      auto a = std::make_shared<Analyzer>();
      a->name = "lowercase";
      a->tokenizer = keyword_tokenizer();
      a->filters.push_back(lowercase_filter());
      return a;
    }();
    return lower;
  }
  return nullptr;
}
AnalyzerPtr Analysis::custom(const json::object& d, bool normalizer) const {
  return impl_->build_custom("", d, normalizer);
}

AnalyzerPtr Analysis::builtin(std::string_view name) {
  static std::mutex mutex;
  static std::map<std::string, AnalyzerPtr, std::less<>> cache;
  std::lock_guard lock(mutex);
  auto it = cache.find(name);
  if (it != cache.end()) return it->second;
  static const json::object kEmpty;
  AnalyzerPtr a = make_builtin(std::string(name), Settings{kEmpty});
  if (a) cache.emplace(name, a);
  return a;
}

}  // namespace stele::segments

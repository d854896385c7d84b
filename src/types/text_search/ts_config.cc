#include "types/text_search/ts_config.h"

#include <algorithm>
#include <map>
#include <mutex>

#include <libstemmer.h>

#include "base/error.h"
#include "types/builtin.h"
#include "types/oids.h"
#include "types/text_search/stop_words.h"
#include "types/text_search/ts_parser.h"
#include "types/text_search/ts_query.h"
#include "types/text_search/ts_scan.h"

namespace stele {

namespace {

constexpr size_t kLongestStemmed = 1000;

// A stemmer belongs to one thread at a time: each thread has its own.
struct Stemmers {
  std::map<std::string, sb_stemmer*, std::less<>> made;
  ~Stemmers() {
    for (auto& [language, s] : made) sb_stemmer_delete(s);
  }
  sb_stemmer* get(const std::string& language) {
    auto [it, is_new] = made.emplace(language, nullptr);
    if (is_new) it->second = sb_stemmer_new(language.c_str(), "UTF_8");
    return it->second;
  }
};

// The value of an option in "language = 'x', stopwords = 'y'".
std::string option(std::string_view options, std::string_view name) {
  const size_t at = options.find(name);
  if (at == std::string_view::npos) return {};
  const size_t open = options.find('\'', at), close = options.find('\'', open + 1);
  return std::string(options.substr(open + 1, close - open - 1));
}

const std::map<Oid, TsDictionary>& dictionaries() {
  static const std::map<Oid, TsDictionary> all = [] {
    std::map<Oid, TsDictionary> m;
    for (const auto& row : builtin::rows("pg_ts_dict")) {
      const Oid id = static_cast<Oid>(std::stoul(row[0]));
      const std::string stop = option(row[3], "stopwords");
      m.emplace(std::piecewise_construct, std::forward_as_tuple(id),
                std::forward_as_tuple(id, row[1], option(row[3], "language"), stop.empty() ? std::string_view{} : stop_words(stop)));
    }
    return m;
  }();
  return all;
}

const TsDictionary* dictionary_named(std::string_view name) {
  for (const auto& [id, d] : dictionaries()) {
    if (d.name() == name) return &d;
  }
  return nullptr;
}

}  // namespace

TsDictionary::TsDictionary(Oid id, std::string name, std::string language, std::string_view words)
    : id_(id), name_(std::move(name)), language_(std::move(language)) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    if (end > 0) stop_.push_back(words.substr(0, end));
    words.remove_prefix(std::min(words.size(), end + 1));
  }
  std::sort(stop_.begin(), stop_.end());
}

namespace {
// Nothing is ever taken out: readers hold plain references.
struct Defined {
  std::mutex mutex;
  std::map<Oid, const TsDictionary*> dictionaries;
  std::map<Oid, const TsConfig*> configs;
  std::vector<std::unique_ptr<const TsDictionary>> all_dictionaries;
  std::vector<std::unique_ptr<const TsConfig>> all_configs;
};
Defined& defined() {
  static auto* const d = new Defined;
  return *d;
}
}  // namespace

void define_ts_dictionary(std::unique_ptr<const TsDictionary> dictionary) {
  Defined& d = defined();
  std::lock_guard lock(d.mutex);
  if (dictionary->id() != 0) d.dictionaries[dictionary->id()] = dictionary.get();
  d.all_dictionaries.push_back(std::move(dictionary));
}
void define_ts_config(Oid id, std::unique_ptr<const TsConfig> config) {
  Defined& d = defined();
  std::lock_guard lock(d.mutex);
  d.configs[id] = config.get();
  d.all_configs.push_back(std::move(config));
}

void TsDictionary::set_synonyms(std::vector<std::pair<std::string, std::string>> words, bool case_sensitive) {
  is_synonym_ = true;
  case_sensitive_ = case_sensitive;
  synonyms_ = std::move(words);
  std::stable_sort(synonyms_.begin(), synonyms_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
}

const TsDictionary& TsDictionary::find(Oid id) {
  if (id >= oid::kFirstUserOid) {
    Defined& d = defined();
    std::lock_guard lock(d.mutex);
    if (auto it = d.dictionaries.find(id); it != d.dictionaries.end()) return *it->second;
  }
  const auto& all = dictionaries();
  auto it = all.find(id);
  if (it == all.end()) throw Error(ErrorCode::kInternalError, fmt::format("cache lookup failed for text search dictionary {}", id));
  return it->second;
}

TsLexemes TsDictionary::lexize(std::string_view word) const {
  if (!chain_.empty()) {
    for (const TsDictionary* d : chain_)
      if (TsLexemes found = d->lexize(word)) return found;
    return std::nullopt;
  }
  if (is_synonym_) {
    const std::string key = case_sensitive_ ? std::string(word) : ts_lower(word);
    auto it = std::lower_bound(synonyms_.begin(), synonyms_.end(), key, [](const auto& a, const std::string& k) { return a.first < k; });
    if (it == synonyms_.end() || it->first != key) return std::nullopt;
    return std::vector<std::string>{it->second};
  }
  std::string lower = ts_lower(word);
  std::vector<std::string> out;
  if (lower.empty() || std::binary_search(stop_.begin(), stop_.end(), std::string_view(lower))) return out;
  if (!language_.empty() && lower.size() <= kLongestStemmed) {
    thread_local Stemmers stemmers;
    if (sb_stemmer* s = stemmers.get(language_)) {
      const sb_symbol* stem = sb_stemmer_stem(s, reinterpret_cast<const sb_symbol*>(lower.data()), static_cast<int>(lower.size()));
      if (stem == nullptr) throw Error(ErrorCode::kOutOfMemory, "out of memory");
      lower.assign(reinterpret_cast<const char*>(stem), static_cast<size_t>(sb_stemmer_length(s)));
    }
  }
  if (passes_on_) return std::nullopt;
  out.push_back(std::move(lower));
  return out;
}

const TsConfig& TsConfig::find(Oid id) {
  if (id >= oid::kFirstUserOid) {
    Defined& d = defined();
    std::lock_guard lock(d.mutex);
    if (auto it = d.configs.find(id); it != d.configs.end()) return *it->second;
  }
  static const std::map<Oid, TsConfig> all = [] {
    std::map<Oid, TsConfig> m;
    const TsDictionary* simple = dictionary_named("simple");
    for (const auto& row : builtin::rows("pg_ts_config")) {
      TsConfig& c = m[static_cast<Oid>(std::stoul(row[0]))];
      const std::string& name = row[1];
      const TsDictionary* stem = name == "simple" ? simple : dictionary_named(name + "_stem");
      // Languages of other scripts take ASCII words for English.
      const TsDictionary* ascii = name == "russian" || name == "hindi" ? dictionary_named("english_stem") : stem;
      for (const int t : {kTsEmail, kTsUrl, kTsHost, kTsScientific, kTsVersion, kTsNumWord, kTsNumHword, kTsPartNumHword, kTsUrlPath, kTsFile,
                          kTsDecimal, kTsSignedInt, kTsUnsignedInt})
        c.dictionaries_[t] = simple;
      for (const int t : {kTsWord, kTsHword, kTsPartHword}) c.dictionaries_[t] = stem;
      for (const int t : {kTsAsciiWord, kTsAsciiHword, kTsPartAsciiHword}) c.dictionaries_[t] = ascii;
    }
    return m;
  }();
  auto it = all.find(id);
  if (it == all.end()) throw Error(ErrorCode::kInternalError, fmt::format("cache lookup failed for text search configuration {}", id));
  return it->second;
}

Oid current_ts_config(EvalContext& ctx) {
  std::string name = "pg_catalog.english";
  if (ctx.setting) {
    if (auto s = ctx.setting("default_text_search_config")) name = *s;
  }
  if (ctx.catalog != nullptr) return ctx.catalog->find(oid::kRegconfig, name);
  std::string_view bare = name;
  if (const size_t dot = bare.rfind('.'); dot != std::string_view::npos) bare.remove_prefix(dot + 1);
  for (const auto& row : builtin::rows("pg_ts_config")) {
    if (row[1] == bare) return static_cast<Oid>(std::stoul(row[0]));
  }
  throw Error(ErrorCode::kUndefinedObject, fmt::format("text search configuration \"{}\" does not exist", name));
}

void ts_parse_document(const TsConfig& config, std::string_view text, std::vector<TsParsedWord>& words, int* position, EvalContext& ctx) {
  for (const TsToken& t : ts_parse(text)) {
    const TsDictionary* d = config.dictionary(t.type);
    if (d == nullptr) continue;
    if (t.text.size() > kMaxLexemeBytes) {
      if (ctx.notice) {
        ctx.notice(Error(ErrorCode::kProgramLimitExceeded, "word is too long to be indexed")
                       .detail(fmt::format("Words longer than {} characters are ignored.", kMaxLexemeBytes + 1)),
                   "NOTICE");
      }
      continue;
    }
    const TsLexemes lexemes = d->lexize(t.text);
    if (!lexemes) continue;
    ++*position;
    for (const std::string& l : *lexemes) words.push_back({l, clip_ts_position(*position)});
  }
}

Datum ts_make_document(std::vector<TsParsedWord> words, Arena& arena) {
  std::vector<TsEntry> entries;
  entries.reserve(words.size());
  for (TsParsedWord& w : words) entries.push_back({std::move(w.text), {TsPosition(w.position, 0)}});
  return make_tsvector(std::move(entries), arena, kMaxTsPositions - 1);
}

TsNodePtr ts_make_query(const TsConfig& config, std::string_view text, TsQueryKind kind, EvalContext& ctx) {
  const TsOp joined_by = kind == TsQueryKind::kPlain ? TsOp::kAnd : TsOp::kPhrase;
  const TsQuerySyntax syntax = kind == TsQueryKind::kStandard ? TsQuerySyntax::kStandard
                               : kind == TsQueryKind::kWeb    ? TsQuerySyntax::kWeb
                                                              : TsQuerySyntax::kPlain;
  auto operand = [&](std::string_view word, int weights, bool prefix) -> TsNodePtr {
    std::vector<TsParsedWord> words;
    int position = 0;
    ts_parse_document(config, word, words, &position, ctx);
    TsNodePtr tree;
    int at = 0;
    auto add = [&](TsNodePtr n) { tree = tree ? ts_operator(joined_by, std::move(tree), std::move(n), joined_by == TsOp::kPhrase ? 1 : 0) : std::move(n); };
    for (TsParsedWord& w : words) {
      // Stop words between leave their places.
      for (; at > 0 && at + 1 < w.position; ++at) add(ts_stop_word());
      at = w.position;
      add(ts_value(std::move(w.text), weights, prefix));
    }
    return tree ? std::move(tree) : ts_stop_word();
  };
  return parse_tsquery(text, syntax, operand, ctx);
}

}  // namespace stele

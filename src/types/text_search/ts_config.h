// Text search configurations and dictionaries: what a token becomes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "types/context.h"
#include "types/text_search/ts_value.h"

namespace stele {

// A dictionary's answer: nullopt is "unknown word", empty is a stop word.
using TsLexemes = std::optional<std::vector<std::string>>;

class TsDictionary {
 public:
  // Throws undefined_object for an unknown id. Dictionaries never die; any thread may use them.
  static const TsDictionary& find(Oid id);
  TsLexemes lexize(std::string_view word) const;
  const std::string& name() const { return name_; }
  Oid id() const { return id_; }

  TsDictionary(Oid id, std::string name, std::string language, std::string_view stop_words);
  // Asks each in turn until one knows the word.
  explicit TsDictionary(std::vector<const TsDictionary*> chain) : id_(0), chain_(std::move(chain)) {}
  // Words that are not stop words are unknown to it, so that the next is asked (ACCEPT = false).
  void pass_on() { passes_on_ = true; }
  // word, its substitute; both in lower case unless the case counts.
  void set_synonyms(std::vector<std::pair<std::string, std::string>> words, bool case_sensitive);

 private:
  Oid id_;
  std::string name_, language_;  // no language: the simple dictionary
  std::vector<std::string_view> stop_;  // sorted
  std::vector<const TsDictionary*> chain_;
  std::vector<std::pair<std::string, std::string>> synonyms_;  // sorted
  bool passes_on_ = false, is_synonym_ = false, case_sensitive_ = false;
};

class TsConfig {
 public:
  static const TsConfig& find(Oid id);
  // Of a token type; null when tokens of that type are not indexed.
  const TsDictionary* dictionary(int token_type) const { return dictionaries_[token_type]; }
  void set(int token_type, const TsDictionary* d) { dictionaries_[token_type] = d; }

 private:
  const TsDictionary* dictionaries_[24] = {};
};

// Dictionaries and configurations of users, known to the whole process by their oid. What a name meant before stays alive:
// somebody may be reading it.
void define_ts_dictionary(std::unique_ptr<const TsDictionary> dictionary);
void define_ts_config(Oid id, std::unique_ptr<const TsConfig> config);

// default_text_search_config as a configuration's id; throws when it names none.
Oid current_ts_config(EvalContext& ctx);

// One word of a parsed text; position counts words, stop words too.
struct TsParsedWord {
  std::string text;
  int position;
};
// Appends the lexemes of `text`; *position goes on from where it stands.
void ts_parse_document(const TsConfig& config, std::string_view text, std::vector<TsParsedWord>& words, int* position,
                       EvalContext& ctx);
Datum ts_make_document(std::vector<TsParsedWord> words, Arena& arena);
// As to_tsquery and its kin read words.
enum class TsQueryKind : uint8_t { kStandard, kPlain, kPhrase, kWeb };
TsNodePtr ts_make_query(const TsConfig& config, std::string_view text, TsQueryKind kind, EvalContext& ctx);

}  // namespace stele

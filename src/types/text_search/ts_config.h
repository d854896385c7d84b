// Text search configurations and dictionaries: what a token becomes.
#pragma once

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

 private:
  Oid id_;
  std::string name_, language_;  // no language: the simple dictionary
  std::vector<std::string_view> stop_;  // sorted
};

class TsConfig {
 public:
  static const TsConfig& find(Oid id);
  // Of a token type; null when tokens of that type are not indexed.
  const TsDictionary* dictionary(int token_type) const { return dictionaries_[token_type]; }

 private:
  const TsDictionary* dictionaries_[24] = {};
};

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

// How a text index of a collection cuts values and questions into tokens: Qdrant's tokenizers (word, whitespace,
// prefix, multilingual), case, lengths, stop words, ASCII folding and Snowball stemming. Immutable; any thread.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "segments/text/token_filters.h"

namespace stele::segments::vectors {

class TextAnalysis {
 public:
  // "text", or {"type": "text", "tokenizer": ..., ...}. Throws parsing errors.
  explicit TextAnalysis(const json::value& schema);
  std::vector<std::string> document(std::string_view text) const { return tokens(text, true); }
  std::vector<std::string> query(std::string_view text) const { return tokens(text, false); }

 private:
  enum class Kind : uint8_t { kWord, kWhitespace, kPrefix, kWords /* of any language */ };
  std::vector<std::string> tokens(std::string_view text, bool document) const;
  Kind kind_ = Kind::kWord;
  bool lowercase_ = true;
  size_t min_ = 0, max_ = SIZE_MAX;   // characters
  std::set<std::string> stop_;
  std::vector<std::shared_ptr<const TokenFilter>> filters_;   // folding, stemming
};

}  // namespace stele::segments::vectors

// Reads lexemes as tsvector's and tsquery's text forms write them, and character classes of the
// default parser (those of the C.UTF-8 locale).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "types/text_search/ts_value.h"

namespace stele {

// Bytes of the character at s[i]; 0 at the end.
size_t ts_char_length(std::string_view s, size_t i);
bool ts_is_space(std::string_view s, size_t i);
bool ts_is_alpha(std::string_view s, size_t i);
inline bool ts_is_digit(std::string_view s, size_t i) { return i < s.size() && s[i] >= '0' && s[i] <= '9'; }
inline bool ts_is(std::string_view s, size_t i, char c) { return i < s.size() && s[i] == c; }
// An operator's character of a query: ! & | ( ) at s[i].
bool ts_is_operator(std::string_view s, size_t i);
std::string ts_lower(std::string_view s);

class LexemeScanner {
 public:
  enum class Mode : uint8_t { kVector, kQuery, kWebQuery };
  LexemeScanner(std::string_view text, Mode mode) : text_(text), mode_(mode) {}
  // Reads one lexeme from `at` on and leaves `at` behind it; false at the end of the text. Throws
  // syntax_error in the words of the type.
  bool next(size_t& at, std::string& word, std::vector<TsPosition>* positions);

 private:
  [[noreturn]] void fail() const;
  bool ends_word(size_t i) const;
  std::string_view text_;
  Mode mode_;
};

}  // namespace stele

// A statement's text with parameters in the place of its literals, so that texts which differ in nothing else share
// one plan.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stele::sql {

struct Literal {
  enum class Kind : char { kInt4 = 'i', kInt8 = 'l', kString = 's' } kind;
  int64_t number = 0;
  std::string text;           // kString: without its quotes
};

struct StrippedText {
  // The statement with $1, $2 ...; then a NUL and the kinds of the literals. Two texts with one key are the same
  // tokens but for the values of the literals.
  std::string key;
  std::vector<Literal> literals;
  std::string_view sql() const { return std::string_view(key).substr(0, key.find('\0')); }
};

// False when the text holds anything whose borders this does not judge: comments, parameters, dollar quotes, escape
// strings, numbers other than plain integers of 64 bits. A sign before a number becomes part of it where it can only be one.
bool strip_literals(std::string_view text, StrippedText* out);

}  // namespace stele::sql

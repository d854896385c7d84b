// Tokens of a PL/pgSQL body. SQL inside it stays text: the parser only looks for where it ends.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stele::sql::plpgsql {

enum class TokenKind : uint8_t { kWord, kQuoted, kInteger, kNumber, kString, kParam, kOperator, kEnd };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;      // words in lower case, strings and quoted names without their quotes
  int begin = 0, end = 0;  // byte offsets in the body
  bool is(std::string_view word) const { return (kind == TokenKind::kWord || kind == TokenKind::kOperator) && text == word; }
  bool name() const { return kind == TokenKind::kWord || kind == TokenKind::kQuoted; }
};

// The last token is kEnd. Throws syntax_error for unterminated quotes and comments.
std::vector<Token> scan(std::string_view body);
// 1-based line of an offset; as PostgreSQL counts them, a newline right at the start is not counted.
int line_of(std::string_view body, int offset);

}  // namespace stele::sql::plpgsql

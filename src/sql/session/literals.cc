#include "sql/session/literals.h"

#include <charconv>

namespace stele::sql {

namespace {

constexpr size_t kLongestText = 4096;

bool ident_start(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80; }
bool digit(unsigned char c) { return c >= '0' && c <= '9'; }
bool space(unsigned char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'; }
bool operator_char(char c) { return c != '\0' && std::string_view("+-*/<>=~!@#%^&|`?").find(c) != std::string_view::npos; }

struct Scanner {
  std::string_view text;
  StrippedText* out;
  size_t at = 0;
  char last = '\0';        // last character that was no space; 'a' for a word, '1' for a literal
  bool spaced = false;     // a space came after it

  unsigned char peek(size_t ahead = 0) const { return at + ahead < text.size() ? static_cast<unsigned char>(text[at + ahead]) : '\0'; }

  void placeholder(Literal literal) {
    if (out->literals.size() <= count) out->literals.resize(count + 1);
    out->literals[count++] = std::move(literal);
    char digits[8];
    auto end = std::to_chars(digits, digits + sizeof digits, count).ptr;
    out->key.push_back('$');
    out->key.append(digits, end);
    last = '1';
    spaced = false;
  }
  bool word() {
    const size_t from = at;
    while (ident_start(peek()) || digit(peek()) || peek() == '$') ++at;
    // E'...', B'...', X'...', N'...' and U&'...' are literals of their own kinds.
    if (peek() == '\'') return false;
    if (peek() == '&' && at - from == 1 && (text[from] == 'u' || text[from] == 'U')) return false;
    out->key.append(text.substr(from, at - from));
    last = 'a';
    spaced = false;
    return true;
  }
  bool number(bool negative) {
    const size_t from = at;
    while (digit(peek())) ++at;
    if (ident_start(peek()) || peek() == '.' || peek() == '$') return false;
    if (negative && peek() == ':') return false;   // a cast binds tighter than the sign
    uint64_t magnitude = 0;
    const auto parsed = std::from_chars(text.data() + from, text.data() + at, magnitude);
    if (parsed.ec != std::errc() || magnitude > INT64_MAX) return false;
    const int64_t value = negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
    placeholder({value >= INT32_MIN && value <= INT32_MAX ? Literal::Kind::kInt4 : Literal::Kind::kInt8, value, {}});
    return true;
  }
  bool string() {
    std::string value;
    for (++at;; ++at) {
      if (at >= text.size() || text[at] == '\\') return false;
      if (text[at] != '\'') {
        value.push_back(text[at]);
      } else if (peek(1) == '\'') {
        value.push_back('\'');
        ++at;
      } else {
        break;
      }
    }
    ++at;
    placeholder({Literal::Kind::kString, 0, std::move(value)});
    return true;
  }
  bool quoted() {
    const size_t end = text.find('"', at + 1);
    if (end == text.npos) return false;
    out->key.append(text.substr(at, end + 1 - at));
    at = end + 1;
    last = 'a';
    spaced = false;
    return true;
  }

  bool run() {
    while (at < text.size()) {
      const unsigned char c = peek();
      bool ok = true;
      if (ident_start(c)) {
        ok = word();
      } else if (digit(c)) {
        ok = number(false);
      } else if (c == '\'') {
        ok = string();
      } else if (c == '"') {
        ok = quoted();
      } else if (c == '$' || c == '\0' || c == '\\' || (c == '-' && peek(1) == '-') || (c == '/' && peek(1) == '*') || (c == '.' && digit(peek(1)))) {
        ok = false;
      } else if (c == '-' && digit(peek(1)) && (last == '(' || last == ',' || (spaced && operator_char(last)))) {
        ++at;
        ok = number(true);
      } else {
        out->key.push_back(static_cast<char>(c));
        ++at;
        if (space(c)) {
          spaced = true;
        } else {
          last = static_cast<char>(c);
          spaced = false;
        }
      }
      if (!ok) return false;
    }
    return true;
  }
  size_t count = 0;
};

}  // namespace

bool strip_literals(std::string_view text, StrippedText* out) {
  out->key.clear();
  if (text.size() > kLongestText) return false;
  Scanner scanner{text, out};
  if (!scanner.run()) return false;
  out->literals.resize(scanner.count);
  if (scanner.count == 0) return false;
  out->key.push_back('\0');
  for (const Literal& l : out->literals) out->key.push_back(static_cast<char>(l.kind));
  return true;
}

}  // namespace stele::sql

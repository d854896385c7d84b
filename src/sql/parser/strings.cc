#include "sql/parser/strings.h"

#include <cctype>

#include "sql/parser/parser.h"

namespace stele::sql {

namespace {

bool identifier_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80; }

// The end of $tag$ ... $tag$ that starts at i, or i when no such quote starts there.
size_t dollar_end(std::string_view s, size_t i) {
  size_t j = i + 1;
  while (j < s.size() && identifier_char(s[j]) && s[j] != '$') ++j;
  if (j >= s.size() || s[j] != '$' || (j > i + 1 && std::isdigit(static_cast<unsigned char>(s[i + 1])) != 0)) return i;
  const std::string_view tag = s.substr(i, j - i + 1);
  const size_t close = s.find(tag, j + 1);
  return close == std::string_view::npos ? s.size() : close + tag.size();
}

int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

}  // namespace

std::string without_escapes(std::string_view text, const std::function<void(const Error&)>& warn) {
  std::string out(text);
  size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (text.compare(i, 2, "--") == 0) {
      i = std::min(text.size(), text.find('\n', i));
    } else if (text.compare(i, 2, "/*") == 0) {
      int depth = 1;
      for (i += 2; i < text.size() && depth > 0; ++i) {
        if (text.compare(i, 2, "/*") == 0) ++depth, ++i;
        else if (text.compare(i, 2, "*/") == 0) --depth, ++i;
      }
    } else if (c == '"') {
      for (++i; i < text.size() && text[i] != '"';) ++i;
      ++i;
    } else if (c == '$' && dollar_end(text, i) != i) {
      i = dollar_end(text, i);
    } else if (identifier_char(c)) {
      size_t j = i;
      while (j < text.size() && identifier_char(text[j])) ++j;
      const std::string_view word = text.substr(i, j - i);
      if (word.size() == 1 && (c == 'u' || c == 'U') && text.compare(j, 2, "&'") == 0)
        throw Error(ErrorCode::kFeatureNotSupported, "unsafe use of string constant with Unicode escapes")
            .detail("String constants with Unicode escapes cannot be used when standard_conforming_strings is off.")
            .position(character_position(text, static_cast<int>(i)));
      const bool prefixed = word.size() == 1 && j < text.size() && text[j] == '\'' && std::string_view("eEbBxX").find(c) != std::string_view::npos;
      i = j;
      if (!prefixed) continue;
      for (++i; i < text.size() && text[i] != '\'';) i += (c == 'e' || c == 'E') && text[i] == '\\' ? 2 : 1;
      ++i;
    } else if (c == '\'') {
      const size_t begin = i;
      std::string plain = "'";
      bool escaped = false, closed = false;
      auto first = [&](const char* message, const char* hint) {
        if (escaped) return;
        escaped = true;
        warn(Error(ErrorCode::kDataException, message).hint(hint).position(character_position(text, static_cast<int>(begin))));
      };
      for (++i; i < text.size();) {
        if (text[i] == '\'') {
          ++i;
          if (i < text.size() && text[i] == '\'') {
            plain += "''";
            ++i;
            continue;
          }
          closed = true;
          break;
        }
        if (text[i] != '\\' || i + 1 >= text.size()) {
          plain += text[i++];
          continue;
        }
        const char e = text[++i];
        ++i;
        if (e == '\'') {
          first("nonstandard use of \\' in a string literal", "Use '' to write quotes in strings, or use the escape string syntax (E'...').");
          plain += "''";
        } else if (e == '\\') {
          first("nonstandard use of \\\\ in a string literal", "Use the escape string syntax for backslashes, e.g., E'\\\\'.");
          plain += '\\';
        } else {
          first("nonstandard use of escape in a string literal", "Use the escape string syntax for escapes, e.g., E'\\r\\n'.");
          if (e >= '0' && e <= '7') {
            int v = e - '0';
            for (int k = 0; k < 2 && i < text.size() && text[i] >= '0' && text[i] <= '7'; ++k) v = v * 8 + (text[i++] - '0');
            plain += static_cast<char>(v);
          } else if (e == 'x' && i < text.size() && hex(text[i]) >= 0) {
            int v = hex(text[i++]);
            if (i < text.size() && hex(text[i]) >= 0) v = v * 16 + hex(text[i++]);
            plain += static_cast<char>(v);
          } else {
            plain += e == 'b' ? '\b' : e == 'f' ? '\f' : e == 'n' ? '\n' : e == 'r' ? '\r' : e == 't' ? '\t' : e;
          }
        }
      }
      if (!escaped || !closed) continue;
      plain += '\'';
      plain.resize(i - begin, ' ');
      out.replace(begin, i - begin, plain);
    } else {
      ++i;
    }
  }
  return out;
}

}  // namespace stele::sql

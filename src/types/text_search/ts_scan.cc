#include "types/text_search/ts_scan.h"

#include <clocale>
#include <cwctype>
#include <locale.h>

#include "base/error.h"
#include "types/text.h"

namespace stele {

namespace {
// glibc's own classes, as a PostgreSQL of the same locale has them.
locale_t classes() {
  static const locale_t l = [] {
    locale_t made = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made != nullptr ? made : newlocale(LC_CTYPE_MASK, "C", nullptr);
  }();
  return l;
}
wint_t wide(std::string_view s, size_t i) { return static_cast<wint_t>(utf8_decode(s.substr(i))); }
}  // namespace

size_t ts_char_length(std::string_view s, size_t i) { return i >= s.size() ? 0 : utf8_front(s.substr(i)); }
bool ts_is_space(std::string_view s, size_t i) { return i < s.size() && iswspace_l(wide(s, i), classes()) != 0; }
bool ts_is_alpha(std::string_view s, size_t i) { return i < s.size() && iswalpha_l(wide(s, i), classes()) != 0; }
bool ts_is_operator(std::string_view s, size_t i) {
  return i < s.size() && (s[i] == '!' || s[i] == '&' || s[i] == '|' || s[i] == '(' || s[i] == ')');
}
std::string ts_lower(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (size_t i = 0; i < s.size(); i += ts_char_length(s, i)) {
    if (static_cast<uint8_t>(s[i]) < 0x80) out.push_back(s[i] >= 'A' && s[i] <= 'Z' ? static_cast<char>(s[i] + 32) : s[i]);
    else utf8_append(static_cast<uint32_t>(towlower_l(wide(s, i), classes())), out);
  }
  return out;
}

void LexemeScanner::fail() const {
  throw Error(ErrorCode::kSyntaxError,
              fmt::format("syntax error in {}: \"{}\"", mode_ == Mode::kVector ? "tsvector" : "tsquery", text_));
}
bool LexemeScanner::ends_word(size_t i) const {
  if (i >= text_.size() || ts_is_space(text_, i)) return true;
  if (mode_ == Mode::kVector) return false;
  return ts_is_operator(text_, i) || text_[i] == '<' || (mode_ == Mode::kWebQuery && text_[i] == '"');
}

bool LexemeScanner::next(size_t& at, std::string& word, std::vector<TsPosition>* positions) {
  const bool query = mode_ != Mode::kVector, web = mode_ == Mode::kWebQuery;
  enum { kWord, kEndWord, kQuoted, kMaybeQuoteEnd, kPosition, kAfterPosition } state = kWord;
  word.clear();
  if (positions != nullptr) positions->clear();
  size_t& i = at;
  auto copy = [&] { word.append(text_.substr(i, std::max<size_t>(1, ts_char_length(text_, i)))); };
  auto escaped = [&] {
    i += 1;
    if (i >= text_.size()) throw Error(ErrorCode::kSyntaxError, fmt::format("there is no escaped character: \"{}\"", text_));
    copy();
  };
  for (;; i += std::max<size_t>(1, ts_char_length(text_, i))) {
    const bool end = i >= text_.size();
    const char c = end ? '\0' : text_[i];
    switch (state) {
      case kWord:
        if (end) return false;
        if (!web && c == '\'') {
          state = kQuoted;
        } else if (!web && c == '\\') {
          escaped();
          state = kEndWord;
        } else if (query && (ts_is_operator(text_, i) || c == '<' || (web && c == '"'))) {
          fail();
        } else if (!ts_is_space(text_, i)) {
          copy();
          state = kEndWord;
        }
        break;
      case kEndWord:
        if (!web && c == '\\') {
          escaped();
        } else if (ends_word(i)) {
          if (word.empty()) fail();
          return true;
        } else if (c == ':') {
          if (word.empty()) fail();
          if (query) return true;
          state = kPosition;
        } else {
          copy();
        }
        break;
      case kQuoted:
        if (end) fail();
        if (c == '\'') state = kMaybeQuoteEnd;
        else if (c == '\\') escaped();
        else copy();
        break;
      case kMaybeQuoteEnd:
        if (c == '\'') {
          word.push_back('\'');
          state = kQuoted;
          break;
        }
        if (word.empty()) fail();
        if (query || c != ':') return true;
        state = kPosition;
        break;
      case kPosition: {
        if (!ts_is_digit(text_, i)) fail();
        int64_t value = 0;
        for (size_t k = i; k < text_.size() && ts_is_digit(text_, k); ++k) {
          if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text_[k] - '0', &value)) value = INT64_MAX;
        }
        // Numbers past 32 bits wrap, as they do in PostgreSQL.
        const int position = clip_ts_position(static_cast<int32_t>(value)) & 0x3fff;
        if (position == 0) throw Error(ErrorCode::kSyntaxError, fmt::format("wrong position info in tsvector: \"{}\"", text_));
        if (positions != nullptr) positions->emplace_back(position, 0);
        state = kAfterPosition;
        break;
      }
      case kAfterPosition: {
        if (c == ',') {
          state = kPosition;
          break;
        }
        const char l = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        const int weight = l == 'a' || l == '*' ? 3 : l == 'b' ? 2 : l == 'c' ? 1 : l == 'd' ? 0 : -1;
        if (!end && weight >= 0) {
          if (positions == nullptr || positions->empty()) break;
          if (positions->back().weight() != 0) fail();
          positions->back() = TsPosition(positions->back().position(), weight);
        } else if (end || ts_is_space(text_, i)) {
          return true;
        } else if (!ts_is_digit(text_, i)) {
          fail();
        }
        break;
      }
    }
  }
}

}  // namespace stele

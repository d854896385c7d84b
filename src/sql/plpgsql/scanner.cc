#include "sql/plpgsql/scanner.h"

#include <cctype>

#include "base/error.h"
#include "sql/parser/parser.h"

namespace stele::sql::plpgsql {

namespace {

bool word_start(unsigned char c) { return std::isalpha(c) || c == '_' || c >= 0x80; }
bool word_part(unsigned char c) { return std::isalnum(c) || c == '_' || c == '$' || c >= 0x80; }

[[noreturn]] void unterminated(std::string_view body, size_t at, const char* what) {
  throw Error(ErrorCode::kSyntaxError, std::string("unterminated ") + what + " at or near \"" + std::string(body.substr(at)) + "\"")
      .position(character_position(body, static_cast<int>(at)));
}

class Scanner {
 public:
  explicit Scanner(std::string_view s) : s_(s) {}
  std::vector<Token> run() {
    while (skip_space()) token();
    out_.push_back({TokenKind::kEnd, "", static_cast<int>(s_.size()), static_cast<int>(s_.size())});
    return std::move(out_);
  }

 private:
  char at(size_t i) const { return i < s_.size() ? s_[i] : '\0'; }
  bool skip_space() {
    while (i_ < s_.size()) {
      if (std::isspace(static_cast<unsigned char>(s_[i_]))) {
        ++i_;
      } else if (s_[i_] == '-' && at(i_ + 1) == '-') {
        while (i_ < s_.size() && s_[i_] != '\n') ++i_;
      } else if (s_[i_] == '/' && at(i_ + 1) == '*') {
        size_t start = i_;
        int depth = 0;
        do {
          if (i_ >= s_.size()) unterminated(s_, start, "/* comment");
          if (s_[i_] == '/' && at(i_ + 1) == '*') ++depth, i_ += 2;
          else if (s_[i_] == '*' && at(i_ + 1) == '/') --depth, i_ += 2;
          else ++i_;
        } while (depth > 0);
      } else {
        return true;
      }
    }
    return false;
  }
  void add(TokenKind kind, std::string text, size_t begin) { out_.push_back({kind, std::move(text), static_cast<int>(begin), static_cast<int>(i_)}); }

  void quoted_string(size_t begin, bool escapes) {
    std::string text;
    ++i_;
    for (;; ++i_) {
      if (i_ >= s_.size()) unterminated(s_, begin, "quoted string");
      if (escapes && s_[i_] == '\\' && i_ + 1 < s_.size()) {
        char c = s_[++i_];
        text += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
      } else if (s_[i_] == '\'') {
        if (at(i_ + 1) != '\'') break;
        text += '\'';
        ++i_;
      } else {
        text += s_[i_];
      }
    }
    ++i_;
    add(TokenKind::kString, std::move(text), begin);
  }

  void token() {
    const size_t begin = i_;
    const char c = s_[i_];
    if ((c == 'e' || c == 'E') && at(i_ + 1) == '\'') {
      ++i_;
      return quoted_string(begin, true);
    }
    if ((c == 'b' || c == 'B' || c == 'x' || c == 'X' || c == 'n' || c == 'N') && at(i_ + 1) == '\'') {
      ++i_;
      return quoted_string(begin, false);
    }
    if (c == '\'') return quoted_string(begin, false);
    if (c == '"') {
      std::string text;
      for (++i_;; ++i_) {
        if (i_ >= s_.size()) unterminated(s_, begin, "quoted identifier");
        if (s_[i_] == '"') {
          if (at(i_ + 1) != '"') break;
          ++i_;
        }
        text += s_[i_];
      }
      ++i_;
      return add(TokenKind::kQuoted, std::move(text), begin);
    }
    if (word_start(static_cast<unsigned char>(c))) {
      while (i_ < s_.size() && word_part(static_cast<unsigned char>(s_[i_]))) ++i_;
      std::string text(s_.substr(begin, i_ - begin));
      for (char& x : text) if (static_cast<unsigned char>(x) < 0x80) x = static_cast<char>(std::tolower(static_cast<unsigned char>(x)));
      if (text.size() > 63) text.resize(63);
      return add(TokenKind::kWord, std::move(text), begin);
    }
    if (std::isdigit(static_cast<unsigned char>(c)) || (c == '.' && std::isdigit(static_cast<unsigned char>(at(i_ + 1))))) {
      bool integer = true;
      while (std::isdigit(static_cast<unsigned char>(at(i_)))) ++i_;
      if (at(i_) == '.' && at(i_ + 1) != '.') {
        integer = false;
        ++i_;
        while (std::isdigit(static_cast<unsigned char>(at(i_)))) ++i_;
      }
      if ((at(i_) == 'e' || at(i_) == 'E') && (std::isdigit(static_cast<unsigned char>(at(i_ + 1))) || ((at(i_ + 1) == '-' || at(i_ + 1) == '+') && std::isdigit(static_cast<unsigned char>(at(i_ + 2)))))) {
        integer = false;
        i_ += 2;
        while (std::isdigit(static_cast<unsigned char>(at(i_)))) ++i_;
      }
      return add(integer ? TokenKind::kInteger : TokenKind::kNumber, std::string(s_.substr(begin, i_ - begin)), begin);
    }
    if (c == '$') {
      if (std::isdigit(static_cast<unsigned char>(at(i_ + 1)))) {
        for (++i_; std::isdigit(static_cast<unsigned char>(at(i_)));) ++i_;
        return add(TokenKind::kParam, std::string(s_.substr(begin, i_ - begin)), begin);
      }
      size_t j = i_ + 1;
      while (j < s_.size() && s_[j] != '$' && word_part(static_cast<unsigned char>(s_[j]))) ++j;
      if (at(j) == '$') {
        const std::string_view tag = s_.substr(i_, j + 1 - i_);
        const size_t close = s_.find(tag, j + 1);
        if (close == std::string_view::npos) unterminated(s_, begin, "dollar-quoted string");
        std::string text(s_.substr(j + 1, close - j - 1));
        i_ = close + tag.size();
        return add(TokenKind::kString, std::move(text), begin);
      }
    }
    static constexpr std::string_view kPairs[] = {":=", "..", "<<", ">>", "::", "=>", "<=", ">=", "<>", "!="};
    for (std::string_view p : kPairs) {
      if (s_.substr(i_, 2) != p) continue;
      i_ += 2;
      return add(TokenKind::kOperator, std::string(p), begin);
    }
    ++i_;
    add(TokenKind::kOperator, std::string(1, c), begin);
  }

  std::string_view s_;
  size_t i_ = 0;
  std::vector<Token> out_;
};

}  // namespace

std::vector<Token> scan(std::string_view body) { return Scanner(body).run(); }

int line_of(std::string_view body, int offset) {
  int line = 1;
  for (size_t i = 0; i < body.size() && static_cast<int>(i) < offset; ++i) line += body[i] == '\n' ? 1 : 0;
  return line;
}

}  // namespace stele::sql::plpgsql

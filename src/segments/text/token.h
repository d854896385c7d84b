// Tokens and the three kinds of parts an analyzer is made of.
//
// A TokenBuffer is reused from text to text: terms live in one character buffer, so that analysing
// costs no allocation a token. Offsets are byte offsets into the original text (before char filters).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace stele::segments {

struct Token {
  uint32_t offset = 0, length = 0;  // the term, in TokenBuffer::chars
  uint32_t start = 0, end = 0;      // bytes of the original text
  int32_t position_increment = 1;
  int32_t position_length = 1;
  const char* type = "word";        // static storage
  bool keyword = false;             // stemmers leave it alone
};

struct TokenBuffer {
  std::vector<Token> tokens;
  std::string chars;

  std::string_view term(const Token& t) const { return {chars.data() + t.offset, t.length}; }
  void set_term(Token& t, std::string_view s) {
    if (s.size() <= t.length) {
      chars.replace(t.offset, s.size(), s);
    } else {
      std::string copy(s);
      t.offset = static_cast<uint32_t>(chars.size());
      chars.append(copy);
    }
    t.length = static_cast<uint32_t>(s.size());
  }
  Token& add(std::string_view s, uint32_t start, uint32_t end, const char* type) {
    Token t;
    t.offset = static_cast<uint32_t>(chars.size());
    t.length = static_cast<uint32_t>(s.size());
    t.start = start;
    t.end = end;
    t.type = type;
    chars.append(s);
    tokens.push_back(t);
    return tokens.back();
  }
  void clear() {
    tokens.clear();
    chars.clear();
  }
};

// Maps offsets in filtered text back to the original: `delta` is added from `from` on.
struct OffsetMap {
  struct Step { uint32_t from; int32_t delta; };
  std::vector<Step> steps;
  uint32_t correct(uint32_t offset) const {
    int64_t delta = 0;
    for (const Step& s : steps) {
      if (s.from > offset) break;
      delta = s.delta;
    }
    return static_cast<uint32_t>(offset + delta);
  }
};

// All three are immutable after construction; any thread may use them.
class CharFilter {
 public:
  virtual ~CharFilter() = default;
  virtual std::string apply(std::string_view text, OffsetMap& map) const = 0;
  // Usable in a normalizer.
  virtual bool normalizes() const { return false; }
};
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual void tokenize(std::string_view text, TokenBuffer& out) const = 0;
};
class TokenFilter {
 public:
  virtual ~TokenFilter() = default;
  virtual void apply(TokenBuffer& buffer) const = 0;
  virtual bool normalizes() const { return false; }
};

class Analyzer {
 public:
  std::string name;
  std::vector<std::shared_ptr<const CharFilter>> char_filters;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<std::shared_ptr<const TokenFilter>> filters;
  std::vector<std::string> filter_names;  // parallel to filters, for _analyze's explain
  int position_increment_gap = 100;

  // Replaces the contents of out.
  void analyze(std::string_view text, TokenBuffer& out) const;
  // Applies the normalising parts only: for wildcard, prefix and fuzzy terms.
  std::string normalize(std::string_view text) const;
};
using AnalyzerPtr = std::shared_ptr<const Analyzer>;

}  // namespace stele::segments

#include "segments/text/tokenizers.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include "base/error.h"
#include "segments/text/regex.h"
#include "segments/text/utf8.h"

namespace stele::segments {

namespace {

// Word break classes as the tokenizer needs them.
enum Class : uint8_t {
  kOther, kLetter, kHangul, kHebrew, kNumeric, kKatakana, kExtendNumLet, kMidLetter, kMidNum,
  kMidNumLet, kSingleQuote, kDoubleQuote, kExtend, kHan, kHiragana, kComplex, kRegional, kPictograph,
};

Class compute_class(uint32_t c) {
  UErrorCode status = U_ZERO_ERROR;
  UScriptCode script = uscript_getScript(static_cast<UChar32>(c), &status);
  auto wb = static_cast<UWordBreakValues>(u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_WORD_BREAK));
  if (wb == U_WB_EXTEND || wb == U_WB_FORMAT || wb == U_WB_ZWJ) return kExtend;
  if (script == USCRIPT_HAN) return kHan;
  if (script == USCRIPT_HIRAGANA) return kHiragana;
  if (u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT) return kComplex;
  switch (wb) {
    case U_WB_ALETTER: return script == USCRIPT_HANGUL ? kHangul : kLetter;
    case U_WB_HEBREW_LETTER: return kHebrew;
    case U_WB_NUMERIC: return kNumeric;
    case U_WB_KATAKANA: return kKatakana;
    case U_WB_EXTENDNUMLET: return kExtendNumLet;
    case U_WB_MIDLETTER: return kMidLetter;
    case U_WB_MIDNUM: return kMidNum;
    case U_WB_MIDNUMLET: return kMidNumLet;
    case U_WB_SINGLE_QUOTE: return kSingleQuote;
    case U_WB_DOUBLE_QUOTE: return kDoubleQuote;
    case U_WB_REGIONAL_INDICATOR: return kRegional;
    default: break;
  }
  if (c >= 0xa9 && u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_EXTENDED_PICTOGRAPHIC)) return kPictograph;
  return kOther;
}

const uint8_t* class_table() {
  static const std::vector<uint8_t> table = [] {
    std::vector<uint8_t> t(0x20000);
    for (uint32_t c = 0; c < t.size(); ++c) t[c] = compute_class(c);
    return t;
  }();
  return table.data();
}
inline Class class_of(const uint8_t* table, uint32_t c) {
  if (c < 0x20000) return static_cast<Class>(table[c]);
  if (c < 0x32000) return kHan;
  return compute_class(c);
}
inline bool letter(Class c) { return c == kLetter || c == kHangul || c == kHebrew; }

class StandardTokenizer : public Tokenizer {
 public:
  explicit StandardTokenizer(int max) : max_(static_cast<size_t>(max)), table_(class_table()) {}

  void tokenize(std::string_view s, TokenBuffer& out) const override {
    size_t i = 0;
    while (i < s.size()) {
      size_t start = i;
      Class c = class_of(table_, next_code_point(s, i));
      switch (c) {
        case kLetter: case kHangul: case kHebrew: case kNumeric: case kKatakana: case kExtendNumLet:
          word(s, start, i, c, out);
          break;
        case kHan: case kHiragana:
          skip_extend(s, i);
          out.add(s.substr(start, i - start), start, i, c == kHan ? "<IDEOGRAPHIC>" : "<HIRAGANA>");
          break;
        case kComplex: {
          for (size_t j = i; j < s.size();) {
            Class n = class_of(table_, next_code_point(s, j));
            if (n != kComplex && n != kExtend) break;
            i = j;
          }
          emit(s, start, i, "<SOUTHEAST_ASIAN>", out);
          break;
        }
        case kRegional: {
          size_t j = i;
          if (j < s.size() && class_of(table_, next_code_point(s, j)) == kRegional) {
            i = j;
            out.add(s.substr(start, i - start), start, i, "<EMOJI>");
          }
          break;
        }
        case kPictograph:
          emoji(s, start, i, out);
          break;
        default: break;
      }
    }
  }

 private:
  void skip_extend(std::string_view s, size_t& i) const {
    while (i < s.size()) {
      size_t j = i;
      if (class_of(table_, next_code_point(s, j)) != kExtend) return;
      i = j;
    }
  }
  void emoji(std::string_view s, size_t start, size_t& i, TokenBuffer& out) const {
    for (;;) {
      size_t before = i;
      skip_extend(s, i);
      bool joined = i > before && s.substr(i - 3, 3) == "\xe2\x80\x8d";
      if (!joined || i >= s.size()) break;
      size_t j = i;
      if (class_of(table_, next_code_point(s, j)) != kPictograph) break;
      i = j;
    }
    out.add(s.substr(start, i - start), start, i, "<EMOJI>");
  }
  void word(std::string_view s, size_t start, size_t& i, Class c, TokenBuffer& out) const {
    unsigned seen = 1u << c;
    Class last = c;
    for (;;) {
      skip_extend(s, i);
      if (i >= s.size()) break;
      size_t j = i;
      Class n = class_of(table_, next_code_point(s, j));
      bool joins = false;
      if (letter(n)) {
        joins = letter(last) || last == kNumeric || last == kExtendNumLet;
      } else if (n == kNumeric) {
        joins = letter(last) || last == kNumeric || last == kExtendNumLet;
      } else if (n == kKatakana) {
        joins = last == kKatakana || last == kExtendNumLet;
      } else if (n == kExtendNumLet) {
        joins = true;
      } else if (letter(last) && (n == kMidLetter || n == kMidNumLet || n == kSingleQuote)) {
        size_t k = j;
        skip_extend(s, k);
        size_t m = k;
        Class after = k < s.size() ? class_of(table_, next_code_point(s, m)) : kOther;
        if (letter(after)) {
          j = m;
          n = after;
          joins = true;
        } else if (last == kHebrew && n == kSingleQuote) {
          joins = true;
          n = kHebrew;
        }
      } else if (last == kHebrew && n == kDoubleQuote) {
        size_t m = j;
        if (j < s.size() && class_of(table_, next_code_point(s, m)) == kHebrew) {
          j = m;
          n = kHebrew;
          joins = true;
        }
      } else if (last == kNumeric && (n == kMidNum || n == kMidNumLet || n == kSingleQuote)) {
        size_t k = j;
        skip_extend(s, k);
        size_t m = k;
        if (k < s.size() && class_of(table_, next_code_point(s, m)) == kNumeric) {
          j = m;
          n = kNumeric;
          joins = true;
        }
      }
      if (!joins) break;
      i = j;
      seen |= 1u << n;
      last = n;
    }
    unsigned words = seen & ~(1u << kExtendNumLet);
    if (words == 0) return;
    const char* type = words == 1u << kNumeric    ? "<NUM>"
                       : words == 1u << kHangul   ? "<HANGUL>"
                       : words == 1u << kKatakana ? "<KATAKANA>"
                                                  : "<ALPHANUM>";
    emit(s, start, i, type, out);
  }
  // Longer tokens are cut at the maximum, counted in UTF-16 units as Lucene does.
  void emit(std::string_view s, size_t start, size_t end, const char* type, TokenBuffer& out) const {
    if (end - start <= max_) {
      out.add(s.substr(start, end - start), start, end, type);
      return;
    }
    size_t from = start, units = 0;
    for (size_t i = start; i < end;) {
      size_t before = i;
      size_t n = next_code_point(s, i) >= 0x10000 ? 2 : 1;
      if (units + n > max_) {
        out.add(s.substr(from, before - from), from, before, type);
        from = before;
        units = 0;
      }
      units += n;
    }
    if (from < end) out.add(s.substr(from, end - from), from, end, type);
  }

  size_t max_;
  const uint8_t* table_;
};

class CharClassTokenizer : public Tokenizer {
 public:
  CharClassTokenizer(std::function<bool(uint32_t)> keep, bool lower, int max)
      : keep_(std::move(keep)), lower_(lower), max_(static_cast<size_t>(max)) {
    for (uint32_t c = 0; c < 128; ++c) ascii_[c] = keep_(c);
  }
  void tokenize(std::string_view s, TokenBuffer& out) const override {
    std::string term;
    size_t start = 0, units = 0;
    auto flush = [&](size_t end) {
      if (!term.empty()) out.add(term, start, end, "word");
      term.clear();
      units = 0;
    };
    for (size_t i = 0; i < s.size();) {
      size_t at = i;
      uint32_t c = next_code_point(s, i);
      if (!(c < 128 ? ascii_[c] : keep_(c))) {
        flush(at);
        continue;
      }
      if (term.empty()) start = at;
      if (lower_) {
        append_code_point(term, static_cast<uint32_t>(u_tolower(static_cast<UChar32>(c))));
      } else {
        term.append(s.substr(at, i - at));
      }
      if (++units == max_) flush(i);
    }
    flush(s.size());
  }

 private:
  std::function<bool(uint32_t)> keep_;
  bool ascii_[128];
  bool lower_;
  size_t max_;
};

class KeywordTokenizer : public Tokenizer {
 public:
  void tokenize(std::string_view s, TokenBuffer& out) const override {
    out.add(s, 0, static_cast<uint32_t>(s.size()), "word");
  }
};

class NgramTokenizer : public Tokenizer {
 public:
  NgramTokenizer(int min, int max, bool edge, std::function<bool(uint32_t)> keep)
      : min_(min), max_(max), edge_(edge), keep_(std::move(keep)) {}
  void tokenize(std::string_view s, TokenBuffer& out) const override {
    std::vector<size_t> at;  // starts of the characters of the run, and its end
    auto flush = [&] {
      int n = static_cast<int>(at.size()) - 1;
      for (int i = 0; i < n; ++i) {
        for (int len = min_; len <= max_ && i + len <= n; ++len) {
          out.add(s.substr(at[i], at[i + len] - at[i]), at[i], at[i + len], "word");
        }
        if (edge_) break;
      }
      at.clear();
    };
    size_t i = 0;
    while (i < s.size()) {
      size_t before = i;
      uint32_t c = next_code_point(s, i);
      if (keep_ && !keep_(c)) {
        if (!at.empty()) {
          at.push_back(before);
          flush();
        }
        continue;
      }
      at.push_back(before);
    }
    if (!at.empty()) {
      at.push_back(s.size());
      flush();
    }
  }

 private:
  int min_, max_;
  bool edge_;
  std::function<bool(uint32_t)> keep_;
};

class PatternTokenizer : public Tokenizer {
 public:
  PatternTokenizer(const std::string& pattern, const std::string& flags, int group)
      : regex_(pattern, flags), group_(group) {}
  void tokenize(std::string_view s, TokenBuffer& out) const override {
    size_t last = 0, at = 0;
    Regex::Groups groups;
    while (at <= s.size() && regex_.find(s, at, groups)) {
      auto [b, e] = groups[0];
      if (group_ < 0) {
        if (b > last) out.add(s.substr(last, b - last), last, b, "word");
        last = e;
      } else if (group_ < static_cast<int>(groups.size())) {
        auto [gb, ge] = groups[static_cast<size_t>(group_)];
        if (ge > gb) out.add(s.substr(gb, ge - gb), gb, ge, "word");
      }
      at = e > b ? e : e + (e < s.size() ? utf8_length(static_cast<uint8_t>(s[e])) : 1);
    }
    if (group_ < 0 && last < s.size()) {
      out.add(s.substr(last), last, static_cast<uint32_t>(s.size()), "word");
    }
  }

 private:
  Regex regex_;
  int group_;
};

class PathTokenizer : public Tokenizer {
 public:
  PathTokenizer(char delimiter, char replacement, bool reverse, int skip)
      : delimiter_(delimiter), replacement_(replacement), reverse_(reverse), skip_(skip) {}
  void tokenize(std::string_view s, TokenBuffer& out) const override {
    if (s.empty()) return;
    std::string replaced(s);
    std::replace(replaced.begin(), replaced.end(), delimiter_, replacement_);
    std::vector<size_t> cuts;
    for (size_t i = 0; i < s.size(); ++i) {
      if (s[i] == delimiter_ && !(i == 0 && !reverse_)) cuts.push_back(i);
    }
    auto add = [&](size_t b, size_t e) {
      if (e <= b) return;
      Token& t = out.add(std::string_view(replaced).substr(b, e - b), b, e, "word");
      if (out.tokens.size() > 1) t.position_increment = 0;
    };
    if (reverse_) {
      cuts.insert(cuts.begin(), 0);
      for (size_t k = 0; k < cuts.size(); ++k) {
        add(k == 0 ? 0 : cuts[k] + 1, s.size());
      }
      return;
    }
    size_t start = 0;
    for (int k = 0; k < skip_ && k < static_cast<int>(cuts.size()); ++k) start = cuts[static_cast<size_t>(k)];
    cuts.push_back(s.size());
    for (size_t c : cuts) {
      if (c > start) add(start, c);
    }
  }

 private:
  char delimiter_, replacement_;
  bool reverse_;
  int skip_;
};

// Collects filtered text and the steps of its offset map.
struct Filtered {
  std::string text;
  OffsetMap& map;
  // The next output byte corresponds to input offset `from`.
  void align(size_t from) {
    int32_t delta = static_cast<int32_t>(from) - static_cast<int32_t>(text.size());
    if ((map.steps.empty() ? 0 : map.steps.back().delta) != delta) {
      map.steps.push_back({static_cast<uint32_t>(text.size()), delta});
    }
  }
};

class HtmlStrip : public CharFilter {
 public:
  explicit HtmlStrip(std::vector<std::string> escaped) : escaped_(std::move(escaped)) {}
  std::string apply(std::string_view s, OffsetMap& map) const override {
    Filtered out{{}, map};
    size_t i = 0;
    while (i < s.size()) {
      if (s[i] == '<') {
        if (s.substr(i, 4) == "<!--") {
          size_t e = s.find("-->", i);
          i = e == std::string_view::npos ? s.size() : e + 3;
          out.align(i);
          continue;
        }
        size_t e = tag_end(s, i);
        if (e != 0) {
          size_t n = i + 1;
          bool closing = n < s.size() && s[n] == '/';
          if (closing) ++n;
          std::string name;
          while (n < e && (std::isalnum(static_cast<unsigned char>(s[n])) != 0)) {
            name.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(s[n++]))));
          }
          if (std::find(escaped_.begin(), escaped_.end(), name) != escaped_.end()) {
            out.align(i);
            out.text.append(s.substr(i, e - i));
            i = e;
            continue;
          }
          if (!closing && (name == "script" || name == "style")) {
            size_t close = s.find("</" + name, e);
            e = close == std::string_view::npos ? s.size() : s.find('>', close);
            e = e == std::string_view::npos ? s.size() : std::min(e + 1, s.size());
          }
          i = e;
          if (block(name)) out.text.push_back('\n');
          out.align(i);
          continue;
        }
      } else if (s[i] == '&') {
        size_t semi = s.find(';', i);
        if (semi != std::string_view::npos && semi - i <= 10) {
          uint32_t c = entity(s.substr(i + 1, semi - i - 1));
          if (c != 0) {
            append_code_point(out.text, c == 0xa0 ? ' ' : c);
            i = semi + 1;
            out.align(i);
            continue;
          }
        }
      }
      out.text.push_back(s[i++]);
    }
    return std::move(out.text);
  }

 private:
  static size_t tag_end(std::string_view s, size_t i) {
    size_t n = i + 1;
    if (n >= s.size()) return 0;
    char c = s[n];
    if (c != '/' && c != '!' && c != '?' && std::isalpha(static_cast<unsigned char>(c)) == 0) return 0;
    char quote = 0;
    for (; n < s.size(); ++n) {
      if (quote != 0) {
        if (s[n] == quote) quote = 0;
      } else if (s[n] == '"' || s[n] == '\'') {
        quote = s[n];
      } else if (s[n] == '>') {
        return n + 1;
      }
    }
    return 0;
  }
  static bool block(std::string_view name) {
    static const std::set<std::string_view> kBlock = {
        "address", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "form", "h1", "h2", "h3",
        "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "table", "td", "th", "tr", "ul", "body", "html",
        "head", "title", "section", "article"};
    return kBlock.count(name) != 0;
  }
  static uint32_t entity(std::string_view e) {
    if (e.size() > 1 && e[0] == '#') {
      bool hex = e[1] == 'x' || e[1] == 'X';
      uint32_t v = static_cast<uint32_t>(
          std::strtoul(std::string(e.substr(hex ? 2 : 1)).c_str(), nullptr, hex ? 16 : 10));
      return v < 0x110000 ? v : 0;
    }
    static const std::map<std::string_view, uint32_t> kNamed = {
        {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}, {"nbsp", 0xa0},
        {"copy", 0xa9}, {"reg", 0xae}, {"euro", 0x20ac}, {"hellip", 0x2026}, {"mdash", 0x2014},
        {"ndash", 0x2013}, {"lsquo", 0x2018}, {"rsquo", 0x2019}, {"ldquo", 0x201c}, {"rdquo", 0x201d},
        {"auml", 0xe4}, {"ouml", 0xf6}, {"uuml", 0xfc}, {"Auml", 0xc4}, {"Ouml", 0xd6}, {"Uuml", 0xdc},
        {"szlig", 0xdf}, {"eacute", 0xe9}, {"egrave", 0xe8}, {"agrave", 0xe0}, {"ccedil", 0xe7},
        {"ntilde", 0xf1}, {"aring", 0xe5}, {"aelig", 0xe6}, {"oslash", 0xf8}, {"middot", 0xb7},
        {"laquo", 0xab}, {"raquo", 0xbb}, {"deg", 0xb0}, {"sect", 0xa7}, {"para", 0xb6}, {"trade", 0x2122}};
    auto it = kNamed.find(e);
    return it == kNamed.end() ? 0 : it->second;
  }
  std::vector<std::string> escaped_;
};

class MappingFilter : public CharFilter {
 public:
  explicit MappingFilter(const std::vector<std::pair<std::string, std::string>>& pairs) {
    for (auto& [from, to] : pairs) {
      map_[from] = to;
      longest_ = std::max(longest_, from.size());
    }
  }
  bool normalizes() const override { return true; }
  std::string apply(std::string_view s, OffsetMap& map) const override {
    Filtered out{{}, map};
    for (size_t i = 0; i < s.size();) {
      bool found = false;
      for (size_t len = std::min(longest_, s.size() - i); len > 0; --len) {
        auto it = map_.find(s.substr(i, len));
        if (it == map_.end()) continue;
        out.text.append(it->second);
        i += len;
        out.align(i);
        found = true;
        break;
      }
      if (!found) out.text.push_back(s[i++]);
    }
    return std::move(out.text);
  }

 private:
  std::map<std::string, std::string, std::less<>> map_;
  size_t longest_ = 0;
};

class PatternReplaceChars : public CharFilter {
 public:
  PatternReplaceChars(const std::string& p, const std::string& flags, std::string replacement)
      : regex_(p, flags), replacement_(std::move(replacement)) {}
  bool normalizes() const override { return true; }
  std::string apply(std::string_view s, OffsetMap& map) const override {
    Filtered out{{}, map};
    size_t at = 0, copied = 0;
    Regex::Groups g;
    while (at <= s.size() && regex_.find(s, at, g)) {
      out.text.append(s.substr(copied, g[0].first - copied));
      out.text.append(expand_replacement(replacement_, s, g));
      copied = g[0].second;
      out.align(copied);
      at = g[0].second > g[0].first ? g[0].second : g[0].second + 1;
    }
    if (copied < s.size()) out.text.append(s.substr(copied));
    return std::move(out.text);
  }

 private:
  Regex regex_;
  std::string replacement_;
};

}  // namespace

std::shared_ptr<const Tokenizer> standard_tokenizer(int max) {
  return std::make_shared<StandardTokenizer>(max);
}
std::shared_ptr<const Tokenizer> char_class_tokenizer(std::function<bool(uint32_t)> keep, bool lower, int max) {
  return std::make_shared<CharClassTokenizer>(std::move(keep), lower, max);
}
std::shared_ptr<const Tokenizer> keyword_tokenizer() { return std::make_shared<KeywordTokenizer>(); }
std::shared_ptr<const Tokenizer> ngram_tokenizer(int min, int max, bool edge,
                                                 std::function<bool(uint32_t)> keep) {
  return std::make_shared<NgramTokenizer>(min, max, edge, std::move(keep));
}
std::shared_ptr<const Tokenizer> pattern_tokenizer(const std::string& p, const std::string& flags, int group) {
  return std::make_shared<PatternTokenizer>(p, flags, group);
}
std::shared_ptr<const Tokenizer> path_hierarchy_tokenizer(char d, char r, bool reverse, int skip) {
  return std::make_shared<PathTokenizer>(d, r, reverse, skip);
}
std::shared_ptr<const CharFilter> html_strip_filter(std::vector<std::string> escaped) {
  return std::make_shared<HtmlStrip>(std::move(escaped));
}
std::shared_ptr<const CharFilter> mapping_filter(const std::vector<std::pair<std::string, std::string>>& m) {
  return std::make_shared<MappingFilter>(m);
}
std::shared_ptr<const CharFilter> pattern_replace_char_filter(const std::string& p, const std::string& flags,
                                                              const std::string& replacement) {
  return std::make_shared<PatternReplaceChars>(p, flags, replacement);
}

}  // namespace stele::segments

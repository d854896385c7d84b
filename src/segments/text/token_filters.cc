#include "segments/text/token_filters.h"

#include <libstemmer.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "base/error.h"
#include "segments/text/regex.h"
#include "segments/text/utf8.h"

namespace stele::segments {

namespace {

// Rebuilds the token list: drop() leaves a hole that the next token's increment covers.
class Rewriter {
 public:
  explicit Rewriter(TokenBuffer& b) : buffer_(b) { out_.reserve(b.tokens.size()); }
  void keep(Token t) {
    t.position_increment += hole_;
    hole_ = 0;
    out_.push_back(t);
  }
  void drop(const Token& t) { hole_ += t.position_increment; }
  // Appends a term made by the filter.
  void make(std::string_view term, Token like, int increment) {
    like.offset = static_cast<uint32_t>(buffer_.chars.size());
    like.length = static_cast<uint32_t>(term.size());
    std::string copy(term);  // term may point into chars
    buffer_.chars.append(copy);
    like.position_increment = increment;
    keep(like);
  }
  void done() { buffer_.tokens.swap(out_); }

 private:
  TokenBuffer& buffer_;
  std::vector<Token> out_;
  int32_t hole_ = 0;
};

// One term to one term.
class MapFilter : public TokenFilter {
 public:
  MapFilter(std::function<void(std::string_view, std::string&)> f, bool normalizes, bool skip_keywords = false)
      : f_(std::move(f)), normalizes_(normalizes), skip_keywords_(skip_keywords) {}
  bool normalizes() const override { return normalizes_; }
  void apply(TokenBuffer& b) const override {
    std::string out;
    for (Token& t : b.tokens) {
      if (skip_keywords_ && t.keyword) continue;
      out.clear();
      f_(b.term(t), out);
      b.set_term(t, out);
    }
  }

 private:
  std::function<void(std::string_view, std::string&)> f_;
  bool normalizes_, skip_keywords_;
};
FilterPtr map_filter(std::function<void(std::string_view, std::string&)> f, bool normalizes = true) {
  return std::make_shared<MapFilter>(std::move(f), normalizes);
}

class LowercaseFilter : public TokenFilter {
 public:
  explicit LowercaseFilter(bool turkish) : turkish_(turkish) {}
  bool normalizes() const override { return true; }
  void apply(TokenBuffer& b) const override {
    for (Token& t : b.tokens) {
      char* p = b.chars.data() + t.offset;
      bool ascii = true;
      for (uint32_t i = 0; i < t.length; ++i) {
        auto c = static_cast<uint8_t>(p[i]);
        ascii &= c < 0x80 && !(turkish_ && c == 'I');
        if (c >= 'A' && c <= 'Z' && !(turkish_ && c == 'I')) p[i] = static_cast<char>(c + 32);
      }
      if (!ascii) slow(b, t);
    }
  }

 private:
  void slow(TokenBuffer& b, Token& t) const {
    std::string out;
    std::string_view s = b.term(t);
    for (size_t i = 0; i < s.size();) {
      uint32_t c = next_code_point(s, i);
      if (turkish_ && c == 'I') c = 0x131;
      else if (turkish_ && c == 0x130) c = 'i';
      else c = static_cast<uint32_t>(u_tolower(static_cast<UChar32>(c)));
      append_code_point(out, c);
    }
    b.set_term(t, out);
  }
  bool turkish_;
};

void fold_ascii(std::string_view s, std::string& out) {
  UErrorCode status = U_ZERO_ERROR;
  static const icu::Normalizer2* nfkd = [] {
    UErrorCode e = U_ZERO_ERROR;
    return icu::Normalizer2::getNFKDInstance(e);
  }();
  for (size_t i = 0; i < s.size();) {
    size_t at = i;
    uint32_t c = next_code_point(s, i);
    if (c < 0x80) {
      out.push_back(static_cast<char>(c));
      continue;
    }
    const char* special = nullptr;
    switch (c) {
      case 0xdf: case 0x1e9e: special = c == 0xdf ? "ss" : "SS"; break;
      case 0xe6: special = "ae"; break;
      case 0xc6: special = "AE"; break;
      case 0xf8: special = "o"; break;
      case 0xd8: special = "O"; break;
      case 0xf0: case 0x111: special = "d"; break;
      case 0xd0: case 0x110: special = "D"; break;
      case 0xfe: special = "th"; break;
      case 0xde: special = "TH"; break;
      case 0x142: special = "l"; break;
      case 0x141: special = "L"; break;
      case 0x153: special = "oe"; break;
      case 0x152: special = "OE"; break;
      case 0x131: special = "i"; break;
      case 0x127: special = "h"; break;
      case 0x126: special = "H"; break;
      case 0x14b: special = "n"; break;
      case 0x14a: special = "N"; break;
      case 0x167: special = "t"; break;
      case 0x2018: case 0x2019: case 0x201b: case 0x2032: special = "'"; break;
      case 0x201c: case 0x201d: case 0x2033: case 0xab: case 0xbb: special = "\""; break;
      case 0x2010: case 0x2011: case 0x2012: case 0x2013: case 0x2014: special = "-"; break;
      default: break;
    }
    if (special != nullptr) {
      out.append(special);
      continue;
    }
    icu::UnicodeString decomposed;
    if (nfkd != nullptr && nfkd->getDecomposition(static_cast<UChar32>(c), decomposed)) {
      std::string folded;
      bool ok = true;
      for (int32_t k = 0; k < decomposed.length(); k = decomposed.moveIndex32(k, 1)) {
        UChar32 d = decomposed.char32At(k);
        if (u_getCombiningClass(d) != 0) continue;
        if (d >= 0x80) ok = false;
        append_code_point(folded, static_cast<uint32_t>(d));
      }
      if (ok) {
        out.append(folded);
        continue;
      }
    }
    out.append(s.substr(at, i - at));
  }
  (void)status;
}

class AsciiFolding : public TokenFilter {
 public:
  explicit AsciiFolding(bool preserve) : preserve_(preserve) {}
  bool normalizes() const override { return true; }
  void apply(TokenBuffer& b) const override {
    Rewriter w(b);
    std::string out;
    std::vector<Token> tokens = b.tokens;
    for (Token t : tokens) {
      out.clear();
      fold_ascii(b.term(t), out);
      if (out == b.term(t)) {
        w.keep(t);
        continue;
      }
      if (preserve_) {
        int increment = t.position_increment;
        w.make(out, t, increment);
        t.position_increment = 0;
        w.keep(t);
      } else {
        w.make(out, t, t.position_increment);
      }
    }
    w.done();
  }

 private:
  bool preserve_;
};

class StopFilter : public TokenFilter {
 public:
  StopFilter(const std::vector<std::string>& words, bool ignore_case) : ignore_case_(ignore_case) {
    for (const std::string& w : words) words_.insert(ignore_case ? lower(w) : w);
  }
  void apply(TokenBuffer& b) const override {
    Rewriter w(b);
    std::string key;
    for (const Token& t : b.tokens) {
      key = b.term(t);
      if (ignore_case_) key = lower(key);
      if (words_.count(key) != 0) w.drop(t);
      else w.keep(t);
    }
    w.done();
  }

 private:
  static std::string lower(std::string_view s) {
    std::string out;
    for (size_t i = 0; i < s.size();) {
      append_code_point(out, static_cast<uint32_t>(u_tolower(static_cast<UChar32>(next_code_point(s, i)))));
    }
    return out;
  }
  std::unordered_set<std::string> words_;
  bool ignore_case_;
};

class StemFilter : public TokenFilter {
 public:
  explicit StemFilter(std::string algorithm) : algorithm_(std::move(algorithm)) {
    sb_stemmer* s = sb_stemmer_new(algorithm_.c_str(), "UTF_8");
    if (s == nullptr) {
      throw Error(ErrorCode::kInvalidParameterValue, "Invalid stemmer class specified: " + algorithm_);
    }
    pool_.push_back(s);
  }
  ~StemFilter() override {
    for (sb_stemmer* s : pool_) sb_stemmer_delete(s);
  }
  void apply(TokenBuffer& b) const override {
    sb_stemmer* s = take();
    for (Token& t : b.tokens) {
      if (t.keyword) continue;
      const sb_symbol* r = sb_stemmer_stem(s, reinterpret_cast<const sb_symbol*>(b.chars.data() + t.offset),
                                           static_cast<int>(t.length));
      if (r == nullptr) continue;
      b.set_term(t, {reinterpret_cast<const char*>(r), static_cast<size_t>(sb_stemmer_length(s))});
    }
    std::lock_guard lock(mutex_);
    pool_.push_back(s);
  }

 private:
  sb_stemmer* take() const {
    {
      std::lock_guard lock(mutex_);
      if (!pool_.empty()) {
        sb_stemmer* s = pool_.back();
        pool_.pop_back();
        return s;
      }
    }
    return sb_stemmer_new(algorithm_.c_str(), "UTF_8");
  }
  std::string algorithm_;
  mutable std::mutex mutex_;
  mutable std::vector<sb_stemmer*> pool_;  // a stemmer is used by one thread at a time
};

class NgramFilter : public TokenFilter {
 public:
  NgramFilter(int min, int max, bool edge, bool preserve) : min_(min), max_(max), edge_(edge), preserve_(preserve) {}
  void apply(TokenBuffer& b) const override {
    Rewriter w(b);
    std::vector<Token> tokens = b.tokens;
    for (const Token& t : tokens) {
      std::string term(b.term(t));
      std::vector<size_t> at;
      for (size_t i = 0; i < term.size(); i += utf8_length(static_cast<uint8_t>(term[i]))) at.push_back(i);
      at.push_back(term.size());
      int n = static_cast<int>(at.size()) - 1;
      int increment = t.position_increment;
      bool whole = false;
      for (int i = 0; i < n; ++i) {
        for (int len = min_; len <= max_ && i + len <= n; ++len) {
          size_t from = at[static_cast<size_t>(i)], to = at[static_cast<size_t>(i + len)];
          whole |= len == n;
          w.make(std::string_view(term).substr(from, to - from), t, increment);
          increment = 0;
        }
        if (edge_) break;
      }
      if (preserve_ && !whole) {
        w.make(term, t, increment);
        increment = 0;
      }
      if (increment != 0) w.drop(t);
    }
    w.done();
  }

 private:
  int min_, max_;
  bool edge_, preserve_;
};

class ShingleFilter : public TokenFilter {
 public:
  ShingleFilter(int min, int max, bool uni, bool if_none, std::string sep, std::string filler)
      : min_(min), max_(max), uni_(uni), if_none_(if_none), sep_(std::move(sep)), filler_(std::move(filler)) {}
  void apply(TokenBuffer& b) const override {
    struct Slot { std::string term; Token token; bool hole; };
    std::vector<Slot> slots;
    for (const Token& t : b.tokens) {
      for (int k = 1; k < t.position_increment && !slots.empty(); ++k) slots.push_back({filler_, t, true});
      slots.push_back({std::string(b.term(t)), t, false});
    }
    Rewriter w(b);
    bool unigrams = uni_ || (if_none_ && static_cast<int>(slots.size()) < min_);
    for (size_t i = 0; i < slots.size(); ++i) {
      int increment = 1;
      if (unigrams && !slots[i].hole) {
        w.make(slots[i].term, slots[i].token, increment);
        increment = 0;
      }
      std::string s = slots[i].term;
      bool real = !slots[i].hole;
      for (int n = 2; n <= max_ && i + static_cast<size_t>(n) <= slots.size(); ++n) {
        Slot& last = slots[i + static_cast<size_t>(n) - 1];
        s += sep_ + last.term;
        real |= !last.hole;
        if (n < min_ || !real) continue;
        Token t = slots[i].token;
        t.end = last.token.end;
        t.type = "shingle";
        t.position_length = unigrams ? n : std::max(1, n - min_ + 1);
        w.make(s, t, increment);
        increment = 0;
      }
    }
    w.done();
  }

 private:
  int min_, max_;
  bool uni_, if_none_;
  std::string sep_, filler_;
};

class WordDelimiter : public TokenFilter {
 public:
  explicit WordDelimiter(const WordDelimiterOptions& o) : o_(o) {}
  void apply(TokenBuffer& b) const override {
    Rewriter w(b);
    std::vector<Token> tokens = b.tokens;
    for (const Token& t : tokens) {
      std::string term(b.term(t));
      if (t.keyword || o_.protected_words.count(term) != 0) {
        w.keep(t);
        continue;
      }
      split(term, t, w);
    }
    w.done();
  }

 private:
  enum Kind { kLower, kUpper, kDigit, kDelimiter };
  static Kind kind(uint32_t c) {
    auto u = static_cast<UChar32>(c);
    if (u_isdigit(u)) return kDigit;
    if (u_isupper(u)) return kUpper;
    if (u_isalpha(u)) return kLower;
    return kDelimiter;
  }
  struct Part { size_t from, to; bool number; };

  void split(const std::string& term, const Token& t, Rewriter& w) const {
    std::vector<Part> parts;
    size_t n = term.size();
    Kind last = kDelimiter;
    size_t start = 0;
    auto close = [&](size_t end) {
      if (last != kDelimiter && end > start) parts.push_back({start, end, last == kDigit});
    };
    for (size_t i = 0; i < n;) {
      size_t at = i;
      Kind k = kind(next_code_point(term, i));
      if (o_.stem_english_possessive && last != kDelimiter && last != kDigit && term[at] == '\'' &&
          at + 1 < n && (term[at + 1] == 's' || term[at + 1] == 'S') &&
          (at + 2 == n || kind(static_cast<uint8_t>(term[at + 2])) == kDelimiter)) {
        close(at);
        last = kDelimiter;
        i = at + 2;
        start = i;
        continue;
      }
      bool cut = false;
      if (k == kDelimiter || last == kDelimiter) cut = k != last;
      else if ((k == kDigit) != (last == kDigit)) cut = o_.split_on_numerics;
      else if (last == kLower && k == kUpper) cut = o_.split_on_case_change;
      if (cut) {
        close(at);
        start = at;
      }
      last = (k == kDelimiter || last == kDelimiter || cut) ? k : (k == kDigit && last != kDigit ? last : k);
    }
    close(n);
    bool plain = parts.size() == 1 && parts[0].from == 0 && parts[0].to == n;
    if (plain) {
      w.keep(t);
      return;
    }
    int increment = t.position_increment;
    auto emit = [&](std::string_view s, size_t from, size_t to, int inc) {
      Token like = t;
      bool exact = t.end - t.start == term.size();
      if (exact) {
        like.start = t.start + static_cast<uint32_t>(from);
        like.end = t.start + static_cast<uint32_t>(to);
      }
      w.make(s, like, inc);
    };
    bool first = true;
    auto next_increment = [&](bool advance) {
      int inc = first ? increment : advance ? 1 : 0;
      first = false;
      return inc;
    };
    if (o_.preserve_original) emit(term, 0, n, next_increment(false));
    auto joined = [&](size_t a, size_t z) {
      std::string s;
      for (size_t k = a; k < z; ++k) s += term.substr(parts[k].from, parts[k].to - parts[k].from);
      return s;
    };
    if (o_.catenate_all && parts.size() > 1) emit(joined(0, parts.size()), 0, n, next_increment(false));
    bool advanced = !(o_.preserve_original || (o_.catenate_all && parts.size() > 1));
    for (size_t i = 0; i < parts.size();) {
      size_t run = i;
      while (run < parts.size() && parts[run].number == parts[i].number) ++run;
      bool number = parts[i].number;
      bool generate = number ? o_.generate_number_parts : o_.generate_word_parts;
      bool catenate = (number ? o_.catenate_numbers : o_.catenate_words) && run - i > 1;
      if (catenate && !(o_.catenate_all && run - i == parts.size())) {
        emit(joined(i, run), parts[i].from, parts[run - 1].to, next_increment(advanced));
        if (generate) advanced = false;
        else advanced = true;
      }
      if (generate || (run - i == 1 && (number ? o_.catenate_numbers : o_.catenate_words))) {
        for (size_t k = i; k < run; ++k) {
          emit(std::string_view(term).substr(parts[k].from, parts[k].to - parts[k].from), parts[k].from,
               parts[k].to, next_increment(advanced));
          advanced = true;
        }
      }
      i = run;
    }
    if (first) w.drop(t);
  }
  WordDelimiterOptions o_;
};

class SynonymFilter : public TokenFilter {
 public:
  explicit SynonymFilter(std::vector<SynonymRule> rules) {
    for (SynonymRule& r : rules) {
      if (r.from.empty()) continue;
      std::string first = r.from[0];
      by_first_[first].push_back(std::move(r));
    }
    for (auto& [first, list] : by_first_) {
      std::stable_sort(list.begin(), list.end(),
                       [](auto& a, auto& b) { return a.from.size() > b.from.size(); });
    }
  }
  void apply(TokenBuffer& b) const override {
    std::vector<Token> tokens = b.tokens;
    struct Piece { std::string term; Token like; int position; };
    std::vector<Piece> out;
    int position = -1;
    for (size_t i = 0; i < tokens.size();) {
      position += tokens[i].position_increment;
      auto it = by_first_.find(std::string(b.term(tokens[i])));
      size_t matched = 0;
      if (it != by_first_.end()) {
        for (const SynonymRule& r : it->second) {
          if (matched != 0 && r.from.size() < matched) break;
          if (i + r.from.size() > tokens.size()) continue;
          bool same = true;
          for (size_t k = 1; same && k < r.from.size(); ++k) same = b.term(tokens[i + k]) == r.from[k];
          if (!same) continue;
          matched = r.from.size();
          for (const auto& to : r.to) {
            for (size_t k = 0; k < to.size(); ++k) {
              Token like = tokens[std::min(i + k, i + matched - 1)];
              like.start = tokens[i].start;
              like.end = tokens[i + matched - 1].end;
              bool original = to == r.from;
              if (original) like = tokens[i + k];
              else like.type = "SYNONYM";
              out.push_back({to[k], like, position + static_cast<int>(k)});
            }
          }
        }
      }
      if (matched == 0) {
        out.push_back({std::string(b.term(tokens[i])), tokens[i], position});
        matched = 1;
      }
      for (size_t k = 1; k < matched; ++k) position += tokens[i + k].position_increment;
      i += matched;
    }
    std::stable_sort(out.begin(), out.end(), [](auto& a, auto& z) { return a.position < z.position; });
    b.tokens.clear();
    int last = -1;
    std::set<std::string> here;
    for (const Piece& p : out) {
      if (p.position != last) here.clear();
      if (!here.insert(p.term).second) continue;
      Token t = p.like;
      t.offset = static_cast<uint32_t>(b.chars.size());
      t.length = static_cast<uint32_t>(p.term.size());
      b.chars.append(p.term);
      t.position_increment = p.position - last;
      last = p.position;
      b.tokens.push_back(t);
    }
  }

 private:
  std::unordered_map<std::string, std::vector<SynonymRule>> by_first_;
};

// Any other filter that keeps, drops or rewrites tokens one by one.
class LambdaFilter : public TokenFilter {
 public:
  using Fn = std::function<void(TokenBuffer&)>;
  explicit LambdaFilter(Fn f, bool normalizes = false) : f_(std::move(f)), normalizes_(normalizes) {}
  void apply(TokenBuffer& b) const override { f_(b); }
  bool normalizes() const override { return normalizes_; }

 private:
  Fn f_;
  bool normalizes_;
};
FilterPtr keep_if(std::function<bool(const TokenBuffer&, const Token&)> keep) {
  return std::make_shared<LambdaFilter>([keep = std::move(keep)](TokenBuffer& b) {
    Rewriter w(b);
    for (const Token& t : b.tokens) {
      if (keep(b, t)) w.keep(t);
      else w.drop(t);
    }
    w.done();
  });
}
bool cjk_type(const char* type) {
  std::string_view t(type);
  return t == "<IDEOGRAPHIC>" || t == "<HIRAGANA>" || t == "<KATAKANA>" || t == "<HANGUL>";
}

void cjk_bigrams(TokenBuffer& b, bool unigrams) {
  std::vector<Token> tokens = b.tokens;
  Rewriter w(b);
  for (size_t i = 0; i < tokens.size();) {
    if (!cjk_type(tokens[i].type)) {
      w.keep(tokens[i++]);
      continue;
    }
    struct Char { std::string text; uint32_t start, end; const char* type; };
    std::vector<Char> chars;
    uint32_t end = tokens[i].start;
    Token first = tokens[i];
    while (i < tokens.size() && cjk_type(tokens[i].type) && tokens[i].start == end) {
      std::string term(b.term(tokens[i]));
      uint32_t at = tokens[i].start;
      for (size_t k = 0; k < term.size();) {
        size_t from = k;
        next_code_point(term, k);
        chars.push_back({term.substr(from, k - from), at, at + static_cast<uint32_t>(k - from), tokens[i].type});
        at += static_cast<uint32_t>(k - from);
      }
      end = tokens[i].end;
      ++i;
    }
    Token like = first;
    if (chars.size() == 1) {
      like.type = "<SINGLE>";
      w.make(chars[0].text, like, first.position_increment);
      continue;
    }
    for (size_t k = 0; k < chars.size(); ++k) {
      bool pair = k + 1 < chars.size();
      int increment = k == 0 ? first.position_increment : 1;
      if (unigrams) {
        like.start = chars[k].start;
        like.end = chars[k].end;
        like.type = "<SINGLE>";
        w.make(chars[k].text, like, increment);
        increment = 0;
      }
      if (!pair) break;
      like.start = chars[k].start;
      like.end = chars[k + 1].end;
      like.type = "<DOUBLE>";
      w.make(chars[k].text + chars[k + 1].text, like, increment);
    }
  }
  w.done();
}

}  // namespace

void Analyzer::analyze(std::string_view text, TokenBuffer& out) const {
  out.clear();
  if (char_filters.empty()) {
    tokenizer->tokenize(text, out);
  } else {
    std::string filtered(text);
    std::vector<OffsetMap> maps;
    for (const auto& f : char_filters) {
      OffsetMap map;
      filtered = f->apply(filtered, map);
      maps.push_back(std::move(map));
    }
    tokenizer->tokenize(filtered, out);
    for (Token& t : out.tokens) {
      for (size_t k = maps.size(); k-- > 0;) {
        t.start = maps[k].correct(t.start);
        t.end = maps[k].correct(t.end);
      }
    }
  }
  for (const auto& f : filters) f->apply(out);
}

std::string Analyzer::normalize(std::string_view text) const {
  std::string s(text);
  for (const auto& f : char_filters) {
    if (!f->normalizes()) continue;
    OffsetMap map;
    s = f->apply(s, map);
  }
  TokenBuffer b;
  b.add(s, 0, static_cast<uint32_t>(s.size()), "word");
  for (const auto& f : filters) {
    if (f->normalizes()) f->apply(b);
  }
  return b.tokens.empty() ? s : std::string(b.term(b.tokens[0]));
}

FilterPtr lowercase_filter(const std::string& language) {
  return std::make_shared<LowercaseFilter>(language == "turkish");
}
FilterPtr uppercase_filter() {
  return map_filter([](std::string_view s, std::string& out) {
    for (size_t i = 0; i < s.size();) {
      append_code_point(out, static_cast<uint32_t>(u_toupper(static_cast<UChar32>(next_code_point(s, i)))));
    }
  });
}
FilterPtr asciifolding_filter(bool preserve) { return std::make_shared<AsciiFolding>(preserve); }
FilterPtr stop_filter(const std::vector<std::string>& words, bool ignore_case, bool) {
  return std::make_shared<StopFilter>(words, ignore_case);
}
FilterPtr stemmer_filter(const std::string& language) {
  if (language == "possessive_english") {
    return map_filter([](std::string_view s, std::string& out) {
      out = s;
      for (std::string_view q : {"'", "\xe2\x80\x99", "\xef\xbc\x87"}) {
        for (char c : {'s', 'S'}) {
          std::string tail = std::string(q) + c;
          if (out.size() > tail.size() && out.ends_with(tail)) {
            out.resize(out.size() - tail.size());
            return;
          }
        }
      }
    }, false);
  }
  if (language == "minimal_english") {
    return std::make_shared<MapFilter>([](std::string_view s, std::string& out) {
      out = s;
      size_t n = s.size();
      if (n < 3 || s[n - 1] != 's') return;
      if (s[n - 2] == 'u' || s[n - 2] == 's') return;
      if (s[n - 2] == 'e') {
        if (n > 3 && s[n - 3] == 'i' && s[n - 4] != 'a' && s[n - 4] != 'e') {
          out.resize(n - 3);
          out += 'y';
          return;
        }
        if (s[n - 3] == 'i' || s[n - 3] == 'a' || s[n - 3] == 'o' || s[n - 3] == 'e') return;
      }
      out.resize(n - 1);
    }, false, true);
  }
  return std::make_shared<StemFilter>(language);
}
FilterPtr ngram_filter(int min, int max, bool edge, bool preserve) {
  return std::make_shared<NgramFilter>(min, max, edge, preserve);
}
FilterPtr shingle_filter(int min, int max, bool uni, bool if_none, std::string sep, std::string filler) {
  return std::make_shared<ShingleFilter>(min, max, uni, if_none, std::move(sep), std::move(filler));
}
FilterPtr unique_filter(bool same_position) {
  return std::make_shared<LambdaFilter>([same_position](TokenBuffer& b) {
    Rewriter w(b);
    std::set<std::string, std::less<>> seen;
    for (const Token& t : b.tokens) {
      if (same_position && t.position_increment > 0) seen.clear();
      if (seen.insert(std::string(b.term(t))).second) w.keep(t);
      else w.drop(t);
    }
    w.done();
  });
}
FilterPtr trim_filter() {
  return map_filter([](std::string_view s, std::string& out) {
    size_t a = 0, z = s.size();
    while (a < z && static_cast<uint8_t>(s[a]) <= ' ') ++a;
    while (z > a && static_cast<uint8_t>(s[z - 1]) <= ' ') --z;
    out = s.substr(a, z - a);
  });
}
FilterPtr length_filter(int min, int max) {
  return keep_if([min, max](const TokenBuffer& b, const Token& t) {
    int n = static_cast<int>(utf16_length(b.term(t)));
    return n >= min && n <= max;
  });
}
FilterPtr truncate_filter(int length) {
  return map_filter([length](std::string_view s, std::string& out) {
    size_t i = 0;
    for (int n = 0; n < length && i < s.size(); ++n) next_code_point(s, i);
    out = s.substr(0, i);
  }, false);
}
FilterPtr elision_filter(const std::vector<std::string>& articles, bool ignore_case) {
  std::set<std::string> set(articles.begin(), articles.end());
  return map_filter([set, ignore_case](std::string_view s, std::string& out) {
    out = s;
    size_t q = s.find('\''), r = s.find("\xe2\x80\x99");
    size_t at = std::min(q, r);
    if (at == std::string_view::npos) return;
    std::string head(s.substr(0, at));
    if (ignore_case) {
      for (char& c : head) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    if (set.count(head) != 0) out = s.substr(at + (at == q ? 1 : 3));
  });
}
FilterPtr reverse_filter() {
  return map_filter([](std::string_view s, std::string& out) {
    std::u32string u = code_points(s);
    std::reverse(u.begin(), u.end());
    out = to_utf8(u);
  }, false);
}
FilterPtr limit_filter(int max) {
  return std::make_shared<LambdaFilter>([max](TokenBuffer& b) {
    if (b.tokens.size() > static_cast<size_t>(max)) b.tokens.resize(static_cast<size_t>(max));
  });
}
FilterPtr keep_filter(std::set<std::string> words) {
  return keep_if([words = std::move(words)](const TokenBuffer& b, const Token& t) {
    return words.count(std::string(b.term(t))) != 0;
  });
}
FilterPtr keyword_marker_filter(std::set<std::string> words, bool ignore_case) {
  return std::make_shared<LambdaFilter>([words = std::move(words), ignore_case](TokenBuffer& b) {
    for (Token& t : b.tokens) {
      std::string s(b.term(t));
      if (ignore_case) {
        for (char& c : s) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
      if (words.count(s) != 0) t.keyword = true;
    }
  });
}
FilterPtr pattern_replace_filter(const std::string& pattern, const std::string& flags,
                                 const std::string& replacement, bool all) {
  auto regex = std::make_shared<Regex>(pattern, flags);
  return map_filter([regex, replacement, all](std::string_view s, std::string& out) {
    size_t at = 0, copied = 0;
    Regex::Groups g;
    while (at <= s.size() && regex->find(s, at, g)) {
      out.append(s.substr(copied, g[0].first - copied));
      out.append(expand_replacement(replacement, s, g));
      copied = g[0].second;
      at = g[0].second > g[0].first ? g[0].second : g[0].second + 1;
      if (!all) break;
    }
    if (copied < s.size()) out.append(s.substr(copied));
  });
}
FilterPtr cjk_bigram_filter(bool unigrams) {
  return std::make_shared<LambdaFilter>([unigrams](TokenBuffer& b) { cjk_bigrams(b, unigrams); });
}
FilterPtr cjk_width_filter() {
  return map_filter([](std::string_view s, std::string& out) {
    for (size_t i = 0; i < s.size();) {
      uint32_t c = next_code_point(s, i);
      if (c >= 0xff01 && c <= 0xff5e) c -= 0xfee0;
      append_code_point(out, c);
    }
  });
}
FilterPtr apostrophe_filter() {
  return map_filter([](std::string_view s, std::string& out) {
    size_t at = std::min(s.find('\''), s.find("\xe2\x80\x99"));
    out = s.substr(0, at);
  }, false);
}
FilterPtr decimal_digit_filter() {
  return map_filter([](std::string_view s, std::string& out) {
    for (size_t i = 0; i < s.size();) {
      uint32_t c = next_code_point(s, i);
      int d = c < 128 ? -1 : u_charDigitValue(static_cast<UChar32>(c));
      append_code_point(out, d >= 0 && u_charType(static_cast<UChar32>(c)) == U_DECIMAL_DIGIT_NUMBER
                                 ? static_cast<uint32_t>('0' + d) : c);
    }
  });
}
FilterPtr flatten_filter() { return std::make_shared<LambdaFilter>([](TokenBuffer&) {}); }
FilterPtr spelling_filter(const std::string& which) {
  if (which == "german") {
    return map_filter([](std::string_view s, std::string& out) {
      std::u32string u = code_points(s), r;
      for (size_t i = 0; i < u.size(); ++i) {
        char32_t c = u[i], p = i > 0 ? u[i - 1] : 0;
        if (c == 0xe4) r += U'a';
        else if (c == 0xf6) r += U'o';
        else if (c == 0xfc) r += U'u';
        else if (c == 0xdf) r += U"ss";
        else if (c == 'e' && (p == 'a' || p == 'o')) continue;
        else if (c == 'e' && p == 'u' && !(i > 1 && std::u32string_view(U"aeiouyq").find(u[i - 2]) != std::u32string_view::npos)) continue;
        else r += c;
      }
      out = to_utf8(r);
    });
  }
  bool fold = which == "scandinavian_folding";
  return map_filter([fold](std::string_view s, std::string& out) {
    for (size_t i = 0; i < s.size();) {
      uint32_t c = next_code_point(s, i);
      switch (c) {
        case 0xe4: c = fold ? 'a' : 0xe6; break;
        case 0xe6: c = fold ? 'a' : 0xe6; break;
        case 0xe5: c = fold ? 'a' : 0xe5; break;
        case 0xf6: case 0xf8: c = fold ? 'o' : 0xf8; break;
        default: break;
      }
      append_code_point(out, c);
    }
  });
}
FilterPtr word_delimiter_filter(const WordDelimiterOptions& o) { return std::make_shared<WordDelimiter>(o); }
FilterPtr synonym_filter(std::vector<SynonymRule> rules) {
  return std::make_shared<SynonymFilter>(std::move(rules));
}

}  // namespace stele::segments

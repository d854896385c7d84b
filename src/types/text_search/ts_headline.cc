#include "types/text_search/ts_headline.h"

#include <algorithm>
#include <climits>

#include "base/error.h"
#include "types/text_search/ts_execute.h"
#include "types/text_search/ts_parser.h"
#include "types/text_search/ts_scan.h"

namespace stele {

namespace {

// A token of the document. A token that answers several of the query's values stands once for each.
struct Word {
  int type = 0;
  std::string_view text;
  const TsNode* item = nullptr;
  int position = 0;
  bool repeated = false, selected = false, in = false, replace = false, skip = false;
};

bool is_compound(int type) { return type == kTsUrl || type == kTsNumHword || type == kTsAsciiHword || type == kTsHword; }
// Tokens that are no words of their own.
bool is_no_word(int type) { return type == kTsSpace || type == kTsTag || is_compound(type); }
bool cannot_end(int type) {
  return is_no_word(type) || type == kTsScientific || type == kTsVersion || type == kTsDecimal || type == kTsSignedInt || type == kTsUnsignedInt;
}

void collect_values(const TsNode& n, std::vector<const TsNode*>& out) {
  if (n.kind == TsNode::kValue) out.push_back(&n);
  if (n.right) collect_values(*n.right, out);
  if (n.left) collect_values(*n.left, out);
}

class Headline {
 public:
  Headline(const TsConfig& config, std::string_view document, const TsNode* query, const TsHeadlineOptions& options)
      : query_(query), o_(options), max_cover_(std::max(options.max_words * 10, 100)) {
    read(config, document);
  }

  std::string make() {
    if (o_.max_fragments == 0) mark_words();
    else mark_fragments();
    return text();
  }

 private:
  struct Cover {
    int start, end, interesting, length;
    bool chosen = false, excluded = false;
  };

  int count() const { return static_cast<int>(words_.size()); }
  Word& word(int i) { return words_[static_cast<size_t>(i)]; }
  bool counts(int i) { return !is_no_word(word(i).type); }
  bool interesting(int i) { return word(i).item != nullptr && !word(i).repeated; }
  bool bad_end(int i) {
    return (cannot_end(word(i).type) || static_cast<int>(word(i).text.size()) <= o_.short_word) && !interesting(i);
  }

  void read(const TsConfig& config, std::string_view document) {
    std::vector<const TsNode*> values;
    if (query_ != nullptr) collect_values(*query_, values);
    int position = 0;
    for (const TsToken& t : ts_parse(document)) {
      if (t.text.size() > kMaxLexemeBytes) continue;
      Word w;
      w.type = t.type;
      w.text = t.text;
      words_.push_back(w);
      const TsDictionary* d = config.dictionary(t.type);
      const TsLexemes lexemes = d == nullptr ? TsLexemes{} : d->lexize(t.text);
      if (!lexemes) continue;
      ++position;
      for (const std::string& l : *lexemes) {
        const size_t at = words_.size() - 1;
        size_t first = at;
        while (words_[first].repeated) --first;
        words_[first].position = position;
        for (const TsNode* v : values) {
          if (!ts_lexeme_matches(v->text, l, v->prefix)) continue;
          if (words_[first].item == nullptr) {
            words_[first].item = v;
          } else {
            Word again = words_[first];
            again.item = v;
            again.repeated = true;
            words_.push_back(again);
          }
        }
      }
    }
  }

  int next_interesting(int from) {
    for (int i = from; i < count(); ++i) {
      if (word(i).item != nullptr) return i;
    }
    return -1;
  }
  bool holds(int from, int to) {
    return ts_execute(*query_, [&](const TsNode& v, TsMatches* where) {
             bool any = false;
             for (int i = from; i <= to; ++i) {
               if (word(i).item != &v) continue;
               if (where == nullptr) return TsTruth::kYes;
               any = true;
               if (where->positions.empty() || where->positions.back() < word(i).position) where->positions.push_back(word(i).position);
             }
             return any ? TsTruth::kYes : TsTruth::kNo;
           }) != TsTruth::kNo;
  }
  // The first shortest stretch from *p on that satisfies the query.
  bool cover(int* p, int* q) {
    if (query_ == nullptr) return false;
    for (int from = next_interesting(*p); from >= 0;) {
      int next_from = -1;
      for (int to = from; to >= 0 && to - from < max_cover_;) {
        if (holds(from, to)) {
          *p = from;
          *q = to;
          return true;
        }
        const int next_to = next_interesting(to + 1);
        if (to == from) next_from = next_to;
        to = next_to;
      }
      from = next_from;
    }
    return false;
  }

  void mark(int start, int end) {
    for (int i = start; i <= end; ++i) {
      Word& w = word(i);
      if (w.item != nullptr) w.selected = true;
      if (!o_.highlight_all) {
        if (w.type == kTsTag) w.replace = true;
        else if (is_compound(w.type)) w.skip = true;
      } else if (is_compound(w.type)) {
        w.skip = true;
      }
      w.in = !w.repeated;
    }
  }
  // The first min_words words.
  int head_end() {
    int n = 0, end = 0;
    for (int i = 0; i < count() && n < o_.min_words; ++i) {
      if (counts(i)) ++n;
      end = i;
    }
    return end;
  }

  void mark_words() {
    if (o_.highlight_all) {
      mark(0, count() - 1);
      return;
    }
    int best_start = -1, best_end = -1, best = -1;
    bool best_whole = false;
    int p = 0, q = 0;
    for (; cover(&p, &q); ++p) {
      int length = 0, found = 0, start = p, end = p, i;
      auto take = [&](int k) {
        if (counts(k)) ++length;
        if (interesting(k)) ++found;
      };
      for (i = p; i <= q && length < o_.max_words; ++i) {
        take(i);
        end = i;
      }
      if (length < o_.max_words) {
        // Room for more: to the right until a good end, then to the left.
        for (i = i - 1; i < count() && length < o_.max_words; ++i) {
          if (i != q) take(i);
          end = i;
          if (!bad_end(i) && length >= o_.min_words) break;
        }
        if (length < o_.min_words) {
          for (i = p - 1; i >= 0; --i) {
            take(i);
            if (length >= o_.max_words) break;
            if (!bad_end(i) && length >= o_.min_words) break;
          }
          start = std::max(i, 0);
        }
      } else {
        if (i > q) i = q;
        for (; length > o_.min_words; --i) {
          if (!bad_end(i)) break;
          if (counts(i)) --length;
          if (interesting(i)) --found;
          end = i - 1;
        }
      }
      const bool whole = start <= p && end >= q;
      if (whole > best_whole || (whole == best_whole && found > best) ||
          (whole == best_whole && found == best && !bad_end(end) && bad_end(best_end))) {
        best_start = start;
        best_end = end;
        best = found;
        best_whole = whole;
      }
    }
    if (best < 0) {
      best_start = 0;
      best_end = head_end();
    }
    if (count() > 0) mark(best_start, best_end);
  }

  // Cuts [start, end] to max_words with a query word at each end.
  Cover cut(int start, int end) {
    Cover c{start, end, 0, 0};
    int i;
    for (i = start; i <= end; ++i) {
      c.start = i;
      if (interesting(i)) break;
    }
    for (i = c.start; i <= end && c.length < o_.max_words; ++i) {
      if (counts(i)) ++c.length;
      if (interesting(i)) ++c.interesting;
    }
    if (end > i) {
      c.end = i;
      for (i = c.end; i >= c.start; --i) {
        c.end = i;
        if (interesting(i)) break;
        if (counts(i)) --c.length;
      }
    }
    return c;
  }

  void stretch(Cover& c) {
    if (c.length >= o_.max_words) return;
    const int most = (o_.max_words - c.length) / 2;
    int n = 0, marker = c.start, i;
    for (i = c.start - 1; i >= 0 && n < most && !word(i).in; --i) {
      if (counts(i)) {
        ++c.length;
        ++n;
      }
      marker = i;
    }
    for (i = marker; i < c.start && bad_end(i); ++i) {
      if (counts(i)) --c.length;
    }
    c.start = i;
    marker = c.end;
    for (i = c.end + 1; i < count() && c.length < o_.max_words && !word(i).in; ++i) {
      if (counts(i)) ++c.length;
      marker = i;
    }
    for (i = marker; i > c.end && bad_end(i); --i) {
      if (counts(i)) --c.length;
    }
    c.end = i;
  }

  void mark_fragments() {
    std::vector<Cover> covers;
    int p = 0, q = 0;
    for (; cover(&p, &q); ++p) {
      for (int start = p; start <= q;) {
        covers.push_back(cut(start, q));
        start = covers.back().end + 1;
      }
    }
    int made = 0;
    for (int f = 0; f < o_.max_fragments; ++f) {
      Cover* best = nullptr;
      int most = 0, shortest = INT_MAX;
      for (Cover& c : covers) {
        if (c.chosen || c.excluded) continue;
        if (most < c.interesting || (most == c.interesting && shortest > c.length)) {
          most = c.interesting;
          shortest = c.length;
          best = &c;
        }
      }
      if (best == nullptr) break;
      best->chosen = true;
      stretch(*best);
      mark(best->start, best->end);
      ++made;
      const int s = best->start, e = best->end;
      for (Cover& c : covers) {
        if (&c != best && ((c.start >= s && c.start <= e) || (c.end >= s && c.end <= e) || (c.start < s && c.end > e))) c.excluded = true;
      }
    }
    if (made == 0 && count() > 0) mark(0, head_end());
  }

  std::string text() const {
    std::string out;
    bool inside = false;
    int fragments = 0;
    for (const Word& w : words_) {
      if (w.repeated) continue;
      if (!w.in) {
        inside = false;
        continue;
      }
      if (!inside) {
        inside = true;
        if (++fragments > 1) out += o_.delimiter;
      }
      if (w.replace) {
        out.push_back(' ');
      } else if (!w.skip) {
        if (w.selected) out += o_.start;
        out += w.text;
        if (w.selected) out += o_.stop;
      }
    }
    return out;
  }

  const TsNode* query_;
  const TsHeadlineOptions& o_;
  int max_cover_;
  std::vector<Word> words_;
};

[[noreturn]] void bad_value(const char* message) { throw Error(ErrorCode::kInvalidParameterValue, message); }

int int_value(const std::string& s) {
  size_t i = 0;
  while (i < s.size() && std::isspace(static_cast<unsigned char>(s[i]))) ++i;
  const size_t from = i;
  if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
  const size_t digits = i;
  int64_t v = 0;
  for (; i < s.size() && std::isdigit(static_cast<unsigned char>(s[i])); ++i) {
    v = v * 10 + (s[i] - '0');
    if (v > int64_t{1} << 40) break;
  }
  if (i == digits || i != s.size()) throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type integer: \"{}\"", s));
  if (s[from] == '-') v = -v;
  if (v != static_cast<int32_t>(v)) throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("value \"{}\" is out of range for type integer", s));
  return static_cast<int>(v);
}

// name = value [, ...]: values bare, or quoted as SQL does ("" or '').
std::vector<std::pair<std::string, std::string>> parse_options(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  auto fail = [&] { throw Error(ErrorCode::kSyntaxError, fmt::format("invalid parameter list format: \"{}\"", text)); };
  size_t i = 0;
  auto space = [&] {
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i]))) ++i;
  };
  auto quoted = [&](char quote) {
    std::string s;
    for (++i;; ++i) {
      if (i >= text.size()) fail();
      if (text[i] == quote) {
        if (i + 1 >= text.size() || text[i + 1] != quote) break;
        ++i;
      } else if (quote == '\'' && text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '\\') {
        ++i;
      }
      s.push_back(text[i]);
    }
    ++i;
    return s;
  };
  for (;;) {
    while (i < text.size() && (std::isspace(static_cast<unsigned char>(text[i])) || text[i] == ',')) ++i;
    if (i >= text.size()) return out;
    std::string name, value;
    if (text[i] == '"') {
      name = quoted('"');
    } else {
      while (i < text.size() && text[i] != '=' && !std::isspace(static_cast<unsigned char>(text[i]))) name.push_back(text[i++]);
    }
    space();
    if (i >= text.size() || text[i] != '=') fail();
    ++i;
    space();
    if (i >= text.size()) fail();
    if (text[i] == '\'' || text[i] == '"') {
      value = quoted(text[i]);
    } else if ((text[i] == 'E' || text[i] == 'e') && i + 1 < text.size() && text[i + 1] == '\'') {
      ++i;
      value = quoted('\'');
    } else {
      while (i < text.size() && text[i] != ',' && !std::isspace(static_cast<unsigned char>(text[i]))) value.push_back(text[i++]);
    }
    out.emplace_back(std::move(name), std::move(value));
  }
}

}  // namespace

TsHeadlineOptions TsHeadlineOptions::parse(std::string_view text) {
  TsHeadlineOptions o;
  for (auto& [name, value] : parse_options(text)) {
    const std::string n = ts_lower(name);
    if (n == "maxwords") o.max_words = int_value(value);
    else if (n == "minwords") o.min_words = int_value(value);
    else if (n == "shortword") o.short_word = int_value(value);
    else if (n == "maxfragments") o.max_fragments = int_value(value);
    else if (n == "startsel") o.start = value;
    else if (n == "stopsel") o.stop = value;
    else if (n == "fragmentdelimiter") o.delimiter = value;
    else if (n == "highlightall") {
      const std::string v = ts_lower(value);
      o.highlight_all = v == "1" || v == "on" || v == "true" || v == "t" || v == "y" || v == "yes";
    } else {
      throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unrecognized headline parameter: \"{}\"", name));
    }
  }
  if (!o.highlight_all) {
    if (o.min_words >= o.max_words) bad_value("MinWords should be less than MaxWords");
    if (o.min_words <= 0) bad_value("MinWords should be positive");
    if (o.short_word < 0) bad_value("ShortWord should be >= 0");
    if (o.max_fragments < 0) bad_value("MaxFragments should be >= 0");
  }
  return o;
}

std::string ts_headline(const TsConfig& config, std::string_view document, const TsNode* query, const TsHeadlineOptions& options,
                        EvalContext&) {
  return Headline(config, document, query, options).make();
}

}  // namespace stele

#include "types/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "types/function.h"
#include "types/text.h"

namespace stele {
namespace {

[[noreturn]] void invalid(const std::string& why) {
  throw Error(ErrorCode::kInvalidRegularExpression, "invalid regular expression: " + why);
}

enum class Prefer { kNone, kGreedy, kLazy };

// Recursive descent over the expression, writing PCRE2's as it goes.
class Translator {
 public:
  Translator(std::string_view in, RegexOptions options) : in_(in), options_(options) {}

  std::string run() {
    directors();
    if (options_.literal) return quote(in_.substr(i_));
    std::string out;
    top_ = expression(out, 0);
    if (i_ < in_.size()) invalid("parentheses () not balanced");
    return out;
  }
  const RegexOptions& options() const { return options_; }
  Prefer preference() const { return top_; }
  bool alternation() const { return alternation_; }
  bool mixed() const { return greedy_ && lazy_; }
  bool back_references() const { return back_references_; }

 private:
  static constexpr int kMaxDepth = 500;

  bool more() const { return i_ < in_.size(); }
  char peek() const { return in_[i_]; }
  bool starts(std::string_view s) const { return in_.substr(i_, s.size()) == s; }

  static std::string quote(std::string_view s) {
    std::string out;
    for (char c : s) literal(static_cast<unsigned char>(c), out);
    return out;
  }
  static void literal(unsigned char c, std::string& out) {
    if (c > ' ' && c < 0x7f && !std::isalnum(c) && c != '_') out += '\\';
    out += static_cast<char>(c);
  }
  static void code_point(uint32_t cp, std::string& out) { out += fmt::format("\\x{{{:x}}}", cp); }

  void directors() {
    if (options_.literal) return;
    if (starts("***=")) {
      options_.literal = true;
      i_ += 4;
      return;
    }
    if (starts("***:")) i_ += 4;
    else if (starts("***")) invalid("invalid regexp (reg version 0.8)");
    if (!starts("(?") || i_ + 2 >= in_.size() || !std::isalpha(static_cast<unsigned char>(in_[i_ + 2]))) return;
    size_t close = in_.find(')', i_);
    if (close == std::string_view::npos) invalid("invalid embedded option");
    for (char c : in_.substr(i_ + 2, close - i_ - 2)) {
      switch (c) {
        case 'i': options_.ignore_case = true; break;
        case 'c': options_.ignore_case = false; break;
        case 'n': case 'm': options_.newline_stops = options_.newline_anchors = true; break;
        case 'p': options_.newline_stops = true; options_.newline_anchors = false; break;
        case 'w': options_.newline_stops = false; options_.newline_anchors = true; break;
        case 's': options_.newline_stops = options_.newline_anchors = false; break;
        case 'x': options_.expanded = true; break;
        case 't': options_.expanded = false; break;
        case 'q': options_.literal = true; break;
        case 'e': case 'b': break;
        default: invalid("invalid embedded option");
      }
    }
    i_ = close + 1;
  }

  void skip_expanded() {
    if (options_.expanded) {
      while (more()) {
        if (std::isspace(static_cast<unsigned char>(peek()))) {
          ++i_;
        } else if (peek() == '#') {
          while (more() && peek() != '\n') ++i_;
        } else {
          break;
        }
      }
    }
    while (starts("(?#")) {
      size_t close = in_.find(')', i_);
      if (close == std::string_view::npos) invalid("parentheses () not balanced");
      i_ = close + 1;
    }
  }

  Prefer expression(std::string& out, int depth) {
    if (depth > kMaxDepth) throw Error(ErrorCode::kStatementTooComplex, "regular expression is too complex");
    Prefer first = branch(out, depth);
    bool several = false;
    while (more() && peek() == '|') {
      several = true;
      ++i_;
      out += '|';
      branch(out, depth);
    }
    if (several) {
      alternation_ = greedy_ = true;
      return Prefer::kGreedy;
    }
    return first;
  }

  Prefer branch(std::string& out, int depth) {
    Prefer prefer = Prefer::kNone;
    for (;;) {
      skip_expanded();
      if (!more() || peek() == '|' || (peek() == ')' && depth > 0)) return prefer;
      if (peek() == ')') invalid("parentheses () not balanced");
      Prefer p = piece(out, depth);
      if (prefer == Prefer::kNone) prefer = p;
    }
  }

  Prefer piece(std::string& out, int depth) {
    size_t at = out.size(), from = i_;
    bool constraint = false;
    Prefer inner = atom(out, depth, constraint);
    skip_expanded();
    if (!more()) return inner;
    std::string quantifier;
    bool fixed = false, exactly_one = false;
    char c = peek();
    if (c == '*' || c == '+' || c == '?') {
      quantifier = c;
      ++i_;
    } else if (c == '{' && i_ + 1 < in_.size() && std::isdigit(static_cast<unsigned char>(in_[i_ + 1]))) {
      ++i_;
      int low = number(), high = low;
      bool open = false;
      if (more() && peek() == ',') {
        ++i_;
        if (more() && std::isdigit(static_cast<unsigned char>(peek()))) high = number();
        else open = true;
      } else {
        fixed = true;
      }
      if (!more() || peek() != '}') invalid(more() ? "invalid repetition count(s)" : "braces {} not balanced");
      ++i_;
      if (!open && low > high) invalid("invalid repetition count(s)");
      quantifier = fixed ? fmt::format("{{{}}}", low) : open ? fmt::format("{{{},}}", low) : fmt::format("{{{},{}}}", low, high);
      exactly_one = !fixed && low == 1 && high == 1 && !open;
    } else {
      return inner;
    }
    if (constraint) invalid("quantifier operand invalid");
    bool lazy = more() && peek() == '?';
    if (lazy) ++i_;
    skip_expanded();
    if (more() && (peek() == '*' || peek() == '+' || peek() == '?')) invalid("quantifier operand invalid");
    if (exactly_one && !lazy) {
      // X{1,1} only says that X as a whole prefers to be long.
      greedy_ = true;
      return Prefer::kGreedy;
    }
    if (exactly_one && forced_ == Prefer::kNone) {
      // X{1,1}? prefers X short: read X again with every quantifier lazy.
      size_t end = i_;
      out.resize(at);
      i_ = from;
      groups_ = group_start_;
      forced_ = Prefer::kLazy;
      bool again = false;
      atom(out, depth, again);
      forced_ = Prefer::kNone;
      i_ = end;
      lazy_ = true;
      return Prefer::kLazy;
    }
    if (forced_ != Prefer::kNone && !fixed) lazy = forced_ == Prefer::kLazy;
    out += quantifier;
    if (fixed) return inner;
    if (lazy) out += '?';
    (lazy ? lazy_ : greedy_) = true;
    return lazy ? Prefer::kLazy : Prefer::kGreedy;
  }

  int number() {
    int v = 0;
    while (more() && std::isdigit(static_cast<unsigned char>(peek()))) {
      v = v * 10 + (peek() - '0');
      if (v > 255) invalid("invalid repetition count(s)");
      ++i_;
    }
    return v;
  }

  Prefer atom(std::string& out, int depth, bool& constraint) {
    char c = peek();
    group_start_ = groups_;
    switch (c) {
      case '(': return group(out, depth, constraint);
      case '[': bracket(out, constraint); return Prefer::kNone;
      case '.':
        ++i_;
        out += options_.newline_stops ? "[^\\n]" : "(?s:.)";
        return Prefer::kNone;
      case '^':
        ++i_;
        constraint = true;
        out += options_.newline_anchors ? "(?m:^)" : "\\A";
        return Prefer::kNone;
      case '$':
        ++i_;
        constraint = true;
        out += options_.newline_anchors ? "(?m:$)" : "\\z";
        return Prefer::kNone;
      case '*': case '+': case '?': invalid("quantifier operand invalid");
      case '\\': escape(out, constraint); return Prefer::kNone;
      case '{':
        if (i_ + 1 < in_.size() && std::isdigit(static_cast<unsigned char>(in_[i_ + 1]))) invalid("quantifier operand invalid");
        [[fallthrough]];
      default: {
        size_t n = utf8_front(in_.substr(i_));
        if (n == 1) literal(static_cast<unsigned char>(c), out);
        else out += in_.substr(i_, n);
        i_ += n;
        return Prefer::kNone;
      }
    }
  }

  Prefer group(std::string& out, int depth, bool& constraint) {
    int before = groups_;
    ++i_;
    if (starts("?:")) {
      i_ += 2;
      out += "(?:";
    } else if (starts("?=") || starts("?!")) {
      out += "(";
      out += in_.substr(i_, 2);
      i_ += 2;
      constraint = true;
    } else if (starts("?<=") || starts("?<!")) {
      out += "(";
      out += in_.substr(i_, 3);
      i_ += 3;
      constraint = true;
    } else if (starts("?")) {
      invalid("quantifier operand invalid");
    } else {
      ++groups_;
      out += '(';
    }
    Prefer p = expression(out, depth + 1);
    if (!more()) invalid("parentheses () not balanced");
    ++i_;
    out += ')';
    group_start_ = before;
    return constraint ? Prefer::kNone : p;
  }

  int64_t hex(size_t least, size_t most) {
    int64_t v = 0;
    size_t n = 0;
    while (n < most && more() && std::isxdigit(static_cast<unsigned char>(peek()))) {
      v = v * 16 + (std::isdigit(static_cast<unsigned char>(peek())) ? peek() - '0' : (peek() | 32) - 'a' + 10);
      if (v > 0x10ffff) invalid("invalid escape \\ sequence");
      ++i_;
      ++n;
    }
    if (n < least) invalid("invalid escape \\ sequence");
    return v;
  }

  // A character escape; the position is after the backslash. -1: not one.
  int64_t character_escape() {
    char c = peek();
    ++i_;
    switch (c) {
      case 'a': return 7;
      case 'b': return 8;
      case 'B': return '\\';
      case 'c': {
        if (!more()) invalid("invalid escape \\ sequence");
        char x = peek();
        ++i_;
        return x & 0x1f;
      }
      case 'e': return 27;
      case 'f': return 12;
      case 'n': return 10;
      case 'r': return 13;
      case 't': return 9;
      case 'v': return 11;
      case 'u': return hex(4, 4);
      case 'U': return hex(8, 8);
      case 'x': return hex(1, 255);
      case '0': {
        int64_t v = 0;
        for (int n = 0; n < 2 && more() && peek() >= '0' && peek() <= '7'; ++n, ++i_) v = v * 8 + (peek() - '0');
        return v;
      }
      default: --i_; return -1;
    }
  }

  void escape(std::string& out, bool& constraint) {
    ++i_;
    if (!more()) invalid("invalid escape \\ sequence");
    char c = peek();
    if (!std::isalnum(static_cast<unsigned char>(c))) {
      size_t n = utf8_front(in_.substr(i_));
      if (n == 1) literal(static_cast<unsigned char>(c), out);
      else out += in_.substr(i_, n);
      i_ += n;
      return;
    }
    auto emit = [&](const char* s, bool is_constraint) {
      ++i_;
      out += s;
      constraint = is_constraint;
    };
    switch (c) {
      case 'd': return emit("\\d", false);
      case 'D': return emit("\\D", false);
      case 's': return emit("\\s", false);
      case 'S': return emit("\\S", false);
      case 'w': return emit("\\w", false);
      case 'W': return emit("\\W", false);
      case 'A': return emit("\\A", true);
      case 'Z': return emit("\\z", true);
      case 'm': return emit("\\b(?=\\w)", true);
      case 'M': return emit("\\b(?<=\\w)", true);
      case 'y': return emit("\\b", true);
      case 'Y': return emit("\\B", true);
      default: break;
    }
    if (c >= '1' && c <= '9') {
      int n = 0;
      size_t start = i_;
      while (more() && std::isdigit(static_cast<unsigned char>(peek()))) n = std::min(n * 10 + (peek() - '0'), 100000), ++i_;
      if (n > groups_ && i_ - start > 1) {
        // More digits than there are groups: an octal character.
        i_ = start;
        int64_t v = 0;
        for (int k = 0; k < 3 && more() && peek() >= '0' && peek() <= '7'; ++k, ++i_) v = v * 8 + (peek() - '0');
        code_point(static_cast<uint32_t>(v), out);
        return;
      }
      if (n > groups_) invalid("invalid backreference number");
      back_references_ = true;
      out += fmt::format("(?:\\g{{{}}})", n);
      return;
    }
    int64_t cp = character_escape();
    if (cp < 0) invalid("invalid escape \\ sequence");
    code_point(static_cast<uint32_t>(cp), out);
  }

  void bracket(std::string& out, bool& constraint) {
    if (starts("[[:<:]]")) {
      i_ += 7;
      out += "\\b(?=\\w)";
      constraint = true;
      return;
    }
    if (starts("[[:>:]]")) {
      i_ += 7;
      out += "\\b(?<=\\w)";
      constraint = true;
      return;
    }
    ++i_;
    std::string set = "[";
    bool negated = more() && peek() == '^';
    if (negated) {
      set += '^';
      ++i_;
      if (options_.newline_stops) set += "\\n";
    }
    bool first = true, any = false;
    for (;; first = false) {
      if (!more()) invalid("brackets [] not balanced");
      if (peek() == ']' && !first) break;
      any = true;
      if (starts("[:")) {
        size_t close = in_.find(":]", i_ + 2);
        if (close == std::string_view::npos) invalid("brackets [] not balanced");
        std::string_view name = in_.substr(i_ + 2, close - i_ - 2);
        static constexpr std::string_view kNames[] = {"alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower",
                                                      "print", "punct", "space", "upper", "xdigit", "word"};
        if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames)) invalid("invalid character class");
        // Case does not matter: nor does the class of a case.
        if (options_.ignore_case && (name == "lower" || name == "upper")) set += "[:alpha:]";
        else set += fmt::format("[:{}:]", name);
        i_ = close + 2;
        continue;
      }
      bool is_class = false;
      uint32_t low = element(set, is_class);
      if (is_class) continue;
      uint32_t high = low;
      if (more() && peek() == '-' && i_ + 1 < in_.size() && in_[i_ + 1] != ']') {
        ++i_;
        high = element(set, is_class);
        if (is_class) invalid("invalid character range");
        if (high < low) invalid("invalid character range");
      }
      code_point(low, set);
      if (high != low) {
        set += '-';
        code_point(high, set);
      }
    }
    ++i_;
    if (!any) invalid("brackets [] not balanced");
    out += set + "]";
  }

  // One element of a bracket; class escapes are written to `set` straight away.
  uint32_t element(std::string& set, bool& is_class) {
    if (starts("[.") || starts("[=")) {
      std::string close{in_[i_ + 1], ']'};
      size_t end = in_.find(close, i_ + 2);
      if (end == std::string_view::npos) invalid("brackets [] not balanced");
      std::string_view name = in_.substr(i_ + 2, end - i_ - 2);
      i_ = end + 2;
      if (name.empty() || utf8_front(name) != name.size()) invalid("invalid collating element");
      return utf8_decode(name);
    }
    if (peek() == '\\') {
      ++i_;
      if (!more()) invalid("invalid escape \\ sequence");
      char c = peek();
      if (c == 'd' || c == 's' || c == 'w' || c == 'D' || c == 'S' || c == 'W') {
        ++i_;
        set += '\\';
        set += c;
        is_class = true;
        return 0;
      }
      if (std::isalnum(static_cast<unsigned char>(c))) {
        int64_t cp = character_escape();
        if (cp < 0) invalid("invalid escape \\ sequence");
        return static_cast<uint32_t>(cp);
      }
    }
    uint32_t cp = utf8_decode(in_.substr(i_));
    i_ += utf8_front(in_.substr(i_));
    return cp;
  }

  std::string_view in_;
  RegexOptions options_;
  size_t i_ = 0;
  int groups_ = 0, group_start_ = 0;
  Prefer forced_ = Prefer::kNone, top_ = Prefer::kNone;
  bool alternation_ = false, greedy_ = false, lazy_ = false, back_references_ = false;
};

struct FreeMatch {
  void operator()(pcre2_match_data* m) const { pcre2_match_data_free(m); }
};
// The stack of compiled code, with the context that names it.
struct MatchContext {
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, 1024 * 1024, nullptr);
  MatchContext() { pcre2_jit_stack_assign(context, nullptr, stack); }
  ~MatchContext() {
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};
// Match memory of a thread: enough for any number of groups that is asked for.
pcre2_match_data* match_data(uint32_t pairs) {
  static thread_local std::unique_ptr<pcre2_match_data, FreeMatch> data;
  static thread_local uint32_t size = 0;
  if (data == nullptr || size < pairs) {
    size = std::max(pairs, 16u);
    data.reset(pcre2_match_data_create(size, nullptr));
  }
  return data.get();
}
pcre2_match_context* match_context() {
  static thread_local MatchContext memory;
  return memory.context;
}
[[noreturn]] void failed(int code) {
  char message[128] = {};
  pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(message), sizeof message);
  throw Error(ErrorCode::kInvalidRegularExpression, fmt::format("regular expression failed: {}", message));
}
const pcre2_code* code_of(void* p) { return static_cast<const pcre2_code*>(p); }
PCRE2_SPTR subject_of(std::string_view s) { return reinterpret_cast<PCRE2_SPTR>(s.data() == nullptr ? "" : s.data()); }

}  // namespace

RegexOptions parse_regex_flags(std::string_view flags) {
  RegexOptions o;
  for (size_t i = 0; i < flags.size(); ++i) {
    switch (flags[i]) {
      case 'g': o.global = true; break;
      case 'i': o.ignore_case = true; break;
      case 'c': o.ignore_case = false; break;
      case 'n': case 'm': o.newline_stops = o.newline_anchors = true; break;
      case 'p': o.newline_stops = true; o.newline_anchors = false; break;
      case 'w': o.newline_stops = false; o.newline_anchors = true; break;
      case 's': o.newline_stops = o.newline_anchors = false; break;
      case 'x': o.expanded = true; break;
      case 't': o.expanded = false; break;
      case 'q': o.literal = true; break;
      case 'b': case 'e': break;
      default:
        throw Error(ErrorCode::kInvalidParameterValue,
                    fmt::format("invalid regular expression option: \"{}\"",
                                flags.substr(i, utf8_front(flags.substr(i)))));
    }
  }
  return o;
}

std::shared_ptr<const Regex> Regex::compile(std::string_view pattern, RegexOptions options) {
  std::string key(pattern);
  key += '\0';
  key += static_cast<char>('0' + options.ignore_case + 2 * options.literal + 4 * options.expanded +
                           8 * options.newline_stops + 16 * options.newline_anchors);
  static thread_local std::unordered_map<std::string, std::shared_ptr<const Regex>> cache;
  auto it = cache.find(key);
  if (it != cache.end()) return it->second;
  Translator translator(pattern, options);
  std::string translated = translator.run();
  // Quantifiers made possessive would hide shorter matches from the DFA matcher.
  uint32_t flags = PCRE2_NO_AUTO_POSSESS | PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY;
  if (translator.options().ignore_case) flags |= PCRE2_CASELESS;
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), flags, &error, &offset, nullptr);
  if (code == nullptr) {
    char message[256] = {};
    pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(message), sizeof message);
    invalid(message);
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  std::shared_ptr<Regex> r(new Regex);
  r->code_ = code;
  uint32_t groups = 0;
  pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
  r->groups_ = static_cast<int>(groups);
  r->shortest_ = translator.preference() == Prefer::kLazy;
  r->posix_choice_ = (translator.alternation() || translator.mixed()) && !translator.back_references();
  if (cache.size() >= 128) cache.clear();
  cache.emplace(std::move(key), r);
  return r;
}

namespace {
struct CallRegex {
  std::string pattern;
  RegexOptions options;
  std::shared_ptr<const Regex> regex;
};
}  // namespace

const Regex& Regex::of_call(FnCall& c, std::string_view pattern, RegexOptions options) {
  if (c.cache == nullptr) {
    // Kept by the thread's cache until the next compilation.
    return *compile(pattern, options);
  }
  auto* held = static_cast<CallRegex*>(c.cache->get());
  if (held == nullptr || held->pattern != pattern || !(held->options == options)) {
    auto fresh = std::make_shared<CallRegex>(CallRegex{std::string(pattern), options, compile(pattern, options)});
    held = fresh.get();
    *c.cache = std::move(fresh);
  }
  return *held->regex;
}

Regex::~Regex() { pcre2_code_free(static_cast<pcre2_code*>(code_)); }

bool Regex::search(std::string_view subject) const {
  pcre2_match_data* data = match_data(1);
  int rc = pcre2_match(code_of(code_), subject_of(subject), subject.size(), 0, PCRE2_NO_UTF_CHECK, data, match_context());
  if (rc >= 0) return true;
  if (rc == PCRE2_ERROR_NOMATCH) return false;
  failed(rc);
}

bool Regex::match(std::string_view subject, size_t from, std::vector<RegexSpan>& spans) const {
  pcre2_match_data* data = match_data(static_cast<uint32_t>(groups_) + 1);
  int rc = pcre2_match(code_of(code_), subject_of(subject), subject.size(), from, PCRE2_NO_UTF_CHECK, data, match_context());
  if (rc == PCRE2_ERROR_NOMATCH) return false;
  if (rc < 0) failed(rc);
  spans.assign(static_cast<size_t>(groups_) + 1, {});
  auto take = [&] {
    PCRE2_SIZE* v = pcre2_get_ovector_pointer(data);
    for (int i = 0; i <= groups_; ++i) {
      size_t k = static_cast<size_t>(i);
      spans[k] = i < rc && v[2 * k] != PCRE2_UNSET
                     ? RegexSpan{static_cast<int64_t>(v[2 * k]), static_cast<int64_t>(v[2 * k + 1])}
                     : RegexSpan{};
    }
  };
  take();
  if (!posix_choice_) return true;
  // The start is settled; ask the DFA matcher for POSIX's end, then fit the groups to it.
  static thread_local std::vector<int> workspace(4096);
  size_t start = static_cast<size_t>(spans[0].start);
  int n = pcre2_dfa_match(code_of(code_), subject_of(subject), subject.size(), start,
                          PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED | (shortest_ ? PCRE2_DFA_SHORTEST : 0u), data,
                          nullptr, workspace.data(), workspace.size());
  if (n < 0) return true;
  size_t end = pcre2_get_ovector_pointer(data)[1];
  if (end == static_cast<size_t>(spans[0].end)) return true;
  rc = pcre2_match(code_of(code_), subject_of(subject), end, start, PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED | PCRE2_ENDANCHORED,
                   data, match_context());
  if (rc > 0) take();
  else spans[0].end = static_cast<int64_t>(end);
  return true;
}

}  // namespace stele

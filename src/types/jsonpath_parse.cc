// jsonpath's grammar and its canonical text.
#include "base/error.h"
#include "types/function_helpers.h"
#include "types/jsonpath.h"
#include "types/numeric.h"

namespace stele::jsonpath {

namespace {

enum class Tok : uint8_t { kEnd, kWord, kString, kVariable, kNumber, kInt, kPunct };

struct Token {
  Tok type = Tok::kEnd;
  std::string text;    // decoded
  std::string source;  // as written
  bool quoted = false;
};

bool blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool special(char c) { return std::strchr("?%$.[]{}()|&!=<>@#,*:-+/", c) != nullptr && c != '\0'; }

void put_utf8(uint32_t c, std::string& out) {
  if (c < 0x80) out.push_back(static_cast<char>(c));
  else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0 | c >> 6));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | c >> 12));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | c >> 18));
    out.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view in) : in_(in) {}
  Token next() {
    skip_blank();
    Token t;
    size_t start = at_;
    if (at_ >= in_.size()) return t;
    char c = in_[at_];
    if (c == '"') {
      t.type = Tok::kString;
      t.quoted = true;
      quoted(&t.text);
    } else if (c == '$' && at_ + 1 < in_.size() && in_[at_ + 1] == '"') {
      ++at_;
      t.type = Tok::kVariable;
      quoted(&t.text);
    } else if (c == '$' && at_ + 1 < in_.size() && !special(in_[at_ + 1]) && !blank(in_[at_ + 1])) {
      ++at_;
      t.type = Tok::kVariable;
      bare(&t.text);
    } else if ((c >= '0' && c <= '9') || (c == '.' && at_ + 1 < in_.size() && in_[at_ + 1] >= '0' && in_[at_ + 1] <= '9')) {
      number(&t);
    } else if (special(c)) {
      t.type = Tok::kPunct;
      static constexpr const char* kTwo[] = {"&&", "||", "==", "!=", "<>", "<=", ">=", "**"};
      std::string_view two = in_.substr(at_, 2);
      t.text = std::string(1, c);
      for (const char* p : kTwo)
        if (two == p) t.text = p;
      at_ += t.text.size();
    } else {
      t.type = Tok::kWord;
      bare(&t.text);
    }
    t.source = std::string(in_.substr(start, at_ - start));
    return t;
  }
  bool at_end() const { return at_ >= in_.size(); }
  [[noreturn]] void fail(const char* message, std::string_view near) const {
    if (near.empty()) throw Error(ErrorCode::kSyntaxError, fmt::format("{} at end of jsonpath input", message));
    throw Error(ErrorCode::kSyntaxError, fmt::format("{} at or near \"{}\" of jsonpath input", message, near));
  }

 private:
  void skip_blank() {
    for (;;) {
      while (at_ < in_.size() && blank(in_[at_])) ++at_;
      if (in_.substr(at_, 2) != "/*") return;
      size_t end = in_.find("*/", at_ + 2);
      if (end == std::string_view::npos) fail("unexpected end of comment", "");
      at_ = end + 2;
    }
  }
  uint32_t hex(int digits, size_t start) {
    uint32_t v = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      char h = at_ < in_.size() ? in_[at_] : '\0';
      if (h >= '0' && h <= '9') v = v * 16 + static_cast<uint32_t>(h - '0');
      else if (h >= 'a' && h <= 'f') v = v * 16 + static_cast<uint32_t>(h - 'a' + 10);
      else if (h >= 'A' && h <= 'F') v = v * 16 + static_cast<uint32_t>(h - 'A' + 10);
      else fail(digits == 2 ? "invalid hexadecimal character sequence" : "invalid Unicode escape sequence", in_.substr(start, at_ - start + 1));
    }
    return v;
  }
  void escape(std::string* out) {
    size_t start = at_++;
    if (at_ >= in_.size()) fail("unexpected end after backslash", "");
    char e = in_[at_++];
    switch (e) {
      case 'b': out->push_back('\b'); return;
      case 'f': out->push_back('\f'); return;
      case 'n': out->push_back('\n'); return;
      case 'r': out->push_back('\r'); return;
      case 't': out->push_back('\t'); return;
      case 'v': out->push_back('\v'); return;
      case 'x': unicode(hex(2, start), out); return;
      case 'u': {
        uint32_t v;
        if (at_ < in_.size() && in_[at_] == '{') {
          size_t close = in_.find('}', at_);
          size_t n = close == std::string_view::npos ? 0 : close - at_ - 1;
          if (n < 1 || n > 6) fail("invalid Unicode escape sequence", in_.substr(start, 3));
          ++at_;
          v = hex(static_cast<int>(n), start);
          ++at_;
        } else {
          v = hex(4, start);
        }
        unicode(v, out);
        return;
      }
      default: out->push_back(e);
    }
  }
  void unicode(uint32_t v, std::string* out) {
    if (v >= 0xd800 && v <= 0xdbff) {
      if (high_ != 0)
        throw Error(ErrorCode::kInvalidTextRepresentation, "invalid input syntax for type jsonpath").detail("Unicode high surrogate must not follow a high surrogate.");
      high_ = v;
      return;
    }
    if (v >= 0xdc00 && v <= 0xdfff) {
      if (high_ == 0)
        throw Error(ErrorCode::kInvalidTextRepresentation, "invalid input syntax for type jsonpath").detail("Unicode low surrogate must follow a high surrogate.");
      v = 0x10000 + ((high_ & 0x3ff) << 10) + (v & 0x3ff);
      high_ = 0;
    } else if (high_ != 0) {
      throw Error(ErrorCode::kInvalidTextRepresentation, "invalid input syntax for type jsonpath").detail("Unicode low surrogate must follow a high surrogate.");
    }
    if (v == 0)
      throw Error(ErrorCode::kUntranslatableCharacter, "unsupported Unicode escape sequence").detail("\\u0000 cannot be converted to text.");
    put_utf8(v, *out);
  }
  void quoted(std::string* out) {
    ++at_;
    for (;;) {
      if (at_ >= in_.size()) fail("unterminated quoted string", "");
      char c = in_[at_];
      if (c == '"') break;
      if (c == '\\') escape(out);
      else {
        out->push_back(c);
        ++at_;
      }
    }
    ++at_;
  }
  void bare(std::string* out) {
    while (at_ < in_.size()) {
      char c = in_[at_];
      if (c == '\\') {
        escape(out);
        continue;
      }
      if (blank(c) || c == '"' || special(c)) break;
      out->push_back(c);
      ++at_;
    }
  }
  void number(Token* t) {
    size_t start = at_;
    auto digits = [&] { while (at_ < in_.size() && in_[at_] >= '0' && in_[at_] <= '9') ++at_; };
    auto digit_at = [&](size_t p) { return p < in_.size() && in_[p] >= '0' && in_[p] <= '9'; };
    t->type = Tok::kInt;
    if (in_[at_] == '0' && digit_at(at_ + 1)) {
      ++at_;
      fail("trailing junk after numeric literal", in_.substr(start, 2));
    }
    digits();
    if (at_ < in_.size() && in_[at_] == '.') {
      t->type = Tok::kNumber;
      ++at_;
      digits();
    }
    if (at_ < in_.size() && (in_[at_] == 'e' || in_[at_] == 'E')) {
      size_t p = at_ + 1;
      if (p < in_.size() && (in_[p] == '+' || in_[p] == '-')) ++p;
      if (!digit_at(p)) fail("trailing junk after numeric literal", in_.substr(start, p - start));
      t->type = Tok::kNumber;
      at_ = p;
      digits();
    }
    if (at_ < in_.size() && !blank(in_[at_]) && !special(in_[at_]) && in_[at_] != '"')
      fail("trailing junk after numeric literal", in_.substr(start, at_ + 1 - start));
    t->text = std::string(in_.substr(start, at_ - start));
  }
  std::string_view in_;
  size_t at_ = 0;
  uint32_t high_ = 0;
};

NodePtr make(Kind k) { return std::make_unique<Node>(k); }
NodePtr binary(Kind k, NodePtr l, NodePtr r) {
  NodePtr n = make(k);
  n->left = std::move(l);
  n->right = std::move(r);
  return n;
}

class Parser {
 public:
  Parser(std::string_view in, EvalContext& ctx) : lexer_(in), ctx_(ctx) { token_ = lexer_.next(); }

  Path path() {
    Path p;
    if (word("strict")) {
      p.lax = false;
      advance();
    } else if (word("lax")) {
      advance();
    }
    Parsed e = disjunction();
    if (token_.type != Tok::kEnd) syntax_error();
    p.root = std::move(e.node);
    return p;
  }

 private:
  // `wrapped`: a predicate in parentheses, exists(...) or !(...), which alone may be negated.
  struct Parsed {
    NodePtr node;
    bool is_predicate = false;
    bool delimited = false;
  };
  [[noreturn]] void syntax_error() {
    // A word that runs to the end of the input is reported as the end.
    bool end = token_.type == Tok::kWord && lexer_.at_end();
    lexer_.fail("syntax error", end ? std::string_view() : std::string_view(token_.source));
  }
  void advance() { token_ = lexer_.next(); }
  bool punct(const char* p) const { return token_.type == Tok::kPunct && token_.text == p; }
  bool word(const char* w) const { return token_.type == Tok::kWord && lower_ascii(token_.text) == w; }
  void expect(const char* p) {
    if (!punct(p)) syntax_error();
    advance();
  }
  void deeper() {
    if (++depth_ > 1000)
      throw Error(ErrorCode::kStatementTooComplex, "stack depth limit exceeded")
          .hint("Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the platform's stack depth limit is adequate.");
  }
  NodePtr as_value(Parsed p) {
    if (p.is_predicate) syntax_error();
    return std::move(p.node);
  }
  NodePtr as_predicate(Parsed p) {
    if (!p.is_predicate) syntax_error();
    return std::move(p.node);
  }

  Parsed disjunction() {
    deeper();
    Parsed l = conjunction();
    while (punct("||")) {
      NodePtr left = as_predicate(std::move(l));
      advance();
      l = {binary(Kind::kOr, std::move(left), as_predicate(conjunction())), true, false};
    }
    --depth_;
    return l;
  }
  Parsed conjunction() {
    Parsed l = negation();
    while (punct("&&")) {
      NodePtr left = as_predicate(std::move(l));
      advance();
      l = {binary(Kind::kAnd, std::move(left), as_predicate(negation())), true, false};
    }
    return l;
  }
  Parsed negation() {
    if (!punct("!")) return comparison();
    advance();
    Parsed inner = postfix();
    if (!inner.is_predicate || !inner.delimited) syntax_error();
    NodePtr n = make(Kind::kNot);
    n->left = std::move(inner.node);
    return {std::move(n), true, false};
  }
  Parsed comparison() {
    Parsed l = additive();
    if (l.is_predicate) {
      if (l.delimited && word("is")) {
        advance();
        if (!word("unknown")) syntax_error();
        advance();
        NodePtr n = make(Kind::kIsUnknown);
        n->left = std::move(l.node);
        return {std::move(n), true, false};
      }
      return l;
    }
    static constexpr std::pair<const char*, Kind> kOps[] = {
        {"==", Kind::kEqual}, {"!=", Kind::kNotEqual}, {"<>", Kind::kNotEqual}, {"<", Kind::kLess},
        {">", Kind::kGreater}, {"<=", Kind::kLessOrEqual}, {">=", Kind::kGreaterOrEqual}};
    for (auto [text, kind] : kOps)
      if (punct(text)) {
        advance();
        return {binary(kind, std::move(l.node), as_value(additive())), true, false};
      }
    if (word("starts")) {
      advance();
      if (!word("with")) syntax_error();
      advance();
      NodePtr r;
      if (token_.type == Tok::kString) r = make(Kind::kString);
      else if (token_.type == Tok::kVariable) r = make(Kind::kVariable);
      else syntax_error();
      r->text = token_.text;
      advance();
      return {binary(Kind::kStartsWith, std::move(l.node), std::move(r)), true, false};
    }
    if (word("like_regex")) {
      advance();
      if (token_.type != Tok::kString) syntax_error();
      NodePtr n = make(Kind::kLikeRegex);
      n->left = std::move(l.node);
      n->text = token_.text;
      advance();
      if (word("flag")) {
        advance();
        if (token_.type != Tok::kString) syntax_error();
        n->flags = regex_flags(token_.text);
        advance();
      }
      call_native("textregexeq", {make_bytes(scratch_, ""), make_bytes(scratch_, regex_source(*n))}, scratch_, ctx_);
      return {std::move(n), true, false};
    }
    return l;
  }
  int regex_flags(const std::string& s) {
    int flags = 0;
    for (size_t i = 0; i < s.size(); ++i) {
      switch (s[i]) {
        case 'i': flags |= kRegexIgnoreCase; break;
        case 's': flags |= kRegexDotAll; break;
        case 'm': flags |= kRegexMultiline; break;
        case 'x': flags |= kRegexExpanded; break;
        case 'q': flags |= kRegexQuote; break;
        default: {
          size_t n = 1;
          while (i + n < s.size() && (s[i + n] & 0xc0) == 0x80) ++n;
          throw Error(ErrorCode::kSyntaxError, "invalid input syntax for type jsonpath")
              .detail(fmt::format("Unrecognized flag character \"{}\" in LIKE_REGEX predicate.", s.substr(i, n)));
        }
      }
    }
    if ((flags & kRegexExpanded) != 0 && (flags & kRegexQuote) == 0)
      throw Error(ErrorCode::kFeatureNotSupported, "XQuery \"x\" flag (expanded regular expressions) is not implemented");
    return flags;
  }
  Parsed additive() {
    Parsed l = multiplicative();
    while (punct("+") || punct("-")) {
      Kind k = punct("+") ? Kind::kAdd : Kind::kSub;
      NodePtr left = as_value(std::move(l));
      advance();
      l = {binary(k, std::move(left), as_value(multiplicative())), false, false};
    }
    return l;
  }
  Parsed multiplicative() {
    Parsed l = unary();
    while (punct("*") || punct("/") || punct("%")) {
      Kind k = punct("*") ? Kind::kMul : punct("/") ? Kind::kDiv : Kind::kMod;
      NodePtr left = as_value(std::move(l));
      advance();
      l = {binary(k, std::move(left), as_value(unary())), false, false};
    }
    return l;
  }
  Parsed unary() {
    if (!punct("+") && !punct("-")) return postfix();
    deeper();
    NodePtr n = make(punct("+") ? Kind::kPlus : Kind::kMinus);
    advance();
    n->left = as_value(unary());
    --depth_;
    return {std::move(n), false, false};
  }
  static void append(Node* head, NodePtr n) {
    while (head->next) head = head->next.get();
    head->next = std::move(n);
  }
  Parsed postfix() {
    Parsed p = primary();
    bool first = true;
    for (;;) {
      NodePtr accessor = this->accessor();
      if (!accessor) return p;
      if (first && p.is_predicate && !p.delimited) syntax_error();
      first = false;
      append(p.node.get(), std::move(accessor));
      p.is_predicate = false;
      p.delimited = false;
    }
  }
  Parsed primary() {
    NodePtr n;
    switch (token_.type) {
      case Tok::kString:
        n = make(Kind::kString);
        n->text = token_.text;
        break;
      case Tok::kVariable:
        n = make(Kind::kVariable);
        n->text = token_.text;
        break;
      case Tok::kNumber:
      case Tok::kInt:
        n = make(Kind::kNumber);
        n->text = numeric_text(numeric_parse(token_.text, -1, scratch_));
        break;
      case Tok::kWord:
        if (token_.text == "null") {
          n = make(Kind::kNull);
        } else if (token_.text == "true" || token_.text == "false") {
          n = make(Kind::kBool);
          n->boolean = token_.text == "true";
        } else if (word("last")) {
          if (subscript_depth_ == 0) throw Error(ErrorCode::kSyntaxError, "LAST is allowed only in array subscripts");
          n = make(Kind::kLast);
        } else if (word("exists")) {
          advance();
          expect("(");
          n = make(Kind::kExists);
          n->left = as_value(disjunction());
          expect(")");
          return {std::move(n), true, true};
        } else {
          syntax_error();
        }
        break;
      case Tok::kPunct:
        if (punct("$")) {
          n = make(Kind::kRoot);
        } else if (punct("@")) {
          if (filter_depth_ == 0) throw Error(ErrorCode::kSyntaxError, "@ is not allowed in root expressions");
          n = make(Kind::kCurrent);
        } else if (punct("(")) {
          advance();
          Parsed inner = disjunction();
          expect(")");
          inner.delimited = true;
          return inner;
        } else {
          syntax_error();
        }
        break;
      default:
        syntax_error();
    }
    advance();
    return {std::move(n), false, false};
  }
  uint32_t level() {
    if (word("last")) {
      advance();
      return kUnbounded;
    }
    if (token_.type != Tok::kInt) syntax_error();
    uint32_t v = static_cast<uint32_t>(std::strtoul(token_.text.c_str(), nullptr, 10));
    advance();
    return v;
  }
  NodePtr accessor() {
    if (punct("[")) {
      advance();
      if (punct("*")) {
        advance();
        expect("]");
        return make(Kind::kAnyArray);
      }
      NodePtr n = make(Kind::kIndexArray);
      ++subscript_depth_;
      for (;;) {
        Node::Subscript s;
        s.from = as_value(disjunction());
        if (word("to")) {
          advance();
          s.to = as_value(disjunction());
        }
        n->subscripts.push_back(std::move(s));
        if (!punct(",")) break;
        advance();
      }
      --subscript_depth_;
      expect("]");
      return n;
    }
    if (punct("?")) {
      advance();
      expect("(");
      ++filter_depth_;
      NodePtr n = make(Kind::kFilter);
      n->left = as_predicate(disjunction());
      --filter_depth_;
      expect(")");
      return n;
    }
    if (!punct(".")) return nullptr;
    advance();
    if (punct("*")) {
      advance();
      return make(Kind::kAnyKey);
    }
    if (punct("**")) {
      advance();
      NodePtr n = make(Kind::kAny);
      n->last = kUnbounded;
      if (punct("{")) {
        advance();
        n->first = n->last = level();
        if (word("to")) {
          advance();
          n->last = level();
        }
        expect("}");
      }
      return n;
    }
    if (token_.type != Tok::kWord && token_.type != Tok::kString) syntax_error();
    std::string name = token_.text;
    bool quoted = token_.quoted;
    advance();
    if (!quoted && punct("(")) {
      static constexpr std::pair<const char*, Kind> kMethods[] = {
          {"type", Kind::kType}, {"size", Kind::kSize}, {"abs", Kind::kAbs}, {"floor", Kind::kFloor},
          {"ceiling", Kind::kCeiling}, {"double", Kind::kDouble}, {"datetime", Kind::kDatetime}, {"keyvalue", Kind::kKeyValue}};
      std::string low = lower_ascii(name);
      for (auto [text, kind] : kMethods) {
        if (low != text) continue;
        advance();
        NodePtr n = make(kind);
        if (kind == Kind::kDatetime && token_.type == Tok::kString) {
          n->left = make(Kind::kString);
          n->left->text = token_.text;
          advance();
        }
        expect(")");
        return n;
      }
      syntax_error();
    }
    NodePtr n = make(Kind::kKey);
    n->text = name;
    return n;
  }

  Lexer lexer_;
  EvalContext& ctx_;
  Arena scratch_;
  Token token_;
  int filter_depth_ = 0, subscript_depth_ = 0, depth_ = 0;
};

int priority(Kind k) {
  switch (k) {
    case Kind::kOr: return 0;
    case Kind::kAnd: return 1;
    case Kind::kEqual: case Kind::kNotEqual: case Kind::kLess: case Kind::kGreater: case Kind::kLessOrEqual:
    case Kind::kGreaterOrEqual: case Kind::kStartsWith:
      return 2;
    case Kind::kAdd: case Kind::kSub: return 3;
    case Kind::kMul: case Kind::kDiv: case Kind::kMod: return 4;
    case Kind::kPlus: case Kind::kMinus: return 5;
    default: return 6;
  }
}

void print(const Node& n, bool in_key, bool brackets, std::string& out) {
  auto operand = [&](const Node& o) { print(o, false, priority(o.kind) <= priority(n.kind), out); };
  auto two = [&] {
    if (brackets) out.push_back('(');
    operand(*n.left);
    out += fmt::format(" {} ", symbol(n.kind));
    operand(*n.right);
    if (brackets) out.push_back(')');
  };
  switch (n.kind) {
    case Kind::kNull: out += "null"; break;
    case Kind::kString: put_json_string(n.text, out); break;
    case Kind::kNumber:
      if (n.next) out += "(" + n.text + ")";
      else out += n.text;
      break;
    case Kind::kBool: out += n.boolean ? "true" : "false"; break;
    case Kind::kVariable:
      out.push_back('$');
      put_json_string(n.text, out);
      break;
    case Kind::kAnd: case Kind::kOr: case Kind::kEqual: case Kind::kNotEqual: case Kind::kLess: case Kind::kGreater:
    case Kind::kLessOrEqual: case Kind::kGreaterOrEqual: case Kind::kAdd: case Kind::kSub: case Kind::kMul: case Kind::kDiv:
    case Kind::kMod: case Kind::kStartsWith:
      two();
      break;
    case Kind::kLikeRegex:
      if (brackets) out.push_back('(');
      operand(*n.left);
      out += " like_regex ";
      put_json_string(n.text, out);
      if (n.flags != 0) {
        out += " flag \"";
        if ((n.flags & kRegexIgnoreCase) != 0) out.push_back('i');
        if ((n.flags & kRegexDotAll) != 0) out.push_back('s');
        if ((n.flags & kRegexMultiline) != 0) out.push_back('m');
        if ((n.flags & kRegexExpanded) != 0) out.push_back('x');
        if ((n.flags & kRegexQuote) != 0) out.push_back('q');
        out.push_back('"');
      }
      if (brackets) out.push_back(')');
      break;
    case Kind::kPlus:
    case Kind::kMinus:
      if (brackets) out.push_back('(');
      out.push_back(n.kind == Kind::kPlus ? '+' : '-');
      operand(*n.left);
      if (brackets) out.push_back(')');
      break;
    case Kind::kFilter:
      out += "?(";
      print(*n.left, false, false, out);
      out.push_back(')');
      break;
    case Kind::kNot:
      out += "!(";
      print(*n.left, false, false, out);
      out.push_back(')');
      break;
    case Kind::kIsUnknown:
      out.push_back('(');
      print(*n.left, false, false, out);
      out += ") is unknown";
      break;
    case Kind::kExists:
      out += "exists (";
      print(*n.left, false, false, out);
      out.push_back(')');
      break;
    case Kind::kCurrent: out.push_back('@'); break;
    case Kind::kRoot: out.push_back('$'); break;
    case Kind::kLast: out += "last"; break;
    case Kind::kAnyArray: out += "[*]"; break;
    case Kind::kAnyKey:
      if (in_key) out.push_back('.');
      out.push_back('*');
      break;
    case Kind::kIndexArray:
      out.push_back('[');
      for (size_t i = 0; i < n.subscripts.size(); ++i) {
        if (i > 0) out.push_back(',');
        print(*n.subscripts[i].from, false, false, out);
        if (n.subscripts[i].to) {
          out += " to ";
          print(*n.subscripts[i].to, false, false, out);
        }
      }
      out.push_back(']');
      break;
    case Kind::kAny: {
      if (in_key) out.push_back('.');
      auto bound = [](uint32_t v) { return v == kUnbounded ? std::string("last") : std::to_string(v); };
      if (n.first == 0 && n.last == kUnbounded) out += "**";
      else if (n.first == n.last) out += "**{" + bound(n.first) + "}";
      else out += "**{" + bound(n.first) + " to " + bound(n.last) + "}";
      break;
    }
    case Kind::kKey:
      if (in_key) out.push_back('.');
      put_json_string(n.text, out);
      break;
    case Kind::kDatetime:
      out += ".datetime(";
      if (n.left) print(*n.left, false, false, out);
      out.push_back(')');
      break;
    default:
      out += fmt::format(".{}()", symbol(n.kind));
  }
  if (n.next) print(*n.next, true, true, out);
}

}  // namespace

const char* symbol(Kind k) {
  switch (k) {
    case Kind::kAnd: return "&&";
    case Kind::kOr: return "||";
    case Kind::kEqual: return "==";
    case Kind::kNotEqual: return "!=";
    case Kind::kLess: return "<";
    case Kind::kGreater: return ">";
    case Kind::kLessOrEqual: return "<=";
    case Kind::kGreaterOrEqual: return ">=";
    case Kind::kAdd: case Kind::kPlus: return "+";
    case Kind::kSub: case Kind::kMinus: return "-";
    case Kind::kMul: return "*";
    case Kind::kDiv: return "/";
    case Kind::kMod: return "%";
    case Kind::kStartsWith: return "starts with";
    case Kind::kLikeRegex: return "like_regex";
    case Kind::kType: return "type";
    case Kind::kSize: return "size";
    case Kind::kAbs: return "abs";
    case Kind::kFloor: return "floor";
    case Kind::kCeiling: return "ceiling";
    case Kind::kDouble: return "double";
    case Kind::kDatetime: return "datetime";
    case Kind::kKeyValue: return "keyvalue";
    default: return "?";
  }
}

std::string regex_source(const Node& n) {
  std::string options;
  if ((n.flags & kRegexIgnoreCase) != 0) options += 'i';
  if ((n.flags & kRegexQuote) != 0) return "(?q" + options + ")" + n.text;
  bool dot_all = (n.flags & kRegexDotAll) != 0, multiline = (n.flags & kRegexMultiline) != 0;
  options += dot_all ? (multiline ? "w" : "s") : (multiline ? "n" : "p");
  return "(?" + options + ")" + n.text;
}

Path parse(std::string_view text, EvalContext& ctx) {
  bool empty = true;
  for (char c : text) empty = empty && blank(c);
  if (empty) throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type jsonpath: \"{}\"", text));
  return Parser(text, ctx).path();
}

std::string to_text(const Path& path) {
  std::string out = path.lax ? "" : "strict ";
  print(*path.root, false, true, out);
  return out;
}

}  // namespace stele::jsonpath

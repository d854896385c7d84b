#include <cstring>
#include <set>

#include "segments/script/program.h"

namespace stele::segments::script {

namespace {
struct Token {
  enum Kind : uint8_t { kEnd, kName, kNumber, kString, kOperator } kind = kEnd;
  std::string text;
  size_t at = 0;
  Value value;
};
constexpr int kMaxDepth = 200;

[[noreturn]] void compile_error(size_t at, std::string reason) {
  ScriptError e("compile error", "illegal_argument_exception", std::move(reason));
  e.position = at;
  throw e;
}

std::vector<Token> tokens_of(std::string_view s) {
  static const char* kOperators[] = {">>>=", "===", "!==", ">>>", "<<=", ">>=", "?.", "?:", "->", "::", "++", "--", "&&", "||", "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "&=",
                                     "|=", "^=", "<<", ">>", "=~", "(", ")", "{", "}", "[", "]", ";", ",", ".", "?", ":", "=", "<", ">", "+", "-", "*", "/", "%", "!", "~", "&", "|", "^"};
  std::vector<Token> out;
  size_t i = 0;
  while (true) {
    while (i < s.size() && std::isspace(static_cast<unsigned char>(s[i])) != 0) ++i;
    if (i >= s.size()) break;
    if (s.compare(i, 2, "//") == 0) {
      while (i < s.size() && s[i] != '\n') ++i;
      continue;
    }
    if (s.compare(i, 2, "/*") == 0) {
      size_t e = s.find("*/", i + 2);
      i = e == std::string_view::npos ? s.size() : e + 2;
      continue;
    }
    Token t;
    t.at = i;
    char c = s[i];
    if (std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$') {
      t.kind = Token::kName;
      while (i < s.size() && (std::isalnum(static_cast<unsigned char>(s[i])) != 0 || s[i] == '_' || s[i] == '$')) t.text.push_back(s[i++]);
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0 || (c == '.' && i + 1 < s.size() && std::isdigit(static_cast<unsigned char>(s[i + 1])) != 0)) {
      t.kind = Token::kNumber;
      bool real = false;
      if (c == '0' && i + 1 < s.size() && (s[i + 1] == 'x' || s[i + 1] == 'X')) {
        size_t b = i;
        i += 2;
        while (i < s.size() && std::isxdigit(static_cast<unsigned char>(s[i])) != 0) ++i;
        t.value = Value(static_cast<int64_t>(std::strtoll(std::string(s.substr(b, i - b)).c_str(), nullptr, 16)));
        t.value.is_int = true;
      } else {
        size_t b = i;
        while (i < s.size() && (std::isdigit(static_cast<unsigned char>(s[i])) != 0 || s[i] == '.' || s[i] == 'e' || s[i] == 'E' || ((s[i] == '-' || s[i] == '+') && (s[i - 1] == 'e' || s[i - 1] == 'E')))) {
          if (s[i] == '.' && (i + 1 >= s.size() || std::isdigit(static_cast<unsigned char>(s[i + 1])) == 0)) break;
          real |= std::isdigit(static_cast<unsigned char>(s[i])) == 0;
          ++i;
        }
        std::string text(s.substr(b, i - b));
        if (real) t.value = Value(std::strtod(text.c_str(), nullptr));
        else {
          t.value = Value(static_cast<int64_t>(std::strtoll(text.c_str(), nullptr, 10)));
          t.value.is_int = true;
        }
      }
      if (i < s.size() && std::strchr("lLfFdD", s[i]) != nullptr) {
        char k = static_cast<char>(std::tolower(static_cast<unsigned char>(s[i++])));
        if (k == 'l') t.value.is_int = false;
        else t.value = Value(t.value.as_double());
      }
    } else if (c == '"' || c == '\'') {
      t.kind = Token::kString;
      ++i;
      std::string text;
      while (i < s.size() && s[i] != c) {
        if (s[i] == '\\' && i + 1 < s.size()) {
          ++i;
          text.push_back(s[i] == 'n' ? '\n' : s[i] == 't' ? '\t' : s[i] == 'r' ? '\r' : s[i]);
          ++i;
        } else {
          text.push_back(s[i++]);
        }
      }
      if (i >= s.size()) compile_error(t.at, "unexpected character [" + std::string(1, c) + "].");
      ++i;
      t.value = Value(text);
    } else {
      t.kind = Token::kOperator;
      for (const char* o : kOperators) {
        if (s.compare(i, std::strlen(o), o) == 0) {
          t.text = o;
          break;
        }
      }
      if (t.text.empty()) compile_error(i, "unexpected character [" + std::string(1, c) + "].");
      i += t.text.size();
    }
    out.push_back(std::move(t));
  }
  Token end;
  end.at = s.size();
  out.push_back(end);
  return out;
}

const std::set<std::string, std::less<>>& type_names() {
  static const std::set<std::string, std::less<>> kTypes = {
      "def", "int", "long", "float", "double", "boolean", "byte", "short", "char", "void", "String", "Object", "List", "ArrayList", "Map", "HashMap", "LinkedHashMap", "TreeMap", "Set", "HashSet",
      "Integer", "Long", "Float", "Double", "Boolean", "Byte", "Short", "Character", "Number", "Collection", "Iterator", "ZonedDateTime", "Instant", "Exception", "StringBuilder", "Random", "Date",
      "Pattern", "Matcher", "LinkedList", "Optional", "Stream", "BigDecimal", "BigInteger", "CharSequence", "Iterable", "JodaCompatibleZonedDateTime", "Calendar", "LocalDate", "LocalDateTime", "Entry", "Duration"};
  return kTypes;
}

class Parser {
 public:
  explicit Parser(std::string_view s) : tokens_(tokens_of(s)) {}
  std::unique_ptr<Program> program() {
    auto p = std::make_unique<Program>();
    p->body = make(Op::kBlock);
    while (!end()) {
      if (is_function()) {
        type();
        std::string name = name_();
        Procedure f;
        f.parameters = parameters();
        f.body = block();
        p->functions.emplace(name, std::move(f));
        continue;
      }
      p->body->kids.push_back(statement());
    }
    return p;
  }

 private:
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  bool end() const { return peek().kind == Token::kEnd; }
  bool is(std::string_view op, size_t ahead = 0) const { return (peek(ahead).kind == Token::kOperator || peek(ahead).kind == Token::kName) && peek(ahead).text == op; }
  bool take(std::string_view op) {
    if (!is(op)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view op) {
    if (take(op)) return;
    unexpected(op);
  }
  [[noreturn]] void unexpected(std::string_view wanted) {
    const Token& t = peek();
    std::string what = t.kind == Token::kEnd ? "<EOF>" : t.kind == Token::kString ? "'" + t.value.text() + "'" : t.kind == Token::kNumber ? t.value.text() : t.text;
    compile_error(t.at, t.kind == Token::kEnd ? "invalid sequence of tokens near ['" + what + "']." : "unexpected token ['" + what + "'] was expecting one of [" + std::string(wanted) + "].");
  }
  std::string name_() {
    if (peek().kind != Token::kName) unexpected("ID");
    return tokens_[at_++].text;
  }
  NodePtr make(Op op) {
    auto n = std::make_unique<Node>();
    n->op = op;
    n->at = peek().at;
    return n;
  }
  // A type from here, followed by a name? `at` is moved past the type.
  bool type_at(size_t& at) const {
    if (peek(at).kind != Token::kName || (type_names().count(peek(at).text) == 0 && std::isupper(static_cast<unsigned char>(peek(at).text[0])) == 0)) return false;
    ++at;
    while (is(".", at) && peek(at + 1).kind == Token::kName) at += 2;
    if (is("<", at)) {
      int depth = 0;
      size_t k = at;
      do {
        if (is("<", k)) ++depth;
        else if (is(">", k)) --depth;
        else if (is(">>", k)) depth -= 2;
        else if (peek(k).kind != Token::kName && !is(",", k) && !is(".", k) && !is("?", k)) return false;
        ++k;
      } while (depth > 0);
      at = k;
    }
    while (is("[", at) && is("]", at + 1)) at += 2;
    return true;
  }
  bool declares() const {
    size_t at = 0;
    return type_at(at) && peek(at).kind == Token::kName && !is("instanceof", at) && (is("=", at + 1) || is(";", at + 1) || is(",", at + 1) || is(":", at + 1) || is("in", at + 1) || peek(at + 1).kind == Token::kEnd);
  }
  bool is_function() const {
    size_t at = 0;
    return type_at(at) && peek(at).kind == Token::kName && is("(", at + 1);
  }
  std::string type() {
    size_t n = 0;
    if (!type_at(n)) unexpected("TYPE");
    std::string t = peek().text;
    if (n >= 2 && is("]", n - 1)) t += "[]";
    at_ += n;
    return t;
  }
  std::vector<std::string> parameters() {
    std::vector<std::string> out;
    expect("(");
    while (!is(")")) {
      size_t n = 0;
      if (type_at(n) && peek(n).kind == Token::kName) at_ += n;
      out.push_back(name_());
      if (!take(",")) break;
    }
    expect(")");
    return out;
  }
  NodePtr block() {
    if (!is("{")) return statement();
    NodePtr b = make(Op::kBlock);
    expect("{");
    while (!is("}")) {
      if (end()) unexpected("}");
      b->kids.push_back(statement());
    }
    expect("}");
    return b;
  }
  void semicolon() {
    if (take(";") || end() || is("}")) return;
    unexpected("{<EOF>, ';'}");
  }
  NodePtr declaration() {
    NodePtr list = make(Op::kBlock);
    list->flag = true;  // no scope of its own
    std::string t = type();
    do {
      NodePtr d = make(Op::kDeclare);
      d->text = name_();
      d->names = {t};
      if (take("=")) d->kids.push_back(expression());
      list->kids.push_back(std::move(d));
    } while (take(","));
    return list;
  }
  NodePtr statement() {
    if (++depth_ > kMaxDepth) compile_error(peek().at, "script is nested too deeply");
    struct Leave { int& d; ~Leave() { --d; } } leave{depth_};
    if (is("{")) return block();
    NodePtr n;
    if (take(";")) return make(Op::kNothing);
    if (is("if")) {
      n = make(Op::kIf);
      ++at_;
      expect("(");
      n->kids.push_back(expression());
      expect(")");
      n->kids.push_back(block());
      if (take("else")) n->kids.push_back(block());
      return n;
    }
    if (is("while")) {
      n = make(Op::kWhile);
      ++at_;
      expect("(");
      n->kids.push_back(expression());
      expect(")");
      n->kids.push_back(block());
      return n;
    }
    if (is("do")) {
      n = make(Op::kDoWhile);
      ++at_;
      NodePtr body = block();
      expect("while");
      expect("(");
      n->kids.push_back(expression());
      expect(")");
      semicolon();
      n->kids.push_back(std::move(body));
      return n;
    }
    if (is("for")) {
      n = make(Op::kFor);
      ++at_;
      expect("(");
      size_t k = 0;
      bool typed = type_at(k) && peek(k).kind == Token::kName;
      if (!typed) k = 0;
      if (peek(k).kind == Token::kName && (is(":", k + 1) || is("in", k + 1))) {
        n->op = Op::kForEach;
        at_ += k;
        n->text = name_();
        ++at_;
        n->kids.push_back(expression());
        expect(")");
        n->kids.push_back(block());
        return n;
      }
      if (is(";")) n->kids.push_back(make(Op::kNothing));
      else if (declares()) n->kids.push_back(declaration());
      else n->kids.push_back(expression());
      expect(";");
      NodePtr condition = is(";") ? nullptr : expression();
      if (!condition) {
        condition = make(Op::kLiteral);
        condition->literal = Value(true);
      }
      n->kids.push_back(std::move(condition));
      expect(";");
      n->kids.push_back(is(")") ? make(Op::kNothing) : expression());
      expect(")");
      n->kids.push_back(block());
      return n;
    }
    if (is("return")) {
      n = make(Op::kReturn);
      ++at_;
      if (!is(";") && !is("}") && !end()) n->kids.push_back(expression());
      semicolon();
      return n;
    }
    if (is("break") || is("continue")) {
      n = make(is("break") ? Op::kBreak : Op::kContinue);
      ++at_;
      semicolon();
      return n;
    }
    if (is("throw")) {
      n = make(Op::kThrow);
      ++at_;
      n->kids.push_back(expression());
      semicolon();
      return n;
    }
    if (is("try")) {
      n = make(Op::kTry);
      ++at_;
      n->kids.push_back(block());
      while (take("catch")) {
        expect("(");
        n->names.push_back(type());
        n->names.push_back(name_());
        expect(")");
        n->kids.push_back(block());
      }
      return n;
    }
    if (declares()) {
      n = declaration();
      semicolon();
      return n;
    }
    n = make(Op::kExpression);
    n->kids.push_back(expression());
    semicolon();
    return n;
  }

  NodePtr expression() { return assignment(); }
  NodePtr assignment() {
    if (++depth_ > kMaxDepth) compile_error(peek().at, "script is nested too deeply");
    struct Leave { int& d; ~Leave() { --d; } } leave{depth_};
    NodePtr left = conditional();
    static const std::set<std::string, std::less<>> kAssign = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", ">>>="};
    if (peek().kind == Token::kOperator && kAssign.count(peek().text) != 0) {
      if (left->op != Op::kName && left->op != Op::kMember && left->op != Op::kIndex) compile_error(peek().at, "invalid assignment: cannot assign a value to a non-l-value");
      NodePtr n = make(Op::kAssign);
      n->text = tokens_[at_++].text;
      n->text.pop_back();
      n->kids.push_back(std::move(left));
      n->kids.push_back(assignment());
      return n;
    }
    return left;
  }
  NodePtr conditional() {
    NodePtr c = elvis();
    if (!is("?")) return c;
    NodePtr n = make(Op::kConditional);
    ++at_;
    n->kids.push_back(std::move(c));
    n->kids.push_back(assignment());
    expect(":");
    n->kids.push_back(assignment());
    return n;
  }
  NodePtr elvis() {
    NodePtr left = binary(0);
    if (!is("?:")) return left;
    NodePtr n = make(Op::kElvis);
    ++at_;
    n->kids.push_back(std::move(left));
    n->kids.push_back(elvis());
    return n;
  }
  NodePtr binary(size_t level) {
    static const std::vector<std::vector<std::string>> kLevels = {
        {"||"}, {"&&"}, {"|"}, {"^"}, {"&"}, {"==", "!=", "===", "!=="}, {"<", "<=", ">", ">=", "instanceof"}, {"<<", ">>", ">>>"}, {"+", "-"}, {"*", "/", "%"}};
    if (level == kLevels.size()) return unary();
    NodePtr left = binary(level + 1);
    for (;;) {
      const std::string* op = nullptr;
      for (auto& o : kLevels[level]) if (is(o)) op = &o;
      if (op == nullptr) return left;
      NodePtr n = make(*op == "||" ? Op::kOr : *op == "&&" ? Op::kAnd : *op == "instanceof" ? Op::kInstanceOf : Op::kBinary);
      n->text = *op;
      ++at_;
      n->kids.push_back(std::move(left));
      if (n->op == Op::kInstanceOf) n->text = type();
      else n->kids.push_back(binary(level + 1));
      left = std::move(n);
    }
  }
  NodePtr unary() {
    if (++depth_ > kMaxDepth) compile_error(peek().at, "script is nested too deeply");
    struct Leave { int& d; ~Leave() { --d; } } leave{depth_};
    for (const char* op : {"!", "-", "+", "~"}) {
      if (!is(op)) continue;
      NodePtr n = make(Op::kUnary);
      n->text = op;
      ++at_;
      n->kids.push_back(unary());
      return n;
    }
    if (is("++") || is("--")) {
      NodePtr n = make(Op::kIncrement);
      n->text = tokens_[at_++].text.substr(0, 1);
      n->flag = true;
      n->kids.push_back(unary());
      return n;
    }
    if (is("(")) {  // a cast?
      size_t n = 1;
      if (type_at(n) && is(")", n) && !is(".", n + 1)) {
        const Token& next = peek(n + 1);
        bool operand = next.kind == Token::kName || next.kind == Token::kNumber || next.kind == Token::kString || next.text == "(" || next.text == "-" || next.text == "!" || next.text == "[" || next.text == "~";
        if (operand && next.text != "instanceof") {
          NodePtr c = make(Op::kCast);
          ++at_;
          c->text = type();
          expect(")");
          c->kids.push_back(unary());
          return c;
        }
      }
    }
    return postfix(primary());
  }
  void arguments(Node& n) {
    expect("(");
    while (!is(")")) {
      n.kids.push_back(expression());
      if (!take(",")) break;
    }
    expect(")");
  }
  NodePtr postfix(NodePtr left) {
    for (;;) {
      if (is(".") || is("?.")) {
        bool safe = is("?.");
        ++at_;
        NodePtr n = make(Op::kMember);
        n->text = peek().kind == Token::kNumber ? tokens_[at_++].value.text() : name_();
        n->kids.push_back(std::move(left));
        if (is("(")) {
          n->op = safe ? Op::kSafeMethod : Op::kMethod;
          arguments(*n);
        } else if (safe) {
          n->op = Op::kSafeMember;
        }
        left = std::move(n);
      } else if (is("[")) {
        NodePtr n = make(Op::kIndex);
        ++at_;
        n->kids.push_back(std::move(left));
        n->kids.push_back(expression());
        expect("]");
        left = std::move(n);
      } else if (is("++") || is("--")) {
        NodePtr n = make(Op::kIncrement);
        n->text = tokens_[at_++].text.substr(0, 1);
        n->kids.push_back(std::move(left));
        left = std::move(n);
      } else if (is("::")) {
        NodePtr n = make(Op::kMethodRef);
        ++at_;
        n->text = name_();
        n->kids.push_back(std::move(left));
        left = std::move(n);
      } else {
        return left;
      }
    }
  }
  bool lambda_ahead() const {
    if (peek().kind == Token::kName) return is("->", 1);
    if (!is("(")) return false;
    size_t k = 1;
    int depth = 1;
    while (depth > 0 && peek(k).kind != Token::kEnd) {
      depth += is("(", k) ? 1 : is(")", k) ? -1 : 0;
      ++k;
    }
    return is("->", k);
  }
  NodePtr primary() {
    const Token& t = peek();
    if (lambda_ahead()) {
      NodePtr n = make(Op::kLambda);
      if (is("(")) n->names = parameters();
      else n->names = {name_()};
      expect("->");
      n->flag = is("{");
      n->kids.push_back(is("{") ? block() : expression());
      return n;
    }
    if (t.kind == Token::kNumber || t.kind == Token::kString) {
      NodePtr n = make(Op::kLiteral);
      n->literal = t.value;
      ++at_;
      return n;
    }
    if (take("(")) {
      NodePtr n = expression();
      expect(")");
      return n;
    }
    if (is("[")) {
      NodePtr n = make(Op::kListOf);
      ++at_;
      if (take(":")) {
        n->op = Op::kMapOf;
        expect("]");
        return n;
      }
      while (!is("]")) {
        n->kids.push_back(expression());
        if (take(":")) {
          n->op = Op::kMapOf;
          n->kids.push_back(expression());
        }
        if (!take(",")) break;
      }
      expect("]");
      return n;
    }
    if (t.kind != Token::kName) unexpected("an expression");
    NodePtr n = make(Op::kName);
    if (is("true") || is("false") || is("null")) {
      n->op = Op::kLiteral;
      if (!is("null")) n->literal = Value(is("true"));
      ++at_;
      return n;
    }
    if (take("new")) {
      n->op = Op::kNew;
      n->text = name_();
      while (take(".")) n->text = name_();
      if (is("<")) {
        int depth = 0;
        do {
          depth += is("<") ? 1 : is(">") ? -1 : is(">>") ? -2 : 0;
          ++at_;
        } while (depth > 0 && !end());
      }
      if (is("[")) {
        ++at_;
        n->text += "[]";
        if (!is("]")) n->kids.push_back(expression());
        expect("]");
        if (take("{")) {
          n->op = Op::kListOf;
          while (!is("}")) {
            n->kids.push_back(expression());
            if (!take(",")) break;
          }
          expect("}");
        }
        return n;
      }
      arguments(*n);
      return n;
    }
    n->text = name_();
    if (is("(")) {
      n->op = Op::kCall;
      arguments(*n);
    }
    return n;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};
}  // namespace

std::unique_ptr<Program> parse_program(std::string_view source) { return Parser(source).program(); }

}  // namespace stele::segments::script

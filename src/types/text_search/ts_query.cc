#include "types/text_search/ts_query.h"

#include <algorithm>

#include "base/codec.h"
#include "base/error.h"
#include "types/function_helpers.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/text.h"
#include "types/text_search/ts_scan.h"
#include "types/type_registry.h"

namespace stele {

TsNodePtr ts_stop_word() {
  auto n = std::make_unique<TsNode>();
  n->kind = TsNode::kStop;
  return n;
}

namespace {

constexpr int kMaxDistance = 16384;

[[noreturn]] void bad_distance() {
  throw Error(ErrorCode::kInvalidParameterValue,
              fmt::format("distance in phrase operator must be an integer value between zero and {} inclusive", kMaxDistance));
}
int priority(TsOp op) { return op == TsOp::kNot ? 4 : op == TsOp::kPhrase ? 3 : op == TsOp::kAnd ? 2 : 1; }

class Parser {
 public:
  Parser(std::string_view text, TsQuerySyntax syntax, const TsOperand& operand)
      : text_(text), syntax_(syntax), operand_(operand),
        scanner_(text, syntax == TsQuerySyntax::kWeb ? LexemeScanner::Mode::kWebQuery : LexemeScanner::Mode::kQuery) {}

  TsNodePtr parse() {
    expression();
    if (operands_.empty()) return nullptr;
    if (operands_.size() != 1) fail();
    return std::move(operands_.back());
  }

 private:
  enum class Token : uint8_t { kEnd, kValue, kOperator, kOpen, kClose };
  enum class State : uint8_t { kFirstOperand, kOperand, kOperator };
  struct Pending {
    TsOp op;
    int distance;
  };

  [[noreturn]] void fail() const { throw Error(ErrorCode::kSyntaxError, fmt::format("syntax error in tsquery: \"{}\"", text_)); }

  void expression() {
    if (++depth_ > kMaxTsDepth / 4) throw Error(ErrorCode::kStatementTooComplex, "stack depth limit exceeded");
    std::vector<Pending> stack;
    for (;;) {
      const Token t = next();
      if (t == Token::kEnd || t == Token::kClose) break;
      if (t == Token::kOpen) {
        expression();
      } else if (t == Token::kOperator) {
        reduce(stack, op_);
        stack.push_back({op_, distance_});
      } else if (!word_is_made_) {
        operands_.push_back(operand_(word_, weights_, prefix_));
      } else {
        operands_.push_back(ts_stop_word());
        word_is_made_ = false;
      }
    }
    reduce(stack, TsOp::kOr);
    --depth_;
  }
  // Builds the operators on the stack that bind tighter than `op`, or as tight and to the left.
  void reduce(std::vector<Pending>& stack, TsOp op) {
    while (!stack.empty()) {
      const int own = priority(op), top = priority(stack.back().op);
      if (op == TsOp::kNot ? own >= top : own > top) break;
      const Pending p = stack.back();
      stack.pop_back();
      if (operands_.empty()) fail();
      TsNodePtr right = std::move(operands_.back());
      operands_.pop_back();
      TsNodePtr left;
      if (p.op != TsOp::kNot) {
        if (operands_.empty()) fail();
        left = std::move(operands_.back());
        operands_.pop_back();
      }
      operands_.push_back(ts_operator(p.op, std::move(left), std::move(right), p.distance));
    }
  }

  Token next() {
    weights_ = 0;
    prefix_ = false;
    switch (syntax_) {
      case TsQuerySyntax::kStandard: return next_standard();
      case TsQuerySyntax::kWeb: return next_web();
      case TsQuerySyntax::kPlain: break;
    }
    if (at_ >= text_.size()) return Token::kEnd;
    word_ = text_;
    at_ = text_.size();
    return Token::kValue;
  }
  Token operator_token(TsOp op, int distance = 0) {
    op_ = op;
    distance_ = distance;
    state_ = State::kOperand;
    return Token::kOperator;
  }
  void step() { at_ += std::max<size_t>(1, ts_char_length(text_, at_)); }

  Token next_standard() {
    for (;; step()) {
      if (state_ != State::kOperator) {
        if (ts_is(text_, at_, '!')) {
          ++at_;
          return operator_token(TsOp::kNot);
        }
        if (ts_is(text_, at_, '(')) {
          ++at_;
          state_ = State::kOperand;
          ++open_;
          return Token::kOpen;
        }
        if (ts_is(text_, at_, ':')) fail();
        if (ts_is_space(text_, at_)) continue;
        if (scanner_.next(at_, word_, nullptr)) {
          modifiers();
          state_ = State::kOperator;
          return Token::kValue;
        }
        if (state_ == State::kFirstOperand) return Token::kEnd;
        throw Error(ErrorCode::kSyntaxError, fmt::format("no operand in tsquery: \"{}\"", text_));
      }
      if (at_ >= text_.size()) {
        if (open_ != 0) fail();
        return Token::kEnd;
      }
      int distance;
      switch (text_[at_]) {
        case '&': ++at_; return operator_token(TsOp::kAnd);
        case '|': ++at_; return operator_token(TsOp::kOr);
        case '<':
          if (!phrase_operator(&distance)) fail();
          return operator_token(TsOp::kPhrase, distance);
        case ')':
          ++at_;
          if (--open_ < 0) fail();
          return Token::kClose;
        default:
          if (!ts_is_space(text_, at_)) fail();
      }
    }
  }

  // <-> or <number>; needs something behind it.
  bool phrase_operator(int* distance) {
    size_t i = at_ + 1;
    int64_t n = 1;
    if (ts_is(text_, i, '-')) {
      ++i;
    } else {
      if (!ts_is_digit(text_, i)) return false;
      for (n = 0; ts_is_digit(text_, i); ++i) n = std::min<int64_t>(n * 10 + (text_[i] - '0'), kMaxDistance + 1);
      if (n > kMaxDistance) bad_distance();
    }
    if (!ts_is(text_, i, '>') || i + 1 >= text_.size()) return false;
    at_ = i + 1;
    *distance = static_cast<int>(n);
    return true;
  }

  void modifiers() {
    if (!ts_is(text_, at_, ':')) return;
    for (++at_; at_ < text_.size(); ++at_) {
      switch (text_[at_]) {
        case 'a': case 'A': weights_ |= 8; break;
        case 'b': case 'B': weights_ |= 4; break;
        case 'c': case 'C': weights_ |= 2; break;
        case 'd': case 'D': weights_ |= 1; break;
        case '*': prefix_ = true; break;
        default: return;
      }
    }
  }

  Token next_web() {
    for (;; step()) {
      if (state_ != State::kOperator) {
        if (ts_is(text_, at_, '-')) {
          ++at_;
          return operator_token(TsOp::kNot);
        }
        if (ts_is(text_, at_, '"')) {
          const size_t from = ++at_;
          while (at_ < text_.size() && text_[at_] != '"') ++at_;
          word_ = text_.substr(from, at_ - from);
          if (at_ < text_.size()) ++at_;
          state_ = State::kOperator;
          return Token::kValue;
        }
        if (ts_is_operator(text_, at_) || ts_is(text_, at_, '<')) {
          state_ = State::kOperand;
          continue;
        }
        if (ts_is_space(text_, at_)) continue;
        if (scanner_.next(at_, word_, nullptr)) {
          state_ = State::kOperator;
          return Token::kValue;
        }
        if (state_ == State::kFirstOperand) return Token::kEnd;
        // An operator is waiting for its operand.
        if (ended_) return Token::kEnd;
        ended_ = true;
        word_is_made_ = true;
        return Token::kValue;
      }
      if (at_ >= text_.size()) return Token::kEnd;
      if (text_[at_] == '"') return operator_token(TsOp::kAnd);
      if (or_operator()) return operator_token(TsOp::kOr);
      if (ts_is_operator(text_, at_) || text_[at_] == '<') continue;
      if (!ts_is_space(text_, at_)) return operator_token(TsOp::kAnd);
    }
  }
  bool or_operator() {
    if (at_ + 2 >= text_.size() || (text_[at_] | 32) != 'o' || (text_[at_ + 1] | 32) != 'r') return false;
    size_t i = at_ + 2;
    if (text_[i] == '-' || text_[i] == '_' || ts_is_alpha(text_, i) || ts_is_digit(text_, i)) return false;
    for (;;) {
      i += std::max<size_t>(1, ts_char_length(text_, i));
      if (i >= text_.size()) return false;
      if (!ts_is_space(text_, i)) break;
    }
    at_ += 2;
    return true;
  }

  std::string_view text_;
  TsQuerySyntax syntax_;
  const TsOperand& operand_;
  LexemeScanner scanner_;
  size_t at_ = 0;
  State state_ = State::kFirstOperand;
  int open_ = 0, depth_ = 0;
  bool ended_ = false, word_is_made_ = false;
  std::string word_;
  int weights_ = 0;
  bool prefix_ = false;
  TsOp op_ = TsOp::kAnd;
  int distance_ = 0;
  std::vector<TsNodePtr> operands_;
};

bool has_stop_words(const TsNode& n) {
  return n.kind == TsNode::kStop || (n.left && has_stop_words(*n.left)) || (n.right && has_stop_words(*n.right));
}
// Takes stop words out. What a removed part of a phrase was wide goes into the distance of the
// phrase operator left or right of it: `left` and `right` tell the parent.
TsNodePtr without_stop_words(TsNodePtr n, int* left, int* right) {
  *left = *right = 0;
  if (n->kind == TsNode::kValue) return n;
  if (n->kind == TsNode::kStop) return nullptr;
  if (n->op == TsOp::kNot) {
    n->right = without_stop_words(std::move(n->right), left, right);
    return n->right ? std::move(n) : nullptr;
  }
  int ll, lr, rl, rr;
  n->left = without_stop_words(std::move(n->left), &ll, &lr);
  n->right = without_stop_words(std::move(n->right), &rl, &rr);
  const bool is_phrase = n->op == TsOp::kPhrase;
  const int distance = is_phrase ? n->distance : 0;
  if (!n->left && !n->right) {
    *left = *right = is_phrase ? ll + distance + rl : std::max(ll, rl);
    return nullptr;
  }
  if (!n->left) {
    *left = is_phrase ? ll + distance + rl : rl;
    *right = rr;
    return std::move(n->right);
  }
  if (!n->right) {
    *left = ll;
    *right = is_phrase ? lr + distance + rr : lr;
    return std::move(n->left);
  }
  if (is_phrase) {
    n->distance += lr + rl;
    *left = ll;
    *right = rr;
  }
  return n;
}

void notice(EvalContext& ctx, std::string text) {
  if (ctx.notice) ctx.notice(Error(ErrorCode::kSuccessfulCompletion, std::move(text)), "NOTICE");
}

}  // namespace

TsNodePtr parse_tsquery(std::string_view text, TsQuerySyntax syntax, const TsOperand& operand, EvalContext& ctx) {
  TsNodePtr root = Parser(text, syntax, operand).parse();
  if (!root) {
    notice(ctx, fmt::format("text-search query doesn't contain lexemes: \"{}\"", text));
    return nullptr;
  }
  if (!has_stop_words(*root)) return root;
  int left, right;
  root = without_stop_words(std::move(root), &left, &right);
  if (!root) notice(ctx, "text-search query contains only stop words or doesn't contain lexemes, ignored");
  return root;
}

// ---------------------------------------------------------------- tsquery's own forms

namespace {

void check_word(std::string_view word, std::string_view query) {
  if (word.size() > kMaxLexemeBytes)
    throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("word is too long in tsquery: \"{}\"", query));
}
Datum query_in(std::string_view text, int32_t, Arena& arena, EvalContext& ctx) {
  const TsNodePtr root = parse_tsquery(
      text, TsQuerySyntax::kStandard,
      [&](std::string_view word, int weights, bool prefix) {
        check_word(word, text);
        return ts_value(std::string(word), weights, prefix);
      },
      ctx);
  return encode_tsquery(root.get(), arena);
}
void query_out(Datum d, std::string& out, EvalContext&) {
  if (const TsNodePtr root = decode_tsquery(d)) tsquery_text(*root, out);
}
void send(const TsNode& n, std::string& out) {
  if (n.kind != TsNode::kOperator) {
    out.push_back(1);
    out.push_back(static_cast<char>(n.weights));
    out.push_back(n.prefix ? 1 : 0);
    out += n.text;
    out.push_back('\0');
    return;
  }
  out.push_back(2);
  out.push_back(static_cast<char>(n.op));
  if (n.op == TsOp::kPhrase) put_be16(out, static_cast<uint16_t>(n.distance));
  send(*n.right, out);
  if (n.left) send(*n.left, out);
}
void query_send(Datum d, std::string& out, EvalContext&) {
  put_be32(out, static_cast<uint32_t>(tsquery_node_count(d)));
  if (const TsNodePtr root = decode_tsquery(d)) send(*root, out);
}

[[noreturn]] void malformed(std::string what) { throw Error(ErrorCode::kInternalError, "invalid tsquery: " + what); }
TsNodePtr receive(Reader& r, uint32_t& left, int depth) {
  if (left == 0 || depth > kMaxTsDepth / 4) malformed("total number of nodes does not match");
  --left;
  auto byte = [&] {
    const auto b = r.bytes(1);
    if (!r.ok()) throw Error(ErrorCode::kProtocolViolation, "no data left in message");
    return static_cast<uint8_t>(b[0]);
  };
  const int kind = byte();
  if (kind == 1) {
    const int weights = byte();
    const bool prefix = byte() != 0;
    const size_t end = r.rest().find('\0');
    if (end == std::string_view::npos) throw Error(ErrorCode::kProtocolViolation, "invalid string in message");
    std::string text(r.bytes(end));
    r.bytes(1);
    check_utf8(text);
    if (weights > 15) malformed("invalid weight bitmap");
    if (text.size() > kMaxLexemeBytes) malformed("operand too long");
    return ts_value(std::move(text), weights, prefix);
  }
  if (kind != 2) throw Error(ErrorCode::kInternalError, fmt::format("unrecognized tsquery node type: {}", kind));
  const int op = byte();
  if (op < 1 || op > 4) malformed(fmt::format("unrecognized operator type {}", op));
  int distance = 0;
  if (op == 4) distance = __builtin_bswap16(r.le<uint16_t>());
  TsNodePtr right = receive(r, left, depth + 1);
  TsNodePtr operand = op == 1 ? nullptr : receive(r, left, depth + 1);
  return ts_operator(static_cast<TsOp>(op), std::move(operand), std::move(right), distance);
}
Datum query_recv(std::string_view s, int32_t, Arena& arena, EvalContext&) {
  Reader r(s);
  uint32_t n = r.be32();
  if (!r.ok()) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  if (n > (1u << 26)) throw Error(ErrorCode::kInternalError, "invalid size of tsquery");
  TsNodePtr root;
  if (n > 0) {
    root = receive(r, n, 0);
    if (n != 0) malformed("total number of nodes does not match");
  }
  return encode_tsquery(root.get(), arena);
}

int compare(Datum a, Datum b, Oid) { return compare_tsquery(a, b); }
bool equal(Datum a, Datum b, Oid) { return compare_tsquery(a, b) == 0; }
uint64_t hash(Datum v, Oid) {
  // Equality looks at neither weights nor prefixes.
  std::string shape;
  auto walk = [&](auto&& self, const TsNode& n) -> void {
    shape.push_back(static_cast<char>(n.kind == TsNode::kOperator ? static_cast<int>(n.op) : 9));
    shape += n.text;
    if (n.right) self(self, *n.right);
    if (n.left) self(self, *n.left);
  };
  if (const TsNodePtr root = decode_tsquery(v)) walk(walk, *root);
  return hash_bytes(shape);
}

// ---------------------------------------------------------------- functions

template <TsOp kOp>
Datum join(FnCall& c, int distance) {
  if (tsquery_empty(c.arg(0))) return c.arg(1);
  if (tsquery_empty(c.arg(1))) return c.arg(0);
  const TsNodePtr n = ts_operator(kOp, decode_tsquery(c.arg(0)), decode_tsquery(c.arg(1)), distance);
  return encode_tsquery(n.get(), *c.arena);
}
Datum negation(FnCall& c) {
  if (tsquery_empty(c.arg(0))) return c.arg(0);
  const TsNodePtr n = ts_operator(TsOp::kNot, nullptr, decode_tsquery(c.arg(0)));
  return encode_tsquery(n.get(), *c.arena);
}
Datum phrase_distance(FnCall& c) {
  if (c.int_arg(2) < 0 || c.int_arg(2) > kMaxDistance) bad_distance();
  return join<TsOp::kPhrase>(c, static_cast<int>(c.int_arg(2)));
}

// What an index can look up of a query: its tree without negations.
TsNodePtr without_not(TsNodePtr n) {
  if (n->kind != TsNode::kOperator) return n;
  if (n->op == TsOp::kNot) return nullptr;
  n->left = without_not(std::move(n->left));
  n->right = without_not(std::move(n->right));
  if (n->left && n->right) return n;
  if (n->op == TsOp::kOr) return nullptr;
  return n->left ? std::move(n->left) : std::move(n->right);
}
Datum querytree(FnCall& c) {
  TsNodePtr root = decode_tsquery(c.arg(0));
  if (!root) return c.text("");
  root = without_not(std::move(root));
  if (!root) return c.text("T");
  std::string out;
  tsquery_text(*root, out);
  return c.text(out);
}

void collect_values(const TsNode& n, std::vector<std::string_view>& out) {
  if (n.kind == TsNode::kValue) out.push_back(n.text);
  if (n.left) collect_values(*n.left, out);
  if (n.right) collect_values(*n.right, out);
}
bool contains(Datum a, Datum b) {
  const TsNodePtr x = decode_tsquery(a), y = decode_tsquery(b);
  std::vector<std::string_view> have, want;
  if (x) collect_values(*x, have);
  if (y) collect_values(*y, want);
  return std::all_of(want.begin(), want.end(), [&](std::string_view w) { return std::find(have.begin(), have.end(), w) != have.end(); });
}

int compare_call(FnCall& c) { return compare_tsquery(c.arg(0), c.arg(1)); }

}  // namespace

void register_ts_query_types(TypeTable& t) {
  TypeOps ops;
  ops.compare = compare;
  ops.equal = equal;
  ops.hash = hash;
  t.ops(oid::kTsquery, ops);
  t.io(oid::kTsquery, {query_in, query_out, query_recv, query_send});
}

void register_ts_query_functions(FunctionRegistry& r) {
  r.add("tsqueryin", &input_function<query_in>);
  r.add("tsqueryout", &output_function<query_out>);
  r.add("tsqueryrecv", &input_function<query_recv>);
  r.add("tsquerysend", &output_function<query_send>);
  add_comparisons<compare_call>(r, "tsquery_");
  r.add("tsquery_and", [](FnCall& c) { return join<TsOp::kAnd>(c, 0); });
  r.add("tsquery_or", [](FnCall& c) { return join<TsOp::kOr>(c, 0); });
  r.add("tsquery_not", negation);
  r.add("tsquery_phrase", [](FnCall& c) { return join<TsOp::kPhrase>(c, 1); });
  r.add("tsquery_phrase_distance", phrase_distance);
  r.add("tsquery_numnode", [](FnCall& c) { return Datum::from_int(tsquery_node_count(c.arg(0))); });
  r.add("tsquerytree", querytree);
  r.add("tsq_mcontains", [](FnCall& c) { return Datum::from_bool(contains(c.arg(0), c.arg(1))); });
  r.add("tsq_mcontained", [](FnCall& c) { return Datum::from_bool(contains(c.arg(1), c.arg(0))); });
}

}  // namespace stele

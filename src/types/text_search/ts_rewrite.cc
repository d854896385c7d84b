#include "types/text_search/ts_rewrite.h"

#include <algorithm>

#include "types/function.h"

namespace stele {

// Operators with any number of operands, the right one first.
struct TsRewriter::Node {
  const TsNode* value = nullptr;  // null: an operator
  TsNodePtr own;                  // keeps `value` alive
  TsOp op = TsOp::kAnd;
  int distance = 0;
  bool finished = false;
  std::vector<std::unique_ptr<Node>> operands;

  static std::unique_ptr<Node> from(const TsNode& n) {
    auto out = std::make_unique<Node>();
    if (n.kind != TsNode::kOperator) {
      out->own = ts_clone(n);
      out->value = out->own.get();
      return out;
    }
    out->op = n.op;
    out->distance = n.distance;
    out->operands.push_back(from(*n.right));
    if (n.left) out->operands.push_back(from(*n.left));
    return out;
  }
  bool commutes() const { return value == nullptr && (op == TsOp::kAnd || op == TsOp::kOr); }
  void flatten() {
    for (auto& o : operands) o->flatten();
    if (!commutes()) return;
    std::vector<std::unique_ptr<Node>> flat;
    for (auto& o : operands) {
      if (o->value == nullptr && o->op == op) {
        for (auto& x : o->operands) flat.push_back(std::move(x));
      } else {
        flat.push_back(std::move(o));
      }
    }
    operands = std::move(flat);
  }
  void sort() {
    for (auto& o : operands) o->sort();
    if (value != nullptr || op == TsOp::kPhrase) return;
    std::stable_sort(operands.begin(), operands.end(), [](const auto& a, const auto& b) { return compare(*a, *b) < 0; });
  }
  static int compare(const Node& a, const Node& b) {
    if ((a.value == nullptr) != (b.value == nullptr)) return a.value == nullptr ? -1 : 1;
    if (a.value != nullptr) {
      const int32_t x = ts_value_checksum(a.value->text), y = ts_value_checksum(b.value->text);
      if (x != y) return x > y ? -1 : 1;
      const int c = a.value->text.compare(b.value->text);
      return c < 0 ? -1 : c > 0;
    }
    if (a.op != b.op) return a.op > b.op ? -1 : 1;
    if (a.operands.size() != b.operands.size()) return a.operands.size() > b.operands.size() ? -1 : 1;
    for (size_t i = 0; i < a.operands.size(); ++i) {
      if (const int c = compare(*a.operands[i], *b.operands[i]); c != 0) return c;
    }
    if (a.op == TsOp::kPhrase && a.distance != b.distance) return a.distance > b.distance ? -1 : 1;
    return 0;
  }
  TsNodePtr tree() const {
    if (value != nullptr) return ts_clone(*value);
    if (operands.size() == 1) return op == TsOp::kNot ? ts_operator(op, nullptr, operands[0]->tree()) : operands[0]->tree();
    // Pairs up from the front; the last operand moves into the gap.
    std::vector<TsNodePtr> rest;
    for (const auto& o : operands) rest.push_back(o->tree());
    while (rest.size() > 2) {
      rest[0] = ts_operator(op, std::move(rest[1]), std::move(rest[0]), distance);
      rest[1] = std::move(rest.back());
      rest.pop_back();
    }
    return ts_operator(op, std::move(rest[1]), std::move(rest[0]), distance);
  }
  static std::unique_ptr<Node> put_in(const TsNode* by) {
    if (by == nullptr) return nullptr;
    auto n = from(*by);
    n->finished = true;
    return n;
  }
};

TsRewriter::TsRewriter(const TsNode& query) : root_(Node::from(query)) {
  root_->flatten();
  root_->sort();
}
TsRewriter::~TsRewriter() = default;
TsNodePtr TsRewriter::result() const { return root_ ? root_->tree() : nullptr; }

void TsRewriter::again() {
  auto clear = [](auto&& self, Node& n) -> void {
    n.finished = false;
    for (auto& o : n.operands) self(self, *o);
  };
  if (!root_) return;
  clear(clear, *root_);
  root_->flatten();
  root_->sort();
}

bool TsRewriter::replace(const TsNode& what, const TsNode* by) {
  using Ptr = std::unique_ptr<Node>;
  Ptr pattern = Node::from(what);
  pattern->flatten();
  pattern->sort();
  // The node itself, or the part of its operands that is the pattern.
  auto match = [&](Ptr n) -> Ptr {
    if (n->finished || (n->value == nullptr) != (pattern->value == nullptr)) return n;
    if (n->value != nullptr) return Node::compare(*n, *pattern) == 0 ? Node::put_in(by) : std::move(n);
    if (n->op != pattern->op || n->operands.size() < pattern->operands.size()) return n;
    if (n->operands.size() == pattern->operands.size()) return Node::compare(*n, *pattern) == 0 ? Node::put_in(by) : std::move(n);
    if (!n->commutes()) return n;
    std::vector<bool> matched(n->operands.size());
    size_t i = 0, k = 0;
    while (i < n->operands.size() && k < pattern->operands.size()) {
      const int c = Node::compare(*n->operands[i], *pattern->operands[k]);
      if (c > 0) break;
      if (c == 0) {
        matched[i] = true;
        ++k;
      }
      ++i;
    }
    if (k < pattern->operands.size()) return n;
    std::vector<Ptr> rest;
    for (i = 0; i < n->operands.size(); ++i) {
      if (!matched[i]) rest.push_back(std::move(n->operands[i]));
    }
    if (Ptr p = Node::put_in(by)) rest.push_back(std::move(p));
    n->operands = std::move(rest);
    n->sort();
    return n;
  };
  auto walk = [&](auto&& self, Ptr n) -> Ptr {
    n = match(std::move(n));
    if (!n || n->finished || n->value != nullptr) return n;
    std::vector<Ptr> kept;
    for (Ptr& o : n->operands) {
      if (Ptr r = self(self, std::move(o))) kept.push_back(std::move(r));
    }
    n->operands = std::move(kept);
    if (n->operands.empty()) return nullptr;
    if (n->operands.size() == 1 && n->op != TsOp::kNot) return std::move(n->operands[0]);
    return n;
  };
  if (root_) root_ = walk(walk, std::move(root_));
  return root_ != nullptr;
}

void register_ts_rewrite_functions(FunctionRegistry& r) {
  r.add("tsquery_rewrite", [](FnCall& c) {
    const TsNodePtr query = decode_tsquery(c.arg(0)), what = decode_tsquery(c.arg(1)), by = decode_tsquery(c.arg(2));
    if (!query || !what) return c.arg(0);
    TsRewriter rewriter(*query);
    rewriter.replace(*what, by.get());
    return encode_tsquery(rewriter.result().get(), *c.arena);
  });
}

}  // namespace stele

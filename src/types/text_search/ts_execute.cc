#include "types/text_search/ts_execute.h"

#include <algorithm>
#include <climits>

#include "types/function.h"

namespace stele {

namespace {

enum Emit : int { kBoth = 1, kLeftOnly = 2, kRightOnly = 4 };

// Merges two lists of positions, shifted; keeps those that `emit` asks for.
TsTruth merge(TsMatches* out, const TsMatches& l, const TsMatches& r, int emit, int left_shift, int right_shift) {
  size_t i = 0, k = 0;
  bool any = false;
  while (i < l.positions.size() || k < r.positions.size()) {
    if (i == l.positions.size() && (emit & kRightOnly) == 0) break;
    if (k == r.positions.size() && (emit & kLeftOnly) == 0) break;
    const int a = i < l.positions.size() ? l.positions[i] + left_shift : INT_MAX;
    const int b = k < r.positions.size() ? r.positions[k] + right_shift : INT_MAX;
    const int kind = a < b ? kLeftOnly : a == b ? kBoth : kRightOnly;
    if (a <= b) ++i;
    if (b <= a) ++k;
    if ((emit & kind) == 0 || std::min(a, b) <= 0) continue;
    any = true;
    if (out == nullptr) break;
    out->positions.push_back(std::min(a, b));
  }
  return any ? TsTruth::kYes : TsTruth::kNo;
}

TsTruth negated(TsMatches* out) {
  if (out != nullptr) out->negate = true;
  return TsTruth::kYes;
}

TsTruth phrase(const TsNode& n, const TsCheck& check, TsMatches* out) {
  if (n.kind != TsNode::kOperator) return check(n, out);
  if (n.op == TsOp::kNot) {
    TsMatches own;
    TsMatches& m = out != nullptr ? *out : own;
    switch (phrase(*n.right, check, &m)) {
      case TsTruth::kNo:
        m.negate = true;
        return TsTruth::kYes;
      case TsTruth::kYes:
        if (!m.positions.empty()) {
          m.negate = !m.negate;
          return TsTruth::kYes;
        }
        m.negate = false;
        return TsTruth::kNo;
      case TsTruth::kMaybe: return TsTruth::kMaybe;
    }
  }
  TsMatches l, r;
  const TsTruth lt = phrase(*n.left, check, &l);
  if (lt == TsTruth::kNo && n.op != TsOp::kOr) return TsTruth::kNo;
  const TsTruth rt = phrase(*n.right, check, &r);
  if (rt == TsTruth::kNo && (n.op != TsOp::kOr || lt == TsTruth::kNo)) return TsTruth::kNo;
  if (lt == TsTruth::kMaybe || rt == TsTruth::kMaybe) return TsTruth::kMaybe;
  if (lt == TsTruth::kNo) l.width = 0;
  if (rt == TsTruth::kNo) r.width = 0;
  int left_shift, right_shift = 0, width;
  if (n.op == TsOp::kPhrase) {
    left_shift = n.distance + r.width;
    width = n.distance + l.width + r.width;
  } else {
    width = std::max(l.width, r.width);
    left_shift = width - l.width;
    right_shift = width - r.width;
  }
  if (out != nullptr) out->width = width;
  if (n.op == TsOp::kOr) {
    if (!l.negate && !r.negate) return merge(out, l, r, kBoth | kLeftOnly | kRightOnly, left_shift, right_shift);
    // By de Morgan: not (the others' conjunction).
    merge(out, l, r, l.negate && r.negate ? kBoth : l.negate ? kLeftOnly : kRightOnly, left_shift, right_shift);
    return negated(out);
  }
  if (l.negate && r.negate) {
    merge(out, l, r, kBoth | kLeftOnly | kRightOnly, left_shift, right_shift);
    return negated(out);
  }
  return merge(out, l, r, l.negate ? kRightOnly : r.negate ? kLeftOnly : kBoth, left_shift, right_shift);
}

}  // namespace

TsTruth ts_execute(const TsNode& n, const TsCheck& check) {
  if (n.kind != TsNode::kOperator) return check(n, nullptr);
  switch (n.op) {
    case TsOp::kNot: {
      const TsTruth t = ts_execute(*n.right, check);
      return t == TsTruth::kNo ? TsTruth::kYes : t == TsTruth::kYes ? TsTruth::kNo : t;
    }
    case TsOp::kAnd: {
      const TsTruth l = ts_execute(*n.left, check);
      if (l == TsTruth::kNo) return l;
      const TsTruth r = ts_execute(*n.right, check);
      return r == TsTruth::kYes ? l : r;
    }
    case TsOp::kOr: {
      const TsTruth l = ts_execute(*n.left, check);
      if (l == TsTruth::kYes) return l;
      const TsTruth r = ts_execute(*n.right, check);
      return r == TsTruth::kNo ? l : r;
    }
    case TsOp::kPhrase:
      // Without positions no phrase is proven.
      return phrase(n, check, nullptr) == TsTruth::kYes ? TsTruth::kYes : TsTruth::kNo;
  }
  return TsTruth::kNo;
}

namespace {
TsTruth check_entry(const TsLexeme& l, const TsNode& value, TsMatches* where) {
  if (l.npos == 0) {
    return where != nullptr ? TsTruth::kMaybe : TsTruth::kYes;
  }
  if (where == nullptr && value.weights == 0) return TsTruth::kYes;
  bool any = false;
  for (int k = 0; k < l.npos; ++k) {
    if (value.weights != 0 && (value.weights >> l.at(k).weight() & 1) == 0) continue;
    any = true;
    if (where == nullptr) break;
    where->positions.push_back(l.at(k).position());
  }
  return any ? TsTruth::kYes : TsTruth::kNo;
}
}  // namespace

int ts_find_entries(const TsVectorView& document, const TsNode& value, int* first) {
  *first = document.find(value.text, value.prefix);
  if (*first < 0) return 0;
  int n = 1;
  if (value.prefix) {
    while (*first + n < document.size() && document[*first + n].text.starts_with(value.text)) ++n;
  }
  return n;
}

TsTruth ts_check(const TsVectorView& document, const TsNode& value, TsMatches* where) {
  int first;
  const int n = ts_find_entries(document, value, &first);
  TsTruth result = TsTruth::kNo;
  for (int i = 0; i < n; ++i) {
    const TsTruth one = check_entry(document[first + i], value, where);
    if (one == TsTruth::kMaybe && where != nullptr) {
      where->positions.clear();
      return one;
    }
    if (one == TsTruth::kYes || result == TsTruth::kNo) result = one;
    if (result == TsTruth::kYes && where == nullptr) break;
  }
  if (n > 1 && where != nullptr) {
    auto& p = where->positions;
    std::sort(p.begin(), p.end());
    p.erase(std::unique(p.begin(), p.end()), p.end());
  }
  return result;
}

bool ts_matches(const TsVectorView& document, const TsNode* query) {
  if (query == nullptr) return false;
  return ts_execute(*query, [&](const TsNode& value, TsMatches* where) { return ts_check(document, value, where); }) != TsTruth::kNo;
}

namespace {
// A query is mostly the same for every row: keep its tree beside the call.
struct CachedQuery {
  std::string bytes;
  TsNodePtr tree;
};
const TsNode* cached(FnCall& c, Datum query) {
  auto* q = static_cast<CachedQuery*>(c.cache != nullptr ? c.cache->get() : nullptr);
  if (q != nullptr && q->bytes == query.as_view()) return q->tree.get();
  auto made = std::make_shared<CachedQuery>();
  made->bytes = query.as_view();
  made->tree = decode_tsquery(query);
  const TsNode* tree = made->tree.get();
  if (c.cache != nullptr) {
    *c.cache = std::move(made);
    return tree;
  }
  thread_local std::shared_ptr<CachedQuery> kept;
  kept = std::move(made);
  return kept->tree.get();
}
}  // namespace

void register_ts_match_functions(FunctionRegistry& r) {
  r.add("ts_match_vq", [](FnCall& c) { return Datum::from_bool(ts_matches(TsVectorView(c.arg(0)), cached(c, c.arg(1)))); });
  r.add("ts_match_qv", [](FnCall& c) { return Datum::from_bool(ts_matches(TsVectorView(c.arg(1)), cached(c, c.arg(0)))); });
}

}  // namespace stele

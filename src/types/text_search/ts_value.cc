#include "types/text_search/ts_value.h"

#include <algorithm>
#include <array>

#include "base/codec.h"
#include "base/error.h"

namespace stele {

namespace {
struct StoredEntry {
  uint32_t offset;
  uint16_t length;
  uint16_t positions;
};
size_t even(size_t n) { return (n + 1) & ~size_t{1}; }
}  // namespace

TsLexeme TsVectorView::operator[](int i) const {
  const auto& e = reinterpret_cast<const StoredEntry*>(base_ + 4)[i];
  const char* p = base_ + e.offset;
  return {{p, e.length}, reinterpret_cast<const uint16_t*>(p + even(e.length)), e.positions};
}

int TsVectorView::find(std::string_view lexeme, bool prefix) const {
  int lo = 0, hi = size();
  while (lo < hi) {
    const int mid = (lo + hi) / 2;
    if ((*this)[mid].text < lexeme) lo = mid + 1;
    else hi = mid;
  }
  return lo < size() && ts_lexeme_matches(lexeme, (*this)[lo].text, prefix) ? lo : -1;
}

size_t TsVectorView::postgres_bytes() const {
  size_t n = 0;
  for (int i = 0; i < size(); ++i) {
    const TsLexeme l = (*this)[i];
    n += l.text.size();
    if (l.npos > 0) n = even(n) + 2 + 2 * static_cast<size_t>(l.npos);
  }
  return 8 + 4 * static_cast<size_t>(size()) + n;
}

bool ts_lexeme_matches(std::string_view value, std::string_view lexeme, bool prefix) {
  return prefix ? lexeme.starts_with(value) : lexeme == value;
}

Datum store_tsvector(std::span<const TsEntry> entries, Arena& arena) {
  size_t bytes = 4 + entries.size() * sizeof(StoredEntry), text = 0;
  for (const TsEntry& e : entries) {
    bytes += even(e.text.size()) + 2 * e.positions.size();
    text += e.text.size();
    if (!e.positions.empty()) text = even(text) + 2 + 2 * e.positions.size();
  }
  if (text > kMaxTsVectorBytes)
    throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("string is too long for tsvector ({} bytes, max {} bytes)", text, kMaxTsVectorBytes));
  Varlena* v = make_varlena(arena, bytes);
  store_le<uint32_t>(v->data, static_cast<uint32_t>(entries.size()));
  size_t at = 4 + entries.size() * sizeof(StoredEntry);
  auto* slot = reinterpret_cast<StoredEntry*>(v->data + 4);
  for (const TsEntry& e : entries) {
    *slot++ = {static_cast<uint32_t>(at), static_cast<uint16_t>(e.text.size()), static_cast<uint16_t>(e.positions.size())};
    std::memcpy(v->data + at, e.text.data(), e.text.size());
    if (e.text.size() % 2 != 0) v->data[at + e.text.size()] = 0;
    at += even(e.text.size());
    for (const TsPosition p : e.positions) {
      store_le<uint16_t>(v->data + at, p.bits);
      at += 2;
    }
  }
  return Datum::from_varlena(v);
}

namespace {
void normalise_positions(std::vector<TsPosition>& p, size_t limit) {
  if (p.size() < 2) return;
  std::stable_sort(p.begin(), p.end(), [](TsPosition a, TsPosition b) { return a.position() < b.position(); });
  size_t kept = 0;
  for (size_t i = 1; i < p.size(); ++i) {
    if (p[i].position() != p[kept].position()) {
      p[++kept] = p[i];
      if (kept >= limit || p[kept].position() == kMaxTsPosition) break;
    } else if (p[i].weight() > p[kept].weight()) {
      p[kept] = p[i];
    }
  }
  p.resize(kept + 1);
}
}  // namespace

Datum make_tsvector(std::vector<TsEntry> entries, Arena& arena, int max_positions) {
  std::stable_sort(entries.begin(), entries.end(), [](const TsEntry& a, const TsEntry& b) { return a.text < b.text; });
  size_t kept = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0 && entries[i].text == entries[kept - 1].text) {
      auto& to = entries[kept - 1].positions;
      to.insert(to.end(), entries[i].positions.begin(), entries[i].positions.end());
    } else {
      if (kept != i) entries[kept] = std::move(entries[i]);
      ++kept;
    }
  }
  entries.resize(kept);
  for (TsEntry& e : entries) normalise_positions(e.positions, static_cast<size_t>(max_positions) - 1);
  return store_tsvector(entries, arena);
}

std::vector<TsEntry> tsvector_entries(const TsVectorView& v) {
  std::vector<TsEntry> out;
  out.reserve(static_cast<size_t>(v.size()));
  for (int i = 0; i < v.size(); ++i) {
    const TsLexeme l = v[i];
    TsEntry e{std::string(l.text), {}};
    for (int k = 0; k < l.npos; ++k) e.positions.push_back(l.at(k));
    out.push_back(std::move(e));
  }
  return out;
}

int compare_tsvector(const TsVectorView& a, const TsVectorView& b) {
  const size_t sa = a.postgres_bytes(), sb = b.postgres_bytes();
  if (sa != sb) return sa < sb ? -1 : 1;
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (int i = 0; i < a.size(); ++i) {
    const TsLexeme x = a[i], y = b[i];
    if ((x.npos > 0) != (y.npos > 0)) return x.npos > 0 ? -1 : 1;
    if (const int c = x.text.compare(y.text); c != 0) return c < 0 ? -1 : 1;
    if (x.npos == 0) continue;
    if (x.npos != y.npos) return x.npos > y.npos ? -1 : 1;
    for (int k = 0; k < x.npos; ++k) {
      const TsPosition p = x.at(k), q = y.at(k);
      if (p.position() != q.position()) return p.position() > q.position() ? -1 : 1;
      if (p.weight() != q.weight()) return p.weight() > q.weight() ? -1 : 1;
    }
  }
  return 0;
}

// ---------------------------------------------------------------- queries

TsNodePtr ts_value(std::string text, int weights, bool prefix) {
  auto n = std::make_unique<TsNode>();
  n->text = std::move(text);
  n->weights = static_cast<uint8_t>(weights);
  n->prefix = prefix;
  return n;
}
TsNodePtr ts_operator(TsOp op, TsNodePtr left, TsNodePtr right, int distance) {
  auto n = std::make_unique<TsNode>();
  n->kind = TsNode::kOperator;
  n->op = op;
  n->depth = 1 + std::max(left ? left->depth : 0, right ? right->depth : 0);
  if (n->depth > kMaxTsDepth) throw Error(ErrorCode::kStatementTooComplex, "stack depth limit exceeded");
  n->left = std::move(left);
  n->right = std::move(right);
  n->distance = distance;
  return n;
}
TsNodePtr ts_clone(const TsNode& n) {
  auto c = std::make_unique<TsNode>();
  c->kind = n.kind;
  c->depth = n.depth;
  c->op = n.op;
  c->prefix = n.prefix;
  c->weights = n.weights;
  c->distance = n.distance;
  c->text = n.text;
  if (n.left) c->left = ts_clone(*n.left);
  if (n.right) c->right = ts_clone(*n.right);
  return c;
}

namespace {
constexpr char kOperatorBit = 0x10;

void encode(const TsNode& n, std::string& out, uint32_t& count) {
  ++count;
  if (n.kind != TsNode::kOperator) {
    out.push_back(static_cast<char>(n.prefix ? 1 : 0));
    out.push_back(static_cast<char>(n.weights));
    put_le<uint16_t>(out, static_cast<uint16_t>(n.text.size()));
    out += n.text;
    return;
  }
  out.push_back(static_cast<char>(kOperatorBit | static_cast<char>(n.op)));
  if (n.op == TsOp::kPhrase) put_le<uint16_t>(out, static_cast<uint16_t>(n.distance));
  encode(*n.right, out, count);
  if (n.op != TsOp::kNot) encode(*n.left, out, count);
}
TsNodePtr decode(const char*& p) {
  const char head = *p++;
  if ((head & kOperatorBit) == 0) {
    const int weights = static_cast<uint8_t>(*p++);
    const uint16_t length = load_le<uint16_t>(p);
    auto n = ts_value(std::string(p + 2, length), weights, head == 1);
    p += 2 + length;
    return n;
  }
  const auto op = static_cast<TsOp>(head & 0xf);
  int distance = 0;
  if (op == TsOp::kPhrase) {
    distance = load_le<uint16_t>(p);
    p += 2;
  }
  TsNodePtr right = decode(p);
  TsNodePtr left = op == TsOp::kNot ? nullptr : decode(p);
  return ts_operator(op, std::move(left), std::move(right), distance);
}
}  // namespace

Datum encode_tsquery(const TsNode* root, Arena& arena) {
  std::string out(4, '\0');
  uint32_t count = 0;
  if (root != nullptr) encode(*root, out, count);
  store_le<uint32_t>(out.data(), count);
  if (out.size() > (size_t{1} << 30)) throw Error(ErrorCode::kProgramLimitExceeded, "tsquery is too large");
  return make_bytes(arena, out);
}
int tsquery_node_count(Datum query) { return static_cast<int>(load_le<uint32_t>(query.as_view().data())); }
TsNodePtr decode_tsquery(Datum query) {
  if (tsquery_empty(query)) return nullptr;
  const char* p = query.as_view().data() + 4;
  return decode(p);
}

namespace {
int priority(TsOp op) { return op == TsOp::kNot ? 4 : op == TsOp::kPhrase ? 3 : op == TsOp::kAnd ? 2 : 1; }

void infix(const TsNode& n, int parent, bool right_of_phrase, std::string& out) {
  if (n.kind != TsNode::kOperator) {
    out.push_back('\'');
    for (const char c : n.text) {
      if (c == '\'' || c == '\\') out.push_back(c);
      out.push_back(c);
    }
    out.push_back('\'');
    if (n.weights != 0 || n.prefix) {
      out.push_back(':');
      if (n.prefix) out.push_back('*');
      for (int w = 3; w >= 0; --w) {
        if ((n.weights >> w & 1) != 0) out.push_back("DCBA"[w]);
      }
    }
    return;
  }
  const int own = priority(n.op);
  const bool parentheses = own < parent || (n.op == TsOp::kPhrase && right_of_phrase);
  if (parentheses) out += "( ";
  if (n.op == TsOp::kNot) {
    out.push_back('!');
    infix(*n.right, own, false, out);
  } else {
    infix(*n.left, own, false, out);
    if (n.op == TsOp::kAnd) out += " & ";
    else if (n.op == TsOp::kOr) out += " | ";
    else if (n.distance == 1) out += " <-> ";
    else out += fmt::format(" <{}> ", n.distance);
    infix(*n.right, own, n.op == TsOp::kPhrase, out);
  }
  if (parentheses) out += " )";
}
}  // namespace

void tsquery_text(const TsNode& root, std::string& out) { infix(root, -1, false, out); }

// A reflected table driven from the top byte.
int32_t ts_value_checksum(std::string_view s) {
  static const auto table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? 0xedb88320u ^ c >> 1 : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = 0xffffffffu;
  for (const char ch : s) crc = table[(crc >> 24 ^ static_cast<uint8_t>(ch)) & 0xff] ^ crc << 8;
  return static_cast<int32_t>(crc ^ 0xffffffffu);
}

namespace {
int compare_nodes(const TsNode& a, const TsNode& b) {
  const bool oa = a.kind == TsNode::kOperator, ob = b.kind == TsNode::kOperator;
  if (oa != ob) return oa ? -1 : 1;
  if (!oa) {
    const int32_t ca = ts_value_checksum(a.text), cb = ts_value_checksum(b.text);
    if (ca != cb) return ca > cb ? -1 : 1;
    const int c = a.text.compare(b.text);
    return c < 0 ? -1 : c > 0;
  }
  if (a.op != b.op) return a.op > b.op ? -1 : 1;
  // The right operand comes first, as it does in storage.
  if (const int c = compare_nodes(*a.right, *b.right); c != 0) return c;
  if (a.left) {
    if (const int c = compare_nodes(*a.left, *b.left); c != 0) return c;
  }
  if (a.op == TsOp::kPhrase && a.distance != b.distance) return a.distance > b.distance ? -1 : 1;
  return 0;
}
size_t postgres_query_bytes(const TsNode* n) {
  if (n == nullptr) return 0;
  if (n->kind != TsNode::kOperator) return 12 + n->text.size() + 1;
  return 12 + postgres_query_bytes(n->left.get()) + postgres_query_bytes(n->right.get());
}
}  // namespace

int compare_tsquery(Datum a, Datum b) {
  const int na = tsquery_node_count(a), nb = tsquery_node_count(b);
  if (na != nb) return na < nb ? -1 : 1;
  if (na == 0) return 0;
  const TsNodePtr x = decode_tsquery(a), y = decode_tsquery(b);
  const size_t sa = postgres_query_bytes(x.get()), sb = postgres_query_bytes(y.get());
  if (sa != sb) return sa < sb ? -1 : 1;
  return compare_nodes(*x, *y);
}

}  // namespace stele

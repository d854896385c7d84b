// tsvector and tsquery: stored forms, read in place, and the trees that functions build.
//
// tsvector payload: uint32 count; count x {uint32 offset, uint16 length, uint16 positions}; then for
// each entry its bytes, padded to 2, and its positions (uint16: weight in the top two bits, D = 0).
// Lexemes are unique and in byte order.
// tsquery payload: uint32 count of nodes, then the tree in prefix order with the right operand
// before the left (the order of PostgreSQL's binary form): see QueryNode and encode_query.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "types/context.h"
#include "types/datum.h"

namespace stele {

constexpr int kMaxTsPosition = 16383;
constexpr int kMaxTsPositions = 256;  // a lexeme; documents that are parsed stop one earlier
constexpr int kMaxTsDepth = 20000;  // nested operators of a query
constexpr size_t kMaxLexemeBytes = 2046;
constexpr size_t kMaxTsVectorBytes = 1048575;

// One position of a lexeme in a document with its weight (0 = D ... 3 = A).
struct TsPosition {
  uint16_t bits = 0;
  TsPosition() = default;
  explicit TsPosition(uint16_t b) : bits(b) {}
  TsPosition(int position, int weight) : bits(static_cast<uint16_t>((weight << 14) | (position & 0x3fff))) {}
  int position() const { return bits & 0x3fff; }
  int weight() const { return bits >> 14; }
  bool operator==(const TsPosition&) const = default;
};
inline int clip_ts_position(int64_t p) { return static_cast<int>(p >= kMaxTsPosition ? kMaxTsPosition : p); }

struct TsLexeme {
  std::string_view text;
  const uint16_t* positions = nullptr;
  int npos = 0;
  TsPosition at(int i) const { return TsPosition(positions[i]); }
};

class TsVectorView {
 public:
  explicit TsVectorView(Datum d) : base_(d.as_varlena()->data), size_(d.as_varlena()->size) {}
  int size() const { return static_cast<int>(*reinterpret_cast<const uint32_t*>(base_)); }
  TsLexeme operator[](int i) const;
  // Index of the lexeme, or -1. With prefix: of the first that starts with it.
  int find(std::string_view lexeme, bool prefix = false) const;
  // What PostgreSQL's own stored value would take: comparisons look at it first.
  size_t postgres_bytes() const;

 private:
  const char* base_;
  size_t size_;
};

// A lexeme being built. Positions need not be sorted or unique.
struct TsEntry {
  std::string text;
  std::vector<TsPosition> positions;
};
// Sorts and merges lexemes and positions (the heavier weight of a position wins), then stores.
Datum make_tsvector(std::vector<TsEntry> entries, Arena& arena, int max_positions = kMaxTsPositions);
// Of entries that are already unique and in order.
Datum store_tsvector(std::span<const TsEntry> entries, Arena& arena);
std::vector<TsEntry> tsvector_entries(const TsVectorView& v);
int compare_tsvector(const TsVectorView& a, const TsVectorView& b);

// ---- queries
enum class TsOp : uint8_t { kNot = 1, kAnd = 2, kOr = 3, kPhrase = 4 };

struct TsNode {
  enum Kind : uint8_t { kValue, kStop, kOperator };
  Kind kind = kValue;
  TsOp op = TsOp::kAnd;
  bool prefix = false;
  uint8_t weights = 0;    // bit 0 = D ... bit 3 = A; none: any
  int distance = 0;       // of kPhrase
  int depth = 0;          // operators below, the longest way
  std::string text;
  std::unique_ptr<TsNode> left, right;  // NOT has only right

  bool is(TsOp o) const { return kind == kOperator && op == o; }
};
using TsNodePtr = std::unique_ptr<TsNode>;

TsNodePtr ts_value(std::string text, int weights = 0, bool prefix = false);
TsNodePtr ts_operator(TsOp op, TsNodePtr left, TsNodePtr right, int distance = 0);
TsNodePtr ts_clone(const TsNode& n);
// Null for the empty query.
TsNodePtr decode_tsquery(Datum query);
// Throws program_limit_exceeded past PostgreSQL's limits.
Datum encode_tsquery(const TsNode* root, Arena& arena);
int tsquery_node_count(Datum query);
inline bool tsquery_empty(Datum query) { return tsquery_node_count(query) == 0; }
void tsquery_text(const TsNode& root, std::string& out);
// The checksum that PostgreSQL keeps of a query's value; its orders show it.
int32_t ts_value_checksum(std::string_view s);
// PostgreSQL's order of queries, which is by size before content.
int compare_tsquery(Datum a, Datum b);

// Lexemes that equal a query's value, or start with it.
bool ts_lexeme_matches(std::string_view value, std::string_view lexeme, bool prefix);

}  // namespace stele

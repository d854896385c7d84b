// SQL/JSON paths. A jsonpath value is stored as its canonical text; running one parses it once per
// call site.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "types/jsonb.h"

namespace stele::jsonpath {

enum class Kind : uint8_t {
  kNull, kString, kNumber, kBool,
  kAnd, kOr, kNot, kIsUnknown, kEqual, kNotEqual, kLess, kGreater, kLessOrEqual, kGreaterOrEqual,
  kAdd, kSub, kMul, kDiv, kMod, kPlus, kMinus,
  kAnyArray, kAnyKey, kIndexArray, kAny, kKey, kCurrent, kRoot, kVariable, kFilter, kExists,
  kType, kSize, kAbs, kFloor, kCeiling, kDouble, kDatetime, kKeyValue, kLast, kStartsWith, kLikeRegex
};

constexpr uint32_t kUnbounded = UINT32_MAX;
constexpr int kRegexIgnoreCase = 1, kRegexDotAll = 2, kRegexMultiline = 4, kRegexExpanded = 8, kRegexQuote = 16;

struct Node {
  Kind kind;
  std::string text;   // string, key, variable, number's canonical text, regex
  bool boolean = false;
  std::unique_ptr<Node> left, right;  // operands; left alone for unary, filter, exists, method argument
  struct Subscript { std::unique_ptr<Node> from, to; };
  std::vector<Subscript> subscripts;
  uint32_t first = 0, last = 0;  // kAny
  int flags = 0;                 // kLikeRegex
  std::unique_ptr<Node> next;    // the accessor applied to the result
  explicit Node(Kind k) : kind(k) {}
};
using NodePtr = std::unique_ptr<Node>;

struct Path {
  bool lax = true;
  NodePtr root;
};

Path parse(std::string_view text, EvalContext& ctx);
std::string to_text(const Path& path);
// The operator or method as errors and text show it.
const char* symbol(Kind k);
// A regex of types/regex semantics for kLikeRegex (embedded options first).
std::string regex_source(const Node& n);

}  // namespace stele::jsonpath

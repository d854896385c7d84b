// Ranges as values: layout, order, text and binary forms.
#include "types/range.h"

#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/datetime.h"
#include "types/function_helpers.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/type_io.h"
#include "types/type_registry.h"

namespace stele {

namespace {

size_t align8(size_t n) { return (n + 7) & ~size_t{7}; }

RangeBound read_bound(const char* p, bool by_value, bool infinite, bool inclusive, bool lower) {
  RangeBound b;
  b.infinite = infinite;
  b.inclusive = inclusive;
  b.lower = lower;
  if (infinite) return b;
  if (by_value) std::memcpy(&b.value.bits, p, 8);
  else b.value = Datum::from_varlena(reinterpret_cast<const Varlena*>(p));
  return b;
}
void put_bound(const RangeBound& b, bool by_value, std::string& out) {
  if (by_value) {
    out.append(reinterpret_cast<const char*>(&b.value.bits), 8);
    return;
  }
  const Varlena* v = b.value.as_varlena();
  uint32_t head[2] = {v->size, 0};
  out.append(reinterpret_cast<const char*>(head), 8);
  out.append(v->view());
  out.append(align8(out.size()) - out.size(), '\0');
}
void put_range(const RangeType& t, const Range& r, std::string& out) {
  RangeHead h{t.range, t.subtype, 0, t.by_value, 0, 0};
  size_t start = out.size();
  out.append(sizeof h, '\0');
  if (r.empty) {
    h.flags = kRangeEmpty;
  } else {
    if (r.lower.infinite) h.flags |= kRangeLowerInfinite;
    else {
      if (r.lower.inclusive) h.flags |= kRangeLowerInclusive;
      put_bound(r.lower, t.by_value, out);
    }
    h.upper = static_cast<uint32_t>(out.size() - start);
    if (r.upper.infinite) h.flags |= kRangeUpperInfinite;
    else {
      if (r.upper.inclusive) h.flags |= kRangeUpperInclusive;
      put_bound(r.upper, t.by_value, out);
    }
  }
  std::memcpy(out.data() + start, &h, sizeof h);
}
RangeType type_of_payload(const char* p, bool multi) {
  RangeType t;
  if (multi) {
    MultirangeHead h;
    std::memcpy(&h, p, sizeof h);
    t = {h.range_type, h.type, h.subtype, false};
  } else {
    RangeHead h;
    std::memcpy(&h, p, sizeof h);
    t = {h.type, 0, h.subtype, h.by_value != 0};
  }
  return t;
}

}  // namespace

RangeType range_type(Oid type, EvalContext* ctx) {
  static const auto* known = [] {
    auto* m = new std::unordered_map<Oid, RangeType>;
    for (const auto& row : builtin::rows("pg_range")) {
      RangeType t;
      t.range = static_cast<Oid>(std::stoul(row[0]));
      t.subtype = static_cast<Oid>(std::stoul(row[1]));
      t.multirange = static_cast<Oid>(std::stoul(row[2]));
      t.by_value = passed_by_value(t.subtype);
      (*m)[t.range] = t;
      (*m)[t.multirange] = t;
    }
    return m;
  }();
  if (auto it = known->find(type); it != known->end()) return it->second;
  if (ctx == nullptr || ctx->catalog == nullptr) throw Error(ErrorCode::kInternalError, fmt::format("type {} is not a range type", type));
  // A user's range type: element names its subtype, a user's multirange type: its range type.
  auto facts = ctx->catalog->type_facts(type);
  RangeType t;
  if (facts.kind == 'm') {
    t = range_type(facts.element, ctx);
    t.multirange = type;
    return t;
  }
  if (facts.kind != 'r') throw Error(ErrorCode::kInternalError, fmt::format("type {} is not a range type", type));
  t.range = type;
  t.subtype = facts.element;
  const BuiltinType* b = builtin::type(t.subtype);
  t.by_value = b != nullptr ? passed_by_value(t.subtype) : ctx->catalog->type_facts(t.subtype).by_value;
  return t;
}

Range read_range(const char* p) {
  RangeHead h;
  std::memcpy(&h, p, sizeof h);
  Range r;
  r.empty = (h.flags & kRangeEmpty) != 0;
  if (r.empty) return r;
  r.lower = read_bound(p + sizeof h, h.by_value != 0, (h.flags & kRangeLowerInfinite) != 0, (h.flags & kRangeLowerInclusive) != 0, true);
  r.upper = read_bound(p + h.upper, h.by_value != 0, (h.flags & kRangeUpperInfinite) != 0, (h.flags & kRangeUpperInclusive) != 0, false);
  return r;
}
std::vector<Range> read_multirange(Datum d) {
  const char* p = d.as_varlena()->data;
  MultirangeHead h;
  std::memcpy(&h, p, sizeof h);
  std::vector<Range> out;
  for (uint32_t i = 0; i < h.count; ++i) out.push_back(read_range(p + load_le<uint32_t>(p + sizeof h + 4 * i)));
  return out;
}

int compare_bounds(const RangeType& t, const RangeBound& a, const RangeBound& b) {
  if (a.infinite && b.infinite) return a.lower == b.lower ? 0 : a.lower ? -1 : 1;
  if (a.infinite) return a.lower ? -1 : 1;
  if (b.infinite) return b.lower ? 1 : -1;
  int c = type_ops(t.subtype).compare(a.value, b.value, oid::kDefaultCollation);
  if (c != 0) return c < 0 ? -1 : 1;
  if (!a.inclusive && !b.inclusive) return a.lower == b.lower ? 0 : a.lower ? 1 : -1;
  if (!a.inclusive) return a.lower ? 1 : -1;
  if (!b.inclusive) return b.lower ? -1 : 1;
  return 0;
}
int compare_ranges(const RangeType& t, const Range& a, const Range& b) {
  if (a.empty || b.empty) return a.empty == b.empty ? 0 : a.empty ? -1 : 1;
  int c = compare_bounds(t, a.lower, b.lower);
  return c != 0 ? c : compare_bounds(t, a.upper, b.upper);
}

Range normalize_range(const RangeType& t, Range r) {
  if (r.empty) return Range();
  r.lower.lower = true;
  r.upper.lower = false;
  if (r.lower.infinite) r.lower.inclusive = false;
  if (r.upper.infinite) r.upper.inclusive = false;
  if (!r.lower.infinite && !r.upper.infinite) {
    int c = type_ops(t.subtype).compare(r.lower.value, r.upper.value, oid::kDefaultCollation);
    if (c > 0) throw Error(ErrorCode::kDataException, "range lower bound must be less than or equal to range upper bound");
    if (c == 0 && !(r.lower.inclusive && r.upper.inclusive)) return Range();
  }
  auto up = [&](Datum v) {
    int64_t n = v.as_int();
    if (t.subtype == oid::kInt4) {
      if (n == INT32_MAX) throw Error(ErrorCode::kNumericValueOutOfRange, "integer out of range");
    } else if (t.subtype == oid::kInt8) {
      if (n == INT64_MAX) throw Error(ErrorCode::kNumericValueOutOfRange, "bigint out of range");
    } else if (n + 1 >= 2147483494LL - kPostgresEpochJulian) {
      throw Error(ErrorCode::kDatetimeFieldOverflow, "date out of range");
    }
    return Datum::from_int(n + 1);
  };
  if (t.subtype != oid::kInt4 && t.subtype != oid::kInt8 && t.subtype != oid::kDate) return r;
  if (builtin::type(t.range) == nullptr) return r;  // users' ranges name their own canonical function
  auto finite = [&](const RangeBound& b) { return !b.infinite && (t.subtype != oid::kDate || date_finite(b.value.as_int())); };
  if (finite(r.lower) && !r.lower.inclusive) {
    r.lower.value = up(r.lower.value);
    r.lower.inclusive = true;
  }
  if (finite(r.upper) && r.upper.inclusive) {
    r.upper.value = up(r.upper.value);
    r.upper.inclusive = false;
  }
  if (finite(r.lower) && finite(r.upper) && r.lower.inclusive && !r.upper.inclusive && r.lower.value.as_int() >= r.upper.value.as_int())
    return Range();
  return r;
}

Datum make_range(const RangeType& t, const Range& r, Arena& arena) {
  std::string out;
  put_range(t, normalize_range(t, r), out);
  return make_bytes(arena, out);
}

namespace {
// Do they touch or overlap, a starting first?
bool joinable(const RangeType& t, const Range& a, const Range& b) {
  if (compare_bounds(t, b.lower, a.upper) <= 0) return true;
  // Adjacent: one bound includes the point between, the other does not.
  if (a.upper.infinite || b.lower.infinite) return false;
  int c = type_ops(t.subtype).compare(a.upper.value, b.lower.value, oid::kDefaultCollation);
  return c == 0 && a.upper.inclusive != b.lower.inclusive;
}
}  // namespace

Datum make_multirange(const RangeType& t, std::vector<Range> ranges, Arena& arena) {
  std::vector<Range> kept;
  for (Range& r : ranges) {
    Range n = normalize_range(t, r);
    if (!n.empty) kept.push_back(n);
  }
  std::sort(kept.begin(), kept.end(), [&](const Range& a, const Range& b) { return compare_ranges(t, a, b) < 0; });
  std::vector<Range> joined;
  for (const Range& r : kept) {
    if (!joined.empty() && joinable(t, joined.back(), r)) {
      if (compare_bounds(t, joined.back().upper, r.upper) < 0) joined.back().upper = r.upper;
    } else {
      joined.push_back(r);
    }
  }
  MultirangeHead h{t.multirange, t.range, t.subtype, static_cast<uint32_t>(joined.size())};
  std::string out(reinterpret_cast<const char*>(&h), sizeof h);
  out.append(align8(4 * joined.size()), '\0');
  for (size_t i = 0; i < joined.size(); ++i) {
    store_le<uint32_t>(out.data() + sizeof h + 4 * i, static_cast<uint32_t>(out.size()));
    put_range(t, joined[i], out);
  }
  return make_bytes(arena, out);
}

namespace {

// ---- text
bool blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

class RangeText {
 public:
  RangeText(std::string_view s, const RangeType& t, int32_t typmod, Arena& a, EvalContext& ctx) : s_(s), t_(t), typmod_(typmod), arena_(a), ctx_(ctx) {}
  Range parse() {
    skip();
    static constexpr std::string_view kWord = "empty";
    if (s_.size() - at_ >= 5 && lower_ascii(s_.substr(at_, 5)) == kWord) {
      at_ += 5;
      skip();
      if (at_ < s_.size()) fail("Junk after \"empty\" key word.");
      return Range();
    }
    Range r;
    r.empty = false;
    if (peek() == '[') r.lower.inclusive = true;
    else if (peek() != '(') fail("Missing left parenthesis or bracket.");
    ++at_;
    std::string lower, upper;
    r.lower.infinite = !bound(&lower);
    if (peek() != ',') fail("Missing comma after lower bound.");
    ++at_;
    r.upper.infinite = !bound(&upper);
    if (peek() == ']') r.upper.inclusive = true;
    else if (peek() != ')') fail("Too many commas.");
    ++at_;
    skip();
    if (at_ < s_.size()) fail("Junk after right parenthesis or bracket.");
    if (!r.lower.infinite) r.lower.value = type_input(t_.subtype, lower, typmod_, arena_, ctx_);
    if (!r.upper.infinite) r.upper.value = type_input(t_.subtype, upper, typmod_, arena_, ctx_);
    return r;
  }

 private:
  char peek() const { return at_ < s_.size() ? s_[at_] : '\0'; }
  void skip() { while (at_ < s_.size() && blank(s_[at_])) ++at_; }
  [[noreturn]] void fail(const char* detail) {
    throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("malformed range literal: \"{}\"", s_)).detail(detail);
  }
  // False when the bound is left out.
  bool bound(std::string* out) {
    char c = peek();
    if (c == ',' || c == ')' || c == ']') return false;
    std::string& text = *out;
    bool quoted = false;
    for (;; ++at_) {
      if (at_ >= s_.size()) fail("Unexpected end of input.");
      c = s_[at_];
      if (!quoted && (c == ',' || c == ')' || c == ']')) break;
      if (c == '\\') {
        if (++at_ >= s_.size()) fail("Unexpected end of input.");
        text += s_[at_];
      } else if (c == '"') {
        if (!quoted) quoted = true;
        else if (at_ + 1 < s_.size() && s_[at_ + 1] == '"') {
          text += '"';
          ++at_;
        } else quoted = false;
      } else {
        text += c;
      }
    }
    return true;
  }
  std::string_view s_;
  size_t at_ = 0;
  const RangeType& t_;
  int32_t typmod_;
  Arena& arena_;
  EvalContext& ctx_;
};

void put_bound_text(const RangeType& t, const RangeBound& b, std::string& out, EvalContext& ctx) {
  if (b.infinite) return;
  std::string text;
  type_output(t.subtype, b.value, text, ctx);
  bool quote = text.empty();
  for (char c : text) quote |= c == '"' || c == '\\' || c == '(' || c == ')' || c == '[' || c == ']' || c == ',' || blank(c);
  if (!quote) {
    out += text;
    return;
  }
  out.push_back('"');
  for (char c : text) {
    if (c == '"' || c == '\\') out.push_back(c);
    out.push_back(c);
  }
  out.push_back('"');
}
void put_range_text(const RangeType& t, const Range& r, std::string& out, EvalContext& ctx) {
  if (r.empty) {
    out += "empty";
    return;
  }
  out.push_back(r.lower.inclusive ? '[' : '(');
  put_bound_text(t, r.lower, out, ctx);
  out.push_back(',');
  put_bound_text(t, r.upper, out, ctx);
  out.push_back(r.upper.inclusive ? ']' : ')');
}
int32_t typmod_arg(FnCall& c) { return c.nargs > 2 ? static_cast<int32_t>(c.int_arg(2)) : -1; }
RangeType wanted(FnCall& c) {
  // Input functions name their type in the second argument.
  if (c.nargs > 1 && c.arg(1).as_oid() != 0) return range_type(c.arg(1).as_oid(), c.context);
  return range_type(c.result_type, c.context);
}
Datum range_in(FnCall& c) {
  RangeType t = wanted(c);
  return make_range(t, RangeText(c.text_arg(0), t, typmod_arg(c), *c.arena, *c.context).parse(), *c.arena);
}
Datum range_out(FnCall& c) {
  RangeType t = type_of_payload(c.arg(0).as_varlena()->data, false);
  std::string out;
  put_range_text(t, read_range(c.arg(0)), out, *c.context);
  return c.text(out);
}
Datum multirange_in(FnCall& c) {
  RangeType t = wanted(c);
  std::string_view s = c.text_arg(0);
  auto fail = [&](const char* detail) {
    throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("malformed multirange literal: \"{}\"", s)).detail(detail);
  };
  size_t at = 0;
  auto skip = [&] { while (at < s.size() && blank(s[at])) ++at; };
  skip();
  if (at >= s.size() || s[at] != '{') fail("Missing left brace.");
  ++at;
  std::vector<Range> ranges;
  bool first = true;
  for (;;) {
    skip();
    if (at >= s.size()) fail("Unexpected end of input.");
    if (s[at] == '}') break;
    if (!first) {
      if (s[at] != ',') fail("Expected comma or end of multirange.");
      ++at;
      skip();
      if (at >= s.size()) fail("Unexpected end of input.");
    }
    size_t start = at;
    if (s.size() - at >= 5 && lower_ascii(s.substr(at, 5)) == "empty") {
      at += 5;
    } else if (s[at] == '[' || s[at] == '(') {
      bool quoted = false;
      for (++at;; ++at) {
        if (at >= s.size()) fail("Unexpected end of input.");
        char ch = s[at];
        if (ch == '\\') {
          ++at;
          continue;
        }
        if (ch == '"') quoted = !quoted;
        else if (!quoted && (ch == ')' || ch == ']')) break;
      }
      ++at;
    } else {
      fail("Expected range start.");
    }
    ranges.push_back(normalize_range(t, RangeText(s.substr(start, at - start), t, typmod_arg(c), *c.arena, *c.context).parse()));
    first = false;
  }
  ++at;
  skip();
  if (at < s.size()) fail("Junk after closing right brace.");
  return make_multirange(t, std::move(ranges), *c.arena);
}
Datum multirange_out(FnCall& c) {
  RangeType t = type_of_payload(c.arg(0).as_varlena()->data, true);
  std::string out = "{";
  for (const Range& r : read_multirange(c.arg(0))) {
    if (out.size() > 1) out.push_back(',');
    put_range_text(t, r, out, *c.context);
  }
  return c.text(out + "}");
}

// ---- binary
void send_range(const RangeType& t, const Range& r, std::string& out, EvalContext& ctx) {
  uint8_t flags = 0;
  if (r.empty) flags = kRangeEmpty;
  else
    flags = static_cast<uint8_t>((r.lower.infinite ? kRangeLowerInfinite : r.lower.inclusive ? kRangeLowerInclusive : 0) |
                                 (r.upper.infinite ? kRangeUpperInfinite : r.upper.inclusive ? kRangeUpperInclusive : 0));
  out.push_back(static_cast<char>(flags));
  for (const RangeBound* b : {&r.lower, &r.upper}) {
    if (r.empty || b->infinite) continue;
    std::string one;
    type_send(t.subtype, b->value, one, ctx);
    put_be32(out, static_cast<uint32_t>(one.size()));
    out += one;
  }
}
Range receive_range(const RangeType& t, std::string_view b, FnCall& c) {
  auto need = [&](size_t n) {
    if (b.size() < n) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  };
  need(1);
  uint8_t flags = static_cast<uint8_t>(b[0]) & 31;
  b.remove_prefix(1);
  Range r;
  r.empty = (flags & kRangeEmpty) != 0;
  r.lower.infinite = (flags & kRangeLowerInfinite) != 0;
  r.lower.inclusive = (flags & kRangeLowerInclusive) != 0;
  r.upper.infinite = (flags & kRangeUpperInfinite) != 0;
  r.upper.inclusive = (flags & kRangeUpperInclusive) != 0;
  for (RangeBound* bound : {&r.lower, &r.upper}) {
    if (r.empty || bound->infinite) continue;
    need(4);
    uint32_t size = load_be32(b.data());
    b.remove_prefix(4);
    need(size);
    bound->value = type_receive(t.subtype, b.substr(0, size), typmod_arg(c), *c.arena, *c.context);
    b.remove_prefix(size);
  }
  if (!b.empty()) throw Error(ErrorCode::kInvalidBinaryRepresentation, "incorrect binary data format");
  return r;
}
Datum range_recv(FnCall& c) {
  RangeType t = wanted(c);
  return make_range(t, receive_range(t, c.text_arg(0), c), *c.arena);
}
Datum range_send(FnCall& c) {
  std::string out;
  send_range(type_of_payload(c.arg(0).as_varlena()->data, false), read_range(c.arg(0)), out, *c.context);
  return c.text(out);
}
Datum multirange_recv(FnCall& c) {
  RangeType t = wanted(c);
  std::string_view b = c.text_arg(0);
  auto need = [&](size_t n) {
    if (b.size() < n) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  };
  need(4);
  uint32_t count = load_be32(b.data());
  b.remove_prefix(4);
  std::vector<Range> ranges;
  for (uint32_t i = 0; i < count; ++i) {
    need(4);
    uint32_t size = load_be32(b.data());
    b.remove_prefix(4);
    need(size);
    ranges.push_back(receive_range(t, b.substr(0, size), c));
    b.remove_prefix(size);
  }
  return make_multirange(t, std::move(ranges), *c.arena);
}
Datum multirange_send(FnCall& c) {
  RangeType t = type_of_payload(c.arg(0).as_varlena()->data, true);
  std::vector<Range> ranges = read_multirange(c.arg(0));
  std::string out;
  put_be32(out, static_cast<uint32_t>(ranges.size()));
  for (const Range& r : ranges) {
    std::string one;
    send_range(t, r, one, *c.context);
    put_be32(out, static_cast<uint32_t>(one.size()));
    out += one;
  }
  return c.text(out);
}

// ---- type ops
int compare_range_datum(Datum a, Datum b, Oid) {
  return compare_ranges(type_of_payload(a.as_varlena()->data, false), read_range(a), read_range(b));
}
bool equal_range(Datum a, Datum b, Oid o) { return compare_range_datum(a, b, o) == 0; }
uint64_t hash_one(const RangeType& t, const Range& r) {
  if (r.empty) return 0x9e3779b9;
  uint64_t h = (r.lower.infinite ? 1u : 0u) | (r.upper.infinite ? 2u : 0u) | (r.lower.inclusive ? 4u : 0u) | (r.upper.inclusive ? 8u : 0u);
  h = mix64(h + 17);
  const TypeOps& ops = type_ops(t.subtype);
  for (const RangeBound* b : {&r.lower, &r.upper})
    if (!b->infinite && ops.hash != nullptr) h = mix64(h * 31 + ops.hash(b->value, oid::kDefaultCollation));
  return h;
}
uint64_t hash_range(Datum v, Oid) { return hash_one(type_of_payload(v.as_varlena()->data, false), read_range(v)); }
void put_range_key(const RangeType& t, const Range& r, std::string& out) {
  if (r.empty) {
    out.push_back(0);
    return;
  }
  // The subtype travels with the key, so that the key can be skipped.
  out.push_back(1);
  put_be32(out, t.subtype);
  const TypeOps& ops = type_ops(t.subtype);
  if (ops.encode_key == nullptr) throw Error(ErrorCode::kFeatureNotSupported, "ranges over this type cannot be index keys");
  if (r.lower.infinite) {
    out.push_back(0);
  } else {
    out.push_back(1);
    ops.encode_key(r.lower.value, oid::kDefaultCollation, out);
    out.push_back(r.lower.inclusive ? 0 : 1);
  }
  if (r.upper.infinite) {
    out.push_back(2);
  } else {
    out.push_back(1);
    ops.encode_key(r.upper.value, oid::kDefaultCollation, out);
    out.push_back(r.upper.inclusive ? 1 : 0);
  }
}
void skip_range_key(std::string_view& in) {
  char kind = in[0];
  in.remove_prefix(1);
  if (kind == 0) return;
  const TypeOps& ops = type_ops(load_be32(in.data()));
  in.remove_prefix(4);
  for (int i = 0; i < 2; ++i) {
    char c = in[0];
    in.remove_prefix(1);
    if (c != 1) continue;
    ops.skip_key(in);
    in.remove_prefix(1);
  }
}
void encode_range(Datum v, Oid, std::string& out) { put_range_key(type_of_payload(v.as_varlena()->data, false), read_range(v), out); }

int compare_multirange(Datum a, Datum b, Oid) {
  RangeType t = type_of_payload(a.as_varlena()->data, true);
  auto x = read_multirange(a), y = read_multirange(b);
  for (size_t i = 0; i < x.size() && i < y.size(); ++i)
    if (int c = compare_ranges(t, x[i], y[i]); c != 0) return c;
  return x.size() < y.size() ? -1 : x.size() > y.size();
}
bool equal_multirange(Datum a, Datum b, Oid o) { return compare_multirange(a, b, o) == 0; }
uint64_t hash_multirange(Datum v, Oid) {
  RangeType t = type_of_payload(v.as_varlena()->data, true);
  uint64_t h = 1;
  for (const Range& r : read_multirange(v)) h = mix64(h * 31 + hash_one(t, r));
  return h;
}
void encode_multirange(Datum v, Oid, std::string& out) {
  RangeType t = type_of_payload(v.as_varlena()->data, true);
  for (const Range& r : read_multirange(v)) {
    out.push_back(1);
    put_range_key(t, r, out);
  }
  out.push_back(0);
}
void skip_multirange(std::string_view& in) {
  while (!in.empty()) {
    char c = in[0];
    in.remove_prefix(1);
    if (c == 0) return;
    skip_range_key(in);
  }
}

}  // namespace

void register_range_types(TypeTable& t) {
  TypeOps range{compare_range_datum, equal_range, hash_range, encode_range, nullptr, skip_range_key};
  TypeOps multi{compare_multirange, equal_multirange, hash_multirange, encode_multirange, nullptr, skip_multirange};
  for (const BuiltinType& b : builtin::types()) {
    if (b.kind == 'r') t.ops(b.oid, range);
    if (b.kind == 'm') t.ops(b.oid, multi);
  }
  t.ops(oid::kAnyRange, range);
  t.ops(oid::kAnyMultirange, multi);
}

void register_range_io_functions(FunctionRegistry& r) {
  r.add("range_in", range_in);
  r.add("range_out", range_out);
  r.add("range_recv", range_recv);
  r.add("range_send", range_send);
  r.add("multirange_in", multirange_in);
  r.add("multirange_out", multirange_out);
  r.add("multirange_recv", multirange_recv);
  r.add("multirange_send", multirange_send);
}

}  // namespace stele

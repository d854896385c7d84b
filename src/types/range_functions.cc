// Input, output, operators and functions of ranges and multiranges.
#include "base/codec.h"
#include "base/error.h"
#include "types/builtin.h"
#include "types/composite_io.h"
#include "types/function.h"
#include "types/hash.h"
#include "types/numeric.h"
#include "types/oids.h"
#include "types/range.h"
#include "types/type_io.h"
#include "types/type_ops.h"

namespace stele {

bool bounds_adjacent(const Range& of, RangeBound a, RangeBound b);

namespace {

// ---- text

class RangeParser {
 public:
  RangeParser(std::string_view text, RangeType type, int32_t typmod, FnCall& c, std::string_view whole, const char* kind)
      : s_(text), whole_(whole), kind_(kind), type_(type), typmod_(typmod), c_(c) {}

  // Parses one range from the front; *used is where it ends.
  Range parse(size_t& i) {
    spaces(i);
    if (i + 5 <= s_.size() && strncasecmp(s_.data() + i, "empty", 5) == 0) {
      i += 5;
      spaces(i);
      Range r;
      r.type = type_;
      return r;
    }
    RangeBound lower, upper;
    if (i >= s_.size() || (s_[i] != '[' && s_[i] != '(')) fail("Missing left parenthesis or bracket.");
    lower.inclusive = s_[i++] == '[';
    std::string low, high;
    lower.infinite = !bound(i, low);
    if (i >= s_.size() || s_[i] != ',') fail("Missing comma after lower bound.");
    ++i;
    upper.infinite = !bound(i, high);
    if (i >= s_.size()) fail("Unexpected end of input.");
    if (s_[i] == ',') fail("Too many commas.");
    upper.inclusive = s_[i++] == ']';
    spaces(i);
    if (!lower.infinite) lower.value = input(low);
    if (!upper.infinite) upper.value = input(high);
    return make_range(type_, lower, upper);
  }
  void spaces(size_t& i) const {
    while (i < s_.size() && is_array_space(s_[i])) ++i;
  }
  [[noreturn]] void fail(const char* detail) const {
    throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("malformed {} literal: \"{}\"", kind_, whole_)).detail(detail);
  }

 private:
  Datum input(const std::string& text) {
    return type_input(type_.element.type, text, typmod_, *c_.arena, *c_.context);
  }
  bool bound(size_t& i, std::string& text) {
    if (i < s_.size() && (s_[i] == ',' || s_[i] == ')' || s_[i] == ']')) return false;
    bool quoted = false;
    for (;; ++i) {
      if (i >= s_.size()) fail("Unexpected end of input.");
      char ch = s_[i];
      if (!quoted && (ch == ',' || ch == ')' || ch == ']')) break;
      if (ch == '\\') {
        if (++i >= s_.size()) fail("Unexpected end of input.");
        text += s_[i];
      } else if (ch == '"') {
        if (!quoted) quoted = true;
        else if (i + 1 < s_.size() && s_[i + 1] == '"') text += s_[++i];
        else quoted = false;
      } else {
        text += ch;
      }
    }
    return true;
  }
  std::string_view s_, whole_;
  const char* kind_;
  RangeType type_;
  int32_t typmod_;
  FnCall& c_;
};

Datum range_in(FnCall& c) {
  std::string_view s = c.text_arg(0);
  RangeParser p(s, range_type(c.arg(1).as_oid(), c.context), c.nargs > 2 ? static_cast<int32_t>(c.int_arg(2)) : -1, c, s, "range");
  size_t i = 0;
  Range r = p.parse(i);
  if (i != s.size()) p.fail(r.empty && s.find('[') == std::string_view::npos && s.find('(') == std::string_view::npos
                                ? "Junk after \"empty\" key word." : "Junk after right parenthesis or bracket.");
  return range_datum(r, *c.arena);
}

void append_bound(Oid type, Datum v, std::string& out, EvalContext& ctx) {
  std::string s;
  type_output(type, v, s, ctx);
  bool quote = s.empty();
  for (char ch : s) quote |= ch == '"' || ch == '\\' || ch == '(' || ch == ')' || ch == '[' || ch == ']' || ch == ',' || is_array_space(ch);
  if (!quote) {
    out += s;
    return;
  }
  out += '"';
  for (char ch : s) {
    if (ch == '"' || ch == '\\') out += ch;
    out += ch;
  }
  out += '"';
}
void append_range(const Range& r, std::string& out, EvalContext& ctx) {
  if (r.empty) {
    out += "empty";
    return;
  }
  out += r.lower.inclusive ? '[' : '(';
  if (!r.lower.infinite) append_bound(r.type.element.type, r.lower.value, out, ctx);
  out += ',';
  if (!r.upper.infinite) append_bound(r.type.element.type, r.upper.value, out, ctx);
  out += r.upper.inclusive ? ']' : ')';
}
Datum range_out(FnCall& c) {
  std::string out;
  append_range(range_of(c.arg(0)), out, *c.context);
  return c.text(out);
}

void send_range(const Range& r, std::string& out, EvalContext& ctx) {
  uint8_t flags = r.empty ? kRangeEmpty
                          : static_cast<uint8_t>((r.lower.inclusive ? kRangeLowerInclusive : 0) | (r.upper.inclusive ? kRangeUpperInclusive : 0) |
                                                 (r.lower.infinite ? kRangeLowerInfinite : 0) | (r.upper.infinite ? kRangeUpperInfinite : 0));
  out.push_back(static_cast<char>(flags));
  if (r.empty) return;
  for (const RangeBound* b : {&r.lower, &r.upper}) {
    if (b->infinite) continue;
    size_t at = out.size();
    put_be32(out, 0);
    type_send(r.type.element.type, b->value, out, ctx);
    store_be32(out.data() + at, static_cast<uint32_t>(out.size() - at - 4));
  }
}
Range receive_range(Reader& in, RangeType type, FnCall& c) {
  auto bad = [] { throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message"); };
  std::string_view f = in.bytes(1);
  if (!in.ok()) bad();
  uint8_t flags = static_cast<uint8_t>(f[0]);
  Range empty;
  empty.type = type;
  if (flags & kRangeEmpty) return empty;
  RangeBound lower, upper;
  lower.infinite = flags & kRangeLowerInfinite;
  upper.infinite = flags & kRangeUpperInfinite;
  lower.inclusive = flags & kRangeLowerInclusive;
  upper.inclusive = flags & kRangeUpperInclusive;
  for (RangeBound* b : {&lower, &upper}) {
    if (b->infinite) continue;
    uint32_t n = in.be32();
    std::string_view bytes = in.bytes(n);
    if (!in.ok()) bad();
    b->value = type_receive(type.element.type, bytes, -1, *c.arena, *c.context);
  }
  return make_range(type, lower, upper);
}

// ---- multiranges

RangeType member_type(Oid multirange, EvalContext* ctx) {
  for (const auto& row : builtin::rows("pg_range"))
    if (static_cast<Oid>(std::stoul(row[2])) == multirange) return range_type(static_cast<Oid>(std::stoul(row[0])), ctx);
  return range_type(ctx->catalog->type_facts(multirange).element, ctx);
}
Datum multirange_in(FnCall& c) {
  std::string_view s = c.text_arg(0);
  Oid type = c.arg(1).as_oid();
  RangeType range = member_type(type, c.context);
  RangeParser p(s, range, c.nargs > 2 ? static_cast<int32_t>(c.int_arg(2)) : -1, c, s, "multirange");
  size_t i = 0;
  p.spaces(i);
  if (i >= s.size() || s[i] != '{') p.fail("Missing left brace.");
  ++i;
  std::vector<Range> ranges;
  p.spaces(i);
  if (i < s.size() && s[i] == '}') {
    ++i;
  } else {
    for (;;) {
      p.spaces(i);
      if (i >= s.size()) p.fail("Unexpected end of input.");
      if (s[i] != '[' && s[i] != '(' && strncasecmp(s.data() + i, "empty", std::min<size_t>(5, s.size() - i)) != 0)
        p.fail("Expected range start.");
      if (s[i] == '[' || s[i] == '(') {
        // Errors inside a range are about it alone.
        size_t end = i + 1;
        for (bool quoted = false;; ++end) {
          if (end < s.size() && s[end] == '\\') ++end;
          else if (end < s.size() && s[end] == '"') quoted = !quoted;
          else if (end < s.size() && !quoted && (s[end] == ')' || s[end] == ']')) break;
          if (end >= s.size()) p.fail("Unexpected end of input.");
        }
        const std::string_view one = s.substr(i, end - i + 1);
        size_t from = 0;
        ranges.push_back(RangeParser(one, range, c.nargs > 2 ? static_cast<int32_t>(c.int_arg(2)) : -1, c, one, "range").parse(from));
        i = end + 1;
        p.spaces(i);
      } else {
        ranges.push_back(p.parse(i));
      }
      if (i >= s.size()) p.fail("Unexpected end of input.");
      if (s[i] == '}') {
        ++i;
        break;
      }
      if (s[i] != ',') p.fail("Expected comma or end of multirange.");
      ++i;
    }
  }
  p.spaces(i);
  if (i != s.size()) p.fail("Junk after closing right brace.");
  return multirange_datum(type, range, std::move(ranges), *c.arena);
}
Datum multirange_out(FnCall& c) {
  std::string out = "{";
  for (const Range& r : multirange_of(c.arg(0))) {
    if (out.size() > 1) out += ',';
    append_range(r, out, *c.context);
  }
  return c.text(out + "}");
}
Datum multirange_send(FnCall& c) {
  std::string out;
  std::vector<Range> ranges = multirange_of(c.arg(0));
  put_be32(out, static_cast<uint32_t>(ranges.size()));
  for (const Range& r : ranges) {
    size_t at = out.size();
    put_be32(out, 0);
    send_range(r, out, *c.context);
    store_be32(out.data() + at, static_cast<uint32_t>(out.size() - at - 4));
  }
  return c.text(out);
}
Datum multirange_recv(FnCall& c) {
  Reader in(c.text_arg(0));
  RangeType range = member_type(c.arg(1).as_oid(), c.context);
  uint32_t n = in.be32();
  std::vector<Range> ranges;
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    Reader one(in.bytes(in.be32()));
    if (!in.ok()) break;
    ranges.push_back(receive_range(one, range, c));
  }
  if (!in.ok()) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  return multirange_datum(c.arg(1).as_oid(), range, std::move(ranges), *c.arena);
}

// ---- construction

Datum construct(FnCall& c) {
  RangeType type = range_type(c.result_type, c.context);
  RangeBound lower, upper;
  lower.infinite = c.is_null(0);
  upper.infinite = c.is_null(1);
  lower.value = c.arg(0);
  upper.value = c.arg(1);
  lower.inclusive = true;
  if (c.nargs > 2) {
    if (c.is_null(2)) throw Error(ErrorCode::kDataException, "range constructor flags argument must not be null");
    std::string_view f = c.text_arg(2);
    if (f.size() != 2 || (f[0] != '[' && f[0] != '(') || (f[1] != ']' && f[1] != ')'))
      throw Error(ErrorCode::kSyntaxError, "invalid range bound flags")
          .hint("Valid values are \"[]\", \"[)\", \"(]\", and \"()\".");
    lower.inclusive = f[0] == '[';
    upper.inclusive = f[1] == ']';
  }
  return range_datum(make_range(type, lower, upper), *c.arena);
}

// Either kind of argument as disjoint ranges; an empty range is none.
std::vector<Range> parts(FnCall& c, int i, bool multi) {
  if (multi) return multirange_of(c.arg(i));
  Range r = range_of(c.arg(i));
  return r.empty ? std::vector<Range>{} : std::vector<Range>{r};
}
bool overlaps(const std::vector<Range>& a, const std::vector<Range>& b) {
  size_t i = 0, k = 0;
  while (i < a.size() && k < b.size()) {
    if (range_overlaps(a[i], b[k])) return true;
    if (compare_bounds(a[i], a[i].upper, b[k].upper) < 0) ++i;
    else ++k;
  }
  return false;
}
bool contains(const std::vector<Range>& a, const std::vector<Range>& b) {
  for (const Range& r : b) {
    bool inside = false;
    for (const Range& w : a) inside = inside || range_contains(w, r);
    if (!inside) return false;
  }
  return true;
}
bool before(const std::vector<Range>& a, const std::vector<Range>& b) {
  return !a.empty() && !b.empty() && compare_bounds(a[0], a.back().upper, b.front().lower) < 0;
}
bool adjacent(const std::vector<Range>& a, const std::vector<Range>& b) {
  if (a.empty() || b.empty()) return false;
  return bounds_adjacent(a[0], a.back().upper, b.front().lower) || bounds_adjacent(a[0], b.back().upper, a.front().lower);
}
bool overleft(const std::vector<Range>& a, const std::vector<Range>& b) {
  return !a.empty() && !b.empty() && compare_bounds(a[0], a.back().upper, b.back().upper) <= 0;
}
bool overright(const std::vector<Range>& a, const std::vector<Range>& b) {
  return !a.empty() && !b.empty() && compare_bounds(a[0], a.front().lower, b.front().lower) >= 0;
}

Range intersect(const Range& a, const Range& b) {
  Range r;
  r.type = a.type;
  if (!range_overlaps(a, b)) return r;
  r.empty = false;
  r.lower = compare_bounds(a, a.lower, b.lower) >= 0 ? a.lower : b.lower;
  r.upper = compare_bounds(a, a.upper, b.upper) <= 0 ? a.upper : b.upper;
  return r;
}
std::vector<Range> intersect(const std::vector<Range>& a, const std::vector<Range>& b) {
  std::vector<Range> out;
  for (const Range& x : a)
    for (const Range& y : b) {
      Range r = intersect(x, y);
      if (!r.empty) out.push_back(r);
    }
  return out;
}
// The pieces of a that are not in b.
std::vector<Range> minus(const Range& a, const Range& b) {
  if (!range_overlaps(a, b)) return a.empty ? std::vector<Range>{} : std::vector<Range>{a};
  std::vector<Range> out;
  if (compare_bounds(a, a.lower, b.lower) < 0) {
    RangeBound end = b.lower;
    end.inclusive = !end.inclusive;
    Range r = make_range(a.type, a.lower, end);
    if (!r.empty) out.push_back(r);
  }
  if (compare_bounds(a, a.upper, b.upper) > 0) {
    RangeBound start = b.upper;
    start.inclusive = !start.inclusive;
    Range r = make_range(a.type, start, a.upper);
    if (!r.empty) out.push_back(r);
  }
  return out;
}
std::vector<Range> minus(const std::vector<Range>& a, const std::vector<Range>& b) {
  std::vector<Range> out = a;
  for (const Range& y : b) {
    std::vector<Range> next;
    for (const Range& x : out)
      for (const Range& r : minus(x, y)) next.push_back(r);
    out = std::move(next);
  }
  return out;
}
Range hull(const Range& a, const Range& b) {
  if (a.empty) return b;
  if (b.empty) return a;
  Range r = a;
  if (compare_bounds(a, b.lower, a.lower) < 0) r.lower = b.lower;
  if (compare_bounds(a, b.upper, a.upper) > 0) r.upper = b.upper;
  return r;
}

template <bool (*F)(const std::vector<Range>&, const std::vector<Range>&), bool kA, bool kB, bool kSwap = false>
Datum relation(FnCall& c) {
  std::vector<Range> a = parts(c, 0, kA), b = parts(c, 1, kB);
  return Datum::from_bool(kSwap ? F(b, a) : F(a, b));
}
// Registers the four shapes "range_x_range" ... under PostgreSQL's names.
template <bool (*F)(const std::vector<Range>&, const std::vector<Range>&), bool kSwap = false>
void add_relation(FunctionRegistry& r, const char* rr, const char* rm, const char* mr, const char* mm) {
  r.add(rr, relation<F, false, false, kSwap>);
  r.add(rm, relation<F, false, true, kSwap>);
  r.add(mr, relation<F, true, false, kSwap>);
  r.add(mm, relation<F, true, true, kSwap>);
}

template <bool kMulti>
Datum end_of(FnCall& c, bool lower) {
  std::vector<Range> v = parts(c, 0, kMulti);
  if (v.empty()) return c.null();
  const RangeBound& b = lower ? v.front().lower : v.back().upper;
  if (b.infinite) return c.null();
  return copy_datum(v[0].type.element.width > 0, b.value, *c.arena);
}
template <bool kMulti, bool kLower, bool kInclusive>
Datum flag(FnCall& c) {
  std::vector<Range> v = parts(c, 0, kMulti);
  if (v.empty()) return Datum::from_bool(false);
  const RangeBound& b = kLower ? v.front().lower : v.back().upper;
  return Datum::from_bool(kInclusive ? b.inclusive : b.infinite);
}

Datum make_multi(FnCall& c, std::vector<Range> ranges) {
  return multirange_datum(c.result_type, member_type(c.result_type, c.context), std::move(ranges), *c.arena);
}

class UnnestMultirange : public SetRows {
 public:
  explicit UnnestMultirange(FnCall& c) : value_(copy_datum(false, c.arg(0), arena_)), ranges_(multirange_of(value_)) {}
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= ranges_.size()) return false;
    out[0] = range_datum(ranges_[at_++], *c.arena);
    nulls[0] = false;
    return true;
  }

 private:
  Arena arena_;
  Datum value_;
  std::vector<Range> ranges_;
  size_t at_ = 0;
};

// range_agg(range | multirange) and range_intersect_agg.
template <bool kMulti>
class RangeAgg : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (c.is_null(0)) return;
    any_ = true;
    Datum d = copy_datum(false, c.arg(0), arena_);
    if (kMulti) {
      for (const Range& r : multirange_of(d)) ranges_.push_back(r);
    } else {
      ranges_.push_back(range_of(d));
    }
  }
  Datum finish(FnCall& c) override {
    if (!any_) return c.null();
    return make_multi(c, ranges_);
  }
  size_t bytes() const override { return sizeof *this + arena_.bytes() + ranges_.capacity() * sizeof(Range); }

 private:
  Arena arena_;
  std::vector<Range> ranges_;
  bool any_ = false;
};
template <bool kMulti>
class RangeIntersectAgg : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (c.is_null(0)) return;
    Datum d = copy_datum(false, c.arg(0), arena_);
    std::vector<Range> v = kMulti ? multirange_of(d) : std::vector<Range>{range_of(d)};
    type_ = kMulti ? RangeType{} : v[0].type;
    current_ = any_ ? intersect(current_, v) : v;
    any_ = true;
  }
  Datum finish(FnCall& c) override {
    if (!any_) return c.null();
    if (kMulti) return make_multi(c, current_);
    Range empty;
    empty.type = type_;
    return range_datum(current_.empty() ? empty : current_[0], *c.arena);
  }

 private:
  Arena arena_;
  std::vector<Range> current_;
  RangeType type_;
  bool any_ = false;
};
template <typename T>
std::unique_ptr<AggregateState> make_state(FnCall&) { return std::make_unique<T>(); }

int compare_range_args(FnCall& c) { return compare_ranges(range_of(c.arg(0)), range_of(c.arg(1))); }
int compare_multi_args(FnCall& c) { return type_ops(oid::kAnyMultirange).compare(c.arg(0), c.arg(1), 0); }

template <int (*F)(FnCall&)>
void add_comparison(FunctionRegistry& r, const std::array<const char*, 7>& n) {
  r.add(n[0], [](FnCall& c) { return Datum::from_bool(F(c) == 0); });
  r.add(n[1], [](FnCall& c) { return Datum::from_bool(F(c) != 0); });
  r.add(n[2], [](FnCall& c) { return Datum::from_bool(F(c) < 0); });
  r.add(n[3], [](FnCall& c) { return Datum::from_bool(F(c) <= 0); });
  r.add(n[4], [](FnCall& c) { return Datum::from_bool(F(c) > 0); });
  r.add(n[5], [](FnCall& c) { return Datum::from_bool(F(c) >= 0); });
  r.add(n[6], [](FnCall& c) { return Datum::from_int(F(c)); });
}

}  // namespace

void register_range_functions(FunctionRegistry& r) {
  r.add("range_in", range_in);
  r.add("range_out", range_out);
  r.add("anyrange_out", range_out);
  r.add("anycompatiblerange_out", range_out);
  r.add("range_send", [](FnCall& c) {
    std::string out;
    send_range(range_of(c.arg(0)), out, *c.context);
    return c.text(out);
  });
  r.add("range_recv", [](FnCall& c) {
    Reader in(c.text_arg(0));
    return range_datum(receive_range(in, range_type(c.arg(1).as_oid(), c.context), c), *c.arena);
  });
  r.add("multirange_in", multirange_in);
  r.add("multirange_out", multirange_out);
  r.add("anymultirange_out", multirange_out);
  r.add("anycompatiblemultirange_out", multirange_out);
  r.add("multirange_send", multirange_send);
  r.add("multirange_recv", multirange_recv);
  r.add("range_constructor2", construct);
  r.add("range_constructor3", construct);
  r.add("multirange_constructor0", [](FnCall& c) { return make_multi(c, {}); });
  r.add("multirange_constructor1", [](FnCall& c) { return make_multi(c, {range_of(c.arg(0))}); });
  r.add("multirange_constructor2", [](FnCall& c) {
    ArrayView a(c.arg(0));
    if (a.ndim() > 1) throw Error(ErrorCode::kCardinalityViolation, "multiranges cannot be constructed from multidimensional arrays");
    std::vector<Range> ranges;
    for (int i = 0; i < a.count(); ++i) {
      if (a.is_null(i)) throw Error(ErrorCode::kNullValueNotAllowed, "multirange values cannot contain null members");
      ranges.push_back(range_of(a.get(i)));
    }
    return make_multi(c, std::move(ranges));
  });

  for (const char* n : {"int4range_subdiff", "int8range_subdiff"})
    r.add(n, [](FnCall& c) {
      return Datum::from_double(static_cast<double>(c.int_arg(0)) - static_cast<double>(c.int_arg(1)));
    });
  r.add("daterange_subdiff", [](FnCall& c) { return Datum::from_double(static_cast<double>(c.int_arg(0) - c.int_arg(1))); });
  for (const char* n : {"tsrange_subdiff", "tstzrange_subdiff"})
    r.add(n, [](FnCall& c) {
      return Datum::from_double((static_cast<double>(c.int_arg(0)) - static_cast<double>(c.int_arg(1))) / 1e6);
    });
  r.add("numrange_subdiff", [](FnCall& c) {
    return Datum::from_double(numeric_to_double(numeric_sub(c.arg(0), c.arg(1), *c.arena)));
  });
  // Ranges are canonical from the start.
  for (const char* n : {"int4range_canonical", "int8range_canonical", "daterange_canonical"})
    r.add(n, [](FnCall& c) { return c.arg(0); });

  r.add("range_lower", [](FnCall& c) { return end_of<false>(c, true); });
  r.add("range_upper", [](FnCall& c) { return end_of<false>(c, false); });
  r.add("multirange_lower", [](FnCall& c) { return end_of<true>(c, true); });
  r.add("multirange_upper", [](FnCall& c) { return end_of<true>(c, false); });
  r.add("range_empty", [](FnCall& c) { return Datum::from_bool(range_of(c.arg(0)).empty); });
  r.add("multirange_empty", [](FnCall& c) { return Datum::from_bool(multirange_of(c.arg(0)).empty()); });
  r.add("range_lower_inc", flag<false, true, true>);
  r.add("range_upper_inc", flag<false, false, true>);
  r.add("range_lower_inf", flag<false, true, false>);
  r.add("range_upper_inf", flag<false, false, false>);
  r.add("multirange_lower_inc", flag<true, true, true>);
  r.add("multirange_upper_inc", flag<true, false, true>);
  r.add("multirange_lower_inf", flag<true, true, false>);
  r.add("multirange_upper_inf", flag<true, false, false>);

  add_comparison<compare_range_args>(r, {"range_eq", "range_ne", "range_lt", "range_le", "range_gt", "range_ge", "range_cmp"});
  add_comparison<compare_multi_args>(r, {"multirange_eq", "multirange_ne", "multirange_lt", "multirange_le", "multirange_gt", "multirange_ge", "multirange_cmp"});

  add_relation<overlaps>(r, "range_overlaps", "range_overlaps_multirange", "multirange_overlaps_range", "multirange_overlaps_multirange");
  add_relation<contains>(r, "range_contains", "range_contains_multirange", "multirange_contains_range", "multirange_contains_multirange");
  add_relation<contains, true>(r, "range_contained_by", "range_contained_by_multirange", "multirange_contained_by_range", "multirange_contained_by_multirange");
  add_relation<adjacent>(r, "range_adjacent", "range_adjacent_multirange", "multirange_adjacent_range", "multirange_adjacent_multirange");
  add_relation<before>(r, "range_before", "range_before_multirange", "multirange_before_range", "multirange_before_multirange");
  add_relation<before, true>(r, "range_after", "range_after_multirange", "multirange_after_range", "multirange_after_multirange");
  add_relation<overleft>(r, "range_overleft", "range_overleft_multirange", "multirange_overleft_range", "multirange_overleft_multirange");
  add_relation<overright>(r, "range_overright", "range_overright_multirange", "multirange_overright_range", "multirange_overright_multirange");
  r.add("range_contains_elem", [](FnCall& c) { return Datum::from_bool(range_contains_value(range_of(c.arg(0)), c.arg(1))); });
  r.add("elem_contained_by_range", [](FnCall& c) { return Datum::from_bool(range_contains_value(range_of(c.arg(1)), c.arg(0))); });
  r.add("multirange_contains_elem", [](FnCall& c) {
    for (const Range& m : multirange_of(c.arg(0)))
      if (range_contains_value(m, c.arg(1))) return Datum::from_bool(true);
    return Datum::from_bool(false);
  });
  r.add("elem_contained_by_multirange", [](FnCall& c) {
    for (const Range& m : multirange_of(c.arg(1)))
      if (range_contains_value(m, c.arg(0))) return Datum::from_bool(true);
    return Datum::from_bool(false);
  });

  r.add("range_union", [](FnCall& c) {
    Range a = range_of(c.arg(0)), b = range_of(c.arg(1));
    if (!a.empty && !b.empty && !range_overlaps(a, b) && !bounds_adjacent(a, a.upper, b.lower) && !bounds_adjacent(a, b.upper, a.lower))
      throw Error(ErrorCode::kDataException, "result of range union would not be contiguous");
    return range_datum(hull(a, b), *c.arena);
  });
  r.add("range_merge", [](FnCall& c) { return range_datum(hull(range_of(c.arg(0)), range_of(c.arg(1))), *c.arena); });
  r.add("range_intersect", [](FnCall& c) { return range_datum(intersect(range_of(c.arg(0)), range_of(c.arg(1))), *c.arena); });
  r.add("range_minus", [](FnCall& c) {
    Range a = range_of(c.arg(0));
    std::vector<Range> v = minus(a, range_of(c.arg(1)));
    if (v.size() > 1) throw Error(ErrorCode::kDataException, "result of range difference would not be contiguous");
    Range empty;
    empty.type = a.type;
    return range_datum(v.empty() ? empty : v[0], *c.arena);
  });
  r.add("range_merge_from_multirange", [](FnCall& c) {
    std::vector<Range> v = multirange_of(c.arg(0));
    Range out;
    out.type = range_type(c.result_type, c.context);
    for (const Range& x : v) out = hull(out, x);
    return range_datum(out, *c.arena);
  });
  r.add("multirange_union", [](FnCall& c) {
    std::vector<Range> v = multirange_of(c.arg(0));
    for (const Range& x : multirange_of(c.arg(1))) v.push_back(x);
    return make_multi(c, std::move(v));
  });
  r.add("multirange_intersect", [](FnCall& c) { return make_multi(c, intersect(multirange_of(c.arg(0)), multirange_of(c.arg(1)))); });
  r.add("multirange_minus", [](FnCall& c) { return make_multi(c, minus(multirange_of(c.arg(0)), multirange_of(c.arg(1)))); });
  r.add_set("multirange_unnest", [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<UnnestMultirange>(c); });
  r.add_aggregate("range_agg/anyrange", make_state<RangeAgg<false>>);
  r.add_aggregate("range_agg/anymultirange", make_state<RangeAgg<true>>);
  r.add_aggregate("range_intersect_agg/anyrange", make_state<RangeIntersectAgg<false>>);
  r.add_aggregate("range_intersect_agg/anymultirange", make_state<RangeIntersectAgg<true>>);
}

}  // namespace stele

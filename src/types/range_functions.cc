// Operators, constructors and aggregates of ranges and multiranges. A range is treated as a
// multirange of one, so that each relation is written once.
#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/datetime.h"
#include "types/function_helpers.h"
#include "types/numeric.h"
#include "types/oids.h"
#include "types/range.h"
#include "types/type_ops.h"

namespace stele {

namespace {

struct Operand {
  RangeType type;
  std::vector<Range> ranges;  // no empty ones
  bool empty() const { return ranges.empty(); }
  const Range& first() const { return ranges.front(); }
  const Range& last() const { return ranges.back(); }
};
Operand range_operand(FnCall& c, int i) {
  Operand o;
  const char* p = c.arg(i).as_varlena()->data;
  RangeHead h;
  std::memcpy(&h, p, sizeof h);
  o.type = {h.type, 0, h.subtype, h.by_value != 0};
  Range r = read_range(p);
  if (!r.empty) o.ranges.push_back(r);
  return o;
}
Operand multi_operand(FnCall& c, int i) {
  Operand o;
  MultirangeHead h;
  std::memcpy(&h, c.arg(i).as_varlena()->data, sizeof h);
  o.type = {h.range_type, h.type, h.subtype, passed_by_value(h.subtype)};
  o.ranges = read_multirange(c.arg(i));
  return o;
}
// Kind: 'r' range, 'm' multirange.
template <char Kind>
Operand operand(FnCall& c, int i) {
  Operand o = Kind == 'r' ? range_operand(c, i) : multi_operand(c, i);
  if (Kind == 'm' && !o.ranges.empty()) {
    // by_value of users' subtypes is known from the ranges themselves.
    const char* p = c.arg(i).as_varlena()->data;
    uint32_t at;
    std::memcpy(&at, p + sizeof(MultirangeHead), 4);
    RangeHead h;
    std::memcpy(&h, p + at, sizeof h);
    o.type.by_value = h.by_value != 0;
  }
  return o;
}

int cmp(const RangeType& t, const RangeBound& a, const RangeBound& b) { return compare_bounds(t, a, b); }
bool overlaps(const RangeType& t, const Range& a, const Range& b) { return cmp(t, a.lower, b.upper) <= 0 && cmp(t, b.lower, a.upper) <= 0; }
bool contains(const RangeType& t, const Range& a, const Range& b) { return cmp(t, a.lower, b.lower) <= 0 && cmp(t, a.upper, b.upper) >= 0; }
// An upper bound of one and a lower bound of the other that leave nothing between them.
bool bounds_touch(const RangeType& t, const RangeBound& upper, const RangeBound& lower) {
  if (upper.infinite || lower.infinite) return false;
  int c = type_ops(t.subtype).compare(upper.value, lower.value, oid::kDefaultCollation);
  if (c == 0) return upper.inclusive != lower.inclusive;
  if (c > 0) return false;
  // A gap that a canonical discrete range would close.
  Range gap;
  gap.empty = false;
  gap.lower = upper;
  gap.lower.lower = true;
  gap.lower.inclusive = !upper.inclusive;
  gap.upper = lower;
  gap.upper.lower = false;
  gap.upper.inclusive = !lower.inclusive;
  return normalize_range(t, gap).empty;
}

bool before(const Operand& a, const Operand& b) { return !a.empty() && !b.empty() && cmp(a.type, a.last().upper, b.first().lower) < 0; }
bool after(const Operand& a, const Operand& b) { return before(b, a); }
bool overleft(const Operand& a, const Operand& b) { return !a.empty() && !b.empty() && cmp(a.type, a.last().upper, b.last().upper) <= 0; }
bool overright(const Operand& a, const Operand& b) { return !a.empty() && !b.empty() && cmp(a.type, a.first().lower, b.first().lower) >= 0; }
bool overlap(const Operand& a, const Operand& b) {
  for (const Range& x : a.ranges)
    for (const Range& y : b.ranges)
      if (overlaps(a.type, x, y)) return true;
  return false;
}
bool contain(const Operand& a, const Operand& b) {
  for (const Range& y : b.ranges) {
    bool found = false;
    for (const Range& x : a.ranges) found = found || contains(a.type, x, y);
    if (!found) return false;
  }
  return true;
}
bool contained(const Operand& a, const Operand& b) { return contain(b, a); }
bool adjacent(const Operand& a, const Operand& b) {
  if (a.empty() || b.empty()) return false;
  return bounds_touch(a.type, a.last().upper, b.first().lower) || bounds_touch(a.type, b.last().upper, a.first().lower);
}
template <char A, char B, bool (*F)(const Operand&, const Operand&)>
Datum relation(FnCall& c) { return Datum::from_bool(F(operand<A>(c, 0), operand<B>(c, 1))); }

template <char Kind>
bool has_element(FnCall& c, int set, int element) {
  Operand o = operand<Kind>(c, set);
  RangeBound low{c.arg(element), false, true, true}, high{c.arg(element), false, true, false};
  for (const Range& r : o.ranges)
    if (cmp(o.type, r.lower, low) <= 0 && cmp(o.type, r.upper, high) >= 0) return true;
  return false;
}

template <char Kind, bool Lower>
Datum bound_value(FnCall& c) {
  Operand o = operand<Kind>(c, 0);
  if (o.empty()) return c.null();
  const RangeBound& b = Lower ? o.first().lower : o.last().upper;
  if (b.infinite) return c.null();
  return b.value;
}
template <char Kind, bool Lower, bool Infinite>
Datum bound_flag(FnCall& c) {
  Operand o = operand<Kind>(c, 0);
  if (o.empty()) return Datum::from_bool(false);
  const RangeBound& b = Lower ? o.first().lower : o.last().upper;
  return Datum::from_bool(Infinite ? b.infinite : b.inclusive);
}

RangeBound flip(RangeBound b) {
  b.lower = !b.lower;
  b.inclusive = !b.inclusive;
  return b;
}
// What of a lies outside b.
std::vector<Range> subtract(const RangeType& t, const Range& a, const Range& b) {
  if (!overlaps(t, a, b)) return {a};
  std::vector<Range> out;
  if (cmp(t, a.lower, b.lower) < 0) {
    Range left = a;
    left.upper = flip(b.lower);
    out.push_back(left);
  }
  if (cmp(t, a.upper, b.upper) > 0) {
    Range right = a;
    right.lower = flip(b.upper);
    out.push_back(right);
  }
  return out;
}
std::vector<Range> subtract(const Operand& a, const Operand& b) {
  std::vector<Range> left = a.ranges;
  for (const Range& y : b.ranges) {
    std::vector<Range> rest;
    for (const Range& x : left)
      for (const Range& part : subtract(a.type, x, y)) rest.push_back(part);
    left = std::move(rest);
  }
  return left;
}
std::vector<Range> intersect(const Operand& a, const Operand& b) {
  std::vector<Range> out;
  for (const Range& x : a.ranges)
    for (const Range& y : b.ranges) {
      if (!overlaps(a.type, x, y)) continue;
      Range r;
      r.empty = false;
      r.lower = cmp(a.type, x.lower, y.lower) >= 0 ? x.lower : y.lower;
      r.upper = cmp(a.type, x.upper, y.upper) <= 0 ? x.upper : y.upper;
      out.push_back(r);
    }
  return out;
}
Range hull(const RangeType& t, const Range& a, const Range& b) {
  Range r;
  r.empty = false;
  r.lower = cmp(t, a.lower, b.lower) <= 0 ? a.lower : b.lower;
  r.upper = cmp(t, a.upper, b.upper) >= 0 ? a.upper : b.upper;
  return r;
}
Datum one(const RangeType& t, const std::vector<Range>& ranges, FnCall& c) {
  return make_range(t, ranges.empty() ? Range() : ranges[0], *c.arena);
}

Datum range_minus(FnCall& c) {
  Operand a = operand<'r'>(c, 0), b = operand<'r'>(c, 1);
  if (a.empty() || b.empty()) return c.arg(0);
  auto rest = subtract(a, b);
  if (rest.size() > 1) throw Error(ErrorCode::kDataException, "result of range difference would not be contiguous");
  return one(a.type, rest, c);
}
Datum range_union(FnCall& c, bool strict) {
  Operand a = operand<'r'>(c, 0), b = operand<'r'>(c, 1);
  if (a.empty()) return c.arg(1);
  if (b.empty()) return c.arg(0);
  if (strict && !overlap(a, b) && !adjacent(a, b))
    throw Error(ErrorCode::kDataException, "result of range union would not be contiguous");
  return make_range(a.type, hull(a.type, a.first(), b.first()), *c.arena);
}

RangeType result_type_of(FnCall& c) { return range_type(c.result_type, c.context); }
Datum constructor(FnCall& c) {
  RangeType t = result_type_of(c);
  Range r;
  r.empty = false;
  r.lower.inclusive = true;
  if (c.nargs > 2) {
    if (c.is_null(2)) throw Error(ErrorCode::kDataException, "range constructor flags argument must not be null");
    std::string_view f = c.text_arg(2);
    if (f.size() != 2 || (f[0] != '[' && f[0] != '(') || (f[1] != ']' && f[1] != ')'))
      throw Error(ErrorCode::kSyntaxError, "invalid range bound flags").hint("Valid values are \"[]\", \"[)\", \"(]\", and \"()\".");
    r.lower.inclusive = f[0] == '[';
    r.upper.inclusive = f[1] == ']';
  }
  r.lower.infinite = c.is_null(0);
  r.lower.value = c.arg(0);
  r.upper.infinite = c.is_null(1);
  r.upper.value = c.arg(1);
  return make_range(t, r, *c.arena);
}
Datum multirange_of_array(FnCall& c) {
  RangeType t = result_type_of(c);
  ArrayView a(c.arg(0));
  if (a.ndim() > 1) throw Error(ErrorCode::kCardinalityViolation, "multiranges cannot be constructed from multidimensional arrays");
  std::vector<Range> ranges;
  for (int i = 0; i < a.count(); ++i) {
    if (a.is_null(i)) throw Error(ErrorCode::kNullValueNotAllowed, "multirange values cannot contain null members");
    ranges.push_back(read_range(a.get(i)));
  }
  return make_multirange(t, std::move(ranges), *c.arena);
}

class Unnest : public SetRows {
 public:
  explicit Unnest(FnCall& c) {
    copy_ = make_bytes(arena_, c.text_arg(0));
    MultirangeHead h;
    std::memcpy(&h, copy_.as_varlena()->data, sizeof h);
    ranges_ = read_multirange(copy_);
    type_ = range_type(h.range_type, c.context);
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= ranges_.size()) return false;
    *out = make_range(type_, ranges_[at_++], *c.arena);
    *nulls = false;
    return true;
  }

 private:
  Arena arena_;
  Datum copy_;
  RangeType type_;
  std::vector<Range> ranges_;
  size_t at_ = 0;
};

// range_agg and range_intersect_agg.
template <char Kind, bool Intersect>
class RangeAggregate : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (c.is_null(0)) return;
    type_ = range_type(c.arg_types[0], c.context);
    Datum copy = make_bytes(arena_, c.text_arg(0));
    FnCall inner = c;
    inner.args = &copy;
    Operand o = operand<Kind>(inner, 0);
    if (Intersect && any_) {
      Operand mine{o.type, ranges_};
      ranges_ = intersect(mine, o);
    } else {
      ranges_.insert(ranges_.end(), o.ranges.begin(), o.ranges.end());
    }
    any_ = true;
  }
  Datum finish(FnCall& c) override {
    if (!any_) return c.null();
    if (Intersect && Kind == 'r') return one(type_, ranges_, c);
    return make_multirange(type_, ranges_, *c.arena);
  }
  size_t bytes() const override { return 64 + arena_.bytes() + ranges_.capacity() * sizeof(Range); }

 private:
  Arena arena_;
  RangeType type_;
  std::vector<Range> ranges_;
  bool any_ = false;
};
template <char Kind, bool Intersect>
std::unique_ptr<AggregateState> aggregate(FnCall&) { return std::make_unique<RangeAggregate<Kind, Intersect>>(); }

int cmp_range(FnCall& c) { return type_ops(oid::kAnyRange).compare(c.arg(0), c.arg(1), 0); }
int cmp_multirange(FnCall& c) { return type_ops(oid::kAnyMultirange).compare(c.arg(0), c.arg(1), 0); }

template <bool (*F)(const Operand&, const Operand&)>
void add_relation(FunctionRegistry& r, const std::string& name) {
  r.add(keep_name("range_" + name), relation<'r', 'r', F>);
  r.add(keep_name("range_" + name + "_multirange"), relation<'r', 'm', F>);
  r.add(keep_name("multirange_" + name + "_range"), relation<'m', 'r', F>);
  r.add(keep_name("multirange_" + name + "_multirange"), relation<'m', 'm', F>);
}
template <char Kind>
void add_bounds(FunctionRegistry& r, const std::string& p) {
  r.add(keep_name(p + "lower"), bound_value<Kind, true>);
  r.add(keep_name(p + "upper"), bound_value<Kind, false>);
  r.add(keep_name(p + "lower_inc"), bound_flag<Kind, true, false>);
  r.add(keep_name(p + "upper_inc"), bound_flag<Kind, false, false>);
  r.add(keep_name(p + "lower_inf"), bound_flag<Kind, true, true>);
  r.add(keep_name(p + "upper_inf"), bound_flag<Kind, false, true>);
  r.add(keep_name(p + "empty"), [](FnCall& c) { return Datum::from_bool(operand<Kind>(c, 0).empty()); });
}

}  // namespace

void register_range_io_functions(FunctionRegistry&);  // range.cc

void register_range_functions(FunctionRegistry& r) {
  register_range_io_functions(r);
  add_comparisons<cmp_range>(r, "range_");
  add_comparisons<cmp_multirange>(r, "multirange_");
  add_relation<before>(r, "before");
  add_relation<after>(r, "after");
  add_relation<overleft>(r, "overleft");
  add_relation<overright>(r, "overright");
  add_relation<overlap>(r, "overlaps");
  add_relation<contain>(r, "contains");
  add_relation<contained>(r, "contained_by");
  add_relation<adjacent>(r, "adjacent");
  r.add("range_contains_elem", [](FnCall& c) { return Datum::from_bool(has_element<'r'>(c, 0, 1)); });
  r.add("elem_contained_by_range", [](FnCall& c) { return Datum::from_bool(has_element<'r'>(c, 1, 0)); });
  r.add("multirange_contains_elem", [](FnCall& c) { return Datum::from_bool(has_element<'m'>(c, 0, 1)); });
  r.add("elem_contained_by_multirange", [](FnCall& c) { return Datum::from_bool(has_element<'m'>(c, 1, 0)); });
  add_bounds<'r'>(r, "range_");
  add_bounds<'m'>(r, "multirange_");
  r.add("range_constructor2", constructor);
  r.add("range_constructor3", constructor);
  r.add("multirange_constructor0", [](FnCall& c) { return make_multirange(result_type_of(c), {}, *c.arena); });
  r.add("multirange_constructor1", [](FnCall& c) { return make_multirange(result_type_of(c), {read_range(c.arg(0))}, *c.arena); });
  r.add("multirange_constructor2", multirange_of_array);
  r.add("range_minus", range_minus);
  r.add("range_union", [](FnCall& c) { return range_union(c, true); });
  r.add("range_merge", [](FnCall& c) { return range_union(c, false); });
  r.add("range_intersect", [](FnCall& c) {
    Operand a = operand<'r'>(c, 0);
    return one(a.type, intersect(a, operand<'r'>(c, 1)), c);
  });
  r.add("range_merge_from_multirange", [](FnCall& c) {
    Operand a = operand<'m'>(c, 0);
    RangeType t = result_type_of(c);
    return make_range(t, a.empty() ? Range() : hull(t, a.first(), a.last()), *c.arena);
  });
  r.add("multirange_union", [](FnCall& c) {
    Operand a = operand<'m'>(c, 0), b = operand<'m'>(c, 1);
    a.ranges.insert(a.ranges.end(), b.ranges.begin(), b.ranges.end());
    return make_multirange(a.type, a.ranges, *c.arena);
  });
  r.add("multirange_minus", [](FnCall& c) {
    Operand a = operand<'m'>(c, 0), b = operand<'m'>(c, 1);
    if (a.empty() || b.empty()) return c.arg(0);
    return make_multirange(a.type, subtract(a, b), *c.arena);
  });
  r.add("multirange_intersect", [](FnCall& c) {
    Operand a = operand<'m'>(c, 0), b = operand<'m'>(c, 1);
    a.type.by_value = a.empty() ? b.type.by_value : a.type.by_value;
    return make_multirange(a.type, intersect(a, b), *c.arena);
  });
  for (const char* n : {"int4range_canonical", "int8range_canonical", "daterange_canonical"})
    r.add(n, [](FnCall& c) {
      Operand a = operand<'r'>(c, 0);
      return one(a.type, a.ranges, c);
    });
  for (const char* n : {"int4range_subdiff", "int8range_subdiff", "daterange_subdiff"})
    r.add(n, [](FnCall& c) { return Datum::from_double(static_cast<double>(c.int_arg(0)) - static_cast<double>(c.int_arg(1))); });
  for (const char* n : {"tsrange_subdiff", "tstzrange_subdiff"})
    r.add(n, [](FnCall& c) { return Datum::from_double((static_cast<double>(c.int_arg(0)) - static_cast<double>(c.int_arg(1))) / 1e6); });
  r.add("numrange_subdiff", [](FnCall& c) { return Datum::from_double(numeric_to_double(numeric_sub(c.arg(0), c.arg(1), *c.arena))); });
  r.add("hash_range", [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(type_ops(oid::kAnyRange).hash(c.arg(0), 0))); });
  r.add("hash_range_extended", [](FnCall& c) {
    return Datum::from_int(static_cast<int64_t>(type_ops(oid::kAnyRange).hash(c.arg(0), 0) ^ static_cast<uint64_t>(c.int_arg(1))));
  });
  r.add("hash_multirange", [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(type_ops(oid::kAnyMultirange).hash(c.arg(0), 0))); });
  r.add("hash_multirange_extended", [](FnCall& c) {
    return Datum::from_int(static_cast<int64_t>(type_ops(oid::kAnyMultirange).hash(c.arg(0), 0) ^ static_cast<uint64_t>(c.int_arg(1))));
  });
  r.add_set("multirange_unnest", [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<Unnest>(c); });
  r.add_aggregate("range_agg/anyrange", aggregate<'r', false>);
  r.add_aggregate("range_agg/anymultirange", aggregate<'m', false>);
  r.add_aggregate("range_intersect_agg/anyrange", aggregate<'r', true>);
  r.add_aggregate("range_intersect_agg/anymultirange", aggregate<'m', true>);
}

}  // namespace stele

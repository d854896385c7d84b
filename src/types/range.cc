#include "types/range.h"

#include "base/codec.h"
#include "base/error.h"
#include "types/builtin.h"
#include "types/composite_io.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/scalar_io.h"
#include "types/type_io.h"
#include "types/type_registry.h"

namespace stele {
namespace {

const TypeOps& ops_of(const RangeType& t) { return type_ops(t.element.ops_type); }

bool is_discrete(Oid element) {
  return element == oid::kInt4 || element == oid::kInt8 || element == oid::kDate;
}
// The next value of a discrete subtype.
int64_t successor(Oid element, int64_t v) {
  if (element == oid::kDate) {
    // The infinite dates stay where they are.
    if (v == INT32_MAX || v == INT32_MIN) return v;
    if (v + 1 == INT32_MAX) throw Error(ErrorCode::kDatetimeFieldOverflow, "date out of range");
    return v + 1;
  }
  if (element == oid::kInt4 && v == INT32_MAX) int_out_of_range(4);
  if (element == oid::kInt8 && v == INT64_MAX) int_out_of_range(8);
  return v + 1;
}
bool is_finite_date(Oid element, int64_t v) { return element != oid::kDate || (v != INT32_MAX && v != INT32_MIN); }

size_t pad8(size_t n) { return (n + 7) & ~size_t{7}; }

}  // namespace

RangeType range_type(Oid type, EvalContext* ctx) {
  static const auto* subtypes = [] {
    auto* m = new std::unordered_map<Oid, Oid>;
    for (const auto& row : builtin::rows("pg_range"))
      m->emplace(static_cast<Oid>(std::stoul(row[0])), static_cast<Oid>(std::stoul(row[1])));
    return m;
  }();
  auto it = subtypes->find(type);
  if (it != subtypes->end()) return {type, element_info(it->second, nullptr)};
  if (ctx == nullptr || ctx->catalog == nullptr)
    throw Error(ErrorCode::kInternalError, fmt::format("type {} is not a range type", type));
  return {type, element_info(ctx->catalog->type_facts(type).element, ctx)};
}

int compare_bounds(const Range& of, const RangeBound& a, const RangeBound& b) {
  if (a.infinite || b.infinite) {
    if (a.infinite && b.infinite) return a.lower == b.lower ? 0 : a.lower ? -1 : 1;
    if (a.infinite) return a.lower ? -1 : 1;
    return b.lower ? 1 : -1;
  }
  int c = ops_of(of.type).compare(a.value, b.value, oid::kDefaultCollation);
  if (c != 0) return c;
  if (!a.inclusive && !b.inclusive) return a.lower == b.lower ? 0 : a.lower ? 1 : -1;
  if (!a.inclusive) return a.lower ? 1 : -1;
  if (!b.inclusive) return b.lower ? -1 : 1;
  return 0;
}

Range make_range(RangeType type, RangeBound lower, RangeBound upper) {
  Range r;
  r.type = type;
  lower.lower = true;
  upper.lower = false;
  auto is_empty = [&] {
    if (lower.infinite || upper.infinite) return false;
    int c = ops_of(type).compare(lower.value, upper.value, oid::kDefaultCollation);
    if (c > 0)
      throw Error(ErrorCode::kDataException, "range lower bound must be less than or equal to range upper bound");
    return c == 0 && !(lower.inclusive && upper.inclusive);
  };
  if (is_empty()) return r;
  if (is_discrete(type.element.type)) {
    if (!lower.infinite && !lower.inclusive && is_finite_date(type.element.type, lower.value.as_int())) {
      lower.value = Datum::from_int(successor(type.element.type, lower.value.as_int()));
      lower.inclusive = true;
    }
    if (!upper.infinite && upper.inclusive && is_finite_date(type.element.type, upper.value.as_int())) {
      upper.value = Datum::from_int(successor(type.element.type, upper.value.as_int()));
      upper.inclusive = false;
    }
    if (!lower.infinite && !upper.infinite && lower.value.as_int() >= upper.value.as_int() &&
        !(lower.inclusive && upper.inclusive))
      return r;
  }
  if (lower.infinite) lower.inclusive = false;
  if (upper.infinite) upper.inclusive = false;
  r.empty = false;
  r.lower = lower;
  r.upper = upper;
  return r;
}

Range range_of(Datum d) {
  const char* base = d.as_varlena()->data;
  RangeHeader h;
  std::memcpy(&h, base, sizeof h);
  Range r;
  r.type.type = h.type;
  r.type.element.type = h.element;
  r.type.element.ops_type = h.element_ops;
  r.type.element.width = h.by_value ? 8 : 0;
  r.empty = (h.flags & kRangeEmpty) != 0;
  auto value = [&](uint32_t offset) {
    if (!h.by_value) return Datum::from_varlena(reinterpret_cast<const Varlena*>(base + offset));
    Datum v;
    std::memcpy(&v.bits, base + offset, 8);
    return v;
  };
  r.lower.lower = true;
  r.lower.infinite = (h.flags & kRangeLowerInfinite) != 0;
  r.lower.inclusive = (h.flags & kRangeLowerInclusive) != 0;
  r.upper.infinite = (h.flags & kRangeUpperInfinite) != 0;
  r.upper.inclusive = (h.flags & kRangeUpperInclusive) != 0;
  if (h.lower != 0) r.lower.value = value(h.lower);
  if (h.upper != 0) r.upper.value = value(h.upper);
  return r;
}

Datum range_datum(const Range& r, Arena& arena) {
  bool by_value = r.type.element.width > 0;
  bool has_lower = !r.empty && !r.lower.infinite, has_upper = !r.empty && !r.upper.infinite;
  auto bytes = [&](const RangeBound& b) { return by_value ? 8 : pad8(sizeof(Varlena) + b.value.as_varlena()->size); };
  size_t at = pad8(sizeof(RangeHeader)), size = at;
  if (has_lower) size += bytes(r.lower);
  if (has_upper) size += bytes(r.upper);
  Varlena* v = make_varlena(arena, size);
  std::memset(v->data, 0, size);
  RangeHeader h{};
  h.type = r.type.type;
  h.element = r.type.element.type;
  h.element_ops = r.type.element.ops_type;
  h.by_value = by_value;
  if (r.empty) {
    h.flags = kRangeEmpty;
  } else {
    h.flags = static_cast<uint8_t>((r.lower.inclusive ? kRangeLowerInclusive : 0) | (r.upper.inclusive ? kRangeUpperInclusive : 0) |
                                   (r.lower.infinite ? kRangeLowerInfinite : 0) | (r.upper.infinite ? kRangeUpperInfinite : 0));
  }
  auto put = [&](const RangeBound& b) {
    uint32_t offset = static_cast<uint32_t>(at);
    if (by_value) {
      std::memcpy(v->data + at, &b.value.bits, 8);
    } else {
      const Varlena* e = b.value.as_varlena();
      std::memcpy(v->data + at, &e->size, 4);
      std::memcpy(v->data + at + sizeof(Varlena), e->data, e->size);
    }
    at += bytes(b);
    return offset;
  };
  if (has_lower) h.lower = put(r.lower);
  if (has_upper) h.upper = put(r.upper);
  std::memcpy(v->data, &h, sizeof h);
  return Datum::from_varlena(v);
}

int compare_ranges(const Range& a, const Range& b) {
  if (a.empty || b.empty) return a.empty == b.empty ? 0 : a.empty ? -1 : 1;
  int c = compare_bounds(a, a.lower, b.lower);
  return c != 0 ? c : compare_bounds(a, a.upper, b.upper);
}
bool range_contains(const Range& a, const Range& b) {
  if (b.empty) return true;
  return !a.empty && compare_bounds(a, a.lower, b.lower) <= 0 && compare_bounds(a, a.upper, b.upper) >= 0;
}
bool range_contains_value(const Range& a, Datum v) {
  if (a.empty) return false;
  const TypeOps& ops = ops_of(a.type);
  if (!a.lower.infinite) {
    int c = ops.compare(a.lower.value, v, oid::kDefaultCollation);
    if (c > 0 || (c == 0 && !a.lower.inclusive)) return false;
  }
  if (!a.upper.infinite) {
    int c = ops.compare(a.upper.value, v, oid::kDefaultCollation);
    if (c < 0 || (c == 0 && !a.upper.inclusive)) return false;
  }
  return true;
}
bool range_overlaps(const Range& a, const Range& b) {
  if (a.empty || b.empty) return false;
  if (compare_bounds(a, a.lower, b.lower) >= 0 && compare_bounds(a, a.lower, b.upper) <= 0) return true;
  return compare_bounds(a, b.lower, a.lower) >= 0 && compare_bounds(a, b.lower, a.upper) <= 0;
}

// Does nothing lie between an upper and a lower bound, and nothing in both?
bool bounds_adjacent(const Range& of, RangeBound a, RangeBound b) {
  if (a.infinite || b.infinite) return false;
  int c = ops_of(of.type).compare(a.value, b.value, oid::kDefaultCollation);
  if (c == 0) return a.inclusive != b.inclusive;
  if (c > 0 || !is_discrete(of.type.element.type)) return false;
  a.inclusive = !a.inclusive;
  b.inclusive = !b.inclusive;
  return make_range(of.type, a, b).empty;
}

std::vector<Range> multirange_of(Datum d) {
  const char* base = d.as_varlena()->data;
  MultirangeHeader h;
  std::memcpy(&h, base, sizeof h);
  std::vector<Range> out;
  out.reserve(h.count);
  for (uint32_t i = 0; i < h.count; ++i) {
    uint32_t offset = load_le<uint32_t>(base + sizeof h + 4 * size_t{i});
    out.push_back(range_of(Datum::from_varlena(reinterpret_cast<const Varlena*>(base + offset))));
  }
  return out;
}

Datum multirange_datum(Oid type, RangeType range, std::vector<Range> ranges, Arena& arena) {
  std::erase_if(ranges, [](const Range& r) { return r.empty; });
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return compare_ranges(a, b) < 0; });
  std::vector<Range> merged;
  for (const Range& r : ranges) {
    if (!merged.empty() && (range_overlaps(merged.back(), r) || bounds_adjacent(r, merged.back().upper, r.lower))) {
      if (compare_bounds(r, r.upper, merged.back().upper) > 0) merged.back().upper = r.upper;
    } else {
      merged.push_back(r);
    }
  }
  std::vector<Datum> items;
  size_t at = pad8(sizeof(MultirangeHeader) + 4 * merged.size()), size = at;
  for (const Range& r : merged) {
    items.push_back(range_datum(r, arena));
    size += pad8(sizeof(Varlena) + items.back().as_varlena()->size);
  }
  Varlena* v = make_varlena(arena, size);
  std::memset(v->data, 0, size);
  MultirangeHeader h{type, range.type, static_cast<uint32_t>(merged.size()), 0};
  std::memcpy(v->data, &h, sizeof h);
  for (size_t i = 0; i < items.size(); ++i) {
    const Varlena* e = items[i].as_varlena();
    store_le(v->data + sizeof h + 4 * i, static_cast<uint32_t>(at));
    store_le(v->data + at, e->size);
    std::memcpy(v->data + at + sizeof(Varlena), e->data, e->size);
    at += pad8(sizeof(Varlena) + e->size);
  }
  return Datum::from_varlena(v);
}

// ---- ordering and keys

namespace {

int compare_op(Datum a, Datum b, Oid) { return compare_ranges(range_of(a), range_of(b)); }
bool equal_op(Datum a, Datum b, Oid) { return compare_ranges(range_of(a), range_of(b)) == 0; }
uint64_t hash_range(const Range& r) {
  if (r.empty) return mix64(1);
  const TypeOps& ops = ops_of(r.type);
  uint64_t h = mix64(static_cast<uint64_t>(r.lower.inclusive + 2 * r.upper.inclusive + 4 * r.lower.infinite + 8 * r.upper.infinite) + 7);
  if (!r.lower.infinite) h = h * 31 + ops.hash(r.lower.value, oid::kDefaultCollation);
  if (!r.upper.infinite) h = h * 31 + ops.hash(r.upper.value, oid::kDefaultCollation);
  return mix64(h);
}
uint64_t hash_op(Datum v, Oid) { return hash_range(range_of(v)); }
void encode_range(const Range& r, std::string& out) {
  put_be32(out, r.type.element.ops_type);
  if (r.empty) {
    out.push_back(0);
    return;
  }
  out.push_back(1);
  const TypeOps& ops = ops_of(r.type);
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
void skip_range(std::string_view& in) {
  auto take = [&](size_t n) {
    if (in.size() < n) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
    std::string_view s = in.substr(0, n);
    in.remove_prefix(n);
    return s;
  };
  const TypeOps& ops = type_ops(load_be32(take(4).data()));
  if (take(1)[0] == 0) return;
  for (int i = 0; i < 2; ++i) {
    if (take(1)[0] != 1) continue;
    ops.skip_key(in);
    take(1);
  }
}
void encode_op(Datum v, Oid, std::string& out) { encode_range(range_of(v), out); }

int compare_multi(Datum a, Datum b, Oid) {
  std::vector<Range> x = multirange_of(a), y = multirange_of(b);
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
    if (int c = compare_ranges(x[i], y[i])) return c;
  return x.size() < y.size() ? -1 : x.size() > y.size();
}
bool equal_multi(Datum a, Datum b, Oid c) { return compare_multi(a, b, c) == 0; }
uint64_t hash_multi(Datum v, Oid) {
  uint64_t h = 3;
  for (const Range& r : multirange_of(v)) h = h * 31 + hash_range(r);
  return mix64(h);
}
void encode_multi(Datum v, Oid, std::string& out) {
  for (const Range& r : multirange_of(v)) {
    out.push_back(1);
    encode_range(r, out);
  }
  out.push_back(0);
}
void skip_multi(std::string_view& in) {
  for (;;) {
    if (in.empty()) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
    char more = in[0];
    in.remove_prefix(1);
    if (more == 0) return;
    skip_range(in);
  }
}

}  // namespace

void register_range_types(TypeTable& t) {
  const TypeOps ops{compare_op, equal_op, hash_op, encode_op, nullptr, skip_range};
  const TypeOps multi{compare_multi, equal_multi, hash_multi, encode_multi, nullptr, skip_multi};
  for (const auto& row : builtin::rows("pg_range")) {
    t.ops(static_cast<Oid>(std::stoul(row[0])), ops);
    t.ops(static_cast<Oid>(std::stoul(row[2])), multi);
  }
  t.ops(oid::kAnyRange, ops);
  t.ops(oid::kAnyMultirange, multi);
}

}  // namespace stele

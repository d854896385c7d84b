// Ranges and multiranges.
//
// Range payload: RangeHeader, then the finite bounds: an 8-byte word by value, a Varlena by
// reference, 8-aligned. Multirange payload: MultirangeHeader, count x uint32 offset from the
// payload's start (padded to 8), then the ranges as Varlenas, 8-aligned; sorted, disjoint, not
// adjacent, none empty. Users' range types: CatalogLookup::type_facts(...).element is the subtype
// of a range (kind r) and the range type of a multirange (kind m).
#pragma once

#include <vector>

#include "types/array.h"

namespace stele {

struct RangeHeader {
  Oid type;
  Oid element;
  Oid element_ops;
  uint8_t flags;  // kEmpty ...
  uint8_t by_value;
  uint16_t reserved;
  uint32_t lower, upper;  // offsets, 0 when infinite
};
constexpr uint8_t kRangeEmpty = 1, kRangeLowerInclusive = 2, kRangeUpperInclusive = 4, kRangeLowerInfinite = 8,
                  kRangeUpperInfinite = 16;

struct MultirangeHeader {
  Oid type;
  Oid range;
  uint32_t count;
  uint32_t reserved;
};

struct RangeBound {
  Datum value;
  bool infinite = false;
  bool inclusive = false;
  bool lower = false;
};
struct RangeType {
  Oid type = 0;
  ElementInfo element;
};
// A range taken apart; values point into the Datum it came from.
struct Range {
  RangeType type;
  bool empty = true;
  RangeBound lower, upper;
};
RangeType range_type(Oid type, EvalContext* ctx);
Range range_of(Datum d);
// Canonical form for discrete subtypes; throws when lower > upper.
Range make_range(RangeType type, RangeBound lower, RangeBound upper);
Datum range_datum(const Range& r, Arena& arena);

std::vector<Range> multirange_of(Datum d);
// Sorts and joins.
Datum multirange_datum(Oid type, RangeType range, std::vector<Range> ranges, Arena& arena);

int compare_bounds(const Range& of, const RangeBound& a, const RangeBound& b);
int compare_ranges(const Range& a, const Range& b);
bool range_contains(const Range& a, const Range& b);
bool range_contains_value(const Range& a, Datum v);
bool range_overlaps(const Range& a, const Range& b);

}  // namespace stele

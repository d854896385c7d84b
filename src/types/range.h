// Ranges and multiranges. Payloads carry their types, so that comparing needs no catalogue.
//
//   range: RangeHead, then the lower and the upper bound where they exist, each 8-aligned: a word for
//   by-value subtypes, a Varlena otherwise.   multirange: MultirangeHead, uint32 offset of each range
//   from the payload's start, then the ranges (8-aligned), ordered, disjoint and not adjacent.
#pragma once

#include <string>
#include <vector>

#include "types/context.h"
#include "types/datum.h"

namespace stele {

struct RangeHead {
  Oid type;
  Oid subtype;
  uint8_t flags;     // kRange... bits
  uint8_t by_value;
  uint16_t reserved;
  uint32_t upper;    // offset of the upper bound
};
constexpr uint8_t kRangeEmpty = 1, kRangeLowerInclusive = 2, kRangeUpperInclusive = 4, kRangeLowerInfinite = 8,
                  kRangeUpperInfinite = 16;
struct MultirangeHead {
  Oid type;
  Oid range_type;
  Oid subtype;
  uint32_t count;
};

struct RangeBound {
  Datum value;
  bool infinite = true, inclusive = false, lower = true;
};
struct Range {
  bool empty = true;
  RangeBound lower, upper{{}, true, false, false};
};

// What code needs to know of a range or multirange type.
struct RangeType {
  Oid range = 0, multirange = 0, subtype = 0;
  bool by_value = false;
};
// Of a range or multirange type; ctx is needed for users' types.
RangeType range_type(Oid type, EvalContext* ctx);

Range read_range(const char* payload);
inline Range read_range(Datum d) { return read_range(d.as_varlena()->data); }
std::vector<Range> read_multirange(Datum d);
// Checks the order of the bounds and brings discrete ranges to their canonical form.
Range normalize_range(const RangeType& t, Range r);
Datum make_range(const RangeType& t, const Range& r, Arena& arena);
// Sorts and joins.
Datum make_multirange(const RangeType& t, std::vector<Range> ranges, Arena& arena);

int compare_bounds(const RangeType& t, const RangeBound& a, const RangeBound& b);
int compare_ranges(const RangeType& t, const Range& a, const Range& b);

}  // namespace stele

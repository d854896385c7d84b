// Inside the date/time parsers: fields of an input and the masks of what was found in it.
#pragma once

#include <optional>

#include "types/datetime.h"

namespace stele::datetime {

enum class FieldType : uint8_t { kNumber, kString, kDate, kTime, kZone, kSpecial };
struct Field {
  FieldType type = FieldType::kNumber;
  std::string text;
};

// Kinds of words and bits of masks; the values of month..second are those of interval typmods.
enum : int {
  kReserved = 0, kMonth = 1, kYear = 2, kDay = 3, kTz = 5, kDtz = 6, kDynTz = 7, kIgnore = 8, kAmPm = 9,
  kHour = 10, kMinute = 11, kSecond = 12, kMillisecond = 13, kMicrosecond = 14, kDoy = 15, kDow = 16,
  kUnits = 17, kAdBc = 18, kAgo = 19, kIsoTime = 23, kWeek = 24, kDecade = 25, kCentury = 26,
  kMillennium = 27, kDstModifier = 28, kUnknownField = 30
};
constexpr int bit(int field) { return 1 << field; }
constexpr int kDateMask = bit(kYear) | bit(kMonth) | bit(kDay);
constexpr int kAllSecondsMask = bit(kSecond) | bit(kMillisecond) | bit(kMicrosecond);
constexpr int kTimeMask = bit(kHour) | bit(kMinute) | kAllSecondsMask;

// What a parse found. kind is kEpoch, kEarly or kLate for those words, else kUnknown.
struct Decoded {
  BrokenTime tm;
  int mask = 0;
  int zone_s = 0;
  TimeUnit kind = TimeUnit::kUnknown;
};

DateTimeError split_fields(std::string_view input, std::vector<Field>* fields);
DateTimeError decode_datetime(std::vector<Field>& fields, Decoded* out, bool with_zone, EvalContext& ctx);
DateTimeError decode_time_only(std::vector<Field>& fields, Decoded* out, bool with_zone, EvalContext& ctx);
// wide_hour is for intervals, whose hours have no limit.
DateTimeError decode_time(std::string_view text, int range, int* mask, BrokenTime* tm, int64_t* wide_hour);
int decode_special(std::string_view field, int* value);
int decode_units(std::string_view field, int* value);
// Advance p over a number; false when it does not fit. p stays when there is none.
bool to_int(const char*& p, int* v);
bool to_int64(const char*& p, int64_t* v);
DateTimeError parse_fraction(const char* p, double* fraction);
DateTimeError parse_fractional_second(const char* p, int* us);
bool time_overflows(const BrokenTime& t);

}  // namespace stele::datetime

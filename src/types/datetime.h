// Dates, times and intervals: representation, calendar arithmetic, text forms.
//
//   date       days since 2000-01-01, in the Datum; INT32_MIN/MAX are -infinity/infinity
//   time       microseconds since midnight, 24:00 included
//   timestamp[tz]  microseconds since 2000-01-01 00:00 (UTC for timestamptz); INT64_MIN/MAX are infinite
//   timetz     struct TimeTz   interval   struct Interval
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "types/context.h"
#include "types/datum.h"
#include "types/timezone.h"

namespace stele {

struct Interval {
  int64_t us = 0;
  int32_t days = 0;
  int32_t months = 0;
  bool operator==(const Interval&) const = default;
};
struct TimeTz {
  int64_t us = 0;
  int32_t zone_s = 0;  // seconds WEST of UTC, as PostgreSQL stores and sends it
  int32_t reserved = 0;
};

constexpr int64_t kUsPerSecond = 1000000, kUsPerMinute = 60 * kUsPerSecond,
                  kUsPerHour = 60 * kUsPerMinute, kUsPerDay = 24 * kUsPerHour;
constexpr int64_t kTimestampInfinity = INT64_MAX, kTimestampMinusInfinity = INT64_MIN;
constexpr int32_t kDateInfinity = INT32_MAX, kDateMinusInfinity = INT32_MIN;
constexpr int64_t kMinTimestamp = -211813488000000000, kEndTimestamp = 9223371331200000000;
constexpr int32_t kPostgresEpochJulian = 2451545, kUnixEpochJulian = 2440588;
constexpr int64_t kUnixEpochUs = int64_t{kUnixEpochJulian - kPostgresEpochJulian} * kUsPerDay;
constexpr int64_t kEpochDifferenceS = int64_t{kPostgresEpochJulian - kUnixEpochJulian} * 86400;

inline bool timestamp_finite(int64_t t) { return t != INT64_MIN && t != INT64_MAX; }
inline bool date_finite(int64_t d) { return d != kDateMinusInfinity && d != kDateInfinity; }
inline bool timestamp_in_range(int64_t t) { return t >= kMinTimestamp && t < kEndTimestamp; }

// Broken-down time. year 0 is 1 BC; month 1..12.
struct BrokenTime {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int us = 0;
  int weekday = 0, yearday = 0;
  int dst = -1;
  int zone_s = 0;                    // seconds west of UTC
  const char* abbreviation = nullptr;
};
// Broken-down interval.
struct BrokenInterval {
  int64_t us = 0, hour = 0;
  int minute = 0, second = 0, fraction_us = 0;
  int years = 0, months = 0, days = 0;
};

// Calendar (proleptic Gregorian, julian day numbers).
int date_to_julian(int year, int month, int day);
void julian_to_date(int julian, int* year, int* month, int* day);
int julian_weekday(int julian);  // 0 is Sunday
bool valid_julian(int year, int month, int day);
bool is_leap_year(int year);
int days_in_month(int year, int month);
int iso_week(int year, int month, int day);
int iso_year(int year, int month, int day);
int iso_week_start(int year, int week);  // julian day of its Monday
void iso_week_to_date(int week, int* year, int* month, int* day);
void iso_week_day_to_date(int week, int weekday, int* year, int* month, int* day);

// The session's zone; UTC when the context names none.
const TimeZone& session_zone(const EvalContext& ctx);
// Seconds west of UTC for a wall clock reading.
int zone_offset(const BrokenTime& tm, const TimeZone& zone);

// False when out of range. zone null: no conversion. The zone fields of tm are filled when given.
bool timestamp_to_broken(int64_t ts, BrokenTime* tm, const TimeZone* zone = nullptr);
// zone_west_s is added; false when out of range.
bool broken_to_timestamp(const BrokenTime& tm, int64_t* ts, int zone_west_s = 0);
void time_to_broken(int64_t us, BrokenTime* tm);
int64_t broken_to_time(const BrokenTime& tm);
BrokenInterval interval_to_broken(const Interval& v);

[[noreturn]] void throw_timestamp_out_of_range();
[[noreturn]] void throw_interval_out_of_range();

// Conversions that functions and other types share; they throw out-of-range errors.
int64_t timestamp_to_timestamptz(int64_t ts, const TimeZone& zone);
int64_t timestamptz_to_timestamp(int64_t tz, const TimeZone& zone);
int64_t date_to_timestamp(int32_t d);
int64_t date_to_timestamptz(int32_t d, const TimeZone& zone);
int32_t timestamp_to_date(int64_t ts);
int64_t timestamp_plus_interval(int64_t ts, const Interval& v);
int64_t timestamptz_plus_interval(int64_t ts, const Interval& v, const TimeZone& zone);
int interval_compare(const Interval& a, const Interval& b);

// Precision (0..6) coercions; typmod < 0 leaves the value.
int64_t round_time(int64_t us, int32_t typmod);
int64_t round_timestamp(int64_t ts, int32_t typmod);
void round_interval(Interval* v, int32_t typmod);

// Text forms. Inputs throw as PostgreSQL does.
int32_t parse_date(std::string_view s, EvalContext& ctx);
int64_t parse_time(std::string_view s, int32_t typmod, EvalContext& ctx);
TimeTz parse_timetz(std::string_view s, int32_t typmod, EvalContext& ctx);
int64_t parse_timestamp(std::string_view s, int32_t typmod, EvalContext& ctx);
int64_t parse_timestamptz(std::string_view s, int32_t typmod, EvalContext& ctx);
Interval parse_interval(std::string_view s, int32_t typmod, EvalContext& ctx);
void format_date(int32_t d, std::string& out, const EvalContext& ctx);
void format_time(int64_t us, std::string& out);
void format_timetz(const TimeTz& v, std::string& out);
void format_timestamp(int64_t ts, std::string& out, const EvalContext& ctx);
void format_timestamptz(int64_t ts, std::string& out, const EvalContext& ctx);
void format_interval(const Interval& v, std::string& out, IntervalStyle style);
// ISO 8601 with a T, as JSON shows date/time values.
void format_json_datetime(Oid type, Datum v, std::string& out, const EvalContext& ctx, const int* zone_west_s = nullptr);

inline Interval interval_arg(Datum d) { Interval v; std::memcpy(&v, d.as_varlena()->data, sizeof v); return v; }
inline TimeTz timetz_arg(Datum d) { TimeTz v; std::memcpy(&v, d.as_varlena()->data, sizeof v); return v; }
inline Datum interval_datum(Arena& arena, const Interval& v) {
  return make_bytes(arena, {reinterpret_cast<const char*>(&v), sizeof v});
}
inline Datum timetz_datum(Arena& arena, const TimeTz& v) {
  return make_bytes(arena, {reinterpret_cast<const char*>(&v), sizeof v});
}

// Building blocks of the parsers, shared with the template functions and SET TIME ZONE.
enum class DateTimeError : uint8_t {
  kNone, kBadFormat, kFieldOverflow, kMonthDayOverflow, kIntervalOverflow, kZoneOverflow, kBadZone
};
[[noreturn]] void throw_datetime_error(DateTimeError e, std::string_view input, const char* type);
// "+05:30" -> seconds west.
DateTimeError decode_zone_displacement(std::string_view s, int* zone_west_s);
// An abbreviation or zone name, as AT TIME ZONE takes it. Throws when unknown.
struct ZoneReference {
  enum Kind { kFixed, kDynamic, kZone } kind;
  int zone_west_s = 0;              // kFixed
  const TimeZone* zone = nullptr;   // the others
  std::string abbreviation;         // kDynamic
};
ZoneReference resolve_zone(std::string_view name);
// Seconds west of UTC at a wall clock reading / at a UTC time.
int zone_offset_local(const ZoneReference& z, const BrokenTime& tm);
int zone_offset_utc(const ZoneReference& z, int64_t ts, BrokenTime* tm);

// Units of extract, date_trunc and interval input.
enum class TimeUnit : uint8_t {
  kUnknown, kMicrosecond, kMillisecond, kSecond, kMinute, kHour, kDay, kWeek, kMonth, kQuarter, kYear,
  kDecade, kCentury, kMillennium, kDow, kIsoDow, kDoy, kIsoYear, kJulian, kEpoch, kTimezone,
  kTimezoneHour, kTimezoneMinute, kNow, kToday, kTomorrow, kYesterday, kAllballs, kEarly, kLate, kTime
};
TimeUnit find_time_unit(std::string_view lower_case);
// Interval ranges of typmods, as PostgreSQL encodes them.
constexpr int kFullPrecision = 0xFFFF, kFullRange = 0x7FFF;
inline int interval_precision(int32_t typmod) { return typmod & 0xFFFF; }
inline int interval_range(int32_t typmod) { return (typmod >> 16) & 0x7FFF; }

}  // namespace stele

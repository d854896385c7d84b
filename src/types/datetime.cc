// Calendar arithmetic and conversions among the date/time types.
#include "types/datetime.h"

#include "base/error.h"

namespace stele {

int date_to_julian(int year, int month, int day) {
  if (month > 2) {
    month += 1;
    year += 4800;
  } else {
    month += 13;
    year += 4799;
  }
  int century = year / 100;
  int julian = year * 365 - 32167;
  julian += year / 4 - century + century / 4;
  julian += 7834 * month / 256 + day;
  return julian;
}

void julian_to_date(int julian, int* year, int* month, int* day) {
  unsigned j = static_cast<unsigned>(julian) + 32044;
  unsigned quad = j / 146097;
  unsigned extra = (j - quad * 146097) * 4 + 3;
  j += 60 + quad * 3 + extra / 146097;
  quad = j / 1461;
  j -= quad * 1461;
  int y = static_cast<int>(j * 4 / 1461);
  j = (y != 0 ? (j + 305) % 365 : (j + 306) % 366) + 123;
  y += static_cast<int>(quad * 4);
  *year = y - 4800;
  quad = j * 2141 / 65536;
  *day = static_cast<int>(j - 7834 * quad / 256);
  *month = static_cast<int>((quad + 10) % 12 + 1);
}

int julian_weekday(int julian) {
  int d = (julian + 1) % 7;
  return d < 0 ? d + 7 : d;
}

bool valid_julian(int y, int m, int) {
  return (y > -4713 || (y == -4713 && m >= 11)) && (y < 5874898 || (y == 5874898 && m < 6));
}
bool is_leap_year(int y) { return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0); }
int days_in_month(int year, int month) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap_year(year) ? 29 : kDays[month - 1];
}

int iso_week_start(int year, int week) {
  if (year == 0) year = -1;
  int fourth = date_to_julian(year, 1, 4);
  int day0 = julian_weekday(fourth - 1);
  return (week - 1) * 7 + (fourth - day0);
}
void iso_week_to_date(int week, int* year, int* month, int* day) {
  julian_to_date(iso_week_start(*year, week), year, month, day);
}
void iso_week_day_to_date(int week, int weekday, int* year, int* month, int* day) {
  int j = iso_week_start(*year, week);
  j += weekday > 1 ? weekday - 2 : 6;
  julian_to_date(j, year, month, day);
}
namespace {
// Both the ISO week and the year it belongs to.
void iso_parts(int year, int month, int day, int* week, int* iso) {
  int j = date_to_julian(year, month, day);
  int fourth = date_to_julian(year, 1, 4);
  int day0 = julian_weekday(fourth - 1);
  if (j < fourth - day0) {
    fourth = date_to_julian(--year, 1, 4);
    day0 = julian_weekday(fourth - 1);
  }
  int w = (j - (fourth - day0)) / 7 + 1;
  if (w >= 53) {
    fourth = date_to_julian(year + 1, 1, 4);
    day0 = julian_weekday(fourth - 1);
    if (j >= fourth - day0) {
      w = (j - (fourth - day0)) / 7 + 1;
      ++year;
    }
  }
  *week = w;
  *iso = year;
}
}  // namespace
int iso_week(int year, int month, int day) {
  int w, y;
  iso_parts(year, month, day, &w, &y);
  return w;
}
int iso_year(int year, int month, int day) {
  int w, y;
  iso_parts(year, month, day, &w, &y);
  return y;
}

const TimeZone& session_zone(const EvalContext& ctx) {
  return ctx.timezone != nullptr ? *ctx.timezone : *TimeZone::utc();
}

int zone_offset(const BrokenTime& tm, const TimeZone& zone) {
  if (!valid_julian(tm.year, tm.month, tm.day)) return 0;
  int64_t day = int64_t{date_to_julian(tm.year, tm.month, tm.day)} - kUnixEpochJulian;
  int64_t local = day * 86400 + tm.hour * 3600 + tm.minute * 60 + tm.second;
  return -zone.at_local(local).offset_s;
}

void time_to_broken(int64_t us, BrokenTime* tm) {
  tm->hour = static_cast<int>(us / kUsPerHour);
  us -= tm->hour * kUsPerHour;
  tm->minute = static_cast<int>(us / kUsPerMinute);
  us -= tm->minute * kUsPerMinute;
  tm->second = static_cast<int>(us / kUsPerSecond);
  tm->us = static_cast<int>(us - tm->second * kUsPerSecond);
}
int64_t broken_to_time(const BrokenTime& tm) {
  return ((tm.hour * int64_t{60} + tm.minute) * 60 + tm.second) * kUsPerSecond + tm.us;
}

bool timestamp_to_broken(int64_t ts, BrokenTime* tm, const TimeZone* zone) {
  int64_t local = ts;
  tm->dst = -1;
  tm->zone_s = 0;
  tm->abbreviation = nullptr;
  if (zone != nullptr) {
    int64_t s = ts / kUsPerSecond;
    if (ts % kUsPerSecond < 0) --s;
    TimeZone::Local l = zone->at_utc(s + kEpochDifferenceS);
    tm->zone_s = -l.offset_s;
    tm->dst = l.dst;
    tm->abbreviation = l.abbreviation;
    if (__builtin_add_overflow(ts, l.offset_s * kUsPerSecond, &local)) return false;
  }
  int64_t day = local / kUsPerDay;
  int64_t time = local % kUsPerDay;
  if (time < 0) {
    time += kUsPerDay;
    --day;
  }
  day += kPostgresEpochJulian;
  if (day > INT32_MAX) return false;
  if (day < 0) {
    // The zone alone may lead before the first day: 400 years on, the calendar is the same.
    if (zone == nullptr || day < -1) return false;
    constexpr int kCycleDays = 146097;
    julian_to_date(static_cast<int>(day) + kCycleDays, &tm->year, &tm->month, &tm->day);
    tm->year -= 400;
  } else {
    julian_to_date(static_cast<int>(day), &tm->year, &tm->month, &tm->day);
  }
  time_to_broken(time, tm);
  return true;
}

bool broken_to_timestamp(const BrokenTime& tm, int64_t* ts, int zone_west_s) {
  if (!valid_julian(tm.year, tm.month, tm.day)) return false;
  int64_t date = int64_t{date_to_julian(tm.year, tm.month, tm.day)} - kPostgresEpochJulian;
  int64_t time = broken_to_time(tm), result;
  if (__builtin_mul_overflow(date, kUsPerDay, &result) || __builtin_add_overflow(result, time, &result)) return false;
  if (zone_west_s != 0 && __builtin_add_overflow(result, zone_west_s * kUsPerSecond, &result)) return false;
  if (!timestamp_in_range(result)) return false;
  *ts = result;
  return true;
}

BrokenInterval interval_to_broken(const Interval& v) {
  BrokenInterval b;
  b.years = v.months / 12;
  b.months = v.months % 12;
  b.days = v.days;
  b.us = v.us;
  int64_t t = v.us;
  b.hour = t / kUsPerHour;
  t -= b.hour * kUsPerHour;
  b.minute = static_cast<int>(t / kUsPerMinute);
  t -= b.minute * kUsPerMinute;
  b.second = static_cast<int>(t / kUsPerSecond);
  b.fraction_us = static_cast<int>(t - b.second * kUsPerSecond);
  return b;
}

void throw_timestamp_out_of_range() {
  throw Error(ErrorCode::kDatetimeFieldOverflow, "timestamp out of range");
}
void throw_interval_out_of_range() {
  throw Error(ErrorCode::kDatetimeFieldOverflow, "interval out of range");
}

int64_t timestamp_to_timestamptz(int64_t ts, const TimeZone& zone) {
  if (!timestamp_finite(ts)) return ts;
  BrokenTime tm;
  int64_t result;
  if (!timestamp_to_broken(ts, &tm) || !broken_to_timestamp(tm, &result, zone_offset(tm, zone)))
    throw_timestamp_out_of_range();
  return result;
}
int64_t timestamptz_to_timestamp(int64_t ts, const TimeZone& zone) {
  if (!timestamp_finite(ts)) return ts;
  BrokenTime tm;
  int64_t result;
  if (!timestamp_to_broken(ts, &tm, &zone) || !broken_to_timestamp(tm, &result)) throw_timestamp_out_of_range();
  return result;
}
int64_t date_to_timestamp(int32_t d) {
  if (d == kDateMinusInfinity) return kTimestampMinusInfinity;
  if (d == kDateInfinity) return kTimestampInfinity;
  if (d >= kEndTimestamp / kUsPerDay)
    throw Error(ErrorCode::kDatetimeFieldOverflow, "date out of range for timestamp");
  return d * kUsPerDay;
}
int64_t date_to_timestamptz(int32_t d, const TimeZone& zone) {
  if (d == kDateMinusInfinity) return kTimestampMinusInfinity;
  if (d == kDateInfinity) return kTimestampInfinity;
  if (d >= kEndTimestamp / kUsPerDay)
    throw Error(ErrorCode::kDatetimeFieldOverflow, "date out of range for timestamp");
  BrokenTime tm;
  julian_to_date(d + kPostgresEpochJulian, &tm.year, &tm.month, &tm.day);
  int64_t result = d * kUsPerDay + zone_offset(tm, zone) * kUsPerSecond;
  if (!timestamp_in_range(result))
    throw Error(ErrorCode::kDatetimeFieldOverflow, "date out of range for timestamp");
  return result;
}
int32_t timestamp_to_date(int64_t ts) {
  if (ts == kTimestampMinusInfinity) return kDateMinusInfinity;
  if (ts == kTimestampInfinity) return kDateInfinity;
  BrokenTime tm;
  if (!timestamp_to_broken(ts, &tm)) throw_timestamp_out_of_range();
  return date_to_julian(tm.year, tm.month, tm.day) - kPostgresEpochJulian;
}

namespace {
// Adds months to a date, keeping the day within the month.
void add_months(BrokenTime* tm, int32_t months) {
  int64_t month = int64_t{tm->month} + months;
  int64_t year = tm->year;
  if (month > 12) {
    year += (month - 1) / 12;
    month = (month - 1) % 12 + 1;
  } else if (month < 1) {
    year += month / 12 - 1;
    month = month % 12 + 12;
  }
  if (year > INT32_MAX || year < INT32_MIN) throw_timestamp_out_of_range();
  tm->year = static_cast<int>(year);
  tm->month = static_cast<int>(month);
  tm->day = std::min(tm->day, days_in_month(tm->year, tm->month));
}
void add_days(BrokenTime* tm, int32_t days) {
  if (!valid_julian(tm->year, tm->month, tm->day)) throw_timestamp_out_of_range();
  int64_t julian = int64_t{date_to_julian(tm->year, tm->month, tm->day)} + days;
  if (julian < 0 || julian > INT32_MAX) throw_timestamp_out_of_range();
  julian_to_date(static_cast<int>(julian), &tm->year, &tm->month, &tm->day);
}
}  // namespace

int64_t timestamp_plus_interval(int64_t ts, const Interval& v) {
  if (!timestamp_finite(ts)) return ts;
  BrokenTime tm;
  if (v.months != 0) {
    if (!timestamp_to_broken(ts, &tm)) throw_timestamp_out_of_range();
    add_months(&tm, v.months);
    if (!broken_to_timestamp(tm, &ts)) throw_timestamp_out_of_range();
  }
  if (v.days != 0) {
    if (!timestamp_to_broken(ts, &tm)) throw_timestamp_out_of_range();
    add_days(&tm, v.days);
    if (!broken_to_timestamp(tm, &ts)) throw_timestamp_out_of_range();
  }
  if (__builtin_add_overflow(ts, v.us, &ts) || !timestamp_in_range(ts)) throw_timestamp_out_of_range();
  return ts;
}

int64_t timestamptz_plus_interval(int64_t ts, const Interval& v, const TimeZone& zone) {
  if (!timestamp_finite(ts)) return ts;
  BrokenTime tm;
  if (v.months != 0) {
    if (!timestamp_to_broken(ts, &tm, &zone)) throw_timestamp_out_of_range();
    add_months(&tm, v.months);
    if (!broken_to_timestamp(tm, &ts, zone_offset(tm, zone))) throw_timestamp_out_of_range();
  }
  if (v.days != 0) {
    if (!timestamp_to_broken(ts, &tm, &zone)) throw_timestamp_out_of_range();
    add_days(&tm, v.days);
    if (!broken_to_timestamp(tm, &ts, zone_offset(tm, zone))) throw_timestamp_out_of_range();
  }
  if (__builtin_add_overflow(ts, v.us, &ts) || !timestamp_in_range(ts)) throw_timestamp_out_of_range();
  return ts;
}

// Days count 24 hours and months 30 days.
int interval_compare(const Interval& a, const Interval& b) {
  auto value = [](const Interval& v) {
    return static_cast<__int128>(v.us) + (static_cast<__int128>(v.days) + static_cast<__int128>(v.months) * 30) * kUsPerDay;
  };
  __int128 x = value(a), y = value(b);
  return x < y ? -1 : x > y;
}

namespace {
constexpr int64_t kScales[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
int64_t round_to(int64_t v, int precision) {
  int64_t scale = kScales[precision], half = scale / 2;
  return v >= 0 ? (v + half) / scale * scale : -((-v + half) / scale * scale);
}
}  // namespace

int64_t round_time(int64_t us, int32_t typmod) { return typmod >= 0 && typmod <= 6 ? round_to(us, typmod) : us; }
int64_t round_timestamp(int64_t ts, int32_t typmod) {
  if (!timestamp_finite(ts) || typmod < 0 || typmod >= 6) return ts;
  return round_to(ts, typmod);
}

void round_interval(Interval* v, int32_t typmod) {
  if (typmod < 0) return;
  int range = interval_range(typmod), precision = interval_precision(typmod);
  constexpr int kMonth = 1 << 1, kYear = 1 << 2, kDay = 1 << 3, kHour = 1 << 10, kMinute = 1 << 11;
  switch (range) {
    case kYear:
      v->months = v->months / 12 * 12;
      v->days = 0;
      v->us = 0;
      break;
    case kMonth:
    case kYear | kMonth:
      v->days = 0;
      v->us = 0;
      break;
    case kDay:
      v->us = 0;
      break;
    case kHour:
    case kDay | kHour:
      v->us = v->us / kUsPerHour * kUsPerHour;
      break;
    case kMinute:
    case kHour | kMinute:
    case kDay | kHour | kMinute:
      v->us = v->us / kUsPerMinute * kUsPerMinute;
      break;
    default:
      break;  // the others keep the whole time part, for history's sake
  }
  if (precision != kFullPrecision) {
    if (precision > 6)
      throw Error(ErrorCode::kInvalidParameterValue,
                  fmt::format("interval({}) precision must be between {} and {}", precision, 0, 6));
    v->us = round_to(v->us, precision);
  }
}

}  // namespace stele

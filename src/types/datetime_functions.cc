// Comparison, arithmetic, casts and constructors of the date/time types.
#include "base/error.h"
#include "types/datetime.h"
#include "types/function_helpers.h"
#include "types/hash.h"
#include "types/oids.h"

namespace stele {

namespace {

int three_way(int64_t a, int64_t b) { return a < b ? -1 : a > b; }

// A date as a timestamp for comparisons: dates past the last timestamp saturate above every one.
int64_t date_as_timestamp(int64_t d) {
  if (d == kDateMinusInfinity) return kTimestampMinusInfinity;
  if (d == kDateInfinity) return kTimestampInfinity;
  if (d >= kEndTimestamp / kUsPerDay) return kTimestampInfinity - 1;
  return d * kUsPerDay;
}
int64_t saturating_zone(int64_t ts, const EvalContext& ctx) {
  if (!timestamp_finite(ts) || ts == kTimestampInfinity - 1) return ts;
  BrokenTime tm;
  if (!timestamp_to_broken(ts, &tm)) throw_timestamp_out_of_range();
  int64_t result = ts + zone_offset(tm, session_zone(ctx)) * kUsPerSecond;
  if (timestamp_in_range(result)) return result;
  return result < kMinTimestamp ? kTimestampMinusInfinity + 1 : kTimestampInfinity - 1;
}

int cmp_int(FnCall& c) { return three_way(c.int_arg(0), c.int_arg(1)); }
int cmp_date_timestamp(FnCall& c) { return three_way(date_as_timestamp(c.int_arg(0)), c.int_arg(1)); }
int cmp_timestamp_date(FnCall& c) { return three_way(c.int_arg(0), date_as_timestamp(c.int_arg(1))); }
int cmp_date_timestamptz(FnCall& c) {
  return three_way(saturating_zone(date_as_timestamp(c.int_arg(0)), *c.context), c.int_arg(1));
}
int cmp_timestamptz_date(FnCall& c) {
  return three_way(c.int_arg(0), saturating_zone(date_as_timestamp(c.int_arg(1)), *c.context));
}
int cmp_timestamp_timestamptz(FnCall& c) { return three_way(saturating_zone(c.int_arg(0), *c.context), c.int_arg(1)); }
int cmp_timestamptz_timestamp(FnCall& c) { return three_way(c.int_arg(0), saturating_zone(c.int_arg(1), *c.context)); }
int timetz_order(const TimeTz& a, const TimeTz& b) {
  int64_t x = a.us + a.zone_s * kUsPerSecond, y = b.us + b.zone_s * kUsPerSecond;
  return x != y ? three_way(x, y) : three_way(a.zone_s, b.zone_s);
}
int cmp_timetz(FnCall& c) { return timetz_order(timetz_arg(c.arg(0)), timetz_arg(c.arg(1))); }
int cmp_interval(FnCall& c) { return interval_compare(interval_arg(c.arg(0)), interval_arg(c.arg(1))); }

Datum larger_int(FnCall& c) { return c.int_arg(0) > c.int_arg(1) ? c.arg(0) : c.arg(1); }
Datum smaller_int(FnCall& c) { return c.int_arg(0) < c.int_arg(1) ? c.arg(0) : c.arg(1); }

// ---- intervals
Interval negate(const Interval& v) {
  if (v.us == INT64_MIN || v.days == INT32_MIN || v.months == INT32_MIN) throw_interval_out_of_range();
  return {-v.us, -v.days, -v.months};
}
Interval plus(const Interval& a, const Interval& b) {
  Interval r;
  if (__builtin_add_overflow(a.us, b.us, &r.us) || __builtin_add_overflow(a.days, b.days, &r.days) ||
      __builtin_add_overflow(a.months, b.months, &r.months))
    throw_interval_out_of_range();
  return r;
}
Interval minus(const Interval& a, const Interval& b) {
  Interval r;
  if (__builtin_sub_overflow(a.us, b.us, &r.us) || __builtin_sub_overflow(a.days, b.days, &r.days) ||
      __builtin_sub_overflow(a.months, b.months, &r.months))
    throw_interval_out_of_range();
  return r;
}
double to_microseconds(double s) { return std::rint(s * 1e6) / 1e6; }
// The fractions of months and days that scaling leaves cascade down, one month being 30 days.
Interval scale(const Interval& v, double factor, bool divide) {
  auto apply = [&](double x) { return divide ? x / factor : x * factor; };
  Interval r;
  double months = apply(v.months);
  if (std::isnan(months) || months >= 2147483648.0 || months < -2147483648.0) throw_interval_out_of_range();
  r.months = static_cast<int32_t>(months);
  double days = apply(v.days);
  if (std::isnan(days) || days >= 2147483648.0 || days < -2147483648.0) throw_interval_out_of_range();
  r.days = static_cast<int32_t>(days);
  double month_days = to_microseconds((apply(v.months) - r.months) * 30);
  double seconds = to_microseconds((apply(v.days) - r.days + month_days - static_cast<int>(month_days)) * 86400);
  int64_t wide_days = r.days;
  if (std::fabs(seconds) >= 86400) {
    wide_days += static_cast<int>(seconds / 86400);
    seconds -= static_cast<int>(seconds / 86400) * 86400.0;
  }
  wide_days += static_cast<int>(month_days);
  if (wide_days > INT32_MAX || wide_days < INT32_MIN) throw_interval_out_of_range();
  r.days = static_cast<int32_t>(wide_days);
  double us = std::rint(apply(static_cast<double>(v.us)) + seconds * 1e6);
  if (std::isnan(us) || us >= 9223372036854775808.0 || us < -9223372036854775808.0) throw_interval_out_of_range();
  r.us = static_cast<int64_t>(us);
  return r;
}
Interval divide_interval(const Interval& v, double by) {
  if (by == 0) throw Error(ErrorCode::kDivisionByZero, "division by zero");
  return scale(v, by, true);
}
Interval justify_hours(Interval v) {
  int64_t whole = v.us / kUsPerDay;
  v.us -= whole * kUsPerDay;
  if (__builtin_add_overflow(v.days, static_cast<int32_t>(whole), &v.days)) throw_interval_out_of_range();
  if (v.days > 0 && v.us < 0) {
    v.us += kUsPerDay;
    --v.days;
  } else if (v.days < 0 && v.us > 0) {
    v.us -= kUsPerDay;
    ++v.days;
  }
  return v;
}
Interval justify_days(Interval v) {
  int32_t whole = v.days / 30;
  v.days -= whole * 30;
  if (__builtin_add_overflow(v.months, whole, &v.months)) throw_interval_out_of_range();
  if (v.months > 0 && v.days < 0) {
    v.days += 30;
    --v.months;
  } else if (v.months < 0 && v.days > 0) {
    v.days -= 30;
    ++v.months;
  }
  return v;
}
Interval justify(Interval v) {
  if ((v.days > 0 && v.us > 0) || (v.days < 0 && v.us < 0)) {
    int32_t whole = v.days / 30;
    v.days -= whole * 30;
    if (__builtin_add_overflow(v.months, whole, &v.months)) throw_interval_out_of_range();
  }
  int64_t whole_days = v.us / kUsPerDay;
  v.us -= whole_days * kUsPerDay;
  v.days += static_cast<int32_t>(whole_days);
  int32_t whole = v.days / 30;
  v.days -= whole * 30;
  if (__builtin_add_overflow(v.months, whole, &v.months)) throw_interval_out_of_range();
  if (v.months > 0 && (v.days < 0 || (v.days == 0 && v.us < 0))) {
    v.days += 30;
    --v.months;
  } else if (v.months < 0 && (v.days > 0 || (v.days == 0 && v.us > 0))) {
    v.days -= 30;
    ++v.months;
  }
  if (v.days > 0 && v.us < 0) {
    v.us += kUsPerDay;
    --v.days;
  } else if (v.days < 0 && v.us > 0) {
    v.us -= kUsPerDay;
    ++v.days;
  }
  return v;
}
template <Interval (*F)(Interval)>
Datum unary_interval(FnCall& c) { return interval_datum(*c.arena, F(interval_arg(c.arg(0)))); }
template <Interval (*F)(const Interval&, const Interval&)>
Datum binary_interval(FnCall& c) { return interval_datum(*c.arena, F(interval_arg(c.arg(0)), interval_arg(c.arg(1)))); }

int64_t wrap_day(int64_t t) {
  t %= kUsPerDay;
  return t < 0 ? t + kUsPerDay : t;
}

// ---- timestamps and intervals; Zoned picks timestamptz arithmetic
template <bool Zoned>
int64_t add_to(int64_t ts, const Interval& v, FnCall& c) {
  return Zoned ? timestamptz_plus_interval(ts, v, session_zone(*c.context)) : timestamp_plus_interval(ts, v);
}
template <bool Zoned>
Datum plus_interval(FnCall& c) { return Datum::from_int(add_to<Zoned>(c.int_arg(0), interval_arg(c.arg(1)), c)); }
template <bool Zoned>
Datum minus_interval(FnCall& c) { return Datum::from_int(add_to<Zoned>(c.int_arg(0), negate(interval_arg(c.arg(1))), c)); }
template <bool Zoned>
Datum interval_plus(FnCall& c) { return Datum::from_int(add_to<Zoned>(c.int_arg(1), interval_arg(c.arg(0)), c)); }

Datum timestamp_minus(FnCall& c) {
  int64_t a = c.int_arg(0), b = c.int_arg(1);
  if (!timestamp_finite(a) || !timestamp_finite(b))
    throw Error(ErrorCode::kDatetimeFieldOverflow, "cannot subtract infinite timestamps");
  int64_t us;
  if (__builtin_sub_overflow(a, b, &us)) throw_interval_out_of_range();
  return interval_datum(*c.arena, justify_hours({us, 0, 0}));
}

int32_t date_shift(int64_t date, int64_t days) {
  int32_t d = static_cast<int32_t>(date);
  if (!date_finite(d)) return d;
  int64_t r = d + days;
  if (r < -kPostgresEpochJulian || r >= 2147483494LL - kPostgresEpochJulian)
    throw Error(ErrorCode::kDatetimeFieldOverflow, "date out of range");
  return static_cast<int32_t>(r);
}

TimeTz shift(TimeTz t, int64_t us) { return {wrap_day(t.us + us % kUsPerDay), t.zone_s, 0}; }

// Field by field difference, as people count it.
template <bool Zoned>
Interval age(int64_t a, int64_t b, FnCall& c) {
  const TimeZone* zone = Zoned ? &session_zone(*c.context) : nullptr;
  BrokenTime x, y;
  if (!timestamp_to_broken(a, &x, zone) || !timestamp_to_broken(b, &y, zone)) throw_timestamp_out_of_range();
  int us = x.us - y.us, sec = x.second - y.second, min = x.minute - y.minute, hour = x.hour - y.hour,
      day = x.day - y.day, mon = x.month - y.month, year = x.year - y.year;
  if (a < b) {
    us = -us; sec = -sec; min = -min; hour = -hour; day = -day; mon = -mon; year = -year;
  }
  while (us < 0) { us += 1000000; --sec; }
  while (sec < 0) { sec += 60; --min; }
  while (min < 0) { min += 60; --hour; }
  while (hour < 0) { hour += 24; --day; }
  while (day < 0) {
    const BrokenTime& of = a < b ? x : y;
    day += days_in_month(of.year, of.month);
    --mon;
  }
  while (mon < 0) { mon += 12; --year; }
  Interval r{((hour * int64_t{60} + min) * 60 + sec) * kUsPerSecond + us, day, year * 12 + mon};
  return a < b ? negate(r) : r;
}
template <bool Zoned>
Datum age2(FnCall& c) { return interval_datum(*c.arena, age<Zoned>(c.int_arg(0), c.int_arg(1), c)); }
// age(x): from midnight of today.
template <bool Zoned>
Datum age1(FnCall& c) {
  const TimeZone& zone = session_zone(*c.context);
  int32_t today = timestamp_to_date(timestamptz_to_timestamp(c.context->now_us, zone));
  int64_t midnight = Zoned ? date_to_timestamptz(today, zone) : date_to_timestamp(today);
  return interval_datum(*c.arena, age<Zoned>(midnight, c.int_arg(0), c));
}

// ---- constructors
bool make_date_fields(int year, int month, int day, BrokenTime* tm) {
  bool bc = year < 0;
  if (bc) year = -year;
  if (year <= 0 || month < 1 || month > 12 || day < 1 || day > 31) return false;
  tm->year = bc ? -(year - 1) : year;
  tm->month = month;
  tm->day = day;
  return day <= days_in_month(tm->year, month);
}
bool time_out_of_range(int hour, int minute, double second) {
  if (hour < 0 || hour > 24 || minute < 0 || minute >= 60 || std::isnan(second)) return true;
  double us = std::rint(second * 1e6);
  if (us < 0 || us > 60e6) return true;
  return ((hour * 60 + minute) * int64_t{60}) * kUsPerSecond + static_cast<int64_t>(us) > kUsPerDay;
}
int64_t time_fields(int hour, int minute, double second) {
  return (hour * 60 + minute) * int64_t{60} * kUsPerSecond + static_cast<int64_t>(std::rint(second * 1e6));
}
int i32(FnCall& c, int i) { return static_cast<int>(c.int_arg(i)); }
int64_t make_timestamp(FnCall& c) {
  int year = i32(c, 0), month = i32(c, 1), day = i32(c, 2), hour = i32(c, 3), minute = i32(c, 4);
  double second = c.arg(5).as_double();
  BrokenTime tm;
  if (!make_date_fields(year, month, day, &tm))
    throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("date field value out of range: {}-{:02}-{:02}", year, month, day));
  if (!valid_julian(tm.year, tm.month, tm.day))
    throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("date out of range: {}-{:02}-{:02}", year, month, day));
  if (time_out_of_range(hour, minute, second))
    throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("time field value out of range: {}:{:02}:{:02g}", hour, minute, second));
  int64_t ts;
  if (__builtin_mul_overflow(int64_t{date_to_julian(tm.year, tm.month, tm.day)} - kPostgresEpochJulian, kUsPerDay, &ts) ||
      __builtin_add_overflow(ts, time_fields(hour, minute, second), &ts) || !timestamp_in_range(ts))
    throw Error(ErrorCode::kDatetimeFieldOverflow,
                fmt::format("timestamp out of range: {}-{:02}-{:02} {}:{:02}:{:02g}", year, month, day, hour, minute, second));
  return ts;
}
int64_t checked_timestamptz(int64_t ts) {
  if (!timestamp_in_range(ts)) throw_timestamp_out_of_range();
  return ts;
}
Datum make_timestamptz_at(FnCall& c) {
  int64_t ts = make_timestamp(c);
  std::string_view name = c.text_arg(6);
  if (!name.empty() && name[0] >= '0' && name[0] <= '9')
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid input syntax for type {}: \"{}\"", "numeric time zone", name))
        .hint("Numeric time zones must have \"-\" or \"+\" as first character.");
  int zone_s;
  DateTimeError e = decode_zone_displacement(name, &zone_s);
  if (e == DateTimeError::kZoneOverflow)
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("numeric time zone \"{}\" out of range", name));
  if (e != DateTimeError::kNone) {
    BrokenTime tm;
    timestamp_to_broken(ts, &tm);
    zone_s = zone_offset_local(resolve_zone(name), tm);
  }
  return Datum::from_int(checked_timestamptz(ts + zone_s * kUsPerSecond));
}
Datum make_interval(FnCall& c) {
  double seconds = c.arg(6).as_double();
  if (std::isnan(seconds) || std::isinf(seconds)) throw_interval_out_of_range();
  auto wide = [&](int i) { return c.int_arg(i); };
  Interval v;
  v.months = static_cast<int32_t>(wide(0) * 12 + wide(1));
  v.days = static_cast<int32_t>(wide(2) * 7 + wide(3));
  double us = std::rint(seconds * 1e6);
  if (us >= 9223372036854775808.0 || us < -9223372036854775808.0) throw_interval_out_of_range();
  if (__builtin_add_overflow(wide(4) * kUsPerHour + wide(5) * kUsPerMinute, static_cast<int64_t>(us), &v.us))
    throw_interval_out_of_range();
  return interval_datum(*c.arena, v);
}
Datum epoch_seconds_to_timestamptz(FnCall& c) {
  double s = c.arg(0).as_double();
  if (std::isnan(s)) throw Error(ErrorCode::kDatetimeFieldOverflow, "timestamp cannot be NaN");
  if (std::isinf(s)) return Datum::from_int(s < 0 ? kTimestampMinusInfinity : kTimestampInfinity);
  auto bad = [&] {
    return Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("timestamp out of range: \"{:g}\"", c.arg(0).as_double()));
  };
  if (s < 86400.0 * (0 - kUnixEpochJulian) || s >= 86400.0 * (109203528.0 - kUnixEpochJulian)) throw bad();
  s -= static_cast<double>(kEpochDifferenceS);
  int64_t ts = static_cast<int64_t>(std::rint(s * 1e6));
  if (!timestamp_in_range(ts)) throw bad();
  return Datum::from_int(ts);
}

// ---- AT TIME ZONE
Datum local_at_zone(FnCall& c) {  // timestamp -> timestamptz
  int64_t ts = c.int_arg(1);
  if (!timestamp_finite(ts)) return c.arg(1);
  ZoneReference z = resolve_zone(c.text_arg(0));
  BrokenTime tm;
  if (!timestamp_to_broken(ts, &tm)) throw_timestamp_out_of_range();
  return Datum::from_int(checked_timestamptz(ts + zone_offset_local(z, tm) * kUsPerSecond));
}
Datum instant_at_zone(FnCall& c) {  // timestamptz -> timestamp
  int64_t ts = c.int_arg(1);
  if (!timestamp_finite(ts)) return c.arg(1);
  ZoneReference z = resolve_zone(c.text_arg(0));
  return Datum::from_int(checked_timestamptz(ts - zone_offset_utc(z, ts, nullptr) * kUsPerSecond));
}
int interval_zone(const Interval& v, IntervalStyle style) {
  if (v.months != 0 || v.days != 0) {
    std::string text;
    format_interval(v, text, style);
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("interval time zone \"{}\" must not include months or days", text));
  }
  return static_cast<int>(-(v.us / kUsPerSecond));
}
TimeTz move_zone(const TimeTz& t, int zone_s) {
  return {wrap_day(t.us + (t.zone_s - zone_s) * kUsPerSecond), zone_s, 0};
}

// ---- OVERLAPS: (a,b) overlaps (c,d) with three-valued ends
template <typename Less>
Datum overlaps(FnCall& c, NullableDatum s1, NullableDatum e1, NullableDatum s2, NullableDatum e2, Less less) {
  auto order = [&](NullableDatum& s, NullableDatum& e) {
    if (s.is_null) {
      if (e.is_null) return false;
      s = e;
      e.is_null = true;
    } else if (!e.is_null && less(e.value, s.value)) {
      std::swap(s, e);
    }
    return true;
  };
  if (!order(s1, e1) || !order(s2, e2)) return c.null();
  auto open_case = [&](const NullableDatum& end, const NullableDatum& other_start, const NullableDatum& other_end) -> Datum {
    // The period with the earlier start ends (or not) at `end`.
    if (end.is_null) return c.null();
    if (less(other_start.value, end.value)) return Datum::from_bool(true);
    if (other_end.is_null) return c.null();
    return Datum::from_bool(false);
  };
  if (less(s2.value, s1.value)) return open_case(e2, s1, e1);
  if (less(s1.value, s2.value)) return open_case(e1, s2, e2);
  if (e1.is_null || e2.is_null) return c.null();
  return Datum::from_bool(true);
}
bool less_int(Datum a, Datum b) { return a.as_int() < b.as_int(); }
bool less_timetz(Datum a, Datum b) { return timetz_order(timetz_arg(a), timetz_arg(b)) < 0; }
NullableDatum nth(FnCall& c, int i) { return c.is_null(i) ? NullableDatum{} : NullableDatum{c.arg(i), false}; }
// The end of a period given as start and length; kind: 't' time, 's' timestamp, 'z' timestamptz.
template <char Kind>
NullableDatum period_end(FnCall& c, int start, int length) {
  if (c.is_null(start) || c.is_null(length)) return {};
  Interval v = interval_arg(c.arg(length));
  int64_t s = c.int_arg(start);
  int64_t e = Kind == 't' ? wrap_day(s + v.us % kUsPerDay) : add_to<Kind == 'z'>(s, v, c);
  return {Datum::from_int(e), false};
}
template <char Kind, bool First, bool Second>
Datum overlaps_lengths(FnCall& c) {
  NullableDatum e1 = First ? period_end<Kind>(c, 0, 1) : nth(c, 1);
  NullableDatum e2 = Second ? period_end<Kind>(c, 2, 3) : nth(c, 3);
  return overlaps(c, nth(c, 0), e1, nth(c, 2), e2, less_int);
}
template <char Kind>
void add_overlaps(FunctionRegistry& r, const std::string& type) {
  std::string p = "sql:overlaps/";
  r.add(keep_name(p + type + ",interval," + type + ",interval"), overlaps_lengths<Kind, true, true>);
  r.add(keep_name(p + type + ",interval," + type + "," + type), overlaps_lengths<Kind, true, false>);
  r.add(keep_name(p + type + "," + type + "," + type + ",interval"), overlaps_lengths<Kind, false, true>);
}

// ---- window frames
Interval frame_offset(FnCall& c) {
  Interval v = interval_arg(c.arg(2));
  if (interval_compare(v, Interval{}) < 0)
    throw Error(ErrorCode::kInvalidPrecedingOrFollowingSize, "invalid preceding or following size in window function");
  return c.arg(3).as_bool() ? negate(v) : v;
}
Datum frame_result(FnCall& c, int64_t value, int64_t bound) {
  return Datum::from_bool(c.arg(4).as_bool() ? value <= bound : value >= bound);
}
template <bool Zoned>
Datum in_range_timestamp(FnCall& c) { return frame_result(c, c.int_arg(0), add_to<Zoned>(c.int_arg(1), frame_offset(c), c)); }
Datum in_range_date(FnCall& c) {
  Interval v = frame_offset(c);
  return frame_result(c, date_to_timestamp(static_cast<int32_t>(c.int_arg(0))),
                      timestamp_plus_interval(date_to_timestamp(static_cast<int32_t>(c.int_arg(1))), v));
}
// Days and months mean nothing to a time of day, their sign neither.
Interval clock_offset(FnCall& c) {
  int64_t us = interval_arg(c.arg(2)).us;
  if (us < 0) throw Error(ErrorCode::kInvalidPrecedingOrFollowingSize, "invalid preceding or following size in window function");
  return {c.arg(3).as_bool() ? -us : us, 0, 0};
}
Datum in_range_time(FnCall& c) {
  Interval v = clock_offset(c);
  int64_t bound;
  if (__builtin_add_overflow(c.int_arg(1), v.us, &bound)) return Datum::from_bool(c.arg(4).as_bool() != c.arg(3).as_bool());
  return frame_result(c, c.int_arg(0), bound);
}
Datum in_range_timetz(FnCall& c) {
  Interval v = clock_offset(c);
  TimeTz value = timetz_arg(c.arg(0)), base = timetz_arg(c.arg(1));
  if (__builtin_add_overflow(base.us, v.us, &base.us)) return Datum::from_bool(c.arg(4).as_bool() != c.arg(3).as_bool());
  int o = timetz_order(value, base);
  return Datum::from_bool(c.arg(4).as_bool() ? o <= 0 : o >= 0);
}
Datum in_range_interval(FnCall& c) {
  int o = interval_compare(interval_arg(c.arg(0)), plus(interval_arg(c.arg(1)), frame_offset(c)));
  return Datum::from_bool(c.arg(4).as_bool() ? o <= 0 : o >= 0);
}

// ---- aggregates
class IntervalSum : public AggregateState {
 public:
  explicit IntervalSum(bool average) : average_(average) {}
  void add(FnCall& c) override {
    if (c.is_null(0)) return;
    sum_ = plus(sum_, interval_arg(c.arg(0)));
    ++count_;
  }
  bool remove(FnCall& c) override {
    if (c.is_null(0)) return true;
    sum_ = minus(sum_, interval_arg(c.arg(0)));
    --count_;
    return true;
  }
  Datum finish(FnCall& c) override {
    if (count_ == 0) return c.null();
    return interval_datum(*c.arena, average_ ? divide_interval(sum_, static_cast<double>(count_)) : sum_);
  }

 private:
  bool average_;
  Interval sum_;
  int64_t count_ = 0;
};

void add_arithmetic(FunctionRegistry& r) {
  r.add("interval_um", [](FnCall& c) { return interval_datum(*c.arena, negate(interval_arg(c.arg(0)))); });
  r.add("interval_pl", binary_interval<plus>);
  r.add("interval_mi", binary_interval<minus>);
  r.add("interval_mul", [](FnCall& c) { return interval_datum(*c.arena, scale(interval_arg(c.arg(0)), c.arg(1).as_double(), false)); });
  r.add("mul_d_interval", [](FnCall& c) { return interval_datum(*c.arena, scale(interval_arg(c.arg(1)), c.arg(0).as_double(), false)); });
  r.add("interval_div", [](FnCall& c) { return interval_datum(*c.arena, divide_interval(interval_arg(c.arg(0)), c.arg(1).as_double())); });
  r.add("interval_justify_hours", unary_interval<justify_hours>);
  r.add("interval_justify_days", unary_interval<justify_days>);
  r.add("interval_justify_interval", unary_interval<justify>);
  r.add("interval_finite", [](FnCall&) { return Datum::from_bool(true); });

  r.add("timestamp_pl_interval", plus_interval<false>);
  r.add("timestamp_mi_interval", minus_interval<false>);
  r.add("timestamptz_pl_interval", plus_interval<true>);
  r.add("timestamptz_mi_interval", minus_interval<true>);
  r.add("sql:interval_pl_timestamp/interval,timestamp", interval_plus<false>);
  r.add("sql:interval_pl_timestamptz/interval,timestamptz", interval_plus<true>);
  r.add("timestamp_mi", timestamp_minus);
  r.add("timestamp_age", age2<false>);
  r.add("timestamptz_age", age2<true>);
  r.add("sql:age/timestamp", age1<false>);
  r.add("sql:age/timestamptz", age1<true>);

  r.add("date_mi", [](FnCall& c) {
    int64_t a = c.int_arg(0), b = c.int_arg(1);
    if (!date_finite(a) || !date_finite(b)) throw Error(ErrorCode::kDatetimeFieldOverflow, "cannot subtract infinite dates");
    return Datum::from_int(static_cast<int32_t>(a - b));
  });
  r.add("date_pli", [](FnCall& c) { return Datum::from_int(date_shift(c.int_arg(0), c.int_arg(1))); });
  r.add("date_mii", [](FnCall& c) { return Datum::from_int(date_shift(c.int_arg(0), -c.int_arg(1))); });
  r.add("sql:integer_pl_date/int4,date", [](FnCall& c) { return Datum::from_int(date_shift(c.int_arg(1), c.int_arg(0))); });
  r.add("date_pl_interval", [](FnCall& c) {
    return Datum::from_int(timestamp_plus_interval(date_to_timestamp(i32(c, 0)), interval_arg(c.arg(1))));
  });
  r.add("date_mi_interval", [](FnCall& c) {
    return Datum::from_int(timestamp_plus_interval(date_to_timestamp(i32(c, 0)), negate(interval_arg(c.arg(1)))));
  });
  r.add("sql:interval_pl_date/interval,date", [](FnCall& c) {
    return Datum::from_int(timestamp_plus_interval(date_to_timestamp(i32(c, 1)), interval_arg(c.arg(0))));
  });

  r.add("time_pl_interval", [](FnCall& c) { return Datum::from_int(wrap_day(c.int_arg(0) + interval_arg(c.arg(1)).us % kUsPerDay)); });
  r.add("sql:interval_pl_time/interval,time",
        [](FnCall& c) { return Datum::from_int(wrap_day(c.int_arg(1) + interval_arg(c.arg(0)).us % kUsPerDay)); });
  r.add("time_mi_interval", [](FnCall& c) { return Datum::from_int(wrap_day(c.int_arg(0) - interval_arg(c.arg(1)).us % kUsPerDay)); });
  r.add("time_mi_time", [](FnCall& c) { return interval_datum(*c.arena, {c.int_arg(0) - c.int_arg(1), 0, 0}); });
  r.add("timetz_pl_interval", [](FnCall& c) { return timetz_datum(*c.arena, shift(timetz_arg(c.arg(0)), interval_arg(c.arg(1)).us)); });
  r.add("sql:interval_pl_timetz/interval,timetz",
        [](FnCall& c) { return timetz_datum(*c.arena, shift(timetz_arg(c.arg(1)), interval_arg(c.arg(0)).us)); });
  r.add("timetz_mi_interval", [](FnCall& c) {
    return timetz_datum(*c.arena, shift(timetz_arg(c.arg(0)), -(interval_arg(c.arg(1)).us % kUsPerDay)));
  });
}

int64_t date_and_time(int32_t d, int64_t t) {
  int64_t ts = date_to_timestamp(d);
  if (!timestamp_finite(ts)) return ts;
  ts += t;
  if (!timestamp_in_range(ts)) throw_timestamp_out_of_range();
  return ts;
}
int64_t date_and_timetz(int32_t d, const TimeTz& t) {
  if (d == kDateMinusInfinity) return kTimestampMinusInfinity;
  if (d == kDateInfinity) return kTimestampInfinity;
  int64_t ts = 0;
  if (d < kEndTimestamp / kUsPerDay) ts = d * kUsPerDay + t.us + t.zone_s * kUsPerSecond;
  if (d >= kEndTimestamp / kUsPerDay || !timestamp_in_range(ts))
    throw Error(ErrorCode::kDatetimeFieldOverflow, "date out of range for timestamp");
  return ts;
}

void add_casts(FunctionRegistry& r) {
  r.add("date_timestamp", [](FnCall& c) { return Datum::from_int(date_to_timestamp(i32(c, 0))); });
  r.add("date_timestamptz", [](FnCall& c) { return Datum::from_int(date_to_timestamptz(i32(c, 0), session_zone(*c.context))); });
  r.add("timestamp_date", [](FnCall& c) { return Datum::from_int(timestamp_to_date(c.int_arg(0))); });
  r.add("timestamptz_date", [](FnCall& c) {
    return Datum::from_int(timestamp_to_date(timestamptz_to_timestamp(c.int_arg(0), session_zone(*c.context))));
  });
  r.add("timestamp_timestamptz", [](FnCall& c) { return Datum::from_int(timestamp_to_timestamptz(c.int_arg(0), session_zone(*c.context))); });
  r.add("timestamptz_timestamp", [](FnCall& c) { return Datum::from_int(timestamptz_to_timestamp(c.int_arg(0), session_zone(*c.context))); });
  r.add("timestamp_time", [](FnCall& c) {
    if (!timestamp_finite(c.int_arg(0))) return c.null();
    return Datum::from_int(wrap_day(c.int_arg(0)));
  });
  r.add("timestamptz_time", [](FnCall& c) {
    if (!timestamp_finite(c.int_arg(0))) return c.null();
    return Datum::from_int(wrap_day(timestamptz_to_timestamp(c.int_arg(0), session_zone(*c.context))));
  });
  r.add("timestamptz_timetz", [](FnCall& c) {
    if (!timestamp_finite(c.int_arg(0))) return c.null();
    BrokenTime tm;
    if (!timestamp_to_broken(c.int_arg(0), &tm, &session_zone(*c.context))) throw_timestamp_out_of_range();
    return timetz_datum(*c.arena, {broken_to_time(tm), tm.zone_s, 0});
  });
  r.add("time_interval", [](FnCall& c) { return interval_datum(*c.arena, {c.int_arg(0), 0, 0}); });
  r.add("interval_time", [](FnCall& c) { return Datum::from_int(wrap_day(interval_arg(c.arg(0)).us)); });
  r.add("timetz_time", [](FnCall& c) { return Datum::from_int(timetz_arg(c.arg(0)).us); });
  r.add("time_timetz", [](FnCall& c) {
    const TimeZone& zone = session_zone(*c.context);
    BrokenTime now;
    timestamp_to_broken(c.context->now_us, &now, &zone);
    time_to_broken(c.int_arg(0), &now);
    return timetz_datum(*c.arena, {c.int_arg(0), zone_offset(now, zone), 0});
  });
  r.add("datetime_timestamp", [](FnCall& c) { return Datum::from_int(date_and_time(i32(c, 0), c.int_arg(1))); });
  r.add("sql:timedate_pl/time,date", [](FnCall& c) { return Datum::from_int(date_and_time(i32(c, 1), c.int_arg(0))); });
  r.add("sql:timestamptz/date,time", [](FnCall& c) {
    return Datum::from_int(timestamp_to_timestamptz(date_and_time(i32(c, 0), c.int_arg(1)), session_zone(*c.context)));
  });
  r.add("datetimetz_timestamptz", [](FnCall& c) { return Datum::from_int(date_and_timetz(i32(c, 0), timetz_arg(c.arg(1)))); });
  r.add("sql:timetzdate_pl/timetz,date", [](FnCall& c) { return Datum::from_int(date_and_timetz(i32(c, 1), timetz_arg(c.arg(0)))); });

  r.add("timestamp_zone", local_at_zone);
  r.add("timestamptz_zone", instant_at_zone);
  r.add("timestamp_izone", [](FnCall& c) {
    if (!timestamp_finite(c.int_arg(1))) return c.arg(1);
    return Datum::from_int(checked_timestamptz(c.int_arg(1) + interval_zone(interval_arg(c.arg(0)), c.context->interval_style) * kUsPerSecond));
  });
  r.add("timestamptz_izone", [](FnCall& c) {
    if (!timestamp_finite(c.int_arg(1))) return c.arg(1);
    return Datum::from_int(checked_timestamptz(c.int_arg(1) - interval_zone(interval_arg(c.arg(0)), c.context->interval_style) * kUsPerSecond));
  });
  r.add("timetz_zone", [](FnCall& c) {
    ZoneReference z = resolve_zone(c.text_arg(0));
    return timetz_datum(*c.arena, move_zone(timetz_arg(c.arg(1)), zone_offset_utc(z, c.context->now_us, nullptr)));
  });
  r.add("timetz_izone", [](FnCall& c) {
    return timetz_datum(*c.arena, move_zone(timetz_arg(c.arg(1)), interval_zone(interval_arg(c.arg(0)), c.context->interval_style)));
  });
}

void add_constructors(FunctionRegistry& r) {
  r.add("make_date", [](FnCall& c) {
    BrokenTime tm;
    int year = i32(c, 0), month = i32(c, 1), day = i32(c, 2);
    if (!make_date_fields(year, month, day, &tm))
      throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("date field value out of range: {}-{:02}-{:02}", year, month, day));
    if (!valid_julian(tm.year, tm.month, tm.day))
      throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("date out of range: {}-{:02}-{:02}", year, month, day));
    return Datum::from_int(date_to_julian(tm.year, tm.month, tm.day) - kPostgresEpochJulian);
  });
  r.add("make_time", [](FnCall& c) {
    int hour = i32(c, 0), minute = i32(c, 1);
    double second = c.arg(2).as_double();
    if (time_out_of_range(hour, minute, second))
      throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("time field value out of range: {}:{:02}:{:02g}", hour, minute, second));
    return Datum::from_int(time_fields(hour, minute, second));
  });
  r.add("make_timestamp", [](FnCall& c) { return Datum::from_int(make_timestamp(c)); });
  r.add("make_timestamptz", [](FnCall& c) {
    return Datum::from_int(timestamp_to_timestamptz(make_timestamp(c), session_zone(*c.context)));
  });
  r.add("make_timestamptz_at_timezone", make_timestamptz_at);
  r.add("make_interval", make_interval);
  r.add("float8_timestamptz", epoch_seconds_to_timestamptz);
}

}  // namespace

void register_datetime_type_functions(FunctionRegistry&);   // datetime_types.cc
void register_datetime_field_functions(FunctionRegistry&);  // datetime_fields.cc

void register_datetime_functions(FunctionRegistry& r) {
  register_datetime_type_functions(r);
  register_datetime_field_functions(r);

  for (const char* p : {"date_", "time_", "timestamp_"}) {
    add_comparisons<cmp_int>(r, p);
    r.add(keep_name(std::string(p) + "larger"), larger_int);
    r.add(keep_name(std::string(p) + "smaller"), smaller_int);
  }
  add_comparisons<cmp_timetz>(r, "timetz_");
  add_comparisons<cmp_interval>(r, "interval_");
  add_comparisons<cmp_date_timestamp>(r, "date_", "_timestamp");
  add_comparisons<cmp_date_timestamptz>(r, "date_", "_timestamptz");
  add_comparisons<cmp_timestamp_date>(r, "timestamp_", "_date");
  add_comparisons<cmp_timestamptz_date>(r, "timestamptz_", "_date");
  add_comparisons<cmp_timestamp_timestamptz>(r, "timestamp_", "_timestamptz");
  add_comparisons<cmp_timestamptz_timestamp>(r, "timestamptz_", "_timestamp");
  r.add("timetz_larger", [](FnCall& c) { return cmp_timetz(c) > 0 ? c.arg(0) : c.arg(1); });
  r.add("timetz_smaller", [](FnCall& c) { return cmp_timetz(c) < 0 ? c.arg(0) : c.arg(1); });
  r.add("interval_larger", [](FnCall& c) { return cmp_interval(c) > 0 ? c.arg(0) : c.arg(1); });
  r.add("interval_smaller", [](FnCall& c) { return cmp_interval(c) < 0 ? c.arg(0) : c.arg(1); });
  r.add("date_finite", [](FnCall& c) { return Datum::from_bool(date_finite(c.int_arg(0))); });
  r.add("timestamp_finite", [](FnCall& c) { return Datum::from_bool(timestamp_finite(c.int_arg(0))); });

  for (const char* n : {"time_hash", "timestamp_hash"})
    r.add(n, [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_int8(c.int_arg(0)))); });
  for (const char* n : {"time_hash_extended", "timestamp_hash_extended"})
    r.add(n, [](FnCall& c) { return Datum::from_int(static_cast<int64_t>(pg_hash_int8_extended(c.int_arg(0), static_cast<uint64_t>(c.int_arg(1))))); });
  r.add("timetz_hash", [](FnCall& c) {
    TimeTz t = timetz_arg(c.arg(0));
    return Datum::from_int(static_cast<int32_t>(pg_hash_int8(t.us) ^ pg_hash_uint32(static_cast<uint32_t>(t.zone_s))));
  });
  r.add("timetz_hash_extended", [](FnCall& c) {
    TimeTz t = timetz_arg(c.arg(0));
    uint64_t seed = static_cast<uint64_t>(c.int_arg(1));
    return Datum::from_int(static_cast<int64_t>(pg_hash_int8_extended(t.us, seed) ^ pg_hash_uint32_extended(static_cast<uint32_t>(t.zone_s), seed)));
  });
  r.add("interval_hash", [](FnCall& c) {
    Interval v = interval_arg(c.arg(0));
    __int128 x = static_cast<__int128>(v.us) + (static_cast<__int128>(v.days) + static_cast<__int128>(v.months) * 30) * kUsPerDay;
    return Datum::from_int(static_cast<int32_t>(pg_hash_int8(static_cast<int64_t>(x))));
  });
  r.add("interval_hash_extended", [](FnCall& c) {
    Interval v = interval_arg(c.arg(0));
    __int128 x = static_cast<__int128>(v.us) + (static_cast<__int128>(v.days) + static_cast<__int128>(v.months) * 30) * kUsPerDay;
    return Datum::from_int(static_cast<int64_t>(pg_hash_int8_extended(static_cast<int64_t>(x), static_cast<uint64_t>(c.int_arg(1)))));
  });

  add_arithmetic(r);
  add_casts(r);
  add_constructors(r);

  for (const char* n : {"overlaps_time", "overlaps_timestamp"})
    r.add(n, [](FnCall& c) { return overlaps(c, nth(c, 0), nth(c, 1), nth(c, 2), nth(c, 3), less_int); });
  r.add("overlaps_timetz", [](FnCall& c) { return overlaps(c, nth(c, 0), nth(c, 1), nth(c, 2), nth(c, 3), less_timetz); });
  add_overlaps<'t'>(r, "time");
  add_overlaps<'s'>(r, "timestamp");
  add_overlaps<'z'>(r, "timestamptz");

  r.add("in_range_date_interval", in_range_date);
  r.add("in_range_timestamp_interval", in_range_timestamp<false>);
  r.add("in_range_timestamptz_interval", in_range_timestamp<true>);
  r.add("in_range_time_interval", in_range_time);
  r.add("in_range_timetz_interval", in_range_timetz);
  r.add("in_range_interval_interval", in_range_interval);

  r.add_aggregate("sum/interval", [](FnCall&) -> std::unique_ptr<AggregateState> { return std::make_unique<IntervalSum>(false); });
  r.add_aggregate("avg/interval", [](FnCall&) -> std::unique_ptr<AggregateState> { return std::make_unique<IntervalSum>(true); });
  for (const char* t : {"date", "time", "timetz", "timestamp", "timestamptz", "interval"}) add_extremes(r, 0, t);
}

}  // namespace stele

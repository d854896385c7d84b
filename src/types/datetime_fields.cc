// Fields of dates and times: extract, date_trunc, date_bin; clocks, series and the zone tables.
#include <ctime>

#include "base/error.h"
#include "base/clock.h"
#include "types/datetime_fields.h"
#include "types/function_helpers.h"
#include "types/oids.h"

namespace stele {

namespace {

using U = TimeUnit;

[[noreturn]] void unit_error(bool known, std::string_view unit, const char* type) {
  if (known) throw Error(ErrorCode::kFeatureNotSupported, fmt::format("unit \"{}\" not supported for type {}", unit, type));
  throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unit \"{}\" not recognized for type {}", unit, type));
}

// One extracted field: v / 10^scale, or something special.
struct Part {
  enum Kind : uint8_t { kNumber, kNull, kInfinite, kMinusInfinite, kJulianTime } kind = kNumber;
  __int128 value = 0;
  int scale = 0;
  int64_t day_us = 0;  // kJulianTime: value is the day
};
Part part(__int128 v, int scale = 0) { return {Part::kNumber, v, scale, 0}; }

int64_t decade_of(int y) { return y >= 0 ? y / 10 : -((8 - (y - 1)) / 10); }
int64_t century_of(int y) { return y > 0 ? (y + 99) / 100 : -((99 - (y - 1)) / 100); }
int64_t millennium_of(int y) { return y > 0 ? (y + 999) / 1000 : -((999 - (y - 1)) / 1000); }
int64_t second_us(const BrokenTime& t) { return t.second * kUsPerSecond + t.us; }

// Fields of the date alone; false for others.
bool date_part_of(U unit, const BrokenTime& t, Part* out) {
  switch (unit) {
    case U::kDay: *out = part(t.day); return true;
    case U::kMonth: *out = part(t.month); return true;
    case U::kQuarter: *out = part((t.month - 1) / 3 + 1); return true;
    case U::kWeek: *out = part(iso_week(t.year, t.month, t.day)); return true;
    case U::kYear: *out = part(t.year > 0 ? t.year : t.year - 1); return true;
    case U::kDecade: *out = part(decade_of(t.year)); return true;
    case U::kCentury: *out = part(century_of(t.year)); return true;
    case U::kMillennium: *out = part(millennium_of(t.year)); return true;
    case U::kIsoYear: {
      int y = iso_year(t.year, t.month, t.day);
      *out = part(y <= 0 ? y - 1 : y);
      return true;
    }
    case U::kDow: *out = part(julian_weekday(date_to_julian(t.year, t.month, t.day))); return true;
    case U::kIsoDow: {
      int d = julian_weekday(date_to_julian(t.year, t.month, t.day));
      *out = part(d == 0 ? 7 : d);
      return true;
    }
    case U::kDoy: *out = part(date_to_julian(t.year, t.month, t.day) - date_to_julian(t.year, 1, 1) + 1); return true;
    default: return false;
  }
}
bool clock_part_of(U unit, const BrokenTime& t, Part* out) {
  switch (unit) {
    case U::kMicrosecond: *out = part(second_us(t)); return true;
    case U::kMillisecond: *out = part(second_us(t), 3); return true;
    case U::kSecond: *out = part(second_us(t), 6); return true;
    case U::kMinute: *out = part(t.minute); return true;
    case U::kHour: *out = part(t.hour); return true;
    default: return false;
  }
}
bool zone_part_of(U unit, int zone_s, Part* out) {
  switch (unit) {
    case U::kTimezone: *out = part(-zone_s); return true;
    case U::kTimezoneMinute: *out = part(-zone_s / 60 % 60); return true;
    case U::kTimezoneHour: *out = part(-zone_s / 3600); return true;
    default: return false;
  }
}
// Of an infinite date or timestamp: growing fields are infinite, the others are NULL.
bool infinite_part(U unit, bool negative, Part* out, bool has_clock, bool has_zone) {
  switch (unit) {
    case U::kMicrosecond: case U::kMillisecond: case U::kSecond: case U::kMinute: case U::kHour:
      if (!has_clock) return false;
      out->kind = Part::kNull;
      return true;
    case U::kTimezone: case U::kTimezoneMinute: case U::kTimezoneHour:
      if (!has_zone) return false;
      out->kind = Part::kNull;
      return true;
    case U::kDay: case U::kMonth: case U::kQuarter: case U::kWeek: case U::kDow: case U::kIsoDow: case U::kDoy:
      out->kind = Part::kNull;
      return true;
    case U::kYear: case U::kDecade: case U::kCentury: case U::kMillennium: case U::kJulian: case U::kIsoYear: case U::kEpoch:
      out->kind = negative ? Part::kMinusInfinite : Part::kInfinite;
      return true;
    default:
      return false;
  }
}

template <bool Zoned>
Part extract_timestamp(FnCall& c) {
  std::string unit = lower_ascii(c.text_arg(0));
  U u = find_time_unit(unit);
  int64_t ts = c.int_arg(1);
  Part p;
  const char* type = Zoned ? "timestamp with time zone" : "timestamp without time zone";
  if (!timestamp_finite(ts)) {
    if (infinite_part(u, ts < 0, &p, true, Zoned)) return p;
    unit_error(u != U::kUnknown, unit, type);
  }
  if (u == U::kEpoch) return part(static_cast<__int128>(ts) - kUnixEpochUs, 6);
  BrokenTime tm;
  if (!timestamp_to_broken(ts, &tm, Zoned ? &session_zone(*c.context) : nullptr)) throw_timestamp_out_of_range();
  if (date_part_of(u, tm, &p) || clock_part_of(u, tm, &p)) return p;
  if (Zoned && zone_part_of(u, tm.zone_s, &p)) return p;
  if (u == U::kJulian) return {Part::kJulianTime, date_to_julian(tm.year, tm.month, tm.day), 0, broken_to_time(tm)};
  unit_error(u != U::kUnknown, unit, type);
}
Part extract_date(FnCall& c) {
  std::string unit = lower_ascii(c.text_arg(0));
  U u = find_time_unit(unit);
  int32_t d = static_cast<int32_t>(c.int_arg(1));
  Part p;
  if (!date_finite(d)) {
    if (infinite_part(u, d < 0, &p, false, false)) return p;
    unit_error(u != U::kUnknown, unit, "date");
  }
  BrokenTime tm;
  julian_to_date(d + kPostgresEpochJulian, &tm.year, &tm.month, &tm.day);
  if (date_part_of(u, tm, &p)) return p;
  if (u == U::kJulian) return part(int64_t{d} + kPostgresEpochJulian);
  if (u == U::kEpoch) return part((int64_t{d} + kPostgresEpochJulian - kUnixEpochJulian) * 86400);
  unit_error(u != U::kUnknown, unit, "date");
}
Part extract_time(FnCall& c) {
  std::string unit = lower_ascii(c.text_arg(0));
  U u = find_time_unit(unit);
  BrokenTime tm;
  time_to_broken(c.int_arg(1), &tm);
  Part p;
  if (clock_part_of(u, tm, &p)) return p;
  if (u == U::kEpoch) return part(c.int_arg(1), 6);
  unit_error(u != U::kUnknown, unit, "time without time zone");
}
Part extract_timetz(FnCall& c) {
  std::string unit = lower_ascii(c.text_arg(0));
  U u = find_time_unit(unit);
  TimeTz t = timetz_arg(c.arg(1));
  BrokenTime tm;
  time_to_broken(t.us, &tm);
  Part p;
  if (clock_part_of(u, tm, &p) || zone_part_of(u, t.zone_s, &p)) return p;
  if (u == U::kEpoch) return part(t.us + t.zone_s * kUsPerSecond, 6);
  unit_error(u != U::kUnknown, unit, "time with time zone");
}
Part extract_interval(FnCall& c) {
  std::string unit = lower_ascii(c.text_arg(0));
  U u = find_time_unit(unit);
  Interval v = interval_arg(c.arg(1));
  BrokenInterval b = interval_to_broken(v);
  int64_t seconds = b.second * kUsPerSecond + b.fraction_us;
  switch (u) {
    case U::kMicrosecond: return part(seconds);
    case U::kMillisecond: return part(seconds, 3);
    case U::kSecond: return part(seconds, 6);
    case U::kMinute: return part(b.minute);
    case U::kHour: return part(b.hour);
    case U::kDay: return part(b.days);
    case U::kMonth: return part(b.months);
    case U::kQuarter: return part(b.months / 3 + 1);
    case U::kYear: return part(b.years);
    case U::kDecade: return part(b.years / 10);
    case U::kCentury: return part(b.years / 100);
    case U::kMillennium: return part(b.years / 1000);
    case U::kEpoch: {
      // A year is 365.25 days here.
      __int128 s = static_cast<__int128>(v.months / 12) * 31557600 + static_cast<__int128>(v.months % 12) * 2592000 +
                   static_cast<__int128>(v.days) * 86400;
      return part(s * kUsPerSecond + v.us, 6);
    }
    default: unit_error(u != U::kUnknown, unit, "interval");
  }
}

template <Part (*F)(FnCall&)>
Datum as_numeric(FnCall& c) {
  Part p = F(c);
  switch (p.kind) {
    case Part::kNull: return c.null();
    case Part::kInfinite: return numeric_from_text("Infinity", *c.arena, *c.context);
    case Part::kMinusInfinite: return numeric_from_text("-Infinity", *c.arena, *c.context);
    case Part::kJulianTime: {
      Datum day = numeric_from_scaled(p.value, 0, *c.arena, *c.context);
      Datum us = numeric_from_scaled(p.day_us, 0, *c.arena, *c.context);
      Datum per_day = numeric_from_scaled(kUsPerDay, 0, *c.arena, *c.context);
      return call_native("numeric_add", {day, call_native("numeric_div", {us, per_day}, c)}, c);
    }
    default: return numeric_from_scaled(p.value, p.scale, *c.arena, *c.context);
  }
}
template <Part (*F)(FnCall&)>
Datum as_double(FnCall& c) {
  Part p = F(c);
  constexpr double kPowers[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6};
  switch (p.kind) {
    case Part::kNull: return c.null();
    case Part::kInfinite: return Datum::from_double(INFINITY);
    case Part::kMinusInfinite: return Datum::from_double(-INFINITY);
    case Part::kJulianTime:
      return Datum::from_double(static_cast<double>(p.value) + static_cast<double>(p.day_us) / 1e6 / 86400.0);
    default: return Datum::from_double(static_cast<double>(p.value) / kPowers[p.scale]);
  }
}

// ---- date_trunc
U trunc_unit(std::string_view unit) {
  int value = 0;
  return datetime::decode_units(unit, &value) == datetime::kUnits ? static_cast<U>(value) : U::kUnknown;
}
// Clears what is finer than the unit. *whole_days: the offset must be found anew.
void truncate(BrokenTime* t, U u, bool* whole_days, const std::string& unit, const char* type) {
  *whole_days = true;
  auto clear_clock = [&] { t->hour = t->minute = t->second = t->us = 0; };
  switch (u) {
    case U::kWeek: {
      int week = iso_week(t->year, t->month, t->day);
      if (week >= 52 && t->month == 1) --t->year;
      if (week <= 1 && t->month == 12) ++t->year;
      iso_week_to_date(week, &t->year, &t->month, &t->day);
      clear_clock();
      return;
    }
    case U::kMillennium:
      t->year = t->year > 0 ? (t->year + 999) / 1000 * 1000 - 999 : -((999 - (t->year - 1)) / 1000) * 1000 + 1;
      break;
    case U::kCentury:
      t->year = t->year > 0 ? (t->year + 99) / 100 * 100 - 99 : -((99 - (t->year - 1)) / 100) * 100 + 1;
      break;
    case U::kDecade:
      t->year = t->year > 0 ? t->year / 10 * 10 : -((8 - (t->year - 1)) / 10) * 10;
      break;
    case U::kYear: break;
    case U::kQuarter:
      t->month = (t->month - 1) / 3 * 3 + 1;
      t->day = 1;
      clear_clock();
      return;
    case U::kMonth:
      t->day = 1;
      clear_clock();
      return;
    case U::kDay:
      clear_clock();
      return;
    case U::kHour: t->minute = 0; [[fallthrough]];
    case U::kMinute: t->second = 0; [[fallthrough]];
    case U::kSecond: t->us = 0; *whole_days = false; return;
    case U::kMillisecond: t->us = t->us / 1000 * 1000; *whole_days = false; return;
    case U::kMicrosecond: *whole_days = false; return;
    default: unit_error(u != U::kUnknown, unit, type);
  }
  t->month = 1;
  t->day = 1;
  clear_clock();
}
Datum trunc_timestamp(FnCall& c) {
  std::string unit = lower_ascii(c.text_arg(0));
  int64_t ts = c.int_arg(1);
  if (!timestamp_finite(ts)) return c.arg(1);
  BrokenTime tm;
  bool days;
  if (!timestamp_to_broken(ts, &tm)) throw_timestamp_out_of_range();
  truncate(&tm, trunc_unit(unit), &days, unit, "timestamp without time zone");
  if (!broken_to_timestamp(tm, &ts)) throw_timestamp_out_of_range();
  return Datum::from_int(ts);
}
Datum trunc_at(FnCall& c, const ZoneReference& z) {
  std::string unit = lower_ascii(c.text_arg(0));
  int64_t ts = c.int_arg(1);
  if (!timestamp_finite(ts)) return c.arg(1);
  BrokenTime tm;
  bool days;
  int zone_s = zone_offset_utc(z, ts, nullptr);
  if (!timestamp_to_broken(ts - zone_s * kUsPerSecond, &tm)) throw_timestamp_out_of_range();
  truncate(&tm, trunc_unit(unit), &days, unit, "timestamp with time zone");
  if (days) zone_s = zone_offset_local(z, tm);
  if (!broken_to_timestamp(tm, &ts, zone_s)) throw_timestamp_out_of_range();
  return Datum::from_int(ts);
}
Datum trunc_interval(FnCall& c) {
  std::string unit = lower_ascii(c.text_arg(0));
  Interval v = interval_arg(c.arg(1));
  U u = trunc_unit(unit);
  auto months = [&](int n) { v = {0, 0, v.months / n * n}; };
  auto time = [&](int64_t n) { v.us = v.us / n * n; };
  switch (u) {
    case U::kMillennium: months(12000); break;
    case U::kCentury: months(1200); break;
    case U::kDecade: months(120); break;
    case U::kYear: months(12); break;
    case U::kQuarter: months(3); break;
    case U::kMonth: months(1); break;
    case U::kDay: v.us = 0; break;
    case U::kHour: time(kUsPerHour); break;
    case U::kMinute: time(kUsPerMinute); break;
    case U::kSecond: time(kUsPerSecond); break;
    case U::kMillisecond: time(1000); break;
    case U::kMicrosecond: break;
    case U::kWeek:
      throw Error(ErrorCode::kFeatureNotSupported, fmt::format("unit \"{}\" not supported for type interval", unit))
          .detail("Months usually have fractional weeks.");
    default: unit_error(u != U::kUnknown, unit, "interval");
  }
  return interval_datum(*c.arena, v);
}
Datum bin(FnCall& c) {
  Interval stride = interval_arg(c.arg(0));
  int64_t ts = c.int_arg(1), origin = c.int_arg(2);
  if (!timestamp_finite(ts)) return c.arg(1);
  if (!timestamp_finite(origin)) throw Error(ErrorCode::kDatetimeFieldOverflow, "origin out of range");
  if (stride.months != 0)
    throw Error(ErrorCode::kFeatureNotSupported, "timestamps cannot be binned into intervals containing months or years");
  int64_t step, difference;
  if (__builtin_mul_overflow(int64_t{stride.days}, kUsPerDay, &step) || __builtin_add_overflow(step, stride.us, &step))
    throw_interval_out_of_range();
  if (step <= 0) throw Error(ErrorCode::kDatetimeFieldOverflow, "stride must be greater than zero");
  if (__builtin_sub_overflow(ts, origin, &difference)) throw_interval_out_of_range();
  int64_t rest = difference % step;
  int64_t result = origin + (difference - rest);
  if (rest < 0 && __builtin_sub_overflow(result, step, &result)) throw_timestamp_out_of_range();
  if (!timestamp_in_range(result)) throw_timestamp_out_of_range();
  return Datum::from_int(result);
}

// ---- series
template <bool Zoned>
class TimestampSeries : public SetRows {
 public:
  explicit TimestampSeries(FnCall& c) : now_(c.int_arg(0)), end_(c.int_arg(1)), step_(interval_arg(c.arg(2))) {
    sign_ = interval_compare(step_, Interval{});
    if (sign_ == 0) throw Error(ErrorCode::kInvalidParameterValue, "step size cannot equal zero");
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (sign_ > 0 ? now_ > end_ : now_ < end_) return false;
    *out = Datum::from_int(now_);
    *nulls = false;
    now_ = Zoned ? timestamptz_plus_interval(now_, step_, session_zone(*c.context)) : timestamp_plus_interval(now_, step_);
    return true;
  }

 private:
  int64_t now_, end_;
  Interval step_;
  int sign_;
};

int64_t clock_now(EvalContext& ctx) {
  return ctx.clock_us ? ctx.clock_us() : system_clock().unix_us() + kUnixEpochUs;
}

class ZoneNames : public SetRows {
 public:
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    const auto& names = TimeZone::names();
    if (at_ >= names.size()) return false;
    const std::string& name = names[at_++];
    TimeZone::Local l = TimeZone::find(name)->at_utc(c.context->now_us / kUsPerSecond + kEpochDifferenceS);
    out[0] = c.text(name);
    out[1] = c.text(l.abbreviation);
    out[2] = interval_datum(*c.arena, {l.offset_s * kUsPerSecond, 0, 0});
    out[3] = Datum::from_bool(l.dst);
    std::fill(nulls, nulls + 4, false);
    return true;
  }

 private:
  size_t at_ = 0;
};
class ZoneAbbreviations : public SetRows {
 public:
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    auto table = zone_abbreviations();
    if (at_ >= table.size()) return false;
    const ZoneAbbreviation& a = table[at_++];
    std::string name = a.name;
    for (char& ch : name) ch = static_cast<char>(std::toupper(static_cast<unsigned char>(ch)));
    TimeZone::Local l{a.offset_s, a.dst, a.name};
    if (a.zone != nullptr) {
      const TimeZone* zone = TimeZone::find(a.zone);
      int64_t now = c.context->now_us / kUsPerSecond + kEpochDifferenceS;
      if (zone != nullptr && !zone->interpret_abbreviation(a.name, now, &l)) l = zone->at_utc(now);
    }
    out[0] = c.text(name);
    out[1] = interval_datum(*c.arena, {l.offset_s * kUsPerSecond, 0, 0});
    out[2] = Datum::from_bool(l.dst);
    std::fill(nulls, nulls + 3, false);
    return true;
  }

 private:
  size_t at_ = 0;
};

}  // namespace

void register_datetime_field_functions(FunctionRegistry& r) {
  r.add("extract_date", as_numeric<extract_date>);
  r.add("extract_time", as_numeric<extract_time>);
  r.add("extract_timetz", as_numeric<extract_timetz>);
  r.add("extract_timestamp", as_numeric<extract_timestamp<false>>);
  r.add("extract_timestamptz", as_numeric<extract_timestamp<true>>);
  r.add("extract_interval", as_numeric<extract_interval>);
  r.add("time_part", as_double<extract_time>);
  r.add("timetz_part", as_double<extract_timetz>);
  r.add("timestamp_part", as_double<extract_timestamp<false>>);
  r.add("timestamptz_part", as_double<extract_timestamp<true>>);
  r.add("interval_part", as_double<extract_interval>);
  r.add("sql:date_part/text,date", [](FnCall& c) {
    Datum args[2] = {c.arg(0), Datum::from_int(date_to_timestamp(static_cast<int32_t>(c.int_arg(1))))};
    FnCall inner = c;
    inner.args = args;
    Datum d = as_double<extract_timestamp<false>>(inner);
    c.result_null = inner.result_null;
    return d;
  });
  r.add("timestamp_trunc", trunc_timestamp);
  r.add("timestamptz_trunc", [](FnCall& c) { return trunc_at(c, {ZoneReference::kZone, 0, &session_zone(*c.context), {}}); });
  r.add("timestamptz_trunc_zone", [](FnCall& c) {
    if (!timestamp_finite(c.int_arg(1))) return c.arg(1);
    return trunc_at(c, resolve_zone(c.text_arg(2)));
  });
  r.add("interval_trunc", trunc_interval);
  r.add("timestamp_bin", bin);
  r.add("timestamptz_bin", bin);

  r.add("now", [](FnCall& c) { return Datum::from_int(c.context->now_us); });
  r.add("statement_timestamp", [](FnCall& c) { return Datum::from_int(c.context->statement_us); });
  r.add("clock_timestamp", [](FnCall& c) { return Datum::from_int(clock_now(*c.context)); });
  r.add("timeofday", [](FnCall& c) {
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    BrokenTime t;
    timestamp_to_broken(clock_now(*c.context), &t, &session_zone(*c.context));
    return c.text(fmt::format("{} {} {:02} {:02}:{:02}:{:02}.{:06} {} {}",
                              kDays[julian_weekday(date_to_julian(t.year, t.month, t.day))], kMonths[t.month - 1], t.day,
                              t.hour, t.minute, t.second, t.us, t.year, t.abbreviation));
  });
  r.add_set("generate_series_timestamp", [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<TimestampSeries<false>>(c); });
  r.add_set("generate_series_timestamptz", [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<TimestampSeries<true>>(c); });
  r.add_set("pg_timezone_names", [](FnCall&) -> std::unique_ptr<SetRows> { return std::make_unique<ZoneNames>(); });
  r.add_set("pg_timezone_abbrevs", [](FnCall&) -> std::unique_ptr<SetRows> { return std::make_unique<ZoneAbbreviations>(); });
}

}  // namespace stele

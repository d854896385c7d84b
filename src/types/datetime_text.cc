// Whole values from and to text.
#include "base/error.h"
#include "types/datetime_fields.h"
#include "types/oids.h"

namespace stele {

using namespace datetime;
using E = DateTimeError;

int32_t parse_date(std::string_view s, EvalContext& ctx) {
  std::vector<Field> fields;
  Decoded d;
  E e = split_fields(s, &fields);
  if (e == E::kNone) e = decode_datetime(fields, &d, true, ctx);
  if (e != E::kNone) throw_datetime_error(e, s, "date");
  switch (d.kind) {
    case TimeUnit::kEpoch: return kUnixEpochJulian - kPostgresEpochJulian;
    case TimeUnit::kLate: return kDateInfinity;
    case TimeUnit::kEarly: return kDateMinusInfinity;
    default: break;
  }
  if (!valid_julian(d.tm.year, d.tm.month, d.tm.day) || d.tm.year > 5874897 || date_to_julian(d.tm.year, d.tm.month, d.tm.day) < 0)
    throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("date out of range: \"{}\"", s));
  return date_to_julian(d.tm.year, d.tm.month, d.tm.day) - kPostgresEpochJulian;
}

int64_t parse_time(std::string_view s, int32_t typmod, EvalContext& ctx) {
  std::vector<Field> fields;
  Decoded d;
  E e = split_fields(s, &fields);
  if (e == E::kNone) e = decode_time_only(fields, &d, true, ctx);
  if (e != E::kNone) throw_datetime_error(e, s, "time");
  return round_time(broken_to_time(d.tm), typmod);
}

TimeTz parse_timetz(std::string_view s, int32_t typmod, EvalContext& ctx) {
  std::vector<Field> fields;
  Decoded d;
  E e = split_fields(s, &fields);
  if (e == E::kNone) e = decode_time_only(fields, &d, true, ctx);
  if (e != E::kNone) throw_datetime_error(e, s, "time with time zone");
  return {round_time(broken_to_time(d.tm), typmod), d.zone_s, 0};
}

namespace {
int64_t parse_either(std::string_view s, int32_t typmod, EvalContext& ctx, bool zoned) {
  std::vector<Field> fields;
  Decoded d;
  E e = split_fields(s, &fields);
  if (e == E::kNone) e = decode_datetime(fields, &d, true, ctx);
  if (e != E::kNone) throw_datetime_error(e, s, zoned ? "timestamp with time zone" : "timestamp");
  int64_t ts;
  switch (d.kind) {
    case TimeUnit::kEpoch: ts = kUnixEpochUs; break;
    case TimeUnit::kLate: ts = kTimestampInfinity; break;
    case TimeUnit::kEarly: ts = kTimestampMinusInfinity; break;
    default:
      if (!broken_to_timestamp(d.tm, &ts, zoned ? d.zone_s : 0))
        throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("timestamp out of range: \"{}\"", s));
  }
  return round_timestamp(ts, typmod);
}
}  // namespace
int64_t parse_timestamp(std::string_view s, int32_t typmod, EvalContext& ctx) { return parse_either(s, typmod, ctx, false); }
int64_t parse_timestamptz(std::string_view s, int32_t typmod, EvalContext& ctx) { return parse_either(s, typmod, ctx, true); }

namespace {

void put_padded(std::string& out, int64_t v, int width) {
  char buffer[24];
  char* end = buffer + sizeof buffer;
  char* p = end;
  uint64_t u = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  do {
    *--p = static_cast<char>('0' + u % 10);
    u /= 10;
  } while (u != 0);
  while (end - p < width) *--p = '0';
  if (v < 0) *--p = '-';
  out.append(p, static_cast<size_t>(end - p));
}

void put_seconds(std::string& out, int second, int us, bool fill) {
  put_padded(out, std::abs(second), fill ? 2 : 1);
  us = std::abs(us);
  if (us == 0) return;
  char digits[7];
  for (int i = 5; i >= 0; --i) {
    digits[i] = static_cast<char>('0' + us % 10);
    us /= 10;
  }
  int n = 6;
  while (digits[n - 1] == '0') --n;
  out.push_back('.');
  out.append(digits, static_cast<size_t>(n));
}

void put_clock(std::string& out, const BrokenTime& tm) {
  put_padded(out, tm.hour, 2);
  out.push_back(':');
  put_padded(out, tm.minute, 2);
  out.push_back(':');
  put_seconds(out, tm.second, tm.us, true);
}

void put_zone(std::string& out, int zone_s, bool with_minutes) {
  out.push_back(zone_s <= 0 ? '+' : '-');
  int second = std::abs(zone_s), minute = second / 60, hour = minute / 60;
  second -= minute * 60;
  minute -= hour * 60;
  put_padded(out, hour, 2);
  if (second != 0 || minute != 0 || with_minutes) {
    out.push_back(':');
    put_padded(out, minute, 2);
  }
  if (second != 0) {
    out.push_back(':');
    put_padded(out, second, 2);
  }
}

int shown_year(int y) { return y > 0 ? y : -(y - 1); }

void put_date(std::string& out, const BrokenTime& tm, DateStyle style, DateOrder order) {
  int first = tm.month, second = tm.day;
  if (style == DateStyle::kGerman || (style != DateStyle::kIso && order == DateOrder::kDmy)) std::swap(first, second);
  char delimiter = style == DateStyle::kSql ? '/' : style == DateStyle::kGerman ? '.' : '-';
  if (style == DateStyle::kIso) {
    put_padded(out, shown_year(tm.year), 4);
    out.push_back('-');
    put_padded(out, tm.month, 2);
    out.push_back('-');
    put_padded(out, tm.day, 2);
    return;
  }
  put_padded(out, first, 2);
  out.push_back(delimiter);
  put_padded(out, second, 2);
  out.push_back(delimiter);
  put_padded(out, shown_year(tm.year), 4);
}

constexpr const char* kMonthNames[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr const char* kDayNames[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

void put_timestamp(std::string& out, const BrokenTime& tm, bool zoned, DateStyle style, DateOrder order) {
  if (style == DateStyle::kPostgres) {
    out += kDayNames[julian_weekday(date_to_julian(tm.year, tm.month, tm.day))];
    out.push_back(' ');
    if (order == DateOrder::kDmy) {
      put_padded(out, tm.day, 2);
      out.push_back(' ');
      out += kMonthNames[tm.month - 1];
    } else {
      out += kMonthNames[tm.month - 1];
      out.push_back(' ');
      put_padded(out, tm.day, 2);
    }
    out.push_back(' ');
    put_clock(out, tm);
    out.push_back(' ');
    put_padded(out, shown_year(tm.year), 4);
  } else {
    put_date(out, tm, style, order);
    out.push_back(' ');
    put_clock(out, tm);
  }
  if (zoned) {
    if (style == DateStyle::kIso) {
      put_zone(out, tm.zone_s, false);
    } else if (tm.abbreviation != nullptr) {
      out.push_back(' ');
      out.append(tm.abbreviation, std::min<size_t>(std::strlen(tm.abbreviation), 10));
    } else {
      if (style == DateStyle::kPostgres) out.push_back(' ');
      put_zone(out, tm.zone_s, false);
    }
  }
  if (tm.year <= 0) out += " BC";
}

}  // namespace

void format_date(int32_t d, std::string& out, const EvalContext& ctx) {
  if (d == kDateMinusInfinity) {
    out += "-infinity";
  } else if (d == kDateInfinity) {
    out += "infinity";
  } else {
    BrokenTime tm;
    julian_to_date(static_cast<int>(static_cast<uint32_t>(d) + kPostgresEpochJulian), &tm.year, &tm.month, &tm.day);
    put_date(out, tm, ctx.date_style, ctx.date_order);
    if (tm.year <= 0) out += " BC";
  }
}
void format_time(int64_t us, std::string& out) {
  BrokenTime tm;
  time_to_broken(us, &tm);
  put_clock(out, tm);
}
void format_timetz(const TimeTz& v, std::string& out) {
  format_time(v.us, out);
  put_zone(out, v.zone_s, false);
}
namespace {
void format_either(int64_t ts, std::string& out, const EvalContext& ctx, bool zoned) {
  if (ts == kTimestampMinusInfinity) {
    out += "-infinity";
  } else if (ts == kTimestampInfinity) {
    out += "infinity";
  } else {
    BrokenTime tm;
    if (!timestamp_to_broken(ts, &tm, zoned ? &session_zone(ctx) : nullptr)) throw_timestamp_out_of_range();
    put_timestamp(out, tm, zoned, ctx.date_style, ctx.date_order);
  }
}
}  // namespace
void format_timestamp(int64_t ts, std::string& out, const EvalContext& ctx) { format_either(ts, out, ctx, false); }
void format_timestamptz(int64_t ts, std::string& out, const EvalContext& ctx) { format_either(ts, out, ctx, true); }

void format_json_datetime(Oid type, Datum v, std::string& out, const EvalContext& ctx, const int* zone_west_s) {
  switch (type) {
    case oid::kDate: {
      EvalContext iso;
      format_date(static_cast<int32_t>(v.as_int()), out, iso);
      return;
    }
    case oid::kTime:
      format_time(v.as_int(), out);
      return;
    case oid::kTimetz: {
      TimeTz t = timetz_arg(v);
      format_time(t.us, out);
      put_zone(out, t.zone_s, true);
      return;
    }
    default: {
      int64_t ts = v.as_int();
      if (!timestamp_finite(ts)) {
        out += ts == kTimestampInfinity ? "infinity" : "-infinity";
        return;
      }
      bool zoned = type == oid::kTimestamptz;
      BrokenTime tm;
      bool ok;
      if (zoned && zone_west_s != nullptr) {
        ok = timestamp_to_broken(ts - *zone_west_s * kUsPerSecond, &tm);
        tm.zone_s = *zone_west_s;
      } else {
        ok = timestamp_to_broken(ts, &tm, zoned ? &session_zone(ctx) : nullptr);
      }
      if (!ok) throw_timestamp_out_of_range();
      put_date(out, tm, DateStyle::kIso, DateOrder::kMdy);
      out.push_back('T');
      put_clock(out, tm);
      if (zoned) put_zone(out, tm.zone_s, true);
      if (tm.year <= 0) out += " BC";
    }
  }
}

void format_interval(const Interval& v, std::string& out, IntervalStyle style) {
  BrokenInterval b = interval_to_broken(v);
  switch (style) {
    case IntervalStyle::kSqlStandard: {
      bool negative = b.years < 0 || b.months < 0 || b.days < 0 || b.us < 0;
      bool positive = b.years > 0 || b.months > 0 || b.days > 0 || b.us > 0;
      bool year_month = b.years != 0 || b.months != 0, day_time = b.days != 0 || b.us != 0;
      bool standard = !(negative && positive) && !(year_month && day_time);
      auto clock = [&](int64_t hour, int minute) {
        fmt::format_to(std::back_inserter(out), "{}:{:02}:", hour, minute);
        put_seconds(out, b.second, b.fraction_us, true);
      };
      if (negative && standard) {
        out.push_back('-');
        b.years = -b.years; b.months = -b.months; b.days = -b.days; b.hour = -b.hour;
        b.minute = -b.minute; b.second = -b.second; b.fraction_us = -b.fraction_us;
      }
      if (!negative && !positive) {
        out += "0";
      } else if (!standard) {
        char year_sign = b.years < 0 || b.months < 0 ? '-' : '+', day_sign = b.days < 0 ? '-' : '+',
             time_sign = b.us < 0 ? '-' : '+';
        fmt::format_to(std::back_inserter(out), "{}{}-{} {}{} {}", year_sign, std::abs(b.years), std::abs(b.months),
                       day_sign, std::abs(int64_t{b.days}), time_sign);
        clock(std::abs(b.hour), std::abs(b.minute));
      } else if (year_month) {
        fmt::format_to(std::back_inserter(out), "{}-{}", b.years, b.months);
      } else if (b.days != 0) {
        fmt::format_to(std::back_inserter(out), "{} ", b.days);
        clock(b.hour, b.minute);
      } else {
        clock(b.hour, b.minute);
      }
      return;
    }
    case IntervalStyle::kIso8601: {
      if (b.years == 0 && b.months == 0 && b.days == 0 && b.us == 0) {
        out += "PT0S";
        return;
      }
      auto part = [&](int64_t n, char unit) {
        if (n != 0) fmt::format_to(std::back_inserter(out), "{}{}", n, unit);
      };
      out.push_back('P');
      part(b.years, 'Y');
      part(b.months, 'M');
      part(b.days, 'D');
      if (b.us != 0) out.push_back('T');
      part(b.hour, 'H');
      part(b.minute, 'M');
      if (b.second != 0 || b.fraction_us != 0) {
        if (b.second < 0 || b.fraction_us < 0) out.push_back('-');
        put_seconds(out, b.second, b.fraction_us, false);
        out.push_back('S');
      }
      return;
    }
    case IntervalStyle::kPostgres: {
      bool zero = true, before = false;
      auto part = [&](int64_t n, const char* unit) {
        if (n == 0) return;
        fmt::format_to(std::back_inserter(out), "{}{}{} {}{}", zero ? "" : " ", before && n > 0 ? "+" : "", n, unit, n != 1 ? "s" : "");
        before = n < 0;
        zero = false;
      };
      part(b.years, "year");
      part(b.months, "mon");
      part(b.days, "day");
      if (zero || b.us != 0) {
        fmt::format_to(std::back_inserter(out), "{}{}{:02}:{:02}:", zero ? "" : " ", b.us < 0 ? "-" : before ? "+" : "",
                       std::abs(b.hour), std::abs(b.minute));
        put_seconds(out, b.second, b.fraction_us, true);
      }
      return;
    }
    case IntervalStyle::kPostgresVerbose: {
      out.push_back('@');
      bool zero = true, before = false;
      auto part = [&](int64_t n, const char* unit) {
        if (n == 0) return;
        if (zero) {
          before = n < 0;
          n = std::abs(n);
        } else if (before) {
          n = -n;
        }
        fmt::format_to(std::back_inserter(out), " {} {}{}", n, unit, n == 1 ? "" : "s");
        zero = false;
      };
      part(b.years, "year");
      part(b.months, "mon");
      part(b.days, "day");
      part(b.hour, "hour");
      part(b.minute, "min");
      if (b.second != 0 || b.fraction_us != 0) {
        out.push_back(' ');
        if (b.second < 0 || b.fraction_us < 0) {
          if (zero) before = true;
          else if (!before) out.push_back('-');
        } else if (before) {
          out.push_back('-');
        }
        put_seconds(out, b.second, b.fraction_us, false);
        out += std::abs(b.second) != 1 || b.fraction_us != 0 ? " secs" : " sec";
        zero = false;
      }
      if (zero) out += " 0";
      if (before) out += " ago";
      return;
    }
  }
}

}  // namespace stele

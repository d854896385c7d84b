// Text to intervals: PostgreSQL's and the SQL standard's forms, and ISO 8601's.
#include "base/error.h"
#include "types/datetime_fields.h"

namespace stele {

using namespace datetime;
using E = DateTimeError;

namespace {

// The fields of an interval being gathered; every add fails on overflow.
struct Gather {
  int64_t us = 0;
  int32_t days = 0, months = 0, years = 0;

  bool add_fraction_us(double fraction, int64_t scale) {
    if (fraction == 0) return true;
    fraction *= static_cast<double>(scale);
    int64_t whole = static_cast<int64_t>(fraction);
    fraction -= static_cast<double>(whole);
    if (fraction > 0.5) ++whole;
    else if (fraction < -0.5) --whole;
    return !__builtin_add_overflow(us, whole, &us);
  }
  bool add_us(int64_t value, double fraction, int64_t scale) {
    int64_t whole;
    if (__builtin_mul_overflow(value, scale, &whole) || __builtin_add_overflow(us, whole, &us)) return false;
    return add_fraction_us(fraction, scale);
  }
  bool add_fraction_days(double fraction, int scale) {
    if (fraction == 0) return true;
    fraction *= scale;
    int whole = static_cast<int>(fraction);
    if (__builtin_add_overflow(days, whole, &days)) return false;
    return add_fraction_us(fraction - whole, kUsPerDay);
  }
  bool add_days(int64_t value, int scale) {
    if (value < INT32_MIN || value > INT32_MAX) return false;
    int32_t n;
    return !__builtin_mul_overflow(static_cast<int32_t>(value), scale, &n) && !__builtin_add_overflow(days, n, &days);
  }
  bool add_months(int64_t value) {
    if (value < INT32_MIN || value > INT32_MAX) return false;
    return !__builtin_add_overflow(months, static_cast<int32_t>(value), &months);
  }
  bool add_years(int64_t value, int scale) {
    if (value < INT32_MIN || value > INT32_MAX) return false;
    int32_t n;
    return !__builtin_mul_overflow(static_cast<int32_t>(value), scale, &n) && !__builtin_add_overflow(years, n, &years);
  }
  bool add_fraction_years(double fraction, int scale) {
    int extra = static_cast<int>(std::rint(fraction * scale * 12));
    return !__builtin_add_overflow(months, extra, &months);
  }
  bool finish(Interval* out) const {
    int64_t total = int64_t{years} * 12 + months;
    if (total > INT32_MAX || total < INT32_MIN) return false;
    *out = {us, days, static_cast<int32_t>(total)};
    return true;
  }
};

TimeUnit rightmost_unit(int range) {
  switch (range) {
    case bit(kYear): return TimeUnit::kYear;
    case bit(kMonth):
    case bit(kYear) | bit(kMonth): return TimeUnit::kMonth;
    case bit(kDay): return TimeUnit::kDay;
    case bit(kHour):
    case bit(kDay) | bit(kHour): return TimeUnit::kHour;
    case bit(kMinute):
    case bit(kHour) | bit(kMinute):
    case bit(kDay) | bit(kHour) | bit(kMinute): return TimeUnit::kMinute;
    default: return TimeUnit::kSecond;
  }
}

E decode_interval(std::vector<Field>& fields, int range, EvalContext& ctx, Gather* out, TimeUnit* kind) {
  *kind = TimeUnit::kUnknown;
  bool before = false, force_negative = false;
  if (ctx.interval_style == IntervalStyle::kSqlStandard && !fields.empty() && fields[0].text[0] == '-') {
    force_negative = true;
    for (size_t i = 1; i < fields.size(); ++i)
      if (fields[i].text[0] == '-' || fields[i].text[0] == '+') force_negative = false;
  }
  int mask = 0;
  TimeUnit unit = TimeUnit::kUnknown;
  auto clock = [&](std::string_view text, int* found) {
    BrokenTime tm;
    int64_t hour;
    E e = decode_time(text, range, found, &tm, &hour);
    if (e != E::kNone) return e;
    int64_t us;
    if (__builtin_mul_overflow(hour, kUsPerHour, &us) ||
        __builtin_add_overflow(us, tm.minute * kUsPerMinute + tm.second * kUsPerSecond + tm.us, &us))
      return E::kFieldOverflow;
    out->us = us;
    return E::kNone;
  };
  // Right to left, so that a unit is known before its number.
  for (size_t i = fields.size(); i-- > 0;) {
    const std::string& text = fields[i].text;
    int found = 0;
    bool done = false;
    switch (fields[i].type) {
      case FieldType::kTime: {
        E e = clock(text, &found);
        if (e != E::kNone) return e;
        if (force_negative && out->us > 0) out->us = -out->us;
        unit = TimeUnit::kDay;
        done = true;
        break;
      }
      case FieldType::kZone:
        if (text.find(':', 1) != std::string::npos && clock(std::string_view(text).substr(1), &found) == E::kNone) {
          if (text[0] == '-') out->us = -out->us;
          if (force_negative && out->us > 0) out->us = -out->us;
          unit = TimeUnit::kDay;
          done = true;
        }
        break;
      default:
        break;
    }
    if (!done) switch (fields[i].type) {
      case FieldType::kZone:
      case FieldType::kDate:
      case FieldType::kNumber: {
        if (unit == TimeUnit::kUnknown) unit = rightmost_unit(range);
        const char* p = text.c_str();
        int64_t value;
        double fraction = 0;
        if (!to_int64(p, &value)) return E::kFieldOverflow;
        if (*p == '-') {
          ++p;
          int months;
          if (!to_int(p, &months) || months < 0 || months >= 12) return E::kFieldOverflow;
          if (*p != '\0') return E::kBadFormat;
          unit = TimeUnit::kMonth;
          if (text[0] == '-') months = -months;
          if (__builtin_mul_overflow(value, int64_t{12}, &value) || __builtin_add_overflow(value, int64_t{months}, &value))
            return E::kFieldOverflow;
        } else if (*p == '.') {
          E e = parse_fraction(p, &fraction);
          if (e != E::kNone) return e;
          if (text[0] == '-') fraction = -fraction;
        } else if (*p != '\0') {
          return E::kBadFormat;
        }
        if (force_negative) {
          if (value > 0) value = -value;
          if (fraction > 0) fraction = -fraction;
        }
        bool ok;
        switch (unit) {
          case TimeUnit::kMicrosecond: ok = out->add_us(value, fraction, 1); found = bit(kMicrosecond); break;
          case TimeUnit::kMillisecond: ok = out->add_us(value, fraction, 1000); found = bit(kMillisecond); break;
          case TimeUnit::kSecond:
            ok = out->add_us(value, fraction, kUsPerSecond);
            found = fraction == 0 ? bit(kSecond) : kAllSecondsMask;
            break;
          case TimeUnit::kMinute: ok = out->add_us(value, fraction, kUsPerMinute); found = bit(kMinute); break;
          case TimeUnit::kHour:
            ok = out->add_us(value, fraction, kUsPerHour);
            found = bit(kHour);
            unit = TimeUnit::kDay;
            break;
          case TimeUnit::kDay:
            ok = out->add_days(value, 1) && out->add_fraction_us(fraction, kUsPerDay);
            found = bit(kDay);
            break;
          case TimeUnit::kWeek:
            ok = out->add_days(value, 7) && out->add_fraction_days(fraction, 7);
            found = bit(kWeek);
            break;
          case TimeUnit::kMonth:
            ok = out->add_months(value) && out->add_fraction_days(fraction, 30);
            found = bit(kMonth);
            break;
          case TimeUnit::kYear:
            ok = out->add_years(value, 1) && out->add_fraction_years(fraction, 1);
            found = bit(kYear);
            break;
          case TimeUnit::kDecade:
            ok = out->add_years(value, 10) && out->add_fraction_years(fraction, 10);
            found = bit(kDecade);
            break;
          case TimeUnit::kCentury:
            ok = out->add_years(value, 100) && out->add_fraction_years(fraction, 100);
            found = bit(kCentury);
            break;
          case TimeUnit::kMillennium:
            ok = out->add_years(value, 1000) && out->add_fraction_years(fraction, 1000);
            found = bit(kMillennium);
            break;
          default:
            return E::kBadFormat;
        }
        if (!ok) return E::kFieldOverflow;
        break;
      }
      default: {
        int value = 0;
        int type = decode_units(text, &value);
        if (type == kUnknownField) type = decode_special(text, &value);
        if (type == kIgnore) continue;
        if (type == kUnits) {
          unit = static_cast<TimeUnit>(value);
        } else if (type == kAgo) {
          before = true;
          unit = TimeUnit::kUnknown;
        } else if (type == kReserved) {
          found = kDateMask | kTimeMask;
          *kind = static_cast<TimeUnit>(value);
        } else {
          return E::kBadFormat;
        }
      }
    }
    if ((found & mask) != 0) return E::kBadFormat;
    mask |= found;
  }
  if (mask == 0) return E::kBadFormat;
  if (before) {
    if (out->us == INT64_MIN || out->days == INT32_MIN || out->months == INT32_MIN || out->years == INT32_MIN)
      return E::kFieldOverflow;
    out->us = -out->us;
    out->days = -out->days;
    out->months = -out->months;
    out->years = -out->years;
  }
  return E::kNone;
}

E iso_number(const char*& p, int64_t* whole, double* fraction) {
  if (!((*p >= '0' && *p <= '9') || *p == '-' || *p == '.')) return E::kBadFormat;
  char* end;
  errno = 0;
  double v = std::strtod(p, &end);
  if (end == p || errno != 0) return E::kBadFormat;
  p = end;
  if (std::isnan(v) || v < -1.0e15 || v > 1.0e15) return E::kFieldOverflow;
  *whole = static_cast<int64_t>(v >= 0 ? std::floor(v) : -std::floor(-v));
  *fraction = v - static_cast<double>(*whole);
  return E::kNone;
}
int iso_width(const char* p) {
  if (*p == '-') ++p;
  int n = 0;
  while (p[n] >= '0' && p[n] <= '9') ++n;
  return n;
}

E decode_iso_interval(const char* p, Gather* out) {
  if (std::strlen(p) < 2 || *p != 'P') return E::kBadFormat;
  ++p;
  bool date_part = true, have_field = false;
  auto check = [](bool ok) { return ok ? E::kNone : E::kFieldOverflow; };
  while (*p != '\0') {
    if (*p == 'T') {
      date_part = false;
      have_field = false;
      ++p;
      continue;
    }
    const char* start = p;
    int64_t v;
    double f;
    E e = iso_number(p, &v, &f);
    if (e != E::kNone) return e;
    char unit = *p;
    if (unit != '\0') ++p;
    if (date_part) {
      switch (unit) {
        case 'Y': e = check(out->add_years(v, 1) && out->add_fraction_years(f, 1)); break;
        case 'M': e = check(out->add_months(v) && out->add_fraction_days(f, 30)); break;
        case 'W': e = check(out->add_days(v, 7) && out->add_fraction_days(f, 7)); break;
        case 'D': e = check(out->add_days(v, 1) && out->add_fraction_us(f, kUsPerDay)); break;
        case 'T':
        case '\0':
          if (iso_width(start) == 8 && !have_field) {
            e = check(out->add_years(v / 10000, 1) && out->add_months(v / 100 % 100) && out->add_days(v % 100, 1) &&
                      out->add_fraction_us(f, kUsPerDay));
            if (e != E::kNone || unit == '\0') return e;
            date_part = false;
            have_field = false;
            continue;
          }
          [[fallthrough]];
        case '-':
          if (have_field) return E::kBadFormat;
          e = check(out->add_years(v, 1) && out->add_fraction_years(f, 1));
          if (e != E::kNone || unit == '\0') return e;
          if (unit == 'T') {
            date_part = false;
            have_field = false;
            continue;
          }
          e = iso_number(p, &v, &f);
          if (e != E::kNone) return e;
          e = check(out->add_months(v) && out->add_fraction_days(f, 30));
          if (e != E::kNone || *p == '\0') return e;
          if (*p == 'T') {
            date_part = false;
            have_field = false;
            continue;
          }
          if (*p != '-') return E::kBadFormat;
          ++p;
          e = iso_number(p, &v, &f);
          if (e != E::kNone) return e;
          e = check(out->add_days(v, 1) && out->add_fraction_us(f, kUsPerDay));
          if (e != E::kNone || *p == '\0') return e;
          if (*p == 'T') {
            date_part = false;
            have_field = false;
            continue;
          }
          return E::kBadFormat;
        default:
          return E::kBadFormat;
      }
    } else {
      switch (unit) {
        case 'H': e = check(out->add_us(v, f, kUsPerHour)); break;
        case 'M': e = check(out->add_us(v, f, kUsPerMinute)); break;
        case 'S': e = check(out->add_us(v, f, kUsPerSecond)); break;
        case '\0':
          if (iso_width(start) == 6 && !have_field)
            return check(out->add_us(v / 10000, 0, kUsPerHour) && out->add_us(v / 100 % 100, 0, kUsPerMinute) &&
                         out->add_us(v % 100, 0, kUsPerSecond) && out->add_fraction_us(f, kUsPerSecond));
          [[fallthrough]];
        case ':':
          if (have_field) return E::kBadFormat;
          e = check(out->add_us(v, f, kUsPerHour));
          if (e != E::kNone || unit == '\0') return e;
          e = iso_number(p, &v, &f);
          if (e != E::kNone) return e;
          e = check(out->add_us(v, f, kUsPerMinute));
          if (e != E::kNone || *p == '\0') return e;
          if (*p != ':') return E::kBadFormat;
          ++p;
          e = iso_number(p, &v, &f);
          if (e != E::kNone) return e;
          e = check(out->add_us(v, f, kUsPerSecond));
          if (e != E::kNone || *p == '\0') return e;
          return E::kBadFormat;
        default:
          return E::kBadFormat;
      }
    }
    if (e != E::kNone) return e;
    have_field = true;
  }
  return E::kNone;
}

}  // namespace

Interval parse_interval(std::string_view s, int32_t typmod, EvalContext& ctx) {
  std::vector<Field> fields;
  Gather gather;
  TimeUnit kind = TimeUnit::kUnknown;
  E e = split_fields(s, &fields);
  if (e == E::kNone) e = decode_interval(fields, typmod >= 0 ? interval_range(typmod) : kFullRange, ctx, &gather, &kind);
  if (e == E::kBadFormat) {
    gather = Gather();
    std::string copy(s);
    e = decode_iso_interval(copy.c_str(), &gather);
  }
  if (e == E::kFieldOverflow) e = E::kIntervalOverflow;
  if (e != E::kNone) throw_datetime_error(e, s, "interval");
  if (kind != TimeUnit::kUnknown) throw_datetime_error(E::kBadFormat, s, "interval");
  Interval v;
  if (!gather.finish(&v)) throw_interval_out_of_range();
  round_interval(&v, typmod);
  return v;
}

}  // namespace stele

// Fields of a date/time input to dates and times: decides what each field is, with PostgreSQL's
// rules for everything that is ambiguous. The fields come from datetime_split.cc.
#include "base/error.h"
#include "types/datetime_chars.h"
#include "types/datetime_fields.h"

namespace stele::datetime {

using E = DateTimeError;

namespace {

// One parse: what has been seen so far.
struct Decoder {
  EvalContext& ctx;
  BrokenTime& tm;
  int mask = 0;
  bool text_month = false, two_digit_year = false, julian = false, bc = false;
  int meridiem = -1;  // 0 AM, 1 PM
  TimeUnit prefix = TimeUnit::kUnknown;  // a label before a number: "y2001"
  const TimeZone* zone = nullptr;
  std::optional<ZoneReference> dynamic;
  bool zone_seen_ = false;

  // Concatenated digits: yyyymmdd or hhmmss, with a fraction. Sets *kind to what it was.
  E number_field(std::string text, int seen, int* found, FieldType* kind) {
    size_t dot = text.find('.');
    if (dot != std::string::npos) {
      double f;
      if (dot + 1 == text.size()) f = 0;
      else {
        char* end;
        f = std::strtod(text.c_str() + dot, &end);
        if (*end != '\0') return E::kBadFormat;
      }
      tm.us = static_cast<int>(std::rint(f * 1000000));
      text.resize(dot);
    } else if ((seen & kDateMask) != kDateMask) {
      if (text.size() >= 6) {
        size_t n = text.size();
        *found = kDateMask;
        tm.day = std::atoi(text.substr(n - 2).c_str());
        tm.month = std::atoi(text.substr(n - 4, 2).c_str());
        tm.year = std::atoi(text.substr(0, n - 4).c_str());
        if (n - 4 == 2) two_digit_year = true;
        *kind = FieldType::kDate;
        return E::kNone;
      }
    }
    if ((seen & kTimeMask) != kTimeMask) {
      if (text.size() == 6 || text.size() == 4) {
        *found = kTimeMask;
        tm.second = text.size() == 6 ? std::atoi(text.substr(4).c_str()) : 0;
        tm.minute = std::atoi(text.substr(2, 2).c_str());
        tm.hour = std::atoi(text.substr(0, 2).c_str());
        *kind = FieldType::kTime;
        return E::kNone;
      }
    }
    return E::kBadFormat;
  }

  E number(const std::string& text, bool month_text, int seen, int* found) {
    *found = 0;
    const char* p = text.c_str();
    const char* start = p;
    int value;
    if (!to_int(p, &value)) return E::kFieldOverflow;
    if (p == start) return E::kBadFormat;
    FieldType kind;
    if (*p == '.') {
      if (p - start > 2) return number_field(text, seen | kDateMask, found, &kind);
      E e = parse_fractional_second(p, &tm.us);
      if (e != E::kNone) return e;
    } else if (*p != '\0') {
      return E::kBadFormat;
    }
    size_t length = text.size();
    if (length == 3 && (seen & kDateMask) == bit(kYear) && value >= 1 && value <= 366) {
      *found = bit(kDoy) | bit(kMonth) | bit(kDay);
      tm.yearday = value;
      return E::kNone;
    }
    auto set = [&](int field) {
      *found = bit(field);
      (field == kYear ? tm.year : field == kMonth ? tm.month : tm.day) = value;
    };
    bool ymd = ctx.date_order == DateOrder::kYmd;
    switch (seen & kDateMask) {
      case 0:
        if (length >= 3 || ymd) set(kYear);
        else set(ctx.date_order == DateOrder::kDmy ? kDay : kMonth);
        break;
      case bit(kYear):
        set(kMonth);
        break;
      case bit(kMonth):
        if (month_text && (length >= 3 || ymd)) set(kYear);
        else set(kDay);
        break;
      case bit(kYear) | bit(kMonth):
        if (month_text && length >= 3 && two_digit_year) {
          // The number taken for a year was the day.
          *found = bit(kDay);
          tm.day = tm.year;
          tm.year = value;
          two_digit_year = false;
        } else {
          set(kDay);
        }
        break;
      case bit(kDay):
        set(kMonth);
        break;
      case bit(kMonth) | bit(kDay):
        set(kYear);
        break;
      case kDateMask:
        return number_field(text, seen, found, &kind);
      default:
        return E::kBadFormat;
    }
    if (*found == bit(kYear)) two_digit_year = length <= 2;
    return E::kNone;
  }

  // Fields joined by delimiters: 2001-02-03, feb-3-2001.
  E date(const std::string& text, int seen, int* found) {
    *found = 0;
    std::vector<std::string> parts;
    size_t i = 0, n = text.size();
    while (i < n && parts.size() < 25) {
      while (i < n && !digit(text[i]) && !alpha(text[i])) ++i;
      if (i == n) return E::kBadFormat;
      size_t start = i;
      if (digit(text[i])) while (i < n && digit(text[i])) ++i;
      else while (i < n && alpha(text[i])) ++i;
      parts.push_back(text.substr(start, i - start));
      if (i < n) ++i;
    }
    bool month_text = false;
    for (std::string& part : parts) {
      if (!alpha(part[0])) continue;
      int value;
      int type = decode_special(part, &value);
      part.clear();
      if (type == kIgnore) continue;
      if (type != kMonth || (seen & bit(kMonth)) != 0) return E::kBadFormat;
      tm.month = value;
      month_text = true;
      seen |= bit(kMonth);
      *found |= bit(kMonth);
    }
    for (const std::string& part : parts) {
      if (part.empty()) continue;
      int one;
      E e = number(part, month_text, seen, &one);
      if (e != E::kNone) return e;
      if ((seen & one) != 0) return E::kBadFormat;
      seen |= one;
      *found |= one;
    }
    if ((seen & ~(bit(kDoy) | bit(kTz))) != kDateMask) return E::kBadFormat;
    return E::kNone;
  }

  E validate() {
    if ((mask & bit(kYear)) != 0) {
      if (julian) {
      } else if (bc) {
        if (tm.year <= 0) return E::kFieldOverflow;
        tm.year = -(tm.year - 1);
      } else if (two_digit_year) {
        if (tm.year < 0) return E::kFieldOverflow;
        if (tm.year < 70) tm.year += 2000;
        else if (tm.year < 100) tm.year += 1900;
      } else if (tm.year <= 0) {
        return E::kFieldOverflow;
      }
    }
    if ((mask & bit(kDoy)) != 0)
      julian_to_date(date_to_julian(tm.year, 1, 1) + tm.yearday - 1, &tm.year, &tm.month, &tm.day);
    if ((mask & bit(kMonth)) != 0 && (tm.month < 1 || tm.month > 12)) return E::kMonthDayOverflow;
    if ((mask & bit(kDay)) != 0 && (tm.day < 1 || tm.day > 31)) return E::kMonthDayOverflow;
    if ((mask & kDateMask) == kDateMask && tm.day > days_in_month(tm.year, tm.month)) return E::kFieldOverflow;
    return E::kNone;
  }
  E apply_meridiem() {
    if (meridiem >= 0 && tm.hour > 12) return E::kFieldOverflow;
    if (meridiem == 0 && tm.hour == 12) tm.hour = 0;
    else if (meridiem == 1 && tm.hour != 12) tm.hour += 12;
    return E::kNone;
  }

  void now(BrokenTime* out) { timestamp_to_broken(ctx.now_us, out, &session_zone(ctx)); }

  // Zone words. Returns kUnknownField when `text` is none; *found gets the mask.
  int zone_word(const std::string& text, int* value, const ZoneAbbreviation** abbreviation) {
    *abbreviation = find_zone_abbreviation(text);
    if (*abbreviation == nullptr) return decode_special(text, value);
    if ((*abbreviation)->zone != nullptr) return kDynTz;
    *value = (*abbreviation)->offset_s;
    return (*abbreviation)->dst ? kDtz : kTz;
  }

  // A number after a label ("y2001", "j2451187", "t0405"). allow_dates: false when the target has no
  // place for a date or zone.
  E labelled(const std::string& text, bool allow_dates, bool time_only, int* found, int* zone_s, FieldType* kind) {
    const char* p = text.c_str();
    int value;
    if (!to_int(p, &value)) return E::kFieldOverflow;
    if (*p == '.') {
      if (prefix != TimeUnit::kJulian && prefix != TimeUnit::kTime && prefix != TimeUnit::kSecond) return E::kBadFormat;
    } else if (*p != '\0') {
      return E::kBadFormat;
    }
    switch (prefix) {
      case TimeUnit::kYear:
        if (!allow_dates) return E::kBadFormat;
        tm.year = value;
        *found = bit(kYear);
        break;
      case TimeUnit::kMonth:
        if ((mask & bit(kMonth)) != 0 && (mask & bit(kHour)) != 0) {
          tm.minute = value;
          *found = bit(kMinute);
        } else {
          if (!allow_dates) return E::kBadFormat;
          tm.month = value;
          *found = bit(kMonth);
        }
        break;
      case TimeUnit::kDay:
        if (!allow_dates) return E::kBadFormat;
        tm.day = value;
        *found = bit(kDay);
        break;
      case TimeUnit::kHour:
        tm.hour = value;
        *found = bit(kHour);
        break;
      case TimeUnit::kMinute:
        tm.minute = value;
        *found = bit(kMinute);
        break;
      case TimeUnit::kSecond:
        tm.second = value;
        *found = bit(kSecond);
        if (*p == '.') {
          E e = parse_fractional_second(p, &tm.us);
          if (e != E::kNone) return e;
          *found = kAllSecondsMask;
        }
        break;
      case TimeUnit::kTimezone: {
        E e = decode_zone_displacement(text, zone_s);
        if (e != E::kNone) return e;
        *found = bit(kTz);
        break;
      }
      case TimeUnit::kJulian: {
        if (!allow_dates) return E::kBadFormat;
        if (value < 0) return E::kFieldOverflow;
        *found = kDateMask;
        julian_to_date(value, &tm.year, &tm.month, &tm.day);
        julian = true;
        if (*p == '.') {
          double f;
          E e = parse_fraction(p, &f);
          if (e != E::kNone) return e;
          time_to_broken(static_cast<int64_t>(f * static_cast<double>(kUsPerDay)), &tm);
          *found |= kTimeMask;
        }
        break;
      }
      case TimeUnit::kTime: {
        E e = number_field(text, mask | kDateMask, found, kind);
        if (e != E::kNone) return e;
        if (*found != kTimeMask) return E::kBadFormat;
        break;
      }
      default:
        return E::kBadFormat;
    }
    prefix = TimeUnit::kUnknown;
    return E::kNone;
  }
};

bool time_like(FieldType t) { return t == FieldType::kNumber || t == FieldType::kTime || t == FieldType::kDate; }

}  // namespace

E decode_datetime(std::vector<Field>& fields, Decoded* out, bool with_zone, EvalContext& ctx) {
  BrokenTime& tm = out->tm;
  tm = BrokenTime();
  Decoder d{ctx, tm};
  int& zone_s = out->zone_s;
  zone_s = 0;
  out->kind = TimeUnit::kUnknown;
  for (size_t i = 0; i < fields.size(); ++i) {
    std::string& text = fields[i].text;
    int found = 0;
    E e = E::kNone;
    FieldType kind = fields[i].type;
    switch (fields[i].type) {
      case FieldType::kDate:
        if (d.prefix == TimeUnit::kJulian) {
          if (!with_zone) return E::kBadFormat;
          const char* p = text.c_str();
          int value;
          if (!to_int(p, &value) || value < 0) return E::kFieldOverflow;
          julian_to_date(value, &tm.year, &tm.month, &tm.day);
          d.julian = true;
          e = decode_zone_displacement(p, &zone_s);
          found = kDateMask | kTimeMask | bit(kTz);
          d.prefix = TimeUnit::kUnknown;
        } else if (d.prefix != TimeUnit::kUnknown || (d.mask & (bit(kMonth) | bit(kDay))) == (bit(kMonth) | bit(kDay))) {
          if (!with_zone) return E::kBadFormat;
          if (digit(text[0]) || d.prefix != TimeUnit::kUnknown) {
            if (d.prefix != TimeUnit::kUnknown) {
              if (d.prefix != TimeUnit::kTime) return E::kBadFormat;
              d.prefix = TimeUnit::kUnknown;
            }
            if ((d.mask & kTimeMask) == kTimeMask) return E::kBadFormat;
            size_t minus = text.find('-');
            if (minus == std::string::npos) return E::kBadFormat;
            e = decode_zone_displacement(text.substr(minus), &zone_s);
            if (e != E::kNone) return e;
            e = d.number_field(text.substr(0, minus), d.mask, &found, &kind);
            found |= bit(kTz);
          } else {
            d.zone = TimeZone::find(text);
            if (d.zone == nullptr) throw_datetime_error(E::kBadZone, text, "");
            found = bit(kTz);
          }
        } else {
          e = d.date(text, d.mask, &found);
        }
        break;
      case FieldType::kTime:
        if (d.prefix != TimeUnit::kUnknown) {
          if (d.prefix != TimeUnit::kTime) return E::kBadFormat;
          d.prefix = TimeUnit::kUnknown;
        }
        e = decode_time(text, kFullRange, &found, &tm, nullptr);
        if (e == E::kNone && time_overflows(tm)) return E::kFieldOverflow;
        break;
      case FieldType::kZone:
        if (!with_zone) return E::kBadFormat;
        e = decode_zone_displacement(text, &zone_s);
        found = bit(kTz);
        break;
      case FieldType::kNumber:
        if (d.prefix != TimeUnit::kUnknown) {
          e = d.labelled(text, true, false, &found, &zone_s, &kind);
        } else {
          size_t dot = text.find('.');
          if (dot != std::string::npos && (d.mask & kDateMask) == 0) {
            e = d.date(text, d.mask, &found);
          } else if (dot != std::string::npos && dot > 2) {
            e = d.number_field(text, d.mask, &found, &kind);
          } else if (text.size() >= 6 && ((d.mask & kDateMask) == 0 || (d.mask & kTimeMask) == 0)) {
            e = d.number_field(text, d.mask, &found, &kind);
          } else {
            e = d.number(text, d.text_month, d.mask, &found);
          }
        }
        break;
      case FieldType::kString:
      case FieldType::kSpecial: {
        int value = 0;
        const ZoneAbbreviation* abbreviation;
        int type = d.zone_word(text, &value, &abbreviation);
        if (type == kIgnore) continue;
        found = bit(type);
        switch (type) {
          case kReserved:
            switch (TimeUnit word = static_cast<TimeUnit>(value)) {
              case TimeUnit::kNow:
                found = kDateMask | kTimeMask | bit(kTz);
                out->kind = TimeUnit::kUnknown;
                d.now(&tm);
                zone_s = tm.zone_s;
                break;
              case TimeUnit::kToday:
              case TimeUnit::kTomorrow:
              case TimeUnit::kYesterday: {
                found = kDateMask;
                out->kind = TimeUnit::kUnknown;
                BrokenTime now;
                d.now(&now);
                int shift = word == TimeUnit::kToday ? 0 : word == TimeUnit::kTomorrow ? 1 : -1;
                julian_to_date(date_to_julian(now.year, now.month, now.day) + shift, &tm.year, &tm.month, &tm.day);
                break;
              }
              case TimeUnit::kAllballs:
                found = kTimeMask | bit(kTz);
                out->kind = TimeUnit::kUnknown;
                tm.hour = tm.minute = tm.second = 0;
                zone_s = 0;
                break;
              case TimeUnit::kEpoch:
              case TimeUnit::kLate:
              case TimeUnit::kEarly:
                found = kDateMask | kTimeMask | bit(kTz);
                out->kind = word;
                break;
              default:
                return E::kBadFormat;
            }
            break;
          case kMonth:
            if ((d.mask & bit(kMonth)) != 0 && !d.text_month && (d.mask & bit(kDay)) == 0 && tm.month >= 1 && tm.month <= 31) {
              tm.day = tm.month;
              found = bit(kDay);
            }
            d.text_month = true;
            tm.month = value;
            break;
          case kDstModifier:
            found |= bit(kDtz);
            if (!with_zone) return E::kBadFormat;
            zone_s -= value;
            break;
          case kDtz:
          case kTz:
            found |= bit(kTz);
            if (!with_zone) return E::kBadFormat;
            zone_s = -value;
            break;
          case kDynTz:
            found |= bit(kTz);
            if (!with_zone) return E::kBadFormat;
            d.dynamic = ZoneReference{ZoneReference::kDynamic, 0, TimeZone::find(abbreviation->zone), text};
            break;
          case kAmPm:
            d.meridiem = value;
            break;
          case kAdBc:
            d.bc = value == 1;
            break;
          case kDow:
            break;
          case kUnits:
            found = 0;
            d.prefix = static_cast<TimeUnit>(value);
            break;
          case kIsoTime:
            found = 0;
            if ((d.mask & kDateMask) != kDateMask) return E::kBadFormat;
            if (i + 1 >= fields.size() || !time_like(fields[i + 1].type)) return E::kBadFormat;
            d.prefix = TimeUnit::kTime;
            break;
          default:
            d.zone = TimeZone::find(text);
            if (d.zone == nullptr) return E::kBadFormat;
            found = bit(kTz);
        }
        break;
      }
    }
    if (e != E::kNone) return e;
    if ((found & d.mask) != 0) return E::kBadFormat;
    d.mask |= found;
  }
  out->mask = d.mask;
  if (out->kind != TimeUnit::kUnknown) return E::kNone;
  if (E e = d.validate(); e != E::kNone) return e;
  if (E e = d.apply_meridiem(); e != E::kNone) return e;
  if ((d.mask & kDateMask) != kDateMask) return E::kBadFormat;
  if (d.zone != nullptr) {
    if ((d.mask & bit(kDstModifier)) != 0) return E::kBadFormat;
    zone_s = zone_offset(tm, *d.zone);
  }
  if (d.dynamic.has_value()) {
    if ((d.mask & bit(kDstModifier)) != 0) return E::kBadFormat;
    zone_s = zone_offset_local(*d.dynamic, tm);
  }
  if (with_zone && (d.mask & bit(kTz)) == 0) {
    if ((d.mask & bit(kDstModifier)) != 0) return E::kBadFormat;
    zone_s = zone_offset(tm, session_zone(ctx));
  }
  return E::kNone;
}

E decode_time_only(std::vector<Field>& fields, Decoded* out, bool with_zone, EvalContext& ctx) {
  BrokenTime& tm = out->tm;
  tm = BrokenTime();
  Decoder d{ctx, tm};
  int& zone_s = out->zone_s;
  zone_s = 0;
  out->kind = TimeUnit::kUnknown;
  size_t n = fields.size();
  for (size_t i = 0; i < n; ++i) {
    std::string& text = fields[i].text;
    int found = 0;
    E e = E::kNone;
    switch (fields[i].type) {
      case FieldType::kDate:
        if (!with_zone) return E::kBadFormat;
        if (i == 0 && n >= 2 && (fields[n - 1].type == FieldType::kDate || fields[1].type == FieldType::kTime)) {
          e = d.date(text, d.mask, &found);
        } else if (digit(text[0])) {
          if ((d.mask & kTimeMask) == kTimeMask) return E::kBadFormat;
          size_t minus = text.find('-');
          if (minus == std::string::npos) return E::kBadFormat;
          e = decode_zone_displacement(text.substr(minus), &zone_s);
          if (e != E::kNone) return e;
          e = d.number_field(text.substr(0, minus), d.mask | kDateMask, &found, &fields[i].type);
          found |= bit(kTz);
        } else {
          d.zone = TimeZone::find(text);
          if (d.zone == nullptr) throw_datetime_error(E::kBadZone, text, "");
          fields[i].type = FieldType::kZone;
          found = bit(kTz);
        }
        d.prefix = TimeUnit::kUnknown;
        break;
      case FieldType::kTime:
        e = decode_time(text, kFullRange, &found, &tm, nullptr);
        d.prefix = TimeUnit::kUnknown;
        break;
      case FieldType::kZone:
        if (!with_zone) return E::kBadFormat;
        e = decode_zone_displacement(text, &zone_s);
        found = bit(kTz);
        break;
      case FieldType::kNumber:
        if (d.prefix != TimeUnit::kUnknown) {
          e = d.labelled(text, with_zone, true, &found, &zone_s, &fields[i].type);
        } else {
          size_t dot = text.find('.');
          if (dot != std::string::npos) {
            if (i == 0 && n >= 2 && fields[n - 1].type == FieldType::kDate) e = d.date(text, d.mask, &found);
            else if (dot > 2) e = d.number_field(text, d.mask | kDateMask, &found, &fields[i].type);
            else return E::kBadFormat;
          } else if (text.size() > 4) {
            e = d.number_field(text, d.mask | kDateMask, &found, &fields[i].type);
          } else {
            e = d.number(text, false, d.mask | kDateMask, &found);
          }
        }
        break;
      case FieldType::kString:
      case FieldType::kSpecial: {
        int value = 0;
        const ZoneAbbreviation* abbreviation;
        int type = d.zone_word(text, &value, &abbreviation);
        if (type == kIgnore) continue;
        found = bit(type);
        switch (type) {
          case kReserved:
            if (static_cast<TimeUnit>(value) == TimeUnit::kNow) {
              found = kTimeMask;
              BrokenTime now;
              d.now(&now);
              tm.hour = now.hour; tm.minute = now.minute; tm.second = now.second; tm.us = now.us;
            } else if (static_cast<TimeUnit>(value) == TimeUnit::kAllballs) {
              found = kTimeMask | bit(kTz);
              tm.hour = tm.minute = tm.second = 0;
            } else {
              return E::kBadFormat;
            }
            break;
          case kDstModifier:
            found |= bit(kDtz);
            if (!with_zone) return E::kBadFormat;
            zone_s -= value;
            break;
          case kDtz:
          case kTz:
            found |= bit(kTz);
            if (!with_zone) return E::kBadFormat;
            zone_s = -value;
            fields[i].type = FieldType::kZone;
            break;
          case kDynTz:
            found |= bit(kTz);
            if (!with_zone) return E::kBadFormat;
            d.dynamic = ZoneReference{ZoneReference::kDynamic, 0, TimeZone::find(abbreviation->zone), text};
            fields[i].type = FieldType::kZone;
            break;
          case kAmPm:
            d.meridiem = value;
            break;
          case kAdBc:
            d.bc = value == 1;
            break;
          case kUnits:
            found = 0;
            d.prefix = static_cast<TimeUnit>(value);
            break;
          case kIsoTime:
            found = 0;
            if (i + 1 >= n || !time_like(fields[i + 1].type)) return E::kBadFormat;
            d.prefix = TimeUnit::kTime;
            break;
          case kUnknownField:
            d.zone = TimeZone::find(text);
            if (d.zone == nullptr) return E::kBadFormat;
            found = bit(kTz);
            break;
          default:
            return E::kBadFormat;
        }
        break;
      }
    }
    if (e != E::kNone) return e;
    if ((found & d.mask) != 0) return E::kBadFormat;
    d.mask |= found;
  }
  out->mask = d.mask;
  if (E e = d.validate(); e != E::kNone) return e;
  if (E e = d.apply_meridiem(); e != E::kNone) return e;
  if (time_overflows(tm)) return E::kFieldOverflow;
  if ((d.mask & kTimeMask) != kTimeMask) return E::kBadFormat;
  bool whole_date = (d.mask & kDateMask) == kDateMask;
  bool modifier = (d.mask & bit(kDstModifier)) != 0;
  if (d.zone != nullptr) {
    if (modifier) return E::kBadFormat;
    int32_t fixed;
    if (d.zone->is_fixed(&fixed)) {
      zone_s = -fixed;
    } else {
      if (!whole_date) return E::kBadFormat;
      zone_s = zone_offset(tm, *d.zone);
    }
  }
  auto on_today = [&]() {
    BrokenTime today;
    d.now(&today);
    today.hour = tm.hour; today.minute = tm.minute; today.second = tm.second;
    return today;
  };
  if (d.dynamic.has_value()) {
    if (modifier) return E::kBadFormat;
    zone_s = zone_offset_local(*d.dynamic, whole_date ? tm : on_today());
  }
  if (with_zone && (d.mask & bit(kTz)) == 0) {
    if (modifier) return E::kBadFormat;
    if ((d.mask & kDateMask) != 0 && !whole_date) return E::kBadFormat;
    zone_s = zone_offset(whole_date ? tm : on_today(), session_zone(ctx));
  }
  return E::kNone;
}

}  // namespace stele::datetime

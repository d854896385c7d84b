// Zones as inputs name them, and the errors of date/time input.
#include "base/error.h"
#include "types/datetime_fields.h"

namespace stele {

DateTimeError decode_zone_displacement(std::string_view s, int* zone_west_s) {
  if (s.empty() || (s[0] != '+' && s[0] != '-')) return DateTimeError::kBadFormat;
  std::string copy(s.substr(1));
  const char* p = copy.c_str();
  int hour, minute = 0, second = 0;
  if (!datetime::to_int(p, &hour)) return DateTimeError::kZoneOverflow;
  if (*p == ':') {
    ++p;
    if (!datetime::to_int(p, &minute)) return DateTimeError::kZoneOverflow;
    if (*p == ':') {
      ++p;
      if (!datetime::to_int(p, &second)) return DateTimeError::kZoneOverflow;
    }
  } else if (*p == '\0' && s.size() > 3) {
    minute = hour % 100;
    hour /= 100;
  }
  if (hour < 0 || hour > 15 || minute < 0 || minute >= 60 || second < 0 || second >= 60) return DateTimeError::kZoneOverflow;
  int zone = (hour * 60 + minute) * 60 + second;
  *zone_west_s = s[0] == '-' ? zone : -zone;
  return *p == '\0' ? DateTimeError::kNone : DateTimeError::kBadFormat;
}

void throw_datetime_error(DateTimeError e, std::string_view input, const char* type) {
  switch (e) {
    case DateTimeError::kFieldOverflow:
      throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("date/time field value out of range: \"{}\"", input));
    case DateTimeError::kMonthDayOverflow:
      throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("date/time field value out of range: \"{}\"", input))
          .hint("Perhaps you need a different \"datestyle\" setting.");
    case DateTimeError::kIntervalOverflow:
      throw Error(ErrorCode::kIntervalFieldOverflow, fmt::format("interval field value out of range: \"{}\"", input));
    case DateTimeError::kZoneOverflow:
      throw Error(ErrorCode::kInvalidTimeZoneDisplacementValue,
                  fmt::format("time zone displacement out of range: \"{}\"", input));
    case DateTimeError::kBadZone:
      throw Error(ErrorCode::kInvalidParameterValue, fmt::format("time zone \"{}\" not recognized", input));
    default:
      throw Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("invalid input syntax for type {}: \"{}\"", type, input));
  }
}

ZoneReference resolve_zone(std::string_view name) {
  std::string low(name);
  for (char& c : low) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (const ZoneAbbreviation* a = find_zone_abbreviation(low)) {
    if (a->zone == nullptr) return {ZoneReference::kFixed, -a->offset_s, nullptr, {}};
    return {ZoneReference::kDynamic, 0, TimeZone::find(a->zone), low};
  }
  const TimeZone* zone = TimeZone::find(name);
  if (zone == nullptr) throw_datetime_error(DateTimeError::kBadZone, name, "");
  return {ZoneReference::kZone, 0, zone, {}};
}

int zone_offset_local(const ZoneReference& z, const BrokenTime& tm) {
  if (z.kind == ZoneReference::kFixed) return z.zone_west_s;
  int offset = zone_offset(tm, *z.zone);
  if (z.kind == ZoneReference::kZone) return offset;
  int64_t day = int64_t{date_to_julian(tm.year, tm.month, tm.day)} - kUnixEpochJulian;
  int64_t utc = day * 86400 + tm.hour * 3600 + tm.minute * 60 + tm.second + offset;
  TimeZone::Local l;
  return z.zone->interpret_abbreviation(z.abbreviation, utc, &l) ? -l.offset_s : offset;
}

int zone_offset_utc(const ZoneReference& z, int64_t ts, BrokenTime* tm) {
  if (z.kind == ZoneReference::kFixed) return z.zone_west_s;
  int64_t s = ts / kUsPerSecond - (ts % kUsPerSecond < 0 ? 1 : 0) + kEpochDifferenceS;
  TimeZone::Local l = z.zone->at_utc(s);
  if (z.kind == ZoneReference::kDynamic) z.zone->interpret_abbreviation(z.abbreviation, s, &l);
  if (tm != nullptr) {
    tm->dst = l.dst;
    tm->abbreviation = l.abbreviation;
  }
  return -l.offset_s;
}

}  // namespace stele

// Text to dates and times: splitting into fields, then deciding what each field is, with
// PostgreSQL's rules for everything that is ambiguous.
#include "base/error.h"
#include "types/datetime_fields.h"

namespace stele::datetime {

using E = DateTimeError;

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool punctuation(char c) { return c > 32 && c < 127 && !digit(c) && !alpha(c); }

constexpr size_t kMaxTokenLength = 10;

struct Token { const char* name; int type; int value; };

constexpr int U(TimeUnit u) { return static_cast<int>(u); }

// Sorted by name.
constexpr Token kDateTokens[] = {
    {"-infinity", kReserved, U(TimeUnit::kEarly)},
    {"ad", kAdBc, 0},
    {"allballs", kReserved, U(TimeUnit::kAllballs)},
    {"am", kAmPm, 0},
    {"apr", kMonth, 4},
    {"april", kMonth, 4},
    {"at", kIgnore, 0},
    {"aug", kMonth, 8},
    {"august", kMonth, 8},
    {"bc", kAdBc, 1},
    {"d", kUnits, U(TimeUnit::kDay)},
    {"dec", kMonth, 12},
    {"december", kMonth, 12},
    {"dow", kUnits, U(TimeUnit::kDow)},
    {"doy", kUnits, U(TimeUnit::kDoy)},
    {"dst", kDstModifier, 3600},
    {"epoch", kReserved, U(TimeUnit::kEpoch)},
    {"feb", kMonth, 2},
    {"february", kMonth, 2},
    {"fri", kDow, 5},
    {"friday", kDow, 5},
    {"h", kUnits, U(TimeUnit::kHour)},
    {"infinity", kReserved, U(TimeUnit::kLate)},
    {"isodow", kUnits, U(TimeUnit::kIsoDow)},
    {"isoyear", kUnits, U(TimeUnit::kIsoYear)},
    {"j", kUnits, U(TimeUnit::kJulian)},
    {"jan", kMonth, 1},
    {"january", kMonth, 1},
    {"jd", kUnits, U(TimeUnit::kJulian)},
    {"jul", kMonth, 7},
    {"julian", kUnits, U(TimeUnit::kJulian)},
    {"july", kMonth, 7},
    {"jun", kMonth, 6},
    {"june", kMonth, 6},
    {"m", kUnits, U(TimeUnit::kMonth)},
    {"mar", kMonth, 3},
    {"march", kMonth, 3},
    {"may", kMonth, 5},
    {"mm", kUnits, U(TimeUnit::kMinute)},
    {"mon", kDow, 1},
    {"monday", kDow, 1},
    {"nov", kMonth, 11},
    {"november", kMonth, 11},
    {"now", kReserved, U(TimeUnit::kNow)},
    {"oct", kMonth, 10},
    {"october", kMonth, 10},
    {"on", kIgnore, 0},
    {"pm", kAmPm, 1},
    {"s", kUnits, U(TimeUnit::kSecond)},
    {"sat", kDow, 6},
    {"saturday", kDow, 6},
    {"sep", kMonth, 9},
    {"sept", kMonth, 9},
    {"september", kMonth, 9},
    {"sun", kDow, 0},
    {"sunday", kDow, 0},
    {"t", kIsoTime, U(TimeUnit::kTime)},
    {"thu", kDow, 4},
    {"thur", kDow, 4},
    {"thurs", kDow, 4},
    {"thursday", kDow, 4},
    {"today", kReserved, U(TimeUnit::kToday)},
    {"tomorrow", kReserved, U(TimeUnit::kTomorrow)},
    {"tue", kDow, 2},
    {"tues", kDow, 2},
    {"tuesday", kDow, 2},
    {"wed", kDow, 3},
    {"wednesday", kDow, 3},
    {"weds", kDow, 3},
    {"y", kUnits, U(TimeUnit::kYear)},
    {"yesterday", kReserved, U(TimeUnit::kYesterday)},
};

// Sorted by name, cut to kMaxTokenLength.
constexpr Token kDeltaTokens[] = {
    {"@", kIgnore, 0},
    {"ago", kAgo, 0},
    {"c", kUnits, U(TimeUnit::kCentury)},
    {"cent", kUnits, U(TimeUnit::kCentury)},
    {"centuries", kUnits, U(TimeUnit::kCentury)},
    {"century", kUnits, U(TimeUnit::kCentury)},
    {"d", kUnits, U(TimeUnit::kDay)},
    {"day", kUnits, U(TimeUnit::kDay)},
    {"days", kUnits, U(TimeUnit::kDay)},
    {"dec", kUnits, U(TimeUnit::kDecade)},
    {"decade", kUnits, U(TimeUnit::kDecade)},
    {"decades", kUnits, U(TimeUnit::kDecade)},
    {"decs", kUnits, U(TimeUnit::kDecade)},
    {"h", kUnits, U(TimeUnit::kHour)},
    {"hour", kUnits, U(TimeUnit::kHour)},
    {"hours", kUnits, U(TimeUnit::kHour)},
    {"hr", kUnits, U(TimeUnit::kHour)},
    {"hrs", kUnits, U(TimeUnit::kHour)},
    {"m", kUnits, U(TimeUnit::kMinute)},
    {"microsecon", kUnits, U(TimeUnit::kMicrosecond)},
    {"mil", kUnits, U(TimeUnit::kMillennium)},
    {"millennia", kUnits, U(TimeUnit::kMillennium)},
    {"millennium", kUnits, U(TimeUnit::kMillennium)},
    {"millisecon", kUnits, U(TimeUnit::kMillisecond)},
    {"mils", kUnits, U(TimeUnit::kMillennium)},
    {"min", kUnits, U(TimeUnit::kMinute)},
    {"mins", kUnits, U(TimeUnit::kMinute)},
    {"minute", kUnits, U(TimeUnit::kMinute)},
    {"minutes", kUnits, U(TimeUnit::kMinute)},
    {"mon", kUnits, U(TimeUnit::kMonth)},
    {"mons", kUnits, U(TimeUnit::kMonth)},
    {"month", kUnits, U(TimeUnit::kMonth)},
    {"months", kUnits, U(TimeUnit::kMonth)},
    {"ms", kUnits, U(TimeUnit::kMillisecond)},
    {"msec", kUnits, U(TimeUnit::kMillisecond)},
    {"mseconds", kUnits, U(TimeUnit::kMillisecond)},
    {"msecs", kUnits, U(TimeUnit::kMillisecond)},
    {"qtr", kUnits, U(TimeUnit::kQuarter)},
    {"quarter", kUnits, U(TimeUnit::kQuarter)},
    {"s", kUnits, U(TimeUnit::kSecond)},
    {"sec", kUnits, U(TimeUnit::kSecond)},
    {"second", kUnits, U(TimeUnit::kSecond)},
    {"seconds", kUnits, U(TimeUnit::kSecond)},
    {"secs", kUnits, U(TimeUnit::kSecond)},
    {"timezone", kUnits, U(TimeUnit::kTimezone)},
    {"timezone_h", kUnits, U(TimeUnit::kTimezoneHour)},
    {"timezone_m", kUnits, U(TimeUnit::kTimezoneMinute)},
    {"us", kUnits, U(TimeUnit::kMicrosecond)},
    {"usec", kUnits, U(TimeUnit::kMicrosecond)},
    {"usecond", kUnits, U(TimeUnit::kMicrosecond)},
    {"useconds", kUnits, U(TimeUnit::kMicrosecond)},
    {"usecs", kUnits, U(TimeUnit::kMicrosecond)},
    {"w", kUnits, U(TimeUnit::kWeek)},
    {"week", kUnits, U(TimeUnit::kWeek)},
    {"weeks", kUnits, U(TimeUnit::kWeek)},
    {"y", kUnits, U(TimeUnit::kYear)},
    {"year", kUnits, U(TimeUnit::kYear)},
    {"years", kUnits, U(TimeUnit::kYear)},
    {"yr", kUnits, U(TimeUnit::kYear)},
    {"yrs", kUnits, U(TimeUnit::kYear)},
};

template <size_t N>
int find_token(const Token (&table)[N], std::string_view name, int* value) {
  name = name.substr(0, kMaxTokenLength);
  const Token* it = std::lower_bound(std::begin(table), std::end(table), name,
                                     [](const Token& t, std::string_view n) { return std::string_view(t.name) < n; });
  if (it == std::end(table) || name != it->name) return kUnknownField;
  *value = it->value;
  return it->type;
}

}  // namespace

int decode_special(std::string_view field, int* value) { return find_token(kDateTokens, field, value); }
int decode_units(std::string_view field, int* value) { return find_token(kDeltaTokens, field, value); }

bool to_int(const char*& p, int* v) {
  int64_t wide;
  bool ok = to_int64(p, &wide);
  *v = static_cast<int>(wide);
  return ok && wide >= INT32_MIN && wide <= INT32_MAX;
}
bool to_int64(const char*& p, int64_t* v) {
  const char* start = p;
  const char* q = p;
  while (space(*q)) ++q;
  bool negative = *q == '-';
  if (*q == '+' || *q == '-') ++q;
  *v = 0;
  if (!digit(*q)) {
    p = start;
    return true;
  }
  bool ok = true;
  int64_t value = 0;
  for (; digit(*q); ++q)
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *q - '0', &value)) ok = false;
  if (!negative && ok && __builtin_sub_overflow(int64_t{0}, value, &value)) ok = false;
  *v = value;
  p = q;
  return ok;
}

// p is at the '.'; nothing but digits may follow.
E parse_fraction(const char* p, double* fraction) {
  if (p[1] == '\0') {
    *fraction = 0;
    return E::kNone;
  }
  if (!digit(p[1])) return E::kBadFormat;
  char* end;
  *fraction = std::strtod(p, &end);
  return *end == '\0' ? E::kNone : E::kBadFormat;
}
E parse_fractional_second(const char* p, int* us) {
  double f;
  E e = parse_fraction(p, &f);
  if (e == E::kNone) *us = static_cast<int>(std::rint(f * 1000000));
  return e;
}

E split_fields(std::string_view input, std::vector<Field>* fields) {
  std::string text(input);
  const char* p = text.c_str();
  size_t used = 0;
  while (*p != '\0') {
    if (space(*p)) {
      ++p;
      continue;
    }
    if (fields->size() >= 25) return E::kBadFormat;
    Field f;
    std::string& s = f.text;
    if (digit(*p)) {
      while (digit(*p)) s += *p++;
      if (*p == ':') {
        f.type = FieldType::kTime;
        while (digit(*p) || *p == ':' || *p == '.') s += *p++;
      } else if (*p == '-' || *p == '/' || *p == '.') {
        char delimiter = *p;
        s += *p++;
        if (digit(*p)) {
          f.type = delimiter == '.' ? FieldType::kNumber : FieldType::kDate;
          while (digit(*p)) s += *p++;
          if (*p == delimiter) {
            f.type = FieldType::kDate;
            s += *p++;
            while (digit(*p) || *p == delimiter) s += *p++;
          }
        } else {
          f.type = FieldType::kDate;
          while (digit(*p) || alpha(*p) || *p == delimiter) s += lower(*p++);
        }
      } else {
        f.type = FieldType::kNumber;
      }
    } else if (*p == '.') {
      f.type = FieldType::kNumber;
      s += *p++;
      while (digit(*p)) s += *p++;
    } else if (alpha(*p)) {
      f.type = FieldType::kString;
      while (alpha(*p)) s += lower(*p++);
      bool is_date = false;
      if (*p == '-' || *p == '/' || *p == '.') {
        is_date = true;
      } else if (*p == '+' || digit(*p)) {
        int value;
        is_date = decode_special(s, &value) == kUnknownField;
      }
      if (is_date) {
        f.type = FieldType::kDate;
        do s += lower(*p++);
        while (*p == '+' || *p == '-' || *p == '/' || *p == '_' || *p == '.' || *p == ':' || digit(*p) || alpha(*p));
      }
    } else if (*p == '+' || *p == '-') {
      s += *p++;
      while (space(*p)) ++p;
      if (digit(*p)) {
        f.type = FieldType::kZone;
        s += *p++;
        while (digit(*p) || *p == ':' || *p == '.' || *p == '-') s += *p++;
      } else if (alpha(*p)) {
        f.type = FieldType::kSpecial;
        while (alpha(*p)) s += lower(*p++);
      } else {
        return E::kBadFormat;
      }
    } else if (punctuation(*p)) {
      ++p;
      continue;
    } else {
      return E::kBadFormat;
    }
    used += s.size() + 1;
    if (used > 153) return E::kBadFormat;
    fields->push_back(std::move(f));
  }
  return E::kNone;
}

E decode_time(std::string_view text, int range, int* mask, BrokenTime* tm, int64_t* wide_hour) {
  std::string copy(text);
  const char* p = copy.c_str();
  *mask = kTimeMask;
  int64_t hour;
  if (!to_int64(p, &hour)) return E::kFieldOverflow;
  if (*p != ':') return E::kBadFormat;
  ++p;
  int second = 0;
  tm->us = 0;
  if (!to_int(p, &tm->minute)) return E::kFieldOverflow;
  auto as_minute_second = [&]() {
    if (hour > INT32_MAX || hour < INT32_MIN) return false;
    second = tm->minute;
    tm->minute = static_cast<int>(hour);
    hour = 0;
    return true;
  };
  if (*p == '\0') {
    if (range == (bit(kMinute) | bit(kSecond)) && !as_minute_second()) return E::kFieldOverflow;
  } else if (*p == '.') {
    E e = parse_fractional_second(p, &tm->us);
    if (e != E::kNone) return e;
    if (!as_minute_second()) return E::kFieldOverflow;
  } else if (*p == ':') {
    ++p;
    if (!to_int(p, &second)) return E::kFieldOverflow;
    if (*p == '.') {
      E e = parse_fractional_second(p, &tm->us);
      if (e != E::kNone) return e;
    } else if (*p != '\0') {
      return E::kBadFormat;
    }
  } else {
    return E::kBadFormat;
  }
  tm->second = second;
  if (hour < 0 || tm->minute < 0 || tm->minute > 59 || tm->second < 0 || tm->second > 60 || tm->us < 0 || tm->us > 1000000)
    return E::kFieldOverflow;
  if (wide_hour != nullptr) {
    *wide_hour = hour;
  } else {
    if (hour > INT32_MAX) return E::kFieldOverflow;
    tm->hour = static_cast<int>(hour);
  }
  return E::kNone;
}

bool time_overflows(const BrokenTime& t) {
  if (t.hour < 0 || t.hour > 24 || t.minute < 0 || t.minute >= 60 || t.second < 0 || t.second > 60 || t.us < 0 || t.us > 1000000)
    return true;
  return broken_to_time(t) > kUsPerDay;
}

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

namespace stele {

TimeUnit find_time_unit(std::string_view name) {
  int value = 0;
  int type = datetime::decode_units(name, &value);
  if (type == datetime::kUnknownField) type = datetime::decode_special(name, &value);
  if (type == datetime::kUnits || type == datetime::kReserved) return static_cast<TimeUnit>(value);
  return TimeUnit::kUnknown;
}

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

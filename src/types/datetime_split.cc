// Date/time text to fields: numbers, words, dates, times and zones, before anyone decides what they mean.
#include <cmath>

#include "types/datetime_chars.h"
#include "types/datetime_fields.h"

namespace stele::datetime {

using E = DateTimeError;

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

}  // namespace stele::datetime

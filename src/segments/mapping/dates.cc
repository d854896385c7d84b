#include "segments/mapping/dates.h"

#include <unicode/timezone.h>
#include <unicode/unistr.h>

#include "base/error.h"

namespace stele::segments {

namespace {
constexpr int64_t kDayMs = 86400000;
int64_t floor_div(int64_t a, int64_t b) {
  int64_t q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}
int days_in_month(int64_t y, int m) {
  static const int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return m == 2 && leap ? 29 : kDays[m - 1];
}
const char* const kMonths[] = {"January", "February", "March", "April", "May", "June", "July", "August",
                               "September", "October", "November", "December"};
const char* const kDays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

// Named formats as Java patterns; [] is optional. Two special ones are handled by name.
std::string named_pattern(const std::string& given) {
  std::string n = given.starts_with("strict_") ? given.substr(7) : given;
  static const std::map<std::string, std::string> kNamed = {
      {"date_optional_time", "@iso"}, {"dateOptionalTime", "@iso"}, {"iso8601", "@iso"},
      {"date_optional_time_nanos", "@iso"}, {"epoch_millis", "@millis"}, {"epoch_second", "@seconds"},
      {"date", "yyyy-MM-dd"}, {"basic_date", "yyyyMMdd"}, {"basic_date_time", "yyyyMMdd'T'HHmmss.SSSXX"},
      {"basic_date_time_no_millis", "yyyyMMdd'T'HHmmssXX"}, {"date_time", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"},
      {"date_time_no_millis", "yyyy-MM-dd'T'HH:mm:ssXXX"}, {"date_hour", "yyyy-MM-dd'T'HH"},
      {"date_hour_minute", "yyyy-MM-dd'T'HH:mm"}, {"date_hour_minute_second", "yyyy-MM-dd'T'HH:mm:ss"},
      {"date_hour_minute_second_millis", "yyyy-MM-dd'T'HH:mm:ss.SSS"},
      {"date_hour_minute_second_fraction", "yyyy-MM-dd'T'HH:mm:ss.SSS"}, {"hour", "HH"},
      {"hour_minute", "HH:mm"}, {"hour_minute_second", "HH:mm:ss"}, {"time", "HH:mm:ss.SSSXXX"},
      {"time_no_millis", "HH:mm:ssXXX"}, {"year", "yyyy"}, {"year_month", "yyyy-MM"},
      {"year_month_day", "yyyy-MM-dd"}, {"weekyear_week_day", "@week"}, {"basic_ordinal_date", "yyyyDDD"},
      {"ordinal_date", "yyyy-DDD"}};
  auto it = kNamed.find(n);
  return it == kNamed.end() ? given : it->second;
}

struct Fields {
  std::optional<int64_t> year;
  std::optional<int> month, day, hour, minute, second, nanos, offset_s, half, day_of_year;
  std::optional<int64_t> epoch_ms;
  ZonePtr zone;
};

bool digits(std::string_view s, size_t& i, int min, int max, int64_t* out) {
  int64_t v = 0;
  int n = 0;
  while (n < max && i < s.size() && s[i] >= '0' && s[i] <= '9') {
    v = v * 10 + (s[i] - '0');
    ++i;
    ++n;
  }
  *out = v;
  return n >= min;
}
bool fraction(std::string_view s, size_t& i, int max, int* nanos) {
  int n = 0;
  int64_t v = 0;
  while (n < max && i < s.size() && s[i] >= '0' && s[i] <= '9') {
    v = v * 10 + (s[i] - '0');
    ++i;
    ++n;
  }
  if (n == 0) return false;
  for (int k = n; k < 9; ++k) v *= 10;
  *nanos = static_cast<int>(v);
  return true;
}
bool offset(std::string_view s, size_t& i, int* seconds) {
  if (i < s.size() && (s[i] == 'Z' || s[i] == 'z')) {
    ++i;
    *seconds = 0;
    return true;
  }
  if (i >= s.size() || (s[i] != '+' && s[i] != '-')) return false;
  int sign = s[i++] == '-' ? -1 : 1;
  int64_t h, m = 0;
  if (!digits(s, i, 2, 2, &h)) return false;
  if (i < s.size() && s[i] == ':') ++i;
  if (i < s.size() && s[i] >= '0' && s[i] <= '9' && !digits(s, i, 2, 2, &m)) return false;
  *seconds = sign * static_cast<int>(h * 3600 + m * 60);
  return true;
}

bool parse_iso(std::string_view s, Fields& f) {
  size_t i = 0;
  int64_t v;
  bool negative = i < s.size() && s[i] == '-';
  if (negative || (i < s.size() && s[i] == '+')) ++i;
  if (!digits(s, i, 4, 9, &v)) return false;
  f.year = negative ? -v : v;
  auto done = [&] { return i == s.size(); };
  if (done()) return true;
  if (s[i] == '-') {
    ++i;
    if (!digits(s, i, 1, 2, &v)) return false;
    f.month = static_cast<int>(v);
    if (done()) return true;
    if (s[i] == '-') {
      ++i;
      if (!digits(s, i, 1, 2, &v)) return false;
      f.day = static_cast<int>(v);
      if (done()) return true;
    }
  }
  if (s[i] != 'T' && s[i] != 't') return false;
  ++i;
  if (done()) return true;
  if (!digits(s, i, 1, 2, &v)) return false;
  f.hour = static_cast<int>(v);
  if (i < s.size() && s[i] == ':') {
    ++i;
    if (!digits(s, i, 1, 2, &v)) return false;
    f.minute = static_cast<int>(v);
    if (i < s.size() && s[i] == ':') {
      ++i;
      if (!digits(s, i, 1, 2, &v)) return false;
      f.second = static_cast<int>(v);
      if (i < s.size() && (s[i] == '.' || s[i] == ',')) {
        ++i;
        int n;
        if (!fraction(s, i, 9, &n)) return false;
        f.nanos = n;
      }
    }
  }
  if (!done()) {
    int o;
    if (offset(s, i, &o)) f.offset_s = o;
    else {
      try {
        f.zone = Zone::of(s.substr(i));
        i = s.size();
      } catch (const Error&) {
        return false;
      }
    }
  }
  return done();
}

bool parse_pattern(std::string_view pattern, std::string_view s, size_t& i, Fields& f) {
  for (size_t p = 0; p < pattern.size();) {
    char c = pattern[p];
    if (c == '\'') {
      size_t e = pattern.find('\'', p + 1);
      if (e == std::string_view::npos) return false;
      std::string_view literal = e == p + 1 ? std::string_view("'") : pattern.substr(p + 1, e - p - 1);
      if (s.substr(i, literal.size()) != literal) return false;
      i += literal.size();
      p = e + 1;
      continue;
    }
    if (c == '[') {
      int depth = 0;
      size_t e = p;
      for (; e < pattern.size(); ++e) {
        depth += pattern[e] == '[' ? 1 : pattern[e] == ']' ? -1 : 0;
        if (depth == 0) break;
      }
      size_t save = i;
      Fields copy = f;
      if (!parse_pattern(pattern.substr(p + 1, e - p - 1), s, i, copy)) i = save;
      else f = copy;
      p = e + 1;
      continue;
    }
    if (!std::isalpha(static_cast<unsigned char>(c))) {
      if (i >= s.size() || s[i] != c) return false;
      ++i;
      ++p;
      continue;
    }
    size_t n = 1;
    while (p + n < pattern.size() && pattern[p + n] == c) ++n;
    p += n;
    // Digits that follow directly in the pattern bound this number's width.
    bool tight = p < pattern.size() && std::isalpha(static_cast<unsigned char>(pattern[p])) && pattern[p] != 'T';
    int64_t v = 0;
    int width = static_cast<int>(n);
    auto number = [&](int max) { return digits(s, i, n == 1 ? 1 : std::min(width, 2), tight ? std::max(width, 1) : max, &v); };
    auto name = [&](const char* const* names, int count, int* out) {
      for (int k = 0; k < count; ++k) {
        std::string_view full(names[k]), brief = full.substr(0, 3);
        std::string_view want = n == 4 ? full : brief;
        if (s.size() - i >= want.size() && ::strncasecmp(s.data() + i, want.data(), want.size()) == 0) {
          i += want.size();
          *out = k + 1;
          return true;
        }
      }
      return false;
    };
    switch (c) {
      case 'y': case 'u': case 'Y': {
        bool minus = i < s.size() && s[i] == '-';
        if (minus) ++i;
        if (n == 2) {
          if (!digits(s, i, 2, 2, &v)) return false;
          f.year = 2000 + v;
        } else {
          if (!digits(s, i, n >= 4 ? 4 : 1, tight ? 4 : 9, &v)) return false;
          f.year = minus ? -v : v;
        }
        break;
      }
      case 'M': case 'L': {
        int m;
        if (n >= 3) {
          if (!name(kMonths, 12, &m)) return false;
          f.month = m;
        } else {
          if (!number(2)) return false;
          f.month = static_cast<int>(v);
        }
        break;
      }
      case 'd': if (!number(2)) return false; f.day = static_cast<int>(v); break;
      case 'D': if (!digits(s, i, 1, 3, &v)) return false; f.day_of_year = static_cast<int>(v); break;
      case 'H': case 'k': if (!number(2)) return false; f.hour = static_cast<int>(v); break;
      case 'h': case 'K': if (!number(2)) return false; f.hour = static_cast<int>(v % 12); break;
      case 'm': if (!number(2)) return false; f.minute = static_cast<int>(v); break;
      case 's': if (!number(2)) return false; f.second = static_cast<int>(v); break;
      case 'S': case 'n': {
        int nanos;
        if (!fraction(s, i, std::max<int>(width, 1) > 3 ? 9 : width, &nanos)) return false;
        f.nanos = nanos;
        break;
      }
      case 'a':
        if (::strncasecmp(s.data() + i, "am", 2) == 0) f.half = 0;
        else if (::strncasecmp(s.data() + i, "pm", 2) == 0) f.half = 1;
        else return false;
        i += 2;
        break;
      case 'E': case 'e': {
        int day;
        if (!name(kDays, 7, &day)) return false;
        break;
      }
      case 'X': case 'x': case 'Z': {
        int o;
        if (!offset(s, i, &o)) return false;
        f.offset_s = o;
        break;
      }
      case 'z': case 'V': case 'v': {
        size_t e = i;
        while (e < s.size() && s[e] != ' ' && s[e] != ']') ++e;
        try {
          f.zone = Zone::of(s.substr(i, e - i));
        } catch (const Error&) {
          return false;
        }
        i = e;
        break;
      }
      default: return false;
    }
  }
  return true;
}

bool finish(const Fields& f, bool up, const Zone* zone, int64_t* ms, int* nanos) {
  if (f.epoch_ms) {
    *ms = *f.epoch_ms;
    if (nanos != nullptr) *nanos = f.nanos.value_or(static_cast<int>(((*ms % 1000) + 1000) % 1000) * 1000000);
    return true;
  }
  CivilTime c;
  c.year = f.year.value_or(1970);
  c.month = f.month.value_or(up ? 12 : 1);
  if (c.month < 1 || c.month > 12) return false;
  c.day = f.day.value_or(up ? days_in_month(c.year, c.month) : 1);
  if (!f.year && !f.month && !f.day) c.month = c.day = 1;
  if (c.day < 1 || c.day > days_in_month(c.year, c.month)) return false;
  c.hour = f.hour.value_or(up ? 23 : 0);
  if (f.half) c.hour = c.hour % 12 + 12 * *f.half;
  c.minute = f.minute.value_or(up ? 59 : 0);
  c.second = f.second.value_or(up ? 59 : 0);
  c.nanos = f.nanos.value_or(up ? 999999999 : 0);
  if (c.hour > 24 || c.minute > 59 || c.second > 59 || (c.hour == 24 && (c.minute != 0 || c.second != 0))) return false;
  int64_t t = ms_from_civil(c);
  if (f.day_of_year) t = (days_from_civil(c.year, 1, 1) + *f.day_of_year - 1) * kDayMs + (t % kDayMs + kDayMs) % kDayMs;
  if (f.offset_s) t -= int64_t{*f.offset_s} * 1000;
  else if (f.zone) t = f.zone->to_utc(t);
  else if (zone != nullptr) t = zone->to_utc(t);
  *ms = t;
  if (nanos != nullptr) *nanos = c.nanos;
  return true;
}

bool parse_epoch(std::string_view s, bool seconds, Fields& f) {
  size_t i = 0;
  bool minus = !s.empty() && s[0] == '-';
  if (minus) ++i;
  int64_t v;
  if (!digits(s, i, 1, 18, &v)) return false;
  int nanos = 0;
  double frac = 0;
  if (i < s.size() && s[i] == '.') {
    ++i;
    if (!fraction(s, i, 9, &nanos)) return false;
    frac = nanos / 1e9;
  }
  if (i != s.size()) return false;
  int64_t ms = seconds ? v * 1000 + static_cast<int64_t>(frac * 1000 + 0.0000001) : v;
  f.epoch_ms = minus ? -ms : ms;
  int64_t in_second = ((*f.epoch_ms % 1000) + 1000) % 1000;
  f.nanos = seconds ? nanos : static_cast<int>(in_second * 1000000 + static_cast<int64_t>(frac * 1000000));
  return true;
}

std::string offset_text(int64_t ms, bool colon, bool zulu) {
  if (ms == 0 && zulu) return "Z";
  char b[16];
  int64_t m = std::abs(ms) / 60000;
  std::snprintf(b, sizeof b, colon ? "%c%02d:%02d" : "%c%02d%02d", ms < 0 ? '-' : '+', static_cast<int>(m / 60),
                static_cast<int>(m % 60));
  return b;
}

}  // namespace

int64_t days_from_civil(int64_t y, int m, int d) {
  y -= m <= 2;
  int64_t era = floor_div(y, 400);
  auto yoe = static_cast<unsigned>(y - era * 400);
  unsigned doy = (153u * static_cast<unsigned>(m + (m > 2 ? -3 : 9)) + 2) / 5 + static_cast<unsigned>(d) - 1;
  unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<int64_t>(doe) - 719468;
}
CivilTime civil_from_ms(int64_t ms) {
  int64_t days = floor_div(ms, kDayMs);
  int64_t rest = ms - days * kDayMs;
  int64_t z = days + 719468;
  int64_t era = floor_div(z, 146097);
  auto doe = static_cast<unsigned>(z - era * 146097);
  unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  unsigned mp = (5 * doy + 2) / 153;
  CivilTime c;
  c.day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  c.month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  c.year = static_cast<int64_t>(yoe) + era * 400 + (c.month <= 2 ? 1 : 0);
  c.hour = static_cast<int>(rest / 3600000);
  c.minute = static_cast<int>(rest / 60000 % 60);
  c.second = static_cast<int>(rest / 1000 % 60);
  c.nanos = static_cast<int>(rest % 1000) * 1000000;
  return c;
}
int64_t ms_from_civil(const CivilTime& c) {
  return days_from_civil(c.year, c.month, c.day) * kDayMs + c.hour * int64_t{3600000} + c.minute * int64_t{60000} +
         c.second * int64_t{1000} + c.nanos / 1000000;
}
int iso_weekday(int64_t days) { return static_cast<int>(((days + 3) % 7 + 7) % 7) + 1; }

ZonePtr Zone::utc() {
  static const ZonePtr z = of("Z");
  return z;
}
ZonePtr Zone::of(std::string_view name) {
  std::shared_ptr<Zone> z(new Zone);
  z->name_ = name;
  std::string n(name);
  if (n == "Z" || n == "UTC" || n == "GMT" || n == "UT") return z;
  for (const char* prefix : {"UTC", "GMT"}) {
    if (n.size() > 3 && n.starts_with(prefix) && (n[3] == '+' || n[3] == '-')) n = n.substr(3);
  }
  if (!n.empty() && (n[0] == '+' || n[0] == '-')) {
    size_t i = 0;
    int s;
    if (n.size() == 2) n.insert(1, "0");
    if (offset(n, i, &s) && i == n.size()) {
      z->fixed_ms_ = int64_t{s} * 1000;
      return z;
    }
  }
  std::unique_ptr<icu::TimeZone> tz(icu::TimeZone::createTimeZone(icu::UnicodeString::fromUTF8(n)));
  icu::UnicodeString id;
  if (!tz || tz->getID(id) == icu::UnicodeString("Etc/Unknown")) {
    throw Error(ErrorCode::kInvalidParameterValue, "Unknown time-zone ID: " + n);
  }
  z->zone_ = tz.release();
  return z;
}
Zone::~Zone() { delete static_cast<icu::TimeZone*>(zone_); }
int64_t Zone::offset_ms(int64_t utc) const {
  if (zone_ == nullptr) return fixed_ms_;
  int32_t raw, dst;
  UErrorCode status = U_ZERO_ERROR;
  static_cast<icu::TimeZone*>(zone_)->getOffset(static_cast<double>(utc), false, raw, dst, status);
  return int64_t{raw} + dst;
}
int64_t Zone::to_utc(int64_t local) const {
  if (zone_ == nullptr) return local - fixed_ms_;
  int64_t before = offset_ms(local - kDayMs), after = offset_ms(local + kDayMs);
  if (offset_ms(local - before) == before) return local - before;
  if (offset_ms(local - after) == after) return local - after;
  return local - before;  // in a gap: as if the clock had not been moved yet
}

DateFormat::DateFormat(const std::string& spec) : spec_(spec) {
  size_t i = 0;
  while (i <= spec.size()) {
    size_t e = spec.find("||", i);
    if (e == std::string::npos) e = spec.size();
    std::string p = spec.substr(i, e - i);
    if (!p.empty() && p[0] == '8') p = p.substr(1);
    std::string resolved = named_pattern(p);
    if (resolved[0] != '@') {
      bool quoted = false;
      for (char c : resolved) {
        if (c == '\'') quoted = !quoted;
        if (!quoted && std::isalpha(static_cast<unsigned char>(c)) && std::strchr("yuYMLdDHkhKmsSnaEeXxZzVvwWGQqABcNO", c) == nullptr) {
          throw Error(ErrorCode::kInvalidParameterValue, "Invalid format: [" + p + "]: Unknown pattern letter: " + c);
        }
      }
    }
    patterns_.push_back(resolved);
    i = e + 2;
  }
}

std::optional<int64_t> DateFormat::parse(std::string_view text, bool up, const Zone* zone, int* nanos) const {
  for (const std::string& p : patterns_) {
    Fields f;
    bool ok;
    if (p == "@iso") {
      ok = parse_iso(text, f);
    } else if (p == "@millis" || p == "@seconds") {
      ok = parse_epoch(text, p == "@seconds", f);
    } else {
      size_t i = 0;
      ok = parse_pattern(p, text, i, f) && i == text.size();
    }
    int64_t ms;
    if (ok && finish(f, up, zone, &ms, nanos)) return ms;
  }
  return std::nullopt;
}

std::string DateFormat::format(int64_t ms, const Zone* zone, int nanos) const {
  const std::string& p = patterns_[0];
  if (p == "@millis") return std::to_string(ms);
  if (p == "@seconds") {
    return ms % 1000 == 0 ? std::to_string(ms / 1000) : fmt::format("{}.{:03}", floor_div(ms, 1000), ((ms % 1000) + 1000) % 1000);
  }
  int64_t off = zone == nullptr ? 0 : zone->offset_ms(ms);
  CivilTime c = civil_from_ms(ms + off);
  if (nanos >= 0) c.nanos = nanos;
  std::string pattern = p == "@iso" ? "yyyy-MM-dd'T'HH:mm:ss.SSSXXX" : p;
  if (p == "@iso" && nanos >= 0 && nanos % 1000000 != 0) {
    pattern = nanos % 1000 == 0 ? "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX" : "yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSSXXX";
  }
  std::string out;
  for (size_t i = 0; i < pattern.size();) {
    char ch = pattern[i];
    if (ch == '\'') {
      size_t e = pattern.find('\'', i + 1);
      if (e == i + 1) out += '\'';
      else out += pattern.substr(i + 1, e - i - 1);
      i = e + 1;
      continue;
    }
    if (ch == '[' || ch == ']') {
      ++i;
      continue;
    }
    if (!std::isalpha(static_cast<unsigned char>(ch))) {
      out += ch;
      ++i;
      continue;
    }
    size_t n = 1;
    while (i + n < pattern.size() && pattern[i + n] == ch) ++n;
    i += n;
    auto num = [&](int64_t v) { out += fmt::format("{:0{}}", v, n); };
    switch (ch) {
      case 'y': case 'u': case 'Y':
        if (n == 2) out += fmt::format("{:02}", ((c.year % 100) + 100) % 100);
        else num(c.year);
        break;
      case 'M': case 'L':
        if (n == 3) out += std::string(kMonths[c.month - 1]).substr(0, 3);
        else if (n == 4) out += kMonths[c.month - 1];
        else num(c.month);
        break;
      case 'd': num(c.day); break;
      case 'D': num(days_from_civil(c.year, c.month, c.day) - days_from_civil(c.year, 1, 1) + 1); break;
      case 'H': num(c.hour); break;
      case 'k': num(c.hour == 0 ? 24 : c.hour); break;
      case 'h': num(c.hour % 12 == 0 ? 12 : c.hour % 12); break;
      case 'K': num(c.hour % 12); break;
      case 'm': num(c.minute); break;
      case 's': num(c.second); break;
      case 'S': out += fmt::format("{:09}", c.nanos).substr(0, n); break;
      case 'n': num(c.nanos); break;
      case 'a': out += c.hour < 12 ? "AM" : "PM"; break;
      case 'E': case 'e': {
        const char* d = kDays[iso_weekday(days_from_civil(c.year, c.month, c.day)) - 1];
        if (ch == 'e') out += std::to_string(iso_weekday(days_from_civil(c.year, c.month, c.day)));
        else out += n == 4 ? std::string(d) : std::string(d).substr(0, 3);
        break;
      }
      case 'X': out += offset_text(off, n >= 3, true); break;
      case 'x': case 'Z': out += offset_text(off, n == 3 || n == 5, false); break;
      case 'z': case 'V': case 'v': out += zone == nullptr ? "Z" : zone->name(); break;
      case 'w': {
        int64_t days = days_from_civil(c.year, c.month, c.day);
        int64_t thursday = days - iso_weekday(days) + 4;
        CivilTime t = civil_from_ms(thursday * kDayMs);
        num((thursday - days_from_civil(t.year, 1, 1)) / 7 + 1);
        break;
      }
      case 'Q': case 'q': num((c.month - 1) / 3 + 1); break;
      case 'G': out += "AD"; break;
      default: break;
    }
  }
  return out;
}

int64_t add_unit(int64_t ms, char unit, int64_t n) {
  switch (unit) {
    case 'y': case 'M': case 'q': {
      CivilTime c = civil_from_ms(ms);
      int64_t months = c.year * 12 + c.month - 1 + n * (unit == 'y' ? 12 : unit == 'q' ? 3 : 1);
      c.year = floor_div(months, 12);
      c.month = static_cast<int>(months - c.year * 12) + 1;
      c.day = std::min(c.day, days_in_month(c.year, c.month));
      return ms_from_civil(c);
    }
    case 'w': return ms + n * 7 * kDayMs;
    case 'd': return ms + n * kDayMs;
    case 'h': case 'H': return ms + n * 3600000;
    case 'm': return ms + n * 60000;
    case 's': return ms + n * 1000;
    default: return ms;
  }
}
int64_t floor_unit(int64_t ms, char unit) {
  CivilTime c = civil_from_ms(ms);
  switch (unit) {
    case 'y': return days_from_civil(c.year, 1, 1) * kDayMs;
    case 'q': return days_from_civil(c.year, (c.month - 1) / 3 * 3 + 1, 1) * kDayMs;
    case 'M': return days_from_civil(c.year, c.month, 1) * kDayMs;
    case 'w': {
      int64_t days = floor_div(ms, kDayMs);
      return (days - iso_weekday(days) + 1) * kDayMs;
    }
    case 'd': return floor_div(ms, kDayMs) * kDayMs;
    case 'h': case 'H': return floor_div(ms, 3600000) * 3600000;
    case 'm': return floor_div(ms, 60000) * 60000;
    case 's': return floor_div(ms, 1000) * 1000;
    default: return ms;
  }
}

int64_t DateFormat::parse_math(std::string_view text, int64_t now, bool up, const Zone* zone) const {
  int64_t t;
  std::string_view math;
  if (text.starts_with("now")) {
    t = now;
    math = text.substr(3);
  } else {
    size_t bars = text.find("||");
    std::string_view date = text.substr(0, bars);
    math = bars == std::string_view::npos ? std::string_view() : text.substr(bars + 2);
    auto parsed = parse(date, up && math.empty(), zone);
    if (!parsed) {
      throw Error(ErrorCode::kInvalidDatetimeFormat, "failed to parse date field [" + std::string(date) + "] with format [" + spec_ + "]");
    }
    t = *parsed;
  }
  auto bad = [&] {
    return Error(ErrorCode::kInvalidDatetimeFormat, "operator not supported for date math [" + std::string(math) + "]");
  };
  for (size_t i = 0; i < math.size();) {
    char op = math[i++];
    if (op != '+' && op != '-' && op != '/') throw bad();
    int64_t n = 1;
    if (i < math.size() && std::isdigit(static_cast<unsigned char>(math[i]))) {
      if (op == '/') throw Error(ErrorCode::kInvalidDatetimeFormat, "rounding `/` can only be used on single unit types [" + std::string(math) + "]");
      digits(math, i, 1, 12, &n);
    }
    if (i >= math.size()) throw Error(ErrorCode::kInvalidDatetimeFormat, "truncated date math [" + std::string(math) + "]");
    char unit = math[i++];
    if (std::strchr("yMwdhHms", unit) == nullptr) {
      throw Error(ErrorCode::kInvalidDatetimeFormat, "unit [" + std::string(1, unit) + "] not supported for date math [" + std::string(math) + "]");
    }
    int64_t local = zone == nullptr ? t : zone->to_local(t);
    if (op == '/') {
      local = floor_unit(local, unit);
      if (up) local = add_unit(local, unit, 1) - 1;
    } else {
      local = add_unit(local, unit, op == '-' ? -n : n);
    }
    t = zone == nullptr ? local : zone->to_utc(local);
  }
  return t;
}

const DateFormat& default_date_format() {
  static const DateFormat f("strict_date_optional_time||epoch_millis");
  return f;
}

std::optional<double> parse_time_ms(std::string_view s) {
  if (s == "-1") return -1.0;
  if (s == "0") return 0.0;
  size_t i = 0;
  while (i < s.size() && (std::isdigit(static_cast<unsigned char>(s[i])) != 0 || s[i] == '.' || s[i] == '-')) ++i;
  if (i == 0) return std::nullopt;
  double v = std::strtod(std::string(s.substr(0, i)).c_str(), nullptr);
  std::string_view u = s.substr(i);
  if (u == "ms" || u == "millis") return v;
  if (u == "s") return v * 1000;
  if (u == "m") return v * 60000;
  if (u == "h") return v * 3600000;
  if (u == "d") return v * 86400000;
  if (u == "micros") return v / 1000;
  if (u == "nanos") return v / 1000000;
  return std::nullopt;
}

}  // namespace stele::segments

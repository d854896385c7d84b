// to_char, to_date and to_timestamp for dates and times.
#include "base/error.h"
#include "types/datetime_fields.h"
#include "types/formatting.h"
#include "types/function_helpers.h"
#include "types/oids.h"

namespace stele {

namespace {

enum Key : uint8_t {
  kA_D, kA_M, kAD, kAM, kB_C, kBC, kCC, kD, kDAY, kDD, kDDD, kDY, kDay, kDy, kFF1, kFF2, kFF3, kFF4, kFF5, kFF6, kFX,
  kHH, kHH12, kHH24, kI, kID, kIDDD, kIW, kIY, kIYY, kIYYY, kJ, kMI, kMM, kMON, kMONTH, kMS, kMon, kMonth, kOF, kP_M,
  kPM, kQ, kRM, kSS, kSSSS, kTZ, kTZH, kTZM, kUS, kW, kWW, kY_YYY, kY, kYY, kYYY, kYYYY,
  ka_d, ka_m, kad, kam, kb_c, kbc, kday, kdy, kmon, kmonth, kp_m, kpm, krm, ktz
};
enum Mode : uint8_t { kNone, kGregorian, kIsoWeek };
struct Keyword {
  const char* name;
  Key id;
  bool digit;
  Mode mode;
};
// A longer name stands before its prefixes.
constexpr Keyword kKeywords[] = {
    {"A.D.", kA_D, false, kNone}, {"A.M.", kA_M, false, kNone}, {"AD", kAD, false, kNone}, {"AM", kAM, false, kNone},
    {"B.C.", kB_C, false, kNone}, {"BC", kBC, false, kNone}, {"CC", kCC, true, kNone}, {"DAY", kDAY, false, kNone},
    {"DDD", kDDD, true, kGregorian}, {"DD", kDD, true, kGregorian}, {"DY", kDY, false, kNone}, {"Day", kDay, false, kNone},
    {"Dy", kDy, false, kNone}, {"D", kD, true, kGregorian}, {"FF1", kFF1, false, kNone}, {"FF2", kFF2, false, kNone},
    {"FF3", kFF3, false, kNone}, {"FF4", kFF4, false, kNone}, {"FF5", kFF5, false, kNone}, {"FF6", kFF6, false, kNone},
    {"FX", kFX, false, kNone}, {"HH24", kHH24, true, kNone}, {"HH12", kHH12, true, kNone}, {"HH", kHH, true, kNone},
    {"IDDD", kIDDD, true, kIsoWeek}, {"ID", kID, true, kIsoWeek}, {"IW", kIW, true, kIsoWeek}, {"IYYY", kIYYY, true, kIsoWeek},
    {"IYY", kIYY, true, kIsoWeek}, {"IY", kIY, true, kIsoWeek}, {"I", kI, true, kIsoWeek}, {"J", kJ, true, kNone},
    {"MI", kMI, true, kNone}, {"MM", kMM, true, kGregorian}, {"MONTH", kMONTH, false, kGregorian}, {"MON", kMON, false, kGregorian},
    {"MS", kMS, true, kNone}, {"Month", kMonth, false, kGregorian}, {"Mon", kMon, false, kGregorian}, {"OF", kOF, false, kNone},
    {"P.M.", kP_M, false, kNone}, {"PM", kPM, false, kNone}, {"Q", kQ, true, kNone}, {"RM", kRM, false, kGregorian},
    {"SSSSS", kSSSS, true, kNone}, {"SSSS", kSSSS, true, kNone}, {"SS", kSS, true, kNone}, {"TZH", kTZH, false, kNone},
    {"TZM", kTZM, true, kNone}, {"TZ", kTZ, false, kNone}, {"US", kUS, true, kNone}, {"WW", kWW, true, kGregorian},
    {"W", kW, true, kGregorian}, {"Y,YYY", kY_YYY, true, kGregorian}, {"YYYY", kYYYY, true, kGregorian},
    {"YYY", kYYY, true, kGregorian}, {"YY", kYY, true, kGregorian}, {"Y", kY, true, kGregorian},
    {"a.d.", ka_d, false, kNone}, {"a.m.", ka_m, false, kNone}, {"ad", kad, false, kNone}, {"am", kam, false, kNone},
    {"b.c.", kb_c, false, kNone}, {"bc", kbc, false, kNone}, {"cc", kCC, true, kNone}, {"day", kday, false, kNone},
    {"ddd", kDDD, true, kGregorian}, {"dd", kDD, true, kGregorian}, {"dy", kdy, false, kNone}, {"d", kD, true, kGregorian},
    {"ff1", kFF1, false, kNone}, {"ff2", kFF2, false, kNone}, {"ff3", kFF3, false, kNone}, {"ff4", kFF4, false, kNone},
    {"ff5", kFF5, false, kNone}, {"ff6", kFF6, false, kNone}, {"fx", kFX, false, kNone}, {"hh24", kHH24, true, kNone},
    {"hh12", kHH12, true, kNone}, {"hh", kHH, true, kNone}, {"iddd", kIDDD, true, kIsoWeek}, {"id", kID, true, kIsoWeek},
    {"iw", kIW, true, kIsoWeek}, {"iyyy", kIYYY, true, kIsoWeek}, {"iyy", kIYY, true, kIsoWeek}, {"iy", kIY, true, kIsoWeek},
    {"i", kI, true, kIsoWeek}, {"j", kJ, true, kNone}, {"mi", kMI, true, kNone}, {"mm", kMM, true, kGregorian},
    {"month", kmonth, false, kGregorian}, {"mon", kmon, false, kGregorian}, {"ms", kMS, true, kNone}, {"of", kOF, false, kNone},
    {"p.m.", kp_m, false, kNone}, {"pm", kpm, false, kNone}, {"q", kQ, true, kNone}, {"rm", krm, false, kGregorian},
    {"sssss", kSSSS, true, kNone}, {"ssss", kSSSS, true, kNone}, {"ss", kSS, true, kNone}, {"tzh", kTZH, false, kNone},
    {"tzm", kTZM, true, kNone}, {"tz", ktz, false, kNone}, {"us", kUS, true, kNone}, {"ww", kWW, true, kGregorian},
    {"w", kW, true, kGregorian}, {"y,yyy", kY_YYY, true, kGregorian}, {"yyyy", kYYYY, true, kGregorian},
    {"yyy", kYYY, true, kGregorian}, {"yy", kYY, true, kGregorian}, {"y", kY, true, kGregorian},
};

struct Node {
  enum Type : uint8_t { kAction, kChar, kSeparator, kSpace } type = kChar;
  const Keyword* key = nullptr;
  std::string text;
  bool fill = false;       // FM
  bool localised = false;  // TM
  char ordinal = 0;        // 'T' for TH, 't' for th
};

bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool separator(char c) {
  return c > 0x20 && c < 0x7f && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !digit(c);
}
size_t char_size(std::string_view s) {
  if (s.empty()) return 0;
  unsigned char c = static_cast<unsigned char>(s[0]);
  return std::min<size_t>(c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4, s.size());
}

std::vector<Node> parse_template(std::string_view f, bool standard) {
  std::vector<Node> nodes;
  auto starts = [&](const char* p) { return f.substr(0, std::strlen(p)) == p; };
  while (!f.empty()) {
    Node n;
    if (starts("FM") || starts("fm")) {
      n.fill = true;
      f.remove_prefix(2);
    } else if (starts("TM") || starts("tm")) {
      n.localised = true;
      f.remove_prefix(2);
    }
    const Keyword* key = nullptr;
    for (const Keyword& k : kKeywords)
      if (starts(k.name)) {
        key = &k;
        break;
      }
    if (key != nullptr) {
      n.type = Node::kAction;
      n.key = key;
      f.remove_prefix(std::strlen(key->name));
      if (starts("TH") || starts("th")) {
        n.ordinal = f[0];
        f.remove_prefix(2);
      } else if (starts("SP")) {
        f.remove_prefix(2);
      }
      nodes.push_back(n);
      continue;
    }
    if (f.empty()) break;
    if (standard && f[0] != '"') {
      if (std::strchr("-./,':; ", f[0]) == nullptr)
        throw Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("invalid datetime format separator: \"{}\"", f.substr(0, char_size(f))));
      n.type = f[0] == ' ' ? Node::kSpace : Node::kSeparator;
      n.text = std::string(1, f[0]);
      f.remove_prefix(1);
      nodes.push_back(n);
    } else if (f[0] == '"') {
      f.remove_prefix(1);
      while (!f.empty()) {
        if (f[0] == '"') {
          f.remove_prefix(1);
          break;
        }
        if (f[0] == '\\' && f.size() > 1) f.remove_prefix(1);
        size_t size = char_size(f);
        Node c;
        c.text = std::string(f.substr(0, size));
        f.remove_prefix(size);
        nodes.push_back(c);
      }
    } else {
      if (f[0] == '\\' && f.size() > 1 && f[1] == '"') f.remove_prefix(1);
      size_t size = char_size(f);
      n.type = separator(f[0]) ? Node::kSeparator : space(f[0]) ? Node::kSpace : Node::kChar;
      n.text = std::string(f.substr(0, size));
      f.remove_prefix(size);
      nodes.push_back(n);
    }
  }
  return nodes;
}

constexpr const char* kMonths[] = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
constexpr const char* kShortMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr const char* kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr const char* kShortDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr const char* kRoman[] = {"XII", "XI", "X", "IX", "VIII", "VII", "VI", "V", "IV", "III", "II", "I"};

std::string upper(std::string s) {
  for (char& c : s) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return s;
}
std::string pad(std::string s, const Node& n, size_t width) {
  if (!n.fill && !n.localised) s.resize(std::max(s.size(), width), ' ');
  return s;
}
const char* ordinal(std::string_view number, bool capital) {
  char last = number.empty() ? '0' : number.back();
  if (number.size() > 1 && number[number.size() - 2] == '1') last = '0';
  switch (last) {
    case '1': return capital ? "ST" : "st";
    case '2': return capital ? "ND" : "nd";
    case '3': return capital ? "RD" : "rd";
    default: return capital ? "TH" : "th";
  }
}

struct Fields {
  int64_t year = 0, hour = 0;
  int month = 1, day = 1, minute = 0, second = 0, us = 0, weekday = 0, yearday = 0;
  int zone_s = 0;  // west
  const char* abbreviation = nullptr;
  bool interval = false;
};

std::string format_fields(const Fields& t, const std::vector<Node>& nodes) {
  std::string out;
  for (const Node& n : nodes) {
    if (n.type != Node::kAction) {
      out += n.text;
      continue;
    }
    auto not_interval = [&] {
      if (t.interval)
        throw Error(ErrorCode::kInvalidDatetimeFormat, "invalid format specification for an interval value")
            .hint("Intervals are not tied to specific calendar dates.");
    };
    auto number = [&](int64_t v, int width, bool pad_always = false) {
      std::string s = v < 0 ? fmt::format("-{:0{}}", -v, n.fill && !pad_always ? 1 : width) : fmt::format("{:0{}}", v, n.fill && !pad_always ? 1 : width);
      out += s;
      if (n.ordinal != 0) out += ordinal(s, n.ordinal == 'T');
    };
    auto name = [&](const char* s, char how, size_t width) {
      std::string text = how == 'U' ? upper(s) : how == 'l' ? lower_ascii(s) : s;
      out += width != 0 ? pad(text, n, width) : text;
    };
    int64_t year = t.interval ? t.year : t.year <= 0 ? -(t.year - 1) : t.year;
    auto iso = [&] {
      int y = iso_year(static_cast<int>(t.year), t.month, t.day);
      return int64_t{t.interval ? y : y <= 0 ? -(y - 1) : y};
    };
    bool pm = t.hour % 24 >= 12;
    switch (n.key->id) {
      case kA_M: case kP_M: out += pm ? "P.M." : "A.M."; break;
      case kAM: case kPM: out += pm ? "PM" : "AM"; break;
      case ka_m: case kp_m: out += pm ? "p.m." : "a.m."; break;
      case kam: case kpm: out += pm ? "pm" : "am"; break;
      case kHH: case kHH12: number(t.hour % 12 == 0 ? 12 : t.hour % 12, 2); break;
      case kHH24: number(t.hour, 2); break;
      case kMI: number(t.minute, 2); break;
      case kSS: number(t.second, 2); break;
      case kFF1: case kFF2: case kFF3: case kFF4: case kFF5: case kFF6: {
        int digits = n.key->id - kFF1 + 1;
        int v = t.us;
        for (int i = digits; i < 6; ++i) v /= 10;
        number(v, digits, true);
        break;
      }
      case kMS: number(t.us / 1000, 3, true); break;
      case kUS: number(t.us, 6, true); break;
      case kSSSS: number(t.hour * 3600 + t.minute * 60 + t.second, 1); break;
      case ktz:
        not_interval();
        if (t.abbreviation != nullptr) out += lower_ascii(t.abbreviation);
        break;
      case kTZ:
        not_interval();
        if (t.abbreviation != nullptr) out += t.abbreviation;
        break;
      case kTZH:
        not_interval();
        out += fmt::format("{}{:02}", t.zone_s <= 0 ? '+' : '-', std::abs(t.zone_s) / 3600);
        break;
      case kTZM:
        not_interval();
        out += fmt::format("{:02}", std::abs(t.zone_s) % 3600 / 60);
        break;
      case kOF:
        not_interval();
        out += fmt::format("{}{:0{}}", t.zone_s <= 0 ? '+' : '-', std::abs(t.zone_s) / 3600, n.fill ? 1 : 2);
        if (std::abs(t.zone_s) % 3600 != 0) out += fmt::format(":{:02}", std::abs(t.zone_s) % 3600 / 60);
        break;
      case kA_D: case kB_C: not_interval(); out += t.year <= 0 ? "B.C." : "A.D."; break;
      case kAD: case kBC: not_interval(); out += t.year <= 0 ? "BC" : "AD"; break;
      case ka_d: case kb_c: not_interval(); out += t.year <= 0 ? "b.c." : "a.d."; break;
      case kad: case kbc: not_interval(); out += t.year <= 0 ? "bc" : "ad"; break;
      case kMONTH: not_interval(); name(kMonths[t.month - 1], 'U', 9); break;
      case kMonth: not_interval(); name(kMonths[t.month - 1], 'm', 9); break;
      case kmonth: not_interval(); name(kMonths[t.month - 1], 'l', 9); break;
      case kMON: not_interval(); name(kShortMonths[t.month - 1], 'U', 0); break;
      case kMon: not_interval(); name(kShortMonths[t.month - 1], 'm', 0); break;
      case kmon: not_interval(); name(kShortMonths[t.month - 1], 'l', 0); break;
      case kMM: number(t.month, 2); break;
      case kDAY: not_interval(); name(kDays[t.weekday], 'U', 9); break;
      case kDay: not_interval(); name(kDays[t.weekday], 'm', 9); break;
      case kday: not_interval(); name(kDays[t.weekday], 'l', 9); break;
      case kDY: not_interval(); name(kShortDays[t.weekday], 'U', 0); break;
      case kDy: not_interval(); name(kShortDays[t.weekday], 'm', 0); break;
      case kdy: not_interval(); name(kShortDays[t.weekday], 'l', 0); break;
      case kDDD: number(t.yearday, 3); break;
      case kIDDD: number(date_to_julian(static_cast<int>(t.year), t.month, t.day) - iso_week_start(iso_year(static_cast<int>(t.year), t.month, t.day), 1) + 1, 3); break;
      case kDD: number(t.day, 2); break;
      case kD: not_interval(); number(t.weekday + 1, 1); break;
      case kID: not_interval(); number(t.weekday == 0 ? 7 : t.weekday, 1); break;
      case kWW: number((t.yearday - 1) / 7 + 1, 2); break;
      case kIW: number(iso_week(static_cast<int>(t.year), t.month, t.day), 2); break;
      case kQ:
        if (t.month != 0) number((t.month - 1) / 3 + 1, 1);
        break;
      case kCC: {
        int64_t c = t.interval ? t.year / 100 : t.year > 0 ? (t.year - 1) / 100 + 1 : t.year / 100 - 1;
        number(c, c <= 99 && c >= -99 ? 2 : 1);
        break;
      }
      case kY_YYY: {
        std::string s = fmt::format("{},{:03}", year / 1000, year - year / 1000 * 1000);
        out += s;
        if (n.ordinal != 0) out += ordinal(s, n.ordinal == 'T');
        break;
      }
      case kYYYY: number(year, 4); break;
      case kIYYY: number(iso(), 4); break;
      case kYYY: number(year % 1000, 3); break;
      case kIYY: number(iso() % 1000, 3); break;
      case kYY: number(year % 100, 2); break;
      case kIY: number(iso() % 100, 2); break;
      case kY: number(year % 10, 1); break;
      case kI: number(iso() % 10, 1); break;
      case kRM: case krm: {
        if (t.month == 0 && t.year == 0) break;
        int index = t.month == 0 ? (t.year >= 0 ? 0 : 11) : t.month < 0 ? -(t.month + 1) : 12 - t.month;
        name(kRoman[index], n.key->id == kRM ? 'U' : 'l', 4);
        break;
      }
      case kW: number((t.day - 1) / 7 + 1, 1); break;
      case kJ: number(date_to_julian(static_cast<int>(t.year), t.month, t.day), 1); break;
      case kFX: break;
    }
  }
  return out;
}

Datum timestamp_to_char(FnCall& c, bool zoned) {
  int64_t ts = c.int_arg(0);
  if (c.text_arg(1).empty() || !timestamp_finite(ts)) return c.null();
  BrokenTime tm;
  if (!timestamp_to_broken(ts, &tm, zoned ? &session_zone(*c.context) : nullptr)) throw_timestamp_out_of_range();
  int julian = date_to_julian(tm.year, tm.month, tm.day);
  Fields f;
  f.year = tm.year; f.month = tm.month; f.day = tm.day; f.hour = tm.hour; f.minute = tm.minute; f.second = tm.second; f.us = tm.us;
  f.weekday = julian_weekday(julian);
  f.yearday = julian - date_to_julian(tm.year, 1, 1) + 1;
  f.zone_s = tm.zone_s;
  f.abbreviation = tm.abbreviation;
  return c.text(format_fields(f, parse_template(c.text_arg(1), false)));
}
Datum interval_to_char(FnCall& c) {
  if (c.text_arg(1).empty()) return c.null();
  BrokenInterval b = interval_to_broken(interval_arg(c.arg(0)));
  Fields f;
  f.interval = true;
  f.year = b.years; f.month = b.months; f.day = b.days; f.hour = b.hour; f.minute = b.minute; f.second = b.second; f.us = b.fraction_us;
  f.weekday = (b.days + 1) % 7;
  f.yearday = (b.years * 12 + b.months) * 30 + b.days;
  return c.text(format_fields(f, parse_template(c.text_arg(1), false)));
}

// ---- reading
struct Found {
  Mode mode = kNone;
  int hh = 0, pm = 0, mi = 0, ss = 0, ssss = 0, d = 0, dd = 0, ddd = 0, mm = 0, ms = 0, year = 0, bc = 0, ww = 0, w = 0, cc = 0,
      j = 0, us = 0, year_size = 0, tz_sign = 0, tzh = 0, tzm = 0, fraction_digits = 0;
  bool twelve = false;
};

class Reader {
 public:
  Reader(std::string_view in, const std::vector<Node>& nodes, bool standard) : s_(in), nodes_(nodes), standard_(standard) {}

  Found read() {
    bool fixed = standard_;
    int skipped = 0;
    size_t i = 0;
    for (; i < nodes_.size() && !s_.empty(); ++i) {
      const Node& n = nodes_[i];
      if (!fixed && !(n.type == Node::kAction && n.key->id == kFX) && (n.type == Node::kAction || i == 0))
        while (!s_.empty() && space(s_[0])) {
          take(1);
          ++skipped;
        }
      if (s_.empty() && n.type != Node::kAction) break;
      if (n.type == Node::kSpace || n.type == Node::kSeparator) {
        if (standard_) {
          if (s_[0] != n.text[0]) throw Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("unmatched format separator \"{}\"", n.text));
          take(1);
        } else if (!fixed) {
          --skipped;
          if (space(s_[0]) || separator(s_[0])) {
            take(1);
            ++skipped;
          }
        } else {
          take(char_size(s_));
        }
        continue;
      }
      if (n.type != Node::kAction) {
        if (!fixed) {
          if (skipped > 0) --skipped;
          else take(char_size(s_));
        } else {
          size_t size = char_size(s_);
          if (standard_ && s_.substr(0, size) != n.text)
            throw Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("unmatched format character \"{}\"", n.text));
          take(size);
        }
        continue;
      }
      if (n.key->mode != kNone) {
        if (f_.mode == kNone) f_.mode = n.key->mode;
        else if (f_.mode != n.key->mode)
          throw Error(ErrorCode::kInvalidDatetimeFormat, "invalid combination of date conventions")
              .hint("Do not mix Gregorian and ISO week date conventions in a formatting template.");
      }
      if (n.key->id == kFX) {
        fixed = true;
      } else {
        field(n, i, skipped);
        if (n.ordinal != 0 && takes_ordinal(n.key->id)) take(std::min<size_t>(2, s_.size()));
      }
      if (!fixed) {
        skipped = 0;
        while (!s_.empty() && space(s_[0])) {
          take(1);
          ++skipped;
        }
      }
    }
    if (standard_) {
      if (i < nodes_.size()) throw Error(ErrorCode::kInvalidDatetimeFormat, "input string is too short for datetime format");
      while (!s_.empty() && space(s_[0])) take(1);
      if (!s_.empty())
        throw Error(ErrorCode::kInvalidDatetimeFormat, "trailing characters remain in input string after datetime format");
    }
    return f_;
  }

 private:
  void take(size_t n) {
    if (n > 0) last_ = s_[n - 1];
    s_.remove_prefix(n);
  }
  static bool takes_ordinal(Key k) {
    switch (k) {
      case kTZH: case kTZM: case kMON: case kMonth: case kMONTH: case kDAY: case kDay: case kDY: case kDy: case kRM: return false;
      default: return true;
    }
  }
  bool next_is_not_digit(const Node& n, size_t at) const {
    if (n.ordinal != 0) return true;
    if (at + 1 >= nodes_.size()) return true;
    const Node& m = nodes_[at + 1];
    if (m.type == Node::kAction) return !m.key->digit;
    return !(m.text.size() == 1 && digit(m.text[0]));
  }
  void set(int* dest, int v, const Node& n) {
    if (dest == nullptr) return;
    if (*dest != 0 && *dest != v)
      throw Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("conflicting values for \"{}\" field in formatting string", n.key->name))
          .detail("This value contradicts a previous setting for the same field type.");
    *dest = v;
  }
  // Returns the characters used.
  int integer(int* dest, const Node& n, size_t at, size_t length = 0) {
    if (length == 0) length = std::strlen(n.key->name);
    while (!s_.empty() && space(s_[0])) take(1);
    std::string copy(s_.substr(0, length));
    const char* hint = "If your source string is not fixed-width, try using the \"FM\" modifier.";
    long value;
    size_t used;
    errno = 0;
    if (n.fill || next_is_not_digit(n, at)) {
      std::string all(s_.substr(0, 64));
      char* end;
      value = std::strtol(all.c_str(), &end, 10);
      used = static_cast<size_t>(end - all.c_str());
    } else {
      if (copy.size() < length)
        throw Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("source string too short for \"{}\" formatting field", n.key->name))
            .detail(fmt::format("Field requires {} characters, but only {} remain.", length, copy.size()))
            .hint(hint);
      char* end;
      value = std::strtol(copy.c_str(), &end, 10);
      used = static_cast<size_t>(end - copy.c_str());
      if (used > 0 && used < length)
        throw Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("invalid value \"{}\" for \"{}\"", copy, n.key->name))
            .detail(fmt::format("Field requires {} characters, but only {} could be parsed.", length, used))
            .hint(hint);
    }
    if (used == 0)
      throw Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("invalid value \"{}\" for \"{}\"", copy, n.key->name))
          .detail("Value must be an integer.");
    if (errno == ERANGE || value < INT32_MIN || value > INT32_MAX)
      throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("value for \"{}\" in source string is out of range", n.key->name))
          .detail(fmt::format("Value must be in the range {} to {}.", INT32_MIN, INT32_MAX));
    take(used);
    set(dest, static_cast<int>(value), n);
    return static_cast<int>(used);
  }
  template <size_t N>
  int word(const char* const (&words)[N], const Node& n) {
    for (size_t i = 0; i < N; ++i) {
      size_t size = std::strlen(words[i]);
      if (s_.size() >= size && lower_ascii(s_.substr(0, size)) == lower_ascii(words[i])) {
        take(size);
        return static_cast<int>(i);
      }
    }
    size_t end = 0;
    while (end < s_.size() && !space(s_[end])) ++end;
    throw Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("invalid value \"{}\" for \"{}\"", s_.substr(0, end), n.key->name))
        .detail("The given value did not match any of the allowed values for this field.");
  }
  static int scale_up(int v, int digits, int to) {
    for (; digits < to; ++digits) v *= 10;
    return v;
  }
  static int partial_year(int y) { return y < 70 ? y + 2000 : y < 100 ? y + 1900 : y < 520 ? y + 2000 : y < 1000 ? y + 1000 : y; }
  void years(const Node& n, size_t at, int size) {
    int used = integer(&f_.year, n, at);
    if (size < 4 && used < 4) f_.year = partial_year(f_.year);
    f_.year_size = size;
  }

  void field(const Node& n, size_t at, int skipped) {
    static constexpr const char* kLongMeridiem[] = {"a.m.", "p.m."};
    static constexpr const char* kMeridiem[] = {"am", "pm"};
    static constexpr const char* kLongEra[] = {"a.d.", "b.c."};
    static constexpr const char* kEra[] = {"ad", "bc"};
    switch (n.key->id) {
      case kA_M: case kP_M: case ka_m: case kp_m:
        set(&f_.pm, word(kLongMeridiem, n), n);
        f_.twelve = true;
        break;
      case kAM: case kPM: case kam: case kpm:
        set(&f_.pm, word(kMeridiem, n), n);
        f_.twelve = true;
        break;
      case kHH: case kHH12:
        integer(&f_.hh, n, at, 2);
        f_.twelve = true;
        break;
      case kHH24: integer(&f_.hh, n, at, 2); break;
      case kMI: integer(&f_.mi, n, at, 2); break;
      case kSS: integer(&f_.ss, n, at, 2); break;
      case kMS: {
        int used = integer(&f_.ms, n, at, 3);
        f_.ms = scale_up(f_.ms, used, 3);
        break;
      }
      case kFF1: case kFF2: case kFF3: case kFF4: case kFF5: case kFF6:
        f_.fraction_digits = n.key->id - kFF1 + 1;
        [[fallthrough]];
      case kUS: {
        int used = integer(&f_.us, n, at, n.key->id == kUS ? 6 : static_cast<size_t>(f_.fraction_digits));
        f_.us = scale_up(f_.us, used, 6);
        break;
      }
      case kSSSS: integer(&f_.ssss, n, at); break;
      case ktz: case kTZ: case kOF:
        throw Error(ErrorCode::kFeatureNotSupported, fmt::format("formatting field \"{}\" is only supported in to_char", n.key->name));
      case kTZH:
        if (!s_.empty() && (s_[0] == '+' || s_[0] == '-' || s_[0] == ' ')) {
          f_.tz_sign = s_[0] == '-' ? -1 : 1;
          take(1);
        } else {
          f_.tz_sign = skipped > 0 && last_ == '-' ? -1 : 1;
        }
        integer(&f_.tzh, n, at, 2);
        break;
      case kTZM:
        if (f_.tz_sign == 0) f_.tz_sign = 1;
        integer(&f_.tzm, n, at, 2);
        break;
      case kA_D: case kB_C: case ka_d: case kb_c: set(&f_.bc, word(kLongEra, n), n); break;
      case kAD: case kBC: case kad: case kbc: set(&f_.bc, word(kEra, n), n); break;
      case kMONTH: case kMonth: case kmonth: set(&f_.mm, word(kMonths, n) + 1, n); break;
      case kMON: case kMon: case kmon: set(&f_.mm, word(kShortMonths, n) + 1, n); break;
      case kMM: integer(&f_.mm, n, at, 2); break;
      case kDAY: case kDay: case kday: set(&f_.d, word(kDays, n) + 1, n); break;
      case kDY: case kDy: case kdy: set(&f_.d, word(kShortDays, n) + 1, n); break;
      case kDDD: integer(&f_.ddd, n, at); break;
      case kIDDD: integer(&f_.ddd, n, at, 3); break;
      case kDD: integer(&f_.dd, n, at, 2); break;
      case kD: integer(&f_.d, n, at); break;
      case kID:
        integer(&f_.d, n, at, 1);
        if (++f_.d > 7) f_.d = 1;
        break;
      case kWW: case kIW: integer(&f_.ww, n, at); break;
      case kQ: integer(nullptr, n, at); break;
      case kCC: integer(&f_.cc, n, at); break;
      case kY_YYY: {
        std::string all(s_.substr(0, 32));
        int millennia, years, used = 0;
        if (std::sscanf(all.c_str(), "%d,%03d%n", &millennia, &years, &used) < 2)
          throw Error(ErrorCode::kInvalidDatetimeFormat, "invalid input string for \"Y,YYY\"");
        set(&f_.year, years + millennia * 1000, n);
        f_.year_size = 4;
        take(static_cast<size_t>(used));
        break;
      }
      case kYYYY: case kIYYY: years(n, at, 4); break;
      case kYYY: case kIYY: years(n, at, 3); break;
      case kYY: case kIY: years(n, at, 2); break;
      case kY: case kI: years(n, at, 1); break;
      case kRM: case krm: set(&f_.mm, 12 - word(kRoman, n), n); break;
      case kW: integer(&f_.w, n, at); break;
      case kJ: integer(&f_.j, n, at); break;
      case kFX: break;
    }
  }

  std::string_view s_;
  char last_ = 0;
  const std::vector<Node>& nodes_;
  bool standard_;
  Found f_;
};

struct Parsed {
  BrokenTime tm;
  int fraction_digits = 0;
  bool zoned = false;
  int zone_s = 0;
};

Parsed assemble(std::string_view text, Found f) {
  Parsed p;
  BrokenTime& tm = p.tm;
  tm.month = tm.day = 1;
  int mask = 0;
  auto overflow = [&] { throw_datetime_error(DateTimeError::kFieldOverflow, text, "timestamp"); };
  if (f.ssss != 0) {
    tm.hour = f.ssss / 3600;
    tm.minute = f.ssss % 3600 / 60;
    tm.second = f.ssss % 60;
  }
  if (f.ss != 0) tm.second = f.ss;
  if (f.mi != 0) tm.minute = f.mi;
  if (f.hh != 0) tm.hour = f.hh;
  if (f.twelve) {
    if (tm.hour < 1 || tm.hour > 12)
      throw Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("hour \"{}\" is invalid for the 12-hour clock", tm.hour))
          .hint("Use the 24-hour clock, or give an hour between 1 and 12.");
    if (f.pm != 0 && tm.hour < 12) tm.hour += 12;
    else if (f.pm == 0 && tm.hour == 12) tm.hour = 0;
  }
  if (f.year != 0) {
    if (f.cc != 0 && f.year_size <= 2) {
      if (f.bc != 0) f.cc = -f.cc;
      tm.year = f.year % 100;
      if (tm.year != 0) {
        if (f.cc >= 0) tm.year += (f.cc - 1) * 100;
        else tm.year = (f.cc + 1) * 100 - tm.year + 1;
      } else {
        tm.year = f.cc * 100 + (f.cc >= 0 ? 0 : 1);
      }
    } else {
      tm.year = f.year;
      if (f.bc != 0) tm.year = -tm.year;
      if (tm.year < 0) ++tm.year;
    }
    mask |= datetime::bit(datetime::kYear);
  } else if (f.cc != 0) {
    if (f.bc != 0) f.cc = -f.cc;
    tm.year = f.cc >= 0 ? (f.cc - 1) * 100 + 1 : f.cc * 100 + 1;
    mask |= datetime::bit(datetime::kYear);
  }
  if (f.j != 0) {
    julian_to_date(f.j, &tm.year, &tm.month, &tm.day);
    mask |= datetime::kDateMask;
  }
  if (f.ww != 0) {
    if (f.mode == kIsoWeek) {
      if (f.d != 0) iso_week_day_to_date(f.ww, f.d, &tm.year, &tm.month, &tm.day);
      else iso_week_to_date(f.ww, &tm.year, &tm.month, &tm.day);
      mask |= datetime::kDateMask;
    } else {
      f.ddd = (f.ww - 1) * 7 + 1;
    }
  }
  if (f.w != 0) f.dd = (f.w - 1) * 7 + 1;
  if (f.dd != 0) {
    tm.day = f.dd;
    mask |= datetime::bit(datetime::kDay);
  }
  if (f.mm != 0) {
    tm.month = f.mm;
    mask |= datetime::bit(datetime::kMonth);
  }
  if (f.ddd != 0 && (tm.month <= 1 || tm.day <= 1)) {
    if (tm.year == 0 && f.bc == 0)
      throw Error(ErrorCode::kInvalidDatetimeFormat, "cannot calculate day of year without year information");
    if (f.mode == kIsoWeek) {
      julian_to_date(iso_week_start(tm.year, 1) - 1 + f.ddd, &tm.year, &tm.month, &tm.day);
      mask |= datetime::kDateMask;
    } else {
      int month = 1, rest = f.ddd;
      while (month < 12 && rest > days_in_month(tm.year, month)) rest -= days_in_month(tm.year, month++);
      if (tm.month <= 1) {
        tm.month = month;
        mask |= datetime::bit(datetime::kMonth);
      }
      if (tm.day <= 1) {
        tm.day = rest;
        mask |= datetime::bit(datetime::kDay);
      }
    }
  }
  tm.us = f.ms * 1000 + f.us;
  p.fraction_digits = f.fraction_digits;
  if ((mask & datetime::bit(datetime::kMonth)) != 0 && (tm.month < 1 || tm.month > 12)) overflow();
  if ((mask & datetime::bit(datetime::kDay)) != 0 && (tm.day < 1 || tm.day > 31)) overflow();
  if ((mask & datetime::kDateMask) == datetime::kDateMask && tm.day > days_in_month(tm.year, tm.month)) overflow();
  if (tm.hour < 0 || tm.hour >= 24 || tm.minute < 0 || tm.minute >= 60 || tm.second < 0 || tm.second >= 60 || tm.us < 0 || tm.us >= 1000000)
    overflow();
  if (f.tz_sign != 0) {
    if (f.tzh < 0 || f.tzh > 15 || f.tzm < 0 || f.tzm >= 60) overflow();
    p.zoned = true;
    p.zone_s = -f.tz_sign * (f.tzh * 3600 + f.tzm * 60);
  }
  return p;
}

Parsed parse_with(std::string_view text, std::string_view format, bool standard) {
  std::vector<Node> nodes = parse_template(format, standard);
  return assemble(text, Reader(text, nodes, standard).read());
}
int32_t as_date(const Parsed& p, std::string_view text) {
  if (!valid_julian(p.tm.year, p.tm.month, p.tm.day) || p.tm.year > 5874897)
    throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("date out of range: \"{}\"", text));
  return date_to_julian(p.tm.year, p.tm.month, p.tm.day) - kPostgresEpochJulian;
}

}  // namespace

TemplateValue parse_datetime(std::string_view text, std::string_view format, Arena& arena, EvalContext& ctx) {
  std::vector<Node> nodes = parse_template(format, true);
  bool dated = false, timed = false, zoned = false;
  for (const Node& n : nodes) {
    if (n.type != Node::kAction) continue;
    switch (n.key->id) {
      case kFX: break;
      case kA_M: case kP_M: case ka_m: case kp_m: case kAM: case kPM: case kam: case kpm: case kHH: case kHH12: case kHH24:
      case kMI: case kSS: case kMS: case kUS: case kFF1: case kFF2: case kFF3: case kFF4: case kFF5: case kFF6: case kSSSS:
        timed = true;
        break;
      case ktz: case kTZ: case kOF: case kTZH: case kTZM: zoned = true; break;
      default: dated = true;
    }
  }
  Parsed p = assemble(text, Reader(text, nodes, true).read());
  TemplateValue v;
  int32_t precision = p.fraction_digits > 0 ? p.fraction_digits : -1;
  auto missing_zone = [](const char* type) {
    return Error(ErrorCode::kInvalidDatetimeFormat, fmt::format("missing time zone in input string for type {}", type));
  };
  if (dated && timed) {
    int64_t ts;
    if (zoned) {
      if (!p.zoned) throw missing_zone("timestamptz");
      v.type = oid::kTimestamptz;
      v.zone_west_s = p.zone_s;
    } else {
      v.type = oid::kTimestamp;
    }
    if (!broken_to_timestamp(p.tm, &ts, zoned ? p.zone_s : 0))
      throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("{} out of range", zoned ? "timestamptz" : "timestamp"));
    v.value = Datum::from_int(round_timestamp(ts, precision));
  } else if (dated) {
    if (zoned) throw Error(ErrorCode::kInvalidDatetimeFormat, "datetime format is zoned but not timed");
    v.type = oid::kDate;
    v.value = Datum::from_int(as_date(p, text));
  } else if (timed) {
    int64_t t = round_time(broken_to_time(p.tm), precision);
    if (zoned) {
      if (!p.zoned) throw missing_zone("timetz");
      v.type = oid::kTimetz;
      v.value = timetz_datum(arena, {t, p.zone_s, 0});
    } else {
      v.type = oid::kTime;
      v.value = Datum::from_int(t);
    }
  } else {
    throw Error(ErrorCode::kInvalidDatetimeFormat, "datetime format is not dated and not timed");
  }
  return v;
}

void register_formatting_number_functions(FunctionRegistry&);  // formatting_number.cc

void register_formatting_functions(FunctionRegistry& r) {
  register_formatting_number_functions(r);
  r.add("timestamp_to_char", [](FnCall& c) { return timestamp_to_char(c, false); });
  r.add("timestamptz_to_char", [](FnCall& c) { return timestamp_to_char(c, true); });
  r.add("interval_to_char", interval_to_char);
  r.add("to_date", [](FnCall& c) { return Datum::from_int(as_date(parse_with(c.text_arg(0), c.text_arg(1), false), c.text_arg(0))); });
  r.add("to_timestamp", [](FnCall& c) {
    Parsed p = parse_with(c.text_arg(0), c.text_arg(1), false);
    int zone_s = p.zoned ? p.zone_s : zone_offset(p.tm, session_zone(*c.context));
    int64_t ts;
    if (!broken_to_timestamp(p.tm, &ts, zone_s)) throw_timestamp_out_of_range();
    return Datum::from_int(round_timestamp(ts, p.fraction_digits > 0 ? p.fraction_digits : -1));
  });
}

}  // namespace stele

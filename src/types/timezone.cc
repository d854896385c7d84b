#include "types/timezone.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cctype>
#include <fstream>
#include <sstream>

#include "base/codec.h"

namespace stele {

namespace {

constexpr const char* kZoneDirectory = "/usr/share/zoneinfo";
constexpr int64_t kDay = 86400;

int64_t days_from_civil(int64_t y, int m, int d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t yoe = y - era * 400;
  int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}
int64_t floor_div(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }
int64_t year_of(int64_t unix_s) {
  int64_t z = floor_div(unix_s, kDay) + 719468;
  int64_t era = floor_div(z, 146097);
  int64_t doe = z - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  return yoe + era * 400 + (doy >= 306 ? 1 : 0);
}
bool leap(int64_t y) { return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0); }

std::string upper(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}
bool same_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::toupper(static_cast<unsigned char>(a[i])) != std::toupper(static_cast<unsigned char>(b[i]))) return false;
  return true;
}

// The database's own spelling of a name, or empty.
std::string real_name(std::string_view name) {
  std::string found;
  std::string dir = kZoneDirectory;
  while (true) {
    size_t slash = name.find('/');
    std::string_view part = name.substr(0, slash);
    if (part.empty() || part[0] == '.') return {};
    DIR* d = opendir(dir.c_str());
    if (d == nullptr) return {};
    std::string match;
    while (dirent* e = readdir(d))
      if (e->d_name[0] != '.' && same_ignoring_case(e->d_name, part)) {
        match = e->d_name;
        break;
      }
    closedir(d);
    if (match.empty()) return {};
    if (!found.empty()) found += '/';
    found += match;
    dir += '/' + match;
    if (slash == std::string_view::npos) break;
    name.remove_prefix(slash + 1);
  }
  struct stat st;
  if (stat(dir.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  return found;
}

void list_names(const std::string& dir, const std::string& prefix, std::vector<std::string>& out) {
  DIR* d = opendir(dir.c_str());
  if (d == nullptr) return;
  while (dirent* e = readdir(d)) {
    std::string name = e->d_name;
    if (name[0] == '.') continue;
    struct stat st;
    std::string path = dir + '/' + name;
    if (stat(path.c_str(), &st) != 0) continue;
    if (S_ISDIR(st.st_mode)) {
      list_names(path, prefix + name + '/', out);
    } else if (S_ISREG(st.st_mode)) {
      out.push_back(prefix + name);
    }
  }
  closedir(d);
}

}  // namespace

const ZoneAbbreviation* find_zone_abbreviation(std::string_view name) {
  auto table = zone_abbreviations();
  auto it = std::lower_bound(table.begin(), table.end(), name,
                             [](const ZoneAbbreviation& a, std::string_view n) { return a.name < n; });
  return it != table.end() && it->name == name ? &*it : nullptr;
}

bool TimeZone::load_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return false;
  std::stringstream buffer;
  buffer << in.rdbuf();
  std::string data = buffer.str();
  struct Counts { uint32_t utc, std, leap, time, type, chars; };
  auto counts = [&](size_t at, Counts* c) {
    if (data.size() < at + 44 || data.compare(at, 4, "TZif") != 0) return false;
    const char* p = data.data() + at + 20;
    *c = {load_be32(p), load_be32(p + 4), load_be32(p + 8), load_be32(p + 12), load_be32(p + 16), load_be32(p + 20)};
    return c->type > 0 && c->type <= 256 && c->time < 100000 && c->chars < 10000;
  };
  Counts c;
  if (!counts(0, &c)) return false;
  size_t at = 0;
  size_t width = 4;
  if (data[4] >= '2') {
    at = 44 + c.time * 5 + c.type * 6 + c.chars + c.leap * 8 + c.std + c.utc;
    if (!counts(at, &c)) return false;
    width = 8;
  }
  if (c.leap != 0) return false;  // "right" zones count leap seconds, SQL's clock does not
  const char* p = data.data() + at + 44;
  if (data.size() < at + 44 + c.time * (width + 1) + c.type * 6 + c.chars + c.std + c.utc) return false;
  for (uint32_t i = 0; i < c.time; ++i, p += width)
    times_.push_back(width == 8 ? static_cast<int64_t>(load_be64(p)) : static_cast<int32_t>(load_be32(p)));
  for (uint32_t i = 0; i < c.time; ++i, ++p) {
    kinds_.push_back(static_cast<uint8_t>(*p));
    if (kinds_.back() >= c.type) return false;
  }
  for (uint32_t i = 0; i < c.type; ++i, p += 6) {
    types_.push_back({static_cast<int32_t>(load_be32(p)), p[4] != 0, static_cast<uint8_t>(p[5])});
    if (types_.back().abbreviation >= static_cast<int>(c.chars)) return false;
  }
  abbreviations_.assign(p, c.chars);
  abbreviations_.push_back('\0');
  p += c.chars + c.std + c.utc;
  std::string_view footer(p, static_cast<size_t>(data.data() + data.size() - p));
  if (footer.size() > 2 && footer.front() == '\n') {
    footer.remove_prefix(1);
    footer = footer.substr(0, footer.find('\n'));
    if (!footer.empty()) parse_posix(footer);
  }
  return true;
}

bool TimeZone::parse_posix(std::string_view s) {
  size_t i = 0;
  auto name = [&](std::string* out) {
    if (i < s.size() && s[i] == '<') {
      size_t close = s.find('>', i);
      if (close == std::string_view::npos) return false;
      *out = std::string(s.substr(i + 1, close - i - 1));
      i = close + 1;
    } else {
      size_t start = i;
      while (i < s.size() && s[i] != ',' && s[i] != '-' && s[i] != '+' && !std::isdigit(static_cast<unsigned char>(s[i]))) ++i;
      *out = std::string(s.substr(start, i - start));
    }
    return out->empty() || out->size() >= 3 || (i > 0 && s[i - 1] == '>');
  };
  auto number = [&](int max, int* out) {
    if (i >= s.size() || !std::isdigit(static_cast<unsigned char>(s[i]))) return false;
    int v = 0;
    while (i < s.size() && std::isdigit(static_cast<unsigned char>(s[i]))) {
      v = v * 10 + (s[i++] - '0');
      if (v > max) return false;
    }
    *out = v;
    return true;
  };
  auto hms = [&](int* out) {
    int sign = 1, h = 0, m = 0, sec = 0;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) sign = s[i++] == '-' ? -1 : 1;
    if (!number(167, &h)) return false;
    if (i < s.size() && s[i] == ':') {
      ++i;
      if (!number(59, &m)) return false;
      if (i < s.size() && s[i] == ':') {
        ++i;
        if (!number(60, &sec)) return false;
      }
    }
    *out = sign * (h * 3600 + m * 60 + sec);
    return true;
  };
  auto rule = [&](Rule* r) {
    if (i >= s.size()) return false;
    if (s[i] == 'M') {
      ++i;
      r->kind = Rule::kMonthWeek;
      if (!number(12, &r->month) || r->month < 1 || i >= s.size() || s[i++] != '.') return false;
      if (!number(5, &r->week) || r->week < 1 || i >= s.size() || s[i++] != '.') return false;
      if (!number(6, &r->day)) return false;
    } else if (s[i] == 'J') {
      ++i;
      r->kind = Rule::kJulian;
      if (!number(365, &r->day) || r->day < 1) return false;
    } else {
      r->kind = Rule::kZeroBased;
      if (!number(365, &r->day)) return false;
    }
    r->time_s = 7200;
    if (i < s.size() && s[i] == '/') {
      ++i;
      return hms(&r->time_s);
    }
    return true;
  };

  std::string std_name, dst_name;
  int std_west = 0, dst_west = 0;
  if (!name(&std_name) || !hms(&std_west)) return false;
  bool dst = i < s.size();
  Rule start, end;
  if (dst) {
    if (!name(&dst_name)) return false;
    dst_west = std_west - 3600;
    if (i < s.size() && s[i] != ',' && s[i] != ';' && !hms(&dst_west)) return false;
    if (i == s.size()) {
      start = {Rule::kMonthWeek, 3, 2, 0, 7200};
      end = {Rule::kMonthWeek, 11, 1, 0, 7200};
    } else {
      if (s[i] != ',' && s[i] != ';') return false;
      ++i;
      if (!rule(&start) || i >= s.size() || s[i] != ',') return false;
      ++i;
      if (!rule(&end)) return false;
    }
    if (i != s.size()) return false;
  }
  auto add = [&](const std::string& n, int west, bool is_dst) {
    int at = static_cast<int>(abbreviations_.size());
    abbreviations_ += n;
    abbreviations_.push_back('\0');
    types_.push_back({-west, is_dst, at});
    return static_cast<int>(types_.size()) - 1;
  };
  std_type_ = add(std_name, std_west, false);
  dst_type_ = dst ? add(dst_name, dst_west, true) : std_type_;
  has_rule_ = true;
  rule_has_dst_ = dst;
  start_ = start;
  end_ = end;
  return true;
}

TimeZone::Local TimeZone::local_of(int type) const {
  const Type& t = types_[static_cast<size_t>(type)];
  return {t.offset_s, t.dst, abbreviations_.c_str() + t.abbreviation};
}

// The UTC second at which a rule strikes in a year, given the offset in force before it.
int64_t TimeZone::rule_time(const Rule& r, int64_t year, int32_t offset_s) const {
  int64_t day;
  if (r.kind == Rule::kMonthWeek) {
    int64_t first = days_from_civil(year, r.month, 1);
    int weekday = static_cast<int>(((first + 4) % 7 + 7) % 7);
    day = first + (r.day - weekday + 7) % 7 + 7 * (r.week - 1);
    int64_t next = r.month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, r.month + 1, 1);
    while (day >= next) day -= 7;
  } else {
    day = days_from_civil(year, 1, 1) + r.day;
    if (r.kind == Rule::kJulian) day += (leap(year) && r.day >= 60 ? 1 : 0) - 1;
  }
  return day * kDay + r.time_s - offset_s;
}

TimeZone::Local TimeZone::by_rule(int64_t t) const {
  if (!rule_has_dst_) return local_of(std_type_);
  int32_t std_off = types_[static_cast<size_t>(std_type_)].offset_s;
  int32_t dst_off = types_[static_cast<size_t>(dst_type_)].offset_s;
  int64_t year = year_of(t + std_off);
  int64_t start = rule_time(start_, year, std_off), end = rule_time(end_, year, dst_off);
  bool dst = start < end ? t >= start && t < end : !(t >= end && t < start);
  return local_of(dst ? dst_type_ : std_type_);
}

TimeZone::Local TimeZone::at_utc(int64_t t) const {
  if (times_.empty()) return has_rule_ ? by_rule(t) : local_of(0);
  if (t >= times_.back() && has_rule_) return by_rule(t);
  if (t < times_.front()) return local_of(0);
  size_t i = static_cast<size_t>(std::upper_bound(times_.begin(), times_.end(), t) - times_.begin()) - 1;
  return local_of(kinds_[i]);
}

// The first change of offset strictly after t.
TimeZone::Boundary TimeZone::next_boundary(int64_t t) const {
  Local before = at_utc(t);
  size_t i = static_cast<size_t>(std::upper_bound(times_.begin(), times_.end(), t) - times_.begin());
  if (i < times_.size()) return {true, times_[i], before, local_of(kinds_[i])};
  if (!has_rule_ || !rule_has_dst_) return {false, 0, before, before};
  int32_t std_off = types_[static_cast<size_t>(std_type_)].offset_s;
  int32_t dst_off = types_[static_cast<size_t>(dst_type_)].offset_s;
  int64_t best = INT64_MAX;
  int64_t year = year_of(t + std_off);
  for (int64_t y = year - 1; y <= year + 1; ++y) {
    int64_t start = rule_time(start_, y, std_off), end = rule_time(end_, y, dst_off);
    if (start > t) best = std::min(best, start);
    if (end > t) best = std::min(best, end);
  }
  return {true, best, before, at_utc(best)};
}

TimeZone::Local TimeZone::at_local(int64_t local_s) const {
  Boundary b = next_boundary(local_s - kDay);
  if (!b.found) return b.before;
  int64_t before = local_s - b.before.offset_s, after = local_s - b.after.offset_s;
  if (before < b.at && after < b.at) return b.before;
  if (before > b.at && after >= b.at) return b.after;
  return before > after ? b.before : b.after;
}

bool TimeZone::interpret_abbreviation(std::string_view abbreviation, int64_t t, Local* out) const {
  std::string wanted = upper(abbreviation);
  auto matches = [&](int type) { return local_of(type).abbreviation == wanted; };
  // The latest use at or before t, or else the earliest after it.
  size_t cut = static_cast<size_t>(std::upper_bound(times_.begin(), times_.end(), t) - times_.begin());
  if (cut == times_.size() && has_rule_) {
    Local now = by_rule(t);
    if (now.abbreviation == wanted) { *out = now; return true; }
    for (int type : {std_type_, dst_type_})
      if (matches(type)) { *out = local_of(type); return true; }
  }
  for (size_t i = cut; i-- > 0;)
    if (matches(kinds_[i])) { *out = local_of(kinds_[i]); return true; }
  if (!times_.empty() && matches(0)) { *out = local_of(0); return true; }
  for (size_t i = cut; i < times_.size(); ++i)
    if (matches(kinds_[i])) { *out = local_of(kinds_[i]); return true; }
  for (size_t type = 0; type < types_.size(); ++type)
    if (matches(static_cast<int>(type))) { *out = local_of(static_cast<int>(type)); return true; }
  return false;
}

bool TimeZone::is_fixed(int32_t* offset_s) const {
  for (const Type& t : types_)
    if (t.offset_s != types_[0].offset_s) return false;
  *offset_s = types_[0].offset_s;
  return true;
}

const TimeZone* TimeZone::find(std::string_view name) {
  static std::shared_mutex mutex;
  static std::unordered_map<std::string, std::unique_ptr<TimeZone>> cache;
  if (name.empty() || name.size() > 255) return nullptr;
  std::string key = upper(name);
  {
    std::shared_lock lock(mutex);
    if (auto it = cache.find(key); it != cache.end()) return it->second.get();
  }
  auto zone = std::make_unique<TimeZone>();
  if (key == "GMT") {
    // Known without any database, as a server must be able to start.
    zone->parse_posix("GMT0");
    zone->name_ = "GMT";
  } else if (std::string real = real_name(name); !real.empty()) {
    if (zone->load_file(std::string(kZoneDirectory) + '/' + real)) zone->name_ = real;
    else zone = nullptr;
  } else if (zone->parse_posix(key)) {
    zone->name_ = key;
  } else if (key == "UTC" || key == "ETC/UTC") {
    *zone = TimeZone();
    zone->parse_posix("UTC0");
    zone->name_ = "UTC";
  } else {
    return nullptr;  // not remembered: names may come from users
  }
  std::unique_lock lock(mutex);
  if (cache.size() > 5000 && zone == nullptr) return nullptr;
  return cache.try_emplace(key, std::move(zone)).first->second.get();
}

const TimeZone* TimeZone::utc() {
  static const TimeZone* zone = find("UTC");
  return zone;
}

const TimeZone* TimeZone::fixed(int32_t offset_s) {
  int32_t a = offset_s < 0 ? -offset_s : offset_s;
  std::string hms = fmt::format("{:02}", a / 3600);
  if (a % 3600 != 0) hms += fmt::format(":{:02}", a / 60 % 60);
  if (a % 60 != 0) hms += fmt::format(":{:02}", a % 60);
  return find(fmt::format("<{}{}>{}{}", offset_s < 0 ? '-' : '+', hms, offset_s < 0 ? '+' : '-', hms));
}

const std::vector<std::string>& TimeZone::names() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> found, out;
    list_names(kZoneDirectory, "", found);
    for (std::string& n : found)
      if (n.compare(0, 6, "right/") != 0 && find(n) != nullptr) out.push_back(std::move(n));
    std::sort(out.begin(), out.end());
    return out;
  }();
  return all;
}

}  // namespace stele

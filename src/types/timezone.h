// Time zones from the system's compiled tz database, POSIX specifications and fixed offsets.
// Zones are loaded once, live for ever and are immutable: any thread may use them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stele {

// Abbreviations usable in input whatever the session's zone is.
struct ZoneAbbreviation {
  const char* name;   // lower case
  int32_t offset_s;   // east of UTC
  bool dst;
  const char* zone;   // not null: the meaning depends on the date, as this zone says
};
std::span<const ZoneAbbreviation> zone_abbreviations();
// Null when unknown; `name` in lower case.
const ZoneAbbreviation* find_zone_abbreviation(std::string_view name);

class TimeZone {
 public:
  struct Local {
    int32_t offset_s;  // east of UTC
    bool dst;
    const char* abbreviation;  // lives as long as the zone
  };

  // Case-insensitive; null when there is no such zone. Accepts POSIX specifications ("EST5EDT4,M3.2.0,M11.1.0").
  static const TimeZone* find(std::string_view name);
  static const TimeZone* utc();
  // As SET TIME ZONE <number> makes it; the name is a POSIX specification.
  static const TimeZone* fixed(int32_t offset_s);
  // All names of the database, sorted.
  static const std::vector<std::string>& names();

  const std::string& name() const { return name_; }
  Local at_utc(int64_t unix_s) const;
  // Offset of a local wall clock reading (seconds since 1970 as if it were UTC). A reading inside a
  // gap takes the offset before it, one inside an overlap the offset after it.
  Local at_local(int64_t local_s) const;
  // What `abbreviation` (any case) meant at that UTC time in this zone; false if it never was used.
  bool interpret_abbreviation(std::string_view abbreviation, int64_t unix_s, Local* out) const;
  // True and the offset if the zone never changes it.
  bool is_fixed(int32_t* offset_s) const;

 private:
  struct Rule {  // one side of a POSIX daylight rule
    enum Kind : uint8_t { kMonthWeek, kJulian, kZeroBased } kind = kMonthWeek;
    int month = 0, week = 0, day = 0, time_s = 0;
  };
  struct Type { int32_t offset_s; bool dst; int abbreviation; };
  struct Boundary { bool found; int64_t at; Local before, after; };

  bool load_file(const std::string& path);
  bool parse_posix(std::string_view spec);
  Local local_of(int type) const;
  Local by_rule(int64_t unix_s) const;
  Boundary next_boundary(int64_t unix_s) const;
  int64_t rule_time(const Rule& r, int64_t year, int32_t offset_s) const;

  std::string name_;
  std::string abbreviations_;
  std::vector<int64_t> times_;
  std::vector<uint8_t> kinds_;
  std::vector<Type> types_;
  bool has_rule_ = false;      // the footer or POSIX specification governs after the last transition
  bool rule_has_dst_ = false;
  int std_type_ = 0, dst_type_ = 0;
  Rule start_, end_;
};

}  // namespace stele

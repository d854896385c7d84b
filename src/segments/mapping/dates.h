// Dates as Elasticsearch writes them: named formats, Java patterns, date math, time zones. Times are
// milliseconds since 1970 UTC (nanoseconds are kept apart where a field asks for them).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stele::segments {

struct CivilTime { int64_t year; int month, day, hour, minute, second, nanos; };
int64_t days_from_civil(int64_t y, int m, int d);
CivilTime civil_from_ms(int64_t ms);
int64_t ms_from_civil(const CivilTime& c);
int iso_weekday(int64_t days);  // 1 is Monday

// "UTC", "+01:00", "Europe/Berlin". Throws illegal_argument for unknown names.
class Zone {
 public:
  static std::shared_ptr<const Zone> of(std::string_view name);
  static std::shared_ptr<const Zone> utc();
  ~Zone();
  int64_t offset_ms(int64_t utc_ms) const;
  int64_t to_local(int64_t utc_ms) const { return utc_ms + offset_ms(utc_ms); }
  // Gaps move forward, overlaps take the earlier instant.
  int64_t to_utc(int64_t local_ms) const;
  bool fixed() const { return zone_ == nullptr; }
  const std::string& name() const { return name_; }

 private:
  Zone() = default;
  std::string name_;
  int64_t fixed_ms_ = 0;
  void* zone_ = nullptr;
};
using ZonePtr = std::shared_ptr<const Zone>;

class DateFormat {
 public:
  // Alternatives separated by "||". Throws illegal_argument for bad patterns.
  explicit DateFormat(const std::string& spec);
  const std::string& spec() const { return spec_; }
  // Milliseconds, or nullopt when no alternative fits. round_up fills missing parts with their largest
  // values. nanos (may be null) receives the nanoseconds within the second.
  std::optional<int64_t> parse(std::string_view text, bool round_up, const Zone* zone, int* nanos = nullptr) const;
  // By the first alternative.
  std::string format(int64_t ms, const Zone* zone = nullptr, int nanos = -1) const;
  // A bound of a range or a bucket: date math ("now-1d/d", "2020-01-01||+1M/M") or a plain date. Throws
  // parse_exception's words as illegal_argument.
  int64_t parse_math(std::string_view text, int64_t now_ms, bool round_up, const Zone* zone) const;

 private:
  std::string spec_;
  std::vector<std::string> patterns_;
};
// The default of date fields.
const DateFormat& default_date_format();

// Adds n of a unit (y M w d h H m s) to a time; rounds down to the start of a unit (also q).
int64_t add_unit(int64_t local_ms, char unit, int64_t n);
int64_t floor_unit(int64_t local_ms, char unit);

// "30s", "5m", "1d", "100ms" as milliseconds. nullopt when malformed.
std::optional<double> parse_time_ms(std::string_view s);

}  // namespace stele::segments

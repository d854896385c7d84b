// The words that dates, times and intervals may be written with.
#include <algorithm>

#include "types/datetime_fields.h"

namespace stele::datetime {
namespace {

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

}  // namespace stele::datetime

namespace stele {

TimeUnit find_time_unit(std::string_view name) {
  int value = 0;
  int type = datetime::decode_units(name, &value);
  if (type == datetime::kUnknownField) type = datetime::decode_special(name, &value);
  if (type == datetime::kUnits || type == datetime::kReserved) return static_cast<TimeUnit>(value);
  return TimeUnit::kUnknown;
}

}  // namespace stele

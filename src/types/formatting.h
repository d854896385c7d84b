// Template-driven text: to_char, to_date, to_timestamp, to_number.
#pragma once

#include <optional>
#include <string_view>

#include "types/context.h"
#include "types/datetime.h"

namespace stele {

// What a template found in a text: a date, time, timetz, timestamp or timestamptz, by the fields the
// template names. Standard: SQL's template rules (as jsonpath's datetime() uses) instead of to_timestamp's.
struct TemplateValue {
  Oid type = 0;
  Datum value;
  int zone_west_s = 0;
};
TemplateValue parse_datetime(std::string_view text, std::string_view format, Arena& arena, EvalContext& ctx);

}  // namespace stele

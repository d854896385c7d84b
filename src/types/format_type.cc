#include "types/format_type.h"

#include "types/builtin.h"
#include "types/oids.h"

namespace stele {
namespace {

const char* interval_fields(int range) {
  constexpr int kMonth = 1 << 1, kYear = 1 << 2, kDay = 1 << 3, kHour = 1 << 10, kMinute = 1 << 11,
                kSecond = 1 << 12;
  switch (range) {
    case kYear: return " year";
    case kMonth: return " month";
    case kDay: return " day";
    case kHour: return " hour";
    case kMinute: return " minute";
    case kSecond: return " second";
    case kYear | kMonth: return " year to month";
    case kDay | kHour: return " day to hour";
    case kDay | kHour | kMinute: return " day to minute";
    case kDay | kHour | kMinute | kSecond: return " day to second";
    case kHour | kMinute: return " hour to minute";
    case kHour | kMinute | kSecond: return " hour to second";
    case kMinute | kSecond: return " minute to second";
    default: return "";
  }
}

std::string base_name(const BuiltinType& t, int32_t typmod) {
  auto length = [&](const char* name, int32_t n) { return n >= 0 ? fmt::format("{}({})", name, n) : name; };
  switch (t.oid) {
    case oid::kBool: return "boolean";
    case oid::kInt2: return "smallint";
    case oid::kInt4: return "integer";
    case oid::kInt8: return "bigint";
    case oid::kFloat4: return "real";
    case oid::kFloat8: return "double precision";
    case oid::kChar: return "\"char\"";
    case oid::kBpchar: return length("character", typmod >= 4 ? typmod - 4 : -1);
    case oid::kVarchar: return length("character varying", typmod >= 4 ? typmod - 4 : -1);
    case oid::kBit: return length("bit", typmod);
    case oid::kVarbit: return length("bit varying", typmod);
    case oid::kNumeric:
      if (typmod < 4) return "numeric";
      {
        int scale = (typmod - 4) & 0x7ff;
        return fmt::format("numeric({},{})", (typmod - 4) >> 16 & 0xffff, (scale ^ 1024) - 1024);
      }
    case oid::kTime: return length("time", typmod) + " without time zone";
    case oid::kTimetz: return length("time", typmod) + " with time zone";
    case oid::kTimestamp: return length("timestamp", typmod) + " without time zone";
    case oid::kTimestamptz: return length("timestamp", typmod) + " with time zone";
    case oid::kInterval: {
      if (typmod < 0) return "interval";
      std::string s = std::string("interval") + interval_fields(typmod >> 16 & 0x7fff);
      int precision = typmod & 0xffff;
      if (precision != 0xffff) s += fmt::format("({})", precision);
      return s;
    }
    default: break;
  }
  if (typmod >= 0 && (t.oid == oid::kVector || t.oid == oid::kHalfvec || t.oid == oid::kSparsevec))
    return fmt::format("{}({})", t.name, typmod);
  for (char c : t.name)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return "\"" + t.name + "\"";
  return t.name;
}

}  // namespace

std::string format_type_sql(Oid type, int32_t typmod, EvalContext* ctx) {
  if (type == 0) return "-";
  const BuiltinType* t = builtin::type(type);
  if (t == nullptr) {
    if (ctx != nullptr && ctx->catalog != nullptr) return ctx->catalog->format_type(type, typmod);
    return "???";
  }
  if (t->is_true_array() && t->category == 'A' && t->oid != oid::kInt2Vector && t->oid != oid::kOidVector)
    return format_type_sql(t->element, typmod, ctx) + "[]";
  return base_name(*t, typmod);
}

}  // namespace stele

// The date/time types as types: text and binary forms, modifiers, ordering, keys.
#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/datetime.h"
#include "types/function_helpers.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/type_registry.h"

namespace stele {

namespace {

// ---- text and binary forms
Datum date_input(std::string_view s, int32_t, Arena&, EvalContext& ctx) { return Datum::from_int(parse_date(s, ctx)); }
Datum time_input(std::string_view s, int32_t m, Arena&, EvalContext& ctx) { return Datum::from_int(parse_time(s, m, ctx)); }
Datum timetz_input(std::string_view s, int32_t m, Arena& a, EvalContext& ctx) { return timetz_datum(a, parse_timetz(s, m, ctx)); }
Datum timestamp_input(std::string_view s, int32_t m, Arena&, EvalContext& ctx) {
  return Datum::from_int(parse_timestamp(s, m, ctx));
}
Datum timestamptz_input(std::string_view s, int32_t m, Arena&, EvalContext& ctx) {
  return Datum::from_int(parse_timestamptz(s, m, ctx));
}
Datum interval_input(std::string_view s, int32_t m, Arena& a, EvalContext& ctx) {
  return interval_datum(a, parse_interval(s, m, ctx));
}
void date_output(Datum v, std::string& out, EvalContext& ctx) { format_date(static_cast<int32_t>(v.as_int()), out, ctx); }
void time_output(Datum v, std::string& out, EvalContext&) { format_time(v.as_int(), out); }
void timetz_output(Datum v, std::string& out, EvalContext&) { format_timetz(timetz_arg(v), out); }
void timestamp_output(Datum v, std::string& out, EvalContext& ctx) { format_timestamp(v.as_int(), out, ctx); }
void timestamptz_output(Datum v, std::string& out, EvalContext& ctx) { format_timestamptz(v.as_int(), out, ctx); }
void interval_output(Datum v, std::string& out, EvalContext& ctx) { format_interval(interval_arg(v), out, ctx.interval_style); }

void need(std::string_view bytes, size_t n) {
  if (bytes.size() < n) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  if (bytes.size() > n) throw Error(ErrorCode::kInvalidBinaryRepresentation, "incorrect binary data format");
}
[[noreturn]] void out_of_range(const char* what) {
  throw Error(ErrorCode::kDatetimeFieldOverflow, fmt::format("{} out of range", what));
}
Datum date_receive(std::string_view b, int32_t, Arena&, EvalContext&) {
  need(b, 4);
  int32_t d = static_cast<int32_t>(load_be32(b.data()));
  if (date_finite(d) && (d < -kPostgresEpochJulian || d >= 2147483494 - kPostgresEpochJulian)) out_of_range("date");
  return Datum::from_int(d);
}
Datum time_receive(std::string_view b, int32_t m, Arena&, EvalContext&) {
  need(b, 8);
  int64_t t = static_cast<int64_t>(load_be64(b.data()));
  if (t < 0 || t > kUsPerDay) out_of_range("time");
  return Datum::from_int(round_time(t, m));
}
Datum timetz_receive(std::string_view b, int32_t m, Arena& a, EvalContext&) {
  need(b, 12);
  TimeTz v{static_cast<int64_t>(load_be64(b.data())), static_cast<int32_t>(load_be32(b.data() + 8)), 0};
  if (v.us < 0 || v.us > kUsPerDay) out_of_range("time");
  if (v.zone_s <= -16 * 3600 || v.zone_s >= 16 * 3600)
    throw Error(ErrorCode::kInvalidTimeZoneDisplacementValue, "time zone displacement out of range");
  v.us = round_time(v.us, m);
  return timetz_datum(a, v);
}
Datum timestamp_receive(std::string_view b, int32_t m, Arena&, EvalContext&) {
  need(b, 8);
  int64_t t = static_cast<int64_t>(load_be64(b.data()));
  if (timestamp_finite(t) && !timestamp_in_range(t)) out_of_range("timestamp");
  return Datum::from_int(round_timestamp(t, m));
}
Datum interval_receive(std::string_view b, int32_t m, Arena& a, EvalContext&) {
  need(b, 16);
  Interval v{static_cast<int64_t>(load_be64(b.data())), static_cast<int32_t>(load_be32(b.data() + 8)),
             static_cast<int32_t>(load_be32(b.data() + 12))};
  round_interval(&v, m);
  return interval_datum(a, v);
}
void send4(Datum v, std::string& out, EvalContext&) { put_be32(out, static_cast<uint32_t>(v.as_int())); }
void send8(Datum v, std::string& out, EvalContext&) { put_be64(out, static_cast<uint64_t>(v.as_int())); }
void timetz_sender(Datum d, std::string& out, EvalContext&) {
  TimeTz v = timetz_arg(d);
  put_be64(out, static_cast<uint64_t>(v.us));
  put_be32(out, static_cast<uint32_t>(v.zone_s));
}
void interval_sender(Datum d, std::string& out, EvalContext&) {
  Interval v = interval_arg(d);
  put_be64(out, static_cast<uint64_t>(v.us));
  put_be32(out, static_cast<uint32_t>(v.days));
  put_be32(out, static_cast<uint32_t>(v.months));
}

// ---- modifiers
std::vector<int32_t> modifier_list(FnCall& c) {
  ArrayView a(c.arg(0));
  std::vector<int32_t> out;
  for (int i = 0; i < a.count(); ++i) {
    std::string text(a.get(i).as_view());
    char* end;
    long v = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0')
      throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type integer: \"{}\"", text));
    out.push_back(static_cast<int32_t>(v));
  }
  return out;
}
int32_t checked_precision(FnCall& c, int32_t p, const char* type, const char* suffix) {
  if (p < 0)
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("{}({}){} precision must not be negative", type, p, suffix));
  if (p > 6) {
    if (c.context->notice)
      c.context->notice(Error(ErrorCode::kInvalidParameterValue,
                              fmt::format("{}({}){} precision reduced to maximum allowed, {}", type, p, suffix, 6)),
                        "WARNING");
    p = 6;
  }
  return p;
}
Datum precision_in(FnCall& c, const char* type, bool zoned) {
  auto list = modifier_list(c);
  if (list.size() != 1) throw Error(ErrorCode::kInvalidParameterValue, "invalid type modifier");
  return Datum::from_int(checked_precision(c, list[0], type, zoned ? " WITH TIME ZONE" : ""));
}
Datum precision_out(FnCall& c, bool zoned) {
  const char* suffix = zoned ? " with time zone" : " without time zone";
  int64_t m = c.int_arg(0);
  return c.text(m >= 0 ? fmt::format("({}){}", m, suffix) : std::string(suffix));
}
constexpr int kMonthBit = 1 << 1, kYearBit = 1 << 2, kDayBit = 1 << 3, kHourBit = 1 << 10, kMinuteBit = 1 << 11,
              kSecondBit = 1 << 12;
struct RangeName { int mask; const char* text; };
constexpr RangeName kRanges[] = {
    {kYearBit, " year"},
    {kMonthBit, " month"},
    {kDayBit, " day"},
    {kHourBit, " hour"},
    {kMinuteBit, " minute"},
    {kSecondBit, " second"},
    {kYearBit | kMonthBit, " year to month"},
    {kDayBit | kHourBit, " day to hour"},
    {kDayBit | kHourBit | kMinuteBit, " day to minute"},
    {kDayBit | kHourBit | kMinuteBit | kSecondBit, " day to second"},
    {kHourBit | kMinuteBit, " hour to minute"},
    {kHourBit | kMinuteBit | kSecondBit, " hour to second"},
    {kMinuteBit | kSecondBit, " minute to second"},
    {kFullRange, ""},
};
Datum interval_typmod_in(FnCall& c) {
  auto list = modifier_list(c);
  auto bad = [] { return Error(ErrorCode::kInvalidParameterValue, "invalid INTERVAL type modifier"); };
  if (list.empty() || list.size() > 2) throw bad();
  bool known = false;
  for (const RangeName& r : kRanges) known |= r.mask == list[0];
  if (!known) throw bad();
  if (list.size() == 1)
    return Datum::from_int(list[0] != kFullRange ? ((list[0] & kFullRange) << 16 | kFullPrecision) : -1);
  int32_t p = checked_precision(c, list[1], "INTERVAL", "");
  return Datum::from_int((list[0] & kFullRange) << 16 | p);
}
Datum interval_typmod_out(FnCall& c) {
  int32_t m = static_cast<int32_t>(c.int_arg(0));
  if (m < 0) return c.text("");
  std::string out;
  for (const RangeName& r : kRanges)
    if (r.mask == interval_range(m)) out = r.text;
  if (interval_precision(m) != kFullPrecision) out += fmt::format("({})", interval_precision(m));
  return c.text(out);
}

// ---- ordering
int compare_int(Datum a, Datum b, Oid) { return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int(); }
bool equal_int(Datum a, Datum b, Oid) { return a.as_int() == b.as_int(); }
uint64_t hash_int(Datum v, Oid) { return mix64(static_cast<uint64_t>(v.as_int())); }
void encode4(Datum v, Oid, std::string& out) { put_be32(out, static_cast<uint32_t>(v.as_int()) ^ 0x80000000u); }
Datum decode4(std::string_view& in, Arena&) {
  int32_t v = static_cast<int32_t>(load_be32(in.data()) ^ 0x80000000u);
  in.remove_prefix(4);
  return Datum::from_int(v);
}
void encode8(Datum v, Oid, std::string& out) { put_be64(out, static_cast<uint64_t>(v.as_int()) ^ (1ull << 63)); }
Datum decode8(std::string_view& in, Arena&) {
  int64_t v = static_cast<int64_t>(load_be64(in.data()) ^ (1ull << 63));
  in.remove_prefix(8);
  return Datum::from_int(v);
}
template <size_t N>
void skip(std::string_view& in) { in.remove_prefix(N); }

int compare_timetz(const TimeTz& a, const TimeTz& b) {
  int64_t x = a.us + a.zone_s * kUsPerSecond, y = b.us + b.zone_s * kUsPerSecond;
  if (x != y) return x < y ? -1 : 1;
  return a.zone_s < b.zone_s ? -1 : a.zone_s > b.zone_s;
}
int compare_timetz_datum(Datum a, Datum b, Oid) { return compare_timetz(timetz_arg(a), timetz_arg(b)); }
bool equal_timetz(Datum a, Datum b, Oid) { return compare_timetz_datum(a, b, 0) == 0; }
uint64_t hash_timetz(Datum v, Oid) {
  TimeTz t = timetz_arg(v);
  return mix64(mix64(static_cast<uint64_t>(t.us)) ^ static_cast<uint64_t>(t.zone_s));
}
void encode_timetz(Datum v, Oid, std::string& out) {
  TimeTz t = timetz_arg(v);
  put_be64(out, static_cast<uint64_t>(t.us + t.zone_s * kUsPerSecond) ^ (1ull << 63));
  put_be32(out, static_cast<uint32_t>(t.zone_s) ^ 0x80000000u);
}
Datum decode_timetz(std::string_view& in, Arena& arena) {
  int64_t utc = static_cast<int64_t>(load_be64(in.data()) ^ (1ull << 63));
  int32_t zone = static_cast<int32_t>(load_be32(in.data() + 8) ^ 0x80000000u);
  in.remove_prefix(12);
  return timetz_datum(arena, {utc - zone * kUsPerSecond, zone, 0});
}

__int128 interval_value(const Interval& v) {
  return static_cast<__int128>(v.us) + (static_cast<__int128>(v.days) + static_cast<__int128>(v.months) * 30) * kUsPerDay;
}
int compare_interval(Datum a, Datum b, Oid) { return interval_compare(interval_arg(a), interval_arg(b)); }
bool equal_interval(Datum a, Datum b, Oid) { return compare_interval(a, b, 0) == 0; }
uint64_t hash_interval(Datum v, Oid) { return mix64(static_cast<uint64_t>(interval_value(interval_arg(v)))); }
// Equal intervals may differ in their parts, so the key cannot give the value back.
void encode_interval(Datum v, Oid, std::string& out) {
  __int128 x = interval_value(interval_arg(v));
  put_be64(out, static_cast<uint64_t>(static_cast<int64_t>(x >> 64)) ^ (1ull << 63));
  put_be64(out, static_cast<uint64_t>(x));
}

}  // namespace

void register_datetime_types(TypeTable& t) {
  TypeOps four{compare_int, equal_int, hash_int, encode4, decode4, skip<4>};
  TypeOps eight{compare_int, equal_int, hash_int, encode8, decode8, skip<8>};
  t.ops(oid::kDate, four);
  for (Oid type : {oid::kTime, oid::kTimestamp, oid::kTimestamptz}) t.ops(type, eight);
  t.ops(oid::kTimetz, {compare_timetz_datum, equal_timetz, hash_timetz, encode_timetz, decode_timetz, skip<12>});
  t.ops(oid::kInterval, {compare_interval, equal_interval, hash_interval, encode_interval, nullptr, skip<16>});
  t.io(oid::kDate, {date_input, date_output, date_receive, send4});
  t.io(oid::kTime, {time_input, time_output, time_receive, send8});
  t.io(oid::kTimetz, {timetz_input, timetz_output, timetz_receive, timetz_sender});
  t.io(oid::kTimestamp, {timestamp_input, timestamp_output, timestamp_receive, send8});
  t.io(oid::kTimestamptz, {timestamptz_input, timestamptz_output, timestamp_receive, send8});
  t.io(oid::kInterval, {interval_input, interval_output, interval_receive, interval_sender});
}

void register_datetime_type_functions(FunctionRegistry& r) {
  r.add("date_in", input_function<date_input>);
  r.add("time_in", input_function<time_input>);
  r.add("timetz_in", input_function<timetz_input>);
  r.add("timestamp_in", input_function<timestamp_input>);
  r.add("timestamptz_in", input_function<timestamptz_input>);
  r.add("interval_in", input_function<interval_input>);
  r.add("date_out", output_function<date_output>);
  r.add("time_out", output_function<time_output>);
  r.add("timetz_out", output_function<timetz_output>);
  r.add("timestamp_out", output_function<timestamp_output>);
  r.add("timestamptz_out", output_function<timestamptz_output>);
  r.add("interval_out", output_function<interval_output>);
  r.add("date_recv", input_function<date_receive>);
  r.add("time_recv", input_function<time_receive>);
  r.add("timetz_recv", input_function<timetz_receive>);
  r.add("timestamp_recv", input_function<timestamp_receive>);
  r.add("timestamptz_recv", input_function<timestamp_receive>);
  r.add("interval_recv", input_function<interval_receive>);
  r.add("date_send", output_function<send4>);
  for (const char* n : {"time_send", "timestamp_send", "timestamptz_send"}) r.add(n, output_function<send8>);
  r.add("timetz_send", output_function<timetz_sender>);
  r.add("interval_send", output_function<interval_sender>);

  r.add("timetypmodin", [](FnCall& c) { return precision_in(c, "TIME", false); });
  r.add("timetztypmodin", [](FnCall& c) { return precision_in(c, "TIME", true); });
  r.add("timestamptypmodin", [](FnCall& c) { return precision_in(c, "TIMESTAMP", false); });
  r.add("timestamptztypmodin", [](FnCall& c) { return precision_in(c, "TIMESTAMP", true); });
  for (const char* n : {"timetypmodout", "timestamptypmodout"}) r.add(n, [](FnCall& c) { return precision_out(c, false); });
  for (const char* n : {"timetztypmodout", "timestamptztypmodout"}) r.add(n, [](FnCall& c) { return precision_out(c, true); });
  r.add("intervaltypmodin", interval_typmod_in);
  r.add("intervaltypmodout", interval_typmod_out);

  r.add("time_scale", [](FnCall& c) { return Datum::from_int(round_time(c.int_arg(0), static_cast<int32_t>(c.int_arg(1)))); });
  r.add("timetz_scale", [](FnCall& c) {
    TimeTz v = timetz_arg(c.arg(0));
    v.us = round_time(v.us, static_cast<int32_t>(c.int_arg(1)));
    return timetz_datum(*c.arena, v);
  });
  for (const char* n : {"timestamp_scale", "timestamptz_scale"})
    r.add(n, [](FnCall& c) {
      int64_t ts = round_timestamp(c.int_arg(0), static_cast<int32_t>(c.int_arg(1)));
      return Datum::from_int(ts);
    });
  r.add("interval_scale", [](FnCall& c) {
    Interval v = interval_arg(c.arg(0));
    round_interval(&v, static_cast<int32_t>(c.int_arg(1)));
    return interval_datum(*c.arena, v);
  });
}

}  // namespace stele

// What functions and type I/O need to know about the session that calls them.
// The sql layer implements it; tests may use the defaults.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "types/datum.h"

namespace stele {

class TimeZone;  // types/timezone.h
class Error;

enum class DateStyle : uint8_t { kIso, kSql, kPostgres, kGerman };
enum class DateOrder : uint8_t { kYmd, kDmy, kMdy };
enum class IntervalStyle : uint8_t { kPostgres, kPostgresVerbose, kSqlStandard, kIso8601 };

struct EnumLabel { Oid oid; float sort_order; std::string label; };
struct CompositeColumn { std::string name; Oid type; int32_t typmod; bool dropped; };

// Names and users' types, resolved through the session's catalogue snapshot.
class CatalogLookup {
 public:
  virtual ~CatalogLookup() = default;
  // Enum labels of a type in sort order; throws undefined_object for other types.
  virtual const std::vector<EnumLabel>& enum_labels(Oid type) = 0;
  virtual const std::vector<CompositeColumn>& composite_columns(Oid type) = 0;
  // pg_type facts for any type, built-in or not: kind (b c d e p r m), element, array, base type of
  // a domain, delimiter.
  struct TypeFacts { char kind; char category; Oid element; Oid array; Oid base; int32_t typmod; char delimiter; bool by_value; Oid relation; };
  virtual TypeFacts type_facts(Oid type) = 0;
  // Throws the domain's constraint errors.
  virtual void check_domain(Oid domain, NullableDatum value) = 0;
  // Text of reg* types: name_of(kRegclass, oid) -> "public.t" as the search path requires;
  // nullopt when there is no such object. find is the reverse and throws as PostgreSQL does.
  virtual std::optional<std::string> name_of(Oid reg_type, Oid object) = 0;
  virtual Oid find(Oid reg_type, std::string_view name) = 0;
  // As name_of but for format_type(): "character varying(20)", "integer[]".
  virtual std::string format_type(Oid type, int32_t typmod) = 0;
};

// Owned by a session, used by one thread at a time.
struct EvalContext {
  const TimeZone* timezone = nullptr;  // null is UTC
  DateStyle date_style = DateStyle::kIso;
  DateOrder date_order = DateOrder::kMdy;
  IntervalStyle interval_style = IntervalStyle::kPostgres;
  int extra_float_digits = 1;
  bool bytea_output_hex = true;
  std::string lc_monetary = "C";
  int64_t now_us = 0;        // transaction start: microseconds since 2000-01-01 00:00 UTC
  int64_t statement_us = 0;  // statement start
  std::function<int64_t()> clock_us;  // clock_timestamp(); never empty in a session
  std::function<uint64_t()> random;   // random(), gen_random_uuid()
  // random() after setseed(); empty before.
  std::function<uint64_t()> seeded_random;
  CatalogLookup* catalog = nullptr;
  // setting(name) -> current value; nullopt when there is no such parameter.
  std::function<std::optional<std::string>(std::string_view)> setting;
  std::function<void(const Error&, std::string_view severity)> notice;  // may be empty
  // Polled in long loops (see check_interrupts); throws query_canceled when due.
  std::function<void()> check_interrupts;
  // The sql session for functions that need one (nextval, pg_get_viewdef, ...); opaque here.
  void* session = nullptr;
};

}  // namespace stele

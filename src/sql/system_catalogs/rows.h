// Makes rows of one system relation: values are converted to what the column is declared as.
#pragma once

#include <concepts>
#include <unordered_map>

#include "sql/system_catalogs/system_catalogs.h"
#include "types/oids.h"

namespace stele::sql::system_catalogs {

struct Made { Datum value; };  // a value already in its column's form
struct StopScan {};            // thrown when the reader wants no more

class Rows {
 public:
  Rows(const catalog::Relation& def, Context& context, const std::function<bool(std::span<const NullableDatum>)>& emit, Arena& arena)
      : context(context), state(*context.state), arena(arena), def_(def), emit_(emit) {}

  // One row: exactly as many values as the relation has columns.
  template <typename... T>
  void operator()(const T&... values) {
    row_.clear();
    (put(values), ...);
    finish();
  }
  // The same, piece by piece.
  void finish();
  // Wide rows by column name; columns not set are NULL.
  void begin_named() { named_.assign(def_.columns.size(), {}); }
  template <typename T> void set(std::string_view column, const T& value) {
    size_t i = column_index(column);
    row_.resize(i);
    put(value);
    named_[i] = row_.back();
  }
  void finish_named() { row_ = named_; finish(); }

  void put(std::nullptr_t) { row_.push_back({}); }
  void put(bool v) { row_.push_back({Datum::from_bool(v), false}); }
  void put(char v) { row_.push_back({Datum::from_int(static_cast<signed char>(v)), false}); }
  void put(Made v) { row_.push_back({v.value, false}); }
  template <std::integral T> void put(T v) { put_number(static_cast<double>(v), static_cast<int64_t>(v)); }
  void put(double v) { put_number(v, static_cast<int64_t>(v)); }
  void put(std::string_view v);   // parsed when the column is not a string
  void put(const std::string& v) { put(std::string_view(v)); }
  void put(const char* v) { put(std::string_view(v)); }
  template <typename T> void put(const std::optional<T>& v) { if (v) put(*v); else put(nullptr); }

  Made int2vector(std::span<const int16_t> v);
  Made oidvector(std::span<const Oid> v);
  Made int2_array(std::span<const int16_t> v);
  Made oid_array(std::span<const Oid> v, Oid element = oid::kOid);
  Made text_array(std::span<const std::string> v);
  Made name_array(std::span<const std::string> v);
  Made char_array(std::string_view v);
  Made float4_array(std::span<const double> v);
  // NULL when empty.
  template <typename V, typename F> std::optional<Made> if_any(const V& v, F make) {
    if (v.empty()) return std::nullopt;
    return make(v);
  }
  std::optional<Made> acl(const std::optional<std::vector<catalog::AclItem>>& items);
  std::optional<Made> options(const std::map<std::string, std::string>& options);

  // Calls a native function of one oid argument, such as pg_get_indexdef; nullopt when NULL or absent.
  std::optional<std::string> text_function(std::string_view source, Oid argument);
  std::string schema_name(Oid schema) const;
  std::string role_name(Oid role) const;
  std::string type_name(Oid type, int32_t typmod = -1);
  template <typename F> void each_relation(F f) {
    state.for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
      f(static_cast<const catalog::Relation&>(*o));
    });
  }
  template <typename T, typename F> void each(catalog::ObjectKind kind, F f) {
    state.for_each(kind, [&](const catalog::Ptr<catalog::Object>& o) { f(static_cast<const T&>(*o)); });
  }

  Context& context;
  const catalog::State& state;
  Arena& arena;

 private:
  size_t column_index(std::string_view name);
  void put_number(double real, int64_t integer);
  const catalog::Relation& def_;
  const std::function<bool(std::span<const NullableDatum>)>& emit_;
  std::vector<NullableDatum> row_, named_;
  std::unordered_map<std::string_view, size_t> index_;
};

// Definitions of PostgreSQL's indexes on its catalogues; adds each to its table's list (indexes.cc).
std::vector<std::shared_ptr<const catalog::Relation>> index_definitions(const std::function<catalog::Relation*(std::string_view)>& table);

// Options of a foreign table or its columns, as Relation::extra holds them.
std::vector<std::pair<std::string, std::string>> foreign_options(const std::string& stored);

using Producer = void (*)(Rows&);
// Each file's producers by relation name; null when it has none of that name.
Producer builtin_producer(std::string_view name);
Producer entry_producer(std::string_view name);
Producer object_producer(std::string_view name);
Producer view_producer(std::string_view name);
Producer session_producer(std::string_view name);
Producer information_schema_producer(std::string_view name);

}  // namespace stele::sql::system_catalogs

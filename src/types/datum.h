// The value of every SQL type in one machine word.
//
// Types that PostgreSQL passes by value (bool, the integers, floats, date, time,
// timestamp[tz], oid and the reg* types, "char", enum) are stored in the word.
// Every other type is a pointer to a Varlena that some Arena, row buffer or
// constant owns; a Datum never owns. NULL is carried beside the Datum.
//
// By-reference payloads (the bytes after the size), one place to know them:
//   text, varchar, bpchar, name, bytea, json, cstring, unknown, xml: the bytes
//   uuid: 16 bytes        interval: struct Interval (datetime.h)
//   timetz: struct TimeTz  numeric: numeric.h      jsonb: jsonb.h
//   any array: array.h     record: record.h         vector types: vector.h
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/arena.h"

namespace stele {

using Oid = uint32_t;
constexpr Oid kInvalidOid = 0;

struct Varlena {
  uint32_t size;  // bytes in data
  uint32_t reserved;
  char data[];
  std::string_view view() const { return {data, size}; }
};

struct Datum {
  uint64_t bits = 0;

  static Datum from_bool(bool v) { return {v ? 1ull : 0ull}; }
  static Datum from_int(int64_t v) { return {static_cast<uint64_t>(v)}; }  // int2/4/8, date, time, timestamps
  static Datum from_oid(Oid v) { return {v}; }
  static Datum from_double(double v) { return {std::bit_cast<uint64_t>(v)}; }
  static Datum from_float(float v) { return {std::bit_cast<uint32_t>(v)}; }
  static Datum from_varlena(const Varlena* v) { return {reinterpret_cast<uint64_t>(v)}; }

  bool as_bool() const { return bits != 0; }
  int64_t as_int() const { return static_cast<int64_t>(bits); }  // sign-extended for all integer widths
  Oid as_oid() const { return static_cast<Oid>(bits); }
  double as_double() const { return std::bit_cast<double>(bits); }
  float as_float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }
  const Varlena* as_varlena() const { return reinterpret_cast<const Varlena*>(bits); }
  std::string_view as_view() const { return as_varlena()->view(); }
};

// Allocates an uninitialised payload of `size` bytes.
inline Varlena* make_varlena(Arena& arena, size_t size) {
  auto* v = reinterpret_cast<Varlena*>(arena.allocate(sizeof(Varlena) + size));
  v->size = static_cast<uint32_t>(size);
  v->reserved = 0;
  return v;
}
inline Datum make_bytes(Arena& arena, std::string_view s) {
  Varlena* v = make_varlena(arena, s.size());
  if (!s.empty()) std::memcpy(v->data, s.data(), s.size());
  return Datum::from_varlena(v);
}

struct NullableDatum {
  Datum value;
  bool is_null = true;
};

}  // namespace stele

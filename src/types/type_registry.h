// How a family of types adds its ordering and its direct text and binary forms. Direct forms save
// the frequent types a function call by name; the functions of the same names in the function
// registry are made from them (see TypeFamily::add). Filled once, read-only afterwards.
#pragma once

#include "types/function.h"
#include "types/type_ops.h"

namespace stele {

// Any member may be null.
struct DirectIo {
  Datum (*input)(std::string_view text, int32_t typmod, Arena& arena, EvalContext& ctx) = nullptr;
  void (*output)(Datum v, std::string& out, EvalContext& ctx) = nullptr;
  Datum (*receive)(std::string_view bytes, int32_t typmod, Arena& arena, EvalContext& ctx) = nullptr;
  void (*send)(Datum v, std::string& out, EvalContext& ctx) = nullptr;
};

class TypeTable {
 public:
  static constexpr Oid kSize = 16384;
  void ops(Oid type, const TypeOps& ops);
  void io(Oid type, const DirectIo& io);
  const TypeOps* find_ops(Oid type) const { return type < kSize ? ops_[type] : nullptr; }
  const DirectIo* find_io(Oid type) const { return type < kSize ? io_[type] : nullptr; }
  // Filled on first use by every register_*_types() that type_ops.cc lists.
  static const TypeTable& instance();
  // Layers above add theirs at start-up, before any session.
  static TypeTable& mutable_instance();

 private:
  const TypeOps* ops_[kSize] = {};
  const DirectIo* io_[kSize] = {};
};

// Wraps direct forms as registry functions: r.add("int4in", &input_function<int4_input>).
template <auto F>
Datum input_function(FnCall& c) {
  return F(c.text_arg(0), c.nargs > 2 ? static_cast<int32_t>(c.int_arg(2)) : -1, *c.arena, *c.context);
}
template <auto F>
Datum output_function(FnCall& c) {
  std::string out;
  F(c.arg(0), out, *c.context);
  return c.text(out);
}

}  // namespace stele

// Native functions and how they are called. A function is registered under the
// prosrc of its pg_proc row ("int4pl", "textcat"); type input and output
// functions are registered the same way under their own names, so that the type
// system needs no second table. Overload resolution happens before, over pg_proc.
#pragma once

#include <memory>
#include <string_view>

#include "types/context.h"
#include "types/datum.h"

namespace stele {

// One call. Strict functions (proisstrict) are never called with a NULL argument.
struct FnCall {
  const Datum* args;
  const bool* nulls;    // one an argument
  int nargs;            // VARIADIC arguments arrive as one array, as in PostgreSQL
  const Oid* arg_types; // actual types (after coercion), for polymorphic functions
  Oid result_type;      // actual result type
  Oid collation;
  int32_t typmod = -1;  // only for type coercion functions
  Arena* arena;         // results live here, at least until the batch is consumed
  EvalContext* context;
  // Per call site state kept between calls (compiled regexes and the like); starts null.
  std::shared_ptr<void>* cache;
  // The column definition list of a call that returns record (AS x(a int, b text)); else null.
  const std::vector<CompositeColumn>* record_columns = nullptr;
  // Set by the function to return NULL.
  bool result_null = false;
  // VARIADIC "any" functions alone: the caller wrote VARIADIC, so the last argument is the array of
  // the arguments. Otherwise such a function gets its arguments one by one.
  bool variadic_array = false;

  Datum arg(int i) const { return args[i]; }
  bool is_null(int i) const { return nulls[i]; }
  int64_t int_arg(int i) const { return args[i].as_int(); }
  std::string_view text_arg(int i) const { return args[i].as_view(); }
  Datum text(std::string_view s) const { return make_bytes(*arena, s); }
  Datum null() { result_null = true; return {}; }
};

using ScalarFn = Datum (*)(FnCall&);

// Rows of a set-returning function, made one at a time. `out` and `nulls` have one
// entry for a scalar result, or one a column for OUT parameters / record results.
class SetRows {
 public:
  virtual ~SetRows() = default;
  // False at the end. Values live in call.arena until the next call.
  virtual bool next(FnCall& call, Datum* out, bool* nulls) = 0;
};
using SetFn = std::unique_ptr<SetRows> (*)(FnCall&);

// Aggregates, registered under "aggname/argtype,argtype" with "any" for any type and the
// transition state kept as a C++ object. Values passed to add() must be copied to be kept.
class AggregateState {
 public:
  virtual ~AggregateState() = default;
  // Strict inputs are filtered by the caller according to pg_proc/pg_aggregate semantics:
  // add() sees NULLs only for aggregates whose transition function is not strict.
  virtual void add(FnCall& call) = 0;
  // Moving-frame removal of the oldest value; false if not supported (the frame is recomputed).
  virtual bool remove(FnCall& call) { (void)call; return false; }
  // call.args are the direct arguments of ordered-set aggregates. May be called repeatedly.
  virtual Datum finish(FnCall& call) = 0;
  // Bytes held, for memory accounting.
  virtual size_t bytes() const { return 64; }
};
using AggregateFn = std::unique_ptr<AggregateState> (*)(FnCall& first);

class FunctionRegistry {
 public:
  // The process-wide registry, filled on first use by every register_*_functions() that
  // types/register.cc lists. Read-only afterwards.
  static const FunctionRegistry& instance();

  void add(std::string_view prosrc, ScalarFn fn);
  void add_set(std::string_view prosrc, SetFn fn);
  void add_aggregate(std::string_view signature, AggregateFn fn);
  ScalarFn scalar(std::string_view prosrc) const;  // null when there is none
  SetFn set(std::string_view prosrc) const;
  AggregateFn aggregate(std::string_view signature) const;
  // Layers above types (query, sql, segments, keyspace) add theirs at start-up, before any session.
  static FunctionRegistry& mutable_instance();

 private:
  struct Impl;
  FunctionRegistry();
  std::shared_ptr<Impl> impl_;
};

}  // namespace stele

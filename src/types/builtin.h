// PostgreSQL 15's built-in catalogue as data: facts read from builtin/*.tsv, which
// are compiled into the binary. Immutable after first use; any thread may read.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "types/datum.h"

namespace stele {

struct BuiltinType {
  Oid oid;
  std::string name;
  int16_t len;      // -1 variable, -2 cstring
  bool by_value;    // PostgreSQL's own flag; see passed_by_value() for ours
  char kind;        // b base, p pseudo, r range, m multirange (c, d, e only for users' types)
  char category;
  bool preferred;
  char delimiter;
  Oid element;      // non-zero for arrays (and name, point ... as in PostgreSQL)
  Oid array;
  std::string input, output, receive, send, modin, modout;  // function names, "-" if none
  char align, storage;
  Oid collation;    // 0, or 100 / 950 for collatable types
  bool is_true_array() const { return subscript == "array_subscript_handler"; }
  std::string subscript;
};

struct BuiltinProc {
  Oid oid;
  std::string name;
  Oid language;        // 12 internal, 13 c, 14 sql
  char kind;           // f function, a aggregate, w window, p procedure
  bool strict, returns_set;
  char volatility;     // i, s, v
  char parallel;
  Oid result;
  std::vector<Oid> args;          // input arguments
  std::vector<Oid> all_args;      // with OUT arguments, empty when there are none
  std::string arg_modes;          // one letter an entry of all_args: i o b v t
  std::vector<std::string> arg_names;
  Oid variadic;        // element type of a VARIADIC parameter, or 0
  int n_defaults;
  std::string defaults;  // SQL text of the default expressions, comma separated
  double cost, rows;
  std::string source;  // prosrc: the key of the native function registry
};

struct BuiltinOperator {
  Oid oid;
  std::string name;
  char kind;  // b binary, l prefix
  bool can_merge, can_hash;
  Oid left, right, result, commutator, negator, proc;
  std::string restrict_estimator, join_estimator;
};

struct BuiltinCast {
  Oid oid, source, target, func;
  char context;  // i implicit, a assignment, e explicit
  char method;   // f function, b binary-coercible, i through text I/O
};

struct BuiltinAggregate {
  Oid proc;
  char kind;  // n normal, o ordered-set, h hypothetical
  int n_direct;
  Oid transition, final, combine;
  bool final_extra;
  Oid sort_operator, transition_type;
  std::string initial;
  bool has_initial;
};

// Other tables are kept as text for the system catalogues: rows of fields, "\N" is NULL.
using BuiltinRows = std::vector<std::vector<std::string>>;

namespace builtin {
std::span<const BuiltinType> types();
std::span<const BuiltinProc> procs();
std::span<const BuiltinOperator> operators();
std::span<const BuiltinCast> casts();
std::span<const BuiltinAggregate> aggregates();
// Null when there is none.
const BuiltinType* type(Oid oid);
const BuiltinType* type(std::string_view name);
const BuiltinProc* proc(Oid oid);
const BuiltinOperator* op(Oid oid);
const BuiltinAggregate* aggregate(Oid proc);
// All overloads; the spans stay valid for ever.
std::span<const BuiltinProc* const> procs_named(std::string_view name);
std::span<const BuiltinOperator* const> operators_named(std::string_view name);
// table: "pg_opclass", "pg_amop", "pg_collation", "pg_settings", "system_columns" ...
// Columns are those of the .tsv file of that name.
const BuiltinRows& rows(std::string_view table);
}  // namespace builtin

// True for the types whose Datum holds the value itself (see datum.h). User-defined enums are
// by value too; every other user-defined type is by reference.
bool passed_by_value(Oid builtin_type);

}  // namespace stele

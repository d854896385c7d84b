// A compiled PL/pgSQL function: its variables and statements. Shared by every call of it in a session; what an
// expression has learnt (its bound query and plan) is kept in the expression.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "query/execution.h"
#include "sql/parser/parser.h"
#include "sql/session/utility.h"

namespace stele::sql::plpgsql {

// Names in scope at a point of the body: a list that only grows at its head.
struct Name {
  enum class Kind : uint8_t { kBlock, kVariable } kind = Kind::kVariable;
  std::string name;
  int variable = -1;
  bool loop = false;           // kBlock: a loop's label
  bool outermost = false;      // kBlock: the function's own
  std::shared_ptr<const Name> previous;
};
using Names = std::shared_ptr<const Name>;

enum class ExprMode : uint8_t { kExpression, kStatement, kAssignment };

struct Reference {             // what a parameter of the bound query stands for
  int variable = -1;
  std::string field;           // of a record; empty: the whole
};

struct Expression {
  std::string text;            // "a + 1", or a whole statement
  int offset = 0;              // in the body
  ExprMode mode = ExprMode::kExpression;
  Names names;
  bool replaced_perform = false;
  // Assignments: the statement as errors show it; a position in text is one further by shift in it.
  std::string shown;
  int shift = 0;

  // Learnt at run time; valid for one catalogue version, path and set of parameter types.
  struct Bound {
    ParseTreePtr tree;
    query::QueryPtr query;     // null: a utility statement
    query::ExprPtr simple;     // the one target of a query without anything else
    std::vector<Reference> references;
    std::vector<Oid> types;
    std::vector<OutputColumn> columns;
    HostPlan plan;
    uint64_t version = 0;
    std::string path;
    Oid user = 0;
    bool once = false;         // names rows that only this call has
  };
  std::shared_ptr<Bound> bound;
};
using ExprPtr = std::shared_ptr<Expression>;

struct Variable {
  enum class Kind : uint8_t { kScalar, kRecord } kind = Kind::kScalar;
  std::string name;
  Oid type = 0;                // kRecord: composite type, or oid::kRecord
  int32_t typmod = -1;
  Oid collation = 0;
  bool by_value = false, constant = false, not_null = false, declared = false;
  ExprPtr initial;
  int line = 0;
  // Bound cursors.
  ExprPtr cursor_query;
  std::vector<int> cursor_args;
  bool is_cursor = false, scroll = false, no_scroll = false;
};

struct Target {                // of INTO, FOR, FETCH: one record, or scalars
  std::vector<int> variables;
  std::vector<std::string> fields;   // of a record variable, beside each; empty: the whole
  bool record = false;         // one record variable takes the whole row
  bool empty() const { return variables.empty(); }
};

enum class StatementKind : uint8_t {
  kBlock, kAssign, kIf, kCase, kLoop, kWhile, kForInt, kForQuery, kForCursor, kForExecute, kForeach, kExit, kContinue, kReturn, kReturnNext,
  kReturnQuery, kRaise, kAssert, kSql, kPerform, kExecute, kGetDiagnostics, kOpen, kFetch, kMove, kClose, kCall, kDo, kCommit, kRollback,
};

struct Statement;
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

struct Handler {
  std::vector<std::string> conditions;   // SQLSTATEs, classes ("22000"), or "others"
  Body body;
};
struct Diagnostic { int variable; std::string field; std::string item; };

struct Statement {
  StatementKind kind;
  int line = 0;
  std::string label;
  ExprPtr expr, low, high, step;         // condition, value, query; bounds of an integer FOR
  Body body, otherwise;
  bool has_otherwise = false;
  std::vector<std::pair<ExprPtr, std::unique_ptr<Body>>> branches;   // IF and CASE
  int variable = -1;                     // loop variable, cursor, CASE's hidden one
  Target target;
  bool strict = false, reverse = false, stacked = false, has_handlers = false, chain = false;
  std::vector<int> locals;               // kBlock: variables to initialise
  std::vector<Handler> handlers;
  int sqlstate_variable = -1, sqlerrm_variable = -1;
  int slice = 0;
  std::vector<ExprPtr> params;           // RAISE, USING
  std::string message, condition, level;
  std::vector<std::pair<std::string, ExprPtr>> options;   // RAISE ... USING
  std::vector<Diagnostic> diagnostics;
  int direction = 0;                     // FETCH: pg's FetchDirection
  ExprPtr count;
  int64_t how_many = 1;
  bool scroll = false, no_scroll = false, returns_many = false;
};

struct Function {
  std::string name, signature;           // "f", "f(integer,text)"
  std::string source;
  Oid oid = 0;
  std::vector<Error> warnings;           // of its compilation, with positions in the body
  std::vector<Variable> variables;
  StatementPtr block;
  std::vector<int> arguments;            // variables of the input arguments, in order
  std::vector<int> out_variables;
  int found = -1, new_record = -1, old_record = -1, out_row = -1;
  std::map<std::string, int> trigger_variables;   // tg_name ...
  Oid result = 0;
  bool returns_set = false, is_procedure = false, is_trigger = false, is_event_trigger = false, result_is_composite = false, read_only = false;
  std::vector<std::pair<std::string, OutputColumn>> result_columns;   // of RETURNS TABLE and OUT parameters
  enum class Conflict : uint8_t { kError, kVariable, kColumn } conflict = Conflict::kError;
  bool print_strict_params = false;
};
using FunctionPtr = std::shared_ptr<Function>;

struct Signature {                       // what compile() needs of pg_proc, or of a DO block
  Oid oid = 0;
  std::string name;                      // with "inline_code_block" for DO
  std::string source;
  std::vector<Oid> args;                 // actual types of the input arguments
  std::vector<Oid> all_args;             // declared
  std::string modes;                     // of all_args
  std::vector<std::string> names;
  Oid result = 0;                        // polymorphic ones resolved
  bool returns_set = false, is_procedure = false, is_trigger = false, is_event_trigger = false;
  catalog::Ptr<catalog::Relation> trigger_table;   // null while only validating
  bool validate = false;                 // CREATE FUNCTION: parse every expression too
};

// True if plpgsql.extra_warnings or extra_errors asks for the check.
bool extra_check(UtilityHost& host, const char* setting, std::string_view check);

// Throws with positions in the body and "compilation of PL/pgSQL function" as context.
FunctionPtr compile(const Signature& signature, UtilityHost& host);

// SQLSTATEs of a condition name ("division_by_zero" -> "22012"); empty: no such condition.
std::vector<std::string> condition_states(std::string_view name);
// The name of a condition by its SQLSTATE, or empty.
std::string condition_name(std::string_view sqlstate);

}  // namespace stele::sql::plpgsql

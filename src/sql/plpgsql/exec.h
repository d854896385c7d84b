// Running compiled functions. One Frame is one call; frames of a session form a chain, which is where context lines
// come from.
#pragma once

#include "base/error.h"
#include "sql/plpgsql/ast.h"
#include "types/oids.h"

namespace stele::sql::plpgsql {

// A value with memory of its own.
struct Value {
  NullableDatum v;
  std::unique_ptr<uint64_t[]> owned;
  void set(NullableDatum d, bool by_value);
};
struct RecordValue {
  Oid type = 0;                       // composite type, or kRecord for a shape of its own
  bool shaped = false, null = true;
  std::vector<std::string> names;
  std::vector<Oid> types;
  std::vector<int32_t> typmods;
  std::vector<bool> by_value;
  std::vector<Value> fields;
  std::vector<int> positions;         // attribute number - 1 of each field in its composite type
  int width = 0;                      // attributes of the composite type, dropped ones included
};

// Rows kept beyond the query that gave them.
struct Rows {
  std::vector<OutputColumn> columns;
  std::vector<bool> by_value;
  std::vector<std::vector<NullableDatum>> rows;
  Arena arena;
};

struct HeldTable { BindContext::HeldRows rows; const std::vector<query::TriggerRow>* values = nullptr; std::string name; };

class Frame;
// What PL/pgSQL keeps in a session.
struct SessionState {
  Frame* top = nullptr;
  std::map<std::string, std::pair<uint64_t, FunctionPtr>> functions;   // by oid and argument types; catalogue version
  struct Cast { query::ExprPtr expr; uint64_t version; };
  std::map<std::tuple<Oid, Oid, int32_t>, Cast> casts;
  struct Deferred { Oid constraint; bool done = false; std::function<void()> run; };
  std::vector<std::weak_ptr<Deferred>> deferred;
  std::map<Oid, bool> constraint_modes;
  std::vector<HeldTable*> held;       // transition tables in reach, by number
  int depth = 0;
  int trigger_depth = 0;
};
SessionState& session_state(UtilityHost& host);

struct TriggerCall {
  const catalog::Relation* table = nullptr;
  const catalog::Trigger* trigger = nullptr;
  int bits = 0;
  const std::vector<NullableDatum>* old_row = nullptr;
  std::vector<NullableDatum>* new_row = nullptr;
  Arena* arena = nullptr;
  std::vector<HeldTable> held;
};

// Calls a procedure with its arguments in order (placeholders of OUT ones too); emit gets the OUT values.
void call_procedure_values(Oid procedure, std::span<const NullableDatum> args, std::span<const Oid> types, UtilityHost& host, const RowSink& emit);

class Frame {
 public:
  Frame(UtilityHost& host, FunctionPtr f);
  ~Frame();
  Frame(const Frame&) = delete;

  // Scalar result, or a composite value; memory from `arena`.
  NullableDatum call(std::span<const NullableDatum> args, std::span<const Oid> arg_types, Arena& arena);
  void call_set(std::span<const NullableDatum> args, std::span<const Oid> arg_types, const std::function<bool(std::span<const NullableDatum>)>& emit);
  // False: nothing is to be done with the row.
  bool call_trigger(TriggerCall& t);
  void call_event_trigger(const std::string& event, const std::string& tag);
  std::vector<NullableDatum> call_procedure(std::span<const NullableDatum> args, std::span<const Oid> arg_types, Arena& arena);
  std::string context() const;        // this frame's line
  std::string whole_context() const;  // with those of the frames around it
  std::vector<HeldTable>* held_tables() { return held_; }

 private:
  enum class Flow : uint8_t { kNormal, kExit, kContinue, kReturn };

  // exec.cc
  void run_block();
  void initialise(std::span<const NullableDatum> args, std::span<const Oid> arg_types);
  Flow execute(const Body& body);
  Flow execute(const Statement& s);
  Flow block(const Statement& s);
  Flow loop_flow(Flow flow, const Statement& s, bool* leave);
  Flow if_or_case(const Statement& s);
  Flow for_int(const Statement& s);
  Flow for_rows(const Statement& s, const Rows& rows);
  Flow foreach(const Statement& s);
  void return_value(const Statement& s);
  void return_next(const Statement& s);
  void return_query(const Statement& s);
  const std::vector<CompositeColumn>& record_columns() const;
  void raise(const Statement& s);
  void assert_true(const Statement& s);
  void diagnostics(const Statement& s);

  // exec_sql.cc
  struct Result { NullableDatum v; Oid type = 0; int32_t typmod = -1; };
  std::shared_ptr<Expression::Bound> bind(Expression& e);
  BindContext bind_context(Expression& e, Expression::Bound& bound, std::string_view text);
  void gather(const Expression::Bound& bound, std::vector<NullableDatum>& values);
  Result evaluate(Expression& e);
  bool evaluate_bool(Expression& e, bool* null = nullptr);
  int64_t evaluate_int(Expression& e, const char* null_message, bool* null = nullptr);
  std::optional<std::string> evaluate_text(Expression& e);
  uint64_t run_query(Expression& e, Rows* rows, uint64_t limit, bool* returns_rows, query::CommandKind* command);
  void sql_statement(const Statement& s);
  void execute_dynamic(const Statement& s);
  uint64_t run_dynamic(const Statement& s, Expression& text, const std::vector<ExprPtr>& params, Rows* rows, uint64_t limit, bool* returns_rows, query::CommandKind* command);
  void call_statement(const Statement& s);
  void open_cursor(const Statement& s);
  void open_bound(const Statement& s, int variable, const std::vector<ExprPtr>& args);
  void fetch(const Statement& s);
  Flow for_cursor(const Statement& s);
  std::string cursor_name(int variable);
  std::function<bool(std::span<const NullableDatum>, std::span<const OutputColumn>)> collect(Rows& rows, uint64_t limit);
  [[noreturn]] void rethrow(const Error& e, const Expression& x, int shift, bool with_statement);

  // values.cc
  NullableDatum cast(NullableDatum v, Oid from, int32_t from_typmod, Oid to, int32_t typmod);
  void assign(int variable, NullableDatum v, Oid type, int32_t typmod);
  void assign_target(const Statement& s, const Target& t, size_t i, NullableDatum v, Oid type, int32_t typmod);
  void assign_field(int variable, const std::string& field, NullableDatum v, Oid type, int32_t typmod);
  void assign_row(const Target& t, const Rows& rows, size_t row);   // row past the end: NULLs
  void assign_record(int variable, std::span<const NullableDatum> row, std::span<const OutputColumn> columns);
  void assign_record_datum(int variable, NullableDatum v, Oid type);
  void shape_record(RecordValue& r, Oid composite);
  void set_null(int variable);
  void set_text(int variable, std::string_view text);
  void set_bool(int variable, bool v);
  int field_of(const RecordValue& r, int variable, const std::string& name) const;
  NullableDatum read(const Reference& r, Oid* type);
  NullableDatum record_datum(const RecordValue& r, Arena& arena);
  NullableDatum convert_record(NullableDatum v, Oid from, Oid to, Arena& arena);
  std::string text_of(NullableDatum v, Oid type);
  bool by_value(Oid type);

  UtilityHost& host_;
  FunctionPtr f_;
  SessionState& state_;
  Frame* outer_ = nullptr;
  std::vector<Value> scalars_;
  std::vector<Oid> scalar_types_;     // CASE's variables change theirs
  std::vector<RecordValue> records_;
  Arena arena_;
  const Statement* statement_ = nullptr;
  const char* phase_ = nullptr;
  const Variable* initialising_ = nullptr;
  const std::string* running_sql_ = nullptr;
  std::string exit_label_;
  // Result
  Value result_;
  Oid result_type_ = 0;
  int32_t result_typmod_ = -1;
  bool returned_ = false;
  const std::function<bool(std::span<const NullableDatum>)>* emit_ = nullptr;
  const std::vector<CompositeColumn>* definition_ = nullptr;  // of the columns that a function returning SETOF record must make
  bool stop_ = false;
  uint64_t row_count_ = 0;
  std::vector<const Error*> handling_;
  bool rethrown_ = false;
  std::vector<HeldTable>* held_ = nullptr;
  friend class FrameLine;
};

}  // namespace stele::sql::plpgsql

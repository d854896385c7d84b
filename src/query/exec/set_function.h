// One call of a table function: native set functions, scalar functions (one row), SQL and PL/pgSQL ones.
#pragma once

#include "query/exec/operator.h"

namespace stele::query {

// The column definition list of the table function whose rows this thread gathers now; null when it has none.
const std::vector<CompositeColumn>* record_definition();
// Throws unless columns of these types are what the list says.
void check_record_definition(std::span<const Oid> types, const std::vector<CompositeColumn>& expected, CatalogLookup& catalog);

class SetCall {
 public:
  // single: the result is one datum a row (target lists), composite results as records.
  SetCall(const RangeFunction& f, const Layout& layout, ExecState& state, bool single = false);
  int columns() const { return columns_; }
  // Evaluates the arguments at this row of the frame.
  void start(Frame& f, int row);
  bool next(NullableDatum* out, Arena& arena);

 private:
  void spread(NullableDatum v, NullableDatum* out);
  RangeFunction f_;
  ExecState& state_;
  bool single_;
  int columns_ = 1;
  bool composite_ = false;        // the result is spread over several columns
  bool element_ = false;          // a native function of which each row is one value, a whole composite where it is one
  bool native_record_ = false;    // the native function itself fills all columns
  FunctionInfo info_;
  Oid func_ = 0;
  std::vector<EvalPtr> args_;
  std::vector<Oid> arg_types_;
  EvalPtr scalar_;                // not a set-returning function
  ScalarFn record_function_ = nullptr;  // one that needs its column definition list
  std::vector<CompositeColumn> definition_;
  std::vector<Datum> values_;
  std::unique_ptr<bool[]> nulls_;
  std::shared_ptr<void> cache_;
  FnCall call_{};
  std::unique_ptr<SetRows> rows_;
  NullableDatum once_;
  bool have_once_ = false, strict_null_ = false;
  // Rows of a user's function, gathered.
  std::vector<std::vector<NullableDatum>> gathered_;
  size_t at_ = 0;
  Arena arena_;
  std::vector<ElementInfo> record_infos_;
  Oid record_type_ = 0;
};

}  // namespace stele::query

// One aggregate of an Agg or WindowAgg node, working on states that the node keeps by group.
#pragma once

#include "query/exec/operator.h"

namespace stele::query {

class AggCall {
 public:
  virtual ~AggCall() = default;
  size_t offset = 0;                       // of the state within the group's extra bytes
  virtual size_t size() const = 0;
  virtual void init(char* state) = 0;
  virtual void destroy(char*) {}
  // groups[row] + offset is the state of the row's group. args are the argument columns.
  virtual void add(char* const* groups, Sel rows, const Vec* const* args, Frame& f) = 0;
  // The result's memory may live in the state or in out.
  virtual NullableDatum finish(char* state, Arena& out) = 0;
  // Moving frames: takes the oldest value back; false if it cannot.
  virtual bool remove(char*, int, const Vec* const*, Frame&) { return false; }
  virtual size_t extra_bytes(const char*) const { return 0; }
};

// What to compile: an AggregateExpr, or an aggregate used as a window function.
struct AggSource {
  Oid func = 0;
  std::vector<Oid> arg_types;              // of the arguments the transition takes
  Oid result = 0;
  Oid collation = 0;
  bool star = false;
  char kind = 'n';
  std::vector<ExprPtr> args;
};
std::unique_ptr<AggCall> make_agg_call(const AggSource& a, ExecState& state);
// The columns that add() expects: arguments, ORDER BY expressions that are not among them, and direct arguments when they vary by group.
std::vector<ExprPtr> aggregate_inputs(const AggregateExpr& a);
// With DISTINCT, ORDER BY or direct arguments.
std::unique_ptr<AggCall> make_agg_call(const AggregateExpr& a, ExecState& state);

}  // namespace stele::query

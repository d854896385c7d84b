// The expression evaluator: an Expr compiled into a tree of nodes that work on columns of a batch.
//
// Values are positional: a node writes the result of row r at index r, for the rows of a selection only.
// That makes lazy evaluation (CASE, AND, OR, COALESCE) a matter of passing smaller selections, so errors
// arise only for the rows where PostgreSQL would evaluate the expression at all. Nodes belong to one
// execution and are used by one thread.
#pragma once

#include <memory>
#include <vector>

#include "query/execution.h"
#include "query/expr.h"
#include "types/array.h"
#include "types/type_ops.h"

namespace stele::query {

// Rows idx[0..n), or 0..n when idx is null.
struct Sel {
  const int* idx = nullptr;
  int n = 0;
  int operator[](int i) const { return idx != nullptr ? idx[i] : i; }
};

struct ExecState;

struct Frame {
  const Vec* columns = nullptr;
  int size = 0;              // rows in the batch: capacity of every buffer
  Arena* arena = nullptr;    // results live here
  ExecState* state = nullptr;
};

// A growable column.
struct Buffer {
  std::unique_ptr<uint64_t[]> storage;
  std::unique_ptr<uint8_t[]> null_storage;
  int capacity = 0;
  Vec vec;
  void ensure(int rows);     // contents are lost when it grows
};

class EvalNode {
 public:
  virtual ~EvalNode() = default;
  // The result stays valid until the next eval() of this node.
  virtual const Vec& eval(Frame& f, Sel sel) = 0;
  // Rows of `in` where the boolean result is true, into out (room for in.n); returns their number.
  virtual int filter(Frame& f, Sel in, int* out);
  // True when the value is the same for every row and execution.
  virtual bool is_const() const { return false; }
  Oid type = 0;
};
using EvalPtr = std::unique_ptr<EvalNode>;

// What a type means to the executor: domains resolved to their base.
struct TypeInfo {
  Oid type = 0, base = 0, element = 0;
  const TypeOps* ops = nullptr;
  bool by_value = false;
  char kind = 'b';
};
TypeInfo type_info(Oid type, ExecContext& ctx);

// Where Vars (and whole expressions computed below) are found in the input columns.
class Layout {
 public:
  Layout() = default;
  explicit Layout(const std::vector<ExprPtr>& exprs) { for (auto& e : exprs) add(e); }
  void add(const ExprPtr& e);
  int find(const ExprPtr& e) const;   // -1: not there
  int size() const { return size_; }
 private:
  std::unordered_map<uint64_t, int> vars_;
  std::vector<std::pair<ExprPtr, int>> others_;
  int size_ = 0;
};

struct SubPlanHost;   // exec/state.h

struct CompileEnv {
  const Layout* layout = nullptr;
  ExecState* state = nullptr;
  // Placeholders: the vec under test of CASE, array element coercions and domain checks.
  const Vec* const* case_value = nullptr;
  const Vec* const* domain_value = nullptr;
  // ParamExpr(kExec, 1..n) of a SubLink test stand for these columns.
  const Vec* const* sublink_columns = nullptr;
};
EvalPtr compile(const ExprPtr& e, CompileEnv& env);
// kSubPlan nodes: exec/subplan.cc.
EvalPtr compile_subplan(const SubPlanExpr& e, CompileEnv& env);

// Vectorised functions of one or two arguments by prosrc; arguments may be NULL per row.
using UnaryKernel = void (*)(const Vec& a, Vec& out, Sel sel);
using BinaryKernel = void (*)(const Vec& a, const Vec& b, Vec& out, Sel sel);
UnaryKernel find_unary_kernel(std::string_view prosrc);
BinaryKernel find_binary_kernel(std::string_view prosrc);
// Results by reference go into the arena.
using ArenaKernel = void (*)(const Vec& a, const Vec& b, Vec& out, Sel sel, Arena& arena);
ArenaKernel find_arena_kernel(std::string_view prosrc);

// How a function oid is to be called.
struct FunctionInfo {
  ScalarFn native = nullptr;
  SetFn native_set = nullptr;
  bool strict = false, returns_set = false;
  char volatility = 'v', kind = 'f';
  std::string_view source;         // prosrc of native functions
  std::string name;
  Oid result = 0;
  double cost = 1, rows = 0;
};
FunctionInfo function_info(Oid func, ExecContext& ctx);
[[noreturn]] void throw_no_native(const FunctionInfo& info);

// One row, no inputs: constants, parameters, functions.
NullableDatum evaluate_const(const ExprPtr& e, ExecState& state, Arena& arena);

Datum copy_value(const TypeInfo& t, Datum v, Arena& arena);

}  // namespace stele::query

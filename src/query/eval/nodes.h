// Makers of evaluator nodes, by family. Private to src/query/eval.
#pragma once

#include "query/eval/eval.h"

namespace stele::query {

EvalPtr make_slot_node(int slot, Oid type);
EvalPtr compile_node(const ExprPtr& e, CompileEnv& env);          // dispatch: nodes_basic.cc
EvalPtr compile_call(Oid func, std::vector<EvalPtr> args, std::vector<Oid> arg_types, Oid result, Oid collation, int32_t typmod, CompileEnv& env,
                     bool variadic_array = false);
EvalPtr compile_scalar_array(const ScalarArrayOpExpr& e, CompileEnv& env);   // nodes_array.cc
EvalPtr compile_array(const ListExpr& e, CompileEnv& env);
EvalPtr compile_array_coerce(const UnaryExpr& e, CompileEnv& env);
EvalPtr compile_subscript(const SubscriptExpr& e, CompileEnv& env);
EvalPtr compile_row(const ListExpr& e, CompileEnv& env);                     // nodes_row.cc
EvalPtr compile_row_compare(const RowCompareExpr& e, CompileEnv& env);
EvalPtr compile_field_select(const FieldSelectExpr& e, CompileEnv& env);
EvalPtr compile_field_store(const FieldStoreExpr& e, CompileEnv& env);
EvalPtr compile_convert_row(const UnaryExpr& e, CompileEnv& env);
EvalPtr compile_null_test(const NullTestExpr& e, CompileEnv& env);
EvalPtr compile_io_coerce(const UnaryExpr& e, CompileEnv& env);
EvalPtr compile_domain(const UnaryExpr& e, CompileEnv& env);
EvalPtr compile_sql_value(const SqlValueExpr& e, CompileEnv& env);

// A node whose result is made row by row from its inputs.
template <typename F>
class RowWise final : public EvalNode {
 public:
  RowWise(std::vector<EvalPtr> inputs, F f) : inputs_(std::move(inputs)), f_(std::move(f)), vecs_(inputs_.size()) {}
  const Vec& eval(Frame& fr, Sel sel) override {
    out_.ensure(fr.size);
    for (size_t i = 0; i < inputs_.size(); ++i) vecs_[i] = &inputs_[i]->eval(fr, sel);
    for (int k = 0; k < sel.n; ++k) {
      int r = sel[k];
      NullableDatum v = f_(fr, std::span<const Vec* const>(vecs_), r);
      out_.vec.values[r] = v.value;
      out_.vec.nulls[r] = v.is_null ? 1 : 0;
    }
    return out_.vec;
  }

 private:
  std::vector<EvalPtr> inputs_;
  F f_;
  std::vector<const Vec*> vecs_;
  Buffer out_;
};
template <typename F>
EvalPtr row_wise(std::vector<EvalPtr> inputs, F f) { return std::make_unique<RowWise<F>>(std::move(inputs), std::move(f)); }
inline std::vector<EvalPtr> inputs_of(EvalPtr a) { std::vector<EvalPtr> v; v.push_back(std::move(a)); return v; }

}  // namespace stele::query

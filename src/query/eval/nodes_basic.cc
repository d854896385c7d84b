#include "base/error.h"
#include "query/eval/nodes.h"
#include "query/exec/state.h"
#include "types/text.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::query {

namespace {

class SlotNode final : public EvalNode {
 public:
  explicit SlotNode(int slot) : slot_(slot) {}
  const Vec& eval(Frame& f, Sel) override { return f.columns[slot_]; }
 private:
  int slot_;
};

class ConstNode final : public EvalNode {
 public:
  ConstNode(Datum v, bool null, std::shared_ptr<const Expr> owner) : value_(v), null_(null), owner_(std::move(owner)) {}
  const Vec& eval(Frame& f, Sel) override {
    if (f.size > out_.capacity) {
      out_.ensure(f.size);
      std::fill_n(out_.vec.values, out_.capacity, value_);
      std::fill_n(out_.vec.nulls, out_.capacity, null_ ? 1 : 0);
    }
    return out_.vec;
  }
  bool is_const() const override { return true; }
 private:
  Datum value_;
  bool null_;
  std::shared_ptr<const Expr> owner_;
  Buffer out_;
};

// Exec parameters change between evaluations.
class ExecParamNode final : public EvalNode {
 public:
  explicit ExecParamNode(size_t index) : index_(index) {}
  const Vec& eval(Frame& f, Sel sel) override {
    out_.ensure(f.size);
    NullableDatum v = f.state->params[index_];
    for (int k = 0; k < sel.n; ++k) {
      int r = sel[k];
      out_.vec.values[r] = v.value;
      out_.vec.nulls[r] = v.is_null ? 1 : 0;
    }
    return out_.vec;
  }
 private:
  size_t index_;
  Buffer out_;
};
class PlaceholderNode final : public EvalNode {
 public:
  explicit PlaceholderNode(const Vec* const* cell) : cell_(cell) {}
  const Vec& eval(Frame&, Sel) override { return **cell_; }
 private:
  const Vec* const* cell_;
};

class UnaryKernelNode final : public EvalNode {
 public:
  UnaryKernelNode(UnaryKernel k, EvalPtr a) : kernel_(k), a_(std::move(a)) {}
  const Vec& eval(Frame& f, Sel sel) override {
    const Vec& a = a_->eval(f, sel);
    out_.ensure(f.size);
    kernel_(a, out_.vec, sel);
    return out_.vec;
  }
 private:
  UnaryKernel kernel_;
  EvalPtr a_;
  Buffer out_;
};
class BinaryKernelNode final : public EvalNode {
 public:
  BinaryKernelNode(BinaryKernel k, EvalPtr a, EvalPtr b) : kernel_(k), a_(std::move(a)), b_(std::move(b)) {}
  const Vec& eval(Frame& f, Sel sel) override {
    const Vec& a = a_->eval(f, sel);
    const Vec& b = b_->eval(f, sel);
    out_.ensure(f.size);
    kernel_(a, b, out_.vec, sel);
    return out_.vec;
  }
 private:
  BinaryKernel kernel_;
  EvalPtr a_, b_;
  Buffer out_;
};

class ArenaKernelNode final : public EvalNode {
 public:
  ArenaKernelNode(ArenaKernel k, EvalPtr a, EvalPtr b) : kernel_(k), a_(std::move(a)), b_(std::move(b)) {}
  const Vec& eval(Frame& f, Sel sel) override {
    const Vec& a = a_->eval(f, sel);
    const Vec& b = b_->eval(f, sel);
    out_.ensure(f.size);
    kernel_(a, b, out_.vec, sel, *f.arena);
    return out_.vec;
  }
 private:
  ArenaKernel kernel_;
  EvalPtr a_, b_;
  Buffer out_;
};

class CallNode final : public EvalNode {
 public:
  CallNode(ScalarFn fn, bool strict, std::vector<EvalPtr> args, std::vector<Oid> types, Oid result, Oid collation, int32_t typmod, bool variadic_array)
      : fn_(fn), strict_(strict), args_(std::move(args)), types_(std::move(types)), values_(args_.size()),
        nulls_(new bool[args_.size() + 1]), vecs_(args_.size()) {
    call_.args = values_.data();
    call_.nulls = nulls_.get();
    call_.nargs = static_cast<int>(args_.size());
    call_.arg_types = types_.data();
    call_.result_type = result;
    call_.collation = collation;
    call_.typmod = typmod;
    call_.variadic_array = variadic_array;
    call_.cache = &cache_;
  }
  const Vec& eval(Frame& f, Sel sel) override {
    size_t n = args_.size();
    for (size_t i = 0; i < n; ++i) vecs_[i] = &args_[i]->eval(f, sel);
    out_.ensure(f.size);
    call_.arena = f.arena;
    call_.context = f.state->eval;
    for (int k = 0; k < sel.n; ++k) {
      int r = sel[k];
      bool any_null = false;
      for (size_t i = 0; i < n; ++i) {
        values_[i] = vecs_[i]->values[r];
        nulls_[i] = vecs_[i]->nulls[r] != 0;
        any_null |= nulls_[i];
      }
      if (strict_ && any_null) { out_.vec.nulls[r] = 1; continue; }
      call_.result_null = false;
      out_.vec.values[r] = fn_(call_);
      out_.vec.nulls[r] = call_.result_null ? 1 : 0;
    }
    return out_.vec;
  }
 private:
  ScalarFn fn_;
  bool strict_;
  std::vector<EvalPtr> args_;
  std::vector<Oid> types_;
  std::vector<Datum> values_;
  std::unique_ptr<bool[]> nulls_;
  std::vector<const Vec*> vecs_;
  std::shared_ptr<void> cache_;
  FnCall call_{};
  Buffer out_;
};

// SQL and PL/pgSQL functions, through the session.
class UserCallNode final : public EvalNode {
 public:
  UserCallNode(Oid func, bool strict, std::vector<EvalPtr> args, std::vector<Oid> types, Oid result)
      : func_(func), strict_(strict), args_(std::move(args)), types_(std::move(types)), result_(result), vecs_(args_.size()), values_(args_.size()) {}
  const Vec& eval(Frame& f, Sel sel) override {
    for (size_t i = 0; i < args_.size(); ++i) vecs_[i] = &args_[i]->eval(f, sel);
    out_.ensure(f.size);
    for (int k = 0; k < sel.n; ++k) {
      int r = sel[k];
      bool any_null = false;
      for (size_t i = 0; i < args_.size(); ++i) {
        values_[i] = {vecs_[i]->values[r], vecs_[i]->nulls[r] != 0};
        any_null |= values_[i].is_null;
      }
      NullableDatum v;
      if (!(strict_ && any_null)) v = f.state->ctx->call_function(func_, values_, types_, result_, *f.arena);
      out_.vec.values[r] = v.value;
      out_.vec.nulls[r] = v.is_null ? 1 : 0;
    }
    return out_.vec;
  }
 private:
  Oid func_;
  bool strict_;
  std::vector<EvalPtr> args_;
  std::vector<Oid> types_;
  Oid result_;
  std::vector<const Vec*> vecs_;
  std::vector<NullableDatum> values_;
  Buffer out_;
};

// AND and OR stop at the first deciding argument, row by row.
class BoolListNode final : public EvalNode {
 public:
  BoolListNode(bool is_and, std::vector<EvalPtr> args) : and_(is_and), args_(std::move(args)) {}
  const Vec& eval(Frame& f, Sel sel) override {
    out_.ensure(f.size);
    rest_.resize(f.size);
    Vec& out = out_.vec;
    for (int k = 0; k < sel.n; ++k) {
      int r = sel[k];
      out.values[r] = Datum::from_bool(and_);
      out.nulls[r] = 0;
      rest_[k] = r;
    }
    int n = sel.n;
    for (auto& a : args_) {
      if (n == 0) break;
      const Vec& v = a->eval(f, Sel{rest_.data(), n});
      int kept = 0;
      for (int k = 0; k < n; ++k) {
        int r = rest_[k];
        if (v.nulls[r]) { out.nulls[r] = 1; rest_[kept++] = r; continue; }
        if (v.values[r].as_bool() != and_) { out.values[r] = Datum::from_bool(!and_); out.nulls[r] = 0; continue; }
        rest_[kept++] = r;
      }
      n = kept;
    }
    return out;
  }
  int filter(Frame& f, Sel in, int* out) override {
    if (!and_) return EvalNode::filter(f, in, out);
    int n = args_[0]->filter(f, in, out);
    for (size_t i = 1; i < args_.size() && n > 0; ++i) n = args_[i]->filter(f, Sel{out, n}, out);
    return n;
  }
 private:
  bool and_;
  std::vector<EvalPtr> args_;
  std::vector<int> rest_;
  Buffer out_;
};

class CaseNode final : public EvalNode {
 public:
  EvalPtr arg;
  std::vector<std::pair<EvalPtr, EvalPtr>> when;
  EvalPtr otherwise;
  const Vec* value = nullptr;   // of arg, for the CaseTest placeholders
  const Vec& eval(Frame& f, Sel sel) override {
    out_.ensure(f.size);
    if (arg) value = &arg->eval(f, sel);
    rest_.resize(f.size);
    hit_.resize(f.size);
    for (int k = 0; k < sel.n; ++k) rest_[k] = sel[k];
    int n = sel.n;
    for (auto& [condition, result] : when) {
      if (n == 0) break;
      int hits = condition->filter(f, Sel{rest_.data(), n}, hit_.data());
      if (hits == 0) continue;
      copy(result->eval(f, Sel{hit_.data(), hits}), hit_.data(), hits);
      int kept = 0;
      for (int k = 0, h = 0; k < n; ++k) {
        if (h < hits && hit_[h] == rest_[k]) { ++h; continue; }
        rest_[kept++] = rest_[k];
      }
      n = kept;
    }
    if (n > 0) {
      if (otherwise) copy(otherwise->eval(f, Sel{rest_.data(), n}), rest_.data(), n);
      else for (int k = 0; k < n; ++k) out_.vec.nulls[rest_[k]] = 1;
    }
    return out_.vec;
  }
 private:
  void copy(const Vec& v, const int* rows, int n) {
    for (int k = 0; k < n; ++k) {
      out_.vec.values[rows[k]] = v.values[rows[k]];
      out_.vec.nulls[rows[k]] = v.nulls[rows[k]];
    }
  }
  std::vector<int> rest_, hit_;
  Buffer out_;
};

class CoalesceNode final : public EvalNode {
 public:
  explicit CoalesceNode(std::vector<EvalPtr> args) : args_(std::move(args)) {}
  const Vec& eval(Frame& f, Sel sel) override {
    out_.ensure(f.size);
    rest_.resize(f.size);
    for (int k = 0; k < sel.n; ++k) { rest_[k] = sel[k]; out_.vec.nulls[sel[k]] = 1; }
    int n = sel.n;
    for (auto& a : args_) {
      if (n == 0) break;
      const Vec& v = a->eval(f, Sel{rest_.data(), n});
      int kept = 0;
      for (int k = 0; k < n; ++k) {
        int r = rest_[k];
        if (v.nulls[r]) { rest_[kept++] = r; continue; }
        out_.vec.values[r] = v.values[r];
        out_.vec.nulls[r] = 0;
      }
      n = kept;
    }
    return out_.vec;
  }
 private:
  std::vector<EvalPtr> args_;
  std::vector<int> rest_;
  Buffer out_;
};

std::vector<EvalPtr> compile_all(const std::vector<ExprPtr>& list, CompileEnv& env) {
  std::vector<EvalPtr> out;
  out.reserve(list.size());
  for (auto& e : list) out.push_back(compile(e, env));
  return out;
}
std::vector<Oid> types_of(const std::vector<ExprPtr>& list) {
  std::vector<Oid> out;
  for (auto& e : list) out.push_back(e->type);
  return out;
}

EvalPtr compile_distinct(const OpExpr& e, CompileEnv& env, bool null_if) {
  // Equality through the operator's function, with NULLs handled here.
  auto left = std::make_shared<const Vec*>(nullptr);
  auto right = std::make_shared<const Vec*>(nullptr);
  struct Holder final : EvalNode {
    std::shared_ptr<const Vec*> cell;
    const Vec& eval(Frame&, Sel) override { return **cell; }
  };
  struct Node final : EvalNode {
    EvalPtr a, b, equality;
    std::shared_ptr<const Vec*> left, right;
    bool null_if;
    std::vector<int> both;
    Buffer out;
    const Vec& eval(Frame& f, Sel sel) override {
      const Vec& x = a->eval(f, sel);
      const Vec& y = b->eval(f, sel);
      *left = &x;
      *right = &y;
      out.ensure(f.size);
      both.clear();
      for (int k = 0; k < sel.n; ++k) {
        int r = sel[k];
        if (!x.nulls[r] && !y.nulls[r]) { both.push_back(r); continue; }
        if (null_if) { out.vec.values[r] = x.values[r]; out.vec.nulls[r] = x.nulls[r]; }
        else { out.vec.values[r] = Datum::from_bool(x.nulls[r] != y.nulls[r]); out.vec.nulls[r] = 0; }
      }
      if (!both.empty()) {
        const Vec& eq = equality->eval(f, Sel{both.data(), static_cast<int>(both.size())});
        for (int r : both) {
          bool same = !eq.nulls[r] && eq.values[r].as_bool();
          if (null_if) { out.vec.values[r] = x.values[r]; out.vec.nulls[r] = same ? 1 : 0; }
          else { out.vec.values[r] = Datum::from_bool(!same); out.vec.nulls[r] = 0; }
        }
      }
      return out.vec;
    }
  };
  auto node = std::make_unique<Node>();
  node->a = compile(e.args[0], env);
  node->b = compile(e.args[1], env);
  node->left = left;
  node->right = right;
  node->null_if = null_if;
  std::vector<EvalPtr> args;
  auto h1 = std::make_unique<Holder>(), h2 = std::make_unique<Holder>();
  h1->cell = left;
  h2->cell = right;
  args.push_back(std::move(h1));
  args.push_back(std::move(h2));
  node->equality = compile_call(e.func, std::move(args), types_of(e.args), oid::kBool, e.input_collation, -1, env);
  return node;
}

EvalPtr compile_min_max(const ListExpr& e, CompileEnv& env) {
  TypeInfo t = type_info(e.type, *env.state->ctx);
  if (t.ops->compare == nullptr) throw Error(ErrorCode::kUndefinedFunction, "could not identify a comparison function for type");
  return row_wise(compile_all(e.args, env), [cmp = t.ops->compare, greatest = e.greatest, collation = e.input_collation](Frame&, std::span<const Vec* const> in, int r) {
    NullableDatum best;
    for (const Vec* v : in) {
      if (v->nulls[r]) continue;
      if (!best.is_null) {
        int c = cmp(v->values[r], best.value, collation);
        if (greatest ? c <= 0 : c >= 0) continue;
      }
      best = {v->values[r], false};
    }
    return best;
  });
}

EvalPtr compile_boolean_test(const BooleanTestExpr& e, CompileEnv& env) {
  return row_wise(inputs_of(compile(e.arg, env)), [test = e.test](Frame&, std::span<const Vec* const> in, int r) {
    bool null = in[0]->nulls[r] != 0, v = !null && in[0]->values[r].as_bool();
    bool out = false;
    switch (test) {
      case BoolTest::kIsTrue: out = v; break;
      case BoolTest::kIsNotTrue: out = !v; break;
      case BoolTest::kIsFalse: out = !null && !v; break;
      case BoolTest::kIsNotFalse: out = null || v; break;
      case BoolTest::kIsUnknown: out = null; break;
      case BoolTest::kIsNotUnknown: out = !null; break;
    }
    return NullableDatum{Datum::from_bool(out), false};
  });
}
}  // namespace

EvalPtr make_slot_node(int slot, Oid type) {
  auto node = std::make_unique<SlotNode>(slot);
  node->type = type;
  return node;
}

EvalPtr compile_call(Oid func, std::vector<EvalPtr> args, std::vector<Oid> arg_types, Oid result, Oid collation, int32_t typmod, CompileEnv& env,
                     bool variadic_array) {
  FunctionInfo info = function_info(func, *env.state->ctx);
  if (!info.source.empty()) {
    if (args.size() == 2) {
      if (ArenaKernel k = find_arena_kernel(info.source)) return std::make_unique<ArenaKernelNode>(k, std::move(args[0]), std::move(args[1]));
      // Text kernels compare bytes.
      if (BinaryKernel k = collation < oid::kFirstUserOid || collation_is_deterministic(collation) ? find_binary_kernel(info.source) : nullptr) return std::make_unique<BinaryKernelNode>(k, std::move(args[0]), std::move(args[1]));
    } else if (args.size() == 1) {
      if (UnaryKernel k = find_unary_kernel(info.source)) return std::make_unique<UnaryKernelNode>(k, std::move(args[0]));
    }
  }
  if (info.native != nullptr)
    return std::make_unique<CallNode>(info.native, info.strict, std::move(args), std::move(arg_types), result, collation, typmod, variadic_array);
  if (env.state->ctx->call_function && (info.source.empty() || info.source.starts_with("sql:")))
    return std::make_unique<UserCallNode>(func, info.strict, std::move(args), std::move(arg_types), result);
  throw_no_native(info);
}

EvalPtr compile_node(const ExprPtr& e, CompileEnv& env) {
  switch (e->kind) {
    case ExprKind::kConst: {
      auto& c = static_cast<const ConstExpr&>(*e);
      return std::make_unique<ConstNode>(c.value, c.is_null, e);
    }
    case ExprKind::kVar: {
      auto& v = static_cast<const VarExpr&>(*e);
      throw Error(ErrorCode::kInternalError, fmt::format("column {}.{} is not available at this point of the plan", v.relation, v.column));
    }
    case ExprKind::kParam: {
      auto& p = static_cast<const ParamExpr&>(*e);
      if (p.param_kind == ParamKind::kExec) {
        if (p.id >= kExecParamBase) return std::make_unique<ExecParamNode>(static_cast<size_t>(p.id - kExecParamBase));
        if (env.sublink_columns == nullptr) throw Error(ErrorCode::kInternalError, "subquery column outside of its test");
        return std::make_unique<PlaceholderNode>(env.sublink_columns + (p.id - 1));
      }
      auto params = env.state->ctx->params;
      if (p.id < 1 || p.id > static_cast<int>(params.size())) throw Error(ErrorCode::kUndefinedParameter, fmt::format("no value found for parameter {}", p.id));
      return std::make_unique<ConstNode>(params[p.id - 1].value, params[p.id - 1].is_null, nullptr);
    }
    case ExprKind::kFunc: {
      auto& f = static_cast<const FuncExpr&>(*e);
      return compile_call(f.func, compile_all(f.args, env), types_of(f.args), f.type, f.input_collation, f.typmod, env, f.variadic);
    }
    case ExprKind::kOp: {
      auto& o = static_cast<const OpExpr&>(*e);
      return compile_call(o.func, compile_all(o.args, env), types_of(o.args), o.type, o.input_collation, -1, env);
    }
    case ExprKind::kDistinct: return compile_distinct(static_cast<const OpExpr&>(*e), env, false);
    case ExprKind::kNullIf: return compile_distinct(static_cast<const OpExpr&>(*e), env, true);
    case ExprKind::kScalarArrayOp: return compile_scalar_array(static_cast<const ScalarArrayOpExpr&>(*e), env);
    case ExprKind::kBool: {
      auto& b = static_cast<const BoolExpr&>(*e);
      if (b.op == BoolOp::kNot) return std::make_unique<UnaryKernelNode>(find_unary_kernel("boolnot"), compile(b.args[0], env));
      return std::make_unique<BoolListNode>(b.op == BoolOp::kAnd, compile_all(b.args, env));
    }
    case ExprKind::kCase: {
      auto& c = static_cast<const CaseExpr&>(*e);
      auto node = std::make_unique<CaseNode>();
      CompileEnv inner = env;
      if (c.arg) {
        node->arg = compile(c.arg, env);
        inner.case_value = &node->value;
      }
      for (auto& [condition, result] : c.when) {
        EvalPtr x = compile(condition, inner);
        node->when.emplace_back(std::move(x), compile(result, env));
      }
      if (c.otherwise) node->otherwise = compile(c.otherwise, env);
      return node;
    }
    case ExprKind::kCaseTest:
      if (env.case_value == nullptr) throw Error(ErrorCode::kInternalError, "CASE placeholder outside of CASE");
      return std::make_unique<PlaceholderNode>(env.case_value);
    case ExprKind::kDomainValue:
      if (env.domain_value == nullptr) throw Error(ErrorCode::kInternalError, "VALUE outside of a domain constraint");
      return std::make_unique<PlaceholderNode>(env.domain_value);
    case ExprKind::kCoalesce: return std::make_unique<CoalesceNode>(compile_all(static_cast<const ListExpr&>(*e).args, env));
    case ExprKind::kMinMax: return compile_min_max(static_cast<const ListExpr&>(*e), env);
    case ExprKind::kArray: return compile_array(static_cast<const ListExpr&>(*e), env);
    case ExprKind::kRow: return compile_row(static_cast<const ListExpr&>(*e), env);
    case ExprKind::kRowCompare: return compile_row_compare(static_cast<const RowCompareExpr&>(*e), env);
    case ExprKind::kNullTest: return compile_null_test(static_cast<const NullTestExpr&>(*e), env);
    case ExprKind::kBooleanTest: return compile_boolean_test(static_cast<const BooleanTestExpr&>(*e), env);
    case ExprKind::kRelabel: case ExprKind::kCollate: case ExprKind::kNamedArg: return compile(static_cast<const UnaryExpr&>(*e).arg, env);
    case ExprKind::kCoerceViaIo: return compile_io_coerce(static_cast<const UnaryExpr&>(*e), env);
    case ExprKind::kArrayCoerce: return compile_array_coerce(static_cast<const UnaryExpr&>(*e), env);
    case ExprKind::kConvertRowType: return compile_convert_row(static_cast<const UnaryExpr&>(*e), env);
    case ExprKind::kCoerceToDomain: return compile_domain(static_cast<const UnaryExpr&>(*e), env);
    case ExprKind::kFieldSelect: return compile_field_select(static_cast<const FieldSelectExpr&>(*e), env);
    case ExprKind::kFieldStore: return compile_field_store(static_cast<const FieldStoreExpr&>(*e), env);
    case ExprKind::kSubscript: return compile_subscript(static_cast<const SubscriptExpr&>(*e), env);
    case ExprKind::kSqlValue: return compile_sql_value(static_cast<const SqlValueExpr&>(*e), env);
    case ExprKind::kSubPlan: return compile_subplan(static_cast<const SubPlanExpr&>(*e), env);
    case ExprKind::kAggregate: throw Error(ErrorCode::kGroupingError, "aggregate function calls are not allowed here");
    case ExprKind::kWindow: throw Error(ErrorCode::kWindowingError, "window function calls are not allowed here");
    case ExprKind::kGrouping: throw Error(ErrorCode::kGroupingError, "arguments to GROUPING must be grouping expressions of the associated query level");
    case ExprKind::kSetToDefault: throw Error(ErrorCode::kSyntaxError, "DEFAULT is not allowed in this context");
    case ExprKind::kSubLink: throw Error(ErrorCode::kFeatureNotSupported, "cannot use subquery in this context");
    case ExprKind::kCurrentOf: {
      // Where the cursor stands when the statement starts.
      auto& c = static_cast<const CurrentOfExpr&>(*e);
      if (!env.state->ctx->cursor_position) throw Error(ErrorCode::kFeatureNotSupported, "WHERE CURRENT OF is not supported for this table type");
      auto held = std::make_shared<ConstExpr>();
      held->type = oid::kTid;
      held->owned = std::shared_ptr<char[]>(new char[sizeof(Varlena) + 8]);
      const std::string tid = env.state->ctx->cursor_position(c.cursor, static_cast<Oid>(c.relation));
      auto* v = reinterpret_cast<Varlena*>(held->owned.get());
      v->size = 6;
      v->reserved = 0;
      std::memcpy(v->data, tid.data(), 6);
      held->value = Datum::from_varlena(v);
      return std::make_unique<ConstNode>(held->value, false, held);
    }
  }
  throw Error(ErrorCode::kInternalError, "unknown expression node");
}

}  // namespace stele::query

// SubPlanExpr: subqueries inside expressions.
#include "base/error.h"
#include "query/exec/cte.h"
#include "query/exec/operator.h"
#include "query/rewrite.h"
#include "types/array.h"
#include "types/hash.h"
#include "types/oids.h"

namespace stele::query {

namespace {
class SubPlanNode final : public EvalNode {
 public:
  SubPlanNode(const SubPlanExpr& e, CompileEnv& env) : e_(e), state_(*env.state) {
    const PlanNode& plan = *state_.plan->subplans[static_cast<size_t>(e.plan)];
    plan_ = &plan;
    for (auto& [id, x] : e.args) {
      arg_ids_.push_back(id - kExecParamBase);
      args_.push_back(compile(x, env));
      arg_types_.push_back(type_info(x->type, *state_.ctx));
    }
    for (auto& x : plan.layout) column_types_.push_back(type_info(x->type, *state_.ctx));
    if (e.test) {
      cells_.resize(std::max<size_t>(plan.layout.size(), 1));
      vecs_.resize(cells_.size());
      inner_values_.resize(cells_.size());
      inner_nulls_.resize(cells_.size());
      for (size_t i = 0; i < cells_.size(); ++i) {
        vecs_[i] = {&inner_values_[i], &inner_nulls_[i]};
        cells_[i] = &vecs_[i];
      }
      if (e.hashed) {
        std::vector<ExprPtr> parts;
        split(e.test, parts);
        CompileEnv inner = env;
        inner.sublink_columns = cells_.data();
        for (auto& p : parts) {
          auto& o = static_cast<const OpExpr&>(*p);
          left_.push_back(compile(o.args[0], env));
          right_.push_back(compile(o.args[1], inner));
          key_types_.push_back(type_info(o.args[0]->type, *state_.ctx));
          collations_.push_back(o.input_collation);
        }
      } else {
        test_env_ = env;
        // The outer side is evaluated over the outer batch, one row at a time.
        test_env_.sublink_columns = row_cells();
        test_ = compile(e.test, test_env_);
      }
    }
    result_ = type_info(e.type, *state_.ctx);
  }

  const Vec& eval(Frame& f, Sel sel) override {
    out_.ensure(f.size);
    if (e_.cacheable && e_.link != SubLinkKind::kAny && e_.link != SubLinkKind::kAll && !(e_.link == SubLinkKind::kRowCompare)) {
      if (!cached_ && sel.n > 0) {
        cache_ = run_scalar(f, sel[0]);
        if (!cache_.is_null) cache_.value = copy_value(result_, cache_.value, cache_arena_);
        cached_ = true;
      }
      for (int k = 0; k < sel.n; ++k) put(sel[k], cache_);
      return out_.vec;
    }
    if (e_.hashed) {
      if (!table_built_ && sel.n > 0) build_table();
      for (auto& l : left_) l->eval(f, sel);
      std::vector<const Vec*> lefts;
      for (auto& l : left_) lefts.push_back(&l->eval(f, sel));
      for (int k = 0; k < sel.n; ++k) put(sel[k], probe(lefts, sel[k]));
      return out_.vec;
    }
    for (int k = 0; k < sel.n; ++k) {
      int r = sel[k];
      int one = r;
      for (size_t i = 0; i < args_.size(); ++i) {
        const Vec& v = args_[i]->eval(f, Sel{&one, 1});
        state_.params[static_cast<size_t>(arg_ids_[i])] = {v.values[r], v.nulls[r] != 0};
      }
      NullableDatum v = e_.test ? run_test(f, r) : run_scalar_memo(f, r);
      put(r, v);
    }
    return out_.vec;
  }

 private:
  static void split(const ExprPtr& e, std::vector<ExprPtr>& out) {
    if (e->kind == ExprKind::kBool && static_cast<const BoolExpr&>(*e).op == BoolOp::kAnd) {
      for (auto& a : static_cast<const BoolExpr&>(*e).args) split(a, out);
      return;
    }
    out.push_back(e);
  }
  void put(int r, NullableDatum v) {
    out_.vec.values[r] = v.value;
    out_.vec.nulls[r] = v.is_null ? 1 : 0;
  }
  Operator& op() {
    if (!op_) op_ = make_operator(*plan_, state_);
    return *op_;
  }
  // The subquery's columns as seen by the test at row r: positional, so placed at index r.
  const Vec* const* row_cells() { return row_cell_ptrs(); }
  const Vec* const* row_cell_ptrs() {
    if (row_cells_.empty()) {
      size_t n = std::max<size_t>(plan_->layout.size(), 1);
      row_buffers_.resize(n);
      row_cells_.resize(n);
      for (size_t i = 0; i < n; ++i) row_cells_[i] = &row_buffers_[i].vec;
    }
    return row_cells_.data();
  }

  // A correlated scalar subquery asked again with the same arguments answers from memory.
  NullableDatum run_scalar_memo(Frame& f, int r) {
    bool hashable = !args_.empty() && !memo_off_ && std::all_of(arg_types_.begin(), arg_types_.end(), [](auto& t) { return t.ops->hash != nullptr && t.ops->equal != nullptr; });
    if (!hashable || !memo_allowed()) return run_scalar(f, r);
    uint64_t h = 0;
    for (size_t i = 0; i < args_.size(); ++i) {
      auto& p = state_.params[static_cast<size_t>(arg_ids_[i])];
      h = mix64(h * 31 + (p.is_null ? 1 : arg_types_[i].ops->hash(p.value, 0)));
    }
    auto [a, b] = memo_.equal_range(h);
    for (auto it = a; it != b; ++it) {
      bool same = true;
      for (size_t i = 0; i < args_.size() && same; ++i) {
        auto& p = state_.params[static_cast<size_t>(arg_ids_[i])];
        auto& q = it->second.args[i];
        same = p.is_null == q.is_null && (p.is_null || (arg_types_[i].ops->equal(p.value, q.value, 0) && (arg_types_[i].by_value || p.value.as_view() == q.value.as_view())));
      }
      if (same) { ++hits_; return it->second.result; }
    }
    NullableDatum v = run_scalar(f, r);
    if (++misses_ > 4096 && hits_ * 8 < misses_) { memo_off_ = true; memo_.clear(); return v; }
    if (memo_arena_.bytes() > state_.work_mem()) { memo_.clear(); memo_arena_.reset(); }
    Memo m;
    for (size_t i = 0; i < args_.size(); ++i) {
      auto p = state_.params[static_cast<size_t>(arg_ids_[i])];
      if (!p.is_null) p.value = copy_value(arg_types_[i], p.value, memo_arena_);
      m.args.push_back(p);
    }
    m.result = v;
    if (!v.is_null) m.result.value = copy_value(result_, v.value, memo_arena_);
    memo_.emplace(h, m);
    return m.result;
  }
  bool memo_allowed() {
    if (!memo_checked_) {
      memo_checked_ = true;
      // Other outer parameters or volatile functions inside would make answers differ.
      std::set<int> own;
      for (int id : arg_ids_) own.insert(id);
      memo_ok_ = true;
      std::function<void(const PlanNode&)> check = [&](const PlanNode& n) {
        for (auto& [id, x] : n.nest_params) own.insert(id - kExecParamBase);
        for (auto& [id, x] : n.lateral_params) own.insert(id - kExecParamBase);
        if (n.type == NodeType::kModifyTable || n.type == NodeType::kCteScan || n.type == NodeType::kWorkTableScan) memo_ok_ = false;
        for (auto& c : n.children) check(*c);
      };
      check(*plan_);
      std::function<void(const PlanNode&)> exprs = [&](const PlanNode& n) {
        auto look = [&](const ExprPtr& e) {
          walk(e, [&](const Expr& x, int) {
            if (x.kind == ExprKind::kParam && static_cast<const ParamExpr&>(x).param_kind == ParamKind::kExec && static_cast<const ParamExpr&>(x).id >= kExecParamBase &&
                !own.contains(static_cast<const ParamExpr&>(x).id - kExecParamBase)) memo_ok_ = false;
            if (x.kind == ExprKind::kFunc && function_info(static_cast<const FuncExpr&>(x).func, *state_.ctx).volatility == 'v') memo_ok_ = false;
            if (x.kind == ExprKind::kSubPlan) memo_ok_ = memo_ok_ && static_cast<const SubPlanExpr&>(x).cacheable;
            return false;
          });
        };
        for (auto* l : {&n.quals, &n.join_quals, &n.set_targets, &n.group_keys, &n.aggregates, &n.one_time}) for (auto& e : *l) look(e);
        for (auto& c : n.conds) if (c.value) look(c.value);
        for (auto& fn : n.functions) look(fn.call);
        for (auto& row : n.values) for (auto& e : row) look(e);
        if (n.limit_count) look(n.limit_count);
        for (auto& c : n.children) exprs(*c);
      };
      exprs(*plan_);
    }
    return memo_ok_;
  }

  NullableDatum run_scalar(Frame& f, int) {
    Operator& o = op();
    reset_ctes(state_, e_.ctes);
    o.rescan();
    switch (e_.link) {
      case SubLinkKind::kExists: return {Datum::from_bool(o.next(batch_, 1)), false};
      case SubLinkKind::kArray: {
        ElementInfo info = element_info(result_.element != 0 ? result_.element : column_types_[0].type, state_.eval);
        scratch_.reset();
        TypeInfo col = column_types_[0];
        if (col.element != 0) {   // ARRAY(SELECT array): one more dimension
          std::vector<Datum> items;
          while (o.next(batch_, kBatchRows)) for (int i = 0; i < batch_.size; ++i) if (!batch_.columns[0].nulls[i]) items.push_back(copy_value(col, batch_.columns[0].values[i], scratch_));
          if (items.empty()) return {make_empty_array(info, *f.arena), false};
          ArrayBuilder b(element_info(col.element, state_.eval));
          std::vector<int> lengths = ArrayView(items[0]).lengths(), lowers = ArrayView(items[0]).lowers();
          for (Datum d : items) {
            ArrayView v(d);
            if (v.lengths() != lengths) throw Error(ErrorCode::kArraySubscriptError, "cannot accumulate arrays of different dimensionality");
            for (int i = 0; i < v.count(); ++i) b.add(v.at(i));
          }
          lengths.insert(lengths.begin(), static_cast<int>(items.size()));
          lowers.insert(lowers.begin(), 1);
          return {b.finish(*f.arena, lengths, lowers), false};
        }
        ArrayBuilder b(info);
        while (o.next(batch_, kBatchRows))
          for (int i = 0; i < batch_.size; ++i) {
            if (batch_.columns[0].nulls[i]) b.add_null();
            else b.add(copy_value(col, batch_.columns[0].values[i], scratch_));
          }
        return {b.finish(*f.arena), false};
      }
      default: {
        if (!o.next(batch_, 2)) return {};
        size_t c = e_.multi_column > 0 ? static_cast<size_t>(e_.multi_column - 1) : 0;
        bool many = batch_.size > 1;
        NullableDatum v{batch_.columns[c].values[0], batch_.columns[c].nulls[0] != 0};
        if (!v.is_null) v.value = copy_value(column_types_[c], v.value, *f.arena);
        if (!many) many = o.next(batch_, 1);
        if (many) throw Error(ErrorCode::kCardinalityViolation, "more than one row returned by a subquery used as an expression");
        return v;
      }
    }
  }
  // ANY, ALL and row comparisons, tested row by row.
  NullableDatum run_test(Frame& f, int r) {
    Operator& o = op();
    reset_ctes(state_, e_.ctes);
    o.rescan();
    bool any_null = false;
    int rows = 0;
    int one = r;
    bool all = e_.link == SubLinkKind::kAll, compare = e_.link == SubLinkKind::kRowCompare;
    while (o.next(batch_, compare ? 2 : kBatchRows)) {
      for (int i = 0; i < batch_.size; ++i) {
        if (compare && ++rows > 1) throw Error(ErrorCode::kCardinalityViolation, "more than one row returned by a subquery used as an expression");
        for (size_t c = 0; c < batch_.columns.size(); ++c) {
          row_buffers_[c].ensure(f.size);
          row_buffers_[c].vec.values[r] = batch_.columns[c].values[i];
          row_buffers_[c].vec.nulls[r] = batch_.columns[c].nulls[i];
        }
        const Vec& v = test_->eval(f, Sel{&one, 1});
        if (compare) { compare_result_ = {v.values[r], v.nulls[r] != 0}; continue; }
        if (v.nulls[r]) { any_null = true; continue; }
        if (v.values[r].as_bool() != all) return {Datum::from_bool(!all), false};
      }
    }
    if (compare) return rows == 0 ? NullableDatum{} : compare_result_;
    if (any_null) return {};
    return {Datum::from_bool(all), false};
  }

  void build_table() {
    table_built_ = true;
    Operator& o = op();
    reset_ctes(state_, e_.ctes);
    o.rescan();
    Arena scratch;
    while (o.next(batch_, kBatchRows)) {
      scratch.reset();
      for (int i = 0; i < batch_.size; ++i) {
        for (size_t c = 0; c < batch_.columns.size(); ++c) {
          inner_values_[c] = batch_.columns[c].values[i];
          inner_nulls_[c] = batch_.columns[c].nulls[i];
        }
        Frame one{nullptr, 1, &scratch, &state_};
        Entry e;
        bool null = false;
        uint64_t h = 0;
        for (size_t k = 0; k < right_.size(); ++k) {
          const Vec& v = right_[k]->eval(one, Sel{nullptr, 1});
          if (v.nulls[0]) { null = true; e.keys.push_back({}); continue; }
          Datum d = copy_value(key_types_[k], v.values[0], table_arena_);
          e.keys.push_back({d, false});
          h = mix64(h * 31 + key_types_[k].ops->hash(d, collations_[k]));
        }
        if (null) with_nulls_.push_back(std::move(e));
        else table_.emplace(h, std::move(e));
      }
    }
  }
  NullableDatum probe(const std::vector<const Vec*>& lefts, int r) {
    if (table_.empty() && with_nulls_.empty()) return {Datum::from_bool(false), false};
    bool left_null = false;
    uint64_t h = 0;
    for (size_t k = 0; k < lefts.size(); ++k) {
      if (lefts[k]->nulls[r]) { left_null = true; continue; }
      h = mix64(h * 31 + key_types_[k].ops->hash(lefts[k]->values[r], collations_[k]));
    }
    auto maybe = [&](const Entry& e) {   // equal wherever both are known
      for (size_t k = 0; k < lefts.size(); ++k)
        if (!lefts[k]->nulls[r] && !e.keys[k].is_null && !key_types_[k].ops->equal(lefts[k]->values[r], e.keys[k].value, collations_[k])) return false;
      return true;
    };
    if (!left_null) {
      auto [a, b] = table_.equal_range(h);
      for (auto it = a; it != b; ++it) if (maybe(it->second)) return {Datum::from_bool(true), false};
      for (auto& e : with_nulls_) if (maybe(e)) return {};
      return {Datum::from_bool(false), false};
    }
    for (auto& e : with_nulls_) if (maybe(e)) return {};
    for (auto& [x, e] : table_) if (maybe(e)) return {};
    return {Datum::from_bool(false), false};
  }

  struct Entry { std::vector<NullableDatum> keys; };
  struct Memo { std::vector<NullableDatum> args; NullableDatum result; };
  const SubPlanExpr e_;
  ExecState& state_;
  const PlanNode* plan_;
  OperatorPtr op_;
  std::vector<int> arg_ids_;
  std::vector<EvalPtr> args_;
  std::vector<TypeInfo> arg_types_, column_types_, key_types_;
  std::vector<Oid> collations_;
  TypeInfo result_;
  // The test's inputs.
  std::vector<const Vec*> cells_, row_cells_;
  std::vector<Vec> vecs_;
  std::vector<Datum> inner_values_;
  std::vector<uint8_t> inner_nulls_;
  std::vector<Buffer> row_buffers_;
  CompileEnv test_env_;
  EvalPtr test_;
  std::vector<EvalPtr> left_, right_;
  std::unordered_multimap<uint64_t, Entry> table_;
  std::vector<Entry> with_nulls_;
  std::unordered_multimap<uint64_t, Memo> memo_;
  Arena table_arena_, memo_arena_, cache_arena_, scratch_;
  uint64_t hits_ = 0, misses_ = 0;
  bool table_built_ = false, memo_off_ = false, memo_checked_ = false, memo_ok_ = false;
  Batch batch_;
  Buffer out_;
  NullableDatum cache_, compare_result_;
  bool cached_ = false;
};
}  // namespace

EvalPtr compile_subplan(const SubPlanExpr& e, CompileEnv& env) {
  if (env.state->plan == nullptr) throw Error(ErrorCode::kFeatureNotSupported, "cannot use subquery in this context");
  return std::make_unique<SubPlanNode>(e, env);
}

}  // namespace stele::query

// Row sources that are not tables: subqueries, functions, VALUES, WITH queries, set-returning targets.
#include "base/error.h"
#include "query/exec/cte.h"
#include "query/exec/operator.h"
#include "query/exec/set_function.h"
#include "query/rewrite.h"
#include "types/builtin.h"
#include "types/oids.h"
#include "types/record.h"

namespace stele::query {

namespace {
std::vector<ExprPtr> with_qual_vars(const PlanNode& n) {
  std::vector<ExprPtr> layout = n.layout;
  for (auto& q : n.quals)
    walk(q, [&](const Expr& e, int) {
      if (e.kind == ExprKind::kVar && static_cast<const VarExpr&>(e).relation == n.rti &&
          std::none_of(layout.begin(), layout.end(), [&](auto& x) { return static_cast<const VarExpr&>(*x).column == static_cast<const VarExpr&>(e).column; }))
        layout.push_back(std::make_shared<VarExpr>(static_cast<const VarExpr&>(e)));
      return false;
    });
  return layout;
}
int column_of(const ExprPtr& e) { return static_cast<const VarExpr&>(*e).column; }

class SubqueryScan final : public Operator {
 public:
  SubqueryScan(const PlanNode& n, ExecState& s) : Operator(n, s), child_(make_operator(*n.children[0], s)), raw_(with_qual_vars(n)) {
    Layout l(n.children[0]->layout);
    for (auto& e : raw_) {
      int c = column_of(e);
      slots_.push_back(c >= 1 ? l.find(n.sub_columns[c - 1]) : -1);
      if (c >= 1 && slots_.back() < 0) throw Error(ErrorCode::kInternalError, "subquery column is not in its plan");
    }
    filter_.compile(n.quals, raw_, s);
    if (s.stats != nullptr) stats_ = &(*s.stats)[&n];
  }
  void rescan() override {
    reset_ctes(state, node.own_ctes);
    child_->rescan();
  }
  bool next(Batch& out, int max) override {
    while (child_->next(in_, max)) {
      out.size = in_.size;
      out.columns.resize(slots_.size());
      for (size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i] >= 0) { out.columns[i] = in_.columns[slots_[i]]; continue; }
        // Row identities of subqueries mean nothing.
        zero_.ensure(in_.size);
        std::fill_n(zero_.vec.values, in_.size, Datum{});
        std::fill_n(zero_.vec.nulls, in_.size, 0);
        out.columns[i] = zero_.vec;
      }
      arena_.reset();
      filter_.apply(out, node.layout.size(), arena_, state, stats_);
      if (out.size > 0) return true;
    }
    return false;
  }
 private:
  OperatorPtr child_;
  std::vector<ExprPtr> raw_;
  std::vector<int> slots_;
  BatchFilter filter_;
  Batch in_;
  Arena arena_;
  Buffer zero_;
  NodeStats* stats_ = nullptr;
};

class ValuesScan final : public Operator {
 public:
  ValuesScan(const PlanNode& n, ExecState& s) : Operator(n, s), raw_(with_qual_vars(n)) {
    filter_.compile(n.quals, raw_, s);
    if (s.stats != nullptr) stats_ = &(*s.stats)[&n];
    env_.state = &s;
    env_.layout = &none_;
  }
  void rescan() override { at_ = 0; }
  bool next(Batch& out, int max) override {
    while (at_ < node.values.size()) {
      int n = static_cast<int>(std::min<size_t>(static_cast<size_t>(max), node.values.size() - at_));
      arena_.reset();
      buffers_.ensure(raw_.size(), n);
      Frame f{nullptr, 1, &arena_, &state};
      for (int i = 0; i < n; ++i, ++at_)
        for (size_t c = 0; c < raw_.size(); ++c) {
          const ExprPtr& e = node.values[at_][column_of(raw_[c]) - 1];
          if (e->kind == ExprKind::kConst) {
            auto& k = static_cast<const ConstExpr&>(*e);
            buffers_[c].values[i] = k.value;
            buffers_[c].nulls[i] = k.is_null ? 1 : 0;
            continue;
          }
          EvalPtr compiled = compile(e, env_);
          const Vec& v = compiled->eval(f, Sel{nullptr, 1});
          buffers_[c].values[i] = v.values[0];
          buffers_[c].nulls[i] = v.nulls[0];
        }
      buffers_.expose(out, raw_.size(), n);
      filter_.apply(out, node.layout.size(), arena_, state, stats_);
      if (out.size > 0) return true;
    }
    return false;
  }
 private:
  std::vector<ExprPtr> raw_;
  BatchFilter filter_;
  OutputBatch buffers_;
  CompileEnv env_;
  Layout none_;
  Arena arena_;
  NodeStats* stats_ = nullptr;
  size_t at_ = 0;
};

// ROWS FROM (f(...), ...) WITH ORDINALITY: the functions run side by side.
class FunctionScan final : public Operator {
 public:
  FunctionScan(const PlanNode& n, ExecState& s) : Operator(n, s), raw_(with_qual_vars(n)) {
    int column = 0;
    for (auto& f : n.functions) {
      calls_.push_back(std::make_unique<SetCall>(f, Layout{}, s));
      first_.push_back(column);
      column += calls_.back()->columns();
    }
    ordinality_ = column + 1;
    filter_.compile(n.quals, raw_, s);
    if (s.stats != nullptr) stats_ = &(*s.stats)[&n];
  }
  void rescan() override { started_ = false; }
  bool next(Batch& out, int max) override {
    while (true) {
      state.interrupts();
      if (!started_) {
        started_ = true;
        row_number_ = 0;
        live_.assign(calls_.size(), true);
        args_.reset();
        Frame f{nullptr, 1, &args_, &state};
        for (auto& c : calls_) c->start(f, 0);
      }
      arena_.reset();
      buffers_.ensure(raw_.size(), max);
      int n = 0;
      std::vector<NullableDatum> row;
      while (n < max) {
        bool any = false;
        row.assign(static_cast<size_t>(ordinality_), NullableDatum{});
        for (size_t i = 0; i < calls_.size(); ++i) {
          if (!live_[i]) continue;
          live_[i] = calls_[i]->next(row.data() + first_[i], arena_);
          any |= live_[i];
        }
        if (!any) break;
        row[static_cast<size_t>(ordinality_ - 1)] = {Datum::from_int(++row_number_), false};
        for (size_t c = 0; c < raw_.size(); ++c) {
          int at = column_of(raw_[c]);
          NullableDatum d = at >= 1 && at <= ordinality_ ? row[static_cast<size_t>(at - 1)] : NullableDatum{};
          buffers_[c].values[n] = d.value;
          buffers_[c].nulls[n] = d.is_null ? 1 : 0;
        }
        ++n;
      }
      if (n == 0) return false;
      buffers_.expose(out, raw_.size(), n);
      filter_.apply(out, node.layout.size(), arena_, state, stats_);
      if (out.size > 0) return true;
    }
  }
 private:
  std::vector<ExprPtr> raw_;
  std::vector<std::unique_ptr<SetCall>> calls_;
  std::vector<int> first_;
  std::vector<char> live_;
  BatchFilter filter_;
  OutputBatch buffers_;
  Arena arena_, args_;
  NodeStats* stats_ = nullptr;
  int ordinality_ = 1;
  int64_t row_number_ = 0;
  bool started_ = false;
};

class CteScan final : public Operator {
 public:
  CteScan(const PlanNode& n, ExecState& s) : Operator(n, s), raw_(with_qual_vars(n)) {
    filter_.compile(n.quals, raw_, s);
    if (s.stats != nullptr) stats_ = &(*s.stats)[&n];
    if (n.type == NodeType::kCteScan) cte_store(s, n.cte);   // made now: instrumented with the rest
  }
  void rescan() override {
    at_ = 0;
    store_ = nullptr;
    owned_ = nullptr;
  }
  bool next(Batch& out, int max) override {
    bool working = node.type == NodeType::kWorkTableScan;
    if (store_ == nullptr) {
      // The working table's store runs this very operator: holding it would keep both alive for ever.
      if (!working) owned_ = cte_store(state, node.cte);
      store_ = cte_store(state, node.cte).get();
    }
    while (true) {
      arena_.reset();
      buffers_.ensure(raw_.size(), max);
      int n = 0;
      RowStore* rows = working ? store_->working : &store_->rows;
      if (working && store_->working_rows == nullptr) return false;
      while (n < max) {
        if (working ? at_ >= store_->working_rows->size() : !store_->reach(at_)) break;
        const char* row = working ? (*store_->working_rows)[at_] : store_->list[at_];
        ++at_;
        for (size_t c = 0; c < raw_.size(); ++c) {
          int col = column_of(raw_[c]);
          if (col < 1) { buffers_[c].values[n] = Datum{}; buffers_[c].nulls[n] = 0; continue; }
          buffers_[c].values[n] = rows->values(row)[col - 1];
          buffers_[c].nulls[n] = rows->nulls(row)[col - 1];
        }
        ++n;
      }
      if (n == 0) return false;
      buffers_.expose(out, raw_.size(), n);
      filter_.apply(out, node.layout.size(), arena_, state, stats_);
      if (out.size > 0) return true;
    }
  }
 private:
  std::vector<ExprPtr> raw_;
  BatchFilter filter_;
  OutputBatch buffers_;
  CteStore* store_ = nullptr;
  std::shared_ptr<CteStore> owned_;
  Arena arena_;
  NodeStats* stats_ = nullptr;
  size_t at_ = 0;
};

// Set-returning functions in the target list run in step; shorter ones give NULLs.
class ProjectSet final : public Operator {
 public:
  ProjectSet(const PlanNode& n, ExecState& s) : Operator(n, s), child_(make_operator(*n.children[0], s)) {
    Layout l(n.children[0]->layout);
    CompileEnv env;
    env.layout = &l;
    env.state = &s;
    for (auto& e : n.set_targets) {
      bool set = e->kind == ExprKind::kFunc && static_cast<const FuncExpr&>(*e).returns_set && l.find(e) < 0;
      if (set) {
        RangeFunction f;
        f.call = e;
        calls_.push_back(std::make_unique<SetCall>(f, l, s, true));
        plain_.push_back(nullptr);
      } else {
        calls_.push_back(nullptr);
        plain_.push_back(compile(e, env));
      }
    }
  }
  void rescan() override { child_->rescan(); in_.size = 0; row_ = 0; open_ = false; }
  bool next(Batch& out, int max) override {
    size_t columns = plain_.size();
    buffers_.ensure(columns, max);
    arena_.reset();
    int n = 0;
    while (n < max) {
      if (!open_) {
        if (row_ + 1 >= in_.size || in_.size == 0) {
          if (n > 0) break;   // values of the previous input batch are still referred to
          state.interrupts();
          if (!child_->next(in_, max)) return false;
          row_ = 0;
          input_.reset();
        } else {
          ++row_;
        }
        Frame f{in_.columns.data(), in_.size, &input_, &state};
        for (size_t c = 0; c < columns; ++c)
          if (calls_[c]) calls_[c]->start(f, row_);
        live_.assign(columns, true);
        open_ = true;
      }
      bool any = false;
      for (size_t c = 0; c < columns; ++c) {
        if (!calls_[c]) continue;
        NullableDatum d;
        if (live_[c]) live_[c] = calls_[c]->next(&d, arena_);
        if (!live_[c]) d = {};
        any |= live_[c] != 0;
        buffers_[c].values[n] = d.value;
        buffers_[c].nulls[n] = d.is_null ? 1 : 0;
      }
      if (!any) { open_ = false; continue; }
      Frame f{in_.columns.data(), in_.size, &input_, &state};
      int one = row_;
      for (size_t c = 0; c < columns; ++c) {
        if (calls_[c]) continue;
        const Vec& v = plain_[c]->eval(f, Sel{&one, 1});
        buffers_[c].values[n] = v.values[row_];
        buffers_[c].nulls[n] = v.nulls[row_];
      }
      ++n;
    }
    buffers_.expose(out, columns, n);
    return n > 0;
  }
 private:
  OperatorPtr child_;
  std::vector<std::unique_ptr<SetCall>> calls_;
  std::vector<EvalPtr> plain_;
  std::vector<char> live_;
  OutputBatch buffers_;
  Batch in_;
  Arena arena_, input_;
  int row_ = 0;
  bool open_ = false;
};
}  // namespace

void CteStore::reset() {
  list.clear();
  if (rows.bytes() > 0) rows.clear();
  started = done = false;
}
void reset_ctes(ExecState& state, const std::vector<int>& ctes) {
  for (int c : ctes)
    if (auto it = state.ctes.find(c); it != state.ctes.end() && it->second) it->second->reset();
}

bool CteStore::reach(size_t i) {
  while (i >= list.size() && !done) {
    if (!started) {
      started = true;
      source->rescan();
    }
    if (!source->next(batch, kBatchRows)) { done = true; break; }
    for (int r = 0; r < batch.size; ++r) list.push_back(rows.add(batch, r));
  }
  return i < list.size();
}

std::shared_ptr<CteStore>& cte_store(ExecState& state, int cte) {
  auto& s = state.ctes[cte];
  if (!s) {
    s = std::make_shared<CteStore>();
    const CtePlan& plan = state.plan->ctes[static_cast<size_t>(cte)];
    if (plan.plan) {
      s->source = make_operator(*plan.plan, state);
      // Columns in the CTE's order.
      struct Reorder final : Operator {
        OperatorPtr child;
        std::vector<int> slots;
        Batch in;
        Reorder(OperatorPtr c, std::vector<int> sl) : Operator(c->node, c->state), child(std::move(c)), slots(std::move(sl)) {}
        void rescan() override { child->rescan(); }
        bool next(Batch& out, int max) override {
          if (!child->next(in, max)) return false;
          out.size = in.size;
          out.columns.resize(slots.size());
          for (size_t i = 0; i < slots.size(); ++i) out.columns[i] = in.columns[slots[i]];
          return true;
        }
      };
      Layout l(plan.plan->layout);
      std::vector<int> slots;
      for (auto& e : plan.columns) slots.push_back(l.find(e));
      if (plan.modifying) for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<int>(i);
      s->source = std::make_unique<Reorder>(std::move(s->source), slots);
      s->rows.init(plan.columns, *state.ctx);
    }
  }
  return s;
}

void run_modifying_ctes(ExecState& state) {
  uint64_t processed = state.processed;
  for (size_t i = 0; i < state.plan->ctes.size(); ++i) {
    if (!state.plan->ctes[i].modifying) continue;
    auto store = cte_store(state, static_cast<int>(i));
    store->reach(SIZE_MAX - 1);
  }
  state.processed = processed;
}

OperatorPtr make_other_scan(const PlanNode& n, ExecState& s) {
  switch (n.type) {
    case NodeType::kSubqueryScan: return std::make_unique<SubqueryScan>(n, s);
    case NodeType::kValuesScan: return std::make_unique<ValuesScan>(n, s);
    case NodeType::kFunctionScan: return std::make_unique<FunctionScan>(n, s);
    case NodeType::kProjectSet: return std::make_unique<ProjectSet>(n, s);
    default: return std::make_unique<CteScan>(n, s);
  }
}

}  // namespace stele::query

#include "query/exec/operator.h"

#include "base/error.h"
#include "query/dml/point_exec.h"
#include "query/exec/cte.h"

namespace stele::query {

void BatchFilter::compile(const std::vector<ExprPtr>& quals, const std::vector<ExprPtr>& layout, ExecState& state) {
  Layout l(layout);
  CompileEnv env;
  env.layout = &l;
  env.state = &state;
  nodes_.clear();
  for (auto& q : quals) nodes_.push_back(query::compile(q, env));
}
int BatchFilter::select(const Batch& in, Arena& arena, ExecState& state) {
  sel_.resize(std::max<size_t>(sel_.size(), static_cast<size_t>(in.size)));
  Frame f{in.columns.data(), in.size, &arena, &state};
  Sel s{nullptr, in.size};
  int n = in.size;
  for (auto& node : nodes_) {
    n = node->filter(f, s, sel_.data());
    if (n == 0) return 0;
    s = Sel{sel_.data(), n};
  }
  if (nodes_.empty()) for (int i = 0; i < n; ++i) sel_[i] = i;
  return n;
}
void gather(const Vec& in, const int* rows, int n, Vec& out) {
  for (int i = 0; i < n; ++i) {
    out.values[i] = in.values[rows[i]];
    out.nulls[i] = in.nulls[rows[i]];
  }
}
void BatchFilter::apply(Batch& in, size_t keep, Arena& arena, ExecState& state, NodeStats* stats) {
  if (nodes_.empty()) { in.columns.resize(keep); return; }
  int n = select(in, arena, state);
  if (stats != nullptr) stats->removed += in.size - n;
  if (n == in.size) { in.columns.resize(keep); return; }
  out_.ensure(keep, std::max(n, 1));
  for (size_t c = 0; c < keep; ++c) gather(in.columns[c], sel_.data(), n, out_[c]);
  out_.expose(in, keep, n);
}

void RowStore::init(const std::vector<ExprPtr>& layout, ExecContext& ctx, size_t extra_bytes) {
  types_.clear();
  for (auto& e : layout) types_.push_back(type_info(e->type, ctx));
  fixed_ = (9 * types_.size() + 7) & ~size_t{7};
  total_ = fixed_ + extra_bytes;
}
char* RowStore::add(const Batch& b, int row) {
  char* p = arena_->allocate(std::max<size_t>(total_, 8));
  Datum* v = values(p);
  uint8_t* nl = nulls(p);
  for (size_t c = 0; c < types_.size(); ++c) {
    nl[c] = b.columns[c].nulls[row];
    Datum d = b.columns[c].values[row];
    v[c] = nl[c] ? Datum{} : types_[c].by_value ? d : make_bytes(*arena_, d.as_view());
  }
  return p;
}
char* RowStore::add_values(const Datum* in, const uint8_t* in_nulls) {
  char* p = arena_->allocate(std::max<size_t>(total_, 8));
  Datum* v = values(p);
  uint8_t* nl = nulls(p);
  for (size_t c = 0; c < types_.size(); ++c) {
    nl[c] = in_nulls[c];
    v[c] = nl[c] ? Datum{} : types_[c].by_value ? in[c] : make_bytes(*arena_, in[c].as_view());
  }
  return p;
}

KeyCompare key_compare(const SortKey& k, ExecContext& ctx) {
  KeyCompare c;
  c.ops = type_info(k.expr->type, ctx).ops;
  if (c.ops->compare == nullptr) throw Error(ErrorCode::kUndefinedFunction, "could not identify an ordering operator for the type");
  c.collation = k.collation != 0 ? k.collation : k.expr->collation;
  c.descending = k.descending;
  c.nulls_first = k.nulls_first;
  return c;
}
KeyCompare key_compare(const ExprPtr& e, ExecContext& ctx) {
  SortKey k;
  k.expr = e;
  return key_compare(k, ctx);
}

void ExprList::compile(const std::vector<ExprPtr>& list, const std::vector<ExprPtr>& layout, ExecState& state) {
  Layout l(layout);
  CompileEnv env;
  env.layout = &l;
  env.state = &state;
  nodes.clear();
  for (auto& e : list) nodes.push_back(query::compile(e, env));
  vecs.resize(nodes.size());
}
void ExprList::eval(const Batch& b, Arena& arena, ExecState& state) {
  Frame f{b.columns.data(), b.size, &arena, &state};
  for (size_t i = 0; i < nodes.size(); ++i) vecs[i] = &nodes[i]->eval(f, Sel{nullptr, b.size});
}

namespace {
class ProjectOp final : public Operator {
 public:
  ProjectOp(const PlanNode& n, ExecState& s) : Operator(n, s) {
    if (!n.children.empty()) child_ = make_operator(*n.children[0], s);
    exprs_.compile(n.set_targets, n.children.empty() ? std::vector<ExprPtr>{} : n.children[0]->layout, s);
  }
  void rescan() override { if (child_) child_->rescan(); done_ = false; }
  bool next(Batch& out, int max) override {
    arena_.reset();
    if (child_) {
      if (!child_->next(in_, max)) return false;
    } else {
      if (done_) return false;
      done_ = true;
      in_.size = 1;
    }
    exprs_.eval(in_, arena_, state);
    out.size = in_.size;
    out.columns.resize(exprs_.vecs.size());
    for (size_t i = 0; i < exprs_.vecs.size(); ++i) out.columns[i] = *exprs_.vecs[i];
    return true;
  }
 private:
  OperatorPtr child_;
  ExprList exprs_;
  Batch in_;
  Arena arena_;
  bool done_ = false;
};

// A row out of nothing, or the child's rows behind conditions that no row can change.
class ResultOp final : public Operator {
 public:
  ResultOp(const PlanNode& n, ExecState& s) : Operator(n, s) {
    if (!n.children.empty()) child_ = make_operator(*n.children[0], s);
    one_time_.compile(n.one_time, {}, s);
    filter_.compile(n.quals, n.layout, s);
  }
  void rescan() override {
    checked_ = emitted_ = false;
    passes_ = true;
  }
  bool next(Batch& out, int max) override {
    if (!checked_) {
      checked_ = true;
      Batch one;
      one.size = 1;
      passes_ = one_time_.empty() || one_time_.select(one, arena_, state) == 1;
      if (passes_ && child_) child_->rescan();
    }
    if (!passes_) return false;
    if (child_) return child_->next(out, max);
    if (emitted_) return false;
    emitted_ = true;
    out.size = 1;
    buffers_.ensure(node.layout.size(), 1);
    for (size_t i = 0; i < node.layout.size(); ++i) buffers_[i].nulls[0] = 1;
    buffers_.expose(out, node.layout.size(), 1);
    if (!filter_.empty() && filter_.select(out, arena_, state) == 0) return false;
    return true;
  }
 private:
  OperatorPtr child_;
  BatchFilter one_time_, filter_;
  OutputBatch buffers_;
  Arena arena_;
  bool checked_ = false, passes_ = true, emitted_ = false;
};

class InstrumentOp final : public Operator {
 public:
  InstrumentOp(OperatorPtr inner) : Operator(inner->node, inner->state), inner_(std::move(inner)), stats_((*state.stats)[&node]) {}
  void rescan() override {
    auto t = std::chrono::steady_clock::now();
    inner_->rescan();
    stats_.total_ms += since(t);
    stats_.loops += 1;
    first_ = true;
  }
  bool next(Batch& out, int max) override {
    auto t = std::chrono::steady_clock::now();
    bool more = inner_->next(out, max);
    double ms = since(t);
    stats_.total_ms += ms;
    loop_ms_ += ms;
    if (first_) { stats_.startup_ms += ms; first_ = false; }
    if (more) stats_.rows += out.size;
    return more;
  }
 private:
  static double since(std::chrono::steady_clock::time_point t) { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - t).count(); }
  OperatorPtr inner_;
  NodeStats& stats_;
  double loop_ms_ = 0;
  bool first_ = true;
};

OperatorPtr make_plain(const PlanNode& n, ExecState& s) {
  switch (n.type) {
    case NodeType::kResult: return std::make_unique<ResultOp>(n, s);
    case NodeType::kProject: return std::make_unique<ProjectOp>(n, s);
    case NodeType::kSeqScan: case NodeType::kIndexScan: case NodeType::kIndexOnlyScan: case NodeType::kBitmapScan: case NodeType::kProviderScan: return make_scan(n, s);
    case NodeType::kSubqueryScan: case NodeType::kFunctionScan: case NodeType::kValuesScan: case NodeType::kCteScan: case NodeType::kWorkTableScan: case NodeType::kProjectSet:
      return make_other_scan(n, s);
    case NodeType::kNestLoop: case NodeType::kHashJoin: case NodeType::kMergeJoin: return make_join(n, s);
    case NodeType::kMaterialize: case NodeType::kSort: case NodeType::kUnique: case NodeType::kLimit: return make_sort(n, s);
    case NodeType::kAgg: case NodeType::kGroup: return make_agg(n, s);
    case NodeType::kWindowAgg: return make_window(n, s);
    case NodeType::kSetOp: case NodeType::kAppend: case NodeType::kMergeAppend: case NodeType::kRecursiveUnion: return make_setop(n, s);
    case NodeType::kLockRows: return make_lock_rows(n, s);
    case NodeType::kModifyTable: return make_modify(n, s);
  }
  throw Error(ErrorCode::kInternalError, "unknown plan node");
}

class PlanExecution final : public Execution {
 public:
  PlanExecution(std::shared_ptr<const PlannedStatement> plan, ExecContext& ctx, const storage::ReadView& view) : plan_(std::move(plan)) {
    state_.ctx = &ctx;
    state_.eval = ctx.eval;
    state_.view = view;
    state_.plan = plan_.get();
    state_.params.resize(static_cast<size_t>(plan_->exec_params));
  }
  ExecState& state() { return state_; }
  bool next(Batch& batch, int max_rows) override {
    if (done_) { batch.size = 0; return false; }
    // Functions that look at other stores (Redis keys) see what this statement sees.
    struct Restore {
      ExecContext& ctx;
      storage::SnapshotPtr outer;
      ~Restore() { ctx.snapshot = std::move(outer); }
    } restore{*state_.ctx, std::exchange(state_.ctx->snapshot, state_.view.snapshot)};
    if (!root_) {
      root_ = make_operator(*plan_->root, state_);
      root_->rescan();
    }
    if (!root_->next(in_, max_rows > 0 ? std::min(max_rows, kBatchRows) : kBatchRows)) {
      finish();
      batch.size = 0;
      return false;
    }
    batch.size = in_.size;
    batch.columns.resize(plan_->output_slots.size());
    for (size_t i = 0; i < plan_->output_slots.size(); ++i) batch.columns[i] = in_.columns[plan_->output_slots[i]];
    if (plan_->kind == CommandKind::kSelect) selected_ += static_cast<uint64_t>(in_.size);
    return true;
  }
  uint64_t rows_affected() const override { return plan_->kind == CommandKind::kSelect ? selected_ : state_.processed; }

 private:
  // Data-modifying WITH queries run to the end even if nobody reads them.
  void finish() {
    done_ = true;
    run_modifying_ctes(state_);
  }
  std::shared_ptr<const PlannedStatement> plan_;
  ExecState state_;
  OperatorPtr root_;
  Batch in_;
  uint64_t selected_ = 0;
  bool done_ = false;
};
}  // namespace

OperatorPtr make_operator(const PlanNode& n, ExecState& s) {
  OperatorPtr op = make_plain(n, s);
  if (s.stats != nullptr) return std::make_unique<InstrumentOp>(std::move(op));
  return op;
}

std::unique_ptr<Execution> start(const PlanPtr& plan, ExecContext& ctx, const storage::ReadView& view) {
  auto p = std::static_pointer_cast<const PlannedStatement>(plan);
  if (ctx.txn != nullptr && ctx.txn->read_only() && p->kind != CommandKind::kSelect && p->root->table && p->root->table->persistence != 't') {
    const char* name = p->kind == CommandKind::kInsert ? "INSERT" : p->kind == CommandKind::kUpdate ? "UPDATE" : p->kind == CommandKind::kDelete ? "DELETE" : "MERGE";
    throw Error(ErrorCode::kReadOnlySqlTransaction, fmt::format("cannot execute {} in a read-only transaction", name));
  }
  if (ctx.txn != nullptr && ctx.txn->read_only()) {
    // Locking rows is writing.
    std::function<const RowLock*(const PlanNode&)> locks = [&](const PlanNode& n) -> const RowLock* {
      if (n.type == NodeType::kLockRows && !n.locks.empty()) return &n.locks[0].first;
      for (auto& c : n.children) if (auto* l = locks(*c)) return l;
      return nullptr;
    };
    if (auto* l = p->root ? locks(*p->root) : nullptr) {
      const char* strength = l->strength == storage::LockMode::kForUpdate ? "UPDATE" : l->strength == storage::LockMode::kForNoKeyUpdate ? "NO KEY UPDATE" : l->strength == storage::LockMode::kForShare ? "SHARE" : "KEY SHARE";
      throw Error(ErrorCode::kReadOnlySqlTransaction, fmt::format("cannot execute SELECT FOR {} in a read-only transaction", strength));
    }
  }
  if (p->point_plan && point_applies(*p, ctx)) return start_point(p, ctx, view);
  return std::make_unique<PlanExecution>(p, ctx, view);
}

void run_instrumented(const std::shared_ptr<const PlannedStatement>& plan, ExecContext& ctx, const storage::ReadView& view, std::unordered_map<const PlanNode*, NodeStats>& stats) {
  PlanExecution e(plan, ctx, view);
  e.state().stats = &stats;
  Batch b;
  while (e.next(b, 0)) {}
}

}  // namespace stele::query

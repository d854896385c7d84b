// Point statements: one row by a unique key (SELECT, UPDATE, DELETE), or one row of values (INSERT), over
// tables without triggers, foreign keys, checks or generated columns. No operators are made: the key is
// encoded from the parameters, the row is read, locked and written directly.
#include "query/dml/point.h"

#include "base/error.h"
#include "query/dml/point_exec.h"
#include "query/dml/foreign_keys.h"
#include "query/dml/writer.h"
#include "query/exec/operator.h"
#include "query/rewrite.h"
#include "types/oids.h"

namespace stele::query {

namespace {
struct PointPlan {
  CommandKind kind = CommandKind::kSelect;
  std::shared_ptr<const catalog::Relation> relation;
  std::shared_ptr<const rows::Table> table;
  const rows::IndexDef* index = nullptr;
  std::vector<ExprPtr> key;
  std::vector<Oid> key_types;
  std::vector<int16_t> columns;                // SELECT: attribute of each output column
  std::vector<ExprPtr> layout;                 // UPDATE: the row's attributes as Vars
  std::vector<std::pair<int16_t, ExprPtr>> assign;   // UPDATE, INSERT
  storage::LockMode strength = storage::LockMode::kNoKeyWrite;
};

bool simple_value(const ExprPtr& e) {
  if (e->kind == ExprKind::kConst) return true;
  return e->kind == ExprKind::kParam && static_cast<const ParamExpr&>(*e).param_kind == ParamKind::kExtern;
}
NullableDatum value_of(const ExprPtr& e, std::span<const NullableDatum> params) {
  if (e->kind == ExprKind::kConst) return {static_cast<const ConstExpr&>(*e).value, static_cast<const ConstExpr&>(*e).is_null};
  size_t i = static_cast<size_t>(static_cast<const ParamExpr&>(*e).id - 1);
  if (i >= params.size()) throw Error(ErrorCode::kUndefinedParameter, fmt::format("no value found for parameter {}", i + 1));
  return params[i];
}
// The key's values; false when no row can have them.
bool key_values(const PointPlan& p, std::span<const NullableDatum> params, NullableDatum* key) {
  for (size_t i = 0; i < p.key.size(); ++i) {
    key[i] = value_of(p.key[i], params);
    if (key[i].is_null) return false;
    int64_t v = key[i].value.as_int();
    if (p.key_types[i] == oid::kInt4 && (v < INT32_MIN || v > INT32_MAX)) return false;
    if (p.key_types[i] == oid::kInt2 && (v < INT16_MIN || v > INT16_MAX)) return false;
  }
  return true;
}
// Whether a row has this key: without a snapshot, a commit may come between reading the index and reading the row.
bool has_key(const PointPlan& p, std::string_view bytes, const NullableDatum* key, Arena& arena) {
  for (size_t i = 0; i < p.key.size(); ++i) {
    const auto& k = p.index->keys[i];
    const NullableDatum v = p.table->format().decode(bytes, static_cast<size_t>(k.column - 1), arena);
    if (v.is_null || !k.type.ops->equal(v.value, key[i].value, k.collation)) return false;
  }
  return true;
}
void output_row(const PointPlan& p, std::string_view bytes, std::vector<Datum>& values, std::vector<uint8_t>& nulls, Batch& batch, Arena& arena) {
  const size_t n = p.columns.size();
  values.resize(n);
  nulls.resize(n);
  batch.columns.resize(n);
  for (size_t i = 0; i < n; ++i) {
    NullableDatum d = p.table->format().decode(bytes, static_cast<size_t>(p.columns[i] - 1), arena);
    values[i] = d.value;
    nulls[i] = d.is_null ? 1 : 0;
    batch.columns[i] = {&values[i], &nulls[i]};
  }
  batch.size = 1;
}
bool plain_expr(const ExprPtr& e) {
  return !walk(e, [](const Expr& x, int) {
    return x.kind == ExprKind::kSubPlan || x.kind == ExprKind::kAggregate || (x.kind == ExprKind::kParam && static_cast<const ParamExpr&>(x).param_kind == ParamKind::kExec) ||
           (x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).column <= 0);
  });
}
ExprPtr make_column_var(int rti, const catalog::Column& c) {
  auto v = std::make_shared<VarExpr>();
  v->relation = rti;
  v->column = c.number;
  v->type = c.type;
  return v;
}
bool writable(const catalog::Relation& r, const rows::Table& t, const catalog::State& s) {
  if (r.relkind != 'r' || !r.triggers.empty() || !r.rules.empty() || !t.observers().empty() || r.row_security) return false;
  for (auto& c : r.constraints) if (c.kind == catalog::ConstraintKind::kForeignKey || c.kind == catalog::ConstraintKind::kCheck || c.kind == catalog::ConstraintKind::kExclusion || c.deferrable) return false;
  for (auto& c : r.columns) if (c.generated) return false;
  for (auto& ix : t.indexes()) if (ix.partial || ix.has_expressions || ix.deferrable) return false;
  return referencing(s, r.oid).empty();
}
// An index scan that finds at most one row.
bool point_scan(const PlanNode& n, PointPlan& p, ExecContext& ctx, const catalog::State& state) {
  if (n.system_catalog || (n.type != NodeType::kIndexScan && n.type != NodeType::kIndexOnlyScan)) return false;
  if (!n.index->index->unique || n.conds.size() != n.index->index->keys.size() || !n.quals.empty() || !n.column_map.empty()) return false;
  if (!n.index->index->immediate) return false;
  p.relation = n.table;
  p.table = shared_table(n.table, state);
  p.index = p.table->index(n.index->oid);
  if (p.index == nullptr || p.index->deferrable || p.index->has_expressions) return false;
  for (size_t i = 0; i < n.conds.size(); ++i) {
    auto& c = n.conds[i];
    if (c.column != static_cast<int>(i) || c.strategy != IndexStrategy::kEqual || !simple_value(c.value)) return false;
    p.key.push_back(c.value);
    p.key_types.push_back(type_info(p.index->keys[i].type.type, ctx).base);
  }
  return true;
}

class PointExecution final : public Execution {
 public:
  PointExecution(std::shared_ptr<const PlannedStatement> stmt, ExecContext& ctx, const storage::ReadView& view)
      : stmt_(std::move(stmt)), p_(*static_cast<const PointPlan*>(stmt_->point_plan.get())), ctx_(ctx), view_(view), access_(p_.table, *ctx.txn, nullptr, ctx.eval) {}
  bool next(Batch& batch, int) override {
    batch.size = 0;
    if (done_) return false;
    done_ = true;
    if (p_.kind == CommandKind::kInsert) { insert(); return false; }
    NullableDatum key[8];
    if (!key_values(p_, ctx_.params, key)) return false;
    std::span<const NullableDatum> keys(key, p_.key.size());
    auto id = access_.find_unique(*p_.index, keys, view_);
    if (!id) return false;
    if (p_.kind != CommandKind::kSelect) {
      write(*id, keys);
      return false;
    }
    if (!access_.fetch(*id, view_, &bytes_) || (view_.snapshot == nullptr && !has_key(p_, bytes_, key, arena_))) {
      if (view_.snapshot != nullptr) return false;
      view_.snapshot = ctx_.txn->statement_snapshot();
      id = access_.find_unique(*p_.index, keys, view_);
      if (!id || !access_.fetch(*id, view_, &bytes_)) return false;
    }
    select(batch);
    return true;
  }
  uint64_t rows_affected() const override { return affected_; }

 private:
  void select(Batch& batch) {
    output_row(p_, bytes_, values_, nulls_, batch, arena_);
    affected_ = 1;
  }
  void not_null(std::span<const NullableDatum> row) {
    auto& columns = p_.relation->columns;
    for (size_t i = 0; i < row.size(); ++i)
      if (row[i].is_null && columns[i].not_null && !columns[i].dropped) {
        // The error's texts come from the full writer.
        WriterImpl w(p_.relation, ctx_);
        std::vector<NullableDatum> copy(row.begin(), row.end());
        std::unique_ptr<bool[]> given(new bool[row.size()]);
        std::fill_n(given.get(), row.size(), true);
        w.prepare_insert(copy, std::span<const bool>(given.get(), row.size()));
      }
  }
  void compute(std::vector<NullableDatum>& row) {
    ExecState state;
    state.ctx = &ctx_;
    state.eval = ctx_.eval;
    std::vector<Datum> values;
    std::vector<uint8_t> nulls;
    std::vector<Vec> vecs;
    Layout layout(p_.layout);
    values.reserve(row.size());
    nulls.reserve(row.size());
    for (auto& d : row) { values.push_back(d.value); nulls.push_back(d.is_null ? 1 : 0); vecs.push_back({&values.back(), &nulls.back()}); }
    CompileEnv env;
    env.layout = &layout;
    env.state = &state;
    Frame f{vecs.data(), 1, &arena_, &state};
    for (auto& [column, e] : p_.assign) {
      if (simple_value(e)) { row[static_cast<size_t>(column - 1)] = value_of(e, ctx_.params); continue; }
      nodes_.push_back(compile(e, env));
      const Vec& v = nodes_.back()->eval(f, Sel{nullptr, 1});
      row[static_cast<size_t>(column - 1)] = {v.values[0], v.nulls[0] != 0};
    }
  }
  void write(uint64_t id, std::span<const NullableDatum> keys) {
    const storage::ReadView newest{nullptr, UINT32_MAX};
    while (true) {
      storage::LockOutcome o = access_.lock_row(id, p_.strength, ctx_.wait);
      if (o != storage::LockOutcome::kGrantedAfterWait && access_.fetch(id, newest, &bytes_)) break;
      // Somebody else had it: the row may be gone or have another key.
      auto again = access_.find_unique(*p_.index, keys, newest);
      if (!again || *again != id) return;
      if (access_.fetch(id, newest, &bytes_)) break;
      return;
    }
    std::vector<NullableDatum> old(p_.relation->columns.size());
    p_.table->format().decode_all(bytes_, old.data(), arena_);
    // Between the lookup and the lock the key may have been changed by a transaction that is done.
    for (size_t i = 0; i < keys.size(); ++i) {
      auto& v = old[static_cast<size_t>(p_.index->keys[i].column - 1)];
      if (v.is_null || !p_.index->keys[i].type.ops->equal(v.value, keys[i].value, p_.index->keys[i].collation)) return;
    }
    affected_ = 1;
    if (p_.kind == CommandKind::kDelete) { access_.erase(id, old); return; }
    std::vector<NullableDatum> row = old;
    compute(row);
    not_null(row);
    access_.update(id, old, row, ctx_.wait);
  }
  void insert() {
    std::vector<NullableDatum> row(p_.relation->columns.size());
    compute(row);
    not_null(row);
    try {
      access_.insert(row, ctx_.wait);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kUniqueViolation || !e.schema_name().empty()) throw;
      Error copy = e;
      throw std::move(copy).names(schema_name(*p_.relation, ctx_), p_.relation->name, {}, {}, e.constraint_name());
    }
    affected_ = 1;
  }
  std::shared_ptr<const PlannedStatement> stmt_;
  const PointPlan& p_;
  ExecContext& ctx_;
  storage::ReadView view_;
  rows::TableAccess access_;
  std::string bytes_;
  std::vector<Datum> values_;
  std::vector<uint8_t> nulls_;
  std::vector<EvalPtr> nodes_;
  Arena arena_;
  uint64_t affected_ = 0;
  bool done_ = false;
};
}  // namespace

void make_point_plan(PlannedStatement& stmt, ExecContext& ctx) {
  if (!stmt.subplans.empty() || !stmt.ctes.empty() || !stmt.root) return;
  auto state = ctx.catalog->state();
  auto p = std::make_shared<PointPlan>();
  const PlanNode* n = stmt.root.get();
  p->kind = stmt.kind;
  if (stmt.kind == CommandKind::kSelect) {
    if (n->type != NodeType::kProject || n->children.empty() || !point_scan(*n->children[0], *p, ctx, *state) || p->key.size() > 8) return;
    for (int s : stmt.output_slots) {
      auto& e = n->set_targets[static_cast<size_t>(s)];
      if (e->kind != ExprKind::kVar || static_cast<const VarExpr&>(*e).column <= 0) return;
      p->columns.push_back(static_cast<const VarExpr&>(*e).column);
    }
  } else {
    if (n->type != NodeType::kModifyTable || !n->modify->returning.empty() || n->modify->on_conflict || !n->modify->check_options.empty() || n->table->relkind != 'r' || n->table->bound || !n->modify->child_relations.empty() || !n->modify->can_set_tag) return;
    const PlanNode& project = *n->children[0];
    if (project.type != NodeType::kProject || project.children.empty()) return;
    const PlanNode& source = *project.children[0];
    if (stmt.kind == CommandKind::kInsert) {
      if (source.type != NodeType::kResult || !source.children.empty() || !source.one_time.empty()) return;
      p->relation = n->table;
      p->table = shared_table(n->table, *state);
      for (size_t i = 0; i < n->modify->insert_slots.size(); ++i) {
        int s = n->modify->insert_slots[i];
        auto& c = n->table->columns[i];
        if (s < 0) {
          if (!c.default_sql.empty() || c.identity != catalog::Identity::kNone || c.type >= oid::kFirstUserOid) return;
          continue;
        }
        auto& e = project.set_targets[static_cast<size_t>(s)];
        if (!plain_expr(e)) return;
        p->assign.emplace_back(static_cast<int16_t>(i + 1), e);
      }
    } else {
      if (stmt.kind == CommandKind::kMerge || !point_scan(source, *p, ctx, *state) || p->key.size() > 8) return;
      if (p->relation->oid != n->relation) return;
      for (auto& [column, slot] : n->modify->assignments) {
        auto& e = project.set_targets[static_cast<size_t>(slot)];
        if (!plain_expr(e)) return;
        for (auto& k : p->index->keys) if (k.column == column) return;   // key changes take the long way
        p->assign.emplace_back(column, e);
      }
      if (stmt.kind == CommandKind::kDelete) p->strength = storage::LockMode::kKeyWrite;
      else
        for (auto& ix : p->table->indexes())
          if (ix.unique) for (auto& k : ix.keys) for (auto& [column, e] : p->assign) if (k.column == column) p->strength = storage::LockMode::kKeyWrite;
      for (auto& c : p->relation->columns) p->layout.push_back(make_column_var(n->rti, c));
    }
    if (!writable(*p->relation, *p->table, *state)) return;
  }
  stmt.point_plan = p;
  stmt.point = true;
  stmt.is_generic = true;
}

PointRead read_point(const Plan& plan, storage::Store& store, std::span<const NullableDatum> params, PointScratch& scratch) {
  const auto& p = *static_cast<const PointPlan*>(static_cast<const PlannedStatement&>(plan).point_plan.get());
  scratch.arena.reset();
  scratch.batch.size = 0;
  scratch.lsn = 0;
  NullableDatum key[8];
  if (!key_values(p, params, key)) return PointRead::kNoRow;
  scratch.key = p.index->prefix;
  for (size_t i = 0; i < p.key.size(); ++i) {
    const auto& c = p.index->keys[i];
    encode_index_column(*c.type.ops, key[i], c.collation, c.descending, c.nulls_first, scratch.key);
  }
  if (!store.read_newest(scratch.key, &scratch.bytes)) return PointRead::kNoRow;
  const uint64_t id = load_be64(scratch.bytes.data());
  scratch.key = p.table->prefix();
  put_be64(scratch.key, id);
  if (!store.read_newest(scratch.key, &scratch.bytes, &scratch.lsn) || !has_key(p, scratch.bytes, key, scratch.arena)) return PointRead::kMoved;
  output_row(p, scratch.bytes, scratch.values, scratch.nulls, scratch.batch, scratch.arena);
  return PointRead::kRow;
}

std::unique_ptr<Execution> start_point(const std::shared_ptr<const PlannedStatement>& plan, ExecContext& ctx, const storage::ReadView& view) {
  return std::make_unique<PointExecution>(plan, ctx, view);
}
bool point_applies(const PlannedStatement& plan, ExecContext& ctx) {
  // Stricter isolation needs the checks of the general path.
  return plan.kind == CommandKind::kSelect || plan.kind == CommandKind::kInsert || ctx.txn->isolation() == storage::Isolation::kReadCommitted;
}

}  // namespace stele::query

#include "base/error.h"
#include "keyspace/versions.h"
#include "query/eval/eval.h"
#include "query/eval/nodes.h"
#include "query/exec/state.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

void Buffer::ensure(int rows) {
  if (rows <= capacity) return;
  int want = rows <= 8 ? 8 : std::max(rows, 128);
  if (rows > 128) want = std::max(rows, kBatchRows);
  storage.reset(new uint64_t[want]);
  null_storage.reset(new uint8_t[want]);
  capacity = want;
  vec.values = reinterpret_cast<Datum*>(storage.get());
  vec.nulls = null_storage.get();
}

int EvalNode::filter(Frame& f, Sel in, int* out) {
  const Vec& v = eval(f, in);
  int n = 0;
  for (int k = 0; k < in.n; ++k) {
    int i = in[k];
    out[n] = i;
    n += (!v.nulls[i] && v.values[i].as_bool()) ? 1 : 0;
  }
  return n;
}

TypeInfo type_info(Oid type, ExecContext& ctx) {
  TypeInfo t;
  t.type = t.base = type;
  if (const BuiltinType* b = builtin::type(type)) {
    t.kind = b->kind;
    t.by_value = passed_by_value(type);
    if (b->is_true_array()) { t.element = b->element; t.ops = &type_ops_array(); }
    else t.ops = type == oid::kRecord ? &type_ops_record() : &type_ops(type);
    return t;
  }
  if (ctx.catalog != nullptr) {
    if (auto user = ctx.catalog->state()->type(type)) {
      t.kind = user->typtype;
      if (user->typtype == 'd' || user->like != 0) {
        TypeInfo base = type_info(user->like != 0 ? user->like : user->base, ctx);
        base.type = type;
        return base;
      }
      if (user->typtype == 'e') { t.by_value = true; t.ops = &type_ops_enum(); return t; }
      if (user->typtype == 'c') { t.ops = &type_ops_record(); return t; }
      if (user->element != 0) { t.element = user->element; t.ops = &type_ops_array(); return t; }
      if (user->typtype == 'r') { t.ops = &type_ops(oid::kAnyRange); return t; }
      if (user->typtype == 'm') { t.ops = &type_ops(oid::kAnyMultirange); return t; }
    } else if (ctx.eval != nullptr && ctx.eval->catalog != nullptr) {
      auto facts = ctx.eval->catalog->type_facts(type);
      t.kind = facts.kind;
      t.by_value = facts.by_value;
      if (facts.kind == 'c') { t.ops = &type_ops_record(); t.by_value = false; return t; }
      if (facts.element != 0) { t.element = facts.element; t.ops = &type_ops_array(); return t; }
    }
  }
  if (t.ops == nullptr) t.ops = &type_ops_record();
  return t;
}

Datum copy_value(const TypeInfo& t, Datum v, Arena& arena) {
  if (t.by_value) return v;
  return make_bytes(arena, v.as_view());
}

namespace {
uint64_t var_key(const VarExpr& v) { return static_cast<uint64_t>(v.relation) << 16 | static_cast<uint16_t>(v.column); }
}  // namespace

void Layout::add(const ExprPtr& e) {
  if (e->kind == ExprKind::kVar) vars_.emplace(var_key(static_cast<const VarExpr&>(*e)), size_);
  else others_.emplace_back(e, size_);
  ++size_;
}
int Layout::find(const ExprPtr& e) const {
  if (e->kind == ExprKind::kVar) {
    auto it = vars_.find(var_key(static_cast<const VarExpr&>(*e)));
    return it == vars_.end() ? -1 : it->second;
  }
  for (auto& [x, slot] : others_) if (equal(x, e)) return slot;
  return -1;
}

FunctionInfo function_info(Oid func, ExecContext& ctx) {
  FunctionInfo info;
  auto& registry = FunctionRegistry::instance();
  if (const BuiltinProc* p = builtin::proc(func)) {
    info.strict = p->strict;
    info.returns_set = p->returns_set;
    info.volatility = p->volatility;
    info.kind = p->kind;
    info.source = p->source;
    info.name = p->name;
    info.result = p->result;
    info.cost = p->cost;
    info.rows = p->rows;
    info.native = registry.scalar(p->source);
    info.native_set = registry.set(p->source);
    return info;
  }
  if (func == kHeldRowsFunction) {
    info.returns_set = true;
    info.volatility = 's';
    info.kind = 'f';
    info.name = "transition table";
    info.result = oid::kRecord;
    info.rows = 100;
    return info;
  }
  auto f = ctx.catalog != nullptr ? ctx.catalog->state()->function(func) : nullptr;
  if (!f) throw Error(ErrorCode::kUndefinedFunction, fmt::format("cache lookup failed for function {}", func));
  info.strict = f->strict;
  info.returns_set = f->returns_set;
  info.volatility = f->volatility;
  info.kind = f->prokind;
  info.name = f->name;
  info.result = f->result;
  info.cost = f->cost;
  info.rows = f->rows;
  if (f->language_name == "internal" || f->language_name == "c") {
    info.native = registry.scalar(f->source);
    info.native_set = registry.set(f->source);
    // Planning asks for it, so statements that read Redis keys take their snapshot after this.
    if (f->schema == catalog::kRedisSchema) keyspace::Versions::enable();
  }
  return info;
}

void throw_no_native(const FunctionInfo& info) {
  throw Error(ErrorCode::kFeatureNotSupported, fmt::format("function {}() is not supported", info.name));
}

EvalPtr compile(const ExprPtr& e, CompileEnv& env) {
  if (env.layout != nullptr && e->kind != ExprKind::kConst) {
    int slot = env.layout->find(e);
    if (slot >= 0) return make_slot_node(slot, e->type);
  }
  EvalPtr node = compile_node(e, env);
  node->type = e->type;
  return node;
}

NullableDatum evaluate_const(const ExprPtr& e, ExecState& state, Arena& arena) {
  if (e->kind == ExprKind::kConst) {
    auto& c = static_cast<const ConstExpr&>(*e);
    return {c.value, c.is_null};
  }
  CompileEnv env;
  env.state = &state;
  EvalPtr node = compile(e, env);
  Frame f{nullptr, 1, &arena, &state};
  const Vec& v = node->eval(f, Sel{nullptr, 1});
  if (v.nulls[0]) return {};
  return {copy_value(type_info(e->type, *state.ctx), v.values[0], arena), false};
}

namespace {
ExecState scratch_state(ExecContext& ctx) {
  ExecState s;
  s.ctx = &ctx;
  s.eval = ctx.eval;
  return s;
}
}  // namespace

NullableDatum evaluate(const ExprPtr& e, ExecContext& ctx, Arena& arena) {
  if (e->kind == ExprKind::kConst) {
    // The caller may drop the expression and keep the value.
    auto& c = static_cast<const ConstExpr&>(*e);
    if (c.is_null) return {};
    return {copy_value(type_info(e->type, ctx), c.value, arena), false};
  }
  ExecState state = scratch_state(ctx);
  return evaluate_const(e, state, arena);
}

NullableDatum evaluate_row(const ExprPtr& e, std::span<const NullableDatum> row, ExecContext& ctx, Arena& arena) {
  ExecState state = scratch_state(ctx);
  std::vector<Datum> values(row.size());
  std::vector<uint8_t> nulls(row.size());
  std::vector<Vec> columns(row.size());
  std::vector<ExprPtr> layout_exprs;
  Layout layout;
  for (size_t i = 0; i < row.size(); ++i) {
    values[i] = row[i].value;
    nulls[i] = row[i].is_null ? 1 : 0;
    columns[i] = {&values[i], &nulls[i]};
    auto v = std::make_shared<VarExpr>();
    v->relation = 1;
    v->column = static_cast<int16_t>(i + 1);
    layout.add(v);
  }
  CompileEnv env;
  env.layout = &layout;
  env.state = &state;
  EvalPtr node = compile(e, env);
  Frame f{columns.data(), 1, &arena, &state};
  const Vec& v = node->eval(f, Sel{nullptr, 1});
  if (v.nulls[0]) return {};
  return {copy_value(type_info(e->type, ctx), v.values[0], arena), false};
}

}  // namespace stele::query

#include "query/exec/table_cache.h"

#include "base/error.h"
#include "types/oids.h"

namespace stele::query {

std::shared_ptr<const rows::Table> shared_table(const std::shared_ptr<const catalog::Relation>& relation, const catalog::State& state) {
  // Keyed by the relation object itself: DDL makes a new one. Index relations change with their own objects,
  // so the key includes them.
  struct Entry { std::weak_ptr<const catalog::Relation> relation; std::vector<std::weak_ptr<const catalog::Relation>> indexes; std::shared_ptr<const rows::Table> table; };
  static std::mutex mutex;
  static std::unordered_map<const catalog::Relation*, Entry> cache;
  std::lock_guard lock(mutex);
  auto it = cache.find(relation.get());
  if (it != cache.end()) {
    Entry& e = it->second;
    bool same = e.relation.lock() == relation && e.indexes.size() == relation->indexes.size();
    for (size_t i = 0; same && i < e.indexes.size(); ++i) same = e.indexes[i].lock() == state.relation(relation->indexes[i]);
    if (same) return e.table;
    cache.erase(it);
  }
  if (cache.size() > 4096) cache.clear();
  Entry e;
  e.relation = relation;
  for (Oid ix : relation->indexes) e.indexes.push_back(state.relation(ix));
  e.table = rows::Table::make(relation, state);
  cache[relation.get()] = e;
  return e.table;
}

struct IndexExpressions::Impl {
  std::shared_ptr<const catalog::Relation> table;
  ExecContext& ctx;
  ExecState state;
  std::vector<Datum> values;
  std::vector<uint8_t> nulls;
  std::vector<Vec> columns;
  std::vector<ExprPtr> layout;
  struct Compiled { std::vector<EvalPtr> expressions; std::vector<TypeInfo> types; EvalPtr predicate; std::vector<ExprPtr> owners; };
  std::unordered_map<Oid, Compiled> compiled;
  Arena arena;

  Impl(std::shared_ptr<const catalog::Relation> t, ExecContext& c) : table(std::move(t)), ctx(c) {
    state.ctx = &ctx;
    state.eval = ctx.eval;
    size_t n = table->columns.size();
    values.resize(n);
    nulls.resize(n);
    for (size_t i = 0; i < n; ++i) {
      columns.push_back({&values[i], &nulls[i]});
      auto v = std::make_shared<VarExpr>();
      v->relation = 1;
      v->column = static_cast<int16_t>(i + 1);
      v->type = table->columns[i].type;
      layout.push_back(v);
    }
  }
  Compiled& of(const rows::IndexDef& index) {
    auto [it, fresh] = compiled.try_emplace(index.relation->oid);
    if (!fresh) return it->second;
    Layout l(layout);
    CompileEnv env;
    env.layout = &l;
    env.state = &state;
    auto& info = *index.relation->index;
    for (auto& k : info.keys) {
      if (k.column != 0) continue;
      ExprPtr e = ctx.bind_expression(*table, k.expression_sql, 0);
      it->second.owners.push_back(e);
      it->second.types.push_back(type_info(e->type, ctx));
      it->second.expressions.push_back(compile(e, env));
    }
    if (!info.predicate_sql.empty()) {
      ExprPtr e = ctx.bind_expression(*table, info.predicate_sql, oid::kBool);
      it->second.owners.push_back(e);
      it->second.predicate = compile(e, env);
    }
    return it->second;
  }
  void load(std::span<const NullableDatum> row) {
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = i < row.size() ? row[i].value : Datum{};
      nulls[i] = i >= row.size() || row[i].is_null ? 1 : 0;
    }
  }
};
IndexExpressions::IndexExpressions(std::shared_ptr<const catalog::Relation> table, ExecContext& ctx) : impl_(std::make_unique<Impl>(std::move(table), ctx)) {}
IndexExpressions::~IndexExpressions() = default;
void IndexExpressions::expressions(const rows::IndexDef& index, std::span<const NullableDatum> row, NullableDatum* out, Arena& arena) {
  auto& c = impl_->of(index);
  impl_->load(row);
  Frame f{impl_->columns.data(), 1, &arena, &impl_->state};
  for (size_t i = 0; i < c.expressions.size(); ++i) {
    const Vec& v = c.expressions[i]->eval(f, Sel{nullptr, 1});
    out[i] = {v.nulls[0] ? Datum{} : copy_value(c.types[i], v.values[0], arena), v.nulls[0] != 0};
  }
}
bool IndexExpressions::predicate(const rows::IndexDef& index, std::span<const NullableDatum> row) {
  auto& c = impl_->of(index);
  if (!c.predicate) return true;
  impl_->load(row);
  impl_->arena.reset();
  Frame f{impl_->columns.data(), 1, &impl_->arena, &impl_->state};
  const Vec& v = c.predicate->eval(f, Sel{nullptr, 1});
  return !v.nulls[0] && v.values[0].as_bool();
}

std::unique_ptr<rows::TableAccess> open_access(const std::shared_ptr<const catalog::Relation>& table, ExecState& s) {
  return std::make_unique<rows::TableAccess>(shared_table(table, *s.ctx->catalog->state()), *s.ctx->txn, nullptr, s.eval);
}

void IndexBounds::compile(const std::vector<IndexCond>& conds, const rows::IndexDef& index, ExecState& state) {
  CompileEnv env;
  env.state = &state;
  conds_.clear();
  for (auto& c : conds) {
    Cond x;
    x.cond = c;
    if (c.value) {
      x.value = query::compile(c.value, env);
      x.value_type = type_info(c.value->type, *state.ctx);
      if (c.strategy == IndexStrategy::kIn) x.value_type = type_info(x.value_type.element, *state.ctx);
    }
    x.key_type = type_info(index.keys[static_cast<size_t>(c.column)].type.type, *state.ctx);
    conds_.push_back(std::move(x));
  }
}

namespace {
// Integers of another width: outside of the key type's range nothing, or everything, compares true.
enum class Fit { kInside, kBelow, kAbove };
Fit fit(const TypeInfo& key, Datum v) {
  auto range = [&](int64_t lo, int64_t hi) { return v.as_int() < lo ? Fit::kBelow : v.as_int() > hi ? Fit::kAbove : Fit::kInside; };
  if (key.base == oid::kInt4) return range(INT32_MIN, INT32_MAX);
  if (key.base == oid::kInt2) return range(INT16_MIN, INT16_MAX);
  return Fit::kInside;
}
}  // namespace

void IndexBounds::ranges(const rows::IndexDef& index, ExecState& state, Arena& arena, std::vector<rows::KeyRange>& out) {
  arena.reset();
  out.clear();
  Frame f{nullptr, 1, &arena, &state};
  std::vector<std::vector<NullableDatum>> prefixes = {{}};
  size_t column = 0, at = 0;
  std::optional<rows::KeyBound> lower, upper;
  bool not_null = false;
  auto value_of = [&](Cond& c) -> NullableDatum {
    const Vec& v = c.value->eval(f, Sel{nullptr, 1});
    if (v.nulls[0]) return {};
    return {copy_value(c.value_type, v.values[0], arena), false};
  };
  for (; at < conds_.size() && static_cast<size_t>(conds_[at].cond.column) == column; ++column) {
    Cond& c = conds_[at];
    if (c.cond.strategy == IndexStrategy::kEqual) {
      NullableDatum v = value_of(c);
      if (v.is_null || fit(c.key_type, v.value) != Fit::kInside) return;
      for (auto& p : prefixes) p.push_back(v);
      ++at;
    } else if (c.cond.strategy == IndexStrategy::kIsNull) {
      for (auto& p : prefixes) p.push_back({});
      ++at;
    } else if (c.cond.strategy == IndexStrategy::kIn) {
      const Vec& v = c.value->eval(f, Sel{nullptr, 1});
      if (v.nulls[0]) return;
      Datum array = make_bytes(arena, v.values[0].as_view());
      ArrayView view(array);
      std::vector<Datum> items;
      for (int i = 0; i < view.count(); ++i)
        if (!view.is_null(i) && fit(c.key_type, view.get(i)) == Fit::kInside) items.push_back(view.get(i));
      Oid collation = index.keys[column].collation;
      std::sort(items.begin(), items.end(), [&](Datum a, Datum b) { return c.key_type.ops->compare(a, b, collation) < 0; });
      items.erase(std::unique(items.begin(), items.end(), [&](Datum a, Datum b) { return c.key_type.ops->compare(a, b, collation) == 0; }), items.end());
      if (index.keys[column].descending) std::reverse(items.begin(), items.end());
      std::vector<std::vector<NullableDatum>> more;
      for (auto& p : prefixes)
        for (Datum d : items) {
          more.push_back(p);
          more.back().push_back({d, false});
        }
      prefixes = std::move(more);
      ++at;
    } else {
      for (; at < conds_.size() && static_cast<size_t>(conds_[at].cond.column) == column; ++at) {
        Cond& r = conds_[at];
        if (r.cond.strategy == IndexStrategy::kIsNotNull) { not_null = true; continue; }
        NullableDatum v = value_of(r);
        if (v.is_null) return;
        if (r.cond.strategy == IndexStrategy::kPrefix) {
          std::string end(v.value.as_view());
          lower = rows::KeyBound{v, true};
          while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xff) end.pop_back();
          if (!end.empty()) {
            ++end.back();
            upper = rows::KeyBound{{make_bytes(arena, end), false}, false};
          }
          continue;
        }
        Fit where = fit(r.key_type, v.value);
        bool is_less = r.cond.strategy == IndexStrategy::kLess || r.cond.strategy == IndexStrategy::kLessEqual;
        if (where != Fit::kInside) {
          if ((where == Fit::kBelow) == is_less) return;
          not_null = true;
          continue;
        }
        bool inclusive = r.cond.strategy == IndexStrategy::kLessEqual || r.cond.strategy == IndexStrategy::kGreaterEqual;
        (is_less ? upper : lower) = rows::KeyBound{v, inclusive};
      }
      break;
    }
  }
  for (auto& p : prefixes) out.push_back(rows::key_range(index, p, lower ? &*lower : nullptr, upper ? &*upper : nullptr, not_null));
}

}  // namespace stele::query

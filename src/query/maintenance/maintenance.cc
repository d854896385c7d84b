// ANALYZE, index builds, rewrites and constraint validation.
#include "base/clock.h"
#include "base/error.h"
#include "query/dml/foreign_keys.h"
#include "query/dml/writer.h"
#include "rows/build.h"
#include "types/oids.h"

namespace stele::query {

namespace {
ExecState local_state(ExecContext& ctx) {
  ExecState s;
  s.ctx = &ctx;
  s.eval = ctx.eval;
  return s;
}
void interrupts(ExecContext& ctx) { if (ctx.eval->check_interrupts) ctx.eval->check_interrupts(); }
constexpr size_t kSampleRows = 30000;
}  // namespace

void analyze_relation(Oid relation, ExecContext& ctx) {
  auto state = ctx.catalog->state();
  auto table = state->relation(relation);
  if (!table || (table->relkind != 'r' && table->relkind != 'm')) return;
  rows::TableAccess access(shared_table(table, *state), *ctx.txn, nullptr, ctx.eval);
  auto& format = access.table().format();
  storage::ReadView view{ctx.txn->statement_snapshot(), UINT32_MAX};
  // A reservoir of whole rows, as bytes.
  std::vector<std::string> sample;
  Random random(relation);
  double rows = 0, bytes = 0;
  for (auto c = access.scan(view); c.valid(); c.next()) {
    rows += 1;
    bytes += static_cast<double>(c.bytes().size()) + 28;
    if (static_cast<uint64_t>(rows) % 4096 == 0) interrupts(ctx);
    if (sample.size() < kSampleRows) { sample.emplace_back(c.bytes()); continue; }
    uint64_t at = random.below(static_cast<uint64_t>(rows));
    if (at < kSampleRows) sample[at] = c.bytes();
  }
  auto out = std::make_shared<catalog::RelationStatistics>();
  if (auto old = state->statistics(relation)) *out = *old;
  out->columns.clear();
  out->rows = rows;
  out->pages = std::ceil(bytes / 8192);
  out->last_analyze_us = ctx.eval->clock_us ? ctx.eval->clock_us() : ctx.eval->now_us;
  Arena arena;
  for (size_t i = 0; i < table->columns.size(); ++i) {
    auto& col = table->columns[i];
    if (col.dropped || sample.empty()) continue;
    arena.reset();
    TypeInfo t = type_info(col.type, ctx);
    auto& type = format.type(i);
    std::vector<std::pair<Datum, size_t>> values;
    double nulls = 0, width = 0;
    for (size_t r = 0; r < sample.size(); ++r) {
      NullableDatum d = format.decode(sample[r], i, arena);
      if (d.is_null) { nulls += 1; continue; }
      values.emplace_back(d.value, r);
      width += t.by_value ? 8 : static_cast<double>(d.value.as_varlena()->size) + 1;
    }
    double n = static_cast<double>(sample.size());
    catalog::ColumnStatistics s;
    s.null_fraction = nulls / n;
    s.average_width = values.empty() ? 8 : width / static_cast<double>(values.size());
    if (t.by_value) s.average_width = std::max(1, static_cast<int>(type.width));
    if (t.ops->compare != nullptr && !values.empty()) {
      std::sort(values.begin(), values.end(), [&](auto& a, auto& b) {
        int c = t.ops->compare(a.first, b.first, col.collation);
        return c != 0 ? c < 0 : a.second < b.second;
      });
      struct Track { size_t first, count; };
      std::vector<Track> groups;
      for (size_t k = 0; k < values.size();) {
        size_t e = k + 1;
        while (e < values.size() && t.ops->compare(values[e].first, values[k].first, col.collation) == 0) ++e;
        groups.push_back({k, e - k});
        k = e;
      }
      double d = static_cast<double>(groups.size()), m = static_cast<double>(values.size()), once = 0;
      for (auto& g : groups) once += g.count == 1 ? 1 : 0;
      double live = rows * (1 - s.null_fraction);
      double distinct;
      if (once == 0) distinct = d;
      else if (once == d) distinct = live;
      else {
        // Haas and Stokes' estimator, as in PostgreSQL's ANALYZE.
        double f = m - once + once * m / std::max(1.0, live);
        distinct = f > 0 ? m * d / f : d;
      }
      distinct = std::clamp(std::round(distinct), d, std::max(d, live));
      s.distinct = distinct > 0.1 * rows ? -distinct / std::max(1.0, rows) : distinct;
      int target = col.statistics_target >= 0 ? col.statistics_target : 100;
      std::vector<Track> common;
      bool all_fit = d <= target && once < d && static_cast<double>(sample.size()) >= rows;
      double average = m / d;
      for (auto& g : groups) if (g.count > 1 && (all_fit || static_cast<double>(g.count) > 1.25 * average)) common.push_back(g);
      if (d <= target && once == 0) common = groups;
      std::sort(common.begin(), common.end(), [](auto& a, auto& b) { return a.count != b.count ? a.count > b.count : a.first < b.first; });
      if (static_cast<int>(common.size()) > target) common.resize(static_cast<size_t>(target));
      std::set<size_t> in_common;
      for (auto& g : common) {
        s.most_common.emplace_back(rows::encode_value(type, values[g.first].first), static_cast<double>(g.count) / n);
        in_common.insert(g.first);
      }
      std::vector<Datum> rest;
      for (auto& g : groups)
        if (!in_common.contains(g.first)) for (size_t k = 0; k < g.count; ++k) rest.push_back(values[g.first + k].first);
      if (rest.size() >= 2 && groups.size() - common.size() >= 2) {
        size_t bounds = std::min<size_t>(static_cast<size_t>(target) + 1, rest.size());
        for (size_t k = 0; k < bounds; ++k) s.histogram.push_back(rows::encode_value(type, rest[k * (rest.size() - 1) / (bounds - 1)]));
      }
      double sum_xy = 0, sum_x = 0, sum_x2 = 0;
      for (size_t k = 0; k < values.size(); ++k) {
        double x = static_cast<double>(k), y = static_cast<double>(values[k].second);
        sum_xy += x * y;
        sum_x += x;
        sum_x2 += x * x;
      }
      double var = m * sum_x2 - sum_x * sum_x;
      if (var > 0 && values.size() == sample.size()) s.correlation = (m * sum_xy - sum_x * sum_x) / var;
    } else if (!values.empty()) {
      s.distinct = -1;
    }
    out->columns[col.number] = std::move(s);
  }
  ctx.catalog->put_statistics(relation, out);
}

void build_index(Oid index, ExecContext& ctx) {
  auto state = ctx.catalog->state();
  auto rel = state->relation(index);
  if (!rel || !rel->index) throw Error(ErrorCode::kUndefinedObject, fmt::format("index with OID {} does not exist", index));
  auto table = state->relation(rel->index->table);
  if (!table || table->relkind == 'p') return;
  IndexExpressions evaluator(table, ctx);
  rows::TableAccess access(shared_table(table, *state), *ctx.txn, &evaluator, ctx.eval);
  const rows::IndexDef* def = access.table().index(index);
  rows::IndexDef own;
  if (def == nullptr) {
    if (rel->index->method != "btree" && rel->index->method != "hash") return;   // kept by observers
    own = rows::make_index_def(rel, *table, *state);
    def = &own;
  }
  storage::ReadView newest{nullptr, UINT32_MAX};
  rows::build_index(access, *def, newest, *ctx.txn, [&] { interrupts(ctx); });
}

void rewrite_table(const catalog::Relation& from, catalog::Relation& to, const std::vector<ExprPtr>& columns, ExecContext& ctx) {
  auto state = ctx.catalog->state();
  auto old_table = std::make_shared<catalog::Relation>(from);
  auto new_table = std::make_shared<catalog::Relation>(to);
  ExecState exec = local_state(ctx);
  rows::TableAccess source(rows::Table::make(old_table, *state), *ctx.txn, nullptr, ctx.eval);
  IndexExpressions evaluator(new_table, ctx);
  rows::TableAccess target(rows::Table::make(new_table, *state), *ctx.txn, &evaluator, ctx.eval);
  std::vector<Datum> values(from.columns.size());
  std::vector<uint8_t> nulls(from.columns.size());
  std::vector<Vec> vecs;
  Layout layout;
  for (size_t i = 0; i < from.columns.size(); ++i) {
    vecs.push_back({&values[i], &nulls[i]});
    auto v = std::make_shared<VarExpr>();
    v->relation = 1;
    v->column = static_cast<int16_t>(i + 1);
    layout.add(v);
  }
  CompileEnv env;
  env.layout = &layout;
  env.state = &exec;
  std::vector<EvalPtr> nodes;
  for (auto& e : columns) nodes.push_back(e ? compile(e, env) : nullptr);
  Arena arena;
  std::vector<NullableDatum> old_row(from.columns.size()), row(to.columns.size());
  storage::ReadView newest{nullptr, UINT32_MAX};
  auto loader = rows::make_bulk_loader(target, *ctx.txn);
  // The cursor shows the rows as of now: inserts below go elsewhere.
  uint64_t n = 0;
  for (auto c = source.scan(newest); c.valid(); c.next()) {
    if (++n % 1024 == 0) interrupts(ctx);
    arena.reset();
    source.table().format().decode_all(c.bytes(), old_row.data(), arena);
    for (size_t i = 0; i < old_row.size(); ++i) { values[i] = old_row[i].value; nulls[i] = old_row[i].is_null ? 1 : 0; }
    Frame f{vecs.data(), 1, &arena, &exec};
    for (size_t i = 0; i < row.size(); ++i) {
      if (i >= nodes.size() || !nodes[i]) { row[i] = i < old_row.size() && !to.columns[i].dropped ? old_row[i] : NullableDatum{}; continue; }
      const Vec& v = nodes[i]->eval(f, Sel{nullptr, 1});
      row[i] = {v.values[0], v.nulls[0] != 0};
      if (row[i].is_null && to.columns[i].not_null)
        throw Error(ErrorCode::kNotNullViolation, fmt::format("column \"{}\" of relation \"{}\" contains null values", to.columns[i].name, to.name)).names(schema_name(to, ctx), to.name, to.columns[i].name);
    }
    loader->add(row);
  }
  try {
    loader->finish();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kUniqueViolation || !e.context().starts_with(rows::kLoadedRow)) throw;
    std::string detail = e.detail();
    if (size_t at = detail.rfind(" already exists."); at != std::string::npos) detail.replace(at, std::string::npos, " is duplicated.");
    throw Error(ErrorCode::kUniqueViolation, fmt::format("could not create unique index \"{}\"", e.constraint_name())).detail(detail).names(schema_name(to, ctx), to.name, {}, {}, e.constraint_name());
  }
}

void validate_constraint(const catalog::Relation& table, const catalog::Constraint& constraint, ExecContext& ctx) {
  auto state = ctx.catalog->state();
  auto current = state->relation(table.oid);
  auto rel = current ? current : std::make_shared<const catalog::Relation>(table);
  rows::TableAccess access(rows::Table::make(rel, *state), *ctx.txn, nullptr, ctx.eval);
  Arena arena, scratch;
  std::vector<NullableDatum> row(rel->columns.size());
  ExprPtr check;
  if (constraint.kind == catalog::ConstraintKind::kCheck) check = ctx.bind_expression(*rel, constraint.check_sql, oid::kBool);
  storage::ReadView newest{nullptr, UINT32_MAX};
  uint64_t n = 0;
  for (auto c = access.scan(newest); c.valid(); c.next()) {
    if (++n % 1024 == 0) interrupts(ctx);
    arena.reset();
    access.table().format().decode_all(c.bytes(), row.data(), arena);
    switch (constraint.kind) {
      case catalog::ConstraintKind::kNotNull: case catalog::ConstraintKind::kPrimary:
        for (int16_t col : constraint.columns)
          if (row[static_cast<size_t>(col - 1)].is_null)
            throw Error(ErrorCode::kNotNullViolation, fmt::format("column \"{}\" of relation \"{}\" contains null values", rel->column(col)->name, rel->name)).names(schema_name(*rel, ctx), rel->name, rel->column(col)->name);
        break;
      case catalog::ConstraintKind::kCheck: {
        scratch.reset();
        NullableDatum v = evaluate_row(check, row, ctx, scratch);
        if (!v.is_null && !v.value.as_bool())
          throw Error(ErrorCode::kCheckViolation, fmt::format("check constraint \"{}\" of relation \"{}\" is violated by some row", constraint.name, rel->name)).names(schema_name(*rel, ctx), rel->name, {}, {}, constraint.name);
        break;
      }
      case catalog::ConstraintKind::kForeignKey: check_reference(*rel, constraint, row, ctx); break;
      default: break;
    }
  }
}

}  // namespace stele::query

#include "query/dml/exclusion.h"

#include "query/dml/foreign_keys.h"
#include "query/rewrite.h"
#include "types/builtin.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::query {

namespace {
const storage::ReadView kNewest{nullptr, UINT32_MAX};
}

ExclusionCheck::ExclusionCheck(std::shared_ptr<const catalog::Relation> table, const catalog::Constraint& c, ExecContext& ctx)
    : table_(std::move(table)), constraint_(c), ctx_(ctx) {
  state_.ctx = &ctx;
  state_.eval = ctx.eval;
  auto catalog = ctx.catalog->state();
  index_ = catalog->relation(c.index);
  const size_t n = table_->columns.size();
  values_.resize(2 * n);
  nulls_.resize(2 * n);
  reads_.resize(n);
  Layout layout;
  for (int side = 1; side <= 2; ++side)
    for (size_t i = 0; i < n; ++i) {
      auto v = std::make_shared<VarExpr>();
      v->relation = side;
      v->column = static_cast<int16_t>(i + 1);
      layout.add(v);
    }
  for (size_t i = 0; i < 2 * n; ++i) vecs_.push_back({&values_[i], &nulls_[i]});
  CompileEnv env;
  env.layout = &layout;
  env.state = &state_;
  auto add = [&](const ExprPtr& e) {
    owners_.push_back(e);
    return compile(e, env);
  };
  bool leading = true;
  for (size_t k = 0; k < index_->index->keys.size(); ++k) {
    const auto& key = index_->index->keys[k];
    ExprPtr first;
    if (key.column != 0) {
      auto v = std::make_shared<VarExpr>();
      v->relation = 1;
      v->column = key.column;
      v->type = key.type;
      v->typmod = key.typmod;
      v->collation = key.collation;
      first = v;
      reads_[static_cast<size_t>(key.column - 1)] = true;
    } else {
      first = ctx.bind_expression(*table_, key.expression_sql, key.type);
      reads_.assign(n, true);
    }
    keys_.push_back(add(first));
    auto op = std::make_shared<OpExpr>();
    op->op = c.equality_operators[k];
    op->type = oid::kBool;
    op->input_collation = key.collation;
    bool equal = false;
    if (const BuiltinOperator* b = builtin::op(op->op)) {
      op->func = b->proc;
      equal = b->name == "=" && b->left == key.type && b->right == key.type;
    } else if (auto u = catalog->get_as<catalog::Operator>(catalog::ObjectKind::kOperator, op->op)) {
      op->func = u->proc;
    }
    leading = leading && equal;
    equality_.push_back(leading);
    op->args = {first, offset_relations(first, 1)};
    conditions_.push_back(add(op));
  }
  if (!index_->index->predicate_sql.empty()) {
    ExprPtr p = ctx.bind_expression(*table_, index_->index->predicate_sql, oid::kBool);
    predicate_[0] = add(p);
    predicate_[1] = add(offset_relations(p, 1));
    reads_.assign(n, true);
  }
}

void ExclusionCheck::load(size_t side, std::span<const NullableDatum> row) {
  const size_t from = side * table_->columns.size();
  for (size_t i = 0; i < row.size(); ++i) {
    values_[from + i] = row[i].value;
    nulls_[from + i] = row[i].is_null ? 1 : 0;
  }
}

NullableDatum ExclusionCheck::eval(EvalNode& node) {
  Frame f{vecs_.data(), 1, &arena_, &state_};
  const Vec& v = node.eval(f, Sel{nullptr, 1});
  return {v.values[0], v.nulls[0] != 0};
}

bool ExclusionCheck::concerned(std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row, const std::vector<TypeInfo>& types) const {
  for (size_t i = 0; i < reads_.size() && i < old_row.size(); ++i) {
    if (!reads_[i]) continue;
    const NullableDatum &a = old_row[i], &b = new_row[i];
    if (a.is_null != b.is_null) return true;
    if (a.is_null || a.value.bits == b.value.bits) continue;
    if (types[i].by_value || a.value.as_view() != b.value.as_view()) return true;
  }
  return false;
}

std::optional<uint64_t> ExclusionCheck::find(std::span<const NullableDatum> row, uint64_t own, rows::TableAccess& access, std::vector<NullableDatum>* other) {
  arena_.reset();
  load(0, row);
  auto holds = [&](EvalNode& node) {
    NullableDatum v = eval(node);
    return !v.is_null && v.value.as_bool();
  };
  if (predicate_[0] && !holds(*predicate_[0])) return std::nullopt;
  std::vector<NullableDatum> key;
  for (size_t k = 0; k < keys_.size(); ++k) {
    NullableDatum v = eval(*keys_[k]);
    if (v.is_null) return std::nullopt;
    if (equality_[k]) key.push_back(v);
  }
  const std::string lock = "exclusion/" + std::to_string(constraint_.oid);
  if (ctx_.txn->lock({storage::LockKind::kObject, lock}, storage::LockMode::kExclusive, ctx_.wait) == storage::LockOutcome::kWouldBlock)
    throw Error(ErrorCode::kLockNotAvailable, fmt::format("could not obtain lock on relation \"{}\"", table_->name));
  other->assign(table_->columns.size(), {});
  auto excludes = [&](uint64_t id, std::string_view bytes) {
    if (id == own) return false;
    rows_.reset();
    access.table().format().decode_all(bytes, other->data(), rows_);
    load(1, *other);
    if (predicate_[1] && !holds(*predicate_[1])) return false;
    for (auto& c : conditions_)
      if (!holds(*c)) return false;
    return true;
  };
  // An ordered index finds what is equal in its leading keys.
  if (const rows::IndexDef* index = key.empty() ? nullptr : access.table().index(constraint_.index); index != nullptr && index->relation->index->valid) {
    std::string bytes;
    for (auto c = access.index_scan(*index, rows::key_range(*index, key, nullptr, nullptr), kNewest); c.valid(); c.next()) {
      const uint64_t id = c.row_id();
      if (access.fetch(id, kNewest, &bytes) && excludes(id, bytes)) return id;
    }
    return std::nullopt;
  }
  size_t seen = 0;
  for (auto c = access.scan(kNewest); c.valid(); c.next()) {
    if ((++seen & 0xfff) == 0 && ctx_.eval->check_interrupts) ctx_.eval->check_interrupts();
    if (excludes(c.row_id(), c.bytes())) return c.row_id();
  }
  return std::nullopt;
}

std::string ExclusionCheck::keys_text(std::span<const NullableDatum> row) {
  std::string out = "(";
  load(0, row);
  for (size_t k = 0; k < keys_.size(); ++k) {
    if (k > 0) out += ", ";
    NullableDatum v = eval(*keys_[k]);
    if (v.is_null) out += "null";
    else type_output(index_->index->keys[k].type, v.value, out, *ctx_.eval);
  }
  return out + ")";
}

void ExclusionCheck::check(std::span<const NullableDatum> row, uint64_t own, rows::TableAccess& access, bool existing) {
  std::vector<NullableDatum> other;
  if (!find(row, own, access, &other)) return;
  std::string names = "(";
  for (size_t k = 0; k < index_->index->keys.size(); ++k) {
    const auto& key = index_->index->keys[k];
    std::string text = key.column != 0 ? table_->column(key.column)->name : key.expression_sql;
    names += (k > 0 ? ", " : "") + text;
  }
  names += ")";
  const std::string mine = keys_text(row), theirs = keys_text(other);
  if (existing)
    throw Error(ErrorCode::kExclusionViolation, fmt::format("could not create exclusion constraint \"{}\"", constraint_.name))
        .detail(fmt::format("Key {}={} conflicts with key {}={}.", names, mine, names, theirs)).names(schema_name(*table_, ctx_), table_->name, {}, {}, constraint_.name);
  throw Error(ErrorCode::kExclusionViolation, fmt::format("conflicting key value violates exclusion constraint \"{}\"", constraint_.name))
      .detail(fmt::format("Key {}={} conflicts with existing key {}={}.", names, mine, names, theirs)).names(schema_name(*table_, ctx_), table_->name, {}, {}, constraint_.name);
}

void validate_exclusion(const std::shared_ptr<const catalog::Relation>& table, const catalog::Constraint& c, ExecContext& ctx) {
  auto catalog = ctx.catalog->state();
  rows::TableAccess access(shared_table(table, *catalog), *ctx.txn, nullptr, ctx.eval);
  ExclusionCheck check(table, c, ctx);
  Arena arena;
  std::vector<NullableDatum> row(table->columns.size());
  for (auto cursor = access.scan(kNewest); cursor.valid(); cursor.next()) {
    arena.reset();
    const std::string bytes(cursor.bytes());
    access.table().format().decode_all(bytes, row.data(), arena);
    check.check(row, cursor.row_id(), access, true);
  }
}

}  // namespace stele::query

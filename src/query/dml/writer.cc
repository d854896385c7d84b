#include "query/dml/writer.h"

#include "base/error.h"
#include "query/dml/foreign_keys.h"
#include "query/dml/routed.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::query {

namespace {
constexpr int kRowTrigger = 1, kBefore = 2, kInsertEvent = 4, kDeleteEvent = 8, kUpdateEvent = 16;

// The rows layer does not know schema names.
[[noreturn]] void rethrow_unique(const Error& e, const catalog::Relation& table, ExecContext& ctx) {
  Error copy = e;
  throw std::move(copy).names(schema_name(table, ctx), table.name, {}, {}, e.constraint_name());
}

struct ReferenceCache {
  const catalog::State* state = nullptr;
  uint64_t version = 0;
  std::multimap<Oid, ForeignKeyRef> refs;
};
}  // namespace

std::vector<ForeignKeyRef> referencing(const catalog::State& state, Oid relation) {
  static std::mutex mutex;
  static ReferenceCache cache;
  std::lock_guard lock(mutex);
  if (cache.state != &state || cache.version != state.version()) {
    cache.refs.clear();
    state.for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
      auto r = std::static_pointer_cast<const catalog::Relation>(o);
      if (r->partitioning) return;
      for (auto& c : r->constraints)
        if (c.kind == catalog::ConstraintKind::kForeignKey) cache.refs.emplace(c.referenced, ForeignKeyRef{r, &c, nullptr});
    });
    cache.state = &state;
    cache.version = state.version();
  }
  std::vector<ForeignKeyRef> out;
  auto [a, b] = cache.refs.equal_range(relation);
  for (auto it = a; it != b; ++it) out.push_back(it->second);
  auto self = state.relation(relation);
  if (!self || !self->bound) return out;
  for (auto& above : partition_ancestors(state, *self)) {
    const auto positions = attribute_map(*above, *self);
    auto [c, d] = cache.refs.equal_range(above->oid);
    for (auto it = c; it != d; ++it) {
      auto own = std::make_shared<catalog::Constraint>(*it->second.constraint);
      for (int16_t& column : own->referenced_columns) column = positions[static_cast<size_t>(column - 1)];
      out.push_back({it->second.table, own.get(), own});
    }
  }
  return out;
}

ExprPtr column_default(const catalog::Relation& table, const catalog::Column& column, ExecContext& ctx) {
  if (column.identity != catalog::Identity::kNone) {
    Oid sequence = 0;
    ctx.catalog->state()->for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
      auto& r = static_cast<const catalog::Relation&>(*o);
      if (r.relkind == 'S' && r.sequence && r.sequence->owner_table == table.oid && r.sequence->owner_column == column.number && r.sequence->identity) sequence = r.oid;
    });
    if (sequence == 0) throw Error(ErrorCode::kInternalError, fmt::format("no owned sequence found for identity column \"{}\"", column.name));
    auto arg = std::make_shared<ConstExpr>();
    arg->type = oid::kRegclass;
    arg->value = Datum::from_oid(sequence);
    auto next = std::make_shared<FuncExpr>();
    next->func = 1574;   // nextval(regclass)
    next->type = oid::kInt8;
    next->args = {arg};
    if (column.type == oid::kInt8) return next;
    auto cast = std::make_shared<FuncExpr>();
    cast->func = column.type == oid::kInt2 ? 714 : 480;
    cast->type = column.type;
    cast->args = {next};
    return cast;
  }
  if (column.generated) return nullptr;
  if (column.default_sql.empty()) {
    // A domain or a base type may bring a default of its own.
    auto t = column.type >= oid::kFirstUserOid ? ctx.catalog->state()->type(column.type) : nullptr;
    return t && (t->typtype == 'd' || t->like != 0) && !t->default_sql.empty() ? ctx.bind_expression(table, t->default_sql, column.type) : nullptr;
  }
  return ctx.bind_expression(table, column.default_sql, column.type);
}

struct WriterImpl::Pending {
  struct Reference { const catalog::Constraint* fk; OwnedRow row; };
  struct Action { ForeignKeyRef ref; OwnedRow old_row, new_row; };
  struct AfterTrigger { int bits; OwnedRow old_row, new_row; };
  std::vector<Reference> references;
  std::vector<Action> actions;
  std::vector<AfterTrigger> triggers;
  std::vector<std::function<void()>> checks;   // of deferrable exclusion constraints
};

std::unique_ptr<TableWriter> TableWriter::open(Oid relation, ExecContext& ctx) {
  auto table = ctx.catalog->state()->relation(relation);
  if (!table) throw Error(ErrorCode::kUndefinedTable, fmt::format("relation with OID {} does not exist", relation));
  if (table->partitioning) return std::make_unique<RoutedWriter>(std::move(table), ctx);
  return std::make_unique<WriterImpl>(std::move(table), ctx);
}

std::unique_ptr<TableWriter> TableWriter::open_bulk(Oid relation, ExecContext& ctx) {
  auto table = ctx.catalog->state()->relation(relation);
  if (!table || table->relkind != 'r' || table->persistence == 't') return nullptr;
  auto writer = std::make_unique<WriterImpl>(std::move(table), ctx);
  if (!writer->start_bulk()) return nullptr;
  return writer;
}

void WriterImpl::start_bulk_if_new() {
  // With an index, rows that something else writes beside this (a function, say) could be doubled unseen.
  if (loader_ || table_->persistence == 't' || !access_->table().indexes().empty() || !incoming_.empty()) return;
  const auto committed = ctx_.engine->catalog->state()->relation(table_->oid);
  if (committed == nullptr || committed->storage_id != table_->storage_id) start_bulk();
}

bool WriterImpl::start_bulk() {
  if (trigger_bits_ != 0 || !foreign_.empty() || !exclusions_.empty()) return false;
  loader_ = rows::make_bulk_loader(*access_, *ctx_.txn);
  return true;
}

WriterImpl::WriterImpl(std::shared_ptr<const catalog::Relation> table, ExecContext& ctx) : table_(std::move(table)), ctx_(ctx), pending_(std::make_unique<Pending>()) {
  state_.ctx = &ctx;
  state_.eval = ctx.eval;
  catalog_ = ctx.catalog->state();
  evaluator_ = std::make_unique<IndexExpressions>(table_, ctx);
  access_ = std::make_unique<rows::TableAccess>(shared_table(table_, *catalog_), *ctx.txn, evaluator_.get(), ctx.eval);
  size_t n = table_->columns.size();
  values_.resize(n);
  nulls_.resize(n);
  key_columns_.resize(n + 1);
  for (size_t i = 0; i < n; ++i) {
    vecs_.push_back({&values_[i], &nulls_[i]});
    types_.push_back(type_info(table_->columns[i].dropped ? oid::kInt4 : table_->columns[i].type, ctx));
    if (table_->columns[i].not_null && !table_->columns[i].dropped) not_null_.push_back(static_cast<int16_t>(i));
  }
  for (auto& c : table_->constraints)
    if (c.kind == catalog::ConstraintKind::kForeignKey) foreign_.push_back(&c);
    else if (c.kind == catalog::ConstraintKind::kExclusion) exclusions_.push_back(std::make_shared<ExclusionCheck>(table_, c, ctx));
  incoming_ = referencing(*catalog_, table_->oid);
  for (auto& ix : access_->table().indexes())
    if (ix.unique && !ix.partial && !ix.has_expressions) for (auto& k : ix.keys) key_columns_[static_cast<size_t>(k.column)] = true;
  for (Oid t : table_->triggers)
    if (auto tr = catalog_->get_as<catalog::Trigger>(catalog::ObjectKind::kTrigger, t); tr && tr->enabled != 'D') {
      trigger_bits_ |= 1 << 16 | tr->type;
      before_insert_ |= (tr->type & (kRowTrigger | kBefore | kInsertEvent)) == (kRowTrigger | kBefore | kInsertEvent);
      row_triggers_ |= (tr->type & kRowTrigger) != 0 && (tr->type & kBefore) == 0;
      transitions_ |= !tr->old_table.empty() || !tr->new_table.empty();
    }
  compile_exprs();
  if (table_->bound)
    if (auto parent = catalog_->relation(table_->parents[0])) above_ = std::make_unique<PartitionRouter>(parent, ctx_);
}
WriterImpl::~WriterImpl() = default;

void WriterImpl::begin_insert() {
  statement_insert_ = true;
  fire_statement(kBefore | kInsertEvent);
}

void WriterImpl::capture_for(WriterImpl& root) {
  if (!root.transitions_) return;
  root_ = &root;
  from_root_ = attribute_map(root.table(), *table_);
}

// A child's change, in the form of this table's rows.
void WriterImpl::capture(int event, const OwnedRowPtr& old_row, const OwnedRowPtr& new_row) {
  if ((trigger_bits_ & event) == 0) return;
  auto& t = transition_rows_[event == kInsertEvent ? 0 : event == kUpdateEvent ? 1 : 2];
  if (old_row) t.old_rows.push_back(old_row);
  if (new_row) t.new_rows.push_back(new_row);
}

void WriterImpl::fail_partition(std::span<const NullableDatum> row) {
  throw Error(ErrorCode::kCheckViolation, fmt::format("new row for relation \"{}\" violates partition constraint", table_->name))
      .detail(failing_row(row)).names(schema_name(*table_, ctx_), table_->name);
}

void WriterImpl::compile_exprs() {
  Layout layout;
  for (size_t i = 0; i < table_->columns.size(); ++i) {
    auto v = std::make_shared<VarExpr>();
    v->relation = 1;
    v->column = static_cast<int16_t>(i + 1);
    layout.add(v);
  }
  CompileEnv env;
  env.layout = &layout;
  env.state = &state_;
  auto add = [&](const ExprPtr& e) {
    owners_.push_back(e);
    return compile(e, env);
  };
  defaults_.resize(table_->columns.size());
  generated_.resize(table_->columns.size());
  for (size_t i = 0; i < table_->columns.size(); ++i) {
    auto& c = table_->columns[i];
    if (c.dropped) continue;
    if (c.generated) generated_[i] = add(ctx_.bind_expression(*table_, c.default_sql, c.type));
    else if (!c.default_sql.empty() || c.identity != catalog::Identity::kNone) {
      if (ExprPtr e = column_default(*table_, c, ctx_)) defaults_[i] = add(e);
    } else if (ctx_.eval->catalog != nullptr && c.type >= oid::kFirstUserOid) {
      // A domain may bring a default of its own.
      auto t = catalog_->type(c.type);
      if (t && (t->typtype == 'd' || t->like != 0) && !t->default_sql.empty()) defaults_[i] = add(ctx_.bind_expression(*table_, t->default_sql, c.type));
    }
  }
  for (auto& c : table_->constraints)
    if (c.kind == catalog::ConstraintKind::kCheck) {
      ExprPtr e = ctx_.bind_expression(*table_, c.check_sql, oid::kBool);
      checks_.push_back({c.name, compile(e, env), e});
    }
  std::sort(checks_.begin(), checks_.end(), [](auto& a, auto& b) { return a.name < b.name; });
}

bool WriterImpl::plain() const { return trigger_bits_ == 0 && exclusions_.empty() && foreign_.empty() && incoming_.empty(); }

void WriterImpl::load(std::span<const NullableDatum> row) {
  for (size_t i = 0; i < values_.size(); ++i) {
    values_[i] = row[i].value;
    nulls_[i] = row[i].is_null ? 1 : 0;
  }
}
NullableDatum WriterImpl::eval(EvalNode& node, Arena& arena) {
  Frame f{vecs_.data(), 1, &arena, &state_};
  const Vec& v = node.eval(f, Sel{nullptr, 1});
  return {v.values[0], v.nulls[0] != 0};
}

std::string WriterImpl::failing_row(std::span<const NullableDatum> row) {
  std::string out = "Failing row contains (";
  bool first = true;
  for (size_t i = 0; i < row.size(); ++i) {
    if (table_->columns[i].dropped) continue;
    if (!first) out += ", ";
    first = false;
    if (row[i].is_null) { out += "null"; continue; }
    std::string text;
    type_output(table_->columns[i].type, row[i].value, text, *ctx_.eval);
    if (text.size() > 64) {
      size_t cut = 64;
      while (cut > 0 && (static_cast<uint8_t>(text[cut]) & 0xc0) == 0x80) --cut;
      text = text.substr(0, cut) + "...";
    }
    out += text;
  }
  return out + ").";
}

void WriterImpl::compute_generated(std::vector<NullableDatum>& row) {
  for (size_t i = 0; i < generated_.size(); ++i) {
    if (!generated_[i]) continue;
    load(row);
    NullableDatum v = eval(*generated_[i], arena_);
    if (!v.is_null) v.value = copy_value(types_[i], v.value, arena_);
    row[i] = v;
  }
}

void WriterImpl::check_row(std::span<const NullableDatum> row) {
  for (int16_t i : not_null_) {
    if (!row[static_cast<size_t>(i)].is_null) continue;
    auto& c = table_->columns[static_cast<size_t>(i)];
    throw Error(ErrorCode::kNotNullViolation, fmt::format("null value in column \"{}\" of relation \"{}\" violates not-null constraint", c.name, table_->name))
        .detail(failing_row(row)).names(schema_name(*table_, ctx_), table_->name, c.name);
  }
  if (checks_.empty()) return;
  load(row);
  for (auto& c : checks_) {
    NullableDatum v = eval(*c.node, arena_);
    if (v.is_null || v.value.as_bool()) continue;
    throw Error(ErrorCode::kCheckViolation, fmt::format("new row for relation \"{}\" violates check constraint \"{}\"", table_->name, c.name))
        .detail(failing_row(row)).names(schema_name(*table_, ctx_), table_->name, {}, {}, c.name);
  }
}

bool WriterImpl::fire(int bits, const std::vector<NullableDatum>* old_row, std::vector<NullableDatum>* new_row) {
  if (trigger_bits_ == 0 || !ctx_.fire_trigger) return true;
  TriggerEvent e;
  e.table = table_.get();
  e.bits = bits;
  e.old_row = old_row;
  e.new_row = new_row;
  e.arena = &arena_;
  if ((bits & kUpdateEvent) != 0 && !assigned_.empty()) e.updated_columns = &assigned_;
  if (transitions_ && (bits & kBefore) == 0) {
    auto& t = transition_rows_[bits & kInsertEvent ? 0 : bits & kUpdateEvent ? 1 : 2];
    e.old_table = &t.old_rows;
    e.new_table = &t.new_rows;
  }
  return ctx_.fire_trigger(e);
}
void WriterImpl::fire_statement(int bits) { fire(bits, nullptr, nullptr); }

// Remembers a change for AFTER ROW triggers and transition tables.
void WriterImpl::note_change(int event, std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row) {
  if (root_ != nullptr) {
    auto mapped = [&](std::span<const NullableDatum> row) -> OwnedRow {
      if (row.empty()) return nullptr;
      OwnedRow mine = own_row(row, types_);
      auto out = std::make_shared<std::vector<NullableDatum>>();
      for (int16_t c : from_root_) out->push_back(c > 0 ? (*mine)[static_cast<size_t>(c - 1)] : NullableDatum{});
      struct Both { OwnedRow memory; std::shared_ptr<std::vector<NullableDatum>> row; };
      auto both = std::make_shared<Both>(Both{mine, out});
      return OwnedRow(both, both->row.get());
    };
    root_->capture(event, mapped(old_row), mapped(new_row));
  }
  if ((trigger_bits_ & event) == 0) return;
  OwnedRow o = old_row.empty() ? nullptr : own_row(old_row, types_), n = new_row.empty() ? nullptr : own_row(new_row, types_);
  if (transitions_) {
    auto& t = transition_rows_[event == kInsertEvent ? 0 : event == kUpdateEvent ? 1 : 2];
    if (o) t.old_rows.push_back(o);
    if (n) t.new_rows.push_back(n);
  }
  if (row_triggers_) pending_->triggers.push_back({kRowTrigger | event, o, n});
}

bool WriterImpl::prepare_insert(std::vector<NullableDatum>& row, std::span<const bool> given) {
  fill_defaults(row, given);
  return prepare_filled(row, false);
}

void WriterImpl::fill_defaults(std::vector<NullableDatum>& row, std::span<const bool> given) {
  for (size_t i = 0; i < row.size(); ++i) {
    if (i < given.size() && given[i]) continue;
    row[i] = {};
    if (!defaults_[i]) continue;
    NullableDatum v = eval(*defaults_[i], arena_);
    if (!v.is_null) {
      // The column's length or scale applies to its default too.
      if (table_->columns[i].typmod >= 0) v.value = apply_typmod(types_[i].base, v.value, table_->columns[i].typmod, false, arena_, *ctx_.eval);
      v.value = copy_value(types_[i], v.value, arena_);
    }
    row[i] = v;
  }
}

bool WriterImpl::prepare_filled(std::vector<NullableDatum>& row, bool routed) {
  if (!fire(kRowTrigger | kBefore | kInsertEvent, nullptr, &row)) return false;
  if (above_ && before_insert_ && routed && !in_partition(*table_, row, ctx_, arena_, above_.get())) {
    std::string name;
    for (Oid t : table_->triggers)
      if (auto tr = catalog_->get_as<catalog::Trigger>(catalog::ObjectKind::kTrigger, t); tr && (tr->type & (kRowTrigger | kBefore | kInsertEvent)) == (kRowTrigger | kBefore | kInsertEvent) && (name.empty() || tr->name < name)) name = tr->name;
    throw Error(ErrorCode::kFeatureNotSupported, "moving row to another partition during a BEFORE FOR EACH ROW trigger is not supported")
        .detail(fmt::format("Before executing trigger \"{}\", the row was to be in partition \"{}.{}\".", name, schema_name(*table_, ctx_), table_->name));
  }
  compute_generated(row);
  check_row(row);
  if (above_ && !routed && !in_partition(*table_, row, ctx_, arena_, above_.get())) fail_partition(row);
  return true;
}

bool WriterImpl::same(size_t column, NullableDatum a, NullableDatum b) const {
  if (a.is_null || b.is_null) return a.is_null == b.is_null;
  if (a.value.bits == b.value.bits) return true;
  return !types_[column].by_value && a.value.as_view() == b.value.as_view();
}

std::optional<rows::UniqueConflict> WriterImpl::insert_prepared(const std::vector<NullableDatum>& row, bool on_conflict, std::span<const rows::IndexDef* const> arbiters, uint64_t* row_id) {
  if (loader_) {
    *row_id = loader_->add(row);
    return std::nullopt;
  }
  if (on_conflict) {
    std::vector<NullableDatum> other;
    for (auto& x : exclusions_)
      if (!x->constraint().deferrable)
        if (auto id = x->find(row, 0, *access_, &other)) return rows::UniqueConflict{nullptr, *id};
  }
  try {
    if (on_conflict) {
      auto conflict = access_->insert_unless_conflict(row, arbiters, row_id, ctx_.wait);
      if (conflict) return conflict;
    } else {
      *row_id = access_->insert(row, ctx_.wait);
    }
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kUniqueViolation && e.schema_name().empty()) rethrow_unique(e, *table_, ctx_);
    throw;
  }
  if (!exclusions_.empty()) check_exclusions(*row_id, row, {});
  if (!foreign_.empty()) queue_foreign_keys(row, nullptr);
  note_change(kInsertEvent, {}, row);
  return std::nullopt;
}

uint64_t WriterImpl::insert(std::span<const NullableDatum> in, std::span<const bool> given) {
  arena_.reset();
  std::vector<NullableDatum> row(in.begin(), in.end());
  row.resize(table_->columns.size());
  if (!prepare_insert(row, given)) return 0;
  if (loader_) return loader_->add(row);
  uint64_t id = 0;
  insert_prepared(row, false, {}, &id);
  return id;
}

bool WriterImpl::update_row(uint64_t row_id, std::span<const NullableDatum> old_row, std::vector<NullableDatum>& row) {
  return update_or_move(row_id, old_row, row, nullptr);
}
bool WriterImpl::update_or_move(uint64_t row_id, std::span<const NullableDatum> old_row, std::vector<NullableDatum>& row, bool* moves) {
  if (trigger_bits_ & kUpdateEvent) {
    std::vector<NullableDatum> old(old_row.begin(), old_row.end());
    if (!fire(kRowTrigger | kBefore | kUpdateEvent, &old, &row)) return false;
  }
  compute_generated(row);
  if (above_ && !in_partition(*table_, row, ctx_, arena_, above_.get())) {
    if (moves == nullptr) fail_partition(row);
    *moves = true;
    return false;
  }
  check_row(row);
  try {
    access_->update(row_id, old_row, row, ctx_.wait);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kUniqueViolation && e.schema_name().empty()) rethrow_unique(e, *table_, ctx_);
    throw;
  }
  if (!exclusions_.empty()) check_exclusions(row_id, row, old_row);
  if (!foreign_.empty()) queue_foreign_keys(row, old_row.data());
  if (!incoming_.empty()) queue_references(old_row, row.data());
  note_change(kUpdateEvent, old_row, row);
  return true;
}
void WriterImpl::update(uint64_t row_id, std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row) {
  arena_.reset();
  std::vector<NullableDatum> row(new_row.begin(), new_row.end());
  update_row(row_id, old_row, row);
}
bool WriterImpl::erase_row(uint64_t row_id, std::span<const NullableDatum> old_row, const NullableDatum* moved_to) {
  if (trigger_bits_ & kDeleteEvent) {
    std::vector<NullableDatum> old(old_row.begin(), old_row.end());
    if (!fire(kRowTrigger | kBefore | kDeleteEvent, &old, nullptr)) return false;
  }
  access_->erase(row_id, old_row);
  if (!incoming_.empty()) queue_references(old_row, moved_to);
  note_change(kDeleteEvent, old_row, {});
  return true;
}
void WriterImpl::erase(uint64_t row_id, std::span<const NullableDatum> old_row) {
  arena_.reset();
  erase_row(row_id, old_row);
}

bool WriterImpl::fetch_newest(uint64_t row_id, std::vector<NullableDatum>& row, Arena& arena, storage::Lsn* lsn) {
  std::string bytes;
  storage::ReadView latest{nullptr, UINT32_MAX};
  if (!access_->fetch(row_id, latest, &bytes, lsn)) return false;
  row.resize(table_->columns.size());
  access_->table().format().decode_all(bytes, row.data(), arena);
  return true;
}

storage::LockMode WriterImpl::key_strength(const std::vector<int16_t>& assigned) const {
  for (int16_t a : assigned) if (key_columns_[static_cast<size_t>(a)]) return storage::LockMode::kKeyWrite;
  return storage::LockMode::kNoKeyWrite;
}
storage::LockMode WriterImpl::update_strength(std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row) const {
  for (size_t i = 0; i < old_row.size(); ++i) if (key_columns_[i + 1] && !same(i, old_row[i], new_row[i])) return storage::LockMode::kKeyWrite;
  return storage::LockMode::kNoKeyWrite;
}

void WriterImpl::check_exclusions(uint64_t row_id, const std::vector<NullableDatum>& row, std::span<const NullableDatum> old_row) {
  for (auto& x : exclusions_) {
    if (!old_row.empty() && !x->concerned(old_row, row, types_)) continue;
    if (!x->constraint().deferrable) {
      x->check(row, row_id, *access_);
      continue;
    }
    // Checked when the statement or the transaction ends, against what the row is by then.
    auto later = [x, table = table_, row_id, ctx = &ctx_] {
      auto state = ctx->catalog->state();
      rows::TableAccess access(shared_table(table, *state), *ctx->txn, nullptr, ctx->eval);
      std::string bytes;
      if (!access.fetch(row_id, storage::ReadView{nullptr, UINT32_MAX}, &bytes)) return;
      Arena arena;
      std::vector<NullableDatum> now(table->columns.size());
      access.table().format().decode_all(bytes, now.data(), arena);
      ExclusionCheck(table, x->constraint(), *ctx).check(now, row_id, access);
    };
    if (constraint_deferred(x->constraint(), ctx_)) defer_check(x->constraint().oid, later, ctx_);
    else pending_->checks.push_back(later);
  }
}

void WriterImpl::queue_foreign_keys(std::span<const NullableDatum> row, const NullableDatum* old_row) {
  OwnedRow kept;
  for (auto* fk : foreign_) {
    bool any_null = false, all_null = true, changed = old_row == nullptr;
    for (int16_t c : fk->columns) {
      auto& v = row[static_cast<size_t>(c - 1)];
      any_null |= v.is_null;
      all_null &= v.is_null;
      if (old_row != nullptr && !same(static_cast<size_t>(c - 1), v, old_row[c - 1])) changed = true;
    }
    if (!changed || all_null || (any_null && fk->match == 's')) continue;
    if (!kept) kept = own_row(row, types_);
    if (constraint_deferred(*fk, ctx_)) {
      auto table = table_;
      ExecContext* ctx = &ctx_;
      // The row may have changed again by then: what counts is its state at commit, found by its key.
      defer_check(fk->oid, [table, fk, kept, ctx] { check_reference(*table, *fk, *kept, *ctx); }, ctx_);
      continue;
    }
    pending_->references.push_back({fk, kept});
  }
}

void WriterImpl::queue_references(std::span<const NullableDatum> old_row, const NullableDatum* new_row) {
  OwnedRow kept_old, kept_new;
  for (auto& ref : incoming_) {
    bool changed = new_row == nullptr, null = false;
    for (int16_t c : ref.constraint->referenced_columns) {
      size_t i = static_cast<size_t>(c - 1);
      null |= old_row[i].is_null;
      if (new_row != nullptr && !same(i, old_row[i], new_row[i])) changed = true;
    }
    if (!changed || null) continue;
    if (!kept_old) kept_old = own_row(old_row, types_);
    if (new_row != nullptr && !kept_new) kept_new = own_row(std::span<const NullableDatum>(new_row, old_row.size()), types_);
    char action = new_row != nullptr ? ref.constraint->on_update : ref.constraint->on_delete;
    if (action == 'a' && constraint_deferred(*ref.constraint, ctx_)) {
      auto table = table_;
      ExecContext* ctx = &ctx_;
      defer_check(ref.constraint->oid, [table, ref, kept_old, kept_new, ctx] { act_on_references(*table, ref, *kept_old, kept_new ? kept_new->data() : nullptr, *ctx); }, ctx_);
      continue;
    }
    pending_->actions.push_back({ref, kept_old, kept_new});
  }
}

void WriterImpl::finish() {
  struct Statement {   // AFTER STATEMENT triggers come last
    WriterImpl& w;
    void done() { if (std::exchange(w.statement_insert_, false)) w.fire_statement(kInsertEvent); }
  } statement{*this};
  if (loader_) {
    try {
      loader_->finish();
    } catch (const Error& e) {
      if (e.code() == ErrorCode::kUniqueViolation) rethrow_unique(e, *table_, ctx_);
      throw;
    }
    loader_.reset();
    return statement.done();
  }
  if (access_->has_deferred()) {
    Oid waits = 0;
    for (auto& c : table_->constraints)
      if ((c.kind == catalog::ConstraintKind::kUnique || c.kind == catalog::ConstraintKind::kPrimary) && constraint_deferred(c, ctx_)) waits = c.oid;
    const bool until_commit = waits != 0;
    if (!until_commit) {
      access_->check_deferred();
    } else {
      // An access of its own lives until the commit.
      struct Keeper {
        IndexExpressions evaluator;
        rows::TableAccess access;
        Keeper(const std::shared_ptr<const catalog::Relation>& t, const std::shared_ptr<const rows::Table>& r, ExecContext& c) : evaluator(t, c), access(r, *c.txn, &evaluator, c.eval) {}
      };
      auto keeper = std::make_shared<Keeper>(table_, shared_table(table_, *catalog_), ctx_);
      access_->hand_deferred_to(keeper->access);
      auto table = table_;
      ExecContext* ctx = &ctx_;
      defer_check(waits, [keeper, table, ctx] {
        try {
          keeper->access.check_deferred();
        } catch (const Error& e) {
          if (e.code() == ErrorCode::kUniqueViolation && e.schema_name().empty()) rethrow_unique(e, *table, *ctx);
          throw;
        }
      }, ctx_);
    }
  }
  auto work = std::move(pending_);
  pending_ = std::make_unique<Pending>();
  for (auto& check : work->checks) check();
  if (!work->references.empty() || !work->actions.empty() || !work->triggers.empty()) {
    // What follows sees the statement's effects.
    ctx_.txn->next_command();
  }
  for (auto& a : work->actions) act_on_references(*table_, a.ref, *a.old_row, a.new_row ? a.new_row->data() : nullptr, ctx_);
  for (auto& r : work->references) check_reference(*table_, *r.fk, *r.row, ctx_);
  for (auto& t : work->triggers) {
    std::vector<NullableDatum> copy;
    if (t.new_row) copy = *t.new_row;
    fire(t.bits, t.old_row.get(), t.new_row ? &copy : nullptr);
  }
  statement.done();
}

}  // namespace stele::query

#include "query/dml/foreign_keys.h"

#include "base/error.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::query {

OwnedRow own_row(std::span<const NullableDatum> row, const std::vector<TypeInfo>& types) {
  struct Holder { std::vector<NullableDatum> row; Arena arena; };
  auto h = std::make_shared<Holder>();
  for (size_t i = 0; i < row.size(); ++i) h->row.push_back({row[i].is_null ? Datum{} : copy_value(types[i], row[i].value, h->arena), row[i].is_null});
  return OwnedRow(h, &h->row);
}

std::string schema_name(const catalog::Relation& r, ExecContext& ctx) {
  auto s = ctx.catalog->state()->get(catalog::ObjectKind::kSchema, r.schema);
  return s ? s->name : "public";
}
bool constraint_deferred(Oid constraint, bool initially_deferred, ExecContext& ctx) {
  if (auto it = ctx.constraint_modes.find(constraint); it != ctx.constraint_modes.end()) return it->second;
  return ctx.constraints_all_deferred || (initially_deferred && !ctx.constraints_all_immediate);
}
bool constraint_deferred(const catalog::Constraint& c, ExecContext& ctx) { return c.deferrable && constraint_deferred(c.oid, c.initially_deferred, ctx); }

void defer_check(Oid constraint, std::function<void()> check, ExecContext& ctx) {
  auto d = std::make_shared<ExecContext::DeferredCheck>();
  d->constraint = constraint;
  d->run = std::move(check);
  ctx.deferred_checks.push_back(d);
  ctx.txn->before_commit([d] {
    if (!std::exchange(d->done, true)) d->run();
  });
}

void run_deferred_checks(Oid constraint, ExecContext& ctx) {
  // A check may queue more.
  for (size_t i = 0; i < ctx.deferred_checks.size(); ++i) {
    auto d = ctx.deferred_checks[i].lock();
    if (d != nullptr && !d->done && (constraint == 0 || d->constraint == constraint)) {
      d->run();
      d->done = true;
    }
  }
}

std::string key_text(const catalog::Relation& r, const std::vector<int16_t>& columns) {
  std::string out = "(";
  for (size_t i = 0; i < columns.size(); ++i) out += (i ? ", " : "") + r.column(columns[i])->name;
  return out + ")";
}
std::string value_text(const catalog::Relation& r, const std::vector<int16_t>& columns, std::span<const NullableDatum> row, ExecContext& ctx) {
  std::string out = "(";
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i) out += ", ";
    auto& v = row[static_cast<size_t>(columns[i] - 1)];
    if (v.is_null) { out += "null"; continue; }
    type_output(r.column(columns[i])->type, v.value, out, *ctx.eval);
  }
  return out + ")";
}

namespace {
const storage::ReadView kNewest{nullptr, UINT32_MAX};

bool fits(Oid type, Datum v) {
  if (type == oid::kInt4) return v.as_int() >= INT32_MIN && v.as_int() <= INT32_MAX;
  if (type == oid::kInt2) return v.as_int() >= INT16_MIN && v.as_int() <= INT16_MAX;
  return true;
}

// The index of `table` whose leading columns are exactly `columns`, in any order.
const rows::IndexDef* index_over(const rows::Table& table, const std::vector<int16_t>& columns, bool unique, std::vector<size_t>* order) {
  for (auto& ix : table.indexes()) {
    if (ix.partial || ix.has_expressions || !ix.relation->index->valid) continue;
    if (unique ? (!ix.unique || ix.keys.size() != columns.size()) : ix.keys.size() < columns.size()) continue;
    order->clear();
    for (size_t k = 0; k < columns.size(); ++k) {
      auto it = std::find(columns.begin(), columns.end(), ix.keys[k].column);
      if (it == columns.end()) break;
      order->push_back(static_cast<size_t>(it - columns.begin()));
    }
    if (order->size() == columns.size()) return &ix;
  }
  return nullptr;
}

// Rows of table whose columns equal the values; f returns false to stop.
void find_rows(rows::TableAccess& access, const std::vector<int16_t>& columns, const std::vector<NullableDatum>& values, ExecContext& ctx, const std::function<bool(uint64_t, std::vector<NullableDatum>&)>& f) {
  auto& table = access.table();
  std::vector<TypeInfo> types;
  for (auto& c : table.relation().columns) types.push_back(type_info(c.dropped ? oid::kInt4 : c.type, ctx));
  Arena arena;
  std::vector<NullableDatum> row(table.relation().columns.size());
  auto matches = [&] {
    for (size_t i = 0; i < columns.size(); ++i) {
      auto& v = row[static_cast<size_t>(columns[i] - 1)];
      if (v.is_null || !types[static_cast<size_t>(columns[i] - 1)].ops->equal(v.value, values[i].value, 0)) return false;
    }
    return true;
  };
  std::vector<size_t> order;
  std::vector<uint64_t> ids;
  if (const rows::IndexDef* ix = index_over(table, columns, false, &order)) {
    std::vector<NullableDatum> key;
    for (size_t k = 0; k < order.size(); ++k) {
      key.push_back(values[order[k]]);
      if (!fits(ix->keys[k].type.type, key.back().value)) return;
    }
    for (auto c = access.index_scan(*ix, rows::key_range(*ix, key, nullptr, nullptr), kNewest); c.valid(); c.next()) ids.push_back(c.row_id());
  } else {
    for (auto c = access.scan(kNewest); c.valid(); c.next()) {
      arena.reset();
      table.format().decode_all(c.bytes(), row.data(), arena);
      if (matches()) ids.push_back(c.row_id());
    }
  }
  std::string bytes;
  for (uint64_t id : ids) {
    arena.reset();
    if (!access.fetch(id, kNewest, &bytes)) continue;
    table.format().decode_all(bytes, row.data(), arena);
    if (matches() && !f(id, row)) return;
  }
}
}  // namespace

void check_reference(const catalog::Relation& table, const catalog::Constraint& fk, std::span<const NullableDatum> row, ExecContext& ctx) {
  auto state = ctx.catalog->state();
  auto parent = state->relation(fk.referenced);
  if (!parent) return;
  size_t nulls = 0;
  for (int16_t c : fk.columns) nulls += row[static_cast<size_t>(c - 1)].is_null ? 1 : 0;
  auto fail = [&](std::string detail) {
    throw Error(ErrorCode::kForeignKeyViolation, fmt::format("insert or update on table \"{}\" violates foreign key constraint \"{}\"", table.name, fk.name))
        .detail(std::move(detail)).names(schema_name(table, ctx), table.name, {}, {}, fk.name);
  };
  if (nulls > 0) {
    if (fk.match == 'f' && nulls < fk.columns.size()) fail("MATCH FULL does not allow mixing of null and nonnull key values.");
    return;
  }
  bool found = false;
  const std::string shown = parent->name;
  std::vector<int16_t> referenced = fk.referenced_columns;
  if (parent->partitioning) {
    // Unique keys contain the partition key, so that the key alone says which partition has it.
    std::vector<NullableDatum> wanted(parent->columns.size(), NullableDatum{{}, true});
    for (size_t i = 0; i < referenced.size(); ++i) wanted[static_cast<size_t>(referenced[i] - 1)] = row[static_cast<size_t>(fk.columns[i] - 1)];
    Arena arena;
    PartitionRouter router(parent, ctx);
    auto leaf = state->relation(router.find(wanted, arena));
    if (leaf) {
      const auto positions = attribute_map(*parent, *leaf);
      for (int16_t& c : referenced) c = positions[static_cast<size_t>(c - 1)];
    }
    parent = leaf;
    if (!parent) fail(fmt::format("Key {}={} is not present in table \"{}\".", key_text(table, fk.columns), value_text(table, fk.columns, row, ctx), shown));
  }
  rows::TableAccess access(shared_table(parent, *state), *ctx.txn, nullptr, ctx.eval);
  std::vector<size_t> order;
  const rows::IndexDef* ix = index_over(access.table(), referenced, true, &order);
  if (ix != nullptr && !ix->deferrable) {
    std::vector<NullableDatum> key;
    bool fit = true;
    for (size_t k = 0; k < order.size(); ++k) {
      key.push_back(row[static_cast<size_t>(fk.columns[order[k]] - 1)]);
      fit &= fits(ix->keys[k].type.type, key.back().value);
    }
    while (fit) {
      auto id = access.find_unique(*ix, key, kNewest);
      if (!id) break;
      storage::LockOutcome o = access.lock_row(*id, storage::LockMode::kForKeyShare, ctx.wait);
      if (o == storage::LockOutcome::kWouldBlock) throw Error(ErrorCode::kLockNotAvailable, "could not obtain lock on row");
      // Whoever held it may have deleted it or changed its key.
      auto again = access.find_unique(*ix, key, kNewest);
      if (again && *again == *id) { found = true; break; }
    }
  } else {
    std::vector<NullableDatum> values;
    for (int16_t c : fk.columns) values.push_back(row[static_cast<size_t>(c - 1)]);
    find_rows(access, referenced, values, ctx, [&](uint64_t id, std::vector<NullableDatum>&) {
      access.lock_row(id, storage::LockMode::kForKeyShare, ctx.wait);
      found = true;
      return false;
    });
  }
  if (!found) fail(fmt::format("Key {}={} is not present in table \"{}\".", key_text(table, fk.columns), value_text(table, fk.columns, row, ctx), shown));
}

void act_on_references(const catalog::Relation& parent, const ForeignKeyRef& ref, std::span<const NullableDatum> old_row, const NullableDatum* new_row, ExecContext& ctx) {
  const catalog::Constraint& fk = *ref.constraint;
  char action = new_row != nullptr ? fk.on_update : fk.on_delete;
  auto state = ctx.catalog->state();
  WriterImpl writer(ref.table, ctx);
  std::vector<NullableDatum> values;
  for (int16_t c : fk.referenced_columns) values.push_back(old_row[static_cast<size_t>(c - 1)]);
  if (action == 'a') {
    // Another row may have taken the key over meanwhile.
    auto self = state->relation(parent.oid);
    bool replaced = false;
    std::vector<std::shared_ptr<const catalog::Relation>> places{self};
    if (auto top = state->relation(fk.referenced); top && top->partitioning && self->bound)
      for (Oid child : inheritance_children(*state, top->oid))
        if (child != self->oid) places.push_back(state->relation(child));
    for (auto& place : places) {
      if (replaced || !place || place->relkind != 'r') continue;
      const auto positions = attribute_map(*self, *place);
      std::vector<int16_t> columns;
      for (int16_t c : fk.referenced_columns) columns.push_back(positions[static_cast<size_t>(c - 1)]);
      rows::TableAccess access(shared_table(place, *state), *ctx.txn, nullptr, ctx.eval);
      find_rows(access, columns, values, ctx, [&](uint64_t, std::vector<NullableDatum>&) { replaced = true; return false; });
    }
    if (replaced) return;
  }
  struct Found { uint64_t id; };
  std::vector<uint64_t> ids;
  find_rows(writer.access(), fk.columns, values, ctx, [&](uint64_t id, std::vector<NullableDatum>&) {
    ids.push_back(id);
    return action != 'a' && action != 'r';
  });
  if (ids.empty()) return;
  // Of a partition, the table that was declared to refer is the one above.
  std::string referring = ref.table->name;
  if (auto above = partition_ancestors(*state, *ref.table); fk.parent != 0 && !above.empty()) referring = above.back()->name;
  if (action == 'a' || action == 'r')
    throw Error(ErrorCode::kForeignKeyViolation, fmt::format("update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"", parent.name, fk.name, referring))
        .detail(fmt::format("Key {}={} is still referenced from table \"{}\".", key_text(parent, fk.referenced_columns), value_text(parent, fk.referenced_columns, old_row, ctx), referring))
        .names(schema_name(*ref.table, ctx), ref.table->name, {}, {}, fk.name);
  Arena arena;
  for (uint64_t id : ids) {
    arena.reset();
    writer.row_arena().reset();
    storage::LockMode strength = action == 'c' && new_row == nullptr ? storage::LockMode::kKeyWrite : storage::LockMode::kNoKeyWrite;
    writer.access().lock_row(id, strength, ctx.wait);
    std::vector<NullableDatum> row;
    storage::Lsn lsn;
    if (!writer.fetch_newest(id, row, arena, &lsn)) continue;
    bool still = true;
    for (size_t i = 0; i < fk.columns.size(); ++i) {
      auto& v = row[static_cast<size_t>(fk.columns[i] - 1)];
      TypeInfo t = type_info(ref.table->column(fk.columns[i])->type, ctx);
      still &= !v.is_null && t.ops->equal(v.value, values[i].value, 0);
    }
    if (!still) continue;
    if (action == 'c' && new_row == nullptr) { writer.erase_row(id, row); continue; }
    std::vector<NullableDatum> changed = row;
    for (size_t i = 0; i < fk.columns.size(); ++i) {
      size_t at = static_cast<size_t>(fk.columns[i] - 1);
      bool mine = new_row != nullptr || fk.on_delete_columns.empty() || std::find(fk.on_delete_columns.begin(), fk.on_delete_columns.end(), fk.columns[i]) != fk.on_delete_columns.end();
      if (action == 'c') changed[at] = new_row[fk.referenced_columns[i] - 1];
      else if (!mine) continue;
      else if (action == 'n') changed[at] = {};
      else if (action == 'd') {
        ExprPtr e = column_default(*ref.table, *ref.table->column(fk.columns[i]), ctx);
        changed[at] = e ? evaluate(e, ctx, arena) : NullableDatum{};
      }
    }
    writer.update_row(id, row, changed);
  }
  writer.finish();
  if (action == 'd') {
    // A default equal to the old key leaves the row referring to what is gone.
    ForeignKeyRef again = ref;
    catalog::Constraint check = fk;
    check.on_delete = check.on_update = 'a';
    again.constraint = &check;
    act_on_references(parent, again, old_row, new_row, ctx);
  }
}

}  // namespace stele::query

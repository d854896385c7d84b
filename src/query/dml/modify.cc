// ModifyTable: rows from below become inserts, updates and deletes.
#include "base/error.h"
#include "query/dml/recheck.h"
#include "query/dml/foreign_keys.h"
#include "query/dml/routed.h"
#include "query/exec/operator.h"
#include "types/oids.h"

namespace stele::query {

bool Recheck::run(const PlanNode& plan, ExecState& outer) {
  state = std::make_unique<ExecState>();
  state->ctx = outer.ctx;
  state->eval = outer.eval;
  state->view = outer.view;
  state->plan = outer.plan;
  state->params = outer.params;
  state->ctes = outer.ctes;
  state->pinned = &pins;
  op = make_operator(plan, *state);
  op->rescan();
  return op->next(batch, 1);
}

namespace {
constexpr int kRowTrigger = 1, kInsteadTrigger = 64, kBeforeTrigger = 2, kInsertEvent = 4, kDeleteEvent = 8, kUpdateEvent = 16;

class ModifyOp final : public Operator {
 public:
  ModifyOp(const PlanNode& n, ExecState& s) : Operator(n, s), info_(*n.modify), child_(make_operator(*n.children[0], s)) {
    auto& table = *n.table;
    if (table.relkind == 'v') {
      for (Oid t : table.triggers)
        if (auto trigger = s.ctx->catalog->state()->get_as<catalog::Trigger>(catalog::ObjectKind::kTrigger, t)) instead_ |= (trigger->type & kInsteadTrigger) != 0;
    }
    if (table.relkind == 'v' && !instead_) throw Error(ErrorCode::kObjectNotInPrerequisiteState, fmt::format("cannot {} view \"{}\"", info_.command == CommandKind::kInsert ? "insert into" : info_.command == CommandKind::kUpdate ? "update" : "delete from", table.name));
    if (table.partitioning) router_ = std::make_unique<PartitionRouter>(n.table, *s.ctx);
    // Target columns first, then what came from below.
    for (auto& c : table.columns) {
      auto v = std::make_shared<VarExpr>();
      v->relation = info_.rti;
      v->column = c.number;
      v->type = c.dropped ? oid::kInt4 : c.type;
      layout_.push_back(v);
      types_.push_back(type_info(v->type, *s.ctx));
    }
    target_columns_ = layout_.size();
    for (int16_t sys : {system_column::kRowId, system_column::kTableOid, system_column::kCtid}) {
      auto v = std::make_shared<VarExpr>();
      v->relation = info_.rti;
      v->column = sys;
      v->type = sys == system_column::kTableOid ? oid::kOid : sys == system_column::kCtid ? oid::kTid : oid::kInt8;
      layout_.push_back(v);
    }
    below_at_ = layout_.size();
    for (auto& e : n.children[0]->layout) layout_.push_back(e);
    std::vector<ExprPtr> returning;
    for (auto& t : info_.returning) returning.push_back(t.expr);
    returning_.compile(returning, layout_, s);
    out_rows_.init(returning, *s.ctx);
    for (auto& e : n.children[0]->layout) below_types_.push_back(type_info(e->type, *s.ctx));
    for (auto& c : info_.check_options) {
      checks_.emplace_back();
      checks_.back().compile({c.expr}, layout_, s);
    }
    if (info_.on_conflict && info_.on_conflict->do_update) compile_conflict();
    for (auto& a : info_.merge_actions) {
      actions_.emplace_back();
      auto& x = actions_.back();
      if (a.condition) x.condition.compile({a.condition}, n.children[0]->layout, s);
      std::vector<ExprPtr> exprs;
      for (auto& t : a.targets) {
        if (t.junk) continue;
        exprs.push_back(t.expr);
        x.columns.push_back(t.column);
      }
      x.values.compile(exprs, n.children[0]->layout, s);
    }
  }
  void rescan() override { child_->rescan(); ran_ = false; at_ = 0; }

  bool next(Batch& out, int max) override {
    if (!ran_) {
      ran_ = true;
      run();
    }
    size_t columns = info_.returning.size();
    if (columns == 0 || at_ >= returned_.size()) return false;
    int n = static_cast<int>(std::min<size_t>(static_cast<size_t>(max), returned_.size() - at_));
    buffers_.ensure(columns, n);
    for (int i = 0; i < n; ++i, ++at_)
      for (size_t c = 0; c < columns; ++c) {
        buffers_[c].values[i] = out_rows_.values(returned_[at_])[c];
        buffers_[c].nulls[i] = out_rows_.nulls(returned_[at_])[c];
      }
    buffers_.expose(out, columns, n);
    return true;
  }

 private:
  bool instead_ = false;
  std::vector<ExprList> checks_;
  struct Action { BatchFilter condition; ExprList values; std::vector<int16_t> columns; };

  WriterImpl& writer(Oid relation) {
    auto& w = writers_[relation];   // a reference that later writers leave valid
    if (!w) {
      auto table = relation == node.relation ? node.table : state.ctx->catalog->state()->relation(relation);
      // The transaction's own view of the table: an ALTER earlier in it counts.
      auto current = state.ctx->catalog->state()->relation(relation);
      w = std::make_unique<WriterImpl>(current ? current : table, *state.ctx);
      if (info_.command == CommandKind::kUpdate) {
        std::vector<int16_t> assigned;
        for (auto& [c, slot] : info_.assignments) {
          const catalog::Column* own = relation == node.relation ? node.table->column(c) : w->table().column(node.table->column(c)->name);
          if (own != nullptr) assigned.push_back(own->number);
        }
        w->set_assigned(std::move(assigned));
      }
      if (relation != node.relation) w->capture_for(writer(node.relation));
    }
    return *w;
  }
  // Child attributes that hold the parent's columns.
  const std::vector<int>& column_map(Oid relation) {
    auto [it, fresh] = maps_.try_emplace(relation);
    if (fresh) {
      auto& w = writer(relation);
      for (auto& c : node.table->columns) {
        const catalog::Column* own = c.dropped ? nullptr : relation == node.relation ? w.table().column(c.number) : w.table().column(c.name);
        it->second.push_back(own == nullptr ? -1 : own->number - 1);
      }
    }
    return it->second;
  }
  // A view: its triggers do the work, row by row.
  void run_instead() {
    const int event = info_.command == CommandKind::kInsert ? kInsertEvent : info_.command == CommandKind::kUpdate ? kUpdateEvent : kDeleteEvent;
    auto& table = *node.table;
    auto fire = [&](int bits, std::vector<NullableDatum>* old_row, std::vector<NullableDatum>* new_row, Arena* arena) {
      TriggerEvent e;
      e.table = &table;
      e.bits = bits;
      e.old_row = old_row;
      e.new_row = new_row;
      e.arena = arena;
      return state.ctx->fire_trigger(e);
    };
    Arena arena;
    fire(kBeforeTrigger | event, nullptr, nullptr, &arena);
    Batch in;
    while (child_->next(in, kBatchRows)) {
      state.interrupts();
      for (int r = 0; r < in.size; ++r) {
        arena.reset();
        auto read = [&](int slot) -> NullableDatum {
          if (slot < 0) return {};
          auto& v = in.columns[static_cast<size_t>(slot)];
          return {v.values[r], v.nulls[r] != 0};
        };
        std::vector<NullableDatum> old_row, new_row;
        if (info_.command == CommandKind::kInsert) {
          for (size_t i = 0; i < table.columns.size(); ++i) {
            const int slot = i < info_.insert_slots.size() ? info_.insert_slots[i] : -1;
            if (slot >= 0) new_row.push_back(read(slot));
            else if (!table.columns[i].default_sql.empty()) new_row.push_back(evaluate(state.ctx->bind_expression(table, table.columns[i].default_sql, table.columns[i].type), *state.ctx, arena));
            else new_row.push_back({});
          }
        } else {
          for (int slot : info_.old_slots) old_row.push_back(read(slot));
          new_row = old_row;
          for (auto& [c, slot] : info_.assignments) new_row[static_cast<size_t>(c - 1)] = read(slot);
        }
        const bool erase_only = info_.command == CommandKind::kDelete;
        if (!fire(kRowTrigger | kInsteadTrigger | event, old_row.empty() ? nullptr : &old_row, erase_only ? nullptr : &new_row, &arena)) continue;
        emit(erase_only ? old_row : new_row, 0, node.relation, in, r);
      }
    }
    fire(event, nullptr, nullptr, &arena);
    if (info_.can_set_tag) state.processed += processed_;
  }
  void run() {
    if (instead_) return run_instead();
    int events = info_.command == CommandKind::kInsert ? kInsertEvent : info_.command == CommandKind::kUpdate ? kUpdateEvent : info_.command == CommandKind::kDelete ? kDeleteEvent : 0;
    if (info_.on_conflict && info_.on_conflict->do_update) events |= kUpdateEvent;
    WriterImpl& main = writer(node.relation);
    for (int e : {kInsertEvent, kUpdateEvent, kDeleteEvent}) if (events & e) main.fire_statement(kBeforeTrigger | e);
    Batch in;
    while (child_->next(in, kBatchRows)) {
      state.interrupts();
      for (int r = 0; r < in.size; ++r) {
        switch (info_.command) {
          case CommandKind::kInsert: insert(in, r); break;
          case CommandKind::kUpdate: update(in, r); break;
          case CommandKind::kDelete: erase(in, r); break;
          default: merge(in, r); break;
        }
      }
    }
    for (auto& [oid, w] : writers_) w->finish();
    // The update of ON CONFLICT is told before the insert.
    for (int e : {kUpdateEvent, kInsertEvent, kDeleteEvent}) if (events & e) main.fire_statement(e);
    if (info_.can_set_tag) state.processed += processed_;
  }
  void emit(const std::vector<NullableDatum>& row, uint64_t row_id, Oid relation, const Batch& in, int r) {
    ++processed_;
    if (info_.returning.empty()) return;
    const std::vector<int>* map = relation == node.relation ? nullptr : &column_map(relation);
    std::vector<Datum> values(layout_.size());
    std::vector<uint8_t> nulls(layout_.size(), 0);
    for (size_t i = 0; i < target_columns_; ++i) {
      int at = map != nullptr ? (*map)[i] : static_cast<int>(i);
      values[i] = at < 0 || at >= static_cast<int>(row.size()) ? Datum{} : row[static_cast<size_t>(at)].value;
      nulls[i] = at < 0 || at >= static_cast<int>(row.size()) || row[static_cast<size_t>(at)].is_null ? 1 : 0;
    }
    emit_arena_.reset();
    values[target_columns_] = Datum::from_int(static_cast<int64_t>(row_id));
    values[target_columns_ + 1] = Datum::from_oid(relation);
    char tid[6];
    uint32_t block = static_cast<uint32_t>(row_id >> 16);
    uint16_t offset = static_cast<uint16_t>(row_id & 0xffff);
    std::memcpy(tid, &block, 4);
    std::memcpy(tid + 4, &offset, 2);
    values[target_columns_ + 2] = make_bytes(emit_arena_, std::string_view(tid, 6));
    Batch one;
    one.size = 1;
    for (size_t i = 0; i < below_at_; ++i) one.columns.push_back({&values[i], &nulls[i]});
    for (auto& c : in.columns) one.columns.push_back({c.values + r, c.nulls + r});
    returning_.eval(one, emit_arena_, state);
    Batch result;
    result.size = 1;
    for (auto* v : returning_.vecs) result.columns.push_back(*v);
    returned_.push_back(out_rows_.add(result, 0));
  }

  // WITH CHECK OPTION of views, WITH CHECK of policies: the new row has to satisfy them.
  void check_new_row(WriterImpl& w, const std::vector<NullableDatum>& row, Oid relation, bool policies) {
    for (size_t k = 0; k < checks_.size(); ++k) {
      auto& option = info_.check_options[k];
      if (option.policy != policies) continue;
      const std::vector<int>* map = relation == node.relation ? nullptr : &column_map(relation);
      std::vector<Datum> values(layout_.size());
      std::vector<uint8_t> nulls(layout_.size(), 1);
      for (size_t i = 0; i < target_columns_; ++i) {
        int at = map != nullptr ? (*map)[i] : static_cast<int>(i);
        if (at < 0 || at >= static_cast<int>(row.size()) || row[static_cast<size_t>(at)].is_null) continue;
        values[i] = row[static_cast<size_t>(at)].value;
        nulls[i] = 0;
      }
      values[target_columns_ + 1] = Datum::from_oid(relation);
      nulls[target_columns_ + 1] = 0;
      Batch one;
      one.size = 1;
      for (size_t i = 0; i < values.size(); ++i) one.columns.push_back({&values[i], &nulls[i]});
      Arena arena;
      checks_[k].eval(one, arena, state);
      auto* v = checks_[k].vecs[0];
      if (v->nulls[0] == 0 && v->values[0].as_bool()) continue;
      if (!option.policy)
        throw Error(ErrorCode::kWithCheckOptionViolation, fmt::format("new row violates check option for view \"{}\"", option.name)).detail(w.failing_row(row));
      throw Error(ErrorCode::kInsufficientPrivilege, option.policy_name.empty() ? fmt::format("new row violates row-level security policy for table \"{}\"", option.name)
                                                                                : fmt::format("new row violates row-level security policy \"{}\" for table \"{}\"", option.policy_name, option.name));
    }
  }

  // --- INSERT
  void insert(const Batch& in, int r) {
    WriterImpl& w = writer(node.relation);
    if (in.size > 1 && info_.returning.empty() && info_.command == CommandKind::kInsert && !info_.on_conflict && !router_) w.start_bulk_if_new();
    w.row_arena().reset();
    std::vector<NullableDatum> row(w.columns());
    std::unique_ptr<bool[]> given(new bool[row.size()]());
    for (size_t i = 0; i < info_.insert_slots.size() && i < row.size(); ++i) {
      int s = info_.insert_slots[i];
      if (s < 0) continue;
      row[i] = {in.columns[static_cast<size_t>(s)].values[r], in.columns[static_cast<size_t>(s)].nulls[r] != 0};
      given[i] = true;
    }
    w.fill_defaults(row, std::span<const bool>(given.get(), row.size()));
    insert_filled(row, in, r);
  }
  // The row has the columns of the table that was named; it goes to the partition that takes it.
  void insert_filled(std::vector<NullableDatum>& row, const Batch& in, int r) {
    const Oid relation = router_ ? router_->route(row, route_arena()) : node.relation;
    WriterImpl& w = writer(relation);
    if (relation != node.relation) {
      w.row_arena().reset();
      row = map_row(row, positions(relation), w.columns());
    }
    if (!w.prepare_filled(row, relation != node.relation)) return;
    uint64_t id = 0;
    if (!checks_.empty()) check_new_row(w, row, relation, true);
    if (!info_.on_conflict) {
      w.insert_prepared(row, false, {}, &id);
      if (!checks_.empty()) check_new_row(w, row, relation, false);
      emit(row, id, relation, in, r);
      return;
    }
    std::vector<const rows::IndexDef*> arbiters;
    for (Oid ix : info_.on_conflict->arbiter_indexes)
      for (auto& def : w.access().table().indexes())
        if (def.relation->oid == ix || descends(*def.relation, ix)) arbiters.push_back(&def);
    while (true) {
      auto conflict = w.insert_prepared(row, true, arbiters, &id);
      if (!conflict) {
        touched_.insert({relation, id});
        if (!checks_.empty()) check_new_row(w, row, relation, false);
        emit(row, id, relation, in, r);
        return;
      }
      if (!info_.on_conflict->do_update) {
        refuse_unseen(w, conflict->row_id);
        return;
      }
      if (update_conflicting(w, relation, conflict->row_id, row, in, r)) return;
    }
  }
  Arena& route_arena() { route_arena_.reset(); return route_arena_; }
  // Whether an index of a partition was made for that of a table above it.
  bool descends(const catalog::Relation& index, Oid from) const {
    auto state_now = state.ctx->catalog->state();
    for (auto r = state_now->relation(index.oid); r && !r->parents.empty(); r = state_now->relation(r->parents[0]))
      if (r->parents[0] == from) return true;
    return false;
  }
  const std::vector<int16_t>& positions(Oid relation) {
    auto [it, fresh] = positions_.try_emplace(relation);
    if (fresh) it->second = attribute_map(*node.table, writer(relation).table());
    return it->second;
  }
  void compile_conflict() {
    auto& oc = *info_.on_conflict;
    conflict_layout_.assign(layout_.begin(), layout_.begin() + static_cast<long>(below_at_));
    for (size_t i = 0; i < target_columns_; ++i) {
      auto v = std::make_shared<VarExpr>(static_cast<const VarExpr&>(*layout_[i]));
      v->relation = info_.excluded_rti;
      conflict_layout_.push_back(v);
    }
    std::vector<ExprPtr> exprs;
    for (auto& t : oc.set) {
      if (t.junk) continue;
      exprs.push_back(t.expr);
      conflict_columns_.push_back(t.column);
    }
    conflict_set_.compile(exprs, conflict_layout_, state);
    if (oc.where) conflict_where_.compile({oc.where}, conflict_layout_, state);
  }
  // DO NOTHING says that the row is there; a snapshot that does not have it in this version cannot agree.
  void refuse_unseen(WriterImpl& w, uint64_t id) {
    if (state.ctx->txn->isolation() == storage::Isolation::kReadCommitted || !state.view.snapshot) return;
    std::string bytes;
    storage::Lsn lsn = 0;
    if (w.access().fetch(id, storage::ReadView{}, &bytes, &lsn) && lsn > state.view.snapshot->lsn())
      throw Error(ErrorCode::kSerializationFailure, "could not serialize access due to concurrent update");
  }
  // False: the row went away meanwhile, try the insert again.
  bool update_conflicting(WriterImpl& w, Oid relation, uint64_t id, const std::vector<NullableDatum>& proposed, const Batch& in, int r) {
    if (touched_.contains({relation, id}))
      throw Error(ErrorCode::kCardinalityViolation, "ON CONFLICT DO UPDATE command cannot affect row a second time")
          .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.");
    w.access().lock_row(id, w.key_strength(own_columns(conflict_columns_, relation)), state.ctx->wait);
    Arena arena;
    std::vector<NullableDatum> old;
    storage::Lsn lsn = 0;
    if (!w.fetch_newest(id, old, arena, &lsn)) return false;
    if (state.ctx->txn->isolation() != storage::Isolation::kReadCommitted && state.view.snapshot && lsn > state.view.snapshot->lsn())
      throw Error(ErrorCode::kSerializationFailure, "could not serialize access due to concurrent update");
    std::vector<Datum> values;
    std::vector<uint8_t> nulls;
    auto put = [&](const NullableDatum& d) { values.push_back(d.value); nulls.push_back(d.is_null ? 1 : 0); };
    // Expressions name the columns of the table that was named.
    const std::vector<int16_t>* at = relation == node.relation ? nullptr : &positions(relation);
    auto place = [&](size_t i) { return at == nullptr ? static_cast<int>(i) : (*at)[i] - 1; };
    auto put_row = [&](const std::vector<NullableDatum>& row) {
      for (size_t i = 0; i < target_columns_; ++i) put(place(i) < 0 ? NullableDatum{{}, true} : row[static_cast<size_t>(place(i))]);
    };
    put_row(old);
    put({Datum::from_int(static_cast<int64_t>(id)), false});
    put({Datum::from_oid(relation), false});
    put({});
    put_row(proposed);
    Batch one;
    one.size = 1;
    for (size_t i = 0; i < values.size(); ++i) one.columns.push_back({&values[i], &nulls[i]});
    if (!conflict_where_.empty() && conflict_where_.select(one, arena, state) == 0) return true;
    conflict_set_.eval(one, arena, state);
    std::vector<NullableDatum> row = old;
    for (size_t i = 0; i < conflict_columns_.size(); ++i) row[static_cast<size_t>(place(static_cast<size_t>(conflict_columns_[i] - 1)))] = {conflict_set_.vecs[i]->values[0], conflict_set_.vecs[i]->nulls[0] != 0};
    touched_.insert({relation, id});
    bool moves = false;
    if (w.update_or_move(id, old, row, router_ ? &moves : nullptr)) emit(row, id, relation, in, r);
    if (moves)
      throw Error(ErrorCode::kFeatureNotSupported, "invalid ON UPDATE specification").detail("The result tuple would appear in a different partition than the original tuple.");
    return true;
  }

  // --- UPDATE and DELETE
  struct Target { Oid relation; uint64_t id; };
  Target target_of(const Batch& in, int r) const {
    auto& v = in.columns[static_cast<size_t>(info_.row_id_slot)];
    Oid relation = node.relation;
    if (info_.table_oid_slot >= 0) {
      auto& t = in.columns[static_cast<size_t>(info_.table_oid_slot)];
      if (!t.nulls[r]) relation = t.values[r].as_oid();
    }
    return {relation, static_cast<uint64_t>(v.values[r].as_int())};
  }
  // Locks the row and reads its newest version into old_row. `current` is the input row that holds for it, which
  // a re-evaluation may have replaced. False: nothing to do any more.
  bool acquire(const Batch& in, int r, Target t, storage::LockMode strength, std::vector<NullableDatum>& old_row, Arena& arena, const Batch** current, int* current_row, Recheck& recheck) {
    WriterImpl& w = writer(t.relation);
    *current = &in;
    *current_row = r;
    if (touched_.contains({t.relation, t.id})) return false;   // already changed by this command
    w.access().lock_row(t.id, strength, state.ctx->wait);
    storage::Lsn lsn = 0;
    if (!w.fetch_newest(t.id, old_row, arena, &lsn)) {
      if (state.ctx->txn->isolation() != storage::Isolation::kReadCommitted && !seen_own_delete(t))
        throw Error(ErrorCode::kSerializationFailure, "could not serialize access due to concurrent delete");
      return false;
    }
    if (state.view.snapshot && lsn > state.view.snapshot->lsn()) {
      if (state.ctx->txn->isolation() != storage::Isolation::kReadCommitted) throw Error(ErrorCode::kSerializationFailure, "could not serialize access due to concurrent update");
      recheck.pins[info_.rti] = {false, t.id, t.relation};
      if (!recheck.run(*node.children[0], state)) return false;
      *current = &recheck.batch;
      *current_row = 0;
    }
    return true;
  }
  bool seen_own_delete(Target t) {
    // Deleted by an earlier command of this transaction through a trigger or cascade.
    std::string bytes;
    storage::ReadView mine{state.view.snapshot, UINT32_MAX};
    return !writer(t.relation).access().fetch(t.id, mine, &bytes);
  }
  void update(const Batch& in, int r) {
    if (in.columns[static_cast<size_t>(info_.row_id_slot)].nulls[r]) return;
    Target t = target_of(in, r);
    std::vector<int16_t> assigned;
    for (auto& [c, s] : info_.assignments) assigned.push_back(c);
    assigned = own_columns(assigned, t.relation);
    Arena arena;
    Recheck recheck;
    std::vector<NullableDatum> old;
    const Batch* cur;
    int row_at;
    WriterImpl& w = writer(t.relation);
    if (!acquire(in, r, t, w.key_strength(assigned), old, arena, &cur, &row_at, recheck)) return;
    w.row_arena().reset();
    std::vector<NullableDatum> row = old;
    const std::vector<int>* map = t.relation == node.relation ? nullptr : &column_map(t.relation);
    for (auto& [c, s] : info_.assignments) {
      int at = map != nullptr ? (*map)[static_cast<size_t>(c - 1)] : c - 1;
      if (at >= 0) row[static_cast<size_t>(at)] = {cur->columns[static_cast<size_t>(s)].values[row_at], cur->columns[static_cast<size_t>(s)].nulls[row_at] != 0};
    }
    touched_.insert({t.relation, t.id});
    bool moves = false;
    if (!w.update_or_move(t.id, old, row, router_ ? &moves : nullptr)) {
      if (moves) move(w, t, old, row, *cur, row_at);
      return;
    }
    for (bool policies : {true, false})
      if (!checks_.empty()) check_new_row(w, row, t.relation, policies);
    emit(row, t.id, t.relation, *cur, row_at);
  }
  // The new row belongs into another partition: it leaves this one and is inserted there.
  void move(WriterImpl& from, Target t, const std::vector<NullableDatum>& old, const std::vector<NullableDatum>& row, const Batch& in, int r) {
    WriterImpl& root = writer(node.relation);
    root.row_arena().reset();
    std::vector<NullableDatum> named(root.columns());
    const auto& at = positions(t.relation);
    for (size_t i = 0; i < named.size(); ++i)
      named[i] = at[i] > 0 ? row[static_cast<size_t>(at[i] - 1)] : NullableDatum{{}, true};
    const auto kept = own_row(named, types_);   // the writers' memory is about to be used again
    if (!from.erase_row(t.id, old, row.data())) return;
    named = *kept;
    insert_filled(named, in, r);
  }
  // Columns of the named table, as a child numbers them.
  std::vector<int16_t> own_columns(const std::vector<int16_t>& columns, Oid relation) {
    if (relation == node.relation) return columns;
    std::vector<int16_t> out;
    for (int16_t c : columns)
      if (int16_t own = positions(relation)[static_cast<size_t>(c - 1)]; own > 0) out.push_back(own);
    return out;
  }
  void erase(const Batch& in, int r) {
    if (in.columns[static_cast<size_t>(info_.row_id_slot)].nulls[r]) return;
    Target t = target_of(in, r);
    Arena arena;
    Recheck recheck;
    std::vector<NullableDatum> old;
    const Batch* cur;
    int row_at;
    WriterImpl& w = writer(t.relation);
    if (!acquire(in, r, t, storage::LockMode::kKeyWrite, old, arena, &cur, &row_at, recheck)) return;
    w.row_arena().reset();
    touched_.insert({t.relation, t.id});
    if (w.erase_row(t.id, old)) emit(old, t.id, t.relation, *cur, row_at);
  }

  // --- MERGE
  void merge(const Batch& in, int r) {
    bool matched = !in.columns[static_cast<size_t>(info_.row_id_slot)].nulls[r];
    Arena arena;
    Recheck recheck;
    std::vector<NullableDatum> old;
    const Batch* cur = &in;
    int row_at = r;
    Target t{};
    if (matched) {
      t = target_of(in, r);
      if (touched_.contains({t.relation, t.id})) {
        if (applies(in, r, true))
          throw Error(ErrorCode::kCardinalityViolation, "MERGE command cannot affect row a second time").hint("Ensure that not more than one source row matches any one target row.");
        return;
      }
      if (!applies(in, r, true)) return;
      if (!acquire(in, r, t, storage::LockMode::kKeyWrite, old, arena, &cur, &row_at, recheck)) return;
    }
    Action* a = applies(*cur, row_at, matched);
    if (a == nullptr) return;
    auto& spec = info_.merge_actions[static_cast<size_t>(a - actions_.data())];
    Batch one;
    slice(*cur, row_at, one);
    a->values.eval(one, arena, state);
    if (spec.command == CommandKind::kInsert) {
      WriterImpl& w = writer(node.relation);
      w.row_arena().reset();
      std::vector<NullableDatum> row(w.columns());
      std::unique_ptr<bool[]> given(new bool[row.size()]());
      for (size_t i = 0; i < a->columns.size(); ++i) {
        row[static_cast<size_t>(a->columns[i] - 1)] = {a->values.vecs[i]->values[0], a->values.vecs[i]->nulls[0] != 0};
        given[static_cast<size_t>(a->columns[i] - 1)] = true;
      }
      w.fill_defaults(row, std::span<const bool>(given.get(), row.size()));
      insert_filled(row, one, 0);
      return;
    }
    if (spec.command == CommandKind::kSelect) return;
    WriterImpl& w = writer(t.relation);
    w.row_arena().reset();
    touched_.insert({t.relation, t.id});
    if (spec.command == CommandKind::kDelete) {
      if (w.erase_row(t.id, old)) ++processed_;
      return;
    }
    std::vector<NullableDatum> row = old;
    const std::vector<int>& map = column_map(t.relation);
    for (size_t i = 0; i < a->columns.size(); ++i) row[static_cast<size_t>(map[static_cast<size_t>(a->columns[i] - 1)])] = {a->values.vecs[i]->values[0], a->values.vecs[i]->nulls[0] != 0};
    bool moves = false;
    if (w.update_or_move(t.id, old, row, router_ ? &moves : nullptr)) ++processed_;
    if (moves) move(w, t, old, row, one, 0);
  }
  static void slice(const Batch& in, int r, Batch& one) {
    one.size = 1;
    for (auto& c : in.columns) one.columns.push_back({c.values + r, c.nulls + r});
  }
  Action* applies(const Batch& in, int r, bool matched) {
    Batch one;
    slice(in, r, one);
    Arena arena;
    for (size_t i = 0; i < actions_.size(); ++i) {
      if (info_.merge_actions[i].matched != matched) continue;
      if (!actions_[i].condition.empty() && actions_[i].condition.select(one, arena, state) == 0) continue;
      return info_.merge_actions[i].command == CommandKind::kSelect ? nullptr : &actions_[i];
    }
    return nullptr;
  }

  const ModifyInfo& info_;
  OperatorPtr child_;
  std::unique_ptr<PartitionRouter> router_;   // the target is partitioned
  Arena route_arena_;
  std::map<Oid, std::vector<int16_t>> positions_;
  std::map<Oid, std::unique_ptr<WriterImpl>> writers_;
  std::map<Oid, std::vector<int>> maps_;
  std::vector<ExprPtr> layout_, conflict_layout_;
  std::vector<TypeInfo> types_, below_types_;
  size_t target_columns_ = 0, below_at_ = 0;
  ExprList returning_, conflict_set_;
  BatchFilter conflict_where_;
  std::vector<int16_t> conflict_columns_;
  std::deque<Action> action_storage_;
  std::vector<Action> actions_;
  RowStore out_rows_;
  std::vector<char*> returned_;
  std::set<std::pair<Oid, uint64_t>> touched_;
  OutputBatch buffers_;
  Arena emit_arena_;
  size_t at_ = 0;
  uint64_t processed_ = 0;
  bool ran_ = false;
};

// SELECT ... FOR UPDATE / SHARE.
class LockRowsOp final : public Operator {
 public:
  LockRowsOp(const PlanNode& n, ExecState& s) : Operator(n, s), child_(make_operator(*n.children[0], s)) {
    ids_.compile(n.lock_row_ids, n.children[0]->layout, s);
    rows_.init(n.layout, *s.ctx);
  }
  void rescan() override { child_->rescan(); }
  bool next(Batch& out, int max) override {
    Batch in;
    while (child_->next(in, max)) {
      arena_.reset();
      rows_.clear();
      ids_.eval(in, arena_, state);
      std::vector<char*> kept;
      for (int r = 0; r < in.size; ++r) {
        Recheck recheck;
        bool changed = false, gone = false;
        for (size_t l = 0; l < node.locks.size() && !gone; ++l) {
          const Vec& id = *ids_.vecs[2 * l];
          const Vec& table = *ids_.vecs[2 * l + 1];
          if (id.nulls[r]) continue;   // the nullable side of an outer join
          Oid relation = table.values[r].as_oid();
          uint64_t row_id = static_cast<uint64_t>(id.values[r].as_int());
          rows::TableAccess& access = open(relation);
          storage::WaitOptions wait = state.ctx->wait;
          auto& lock = node.locks[l].first;
          wait.policy = lock.wait == RowWait::kNoWait ? storage::WaitPolicy::kNoWait : lock.wait == RowWait::kSkipLocked ? storage::WaitPolicy::kSkip : storage::WaitPolicy::kBlock;
          storage::LockOutcome o;
          try {
            o = access.lock_row(row_id, lock.strength, wait);
          } catch (const Error& e) {
            if (e.code() == ErrorCode::kLockNotAvailable && lock.wait == RowWait::kNoWait)
              throw Error(ErrorCode::kLockNotAvailable, fmt::format("could not obtain lock on row in relation \"{}\"", access.table().relation().name));
            throw;
          }
          if (o == storage::LockOutcome::kWouldBlock) {
            if (lock.wait == RowWait::kNoWait) throw Error(ErrorCode::kLockNotAvailable, fmt::format("could not obtain lock on row in relation \"{}\"", access.table().relation().name));
            gone = true;
            break;
          }
          std::string bytes;
          storage::Lsn lsn = 0;
          storage::ReadView latest{nullptr, UINT32_MAX};
          recheck.pins[node.locks[l].first.relation] = {false, row_id, relation};
          if (!access.fetch(row_id, latest, &bytes, &lsn)) {
            if (state.ctx->txn->isolation() != storage::Isolation::kReadCommitted) throw Error(ErrorCode::kSerializationFailure, "could not serialize access due to concurrent delete");
            gone = true;
          } else if (state.view.snapshot && lsn > state.view.snapshot->lsn()) {
            // A key share keeps the key only: the version that the query sees is as good while the key is the same.
            if (lock.strength == storage::LockMode::kForKeyShare && same_key(access, row_id, bytes)) continue;
            if (state.ctx->txn->isolation() != storage::Isolation::kReadCommitted) throw Error(ErrorCode::kSerializationFailure, "could not serialize access due to concurrent update");
            changed = true;
          }
        }
        if (gone) continue;
        if (!changed) { kept.push_back(rows_.add(in, r)); continue; }
        if (recheck.run(*node.children[0], state)) kept.push_back(rows_.add(recheck.batch, 0));
      }
      if (kept.empty()) continue;
      size_t columns = node.layout.size();
      buffers_.ensure(columns, static_cast<int>(kept.size()));
      for (size_t i = 0; i < kept.size(); ++i)
        for (size_t c = 0; c < columns; ++c) { buffers_[c].values[i] = rows_.values(kept[i])[c]; buffers_[c].nulls[i] = rows_.nulls(kept[i])[c]; }
      buffers_.expose(out, columns, static_cast<int>(kept.size()));
      return true;
    }
    return false;
  }
 private:
  // Whether the newest version of a row has the unique keys of the version in this statement's snapshot.
  bool same_key(rows::TableAccess& access, uint64_t row_id, std::string_view newest) {
    std::string seen;
    if (!access.fetch(row_id, state.view, &seen)) return false;
    const rows::Table& table = access.table();
    for (const rows::IndexDef& index : table.indexes()) {
      if (!index.unique || index.partial || index.has_expressions) continue;
      for (const auto& key : index.keys) {
        auto column = static_cast<size_t>(key.column - 1);
        if (!rows::same_value(table.format().type(column), table.format().decode(seen, column, arena_), table.format().decode(newest, column, arena_))) return false;
      }
    }
    return true;
  }
  rows::TableAccess& open(Oid relation) {
    auto& a = access_[relation];
    if (!a) a = open_access(state.ctx->catalog->state()->relation(relation), state);
    return *a;
  }
  OperatorPtr child_;
  ExprList ids_;
  RowStore rows_;
  std::map<Oid, std::unique_ptr<rows::TableAccess>> access_;
  OutputBatch buffers_;
  Arena arena_;
};
}  // namespace

OperatorPtr make_modify(const PlanNode& n, ExecState& s) { return std::make_unique<ModifyOp>(n, s); }
OperatorPtr make_lock_rows(const PlanNode& n, ExecState& s) { return std::make_unique<LockRowsOp>(n, s); }

}  // namespace stele::query

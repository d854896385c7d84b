// What functions and procedures ask of the session that runs them: kept plans, subtransactions, cursors, CALL.
#include "sql/binder/privileges.h"
#include "sql/parser/pg.h"
#include "sql/session/session_impl.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::sql {

using catalog::ObjectKind;

std::string UtilityHost::run_utility_statement(const ParseTreePtr& tree, size_t index, const RowSink&) {
  run_sql(tree->statement_text(tree->statements.at(index)));
  return {};
}
void UtilityHost::end_transaction_inside(bool, bool) { throw Error(ErrorCode::kInvalidTransactionTermination, "invalid transaction termination"); }
void UtilityHost::open_cursor(const std::string&, const query::QueryPtr&, std::span<const NullableDatum>, std::span<const Oid>, std::string_view, bool, bool) {
  throw Error(ErrorCode::kFeatureNotSupported, "cursors need a session");
}

uint64_t SessionImpl::run_plan(HostPlan& kept, const query::QueryPtr& q, std::span<const NullableDatum> params, std::span<const Oid> param_types, const RowSink& emit) {
  struct Restore {
    query::ExecContext& exec;
    std::span<const NullableDatum> params;
    std::span<const Oid> types;
    ~Restore() {
      exec.params = params;
      exec.param_types = types;
    }
  } restore{exec_, exec_.params, exec_.param_types};
  exec_.params = params;
  exec_.param_types = param_types;
  if (has_rules(*q, *exec_.catalog->state())) {
    if (!superuser()) check_privileges(*q, *exec_.catalog->state(), current_user_);
    return run_with_rules(q, params, param_types, emit);
  }
  if (!superuser()) check_privileges(*q, *exec_.catalog->state(), current_user_);
  auto make = [&] {
    if (kept.generic == nullptr || kept.generic->catalog_version() != exec_.catalog->state()->version()) kept.generic = query::make_plan(q, exec_, false);
    return params.empty() || kept.generic->generic() ? kept.generic : query::make_plan(q, exec_, true);
  };
  query::PlanPtr plan = make();
  lock_plan(plan, make);
  if (read_only_) check_writes(*q);
  auto execution = query::start(plan, exec_, read_view(*plan));
  const auto columns = columns_of(q);
  query::Batch batch;
  std::vector<NullableDatum> row;
  uint64_t n = 0;
  bool more = true;
  while (more && execution->next(batch)) {
    if (!emit) n += static_cast<uint64_t>(batch.size);
    else {
      row.resize(batch.columns.size());
      for (int i = 0; more && i < batch.size; ++i) {
        for (size_t c = 0; c < batch.columns.size(); ++c) row[c] = {batch.columns[c].values[i], batch.columns[c].nulls[i] != 0};
        ++n;
        more = emit(std::span(row).first(std::min(row.size(), columns.size())), columns);
      }
    }
    check_interrupts();
  }
  return q->command == query::CommandKind::kSelect ? n : execution->rows_affected();
}

std::string SessionImpl::run_utility_statement(const ParseTreePtr& tree, size_t index, const RowSink& emit) {
  CachedStatement one;
  one.tree = tree;
  one.raw = tree->statements.at(index);
  one.kind = classify(one.raw.node);
  if (one.kind == StatementKind::kTransaction) throw Error(ErrorCode::kInvalidTransactionTermination, "invalid transaction termination");
  if (one.raw.node->node_case == PG_QUERY__NODE__NODE_COPY_STMT && one.raw.node->copy_stmt->filename[0] == 0)
    throw Error(ErrorCode::kFeatureNotSupported, "cannot COPY to/from client in PL/pgSQL");
  const bool outer = multi_statement_;
  multi_statement_ = true;   // what refuses transaction blocks refuses functions too
  struct Back { bool& flag; bool value; ~Back() { flag = value; } } back{multi_statement_, outer};
  Portal result;
  run_utility(one, result);
  next_command();
  if (result.result != nullptr && emit) {
    for (size_t i = 0; i < result.result->size(); ++i)
      if (!emit(result.result->row(i), result.columns)) break;
  }
  return result.tag;
}

Oid SessionImpl::switch_user(Oid user) {
  const Oid before = current_user_;
  current_user_ = user;
  exec_.current_user = user;
  return before;
}

void SessionImpl::begin_subtransaction() { define_savepoint(""); }

void SessionImpl::end_subtransaction(bool rollback) {
  if (savepoints_.empty() || txn_ == nullptr) return;
  if (rollback) {
    Savepoint& s = savepoints_.back();
    txn_->rollback_to(s.storage);
    settings_.rollback_to(s.settings);
    notifies_.resize(std::min(notifies_.size(), s.notifies));
    std::erase_if(portals_, [&](const auto& p) { return p.second->is_cursor && !p.second->held && !s.portals.contains(p.first); });
  }
  txn_->release(savepoints_.back().storage);
  savepoints_.pop_back();
  txn_->next_command();
}

void SessionImpl::end_transaction_inside(bool commit, bool chain) {
  if (atomic_) throw Error(ErrorCode::kInvalidTransactionTermination, "invalid transaction termination");
  if (!savepoints_.empty()) {
    throw Error(ErrorCode::kInvalidTransactionTermination, commit ? "cannot commit while a subtransaction is active" : "cannot roll back while a subtransaction is active");
  }
  const auto isolation = isolation_;
  const bool read_only = read_only_, deferrable = deferrable_;
  const int64_t statement_us = eval_.statement_us;
  // The portal that runs the procedure stays.
  auto running = portals_;
  if (commit) commit_transaction();
  else abort_transaction();
  for (auto& [name, p] : running)
    if (!p->is_cursor) portals_.emplace(name, p);
  if (chain) {
    isolation_ = isolation;
    read_only_ = read_only;
    deferrable_ = deferrable;
  }
  ensure_transaction();
  eval_.statement_us = statement_us;
}

void SessionImpl::call_or_do(const CachedStatement& s, Portal& result) {
  const pg::Node* n = s.raw.node;
  const bool outer = atomic_;
  const bool inside = plpgsql_depth_ > 0;
  atomic_ = inside ? atomic_ : status_ != TxnStatus::kIdle || multi_statement_;
  ++plpgsql_depth_;
  struct Back {
    SessionImpl& session;
    bool atomic;
    ~Back() {
      session.atomic_ = atomic;
      --session.plpgsql_depth_;
    }
  } back{*this, outer};
  if (n->node_case == PG_QUERY__NODE__NODE_DO_STMT) {
    run_do(n, s.tree->text, *this);
    return;
  }
  run_call(n, s.tree->text, *this, [&](std::span<const NullableDatum> row, std::span<const OutputColumn> columns) {
    result.columns.assign(columns.begin(), columns.end());
    std::vector<bool> by_value;
    std::vector<Datum> values(row.size());
    std::vector<uint8_t> nulls(row.size());
    query::Batch batch;
    batch.size = 1;
    for (size_t i = 0; i < row.size(); ++i) {
      by_value.push_back(type_facts(columns[i].type).by_value);
      values[i] = row[i].value;
      nulls[i] = row[i].is_null ? 1 : 0;
      batch.columns.push_back({&values[i], &nulls[i]});
    }
    result.result = std::make_unique<RowBuffer>();
    result.result->add(batch, result.columns, by_value);
    result.returns_rows = true;
    return true;
  });
}

std::string SessionImpl::unnamed_portal() {
  std::string name;
  do {
    name = fmt::format("<unnamed portal {}>", ++unnamed_portals_);
  } while (portals_.contains(name));
  return name;
}

void SessionImpl::open_cursor(const std::string& name, const query::QueryPtr& q, std::span<const NullableDatum> params, std::span<const Oid> param_types, std::string_view text,
                              bool scroll, bool no_scroll) {
  if (portals_.contains(name)) throw Error(ErrorCode::kDuplicateCursor, fmt::format("cursor \"{}\" already in use", name));
  if (!superuser()) check_privileges(*q, *exec_.catalog->state(), current_user_);
  auto p = std::make_shared<Portal>();
  p->name = name;
  p->is_cursor = true;
  p->scroll = scroll;
  p->no_scroll = no_scroll;
  p->text = text;
  p->created_us = eval_.statement_us;
  for (size_t i = 0; i < params.size(); ++i) {
    const bool null = params[i].is_null;
    p->params.push_back({null ? Datum{} : copy_datum(type_facts(param_types[i]).by_value, params[i].value, p->arena), null});
    p->param_types.push_back(param_types[i]);
  }
  const auto outer_params = exec_.params;
  const auto outer_types = exec_.param_types;
  exec_.params = p->params;
  exec_.param_types = p->param_types;
  struct Restore {
    query::ExecContext& exec;
    std::span<const NullableDatum> params;
    std::span<const Oid> types;
    ~Restore() {
      exec.params = params;
      exec.param_types = types;
    }
  } restore{exec_, outer_params, outer_types};
  const query::QueryPtr scanned = cursor_query(q, *p);
  auto make = [&] { return query::make_plan(scanned, exec_, !p->params.empty()); };
  p->plan = make();
  lock_plan(p->plan, make);
  choose_direction(*p, *q);
  p->columns = columns_of(scanned);
  p->returns_rows = true;
  storage::ReadView view;
  view.snapshot = txn_->statement_snapshot();
  view.command = txn_->current_command();
  p->execution = query::start(p->plan, exec_, view);
  p->started = true;
  portals_[name] = std::move(p);
}

uint64_t SessionImpl::fetch_cursor(std::string_view name, int direction, int64_t how_many, const RowSink& emit) {
  const PortalPtr held = find_portal(name);
  const auto rows = move_cursor(*held, direction, how_many);
  if (emit)
    for (size_t r : rows)
      if (!emit(held->buffer->row(r).first(held->shown().size()), held->shown())) break;
  return rows.size();
}

// A cursor over one table keeps each row's place for WHERE CURRENT OF, as a column that nobody is shown.
query::QueryPtr SessionImpl::cursor_query(const query::QueryPtr& q, Portal& p) const {
  if (q->command != query::CommandKind::kSelect || q->from.size() != 1 || q->from[0]->is_join || !q->group_by.empty() || !q->grouping_sets.empty() || q->having != nullptr ||
      q->has_aggregates || q->has_windows || !q->distinct.empty() || q->set_operation != nullptr || q->has_target_srfs)
    return q;
  const auto& rte = *q->range_table[static_cast<size_t>(q->from[0]->relation - 1)];
  if (rte.kind != query::RteKind::kRelation || rte.relkind != 'r' || rte.relation < oid::kFirstUserOid) return q;
  auto copy = std::make_shared<query::Query>(*q);
  auto v = std::make_shared<query::VarExpr>();
  v->relation = q->from[0]->relation;
  v->column = query::system_column::kCtid;
  v->type = oid::kTid;
  query::TargetEntry t;
  t.expr = v;
  t.name = "ctid";
  t.resno = static_cast<int>(copy->targets.size()) + 1;
  // Behind the visible columns, before those that only sort.
  auto at = std::find_if(copy->targets.begin(), copy->targets.end(), [](const query::TargetEntry& e) { return e.junk; });
  copy->targets.insert(at, std::move(t));
  p.hidden = 1;
  p.updatable = rte.relation;
  return copy;
}

std::string SessionImpl::cursor_position(const std::string& name, Oid relation) {
  auto it = portals_.find(name);
  if (it == portals_.end()) throw Error(ErrorCode::kInvalidCursorName, fmt::format("cursor \"{}\" does not exist", name));
  Portal& p = *it->second;
  const auto r = exec_.catalog->state()->relation(relation);
  if (p.updatable != relation) {
    throw Error(ErrorCode::kInvalidCursorState, fmt::format("cursor \"{}\" is not a simply updatable scan of table \"{}\"", name, r == nullptr ? "" : r->name));
  }
  if (p.held) throw Error(ErrorCode::kInvalidCursorState, fmt::format("cursor \"{}\" is held from a previous transaction", name));
  if (p.position < 1 || p.buffer == nullptr || static_cast<size_t>(p.position) > p.buffer->size())
    throw Error(ErrorCode::kInvalidCursorState, fmt::format("cursor \"{}\" is not positioned on a row", name));
  return std::string(p.buffer->row(static_cast<size_t>(p.position - 1)).back().value.as_view());
}

void SessionImpl::close_cursor(std::string_view name) {
  auto it = portals_.find(name);
  if (it != portals_.end()) portals_.erase(it);
}

namespace {
[[noreturn]] void read_only_error(std::string_view command) {
  throw Error(ErrorCode::kReadOnlySqlTransaction, fmt::format("cannot execute {} in a read-only transaction", command));
}
}  // namespace

void SessionImpl::check_writes(const query::Query& q) const {
  static const char* const kNames[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"};
  if (q.command != query::CommandKind::kSelect && q.command != query::CommandKind::kUtility && q.result_relation > 0) {
    const auto& target = *q.range_table[static_cast<size_t>(q.result_relation - 1)];
    const auto r = exec_.catalog->state()->relation(target.relation);
    if (r == nullptr || r->persistence != 't') read_only_error(kNames[static_cast<size_t>(q.command)]);
  }
  if (!q.row_locks.empty()) {
    switch (q.row_locks[0].strength) {
      case storage::LockMode::kForUpdate: read_only_error("SELECT FOR UPDATE");
      case storage::LockMode::kForNoKeyUpdate: read_only_error("SELECT FOR NO KEY UPDATE");
      case storage::LockMode::kForShare: read_only_error("SELECT FOR SHARE");
      default: read_only_error("SELECT FOR KEY SHARE");
    }
  }
  for (const auto& c : q.ctes)
    if (c.query != nullptr) check_writes(*c.query);
}

void SessionImpl::check_utility_writes(const pg::Node* n) const {
  switch (n->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
      if (n->create_stmt->relation->relpersistence[0] == 't') return;
      read_only_error("CREATE TABLE");
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
      if (n->create_table_as_stmt->into->rel->relpersistence[0] == 't') return;
      read_only_error("CREATE TABLE AS");
    case PG_QUERY__NODE__NODE_INDEX_STMT: read_only_error("CREATE INDEX");
    case PG_QUERY__NODE__NODE_DROP_STMT: read_only_error(n->drop_stmt->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE ? "DROP TABLE" : "DROP");
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT: read_only_error("ALTER TABLE");
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT: read_only_error("TRUNCATE TABLE");
    case PG_QUERY__NODE__NODE_VIEW_STMT: read_only_error("CREATE VIEW");
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT: read_only_error("CREATE SEQUENCE");
    case PG_QUERY__NODE__NODE_ALTER_SEQ_STMT: read_only_error("ALTER SEQUENCE");
    case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT: read_only_error("CREATE SCHEMA");
    case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT: read_only_error(n->create_function_stmt->is_procedure != 0 ? "CREATE PROCEDURE" : "CREATE FUNCTION");
    case PG_QUERY__NODE__NODE_CREATE_TRIG_STMT: read_only_error("CREATE TRIGGER");
    case PG_QUERY__NODE__NODE_CREATE_ROLE_STMT: read_only_error("CREATE ROLE");
    case PG_QUERY__NODE__NODE_GRANT_STMT: read_only_error(n->grant_stmt->is_grant != 0 ? "GRANT" : "REVOKE");
    case PG_QUERY__NODE__NODE_COMMENT_STMT: read_only_error("COMMENT");
    case PG_QUERY__NODE__NODE_RENAME_STMT: read_only_error("ALTER TABLE");
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT: case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT: read_only_error("CREATE TYPE");
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT: read_only_error("CREATE DOMAIN");
    case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT: read_only_error("REFRESH MATERIALIZED VIEW");
    case PG_QUERY__NODE__NODE_NOTIFY_STMT: return;
    case PG_QUERY__NODE__NODE_LISTEN_STMT: return;
    default: return;
  }
}

void SessionImpl::set_constraints(const pg::Node* node) {
  if (status_ == TxnStatus::kIdle && !multi_statement_) {
    notice("WARNING", Error(ErrorCode::kNoActiveSqlTransaction, "SET CONSTRAINTS can only be used in transaction blocks"));
  }
  const auto* s = node->constraints_set_stmt;
  const bool deferred = s->deferred != 0;
  if (s->n_constraints == 0) {
    exec_.constraint_modes.clear();
    exec_.constraints_all_deferred = deferred;
    exec_.constraints_all_immediate = !deferred;
    if (!deferred) query::run_deferred_checks(0, exec_);
    return;
  }
  std::vector<Oid> found;
  for (size_t i = 0; i < s->n_constraints; ++i) {
    const auto* rv = s->constraints[i]->range_var;
    const std::string name = rv->relname;
    std::vector<Oid> schemas = view().path();
    if (rv->schemaname != nullptr && rv->schemaname[0] != 0) {
      const Oid schema = view().schema(rv->schemaname);
      if (schema == 0) throw Error(ErrorCode::kInvalidSchemaName, fmt::format("schema \"{}\" does not exist", rv->schemaname));
      schemas = {schema};
    }
    bool any = false, not_deferrable = false;
    for (Oid schema : schemas) {
      exec_.catalog->state()->for_each(ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
        const auto& r = static_cast<const catalog::Relation&>(*o);
        if (r.schema != schema) return;
        for (const auto& c : r.constraints) {
          if (c.name != name) continue;
          any = true;
          if (c.deferrable) found.push_back(c.oid);
          else not_deferrable = true;
        }
        for (Oid t : r.triggers) {
          const auto trigger = exec_.catalog->state()->get_as<catalog::Trigger>(ObjectKind::kTrigger, t);
          if (trigger == nullptr || trigger->constraint == 0 || trigger->name != name) continue;
          any = true;
          if (trigger->deferrable) found.push_back(trigger->constraint);
          else not_deferrable = true;
        }
      });
      if (any) break;
    }
    if (not_deferrable) throw Error(ErrorCode::kWrongObjectType, fmt::format("constraint \"{}\" is not deferrable", name));
    if (!any) throw Error(ErrorCode::kUndefinedObject, fmt::format("constraint \"{}\" does not exist", name));
  }
  for (Oid c : found) exec_.constraint_modes[c] = deferred;
  if (!deferred)
    for (Oid c : found) query::run_deferred_checks(c, exec_);
}

}  // namespace stele::sql

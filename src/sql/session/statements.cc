// From text to results: parsing, binding, planning, running. The caches a statement passes on its way are here.
#include "base/codec.h"
#include "sql/binder/privileges.h"
#include "sql/parser/pg.h"
#include "sql/parser/strings.h"
#include "sql/session/session_impl.h"

namespace stele::sql {

using query::CommandKind;

StatementKind SessionImpl::classify(const pg::Node* node) {
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
      return node->select_stmt->into_clause != nullptr ? StatementKind::kUtility : StatementKind::kQuery;
    case PG_QUERY__NODE__NODE_INSERT_STMT:
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
    case PG_QUERY__NODE__NODE_MERGE_STMT: return StatementKind::kQuery;
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT: return StatementKind::kTransaction;
    default: return StatementKind::kUtility;
  }
}

// A text of one statement, parsed once for all sessions; null when it holds another number of them.
StatementPtr SessionImpl::cached_single(std::string_view text) {
  const std::string key(text);
  if (StatementPtr s = database_.cached(text)) return s;
  ParseTreePtr tree = parse_sql(text);
  if (tree->statements.size() != 1) return nullptr;
  auto s = std::make_shared<CachedStatement>();
  s->raw = tree->statements[0];
  s->kind = classify(s->raw.node);
  s->tree = std::move(tree);
  if (s->kind != StatementKind::kUtility) database_.cache(key, s);
  return s;
}

std::shared_ptr<CachedStatement::Bound> SessionImpl::rebind(CachedStatement& s, bool infer) {
  auto b = std::make_shared<CachedStatement::Bound>();
  const auto state = changes_->state();
  b->version = state->version();
  b->path = scope_;
  b->user = current_user_;
  ParamTypes params;
  params.types = s.declared_types;
  params.infer = infer;
  BindContext context = bind_context(s.tree->text);
  context.params = infer || !s.declared_types.empty() ? &params : nullptr;
  auto work = [&] { b->query = bind_statement(s.raw.node, context); };
  if (s.tree->deep) run_on_large_stack(work);
  else work();
  b->param_types = params.types;
  for (size_t i = 0; i < b->param_types.size(); ++i) {
    if (b->param_types[i] == 0 || b->param_types[i] == oid::kUnknown) {
      if (infer) throw Error(ErrorCode::kIndeterminateDatatype, fmt::format("could not determine data type of parameter ${}", i + 1));
    }
  }
  const auto& targets = b->query->command == CommandKind::kSelect ? b->query->targets : b->query->returning;
  for (const auto& t : targets) {
    if (t.junk) continue;
    b->columns.push_back({t.name, t.expr->type, t.expr->typmod, t.origin_table, t.origin_column});
  }
  b->returns_rows = b->query->command == CommandKind::kSelect || !b->query->returning.empty();
  b->has_rules = has_rules(*b->query, *state);
  static const std::set<Oid> kPlain = {oid::kBool, oid::kInt2, oid::kInt4, oid::kInt8, oid::kOid, oid::kText, oid::kVarchar, oid::kBpchar,
                                       oid::kBytea, oid::kUuid, oid::kFloat4, oid::kFloat8, oid::kNumeric};
  b->plain_params = std::all_of(b->param_types.begin(), b->param_types.end(), [](Oid t) { return kPlain.contains(t); });
  return b;
}

std::shared_ptr<CachedStatement::Bound> SessionImpl::bound(CachedStatement& s, bool infer) {
  const bool own_ddl = !changes_->empty();
  if (!own_ddl && temp_schema_ == 0) {
    const uint64_t version = changes_->state()->version();
    std::lock_guard lock(s.mutex);
    if (s.bound != nullptr && s.bound->version == version && s.bound->user == current_user_ && s.bound->path == scope_) return s.bound;
  }
  auto b = rebind(s, infer);
  if (!own_ddl && temp_schema_ == 0) {
    std::lock_guard lock(s.mutex);
    s.bound = b;
  }
  return b;
}

query::PlanPtr SessionImpl::plan_for(CachedStatement& s, const std::shared_ptr<CachedStatement::Bound>& b, Prepared* prepared) {
  if (!superuser()) check_privileges(*b->query, *(exec_.catalog != nullptr ? exec_.catalog->state() : engine_.catalog->state()), current_user_);
  query::PlanPtr generic;
  {
    std::lock_guard lock(s.mutex);
    generic = b->generic;
  }
  const bool settings_default = planner_default_;  // planner switches make plans of their own
  if (generic == nullptr || !settings_default) {
    auto work = [&] { generic = query::make_plan(b->query, exec_, false); };
    if (s.tree->deep) run_on_large_stack(work);
    else work();
    if (settings_default) {
      std::lock_guard lock(s.mutex);
      b->generic = generic;
      b->point_read = generic->is_point() && generic->command() == CommandKind::kSelect && b->query->row_locks.empty();
    }
  }
  if (exec_.params.empty() || generic->generic()) {
    if (prepared != nullptr) ++prepared->generic_plans;
    return generic;
  }
  if (prepared != nullptr) ++prepared->custom_plans;
  return query::make_plan(b->query, exec_, true);
}

// Takes the locks a plan needs; a plan that went stale while waiting is made again.
void SessionImpl::lock_plan(query::PlanPtr& plan, const std::function<query::PlanPtr()>& again) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    bool waited = false;
    for (const auto& [relation, mode] : plan->relation_locks()) {
      if (relation < 16384) continue;
      char key[4];
      store_be32(key, relation);
      waited = txn_->lock({storage::LockKind::kRelation, {key, 4}}, mode, exec_.wait) == storage::LockOutcome::kGrantedAfterWait || waited;
    }
    if (!waited) return;
    changes_->refresh();
    if (changes_->state()->version() == plan->catalog_version()) return;
    plan = again();
  }
}

storage::ReadView SessionImpl::read_view(const query::Plan& plan) {
  storage::ReadView view;
  // One row by its key at READ COMMITTED needs no snapshot: its newest version is what one would show.
  if (!(plan.is_point() && isolation_ == storage::Isolation::kReadCommitted)) view.snapshot = txn_->statement_snapshot();
  view.command = txn_->current_command();
  read_lsn_ = view.snapshot != nullptr ? view.snapshot->lsn() : engine_.store->published_lsn();
  first_query_done_ = true;
  return view;
}

std::string SessionImpl::tag_of(CommandKind command, const pg::Node*, uint64_t rows) const {
  switch (command) {
    case CommandKind::kSelect: return fmt::format("SELECT {}", rows);
    case CommandKind::kInsert: return fmt::format("INSERT 0 {}", rows);
    case CommandKind::kUpdate: return fmt::format("UPDATE {}", rows);
    case CommandKind::kDelete: return fmt::format("DELETE {}", rows);
    case CommandKind::kMerge: return fmt::format("MERGE {}", rows);
    case CommandKind::kUtility: break;
  }
  return {};
}

// `params` belong to the literals of a stripped text.
void SessionImpl::run_query(const StatementPtr& s, std::span<const NullableDatum> params, ResultSink& sink) {
  const bool infer = !params.empty();
  auto b = bound(*s, infer);
  exec_.params = params;
  exec_.param_types = infer ? std::span<const Oid>(b->param_types) : std::span<const Oid>();
  if (b->has_rules) {
    learning_ = nullptr;
    Portal result;
    run_rules_statement(*s, b, result);
    next_command();
    finish_statement();
    if (result.result != nullptr) {
      sink.columns(result.columns);
      send_result(result, 0, sink);
    }
    sink.complete(result.tag);
    return;
  }
  query::PlanPtr plan = plan_for(*s, b, nullptr);
  lock_plan(plan, [&] {
    b = bound(*s, infer);
    return plan_for(*s, b, nullptr);
  });
  if (const StrippedPtr entry = std::exchange(learning_, nullptr)) learn_stripped(*entry, *plan, b->columns);
  if (read_only_) check_writes(*b->query);
  auto execution = query::start(plan, exec_, read_view(*plan));
  if (b->returns_rows) sink.columns(b->columns);
  query::Batch batch;
  uint64_t sent = 0;
  while (execution->next(batch)) {
    sent += static_cast<uint64_t>(batch.size);
    if (b->returns_rows && batch.size > 0 && !sink.rows(batch, b->columns)) break;
    check_interrupts();
  }
  const CommandKind command = plan->command();
  const uint64_t rows = command == CommandKind::kSelect ? sent : execution->rows_affected();
  execution.reset();
  next_command();
  if (command != CommandKind::kSelect && rows > 0 && b->query->result_relation > 0) {
    database_.note_changes({{b->query->range_table[static_cast<size_t>(b->query->result_relation - 1)]->relation, rows}});
  }
  finish_statement();
  sink.complete(tag_of(command, s->raw.node, rows));
}

// Outside a block the statement's transaction ends before its completion is reported.
void SessionImpl::finish_statement() {
  if (!holds_transaction()) commit_transaction();
}

void SessionImpl::run_statement(const StatementPtr& s, std::string_view, ResultSink& sink) {
  check_failed(s->raw.node);
  start_statement(s->tree->statement_text(s->raw));
  switch (s->kind) {
    case StatementKind::kEmpty: return;
    case StatementKind::kQuery:
      run_query(s, {}, sink);
      return;
    case StatementKind::kTransaction: {
      const std::string tag = transaction_statement(s->raw.node, &sink);
      finish_statement();
      sink.complete(tag);
      return;
    }
    case StatementKind::kUtility: {
      if (s->raw.node->node_case == PG_QUERY__NODE__NODE_COPY_STMT) {
        copy(*s, sink);
        return;
      }
      Portal result;
      run_utility(*s, result);
      next_command();
      finish_statement();
      if (result.result != nullptr) {
        sink.columns(result.columns);
        send_result(result, 0, sink);
      }
      sink.complete(result.tag);
    }
  }
}

std::string_view SessionImpl::parser_text(std::string_view text, std::string* held) {
  if (!escapes_in_strings_ || (text.find('\\') == std::string_view::npos && text.find('&') == std::string_view::npos)) return text;
  const bool warn = settings_.raw("escape_string_warning").value_or("on") != "off";
  *held = without_escapes(text, [&](const Error& e) {
    if (warn) notice("WARNING", e);
  });
  return *held;
}

void SessionImpl::simple_query(std::string_view given, ResultSink& sink) {
  std::string_view text = given;
  std::string held;
  const auto idle = [this] {
    std::lock_guard lock(activity_mutex_);
    state_change_us_ = engine_.store->clock().unix_us() - 946684800000000;
    activity_state_.store(status_ == TxnStatus::kIdle ? "idle" : status_ == TxnStatus::kFailed ? "idle in transaction (aborted)" : "idle in transaction");
  };
  if (const BoundPtr b = std::exchange(read_ahead_, nullptr); b != nullptr && read_ahead_portal_ == nullptr && read_ahead_text_ == text) {
    note_activity(text);
    send_point(*b, sink, true);
    idle();
    return;
  }
  learning_ = nullptr;
  try {
    extended_open_ = false;
    multi_statement_ = false;
    text = parser_text(given, &held);
    if (simple_stripped(text, sink)) {
      // Done with a shared plan.
    } else if (StatementPtr s = database_.cached(text)) {
      multi_statement_ = false;
      run_statement(s, text, sink);
    } else {
      ParseTreePtr tree = parse_sql(text);
      multi_statement_ = tree->statements.size() > 1;
      if (tree->statements.empty()) sink.empty_query();
      for (size_t i = 0; i < tree->statements.size(); ++i) {
        auto one = std::make_shared<CachedStatement>();
        one->tree = tree;
        one->raw = tree->statements[i];
        one->kind = classify(one->raw.node);
        if (tree->statements.size() == 1 && one->kind != StatementKind::kUtility) database_.cache(std::string(text), one);
        // The last statement ends the transaction that the string shares, so that its completion speaks for it.
        if (i + 1 == tree->statements.size()) multi_statement_ = false;
        run_statement(one, text, sink);
      }
    }
    multi_statement_ = false;
    if (status_ == TxnStatus::kIdle && txn_ != nullptr) commit_transaction();
    idle();
  } catch (...) {
    multi_statement_ = false;
    learning_ = nullptr;
    statement_failed();
    idle();
    throw;
  }
}

// ---- queries run on behalf of utilities and functions

std::vector<OutputColumn> SessionImpl::columns_of(const query::QueryPtr& q) {
  std::vector<OutputColumn> out;
  const auto& targets = q->command == CommandKind::kSelect ? q->targets : q->returning;
  for (const auto& t : targets) {
    if (!t.junk) out.push_back({t.name, t.expr->type, t.expr->typmod, t.origin_table, t.origin_column});
  }
  return out;
}

uint64_t SessionImpl::run(const query::QueryPtr& q, std::span<const NullableDatum> params, std::span<const Oid> param_types,
                          const std::function<bool(std::span<const NullableDatum>, std::span<const OutputColumn>)>& emit) {
  const auto outer_params = exec_.params;
  const auto outer_types = exec_.param_types;
  exec_.params = params;
  exec_.param_types = param_types;
  struct Restore {
    query::ExecContext& exec;
    std::span<const NullableDatum> params;
    std::span<const Oid> types;
    ~Restore() {
      exec.params = params;
      exec.param_types = types;
    }
  } restore{exec_, outer_params, outer_types};
  query::PlanPtr plan = query::make_plan(q, exec_, !params.empty());
  lock_plan(plan, [&] { return query::make_plan(q, exec_, !params.empty()); });
  auto execution = query::start(plan, exec_, read_view(*plan));
  const auto columns = columns_of(q);
  query::Batch batch;
  std::vector<NullableDatum> row;
  uint64_t n = 0;
  bool more = true;
  while (more && execution->next(batch)) {
    n += static_cast<uint64_t>(batch.size);
    if (!emit) continue;
    row.resize(batch.columns.size());
    for (int i = 0; more && i < batch.size; ++i) {
      for (size_t c = 0; c < batch.columns.size(); ++c) {
        row[c] = {batch.columns[c].values[i], batch.columns[c].nulls[i] != 0};
      }
      more = emit(std::span(row).first(std::min(row.size(), columns.size())), columns);
    }
    check_interrupts();
  }
  return q->command == CommandKind::kSelect ? n : execution->rows_affected();
}

void SessionImpl::run_sql(std::string_view sql) {
  DiscardResults sink;
  const bool own = txn_ == nullptr;
  ParseTreePtr tree = parse_sql(sql);
  const bool outer = multi_statement_;
  multi_statement_ = true;
  try {
    for (const RawStatement& raw : tree->statements) {
      auto one = std::make_shared<CachedStatement>();
      one->tree = tree;
      one->raw = raw;
      one->kind = classify(raw.node);
      if (own) start_statement(sql);
      switch (one->kind) {
        case StatementKind::kQuery: run_query(one, {}, sink); break;
        case StatementKind::kUtility: {
          Portal result;
          run_utility(*one, result);
          next_command();
          break;
        }
        default: throw Error(ErrorCode::kInvalidTransactionTermination, "invalid transaction termination");
      }
    }
    multi_statement_ = outer;
    if (own && status_ == TxnStatus::kIdle) commit_transaction();
  } catch (...) {
    multi_statement_ = outer;
    if (own) statement_failed();
    throw;
  }
}

}  // namespace stele::sql

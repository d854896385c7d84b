// Transaction blocks, savepoints, the end of transactions.
#include "sql/parser/pg.h"
#include "sql/session/session_impl.h"

namespace stele::sql {

using storage::Isolation;

namespace {
int64_t now_us(storage::Store& store) { return store.clock().unix_us() - 946684800000000; }  // since 2000-01-01
}

void SessionImpl::ensure_transaction() {
  if (txn_ != nullptr) return;
  storage::TxnOptions options;
  options.isolation = isolation_;
  options.read_only = read_only_;
  options.deferrable = deferrable_;
  txn_ = engine_.store->begin(options);
  lock_owner_.store(txn_->id(), std::memory_order_relaxed);
  changes_ = engine_.catalog->begin(*txn_, seen_database_);
  exec_.txn = txn_.get();
  exec_.catalog = changes_.get();
  eval_.now_us = now_us(*engine_.store);
  eval_.statement_us = eval_.now_us;
  xact_start_us_ = eval_.now_us;
}

void SessionImpl::start_statement(std::string_view text) {
  const int64_t now = now_us(*engine_.store);
  {
    std::lock_guard lock(activity_mutex_);
    activity_query_.assign(text.substr(0, 1024));
    query_start_us_ = state_change_us_ = now;
  }
  activity_state_.store("active");
  cancelled_.store(false);
  interrupt_countdown_ = 0;
  statement_deadline_us_ = statement_timeout_ms_ > 0 ? engine_.store->clock().monotonic_us() + statement_timeout_ms_ * 1000 : 0;
  const bool fresh = txn_ == nullptr;
  ensure_transaction();
  eval_.statement_us = now;
  // The transaction's time is its first statement's.
  if (fresh) eval_.now_us = xact_start_us_ = now;
  if (isolation_ == Isolation::kReadCommitted) changes_->refresh();
}

void SessionImpl::close_cursors(bool commit) {
  for (auto it = portals_.begin(); it != portals_.end();) {
    Portal& p = *it->second;
    if (p.held) {
      ++it;
      continue;
    }
    if (commit && p.hold && !p.failed) {
      // The rest of the rows is kept beyond the transaction.
      fetch_into_buffer(p, SIZE_MAX);
      p.execution.reset();
      p.held = true;
      ++it;
      continue;
    }
    it = portals_.erase(it);
  }
}

void SessionImpl::after_end() {
  exec_.txn = nullptr;
  exec_.catalog = nullptr;
  changes_.reset();
  txn_.reset();
  lock_owner_.store(0, std::memory_order_relaxed);
  savepoints_.clear();
  read_lsn_ = 0;
  xact_start_us_ = 0;
  transaction_number_ = 0;
  first_query_done_ = false;
  status_ = TxnStatus::kIdle;
  isolation_ = default_isolation_;
  read_only_ = default_read_only_;
  deferrable_ = default_deferrable_;
  exec_.constraints_all_deferred = exec_.constraints_all_immediate = false;
  exec_.constraint_modes.clear();
  exec_.deferred_checks.clear();
}

void SessionImpl::depends_on(storage::Lsn lsn) {
  if (!synchronous_) return;
  lsn = std::min(lsn, database_.promised());
  if (lsn > pending_durable_ && lsn > engine_.store->log().durable_lsn()) pending_durable_ = lsn;
}

void SessionImpl::commit_transaction() {
  if (txn_ == nullptr) {
    settings_.commit();
    users_before_.reset();
    after_end();
    return;
  }
  try {
    close_cursors(true);
    end_temporary_tables();
    const bool durable = synchronous_;
    const auto notifies = std::move(notifies_);
    notifies_.clear();
    const storage::Lsn lsn = txn_->commit();
    // A reply that depends on this commit, or on what it read, is held until that is durable; a session that asked for
    // no sync waits for none.
    if (durable && lsn != 0) {
      pending_durable_ = std::max(pending_durable_, lsn);
      database_.promised(lsn);
    }
    if (lsn == 0) depends_on(read_lsn_);
    if (!notifies.empty()) database_.notify(*this, notifies);
    if (!listens_.empty()) database_.listen(*this, listens_);
    listens_.clear();
    settings_.commit();
    users_before_.reset();
  } catch (...) {
    abort_transaction();
    throw;
  }
  after_end();
}

// ON COMMIT DELETE ROWS and ON COMMIT DROP.
void SessionImpl::end_temporary_tables() {
  if (temp_schema_ == 0) return;
  std::string drop, truncate;
  changes_->state()->for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
    const auto& r = static_cast<const catalog::Relation&>(*o);
    if (r.schema != temp_schema_ || r.on_commit == 0 || r.relkind != 'r') return;
    std::string& list = r.on_commit == 2 ? drop : truncate;
    list += (list.empty() ? "" : ", ") + std::string("pg_temp.") + quote_identifier(r.name);
  });
  const bool read_only = std::exchange(read_only_, false);
  if (!truncate.empty()) run_sql("TRUNCATE " + truncate);
  if (!drop.empty()) run_sql("DROP TABLE " + drop + " CASCADE");
  read_only_ = read_only;
}

void SessionImpl::abort_transaction() {
  notifies_.clear();
  listens_.clear();
  close_cursors(false);
  if (txn_ != nullptr) txn_->abort();
  settings_.rollback();
  if (users_before_) {
    std::tie(current_user_, session_user_) = *users_before_;
    exec_.current_user = current_user_;
    users_before_.reset();
  }
  if (temp_schema_ != 0 && engine_.catalog->state()->get(catalog::ObjectKind::kSchema, temp_schema_) == nullptr) temp_schema_ = 0;
  after_end();
}

void SessionImpl::statement_failed() {
  if (status_ == TxnStatus::kIdle) {
    abort_transaction();
    return;
  }
  status_ = TxnStatus::kFailed;
  if (savepoints_.empty()) {
    // Nothing can be kept: locks go now, the block waits for its ROLLBACK.
    notifies_.clear();
    listens_.clear();
    close_cursors(false);
    if (txn_ != nullptr) txn_->abort();
    exec_.txn = nullptr;
    exec_.catalog = nullptr;
    changes_.reset();
    txn_.reset();
    lock_owner_.store(0, std::memory_order_relaxed);
    settings_.rollback();
    if (users_before_) {
      std::tie(current_user_, session_user_) = *users_before_;
      exec_.current_user = current_user_;
      users_before_.reset();
    }
  } else if (txn_ != nullptr) {
    Savepoint& s = savepoints_.back();
    txn_->rollback_to(s.storage);
    settings_.rollback_to(s.settings);
    read_only_ = s.read_only;
    notifies_.resize(std::min(notifies_.size(), s.notifies));
    std::erase_if(portals_, [&](const auto& p) { return !p.second->held && !s.portals.contains(p.first); });
  }
}

void SessionImpl::check_failed(const pg::Node* node) const {
  if (status_ != TxnStatus::kFailed) return;
  if (node != nullptr && node->node_case == PG_QUERY__NODE__NODE_TRANSACTION_STMT) {
    switch (node->transaction_stmt->kind) {
      case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
      case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
      case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
      case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE: return;
      default: break;
    }
  }
  throw Error(ErrorCode::kInFailedSqlTransaction, "current transaction is aborted, commands ignored until end of transaction block");
}

void SessionImpl::set_transaction_option(std::string_view name, std::string_view value) {
  if (name == "transaction_isolation") {
    Isolation level;
    if (value == "serializable") level = Isolation::kSerializable;
    else if (value == "repeatable read") level = Isolation::kRepeatableRead;
    else level = Isolation::kReadCommitted;  // read uncommitted behaves so
    if (level == isolation_) return;
    if (first_query_done_) throw Error(ErrorCode::kActiveSqlTransaction, "SET TRANSACTION ISOLATION LEVEL must be called before any query");
    if (!savepoints_.empty()) throw Error(ErrorCode::kActiveSqlTransaction, "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction");
    isolation_ = level;
    restart_unused();
  } else if (name == "transaction_read_only") {
    const bool on = value == "on" || value == "1" || value == "true";
    if (!on && read_only_) {
      if (!savepoints_.empty() && savepoints_.back().read_only) {
        throw Error(ErrorCode::kActiveSqlTransaction, "cannot set transaction read-write mode inside a read-only transaction");
      }
      if (first_query_done_) throw Error(ErrorCode::kActiveSqlTransaction, "transaction read-write mode must be set before any query");
    }
    if (read_only_ == on) return;
    read_only_ = on;
    if (!on) restart_unused();
  } else {
    const bool on = value == "on" || value == "1" || value == "true";
    if (!savepoints_.empty()) throw Error(ErrorCode::kActiveSqlTransaction, "SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction");
    if (first_query_done_) throw Error(ErrorCode::kActiveSqlTransaction, "SET TRANSACTION [NOT] DEFERRABLE must be called before any query");
    deferrable_ = on;
  }
}

// Begins the storage's transaction again with the session's present modes. Nothing was read or written in it.
void SessionImpl::restart_unused() {
  if (txn_ == nullptr || txn_->has_writes()) return;
  txn_->abort();
  exec_.txn = nullptr;
  exec_.catalog = nullptr;
  changes_.reset();
  txn_.reset();
  lock_owner_.store(0, std::memory_order_relaxed);
  ensure_transaction();
}

void SessionImpl::begin_block(const pg::Node* node) {
  if (status_ != TxnStatus::kIdle) {
    notice("WARNING", Error(ErrorCode::kActiveSqlTransaction, "there is already a transaction in progress"));
  } else {
    ensure_transaction();
    status_ = TxnStatus::kInBlock;
  }
  const auto* t = node->transaction_stmt;
  for (size_t i = 0; i < t->n_options; ++i) {
    const auto* option = t->options[i]->def_elem;
    const auto* arg = option->arg;
    std::string value;
    if (arg->node_case == PG_QUERY__NODE__NODE_A_CONST) {
      const auto* c = arg->a_const;
      if (c->val_case == PG_QUERY__A__CONST__VAL_SVAL) value = c->sval->sval;
      else if (c->val_case == PG_QUERY__A__CONST__VAL_IVAL) value = c->ival->ival != 0 ? "on" : "off";
      else if (c->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL) value = c->boolval->boolval != 0 ? "on" : "off";
    }
    set_transaction_option(option->defname, value);
  }
}

void SessionImpl::define_savepoint(const std::string& name) {
  ensure_transaction();
  Savepoint s{name, txn_->savepoint(), settings_.mark(), {}, notifies_.size(), read_only_};
  for (const auto& [portal, p] : portals_) s.portals.insert(portal);
  savepoints_.push_back(std::move(s));
  txn_->next_command();
}

void SessionImpl::rollback_to_savepoint(const std::string& name) {
  for (size_t i = savepoints_.size(); i-- > 0;) {
    if (savepoints_[i].name != name) continue;
    savepoints_.resize(i + 1);
    Savepoint& s = savepoints_[i];
    txn_->rollback_to(s.storage);
    settings_.rollback_to(s.settings);
    read_only_ = s.read_only;
    notifies_.resize(std::min(notifies_.size(), s.notifies));
    std::erase_if(portals_, [&](const auto& p) { return !p.second->held && !s.portals.contains(p.first); });
    status_ = TxnStatus::kInBlock;
    txn_->next_command();
    return;
  }
  throw Error(ErrorCode::kInvalidSavepointSpecification, fmt::format("savepoint \"{}\" does not exist", name));
}

void SessionImpl::release_savepoint(const std::string& name) {
  for (size_t i = savepoints_.size(); i-- > 0;) {
    if (savepoints_[i].name != name) continue;
    txn_->release(savepoints_[i].storage);
    read_only_ = savepoints_[i].read_only;
    savepoints_.resize(i);
    return;
  }
  throw Error(ErrorCode::kInvalidSavepointSpecification, fmt::format("savepoint \"{}\" does not exist", name));
}

std::string SessionImpl::transaction_statement(const pg::Node* node, ResultSink*) {
  const auto* t = node->transaction_stmt;
  auto need_block = [&](const char* what) {
    if (status_ == TxnStatus::kIdle) {
      throw Error(ErrorCode::kNoActiveSqlTransaction, fmt::format("{} can only be used in transaction blocks", what));
    }
  };
  auto chained = [&](const std::function<void()>& end) {
    const Isolation isolation = isolation_;
    const bool read_only = read_only_, deferrable = deferrable_;
    end();
    if (t->chain != 0) {
      isolation_ = isolation;
      read_only_ = read_only;
      deferrable_ = deferrable;
      ensure_transaction();
      status_ = TxnStatus::kInBlock;
    }
  };
  switch (t->kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
      begin_block(node);
      return "BEGIN";
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
      begin_block(node);
      return "START TRANSACTION";
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
      if (status_ == TxnStatus::kIdle) {
        if (t->chain != 0) need_block("COMMIT AND CHAIN");
        notice("WARNING", Error(ErrorCode::kNoActiveSqlTransaction, "there is no transaction in progress"));
        commit_transaction();
        return "COMMIT";
      }
      if (status_ == TxnStatus::kFailed) {
        chained([&] { abort_transaction(); });
        return "ROLLBACK";
      }
      chained([&] { commit_transaction(); });
      return "COMMIT";
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
      if (status_ == TxnStatus::kIdle) {
        if (t->chain != 0) need_block("ROLLBACK AND CHAIN");
        notice("WARNING", Error(ErrorCode::kNoActiveSqlTransaction, "there is no transaction in progress"));
      }
      chained([&] { abort_transaction(); });
      return "ROLLBACK";
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
      need_block("SAVEPOINT");
      define_savepoint(t->savepoint_name);
      return "SAVEPOINT";
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
      need_block("RELEASE SAVEPOINT");
      release_savepoint(t->savepoint_name);
      return "RELEASE";
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
      need_block("ROLLBACK TO SAVEPOINT");
      rollback_to_savepoint(t->savepoint_name);
      return "ROLLBACK";
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE:
      if (status_ == TxnStatus::kIdle) {
        notice("WARNING", Error(ErrorCode::kNoActiveSqlTransaction, "there is no transaction in progress"));
        return "ROLLBACK";
      }
      if (status_ == TxnStatus::kFailed) {
        chained([&] { abort_transaction(); });
        return "ROLLBACK";
      }
      // As PostgreSQL does, the transaction is over whatever comes of it.
      chained([&] { abort_transaction(); });
      throw Error(ErrorCode::kObjectNotInPrerequisiteState, "prepared transactions are disabled")
          .hint("Set max_prepared_transactions to a nonzero value.");
    default:
      prevent_in_block(t->kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT_PREPARED ? "COMMIT PREPARED" : "ROLLBACK PREPARED");
      throw Error(ErrorCode::kUndefinedObject, fmt::format("prepared transaction with identifier \"{}\" does not exist", t->gid));
  }
}

void SessionImpl::begin_implicit() { start_statement(""); }
void SessionImpl::end_implicit(bool failed) {
  if (failed) {
    statement_failed();
  } else {
    next_command();
    if (status_ == TxnStatus::kIdle) commit_transaction();
  }
  activity_state_.store("idle");
}

void SessionImpl::prevent_in_block(std::string_view statement) {
  if (status_ != TxnStatus::kIdle || multi_statement_) {
    throw Error(ErrorCode::kActiveSqlTransaction, fmt::format("{} cannot run inside a transaction block", statement));
  }
}

void SessionImpl::next_command() {
  if (txn_ != nullptr) txn_->next_command();
}

uint64_t SessionImpl::transaction_number() {
  if (transaction_number_ == 0) transaction_number_ = database_.next_transaction_number();
  return transaction_number_;
}

}  // namespace stele::sql

// What a session is made of: settings that take effect, hooks of the executor, names and roles.
#include "base/codec.h"
#include "rows/sequences.h"
#include "sql/functions/large_objects.h"
#include "sql/session/session_impl.h"
#include "types/timezone.h"

namespace stele::sql {

using catalog::ObjectKind;

SessionImpl::SessionImpl(DatabaseImpl& database, const SessionOptions& options, int pid, int secret)
    : database_(database),
      options_(options),
      pid_(pid),
      secret_(secret),
      settings_([this](const SettingDefinition* d, const std::string& name, const std::string& value) { setting_changed(d, name, value); }),
      engine_(database.engine()) {
  const auto state = engine_.catalog->state();
  const auto role = state->find(ObjectKind::kRole, 0, options.user);
  if (role == nullptr) {
    throw Error(ErrorCode::kInvalidAuthorizationSpecification, fmt::format("role \"{}\" does not exist", options.user));
  }
  if (!static_cast<const catalog::Role&>(*role).login) {
    throw Error(ErrorCode::kInvalidAuthorizationSpecification, fmt::format("role \"{}\" is not permitted to log in", options.user));
  }
  const auto found = std::static_pointer_cast<const catalog::Database>(state->find(ObjectKind::kDatabase, 0, options.database));
  if (found == nullptr) {
    throw Error(ErrorCode::kInvalidCatalogName, fmt::format("database \"{}\" does not exist", options.database));
  }
  if (!found->allow_connections) {
    throw Error(ErrorCode::kObjectNotInPrerequisiteState, fmt::format("database \"{}\" is not currently accepting connections", options.database));
  }
  login_user_ = session_user_ = current_user_ = role->oid;
  superuser_cached_ = static_cast<const catalog::Role&>(*role).superuser;
  database_oid_ = found->oid;
  seen_database_ = found->oid >= oid::kFirstUserOid ? found->oid : 0;
  backend_start_us_ = engine_.store->clock().unix_us() - 946684800000000;
  session_lock_owner_ = (uint64_t{1} << 63) | static_cast<uint64_t>(pid);
  install_hooks();
  settings_.announce();
  for (const auto& [name, value] : database.defaults()) settings_.set_default(name, value);
  for (const auto& [name, value] : found->settings) settings_.set_default(name, value);
  for (const auto& [name, value] : static_cast<const catalog::Role&>(*role).settings) settings_.set_default(name, value);
  settings_.set_default("session_authorization", options.user);
  settings_.set_default("is_superuser", superuser_cached_ ? "on" : "off");
  if (!options.application_name.empty()) settings_.set_default("application_name", options.application_name);
  for (const auto& [name, value] : options.settings) {
    const SettingDefinition* d = setting_definition(name);
    if (d != nullptr && (d->context == "internal" || d->context == "postmaster")) {
      throw Error(ErrorCode::kCantChangeRuntimeParam, fmt::format("parameter \"{}\" cannot be changed", d->name));
    }
    settings_.set_default(name, value);
  }
  after_end();
}

SessionImpl::~SessionImpl() {
  database_.forget(*this);
  try {
    if (txn_ != nullptr) abort_transaction();
    portals_.clear();
    engine_.store->locks().release_all(session_lock_owner_);
    if (temp_schema_ != 0) {
      // The session's temporary objects go with it.
      run_sql(fmt::format("DROP SCHEMA IF EXISTS {} CASCADE", quote_identifier(temp_schema_name())));
    }
  } catch (const std::exception&) {
    // What is left is cleared at the next start.
    return;
  }
  if (temp_number_ != 0) database_.return_temp_number(temp_number_);
}

void SessionImpl::setting_changed(const SettingDefinition* d, const std::string& name, const std::string& value) {
  if (d == nullptr) return;
  auto on = [&] { return value == "on"; };
  auto number = [&] { return std::strtod(value.c_str(), nullptr); };
  auto apply_defaults = [&] {
    if (txn_ != nullptr || status_ != TxnStatus::kIdle) return;   // the next transaction's
    isolation_ = default_isolation_;
    read_only_ = default_read_only_;
    deferrable_ = default_deferrable_;
  };
  if (name == "DateStyle") {
    eval_.date_style = value.starts_with("ISO") ? DateStyle::kIso : value.starts_with("SQL") ? DateStyle::kSql
                       : value.starts_with("German") ? DateStyle::kGerman : DateStyle::kPostgres;
    eval_.date_order = value.ends_with("DMY") ? DateOrder::kDmy : value.ends_with("YMD") ? DateOrder::kYmd : DateOrder::kMdy;
  } else if (name == "IntervalStyle") {
    eval_.interval_style = value == "postgres_verbose" ? IntervalStyle::kPostgresVerbose : value == "sql_standard" ? IntervalStyle::kSqlStandard
                           : value == "iso_8601" ? IntervalStyle::kIso8601 : IntervalStyle::kPostgres;
  } else if (name == "standard_conforming_strings") {
    escapes_in_strings_ = value == "off";
  } else if (name == "TimeZone") {
    eval_.timezone = TimeZone::find(value);
  } else if (name == "extra_float_digits") {
    eval_.extra_float_digits = static_cast<int>(number());
  } else if (name == "bytea_output") {
    eval_.bytea_output_hex = value == "hex";
  } else if (name == "search_path") {
    path_text_ = value;
    rescope();
  } else if (name == "row_security") {
    row_security_ = value != "off";
    rescope();
  } else if (name == "statement_timeout") {
    statement_timeout_ms_ = static_cast<int64_t>(number());
  } else if (name == "lock_timeout") {
    exec_.wait.lock_timeout_us = static_cast<int64_t>(number()) * 1000;
  } else if (name == "deadlock_timeout") {
    exec_.wait.deadlock_timeout_us = static_cast<int64_t>(number()) * 1000;
  } else if (name == "synchronous_commit") {
    synchronous_ = value != "off";
  } else if (name == "default_transaction_isolation") {
    default_isolation_ = value == "serializable" ? storage::Isolation::kSerializable
                         : value == "repeatable read" ? storage::Isolation::kRepeatableRead : storage::Isolation::kReadCommitted;
    apply_defaults();
  } else if (name == "default_transaction_read_only") {
    default_read_only_ = on();
    apply_defaults();
  } else if (name == "default_transaction_deferrable") {
    default_deferrable_ = on();
    apply_defaults();
  } else if (name == "work_mem") {
    planner_.work_mem_bytes = static_cast<uint64_t>(number()) * 1024;
  } else if (name == "hash_mem_multiplier") {
    planner_.hash_mem_multiplier = number();
  } else if (name == "transaction_isolation" || name == "transaction_read_only" || name == "transaction_deferrable") {
    if (txn_ != nullptr || status_ != TxnStatus::kIdle) set_transaction_option(name, value);
  } else if (name.starts_with("enable_")) {
    static const std::pair<const char*, bool query::PlannerSettings::*> kFlags[] = {
        {"enable_seqscan", &query::PlannerSettings::enable_seqscan}, {"enable_indexscan", &query::PlannerSettings::enable_indexscan},
        {"enable_indexonlyscan", &query::PlannerSettings::enable_indexonlyscan}, {"enable_bitmapscan", &query::PlannerSettings::enable_bitmapscan},
        {"enable_nestloop", &query::PlannerSettings::enable_nestloop}, {"enable_hashjoin", &query::PlannerSettings::enable_hashjoin},
        {"enable_mergejoin", &query::PlannerSettings::enable_mergejoin}, {"enable_hashagg", &query::PlannerSettings::enable_hashagg},
        {"enable_sort", &query::PlannerSettings::enable_sort}, {"enable_material", &query::PlannerSettings::enable_material},
        {"enable_memoize", &query::PlannerSettings::enable_memoize},
        {"enable_incremental_sort", &query::PlannerSettings::enable_incremental_sort}};
    for (const auto& [flag, member] : kFlags) {
      if (name == flag) planner_.*member = on();
    }
    for (auto& [n, p] : prepared_) {
      if (p->statement == nullptr) continue;
      std::lock_guard lock(p->statement->mutex);
      p->statement->bound.reset();
    }
  } else if (name == "seq_page_cost") {
    planner_.seq_page_cost = number();
  } else if (name == "random_page_cost") {
    planner_.random_page_cost = number();
  } else if (name == "cpu_tuple_cost") {
    planner_.cpu_tuple_cost = number();
  } else if (name == "cpu_index_tuple_cost") {
    planner_.cpu_index_tuple_cost = number();
  } else if (name == "cpu_operator_cost") {
    planner_.cpu_operator_cost = number();
  }
  query::PlannerSettings compared = planner_;   // memory does not make other plans
  compared.work_mem_bytes = query::PlannerSettings{}.work_mem_bytes;
  compared.hash_mem_multiplier = query::PlannerSettings{}.hash_mem_multiplier;
  planner_default_ = compared == query::PlannerSettings{};
  if (d->reported && options_.parameter_status) options_.parameter_status(d->name, show_setting(*d, value));
}

void SessionImpl::check_interrupts() {
  if (terminated_.load(std::memory_order_relaxed)) {
    throw Error(ErrorCode::kAdminShutdown, "terminating connection due to administrator command");
  }
  if (cancelled_.load(std::memory_order_relaxed)) {
    cancelled_.store(false);
    throw Error(ErrorCode::kQueryCanceled, "canceling statement due to user request");
  }
  if (statement_deadline_us_ != 0 && engine_.store->clock().monotonic_us() > statement_deadline_us_) {
    statement_deadline_us_ = 0;
    throw Error(ErrorCode::kQueryCanceled, "canceling statement due to statement timeout");
  }
}

void SessionImpl::install_hooks() {
  eval_.clock_us = [this] { return engine_.store->clock().unix_us() - 946684800000000; };
  eval_.random = [] { return secure_random(); };
  eval_.catalog = this;
  eval_.session = static_cast<UtilityHost*>(this);
  eval_.setting = [this](std::string_view name) { return settings_.shown(name); };
  eval_.notice = [this](const Error& e, std::string_view severity) { notice(severity, e); };
  interrupts_ = [this] { check_interrupts(); };
  eval_.check_interrupts = interrupts_;
  exec_.engine = &engine_;
  exec_.eval = &eval_;
  exec_.settings = &planner_;
  exec_.current_user = current_user_;
  exec_.wait.check_interrupts = &interrupts_;

  auto forget_stale = [this] {
    const auto state = exec_.catalog->state();
    if (cache_state_ != state) {
      expression_cache_.clear();
      view_cache_.clear();
      enum_cache_.clear();
      composite_cache_.clear();
      cache_state_ = state;
    }
  };
  exec_.bind_expression = [this, forget_stale](const catalog::Relation& relation, const std::string& sql, Oid want) {
    forget_stale();
    const std::string key = fmt::format("{}/{}/{}/{}", relation.oid, relation.schema_version, want, sql);
    auto it = expression_cache_.find(key);
    if (it != expression_cache_.end()) return it->second;
    const ParsedExpression parsed = parse_expression(sql);
    const CatalogView::StoredSql stored(view());
    query::ExprPtr e = sql::bind_expression(parsed.node, &relation, ExprContext::kOther, bind_context(sql), want);
    expression_cache_[key] = e;
    return e;
  };
  exec_.bind_view = [this, forget_stale](const catalog::Relation& relation) {
    forget_stale();
    auto it = view_cache_.find(relation.oid);
    if (it != view_cache_.end()) return it->second;
    const auto tree = parse_sql(relation.view_sql);
    BindContext context = bind_context(relation.view_sql);
    context.user = relation.owner;
    if (auto it = relation.options.find("security_invoker"); it != relation.options.end() && it->second == "true") context.user = current_user_;
    const CatalogView::StoredSql stored(view());
    query::QueryPtr q = bind_statement(tree->statements.at(0).node, context);
    view_cache_[relation.oid] = q;
    return q;
  };
  exec_.cursor_position = [this](const std::string& name, Oid relation) { return cursor_position(name, relation); };
  exec_.system_relation = [this](Oid relation) -> std::shared_ptr<const catalog::Relation> {
    if (relation < oid::kFirstUserOid) return system_catalogs::find(relation);
    const auto found = exec_.catalog->state()->relation(relation);
    return found != nullptr && found->sequence ? found : nullptr;
  };
  exec_.system_catalog_shareable = system_catalogs::depends_on_state_alone;
  exec_.scan_system_catalog = [this](Oid relation, const std::function<bool(std::span<const NullableDatum>)>& emit, Arena& arena) {
    if (relation >= oid::kFirstUserOid) {
      const auto sequence = exec_.catalog->state()->relation(relation);
      if (sequence == nullptr) return;
      const rows::SequenceState state = rows::Sequences::of(*engine_.store).state(*sequence);
      const NullableDatum row[] = {{Datum::from_int(state.last_value), false}, {Datum::from_int(0), false}, {Datum::from_bool(state.is_called), false}};
      emit(row);
      return;
    }
    system_catalogs::Context c;
    c.state = exec_.catalog->state();
    c.engine = &engine_;
    c.eval = &eval_;
    c.current_user = current_user_;
    c.database = options_.database;
    c.pid = pid_;
    c.database_oid = database_oid_;
    c.sequence_last_value = [this](Oid oid) -> std::optional<int64_t> {
      const auto sequence = exec_.catalog->state()->relation(oid);
      if (sequence == nullptr) return std::nullopt;
      const rows::SequenceState state = rows::Sequences::of(*engine_.store).state(*sequence);
      return state.is_called ? std::optional<int64_t>(state.last_value) : std::nullopt;
    };
    c.sessions = [this] { return database_.activities(); };
    c.prepared_statements = [this] {
      std::vector<system_catalogs::PreparedStatement> out;
      for (const auto& [name, p] : prepared_) {
        if (name.empty()) continue;
        system_catalogs::PreparedStatement s{name, p->text, p->prepared_us, {}, p->from_sql,
                                             static_cast<int64_t>(p->generic_plans), static_cast<int64_t>(p->custom_plans)};
        if (p->statement != nullptr) {
          std::lock_guard lock(p->statement->mutex);
          if (p->statement->bound != nullptr) s.types = p->statement->bound->param_types;
        }
        out.push_back(std::move(s));
      }
      return out;
    };
    c.large_objects = [this] {
      std::vector<std::pair<Oid, Oid>> out;
      for (const LargeObject& o : large_objects(exec_)) out.emplace_back(o.oid, o.owner);
      return out;
    };
    c.large_object_pages = [this](const auto& emit) { each_large_object_page(exec_, emit); };
    c.cursors = [this] {
      std::vector<system_catalogs::OpenCursor> out;
      for (const auto& [name, p] : portals_) {
        if (p->is_cursor) out.push_back({name, p->text, p->hold, p->binary, p->scroll, p->created_us});
      }
      return out;
    };
    c.setting_raw = [this](std::string_view name) { return settings_.raw(name); };
    c.setting_source = [this](std::string_view name) { return settings_.source(name); };
    system_catalogs::scan(relation, c, emit, arena);
  };
  install_function_calls(*this);
}

// Everything beside text, user and catalogue that decides what a statement means.
void SessionImpl::rescope() {
  scope_ = path_text_;
  if (seen_database_ != 0) scope_ += fmt::format("/{}", seen_database_);
  if (!row_security_) scope_ += "/row_security=off";
}

void SessionImpl::notice(std::string_view severity, const Error& error) {
  static const std::vector<std::string_view> kOrder = {"DEBUG5", "DEBUG4", "DEBUG3", "DEBUG2", "DEBUG1", "LOG", "NOTICE", "WARNING", "ERROR"};
  auto rank = [](std::string_view s) { return std::find(kOrder.begin(), kOrder.end(), s) - kOrder.begin(); };
  std::string least = settings_.raw("client_min_messages").value_or("notice");
  for (char& c : least) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (severity != "INFO" && rank(severity) < rank(least)) return;
  if (options_.notice) options_.notice({std::string(severity), error});
}

bool SessionImpl::superuser() {
  const auto role = engine_.catalog->state()->get(ObjectKind::kRole, current_user_);
  return role != nullptr && static_cast<const catalog::Role&>(*role).superuser;
}

void SessionImpl::set_role(std::string_view name, bool session) {
  const auto state = exec_.catalog != nullptr ? exec_.catalog->state() : engine_.catalog->state();
  if (!users_before_) users_before_ = {current_user_, session_user_};
  if (name == "none" || name == "default") {
    if (session) session_user_ = login_user_;
    current_user_ = session_user_;
  } else {
    const auto role = state->find(ObjectKind::kRole, 0, name);
    if (role == nullptr) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("role \"{}\" does not exist", name));
    const auto self = state->get(ObjectKind::kRole, session ? login_user_ : session_user_);
    const bool super = self != nullptr && static_cast<const catalog::Role&>(*self).superuser;
    std::set<Oid> seen;
    std::function<bool(Oid)> member = [&](Oid of) {
      if (of == role->oid) return true;
      const auto r = state->get(ObjectKind::kRole, of);
      if (r == nullptr || !seen.insert(of).second) return false;
      for (const auto& m : static_cast<const catalog::Role&>(*r).member_of) {
        if (member(m.role)) return true;
      }
      return false;
    };
    if (!super && (session || !member(session_user_))) {
      throw Error(ErrorCode::kInsufficientPrivilege, session ? std::string("permission denied to set session authorization") : fmt::format("permission denied to set role \"{}\"", name));
    }
    if (session) session_user_ = role->oid;
    current_user_ = role->oid;
  }
  exec_.current_user = current_user_;
  if (options_.parameter_status) {
    options_.parameter_status("is_superuser", superuser() ? "on" : "off");
    if (session) {
      const auto role = state->get(ObjectKind::kRole, session_user_);
      options_.parameter_status("session_authorization", role == nullptr ? "" : role->name);
    }
  }
}

std::vector<Oid> SessionImpl::resolve_path(const catalog::State& state, Oid* creation) {
  std::vector<Oid> path;
  *creation = 0;
  bool catalog_named = false, temp_named = false;
  std::string item;
  bool quoted = false, was_quoted = false;
  auto take = [&] {
    std::string name = std::exchange(item, {});
    if (!was_quoted) {
      while (!name.empty() && name.front() == ' ') name.erase(0, 1);
      while (!name.empty() && name.back() == ' ') name.pop_back();
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    was_quoted = false;
    if (name == "$user") {
      const auto role = state.get(ObjectKind::kRole, current_user_);
      if (role == nullptr) return;
      name = role->name;
    }
    if (name.empty()) return;
    Oid oid = 0;
    if (name == "pg_temp") {
      temp_named = true;
      oid = temp_schema_;
      if (*creation == 0 && path.empty()) *creation = oid;
    } else {
      const auto schema = state.find(ObjectKind::kSchema, 0, name);
      // A schema that must not be used is passed over.
      if (schema == nullptr || !may_use_schema(state, *schema, current_user_)) return;
      oid = schema->oid;
      if (*creation == 0) *creation = oid;
    }
    if (oid == catalog::kPgCatalog) catalog_named = true;
    if (oid != 0 && std::find(path.begin(), path.end(), oid) == path.end()) path.push_back(oid);
  };
  for (char c : path_text_) {
    if (c == '"') {
      quoted = !quoted;
      was_quoted = true;
      if (quoted) item.clear();
    } else if (c == ',' && !quoted) {
      take();
    } else if (!(was_quoted && !quoted)) {
      item.push_back(c);
    }
  }
  take();
  if (!catalog_named) path.insert(path.begin(), catalog::kPgCatalog);
  if (!temp_named && temp_schema_ != 0) path.insert(path.begin(), temp_schema_);
  return path;
}

CatalogView& SessionImpl::view() {
  const auto state = exec_.catalog != nullptr ? exec_.catalog->state() : engine_.catalog->state(seen_database_);
  const std::string key = fmt::format("{}/{}/{}", path_text_, temp_schema_, current_user_);
  if (view_ == nullptr || view_state_ != state || view_path_ != key) {
    Oid creation = 0;
    std::vector<Oid> path = resolve_path(*state, &creation);
    view_ = std::make_unique<CatalogView>(state, std::move(path), creation, temp_schema_);
    view_->set_database(options_.database);
    view_->set_user(current_user_);
    view_state_ = state;
    view_path_ = key;
  }
  return *view_;
}

BindContext SessionImpl::bind_context(std::string_view text) {
  BindContext c;
  c.view = &view();
  c.eval = &eval_;
  c.text = text;
  c.user = current_user_;
  return c;
}

std::string SessionImpl::temp_schema_name() {
  if (temp_number_ == 0) temp_number_ = database_.take_temp_number();
  return fmt::format("pg_temp_{}", temp_number_);
}

Oid SessionImpl::temp_schema(bool create) {
  if (temp_schema_ == 0 && create) {
    auto schema = std::make_shared<catalog::Schema>();
    schema->oid = engine_.catalog->allocate_oid();
    schema->name = temp_schema_name();
    schema->owner = current_user_;
    schema->database = seen_database_;
    temp_schema_ = schema->oid;
    changes_->put(schema);
  }
  return temp_schema_;
}

void SessionImpl::lock_relation(Oid relation, storage::LockMode mode, bool nowait) {
  if (relation < 16384) return;
  char key[4];
  store_be32(key, relation);
  storage::WaitOptions wait = exec_.wait;
  if (nowait) wait.policy = storage::WaitPolicy::kNoWait;
  const auto outcome = txn_->lock({storage::LockKind::kRelation, {key, 4}}, mode, wait);
  if (outcome == storage::LockOutcome::kGrantedAfterWait) changes_->refresh();
}

std::vector<std::string> SessionImpl::listening_channels() { return database_.channels(*this); }
bool SessionImpl::signal_backend(int pid, bool terminate) { return database_.cancel_pid(pid, terminate); }
std::vector<int> SessionImpl::blocking_pids(int pid) {
  constexpr storage::OwnerId kSession = uint64_t{1} << 63;  // owners of session level locks carry the pid
  std::unordered_map<storage::OwnerId, int> pids;
  storage::OwnerId transaction = 0;
  for (const auto& a : database_.activities()) {
    if (a.lock_owner == 0) continue;
    pids[a.lock_owner] = a.pid;
    if (a.pid == pid) transaction = a.lock_owner;
  }
  auto owners = engine_.store->locks().blockers(kSession | static_cast<uint64_t>(pid));
  if (transaction != 0) {
    for (storage::OwnerId o : engine_.store->locks().blockers(transaction)) owners.push_back(o);
  }
  std::vector<int> out;
  for (storage::OwnerId o : owners) {
    auto it = pids.find(o);
    int blocker = (o & kSession) != 0 ? static_cast<int>(o & ~kSession) : it == pids.end() ? 0 : it->second;
    if (blocker != pid && std::find(out.begin(), out.end(), blocker) == out.end()) out.push_back(blocker);
  }
  return out;
}
std::string SessionImpl::close_database(Oid database, bool terminate) { return database_.close_database(database, *this, terminate); }
std::string SessionImpl::current_query() {
  std::lock_guard lock(activity_mutex_);
  return activity_query_;
}
int64_t SessionImpl::server_start_us() { return database_.started_us(); }

system_catalogs::Activity SessionImpl::activity() {
  system_catalogs::Activity a;
  std::lock_guard lock(activity_mutex_);
  a.pid = pid_;
  a.database = database_oid_;
  a.database_name = options_.database;
  a.lock_owner = lock_owner_.load(std::memory_order_relaxed);
  a.user = login_user_;
  a.application = options_.application_name;
  a.client_address = options_.client_address;
  a.client_port = options_.client_port;
  a.state = activity_state_.load();
  a.query = activity_query_;
  a.backend_start_us = backend_start_us_;
  a.xact_start_us = xact_start_us_;
  a.query_start_us = query_start_us_;
  a.state_change_us = state_change_us_;
  return a;
}

}  // namespace stele::sql


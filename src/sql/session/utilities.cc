// Statements that are about the session itself: SET, SHOW, PREPARE, cursors, EXPLAIN, LISTEN and the like.
#include "query/plan/plan.h"
#include "sql/deparse/deparse.h"
#include "sql/parser/pg.h"
#include "sql/session/session_impl.h"
#include "types/timezone.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::sql {

using query::CommandKind;

namespace {

OutputColumn text_column(std::string name, Oid type = oid::kText) { return {std::move(name), type, -1, 0, 0}; }

// The words of a constant as SET understands them.
std::string const_text(const pg::Node* n, const SettingDefinition* d) {
  if (n->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) return const_text(n->type_cast->arg, d);
  if (n->node_case != PG_QUERY__NODE__NODE_A_CONST) throw Error(ErrorCode::kSyntaxError, "invalid value in SET");
  const auto* c = n->a_const;
  switch (c->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL: return std::to_string(c->ival->ival);
    case PG_QUERY__A__CONST__VAL_FVAL: return c->fval->fval;
    case PG_QUERY__A__CONST__VAL_SVAL: return c->sval->sval;
    case PG_QUERY__A__CONST__VAL_BOOLVAL: return c->boolval->boolval != 0 ? "on" : "off";
    default: return "0";  // protobuf leaves out an integer zero
  }
}

std::optional<bool> option_bool(const pg::DefElem* d) {
  if (d->arg == nullptr) return true;
  switch (d->arg->node_case) {
    case PG_QUERY__NODE__NODE_INTEGER: return d->arg->integer->ival != 0;
    case PG_QUERY__NODE__NODE_STRING: return parse_bool_setting(d->arg->string->sval);
    case PG_QUERY__NODE__NODE_BOOLEAN: return d->arg->boolean->boolval != 0;
    default: return std::nullopt;
  }
}

}  // namespace

void SessionImpl::run_utility(const CachedStatement& s, Portal& result) {
  if (read_only_) check_utility_writes(s.raw.node);
  if (session_utility(s, result)) return;
  result.tag = execute_utility(s.raw.node, s.tree->statement_text(s.raw), *this);
}

bool SessionImpl::session_utility(const CachedStatement& s, Portal& result) {
  const pg::Node* n = s.raw.node;
  switch (n->node_case) {
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
      set_variable(n);
      result.tag = n->variable_set_stmt->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET || n->variable_set_stmt->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL ? "RESET" : "SET";
      return true;
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
      show_variable(n, result);
      result.tag = "SHOW";
      return true;
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
      discard(n);
      result.tag = n->discard_stmt->target == PG_QUERY__DISCARD_MODE__DISCARD_ALL ? "DISCARD ALL"
                   : n->discard_stmt->target == PG_QUERY__DISCARD_MODE__DISCARD_PLANS ? "DISCARD PLANS"
                   : n->discard_stmt->target == PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES ? "DISCARD SEQUENCES" : "DISCARD TEMP";
      return true;
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
      prepare_statement(s);
      result.tag = "PREPARE";
      return true;
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
      execute_prepared(s, result);
      return true;
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
      deallocate(n);
      result.tag = n->deallocate_stmt->name == nullptr || n->deallocate_stmt->name[0] == 0 ? "DEALLOCATE ALL" : "DEALLOCATE";
      return true;
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
      explain(s, result);
      result.tag = "EXPLAIN";
      return true;
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
      declare_cursor(s);
      result.tag = "DECLARE CURSOR";
      return true;
    case PG_QUERY__NODE__NODE_FETCH_STMT:
      fetch(n, result);
      return true;
    case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
      close_cursor(n);
      result.tag = n->close_portal_stmt->portalname == nullptr || n->close_portal_stmt->portalname[0] == 0 ? "CLOSE CURSOR ALL" : "CLOSE CURSOR";
      return true;
    case PG_QUERY__NODE__NODE_LISTEN_STMT:
    case PG_QUERY__NODE__NODE_UNLISTEN_STMT:
    case PG_QUERY__NODE__NODE_NOTIFY_STMT:
      listen(n);
      result.tag = n->node_case == PG_QUERY__NODE__NODE_LISTEN_STMT ? "LISTEN" : n->node_case == PG_QUERY__NODE__NODE_NOTIFY_STMT ? "NOTIFY" : "UNLISTEN";
      return true;
    case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT:
      set_constraints(n);
      result.tag = "SET CONSTRAINTS";
      return true;
    case PG_QUERY__NODE__NODE_CALL_STMT:
    case PG_QUERY__NODE__NODE_DO_STMT:
      call_or_do(s, result);
      result.tag = n->node_case == PG_QUERY__NODE__NODE_CALL_STMT ? "CALL" : "DO";
      return true;
    case PG_QUERY__NODE__NODE_CHECK_POINT_STMT:
      engine_.store->checkpoint();
      result.tag = "CHECKPOINT";
      return true;
    default: return false;
  }
}

// The columns of a utility's result, before it runs.
bool SessionImpl::describe_utility(const CachedStatement& s, std::vector<OutputColumn>* columns) {
  const pg::Node* n = s.raw.node;
  switch (n->node_case) {
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT: {
      const std::string name = n->variable_show_stmt->name;
      if (name == "all") {
        *columns = {text_column("name"), text_column("setting"), text_column("description")};
      } else {
        const SettingDefinition* d = setting_definition(name);
        *columns = {text_column(d == nullptr ? name : d->name)};
      }
      return true;
    }
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
      *columns = {text_column("QUERY PLAN")};
      return true;
    case PG_QUERY__NODE__NODE_FETCH_STMT: {
      if (n->fetch_stmt->ismove != 0) return false;
      auto it = portals_.find(std::string_view(n->fetch_stmt->portalname));
      if (it == portals_.end()) return false;
      columns->assign(it->second->shown().begin(), it->second->shown().end());
      return true;
    }
    case PG_QUERY__NODE__NODE_CALL_STMT:
      *columns = call_columns(n, s.tree->text, *this);
      return !columns->empty();
    case PG_QUERY__NODE__NODE_EXECUTE_STMT: {
      auto it = prepared_.find(std::string_view(n->execute_stmt->name));
      if (it == prepared_.end() || it->second->statement == nullptr || it->second->statement->kind != StatementKind::kQuery) return false;
      const auto b = bound(*it->second->statement, true);
      *columns = b->columns;
      return b->returns_rows;
    }
    default: return false;
  }
}

void SessionImpl::set_variable(const pg::Node* node) {
  const auto* v = node->variable_set_stmt;
  const std::string name = v->name == nullptr ? "" : v->name;
  const bool local = v->is_local != 0;
  if (local && status_ == TxnStatus::kIdle && !multi_statement_) {
    notice("WARNING", Error(ErrorCode::kNoActiveSqlTransaction, name.starts_with("TRANSACTION") || name == "TRANSACTION" ? "SET TRANSACTION can only be used in transaction blocks"
                                                                                                                       : "SET LOCAL can only be used in transaction blocks"));
  }
  if (name == "role" || name == "session_authorization") {
    const bool session = name == "session_authorization";
    if (v->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE) set_role(const_text(v->args[0], nullptr), session);
    else set_role("none", session);
    return;
  }
  switch (v->kind) {
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE: {
      const SettingDefinition* d = setting_definition(name);
      std::string value;
      const bool list = name == "search_path" || name == "temp_tablespaces" || name == "session_preload_libraries" || name == "local_preload_libraries";
      for (size_t i = 0; i < v->n_args; ++i) {
        const pg::Node* arg = v->args[i];
        std::string one = const_text(arg, d);
        if (name == "timezone" && arg->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
          // SET TIME ZONE INTERVAL '...' HOUR TO MINUTE
          int h = 0, m = 0, s = 0;
          const bool negative = one.starts_with('-');
          std::sscanf(one.c_str() + (negative || one.starts_with('+') ? 1 : 0), "%d:%d:%d", &h, &m, &s);
          const int offset = h * 3600 + m * 60 + s;
          one = TimeZone::fixed(negative ? -offset : offset)->name();
        } else if (name == "timezone" && arg->node_case == PG_QUERY__NODE__NODE_A_CONST && arg->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL) {
          one = TimeZone::fixed(static_cast<int32_t>(std::strtod(one.c_str(), nullptr) * 3600))->name();
        }
        value += (i == 0 ? "" : ", ") + (list ? quote_identifier(one) : one);
      }
      if (d != nullptr && v->n_args > 1 && !list && name != "datestyle" && name != "DateStyle") {
        throw Error(ErrorCode::kInvalidParameterValue, fmt::format("SET {} takes only one argument", name));
      }
      settings_.set(name, value, local, superuser());
      break;
    }
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT:
      settings_.reset(name, local);
      break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
      settings_.reset(name);
      break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL:
      settings_.reset_all();
      break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI: {
      if (name == "TRANSACTION SNAPSHOT") throw Error(ErrorCode::kFeatureNotSupported, "SET TRANSACTION SNAPSHOT is not supported");
      const bool session = name == "SESSION CHARACTERISTICS";
      if (!session && status_ == TxnStatus::kIdle && !multi_statement_) {
        notice("WARNING", Error(ErrorCode::kNoActiveSqlTransaction, "SET TRANSACTION can only be used in transaction blocks"));
      }
      for (size_t i = 0; i < v->n_args; ++i) {
        const auto* option = v->args[i]->def_elem;
        const std::string value = option->arg == nullptr ? "on" : const_text(option->arg, nullptr);
        const std::string shown = std::string(option->defname) == "transaction_isolation" ? value : value == "0" || value == "off" ? "off" : "on";
        if (session) settings_.set("default_" + std::string(option->defname), shown, false);
        else set_transaction_option(option->defname, shown);
      }
      break;
    }
    default: break;
  }
}

void SessionImpl::show_variable(const pg::Node* node, Portal& result) {
  const std::string name = node->variable_show_stmt->name;
  if (name == "all") {
    std::vector<std::vector<std::optional<std::string>>> rows;
    for (const SettingDefinition& d : setting_definitions()) rows.push_back({d.name, settings_.shown(d.name), ""});
    text_rows(result, {text_column("name"), text_column("setting"), text_column("description")}, rows);
    return;
  }
  std::optional<std::string> value;
  if (name == "transaction_isolation") {
    value = isolation_ == storage::Isolation::kSerializable ? "serializable" : isolation_ == storage::Isolation::kRepeatableRead ? "repeatable read" : "read committed";
  } else if (name == "transaction_read_only") {
    value = read_only_ ? "on" : "off";
  } else if (name == "transaction_deferrable") {
    value = deferrable_ ? "on" : "off";
  } else if (name == "session_authorization" || name == "role") {
    value = name == "role" && current_user_ == session_user_ ? "none" : view().role_name(name == "role" ? current_user_ : session_user_);
  } else {
    value = settings_.shown(name);
  }
  if (!value) throw Error(ErrorCode::kUndefinedObject, fmt::format("unrecognized configuration parameter \"{}\"", name));
  const SettingDefinition* d = setting_definition(name);
  text_rows(result, {text_column(d == nullptr ? name : d->name)}, {{value}});
}

void SessionImpl::discard(const pg::Node* node) {
  const auto target = node->discard_stmt->target;
  if (target == PG_QUERY__DISCARD_MODE__DISCARD_ALL) {
    prevent_in_block("DISCARD ALL");
    portals_.clear();
    set_role("none", true);
    settings_.reset_all();
    prepared_.clear();
    listens_.emplace_back('*', "");
    engine_.store->locks().release_all(session_lock_owner_);
    sequence_memory = {};
  }
  if (target == PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES) {
    sequence_memory = {};
  }
  if ((target == PG_QUERY__DISCARD_MODE__DISCARD_ALL || target == PG_QUERY__DISCARD_MODE__DISCARD_TEMP) && temp_schema_ != 0) {
    run_sql(fmt::format("DROP SCHEMA IF EXISTS {} CASCADE", quote_identifier(temp_schema_name())));
    temp_schema_ = 0;
  }
}

void SessionImpl::prepare_statement(const CachedStatement& s) {
  const auto* p = s.raw.node->prepare_stmt;
  if (prepared_.contains(std::string_view(p->name))) {
    throw Error(ErrorCode::kDuplicatePreparedStatement, fmt::format("prepared statement \"{}\" already exists", p->name));
  }
  auto inner = std::make_shared<CachedStatement>();
  inner->tree = s.tree;
  inner->raw = s.raw;
  inner->raw.node = p->query;
  inner->kind = classify(p->query);
  for (size_t i = 0; i < p->n_argtypes; ++i) inner->declared_types.push_back(resolve_type(p->argtypes[i]->type_name, bind_context(s.tree->text)).type);
  if (inner->kind == StatementKind::kQuery) bound(*inner, true);
  auto prepared = std::make_shared<Prepared>();
  prepared->name = p->name;
  prepared->text = s.tree->text;  // as sent, whatever else was
  prepared->statement = std::move(inner);
  prepared->from_sql = true;
  prepared->prepared_us = eval_.statement_us;
  prepared_[prepared->name] = prepared;
}

std::vector<NullableDatum> SessionImpl::execute_parameters(const PgQuery__Node* execute, std::string_view text, const CachedStatement::Bound& b, Arena& arena) {
  const auto* e = execute->execute_stmt;
  // As PostgreSQL does, what is given to a statement without parameters is not looked at.
  if (b.param_types.empty()) return {};
  if (e->n_params != b.param_types.size()) {
    throw Error(ErrorCode::kSyntaxError, fmt::format("wrong number of parameters for prepared statement \"{}\"", e->name))
        .detail(fmt::format("Expected {} parameters but got {}.", b.param_types.size(), e->n_params));
  }
  std::vector<NullableDatum> out;
  for (size_t i = 0; i < e->n_params; ++i) {
    query::ExprPtr expr = sql::bind_expression(e->params[i], nullptr, ExprContext::kExecuteParameter, bind_context(text), b.param_types[i], -1, fmt::format("${}", i + 1));
    out.push_back(query::evaluate(expr, exec_, arena));
  }
  return out;
}

UtilityHost::PreparedRun SessionImpl::prepared_run(const PgQuery__Node* execute, std::string_view text, Arena& arena) {
  const auto* e = execute->execute_stmt;
  const PreparedPtr p = find_prepared(e->name);
  if (p->statement == nullptr || p->statement->kind != StatementKind::kQuery) throw Error(ErrorCode::kWrongObjectType, "prepared statement is not a SELECT");
  const auto b = bound(*p->statement, true);
  if (b->query->command != CommandKind::kSelect) throw Error(ErrorCode::kWrongObjectType, "prepared statement is not a SELECT");
  return {b->query, execute_parameters(execute, text, *b, arena), b->param_types};
}

void SessionImpl::execute_prepared(const CachedStatement& s, Portal& result) {
  const auto* e = s.raw.node->execute_stmt;
  const PreparedPtr p = find_prepared(e->name);
  if (p->statement == nullptr) return;
  if (p->statement->kind != StatementKind::kQuery) {
    run_utility(*p->statement, result);
    return;
  }
  auto b = bound(*p->statement, true);
  Portal run;
  run.statement = p->statement;
  run.prepared = p;
  run.param_types = b->param_types;
  run.params = execute_parameters(s.raw.node, s.tree->text, *b, run.arena);
  run.columns = b->columns;
  run.returns_rows = b->returns_rows;
  if (b->has_rules) {
    exec_.params = run.params;
    exec_.param_types = run.param_types;
    run_rules_statement(*p->statement, b, result);
    exec_.params = {};
    exec_.param_types = {};
    return;
  }
  start_portal(run, b);
  fetch_into_buffer(run, SIZE_MAX);
  const CommandKind command = run.plan->command();
  const uint64_t rows = command == CommandKind::kSelect ? run.buffer->size() : run.execution->rows_affected();
  result.tag = tag_of(command, nullptr, rows);
  if (run.returns_rows) {
    result.columns = run.columns;
    result.result = std::move(run.buffer);
    result.returns_rows = true;
  }
  exec_.params = {};
  exec_.param_types = {};
}

void SessionImpl::deallocate(const pg::Node* node) {
  const char* name = node->deallocate_stmt->name;
  if (name == nullptr || name[0] == 0) {
    prepared_.clear();
    return;
  }
  find_prepared(name);
  prepared_.erase(name);
}

void SessionImpl::explain(const CachedStatement& s, Portal& result) {
  const auto* e = s.raw.node->explain_stmt;
  query::ExplainOptions o;
  bool timing_set = false, summary_set = false;
  for (size_t i = 0; i < e->n_options; ++i) {
    const auto* d = e->options[i]->def_elem;
    const std::string name = d->defname;
    if (name == "format") {
      std::string f = d->arg != nullptr && d->arg->node_case == PG_QUERY__NODE__NODE_STRING ? d->arg->string->sval : "";
      for (char& c : f) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (f == "text") o.format = query::ExplainOptions::Format::kText;
      else if (f == "json") o.format = query::ExplainOptions::Format::kJson;
      else if (f == "xml") o.format = query::ExplainOptions::Format::kXml;
      else if (f == "yaml") o.format = query::ExplainOptions::Format::kYaml;
      else throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unrecognized value for EXPLAIN option \"format\": \"{}\"", f));
      continue;
    }
    const auto value = option_bool(d);
    if (!value) throw Error(ErrorCode::kSyntaxError, fmt::format("{} requires a Boolean value", name));
    if (name == "analyze") o.analyze = *value;
    else if (name == "verbose") o.verbose = *value;
    else if (name == "costs") o.costs = *value;
    else if (name == "buffers") o.buffers = *value;
    else if (name == "wal") o.wal = *value;
    else if (name == "settings") o.settings = *value;
    else if (name == "timing") o.timing = *value, timing_set = true;
    else if (name == "summary") o.summary = *value, summary_set = true;
    else throw Error(ErrorCode::kSyntaxError, fmt::format("unrecognized EXPLAIN option \"{}\"", name)).position(character_position(s.tree->text, d->location));
  }
  if (o.wal && !o.analyze) throw Error(ErrorCode::kInvalidParameterValue, "EXPLAIN option WAL requires ANALYZE");
  if (timing_set && o.timing && !o.analyze) throw Error(ErrorCode::kInvalidParameterValue, "EXPLAIN option TIMING requires ANALYZE");
  if (!timing_set) o.timing = o.analyze;
  if (!summary_set) o.summary = o.analyze;

  const int64_t started = engine_.store->clock().monotonic_us();
  Portal run;
  query::PlanPtr plan;
  const pg::Node* inner = e->query;
  if (inner->node_case == PG_QUERY__NODE__NODE_EXECUTE_STMT) {
    const auto* ex = inner->execute_stmt;
    const PreparedPtr p = find_prepared(ex->name);
    auto b = bound(*p->statement, true);
    run.param_types = b->param_types;
    run.params = execute_parameters(inner, s.tree->text, *b, run.arena);
    exec_.params = run.params;
    exec_.param_types = run.param_types;
    plan = plan_for(*p->statement, b, p.get());
  } else {
    const pg::Node* body = inner;
    if (inner->node_case == PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT) body = inner->create_table_as_stmt->query;
    if (inner->node_case == PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT) body = inner->declare_cursor_stmt->query;
    if (classify(body) != StatementKind::kQuery) {
      text_rows(result, {text_column("QUERY PLAN")}, {{"Utility statements have no plan structure"}});
      return;
    }
    const query::QueryPtr q = bind_statement(body, bind_context(s.tree->text));
    plan = query::make_plan(q, exec_, false);
  }
  lock_plan(plan, [&] { return plan; });
  const double planning_ms = static_cast<double>(engine_.store->clock().monotonic_us() - started) / 1000.0;
  const std::string text = query::explain(plan, exec_, read_view(*plan), o, planning_ms, [&](const query::ExprPtr& x, const std::vector<std::string>& names) {
    return deparse_expression(x, [&](const query::VarExpr& v) { 
      // Plans number relations through the whole statement.
      const auto& table = static_cast<const query::PlannedStatement&>(*plan).range_table;
      const auto relation = static_cast<size_t>(v.relation);
      if (relation == 0 || relation > table.size()) return fmt::format("${}.{}", v.relation, v.column);
      const auto& rte = *table[relation - 1];
      const std::string prefix = relation <= names.size() && !names[relation - 1].empty() ? quote_identifier(names[relation - 1]) + "." : "";
      if (v.column == 0) return prefix + "*";
      if (v.column == query::system_column::kCtid) return prefix + "ctid";
      if (v.column == query::system_column::kTableOid) return prefix + "tableoid";
      const auto column = static_cast<size_t>(v.column - 1);
      return prefix + (column < rte.column_aliases.size() ? quote_identifier(rte.column_aliases[column]) : std::string("?column?"));
    }, view(), eval_);
  });
  std::vector<std::vector<std::optional<std::string>>> rows;
  if (o.format == query::ExplainOptions::Format::kText) {
    std::string_view rest = text;
    while (!rest.empty()) {
      const size_t nl = rest.find('\n');
      rows.push_back({std::string(rest.substr(0, nl))});
      rest.remove_prefix(nl == std::string_view::npos ? rest.size() : nl + 1);
    }
  } else {
    rows.push_back({text});
  }
  const Oid type = o.format == query::ExplainOptions::Format::kJson ? oid::kJson : o.format == query::ExplainOptions::Format::kXml ? oid::kXml : oid::kText;
  text_rows(result, {text_column("QUERY PLAN", type)}, rows);
  exec_.params = {};
  exec_.param_types = {};
}

namespace {
const char* row_lock_name(storage::LockMode strength) {
  switch (strength) {
    case storage::LockMode::kForKeyShare: return "FOR KEY SHARE";
    case storage::LockMode::kForShare: return "FOR SHARE";
    case storage::LockMode::kForNoKeyUpdate: return "FOR NO KEY UPDATE";
    default: return "FOR UPDATE";
  }
}

// Whether PostgreSQL could run such a plan backwards, as its executor's nodes document. A cursor that says neither
// SCROLL nor NO SCROLL goes back exactly then. (Here every cursor could: rows are kept.)
bool scans_backward(const query::PlanNode& n) {
  using query::NodeType;
  switch (n.type) {
    case NodeType::kSeqScan:
    case NodeType::kIndexScan:
    case NodeType::kIndexOnlyScan:
    case NodeType::kFunctionScan:
    case NodeType::kValuesScan:
    case NodeType::kCteScan:
    case NodeType::kMaterialize:
    case NodeType::kSort: return true;
    case NodeType::kProject:
    case NodeType::kSubqueryScan:
    case NodeType::kLockRows:
    case NodeType::kLimit:
    case NodeType::kAppend:
      return std::all_of(n.children.begin(), n.children.end(), [](const query::NodePtr& c) { return scans_backward(*c); });
    case NodeType::kResult: return !n.children.empty() && scans_backward(*n.children[0]);
    default: return false;
  }
}
}  // namespace

void choose_direction(Portal& p, const query::Query& q) {
  if (p.scroll || p.no_scroll) return;
  const auto& plan = static_cast<const query::PlannedStatement&>(*p.plan);
  p.scroll = q.row_locks.empty() && plan.root != nullptr && scans_backward(*plan.root);
  p.no_scroll = !p.scroll;
}

void SessionImpl::declare_cursor(const CachedStatement& s) {
  const auto* d = s.raw.node->declare_cursor_stmt;
  constexpr int kBinary = 0x0001, kScroll = 0x0002, kNoScroll = 0x0004, kInsensitive = 0x0008, kAsensitive = 0x0010, kHold = 0x0020;
  const bool hold = (d->options & kHold) != 0;
  if (!hold && status_ == TxnStatus::kIdle && !multi_statement_) {
    throw Error(ErrorCode::kNoActiveSqlTransaction, "DECLARE CURSOR can only be used in transaction blocks");
  }
  const std::string name = d->portalname;
  if (name.empty()) throw Error(ErrorCode::kInvalidCursorName, "invalid cursor name: must not be empty");
  if (portals_.contains(name)) throw Error(ErrorCode::kDuplicateCursor, fmt::format("cursor \"{}\" already exists", name));
  auto p = std::make_shared<Portal>();
  p->name = name;
  p->is_cursor = true;
  p->binary = (d->options & kBinary) != 0;
  p->scroll = (d->options & kScroll) != 0;
  p->no_scroll = (d->options & kNoScroll) != 0;
  if (p->scroll && p->no_scroll) throw Error(ErrorCode::kInvalidCursorDefinition, "cannot specify both SCROLL and NO SCROLL");
  if ((d->options & kInsensitive) != 0 && (d->options & kAsensitive) != 0) {
    throw Error(ErrorCode::kInvalidCursorDefinition, "cannot specify both INSENSITIVE and ASENSITIVE");
  }
  p->hold = hold;
  p->text = s.tree->text;
  p->created_us = eval_.statement_us;
  const query::QueryPtr bound_query = bind_statement(d->query, bind_context(s.tree->text));
  const query::QueryPtr q = cursor_query(bound_query, *p);
  if (!q->row_locks.empty()) {
    const char* strength = row_lock_name(q->row_locks[0].strength);
    if (hold) {
      throw Error(ErrorCode::kFeatureNotSupported, fmt::format("DECLARE CURSOR WITH HOLD ... {} is not supported", strength)).detail("Holdable cursors must be READ ONLY.");
    }
    if (p->scroll) {
      throw Error(ErrorCode::kFeatureNotSupported, fmt::format("DECLARE SCROLL CURSOR ... {} is not supported", strength)).detail("Scrollable cursors must be READ ONLY.");
    }
    if ((d->options & kInsensitive) != 0) {
      throw Error(ErrorCode::kInvalidCursorDefinition, fmt::format("DECLARE INSENSITIVE CURSOR ... {} is not valid", strength)).detail("Insensitive cursors must be READ ONLY.");
    }
  }
  p->plan = query::make_plan(q, exec_, false);
  lock_plan(p->plan, [&] { return query::make_plan(q, exec_, false); });
  choose_direction(*p, *q);
  p->columns = columns_of(q);
  p->returns_rows = true;
  storage::ReadView view;
  view.snapshot = txn_->statement_snapshot();
  view.command = txn_->current_command();
  p->execution = query::start(p->plan, exec_, view);
  p->started = true;
  portals_[name] = std::move(p);
}

std::vector<size_t> SessionImpl::move_cursor(Portal& p, int direction, int64_t count) {
  // Positions: 0 before the first row, i on row i, n + 1 after the last.
  std::vector<size_t> rows;
  auto no_backward = [&] {
    if (p.no_scroll) {
      throw Error(ErrorCode::kObjectNotInPrerequisiteState, "cursor can only scan forward").hint("Declare it with SCROLL option to enable backward scan.");
    }
  };
  auto have = [&](int64_t row) {
    if (row < 1) return false;
    if (p.buffer == nullptr || p.buffer->size() < static_cast<size_t>(row)) fetch_into_buffer(p, static_cast<size_t>(row));
    return p.buffer->size() >= static_cast<size_t>(row);
  };
  auto go_to = [&](int64_t row) {
    if (row < 1) {
      p.position = 0;
    } else if (have(row)) {
      p.position = row;
      rows.push_back(static_cast<size_t>(row - 1));
    } else {
      p.position = static_cast<int64_t>(p.buffer->size()) + 1;
    }
  };
  auto forward = [&](int64_t n) {
    if (n == 0) {  // the current row again
      const int64_t at = p.position;
      if (have(at)) rows.push_back(static_cast<size_t>(at - 1));
      return;
    }
    for (; n > 0; --n) {
      if (!have(p.position + 1)) {
        p.position = static_cast<int64_t>(p.buffer == nullptr ? 0 : p.buffer->size()) + 1;
        break;
      }
      rows.push_back(static_cast<size_t>(p.position++));
    }
  };
  auto backward = [&](int64_t n) {
    no_backward();
    for (; n > 0 && p.position > 0; --n) {
      if (--p.position >= 1) rows.push_back(static_cast<size_t>(p.position - 1));
    }
  };
  switch (direction) {
    case PG_QUERY__FETCH_DIRECTION__FETCH_FORWARD: count >= 0 ? forward(count) : backward(-count); break;
    case PG_QUERY__FETCH_DIRECTION__FETCH_BACKWARD: count > 0 ? backward(count) : forward(-count); break;
    case PG_QUERY__FETCH_DIRECTION__FETCH_ABSOLUTE: {
      int64_t target = count;
      if (count < 0) {
        fetch_into_buffer(p, SIZE_MAX);
        target = static_cast<int64_t>(p.buffer->size()) + 1 + count;
      }
      if (target < p.position || count < 0) no_backward();
      go_to(target);
      break;
    }
    case PG_QUERY__FETCH_DIRECTION__FETCH_RELATIVE:
      if (count < 0) no_backward();
      count == 0 ? forward(0) : go_to(p.position + count);
      break;
    default: break;
  }
  return rows;
}

void SessionImpl::fetch(const pg::Node* node, Portal& result) {
  const auto* f = node->fetch_stmt;
  auto it = portals_.find(std::string_view(f->portalname));
  if (it == portals_.end()) throw Error(ErrorCode::kInvalidCursorName, fmt::format("cursor \"{}\" does not exist", f->portalname));
  Portal& p = *it->second;
  if (p.execution == nullptr && !p.held && p.buffer == nullptr) {
    if (p.statement != nullptr && p.statement->kind == StatementKind::kQuery && !p.started) start_portal(p, bound(*p.statement, true));
  }
  const std::vector<size_t> rows = move_cursor(p, f->direction, f->how_many);
  if (f->ismove != 0) {
    result.tag = fmt::format("MOVE {}", rows.size());
    return;
  }
  result.tag = fmt::format("FETCH {}", rows.size());
  result.columns.assign(p.shown().begin(), p.shown().end());
  result.returns_rows = true;
  result.result = std::make_unique<RowBuffer>();
  if (p.by_value.empty()) {
    for (const OutputColumn& c : p.columns) p.by_value.push_back(type_facts(c.type).by_value);
  }
  for (size_t row : rows) {
    const auto values = p.buffer->row(row).first(p.shown().size());
    std::vector<Datum> one(values.size());
    std::vector<uint8_t> nulls(values.size());
    query::Batch batch;
    batch.size = 1;
    for (size_t c = 0; c < values.size(); ++c) {
      one[c] = values[c].value;
      nulls[c] = values[c].is_null ? 1 : 0;
      batch.columns.push_back({&one[c], &nulls[c]});
    }
    result.result->add(batch, p.shown(), p.by_value);
  }
}

void SessionImpl::close_cursor(const pg::Node* node) {
  const char* name = node->close_portal_stmt->portalname;
  if (name == nullptr || name[0] == 0) {
    std::erase_if(portals_, [](const auto& p) { return p.second->is_cursor; });
    return;
  }
  auto it = portals_.find(std::string_view(name));
  if (it == portals_.end()) throw Error(ErrorCode::kInvalidCursorName, fmt::format("cursor \"{}\" does not exist", name));
  portals_.erase(it);
}

void SessionImpl::queue_notify(std::string channel, std::string payload) {
  if (channel.empty()) throw Error(ErrorCode::kInvalidParameterValue, "channel name cannot be empty");
  if (channel.size() >= 64) throw Error(ErrorCode::kInvalidParameterValue, "channel name too long");
  if (payload.size() >= 8000) throw Error(ErrorCode::kInvalidParameterValue, "payload string too long");
  std::pair<std::string, std::string> message{std::move(channel), std::move(payload)};
  if (std::find(notifies_.begin(), notifies_.end(), message) == notifies_.end()) notifies_.push_back(std::move(message));
}

void SessionImpl::listen(const pg::Node* node) {
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_LISTEN_STMT: listens_.emplace_back('+', node->listen_stmt->conditionname); break;
    case PG_QUERY__NODE__NODE_UNLISTEN_STMT: {
      const char* name = node->unlisten_stmt->conditionname;
      if (name == nullptr || name[0] == 0) listens_.emplace_back('*', "");
      else listens_.emplace_back('-', name);
      break;
    }
    default: queue_notify(node->notify_stmt->conditionname, node->notify_stmt->payload == nullptr ? "" : node->notify_stmt->payload);
  }
}

}  // namespace stele::sql

// The extended protocol: prepared statements, portals, cursors' rows.
#include "sql/parser/pg.h"
#include "sql/session/session_impl.h"
#include "types/type_io.h"
#include "types/oids.h"

namespace stele::sql {

using query::CommandKind;

void RowBuffer::add(const query::Batch& batch, std::span<const OutputColumn> columns, const std::vector<bool>& by_value) {
  for (int i = 0; i < batch.size; ++i) {
    auto* row = reinterpret_cast<NullableDatum*>(arena_.allocate(sizeof(NullableDatum) * std::max<size_t>(1, columns.size())));
    for (size_t c = 0; c < columns.size(); ++c) {
      const bool null = batch.columns[c].nulls[i] != 0;
      row[c] = {null ? Datum{} : copy_datum(by_value[c], batch.columns[c].values[i], arena_), null};
    }
    rows_.emplace_back(row, columns.size());
  }
}

PreparedPtr SessionImpl::find_prepared(std::string_view name) {
  auto it = prepared_.find(name);
  if (it == prepared_.end()) {
    throw Error(ErrorCode::kInvalidSqlStatementName, name.empty() ? std::string("unnamed prepared statement does not exist")
                                                                  : fmt::format("prepared statement \"{}\" does not exist", name));
  }
  return it->second;
}
PortalPtr SessionImpl::find_portal(std::string_view name) {
  auto it = portals_.find(name);
  if (it == portals_.end()) throw Error(ErrorCode::kInvalidCursorName, fmt::format("portal \"{}\" does not exist", name));
  return it->second;
}

void SessionImpl::parse(std::string_view name, std::string_view given, std::span<const Oid> param_types) {
  std::string held;
  const std::string_view text = parser_text(given, &held);
  extended_open_ = true;
  if (!name.empty() && prepared_.contains(name)) {
    throw Error(ErrorCode::kDuplicatePreparedStatement, fmt::format("prepared statement \"{}\" already exists", name));
  }
  std::string key(text);
  key.push_back('\0');
  for (Oid t : param_types) key += std::to_string(t) + ",";
  StatementPtr s = database_.cached(key);
  auto prepared = std::make_shared<Prepared>();
  prepared->name = name;
  prepared->text = text;
  prepared->prepared_us = eval_.clock_us();
  if (s == nullptr) {
    ParseTreePtr tree = parse_sql(text);
    if (tree->statements.size() > 1) throw Error(ErrorCode::kSyntaxError, "cannot insert multiple commands into a prepared statement");
    if (!tree->statements.empty()) {
      s = std::make_shared<CachedStatement>();
      s->raw = tree->statements[0];
      s->kind = classify(s->raw.node);
      s->tree = std::move(tree);
      s->declared_types.assign(param_types.begin(), param_types.end());
      if (s->kind != StatementKind::kUtility) database_.cache(key, s);
    }
  }
  prepared->statement = s;
  if (s != nullptr) {
    check_failed(s->raw.node);
    if (s->kind == StatementKind::kQuery) {
      ensure_transaction();
      bound(*s, true);
    }
  }
  prepared_[std::string(name)] = std::move(prepared);
}

Described SessionImpl::describe_bound(const CachedStatement& s, const CachedStatement::Bound& b) {
  (void)s;
  return {b.param_types, b.columns, b.returns_rows};
}

Described SessionImpl::describe_statement(std::string_view name) {
  extended_open_ = true;
  const PreparedPtr p = find_prepared(name);
  if (p->statement == nullptr) return {};
  if (status_ == TxnStatus::kFailed && p->statement->kind != StatementKind::kTransaction) check_failed(nullptr);
  if (p->statement->kind == StatementKind::kQuery) {
    ensure_transaction();
    return describe_bound(*p->statement, *bound(*p->statement, true));
  }
  Described d;
  if (p->statement->kind == StatementKind::kUtility) {
    ensure_transaction();
    d.returns_rows = describe_utility(*p->statement, &d.columns);
  }
  return d;
}

void SessionImpl::bind(std::string_view name, std::string_view statement, std::span<const Param> params, std::span<const int16_t> formats) {
  extended_open_ = true;
  const PreparedPtr p = find_prepared(statement);
  if (name.empty() && p->statement != nullptr && bind_point(p, params, formats)) return;
  if (!name.empty() && portals_.contains(name)) throw Error(ErrorCode::kDuplicateCursor, fmt::format("cursor \"{}\" already exists", name));
  auto portal = std::make_shared<Portal>();
  portal->name = name;
  portal->prepared = p;
  portal->statement = p->statement;
  portal->formats.assign(formats.begin(), formats.end());
  portal->text = p->text;
  portal->created_us = eval_.clock_us();
  if (p->statement != nullptr) {
    check_failed(p->statement->raw.node);
    std::shared_ptr<CachedStatement::Bound> b;
    if (p->statement->kind == StatementKind::kQuery) {
      ensure_transaction();
      b = bound(*p->statement, true);
      portal->param_types = b->param_types;
      portal->columns = b->columns;
      portal->returns_rows = b->returns_rows;
    }
    if (params.size() != portal->param_types.size()) {
      throw Error(ErrorCode::kProtocolViolation, fmt::format("bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                                                             params.size(), p->name, portal->param_types.size()));
    }
    for (size_t i = 0; i < params.size(); ++i) {
      if (params[i].is_null) {
        portal->params.push_back({});
        continue;
      }
      const Oid type = portal->param_types[i];
      portal->params.push_back({params[i].binary ? type_receive(type, params[i].bytes, -1, portal->arena, eval_)
                                                 : type_input(type, params[i].bytes, -1, portal->arena, eval_),
                                false});
    }
  }
  if (formats.size() > 1 && portal->returns_rows && formats.size() != portal->columns.size()) {
    throw Error(ErrorCode::kProtocolViolation, fmt::format("bind message has {} result formats but query has {} columns", formats.size(), portal->columns.size()));
  }
  portals_[std::string(name)] = std::move(portal);
}

Described SessionImpl::describe_portal(std::string_view name) {
  extended_open_ = true;
  const PortalPtr p = find_portal(name);
  Described d;
  if (p->statement == nullptr) return d;
  if (p->point != nullptr) return {{}, p->point->columns, true};
  if (p->statement->kind == StatementKind::kUtility && p->result == nullptr && !p->started) {
    ensure_transaction();
    d.returns_rows = describe_utility(*p->statement, &d.columns);
    return d;
  }
  d.columns = p->columns;
  d.returns_rows = p->returns_rows || p->result != nullptr;
  return d;
}

std::span<const int16_t> SessionImpl::portal_formats(std::string_view name) { return find_portal(name)->formats; }

void SessionImpl::start_portal(Portal& p, BoundPtr b) {
  exec_.params = p.params;
  exec_.param_types = p.param_types;
  p.plan = plan_for(*p.statement, b, p.prepared.get());
  lock_plan(p.plan, [&] {
    b = bound(*p.statement, true);
    return plan_for(*p.statement, b, p.prepared.get());
  });
  p.columns = b->columns;
  if (read_only_) check_writes(*b->query);
  p.execution = query::start(p.plan, exec_, read_view(*p.plan));
  p.bound = std::move(b);
  p.started = true;
}

// Sends up to max_rows rows (0: all); false when there may be more.
bool SessionImpl::portal_rows(Portal& p, int64_t max_rows, ResultSink& sink) {
  exec_.params = p.params;
  exec_.param_types = p.param_types;
  int64_t left = max_rows <= 0 ? INT64_MAX : max_rows;
  while (left > 0) {
    if (p.pending_at >= p.pending.size) {
      p.pending_at = 0;
      p.pending.size = 0;
      if (p.exhausted || !p.execution->next(p.pending, static_cast<int>(std::min<int64_t>(left, query::kBatchRows)))) {
        p.exhausted = true;
        return true;
      }
      check_interrupts();
      if (p.pending.size == 0) continue;
    }
    const int n = static_cast<int>(std::min<int64_t>(left, p.pending.size - p.pending_at));
    if (p.returns_rows) {
      if (p.pending_at == 0 && n == p.pending.size) {
        if (!sink.rows(p.pending, p.columns)) return true;
      } else {
        query::Batch part;
        part.size = n;
        for (const query::Vec& v : p.pending.columns) part.columns.push_back({v.values + p.pending_at, v.nulls + p.pending_at});
        if (!sink.rows(part, p.columns)) return true;
      }
    }
    p.pending_at += n;
    p.rows_sent += static_cast<uint64_t>(n);
    left -= n;
  }
  return false;
}

void SessionImpl::execute(std::string_view name, int64_t max_rows, ResultSink& sink) {
  extended_open_ = true;
  const PortalPtr held = find_portal(name);
  Portal& p = *held;
  if (p.statement == nullptr) {
    sink.empty_query();
    return;
  }
  if (p.point != nullptr) {
    if (p.started) {
      sink.complete("SELECT 0");
      return;
    }
    const BoundPtr b = std::exchange(read_ahead_, nullptr);
    if (b != nullptr && read_ahead_portal_ == &p && max_rows == 0) {
      note_activity(p.text);
      p.started = true;
      send_point(*b, sink, false);
      return;
    }
    point_to_plan(p);
  }
  check_failed(p.statement->raw.node);
  start_statement(p.text);
  switch (p.statement->kind) {
    case StatementKind::kEmpty: sink.empty_query(); return;
    case StatementKind::kTransaction: {
      extended_open_ = false;
      const std::string tag = transaction_statement(p.statement->raw.node, &sink);
      extended_open_ = true;
      sink.complete(tag);
      return;
    }
    case StatementKind::kUtility: {
      if (p.statement->raw.node->node_case == PG_QUERY__NODE__NODE_COPY_STMT) {
        copy(*p.statement, sink);
        return;
      }
      if (!p.started) {
        p.started = true;
        run_utility(*p.statement, p);
        next_command();
      }
      if (p.result != nullptr) {
        const size_t before = p.result_at;
        send_result(p, max_rows, sink);
        if (p.result_at < p.result->size() && p.result_at > before) {
          sink.suspended();
          return;
        }
      }
      sink.complete(p.tag);
      return;
    }
    case StatementKind::kQuery: break;
  }
  if (p.failed) throw Error(ErrorCode::kObjectNotInPrerequisiteState, fmt::format("portal \"{}\" cannot be run", p.name));
  try {
    if (!p.started) {
      const BoundPtr b = bound(*p.statement, true);
      if (b->has_rules) {
        exec_.params = p.params;
        exec_.param_types = p.param_types;
        p.started = true;
        run_rules_statement(*p.statement, b, p);
        next_command();
        if (p.result != nullptr) send_result(p, 0, sink);
        sink.complete(p.tag);
        return;
      }
      start_portal(p, b);
    }
    if (!portal_rows(p, max_rows, sink)) {
      sink.suspended();
      return;
    }
  } catch (...) {
    p.failed = true;
    throw;
  }
  const CommandKind command = p.plan->command();
  const uint64_t rows = command == CommandKind::kSelect ? p.rows_sent : p.execution->rows_affected();
  next_command();
  if (command != CommandKind::kSelect && rows > 0) {
    const query::Query& q = *p.bound->query;
    if (q.result_relation > 0) database_.note_changes({{q.range_table[static_cast<size_t>(q.result_relation - 1)]->relation, rows}});
  }
  sink.complete(tag_of(command, p.statement->raw.node, rows));
}

void SessionImpl::close_statement(std::string_view name) {
  auto it = prepared_.find(name);
  if (it != prepared_.end()) prepared_.erase(it);
}
void SessionImpl::close_portal(std::string_view name) {
  auto it = portals_.find(name);
  if (it != portals_.end()) portals_.erase(it);
}

void SessionImpl::sync() {
  extended_open_ = false;
  try {
    if (status_ == TxnStatus::kIdle && txn_ != nullptr) commit_transaction();
  } catch (...) {
    activity_state_.store("idle");
    throw;
  }
  if (auto it = portals_.find(""); it != portals_.end() && status_ == TxnStatus::kIdle) {
    if (it->second->point != nullptr && it->second.use_count() == 1) spare_portal_ = portals_.extract(it);
    else portals_.erase(it);
  }
  activity_state_.store(status_ == TxnStatus::kIdle ? "idle" : status_ == TxnStatus::kFailed ? "idle in transaction (aborted)" : "idle in transaction");
}

void SessionImpl::fail_extended() {
  read_ahead_ = nullptr;
  extended_open_ = false;
  statement_failed();
}

void SessionImpl::fetch_into_buffer(Portal& p, size_t upto) {
  if (p.buffer == nullptr) p.buffer = std::make_unique<RowBuffer>();
  if (p.by_value.empty()) {
    for (const OutputColumn& c : p.columns) p.by_value.push_back(type_facts(c.type).by_value);
  }
  // A function may fetch while the statement that called it runs.
  struct Restore {
    query::ExecContext& exec;
    std::span<const NullableDatum> params;
    std::span<const Oid> types;
    ~Restore() {
      exec.params = params;
      exec.param_types = types;
    }
  } restore{exec_, exec_.params, exec_.param_types};
  exec_.params = p.params;
  exec_.param_types = p.param_types;
  query::Batch batch;
  while (!p.exhausted && p.buffer->size() < upto) {
    const size_t want = std::min<size_t>(upto - p.buffer->size(), query::kBatchRows);
    if (!p.execution->next(batch, static_cast<int>(want))) {
      p.exhausted = true;
      break;
    }
    p.buffer->add(batch, p.columns, p.by_value);
    check_interrupts();
  }
}

void SessionImpl::send_result(Portal& p, int64_t max_rows, ResultSink& sink) {
  const size_t n = p.result->size();
  const size_t end = max_rows <= 0 ? n : std::min(n, p.result_at + static_cast<size_t>(max_rows));
  const size_t width = p.columns.size();
  std::vector<std::vector<Datum>> values(width);
  std::vector<std::vector<uint8_t>> nulls(width);
  while (p.result_at < end) {
    const size_t count = std::min<size_t>(end - p.result_at, query::kBatchRows);
    query::Batch batch;
    batch.size = static_cast<int>(count);
    for (size_t c = 0; c < width; ++c) {
      values[c].resize(count);
      nulls[c].resize(count);
      for (size_t i = 0; i < count; ++i) {
        const NullableDatum& d = p.result->row(p.result_at + i)[c];
        values[c][i] = d.value;
        nulls[c][i] = d.is_null ? 1 : 0;
      }
      batch.columns.push_back({values[c].data(), nulls[c].data()});
    }
    p.result_at += count;
    if (!sink.rows(batch, p.columns)) return;
  }
}

void SessionImpl::text_rows(Portal& result, std::vector<OutputColumn> columns, const std::vector<std::vector<std::optional<std::string>>>& rows) {
  result.columns = std::move(columns);
  result.result = std::make_unique<RowBuffer>();
  Arena arena;
  const size_t width = result.columns.size();
  std::vector<bool> by_value;
  for (const OutputColumn& c : result.columns) by_value.push_back(type_facts(c.type).by_value);
  for (const auto& row : rows) {
    std::vector<Datum> values(width);
    std::vector<uint8_t> nulls(width);
    query::Batch batch;
    batch.size = 1;
    for (size_t c = 0; c < width; ++c) {
      nulls[c] = row[c] ? 0 : 1;
      if (row[c]) values[c] = by_value[c] ? type_input(result.columns[c].type, *row[c], -1, arena, eval_) : make_bytes(arena, *row[c]);
      batch.columns.push_back({&values[c], &nulls[c]});
    }
    result.result->add(batch, result.columns, by_value);
  }
  result.returns_rows = true;
}

}  // namespace stele::sql

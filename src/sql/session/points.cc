// Single rows without a transaction, and texts without their literals.
//
// A point read may run on a reactor thread: it takes no lock and waits for nobody. It is done ahead, by
// can_run_inline() or can_run_inline_query(), so that whatever stands in its way (a lock, a newer catalogue, a writer in
// between) still can send the message to a worker.
#include "base/codec.h"
#include "sql/parser/pg.h"
#include "sql/session/session_impl.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::sql {

using query::CommandKind;
using query::PointRead;

namespace {

constexpr size_t kSessionTexts = 256;
constexpr uint32_t kSeenBefore = 2;   // texts that come once are not worth a plan of their own

// Statements in which a literal can only be a value: ORDER BY 1 and its like are elsewhere.
bool literals_are_values(const pg::Node* node) {
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT: {
      const auto* s = node->select_stmt;
      return s->op == PG_QUERY__SET_OPERATION__SETOP_NONE && s->n_distinct_clause == 0 && s->n_group_clause == 0 && s->having_clause == nullptr &&
             s->n_window_clause == 0 && s->n_values_lists == 0 && s->n_sort_clause == 0 && s->limit_offset == nullptr && s->limit_count == nullptr &&
             s->n_locking_clause == 0 && s->with_clause == nullptr && s->n_from_clause == 1 &&
             s->from_clause[0]->node_case == PG_QUERY__NODE__NODE_RANGE_VAR;
    }
    case PG_QUERY__NODE__NODE_UPDATE_STMT: {
      const auto* s = node->update_stmt;
      return s->n_from_clause == 0 && s->n_returning_list == 0 && s->with_clause == nullptr;
    }
    case PG_QUERY__NODE__NODE_DELETE_STMT: {
      const auto* s = node->delete_stmt;
      return s->n_using_clause == 0 && s->n_returning_list == 0 && s->with_clause == nullptr;
    }
    case PG_QUERY__NODE__NODE_INSERT_STMT: {
      const auto* s = node->insert_stmt;
      if (s->n_returning_list != 0 || s->with_clause != nullptr || s->on_conflict_clause != nullptr || s->select_stmt == nullptr) return false;
      const auto* v = s->select_stmt->select_stmt;
      return v->n_values_lists == 1 && v->n_sort_clause == 0 && v->limit_offset == nullptr && v->limit_count == nullptr && v->with_clause == nullptr;
    }
    default: return false;
  }
}

Oid declared_type(Literal::Kind kind) {
  switch (kind) {
    case Literal::Kind::kInt4: return oid::kInt4;
    case Literal::Kind::kInt8: return oid::kInt8;
    case Literal::Kind::kString: break;
  }
  return 0;  // as a quoted literal: whatever its place asks for
}

}  // namespace

void SessionImpl::note_activity(std::string_view text) {
  const int64_t now = engine_.store->clock().unix_us() - 946684800000000;
  std::lock_guard lock(activity_mutex_);
  activity_query_.assign(text.substr(0, 1024));
  query_start_us_ = state_change_us_ = now;
  activity_state_.store("active");
}

// The statement's plan when it reads one row and nothing of the session asks for more; null: the long way.
BoundPtr SessionImpl::point_read(CachedStatement& s) {
  if (status_ != TxnStatus::kIdle || txn_ != nullptr || multi_statement_ || temp_schema_ != 0 || !planner_default_ ||
      isolation_ != storage::Isolation::kReadCommitted || s.kind != StatementKind::kQuery) {
    return nullptr;
  }
  const uint64_t version = engine_.catalog->state()->version();
  std::lock_guard lock(s.mutex);
  const BoundPtr& b = s.bound;
  if (b == nullptr || !b->point_read || !b->plain_params || b->version != version || b->user != current_user_ || b->path != scope_) return nullptr;
  return b;
}

// Reads the row into point_scratch_. False: it has to be done in a transaction.
bool SessionImpl::read_point(const BoundPtr& b, std::span<const NullableDatum> params) {
  for (const auto& [relation, mode] : b->generic->relation_locks()) {
    char key[4];
    store_be32(key, relation);
    if (relation >= 16384 && engine_.store->locks().conflicts(0, {storage::LockKind::kRelation, {key, 4}}, mode)) return false;
  }
  read_ahead_result_ = query::read_point(*b->generic, *engine_.store, params, point_scratch_);
  // A change of the schema that came in between changed the catalogue's version.
  return read_ahead_result_ != PointRead::kMoved && engine_.catalog->state()->version() == b->version;
}

void SessionImpl::send_point(const CachedStatement::Bound& b, ResultSink& sink, bool with_columns) {
  cancelled_.store(false, std::memory_order_relaxed);
  depends_on(point_scratch_.lsn);
  if (with_columns) sink.columns(b.columns);
  const bool found = read_ahead_result_ == PointRead::kRow;
  if (found) sink.rows(point_scratch_.batch, b.columns);
  sink.complete(found ? "SELECT 1" : "SELECT 0");
}

// ---- the extended protocol

bool SessionImpl::can_bind_inline(std::string_view name) {
  auto it = prepared_.find(name);
  return it != prepared_.end() && it->second->statement != nullptr && point_read(*it->second->statement) != nullptr;
}

// Fills the unnamed portal for a point read. False: nothing was done.
bool SessionImpl::bind_point(const PreparedPtr& p, std::span<const Param> params, std::span<const int16_t> formats) {
  BoundPtr b = point_read(*p->statement);
  if (b == nullptr || params.size() != b->param_types.size() || (formats.size() > 1 && formats.size() != b->columns.size())) return false;
  auto it = portals_.find("");
  if (it != portals_.end() && it->second->point != nullptr && it->second.use_count() == 1) {
    spare_portal_ = portals_.extract(it);
  } else if (it != portals_.end()) {
    portals_.erase(it);
  }
  if (spare_portal_.empty()) {
    portals_[""] = std::make_shared<Portal>();
    spare_portal_ = portals_.extract("");
  }
  Portal& portal = *spare_portal_.mapped();
  portal.arena.reset();
  portal.params.clear();
  for (size_t i = 0; i < params.size(); ++i) {
    if (params[i].is_null) {
      portal.params.push_back({});
      continue;
    }
    const Oid type = b->param_types[i];
    portal.params.push_back({params[i].binary ? type_receive(type, params[i].bytes, -1, portal.arena, eval_)
                                              : type_input(type, params[i].bytes, -1, portal.arena, eval_),
                             false});
  }
  if (portal.prepared != p) {
    portal.prepared = p;
    portal.statement = p->statement;
    portal.text = p->text;
  }
  portal.formats.assign(formats.begin(), formats.end());
  portal.returns_rows = true;
  portal.started = portal.exhausted = portal.failed = false;
  portal.rows_sent = 0;
  portal.point = std::move(b);
  portals_.insert(std::move(spare_portal_));
  return true;
}

// The portal goes the long way after all.
void SessionImpl::point_to_plan(Portal& p) {
  p.columns = p.point->columns;
  p.param_types = p.point->param_types;
  p.point.reset();
}

bool SessionImpl::can_run_inline(std::string_view name) {
  read_ahead_ = nullptr;
  auto it = portals_.find(name);
  if (it == portals_.end() || it->second->point == nullptr) return false;
  Portal& p = *it->second;
  if (p.started) return true;
  // What was bound may have gone stale since.
  if (point_read(*p.statement) != p.point || !read_point(p.point, p.params)) return false;
  read_ahead_ = p.point;
  read_ahead_portal_ = &p;
  return true;
}

// ---- texts without their literals

// The entry of the text without its literals, which are left in stripped_; null: the text has no such form.
StrippedPtr SessionImpl::find_stripped(std::string_view text) {
  if (!strip_literals(text, &stripped_)) return nullptr;
  // The same tokens mean other things to other users and under other search paths.
  char user[4];
  store_be32(user, current_user_);
  stripped_.key.append(user, sizeof user).append(scope_);
  auto it = stripped_cache_.find(std::string_view(stripped_.key));
  if (it == stripped_cache_.end()) {
    if (stripped_cache_.size() >= kSessionTexts) stripped_cache_.clear();
    it = stripped_cache_.emplace(stripped_.key, database_.stripped(stripped_.key)).first;
  }
  return it->second;
}

// The literals of stripped_ as parameters. False when one is no value of its type: the long way says so, and where.
bool SessionImpl::literal_params(const CachedStatement::Bound& b) {
  if (!b.plain_params || b.param_types.size() != stripped_.literals.size()) return false;
  literal_arena_.reset();
  literal_params_.clear();
  try {
    for (size_t i = 0; i < stripped_.literals.size(); ++i) {
      const Literal& l = stripped_.literals[i];
      literal_params_.push_back({l.kind == Literal::Kind::kString ? type_input(b.param_types[i], l.text, -1, literal_arena_, eval_) : Datum::from_int(l.number), false});
    }
  } catch (const Error&) {
    return false;
  }
  return true;
}

bool SessionImpl::can_run_inline_query(std::string_view text) {
  read_ahead_ = nullptr;
  if (status_ != TxnStatus::kIdle || txn_ != nullptr) return false;
  const StrippedPtr entry = find_stripped(text);
  if (entry == nullptr || entry->state.load(std::memory_order_acquire) != StrippedStatement::kUsable) return false;
  BoundPtr b = point_read(*entry->statement);
  if (b == nullptr || !literal_params(*b) || !read_point(b, literal_params_)) return false;
  read_ahead_ = std::move(b);
  read_ahead_portal_ = nullptr;
  read_ahead_text_.assign(text);
  return true;
}

// Runs the text through the plan that texts of its form share. False: nothing was done.
bool SessionImpl::simple_stripped(std::string_view text, ResultSink& sink) {
  const StrippedPtr entry = find_stripped(text);
  if (entry == nullptr) return false;
  const auto state = entry->state.load(std::memory_order_acquire);
  if (state == StrippedStatement::kNew && ++entry->seen >= kSeenBefore) learning_ = entry;
  if (state != StrippedStatement::kUsable || status_ == TxnStatus::kFailed || (changes_ != nullptr && !changes_->empty()) || temp_schema_ != 0) return false;
  const StatementPtr s = entry->statement;
  BoundPtr b;
  {
    std::lock_guard lock(s->mutex);
    b = s->bound;
  }
  if (b == nullptr || b->version != engine_.catalog->state()->version()) {
    // Under another schema it may mean something else: the next texts of this form are asked again.
    database_.forget_stripped(stripped_.key, entry);
    stripped_cache_.erase(stripped_.key);
    return false;
  }
  if (!literal_params(*b)) return false;
  start_statement(text);
  run_query(s, literal_params_, sink);
  return true;
}

// Decides about an entry while the text runs that it came from: the form without literals must bind to a point plan
// that looks the same from outside.
void SessionImpl::learn_stripped(StrippedStatement& entry, const query::Plan& plan, const std::vector<OutputColumn>& columns) {
  auto reject = [&] {
    uint8_t expected = StrippedStatement::kNew;
    entry.state.compare_exchange_strong(expected, StrippedStatement::kRejected);
  };
  if (!plan.is_point() || !changes_->empty() || temp_schema_ != 0) return reject();
  try {
    ParseTreePtr tree = parse_sql(stripped_.sql());
    if (tree->statements.size() != 1 || !literals_are_values(tree->statements[0].node)) return reject();
    auto shared = std::make_shared<CachedStatement>();
    shared->raw = tree->statements[0];
    shared->kind = classify(shared->raw.node);
    shared->tree = std::move(tree);
    for (const Literal& l : stripped_.literals) shared->declared_types.push_back(declared_type(l.kind));
    const BoundPtr b = bound(*shared, true);
    const query::PlanPtr generic = plan_for(*shared, b, nullptr);
    bool same = generic->is_point() && generic->generic() && generic->command() == plan.command() && b->plain_params &&
                b->columns.size() == columns.size() && b->param_types.size() == shared->declared_types.size();
    for (size_t i = 0; same && i < columns.size(); ++i) {
      const OutputColumn &x = b->columns[i], &y = columns[i];
      same = x.name == y.name && x.type == y.type && x.typmod == y.typmod && x.origin_table == y.origin_table && x.origin_column == y.origin_column;
    }
    for (size_t i = 0; same && i < shared->declared_types.size(); ++i) {
      same = shared->declared_types[i] == 0 || shared->declared_types[i] == b->param_types[i];
    }
    if (!same) return reject();
    // Two sessions may come here at once: the first one decides.
    uint8_t expected = StrippedStatement::kNew;
    if (!entry.state.compare_exchange_strong(expected, StrippedStatement::kDeciding)) return;
    entry.statement = std::move(shared);
    entry.state.store(StrippedStatement::kUsable, std::memory_order_release);
  } catch (const Error&) {
    reject();
  }
}

}  // namespace stele::sql

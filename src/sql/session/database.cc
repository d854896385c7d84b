// What all sessions share: the list of them, statement texts already parsed, LISTEN/NOTIFY, automatic ANALYZE.
#include <unistd.h>

#include "base/logging.h"
#include "sql/ddl/text_search.h"
#include "sql/session/session_impl.h"
#include "types/text.h"

namespace stele::sql {

using catalog::ObjectKind;

namespace {
constexpr size_t kCachedTexts = 4096;
}

std::unique_ptr<Database> Database::create(query::Engine& engine) { return std::make_unique<DatabaseImpl>(engine); }

DatabaseImpl::DatabaseImpl(query::Engine& engine) : engine_(engine), next_pid_(::getpid()) {
  started_us_ = engine_.store->clock().unix_us() - 946684800000000;
  system_catalogs::register_functions();
  // Collations and text search objects of users are known to the type library by their oids.
  const auto state = engine_.catalog->state();
  state->for_each(ObjectKind::kCollation, [](const catalog::Ptr<catalog::Object>& o) {
    auto& c = static_cast<const catalog::Collation&>(*o);
    define_collation(c.oid, c.provider, c.locale, c.deterministic);
  });
  try {
    tell_all_text_search(*state);
  } catch (const Error&) {
    // A file that a dictionary was made from is gone: whoever uses it is told.
  }
  next_transaction_.store(engine_.store->reserve_ids("transaction number", 1000000) + 700);
}

DatabaseImpl::~DatabaseImpl() {
  {
    std::lock_guard lock(analyze_mutex_);
    stopping_ = true;
  }
  analyze_wake_.notify_all();
  if (analyzer_.joinable()) analyzer_.join();
}

std::unique_ptr<Session> DatabaseImpl::connect(const SessionOptions& options) {
  const int pid = next_pid_.fetch_add(1) + 1;
  auto session = std::make_unique<SessionImpl>(*this, options, pid, static_cast<int>(secure_random() & 0x7fffffff));
  std::unique_lock lock(mutex_);
  if (closed_databases_.contains(session->database_oid())) {
    lock.unlock();
    throw Error(ErrorCode::kInvalidCatalogName, fmt::format("database \"{}\" does not exist", options.database)).detail("It seems to have just been dropped or renamed.");
  }
  sessions_[pid] = session.get();
  return session;
}

void DatabaseImpl::forget(SessionImpl& session) {
  std::lock_guard lock(mutex_);
  sessions_.erase(session.pid());
  for (auto& [channel, who] : listeners_) who.erase(&session);
  session_gone_.notify_all();
}

std::string DatabaseImpl::close_database(Oid database, SessionImpl& by, bool terminate) {
  std::unique_lock lock(mutex_);
  closed_databases_.insert(database);
  auto others = [&] {
    std::vector<SessionImpl*> out;
    for (auto& [pid, session] : sessions_)
      if (session != &by && session->database_oid() == database) out.push_back(session);
    return out;
  };
  if (terminate) {
    for (SessionImpl* s : others()) {
      s->terminated_.store(true);
      if (s->options().terminated) s->options().terminated();
      s->cancel();
    }
  }
  // One that has just been closed may not be gone yet.
  session_gone_.wait_for(lock, std::chrono::seconds(5), [&] { return others().empty(); });
  const size_t left = others().size();
  if (left == 0) return {};
  closed_databases_.erase(database);
  return left == 1 ? std::string("There is 1 other session using the database.") : fmt::format("There are {} other sessions using the database.", left);
}

int DatabaseImpl::take_temp_number() {
  constexpr int kFirst = 3;  // as in PostgreSQL, where server processes have the numbers before it
  std::lock_guard lock(mutex_);
  int number = kFirst;
  while (!temp_numbers_.insert(number).second) ++number;
  return number;
}
void DatabaseImpl::return_temp_number(int number) {
  std::lock_guard lock(mutex_);
  temp_numbers_.erase(number);
}

bool DatabaseImpl::cancel(int pid, int secret) {
  std::lock_guard lock(mutex_);
  auto it = sessions_.find(pid);
  if (it == sessions_.end() || it->second->secret() != secret) return false;
  it->second->cancel();
  return true;
}
bool DatabaseImpl::cancel_pid(int pid, bool terminate) {
  std::lock_guard lock(mutex_);
  auto it = sessions_.find(pid);
  if (it == sessions_.end()) return false;
  if (terminate) {
    it->second->terminated_.store(true);
    if (it->second->options().terminated) it->second->options().terminated();
  }
  it->second->cancel();
  return true;
}
void DatabaseImpl::terminate_all() {
  std::lock_guard lock(mutex_);
  for (auto& [pid, session] : sessions_) session->terminated_.store(true);
}

std::optional<Database::Login> DatabaseImpl::login(std::string_view role) {
  const auto found = std::static_pointer_cast<const catalog::Role>(engine_.catalog->state()->find(ObjectKind::kRole, 0, role));
  if (found == nullptr) return std::nullopt;
  return Login{found->password, found->login, found->superuser};
}

void DatabaseImpl::set_default(std::string_view name, std::string_view value) {
  const SettingDefinition* d = setting_definition(name);
  if (d == nullptr && name.find('.') == std::string_view::npos) {
    throw Error(ErrorCode::kUndefinedObject, fmt::format("unrecognized configuration parameter \"{}\"", name));
  }
  defaults_.emplace_back(std::string(name), d == nullptr ? std::string(value) : check_setting(*d, value));
}

std::vector<system_catalogs::Activity> DatabaseImpl::activities() {
  std::vector<system_catalogs::Activity> out;
  std::lock_guard lock(mutex_);
  for (auto& [pid, session] : sessions_) out.push_back(session->activity());
  return out;
}

void DatabaseImpl::listen(SessionImpl& session, const std::vector<std::pair<char, std::string>>& changes) {
  std::lock_guard lock(mutex_);
  for (const auto& [kind, channel] : changes) {
    if (kind == '+') listeners_[{session.database_oid(), channel}].insert(&session);
    else if (kind == '-') listeners_[{session.database_oid(), channel}].erase(&session);
    else for (auto& [name, who] : listeners_) who.erase(&session);
  }
}
std::vector<std::string> DatabaseImpl::channels(SessionImpl& session) {
  std::vector<std::string> out;
  std::lock_guard lock(mutex_);
  for (auto& [name, who] : listeners_) {
    if (who.contains(&session)) out.push_back(name.second);
  }
  return out;
}
void DatabaseImpl::notify(SessionImpl& from, const std::vector<std::pair<std::string, std::string>>& messages) {
  std::lock_guard lock(mutex_);
  for (const auto& [channel, payload] : messages) {
    auto it = listeners_.find({from.database_oid(), channel});
    if (it == listeners_.end()) continue;
    for (SessionImpl* s : it->second) {
      if (s->options().notification) s->options().notification(from.pid(), channel, payload);
    }
  }
}

StrippedPtr DatabaseImpl::stripped(const std::string& key) {
  std::unique_lock lock(cache_mutex_);
  if (stripped_.size() >= kCachedTexts) stripped_.clear();
  StrippedPtr& entry = stripped_[key];
  if (entry == nullptr) entry = std::make_shared<StrippedStatement>();
  return entry;
}

void DatabaseImpl::forget_stripped(const std::string& key, const StrippedPtr& entry) {
  std::unique_lock lock(cache_mutex_);
  if (auto it = stripped_.find(key); it != stripped_.end() && it->second == entry) stripped_.erase(it);
}

StatementPtr DatabaseImpl::cached(std::string_view text) {
  std::shared_lock lock(cache_mutex_);
  auto it = statements_.find(text);
  return it == statements_.end() ? nullptr : it->second;
}
void DatabaseImpl::cache(const std::string& text, StatementPtr statement) {
  if (text.size() > 8192) return;
  std::unique_lock lock(cache_mutex_);
  if (statements_.size() >= kCachedTexts) statements_.clear();
  statements_[text] = std::move(statement);
}

void DatabaseImpl::note_changes(const std::vector<std::pair<Oid, uint64_t>>& rows) {
  std::lock_guard lock(analyze_mutex_);
  for (const auto& [relation, n] : rows) changed_rows_[relation] += n;
}

void DatabaseImpl::start_background_work() {
  // Temporary relations of sessions that ended with the server.
  try {
    SessionOptions options;
    options.application_name = "start-up";
    auto session = connect(options);
    auto& impl = static_cast<SessionImpl&>(*session);
    std::vector<std::string> stale;
    engine_.catalog->state(0)->for_each(ObjectKind::kSchema, [&](const catalog::Ptr<catalog::Object>& o) {
      if (o->name.starts_with("pg_temp_")) stale.push_back(o->name);
    });
    for (const std::string& name : stale) impl.run_sql(fmt::format("DROP SCHEMA IF EXISTS {} CASCADE", quote_identifier(name)));
  } catch (const Error& e) {
    logging::warning("temporary relations of the last run could not be dropped: {}", e.message());
  }
  analyzer_ = std::thread([this] { analyze_loop(); });
}

// As PostgreSQL's autovacuum decides: after 50 rows and a tenth of the table have changed.
void DatabaseImpl::analyze_loop() {
  std::unique_lock lock(analyze_mutex_);
  while (!stopping_) {
    analyze_wake_.wait_for(lock, std::chrono::seconds(5));
    if (stopping_) return;
    std::vector<Oid> due;
    const auto state = engine_.catalog->state();
    for (auto it = changed_rows_.begin(); it != changed_rows_.end();) {
      const auto relation = state->relation(it->first);
      if (relation == nullptr) {
        it = changed_rows_.erase(it);
        continue;
      }
      const auto statistics = state->statistics(it->first);
      const double known = statistics == nullptr ? 0 : std::max(0.0, statistics->rows);
      if (static_cast<double>(it->second) > 50 + 0.1 * known && relation->persistence != 't') {
        due.push_back(it->first);
        it = changed_rows_.erase(it);
      } else {
        ++it;
      }
    }
    if (due.empty()) continue;
    lock.unlock();
    for (Oid oid : due) {
      try {
        SessionOptions options;
        options.application_name = "autoanalyze";
        auto session = connect(options);
        session->begin_implicit();
        query::analyze_relation(oid, session->exec_context());
        session->end_implicit(false);
      } catch (const std::exception& e) {
        logging::debug("automatic analyze of relation {} failed: {}", oid, e.what());
      }
    }
    lock.lock();
  }
}

}  // namespace stele::sql

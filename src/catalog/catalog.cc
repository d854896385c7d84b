// Invariants:
//  1. Key space 'c' holds, as of the last commit, one row an object, dependency and statistics record:
//     'c' kind oid -> object, 'c' 0xF0 dependent referenced -> kind, 'c' 0xF1 oid -> statistics.
//  2. The published State equals what load() would read. apply() runs on the commit leader in Lsn order,
//     so it may build the next state from the current one without a lock.
//  3. A transaction's deltas carry a token that its before_commit hook owns; rolling back to a savepoint
//     drops the hook, hence the token, hence the delta.
#include "catalog/catalog.h"

#include <atomic>
#include <map>
#include <mutex>

#include "base/codec.h"
#include "base/error.h"
#include "catalog/encode.h"
#include "catalog/state.h"

namespace stele::catalog {
namespace {

constexpr char kDependencyRecord = static_cast<char>(0xF0);
constexpr char kStatisticsRecord = static_cast<char>(0xF1);

std::string object_row_key(ObjectKind kind, Oid oid) {
  std::string key{storage::keyspace_byte::kCatalog, static_cast<char>(kind)};
  put_be32(key, oid);
  return key;
}
std::string dependency_row_key(const Dependency& d) {
  return std::string{storage::keyspace_byte::kCatalog, kDependencyRecord} + dependency_key(d.dependent, d.referenced);
}
std::string statistics_row_key(Oid oid) {
  std::string key{storage::keyspace_byte::kCatalog, kStatisticsRecord};
  put_be32(key, oid);
  return key;
}

struct Prepared {
  std::vector<Delta> deltas;
};

class CatalogImpl;

class ChangesImpl : public Changes {
 public:
  ChangesImpl(CatalogImpl& catalog, storage::Transaction& txn, Oid database);
  StatePtr state() override;
  bool empty() const override { return steps_.empty(); }
  void put(std::shared_ptr<const Object> object) override;
  void drop(ObjectKind kind, Oid oid) override;
  void add_dependency(const Dependency& d) override;
  void drop_dependencies_of(const ObjectAddress& dependent) override;
  void put_statistics(Oid relation, std::shared_ptr<const RelationStatistics> s) override;
  void refresh() override;
  Oid database() const override { return database_; }

 private:
  struct Step {
    Delta delta;
    std::weak_ptr<char> token;
    std::shared_ptr<const StateImpl> after;
  };
  void trim();
  void record(Delta d);
  const std::shared_ptr<const StateImpl>& top() const { return steps_.empty() ? base_ : steps_.back().after; }

  CatalogImpl& catalog_;
  storage::Transaction& txn_;
  const Oid database_;
  std::shared_ptr<const StateImpl> base_;
  // What state() answered last, and of what it is a view.
  std::shared_ptr<const StateImpl> viewed_;
  StatePtr view_;
  std::vector<Step> steps_;
};

class CatalogImpl : public Catalog {
 public:
  explicit CatalogImpl(storage::Store& store) : store_(store), state_(std::make_shared<const StateImpl>()) {}

  storage::ParticipantId id() const override { return storage::ParticipantId::kCatalog; }
  void apply(storage::Lsn, int64_t, storage::Section& section) override {
    auto prepared = std::static_pointer_cast<Prepared>(section.prepared);
    if (prepared == nullptr) return;
    std::shared_ptr<const StateImpl> next = current()->apply(prepared->deltas);
    std::atomic_store(&state_, next);
  }
  void published(storage::Lsn, storage::Section& section) override {
    auto prepared = std::static_pointer_cast<Prepared>(section.prepared);
    if (prepared == nullptr) return;
    std::vector<ObjectAddress> changed;
    for (const Delta& d : prepared->deltas) {
      if (d.what == Delta::What::kPut) changed.push_back({d.object->kind(), d.object->oid, 0});
      else if (d.what == Delta::What::kDrop || d.what == Delta::What::kStatistics) changed.push_back(d.address);
    }
    std::vector<std::function<void(const StatePtr&, const std::vector<ObjectAddress>&)>> callbacks;
    {
      std::lock_guard lock(callbacks_mutex_);
      callbacks = callbacks_;
    }
    StatePtr s = current();
    for (auto& f : callbacks) f(s, changed);
  }
  // Rows of key space 'c' are replayed by the store itself; load() reads them.
  storage::Lsn recovery_lsn() override { return UINT64_MAX; }
  void replay(const storage::LogRecord&) override {}

  void load() override;
  StatePtr state() const override { return current(); }
  StatePtr state(Oid database) override { return view(current(), database); }
  // One view a database is kept, of the state asked for last: what others cache is found by the pointer.
  StatePtr view(const std::shared_ptr<const StateImpl>& all, Oid database);
  std::shared_ptr<const StateImpl> current() const { return std::atomic_load(&state_); }
  std::unique_ptr<Changes> begin(storage::Transaction& txn, Oid database) override { return std::make_unique<ChangesImpl>(*this, txn, database); }
  Oid allocate_oid() override { return static_cast<Oid>(oids_.next(store_, "oid") + 16384); }
  uint32_t allocate_storage_id() override { return static_cast<uint32_t>(storage_ids_.next(store_, "storage_id") + 1000); }
  void on_change(std::function<void(const StatePtr&, const std::vector<ObjectAddress>&)> f) override {
    std::lock_guard lock(callbacks_mutex_);
    callbacks_.push_back(std::move(f));
  }

 private:
  void bootstrap();

  struct Counter {
    std::mutex mutex;
    uint64_t value = 0, limit = 0;
    uint64_t next(storage::Store& store, const char* name) {
      constexpr uint64_t kBlock = 256;
      std::lock_guard lock(mutex);
      if (value == limit) {
        value = store.reserve_ids(name, kBlock);
        limit = value + kBlock;
      }
      return value++;
    }
  };

  storage::Store& store_;
  std::shared_ptr<const StateImpl> state_;
  Counter oids_, storage_ids_;
  std::mutex views_mutex_;
  std::map<Oid, std::pair<std::shared_ptr<const StateImpl>, StatePtr>> views_;
  std::mutex callbacks_mutex_;
  std::vector<std::function<void(const StatePtr&, const std::vector<ObjectAddress>&)>> callbacks_;
};

StatePtr CatalogImpl::view(const std::shared_ptr<const StateImpl>& all, Oid database) {
  if (database == 0 && !all->many_databases()) return all;
  std::lock_guard lock(views_mutex_);
  auto& [of, view] = views_[database];
  if (of != all) {
    of = all;
    view = database_view(all, database);
  }
  return view;
}

ChangesImpl::ChangesImpl(CatalogImpl& catalog, storage::Transaction& txn, Oid database)
    : catalog_(catalog), txn_(txn), database_(database), base_(catalog.current()) {}

void ChangesImpl::trim() {
  while (!steps_.empty() && steps_.back().token.expired()) steps_.pop_back();
}

StatePtr ChangesImpl::state() {
  trim();
  const auto& all = top();
  if (database_ == 0 && !all->many_databases()) return all;
  if (viewed_ != all) {
    view_ = steps_.empty() ? catalog_.view(all, database_) : database_view(all, database_);
    viewed_ = all;
  }
  return view_;
}

void ChangesImpl::record(Delta d) {
  trim();
  auto token = std::make_shared<char>('\0');
  // The section makes the commit reach apply(); its payload is only for those who read the log.
  std::string payload;
  payload.push_back(static_cast<char>(d.what));
  ObjectAddress a = d.what == Delta::What::kPut ? ObjectAddress{d.object->kind(), d.object->oid, 0} : d.address;
  payload.push_back(static_cast<char>(a.kind));
  put_be32(payload, a.oid);
  txn_.append_section(storage::ParticipantId::kCatalog, payload);
  auto delta = std::make_shared<Delta>(d);
  auto* txn = &txn_;
  txn_.before_commit([token, delta, txn] {
    auto prepared = std::static_pointer_cast<Prepared>(txn->prepared(storage::ParticipantId::kCatalog));
    if (prepared == nullptr) {
      prepared = std::make_shared<Prepared>();
      txn->set_prepared(storage::ParticipantId::kCatalog, prepared);
    }
    prepared->deltas.push_back(*delta);
  });
  auto after = top()->apply(d);
  steps_.push_back({std::move(d), token, std::move(after)});
}

void ChangesImpl::put(std::shared_ptr<const Object> object) {
  trim();
  std::string key = name_key(*object);
  auto existing = top()->get(object->kind(), object->oid);
  if (existing == nullptr || name_key(*existing) != key) {
    // Two transactions that make the same name meet here; the loser sees the winner's object.
    txn_.lock({storage::LockKind::kObject, key}, storage::LockMode::kExclusive, {});
    auto committed = catalog_.current();
    if (committed != base_) refresh();
    auto other = top()->named(key);
    if (other != nullptr && other->oid != object->oid)
      throw Error(object->kind() == ObjectKind::kRelation ? ErrorCode::kDuplicateTable : ErrorCode::kDuplicateObject,
                  (object->kind() == ObjectKind::kRelation ? "relation \"" : "object \"") + object->name + "\" already exists");
  }
  txn_.put(object_row_key(object->kind(), object->oid), encode_object(*object));
  Delta d{Delta::What::kPut};
  d.object = std::move(object);
  record(std::move(d));
}

void ChangesImpl::drop(ObjectKind kind, Oid oid) {
  trim();
  ObjectAddress a{kind, oid, 0};
  for (const Dependency& dep : top()->dependencies_of(a)) txn_.erase(dependency_row_key(dep));
  for (const Dependency& dep : top()->dependents_of(a)) txn_.erase(dependency_row_key(dep));
  txn_.erase(object_row_key(kind, oid));
  if (kind == ObjectKind::kRelation && top()->statistics(oid) != nullptr) txn_.erase(statistics_row_key(oid));
  Delta d{Delta::What::kDrop};
  d.address = a;
  record(std::move(d));
}

void ChangesImpl::add_dependency(const Dependency& dep) {
  trim();
  txn_.put(dependency_row_key(dep), std::string(1, static_cast<char>(dep.kind)));
  Delta d{Delta::What::kAddDependency};
  d.dependency = dep;
  record(std::move(d));
}

void ChangesImpl::drop_dependencies_of(const ObjectAddress& dependent) {
  trim();
  for (const Dependency& dep : top()->dependencies_of(dependent)) txn_.erase(dependency_row_key(dep));
  Delta d{Delta::What::kDropDependenciesOf};
  d.address = dependent;
  record(std::move(d));
}

void ChangesImpl::put_statistics(Oid relation, std::shared_ptr<const RelationStatistics> s) {
  trim();
  txn_.put(statistics_row_key(relation), encode_statistics(*s));
  Delta d{Delta::What::kStatistics};
  d.address = {ObjectKind::kRelation, relation, 0};
  d.statistics = std::move(s);
  record(std::move(d));
}

void ChangesImpl::refresh() {
  trim();
  auto committed = catalog_.current();
  if (committed == base_) return;
  base_ = std::move(committed);
  auto s = base_;
  for (Step& step : steps_) {
    s = s->apply(step.delta);
    step.after = s;
  }
}

void CatalogImpl::bootstrap() {
  auto txn = store_.begin({});
  auto changes = begin(*txn, 0);
  auto schema = [&](Oid oid, const char* name, std::vector<AclItem> acl) {
    auto s = std::make_shared<Schema>();
    s->oid = oid;
    s->name = name;
    if (!acl.empty()) s->acl = std::move(acl);
    changes->put(s);
  };
  std::vector<AclItem> usage{{kBootstrapRole, kBootstrapRole, kUsage | kCreate, 0}, {0, kBootstrapRole, kUsage, 0}};
  schema(kPgCatalog, "pg_catalog", usage);
  schema(kPgToast, "pg_toast", {});
  schema(kPublic, "public", usage);
  schema(kInformationSchema, "information_schema", usage);
  schema(kRedisSchema, "redis", usage);
  auto role = std::make_shared<Role>();
  role->oid = kBootstrapRole;
  role->name = "postgres";
  role->superuser = role->create_role = role->create_db = role->login = role->replication = role->bypass_rls = true;
  changes->put(role);
  auto database = [&](Oid oid, const char* name, bool is_template, bool allow) {
    auto d = std::make_shared<Database>();
    d->oid = oid;
    d->name = name;
    d->is_template = is_template;
    d->allow_connections = allow;
    changes->put(d);
  };
  database(1, "template1", true, true);
  database(4, "template0", true, false);
  database(5, "postgres", false, true);
  database(6, "stele", false, true);
  auto predefined = [&](Oid oid, const char* name) {
    auto r = std::make_shared<Role>();
    r->oid = oid;
    r->name = name;
    changes->put(r);
  };
  predefined(3373, "pg_monitor");
  predefined(3374, "pg_read_all_settings");
  predefined(3375, "pg_read_all_stats");
  predefined(3377, "pg_stat_scan_tables");
  predefined(4200, "pg_signal_backend");
  predefined(4544, "pg_checkpoint");
  predefined(4569, "pg_read_server_files");
  predefined(4570, "pg_write_server_files");
  predefined(4571, "pg_execute_server_program");
  predefined(6171, "pg_database_owner");
  predefined(6181, "pg_read_all_data");
  predefined(6182, "pg_write_all_data");
  auto extension = std::make_shared<Extension>();
  extension->oid = 13569;
  extension->name = "plpgsql";
  extension->schema = kPgCatalog;
  extension->version = "1.0";
  changes->put(extension);
  storage::Lsn lsn = txn->commit();
  store_.wait_durable(lsn);
}

void CatalogImpl::load() {
  std::vector<Delta> deltas;
  {
    auto txn = store_.begin({});
    std::string lower(1, storage::keyspace_byte::kCatalog), upper(1, storage::keyspace_byte::kCatalog + 1);
    for (auto cursor = txn->scan(lower, upper, {}); cursor->valid(); cursor->next()) {
      std::string_view key = cursor->key();
      Reader in(key.substr(2));
      if (key[1] == kDependencyRecord) {
        auto address = [&] {
          ObjectAddress a{static_cast<ObjectKind>(in.le<char>())};
          a.oid = in.be32();
          a.sub = static_cast<int32_t>(in.be32());
          return a;
        };
        Delta d{Delta::What::kAddDependency};
        d.dependency.dependent = address();
        d.dependency.referenced = address();
        d.dependency.kind = static_cast<DependencyKind>(cursor->value().at(0));
        deltas.push_back(std::move(d));
      } else if (key[1] == kStatisticsRecord) {
        Delta d{Delta::What::kStatistics};
        d.address = {ObjectKind::kRelation, in.be32(), 0};
        d.statistics = decode_statistics(cursor->value());
        deltas.push_back(std::move(d));
      } else {
        Delta d{Delta::What::kPut};
        d.object = decode_object(static_cast<ObjectKind>(key[1]), cursor->value());
        deltas.push_back(std::move(d));
      }
    }
  }
  if (deltas.empty()) {
    bootstrap();
    return;
  }
  std::atomic_store(&state_, StateImpl().apply(deltas));
  // Temporary objects die with their session; a crash may have left some.
  std::vector<ObjectAddress> leftovers;
  auto s = current();
  s->for_each(ObjectKind::kSchema, [&](const Ptr<Object>& o) {
    if (o->name.starts_with("pg_temp_")) leftovers.push_back({ObjectKind::kSchema, o->oid, 0});
  });
  if (leftovers.empty()) return;
  auto in_temp = [&](const Ptr<Object>& o) {
    for (const ObjectAddress& a : leftovers)
      if (a.kind == ObjectKind::kSchema && a.oid == o->schema_oid()) return true;
    return false;
  };
  size_t schemas = leftovers.size();
  for (ObjectKind kind : {ObjectKind::kRelation, ObjectKind::kType, ObjectKind::kFunction, ObjectKind::kOperator})
    s->for_each(kind, [&](const Ptr<Object>& o) {
      if (in_temp(o)) leftovers.push_back({kind, o->oid, 0});
    });
  auto txn = store_.begin({});
  auto changes = begin(*txn, 0);
  for (size_t i = schemas; i < leftovers.size(); ++i) changes->drop(leftovers[i].kind, leftovers[i].oid);
  for (size_t i = 0; i < schemas; ++i) changes->drop(leftovers[i].kind, leftovers[i].oid);
  txn->commit();
}

}  // namespace

std::unique_ptr<Catalog> Catalog::create(storage::Store& store) { return std::make_unique<CatalogImpl>(store); }

}  // namespace stele::catalog

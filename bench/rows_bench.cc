// Rows with a primary key (pgbench_accounts' shape): ordinary inserts, one large transaction, bulk loads, point
// reads and updates.
//   rows_bench [directory]
#include <filesystem>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "rows/build.h"
#include "rows/table_access.h"
#include "types/oids.h"

using namespace stele;

namespace {

class OneTable final : public catalog::State {
 public:
  std::map<Oid, catalog::Ptr<catalog::Relation>> relations;
  uint64_t version() const override { return 1; }
  catalog::Ptr<catalog::Object> get(catalog::ObjectKind kind, Oid oid) const override {
    auto it = relations.find(oid);
    return kind == catalog::ObjectKind::kRelation && it != relations.end() ? it->second : nullptr;
  }
  catalog::Ptr<catalog::Object> find(catalog::ObjectKind, Oid, std::string_view) const override { return nullptr; }
  void for_each(catalog::ObjectKind, const std::function<void(const catalog::Ptr<catalog::Object>&)>&) const override {}
  std::vector<catalog::Ptr<catalog::Function>> functions_named(std::string_view) const override { return {}; }
  std::vector<catalog::Ptr<catalog::Operator>> operators_named(std::string_view) const override { return {}; }
  std::vector<catalog::Dependency> dependents_of(const catalog::ObjectAddress&) const override { return {}; }
  std::vector<catalog::Dependency> dependencies_of(const catalog::ObjectAddress&) const override { return {}; }
  std::shared_ptr<const catalog::RelationStatistics> statistics(Oid) const override { return nullptr; }

  std::shared_ptr<const rows::Table> accounts(uint32_t storage_id) {
    auto r = std::make_shared<catalog::Relation>();
    r->oid = 20000 + storage_id * 10;
    r->name = "accounts";
    r->storage_id = storage_id;
    for (Oid t : {oid::kInt4, oid::kInt4, oid::kInt4, oid::kBpchar}) {
      catalog::Column c;
      c.number = static_cast<int16_t>(r->columns.size() + 1);
      c.type = t;
      r->columns.push_back(c);
    }
    auto x = std::make_shared<catalog::Relation>();
    x->oid = r->oid + 1;
    x->name = "accounts_pkey";
    x->storage_id = storage_id + 1000;
    x->index.emplace();
    x->index->keys.push_back({1, {}, oid::kInt4});
    x->index->unique = true;
    r->indexes.push_back(x->oid);
    relations[x->oid] = x;
    relations[r->oid] = r;
    return rows::Table::make(r, *this);
  }
};

struct Timer {
  explicit Timer(const char* name) : name(name), start(system_clock().monotonic_us()) {}
  void done(uint64_t n) const {
    double us = static_cast<double>(system_clock().monotonic_us() - start);
    fmt::print("{:44} {:12.0f}/s {:8.2f} us each\n", name, static_cast<double>(n) * 1e6 / us, us / static_cast<double>(n));
  }
  const char* name;
  int64_t start;
};

}  // namespace

int main(int argc, char** argv) {
  std::string directory = argc > 1 ? argv[1] : (std::filesystem::temp_directory_path() / "stele_rows_bench").string();
  uint64_t n = argc > 2 ? std::stoull(argv[2]) : 1000000;
  std::filesystem::remove_all(directory);
  storage::StoreOptions o;
  o.directory = directory;
  auto store = storage::Store::open(o);
  store->recover();
  OneTable state;
  Arena arena;
  NullableDatum filler{make_bytes(arena, std::string(84, ' ')), false};
  auto row = [&](uint64_t i) {
    return std::array<NullableDatum, 4>{NullableDatum{Datum::from_int(static_cast<int64_t>(i)), false},
                                        NullableDatum{Datum::from_int(1), false},
                                        NullableDatum{Datum::from_int(0), false}, filler};
  };
  {
    auto t = state.accounts(1);
    Timer timer("insert, a transaction each");
    for (uint64_t i = 0; i < n / 10; ++i) {
      auto txn = store->begin({});
      rows::TableAccess(t, *txn).insert(row(i));
      txn->commit();
    }
    timer.done(n / 10);
    Random random(1);
    Timer update("find by key, lock, update, commit");
    for (uint64_t i = 0; i < n / 10; ++i) {
      auto txn = store->begin({});
      rows::TableAccess access(t, *txn);
      storage::ReadView view{txn->statement_snapshot(), txn->current_command()};
      NullableDatum key{Datum::from_int(static_cast<int64_t>(random.below(n / 10))), false};
      uint64_t id = *access.find_unique(t->indexes()[0], {&key, 1}, view);
      access.lock_row(id, storage::LockMode::kForNoKeyUpdate, {});
      std::string bytes;
      access.fetch(id, {}, &bytes);
      NullableDatum old_row[4], new_row[4];
      Arena a;
      t->format().decode_all(bytes, old_row, a);
      std::copy(old_row, old_row + 4, new_row);
      new_row[2].value = Datum::from_int(new_row[2].value.as_int() + 1);
      access.update(id, old_row, new_row);
      txn->commit();
    }
    update.done(n / 10);
    Timer read("find by key, read");
    for (uint64_t i = 0; i < n; ++i) {
      auto txn = store->begin({});
      rows::TableAccess access(t, *txn);
      storage::ReadView view{txn->statement_snapshot(), txn->current_command()};
      NullableDatum key{Datum::from_int(static_cast<int64_t>(random.below(n / 10))), false};
      uint64_t id = *access.find_unique(t->indexes()[0], {&key, 1}, view);
      std::string bytes;
      access.fetch(id, view, &bytes);
    }
    read.done(n);
  }
  {
    auto t = state.accounts(2);
    Timer timer("insert, one transaction");
    auto txn = store->begin({});
    rows::TableAccess access(t, *txn);
    for (uint64_t i = 0; i < n; ++i) access.insert(row(i));
    timer.done(n);
    Timer commit("its commit");
    store->wait_durable(txn->commit());
    commit.done(n);
  }
  {
    auto t = state.accounts(3);
    Timer timer("bulk load with its primary key");
    auto txn = store->begin({});
    rows::TableAccess access(t, *txn);
    auto loader = rows::make_bulk_loader(access, *txn);
    for (uint64_t i = 0; i < n; ++i) loader->add(row(i));
    loader->finish();
    store->wait_durable(txn->commit());
    timer.done(n);
    Timer scan("scan and decode two columns");
    auto reader = store->begin({});
    rows::TableAccess r(t, *reader);
    Arena a;
    int64_t sum = 0;
    for (auto c = r.scan({reader->statement_snapshot()}); c.valid(); c.next()) {
      sum += t->format().decode(c.bytes(), 0, a).value.as_int() + t->format().decode(c.bytes(), 2, a).value.as_int();
    }
    scan.done(n + (sum == 42));
  }
  store.reset();
  std::filesystem::remove_all(directory);
}

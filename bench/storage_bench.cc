// Storage alone: commit rates with and without waiting for durability, hot and cold reads, scans.
//   storage_bench [directory]
#include <filesystem>

#include "base/clock.h"
#include "base/codec.h"
#include "storage/store.h"

using namespace stele;
using namespace stele::storage;

namespace {

std::string key(uint64_t id) {
  std::string k("r\0\0\0\1", 5);
  put_be64(k, id);
  return k;
}

constexpr uint64_t kRows = 200000;

template <typename F>
double run(int threads, double seconds, F body) {
  std::atomic<uint64_t> done{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> pool;
  int64_t start = system_clock().monotonic_us();
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      Random random(static_cast<uint64_t>(t) + 1);
      uint64_t n = 0;
      while (!stop.load(std::memory_order_relaxed)) n += body(random);
      done += n;
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (auto& p : pool) p.join();
  return static_cast<double>(done) * 1e6 / static_cast<double>(system_clock().monotonic_us() - start);
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory = argc > 1 ? argv[1] : (std::filesystem::temp_directory_path() / "stele_storage_bench").string();
  std::string only = argc > 2 ? argv[2] : "";
  std::filesystem::remove_all(directory);
  StoreOptions o;
  o.directory = directory;
  auto store = Store::open(o);
  store->recover();
  std::string value(100, 'v');
  {
    int64_t start = system_clock().monotonic_us();
    for (uint64_t i = 0; i < kRows;) {
      auto t = store->begin({});
      for (int n = 0; n < 1000; ++n) t->put(key(i++), value);
      t->commit();
    }
    double s = static_cast<double>(system_clock().monotonic_us() - start) / 1e6;
    fmt::print("load in transactions of 1000: {:.0f} rows/s\n", static_cast<double>(kRows) / s);
  }
  auto report = [&](const char* name, int threads, double rate, const char* unit) {
    fmt::print("{:34} {:2} threads  {:12.0f} {}/s  {:8.2f} us each\n", name, threads, rate, unit, 1e6 / rate * std::min(threads, 2));
  };
  auto wanted = [&](const char* name) { return only.empty() || only == name; };

  if (wanted("commit")) {
    for (int threads : {1, 16}) {
      for (bool sync : {false, true}) {
        double r = run(threads, 2, [&](Random& random) {
          auto t = store->begin({});
          std::string k = key(random.below(kRows)), v;
          t->lock_row(k, LockMode::kForNoKeyUpdate, {});
          t->get(k, {}, &v);
          t->put(k, v);
          Lsn lsn = t->commit();
          if (sync) store->wait_durable(lsn);
          return 1u;
        });
        report(sync ? "update one row, durable" : "update one row, not waiting", threads, r, "commits");
      }
    }
  }
  if (wanted("sections")) {
    double r = run(1, 1, [&](Random&) {
      Section s{ParticipantId::kKeyspace, std::string(60, 'x'), nullptr};
      store->commit_sections({&s, 1});
      return 1u;
    });
    report("commit of one section", 1, r, "commits");
  }
  if (wanted("get")) {
    std::vector<std::string> keys;
    for (uint64_t i = 0; i < kRows; ++i) keys.push_back(key(i));
    for (int threads : {1, 2}) {
      double r = run(threads, 1, [&](Random& random) {
        auto t = store->begin({});
        std::string v;
        for (int i = 0; i < 100; ++i) t->get(keys[random.below(1000)], {}, &v);
        return 100u;
      });
      report("hot get, latest", threads, r, "gets");
    }
    double r = run(1, 1, [&](Random& random) {
      auto t = store->begin({});
      ReadView rv{t->statement_snapshot()};
      std::string v;
      t->get(keys[random.below(1000)], rv, &v);
      return 1u;
    });
    report("begin, snapshot, hot get", 1, r, "gets");
    r = run(1, 1, [&](Random& random) {
      auto t = store->begin({});
      ReadView rv{t->statement_snapshot()};
      size_t n = 0;
      for (auto c = t->scan(keys[random.below(kRows)], keys[kRows - 1], rv); c->valid() && n < 1; c->next()) ++n;
      return 1u;
    });
    report("range of one row", 1, r, "scans");
  }
  if (wanted("scan")) {
    for (bool flushed : {false, true}) {
      if (flushed) store->checkpoint();
      double r = run(1, 1, [&](Random&) {
        auto t = store->begin({});
        uint64_t n = 0;
        for (auto c = t->scan("r", "s", {t->statement_snapshot()}); c->valid(); c->next()) n += !c->value().empty();
        return n;
      });
      report(flushed ? "scan of flushed rows" : "scan of rows", 1, r, "rows");
    }
  }
  fmt::print("log: {} bytes, {} syncs, longest {} us\n", store->log().bytes_appended(), store->log().sync_count(),
             store->log().longest_sync_us());
  store.reset();
  std::filesystem::remove_all(directory);
}

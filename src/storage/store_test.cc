#include "storage/store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "base/codec.h"
#include "base/error.h"
#include "base/faulty_files.h"

namespace stele::storage {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "stele_store_" + std::to_string(secure_random());
    reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  StoreOptions options() {
    StoreOptions o;
    o.directory = directory_;
    o.files = files_;
    o.cache_bytes = 8 << 20;
    o.hot_bytes = hot_bytes_;
    o.write_buffer_bytes = 1 << 20;
    o.on_log_failure = [](const std::string&) {};
    o.checkpoint_on_close = false;
    o.large_commit_bytes = large_commit_bytes_;
    o.txn_memory_bytes = txn_memory_bytes_;
    return o;
  }
  void reopen() {
    store_.reset();
    store_ = Store::open(options());
    store_->recover();
  }
  std::unique_ptr<Transaction> begin(Isolation i = Isolation::kReadCommitted) { return store_->begin({i}); }
  std::optional<std::string> get(Transaction& t, std::string_view key, ReadView rv = {}) {
    std::string v;
    if (!t.get(key, rv, &v)) return std::nullopt;
    return v;
  }
  Lsn put(std::string_view key, std::string_view value) {
    auto t = begin();
    t->put(key, value);
    return t->commit();
  }
  std::map<std::string, std::string> all(Transaction& t, ReadView rv = {}, bool reverse = false) {
    std::map<std::string, std::string> out;
    std::string last;
    for (auto c = t.scan("r", "s", rv, reverse); c->valid(); c->next()) {
      EXPECT_TRUE(last.empty() || (reverse ? c->key() < last : c->key() > last));
      last = c->key();
      out.emplace(c->key(), c->value());
    }
    return out;
  }

  std::string directory_;
  uint64_t hot_bytes_ = 1 << 20;
  uint64_t large_commit_bytes_ = 64 << 20, txn_memory_bytes_ = 64 << 20;
  Files* files_ = nullptr;
  std::unique_ptr<Store> store_;
};

using Model = std::map<std::string, std::string>;

// Random transactions against std::map, with snapshots, commands, savepoints, range erases and restarts. Once
// more with nearly every commit large and every write set spilled.
class StoreModelTest : public StoreTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      large_commit_bytes_ = 1500;
      txn_memory_bytes_ = 1024;
    }
    StoreTest::SetUp();
  }
};
INSTANTIATE_TEST_SUITE_P(Sizes, StoreModelTest, ::testing::Bool());

TEST_P(StoreModelTest, AgreesWithAModel) {
  uint64_t seed = secure_random() % 100000;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  Model committed;
  std::vector<std::pair<SnapshotPtr, Model>> snapshots;
  auto key = [&] { return fmt::format("r{:03}", random.below(200)); };

  for (int round = 0; round < 400; ++round) {
    auto t = begin(random.below(2) ? Isolation::kReadCommitted : Isolation::kRepeatableRead);
    ReadView base{t->statement_snapshot()};
    Model now = committed;        // with every own write
    Model statement = committed;  // with own writes of earlier commands
    std::vector<Model> savepoints;
    for (int op = static_cast<int>(random.below(40)); op > 0; --op) {
      ReadView rv{base.snapshot, t->current_command()};
      switch (random.below(12)) {
        case 0: case 1: case 2: case 3: {
          std::string k = key(), v(random.below(60), static_cast<char>('a' + random.below(26)));
          t->put(k, v);
          now[k] = v;
          break;
        }
        case 4: case 5: {
          std::string k = key();
          t->erase(k);
          now.erase(k);
          break;
        }
        case 6:
          t->next_command();
          statement = now;
          break;
        case 7: {
          std::string k = key();
          auto it = statement.find(k);
          ASSERT_EQ(get(*t, k, rv), it == statement.end() ? std::nullopt : std::optional(it->second));
          it = now.find(k);
          ASSERT_EQ(get(*t, k, {base.snapshot}), it == now.end() ? std::nullopt : std::optional(it->second));
          break;
        }
        case 8: {
          ASSERT_EQ(all(*t, rv, random.below(2)), statement);
          std::string k = key();
          auto c = t->scan("r", "s", {base.snapshot});
          t->put("r000x", "unseen");  // the cursor is older
          t->erase("r000x");
          now.erase("r000x");
          c->seek(k);
          auto it = now.lower_bound(k);
          ASSERT_EQ(c->valid(), it != now.end());
          if (c->valid()) {
            ASSERT_EQ(c->key(), it->first);
          }
          auto r = t->scan("r", "s", {base.snapshot}, true);
          r->seek(k);
          it = now.upper_bound(k);
          ASSERT_EQ(r->valid(), it != now.begin());
          if (r->valid()) {
            ASSERT_EQ(r->key(), std::prev(it)->first);
          }
          break;
        }
        case 9:
          t->savepoint();
          savepoints.push_back(now);
          break;
        case 10:
          if (!savepoints.empty()) {
            size_t at = random.below(savepoints.size());
            savepoints.resize(at + 1);
            t->rollback_to(at);
            now = savepoints[at];
            t->next_command();
            statement = now;
          }
          break;
        case 11:
          if (random.below(4) == 0) {
            std::string a = key(), b = key();
            t->erase_range(a, b);
            if (a < b) now.erase(now.lower_bound(a), now.lower_bound(b));
          }
          break;
      }
    }
    if (random.below(4) == 0) {
      t->abort();
    } else {
      Lsn before = store_->published_lsn();
      bool wrote = t->has_writes();
      Lsn lsn = t->commit();
      // A large commit may have to reserve an id first.
      if (GetParam()) {
        EXPECT_EQ(lsn != 0, wrote);
      } else {
        EXPECT_EQ(lsn, wrote ? before + 1 : 0);
      }
      committed = now;
    }
    t.reset();
    base.snapshot.reset();
    if (random.below(4) == 0) snapshots.emplace_back(store_->snapshot(), committed);
    if (random.below(6) == 0 && !snapshots.empty()) {
      snapshots.erase(snapshots.begin() + static_cast<ptrdiff_t>(random.below(snapshots.size())));
    }
    auto reader = begin();
    ASSERT_EQ(all(*reader), committed);
    for (auto& [snapshot, model] : snapshots) {
      std::string k = key();
      auto it = model.find(k);
      ASSERT_EQ(get(*reader, k, {snapshot}), it == model.end() ? std::nullopt : std::optional(it->second));
      if (random.below(10) == 0) {
        ASSERT_EQ(all(*reader, {snapshot}), model);
      }
    }
    if (!snapshots.empty()) {
      EXPECT_LE(store_->horizon(), snapshots.front().first->lsn());
    }
    reader.reset();
    if (random.below(50) == 0) store_->checkpoint();
    if (random.below(60) == 0) {
      snapshots.clear();
      reopen();
      ASSERT_EQ(all(*begin()), committed);
    }
  }
}

TEST_F(StoreTest, SnapshotsSeeWholeCommitsWhileOthersWrite) {
  for (int i = 0; i < 10; ++i) put(fmt::format("r{}", i), "0");
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      while (!stop) {
        auto t = store_->begin({});
        ReadView rv{t->statement_snapshot()};
        std::set<std::string> seen;
        if (r == 0) {
          for (auto c = t->scan("r", "s", rv); c->valid(); c->next()) seen.emplace(c->value());
        } else {
          for (int i = 0; i < 10; ++i) seen.insert(*get(*t, fmt::format("r{}", i), rv));
        }
        ASSERT_EQ(seen.size(), 1u);
      }
    });
  }
  for (int v = 1; v < 1500; ++v) {
    auto t = begin();
    for (int i = 0; i < 10; ++i) t->put(fmt::format("r{}", i), std::to_string(v));
    t->commit();
  }
  stop = true;
  for (auto& t : readers) t.join();
}

TEST_F(StoreTest, TemporaryKeysAreVisibleAndDieWithTheServer) {
  auto t = begin();
  auto before = store_->snapshot();
  t->put("t1", "temp");
  EXPECT_EQ(t->commit(), 0u);
  EXPECT_EQ(get(*begin(), "t1", {store_->snapshot()}), "temp");
  EXPECT_EQ(get(*begin(), "t1"), "temp");
  before.reset();
  reopen();
  EXPECT_EQ(get(*begin(), "t1"), std::nullopt);
}

TEST_F(StoreTest, IdsSurviveRestarts) {
  uint64_t last = store_->reserve_ids("oid", 10);
  for (int i = 0; i < 5; ++i) {
    uint64_t next = store_->reserve_ids("oid", 1000);
    EXPECT_GE(next, last + 10);
    last = next + 990;
    if (i % 2 == 0) reopen();
  }
  EXPECT_EQ(store_->reserve_ids("other", 1), 1u);
}

TEST_F(StoreTest, BulkFilesJoinTheirTransaction) {
  auto load = [&](Transaction& t, std::string_view prefix) {
    auto w = t.bulk_writer();
    for (int i = 0; i < 1000; ++i) w->add(fmt::format("{}{:04}", prefix, i), fmt::format("{:<200}", i));   // enough for a file
    w->finish();
  };
  auto snapshot = store_->snapshot();
  auto t = begin(Isolation::kRepeatableRead);
  ReadView rv{t->statement_snapshot()};
  load(*t, "rA");
  EXPECT_EQ(all(*t, rv).size(), 1000u);  // its own, whatever its snapshot
  EXPECT_EQ(get(*t, "rA0007", rv), fmt::format("{:<200}", 7));
  EXPECT_GT(t->commit(), 0u);
  auto aborted = begin();
  load(*aborted, "rB");
  aborted->abort();
  auto partly = begin();
  load(*partly, "rC");
  partly->savepoint();
  load(*partly, "rD");
  partly->rollback_to(0);
  partly->put("rC0000", "changed");
  partly->commit();
  put("rA0001", "updated");
  t.reset();
  rv = {};
  snapshot.reset();
  auto check = [&] {
    auto now = all(*begin());
    EXPECT_EQ(now.size(), 2000u);
    EXPECT_EQ(now["rA0001"], "updated");
    EXPECT_EQ(now["rC0000"], "changed");
  };
  check();
  reopen();  // replay ingests again
  check();
  store_->checkpoint();
  EXPECT_TRUE(std::filesystem::is_empty(directory_ + "/bulk"));
  reopen();
  check();
}

TEST_F(StoreTest, BackupsAreWholeWhileWritesGoOn) {
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int v = 1; !stop; ++v) {
      auto t = store_->begin({});
      for (int i = 0; i < 5; ++i) t->put(fmt::format("r{}", i), std::to_string(v));
      t->commit();
    }
  });
  put("rx", "before");
  for (int i = 0; i < 3; ++i) {
    StoreOptions o = options();
    Lsn before = store_->published_lsn();
    o.directory = directory_ + "/backup" + std::to_string(i);
    store_->backup(o.directory);
    EXPECT_THROW(store_->backup(o.directory), Error);
    auto copy = Store::open(o);
    copy->recover();
    EXPECT_GE(copy->published_lsn(), before);
    auto t = copy->begin({});
    auto rows = all(*t);
    EXPECT_EQ(rows["rx"], "before");
    rows.erase("rx");
    for (auto& [k, v] : rows) EXPECT_EQ(v, rows["r0"]);
  }
  stop = true;
  writer.join();
}

TEST_F(StoreTest, OneProcessADirectory) {
  EXPECT_THROW(Store::open(options()), Error);
  put("r1", "still here");
  reopen();
  EXPECT_EQ(get(*begin(), "r1"), "still here");
}

TEST_F(StoreTest, RepeatableReadFirstUpdaterWins) {
  put("r1", "a");
  put("r2", "a");
  auto t = begin(Isolation::kRepeatableRead);
  t->statement_snapshot();
  put("r1", "b");
  auto d = begin();
  d->erase("r2");
  d->commit();
  auto message = [&](const char* key) {
    try {
      t->lock_row(key, LockMode::kForUpdate, {});
    } catch (const Error& e) {
      EXPECT_EQ(e.sqlstate(), "40001");
      return e.message();
    }
    return std::string();
  };
  EXPECT_EQ(message("r1"), "could not serialize access due to concurrent update");
  EXPECT_EQ(message("r2"), "could not serialize access due to concurrent delete");
}

TEST_F(StoreTest, LocksAreHeldUntilPublished) {
  put("r1", "0");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 100; ++n) {
        auto t = store_->begin({});
        t->lock_row("r1", LockMode::kForUpdate, {});
        int v = std::stoi(*get(*t, "r1"));
        t->put("r1", std::to_string(v + 1));
        t->commit();
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(get(*begin(), "r1"), "400");
}

TEST_F(StoreTest, HooksRunInOrderAndFollowSavepoints) {
  std::string trace;
  auto t = begin();
  t->before_commit([&] { trace += "b"; t->put("r9", "hook"); });
  t->on_published([&](Lsn lsn) { trace += "p"; EXPECT_EQ(store_->published_lsn(), lsn); });
  t->on_abort([&] { trace += "x"; });
  size_t s = t->savepoint();
  t->before_commit([&] { trace += "B"; });
  t->on_abort([&] { trace += "X"; });
  t->rollback_to(s);
  EXPECT_EQ(trace, "X");
  t->commit();
  EXPECT_EQ(trace, "Xbp");
  EXPECT_EQ(get(*begin(), "r9"), "hook");
  auto f = begin();
  f->put("r9", "lost");
  f->before_commit([] { throw Error(ErrorCode::kCheckViolation, "no"); });
  f->on_abort([&] { trace += "a"; });
  EXPECT_THROW(f->commit(), Error);
  EXPECT_EQ(trace, "Xbpa");
  EXPECT_EQ(get(*begin(), "r9"), "hook");
}

// A participant that keeps the concatenation of what it was given.
class Recorder final : public Participant {
 public:
  ParticipantId id() const override { return ParticipantId::kStreams; }
  void apply(Lsn lsn, int64_t, Section& s) override {
    EXPECT_GT(lsn, last);
    last = lsn;
    text += s.payload;
  }
  void published(Lsn lsn, Section&) override { EXPECT_EQ(lsn, last); }
  Lsn recovery_lsn() override { return start; }
  void replay(const LogRecord& r) override {
    r.for_each_section([&](ParticipantId p, std::string_view payload) {
      if (p == id()) text += payload;
    });
  }
  Lsn start = 0, last = 0;
  std::string text;
};

TEST_F(StoreTest, ParticipantsApplyInOrderAndReplay) {
  auto open = [&](Recorder& r) {
    store_.reset();
    store_ = Store::open(options());
    store_->add_participant(&r);
    store_->recover();
  };
  Recorder first;
  open(first);
  auto t = begin();
  t->put("r1", "x");
  t->append_section(ParticipantId::kStreams, "one,");
  size_t s = t->savepoint();
  t->append_section(ParticipantId::kStreams, "gone,");
  t->rollback_to(s);
  t->append_section(ParticipantId::kStreams, "two,");
  Lsn lsn = t->commit();
  Section section{ParticipantId::kStreams, "three,", nullptr};
  EXPECT_EQ(store_->commit_sections({&section, 1}), lsn + 1);
  store_->checkpoint();  // the participant still needs the log
  EXPECT_EQ(first.text, "one,two,three,");
  Recorder second;
  open(second);
  EXPECT_EQ(second.text, "one,two,three,");
  EXPECT_EQ(get(*begin(), "r1"), "x");
  Recorder third;
  third.start = lsn;
  open(third);
  EXPECT_EQ(third.text, "three,");
  store_->shutdown();  // the participant goes first
}

TEST_F(StoreTest, DerivedStateNeverOutrunsTheLog) {
  store_.reset();
  store_ = Store::open(options());
  DerivedStore* d = &store_->derived("keys");
  store_->recover();
  Lsn lsn = put("r1", "x");
  DerivedStore::Op ops[] = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  d->write(ops, lsn);
  EXPECT_EQ(d->applied(), lsn);
  EXPECT_EQ(d->durable_applied(), 0u);
  d->erase_range("b", "c");
  d->flush();
  EXPECT_EQ(d->durable_applied(), lsn);
  EXPECT_GE(store_->log().durable_lsn(), lsn);
  DerivedStore::Op more[] = {{"a", "", true}};
  d->write(more, lsn);
  reopen();  // without a flush
  std::string seen;
  for (auto c = store_->derived("keys").scan("", ""); c->valid(); c->next()) seen += fmt::format("{}={} ", c->key(), c->value());
  EXPECT_EQ(seen, "a=1 c=3 ");
}

// A participant that says it has applied what only memory holds must find the log again after a crash.
class Keeper final : public Participant {
 public:
  explicit Keeper(DerivedStore& d) : d(d) {}
  ParticipantId id() const override { return ParticipantId::kKeyspace; }
  void apply(Lsn, int64_t, Section&) override {}
  Lsn recovery_lsn() override { return d.applied(); }
  void replay(const LogRecord& r) override {
    r.for_each_section([&](ParticipantId p, std::string_view) { replayed += p == id(); });
  }
  DerivedStore& d;
  int replayed = 0;
};

TEST_F(StoreTest, TheLogWaitsForUnflushedDerivedState) {
  auto open = [&] {
    store_.reset();
    StoreOptions o = options();
    o.log_segment_bytes = 4096;
    store_ = Store::open(o);
    auto keeper = std::make_unique<Keeper>(store_->derived("keys"));
    store_->add_participant(keeper.get());
    store_->recover();
    return keeper;
  };
  auto commit = [&](int n) {
    Lsn lsn = 0;
    for (int i = 0; i < n; ++i) {
      Section s{ParticipantId::kKeyspace, std::string(100, 'x'), nullptr};
      lsn = store_->commit_sections({&s, 1});
    }
    return lsn;
  };
  auto keeper = open();
  Lsn flushed = commit(100);
  keeper->d.write({}, flushed);
  store_->checkpoint();
  EXPECT_GT(store_->log().first_lsn(), 1u);
  commit(100);
  store_->checkpoint();  // rows are ahead of the keeper now
  keeper->d.write({}, store_->published_lsn());
  commit(10);
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));  // the background thread looks
  EXPECT_LE(store_->log().first_lsn(), flushed + 1);
  keeper = open();
  EXPECT_EQ(keeper->replayed, 110);
  // Idle, it does not hold the log.
  keeper->d.write({}, store_->published_lsn());
  for (int i = 0; i < 200; ++i) put(fmt::format("r{}", i), std::string(100, 'y'));
  store_->checkpoint();
  EXPECT_GT(store_->log().first_lsn(), flushed + 110);
  store_.reset();
}

// Power is lost at random moments: what was waited for is there, and each transaction wholly or not at all.
TEST_F(StoreTest, PowerLossKeepsAcknowledgedTransactions) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    TearDown();
    FaultyFiles files(seed);
    files_ = &files;
    Random random(seed);
    uint64_t acknowledged = 0, attempted = 0;
    for (int round = 0; round < 4; ++round) {
      reopen();
      auto now = all(*begin());
      uint64_t seen = now.empty() ? 0 : std::stoull(now["r0"]);
      ASSERT_GE(seen, acknowledged);
      ASSERT_LE(seen, attempted);
      for (auto& [k, v] : now) ASSERT_EQ(std::stoull(v), seen) << k;
      attempted = seen;
      files.fail_after(random.below(60));
      try {
        for (int i = 0; i < 100; ++i) {
          ++attempted;
          auto t = begin();
          for (int k = 0; k < 5; ++k) t->put(fmt::format("r{}", k), std::to_string(attempted));
          Lsn lsn = t->commit();
          if (random.below(3) == 0) {
            store_->wait_durable(lsn);
            acknowledged = attempted;
          }
        }
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kIoError);
      }
      files.fail_after(0);
      store_.reset();
      files.power_loss();
    }
    files_ = nullptr;
  }
}

}  // namespace
}  // namespace stele::storage

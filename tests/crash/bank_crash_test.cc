// Eight writers move money between accounts while the process is killed, or the power goes, at random
// moments: every acknowledged transfer is there, none is there by half, and the sum never changes.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/codec.h"
#include "base/error.h"
#include "base/faulty_files.h"
#include "storage/store.h"

namespace stele::storage {
namespace {

constexpr int kAccounts = 50, kWriters = 8;
constexpr int64_t kInitial = 1000;

std::string account(uint64_t n) {
  std::string k("ra", 2);
  put_be32(k, static_cast<uint32_t>(n));
  return k;
}
std::string transfer(uint64_t id) {
  std::string k("rt", 2);
  put_be64(k, id);
  return k;
}
std::string number(int64_t v) {
  std::string s;
  put_le(s, v);
  return s;
}

class BankTest : public ::testing::Test {
 protected:
  void SetUp() override { directory_ = testing::TempDir() + "stele_bank_" + std::to_string(secure_random()); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Store> open(Files* files) {
    StoreOptions o;
    o.directory = directory_;
    o.files = files;
    o.checkpoint_on_close = false;
    o.checkpoint_log_bytes = 256 << 10;  // checkpoints happen during the run
    o.log_segment_bytes = 128 << 10;
    o.write_buffer_bytes = 256 << 10;
    o.hot_bytes = 1 << 20;
    if (files != nullptr) o.on_log_failure = [](const std::string&) {};
    auto store = Store::open(o);
    store->recover();
    auto t = store->begin({});
    if (!t->get(account(0), {}, nullptr)) {
      for (int i = 0; i < kAccounts; ++i) t->put(account(static_cast<uint64_t>(i)), number(kInitial));
      store->wait_durable(t->commit());
    }
    return store;
  }

  // Moves money until something fails; reports each transfer once it is durable.
  static void write(Store& store, uint64_t writer, uint64_t seed, const std::function<void(uint64_t)>& acknowledge) {
    Random random(seed * 100 + writer);
    for (;;) {
      uint64_t id = random.next();
      uint64_t from = random.below(kAccounts), to = (from + 1 + random.below(kAccounts - 1)) % kAccounts;
      auto amount = static_cast<int64_t>(random.below(100));
      auto t = store.begin({});
      for (uint64_t a : {std::min(from, to), std::max(from, to)}) t->lock_row(account(a), LockMode::kForNoKeyUpdate, {});
      auto add = [&](uint64_t a, int64_t change) {
        std::string v;
        STELE_CHECK(t->get(account(a), {}, &v));
        t->put(account(a), number(load_le<int64_t>(v.data()) + change));
      };
      add(from, -amount);
      add(to, amount);
      t->put(transfer(id), number(amount) + number(static_cast<int64_t>(from)) + number(static_cast<int64_t>(to)));
      Lsn lsn = t->commit();
      if (random.below(4) != 0) {
        store.wait_durable(lsn);
        acknowledge(id);
      }
    }
  }

  static void verify(Store& store, const std::set<uint64_t>& acknowledged) {
    auto t = store.begin({});
    ReadView view{t->statement_snapshot()};
    std::vector<int64_t> expected(kAccounts, kInitial);
    std::set<uint64_t> found;
    for (auto c = t->scan("rt", "ru", view); c->valid(); c->next()) {
      found.insert(load_be64(c->key().data() + 2));
      auto field = [&](size_t i) { return load_le<int64_t>(c->value().data() + 8 * i); };
      expected[static_cast<size_t>(field(1))] -= field(0);
      expected[static_cast<size_t>(field(2))] += field(0);
    }
    for (uint64_t id : acknowledged) ASSERT_TRUE(found.contains(id)) << "an acknowledged transfer is lost";
    int64_t sum = 0;
    for (int i = 0; i < kAccounts; ++i) {
      std::string v;
      ASSERT_TRUE(t->get(account(static_cast<uint64_t>(i)), view, &v));
      ASSERT_EQ(load_le<int64_t>(v.data()), expected[static_cast<size_t>(i)]) << "account " << i;
      sum += load_le<int64_t>(v.data());
    }
    ASSERT_EQ(sum, kAccounts * kInitial);
  }

  std::string directory_;
};

TEST_F(BankTest, SurvivesFiftyKills) {
  uint64_t seed = secure_random() % 100000;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  std::set<uint64_t> acknowledged;
  for (int kill = 0; kill < 50; ++kill) {
    int pipe_fds[2];
    ASSERT_EQ(::pipe(pipe_fds), 0);
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe_fds[0]);
      auto store = open(nullptr);
      std::vector<std::thread> writers;
      for (uint64_t w = 0; w < kWriters; ++w) {
        writers.emplace_back([&, w] {
          write(*store, w, seed + static_cast<uint64_t>(kill), [&](uint64_t id) {
            if (::write(pipe_fds[1], &id, sizeof id) != sizeof id) ::_exit(2);
          });
        });
      }
      for (auto& w : writers) w.join();
      ::_exit(3);
    }
    ::close(pipe_fds[1]);
    // The kill comes after a random number of acknowledgements, wherever the others are then.
    uint64_t wanted = random.below(800), id;
    for (uint64_t n = 0; n < wanted && ::read(pipe_fds[0], &id, sizeof id) == sizeof id; ++n) acknowledged.insert(id);
    ::kill(child, SIGKILL);
    while (::read(pipe_fds[0], &id, sizeof id) == sizeof id) acknowledged.insert(id);
    ::close(pipe_fds[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    verify(*open(nullptr), acknowledged);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(acknowledged.size(), 1000u);
}

TEST_F(BankTest, SurvivesLossOfPower) {
  uint64_t seed = secure_random() % 100000;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  FaultyFiles files(seed);
  std::set<uint64_t> acknowledged;
  std::mutex mutex;
  for (int loss = 0; loss < 50; ++loss) {
    auto store = open(&files);
    verify(*store, acknowledged);
    if (HasFatalFailure()) return;
    files.fail_after(random.below(400));
    std::vector<std::thread> writers;
    for (uint64_t w = 0; w < kWriters; ++w) {
      writers.emplace_back([&, w] {
        try {
          write(*store, w, seed + static_cast<uint64_t>(loss), [&](uint64_t id) {
            std::lock_guard lock(mutex);
            acknowledged.insert(id);
          });
        } catch (const Error& e) {
          EXPECT_EQ(e.code(), ErrorCode::kIoError);
        }
      });
    }
    for (auto& w : writers) w.join();
    files.fail_after(0);
    store.reset();
    files.power_loss();
  }
  verify(*open(&files), acknowledged);
}

}  // namespace
}  // namespace stele::storage

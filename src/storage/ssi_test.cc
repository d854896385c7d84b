#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "storage/store.h"

namespace stele::storage {
namespace {

// Steps are "<txn><op>[key...]": r read key, s scan a..b, w write key, c commit. Transactions begin (take
// their snapshot) at their first step.
class SsiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "stele_ssi_" + std::to_string(secure_random());
    StoreOptions o;
    o.directory = directory_;
    o.checkpoint_on_close = false;
    store_ = Store::open(o);
    store_->recover();
    auto t = store_->begin({});
    for (char c = 'a'; c <= 'f'; ++c) t->put(std::string("r0000") + c, "0");
    t->commit();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  // Which transactions failed, in order of failure; "" when all committed.
  std::string run(const std::vector<std::string>& steps, Isolation isolation) {
    std::map<char, std::unique_ptr<Transaction>> txns;
    std::set<char> dead;
    std::string failed;
    for (const std::string& s : steps) {
      char id = s[0];
      if (dead.contains(id)) continue;
      try {
        auto& t = txns[id];
        if (!t) t = store_->begin({isolation});
        ReadView rv{t->statement_snapshot(), UINT32_MAX};
        std::string value;
        switch (s[1]) {
          case 'r': t->get(std::string("r0000") + s[2], rv, &value); break;
          case 's':
            for (auto c = t->scan(std::string("r0000") + s[2], std::string("r0000") + s[3], rv); c->valid(); c->next()) {
            }
            break;
          case 'w': t->put(std::string("r0000") + s[2], "1"); break;
          case 'c':
            t->commit();
            dead.insert(id);
            break;
        }
      } catch (const Error& e) {
        EXPECT_EQ(e.sqlstate(), "40001");
        EXPECT_EQ(e.message(), "could not serialize access due to read/write dependencies among transactions");
        failed += id;
        dead.insert(id);
        txns[id]->abort();
      }
    }
    return failed;
  }
  std::string directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(SsiTest, DangerousStructuresFailAndOthersDoNot) {
  struct { const char* name; std::vector<std::string> steps; const char* failed; } cases[] = {
      {"write skew", {"1ra", "1rb", "2ra", "2rb", "1wa", "2wb", "1c", "2c"}, "2"},
      {"write skew, first commits early", {"1ra", "1rb", "2ra", "2rb", "1wa", "1c", "2wb", "2c"}, "2"},
      {"write skew over ranges", {"1sac", "2sac", "1wa", "2wb", "1c", "2c"}, "2"},
      {"phantom", {"1sxz", "2sxz", "1wx", "2wy", "1c", "2c"}, "2"},
      {"read-only anomaly", {"2ra", "2rb", "1wa", "1c", "3ra", "3rb", "3c", "2wb", "2c"}, "2"},
      {"no anomaly without the reader", {"2ra", "2rb", "1wa", "1c", "2wb", "2c"}, ""},
      {"disjoint keys", {"1ra", "2rb", "1wa", "2wb", "1c", "2c"}, ""},
      {"disjoint ranges", {"1sab", "2scd", "1wa", "2wc", "1c", "2c"}, ""},
      {"one dependency", {"1ra", "2wa", "2c", "1wb", "1c"}, ""},
      {"serial", {"1ra", "1wb", "1c", "2rb", "2wa", "2c"}, ""},
      {"three in a cycle", {"1ra", "2rb", "3rc", "1wb", "2wc", "3wa", "1c", "2c", "3c"}, "2"},
  };
  for (auto& c : cases) {
    SCOPED_TRACE(c.name);
    std::string failed = run(c.steps, Isolation::kSerializable);
    EXPECT_EQ(failed.size(), std::string_view(c.failed).size()) << failed;
    if (std::string_view(c.name) != "three in a cycle") {
      EXPECT_EQ(failed, c.failed);
    }
    EXPECT_EQ(run(c.steps, Isolation::kRepeatableRead), "");
  }
}

TEST_F(SsiTest, ReadOnlyDeferrableWaitsForASafeSnapshot) {
  TxnOptions o{Isolation::kSerializable, true, true};
  auto t = store_->begin(o);
  EXPECT_NE(t->statement_snapshot(), nullptr);
  auto writer = store_->begin({Isolation::kSerializable});
  writer->statement_snapshot();
  writer->put("r0000a", "2");
  std::atomic<bool> got{false};
  std::thread waiting([&] {
    auto d = store_->begin(o);
    d->statement_snapshot();
    got = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(got);
  writer->commit();
  waiting.join();
  EXPECT_TRUE(got);
}

}  // namespace
}  // namespace stele::storage

#include "storage/log.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/faulty_files.h"

namespace stele::storage {
namespace {

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "stele_log_" + std::to_string(secure_random());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  Log::Options options(Files* files = nullptr) {
    Log::Options o;
    o.directory = directory_ + "/log";
    o.files = files;
    o.segment_bytes = 4096;
    o.on_failure = [](const std::string&) {};
    return o;
  }
  static std::string payload(Lsn lsn) { return std::string(lsn * 37 % 300, static_cast<char>('a' + lsn % 26)); }
  static void append(Log& log, Lsn from, Lsn to) {
    for (Lsn l = from; l <= to; ++l) log.append(l, payload(l));
  }
  static void expect_records(Log& log, Lsn from, Lsn to) {
    auto cursor = log.read_from(from);
    Lsn lsn;
    std::string_view p;
    for (Lsn l = from; l <= to; ++l) {
      ASSERT_TRUE(cursor->next(&lsn, &p)) << l;
      ASSERT_EQ(lsn, l);
      ASSERT_EQ(p, payload(l));
    }
    EXPECT_FALSE(cursor->next(&lsn, &p));
  }
  std::string directory_;
};

TEST_F(LogTest, AppendsAreReadAtOnceAndAfterReopen) {
  {
    auto log = Log::open(options());
    EXPECT_EQ(log->last_lsn(), 0u);
    auto tail = log->read_from(1);
    Lsn lsn;
    std::string_view p;
    for (Lsn l = 1; l <= 200; ++l) {
      EXPECT_FALSE(tail->next(&lsn, &p));
      append(*log, l, l);
      ASSERT_TRUE(tail->next(&lsn, &p));
      ASSERT_EQ(lsn, l);
      ASSERT_EQ(p, payload(l));
    }
    expect_records(*log, 1, 200);
    log->sync(200);
    EXPECT_EQ(log->durable_lsn(), 200u);
  }
  auto log = Log::open(options());
  EXPECT_EQ(log->last_lsn(), 200u);
  expect_records(*log, 57, 200);
  append(*log, 201, 300);
  expect_records(*log, 1, 300);
}

TEST_F(LogTest, RetentionFollowsTheSlowestConsumer) {
  auto log = Log::open(options());
  append(*log, 1, 300);
  log->sync(300);
  log->retain("segments", 100);
  EXPECT_EQ(log->first_lsn(), 1u);  // recovery has not spoken yet
  log->retain("rocksdb", 250);
  EXPECT_LE(log->first_lsn(), 101u);
  EXPECT_GT(log->first_lsn(), 1u);
  EXPECT_THROW(log->read_from(1), Error);
  expect_records(*log, 101, 300);
  log->forget("segments");
  EXPECT_GT(log->first_lsn(), 101u);
  expect_records(*log, 251, 300);
  log.reset();
  expect_records(*Log::open(options()), 251, 300);
}

TEST_F(LogTest, ManyThreadsShareSyncs) {
  auto log = Log::open(options());
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        Lsn lsn;
        {
          std::lock_guard lock(mutex);
          lsn = log->last_lsn() + 1;
          log->append(lsn, payload(lsn));
        }
        log->sync(lsn);
        EXPECT_GE(log->durable_lsn(), lsn);
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_LE(log->sync_count(), 401u);
  expect_records(*log, 1, 400);
}

TEST_F(LogTest, PowerLossKeepsWhatWasSynced) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::filesystem::remove_all(directory_);
    Random random(seed);
    FaultyFiles files(seed);
    Lsn last = 0, synced = 0;
    for (int round = 0; round < 4; ++round) {
      auto log = Log::open(options(&files));
      ASSERT_GE(log->last_lsn(), synced);
      ASSERT_LE(log->last_lsn(), last);
      last = log->last_lsn();
      expect_records(*log, log->first_lsn(), last);
      for (int i = 0; i < 10; ++i) {
        Lsn to = last + 1 + random.below(30);
        append(*log, last + 1, to);
        last = to;
        if (random.below(3) == 0) log->sync(last);
        if (random.below(5) == 0) log->retain("rocksdb", random.below(log->durable_lsn() + 1));
        // Reading writes through without a sync.
        if (random.below(3) == 0) expect_records(*log, log->first_lsn(), last);
      }
      synced = log->durable_lsn();
      files.fail_after(0);  // the threads of the dead log must not touch the files of the next
      log.reset();
      files.power_loss();
    }
  }
}

TEST_F(LogTest, NothingIsDurableAfterAFailedOperation) {
  for (uint64_t n = 0; n < 40; ++n) {
    SCOPED_TRACE(n);
    std::filesystem::remove_all(directory_);
    FaultyFiles files(n + 1);
    Lsn acknowledged = 0;
    {
      auto log = Log::open(options(&files));
      files.fail_after(n);
      try {
        for (Lsn l = 1; l <= 100; ++l) {
          append(*log, l, l);
          log->sync(l);
          acknowledged = l;
        }
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kIoError);
        EXPECT_THROW(log->sync(acknowledged + 1), Error);
      }
      files.fail_after(0);
    }
    files.power_loss();
    auto log = Log::open(options(&files));
    EXPECT_GE(log->last_lsn(), acknowledged);
    expect_records(*log, 1, log->last_lsn());
  }
}

// The name of a file that was written ahead may be lost with the power, its records may not.
TEST_F(LogTest, ASpareWithRecordsIsTheNewestFile) {
  {
    auto log = Log::open(options());
    append(*log, 1, 100);
    log->sync(100);
  }
  std::string newest;
  for (const std::string& name : posix_files().list(directory_ + "/log")) if (name.ends_with(".log")) newest = std::max(newest, name);
  ASSERT_NE(newest, "0000000000000001.log");
  posix_files().rename(directory_ + "/log/" + newest, directory_ + "/log/spare.7");
  posix_files().create(directory_ + "/log/spare.8")->append(std::string(4096, '\0'));
  {
    auto log = Log::open(options());
    EXPECT_EQ(log->last_lsn(), 100u);
    expect_records(*log, 1, 100);
    append(*log, 101, 120);
    log->sync(120);
  }
  EXPECT_FALSE(posix_files().exists(directory_ + "/log/spare.8"));
  // One whose records come later than the log's end holds nothing.
  posix_files().rename(directory_ + "/log/" + newest, directory_ + "/log/kept");
  std::string header(24, 'x');
  posix_files().create(directory_ + "/log/spare.9")->append(header);
  posix_files().rename(directory_ + "/log/kept", directory_ + "/log/" + newest);
  auto log = Log::open(options());
  EXPECT_EQ(log->last_lsn(), 120u);
  expect_records(*log, 1, 120);
}

TEST_F(LogTest, DamageInsideIsRefusedAndATornTailIsCut) {
  {
    auto log = Log::open(options());
    append(*log, 1, 5);
    log->sync(5);
    append(*log, 6, 10);
    log->sync(10);
  }
  std::string path = directory_ + "/log/0000000000000001.log";
  auto flip = [&](uint64_t at) {
    std::string bytes(posix_files().open(path)->size(), '\0');
    posix_files().open(path)->read(0, bytes.size(), bytes.data());
    bytes[at] ^= 1;
    posix_files().create(path)->append(bytes);
  };
  flip(24 + 24 + 3);  // inside the first record's payload; record 6 calls it durable
  EXPECT_THROW(Log::open(options()), Error);
  flip(24 + 24 + 3);
  uint64_t end = 24;
  for (Lsn l = 1; l <= 10; ++l) end += 24 + payload(l).size();
  flip(end - 1);  // the last record: nothing says that it was durable
  auto log = Log::open(options());
  EXPECT_EQ(log->last_lsn(), 9u);
  append(*log, 10, 12);
  expect_records(*log, 1, 12);
}

}  // namespace
}  // namespace stele::storage

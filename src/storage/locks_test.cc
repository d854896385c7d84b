#include "storage/locks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <thread>

namespace stele::storage {
namespace {

using enum LockMode;
const LockTag kRelationTag{LockKind::kRelation, std::string_view("\0\0\0\x07", 4)};
const LockTag kRowTag{LockKind::kRow, "row"};
const WaitOptions kTry{WaitPolicy::kSkip};

// Runs until `who` waits for something.
void until_waiting(LockManager& locks, OwnerId who) {
  while (locks.blockers(who).empty()) std::this_thread::yield();
}

TEST(Locks, ConflictTablesArePostgres) {
  // Documentation tables 13.2 and 13.3, a row a mode, x where two owners conflict.
  struct { LockMode first; const char* conflicts[8]; } tables[] = {
      {kAccessShare, {".......x", "......xx", "....xxxx", "...xxxxx", "..xx.xxx", "..xxxxxx", ".xxxxxxx", "xxxxxxxx"}},
      {kForKeyShare, {"...x", "..xx", ".xxx", "xxxx"}},
  };
  for (auto& t : tables) {
    size_t n = std::string_view(t.conflicts[0]).size();
    LockTag tag = n == 8 ? kRelationTag : kRowTag;
    for (size_t a = 0; a < n; ++a) {
      for (size_t b = 0; b < n; ++b) {
        LockManager locks;
        auto mode = [&](size_t i) { return static_cast<LockMode>(static_cast<size_t>(t.first) + i); };
        EXPECT_EQ(locks.acquire(1, tag, mode(a), kTry), LockOutcome::kGranted);
        bool conflict = t.conflicts[a][b] == 'x';
        EXPECT_EQ(locks.conflicts(2, tag, mode(b)), conflict) << a << " " << b;
        EXPECT_EQ(locks.acquire(2, tag, mode(b), kTry), conflict ? LockOutcome::kWouldBlock : LockOutcome::kGranted);
        EXPECT_FALSE(locks.conflicts(1, tag, mode(a)) && !conflict && t.conflicts[a][a] != 'x');
      }
    }
  }
}

TEST(Locks, CountsMarksAndGroups) {
  LockManager locks;
  EXPECT_EQ(locks.acquire(1, kRelationTag, kShare, kTry), LockOutcome::kGranted);
  EXPECT_EQ(locks.acquire(1, kRelationTag, kShare, kTry), LockOutcome::kAlreadyHeld);
  EXPECT_TRUE(locks.release(1, kRelationTag, kShare));
  EXPECT_EQ(locks.acquire(2, kRelationTag, kExclusive, kTry), LockOutcome::kWouldBlock);
  EXPECT_TRUE(locks.release(1, kRelationTag, kShare));
  EXPECT_FALSE(locks.release(1, kRelationTag, kShare));
  EXPECT_EQ(locks.acquire(2, kRelationTag, kExclusive, kTry), LockOutcome::kGranted);
  EXPECT_THROW(locks.acquire(1, kRelationTag, kShare, {WaitPolicy::kNoWait}), Error);
  locks.join_group(3, 2);
  EXPECT_EQ(locks.acquire(3, kRelationTag, kShare, kTry), LockOutcome::kGranted);
  locks.release_all(2);
  EXPECT_EQ(locks.acquire(1, kRelationTag, kShare, kTry), LockOutcome::kGranted);
  locks.release_all(1);
  locks.release_all(3);

  locks.acquire(1, kRowTag, kForShare, kTry);
  uint64_t mark = locks.mark(1);
  locks.acquire(1, kRowTag, kForUpdate, kTry);
  locks.acquire(1, kRelationTag, kShare, kTry);
  EXPECT_EQ(locks.acquire(1, kRowTag, kForKeyShare, kTry), LockOutcome::kAlreadyHeld);
  EXPECT_EQ(locks.list().size(), 3u);
  locks.release_since(1, mark);
  EXPECT_EQ(locks.list().size(), 1u);
  EXPECT_EQ(locks.acquire(2, kRowTag, kForShare, kTry), LockOutcome::kGranted);
  EXPECT_EQ(locks.acquire(2, kRowTag, kForNoKeyUpdate, kTry), LockOutcome::kWouldBlock);
  locks.release_all(1);
  locks.release_all(2);
  EXPECT_TRUE(locks.list().empty());
}

TEST(Locks, WaitersAreServedInOrder) {
  LockManager locks;
  std::vector<OwnerId> order;
  locks.acquire(1, kRelationTag, kAccessExclusive, {});
  std::vector<std::thread> threads;
  for (OwnerId o = 2; o <= 4; ++o) {
    threads.emplace_back([&, o] {
      EXPECT_EQ(locks.acquire(o, kRelationTag, kExclusive, {}), LockOutcome::kGrantedAfterWait);
      order.push_back(o);  // exclusive: one at a time
      locks.release_all(o);
    });
    until_waiting(locks, o);
  }
  // A compatible newcomer does not overtake those who wait.
  EXPECT_EQ(locks.acquire(9, kRelationTag, kRowShare, kTry), LockOutcome::kWouldBlock);
  locks.release_all(1);
  for (auto& t : threads) t.join();
  EXPECT_EQ(order, (std::vector<OwnerId>{2, 3, 4}));
}

TEST(Locks, TimeoutAndInterrupts) {
  LockManager locks;
  locks.acquire(1, kRowTag, kForUpdate, {});
  WaitOptions timeout;
  timeout.lock_timeout_us = 2000;
  try {
    locks.acquire(2, kRowTag, kForUpdate, timeout);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.sqlstate(), "55P03");
    EXPECT_EQ(e.message(), "canceling statement due to lock timeout");
  }
  std::function<void()> interrupt = [] { throw Error(ErrorCode::kQueryCanceled, "canceling statement due to user request"); };
  WaitOptions polled;
  polled.check_interrupts = &interrupt;
  EXPECT_THROW(locks.acquire(2, kRowTag, kForUpdate, polled), Error);
  locks.release_all(1);
  EXPECT_TRUE(locks.list().empty());
}

TEST(Locks, TheWaiterThatClosesACycleIsTheVictim) {
  LockManager locks;
  const LockTag a{LockKind::kRow, "a"}, b{LockKind::kRow, "b"}, c{LockKind::kRow, "c"};
  locks.acquire(1, a, kForUpdate, {});
  locks.acquire(2, b, kForUpdate, {});
  locks.acquire(3, c, kForUpdate, {});
  std::thread first([&] {
    EXPECT_EQ(locks.acquire(1, b, kForUpdate, {}), LockOutcome::kGrantedAfterWait);
    locks.release_all(1);
  });
  std::thread second([&] {
    EXPECT_EQ(locks.acquire(2, c, kForUpdate, {}), LockOutcome::kGrantedAfterWait);
    locks.release_all(2);
  });
  until_waiting(locks, 1);
  until_waiting(locks, 2);
  WaitOptions quick;
  quick.deadlock_timeout_us = 1000;
  try {
    locks.acquire(3, a, kForUpdate, quick);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.sqlstate(), "40P01");
    EXPECT_EQ(e.message(), "deadlock detected");
    EXPECT_NE(e.detail().find("Process 3 waits for ShareLock on transaction 1"), std::string::npos) << e.detail();
  }
  locks.release_all(3);
  first.join();
  second.join();
  EXPECT_TRUE(locks.list().empty());
}

// Both look for the cycle at the same moment, again and again: one gives way, the other goes on.
TEST(Locks, ADeadlockHasOneVictim) {
  LockManager locks;
  const LockTag tags[] = {{LockKind::kRow, "a"}, {LockKind::kRow, "b"}};
  WaitOptions quick;
  quick.deadlock_timeout_us = 1000;
  for (int round = 0; round < 500; ++round) {
    std::atomic<int> victims{0};
    std::barrier both_hold(2);
    auto session = [&](OwnerId owner, int first) {
      locks.acquire(owner, tags[first], LockMode::kForUpdate, quick);
      both_hold.arrive_and_wait();
      try {
        locks.acquire(owner, tags[1 - first], LockMode::kForUpdate, quick);
      } catch (const Error& e) {
        EXPECT_EQ(e.sqlstate(), "40P01");
        ++victims;
      }
      locks.release_all(owner);
    };
    std::thread other(session, 1, 0);
    session(2, 1);
    other.join();
    ASSERT_EQ(victims, 1) << "round " << round;
  }
}

}  // namespace
}  // namespace stele::storage

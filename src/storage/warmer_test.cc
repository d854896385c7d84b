#include "storage/warmer.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>

namespace stele::storage {
namespace {

// A relation of `size` keys under each prefix, and what was offered of it.
class Relation {
 public:
  explicit Relation(size_t size, size_t room = SIZE_MAX) : size_(size), room_(room) {}

  WarmResult scan(std::string_view prefix, std::string* next, size_t keys) {
    std::lock_guard lock(mutex_);
    size_t at = next->empty() ? 0 : std::stoul(*next);
    WarmResult result = WarmResult::kMore;
    for (size_t i = 0; i < keys && result == WarmResult::kMore; ++i, ++at) {
      if (at == size_) {
        result = WarmResult::kEndOfRange;
        ++passes_;
      } else if (offered_.size() == room_) {
        result = WarmResult::kFull;
      } else {
        offered_.insert(std::string(prefix) + std::to_string(at));
      }
    }
    *next = std::to_string(at);
    ++steps_;
    changed_.notify_all();
    return result;
  }

  template <class Condition>
  void wait_until(Condition condition) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return condition(*this); });
  }

  size_t size_, room_, passes_ = 0, steps_ = 0;
  std::set<std::string> offered_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

TEST(Warmer, MissesEarnAScanOfTheirRelationOnly) {
  Relation relation(3000);
  Warmer warmer([&](std::string_view p, std::string* n, size_t k) { return relation.scan(p, n, k); });
  warmer.missed("r0001 some row");
  relation.wait_until([](Relation& r) { return r.offered_.size() == 1024; });
  warmer.missed("r0001 another");
  warmer.missed("r0001 another");
  relation.wait_until([](Relation& r) { return r.passes_ == 1; });
  warmer.stop();
  EXPECT_EQ(relation.offered_.size(), 3000u);
  for (const std::string& key : relation.offered_) EXPECT_EQ(key.substr(0, 5), "r0001");
}

TEST(Warmer, AFullCacheEndsItAndManyMissesBeginAgain) {
  Relation relation(100000, 500);
  Warmer warmer([&](std::string_view p, std::string* n, size_t k) { return relation.scan(p, n, k); });
  warmer.missed("r0001 some row");
  relation.wait_until([](Relation& r) { return r.steps_ == 2; });  // the second step meets the limit
  {
    std::lock_guard lock(relation.mutex_);
    relation.room_ = SIZE_MAX;
  }
  for (int i = 0; i < 1022; ++i) warmer.missed("r0001 some row");
  // Another relation's turn comes after whatever the first one has to do.
  warmer.missed("r0002 some row");
  relation.wait_until([](Relation& r) { return r.offered_.contains("r00021023"); });
  {
    std::lock_guard lock(relation.mutex_);
    EXPECT_FALSE(relation.offered_.contains("r0001600"));
  }
  for (int i = 0; i < 2000; ++i) warmer.missed("r0001 some row");
  relation.wait_until([](Relation& r) { return r.offered_.contains("r0001600"); });
}

}  // namespace
}  // namespace stele::storage

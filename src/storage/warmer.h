// Fills the hot cache in order of the keys while readers miss it. After a start or a bulk load every read of a relation
// would otherwise go to RocksDB once; a scan brings a key for a tenth of what a miss costs, so each miss earns the
// relation a stretch of scanning. What nobody reads earns nothing, and a full cache ends it.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace stele::storage {

enum class WarmResult : uint8_t { kMore, kEndOfRange, kFull };

class Warmer {
 public:
  // Offers up to `keys` entries that begin with `prefix`, from *next on (empty: from the start), and moves *next past
  // them. Called by the warmer's own thread only; may throw, which ends that range's turn.
  using Scan = std::function<WarmResult(std::string_view prefix, std::string* next, size_t keys)>;

  explicit Warmer(Scan scan);
  ~Warmer();  // stops

  // A read of this key went to RocksDB. From any thread; the thread of the warmer starts with the first miss.
  void missed(std::string_view key);
  void stop();

 private:
  struct Range {
    std::string next;
    size_t credit = 0;   // keys still to scan
    size_t scanned = 0;  // keys, in this pass
    size_t misses_since_end = 0;
    bool ended = false;
  };

  void run();

  Scan scan_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, Range, std::less<>> ranges_;  // by the prefix that one relation's keys share
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace stele::storage

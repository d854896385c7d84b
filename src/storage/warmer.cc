#include "storage/warmer.h"

#include <algorithm>

#include "base/error.h"
#include "base/logging.h"

namespace stele::storage {

namespace {
// Rows and index entries of one relation share the first bytes of their keys.
constexpr size_t kPrefixBytes = 5;
constexpr size_t kKeysPerMiss = 1024;
constexpr size_t kMostCredit = size_t{1} << 20;
// One snapshot of RocksDB's a step: a step is so short that few commits overtake it and make its offers void.
constexpr size_t kKeysPerStep = 256;
// After a pass, misses are of rows that came or were evicted since. So many of them, relative to the pass, start another.
constexpr size_t kRestartShare = 64;
constexpr size_t kFewestForRestart = 1024;
constexpr size_t kMostRanges = 4096;  // remembered; beyond them those that ended are forgotten
}  // namespace

Warmer::Warmer(Scan scan) : scan_(std::move(scan)) {}
Warmer::~Warmer() { stop(); }

void Warmer::missed(std::string_view key) {
  if (key.size() <= kPrefixBytes) return;
  const std::string_view prefix = key.substr(0, kPrefixBytes);
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  auto it = ranges_.find(prefix);
  if (it == ranges_.end()) it = ranges_.emplace(std::string(prefix), Range()).first;
  Range& range = it->second;
  if (range.ended) {
    if (++range.misses_since_end < std::max(kFewestForRestart, range.scanned / kRestartShare)) return;
    range = Range();
  }
  range.credit = std::min(range.credit + kKeysPerMiss, kMostCredit);
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake_.notify_one();
}

void Warmer::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Warmer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    bool worked = false;
    if (ranges_.size() > kMostRanges) std::erase_if(ranges_, [](const auto& r) { return r.second.ended; });
    // Ranges are never removed while this walks; missed() adds some, which a map allows.
    for (auto& [prefix, range] : ranges_) {
      if (stopping_) return;
      if (range.ended || range.credit == 0) continue;
      worked = true;
      const size_t keys = std::min(range.credit, kKeysPerStep);
      range.credit -= keys;
      range.scanned += keys;
      std::string next = range.next;
      lock.unlock();
      WarmResult result = WarmResult::kEndOfRange;
      try {
        result = scan_(prefix, &next, keys);
      } catch (const Error& e) {
        logging::debug("warming the hot cache: {}", e.message());
      }
      lock.lock();
      range.next = std::move(next);
      if (result != WarmResult::kMore) {
        range.ended = true;
        range.misses_since_end = 0;
        range.credit = 0;
      }
    }
    if (!worked) {
      wake_.wait(lock, [&] {
        return stopping_ || std::any_of(ranges_.begin(), ranges_.end(), [](const auto& r) { return !r.second.ended && r.second.credit > 0; });
      });
    }
  }
}

}  // namespace stele::storage

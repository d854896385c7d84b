#include "base/arena.h"

#include <cstdlib>
#include <new>

namespace stele {

namespace {
constexpr size_t kFirstBlock = 4096;
constexpr size_t kLargestBlock = 1 << 20;
}  // namespace

Arena::~Arena() {
  for (auto& b : blocks_) std::free(b.first);
}

char* Arena::allocate_slow(size_t bytes) {
  size_t want = blocks_.empty() ? kFirstBlock : std::min(kLargestBlock, blocks_.back().second * 2);
  size_t size = std::max(want, bytes);
  char* block = static_cast<char*>(std::malloc(size));
  if (block == nullptr) throw std::bad_alloc();
  blocks_.emplace_back(block, size);
  bytes_ += size;
  next_ = block + bytes;
  end_ = block + size;
  return block;
}

void Arena::reset() {
  if (blocks_.empty()) return;
  for (size_t i = 1; i < blocks_.size(); ++i) std::free(blocks_[i].first);
  blocks_.resize(1);
  bytes_ = blocks_[0].second;
  next_ = blocks_[0].first;
  end_ = next_ + bytes_;
}

}  // namespace stele

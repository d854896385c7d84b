// A bump allocator for memory that dies together: one batch, one statement, one
// message. Not thread-safe; the owner frees everything at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace stele {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  // 8-byte aligned, uninitialised memory that lives until reset() or destruction.
  char* allocate(size_t bytes) {
    bytes = (bytes + 7) & ~size_t{7};
    if (bytes <= static_cast<size_t>(end_ - next_)) {
      char* p = next_;
      next_ += bytes;
      return p;
    }
    return allocate_slow(bytes);
  }
  std::string_view copy(std::string_view s) {
    char* p = allocate(s.size());
    if (!s.empty()) std::memcpy(p, s.data(), s.size());
    return {p, s.size()};
  }
  // Frees everything but the first block.
  void reset();
  // Bytes held from the system.
  size_t bytes() const { return bytes_; }

 private:
  char* allocate_slow(size_t bytes);
  std::vector<std::pair<char*, size_t>> blocks_;
  char* next_ = nullptr;
  char* end_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace stele

// Allocation with a running total, which maxmemory and INFO read. All calls happen under the
// keyspace's latch, so the total is a plain number.
#pragma once

#include <malloc.h>

#include <cstdint>
#include <cstdlib>

namespace stele::keyspace {

extern uint64_t g_memory_used;

inline void* mem_alloc(size_t n) {
  void* p = std::malloc(n);
  g_memory_used += malloc_usable_size(p);
  return p;
}
inline void* mem_zeroed(size_t n) {
  void* p = std::calloc(1, n);
  g_memory_used += malloc_usable_size(p);
  return p;
}
inline void mem_free(void* p) {
  if (p == nullptr) return;
  g_memory_used -= malloc_usable_size(p);
  std::free(p);
}
inline void* mem_resize(void* p, size_t n) {
  if (p != nullptr) g_memory_used -= malloc_usable_size(p);
  p = std::realloc(p, n);
  g_memory_used += malloc_usable_size(p);
  return p;
}

}  // namespace stele::keyspace

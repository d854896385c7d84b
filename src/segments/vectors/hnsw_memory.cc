#include "segments/vectors/hnsw_memory.h"

#include <sys/mman.h>

#include <new>

namespace stele::segments::vectors {

Pages::Pages(size_t bytes, bool huge, int file, uint64_t offset) : bytes_(bytes) {
  const int flags = MAP_PRIVATE | (file < 0 ? MAP_ANONYMOUS : 0);
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, file, static_cast<off_t>(offset));
  if (p == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<char*>(p);
  if (huge && file < 0) madvise(p, bytes, MADV_HUGEPAGE);
}

Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace stele::segments::vectors

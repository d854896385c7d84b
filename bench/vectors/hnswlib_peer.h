// hnswlib behind the same few calls, compiled with the flags its users build it with.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace bench {

class HnswlibPeer {
 public:
  // `inner_product`: vectors are normalised and compared by inner product, as its users do for cosine.
  HnswlibPeer(uint32_t dimensions, bool inner_product, uint32_t nodes, uint32_t m, uint32_t ef_construction);
  ~HnswlibPeer();
  void add(const float* v, uint32_t label);   // from any number of threads
  void set_ef(uint32_t ef);
  void search(const float* q, uint32_t k, std::vector<uint32_t>* labels) const;
  uint64_t memory_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bench

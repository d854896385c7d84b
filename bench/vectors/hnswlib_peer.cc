#include "hnswlib_peer.h"

#include <hnswlib/hnswlib.h>

namespace bench {

struct HnswlibPeer::Impl {
  std::unique_ptr<hnswlib::SpaceInterface<float>> space;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
};

HnswlibPeer::HnswlibPeer(uint32_t dimensions, bool inner_product, uint32_t nodes, uint32_t m, uint32_t ef_construction)
    : impl_(std::make_unique<Impl>()) {
  if (inner_product) {
    impl_->space = std::make_unique<hnswlib::InnerProductSpace>(dimensions);
  } else {
    impl_->space = std::make_unique<hnswlib::L2Space>(dimensions);
  }
  impl_->graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(impl_->space.get(), nodes, m, ef_construction);
}
HnswlibPeer::~HnswlibPeer() = default;

void HnswlibPeer::add(const float* v, uint32_t label) { impl_->graph->addPoint(v, label); }
void HnswlibPeer::set_ef(uint32_t ef) { impl_->graph->setEf(ef); }

void HnswlibPeer::search(const float* q, uint32_t k, std::vector<uint32_t>* labels) const {
  auto found = impl_->graph->searchKnn(q, k);
  labels->clear();
  for (; !found.empty(); found.pop()) labels->push_back(static_cast<uint32_t>(found.top().second));
}

uint64_t HnswlibPeer::memory_bytes() const {
  const auto& g = *impl_->graph;
  uint64_t bytes = g.cur_element_count * g.size_data_per_element_;
  for (size_t i = 0; i < g.cur_element_count; ++i) bytes += static_cast<uint64_t>(g.element_levels_[i]) * g.size_links_per_element_ + 8;
  return bytes;
}

}  // namespace bench

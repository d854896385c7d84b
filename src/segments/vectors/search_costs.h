// What searching costs on this machine and this field, learned from the searches themselves: nanoseconds a
// vector measured by an exact scan, and nanoseconds an entry of a graph walk's front, by how many slots pass the filter
// (the fewer pass, the more links are looked at for each that does). Starts from figures for the dimensions.
// Thread-safe; races lose a sample, no more.
#pragma once

#include <atomic>
#include <cstdint>

namespace stele::segments::vectors {

// What this thread has worked, in nanoseconds: costs are learned from it, so that a busy machine does not count.
double worked_ns();

class SearchCosts {
 public:
  explicit SearchCosts(uint32_t dimensions);

  double exact_ns(uint64_t vectors) const { return static_cast<double>(vectors) * exact_.value.load(std::memory_order_relaxed); }
  double graph_ns(double selectivity, uint32_t ef) const;
  void measured_exact(uint64_t vectors, double ns);
  // `finished` false: the walk was broken off, its cost is more than this.
  void measured_graph(double selectivity, uint32_t ef, double ns, bool finished);

  // Whether to walk the graph rather than to measure the `matches` vectors that pass. `filter_ns`: of asking the filter
  // once (0 for a bitmap); `slots`: what an exact scan would have to ask. Sets how long the walk may take before an exact
  // scan is the better end of it. Now and then a walk is tried that looks dearer than it is thought to be, so that what
  // was once learned wrongly does not stay.
  bool prefer_graph(uint64_t matches, uint64_t slots, uint32_t ef, double filter_ns, double* give_up_ns) const;

 private:
  static constexpr int kBuckets = 14;   // by halvings of the selectivity
  struct Learned {
    std::atomic<double> value{0};
    std::atomic<uint32_t> samples{0};
    void learn(double sample);
  };
  static int bucket(double selectivity);
  Learned exact_, graph_[kBuckets];
  mutable std::atomic<uint32_t> asked_{0};
};

}  // namespace stele::segments::vectors

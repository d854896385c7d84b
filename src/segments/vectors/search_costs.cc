#include "segments/vectors/search_costs.h"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace stele::segments::vectors {

double worked_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

SearchCosts::SearchCosts(uint32_t dimensions) {
  exact_.value.store(10 + 0.15 * dimensions, std::memory_order_relaxed);
  // A hop measures some fifteen vectors that lie anywhere in memory.
  const double unfiltered = 15 * (25 + 0.3 * dimensions);
  for (int i = 0; i < kBuckets; ++i) graph_[i].value.store(unfiltered * (1.3 + 0.4 * i), std::memory_order_relaxed);
}

int SearchCosts::bucket(double selectivity) {
  return std::clamp(static_cast<int>(-std::log2(std::max(selectivity, 1e-6))), 0, kBuckets - 1);
}
double SearchCosts::graph_ns(double selectivity, uint32_t ef) const {
  return graph_[bucket(selectivity)].value.load(std::memory_order_relaxed) * ef;
}

void SearchCosts::Learned::learn(double sample) {
  const uint32_t n = samples.fetch_add(1, std::memory_order_relaxed);
  const double now = value.load(std::memory_order_relaxed);
  // One sample may have met a busy machine: none moves the figure far, the first few move it most.
  sample = std::clamp(sample, now / 3, now * 3);
  value.store(now + (sample - now) / std::min<double>(n + 1, 16), std::memory_order_relaxed);
}
void SearchCosts::measured_exact(uint64_t vectors, double ns) {
  if (vectors >= 500) exact_.learn(ns / static_cast<double>(vectors));
}
void SearchCosts::measured_graph(double selectivity, uint32_t ef, double ns, bool finished) {
  Learned& l = graph_[bucket(selectivity)];
  const double sample = ns / std::max(1u, ef);
  if (finished) {
    l.learn(sample);
  } else {
    l.learn(std::max(2 * sample, l.value.load(std::memory_order_relaxed)));
  }
}

bool SearchCosts::prefer_graph(uint64_t matches, uint64_t slots, uint32_t ef, double filter_ns, double* give_up_ns) const {
  const double share = static_cast<double>(matches) / static_cast<double>(std::max<uint64_t>(1, slots));
  const double exact = exact_ns(matches) + filter_ns * static_cast<double>(slots);
  // A hop asks the filter until half as many slots as it has links have passed; every other one was asked before.
  const double asked = std::min(static_cast<double>(slots), 8.0 * ef / std::max(share, 1e-6));
  const double graph = graph_ns(share, ef) + filter_ns * asked;
  *give_up_ns = 0.7 * exact;
  if (graph <= 0.8 * exact) return true;
  *give_up_ns = 0.4 * exact;
  return graph < 4 * exact && asked_.fetch_add(1, std::memory_order_relaxed) % 64 == 63;
}

}  // namespace stele::segments::vectors

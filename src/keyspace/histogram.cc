#include "keyspace/histogram.h"

namespace stele::keyspace {

size_t Histogram::slot(uint64_t ns) {
  if (ns < kSub) return ns;
  int octave = 63 - __builtin_clzll(ns) - 7;  // ns >> octave lies in [128, 256)
  return static_cast<size_t>(kSub * (octave + 1)) + ((ns >> octave) - kSub);
}
uint64_t Histogram::upper(size_t s) {
  if (s < kSub) return s;
  uint64_t octave = s / kSub - 1, sub = s % kSub + kSub;
  return ((sub + 1) << octave) - 1;
}
void Histogram::record(uint64_t ns) {
  ns = std::min<uint64_t>(std::max<uint64_t>(ns, 1), 1000000000);
  size_t i = slot(ns);
  if (i >= counts_.size()) counts_.resize(i + 1);
  ++counts_[i];
  ++total_;
  max_ns_ = std::max(max_ns_, ns);
}
double Histogram::percentile_us(double p) const {
  if (total_ == 0) return 0;
  uint64_t want = static_cast<uint64_t>(std::max(1.0, std::ceil(p / 100.0 * static_cast<double>(total_)))), seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= want) return static_cast<double>(upper(i)) / 1000.0;
  }
  return static_cast<double>(max_ns_) / 1000.0;
}
std::vector<std::pair<uint64_t, uint64_t>> Histogram::by_powers_of_two() const {
  std::vector<std::pair<uint64_t, uint64_t>> out;
  uint64_t bound = 1024, seen = 0;
  size_t i = 0;
  while (seen < total_) {
    uint64_t before = seen;
    for (; i < counts_.size() && upper(i) <= bound; ++i) seen += counts_[i];
    if (seen != before) out.push_back({bound / 1000, seen});
    if (i >= counts_.size()) break;
    bound *= 2;
  }
  return out;
}

}  // namespace stele::keyspace

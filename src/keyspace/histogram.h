// A latency histogram of microseconds with about three significant digits, for LATENCY HISTOGRAM and
// the percentiles in INFO.
#pragma once

#include <cstdint>
#include <vector>

namespace stele::keyspace {

class Histogram {
 public:
  void record(uint64_t ns);
  uint64_t total() const { return total_; }
  double percentile_us(double p) const;
  // (upper bound in microseconds, cumulative count) by powers of two, up to the maximum.
  std::vector<std::pair<uint64_t, uint64_t>> by_powers_of_two() const;

 private:
  static constexpr int kSub = 128;  // linear steps within an octave
  static size_t slot(uint64_t ns);
  static uint64_t upper(size_t slot);
  std::vector<uint32_t> counts_;
  uint64_t total_ = 0, max_ns_ = 0;
};

}  // namespace stele::keyspace

// Injected time and randomness.
#pragma once

#include <cstdint>

namespace stele {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t unix_us() const = 0;       // wall clock, microseconds since 1970 UTC
  virtual int64_t monotonic_us() const = 0;  // never goes back
};
Clock& system_clock();

// splitmix64: seeded, copyable, good enough for sampling and tests; not for secrets.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t n) { return next() % n; }
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  uint64_t state_;
};
uint64_t secure_random();  // from the operating system

}  // namespace stele

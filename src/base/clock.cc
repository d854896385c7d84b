#include "base/clock.h"

#include <sys/random.h>
#include <time.h>

#include "base/error.h"

namespace stele {

namespace {
class SystemClock final : public Clock {
 public:
  int64_t unix_us() const override { return read(CLOCK_REALTIME); }
  int64_t monotonic_us() const override { return read(CLOCK_MONOTONIC); }

 private:
  static int64_t read(clockid_t id) {
    timespec ts;
    ::clock_gettime(id, &ts);
    return int64_t{ts.tv_sec} * 1000000 + ts.tv_nsec / 1000;
  }
};
}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

uint64_t secure_random() {
  uint64_t v = 0;
  STELE_CHECK(::getrandom(&v, sizeof v, 0) == sizeof v);
  return v;
}

}  // namespace stele

// What the machine and this process use right now.
#pragma once

#include <cstdint>

namespace stele::elastic {

struct Machine {
  uint64_t memory_total = 0, memory_free = 0;            // bytes
  uint64_t disk_total = 0, disk_free = 0, disk_avail = 0; // of the file system the server stands on
  uint64_t resident = 0, virtual_size = 0;               // this process, bytes
  int64_t open_files = 0, max_files = 0, threads = 0, cpu_ms = 0;
  double load_1m = 0, load_5m = 0, load_15m = 0;
  int processors = 1;
  int64_t memory_used_percent() const { return memory_total == 0 ? 0 : static_cast<int64_t>(100 * (memory_total - memory_free) / memory_total); }
  int64_t resident_percent() const { return memory_total == 0 ? 0 : static_cast<int64_t>(100 * resident / memory_total); }
  double disk_used_percent() const { return disk_total == 0 ? 0 : 100.0 * static_cast<double>(disk_total - disk_avail) / static_cast<double>(disk_total); }
};
Machine machine_now();

}  // namespace stele::elastic

#include "doors/elastic/machine.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace stele::elastic {

Machine machine_now() {
  Machine m;
  auto kb = [](std::istringstream& in) {
    uint64_t n = 0;
    in >> n;
    return n * 1024;
  };
  std::ifstream memory("/proc/meminfo");
  for (std::string line; std::getline(memory, line);) {
    std::istringstream in(line);
    std::string key;
    in >> key;
    if (key == "MemTotal:") m.memory_total = kb(in);
    else if (key == "MemAvailable:") m.memory_free = kb(in);
  }
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream in(line);
    std::string key;
    in >> key;
    if (key == "VmRSS:") m.resident = kb(in);
    else if (key == "VmSize:") m.virtual_size = kb(in);
    else if (key == "Threads:") in >> m.threads;
  }
  struct statvfs fs;
  if (::statvfs(".", &fs) == 0) {
    m.disk_total = static_cast<uint64_t>(fs.f_blocks) * fs.f_frsize;
    m.disk_free = static_cast<uint64_t>(fs.f_bfree) * fs.f_frsize;
    m.disk_avail = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
  }
  std::error_code none;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", none); !none && it != std::filesystem::directory_iterator(); it.increment(none)) ++m.open_files;
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) m.max_files = static_cast<int64_t>(limit.rlim_cur);
  rusage used;
  if (::getrusage(RUSAGE_SELF, &used) == 0) {
    m.cpu_ms = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
  }
  double load[3] = {0, 0, 0};
  if (::getloadavg(load, 3) == 3) {
    m.load_1m = load[0];
    m.load_5m = load[1];
    m.load_15m = load[2];
  }
  m.processors = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return m;
}

}  // namespace stele::elastic

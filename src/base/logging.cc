#include "base/logging.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"

namespace stele::logging {

std::atomic<Level> g_level{Level::kInfo};

namespace {
std::atomic<int> g_fd{2};
constexpr const char* kNames[] = {"DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "OFF"};
}  // namespace

void set_level(Level level) { g_level = level; }

void set_file(const std::string& path) {
  int fd = 2;
  if (!path.empty()) {
    fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) throw Error(ErrorCode::kIoError, fmt::format("could not open log file \"{}\"", path));
  }
  // The previous descriptor stays open: another thread may be writing to it.
  g_fd = fd;
}

void write(Level level, std::string_view message) {
  timespec ts;
  ::clock_gettime(CLOCK_REALTIME, &ts);
  tm parts;
  ::gmtime_r(&ts.tv_sec, &parts);
  std::string line = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z {} [{}] {}\n",
                                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                                 parts.tm_min, parts.tm_sec, ts.tv_nsec / 1000000,
                                 kNames[static_cast<size_t>(level)], ::syscall(SYS_gettid), message);
  // One write per line keeps lines whole between threads.
  ssize_t ignored = ::write(g_fd.load(), line.data(), line.size());
  (void)ignored;
}

void die(std::string_view message) {
  write(Level::kFatal, message);
  std::abort();
}

}  // namespace stele::logging

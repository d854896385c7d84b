// The server's own log (not the log of commits): one line a message to standard error or a file,
// with time, level and thread. Thread-safe; messages below the level cost one comparison.
#pragma once

#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace stele::logging {

enum class Level : uint8_t { kDebug, kInfo, kNotice, kWarning, kError, kFatal, kOff };

extern std::atomic<Level> g_level;

void set_level(Level level);
// Appends to the file from now on; empty: standard error. Throws kIoError when it cannot be opened.
void set_file(const std::string& path);
void write(Level level, std::string_view message);

template <typename... Args>
inline void log(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (level >= g_level.load(std::memory_order_relaxed)) {
    write(level, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
inline void debug(fmt::format_string<Args...> f, Args&&... a) { log(Level::kDebug, f, std::forward<Args>(a)...); }
template <typename... Args>
inline void info(fmt::format_string<Args...> f, Args&&... a) { log(Level::kInfo, f, std::forward<Args>(a)...); }
template <typename... Args>
inline void warning(fmt::format_string<Args...> f, Args&&... a) { log(Level::kWarning, f, std::forward<Args>(a)...); }
template <typename... Args>
inline void error(fmt::format_string<Args...> f, Args&&... a) { log(Level::kError, f, std::forward<Args>(a)...); }
// Writes the message and ends the process at once: state that must not be acted on, as after a failed sync.
[[noreturn]] void die(std::string_view message);

}  // namespace stele::logging

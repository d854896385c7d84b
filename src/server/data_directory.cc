#include "server/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"

namespace stele::server {

DataDirectoryLock::DataDirectoryLock(const std::string& directory) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed)
    throw Error(ErrorCode::kIoError, fmt::format("could not create the data folder \"{}\": {}", directory, failed.message()));
  std::string path = directory + "/stele.lock";
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0)
    throw Error(ErrorCode::kIoError, fmt::format("could not open \"{}\": {}", path, std::strerror(errno)))
        .hint("The server needs to write to its data folder. Choose another one with -D.");
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = "";
    ssize_t n = ::read(fd_, pid, sizeof pid - 1);
    ::close(fd_);
    std::string holder(pid, n > 0 ? static_cast<size_t>(n) : 0);
    throw Error(ErrorCode::kObjectInUse, fmt::format("the data folder \"{}\" is in use by another server{}", directory,
                                                     holder.empty() ? "" : " (process " + holder + ")"))
        .hint("Stop that server, or start this one with another folder (-D).");
  }
  std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, pid.data(), pid.size(), 0) < 0) {
    // The lock counts, the number is a courtesy.
  }
}

DataDirectoryLock::~DataDirectoryLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace stele::server

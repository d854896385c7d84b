// The data folder's lock: one server a folder.
#pragma once

#include <string>

namespace stele::server {

class DataDirectoryLock {
 public:
  // Creates the folder if needed; throws Error(kObjectInUse) when another process holds it.
  explicit DataDirectoryLock(const std::string& directory);
  ~DataDirectoryLock();
  DataDirectoryLock(const DataDirectoryLock&) = delete;
  DataDirectoryLock& operator=(const DataDirectoryLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace stele::server

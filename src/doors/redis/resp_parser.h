// Requests of the Redis protocol: arrays of bulk strings, and inline commands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stele::doors::redis {

class RespParser {
 public:
  enum class Outcome : uint8_t { kMore, kRequest, kError };
  // Looks for one request at the front of `in`. kRequest: argv() views into `in` (or into the parser
  // for inline commands) and consumed() bytes belong to it; empty argv means nothing to do. kMore
  // remembers how far it got; the next call must begin with the same bytes.
  Outcome parse(std::string_view in, int64_t max_bulk, bool authenticated);
  const std::vector<std::string_view>& argv() const { return argv_; }
  size_t consumed() const { return at_; }
  const std::string& error() const { return error_; }
  // Bytes known to be missing from a large bulk string.
  void reset() { at_ = 0; left_ = -1; spans_.clear(); bulk_ = -1; }

 private:
  Outcome fail(std::string text);
  Outcome parse_inline(std::string_view in);
  struct Span { size_t at, size; };
  size_t at_ = 0;
  int64_t left_ = -1, bulk_ = -1;
  std::vector<Span> spans_;
  std::vector<std::string_view> argv_;
  std::vector<std::string> words_;
  std::string error_;
};

}  // namespace stele::doors::redis

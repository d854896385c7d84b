// Building blocks of the PostgreSQL wire protocol: backend messages appended to a string, frontend
// message bodies read with bounds checks.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/codec.h"
#include "base/error.h"
#include "query/execution.h"
#include "types/context.h"

namespace stele::doors::postgres {

// Starts a message at construction and patches its length at destruction.
class Message {
 public:
  Message(std::string& out, char type) : out_(out) {
    out_.push_back(type);
    start_ = out_.size();
    out_.append(4, '\0');
  }
  ~Message() { store_be32(out_.data() + start_, static_cast<uint32_t>(out_.size() - start_)); }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  Message& byte(char c) { out_.push_back(c); return *this; }
  Message& i16(int v) { put_be16(out_, static_cast<uint16_t>(v)); return *this; }
  Message& i32(int64_t v) { put_be32(out_, static_cast<uint32_t>(v)); return *this; }
  Message& bytes(std::string_view s) { out_.append(s); return *this; }
  Message& cstr(std::string_view s) { out_.append(s); out_.push_back('\0'); return *this; }
  std::string& out() { return out_; }

 private:
  std::string& out_;
  size_t start_;
};

// The body of a frontend message. Every read throws protocol_violation past the end.
class MessageReader {
 public:
  explicit MessageReader(std::string_view body) : rest_(body) {}
  std::string_view cstr();
  std::string_view bytes(size_t n);
  int16_t i16();
  int32_t i32();
  char byte();
  size_t left() const { return rest_.size(); }
  void end() const;  // throws when bytes are left over

 private:
  std::string_view rest_;
};

// ErrorResponse ('E') or NoticeResponse ('N').
void put_error(std::string& out, char type, const Error& error, std::string_view severity);
void put_parameter_status(std::string& out, std::string_view name, std::string_view value);
// RowDescription; formats as in Bind: none, one for all, or one a column.
void put_row_description(std::string& out, std::span<const query::OutputColumn> columns,
                         std::span<const int16_t> formats, EvalContext* eval);
inline int16_t format_of(std::span<const int16_t> formats, size_t column) {
  if (formats.empty()) return 0;
  return formats.size() == 1 ? formats[0] : formats[column];
}

// Errors after which PostgreSQL ends the connection.
bool is_fatal(const Error& error);

}  // namespace stele::doors::postgres

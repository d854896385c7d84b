// The one error type of the engine. Query-level failures are thrown as Error;
// expected outcomes in storage (not found, conflict, would block) are return
// values. The table errors.def gives every code its rendering in each door.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

namespace stele {

enum class ErrorCode : uint16_t {
#define STELE_ERROR(name, sqlstate, redis, elastic_type, http) name,
#include "base/errors.def"
#undef STELE_ERROR
};

// How one code reads in each protocol.
struct ErrorRendering {
  const char* name;          // enumerator, as documented
  const char* sqlstate;      // five characters
  const char* redis;         // prefix, "ERR" or "WRONGTYPE" and so on
  const char* elastic_type;  // the "type" member of an Elasticsearch error
  int http_status;           // Elasticsearch and Qdrant HTTP status
};
const ErrorRendering& rendering(ErrorCode code);

// Thrown by value, caught by const reference. Setters return *this&& so that
// `throw Error(...).detail(...).hint(...)` reads as one sentence.
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  Error&& detail(std::string s) && { detail_ = std::move(s); return std::move(*this); }
  Error&& hint(std::string s) && { hint_ = std::move(s); return std::move(*this); }
  // 1-based character offset into the query text; 0 is unknown.
  Error&& position(int p) && { position_ = p; return std::move(*this); }
  Error&& context(std::string s) && { context_ = std::move(s); return std::move(*this); }
  // Names for PostgreSQL's s/t/c/d/n error fields; empty ones are left out.
  Error&& names(std::string schema, std::string table, std::string column = {},
                std::string type = {}, std::string constraint = {}) && {
    schema_ = std::move(schema); table_ = std::move(table); column_ = std::move(column);
    type_ = std::move(type); constraint_ = std::move(constraint);
    return std::move(*this);
  }
  void set_position(int p) { position_ = p; }
  // The position belongs to a query of a function's own ("q" and "p" of PostgreSQL's error fields).
  void set_internal(std::string query, int p) { internal_query_ = std::move(query); internal_position_ = p; position_ = 0; }
  const std::string& internal_query() const & { return internal_query_; }
  int internal_position() const { return internal_position_; }
  void set_detail(std::string s) { detail_ = std::move(s); }
  void set_hint(std::string s) { hint_ = std::move(s); }
  // Appends a line: what was running around the place of the error, innermost first.
  void add_context(std::string_view line) {
    if (!context_.empty()) context_ += '\n';
    context_ += line;
  }
  void set_context(std::string s) { context_ = std::move(s); }
  // An SQLSTATE of the user's own (RAISE ... USING ERRCODE); overrides the code's.
  void set_sqlstate(std::string s) { sqlstate_ = std::move(s); }

  ErrorCode code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& message() const { return message_; }
  const std::string& detail() const & { return detail_; }
  const std::string& hint() const & { return hint_; }
  const std::string& context() const & { return context_; }
  int position() const & { return position_; }
  const std::string& schema_name() const { return schema_; }
  const std::string& table_name() const { return table_; }
  const std::string& column_name() const { return column_; }
  const std::string& type_name() const { return type_; }
  const std::string& constraint_name() const { return constraint_; }
  std::string_view sqlstate() const {
    return sqlstate_.empty() ? std::string_view(rendering(code_).sqlstate) : sqlstate_;
  }

 private:
  ErrorCode code_;
  std::string message_, detail_, hint_, context_, schema_, table_, column_, type_, constraint_,
      sqlstate_, internal_query_;
  int position_ = 0, internal_position_ = 0;
};

// Cheap invariants stay on in release builds; failure aborts with a message.
[[noreturn]] void check_failed(const char* expr, const char* file, int line);
#define STELE_CHECK(expr) \
  ((expr) ? (void)0 : ::stele::check_failed(#expr, __FILE__, __LINE__))

}  // namespace stele

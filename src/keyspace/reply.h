// Assembles RESP2 or RESP3 replies at the end of an output buffer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stele::keyspace {

class Reply {
 public:
  explicit Reply(std::string* out, int resp = 2) : out_(out), resp_(resp) {}
  int resp() const { return resp_; }
  void set_resp(int v) { resp_ = v; }
  std::string& out() { return *out_; }
  void set_out(std::string* out) { out_ = out; }

  void raw(std::string_view s) { out_->append(s); }
  void ok() { raw("+OK\r\n"); }
  void simple(std::string_view s);
  // "-ERR text", or text as it stands when it begins with '-'. Line breaks become spaces.
  void error(std::string_view text);
  void integer(int64_t v);
  void bulk(std::string_view s);
  void bulk_int(int64_t v);
  void null();         // $-1 or _
  void null_array();   // *-1 or _
  void array(size_t n) { header('*', n); }
  void map(size_t pairs) { resp_ >= 3 ? header('%', pairs) : header('*', pairs * 2); }
  void set(size_t n) { header(resp_ >= 3 ? '~' : '*', n); }
  void push(size_t n) { header(resp_ >= 3 ? '>' : '*', n); }
  void attribute(size_t pairs) { header('|', pairs); }
  void boolean(bool v);
  void number(double v);          // RESP3 double, RESP2 bulk
  void human(long double v);      // a bulk string in RESP2, without an exponent
  void bignum(std::string_view s);
  void verbatim(std::string_view s, std::string_view ext = "txt");
  // Aggregates whose length is known at the end: text is inserted at the mark.
  size_t mark() const { return out_->size(); }
  void insert_array(size_t mark, size_t n) { insert(mark, '*', n); }
  void insert_set(size_t mark, size_t n) { insert(mark, resp_ >= 3 ? '~' : '*', n); }
  void insert_map(size_t mark, size_t pairs) { insert(mark, resp_ >= 3 ? '%' : '*', resp_ >= 3 ? pairs : pairs * 2); }

  // The first error text written since the caller reset it (for statistics).
  uint64_t errors = 0;
  std::string last_error;

 private:
  void header(char tag, size_t n);
  void insert(size_t mark, char tag, size_t n);
  std::string* out_;
  int resp_;
};

}  // namespace stele::keyspace

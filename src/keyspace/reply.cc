#include "keyspace/reply.h"

#include "keyspace/util.h"

namespace stele::keyspace {

static size_t write_header(char* buf, char tag, int64_t n) {
  buf[0] = tag;
  size_t len = 1 + format_i64(n, buf + 1);
  buf[len++] = '\r';
  buf[len++] = '\n';
  return len;
}
void Reply::header(char tag, size_t n) {
  char buf[32];
  out_->append(buf, write_header(buf, tag, static_cast<int64_t>(n)));
}
void Reply::insert(size_t mark, char tag, size_t n) {
  char buf[32];
  out_->insert(mark, buf, write_header(buf, tag, static_cast<int64_t>(n)));
}
void Reply::simple(std::string_view s) {
  out_->push_back('+');
  raw(s);
  raw("\r\n");
}
void Reply::error(std::string_view text) {
  ++errors;
  std::string line;
  if (text.empty() || text[0] != '-') line = "-ERR ";
  line += text;
  while (line.size() > 1 && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  last_error = line.substr(1);
  raw(line);
  raw("\r\n");
}
void Reply::integer(int64_t v) {
  if (v == 0) { raw(":0\r\n"); return; }
  if (v == 1) { raw(":1\r\n"); return; }
  char buf[32];
  out_->append(buf, write_header(buf, ':', v));
}
void Reply::bulk(std::string_view s) {
  char buf[32];
  size_t n = write_header(buf, '$', static_cast<int64_t>(s.size()));
  if (s.size() < 256) {
    // One growth for header, text and line end.
    char small[32 + 256 + 2];
    std::memcpy(small, buf, n);
    std::memcpy(small + n, s.data(), s.size());
    std::memcpy(small + n + s.size(), "\r\n", 2);
    out_->append(small, n + s.size() + 2);
    return;
  }
  out_->append(buf, n);
  out_->append(s);
  out_->append("\r\n", 2);
}
void Reply::bulk_int(int64_t v) {
  char buf[24];
  bulk({buf, format_i64(v, buf)});
}
void Reply::null() { raw(resp_ >= 3 ? "_\r\n" : "$-1\r\n"); }
void Reply::null_array() { raw(resp_ >= 3 ? "_\r\n" : "*-1\r\n"); }
void Reply::boolean(bool v) {
  if (resp_ >= 3) raw(v ? "#t\r\n" : "#f\r\n");
  else integer(v);
}
void Reply::number(double v) {
  std::string s = format_score(v);
  if (resp_ >= 3) {
    out_->push_back(',');
    raw(s);
    raw("\r\n");
  } else {
    bulk(s);
  }
}
void Reply::human(long double v) {
  if (resp_ < 3) { bulk(format_human(v)); return; }
  out_->push_back(',');
  raw(format_human(v));
  raw("\r\n");
}
void Reply::bignum(std::string_view s) {
  if (resp_ < 3) { bulk(s); return; }
  out_->push_back('(');
  raw(s);
  raw("\r\n");
}
void Reply::verbatim(std::string_view s, std::string_view ext) {
  if (resp_ < 3) { bulk(s); return; }
  header('=', s.size() + 4);
  raw(ext);
  raw(":");
  raw(s);
  raw("\r\n");
}

}  // namespace stele::keyspace

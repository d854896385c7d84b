#include "doors/redis/resp_parser.h"

#include "keyspace/util.h"

namespace stele::doors::redis {
namespace {
constexpr size_t kInlineMax = 64 * 1024;
}

RespParser::Outcome RespParser::fail(std::string text) {
  error_ = std::move(text);
  return Outcome::kError;
}

RespParser::Outcome RespParser::parse_inline(std::string_view in) {
  size_t eol = in.find('\n');
  if (eol == std::string_view::npos) {
    if (in.size() > kInlineMax) return fail("Protocol error: too big inline request");
    return Outcome::kMore;
  }
  std::string_view line = in.substr(0, eol);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  words_.clear();
  if (!keyspace::split_args(line, &words_)) return fail("Protocol error: unbalanced quotes in request");
  argv_.assign(words_.begin(), words_.end());
  at_ = eol + 1;
  return Outcome::kRequest;
}

RespParser::Outcome RespParser::parse(std::string_view in, int64_t max_bulk, bool authenticated) {
  auto line = [&](std::string_view* out) {
    const void* cr = std::memchr(in.data() + at_, '\r', in.size() - at_);
    if (cr == nullptr) return false;
    size_t end = static_cast<size_t>(static_cast<const char*>(cr) - in.data());
    if (end + 1 >= in.size()) return false;
    *out = in.substr(at_, end - at_);
    at_ = end + 2;
    return true;
  };
  // Short decimal numbers are the common case by far.
  auto number = [](std::string_view s, int64_t* v) {
    if (s.size() == 1 && s[0] >= '0' && s[0] <= '9') { *v = s[0] - '0'; return true; }
    return keyspace::parse_i64(s, v);
  };
  if (left_ < 0) {
    at_ = 0;
    if (in.empty()) return Outcome::kMore;
    if (in[0] != '*') return parse_inline(in);
    std::string_view head;
    if (!line(&head)) {
      if (in.size() > kInlineMax) return fail("Protocol error: too big mbulk count string");
      at_ = 0;
      return Outcome::kMore;
    }
    int64_t n;
    if (!number(head.substr(1), &n) || n > INT32_MAX) return fail("Protocol error: invalid multibulk length");
    if (n > 10 && !authenticated) return fail("Protocol error: unauthenticated multibulk length");
    argv_.clear();
    spans_.clear();
    if (n <= 0) return Outcome::kRequest;
    left_ = n;
    bulk_ = -1;
  }
  while (left_ > 0) {
    if (bulk_ < 0) {
      size_t before = at_;
      std::string_view head;
      if (at_ >= in.size() || !line(&head)) {
        if (in.size() - before > kInlineMax) return fail("Protocol error: too big bulk count string");
        at_ = before;
        return Outcome::kMore;
      }
      if (head.empty() || head[0] != '$') return fail(fmt::format("Protocol error: expected '$', got '{}'", head.empty() ? '\r' : head[0]));
      int64_t n;
      if (!number(head.substr(1), &n) || n < 0 || n > max_bulk) return fail("Protocol error: invalid bulk length");
      if (n > 16384 && !authenticated) return fail("Protocol error: unauthenticated bulk length");
      bulk_ = n;
    }
    if (in.size() - at_ < static_cast<size_t>(bulk_) + 2) return Outcome::kMore;
    spans_.push_back({at_, static_cast<size_t>(bulk_)});
    at_ += static_cast<size_t>(bulk_) + 2;
    bulk_ = -1;
    --left_;
  }
  argv_.clear();
  for (auto& s : spans_) argv_.push_back(in.substr(s.at, s.size));
  left_ = -1;
  return Outcome::kRequest;
}

}  // namespace stele::doors::redis

#include "sql/redis/resp_value.h"

#include "base/error.h"
#include "types/text.h"

namespace stele::sql::redis {

namespace {
RespValue parse_one(std::string_view& in) {
  RespValue v;
  size_t end = in.find("\r\n");
  if (in.empty() || end == std::string_view::npos) throw Error(ErrorCode::kInternalError, "a Redis reply is cut off");
  v.type = in[0];
  std::string line(in.substr(1, end - 1));
  in.remove_prefix(end + 2);
  auto count = [&] { return std::strtoll(line.c_str(), nullptr, 10); };
  switch (v.type) {
    case '$': case '=': {
      long long n = count();
      if (n < 0) { v.type = '_'; break; }
      v.text = in.substr(0, static_cast<size_t>(n));
      in.remove_prefix(static_cast<size_t>(n) + 2);
      if (v.type == '=') v.text.erase(0, 4);
      break;
    }
    case '*': case '~': case '>': case '%': {
      long long n = count();
      if (n < 0) { v.type = '_'; break; }
      if (v.type == '%') n *= 2;
      for (long long i = 0; i < n; ++i) v.items.push_back(parse_one(in));
      break;
    }
    default: v.text = std::move(line);
  }
  return v;
}
}  // namespace

RespValue parse_resp(std::string_view reply) { return parse_one(reply); }

void throw_error_reply(const RespValue& v) {
  if (v.type != '-') return;
  size_t space = v.text.find(' ');
  std::string code = v.text.substr(0, space), message = space == std::string::npos ? v.text : v.text.substr(space + 1);
  if (code == "WRONGTYPE") throw Error(ErrorCode::kRedisWrongType, message);
  if (code == "BUSYKEY") throw Error(ErrorCode::kRedisBusyKey, message);
  throw Error(ErrorCode::kInvalidParameterValue, code == "ERR" ? message : v.text);
}

std::string shown_text(std::string_view s) {
  if (is_valid_utf8(s) && s.find('\0') == std::string_view::npos) return std::string(s);
  std::string out;
  for (size_t i = 0; i < s.size();) {
    size_t n = 1;
    auto c = static_cast<unsigned char>(s[i]);
    if (c >= 0xc0) n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    std::string_view part = s.substr(i, n);
    if (c != 0 && part.size() == n && is_valid_utf8(part)) {
      out += part;
      i += n;
    } else {
      out += fmt::format("\\x{:02x}", c);
      ++i;
    }
  }
  return out;
}

void append_json_string(std::string& out, std::string_view bytes) {
  out += '"';
  for (char ch : shown_text(bytes)) {
    auto c = static_cast<unsigned char>(ch);
    if (c == '"' || c == '\\') { out += '\\'; out += ch; }
    else if (c < 0x20) out += fmt::format("\\u{:04x}", c);
    else out += ch;
  }
  out += '"';
}

static void append_json(std::string& out, const RespValue& v) {
  switch (v.type) {
    case '_': out += "null"; break;
    case ':': case '(': out += v.text; break;
    case ',':
      if (v.text.find_first_of("in") != std::string::npos) append_json_string(out, v.text);
      else out += v.text;
      break;
    case '#': out += v.text == "t" ? "true" : "false"; break;
    case '*': case '~': case '>':
      out += '[';
      for (size_t i = 0; i < v.items.size(); ++i) {
        if (i > 0) out += ", ";
        append_json(out, v.items[i]);
      }
      out += ']';
      break;
    case '%':
      out += '{';
      for (size_t i = 0; i + 1 < v.items.size(); i += 2) {
        if (i > 0) out += ", ";
        append_json_string(out, v.items[i].text);
        out += ": ";
        append_json(out, v.items[i + 1]);
      }
      out += '}';
      break;
    default: append_json_string(out, v.text);
  }
}
std::string resp_json(const RespValue& v) {
  std::string out;
  append_json(out, v);
  return out;
}

}  // namespace stele::sql::redis

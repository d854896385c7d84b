// Replies of Redis commands (RESP3) as values, and as JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stele::sql::redis {

struct RespValue {
  char type = '_';               // as on the wire: + - : $ , ( # = _ * ~ %
  std::string text;              // of scalars
  std::vector<RespValue> items;  // of aggregates; maps: key, value, ...
  bool null() const { return type == '_'; }
};

// One whole reply.
RespValue parse_resp(std::string_view reply);
// Throws what an error reply says.
void throw_error_reply(const RespValue& v);
std::string resp_json(const RespValue& v);
// Text for SQL: bytes that are no UTF-8 (or zero) are shown as \xNN.
std::string shown_text(std::string_view bytes);
void append_json_string(std::string& out, std::string_view bytes);

}  // namespace stele::sql::redis

#include "doors/postgres/messages.h"

#include "types/builtin.h"
#include "types/oids.h"

namespace stele::doors::postgres {
namespace {

[[noreturn]] void short_message() {
  throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
}

struct WireType { Oid type; int32_t typmod; int16_t length; };

// Clients are told the base type of a domain, as PostgreSQL does.
WireType wire_type(const query::OutputColumn& column, EvalContext* eval) {
  Oid type = column.type;
  int32_t typmod = column.typmod;
  for (int depth = 0; depth < 32; ++depth) {
    if (const BuiltinType* b = builtin::type(type)) return {type, typmod, b->len};
    if (eval == nullptr || eval->catalog == nullptr) break;
    auto facts = eval->catalog->type_facts(type);
    if (facts.kind == 'd' && facts.base != 0) {
      if (facts.typmod == -2) {   // a user's base type: its own name for another's values
        const BuiltinType* like = builtin::type(facts.base);
        return {type, -1, like != nullptr ? like->len : int16_t{-1}};
      }
      type = facts.base;
      if (facts.typmod >= 0) typmod = facts.typmod;
      continue;
    }
    return {type, typmod, static_cast<int16_t>(facts.kind == 'e' ? 4 : -1)};
  }
  return {type, typmod, -1};
}

}  // namespace

std::string_view MessageReader::cstr() {
  size_t n = rest_.find('\0');
  if (n == std::string_view::npos)
    throw Error(ErrorCode::kProtocolViolation, "invalid string in message");
  std::string_view s = rest_.substr(0, n);
  rest_.remove_prefix(n + 1);
  return s;
}
std::string_view MessageReader::bytes(size_t n) {
  if (n > rest_.size()) short_message();
  std::string_view s = rest_.substr(0, n);
  rest_.remove_prefix(n);
  return s;
}
int16_t MessageReader::i16() {
  std::string_view s = bytes(2);
  return static_cast<int16_t>(__builtin_bswap16(load_le<uint16_t>(s.data())));
}
int32_t MessageReader::i32() { return static_cast<int32_t>(load_be32(bytes(4).data())); }
char MessageReader::byte() {
  if (rest_.empty()) throw Error(ErrorCode::kProtocolViolation, "no data left in message");
  return bytes(1)[0];
}
void MessageReader::end() const {
  if (!rest_.empty()) throw Error(ErrorCode::kProtocolViolation, "invalid message format");
}

void put_error(std::string& out, char type, const Error& error, std::string_view severity) {
  Message m(out, type);
  auto field = [&](char code, std::string_view text) {
    if (text.empty()) return;
    m.byte(code);
    // A NUL inside a field would end it early and desynchronise the client.
    for (char c : text) m.byte(c == '\0' ? ' ' : c);
    m.byte('\0');
  };
  field('S', severity);
  field('V', severity);
  field('C', error.sqlstate());
  m.byte('M').cstr(error.message().empty() ? "missing error text" : error.message());
  field('D', error.detail());
  field('H', error.hint());
  if (error.position() > 0) field('P', std::to_string(error.position()));
  if (error.internal_position() > 0) field('p', std::to_string(error.internal_position()));
  field('q', error.internal_query());
  field('W', error.context());
  field('s', error.schema_name());
  field('t', error.table_name());
  field('c', error.column_name());
  field('d', error.type_name());
  field('n', error.constraint_name());
  field('F', "stele");
  field('L', std::to_string(static_cast<int>(error.code())));
  field('R', rendering(error.code()).name);
  m.byte('\0');
}

void put_parameter_status(std::string& out, std::string_view name, std::string_view value) {
  Message(out, 'S').cstr(name).cstr(value);
}

void put_row_description(std::string& out, std::span<const query::OutputColumn> columns,
                         std::span<const int16_t> formats, EvalContext* eval) {
  Message m(out, 'T');
  m.i16(static_cast<int>(columns.size()));
  for (size_t i = 0; i < columns.size(); ++i) {
    const query::OutputColumn& c = columns[i];
    WireType t = wire_type(c, eval);
    m.cstr(c.name).i32(c.origin_table).i16(c.origin_column).i32(t.type).i16(t.length).i32(t.typmod);
    m.i16(format_of(formats, i));
  }
}

bool is_fatal(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kAdminShutdown:
    case ErrorCode::kCrashShutdown:
    case ErrorCode::kCannotConnectNow:
    case ErrorCode::kDatabaseDropped:
    case ErrorCode::kIdleSessionTimeout:
    case ErrorCode::kIdleInTransactionSessionTimeout:
      return true;
    default:
      return false;
  }
}

}  // namespace stele::doors::postgres

// uuid: 16 bytes, ordered as bytes.
#include "base/clock.h"
#include "base/codec.h"
#include "base/error.h"
#include "types/function_helpers.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/type_registry.h"

namespace stele {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
Datum uuid_input(std::string_view s, int32_t, Arena& a, EvalContext&) {
  auto bad = [&] {
    return Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type uuid: \"{}\"", s));
  };
  std::string_view in = s;
  bool braces = !in.empty() && in[0] == '{';
  if (braces) in.remove_prefix(1);
  char bytes[16];
  for (int i = 0; i < 16; ++i) {
    if (in.size() < 2 || hex_value(in[0]) < 0 || hex_value(in[1]) < 0) throw bad();
    bytes[i] = static_cast<char>(hex_value(in[0]) * 16 + hex_value(in[1]));
    in.remove_prefix(2);
    // A dash may follow every second byte.
    if (!in.empty() && in[0] == '-' && i % 2 == 1 && i < 15) in.remove_prefix(1);
  }
  if (braces) {
    if (in.empty() || in[0] != '}') throw bad();
    in.remove_prefix(1);
  }
  if (!in.empty()) throw bad();
  return make_bytes(a, {bytes, 16});
}
void uuid_output(Datum v, std::string& out, EvalContext&) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string_view b = v.as_view();
  char text[36];
  char* p = text;
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *p++ = '-';
    *p++ = kHex[static_cast<unsigned char>(b[i]) >> 4];
    *p++ = kHex[static_cast<unsigned char>(b[i]) & 15];
  }
  out.append(text, 36);
}
Datum uuid_receive(std::string_view b, int32_t, Arena& a, EvalContext&) {
  if (b.size() < 16) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  if (b.size() > 16) throw Error(ErrorCode::kInvalidBinaryRepresentation, "incorrect binary data format");
  return make_bytes(a, b);
}
void uuid_sender(Datum v, std::string& out, EvalContext&) { out.append(v.as_view()); }

int compare_uuid(Datum a, Datum b, Oid) {
  int c = std::memcmp(a.as_varlena()->data, b.as_varlena()->data, 16);
  return c < 0 ? -1 : c > 0;
}
bool equal_uuid(Datum a, Datum b, Oid) { return std::memcmp(a.as_varlena()->data, b.as_varlena()->data, 16) == 0; }
uint64_t hash_uuid(Datum v, Oid) {
  const char* p = v.as_varlena()->data;
  return mix64(load_le<uint64_t>(p) ^ mix64(load_le<uint64_t>(p + 8)));
}
void encode_uuid(Datum v, Oid, std::string& out) { out.append(v.as_varlena()->data, 16); }
Datum decode_uuid(std::string_view& in, Arena& a) {
  Datum d = make_bytes(a, in.substr(0, 16));
  in.remove_prefix(16);
  return d;
}
void skip_uuid(std::string_view& in) { in.remove_prefix(16); }
int cmp_uuid(FnCall& c) { return compare_uuid(c.arg(0), c.arg(1), 0); }

}  // namespace

void register_uuid_types(TypeTable& t) {
  t.io(oid::kUuid, {uuid_input, uuid_output, uuid_receive, uuid_sender});
  t.ops(oid::kUuid, {compare_uuid, equal_uuid, hash_uuid, encode_uuid, decode_uuid, skip_uuid});
}

void register_uuid_functions(FunctionRegistry& r) {
  r.add("uuid_in", input_function<uuid_input>);
  r.add("uuid_out", output_function<uuid_output>);
  r.add("uuid_recv", input_function<uuid_receive>);
  r.add("uuid_send", output_function<uuid_sender>);
  add_comparisons<cmp_uuid>(r, "uuid_");
  // Shows how far apart the first differing bytes are, as PostgreSQL's does.
  r.add("uuid_cmp", [](FnCall& c) {
    const std::string_view a = c.text_arg(0), b = c.text_arg(1);
    for (size_t i = 0; i < 16; ++i) {
      if (a[i] != b[i]) return Datum::from_int(static_cast<uint8_t>(a[i]) - static_cast<uint8_t>(b[i]));
    }
    return Datum::from_int(0);
  });
  r.add("uuid_hash", [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_any(c.text_arg(0)))); });
  r.add("uuid_hash_extended", [](FnCall& c) {
    return Datum::from_int(static_cast<int64_t>(pg_hash_any_extended(c.text_arg(0), static_cast<uint64_t>(c.int_arg(1)))));
  });
  r.add("gen_random_uuid", [](FnCall& c) {
    // Not the session's random(): that one can be seeded.
    uint64_t words[2] = {secure_random(), secure_random()};
    char b[16];
    std::memcpy(b, words, 16);
    b[6] = static_cast<char>((b[6] & 0x0f) | 0x40);
    b[8] = static_cast<char>((b[8] & 0x3f) | 0x80);
    return c.text({b, 16});
  });
}

}  // namespace stele

// Text and binary forms, ordering and keys of text, varchar, bpchar, name, bytea, cstring, unknown.
#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/text.h"
#include "types/type_registry.h"

namespace stele {

void encode_collated_key(std::string_view s, Oid collation, std::string& out);
uint64_t hash_collated(std::string_view s, Oid collation);

namespace {

Datum text_in(std::string_view s, int32_t, Arena& arena, EvalContext&) { return make_bytes(arena, s); }
void text_out(Datum v, std::string& out, EvalContext&) { out.append(v.as_view()); }
Datum text_recv(std::string_view s, int32_t, Arena& arena, EvalContext&) {
  check_utf8(s);
  return make_bytes(arena, s);
}

// Cuts s to n characters when what is cut is blank or the cast is explicit, else raises.
std::string_view fit(std::string_view s, int32_t n, bool cut, const char* type) {
  if (s.size() <= static_cast<size_t>(n)) return s;
  size_t end = utf8_offset(s, static_cast<size_t>(n));
  if (end == s.size()) return s;
  if (!cut && s.find_first_not_of(' ', end) != std::string_view::npos)
    throw Error(ErrorCode::kStringDataRightTruncation, fmt::format("value too long for type {}({})", type, n));
  return s.substr(0, end);
}
Datum make_bpchar(std::string_view s, int32_t typmod, bool cut, Arena& arena) {
  if (typmod < 4) return make_bytes(arena, s);
  s = fit(s, typmod - 4, cut, "character");
  size_t chars = utf8_length(s), want = static_cast<size_t>(typmod - 4);
  if (want > 10485760) throw Error(ErrorCode::kProgramLimitExceeded, "requested length too large");
  size_t pad = chars < want ? want - chars : 0;
  Varlena* v = make_varlena(arena, s.size() + pad);
  if (!s.empty()) std::memcpy(v->data, s.data(), s.size());
  std::memset(v->data + s.size(), ' ', pad);
  return Datum::from_varlena(v);
}
Datum varchar_in(std::string_view s, int32_t typmod, Arena& arena, EvalContext&) {
  return make_bytes(arena, typmod < 4 ? s : fit(s, typmod - 4, false, "character varying"));
}
Datum varchar_recv(std::string_view s, int32_t typmod, Arena& arena, EvalContext& ctx) {
  check_utf8(s);
  return varchar_in(s, typmod, arena, ctx);
}
Datum bpchar_in(std::string_view s, int32_t typmod, Arena& arena, EvalContext&) {
  return make_bpchar(s, typmod, false, arena);
}
Datum bpchar_recv(std::string_view s, int32_t typmod, Arena& arena, EvalContext& ctx) {
  check_utf8(s);
  return bpchar_in(s, typmod, arena, ctx);
}
Datum name_in(std::string_view s, int32_t, Arena& arena, EvalContext&) {
  return make_bytes(arena, utf8_clip(s, kNameLength));
}
Datum name_recv(std::string_view s, int32_t typmod, Arena& arena, EvalContext& ctx) {
  check_utf8(s);
  if (s.size() > kNameLength)
    throw Error(ErrorCode::kNameTooLong, "identifier too long").detail("Identifier must be less than 64 characters.");
  return name_in(s, typmod, arena, ctx);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

// Also decode(..., 'hex').
void decode_hex(std::string_view s, std::string& out) {
  for (size_t i = 0; i < s.size();) {
    if (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
      ++i;
      continue;
    }
    auto digit = [&](size_t at) {
      int v = hex_value(s[at]);
      if (v < 0)
        throw Error(ErrorCode::kInvalidParameterValue,
                    fmt::format("invalid hexadecimal digit: \"{}\"", s.substr(at, utf8_front(s.substr(at)))));
      return v;
    };
    int high = digit(i++);
    if (i >= s.size()) throw Error(ErrorCode::kInvalidParameterValue, "invalid hexadecimal data: odd number of digits");
    out.push_back(static_cast<char>(high << 4 | digit(i++)));
  }
}

namespace {
Datum bytea_in(std::string_view s, int32_t, Arena& arena, EvalContext&) {
  std::string out;
  out.reserve(s.size());
  if (s.size() >= 2 && s[0] == '\\' && s[1] == 'x') {
    decode_hex(s.substr(2), out);
    return make_bytes(arena, out);
  }
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\\') {
      out.push_back(s[i]);
    } else if (i + 1 < s.size() && s[i + 1] == '\\') {
      out.push_back('\\');
      ++i;
    } else if (i + 3 < s.size() && s[i + 1] >= '0' && s[i + 1] <= '3' && s[i + 2] >= '0' && s[i + 2] <= '7' &&
               s[i + 3] >= '0' && s[i + 3] <= '7') {
      out.push_back(static_cast<char>((s[i + 1] - '0') << 6 | (s[i + 2] - '0') << 3 | (s[i + 3] - '0')));
      i += 3;
    } else {
      throw Error(ErrorCode::kInvalidTextRepresentation, "invalid input syntax for type bytea");
    }
  }
  return make_bytes(arena, out);
}
void bytea_out(Datum v, std::string& out, EvalContext& ctx) {
  std::string_view s = v.as_view();
  static const char kHex[] = "0123456789abcdef";
  if (ctx.bytea_output_hex) {
    out.reserve(out.size() + 2 + 2 * s.size());
    out += "\\x";
    for (char ch : s) {
      uint8_t b = static_cast<uint8_t>(ch);
      out += kHex[b >> 4];
      out += kHex[b & 15];
    }
    return;
  }
  for (char ch : s) {
    uint8_t b = static_cast<uint8_t>(ch);
    if (b == '\\') {
      out += "\\\\";
    } else if (b < 0x20 || b > 0x7e) {
      out += '\\';
      out += static_cast<char>('0' + (b >> 6));
      out += static_cast<char>('0' + (b >> 3 & 7));
      out += static_cast<char>('0' + (b & 7));
    } else {
      out += ch;
    }
  }
}

int text_cmp(Datum a, Datum b, Oid c) { return compare_text(a.as_view(), b.as_view(), c); }
bool text_eq(Datum a, Datum b, Oid c) { return equal_text(a.as_view(), b.as_view(), c); }
uint64_t text_hash(Datum v, Oid c) { return hash_collated(v.as_view(), c); }
void text_encode(Datum v, Oid c, std::string& out) { encode_collated_key(v.as_view(), c, out); }
Datum bytes_decode(std::string_view& in, Arena& arena) {
  std::string_view probe = in;
  size_t zero = probe.find('\0');
  // The usual key holds no zero but its end: copy once.
  if (zero != std::string_view::npos && zero + 1 < probe.size() && probe[zero + 1] == '\0') {
    in.remove_prefix(zero + 2);
    return make_bytes(arena, probe.substr(0, zero));
  }
  std::string s;
  decode_bytes_key(in, s);
  return make_bytes(arena, s);
}
int bytes_cmp(Datum a, Datum b, Oid) { return compare_text(a.as_view(), b.as_view(), oid::kCCollation); }
bool bytes_eq(Datum a, Datum b, Oid) { return a.as_view() == b.as_view(); }
uint64_t bytes_hash(Datum v, Oid) { return hash_bytes(v.as_view()); }
void bytes_encode(Datum v, Oid, std::string& out) { encode_bytes_key(v.as_view(), out); }

std::string_view trimmed(Datum v) {
  std::string_view s = v.as_view();
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}
int bpchar_cmp(Datum a, Datum b, Oid c) { return compare_text(trimmed(a), trimmed(b), c); }
bool bpchar_eq(Datum a, Datum b, Oid c) { return equal_text(trimmed(a), trimmed(b), c); }
uint64_t bpchar_hash(Datum v, Oid c) { return hash_collated(trimmed(v), c); }
void bpchar_encode(Datum v, Oid c, std::string& out) { encode_collated_key(trimmed(v), c, out); }

// varchar(value, typmod, explicit) and bpchar(...).
Datum varchar_coerce(FnCall& c) {
  int32_t typmod = static_cast<int32_t>(c.int_arg(1));
  std::string_view s = c.text_arg(0);
  if (typmod < 4 || s.size() <= static_cast<size_t>(typmod - 4)) return c.arg(0);
  return c.text(fit(s, typmod - 4, c.arg(2).as_bool(), "character varying"));
}
Datum bpchar_coerce(FnCall& c) {
  return make_bpchar(c.text_arg(0), static_cast<int32_t>(c.int_arg(1)), c.arg(2).as_bool(), *c.arena);
}

Datum char_typmod_in(FnCall& c, const char* type) {
  ArrayView a(c.arg(0));
  if (a.count() != 1) throw Error(ErrorCode::kInvalidParameterValue, "invalid type modifier");
  int64_t n = 0;
  for (char ch : a.get(0).as_view()) n = ch >= '0' && ch <= '9' && n < 100000000 ? n * 10 + (ch - '0') : -1;
  if (n < 1) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("length for type {} must be at least 1", type));
  if (n > 10485760)
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("length for type {} cannot exceed {}", type, 10485760));
  return Datum::from_int(n + 4);
}
Datum char_typmod_out(FnCall& c) {
  return c.text(c.int_arg(0) >= 4 ? fmt::format("({})", c.int_arg(0) - 4) : "");
}

}  // namespace

void register_text_types(TypeTable& t) {
  const TypeOps text{text_cmp, text_eq, text_hash, text_encode, bytes_decode, skip_bytes_key};
  const TypeOps bytes{bytes_cmp, bytes_eq, bytes_hash, bytes_encode, bytes_decode, skip_bytes_key};
  for (Oid type : {oid::kText, oid::kVarchar, oid::kUnknown, oid::kCstring, oid::kRefcursor}) t.ops(type, text);
  for (Oid type : {oid::kBytea, oid::kName}) t.ops(type, bytes);
  t.ops(oid::kBpchar, {bpchar_cmp, bpchar_eq, bpchar_hash, bpchar_encode, nullptr, skip_bytes_key});
  for (Oid type : {oid::kText, oid::kUnknown, oid::kCstring, oid::kRefcursor}) t.io(type, {text_in, text_out, text_recv, text_out});
  t.io(oid::kVarchar, {varchar_in, text_out, varchar_recv, text_out});
  t.io(oid::kBpchar, {bpchar_in, text_out, bpchar_recv, text_out});
  t.io(oid::kName, {name_in, text_out, name_recv, text_out});
  t.io(oid::kBytea, {bytea_in, bytea_out, text_in, text_out});
}

void register_text_io_functions(FunctionRegistry& r) {
  for (const char* n : {"textin", "cstring_in", "unknownin"}) r.add(n, &input_function<text_in>);
  for (const char* n : {"textrecv", "cstring_recv", "unknownrecv"}) r.add(n, &input_function<text_recv>);
  for (const char* n : {"textout", "cstring_out", "unknownout", "textsend", "cstring_send", "unknownsend", "varcharout",
                        "varcharsend", "bpcharout", "bpcharsend", "nameout", "namesend", "byteasend"})
    r.add(n, &output_function<text_out>);
  r.add("varcharin", &input_function<varchar_in>);
  r.add("varcharrecv", &input_function<varchar_recv>);
  r.add("bpcharin", &input_function<bpchar_in>);
  r.add("bpcharrecv", &input_function<bpchar_recv>);
  r.add("namein", &input_function<name_in>);
  r.add("namerecv", &input_function<name_recv>);
  r.add("byteain", &input_function<bytea_in>);
  r.add("byteaout", &output_function<bytea_out>);
  r.add("bytearecv", &input_function<text_in>);
  r.add("varchar", varchar_coerce);
  r.add("bpchar", bpchar_coerce);
  r.add("varchartypmodin", [](FnCall& c) { return char_typmod_in(c, "varchar"); });
  r.add("bpchartypmodin", [](FnCall& c) { return char_typmod_in(c, "char"); });
  r.add("varchartypmodout", char_typmod_out);
  r.add("bpchartypmodout", char_typmod_out);
}

}  // namespace stele

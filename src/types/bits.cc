// bit and bit varying. Payload: uint32 length in bits, then the bits, first bit highest, unused
// bits of the last byte zero.
#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/function.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/scalar_io.h"
#include "types/text.h"
#include "types/type_registry.h"

namespace stele {
namespace {

struct Bits {
  uint32_t length = 0;
  std::string bytes;

  Bits() = default;
  explicit Bits(uint32_t n) : length(n), bytes((n + 7) / 8, '\0') {}
  explicit Bits(Datum d) : length(load_le<uint32_t>(d.as_view().data())), bytes(d.as_view().substr(4)) {}
  bool get(uint32_t i) const { return static_cast<uint8_t>(bytes[i / 8]) >> (7 - i % 8) & 1; }
  void set(uint32_t i, bool v) {
    char mask = static_cast<char>(0x80u >> (i % 8));
    if (v) bytes[i / 8] = static_cast<char>(bytes[i / 8] | mask);
    else bytes[i / 8] = static_cast<char>(bytes[i / 8] & ~mask);
  }
  Datum make(Arena& arena) const {
    Varlena* v = make_varlena(arena, 4 + bytes.size());
    store_le(v->data, length);
    if (!bytes.empty()) std::memcpy(v->data + 4, bytes.data(), bytes.size());
    return Datum::from_varlena(v);
  }
  Bits resized(uint32_t n) const {
    Bits out(n);
    for (uint32_t i = 0; i < std::min(n, length); ++i) out.set(i, get(i));
    return out;
  }
  Bits slice(int64_t from, int64_t n) const {
    Bits out(static_cast<uint32_t>(n));
    for (int64_t i = 0; i < n; ++i) out.set(static_cast<uint32_t>(i), get(static_cast<uint32_t>(from + i)));
    return out;
  }
};

Bits parse(std::string_view text) {
  std::string_view s = text;
  bool hex = !s.empty() && (s[0] == 'x' || s[0] == 'X');
  if (!s.empty() && (hex || s[0] == 'b' || s[0] == 'B')) s.remove_prefix(1);
  Bits out(static_cast<uint32_t>(s.size() * (hex ? 4 : 1)));
  for (uint32_t i = 0; i < s.size(); ++i) {
    char c = s[i];
    auto bad = [&](const char* kind) {
      throw Error(ErrorCode::kInvalidTextRepresentation,
                  fmt::format("\"{}\" is not a valid {} digit", s.substr(i, utf8_front(s.substr(i))), kind));
    };
    if (!hex) {
      if (c != '0' && c != '1') bad("binary");
      out.set(i, c == '1');
      continue;
    }
    if (!std::isxdigit(static_cast<unsigned char>(c))) bad("hexadecimal");
    int v = std::isdigit(static_cast<unsigned char>(c)) ? c - '0' : (c | 32) - 'a' + 10;
    for (uint32_t k = 0; k < 4; ++k) out.set(4 * i + k, v >> (3 - k) & 1);
  }
  return out;
}

[[noreturn]] void wrong_length(uint32_t have, int32_t want) {
  throw Error(ErrorCode::kStringDataLengthMismatch, fmt::format("bit string length {} does not match type bit({})", have, want));
}
[[noreturn]] void too_long(int32_t want) {
  throw Error(ErrorCode::kStringDataRightTruncation, fmt::format("bit string too long for type bit varying({})", want));
}
Datum bit_in(std::string_view s, int32_t typmod, Arena& arena, EvalContext&) {
  Bits b = parse(s);
  if (typmod > 0 && b.length != static_cast<uint32_t>(typmod)) wrong_length(b.length, typmod);
  return b.make(arena);
}
Datum varbit_in(std::string_view s, int32_t typmod, Arena& arena, EvalContext&) {
  Bits b = parse(s);
  if (typmod > 0 && b.length > static_cast<uint32_t>(typmod)) too_long(typmod);
  return b.make(arena);
}
void bit_out(Datum v, std::string& out, EvalContext&) {
  Bits b(v);
  for (uint32_t i = 0; i < b.length; ++i) out += b.get(i) ? '1' : '0';
}
void bit_send(Datum v, std::string& out, EvalContext&) {
  Bits b(v);
  put_be32(out, b.length);
  out += b.bytes;
}
Bits receive(std::string_view s) {
  if (s.size() < 4) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  Bits b;
  b.length = load_be32(s.data());
  b.bytes = s.substr(4);
  if (b.length > INT32_MAX || b.bytes.size() != (size_t{b.length} + 7) / 8)
    throw Error(ErrorCode::kInvalidBinaryRepresentation, "invalid length in external bit string");
  if (b.length % 8 != 0) b.bytes.back() = static_cast<char>(b.bytes.back() & static_cast<char>(0xff00u >> (b.length % 8)));
  return b;
}
Datum bit_recv(std::string_view s, int32_t typmod, Arena& arena, EvalContext&) {
  Bits b = receive(s);
  if (typmod > 0 && b.length != static_cast<uint32_t>(typmod)) wrong_length(b.length, typmod);
  return b.make(arena);
}
Datum varbit_recv(std::string_view s, int32_t typmod, Arena& arena, EvalContext&) {
  Bits b = receive(s);
  if (typmod > 0 && b.length > static_cast<uint32_t>(typmod)) too_long(typmod);
  return b.make(arena);
}

int compare(Datum a, Datum b, Oid) {
  std::string_view x = a.as_view(), y = b.as_view();
  int c = compare_text(x.substr(4), y.substr(4), oid::kCCollation);
  size_t n = std::min(x.size(), y.size()) - 4;
  int common = n == 0 ? 0 : std::memcmp(x.data() + 4, y.data() + 4, n);
  if (common != 0) return c;
  uint32_t lx = load_le<uint32_t>(x.data()), ly = load_le<uint32_t>(y.data());
  return lx < ly ? -1 : lx > ly;
}
bool equal(Datum a, Datum b, Oid) { return a.as_view() == b.as_view(); }
uint64_t hash(Datum v, Oid) { return hash_bytes(v.as_view()); }
// The bytes as bytea's, then the length.
void encode(Datum v, Oid, std::string& out) {
  encode_bytes_key(v.as_view().substr(4), out);
  put_be32(out, load_le<uint32_t>(v.as_view().data()));
}
Datum decode(std::string_view& in, Arena& arena) {
  Bits b;
  decode_bytes_key(in, b.bytes);
  if (in.size() < 4) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
  b.length = load_be32(in.data());
  in.remove_prefix(4);
  return b.make(arena);
}
void skip(std::string_view& in) {
  skip_bytes_key(in);
  if (in.size() < 4) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
  in.remove_prefix(4);
}

template <char kOp>
Datum logic(FnCall& c) {
  Bits a(c.arg(0)), b(c.arg(1));
  if (a.length != b.length)
    throw Error(ErrorCode::kStringDataLengthMismatch,
                fmt::format("cannot {} bit strings of different sizes", kOp == '&' ? "AND" : kOp == '|' ? "OR" : "XOR"));
  for (size_t i = 0; i < a.bytes.size(); ++i) {
    int x = a.bytes[i], y = b.bytes[i];
    a.bytes[i] = static_cast<char>(kOp == '&' ? x & y : kOp == '|' ? x | y : x ^ y);
  }
  return a.make(*c.arena);
}
Bits shift(const Bits& a, int64_t n) {  // to the left
  Bits out(a.length);
  for (int64_t i = 0; i < a.length; ++i) {
    int64_t from = i + n;
    if (from >= 0 && from < a.length) out.set(static_cast<uint32_t>(i), a.get(static_cast<uint32_t>(from)));
  }
  return out;
}
Bits substr(const Bits& a, int64_t start, bool has_length, int64_t length) {
  int64_t end = int64_t{a.length} + 1;
  if (has_length) {
    if (length < 0) throw Error(ErrorCode::kSubstringError, "negative substring length not allowed");
    end = std::min(end, start + length);
  }
  start = std::max<int64_t>(start, 1);
  if (end <= start) return Bits(0);
  return a.slice(start - 1, end - start);
}
Bits concat(const Bits& a, const Bits& b) {
  Bits out = a.resized(a.length + b.length);
  for (uint32_t i = 0; i < b.length; ++i) out.set(a.length + i, b.get(i));
  return out;
}
Datum overlay(FnCall& c, int64_t start, int64_t length) {
  Bits a(c.arg(0)), b(c.arg(1));
  if (start <= 0) throw Error(ErrorCode::kSubstringError, "negative substring length not allowed");
  if (start + length > INT32_MAX) int_out_of_range(4);
  return concat(concat(substr(a, 1, true, start - 1), b), substr(a, start + length, false, 0)).make(*c.arena);
}
uint32_t index_arg(FnCall& c, const Bits& a) {
  int64_t i = c.int_arg(1);
  if (i < 0 || i >= a.length)
    throw Error(ErrorCode::kArraySubscriptError,
                fmt::format("bit index {} out of valid range (0..{})", i, int64_t{a.length} - 1));
  return static_cast<uint32_t>(i);
}
Datum from_int(FnCall& c, int width) {
  int64_t v = c.int_arg(0), typmod = c.int_arg(1);
  if (typmod <= 0) typmod = 1;
  Bits out(static_cast<uint32_t>(typmod));
  for (int64_t i = 0; i < typmod; ++i) {
    int64_t bit = typmod - 1 - i;
    out.set(static_cast<uint32_t>(i), bit >= width ? v < 0 : v >> bit & 1);
  }
  return out.make(*c.arena);
}
Datum to_int(FnCall& c, uint32_t width) {
  Bits a(c.arg(0));
  if (a.length > width) int_out_of_range(static_cast<int>(width / 8));
  uint64_t v = 0;
  for (uint32_t i = 0; i < a.length; ++i) v = v << 1 | (a.get(i) ? 1 : 0);
  return width == 32 ? Datum::from_int(static_cast<int32_t>(v)) : Datum{v};
}
Datum typmod_in(FnCall& c, const char* type) {
  ArrayView a(c.arg(0));
  if (a.count() != 1) throw Error(ErrorCode::kInvalidParameterValue, "invalid type modifier");
  int64_t n = parse_int4(a.get(0).as_view());
  if (n < 1) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("length for type {} must be at least 1", type));
  if (n > 83886080) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("length for type {} cannot exceed {}", type, 83886080));
  return Datum::from_int(n);
}

template <char kOp>
class BitAggregate : public AggregateState {
 public:
  void add(FnCall& c) override {
    Bits b(c.arg(0));
    if (!any_) {
      value_ = std::move(b);
      any_ = true;
      return;
    }
    if (b.length != value_.length)
      throw Error(ErrorCode::kStringDataLengthMismatch,
                  fmt::format("cannot {} bit strings of different sizes", kOp == '&' ? "AND" : kOp == '|' ? "OR" : "XOR"));
    for (size_t i = 0; i < b.bytes.size(); ++i) {
      int x = value_.bytes[i], y = b.bytes[i];
      value_.bytes[i] = static_cast<char>(kOp == '&' ? x & y : kOp == '|' ? x | y : x ^ y);
    }
  }
  Datum finish(FnCall& c) override { return any_ ? value_.make(*c.arena) : c.null(); }

 private:
  Bits value_;
  bool any_ = false;
};
template <typename T>
std::unique_ptr<AggregateState> make(FnCall&) { return std::make_unique<T>(); }

}  // namespace

void register_bits_types(TypeTable& t) {
  const TypeOps ops{compare, equal, hash, encode, decode, skip};
  t.ops(oid::kBit, ops);
  t.ops(oid::kVarbit, ops);
  t.io(oid::kBit, {bit_in, bit_out, bit_recv, bit_send});
  t.io(oid::kVarbit, {varbit_in, bit_out, varbit_recv, bit_send});
}

void register_bits_functions(FunctionRegistry& r) {
  r.add("bit_in", &input_function<bit_in>);
  r.add("varbit_in", &input_function<varbit_in>);
  r.add("bit_recv", &input_function<bit_recv>);
  r.add("varbit_recv", &input_function<varbit_recv>);
  r.add("bit_out", &output_function<bit_out>);
  r.add("varbit_out", &output_function<bit_out>);
  r.add("bit_send", &output_function<bit_send>);
  r.add("varbit_send", &output_function<bit_send>);
  r.add("bittypmodin", [](FnCall& c) { return typmod_in(c, "bit"); });
  r.add("varbittypmodin", [](FnCall& c) { return typmod_in(c, "varbit"); });
  for (const char* n : {"bittypmodout", "varbittypmodout"})
    r.add(n, [](FnCall& c) { return c.text(c.int_arg(0) >= 0 ? fmt::format("({})", c.int_arg(0)) : ""); });
  r.add("bit", [](FnCall& c) {
    Bits a(c.arg(0));
    int64_t n = c.int_arg(1);
    if (n <= 0 || a.length == static_cast<uint32_t>(n)) return c.arg(0);
    if (!c.arg(2).as_bool()) wrong_length(a.length, static_cast<int32_t>(n));
    return a.resized(static_cast<uint32_t>(n)).make(*c.arena);
  });
  r.add("varbit", [](FnCall& c) {
    Bits a(c.arg(0));
    int64_t n = c.int_arg(1);
    if (n <= 0 || a.length <= static_cast<uint32_t>(n)) return c.arg(0);
    if (!c.arg(2).as_bool()) too_long(static_cast<int32_t>(n));
    return a.resized(static_cast<uint32_t>(n)).make(*c.arena);
  });
  r.add("biteq", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) == 0); });
  r.add("bitne", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) != 0); });
  r.add("bitlt", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) < 0); });
  r.add("bitle", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) <= 0); });
  r.add("bitgt", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) > 0); });
  r.add("bitge", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) >= 0); });
  // Shows how far apart the first differing bytes are, as PostgreSQL's does.
  r.add("bitcmp", [](FnCall& c) {
    const Bits a(c.arg(0)), b(c.arg(1));
    for (size_t i = 0; i < std::min(a.bytes.size(), b.bytes.size()); ++i) {
      const int d = static_cast<uint8_t>(a.bytes[i]) - static_cast<uint8_t>(b.bytes[i]);
      if (d != 0) return Datum::from_int(d);
    }
    return Datum::from_int(compare(c.arg(0), c.arg(1), 0));
  });
  r.add("bit_and", logic<'&'>);
  r.add("bit_or", logic<'|'>);
  r.add("bitxor", logic<'^'>);
  r.add("bitnot", [](FnCall& c) {
    Bits a(c.arg(0));
    for (uint32_t i = 0; i < a.length; ++i) a.set(i, !a.get(i));
    return a.make(*c.arena);
  });
  r.add("bitshiftleft", [](FnCall& c) { return shift(Bits(c.arg(0)), c.int_arg(1)).make(*c.arena); });
  r.add("bitshiftright", [](FnCall& c) { return shift(Bits(c.arg(0)), -c.int_arg(1)).make(*c.arena); });
  r.add("bitcat", [](FnCall& c) { return concat(Bits(c.arg(0)), Bits(c.arg(1))).make(*c.arena); });
  r.add("bitsubstr", [](FnCall& c) { return substr(Bits(c.arg(0)), c.int_arg(1), true, c.int_arg(2)).make(*c.arena); });
  r.add("bitsubstr_no_len", [](FnCall& c) { return substr(Bits(c.arg(0)), c.int_arg(1), false, 0).make(*c.arena); });
  r.add("bitoverlay", [](FnCall& c) { return overlay(c, c.int_arg(2), c.int_arg(3)); });
  r.add("bitoverlay_no_len", [](FnCall& c) { return overlay(c, c.int_arg(2), Bits(c.arg(1)).length); });
  r.add("bitlength", [](FnCall& c) { return Datum::from_int(Bits(c.arg(0)).length); });
  r.add("sql:bit_length/bit", [](FnCall& c) { return Datum::from_int(Bits(c.arg(0)).length); });
  r.add("bitoctetlength", [](FnCall& c) { return Datum::from_int(static_cast<int64_t>(Bits(c.arg(0)).bytes.size())); });
  r.add("bitposition", [](FnCall& c) {
    Bits a(c.arg(0)), b(c.arg(1));
    if (b.length == 0) return Datum::from_int(a.length == 0 ? 0 : 1);
    for (uint32_t i = 0; i + b.length <= a.length; ++i) {
      bool same = true;
      for (uint32_t k = 0; k < b.length && same; ++k) same = a.get(i + k) == b.get(k);
      if (same) return Datum::from_int(int64_t{i} + 1);
    }
    return Datum::from_int(0);
  });
  r.add("bitgetbit", [](FnCall& c) {
    Bits a(c.arg(0));
    return Datum::from_int(a.get(index_arg(c, a)));
  });
  r.add("bitsetbit", [](FnCall& c) {
    Bits a(c.arg(0));
    uint32_t i = index_arg(c, a);
    if (c.int_arg(2) != 0 && c.int_arg(2) != 1) throw Error(ErrorCode::kInvalidParameterValue, "new bit must be 0 or 1");
    a.set(i, c.int_arg(2) == 1);
    return a.make(*c.arena);
  });
  r.add("bit_bit_count", [](FnCall& c) {
    int64_t n = 0;
    for (char ch : Bits(c.arg(0)).bytes) n += std::popcount(static_cast<uint8_t>(ch));
    return Datum::from_int(n);
  });
  r.add("bitfromint4", [](FnCall& c) { return from_int(c, 32); });
  r.add("bitfromint8", [](FnCall& c) { return from_int(c, 64); });
  r.add("bittoint4", [](FnCall& c) { return to_int(c, 32); });
  r.add("bittoint8", [](FnCall& c) { return to_int(c, 64); });
  r.add_aggregate("bit_and/bit", make<BitAggregate<'&'>>);
  r.add_aggregate("bit_or/bit", make<BitAggregate<'|'>>);
  r.add_aggregate("bit_xor/bit", make<BitAggregate<'^'>>);
}

}  // namespace stele

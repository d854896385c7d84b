// inet, cidr, macaddr and macaddr8.
//   inet, cidr payload: family (2 or 3, as on the wire), prefix bits, then 4 or 16 address bytes
//   macaddr: 6 bytes, macaddr8: 8 bytes
#include <arpa/inet.h>

#include "base/codec.h"
#include "base/error.h"
#include "types/function_helpers.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/type_registry.h"

namespace stele {

namespace {

struct Address {
  uint8_t family = 2;  // 2 IPv4, 3 IPv6
  uint8_t bits = 32;
  std::array<uint8_t, 16> bytes{};
  int size() const { return family == 2 ? 4 : 16; }
  int max_bits() const { return family == 2 ? 32 : 128; }
};
Address read(Datum d) {
  std::string_view v = d.as_view();
  Address a;
  a.family = static_cast<uint8_t>(v[0]);
  a.bits = static_cast<uint8_t>(v[1]);
  std::memcpy(a.bytes.data(), v.data() + 2, static_cast<size_t>(a.size()));
  return a;
}
Datum make(const Address& a, Arena& arena) {
  char b[18] = {static_cast<char>(a.family), static_cast<char>(a.bits)};
  std::memcpy(b + 2, a.bytes.data(), static_cast<size_t>(a.size()));
  return make_bytes(arena, {b, static_cast<size_t>(a.size()) + 2});
}
bool bit_at(const Address& a, int i) { return (a.bytes[static_cast<size_t>(i / 8)] >> (7 - i % 8) & 1) != 0; }
void set_bit(Address* a, int i, bool v) {
  uint8_t mask = static_cast<uint8_t>(1 << (7 - i % 8));
  uint8_t& b = a->bytes[static_cast<size_t>(i / 8)];
  b = static_cast<uint8_t>(v ? b | mask : b & ~mask);
}
bool host_bits_clear(const Address& a) {
  for (int i = a.bits; i < a.max_bits(); ++i)
    if (bit_at(a, i)) return false;
  return true;
}
void clear_host_bits(Address* a) {
  for (int i = a->bits; i < a->max_bits(); ++i) set_bit(a, i, false);
}

Address parse(std::string_view s, bool cidr) {
  const char* type = cidr ? "cidr" : "inet";
  auto bad = [&] { return Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type {}: \"{}\"", type, s)); };
  Address a;
  a.family = s.find(':') != std::string_view::npos ? 3 : 2;
  size_t slash = s.find('/');
  std::string address(s.substr(0, slash));
  int bits = -1;
  if (slash != std::string_view::npos) {
    std::string_view p = s.substr(slash + 1);
    if (p.empty() || p.size() > 3) throw bad();
    bits = 0;
    for (char c : p) {
      if (c < '0' || c > '9') throw bad();
      bits = bits * 10 + (c - '0');
    }
    if (p.size() > 1 && p[0] == '0') throw bad();
    if (bits > a.max_bits()) throw bad();
  }
  if (a.family == 3) {
    if (inet_pton(AF_INET6, address.c_str(), a.bytes.data()) != 1) throw bad();
  } else {
    // cidr takes abbreviated networks: missing bytes are zero.
    int parts = 0;
    size_t i = 0;
    for (;;) {
      if (i >= address.size() || address[i] < '0' || address[i] > '9' || parts == 4) throw bad();
      int v = 0;
      while (i < address.size() && address[i] >= '0' && address[i] <= '9') {
        v = v * 10 + (address[i++] - '0');
        if (v > 255) throw bad();
      }
      a.bytes[static_cast<size_t>(parts++)] = static_cast<uint8_t>(v);
      if (i == address.size()) break;
      if (address[i++] != '.') throw bad();
    }
    if (parts < 4 && !cidr && bits < 0) throw bad();
    if (cidr && bits < 0) {
      // The class of the first byte gives the smallest prefix, the bytes written widen it.
      uint8_t first = a.bytes[0];
      bits = first >= 240 ? 32 : first >= 224 ? 8 : first >= 192 ? 24 : first >= 128 ? 16 : 8;
      bits = std::max(bits, parts * 8);
      if (bits == 8 && first == 224) bits = 4;
    }
    if (!cidr && parts < 4 && bits > parts * 8) throw bad();
  }
  a.bits = static_cast<uint8_t>(bits < 0 ? a.max_bits() : bits);
  if (cidr && !host_bits_clear(a))
    throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid cidr value: \"{}\"", s)).detail("Value has bits set to right of mask.");
  return a;
}
std::string host_text(const Address& a) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(a.family == 2 ? AF_INET : AF_INET6, a.bytes.data(), text, sizeof text);
  return text;
}

Datum inet_input(std::string_view s, int32_t, Arena& a, EvalContext&) { return make(parse(s, false), a); }
Datum cidr_input(std::string_view s, int32_t, Arena& a, EvalContext&) { return make(parse(s, true), a); }
void inet_output(Datum v, std::string& out, EvalContext&) {
  Address a = read(v);
  out += host_text(a);
  if (a.bits != a.max_bits()) out += fmt::format("/{}", a.bits);
}
void cidr_output(Datum v, std::string& out, EvalContext&) {
  Address a = read(v);
  out += fmt::format("{}/{}", host_text(a), a.bits);
}
template <bool Cidr>
Datum network_receive(std::string_view b, int32_t, Arena& arena, EvalContext&) {
  const char* type = Cidr ? "cidr" : "inet";
  auto bad = [&](const char* what) {
    return Error(ErrorCode::kInvalidBinaryRepresentation, fmt::format("invalid {} in external \"{}\" value", what, type));
  };
  if (b.size() < 4) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  Address a;
  a.family = static_cast<uint8_t>(b[0]);
  if (a.family != 2 && a.family != 3) throw bad("address family");
  a.bits = static_cast<uint8_t>(b[1]);
  if (a.bits > a.max_bits()) throw bad("bits");
  if (static_cast<uint8_t>(b[3]) != a.size() || b.size() != static_cast<size_t>(a.size()) + 4) throw bad("length");
  std::memcpy(a.bytes.data(), b.data() + 4, static_cast<size_t>(a.size()));
  if (Cidr && !host_bits_clear(a))
    throw Error(ErrorCode::kInvalidBinaryRepresentation, "invalid external \"cidr\" value").detail("Value has bits set to right of mask.");
  return make(a, arena);
}
template <bool Cidr>
void network_sender(Datum v, std::string& out, EvalContext&) {
  Address a = read(v);
  out.push_back(static_cast<char>(a.family));
  out.push_back(static_cast<char>(a.bits));
  out.push_back(Cidr ? 1 : 0);
  out.push_back(static_cast<char>(a.size()));
  out.append(reinterpret_cast<const char*>(a.bytes.data()), static_cast<size_t>(a.size()));
}

int compare_prefix(const Address& a, const Address& b, int bits) {
  for (int i = 0; i < bits / 8; ++i)
    if (a.bytes[static_cast<size_t>(i)] != b.bytes[static_cast<size_t>(i)]) return a.bytes[static_cast<size_t>(i)] < b.bytes[static_cast<size_t>(i)] ? -1 : 1;
  for (int i = bits / 8 * 8; i < bits; ++i)
    if (bit_at(a, i) != bit_at(b, i)) return bit_at(a, i) ? 1 : -1;
  return 0;
}
int compare_address(const Address& a, const Address& b) {
  if (a.family != b.family) return a.family < b.family ? -1 : 1;
  if (int c = compare_prefix(a, b, std::min(a.bits, b.bits)); c != 0) return c;
  if (a.bits != b.bits) return a.bits < b.bits ? -1 : 1;
  return compare_prefix(a, b, a.max_bits());
}
int compare_network(Datum a, Datum b, Oid) { return compare_address(read(a), read(b)); }
bool equal_network(Datum a, Datum b, Oid) { return a.as_view() == b.as_view(); }
uint64_t hash_network(Datum v, Oid) { return hash_bytes(v.as_view()); }
// The network bits, their end, then the whole address.
void encode_network(Datum v, Oid, std::string& out) {
  Address a = read(v);
  out.push_back(static_cast<char>(a.family));
  // A byte a network bit, then a lower one: networks sort before what they contain.
  for (int i = 0; i < a.bits; ++i) out.push_back(bit_at(a, i) ? 2 : 1);
  out.push_back(0);
  out.append(reinterpret_cast<const char*>(a.bytes.data()), static_cast<size_t>(a.size()));
}
void skip_network(std::string_view& in) {
  size_t size = in[0] == 2 ? 4 : 16;
  size_t i = 1;
  while (i < in.size() && in[i] != 0) ++i;
  in.remove_prefix(std::min(in.size(), i + 1 + size));
}
Datum decode_network(std::string_view& in, Arena& arena) {
  Address a;
  a.family = static_cast<uint8_t>(in[0]);
  size_t i = 1;
  while (in[i] != 0) ++i;
  a.bits = static_cast<uint8_t>(i - 1);
  std::memcpy(a.bytes.data(), in.data() + i + 1, static_cast<size_t>(a.size()));
  in.remove_prefix(i + 1 + static_cast<size_t>(a.size()));
  return make(a, arena);
}
int cmp_network(FnCall& c) { return compare_address(read(c.arg(0)), read(c.arg(1))); }

bool within(const Address& a, const Address& b) { return a.family == b.family && compare_prefix(a, b, b.bits) == 0; }

template <typename F>
Datum combine(FnCall& c, const char* what, F f) {
  Address a = read(c.arg(0)), b = read(c.arg(1));
  if (a.family != b.family) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("cannot {} inet values of different sizes", what));
  for (size_t i = 0; i < static_cast<size_t>(a.size()); ++i) a.bytes[i] = f(a.bytes[i], b.bytes[i]);
  a.bits = std::max(a.bits, b.bits);
  return make(a, *c.arena);
}
Datum plus(FnCall& c, Address a, int64_t n) {
  bool negative = n < 0;
  int64_t carry = 0;
  for (int i = a.size() - 1; i >= 0; --i) {
    carry += a.bytes[static_cast<size_t>(i)] + (n & 0xff);
    a.bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(carry & 0xff);
    carry >>= 8;
    n >>= 8;
  }
  if (!((!negative && n == 0 && carry == 0) || (negative && n == -1 && carry == 1)))
    throw Error(ErrorCode::kNumericValueOutOfRange, "result is out of range");
  return make(a, *c.arena);
}
Datum minus(FnCall& c) {
  Address a = read(c.arg(0)), b = read(c.arg(1));
  if (a.family != b.family) throw Error(ErrorCode::kInvalidParameterValue, "cannot subtract inet values of different sizes");
  __int128 difference = 0;
  unsigned __int128 x = 0, y = 0;
  for (int i = 0; i < a.size(); ++i) {
    x = x << 8 | a.bytes[static_cast<size_t>(i)];
    y = y << 8 | b.bytes[static_cast<size_t>(i)];
  }
  bool less = x < y;
  unsigned __int128 magnitude = less ? y - x : x - y;
  if (magnitude > static_cast<unsigned __int128>(INT64_MAX)) throw Error(ErrorCode::kNumericValueOutOfRange, "result is out of range");
  difference = less ? -static_cast<__int128>(magnitude) : static_cast<__int128>(magnitude);
  return Datum::from_int(static_cast<int64_t>(difference));
}
Address with_mask(FnCall& c, bool clear) {
  Address a = read(c.arg(0));
  int64_t bits = c.int_arg(1);
  if (bits == -1) bits = a.max_bits();
  if (bits < 0 || bits > a.max_bits()) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid mask length: {}", bits));
  a.bits = static_cast<uint8_t>(bits);
  if (clear) clear_host_bits(&a);
  return a;
}
std::string abbreviated(const Address& a) {
  if (a.family == 3) return fmt::format("{}/{}", host_text(a), a.bits);
  std::string out;
  int bytes = std::max(1, (a.bits + 7) / 8);
  for (int i = 0; i < bytes; ++i) out += fmt::format("{}{}", i > 0 ? "." : "", a.bytes[static_cast<size_t>(i)]);
  return out + fmt::format("/{}", a.bits);
}

// ---- macaddr
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
bool blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
// Hex bytes of a hardware address; groups of 2, 4, 6 digits with one kind of separator, or none.
std::vector<uint8_t> mac_bytes(std::string_view s, const char* type) {
  auto bad = [&] { return Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type {}: \"{}\"", type, s)); };
  std::string_view in = s;
  while (!in.empty() && blank(in.front())) in.remove_prefix(1);
  while (!in.empty() && blank(in.back())) in.remove_suffix(1);
  std::vector<uint8_t> out;
  char separator = '\0';
  while (!in.empty()) {
    if (in.size() < 2 || hex_value(in[0]) < 0) throw bad();
    if (hex_value(in[1]) < 0) throw bad();
    out.push_back(static_cast<uint8_t>(hex_value(in[0]) * 16 + hex_value(in[1])));
    in.remove_prefix(2);
    if (!in.empty() && (in[0] == ':' || in[0] == '-' || in[0] == '.')) {
      if (separator == '\0') separator = in[0];
      if (in[0] != separator) throw bad();
      in.remove_prefix(1);
      if (in.empty()) throw bad();
    }
  }
  return out;
}
Datum macaddr_input(std::string_view s, int32_t, Arena& a, EvalContext&) {
  auto b = mac_bytes(s, "macaddr");
  if (b.size() != 6) throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type macaddr: \"{}\"", s));
  return make_bytes(a, {reinterpret_cast<char*>(b.data()), 6});
}
Datum macaddr8_input(std::string_view s, int32_t, Arena& a, EvalContext&) {
  auto b = mac_bytes(s, "macaddr8");
  if (b.size() == 6) b.insert(b.begin() + 3, {0xff, 0xfe});
  if (b.size() != 8) throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type macaddr8: \"{}\"", s));
  return make_bytes(a, {reinterpret_cast<char*>(b.data()), 8});
}
void mac_output(Datum v, std::string& out, EvalContext&) {
  bool first = true;
  for (char c : v.as_view()) {
    out += fmt::format("{}{:02x}", first ? "" : ":", static_cast<uint8_t>(c));
    first = false;
  }
}
template <size_t N>
Datum mac_receive(std::string_view b, int32_t, Arena& a, EvalContext&) {
  if (N == 8 && b.size() == 6) {
    std::string wide(b);
    wide.insert(3, "\xff\xfe");
    return make_bytes(a, wide);
  }
  if (b.size() != N) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  return make_bytes(a, b);
}
void raw_sender(Datum v, std::string& out, EvalContext&) { out.append(v.as_view()); }
int compare_raw(Datum a, Datum b, Oid) {
  int c = a.as_view().compare(b.as_view());
  return c < 0 ? -1 : c > 0;
}
bool equal_raw(Datum a, Datum b, Oid) { return a.as_view() == b.as_view(); }
void encode_raw(Datum v, Oid, std::string& out) { out.append(v.as_view()); }
template <size_t N>
Datum decode_raw(std::string_view& in, Arena& a) {
  Datum d = make_bytes(a, in.substr(0, N));
  in.remove_prefix(N);
  return d;
}
template <size_t N>
void skip_raw(std::string_view& in) { in.remove_prefix(N); }
int cmp_raw(FnCall& c) { return compare_raw(c.arg(0), c.arg(1), 0); }

template <typename F>
Datum map_bytes(FnCall& c, F f) {
  std::string out;
  std::string_view a = c.text_arg(0);
  for (size_t i = 0; i < a.size(); ++i) out.push_back(static_cast<char>(f(i)));
  return c.text(out);
}

void add_mac(FunctionRegistry& r, const std::string& p) {
  add_comparisons<cmp_raw>(r, p + "_");
  r.add(keep_name(p + "_and"), [](FnCall& c) { return map_bytes(c, [&](size_t i) { return c.text_arg(0)[i] & c.text_arg(1)[i]; }); });
  r.add(keep_name(p + "_or"), [](FnCall& c) { return map_bytes(c, [&](size_t i) { return c.text_arg(0)[i] | c.text_arg(1)[i]; }); });
  r.add(keep_name(p + "_not"), [](FnCall& c) { return map_bytes(c, [&](size_t i) { return ~c.text_arg(0)[i]; }); });
  r.add(keep_name(p + "_trunc"), [](FnCall& c) { return map_bytes(c, [&](size_t i) { return i < 3 ? c.text_arg(0)[i] : '\0'; }); });
  r.add(keep_name("hash" + p), [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_any(c.text_arg(0)))); });
  r.add(keep_name("hash" + p + "extended"), [](FnCall& c) {
    return Datum::from_int(static_cast<int64_t>(pg_hash_any_extended(c.text_arg(0), static_cast<uint64_t>(c.int_arg(1)))));
  });
  r.add(keep_name(p + "_out"), output_function<mac_output>);
  r.add(keep_name(p + "_send"), output_function<raw_sender>);
}

}  // namespace

void register_network_types(TypeTable& t) {
  t.io(oid::kInet, {inet_input, inet_output, network_receive<false>, network_sender<false>});
  t.io(oid::kCidr, {cidr_input, cidr_output, network_receive<true>, network_sender<true>});
  TypeOps network{compare_network, equal_network, hash_network, encode_network, decode_network, skip_network};
  t.ops(oid::kInet, network);
  t.ops(oid::kCidr, network);
  constexpr Oid kMacaddr8 = 774;
  t.io(oid::kMacaddr, {macaddr_input, mac_output, mac_receive<6>, raw_sender});
  t.io(kMacaddr8, {macaddr8_input, mac_output, mac_receive<8>, raw_sender});
  t.ops(oid::kMacaddr, {compare_raw, equal_raw, hash_network, encode_raw, decode_raw<6>, skip_raw<6>});
  t.ops(kMacaddr8, {compare_raw, equal_raw, hash_network, encode_raw, decode_raw<8>, skip_raw<8>});
}

void register_network_functions(FunctionRegistry& r) {
  r.add("inet_in", input_function<inet_input>);
  r.add("inet_out", output_function<inet_output>);
  r.add("inet_recv", input_function<network_receive<false>>);
  r.add("inet_send", output_function<network_sender<false>>);
  r.add("cidr_in", input_function<cidr_input>);
  r.add("cidr_out", output_function<cidr_output>);
  r.add("cidr_recv", input_function<network_receive<true>>);
  r.add("cidr_send", output_function<network_sender<true>>);
  add_comparisons<cmp_network>(r, "network_");
  r.add("network_larger", [](FnCall& c) { return cmp_network(c) > 0 ? c.arg(0) : c.arg(1); });
  r.add("network_smaller", [](FnCall& c) { return cmp_network(c) < 0 ? c.arg(0) : c.arg(1); });
  add_extremes(r, oid::kInet, "inet");
  r.add("hashinet", [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_any(c.text_arg(0)))); });
  r.add("hashinetextended", [](FnCall& c) {
    return Datum::from_int(static_cast<int64_t>(pg_hash_any_extended(c.text_arg(0), static_cast<uint64_t>(c.int_arg(1)))));
  });
  r.add("network_sub", [](FnCall& c) {
    Address a = read(c.arg(0)), b = read(c.arg(1));
    return Datum::from_bool(a.bits > b.bits && within(a, b));
  });
  r.add("network_subeq", [](FnCall& c) {
    Address a = read(c.arg(0)), b = read(c.arg(1));
    return Datum::from_bool(a.bits >= b.bits && within(a, b));
  });
  r.add("network_sup", [](FnCall& c) {
    Address a = read(c.arg(0)), b = read(c.arg(1));
    return Datum::from_bool(a.bits < b.bits && within(b, a));
  });
  r.add("network_supeq", [](FnCall& c) {
    Address a = read(c.arg(0)), b = read(c.arg(1));
    return Datum::from_bool(a.bits <= b.bits && within(b, a));
  });
  r.add("network_overlap", [](FnCall& c) {
    Address a = read(c.arg(0)), b = read(c.arg(1));
    return Datum::from_bool(a.family == b.family && compare_prefix(a, b, std::min(a.bits, b.bits)) == 0);
  });
  r.add("network_family", [](FnCall& c) { return Datum::from_int(read(c.arg(0)).family == 2 ? 4 : 6); });
  r.add("network_masklen", [](FnCall& c) { return Datum::from_int(read(c.arg(0)).bits); });
  r.add("network_host", [](FnCall& c) { return c.text(host_text(read(c.arg(0)))); });
  r.add("network_show", [](FnCall& c) {
    Address a = read(c.arg(0));
    return c.text(fmt::format("{}/{}", host_text(a), a.bits));
  });
  r.add("inet_abbrev", [](FnCall& c) {
    std::string out;
    inet_output(c.arg(0), out, *c.context);
    return c.text(out);
  });
  r.add("cidr_abbrev", [](FnCall& c) { return c.text(abbreviated(read(c.arg(0)))); });
  r.add("network_network", [](FnCall& c) {
    Address a = read(c.arg(0));
    clear_host_bits(&a);
    return make(a, *c.arena);
  });
  r.add("inet_to_cidr", [](FnCall& c) {
    Address a = read(c.arg(0));
    clear_host_bits(&a);
    return make(a, *c.arena);
  });
  r.add("network_broadcast", [](FnCall& c) {
    Address a = read(c.arg(0));
    for (int i = a.bits; i < a.max_bits(); ++i) set_bit(&a, i, true);
    return make(a, *c.arena);
  });
  r.add("network_netmask", [](FnCall& c) {
    Address a = read(c.arg(0));
    for (int i = 0; i < a.max_bits(); ++i) set_bit(&a, i, i < a.bits);
    a.bits = static_cast<uint8_t>(a.max_bits());
    return make(a, *c.arena);
  });
  r.add("network_hostmask", [](FnCall& c) {
    Address a = read(c.arg(0));
    for (int i = 0; i < a.max_bits(); ++i) set_bit(&a, i, i >= a.bits);
    a.bits = static_cast<uint8_t>(a.max_bits());
    return make(a, *c.arena);
  });
  r.add("inet_set_masklen", [](FnCall& c) { return make(with_mask(c, false), *c.arena); });
  r.add("cidr_set_masklen", [](FnCall& c) { return make(with_mask(c, true), *c.arena); });
  r.add("inet_same_family", [](FnCall& c) { return Datum::from_bool(read(c.arg(0)).family == read(c.arg(1)).family); });
  r.add("inet_merge", [](FnCall& c) {
    Address a = read(c.arg(0)), b = read(c.arg(1));
    if (a.family != b.family) throw Error(ErrorCode::kInvalidParameterValue, "cannot merge addresses from different families");
    int bits = 0;
    while (bits < std::min(a.bits, b.bits) && bit_at(a, bits) == bit_at(b, bits)) ++bits;
    a.bits = static_cast<uint8_t>(bits);
    clear_host_bits(&a);
    return make(a, *c.arena);
  });
  r.add("inetnot", [](FnCall& c) {
    Address a = read(c.arg(0));
    for (uint8_t& b : a.bytes) b = static_cast<uint8_t>(~b);
    return make(a, *c.arena);
  });
  r.add("inetand", [](FnCall& c) { return combine(c, "AND", [](uint8_t x, uint8_t y) { return static_cast<uint8_t>(x & y); }); });
  r.add("inetor", [](FnCall& c) { return combine(c, "OR", [](uint8_t x, uint8_t y) { return static_cast<uint8_t>(x | y); }); });
  r.add("inetpl", [](FnCall& c) { return plus(c, read(c.arg(0)), c.int_arg(1)); });
  r.add("sql:int8pl_inet/int8,inet", [](FnCall& c) { return plus(c, read(c.arg(1)), c.int_arg(0)); });
  r.add("inetmi_int8", [](FnCall& c) { return plus(c, read(c.arg(0)), static_cast<int64_t>(0 - static_cast<uint64_t>(c.int_arg(1)))); });
  r.add("inetmi", minus);

  r.add("macaddr_in", input_function<macaddr_input>);
  r.add("macaddr8_in", input_function<macaddr8_input>);
  r.add("macaddr_recv", input_function<mac_receive<6>>);
  r.add("macaddr8_recv", input_function<mac_receive<8>>);
  add_mac(r, "macaddr");
  add_mac(r, "macaddr8");
  r.add("macaddr8_set7bit", [](FnCall& c) { return map_bytes(c, [&](size_t i) { return i == 0 ? c.text_arg(0)[0] | 2 : c.text_arg(0)[i]; }); });
  r.add("macaddrtomacaddr8", [](FnCall& c) {
    std::string out(c.text_arg(0));
    out.insert(3, "\xff\xfe");
    return c.text(out);
  });
  r.add("macaddr8tomacaddr", [](FnCall& c) {
    std::string_view b = c.text_arg(0);
    if (b[3] != '\xff' || b[4] != '\xfe')
      throw Error(ErrorCode::kNumericValueOutOfRange, "macaddr8 data out of range to convert to macaddr")
          .hint("Only addresses that have FF and FE as values in the 4th and 5th bytes from the left, for example xx:xx:xx:ff:fe:xx:xx:xx, are eligible to be converted from macaddr8 to macaddr.");
    std::string out(b.substr(0, 3));
    out.append(b.substr(5));
    return c.text(out);
  });
}

}  // namespace stele

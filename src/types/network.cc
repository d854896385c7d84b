// inet, cidr, macaddr, macaddr8. Payload of inet and cidr: family (4 or 6), prefix length, the
// address's 4 or 16 bytes; of macaddr and macaddr8: 6 and 8 bytes.
#include <arpa/inet.h>

#include "base/codec.h"
#include "base/error.h"
#include "types/function.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/text.h"
#include "types/type_registry.h"

namespace stele {
namespace {

constexpr Oid kMacaddr8 = 774;

struct Inet {
  int family = 4;
  int bits = 32;
  std::array<uint8_t, 16> address{};

  Inet() = default;
  explicit Inet(Datum d) {
    std::string_view s = d.as_view();
    family = s[0];
    bits = static_cast<uint8_t>(s[1]);
    std::memcpy(address.data(), s.data() + 2, s.size() - 2);
  }
  int max_bits() const { return family == 4 ? 32 : 128; }
  size_t size() const { return family == 4 ? 4 : 16; }
  Datum make(Arena& arena) const {
    Varlena* v = make_varlena(arena, 2 + size());
    v->data[0] = static_cast<char>(family);
    v->data[1] = static_cast<char>(bits);
    std::memcpy(v->data + 2, address.data(), size());
    return Datum::from_varlena(v);
  }
  bool bit(int i) const { return address[static_cast<size_t>(i / 8)] >> (7 - i % 8) & 1; }
  // Keeps the first n bits; the others become `fill`.
  void mask(int n, bool fill = false) {
    for (int i = n; i < max_bits(); ++i) {
      uint8_t m = static_cast<uint8_t>(0x80u >> (i % 8));
      uint8_t& b = address[static_cast<size_t>(i / 8)];
      b = static_cast<uint8_t>(fill ? b | m : b & ~m);
    }
  }
  bool host_bits_clear() const {
    Inet copy = *this;
    copy.mask(bits);
    return copy.address == address;
  }
};

std::string address_text(const Inet& a) {
  char buffer[64];
  inet_ntop(a.family == 4 ? AF_INET : AF_INET6, a.address.data(), buffer, sizeof buffer);
  return buffer;
}

Inet parse(std::string_view text, bool cidr) {
  auto bad = [&]() {
    throw Error(ErrorCode::kInvalidTextRepresentation,
                fmt::format("invalid input syntax for type {}: \"{}\"", cidr ? "cidr" : "inet", text));
  };
  Inet a;
  size_t slash = text.find('/');
  std::string body(text.substr(0, slash));
  int bits = -1;
  if (slash != std::string_view::npos) {
    std::string_view n = text.substr(slash + 1);
    if (n.empty() || n.size() > 3) bad();
    bits = 0;
    for (char c : n) {
      if (c < '0' || c > '9') bad();
      bits = bits * 10 + (c - '0');
    }
  }
  if (body.find(':') != std::string::npos) {
    a.family = 6;
    if (inet_pton(AF_INET6, body.c_str(), a.address.data()) != 1) bad();
  } else {
    a.family = 4;
    size_t octets = 0;
    for (size_t i = 0; i < body.size();) {
      if (octets == 4 || !std::isdigit(static_cast<unsigned char>(body[i]))) bad();
      int v = 0;
      size_t from = i;
      while (i < body.size() && std::isdigit(static_cast<unsigned char>(body[i]))) v = v * 10 + (body[i++] - '0');
      if (v > 255 || i - from > 3) bad();
      a.address[octets++] = static_cast<uint8_t>(v);
      if (i < body.size() && (body[i] != '.' || ++i == body.size())) bad();
    }
    if (octets == 0 || (octets < 4 && !cidr && (bits < 0 || bits > static_cast<int>(octets) * 8))) bad();
    if (cidr && bits < 0) {
      // The classes of old give a network its size, at least what was written.
      uint8_t first = a.address[0];
      int by_class = first >= 240 ? 32 : first >= 224 ? 8 : first >= 192 ? 24 : first >= 128 ? 16 : 8;
      bits = std::max(by_class, static_cast<int>(octets) * 8);
      if (by_class == 8 && bits == 8 && first == 224) bits = 4;  // the multicast block as a whole
      if (octets == 4) bits = 32;
    }
  }
  a.bits = bits < 0 ? a.max_bits() : bits;
  if (a.bits > a.max_bits()) bad();
  if (cidr && !a.host_bits_clear())
    throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid cidr value: \"{}\"", text))
        .detail("Value has bits set to right of mask.");
  return a;
}

Datum inet_in(std::string_view s, int32_t, Arena& arena, EvalContext&) { return parse(s, false).make(arena); }
Datum cidr_in(std::string_view s, int32_t, Arena& arena, EvalContext&) { return parse(s, true).make(arena); }
void inet_out(Datum v, std::string& out, EvalContext&) {
  Inet a(v);
  out += address_text(a);
  if (a.bits != a.max_bits()) out += fmt::format("/{}", a.bits);
}
void cidr_out(Datum v, std::string& out, EvalContext&) {
  Inet a(v);
  out += fmt::format("{}/{}", address_text(a), a.bits);
}
template <bool kCidr>
void inet_send(Datum v, std::string& out, EvalContext&) {
  Inet a(v);
  out.push_back(static_cast<char>(a.family == 4 ? 2 : 3));
  out.push_back(static_cast<char>(a.bits));
  out.push_back(kCidr ? 1 : 0);
  out.push_back(static_cast<char>(a.size()));
  out.append(reinterpret_cast<const char*>(a.address.data()), a.size());
}
template <bool kCidr>
Datum inet_recv(std::string_view s, int32_t, Arena& arena, EvalContext&) {
  auto bad = [](const char* what) {
    throw Error(ErrorCode::kInvalidBinaryRepresentation,
                fmt::format("invalid {} in external \"{}\" value", what, kCidr ? "cidr" : "inet"));
  };
  if (s.size() < 4) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  Inet a;
  if (s[0] != 2 && s[0] != 3) bad("address family");
  a.family = s[0] == 2 ? 4 : 6;
  a.bits = static_cast<uint8_t>(s[1]);
  if (a.bits > a.max_bits()) bad("bits");
  if (static_cast<size_t>(s[3]) != a.size() || s.size() != 4 + a.size()) bad("length");
  std::memcpy(a.address.data(), s.data() + 4, a.size());
  if (kCidr && !a.host_bits_clear())
    throw Error(ErrorCode::kInvalidBinaryRepresentation, "invalid external \"cidr\" value")
        .detail("Value has bits set to right of mask.");
  return a.make(arena);
}

bool same_prefix(const Inet& a, const Inet& b, int n) {
  size_t whole = static_cast<size_t>(n / 8);
  if (std::memcmp(a.address.data(), b.address.data(), whole) != 0) return false;
  int rest = n % 8;
  return rest == 0 || (a.address[whole] ^ b.address[whole]) >> (8 - rest) == 0;
}
int compare_inet(const Inet& a, const Inet& b) {
  if (a.family != b.family) return a.family < b.family ? -1 : 1;
  int n = std::min(a.bits, b.bits);
  if (!same_prefix(a, b, n)) {
    int c = std::memcmp(a.address.data(), b.address.data(), a.size());
    return c < 0 ? -1 : 1;
  }
  if (a.bits != b.bits) return a.bits < b.bits ? -1 : 1;
  int c = std::memcmp(a.address.data(), b.address.data(), a.size());
  return c < 0 ? -1 : c > 0;
}
int compare(Datum a, Datum b, Oid) { return compare_inet(Inet(a), Inet(b)); }
bool equal(Datum a, Datum b, Oid) { return a.as_view() == b.as_view(); }
uint64_t hash(Datum v, Oid) { return hash_bytes(v.as_view()); }
// family, then for each bit of the network a byte 2 or 3, a byte 1 that ends it (so that a shorter
// network comes first), then the address: the order of compare_inet without arithmetic.
void encode(Datum v, Oid, std::string& out) {
  Inet a(v);
  out.push_back(static_cast<char>(a.family));
  for (int i = 0; i < a.bits; ++i) out.push_back(a.bit(i) ? 3 : 2);
  out.push_back(1);
  out.append(reinterpret_cast<const char*>(a.address.data()), a.size());
}
Datum decode(std::string_view& in, Arena& arena) {
  auto bad = [] { throw Error(ErrorCode::kIndexCorrupted, "index key is too short"); };
  if (in.size() < 2) bad();
  Inet a;
  a.family = in[0];
  in.remove_prefix(1);
  size_t end = in.find('\1');
  if (end == std::string_view::npos || in.size() < end + 1 + a.size()) bad();
  a.bits = static_cast<int>(end);
  std::memcpy(a.address.data(), in.data() + end + 1, a.size());
  in.remove_prefix(end + 1 + a.size());
  return a.make(arena);
}
void skip(std::string_view& in) {
  Arena arena;
  decode(in, arena);
}

bool contains(const Inet& a, const Inet& b, bool or_equal) {
  if (a.family != b.family) return false;
  return (or_equal ? b.bits >= a.bits : b.bits > a.bits) && same_prefix(a, b, a.bits);
}

[[noreturn]] void different_sizes(const char* op) {
  throw Error(ErrorCode::kInvalidParameterValue, fmt::format("cannot {} inet values of different sizes", op));
}

Datum offset(FnCall& c, Inet a, int64_t n) {
  // Sign-extended addition, byte by byte; a carry out of the top is an overflow.
  unsigned carry = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    size_t i = a.size() - 1 - k;
    unsigned byte = k < 8 ? static_cast<uint8_t>(n >> (8 * k)) : n < 0 ? 0xffu : 0u;
    unsigned v = a.address[i] + byte + carry;
    a.address[i] = static_cast<uint8_t>(v);
    carry = v >> 8;
  }
  bool fits = a.size() == 16 || (n >> 32 == 0 || n >> 32 == -1);
  if (!fits || carry != (n < 0 ? 1u : 0u)) throw Error(ErrorCode::kNumericValueOutOfRange, "result is out of range");
  return a.make(*c.arena);
}

std::string abbreviated(const Inet& a, bool cidr) {
  if (cidr && a.family == 6 && a.bits > 0 && a.bits < 128) {
    // Whole groups of the network alone, when none of them is zero.
    std::string s;
    bool plain = true;
    for (int i = 0; i < (a.bits + 15) / 16; ++i) {
      size_t k = static_cast<size_t>(2 * i);
      int group = a.address[k] << 8 | a.address[k + 1];
      plain = plain && group != 0;
      s += fmt::format("{}{:x}", i ? ":" : "", group);
    }
    if (plain) return s + fmt::format("/{}", a.bits);
  }
  if (!cidr || a.family == 6) {
    std::string s = address_text(a);
    if (cidr || a.bits != a.max_bits()) s += fmt::format("/{}", a.bits);
    return s;
  }
  std::string s;
  int octets = std::max(1, (a.bits + 7) / 8);
  if (a.bits == 0) octets = 1;
  for (int i = 0; i < octets; ++i) s += fmt::format("{}{}", i ? "." : "", a.address[static_cast<size_t>(i)]);
  return s + fmt::format("/{}", a.bits);
}

void register_inet(FunctionRegistry& r) {
  r.add("inet_in", &input_function<inet_in>);
  r.add("inet_out", &output_function<inet_out>);
  r.add("inet_recv", &input_function<inet_recv<false>>);
  r.add("inet_send", &output_function<inet_send<false>>);
  r.add("cidr_in", &input_function<cidr_in>);
  r.add("cidr_out", &output_function<cidr_out>);
  r.add("cidr_recv", &input_function<inet_recv<true>>);
  r.add("cidr_send", &output_function<inet_send<true>>);
  r.add("network_eq", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) == 0); });
  r.add("network_ne", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) != 0); });
  r.add("network_lt", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) < 0); });
  r.add("network_le", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) <= 0); });
  r.add("network_gt", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) > 0); });
  r.add("network_ge", [](FnCall& c) { return Datum::from_bool(compare(c.arg(0), c.arg(1), 0) >= 0); });
  // Shows how far apart the first differing bytes are, as PostgreSQL's does.
  r.add("network_cmp", [](FnCall& c) {
    const Inet a(c.arg(0)), b(c.arg(1));
    if (a.family != b.family) return Datum::from_int(a.family < b.family ? -1 : 1);
    auto bytes = [&](int n) {
      for (size_t i = 0; i < static_cast<size_t>(n / 8); ++i) {
        if (a.address[i] != b.address[i]) return a.address[i] - b.address[i];
      }
      return 0;
    };
    const int n = std::min(a.bits, b.bits);
    if (const int d = bytes(n); d != 0) return Datum::from_int(d);
    if (!same_prefix(a, b, n)) return Datum::from_int(compare_inet(a, b));
    return Datum::from_int(a.bits != b.bits ? a.bits - b.bits : bytes(a.max_bits()));
  });
  r.add("network_larger", [](FnCall& c) { return compare(c.arg(0), c.arg(1), 0) > 0 ? c.arg(0) : c.arg(1); });
  r.add("network_smaller", [](FnCall& c) { return compare(c.arg(0), c.arg(1), 0) < 0 ? c.arg(0) : c.arg(1); });
  // PostgreSQL calls the families 2 and 3.
  static constexpr auto kStored = [](Datum d) {
    std::string s(d.as_view());
    s[0] = s[0] == 4 ? 2 : 3;
    return s;
  };
  r.add("hashinet", [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_any(kStored(c.arg(0))))); });
  r.add("hashinetextended", [](FnCall& c) { return Datum{pg_hash_any_extended(kStored(c.arg(0)), c.arg(1).bits)}; });
  r.add("network_sub", [](FnCall& c) { return Datum::from_bool(contains(Inet(c.arg(1)), Inet(c.arg(0)), false)); });
  r.add("network_subeq", [](FnCall& c) { return Datum::from_bool(contains(Inet(c.arg(1)), Inet(c.arg(0)), true)); });
  r.add("network_sup", [](FnCall& c) { return Datum::from_bool(contains(Inet(c.arg(0)), Inet(c.arg(1)), false)); });
  r.add("network_supeq", [](FnCall& c) { return Datum::from_bool(contains(Inet(c.arg(0)), Inet(c.arg(1)), true)); });
  r.add("network_overlap", [](FnCall& c) {
    Inet a(c.arg(0)), b(c.arg(1));
    return Datum::from_bool(a.family == b.family && same_prefix(a, b, std::min(a.bits, b.bits)));
  });
  r.add("network_host", [](FnCall& c) { return c.text(address_text(Inet(c.arg(0)))); });
  r.add("network_show", [](FnCall& c) {
    Inet a(c.arg(0));
    return c.text(fmt::format("{}/{}", address_text(a), a.bits));
  });
  r.add("inet_abbrev", [](FnCall& c) { return c.text(abbreviated(Inet(c.arg(0)), false)); });
  r.add("cidr_abbrev", [](FnCall& c) { return c.text(abbreviated(Inet(c.arg(0)), true)); });
  r.add("network_masklen", [](FnCall& c) { return Datum::from_int(Inet(c.arg(0)).bits); });
  r.add("network_family", [](FnCall& c) { return Datum::from_int(Inet(c.arg(0)).family); });
  r.add("network_broadcast", [](FnCall& c) {
    Inet a(c.arg(0));
    a.mask(a.bits, true);
    return a.make(*c.arena);
  });
  for (const char* n : {"network_network", "inet_to_cidr"})
    r.add(n, [](FnCall& c) {
      Inet a(c.arg(0));
      a.mask(a.bits);
      return a.make(*c.arena);
    });
  r.add("network_netmask", [](FnCall& c) {
    Inet a(c.arg(0));
    a.address.fill(0xff);
    a.mask(a.bits);
    a.bits = a.max_bits();
    return a.make(*c.arena);
  });
  r.add("network_hostmask", [](FnCall& c) {
    Inet a(c.arg(0));
    a.address.fill(0);
    a.mask(a.bits, true);
    a.bits = a.max_bits();
    return a.make(*c.arena);
  });
  auto set_masklen = [](FnCall& c, bool cidr) {
    Inet a(c.arg(0));
    int64_t n = c.int_arg(1) == -1 ? a.max_bits() : c.int_arg(1);
    if (n < 0 || n > a.max_bits()) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid mask length: {}", n));
    a.bits = static_cast<int>(n);
    if (cidr) a.mask(a.bits);
    return a.make(*c.arena);
  };
  static const auto kSetMasklen = set_masklen;
  r.add("inet_set_masklen", [](FnCall& c) { return kSetMasklen(c, false); });
  r.add("cidr_set_masklen", [](FnCall& c) { return kSetMasklen(c, true); });
  r.add("inet_same_family", [](FnCall& c) { return Datum::from_bool(Inet(c.arg(0)).family == Inet(c.arg(1)).family); });
  r.add("inet_merge", [](FnCall& c) {
    Inet a(c.arg(0)), b(c.arg(1));
    if (a.family != b.family)
      throw Error(ErrorCode::kInvalidParameterValue, "cannot merge addresses from different families");
    int n = std::min(a.bits, b.bits);
    while (n > 0 && !same_prefix(a, b, n)) --n;
    a.bits = n;
    a.mask(n);
    return a.make(*c.arena);
  });
  r.add("inetnot", [](FnCall& c) {
    Inet a(c.arg(0));
    for (uint8_t& b : a.address) b = static_cast<uint8_t>(~b);
    return a.make(*c.arena);
  });
  r.add("inetand", [](FnCall& c) {
    Inet a(c.arg(0)), b(c.arg(1));
    if (a.family != b.family) different_sizes("AND");
    for (size_t i = 0; i < 16; ++i) a.address[i] &= b.address[i];
    a.bits = std::max(a.bits, b.bits);
    return a.make(*c.arena);
  });
  r.add("inetor", [](FnCall& c) {
    Inet a(c.arg(0)), b(c.arg(1));
    if (a.family != b.family) different_sizes("OR");
    for (size_t i = 0; i < 16; ++i) a.address[i] |= b.address[i];
    a.bits = std::max(a.bits, b.bits);
    return a.make(*c.arena);
  });
  r.add("inetpl", [](FnCall& c) { return offset(c, Inet(c.arg(0)), c.int_arg(1)); });
  r.add("sql:int8pl_inet/int8,inet", [](FnCall& c) { return offset(c, Inet(c.arg(1)), c.int_arg(0)); });
  r.add("inetmi_int8", [](FnCall& c) { return offset(c, Inet(c.arg(0)), -c.int_arg(1)); });
  r.add("inetmi", [](FnCall& c) {
    Inet a(c.arg(0)), b(c.arg(1));
    if (a.family != b.family)
      throw Error(ErrorCode::kInvalidParameterValue, "cannot subtract inet values of different sizes");
    __int128 v = 0;
    bool borrow = false, big = false;
    for (size_t k = 0; k < a.size(); ++k) {
      size_t i = a.size() - 1 - k;
      int d = a.address[i] - b.address[i] - borrow;
      borrow = d < 0;
      uint8_t byte = static_cast<uint8_t>(d);
      if (k < 8) v |= static_cast<__int128>(byte) << (8 * k);
      else big |= byte != (borrow ? 0xff : 0);
    }
    if (a.size() == 4 && borrow) v -= static_cast<__int128>(1) << 32;
    if (a.size() == 16) {
      int64_t low = static_cast<int64_t>(static_cast<uint64_t>(v));
      if (big || (low < 0) != borrow) throw Error(ErrorCode::kNumericValueOutOfRange, "result is out of range");
      v = low;
    }
    return Datum::from_int(static_cast<int64_t>(v));
  });
}

// ---- MAC addresses

template <size_t N>
std::string parse_mac(std::string_view text) {
  auto bad = [&]() {
    throw Error(ErrorCode::kInvalidTextRepresentation,
                fmt::format("invalid input syntax for type {}: \"{}\"", N == 6 ? "macaddr" : "macaddr8", text));
  };
  const std::string copy(text);
  std::string bytes;
  if constexpr (N == 6) {
    static constexpr const char* kForms[] = {"%x:%x:%x:%x:%x:%x%1s",     "%x-%x-%x-%x-%x-%x%1s",     "%2x%2x%2x:%2x%2x%2x%1s",
                                             "%2x%2x%2x-%2x%2x%2x%1s",   "%2x%2x.%2x%2x.%2x%2x%1s", "%2x%2x-%2x%2x-%2x%2x%1s",
                                             "%2x%2x%2x%2x%2x%2x%1s"};
    unsigned v[6];
    char junk[2];
    bool found = false;
    for (const char* form : kForms) {
      found = std::sscanf(copy.c_str(), form, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], junk) == 6;
      if (found) break;
    }
    if (!found) bad();
    for (const unsigned octet : v) {
      if (octet > 255)
        throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("invalid octet value in \"macaddr\" value: \"{}\"", text));
      bytes.push_back(static_cast<char>(octet));
    }
    return bytes;
  }
  // Pairs of digits, each perhaps followed by a separator, the same one throughout.
  size_t i = 0;
  char separator = 0;
  auto blank = [&](size_t k) { return k < copy.size() && std::isspace(static_cast<unsigned char>(copy[k])) != 0; };
  while (blank(i)) ++i;
  while (i + 1 < copy.size()) {
    if (bytes.size() == 8 || std::isxdigit(static_cast<unsigned char>(copy[i])) == 0 || std::isxdigit(static_cast<unsigned char>(copy[i + 1])) == 0) bad();
    bytes.push_back(static_cast<char>(std::stoi(copy.substr(i, 2), nullptr, 16)));
    i += 2;
    if (i < copy.size() && (copy[i] == ':' || copy[i] == '-' || copy[i] == '.')) {
      if (separator != 0 && separator != copy[i]) bad();
      separator = copy[i++];
    }
    if ((bytes.size() == 6 || bytes.size() == 8) && blank(i)) {
      while (blank(i)) ++i;
      if (i < copy.size()) bad();
    }
  }
  if (bytes.size() == 6) bytes.insert(3, "\xff\xfe");
  if (bytes.size() != 8) bad();
  return bytes;
}
template <size_t N>
Datum mac_in(std::string_view s, int32_t, Arena& arena, EvalContext&) { return make_bytes(arena, parse_mac<N>(s)); }
void mac_out(Datum v, std::string& out, EvalContext&) {
  bool first = true;
  for (char c : v.as_view()) {
    out += fmt::format("{}{:02x}", first ? "" : ":", static_cast<uint8_t>(c));
    first = false;
  }
}
template <size_t N>
Datum mac_recv(std::string_view s, int32_t, Arena& arena, EvalContext&) {
  if (N == 8 && s.size() == 6) return make_bytes(arena, std::string(s.substr(0, 3)) + "\xff\xfe" + std::string(s.substr(3)));
  if (s.size() != N) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  return make_bytes(arena, s);
}
void mac_send(Datum v, std::string& out, EvalContext&) { out += v.as_view(); }
int mac_compare(Datum a, Datum b, Oid) { return compare_text(a.as_view(), b.as_view(), oid::kCCollation); }
void mac_encode(Datum v, Oid, std::string& out) { out += v.as_view(); }
template <size_t N>
Datum mac_decode(std::string_view& in, Arena& arena) {
  if (in.size() < N) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
  Datum d = make_bytes(arena, in.substr(0, N));
  in.remove_prefix(N);
  return d;
}
template <size_t N>
void mac_skip(std::string_view& in) {
  if (in.size() < N) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
  in.remove_prefix(N);
}

void register_mac(FunctionRegistry& r) {
  r.add("macaddr_in", &input_function<mac_in<6>>);
  r.add("macaddr8_in", &input_function<mac_in<8>>);
  r.add("macaddr_recv", &input_function<mac_recv<6>>);
  r.add("macaddr8_recv", &input_function<mac_recv<8>>);
  for (const char* n : {"macaddr_out", "macaddr8_out"}) r.add(n, &output_function<mac_out>);
  for (const char* n : {"macaddr_send", "macaddr8_send"}) r.add(n, &output_function<mac_send>);
  for (const char* n : {"macaddr_eq", "macaddr8_eq"}) r.add(n, [](FnCall& c) { return Datum::from_bool(c.text_arg(0) == c.text_arg(1)); });
  for (const char* n : {"macaddr_ne", "macaddr8_ne"}) r.add(n, [](FnCall& c) { return Datum::from_bool(c.text_arg(0) != c.text_arg(1)); });
  for (const char* n : {"macaddr_lt", "macaddr8_lt"}) r.add(n, [](FnCall& c) { return Datum::from_bool(mac_compare(c.arg(0), c.arg(1), 0) < 0); });
  for (const char* n : {"macaddr_le", "macaddr8_le"}) r.add(n, [](FnCall& c) { return Datum::from_bool(mac_compare(c.arg(0), c.arg(1), 0) <= 0); });
  for (const char* n : {"macaddr_gt", "macaddr8_gt"}) r.add(n, [](FnCall& c) { return Datum::from_bool(mac_compare(c.arg(0), c.arg(1), 0) > 0); });
  for (const char* n : {"macaddr_ge", "macaddr8_ge"}) r.add(n, [](FnCall& c) { return Datum::from_bool(mac_compare(c.arg(0), c.arg(1), 0) >= 0); });
  for (const char* n : {"macaddr_cmp", "macaddr8_cmp"}) r.add(n, [](FnCall& c) { return Datum::from_int(mac_compare(c.arg(0), c.arg(1), 0)); });
  for (const char* n : {"hashmacaddr", "hashmacaddr8"})
    r.add(n, [](FnCall& c) { return Datum::from_int(static_cast<int32_t>(pg_hash_any(c.text_arg(0)))); });
  for (const char* n : {"hashmacaddrextended", "hashmacaddr8extended"})
    r.add(n, [](FnCall& c) { return Datum{pg_hash_any_extended(c.text_arg(0), c.arg(1).bits)}; });
  for (const char* n : {"macaddr_trunc", "macaddr8_trunc"})
    r.add(n, [](FnCall& c) {
      std::string s(c.text_arg(0));
      std::fill(s.begin() + 3, s.end(), '\0');
      return c.text(s);
    });
  for (const char* n : {"macaddr_not", "macaddr8_not"})
    r.add(n, [](FnCall& c) {
      std::string s(c.text_arg(0));
      for (char& ch : s) ch = static_cast<char>(~ch);
      return c.text(s);
    });
  for (const char* n : {"macaddr_and", "macaddr8_and"})
    r.add(n, [](FnCall& c) {
      std::string s(c.text_arg(0));
      for (size_t i = 0; i < s.size(); ++i) s[i] = static_cast<char>(s[i] & c.text_arg(1)[i]);
      return c.text(s);
    });
  for (const char* n : {"macaddr_or", "macaddr8_or"})
    r.add(n, [](FnCall& c) {
      std::string s(c.text_arg(0));
      for (size_t i = 0; i < s.size(); ++i) s[i] = static_cast<char>(s[i] | c.text_arg(1)[i]);
      return c.text(s);
    });
  r.add("macaddrtomacaddr8", [](FnCall& c) {
    std::string s(c.text_arg(0));
    s.insert(3, "\xff\xfe", 2);
    return c.text(s);
  });
  r.add("macaddr8tomacaddr", [](FnCall& c) {
    std::string s(c.text_arg(0));
    if (s[3] != '\xff' || s[4] != '\xfe')
      throw Error(ErrorCode::kNumericValueOutOfRange, "macaddr8 data out of range to convert to macaddr")
          .hint("Only addresses that have FF and FE as values in the 4th and 5th bytes from the left, for example xx:xx:xx:ff:fe:xx:xx:xx, are eligible to be converted from macaddr8 to macaddr.");
    s.erase(3, 2);
    return c.text(s);
  });
  r.add("macaddr8_set7bit", [](FnCall& c) {
    std::string s(c.text_arg(0));
    s[0] = static_cast<char>(s[0] | 0x02);
    return c.text(s);
  });
}

}  // namespace

void register_network_types(TypeTable& t) {
  const TypeOps ops{compare, equal, hash, encode, decode, skip};
  t.ops(oid::kInet, ops);
  t.ops(oid::kCidr, ops);
  t.io(oid::kInet, {inet_in, inet_out, inet_recv<false>, inet_send<false>});
  t.io(oid::kCidr, {cidr_in, cidr_out, inet_recv<true>, inet_send<true>});
  t.ops(oid::kMacaddr, {mac_compare, equal, hash, mac_encode, mac_decode<6>, mac_skip<6>});
  t.ops(kMacaddr8, {mac_compare, equal, hash, mac_encode, mac_decode<8>, mac_skip<8>});
  t.io(oid::kMacaddr, {mac_in<6>, mac_out, mac_recv<6>, mac_send});
  t.io(kMacaddr8, {mac_in<8>, mac_out, mac_recv<8>, mac_send});
}

void register_network_functions(FunctionRegistry& r) {
  register_inet(r);
  register_mac(r);
}

}  // namespace stele

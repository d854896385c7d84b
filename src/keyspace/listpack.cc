#include "keyspace/listpack.h"

#include <cstdlib>

#include "base/codec.h"
#include "base/error.h"
#include "keyspace/memory.h"
#include "keyspace/util.h"

namespace stele::keyspace {
namespace {

constexpr uint32_t kHeader = 6;

// Bytes of encoding and data, without the backward length, of the entry at p.
uint32_t body_bytes(const unsigned char* p) {
  unsigned char b = *p;
  if (b < 0x80) return 1;                       // 7-bit unsigned
  if ((b & 0xc0) == 0x80) return 1 + (b & 0x3f);  // 6-bit string
  if ((b & 0xe0) == 0xc0) return 2;             // 13-bit signed
  if ((b & 0xf0) == 0xe0) return 2 + ((b & 0x0fu) << 8 | p[1]);  // 12-bit string
  switch (b) {
    case 0xf0: return 5 + load_le<uint32_t>(reinterpret_cast<const char*>(p + 1));
    case 0xf1: return 3;
    case 0xf2: return 4;
    case 0xf3: return 5;
    case 0xf4: return 9;
    default: return 1;
  }
}
uint32_t backlen_bytes(uint32_t n) {
  return n < 128 ? 1 : n < 16384 ? 2 : n < 2097152 ? 3 : n < 268435456 ? 4 : 5;
}
// The backward length: base 128, most significant first, continuation bits on all but the first.
uint32_t put_backlen(char* out, uint32_t n) {
  uint32_t bytes = backlen_bytes(n);
  for (uint32_t i = 0; i < bytes; ++i)
    out[i] = static_cast<char>(((n >> (7 * (bytes - 1 - i))) & 0x7f) | (i == 0 ? 0 : 0x80));
  return bytes;
}

// Encodes into `head` what precedes the data; returns its length. Integers carry no data.
uint32_t encode_int(int64_t v, char* head) {
  auto put = [&](unsigned char tag, int bytes) {
    head[0] = static_cast<char>(tag);
    for (int i = 0; i < bytes; ++i) head[1 + i] = static_cast<char>(static_cast<uint64_t>(v) >> (8 * i));
    return static_cast<uint32_t>(1 + bytes);
  };
  if (v >= 0 && v <= 127) {
    head[0] = static_cast<char>(v);
    return 1;
  }
  if (v >= -4096 && v <= 4095) {
    uint32_t u = static_cast<uint32_t>(v) & 0x1fff;
    head[0] = static_cast<char>(0xc0 | (u >> 8));
    head[1] = static_cast<char>(u);
    return 2;
  }
  if (v >= INT16_MIN && v <= INT16_MAX) return put(0xf1, 2);
  if (v >= -8388608 && v <= 8388607) return put(0xf2, 3);
  if (v >= INT32_MIN && v <= INT32_MAX) return put(0xf3, 4);
  return put(0xf4, 8);
}
uint32_t encode_string_head(uint32_t n, char* head) {
  if (n < 64) {
    head[0] = static_cast<char>(0x80 | n);
    return 1;
  }
  if (n < 4096) {
    head[0] = static_cast<char>(0xe0 | (n >> 8));
    head[1] = static_cast<char>(n);
    return 2;
  }
  head[0] = static_cast<char>(0xf0);
  store_le<uint32_t>(head + 1, n);
  return 5;
}

}  // namespace

std::string_view LpValue::text(char* buf) const {
  if (data != nullptr) return {data, size};
  return {buf, format_i64(number, buf)};
}
std::string LpValue::str() const {
  char buf[24];
  return std::string(text(buf));
}
bool LpValue::equals(std::string_view s) const {
  if (data != nullptr) return s == std::string_view(data, size);
  char buf[24];
  return s == text(buf);
}

Listpack Listpack::create() {
  auto* p = static_cast<unsigned char*>(mem_alloc(kHeader + 1));
  store_le<uint32_t>(reinterpret_cast<char*>(p), kHeader + 1);
  p[4] = p[5] = 0;
  p[6] = 0xff;
  return Listpack(p);
}
Listpack Listpack::copy_of(std::string_view bytes) {
  auto* p = static_cast<unsigned char*>(mem_alloc(bytes.size()));
  std::memcpy(p, bytes.data(), bytes.size());
  return Listpack(p);
}
void Listpack::destroy() {
  mem_free(p_);
  p_ = nullptr;
}
uint32_t Listpack::total() const { return load_le<uint32_t>(reinterpret_cast<const char*>(p_)); }
uint32_t Listpack::size() const {
  uint16_t n = load_le<uint16_t>(reinterpret_cast<const char*>(p_ + 4));
  if (n != UINT16_MAX) return n;
  uint32_t count = 0;
  for (Pos at = first(); at != kNone; at = next(at)) ++count;
  return count;
}

bool Listpack::valid(std::string_view b, uint32_t multiple) {
  if (b.size() < kHeader + 1) return false;
  auto* p = reinterpret_cast<const unsigned char*>(b.data());
  if (load_le<uint32_t>(b.data()) != b.size() || p[b.size() - 1] != 0xff) return false;
  size_t at = kHeader, count = 0;
  while (at < b.size() - 1) {
    if (p[at] == 0xff) return false;
    size_t left = b.size() - 1 - at;
    unsigned char tag = p[at];
    size_t head = tag < 0xc0 ? 1 : tag < 0xe0 ? 2 : tag < 0xf0 ? 2 : tag == 0xf0 ? 5 : tag == 0xf1 ? 3
                  : tag == 0xf2 ? 4 : tag == 0xf3 ? 5 : tag == 0xf4 ? 9 : 0;
    if (head == 0 || head > left) return false;
    size_t body = body_bytes(p + at), back = backlen_bytes(static_cast<uint32_t>(body));
    if (body + back > left) return false;
    char expect[5];
    put_backlen(expect, static_cast<uint32_t>(body));
    if (std::memcmp(expect, p + at + body, back) != 0) return false;
    at += body + back;
    ++count;
  }
  uint16_t n = load_le<uint16_t>(b.data() + 4);
  if (n != UINT16_MAX && n != count) return false;
  return count % multiple == 0;
}

Listpack::Pos Listpack::first() const { return p_[kHeader] == 0xff ? kNone : kHeader; }
Listpack::Pos Listpack::last() const { return prev(total() - 1); }
Listpack::Pos Listpack::next(Pos at) const {
  uint32_t body = body_bytes(p_ + at);
  at += body + backlen_bytes(body);
  return p_[at] == 0xff ? kNone : at;
}
Listpack::Pos Listpack::prev(Pos at) const {
  if (at <= kHeader) return kNone;
  uint32_t body = 0, shift = 0, i = at - 1, bytes = 0;
  for (;;) {
    body |= (p_[i] & 0x7fu) << shift;
    ++bytes;
    if (!(p_[i] & 0x80)) break;
    shift += 7;
    --i;
  }
  return at - bytes - body;
}
Listpack::Pos Listpack::seek(int64_t index) const {
  uint32_t n = size();
  if (index < 0) index += n;
  if (index < 0 || index >= n) return kNone;
  if (index * 2 > n) {
    Pos at = last();
    for (int64_t i = n - 1; i > index; --i) at = prev(at);
    return at;
  }
  Pos at = first();
  while (index-- > 0) at = next(at);
  return at;
}

LpValue Listpack::get(Pos at) const {
  const unsigned char* p = p_ + at;
  const char* c = reinterpret_cast<const char*>(p);
  unsigned char b = *p;
  if (b < 0x80) return {nullptr, 0, b};
  if ((b & 0xc0) == 0x80) return {c + 1, b & 0x3fu, 0};
  if ((b & 0xe0) == 0xc0) {
    int32_t v = ((b & 0x1f) << 8) | p[1];
    return {nullptr, 0, v >= 4096 ? v - 8192 : v};
  }
  if ((b & 0xf0) == 0xe0) return {c + 2, (b & 0x0fu) << 8 | p[1], 0};
  switch (b) {
    case 0xf0: return {c + 5, load_le<uint32_t>(c + 1), 0};
    case 0xf1: return {nullptr, 0, load_le<int16_t>(c + 1)};
    case 0xf2: {
      int32_t v = p[1] | p[2] << 8 | p[3] << 16;
      return {nullptr, 0, v >= 8388608 ? v - 16777216 : v};
    }
    case 0xf3: return {nullptr, 0, load_le<int32_t>(c + 1)};
    default: return {nullptr, 0, load_le<int64_t>(c + 1)};
  }
}
int64_t Listpack::get_int(Pos at) const {
  LpValue v = get(at);
  if (v.data == nullptr) return v.number;
  int64_t n = 0;
  parse_i64({v.data, v.size}, &n);
  return n;
}

Listpack::Pos Listpack::find(Pos from, std::string_view s, uint32_t skip) const {
  int64_t number;
  bool numeric = s.size() <= 20 && parse_i64(s, &number);
  uint32_t left = 0;
  for (Pos at = from; at != kNone; at = next(at)) {
    if (left > 0) {
      --left;
      continue;
    }
    LpValue v = get(at);
    if (v.data != nullptr ? (v.size == s.size() && std::memcmp(v.data, s.data(), s.size()) == 0)
                          : (numeric && v.number == number))
      return at;
    left = skip;
  }
  return kNone;
}

Listpack::Pos Listpack::splice(Pos at, uint32_t remove, const char* bytes, uint32_t n,
                               int32_t count_change) {
  uint32_t old = total(), fresh = old - remove + n;
  if (fresh > old) p_ = static_cast<unsigned char*>(mem_resize(p_, fresh));
  std::memmove(p_ + at + n, p_ + at + remove, old - at - remove);
  if (n > 0) std::memcpy(p_ + at, bytes, n);
  if (fresh < old) p_ = static_cast<unsigned char*>(mem_resize(p_, fresh));
  char* c = reinterpret_cast<char*>(p_);
  store_le<uint32_t>(c, fresh);
  uint16_t count = load_le<uint16_t>(c + 4);
  if (count != UINT16_MAX) {
    int64_t changed = int64_t{count} + count_change;
    store_le<uint16_t>(c + 4, static_cast<uint16_t>(std::min<int64_t>(changed, UINT16_MAX)));
  }
  return at;
}

namespace {
// Builds a whole entry in a small buffer or, for long strings, in `large`.
std::string_view encode_entry(std::string_view s, char* small, std::string* large) {
  int64_t v;
  uint32_t head;
  if (s.size() <= 20 && parse_i64(s, &v)) {
    head = encode_int(v, small);
    return {small, head + put_backlen(small + head, head)};
  }
  char h[5];
  head = encode_string_head(static_cast<uint32_t>(s.size()), h);
  uint32_t body = head + static_cast<uint32_t>(s.size());
  char* out = small;
  if (body + 5 > 128) {
    large->resize(body + 5);
    out = large->data();
  }
  std::memcpy(out, h, head);
  std::memcpy(out + head, s.data(), s.size());
  return {out, body + put_backlen(out + body, body)};
}
}  // namespace

uint32_t Listpack::entry_bytes(std::string_view s) {
  int64_t v;
  char h[16];
  uint32_t body = s.size() <= 20 && parse_i64(s, &v)
                      ? encode_int(v, h)
                      : encode_string_head(static_cast<uint32_t>(s.size()), h) +
                            static_cast<uint32_t>(s.size());
  return body + backlen_bytes(body);
}

Listpack::Pos Listpack::insert(Pos at, std::string_view s) {
  char small[128];
  std::string large;
  std::string_view e = encode_entry(s, small, &large);
  return splice(at == kNone ? total() - 1 : at, 0, e.data(), static_cast<uint32_t>(e.size()), 1);
}
Listpack::Pos Listpack::append_int(int64_t v) {
  char e[16];
  uint32_t n = encode_int(v, e);
  n += put_backlen(e + n, n);
  return splice(total() - 1, 0, e, n, 1);
}
Listpack::Pos Listpack::replace(Pos at, std::string_view s) {
  char small[128];
  std::string large;
  std::string_view e = encode_entry(s, small, &large);
  uint32_t body = body_bytes(p_ + at);
  return splice(at, body + backlen_bytes(body), e.data(), static_cast<uint32_t>(e.size()), 0);
}
Listpack::Pos Listpack::replace_int(Pos at, int64_t v) {
  char e[16];
  uint32_t n = encode_int(v, e);
  n += put_backlen(e + n, n);
  uint32_t body = body_bytes(p_ + at);
  return splice(at, body + backlen_bytes(body), e, n, 0);
}
Listpack::Pos Listpack::erase(Pos at, uint32_t n) {
  uint32_t end = at, removed = 0;
  while (removed < n && p_[end] != 0xff) {
    uint32_t body = body_bytes(p_ + end);
    end += body + backlen_bytes(body);
    ++removed;
  }
  splice(at, end - at, nullptr, 0, -static_cast<int32_t>(removed));
  return p_[at] == 0xff ? kNone : at;
}

}  // namespace stele::keyspace

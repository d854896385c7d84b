// Byte codecs: little-endian and varint for payloads, big-endian for keys, whose
// bytes must sort as the values do.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace stele {

template <typename T>
inline T load_le(const char* p) { T v; std::memcpy(&v, p, sizeof v); return v; }
template <typename T>
inline void store_le(char* p, T v) { std::memcpy(p, &v, sizeof v); }
template <typename T>
inline void put_le(std::string& out, T v) { out.append(reinterpret_cast<const char*>(&v), sizeof v); }

inline uint32_t load_be32(const char* p) { return __builtin_bswap32(load_le<uint32_t>(p)); }
inline uint64_t load_be64(const char* p) { return __builtin_bswap64(load_le<uint64_t>(p)); }
inline void store_be32(char* p, uint32_t v) { store_le(p, __builtin_bswap32(v)); }
inline void store_be64(char* p, uint64_t v) { store_le(p, __builtin_bswap64(v)); }
inline void put_be16(std::string& out, uint16_t v) { put_le<uint16_t>(out, __builtin_bswap16(v)); }
inline void put_be32(std::string& out, uint32_t v) { put_le<uint32_t>(out, __builtin_bswap32(v)); }
inline void put_be64(std::string& out, uint64_t v) { put_le<uint64_t>(out, __builtin_bswap64(v)); }

// LEB128.
inline void put_varint(std::string& out, uint64_t v) {
  while (v >= 0x80) {
    out.push_back(static_cast<char>(v | 0x80));
    v >>= 7;
  }
  out.push_back(static_cast<char>(v));
}
inline void put_string(std::string& out, std::string_view s) {
  put_varint(out, s.size());
  out.append(s);
}

// Reads what the put_ functions wrote. ok() turns false, for good, at the first
// read past the end; values read from then on are zero or empty.
class Reader {
 public:
  explicit Reader(std::string_view in) : p_(in.data()), end_(in.data() + in.size()) {}
  bool ok() const { return ok_; }
  bool empty() const { return p_ == end_; }
  std::string_view rest() const { return {p_, static_cast<size_t>(end_ - p_)}; }

  uint64_t varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64 && p_ < end_; shift += 7) {
      uint8_t b = static_cast<uint8_t>(*p_++);
      v |= uint64_t{b & 0x7fu} << shift;
      if (b < 0x80) return v;
    }
    return fail();
  }
  template <typename T>
  T le() {
    if (static_cast<size_t>(end_ - p_) < sizeof(T)) return static_cast<T>(fail());
    T v = load_le<T>(p_);
    p_ += sizeof(T);
    return v;
  }
  uint32_t be32() { return __builtin_bswap32(le<uint32_t>()); }
  uint64_t be64() { return __builtin_bswap64(le<uint64_t>()); }
  std::string_view bytes(size_t n) {
    if (static_cast<size_t>(end_ - p_) < n) { fail(); return {}; }
    std::string_view s(p_, n);
    p_ += n;
    return s;
  }
  std::string_view string() { return bytes(varint()); }

 private:
  uint64_t fail() { ok_ = false; p_ = end_; return 0; }
  const char* p_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace stele

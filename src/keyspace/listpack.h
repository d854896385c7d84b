// The compact sequence behind small hashes, sorted sets, list nodes and stream nodes, byte for byte in
// the listpack format that DUMP and RESTORE exchange: u32 total bytes, u16 element count, entries,
// 0xff. An entry is an encoded integer or string followed by its own length, readable backwards.
//
// A Listpack is a handle on one malloc'ed block and does not free it: the owner calls destroy().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stele::keyspace {

// An element: text, or an integer when data is null.
struct LpValue {
  const char* data;
  uint32_t size;
  int64_t number;
  // The text form; an integer is written into buf (24 bytes).
  std::string_view text(char* buf) const;
  std::string str() const;
  bool equals(std::string_view s) const;
};

class Listpack {
 public:
  // Byte offset of an entry; kNone past either end.
  using Pos = uint32_t;
  static constexpr Pos kNone = 0;

  Listpack() = default;
  explicit Listpack(unsigned char* p) : p_(p) {}
  static Listpack create();
  static Listpack copy_of(std::string_view bytes);
  void destroy();
  unsigned char* raw() const { return p_; }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(p_), total()}; }
  uint32_t total() const;
  uint32_t size() const;  // elements; counts them when the 16-bit field is saturated
  // Checks that bytes are a well-formed listpack with `multiple`-fold many elements.
  static bool valid(std::string_view bytes, uint32_t multiple = 1);

  Pos first() const;
  Pos last() const;
  Pos next(Pos at) const;
  Pos prev(Pos at) const;
  Pos seek(int64_t index) const;  // negative counts from the end
  LpValue get(Pos at) const;
  int64_t get_int(Pos at) const;
  // Looks at every (skip+1)-th entry from `from` on.
  Pos find(Pos from, std::string_view s, uint32_t skip) const;

  // Inserts before `at` (kNone: at the end) and returns where the new entry is.
  Pos insert(Pos at, std::string_view s);
  Pos append(std::string_view s) { return insert(kNone, s); }
  Pos append_int(int64_t v);
  Pos prepend(std::string_view s) { return insert(first(), s); }
  Pos replace(Pos at, std::string_view s);
  Pos replace_int(Pos at, int64_t v);
  // Removes n entries from `at` on; returns the entry that follows, or kNone.
  Pos erase(Pos at, uint32_t n = 1);
  // Bytes an element would take.
  static uint32_t entry_bytes(std::string_view s);

 private:
  Pos splice(Pos at, uint32_t remove, const char* bytes, uint32_t n, int32_t count_change);
  unsigned char* p_ = nullptr;
};

}  // namespace stele::keyspace

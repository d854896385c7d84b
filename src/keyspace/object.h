// Values and their compact encodings. An Object owns its value; Entry is one key of a database in one
// allocation: link, value handle and the key's bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keyspace/hash_table.h"
#include "keyspace/intset.h"
#include "keyspace/list.h"
#include "keyspace/listpack.h"
#include "keyspace/stream.h"
#include "keyspace/zset.h"

namespace stele::keyspace {

// Numbered as in Redis's dumps and digests.
enum class Type : uint8_t { kString = 0, kList = 1, kSet = 2, kZset = 3, kHash = 4, kStream = 6 };
enum class Enc : uint8_t { kRaw, kInt, kEmbstr, kQuicklist, kIntset, kTable, kListpack, kSkiplist, kStream, kCold /* value on disk */ };
const char* type_name(Type t);
const char* encoding_name(Enc e);

// A mutable byte string with room to grow.
struct Str {
  uint32_t len, cap;
  char data[1];
  std::string_view view() const { return {data, len}; }
  static Str* make(std::string_view s, size_t cap = 0);
  static void destroy(Str* s) { mem_free(s); }
};
// Grows (zero-filled) so that len >= n; may move.
Str* str_grow(Str* s, size_t n);
Str* str_append(Str* s, std::string_view tail);

struct SetNode {
  SetNode* next;
  uint32_t len : 31, dirty : 1;
  char data[1];
  std::string_view key() const { return {data, len}; }
  static SetNode* make(std::string_view s);
};
struct SetTable : TrackedTable<SetNode> {
  ~SetTable();
};
struct HashNode {
  HashNode* next;
  Str* value;
  uint32_t len : 31, dirty : 1;
  char data[1];
  std::string_view key() const { return {data, len}; }
  static HashNode* make(std::string_view field, std::string_view value);
  static void destroy(HashNode* n);
  void set(std::string_view v);
};
struct FieldTable : TrackedTable<HashNode> {
  ~FieldTable();
};

class Object {
 public:
  Object() { p_ = nullptr; meta_ = 0; key_len_ = 0; }
  Object(Type type, Enc enc, void* p) : p_(p) { meta_ = 0; key_len_ = 0; set_kind(type, enc); }
  Object(Object&& o) noexcept : p_(o.p_), meta_(o.meta_), key_len_(0) { o.p_ = nullptr; o.set_kind(Type::kString, Enc::kInt); }
  Object& operator=(Object&& o) noexcept {
    if (this == &o) return *this;
    destroy();
    p_ = o.p_;
    uint32_t keep = meta_ & 0x80;  // the expiry bit belongs to the key
    meta_ = (o.meta_ & ~0x80u) | keep;
    o.p_ = nullptr;
    o.set_kind(Type::kString, Enc::kInt);
    return *this;
  }
  ~Object() { destroy(); }

  static Object from_int(int64_t v);
  static Object from_string(std::string_view s);      // embstr or raw
  static Object encoded_string(std::string_view s);   // int where the text is a canonical integer
  static Object new_list(int fill);
  static Object new_intset();
  static Object new_set_table();
  static Object new_hash();
  static Object new_zset();
  static Object new_zset_skiplist();
  static Object new_stream();
  Object duplicate() const;

  Type type() const { return static_cast<Type>(meta_ & 7); }
  Enc enc() const { return static_cast<Enc>((meta_ >> 3) & 15); }
  void set_kind(Type t, Enc e) { meta_ = (meta_ & ~0x7fu) | static_cast<uint32_t>(t) | static_cast<uint32_t>(e) << 3; }
  bool has_expire() const { return meta_ & 0x80; }
  void set_has_expire(bool on) { meta_ = on ? meta_ | 0x80u : meta_ & ~0x80u; }
  uint32_t lru() const { return meta_ >> 8; }
  void set_lru(uint32_t v) { meta_ = (meta_ & 0xff) | v << 8; }
  uint32_t key_len() const { return key_len_ & kKeyLenMask; }
  void set_key_len(uint32_t n) { key_len_ = (key_len_ & ~kKeyLenMask) | n; }
  // Of the key that holds this value: changed since it was last written to disk; on disk in some version.
  bool dirty() const { return key_len_ & kDirtyBit; }
  void set_dirty(bool on) { key_len_ = on ? key_len_ | kDirtyBit : key_len_ & ~kDirtyBit; }
  bool stored() const { return key_len_ & kStoredBit; }
  void set_stored(bool on) { key_len_ = on ? key_len_ | kStoredBit : key_len_ & ~kStoredBit; }

  int64_t num() const { return n_; }
  void set_num(int64_t v) { n_ = v; }
  Str*& str() { return reinterpret_cast<Str*&>(p_); }
  const Str* str() const { return static_cast<const Str*>(p_); }
  // String value of either encoding; integers are written into buf (24 bytes).
  std::string_view text(char* buf) const;
  List& list() const { return *static_cast<List*>(p_); }
  SetTable& set_table() const { return *static_cast<SetTable*>(p_); }
  FieldTable& fields() const { return *static_cast<FieldTable*>(p_); }
  Zset& zset() const { return *static_cast<Zset*>(p_); }
  Stream& stream() const { return *static_cast<Stream*>(p_); }
  // Handles on the block; write back through set_raw after a change that may move it.
  Listpack listpack() const { return Listpack(static_cast<unsigned char*>(p_)); }
  IntSet intset() const { return IntSet(static_cast<unsigned char*>(p_)); }
  void set_raw(void* p) { p_ = p; }
  // Where a collection of many allocations keeps track of its changes; null for compact ones.
  std::unique_ptr<Dirt>* dirt() const;

  size_t memory_bytes(size_t samples) const;   // of the value, sampled for large tables
  size_t free_effort() const;                  // allocations that freeing would touch
  // Frees elements of a value that nobody will look at any more, up to so many allocations, which it counts down.
  // True: what is left is quickly destroyed.
  bool shed(size_t* allocations);

 private:
  void destroy();
  union {
    void* p_;
    int64_t n_;
  };
  static constexpr uint32_t kKeyLenMask = 0x3fffffff, kDirtyBit = 1u << 31, kStoredBit = 1u << 30;
  uint32_t meta_;     // type:3 enc:4 expire:1 lru:24
  uint32_t key_len_;  // length:30 stored:1 dirty:1; stays with the key when the value is replaced
};

struct Entry {
  Entry* next;
  Object value;
  char data[1];
  std::string_view key() const { return {data, value.key_len()}; }
  static Entry* make(std::string_view key, Object&& value);
  static void destroy(Entry* e);
};

struct ExpireNode {
  ExpireNode* next;
  Entry* entry;
  int64_t when_ms;
  std::string_view key() const { return entry->key(); }
};

}  // namespace stele::keyspace

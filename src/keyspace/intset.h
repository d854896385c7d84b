// A sorted array of integers of 2, 4 or 8 bytes, in the layout that dumps exchange: u32 width,
// u32 count, values. A handle; the owner calls destroy().
#pragma once

#include <cstdint>
#include <string_view>

namespace stele::keyspace {

class IntSet {
 public:
  IntSet() = default;
  explicit IntSet(unsigned char* p) : p_(p) {}
  static IntSet create();
  static IntSet copy_of(std::string_view bytes);
  static bool valid(std::string_view bytes);
  void destroy();
  unsigned char* raw() const { return p_; }
  std::string_view bytes() const;
  uint32_t size() const;
  int64_t at(uint32_t i) const;
  bool contains(int64_t v) const { uint32_t i; return search(v, &i); }
  bool add(int64_t v);
  bool remove(int64_t v);

 private:
  bool search(int64_t v, uint32_t* where) const;
  uint32_t width() const;
  void put(uint32_t i, int64_t v);
  unsigned char* p_ = nullptr;
};

}  // namespace stele::keyspace

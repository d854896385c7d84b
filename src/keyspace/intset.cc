#include "keyspace/intset.h"

#include "base/codec.h"
#include "keyspace/memory.h"

namespace stele::keyspace {

static uint32_t width_for(int64_t v) {
  return v >= INT16_MIN && v <= INT16_MAX ? 2 : v >= INT32_MIN && v <= INT32_MAX ? 4 : 8;
}
IntSet IntSet::create() {
  auto* p = static_cast<unsigned char*>(mem_alloc(8));
  store_le<uint32_t>(reinterpret_cast<char*>(p), 2);
  store_le<uint32_t>(reinterpret_cast<char*>(p) + 4, 0);
  return IntSet(p);
}
IntSet IntSet::copy_of(std::string_view b) {
  auto* p = static_cast<unsigned char*>(mem_alloc(b.size()));
  std::memcpy(p, b.data(), b.size());
  return IntSet(p);
}
bool IntSet::valid(std::string_view b) {
  if (b.size() < 8) return false;
  uint32_t w = load_le<uint32_t>(b.data()), n = load_le<uint32_t>(b.data() + 4);
  if ((w != 2 && w != 4 && w != 8) || n == 0 || b.size() != 8 + uint64_t{w} * n) return false;
  IntSet s(reinterpret_cast<unsigned char*>(const_cast<char*>(b.data())));
  for (uint32_t i = 1; i < n; ++i)
    if (s.at(i - 1) >= s.at(i)) return false;
  return true;
}
void IntSet::destroy() { mem_free(p_); p_ = nullptr; }
uint32_t IntSet::width() const { return load_le<uint32_t>(reinterpret_cast<const char*>(p_)); }
uint32_t IntSet::size() const { return load_le<uint32_t>(reinterpret_cast<const char*>(p_) + 4); }
std::string_view IntSet::bytes() const {
  return {reinterpret_cast<const char*>(p_), 8 + size_t{width()} * size()};
}
int64_t IntSet::at(uint32_t i) const {
  const char* c = reinterpret_cast<const char*>(p_) + 8;
  switch (width()) {
    case 2: return load_le<int16_t>(c + 2 * size_t{i});
    case 4: return load_le<int32_t>(c + 4 * size_t{i});
    default: return load_le<int64_t>(c + 8 * size_t{i});
  }
}
void IntSet::put(uint32_t i, int64_t v) {
  uint32_t w = width();
  std::memcpy(p_ + 8 + size_t{w} * i, &v, w);
}
bool IntSet::search(int64_t v, uint32_t* where) const {
  uint32_t lo = 0, hi = size();
  while (lo < hi) {
    uint32_t mid = (lo + hi) / 2;
    if (at(mid) < v) lo = mid + 1;
    else hi = mid;
  }
  *where = lo;
  return lo < size() && at(lo) == v;
}
bool IntSet::add(int64_t v) {
  uint32_t i;
  if (search(v, &i)) return false;
  uint32_t n = size(), w = width(), need = std::max(w, width_for(v));
  if (need != w) {
    auto* p = static_cast<unsigned char*>(mem_alloc(8 + size_t{need} * (n + 1)));
    store_le<uint32_t>(reinterpret_cast<char*>(p), need);
    store_le<uint32_t>(reinterpret_cast<char*>(p) + 4, n);
    IntSet wide(p);
    for (uint32_t k = 0; k < n; ++k) wide.put(k, at(k));
    mem_free(p_);
    p_ = p;
  } else {
    p_ = static_cast<unsigned char*>(mem_resize(p_, 8 + size_t{w} * (n + 1)));
  }
  std::memmove(p_ + 8 + size_t{need} * (i + 1), p_ + 8 + size_t{need} * i, size_t{need} * (n - i));
  put(i, v);
  store_le<uint32_t>(reinterpret_cast<char*>(p_) + 4, n + 1);
  return true;
}
bool IntSet::remove(int64_t v) {
  uint32_t i;
  if (!search(v, &i)) return false;
  uint32_t n = size(), w = width();
  std::memmove(p_ + 8 + size_t{w} * i, p_ + 8 + size_t{w} * (i + 1), size_t{w} * (n - i - 1));
  p_ = static_cast<unsigned char*>(mem_resize(p_, 8 + size_t{w} * (n - 1)));
  store_le<uint32_t>(reinterpret_cast<char*>(p_) + 4, n - 1);
  return true;
}

}  // namespace stele::keyspace

// HyperLogLogs in Redis's own string format (dense and sparse), with the estimator of Ertl,
// "New cardinality estimation algorithms for HyperLogLog sketches", 2017.
#include "base/codec.h"
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

constexpr int kP = 14, kRegisters = 1 << kP, kQ = 64 - kP, kHeader = 16, kDenseBytes = kHeader + kRegisters * 6 / 8;
constexpr const char* kInvalid = "-INVALIDOBJ Corrupted HLL object detected";
using Registers = std::array<uint8_t, kRegisters>;

// MurmurHash2, 64 bit, of the seed that Redis's sketches use.
uint64_t murmur(std::string_view s) {
  constexpr uint64_t m = 0xc6a4a7935bd1e995ull;
  uint64_t h = 0xadc83b19ull ^ (s.size() * m);
  size_t i = 0;
  for (; i + 8 <= s.size(); i += 8) {
    uint64_t k = load_le<uint64_t>(s.data() + i);
    k *= m;
    k ^= k >> 47;
    k *= m;
    h = (h ^ k) * m;
  }
  if (i < s.size()) {
    uint64_t tail = 0;
    for (size_t j = s.size(); j-- > i;) tail = tail << 8 | static_cast<unsigned char>(s[j]);
    h = (h ^ tail) * m;
  }
  h ^= h >> 47;
  h *= m;
  return h ^ (h >> 47);
}
void position(std::string_view s, int* index, uint8_t* count) {
  uint64_t h = murmur(s);
  *index = static_cast<int>(h & (kRegisters - 1));
  h = (h >> kP) | uint64_t{1} << kQ;
  *count = static_cast<uint8_t>(__builtin_ctzll(h) + 1);
}
uint8_t dense_get(const char* p, int i) {
  auto* b = reinterpret_cast<const unsigned char*>(p) + i * 6 / 8;
  int shift = i * 6 & 7;
  unsigned v = b[0] >> shift;
  if (shift > 2) v |= static_cast<unsigned>(b[1]) << (8 - shift);
  return v & 63;
}
void dense_set(char* p, int i, unsigned v) {
  auto* b = reinterpret_cast<unsigned char*>(p) + i * 6 / 8;
  int shift = i * 6 & 7;
  b[0] = static_cast<unsigned char>((b[0] & ~(63u << shift)) | v << shift);
  if (shift > 2) b[1] = static_cast<unsigned char>((b[1] & ~(63u >> (8 - shift))) | v >> (8 - shift));
}
bool valid(std::string_view s) {
  if (s.size() < kHeader || s.substr(0, 4) != "HYLL" || static_cast<unsigned char>(s[4]) > 1) return false;
  return s[4] != 0 || s.size() == kDenseBytes;
}
// Raises r to the sketch's registers. False: corrupt.
bool merge_into(std::string_view s, Registers& r) {
  if (s[4] == 0) {
    for (int i = 0; i < kRegisters; ++i) r[static_cast<size_t>(i)] = std::max(r[static_cast<size_t>(i)], dense_get(s.data() + kHeader, i));
    return true;
  }
  size_t at = 0;
  for (size_t i = kHeader; i < s.size(); ++i) {
    auto b = static_cast<unsigned char>(s[i]);
    if (b < 0x40) at += (b & 63u) + 1;
    else if (b < 0x80) {
      if (i + 1 >= s.size()) return false;
      at += ((b & 63u) << 8 | static_cast<unsigned char>(s[++i])) + 1;
    } else {
      unsigned n = (b & 3u) + 1, v = ((b >> 2) & 31u) + 1;
      if (at + n > kRegisters) return false;
      for (; n > 0; --n, ++at) r[at] = std::max(r[at], static_cast<uint8_t>(v));
    }
    if (at > kRegisters) return false;
  }
  return at == kRegisters;
}
std::string header(bool dense) {
  std::string s(kHeader, 0);
  std::memcpy(s.data(), "HYLL", 4);
  s[4] = dense ? 0 : 1;
  return s;
}
// The sparse form, or empty when a register is too large for it.
std::string to_sparse(const Registers& r) {
  std::string s = header(false);
  for (size_t i = 0; i < kRegisters;) {
    size_t n = 1;
    while (i + n < kRegisters && r[i + n] == r[i]) ++n;
    uint8_t v = r[i];
    i += n;
    if (v > 32) return {};
    while (n > 0) {
      if (v == 0) {
        if (n <= 64) { s.push_back(static_cast<char>(n - 1)); n = 0; }
        else { s.push_back(static_cast<char>(0x40 | ((n - 1) >> 8))); s.push_back(static_cast<char>(n - 1)); n = 0; }
      } else {
        size_t k = std::min<size_t>(n, 4);
        s.push_back(static_cast<char>(0x80 | (v - 1) << 2 | (k - 1)));
        n -= k;
      }
    }
  }
  return s;
}
std::string to_dense(const Registers& r) {
  std::string s = header(true);
  s.resize(kDenseBytes + 1);
  for (int i = 0; i < kRegisters; ++i) dense_set(s.data() + kHeader, i, r[static_cast<size_t>(i)]);
  s.resize(kDenseBytes);
  return s;
}
double sigma(double x) {
  if (x == 1.) return INFINITY;
  double before, y = 1, z = x;
  do { x *= x; before = z; z += x * y; y += y; } while (before != z);
  return z;
}
double tau(double x) {
  if (x == 0. || x == 1.) return 0.;
  double before, y = 1, z = 1 - x;
  do { x = std::sqrt(x); before = z; y *= 0.5; z -= (1 - x) * (1 - x) * y; } while (before != z);
  return z / 3;
}
uint64_t estimate(const Registers& r) {
  int histogram[64] = {};
  for (uint8_t v : r) ++histogram[v];
  double m = kRegisters, z = m * tau((m - histogram[kQ + 1]) / m);
  for (int j = kQ; j >= 1; --j) z = (z + histogram[j]) * 0.5;
  z += m * sigma(histogram[0] / m);
  return static_cast<uint64_t>(llroundl(0.721347520444481703680L * m * m / z));
}

Entry* open(Call& c, std::string_view key, bool write, bool* bad) {
  Entry* e = c.typed(key, Type::kString, write, bad);
  if (*bad || e == nullptr) return nullptr;
  char buf[24];
  if (!valid(e->value.text(buf))) {
    c.fail("-WRONGTYPE Key is not a valid HyperLogLog string value.");
    *bad = true;
    return nullptr;
  }
  return e;
}
void store(Entry* e, const std::string& s) {
  uint32_t access = e->value.lru();
  e->value = Object(Type::kString, Enc::kRaw, Str::make(s));
  e->value.set_lru(access);
}
// Raises one register, in the form the sketch has; a sparse one becomes dense when it would pass `most` bytes or cannot
// hold the count. Returns whether it changed, -1 when the sketch is corrupt. Runs are split and joined exactly where
// Redis does it, so that both change form at the same element.
int raise_register(std::string& s, int index, uint8_t count, size_t most) {
  constexpr int kMostInRun = 4, kMostCount = 32;
  auto promote = [&] {
    Registers r{};
    if (!merge_into(s, r)) return -1;
    std::string card = s.substr(8, 8);
    s = to_dense(r);
    s.replace(8, 8, card);
    dense_set(s.data() + kHeader, index, count);
    return 1;
  };
  if (s[4] == 0) {
    if (count <= dense_get(s.data() + kHeader, index)) return 0;
    dense_set(s.data() + kHeader, index, count);
    return 1;
  }
  if (count > kMostCount) return promote();
  auto byte = [&](size_t at) { return static_cast<unsigned char>(s[at]); };
  auto is_value = [&](size_t at) { return byte(at) >= 0x80; };
  auto is_long = [&](size_t at) { return byte(at) >= 0x40 && byte(at) < 0x80; };
  auto value_of = [&](size_t at) { return ((byte(at) >> 2) & 31) + 1; };
  auto value_op = [](int v, int n) { return static_cast<char>(0x80 | (v - 1) << 2 | (n - 1)); };
  size_t at = kHeader, before = kHeader, length = 1;
  int first = 0, span = 0;
  for (bool found = false; !found;) {
    if (at >= s.size()) return -1;
    length = is_long(at) ? 2 : 1;
    if (at + length > s.size()) return -1;
    span = is_value(at) ? (byte(at) & 3) + 1 : is_long(at) ? ((byte(at) & 63) << 8 | byte(at + 1)) + 1 : (byte(at) & 63) + 1;
    found = index <= first + span - 1;
    if (found) break;
    before = at;
    at += length;
    first += span;
  }
  const int last = first + span - 1;
  std::string ops;
  auto zeros = [&](int n) {
    if (n > 64) { ops.push_back(static_cast<char>(0x40 | ((n - 1) >> 8))); ops.push_back(static_cast<char>(n - 1)); }
    else if (n > 0) ops.push_back(static_cast<char>(n - 1));
  };
  if (is_value(at)) {
    int old = value_of(at);
    if (old >= count) return 0;
    if (index != first) ops.push_back(value_op(old, index - first));
    ops.push_back(value_op(count, 1));
    if (index != last) ops.push_back(value_op(old, last - index));
  } else {
    zeros(index - first);
    ops.push_back(value_op(count, 1));
    zeros(last - index);
  }
  if (ops.size() > length && s.size() + ops.size() - length > most) return promote();
  s.replace(at, length, ops);
  // Neighbours with the same value join.
  at = before;
  for (int steps = 5; at < s.size() && steps > 0; --steps) {
    if (is_long(at)) { at += 2; continue; }
    if (!is_value(at)) { ++at; continue; }
    if (at + 1 < s.size() && is_value(at + 1) && value_of(at) == value_of(at + 1)) {
      int n = (byte(at) & 3) + (byte(at + 1) & 3) + 2;
      if (n <= kMostInRun) {
        s[at + 1] = value_op(value_of(at), n);
        s.erase(at, 1);
        continue;
      }
    }
    ++at;
  }
  return 1;
}
size_t most_sparse(Call& c) { return static_cast<size_t>(c.ks.config.s.hll_sparse_max_bytes); }

void cmd_pfadd(Call& c) {
  bool bad;
  Entry* e = open(c, c[1], true, &bad);
  if (bad) return;
  int updated = 0;
  if (e == nullptr) {
    e = c.ks.add(c.db, c[1], Object(Type::kString, Enc::kRaw, Str::make(to_sparse({}))));
    ++updated;
  }
  std::string fresh;   // of a sparse one, once it changed
  for (size_t i = 2; i < c.argc(); ++i) {
    int index;
    uint8_t n;
    position(c[i], &index, &n);
    Str* s = e->value.str();
    if (fresh.empty() && s->data[4] == 0) {
      if (n <= dense_get(s->data + kHeader, index)) continue;
      dense_set(s->data + kHeader, index, n);
      ++updated;
      continue;
    }
    if (fresh.empty()) fresh = s->view();
    int changed = raise_register(fresh, index, n, most_sparse(c));
    if (changed < 0) { c.fail(kInvalid); return; }
    updated += changed;
  }
  if (!fresh.empty() && updated > 0) store(e, fresh);
  if (updated) {
    e->value.str()->data[15] |= static_cast<char>(0x80);
    c.changed(c[1], kNotifyString, "pfadd", static_cast<uint64_t>(updated));
  }
  c.reply.integer(updated ? 1 : 0);
}
void cmd_pfcount(Call& c) {
  bool bad;
  if (c.argc() > 2) {
    Registers r{};
    for (size_t i = 1; i < c.argc(); ++i) {
      Entry* e = open(c, c[i], false, &bad);
      if (bad) return;
      if (e != nullptr && !merge_into(e->value.str()->view(), r)) { c.fail(kInvalid); return; }
    }
    c.reply.integer(static_cast<int64_t>(estimate(r)));
    return;
  }
  Entry* e = open(c, c[1], false, &bad);
  if (bad) return;
  if (e == nullptr) { c.reply.integer(0); return; }
  char* p = e->value.str()->data;
  if (!(p[15] & 0x80)) { c.reply.integer(static_cast<int64_t>(load_le<uint64_t>(p + 8))); return; }
  Registers r{};
  if (!merge_into(e->value.str()->view(), r)) { c.fail(kInvalid); return; }
  uint64_t card = estimate(r);
  store_le<uint64_t>(p + 8, card);
  c.ks.touched(&c.session, c.db, c[1]);
  ++c.ks.dirty;
  c.reply.integer(static_cast<int64_t>(card));
}
void cmd_pfmerge(Call& c) {
  Registers r{};
  bool dense = false;
  for (size_t i = 1; i < c.argc(); ++i) {
    bool bad;
    Entry* e = open(c, c[i], false, &bad);
    if (bad) return;
    if (e == nullptr) continue;
    if (e->value.str()->data[4] == 0) dense = true;
    if (!merge_into(e->value.str()->view(), r)) { c.fail(kInvalid); return; }
  }
  Entry* e = c.ks.lookup_write(c.db, c[1]);
  std::string s = e != nullptr ? std::string(e->value.str()->view()) : to_sparse({});
  if (dense && s[4] != 0) {
    std::string card = s.substr(8, 8);
    s = to_dense(r);
    s.replace(8, 8, card);
  } else {
    for (int i = 0; i < kRegisters; ++i)
      if (r[static_cast<size_t>(i)] > 0 && raise_register(s, i, r[static_cast<size_t>(i)], most_sparse(c)) < 0) { c.fail(kInvalid); return; }
  }
  s[15] = static_cast<char>(s[15] | 0x80);
  if (e == nullptr) c.ks.add(c.db, c[1], Object(Type::kString, Enc::kRaw, Str::make(s)));
  else store(e, s);
  c.changed(c[1], kNotifyString, "pfadd");
  c.reply.ok();
}
void cmd_pfdebug(Call& c) {
  bool bad;
  if (c.argc() < 3) { c.fail("wrong number of arguments for 'pfdebug' command"); return; }
  Entry* e = c.ks.lookup_write(c.db, c[2]);
  if (e == nullptr) { c.fail("The specified key does not exist"); return; }
  e = open(c, c[2], true, &bad);
  if (bad) return;
  bool sparse = e->value.str()->data[4] == 1;
  Registers r{};
  if (!merge_into(e->value.str()->view(), r)) { c.fail(kInvalid); return; }
  if (c.is(1, "getreg")) {
    if (sparse) { store(e, to_dense(r)); ++c.ks.dirty; }
    c.reply.array(kRegisters);
    for (uint8_t v : r) c.reply.integer(v);
  } else if (c.is(1, "encoding")) {
    c.reply.simple(sparse ? "sparse" : "dense");
  } else if (c.is(1, "todense")) {
    if (sparse) { std::string d = to_dense(r); std::memcpy(d.data() + 8, e->value.str()->data + 8, 8); store(e, d); ++c.ks.dirty; }
    c.reply.integer(sparse);
  } else if (c.is(1, "decode")) {
    if (!sparse) { c.fail("HLL encoding is not sparse"); return; }
    std::string out;
    std::string_view s = e->value.str()->view();
    for (size_t i = kHeader; i < s.size(); ++i) {
      auto b = static_cast<unsigned char>(s[i]);
      if (b < 0x40) out += fmt::format("z:{} ", (b & 63) + 1);
      else if (b < 0x80) { out += fmt::format("Z:{} ", ((b & 63) << 8 | static_cast<unsigned char>(s[i + 1])) + 1); ++i; }
      else out += fmt::format("v:{},{} ", ((b >> 2) & 31) + 1, (b & 3) + 1);
    }
    if (!out.empty()) out.pop_back();
    c.reply.bulk(out);
  } else {
    c.fail(fmt::format("Unknown PFDEBUG subcommand '{}'", c[1]));
  }
}
// Dense registers must read back, and sparse and dense forms must agree on what they count.
void cmd_pfselftest(Call& c) {
  Registers r{};
  for (int i = 0; i < 1000; ++i) {
    int index;
    uint8_t n;
    position(std::to_string(random_u64()), &index, &n);
    r[static_cast<size_t>(index)] = std::max(r[static_cast<size_t>(index)], n);
  }
  Registers a{}, b{};
  std::string sparse = to_sparse(r);
  if (!merge_into(to_dense(r), a) || a != r || (!sparse.empty() && (!merge_into(sparse, b) || b != r))) { c.fail("TESTFAILED registers differ"); return; }
  c.reply.ok();
}
const HandlerEntry kCommands[] = {{"pfadd", cmd_pfadd}, {"pfcount", cmd_pfcount}, {"pfmerge", cmd_pfmerge}, {"pfdebug", cmd_pfdebug}, {"pfselftest", cmd_pfselftest}};
}  // namespace
std::span<const HandlerEntry> hll_commands() { return kCommands; }
}  // namespace stele::keyspace

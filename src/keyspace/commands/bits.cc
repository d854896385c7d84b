// Bitmaps: single bits, counts, positions, BITOP, BITFIELD.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

bool bitmap_offset(Call& c, size_t i, int64_t* out, bool hash_form, int bits) {
  std::string_view s = c[i];
  bool scaled = hash_form && !s.empty() && s[0] == '#';
  int64_t v;
  if (!parse_i64(scaled ? s.substr(1) : s, &v) || v < 0 || (scaled && __builtin_mul_overflow(v, bits, &v)) ||
      (!c.ks.replaying && static_cast<uint64_t>(v) >> 3 >= static_cast<uint64_t>(c.ks.config.s.proto_max_bulk_len)))
    return c.fail("bit offset is not an integer or out of range");
  *out = v;
  return true;
}

namespace {

// A raw string of at least n bytes to write into.
Entry* writable(Call& c, std::string_view key, size_t n, bool* bad) {
  Entry* e = c.typed(key, Type::kString, true, bad);
  if (*bad) return nullptr;
  if (e == nullptr) e = c.ks.add(c.db, key, Object(Type::kString, Enc::kRaw, Str::make({})));
  if (e->value.enc() == Enc::kInt) {
    char buf[24];
    e->value.str() = Str::make(e->value.text(buf));
  }
  e->value.set_kind(Type::kString, Enc::kRaw);
  e->value.str() = str_grow(e->value.str(), n);
  return e;
}

void cmd_setbit(Call& c) {
  int64_t offset;
  if (!bitmap_offset(c, 2, &offset, false, 0)) return;
  int64_t bit;
  if (!c.get_int(3, &bit, "bit is not an integer or out of range")) return;
  if (bit & ~int64_t{1}) { c.fail("bit is not an integer or out of range"); return; }
  bool bad;
  size_t byte = static_cast<size_t>(offset >> 3);
  Entry* e = writable(c, c[1], byte + 1, &bad);
  if (bad) return;
  auto* p = reinterpret_cast<unsigned char*>(e->value.str()->data) + byte;
  int shift = 7 - static_cast<int>(offset & 7);
  int old = (*p >> shift) & 1;
  *p = static_cast<unsigned char>((*p & ~(1 << shift)) | static_cast<int>(bit) << shift);
  c.changed(c[1], kNotifyString, "setbit");
  c.reply.integer(old);
}
void cmd_getbit(Call& c) {
  int64_t offset;
  if (!bitmap_offset(c, 2, &offset, false, 0)) return;
  bool bad;
  Entry* e = c.typed(c[1], Type::kString, false, &bad);
  if (bad) return;
  char buf[24];
  std::string_view s = e == nullptr ? std::string_view() : e->value.text(buf);
  size_t byte = static_cast<size_t>(offset >> 3);
  c.reply.integer(byte < s.size() ? (static_cast<unsigned char>(s[byte]) >> (7 - (offset & 7))) & 1 : 0);
}

int64_t popcount(std::string_view s) {
  int64_t n = 0;
  size_t i = 0;
  for (; i + 8 <= s.size(); i += 8) {
    uint64_t v;
    std::memcpy(&v, s.data() + i, 8);
    n += __builtin_popcountll(v);
  }
  for (; i < s.size(); ++i) n += __builtin_popcount(static_cast<unsigned char>(s[i]));
  return n;
}

void clamp(int64_t* start, int64_t* end, int64_t n) {
  if (*start < 0) *start = std::max<int64_t>(0, n + *start);
  if (*end < 0) *end = std::max<int64_t>(0, n + *end);
  *end = std::min(*end, n - 1);
}

void cmd_bitcount(Call& c) {
  if (c.argc() == 3 || c.argc() > 5) {
    bool bad;
    c.typed(c[1], Type::kString, false, &bad);
    if (!bad) c.syntax_error();
    return;
  }
  int64_t start = 0, end = -1;
  bool bit_unit = false;
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e != nullptr && e->value.type() != Type::kString) { c.wrong_type(); return; }
  if (c.argc() >= 4) {
    if (e == nullptr) { c.reply.integer(0); return; }
    if (!c.get_int(2, &start) || !c.get_int(3, &end)) return;
    if (start < 0 && end < 0 && start > end) { c.reply.integer(0); return; }
    if (c.argc() == 5) {
      if (c.is(4, "bit")) bit_unit = true;
      else if (!c.is(4, "byte")) { c.syntax_error(); return; }
    }
  }
  if (e == nullptr) { c.reply.integer(0); return; }
  char buf[24];
  std::string_view s = e->value.text(buf);
  int64_t n = static_cast<int64_t>(s.size()) * (bit_unit ? 8 : 1);
  clamp(&start, &end, n);
  if (start > end) { c.reply.integer(0); return; }
  if (!bit_unit) {
    c.reply.integer(popcount(s.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1))));
    return;
  }
  size_t b0 = static_cast<size_t>(start >> 3), b1 = static_cast<size_t>(end >> 3);
  int64_t total = popcount(s.substr(b0, b1 - b0 + 1));
  total -= __builtin_popcount(static_cast<unsigned char>(s[b0]) & static_cast<unsigned>(0xff00 >> (start & 7)) & 0xff);
  total -= __builtin_popcount(static_cast<unsigned char>(s[b1]) & ((1u << (7 - (end & 7))) - 1));
  c.reply.integer(total);
}

void cmd_bitpos(Call& c) {
  int64_t bit;
  if (!c.get_int(2, &bit)) return;
  if (bit != 0 && bit != 1) { c.fail("The bit argument must be 1 or 0."); return; }
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e != nullptr && e->value.type() != Type::kString) { c.wrong_type(); return; }
  if (e == nullptr) { c.reply.integer(bit ? -1 : 0); return; }
  char buf[24];
  std::string_view s = e->value.text(buf);
  int64_t start = 0, end = -1;
  bool end_given = false, bit_unit = false;
  if (c.argc() > 6) { c.syntax_error(); return; }
  if (c.argc() >= 4) {
    if (!c.get_int(3, &start)) return;
    if (c.argc() == 6) {
      if (c.is(5, "bit")) bit_unit = true;
      else if (!c.is(5, "byte")) { c.syntax_error(); return; }
    }
    if (c.argc() >= 5) {
      if (!c.get_int(4, &end)) return;
      end_given = true;
    }
  }
  int64_t n = static_cast<int64_t>(s.size()) * (bit_unit ? 8 : 1);
  clamp(&start, &end, n);
  if (start > end) { c.reply.integer(-1); return; }
  int64_t b = bit_unit ? start : start * 8, last = bit_unit ? end : end * 8 + 7, found = -1;
  while (b <= last) {
    auto byte = static_cast<unsigned char>(s[static_cast<size_t>(b >> 3)]);
    if ((b & 7) == 0 && b + 7 <= last && byte == (bit ? 0 : 255)) { b += 8; continue; }
    if (((byte >> (7 - (b & 7))) & 1) == bit) { found = b; break; }
    ++b;
  }
  if (found < 0 && bit == 0 && !end_given) found = static_cast<int64_t>(s.size()) * 8;
  c.reply.integer(found);
}

void cmd_bitop(Call& c) {
  enum { kAnd, kOr, kXor, kNot } op;
  if (c.is(1, "and")) op = kAnd;
  else if (c.is(1, "or")) op = kOr;
  else if (c.is(1, "xor")) op = kXor;
  else if (c.is(1, "not")) op = kNot;
  else { c.syntax_error(); return; }
  if (op == kNot && c.argc() != 4) { c.fail("BITOP NOT must be called with a single source key."); return; }
  std::vector<std::string> sources;
  size_t longest = 0;
  for (size_t i = 3; i < c.argc(); ++i) {
    Entry* e = c.ks.lookup_read(c.db, c[i]);
    if (e != nullptr && e->value.type() != Type::kString) { c.wrong_type(); return; }
    char buf[24];
    sources.emplace_back(e == nullptr ? std::string_view() : e->value.text(buf));
    longest = std::max(longest, sources.back().size());
  }
  std::string result(longest, 0);
  for (size_t i = 0; i < longest; ++i) {
    auto byte = [&](size_t k) { return i < sources[k].size() ? static_cast<unsigned char>(sources[k][i]) : 0; };
    int v = byte(0);
    if (op == kNot) v = ~v;
    for (size_t k = 1; k < sources.size(); ++k) v = op == kAnd ? v & byte(k) : op == kOr ? v | byte(k) : v ^ byte(k);
    result[i] = static_cast<char>(v);
  }
  if (longest > 0) {
    c.ks.set_key(c.db, c[2], Object(Type::kString, Enc::kRaw, Str::make(result)));
    c.changed(c[2], kNotifyString, "set");
  } else if (c.ks.remove(c.db, c[2])) {
    c.changed(c[2], kNotifyGeneric, "del");
  }
  c.reply.integer(static_cast<int64_t>(longest));
}

// ---- BITFIELD ----

uint64_t get_bits(std::string_view s, uint64_t offset, uint64_t bits) {
  uint64_t v = 0;
  for (uint64_t j = 0; j < bits; ++j, ++offset) {
    size_t byte = offset >> 3;
    uint64_t bit = byte < s.size() ? (static_cast<unsigned char>(s[byte]) >> (7 - (offset & 7))) & 1 : 0;
    v = v << 1 | bit;
  }
  return v;
}
void put_bits(char* p, uint64_t offset, uint64_t bits, uint64_t v) {
  for (uint64_t j = 0; j < bits; ++j, ++offset) {
    int shift = 7 - static_cast<int>(offset & 7);
    int bit = static_cast<int>(v >> (bits - 1 - j)) & 1;
    p[offset >> 3] = static_cast<char>((p[offset >> 3] & ~(1 << shift)) | bit << shift);
  }
}
enum Overflow { kWrap, kSat, kFail };

// value + incr in the field's range; false: overflow under FAIL.
bool add_signed(int64_t value, int64_t incr, uint64_t bits, Overflow mode, int64_t* out) {
  int64_t max = bits == 64 ? INT64_MAX : (int64_t{1} << (bits - 1)) - 1, min = -max - 1;
  __int128 sum = static_cast<__int128>(value) + incr;
  if (sum > max || sum < min) {
    if (mode == kFail) return false;
    if (mode == kSat) { *out = sum > max ? max : min; return true; }
    uint64_t w = static_cast<uint64_t>(static_cast<unsigned __int128>(sum));
    if (bits < 64) {
      uint64_t mask = (uint64_t{1} << bits) - 1;
      w &= mask;
      if (w >> (bits - 1)) w |= ~mask;
    }
    *out = static_cast<int64_t>(w);
    return true;
  }
  *out = static_cast<int64_t>(sum);
  return true;
}
bool add_unsigned(uint64_t value, int64_t incr, uint64_t bits, Overflow mode, uint64_t* out) {
  uint64_t max = (uint64_t{1} << bits) - 1;
  __int128 sum = static_cast<__int128>(value) + incr;
  if (sum > static_cast<__int128>(max) || sum < 0) {
    if (mode == kFail) return false;
    if (mode == kSat) *out = sum < 0 ? 0 : max;
    else *out = static_cast<uint64_t>(static_cast<unsigned __int128>(sum)) & max;
    return true;
  }
  *out = static_cast<uint64_t>(sum);
  return true;
}

void bitfield(Call& c, bool read_only) {
  struct Op { enum { kGet, kSet, kIncr } kind; bool is_signed; uint64_t bits, offset; int64_t value; Overflow overflow; };
  std::vector<Op> ops;
  Overflow overflow = kWrap;
  bool writes = false;
  uint64_t highest = 0;
  for (size_t i = 2; i < c.argc(); ++i) {
    size_t left = c.argc() - i - 1;
    Op op{};
    if (c.is(i, "get") && left >= 2) op.kind = Op::kGet;
    else if (c.is(i, "set") && left >= 3) op.kind = Op::kSet;
    else if (c.is(i, "incrby") && left >= 3) op.kind = Op::kIncr;
    else if (c.is(i, "overflow") && left >= 1) {
      ++i;
      if (c.is(i, "wrap")) overflow = kWrap;
      else if (c.is(i, "sat")) overflow = kSat;
      else if (c.is(i, "fail")) overflow = kFail;
      else { c.fail("Invalid OVERFLOW type specified"); return; }
      continue;
    } else { c.syntax_error(); return; }
    std::string_view t = c[i + 1];
    int64_t bits = 0;
    if (t.size() < 2 || (t[0] != 'i' && t[0] != 'u') || !parse_i64(t.substr(1), &bits) || bits < 1 || bits > (t[0] == 'i' ? 64 : 63)) {
      c.fail("Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
      return;
    }
    op.is_signed = t[0] == 'i';
    op.bits = static_cast<uint64_t>(bits);
    int64_t offset;
    if (!bitmap_offset(c, i + 2, &offset, true, static_cast<int>(bits))) return;
    op.offset = static_cast<uint64_t>(offset);
    op.overflow = overflow;
    if (op.kind != Op::kGet) {
      if (read_only) { c.fail("BITFIELD_RO only supports the GET subcommand"); return; }
      if (!c.get_int(i + 3, &op.value)) return;
      writes = true;
      highest = std::max(highest, op.offset + op.bits - 1);
      i += 3;
    } else {
      i += 2;
    }
    ops.push_back(op);
  }
  Entry* e;
  bool bad;
  if (writes) {
    e = writable(c, c[1], static_cast<size_t>(highest >> 3) + 1, &bad);
    if (bad) return;
  } else {
    e = c.typed(c[1], Type::kString, false, &bad);
    if (bad) return;
  }
  c.reply.array(ops.size());
  uint64_t changes = 0;
  for (auto& op : ops) {
    char buf[24];
    std::string_view s = e == nullptr ? std::string_view() : e->value.text(buf);
    uint64_t raw = get_bits(s, op.offset, op.bits);
    int64_t old = static_cast<int64_t>(raw);
    if (op.is_signed && op.bits < 64 && (raw >> (op.bits - 1))) old = static_cast<int64_t>(raw | ~((uint64_t{1} << op.bits) - 1));
    if (op.kind == Op::kGet) { c.reply.integer(old); continue; }
    uint64_t store;
    bool ok;
    int64_t shown;
    if (op.is_signed) {
      int64_t v = 0;
      ok = op.kind == Op::kIncr ? add_signed(old, op.value, op.bits, op.overflow, &v) : add_signed(op.value, 0, op.bits, op.overflow, &v);
      store = static_cast<uint64_t>(v);
      shown = op.kind == Op::kIncr ? v : old;
    } else {
      uint64_t v = 0;
      if (op.kind == Op::kIncr) {
        ok = add_unsigned(raw, op.value, op.bits, op.overflow, &v);
      } else {
        // A negative value counts as a huge unsigned one.
        uint64_t max = (uint64_t{1} << op.bits) - 1, value = static_cast<uint64_t>(op.value);
        ok = value <= max || op.overflow != kFail;
        v = value <= max ? value : op.overflow == kSat ? max : value & max;
      }
      store = v;
      shown = op.kind == Op::kIncr ? static_cast<int64_t>(v) : old;
    }
    if (!ok) { c.reply.null(); continue; }
    c.reply.integer(shown);
    put_bits(e->value.str()->data, op.offset, op.bits, store);
    ++changes;
  }
  if (changes > 0) c.changed(c[1], kNotifyString, "setbit", changes);
  else if (writes) c.changed(c[1], 0, nullptr, 0);
}
void cmd_bitfield(Call& c) { bitfield(c, false); }
void cmd_bitfield_ro(Call& c) { bitfield(c, true); }

const HandlerEntry kCommands[] = {{"setbit", cmd_setbit}, {"getbit", cmd_getbit}, {"bitcount", cmd_bitcount}, {"bitpos", cmd_bitpos},
                                  {"bitop", cmd_bitop}, {"bitfield", cmd_bitfield}, {"bitfield_ro", cmd_bitfield_ro}};
}  // namespace
std::span<const HandlerEntry> bit_commands() { return kCommands; }
}  // namespace stele::keyspace

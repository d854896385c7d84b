// DUMP and RESTORE in Redis's serialisation (RDB version 10, CRC-64), and dataset digests.
#include "base/codec.h"
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

enum RdbType : uint8_t { kRdbString = 0, kRdbList = 1, kRdbSet = 2, kRdbZset = 3, kRdbHash = 4, kRdbZset2 = 5, kRdbListZiplist = 10, kRdbSetIntset = 11,
                         kRdbZsetZiplist = 12, kRdbHashZiplist = 13, kRdbQuicklist = 14, kRdbStream = 15, kRdbHashListpack = 16, kRdbZsetListpack = 17,
                         kRdbQuicklist2 = 18, kRdbStream2 = 19 };
constexpr uint16_t kRdbVersion = 10;

// ---- writing ----
void put_len(std::string& out, uint64_t n) {
  if (n < 64) out.push_back(static_cast<char>(n));
  else if (n < 16384) { out.push_back(static_cast<char>(0x40 | (n >> 8))); out.push_back(static_cast<char>(n)); }
  else if (n <= UINT32_MAX) { out.push_back(static_cast<char>(0x80)); put_be32(out, static_cast<uint32_t>(n)); }
  else { out.push_back(static_cast<char>(0x81)); put_be64(out, n); }
}
void put_int_string(std::string& out, int64_t v) {
  if (v >= -128 && v <= 127) { out.push_back(static_cast<char>(0xc0)); out.push_back(static_cast<char>(v)); }
  else if (v >= INT16_MIN && v <= INT16_MAX) { out.push_back(static_cast<char>(0xc1)); put_le<int16_t>(out, static_cast<int16_t>(v)); }
  else if (v >= INT32_MIN && v <= INT32_MAX) { out.push_back(static_cast<char>(0xc2)); put_le<int32_t>(out, static_cast<int32_t>(v)); }
  else { std::string s = std::to_string(v); put_len(out, s.size()); out += s; }
}
void put_str(std::string& out, std::string_view s) {
  int64_t v;
  if (s.size() <= 11 && parse_i64(s, &v) && v >= INT32_MIN && v <= INT32_MAX) { put_int_string(out, v); return; }
  put_len(out, s.size());
  out += s;
}
void put_id(std::string& out, StreamId id) { put_be64(out, id.ms); put_be64(out, id.seq); }

void put_stream(std::string& out, const Stream& s) {
  put_len(out, s.blocks.size());
  for (auto& [id, p] : s.blocks) {
    std::string key;
    put_id(key, id);
    put_len(out, 16);
    out += key;
    put_str(out, Listpack(p).bytes());
  }
  put_len(out, s.length);
  for (StreamId id : {s.last_id, s.first_id, s.max_deleted}) { put_len(out, id.ms); put_len(out, id.seq); }
  put_len(out, s.entries_added);
  put_len(out, s.groups.size());
  for (auto& [name, g] : s.groups) {
    put_str(out, name);
    put_len(out, g->last_id.ms);
    put_len(out, g->last_id.seq);
    put_len(out, static_cast<uint64_t>(g->entries_read));
    put_len(out, g->pending.size());
    for (auto& [id, nack] : g->pending) {
      put_id(out, id);
      put_le<int64_t>(out, nack.delivery_ms);
      put_len(out, nack.deliveries);
    }
    put_len(out, g->consumers.size());
    for (auto& [cn, cons] : g->consumers) {
      put_str(out, cn);
      put_le<int64_t>(out, cons->seen_ms);
      put_len(out, cons->pending.size());
      for (auto& [id, nack] : cons->pending) put_id(out, id);
    }
  }
}

// ---- reading ----
struct In {
  std::string_view s;
  size_t at = 0;
  bool ok = true;
  std::string_view take(size_t n) {
    if (n > s.size() - at) { ok = false; return {}; }
    auto v = s.substr(at, n);
    at += n;
    return v;
  }
  uint8_t byte() { auto v = take(1); return v.empty() ? 0 : static_cast<uint8_t>(v[0]); }
  uint64_t len(bool* encoded = nullptr) {
    if (encoded) *encoded = false;
    uint8_t b = byte();
    switch (b >> 6) {
      case 0: return b & 63;
      case 1: return static_cast<uint64_t>(b & 63) << 8 | byte();
      case 3:
        if (encoded) *encoded = true;
        else ok = false;
        return b & 63;
      default: {
        auto v = take(b == 0x80 ? 4 : b == 0x81 ? 8 : SIZE_MAX);
        if (!ok) return 0;
        return b == 0x80 ? load_be32(v.data()) : load_be64(v.data());
      }
    }
  }
  std::string str() {
    bool enc;
    uint64_t n = len(&enc);
    if (!ok) return {};
    if (!enc) return std::string(take(n));
    switch (n) {
      case 0: return std::to_string(static_cast<int8_t>(byte()));
      case 1: { auto v = take(2); return ok ? std::to_string(load_le<int16_t>(v.data())) : ""; }
      case 2: { auto v = take(4); return ok ? std::to_string(load_le<int32_t>(v.data())) : ""; }
      case 3: return lzf();
      default: ok = false; return {};
    }
  }
  // LZF: literal runs and back references.
  std::string lzf() {
    uint64_t packed = len(), plain = len();
    auto v = take(packed);
    std::string out;
    if (!ok || plain > (uint64_t{1} << 32)) { ok = false; return {}; }
    for (size_t i = 0; i < v.size();) {
      auto ctrl = static_cast<uint8_t>(v[i++]);
      if (ctrl < 32) {
        size_t n = ctrl + 1u;
        if (i + n > v.size()) { ok = false; return {}; }
        out.append(v.substr(i, n));
        i += n;
      } else {
        size_t n = ctrl >> 5;
        if (n == 7) { if (i >= v.size()) { ok = false; return {}; } n += static_cast<uint8_t>(v[i++]); }
        if (i >= v.size()) { ok = false; return {}; }
        size_t back = static_cast<size_t>(ctrl & 31) << 8 | static_cast<uint8_t>(v[i++]);
        if (back + 1 > out.size()) { ok = false; return {}; }
        size_t from = out.size() - back - 1;
        for (size_t k = 0; k < n + 2; ++k) out.push_back(out[from + k]);
      }
      if (out.size() > plain) { ok = false; return {}; }
    }
    if (out.size() != plain) ok = false;
    return out;
  }
  StreamId raw_id() {
    auto v = take(16);
    return ok ? StreamId{load_be64(v.data()), load_be64(v.data() + 8)} : StreamId{};
  }
  double binary_double() { auto v = take(8); return ok ? load_le<double>(v.data()) : 0; }
};

// Entries of the older ziplist form.
bool ziplist_entries(std::string_view z, std::vector<std::string>* out) {
  if (z.size() < 11 || load_le<uint32_t>(z.data()) != z.size()) return false;
  size_t at = 10;
  while (at < z.size()) {
    auto b = static_cast<uint8_t>(z[at]);
    if (b == 0xff) return at == z.size() - 1;
    at += b == 254 ? 5 : 1;
    if (at >= z.size()) return false;
    auto e = static_cast<uint8_t>(z[at]);
    auto need = [&](size_t n) { return at + n <= z.size(); };
    if (e < 0xc0) {
      size_t head, n;
      if (e < 0x40) { head = 1; n = e & 63; }
      else if (e < 0x80) { if (!need(2)) return false; head = 2; n = static_cast<size_t>(e & 63) << 8 | static_cast<uint8_t>(z[at + 1]); }
      else { if (!need(5)) return false; head = 5; n = load_be32(z.data() + at + 1); }
      if (!need(head + n)) return false;
      out->emplace_back(z.substr(at + head, n));
      at += head + n;
      continue;
    }
    const char* p = z.data() + at + 1;
    int64_t v;
    size_t n;
    if (e == 0xc0) n = 2; else if (e == 0xd0) n = 4; else if (e == 0xe0) n = 8; else if (e == 0xf0) n = 3; else if (e == 0xfe) n = 1; else n = 0;
    if (!need(1 + n)) return false;
    if (n == 2) v = load_le<int16_t>(p);
    else if (n == 4) v = load_le<int32_t>(p);
    else if (n == 8) v = load_le<int64_t>(p);
    else if (n == 3) { v = static_cast<uint8_t>(p[0]) | static_cast<uint8_t>(p[1]) << 8 | static_cast<uint8_t>(p[2]) << 16; if (v >= 8388608) v -= 16777216; }
    else if (n == 1) v = static_cast<int8_t>(p[0]);
    else if (e >= 0xf1 && e <= 0xfd) v = (e & 15) - 1;
    else return false;
    out->push_back(std::to_string(v));
    at += 1 + n;
  }
  return false;
}

bool read_stream(In& in, uint8_t type, Object* out) {
  *out = Object::new_stream();
  Stream& s = out->stream();
  uint64_t blocks = in.len();
  while (blocks-- > 0 && in.ok) {
    std::string key = in.str(), lp = in.str();
    if (!in.ok || key.size() != 16 || !Listpack::valid(lp)) return false;
    StreamId id{load_be64(key.data()), load_be64(key.data() + 8)};
    if (Listpack(reinterpret_cast<unsigned char*>(lp.data())).first() == Listpack::kNone || s.blocks.contains(id)) return false;
    s.blocks[id] = Listpack::copy_of(lp).raw();
  }
  s.length = in.len();
  s.last_id.ms = in.len();
  s.last_id.seq = in.len();
  if (type == kRdbStream2) {
    s.first_id.ms = in.len();
    s.first_id.seq = in.len();
    s.max_deleted.ms = in.len();
    s.max_deleted.seq = in.len();
    s.entries_added = in.len();
  } else {
    s.entries_added = s.length;
    s.refresh_first();
  }
  if (s.length > 0 && s.blocks.empty()) return false;
  uint64_t groups = in.len();
  while (groups-- > 0 && in.ok) {
    std::string name = in.str();
    auto g = std::make_unique<StreamGroup>();
    g->last_id.ms = in.len();
    g->last_id.seq = in.len();
    g->entries_read = type == kRdbStream2 ? static_cast<int64_t>(in.len()) : s.estimate_distance_from_first(g->last_id);
    uint64_t pending = in.len();
    while (pending-- > 0 && in.ok) {
      StreamId id = in.raw_id();
      auto t = in.take(8);
      uint64_t n = in.len();
      if (!in.ok) return false;
      if (!g->pending.try_emplace(id, StreamNack{load_le<int64_t>(t.data()), n, nullptr}).second) return false;
    }
    uint64_t consumers = in.len();
    while (consumers-- > 0 && in.ok) {
      auto cons = std::make_unique<StreamConsumer>();
      cons->name = in.str();
      auto t = in.take(8);
      if (!in.ok) return false;
      cons->seen_ms = load_le<int64_t>(t.data());
      uint64_t own = in.len();
      while (own-- > 0 && in.ok) {
        StreamId id = in.raw_id();
        auto it = g->pending.find(id);
        if (it == g->pending.end()) return false;
        it->second.consumer = cons.get();
        cons->pending[id] = &it->second;
      }
      std::string cname = cons->name;
      if (!g->consumers.emplace(cname, std::move(cons)).second) return false;
    }
    for (auto& [id, nack] : g->pending)
      if (nack.consumer == nullptr) return false;
    if (!s.groups.emplace(name, std::move(g)).second) return false;
  }
  return in.ok;
}

bool read_value(Keyspace& ks, In& in, Object* out) {
  uint8_t type = in.byte();
  int fill = static_cast<int>(ks.config.s.list_max_listpack_size);
  double ignored;
  switch (type) {
    case kRdbString: *out = Object::encoded_string(in.str()); return in.ok;
    case kRdbList: {
      *out = Object::new_list(fill);
      for (uint64_t n = in.len(); n > 0 && in.ok; --n) out->list().push_back(in.str());
      return in.ok && out->list().size() > 0;
    }
    case kRdbSet: {
      uint64_t n = in.len();
      if (n == 0) return false;
      *out = n <= static_cast<uint64_t>(ks.config.s.set_max_intset_entries) ? Object::new_intset() : Object::new_set_table();
      for (; n > 0 && in.ok; --n)
        if (!set_add(ks, *out, in.str()) && in.ok) return false;
      return in.ok;
    }
    case kRdbZset: case kRdbZset2: {
      *out = Object::new_zset();
      uint64_t n = in.len();
      if (n == 0) return false;
      for (; n > 0 && in.ok; --n) {
        std::string m = in.str();
        double score;
        if (type == kRdbZset2) score = in.binary_double();
        else {
          uint8_t k = in.byte();
          if (k == 253) score = NAN;
          else if (k == 254) score = INFINITY;
          else if (k == 255) score = -INFINITY;
          else if (!parse_double(in.take(k), &score)) return false;
        }
        if (!in.ok || std::isnan(score)) return false;
        if (zset_add(ks, *out, m, score, 0, &ignored) != kZaddAdded) return false;
      }
      return in.ok;
    }
    case kRdbHash: {
      *out = Object::new_hash();
      uint64_t n = in.len();
      if (n == 0) return false;
      for (; n > 0 && in.ok; --n) {
        std::string f = in.str(), v = in.str();
        if (in.ok && !hash_set(ks, *out, f, v)) return false;
      }
      return in.ok;
    }
    case kRdbSetIntset: {
      std::string s = in.str();
      if (!in.ok || !IntSet::valid(s)) return false;
      *out = Object(Type::kSet, Enc::kIntset, IntSet::copy_of(s).raw());
      if (out->intset().size() > static_cast<uint64_t>(ks.config.s.set_max_intset_entries)) set_convert(*out);
      return true;
    }
    case kRdbHashListpack: case kRdbZsetListpack: {
      std::string s = in.str();
      if (!in.ok || !Listpack::valid(s, 2)) return false;
      Listpack lp(reinterpret_cast<unsigned char*>(s.data()));
      if (lp.size() == 0) return false;
      std::unordered_set<std::string> seen;
      bool large = false;
      for (auto at = lp.first(); at != Listpack::kNone; at = lp.next(lp.next(at))) {
        std::string k = lp.get(at).str();
        size_t limit = static_cast<size_t>(type == kRdbHashListpack ? ks.config.s.hash_max_listpack_value : ks.config.s.zset_max_listpack_value);
        large |= k.size() > limit;
        if (type == kRdbHashListpack) { LpValue v = lp.get(lp.next(at)); large |= v.data != nullptr && v.size > limit; }
        if (!seen.insert(std::move(k)).second) return false;
      }
      bool hash = type == kRdbHashListpack;
      *out = Object(hash ? Type::kHash : Type::kZset, Enc::kListpack, Listpack::copy_of(s).raw());
      uint64_t limit = static_cast<uint64_t>(hash ? ks.config.s.hash_max_listpack_entries : ks.config.s.zset_max_listpack_entries);
      if (seen.size() > limit || large) hash ? hash_convert(*out) : zset_convert(*out);
      return true;
    }
    case kRdbQuicklist: case kRdbQuicklist2: {
      *out = Object::new_list(fill);
      for (uint64_t n = in.len(); n > 0 && in.ok; --n) {
        uint64_t container = type == kRdbQuicklist2 ? in.len() : 2;
        std::string s = in.str();
        if (!in.ok) return false;
        if (container == 1) { out->list().append_plain(s); continue; }
        if (container != 2) return false;
        if (type == kRdbQuicklist2) {
          if (!Listpack::valid(s)) return false;
          if (Listpack(reinterpret_cast<unsigned char*>(s.data())).first() != Listpack::kNone) out->list().append_packed(s);
        } else {
          std::vector<std::string> e;
          if (!ziplist_entries(s, &e)) return false;
          for (auto& x : e) out->list().push_back(x);
        }
      }
      return in.ok && out->list().size() > 0;
    }
    case kRdbListZiplist: case kRdbHashZiplist: case kRdbZsetZiplist: {
      std::vector<std::string> e;
      std::string s = in.str();
      if (!in.ok || !ziplist_entries(s, &e) || e.empty()) return false;
      if (type == kRdbListZiplist) {
        *out = Object::new_list(fill);
        for (auto& x : e) out->list().push_back(x);
        return true;
      }
      if (e.size() % 2) return false;
      *out = type == kRdbHashZiplist ? Object::new_hash() : Object::new_zset();
      for (size_t i = 0; i < e.size(); i += 2) {
        if (type == kRdbHashZiplist) { if (!hash_set(ks, *out, e[i], e[i + 1])) return false; continue; }
        double score;
        if (!parse_double(e[i + 1], &score) || zset_add(ks, *out, e[i], score, 0, &ignored) != kZaddAdded) return false;
      }
      return true;
    }
    case kRdbStream: case kRdbStream2: return read_stream(in, type, out);
    default: return false;
  }
}

}  // namespace

std::string dump_value(const Object& o, bool checksum) {
  std::string out;
  auto tag = [&](uint8_t t) { out.push_back(static_cast<char>(t)); };
  switch (o.type()) {
    case Type::kString: {
      tag(kRdbString);
      char buf[24];
      if (o.enc() == Enc::kInt) put_int_string(out, o.num());
      else put_str(out, o.text(buf));
      break;
    }
    case Type::kList:
      tag(kRdbQuicklist2);
      put_len(out, o.list().nodes());
      for (auto* n = o.list().head_node(); n != nullptr; n = n->next) {
        put_len(out, n->plain ? 1 : 2);
        std::string_view bytes(reinterpret_cast<const char*>(n->data), n->bytes);
        put_len(out, bytes.size());
        out += bytes;
      }
      break;
    case Type::kSet:
      if (o.enc() == Enc::kIntset) { tag(kRdbSetIntset); put_str(out, o.intset().bytes()); break; }
      tag(kRdbSet);
      put_len(out, set_size(o));
      set_each(o, [&](std::string_view m) { put_str(out, m); });
      break;
    case Type::kHash:
      if (o.enc() == Enc::kListpack) { tag(kRdbHashListpack); put_str(out, o.listpack().bytes()); break; }
      tag(kRdbHash);
      put_len(out, hash_size(o));
      hash_each(o, [&](std::string_view f, std::string_view v) { put_str(out, f); put_str(out, v); });
      break;
    case Type::kZset:
      if (o.enc() == Enc::kListpack) { tag(kRdbZsetListpack); put_str(out, o.listpack().bytes()); break; }
      tag(kRdbZset2);
      put_len(out, zset_size(o));
      zset_each(o, true, [&](std::string_view m, double s) { put_str(out, m); put_le<double>(out, s); return true; });
      break;
    case Type::kStream:
      tag(kRdbStream2);
      put_stream(out, o.stream());
      break;
  }
  put_le<uint16_t>(out, kRdbVersion);
  put_le<uint64_t>(out, checksum ? crc64(0, out.data(), out.size()) : 0);
  return out;
}

bool dumped_type(std::string_view payload, Type* type) {
  if (payload.empty()) return false;
  switch (static_cast<uint8_t>(payload[0])) {
    case kRdbString: *type = Type::kString; return true;
    case kRdbQuicklist2: *type = Type::kList; return true;
    case kRdbSet: case kRdbSetIntset: *type = Type::kSet; return true;
    case kRdbHash: case kRdbHashListpack: *type = Type::kHash; return true;
    case kRdbZset2: case kRdbZsetListpack: *type = Type::kZset; return true;
    case kRdbStream2: *type = Type::kStream; return true;
    default: return false;
  }
}

bool restore_value(Keyspace& ks, std::string_view payload, Object* out, bool) {
  In in{payload.substr(0, payload.size() - 10)};
  return read_value(ks, in, out) && in.ok;
}

static bool footer_ok(std::string_view p) {
  if (p.size() < 10) return false;
  std::string_view tail = p.substr(p.size() - 10);
  if (load_le<uint16_t>(tail.data()) > kRdbVersion) return false;
  uint64_t crc = load_le<uint64_t>(tail.data() + 2);
  return crc == 0 || crc == crc64(0, p.data(), p.size() - 8);
}

// ---- digests: SHA-1 of each element, combined without regard to order where there is none ----
namespace {
struct Digest {
  unsigned char d[20] = {};
  void x(std::string_view s) { unsigned char h[20]; sha1_raw(s, h); for (int i = 0; i < 20; ++i) d[i] ^= h[i]; }
  void mix(std::string_view s) { x(s); unsigned char h[20]; sha1_raw({reinterpret_cast<char*>(d), 20}, h); std::memcpy(d, h, 20); }
  std::string_view raw() const { return {reinterpret_cast<const char*>(d), 20}; }
  std::string hex() const { std::string r; for (unsigned char b : d) r += fmt::format("{:02x}", b); return r; }
};
void digest_object(Keyspace& ks, Database& db, Entry* e, Digest& d) {
  if (e->value.enc() == Enc::kCold) ks.load_value(db, e);
  const Object& o = e->value;
  uint32_t type = __builtin_bswap32(static_cast<uint32_t>(o.type()));
  d.mix({reinterpret_cast<char*>(&type), 4});
  char buf[24];
  switch (o.type()) {
    case Type::kString: d.mix(o.text(buf)); break;
    case Type::kList:
      for (auto it = o.list().first(); it.valid(); it.next()) d.mix(it.value(buf));
      break;
    case Type::kSet: set_each(o, [&](std::string_view m) { d.x(m); }); break;
    case Type::kZset:
      zset_each(o, false, [&](std::string_view m, double s) {
        Digest one;
        one.mix(m);
        one.mix(format_score(s));
        d.x(one.raw());
        return true;
      });
      break;
    case Type::kHash:
      hash_each(o, [&](std::string_view f, std::string_view v) {
        Digest one;
        one.mix(f);
        one.mix(v);
        d.x(one.raw());
      });
      break;
    case Type::kStream: {
      Stream::Iter it(o.stream(), {}, StreamId::max(), false);
      while (it.next()) {
        d.mix(fmt::format("{}.{}", it.id().ms, it.id().seq));
        for (auto f : it.fields()) d.mix(f);
      }
      break;
    }
  }
  if (ks.expire_of(db, e) != -1) d.x("!!expire!!");
}
}  // namespace

std::string digest_value_hex(Keyspace& ks, Database& d, Entry* e) {
  Digest x;
  if (e != nullptr) digest_object(ks, d, e, x);
  return x.hex();
}
std::string digest_hex(Keyspace& ks) {
  Digest final;
  for (int i = 0; i < ks.databases(); ++i) {
    Database& d = ks.db(i);
    if (d.dict.size() == 0) continue;
    uint32_t id = __builtin_bswap32(static_cast<uint32_t>(i));
    final.mix({reinterpret_cast<char*>(&id), 4});
    d.dict.for_each([&](Entry* e) {
      Digest one;
      one.mix(e->key());
      digest_object(ks, d, e, one);
      final.x(one.raw());
    });
  }
  return final.hex();
}

namespace {
void cmd_dump(Call& c) {
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e == nullptr) { c.reply.null(); return; }
  c.reply.bulk(dump_value(e->value));
}
void cmd_restore(Call& c) {
  bool replace = false, absolute = false;
  int64_t idle = -1, freq = -1, ttl;
  for (size_t i = 4; i < c.argc(); ++i) {
    bool more = i + 1 < c.argc();
    if (c.is(i, "replace")) replace = true;
    else if (c.is(i, "absttl")) absolute = true;
    else if (c.is(i, "idletime") && more && freq == -1) {
      if (!c.get_int(++i, &idle)) return;
      if (idle < 0) { c.fail("Invalid IDLETIME value, must be >= 0"); return; }
    } else if (c.is(i, "freq") && more && idle == -1) {
      if (!c.get_int(++i, &freq)) return;
      if (freq < 0 || freq > 255) { c.fail("Invalid FREQ value, must be >= 0 and <= 255"); return; }
    } else { c.syntax_error(); return; }
  }
  std::string key(c[1]);
  if (!replace && c.ks.lookup_read(c.db, key) != nullptr) { c.fail("-BUSYKEY Target key name already exists."); return; }
  if (!c.get_int(2, &ttl)) return;
  if (ttl < 0) { c.fail("Invalid TTL value, must be >= 0"); return; }
  if (!footer_ok(c[3])) { c.fail("DUMP payload version or checksum are wrong"); return; }
  Object o;
  if (!restore_value(c.ks, c[3], &o, true)) { c.fail("Bad data format"); return; }
  bool deleted = replace && c.ks.remove(c.db, key);
  if (ttl > 0 && !absolute) ttl += c.ks.now_ms();
  if (ttl > 0 && ttl <= c.ks.now_ms() && !c.ks.replaying) {
    if (deleted) {
      c.rewrite({"DEL", key});
      c.changed(key, kNotifyGeneric, "del");
    }
    c.reply.ok();
    return;
  }
  Entry* e = c.ks.add(c.db, key, std::move(o));
  if (ttl > 0) {
    c.ks.set_expire(c.db, e, ttl);
    if (c.ks.commit_effects) c.rewrite({"RESTORE", key, std::to_string(ttl), c[3], "REPLACE", "ABSTTL"});
  }
  if (freq >= 0 && Keyspace::lfu_policy(c.ks.config.s.maxmemory_policy)) e->value.set_lru(static_cast<uint32_t>(freq) | (static_cast<uint32_t>(c.ks.now_ms() / 60000) & 0xffff) << 8);
  if (idle >= 0 && !Keyspace::lfu_policy(c.ks.config.s.maxmemory_policy)) e->value.set_lru(static_cast<uint32_t>(c.ks.lru_clock() - idle) & 0xffffff);
  c.changed(key, kNotifyGeneric, "restore");
  c.reply.ok();
}
}  // namespace
void cmd_migrate(Call& c);  // migrate.cc
static const HandlerEntry kCommands[] = {{"dump", cmd_dump}, {"restore", cmd_restore}, {"restore-asking", cmd_restore}, {"migrate", cmd_migrate}};
std::span<const HandlerEntry> dump_commands() { return kCommands; }
}  // namespace stele::keyspace

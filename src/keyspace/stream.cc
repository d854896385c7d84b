#include "keyspace/stream.h"

#include "base/error.h"
#include "keyspace/memory.h"
#include "keyspace/util.h"

namespace stele::keyspace {
namespace {
constexpr int64_t kDeleted = 1, kSameFields = 2;

struct Master {
  int64_t count, deleted, num_fields;
  Listpack::Pos first_field, entries;  // entries: first entry or kNone
};
Master read_master(Listpack lp) {
  Master m;
  Listpack::Pos at = lp.first();
  m.count = lp.get_int(at);
  at = lp.next(at);
  m.deleted = lp.get_int(at);
  at = lp.next(at);
  m.num_fields = lp.get_int(at);
  m.first_field = at = lp.next(at);
  for (int64_t i = 0; i < m.num_fields; ++i) at = lp.next(at);
  m.entries = lp.next(at);
  return m;
}
// The position after the entry at `at`; decodes what the caller asks for.
struct RawEntry {
  int64_t flags, fields;
  StreamId id;
  Listpack::Pos body, end;  // body: first field or value; end: next entry or kNone
};
RawEntry read_entry(Listpack lp, const Master& m, StreamId key, Listpack::Pos at) {
  RawEntry e;
  e.flags = lp.get_int(at);
  at = lp.next(at);
  e.id.ms = key.ms + static_cast<uint64_t>(lp.get_int(at));
  at = lp.next(at);
  e.id.seq = key.seq + static_cast<uint64_t>(lp.get_int(at));
  at = lp.next(at);
  int64_t elements;
  if (e.flags & kSameFields) {
    e.fields = m.num_fields;
    elements = e.fields;
  } else {
    e.fields = lp.get_int(at);
    at = lp.next(at);
    elements = e.fields * 2;
  }
  e.body = at;
  for (int64_t i = 0; i < elements; ++i) at = lp.next(at);
  e.end = lp.next(at);
  return e;
}
void add_to_header(Listpack& lp, int index, int64_t change) {
  Listpack::Pos at = lp.seek(index);
  lp.replace_int(at, lp.get_int(at) + change);
}
}  // namespace

std::string StreamId::str() const { return fmt::format("{}-{}", ms, seq); }
bool StreamId::increment() {
  if (seq != UINT64_MAX) { ++seq; return true; }
  if (ms == UINT64_MAX) { ms = seq = 0; return false; }
  ++ms;
  seq = 0;
  return true;
}
bool StreamId::decrement() {
  if (seq != 0) { --seq; return true; }
  if (ms == 0) { ms = seq = UINT64_MAX; return false; }
  --ms;
  seq = UINT64_MAX;
  return true;
}

bool parse_stream_id(std::string_view s, StreamId* id, uint64_t missing_seq, bool strict, bool* seq_given) {
  if (seq_given != nullptr) *seq_given = true;
  if (s.size() > 127) return false;
  if (strict && (s == "-" || s == "+")) return false;
  if (s == "-") { *id = {0, 0}; return true; }
  if (s == "+") { *id = StreamId::max(); return true; }
  size_t dash = s.find('-');
  auto number = [](std::string_view t, uint64_t* out) {
    // Leading zeros are accepted here, as in Redis's string2ull.
    if (parse_u64(t, out)) return true;
    if (t.empty() || t.size() > 20) return false;
    uint64_t v = 0;
    for (char c : t) {
      if (c < '0' || c > '9') return false;
      if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, static_cast<uint64_t>(c - '0'), &v)) return false;
    }
    *out = v;
    return true;
  };
  if (dash == std::string_view::npos) {
    if (!number(s, &id->ms)) return false;
    id->seq = missing_seq;
    if (seq_given != nullptr) *seq_given = true;
    return true;
  }
  if (!number(s.substr(0, dash), &id->ms)) return false;
  if (seq_given != nullptr && s.substr(dash + 1) == "*") {
    *seq_given = false;
    id->seq = 0;
    return true;
  }
  return number(s.substr(dash + 1), &id->seq);
}

Stream::~Stream() {
  for (auto& [id, p] : blocks) mem_free(p);
}

void Stream::append(StreamId id, const std::vector<std::string_view>& fields, uint32_t node_max_bytes,
                    uint32_t node_max_entries) {
  int64_t n = static_cast<int64_t>(fields.size() / 2);
  size_t bytes = 0;
  for (auto f : fields) bytes += f.size();
  Listpack lp;
  StreamId key;
  bool fresh = true;
  if (!blocks.empty()) {
    auto last = std::prev(blocks.end());
    lp = Listpack(last->second);
    key = last->first;
    Listpack::Pos at = lp.first();
    int64_t count = lp.get_int(at) + lp.get_int(lp.next(at));
    bool full = (node_max_bytes > 0 && lp.total() + bytes >= node_max_bytes) ||
                (node_max_entries > 0 && count >= node_max_entries);
    if (!full && lp.total() < (1u << 30)) fresh = false;
  }
  bool same = false;
  if (fresh) {
    key = id;
    lp = Listpack::create();
    lp.append_int(1);
    lp.append_int(0);
    lp.append_int(n);
    for (int64_t i = 0; i < n; ++i) lp.append(fields[static_cast<size_t>(2 * i)]);
    lp.append_int(0);
    same = true;
  } else {
    Master m = read_master(lp);
    if (m.num_fields == n) {
      same = true;
      Listpack::Pos at = m.first_field;
      for (int64_t i = 0; i < n && same; ++i, at = lp.next(at)) same = lp.get(at).equals(fields[static_cast<size_t>(2 * i)]);
    }
    add_to_header(lp, 0, 1);
  }
  lp.append_int(same ? kSameFields : 0);
  lp.append_int(static_cast<int64_t>(id.ms - key.ms));
  lp.append_int(static_cast<int64_t>(id.seq - key.seq));
  if (!same) lp.append_int(n);
  for (int64_t i = 0; i < n; ++i) {
    if (!same) lp.append(fields[static_cast<size_t>(2 * i)]);
    lp.append(fields[static_cast<size_t>(2 * i + 1)]);
  }
  lp.append_int(same ? n + 3 : 2 * n + 4);
  blocks[key] = lp.raw();
  mark(key);
  if (length == 0) first_id = id;
  ++length;
  ++entries_added;
  last_id = id;
}

bool Stream::erase(StreamId id) {
  auto it = blocks.upper_bound(id);
  if (it == blocks.begin()) return false;
  --it;
  Listpack lp(it->second);
  Master m = read_master(lp);
  for (Listpack::Pos at = m.entries; at != Listpack::kNone;) {
    RawEntry e = read_entry(lp, m, it->first, at);
    if (e.id == id) {
      if (e.flags & kDeleted) return false;
      mark(it->first);
      if (m.count == 1) {
        lp.destroy();
        blocks.erase(it);
      } else {
        lp.replace_int(at, e.flags | kDeleted);
        add_to_header(lp, 0, -1);
        add_to_header(lp, 1, 1);
        it->second = lp.raw();
      }
      --length;
      return true;
    }
    at = e.end;
  }
  return false;
}

bool Stream::contains(StreamId id) const {
  Iter it(*this, id, id, false);
  return it.next();
}

uint64_t Stream::trim(const StreamTrim& t, uint32_t node_max_entries) {
  uint64_t removed = 0;
  bool by_len = t.kind == StreamTrim::kMaxLen;
  for (auto it = blocks.begin(); it != blocks.end();) {
    if (by_len && length <= t.max_len) break;
    Listpack lp(it->second);
    Master m = read_master(lp);
    if (t.limit > 0 && removed + static_cast<uint64_t>(m.count) > static_cast<uint64_t>(t.limit)) break;
    bool whole;
    if (by_len) {
      whole = length - static_cast<uint64_t>(m.count) >= t.max_len;
    } else {
      StreamId last = it->first;
      for (Listpack::Pos at = m.entries; at != Listpack::kNone;) {
        RawEntry e = read_entry(lp, m, it->first, at);
        last = e.id;
        at = e.end;
      }
      whole = last < t.min_id;
    }
    if (whole) {
      mark(it->first);
      removed += static_cast<uint64_t>(m.count);
      length -= static_cast<uint64_t>(m.count);
      lp.destroy();
      it = blocks.erase(it);
      continue;
    }
    if (t.approximate) break;
    StreamId key = it->first;
    int64_t dead = 0;
    for (Listpack::Pos at = m.entries; at != Listpack::kNone;) {
      RawEntry e = read_entry(lp, m, key, at);
      if (by_len ? length <= t.max_len : e.id >= t.min_id) break;
      if (!(e.flags & kDeleted)) {
        uint32_t before = lp.total();
        lp.replace_int(at, e.flags | kDeleted);
        // A deleted flag takes as many bytes as before; positions stay good.
        STELE_CHECK(lp.total() == before);
        ++dead;
        ++removed;
        --length;
      }
      at = e.end;
    }
    if (dead > 0) {
      mark(key);
      add_to_header(lp, 0, -dead);
      add_to_header(lp, 1, dead);
    }
    it->second = lp.raw();
    break;
  }
  if (removed > 0) refresh_first();
  (void)node_max_entries;
  return removed;
}

void Stream::refresh_first() {
  first_id = {};
  Iter it(*this, {}, StreamId::max(), false);
  if (it.next()) first_id = it.id();
}
StreamId Stream::last_entry() const {
  Iter it(*this, {}, StreamId::max(), true);
  return it.next() ? it.id() : StreamId{};
}
bool Stream::has_tombstones(StreamId from, StreamId to) const {
  if (length == 0 || max_deleted.zero()) return false;
  return max_deleted >= from && max_deleted <= to;
}
int64_t Stream::estimate_distance_from_first(StreamId id) const {
  if (entries_added == 0) return 0;
  if (length == 0 && id <= last_id) return static_cast<int64_t>(entries_added);
  auto order = id <=> last_id;
  if (order == 0) return static_cast<int64_t>(entries_added);
  if (order > 0) return -1;
  if (first_id > max_deleted) {
    if (id < first_id) return static_cast<int64_t>(entries_added - length);
    if (id == first_id) return static_cast<int64_t>(entries_added - length + 1);
  }
  return -1;
}

StreamNack* Stream::add_pending(StreamGroup& g, StreamId id, StreamConsumer* c, int64_t now_ms) {
  auto [it, fresh] = g.pending.try_emplace(id, StreamNack{now_ms, 1, c});
  if (!fresh) {
    it->second.consumer->pending.erase(id);
    it->second = {now_ms, 1, c};
  }
  c->pending[id] = &it->second;
  return &it->second;
}

std::unique_ptr<Stream> Stream::copy() const {
  auto s = std::make_unique<Stream>();
  s->length = length;
  s->last_id = last_id;
  s->first_id = first_id;
  s->max_deleted = max_deleted;
  s->entries_added = entries_added;
  for (auto& [id, p] : blocks) s->blocks[id] = Listpack::copy_of(Listpack(p).bytes()).raw();
  for (auto& [name, g] : groups) {
    auto ng = std::make_unique<StreamGroup>();
    ng->last_id = g->last_id;
    ng->entries_read = g->entries_read;
    for (auto& [cn, c] : g->consumers) {
      auto nc = std::make_unique<StreamConsumer>();
      nc->name = cn;
      nc->seen_ms = c->seen_ms;
      ng->consumers[cn] = std::move(nc);
    }
    for (auto& [id, nack] : g->pending) {
      StreamConsumer* c = ng->consumers.find(nack.consumer->name)->second.get();
      auto it = ng->pending.try_emplace(id, StreamNack{nack.delivery_ms, nack.deliveries, c}).first;
      c->pending[id] = &it->second;
    }
    s->groups[name] = std::move(ng);
  }
  return s;
}

size_t Stream::memory_bytes() const {
  size_t total = sizeof(Stream);
  for (auto& [id, p] : blocks) total += 64 + malloc_usable_size(p);
  for (auto& [name, g] : groups) {
    total += 128 + name.size() + g->pending.size() * 80;
    for (auto& [cn, c] : g->consumers) total += 128 + cn.size() + c->pending.size() * 56;
  }
  return total;
}

Stream::Iter::Iter(const Stream& s, StreamId from, StreamId to, bool reverse)
    : stream_(s), from_(from), to_(to), reverse_(reverse), block_(s.blocks.end()) {}

bool Stream::Iter::load_block() {
  slots_.clear();
  slot_ = 0;
  Listpack lp(block_->second);
  Master m = read_master(lp);
  for (Listpack::Pos at = m.entries; at != Listpack::kNone;) {
    RawEntry e = read_entry(lp, m, block_->first, at);
    if (e.id > to_) break;
    if (!(e.flags & kDeleted) && e.id >= from_) slots_.push_back({e.id, at});
    at = e.end;
  }
  if (reverse_) std::reverse(slots_.begin(), slots_.end());
  return !slots_.empty();
}

bool Stream::Iter::next() {
  if (from_ > to_) return false;
  const auto& blocks = stream_.blocks;
  if (!started_) {
    started_ = true;
    if (blocks.empty()) return false;
    block_ = blocks.upper_bound(reverse_ ? to_ : from_);
    if (block_ == blocks.begin()) {
      if (reverse_) { block_ = blocks.end(); return false; }
    } else {
      --block_;
    }
    load_block();
  }
  if (block_ == blocks.end()) return false;
  while (slot_ >= slots_.size()) {
    if (reverse_) {
      if (block_ == blocks.begin() || block_->first <= from_) { block_ = blocks.end(); return false; }
      --block_;
    } else {
      ++block_;
      if (block_ == blocks.end() || block_->first > to_) { block_ = blocks.end(); return false; }
    }
    load_block();
  }
  Listpack lp(block_->second);
  Master m = read_master(lp);
  RawEntry e = read_entry(lp, m, block_->first, slots_[slot_].pos);
  ++slot_;
  id_ = e.id;
  fields_.clear();
  numbers_.clear();
  numbers_.reserve(static_cast<size_t>(e.fields) * 2);
  auto take = [&](Listpack::Pos p) {
    LpValue v = lp.get(p);
    if (v.data != nullptr) { fields_.push_back({v.data, v.size}); return; }
    numbers_.push_back(v.str());
    fields_.push_back(numbers_.back());
  };
  Listpack::Pos field = m.first_field, at = e.body;
  for (int64_t i = 0; i < e.fields; ++i) {
    if (e.flags & kSameFields) { take(field); field = lp.next(field); }
    else { take(at); at = lp.next(at); }
    take(at);
    at = lp.next(at);
  }
  return true;
}

}  // namespace stele::keyspace

// Large collections on disk: a head and their elements, each under a key of its own, so that what changed is what is written.
//
//   k<db><key>                          lsn, expiry, then a dump of the value, or the head of a collection:
//                                       0xE0, type, generation, number of elements, and what a stream has beside its entries
//   e<db><length><key><generation><x>   an element: of a hash or a set by its name, of a sorted set too (its score), of a list
//                                       a node by its place, of a stream a block by its id or a group by its name
//   g<db><length><key><generation>      elements of this generation are left over, or not complete yet: loading erases them
//   v                                   the version of all this
//
// The first time, and when a list has no places left, elements are written under a new generation, in slices that nobody
// sees before the head names it. Later, what changed is gathered in slices, with the latch released in between; elements
// that change meanwhile are gathered again, until nothing is left. Only then the head gets its lsn, and all of it is one batch.
#include <thread>

#include "base/codec.h"
#include "keyspace/durable.h"

namespace stele::keyspace {
namespace {
using Clock = std::chrono::steady_clock;
using Op = storage::DerivedStore::Op;
constexpr uint8_t kHead = 0xe0;
constexpr size_t kManyElements = 256, kManyBytes = 64 << 10, kManyNodes = 16;
constexpr size_t kManyChanges = 65536;  // of which a batch is not made when they are a fourth of all: the collection is written anew
constexpr size_t kSliceBytes = 256 << 10;
constexpr auto kSliceTime = std::chrono::microseconds(500);
constexpr double kShareFirst = 0.1;  // of a processor; more when writers stay ahead
constexpr uint64_t kVersion = 2;                    // 1, which had no such mark, had whole values only
constexpr const char* kVersionKey = "v";

std::string collection_key(char kind, std::string_view disk_key, uint64_t generation) {
  std::string s(1, kind);
  s += disk_key.substr(1, 2);
  put_be32(s, static_cast<uint32_t>(disk_key.size() - 3));
  s += disk_key.substr(3);
  put_be64(s, generation);
  return s;
}
std::string stored_id(StreamId id) {
  std::string s(1, 'b');
  put_be64(s, id.ms);
  put_be64(s, id.seq);
  return s;
}
StreamId read_id(const char* p) { return {load_be64(p), load_be64(p + 8)}; }

// A group with its consumers and what is pending.
std::string group_bytes(const StreamGroup& g) {
  std::string out;
  put_varint(out, g.last_id.ms);
  put_varint(out, g.last_id.seq);
  put_le<int64_t>(out, g.entries_read);
  put_varint(out, g.consumers.size());
  for (auto& [name, c] : g.consumers) {
    put_string(out, name);
    put_le<int64_t>(out, c->seen_ms);
    put_varint(out, c->pending.size());
    for (auto& [id, nack] : c->pending) {
      put_varint(out, id.ms);
      put_varint(out, id.seq);
      put_le<int64_t>(out, nack->delivery_ms);
      put_varint(out, nack->deliveries);
    }
  }
  return out;
}
bool read_group(std::string_view bytes, StreamGroup* g) {
  Reader r(bytes);
  g->last_id.ms = r.varint();
  g->last_id.seq = r.varint();
  g->entries_read = r.le<int64_t>();
  for (uint64_t n = r.varint(); n > 0 && r.ok(); --n) {
    auto c = std::make_unique<StreamConsumer>();
    c->name = std::string(r.string());
    c->seen_ms = r.le<int64_t>();
    for (uint64_t pending = r.varint(); pending > 0 && r.ok(); --pending) {
      StreamId id;
      id.ms = r.varint();
      id.seq = r.varint();
      int64_t at = r.le<int64_t>();
      uint64_t deliveries = r.varint();
      auto it = g->pending.try_emplace(id, StreamNack{at, deliveries, c.get()}).first;
      c->pending[id] = &it->second;
    }
    std::string name = c->name;
    g->consumers[name] = std::move(c);
  }
  return r.ok();
}

// How many element records the collection has on disk.
uint64_t count_of(const Object& o) {
  switch (o.type()) {
    case Type::kHash: return o.fields().size();
    case Type::kSet: return o.set_table().size();
    case Type::kZset: return o.zset().size();
    case Type::kList: return o.list().nodes();
    default: return o.stream().blocks.size() + o.stream().groups.size();
  }
}
template <class F>
void with_table(Object& o, F f) {
  if (o.type() == Type::kHash) f(o.fields());
  else if (o.type() == Type::kSet) f(o.set_table());
  else if (o.type() == Type::kZset) f(o.zset().table);
}
std::string value_of(const HashNode* n) { return std::string(n->value->view()); }
std::string value_of(const SetNode*) { return {}; }
std::string value_of(const ZNode* n) {
  std::string s;
  put_le<double>(s, n->score);
  return s;
}
}  // namespace

// One collection on its way to disk.
struct DurableKeyspace::Slice {
  std::string prefix;                       // of its elements' keys
  Ops ops;
  bool fresh = false, scanning = false;     // a new generation; its table is still being walked
  uint64_t cursor = 0;
  size_t bytes = 0;                         // of this slice
  std::unordered_map<std::string, uint64_t> groups;   // what was last gathered of a stream's groups, by name
  Clock::time_point started;
  void put(std::string_view element, std::string value) {
    ops.push_back({prefix + std::string(element), std::move(value), false});
    bytes += ops.back().key.size() + ops.back().value.size();
  }
  void erase(std::string_view element) {
    ops.push_back({prefix + std::string(element), {}, true});
    bytes += ops.back().key.size();
  }
  bool room() const { return bytes < kSliceBytes && (ops.size() % 64 != 0 || Clock::now() - started < kSliceTime); }
};

bool DurableKeyspace::by_elements(const Object& o) {
  auto* dirt = o.dirt();
  if (dirt == nullptr) return false;
  if (*dirt != nullptr) return true;
  switch (o.enc()) {
    case Enc::kQuicklist: return o.list().nodes() >= kManyNodes;
    case Enc::kStream: return o.stream().blocks.size() >= kManyNodes;
    default: return o.free_effort() >= kManyElements || (o.free_effort() > 0 && o.memory_bytes(5) >= kManyBytes);
  }
}

// Gathers changes while there is room; true when nothing is left.
bool DurableKeyspace::emit(Object& o, Slice* s) {
  Dirt& dirt = **o.dirt();
  s->bytes = 0;
  bool done = true;
  with_table(o, [&](auto& table) {
    auto put = [&](auto* n) {
      n->dirty = false;
      s->put(n->key(), value_of(n));
    };
    while (s->scanning && s->room()) {
      s->cursor = table.scan(s->cursor, [&](auto* n) { s->put(n->key(), value_of(n)); });
      s->scanning = s->cursor != 0;
    }
    while (!dirt.removed.empty() && s->room()) {
      auto it = dirt.removed.begin();
      if (table.find(*it) == nullptr) s->erase(*it);
      dirt.removed.erase(it);
    }
    while (!dirt.queue.empty() && s->room()) {
      uint64_t h = dirt.queue.front();
      dirt.queue.pop_front();
      table.each_in_chain(h, [&](auto* n) { if (n->dirty) put(n); });
    }
    done = !s->scanning;
  });
  if (o.type() == Type::kList) {
    auto put = [&](const List::Node* n) {
      std::string v(1, n->plain ? 1 : 0);
      v.append(reinterpret_cast<const char*>(n->data), n->bytes);
      s->put(List::stored_place(n->place), std::move(v));
    };
    while (dirt.scan != nullptr && s->room()) {
      auto* n = static_cast<List::Node*>(dirt.scan);
      dirt.scan = n->next;
      if (!n->dirty) put(n);
    }
    s->scanning = dirt.scan != nullptr;
    done = !s->scanning;
    while (!dirt.removed.empty() && s->room()) {
      s->erase(*dirt.removed.begin());
      dirt.removed.erase(dirt.removed.begin());
    }
    while (!dirt.nodes.empty() && s->room()) {
      auto it = dirt.nodes.begin();
      auto* n = static_cast<List::Node*>(it->second);
      n->dirty = false;
      put(n);
      dirt.nodes.erase(it);
    }
  }
  if (o.type() == Type::kStream) {
    Stream& stream = o.stream();
    while (!dirt.blocks.empty() && s->room()) {
      auto it = dirt.blocks.begin();
      StreamId id{it->first, it->second};
      auto block = stream.blocks.find(id);
      if (block == stream.blocks.end()) s->erase(stored_id(id));
      else s->put(stored_id(id), std::string(Listpack(block->second).bytes()));
      dirt.blocks.erase(it);
    }
    if (dirt.blocks.empty()) {
      // Groups that differ from what disk has, or this batch.
      for (auto& [name, g] : stream.groups) {
        std::string bytes = group_bytes(*g);
        uint64_t now = hash_key(bytes);
        auto [known, fresh] = dirt.groups.try_emplace(name, now);
        if (!fresh && known->second == now) continue;
        known->second = now;
        s->put("g" + name, std::move(bytes));
      }
      for (auto it = dirt.groups.begin(); it != dirt.groups.end();) {
        if (stream.groups.contains(it->first)) { ++it; continue; }
        s->erase("g" + it->first);
        it = dirt.groups.erase(it);
      }
    }
  }
  return done && dirt.size() == 0;
}

std::string DurableKeyspace::head_of(Database& d, Entry* e, storage::Lsn lsn, uint64_t generation) {
  std::string v;
  put_le<uint64_t>(v, lsn);
  put_le<int64_t>(v, ks_.expire_of(d, e));
  v.push_back(static_cast<char>(kHead));
  v.push_back(static_cast<char>(e->value.type()));
  put_be64(v, generation);
  put_varint(v, count_of(e->value));
  if (e->value.type() == Type::kStream) {
    Stream& s = e->value.stream();
    for (StreamId id : {s.last_id, s.first_id, s.max_deleted}) { put_varint(v, id.ms); put_varint(v, id.seq); }
    put_varint(v, s.length);
    put_varint(v, s.entries_added);
  }
  return v;
}

std::unique_ptr<Dirt> DurableKeyspace::track_anew(Object& o, const std::string& on_disk) {
  generation_ = std::max(generation_, derived_.applied()) + 1;
  auto fresh = std::make_unique<Dirt>();
  fresh->owner = on_disk;
  fresh->generation = generation_;
  auto& dirt = *o.dirt();
  if (dirt != nullptr) {  // marked elements stay so
    fresh->queue = std::move(dirt->queue);
    if (!dirt->whole) fresh->nodes = std::move(dirt->nodes);
  }
  dirt.swap(fresh);
  if (o.type() == Type::kList) o.list().track_anew();
  if (o.type() == Type::kStream)
    for (auto& [id, block] : o.stream().blocks) o.stream().mark(id);
  return fresh;
}

void DurableKeyspace::drain_collection(int db, const std::string& key) {
  const std::string on_disk = disk_key(db, key);
  Slice s;
  uint64_t generation = 0;
  size_t backlog_before = SIZE_MAX;
  double share = kShareFirst;
  bool marked = false;
  std::unique_ptr<Dirt> replaced;   // may be large: freed without the latch
  for (bool first = true, done = false; !done; first = false) {
    s.started = Clock::now();
    bool gone = false, out_of_places = false;
    size_t backlog = 0;
    {
      KeyspaceLatch latch(ks_.latch());
      s.started = Clock::now();
      ks_.refresh_time();
      Database& d = ks_.db(db);
      Entry* e = d.dict.find(key);
      auto* dirt = e != nullptr ? e->value.dirt() : nullptr;
      if (first) {
        // What took its place since stands in the new queue, with effects that replay.
        if (e == nullptr || changes_of(d).flushed || !e->value.dirty() || dirt == nullptr) return;
        bool tracked = *dirt != nullptr && e->value.stored() && (*dirt)->owner == on_disk && !(*dirt)->whole;
        if (!tracked || ((*dirt)->size() > kManyChanges && (*dirt)->size() > count_of(e->value) / 4)) {
          replaced = track_anew(e->value, on_disk);
          s.fresh = true;
          s.scanning = e->value.type() != Type::kList && e->value.type() != Type::kStream;
        }
        generation = (*dirt)->generation;
        s.prefix = collection_key('e', on_disk, generation);
      }
      gone = e == nullptr || changes_of(d).flushed || dirt == nullptr || *dirt == nullptr || (*dirt)->owner != on_disk || (*dirt)->generation != generation || (*dirt)->whole || !e->value.dirty();
      if (!gone) {
        done = emit(e->value, &s);
        backlog = (*dirt)->size();
        if (done) {
          s.ops.push_back({on_disk, head_of(d, e, commit_pending_locked(), generation), false});
          s.bytes += on_disk.size() + s.ops.back().value.size();
          e->value.set_dirty(false);
          e->value.set_stored(true);
        }
        ks_.draining.bytes += s.bytes;
      } else {
        out_of_places = e != nullptr && dirt != nullptr && *dirt != nullptr && (*dirt)->generation == generation && (*dirt)->whole;
      }
      held(s.started);
    }
    if (gone) {
      // The batch is dropped: disk keeps the older state, on which newer effects replay.
      if (s.fresh && marked) {
        retired_.emplace_back(on_disk, generation);
        erase_retired();
      }
      return out_of_places ? drain_collection(db, key) : void();
    }
    if (s.fresh) {
      std::string mark = collection_key('g', on_disk, generation);
      if (!marked && !done) s.ops.insert(s.ops.begin(), {mark, {}, false});
      if (done) {
        if (marked) s.ops.push_back({mark, {}, true});
        retire(on_disk, &s.ops);
        generations_[on_disk] = generation;
      }
      derived_.write(s.ops, derived_.applied());
      s.ops.clear();
      marked = true;
      if (done) erase_retired();
    } else if (done) {
      derived_.write(s.ops, derived_.applied());
    }
    if (done || stopping_) continue;
    // Commands come first, but what changes meanwhile is to be gathered again: who never catches up never ends.
    if (!s.scanning && backlog > backlog_before / 8 * 7) share = std::min(1.0, share * 2);
    backlog_before = s.scanning ? SIZE_MAX : backlog;
    rest(share);
  }
}

void DurableKeyspace::retire(std::string on_disk, Ops* ops) {
  auto it = generations_.find(on_disk);
  if (it == generations_.end()) return;
  ops->push_back({collection_key('g', on_disk, it->second), {}, false});
  retired_.emplace_back(on_disk, it->second);
  generations_.erase(it);
}
void DurableKeyspace::erase_retired() {
  for (auto& [on_disk, generation] : retired_) {
    derived_.erase_range(collection_key('e', on_disk, generation), collection_key('e', on_disk, generation + 1));
    Op op{collection_key('g', on_disk, generation), {}, true};
    derived_.write({&op, 1}, derived_.applied());
  }
  retired_.clear();
}

// ---- reading ----

bool DurableKeyspace::is_head(std::string_view dump, Type* type) {
  if (dump.size() < 10 || static_cast<uint8_t>(dump[0]) != kHead) return false;
  *type = static_cast<Type>(dump[1]);
  return true;
}

void DurableKeyspace::read_collection(const std::string& on_disk, std::string_view head, Object* out) {
  auto type = static_cast<Type>(head[1]);
  uint64_t generation = load_be64(head.data() + 2), seen = 0;
  Reader r(head.substr(10));
  uint64_t count = r.varint();
  auto damaged = [&] {
    throw Error(ErrorCode::kDataCorrupted, fmt::format("the stored {} of the Redis key {} cannot be read: {} of {} elements", type_name(type), quoted(on_disk.substr(3)), seen, count));
  };
  switch (type) {
    case Type::kHash: *out = Object::new_hash(); hash_convert(*out); out->fields().reserve(count); break;
    case Type::kSet: *out = Object::new_set_table(); out->set_table().reserve(count); break;
    case Type::kZset: *out = Object::new_zset_skiplist(); out->zset().table.reserve(count); break;
    case Type::kList: *out = Object::new_list(static_cast<int>(ks_.config.s.list_max_listpack_size)); break;
    case Type::kStream: *out = Object::new_stream(); break;
    default: damaged();
  }
  auto dirt = std::make_unique<Dirt>();
  dirt->owner = on_disk;
  dirt->generation = generation;
  std::string prefix = collection_key('e', on_disk, generation);
  auto cursor = derived_.scan(prefix, collection_key('e', on_disk, generation + 1));
  for (; cursor->valid(); cursor->next(), ++seen) {
    std::string_view name = cursor->key().substr(prefix.size()), value = cursor->value();
    switch (type) {
      case Type::kHash: out->fields().insert(HashNode::make(name, value)); break;
      case Type::kSet: out->set_table().insert(SetNode::make(name)); break;
      case Type::kZset:
        if (value.size() != 8) damaged();
        out->zset().insert(name, load_le<double>(value.data()));
        break;
      case Type::kList:
        if (name.size() != 8 || value.empty() || (value[0] == 0 && !Listpack::valid(value.substr(1)))) damaged();
        out->list().append_stored(static_cast<int64_t>(load_be64(name.data()) ^ (uint64_t{1} << 63)), value[0] != 0, value.substr(1));
        break;
      default:
        if (name[0] == 'b') {
          if (name.size() != 17 || !Listpack::valid(value)) damaged();
          out->stream().blocks[read_id(name.data() + 1)] = Listpack::copy_of(value).raw();
        } else {
          auto g = std::make_unique<StreamGroup>();
          if (!read_group(value, g.get())) damaged();
          dirt->groups[std::string(name.substr(1))] = hash_key(value);
          out->stream().groups[std::string(name.substr(1))] = std::move(g);
        }
    }
  }
  if (seen != count || !r.ok()) damaged();
  if (type == Type::kStream) {
    Stream& s = out->stream();
    for (StreamId* id : {&s.last_id, &s.first_id, &s.max_deleted}) { id->ms = r.varint(); id->seq = r.varint(); }
    s.length = r.varint();
    s.entries_added = r.varint();
    if (!r.ok()) damaged();
  }
  *out->dirt() = std::move(dirt);
}

// Refuses what a newer version wrote, and erases what a crash left half done.
void DurableKeyspace::load_elements() {
  std::string value;
  if (derived_.get(kVersionKey, &value)) {
    Reader r(value);
    uint64_t version = r.varint();
    if (!r.ok() || version > kVersion)
      throw Error(ErrorCode::kFeatureNotSupported, fmt::format("the keyspace was written in format {}, which this version cannot read", version));
  } else {
    value.clear();
    put_varint(value, kVersion);
    Op op{kVersionKey, value, false};
    derived_.write({&op, 1}, derived_.applied());
  }
  for (auto cursor = derived_.scan("g", "h"); cursor->valid(); cursor->next()) {
    std::string_view k = cursor->key();
    if (k.size() < 15) continue;
    std::string on_disk = "k" + std::string(k.substr(1, 2)) + std::string(k.substr(7, k.size() - 15));
    retired_.emplace_back(std::move(on_disk), load_be64(k.data() + k.size() - 8));
  }
  for (auto& [key, generation] : retired_) generation_ = std::max(generation_, generation);
  erase_retired();
}

}  // namespace stele::keyspace

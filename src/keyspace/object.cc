#include "keyspace/object.h"

#include "keyspace/util.h"

namespace stele::keyspace {

uint64_t g_memory_used = 0;

const char* type_name(Type t) {
  switch (t) {
    case Type::kString: return "string";
    case Type::kList: return "list";
    case Type::kSet: return "set";
    case Type::kZset: return "zset";
    case Type::kHash: return "hash";
    case Type::kStream: return "stream";
  }
  return "unknown";
}
const char* encoding_name(Enc e) {
  static const char* names[] = {"raw", "int", "embstr", "quicklist", "intset", "hashtable", "listpack", "skiplist", "stream", "cold"};
  return names[static_cast<int>(e)];
}

Str* Str::make(std::string_view s, size_t cap) {
  cap = std::max(cap, s.size());
  auto* p = static_cast<Str*>(mem_alloc(offsetof(Str, data) + cap));
  p->len = static_cast<uint32_t>(s.size());
  p->cap = static_cast<uint32_t>(cap);
  if (!s.empty()) std::memcpy(p->data, s.data(), s.size());
  return p;
}
static Str* str_room(Str* s, size_t n) {
  if (n <= s->cap) return s;
  size_t cap = n < (1 << 20) ? n * 2 : n + (1 << 20);
  s = static_cast<Str*>(mem_resize(s, offsetof(Str, data) + cap));
  s->cap = static_cast<uint32_t>(std::min<size_t>(cap, UINT32_MAX));
  return s;
}
Str* str_grow(Str* s, size_t n) {
  if (n <= s->len) return s;
  s = str_room(s, n);
  std::memset(s->data + s->len, 0, n - s->len);
  s->len = static_cast<uint32_t>(n);
  return s;
}
Str* str_append(Str* s, std::string_view tail) {
  s = str_room(s, s->len + tail.size());
  std::memcpy(s->data + s->len, tail.data(), tail.size());
  s->len += static_cast<uint32_t>(tail.size());
  return s;
}

SetNode* SetNode::make(std::string_view s) {
  auto* n = static_cast<SetNode*>(mem_alloc(offsetof(SetNode, data) + s.size()));
  n->next = nullptr;
  n->len = static_cast<uint32_t>(s.size()) & 0x7fffffff;
  n->dirty = 0;
  std::memcpy(n->data, s.data(), s.size());
  return n;
}
SetTable::~SetTable() {
  for_each([](SetNode* n) { mem_free(n); });
}
HashNode* HashNode::make(std::string_view field, std::string_view value) {
  auto* n = static_cast<HashNode*>(mem_alloc(offsetof(HashNode, data) + field.size()));
  n->next = nullptr;
  n->value = Str::make(value);
  n->len = static_cast<uint32_t>(field.size()) & 0x7fffffff;
  n->dirty = 0;
  std::memcpy(n->data, field.data(), field.size());
  return n;
}
void HashNode::destroy(HashNode* n) {
  Str::destroy(n->value);
  mem_free(n);
}
void HashNode::set(std::string_view v) {
  if (v.size() <= value->cap && v.size() * 2 >= value->cap) {
    std::memcpy(value->data, v.data(), v.size());
    value->len = static_cast<uint32_t>(v.size());
    return;
  }
  Str* fresh = Str::make(v);
  Str::destroy(value);
  value = fresh;
}
FieldTable::~FieldTable() {
  for_each([](HashNode* n) { HashNode::destroy(n); });
}

template <class T>
static T* create() { return new (mem_alloc(sizeof(T))) T(); }
template <class T>
static void dispose(void* p) {
  static_cast<T*>(p)->~T();
  mem_free(p);
}

void Object::destroy() {
  if (p_ == nullptr || enc() == Enc::kInt) return;
  switch (enc()) {
    case Enc::kRaw: case Enc::kEmbstr: case Enc::kIntset: case Enc::kListpack: mem_free(p_); break;
    case Enc::kQuicklist: dispose<List>(p_); break;
    case Enc::kTable:
      if (type() == Type::kSet) dispose<SetTable>(p_);
      else dispose<FieldTable>(p_);
      break;
    case Enc::kSkiplist: dispose<Zset>(p_); break;
    case Enc::kStream: dispose<Stream>(p_); break;
    case Enc::kInt: case Enc::kCold: break;
  }
  p_ = nullptr;
}

Object Object::from_int(int64_t v) {
  Object o(Type::kString, Enc::kInt, nullptr);
  o.n_ = v;
  return o;
}
Object Object::from_string(std::string_view s) {
  return Object(Type::kString, s.size() <= 44 ? Enc::kEmbstr : Enc::kRaw, Str::make(s));
}
Object Object::encoded_string(std::string_view s) {
  int64_t v;
  if (s.size() <= 20 && parse_i64(s, &v)) return from_int(v);
  return from_string(s);
}
Object Object::new_list(int fill) {
  return Object(Type::kList, Enc::kQuicklist, new (mem_alloc(sizeof(List))) List(fill));
}
Object Object::new_intset() { return Object(Type::kSet, Enc::kIntset, IntSet::create().raw()); }
Object Object::new_set_table() { return Object(Type::kSet, Enc::kTable, create<SetTable>()); }
Object Object::new_hash() { return Object(Type::kHash, Enc::kListpack, Listpack::create().raw()); }
Object Object::new_zset() { return Object(Type::kZset, Enc::kListpack, Listpack::create().raw()); }
Object Object::new_zset_skiplist() { return Object(Type::kZset, Enc::kSkiplist, create<Zset>()); }
Object Object::new_stream() { return Object(Type::kStream, Enc::kStream, create<Stream>()); }

Object Object::duplicate() const {
  switch (enc()) {
    case Enc::kCold: break;
    case Enc::kInt: return from_int(n_);
    case Enc::kRaw: case Enc::kEmbstr: return Object(Type::kString, enc(), Str::make(str()->view()));
    case Enc::kIntset: return Object(type(), enc(), IntSet::copy_of(intset().bytes()).raw());
    case Enc::kListpack: return Object(type(), enc(), Listpack::copy_of(listpack().bytes()).raw());
    case Enc::kQuicklist: {
      Object o = new_list(-2);
      for (auto* n = list().head_node(); n != nullptr; n = n->next) {
        if (n->plain) o.list().append_plain({reinterpret_cast<const char*>(n->data), n->bytes});
        else o.list().append_packed(Listpack(n->data).bytes());
      }
      return o;
    }
    case Enc::kTable: {
      if (type() == Type::kSet) {
        Object o = new_set_table();
        o.set_table().reserve(set_table().size());
        set_table().for_each([&](SetNode* n) { o.set_table().insert(SetNode::make(n->key())); });
        return o;
      }
      Object o(Type::kHash, Enc::kTable, create<FieldTable>());
      o.fields().reserve(fields().size());
      fields().for_each([&](HashNode* n) { o.fields().insert(HashNode::make(n->key(), n->value->view())); });
      return o;
    }
    case Enc::kSkiplist: {
      Object o = new_zset_skiplist();
      for (auto n = zset().first(); n; ++n) o.zset().insert(n->key(), n->score);
      return o;
    }
    case Enc::kStream: {
      auto copy = stream().copy();
      Object o = new_stream();
      std::swap(o.stream().blocks, copy->blocks);
      std::swap(o.stream().groups, copy->groups);
      o.stream().length = copy->length;
      o.stream().last_id = copy->last_id;
      o.stream().first_id = copy->first_id;
      o.stream().max_deleted = copy->max_deleted;
      o.stream().entries_added = copy->entries_added;
      return o;
    }
  }
  return {};
}

std::string_view Object::text(char* buf) const {
  if (enc() == Enc::kInt) return {buf, format_i64(n_, buf)};
  return str()->view();
}

std::unique_ptr<Dirt>* Object::dirt() const {
  switch (enc()) {
    case Enc::kTable: return type() == Type::kSet ? &set_table().dirt : &fields().dirt;
    case Enc::kSkiplist: return &zset().table.dirt;
    case Enc::kQuicklist: return &list().dirt;
    case Enc::kStream: return &stream().dirt;
    default: return nullptr;
  }
}

size_t Object::free_effort() const {
  switch (enc()) {
    case Enc::kQuicklist: return list().nodes();
    case Enc::kTable: return type() == Type::kSet ? set_table().size() : fields().size();
    case Enc::kSkiplist: return zset().size();
    case Enc::kStream: return stream().blocks.size();
    default: return 1;
  }
}

bool Object::shed(size_t* allocations) {
  auto from = [&](auto& table, auto drop) { return table.shed(allocations, drop); };
  switch (enc()) {
    case Enc::kTable:
      if (type() == Type::kSet) return from(set_table(), [](SetNode* n) { mem_free(n); });
      return from(fields(), [](HashNode* n) { HashNode::destroy(n); });
    case Enc::kSkiplist: return from(zset().table, [](ZNode* n) { mem_free(n); });
    default: *allocations -= std::min(*allocations, free_effort()); return true;
  }
}

size_t Object::memory_bytes(size_t samples) const {
  auto sampled = [&](auto& table, auto size_of) {
    size_t total = table.memory_bytes() + sizeof(table), seen = 0, sum = 0;
    if (samples == 0) samples = SIZE_MAX;
    if (table.size() <= samples) {
      table.for_each([&](auto* n) { total += size_of(n); });
      return total;
    }
    for (; seen < samples; ++seen) sum += size_of(table.random());
    return total + static_cast<size_t>(static_cast<double>(sum) / static_cast<double>(seen) * static_cast<double>(table.size()));
  };
  switch (enc()) {
    case Enc::kInt: case Enc::kCold: return 0;
    case Enc::kRaw: case Enc::kEmbstr: case Enc::kIntset: case Enc::kListpack: return malloc_usable_size(p_);
    case Enc::kQuicklist: return list().memory_bytes();
    case Enc::kTable:
      if (type() == Type::kSet) return sampled(set_table(), [](SetNode* n) { return malloc_usable_size(n); });
      return sampled(fields(), [](HashNode* n) { return malloc_usable_size(n) + malloc_usable_size(n->value); });
    case Enc::kSkiplist: return zset().order.memory_bytes() + sampled(zset().table, [](ZNode* n) { return malloc_usable_size(n); });
    case Enc::kStream: return stream().memory_bytes();
  }
  return 0;
}

Entry* Entry::make(std::string_view key, Object&& value) {
  auto* e = static_cast<Entry*>(mem_alloc(offsetof(Entry, data) + key.size()));
  e->next = nullptr;
  new (&e->value) Object(std::move(value));
  e->value.set_has_expire(false);
  e->value.set_key_len(static_cast<uint32_t>(key.size()));
  std::memcpy(e->data, key.data(), key.size());
  return e;
}
void Entry::destroy(Entry* e) {
  e->value.~Object();
  mem_free(e);
}

}  // namespace stele::keyspace

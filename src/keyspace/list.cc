#include "keyspace/list.h"

#include "base/codec.h"
#include "keyspace/memory.h"

namespace stele::keyspace {

size_t g_packed_threshold = 1 << 30;

std::string_view List::Iter::value(char* buf) const {
  if (node->plain) return {reinterpret_cast<const char*>(node->data), node->bytes};
  return Listpack(node->data).get(at).text(buf);
}
void List::Iter::next() {
  if (!node->plain) {
    at = Listpack(node->data).next(at);
    if (at != Listpack::kNone) return;
  }
  node = node->next;
  at = node != nullptr && !node->plain ? Listpack(node->data).first() : 0;
}
void List::Iter::prev() {
  if (!node->plain) {
    at = Listpack(node->data).prev(at);
    if (at != Listpack::kNone) return;
  }
  node = node->prev;
  at = node != nullptr && !node->plain ? Listpack(node->data).last() : 0;
}

// ---- what changed ----

std::string List::stored_place(int64_t place) {
  std::string s;
  put_be64(s, static_cast<uint64_t>(place) ^ (uint64_t{1} << 63));
  return s;
}
void List::mark(Node* n) {
  if (dirt == nullptr || n->dirty) return;
  n->dirty = true;
  dirt->nodes[n->place] = n;
}
// A new node's place: beyond the ends, or half way between its neighbours.
void List::place(Node* n) {
  bool out = false;
  if (n->prev == nullptr) n->place = n->next == nullptr ? 0 : n->next->place - kGap;
  else if (n->next == nullptr) n->place = n->prev->place + kGap;
  else {
    n->place = n->prev->place + (n->next->place - n->prev->place) / 2;
    out = n->place == n->prev->place;
  }
  constexpr int64_t kEnd = int64_t{1} << 62;
  if (out || n->place > kEnd || n->place < -kEnd) {
    n->place = 0;
    crowded_ = true;
    if (dirt != nullptr) {
      dirt->whole = true;
      dirt->nodes.clear();
      dirt->removed.clear();
    }
  }
  if (dirt == nullptr || dirt->whole) return;
  dirt->removed.erase(stored_place(n->place));
  mark(n);
}
void List::track_anew() {
  dirt->scan = head_;
  if (!crowded_) return;
  crowded_ = false;
  dirt->nodes.clear();
  int64_t next = 0;
  for (Node* n = head_; n != nullptr; n = n->next) {
    n->place = next;
    next += kGap;
    n->dirty = false;
  }
}
void List::append_stored(int64_t place, bool plain, std::string_view bytes) {
  if (plain) append_plain(bytes);
  else append_packed(bytes);
  tail_->place = place;
}

List::~List() {
  dirt.reset();
  while (head_ != nullptr) drop(head_);
}

bool List::fits(const Node* n, std::string_view s) const {
  if (n == nullptr || n->plain) return false;
  size_t grown = n->bytes + s.size() + 11;
  if (fill_ >= 0) return n->count < static_cast<uint32_t>(std::max(fill_, 1)) && grown <= 8192;
  static constexpr uint32_t kLimits[] = {4096, 8192, 16384, 32768, 65536};
  return grown <= kLimits[std::min(-fill_, 5) - 1];
}
List::Node* List::new_node(Node* after, bool plain) {
  auto* n = new (mem_alloc(sizeof(Node))) Node;
  n->plain = plain;
  if (after == nullptr) {
    n->next = head_;
    if (head_ != nullptr) head_->prev = n;
    head_ = n;
    if (tail_ == nullptr) tail_ = n;
  } else {
    n->prev = after;
    n->next = after->next;
    after->next = n;
    if (n->next != nullptr) n->next->prev = n;
    else tail_ = n;
  }
  ++nodes_;
  if (!plain) {
    Listpack lp = Listpack::create();
    n->data = lp.raw();
    n->bytes = lp.total();
  }
  place(n);
  return n;
}
List::Node* List::plain_node(Node* after, std::string_view s) {
  Node* n = new_node(after, true);
  n->data = static_cast<unsigned char*>(mem_alloc(s.size() + 1));
  std::memcpy(n->data, s.data(), s.size());
  n->bytes = static_cast<uint32_t>(s.size());
  n->count = 1;
  ++size_;
  return n;
}
void List::drop(Node* n) {
  if (dirt != nullptr && dirt->scan == n) dirt->scan = n->next;
  if (dirt != nullptr && !dirt->whole) {
    dirt->nodes.erase(n->place);
    dirt->removed.insert(stored_place(n->place));
  }
  (n->prev != nullptr ? n->prev->next : head_) = n->next;
  (n->next != nullptr ? n->next->prev : tail_) = n->prev;
  --nodes_;
  size_ -= n->count;
  mem_free(n->data);
  mem_free(n);
}
void List::refresh(Node* n, Listpack lp, int32_t change) {
  n->data = lp.raw();
  n->bytes = lp.total();
  n->count += change;
  size_ += change;
  if (dirt != nullptr && !dirt->whole) mark(n);
}

void List::push_front(std::string_view s) {
  if (s.size() >= g_packed_threshold) { plain_node(nullptr, s); return; }
  Node* n = fits(head_, s) ? head_ : new_node(nullptr, false);
  Listpack lp(n->data);
  lp.prepend(s);
  refresh(n, lp, 1);
}
void List::push_back(std::string_view s) {
  if (s.size() >= g_packed_threshold) { plain_node(tail_, s); return; }
  Node* n = fits(tail_, s) ? tail_ : new_node(tail_, false);
  Listpack lp(n->data);
  lp.append(s);
  refresh(n, lp, 1);
}
bool List::pop_front(std::string* out) {
  if (size_ == 0) return false;
  char buf[24];
  Iter it = first();
  *out = it.value(buf);
  erase(it);
  return true;
}
bool List::pop_back(std::string* out) {
  if (size_ == 0) return false;
  char buf[24];
  Iter it = last();
  *out = it.value(buf);
  erase(it);
  return true;
}
List::Iter List::first() const {
  return head_ == nullptr ? Iter{} : Iter{head_, head_->plain ? 0 : Listpack(head_->data).first()};
}
List::Iter List::last() const {
  return tail_ == nullptr ? Iter{} : Iter{tail_, tail_->plain ? 0 : Listpack(tail_->data).last()};
}
List::Iter List::seek(int64_t index) const {
  if (index < 0) index += static_cast<int64_t>(size_);
  if (index < 0 || index >= static_cast<int64_t>(size_)) return {};
  uint64_t i = static_cast<uint64_t>(index);
  Node* n;
  if (i * 2 <= size_) {
    n = head_;
    while (i >= n->count) { i -= n->count; n = n->next; }
  } else {
    uint64_t from_end = size_ - 1 - i;
    n = tail_;
    while (from_end >= n->count) { from_end -= n->count; n = n->prev; }
    i = n->count - 1 - from_end;
  }
  return {n, n->plain ? 0 : Listpack(n->data).seek(static_cast<int64_t>(i))};
}
List::Iter List::erase(Iter at) {
  Node* n = at.node;
  if (n->plain || n->count == 1) {
    Iter following{n->next, 0};
    if (following.node != nullptr && !following.node->plain)
      following.at = Listpack(following.node->data).first();
    drop(n);
    return following;
  }
  Listpack lp(n->data);
  Listpack::Pos p = lp.erase(at.at);
  refresh(n, lp, -1);
  if (p != Listpack::kNone) return {n, p};
  Iter following{n->next, 0};
  if (following.node != nullptr && !following.node->plain)
    following.at = Listpack(following.node->data).first();
  return following;
}
void List::erase_range(int64_t start, uint64_t count) {
  Iter it = seek(start);
  while (it.valid() && count > 0) {
    Node* n = it.node;
    if (!n->plain && it.at == Listpack(n->data).first() && count >= n->count) {
      count -= n->count;
      Node* following = n->next;
      drop(n);
      it = {following, following != nullptr && !following->plain ? Listpack(following->data).first() : 0};
    } else if (n->plain) {
      it = erase(it);
      --count;
    } else {
      Listpack lp(n->data);
      uint32_t before = n->count;
      Listpack::Pos p = lp.erase(it.at, static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX)));
      uint32_t left = lp.size();
      refresh(n, lp, static_cast<int32_t>(left) - static_cast<int32_t>(before));
      count -= before - left;
      if (p != Listpack::kNone) it = {n, p};
      else it = {n->next, n->next != nullptr && !n->next->plain ? Listpack(n->next->data).first() : 0};
      if (n->count == 0) drop(n);
    }
  }
}
List::Node* List::split(Node* n, Listpack::Pos at) {
  Node* fresh = new_node(n, false);
  Listpack from(n->data), to(fresh->data);
  char buf[24];
  uint32_t moved = 0;
  for (Listpack::Pos p = at; p != Listpack::kNone; p = from.next(p), ++moved) to.append(from.get(p).text(buf));
  from.erase(at, moved);
  refresh(n, from, -static_cast<int32_t>(moved));
  refresh(fresh, to, static_cast<int32_t>(moved));
  return fresh;
}
void List::insert_before(Iter at, std::string_view s) {
  Node* n = at.node;
  bool first_of_node = n->plain || at.at == Listpack(n->data).first();
  if (s.size() >= g_packed_threshold) {
    if (!first_of_node) { split(n, at.at); plain_node(n, s); }
    else plain_node(n->prev, s);
    return;
  }
  if (!n->plain && fits(n, s)) {
    Listpack lp(n->data);
    lp.insert(at.at, s);
    refresh(n, lp, 1);
    return;
  }
  Node* target;
  if (first_of_node) target = fits(n->prev, s) ? n->prev : new_node(n->prev, false);
  else { split(n, at.at); target = fits(n, s) ? n : new_node(n, false); }
  Listpack lp(target->data);
  lp.append(s);
  refresh(target, lp, 1);
}
void List::insert_after(Iter at, std::string_view s) {
  Iter following = at;
  following.next();
  if (!following.valid()) { push_back(s); return; }
  insert_before(following, s);
}
void List::replace(Iter at, std::string_view s) {
  Node* n = at.node;
  if (!n->plain && s.size() < g_packed_threshold) {
    Listpack lp(n->data);
    lp.replace(at.at, s);
    refresh(n, lp, 0);
    return;
  }
  insert_after(at, s);
  if (n->plain) { drop(n); return; }
  // insert_after may have split the node behind the position, which itself stays put.
  Listpack lp(n->data);
  if (n->count == 1) { drop(n); return; }
  lp.erase(at.at);
  refresh(n, lp, -1);
}
void List::append_packed(std::string_view bytes) {
  Node* n = new_node(tail_, false);
  mem_free(n->data);
  Listpack lp = Listpack::copy_of(bytes);
  refresh(n, lp, static_cast<int32_t>(lp.size()));
}
void List::append_plain(std::string_view bytes) { plain_node(tail_, bytes); }
size_t List::memory_bytes() const {
  size_t total = sizeof(List);
  for (Node* n = head_; n != nullptr; n = n->next) total += sizeof(Node) + malloc_usable_size(n->data);
  return total;
}

}  // namespace stele::keyspace

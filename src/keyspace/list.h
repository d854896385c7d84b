// Lists: a doubly linked chain of listpacks, with elements too large for one in nodes of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "keyspace/dirt.h"
#include "keyspace/listpack.h"

namespace stele::keyspace {

// Elements of this size or more get a plain node (DEBUG QUICKLIST-PACKED-THRESHOLD changes it).
extern size_t g_packed_threshold;

class List {
 public:
  struct Node {
    Node *prev = nullptr, *next = nullptr;
    unsigned char* data = nullptr;  // a listpack, or the element's bytes
    uint32_t bytes = 0, count = 0;
    bool plain = false, dirty = false;
    int64_t place = 0;              // rises along the list
  };
  // A position; node null is past the end. Invalid after changes other than its own.
  struct Iter {
    Node* node = nullptr;
    Listpack::Pos at = 0;
    bool valid() const { return node != nullptr; }
    std::string_view value(char* buf) const;  // buf: 24 bytes
    void next();
    void prev();
  };

  explicit List(int fill) : fill_(fill) {}
  ~List();
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  uint64_t size() const { return size_; }
  uint32_t nodes() const { return nodes_; }
  const Node* head_node() const { return head_; }
  void push_front(std::string_view s);
  void push_back(std::string_view s);
  bool pop_front(std::string* out);
  bool pop_back(std::string* out);
  Iter first() const;
  Iter last() const;
  Iter seek(int64_t index) const;  // negative from the end
  // Removes the element and returns the position of the following one.
  Iter erase(Iter at);
  void erase_range(int64_t start, uint64_t count);
  void insert_before(Iter at, std::string_view s);
  void insert_after(Iter at, std::string_view s);
  void replace(Iter at, std::string_view s);
  // Adopts a dumped node.
  void append_packed(std::string_view listpack);
  void append_plain(std::string_view bytes);
  size_t memory_bytes() const;

  // Changes since the list was last written to disk, node by node.
  std::unique_ptr<Dirt> dirt;
  static constexpr int64_t kGap = int64_t{1} << 32;  // between the places of neighbours
  // `dirt` is new: all nodes are to be written, those before dirt->scan and the changed ones apart.
  void track_anew();
  // Adopts a stored node; in order. To be called before `dirt` is set.
  void append_stored(int64_t place, bool plain, std::string_view bytes);
  static std::string stored_place(int64_t place);  // sorts as the places do

 private:
  void mark(Node* n);
  void place(Node* n);
  bool fits(const Node* n, std::string_view s) const;
  Node* new_node(Node* after, bool plain);
  Node* plain_node(Node* after, std::string_view s);
  void drop(Node* n);
  void refresh(Node* n, Listpack lp, int32_t change);
  // Moves the entries from `at` on to a new node behind n.
  Node* split(Node* n, Listpack::Pos at);
  Node *head_ = nullptr, *tail_ = nullptr;
  uint64_t size_ = 0;
  uint32_t nodes_ = 0;
  bool crowded_ = false;   // no place was left somewhere: places mean nothing until they are given anew
  int fill_;
};

}  // namespace stele::keyspace

// Which elements of a large collection changed since it was last written to disk. A collection keeps one from the time
// when it is first drained element by element (drain_elements.cc); its own methods note every change there.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace stele::keyspace {

struct Dirt {
  std::string owner;         // the disk key under which its elements are stored
  uint64_t generation = 0;   // of those elements
  // Hash tables: elements that changed have a mark, and their hash stands here; names of those that went.
  std::deque<uint64_t> queue;
  // Names of elements that went away; of lists, the stored form of their nodes' places.
  std::unordered_set<std::string> removed;
  std::unordered_map<int64_t, void*> nodes;        // lists: nodes by their place
  void* scan = nullptr;                            // lists: from this node on none was written yet; those before count in `nodes`
  std::set<std::pair<uint64_t, uint64_t>> blocks;  // streams: blocks that changed or went
  std::unordered_map<std::string, uint64_t> groups;  // streams: hashes of the groups as they were last written
  // Everything is to be written anew: no place was left between two nodes of a list, too many names to remember went away.
  bool whole = false;
  size_t size() const { return queue.size() + removed.size() + nodes.size() + blocks.size(); }
};

}  // namespace stele::keyspace

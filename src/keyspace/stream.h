// Streams: blocks of entries in listpacks ordered by the identifier of their first entry, and consumer
// groups with their pending entries.
//
// A block holds a master record (count, deleted, number of fields, fields, 0) and then, per entry:
// flags, id differences to the block's key, fields (unless equal to the master's), values, and the
// number of elements to step back. The layout is what dumps exchange.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/dirt.h"
#include "keyspace/listpack.h"

namespace stele::keyspace {

struct StreamId {
  uint64_t ms = 0, seq = 0;
  auto operator<=>(const StreamId&) const = default;
  bool zero() const { return ms == 0 && seq == 0; }
  std::string str() const;
  bool increment();  // false at the maximum
  bool decrement();  // false at 0-0
  static constexpr StreamId max() { return {UINT64_MAX, UINT64_MAX}; }
};

struct StreamConsumer;
struct StreamNack {
  int64_t delivery_ms;
  uint64_t deliveries;
  StreamConsumer* consumer;
};
struct StreamConsumer {
  std::string name;
  int64_t seen_ms = 0;
  std::map<StreamId, StreamNack*> pending;
};
struct StreamGroup {
  StreamId last_id;
  int64_t entries_read = -1;
  std::map<StreamId, StreamNack> pending;
  std::map<std::string, std::unique_ptr<StreamConsumer>, std::less<>> consumers;
};

struct StreamTrim {
  enum Kind { kNone, kMaxLen, kMinId } kind = kNone;
  bool approximate = false;
  uint64_t max_len = 0;
  StreamId min_id;
  int64_t limit = 0;  // entries removed at most; 0: no limit
};

class Stream {
 public:
  Stream() = default;
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  uint64_t length = 0;
  StreamId last_id, first_id, max_deleted;
  uint64_t entries_added = 0;
  std::map<StreamId, unsigned char*> blocks;  // listpacks, owned
  std::map<std::string, std::unique_ptr<StreamGroup>, std::less<>> groups;

  // Changes since the stream was last written to disk, block by block.
  std::unique_ptr<Dirt> dirt;
  void mark(StreamId block) {
    if (dirt != nullptr) dirt->blocks.insert(dirt->blocks.end(), {block.ms, block.seq});
  }

  // id must be above last_id. fields: name, value, name, value...
  void append(StreamId id, const std::vector<std::string_view>& fields, uint32_t node_max_bytes,
              uint32_t node_max_entries);
  bool erase(StreamId id);
  bool contains(StreamId id) const;
  uint64_t trim(const StreamTrim& t, uint32_t node_max_entries);
  // Recomputes first_id after removals.
  void refresh_first();
  StreamId last_entry() const;  // 0-0 when empty
  // Entries of the range [from, to] that exist; -1 unknown. For lag.
  int64_t estimate_distance_from_first(StreamId id) const;
  bool has_tombstones(StreamId from, StreamId to) const;
  std::unique_ptr<Stream> copy() const;
  StreamNack* add_pending(StreamGroup& g, StreamId id, StreamConsumer* c, int64_t now_ms);
  size_t memory_bytes() const;

  // Walks [from, to]; reverse goes down. Views are valid until the next step or change.
  class Iter {
   public:
    Iter(const Stream& s, StreamId from, StreamId to, bool reverse);
    bool next();
    StreamId id() const { return id_; }
    size_t pairs() const { return fields_.size() / 2; }
    // name, value, name, value...; integers are rendered.
    const std::vector<std::string_view>& fields() const { return fields_; }

   private:
    bool load_block();
    const Stream& stream_;
    StreamId from_, to_, id_;
    bool reverse_, started_ = false;
    std::map<StreamId, unsigned char*>::const_iterator block_;
    struct Slot { StreamId id; Listpack::Pos pos; };
    std::vector<Slot> slots_;   // live entries of the block within range
    size_t slot_ = 0;
    std::vector<std::string_view> fields_;
    std::vector<std::string> numbers_;
  };
};

// "ms-seq", "ms" (seq taken as missing_seq), strict rejects "-" and "+".
bool parse_stream_id(std::string_view s, StreamId* id, uint64_t missing_seq, bool strict, bool* seq_given = nullptr);

}  // namespace stele::keyspace

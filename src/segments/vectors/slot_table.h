// What the slots of a graph stand for: the row, and the commits that made (born) and ended (died) its vector. A
// reader at lsn L sees the slots with born <= L < died.
//
// Threads: one writer, in Lsn order; any number of readers of the slots that the graph counts.
#pragma once

#include <atomic>

#include "segments/vectors/row_bitmap.h"

namespace stele::segments::vectors {

struct Slot {
  RowId row = 0;
  uint32_t previous = UINT32_MAX;  // the row's slot before this one
  std::atomic<Lsn> born{0}, died{kAlive};
};

class SlotTable {
 public:
  SlotTable();
  ~SlotTable();
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;

  const Slot& at(uint32_t s) const { return chunk(s).slots[s % kChunk]; }
  bool visible(uint32_t s, Lsn lsn) const {
    const Slot& x = at(s);
    return x.born.load(std::memory_order_acquire) <= lsn && x.died.load(std::memory_order_acquire) > lsn;
  }
  // Makes slot s; they are made in order.
  void place(uint32_t s, RowId row, uint32_t previous, Lsn born, Lsn died = kAlive);
  void die(uint32_t s, Lsn lsn);
  // A dead slot (of a restored graph) is a row's again.
  void revive(uint32_t s, Lsn born);

  // The slots below `size` that are visible at lsn and whose rows are in `rows`, as bits; returns how many. Costs next to
  // nothing where rows were added in order and no change is newer than lsn, a few nanoseconds a slot elsewhere.
  uint64_t select(const RowBitmap& rows, Lsn lsn, uint32_t size, std::vector<uint64_t>* bits) const;

 private:
  static constexpr uint32_t kChunk = 4096, kMaxChunks = 1 << 18;
  struct Chunk {
    std::array<Slot, kChunk> slots;
    // The first `run` slots are of consecutive rows.
    std::atomic<uint32_t> run{0};
    // Newest commits seen in the chunk, and which slots have died: for readers at or after both, what died is what is
    // not visible. A death's lsn is stored before its bit.
    std::atomic<Lsn> newest_born{0}, newest_died{0};
    std::array<std::atomic<uint64_t>, kChunk / 64> dead{};
  };
  Chunk& chunk(uint32_t s) const { return *chunks_[s / kChunk].load(std::memory_order_acquire); }
  std::unique_ptr<std::atomic<Chunk*>[]> chunks_;
};

}  // namespace stele::segments::vectors

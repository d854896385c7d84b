#include "segments/vectors/slot_table.h"

#include "base/error.h"

namespace stele::segments::vectors {

namespace {
void raise(std::atomic<Lsn>& to, Lsn lsn) {
  if (to.load(std::memory_order_relaxed) < lsn) to.store(lsn, std::memory_order_release);
}
}  // namespace

SlotTable::SlotTable() : chunks_(std::make_unique<std::atomic<Chunk*>[]>(kMaxChunks)) {
  for (uint32_t i = 0; i < kMaxChunks; ++i) chunks_[i].store(nullptr, std::memory_order_relaxed);
}
SlotTable::~SlotTable() {
  for (uint32_t i = 0; i < kMaxChunks; ++i) {
    Chunk* c = chunks_[i].load(std::memory_order_relaxed);
    if (c == nullptr) break;
    delete c;
  }
}

void SlotTable::place(uint32_t s, RowId row, uint32_t previous, Lsn born, Lsn died) {
  STELE_CHECK(s / kChunk < kMaxChunks);
  if (chunks_[s / kChunk].load(std::memory_order_relaxed) == nullptr) {
    chunks_[s / kChunk].store(new Chunk, std::memory_order_release);
  }
  Chunk& c = chunk(s);
  const uint32_t at = s % kChunk;
  Slot& x = c.slots[at];
  x.row = row;
  x.previous = previous;
  x.died.store(kAlive, std::memory_order_relaxed);
  x.born.store(born, std::memory_order_release);
  raise(c.newest_born, born);
  if (c.run.load(std::memory_order_relaxed) == at && row == c.slots[0].row + at) c.run.store(at + 1, std::memory_order_release);
  if (died != kAlive) die(s, died);
}

void SlotTable::die(uint32_t s, Lsn lsn) {
  Chunk& c = chunk(s);
  c.slots[s % kChunk].died.store(lsn, std::memory_order_release);
  raise(c.newest_died, lsn);
  c.dead[s % kChunk / 64].fetch_or(uint64_t{1} << (s % 64), std::memory_order_release);
}

void SlotTable::revive(uint32_t s, Lsn born) {
  Chunk& c = chunk(s);
  c.slots[s % kChunk].born.store(born, std::memory_order_release);
  raise(c.newest_born, born);
  c.slots[s % kChunk].died.store(kAlive, std::memory_order_release);
  c.dead[s % kChunk / 64].fetch_and(~(uint64_t{1} << (s % 64)), std::memory_order_release);
}

uint64_t SlotTable::select(const RowBitmap& rows, Lsn lsn, uint32_t size, std::vector<uint64_t>* bits) const {
  bits->assign((size_t{size} + 63) / 64, 0);
  RowBitmap::Reader reader(rows);
  uint64_t selected = 0;
  for (uint32_t first = 0; first < size; first += kChunk) {
    const Chunk& c = chunk(first);
    const uint32_t n = std::min(kChunk, size - first);
    const uint32_t run = std::min(c.run.load(std::memory_order_acquire), n);
    uint64_t* out = bits->data() + first / 64;
    for (uint32_t at = 0; at < n; at += 64) {
      const uint32_t here = std::min(64u, n - at);
      if (at + here <= run) {
        uint64_t found = reader.word(c.slots[0].row + at) & ~c.dead[at / 64].load(std::memory_order_acquire);
        if (here < 64) found &= (uint64_t{1} << here) - 1;
        if (c.newest_born.load(std::memory_order_acquire) <= lsn && c.newest_died.load(std::memory_order_acquire) <= lsn) {
          out[at / 64] = found;
          selected += static_cast<uint64_t>(std::popcount(found));
          continue;
        }
      }
      uint64_t found = 0;
      for (uint32_t i = 0; i < here; ++i) {
        if (reader.contains(c.slots[at + i].row) && visible(first + at + i, lsn)) found |= uint64_t{1} << i;
      }
      out[at / 64] = found;
      selected += static_cast<uint64_t>(std::popcount(found));
    }
  }
  return selected;
}

}  // namespace stele::segments::vectors

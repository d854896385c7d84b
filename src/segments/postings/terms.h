// The inverted part of one field in a segment image: a sorted, prefix-compressed term dictionary and
// its postings. Formats (all little-endian, offsets relative to the image):
//
//   dictionary   blocks of 32 terms; the first is stored whole, the others as (shared, suffix).
//                An entry: shared varint, length varint, bytes, df varint, ttf-df varint,
//                df == 1: doc varint; else postings offset varint (from the field's base);
//                with positions: positions offset varint; ttf >= 128: bytes of packed blocks varint.
//   block index  u32 offsets of the blocks, for binary search.
//   postings     df < 128: (delta << 1 | freq == 1) varints, freq varint.
//                else: ceil(df/128) skip entries of 18 bytes (last doc u32, block offset u32,
//                impacts offset u32, positions offset u32, index into that positions block u8,
//                impact count u8), impacts (freq varint, norm byte), packed blocks (width byte,
//                deltas, width byte, freqs - 1), a varint tail.
//   positions    per term one stream of deltas that restart with each document: packed blocks of 128
//                (width byte, data), varint tail.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "segments/postings/bitpack.h"

namespace stele::segments {

constexpr uint32_t kNoDoc = 0x7fffffff;

// Where one field's parts stand in the image.
struct TermsMeta {
  uint64_t term_count = 0, doc_count = 0, sum_ttf = 0, sum_df = 0;
  uint64_t dictionary = 0, index = 0, postings = 0, positions = 0;  // offsets
  bool has_positions = false;
};

struct TermInfo {
  uint32_t df = 0;
  uint64_t ttf = 0;
  uint32_t single_doc = kNoDoc;  // df == 1
  uint64_t postings = 0, positions = 0;  // absolute offsets
  uint64_t positions_packed = 0;         // bytes of packed blocks before the tail
};

// Terms in ascending byte order, documents of a term ascending.
class TermsWriter {
 public:
  // norms: one byte an ordinal, or null when the field keeps none.
  TermsWriter(bool positions, const uint8_t* norms) : has_positions_(positions), norms_(norms) {}
  void start_term(std::string_view term);
  // `positions` has freq entries when the field keeps them.
  void add(uint32_t doc, uint32_t freq, const uint32_t* positions);
  void end_term();
  // Appends everything to the image.
  TermsMeta finish(std::string& image, uint64_t doc_count);

 private:
  void flush_block();
  void flush_positions();

  bool has_positions_;
  const uint8_t* norms_;
  std::string dictionary_, postings_, positions_;
  std::vector<uint32_t> block_offsets_;
  std::string term_, last_term_;
  uint64_t term_count_ = 0, sum_ttf_ = 0, sum_df_ = 0;
  // The current term.
  std::vector<uint32_t> docs_, freqs_;
  struct Skip { uint32_t last_doc, block, impacts, positions; uint8_t position_index, impact_count; };
  std::vector<Skip> skips_;
  std::string blocks_, impacts_;
  uint32_t df_ = 0, last_doc_ = 0;
  uint64_t ttf_ = 0, positions_start_ = 0;
  uint32_t block_position_offset_ = 0;
  uint8_t block_position_index_ = 0;
  uint32_t pending_positions_[kBlock];
  int pending_ = 0;
};

// Reads the dictionary in order.
class TermsIter {
 public:
  TermsIter() = default;
  TermsIter(const char* image, const TermsMeta* meta) : image_(image), meta_(meta) {}
  // To the first term >= target; false at the end.
  bool seek(std::string_view target);
  bool seek_exact(std::string_view target) { return seek(target) && term_ == target; }
  bool first();
  bool next();
  bool valid() const { return valid_; }
  std::string_view term() const { return term_; }
  const TermInfo& info() const { return info_; }

 private:
  bool load_block(uint64_t block);
  bool read_entry();
  std::string_view block_first(uint64_t block) const;

  const char* image_ = nullptr;
  const TermsMeta* meta_ = nullptr;
  uint64_t block_ = 0, in_block_ = 0;
  const char* p_ = nullptr;
  bool valid_ = false;
  std::string term_;
  TermInfo info_;
};

// Documents of one term. Starts before the first; doc() is kNoDoc at the end.
class PostingsIter {
 public:
  PostingsIter() = default;
  PostingsIter(const char* image, const TermsMeta* meta, const TermInfo& info);
  uint32_t doc() const { return doc_; }
  uint32_t next() {
    if (++i_ < count_) return doc_ = docs_[i_];
    return next_block();
  }
  uint32_t advance(uint32_t target);
  uint32_t freq() {
    if (single_) return static_cast<uint32_t>(info_.ttf);
    if (!freqs_ready_) decode_freqs();
    return freqs_[i_];
  }
  // Fills out with the positions of the current document; at most once a document.
  void positions(std::vector<uint32_t>& out);
  uint32_t df() const { return info_.df; }
  uint64_t ttf() const { return info_.ttf; }

  // Impacts: the block that holds the first document >= target.
  struct Impact { uint32_t freq; uint8_t norm; };
  bool has_impacts() const { return blocks_ > 0; }
  uint32_t impact_blocks() const { return blocks_; }
  uint32_t block_of(uint32_t target, uint32_t from) const;
  uint32_t block_last_doc(uint32_t block) const;
  void impacts(uint32_t block, std::vector<Impact>& out) const;

 private:
  uint32_t next_block();
  void load_block(uint32_t block);
  void decode_freqs();
  void read_small();
  void start_positions(const char* at, uint32_t index);
  void load_positions();

  const char* image_ = nullptr;
  const TermsMeta* meta_ = nullptr;
  TermInfo info_;
  bool single_ = false;
  uint32_t doc_ = UINT32_MAX;  // before the first
  uint32_t i_ = UINT32_MAX, count_ = 0;
  uint32_t blocks_ = 0, block_ = UINT32_MAX;
  const char* skips_ = nullptr;
  const char* freq_data_ = nullptr;
  bool freqs_ready_ = true;
  // The positions cursor: decoded values, and how many lie between it and document position_doc_.
  const char* position_next_ = nullptr;
  const char* position_tail_ = nullptr;  // end of the packed blocks
  uint32_t position_count_ = 0, position_i_ = 0, position_skip_ = 0, position_doc_ = 0;
  alignas(16) uint32_t position_values_[kBlock];
  alignas(16) uint32_t docs_[kBlock];
  alignas(16) uint32_t freqs_[kBlock];
};

}  // namespace stele::segments

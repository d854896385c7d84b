#include "segments/postings/terms.h"

#include "base/codec.h"
#include "base/error.h"

namespace stele::segments {

namespace {
constexpr uint64_t kTermsInBlock = 32;
constexpr size_t kSkipBytes = 18;

inline uint64_t varint(const char*& p) {
  uint64_t v = 0;
  for (int shift = 0;; shift += 7) {
    uint8_t b = static_cast<uint8_t>(*p++);
    v |= uint64_t{b & 0x7fu} << shift;
    if (b < 0x80) return v;
  }
}
}  // namespace

void TermsWriter::start_term(std::string_view term) {
  term_ = term;
  df_ = 0;
  ttf_ = 0;
  last_doc_ = 0;
  docs_.clear();
  freqs_.clear();
  skips_.clear();
  blocks_.clear();
  impacts_.clear();
  positions_start_ = positions_.size();
  pending_ = 0;
  block_position_offset_ = 0;
  block_position_index_ = 0;
}

void TermsWriter::flush_positions() {
  int width = bits_needed(pending_positions_, kBlock);
  positions_.push_back(static_cast<char>(width));
  size_t at = positions_.size();
  positions_.resize(at + 16 * static_cast<size_t>(width));
  pack_block(pending_positions_, width, positions_.data() + at);
  pending_ = 0;
}

void TermsWriter::add(uint32_t doc, uint32_t freq, const uint32_t* positions) {
  if (docs_.size() == kBlock) flush_block();
  if (docs_.empty()) {
    block_position_offset_ = static_cast<uint32_t>(positions_.size() - positions_start_);
    block_position_index_ = static_cast<uint8_t>(pending_);
  }
  docs_.push_back(doc);
  freqs_.push_back(freq);
  ++df_;
  ttf_ += freq;
  if (has_positions_) {
    uint32_t last = 0;
    for (uint32_t k = 0; k < freq; ++k) {
      pending_positions_[pending_++] = positions[k] - last;
      last = positions[k];
      if (pending_ == kBlock) flush_positions();
    }
  }
}

// Keeps the impacts that no other beats: higher freq or shorter field.
void TermsWriter::flush_block() {
  size_t n = docs_.size();
  Skip s;
  s.last_doc = docs_[n - 1];
  s.block = static_cast<uint32_t>(blocks_.size());
  s.impacts = static_cast<uint32_t>(impacts_.size());
  s.positions = block_position_offset_;
  s.position_index = block_position_index_;
  // Best freq for each norm, then walk norms upward keeping strictly growing freqs.
  std::vector<std::pair<uint8_t, uint32_t>> best;
  for (size_t i = 0; i < n; ++i) best.emplace_back(norms_ != nullptr ? norms_[docs_[i]] : 1, freqs_[i]);
  std::sort(best.begin(), best.end(), [](auto& a, auto& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
  uint32_t top = 0;
  int kept = 0;
  for (auto& [norm, freq] : best) {
    if (freq <= top) continue;
    top = freq;
    put_varint(impacts_, freq);
    impacts_.push_back(static_cast<char>(norm));
    ++kept;
  }
  s.impact_count = static_cast<uint8_t>(kept);
  skips_.push_back(s);
  if (n == kBlock) {
    uint32_t deltas[kBlock], counts[kBlock];
    for (int i = 0; i < kBlock; ++i) {
      deltas[i] = docs_[static_cast<size_t>(i)] - last_doc_;
      last_doc_ = docs_[static_cast<size_t>(i)];
      counts[i] = freqs_[static_cast<size_t>(i)] - 1;
    }
    for (const uint32_t* v : {deltas, counts}) {
      int width = bits_needed(v, kBlock);
      blocks_.push_back(static_cast<char>(width));
      size_t at = blocks_.size();
      blocks_.resize(at + 16 * static_cast<size_t>(width));
      pack_block(v, width, blocks_.data() + at);
    }
  } else {
    for (size_t i = 0; i < n; ++i) {
      uint32_t delta = docs_[i] - last_doc_;
      last_doc_ = docs_[i];
      put_varint(blocks_, uint64_t{delta} << 1 | (freqs_[i] == 1 ? 1 : 0));
      if (freqs_[i] != 1) put_varint(blocks_, freqs_[i]);
    }
  }
  docs_.clear();
  freqs_.clear();
}

void TermsWriter::end_term() {
  if (df_ == 0) return;
  uint32_t first_doc = docs_.empty() ? 0 : docs_[0];
  bool inline_doc = df_ == 1;
  if (!inline_doc) flush_block();
  size_t packed = positions_.size() - positions_start_;
  for (int i = 0; i < pending_; ++i) put_varint(positions_, pending_positions_[i]);

  // The dictionary entry.
  if (term_count_ % kTermsInBlock == 0) {
    block_offsets_.push_back(static_cast<uint32_t>(dictionary_.size()));
    last_term_.clear();
  }
  size_t shared = 0;
  while (shared < last_term_.size() && shared < term_.size() && last_term_[shared] == term_[shared]) ++shared;
  put_varint(dictionary_, shared);
  put_string(dictionary_, std::string_view(term_).substr(shared));
  put_varint(dictionary_, df_);
  put_varint(dictionary_, ttf_ - df_);
  if (inline_doc) {
    put_varint(dictionary_, first_doc);
  } else {
    put_varint(dictionary_, postings_.size());
    if (df_ >= kBlock) {
      for (const Skip& s : skips_) {
        put_le<uint32_t>(postings_, s.last_doc);
        put_le<uint32_t>(postings_, s.block);
        put_le<uint32_t>(postings_, s.impacts);
        put_le<uint32_t>(postings_, s.positions);
        postings_.push_back(static_cast<char>(s.position_index));
        postings_.push_back(static_cast<char>(s.impact_count));
      }
      put_le<uint32_t>(postings_, static_cast<uint32_t>(impacts_.size()));
      postings_.append(impacts_);
    }
    postings_.append(blocks_);
  }
  if (has_positions_) {
    put_varint(dictionary_, positions_start_);
    if (ttf_ >= kBlock) put_varint(dictionary_, packed);
  }
  last_term_ = term_;
  ++term_count_;
  sum_ttf_ += ttf_;
  sum_df_ += df_;
}

TermsMeta TermsWriter::finish(std::string& image, uint64_t doc_count) {
  TermsMeta m;
  m.term_count = term_count_;
  m.doc_count = doc_count;
  m.sum_ttf = sum_ttf_;
  m.sum_df = sum_df_;
  m.has_positions = has_positions_;
  m.dictionary = image.size();
  image.append(dictionary_);
  m.index = image.size();
  for (uint32_t o : block_offsets_) put_le<uint32_t>(image, o);
  m.postings = image.size();
  image.append(postings_);
  m.positions = image.size();
  image.append(positions_);
  image.append(16, '\0');  // vector loads may read past the last block
  return m;
}

std::string_view TermsIter::block_first(uint64_t block) const {
  const char* p = image_ + meta_->dictionary + load_le<uint32_t>(image_ + meta_->index + 4 * block);
  varint(p);
  size_t n = varint(p);
  return {p, n};
}

bool TermsIter::load_block(uint64_t block) {
  block_ = block;
  in_block_ = 0;
  if (block * kTermsInBlock >= meta_->term_count) return valid_ = false;
  p_ = image_ + meta_->dictionary + load_le<uint32_t>(image_ + meta_->index + 4 * block);
  term_.clear();
  return read_entry();
}

bool TermsIter::read_entry() {
  size_t shared = varint(p_);
  size_t n = varint(p_);
  term_.resize(shared);
  term_.append(p_, n);
  p_ += n;
  info_.df = static_cast<uint32_t>(varint(p_));
  info_.ttf = info_.df + varint(p_);
  uint64_t where = varint(p_);
  if (info_.df == 1) {
    info_.single_doc = static_cast<uint32_t>(where);
    info_.postings = 0;
  } else {
    info_.single_doc = kNoDoc;
    info_.postings = meta_->postings + where;
  }
  info_.positions_packed = 0;
  if (meta_->has_positions) {
    info_.positions = meta_->positions + varint(p_);
    if (info_.ttf >= kBlock) info_.positions_packed = varint(p_);
  }
  return valid_ = true;
}

bool TermsIter::first() { return load_block(0); }

bool TermsIter::next() {
  if (!valid_) return false;
  ++in_block_;
  uint64_t index = block_ * kTermsInBlock + in_block_;
  if (index >= meta_->term_count) return valid_ = false;
  if (in_block_ == kTermsInBlock) return load_block(block_ + 1);
  return read_entry();
}

bool TermsIter::seek(std::string_view target) {
  uint64_t blocks = (meta_->term_count + kTermsInBlock - 1) / kTermsInBlock;
  if (blocks == 0) return valid_ = false;
  // The last block whose first term is <= target.
  uint64_t lo = 0, hi = blocks;
  while (hi - lo > 1) {
    uint64_t mid = (lo + hi) / 2;
    if (block_first(mid) <= target) lo = mid;
    else hi = mid;
  }
  if (!load_block(lo)) return false;
  while (valid_ && std::string_view(term_) < target) next();
  return valid_;
}

PostingsIter::PostingsIter(const char* image, const TermsMeta* meta, const TermInfo& info)
    : image_(image), meta_(meta), info_(info) {
  if (info.df == 0) return;
  position_tail_ = image_ + info.positions + info.positions_packed;
  if (meta_->has_positions) start_positions(image_ + info.positions, 0);
  if (info.df == 1) {
    single_ = true;
    docs_[0] = info.single_doc;
    count_ = 1;
    return;
  }
  if (info.df < kBlock) {
    read_small();
    return;
  }
  blocks_ = (info.df + kBlock - 1) / kBlock;
  skips_ = image_ + info.postings;
}

void PostingsIter::read_small() {
  const char* p = image_ + info_.postings;
  uint32_t doc = 0;
  for (uint32_t i = 0; i < info_.df; ++i) {
    uint64_t v = varint(p);
    doc += static_cast<uint32_t>(v >> 1);
    docs_[i] = doc;
    freqs_[i] = (v & 1) != 0 ? 1 : static_cast<uint32_t>(varint(p));
  }
  count_ = info_.df;
  freqs_ready_ = true;
}

void PostingsIter::load_block(uint32_t block) {
  block_ = block;
  const char* skip = skips_ + kSkipBytes * block;
  const char* impacts_size = skips_ + kSkipBytes * blocks_;
  const char* data = impacts_size + 4 + load_le<uint32_t>(impacts_size);
  const char* p = data + load_le<uint32_t>(skip + 4);
  uint32_t base = block == 0 ? 0 : load_le<uint32_t>(skip - kSkipBytes);
  i_ = 0;
  if ((block + 1) * kBlock <= info_.df) {
    int width = static_cast<uint8_t>(*p++);
    unpack_deltas(p, width, base, docs_);
    freq_data_ = p + 16 * width;
    freqs_ready_ = false;
    count_ = kBlock;
  } else {
    count_ = info_.df % kBlock;
    for (uint32_t i = 0; i < count_; ++i) {
      uint64_t v = varint(p);
      base += static_cast<uint32_t>(v >> 1);
      docs_[i] = base;
      freqs_[i] = (v & 1) != 0 ? 1 : static_cast<uint32_t>(varint(p));
    }
    freqs_ready_ = true;
  }
  if (meta_->has_positions) {
    start_positions(image_ + info_.positions + load_le<uint32_t>(skip + 12), static_cast<uint8_t>(skip[16]));
  }
}

void PostingsIter::decode_freqs() {
  int width = static_cast<uint8_t>(*freq_data_);
  unpack_block(freq_data_ + 1, width, freqs_);
  for (uint32_t& f : freqs_) ++f;
  freqs_ready_ = true;
}

uint32_t PostingsIter::next_block() {
  uint32_t next = block_ + 1;  // block_ starts at UINT32_MAX, so the first is 0
  if (next >= blocks_) {
    i_ = count_;
    return doc_ = kNoDoc;
  }
  load_block(next);
  return doc_ = docs_[0];
}

uint32_t PostingsIter::block_last_doc(uint32_t block) const {
  return load_le<uint32_t>(skips_ + kSkipBytes * block);
}
uint32_t PostingsIter::block_of(uint32_t target, uint32_t from) const {
  // Gallop, then bisect: targets are usually near.
  uint32_t step = 1, lo = from, hi = from;
  while (hi < blocks_ && block_last_doc(hi) < target) {
    lo = hi + 1;
    hi += step;
    step *= 2;
  }
  hi = std::min(hi, blocks_);
  while (lo < hi) {
    uint32_t mid = (lo + hi) / 2;
    if (block_last_doc(mid) < target) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}
void PostingsIter::impacts(uint32_t block, std::vector<Impact>& out) const {
  out.clear();
  const char* skip = skips_ + kSkipBytes * block;
  const char* p = skips_ + kSkipBytes * blocks_ + 4 + load_le<uint32_t>(skip + 8);
  for (int n = static_cast<uint8_t>(skip[17]); n > 0; --n) {
    uint32_t freq = static_cast<uint32_t>(varint(p));
    out.push_back({freq, static_cast<uint8_t>(*p++)});
  }
}

uint32_t PostingsIter::advance(uint32_t target) {
  if (doc_ != UINT32_MAX && doc_ >= target) return doc_;
  if (blocks_ > 0) {
    bool unloaded = block_ == UINT32_MAX;
    if (unloaded || block_last_doc(block_) < target) {
      uint32_t b = block_of(target, unloaded ? 0 : block_ + 1);
      if (b >= blocks_) {
        block_ = blocks_ - 1;
        i_ = count_;
        return doc_ = kNoDoc;
      }
      load_block(b);
    }
  }
  // Branchless narrowing inside the block.
  uint32_t at = i_ == UINT32_MAX ? 0 : i_;
  if (count_ - at > 16) {
    const uint32_t* base = docs_ + at;
    uint32_t n = count_ - at;
    while (n > 1) {
      uint32_t half = n / 2;
      base += base[half - 1] < target ? half : 0;
      n -= half;
    }
    at = static_cast<uint32_t>(base - docs_);
    if (docs_[at] < target) ++at;
  } else {
    while (at < count_ && docs_[at] < target) ++at;
  }
  i_ = at;
  if (at >= count_) return doc_ = kNoDoc;
  return doc_ = docs_[at];
}

void PostingsIter::start_positions(const char* at, uint32_t index) {
  position_next_ = at;
  position_count_ = position_i_ = 0;
  position_doc_ = 0;
  position_skip_ = index;
}

void PostingsIter::load_positions() {
  if (position_next_ < position_tail_) {
    int width = static_cast<uint8_t>(*position_next_++);
    unpack_block(position_next_, width, position_values_);
    position_next_ += 16 * width;
    position_count_ = kBlock;
  } else {
    position_count_ = static_cast<uint32_t>(info_.ttf % kBlock);
    STELE_CHECK(position_count_ > 0);
    for (uint32_t i = 0; i < position_count_; ++i) {
      position_values_[i] = static_cast<uint32_t>(varint(position_next_));
    }
  }
  position_i_ = 0;
}

void PostingsIter::positions(std::vector<uint32_t>& out) {
  uint32_t n = freq();
  out.resize(n);
  if (!single_) {
    while (position_doc_ < i_) position_skip_ += freqs_[position_doc_++];
    ++position_doc_;
  }
  while (position_skip_ > 0) {
    uint32_t left = position_count_ - position_i_;
    if (position_skip_ < left) {
      position_i_ += position_skip_;
      break;
    }
    position_skip_ -= left;
    position_i_ = position_count_;
    while (position_skip_ >= kBlock && position_next_ < position_tail_) {
      position_next_ += 1 + 16 * static_cast<uint8_t>(*position_next_);
      position_skip_ -= kBlock;
    }
    if (position_skip_ > 0) load_positions();
  }
  position_skip_ = 0;
  uint32_t last = 0;
  for (uint32_t k = 0; k < n; ++k) {
    if (position_i_ == position_count_) load_positions();
    last += position_values_[position_i_++];
    out[k] = last;
  }
}

}  // namespace stele::segments

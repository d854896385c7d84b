#include "segments/columns/column.h"

#include <algorithm>

namespace stele::segments {

void ColumnWriter::add(uint32_t doc, std::string_view term) {
  auto [it, fresh] = ids_.try_emplace(std::string(term), static_cast<uint32_t>(terms_.size()));
  if (fresh) {
    terms_.push_back(&it->first);
    term_bytes_ += term.size() + 64;
  }
  entries_.push_back({doc, it->second});
}

ColumnMeta ColumnWriter::finish(std::string& image, uint32_t docs) {
  ColumnMeta m;
  m.kind = kind_;
  if (kind_ == ColumnKind::kKeyword) {
    std::vector<uint32_t> order(terms_.size()), rank(terms_.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return *terms_[a] < *terms_[b]; });
    m.dictionary_count = order.size();
    std::string text;
    m.dictionary_offsets = image.size();
    for (uint32_t i = 0; i < order.size(); ++i) {
      rank[order[i]] = i;
      put_le<uint32_t>(image, static_cast<uint32_t>(text.size()));
      text.append(*terms_[order[i]]);
    }
    put_le<uint32_t>(image, static_cast<uint32_t>(text.size()));
    m.dictionary = image.size();
    image.append(text);
    for (Entry& e : entries_) e.value = rank[static_cast<size_t>(e.value)];
  }
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return a.doc != b.doc ? a.doc < b.doc : a.value < b.value;
  });
  if (kind_ == ColumnKind::kKeyword) {
    entries_.erase(std::unique(entries_.begin(), entries_.end(),
                               [](const Entry& a, const Entry& b) { return a.doc == b.doc && a.value == b.value; }),
                   entries_.end());
  }
  m.value_count = entries_.size();
  bool first = true;
  for (size_t i = 0; i < entries_.size(); ++i) {
    bool fresh = i == 0 || entries_[i].doc != entries_[i - 1].doc;
    m.doc_count += fresh;
    m.multi |= !fresh;
    if (first) {
      m.min = m.max = entries_[i].value;
      first = false;
    }
    m.min = std::min(m.min, entries_[i].value);
    m.max = std::max(m.max, entries_[i].value);
  }
  m.dense = m.doc_count == docs;
  uint64_t span = static_cast<uint64_t>(m.max) - static_cast<uint64_t>(m.min);
  m.width = span == 0 ? 0 : span < 0x100 ? 1 : span < 0x10000 ? 2 : span < 0x100000000ull ? 4 : 8;
  if (!m.dense) {
    m.presence = image.size();
    std::vector<uint64_t> bits((docs + 63) / 64);
    for (const Entry& e : entries_) bits[e.doc >> 6] |= 1ull << (e.doc & 63);
    for (uint64_t w : bits) put_le<uint64_t>(image, w);
  }
  if (m.multi) {
    m.first = image.size();
    size_t k = 0;
    for (uint32_t d = 0; d <= docs; ++d) {
      while (k < entries_.size() && entries_[k].doc < d) ++k;
      put_le<uint32_t>(image, static_cast<uint32_t>(k));
    }
  }
  m.values = image.size();
  auto put = [&](int64_t value) {
    uint64_t v = static_cast<uint64_t>(value) - static_cast<uint64_t>(m.min);
    switch (m.width) {
      case 0: break;
      case 1: image.push_back(static_cast<char>(v)); break;
      case 2: put_le<uint16_t>(image, static_cast<uint16_t>(v)); break;
      case 4: put_le<uint32_t>(image, static_cast<uint32_t>(v)); break;
      default: put_le<uint64_t>(image, v); break;
    }
  };
  if (m.multi) {
    for (const Entry& e : entries_) put(e.value);
  } else {
    uint32_t d = 0;
    for (const Entry& e : entries_) {
      while (d++ < e.doc) put(m.min);
      put(e.value);
    }
    while (d++ < docs) put(m.min);
  }
  return m;
}

namespace {
template <typename T>
void match(const char* p, uint64_t lo, uint64_t hi, uint32_t docs, uint64_t* bits) {
  for (uint32_t base = 0; base < docs; base += 64) {
    uint32_t n = std::min<uint32_t>(64, docs - base);
    uint64_t word = 0;
    for (uint32_t k = 0; k < n; ++k) {
      T v = load_le<T>(p + sizeof(T) * (uint64_t{base} + k));
      word |= uint64_t{v >= static_cast<T>(lo) && v <= static_cast<T>(hi)} << k;
    }
    bits[base >> 6] |= word;
  }
}
}  // namespace

void Column::match_range(int64_t lo, int64_t hi, uint64_t* bits) const {
  if (meta_->value_count == 0 || lo > hi || lo > meta_->max || hi < meta_->min) return;
  if (meta_->multi) {
    for (uint32_t d = 0; d < docs_; ++d) {
      for (uint32_t i = begin(d), e = end(d); i < e; ++i) {
        int64_t v = value(i);
        if (v >= lo && v <= hi) {
          bits[d >> 6] |= 1ull << (d & 63);
          break;
        }
      }
    }
    return;
  }
  uint64_t words = (docs_ + 63) / 64;
  std::vector<uint64_t> hit(words);
  uint64_t l = static_cast<uint64_t>(std::max(lo, meta_->min)) - static_cast<uint64_t>(meta_->min);
  uint64_t h = static_cast<uint64_t>(std::min(hi, meta_->max)) - static_cast<uint64_t>(meta_->min);
  const char* p = raw_values();
  switch (meta_->width) {
    case 0:
      for (uint32_t d = 0; d < docs_; ++d) hit[d >> 6] |= 1ull << (d & 63);
      break;
    case 1: match<uint8_t>(p, l, h, docs_, hit.data()); break;
    case 2: match<uint16_t>(p, l, h, docs_, hit.data()); break;
    case 4: match<uint32_t>(p, l, h, docs_, hit.data()); break;
    default: match<uint64_t>(p, l, h, docs_, hit.data()); break;
  }
  for (uint64_t w = 0; w < words; ++w) {
    bits[w] |= meta_->dense ? hit[w] : hit[w] & load_le<uint64_t>(image_ + meta_->presence + 8 * w);
  }
}

}  // namespace stele::segments

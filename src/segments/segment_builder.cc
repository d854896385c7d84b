#include "base/arena.h"
#include "base/error.h"
#include "segments/segment.h"
#include "segments/segment_format.h"
#include "segments/text/token.h"

namespace stele::segments {

namespace {

// Byte streams of many terms in one buffer: each is a chain of growing slices, the last four bytes
// of a full slice being the offset of the next.
class SlicePool {
 public:
  struct Stream { uint32_t start = UINT32_MAX, at = 0, end = 0; uint8_t level = 0; };
  void put(Stream& s, uint8_t byte) {
    if (s.at == s.end) grow(s);
    data_[s.at++] = byte;
  }
  void put_varint(Stream& s, uint32_t v) {
    while (v >= 0x80) {
      put(s, static_cast<uint8_t>(v | 0x80));
      v >>= 7;
    }
    put(s, static_cast<uint8_t>(v));
  }
  class Cursor {
   public:
    Cursor(const SlicePool& pool, const Stream& s) : data_(pool.data_.data()), stop_(s.at), at_(s.start) {
      end_ = s.start == UINT32_MAX ? 0 : s.start + kSizes[0] - 4;
      if (s.start == UINT32_MAX) at_ = stop_ = 0;
    }
    bool done() const { return at_ == stop_; }
    uint8_t byte() {
      if (at_ == end_) {
        at_ = load_le<uint32_t>(reinterpret_cast<const char*>(data_ + end_));
        level_ = std::min(level_ + 1, kLevels - 1);
        end_ = at_ + kSizes[level_] - 4;
      }
      return data_[at_++];
    }
    uint32_t varint() {
      uint32_t v = 0;
      for (int shift = 0;; shift += 7) {
        uint8_t b = byte();
        v |= (b & 0x7fu) << shift;
        if (b < 0x80) return v;
      }
    }

   private:
    const uint8_t* data_;
    uint32_t stop_, at_, end_;
    int level_ = 0;
  };
  size_t bytes() const { return data_.size(); }

 private:
  static constexpr int kLevels = 8;
  static constexpr uint32_t kSizes[kLevels] = {12, 20, 36, 68, 132, 260, 516, 1028};
  void grow(Stream& s) {
    uint8_t level = s.start == UINT32_MAX ? 0 : static_cast<uint8_t>(std::min<int>(s.level + 1, kLevels - 1));
    auto at = static_cast<uint32_t>(data_.size());
    STELE_CHECK(data_.size() < 0xf0000000u);
    data_.resize(data_.size() + kSizes[level]);
    if (s.start == UINT32_MAX) s.start = at;
    else store_le(reinterpret_cast<char*>(data_.data() + s.end), at);
    s.at = at;
    s.end = at + kSizes[level] - 4;
    s.level = level;
  }
  std::vector<uint8_t> data_;
};

inline uint64_t hash_bytes(const char* p, size_t n) {
  uint64_t h = 0x9e3779b97f4a7c15ull ^ n;
  while (n >= 8) {
    h = (h ^ load_le<uint64_t>(p)) * 0xff51afd7ed558ccdull;
    h ^= h >> 32;
    p += 8;
    n -= 8;
  }
  uint64_t tail = 0;
  if (n > 0) std::memcpy(&tail, p, n);   // p may be null when there is nothing
  h = (h ^ tail) * 0xc4ceb9fe1a85ec53ull;
  return h ^ (h >> 29);
}

struct Term {
  const char* text;
  uint32_t length;
  uint32_t hash;
  uint32_t last_doc = 0;   // of the last written posting
  uint32_t doc = kNoDoc;   // of the pending posting
  uint32_t freq = 0;
  uint32_t last_position = 0;
  SlicePool::Stream docs, positions;
};

struct FieldState {
  std::string name;
  FieldOptions options;
  std::vector<Term> terms;
  std::vector<uint32_t> table;  // index + 1
  std::vector<uint8_t> norms;
  std::unique_ptr<ColumnWriter> column;
  uint64_t doc_count = 0;
  uint32_t doc = kNoDoc;  // the document being added
  uint32_t length = 0;
  uint32_t position = 0;
  bool any = false;
};

}  // namespace

struct SegmentBuilder::Impl {
  std::vector<std::unique_ptr<FieldState>> fields;
  std::unordered_map<std::string, uint32_t> by_name;
  Arena arena;
  SlicePool pool;
  std::vector<uint64_t> rows;
  std::vector<FieldState*> touched;
  size_t term_bytes = 0;
  std::map<std::string, std::unique_ptr<SegmentBuilder>, std::less<>> children;

  Term& find(FieldState& f, std::string_view text) {
    uint64_t h = hash_bytes(text.data(), text.size());
    if ((f.terms.size() + 1) * 2 > f.table.size()) rehash(f);
    size_t mask = f.table.size() - 1;
    auto h32 = static_cast<uint32_t>(h >> 32);
    for (size_t i = h & mask;; i = (i + 1) & mask) {
      uint32_t t = f.table[i];
      if (t == 0) {
        f.table[i] = static_cast<uint32_t>(f.terms.size() + 1);
        Term term;
        term.text = arena.copy(text).data();
        term.length = static_cast<uint32_t>(text.size());
        term.hash = h32;
        f.terms.push_back(term);
        term_bytes += sizeof(Term) + 8;
        return f.terms.back();
      }
      Term& term = f.terms[t - 1];
      if (term.hash == h32 && std::string_view(term.text, term.length) == text) return term;
    }
  }
  void rehash(FieldState& f) {
    size_t n = std::max<size_t>(16, f.table.size() * 2);
    f.table.assign(n, 0);
    for (size_t k = 0; k < f.terms.size(); ++k) {
      uint64_t h = hash_bytes(f.terms[k].text, f.terms[k].length);
      size_t i = h & (n - 1);
      while (f.table[i] != 0) i = (i + 1) & (n - 1);
      f.table[i] = static_cast<uint32_t>(k + 1);
    }
  }
  void flush(Term& t) {
    uint32_t delta = t.doc - t.last_doc;
    if (t.freq == 1) {
      pool.put_varint(t.docs, delta << 1 | 1);
    } else {
      pool.put_varint(t.docs, delta << 1);
      pool.put_varint(t.docs, t.freq);
    }
    t.last_doc = t.doc;
  }
  FieldState& touch(uint32_t field, uint32_t doc) {
    FieldState& f = *fields[field];
    if (f.doc != doc) {
      f.doc = doc;
      f.length = 0;
      f.position = 0;
      f.any = false;
      touched.push_back(&f);
    }
    return f;
  }
  uint32_t current() const { return static_cast<uint32_t>(rows.size() - 1); }
  void occurrence(FieldState& f, std::string_view text, uint32_t doc, uint32_t position) {
    Term& t = find(f, text);
    if (t.doc != doc) {
      if (t.doc != kNoDoc) flush(t);
      t.doc = doc;
      t.freq = 0;
      t.last_position = 0;
    }
    ++t.freq;
    if (f.options.positions) {
      pool.put_varint(t.positions, position - t.last_position);
      t.last_position = position;
    }
  }
};

SegmentBuilder::SegmentBuilder() : impl_(std::make_unique<Impl>()) {}
SegmentBuilder::~SegmentBuilder() = default;

uint32_t SegmentBuilder::field(std::string_view name, const FieldOptions& options) {
  auto [it, fresh] = impl_->by_name.try_emplace(std::string(name), static_cast<uint32_t>(impl_->fields.size()));
  if (fresh) {
    auto f = std::make_unique<FieldState>();
    f->name = name;
    f->options = options;
    if (options.column != ColumnKind::kNone) f->column = std::make_unique<ColumnWriter>(options.column);
    impl_->fields.push_back(std::move(f));
  }
  return it->second;
}

SegmentBuilder& SegmentBuilder::child(std::string_view path) {
  auto it = impl_->children.find(path);
  if (it == impl_->children.end()) it = impl_->children.emplace(path, std::make_unique<SegmentBuilder>()).first;
  return *it->second;
}
void SegmentBuilder::in_parent(uint32_t ordinal) { add_int(field(kParentField, {.column = ColumnKind::kInt64}), ordinal); }

uint32_t SegmentBuilder::begin(uint64_t row_id) {
  impl_->rows.push_back(row_id);
  impl_->touched.clear();
  return impl_->current();
}
void SegmentBuilder::add_tokens(uint32_t field, const TokenBuffer& tokens, int gap) {
  uint32_t doc = impl_->current();
  FieldState& f = impl_->touch(field, doc);
  if (f.any) f.position += static_cast<uint32_t>(gap);
  f.any = true;
  // Positions are one below the next increment, so that the first token stands at 0.
  for (const Token& t : tokens.tokens) {
    f.position += static_cast<uint32_t>(t.position_increment);
    if (t.position_increment > 0) ++f.length;
    if (t.length > 32766) {
      throw Error(ErrorCode::kInvalidParameterValue,
                  "Document contains at least one immense term in field=\"" + f.name + "\"");
    }
    impl_->occurrence(f, tokens.term(t), doc, f.position - 1);
  }
}
void SegmentBuilder::add_term(uint32_t field, std::string_view term) {
  uint32_t doc = impl_->current();
  FieldState& f = impl_->touch(field, doc);
  if (term.size() > 32766) {
    throw Error(ErrorCode::kInvalidParameterValue,
                "Document contains at least one immense term in field=\"" + f.name +
                    "\" (whose UTF8 encoding is longer than the max length 32766)");
  }
  ++f.length;
  impl_->occurrence(f, term, doc, f.position++);
}
void SegmentBuilder::add_int(uint32_t field, int64_t v) { impl_->fields[field]->column->add(impl_->current(), v); }
void SegmentBuilder::add_double(uint32_t field, double v) { impl_->fields[field]->column->add(impl_->current(), v); }
void SegmentBuilder::add_keyword(uint32_t field, std::string_view v) { impl_->fields[field]->column->add(impl_->current(), v); }

void SegmentBuilder::end() {
  for (FieldState* f : impl_->touched) {
    if (f->length == 0) continue;
    ++f->doc_count;
    if (f->options.norms) {
      f->norms.resize(f->doc + 1, 0);
      f->norms[f->doc] = encode_length(f->length);
    }
  }
}

uint32_t SegmentBuilder::docs() const { return static_cast<uint32_t>(impl_->rows.size()); }
size_t SegmentBuilder::bytes() const {
  size_t n = impl_->pool.bytes() + impl_->arena.bytes() + impl_->term_bytes + impl_->rows.size() * 8;
  for (const auto& f : impl_->fields) n += f->column ? f->column->bytes() : 0;
  for (const auto& [path, c] : impl_->children) n += c->bytes();
  return n;
}

std::string SegmentBuilder::finish() {
  Impl& b = *impl_;
  std::string image = start_image();
  image.reserve(b.pool.bytes() / 2 + 4096);
  ImageDirectory dir;
  dir.docs = docs();
  ColumnWriter rows(ColumnKind::kInt64);
  for (uint32_t d = 0; d < dir.docs; ++d) {
    rows.add(d, static_cast<int64_t>(b.rows[d]));
    if (d > 0 && b.rows[d] < b.rows[d - 1]) dir.rows_ascending = false;
  }
  dir.rows = rows.finish(image, dir.docs);
  std::vector<uint32_t> positions;
  for (auto& f : b.fields) {
    SegmentField out;
    out.name = f->name;
    out.options = f->options;
    if (f->options.norms) {
      f->norms.resize(dir.docs, 0);
      out.norms = image.size();
      image.append(reinterpret_cast<const char*>(f->norms.data()), f->norms.size());
    }
    if (f->options.postings) {
      std::vector<const Term*> order;
      order.reserve(f->terms.size());
      for (Term& t : f->terms) {
        if (t.doc != kNoDoc) b.flush(t);
        order.push_back(&t);
      }
      std::sort(order.begin(), order.end(), [](const Term* x, const Term* y) {
        return std::string_view(x->text, x->length) < std::string_view(y->text, y->length);
      });
      TermsWriter w(f->options.positions, f->options.norms ? f->norms.data() : nullptr);
      for (const Term* t : order) {
        w.start_term({t->text, t->length});
        SlicePool::Cursor docs(b.pool, t->docs), pos(b.pool, t->positions);
        uint32_t doc = 0;
        while (!docs.done()) {
          uint32_t v = docs.varint();
          doc += v >> 1;
          uint32_t freq = (v & 1) != 0 ? 1 : docs.varint();
          if (f->options.positions) {
            positions.resize(freq);
            uint32_t p = 0;
            for (uint32_t k = 0; k < freq; ++k) positions[k] = p += pos.varint();
          }
          w.add(doc, freq, positions.data());
        }
        w.end_term();
      }
      out.terms = w.finish(image, f->doc_count);
    }
    if (f->column) out.column = f->column->finish(image, dir.docs);
    dir.fields.push_back(std::move(out));
  }
  for (auto& [path, c] : b.children) {
    if (c->docs() == 0) continue;
    std::string inner = c->finish();
    dir.children.push_back({path, image.size(), inner.size()});
    image.append(inner);
  }
  finish_image(image, dir);
  impl_ = std::make_unique<Impl>();
  return image;
}

}  // namespace stele::segments

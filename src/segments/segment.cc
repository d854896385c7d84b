#include "segments/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "segments/search/term_sketch.h"
#include "segments/segment_format.h"

namespace stele::segments {

std::shared_ptr<Segment> Segment::from_image(std::string image, Lsn born) {
  std::shared_ptr<Segment> s(new Segment);
  s->owned_ = std::move(image);
  s->image_ = s->owned_.data();
  s->size_ = s->owned_.size();
  s->parse(false);
  if (s->born_.empty()) s->set_born(born);
  return s;
}

std::shared_ptr<Segment> Segment::open(const std::string& path, bool verify) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Error(ErrorCode::kIoError, "could not open segment file \"" + path + "\"");
  struct stat st;
  if (::fstat(fd, &st) != 0 || st.st_size == 0) {
    ::close(fd);
    throw Error(ErrorCode::kIoError, "could not read segment file \"" + path + "\"");
  }
  void* m = ::mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  if (m == MAP_FAILED) throw Error(ErrorCode::kIoError, "could not map segment file \"" + path + "\"");
  std::shared_ptr<Segment> s(new Segment);
  s->mapping_ = m;
  s->image_ = static_cast<const char*>(m);
  s->size_ = static_cast<size_t>(st.st_size);
  s->path_ = path;
  s->parse(verify);
  return s;
}

// Nested documents: seen whenever what they belong to is. The memory is the outer segment's.
std::shared_ptr<Segment> Segment::view(const char* image, size_t size) {
  std::shared_ptr<Segment> s(new Segment);
  s->image_ = image;
  s->size_ = size;
  s->parse(false);
  return s;
}

std::shared_ptr<Segment> Segment::overlaid(const std::shared_ptr<Segment>& base, const std::shared_ptr<Segment>& extra, const std::vector<std::string>& fields) {
  std::shared_ptr<Segment> s(new Segment);
  s->beneath_ = {base, extra};
  s->image_ = base->image_;
  s->size_ = base->size_;
  s->docs_ = base->docs_;
  s->fields_ = base->fields_;
  s->rows_meta_ = base->rows_meta_;
  s->rows_ = Column(base->image_, &s->rows_meta_, s->docs_);
  s->rows_ascending_ = base->rows_ascending_;
  s->children_ = base->children_;
  s->born_ = base->born_;
  s->born_all_ = base->born_all_;
  s->min_born_ = base->min_born_;
  s->max_born_ = base->max_born_;
  for (uint32_t d = 0; d < s->docs_ && base->deleted() > 0; ++d) if (Lsn x = base->died(d); x != kNeverDied) s->set_died(d, x);
  for (const std::string& name : fields) {
    s->fields_.erase(name);
    const SegmentField* f = extra->field(name);
    if (f == nullptr) continue;
    SegmentField shown = *f;
    if (shown.image == nullptr) shown.image = extra->image_;
    s->fields_.emplace(name, std::move(shown));
  }
  return s;
}

const Segment* Segment::nested(std::string_view path) const {
  for (auto& [name, c] : children_) {
    if (name == path) return c.get();
    if (path.size() > name.size() && path[name.size()] == '.' && path.starts_with(name)) {
      if (const Segment* deeper = c->nested(path)) return deeper;
    }
  }
  return nullptr;
}

std::vector<uint32_t> Segment::parents(std::string_view path) const {
  for (auto& [name, c] : children_) {
    bool here = name == path;
    if (!here && !(path.size() > name.size() && path[name.size()] == '.' && path.starts_with(name))) continue;
    Column up = c->column(kParentField);
    std::vector<uint32_t> out;
    if (here) {
      for (uint32_t d = 0; d < c->docs(); ++d) out.push_back(static_cast<uint32_t>(up.value(d)));
      return out;
    }
    out = c->parents(path);
    for (uint32_t& d : out) d = static_cast<uint32_t>(up.value(d));
    if (!out.empty()) return out;
  }
  return {};
}

Segment::~Segment() {
  if (mapping_ != nullptr) ::munmap(mapping_, size_);
  delete[] died_.load();
}

void Segment::parse(bool verify) {
  ImageDirectory d = read_directory(image_, size_, verify);
  docs_ = d.docs;
  rows_meta_ = d.rows;
  rows_ascending_ = d.rows_ascending;
  for (SegmentField& f : d.fields) {
    std::string name = f.name;
    fields_.emplace(std::move(name), std::move(f));
  }
  rows_ = Column(image_, &rows_meta_, docs_);
  for (const auto& c : d.children) children_[c.path] = view(image_ + c.offset, c.bytes);
  if (d.born != 0) {
    born_.resize(docs_);
    std::memcpy(born_.data(), image_ + d.born, 8 * size_t{docs_});
    min_born_ = docs_ == 0 ? 0 : *std::min_element(born_.begin(), born_.end());
    max_born_ = docs_ == 0 ? 0 : *std::max_element(born_.begin(), born_.end());
  }
}

void Segment::set_died(uint32_t doc, Lsn lsn) {
  auto* d = died_.load(std::memory_order_relaxed);
  if (d == nullptr) {
    d = new std::atomic<Lsn>[docs_];
    for (uint32_t i = 0; i < docs_; ++i) d[i].store(kNeverDied, std::memory_order_relaxed);
    died_.store(d, std::memory_order_release);
  }
  if (d[doc].exchange(lsn, std::memory_order_acq_rel) == kNeverDied) deleted_.fetch_add(1, std::memory_order_relaxed);
}

const TermSketch& Segment::sketch(const SegmentField& f) const {
  std::lock_guard lock(sketch_mutex_);
  auto& slot = sketches_[&f];
  if (!slot) slot = std::make_unique<TermSketch>(terms(f));
  return *slot;
}

template <typename F>
uint32_t Segment::find_if(uint64_t row_id, F&& accept) const {
  auto id = static_cast<int64_t>(row_id);
  if (docs_ == 0 || id < rows_meta_.min || id > rows_meta_.max) return kNoDoc;
  if (!rows_ascending_) {
    std::call_once(order_once_, [&] {
      by_row_.resize(docs_);
      for (uint32_t i = 0; i < docs_; ++i) by_row_[i] = i;
      std::stable_sort(by_row_.begin(), by_row_.end(),
                       [&](uint32_t a, uint32_t b) { return rows_.value(a) < rows_.value(b); });
    });
  }
  auto at = [&](uint32_t i) { return rows_ascending_ ? i : by_row_[i]; };
  uint32_t lo = 0, hi = docs_;
  while (lo < hi) {
    uint32_t mid = (lo + hi) / 2;
    if (rows_.value(at(mid)) < id) lo = mid + 1;
    else hi = mid;
  }
  for (; lo < docs_ && rows_.value(at(lo)) == id; ++lo) {
    if (accept(at(lo))) return at(lo);
  }
  return kNoDoc;
}
uint32_t Segment::find_live(uint64_t row_id) const {
  return find_if(row_id, [&](uint32_t d) { return died(d) == kNeverDied; });
}
uint32_t Segment::find(uint64_t row_id, Lsn lsn) const {
  return find_if(row_id, [&](uint32_t d) { return visible(d, lsn); });
}

namespace {
// The fields (and nested documents) of `sources` as one image. map: new ordinals, kNoDoc for what is left out. up: where the
// parent of a nested document has gone; not called for the outermost documents.
void merge_fields(const std::vector<const Segment*>& sources, const std::vector<std::vector<uint32_t>>& map, uint32_t docs, bool child,
                  const std::function<int64_t(size_t, int64_t)>& up, std::string& image, ImageDirectory& dir) {
  std::map<std::string, FieldOptions> fields;
  for (const Segment* s : sources) {
    for (auto& [name, f] : s->fields()) {
      FieldOptions& o = fields[name];
      o.postings |= f.options.postings;
      o.positions |= f.options.positions;
      o.norms |= f.options.norms;
      if (o.column == ColumnKind::kNone) o.column = f.options.column;
    }
  }
  std::vector<uint8_t> norms;
  std::vector<uint32_t> positions;
  for (auto& [name, options] : fields) {
    SegmentField out;
    out.name = name;
    out.options = options;
    std::vector<const SegmentField*> in(sources.size());
    for (size_t s = 0; s < sources.size(); ++s) in[s] = sources[s]->field(name);
    if (options.norms) {
      norms.assign(docs, 0);
      for (size_t s = 0; s < sources.size(); ++s) {
        const uint8_t* n = in[s] == nullptr ? nullptr : sources[s]->norms(*in[s]);
        if (n == nullptr) continue;
        for (uint32_t d = 0; d < sources[s]->docs(); ++d) {
          if (map[s][d] != kNoDoc) norms[map[s][d]] = n[d];
        }
      }
      out.norms = image.size();
      image.append(reinterpret_cast<const char*>(norms.data()), norms.size());
    }
    if (options.postings) {
      TermsWriter w(options.positions, options.norms ? norms.data() : nullptr);
      struct Head { TermsIter it; size_t source; };
      std::vector<Head> heads;
      for (size_t s = 0; s < sources.size(); ++s) {
        if (in[s] == nullptr || !in[s]->options.postings) continue;
        TermsIter it = sources[s]->terms(*in[s]);
        if (it.first()) heads.push_back({it, s});
      }
      auto after = [](const Head& a, const Head& b) {
        int c = a.it.term().compare(b.it.term());
        return c != 0 ? c > 0 : a.source > b.source;
      };
      std::make_heap(heads.begin(), heads.end(), after);
      std::string term;
      bool open = false;
      uint64_t doc_count = 0;
      std::vector<uint64_t> seen((docs + 63) / 64);
      while (!heads.empty()) {
        std::pop_heap(heads.begin(), heads.end(), after);
        Head& h = heads.back();
        if (!open || h.it.term() != term) {
          if (open) w.end_term();
          term = h.it.term();
          w.start_term(term);
          open = true;
        }
        PostingsIter p = sources[h.source]->postings(*in[h.source], h.it.info());
        const auto& m = map[h.source];
        bool read_positions = options.positions && in[h.source]->options.positions;
        for (uint32_t d = p.next(); d != kNoDoc; d = p.next()) {
          uint32_t nd = m[d];
          if (read_positions && nd != kNoDoc) p.positions(positions);
          if (nd == kNoDoc) continue;
          if (options.positions && !read_positions) positions.assign(p.freq(), 0);
          w.add(nd, p.freq(), positions.data());
          uint64_t bit = 1ull << (nd & 63);
          if ((seen[nd >> 6] & bit) == 0) {
            seen[nd >> 6] |= bit;
            ++doc_count;
          }
        }
        if (h.it.next()) std::push_heap(heads.begin(), heads.end(), after);
        else heads.pop_back();
      }
      if (open) w.end_term();
      out.terms = w.finish(image, doc_count);
    }
    if (options.column != ColumnKind::kNone) {
      ColumnWriter c(options.column);
      for (size_t s = 0; s < sources.size(); ++s) {
        if (in[s] == nullptr || in[s]->options.column != options.column) continue;
        Column col = sources[s]->column(*in[s]);
        for (uint32_t d = 0; d < sources[s]->docs(); ++d) {
          uint32_t nd = map[s][d];
          if (nd == kNoDoc) continue;
          for (uint32_t i = col.begin(d), e = col.end(d); i < e; ++i) {
            if (options.column == ColumnKind::kKeyword) c.add(nd, col.term(static_cast<uint64_t>(col.value(i))));
            else c.add(nd, child && name == kParentField ? up(s, col.value(i)) : col.value(i));
          }
        }
      }
      out.column = c.finish(image, docs);
    }
    dir.fields.push_back(std::move(out));
  }
  std::set<std::string> paths;
  for (const Segment* s : sources) for (auto& [path, c] : s->children()) paths.insert(path);
  for (const std::string& path : paths) {
    std::vector<const Segment*> inner;
    std::vector<size_t> outer;
    std::vector<std::vector<uint32_t>> moved;
    ImageDirectory below;
    std::string text = start_image();
    ColumnWriter rows(ColumnKind::kInt64);
    for (size_t s = 0; s < sources.size(); ++s) {
      auto it = sources[s]->children().find(path);
      if (it == sources[s]->children().end()) continue;
      const Segment& c = *it->second;
      Column parent = c.column(kParentField);
      std::vector<uint32_t> m(c.docs(), kNoDoc);
      for (uint32_t d = 0; d < c.docs(); ++d) {
        if (map[s][static_cast<size_t>(parent.value(d))] == kNoDoc) continue;
        rows.add(below.docs, static_cast<int64_t>(c.row_id(d)));
        m[d] = below.docs++;
      }
      inner.push_back(&c);
      outer.push_back(s);
      moved.push_back(std::move(m));
    }
    if (below.docs == 0) continue;
    below.rows = rows.finish(text, below.docs);
    merge_fields(inner, moved, below.docs, true, [&](size_t s, int64_t d) { return static_cast<int64_t>(map[outer[s]][static_cast<size_t>(d)]); }, text, below);
    finish_image(text, below);
    dir.children.push_back({path, image.size(), text.size()});
    image.append(text);
  }
}
}  // namespace

SegmentPtr merge_segments(const std::vector<SegmentPtr>& sources, Lsn horizon,
                          std::vector<std::vector<uint32_t>>* moved) {
  std::vector<std::vector<uint32_t>> map(sources.size());
  std::vector<Lsn> born;
  std::vector<std::pair<uint32_t, Lsn>> died;
  ImageDirectory dir;
  std::string image = start_image();
  ColumnWriter rows(ColumnKind::kInt64);
  uint32_t docs = 0;
  int64_t last_row = INT64_MIN;
  bool same_born = true;
  for (size_t s = 0; s < sources.size(); ++s) {
    map[s].resize(sources[s]->docs(), kNoDoc);
    for (uint32_t d = 0; d < sources[s]->docs(); ++d) {
      Lsn x = sources[s]->died(d);
      if (x <= horizon) continue;
      map[s][d] = docs;
      auto row = static_cast<int64_t>(sources[s]->row_id(d));
      if (row < last_row) dir.rows_ascending = false;
      last_row = row;
      rows.add(docs, row);
      born.push_back(sources[s]->born(d));
      same_born &= born.back() == born.front();
      if (x != kNeverDied) died.emplace_back(docs, x);
      ++docs;
    }
  }
  dir.docs = docs;
  dir.rows = rows.finish(image, docs);
  if (docs > 0) {
    dir.born = image.size();
    image.append(reinterpret_cast<const char*>(born.data()), 8 * born.size());
  }
  std::vector<const Segment*> plain;
  for (const SegmentPtr& s : sources) plain.push_back(s.get());
  merge_fields(plain, map, docs, false, {}, image, dir);
  finish_image(image, dir);
  image.shrink_to_fit();
  SegmentPtr merged = Segment::from_image(std::move(image), 0);
  for (auto& [doc, lsn] : died) merged->set_died(doc, lsn);
  merged->prepare_lookup();
  if (moved != nullptr) *moved = std::move(map);
  return merged;
}

}  // namespace stele::segments

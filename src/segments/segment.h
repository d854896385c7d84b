// A segment: documents of one relation with ordinals shared by postings and columns. The image is
// immutable, whether it stands in memory (the tail) or in a mapped file; visibility is beside it.
//
// A document is visible at lsn s iff born(ordinal) <= s < died(ordinal).
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "segments/columns/column.h"
#include "segments/postings/terms.h"

namespace stele::segments {

using Lsn = uint64_t;
constexpr Lsn kNeverDied = UINT64_MAX;
struct TokenBuffer;
class TermSketch;

struct FieldOptions {
  bool postings = false, positions = false, norms = false;
  ColumnKind column = ColumnKind::kNone;
  bool operator==(const FieldOptions&) const = default;
};

// One field of one segment.
struct SegmentField {
  std::string name;
  FieldOptions options;
  TermsMeta terms;
  ColumnMeta column;
  uint64_t norms = 0;  // offset of one byte an ordinal; 0 when there are none
  const char* image = nullptr;  // of another segment, when the field is laid over this one
};

class Segment {
 public:
  // Takes the image. `born` is for images whose documents were all born together and may be set
  // later, before the segment is published. Throws data_corrupted when the checksum is wrong.
  static std::shared_ptr<Segment> from_image(std::string image, Lsn born);
  // `base` with fields of `extra`, which has the same ordinals, in place of its own of these names.
  static std::shared_ptr<Segment> overlaid(const std::shared_ptr<Segment>& base, const std::shared_ptr<Segment>& extra, const std::vector<std::string>& fields);
  // Maps a file written from an image.
  static std::shared_ptr<Segment> open(const std::string& path, bool verify);
  ~Segment();

  uint32_t docs() const { return docs_; }
  const char* image() const { return image_; }
  size_t image_bytes() const { return size_; }
  const std::string& path() const { return path_; }  // empty for the tail
  void set_path(std::string p) { path_ = std::move(p); }

  const SegmentField* field(std::string_view name) const {
    auto it = fields_.find(name);
    return it == fields_.end() ? nullptr : &it->second;
  }
  const std::map<std::string, SegmentField, std::less<>>& fields() const { return fields_; }
  TermsIter terms(const SegmentField& f) const { return TermsIter(image_of(f), &f.terms); }
  PostingsIter postings(const SegmentField& f, const TermInfo& t) const { return PostingsIter(image_of(f), &f.terms, t); }
  Column column(const SegmentField& f) const {
    return f.column.kind == ColumnKind::kNone ? Column() : Column(image_of(f), &f.column, docs_);
  }
  Column column(std::string_view name) const {
    const SegmentField* f = field(name);
    return f == nullptr ? Column() : column(*f);
  }
  // What fuzzy queries read; made at the first one. `f` is one of this segment's fields.
  const TermSketch& sketch(const SegmentField& f) const;
  // The nested documents below `path` ("offers", "offers.parts"), however deep; null when there are none. A segment of its own
  // whose "_parent" column holds ordinals of the segment one level up; valid as long as this one.
  const Segment* nested(std::string_view path) const;
  // For each nested document the ordinal of this segment that it belongs to, ascending.
  std::vector<uint32_t> parents(std::string_view path) const;
  const std::map<std::string, std::shared_ptr<Segment>, std::less<>>& children() const { return children_; }
  const uint8_t* norms(const SegmentField& f) const {
    return f.norms == 0 ? nullptr : reinterpret_cast<const uint8_t*>(image_of(f) + f.norms);
  }

  uint64_t row_id(uint32_t doc) const { return static_cast<uint64_t>(rows_.value(doc)); }
  Lsn born(uint32_t doc) const { return born_.empty() ? born_all_ : born_[doc]; }
  Lsn died(uint32_t doc) const {
    auto* d = died_.load(std::memory_order_acquire);
    return d == nullptr ? kNeverDied : d[doc].load(std::memory_order_acquire);
  }
  void set_born(Lsn lsn) { born_all_ = lsn; max_born_ = min_born_ = lsn; }
  Lsn min_born() const { return min_born_; }
  Lsn max_born() const { return max_born_; }
  // True when every document is visible at lsn without looking.
  bool all_visible(Lsn lsn) const { return max_born_ <= lsn && died_.load(std::memory_order_acquire) == nullptr; }
  bool visible(uint32_t doc, Lsn lsn) const { return born(doc) <= lsn && died(doc) > lsn; }
  // Marks a document dead. One caller at a time (the commit leader, or recovery).
  void set_died(uint32_t doc, Lsn lsn);
  uint32_t deleted() const { return deleted_.load(std::memory_order_relaxed); }
  // The ordinal of the row that has not died; kNoDoc when there is none.
  uint32_t find_live(uint64_t row_id) const;
  // The ordinal of the row visible at lsn.
  uint32_t find(uint64_t row_id, Lsn lsn) const;
  // Does now what the first find would do: keeps it out of the commit.
  void prepare_lookup() const { find_live(static_cast<uint64_t>(rows_meta_.min)); }

 private:
  Segment() = default;
  static std::shared_ptr<Segment> view(const char* image, size_t size);
  void parse(bool verify);
  const char* image_of(const SegmentField& f) const { return f.image != nullptr ? f.image : image_; }
  template <typename F>
  uint32_t find_if(uint64_t row_id, F&& f) const;

  std::string owned_;
  std::vector<std::shared_ptr<Segment>> beneath_;  // what an overlaid segment shows
  std::string path_;
  const char* image_ = nullptr;
  size_t size_ = 0;
  void* mapping_ = nullptr;
  uint32_t docs_ = 0;
  std::map<std::string, SegmentField, std::less<>> fields_;
  ColumnMeta rows_meta_;
  Column rows_;
  bool rows_ascending_ = true;
  std::map<std::string, std::shared_ptr<Segment>, std::less<>> children_;
  mutable std::mutex sketch_mutex_;
  mutable std::map<const SegmentField*, std::unique_ptr<const TermSketch>> sketches_;
  mutable std::once_flag order_once_;
  mutable std::vector<uint32_t> by_row_;  // ordinals by row id, when they are not ascending
  std::vector<Lsn> born_;
  Lsn born_all_ = 0, min_born_ = 0, max_born_ = 0;
  std::atomic<std::atomic<Lsn>*> died_{nullptr};
  std::atomic<uint32_t> deleted_{0};
};
using SegmentPtr = std::shared_ptr<Segment>;

// Builds one segment in memory. Not thread-safe.
class SegmentBuilder {
 public:
  SegmentBuilder();
  ~SegmentBuilder();
  // The handle of a field; the options of the first call stand.
  uint32_t field(std::string_view name, const FieldOptions& options);

  // The builder of documents nested at a path of this one's documents. Each begins with begin() and in_parent().
  SegmentBuilder& child(std::string_view path);
  void in_parent(uint32_t ordinal);

  uint32_t begin(uint64_t row_id);
  // Tokens of one value of a text field; `gap` positions separate the values of one document.
  void add_tokens(uint32_t field, const TokenBuffer& tokens, int gap);
  // A whole term without position: keyword fields, ids.
  void add_term(uint32_t field, std::string_view term);
  void add_int(uint32_t field, int64_t value);
  void add_double(uint32_t field, double value);
  void add_keyword(uint32_t field, std::string_view value);  // column only
  void end();

  uint32_t docs() const;
  size_t bytes() const;  // held in memory
  // The image; the builder is empty afterwards.
  std::string finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One segment from several, without the documents that died at or before `horizon`. `moved` receives,
// for each source, the new ordinal of each document (kNoDoc when dropped). Born and died lsns move along.
SegmentPtr merge_segments(const std::vector<SegmentPtr>& sources, Lsn horizon,
                          std::vector<std::vector<uint32_t>>* moved);

}  // namespace stele::segments

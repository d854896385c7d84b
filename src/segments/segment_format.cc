#include "segments/segment_format.h"

#include <zlib.h>

#include "base/error.h"

namespace stele::segments {

namespace {
void put_column(std::string& o, const ColumnMeta& c) {
  o.push_back(static_cast<char>(c.kind));
  o.push_back(static_cast<char>(c.dense));
  o.push_back(static_cast<char>(c.multi));
  o.push_back(static_cast<char>(c.width));
  put_le<int64_t>(o, c.min);
  put_le<int64_t>(o, c.max);
  for (uint64_t v : {c.doc_count, c.value_count, c.presence, c.first, c.values, c.dictionary_count,
                     c.dictionary_offsets, c.dictionary}) put_varint(o, v);
}
ColumnMeta get_column(Reader& r) {
  ColumnMeta c;
  c.kind = static_cast<ColumnKind>(r.le<uint8_t>());
  c.dense = r.le<uint8_t>() != 0;
  c.multi = r.le<uint8_t>() != 0;
  c.width = r.le<uint8_t>();
  c.min = r.le<int64_t>();
  c.max = r.le<int64_t>();
  for (uint64_t* v : {&c.doc_count, &c.value_count, &c.presence, &c.first, &c.values, &c.dictionary_count,
                      &c.dictionary_offsets, &c.dictionary}) *v = r.varint();
  return c;
}
uint32_t checksum(const char* p, size_t n) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(p), n));
}
}  // namespace

std::string start_image() {
  std::string s(kSegmentMagic, 8);
  put_le<uint32_t>(s, kSegmentVersion);
  put_le<uint32_t>(s, 0);
  return s;
}

void finish_image(std::string& image, const ImageDirectory& d) {
  uint64_t at = image.size();
  put_varint(image, d.docs);
  image.push_back(static_cast<char>(d.rows_ascending));
  put_column(image, d.rows);
  put_varint(image, d.born);
  put_varint(image, d.fields.size());
  for (const SegmentField& f : d.fields) {
    put_string(image, f.name);
    image.push_back(static_cast<char>((f.options.postings ? 1 : 0) | (f.options.positions ? 2 : 0) |
                                      (f.options.norms ? 4 : 0)));
    image.push_back(static_cast<char>(f.options.column));
    const TermsMeta& t = f.terms;
    for (uint64_t v : {t.term_count, t.doc_count, t.sum_ttf, t.sum_df, t.dictionary, t.index, t.postings,
                       t.positions}) put_varint(image, v);
    put_column(image, f.column);
    put_varint(image, f.norms);
  }
  put_varint(image, d.children.size());
  for (const auto& c : d.children) {
    put_string(image, c.path);
    put_varint(image, c.offset);
    put_varint(image, c.bytes);
  }
  put_le<uint64_t>(image, at);
  put_le<uint32_t>(image, checksum(image.data(), image.size()));
}

ImageDirectory read_directory(const char* image, size_t size, bool verify) {
  auto corrupt = [] { return Error(ErrorCode::kDataCorrupted, "segment image is damaged"); };
  if (size < 28 || std::memcmp(image, kSegmentMagic, 8) != 0) throw corrupt();
  if (load_le<uint32_t>(image + 8) != kSegmentVersion) {
    throw Error(ErrorCode::kDataCorrupted, "segment image has an unknown version");
  }
  if (verify && load_le<uint32_t>(image + size - 4) != checksum(image, size - 4)) throw corrupt();
  uint64_t at = load_le<uint64_t>(image + size - 12);
  if (at >= size) throw corrupt();
  Reader r(std::string_view(image + at, size - 12 - at));
  ImageDirectory d;
  d.docs = static_cast<uint32_t>(r.varint());
  d.rows_ascending = r.le<uint8_t>() != 0;
  d.rows = get_column(r);
  d.born = r.varint();
  uint64_t n = r.varint();
  for (uint64_t i = 0; i < n && r.ok(); ++i) {
    SegmentField f;
    f.name = r.string();
    uint8_t flags = r.le<uint8_t>();
    f.options.postings = (flags & 1) != 0;
    f.options.positions = (flags & 2) != 0;
    f.options.norms = (flags & 4) != 0;
    f.options.column = static_cast<ColumnKind>(r.le<uint8_t>());
    TermsMeta& t = f.terms;
    for (uint64_t* v : {&t.term_count, &t.doc_count, &t.sum_ttf, &t.sum_df, &t.dictionary, &t.index,
                        &t.postings, &t.positions}) *v = r.varint();
    t.has_positions = f.options.positions;
    f.column = get_column(r);
    f.norms = r.varint();
    d.fields.push_back(std::move(f));
  }
  uint64_t children = r.varint();
  for (uint64_t i = 0; i < children && r.ok(); ++i) {
    ImageDirectory::Child c;
    c.path = r.string();
    c.offset = r.varint();
    c.bytes = r.varint();
    if (c.offset > size || c.bytes > size - c.offset) throw corrupt();
    d.children.push_back(std::move(c));
  }
  if (!r.ok()) throw corrupt();
  return d;
}

}  // namespace stele::segments

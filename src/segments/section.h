// What a commit says about searchable rows, as its section carries it: a list of notes.
#pragma once

#include "base/codec.h"

namespace stele::segments {

constexpr uint32_t kNoFragment = UINT32_MAX;
// One noted change, as the section carries it.
struct Note {
  uint32_t relation;
  uint64_t row;
  uint32_t fragment, ordinal;
  bool had_old, truncate;
};
inline void put_note(std::string& out, const Note& n) {
  put_le<uint32_t>(out, n.relation);
  put_le<uint64_t>(out, n.row);
  put_le<uint32_t>(out, n.fragment);
  put_le<uint32_t>(out, n.ordinal);
  out.push_back(static_cast<char>((n.had_old ? 1 : 0) | (n.truncate ? 2 : 0)));
}
inline bool get_note(Reader& r, Note* n) {
  if (r.empty()) return false;
  n->relation = r.le<uint32_t>();
  n->row = r.le<uint64_t>();
  n->fragment = r.le<uint32_t>();
  n->ordinal = r.le<uint32_t>();
  uint8_t flags = r.le<uint8_t>();
  n->had_old = (flags & 1) != 0;
  n->truncate = (flags & 2) != 0;
  return r.ok();
}

}  // namespace stele::segments

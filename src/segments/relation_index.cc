#include "segments/relation_index.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"

namespace stele::segments {

namespace {
constexpr uint32_t kManifestVersion = 2;

Lsn live_horizon(const RelationIndex::Options& o, Lsn applied) {
  return o.horizon ? std::min(o.horizon(), applied) : applied;
}
}  // namespace

RelationIndex::RelationIndex(Options options)
    : options_(std::move(options)), list_(std::make_shared<const List>()) {}
RelationIndex::~RelationIndex() = default;

void RelationIndex::link(Lsn lsn, const std::vector<uint64_t>& dead, SegmentPtr fragment) {
  std::lock_guard lock(mutex_);
  for (uint64_t row : dead) {
    for (size_t i = list_->size(); i-- > 0;) {
      uint32_t d = (*list_)[i]->find_live(row);
      if (d != kNoDoc) {
        (*list_)[i]->set_died(d, lsn);
        break;
      }
    }
  }
  if (building_) {
    Journal j{lsn, dead, false};
    for (uint32_t d = 0; fragment && d < fragment->docs(); ++d) {
      if (fragment->died(d) == kNeverDied) j.rows.push_back(fragment->row_id(d));
    }
    journal_.push_back(std::move(j));
  }
  if (fragment) {
    fragment->set_born(lsn);
    auto next = std::make_shared<List>(*list_);
    next->push_back(std::move(fragment));
    list_ = std::move(next);
  }
  applied_ = std::max(applied_, lsn);
}

void RelationIndex::kill_all(Lsn lsn) {
  std::lock_guard lock(mutex_);
  if (building_) journal_.push_back({lsn, {}, true});
  for (const SegmentPtr& s : *list_) {
    for (uint32_t d = 0; d < s->docs(); ++d) {
      if (s->died(d) == kNeverDied) s->set_died(d, lsn);
    }
  }
  applied_ = std::max(applied_, lsn);
}

void RelationIndex::begin_build(bool readers_wait) {
  std::lock_guard lock(mutex_);
  building_ = true;
  readers_wait_ |= readers_wait;
  replaced_ = list_->size();
  journal_.clear();
}

void RelationIndex::finish_build(List built, Lsn snapshot) {
  std::lock_guard one(merge_mutex_);
  if (!options_.directory.empty() && posix_files().exists(options_.directory + "/manifest")) {
    // A start after a crash must not take the files for what is replaced here.
    posix_files().remove(options_.directory + "/manifest");
    posix_files().sync_directory(options_.directory);
  }
  std::lock_guard lock(mutex_);
  for (const Journal& j : journal_) {
    // What the snapshot saw of such a row is in a fragment of its own; what it could not see ends here.
    Lsn end = j.lsn <= snapshot ? 0 : j.lsn;
    for (const SegmentPtr& s : built) {
      for (uint32_t d = 0; j.all && end > 0 && d < s->docs(); ++d) {
        if (s->died(d) == kNeverDied) s->set_died(d, end);
      }
      for (uint64_t row : j.rows) {
        uint32_t d = s->find_live(row);
        if (d != kNoDoc) s->set_died(d, end);
      }
    }
  }
  for (size_t i = replaced_; i < list_->size(); ++i) built.push_back((*list_)[i]);
  list_ = std::make_shared<const List>(std::move(built));
  applied_ = std::max(applied_, snapshot);
  building_ = readers_wait_ = false;
  replaced_ = 0;
  journal_.clear();
  checkpoint_lsn_ = 0;  // the files, if any, show what was there before
  built_.notify_all();
}

void RelationIndex::wait_built() const {
  std::unique_lock lock(mutex_);
  built_.wait(lock, [&] { return !readers_wait_; });
}
bool RelationIndex::building() const {
  std::lock_guard lock(mutex_);
  return building_;
}

std::shared_ptr<const RelationIndex::List> RelationIndex::segments() const {
  std::lock_guard lock(mutex_);
  return list_;
}
Lsn RelationIndex::applied_lsn() const {
  std::lock_guard lock(mutex_);
  return applied_;
}

std::vector<Leaf> RelationIndex::leaves(Lsn lsn, const std::vector<uint64_t>* hidden_rows) const {
  auto list = segments();
  std::vector<Leaf> out;
  for (const SegmentPtr& s : *list) {
    if (s->docs() == 0 || s->min_born() > lsn) continue;
    Leaf leaf;
    leaf.segment = s;
    leaf.lsn = lsn;
    leaf.all_visible = s->all_visible(lsn);
    if (hidden_rows != nullptr && !hidden_rows->empty()) {
      std::shared_ptr<std::vector<uint64_t>> bits;
      for (uint64_t row : *hidden_rows) {
        uint32_t d = s->find(row, lsn);
        if (d == kNoDoc) continue;
        if (!bits) bits = std::make_shared<std::vector<uint64_t>>((s->docs() + 63) / 64);
        (*bits)[d >> 6] |= 1ull << (d & 63);
      }
      leaf.hidden = bits;
    }
    out.push_back(std::move(leaf));
  }
  return out;
}

// What merging may touch: all but what a build is about to replace.
RelationIndex::List RelationIndex::mergeable() const {
  std::lock_guard lock(mutex_);
  return List(list_->begin() + static_cast<ptrdiff_t>(building_ ? std::min(replaced_, list_->size()) : 0), list_->end());
}

// Runs of neighbours of like size: small ones often, large ones seldom. Neighbours only, so that
// ordinals keep the order of arrival.
RelationIndex::List RelationIndex::pick_merge() const {
  List merged = mergeable();
  const List* list = &merged;
  auto tier = [&](const SegmentPtr& s) {
    uint64_t bytes = std::max<uint64_t>(s->image_bytes(), 1 << 12);
    int t = 0;
    while (bytes > (1 << 12)) {
      bytes /= options_.merge_factor;
      ++t;
    }
    return t;
  };
  size_t n = list->size();
  size_t run = 0;
  int top = 0;
  // From the newest backwards: the longest run whose tiers do not exceed that of its start.
  for (size_t i = n; i-- > 0;) {
    int t = tier((*list)[i]);
    if (run > 0 && t > top) {
      if (run >= options_.merge_factor) break;
      top = t;
    }
    if (run == 0) top = t;
    ++run;
  }
  if (run < options_.merge_factor) {
    // A segment that is mostly dead is worth rewriting alone.
    for (const SegmentPtr& s : *list) {
      if (s->docs() > 64 && s->deleted() * 2 > s->docs()) return {s};
    }
    return {};
  }
  // Leave out older segments much larger than everything to be merged.
  List out;
  for (size_t i = n - run; i < n; ++i) out.push_back((*list)[i]);
  while (out.size() > options_.merge_factor) {
    uint64_t rest = 0;
    for (size_t i = 1; i < out.size(); ++i) rest += out[i]->image_bytes();
    if (out[0]->image_bytes() > rest) out.erase(out.begin());
    else break;
  }
  return out;
}

void RelationIndex::replace(const List& sources, SegmentPtr merged,
                            const std::vector<std::vector<uint32_t>>& moved) {
  std::lock_guard lock(mutex_);
  for (size_t s = 0; s < sources.size(); ++s) {
    for (uint32_t d = 0; d < sources[s]->docs() && sources[s]->deleted() > 0; ++d) {
      uint32_t nd = moved[s][d];
      if (nd == kNoDoc) continue;
      Lsn x = sources[s]->died(d);
      if (x != kNeverDied && merged->died(nd) == kNeverDied) merged->set_died(nd, x);
    }
  }
  auto next = std::make_shared<List>();
  bool placed = false;
  for (const SegmentPtr& s : *list_) {
    if (std::find(sources.begin(), sources.end(), s) == sources.end()) {
      next->push_back(s);
    } else if (!placed) {
      placed = true;
      if (merged->docs() > 0) next->push_back(merged);
    }
  }
  list_ = std::move(next);
}

void RelationIndex::maintain() {
  std::lock_guard one(merge_mutex_);
  for (;;) {
    List sources = pick_merge();
    if (sources.empty()) break;
    std::vector<std::vector<uint32_t>> moved;
    SegmentPtr merged = merge(sources, &moved);
    replace(sources, merged, moved);
    if (sources.size() == 1 && merged->docs() == sources[0]->docs()) break;  // readers still need the dead
  }
}

void RelationIndex::merge_all() {
  std::lock_guard one(merge_mutex_);
  List list = mergeable();
  bool dead = false;
  for (const SegmentPtr& s : list) dead |= s->deleted() > 0;
  if (list.size() < 2 && !dead) return;
  std::vector<std::vector<uint32_t>> moved;
  SegmentPtr merged = merge(list, &moved);
  replace(list, merged, moved);
}

SegmentPtr RelationIndex::merge(const List& sources, std::vector<std::vector<uint32_t>>* moved) {
  SegmentPtr merged = merge_segments(sources, live_horizon(options_, applied_lsn()), moved);
  if (options_.directory.empty() || merged->image_bytes() < options_.tail_bytes / 2 || merged->docs() == 0) {
    if (merged->docs() > 0) merged->prepare_lookup();  // not in the commit that changes one of its rows first
    return merged;
  }
  // No manifest names the file yet; the next checkpoint's will.
  posix_files().make_directories(options_.directory);
  SegmentPtr file = write_file(merged);
  for (uint32_t d = 0; d < merged->docs() && merged->deleted() > 0; ++d) {
    if (Lsn x = merged->died(d); x != kNeverDied) file->set_died(d, x);
  }
  file->prepare_lookup();
  return file;
}

SegmentPtr RelationIndex::write_file(const SegmentPtr& s) {
  Files& files = posix_files();
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.seg", static_cast<unsigned long long>(next_file_++));
  std::string path = options_.directory + "/" + name;
  {
    auto f = files.create(path);
    // In small portions, so that a sync of the log need not queue behind all of the file, and without making the file system
    // commit its journal for each of them, for which the log would wait, too.
    constexpr size_t kPortion = 1 << 20;
    int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    for (size_t at = 0; at < s->image_bytes(); at += kPortion) {
      size_t n = std::min(kPortion, s->image_bytes() - at);
      f->append({s->image() + at, n});
      if (fd >= 0) {
        ::sync_file_range(fd, static_cast<off64_t>(at), static_cast<off64_t>(n),
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
      }
    }
    if (fd >= 0) ::close(fd);
    f->sync();
  }
  return Segment::open(path, false);
}

uint64_t RelationIndex::tail_bytes() const {
  uint64_t n = 0;
  auto list = segments();
  for (const SegmentPtr& s : *list) n += s->path().empty() ? s->image_bytes() : 0;
  return n;
}

Lsn RelationIndex::needs_log_from() const {
  std::lock_guard lock(mutex_);
  // Without files there is nothing that replay could bring up to date: a start builds from rows.
  Lsn have = checkpoint_lsn_;
  return have == 0 || applied_ <= have ? UINT64_MAX : have;
}

namespace {
uint32_t manifest_checksum(std::string_view bytes) {
  uint32_t sum = 2166136261u;
  for (char c : bytes) sum = (sum ^ static_cast<uint8_t>(c)) * 16777619u;
  return sum;
}
// The manifest without its checksum; empty when there is none. Throws data_corrupted.
std::string read_manifest(const std::string& directory) {
  Files& files = posix_files();
  std::string path = directory + "/manifest";
  if (!files.exists(path)) return {};
  auto f = files.open(path);
  std::string bytes(f->size(), '\0');
  bytes.resize(f->read(0, bytes.size(), bytes.data()));
  if (bytes.size() < 16 || manifest_checksum(std::string_view(bytes).substr(0, bytes.size() - 4)) != load_le<uint32_t>(bytes.data() + bytes.size() - 4)) {
    throw Error(ErrorCode::kDataCorrupted, "segment manifest is damaged");
  }
  bytes.resize(bytes.size() - 4);
  if (load_le<uint32_t>(bytes.data()) != kManifestVersion) throw Error(ErrorCode::kDataCorrupted, "segment manifest has an unknown version");
  return bytes;
}
}  // namespace

Lsn RelationIndex::checkpoint(const Identity& identity) {
  if (options_.directory.empty()) return applied_lsn();
  std::lock_guard one(merge_mutex_);
  Files& files = posix_files();
  files.make_directories(options_.directory);
  std::shared_ptr<const List> list;
  Lsn lsn;
  {
    std::lock_guard lock(mutex_);
    if (building_) return checkpoint_lsn_;
    list = list_;
    lsn = applied_;
  }
  if (options_.wait_durable && lsn != 0) options_.wait_durable(lsn);
  // The tail goes into one file.
  List tail;
  for (const SegmentPtr& s : *list) {
    if (s->path().empty()) tail.push_back(s);
  }
  if (!tail.empty()) {
    std::vector<std::vector<uint32_t>> moved;
    SegmentPtr merged = merge_segments(tail, live_horizon(options_, lsn), &moved);
    if (merged->docs() > 0) {
      SegmentPtr file = write_file(merged);
      file->prepare_lookup();
      for (uint32_t d = 0; d < merged->docs() && merged->deleted() > 0; ++d) {
        if (Lsn x = merged->died(d); x != kNeverDied) file->set_died(d, x);
      }
      replace(tail, file, moved);
    } else {
      replace(tail, merged, moved);
    }
    std::lock_guard lock(mutex_);
    list = list_;
  }
  // Deaths up to lsn, beside each file; the manifest names what belongs together.
  std::string manifest;
  put_le<uint32_t>(manifest, kManifestVersion);
  put_le<uint64_t>(manifest, lsn);
  put_le<int64_t>(manifest, identity.next_number);
  put_string(manifest, identity.tag);
  put_varint(manifest, next_file_);
  std::string body;
  uint64_t n = 0;
  std::set<std::string> used = {"manifest"};
  for (const SegmentPtr& s : *list) {
    if (s->path().empty()) continue;
    ++n;
    std::string base = std::filesystem::path(s->path()).filename().string();
    used.insert(base);
    put_string(body, base);
    std::vector<std::pair<uint32_t, Lsn>> dead;
    for (uint32_t d = 0; d < s->docs() && s->deleted() > 0; ++d) {
      Lsn x = s->died(d);
      if (x <= lsn) dead.emplace_back(d, x);
    }
    put_varint(body, dead.size());
    uint32_t last = 0;
    for (auto& [d, x] : dead) {
      put_varint(body, d - last);
      put_varint(body, x);
      last = d;
    }
  }
  put_varint(manifest, n);
  manifest += body;
  put_le<uint32_t>(manifest, manifest_checksum(manifest));
  std::string path = options_.directory + "/manifest";
  {
    auto f = files.create(path + ".new");
    f->append(manifest);
    f->sync();
  }
  files.rename(path + ".new", path);
  files.sync_directory(options_.directory);
  for (const std::string& name : files.list(options_.directory)) {
    if (used.count(name) == 0) files.remove(options_.directory + "/" + name);  // mapped ones stay readable
  }
  checkpoint_lsn_ = lsn;
  return lsn;
}

std::optional<Lsn> RelationIndex::stored_checkpoint(const std::string& directory) {
  try {
    std::string bytes = read_manifest(directory);
    if (bytes.empty()) return std::nullopt;
    return load_le<uint64_t>(bytes.data() + 4);
  } catch (const Error&) {
    return std::nullopt;  // load() says so
  }
}

bool RelationIndex::load(Identity* identity) {
  if (options_.directory.empty()) return false;
  std::string bytes = read_manifest(options_.directory);
  if (bytes.empty()) return false;
  Reader r(bytes);
  r.le<uint32_t>();
  Lsn lsn = r.le<uint64_t>();
  int64_t number = r.le<int64_t>();
  if (identity != nullptr) {
    if (r.string() != identity->tag) return false;
    identity->next_number = number;
  } else {
    r.string();
  }
  next_file_ = r.varint();
  uint64_t n = r.varint();
  auto list = std::make_shared<List>();
  for (uint64_t i = 0; i < n && r.ok(); ++i) {
    SegmentPtr s = Segment::open(options_.directory + "/" + std::string(r.string()), true);
    uint64_t dead = r.varint();
    uint32_t d = 0;
    for (uint64_t k = 0; k < dead && r.ok(); ++k) {
      d += static_cast<uint32_t>(r.varint());
      if (d >= s->docs()) throw Error(ErrorCode::kDataCorrupted, "segment manifest is damaged");
      s->set_died(d, r.varint());
    }
    s->prepare_lookup();
    list->push_back(std::move(s));
  }
  if (!r.ok()) throw Error(ErrorCode::kDataCorrupted, "segment manifest is damaged");
  std::lock_guard lock(mutex_);
  list_ = std::move(list);
  applied_ = lsn;
  checkpoint_lsn_ = lsn;
  building_ = readers_wait_ = false;
  return true;
}

void RelationIndex::drop_files() {
  if (options_.directory.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(options_.directory, ignored);
}

RelationIndex::Stats RelationIndex::stats() const {
  Stats st;
  auto list = segments();
  for (const SegmentPtr& s : *list) {
    st.docs += s->docs() - s->deleted();
    st.deleted += s->deleted();
    st.bytes += s->image_bytes();
    ++st.segments;
  }
  return st;
}

std::string RelationIndex::check() const {
  std::unordered_set<uint64_t> seen;
  auto list = segments();
  for (const SegmentPtr& s : *list) {
    for (uint32_t d = 0; d < s->docs(); ++d) {
      if (s->died(d) != kNeverDied) continue;
      if (!seen.insert(s->row_id(d)).second) return fmt::format("row {} is live twice", s->row_id(d));
    }
    for (auto& [name, f] : s->fields()) {
      if (!f.options.postings) continue;
      TermsIter it = s->terms(f);
      std::string last;
      bool first = true;
      for (bool ok = it.first(); ok; ok = it.next()) {
        if (!first && it.term() <= last) return "terms of field " + name + " are out of order";
        first = false;
        last = it.term();
        PostingsIter p = s->postings(f, it.info());
        uint32_t n = 0, at = 0;
        for (uint32_t d = p.next(); d != kNoDoc; d = p.next()) {
          if (d >= s->docs() || (n > 0 && d <= at)) return "postings of field " + name + " are out of order";
          at = d;
          ++n;
        }
        if (n != it.info().df) return "postings of field " + name + " are incomplete";
      }
    }
  }
  return {};
}

}  // namespace stele::segments

// How indexes come to be and stay: building from rows, files, replay, merging in the background, and the proof that
// they equal the rows.
#include <boost/json.hpp>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/logging.h"
#include "segments/section.h"
#include "segments/segments.h"

namespace stele::segments {

namespace {
constexpr size_t kBuilderBytes = 48u << 20;       // a segment of a build
constexpr uint64_t kLogBytes = 64u << 20;         // log that may pile up behind a checkpoint
constexpr int64_t kCheckpointAgeUs = 60'000'000;  // of changes that only the log has

// The definition and the indexes that asked for it: one made anew is built anew, whatever was there before.
std::string tag_of(const catalog::Relation& r, const catalog::State& state, const std::string& definition) {
  if (r.extra.count("elastic") != 0) return "elastic";
  std::string tag = definition + std::to_string(r.storage_id);
  for (Oid oid : r.indexes) {
    auto index = state.relation(oid);
    if (index && index->index && (index->index->method == "search" || index->index->method == "columns")) tag += "," + std::to_string(oid);
  }
  return tag;
}
}  // namespace

std::string Segments::directory_of(Oid oid) const { return directory_.empty() ? std::string() : directory_ + "/" + std::to_string(oid); }

IndexedPtr Segments::make_relation(Oid oid) {
  RelationIndex::Options o;
  o.directory = directory_of(oid);
  o.tail_bytes = 2 * tail_bytes_;
  o.horizon = [this] { return store_.horizon(); };
  o.wait_durable = [this](Lsn lsn) { store_.wait_durable(lsn); };
  return std::make_shared<IndexedRelation>(oid, o);
}

std::vector<IndexedPtr> Segments::all() const {
  std::shared_lock lock(mutex_);
  std::vector<IndexedPtr> out;
  for (auto& [oid, r] : relations_) out.push_back(r);
  return out;
}

// --- Building

bool Segments::index_row(IndexedRelation& r, const catalog::Relation& relation, const rows::Table& table, uint64_t row_id, std::string_view bytes,
                         SegmentBuilder& builder, Arena& arena, std::vector<NullableDatum>& row, MappingPtr* mapping) {
  arena.reset();
  row.resize(relation.columns.size());
  table.format().decode_all(bytes, row.data(), arena);
  RowDocument doc;
  json::object source = row_source(relation, row, &doc);
  if (doc.version <= 0) doc.version = rows::RowFormat::document_version(bytes);
  if (doc.seq_no < 0) {
    doc.seq_no = r.next_seq_no.fetch_add(1);
  } else {
    int64_t next = r.next_seq_no.load();
    while (next <= doc.seq_no && !r.next_seq_no.compare_exchange_weak(next, doc.seq_no + 1)) {}
  }
  uint32_t before = builder.docs();
  try {
    if ((*mapping)->discover(source)) *mapping = extend_mapping(r.oid, [&](const Mapping& m) { return m.discover(source); });
    (*mapping)->index(source, row_id, {doc.id, doc.routing, doc.seq_no, doc.version}, builder);
    return true;
  } catch (const Error&) {
    if (builder.docs() > before) builder.end();
    return false;
  }
}

RelationIndex::List Segments::index_rows(IndexedRelation& r, const catalog::Ptr<catalog::Relation>& relation, storage::Transaction& txn,
                                         const storage::SnapshotPtr& snapshot, MappingPtr* mapping) {
  RelationIndex::List out;
  SegmentBuilder builder;
  Arena arena;
  std::vector<NullableDatum> row;
  auto table = rows::Table::make(relation, *catalog_.state());
  rows::TableAccess access(table, txn);
  // Born with the first commit: whoever may use the index sees at least the rows it was built from.
  auto flush = [&] {
    if (builder.docs() == 0) return;
    out.push_back(Segment::from_image(builder.finish(), 1));
    out.back()->prepare_lookup();
  };
  for (auto cursor = access.scan({snapshot}); cursor.valid(); cursor.next()) {
    index_row(r, *relation, *table, cursor.row_id(), cursor.bytes(), builder, arena, row, mapping);
    if (builder.bytes() > kBuilderBytes) flush();
  }
  flush();
  return out;
}

void Segments::build(const IndexedPtr& r) {
  auto state = catalog_.state();
  auto relation = state->relation(r->oid);
  RelationIndex::List built;
  storage::Lsn lsn = 0;
  if (relation) {
    ensure(*relation, *state);  // the mapping
    auto txn = store_.begin({.read_only = true});
    auto snapshot = txn->statement_snapshot();
    lsn = snapshot->lsn();
    MappingPtr mapping = r->mapping();
    if (mapping) built = index_rows(*r, relation, *txn, snapshot, &mapping);
  }
  r->index.finish_build(std::move(built), lsn);
  if (!dirty_.exchange(true)) work_.notify_one();
}

void Segments::rebuild_later(const IndexedPtr& r) {
  r->index.begin_build(false);
  std::lock_guard lock(work_mutex_);
  builds_.push_back(r);
  build_work_.notify_one();
}

void Segments::build_loop() {
  for (;;) {
    IndexedPtr r;
    {
      std::unique_lock lock(work_mutex_);
      build_work_.wait(lock, [&] { return stop_ || !builds_.empty(); });
      if (stop_) return;
      r = builds_.front();
      builds_.erase(builds_.begin());
    }
    try {
      build(r);
    } catch (const std::exception& e) {
      logging::error("building the search index of relation {} failed: {}", r->oid, e.what());
      r->index.finish_build({}, 0);
    }
  }
}

// On the commit leader, after the catalogue change was published and while its maker still holds its locks: no writer
// of the table is on its way. Takes no lock under which the store is called.
void Segments::changed(const catalog::StatePtr& now, const std::vector<catalog::ObjectAddress>& addresses) {
  auto forget = [&](Oid oid) {
    IndexedPtr gone;
    {
      std::unique_lock lock(mutex_);
      auto it = relations_.find(oid);
      if (it == relations_.end()) return;
      gone = std::move(it->second);
      relations_.erase(it);
    }
    std::lock_guard lock(work_mutex_);
    trash_.push_back(std::move(gone));
    dirty_ = true;
    work_.notify_one();
  };
  std::set<Oid> tables;
  for (const auto& a : addresses) {
    if (a.kind != catalog::ObjectKind::kRelation) continue;
    auto relation = now->relation(a.oid);
    if (!relation) forget(a.oid);
    else if (relation->index) tables.insert(relation->index->table);
    else if (relation->relkind == 'r') tables.insert(relation->oid);
  }
  for (Oid oid : tables) {
    auto table = now->relation(oid);
    if (!table || table->relkind != 'r') continue;
    IndexedPtr r = find(oid);
    if (r && r->tag() == "elastic") continue;  // its mapping changes by documents
    if (!r && table->extra.count("elastic") == 0 && table->indexes.empty()) continue;
    std::string definition = search_definition(*table, *now);
    if (definition.empty()) {
      forget(oid);
      continue;
    }
    std::string tag = tag_of(*table, *now, definition);
    if (!r) {
      std::unique_lock lock(mutex_);
      auto& slot = relations_[oid];
      if (!slot) {
        slot = make_relation(oid);
        slot->elastic = table->extra.count("elastic") != 0;
      }
      r = slot;
    }
    if (r->tag() == tag) continue;
    r->set_tag(tag);
    r->index.begin_build(true);
    std::lock_guard lock(work_mutex_);
    builds_.push_back(r);
    build_work_.notify_one();
  }
}

// --- Recovery

storage::Lsn Segments::recovery_lsn() {
  storage::Lsn from = UINT64_MAX;
  if (!loaded_) {
    std::error_code none;
    for (auto& entry : std::filesystem::directory_iterator(directory_, none)) {
      if (auto lsn = RelationIndex::stored_checkpoint(entry.path().string())) from = std::min<storage::Lsn>(from, *lsn);
    }
    return from;
  }
  for (auto& r : all()) from = std::min(from, r->index.needs_log_from());
  return from;
}

void Segments::replay(const storage::LogRecord& record) {
  record.for_each_section([&](storage::ParticipantId p, std::string_view payload) {
    if (p != id()) return;
    Reader r(payload);
    Note n;
    while (get_note(r, &n)) replayed_[n.relation].push_back({record.lsn, n.row, n.truncate});
  });
}

// Rows named by the log after the files' checkpoint are indexed as they are now: nobody reads an older state.
void Segments::catch_up(const IndexedPtr& r, const catalog::Ptr<catalog::Relation>& relation) {
  Lsn from = r->index.checkpoint_lsn();
  std::set<uint64_t> changed;
  for (const Replayed& n : replayed_[r->oid]) {
    if (n.lsn <= from) continue;
    if (n.truncate) {
      r->index.kill_all(n.lsn);
      changed.clear();
    } else {
      changed.insert(n.row);
    }
    r->next_seq_no.fetch_add(1);  // at most one number a note: none is given twice
  }
  if (changed.empty()) return;
  auto table = rows::Table::make(relation, *catalog_.state());
  auto txn = store_.begin({.read_only = true});
  rows::TableAccess access(table, *txn);
  auto snapshot = txn->statement_snapshot();
  SegmentBuilder builder;
  Arena arena;
  std::vector<NullableDatum> row;
  std::string bytes;
  MappingPtr mapping = r->mapping();
  for (uint64_t id : changed) {
    if (access.fetch(id, {snapshot}, &bytes)) index_row(*r, *relation, *table, id, bytes, builder, arena, row, &mapping);
  }
  SegmentPtr fragment;
  if (builder.docs() > 0) fragment = Segment::from_image(builder.finish(), snapshot->lsn());
  r->index.link(snapshot->lsn(), std::vector<uint64_t>(changed.begin(), changed.end()), fragment);
}

void Segments::load() {
  auto state = catalog_.state();
  std::set<std::string> known;
  state->for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
    auto relation = std::static_pointer_cast<const catalog::Relation>(o);
    IndexedPtr r = ensure(*relation, *state);
    if (!r) return;
    known.insert(std::to_string(r->oid));
    RelationIndex::Identity identity{tag_of(*relation, *state, search_definition(*relation, *state)), 0};
    r->set_tag(identity.tag);
    bool sound = false;
    try {
      sound = r->index.load(&identity);
    } catch (const Error& e) {
      logging::warning("search index of \"{}\": {}; building it from the rows", relation->name, e.message());
    }
    if (!sound) {
      build(r);
      return;
    }
    r->next_seq_no = std::max(r->next_seq_no.load(), identity.next_number);
    catch_up(r, relation);
  });
  replayed_.clear();
  std::error_code none;
  for (auto& entry : std::filesystem::directory_iterator(directory_, none)) {
    if (known.count(entry.path().filename().string()) == 0) std::filesystem::remove_all(entry.path(), none);
  }
  loaded_ = true;
  catalog_.on_change([this](const catalog::StatePtr& now, const std::vector<catalog::ObjectAddress>& a) { changed(now, a); });
  worker_ = std::thread([this] { maintain_loop(); });
  builder_ = std::thread([this] { build_loop(); });
}

// --- In the background

void Segments::checkpoint(IndexedRelation& r) {
  if (r.index.building()) return;
  // The counter is read before the commits it belongs to are cut off: it may be ahead, never behind.
  r.index.checkpoint({r.tag(), r.next_seq_no.load() + 1});
}

void Segments::checkpoint() {
  for (auto& r : all()) {
    if (r->index.checkpoint_lsn() == 0 || r->index.needs_log_from() != UINT64_MAX) checkpoint(*r);
  }
}

void Segments::maintain_loop() {
  struct Mark { uint64_t log_bytes = 0; int64_t at_us = 0; };
  std::map<Oid, Mark> marks;
  for (;;) {
    std::vector<IndexedPtr> trash;
    bool changes;
    {
      std::unique_lock lock(work_mutex_);
      work_.wait_for(lock, std::chrono::milliseconds(200), [&] { return stop_ || dirty_.load(); });
      if (stop_) return;
      changes = dirty_.exchange(false);
      trash.swap(trash_);
    }
    for (auto& r : trash) {
      r->index.drop_files();
      marks.erase(r->oid);
    }
    uint64_t log_bytes = store_.log().bytes_appended();
    int64_t now = store_.clock().unix_us();
    for (auto& r : all()) {
      try {
        if (changes) r->index.maintain();
        bool stale = r->index.needs_log_from() != UINT64_MAX || (r->index.checkpoint_lsn() == 0 && r->index.applied_lsn() != 0);
        Mark& m = marks[r->oid];
        if (!stale || r->index.building()) {
          m = {log_bytes, now};
          continue;
        }
        if (m.at_us == 0) m = {log_bytes, now};
        if (r->index.tail_bytes() < tail_bytes_ && log_bytes - m.log_bytes < kLogBytes && now - m.at_us < kCheckpointAgeUs) continue;
        checkpoint(*r);
        m = {log_bytes, now};
      } catch (const std::exception& e) {
        logging::error("search index of relation {}: {}", r->oid, e.what());
        marks[r->oid] = {log_bytes, now};
      }
    }
  }
}

// --- Proof

namespace {
uint64_t mix(uint64_t h) {
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
  h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
  return h ^ (h >> 31);
}
uint64_t hash_of(std::string_view s, uint64_t seed) {
  uint64_t h = seed ^ 0x9e3779b97f4a7c15ull;
  for (char c : s) h = mix(h ^ static_cast<uint8_t>(c));
  return mix(h + s.size());
}
// By ordinal: a sum over everything that postings, positions and columns say about a document and what is nested in it.
std::vector<uint64_t> fingerprints(const Segment& s) {
  std::vector<uint64_t> sum(s.docs());
  for (auto& [path, c] : s.children()) {
    std::vector<uint64_t> inner = fingerprints(*c);
    std::vector<uint32_t> parents = s.parents(path);
    for (size_t i = 0; i < inner.size(); ++i) sum[parents[i]] += mix(inner[i] + hash_of(path, 11));
  }
  std::vector<uint32_t> positions;
  for (auto& [name, f] : s.fields()) {
    // Of an SQL row the former depend on its history; ordinals are no property of the row.
    if (name == "_seq_no" || name == "_version" || name == "_parent") continue;
    uint64_t field = hash_of(name, 1);
    if (f.options.postings) {
      TermsIter it = s.terms(f);
      for (bool ok = it.first(); ok; ok = it.next()) {
        uint64_t term = hash_of(it.term(), field);
        PostingsIter p = s.postings(f, it.info());
        for (uint32_t d = p.next(); d != kNoDoc; d = p.next()) {
          uint64_t h = mix(term + p.freq());
          if (f.options.positions) {
            p.positions(positions);
            for (uint32_t x : positions) h = mix(h + x);
          }
          sum[d] += h;
        }
      }
    }
    if (const uint8_t* norms = s.norms(f)) {
      for (uint32_t d = 0; d < s.docs(); ++d) sum[d] += norms[d] == 0 ? 0 : mix(field + 7 + norms[d]);
    }
    if (Column c = s.column(f)) {
      for (uint32_t d = 0; d < s.docs(); ++d) {
        for (uint32_t i = c.begin(d), e = c.end(d); i < e; ++i) {
          sum[d] += c.kind() == ColumnKind::kKeyword ? hash_of(c.term(static_cast<uint64_t>(c.value(i))), field + 3) : mix(field + 5 + mix(static_cast<uint64_t>(c.value(i))));
        }
      }
    }
  }
  return sum;
}
void fingerprints(const Leaf& leaf, std::unordered_map<uint64_t, uint64_t>& out) {
  const Segment& s = *leaf.segment;
  std::vector<uint64_t> sum = fingerprints(s);
  for (uint32_t d = 0; d < s.docs(); ++d) {
    if (leaf.visible(d)) out[s.row_id(d)] += sum[d] + 1;
  }
}
}  // namespace

std::string Segments::check(Oid oid) {
  IndexedPtr r = find(oid);
  if (!r) return {};
  r->index.wait_built();
  std::string wrong = r->index.check();
  if (!wrong.empty()) return wrong;
  auto relation = catalog_.state()->relation(oid);
  auto txn = store_.begin({.read_only = true});
  auto snapshot = txn->statement_snapshot();
  auto leaves = r->index.leaves(snapshot->lsn());
  std::unordered_map<uint64_t, uint64_t> have, want;
  uint64_t documents = 0;
  for (const Leaf& l : leaves) {
    for (uint32_t d = 0; d < l.segment->docs(); ++d) documents += l.visible(d);
    fingerprints(l, have);
  }
  if (have.size() != documents) return fmt::format("{} documents stand for {} rows", documents, have.size());
  MappingPtr mapping = r->mapping();
  for (const SegmentPtr& s : index_rows(*r, relation, *txn, snapshot, &mapping)) fingerprints(Leaf{s, 1, s->deleted() == 0, nullptr}, want);
  for (auto& [row, sum] : want) {
    auto it = have.find(row);
    if (it == have.end()) return fmt::format("row {} has no document", row);
    if (it->second != sum) return fmt::format("the document of row {} is not what the row says", row);
  }
  if (have.size() != want.size()) return fmt::format("{} rows but {} documents", want.size(), have.size());
  return {};
}

}  // namespace stele::segments

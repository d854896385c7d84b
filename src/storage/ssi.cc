#include "storage/ssi.h"

#include "base/error.h"
#include "base/hash.h"

namespace stele::storage {

// Fields are guarded by the mutex of Ssi::Impl.
class SerializableTxn {
 public:
  Lsn snapshot = 0;
  Lsn commit = 0;               // 0 while active
  Lsn earliest_out = UINT64_MAX;  // first commit among those it has a dependency out to
  uint64_t begun = 0;           // order of begin()
  bool read_only = false;
  bool doomed = false;
  bool wrote = false;
  std::unordered_set<SerializableTxn*> in, out;  // dependencies: in -> this -> out
  std::vector<std::string> key_reads, key_writes;
  std::vector<std::string> range_groups, write_groups;
  bool active() const { return commit == 0; }
};

namespace {

// Marks are grouped by the first bytes of the key (space and storage id): ranges of one relation or
// index are looked through together.
constexpr size_t kGroupBytes = 5;
constexpr size_t kMaxRangesPerGroup = 64;

std::string_view group_of(std::string_view key) { return key.substr(0, std::min(key.size(), kGroupBytes)); }

struct RangeMark {
  SerializableTxn* txn;
  std::string lower, upper;  // upper empty: unbounded
  bool covers(std::string_view key) const { return key >= lower && (upper.empty() || key < upper); }
  bool overlaps(std::string_view l, std::string_view u) const {
    return (upper.empty() || l < upper) && (u.empty() || lower < u);
  }
};

// The two ends of a range may lie in different groups; such marks are kept under the empty group.
std::string range_group(std::string_view lower, std::string_view upper) {
  std::string_view g = group_of(lower);
  if (g.size() == kGroupBytes && !upper.empty()) {
    if (group_of(upper) == g) return std::string(g);
    // [prefix, prefix + 1) is the whole of one group.
    std::string next(g);
    for (size_t i = next.size(); i-- > 0;) {
      if (static_cast<uint8_t>(next[i]) != 0xff) {
        ++next[i];
        next.resize(i + 1);
        break;
      }
    }
    if (upper <= next) return std::string(g);
    std::string padded = next;
    padded.resize(kGroupBytes, '\0');
    if (upper == padded) return std::string(g);
  }
  return {};
}

[[noreturn]] void fail(const char* reason) {
  throw Error(ErrorCode::kSerializationFailure,
              "could not serialize access due to read/write dependencies among transactions")
      .detail(std::string("Reason code: Canceled on ") + reason + ".")
      .hint("The transaction might succeed if retried.");
}

}  // namespace

struct Ssi::Impl {
  mutable std::mutex mutex;
  std::condition_variable ended;
  std::unordered_set<SerializableTxn*> all;
  std::deque<SerializableTxn*> committed;  // in commit order
  std::unordered_map<std::string, std::vector<SerializableTxn*>, StringHash, std::equal_to<>> key_reads;
  std::unordered_map<std::string, std::vector<RangeMark>, StringHash, std::equal_to<>> range_reads;
  std::map<std::string, std::vector<SerializableTxn*>, std::less<>> key_writes;
  std::unordered_map<std::string, std::vector<RangeMark>, StringHash, std::equal_to<>> range_writes;
  uint64_t next_begin = 1;

  static bool concurrent(const SerializableTxn* a, const SerializableTxn* b) {
    if (a->commit != 0 && a->commit <= b->snapshot) return false;
    if (b->commit != 0 && b->commit <= a->snapshot) return false;
    return true;
  }

  // Records reader -> writer and looks for a dangerous structure. `self` is one of the two.
  void dependency(SerializableTxn* reader, SerializableTxn* writer, SerializableTxn* self) {
    if (reader == writer || reader->doomed || writer->doomed || !concurrent(reader, writer)) return;
    // A writer that ended without writing, or a transaction that committed before the other began, is
    // no danger; the rest is recorded once.
    if (!reader->out.insert(writer).second) return;
    writer->in.insert(reader);
    if (writer->commit != 0) reader->earliest_out = std::min(reader->earliest_out, writer->commit);

    // reader -> writer -> T2 with T2 the first to commit.
    if (Lsn e = writer->earliest_out; e != UINT64_MAX) {
      bool first = (writer->active() || e <= writer->commit) && (reader->active() || e <= reader->commit);
      if (first && reader->read_only) first = e <= reader->snapshot;
      if (first) {
        resolve(writer, reader, self, self == writer ? "identification as a pivot, during write"
                                                     : "conflict out to pivot, during read");
      }
    }
    // T0 -> reader -> writer with the writer the first to commit.
    if (writer->commit != 0 && (reader->active() || reader->commit > writer->commit)) {
      for (SerializableTxn* t0 : reader->in) {
        if (t0 == writer || t0->doomed) continue;
        if (!t0->active() && t0->commit < writer->commit) continue;
        if (t0->read_only && t0->snapshot < writer->commit) continue;
        resolve(reader, t0, self, self == reader ? "identification as a pivot, during read"
                                                 : "identification as a pivot, with conflict in");
        break;
      }
    }
  }

  // The pivot fails if it still can; else the other one.
  void resolve(SerializableTxn* pivot, SerializableTxn* other, SerializableTxn* self, const char* reason) {
    if (pivot == self) {
      self->doomed = true;
      fail(reason);
    }
    if (pivot->active()) {
      pivot->doomed = true;
      return;
    }
    if (other != self && other->active()) {
      other->doomed = true;
      return;
    }
    self->doomed = true;
    fail(reason);
  }

  void forget(SerializableTxn* t) {
    auto drop = [t](auto& map, const std::string& key) {
      auto it = map.find(key);
      if (it == map.end()) return;
      std::erase(it->second, t);
      if (it->second.empty()) map.erase(it);
    };
    auto drop_ranges = [t](auto& map, const std::string& key) {
      auto it = map.find(key);
      if (it == map.end()) return;
      std::erase_if(it->second, [t](const RangeMark& m) { return m.txn == t; });
      if (it->second.empty()) map.erase(it);
    };
    for (auto& k : t->key_reads) drop(key_reads, k);
    for (auto& k : t->key_writes) drop(key_writes, k);
    for (auto& g : t->range_groups) drop_ranges(range_reads, g);
    for (auto& g : t->write_groups) drop_ranges(range_writes, g);
    for (auto* o : t->in) o->out.erase(t);
    for (auto* o : t->out) o->in.erase(t);
    all.erase(t);
    delete t;
  }

  // Committed transactions that nobody active overlaps are of no more consequence.
  void collect() {
    Lsn oldest = UINT64_MAX;
    for (auto* t : all) {
      if (t->active()) oldest = std::min(oldest, t->snapshot);
    }
    while (!committed.empty() && committed.front()->commit <= oldest) {
      SerializableTxn* t = committed.front();
      committed.pop_front();
      forget(t);
    }
  }
};

Ssi::Ssi() : impl_(std::make_unique<Impl>()) {}
Ssi::~Ssi() {
  for (auto* t : impl_->all) delete t;
}

SerializableTxn* Ssi::begin(Lsn floor, bool read_only) {
  auto* t = new SerializableTxn;
  t->snapshot = floor;
  t->read_only = read_only;
  std::lock_guard lock(impl_->mutex);
  t->begun = impl_->next_begin++;
  impl_->all.insert(t);
  return t;
}

void Ssi::set_snapshot(SerializableTxn* t, Lsn snapshot) {
  std::lock_guard lock(impl_->mutex);
  t->snapshot = snapshot;
}

void Ssi::published() {
  std::lock_guard lock(impl_->mutex);
  impl_->collect();
  impl_->ended.notify_all();
}

void Ssi::check(SerializableTxn* t) {
  std::lock_guard lock(impl_->mutex);
  if (t->doomed) fail("identification as a pivot, during conflict out checking");
}

void Ssi::read_key(SerializableTxn* t, std::string_view key) {
  std::lock_guard lock(impl_->mutex);
  if (t->doomed) fail("conflict out checking");
  auto it = impl_->key_reads.find(key);
  if (it == impl_->key_reads.end()) it = impl_->key_reads.emplace(std::string(key), std::vector<SerializableTxn*>{}).first;
  if (std::find(it->second.begin(), it->second.end(), t) == it->second.end()) {
    it->second.push_back(t);
    t->key_reads.emplace_back(key);
  }
  if (auto w = impl_->key_writes.find(key); w != impl_->key_writes.end()) {
    for (SerializableTxn* writer : std::vector(w->second)) impl_->dependency(t, writer, t);
  }
  for (std::string_view g : {group_of(key), std::string_view()}) {
    auto r = impl_->range_writes.find(g);
    if (r == impl_->range_writes.end()) continue;
    for (const RangeMark& m : r->second) {
      if (m.covers(key)) impl_->dependency(t, m.txn, t);
    }
  }
}

void Ssi::read_range(SerializableTxn* t, std::string_view lower, std::string_view upper) {
  std::lock_guard lock(impl_->mutex);
  if (t->doomed) fail("conflict out checking");
  std::string group = range_group(lower, upper);
  auto& marks = impl_->range_reads[group];
  size_t mine = 0;
  bool extended = false;
  for (RangeMark& m : marks) {
    if (m.txn != t) continue;
    ++mine;
    // A cursor that moves on reports touching ranges: they grow into one.
    if (m.overlaps(lower, upper) || m.upper == lower) {
      m.lower = std::min(m.lower, std::string(lower));
      if (m.upper.empty() || upper.empty()) {
        m.upper.clear();
      } else {
        m.upper = std::max(m.upper, std::string(upper));
      }
      extended = true;
      break;
    }
  }
  if (!extended) {
    if (mine >= kMaxRangesPerGroup) {
      std::erase_if(marks, [t](const RangeMark& m) { return m.txn == t; });
      marks.push_back({t, group, std::string()});  // the whole group and, conservatively, what follows
    } else {
      marks.push_back({t, std::string(lower), std::string(upper)});
    }
    if (mine == 0) t->range_groups.push_back(group);
  }
  auto w = impl_->key_writes.lower_bound(lower);
  for (; w != impl_->key_writes.end() && (upper.empty() || w->first < upper); ++w) {
    for (SerializableTxn* writer : std::vector(w->second)) impl_->dependency(t, writer, t);
  }
  for (auto& [g, ranges] : impl_->range_writes) {
    for (const RangeMark& m : ranges) {
      if (m.overlaps(lower, upper)) impl_->dependency(t, m.txn, t);
    }
  }
}

void Ssi::write_key(SerializableTxn* t, std::string_view key) {
  std::lock_guard lock(impl_->mutex);
  if (t->doomed) fail("identification as a pivot, during conflict in checking");
  t->wrote = true;
  auto it = impl_->key_writes.find(key);
  if (it == impl_->key_writes.end()) it = impl_->key_writes.emplace(std::string(key), std::vector<SerializableTxn*>{}).first;
  if (std::find(it->second.begin(), it->second.end(), t) == it->second.end()) {
    it->second.push_back(t);
    t->key_writes.emplace_back(key);
  }
  if (auto r = impl_->key_reads.find(key); r != impl_->key_reads.end()) {
    for (SerializableTxn* reader : std::vector(r->second)) impl_->dependency(reader, t, t);
  }
  for (std::string_view g : {group_of(key), std::string_view()}) {
    auto r = impl_->range_reads.find(g);
    if (r == impl_->range_reads.end()) continue;
    for (const RangeMark& m : r->second) {
      if (m.covers(key)) impl_->dependency(m.txn, t, t);
    }
  }
}

void Ssi::write_range(SerializableTxn* t, std::string_view lower, std::string_view upper) {
  std::lock_guard lock(impl_->mutex);
  if (t->doomed) fail("identification as a pivot, during conflict in checking");
  t->wrote = true;
  std::string group = range_group(lower, upper);
  impl_->range_writes[group].push_back({t, std::string(lower), std::string(upper)});
  t->write_groups.push_back(group);
  for (auto& [key, readers] : impl_->key_reads) {
    if (key < lower || (!upper.empty() && key >= upper)) continue;
    for (SerializableTxn* reader : std::vector(readers)) impl_->dependency(reader, t, t);
  }
  for (auto& [g, ranges] : impl_->range_reads) {
    for (const RangeMark& m : ranges) {
      if (m.overlaps(lower, upper)) impl_->dependency(m.txn, t, t);
    }
  }
}

void Ssi::before_commit(SerializableTxn* t) {
  std::lock_guard lock(impl_->mutex);
  if (t->doomed) fail("identification as a pivot, during commit attempt");
  // T0 -> T1 -> t, and t is about to be the first to commit: T1 must not.
  for (SerializableTxn* t1 : t->in) {
    if (!t1->active() || t1->doomed) continue;
    for (SerializableTxn* t0 : t1->in) {
      if (t0 == t || (t0->active() && !t0->read_only && !t0->doomed)) {
        t1->doomed = true;
        break;
      }
    }
  }
}

void Ssi::committed(SerializableTxn* t, Lsn lsn) {
  std::lock_guard lock(impl_->mutex);
  if (!t->wrote) t->read_only = true;
  t->commit = std::max<Lsn>(lsn, 1);  // 0 means active
  for (SerializableTxn* reader : t->in) reader->earliest_out = std::min(reader->earliest_out, lsn);
  impl_->committed.push_back(t);
}

void Ssi::aborted(SerializableTxn* t) {
  std::lock_guard lock(impl_->mutex);
  impl_->forget(t);
  impl_->collect();
  impl_->ended.notify_all();
}

bool Ssi::wait_safe(Lsn snapshot, const std::function<void()>* check_interrupts) {
  std::unique_lock lock(impl_->mutex);
  uint64_t limit = impl_->next_begin;
  for (;;) {
    bool waiting = false;
    for (SerializableTxn* t : impl_->all) {
      if (t->begun >= limit || t->read_only) continue;
      if (t->active()) {
        waiting = true;
      } else if (t->commit > snapshot && t->earliest_out <= snapshot) {
        return false;
      }
    }
    if (!waiting) return true;
    impl_->ended.wait_for(lock, std::chrono::milliseconds(50));
    if (check_interrupts != nullptr && *check_interrupts) {
      lock.unlock();
      (*check_interrupts)();
      lock.lock();
    }
  }
}

size_t Ssi::tracked() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->all.size();
}

}  // namespace stele::storage

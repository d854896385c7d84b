#include "rows/table_access.h"

#include "base/error.h"
#include "base/hash.h"
#include "types/type_io.h"

namespace stele::rows {

namespace {
// Keys are locked by their hash, which fits where a lock keeps its name: two keys with one hash merely
// wait for one another.
struct KeyLock {
  explicit KeyLock(std::string_view key) { store_le(bytes, hash64(key)); }
  storage::LockTag tag() const { return {storage::LockKind::kKey, {bytes, sizeof bytes}}; }
  char bytes[8];
};
}  // namespace

using storage::LockKind;
using storage::LockMode;
using storage::ReadView;
using storage::WaitOptions;

TableAccess::TableAccess(std::shared_ptr<const Table> table, storage::Transaction& txn, IndexEvaluator* evaluator,
                         EvalContext* eval)
    : table_(std::move(table)), txn_(txn), evaluator_(evaluator), eval_(eval) {}
TableAccess::~TableAccess() = default;

// --- Reading

RowCursor TableAccess::scan(const ReadView& view, bool reverse) const {
  RowCursor c;
  c.cursor_ = txn_.scan(table_->prefix(), after_prefix(table_->prefix()), view, reverse);
  return c;
}

RowCursor TableAccess::scan(const ReadView& view, uint64_t from, uint64_t to, bool reverse) const {
  RowCursor c;
  c.cursor_ = txn_.scan(key_of(from), key_of(to), view, reverse);
  return c;
}

bool TableAccess::fetch(uint64_t row_id, const ReadView& view, std::string* bytes, storage::Lsn* lsn) const {
  char key[16];
  const std::string& prefix = table_->prefix();
  std::memcpy(key, prefix.data(), prefix.size());
  store_be64(key + prefix.size(), row_id);
  return txn_.get({key, prefix.size() + 8}, view, bytes, lsn);
}

storage::LockOutcome TableAccess::lock_row(uint64_t row_id, LockMode strength, const WaitOptions& wait) const {
  return txn_.lock_row(key_of(row_id), strength, wait);
}

IndexCursor TableAccess::index_scan(const IndexDef& index, const KeyRange& range, const ReadView& view,
                                    bool reverse) const {
  IndexCursor c;
  c.index_ = &index;
  c.txn_ = &txn_;
  c.view_ = view;
  c.reverse_ = reverse;
  c.rescan(range);
  return c;
}

// At most one entry, by its whole key.
class IndexCursor::Point final : public storage::Cursor {
 public:
  void open(storage::Transaction& txn, const storage::ReadView& view, std::string_view key) {
    key_.assign(key);
    valid_ = txn.get(key_, view, &value_, &lsn_);
  }
  bool valid() const override { return valid_; }
  void next() override { valid_ = false; }
  void seek(std::string_view key) override { valid_ = valid_ && key_ >= key; }
  std::string_view key() const override { return key_; }
  std::string_view value() const override { return value_; }
  storage::Lsn lsn() const override { return lsn_; }

 private:
  std::string key_, value_;
  storage::Lsn lsn_ = 0;
  bool valid_ = false;
};

IndexCursor::IndexCursor() = default;
IndexCursor::IndexCursor(IndexCursor&&) noexcept = default;
IndexCursor& IndexCursor::operator=(IndexCursor&&) noexcept = default;
IndexCursor::~IndexCursor() = default;

void IndexCursor::rescan(const KeyRange& range) {
  if (range.point && index_->unique && !index_->deferrable) {
    if (!point_) point_ = std::make_unique<Point>();
    point_->open(*txn_, view_, range.lower);
    cursor_ = point_.get();
    limited_ = false;
    return;
  }
  std::string_view upper = range.empty() ? range.lower : range.upper;
  // A first range gets its bounds, which let RocksDB skip files; a second one is worth a cursor that can be
  // moved anywhere. Read marks of serializable transactions need the exact bounds.
  if (!range_cursor_ || txn_->isolation() == storage::Isolation::kSerializable) {
    range_cursor_ = txn_->scan(range.lower, upper, view_, reverse_);
    cursor_ = range_cursor_.get();
    limited_ = whole_ = false;
    return;
  }
  if (!whole_) {
    range_cursor_ = txn_->scan(index_->prefix, after_prefix(index_->prefix), view_, reverse_);
    whole_ = true;
  }
  cursor_ = range_cursor_.get();
  limited_ = true;
  if (reverse_) {
    limit_ = range.lower;
    cursor_->seek(upper);
    // The bound itself is outside, and seek() stops on it if it exists.
    while (cursor_->valid() && cursor_->key() >= upper) cursor_->next();
  } else {
    limit_ = upper;
    cursor_->seek(range.lower);
  }
}

std::optional<uint64_t> TableAccess::find_unique(const IndexDef& index, std::span<const NullableDatum> key,
                                                 const ReadView& view) const {
  STELE_CHECK(index.unique && !index.deferrable && key.size() == index.keys.size());
  std::string k = index.prefix;
  for (size_t i = 0; i < key.size(); ++i) {
    const IndexDef::Key& c = index.keys[i];
    if (key[i].is_null && !index.nulls_not_distinct) return std::nullopt;
    encode_index_column(*c.type.ops, key[i], c.collation, c.descending, c.nulls_first, k);
  }
  std::string value;
  if (!txn_.get(k, view, &value)) return std::nullopt;
  return load_be64(value.data());
}

uint64_t IndexCursor::row_id() const {
  if (index_->row_id_in_value()) return load_be64(cursor_->value().data());
  return row_id_of(cursor_->key());
}

void IndexCursor::keys(NullableDatum* out, size_t n, Arena& arena) const {
  std::string_view in = cursor_->key().substr(index_->prefix.size());
  for (size_t i = 0; i < n; ++i) {
    const IndexDef::Key& k = index_->keys[i];
    out[i] = decode_index_column(*k.type.ops, in, k.descending, k.nulls_first, arena);
  }
}

namespace {
// Steps over one encoded column.
void skip_column(const IndexDef::Key& k, std::string_view& in) {
  if (in.empty()) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
  bool value = in[0] == '\1';
  in.remove_prefix(1);
  if (!value) return;
  if (!k.descending) {
    k.type.ops->skip_key(in);
    return;
  }
  std::string inverted(in);
  for (char& c : inverted) c = static_cast<char>(~c);
  std::string_view rest = inverted;
  k.type.ops->skip_key(rest);
  in.remove_prefix(in.size() - rest.size());
}
}  // namespace

NullableDatum IndexCursor::attribute(int16_t attribute, Arena& arena) const {
  std::string_view in = cursor_->key().substr(index_->prefix.size());
  for (const IndexDef::Key& k : index_->keys) {
    if (k.column == attribute && k.type.ops->decode_key != nullptr) {
      return decode_index_column(*k.type.ops, in, k.descending, k.nulls_first, arena);
    }
    skip_column(k, in);
  }
  for (size_t i = 0; i < index_->included.size(); ++i) {
    if (index_->included[i] != attribute) continue;
    std::string_view payload = cursor_->value();
    if (index_->row_id_in_value()) payload.remove_prefix(8);
    return index_->included_format->decode(payload, i, arena);
  }
  throw Error(ErrorCode::kInternalError,
              fmt::format("index \"{}\" does not hold attribute {}", index_->name(), attribute));
}

KeyRange key_range(const IndexDef& index, std::span<const NullableDatum> equal, const KeyBound* lower,
                   const KeyBound* upper, bool not_null) {
  std::string prefix = index.prefix;
  for (size_t i = 0; i < equal.size(); ++i) {
    const IndexDef::Key& k = index.keys[i];
    encode_index_column(*k.type.ops, equal[i], k.collation, k.descending, k.nulls_first, prefix);
  }
  KeyRange r;
  if (lower == nullptr && upper == nullptr && !not_null) {
    r.point = equal.size() == index.keys.size() &&
              (index.nulls_not_distinct ||
               std::none_of(equal.begin(), equal.end(), [](const NullableDatum& v) { return v.is_null; }));
    r.lower = prefix;
    r.upper = after_prefix(prefix);
    return r;
  }
  STELE_CHECK(equal.size() < index.keys.size());
  const IndexDef::Key& k = index.keys[equal.size()];
  // No row compares with NULL.
  if ((lower != nullptr && lower->value.is_null) || (upper != nullptr && upper->value.is_null)) {
    r.lower = r.upper = prefix;
    return r;
  }
  if (k.descending) std::swap(lower, upper);
  auto encoded = [&](const KeyBound& b) {
    std::string s = prefix;
    encode_index_column(*k.type.ops, b.value, k.collation, k.descending, k.nulls_first, s);
    return s;
  };
  // Values stand between the two places of NULL: marker byte 1.
  r.lower = lower == nullptr ? prefix + '\1' : lower->inclusive ? encoded(*lower) : after_prefix(encoded(*lower));
  r.upper = upper == nullptr ? prefix + '\2' : upper->inclusive ? after_prefix(encoded(*upper)) : encoded(*upper);
  return r;
}

// --- Entries

bool TableAccess::encode_key(const IndexDef& index, std::span<const NullableDatum> row, std::string* key,
                             bool* distinct) {
  if (index.partial && !evaluator_->predicate(index, row)) return false;
  NullableDatum computed[32];
  if (index.has_expressions) {
    STELE_CHECK(index.expressions <= 32);
    arena_.reset();  // what was evaluated before is encoded already
    evaluator_->expressions(index, row, computed, arena_);
  }
  key->assign(index.prefix);
  *distinct = false;
  int expression = 0;
  for (const IndexDef::Key& k : index.keys) {
    NullableDatum v = k.column == 0 ? computed[expression++] : row[static_cast<size_t>(k.column - 1)];
    if (v.is_null && !index.nulls_not_distinct) *distinct = true;
    encode_index_column(*k.type.ops, v, k.collation, k.descending, k.nulls_first, *key);
  }
  // As PostgreSQL's limit on B-tree entries, which clients may rely on to be told early.
  if (key->size() > (64 << 10)) {
    throw Error(ErrorCode::kProgramLimitExceeded,
                fmt::format("index row size {} exceeds maximum {} for index \"{}\"", key->size(), 64 << 10, index.name()))
        .hint("Values larger than this cannot be indexed. Consider an index on a hash of the value, or full text indexing.");
  }
  return true;
}

void TableAccess::encode_entry(const IndexDef& index, std::span<const NullableDatum> row, uint64_t row_id, bool distinct,
                               std::string* key, std::string* value) {
  value->clear();
  if (!index.unique || index.deferrable || distinct) put_be64(*key, row_id);
  if (index.unique) put_be64(*value, row_id);
  if (index.included_format) {
    NullableDatum included[64];
    size_t n = index.included.size();
    STELE_CHECK(n <= 64);
    for (size_t i = 0; i < n; ++i) included[i] = row[static_cast<size_t>(index.included[i] - 1)];
    std::string payload;
    index.included_format->encode({included, n}, 0, &payload);
    value->append(payload);
  }
}

std::string TableAccess::key_names(const IndexDef& index) const {
  std::string out = "(";
  for (size_t i = 0; i < index.keys.size(); ++i) {
    if (i > 0) out += ", ";
    int16_t a = index.keys[i].column;
    const catalog::Column* c = a != 0 ? table_->relation().column(a) : nullptr;
    out += c != nullptr ? c->name : index.relation->index->keys[i].expression_sql;
  }
  return out + ")";
}

std::string TableAccess::key_values(const IndexDef& index, std::span<const NullableDatum> row) {
  NullableDatum computed[32];
  if (index.has_expressions) evaluator_->expressions(index, row, computed, arena_);
  std::string out = "(";
  int expression = 0;
  for (size_t i = 0; i < index.keys.size(); ++i) {
    if (i > 0) out += ", ";
    const IndexDef::Key& k = index.keys[i];
    NullableDatum v = k.column == 0 ? computed[expression++] : row[static_cast<size_t>(k.column - 1)];
    if (v.is_null) {
      out += "null";
    } else {
      type_output(k.type.type, v.value, out, *eval_);
    }
  }
  return out + ")";
}

void TableAccess::throw_unique(const IndexDef& index, std::span<const NullableDatum> row) {
  Error e(ErrorCode::kUniqueViolation,
          fmt::format("duplicate key value violates unique constraint \"{}\"", index.name()));
  std::string detail;
  if (eval_ != nullptr) detail = fmt::format("Key {}={} already exists.", key_names(index), key_values(index, row));
  throw std::move(e).detail(std::move(detail)).names(table_->schema_name(), table_->relation().name, {}, {}, index.name());
}

// --- Writing

uint64_t TableAccess::next_row_id() {
  if (next_id_ == id_limit_) {
    // One by one at first, so that rows of several sessions stay in order of insertion; blocks for a load.
    uint64_t block = ids_taken_ < 16 ? 1 : 64;
    next_id_ = txn_.store().reserve_ids(table_->id_counter(), block);
    id_limit_ = next_id_ + block;
  }
  ++ids_taken_;
  return next_id_++;
}

// Makes sure that nobody else has the key and nobody else is about to: the lock on the key is kept to the
// end of the transaction, since others cannot see what we are about to write.
std::optional<UniqueConflict> TableAccess::check_unique(const IndexDef& index, const std::string& key, uint64_t own_row,
                                                        bool own_row_known, const WaitOptions& wait) {
  KeyLock key_lock(key);
  storage::LockTag tag = key_lock.tag();
  for (;;) {
    storage::LockOutcome outcome = txn_.lock(tag, LockMode::kExclusive, wait);
    std::string value;
    if (!txn_.get(key, ReadView{}, &value)) return std::nullopt;
    uint64_t row = load_be64(value.data());
    if (own_row_known && row == own_row) return std::nullopt;
    // The row may be about to go: whoever removes it, or changes its key, holds its lock. Waiting for him
    // with our own lock on the key would be a deadlock if he puts the key back.
    std::string other = key_of(row);
    storage::LockTag row_tag{LockKind::kRow, other};
    bool settled = !txn_.store().locks().conflicts(txn_.id(), row_tag, LockMode::kAwaitWriter);
    if (outcome != storage::LockOutcome::kAlreadyHeld) txn_.store().locks().release(txn_.id(), tag, LockMode::kExclusive);
    if (settled) return UniqueConflict{&index, row};
    uint64_t mark = txn_.store().locks().mark(txn_.id());
    txn_.store().locks().acquire(txn_.id(), row_tag, LockMode::kAwaitWriter, wait);
    // The next writer waits for us now: what is committed is certain.
    bool still = txn_.get(key, ReadView{}, &value) && load_be64(value.data()) == row;
    txn_.store().locks().release_since(txn_.id(), mark);
    if (still) return UniqueConflict{&index, row};
  }
}

std::optional<UniqueConflict> TableAccess::insert_impl(std::span<const NullableDatum> row, bool report,
                                                       std::span<const IndexDef* const> arbiters, uint64_t* row_id,
                                                       const WaitOptions& wait) {
  const std::vector<IndexDef>& indexes = table_->indexes();
  struct Entry { std::string key; bool in = false, distinct = false; };
  Entry small[8];
  std::vector<Entry> large;
  Entry* entries = small;
  if (indexes.size() > 8) {
    large.resize(indexes.size());
    entries = large.data();
  }
  arena_.reset();
  auto arbiter = [&](const IndexDef& d) {
    if (!report) return false;
    return arbiters.empty() || std::find(arbiters.begin(), arbiters.end(), &d) != arbiters.end();
  };
  // Arbiters first: a conflict there must not be hidden by the error of another index.
  for (int pass = report ? 0 : 1; pass < 2; ++pass) {
    for (size_t i = 0; i < indexes.size(); ++i) {
      const IndexDef& d = indexes[i];
      if (arbiter(d) != (pass == 0)) continue;
      Entry& e = entries[i];
      e.in = encode_key(d, row, &e.key, &e.distinct);
      if (!e.in || !d.unique || e.distinct || d.deferrable) continue;
      if (auto conflict = check_unique(d, e.key, 0, false, wait)) {
        if (pass == 0) return conflict;
        throw_unique(d, row);
      }
    }
  }
  *row_id = next_row_id();
  std::string value;
  for (size_t i = 0; i < indexes.size(); ++i) {
    Entry& e = entries[i];
    if (!e.in) continue;
    if (indexes[i].deferrable && !e.distinct) {
      txn_.lock(KeyLock(e.key).tag(), LockMode::kExclusive, wait);
      deferred_.push_back({&indexes[i], e.key, eval_ != nullptr ? key_values(indexes[i], row) : std::string()});
    }
    encode_entry(indexes[i], row, *row_id, e.distinct, &e.key, &value);
    txn_.put(e.key, value);
  }
  document_version_ = 1;
  table_->format().encode(row, document_version_, &scratch_);
  txn_.put(key_of(*row_id), scratch_);
  notify(*row_id, nullptr, row.data());
  return std::nullopt;
}

uint64_t TableAccess::insert(std::span<const NullableDatum> row, const WaitOptions& wait) {
  uint64_t row_id = 0;
  insert_impl(row, false, {}, &row_id, wait);
  return row_id;
}

std::optional<UniqueConflict> TableAccess::insert_unless_conflict(std::span<const NullableDatum> row,
                                                                  std::span<const IndexDef* const> arbiters,
                                                                  uint64_t* row_id, const WaitOptions& wait) {
  return insert_impl(row, true, arbiters, row_id, wait);
}

bool TableAccess::concerned(const IndexDef& index, std::span<const NullableDatum> old_row,
                            std::span<const NullableDatum> new_row) const {
  if (index.partial || index.has_expressions) return true;  // may read any column
  auto changed = [&](int16_t attribute) {
    auto i = static_cast<size_t>(attribute - 1);
    return !same_value(table_->format().type(i), old_row[i], new_row[i]);
  };
  for (const IndexDef::Key& k : index.keys) {
    if (changed(k.column)) return true;
  }
  for (int16_t a : index.included) {
    if (changed(a)) return true;
  }
  return false;
}

void TableAccess::update(uint64_t row_id, std::span<const NullableDatum> old_row, std::span<const NullableDatum> new_row,
                         const WaitOptions& wait) {
  arena_.reset();
  std::string old_key, new_key, old_value, new_value, prefix;
  for (const IndexDef& d : table_->indexes()) {
    if (!concerned(d, old_row, new_row)) continue;
    bool old_distinct, new_distinct;
    bool was = encode_key(d, old_row, &old_key, &old_distinct);
    bool is = encode_key(d, new_row, &new_key, &new_distinct);
    bool moved = was != is || old_key != new_key;
    if (is && moved && d.unique && !new_distinct) {
      if (d.deferrable) {
        txn_.lock(KeyLock(new_key).tag(), LockMode::kExclusive, wait);
        deferred_.push_back({&d, new_key, eval_ != nullptr ? key_values(d, new_row) : std::string()});
      } else if (check_unique(d, new_key, row_id, true, wait)) {
        throw_unique(d, new_row);
      }
    }
    if (was) encode_entry(d, old_row, row_id, old_distinct, &old_key, &old_value);
    if (is) encode_entry(d, new_row, row_id, new_distinct, &new_key, &new_value);
    if (was && (!is || old_key != new_key)) txn_.erase(old_key);
    if (is && (moved || old_value != new_value)) txn_.put(new_key, new_value);
  }
  std::string key = key_of(row_id);
  document_version_ = 1;
  if (txn_.get(key, ReadView{}, &scratch_)) document_version_ = RowFormat::document_version(scratch_) + 1;
  table_->format().encode(new_row, document_version_, &scratch_);
  txn_.put(key, scratch_);
  notify(row_id, old_row.data(), new_row.data());
}

void TableAccess::erase(uint64_t row_id, std::span<const NullableDatum> old_row) {
  arena_.reset();
  std::string key, value;
  for (const IndexDef& d : table_->indexes()) {
    bool distinct;
    if (!encode_key(d, old_row, &key, &distinct)) continue;
    encode_entry(d, old_row, row_id, distinct, &key, &value);
    txn_.erase(key);
  }
  std::string rk = key_of(row_id);
  if (!table_->observers().empty() && txn_.get(rk, ReadView{}, &scratch_)) {
    document_version_ = RowFormat::document_version(scratch_);
  }
  txn_.erase(rk);
  notify(row_id, old_row.data(), nullptr);
}

storage::LockOutcome TableAccess::add_entry(const IndexDef& index, uint64_t row_id, std::span<const NullableDatum> row,
                                            const WaitOptions& wait) {
  std::string key, value;
  bool distinct;
  if (!encode_key(index, row, &key, &distinct)) return storage::LockOutcome::kGranted;
  if (index.unique && !distinct) {
    if (wait.policy == storage::WaitPolicy::kSkip &&
        txn_.lock(KeyLock(key).tag(), LockMode::kExclusive, wait) == storage::LockOutcome::kWouldBlock) {
      return storage::LockOutcome::kWouldBlock;
    }
    if (index.deferrable) {
      deferred_.push_back({&index, key, eval_ != nullptr ? key_values(index, row) : std::string()});
    } else {
      WaitOptions blocking = wait;
      blocking.policy = storage::WaitPolicy::kBlock;
      if (check_unique(index, key, row_id, true, blocking)) throw_unique(index, row);
    }
  }
  encode_entry(index, row, row_id, distinct, &key, &value);
  txn_.put(key, value);
  return storage::LockOutcome::kGranted;
}

void TableAccess::notify(uint64_t row_id, const NullableDatum* old_row, const NullableDatum* new_row) {
  for (RowObserver* o : table_->observers()) {
    o->row_changed(txn_, {table_.get(), row_id, old_row, new_row, document_version_});
  }
}

void TableAccess::check_deferred() {
  auto pending = std::move(deferred_);
  deferred_.clear();
  for (const Pending& p : pending) {
    auto cursor = txn_.scan(p.prefix, after_prefix(p.prefix), ReadView{});
    if (!cursor->valid()) continue;
    cursor->next();
    if (!cursor->valid()) continue;
    std::string detail;
    if (!p.values.empty()) detail = fmt::format("Key {}={} already exists.", key_names(*p.index), p.values);
    throw Error(ErrorCode::kUniqueViolation,
                fmt::format("duplicate key value violates unique constraint \"{}\"", p.index->name()))
        .detail(std::move(detail))
        .names(table_->schema_name(), table_->relation().name, {}, {}, p.index->name());
  }
}

void TableAccess::hand_deferred_to(TableAccess& other) {
  STELE_CHECK(other.table_ == table_);
  std::move(deferred_.begin(), deferred_.end(), std::back_inserter(other.deferred_));
  deferred_.clear();
}

void erase_storage(storage::Transaction& txn, const catalog::Relation& relation) {
  std::string prefix = relation.index ? index_prefix(relation) : row_prefix(relation);
  txn.erase_range(prefix, after_prefix(prefix));
}

}  // namespace stele::rows

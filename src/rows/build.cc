#include "rows/build.h"

#include "base/error.h"
#include "rows/sorter.h"

namespace stele::rows {

namespace {

constexpr size_t kSortMemory = 256 << 20;

// Row id of an entry, in either form.
uint64_t entry_row_id(const IndexDef& index, std::string_view key, std::string_view value) {
  return index.unique ? load_be64(value.data()) : row_id_of(key);
}

// Entries of one index on their way to a sorted file.
class EntrySorter {
 public:
  EntrySorter(TableAccess& table, const IndexDef& index, size_t memory)
      : table_(table), index_(index), sorter_(memory) {}

  void add(std::span<const NullableDatum> row, uint64_t row_id) {
    bool distinct;
    if (!table_.encode_key(index_, row, &key_, &distinct)) return;
    table_.encode_entry(index_, row, row_id, distinct, &key_, &value_);
    sorter_.add(key_, value_);
  }

  // `row_of` finds the row of a duplicate for the error's detail.
  void write(storage::Transaction& txn, bool creating, const std::function<std::string(uint64_t)>& values_of,
             const std::function<void()>& check_interrupts) {
    sorter_.sort();
    auto writer = txn.bulk_writer();
    std::string last;
    std::string_view key, value;
    for (uint64_t n = 0; sorter_.next(&key, &value); ++n) {
      if (check_interrupts && n % 8192 == 8191) check_interrupts();
      // Deferrable entries of one key differ in the row id at their end.
      std::string_view compared = index_.deferrable ? key.substr(0, key.size() - 8) : key;
      if (index_.unique && n > 0 && compared == last && !has_null(key)) fail(creating, values_of, key, value);
      if (index_.unique) last.assign(compared);
      writer->add(key, value);
    }
    writer->finish();
  }

 private:
  // Entries with a NULL are distinct and end with their row id already.
  bool has_null(std::string_view key) const {
    if (index_.nulls_not_distinct || !index_.deferrable) return false;
    std::string_view in = key.substr(index_.prefix.size());
    for (const IndexDef::Key& k : index_.keys) {
      if (in.empty() || in[0] != '\1') return true;
      if (k.descending) return false;
      in.remove_prefix(1);
      k.type.ops->skip_key(in);
    }
    return false;
  }
  [[noreturn]] void fail(bool creating, const std::function<std::string(uint64_t)>& values_of, std::string_view key,
                         std::string_view value) {
    const uint64_t row_id = entry_row_id(index_, key, value);
    std::string values = values_of(row_id);
    if (creating) {
      throw Error(ErrorCode::kUniqueViolation, fmt::format("could not create unique index \"{}\"", index_.name()))
          .detail(values.empty() ? "" : fmt::format("Key {}={} is duplicated.", table_.key_names(index_), values))
          .names(table_.table().schema_name(), table_.table().relation().name, {}, {}, index_.name());
    }
    throw Error(ErrorCode::kUniqueViolation,
                fmt::format("duplicate key value violates unique constraint \"{}\"", index_.name()))
        .detail(values.empty() ? "" : fmt::format("Key {}={} already exists.", table_.key_names(index_), values))
        .context(fmt::format("{}{}", kLoadedRow, row_id))
        .names(table_.table().schema_name(), table_.table().relation().name, {}, {}, index_.name());
  }

  TableAccess& table_;
  const IndexDef& index_;
  Sorter sorter_;
  std::string key_, value_;
};

std::function<std::string(uint64_t)> values_reader(TableAccess& table, const IndexDef& index, const storage::ReadView& view) {
  return [&table, &index, view](uint64_t row_id) -> std::string {
    std::string bytes;
    if (!table.fetch(row_id, view, &bytes)) return {};
    Arena arena;
    std::vector<NullableDatum> row(table.table().format().columns());
    table.table().format().decode_all(bytes, row.data(), arena);
    return table.key_values(index, row);
  };
}

class BulkLoaderImpl final : public BulkLoader {
 public:
  BulkLoaderImpl(TableAccess& table, storage::Transaction& txn)
      : table_(table), txn_(txn), rows_(txn.bulk_writer()), key_(table.table().prefix()) {
    key_.resize(key_.size() + 8);
    const auto& indexes = table.table().indexes();
    for (const IndexDef& d : indexes) {
      sorters_.push_back(std::make_unique<EntrySorter>(table, d, kSortMemory / indexes.size()));
    }
  }

  uint64_t add(std::span<const NullableDatum> row) override {
    if (next_ == limit_) {
      next_ = txn_.store().reserve_ids(table_.table().id_counter(), kBlock);
      limit_ = next_ + kBlock;
    }
    uint64_t id = next_++;
    store_be64(key_.data() + key_.size() - 8, id);
    table_.table().format().encode(row, 1, &value_);
    rows_->add(key_, value_);
    for (auto& s : sorters_) s->add(row, id);
    for (RowObserver* o : table_.table().observers()) {
      o->row_changed(txn_, {&table_.table(), id, nullptr, row.data(), 1});
    }
    return id;
  }

  void finish() override {
    rows_->finish();
    const auto& indexes = table_.table().indexes();
    for (size_t i = 0; i < indexes.size(); ++i) {
      sorters_[i]->write(txn_, false, values_reader(table_, indexes[i], {}), {});
      sorters_[i].reset();
    }
    sorters_.clear();
  }

 private:
  static constexpr uint64_t kBlock = 4096;
  TableAccess& table_;
  storage::Transaction& txn_;
  std::unique_ptr<storage::BulkWriter> rows_;
  std::string key_, value_;
  uint64_t next_ = 0, limit_ = 0;
  std::vector<std::unique_ptr<EntrySorter>> sorters_;
};

}  // namespace

void build_index(TableAccess& table, const IndexDef& index, const storage::ReadView& view, storage::Transaction& txn,
                 const std::function<void()>& check_interrupts) {
  EntrySorter sorter(table, index, kSortMemory);
  const RowFormat& format = table.table().format();
  std::vector<NullableDatum> row(format.columns());
  // Only what the entry needs, unless an expression may look at any column.
  std::vector<size_t> needed;
  bool all = index.partial || index.has_expressions;
  for (const IndexDef::Key& k : index.keys) {
    if (k.column != 0) needed.push_back(static_cast<size_t>(k.column - 1));
  }
  for (int16_t a : index.included) needed.push_back(static_cast<size_t>(a - 1));
  Arena arena;
  uint64_t n = 0;
  for (RowCursor c = table.scan(view); c.valid(); c.next()) {
    if (check_interrupts && ++n % 8192 == 0) check_interrupts();
    arena.reset();
    if (all) {
      format.decode_all(c.bytes(), row.data(), arena);
    } else {
      for (size_t i : needed) row[i] = format.decode(c.bytes(), i, arena);
    }
    sorter.add(row, c.row_id());
  }
  sorter.write(txn, true, values_reader(table, index, view), check_interrupts);
}

void build_index_online(storage::Store& store, const std::shared_ptr<const Table>& table, const IndexDef& index,
                        IndexEvaluator* evaluator, EvalContext* eval, const storage::WaitOptions& wait) {
  constexpr size_t kChunk = 1000;
  const RowFormat& format = table->format();
  std::vector<NullableDatum> row(format.columns());
  Arena arena;
  std::string bytes;
  storage::WaitOptions skip = wait;
  skip.policy = storage::WaitPolicy::kSkip;

  // False: somebody holds the row or its key.
  auto add = [&](TableAccess& access, uint64_t id, const storage::WaitOptions& w) {
    if (access.lock_row(id, storage::LockMode::kForShare, w) == storage::LockOutcome::kWouldBlock) return false;
    arena.reset();
    if (!access.fetch(id, {}, &bytes)) return true;  // gone meanwhile
    format.decode_all(bytes, row.data(), arena);
    return access.add_entry(index, id, row, w) != storage::LockOutcome::kWouldBlock;
  };

  // Rows inserted from here on bring their entry themselves.
  uint64_t next = 0;
  bool more = true;
  std::vector<uint64_t> ids, busy;
  auto snapshot = store.snapshot();
  while (more) {
    if (wait.check_interrupts != nullptr && *wait.check_interrupts) (*wait.check_interrupts)();
    auto txn = store.begin({});
    TableAccess access(table, *txn, evaluator, eval);
    ids.clear();
    {
      RowCursor c = access.scan({snapshot}, next, UINT64_MAX);
      for (; c.valid() && ids.size() < kChunk; c.next()) ids.push_back(c.row_id());
      more = c.valid();
    }
    if (!ids.empty()) next = ids.back() + 1;
    // Waiting with locks in hand could end in a deadlock of our making: rows in use come later, one by one.
    for (uint64_t id : ids) {
      if (!add(access, id, skip)) busy.push_back(id);
    }
    access.check_deferred();
    txn->commit();
  }
  for (uint64_t id : busy) {
    auto txn = store.begin({});
    TableAccess access(table, *txn, evaluator, eval);
    add(access, id, wait);
    access.check_deferred();
    txn->commit();
  }
}

std::unique_ptr<BulkLoader> make_bulk_loader(TableAccess& table, storage::Transaction& txn) {
  return std::make_unique<BulkLoaderImpl>(table, txn);
}

}  // namespace stele::rows

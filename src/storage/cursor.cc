#include "storage/cursor.h"

#include "base/codec.h"

namespace stele::storage {

namespace {

// After so many rows a serializable cursor marks its whole range rather than following every step.
constexpr int kMarkedSteps = 16;

class OverlayCursor final : public Cursor {
 public:
  OverlayCursor(StoreImpl& store, rocksdb::ColumnFamilyHandle* family, std::string_view lower, std::string_view upper,
                CursorOptions options)
      : store_(store), options_(std::move(options)), lower_(lower), upper_(upper), lower_slice_(lower_),
        upper_slice_(upper_) {
    rocksdb::ReadOptions ro;
    if (options_.snapshot) ro.snapshot = static_cast<const SnapshotImpl*>(options_.snapshot.get())->rocks();
    ro.iterate_lower_bound = &lower_slice_;
    if (!upper_.empty()) ro.iterate_upper_bound = &upper_slice_;
    ro.total_order_seek = true;
    if (lower_ < upper_ || upper_.empty()) iterator_.reset(store.db().NewIterator(ro, family));
    mark_from_ = options_.reverse ? upper_ : lower_;
    if (!iterator_) return;
    if (options_.reverse) {
      iterator_->SeekToLast();
      node_ = own() ? (upper_.empty() ? options_.writes->last() : options_.writes->before(upper_)) : nullptr;
    } else {
      iterator_->SeekToFirst();
      node_ = own() ? options_.writes->lower_bound(lower_) : nullptr;
    }
    settle();
  }

  bool valid() const override { return at_ != At::kEnd; }

  void next() override {
    if (at_ == At::kOwn || both_) step_own();
    if (at_ == At::kRocks || both_) step_rocks();
    settle();
  }

  void seek(std::string_view key) override {
    if (!iterator_) return;
    if (options_.reverse) {
      if (!upper_.empty() && key >= upper_) {
        iterator_->SeekToLast();
        node_ = own() ? options_.writes->before(upper_) : nullptr;
      } else {
        iterator_->SeekForPrev(slice(key));
        node_ = own() ? options_.writes->at_or_before(key) : nullptr;
      }
    } else {
      std::string_view target = key < lower_ ? std::string_view(lower_) : key;
      iterator_->Seek(slice(target));
      node_ = own() ? options_.writes->lower_bound(target) : nullptr;
    }
    // What was jumped over was not read; marking it all the same is only conservative.
    settle();
  }

  std::string_view key() const override { return at_ == At::kOwn ? node_->key : view(iterator_->key()); }
  std::string_view value() const override {
    if (at_ == At::kOwn) return version_->value;
    std::string_view v = view(iterator_->value());
    v.remove_prefix(options_.header);
    return v;
  }
  Lsn lsn() const override {
    return at_ == At::kOwn || options_.header == 0 ? 0 : store_.resolve(load_le<Lsn>(iterator_->value().data()));
  }

 private:
  enum class At : uint8_t { kEnd, kRocks, kOwn };

  bool own() const { return options_.writes != nullptr; }
  void step_rocks() { options_.reverse ? iterator_->Prev() : iterator_->Next(); }
  void step_own() { node_ = options_.reverse ? node_->previous : node_->next[0]; }

  // Moves both sides to what is visible and picks the nearer one.
  void settle() {
    at_ = At::kEnd;
    both_ = false;
    for (;;) {
      const WriteSet::Version* v = nullptr;
      while (node_ != nullptr && (v = options_.writes->visible(node_, options_.view)) == nullptr) step_own();
      if (node_ != nullptr && outside(node_->key)) node_ = nullptr;
      bool rocks = iterator_->Valid();
      if (node_ == nullptr) {
        if (!rocks) {
          check_rocks(iterator_->status(), "scan");
          break;
        }
        if (range_erased(view(iterator_->key()), 0)) {
          step_rocks();
          continue;
        }
        at_ = At::kRocks;
        break;
      }
      int order = rocks ? view(iterator_->key()).compare(node_->key) : (options_.reverse ? -1 : 1);
      if (options_.reverse) order = -order;
      if (rocks && order < 0) {
        if (range_erased(view(iterator_->key()), 0)) {
          step_rocks();
          continue;
        }
        at_ = At::kRocks;
        break;
      }
      bool same = rocks && order == 0;
      if (v->erased || range_erased(node_->key, v->sequence)) {
        step_own();
        if (same) step_rocks();
        continue;
      }
      at_ = At::kOwn;
      both_ = same;
      version_ = v;
      break;
    }
    if (options_.ssi != nullptr) mark();
  }

  bool outside(std::string_view key) const {
    return options_.reverse ? key < lower_ : (!upper_.empty() && key >= upper_);
  }
  bool range_erased(std::string_view key, uint64_t sequence) const {
    return own() && !options_.writes->ranges().empty() && options_.writes->range_erased(key, options_.view, sequence);
  }

  void mark() {
    if (marked_all_) return;
    if (at_ == At::kEnd || ++steps_ > kMarkedSteps) {
      marked_all_ = true;
      store_.ssi().read_range(options_.ssi, lower_, upper_);
      return;
    }
    // The key itself is part of what was read: the range ends just behind it.
    std::string at(key());
    if (options_.reverse) {
      store_.ssi().read_range(options_.ssi, at, mark_from_);
      mark_from_ = std::move(at);
    } else {
      at.push_back('\0');
      store_.ssi().read_range(options_.ssi, mark_from_, at);
      mark_from_ = std::move(at);
    }
  }

  StoreImpl& store_;
  CursorOptions options_;
  std::string lower_, upper_;
  rocksdb::Slice lower_slice_, upper_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  const WriteSet::Node* node_ = nullptr;
  const WriteSet::Version* version_ = nullptr;
  At at_ = At::kEnd;
  bool both_ = false;  // the own version hides a row that the iterator stands on
  bool marked_all_ = false;
  int steps_ = 0;
  std::string mark_from_;
};

// The usual case: nothing of the transaction's own, no marks.
class PlainCursor final : public Cursor {
 public:
  PlainCursor(StoreImpl& store, rocksdb::ColumnFamilyHandle* family, std::string_view lower, std::string_view upper,
              CursorOptions options)
      : store_(store), snapshot_(std::move(options.snapshot)), reverse_(options.reverse), header_(options.header), lower_(lower),
        upper_(upper), lower_slice_(lower_), upper_slice_(upper_) {
    if (!upper_.empty() && lower_ >= upper_) return;
    rocksdb::ReadOptions ro;
    if (snapshot_) ro.snapshot = static_cast<const SnapshotImpl*>(snapshot_.get())->rocks();
    ro.iterate_lower_bound = &lower_slice_;
    if (!upper_.empty()) ro.iterate_upper_bound = &upper_slice_;
    ro.total_order_seek = true;
    iterator_.reset(store.db().NewIterator(ro, family));
    reverse_ ? iterator_->SeekToLast() : iterator_->SeekToFirst();
    settle();
  }
  bool valid() const override { return valid_; }
  void next() override {
    reverse_ ? iterator_->Prev() : iterator_->Next();
    settle();
  }
  void seek(std::string_view key) override {
    if (!iterator_) return;
    if (!reverse_) {
      iterator_->Seek(slice(key));  // clamped to the lower bound by RocksDB
    } else if (!upper_.empty() && key >= upper_) {
      iterator_->SeekToLast();
    } else {
      iterator_->SeekForPrev(slice(key));
    }
    settle();
  }
  std::string_view key() const override { return view(iterator_->key()); }
  std::string_view value() const override {
    std::string_view v = view(iterator_->value());
    v.remove_prefix(header_);
    return v;
  }
  Lsn lsn() const override { return header_ == 0 ? 0 : store_.resolve(load_le<Lsn>(iterator_->value().data())); }

 private:
  void settle() {
    valid_ = iterator_->Valid();
    if (!valid_) check_rocks(iterator_->status(), "scan");
  }
  StoreImpl& store_;
  SnapshotPtr snapshot_;
  bool reverse_;
  bool valid_ = false;
  size_t header_;
  std::string lower_, upper_;
  rocksdb::Slice lower_slice_, upper_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

std::unique_ptr<Cursor> make_cursor(StoreImpl& store, rocksdb::ColumnFamilyHandle* family, std::string_view lower,
                                    std::string_view upper, CursorOptions options) {
  if (options.writes == nullptr && options.ssi == nullptr) {
    return std::make_unique<PlainCursor>(store, family, lower, upper, std::move(options));
  }
  return std::make_unique<OverlayCursor>(store, family, lower, upper, std::move(options));
}

}  // namespace stele::storage

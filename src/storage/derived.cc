#include "storage/derived.h"

#include "base/codec.h"
#include "base/logging.h"
#include "storage/cursor.h"

namespace stele::storage {

namespace {
// User keys get a first byte of 1, so that they never meet the applied key.
constexpr std::string_view kApplied{"\0applied", 8};

// Strips the first byte of keys.
class ShiftedCursor final : public Cursor {
 public:
  explicit ShiftedCursor(std::unique_ptr<Cursor> base) : base_(std::move(base)) {}
  bool valid() const override { return base_->valid(); }
  void next() override { base_->next(); }
  void seek(std::string_view key) override { base_->seek(std::string(1, '\1').append(key)); }
  std::string_view key() const override { return base_->key().substr(1); }
  std::string_view value() const override { return base_->value(); }
  Lsn lsn() const override { return 0; }

 private:
  std::unique_ptr<Cursor> base_;
};
}  // namespace

void DerivedImpl::write(std::span<const Op> ops, Lsn applied) {
  rocksdb::WriteBatch batch;
  std::string key;
  for (const Op& op : ops) {
    key.assign(1, '\1').append(op.key);
    check_rocks(op.erased ? batch.Delete(family_, key) : batch.Put(family_, key, op.value), "derived write");
  }
  std::string value;
  put_le<Lsn>(value, applied);
  check_rocks(batch.Put(family_, slice(kApplied), value), "derived write");
  store_.write_batch(&batch);
}

void DerivedImpl::erase_range(std::string_view lower, std::string_view upper) {
  std::string l = std::string(1, '\1').append(lower), u = std::string(1, '\1').append(upper);
  if (upper.empty()) u = "\2";
  rocksdb::WriteBatch batch;
  check_rocks(batch.DeleteRange(family_, l, u), "derived erase");
  store_.write_batch(&batch);
}

bool DerivedImpl::get(std::string_view key, std::string* value) {
  rocksdb::PinnableSlice found;
  std::string k = std::string(1, '\1').append(key);
  rocksdb::Status s = store_.db().Get(rocksdb::ReadOptions(), family_, k, &found);
  if (s.IsNotFound()) return false;
  check_rocks(s, "derived read");
  if (value != nullptr) value->assign(found.data(), found.size());
  return true;
}

std::unique_ptr<Cursor> DerivedImpl::scan(std::string_view lower, std::string_view upper) {
  CursorOptions o;
  o.header = 0;
  std::string l = std::string(1, '\1').append(lower);
  std::string u = upper.empty() ? std::string("\2") : std::string(1, '\1').append(upper);
  return std::make_unique<ShiftedCursor>(make_cursor(store_, family_, l, u, std::move(o)));
}

Lsn DerivedImpl::read_applied(bool durable) {
  rocksdb::ReadOptions ro;
  if (durable) ro.read_tier = rocksdb::kPersistedTier;
  std::string value;
  rocksdb::Status s = store_.db().Get(ro, family_, slice(kApplied), &value);
  if (s.IsNotFound()) return 0;
  check_rocks(s, "derived read");
  return load_le<Lsn>(value.data());
}

}  // namespace stele::storage

#include "rows/sequences.h"

#include <mutex>
#include <unordered_map>

#include "base/codec.h"
#include "base/error.h"

namespace stele::rows {

namespace {
constexpr int64_t kAhead = 32;

std::string key_of(const catalog::Relation& s) {
  std::string k;
  if (s.persistence == 't') k.push_back(storage::keyspace_byte::kTemp);
  k.append("m\0seq/", 6);
  put_be32(k, s.storage_id);
  return k;
}
std::string encode(const SequenceState& s) {
  std::string v;
  put_le<int64_t>(v, s.last_value);
  v.push_back(s.is_called ? 1 : 0);
  return v;
}
}  // namespace

struct Sequences::Impl {
  struct Entry {
    std::string key;
    SequenceState now;
    int64_t ahead = 0;  // values that may be given out before the next block is logged
    bool exact = true;  // the stored state is `now`
  };
  explicit Impl(storage::Store& s) : store(s) {}

  Entry& entry(const catalog::Relation& s) {
    auto [it, inserted] = entries.try_emplace(uint64_t{s.storage_id} << 1 | (s.persistence == 't'));
    Entry& e = it->second;
    if (inserted) {
      e.key = key_of(s);
      std::string value;
      auto txn = store.begin({});
      if (txn->get(e.key, {}, &value)) {
        Reader in(value);
        e.now.last_value = in.le<int64_t>();
        e.now.is_called = in.le<uint8_t>() != 0;
      } else {
        e.now.last_value = s.sequence->start;
      }
    }
    return e;
  }
  void write(const Entry& e, const SequenceState& state) {
    auto txn = store.begin({});
    txn->put(e.key, encode(state));
    txn->commit();
  }

  storage::Store& store;
  std::mutex mutex;
  std::unordered_map<uint64_t, Entry> entries;
};

Sequences::Sequences(storage::Store& store) : impl_(std::make_unique<Impl>(store)) {}
Sequences::~Sequences() = default;

Sequences& Sequences::of(storage::Store& store) {
  auto p = store.attachment("sequences", [](storage::Store& s) {
    auto made = std::make_shared<Sequences>(s);
    s.on_close([raw = made.get()] { raw->flush(); });
    return made;
  });
  return *static_cast<Sequences*>(p.get());
}

namespace {
// The value after `v`; false when the sequence ends there.
bool step(const catalog::SequenceInfo& s, int64_t v, int64_t* out) {
  __int128 following = static_cast<__int128>(v) + s.increment;
  if (following > s.max || following < s.min) {
    if (!s.cycle) return false;
    *out = s.increment > 0 ? s.min : s.max;
    return true;
  }
  *out = v + s.increment;
  return true;
}
}  // namespace

int64_t Sequences::next(const catalog::Relation& sequence) {
  const catalog::SequenceInfo& info = *sequence.sequence;
  std::lock_guard lock(impl_->mutex);
  auto& e = impl_->entry(sequence);
  int64_t value = e.now.last_value;
  if (e.now.is_called && !step(info, e.now.last_value, &value)) {
    bool up = info.increment > 0;
    throw Error(ErrorCode::kSequenceGeneratorLimitExceeded,
                fmt::format("nextval: reached {} value of sequence \"{}\" ({})", up ? "maximum" : "minimum",
                            sequence.name, up ? info.max : info.min));
  }
  if (e.ahead == 0) {
    // The block's last value is logged as if given out already.
    SequenceState logged{value, true};
    int64_t n = 0, following;
    while (n < kAhead && !info.cycle && step(info, logged.last_value, &following)) {
      logged.last_value = following;
      ++n;
    }
    impl_->write(e, logged);
    e.ahead = n + 1;
    e.exact = n == 0;
  } else {
    e.exact = false;
  }
  --e.ahead;
  e.now = {value, true};
  return value;
}

void Sequences::set(const catalog::Relation& sequence, int64_t value, bool is_called) {
  const catalog::SequenceInfo& info = *sequence.sequence;
  if (value < info.min || value > info.max) {
    throw Error(ErrorCode::kNumericValueOutOfRange,
                fmt::format("setval: value {} is out of bounds for sequence \"{}\" ({}..{})", value, sequence.name,
                            info.min, info.max));
  }
  std::lock_guard lock(impl_->mutex);
  auto& e = impl_->entry(sequence);
  e.now = {value, is_called};
  e.ahead = 0;
  e.exact = true;
  impl_->write(e, e.now);
}

SequenceState Sequences::state(const catalog::Relation& sequence) {
  std::lock_guard lock(impl_->mutex);
  return impl_->entry(sequence).now;
}

void Sequences::flush() {
  std::lock_guard lock(impl_->mutex);
  auto txn = impl_->store.begin({});
  for (auto& [id, e] : impl_->entries) {
    if (e.exact) continue;
    txn->put(e.key, encode(e.now));
    e.exact = true;
    e.ahead = 0;
  }
  if (txn->has_writes()) txn->commit();
}

}  // namespace stele::rows

#include "rows/sorter.h"

#include "base/codec.h"
#include "base/error.h"

namespace stele::rows {

namespace {
constexpr size_t kCommonPrefix = 5;  // space and storage id

uint64_t head_of(std::string_view key) {
  char h[8] = {};
  if (key.size() > kCommonPrefix) std::memcpy(h, key.data() + kCommonPrefix, std::min<size_t>(8, key.size() - kCommonPrefix));
  return load_be64(h);
}
}  // namespace

struct Sorter::Run {
  std::FILE* file = nullptr;
  std::string buffer;
  std::string_view key, value;

  ~Run() {
    if (file != nullptr) std::fclose(file);
  }
  void write(std::string_view k, std::string_view v) {
    char sizes[8];
    store_le<uint32_t>(sizes, static_cast<uint32_t>(k.size()));
    store_le<uint32_t>(sizes + 4, static_cast<uint32_t>(v.size()));
    if (std::fwrite(sizes, 1, 8, file) != 8 || std::fwrite(k.data(), 1, k.size(), file) != k.size() ||
        std::fwrite(v.data(), 1, v.size(), file) != v.size()) {
      throw Error(ErrorCode::kDiskFull, "could not write to temporary file");
    }
  }
  bool read() {
    char sizes[8];
    if (std::fread(sizes, 1, 8, file) != 8) return false;
    size_t k = load_le<uint32_t>(sizes), v = load_le<uint32_t>(sizes + 4);
    buffer.resize(k + v);
    if (std::fread(buffer.data(), 1, k + v, file) != k + v) {
      throw Error(ErrorCode::kIoError, "could not read from temporary file");
    }
    key = std::string_view(buffer).substr(0, k);
    value = std::string_view(buffer).substr(k);
    return true;
  }
};

Sorter::Sorter(size_t memory_bytes) : budget_(memory_bytes) {}
Sorter::~Sorter() = default;

void Sorter::add(std::string_view key, std::string_view value) {
  if (ascending_ && !items_.empty() && key < items_.back().key) ascending_ = false;
  items_.push_back({head_of(key), arena_.copy(key), value.empty() ? std::string_view() : arena_.copy(value)});
  ++count_;
  if (arena_.bytes() + items_.capacity() * sizeof(Item) > budget_) spill();
}

void Sorter::sort_items() {
  if (ascending_) return;
  std::sort(items_.begin(), items_.end(),
            [](const Item& a, const Item& b) { return a.head != b.head ? a.head < b.head : a.key < b.key; });
}

void Sorter::spill() {
  sort_items();
  auto run = std::make_unique<Run>();
  run->file = std::tmpfile();
  if (run->file == nullptr) throw Error(ErrorCode::kIoError, "could not create temporary file");
  for (const Item& i : items_) run->write(i.key, i.value);
  std::rewind(run->file);
  runs_.push_back(std::move(run));
  items_.clear();
  arena_.reset();
  ascending_ = true;
}

void Sorter::sort() {
  if (runs_.empty()) {
    sort_items();
    return;
  }
  if (!items_.empty()) spill();
  for (auto& r : runs_) {
    if (r->read()) heap_.push_back(r.get());
  }
  std::make_heap(heap_.begin(), heap_.end(), [](Run* a, Run* b) { return a->key > b->key; });
}

bool Sorter::next(std::string_view* key, std::string_view* value) {
  if (runs_.empty()) {
    if (at_ == items_.size()) return false;
    *key = items_[at_].key;
    *value = items_[at_].value;
    ++at_;
    return true;
  }
  auto later = [](Run* a, Run* b) { return a->key > b->key; };
  if (current_ != nullptr && current_->read()) {
    heap_.push_back(current_);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  current_ = nullptr;
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end(), later);
  current_ = heap_.back();
  heap_.pop_back();
  *key = current_->key;
  *value = current_->value;
  return true;
}

}  // namespace stele::rows

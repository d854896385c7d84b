#include "query/exec/spill.h"

#include "base/error.h"

namespace stele::query {

RowFile::RowFile(const std::vector<TypeInfo>& types) : types_(types), file_(std::tmpfile()) {
  if (file_ == nullptr) throw Error(ErrorCode::kIoError, "could not create temporary file");
  std::setvbuf(file_, nullptr, _IOFBF, 1 << 16);
}
RowFile::~RowFile() { std::fclose(file_); }

void RowFile::add(const Datum* values, const uint8_t* nulls, uint64_t tag) {
  scratch_.assign(reinterpret_cast<const char*>(&tag), 8);
  scratch_.append(reinterpret_cast<const char*>(nulls), types_.size());
  for (size_t i = 0; i < types_.size(); ++i) {
    if (nulls[i]) continue;
    if (types_[i].by_value) { scratch_.append(reinterpret_cast<const char*>(&values[i].bits), 8); continue; }
    std::string_view v = values[i].as_view();
    uint32_t n = static_cast<uint32_t>(v.size());
    scratch_.append(reinterpret_cast<const char*>(&n), 4);
    scratch_.append(v);
  }
  uint32_t size = static_cast<uint32_t>(scratch_.size());
  if (std::fwrite(&size, 4, 1, file_) != 1 || std::fwrite(scratch_.data(), size, 1, file_) != 1) throw Error(ErrorCode::kDiskFull, "could not write to temporary file");
  bytes_ += size + 4;
  ++rows_;
}
void RowFile::rewind() {
  if (std::fflush(file_) != 0) throw Error(ErrorCode::kDiskFull, "could not write to temporary file");
  std::rewind(file_);
  left_ = rows_;
}
bool RowFile::next(Datum* values, uint8_t* nulls, Arena& arena, uint64_t* tag) {
  if (left_ == 0) return false;
  --left_;
  uint32_t size;
  auto need = [](bool ok) { if (!ok) throw Error(ErrorCode::kIoError, "could not read from temporary file"); };
  need(std::fread(&size, 4, 1, file_) == 1);
  scratch_.resize(size);
  need(std::fread(scratch_.data(), size, 1, file_) == 1);
  const char* p = scratch_.data();
  if (tag != nullptr) std::memcpy(tag, p, 8);
  p += 8;
  std::memcpy(nulls, p, types_.size());
  p += types_.size();
  for (size_t i = 0; i < types_.size(); ++i) {
    if (nulls[i]) { values[i] = {}; continue; }
    if (types_[i].by_value) { std::memcpy(&values[i].bits, p, 8); p += 8; continue; }
    uint32_t n;
    std::memcpy(&n, p, 4);
    values[i] = make_bytes(arena, std::string_view(p + 4, n));
    p += 4 + n;
  }
  return true;
}

bool RunMerger::Run::advance() {
  arena.reset();
  return file.next(values.data(), nulls.data(), arena);
}
bool RunMerger::after(const Run* a, const Run* b) const {
  int c = compare_(a->values.data(), a->nulls.data(), b->values.data(), b->nulls.data());
  return c != 0 ? c > 0 : a->index > b->index;
}
void RunMerger::start() {
  heap_.clear();
  for (size_t i = 0; i < runs_.size(); ++i) {
    runs_[i]->index = i;
    runs_[i]->file.rewind();
    if (runs_[i]->advance()) heap_.push_back(runs_[i].get());
  }
  std::make_heap(heap_.begin(), heap_.end(), [this](Run* a, Run* b) { return after(a, b); });
}
bool RunMerger::next(std::vector<Datum>& values, std::vector<uint8_t>& nulls, Arena& arena) {
  if (heap_.empty()) return false;
  auto cmp = [this](Run* a, Run* b) { return after(a, b); };
  std::pop_heap(heap_.begin(), heap_.end(), cmp);
  Run* r = heap_.back();
  for (size_t i = 0; i < types_.size(); ++i) {
    nulls[i] = r->nulls[i];
    values[i] = r->nulls[i] ? Datum{} : types_[i].by_value ? r->values[i] : make_bytes(arena, r->values[i].as_view());
  }
  if (r->advance()) std::push_heap(heap_.begin(), heap_.end(), cmp);
  else heap_.pop_back();
  return true;
}
uint64_t RunMerger::bytes() const {
  uint64_t n = 0;
  for (auto& r : runs_) n += r->file.bytes();
  return n;
}

}  // namespace stele::query

#include "storage/record.h"

#include "base/codec.h"
#include "base/error.h"
#include "storage/store.h"

namespace stele::storage {

namespace {
constexpr uint8_t kVersion = 1;

[[noreturn]] void damaged(Lsn lsn) {
  throw Error(ErrorCode::kDataCorrupted, fmt::format("log record {} cannot be decoded", lsn));
}
}  // namespace

RecordBuilder::RecordBuilder(std::string* out) : out_(out) {
  out->clear();
  out->push_back(static_cast<char>(kVersion));
  put_le<int64_t>(*out, 0);
}
void RecordBuilder::count(size_t n) { put_varint(*out_, n); }
void RecordBuilder::range(std::string_view lower, std::string_view upper) {
  put_string(*out_, lower);
  put_string(*out_, upper);
}
void RecordBuilder::file(std::string_view name) { put_string(*out_, name); }
void RecordBuilder::put(std::string_view key, std::string_view value) {
  put_varint(*out_, key.size() << 1);
  out_->append(key);
  put_string(*out_, value);
}
void RecordBuilder::erase(std::string_view key) {
  put_varint(*out_, key.size() << 1 | 1);
  out_->append(key);
}
void RecordBuilder::section(const Section& s) {
  out_->push_back(static_cast<char>(s.participant));
  put_string(*out_, s.payload);
}
void RecordBuilder::patch_time(std::string* record, int64_t commit_us) { store_le(record->data() + 1, commit_us); }

LogRecord decode_log_record(Lsn lsn, std::string_view payload) {
  Reader in(payload);
  uint8_t version = in.le<uint8_t>();
  int64_t commit_us = in.le<int64_t>();
  if (!in.ok()) damaged(lsn);
  if (version != kVersion) {
    throw Error(ErrorCode::kFeatureNotSupported,
                fmt::format("log record {} has version {}, this server reads version {}", lsn, version, kVersion));
  }
  // Finds where the parts begin; each is walked again on demand.
  std::string_view ranges = in.rest();
  for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) {
    in.string();
    in.string();
  }
  std::string_view files = in.rest();
  for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) in.string();
  std::string_view rows = in.rest();
  for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) {
    uint64_t k = in.varint();
    in.bytes(k >> 1);
    if ((k & 1) == 0) in.string();
  }
  std::string_view sections = in.rest();
  for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) {
    in.le<uint8_t>();
    in.string();
  }
  if (!in.ok() || !in.empty()) damaged(lsn);

  LogRecord r;
  r.lsn = lsn;
  r.commit_us = commit_us;
  r.for_each_range = [ranges](const std::function<void(std::string_view, std::string_view)>& f) {
    Reader in(ranges);
    for (uint64_t n = in.varint(); n > 0; --n) {
      std::string_view lower = in.string();
      f(lower, in.string());
    }
  };
  r.for_each_file = [files](const std::function<void(std::string_view)>& f) {
    Reader in(files);
    for (uint64_t n = in.varint(); n > 0; --n) f(in.string());
  };
  r.for_each_row = [rows](const std::function<void(const RowOp&)>& f) {
    Reader in(rows);
    for (uint64_t n = in.varint(); n > 0; --n) {
      uint64_t k = in.varint();
      RowOp op{in.bytes(k >> 1), {}, (k & 1) != 0};
      if (!op.erased) op.value = in.string();
      f(op);
    }
  };
  r.for_each_section = [sections](const std::function<void(ParticipantId, std::string_view)>& f) {
    Reader in(sections);
    for (uint64_t n = in.varint(); n > 0; --n) {
      auto id = static_cast<ParticipantId>(in.le<uint8_t>());
      f(id, in.string());
    }
  };
  return r;
}

}  // namespace stele::storage

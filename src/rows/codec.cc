#include "rows/codec.h"

#include "base/codec.h"
#include "base/error.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::rows {

namespace {
constexpr size_t kHeader = 8;
constexpr uint16_t kWide = 0x8000;

uint64_t load_fixed(const ColumnType& t, const char* p) {
  switch (t.width) {
    case 1: return static_cast<uint8_t>(*p);
    case 2: return t.is_signed ? static_cast<uint64_t>(static_cast<int64_t>(load_le<int16_t>(p))) : load_le<uint16_t>(p);
    case 4: return t.is_signed ? static_cast<uint64_t>(static_cast<int64_t>(load_le<int32_t>(p))) : load_le<uint32_t>(p);
    default: return load_le<uint64_t>(p);
  }
}
void store_fixed(const ColumnType& t, char* p, uint64_t bits) { std::memcpy(p, &bits, t.width); }  // little-endian

[[noreturn]] void damaged() { throw Error(ErrorCode::kDataCorrupted, "a stored row is damaged"); }
}  // namespace

ColumnType resolve_type(Oid type, const catalog::State& state) {
  ColumnType out;
  for (int depth = 0; depth < 64; ++depth) {
    if (const BuiltinType* b = builtin::type(type)) {
      out.type = type;
      out.ops = &type_ops(type);
      if (!passed_by_value(type)) return out;
      switch (type) {
        case oid::kBool: out.width = 1; break;
        case oid::kChar: out.width = 2, out.is_signed = true; break;  // signed or not, both fit
        case oid::kInt2: out.width = 2, out.is_signed = true; break;
        case oid::kInt4: case oid::kDate: out.width = 4, out.is_signed = true; break;
        default: out.width = b->len == 4 ? 4 : 8; break;
      }
      return out;
    }
    auto user = state.type(type);
    if (!user) {
      // A dropped type leaves columns that are dropped with it; their bytes are only stepped over.
      out.type = type;
      out.ops = &type_ops(0);
      return out;
    }
    if (user->typtype == 'd' || user->like != 0) {   // a base type holds another's values
      type = user->like != 0 ? user->like : user->base;
      continue;
    }
    out.type = type;
    switch (user->typtype) {
      case 'e':
        out.width = 8;
        out.ops = &type_ops_enum();
        break;
      case 'c': out.ops = &type_ops_record(); break;
      case 'r': out.ops = &type_ops(oid::kAnyRange); break;
      case 'm': out.ops = &type_ops(oid::kAnyMultirange); break;
      default: out.ops = user->element != 0 ? &type_ops_array() : &type_ops(type); break;
    }
    return out;
  }
  throw Error(ErrorCode::kInternalError, "domains nest too deeply");
}

std::string encode_value(const ColumnType& type, Datum value) {
  if (!type.by_value()) return std::string(value.as_view());
  char buffer[8];
  store_fixed(type, buffer, value.bits);
  return {buffer, type.width};
}

Datum decode_value(const ColumnType& type, std::string_view stored, Arena& arena) {
  if (!type.by_value()) return make_bytes(arena, stored);
  if (stored.size() != type.width) damaged();
  return {load_fixed(type, stored.data())};
}

bool same_value(const ColumnType& type, NullableDatum a, NullableDatum b) {
  if (a.is_null || b.is_null) return a.is_null == b.is_null;
  if (!type.by_value()) return a.value.bits == b.value.bits || a.value.as_view() == b.value.as_view();
  return std::memcmp(&a.value.bits, &b.value.bits, type.width) == 0;
}

RowFormat::RowFormat(uint16_t schema_version, std::vector<Column> columns)
    : columns_(std::move(columns)), schema_version_(schema_version) {
  uint32_t fixed = 0, others = 0;
  fixed_before_.reserve(columns_.size() + 1);
  others_before_.reserve(columns_.size() + 1);
  for (Column& c : columns_) {
    fixed_before_.push_back(fixed);
    others_before_.push_back(others);
    if (c.type.by_value()) {
      c.at = fixed;
      fixed += c.type.width;
    } else {
      c.at = others++;
    }
  }
  fixed_before_.push_back(fixed);
  others_before_.push_back(others);
}

std::shared_ptr<const RowFormat> RowFormat::of(const catalog::Relation& relation, const catalog::State& state) {
  std::vector<Column> columns;
  columns.reserve(relation.columns.size());
  for (const catalog::Column& c : relation.columns) {
    Column f;
    f.type = resolve_type(c.type, state);
    if (c.missing_value && !c.dropped) {
      f.has_missing = true;
      f.missing = *c.missing_value;
    }
    columns.push_back(std::move(f));
  }
  return std::make_shared<RowFormat>(relation.schema_version, std::move(columns));
}

void RowFormat::encode(std::span<const NullableDatum> row, uint32_t document_version, std::string* out) const {
  size_t n = columns_.size();
  STELE_CHECK(row.size() == n);
  size_t bitmap = (n + 7) / 8, fixed = fixed_before_[n], others = others_before_[n];
  uint64_t payload = 0;
  for (size_t i = 0; i < n; ++i) {
    if (!columns_[i].type.by_value() && !row[i].is_null) payload += row[i].value.as_varlena()->size;
  }
  if (payload > (uint64_t{1} << 30)) {
    throw Error(ErrorCode::kProgramLimitExceeded, fmt::format("row is too big: size {}, maximum size {}", payload, 1 << 30));
  }
  bool wide = payload > 0xffff;
  size_t offset_bytes = wide ? 4 : 2;
  size_t size = kHeader + bitmap + fixed + others * offset_bytes;
  // Filled in once; resize would first zero the payload, too.
  out->clear();
  out->reserve(size + payload);
  out->resize(size);
  char* p = out->data();
  store_le<uint16_t>(p, schema_version_);
  store_le<uint16_t>(p + 2, static_cast<uint16_t>(n | (wide ? kWide : 0)));
  store_le<uint32_t>(p + 4, document_version);
  char* nulls = p + kHeader;
  char* values = nulls + bitmap;
  char* ends = values + fixed;
  uint32_t end = 0;
  for (size_t i = 0; i < n; ++i) {
    const Column& c = columns_[i];
    if (row[i].is_null) {
      nulls[i / 8] = static_cast<char>(nulls[i / 8] | 1 << (i % 8));
    } else if (c.type.by_value()) {
      store_fixed(c.type, values + c.at, row[i].value.bits);
    } else {
      end += row[i].value.as_varlena()->size;
    }
    if (!c.type.by_value()) {
      if (wide) {
        store_le<uint32_t>(ends + c.at * 4, end);
      } else {
        store_le<uint16_t>(ends + c.at * 2, static_cast<uint16_t>(end));
      }
    }
  }
  for (size_t i = 0; i < n; ++i) {
    if (!columns_[i].type.by_value() && !row[i].is_null) out->append(row[i].value.as_view());
  }
}

struct RowFormat::Parts {
  size_t columns;
  bool wide;
  const char* nulls;
  const char* values;
  const char* ends;
  const char* payload;
  size_t payload_size;

  bool is_null(size_t i) const { return (nulls[i / 8] >> (i % 8) & 1) != 0; }
  std::string_view bytes(size_t ordinal) const {
    uint32_t from = 0, to;
    if (wide) {
      if (ordinal > 0) from = load_le<uint32_t>(ends + (ordinal - 1) * 4);
      to = load_le<uint32_t>(ends + ordinal * 4);
    } else {
      if (ordinal > 0) from = load_le<uint16_t>(ends + (ordinal - 1) * 2);
      to = load_le<uint16_t>(ends + ordinal * 2);
    }
    if (from > to || to > payload_size) damaged();
    return {payload + from, to - from};
  }
};

RowFormat::Parts RowFormat::parts(std::string_view row) const {
  if (row.size() < kHeader) damaged();
  uint16_t n = load_le<uint16_t>(row.data() + 2);
  Parts p;
  p.wide = (n & kWide) != 0;
  p.columns = n & ~kWide;
  if (p.columns > columns_.size()) {
    // Written under a newer schema than the plan's, which its relation lock should have prevented.
    throw Error(ErrorCode::kInternalError, "a stored row has more columns than its table");
  }
  size_t bitmap = (p.columns + 7) / 8;
  size_t fixed = fixed_before_[p.columns], ends = others_before_[p.columns] * (p.wide ? 4u : 2u);
  size_t head = kHeader + bitmap + fixed + ends;
  if (row.size() < head) damaged();
  p.nulls = row.data() + kHeader;
  p.values = p.nulls + bitmap;
  p.ends = p.values + fixed;
  p.payload = p.ends + ends;
  p.payload_size = row.size() - head;
  return p;
}

NullableDatum RowFormat::decode(std::string_view row, size_t column, Arena& arena) const {
  Parts p = parts(row);
  const Column& c = columns_[column];
  if (column >= p.columns) {
    if (!c.has_missing) return {};
    return {decode_value(c.type, c.missing, arena), false};
  }
  if (p.is_null(column)) return {};
  if (c.type.by_value()) return {Datum{load_fixed(c.type, p.values + c.at)}, false};
  return {make_bytes(arena, p.bytes(c.at)), false};
}

void RowFormat::decode_all(std::string_view row, NullableDatum* out, Arena& arena) const {
  Parts p = parts(row);
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Column& c = columns_[i];
    if (i >= p.columns) {
      out[i] = c.has_missing ? NullableDatum{decode_value(c.type, c.missing, arena), false} : NullableDatum{};
    } else if (p.is_null(i)) {
      out[i] = {};
    } else if (c.type.by_value()) {
      out[i] = {Datum{load_fixed(c.type, p.values + c.at)}, false};
    } else {
      out[i] = {make_bytes(arena, p.bytes(c.at)), false};
    }
  }
}

bool RowFormat::bytes(std::string_view row, size_t column, std::string_view* out) const {
  Parts p = parts(row);
  const Column& c = columns_[column];
  STELE_CHECK(!c.type.by_value());
  if (column >= p.columns) {
    *out = c.missing;
    return c.has_missing;
  }
  if (p.is_null(column)) return false;
  *out = p.bytes(c.at);
  return true;
}

uint16_t RowFormat::schema_version(std::string_view row) { return row.size() < kHeader ? 0 : load_le<uint16_t>(row.data()); }
uint32_t RowFormat::document_version(std::string_view row) {
  return row.size() < kHeader ? 0 : load_le<uint32_t>(row.data() + 4);
}

}  // namespace stele::rows

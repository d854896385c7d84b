// Ordering, hashing and keys of values made of values: arrays, records, enums.
#include "base/codec.h"
#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/record.h"
#include "types/type_registry.h"

namespace stele {
namespace {

const TypeOps& comparable(Oid ops_type, Oid type) {
  const TypeOps& ops = type_ops(ops_type);
  if (ops.compare == nullptr) {
    const BuiltinType* t = builtin::type(type);
    throw Error(ErrorCode::kUndefinedFunction, "could not identify a comparison function for type " +
                                                   (t != nullptr ? t->name : std::to_string(type)));
  }
  return ops;
}
const TypeOps& equatable(Oid ops_type, Oid type) {
  const TypeOps& ops = type_ops(ops_type);
  if (ops.equal == nullptr) {
    const BuiltinType* t = builtin::type(type);
    throw Error(ErrorCode::kUndefinedFunction, "could not identify an equality operator for type " +
                                                   (t != nullptr ? t->name : std::to_string(type)));
  }
  return ops;
}

int compare_ints(int64_t a, int64_t b) { return a < b ? -1 : a > b; }

int array_compare(Datum x, Datum y, Oid collation) {
  ArrayView a(x), b(y);
  if (a.element() != b.element() && a.ops_type() != b.ops_type())
    throw Error(ErrorCode::kDatatypeMismatch, "cannot compare arrays of different element types");
  const TypeOps& ops = comparable(a.ops_type(), a.element());
  int n = std::min(a.count(), b.count());
  for (int i = 0; i < n; ++i) {
    bool an = a.is_null(i), bn = b.is_null(i);
    if (an || bn) {
      if (an != bn) return an ? 1 : -1;
      continue;
    }
    if (int c = ops.compare(a.get(i), b.get(i), collation)) return c;
  }
  if (int c = compare_ints(a.count(), b.count())) return c;
  if (int c = compare_ints(a.ndim(), b.ndim())) return c;
  for (int d = 0; d < a.ndim(); ++d)
    if (int c = compare_ints(a.length(d), b.length(d))) return c;
  for (int d = 0; d < a.ndim(); ++d)
    if (int c = compare_ints(a.lower(d), b.lower(d))) return c;
  return 0;
}

bool array_equal(Datum x, Datum y, Oid collation) {
  ArrayView a(x), b(y);
  if (a.element() != b.element() && a.ops_type() != b.ops_type())
    throw Error(ErrorCode::kDatatypeMismatch, "cannot compare arrays of different element types");
  if (a.ndim() != b.ndim() || a.count() != b.count()) return false;
  for (int d = 0; d < a.ndim(); ++d)
    if (a.length(d) != b.length(d) || a.lower(d) != b.lower(d)) return false;
  const TypeOps& ops = equatable(a.ops_type(), a.element());
  for (int i = 0; i < a.count(); ++i) {
    bool an = a.is_null(i);
    if (an != b.is_null(i)) return false;
    if (!an && !ops.equal(a.get(i), b.get(i), collation)) return false;
  }
  return true;
}

uint64_t array_hash(Datum v, Oid collation) {
  ArrayView a(v);
  const TypeOps& ops = type_ops(a.ops_type());
  if (ops.hash == nullptr) {
    const BuiltinType* t = builtin::type(a.element());
    throw Error(ErrorCode::kUndefinedFunction, "could not identify a hash function for type " +
                                                   (t != nullptr ? t->name : std::to_string(a.element())));
  }
  uint64_t h = 1;
  for (int i = 0; i < a.count(); ++i)
    h = h * 31 + (a.is_null(i) ? 0 : ops.hash(a.get(i), collation));
  return mix64(h);
}

// element type, ops type, then 01 value | 02 (NULL) for each, 00, dimensions: lengths, bounds.
void array_encode(Datum v, Oid collation, std::string& out) {
  ArrayView a(v);
  const TypeOps& ops = comparable(a.ops_type(), a.element());
  if (ops.encode_key == nullptr)
    throw Error(ErrorCode::kFeatureNotSupported, "arrays of this type cannot be index keys");
  put_be32(out, a.element());
  put_be32(out, a.ops_type());
  for (int i = 0; i < a.count(); ++i) {
    if (a.is_null(i)) {
      out.push_back(2);
    } else {
      out.push_back(1);
      ops.encode_key(a.get(i), collation, out);
    }
  }
  out.push_back(0);
  out.push_back(static_cast<char>(a.ndim()));
  for (int d = 0; d < a.ndim(); ++d) put_be32(out, static_cast<uint32_t>(a.length(d)));
  for (int d = 0; d < a.ndim(); ++d) put_be32(out, static_cast<uint32_t>(a.lower(d)) ^ 0x80000000u);
}

void need(std::string_view in, size_t n) {
  if (in.size() < n) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
}

void array_skip(std::string_view& in) {
  need(in, 8);
  const TypeOps& ops = type_ops(load_be32(in.data() + 4));
  in.remove_prefix(8);
  for (;;) {
    need(in, 1);
    char marker = in[0];
    in.remove_prefix(1);
    if (marker == 0) break;
    if (marker == 1) ops.skip_key(in);
  }
  need(in, 1);
  size_t bytes = 8 * static_cast<size_t>(in[0]);
  in.remove_prefix(1);
  need(in, bytes);
  in.remove_prefix(bytes);
}

std::string type_text(Oid type) {
  const BuiltinType* t = builtin::type(type);
  return t != nullptr ? t->name : std::to_string(type);
}

void check_columns(const RecordView& a, const RecordView& b, int i) {
  if (a.column_type(i) != b.column_type(i) && a.column_ops(i) != b.column_ops(i))
    throw Error(ErrorCode::kDatatypeMismatch,
                fmt::format("cannot compare dissimilar column types {} and {} at record column {}",
                            type_text(a.column_type(i)), type_text(b.column_type(i)), i + 1));
}
[[noreturn]] void different_columns() {
  throw Error(ErrorCode::kDatatypeMismatch, "cannot compare record types with different numbers of columns");
}

int record_compare(Datum x, Datum y, Oid collation) {
  RecordView a(x), b(y);
  int n = std::min(a.count(), b.count());
  for (int i = 0; i < n; ++i) {
    check_columns(a, b, i);
    bool an = a.is_null(i), bn = b.is_null(i);
    if (an || bn) {
      if (an != bn) return an ? 1 : -1;
      continue;
    }
    if (int c = comparable(a.column_ops(i), a.column_type(i)).compare(a.get(i), b.get(i), collation)) return c;
  }
  if (a.count() != b.count()) different_columns();
  return 0;
}

bool record_equal(Datum x, Datum y, Oid collation) {
  RecordView a(x), b(y);
  int n = std::min(a.count(), b.count());
  for (int i = 0; i < n; ++i) {
    check_columns(a, b, i);
    bool an = a.is_null(i);
    if (an != b.is_null(i)) return false;
    if (!an && !equatable(a.column_ops(i), a.column_type(i)).equal(a.get(i), b.get(i), collation)) return false;
  }
  if (a.count() != b.count()) different_columns();
  return true;
}

uint64_t record_hash(Datum v, Oid collation) {
  RecordView r(v);
  uint64_t h = 7;
  for (int i = 0; i < r.count(); ++i) {
    uint64_t e = 0;
    if (!r.is_null(i)) {
      const TypeOps& ops = type_ops(r.column_ops(i));
      if (ops.hash == nullptr)
        throw Error(ErrorCode::kUndefinedFunction,
                    "could not identify a hash function for type " + type_text(r.column_type(i)));
      e = ops.hash(r.get(i), collation);
    }
    h = h * 31 + e;
  }
  return mix64(h);
}

// 01 ops type value | 02 ops type (NULL) for each column, 00.
void record_encode(Datum v, Oid collation, std::string& out) {
  RecordView r(v);
  for (int i = 0; i < r.count(); ++i) {
    const TypeOps& ops = comparable(r.column_ops(i), r.column_type(i));
    if (ops.encode_key == nullptr)
      throw Error(ErrorCode::kFeatureNotSupported, "records with a column of this type cannot be index keys");
    out.push_back(r.is_null(i) ? 2 : 1);
    put_be32(out, r.column_ops(i));
    if (!r.is_null(i)) ops.encode_key(r.get(i), collation, out);
  }
  out.push_back(0);
}

void record_skip(std::string_view& in) {
  for (;;) {
    need(in, 1);
    char marker = in[0];
    in.remove_prefix(1);
    if (marker == 0) return;
    need(in, 4);
    Oid ops_type = load_be32(in.data());
    in.remove_prefix(4);
    if (marker == 1) type_ops(ops_type).skip_key(in);
  }
}

int enum_compare(Datum a, Datum b, Oid) {
  uint32_t x = static_cast<uint32_t>(a.bits >> 32), y = static_cast<uint32_t>(b.bits >> 32);
  return x < y ? -1 : x > y;
}
bool enum_equal(Datum a, Datum b, Oid) { return a.bits == b.bits; }
uint64_t enum_hash(Datum v, Oid) { return mix64(v.as_oid()); }
void enum_encode(Datum v, Oid, std::string& out) { put_be64(out, v.bits); }
Datum enum_decode(std::string_view& in, Arena&) {
  need(in, 8);
  Datum d{load_be64(in.data())};
  in.remove_prefix(8);
  return d;
}
void enum_skip(std::string_view& in) {
  need(in, 8);
  in.remove_prefix(8);
}

constexpr TypeOps kArrayOps{array_compare, array_equal, array_hash, array_encode, nullptr, array_skip};
constexpr TypeOps kRecordOps{record_compare, record_equal, record_hash, record_encode, nullptr, record_skip};
constexpr TypeOps kEnumOps{enum_compare, enum_equal, enum_hash, enum_encode, enum_decode, enum_skip};

}  // namespace

const TypeOps& type_ops_array() { return kArrayOps; }
const TypeOps& type_ops_record() { return kRecordOps; }
const TypeOps& type_ops_enum() { return kEnumOps; }

void register_composite_ops(TypeTable& t) {
  t.ops(oid::kAnyArray, kArrayOps);
  t.ops(oid::kAnyCompatibleArray, kArrayOps);
  t.ops(oid::kRecord, kRecordOps);
  t.ops(oid::kAnyEnum, kEnumOps);
}

}  // namespace stele

#include "types/type_ops.h"

#include "base/error.h"
#include "types/builtin.h"
#include "types/oids.h"
#include "types/type_registry.h"

namespace stele {

// Each family of types registers its ordering and direct forms here.

#define X(family) void register_##family##_types(TypeTable&);
#include "types/type_families.def"
#undef X

void TypeTable::ops(Oid type, const TypeOps& ops) {
  STELE_CHECK(type < kSize);
  ops_[type] = new TypeOps(ops);
}
void TypeTable::io(Oid type, const DirectIo& io) {
  STELE_CHECK(type < kSize);
  io_[type] = new DirectIo(io);
}

TypeTable& TypeTable::mutable_instance() {
  static TypeTable* table = [] {
    auto* t = new TypeTable;
#define X(family) register_##family##_types(*t);
#include "types/type_families.def"
#undef X
    // Every other array type compares by its elements.
    for (const BuiltinType& type : builtin::types())
      if (type.is_true_array() && t->find_ops(type.oid) == nullptr) t->ops_[type.oid] = &type_ops_array();
    return t;
  }();
  return *table;
}
const TypeTable& TypeTable::instance() { return mutable_instance(); }

const TypeOps& type_ops(Oid type) {
  static const TypeOps kNone;
  static const TypeTable& table = TypeTable::instance();
  const TypeOps* ops = table.find_ops(type);
  return ops != nullptr ? *ops : kNone;
}

namespace {
// Marker bytes; with `descending` the value is inverted and with nulls_first NULL moves.
constexpr char kNullFirst = 0x00, kValue = 0x01, kNullLast = 0x02;
}  // namespace

void encode_index_column(const TypeOps& ops, NullableDatum v, Oid collation, bool descending,
                         bool nulls_first, std::string& out) {
  if (v.is_null) {
    out.push_back(nulls_first ? kNullFirst : kNullLast);
    return;
  }
  out.push_back(kValue);
  size_t start = out.size();
  ops.encode_key(v.value, collation, out);
  if (descending)
    for (size_t i = start; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
}

NullableDatum decode_index_column(const TypeOps& ops, std::string_view& in, bool descending,
                                  bool nulls_first, Arena& arena) {
  if (in.empty()) throw Error(ErrorCode::kIndexCorrupted, "index key is too short");
  char marker = in[0];
  in.remove_prefix(1);
  if (marker != kValue) return {};
  if (!descending) return {ops.decode_key(in, arena), false};
  std::string inverted(in);
  for (char& c : inverted) c = static_cast<char>(~c);
  std::string_view view = inverted;
  Datum d = ops.decode_key(view, arena);
  in.remove_prefix(in.size() - view.size());
  return {d, false};
}

}  // namespace stele

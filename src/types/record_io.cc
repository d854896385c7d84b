#include "base/codec.h"
#include "base/error.h"
#include "types/composite_io.h"
#include "types/format_type.h"
#include "types/oids.h"
#include "types/record.h"
#include "types/type_io.h"

namespace stele {
namespace {

const std::vector<CompositeColumn>& columns_of(Oid type, EvalContext& ctx) {
  if (type == oid::kRecord || type == 0)
    throw Error(ErrorCode::kFeatureNotSupported, "input of anonymous composite types is not implemented");
  if (ctx.catalog == nullptr)
    throw Error(ErrorCode::kUndefinedObject, fmt::format("type with OID {} does not exist", type));
  return ctx.catalog->composite_columns(type);
}

}  // namespace

Datum record_input(Oid type, std::string_view text, int32_t, Arena& arena, EvalContext& ctx) {
  const std::vector<CompositeColumn>& columns = columns_of(type, ctx);
  auto fail = [&](const char* detail) {
    throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("malformed record literal: \"{}\"", text))
        .detail(detail);
  };
  size_t i = 0;
  while (i < text.size() && is_array_space(text[i])) ++i;
  if (i >= text.size() || text[i] != '(') fail("Missing left parenthesis.");
  ++i;
  std::vector<ElementInfo> infos;
  std::vector<NullableDatum> values;
  bool first = true;
  for (const CompositeColumn& column : columns) {
    if (column.dropped) continue;
    infos.push_back(element_info(column.type, &ctx));
    if (!first) {
      if (i >= text.size() || text[i] != ',') fail("Too few columns.");
      ++i;
    }
    first = false;
    if (i < text.size() && (text[i] == ',' || text[i] == ')')) {
      values.emplace_back();
      continue;
    }
    std::string item;
    bool quoted = false;
    for (;; ++i) {
      if (i >= text.size()) fail("Unexpected end of input.");
      char c = text[i];
      if (!quoted && (c == ',' || c == ')')) break;
      if (c == '\\') {
        if (++i >= text.size()) fail("Unexpected end of input.");
        item.push_back(text[i]);
      } else if (c == '"') {
        if (!quoted) {
          quoted = true;
        } else if (i + 1 < text.size() && text[i + 1] == '"') {
          item.push_back('"');
          ++i;
        } else {
          quoted = false;
        }
      } else {
        item.push_back(c);
      }
    }
    values.push_back({type_input(column.type, item, column.typmod, arena, ctx), false});
  }
  if (i >= text.size()) fail("Unexpected end of input.");
  if (text[i] == ',' || text[i] != ')') fail("Too many columns.");
  for (++i; i < text.size(); ++i)
    if (!is_array_space(text[i])) fail("Junk after right parenthesis.");
  return make_record(type, -1, infos, values, arena);
}

void record_output(Datum record, std::string& out, EvalContext& ctx) {
  RecordView r(record);
  out += '(';
  std::string item;
  for (int i = 0; i < r.count(); ++i) {
    if (i > 0) out += ',';
    if (r.is_null(i)) continue;
    item.clear();
    type_output(r.column_type(i), r.get(i), item, ctx);
    bool quote = item.empty();
    for (char c : item)
      quote |= c == '"' || c == '\\' || c == '(' || c == ')' || c == ',' || is_array_space(c);
    if (!quote) {
      out += item;
      continue;
    }
    out += '"';
    for (char c : item) {
      if (c == '"' || c == '\\') out += c;
      out += c;
    }
    out += '"';
  }
  out += ')';
}

Datum record_receive(Oid type, std::string_view bytes, int32_t, Arena& arena, EvalContext& ctx) {
  const std::vector<CompositeColumn>& columns = columns_of(type, ctx);
  Reader in(bytes);
  size_t expected = 0;
  for (const CompositeColumn& c : columns) expected += !c.dropped;
  uint32_t sent = in.be32();
  if (!in.ok()) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  if (sent != expected)
    throw Error(ErrorCode::kDatatypeMismatch,
                fmt::format("wrong number of columns: {}, expected {}", sent, expected));
  std::vector<ElementInfo> infos;
  std::vector<NullableDatum> values;
  for (const CompositeColumn& c : columns) {
    if (c.dropped) continue;
    infos.push_back(element_info(c.type, &ctx));
    Oid sent_type = in.be32();
    if (in.ok() && sent_type != c.type)
      throw Error(ErrorCode::kDatatypeMismatch,
                  fmt::format("binary data has type {} ({}) instead of expected {} ({}) in record column {}", sent_type,
                              format_type_sql(sent_type, -1, &ctx), c.type, format_type_sql(c.type, -1, &ctx),
                              infos.size()));
    int32_t size = static_cast<int32_t>(in.be32());
    if (in.ok() && size == -1) {
      values.emplace_back();
      continue;
    }
    std::string_view item = in.bytes(size < 0 ? ~size_t{0} : static_cast<size_t>(size));
    if (!in.ok()) throw Error(ErrorCode::kInvalidBinaryRepresentation, "insufficient data left in message");
    values.push_back({type_receive(c.type, item, c.typmod, arena, ctx), false});
  }
  return make_record(type, -1, infos, values, arena);
}

void record_send(Datum record, std::string& out, EvalContext& ctx) {
  RecordView r(record);
  put_be32(out, static_cast<uint32_t>(r.count()));
  for (int i = 0; i < r.count(); ++i) {
    put_be32(out, r.column_type(i));
    size_t at = out.size();
    put_be32(out, 0xffffffffu);
    if (r.is_null(i)) continue;
    type_send(r.column_type(i), r.get(i), out, ctx);
    store_be32(out.data() + at, static_cast<uint32_t>(out.size() - at - 4));
  }
}

Datum make_enum(const EnumLabel& label) {
  uint32_t bits = std::bit_cast<uint32_t>(label.sort_order);
  bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return {uint64_t{bits} << 32 | label.oid};
}

Datum enum_input(Oid type, std::string_view text, EvalContext& ctx) {
  for (const EnumLabel& label : ctx.catalog->enum_labels(type))
    if (label.label == text) return make_enum(label);
  throw Error(ErrorCode::kInvalidTextRepresentation,
              fmt::format("invalid input value for enum {}: \"{}\"", format_type_sql(type, -1, &ctx), text));
}

void enum_output(Oid type, Datum value, std::string& out, EvalContext& ctx) {
  Oid want = value.as_oid();
  for (const EnumLabel& label : ctx.catalog->enum_labels(type)) {
    if (label.oid == want) {
      out += label.label;
      return;
    }
  }
  throw Error(ErrorCode::kInvalidBinaryRepresentation, fmt::format("invalid internal value for enum: {}", want));
}

}  // namespace stele

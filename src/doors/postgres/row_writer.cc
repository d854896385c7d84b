#include "doors/postgres/row_writer.h"

#include <charconv>

#include "base/codec.h"
#include "doors/postgres/messages.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::doors::postgres {

void RowWriter::prepare(std::span<const query::OutputColumn> columns,
                        std::span<const int16_t> formats, EvalContext* eval) {
  eval_ = eval;
  columns_.clear();
  for (size_t i = 0; i < columns.size(); ++i) {
    Oid type = columns[i].type;
    bool binary = format_of(formats, i) == 1;
    Emit emit = binary ? Emit::kBinary : Emit::kText;
    switch (type) {
      case oid::kInt2: emit = binary ? Emit::kBinary2 : Emit::kInt; break;
      case oid::kInt4: emit = binary ? Emit::kBinary4 : Emit::kInt; break;
      case oid::kInt8: emit = binary ? Emit::kBinary8 : Emit::kInt; break;
      case oid::kOid: emit = binary ? Emit::kBinary4 : Emit::kOid; break;
      case oid::kBool: emit = binary ? Emit::kBinary1 : Emit::kBool; break;
      case oid::kFloat8: if (binary) emit = Emit::kBinary8; break;
      case oid::kFloat4: if (binary) emit = Emit::kBinary4; break;
      case oid::kTimestamp: case oid::kTimestamptz: case oid::kTime: if (binary) emit = Emit::kBinary8; break;
      case oid::kDate: if (binary) emit = Emit::kBinary4; break;
      case oid::kText: case oid::kVarchar: case oid::kBpchar: case oid::kName: case oid::kJson:
      case oid::kUnknown: case oid::kCstring:
        emit = Emit::kBytes; break;
      case oid::kBytea: case oid::kUuid: if (binary) emit = Emit::kBytes; break;
      default: break;
    }
    columns_.push_back({emit, type});
  }
  prepared_ = true;
}

void RowWriter::write(const query::Batch& batch, int from, int to, std::string& out) {
  const size_t n = columns_.size();
  char digits[24];
  for (int row = from; row < to; ++row) {
    size_t start = out.size();
    out.push_back('D');
    out.append(4, '\0');
    put_be16(out, static_cast<uint16_t>(n));
    for (size_t c = 0; c < n; ++c) {
      const query::Vec& vec = batch.columns[c];
      if (vec.nulls != nullptr && vec.nulls[row]) {
        out.append("\xff\xff\xff\xff", 4);
        continue;
      }
      Datum v = vec.values[row];
      switch (columns_[c].emit) {
        case Emit::kInt: {
          auto end = std::to_chars(digits, digits + sizeof digits, v.as_int()).ptr;
          put_be32(out, static_cast<uint32_t>(end - digits));
          out.append(digits, static_cast<size_t>(end - digits));
          break;
        }
        case Emit::kOid: {
          auto end = std::to_chars(digits, digits + sizeof digits, v.as_oid()).ptr;
          put_be32(out, static_cast<uint32_t>(end - digits));
          out.append(digits, static_cast<size_t>(end - digits));
          break;
        }
        case Emit::kBool:
          out.append("\0\0\0\1", 4);
          out.push_back(v.as_bool() ? 't' : 'f');
          break;
        case Emit::kBytes: {
          std::string_view s = v.as_view();
          put_be32(out, static_cast<uint32_t>(s.size()));
          out.append(s);
          break;
        }
        case Emit::kBinary1: put_be32(out, 1); out.push_back(v.as_bool() ? 1 : 0); break;
        case Emit::kBinary2: put_be32(out, 2); put_be16(out, static_cast<uint16_t>(v.bits)); break;
        case Emit::kBinary4: put_be32(out, 4); put_be32(out, static_cast<uint32_t>(v.bits)); break;
        case Emit::kBinary8: put_be32(out, 8); put_be64(out, v.bits); break;
        case Emit::kText:
        case Emit::kBinary: {
          size_t at = out.size();
          out.append(4, '\0');
          try {
            if (columns_[c].emit == Emit::kText) type_output(columns_[c].type, v, out, *eval_);
            else type_send(columns_[c].type, v, out, *eval_);
          } catch (...) {
            out.resize(start);  // no half-written row may reach the client
            throw;
          }
          store_be32(out.data() + at, static_cast<uint32_t>(out.size() - at - 4));
          break;
        }
      }
    }
    store_be32(out.data() + start + 1, static_cast<uint32_t>(out.size() - start - 1));
  }
}

}  // namespace stele::doors::postgres

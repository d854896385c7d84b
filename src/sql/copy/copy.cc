// COPY between tables or queries and the client or files of the server.
#include <fstream>

#include "base/codec.h"
#include "catalog/objects.h"
#include "rows/build.h"
#include "rows/table_access.h"
#include "sql/copy/formats.h"
#include "sql/session/session_impl.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::sql {

namespace {

constexpr std::string_view kBinarySignature("PGCOPY\n\377\r\n\0", 11);
constexpr size_t kBulkBytes = 1 << 20;   // a longer input is worth files of its own

std::vector<const catalog::Column*> listed_columns(const catalog::Relation& r, const pg::CopyStmt& c, bool from) {
  std::vector<const catalog::Column*> out;
  if (c.n_attlist == 0) {
    for (const catalog::Column& column : r.columns) {
      if (!column.dropped && !column.generated) out.push_back(&column);
    }
    return out;
  }
  for (size_t i = 0; i < c.n_attlist; ++i) {
    const std::string name = c.attlist[i]->string->sval;
    const catalog::Column* column = r.column(name);
    if (column == nullptr || column->dropped) {
      throw Error(ErrorCode::kUndefinedColumn, fmt::format("column \"{}\" of relation \"{}\" does not exist", name, r.name));
    }
    if (column->generated) {
      throw Error(ErrorCode::kInvalidColumnReference, fmt::format("column \"{}\" is a generated column", name)).detail("Generated columns cannot be used in COPY.");
    }
    if (std::find(out.begin(), out.end(), column) != out.end()) {
      throw Error(ErrorCode::kDuplicateColumn, fmt::format("column \"{}\" specified more than once", name));
    }
    out.push_back(column);
  }
  (void)from;
  return out;
}

bool named(const std::vector<std::string>& list, const std::string& name) { return std::find(list.begin(), list.end(), name) != list.end(); }

std::string shortened(std::string_view s) { return s.size() <= 100 ? std::string(s) : std::string(s.substr(0, 100)) + "..."; }

}  // namespace

// Whether the table is empty in storage that nobody else knows, so that it can be loaded in bulk. Outside a block an empty
// table is given such storage, as TRUNCATE would: until the commit readers go on seeing the empty one, and writers wait.
bool SessionImpl::fresh_storage(const catalog::Relation& relation) {
  if (relation.relkind != 'r' || relation.persistence == 't' || isolation_ != storage::Isolation::kReadCommitted) return false;
  const auto own = changes_->state()->relation(relation.oid);
  const auto committed = engine_.catalog->state()->relation(relation.oid);
  if (own == nullptr) return false;
  auto empty = [&] {
    rows::TableAccess access(rows::Table::make(own, *changes_->state()), *txn_, nullptr, &eval_);
    return !access.scan({nullptr, UINT32_MAX}).valid();
  };
  if (committed == nullptr || committed->storage_id != own->storage_id) return empty();
  if (holds_transaction() || !rows::Table::make(own, *changes_->state())->observers().empty()) return false;
  if (!own->triggers.empty() || std::any_of(own->constraints.begin(), own->constraints.end(), [](const auto& c) { return c.kind == catalog::ConstraintKind::kForeignKey; })) return false;
  char key[4];
  store_be32(key, own->oid);
  storage::WaitOptions wait = exec_.wait;
  wait.policy = storage::WaitPolicy::kSkip;
  if (txn_->lock({storage::LockKind::kRelation, {key, 4}}, storage::LockMode::kExclusive, wait) == storage::LockOutcome::kWouldBlock || !empty()) return false;
  auto fresh = std::make_shared<catalog::Relation>(*own);
  fresh->storage_id = engine_.catalog->allocate_storage_id();
  for (Oid i : fresh->indexes) {
    auto index = std::make_shared<catalog::Relation>(*changes_->state()->relation(i));
    index->storage_id = engine_.catalog->allocate_storage_id();
    changes_->put(index);
  }
  changes_->put(fresh);
  return true;
}

void SessionImpl::copy(const CachedStatement& s, ResultSink& sink) {
  const pg::CopyStmt& c = *s.raw.node->copy_stmt;
  const bool from = c.is_from != 0;
  const CopyOptions options = parse_copy_options(c.options, c.n_options, from, s.tree->text);
  const bool binary = options.format == CopyOptions::Format::kBinary;
  if (c.is_program != 0) throw Error(ErrorCode::kFeatureNotSupported, "COPY PROGRAM is not supported");
  const std::string file = c.filename == nullptr ? "" : c.filename;
  if (!file.empty() && !superuser()) {
    throw Error(ErrorCode::kInsufficientPrivilege, from ? "must be superuser or have privileges of the pg_read_server_files role to COPY from a file"
                                                        : "must be superuser or have privileges of the pg_write_server_files role to COPY to a file")
        .hint("Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone.");
  }
  catalog::Ptr<catalog::Relation> relation;
  std::vector<const catalog::Column*> columns;
  if (c.relation != nullptr) {
    relation = resolve_relation(c.relation, bind_context(s.tree->text));
    if (from && relation->relkind != 'r' && relation->relkind != 'p') {
      throw Error(ErrorCode::kWrongObjectType, fmt::format(fmt::runtime(relation->relkind == 'v' ? "cannot copy to view \"{}\"" : relation->relkind == 'S' ? "cannot copy to sequence \"{}\"" : "cannot copy to non-table relation \"{}\""), relation->name));
    }
    if (!from && relation->relkind != 'r') {
      const char* text = relation->relkind == 'v' ? "cannot copy from view \"{}\"" : relation->relkind == 'm' ? "cannot copy from materialized view \"{}\"" : relation->relkind == 'S' ? "cannot copy from sequence \"{}\"" : relation->relkind == 'p' ? "cannot copy from partitioned table \"{}\"" : "cannot copy from non-table relation \"{}\"";
      throw Error(ErrorCode::kWrongObjectType, fmt::format(fmt::runtime(text), relation->name)).hint("Try the COPY (SELECT ...) TO variant.");
    }
    columns = listed_columns(*relation, c, from);
    for (const auto* list : {&options.force_quote, &options.force_not_null, &options.force_null}) {
      for (const std::string& name : *list) {
        const bool known = std::any_of(columns.begin(), columns.end(), [&](const auto* x) { return x->name == name; });
        if (!known) throw Error(ErrorCode::kUndefinedColumn, fmt::format("column \"{}\" of relation \"{}\" does not exist", name, relation->name));
      }
    }
  }
  uint64_t rows = 0;
  if (!from) {
    // As a query over the listed columns, so that privileges and views' rules are the planner's.
    query::QueryPtr q;
    ParseTreePtr tree;
    if (relation != nullptr) {
      std::string list;
      for (const auto* column : columns) list += (list.empty() ? "" : ", ") + quote_identifier(column->name);
      const std::string sql = fmt::format("SELECT {} FROM {}.{}", list, quote_identifier(view().schema_name(relation->schema)), quote_identifier(relation->name));
      tree = parse_sql(sql);
      q = bind_statement(tree->statements.at(0).node, bind_context(tree->text));
    } else {
      q = bind_statement(c.query, bind_context(s.tree->text));
    }
    const auto outputs = columns_of(q);
    if (q->command != query::CommandKind::kSelect && q->returning.empty()) {
      throw Error(ErrorCode::kFeatureNotSupported, "COPY query must have a RETURNING clause");
    }
    std::ofstream out_file;
    if (!file.empty()) {
      out_file.open(file, std::ios::binary | std::ios::trunc);
      if (!out_file) throw Error(ErrorCode::kUndefinedFile, fmt::format("could not open file \"{}\" for writing: {}", file, std::strerror(errno)))
                           .hint("COPY TO instructs the PostgreSQL server process to write a file. You may want a client-side facility such as psql's \\copy.");
    } else {
      sink.copy_out_begin(binary, static_cast<int>(outputs.size()));
    }
    std::string data;
    auto flush = [&](bool all) {
      if (data.size() < (all ? 1u : 65536u)) return;
      if (!file.empty()) out_file.write(data.data(), static_cast<std::streamsize>(data.size()));
      else sink.copy_out_data(data);
      data.clear();
    };
    if (binary) {
      data += kBinarySignature;
      data.append(8, '\0');
    }
    if (options.header) {
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (i > 0) data.push_back(options.delimiter);
        if (options.csv()) append_copy_csv(options, outputs[i].name, false, outputs.size() == 1, data);
        else append_copy_text(options, outputs[i].name, data);
      }
      data.push_back('\n');
      flush(file.empty());
    }
    std::string value;
    rows = run(q, {}, {}, [&](std::span<const NullableDatum> row, std::span<const OutputColumn> cols) {
      if (binary) put_be16(data, static_cast<uint16_t>(cols.size()));
      for (size_t i = 0; i < cols.size(); ++i) {
        if (binary) {
          if (row[i].is_null) {
            put_be32(data, 0xffffffffu);
          } else {
            value.clear();
            type_send(cols[i].type, row[i].value, value, eval_);
            put_be32(data, static_cast<uint32_t>(value.size()));
            data += value;
          }
          continue;
        }
        if (i > 0) data.push_back(options.delimiter);
        if (row[i].is_null) {
          data += options.null_text;
          continue;
        }
        value.clear();
        type_output(cols[i].type, row[i].value, value, eval_);
        if (options.csv()) append_copy_csv(options, value, options.force_quote_all || named(options.force_quote, cols[i].name), cols.size() == 1, data);
        else append_copy_text(options, value, data);
      }
      if (!binary) data.push_back('\n');
      // One message a row, as clients that count rows by messages expect.
      flush(file.empty());
      return true;
    });
    if (binary) put_be16(data, 0xffff);
    flush(true);
    if (file.empty()) sink.copy_out_end();
  } else {
    if (read_only_) throw Error(ErrorCode::kReadOnlySqlTransaction, "cannot execute COPY FROM in a read-only transaction");
    lock_relation(relation->oid, storage::LockMode::kRowExclusive, false);
    query::ExprPtr where;
    if (c.where_clause != nullptr) {
      where = sql::bind_expression(c.where_clause, relation.get(), ExprContext::kCopyWhere, bind_context(s.tree->text), oid::kBool);
    }
    std::ifstream in_file;
    if (!file.empty()) {
      in_file.open(file, std::ios::binary);
      if (!in_file) throw Error(ErrorCode::kUndefinedFile, fmt::format("could not open file \"{}\" for reading: {}", file, std::strerror(errno))).hint("COPY FROM instructs the PostgreSQL server process to read a file. You may want a client-side facility such as psql's \\copy.");
    } else {
      sink.copy_in_begin(binary, static_cast<int>(columns.size()));
    }
    std::deque<std::string> ahead;   // read already, to see whether it is much
    const auto fetch = [&](std::string* chunk) {
      check_interrupts();
      if (file.empty()) return sink.copy_in_data(chunk);
      chunk->resize(1 << 16);
      in_file.read(chunk->data(), static_cast<std::streamsize>(chunk->size()));
      chunk->resize(static_cast<size_t>(in_file.gcount()));
      return !chunk->empty();
    };
    size_t bytes_ahead = 0;
    bool more = true;
    const auto read = [&](std::string* chunk) {
      if (ahead.empty()) return more && (more = fetch(chunk));
      *chunk = std::move(ahead.front());
      ahead.pop_front();
      return true;
    };
    while (bytes_ahead < kBulkBytes && more) {
      std::string chunk;
      more = fetch(&chunk);
      bytes_ahead += chunk.size();
      if (more) ahead.push_back(std::move(chunk));
    }
    std::unique_ptr<query::TableWriter> writer;
    if (more && fresh_storage(*relation)) writer = query::TableWriter::open_bulk(relation->oid, exec_);
    if (writer == nullptr) writer = query::TableWriter::open(relation->oid, exec_);
    writer->begin_insert();
    const size_t width = relation->columns.size();
    std::vector<NullableDatum> row(width);
    auto given = std::make_unique<bool[]>(width);
    Arena arena;
    const catalog::Column* current_column = nullptr;   // for the error's context
    std::optional<CopyReader> input;    // of texts; outlives the loop, as current_value lies in it
    std::vector<CopyField> fields;
    std::string_view current_value;
    uint64_t line = 0;
    bool finishing = false;
    std::vector<std::pair<uint64_t, uint64_t>> lines;   // row id, line: of a load that finds duplicates in the end
    auto insert = [&] {
      if (where != nullptr) {
        const NullableDatum keep = query::evaluate_row(where, row, exec_, arena);
        if (keep.is_null || !keep.value.as_bool()) return;
      }
      const uint64_t id = writer->insert(row, {given.get(), width});
      ++rows;
      // Where the line of a row is no longer a constant step from its id.
      if (lines.empty() || id - lines.back().first != line - lines.back().second) lines.emplace_back(id, line);
    };
    try {
      if (binary) {
        std::string all, chunk;
        while (read(&chunk)) all += chunk;
        Reader in(all);
        if (in.bytes(kBinarySignature.size()) != kBinarySignature) throw Error(ErrorCode::kBadCopyFileFormat, "COPY file signature not recognized");
        in.be32();
        in.bytes(in.be32());
        for (;;) {
          const auto n = static_cast<int16_t>(__builtin_bswap16(in.le<uint16_t>()));
          if (!in.ok() || n == -1) break;
          ++line;
          if (static_cast<size_t>(n) != columns.size()) {
            throw Error(ErrorCode::kBadCopyFileFormat, fmt::format("row field count is {}, expected {}", n, columns.size()));
          }
          arena.reset();
          std::fill(row.begin(), row.end(), NullableDatum{});
          std::fill(given.get(), given.get() + width, false);
          for (const catalog::Column* column : columns) {
            const auto length = static_cast<int32_t>(in.be32());
            const size_t at = static_cast<size_t>(column->number - 1);
            given[at] = true;
            current_column = column;
            if (length >= 0) row[at] = {type_receive(column->type, in.bytes(static_cast<size_t>(length)), column->typmod, arena, eval_), false};
            if (!in.ok()) throw Error(ErrorCode::kBadCopyFileFormat, "unexpected EOF in COPY data");
          }
          insert();
        }
      } else {
        CopyReader& reader = input.emplace(options, read);
        if (options.header && reader.next(fields) && options.header_match) {
          if (fields.size() != columns.size()) {
            throw Error(ErrorCode::kBadCopyFileFormat, fmt::format("wrong number of fields in header line: got {}, expected {}", fields.size(), columns.size()));
          }
          for (size_t i = 0; i < fields.size(); ++i) {
            if (fields[i].text != columns[i]->name) {
              throw Error(ErrorCode::kBadCopyFileFormat, fmt::format("column name mismatch in header line field {}: got \"{}\", expected \"{}\"", i + 1, fields[i].text, columns[i]->name));
            }
          }
        }
        while (reader.next(fields)) {
          line = reader.line();
          current_column = nullptr;
          current_value = reader.raw();
          if (columns.empty() && fields.size() == 1 && fields[0].text.empty()) fields.clear();
          if (fields.size() > columns.size()) throw Error(ErrorCode::kBadCopyFileFormat, "extra data after last expected column");
          arena.reset();
          std::fill(row.begin(), row.end(), NullableDatum{});
          std::fill(given.get(), given.get() + width, false);
          for (size_t i = 0; i < columns.size(); ++i) {
            const catalog::Column& column = *columns[i];
            if (i >= fields.size()) {
              current_value = reader.raw();
              current_column = nullptr;
              throw Error(ErrorCode::kBadCopyFileFormat, fmt::format("missing data for column \"{}\"", column.name));
            }
            CopyField& f = fields[i];
            if (options.csv()) {
              if (f.is_null && named(options.force_not_null, column.name)) {
                f.is_null = false;
                f.text = options.null_text;
              } else if (!f.is_null && f.quoted && f.text == options.null_text && named(options.force_null, column.name)) {
                f.is_null = true;
              }
            }
            const size_t at = static_cast<size_t>(column.number - 1);
            given[at] = true;
            if (f.is_null) continue;
            current_column = &column;
            current_value = f.text;
            row[at] = {type_input(column.type, f.text, column.typmod, arena, eval_), false};
          }
          current_column = nullptr;
          current_value = reader.raw();
          insert();
          current_value = {};
        }
      }
      finishing = true;
      writer->finish();
    } catch (Error& e) {
      if (finishing) {
        // A sorted load finds duplicate keys in the end, and says whose they are.
        if (!e.context().starts_with(rows::kLoadedRow)) throw;
        const uint64_t id = std::stoull(e.context().substr(rows::kLoadedRow.size()));
        auto at = std::upper_bound(lines.begin(), lines.end(), id, [](uint64_t a, const auto& b) { return a < b.first; });
        if (at != lines.begin()) --at;
        e.set_context(fmt::format("COPY {}, line {}", relation->name, at->second + (id - at->first)));
        throw;
      }
      if (e.context().empty() && line > 0) {
        std::string context = fmt::format("COPY {}, line {}", relation->name, line);
        if (current_column != nullptr) context += fmt::format(", column {}: \"{}\"", current_column->name, shortened(current_value));
        else if (!binary && !current_value.empty()) context += fmt::format(": \"{}\"", shortened(current_value));
        e.set_context(context);
      }
      throw;
    }
    if (rows > 0) database_.note_changes({{relation->oid, rows}});
  }
  next_command();
  finish_statement();
  sink.complete(fmt::format("COPY {}", rows));
}

}  // namespace stele::sql

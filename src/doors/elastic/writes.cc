// Writing documents: through the engine's TableWriter, so that constraints, defaults, triggers and every index
// hold whichever door writes.
#include "doors/elastic/activity.h"
#include "doors/elastic/engine.h"
#include "query/dml/writer.h"
#include "types/jsonb.h"
#include "types/oids.h"

namespace stele::elastic {

namespace {
bool may_retry(ErrorCode c) { return c == ErrorCode::kDeadlockDetected || c == ErrorCode::kSerializationFailure; }

ElasticError write_error(const Error& e, const std::string& id) {
  ElasticError out = to_elastic(e);
  std::string reason = e.message();
  switch (e.code()) {
    case ErrorCode::kDocumentMapperParsing: {
      out.error["type"] = "document_parsing_exception";
      size_t at = reason.find(" in document");
      if (at != std::string::npos) reason.insert(at + 12, " with id '" + id + "'");
      out.error["reason"] = "[1:1] " + reason;
      break;
    }
    case ErrorCode::kStrictDynamicMapping:
      out.error["type"] = "strict_dynamic_mapping_exception";
      out.error["reason"] = "[1:1] " + reason;
      break;
    // A row that the table does not take is a bad document: sending it again cannot help.
    case ErrorCode::kNotNullViolation: case ErrorCode::kCheckViolation: case ErrorCode::kForeignKeyViolation:
    case ErrorCode::kExclusionViolation: case ErrorCode::kRestrictViolation: {
      json::object cause{{"type", "constraint_violation_exception"}, {"reason", reason}, {"sqlstate", std::string(e.sqlstate())}};
      if (!e.constraint_name().empty()) cause["constraint"] = e.constraint_name();
      if (!e.column_name().empty()) cause["column"] = e.column_name();
      if (!e.detail().empty()) cause["detail"] = e.detail();
      out = ElasticError(400, "illegal_argument_exception", reason, json::object{{"caused_by", std::move(cause)}});
      break;
    }
    case ErrorCode::kUniqueViolation:
      out = ElasticError(409, "version_conflict_engine_exception", "[" + id + "]: version conflict, " + reason);
      break;
    default: break;
  }
  return out;
}

bool is_vector(Oid type) { return type >= oid::kVector && type <= oid::kSparsevecArray; }
}  // namespace

// The transaction of one write request.
struct Engine::Writing {
  sql::Session& session;
  query::ExecContext& ctx;
  std::map<Oid, std::unique_ptr<query::TableWriter>> writers;
  query::TableWriter& writer(Oid relation) {
    auto& w = writers[relation];
    if (!w) w = query::TableWriter::open(relation, ctx);
    return *w;
  }
};

std::unique_ptr<sql::Session> Engine::take_session() {
  {
    std::lock_guard lock(pool_mutex_);
    if (!pool_.empty()) {
      auto s = std::move(pool_.back());
      pool_.pop_back();
      return s;
    }
  }
  sql::SessionOptions options;
  options.application_name = "elasticsearch";
  options.notice = [](const sql::Notice&) {};
  return database_.connect(options);
}
void Engine::give_back(std::unique_ptr<sql::Session> session) {
  std::lock_guard lock(pool_mutex_);
  if (pool_.size() < 16) pool_.push_back(std::move(session));
}

std::vector<Engine::Outcome> Engine::write(std::vector<WriteOp>& ops, const std::function<IndexPtr(const WriteOp&)>& target) {
  auto started = std::chrono::steady_clock::now();
  std::vector<Outcome> out(ops.size());
  std::vector<IndexPtr> where(ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    try {
      where[i] = target(ops[i]);
      out[i].result.index = where[i]->name;
    } catch (const ElasticError& e) {
      out[i].error = e;
    } catch (const Error& e) {
      out[i].error = to_elastic(e);
    }
  }
  try {
    write_together(ops, where, out, 0, ops.size());
  } catch (const Error& e) {
    // What only the commit finds (deferred constraints) is one operation's fault: each gets a commit of its own.
    for (size_t i = 0; i < ops.size(); ++i) {
      if (!where[i] || out[i].error) continue;
      try {
        if (ops.size() == 1) throw e;
        write_together(ops, where, out, i, i + 1);
      } catch (const Error& own) {
        out[i].error = write_error(own, ops[i].id);
      }
    }
  }
  auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - started).count();
  for (size_t i = 0; i < ops.size(); ++i) {
    if (!where[i]) continue;
    note_activity(where[i]->oid, [&](Activity& a) {
      const std::string& r = out[i].result.result;
      if (out[i].error) {
        ++a.failed;
        a.conflicts += out[i].error->status == 409;
      }
      else if (r == "deleted") ++a.deleted;
      else if (r == "noop") ++a.noops;
      else if (r == "created" || r == "updated") ++a.indexed;
      a.write_us += took / static_cast<int64_t>(ops.size());
    });
  }
  return out;
}

// Operations [from, to) in one transaction. Throws what the commit throws; nothing is written then.
void Engine::write_together(std::vector<WriteOp>& ops, const std::vector<IndexPtr>& where, std::vector<Outcome>& out, size_t from, size_t to) {
  for (int attempt = 0;; ++attempt) {
    std::unique_ptr<sql::Session> session = take_session();
    session->begin_implicit();
    try {
      Writing w{*session, session->exec_context(), {}};
      storage::Transaction& txn = *w.ctx.txn;
      for (size_t i = from; i < to; ++i) {
        if (!where[i]) continue;
        out[i].error.reset();
        size_t mark = txn.savepoint();
        try {
          out[i].result = write_one(w, where[i], ops[i]);
          txn.release(mark);
          continue;
        } catch (const ElasticError& e) {
          out[i].error = e;
        } catch (const Error& e) {
          if (may_retry(e.code())) throw;
          out[i].error = write_error(e, ops[i].id);
        }
        txn.rollback_to(mark);
        txn.next_command();
        w.writers.clear();  // what an abandoned operation left to be done at its end goes with it
      }
      w.writers.clear();
      session->end_implicit(false);
    } catch (const Error& e) {
      if (session->exec_context().txn != nullptr) session->end_implicit(true);
      if (attempt >= 5 || !may_retry(e.code())) throw;
      continue;
    }
    storage::Lsn lsn = session->pending_durable();
    if (lsn != 0) parts_.store->wait_durable(lsn);
    session->acknowledged();
    give_back(std::move(session));
    return;
  }
}

// Members of a document as a row. Columns without a member take their defaults, as in an INSERT that does not name
// them; an update keeps what no document shows (identities, vectors).
void Engine::row_of_document(Writing& w, const IndexPtr& index, const catalog::Relation& relation, const std::string& id, const json::object& source,
                             const std::vector<NullableDatum>* old_row, std::vector<NullableDatum>& row, std::vector<char>& given, Arena& arena) {
  auto table = table_of(index->relation, *parts_.catalog->state());
  const rows::IndexDef* pk = primary_of(*table);
  if (pk == nullptr) throw ElasticError(400, "illegal_argument_exception", "table [" + index->name + "] has no primary key");
  std::vector<std::string> parts = pk->keys.size() == 1 ? std::vector<std::string>{id} : split(id, ':');
  for (const catalog::Column& c : relation.columns) {
    if (c.dropped || c.generated) continue;
    auto at = static_cast<size_t>(c.number - 1);
    bool key = false;
    for (size_t k = 0; k < pk->keys.size() && k < parts.size(); ++k) {
      if (pk->keys[k].column != c.number) continue;
      JsonNode node = JsonNode::string(parts[k]);
      row[at] = json_to_value(node, c.type, c.typmod, c.name, {}, true, arena, *w.ctx.eval);
      given[at] = true;
      key = true;
    }
    if (key) continue;
    if (auto* v = source.if_contains(c.name)) {
      std::string text = json::serialize(*v);
      JsonNode node = stele::parse_json(text, arena);
      row[at] = json_to_value(node, c.type, c.typmod, c.name, {}, true, arena, *w.ctx.eval);
      given[at] = true;
    } else if (old_row != nullptr) {
      if (is_vector(c.type) || c.identity != catalog::Identity::kNone) row[at] = (*old_row)[at];
      else if (query::ExprPtr e = query::column_default(relation, c, w.ctx)) row[at] = query::evaluate(e, w.ctx, arena);
    }
  }
}

WriteResult Engine::write_one(Writing& w, const IndexPtr& index, WriteOp& op) {
  storage::Transaction& txn = *w.ctx.txn;
  if (index->closed) {
    throw ElasticError(400, "index_closed_exception", "closed", json::object{{"index_uuid", index->uuid}, {"index", index->name}});
  }
  check_blocks(*index, kWriting);
  auto state = parts_.catalog->state();
  auto relation = state->relation(index->oid);
  if (!relation) throw ElasticError(404, "index_not_found_exception", "no such index [" + index->name + "]");
  auto table = table_of(relation, *state);
  EvalContext& eval = *w.ctx.eval;
  rows::TableAccess access(table, txn, nullptr, &eval);
  Arena arena;
  auto conflict = [&](const std::string& why) -> ElasticError {
    return ElasticError(409, "version_conflict_engine_exception", "[" + op.id + "]: version conflict, " + why,
                        json::object{{"index_uuid", index->uuid}, {"shard", "0"}, {"index", index->name}});
  };
  for (int attempt = 0; attempt < 100; ++attempt) {
    arena.reset();
    storage::ReadView view;  // the latest, and what this transaction wrote
    txn.next_command();
    Document old;
    std::vector<NullableDatum> old_row(relation->columns.size());
    if (auto row_id = row_of(*index, access, op.id, view, arena)) {
      access.lock_row(*row_id, storage::LockMode::kKeyWrite, {});
      std::string bytes;
      if (!access.fetch(*row_id, view, &bytes)) continue;  // gone while we waited
      table->format().decode_all(bytes, old_row.data(), arena);
      segments::RowDocument rd;
      old.found = true;
      old.row_id = *row_id;
      if (op.kind == WriteOp::kUpdate) old.source = segments::Segments::row_source(*relation, old_row, &rd);
      else {
        for (const catalog::Column& c : relation->columns) {
          const NullableDatum& v = old_row[static_cast<size_t>(c.number - 1)];
          if (v.is_null) continue;
          if (c.name == "_seq_no") rd.seq_no = v.value.as_int();
          if (c.name == "_version") rd.version = v.value.as_int();
          if (c.name == "_routing") rd.routing = v.value.as_view();
        }
      }
      old.id = op.id;
      old.routing = rd.routing;
      old.version = rd.version > 0 ? rd.version : std::max<int64_t>(1, rows::RowFormat::document_version(bytes));
      old.seq_no = std::max<int64_t>(rd.seq_no, 0);
    }
    WriteResult r;
    r.index = index->name;
    r.id = op.id;
    // Concurrency conditions.
    if (op.kind == WriteOp::kCreate && old.found) {
      throw conflict("document already exists (current version [" + std::to_string(old.version) + "])");
    }
    if (op.if_seq_no || op.if_primary_term) {
      int64_t want = op.if_seq_no.value_or(-2), term = op.if_primary_term.value_or(0);
      if (!old.found) {
        if (op.kind == WriteOp::kUpdate) {
          throw ElasticError(404, "document_missing_exception", "[" + op.id + "]: document missing", json::object{{"index_uuid", index->uuid}, {"shard", "0"}, {"index", index->name}});
        }
        throw conflict("required seqNo [" + std::to_string(want) + "], primary term [" + std::to_string(term) + "]. but no document was found");
      }
      if (old.seq_no != want || term != 1) {
        throw conflict("required seqNo [" + std::to_string(want) + "], primary term [" + std::to_string(term) + "]. current document has seqNo [" +
                       std::to_string(old.seq_no) + "] and primary term [1]");
      }
    }
    int64_t base = old.version;
    if (!old.found) {
      std::lock_guard lock(tombstone_mutex_);
      auto it = tombstones_.find({index->oid, op.id});
      if (it != tombstones_.end()) {
        if (now_ms() - it->second.at_ms > 60000) tombstones_.erase(it);
        else base = it->second.version;
      }
    }
    int64_t next_version = base + 1;
    if (op.version) {
      bool external = op.version_type == "external" || op.version_type == "external_gt", gte = op.version_type == "external_gte";
      if (external || gte) {
        bool known = old.found || base > 0;
        if (known && (gte ? *op.version < base : *op.version <= base)) {
          throw conflict("current version [" + std::to_string(base) + "] is higher " + std::string(gte ? "than" : "or equal to") + " the one provided [" + std::to_string(*op.version) + "]");
        }
        next_version = *op.version;
      } else if (!old.found || old.version != *op.version) {
        throw conflict(old.found ? "current version [" + std::to_string(old.version) + "] is different than the one provided [" + std::to_string(*op.version) + "]"
                                 : "document does not exist (expected version [" + std::to_string(*op.version) + "])");
      }
    }
    bool erase = op.kind == WriteOp::kDelete, created = !old.found;
    const json::object* source = &op.source;
    json::object next;
    if (op.kind == WriteOp::kUpdate) {
      next = old.source;
      bool made = false;
      if (!op.update(old, &next, &made, &erase)) {
        r.result = "noop";
        r.version = old.version;
        r.seq_no = old.seq_no;
        r.source = std::move(next);
        return r;
      }
      source = &next;
    }
    if (erase) {
      r.seq_no = index->indexed->next_seq_no.fetch_add(1);
      r.version = next_version;
      if (!old.found) {
        r.result = "not_found";
        if (base == 0 && !op.version) r.version = 1;
      } else {
        query::TableWriter& writer = w.writer(relation->oid);
        writer.erase(old.row_id, old_row);
        writer.finish();
        r.result = "deleted";
      }
      std::lock_guard lock(tombstone_mutex_);
      if (tombstones_.size() > 100000) tombstones_.clear();
      tombstones_[{index->oid, op.id}] = {r.version, now_ms()};
      return r;
    }
    std::vector<NullableDatum> row(relation->columns.size());
    std::vector<char> given(relation->columns.size());
    struct Hint {
      explicit Hint(const json::object* s) { segments::Segments::set_current_source(s); }
      ~Hint() { segments::Segments::set_current_source(nullptr); }
    };
    if (index->elastic) {
      r.seq_no = index->indexed->next_seq_no.fetch_add(1);
      r.version = next_version;
      row[0] = {make_bytes(arena, op.id), false};
      row[1] = {jsonb_from_text(json::serialize(*source), arena, eval), false};
      const std::string& routing = op.routing.empty() && op.kind == WriteOp::kUpdate ? old.routing : op.routing;
      row[2] = routing.empty() ? NullableDatum{} : NullableDatum{make_bytes(arena, routing), false};
      row[3] = {Datum::from_int(r.seq_no), false};
      row[4] = {Datum::from_int(r.version), false};
      for (size_t i = 0; i < 5; ++i) given[i] = true;
      for (size_t i = 5; i < row.size() && old.found; ++i) row[i] = old_row[i];  // columns that SQL added
    } else {
      row_of_document(w, index, *relation, op.id, *source, old.found ? &old_row : nullptr, row, given, arena);
      r.version = next_version;
      r.seq_no = index->indexed->next_seq_no.load();
    }
    // A trigger may change the document before it is indexed.
    Hint hint(index->elastic && relation->triggers.empty() ? source : nullptr);
    query::TableWriter& writer = w.writer(relation->oid);
    if (old.found) {
      writer.update(old.row_id, old_row, row);
      r.result = "updated";
    } else {
      size_t mark = txn.savepoint();
      try {
        bool written = writer.insert(row, std::span<const bool>(reinterpret_cast<const bool*>(given.data()), given.size())) != 0;
        r.result = written ? "created" : "noop";
      } catch (const Error& e) {
        const rows::IndexDef* pk = primary_of(*table);
        if (e.code() != ErrorCode::kUniqueViolation || pk == nullptr || e.constraint_name() != pk->name()) throw;
        txn.rollback_to(mark);  // somebody was faster
        w.writers.erase(relation->oid);
        continue;
      }
      txn.release(mark);
    }
    writer.finish();
    (void)created;
    if (op.kind == WriteOp::kUpdate) r.source = std::move(next);
    return r;
  }
  throw ElasticError(409, "version_conflict_engine_exception", "[" + op.id + "]: version conflict, the document changes too fast");
}

}  // namespace stele::elastic

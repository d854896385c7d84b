#include "segments/segments.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "segments/section.h"
#include "types/jsonb.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::segments {

namespace {

thread_local const json::object* current_source = nullptr;

// How a column of an SQL table is mapped when its search index does not say.
std::string field_of_type(Oid type, bool analysed) {
  switch (type) {
    case oid::kInt2: return R"({"type":"short"})";
    case oid::kInt4: return R"({"type":"integer"})";
    case oid::kInt8: return R"({"type":"long"})";
    case oid::kFloat4: return R"({"type":"float"})";
    case oid::kFloat8: case oid::kNumeric: return R"({"type":"double"})";
    case oid::kBool: return R"({"type":"boolean"})";
    case oid::kDate: case oid::kTimestamp: case oid::kTimestamptz:
      return R"({"type":"date","format":"strict_date_optional_time||epoch_millis||yyyy-MM-dd HH:mm:ss"})";
    case oid::kInet: return R"({"type":"ip","ignore_malformed":true})";
    case oid::kUuid: case oid::kName: return R"({"type":"keyword"})";
    default: return analysed ? R"({"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":256}}})" : R"({"type":"keyword","ignore_above":8191})";
  }
}
bool plain_text(Oid type) { return type == oid::kText || type == oid::kVarchar || type == oid::kBpchar; }

MappingPtr parse_definition(const std::string& definition) {
  json::object o = json::parse(definition).as_object();
  std::shared_ptr<const Analysis> analysis;
  if (auto* a = o.if_contains("analysis"); a != nullptr && a->is_object()) analysis = std::make_shared<Analysis>(a->as_object());
  else analysis = std::make_shared<Analysis>();
  json::object empty;
  auto* m = o.if_contains("mappings");
  return Mapping::parse(m != nullptr && m->is_object() ? m->as_object() : empty, analysis);
}

}  // namespace

std::string search_definition(const catalog::Relation& r, const catalog::State& state) {
  auto it = r.extra.find("elastic");
  if (it != r.extra.end()) {
    json::value v = json::parse(it->second);
    json::object out;
    if (auto* m = v.as_object().if_contains("mappings")) out["mappings"] = *m;
    if (auto* s = v.as_object().if_contains("settings"); s != nullptr && s->is_object()) {
      auto* index = s->as_object().if_contains("index");
      if (index != nullptr && index->is_object()) {
        if (auto* a = index->as_object().if_contains("analysis")) out["analysis"] = *a;
      }
    }
    return json::serialize(out);
  }
  json::object properties;
  bool some = false;
  for (Oid oid : r.indexes) {
    auto index = state.relation(oid);
    if (!index || !index->index) continue;
    const catalog::IndexInfo& info = *index->index;
    if (info.method != "search" && info.method != "columns") continue;
    some = true;
    bool search = info.method == "search";
    for (const catalog::IndexColumn& k : info.keys) {
      const catalog::Column* c = r.column(k.column);
      if (c == nullptr) continue;
      json::object d = json::parse(field_of_type(c->type, search)).as_object();
      if (search && plain_text(c->type)) {
        auto a = index->options.find("analyzer");
        if (a != index->options.end()) d["analyzer"] = a->second;
        auto own = index->options.find(c->name + ".analyzer");
        if (own != index->options.end()) d["analyzer"] = own->second;
      }
      if (search && c->type == oid::kJsonb) d = json::parse(R"({"type":"object","dynamic":true})").as_object();
      properties[c->name] = d;
    }
  }
  if (!some) return {};
  // The other columns are filterable and sortable.
  for (const catalog::Column& c : r.columns) {
    if (c.dropped || properties.contains(c.name) || c.type == oid::kJsonb || c.type == oid::kJson || c.type == oid::kBytea) continue;
    if (c.type >= oid::kVector && c.type <= oid::kSparsevecArray) continue;
    properties[c.name] = json::parse(field_of_type(c.type, false));
  }
  json::object mappings, out;
  mappings["dynamic"] = "false";
  mappings["properties"] = properties;
  out["mappings"] = mappings;
  return json::serialize(out);
}

struct Segments::TxnState {
  struct Part {
    IndexedPtr relation;
    MappingPtr mapping;
    std::unique_ptr<SegmentBuilder> builder;
    std::vector<SegmentPtr> fragments;
    struct Change { uint64_t row; uint32_t fragment, ordinal; bool had_old; std::string prefix; };
    std::vector<Change> changes;
    void finish() {
      if (!builder || builder->docs() == 0) return;
      fragments.push_back(Segment::from_image(builder->finish(), UINT64_MAX - 1));
      builder = nullptr;
    }
  };
  std::map<Oid, Part> parts;
};

Segments::Segments(storage::Store& store, catalog::Catalog& catalog, std::string directory, uint64_t tail_bytes)
    : store_(store), catalog_(catalog), directory_(std::move(directory)), tail_bytes_(tail_bytes) {}

Segments::~Segments() {
  {
    std::lock_guard lock(work_mutex_);
    stop_ = true;
  }
  work_.notify_all();
  build_work_.notify_all();
  if (worker_.joinable()) worker_.join();
  if (builder_.joinable()) builder_.join();
}

void Segments::set_current_source(const json::object* source) { current_source = source; }

IndexedPtr Segments::find(Oid relation) const {
  std::shared_lock lock(mutex_);
  auto it = relations_.find(relation);
  return it == relations_.end() ? nullptr : it->second;
}

IndexedPtr Segments::ensure(const catalog::Relation& r, const catalog::State& state) {
  if (r.relkind != 'r') return nullptr;
  auto metadata = r.extra.find("elastic");
  if (metadata == r.extra.end() && r.indexes.empty()) return nullptr;
  IndexedPtr found = find(r.oid);
  if (found && metadata != r.extra.end()) {  // asked for each write: no parsing when nothing changed
    std::lock_guard lock(extend_mutex_);
    if (found->metadata == metadata->second) return found;
  }
  std::string definition = search_definition(r, state);
  if (definition.empty()) return nullptr;
  if (!found) {
    std::unique_lock lock(mutex_);
    auto& slot = relations_[r.oid];
    if (!slot) {
      slot = make_relation(r.oid);
      slot->elastic = r.extra.count("elastic") != 0;
    }
    found = slot;
  }
  std::lock_guard lock(extend_mutex_);
  if (found->definition != definition) {
    found->set_mapping(parse_definition(definition));
    found->definition = definition;
  }
  if (metadata != r.extra.end()) found->metadata = metadata->second;
  return found;
}

bool Segments::wants(const catalog::Relation& table, const catalog::State& state) {
  return ensure(table, state) != nullptr;
}

json::object Segments::row_source(const catalog::Relation& r, std::span<const NullableDatum> row, RowDocument* doc) {
  EvalContext ctx;
  json::object source;
  bool elastic = r.extra.count("elastic") != 0;
  if (elastic) {
    for (const catalog::Column& c : r.columns) {
      const NullableDatum& v = row[static_cast<size_t>(c.number - 1)];
      if (c.dropped || v.is_null) continue;
      if (c.name == "_id" && doc != nullptr) doc->id = v.value.as_view();
      else if (c.name == "_routing" && doc != nullptr) doc->routing = v.value.as_view();
      else if (c.name == "_seq_no" && doc != nullptr) doc->seq_no = v.value.as_int();
      else if (c.name == "_version" && doc != nullptr) doc->version = v.value.as_int();
      else if (c.name == "_source") {
        std::string text;
        jsonb_to_text(v.value, text, ctx);
        boost::system::error_code ec;
        json::parse_options o;
        o.max_depth = 200;
        json::value parsed = json::parse(text, ec, {}, o);
        if (parsed.is_object()) source = std::move(parsed.as_object());
      }
    }
    return source;
  }
  std::vector<int16_t> key;
  for (const catalog::Constraint& c : r.constraints) {
    if (c.kind == catalog::ConstraintKind::kPrimary) key = c.columns;
  }
  std::string id;
  for (size_t i = 0; i < key.size(); ++i) {
    const NullableDatum& v = row[static_cast<size_t>(key[i] - 1)];
    const catalog::Column* c = r.column(key[i]);
    if (i > 0) id += ':';
    if (!v.is_null && c != nullptr) type_output(c->type, v.value, id, ctx);
  }
  if (doc != nullptr) doc->id = id;
  for (const catalog::Column& c : r.columns) {
    if (c.dropped || (c.type >= oid::kVector && c.type <= oid::kSparsevecArray)) continue;
    const NullableDatum& v = row[static_cast<size_t>(c.number - 1)];
    if (v.is_null) {
      source[c.name] = nullptr;
      continue;
    }
    // The common types without a detour through text.
    switch (c.type) {
      case oid::kText: case oid::kVarchar: source[c.name] = json::string(v.value.as_view()); continue;
      case oid::kInt2: case oid::kInt4: case oid::kInt8: source[c.name] = v.value.as_int(); continue;
      case oid::kBool: source[c.name] = v.value.as_bool(); continue;
      default: break;
    }
    std::string text;
    value_to_json(c.type, v, text, ctx);
    boost::system::error_code ec;
    source[c.name] = json::parse(text, ec);
  }
  return source;
}

std::shared_ptr<Segments::TxnState> Segments::state_of(storage::Transaction& txn) {
  auto state = std::static_pointer_cast<TxnState>(txn.prepared(storage::ParticipantId::kSegments));
  if (!state) {
    state = std::make_shared<TxnState>();
    txn.append_section(storage::ParticipantId::kSegments, {});
    txn.set_prepared(storage::ParticipantId::kSegments, state);
  }
  return state;
}

void Segments::row_changed(storage::Transaction& txn, const rows::RowChange& change) {
  const catalog::Relation& r = change.table->relation();
  IndexedPtr indexed = find(r.oid);
  if (!indexed) return;
  auto state = state_of(txn);
  TxnState::Part& part = state->parts[r.oid];
  if (!part.relation) part.relation = indexed;
  Note note{r.oid, change.row_id, kNoFragment, 0, change.old_row != nullptr, false};
  if (change.new_row != nullptr) {
    std::span<const NullableDatum> row(change.new_row, r.columns.size());
    RowDocument doc;
    json::object parsed;
    const json::object* source = current_source;
    if (source != nullptr) {
      for (const catalog::Column& c : r.columns) {
        const NullableDatum& v = row[static_cast<size_t>(c.number - 1)];
        if (v.is_null) continue;
        if (c.name == "_id") doc.id = v.value.as_view();
        else if (c.name == "_routing") doc.routing = v.value.as_view();
        else if (c.name == "_seq_no") doc.seq_no = v.value.as_int();
        else if (c.name == "_version") doc.version = v.value.as_int();
      }
    } else {
      parsed = row_source(r, row, &doc);
      source = &parsed;
    }
    if (doc.version <= 0) doc.version = static_cast<int64_t>(change.document_version == 0 ? 1 : change.document_version);
    if (doc.seq_no < 0) doc.seq_no = indexed->next_seq_no.fetch_add(1);
    MappingPtr mapping = indexed->mapping();
    if (MappingPtr wider = mapping->discover(*source)) {
      mapping = extend_mapping(r.oid, [&](const Mapping& m) { return m.discover(*source); });
    }
    // A fragment is bounded, so that a large transaction indexes as it goes.
    if (part.builder && part.builder->bytes() > (48u << 20)) part.finish();
    if (!part.builder) part.builder = std::make_unique<SegmentBuilder>();
    note.fragment = static_cast<uint32_t>(part.fragments.size());
    note.ordinal = part.builder->docs();
    try {
      mapping->index(*source, change.row_id, {doc.id, doc.routing, doc.seq_no, doc.version}, *part.builder);
    } catch (...) {
      if (part.builder->docs() > note.ordinal) part.builder->end();  // never noted, so never live
      throw;
    }
  }
  std::string payload;
  put_note(payload, note);
  txn.append_section(storage::ParticipantId::kSegments, payload);
  part.changes.push_back({change.row_id, note.fragment, note.ordinal, note.had_old, change.table->prefix()});
  if (part.changes.size() == 1) {
    // Finishing is work for the session, before the commit.
    txn.before_commit([state] {
      for (auto& [oid, p] : state->parts) p.finish();
    });
  }
}

void Segments::truncated(storage::Transaction& txn, const rows::Table& table) {
  if (!find(table.relation().oid)) return;
  auto state = state_of(txn);
  state->parts[table.relation().oid].relation = find(table.relation().oid);
  std::string payload;
  put_note(payload, Note{table.relation().oid, 0, kNoFragment, 0, false, true});
  txn.append_section(storage::ParticipantId::kSegments, payload);
}

void Segments::apply(storage::Lsn lsn, int64_t, storage::Section& section) {
  auto state = std::static_pointer_cast<TxnState>(section.prepared);
  if (!state) return;
  struct Outcome {
    std::vector<uint64_t> dead;
    std::unordered_map<uint64_t, std::pair<uint32_t, uint32_t>> live;
    bool truncate = false;
  };
  std::map<Oid, Outcome> outcomes;
  Reader r(section.payload);
  Note n;
  while (get_note(r, &n)) {
    Outcome& o = outcomes[n.relation];
    if (n.truncate) {
      o.truncate = true;
      o.live.clear();
      continue;
    }
    if (n.had_old) o.dead.push_back(n.row);
    if (n.fragment != kNoFragment) o.live[n.row] = {n.fragment, n.ordinal};
    else o.live.erase(n.row);
  }
  for (auto& [oid, part] : state->parts) {
    if (!part.relation) continue;
    part.finish();
    Outcome& o = outcomes[oid];
    std::vector<std::vector<bool>> keep;
    for (auto& f : part.fragments) keep.emplace_back(f->docs());
    for (auto& [row, at] : o.live) keep[at.first][at.second] = true;
    if (o.truncate) part.relation->index.kill_all(lsn);
    bool first = true;
    for (size_t f = 0; f < part.fragments.size(); ++f) {
      for (uint32_t d = 0; d < part.fragments[f]->docs(); ++d) {
        if (!keep[f][d]) part.fragments[f]->set_died(d, 0);
      }
      part.relation->index.link(lsn, first ? o.dead : std::vector<uint64_t>(), part.fragments[f]);
      first = false;
    }
    if (first) part.relation->index.link(lsn, o.dead, nullptr);
  }
  if (!dirty_.exchange(true)) work_.notify_one();
}

std::vector<Leaf> Segments::leaves(IndexedRelation& r, storage::Lsn lsn, storage::Transaction* own) {
  r.index.wait_built();
  if (own == nullptr) return r.index.leaves(lsn);
  auto state = std::static_pointer_cast<TxnState>(own->prepared(storage::ParticipantId::kSegments));
  auto it = state ? state->parts.find(r.oid) : std::map<Oid, TxnState::Part>::iterator();
  if (!state || it == state->parts.end()) return r.index.leaves(lsn);
  TxnState::Part& part = it->second;
  part.finish();
  // What counts is the row as the transaction now sees it: a savepoint may have taken changes back.
  std::vector<uint64_t> hidden;
  std::unordered_map<uint64_t, std::pair<uint32_t, uint32_t>> live;
  for (const auto& c : part.changes) {
    std::string value;
    storage::Lsn at = 1;
    bool there = own->get(rows::row_key(c.prefix, c.row), {}, &value, &at);
    if (there && at != 0) continue;
    hidden.push_back(c.row);
    if (there && c.fragment != kNoFragment) live[c.row] = {c.fragment, c.ordinal};
  }
  std::vector<Leaf> out = r.index.leaves(lsn, &hidden);
  for (size_t f = 0; f < part.fragments.size(); ++f) {
    auto bits = std::make_shared<std::vector<uint64_t>>((part.fragments[f]->docs() + 63) / 64, ~0ull);
    bool any = false;
    for (auto& [row, at] : live) {
      if (at.first != f) continue;
      (*bits)[at.second >> 6] &= ~(1ull << (at.second & 63));
      any = true;
    }
    if (!any) continue;
    Leaf leaf;
    leaf.segment = part.fragments[f];
    leaf.lsn = UINT64_MAX - 1;
    leaf.all_visible = true;
    leaf.hidden = bits;
    out.push_back(std::move(leaf));
  }
  return out;
}

MappingPtr Segments::extend_mapping(Oid oid, const std::function<MappingPtr(const Mapping&)>& change) {
  IndexedPtr indexed = find(oid);
  std::lock_guard lock(extend_mutex_);
  MappingPtr next = change(*indexed->mapping());
  if (!next) return indexed->mapping();
  auto committed = catalog_.state()->relation(oid);
  if (committed && committed->extra.count("elastic") != 0) {
    auto txn = store_.begin({});
    auto changes = catalog_.begin(*txn);
    auto r = std::make_shared<catalog::Relation>(*changes->state()->relation(oid));
    json::object extra = json::parse(r->extra["elastic"]).as_object();
    extra["mappings"] = next->json();
    r->extra["elastic"] = json::serialize(extra);
    changes->put(r);
    indexed->definition = search_definition(*r, *changes->state());
    indexed->metadata = r->extra["elastic"];
    txn->commit();
  }
  indexed->set_mapping(next);
  return next;
}

}  // namespace stele::segments

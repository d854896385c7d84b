#include "segments/vectors/vector_store.h"

#include <boost/json.hpp>

#include <filesystem>

#include "base/codec.h"
#include "base/error.h"
#include "base/hash.h"
#include "rows/table_access.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/oids.h"
#include "types/type_io.h"
#include "types/vector.h"
#include "types/vector_kernels.h"

namespace stele::segments::vectors {

using catalog::ObjectKind;

namespace {

Metric metric_of_opclass(std::string_view name) {
  if (name.find("_cosine_") != std::string_view::npos) return Metric::kCosine;
  if (name.find("_ip_") != std::string_view::npos) return Metric::kInnerProduct;
  if (name.find("_l1_") != std::string_view::npos) return Metric::kL1;
  return Metric::kL2;
}
std::string opclass_name(Oid opclass) {
  for (const auto& row : builtin::rows("pg_opclass")) {
    if (row[0] == std::to_string(opclass)) return row[1];
  }
  return {};
}
uint32_t option(const std::map<std::string, std::string>& options, const char* name, uint32_t otherwise) {
  auto it = options.find(name);
  return it == options.end() ? otherwise : static_cast<uint32_t>(std::strtoul(it->second.c_str(), nullptr, 10));
}
Metric metric_of_distance(std::string_view name) {
  return name == "Cosine" ? Metric::kCosine : name == "Dot" ? Metric::kInnerProduct : name == "Manhattan" ? Metric::kL1 : Metric::kL2;
}
uint64_t number(const json::object& o, const char* name, uint64_t otherwise) {
  const json::value* v = o.if_contains(name);
  return v == nullptr || !v->is_number() ? otherwise : v->to_number<uint64_t>();
}

// A relation that the Qdrant door made says in its configuration what its columns mean.
void read_qdrant_config(const json::object& config, const catalog::Relation& relation, CollectionSpec* spec) {
  const json::object& params = config.at("params").as_object();
  const json::object* hnsw = nullptr;
  if (const json::value* h = config.if_contains("hnsw_config"); h != nullptr) hnsw = h->if_object();
  auto dense = [&](const std::string& name, const json::object& v) {
    const catalog::Column* column = relation.column(vector_column(name));
    if (column == nullptr) return;
    DenseSpec d;
    d.graph.dimensions = static_cast<uint32_t>(number(v, "size", 0));
    const json::value* distance = v.if_contains("distance");
    d.graph.metric = metric_of_distance(distance == nullptr || !distance->is_string() ? "Euclid" : std::string_view(distance->get_string()));
    for (const json::object* h : {hnsw, v.if_contains("hnsw_config") == nullptr ? nullptr : v.at("hnsw_config").if_object()}) {
      if (h == nullptr) continue;
      const uint64_t m = number(*h, "m", d.graph.graph ? d.graph.m : 0);
      d.graph.graph = m > 0;
      d.graph.m = static_cast<uint32_t>(m == 0 ? 16 : std::clamp<uint64_t>(m, 4, 512));
      d.graph.ef_construction = static_cast<uint32_t>(std::max<uint64_t>(4, number(*h, "ef_construct", d.graph.ef_construction)));
    }
    for (const json::value* q : {config.if_contains("quantization_config"), v.if_contains("quantization_config")}) {
      if (q != nullptr && q->is_object()) d.graph.quantize = true;
    }
    d.default_ef = d.graph.ef_construction;
    const json::value* multi = v.if_contains("multivector_config");
    d.multi = multi != nullptr && multi->is_object();
    const json::value* on_disk = v.if_contains("on_disk");
    d.on_disk = on_disk != nullptr && on_disk->is_bool() && on_disk->get_bool();
    spec->dense[name] = d;
    spec->dense_columns.push_back({name, column->number});
  };
  if (const json::value* v = params.if_contains("vectors"); v != nullptr && v->is_object()) {
    const json::object& o = v->get_object();
    if (const json::value* size = o.if_contains("size"); size != nullptr && size->is_number()) {
      dense("", o);
    } else {
      for (const auto& [name, one] : o) dense(std::string(name), one.as_object());
    }
  }
  if (const json::value* v = config.if_contains("payload_schema"); v != nullptr && v->is_object()) {
    for (const auto& [field, type] : v->get_object()) spec->payload_indexes.emplace_back(std::string(field), type);
  }
  if (const json::value* v = params.if_contains("sparse_vectors"); v != nullptr && v->is_object()) {
    for (const auto& [key, one] : v->get_object()) {
      const std::string name(key);
      const catalog::Column* column = relation.column(vector_column(name));
      if (column == nullptr) continue;
      SparseSpec sparse;
      if (const json::object* o = one.if_object()) {
        const json::value* modifier = o->if_contains("modifier");
        sparse.idf = modifier != nullptr && *modifier == "idf";
      }
      spec->sparse[name] = sparse;
      spec->sparse_columns.push_back({name, column->number});
    }
  }
}

// The dense_vector fields of an Elasticsearch mapping that are indexed, by their dotted names.
void read_mapping(const json::object& properties, const std::string& prefix, int depth, CollectionSpec* spec) {
  for (const auto& [key, v] : properties) {
    const json::object* field = v.if_object();
    if (field == nullptr || depth > 20) continue;
    const std::string name = prefix + std::string(key);
    if (const json::value* inner = field->if_contains("properties"); inner != nullptr && inner->is_object()) {
      const json::value* type = field->if_contains("type");
      if (type == nullptr || *type != "nested") read_mapping(inner->get_object(), name + ".", depth + 1, spec);
      continue;
    }
    const json::value* type = field->if_contains("type");
    const json::value* index = field->if_contains("index");
    const json::value* element = field->if_contains("element_type");
    const auto dims = number(*field, "dims", 0);
    if (type == nullptr || *type != "dense_vector" || dims == 0 || dims > 16000 || (index != nullptr && index->is_bool() && !index->get_bool()) ||
        (element != nullptr && *element == "bit")) {
      continue;
    }
    DenseSpec d;
    d.graph.dimensions = static_cast<uint32_t>(dims);
    const json::value* similarity = field->if_contains("similarity");
    d.graph.metric = similarity == nullptr || *similarity == "cosine" ? Metric::kCosine : *similarity == "l2_norm" ? Metric::kL2 : Metric::kInnerProduct;
    if (const json::value* o = field->if_contains("index_options"); o != nullptr && o->is_object()) {
      const json::object& options = o->get_object();
      const json::value* kind = options.if_contains("type");
      if (kind != nullptr && kind->is_string() && kind->get_string().ends_with("flat")) continue;   // asked to be measured
      d.graph.quantize = kind != nullptr && *kind == "int8_hnsw";
      d.graph.m = static_cast<uint32_t>(std::clamp<uint64_t>(number(options, "m", 16), 4, 512));
      d.graph.ef_construction = static_cast<uint32_t>(std::clamp<uint64_t>(number(options, "ef_construction", 100), 4, 3200));
    }
    spec->dense[name] = d;
    spec->document_fields.push_back(name);
  }
}

// The vector at a dotted name of a document; empty when there is none of that length.
std::vector<float> document_vector(const json::value& document, std::string_view name, uint32_t dimensions) {
  const json::object* o = document.if_object();
  if (o == nullptr) return {};
  const json::value* v = o->if_contains({name.data(), name.size()});
  if (v == nullptr) {
    for (size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
      const json::value* child = o->if_contains({name.data(), dot});
      if (child == nullptr) continue;
      auto found = document_vector(*child, name.substr(dot + 1), dimensions);
      if (!found.empty()) return found;
    }
    return {};
  }
  const json::array* a = v->if_array();
  if (a == nullptr || a->size() != dimensions) return {};
  std::vector<float> out;
  for (const json::value& x : *a) {
    if (!x.is_number()) return {};
    out.push_back(x.to_number<float>());
    if (!std::isfinite(out.back())) return {};
  }
  return out;
}

// A column's value as JSON, for payloads made from columns.
json::value column_json(const catalog::Column& column, const NullableDatum& d) {
  if (d.is_null) return nullptr;
  EvalContext ctx;
  std::string text;
  switch (column.type) {
    case oid::kBool: return json::value(d.value.as_bool());
    case oid::kInt2: case oid::kInt4: case oid::kInt8: case oid::kOid: return json::value(d.value.as_int());
    case oid::kFloat4: return json::value(d.value.as_float());
    case oid::kFloat8: return json::value(d.value.as_double());
    default: break;
  }
  const BuiltinType* type = builtin::type(column.type);
  if (type != nullptr && type->is_true_array()) {
    json::array out;
    const ArrayView array(d.value);
    catalog::Column element;
    element.type = type->element;
    for (int i = 0; i < array.count(); ++i) out.push_back(column_json(element, array.at(i)));
    return out;
  }
  if (type == nullptr) {
    // A user's type has no text without its session's catalogue; by-reference ones are shown as their bytes.
    return json::value(passed_by_value(column.type) ? std::to_string(d.value.as_int()) : std::string());
  }
  type_output(column.type, d.value, text, ctx);
  if (column.type == oid::kJson || column.type == oid::kJsonb || column.type == oid::kNumeric) {
    boost::system::error_code ec;
    json::value v = json::parse(text, ec);
    return ec ? json::value(text) : v;
  }
  return json::value(text);
}

struct Notes {
  struct Note { std::shared_ptr<void> entry; PointChange change; };
  std::vector<Note> notes;
};

bool same_bytes(const NullableDatum& a, const NullableDatum& b) {
  if (a.is_null || b.is_null) return a.is_null == b.is_null;
  return a.value.as_view() == b.value.as_view();
}

PointChange make_change(const CollectionSpec& spec, const catalog::Relation& relation, RowId row, const NullableDatum* old_row,
                        const NullableDatum* new_row) {
  PointChange c;
  c.row = row;
  c.erased = new_row == nullptr;
  if (c.erased) return c;
  auto value = [](const NullableDatum* r, int16_t column) -> const NullableDatum& { return r[column - 1]; };
  EvalContext ctx;
  std::string id;
  type_output(relation.column(spec.id_column)->type, value(new_row, spec.id_column).value, id, ctx);
  c.id = PointId::from_text(id);
  if (spec.payload_column != 0) {
    const NullableDatum& payload = value(new_row, spec.payload_column);
    if (old_row == nullptr || !same_bytes(value(old_row, spec.payload_column), payload)) {
      json::value v = column_json(*relation.column(spec.payload_column), payload);
      if (!v.is_object()) v.emplace_object();
      // What did not change is left alone.
      json::value before;
      if (old_row != nullptr && !spec.document_fields.empty()) before = column_json(*relation.column(spec.payload_column), value(old_row, spec.payload_column));
      for (const auto& name : spec.document_fields) {
        const uint32_t dimensions = spec.dense.at(name).graph.dimensions;
        auto now = document_vector(v, name, dimensions);
        if (old_row == nullptr ? now.empty() : now == document_vector(before, name, dimensions)) continue;
        c.dense.emplace_back(name, std::move(now));
      }
      c.payload = std::make_shared<const json::value>(std::move(v));
    }
  } else {
    json::object o;
    for (const catalog::Column& column : relation.columns) {
      auto is_vector = [&](const auto& list) {
        return std::any_of(list.begin(), list.end(), [&](const auto& v) { return v.column == column.number; });
      };
      if (column.dropped || column.number == spec.id_column || is_vector(spec.dense_columns) || is_vector(spec.sparse_columns)) continue;
      o[column.name] = column_json(column, value(new_row, column.number));
    }
    c.payload = std::make_shared<const json::value>(std::move(o));
  }
  for (const auto& v : spec.dense_columns) {
    const NullableDatum& now = value(new_row, v.column);
    if (old_row != nullptr && same_bytes(value(old_row, v.column), now)) continue;
    if (spec.dense.at(v.name).multi) {
      MultiVector several;
      if (!now.is_null) {
        const ArrayView array(now.value);
        for (int i = 0; i < array.count(); ++i) {
          if (array.is_null(i)) continue;
          const auto one = vector_values(array.get(i).as_varlena());
          if (one.size() != spec.dense.at(v.name).graph.dimensions) {
            throw Error(ErrorCode::kDataException, fmt::format("expected {} dimensions, not {}", spec.dense.at(v.name).graph.dimensions, one.size()));
          }
          several.emplace_back(one.begin(), one.end());
        }
      }
      if (old_row != nullptr || !several.empty()) c.multi.emplace_back(v.name, std::move(several));
      continue;
    }
    std::vector<float> floats;
    if (!now.is_null) {
      if (relation.column(v.column)->type == oid::kHalfvec) {
        for (uint16_t h : halfvec_values(now.value.as_varlena())) floats.push_back(half_to_float(h));
      } else {
        const auto s = vector_values(now.value.as_varlena());
        floats.assign(s.begin(), s.end());
      }
      const uint32_t want = spec.dense.at(v.name).graph.dimensions;
      if (floats.size() != want) {
        throw Error(ErrorCode::kDataException, fmt::format("expected {} dimensions, not {}", want, floats.size()));
      }
    }
    if (old_row != nullptr || !floats.empty()) c.dense.emplace_back(v.name, std::move(floats));
  }
  for (const auto& v : spec.sparse_columns) {
    const NullableDatum& now = value(new_row, v.column);
    if (old_row != nullptr && same_bytes(value(old_row, v.column), now)) continue;
    SparseVector s;
    if (!now.is_null) {
      const SparseView view = sparse_view(now.value.as_varlena());
      s.indexes.assign(view.indexes.begin(), view.indexes.end());
      s.values.assign(view.values.begin(), view.values.end());
    }
    if (old_row != nullptr || !s.indexes.empty()) c.sparse.emplace_back(v.name, std::move(s));
  }
  return c;
}

}  // namespace

std::optional<CollectionSpec> collection_spec(const catalog::Relation& relation, const catalog::State& state) {
  if (relation.relkind != 'r' || relation.persistence == 't') return std::nullopt;
  CollectionSpec spec;
  for (const catalog::Constraint& c : relation.constraints) {
    if (c.kind == catalog::ConstraintKind::kPrimary && c.columns.size() == 1) spec.id_column = c.columns[0];
  }
  if (spec.id_column == 0) return std::nullopt;
  auto config = relation.extra.find("qdrant");
  if (config != relation.extra.end()) {
    const catalog::Column* payload = relation.column("payload");
    spec.payload_column = payload == nullptr ? 0 : payload->number;
    read_qdrant_config(json::parse(config->second).as_object(), relation, &spec);
    return spec;
  }
  // Documents of an Elasticsearch index hold their vectors themselves.
  auto elastic = relation.extra.find("elastic");
  const catalog::Column* source = elastic == relation.extra.end() ? nullptr : relation.column("_source");
  if (source != nullptr && elastic->second.find("\"dense_vector\"") != std::string::npos) {
    boost::system::error_code ec;
    const json::value v = json::parse(elastic->second, ec);
    const json::value* mappings = ec || !v.is_object() ? nullptr : v.get_object().if_contains("mappings");
    const json::value* properties = mappings == nullptr || !mappings->is_object() ? nullptr : mappings->get_object().if_contains("properties");
    if (properties != nullptr && properties->is_object()) read_mapping(properties->get_object(), "", 0, &spec);
    if (spec.dense.empty()) return std::nullopt;
    spec.payload_column = source->number;
    return spec;
  }
  for (Oid oid : relation.indexes) {
    const auto index = state.relation(oid);
    if (index == nullptr || !index->index || index->index->method != "hnsw" || index->index->keys.size() != 1) continue;
    const catalog::IndexColumn& key = index->index->keys[0];
    const catalog::Column* column = relation.column(key.column);
    if (column == nullptr || (column->type != oid::kVector && column->type != oid::kHalfvec) || column->typmod <= 0) continue;
    if (spec.dense.contains(column->name)) continue;
    DenseSpec d;
    d.graph.dimensions = static_cast<uint32_t>(column->typmod);
    d.graph.metric = metric_of_opclass(opclass_name(key.opclass));
    d.graph.m = option(index->options, "m", 16);
    d.graph.ef_construction = option(index->options, "ef_construction", 64);
    auto quantization = index->options.find("quantization");
    d.graph.quantize = quantization != index->options.end() && quantization->second != "none";
    d.default_ef = option(index->options, "ef_search", 64);
    if (auto recall = index->options.find("recall"); recall != index->options.end()) d.recall = std::strtod(recall->second.c_str(), nullptr);
    if (auto mapped = index->options.find("on_disk"); mapped != index->options.end()) d.on_disk = mapped->second == "true" || mapped->second == "on";
    spec.dense[column->name] = d;
    spec.dense_columns.push_back({column->name, column->number});
  }
  if (spec.dense.empty()) return std::nullopt;
  return spec;
}

VectorStore::VectorStore(storage::Store& store, std::string directory) : store_(store), directory_(std::move(directory)) {
  if (!directory_.empty()) std::filesystem::create_directories(directory_);
}
VectorStore::~VectorStore() {
  stopping_.store(true);
  wake();
  for (auto& t : linkers_) t.join();
  while (checkpoint_one(true)) {
  }
}
void VectorStore::wake() {
  signal_.fetch_add(1);
  signal_.notify_all();
}

std::string VectorStore::checkpoint_path(uint32_t storage_id, const std::string& field) const {
  std::string hex;
  for (const char c : field) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  if (hex.size() > 180) hex = fmt::format("{:016x}", hash64(field));
  return fmt::format("{}/{}-{}.graph", directory_, storage_id, hex);
}

bool VectorStore::checkpoint_one(bool all) {
  if (directory_.empty()) return false;
  std::vector<std::shared_ptr<Entry>> entries;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [id, e] : entries_) entries.push_back(e);
  }
  for (const auto& e : entries) {
    for (const auto& [name, field] : e->data->fields()) {
      const uint64_t unsaved = field->unsaved(), waiting = field->waiting(), size = field->live();
      if (unsaved <= waiting || size < 500 || !field->shape().graph) continue;
      const uint64_t fresh = unsaved - waiting;
      if (all ? fresh < 100 : waiting > 0 || fresh < 2000 || fresh * 5 < size) continue;
      if (field->save(checkpoint_path(e->storage_id, name))) return true;
    }
  }
  return false;
}

std::shared_ptr<VectorStore::Entry> VectorStore::entry(const catalog::Relation& relation, const catalog::State& state, bool restore) {
  {
    std::shared_lock lock(mutex_);
    auto it = entries_.find(relation.storage_id);
    if (it != entries_.end()) return it->second;
  }
  auto spec = collection_spec(relation, state);
  if (!spec) return nullptr;
  auto e = std::make_shared<Entry>();
  e->spec = std::move(*spec);
  e->storage_id = relation.storage_id;
  e->data = std::make_shared<Collection>(e->spec.dense, e->spec.sparse);
  for (const auto& [key, schema] : e->spec.payload_indexes) e->data->add_index(key, schema);
  if (restore && !directory_.empty()) {
    for (const auto& [name, field] : e->data->fields()) {
      field->restore(checkpoint_path(relation.storage_id, name), e->spec.dense.at(name).on_disk);
    }
  }
  std::unique_lock lock(mutex_);
  return entries_.emplace(relation.storage_id, e).first->second;
}

std::shared_ptr<Collection> VectorStore::collection(const catalog::Relation& relation, const catalog::State& state) {
  // What an index made is forgotten when the index is gone (or its creation was rolled back).
  if (!collection_spec(relation, state)) return nullptr;
  auto e = entry(relation, state);
  return e == nullptr ? nullptr : e->data;
}

void VectorStore::reconfigure(const catalog::Relation& relation, const catalog::State& state) {
  const auto spec = collection_spec(relation, state);
  const auto e = spec ? entry(relation, state) : nullptr;
  if (e == nullptr) return;
  for (const auto& [name, field] : e->data->fields()) {
    auto it = spec->dense.find(name);
    if (it != spec->dense.end()) field->reshape(it->second.graph, it->second.default_ef);
  }
  wake();
}

void VectorStore::build(const catalog::Relation& relation, const catalog::State& state, storage::Transaction& txn) {
  {
    // The columns may have changed their meaning (a new index): start over.
    std::unique_lock lock(mutex_);
    entries_.erase(relation.storage_id);
  }
  auto e = entry(relation, state, linkers_.empty());
  if (e == nullptr) return;
  auto table = rows::Table::make(std::make_shared<const catalog::Relation>(relation), state);
  rows::TableAccess access(table, txn);
  std::vector<NullableDatum> row(relation.columns.size());
  Arena arena;
  for (auto cursor = access.scan({txn.statement_snapshot(), UINT32_MAX}); cursor.valid(); cursor.next()) {
    arena.reset();
    table->format().decode_all(cursor.bytes(), row.data(), arena);
    PointChange change = make_change(e->spec, relation, cursor.row_id(), nullptr, row.data());
    if (cursor.lsn() != 0) {
      e->data->apply(cursor.lsn(), change, 0);
    } else {  // the transaction's own row
      rows::RowChange c;
      c.table = table.get();
      c.row_id = cursor.row_id();
      c.new_row = row.data();
      row_changed(txn, c);
    }
  }
  for (const auto& [name, field] : e->data->fields()) field->restored();
  wake();
}

void VectorStore::load(catalog::Catalog& catalog) {
  const auto state = catalog.state();
  auto txn = store_.begin({.read_only = true});
  std::vector<catalog::Ptr<catalog::Relation>> relations;
  state->for_each(ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
    relations.push_back(std::static_pointer_cast<const catalog::Relation>(o));
  });
  for (const auto& relation : relations) {
    if (collection_spec(*relation, *state)) build(*relation, *state, *txn);
  }
  txn->abort();
  // Files of relations that are gone.
  if (!directory_.empty()) {
    std::set<std::string> known;
    for (const auto& [id, e] : entries_) {
      for (const auto& [name, field] : e->data->fields()) known.insert(checkpoint_path(id, name));
    }
    std::error_code ignored;
    for (const auto& file : std::filesystem::directory_iterator(directory_, ignored)) {
      if (!known.contains(file.path().string())) std::filesystem::remove(file.path(), ignored);
    }
  }
  linkers_.emplace_back([this] { link_loop(); });
}

bool VectorStore::wants(const catalog::Relation& table, const catalog::State& state) { return entry(table, state) != nullptr; }

void VectorStore::row_changed(storage::Transaction& txn, const rows::RowChange& change) {
  const catalog::Relation& relation = change.table->relation();
  std::shared_ptr<Entry> e;
  {
    std::shared_lock lock(mutex_);
    auto it = entries_.find(relation.storage_id);
    if (it == entries_.end()) return;
    e = it->second;
  }
  auto notes = std::static_pointer_cast<Notes>(txn.prepared(storage::ParticipantId::kVectors));
  if (notes == nullptr) notes = std::make_shared<Notes>();
  // The payload lists which notes count: a rolled back savepoint cuts it, and so takes its notes away.
  std::string position;
  put_le<uint32_t>(position, static_cast<uint32_t>(notes->notes.size()));
  notes->notes.push_back({e, make_change(e->spec, relation, change.row_id, change.old_row, change.new_row)});
  txn.append_section(storage::ParticipantId::kVectors, position);
  txn.set_prepared(storage::ParticipantId::kVectors, notes);
}

void VectorStore::truncated(storage::Transaction& txn, const rows::Table& table) {
  txn.on_published([this, id = table.relation().storage_id](Lsn) {
    std::unique_lock lock(mutex_);
    entries_.erase(id);
  });
}

std::vector<PointChange> VectorStore::pending(storage::Transaction& txn, const catalog::Relation& relation) const {
  std::vector<PointChange> out;
  auto notes = std::static_pointer_cast<Notes>(txn.prepared(storage::ParticipantId::kVectors));
  if (notes == nullptr) return out;
  std::shared_lock lock(mutex_);
  auto it = entries_.find(relation.storage_id);
  for (const auto& n : notes->notes) {
    if (it != entries_.end() && n.entry == it->second) out.push_back(n.change);
  }
  return out;
}

void VectorStore::apply(Lsn lsn, int64_t, storage::Section& section) {
  auto* notes = static_cast<Notes*>(section.prepared.get());
  if (notes == nullptr) return;
  const Lsn horizon = store_.horizon();
  Reader positions(section.payload);
  while (!positions.empty()) {
    const uint32_t at = positions.le<uint32_t>();
    STELE_CHECK(positions.ok() && at < notes->notes.size());
    auto& note = notes->notes[at];
    static_cast<Entry*>(note.entry.get())->data->apply(lsn, note.change, horizon);
  }
  wake();
}

void VectorStore::link_loop() {
  while (!stopping_.load()) {
    const uint32_t seen = signal_.load();
    std::vector<std::shared_ptr<Entry>> all;
    {
      std::shared_lock lock(mutex_);
      for (const auto& [id, e] : entries_) all.push_back(e);
    }
    bool busy = false;
    for (const auto& e : all) {
      if (stopping_.load()) return;
      busy = e->data->link_some(64) || busy;
    }
    if (busy) continue;
    for (const auto& e : all) {
      if (stopping_.load()) return;
      busy = e->data->tend(store_.published_lsn(), store_.horizon()) || busy;
    }
    if (checkpoint_one(false) || busy) continue;
    all.clear();
    if (!stopping_.load()) signal_.wait(seen);
  }
}

}  // namespace stele::segments::vectors

#include "rows/table.h"

#include "base/error.h"
#include "rows/keys.h"

namespace stele::rows {

namespace {
std::mutex g_observers_mutex;
std::vector<RowObserver*>& observer_list() {
  static std::vector<RowObserver*> list;
  return list;
}
}  // namespace

void add_observer(RowObserver* observer) {
  std::lock_guard lock(g_observers_mutex);
  observer_list().push_back(observer);
}

void remove_observer(RowObserver* observer) {
  std::lock_guard lock(g_observers_mutex);
  std::erase(observer_list(), observer);
}

bool IndexDef::covers(int16_t attribute) const {
  for (const Key& k : keys) {
    if (k.column == attribute && k.type.ops->decode_key != nullptr) return true;
  }
  return std::find(included.begin(), included.end(), attribute) != included.end();
}

IndexDef make_index_def(catalog::Ptr<catalog::Relation> index, const catalog::Relation& table,
                        const catalog::State& state) {
  STELE_CHECK(index->index.has_value());
  const catalog::IndexInfo& info = *index->index;
  IndexDef d;
  d.relation = index;
  d.prefix = index_prefix(*index);
  for (const catalog::IndexColumn& c : info.keys) {
    IndexDef::Key k;
    k.column = c.column;
    const catalog::Column* column = c.column != 0 ? table.column(c.column) : nullptr;
    Oid type = c.type != 0 ? c.type : column != nullptr ? column->type : 0;
    k.type = resolve_type(type, state);
    if (k.type.ops->encode_key == nullptr) {
      throw Error(ErrorCode::kFeatureNotSupported,
                  fmt::format("index \"{}\" has a key of a type that cannot be ordered", index->name));
    }
    k.collation = c.collation;
    k.descending = c.descending;
    k.nulls_first = c.nulls_first;
    if (c.column == 0) ++d.expressions;
    d.keys.push_back(k);
  }
  d.included = info.included;
  if (!info.included.empty()) {
    std::vector<RowFormat::Column> columns;
    for (int16_t a : info.included) {
      const catalog::Column* c = table.column(a);
      STELE_CHECK(c != nullptr);
      RowFormat::Column f;
      f.type = resolve_type(c->type, state);
      columns.push_back(std::move(f));
    }
    d.included_format = std::make_shared<RowFormat>(0, std::move(columns));
  }
  d.unique = info.unique;
  d.nulls_not_distinct = info.nulls_not_distinct;
  d.deferrable = info.unique && !info.immediate;
  d.partial = !info.predicate_sql.empty();
  d.has_expressions = d.expressions > 0;
  return d;
}

std::shared_ptr<const Table> Table::make(catalog::Ptr<catalog::Relation> relation, const catalog::State& state) {
  auto t = std::make_shared<Table>();
  t->relation_ = relation;
  t->format_ = RowFormat::of(*relation, state);
  t->prefix_ = row_prefix(*relation);
  if (auto schema = state.get(catalog::ObjectKind::kSchema, relation->schema)) t->schema_name_ = schema->name;
  t->id_counter_ = fmt::format("row/{}", relation->storage_id);
  for (Oid oid : relation->indexes) {
    auto index = state.relation(oid);
    if (!index || !index->index) continue;
    const std::string& method = index->index->method;
    if (method != "btree" && method != "hash") continue;
    t->indexes_.push_back(make_index_def(index, *relation, state));
  }
  std::lock_guard lock(g_observers_mutex);
  for (RowObserver* o : observer_list()) {
    if (o->wants(*relation, state)) t->observers_.push_back(o);
  }
  return t;
}

void Table::notify_truncated(storage::Transaction& txn) const {
  for (RowObserver* o : observers_) o->truncated(txn, *this);
}

const IndexDef* Table::index(Oid oid) const {
  for (const IndexDef& d : indexes_) {
    if (d.relation->oid == oid) return &d;
  }
  return nullptr;
}

}  // namespace stele::rows

#include "sql/redis/row_keys.h"

#include "base/logging.h"
#include "rows/table_access.h"
#include "sql/binder/catalog_view.h"
#include "sql/redis/client.h"
#include "sql/redis/resp_value.h"
#include "types/builtin.h"
#include "types/format_type.h"
#include "types/jsonb.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::sql::redis {

using keyspace::Entry;
using keyspace::KeyspaceTxn;
using keyspace::Object;

namespace {

constexpr uint64_t kCacheBytes = 256 << 20;
constexpr const char* kDefaultLimit = "100000";

// What type output needs to know of users' types, from one catalogue state.
class StateLookup final : public CatalogLookup {
 public:
  explicit StateLookup(catalog::StatePtr state) : state_(std::move(state)), view_(state_, {catalog::kPgCatalog}, 0, 0) {}
  const std::vector<EnumLabel>& enum_labels(Oid type) override {
    auto& labels = enums_[type];
    if (labels.empty())
      if (auto t = state_->type(type))
        for (auto& l : t->labels) labels.push_back({l.oid, l.sort_order, l.label});
    return labels;
  }
  const std::vector<CompositeColumn>& composite_columns(Oid type) override {
    auto& columns = composites_[type];
    if (columns.empty())
      if (auto t = state_->type(type); t != nullptr && t->relation != 0)
        for (auto& c : state_->relation(t->relation)->columns) columns.push_back({c.name, c.type, c.typmod, c.dropped});
    return columns;
  }
  TypeFacts type_facts(Oid type) override {
    const TypeRow& t = view_.type(type);
    TypeFacts f{};
    f.kind = t.typtype;
    f.category = t.category;
    f.element = t.element;
    f.array = t.array;
    f.base = t.base;
    f.typmod = t.base_typmod;
    f.delimiter = t.delimiter;
    f.relation = t.relation;
    Oid base = t.typtype == 'd' ? view_.base_type(type) : type;
    f.by_value = view_.type(base).like != 0 ? passed_by_value(view_.type(base).like) : base < oid::kFirstUserOid ? passed_by_value(base) : view_.type(base).typtype == 'e';
    return f;
  }
  void check_domain(Oid, NullableDatum) override {}
  std::optional<std::string> name_of(Oid, Oid) override { return std::nullopt; }
  Oid find(Oid, std::string_view name) override { throw Error(ErrorCode::kUndefinedObject, std::string(name)); }
  std::string format_type(Oid type, int32_t) override { return view_.format_type(type); }

 private:
  catalog::StatePtr state_;
  CatalogView view_;
  std::map<Oid, std::vector<EnumLabel>> enums_;
  std::map<Oid, std::vector<CompositeColumn>> composites_;
};

struct Types {
  explicit Types(catalog::StatePtr state) : lookup(std::move(state)) { eval.catalog = &lookup; }
  StateLookup lookup;
  EvalContext eval;
};
// One a thread and catalogue state.
EvalContext& eval_of(const catalog::StatePtr& state) {
  thread_local catalog::StatePtr made_for;
  thread_local std::unique_ptr<Types> types;
  if (types == nullptr || made_for != state) {
    types = std::make_unique<Types>(state);
    made_for = state;
  }
  return types->eval;
}

const std::string* option(const catalog::Relation& table, const char* name) {
  auto it = table.options.find(name);
  return it == table.options.end() ? nullptr : &it->second;
}
bool truth(const std::string& s) { return s == "true" || s == "on" || s == "1" || s == "yes" || s.empty(); }
bool has_changes(const catalog::Relation& table) {
  if (const std::string* s = option(table, "redis_changes")) return truth(*s);
  return option(table, "redis_key") != nullptr;
}
std::string stream_of(const catalog::Relation& table, const catalog::State& state) {
  if (table.schema == catalog::kPublic) return "changes:" + table.name;
  auto schema = state.get(catalog::ObjectKind::kSchema, table.schema);
  return "changes:" + (schema != nullptr ? schema->name + "." : std::string()) + table.name;
}
std::string limit_of(const catalog::Relation& table) {
  const std::string* s = option(table, "redis_changes_limit");
  return s != nullptr ? *s : kDefaultLimit;
}
bool eligible(const catalog::Relation& table) { return table.relkind == 'r' && table.persistence != 't'; }

void append_value(std::string& out, const catalog::Column& c, Datum v, EvalContext& eval) {
  if (c.type == oid::kBytea) out += v.as_view();
  else type_output(c.type, v, out, eval);
}
std::string row_json(const catalog::Relation& table, const NullableDatum* row, EvalContext& eval) {
  std::string out = "{";
  for (const catalog::Column& c : table.columns) {
    const NullableDatum& v = row[c.number - 1];
    if (c.dropped) continue;
    if (out.size() > 1) out += ",";
    append_json_string(out, c.name);
    out += ":";
    if (v.is_null) out += "null";
    else value_to_json(c.type, v, out, eval);
  }
  return out + "}";
}

}  // namespace

void check_table_options(const catalog::Relation& table, const catalog::State& state) {
  const std::string* limit = option(table, "redis_changes_limit");
  if (limit != nullptr && (limit->empty() || limit->find_first_not_of("0123456789") != std::string::npos))
    throw Error(ErrorCode::kInvalidParameterValue, "invalid value for redis_changes_limit: \"" + *limit + "\"");
  if (!eligible(table) && (option(table, "redis_key") != nullptr || option(table, "redis_changes") != nullptr))
    throw Error(ErrorCode::kInvalidParameterValue, "redis_key and redis_changes are for permanent tables only");
  const std::string* text = option(table, "redis_key");
  if (text == nullptr) return;
  KeyTemplate t = KeyTemplate::parse(*text, table);
  std::set<int16_t> columns(t.columns().begin(), t.columns().end());
  bool unique = false;
  for (Oid oid : table.indexes) {
    auto index = state.relation(oid);
    if (index == nullptr || !index->index || !index->index->unique || !index->index->immediate || !index->index->predicate_sql.empty()) continue;
    std::set<int16_t> keys;
    for (auto& k : index->index->keys) keys.insert(k.column);
    unique |= keys == columns;
  }
  for (int16_t c : columns) unique &= table.column(c)->not_null;
  if (!unique)
    throw Error(ErrorCode::kInvalidParameterValue, "invalid redis_key \"" + *text + "\"")
        .detail("Its columns must be the primary key or a unique key of NOT NULL columns.");
  state.for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
    auto& other = static_cast<const catalog::Relation&>(*o);
    const std::string* theirs = other.oid == table.oid ? nullptr : option(other, "redis_key");
    if (theirs == nullptr) return;
    std::string prefix = theirs->substr(0, theirs->find('{'));
    if (prefix.starts_with(t.prefix()) || t.prefix().starts_with(prefix))
      throw Error(ErrorCode::kDuplicateObject, "redis_key \"" + *text + "\" overlaps with that of table \"" + other.name + "\"")
          .detail("Its redis_key is \"" + *theirs + "\"; neither may begin with the text that begins the other.");
  });
}

struct RowKeys::TableInfo {
  catalog::Ptr<catalog::Relation> relation;
  std::shared_ptr<const rows::Table> table;
  KeyTemplate key;
  const rows::IndexDef* index = nullptr;
  std::vector<size_t> order;             // of the index's columns in the template
  keyspace::HashTable<Entry> cache;

  void clear() {
    cache.for_each([](Entry* e) { Entry::destroy(e); });
    cache.clear();
  }
  ~TableInfo() { clear(); }
};

RowKeys::RowKeys(keyspace::DurableKeyspace& durable, catalog::Catalog& catalog)
    : durable_(durable), ks_(durable.keyspace()), catalog_(catalog) {
  ks_.rows = this;
  KeyspaceTxn::rows_changed = [this](const std::string& key) { on_row_changed(key); };
  catalog_.on_change([this](const catalog::StatePtr&, const std::vector<catalog::ObjectAddress>& changed) {
    for (auto& a : changed)
      if (a.kind == catalog::ObjectKind::kRelation) {
        dirty_.store(true);
        ks_.rows_active = true;
        return;
      }
  });
  ks_.rows_active = true;   // the first look finds out
}
RowKeys::~RowKeys() {
  keyspace::KeyspaceLatch latch(ks_.latch());
  ks_.rows_active = false;
  ks_.rows = nullptr;
  KeyspaceTxn::rows_changed = nullptr;
}

void RowKeys::refresh() {
  if (!dirty_.exchange(false)) return;
  auto state = catalog_.state();
  tables_.clear();
  streams_.clear();
  cached_bytes_ = 0;
  state->for_each(catalog::ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
    auto relation = std::static_pointer_cast<const catalog::Relation>(o);
    if (relation->options.empty() || !eligible(*relation)) return;
    if (has_changes(*relation)) streams_[stream_of(*relation, *state)] = relation->name;
    const std::string* text = option(*relation, "redis_key");
    if (text == nullptr) return;
    try {
      auto info = std::make_unique<TableInfo>();
      info->relation = relation;
      info->key = KeyTemplate::parse(*text, *relation);
      info->table = rows::Table::make(relation, *state);
      for (const rows::IndexDef& x : info->table->indexes()) {
        if (!x.unique || x.deferrable || x.partial || x.has_expressions || x.keys.size() != info->key.columns().size()) continue;
        std::vector<size_t> order;
        for (auto& k : x.keys)
          for (size_t i = 0; i < info->key.columns().size(); ++i)
            if (info->key.columns()[i] == k.column) order.push_back(i);
        if (order.size() != x.keys.size()) continue;
        info->index = &x;
        info->order = std::move(order);
        break;
      }
      if (info->index != nullptr) tables_.push_back(std::move(info));
    } catch (const Error& e) {
      logging::warning("table \"{}\" is not served to Redis clients: {}", relation->name, e.message());
    }
  });
  std::sort(tables_.begin(), tables_.end(), [](auto& a, auto& b) { return a->relation->oid < b->relation->oid; });
  ks_.rows_active = !tables_.empty() || !streams_.empty();
  if (dirty_.load()) ks_.rows_active = true;
}

RowKeys::TableInfo* RowKeys::table_for(std::string_view key, std::vector<std::string_view>* values) {
  if (dirty_.load(std::memory_order_relaxed)) refresh();
  for (auto& t : tables_)
    if (key.starts_with(t->key.prefix()) && t->key.match(key, values)) return t.get();
  return nullptr;
}
bool RowKeys::owns(int db, std::string_view key) { return db == 0 && table_for(key, nullptr) != nullptr; }

std::string RowKeys::table_of(int db, std::string_view key) {
  if (db != 0) return {};
  if (TableInfo* t = table_for(key, nullptr)) return t->relation->name;
  auto it = streams_.find(key);
  return it == streams_.end() ? std::string() : it->second;
}
bool RowKeys::is_change_stream(int db, std::string_view key) {
  if (db != 0 || !key.starts_with("changes:")) return false;
  if (dirty_.load(std::memory_order_relaxed)) refresh();
  return streams_.contains(key);
}

Entry* RowKeys::find(keyspace::Database&, std::string_view key) {
  std::vector<std::string_view> values;
  TableInfo* t = table_for(key, nullptr);
  if (t == nullptr) return nullptr;
  if (Entry* e = t->cache.find(key)) return e;
  t->key.match(key, &values);
  // The caller holds the latch, and who changes rows of this table takes it for the commit: the newest
  // published version is the truth until the caller lets go.
  EvalContext& eval = eval_of(catalog_.state());
  Arena arena;
  std::vector<NullableDatum> keys;
  try {
    for (size_t at : t->order) {
      const catalog::Column* c = t->relation->column(t->key.columns()[at]);
      Datum v = type_input(c->type, values[at], c->typmod, arena, eval);
      std::string back;
      type_output(c->type, v, back, eval);
      if (back != values[at]) return nullptr;   // another spelling of the value is not its key
      keys.push_back({v, false});
    }
  } catch (const Error&) {
    return nullptr;
  }
  storage::TxnOptions options;
  options.read_only = true;
  auto txn = durable_.store().begin(options);
  rows::TableAccess access(t->table, *txn);
  storage::ReadView view{txn->statement_snapshot(), UINT32_MAX};
  auto row_id = access.find_unique(*t->index, keys, view);
  std::string bytes;
  if (!row_id || !access.fetch(*row_id, view, &bytes)) return nullptr;
  std::vector<NullableDatum> row(t->relation->columns.size());
  t->table->format().decode_all(bytes, row.data(), arena);
  uint64_t before = keyspace::g_memory_used;
  Object o = Object::new_hash();
  std::string text;
  for (const catalog::Column& c : t->relation->columns) {
    const NullableDatum& v = row[static_cast<size_t>(c.number - 1)];
    if (c.dropped || v.is_null) continue;
    text.clear();
    append_value(text, c, v.value, eval);
    std::string_view pair[] = {c.name, text};
    keyspace::hash_try_convert(ks_, o, pair, 0, 1);
    keyspace::hash_set(ks_, o, c.name, text);
  }
  Entry* e = Entry::make(key, std::move(o));
  ks_.init_access(e->value);
  t->cache.insert(e);
  cached_bytes_ += keyspace::g_memory_used - before;
  return e;
}

void RowKeys::on_row_changed(const std::string& key) {
  if (!key.empty() && key[0] == '\0') {   // a whole table
    Oid oid = static_cast<Oid>(std::strtoul(key.c_str() + 1, nullptr, 10));
    for (auto& t : tables_) {
      if (t->relation->oid != oid) continue;
      std::set<std::string> keys;
      t->cache.for_each([&](Entry* e) { keys.emplace(e->key()); });
      for (auto& [watched, who] : ks_.db(0).watchers)
        if (t->key.match(watched, nullptr)) keys.insert(watched);
      for (auto& [tracked, who] : ks_.tracking_table)
        if (t->key.match(tracked, nullptr)) keys.insert(tracked);
      t->clear();
      for (auto& k : keys) ks_.row_changed(k, "del");
    }
    return;
  }
  TableInfo* t = table_for(key, nullptr);
  Entry* e = t == nullptr ? nullptr : t->cache.remove(key);
  if (e == nullptr) return;
  uint64_t before = keyspace::g_memory_used;
  Entry::destroy(e);
  cached_bytes_ -= std::min(cached_bytes_, before - keyspace::g_memory_used);
}

void RowKeys::trim(bool all) {
  if (dirty_.load(std::memory_order_relaxed)) refresh();
  if (!all && cached_bytes_ <= kCacheBytes) return;
  uint64_t budget = all ? 0 : kCacheBytes / 8 * 7;
  for (auto& t : tables_) {
    while (cached_bytes_ > budget && t->cache.size() > 0) {
      uint64_t before = keyspace::g_memory_used;
      Entry* e = t->cache.random();
      t->cache.remove(e->key());
      Entry::destroy(e);
      cached_bytes_ -= std::min(cached_bytes_, before - keyspace::g_memory_used);
    }
    if (t->cache.size() == 0) t->clear();
  }
  if (all) cached_bytes_ = 0;
}

// A cursor: bit 63, the table's place, the next row id.
uint64_t RowKeys::scan(int db, uint64_t cursor, size_t count, const std::function<void(std::string_view)>& f) {
  if (db != 0) return 0;
  if (dirty_.load(std::memory_order_relaxed)) refresh();
  constexpr uint64_t kTop = uint64_t{1} << 63, kRowMask = (uint64_t{1} << 48) - 1;
  if (tables_.empty()) return 0;
  if (count == 0) return kTop;
  size_t at = (cursor & ~kTop) >> 48, seen = 0;
  uint64_t from = cursor & kRowMask;
  EvalContext& eval = eval_of(catalog_.state());
  storage::TxnOptions options;
  options.read_only = true;
  auto txn = durable_.store().begin(options);
  storage::ReadView view{txn->statement_snapshot(), UINT32_MAX};
  for (; at < tables_.size(); ++at, from = 0) {
    TableInfo& t = *tables_[at];
    rows::TableAccess access(t.table, *txn);
    Arena arena;
    for (auto c = access.scan(view, from, UINT64_MAX); c.valid(); c.next()) {
      if (seen >= count) return kTop | static_cast<uint64_t>(at) << 48 | (c.row_id() & kRowMask);
      ++seen;
      std::vector<std::string> values;
      arena.reset();
      for (int16_t n : t.key.columns()) {
        NullableDatum v = t.table->format().decode(c.bytes(), static_cast<size_t>(n - 1), arena);
        values.emplace_back();
        if (!v.is_null) append_value(values.back(), *t.relation->column(n), v.value, eval);
      }
      f(t.key.key_of(values));
    }
  }
  return 0;
}

bool RowKeys::target(std::string_view key, Target* out) {
  keyspace::KeyspaceLatch latch(ks_.latch());
  std::vector<std::string_view> values;
  TableInfo* t = table_for(key, &values);
  if (t == nullptr) return false;
  auto state = catalog_.state();
  auto schema = state->get(catalog::ObjectKind::kSchema, t->relation->schema);
  out->name = t->relation->name;
  out->table = quoted_name(schema->name) + "." + quoted_name(t->relation->name);
  EvalContext& eval = eval_of(state);
  for (const catalog::Column& c : t->relation->columns) {
    if (c.dropped) continue;
    out->columns.push_back(c.name);
    out->types.push_back(c.type == oid::kBytea ? "bytea" : format_type_sql(c.type, c.typmod, &eval));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    out->key_columns.push_back(t->relation->column(t->key.columns()[i])->name);
    out->key_values.emplace_back(values[i]);
  }
  return true;
}

// ---- changes of rows, on the writer's thread ----

bool RowKeys::wants(const catalog::Relation& table, const catalog::State&) {
  return eligible(table) && (option(table, "redis_key") != nullptr || has_changes(table));
}

void RowKeys::row_changed(storage::Transaction& txn, const rows::RowChange& change) {
  const catalog::Relation& r = change.table->relation();
  auto state = catalog_.state();
  EvalContext& eval = eval_of(state);
  KeyspaceTxn& mine = KeyspaceTxn::of(durable_, txn);
  std::string old_key, new_key;
  if (const std::string* text = option(r, "redis_key")) {
    KeyTemplate key = KeyTemplate::parse(*text, r);
    auto key_of = [&](const NullableDatum* row) {
      std::vector<std::string> values;
      for (int16_t n : key.columns()) {
        values.emplace_back();
        if (!row[n - 1].is_null) append_value(values.back(), *r.column(n), row[n - 1].value, eval);
      }
      return key.key_of(values);
    };
    if (change.old_row != nullptr) old_key = key_of(change.old_row);
    if (change.new_row != nullptr) new_key = key_of(change.new_row);
    if (!old_key.empty() && old_key != new_key) mine.row_changed(old_key, "del");
    if (!new_key.empty()) mine.row_changed(new_key, "hset");
  }
  if (!has_changes(r)) return;
  const char* op = change.old_row == nullptr ? "insert" : change.new_row == nullptr ? "delete" : "update";
  std::vector<std::string> effect{std::string(keyspace::kTableChange), stream_of(r, *state), limit_of(r), "op", op};
  auto add = [&](const char* name, std::string value) {
    effect.emplace_back(name);
    effect.push_back(std::move(value));
  };
  if (!new_key.empty() || !old_key.empty()) add("key", new_key.empty() ? old_key : new_key);
  if (change.old_row != nullptr) add("old", row_json(r, change.old_row, eval));
  if (change.new_row != nullptr) add("new", row_json(r, change.new_row, eval));
  mine.table_changed(effect);
}

void RowKeys::truncated(storage::Transaction& txn, const rows::Table& table) {
  const catalog::Relation& r = table.relation();
  KeyspaceTxn& mine = KeyspaceTxn::of(durable_, txn);
  if (option(r, "redis_key") != nullptr) mine.row_changed(std::string(1, '\0') + std::to_string(r.oid), nullptr);
  if (has_changes(r)) mine.table_changed({std::string(keyspace::kTableChange), stream_of(r, *catalog_.state()), limit_of(r), "op", "truncate"});
}

}  // namespace stele::sql::redis

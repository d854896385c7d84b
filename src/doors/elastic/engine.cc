#include "doors/elastic/engine.h"

#include "types/oids.h"
#include "types/type_io.h"

namespace stele::elastic {

using catalog::ObjectKind;

namespace {
constexpr const char* kExtra = "elastic";

std::string random_name(size_t n) {
  static const char* kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  for (size_t i = 0; i < n; ++i) out.push_back(kAlphabet[secure_random() % (i == 0 ? 52 : 64)]);
  return out;
}

json::value as_strings(const json::value& v) {
  if (v.is_object()) {
    json::object o;
    for (auto& [k, e] : v.get_object()) o[k] = as_strings(e);
    return o;
  }
  if (v.is_array()) {
    json::array a;
    for (auto& e : v.get_array()) a.push_back(as_strings(e));
    return a;
  }
  if (v.is_null()) return v;
  return json::value(json_text(v));
}

// Settings in any of their spellings as {"index": {...}}.
json::object normal_settings(const json::object& given) {
  json::object flat, out;
  std::function<void(const json::object&, const std::string&)> walk = [&](const json::object& o, const std::string& prefix) {
    for (auto& [k, v] : o) {
      std::string key = prefix.empty() ? std::string(k) : prefix + "." + std::string(k);
      // Analysis definitions keep their own keys.
      if (v.is_object()) walk(v.get_object(), key);
      else out[key] = as_strings(v);
    }
  };
  walk(given, "");
  for (auto& [k, v] : out) {
    std::string key(k);
    if (!key.starts_with("index.")) key = "index." + key;
    flat[key] = v;
  }
  return flat;
}
}  // namespace

std::string Index::setting(const std::string& key) const {
  auto* index = settings.if_contains("index");
  if (index == nullptr || !index->is_object()) return {};
  json::object flat;
  flatten(index->get_object(), "", flat);
  auto* v = flat.if_contains(key);
  return v == nullptr ? std::string() : json_text(*v);
}

void check_blocks(const Index& x, uint32_t forbidden_by) {
  uint32_t hit = x.blocks & forbidden_by;
  if (hit == 0) return;
  std::string why;
  for (auto& [bit, text] : {std::pair<uint32_t, const char*>{kReadOnlyBlock, "FORBIDDEN/5/index read-only (api)"}, {kReadBlock, "FORBIDDEN/7/index read (api)"},
                            {kWriteBlock, "FORBIDDEN/8/index write (api)"}, {kMetadataBlock, "FORBIDDEN/9/index metadata (api)"},
                            {kAllowDeleteBlock, "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block"}}) {
    if ((hit & bit) != 0) why += std::string(why.empty() ? "" : ",") + "[" + text + "];";
  }
  throw ElasticError(hit == kAllowDeleteBlock ? 429 : 403, "cluster_block_exception", "index [" + x.name + "] blocked by: " + why);
}

Engine::Engine(sql::Database& database) : database_(database), parts_(database.engine()) {}

// A relation object is replaced by every change of its definition, its list of indexes included.
std::shared_ptr<const rows::Table> Engine::table_of(const catalog::Ptr<catalog::Relation>& relation, const catalog::State& state) const {
  std::lock_guard lock(table_mutex_);
  auto& slot = tables_[relation->oid];
  if (slot.first != relation) slot = {relation, rows::Table::make(relation, state)};
  return slot.second;
}

int64_t Engine::now_ms() const { return parts_.store->clock().unix_us() / 1000; }
std::string Engine::new_id() { return random_name(20); }

IndexPtr Engine::describe(const catalog::Ptr<catalog::Relation>& r, const catalog::State& state) const {
  if (r->relkind != 'r' || r->persistence == 't') return nullptr;
  segments::IndexedPtr indexed = segments().ensure(*r, state);
  if (!indexed) return nullptr;
  auto x = std::make_shared<Index>();
  x->name = r->name;
  x->oid = r->oid;
  x->relation = r;
  x->indexed = indexed;
  auto it = r->extra.find(kExtra);
  if (it == r->extra.end()) {
    x->elastic = false;
    x->uuid = fmt::format("sql{:019}", r->oid);
    x->settings = json::object{{"index", json::object{{"number_of_shards", "1"}, {"number_of_replicas", "0"}, {"uuid", x->uuid},
                                                      {"provided_name", x->name}, {"creation_date", "0"}, {"version", json::object{{"created", "8512000"}}}}}};
    return x;
  }
  json::object e = json::parse(it->second).as_object();
  x->uuid = text_or(e, "uuid");
  x->created_ms = e.contains("created") ? e.at("created").to_number<int64_t>() : 0;
  if (auto* s = e.if_contains("settings")) x->settings = s->as_object();
  if (auto* a = e.if_contains("aliases")) x->aliases = a->as_object();
  x->closed = flag_or(e, "closed", false);
  x->data_stream = text_or(e, "data_stream");
  static constexpr std::pair<const char*, uint32_t> kNames[] = {
      {"read_only", kReadOnlyBlock}, {"read", kReadBlock}, {"write", kWriteBlock}, {"metadata", kMetadataBlock}, {"read_only_allow_delete", kAllowDeleteBlock}};
  for (auto& [name, bit] : kNames) if (x->setting(std::string("blocks.") + name) == "true") x->blocks |= bit;
  return x;
}

std::vector<IndexPtr> Engine::all() const {
  auto state = parts_.catalog->state();
  std::lock_guard lock(cache_mutex_);
  if (cached_version_ != state->version()) {
    cache_.clear();
    state->for_each(ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
      auto r = std::static_pointer_cast<const catalog::Relation>(o);
      if (r->schema != catalog::kPublic) return;
      if (IndexPtr x = describe(r, *state)) cache_[x->name] = x;
    });
    cached_version_ = state->version();
  }
  std::vector<IndexPtr> out;
  for (auto& [name, x] : cache_) out.push_back(x);
  return out;
}
IndexPtr Engine::find(const std::string& name) const {
  all();
  std::lock_guard lock(cache_mutex_);
  auto it = cache_.find(name);
  return it == cache_.end() ? nullptr : it->second;
}
std::vector<IndexPtr> Engine::by_alias(const std::string& alias) const {
  std::vector<IndexPtr> out;
  for (auto& x : all()) {
    if (x->aliases.contains(alias) || x->data_stream == alias) out.push_back(x);
  }
  return out;
}

void Engine::validate_name(const std::string& name) {
  auto bad = [&](const std::string& why) {
    throw ElasticError(400, "invalid_index_name_exception", "Invalid index name [" + name + "], " + why,
                       json::object{{"index_uuid", "_na_"}, {"index", name}});
  };
  if (name.empty()) bad("must not be empty");
  for (char c : name) {
    if (std::strchr("\\/*?\"<>| ,", c) != nullptr) bad("must not contain the following characters ['\\','/','*','?','\"','<','>','|',' ',',']");
    if (c == '#') bad("must not contain '#'");
    if (c == ':') bad("must not contain ':'");
    if (c >= 'A' && c <= 'Z') bad("must be lowercase");
  }
  if (name[0] == '_' || name[0] == '-' || name[0] == '+') bad("must not start with '_', '-', or '+'");
  if (name == "." || name == "..") bad("must not be '.' or '..'");
  if (name.size() > 255) bad("index name is too long, (" + std::to_string(name.size()) + " > 255)");
}

IndexPtr Engine::create(const std::string& name, const json::object& body) {
  validate_name(name);
  std::lock_guard ddl(ddl_mutex_);
  if (IndexPtr old = find(name)) {
    throw ElasticError(400, "resource_already_exists_exception", "index [" + name + "/" + old->uuid + "] already exists",
                       json::object{{"index_uuid", old->uuid}, {"index", name}});
  }
  if (!by_alias(name).empty()) {
    throw ElasticError(400, "invalid_index_name_exception", "Invalid index name [" + name + "], already exists as alias", json::object{{"index_uuid", "_na_"}, {"index", name}});
  }
  json::object flat;
  if (auto* s = body.if_contains("settings"); s != nullptr && s->is_object()) flat = normal_settings(s->get_object());
  auto number = [&](const char* key, int64_t fallback, int64_t min) {
    auto* v = flat.if_contains(key);
    if (v == nullptr || v->is_null()) {
      flat[key] = std::to_string(fallback);
      return;
    }
    std::string t = json_text(*v);
    char* end;
    int64_t n = std::strtoll(t.c_str(), &end, 10);
    std::string k = key;
    if (*end != 0 || t.empty()) throw ElasticError(400, "illegal_argument_exception", "Failed to parse value [" + t + "] for setting [" + k + "]");
    if (n < min) throw ElasticError(400, "illegal_argument_exception", "Failed to parse value [" + t + "] for setting [" + k + "] must be >= " + std::to_string(min));
  };
  number("index.number_of_shards", 1, 1);
  number("index.number_of_replicas", 1, 0);
  std::string uuid = random_name(22);
  int64_t now = now_ms();
  flat["index.uuid"] = uuid;
  flat["index.creation_date"] = std::to_string(now);
  flat["index.provided_name"] = name;
  flat["index.version.created"] = "8512000";
  if (!flat.contains("index.routing.allocation.include._tier_preference")) {
    flat["index.routing.allocation.include._tier_preference"] = "data_content";
  }
  json::object settings = nest(flat);
  json::object mappings;
  if (auto* m = body.if_contains("mappings"); m != nullptr && m->is_object()) mappings = m->get_object();
  json::object aliases;
  if (auto* a = body.if_contains("aliases"); a != nullptr && a->is_object()) aliases = a->get_object();
  // Everything is parsed before anything is written.
  std::shared_ptr<segments::Analysis> analysis;
  auto& index_settings = settings["index"].get_object();
  try {
    auto* an = index_settings.if_contains("analysis");
    analysis = an != nullptr && an->is_object() ? std::make_shared<segments::Analysis>(an->get_object()) : std::make_shared<segments::Analysis>();
    mappings = segments::Mapping::parse(mappings, analysis)->json();
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kDocumentMapperParsing) {
      std::string m = e.message();
      if (!m.starts_with("Failed to parse mapping") && !m.starts_with("Root mapping")) {
        throw ElasticError(400, "mapper_parsing_exception", "Failed to parse mapping: " + m, json::object{{"caused_by", json::object{{"type", "mapper_parsing_exception"}, {"reason", m}}}});
      }
    }
    throw;
  }
  json::object extra{{"uuid", uuid}, {"created", now}, {"settings", settings}, {"mappings", mappings}, {"aliases", aliases}};
  if (auto* d = body.if_contains("data_stream"); d != nullptr && d->is_object()) extra["data_stream"] = d->get_object().at("name");

  auto txn = parts_.store->begin({});
  auto changes = parts_.catalog->begin(*txn);
  auto table = std::make_shared<catalog::Relation>();
  table->oid = parts_.catalog->allocate_oid();
  table->name = name;
  table->schema = catalog::kPublic;
  table->storage_id = parts_.catalog->allocate_storage_id();
  struct Spec { const char* name; Oid type; bool not_null; };
  constexpr Spec kColumns[] = {{"_id", oid::kText, true}, {"_source", oid::kJsonb, false}, {"_routing", oid::kText, false},
                               {"_seq_no", oid::kInt8, false}, {"_version", oid::kInt8, false}};
  int16_t number_of = 0;
  for (const Spec& s : kColumns) {
    catalog::Column c;
    c.name = s.name;
    c.number = ++number_of;
    c.type = s.type;
    c.not_null = s.not_null;
    if (s.type == oid::kText) c.collation = oid::kDefaultCollation;
    table->columns.push_back(c);
  }
  auto key = std::make_shared<catalog::Relation>();
  key->oid = parts_.catalog->allocate_oid();
  key->name = name + "_pkey";
  key->schema = catalog::kPublic;
  key->relkind = 'i';
  key->storage_id = parts_.catalog->allocate_storage_id();
  catalog::IndexInfo info;
  info.table = table->oid;
  info.unique = info.primary = true;
  catalog::IndexColumn column;
  column.column = 1;
  column.type = oid::kText;
  column.collation = oid::kDefaultCollation;
  column.opclass = 3126;
  info.keys.push_back(column);
  key->index = info;
  catalog::Column kc;
  kc.name = "_id";
  kc.number = 1;
  kc.type = oid::kText;
  kc.collation = oid::kDefaultCollation;
  key->columns.push_back(kc);
  catalog::Constraint pk;
  pk.oid = parts_.catalog->allocate_oid();
  pk.name = key->name;
  pk.kind = catalog::ConstraintKind::kPrimary;
  pk.columns = {1};
  pk.index = key->oid;
  table->constraints.push_back(pk);
  table->indexes.push_back(key->oid);
  auto row_type = std::make_shared<catalog::Type>();
  row_type->oid = parts_.catalog->allocate_oid();
  row_type->name = name;
  row_type->schema = catalog::kPublic;
  row_type->typtype = 'c';
  row_type->relation = table->oid;
  table->row_type = row_type->oid;
  table->extra[kExtra] = json::serialize(extra);
  changes->put(row_type);
  changes->put(table);
  changes->put(key);
  using catalog::Dependency;
  using catalog::DependencyKind;
  changes->add_dependency({{ObjectKind::kType, row_type->oid}, {ObjectKind::kRelation, table->oid}, DependencyKind::kInternal});
  changes->add_dependency({{ObjectKind::kRelation, key->oid}, {ObjectKind::kRelation, table->oid, 1}, DependencyKind::kAuto});
  changes->add_dependency({{ObjectKind::kRelation, table->oid}, {ObjectKind::kSchema, catalog::kPublic}, DependencyKind::kNormal});
  storage::Lsn lsn = txn->commit();
  parts_.store->wait_durable(lsn);
  return find(name);
}

void Engine::drop(const std::vector<IndexPtr>& indices) {
  for (const IndexPtr& x : indices) check_blocks(*x, kDeletingIndex);
  std::lock_guard ddl(ddl_mutex_);
  auto txn = parts_.store->begin({});
  auto changes = parts_.catalog->begin(*txn);
  for (const IndexPtr& x : indices) {
    auto state = changes->state();
    auto r = state->relation(x->oid);
    if (!r) continue;
    for (Oid i : r->indexes) {
      auto ir = state->relation(i);
      if (ir) rows::erase_storage(*txn, *ir);
      changes->drop(ObjectKind::kRelation, i);
    }
    rows::erase_storage(*txn, *r);
    if (r->row_type != 0) {
      auto t = state->type(r->row_type);
      if (t && t->array != 0) changes->drop(ObjectKind::kType, t->array);
      changes->drop(ObjectKind::kType, r->row_type);
    }
    changes->drop(ObjectKind::kRelation, x->oid);
  }
  parts_.store->wait_durable(txn->commit());
}

void Engine::change(const std::vector<std::pair<IndexPtr, std::function<void(json::object&)>>>& list) {
  std::lock_guard ddl(ddl_mutex_);
  auto txn = parts_.store->begin({});
  auto changes = parts_.catalog->begin(*txn);
  for (auto& [x, f] : list) {
    auto old = changes->state()->relation(x->oid);
    if (!old) continue;
    auto it = old->extra.find(kExtra);
    if (it == old->extra.end()) throw ElasticError(400, "illegal_argument_exception", "index [" + x->name + "] is an SQL table: change it through SQL");
    auto r = std::make_shared<catalog::Relation>(*old);
    json::object extra = json::parse(it->second).as_object();
    f(extra);
    r->extra[kExtra] = json::serialize(extra);
    changes->put(r);
  }
  parts_.store->wait_durable(txn->commit());
}

void Engine::put_mapping(const IndexPtr& index, const json::object& update) {
  check_blocks(*index, kChangingMetadata);
  if (!index->elastic) throw ElasticError(400, "illegal_argument_exception", "index [" + index->name + "] is an SQL table: its mapping follows its columns");
  segments().extend_mapping(index->oid, [&](const segments::Mapping& m) { return m.merge(update); });
}

std::optional<json::object> Engine::get_thing(const std::string& kind, const std::string& name) const {
  auto o = parts_.catalog->state()->find(ObjectKind::kSetting, 0, "elastic-" + kind + "/" + name);
  if (!o) return std::nullopt;
  return json::parse(static_cast<const catalog::Setting&>(*o).value).as_object();
}
std::map<std::string, json::object> Engine::things(const std::string& kind) const {
  std::map<std::string, json::object> out;
  std::string prefix = "elastic-" + kind + "/";
  parts_.catalog->state()->for_each(ObjectKind::kSetting, [&](const catalog::Ptr<catalog::Object>& o) {
    if (o->name.starts_with(prefix)) out[o->name.substr(prefix.size())] = json::parse(static_cast<const catalog::Setting&>(*o).value).as_object();
  });
  return out;
}
void Engine::put_thing(const std::string& kind, const std::string& name, const json::object& body) {
  std::lock_guard ddl(ddl_mutex_);
  auto txn = parts_.store->begin({});
  auto changes = parts_.catalog->begin(*txn);
  std::string full = "elastic-" + kind + "/" + name;
  auto old = changes->state()->find(ObjectKind::kSetting, 0, full);
  auto s = std::make_shared<catalog::Setting>();
  s->oid = old ? old->oid : parts_.catalog->allocate_oid();
  s->name = full;
  s->value = json::serialize(body);
  changes->put(s);
  parts_.store->wait_durable(txn->commit());
}
bool Engine::drop_thing(const std::string& kind, const std::string& name) {
  std::lock_guard ddl(ddl_mutex_);
  auto txn = parts_.store->begin({});
  auto changes = parts_.catalog->begin(*txn);
  auto old = changes->state()->find(ObjectKind::kSetting, 0, "elastic-" + kind + "/" + name);
  if (!old) return false;
  changes->drop(ObjectKind::kSetting, old->oid);
  parts_.store->wait_durable(txn->commit());
  return true;
}

const rows::IndexDef* primary_of(const rows::Table& table) {
  for (const rows::IndexDef& d : table.indexes()) {
    if (d.relation->index && d.relation->index->primary) return &d;
  }
  return nullptr;
}
// The row of an id; nullopt when there is none (or the id cannot be a key of the table).
std::optional<uint64_t> row_of(const Index& x, rows::TableAccess& access, const std::string& id, const storage::ReadView& view, Arena& arena) {
  const rows::IndexDef* pk = primary_of(access.table());
  if (pk == nullptr) return std::nullopt;
  std::vector<NullableDatum> key;
  EvalContext ctx;
  std::vector<std::string> parts = pk->keys.size() == 1 ? std::vector<std::string>{id} : split(id, ':');
  if (parts.size() != pk->keys.size()) return std::nullopt;
  for (size_t i = 0; i < parts.size(); ++i) {
    const catalog::Column* c = x.relation->column(pk->keys[i].column);
    try {
      if (c->type == oid::kText) key.push_back({make_bytes(arena, parts[i]), false});
      else key.push_back({type_input(c->type, parts[i], c->typmod, arena, ctx), false});
    } catch (const Error&) {
      return std::nullopt;
    }
  }
  return access.find_unique(*pk, key, view);
}
Document Engine::get(const Index& index, const std::string& id) const {
  Document d;
  auto state = parts_.catalog->state();
  auto relation = state->relation(index.oid);
  if (!relation) return d;
  auto table = table_of(relation, *state);
  auto txn = parts_.store->begin({.read_only = true});
  rows::TableAccess access(table, *txn);
  Arena arena;
  storage::ReadView view{txn->statement_snapshot()};
  auto row_id = row_of(index, access, id, view, arena);
  if (!row_id) return d;
  std::string bytes;
  if (!access.fetch(*row_id, view, &bytes)) return d;
  std::vector<NullableDatum> row(relation->columns.size());
  table->format().decode_all(bytes, row.data(), arena);
  segments::RowDocument rd;
  d.source = segments::Segments::row_source(*relation, row, &rd);
  d.found = true;
  d.row_id = *row_id;
  d.id = rd.id;
  d.routing = rd.routing;
  d.version = rd.version > 0 ? rd.version : std::max<int64_t>(1, rows::RowFormat::document_version(bytes));
  d.seq_no = std::max<int64_t>(rd.seq_no, 0);
  return d;
}

json::object Engine::source_of(const Index& index, uint64_t row_id, const storage::SnapshotPtr& snapshot) const {
  auto table = table_of(index.relation, *parts_.catalog->state());
  auto txn = parts_.store->begin({.read_only = true});
  rows::TableAccess access(table, *txn);
  std::string bytes;
  if (!access.fetch(row_id, storage::ReadView{snapshot}, &bytes)) return {};
  Arena arena;
  std::vector<NullableDatum> row(index.relation->columns.size());
  table->format().decode_all(bytes, row.data(), arena);
  return segments::Segments::row_source(*index.relation, row, nullptr);
}

std::vector<segments::Leaf> Engine::leaves(const Index& index, const storage::SnapshotPtr& s) const {
  return segments().leaves(*index.indexed, s->lsn());
}

}  // namespace stele::elastic

#include "doors/qdrant/engine.h"

namespace stele::qdrant {

using catalog::ObjectKind;

namespace {

constexpr const char* kConfigKey = "qdrant";
constexpr std::string_view kAliasPrefix = "qdrant-alias/";

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (char c : name) {
    out.push_back(c);
    if (c == '"') out.push_back('"');
  }
  return out + "\"";
}
// Indexes of Qdrant are any 32-bit number.
constexpr uint64_t kSparseDimensions = UINT32_MAX;

// Every vector of a config: name -> parameters. The unnamed one is "".
std::vector<std::pair<std::string, const json::object*>> dense_of(const json::object& config) {
  std::vector<std::pair<std::string, const json::object*>> out;
  const json::value* v = member(config.at("params").get_object(), "vectors");
  if (v == nullptr || !v->is_object()) return out;
  const json::object& o = v->get_object();
  if (o.if_contains("size") != nullptr && o.at("size").is_number()) {
    out.emplace_back("", &o);
  } else {
    for (const auto& [name, spec] : o) out.emplace_back(std::string(view(name)), &spec.get_object());
  }
  return out;
}
// A payload as the column keeps it: 2.0 stays a fraction, which no integer matches.
void append_json(const json::value& v, std::string* out) {
  if (const auto* d = v.if_double()) {
    *out += *d == std::floor(*d) && std::fabs(*d) < 1e15 ? fmt::format("{:.1f}", *d) : fmt::format("{}", *d);
  } else if (const auto* o = v.if_object()) {
    *out += '{';
    for (const auto& [key, x] : *o) {
      if (out->back() != '{') *out += ',';
      *out += json::serialize(json::string(key)) + ":";
      append_json(x, out);
    }
    *out += '}';
  } else if (const auto* a = v.if_array()) {
    *out += '[';
    for (const json::value& x : *a) {
      if (out->back() != '[') *out += ',';
      append_json(x, out);
    }
    *out += ']';
  } else {
    *out += json::serialize(v);
  }
}
std::string vector_text(const VectorValue& v, uint64_t sparse_dimensions) {
  std::string out;
  if (v.kind == VectorValue::Kind::kDense) {
    out = "[";
    for (size_t i = 0; i < v.dense.size(); ++i) out += fmt::format("{}{}", i == 0 ? "" : ",", v.dense[i]);
    return out + "]";
  }
  if (v.kind == VectorValue::Kind::kMulti) {
    out = "{";
    for (size_t i = 0; i < v.multi.size(); ++i) {
      out += i == 0 ? "\"[" : ",\"[";
      for (size_t j = 0; j < v.multi[i].size(); ++j) out += fmt::format("{}{}", j == 0 ? "" : ",", v.multi[i][j]);
      out += "]\"";
    }
    return out + "}";
  }
  out = "{";
  for (size_t i = 0; i < v.sparse.indexes.size(); ++i) {
    out += fmt::format("{}{}:{}", i == 0 ? "" : ",", uint64_t{v.sparse.indexes[i]} + 1, v.sparse.values[i]);
  }
  return out + fmt::format("}}/{}", sparse_dimensions);
}

}  // namespace

const vectors::DenseSpec* Handle::dense(const std::string& vector) const {
  auto it = data->dense_specs().find(vector);
  return it == data->dense_specs().end() ? nullptr : &it->second;
}
const vectors::SparseSpec* Handle::sparse(const std::string& vector) const {
  auto it = data->sparse_specs().find(vector);
  return it == data->sparse_specs().end() ? nullptr : &it->second;
}

Engine::Engine(sql::Database& database, vectors::VectorStore& store, std::string snapshots)
    : database_(database), store_(store), snapshots_(std::move(snapshots)) {}
Engine::~Engine() = default;

void Engine::with_session(const std::function<void(sql::Session&)>& f) {
  std::unique_ptr<sql::Session> session;
  {
    std::lock_guard lock(pool_mutex_);
    if (!pool_.empty()) {
      session = std::move(pool_.back());
      pool_.pop_back();
    }
  }
  if (session == nullptr) {
    sql::SessionOptions options;
    options.application_name = "qdrant";
    options.notice = [](const sql::Notice&) {};
    session = database_.connect(options);
  }
  f(*session);
  std::lock_guard lock(pool_mutex_);
  if (pool_.size() < 16) pool_.push_back(std::move(session));
}

void Engine::run(sql::Session& session, const std::string& sql) {
  sql::DiscardResults sink;
  session.simple_query(sql, sink);
}

void Engine::execute(sql::Session& session, const std::string& sql, const Params& params, std::string* parsed) {
  sql::DiscardResults sink;
  std::vector<sql::Session::Param> bound;
  bound.reserve(params.size());
  for (const auto& p : params) bound.push_back({p ? std::string_view(*p) : std::string_view(), !p.has_value(), false});
  if (parsed == nullptr || *parsed != sql) {
    session.parse("", sql, {});
    if (parsed != nullptr) *parsed = sql;
  }
  session.bind("", "", bound, {});
  session.execute("", 0, sink);
}

uint64_t Engine::finish(sql::Session& session, bool wait) {
  run(session, "COMMIT");
  const Lsn lsn = session.pending_durable();
  if (wait && lsn != 0) database_.engine().store->wait_durable(lsn);
  session.acknowledged();
  return lsn != 0 ? lsn : database_.engine().store->published_lsn();
}

std::string Engine::resolve(const std::string& name) {
  const auto state = database_.engine().catalog->state();
  const auto alias = std::static_pointer_cast<const catalog::Setting>(state->find(ObjectKind::kSetting, 0, std::string(kAliasPrefix) + name));
  return alias == nullptr ? name : alias->value;
}

Handle Engine::open(const std::string& name) {
  Handle h;
  h.snapshot = database_.engine().store->snapshot();
  h.lsn = h.snapshot->lsn();
  const auto state = database_.engine().catalog->state();
  h.name = resolve(name);
  h.relation = std::static_pointer_cast<const catalog::Relation>(state->find(ObjectKind::kRelation, catalog::kPublic, h.name));
  if (h.relation != nullptr) h.data = store_.collection(*h.relation, *state);
  if (h.data == nullptr) not_found(fmt::format("Collection `{}` doesn't exist!", name));
  h.spec = *vectors::collection_spec(*h.relation, *state);
  auto config = h.relation->extra.find(kConfigKey);
  if (config != h.relation->extra.end()) {
    h.config = json::parse(config->second).as_object();
  } else {
    // A table made in SQL: its configuration follows from its columns and indexes.
    json::object all;
    static constexpr const char* kDistances[] = {"Euclid", "Dot", "Cosine", "Manhattan"};
    for (const auto& [vector, spec] : h.data->dense_specs()) {
      all[vector] = json::object{{"size", spec.graph.dimensions}, {"distance", kDistances[static_cast<int>(spec.graph.metric)]}};
    }
    h.config["params"] = json::object{{"vectors", all}, {"shard_number", 1}, {"replication_factor", 1},
                                      {"write_consistency_factor", 1}, {"on_disk_payload", true}};
  }
  return h;
}

bool Engine::exists(const std::string& name) {
  const auto state = database_.engine().catalog->state();
  const auto relation = std::static_pointer_cast<const catalog::Relation>(state->find(ObjectKind::kRelation, catalog::kPublic, resolve(name)));
  return relation != nullptr && vectors::collection_spec(*relation, *state).has_value();
}

std::vector<std::string> Engine::list() {
  std::vector<std::string> names;
  const auto state = database_.engine().catalog->state();
  state->for_each(ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) {
    const auto& relation = static_cast<const catalog::Relation&>(*o);
    if (relation.relkind == 'r' && relation.schema == catalog::kPublic && vectors::collection_spec(relation, *state)) names.push_back(o->name);
  });
  std::sort(names.begin(), names.end());
  return names;
}

void Engine::create(const std::string& name, json::object config) {
  if (resolve(name) != name) bad_request(fmt::format("Can't create collection with name {}. Alias with the same name already exists", name));
  if (exists(name)) throw ApiError(409, fmt::format("Wrong input: Collection `{}` already exists!", name));
  std::string ddl = fmt::format("CREATE TABLE public.{} (id text PRIMARY KEY, payload jsonb NOT NULL DEFAULT '{{}}'", quoted(name));
  for (const auto& [vector, spec] : dense_of(config)) {
    ddl += fmt::format(", {} vector({}){}", quoted(vectors::vector_column(vector)), json::value_to<uint64_t>(spec->at("size")),
                       object_member(*spec, "multivector_config") == nullptr ? "" : "[]");
  }
  if (const json::value* sparse = member(config.at("params").get_object(), "sparse_vectors"); sparse != nullptr) {
    for (const auto& [vector, spec] : sparse->get_object()) ddl += fmt::format(", {} sparsevec", quoted(vectors::vector_column(std::string(view(vector)))));
  }
  ddl += ")";
  with_session([&](sql::Session& session) {
    run(session, "BEGIN");
    run(session, ddl);
    catalog::Changes& changes = *session.exec_context().catalog;
    const auto found = changes.state()->find(ObjectKind::kRelation, catalog::kPublic, name);
    auto relation = std::make_shared<catalog::Relation>(static_cast<const catalog::Relation&>(*found));
    relation->extra[kConfigKey] = json::serialize(config);
    changes.put(std::move(relation));
    finish(session, true);
  });
}

bool Engine::drop(const std::string& name) {
  const std::string& target = name;   // an alias drops nothing
  if (resolve(name) != name || !exists(name)) return false;
  with_session([&](sql::Session& session) {
    run(session, "BEGIN");
    run(session, fmt::format("DROP TABLE public.{}", quoted(target)));
    catalog::Changes& changes = *session.exec_context().catalog;
    for (const auto& [alias, collection] : aliases()) {
      if (collection != target) continue;
      const auto o = changes.state()->find(ObjectKind::kSetting, 0, std::string(kAliasPrefix) + alias);
      if (o != nullptr) changes.drop(ObjectKind::kSetting, o->oid);
    }
    finish(session, true);
  });
  return true;
}

void Engine::replace(const std::string& name, const std::string& with) {
  with_session([&](sql::Session& session) {
    run(session, "BEGIN");
    if (exists(name)) run(session, fmt::format("DROP TABLE public.{}", quoted(name)));
    run(session, fmt::format("ALTER TABLE public.{} RENAME TO {}", quoted(with), quoted(name)));
    finish(session, true);
  });
}

void Engine::change_config(const std::string& name, const std::function<void(json::object&)>& change) {
  with_session([&](sql::Session& session) {
    run(session, "BEGIN");
    run(session, fmt::format("LOCK TABLE public.{} IN SHARE UPDATE EXCLUSIVE MODE", quoted(name)));
    catalog::Changes& changes = *session.exec_context().catalog;
    const auto found = changes.state()->find(ObjectKind::kRelation, catalog::kPublic, name);
    if (found == nullptr) not_found(fmt::format("Collection `{}` doesn't exist!", name));
    auto relation = std::make_shared<catalog::Relation>(static_cast<const catalog::Relation&>(*found));
    auto config = relation->extra.find(kConfigKey);
    if (config == relation->extra.end()) {
      bad_request(fmt::format("`{}` is a table made in SQL: its indexes and options are changed there", name));
    }
    json::object newest = json::parse(config->second).as_object();
    change(newest);
    config->second = json::serialize(newest);
    changes.put(std::move(relation));
    finish(session, true);
  });
}

void Engine::reconfigure(const std::string& name) {
  const auto state = database_.engine().catalog->state();
  const auto relation = std::static_pointer_cast<const catalog::Relation>(state->find(ObjectKind::kRelation, catalog::kPublic, name));
  if (relation != nullptr) store_.reconfigure(*relation, *state);
}

std::vector<std::pair<std::string, std::string>> Engine::aliases() {
  std::vector<std::pair<std::string, std::string>> out;
  database_.engine().catalog->state()->for_each(ObjectKind::kSetting, [&](const catalog::Ptr<catalog::Object>& o) {
    if (o->name.starts_with(kAliasPrefix)) {
      out.emplace_back(o->name.substr(kAliasPrefix.size()), static_cast<const catalog::Setting&>(*o).value);
    }
  });
  std::sort(out.begin(), out.end());
  return out;
}

void Engine::change_aliases(const json::array& actions) {
  with_session([&](sql::Session& session) {
    run(session, "BEGIN");
    catalog::Changes& changes = *session.exec_context().catalog;
    auto find = [&](const std::string& alias) {
      return std::static_pointer_cast<const catalog::Setting>(changes.state()->find(ObjectKind::kSetting, 0, std::string(kAliasPrefix) + alias));
    };
    auto remove = [&](const std::string& alias) {
      if (const auto o = find(alias)) changes.drop(ObjectKind::kSetting, o->oid);
    };
    auto put = [&](const std::string& alias, const std::string& collection) {
      remove(alias);
      auto setting = std::make_shared<catalog::Setting>();
      setting->oid = database_.engine().catalog->allocate_oid();
      setting->name = std::string(kAliasPrefix) + alias;
      setting->value = collection;
      changes.put(std::move(setting));
    };
    try {
      for (const json::value& action : actions) {
        const json::object& o = as_object(action, "action");
        if (const json::object* c = object_member(o, "create_alias")) {
          const std::string collection = as_string(required(*c, "collection_name"), "collection_name");
          const std::string alias = as_string(required(*c, "alias_name"), "alias_name");
          if (!exists(collection)) not_found(fmt::format("Collection `{}` doesn't exist!", collection));
          const auto table = std::static_pointer_cast<const catalog::Relation>(changes.state()->find(ObjectKind::kRelation, catalog::kPublic, alias));
          if (table != nullptr && vectors::collection_spec(*table, *changes.state())) throw ApiError(409, fmt::format("Wrong input: Collection `{}` already exists!", alias));
          put(alias, collection);
        } else if (const json::object* d = object_member(o, "delete_alias")) {
          remove(as_string(required(*d, "alias_name"), "alias_name"));
        } else if (const json::object* r = object_member(o, "rename_alias")) {
          const std::string from = as_string(required(*r, "old_alias_name"), "old_alias_name");
          const auto old = find(from);
          if (old == nullptr) not_found(fmt::format("Alias {} does not exists!", from));
          const std::string collection = old->value;
          remove(from);
          put(as_string(required(*r, "new_alias_name"), "new_alias_name"), collection);
        } else {
          bad_format("data did not match any variant of untagged enum AliasOperations");
        }
      }
    } catch (...) {
      run(session, "ROLLBACK");
      throw;
    }
    finish(session, true);
  });
}

namespace {
// Whoever writes or locks several rows takes them in this order, so that no two wait for each other.
bool by_text(const vectors::PointId& a, const vectors::PointId& b) { return a.to_text() < b.to_text(); }
}  // namespace

void Engine::begin(sql::Session& session, bool wait) { run(session, wait ? "BEGIN" : "BEGIN; SET LOCAL synchronous_commit = off"); }

void Engine::lock_rows(sql::Session& session, const Handle& h, const std::vector<vectors::PointId>& points) {
  const std::string id = quoted(h.relation->column(h.spec.id_column)->name);
  std::string list = "{";
  for (const auto& p : points) {
    list += list.size() == 1 ? "\"" : ",\"";
    for (char c : p.to_text()) {
      if (c == '"' || c == '\\') list += '\\';
      list += c;
    }
    list += '"';
  }
  execute(session, fmt::format("SELECT 1 FROM public.{} WHERE {} = ANY($1) ORDER BY {} FOR UPDATE", quoted(h.name), id, id), {list + "}"});
}

uint64_t Engine::change(const Handle& h, std::vector<vectors::PointId> points, bool wait,
                        const std::function<std::vector<PointWrite>(const Handle& newest)>& make) {
  if (points.empty()) return h.lsn;
  uint64_t lsn = 0;
  with_session([&](sql::Session& session) {
    begin(session, wait);
    lock_rows(session, h, points);
    // Whoever had the locks published before letting them go.
    Handle newest = h;
    newest.snapshot = database_.engine().store->snapshot();
    newest.lsn = newest.snapshot->lsn();
    put(session, h, make(newest));
    lsn = finish(session, wait);
  });
  return lsn;
}

uint64_t Engine::write(const Handle& h, std::vector<PointWrite> points, bool wait) {
  std::stable_sort(points.begin(), points.end(), [](const PointWrite& a, const PointWrite& b) { return by_text(a.id, b.id); });
  uint64_t lsn = 0;
  with_session([&](sql::Session& session) {
    begin(session, wait);
    put(session, h, points);
    lsn = finish(session, wait);
  });
  return lsn;
}

void Engine::put(sql::Session& session, const Handle& h, const std::vector<PointWrite>& points) {
  const catalog::Column& id = *h.relation->column(h.spec.id_column);
  auto column_name = [&](const std::string& vector) -> std::string {
    for (const auto* list : {&h.spec.dense_columns, &h.spec.sparse_columns}) {
      for (const auto& v : *list) {
        if (v.name == vector) return h.relation->column(v.column)->name;
      }
    }
    bad_request(fmt::format("Not existing vector name error: {}", vector));
  };
  std::string payload_column;
  if (h.spec.payload_column != 0) payload_column = h.relation->column(h.spec.payload_column)->name;
  std::string parsed;
  for (const PointWrite& p : points) {
    std::vector<std::string> columns{id.name};
    Params params{p.id.to_text()};
    if (p.payload) {
      if (payload_column.empty()) {
        for (const auto& [key, value] : *p.payload) {
          const std::string name(view(key));
          if (h.relation->column(name) == nullptr) bad_request(fmt::format("table \"{}\" has no column \"{}\" for this payload key", h.name, name));
          columns.push_back(name);
          if (value.is_null()) {
            params.emplace_back(std::nullopt);
          } else {
            params.emplace_back(value.is_string() ? std::string(view(value.get_string())) : json::serialize(value));
          }
        }
      } else {
        columns.push_back(payload_column);
        std::string text;
        append_json(*p.payload, &text);
        params.emplace_back(std::move(text));
      }
    } else if (p.replace && !payload_column.empty()) {
      columns.push_back(payload_column);
      params.emplace_back("{}");
    }
    std::set<std::string> named;
    for (const auto& [name, v] : p.set) {
      named.insert(name);
      columns.push_back(column_name(name));
      params.emplace_back(vector_text(v, kSparseDimensions));
    }
    std::vector<std::string> cleared = p.clear;
    if (p.replace) {
      for (const auto* list : {&h.spec.dense_columns, &h.spec.sparse_columns}) {
        for (const auto& v : *list) {
          if (!named.contains(v.name)) cleared.push_back(v.name);
        }
      }
    }
    for (const std::string& name : cleared) {
      columns.push_back(column_name(name));
      params.emplace_back(std::nullopt);
    }
    std::string names, values, updates;
    for (size_t i = 0; i < columns.size(); ++i) {
      const std::string q = quoted(columns[i]);
      names += (i == 0 ? "" : ", ") + q;
      values += fmt::format("{}${}", i == 0 ? "" : ", ", i + 1);
      if (i > 0) updates += fmt::format("{}{} = EXCLUDED.{}", updates.empty() ? "" : ", ", q, q);
    }
    execute(session, fmt::format("INSERT INTO public.{} ({}) VALUES ({}) ON CONFLICT ({}) DO {}", quoted(h.name), names, values, quoted(id.name),
                                 updates.empty() ? std::string("NOTHING") : "UPDATE SET " + updates), params, &parsed);
  }
}

void Engine::copy_points(const Handle& from, const Handle& to) {
  std::vector<PointWrite> writes;
  from.data->for_each(from.lsn, [&](const vectors::Collection::Found& p) {
    PointWrite w;
    w.id = p.id;
    w.replace = true;
    if (p.payload != nullptr) w.payload = p.payload->get_object();
    for (const auto& [name, spec] : to.data->dense_specs()) {
      VectorValue v;
      const auto* field = from.data->dense(name);
      const auto* multi = from.data->multi(name);
      if (field != nullptr && !spec.multi && field->vector(p.row, from.lsn, &v.dense)) {
        w.set.emplace_back(name, std::move(v));
      } else if (multi != nullptr && spec.multi && multi->vector(p.row, from.lsn, &v.multi)) {
        v.kind = VectorValue::Kind::kMulti;
        w.set.emplace_back(name, std::move(v));
      }
    }
    for (const auto& [name, spec] : to.data->sparse_specs()) {
      VectorValue v;
      v.kind = VectorValue::Kind::kSparse;
      const auto* field = from.data->sparse(name);
      if (field != nullptr && field->vector(p.row, from.lsn, &v.sparse)) w.set.emplace_back(name, std::move(v));
    }
    writes.push_back(std::move(w));
    return true;
  });
  if (!writes.empty()) write(to, std::move(writes), true);
}

uint64_t Engine::erase(const Handle& h, std::vector<vectors::PointId> ids, bool wait) {
  std::sort(ids.begin(), ids.end(), by_text);
  uint64_t lsn = 0;
  with_session([&](sql::Session& session) {
    begin(session, wait);
    const std::string sql = fmt::format("DELETE FROM public.{} WHERE {} = $1", quoted(h.name), quoted(h.relation->column(h.spec.id_column)->name));
    std::string parsed;
    for (const vectors::PointId& id : ids) execute(session, sql, {id.to_text()}, &parsed);
    lsn = finish(session, wait);
  });
  return lsn;
}

}  // namespace stele::qdrant

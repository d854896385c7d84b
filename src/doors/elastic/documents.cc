// Single documents, bulk, mget, update and delete by query, reindex.
#include "doors/elastic/activity.h"
#include "doors/elastic/ingest.h"
#include "doors/elastic/scripts.h"
#include "doors/elastic/time_series.h"

namespace stele::elastic {

namespace {

json::object write_reply(const WriteResult& r, Call& c) {
  json::object o{{"_index", r.index}, {"_id", r.id}, {"_version", r.version}, {"result", r.result}};
  std::string refresh = c.param("refresh", "false");
  if (c.has("refresh") && (refresh.empty() || refresh == "true") && r.result != "noop") o["forced_refresh"] = true;
  if (r.result == "noop") o["_shards"] = json::object{{"total", 0}, {"successful", 0}, {"failed", 0}};
  else {
    IndexPtr x = c.engine().find(r.index);
    int64_t replicas = x ? std::atoll(x->setting("number_of_replicas").c_str()) : 1;
    o["_shards"] = json::object{{"total", 1 + replicas}, {"successful", 1}, {"failed", 0}};
  }
  o["_seq_no"] = r.seq_no;
  o["_primary_term"] = 1;
  return o;
}

void check_common(Call& c) {
  if (c.has("refresh")) {
    std::string r = c.param("refresh");
    if (r != "" && r != "true" && r != "false" && r != "wait_for") illegal("Unknown value for refresh: [" + r + "].");
  }
  if (c.has("wait_for_active_shards")) {
    std::string w = c.param("wait_for_active_shards");
    if (w != "all" && (w.empty() || w.find_first_not_of("0123456789") != std::string::npos)) illegal("cannot parse ActiveShardCount[" + w + "]");
  }
}
void concurrency(Call& c, WriteOp& op) {
  if (c.has("if_seq_no")) op.if_seq_no = c.number("if_seq_no", 0);
  if (c.has("if_primary_term")) op.if_primary_term = c.number("if_primary_term", 0);
  if (c.has("version")) op.version = c.number("version", 0);
  op.version_type = c.param("version_type", "internal");
  static const std::set<std::string> kTypes = {"internal", "external", "external_gt", "external_gte"};
  if (kTypes.count(op.version_type) == 0) illegal("No version type match [" + op.version_type + "]");
  std::vector<std::string> problems;
  if (op.version && op.version_type == "internal") {
    problems.push_back("internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and `if_primary_term` instead");
  }
  if (op.if_seq_no.has_value() != op.if_primary_term.has_value()) {
    problems.push_back(op.if_seq_no ? "ifSeqNo is set, but primary term is [0]" : "ifSeqNo is unassigned, but primary term is [" + std::to_string(*op.if_primary_term) + "]");
  }
  if (!op.version && op.version_type != "internal") problems.push_back("illegal version value [-1] for version type [" + std::string(op.version_type == "external_gte" ? "EXTERNAL_GTE" : "EXTERNAL") + "]");
  if (op.if_seq_no && op.version_type != "internal") problems.push_back("compare and write operations can not use versioning");
  if (!problems.empty()) invalid(problems);
}
void check_id(const std::string& id) {
  if (id.size() > 512) invalid({"id [" + id + "] is too long, must be no longer than 512 bytes but was: " + std::to_string(id.size())});
}

// Documents enter data streams by being created.
void check_stream_write(const Index& x, const WriteOp& o) {
  if (x.data_stream.empty() || x.data_stream != o.index) return;
  if (o.kind != WriteOp::kCreate) illegal("only write ops with an op_type of create are allowed in data streams");
  if (!o.source.contains("@timestamp")) throw ElasticError(400, "document_parsing_exception", "[1:1] failed to parse", json::object{{"caused_by", json::object{{"type", "illegal_argument_exception"}, {"reason", "data stream timestamp field [@timestamp] is missing"}}}});
}

Reply index_document(Call& c) {
  check_common(c);
  WriteOp op;
  op.index = c.part("index");
  op.id = c.part("id");
  op.routing = c.param("routing");
  bool has_id = c.path.count("id") != 0;
  std::string type = c.param("op_type", "index");
  if (type != "index" && type != "create") illegal("opType must be 'create' or 'index', found: [" + type + "]");
  op.kind = type == "create" || c.path.count("create") != 0 || c.request.path.find("/_create/") != std::string::npos ? WriteOp::kCreate : WriteOp::kIndex;
  if (!has_id) {
    op.id = Engine::new_id();
    op.auto_id = true;
    op.kind = WriteOp::kCreate;
  }
  check_id(op.id);
  concurrency(c, op);
  if (op.kind == WriteOp::kCreate) {
    if (op.if_seq_no) invalid({"create operations do not support compare and set. use index instead"});
    if (op.version && op.version_type == "internal") invalid({"create operations do not support explicit versions. use index instead"});
    if (op.version_type != "internal") invalid({"create operations only support internal versioning. use index instead"});
  }
  if (c.request.body.find_first_not_of(" \t\r\n") == std::string::npos) throw ElasticError(400, "parse_exception", "request body is required");
  op.source = c.body(true);
  {
    IngestDocument d{std::move(op.source), op.index, op.id, op.routing};
    if (!run_pipelines(c, c.param("pipeline"), d)) {
      WriteResult dropped;
      dropped.index = d.index;
      dropped.id = d.id;
      dropped.result = "noop";
      dropped.version = -3;
      dropped.seq_no = -2;
      json::object reply = write_reply(dropped, c);
      reply["_primary_term"] = 0;
      return Reply(reply);
    }
    op.source = std::move(d.source);
    op.index = d.index;
    op.id = d.id;
    op.routing = d.routing;
  }
  bool require_alias = c.flag("require_alias", false);
  if (IndexPtr x = c.engine().find(op.index)) place_in_time_series(*x, op);
  std::vector<WriteOp> ops;
  ops.push_back(std::move(op));
  auto out = c.engine().write(ops, [&](const WriteOp& o) {
    IndexPtr x = c.write_target(o.index, require_alias);
    check_stream_write(*x, o);
    if (x->mapping()->routing_required() && o.routing.empty()) {
      throw ElasticError(400, "routing_missing_exception", "routing is required for [" + x->name + "]/[" + o.id + "]", json::object{{"index_uuid", "_na_"}, {"index", x->name}});
    }
    return x;
  });
  if (out[0].error) throw *out[0].error;
  return Reply(write_reply(out[0].result, c), out[0].result.result == "created" ? 201 : 200);
}

Reply delete_document(Call& c) {
  check_common(c);
  WriteOp op;
  op.kind = WriteOp::kDelete;
  op.index = c.part("index");
  op.id = c.part("id");
  op.routing = c.param("routing");
  concurrency(c, op);
  std::vector<WriteOp> ops;
  bool external = op.version_type != "internal";
  ops.push_back(std::move(op));
  auto out = c.engine().write(ops, [&](const WriteOp& o) {
    IndexPtr x = c.write_target(o.index, false, external);
    if (x->mapping()->routing_required() && o.routing.empty()) {
      throw ElasticError(400, "routing_missing_exception", "routing is required for [" + x->name + "]/[" + o.id + "]", json::object{{"index_uuid", "_na_"}, {"index", x->name}});
    }
    return x;
  });
  if (out[0].error) throw *out[0].error;
  return Reply(write_reply(out[0].result, c), out[0].result.result == "deleted" ? 200 : 404);
}

SourceFilter source_params(Call& c) {
  SourceFilter f;
  auto csv = [&](const char* name) { return split(c.param(name), ','); };
  if (c.has("_source")) {
    std::string s = c.param("_source");
    if (s == "false") f.enabled = false;
    else if (s != "true" && !s.empty()) f.includes = split(s, ',');
  }
  for (const char* n : {"_source_includes", "_source_include"}) if (c.has(n)) f.includes = csv(n);
  for (const char* n : {"_source_excludes", "_source_exclude"}) if (c.has(n)) f.excludes = csv(n);
  return f;
}

// A stored value as its field reads it.
json::value stored_value(const segments::MappedField& f, const json::value& v) {
  try {
    if (f.is_integer() || f.is_float()) return f.render(f.column_value(v));
    if (f.type == segments::FieldType::kBoolean) return f.column_value(v) != 0;
    if (f.is_date()) return json::value(f.render_string(f.column_value(v)));
  } catch (const Error&) {
    // What was ignored as malformed is shown as it came.
  }
  return v;
}
// stored_fields of a get: values of stored fields only; _routing and the like are metadata.
void put_stored(const Index& x, const Document& d, const std::vector<std::string>& names, json::object& out) {
  json::object fields;
  for (const std::string& n : names) {
    const segments::MappedField* f = x.mapping()->field(n);
    if (f == nullptr || !f->store) continue;
    std::vector<json::value> values;
    values_at(d.source, n, values);
    if (values.empty()) continue;
    json::array shown;
    for (auto& v : values) shown.push_back(stored_value(*f, v));
    fields[n] = std::move(shown);
  }
  if (!fields.empty()) out["fields"] = fields;
}

json::object get_reply(const Index& x, const std::string& id, const Document& d, const SourceFilter& f, const std::vector<std::string>& stored, bool source_wanted) {
  json::object o{{"_index", x.name}, {"_id", id}};
  if (d.found) {
    o["_version"] = d.version;
    o["_seq_no"] = d.seq_no;
    o["_primary_term"] = 1;
    if (!d.routing.empty()) o["_routing"] = d.routing;
    o["found"] = true;
    if (f.enabled && source_wanted) o["_source"] = filter_source(d.source, f);
    if (!stored.empty()) put_stored(x, d, stored, o);
  } else {
    o["found"] = false;
  }
  return o;
}

Document fetch(Call& c, const Index& x, const std::string& id, const std::string& routing) {
  if (x.closed) throw ElasticError(400, "index_closed_exception", "closed", json::object{{"index_uuid", x.uuid}, {"index", x.name}});
  check_blocks(x, kReading);
  if (x.mapping()->routing_required() && routing.empty()) {
    throw ElasticError(400, "routing_missing_exception", "routing is required for [" + x.name + "]/[" + id + "]", json::object{{"index_uuid", "_na_"}, {"index", x.name}});
  }
  Document d = c.engine().get(x, id);
  note_activity(x.oid, [&](Activity& a) {
    ++a.gets;
    a.gets_found += d.found;
  });
  // A document under another routing lives on another shard, when there are several.
  if (d.found && x.setting("number_of_shards") != "1" && !x.setting("number_of_shards").empty() && x.elastic && d.routing != routing && x.mapping()->routing_required()) d = Document();
  return d;
}

Reply get_document(Call& c) {
  IndexPtr x = c.read_target(c.part("index"));
  std::string id = c.part("id");
  Document d = fetch(c, *x, id, c.param("routing"));
  if (c.has("version") && d.found) {
    int64_t v = c.number("version", 0);
    std::string type = c.param("version_type", "internal");
    bool bad = type == "internal" ? v != d.version : type == "external_gte" ? v < d.version : v < d.version;
    if (bad) {
      throw ElasticError(409, "version_conflict_engine_exception", "[" + id + "]: version conflict, current version [" + std::to_string(d.version) + "] is different than the one provided [" + std::to_string(v) + "]",
                         json::object{{"index_uuid", x->uuid}, {"shard", "0"}, {"index", x->name}});
    }
  }
  if (c.request.method == "HEAD") {
    Reply r;
    r.status = d.found ? 200 : 404;
    r.empty = true;
    return r;
  }
  std::vector<std::string> stored = split(c.param("stored_fields"), ',');
  bool want = !c.has("stored_fields") || c.has("_source") || c.has("_source_includes") || c.has("_source_excludes") || std::find(stored.begin(), stored.end(), "_source") != stored.end();
  return Reply(get_reply(*x, id, d, source_params(c), stored, want), d.found ? 200 : 404);
}

Reply get_source(Call& c) {
  IndexPtr x = c.read_target(c.part("index"));
  std::string id = c.part("id");
  Document d = fetch(c, *x, id, c.param("routing"));
  auto* s = x->mapping()->json().if_contains("_source");
  bool disabled = s != nullptr && s->is_object() && !flag_or(s->get_object(), "enabled", true);
  if (c.request.method == "HEAD") {
    Reply r;
    r.status = d.found && !disabled ? 200 : 404;
    r.empty = true;
    return r;
  }
  if (!d.found) throw ElasticError(404, "resource_not_found_exception", "Document not found [" + x->name + "]/[" + id + "]");
  if (disabled) throw ElasticError(404, "resource_not_found_exception", "Source not found [" + x->name + "]/[" + id + "]");
  SourceFilter f = source_params(c);
  return Reply(filter_source(d.source, f));
}

// doc, upsert, doc_as_upsert, detect_noop.
void set_update(Engine& engine, WriteOp& op, const json::object& body, const std::string& index) {
  for (auto& [k, v] : body) {
    static const std::set<std::string_view> kKnown = {"doc", "upsert", "doc_as_upsert", "detect_noop", "script", "scripted_upsert", "_source", "if_seq_no", "if_primary_term", "lang", "params"};
    if (kKnown.count(k) == 0) throw ElasticError(400, "x_content_parse_exception", "[1:2] [UpdateRequest] unknown field [" + std::string(k) + "]" + segments::did_you_mean(std::string(k), {"doc", "upsert", "doc_as_upsert", "detect_noop", "script", "scripted_upsert", "_source"}));
  }
  if (body.contains("script")) {
    if (body.contains("doc")) invalid({"can't provide both script and doc"});
    auto script = std::make_shared<DocumentScript>(engine, body.at("script"));
    std::optional<json::object> upsert;
    if (auto* u = body.if_contains("upsert"); u != nullptr && u->is_object()) upsert = u->get_object();
    bool scripted = flag_or(body, "scripted_upsert", false);
    std::string id = op.id;
    op.kind = WriteOp::kUpdate;
    op.update = [script, upsert, scripted, id, index](const Document& old, json::object* next, bool* created, bool* erase) {
      if (!old.found) {
        if (!upsert) throw ElasticError(404, "document_missing_exception", "[" + id + "]: document missing", json::object{{"index_uuid", "_na_"}, {"shard", "0"}, {"index", index}});
        *created = true;
        *next = *upsert;
        if (!scripted) return true;
      }
      ScriptedDocument d{std::move(*next), index, id, old.routing, old.version, old.found ? "index" : "create"};
      try {
        script->run(d);
      } catch (const segments::script::ScriptError& e) {
        throw ElasticError(400, "illegal_argument_exception", "failed to execute script", json::object{{"caused_by", script_error(e).error}});
      }
      *next = std::move(d.source);
      if (d.op == "delete" && old.found) *erase = true;
      return d.op == "index" || d.op == "create" || *erase;
    };
    return;
  }
  std::vector<std::string> problems;
  bool doc_as_upsert = flag_or(body, "doc_as_upsert", false);
  if (!body.contains("doc")) {
    problems.push_back(doc_as_upsert ? "doc must be specified if doc_as_upsert is enabled" : "script or doc is missing");
    invalid(problems);
  }
  json::object doc = body.at("doc").is_object() ? body.at("doc").get_object() : json::object();
  std::optional<json::object> upsert;
  if (auto* u = body.if_contains("upsert"); u != nullptr && u->is_object()) upsert = u->get_object();
  bool detect = flag_or(body, "detect_noop", true);
  std::string id = op.id;
  op.kind = WriteOp::kUpdate;
  op.update = [doc, upsert, doc_as_upsert, detect, id, index](const Document& old, json::object* next, bool* created, bool*) {
    if (!old.found) {
      if (!doc_as_upsert && !upsert) throw ElasticError(404, "document_missing_exception", "[" + id + "]: document missing", json::object{{"index_uuid", "_na_"}, {"shard", "0"}, {"index", index}});
      *next = upsert && !doc_as_upsert ? *upsert : doc;
      *created = true;
      return true;
    }
    bool changed = merge_into(*next, doc);
    return changed || !detect;
  };
}

json::object get_part(const WriteResult& r, const SourceFilter& f) {
  json::object g{{"_seq_no", r.seq_no}, {"_primary_term", 1}, {"found", true}};
  g["_source"] = filter_source(r.source, f);
  return g;
}

Reply update_document(Call& c) {
  check_common(c);
  WriteOp op;
  op.index = c.part("index");
  op.id = c.part("id");
  op.routing = c.param("routing");
  if (c.has("if_seq_no")) op.if_seq_no = c.number("if_seq_no", 0);
  if (c.has("if_primary_term")) op.if_primary_term = c.number("if_primary_term", 0);
  if (op.if_seq_no.has_value() != op.if_primary_term.has_value()) invalid({op.if_seq_no ? "ifSeqNo is set, but primary term is [0]" : "ifSeqNo is unassigned, but primary term is [" + std::to_string(*op.if_primary_term) + "]"});
  json::object body = c.body(true);
  if (op.if_seq_no && (body.contains("upsert") || flag_or(body, "doc_as_upsert", false))) {
    invalid({body.contains("upsert") ? "upsert requests don't support `if_seq_no` and `if_primary_term`" : "compare and write operations can not be used with upsert"});
  }
  set_update(c.engine(), op, body, op.index);
  SourceFilter f = source_params(c);
  bool source = c.has("_source") || c.has("_source_includes") || c.has("_source_excludes");
  if (auto* s = body.if_contains("_source")) {
    f = parse_source_filter(*s);
    source = true;
  }
  std::vector<WriteOp> ops;
  bool require_alias = c.flag("require_alias", false);
  ops.push_back(std::move(op));
  auto out = c.engine().write(ops, [&](const WriteOp& o) {
    IndexPtr x = c.write_target(o.index, require_alias);
    if (x->mapping()->routing_required() && o.routing.empty()) {
      throw ElasticError(400, "routing_missing_exception", "routing is required for [" + x->name + "]/[" + o.id + "]", json::object{{"index_uuid", "_na_"}, {"index", x->name}});
    }
    return x;
  });
  if (out[0].error) throw *out[0].error;
  json::object reply = write_reply(out[0].result, c);
  if (source && f.enabled) reply["get"] = get_part(out[0].result, f);
  return Reply(reply, out[0].result.result == "created" ? 201 : 200);
}

Reply bulk(Call& c) {
  check_common(c);
  auto started = std::chrono::steady_clock::now();
  const std::string& body = c.request.body;
  if (body.empty()) throw ElasticError(400, "parse_exception", "request body is required");
  if (body.back() != '\n') illegal("The bulk request must be terminated by a newline [\\n]");
  struct Item { std::string action; size_t op; std::optional<ElasticError> error; std::string index, id; SourceFilter filter; bool source = false, dropped = false; std::vector<std::string> pipelines; };
  std::vector<Item> items;
  std::vector<WriteOp> ops;
  size_t at = 0, line = 0;
  auto next_line = [&](std::string_view* out) {
    if (at >= body.size()) return false;
    size_t e = body.find('\n', at);
    if (e == std::string::npos) e = body.size();
    *out = std::string_view(body).substr(at, e - at);
    if (!out->empty() && out->back() == '\r') out->remove_suffix(1);
    at = e + 1;
    ++line;
    return true;
  };
  std::string_view text;
  while (next_line(&text)) {
    if (text.empty()) continue;
    json::value head;
    try {
      head = parse_json(text);
    } catch (const ElasticError& e) {
      throw;
    }
    if (!head.is_object()) illegal("Malformed action/metadata line [" + std::to_string(line) + "], expected START_OBJECT but found [VALUE_STRING]");
    if (head.get_object().empty()) illegal("Malformed action/metadata line [" + std::to_string(line) + "], expected FIELD_NAME but found [END_OBJECT]");
    if (head.get_object().size() > 1) illegal("Malformed action/metadata line [" + std::to_string(line) + "], expected END_OBJECT but found [FIELD_NAME]");
    std::string action(head.get_object().begin()->key());
    const json::value& mv = head.get_object().begin()->value();
    if (action != "index" && action != "create" && action != "delete" && action != "update") {
      illegal("Malformed action/metadata line [" + std::to_string(line) + "], expected field [create], [delete], [index] or [update] but found [" + action + "]");
    }
    if (!mv.is_object()) illegal("Malformed action/metadata line [" + std::to_string(line) + "], expected START_OBJECT but found [VALUE_STRING]");
    const json::object& m = mv.get_object();
    for (auto& [k, v] : m) {
      static const std::set<std::string_view> kKnown = {"_index", "_id", "routing", "_routing", "op_type", "opType", "version", "_version", "version_type", "_version_type", "versionType", "if_seq_no", "if_primary_term", "retry_on_conflict", "_retry_on_conflict", "pipeline", "_source", "require_alias", "dynamic_templates", "list_executed_pipelines", "require_data_stream"};
      if (kKnown.count(k) == 0) illegal("Action/metadata line [" + std::to_string(line) + "] contains an unknown parameter [" + std::string(k) + "]");
      if (v.is_object() && k != "_source" && k != "dynamic_templates") illegal("Malformed action/metadata line [" + std::to_string(line) + "], expected a simple value for field [" + std::string(k) + "] but found [START_OBJECT]");
      if (v.is_array() && k != "_source") illegal("Malformed action/metadata line [" + std::to_string(line) + "], expected a simple value for field [" + std::string(k) + "] but found [START_ARRAY]");
    }
    WriteOp op;
    op.index = text_or(m, "_index", c.part("index"));
    op.id = text_or(m, "_id");
    op.routing = text_or(m, "routing", text_or(m, "_routing", c.param("routing")));
    op.require_alias = m.contains("require_alias") ? flag_or(m, "require_alias", false) : c.flag("require_alias", false);
    if (m.contains("if_seq_no")) op.if_seq_no = std::atoll(text_or(m, "if_seq_no").c_str());
    if (m.contains("if_primary_term")) op.if_primary_term = std::atoll(text_or(m, "if_primary_term").c_str());
    if (m.contains("version")) op.version = std::atoll(text_or(m, "version").c_str());
    op.version_type = text_or(m, "version_type", "internal");
    op.kind = action == "index" ? WriteOp::kIndex : action == "create" ? WriteOp::kCreate : action == "delete" ? WriteOp::kDelete : WriteOp::kUpdate;
    if (text_or(m, "op_type") == "create" && action == "index") {
      op.kind = WriteOp::kCreate;
      action = "create";
    }
    if (op.index.empty()) invalid({"index is missing"});
    Item item;
    bool explicit_id = m.contains("_id") && !m.at("_id").is_null();
    if (action != "delete") {
      std::string_view doc;
      if (!next_line(&doc)) illegal("The bulk request must be terminated by a newline [\\n]");
      json::value v;
      try {
        v = parse_json(doc);
        if (!v.is_object()) throw ElasticError(400, "document_parsing_exception", "[1:1] failed to parse");
      } catch (const ElasticError& e) {
        if (action == "update") throw;
        item.error = ElasticError(400, "document_parsing_exception", "[1:1] failed to parse", json::object{{"caused_by", e.error}});
      }
      if (!item.error) {
        if (action == "update") {
          if (!explicit_id) invalid({"id is missing"});
          if (auto* s = v.get_object().if_contains("_source")) {
            item.filter = parse_source_filter(*s);
            item.source = true;
          }
          if (auto* s = m.if_contains("_source")) {
            item.filter = parse_source_filter(*s);
            item.source = true;
          }
          if (c.has("_source") || c.has("_source_includes") || c.has("_source_excludes")) {
            if (!item.source) item.filter = source_params(c);
            item.source = true;
          }
          set_update(c.engine(), op, v.get_object(), op.index);
        } else {
          op.source = std::move(v.get_object());
        }
      }
    } else if (!explicit_id) {
      invalid({"id is missing"});
    }
    if (explicit_id && op.id.empty()) {
      item.error = ElasticError(400, "illegal_argument_exception", "if _id is specified it must not be empty");
    } else if (!explicit_id) {
      op.id = Engine::new_id();
      op.auto_id = true;
      if (op.kind == WriteOp::kIndex) op.kind = WriteOp::kCreate;
    }
    if (!item.error && (op.kind == WriteOp::kIndex || op.kind == WriteOp::kCreate)) {
      try {
        IngestDocument d{std::move(op.source), op.index, op.id, op.routing};
        item.dropped = !run_pipelines(c, text_or(m, "pipeline", c.param("pipeline")), d, &item.pipelines);
        op.source = std::move(d.source);
        op.index = d.index;
        op.id = d.id;
        op.routing = d.routing;
        if (IndexPtr x = c.engine().find(op.index)) place_in_time_series(*x, op);
      } catch (const ElasticError& e) {
        item.error = e;
      } catch (const Error& e) {
        item.error = to_elastic(e);
      }
    }
    item.action = action;
    item.index = op.index;
    item.id = op.id;
    item.op = ops.size();
    if (!item.error && !item.dropped) ops.push_back(std::move(op));
    items.push_back(std::move(item));
  }
  if (items.empty()) invalid({"no requests added"});
  std::map<std::string, IndexPtr> targets;
  auto out = c.engine().write(ops, [&](const WriteOp& o) {
    IndexPtr x;
    auto it = targets.find(o.index);
    if (it != targets.end() && !o.require_alias) x = it->second;
    else x = targets[o.index] = c.write_target(o.index, o.require_alias, o.kind != WriteOp::kDelete || o.version_type != "internal");
    check_stream_write(*x, o);
    if (x->mapping()->routing_required() && o.routing.empty()) {
      throw ElasticError(400, "routing_missing_exception", "routing is required for [" + x->name + "]/[" + o.id + "]", json::object{{"index_uuid", "_na_"}, {"index", x->name}});
    }
    return x;
  });
  json::array list;
  bool errors = false, listing = c.flag("list_executed_pipelines", false);
  for (auto& [name, x] : targets) {
    note_activity(x->oid, [&](Activity& a) {
      ++a.bulks;
      a.bulk_bytes += static_cast<int64_t>(body.size());
      a.bulk_us += std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - started).count();
    });
  }
  for (Item& item : items) {
    json::object o;
    std::optional<ElasticError> error = item.error;
    if (item.dropped) {
      list.push_back(json::object{{item.action, json::object{{"_index", item.index}, {"_id", item.id}, {"_version", -3}, {"result", "noop"}, {"_shards", json::object{{"total", 0}, {"successful", 0}, {"failed", 0}}}, {"status", 200}}}});
      continue;
    }
    if (!error && out[item.op].error) error = out[item.op].error;
    if (error) {
      errors = true;
      std::string real = item.index;
      if (!item.error && !out[item.op].result.index.empty()) real = out[item.op].result.index;
      o = json::object{{"_index", real}, {"_id", item.id.empty() ? json::value(nullptr) : json::value(item.id)}, {"status", error->status}, {"error", error->error}};
    } else {
      const WriteResult& r = out[item.op].result;
      o = write_reply(r, c);
      o["status"] = r.result == "created" ? 201 : r.result == "not_found" ? 404 : 200;
      if (item.source && item.filter.enabled) o["get"] = get_part(r, item.filter);
      if (listing && (item.action == "index" || item.action == "create")) {
        json::array run;
        for (auto& p : item.pipelines) run.push_back(json::value(p));
        o["executed_pipelines"] = std::move(run);
      }
    }
    list.push_back(json::object{{item.action, o}});
  }
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
  return Reply(json::object{{"errors", errors}, {"took", took}, {"items", list}});
}

Reply mget(Call& c) {
  json::object body = c.body(true);
  struct Want { std::string index, id, routing; SourceFilter filter; std::vector<std::string> stored; bool source = true; std::optional<int64_t> version; };
  std::vector<Want> wants;
  std::string fallback = c.part("index");
  SourceFilter common = source_params(c);
  std::vector<std::string> stored = split(c.param("stored_fields"), ',');
  for (auto& [k, v] : body) {
    if (k != "docs" && k != "ids") throw ElasticError(400, "parsing_exception", "unknown key [" + std::string(k) + "] for a " + (v.is_array() ? "START_ARRAY" : "VALUE_STRING") + ", expected [docs] or [ids]", json::object{{"line", 1}, {"col", 2}});
  }
  if (auto* ids = body.if_contains("ids"); ids != nullptr && ids->is_array()) {
    for (auto& e : ids->get_array()) wants.push_back({fallback, json_text(e), c.param("routing"), common, stored, stored.empty() || c.has("_source"), {}});
  }
  std::vector<std::string> problems;
  if (auto* docs = body.if_contains("docs"); docs != nullptr && docs->is_array()) {
    for (auto& e : docs->get_array()) {
      if (!e.is_object()) throw ElasticError(400, "illegal_argument_exception", "docs array element should include an object");
      const json::object& d = e.get_object();
      for (auto& [k, v] : d) {
        static const std::set<std::string_view> kKnown = {"_index", "_id", "routing", "_routing", "_source", "stored_fields", "version", "_version", "version_type", "_version_type", "fields"};
        if (kKnown.count(k) == 0) throw ElasticError(400, "parsing_exception", "Failed to parse multi get request. unknown field [" + std::string(k) + "]", json::object{{"line", 1}, {"col", 2}});
      }
      Want w{text_or(d, "_index", fallback), text_or(d, "_id"), text_or(d, "routing", text_or(d, "_routing", c.param("routing"))), common, stored, true, {}};
      if (auto* s = d.if_contains("_source")) w.filter = parse_source_filter(*s);
      if (auto* s = d.if_contains("stored_fields")) {
        w.stored.clear();
        if (s->is_array()) for (auto& x : s->get_array()) w.stored.push_back(json_text(x));
        else w.stored.push_back(json_text(*s));
      }
      w.source = w.stored.empty() || d.contains("_source") || c.has("_source") || std::find(w.stored.begin(), w.stored.end(), "_source") != w.stored.end();
      if (w.index.empty()) problems.push_back("index is missing for doc " + std::to_string(wants.size()));
      if (!d.contains("_id")) problems.push_back("id is missing for doc " + std::to_string(wants.size()));
      wants.push_back(w);
    }
  }
  if (wants.empty()) problems.push_back("no documents to get");
  for (auto& w : wants) if (w.index.empty() && problems.empty()) problems.push_back("index is missing for doc 0");
  if (!problems.empty()) invalid(problems);
  json::array out;
  for (const Want& w : wants) {
    try {
      IndexPtr x = c.read_target(w.index);
      Document d = fetch(c, *x, w.id, w.routing);
      out.push_back(get_reply(*x, w.id, d, w.filter, w.stored, w.source));
    } catch (const ElasticError& e) {
      out.push_back(json::object{{"_index", w.index}, {"_id", w.id}, {"error", e.body()["error"]}});
    }
  }
  return Reply(json::object{{"docs", out}});
}

json::object by_query_reply(Call&, int64_t total, int64_t updated, int64_t created, int64_t deleted, int64_t conflicts, int64_t noops, int64_t batches, const char* kind, json::array failures, int64_t took) {
  json::object o{{"took", took}, {"timed_out", false}, {"total", total}};
  std::string k = kind;
  if (k != "delete") o["updated"] = updated;
  if (k == "reindex") o["created"] = created;
  o["deleted"] = deleted;
  o["batches"] = batches;
  o["version_conflicts"] = conflicts;
  o["noops"] = noops;
  o["retries"] = json::object{{"bulk", 0}, {"search", 0}};
  o["throttled_millis"] = 0;
  o["requests_per_second"] = -1.0;
  o["throttled_until_millis"] = 0;
  o["failures"] = failures;
  return o;
}

Reply by_query(Call& c, bool erase) {
  auto started = std::chrono::steady_clock::now();
  check_common(c);
  json::object body = c.body();
  for (auto& [k, v] : body) {
    static const std::set<std::string_view> kKnown = {"query", "max_docs", "conflicts", "script", "slice", "sort", "size"};
    if (kKnown.count(k) == 0) throw ElasticError(400, "parsing_exception", "Unknown key for a " + std::string(v.is_object() ? "START_OBJECT" : "VALUE_STRING") + " in [" + std::string(k) + "].", json::object{{"line", 1}, {"col", 2}});
  }
  std::shared_ptr<DocumentScript> script;
  if (body.contains("script")) script = std::make_shared<DocumentScript>(c.engine(), body.at("script"));
  if (erase && !body.contains("query") && !c.has("q")) invalid({"query is missing"});
  if (c.has("scroll_size") && c.number("scroll_size", 1) <= 0) illegal("size must be greater than zero");
  std::string conflicts = c.param("conflicts", text_or(body, "conflicts", "abort"));
  if (conflicts != "abort" && conflicts != "proceed") illegal("conflicts may only be \"proceed\" or \"abort\" but was [" + conflicts + "]");
  int64_t max = c.has("max_docs") ? c.number("max_docs", -1) : body.contains("max_docs") ? std::atoll(text_or(body, "max_docs").c_str()) : INT64_MAX;
  if ((c.has("max_docs") || body.contains("max_docs")) && max <= 0) {
    if (max == -1) max = INT64_MAX;
    else invalid({"maxDocs should be greater than 0 if the request is limited to some number of documents or -1 if it isn't but it was [" + std::to_string(max) + "]"});
  }
  int64_t size = c.number("scroll_size", 1000);
  json::object search = search_body(c);
  int64_t total = 0, updated = 0, deleted = 0, noops = 0, clashes = 0;
  json::array failures;
  for (auto& t : c.resolve_param()) {
    if (max <= 0) break;
    auto docs = matching_documents(c, t, search, static_cast<uint64_t>(max), body.contains("sort") ? body.at("sort") : json::value());
    max -= static_cast<int64_t>(docs.size());
    std::vector<WriteOp> ops;
    for (auto& [id, row] : docs) {
      WriteOp op;
      op.index = t.index->name;
      op.id = id;
      op.kind = WriteOp::kUpdate;
      op.update = [erase, script, pipeline = c.param("pipeline"), &c, index = t.index->name](const Document& old, json::object* next, bool*, bool* gone) {
        *gone = erase;
        if (script && old.found) {
          ScriptedDocument d{std::move(*next), index, old.id, old.routing, old.version, "index"};
          script->run(d);
          *next = std::move(d.source);
          if (d.op != "index" && d.op != "noop" && d.op != "delete") illegal("Operation type [" + d.op + "] not allowed, only [noop, index, delete] are allowed");
          *gone = d.op == "delete";
          if (d.op == "noop") return false;
        }
        if (!pipeline.empty() && old.found && !*gone) {
          IngestDocument d{std::move(*next), index, old.id, old.routing};
          bool kept = run_pipelines(c, pipeline, d);
          *next = std::move(d.source);
          return kept;
        }
        return old.found;
      };
      ops.push_back(std::move(op));
    }
    total += static_cast<int64_t>(docs.size());
    for (auto& o : c.engine().write(ops, [&](const WriteOp&) { return t.index; })) {
      if (o.error) {
        if (o.error->status == 409) ++clashes;
        else failures.push_back(json::object{{"index", t.index->name}, {"id", o.result.id}, {"cause", o.error->error}, {"status", o.error->status}});
      } else if (o.result.result == "noop") ++noops;
      else if (erase || o.result.result == "deleted") ++deleted;
      else ++updated;
    }
  }
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
  int64_t batches = (total + size - 1) / size;
  if (!c.flag("wait_for_completion", true)) {
    json::object response = by_query_reply(c, total, updated, 0, deleted, clashes, noops, batches, erase ? "delete" : "update", failures, took);
    std::string task = c.engine().node_id() + ":" + std::to_string(c.engine().now_ms());
    c.engine().put_thing("task", task, json::object{{"completed", true}, {"task", json::object{{"node", c.engine().node_id()}, {"id", c.engine().now_ms()}, {"type", "transport"}, {"action", erase ? "indices:data/write/delete/byquery" : "indices:data/write/update/byquery"}, {"status", response}, {"description", ""}, {"start_time_in_millis", c.engine().now_ms()}, {"running_time_in_nanos", took * 1000000}, {"cancellable", true}, {"cancelled", false}, {"headers", json::object()}}}, {"response", response}});
    return Reply(json::object{{"task", task}});
  }
  int status = failures.empty() ? 200 : 400;
  return Reply(by_query_reply(c, total, updated, 0, deleted, clashes, noops, batches, erase ? "delete" : "update", failures, took), status);
}
Reply delete_by_query(Call& c) { return by_query(c, true); }
Reply update_by_query(Call& c) { return by_query(c, false); }

Reply reindex(Call& c) {
  auto started = std::chrono::steady_clock::now();
  json::object body = c.body(true);
  for (auto& [k, v] : body) {
    static const std::set<std::string_view> kKnown = {"source", "dest", "max_docs", "conflicts", "script", "size"};
    if (kKnown.count(k) == 0) throw ElasticError(400, "x_content_parse_exception", "[1:2] [reindex] unknown field [" + std::string(k) + "]");
  }
  std::shared_ptr<DocumentScript> script;
  if (body.contains("script")) script = std::make_shared<DocumentScript>(c.engine(), body.at("script"));
  for (const char* part : {"source", "dest"}) if (!body.contains(part) || !body.at(part).is_object()) body[part] = json::object();
  const json::object& src = body.at("source").get_object();
  const json::object& dst = body.at("dest").get_object();
  for (const char* k : {"fields", "stored_fields", "docvalue_fields"}) if (src.contains(k)) illegal(std::string(k) + " is not supported in this context");
  if (src.contains("remote")) throw ElasticError(400, "illegal_argument_exception", "[" + text_or(src.at("remote").as_object(), "host") + "] not whitelisted in reindex.remote.whitelist");
  std::string from;
  if (auto* i = src.if_contains("index")) {
    if (i->is_array()) for (auto& e : i->get_array()) from += (from.empty() ? "" : ",") + json_text(e);
    else from = json_text(*i);
  }
  std::string to = text_or(dst, "index");
  if (from.empty()) invalid({"use _all if you really want to copy from all existing indexes"});
  if (to.empty()) invalid({"index is missing"});
  int64_t max = c.has("max_docs") ? c.number("max_docs", -1) : body.contains("max_docs") ? std::atoll(text_or(body, "max_docs").c_str()) : INT64_MAX;
  auto targets = c.resolve(from);
  for (auto& t : targets) {
    if (t.index->name == to) invalid({"reindex cannot write into an index its reading from [" + to + "]"});
  }
  std::string op_type = text_or(dst, "op_type", "index"), version_type = text_or(dst, "version_type", "internal");
  bool proceed = text_or(body, "conflicts", "abort") == "proceed";
  SourceFilter filter;
  if (auto* s = src.if_contains("_source")) filter = parse_source_filter(*s);
  int64_t total = 0, updated = 0, created = 0, deleted = 0, noops = 0, clashes = 0;
  json::array failures;
  for (auto& t : targets) {
    json::object search;
    if (auto* q = src.if_contains("query")) search["query"] = *q;
    auto docs = matching_documents(c, t, search, static_cast<uint64_t>(max < 0 ? INT64_MAX : max));
    if (max != INT64_MAX && max > 0) max -= static_cast<int64_t>(docs.size());
    std::vector<WriteOp> ops;
    for (auto& [id, row] : docs) {
      Document d = c.engine().get(*t.index, id);
      if (!d.found) continue;
      WriteOp op;
      op.index = to;
      op.id = id;
      op.kind = op_type == "create" ? WriteOp::kCreate : WriteOp::kIndex;
      op.source = filter_source(d.source, filter);
      std::string routing = text_or(dst, "routing", "keep");
      op.routing = routing == "discard" ? "" : routing.starts_with("=") ? routing.substr(1) : d.routing;
      if (version_type != "internal") {
        op.version = d.version;
        op.version_type = version_type;
      }
      ++total;
      if (script) {
        ScriptedDocument x{std::move(op.source), t.index->name, op.id, op.routing, d.version, "index"};
        script->run(x);
        if (x.op == "noop") {
          ++noops;
          continue;
        }
        if (x.op == "delete") op.kind = WriteOp::kDelete;
        op.source = std::move(x.source);
        op.id = x.id;
        op.routing = x.routing;
        if (x.index != t.index->name) op.index = x.index;
      }
      if (std::string pipeline = text_or(dst, "pipeline"); !pipeline.empty() && op.kind != WriteOp::kDelete) {
        IngestDocument x{std::move(op.source), op.index, op.id, op.routing};
        if (!run_pipelines(c, pipeline, x)) {
          ++noops;
          continue;
        }
        op.source = std::move(x.source);
        op.index = x.index;
        op.id = x.id;
        op.routing = x.routing;
      }
      ops.push_back(std::move(op));
    }
    for (auto& o : c.engine().write(ops, [&](const WriteOp& op) { return c.write_target(op.index, flag_or(dst, "require_alias", false)); })) {
      if (o.error) {
        if (o.error->status == 409) {
          ++clashes;
          if (proceed) continue;
        }
        failures.push_back(json::object{{"index", to}, {"id", o.result.id}, {"cause", o.error->error}, {"status", o.error->status}});
      } else if (o.result.result == "created") ++created;
      else if (o.result.result == "deleted") ++deleted;
      else ++updated;
    }
  }
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
  int status = failures.empty() ? 200 : static_cast<int>(failures[0].as_object().at("status").to_number<int64_t>());
  json::object response = by_query_reply(c, total, updated, created, deleted, clashes, noops, (total + 999) / 1000, "reindex", failures, took);
  if (!c.flag("wait_for_completion", true)) {
    std::string task = c.engine().node_id() + ":" + std::to_string(c.engine().now_ms());
    c.engine().put_thing("task", task, json::object{{"completed", true}, {"task", json::object{{"node", c.engine().node_id()}, {"id", c.engine().now_ms()}, {"type", "transport"}, {"action", "indices:data/write/reindex"}, {"status", response}, {"description", ""}, {"start_time_in_millis", c.engine().now_ms()}, {"running_time_in_nanos", took * 1000000}, {"cancellable", true}, {"cancelled", false}, {"headers", json::object()}}}, {"response", response}});
    return Reply(json::object{{"task", task}});
  }
  return Reply(response, status);
}

constexpr const char* kWrite = "refresh,routing,timeout,version,version_type,if_seq_no,if_primary_term,wait_for_active_shards,op_type,pipeline,require_alias,include_source_on_error,require_data_stream";
constexpr const char* kGet = "stored_fields,preference,realtime,refresh,routing,_source,_source_excludes,_source_includes,_source_exclude,_source_include,version,version_type,force_synthetic_source";
constexpr const char* kByQuery = "analyzer,analyze_wildcard,default_operator,df,from,ignore_unavailable,allow_no_indices,conflicts,expand_wildcards,lenient,preference,q,routing,scroll,search_type,search_timeout,size,max_docs,sort,terminate_after,stats,version,request_cache,refresh,timeout,wait_for_active_shards,scroll_size,wait_for_completion,requests_per_second,slices,pipeline,_source,_source_includes,_source_excludes,require_alias,version_type";

}  // namespace

std::vector<Route> document_routes() {
  return {
      {"POST", "/_bulk", bulk, "refresh,routing,timeout,wait_for_active_shards,_source,_source_includes,_source_excludes,pipeline,require_alias,type,list_executed_pipelines,require_data_stream,include_source_on_error"},
      {"PUT", "/_bulk", bulk, "refresh,routing,timeout,wait_for_active_shards,_source,_source_includes,_source_excludes,pipeline,require_alias,type,list_executed_pipelines,require_data_stream,include_source_on_error"},
      {"POST,PUT", "/{index}/_bulk", bulk, "refresh,routing,timeout,wait_for_active_shards,_source,_source_includes,_source_excludes,pipeline,require_alias,type,list_executed_pipelines,require_data_stream,include_source_on_error"},
      {"GET,POST", "/_mget", mget, kGet},
      {"GET,POST", "/{index}/_mget", mget, kGet},
      {"POST", "/_reindex", reindex, "refresh,timeout,wait_for_active_shards,wait_for_completion,requests_per_second,scroll,slices,max_docs,require_alias"},
      {"POST", "/{index}/_delete_by_query", delete_by_query, kByQuery},
      {"POST", "/{index}/_update_by_query", update_by_query, kByQuery},
      {"POST", "/{index}/_doc", index_document, kWrite},
      {"PUT,POST", "/{index}/_doc/{id}", index_document, kWrite},
      {"PUT,POST", "/{index}/_create/{id}", index_document, kWrite},
      {"GET,HEAD", "/{index}/_doc/{id}", get_document, kGet},
      {"DELETE", "/{index}/_doc/{id}", delete_document, kWrite},
      {"GET,HEAD", "/{index}/_source/{id}", get_source, kGet},
      {"POST", "/{index}/_update/{id}", update_document, "refresh,routing,timeout,if_seq_no,if_primary_term,wait_for_active_shards,retry_on_conflict,lang,_source,_source_includes,_source_excludes,require_alias,include_source_on_error"},
  };
}

}  // namespace stele::elastic

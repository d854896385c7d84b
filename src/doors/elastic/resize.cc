// Copies of whole indices (shrink, split, clone) and simulated templates.
#include "doors/elastic/call.h"

namespace stele::elastic {

void copy_documents(Call& c, const IndexPtr& from, const IndexPtr& to) {
  Call::Target everything{from, {}, true};
  std::vector<WriteOp> ops;
  auto flush = [&] {
    for (auto& o : c.engine().write(ops, [&](const WriteOp&) { return to; })) if (o.error) throw *o.error;
    ops.clear();
  };
  for (auto& [id, row] : matching_documents(c, everything, json::object(), INT64_MAX)) {
    Document d = c.engine().get(*from, id);
    if (!d.found) continue;
    WriteOp op;
    op.index = to->name;
    op.id = id;
    op.routing = d.routing;
    op.source = std::move(d.source);
    ops.push_back(std::move(op));
    if (ops.size() == 1000) flush();
  }
  if (!ops.empty()) flush();
}

namespace {

int64_t shards_of(const json::object& settings, int64_t fallback) {
  json::object flat;
  flatten(settings, "", flat);
  for (const char* k : {"index.number_of_shards", "number_of_shards"}) {
    if (auto* v = flat.if_contains(k)) return std::atoll(json_text(*v).c_str());
  }
  return fallback;
}

Reply resize(Call& c, const char* kind) {
  std::string what = kind;
  IndexPtr from = c.engine().find(c.part("index"));
  if (!from) throw index_missing(c.part("index"));
  std::string to = c.part("target");
  json::object body = c.body();
  for (auto& [k, v] : body) {
    if (k != "settings" && k != "aliases" && k != "max_primary_shard_size") {
      throw ElasticError(400, "x_content_parse_exception", "[1:2] [resize_request] unknown field [" + std::string(k) + "]");
    }
  }
  if (c.engine().find(to)) {
    throw ElasticError(400, "resource_already_exists_exception", "index [" + to + "/" + c.engine().find(to)->uuid + "] already exists",
                       json::object{{"index_uuid", c.engine().find(to)->uuid}, {"index", to}});
  }
  if (from->setting("blocks.write") != "true" && from->setting("blocks.read_only") != "true") {
    throw ElasticError(400, "illegal_state_exception", "index " + from->name + " must be read-only to resize index. use \"index.blocks.write=true\"");
  }
  int64_t before = std::max<int64_t>(1, std::atoll(from->setting("number_of_shards").c_str()));
  json::object given;
  if (auto* s = body.if_contains("settings"); s != nullptr && s->is_object()) given = s->get_object();
  int64_t after = shards_of(given, what == "shrink" ? 1 : before);
  if (what == "shrink" && (after > before || before % after != 0)) {
    illegal(after > before ? "the number of target shards [" + std::to_string(after) + "] must be less that the number of source shards [" + std::to_string(before) + "]"
                           : "the number of source shards [" + std::to_string(before) + "] must be a multiple of [" + std::to_string(after) + "]");
  }
  if (what == "split" && (after < before || after % before != 0)) {
    illegal(after < before ? "the number of source shards [" + std::to_string(before) + "] must be less that the number of target shards [" + std::to_string(after) + "]"
                           : "the number of source shards [" + std::to_string(before) + "] must be a factor of [" + std::to_string(after) + "]");
  }
  if (what == "clone" && after != before) {
    illegal("cannot provide index.number_of_shards setting on resize");
  }
  // What the source is set to, without what names it, below what the request says.
  json::object flat, wanted;
  flatten(from->settings, "", flat);
  for (const char* own : {"index.uuid", "index.creation_date", "index.provided_name", "index.version.created", "index.blocks.write", "index.blocks.read_only", "index.blocks.read", "index.blocks.metadata"}) flat.erase(own);
  flatten(given, "", wanted);
  for (auto& [k, v] : wanted) {
    std::string key(k);
    if (!key.starts_with("index.")) key = "index." + key;
    if (v.is_null()) flat.erase(key);
    else flat[key] = v;
  }
  flat["index.number_of_shards"] = std::to_string(after);
  flat["index.resize.source.name"] = from->name;
  flat["index.resize.source.uuid"] = from->uuid;
  json::object create{{"settings", nest(flat)}, {"mappings", from->mapping()->json()}};
  if (auto* a = body.if_contains("aliases")) create["aliases"] = *a;
  IndexPtr target = c.engine().create(to, create);
  copy_documents(c, from, target);
  return Reply(json::object{{"acknowledged", true}, {"shards_acknowledged", true}, {"index", to}});
}
Reply shrink(Call& c) { return resize(c, "shrink"); }
Reply split_index(Call& c) { return resize(c, "split"); }
Reply clone(Call& c) { return resize(c, "clone"); }

// A template as an index made by it would get it.
Reply simulate_template(Call& c) {
  json::object body = c.body();
  std::string name = c.part("name");
  json::object t;
  if (!body.empty()) {
    t = body;
  } else {
    auto stored = c.engine().get_thing("index_template", name);
    if (!stored) illegal("unable to simulate template [" + name + "] that does not exist");
    t = *stored;
  }
  json::object out = compose_template(c.engine(), t, /*settings_as_text=*/true);
  for (const char* k : {"settings", "mappings", "aliases"}) if (!out.contains(k)) out[k] = json::object();
  // Others whose patterns this one takes over.
  json::array overlapping;
  std::vector<std::string> mine;
  if (auto* p = t.if_contains("index_patterns"); p != nullptr && p->is_array()) for (auto& e : p->get_array()) mine.push_back(json_text(e));
  for (const char* kind : {"template", "index_template"}) {
    for (auto& [n, other] : c.engine().things(kind)) {
      if (n == name) continue;
      auto* p = other.if_contains("index_patterns");
      if (p == nullptr || !p->is_array()) continue;
      bool overlap = false;
      for (auto& e : p->get_array()) for (auto& m : mine) overlap |= glob(json_text(e), m) || glob(m, json_text(e));
      if (overlap) overlapping.push_back(json::object{{"name", n}, {"index_patterns", *p}});
    }
  }
  return Reply(json::object{{"template", out}, {"overlapping", overlapping}});
}

// What a new index of that name would get; a template in the body counts as one more.
Reply simulate_index(Call& c) {
  json::object body = c.body();
  std::string name = c.part("name"), winner;
  auto patterns_of = [](const json::object& t) {
    std::vector<std::string> out;
    if (auto* p = t.if_contains("index_patterns"); p != nullptr && p->is_array()) for (auto& e : p->get_array()) out.push_back(json_text(e));
    else if (p != nullptr) out.push_back(json_text(*p));
    return out;
  };
  json::object chosen;
  if (auto found = index_template_of(c.engine(), name)) {
    winner = found->first;
    chosen = found->second;
  }
  bool given = !body.empty();
  if (given) {
    winner.clear();
    chosen = body;
    bool fits = false;
    for (auto& p : patterns_of(body)) fits |= glob(p, name);
    if (!fits) illegal("unable to simulate template: its index patterns do not match [" + name + "]");
  }
  if (chosen.empty()) {
    json::object b = compose_create_body(c.engine(), name, {});
    for (const char* k : {"settings", "mappings", "aliases"}) if (!b.contains(k)) b[k] = json::object();
    return Reply(json::object{{"template", b}, {"overlapping", json::array()}});
  }
  json::object out = compose_template(c.engine(), chosen, /*settings_as_text=*/true);
  for (const char* k : {"settings", "mappings", "aliases"}) if (!out.contains(k)) out[k] = json::object();
  json::array overlapping;
  for (const char* kind : {"index_template", "template"}) {
    for (auto& [n, other] : c.engine().things(kind)) {
      if (std::string_view(kind) == "index_template" && n == winner) continue;
      bool fits = false;
      for (auto& p : patterns_of(other)) {
        fits |= glob(p, name);
        for (auto& mine : patterns_of(chosen)) fits |= glob(p, mine) || glob(mine, p);
      }
      if (fits) overlapping.push_back(json::object{{"name", n}, {"index_patterns", other.at("index_patterns")}});
    }
  }
  return Reply(json::object{{"template", out}, {"overlapping", overlapping}});
}

constexpr const char* kParams = "timeout,master_timeout,wait_for_active_shards,create,cause,include_defaults";

}  // namespace

std::vector<Route> resize_routes() {
  return {
      {"PUT,POST", "/{index}/_shrink/{target}", shrink, kParams},
      {"PUT,POST", "/{index}/_split/{target}", split_index, kParams},
      {"PUT,POST", "/{index}/_clone/{target}", clone, kParams},
      {"POST", "/_index_template/_simulate_index/{name}", simulate_index, kParams},
      {"POST", "/_index_template/_simulate", simulate_template, kParams},
      {"POST", "/_index_template/_simulate/{name}", simulate_template, kParams},
  };
}

}  // namespace stele::elastic

// Indices: create, mappings, settings, aliases, templates, maintenance and statistics.
#include "doors/elastic/activity.h"
#include "doors/elastic/call.h"
#include "doors/elastic/index_settings.h"
#include "doors/elastic/time_series.h"

namespace stele::elastic {

namespace {

Reply ack() { return Reply(json::object{{"acknowledged", true}}); }

Reply create_index(Call& c) {
  std::string name = c.part("index");
  json::object body = c.body();
  for (auto& [k, v] : body) {
    if (k != "settings" && k != "mappings" && k != "aliases") {
      throw ElasticError(400, "parse_exception", "unknown key [" + std::string(k) + "] for create index");
    }
    if (!v.is_object() && !v.is_null()) throw ElasticError(400, "parse_exception", "key [" + std::string(k) + "] must be an object");
  }
  check_settings(body);
  if (name.size() > 1 && name[0] == '<') name = name.substr(1);
  if (auto* a = body.if_contains("aliases"); a != nullptr && a->is_object()) {
    for (auto& [alias, d] : a->get_object()) {
      if (c.engine().find(std::string(alias)) || std::string(alias) == name) {
        throw ElasticError(400, "invalid_alias_name_exception", "Invalid alias name [" + std::string(alias) + "]: an index or data stream exists with the same name as the alias", json::object{{"index_uuid", "_na_"}, {"index", std::string(alias)}});
      }
      (void)d;
    }
  }
  if (c.has("wait_for_active_shards")) {
    std::string w = c.param("wait_for_active_shards");
    if (w != "all" && w.find_first_not_of("0123456789") != std::string::npos) illegal("cannot parse ActiveShardCount[" + w + "]");
  }
  json::object composed = compose_create_body(c.engine(), name, body);
  if (auto* s = composed.if_contains("settings"); s != nullptr && s->is_object()) {
    json::object flat, named;
    flatten(s->get_object(), "", flat);
    for (auto& [k, v] : flat) named[std::string(k).starts_with("index.") ? std::string(k) : "index." + std::string(k)] = v;
    inline_synonyms(c.engine(), named);
    *s = nest(named);
    json::object mappings = composed.contains("mappings") && composed.at("mappings").is_object() ? composed.at("mappings").get_object() : json::object();
    check_time_series(named, mappings);
    if (!mappings.empty()) composed["mappings"] = std::move(mappings);
  }
  c.engine().create(name, composed);
  return Reply(json::object{{"acknowledged", true}, {"shards_acknowledged", true}, {"index", name}});
}

json::object alias_json(const json::value& d) {
  json::object o;
  if (!d.is_object()) return o;
  for (auto& [k, v] : d.get_object()) {
    if (k == "routing") {
      o["index_routing"] = json_text(v);
      o["search_routing"] = json_text(v);
    } else if (k == "index_routing" || k == "search_routing") {
      o[k] = json_text(v);
    } else {
      o[k] = v;
    }
  }
  return o;
}

json::object settings_json(const Index& x, bool flat, const std::vector<std::string>& names = {}, bool human = false) {
  json::object all;
  flatten(x.settings, "", all);
  hide_synonyms(all);
  if (human) {
    all["index.creation_date_string"] = segments::default_date_format().format(x.created_ms);
    all["index.version.created_string"] = "8.19.0";
  }
  json::object kept;
  for (auto& [k, v] : all) {
    bool take = names.empty();
    for (auto& n : names) take |= n == "_all" || glob(n, std::string(k));
    if (take) kept[k] = v;
  }
  return flat ? kept : nest(kept);
}

Reply get_index(Call& c) {
  auto targets = c.resolve_param("index", true);
  if (c.request.method == "HEAD") {
    Reply r;
    r.empty = true;
    return r;
  }
  if (targets.empty() && !c.flag("allow_no_indices", true)) throw index_missing(c.part("index"));
  std::vector<std::string> features = split(c.param("features", "aliases,mappings,settings"), ',');
  json::object out;
  for (auto& t : targets) {
    check_blocks(*t.index, kReadingMetadata);
    json::object o, aliases;
    for (auto& [k, v] : t.index->aliases) aliases[k] = alias_json(v);
    for (auto& f : features) {
      if (f == "aliases") o["aliases"] = aliases;
      else if (f == "mappings") o["mappings"] = t.index->mapping()->json();
      else if (f == "settings") o["settings"] = settings_json(*t.index, c.flag("flat_settings", false), {}, c.flag("human", false));
      else illegal("Failed to parse value [" + f + "] for [features]");
    }
    out[t.index->name] = o;
  }
  return Reply(out);
}

Reply exists_index(Call& c) {
  Reply r;
  r.empty = true;
  try {
    auto targets = c.resolve_param("index", true);
    bool plain = c.part("index").find('*') == std::string::npos;
    if (targets.empty() && (plain || !c.flag("allow_no_indices", true))) r.status = 404;
  } catch (const ElasticError& e) {
    if (e.status != 404) throw;
    r.status = 404;
  }
  return r;
}

Reply delete_index(Call& c) {
  std::string expr = c.part("index");
  for (auto& n : split(expr, ',')) {
    if (n.find('*') == std::string::npos && !c.engine().find(n) && !c.engine().by_alias(n).empty()) {
      if (c.flag("ignore_unavailable", false)) continue;
      illegal("The provided expression [" + n + "] matches an alias, specify the corresponding concrete indices instead.");
    }
  }
  auto targets = c.resolve(expr, c.flag("allow_no_indices", true), c.flag("ignore_unavailable", false), true);
  std::vector<IndexPtr> list;
  for (auto& t : targets) {
    bool direct = false;
    for (auto& n : split(expr, ',')) direct |= n == "_all" || glob(n, t.index->name);
    if (!direct) continue;
    if (!t.index->elastic) {
      if (expr.find('*') != std::string::npos || expr == "_all") continue;
      illegal("index [" + t.index->name + "] is an SQL table: drop it with DROP TABLE");
    }
    list.push_back(t.index);
  }
  if (!list.empty()) c.engine().drop(list);
  return ack();
}

Reply get_mapping(Call& c) {
  auto targets = c.resolve_param("index", true);
  json::object out;
  for (auto& t : targets) out[t.index->name] = json::object{{"mappings", t.index->mapping()->json()}};
  return Reply(out);
}
Reply put_mapping(Call& c) {
  json::object body = c.body(true);
  auto targets = c.resolve(c.part("index"), c.flag("allow_no_indices", true), c.flag("ignore_unavailable", false), true);
  if (c.flag("write_index_only", false)) {
    std::vector<Call::Target> one;
    IndexPtr w = c.write_target(c.part("index"), false, false);
    for (auto& t : targets) if (t.index->oid == w->oid) one.push_back(t);
    targets = one;
  }
  if (targets.empty() && !c.flag("allow_no_indices", true)) throw index_missing(c.part("index"));
  if (auto* d = body.if_contains("dynamic"); d != nullptr) {
    std::string v = json_text(*d);
    if (v != "true" && v != "false" && v != "strict" && v != "runtime") throw ElasticError(400, "mapper_parsing_exception", "Failed to parse mapping: Could not convert [dynamic] to boolean", json::object{{"caused_by", json::object{{"type", "illegal_argument_exception"}, {"reason", "Could not convert [dynamic] to boolean"}}}});
  }
  for (auto& t : targets) c.engine().put_mapping(t.index, body);
  return ack();
}
Reply get_field_mapping(Call& c) {
  json::object out;
  std::vector<std::string> patterns = split(c.part("fields"), ',');
  bool defaults = c.flag("include_defaults", false);
  for (auto& t : c.resolve_param("index", true)) {
    check_blocks(*t.index, kReadingMetadata);
    auto m = t.index->mapping();
    json::object found;
    for (auto& [path, f] : m->fields()) {
      bool take = false;
      for (auto& p : patterns) take |= glob(p, path) && (!f.metadata || p == path);
      if (!take) continue;
      // The definition as it stands in the tree.
      const json::object* node = &m->json();
      std::vector<std::string> parts = split(path, '.');
      const json::object* def = nullptr;
      for (size_t i = 0; i < parts.size(); ++i) {
        auto* p = node->if_contains("properties");
        if (p == nullptr || !p->is_object() || !p->get_object().contains(parts[i])) p = node->if_contains("fields");
        if (p == nullptr || !p->is_object()) break;
        auto* d = p->get_object().if_contains(parts[i]);
        if (d == nullptr || !d->is_object()) break;
        node = &d->get_object();
        if (i + 1 == parts.size()) def = node;
      }
      json::object inner;
      if (def != nullptr) {
        json::object d = *def;
        if (defaults && f.type == segments::FieldType::kText && !d.contains("analyzer")) d["analyzer"] = f.analyzer && f.analyzer->name != "standard" ? f.analyzer->name : "default";
        inner[parts.back()] = d;
      }
      found[path] = json::object{{"full_name", path}, {"mapping", inner}};
    }
    out[t.index->name] = json::object{{"mappings", found}};
  }
  return Reply(out);
}

Reply get_settings(Call& c) {
  json::object out;
  auto targets = c.resolve_param("index", true);
  std::vector<std::string> names = split(c.part("name"), ',');
  for (auto& t : targets) {
    check_blocks(*t.index, kReadingMetadata);
    json::object s = settings_json(*t.index, c.flag("flat_settings", false), names, c.flag("human", false));
    if (s.empty() && !names.empty()) continue;
    json::object o{{"settings", s}};
    if (c.flag("include_defaults", false)) {
      json::object d{{"index.refresh_interval", "1s"}, {"index.max_result_window", "10000"}, {"index.blocks.read_only", "false"}, {"index.flush_after_merge", "512mb"}, {"index.max_inner_result_window", "100"}};
      o["defaults"] = c.flag("flat_settings", false) ? d : nest(d);
    }
    out[t.index->name] = o;
  }
  return Reply(out);
}
Reply put_settings(Call& c) {
  json::object body = c.body(true);
  if (auto* s = body.if_contains("settings"); s != nullptr && s->is_object() && body.size() == 1) body = s->get_object();
  json::object flat;
  flatten(body, "", flat);
  json::object named;
  for (auto& [k, v] : flat) named[std::string(k).starts_with("index.") ? std::string(k) : "index." + std::string(k)] = v;
  auto targets = c.resolve_param("index", true);
  if (targets.empty() && !c.part("index").empty() && !c.flag("allow_no_indices", true)) throw index_missing(c.part("index"));
  bool preserve = c.flag("preserve_existing", false);
  static const std::set<std::string> kStatic = {"index.number_of_shards", "index.codec", "index.routing_partition_size", "index.soft_deletes.enabled", "index.number_of_routing_shards"};
  std::vector<std::pair<IndexPtr, std::function<void(json::object&)>>> changes;
  for (auto& t : targets) {
    for (auto& [k, v] : named) {
      std::string key(k);
      if (key.find('*') == std::string::npos) check_index_setting(key);
      if (key.starts_with("index.analysis") && !t.index->closed) {
        illegal("Can't update non dynamic settings [[" + key + "]] for open indices [[" + t.index->name + "/" + t.index->uuid + "]]");
      }
      if (kStatic.count(key) != 0) {
        if (key == "index.number_of_shards" || !t.index->closed) {
          illegal(key == "index.number_of_shards" ? "final " + t.index->name + " setting [index.number_of_shards], not updateable"
                                                  : "Can't update non dynamic settings [[" + key + "]] for open indices [[" + t.index->name + "/" + t.index->uuid + "]]");
        }
      }
      if (key == "index.number_of_replicas" && !v.is_null() && json_text(v).find_first_not_of("0123456789") != std::string::npos) {
        illegal("Failed to parse value [" + json_text(v) + "] for setting [index.number_of_replicas]");
      }
    }
    // What lifts a block must get through.
    static const std::set<std::string> kLifts = {"index.blocks.read_only", "index.blocks.metadata", "index.blocks.read_only_allow_delete"};
    if (named.size() != 1 || kLifts.count(std::string(named.begin()->key())) == 0) check_blocks(*t.index, kChangingMetadata);
    changes.emplace_back(t.index, [&, &engine = c.engine()](json::object& extra) {
      json::object all;
      if (auto* s = extra.if_contains("settings"); s != nullptr && s->is_object()) flatten(s->get_object(), "", all);
      for (auto& [k, v] : named) {
        if (v.is_null()) all.erase(k);
        else if (preserve && all.contains(k)) continue;
        else if (v.is_array()) all[k] = v;
        else all[k] = json_text(v);
      }
      inline_synonyms(engine, all);
      extra["settings"] = nest(all);
    });
  }
  c.engine().change(changes);
  return ack();
}

Reply open_close(Call& c, bool close) {
  std::string expr = c.part("index");
  if (expr.empty()) invalid({"index is missing"});
  auto targets = c.resolve(expr, c.flag("allow_no_indices", true), c.flag("ignore_unavailable", false), true);
  if (expr.find('*') != std::string::npos || expr == "_all") {
    targets.clear();
    for (auto& x : c.engine().all()) {
      bool hit = expr == "_all";
      for (auto& n : split(expr, ',')) hit |= glob(n, x->name);
      if (hit && x->elastic) {
        Call::Target t;
        t.index = x;
        targets.push_back(t);
      }
    }
  }
  std::vector<std::pair<IndexPtr, std::function<void(json::object&)>>> changes;
  json::object indices;
  for (auto& t : targets) {
    check_blocks(*t.index, kChangingMetadata);
    if (close) indices[t.index->name] = json::object{{"closed", true}};
    changes.emplace_back(t.index, [close](json::object& extra) { extra["closed"] = close; });
  }
  c.engine().change(changes);
  json::object out{{"acknowledged", true}, {"shards_acknowledged", true}};
  if (close) out["indices"] = indices;
  return Reply(out);
}
Reply close_index(Call& c) { return open_close(c, true); }
Reply open_index(Call& c) { return open_close(c, false); }

// --- Aliases

void check_alias_name(Call& c, const std::string& alias) {
  if (alias.empty()) invalid({"[alias] may not be empty string"});
  for (char ch : alias) {
    if (std::strchr("\\/*?\"<>| ,#", ch) != nullptr) {
      throw ElasticError(400, "invalid_alias_name_exception", "Invalid alias name [" + alias + "]: must not contain the following characters ['\\','/','*','?','\"','<','>','|',' ',',']", json::object{{"index_uuid", "_na_"}, {"index", alias}});
    }
  }
  if (alias[0] == '_' || alias[0] == '-' || alias[0] == '+') {
    throw ElasticError(400, "invalid_alias_name_exception", "Invalid alias name [" + alias + "]: must not start with '_', '-', or '+'", json::object{{"index_uuid", "_na_"}, {"index", alias}});
  }
  if (c.engine().find(alias)) {
    throw ElasticError(400, "invalid_alias_name_exception", "Invalid alias name [" + alias + "]: an index or data stream exists with the same name as the alias", json::object{{"index_uuid", "_na_"}, {"index", alias}});
  }
}

using Changes = std::vector<std::pair<IndexPtr, std::function<void(json::object&)>>>;
void set_alias(Changes& changes, const IndexPtr& x, const std::string& alias, const json::object& d) {
  check_blocks(*x, kChangingMetadata);
  if (auto* f = d.if_contains("filter"); f != nullptr && !f->is_null()) {
    auto mapping = x->mapping();
    segments::DslContext ctx;
    ctx.mapping = mapping.get();
    try {
      segments::parse_query(*f, ctx);
    } catch (const Error& e) {
      throw ElasticError(400, "illegal_argument_exception", "failed to parse filter for alias [" + alias + "]", json::object{{"caused_by", cause_of(e)}});
    }
  }
  json::object def;
  for (const char* k : {"filter", "index_routing", "search_routing", "is_write_index", "is_hidden", "routing"}) {
    if (auto* v = d.if_contains(k); v != nullptr && !v->is_null()) def[k] = *v;
  }
  changes.emplace_back(x, [alias, def](json::object& extra) {
    if (!extra.contains("aliases")) extra["aliases"] = json::object();
    extra["aliases"].get_object()[alias] = def;
  });
}

Reply put_alias(Call& c) {
  json::object body = c.body();
  std::string alias = c.part("name").empty() ? text_or(body, "alias") : c.part("name");
  std::string index = c.part("index").empty() ? text_or(body, "index") : c.part("index");
  if (index.empty()) invalid({"index is missing"});
  check_alias_name(c, alias);
  Changes changes;
  for (auto& t : c.resolve(index, true, false, true)) set_alias(changes, t.index, alias, body);
  c.engine().change(changes);
  return ack();
}
Reply delete_alias(Call& c) {
  std::vector<std::string> names = split(c.part("name"), ',');
  Changes changes;
  std::set<std::string> missing(names.begin(), names.end());
  bool any = false;
  for (auto& t : c.resolve(c.part("index"), true, false, true)) {
    std::vector<std::string> gone;
    for (auto& [a, d] : t.index->aliases) {
      for (auto& n : names) {
        if (n == "_all" || glob(n, std::string(a))) {
          gone.emplace_back(a);
          missing.erase(n);
          any = true;
        }
      }
    }
    if (!gone.empty()) changes.emplace_back(t.index, [gone](json::object& extra) { for (auto& a : gone) extra["aliases"].get_object().erase(a); });
  }
  if (!any || !missing.empty()) {
    std::string list;
    for (auto& n : any ? std::vector<std::string>(missing.begin(), missing.end()) : names) list += (list.empty() ? "" : ",") + n;
    throw ElasticError(404, "aliases_not_found_exception", "aliases [" + list + "] missing", json::object{{"resource.type", "aliases"}, {"resource.id", list}});
  }
  c.engine().change(changes);
  return ack();
}
Reply update_aliases(Call& c) {
  json::object body = c.body(true);
  auto* actions = body.if_contains("actions");
  if (actions == nullptr || !actions->is_array() || actions->get_array().empty()) illegal("No action specified");
  Changes changes;
  std::vector<IndexPtr> drop;
  for (auto& a : actions->get_array()) {
    if (!a.is_object() || a.get_object().empty()) illegal("[alias_action] failed to parse");
    for (auto& [kind, spec] : a.get_object()) {
      const json::object& o = spec.as_object();
      for (auto& [k, v] : o) {
        static const std::set<std::string_view> kKnown = {"index", "indices", "alias", "aliases", "filter", "routing", "index_routing", "indexRouting", "search_routing", "searchRouting", "is_write_index", "is_hidden", "must_exist"};
        if (kKnown.count(k) == 0) throw ElasticError(400, "x_content_parse_exception", "[1:2] [" + std::string(kind) + "] unknown field [" + std::string(k) + "]");
      }
      auto list = [&](const char* one, const char* many) {
        std::vector<std::string> out;
        for (const char* key : {one, many}) {
          auto* v = o.if_contains(key);
          if (v == nullptr) continue;
          if (v->is_array()) for (auto& e : v->get_array()) out.push_back(json_text(e));
          else out.push_back(json_text(*v));
        }
        return out;
      };
      auto indices = list("index", "indices"), aliases = list("alias", "aliases");
      if (indices.empty()) throw ElasticError(400, "illegal_argument_exception", "One of [index] or [indices] is required");
      if (aliases.empty() && kind != "remove_index") throw ElasticError(400, "illegal_argument_exception", "One of [alias] or [aliases] is required");
      std::string expr;
      for (auto& i : indices) expr += (expr.empty() ? "" : ",") + i;
      auto targets = c.resolve(expr, true, false, true);
      if (kind == "add") {
        for (auto& alias : aliases) {
          check_alias_name(c, alias);
          for (auto& t : targets) set_alias(changes, t.index, alias, o);
        }
      } else if (kind == "remove") {
        bool any = false;
        for (auto& t : targets) {
          std::vector<std::string> gone;
          for (auto& [n, d] : t.index->aliases) for (auto& p : aliases) if (glob(p, std::string(n))) gone.emplace_back(n);
          // Added earlier in this request?
          for (auto& [x, f] : changes) if (x->oid == t.index->oid) for (auto& p : aliases) gone.push_back(p);
          any |= !gone.empty();
          if (!gone.empty()) changes.emplace_back(t.index, [gone](json::object& extra) { if (extra.contains("aliases")) for (auto& n : gone) extra["aliases"].get_object().erase(n); });
        }
        if (!any && flag_or(o, "must_exist", true)) {
          std::string names;
          for (auto& n : aliases) names += (names.empty() ? "" : ",") + n;
          throw ElasticError(404, "aliases_not_found_exception", "aliases [" + names + "] missing", json::object{{"resource.type", "aliases"}, {"resource.id", names}});
        }
      } else if (kind == "remove_index") {
        for (auto& t : targets) drop.push_back(t.index);
      } else {
        throw ElasticError(400, "x_content_parse_exception", "[1:2] [alias_action] unknown field [" + std::string(kind) + "]");
      }
    }
  }
  std::erase_if(changes, [&](auto& e) { return std::find(drop.begin(), drop.end(), e.first) != drop.end(); });
  c.engine().change(changes);
  if (!drop.empty()) c.engine().drop(drop);
  return Reply(json::object{{"acknowledged", true}, {"errors", false}});
}
Reply get_alias(Call& c) {
  bool named = c.path.count("name") != 0;
  std::vector<std::string> names = split(c.part("name"), ',');
  json::object out;
  std::set<std::string> missing;
  for (auto& n : names) if (n.find('*') == std::string::npos && n != "_all" && n[0] != '-') missing.insert(n);
  bool any = false;
  for (auto& t : c.resolve(c.part("index"), c.flag("allow_no_indices", true), c.flag("ignore_unavailable", false), true)) {
    json::object found;
    for (auto& [a, d] : t.index->aliases) {
      bool take = !named;
      for (auto& n : names) {
        if (n.size() > 1 && n[0] == '-' && take) {
          if (glob(n.substr(1), std::string(a))) take = false;
        } else if (n == "_all" || glob(n, std::string(a))) {
          take = true;
        }
      }
      if (!take) continue;
      any = true;
      missing.erase(std::string(a));
      found[a] = alias_json(d);
    }
    if (!found.empty() || (!named)) out[t.index->name] = json::object{{"aliases", found}};
  }
  if (c.request.method == "HEAD") {
    Reply r;
    r.empty = true;
    r.status = any && missing.empty() ? 200 : any ? 200 : 404;
    return r;
  }
  if (!missing.empty()) {
    std::string list;
    for (auto& n : missing) list += (list.empty() ? "" : ",") + n;
    json::object o{{"error", missing.size() == 1 ? "alias [" + list + "] missing" : "aliases [" + list + "] missing"}, {"status", 404}};
    for (auto& [k, v] : out) o[k] = v;
    return Reply(o, 404);
  }
  return Reply(out);
}

// --- Maintenance

Reply broadcast(Call& c) {
  auto targets = c.resolve_param();
  int64_t n = 0, ok = 0;
  bool refresh = c.request.path.ends_with("_refresh"), flush = c.request.path.ends_with("_flush");
  for (auto& t : targets) {
    note_activity(t.index->oid, [&](Activity& a) {
      a.refreshes += refresh;
      a.flushes += flush;
    });
    int64_t s = std::max(1, std::atoi(t.index->setting("number_of_shards").c_str()));
    int64_t r = std::atoi(t.index->setting("number_of_replicas").c_str());
    n += s * (1 + r);
    ok += s;
  }
  return Reply(json::object{{"_shards", json::object{{"total", n}, {"successful", ok}, {"failed", 0}}}});
}
Reply forcemerge(Call& c) {
  if (c.has("only_expunge_deletes") && c.flag("only_expunge_deletes", false) && c.has("max_num_segments")) invalid({"cannot set only_expunge_deletes and max_num_segments at the same time, those two parameters are mutually exclusive"});
  for (auto& t : c.resolve_param()) {
    t.index->indexed->index.merge_all();
    note_activity(t.index->oid, [](Activity& a) { ++a.merges; });
  }
  if (!c.flag("wait_for_completion", true)) {
    int64_t now = c.engine().now_ms();
    std::string task = c.engine().node_id() + ":" + std::to_string(now);
    c.engine().put_thing("task", task, json::object{{"completed", true}, {"task", json::object{{"node", c.engine().node_id()}, {"id", now}, {"type", "transport"}, {"action", "indices:admin/forcemerge"}, {"description", "Force-merge indices [" + c.part("index") + "], maxSegments[" + c.param("max_num_segments", "-1") + "]"}, {"start_time_in_millis", now}, {"running_time_in_nanos", 0}, {"cancellable", false}, {"headers", json::object()}}}, {"response", broadcast(c).body}});
    return Reply(json::object{{"task", task}});
  }
  return broadcast(c);
}

json::object doc_stats(const segments::RelationIndex::Stats& s) { return json::object{{"count", s.docs}, {"deleted", s.deleted}, {"total_size_in_bytes", s.bytes}}; }
json::object index_stats(const segments::RelationIndex::Stats& s, const Activity& a, const std::vector<std::string>& metrics, const std::vector<std::string>& groups = {}) {
  auto searched = [](const Activity::Searches& x) {
    return json::object{{"query_total", x.queries}, {"query_time_in_millis", x.query_us / 1000}, {"query_current", 0}, {"fetch_total", x.fetches}, {"fetch_time_in_millis", x.fetch_us / 1000}, {"fetch_current", 0}};
  };
  json::object search = searched(a.search);
  search["open_contexts"] = 0;
  search["scroll_total"] = a.scrolls;
  search["scroll_time_in_millis"] = 0;
  search["scroll_current"] = 0;
  search["suggest_total"] = a.suggests;
  search["suggest_time_in_millis"] = 0;
  search["suggest_current"] = 0;
  json::object by_group;
  for (auto& [name, x] : a.groups) for (auto& g : groups) if (glob(g, name) || g == "_all") by_group[name] = searched(x);
  if (!by_group.empty()) search["groups"] = by_group;
  json::object all{
      {"docs", doc_stats(s)},
      {"shard_stats", json::object{{"total_count", 1}}},
      {"store", json::object{{"size_in_bytes", s.bytes}, {"total_data_set_size_in_bytes", s.bytes}, {"reserved_in_bytes", 0}}},
      {"indexing", json::object{{"index_total", a.indexed}, {"index_time_in_millis", a.write_us / 1000}, {"index_current", 0}, {"index_failed", a.failed}, {"delete_total", a.deleted}, {"delete_time_in_millis", 0}, {"delete_current", 0}, {"noop_update_total", a.noops}, {"is_throttled", false}, {"throttle_time_in_millis", 0}}},
      {"get", json::object{{"total", a.gets}, {"time_in_millis", 0}, {"exists_total", a.gets_found}, {"exists_time_in_millis", 0}, {"missing_total", a.gets - a.gets_found}, {"missing_time_in_millis", 0}, {"current", 0}}},
      {"search", search},
      {"merges", json::object{{"current", 0}, {"current_docs", 0}, {"current_size_in_bytes", 0}, {"total", a.merges}, {"total_time_in_millis", 0}, {"total_docs", 0}, {"total_size_in_bytes", 0}, {"total_stopped_time_in_millis", 0}, {"total_throttled_time_in_millis", 0}, {"total_auto_throttle_in_bytes", 20971520}}},
      {"refresh", json::object{{"total", a.refreshes}, {"total_time_in_millis", 0}, {"external_total", a.refreshes}, {"external_total_time_in_millis", 0}, {"listeners", 0}}},
      {"flush", json::object{{"total", a.flushes}, {"periodic", 0}, {"total_time_in_millis", 0}}},
      {"warmer", json::object{{"current", 0}, {"total", 0}, {"total_time_in_millis", 0}}},
      {"query_cache", json::object{{"memory_size_in_bytes", 0}, {"total_count", 0}, {"hit_count", 0}, {"miss_count", 0}, {"cache_size", 0}, {"cache_count", 0}, {"evictions", 0}}},
      {"fielddata", json::object{{"memory_size_in_bytes", 0}, {"evictions", 0}}},
      {"completion", json::object{{"size_in_bytes", 0}}},
      {"segments", json::object{{"count", s.segments}, {"memory_in_bytes", 0}, {"terms_memory_in_bytes", 0}, {"stored_fields_memory_in_bytes", 0}, {"term_vectors_memory_in_bytes", 0}, {"norms_memory_in_bytes", 0}, {"points_memory_in_bytes", 0}, {"doc_values_memory_in_bytes", 0}, {"index_writer_memory_in_bytes", 0}, {"version_map_memory_in_bytes", 0}, {"fixed_bit_set_memory_in_bytes", 0}, {"max_unsafe_auto_id_timestamp", -1}, {"file_sizes", json::object()}}},
      {"translog", json::object{{"operations", 0}, {"size_in_bytes", 55}, {"uncommitted_operations", 0}, {"uncommitted_size_in_bytes", 55}, {"earliest_last_modified_age", 0}}},
      {"request_cache", json::object{{"memory_size_in_bytes", 0}, {"evictions", 0}, {"hit_count", 0}, {"miss_count", 0}}},
      {"recovery", json::object{{"current_as_source", 0}, {"current_as_target", 0}, {"throttle_time_in_millis", 0}}},
      {"bulk", json::object{{"total_operations", a.bulks}, {"total_time_in_millis", a.bulk_us / 1000}, {"total_size_in_bytes", a.bulk_bytes}, {"avg_time_in_millis", a.bulks == 0 ? 0 : a.bulk_us / 1000 / a.bulks}, {"avg_size_in_bytes", a.bulks == 0 ? 0 : a.bulk_bytes / a.bulks}}}};
  if (metrics.empty() || std::find(metrics.begin(), metrics.end(), "_all") != metrics.end()) return all;
  json::object out;
  for (auto& m : metrics) {
    std::string key = m == "merge" ? "merges" : m;
    if (auto* v = all.if_contains(key)) out[key] = *v;
  }
  return out;
}
Reply stats(Call& c) {
  std::vector<std::string> metrics = split(c.part("metric"), ',');
  static const std::set<std::string> kMetrics = {"_all", "docs", "store", "indexing", "get", "search", "merge", "refresh", "flush", "warmer", "query_cache", "fielddata", "completion", "segments", "translog", "request_cache", "recovery", "bulk", "shard_stats", "suggest", "dense_vector"};
  for (auto& m : metrics) {
    if (kMetrics.count(m) == 0) {
      illegal("request [" + c.request.path + "] contains unrecognized metric: [" + m + "]");
    }
  }
  json::object indices;
  segments::RelationIndex::Stats sum;
  Activity all_activity;
  std::vector<std::string> groups = split(c.param("groups"), ',');
  auto targets = c.resolve_param();
  int64_t n = 0, copies = 0;
  std::string level = c.param("level", "indices");
  if (level != "indices" && level != "cluster" && level != "shards") illegal("level parameter must be one of [cluster] or [indices] or [shards] but was [" + level + "]");
  for (auto& t : targets) {
    auto s = t.index->indexed->index.stats();
    sum.docs += s.docs;
    sum.deleted += s.deleted;
    sum.bytes += s.bytes;
    sum.segments += s.segments;
    int64_t shards_of = std::max(1, std::atoi(t.index->setting("number_of_shards").c_str()));
    n += shards_of;
    copies += shards_of * (1 + std::atoi(t.index->setting("number_of_replicas").c_str()));
    Activity a = activity_of(t.index->oid);
    all_activity.add(a);
    json::object part = index_stats(s, a, metrics, groups);
    json::object o{{"uuid", t.index->uuid}, {"health", t.index->setting("number_of_replicas") == "0" ? "green" : "yellow"}, {"status", "open"}, {"primaries", part}, {"total", part}};
    if (level == "shards") {
      json::object sh = part;
      sh["routing"] = json::object{{"state", "STARTED"}, {"primary", true}, {"node", c.engine().node_id()}, {"relocating_node", nullptr}};
      sh["commit"] = json::object{{"id", t.index->uuid}, {"generation", 1}, {"user_data", json::object()}, {"num_docs", s.docs}};
      sh["seq_no"] = json::object{{"max_seq_no", t.index->indexed->next_seq_no.load() - 1}, {"local_checkpoint", t.index->indexed->next_seq_no.load() - 1}, {"global_checkpoint", t.index->indexed->next_seq_no.load() - 1}};
      o["shards"] = json::object{{"0", json::array{sh}}};
    }
    indices[t.index->name] = o;
  }
  json::object part = index_stats(sum, all_activity, metrics, groups);
  json::object out{{"_shards", json::object{{"total", copies}, {"successful", n}, {"failed", 0}}}, {"_all", json::object{{"primaries", part}, {"total", part}}}};
  if (level != "cluster") out["indices"] = indices;
  return Reply(out);
}
Reply segments_api(Call& c) {
  json::object indices;
  int64_t n = 0;
  for (auto& t : c.resolve_param()) {
    json::object list;
    int k = 0;
    auto parts = t.index->indexed->index.segments();
    for (auto& s : *parts) {
      list["_" + std::to_string(k++)] = json::object{{"generation", k - 1}, {"num_docs", s->docs() - s->deleted()}, {"deleted_docs", s->deleted()}, {"size_in_bytes", s->image_bytes()}, {"memory_in_bytes", 0}, {"committed", true}, {"search", true}, {"version", "9.11.1"}, {"compound", true}, {"attributes", json::object()}};
    }
    json::object shard{{"routing", json::object{{"state", "STARTED"}, {"primary", true}, {"node", c.engine().node_id()}}}, {"num_committed_segments", k}, {"num_search_segments", k}, {"segments", list}};
    indices[t.index->name] = json::object{{"shards", json::object{{"0", json::array{shard}}}}};
    ++n;
  }
  return Reply(json::object{{"_shards", shards(n, false)}, {"indices", indices}});
}
Reply recovery(Call& c) {
  json::object out;
  for (auto& t : c.resolve_param()) {
    auto s = t.index->indexed->index.stats();
    json::object node{{"id", c.engine().node_id()}, {"host", "127.0.0.1"}, {"transport_address", c.door.address}, {"ip", "127.0.0.1"}, {"name", c.door.node_name}};
    out[t.index->name] = json::object{{"shards", json::array{json::object{
        {"id", 0}, {"type", "EMPTY_STORE"}, {"stage", "DONE"}, {"primary", true}, {"start_time_in_millis", t.index->created_ms}, {"stop_time_in_millis", t.index->created_ms}, {"total_time_in_millis", 0}, {"source", json::object()}, {"target", node},
        {"index", json::object{{"size", json::object{{"total_in_bytes", 0}, {"reused_in_bytes", 0}, {"recovered_in_bytes", 0}, {"recovered_from_snapshot_in_bytes", 0}, {"percent", "0.0%"}}}, {"files", json::object{{"total", 0}, {"reused", 0}, {"recovered", 0}, {"percent", "0.0%"}}}, {"total_time_in_millis", 0}, {"source_throttle_time_in_millis", 0}, {"target_throttle_time_in_millis", 0}}},
        {"translog", json::object{{"recovered", 0}, {"total", 0}, {"percent", "100.0%"}, {"total_on_start", 0}, {"total_time_in_millis", 0}}}, {"verify_index", json::object{{"check_index_time_in_millis", 0}, {"total_time_in_millis", 0}}}}}}};
    (void)s;
  }
  return Reply(out);
}
Reply resolve_index(Call& c) {
  json::array indices, aliases;
  std::map<std::string, std::vector<std::string>> by_alias;
  std::vector<std::string> patterns = split(c.part("name"), ',');
  for (auto& x : c.engine().all()) {
    bool hit = false;
    for (auto& p : patterns) hit |= glob(p, x->name);
    if (hit) {
      json::object o{{"name", x->name}};
      json::array a;
      for (auto& [n, d] : x->aliases) a.push_back(json::value(std::string(n)));
      if (!a.empty()) o["aliases"] = a;
      o["attributes"] = json::array{x->closed ? "closed" : "open"};
      indices.push_back(o);
    }
    for (auto& [n, d] : x->aliases) for (auto& p : patterns) if (glob(p, std::string(n))) {
      by_alias[std::string(n)].push_back(x->name);
      break;
    }
  }
  for (auto& [n, list] : by_alias) {
    json::array a;
    for (auto& i : list) a.push_back(json::value(i));
    aliases.push_back(json::object{{"name", n}, {"indices", a}});
  }
  json::array streams;
  for (auto& [n, s] : c.engine().things("data_stream")) {
    bool hit = false;
    for (auto& p : patterns) hit |= glob(p, n);
    if (!hit) continue;
    json::array backing;
    for (auto& x : c.engine().by_alias(n)) backing.push_back(json::value(x->name));
    streams.push_back(json::object{{"name", n}, {"backing_indices", backing}, {"timestamp_field", "@timestamp"}});
  }
  return Reply(json::object{{"indices", indices}, {"aliases", aliases}, {"data_streams", streams}});
}
Reply add_block(Call& c) {
  std::string block = c.part("block");
  static const std::set<std::string> kBlocks = {"metadata", "read", "read_only", "write"};
  if (kBlocks.count(block) == 0) illegal("No block found with name " + block);
  Changes changes;
  json::array list;
  for (auto& t : c.resolve(c.part("index"), true, false, true)) {
    list.push_back(json::object{{"name", t.index->name}, {"blocked", true}});
    changes.emplace_back(t.index, [block](json::object& extra) {
      json::object all;
      flatten(extra["settings"].get_object(), "", all);
      all["index.blocks." + block] = "true";
      extra["settings"] = nest(all);
    });
  }
  c.engine().change(changes);
  return Reply(json::object{{"acknowledged", true}, {"shards_acknowledged", true}, {"indices", list}});
}

// The write index of an alias gives way to a new one when a condition holds.
Reply rollover(Call& c) {
  std::string alias = c.part("index"), next = c.part("new_index");
  json::object body = c.body();
  auto list = c.engine().by_alias(alias);
  if (list.empty()) {
    illegal(c.engine().find(alias) ? "rollover target is a [concrete_index] but one of [alias,data_stream] was expected"
                                   : "rollover target [" + alias + "] does not exist");
  }
  IndexPtr old = c.write_target(alias, false, false);
  bool stream = old->data_stream == alias;
  if (stream && !next.empty()) illegal("new index name may not be specified when rolling over a data stream");
  if (stream) {
    auto kept = c.engine().get_thing("data_stream", alias);
    next = ".ds-" + alias + "-" + segments::DateFormat("yyyy.MM.dd").format(c.engine().now_ms()) + "-" + fmt::format("{:06}", (kept ? kept->at("generation").to_number<int64_t>() : 1) + 1);
  }
  if (next.empty()) {
    size_t dash = old->name.rfind('-');
    std::string digits = dash == std::string::npos ? "" : old->name.substr(dash + 1);
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) {
      illegal("index name [" + old->name + "] does not match pattern '^.*-\\d+$'");
    }
    next = old->name.substr(0, dash + 1) + fmt::format("{:06}", std::atoll(digits.c_str()) + 1);
  }
  auto s = old->indexed->index.stats();
  json::object conditions;
  bool met = false, any = false;
  if (auto* cs = body.if_contains("conditions"); cs != nullptr && cs->is_object()) {
    for (auto& [k, v] : cs->get_object()) {
      any = true;
      std::string text = json_text(v);
      bool ok;
      if (k == "max_docs") ok = s.docs >= std::strtoull(text.c_str(), nullptr, 10);
      else if (k == "max_age") ok = static_cast<double>(c.engine().now_ms() - old->created_ms) >= segments::parse_time_ms(text).value_or(0);
      else if (k == "max_size" || k == "max_primary_shard_size") {
        size_t unit = text.find_first_not_of("0123456789.");
        std::string u = unit == std::string::npos ? "b" : text.substr(unit);
        double scale = u == "kb" ? 1024.0 : u == "mb" ? 1048576.0 : u == "gb" ? 1073741824.0 : u == "tb" ? 1099511627776.0 : 1.0;
        ok = static_cast<double>(s.bytes) >= std::strtod(text.c_str(), nullptr) * scale;
      } else {
        throw ElasticError(400, "x_content_parse_exception", "[1:2] [conditions] unknown field [" + std::string(k) + "]");
      }
      conditions["[" + std::string(k) + ": " + text + "]"] = ok;
      met |= ok;
    }
  }
  bool dry = c.flag("dry_run", false), roll = !any || met;
  if (c.engine().find(next)) {
    throw ElasticError(400, "resource_already_exists_exception", "index [" + next + "/" + c.engine().find(next)->uuid + "] already exists", json::object{{"index_uuid", c.engine().find(next)->uuid}, {"index", next}});
  }
  if (roll && !dry && stream) {
    next = roll_data_stream(c.engine(), alias)->name;
  } else if (roll && !dry) {
    json::object create;
    for (const char* k : {"settings", "mappings", "aliases"}) if (body.contains(k)) create[k] = body.at(k);
    IndexPtr made = c.engine().create(next, compose_create_body(c.engine(), next, create));
    auto* d = old->aliases.if_contains(alias);
    bool explicit_write = d != nullptr && d->is_object() && d->get_object().contains("is_write_index");
    json::object definition = d != nullptr && d->is_object() ? d->get_object() : json::object();
    Changes changes;
    if (explicit_write) definition["is_write_index"] = true;
    set_alias(changes, made, alias, definition);
    changes.emplace_back(old, [alias, explicit_write](json::object& extra) {
      json::object& aliases = extra["aliases"].get_object();
      if (explicit_write) aliases[alias].get_object()["is_write_index"] = false;
      else aliases.erase(alias);
    });
    c.engine().change(changes);
  }
  bool done = roll && !dry;
  return Reply(json::object{{"acknowledged", done}, {"shards_acknowledged", done}, {"old_index", old->name}, {"new_index", next}, {"rolled_over", done}, {"dry_run", dry}, {"lazy", false}, {"conditions", conditions}});
}

constexpr const char* kIndices = "allow_no_indices,expand_wildcards,ignore_unavailable,master_timeout,timeout,local,flat_settings,include_defaults,wait_for_active_shards,include_type_name,features,preserve_existing,write_index_only,human,cause,create,order,reopen";
constexpr const char* kAdmin = "allow_no_indices,expand_wildcards,ignore_unavailable,force,wait_if_ongoing,max_num_segments,only_expunge_deletes,flush,wait_for_completion,fielddata,fields,query,request,index,groups,level,types,completion_fields,fielddata_fields,include_segment_file_sizes,include_unloaded_segments,forbid_closed_indices,verbose,active_only,detailed,metric,status";

}  // namespace

std::vector<Route> index_routes() {
  return {
      {"PUT", "/{index}", create_index, kIndices},
      {"GET", "/{index}", get_index, kIndices},
      {"HEAD", "/{index}", exists_index, kIndices},
      {"DELETE", "/{index}", delete_index, kIndices},
      {"GET", "/_mapping", get_mapping, kIndices},
      {"GET", "/{index}/_mapping", get_mapping, kIndices},
      {"GET", "/{index}/_mappings", get_mapping, kIndices},
      {"PUT,POST", "/{index}/_mapping", put_mapping, kIndices},
      {"PUT,POST", "/{index}/_mappings", put_mapping, kIndices},
      {"GET", "/_mapping/field/{fields}", get_field_mapping, kIndices},
      {"GET", "/{index}/_mapping/field/{fields}", get_field_mapping, kIndices},
      {"GET", "/_settings", get_settings, kIndices},
      {"GET", "/_settings/{name}", get_settings, kIndices},
      {"GET", "/{index}/_settings", get_settings, kIndices},
      {"GET", "/{index}/_settings/{name}", get_settings, kIndices},
      {"PUT", "/_settings", put_settings, kIndices},
      {"PUT", "/{index}/_settings", put_settings, kIndices},
      {"POST", "/{index}/_close", close_index, kIndices},
      {"POST", "/{index}/_open", open_index, kIndices},
      {"PUT", "/{index}/_block/{block}", add_block, kIndices},
      {"POST", "/{index}/_rollover", rollover, "dry_run,timeout,master_timeout,wait_for_active_shards,lazy"},
      {"POST", "/{index}/_rollover/{new_index}", rollover, "dry_run,timeout,master_timeout,wait_for_active_shards,lazy"},
      {"POST", "/_aliases", update_aliases, kIndices},
      {"GET,HEAD", "/_alias", get_alias, kIndices},
      {"GET,HEAD", "/_alias/{name}", get_alias, kIndices},
      {"GET,HEAD", "/{index}/_alias", get_alias, kIndices},
      {"GET,HEAD", "/{index}/_alias/{name}", get_alias, kIndices},
      {"PUT,POST", "/{index}/_alias/{name}", put_alias, kIndices},
      {"PUT,POST", "/{index}/_aliases/{name}", put_alias, kIndices},
      {"PUT,POST", "/_alias/{name}", put_alias, kIndices},
      {"PUT", "/_alias", put_alias, kIndices},
      {"DELETE", "/{index}/_alias/{name}", delete_alias, kIndices},
      {"DELETE", "/{index}/_aliases/{name}", delete_alias, kIndices},
      {"GET,POST", "/_refresh", broadcast, kAdmin},
      {"GET,POST", "/{index}/_refresh", broadcast, kAdmin},
      {"GET,POST", "/_flush", broadcast, kAdmin},
      {"GET,POST", "/{index}/_flush", broadcast, kAdmin},
      {"POST", "/_cache/clear", broadcast, kAdmin},
      {"POST", "/{index}/_cache/clear", broadcast, kAdmin},
      {"POST", "/_forcemerge", forcemerge, kAdmin},
      {"POST", "/{index}/_forcemerge", forcemerge, kAdmin},
      {"GET", "/_stats", stats, kAdmin},
      {"GET", "/_stats/{metric}", stats, kAdmin},
      {"GET", "/{index}/_stats", stats, kAdmin},
      {"GET", "/{index}/_stats/{metric}", stats, kAdmin},
      {"GET", "/_segments", segments_api, kAdmin},
      {"GET", "/{index}/_segments", segments_api, kAdmin},
      {"GET", "/_recovery", recovery, kAdmin},
      {"GET", "/{index}/_recovery", recovery, kAdmin},
      {"GET", "/_resolve/index/{name}", resolve_index, kIndices},
  };
}

}  // namespace stele::elastic

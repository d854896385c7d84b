// Index templates, component templates and the templates of old.
#include "doors/elastic/call.h"
#include "doors/elastic/index_settings.h"

namespace stele::elastic {

namespace {

Reply ack() { return Reply(json::object{{"acknowledged", true}}); }

Reply put_named(Call& c, const char* kind) {
  std::string name = c.part("name");
  json::object body = c.body(true);
  if (c.flag("create", false) && c.engine().get_thing(kind, name)) {
    std::string k = kind;
    illegal(k == "index_template" ? "index template [" + name + "] already exists" : k == "component_template" ? "component template [" + name + "] already exists" : "index_template [" + name + "] already exists");
  }
  std::string k = kind;
  static const std::map<std::string, std::set<std::string_view>> kMembers = {
      {"index_template", {"index_patterns", "template", "priority", "composed_of", "version", "_meta", "data_stream", "allow_auto_create", "ignore_missing_component_templates", "deprecated"}},
      {"component_template", {"template", "version", "_meta", "allow_auto_create", "deprecated"}}};
  if (auto m = kMembers.find(k); m != kMembers.end()) {
    for (auto& [key, v] : body) if (m->second.count(key) == 0) throw ElasticError(400, "x_content_parse_exception", "[1:2] [" + k + "] unknown field [" + std::string(key) + "]");
    if (auto* t = body.if_contains("template"); t != nullptr && t->is_object()) {
      for (auto& [key, v] : t->get_object()) if (key != "settings" && key != "mappings" && key != "aliases" && key != "lifecycle" && key != "data_stream_options") throw ElasticError(400, "x_content_parse_exception", "[1:2] [template] unknown field [" + std::string(key) + "]");
      check_settings(t->get_object());
    }
  } else {
    check_settings(body);
  }
  if (k == "index_template" || k == "template") {
    if (!body.contains("index_patterns")) {
      if (k == "template") invalid({"index patterns are missing"});
      throw ElasticError(400, "x_content_parse_exception", "Required [index_patterns]");
    }
  }
  if (k == "component_template" && !body.contains("template")) throw ElasticError(400, "x_content_parse_exception", "Required [template]");
  if (k == "index_template") {
    if (auto* comp = body.if_contains("composed_of"); comp != nullptr && comp->is_array()) {
      std::string missing;
      json::array ignored = body.contains("ignore_missing_component_templates") ? body.at("ignore_missing_component_templates").as_array() : json::array();
      for (auto& n : comp->get_array()) {
        bool ok = c.engine().get_thing("component_template", json_text(n)).has_value();
        for (auto& i : ignored) ok |= json_text(i) == json_text(n);
        if (!ok) missing += (missing.empty() ? "" : ", ") + json_text(n);
      }
      if (!missing.empty()) throw ElasticError(400, "invalid_index_template_exception", "index_template [" + name + "] invalid, cause [index template [" + name + "] specifies component templates [" + missing + "] that do not exist]");
    }
    for (auto& [other, t] : c.engine().things("index_template")) {
      if (other == name) continue;
      auto list = [](const json::object& o) {
        std::vector<std::string> out;
        auto& v = o.at("index_patterns");
        if (v.is_array()) for (auto& e : v.get_array()) out.push_back(json_text(e));
        else out.push_back(json_text(v));
        return out;
      };
      if (text_or(t, "priority", "0") != text_or(body, "priority", "0")) continue;
      for (auto& a : list(t)) for (auto& b : list(body)) {
        if (glob(a, b) || glob(b, a)) {
          illegal("index template [" + name + "] has index patterns [" + b + "] matching patterns from existing templates [" + other + "] with patterns (" + other + " => [" + a + "]) that have the same priority [" + text_or(body, "priority", "0") + "], multiple index templates may not match during index creation, please use a different priority");
        }
      }
    }
  }
  // Settings inside are kept as {"index": {...}} strings.
  auto normalise = [](json::object& holder) {
    auto* s = holder.if_contains("settings");
    if (s == nullptr || !s->is_object()) return;
    json::object flat, named;
    flatten(s->get_object(), "", flat);
    for (auto& [key, v] : flat) named[std::string(key).starts_with("index.") ? std::string(key) : "index." + std::string(key)] = v.is_array() || v.is_null() ? v : json::value(json_text(v));
    holder["settings"] = nest(named);
  };
  if (k == "template") normalise(body);
  else if (auto* t = body.if_contains("template"); t != nullptr && t->is_object()) normalise(t->get_object());
  if (auto* p = body.if_contains("index_patterns"); p != nullptr && p->is_string()) body["index_patterns"] = json::array{*p};
  if (k == "index_template" && !body.contains("composed_of")) body["composed_of"] = json::array();
  c.engine().put_thing(kind, name, body);
  return ack();
}
json::object flat_settings(json::object body, bool flat, bool legacy) {
  auto one = [&](json::object& o) {
    if (!flat) return;
    if (auto* s = o.if_contains("settings"); s != nullptr && s->is_object()) {
      json::object f;
      flatten(s->get_object(), "", f);
      o["settings"] = f;
    }
  };
  if (legacy) one(body);
  else if (auto* t = body.if_contains("template"); t != nullptr && t->is_object()) one(t->get_object());
  return body;
}
Reply get_named(Call& c, const char* kind) {
  std::string want = c.part("name");
  std::vector<std::string> names = split(want, ',');
  json::array list;
  json::object legacy;
  std::string k = kind;
  for (auto& [n, body] : c.engine().things(kind)) {
    bool take = names.empty();
    for (auto& p : names) take |= glob(p, n);
    if (!take) continue;
    json::object b = flat_settings(body, c.flag("flat_settings", false), k == "template");
    if (k == "template") {
      json::object full{{"order", b.contains("order") ? b.at("order") : json::value(0)}};
      if (b.contains("version")) full["version"] = b.at("version");
      full["index_patterns"] = b.at("index_patterns");
      for (const char* part : {"settings", "mappings", "aliases"}) full[part] = b.contains(part) ? b.at(part) : json::value(json::object());
      legacy[n] = full;
    } else {
      list.push_back(json::object{{"name", n}, {kind, b}});
    }
  }
  bool plain = !want.empty() && want.find('*') == std::string::npos;
  bool empty = k == "template" ? legacy.empty() : list.empty();
  if (c.request.method == "HEAD") {
    Reply r;
    r.empty = true;
    r.status = empty ? 404 : 200;
    return r;
  }
  if (plain && empty) {
    if (k == "template") return Reply(json::object(), 404);
    throw ElasticError(404, "resource_not_found_exception", std::string(k == "index_template" ? "index" : "component") + " template matching [" + want + "] not found");
  }
  if (k == "template") return Reply(legacy);
  return Reply(json::object{{k + "s", list}});
}
Reply delete_named(Call& c, const char* kind) {
  std::string k = kind;
  bool any = false;
  for (auto& name : split(c.part("name"), ',')) {
    std::vector<std::string> gone;
    for (auto& [n, b] : c.engine().things(kind)) if (glob(name, n)) gone.push_back(n);
    if (k == "component_template") {
      for (auto& n : gone) {
        std::string users;
        for (auto& [other, t] : c.engine().things("index_template")) {
          auto* parts = t.if_contains("composed_of");
          if (parts != nullptr && parts->is_array()) for (auto& e : parts->get_array()) if (json_text(e) == n) users += (users.empty() ? "" : ", ") + other;
        }
        if (!users.empty()) illegal("component templates [" + n + "] cannot be removed as they are still in use by index templates [" + users + "]");
      }
    }
    for (auto& n : gone) any |= c.engine().drop_thing(kind, n);
    if (gone.empty() && name.find('*') == std::string::npos) {
      throw ElasticError(404, k == "template" ? "index_template_missing_exception" : "resource_not_found_exception", k == "template" ? "index_template [" + name + "] missing" : (k == "index_template" ? "index_template [" : "component_template [") + name + "] missing");
    }
  }
  (void)any;
  return ack();
}
Reply put_index_template(Call& c) { return put_named(c, "index_template"); }
Reply get_index_template(Call& c) { return get_named(c, "index_template"); }
Reply delete_index_template(Call& c) { return delete_named(c, "index_template"); }
Reply put_component(Call& c) { return put_named(c, "component_template"); }
Reply get_component(Call& c) { return get_named(c, "component_template"); }
Reply delete_component(Call& c) { return delete_named(c, "component_template"); }
Reply put_template(Call& c) { return put_named(c, "template"); }
Reply get_template(Call& c) { return get_named(c, "template"); }
Reply delete_template(Call& c) { return delete_named(c, "template"); }

constexpr const char* kParams = "master_timeout,timeout,local,flat_settings,include_defaults,create,cause,order,settings_filter";

}  // namespace

std::vector<Route> template_routes() {
  return {
      {"PUT,POST", "/_index_template/{name}", put_index_template, kParams},
      {"GET,HEAD", "/_index_template/{name}", get_index_template, kParams},
      {"GET", "/_index_template", get_index_template, kParams},
      {"DELETE", "/_index_template/{name}", delete_index_template, kParams},
      {"PUT,POST", "/_component_template/{name}", put_component, kParams},
      {"GET,HEAD", "/_component_template/{name}", get_component, kParams},
      {"GET", "/_component_template", get_component, kParams},
      {"DELETE", "/_component_template/{name}", delete_component, kParams},
      {"PUT,POST", "/_template/{name}", put_template, kParams},
      {"GET,HEAD", "/_template/{name}", get_template, kParams},
      {"GET", "/_template", get_template, kParams},
      {"DELETE", "/_template/{name}", delete_template, kParams},
  };
}

}  // namespace stele::elastic

#include "doors/elastic/scripts.h"

namespace stele::elastic {

namespace script = segments::script;

ElasticError script_error(const script::ScriptError& e) {
  size_t from = e.position > 25 ? e.position - 25 : 0, to = std::min(e.source.size(), e.position + 25);
  std::string part = (from > 0 ? "... " : "") + e.source.substr(std::min(from, e.source.size()), to - std::min(from, to)) + (to < e.source.size() ? " ..." : "");
  std::string mark = std::string(e.position - from + (from > 0 ? 4 : 0), ' ') + "^---- HERE";
  return ElasticError(400, "script_exception", e.phase,
                      json::object{{"script_stack", json::array{json::value(part), json::value(mark)}}, {"script", e.source}, {"lang", e.language},
                                   {"position", json::object{{"offset", e.position}, {"start", from}, {"end", to}}},
                                   {"caused_by", json::object{{"type", e.cause}, {"reason", e.reason}}}});
}

std::function<std::optional<std::string>(const std::string&)> stored_scripts(Engine& engine) {
  return [&engine](const std::string& id) -> std::optional<std::string> {
    auto t = engine.get_thing("script", id);
    if (!t) return std::nullopt;
    return text_or(t->at("script").as_object(), "source");
  };
}

DocumentScript::DocumentScript(Engine& engine, const json::value& spec) : call_(script::parse_call(spec, stored_scripts(engine))), now_ms_(engine.now_ms()) {}

void DocumentScript::run(ScriptedDocument& d) const {
  script::MapPtr ctx = script::make_map();
  ctx->at("_index") = script::Value(d.index);
  ctx->at("_id") = script::Value(d.id);
  ctx->at("_version") = script::Value(d.version);
  ctx->at("_routing") = d.routing.empty() ? script::Value() : script::Value(d.routing);
  ctx->at("_now") = script::Value(now_ms_);
  ctx->at("op") = script::Value(d.op);
  ctx->at("_source") = script::from_json(d.source);
  call_.script->run({{"ctx", script::Value(ctx)}, {"params", call_.params}});
  json::value source = script::to_json(ctx->at("_source"));
  if (source.is_object()) d.source = std::move(source.get_object());
  d.index = ctx->at("_index").text();
  if (!ctx->at("_id").null()) d.id = ctx->at("_id").text();
  d.routing = ctx->at("_routing").null() ? std::string() : ctx->at("_routing").text();
  d.op = ctx->at("op").null() ? "index" : ctx->at("op").text();
  if (d.op == "none") d.op = "noop";
}

bool DocumentScript::run_on_fields(json::object& source, std::string& index, std::string& id, std::string& routing) const {
  script::Value all = script::from_json(source);
  script::MapPtr ctx = *all.get<script::MapPtr>();
  ctx->at("_index") = script::Value(index);
  ctx->at("_id") = id.empty() ? script::Value() : script::Value(id);
  if (!routing.empty()) ctx->at("_routing") = script::Value(routing);
  script::Value out = call_.script->run({{"ctx", all}, {"params", call_.params}});
  for (auto& [name, slot] : {std::pair<const char*, std::string*>{"_index", &index}, {"_id", &id}, {"_routing", &routing}}) {
    auto* v = ctx->find(name);
    if (v != nullptr && !v->null()) *slot = v->text();
    ctx->erase(name);
  }
  source = script::to_json(all).as_object();
  return out.get<bool>() != nullptr && out.as_bool();
}

namespace {
Reply put_script(Call& c) {
  json::object body = c.body(true);
  auto* s = body.if_contains("script");
  if (s == nullptr || !s->is_object()) throw ElasticError(400, "parsing_exception", "must specify <script> for stored script", json::object{{"line", 1}, {"col", 1}});
  json::object script = s->get_object();
  std::string language = text_or(script, "lang");
  if (language.empty()) illegal("must specify lang for stored script");
  if (!script.contains("source")) illegal("must specify source for stored script");
  if (script.at("source").is_object()) script["source"] = json::serialize(script.at("source"));
  if (language == "painless" || language == "expression") segments::script::Script::parse(text_or(script, "source"), language);
  else if (language != "mustache") illegal("script_lang not supported [" + language + "]");
  c.engine().put_thing("script", c.part("id"), json::object{{"script", json::object{{"lang", language}, {"source", script.at("source")}}}});
  return Reply(json::object{{"acknowledged", true}});
}
Reply get_script(Call& c) {
  auto t = c.engine().get_thing("script", c.part("id"));
  json::object out{{"_id", c.part("id")}, {"found", t.has_value()}};
  if (t) out["script"] = t->at("script");
  return Reply(out, t ? 200 : 404);
}
Reply delete_script(Call& c) {
  if (!c.engine().drop_thing("script", c.part("id"))) throw ElasticError(404, "resource_not_found_exception", "stored script [" + c.part("id") + "] does not exist and cannot be deleted");
  return Reply(json::object{{"acknowledged", true}});
}
Reply execute(Call& c) {
  json::object body = c.body(true);
  if (!body.contains("script")) illegal("Required [script]");
  auto call = script::parse_call(body.at("script"), stored_scripts(c.engine()));
  script::Value v = call.script->run({{"params", call.params}});
  return Reply(json::object{{"result", v.text()}});
}
Reply contexts(Call&) {
  json::array list;
  for (const char* name : {"aggs", "filter", "ingest", "number_sort", "processor_conditional", "score", "string_sort", "update"}) {
    list.push_back(json::object{{"name", name}, {"methods", json::array{json::object{{"name", "execute"}, {"return_type", "java.lang.Object"}, {"params", json::array()}}}}});
  }
  return Reply(json::object{{"contexts", list}});
}
Reply languages(Call&) {
  json::array contexts{"aggs", "filter", "ingest", "number_sort", "processor_conditional", "score", "string_sort", "update"};
  return Reply(json::object{{"types_allowed", json::array{"inline", "stored"}},
                            {"language_contexts", json::array{json::object{{"language", "expression"}, {"contexts", contexts}}, json::object{{"language", "mustache"}, {"contexts", json::array{"ingest", "template"}}},
                                                              json::object{{"language", "painless"}, {"contexts", contexts}}}}});
}
constexpr const char* kParams = "timeout,master_timeout,context";
}  // namespace

std::vector<Route> script_routes() {
  return {
      {"GET", "/_script_context", contexts, kParams},
      {"GET", "/_script_language", languages, kParams},
      {"GET,POST", "/_scripts/painless/_execute", execute, kParams},
      {"PUT,POST", "/_scripts/{id}", put_script, kParams},
      {"PUT,POST", "/_scripts/{id}/{context}", put_script, kParams},
      {"GET", "/_scripts/{id}", get_script, kParams},
      {"DELETE", "/_scripts/{id}", delete_script, kParams},
  };
}

}  // namespace stele::elastic

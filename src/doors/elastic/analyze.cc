// _analyze: what an analyzer makes of a text.
#include "doors/elastic/call.h"
#include "segments/text/utf8.h"

namespace stele::elastic {

namespace {

Reply analyze(Call& c) {
  json::object body = c.body();
  for (const char* k : {"analyzer", "text", "field", "tokenizer", "normalizer"}) if (c.has(k)) body[k] = c.param(k);
  for (auto& [k, v] : body) {
    static const std::set<std::string_view> kKnown = {"analyzer", "text", "field", "tokenizer", "filter", "char_filter", "normalizer", "explain", "attributes"};
    if (kKnown.count(k) == 0) throw ElasticError(400, "x_content_parse_exception", "[1:2] [analyze_request] unknown field [" + std::string(k) + "]");
  }
  std::vector<std::string> texts;
  if (auto* t = body.if_contains("text")) {
    if (t->is_array()) for (auto& e : t->get_array()) texts.push_back(json_text(e));
    else texts.push_back(json_text(*t));
  }
  if (texts.empty()) invalid({"text is missing"});
  std::shared_ptr<const segments::Analysis> analysis = std::make_shared<segments::Analysis>();
  segments::MappingPtr mapping;
  IndexPtr index;
  if (!c.part("index").empty()) {
    index = c.read_target(c.part("index"));
    mapping = index->mapping();
    if (mapping->analysis()) analysis = mapping->analysis();
  }
  segments::AnalyzerPtr a;
  bool custom = false;
  std::string name = text_or(body, "analyzer");
  try {
    if (!name.empty()) {
      a = analysis->analyzer(name);
      if (!a) illegal(index ? "failed to find analyzer [" + name + "]" : "failed to find global analyzer [" + name + "]");
    } else if (auto n = text_or(body, "normalizer"); !n.empty()) {
      a = analysis->normalizer(n);
      if (!a) illegal("failed to find normalizer under [" + n + "]");
    } else if (body.contains("tokenizer") || body.contains("filter") || body.contains("char_filter")) {
      json::object d;
      for (const char* k : {"tokenizer", "filter", "char_filter"}) if (body.contains(k)) d[k] = body.at(k);
      a = analysis->custom(d, !d.contains("tokenizer"));
      custom = true;
    } else if (auto f = text_or(body, "field"); !f.empty()) {
      if (!mapping) illegal("analysis based on a specific field requires an index");
      auto* m = mapping->field(f);
      if (m != nullptr && m->analyzer) a = m->analyzer;
      else if (m != nullptr && m->normalizer) a = m->normalizer;
      else if (m != nullptr && m->type == segments::FieldType::kKeyword) a = segments::Analysis::builtin("keyword");
      else if (m != nullptr) illegal("Can't process field [" + f + "], Analysis requests are only supported on tokenized fields");
    }
  } catch (const Error& e) {
    throw to_elastic(e);
  }
  if (!a) a = analysis->analyzer("default");
  if (!a) a = segments::Analysis::builtin("standard");
  json::array out;
  int position = -1;
  size_t base = 0;
  auto show = [&](const segments::TokenBuffer& b, const std::string& text, json::array& into, int& pos, size_t offset, bool explain) {
    for (const segments::Token& t : b.tokens) {
      pos += t.position_increment;
      json::object o{{"token", std::string(b.term(t))},
                     {"start_offset", segments::utf16_length(std::string_view(text).substr(0, t.start)) + offset},
                     {"end_offset", segments::utf16_length(std::string_view(text).substr(0, t.end)) + offset},
                     {"type", t.type}, {"position", pos}};
      if (t.position_length != 1) o["positionLength"] = t.position_length;
      if (explain) {
        std::string bytes = "[";
        for (char ch : b.term(t)) bytes += (bytes.size() > 1 ? " " : "") + fmt::format("{:x}", static_cast<uint8_t>(ch));
        o["bytes"] = bytes + "]";
        o["positionLength"] = t.position_length;
        o["termFrequency"] = 1;
        if (t.keyword) o["keyword"] = true;
      }
      into.push_back(o);
    }
  };
  segments::TokenBuffer b;
  if (flag_or(body, "explain", false)) {
    json::object detail;
    bool is_custom = custom || name.empty() == false;
    json::array chain_names;
    if (custom) {
      detail["custom_analyzer"] = true;
      json::array cf;
      for (size_t i = 0; i < a->char_filters.size(); ++i) {
        segments::OffsetMap map;
        auto* list = body.if_contains("char_filter");
        std::string n = list != nullptr && list->is_array() && i < list->get_array().size() ? (list->get_array()[i].is_string() ? json_text(list->get_array()[i]) : "__anonymous__" + text_or(list->get_array()[i].as_object(), "type")) : "char_filter";
        json::array filtered;
        for (auto& t : texts) filtered.push_back(json::value(a->char_filters[i]->apply(t, map)));
        cf.push_back(json::object{{"name", n}, {"filtered_text", filtered}});
      }
      if (!cf.empty()) detail["charfilters"] = cf;
      json::array tokens;
      std::vector<segments::TokenBuffer> buffers;
      std::vector<std::string> cooked = texts;
      int pos = -1;
      for (auto& t : cooked) {
        for (auto& f : a->char_filters) {
          segments::OffsetMap map;
          t = f->apply(t, map);
        }
        segments::TokenBuffer x;
        a->tokenizer->tokenize(t, x);
        show(x, t, tokens, pos, 0, true);
        buffers.push_back(x);
      }
      std::string tn = body.contains("tokenizer") ? (body.at("tokenizer").is_string() ? json_text(body.at("tokenizer")) : "__anonymous__" + text_or(body.at("tokenizer").as_object(), "type")) : "keyword";
      detail["tokenizer"] = json::object{{"name", tn}, {"tokens", tokens}};
      json::array fs;
      for (size_t i = 0; i < a->filters.size(); ++i) {
        json::array ft;
        int p2 = -1;
        for (size_t k = 0; k < buffers.size(); ++k) {
          a->filters[i]->apply(buffers[k]);
          show(buffers[k], cooked[k], ft, p2, 0, true);
        }
        fs.push_back(json::object{{"name", a->filter_names[i]}, {"tokens", ft}});
      }
      if (!fs.empty()) detail["tokenfilters"] = fs;
    } else {
      detail["custom_analyzer"] = false;
      json::array tokens;
      int pos = -1;
      for (auto& t : texts) {
        a->analyze(t, b);
        show(b, t, tokens, pos, 0, true);
      }
      detail["analyzer"] = json::object{{"name", name.empty() ? a->name : name}, {"tokens", tokens}};
    }
    (void)is_custom;
    return Reply(json::object{{"detail", detail}});
  }
  for (auto& t : texts) {
    a->analyze(t, b);
    show(b, t, out, position, base, false);
    base += segments::utf16_length(t) + 1;
    position += 100;
  }
  size_t limit = 10000;
  if (index) {
    std::string m = index->setting("analyze.max_token_count");
    if (!m.empty()) limit = static_cast<size_t>(std::atoll(m.c_str()));
  }
  if (out.size() > limit) throw ElasticError(400, "illegal_state_exception", "The number of tokens produced by calling _analyze has exceeded the allowed maximum of [" + std::to_string(limit) + "]. This limit can be set by changing the [index.analyze.max_token_count] index level setting.");
  return Reply(json::object{{"tokens", out}});
}

}  // namespace

std::vector<Route> analyze_routes() {
  return {
      {"GET,POST", "/_analyze", analyze, "index,analyzer,text,field,tokenizer,normalizer"},
      {"GET,POST", "/{index}/_analyze", analyze, "index,analyzer,text,field,tokenizer,normalizer"},
  };
}

}  // namespace stele::elastic

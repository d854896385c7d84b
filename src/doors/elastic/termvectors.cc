// _termvectors and _mtermvectors: a document (or a text that is not one) as its analysed terms.
#include "doors/elastic/call.h"
#include "segments/text/utf8.h"

namespace stele::elastic {

namespace {

struct Options {
  std::vector<std::string> fields;
  bool offsets = true, positions = true, payloads = true, term_statistics = false, field_statistics = true;
};
void read_options(Options& o, const json::object& b) {
  o.offsets = flag_or(b, "offsets", o.offsets);
  o.positions = flag_or(b, "positions", o.positions);
  o.payloads = flag_or(b, "payloads", o.payloads);
  o.term_statistics = flag_or(b, "term_statistics", flag_or(b, "termStatistics", o.term_statistics));
  o.field_statistics = flag_or(b, "field_statistics", flag_or(b, "fieldStatistics", o.field_statistics));
  if (auto* f = b.if_contains("fields")) {
    o.fields.clear();
    if (f->is_array()) for (auto& e : f->get_array()) o.fields.push_back(json_text(e));
    else o.fields.push_back(json_text(*f));
  }
}
Options url_options(Call& c) {
  Options o;
  o.offsets = c.flag("offsets", true);
  o.positions = c.flag("positions", true);
  o.payloads = c.flag("payloads", true);
  o.term_statistics = c.flag("term_statistics", false);
  o.field_statistics = c.flag("field_statistics", true);
  if (c.has("fields")) o.fields = split(c.param("fields"), ',');
  return o;
}

json::object vectors_of(Call& c, const Index& x, const json::object& source, const Options& o) {
  json::object out;
  auto mapping = x.mapping();
  segments::Searcher searcher(c.engine().leaves(x, c.engine().snapshot()));
  for (auto& [path, f] : mapping->fields()) {
    if (f.metadata || !f.is_string() || !f.index) continue;
    bool wanted = o.fields.empty();
    for (auto& w : o.fields) wanted |= glob(w, path);
    if (!wanted) continue;
    std::vector<json::value> values;
    values_at(source, f.parent.empty() ? path : f.parent, values);
    struct Occurrence { int64_t position; uint32_t start, end; };
    std::map<std::string, std::vector<Occurrence>> terms;
    int64_t position = -1;
    uint32_t base = 0;
    bool first = true;
    for (auto& v : values) {
      if (v.is_null() || v.is_object()) continue;
      std::string text = json_text(v);
      auto units = [&](uint32_t bytes) {  // offsets count UTF-16 units
        uint32_t n = 0;
        for (uint32_t i = 0; i < bytes && i < text.size(); ++i) {
          auto b = static_cast<uint8_t>(text[i]);
          n += (b & 0xc0) != 0x80 ? (b >= 0xf0 ? 2u : 1u) : 0u;
        }
        return n;
      };
      if (!first) position += f.position_increment_gap;
      first = false;
      if (f.type == segments::FieldType::kKeyword) {
        terms[f.normalizer ? f.normalizer->normalize(text) : text].push_back({++position, base, base + units(static_cast<uint32_t>(text.size()))});
      } else if (f.analyzer) {
        segments::TokenBuffer tokens;
        f.analyzer->analyze(text, tokens);
        for (const auto& t : tokens.tokens) {
          position += t.position_increment;
          terms[std::string(tokens.term(t))].push_back({position, base + units(t.start), base + units(t.end)});
        }
      }
      base += units(static_cast<uint32_t>(text.size())) + 1;
    }
    if (terms.empty()) continue;
    json::object field, list;
    if (o.field_statistics) {
      auto stats = searcher.field_stats(path);
      uint64_t sum_df = 0;
      for (auto& leaf : searcher.leaves()) {
        if (auto* sf = leaf.segment->field(path)) sum_df += sf->terms.sum_df;
      }
      field["field_statistics"] = json::object{{"sum_doc_freq", sum_df}, {"doc_count", stats.doc_count}, {"sum_ttf", stats.sum_ttf}};
    }
    for (auto& [term, found] : terms) {
      json::object t;
      if (o.term_statistics) {
        uint64_t df = 0, ttf = 0;
        for (auto& leaf : searcher.leaves()) {
          auto* sf = leaf.segment->field(path);
          if (sf == nullptr || !sf->options.postings) continue;
          auto it = leaf.segment->terms(*sf);
          if (!it.seek_exact(term)) continue;
          df += it.info().df;
          ttf += it.info().ttf;
        }
        if (df > 0) {
          t["doc_freq"] = df;
          t["ttf"] = ttf;
        }
      }
      t["term_freq"] = static_cast<int64_t>(found.size());
      if (o.positions || o.offsets) {
        json::array tokens;
        for (auto& occurrence : found) {
          json::object token;
          if (o.positions) token["position"] = occurrence.position;
          if (o.offsets) {
            token["start_offset"] = occurrence.start;
            token["end_offset"] = occurrence.end;
          }
          tokens.push_back(std::move(token));
        }
        t["tokens"] = std::move(tokens);
      }
      list[term] = std::move(t);
    }
    field["terms"] = std::move(list);
    out[path] = std::move(field);
  }
  return out;
}

json::object one(Call& c, const std::string& index, const std::string& id, const json::object* artificial, const Options& o) {
  auto started = std::chrono::steady_clock::now();
  IndexPtr x = c.read_target(index);
  Document d;
  if (artificial != nullptr) {
    d.found = true;
    d.source = *artificial;
  } else {
    d = c.engine().get(*x, id);
  }
  json::object out{{"_index", x->name}};
  if (!id.empty()) out["_id"] = id;
  out["_version"] = artificial != nullptr ? 0 : d.version;
  out["found"] = d.found;
  out["took"] = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
  if (d.found) {
    json::object vectors = vectors_of(c, *x, d.source, o);
    if (!vectors.empty()) out["term_vectors"] = std::move(vectors);
  }
  return out;
}

Reply termvectors(Call& c) {
  Options o = url_options(c);
  json::object body = c.body();
  read_options(o, body);
  auto* doc = body.if_contains("doc");
  if (doc == nullptr && c.part("id").empty()) invalid({"id is missing"});
  return Reply(one(c, c.part("index"), c.part("id"), doc != nullptr && doc->is_object() ? &doc->get_object() : nullptr, o));
}

Reply mtermvectors(Call& c) {
  json::object body = c.body();
  Options common = url_options(c);
  if (auto* p = body.if_contains("parameters"); p != nullptr && p->is_object()) read_options(common, p->get_object());
  json::array out;
  auto add = [&](const std::string& index, const std::string& id, const json::object* doc, const Options& o) {
    try {
      out.push_back(one(c, index, id, doc, o));
    } catch (const ElasticError& e) {
      out.push_back(json::object{{"_index", index}, {"_id", id}, {"error", e.body()["error"]}});
    }
  };
  if (c.has("ids")) for (auto& id : split(c.param("ids"), ',')) add(c.part("index"), id, nullptr, common);
  if (auto* ids = body.if_contains("ids"); ids != nullptr && ids->is_array()) {
    for (auto& id : ids->get_array()) add(c.part("index"), json_text(id), nullptr, common);
  }
  if (auto* docs = body.if_contains("docs"); docs != nullptr && docs->is_array()) {
    for (auto& e : docs->get_array()) {
      if (!e.is_object()) illegal("docs array element should include an object");
      const json::object& d = e.get_object();
      Options o = common;
      read_options(o, d);
      auto* doc = d.if_contains("doc");
      add(text_or(d, "_index", c.part("index")), text_or(d, "_id"), doc != nullptr && doc->is_object() ? &doc->get_object() : nullptr, o);
    }
  }
  if (out.empty()) invalid({"multi term vectors: no documents requested"});
  return Reply(json::object{{"docs", std::move(out)}});
}

constexpr const char* kParams = "fields,field_statistics,offsets,payloads,positions,preference,realtime,routing,term_statistics,version,version_type,ids";

}  // namespace

std::vector<Route> termvector_routes() {
  return {
      {"GET,POST", "/{index}/_termvectors", termvectors, kParams},
      {"GET,POST", "/{index}/_termvectors/{id}", termvectors, kParams},
      {"GET,POST", "/_mtermvectors", mtermvectors, kParams},
      {"GET,POST", "/{index}/_mtermvectors", mtermvectors, kParams},
  };
}

}  // namespace stele::elastic

// Percolation (documents against stored queries), queries of fields that have columns but no postings, and what a cluster may forbid.
#include "base/error.h"
#include "segments/dsl/dsl_parts.h"
#include "segments/search/searcher.h"
#include "segments/text/utf8.h"

namespace stele::segments {

namespace {
[[noreturn]] void parse_error(std::string m) { throw Error(ErrorCode::kParsing, std::move(m)); }
[[noreturn]] void illegal(std::string m) { throw Error(ErrorCode::kInvalidParameterValue, std::move(m)); }
[[noreturn]] void shard_error(std::string m) { throw Error(ErrorCode::kQueryShard, std::move(m)); }

std::string str(const json::object& o, std::string_view k) {
  auto* v = o.if_contains(k);
  return v == nullptr || v->is_null() ? std::string() : json_text(*v);
}
const json::value* value_at(const json::object& source, std::string_view path) {
  if (auto* v = source.if_contains(path)) return v;
  size_t dot = path.find('.');
  if (dot == std::string_view::npos) return nullptr;
  auto* v = source.if_contains(path.substr(0, dot));
  return v != nullptr && v->is_object() ? value_at(v->as_object(), path.substr(dot + 1)) : nullptr;
}
std::string id_of(const Segment& s, uint32_t doc) {
  Column id = s.column("_id");
  return id && id.begin(doc) < id.end(doc) ? std::string(id.term(static_cast<uint64_t>(id.value(id.begin(doc))))) : std::string();
}
}  // namespace

QueryPtr percolate_query(const json::object& o, DslContext& ctx) {
  for (auto& [k, v] : o) {
    static const std::set<std::string_view> kKnown = {"field", "document", "documents", "index", "id", "routing", "preference", "version", "name", "boost", "_name", "document_type"};
    if (kKnown.count(k) == 0) parse_error("[percolate] query does not support [" + std::string(k) + "]");
  }
  std::string field = str(o, "field");
  if (field.empty()) illegal("[field] is a required argument");
  const MappedField* f = ctx.mapping->field(field);
  if (f == nullptr) shard_error("failed to create query: field [" + field + "] does not exist");
  if (f->type_name != "percolator") shard_error("failed to create query: expected field [" + field + "] to be of type [percolator], but is of type [" + f->type_name + "]");
  std::vector<json::object> documents;
  if (auto* d = o.if_contains("document"); d != nullptr && d->is_object()) documents.push_back(d->as_object());
  if (auto* list = o.if_contains("documents"); list != nullptr && list->is_array()) for (auto& d : list->as_array()) documents.push_back(d.as_object());
  if (o.contains("index") && o.contains("id")) {
    auto source = ctx.fetch ? ctx.fetch(str(o, "index"), str(o, "id")) : std::nullopt;
    if (!source) throw Error(ErrorCode::kInvalidParameterValue, "indexed document [" + str(o, "index") + "/" + str(o, "id") + "] couldn't be found");
    documents.push_back(std::move(*source));
  }
  if (documents.empty()) illegal("[document] is a required argument");
  // The documents as an index of their own, with what they bring to the mapping.
  struct Percolated {
    MappingPtr owned;
    const Mapping* mapping;
    std::vector<Leaf> leaves;
  };
  auto state = std::make_shared<Percolated>();
  state->mapping = ctx.mapping;
  SegmentBuilder builder;
  for (auto& d : documents) {
    if (MappingPtr wider = state->mapping->discover(d)) {
      state->owned = wider;
      state->mapping = state->owned.get();
    }
  }
  for (size_t i = 0; i < documents.size(); ++i) {
    std::string id = std::to_string(i);
    state->mapping->index(documents[i], i + 1, {id, {}, 0, 1}, builder);
  }
  Leaf leaf;
  leaf.segment = Segment::from_image(builder.finish(), 1);
  leaf.lsn = 1;
  leaf.all_visible = true;
  state->leaves.push_back(leaf);
  auto slots = [state, fetch = ctx.fetch, index = ctx.index_name, path = f->path, now = ctx.now_ms, stored = ctx.stored_script](const Segment& s, uint32_t doc) {
    std::vector<int64_t> out;
    std::string id = id_of(s, doc);
    auto source = id.empty() || !fetch ? std::nullopt : fetch(index, id);
    if (!source) return out;
    const json::value* v = value_at(*source, path);
    if (v == nullptr || !v->is_object()) return out;
    DslContext inner;
    inner.mapping = state->mapping;
    inner.now_ms = now;
    inner.stored_script = stored;
    Searcher searcher(state->leaves, 2.2f);
    searcher.each(parse_query(*v, inner), false, [&](uint32_t, Scorer& scorer) {
      out.push_back(scorer.doc());
      return true;
    });
    return out;
  };
  if (ctx.percolations) ctx.percolations->push_back({str(o, "_name").empty() ? str(o, "name") : str(o, "_name"), slots});
  auto q = make_query(QueryKind::kPredicate);
  q->predicate = [slots](const Segment& s, uint32_t doc) { return !slots(s, doc).empty(); };
  auto c = make_query(QueryKind::kConstant);
  c->filter.push_back(q);
  return c;
}

QueryPtr over_columns(const QueryPtr& q, const DslContext& ctx) {
  switch (q->kind) {
    case QueryKind::kTerm: case QueryKind::kTermSet: case QueryKind::kPrefix: case QueryKind::kWildcard: case QueryKind::kRegexp: case QueryKind::kFuzzy: case QueryKind::kTermRange: {
      const MappedField* f = ctx.mapping->field(q->field);
      if (f == nullptr || f->index || f->metadata || (f->type != FieldType::kKeyword && f->type != FieldType::kIp)) return q;
      if (!f->doc_values) shard_error("failed to create query: Cannot search on field [" + q->field + "] since it is not indexed nor has doc values.");
      auto p = make_query(QueryKind::kPredicate);
      p->boost = q->boost;
      p->name = q->name;
      auto fits = [q](std::string_view term) {
        switch (q->kind) {
          case QueryKind::kTerm: return q->case_insensitive ? wildcard_match(q->text, term, true) : term == q->text;
          case QueryKind::kTermSet: return std::find(q->terms.begin(), q->terms.end(), term) != q->terms.end();
          case QueryKind::kPrefix: return q->case_insensitive ? wildcard_match(q->text + "*", term, true) : term.starts_with(q->text);
          case QueryKind::kWildcard: return wildcard_match(q->text, term, q->case_insensitive);
          case QueryKind::kRegexp: return regexp_matches(q->text, term);
          case QueryKind::kFuzzy: return edit_distance(code_points(q->text), code_points(term), q->edits, q->transpositions) <= q->edits;
          default:
            if (q->has_lo && (q->include_lo ? term < q->lo_term : term <= q->lo_term)) return false;
            return !q->has_hi || (q->include_hi ? term <= q->hi_term : term < q->hi_term);
        }
      };
      p->predicate = [fits, path = f->path](const Segment& s, uint32_t doc) {
        Column c = s.column(path);
        for (uint32_t i = c ? c.begin(doc) : 0, e = c ? c.end(doc) : 0; i < e; ++i) if (fits(c.term(static_cast<uint64_t>(c.value(i))))) return true;
        return false;
      };
      return p;
    }
    default: break;
  }
  std::shared_ptr<Query> changed;
  for (auto list : {&Query::must, &Query::should, &Query::filter, &Query::must_not}) {
    for (size_t i = 0; i < ((*q).*list).size(); ++i) {
      QueryPtr next = over_columns(((*q).*list)[i], ctx);
      if (next == ((*q).*list)[i]) continue;
      if (!changed) changed = std::make_shared<Query>(*q);
      ((*changed).*list)[i] = std::move(next);
    }
  }
  return changed ? QueryPtr(changed) : q;
}

void check_expensive(const std::string& name, const json::object& body, const DslContext& ctx) {
  auto refuse = [](const std::string& what, const std::string& more = "") { illegal("[" + what + "] queries" + more + " cannot be executed when 'search.allow_expensive_queries' is set to false."); };
  const MappedField* f = body.empty() ? nullptr : ctx.mapping->field(body.begin()->key());
  if (name == "prefix") {
    if (f == nullptr || !f->prefixes) illegal("[prefix] queries cannot be executed when 'search.allow_expensive_queries' is set to false. For optimised prefix queries on text fields please enable [index_prefixes].");
  } else if (name == "fuzzy" || name == "regexp" || name == "wildcard" || name == "script" || name == "percolate") {
    refuse(name);
  } else if (name == "script_score") {
    refuse("script score");
  } else if (name == "nested" || name == "has_child" || name == "has_parent" || name == "parent_id") {
    refuse("joining");
  } else if (name == "range" && f != nullptr && f->is_string()) {
    refuse("range", " on [text] or [keyword] fields");
  }
}

}  // namespace stele::segments

// What a hit shows of the documents nested in it, of the other hits of its group, and sorting by nested values.
#include "doors/elastic/search_job.h"

namespace stele::elastic {

using segments::kNoDoc;
using segments::QueryKind;
using segments::QueryPtr;

namespace {
// Every nested query with inner_hits, each with the nested queries around it.
void find_inner(const QueryPtr& q, std::vector<QueryPtr>& around, std::vector<std::vector<QueryPtr>>& out) {
  bool nested = q->kind == QueryKind::kNested;
  if (nested) around.push_back(q);
  if (nested && !q->inner_hits.empty()) out.push_back(around);
  for (auto* list : {&q->must, &q->should, &q->filter}) for (auto& c : *list) find_inner(c, around, out);
  if (nested) around.pop_back();
}

// Objects at a path, in the order in which they were indexed.
void objects_at(const json::value& v, std::string_view path, std::vector<const json::object*>& out) {
  if (v.is_array()) {
    for (auto& e : v.get_array()) objects_at(e, path, out);
    return;
  }
  if (!v.is_object()) return;
  if (path.empty()) {
    out.push_back(&v.get_object());
    return;
  }
  for (size_t dot = path.find('.');; dot = path.find('.', dot + 1)) {
    if (auto* c = v.get_object().if_contains(path.substr(0, dot))) objects_at(*c, dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1), out);
    if (dot == std::string_view::npos) return;
  }
}

std::pair<uint32_t, uint32_t> children_of(const std::vector<uint32_t>& parents, uint32_t doc) {
  auto range = std::equal_range(parents.begin(), parents.end(), doc);
  return {static_cast<uint32_t>(range.first - parents.begin()), static_cast<uint32_t>(range.second - parents.begin())};
}
}  // namespace

bool SearchJob::has_inner_hits(const QueryPtr& q) {
  std::vector<QueryPtr> around;
  std::vector<std::vector<QueryPtr>> found;
  find_inner(q, around, found);
  return !found.empty();
}

json::object SearchJob::inner_hits(const Part& p, const Hit& h, const json::object& source) {
  json::object out;
  const json::value all(source);
  std::vector<QueryPtr> around;
  std::vector<std::vector<QueryPtr>> found;
  find_inner(p.query, around, found);
  size_t in_part = leaves_[h.leaf].in_part;
  for (auto& chain : found) {
    const QueryPtr& q = chain.back();
    json::object spec = json::parse(q->inner_hits).as_object();
    std::string path = q->field;
    auto number = [&](const char* key, size_t fallback) { return spec.contains(key) ? static_cast<size_t>(std::atoll(json_text(spec.at(key)).c_str())) : fallback; };
    size_t from = number("from", 0), size = number("size", 3);
    segments::Searcher below = p.searcher->nested(path);
    const segments::Segment& outer = *leaf(h.leaf).segment;
    const segments::Segment& seg = *below.leaves()[in_part].segment;
    auto [lo, hi] = children_of(outer.parents(path), h.doc);
    struct Inner { uint32_t doc; float score; std::vector<SortKey> keys; };
    std::vector<Inner> hits;
    std::vector<SortField> order;
    if (auto* s = spec.if_contains("sort")) order = parse_sort(*s);
    auto scorer = below.weight(q->must[0], true)->scorer(in_part);
    if (scorer && lo < hi) {
      for (uint32_t d = scorer->advance(lo); d < hi; d = scorer->next()) {
        Inner x{d, scorer->score(), {}};
        for (const SortField& s : order) {
          SortKey k;
          k.missing = true;
          if (s.kind == SortField::kScore) {
            k.missing = false;
            k.number = segments::sortable_bits(static_cast<double>(x.score));
          } else if (s.kind == SortField::kDoc) {
            k.missing = false;
            k.number = d;
          } else if (segments::Column c = seg.column(s.field); c && c.end(d) > c.begin(d)) {
            k.missing = false;
            uint32_t at = s.ascending ? c.begin(d) : c.end(d) - 1;
            if (c.kind() == segments::ColumnKind::kKeyword) k.text = c.term(static_cast<uint64_t>(c.value(at)));
            else k.number = c.value(at);
          }
          x.keys.push_back(k);
        }
        hits.push_back(std::move(x));
      }
    }
    std::stable_sort(hits.begin(), hits.end(), [&](const Inner& a, const Inner& b) {
      for (size_t i = 0; i < order.size(); ++i) {
        int c = compare_key(order[i], a.keys[i], b.keys[i]);
        if (c != 0) return c < 0;
      }
      return order.empty() && a.score > b.score;
    });
    std::vector<const json::object*> objects;
    objects_at(all, path, objects);
    json::array list;
    for (size_t i = from; i < hits.size() && i < from + size; ++i) {
      const Inner& x = hits[i];
      // Where it stands: the offset within each nested object on the way.
      json::object where;
      std::vector<std::string> steps = p.mapping->nested_path(path);
      uint32_t doc = x.doc;
      for (size_t s = steps.size(); s-- > 0;) {
        const segments::Segment* up = s == 0 ? &outer : outer.nested(steps[s - 1]);
        std::vector<uint32_t> parents = up->parents(steps[s]);
        uint32_t parent = parents[doc];
        json::object step{{"field", s == 0 ? steps[s] : steps[s].substr(steps[s - 1].size() + 1)}, {"offset", doc - children_of(parents, parent).first}};
        if (!where.empty()) step["_nested"] = where;
        where = step;
        doc = parent;
      }
      json::object o{{"_index", p.index->name}, {"_id", id_of(h.leaf, h.doc)}, {"_nested", where}};
      if (flag_or(spec, "version", false)) {
        segments::Column c = outer.column("_version");
        o["_version"] = c ? c.value(c.begin(h.doc)) : 1;
      }
      if (flag_or(spec, "seq_no_primary_term", false)) {
        segments::Column c = outer.column("_seq_no");
        o["_seq_no"] = c ? c.value(c.begin(h.doc)) : 0;
        o["_primary_term"] = 1;
      }
      o["_score"] = order.empty() ? score_json(x.score) : json::value(nullptr);
      SourceFilter f;
      if (auto* s = spec.if_contains("_source")) f = parse_source_filter(*s);
      if (f.enabled && x.doc - lo < objects.size()) {
        // Filters name full paths.
        for (auto* names : {&f.includes, &f.excludes}) for (auto& n : *names) if (n.starts_with(path + ".")) n = n.substr(path.size() + 1);
        o["_source"] = filter_source(*objects[x.doc - lo], f);
      }
      json::object fields;
      if (auto* want = spec.if_contains("docvalue_fields"); want != nullptr && want->is_array()) {
        for (auto& e : want->get_array()) {
          std::string pattern = e.is_object() ? text_or(e.get_object(), "field") : json_text(e);
          for (const std::string& name : p.mapping->matching(pattern)) {
            segments::Column c = seg.column(name);
            if (!c) continue;
            json::array values;
            for (uint32_t k = c.begin(x.doc), e2 = c.end(x.doc); k < e2; ++k) {
              if (c.kind() == segments::ColumnKind::kKeyword) values.push_back(json::value(std::string(c.term(static_cast<uint64_t>(c.value(k))))));
              else values.push_back(p.mapping->field(name)->render(c.value(k)));
            }
            if (!values.empty()) fields[name] = values;
          }
        }
      }
      if (!fields.empty()) o["fields"] = fields;
      if (auto* hl = spec.if_contains("highlight"); hl != nullptr && hl->is_object() && x.doc - lo < objects.size()) {
        json::object whole;
        json::object* at = &whole;
        std::vector<std::string> parts = split(path, '.');
        for (size_t k = 0; k + 1 < parts.size(); ++k) at = &((*at)[parts[k]] = json::object()).get_object();
        (*at)[parts.back()] = *objects[x.doc - lo];
        segments::DslContext ctx = p.dsl;
        json::object shown = highlight(*p.mapping, q->must[0], whole, hl->get_object(), ctx);
        if (!shown.empty()) o["highlight"] = shown;
      }
      if (!order.empty()) {
        json::array keys;
        for (size_t k = 0; k < order.size(); ++k) keys.push_back(render_key(order[k], x.keys[k]));
        o["sort"] = keys;
      }
      list.push_back(std::move(o));
    }
    json::object total;
    float best = 0;
    for (auto& x : hits) best = std::max(best, x.score);
    json::object inner{{"total", total_as_int ? json::value(hits.size()) : json::value(json::object{{"value", hits.size()}, {"relation", "eq"}})},
                       {"max_score", hits.empty() || !order.empty() ? json::value(nullptr) : score_json(best)}, {"hits", list}};
    out[text_or(spec, "name", path)] = json::object{{"hits", inner}};
  }
  return out;
}

// The hits of one group of a collapsed search, for each inner_hits asked for: a search of its own.
json::object SearchJob::collapsed_hits(const json::value& group) {
  auto* spec = body.at("collapse").get_object().if_contains("inner_hits");
  json::object out;
  if (spec == nullptr) return out;
  json::array list = spec->is_array() ? spec->get_array() : json::array{*spec};
  for (auto& e : list) {
    if (!e.is_object()) continue;
    json::object b = e.get_object();
    std::string name = text_or(b, "name");
    b.erase("name");
    b.erase("ignore_unmapped");
    if (!b.contains("size")) b["size"] = 3;
    json::object bounds;
    if (group.is_null()) bounds["must_not"] = json::array{json::object{{"exists", json::object{{"field", collapse_}}}}};
    else bounds["filter"] = json::array{json::object{{"term", json::object{{collapse_, group}}}}};
    if (auto* q = body.if_contains("query"); q != nullptr && !q->is_null()) bounds["must"] = json::array{*q};
    if (auto* f = body.if_contains("post_filter"); f != nullptr && !f->is_null()) {
      if (!bounds.contains("filter")) bounds["filter"] = json::array();
      bounds["filter"].get_array().push_back(*f);
    }
    b["query"] = json::object{{"bool", bounds}};
    b["track_total_hits"] = true;
    SearchJob inner(engine_, targets_, snapshot_, b);
    inner.total_as_int = total_as_int;
    out[name] = json::object{{"hits", inner.run().at("hits")}};
  }
  return out;
}

SortKey SearchJob::nested_key(const SortField& s, const segments::MappedField* f, size_t l, uint32_t doc) const {
  SortKey k;
  const Part& p = part_of(l);
  auto [it, fresh] = nested_values_.try_emplace({s.nested + '\n' + json::serialize(s.nested_filter), l});
  NestedValues& n = it->second;
  if (fresh) {
    segments::Searcher below = p.searcher->nested(s.nested);
    n.segment = below.leaves()[leaves_[l].in_part].segment;
    n.parents = leaf(l).segment->parents(s.nested);
    if (!s.nested_filter.is_null()) {
      n.filtered = true;
      n.matches.resize((n.segment->docs() + 63) / 64);
      segments::DslContext ctx = p.dsl;
      ctx.nested_path = s.nested;
      auto scorer = below.weight(segments::parse_query(s.nested_filter, ctx), false)->scorer(leaves_[l].in_part);
      if (scorer) for (uint32_t d = scorer->next(); d != kNoDoc; d = scorer->next()) n.matches[d >> 6] |= 1ull << (d & 63);
    }
  }
  auto [lo, hi] = children_of(n.parents, doc);
  segments::Column c = f == nullptr ? segments::Column() : n.segment->column(f->path);
  bool high = s.mode == "max" || (s.mode.empty() && !s.ascending);
  double sum = 0;
  std::vector<double> all;
  k.missing = true;
  for (uint32_t d = lo; c && d < hi; ++d) {
    if (n.filtered && (n.matches[d >> 6] >> (d & 63) & 1) == 0) continue;
    for (uint32_t i = c.begin(d), e = c.end(d); i < e; ++i) {
      if (c.kind() == segments::ColumnKind::kKeyword) {
        std::string_view t = c.term(static_cast<uint64_t>(c.value(i)));
        if (k.missing || (high ? t > k.text : t < k.text)) k.text = t;
      } else {
        int64_t v = c.value(i);
        if (k.missing || (high ? v > k.number : v < k.number)) k.number = v;
        all.push_back(c.as_double(i));
        sum += all.back();
      }
      k.missing = false;
    }
  }
  if (!all.empty() && (s.mode == "avg" || s.mode == "sum" || s.mode == "median")) {
    std::sort(all.begin(), all.end());
    size_t m = all.size() / 2;
    double v = s.mode == "sum" ? sum : s.mode == "avg" ? sum / static_cast<double>(all.size()) : all.size() % 2 == 1 ? all[m] : (all[m - 1] + all[m]) / 2;
    k.number = c.kind() == segments::ColumnKind::kDouble ? segments::sortable_bits(v) : static_cast<int64_t>(std::round(v));
  }
  if (k.missing && !s.missing.is_null() && f != nullptr) {
    k.missing = false;
    if (f->options().column == segments::ColumnKind::kKeyword) k.text = s.missing.is_string() ? std::string_view(s.missing.get_string()) : std::string_view();
    else k.number = f->column_value(s.missing);
  }
  return k;
}

}  // namespace stele::elastic

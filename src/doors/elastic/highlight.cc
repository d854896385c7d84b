#include <unicode/brkiter.h>
#include <unicode/unistr.h>

#include "doors/elastic/search_job.h"
#include "segments/text/utf8.h"

namespace stele::elastic {

namespace {

using segments::QueryKind;
using segments::QueryPtr;
struct Span { uint32_t start, end; };

// Spans of one analysed text that the queries match.
// whole_phrases: a phrase is one span.
std::vector<Span> match_spans(const std::vector<QueryPtr>& queries, const segments::TokenBuffer& tokens, bool whole_phrases) {
  std::vector<Span> out;
  size_t n = tokens.tokens.size();
  std::vector<int> position(n);
  int at = -1;
  for (size_t i = 0; i < n; ++i) position[i] = at += tokens.tokens[i].position_increment;
  for (const QueryPtr& q : queries) {
    if (q->kind == QueryKind::kPhrase) {
      for (size_t i = 0; i < n; ++i) {
        // Greedy: each next word within the slop after its place.
        std::vector<size_t> hit;
        int base = position[i] - static_cast<int>(q->phrase[0].position);
        for (const auto& p : q->phrase) {
          size_t found = n;
          for (size_t j = i; j < n; ++j) {
            int want = base + static_cast<int>(p.position);
            if (position[j] < want - q->slop || position[j] > want + q->slop) continue;
            std::string_view term = tokens.term(tokens.tokens[j]);
            for (const std::string& t : p.terms) {
              if (p.prefix ? term.starts_with(t) : term == t) found = j;
            }
            if (found == j) break;
          }
          if (found == n) break;
          hit.push_back(found);
        }
        if (hit.size() == q->phrase.size() && whole_phrases && q->slop == 0) {
          out.push_back({tokens.tokens[hit.front()].start, tokens.tokens[hit.back()].end});
        } else if (hit.size() == q->phrase.size()) {
          for (size_t h : hit) out.push_back({tokens.tokens[h].start, tokens.tokens[h].end});
        }
      }
      continue;
    }
    for (size_t i = 0; i < n; ++i) {
      std::string_view term = tokens.term(tokens.tokens[i]);
      bool hit = false;
      switch (q->kind) {
        case QueryKind::kTerm: hit = term == q->text; break;
        case QueryKind::kTermSet: hit = std::find(q->terms.begin(), q->terms.end(), term) != q->terms.end(); break;
        case QueryKind::kPrefix: hit = term.starts_with(q->text); break;
        case QueryKind::kWildcard: hit = segments::wildcard_match(q->text, term, q->case_insensitive); break;
        case QueryKind::kFuzzy:
          hit = segments::edit_distance(segments::code_points(q->text), segments::code_points(term), q->edits, q->transpositions) <= q->edits;
          break;
        case QueryKind::kTermRange:
          hit = (!q->has_lo || term >= q->lo_term) && (!q->has_hi || term <= q->hi_term);
          break;
        default: break;
      }
      if (hit) out.push_back({tokens.tokens[i].start, tokens.tokens[i].end});
    }
  }
  std::sort(out.begin(), out.end(), [](Span a, Span b) { return a.start != b.start ? a.start < b.start : a.end > b.end; });
  std::vector<Span> merged;
  for (Span s : out) {
    if (!merged.empty() && s.start < merged.back().end) {
      merged.back().end = std::max(merged.back().end, s.end);
      continue;
    }
    merged.push_back(s);
  }
  return merged;
}

// Sentence starts in bytes.
std::vector<uint32_t> sentences(const std::string& text) {
  std::vector<uint32_t> out = {0};
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::BreakIterator> it(icu::BreakIterator::createSentenceInstance(icu::Locale::getRoot(), status));
  if (U_FAILURE(status)) return out;
  icu::UnicodeString u = icu::UnicodeString::fromUTF8(text);
  it->setText(u);
  int32_t last = 0;
  uint32_t bytes = 0;
  for (int32_t p = it->next(); p != icu::BreakIterator::DONE; p = it->next()) {
    std::string piece;
    u.tempSubStringBetween(last, p).toUTF8String(piece);
    bytes += static_cast<uint32_t>(piece.size());
    out.push_back(bytes);
    last = p;
  }
  if (out.back() != text.size()) out.push_back(static_cast<uint32_t>(text.size()));
  return out;
}

std::string escape_html(std::string_view s) {
  std::string out;
  for (char c : s) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#x27;"; break;
      case '/': out += "&#x2F;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

std::string mark(const std::string& text, uint32_t from, uint32_t to, const std::vector<Span>& spans, const std::string& pre, const std::string& post, bool html) {
  std::string out;
  uint32_t at = from;
  auto put = [&](uint32_t a, uint32_t z) {
    std::string_view s(text.data() + a, z - a);
    out += html ? escape_html(s) : std::string(s);
  };
  for (Span s : spans) {
    if (s.start < from || s.end > to) continue;
    put(at, s.start);
    out += pre;
    put(s.start, s.end);
    out += post;
    at = s.end;
  }
  put(at, to);
  return out;
}

}  // namespace

json::object highlight(const segments::Mapping& mapping, const QueryPtr& query, const json::object& source, const json::object& spec, segments::DslContext& dsl) {
  json::object out;
  segments::HighlightTerms terms;
  collect_highlights(query, terms);
  std::vector<std::pair<std::string, json::object>> fields;
  if (auto* f = spec.if_contains("fields")) {
    auto add = [&](const json::object& o) {
      for (auto& [k, v] : o) fields.emplace_back(std::string(k), v.is_object() ? v.get_object() : json::object());
    };
    if (f->is_object()) add(f->get_object());
    else if (f->is_array()) for (auto& e : f->get_array()) add(e.get_object());
  }
  for (auto& [pattern, own] : fields) {
    auto option = [&, &own = own](const char* key) -> const json::value* {
      if (auto* v = own.if_contains(key)) return v;
      return spec.if_contains(key);
    };
    auto text_option = [&](const char* key, std::string d) {
      auto* v = option(key);
      return v == nullptr || v->is_null() ? d : json_text(*v);
    };
    auto first = [&](const char* key, std::string d) {
      auto* v = option(key);
      if (v != nullptr && v->is_array() && !v->get_array().empty()) return json_text(v->get_array()[0]);
      return d;
    };
    std::string kind = text_option("type", "unified");
    if (kind != "unified" && kind != "plain" && kind != "fvh") throw Error(ErrorCode::kInvalidParameterValue, "unknown highlighter type [" + kind + "] for the field [" + pattern + "]");
    std::string pre = first("pre_tags", "<em>"), post = first("post_tags", "</em>");
    auto size = static_cast<uint32_t>(std::atoi(text_option("fragment_size", "100").c_str()));
    int count = std::atoi(text_option("number_of_fragments", "5").c_str());
    bool html = text_option("encoder", "default") == "html";
    bool by_score = text_option("order", "none") == "score";
    bool strict = text_option("require_field_match", "true") == "true";
    auto no_match = static_cast<uint32_t>(std::atoi(text_option("no_match_size", "0").c_str()));
    segments::HighlightTerms own_terms = terms;
    if (auto* q = option("highlight_query")) {
      own_terms = {};
      collect_highlights(parse_query(*q, dsl), own_terms);
    }
    for (const std::string& name : mapping.matching(pattern)) {
      const segments::MappedField* f = mapping.field(name);
      if (f == nullptr || !f->is_string()) continue;
      if (kind == "fvh" && !f->term_vectors) {
        if (pattern.find('*') != std::string::npos) continue;
        throw Error(ErrorCode::kInvalidParameterValue, "the field [" + name + "] should be indexed with term vector with position offsets to be used with fast vector highlighter");
      }
      std::vector<QueryPtr> queries;
      for (auto& [field, list] : own_terms.by_field) {
        if (strict && field != f->path) {
          bool matched = false;
          if (auto* m = own.if_contains("matched_fields"); m != nullptr && m->is_array()) for (auto& e : m->get_array()) matched |= json_text(e) == field;
          if (!matched) continue;
        }
        if (field == "_id") continue;
        queries.insert(queries.end(), list.begin(), list.end());
      }
      std::vector<json::value> values;
      values_at(source, f->parent.empty() ? f->path : f->parent, values);
      struct Fragment { std::string text; double score; size_t order; };
      std::vector<Fragment> fragments;
      segments::TokenBuffer tokens;
      for (const json::value& v : values) {
        std::string text = json_text(v);
        if (f->type == segments::FieldType::kKeyword && static_cast<int64_t>(text.size()) > f->ignore_above) continue;
        if (f->analyzer) f->analyzer->analyze(text, tokens);
        else {
          tokens.clear();
          tokens.add(f->normalizer ? f->normalizer->normalize(text) : text, 0, static_cast<uint32_t>(text.size()), "word");
        }
        std::vector<Span> spans = match_spans(queries, tokens, kind == "fvh");
        if (spans.empty()) continue;
        if (count == 0 || f->type == segments::FieldType::kKeyword) {
          fragments.push_back({mark(text, 0, static_cast<uint32_t>(text.size()), spans, pre, post, html), static_cast<double>(spans.size()), fragments.size()});
          continue;
        }
        std::vector<uint32_t> breaks = sentences(text);
        // Passages: the sentence of a match, cut at words when it is longer than the fragment size.
        size_t i = 0;
        while (i < spans.size()) {
          auto up = std::upper_bound(breaks.begin(), breaks.end(), spans[i].start);
          uint32_t from = up == breaks.begin() ? 0 : *(up - 1), to = up == breaks.end() ? static_cast<uint32_t>(text.size()) : *up;
          if (to - from > size) {
            if (spans[i].start - from > size) {
              from = spans[i].start > size / 2 ? spans[i].start - size / 2 : 0;
              while (from > 0 && text[from - 1] != ' ') --from;
            }
            to = std::max(spans[i].end, from + size);
            if (to < text.size()) {
              while (to < text.size() && text[to] != ' ') ++to;
            } else {
              to = static_cast<uint32_t>(text.size());
            }
          } else {
            // Short sentences are joined while they fit.
            while (up != breaks.end() && up + 1 != breaks.end() && *(up + 1) - from <= size) to = *++up;
          }
          double score = 0;
          size_t j = i;
          while (j < spans.size() && spans[j].end <= to) {
            score += 1;
            ++j;
          }
          uint32_t end = to, start = from;
          while (end > start && std::isspace(static_cast<unsigned char>(text[end - 1])) != 0) --end;
          while (start < end && std::isspace(static_cast<unsigned char>(text[start])) != 0) ++start;
          fragments.push_back({mark(text, start, end, spans, pre, post, html), score, fragments.size()});
          i = std::max(j, i + 1);
        }
      }
      if (count > 0 && fragments.size() > static_cast<size_t>(count)) {
        std::stable_sort(fragments.begin(), fragments.end(), [](auto& a, auto& b) { return a.score > b.score; });
        fragments.resize(static_cast<size_t>(count));
        if (!by_score) std::sort(fragments.begin(), fragments.end(), [](auto& a, auto& b) { return a.order < b.order; });
      } else if (by_score) {
        std::stable_sort(fragments.begin(), fragments.end(), [](auto& a, auto& b) { return a.score > b.score; });
      }
      if (fragments.empty() && no_match > 0 && !values.empty()) {
        std::string text = json_text(values[0]);
        uint32_t to = std::min<uint32_t>(no_match, static_cast<uint32_t>(text.size()));
        while (to < text.size() && text[to] != ' ') ++to;
        fragments.push_back({text.substr(0, to), 0, 0});
      }
      if (fragments.empty()) continue;
      json::array list;
      for (auto& x : fragments) list.push_back(json::value(x.text));
      out[name] = list;
    }
  }
  return out;
}

}  // namespace stele::elastic

// Full-text search in SQL: search(relation, query) and highlight(text, query).
#include <boost/json.hpp>

#include "query/providers/search.h"
#include "rows/table_access.h"
#include "sql/functions/host.h"
#include "types/jsonb.h"

namespace stele::sql {

namespace {

constexpr size_t kMaxRows = 1000000;

// Matches of a query string over a relation's search index, best first, the caller's own uncommitted rows
// included: id, score, source.
class SearchRows final : public SetRows {
 public:
  explicit SearchRows(FnCall& c) : exec_(host_of(c).exec()) {
    auto* segments = static_cast<segments::Segments*>(exec_.engine->segments);
    if (segments == nullptr) throw Error(ErrorCode::kFeatureNotSupported, "this server has no search indexes");
    relation_ = relation_named(c, c.text_arg(0));
    auto state = exec_.catalog->state();
    segments::IndexedPtr indexed = segments->ensure(*relation_, *state);
    if (!indexed) {
      throw Error(ErrorCode::kObjectNotInPrerequisiteState, "relation \"" + relation_->name + "\" has no search index")
          .hint("Create one with CREATE INDEX ... USING search.");
    }
    size_t limit = c.nargs > 2 && !c.is_null(2) ? static_cast<size_t>(std::max<int64_t>(0, c.int_arg(2))) : kMaxRows;
    snapshot_ = exec_.txn->statement_snapshot();
    segments::QueryPtr query = query::parse_search_text(c.text_arg(1), *indexed->mapping(), relation_->name, exec_.engine->store->clock().unix_us() / 1000);
    segments::Searcher searcher(segments->leaves(*indexed, snapshot_->lsn(), exec_.txn));
    uint64_t total;
    for (const auto& d : searcher.top(query, std::min<size_t>(limit, searcher.max_doc()), 0, &total)) {
      hits_.push_back({searcher.leaves()[d.leaf].segment->row_id(d.doc), d.score});
    }
    table_ = rows::Table::make(relation_, *state);
    access_ = std::make_unique<rows::TableAccess>(table_, *exec_.txn);
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    std::string bytes;
    while (at_ < hits_.size()) {
      const Hit& h = hits_[at_++];
      if (!access_->fetch(h.row, {snapshot_}, &bytes)) continue;
      std::vector<NullableDatum> row(relation_->columns.size());
      table_->format().decode_all(bytes, row.data(), *c.arena);
      segments::RowDocument doc;
      boost::json::object source = segments::Segments::row_source(*relation_, row, &doc);
      out[0] = c.text(doc.id);
      out[1] = Datum::from_double(static_cast<double>(h.score));
      out[2] = jsonb_from_text(boost::json::serialize(source), *c.arena, *c.context);
      nulls[0] = nulls[1] = nulls[2] = false;
      return true;
    }
    return false;
  }

 private:
  struct Hit { uint64_t row; float score; };
  query::ExecContext& exec_;
  catalog::Ptr<catalog::Relation> relation_;
  storage::SnapshotPtr snapshot_;
  std::shared_ptr<const rows::Table> table_;
  std::unique_ptr<rows::TableAccess> access_;
  std::vector<Hit> hits_;
  size_t at_ = 0;
};

std::unique_ptr<SetRows> search(FnCall& c) { return std::make_unique<SearchRows>(c); }

// The text with the query's words between <em> and </em>; a third argument names the analyzer.
Datum highlight(FnCall& c) {
  std::string name = c.nargs > 2 && !c.is_null(2) ? std::string(c.text_arg(2)) : "english";
  auto analyzer = segments::Analysis::builtin(name);
  if (!analyzer) throw Error(ErrorCode::kInvalidParameterValue, "analyzer \"" + name + "\" does not exist");
  segments::TokenBuffer tokens;
  analyzer->analyze(c.text_arg(1), tokens);
  std::set<std::string> words;
  for (const auto& t : tokens.tokens) words.emplace(tokens.term(t));
  std::string_view text = c.text_arg(0);
  analyzer->analyze(text, tokens);
  std::string out;
  size_t at = 0;
  for (const auto& t : tokens.tokens) {
    if (t.start < at || words.count(std::string(tokens.term(t))) == 0) continue;
    out.append(text.substr(at, t.start - at)).append("<em>").append(text.substr(t.start, t.end - t.start)).append("</em>");
    at = t.end;
  }
  out.append(text.substr(at));
  return c.text(out);
}

// search(relation, text) and score(relation) are conditions and columns of a scan; nothing else can answer them.
Datum search_outside_scan(FnCall&) {
  throw Error(ErrorCode::kFeatureNotSupported, "search() can only be a condition of WHERE on a table of the same query, joined by AND");
}
Datum score_outside_scan(FnCall&) {
  throw Error(ErrorCode::kFeatureNotSupported, "score() needs a search() condition on a table of the same query");
}

}  // namespace

void register_search_functions(FunctionRegistry& r) {
  r.add_set("stele_search", search);
  r.add("stele_highlight", highlight);
  r.add("stele_search_row", search_outside_scan);
  r.add("stele_score_row", score_outside_scan);
}

}  // namespace stele::sql

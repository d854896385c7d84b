#include "query/providers/search.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "query/plan/plan.h"
#include "query/rewrite.h"
#include "types/oids.h"

namespace stele::query {

segments::QueryPtr parse_search_text(std::string_view text, const segments::Mapping& mapping, const std::string& relation, int64_t now_ms) {
  segments::DslContext dsl;
  dsl.mapping = &mapping;
  dsl.index_name = relation;
  dsl.now_ms = now_ms;
  size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') {
    boost::system::error_code ec;
    boost::json::value v = boost::json::parse(text, ec);
    if (ec) throw Error(ErrorCode::kInvalidTextRepresentation, "the search query is not valid JSON");
    return segments::parse_query(v, dsl);
  }
  segments::QueryStringOptions options;
  options.lenient = true;
  return segments::parse_query_string(text, options, dsl);
}

namespace {

segments::Segments* segments_of(ExecContext& ctx) { return static_cast<segments::Segments*>(ctx.engine->segments); }

// Index of the method, for its name; null when there is none.
std::shared_ptr<const catalog::Relation> index_of(const catalog::Relation& table, const catalog::State& state, std::string_view method) {
  for (Oid oid : table.indexes) {
    auto index = state.relation(oid);
    if (index && index->index && index->index->method == method) return index;
  }
  return nullptr;
}

struct SearchShape {
  Oid relation = 0;
  std::string relation_name, index_name;
  std::vector<ExprPtr> texts;   // all must match
  std::vector<ExprPtr> shown;   // the conditions as written
  bool ordered = false, scores = false;
};

segments::QueryPtr conjunction(std::vector<segments::QueryPtr> all) {
  if (all.size() == 1) return all[0];
  auto q = segments::make_query(segments::QueryKind::kBool);
  q->must = std::move(all);
  return q;
}

class SearchScan final : public ProviderScan {
 public:
  SearchScan(const SearchShape& shape, const ProviderOpen& with) : shape_(shape) {
    segments::Segments& segments = *segments_of(with.ctx);
    auto state = with.ctx.catalog->state();
    auto relation = state->relation(shape.relation);
    segments::IndexedPtr indexed = relation ? segments.ensure(*relation, *state) : nullptr;
    if (!indexed) throw Error(ErrorCode::kObjectNotInPrerequisiteState, "relation \"" + shape.relation_name + "\" has no search index");
    auto mapping = indexed->mapping();
    std::vector<segments::QueryPtr> all;
    for (const ExprPtr& e : shape.texts) {
      NullableDatum text = with.evaluate(e);
      if (text.is_null) {
        nothing_ = true;
        return;
      }
      all.push_back(parse_search_text(text.value.as_view(), *mapping, shape.relation_name, with.ctx.engine->store->clock().unix_us() / 1000));
    }
    query_ = conjunction(std::move(all));
    searcher_ = std::make_unique<segments::Searcher>(segments.leaves(*indexed, with.view.snapshot ? with.view.snapshot->lsn() : with.ctx.engine->store->published_lsn(), with.ctx.txn));
    if (shape.ordered) {
      wanted_ = with.limit >= 0 ? static_cast<size_t>(with.limit) + 16 : 1000;
      fill();
    } else {
      weight_ = searcher_->weight(query_, shape.scores);
    }
  }
  bool next(Row& row) override {
    if (nothing_) return false;
    if (!shape_.ordered) return next_match(row);
    if (at_ == hits_.size()) {
      if (hits_.size() < wanted_) return false;  // these were all
      wanted_ *= 8;
      fill();
      if (at_ >= hits_.size()) return false;
    }
    const segments::ScoredDoc& d = hits_[at_++];
    row = {searcher_->leaves()[d.leaf].segment->row_id(d.doc), d.score, nullptr};
    return true;
  }
  std::vector<std::pair<std::string, std::string>> analyze() const override {
    if (!searcher_) return {};
    std::string how = shape_.ordered ? fmt::format("best {} of {} documents", hits_.size(), searcher_->max_doc())
                                     : fmt::format("{} documents read", read_);
    return {{"Search", how + fmt::format(", {} segments", searcher_->leaves().size())}};
  }

 private:
  // Best first; the order of equals does not depend on how many are asked for.
  void fill() {
    wanted_ = std::min<size_t>(wanted_, std::max<size_t>(searcher_->max_doc(), 1));
    hits_ = searcher_->top(query_, wanted_, 0, nullptr);
    if (wanted_ == std::max<size_t>(searcher_->max_doc(), 1)) wanted_ = SIZE_MAX;
  }
  bool next_match(Row& row) {
    for (;;) {
      if (!scorer_) {
        if (leaf_ >= searcher_->leaves().size()) return false;
        scorer_ = weight_->scorer(leaf_++);
        if (!scorer_) continue;
      }
      uint32_t d = scorer_->next();
      if (d == segments::kNoDoc) {
        scorer_.reset();
        continue;
      }
      const segments::Leaf& leaf = searcher_->leaves()[leaf_ - 1];
      if (!leaf.visible(d)) continue;
      ++read_;
      row = {leaf.segment->row_id(d), shape_.scores ? static_cast<double>(scorer_->score()) : 0, nullptr};
      return true;
    }
  }

  const SearchShape& shape_;
  segments::QueryPtr query_;
  std::unique_ptr<segments::Searcher> searcher_;
  std::vector<segments::ScoredDoc> hits_;
  size_t at_ = 0, wanted_ = 0, leaf_ = 0, read_ = 0;
  segments::WeightPtr weight_;
  segments::ScorerPtr scorer_;
  bool nothing_ = false;
};

class SearchPlan final : public ProviderPlan {
 public:
  explicit SearchPlan(SearchShape shape) : shape_(std::move(shape)) {}
  std::unique_ptr<ProviderScan> open(const ProviderOpen& with) const override { return std::make_unique<SearchScan>(shape_, with); }
  std::shared_ptr<ProviderPlan> map(const std::function<ExprPtr(const ExprPtr&)>& f) const override {
    SearchShape copy = shape_;
    for (ExprPtr& e : copy.texts) e = f(e);
    return std::make_shared<SearchPlan>(std::move(copy));
  }
  std::string node_name() const override { return "Search Scan"; }
  std::string index_name() const override { return shape_.index_name; }
  std::vector<std::pair<std::string, std::vector<ExprPtr>>> conditions() const override { return {{"Search Query", shape_.texts}}; }
  std::vector<std::pair<std::string, std::string>> properties() const override {
    if (!shape_.ordered) return {};
    return {{"Order By", "score DESC"}};
  }

 private:
  SearchShape shape_;
};

bool mentions(const ExprPtr& e, int rti) {
  bool found = false;
  walk(e, [&](const Expr& x, int level) {
    found |= x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).levels_up == level && static_cast<const VarExpr&>(x).relation == rti;
    return found;
  });
  return found;
}

class SearchProvider final : public ScanProvider {
 public:
  std::vector<ProviderOffer> offers(const ProviderRequest& r) override {
    SearchShape shape;
    std::vector<ExprPtr> rest;
    for (const ExprPtr& q : r.quals) {
      if (q->kind == ExprKind::kFunc) {
        auto& f = static_cast<const FuncExpr&>(*q);
        if (f.func == kSearchFunction && f.args.size() == 2 && f.args[0]->kind == ExprKind::kVar &&
            static_cast<const VarExpr&>(*f.args[0]).column == system_column::kRowId && !mentions(f.args[1], r.rti)) {
          shape.texts.push_back(f.args[1]);
          continue;
        }
      }
      rest.push_back(q);
    }
    if (shape.texts.empty()) return {};
    segments::Segments* segments = segments_of(r.ctx);
    auto state = r.ctx.catalog->state();
    segments::IndexedPtr indexed = segments == nullptr ? nullptr : segments->ensure(r.table, *state);
    if (!indexed) {
      throw Error(ErrorCode::kObjectNotInPrerequisiteState, "relation \"" + r.table.name + "\" has no search index")
          .hint("Create one with CREATE INDEX ... USING search.");
    }
    shape.relation = r.table.oid;
    shape.relation_name = r.table.name;
    auto index = index_of(r.table, *state, "search");
    shape.index_name = index ? index->name : r.table.name;
    shape.scores = r.columns.count(system_column::kScore) != 0;
    double matches = estimate(*indexed, shape, r);
    double share = 1;
    for (const ExprPtr& q : rest) share *= r.selectivity(q);
    std::vector<ProviderOffer> out;
    ProviderOffer plain;
    plain.scan = std::make_shared<SearchPlan>(shape);
    plain.remaining_quals = rest;
    plain.startup_cost = 0.05;
    plain.total_cost = 0.05 + matches * (0.02 + (shape.scores ? 0.005 : 0.0));
    plain.rows = std::max(1.0, matches * share);
    out.push_back(plain);
    if (r.order.size() == 1 && r.order[0].descending && r.order[0].expr->kind == ExprKind::kVar &&
        static_cast<const VarExpr&>(*r.order[0].expr).column == system_column::kScore && static_cast<const VarExpr&>(*r.order[0].expr).relation == r.rti) {
      SearchShape best = shape;
      best.ordered = best.scores = true;
      ProviderOffer ordered = plain;
      ordered.scan = std::make_shared<SearchPlan>(best);
      // The heap is filled before the first row; what is never read costs little.
      ordered.startup_cost = 0.1;
      ordered.total_cost = plain.total_cost + matches * 0.01;
      ordered.ordered = true;
      out.push_back(ordered);
    }
    return out;
  }

 private:
  // Documents that match, when the text is known while planning.
  static double estimate(segments::IndexedRelation& indexed, const SearchShape& shape, const ProviderRequest& r) {
    double fallback = std::max(1.0, r.tuples * 0.01);
    std::vector<segments::QueryPtr> all;
    auto mapping = indexed.mapping();
    for (const ExprPtr& e : shape.texts) {
      if (e->kind != ExprKind::kConst) return fallback;
      auto& c = static_cast<const ConstExpr&>(*e);
      if (c.is_null) return 1;
      all.push_back(parse_search_text(c.value.as_view(), *mapping, shape.relation_name, r.ctx.engine->store->clock().unix_us() / 1000));
    }
    segments::Searcher searcher(indexed.index.leaves(r.ctx.engine->store->published_lsn()));
    segments::WeightPtr w = searcher.weight(conjunction(std::move(all)), false);
    double n = 0;
    for (size_t i = 0; i < searcher.leaves().size(); ++i) {
      if (auto s = w->scorer(i)) n += static_cast<double>(s->cost());
    }
    return n;
  }
};

}  // namespace

std::unique_ptr<ScanProvider> make_search_provider() { return std::make_unique<SearchProvider>(); }
void register_segment_providers() {
  register_scan_provider(make_search_provider());
  register_scan_provider(make_columns_provider());
}

}  // namespace stele::query

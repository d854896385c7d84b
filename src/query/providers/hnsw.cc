#include "query/providers/hnsw.h"

#include "base/error.h"
#include "query/rewrite.h"
#include "rows/table.h"
#include "types/builtin.h"
#include "types/oids.h"
#include "types/vector.h"
#include "types/vector_kernels.h"

namespace stele::query {

namespace {

namespace vectors = segments::vectors;
using vectors::Metric;
using vectors::RowNeighbor;

// The metric that an ordering operator measures, by its name; nullopt for other operators.
std::optional<Metric> metric_of(Oid op) {
  for (const auto& row : builtin::rows("pg_operator")) {
    if (row[0] != std::to_string(op)) continue;
    if (row[1] == "<->") return Metric::kL2;
    if (row[1] == "<=>") return Metric::kCosine;
    if (row[1] == "<#>") return Metric::kInnerProduct;
    if (row[1] == "<+>") return Metric::kL1;
    return std::nullopt;
  }
  return std::nullopt;
}

std::vector<float> floats(Oid type, const NullableDatum& d) {
  if (type == oid::kHalfvec) {
    std::vector<float> out;
    for (uint16_t h : halfvec_values(d.value.as_varlena())) out.push_back(half_to_float(h));
    return out;
  }
  const auto s = vector_values(d.value.as_varlena());
  return {s.begin(), s.end()};
}

struct Target {
  std::string field;
  catalog::Ptr<catalog::Relation> table;
  int16_t column = 0;
  Oid type = 0;
  std::string index_name;
  double rows = 0;      // expected to pass the filter
  bool filtered = false;
};

class HnswScan : public ProviderScan {
 public:
  HnswScan(vectors::VectorStore& store, const Target& t, const ExprPtr& query, const ProviderOpen& with)
      : target_(t), passes_(with.passes), data_(store.collection(*t.table, *with.ctx.catalog->state())), field_(field_of(data_, t)) {
    const NullableDatum d = with.evaluate(query);
    const uint32_t dimensions = field_.params().dimensions;
    if (d.is_null) {
      query_.assign(dimensions, 0.0f);   // every distance is NULL: any order will do
    } else {
      query_ = floats(t.type, d);
      if (query_.size() != dimensions) {
        throw Error(ErrorCode::kDataException,
                    fmt::format("different {} dimensions {} and {}", t.type == oid::kHalfvec ? "halfvec" : "vector", dimensions, query_.size()));
      }
    }
    lsn_ = with.view.snapshot != nullptr ? with.view.snapshot->lsn() : with.ctx.engine->store->published_lsn();
    k_ = with.limit > 0 ? static_cast<uint64_t>(with.limit) : 64;
    if (with.ctx.eval->setting) {
      if (auto ef = with.ctx.eval->setting("hnsw.ef_search")) ef_ = static_cast<uint32_t>(std::clamp(std::atol(ef->c_str()), 1L, 100000L));
    }
    own_rows(store, with);
  }

  bool next(Row& row) override {
    while (at_ >= batch_.size()) {
      if (done_) return false;
      search();
    }
    row.row_id = batch_[at_].row;
    row.score = batch_[at_].distance;
    ++at_;
    return true;
  }

  std::vector<std::pair<std::string, std::string>> analyze() const override {
    std::vector<std::pair<std::string, std::string>> out;
    if (path_ == nullptr) return out;
    out.emplace_back("Path", fmt::format("{}, ef {}, {} distances", path_, used_ef_, distances_));
    if (field_.contract() > 0) {
      out.emplace_back("Recall Contract", field_.measured_recall() < 0 ? fmt::format("{:.3f}, not audited yet", field_.contract())
                                                                       : fmt::format("{:.3f}, audited {:.3f}", field_.contract(), field_.measured_recall()));
    }
    // The same question asked exactly: what share of its answer did the scan find?
    const uint64_t k = std::min<uint64_t>(searched_k_, 1000);
    auto want = ranked(k, true, nullptr);
    auto got = ranked(k, false, nullptr);
    size_t hits = 0;
    for (const auto& n : got) hits += !want.empty() && n.distance <= want.back().distance;
    out.emplace_back("Measured Recall", want.empty() ? "1.000" : fmt::format("{:.3f}", std::min(1.0, static_cast<double>(hits) / static_cast<double>(want.size()))));
    return out;
  }

 private:
  static const vectors::VectorField& field_of(const std::shared_ptr<vectors::Collection>& data, const Target& t) {
    const auto* field = data == nullptr ? nullptr : data->dense(t.field);
    STELE_CHECK(field != nullptr);   // the plan is of this catalogue version
    return *field;
  }
  // Rows that the transaction has touched: their visible versions are measured here, whatever the graph knows.
  void own_rows(const vectors::VectorStore& store, const ProviderOpen& with) {
    if (with.ctx.txn == nullptr) return;
    for (const auto& change : store.pending(*with.ctx.txn, *target_.table)) own_.insert(change.row);
    if (own_.empty()) return;
    const auto table = rows::Table::make(target_.table, *with.ctx.catalog->state());
    const std::vector<float> q = field_.prepare(query_.data());
    Arena arena;
    std::string bytes;
    for (const uint64_t id : own_) {
      if (!with.fetch(id, &bytes)) continue;
      arena.reset();
      const NullableDatum d = table->format().decode(bytes, static_cast<size_t>(target_.column - 1), arena);
      if (d.is_null) continue;
      uint8_t pass = 1;
      if (target_.filtered) passes_(std::span<const uint64_t>(&id, 1), &pass);
      if (pass != 0) own_found_.push_back({field_.distance_to(q.data(), floats(target_.type, d).data()), id});
    }
  }

  // The k nearest, own rows among them.
  std::vector<RowNeighbor> ranked(uint64_t k, bool exact, vectors::FieldSearchStats* stats) const {
    const vectors::RowFilter filter = [this](vectors::RowId row) {
      if (!own_.empty() && own_.contains(row)) return false;
      uint8_t pass = 1;
      if (target_.filtered) passes_(std::span<const uint64_t>(&row, 1), &pass);
      return pass != 0;
    };
    vectors::FieldSearch options{.k = static_cast<uint32_t>(std::min<uint64_t>(k, UINT32_MAX)), .ef = ef_, .lsn = lsn_, .exact = exact};
    if (target_.filtered || !own_.empty()) {
      options.filter = &filter;
      if (target_.filtered) options.matches = static_cast<uint64_t>(std::max(1.0, target_.rows));
    }
    auto found = field_.search(query_.data(), options, stats);
    if (!own_found_.empty()) {
      found.insert(found.end(), own_found_.begin(), own_found_.end());
      std::sort(found.begin(), found.end(), [](const RowNeighbor& a, const RowNeighbor& b) {
        return a.distance < b.distance || (a.distance == b.distance && a.row < b.row);
      });
      if (found.size() > k) found.resize(k);
    }
    return found;
  }

  // The first k, then twice as many without those that were given already, until nothing new comes.
  void search() {
    vectors::FieldSearchStats stats;
    const uint64_t everything = field_.live() + own_found_.size() + 1;
    auto found = ranked(k_, false, &stats);
    if (path_ == nullptr || distances_ == 0) path_ = stats.path;
    used_ef_ = stats.ef;
    distances_ += stats.distances;
    searched_k_ = k_;
    done_ = found.size() < k_ || k_ >= everything;
    batch_.clear();
    at_ = 0;
    for (const auto& n : found) {
      if (given_.insert(n.row).second) batch_.push_back(n);
    }
    k_ *= 4;
  }

  const Target target_;
  const std::function<void(std::span<const uint64_t>, uint8_t*)> passes_;
  const std::shared_ptr<vectors::Collection> data_;
  const vectors::VectorField& field_;
  std::vector<float> query_;
  storage::Lsn lsn_ = 0;
  uint64_t k_ = 64, searched_k_ = 0;
  uint32_t ef_ = 0, used_ef_ = 0;
  bool done_ = false;
  const char* path_ = nullptr;
  uint64_t distances_ = 0;
  std::vector<RowNeighbor> batch_, own_found_;
  size_t at_ = 0;
  std::unordered_set<vectors::RowId> given_, own_;
};

class HnswPlan : public ProviderPlan {
 public:
  HnswPlan(vectors::VectorStore& store, Target target, ExprPtr order, ExprPtr query)
      : store_(store), target_(std::move(target)), order_(std::move(order)), query_(std::move(query)) {}
  std::unique_ptr<ProviderScan> open(const ProviderOpen& with) const override {
    return std::make_unique<HnswScan>(store_, target_, query_, with);
  }
  std::shared_ptr<ProviderPlan> map(const std::function<ExprPtr(const ExprPtr&)>& f) const override {
    return std::make_shared<HnswPlan>(store_, target_, f(order_), f(query_));
  }
  std::string node_name() const override { return "Index Scan"; }
  std::string index_name() const override { return target_.index_name; }
  std::vector<std::pair<std::string, std::vector<ExprPtr>>> conditions() const override { return {{"Order By", {order_}}}; }

 private:
  vectors::VectorStore& store_;
  const Target target_;
  const ExprPtr order_, query_;
};

const VarExpr* column_of(const ExprPtr& e, int rti) {
  if (e->kind != ExprKind::kVar) return nullptr;
  const auto& v = static_cast<const VarExpr&>(*e);
  return v.relation == rti && v.levels_up == 0 && v.column > 0 ? &v : nullptr;
}
// True when the expression needs a row of any relation.
bool needs_rows(const ExprPtr& e) {
  return walk(e, [](const Expr& x, int up) {
    if (x.kind == ExprKind::kSubLink) return true;
    if (x.kind == ExprKind::kSubPlan) return !static_cast<const SubPlanExpr&>(x).cacheable;   // an InitPlan needs none
    return x.kind == ExprKind::kVar && static_cast<const VarExpr&>(x).levels_up == up;
  });
}

class HnswProvider : public ScanProvider {
 public:
  explicit HnswProvider(vectors::VectorStore& store) : store_(store) {}

  std::vector<ProviderOffer> offers(const ProviderRequest& request) override {
    std::vector<ProviderOffer> out;
    if (request.order.size() != 1 || request.order[0].descending || request.order[0].expr == nullptr) return out;
    const ExprPtr& order = request.order[0].expr;
    if (order->kind != ExprKind::kOp || !request.ctx.settings->enable_indexscan) return out;
    const auto& op = static_cast<const OpExpr&>(*order);
    if (op.args.size() != 2) return out;
    const auto metric = metric_of(op.op);
    if (!metric) return out;
    for (int side : {0, 1}) {
      const VarExpr* var = column_of(op.args[static_cast<size_t>(side)], request.rti);
      const ExprPtr& query = op.args[static_cast<size_t>(1 - side)];
      if (var == nullptr || needs_rows(query)) continue;
      const auto state = request.ctx.catalog->state();
      const auto table = state->relation(request.table.oid);
      if (table == nullptr) return out;
      const auto data = store_.collection(*table, *state);
      const catalog::Column* column = table->column(var->column);
      if (data == nullptr || column == nullptr || (column->type != oid::kVector && column->type != oid::kHalfvec)) return out;
      auto spec = data->dense_specs().find(column->name);
      if (spec == data->dense_specs().end() || spec->second.graph.metric != *metric) return out;
      Target t{column->name, table, column->number, column->type, index_of(*table, *state, column->number), request.rows, !request.quals.empty()};
      ProviderOffer offer;
      const double ef = data->dense(column->name)->default_ef();
      const double pass = std::clamp(request.rows / std::max(1.0, request.tuples), 1e-6, 1.0);
      offer.scan = std::make_shared<HnswPlan>(store_, std::move(t), order, query);
      offer.filter = request.quals;
      // Few matches make it measure every row that passes; many make it look at some thirty rows a hop.
      const double looked_at = request.quals.empty() ? ef : request.rows <= ef * 40 ? request.tuples : ef * 32 / pass;
      offer.startup_cost = ef * 0.02 + std::min(looked_at, request.tuples) * (request.quals.empty() ? 0.005 : 0.02);
      offer.total_cost = offer.startup_cost + request.rows * 0.5;   // all of them in order: sorting is cheaper
      offer.rows = request.rows;
      offer.ordered = true;
      out.push_back(std::move(offer));
      break;
    }
    return out;
  }

 private:
  static std::string index_of(const catalog::Relation& table, const catalog::State& state, int16_t column) {
    for (Oid oid : table.indexes) {
      const auto index = state.relation(oid);
      if (index != nullptr && index->index && index->index->method == "hnsw" && !index->index->keys.empty() && index->index->keys[0].column == column) return index->name;
    }
    return table.name;
  }
  vectors::VectorStore& store_;
};

}  // namespace

std::unique_ptr<ScanProvider> make_hnsw_provider(vectors::VectorStore& store) { return std::make_unique<HnswProvider>(store); }

}  // namespace stele::query

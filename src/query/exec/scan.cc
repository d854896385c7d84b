// Scans of stored tables: sequential, by index, by several indexes, through a provider; and of the system
// catalogues.
#include "base/error.h"
#include "query/exec/catalog_rows.h"
#include "query/exec/column_cache.h"
#include "query/exec/operator.h"
#include "query/exec/table_cache.h"
#include "query/rewrite.h"
#include "query/scan_providers.h"
#include "types/oids.h"

namespace stele::query {

namespace {
// Which attribute fills each raw column.
struct RawColumns {
  std::vector<ExprPtr> layout;    // node.layout, then what only the conditions use
  std::vector<int16_t> attributes;
  size_t keep = 0;
  explicit RawColumns(const PlanNode& n) {
    keep = n.layout.size();
    layout = n.layout;
    for (auto& q : n.quals)
      walk(q, [&](const Expr& e, int) {
        if (e.kind == ExprKind::kVar && static_cast<const VarExpr&>(e).relation == n.rti) {
          auto v = std::make_shared<VarExpr>(static_cast<const VarExpr&>(e));
          if (std::none_of(layout.begin(), layout.end(), [&](auto& x) { return static_cast<const VarExpr&>(*x).column == v->column; })) layout.push_back(v);
        }
        return false;
      });
    for (auto& e : layout) {
      int16_t a = static_cast<const VarExpr&>(*e).column;
      if (a > 0 && !n.column_map.empty()) a = n.column_map[a - 1];
      attributes.push_back(a);
    }
  }
};

class TableScanBase : public Operator {
 public:
  TableScanBase(const PlanNode& n, ExecState& s) : Operator(n, s), raw_(n) {
    filter_.compile(n.quals, raw_.layout, s);
    if (s.stats != nullptr) stats_ = &(*s.stats)[&n];
    if (n.table && !n.system_catalog) {
      access_ = open_access(n.table, s);
      format_ = &access_->table().format();
    }
  }
  bool next(Batch& out, int max) override {
    while (true) {
      state.interrupts();
      int want = std::min(max, batch_size_);
      batch_size_ = std::min(batch_size_ * 2, kBatchRows);
      arena_.reset();
      buffers_.ensure(raw_.layout.size(), want);
      int n = fill(want);
      if (n == 0) return false;
      buffers_.expose(out, raw_.layout.size(), n);
      if (exposed_ >= 0)
        for (size_t c = 0; c < raw_.attributes.size(); ++c)
          if (auto* column = cached_->columns[c].get()) {
            // Read-only from here on, like any batch.
            out.columns[c].values = const_cast<Datum*>(column->values.data()) + exposed_;
            out.columns[c].nulls = const_cast<uint8_t*>(column->nulls.data()) + exposed_;
          }
      filter_.apply(out, raw_.keep, arena_, state, stats_);
      if (out.size > 0) return true;
    }
  }

 protected:
  virtual int fill(int max) = 0;
  void reset() { batch_size_ = 16; exposed_ = -1; }
  // Looks for the table's columns in memory, once a statement.
  void find_columns(bool build) {
    if (asked_) return;
    asked_ = true;
    if (state.ctx->engine == nullptr || state.ctx->engine->store == nullptr) return;
    if (std::any_of(raw_.attributes.begin(), raw_.attributes.end(), [](int16_t a) { return a == 0; })) return;
    cache_ = &ColumnCache::of(*state.ctx->engine->store);
    cached_ = cache_->acquire(*access_, *state.ctx->txn, state.view, raw_.attributes, build, [this] { state.interrupts(); });
  }
  // One row by its id into row `at` of the buffers; false: the view does not have it.
  bool fetch_into(uint64_t id, int at) {
    if (cached_) {
      size_t position;
      if (!cached_->find(id, &position)) return false;
      for (size_t c = 0; c < raw_.attributes.size(); ++c) {
        auto* column = cached_->columns[c].get();
        if (column == nullptr) { system_value(raw_.attributes[c], id, buffers_[c], at); continue; }
        buffers_[c].values[at] = column->values[position];
        buffers_[c].nulls[at] = column->nulls[position];
      }
      return true;
    }
    if (!access_->fetch(id, state.view, &row_)) return false;
    decode(row_, id, at);
    return true;
  }
  const ExecState::Pinned* pinned() const {
    if (state.pinned == nullptr) return nullptr;
    auto it = state.pinned->find(node.rti);
    return it == state.pinned->end() ? nullptr : &it->second;
  }
  void decode(std::string_view bytes, uint64_t row_id, int at) {
    for (size_t c = 0; c < raw_.attributes.size(); ++c) {
      int16_t a = raw_.attributes[c];
      Vec& v = buffers_[c];
      if (a > 0) {
        NullableDatum d = format_->decode(bytes, static_cast<size_t>(a - 1), arena_);
        v.values[at] = d.value;
        v.nulls[at] = d.is_null ? 1 : 0;
      } else {
        system_value(a, row_id, v, at);
      }
    }
  }
  void system_value(int16_t a, uint64_t row_id, Vec& v, int at) {
    v.nulls[at] = 0;
    switch (a) {
      case system_column::kRowId: v.values[at] = Datum::from_int(static_cast<int64_t>(row_id)); break;
      case system_column::kTableOid: v.values[at] = Datum::from_oid(node.relation); break;
      case system_column::kCtid: {
        // Block and offset of PostgreSQL's tid: row ids in 48 bits.
        char tid[6];
        uint64_t id = row_id;
        uint32_t block = static_cast<uint32_t>(id >> 16);
        uint16_t offset = static_cast<uint16_t>(id & 0xffff);
        std::memcpy(tid, &block, 4);
        std::memcpy(tid + 4, &offset, 2);
        v.values[at] = make_bytes(arena_, std::string_view(tid, 6));
        break;
      }
      case 0: v.nulls[at] = 1; break;   // a column that the child table does not have
      default: v.values[at] = Datum::from_int(0); break;
    }
  }
  // The newest version of the pinned row, for a READ COMMITTED re-evaluation.
  int fill_pinned(const ExecState::Pinned& p) {
    if (pinned_done_) return 0;
    pinned_done_ = true;
    if (p.none || (p.relation != 0 && p.relation != node.relation)) return 0;
    storage::ReadView latest{nullptr, UINT32_MAX};
    if (!access_->fetch(p.row_id, latest, &row_)) return 0;
    // What the index has found by key before is a condition like any other now.
    if (!node.conds.empty() && !key_holds(p.row_id)) return 0;
    decode(row_, p.row_id, 0);
    return 1;
  }
  bool key_holds(uint64_t id) {
    PlanNode probe;
    probe.rti = node.rti;
    probe.column_map = node.column_map;
    for (auto& c : node.conds) if (c.clause) probe.quals.push_back(c.clause);
    RawColumns columns(probe);
    BatchFilter check;
    check.compile(probe.quals, columns.layout, state);
    OutputBatch one;
    one.ensure(columns.attributes.size(), 1);
    for (size_t c = 0; c < columns.attributes.size(); ++c) {
      if (columns.attributes[c] <= 0) { system_value(columns.attributes[c], id, one[c], 0); continue; }
      NullableDatum d = format_->decode(row_, static_cast<size_t>(columns.attributes[c] - 1), arena_);
      one[c].values[0] = d.value;
      one[c].nulls[0] = d.is_null ? 1 : 0;
    }
    Batch b;
    one.expose(b, columns.attributes.size(), 1);
    return check.select(b, arena_, state) == 1;
  }
  RawColumns raw_;
  BatchFilter filter_;
  std::unique_ptr<rows::TableAccess> access_;
  const rows::RowFormat* format_ = nullptr;
  OutputBatch buffers_;
  Arena arena_;
  NodeStats* stats_ = nullptr;
  std::string row_;
  int batch_size_ = 16;
  bool pinned_done_ = false, asked_ = false;
  ColumnCache* cache_ = nullptr;
  std::unique_ptr<ColumnCache::Columns> cached_;
  int64_t exposed_ = -1;       // the batch is a window of the cached columns from here on
};

class SeqScan final : public TableScanBase {
 public:
  using TableScanBase::TableScanBase;
  void rescan() override {
    reset();
    cursor_.reset();
    at_ = 0;
    pinned_done_ = false;
    if (!node.sample_method.empty()) start_sample();
  }
  int fill(int max) override {
    if (auto* p = pinned()) return fill_pinned(*p);
    if (!cursor_) {
      if (sample_ >= 1) find_columns(true);
      if (cached_) {
        int n = static_cast<int>(std::min<size_t>(static_cast<size_t>(max), cached_->rows() - at_));
        for (size_t c = 0; c < raw_.attributes.size(); ++c)
          if (!cached_->columns[c]) for (int i = 0; i < n; ++i) system_value(raw_.attributes[c], (*cached_->row_ids)[at_ + static_cast<size_t>(i)], buffers_[c], i);
        exposed_ = static_cast<int64_t>(at_);
        at_ += static_cast<size_t>(n);
        return n;
      }
      cursor_ = std::make_unique<rows::RowCursor>(access_->scan(state.view));
    }
    int n = 0;
    while (n < max && cursor_->valid()) {
      if (sample_ < 1 && random_.unit() >= sample_) { cursor_->next(); continue; }
      decode(cursor_->bytes(), cursor_->row_id(), n++);
      cursor_->next();
    }
    if (!cursor_->valid() && !counted_ && cache_ != nullptr) {
      counted_ = true;
      cache_->scanned(*access_, *state.ctx->txn, state.view);
    }
    return n;
  }
 private:
  void start_sample() {
    if (node.sample_args.empty()) return;
    NullableDatum v = evaluate_const(node.sample_args[0], state, arena_);
    double percent = v.is_null ? -1 : node.sample_args[0]->type == oid::kFloat4 ? v.value.as_float() : v.value.as_double();
    if (v.is_null) throw Error(ErrorCode::kInvalidParameterValue, "TABLESAMPLE parameter cannot be null");
    if (!(percent >= 0 && percent <= 100)) throw Error(ErrorCode::kInvalidParameterValue, "sample percentage must be between 0 and 100");
    sample_ = percent / 100;
    uint64_t seed = 0;
    if (node.sample_repeatable) seed = evaluate_const(node.sample_repeatable, state, arena_).value.bits;
    else if (state.eval->random) seed = state.eval->random();
    random_ = Random(seed);
  }
  std::unique_ptr<rows::RowCursor> cursor_;
  size_t at_ = 0;
  bool counted_ = false;
  double sample_ = 1;
  Random random_{0};
};

// One key range after another; see key_range() for what a range is.
class IndexScan final : public TableScanBase {
 public:
  IndexScan(const PlanNode& n, ExecState& s) : TableScanBase(n, s) {
    index_ = access_->table().index(n.index->oid);
    if (index_ == nullptr) throw Error(ErrorCode::kInternalError, "index is not known to its table");
    only_ = n.type == NodeType::kIndexOnlyScan;
    if (n.type == NodeType::kBitmapScan) throw Error(ErrorCode::kInternalError, "bitmap scan as index scan");
    bounds_.compile(n.conds, *index_, s);
  }
  void rescan() override {
    reset();
    started_ = false;
    open_ = false;
    ranges_.clear();
    at_ = 0;
    pinned_done_ = false;
  }
  int fill(int max) override {
    if (auto* p = pinned()) return fill_pinned(*p);
    if (!started_) {
      started_ = true;
      bounds_.ranges(*index_, state, range_arena_, ranges_);
      if (node.backward) std::reverse(ranges_.begin(), ranges_.end());
    }
    if (!only_) find_columns(false);
    int n = 0;
    while (n < max) {
      if (!open_) {
        if (at_ >= ranges_.size()) break;
        if (ranges_[at_].empty()) { ++at_; continue; }
        if (cursor_) cursor_->rescan(ranges_[at_++]);
        else cursor_ = std::make_unique<rows::IndexCursor>(access_->index_scan(*index_, ranges_[at_++], state.view, node.backward));
        open_ = true;
      }
      if (!cursor_->valid()) { open_ = false; continue; }
      uint64_t id = cursor_->row_id();
      if (only_) {
        for (size_t c = 0; c < raw_.attributes.size(); ++c) {
          int16_t a = raw_.attributes[c];
          if (a > 0) {
            NullableDatum d = cursor_->attribute(a, arena_);
            buffers_[c].values[n] = d.value;
            buffers_[c].nulls[n] = d.is_null ? 1 : 0;
          } else {
            system_value(a, id, buffers_[c], n);
          }
        }
        ++n;
      } else if (fetch_into(id, n)) {
        ++n;
      }
      cursor_->next();
    }
    return n;
  }
 private:
  const rows::IndexDef* index_ = nullptr;
  IndexBounds bounds_;
  std::vector<rows::KeyRange> ranges_;
  size_t at_ = 0;
  std::unique_ptr<rows::IndexCursor> cursor_;
  Arena range_arena_;
  bool only_ = false, started_ = false, open_ = false;
};

// The union of several indexes' row ids, then the rows in row id order.
class BitmapScan final : public TableScanBase {
 public:
  BitmapScan(const PlanNode& n, ExecState& s) : TableScanBase(n, s) {
    for (size_t i = 0; i < n.or_indexes.size(); ++i) {
      auto* index = access_->table().index(n.or_indexes[i]->oid);
      if (index == nullptr) throw Error(ErrorCode::kInternalError, "index is not known to its table");
      indexes_.push_back(index);
      bounds_.emplace_back();
      bounds_.back().compile(n.or_conds[i], *index, s);
    }
  }
  void rescan() override {
    reset();
    started_ = false;
    pinned_done_ = false;
    ids_.clear();
    at_ = 0;
  }
  int fill(int max) override {
    if (auto* p = pinned()) return fill_pinned(*p);
    if (!started_) {
      started_ = true;
      for (size_t i = 0; i < indexes_.size(); ++i) {
        std::vector<rows::KeyRange> ranges;
        bounds_[i].ranges(*indexes_[i], state, range_arena_, ranges);
        for (auto& r : ranges)
          if (!r.empty())
            for (auto c = access_->index_scan(*indexes_[i], r, state.view); c.valid(); c.next()) ids_.push_back(c.row_id());
      }
      std::sort(ids_.begin(), ids_.end());
      ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
    }
    find_columns(false);
    int n = 0;
    while (n < max && at_ < ids_.size()) n += fetch_into(ids_[at_++], n) ? 1 : 0;
    return n;
  }
 private:
  std::vector<const rows::IndexDef*> indexes_;
  std::vector<IndexBounds> bounds_;
  std::vector<uint64_t> ids_;
  size_t at_ = 0;
  Arena range_arena_;
  bool started_ = false;
};

class ProviderScanOp final : public TableScanBase {
 public:
  ProviderScanOp(const PlanNode& n, ExecState& s)
      : TableScanBase(n, s), plan_(static_cast<const ProviderPlan&>(*static_cast<ProviderPlan*>(n.provider.get()))), given_(plan_.columns()) {
    if (!n.provider_filter.empty()) {
      PlanNode probe;
      probe.rti = n.rti;
      probe.quals = n.provider_filter;
      RawColumns columns(probe);
      filter_attributes_ = columns.attributes;
      own_filter_.compile(n.provider_filter, columns.layout, s);
    }
    for (int16_t a : raw_.attributes) {
      auto it = std::find(given_.begin(), given_.end(), a);
      source_.push_back(it == given_.end() ? -1 : static_cast<int>(it - given_.begin()));
      complete_ &= a <= 0 || it != given_.end();
    }
  }
  ~ProviderScanOp() override { note(); }
  void rescan() override { reset(); note(); scan_.reset(); pinned_done_ = by_row_ = false; }
  int fill(int max) override {
    if (auto* p = pinned()) {
      int n = fill_pinned(*p);
      uint8_t pass = 1;
      if (n > 0 && !node.provider_filter.empty()) check(std::span<const uint64_t>(&p->row_id, 1), &pass, storage::ReadView{nullptr, UINT32_MAX});
      return pass ? n : 0;
    }
    if (!scan_) open();
    if (complete_ && !by_row_) {
      outputs_.clear();
      for (size_t c = 0; c < raw_.attributes.size(); ++c) outputs_.push_back(buffers_[c]);
      int n = scan_->next_batch(raw_.attributes, outputs_, max);
      if (n >= 0) {
        for (size_t c = 0; c < raw_.attributes.size(); ++c)
          if (raw_.attributes[c] == system_column::kTableOid) for (int i = 0; i < n; ++i) { buffers_[c].values[i] = Datum::from_oid(node.relation); buffers_[c].nulls[i] = 0; }
        return n;
      }
      by_row_ = true;
    }
    int n = 0;
    ProviderScan::Row r;
    while (n < max && scan_->next(r)) {
      if (r.columns == nullptr || !complete_) {
        if (!access_->fetch(r.row_id, state.view, &row_)) continue;
        decode(row_, r.row_id, n);
      } else {
        for (size_t c = 0; c < raw_.attributes.size(); ++c) {
          if (source_[c] < 0) { system_value(raw_.attributes[c], r.row_id, buffers_[c], n); continue; }
          NullableDatum d = r.columns[source_[c]];
          buffers_[c].values[n] = d.value;
          buffers_[c].nulls[n] = d.is_null ? 1 : 0;
        }
      }
      for (size_t c = 0; c < raw_.attributes.size(); ++c)
        if (raw_.attributes[c] == system_column::kScore) { buffers_[c].values[n] = Datum::from_float(static_cast<float>(r.score)); buffers_[c].nulls[n] = 0; }
      ++n;
    }
    return n;
  }
 private:
  void open() {
    int64_t limit = -1;
    if (node.limit_count) {
      NullableDatum count = evaluate_const(node.limit_count, state, scan_arena_);
      NullableDatum offset = node.limit_offset ? evaluate_const(node.limit_offset, state, scan_arena_) : NullableDatum{};
      if (!count.is_null) limit = count.value.as_int() + (node.limit_offset && !offset.is_null ? offset.value.as_int() : 0);
    }
    scan_arena_.reset();
    ProviderOpen with{*state.ctx, state.view, limit, [&](const ExprPtr& e) { return evaluate_const(e, state, scan_arena_); },
                      [this](std::span<const uint64_t> ids, uint8_t* pass) { check(ids, pass, state.view); },
                      [this](uint64_t id, std::string* bytes) { return access_->fetch(id, state.view, bytes); }};
    scan_ = plan_.open(with);
  }
  // Which of the rows are there and satisfy the filter.
  void check(std::span<const uint64_t> ids, uint8_t* pass, const storage::ReadView& view) {
    for (size_t from = 0; from < ids.size(); from += kBatchRows) {
      int count = static_cast<int>(std::min<size_t>(kBatchRows, ids.size() - from));
      filter_arena_.reset();
      filter_rows_.clear();
      filter_buffers_.ensure(filter_attributes_.size(), count);
      for (int i = 0; i < count; ++i) {
        pass[from + static_cast<size_t>(i)] = 0;
        if (!access_->fetch(ids[from + static_cast<size_t>(i)], view, &filter_row_)) continue;
        int at = static_cast<int>(filter_rows_.size());
        for (size_t c = 0; c < filter_attributes_.size(); ++c) {
          if (filter_attributes_[c] <= 0) { system_value(filter_attributes_[c], ids[from + static_cast<size_t>(i)], filter_buffers_[c], at); continue; }
          NullableDatum d = format_->decode(filter_row_, static_cast<size_t>(filter_attributes_[c] - 1), filter_arena_);
          filter_buffers_[c].values[at] = d.value;
          filter_buffers_[c].nulls[at] = d.is_null ? 1 : 0;
        }
        filter_rows_.push_back(from + static_cast<size_t>(i));
      }
      if (filter_rows_.empty()) continue;
      Batch b;
      filter_buffers_.expose(b, filter_attributes_.size(), static_cast<int>(filter_rows_.size()));
      int kept = own_filter_.select(b, filter_arena_, state);
      for (int i = 0; i < kept; ++i) pass[filter_rows_[static_cast<size_t>(own_filter_.sel()[i])]] = 1;
      if (stats_ != nullptr) stats_->removed += b.size - kept;
    }
  }
  void note() {
    if (scan_ && stats_ != nullptr) stats_->lines = scan_->analyze();
  }
  const ProviderPlan& plan_;
  const std::vector<int16_t>& given_;
  std::unique_ptr<ProviderScan> scan_;
  Arena scan_arena_, filter_arena_;
  std::vector<int16_t> filter_attributes_;
  std::vector<int> source_;
  std::vector<Vec> outputs_;
  BatchFilter own_filter_;
  OutputBatch filter_buffers_;
  std::vector<size_t> filter_rows_;
  std::string filter_row_;
  bool complete_ = true, by_row_ = false;
};

// Rows that sql makes from the state of the engine; all of them, or those that equal keys find.
class CatalogScan final : public Operator {
 public:
  CatalogScan(const PlanNode& n, ExecState& s) : Operator(n, s), raw_(n) {
    filter_.compile(n.quals, raw_.layout, s);
    if (s.stats != nullptr) stats_ = &(*s.stats)[&n];
    CompileEnv env;
    env.state = &s;
    for (auto& c : n.conds) {
      keys_.push_back({n.index->index->keys[static_cast<size_t>(c.column)].column, compile(c.value, env), c.strategy == IndexStrategy::kIn});
    }
  }
  void rescan() override { at_ = 0; found_ready_ = false; }
  bool next(Batch& out, int max) override {
    if (!rows_) rows_ = CatalogRows::of(node.relation, *state.ctx);   // it does not change under a statement
    if (!keys_.empty() && !found_ready_) look_up();
    size_t end = keys_.empty() ? rows_->size() : found_.size();
    while (at_ < end) {
      int n = static_cast<int>(std::min<size_t>(static_cast<size_t>(max), end - at_));
      size_t columns = raw_.attributes.size();
      buffers_.ensure(columns, n);
      for (int i = 0; i < n; ++i) {
        size_t r = keys_.empty() ? at_ + static_cast<size_t>(i) : found_[at_ + static_cast<size_t>(i)];
        const NullableDatum* row = rows_->row(r);
        for (size_t c = 0; c < columns; ++c) {
          int16_t a = raw_.attributes[c];
          NullableDatum d;
          if (a > 0 && a <= static_cast<int>(rows_->columns())) d = row[a - 1];
          else if (a == system_column::kTableOid) d = {Datum::from_oid(node.relation), false};
          else if (a == system_column::kRowId) d = {Datum::from_int(static_cast<int64_t>(r)), false};
          buffers_[c].values[i] = d.value;
          buffers_[c].nulls[i] = d.is_null ? 1 : 0;
        }
      }
      at_ += static_cast<size_t>(n);
      buffers_.expose(out, columns, n);
      work_.reset();
      filter_.apply(out, raw_.keep, work_, state, stats_);
      if (out.size > 0) return true;
    }
    return false;
  }
 private:
  void look_up() {
    found_ready_ = true;
    found_.clear();
    key_arena_.reset();
    Frame f{nullptr, 1, &key_arena_, &state};
    for (size_t k = 0; k < keys_.size(); ++k) {
      const Vec& v = keys_[k].value->eval(f, Sel{nullptr, 1});
      if (v.nulls[0]) { found_.clear(); return; }
      if (keys_[k].list) {
        ArrayView list(v.values[0]);
        for (int i = 0; i < list.count(); ++i) if (!list.is_null(i)) rows_->find(keys_[k].column, list.get(i), found_);
        std::sort(found_.begin(), found_.end());
        found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
      } else if (k == 0) {
        rows_->find(keys_[k].column, v.values[0], found_);
      } else {
        Datum value = v.values[0];
        std::erase_if(found_, [&](uint32_t r) { return !rows_->equals(r, keys_[k].column, value); });
      }
    }
  }
  struct Key { int16_t column; EvalPtr value; bool list; };
  RawColumns raw_;
  BatchFilter filter_;
  NodeStats* stats_ = nullptr;
  std::vector<Key> keys_;
  std::shared_ptr<const CatalogRows> rows_;
  std::vector<uint32_t> found_;
  size_t at_ = 0;
  OutputBatch buffers_;
  Arena work_, key_arena_;
  bool found_ready_ = false;
};
}  // namespace

OperatorPtr make_scan(const PlanNode& n, ExecState& s) {
  if (n.system_catalog) return std::make_unique<CatalogScan>(n, s);
  switch (n.type) {
    case NodeType::kSeqScan: return std::make_unique<SeqScan>(n, s);
    case NodeType::kBitmapScan: return std::make_unique<BitmapScan>(n, s);
    case NodeType::kProviderScan: return std::make_unique<ProviderScanOp>(n, s);
    default: return std::make_unique<IndexScan>(n, s);
  }
}

}  // namespace stele::query

// Scans that read the columns of segments instead of rows, for tables with a search or columns index.
//
// Only columns that hold exactly what the row holds take part: integers, booleans, dates, doubles, and text as a
// keyword. A segment that had to leave a value out of a column (too long, malformed) names its document in _ignored:
// the rows of such segments are fetched.
#include "base/error.h"
#include "query/plan/plan.h"
#include "query/providers/search.h"
#include "query/rewrite.h"
#include "rows/table_access.h"
#include "types/oids.h"

namespace stele::query {

namespace {
using segments::Column;
using segments::ColumnKind;

enum class Form : uint8_t { kInt, kBool, kDouble, kDate, kText };
struct ColumnUse {
  int16_t attribute;
  std::string field;
  Form form;
};

std::optional<Form> form_of(Oid type, const segments::MappedField& f) {
  using segments::FieldType;
  if (!f.doc_values) return std::nullopt;
  switch (type) {
    case oid::kInt2: return f.type == FieldType::kShort ? std::optional(Form::kInt) : std::nullopt;
    case oid::kInt4: return f.type == FieldType::kInteger ? std::optional(Form::kInt) : std::nullopt;
    case oid::kInt8: return f.type == FieldType::kLong ? std::optional(Form::kInt) : std::nullopt;
    case oid::kBool: return f.type == FieldType::kBoolean ? std::optional(Form::kBool) : std::nullopt;
    case oid::kFloat8: return f.type == FieldType::kDouble ? std::optional(Form::kDouble) : std::nullopt;
    case oid::kDate: return f.type == FieldType::kDate ? std::optional(Form::kDate) : std::nullopt;
    case oid::kText: case oid::kVarchar: return f.type == FieldType::kKeyword && !f.normalizer ? std::optional(Form::kText) : std::nullopt;
    default: return std::nullopt;
  }
}

constexpr int64_t kDayMs = 86'400'000, kEpochDays = 10957;  // 1970 to 2000

class ColumnsScan final : public ProviderScan {
 public:
  ColumnsScan(Oid relation, const std::vector<ColumnUse>& uses, const ProviderOpen& with) : uses_(uses), fetch_(with.fetch) {
    auto& segments = *static_cast<segments::Segments*>(with.ctx.engine->segments);
    auto state = with.ctx.catalog->state();
    relation_ = state->relation(relation);
    segments::IndexedPtr indexed = relation_ ? segments.ensure(*relation_, *state) : nullptr;
    if (!indexed) throw Error(ErrorCode::kObjectNotInPrerequisiteState, "the columns index is gone");
    leaves_ = segments.leaves(*indexed, with.view.snapshot ? with.view.snapshot->lsn() : with.ctx.engine->store->published_lsn(), with.ctx.txn);
    table_ = rows::Table::make(relation_, *state);
  }
  bool next(Row& row) override {  // never asked: next_batch serves every call
    (void)row;
    return false;
  }
  int next_batch(std::span<const int16_t> wanted, std::span<Vec> out, int max) override {
    for (;;) {
      if (!open_) {
        if (leaf_ >= leaves_.size()) return 0;
        open_leaf();
      }
      const segments::Leaf& leaf = leaves_[leaf_];
      const segments::Segment& s = *leaf.segment;
      docs_.clear();
      bool all = leaf.all_visible && !leaf.hidden;
      for (; doc_ < s.docs() && static_cast<int>(docs_.size()) < max; ++doc_) {
        if (all || leaf.visible(doc_)) docs_.push_back(doc_);
      }
      if (docs_.empty()) {
        open_ = false;
        ++leaf_;
        continue;
      }
      arena_.reset();
      return by_row_ ? read_rows(s, wanted, out) : read_columns(s, wanted, out);
    }
  }

 private:
  void open_leaf() {
    const segments::Segment& s = *leaves_[leaf_].segment;
    open_ = true;
    doc_ = 0;
    by_row_ = s.field("_ignored") != nullptr;
    columns_.clear();
    dictionaries_.assign(uses_.size(), {});
    dictionary_arena_.reset();
    for (const ColumnUse& u : uses_) {
      Column c = s.column(u.field);
      if (c && (c.meta().multi || (u.form == Form::kText) != (c.kind() == ColumnKind::kKeyword) || (u.form == Form::kDouble) != (c.kind() == ColumnKind::kDouble))) by_row_ = true;
      columns_.push_back(c);
    }
  }
  int read_columns(const segments::Segment& s, std::span<const int16_t> wanted, std::span<Vec> out) {
    for (size_t w = 0; w < wanted.size(); ++w) {
      if (wanted[w] == system_column::kRowId) {
        for (size_t i = 0; i < docs_.size(); ++i) {
          out[w].values[i] = Datum::from_int(static_cast<int64_t>(s.row_id(docs_[i])));
          out[w].nulls[i] = 0;
        }
        continue;
      }
      size_t u = use_of(wanted[w]);
      if (u == uses_.size()) continue;
      const Column& c = columns_[u];
      if (!c) {  // no document of the segment has a value
        for (size_t i = 0; i < docs_.size(); ++i) out[w].nulls[i] = 1;
        continue;
      }
      bool dense = c.meta().dense;
      auto each = [&](auto&& value) {
        for (size_t i = 0; i < docs_.size(); ++i) {
          uint32_t d = docs_[i];
          if (!dense && !c.present(d)) {
            out[w].nulls[i] = 1;
            continue;
          }
          out[w].nulls[i] = 0;
          out[w].values[i] = value(c.value(d));
        }
      };
      switch (uses_[u].form) {
        case Form::kInt: each([](int64_t v) { return Datum::from_int(v); }); break;
        case Form::kBool: each([](int64_t v) { return Datum::from_bool(v != 0); }); break;
        case Form::kDouble: each([](int64_t v) { return Datum::from_double(segments::from_sortable_bits(v)); }); break;
        case Form::kDate: each([](int64_t v) { return Datum::from_int(v / kDayMs - kEpochDays); }); break;
        case Form::kText: {
          // A term becomes a value once a segment.
          auto& known = dictionaries_[u];
          if (known.empty()) known.resize(c.terms());
          each([&](int64_t v) {
            Datum& k = known[static_cast<size_t>(v)];
            if (k.bits == 0) k = make_bytes(dictionary_arena_, c.term(static_cast<uint64_t>(v)));
            return k;
          });
          break;
        }
      }
    }
    return static_cast<int>(docs_.size());
  }
  int read_rows(const segments::Segment& s, std::span<const int16_t> wanted, std::span<Vec> out) {
    int n = 0;
    for (uint32_t d : docs_) {
      uint64_t id = s.row_id(d);
      if (!fetch_(id, &bytes_)) continue;
      for (size_t w = 0; w < wanted.size(); ++w) {
        NullableDatum v;
        if (wanted[w] > 0) v = table_->format().decode(bytes_, static_cast<size_t>(wanted[w] - 1), arena_);
        else if (wanted[w] == system_column::kRowId) v = {Datum::from_int(static_cast<int64_t>(id)), false};
        else continue;
        // The next row overwrites the buffer.
        if (!v.is_null && wanted[w] > 0 && uses_[use_of(wanted[w])].form == Form::kText) v.value = make_bytes(arena_, v.value.as_view());
        out[w].values[n] = v.value;
        out[w].nulls[n] = v.is_null ? 1 : 0;
      }
      ++n;
    }
    return n;
  }
  size_t use_of(int16_t attribute) const {
    for (size_t i = 0; i < uses_.size(); ++i) {
      if (uses_[i].attribute == attribute) return i;
    }
    return uses_.size();
  }

  const std::vector<ColumnUse>& uses_;
  std::function<bool(uint64_t, std::string*)> fetch_;
  std::shared_ptr<const catalog::Relation> relation_;
  std::shared_ptr<const rows::Table> table_;
  std::vector<segments::Leaf> leaves_;
  size_t leaf_ = 0;
  uint32_t doc_ = 0;
  bool open_ = false, by_row_ = false;
  std::vector<Column> columns_;
  std::vector<std::vector<Datum>> dictionaries_;
  std::vector<uint32_t> docs_;
  std::string bytes_;
  Arena arena_, dictionary_arena_;
};

class ColumnsPlan final : public ProviderPlan {
 public:
  ColumnsPlan(Oid relation, std::string index, std::vector<ColumnUse> uses) : relation_(relation), index_(std::move(index)), uses_(std::move(uses)) {
    for (const ColumnUse& u : uses_) attributes_.push_back(u.attribute);
  }
  std::unique_ptr<ProviderScan> open(const ProviderOpen& with) const override { return std::make_unique<ColumnsScan>(relation_, uses_, with); }
  const std::vector<int16_t>& columns() const override { return attributes_; }
  std::string node_name() const override { return "Column Scan"; }
  std::string index_name() const override { return index_; }

 private:
  Oid relation_;
  std::string index_;
  std::vector<ColumnUse> uses_;
  std::vector<int16_t> attributes_;
};

class ColumnsProvider final : public ScanProvider {
 public:
  std::vector<ProviderOffer> offers(const ProviderRequest& r) override {
    auto* segments = static_cast<segments::Segments*>(r.ctx.engine->segments);
    if (segments == nullptr || r.table.indexes.empty() || r.table.extra.count("elastic") != 0) return {};
    std::string index;
    auto state = r.ctx.catalog->state();
    for (Oid oid : r.table.indexes) {
      auto i = state->relation(oid);
      if (i && i->index && i->index->valid && (i->index->method == "columns" || (i->index->method == "search" && index.empty()))) index = i->name;
    }
    if (index.empty()) return {};
    segments::IndexedPtr indexed = segments->ensure(r.table, *state);
    auto mapping = indexed ? indexed->mapping() : nullptr;
    if (!mapping || indexed->index.building()) return {};
    std::vector<ColumnUse> uses;
    for (int16_t a : r.columns) {
      if (a == system_column::kRowId) continue;
      if (a <= 0) return {};
      const catalog::Column* c = r.table.column(a);
      const segments::MappedField* f = c == nullptr ? nullptr : mapping->field(c->name);
      auto form = f == nullptr ? std::nullopt : form_of(c->type, *f);
      if (!form) return {};
      uses.push_back({a, c->name, *form});
    }
    for (const ExprPtr& q : r.quals) {
      bool searched = false;
      walk(q, [&](const Expr& e, int) { return searched = e.kind == ExprKind::kFunc && static_cast<const FuncExpr&>(e).func == kSearchFunction; });
      if (searched) return {};
    }
    ProviderOffer o;
    o.scan = std::make_shared<ColumnsPlan>(r.table.oid, index, uses);
    o.remaining_quals = r.quals;
    o.startup_cost = 0.5;  // tiny tables are read as rows
    o.total_cost = 0.5 + r.tuples * (0.001 + 0.0008 * static_cast<double>(uses.size()) + 0.0025 * static_cast<double>(r.quals.size()));
    o.rows = r.rows;
    return {o};
  }
};

}  // namespace

std::unique_ptr<ScanProvider> make_columns_provider() { return std::make_unique<ColumnsProvider>(); }

}  // namespace stele::query

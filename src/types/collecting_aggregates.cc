// Aggregates that keep values: min and max, array_agg, string_agg, ordered-set aggregates.
#include "base/error.h"
#include "types/function_helpers.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/format_type.h"
#include "types/function.h"
#include "types/oids.h"
#include "types/type_io.h"
#include "types/type_ops.h"

namespace stele {
namespace {

// One value kept beyond its batch, in a buffer that is used again.
class Kept {
 public:
  void set(Datum v, bool by_value) {
    if (by_value) {
      value_ = v;
      return;
    }
    const Varlena* from = v.as_varlena();
    size_t words = (sizeof(Varlena) + from->size + 7) / 8;
    if (buffer_.size() < words) buffer_.resize(words * 2);
    std::memcpy(buffer_.data(), from, sizeof(Varlena) + from->size);
    value_ = Datum{reinterpret_cast<uint64_t>(buffer_.data())};
  }
  Datum get() const { return value_; }
  size_t bytes() const { return buffer_.size() * 8; }

 private:
  Datum value_;
  std::vector<uint64_t> buffer_;
};

template <bool kMax>
class Extreme : public AggregateState {
 public:
  explicit Extreme(FnCall& c) {
    ElementInfo info = element_info(c.arg_types[0], c.context);
    ops_ = &type_ops(info.ops_type);
    by_value_ = info.width > 0;
    if (ops_->compare == nullptr)
      throw Error(ErrorCode::kUndefinedFunction, fmt::format("could not identify a comparison function for type {}",
                                                             format_type_sql(c.arg_types[0], -1, c.context)));
  }
  void add(FnCall& c) override {
    if (c.is_null(0)) return;
    if (any_) {
      int cmp = ops_->compare(c.arg(0), kept_.get(), c.collation);
      if (kMax ? cmp <= 0 : cmp >= 0) return;
    }
    kept_.set(c.arg(0), by_value_);
    any_ = true;
  }
  Datum finish(FnCall& c) override { return any_ ? copy_datum(by_value_, kept_.get(), *c.arena) : c.null(); }
  size_t bytes() const override { return sizeof *this + kept_.bytes(); }

 private:
  const TypeOps* ops_;
  bool by_value_;
  bool any_ = false;
  Kept kept_;
};
template <bool kMax>
class ExtremeInt : public AggregateState {
 public:
  void add(FnCall& c) override {
    int64_t v = c.int_arg(0);
    if (!any_ || (kMax ? v > value_ : v < value_)) value_ = v;
    any_ = true;
  }
  Datum finish(FnCall& c) override { return any_ ? Datum::from_int(value_) : c.null(); }

 private:
  int64_t value_ = 0;
  bool any_ = false;
};
template <bool kMax>
std::unique_ptr<AggregateState> extreme(FnCall& c) {
  switch (c.arg_types[0]) {
    case oid::kInt2: case oid::kInt4: case oid::kInt8: case oid::kDate: case oid::kTimestamp:
    case oid::kTimestamptz: case oid::kTime: case oid::kMoney:
      return std::make_unique<ExtremeInt<kMax>>();
    default: return std::make_unique<Extreme<kMax>>(c);
  }
}

// Values of one type, kept in an arena of their own.
class Values {
 public:
  void open(FnCall& c, int arg) {
    if (opened_) return;
    opened_ = true;
    info_ = element_info(c.arg_types[arg], c.context);
  }
  void add(FnCall& c, int arg) {
    open(c, arg);
    if (c.is_null(arg)) items_.push_back({});
    else items_.push_back({copy_datum(info_.width > 0, c.arg(arg), arena_), false});
  }
  const std::vector<NullableDatum>& items() const { return items_; }
  const ElementInfo& info() const { return info_; }
  size_t bytes() const { return arena_.bytes() + items_.capacity() * sizeof(NullableDatum); }

 private:
  bool opened_ = false;
  ElementInfo info_;
  Arena arena_;
  std::vector<NullableDatum> items_;
};

class ArrayAgg : public AggregateState {
 public:
  void add(FnCall& c) override { values_.add(c, 0); }
  Datum finish(FnCall& c) override {
    if (values_.items().empty()) return c.null();
    ArrayBuilder b(values_.info());
    for (const NullableDatum& v : values_.items()) b.add(v);
    return b.finish(*c.arena);
  }
  size_t bytes() const override { return sizeof *this + values_.bytes(); }

 private:
  Values values_;
};

// array_agg over arrays: one dimension more.
class ArrayArrayAgg : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (c.is_null(0)) throw Error(ErrorCode::kNullValueNotAllowed, "cannot accumulate null arrays");
    ArrayView a(c.arg(0));
    if (a.ndim() == 0) throw Error(ErrorCode::kArraySubscriptError, "cannot accumulate empty arrays");
    if (values_.items().empty()) {
      if (a.ndim() + 1 > kMaxDim)
        throw Error(ErrorCode::kProgramLimitExceeded,
                    fmt::format("number of array dimensions ({}) exceeds the maximum allowed ({})", a.ndim() + 1, kMaxDim));
      lengths_ = a.lengths();
      lowers_ = a.lowers();
    } else if (a.lengths() != lengths_) {
      throw Error(ErrorCode::kArraySubscriptError, "cannot accumulate arrays of different dimensionality");
    }
    values_.add(c, 0);
  }
  Datum finish(FnCall& c) override {
    if (values_.items().empty()) return c.null();
    ArrayBuilder b(ArrayView(values_.items()[0].value).info());
    for (const NullableDatum& v : values_.items()) {
      ArrayView a(v.value);
      for (int i = 0; i < a.count(); ++i) b.add(a.at(i));
    }
    std::vector<int> lengths{static_cast<int>(values_.items().size())}, lowers{1};
    lengths.insert(lengths.end(), lengths_.begin(), lengths_.end());
    lowers.insert(lowers.end(), lowers_.begin(), lowers_.end());
    return b.finish(*c.arena, lengths, lowers);
  }
  size_t bytes() const override { return sizeof *this + values_.bytes(); }

 private:
  Values values_;
  std::vector<int> lengths_, lowers_;
};

bool is_array_type(Oid type, FnCall& c) {
  if (const BuiltinType* t = builtin::type(type)) return t->is_true_array() || type == oid::kAnyArray;
  CatalogLookup::TypeFacts facts = c.context->catalog->type_facts(type);
  return facts.element != 0 && facts.category == 'A';
}
std::unique_ptr<AggregateState> array_agg(FnCall& c) {
  if (is_array_type(c.arg_types[0], c)) return std::make_unique<ArrayArrayAgg>();
  return std::make_unique<ArrayAgg>();
}

class StringAgg : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (c.is_null(0)) return;
    if (any_ && !c.is_null(1)) out_ += c.text_arg(1);
    any_ = true;
    out_ += c.text_arg(0);
    if (out_.size() > (size_t{1} << 30))
      throw Error(ErrorCode::kProgramLimitExceeded, "string_agg result exceeds the maximum size of a value");
  }
  Datum finish(FnCall& c) override { return any_ ? c.text(out_) : c.null(); }
  size_t bytes() const override { return sizeof *this + out_.capacity(); }

 private:
  std::string out_;
  bool any_ = false;
};

// ---- ordered-set aggregates: add() sees rows in the order of WITHIN GROUP

class OrderedSet : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (!c.is_null(0)) values_.add(c, 0);
  }
  size_t bytes() const override { return sizeof *this + values_.bytes(); }

 protected:
  size_t size() const { return values_.items().size(); }
  Datum at(size_t i) const { return values_.items()[i].value; }
  Datum copy(size_t i, FnCall& c) const { return copy_datum(values_.info().width > 0, at(i), *c.arena); }
  static double fraction(Datum d) {
    double p = d.as_double();
    if (p < 0 || p > 1 || std::isnan(p))
      throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("percentile value {} is not between 0 and 1", p));
    return p;
  }
  Values values_;
};

class PercentileDisc : public OrderedSet {
 public:
  Datum finish(FnCall& c) override {
    if (c.is_null(0) || size() == 0) return c.null();
    return copy(index(fraction(c.arg(0))), c);
  }

 protected:
  size_t index(double p) const {
    int64_t row = static_cast<int64_t>(std::ceil(p * static_cast<double>(size())));
    return static_cast<size_t>(std::max<int64_t>(row, 1) - 1);
  }
};

// Runs fn(fraction) for each element of the array of fractions; the result has its shape.
template <typename F>
Datum each_fraction(FnCall& c, ElementInfo info, F fn) {
  ArrayView p(c.arg(0));
  ArrayBuilder b(info);
  for (int i = 0; i < p.count(); ++i) {
    if (p.is_null(i)) b.add_null();
    else b.add(fn(p.get(i)));
  }
  return b.finish(*c.arena, p.lengths(), p.lowers());
}

class PercentileDiscMany : public PercentileDisc {
 public:
  Datum finish(FnCall& c) override {
    if (c.is_null(0) || size() == 0) return c.null();
    return each_fraction(c, values_.info(), [&](Datum p) { return at(index(fraction(p))); });
  }
};

class PercentileCont : public OrderedSet {
 public:
  Datum finish(FnCall& c) override {
    if (c.is_null(0) || size() == 0) return c.null();
    return Datum::from_double(value(fraction(c.arg(0))));
  }

 protected:
  double value(double p) const {
    double row = p * static_cast<double>(size() - 1);
    size_t low = static_cast<size_t>(std::floor(row)), high = static_cast<size_t>(std::ceil(row));
    double a = at(low).as_double(), b = at(high).as_double();
    return low == high ? a : a + (row - static_cast<double>(low)) * (b - a);
  }
};
class PercentileContMany : public PercentileCont {
 public:
  Datum finish(FnCall& c) override {
    if (c.is_null(0) || size() == 0) return c.null();
    return each_fraction(c, element_info(oid::kFloat8, nullptr),
                         [&](Datum p) { return Datum::from_double(value(fraction(p))); });
  }
};

// The same between intervals.
class PercentileContInterval : public OrderedSet {
 public:
  Datum finish(FnCall& c) override {
    if (c.is_null(0) || size() == 0) return c.null();
    return value(fraction(c.arg(0)), c);
  }

 protected:
  Datum value(double p, FnCall& c) {
    double row = p * static_cast<double>(size() - 1);
    size_t low = static_cast<size_t>(std::floor(row)), high = static_cast<size_t>(std::ceil(row));
    if (low == high) return copy(low, c);
    Datum difference = call_native("interval_mi", {at(high), at(low)}, c);
    Datum part = call_native("interval_mul", {difference, Datum::from_double(row - static_cast<double>(low))}, c);
    return call_native("interval_pl", {at(low), part}, c);
  }
};
class PercentileContIntervalMany : public PercentileContInterval {
 public:
  Datum finish(FnCall& c) override {
    if (c.is_null(0) || size() == 0) return c.null();
    return each_fraction(c, element_info(oid::kInterval, nullptr), [&](Datum p) { return value(fraction(p), c); });
  }
};

class Mode : public OrderedSet {
 public:
  Datum finish(FnCall& c) override {
    if (size() == 0) return c.null();
    const TypeOps& ops = type_ops(values_.info().ops_type);
    size_t best = 0, best_run = 0, start = 0;
    for (size_t i = 1; i <= size(); ++i) {
      if (i < size() && ops.equal(at(start), at(i), c.collation)) continue;
      if (i - start > best_run) {
        best_run = i - start;
        best = start;
      }
      start = i;
    }
    return copy(best, c);
  }
};

// rank(args) WITHIN GROUP (ORDER BY ...): where the direct arguments would stand among the rows.
// The direction of each column is read off the sorted rows.
enum class Hypothetical { kRank, kDenseRank, kPercentRank, kCumeDist };
template <Hypothetical kShape>
class HypotheticalRank : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (columns_.empty()) columns_.resize(static_cast<size_t>(c.nargs));
    for (size_t i = 0; i < columns_.size(); ++i) columns_[i].add(c, static_cast<int>(i));
    ++rows_;
  }
  Datum finish(FnCall& c) override {
    size_t before = 0, distinct_before = 0, equal = 0;
    std::vector<bool> descending(columns_.size());
    for (size_t k = 0; k < columns_.size(); ++k) descending[k] = is_descending(k, c.collation);
    for (size_t row = 0; row < rows_; ++row) {
      int cmp = 0;
      for (size_t k = 0; k < columns_.size() && cmp == 0; ++k)
        cmp = compare(k, columns_[k].items()[row], {c.arg(static_cast<int>(k)), c.is_null(static_cast<int>(k))},
                      descending[k], c.collation);
      if (cmp > 0) break;
      if (cmp == 0) {
        ++equal;
        continue;
      }
      ++before;
      bool is_new = row == 0;
      for (size_t k = 0; k < columns_.size() && !is_new; ++k)
        is_new = compare(k, columns_[k].items()[row - 1], columns_[k].items()[row], descending[k], c.collation) != 0;
      distinct_before += is_new;
    }
    double n = static_cast<double>(rows_);
    switch (kShape) {
      case Hypothetical::kRank: return Datum::from_int(static_cast<int64_t>(before) + 1);
      case Hypothetical::kDenseRank: return Datum::from_int(static_cast<int64_t>(distinct_before) + 1);
      case Hypothetical::kPercentRank: return Datum::from_double(rows_ == 0 ? 0 : static_cast<double>(before) / n);
      case Hypothetical::kCumeDist: return Datum::from_double((static_cast<double>(before + equal) + 1) / (n + 1));
    }
    return {};
  }
  size_t bytes() const override {
    size_t n = sizeof *this;
    for (const Values& v : columns_) n += v.bytes();
    return n;
  }

 private:
  int compare(size_t k, NullableDatum a, NullableDatum b, bool descending, Oid collation) const {
    if (a.is_null || b.is_null) return a.is_null == b.is_null ? 0 : a.is_null ? 1 : -1;
    int c = type_ops(columns_[k].info().ops_type).compare(a.value, b.value, collation);
    return descending ? -c : c;
  }
  bool is_descending(size_t k, Oid collation) const {
    const std::vector<NullableDatum>& items = columns_[k].items();
    for (size_t i = 1; i < items.size(); ++i) {
      if (items[i - 1].is_null || items[i].is_null) continue;
      bool same_prefix = true;
      for (size_t p = 0; p < k && same_prefix; ++p)
        same_prefix = compare(p, columns_[p].items()[i - 1], columns_[p].items()[i], false, collation) == 0;
      if (!same_prefix) continue;
      int c = type_ops(columns_[k].info().ops_type).compare(items[i - 1].value, items[i].value, collation);
      if (c != 0) return c > 0;
    }
    return false;
  }
  std::deque<Values> columns_;
  size_t rows_ = 0;
};

template <typename T>
std::unique_ptr<AggregateState> make(FnCall&) { return std::make_unique<T>(); }

}  // namespace

void register_collecting_aggregate_functions(FunctionRegistry& r) {
  r.add_aggregate("min/any", extreme<false>);
  r.add_aggregate("max/any", extreme<true>);
  r.add_aggregate("array_agg/any", array_agg);
  r.add_aggregate("string_agg/text,text", make<StringAgg>);
  r.add_aggregate("string_agg/bytea,bytea", make<StringAgg>);
  // Keys name the types of all arguments in pg_proc's order: direct ones first.
  for (const char* n : {"percentile_disc/float8,any", "percentile_disc/float8,anyelement"}) r.add_aggregate(n, make<PercentileDisc>);
  for (const char* n : {"percentile_disc/_float8,any", "percentile_disc/_float8,anyelement"}) r.add_aggregate(n, make<PercentileDiscMany>);
  r.add_aggregate("percentile_cont/float8,float8", make<PercentileCont>);
  r.add_aggregate("percentile_cont/_float8,float8", make<PercentileContMany>);
  r.add_aggregate("percentile_cont/float8,interval", make<PercentileContInterval>);
  r.add_aggregate("percentile_cont/_float8,interval", make<PercentileContIntervalMany>);
  for (const char* n : {"mode/any", "mode/anyelement"}) r.add_aggregate(n, make<Mode>);
  r.add_aggregate("rank/any", make<HypotheticalRank<Hypothetical::kRank>>);
  r.add_aggregate("dense_rank/any", make<HypotheticalRank<Hypothetical::kDenseRank>>);
  r.add_aggregate("percent_rank/any", make<HypotheticalRank<Hypothetical::kPercentRank>>);
  r.add_aggregate("cume_dist/any", make<HypotheticalRank<Hypothetical::kCumeDist>>);
}

}  // namespace stele

// pg_partition_tree and its kin, and what pg_get_partkeydef and pg_get_partition_constraintdef print.
#include "query/dml/partitions.h"
#include "sql/functions/host.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele::sql {

namespace {
using catalog::Relation;

bool in_partition_tree(const Relation& r) { return r.partitioning || r.bound || r.relkind == 'I' || (r.index && !r.parents.empty()); }

// A partition and what is above it, up to the root; nothing for other relations.
std::vector<Oid> ancestors_of(const catalog::State& state, Oid relation) {
  std::vector<Oid> out;
  auto r = state.relation(relation);
  if (!r || !in_partition_tree(*r)) return out;
  while (r) {
    out.push_back(r->oid);
    r = r->parents.empty() ? nullptr : state.relation(r->parents[0]);
  }
  return out;
}

class Ancestors final : public SetRows {
 public:
  explicit Ancestors(FnCall& c) : oids_(ancestors_of(*host_of(c).view().state(), c.arg(0).as_oid())) {}
  bool next(FnCall&, Datum* out, bool* nulls) override {
    if (at_ == oids_.size()) return false;
    out[0] = Datum::from_oid(oids_[at_++]);
    nulls[0] = false;
    return true;
  }
 private:
  std::vector<Oid> oids_;
  size_t at_ = 0;
};
std::unique_ptr<SetRows> partition_ancestors(FnCall& c) { return std::make_unique<Ancestors>(c); }

class Tree final : public SetRows {
 public:
  explicit Tree(FnCall& c) {
    auto state = host_of(c).view().state();
    auto root = state->relation(c.arg(0).as_oid());
    if (!root || !in_partition_tree(*root)) return;
    auto add = [&](const Relation& r, Oid parent, int level) { rows_.push_back({r.oid, parent, !r.partitioning && r.relkind != 'I', level}); };
    add(*root, root->parents.empty() ? 0 : root->parents[0], 0);
    for (size_t i = 0; i < rows_.size(); ++i) {
      const Row row = rows_[i];
      for (Oid child : query::direct_children(*state, row.oid)) add(*state->relation(child), row.oid, row.level + 1);
    }
  }
  bool next(FnCall&, Datum* out, bool* nulls) override {
    if (at_ == rows_.size()) return false;
    const Row& r = rows_[at_++];
    out[0] = Datum::from_oid(r.oid);
    out[1] = Datum::from_oid(r.parent);
    out[2] = Datum::from_bool(r.leaf);
    out[3] = Datum::from_int(r.level);
    nulls[0] = nulls[2] = nulls[3] = false;
    nulls[1] = r.parent == 0;
    return true;
  }
 private:
  struct Row { Oid oid, parent; bool leaf; int level; };
  std::vector<Row> rows_;
  size_t at_ = 0;
};
std::unique_ptr<SetRows> partition_tree(FnCall& c) { return std::make_unique<Tree>(c); }

Datum partition_root(FnCall& c) {
  const auto above = ancestors_of(*host_of(c).view().state(), c.arg(0).as_oid());
  return above.empty() ? c.null() : Datum::from_oid(above.back());
}

Datum get_partkeydef(FnCall& c) {
  CatalogView& view = host_of(c).view();
  auto r = view.state()->relation(c.arg(0).as_oid());
  if (!r || !r->partitioning) return c.null();
  auto& p = *r->partitioning;
  const Oid am = p.strategy == 'h' ? 405 : 403;
  std::string keys;
  size_t expression = 0;
  for (size_t i = 0; i < p.columns.size(); ++i) {
    Relation one = *r;
    one.partitioning->columns = {p.columns[i]};
    one.partitioning->expressions.clear();
    if (p.columns[i] == 0) one.partitioning->expressions.push_back(p.expressions[expression++]);
    keys += (keys.empty() ? "" : ", ") + query::partition_key_text(one);
    const auto* column = p.columns[i] != 0 ? r->column(p.columns[i]) : nullptr;
    if (column != nullptr && p.collations[i] != 0 && p.collations[i] != column->collation) keys += " COLLATE " + quote_identifier(view.collation_name(p.collations[i]));
    const OpclassRow* oc = view.opclass(p.opclasses[i]);
    if (column != nullptr && oc != nullptr && view.default_opclass(column->type, am) != oc->oid) keys += " " + quote_identifier(oc->name);
  }
  return c.text(fmt::format("{} ({})", p.strategy == 'l' ? "LIST" : p.strategy == 'h' ? "HASH" : "RANGE", keys));
}

// The condition that a partition's bounds stand for.
class ConstraintText {
 public:
  ConstraintText(FnCall& c, const catalog::Ptr<Relation>& parent) : c_(c), view_(host_of(c).view()), parent_(parent), map_(parent, host_of(c).exec()) {
    size_t expression = 0;
    for (int16_t n : parent->partitioning->columns) {
      Relation one = *parent;
      one.partitioning->columns = {n};
      one.partitioning->expressions.clear();
      if (n == 0) one.partitioning->expressions.push_back(parent->partitioning->expressions[expression++]);
      names_.push_back(query::partition_key_text(one));
    }
  }
  // Terms to be joined by AND.
  std::vector<std::string> terms(const query::PartitionMap::Partition& p) {
    if (p.bound().is_default) {
      std::vector<std::string> arms;
      for (auto& other : map_.partitions()) {
        if (other.bound().is_default) continue;
        arms.push_back(join(parent_->partitioning->strategy == 'r' ? bounds_only(other) : terms(other), " AND "));
      }
      if (arms.empty()) return {};
      if (parent_->partitioning->strategy == 'l') return list_default();
      // A key that is NULL is the default's too.
      std::string any = join(arms, " OR ");
      std::string not_null;
      std::vector<std::string> tests;
      for (auto& n : names_) tests.push_back("(" + n + " IS NOT NULL)");
      tests.push_back(any);
      return {"(NOT " + join(tests, " AND ") + ")"};
    }
    switch (map_.strategy()) {
      case 'h': {
        std::string keys;
        for (auto& n : names_) keys += ", " + n;
        return {fmt::format("satisfies_hash_partition('{}'::oid, {}, {}{})", parent_->oid, p.bound().modulus, p.bound().remainder, keys)};
      }
      case 'l': return list(p.values);
      default: {
        std::vector<std::string> out;
        for (auto& n : names_) out.push_back("(" + n + " IS NOT NULL)");
        for (auto& t : bounds_only(p)) out.push_back(t);
        return out;
      }
    }
  }
  static std::string join(const std::vector<std::string>& list, const char* word) {
    if (list.size() == 1) return list[0];
    std::string out;
    for (auto& t : list) out += (out.empty() ? "" : word) + t;
    return "(" + out + ")";
  }

 private:
  std::string value(size_t key, const query::PartitionMap::Value& v) {
    const auto& k = map_.keys()[key];
    std::string text;
    type_output(k.type.base, v.value, text, *host_of(c_).exec().eval);
    if (k.type.base == oid::kInt4 && text[0] != '-') return text;
    if (k.type.base == oid::kBool) return text == "t" ? "true" : "false";
    if (k.type.base == oid::kNumeric && std::isdigit(static_cast<unsigned char>(text[0])) && text.find_first_of("eE.") != std::string::npos) return text;
    return quote_literal(text) + "::" + view_.format_type(k.type.type, k.column != 0 ? parent_->column(k.column)->typmod : -1);
  }
  std::string name(size_t key) { return map_.keys()[key].type.base == oid::kVarchar ? "(" + names_[key] + ")::text" : names_[key]; }
  std::string equality(const std::vector<std::string>& values) {
    if (values.size() == 1) return "(" + name(0) + " = " + values[0] + ")";
    std::string all;
    for (auto& v : values) all += (all.empty() ? "" : ", ") + v;
    return "(" + name(0) + " = ANY (ARRAY[" + all + "]))";
  }
  std::vector<std::string> list(const std::vector<query::PartitionMap::Value>& values) {
    std::vector<std::string> texts;
    bool null = false;
    for (auto& v : values)
      if (v.kind == 'n') null = true;
      else texts.push_back(value(0, v));
    if (texts.empty()) return {"(" + names_[0] + " IS NULL)"};
    if (null) return {"((" + names_[0] + " IS NULL) OR " + equality(texts) + ")"};
    return {"(" + names_[0] + " IS NOT NULL)", equality(texts)};
  }
  std::vector<std::string> list_default() {
    std::vector<query::PartitionMap::Value> all;
    for (auto& p : map_.partitions()) all.insert(all.end(), p.values.begin(), p.values.end());
    return {"(NOT " + join(list(all), " AND ") + ")"};
  }
  std::vector<std::string> bounds_only(const query::PartitionMap::Partition& p) {
    std::vector<std::string> out;
    const size_t keys = names_.size();
    size_t start = 0;
    auto finite = [](const query::PartitionMap::Value& v) { return v.kind == 'v'; };
    // Keys that both bounds have the same value of.
    while (start < keys && finite(p.lower[start]) && finite(p.upper[start]) && map_.compare(start, p.lower[start].value, p.upper[start].value) == 0) {
      out.push_back("(" + name(start) + " = " + value(start, p.lower[start]) + ")");
      ++start;
    }
    auto side = [&](const std::vector<query::PartitionMap::Value>& bound, bool lower) {
      std::vector<std::string> arms;
      for (size_t last = start; last < keys && finite(bound[last]); ++last) {
        std::vector<std::string> arm;
        for (size_t k = start; k < last; ++k) arm.push_back("(" + name(k) + " = " + value(k, bound[k]) + ")");
        const bool end = last + 1 == keys;
        const char* op = lower ? (end || bound[last + 1].kind == '<' ? ">=" : ">") : (!end && bound[last + 1].kind == '>' ? "<=" : "<");
        arm.push_back("(" + name(last) + " " + op + " " + value(last, bound[last]) + ")");
        arms.push_back(join(arm, " AND "));
      }
      if (!arms.empty()) out.push_back(join(arms, " OR "));
    };
    side(p.lower, true);
    side(p.upper, false);
    return out;
  }

  FnCall& c_;
  CatalogView& view_;
  catalog::Ptr<Relation> parent_;
  query::PartitionMap map_;
  std::vector<std::string> names_;

 public:
  const query::PartitionMap& map() const { return map_; }
};

Datum get_partition_constraintdef(FnCall& c) {
  auto state = host_of(c).view().state();
  auto r = state->relation(c.arg(0).as_oid());
  if (!r || !r->bound) return c.null();
  // From the root down.
  std::vector<catalog::Ptr<Relation>> chain{r};
  for (auto& a : query::partition_ancestors(*state, *r)) chain.insert(chain.begin(), a);
  std::vector<std::string> all;
  for (size_t i = 0; i + 1 < chain.size(); ++i) {
    ConstraintText text(c, chain[i]);
    for (auto& p : text.map().partitions())
      if (p.table->oid == chain[i + 1]->oid)
        for (auto& t : text.terms(p)) all.push_back(t);
  }
  if (all.empty()) return c.null();
  return c.text(ConstraintText::join(all, " AND "));
}

Datum satisfies_hash(FnCall& c) {
  UtilityHost& host = host_of(c);
  if (c.is_null(0) || c.is_null(1) || c.is_null(2)) return Datum::from_bool(false);
  auto r = host.view().state()->relation(c.arg(0).as_oid());
  if (!r) throw Error(ErrorCode::kUndefinedTable, fmt::format("could not open relation with OID {}", c.arg(0).as_oid()));
  if (!r->partitioning || r->partitioning->strategy != 'h') throw Error(ErrorCode::kInvalidParameterValue, fmt::format("\"{}\" is not a hash partitioned table", r->name));
  const int64_t modulus = c.int_arg(1), remainder = c.int_arg(2);
  if (modulus <= 0) throw Error(ErrorCode::kInvalidParameterValue, "modulus for hash partition must be an integer value greater than zero");
  if (remainder < 0) throw Error(ErrorCode::kInvalidParameterValue, "remainder for hash partition must be an integer value greater than or equal to zero");
  if (remainder >= modulus) throw Error(ErrorCode::kInvalidParameterValue, "remainder for hash partition must be less than modulus");
  query::PartitionMap map(r, host.exec());
  const size_t given = static_cast<size_t>(c.nargs - 3);
  if (c.variadic_array || given != map.keys().size())
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("number of partitioning columns ({}) does not match number of partition keys provided ({})", map.keys().size(), given));
  std::vector<NullableDatum> key;
  for (size_t i = 0; i < given; ++i) {
    if (c.arg_types[i + 3] != map.keys()[i].type.type && !host.view().binary_coercible(c.arg_types[i + 3], map.keys()[i].type.type))
      throw Error(ErrorCode::kInvalidParameterValue, fmt::format("column {} of the partition key has type {}, but supplied value is of type {}", i + 1,
                                                                 host.view().format_type(map.keys()[i].type.type), host.view().format_type(c.arg_types[i + 3])));
    key.push_back({c.arg(static_cast<int>(i + 3)), c.is_null(static_cast<int>(i + 3))});
  }
  return Datum::from_bool(map.hash(key) % static_cast<uint64_t>(modulus) == static_cast<uint64_t>(remainder));
}
}  // namespace

void register_partition_functions(FunctionRegistry& r) {
  r.add("pg_get_partkeydef", get_partkeydef);
  r.add("pg_get_partition_constraintdef", get_partition_constraintdef);
  r.add("pg_partition_root", partition_root);
  r.add("satisfies_hash_partition", satisfies_hash);
  r.add_set("pg_partition_ancestors", partition_ancestors);
  r.add_set("pg_partition_tree", partition_tree);
}

}  // namespace stele::sql

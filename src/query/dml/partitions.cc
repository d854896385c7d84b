#include "query/dml/partitions.h"

#include "base/error.h"
#include "query/dml/foreign_keys.h"
#include "rows/codec.h"
#include "rows/table_access.h"
#include "query/exec/table_cache.h"
#include "types/pg_hash.h"
#include "types/text.h"
#include "types/type_io.h"

namespace stele::query {

namespace {
// What PostgreSQL hashes partition keys with, so that a key has the same partition in both.
constexpr uint64_t kHashSeed = 0x7A5B22367996DCFDull;
uint64_t combine(uint64_t a, uint64_t b) { return a ^ (b + 0x49a0f4dd15e5a8e3ull + (a << 54) + (a >> 7)); }

// "f(...)" stands without parentheses of its own.
bool is_call(const std::string& s) {
  const size_t open = s.find('(');
  if (open == 0 || open == std::string::npos || s.back() != ')') return false;
  for (size_t i = 0; i < open; ++i)
    if (!std::isalnum(static_cast<unsigned char>(s[i])) && s[i] != '_' && s[i] != '.' && s[i] != '"') return false;
  int depth = 0;
  for (size_t i = open; i + 1 < s.size(); ++i) {
    depth += s[i] == '(' ? 1 : s[i] == ')' ? -1 : 0;
    if (depth == 0) return false;
  }
  return true;
}
}  // namespace

std::string partition_key_text(const catalog::Relation& table) {
  std::string out;
  size_t expression = 0;
  for (int16_t c : table.partitioning->columns) {
    if (!out.empty()) out += ", ";
    if (c != 0) {
      out += quote_identifier(table.column(c)->name);
      continue;
    }
    const std::string& sql = table.partitioning->expressions[expression++];
    out += is_call(sql) ? sql : "(" + sql + ")";
  }
  return out;
}

PartitionMap::PartitionMap(std::shared_ptr<const catalog::Relation> table, ExecContext& ctx) : table_(std::move(table)), ctx_(ctx) {
  auto& info = *table_->partitioning;
  size_t expression = 0;
  for (size_t i = 0; i < info.columns.size(); ++i) {
    Key k;
    k.column = info.columns[i];
    if (k.column == 0) k.expr = ctx.bind_expression(*table_, info.expressions[expression++], 0);
    k.type = type_info(k.column != 0 ? table_->column(k.column)->type : k.expr->type, ctx);
    k.collation = i < info.collations.size() ? info.collations[i] : 0;
    keys_.push_back(std::move(k));
  }
  auto state = ctx.catalog->state();
  for (Oid child : direct_children(*state, table_->oid)) {
    auto r = state->relation(child);
    if (!r || !r->bound) continue;
    Partition p;
    p.table = r;
    p.lower = decode(r->bound->lower, false);
    p.upper = decode(r->bound->upper, false);
    p.values = decode(r->bound->values, true);
    partitions_.push_back(std::move(p));
  }
  auto first_value = [&](const Partition& p) -> const Value* {
    const Value* best = nullptr;
    for (auto& v : p.values)
      if (v.kind == 'v' && (best == nullptr || compare(0, v.value, best->value) < 0)) best = &v;
    return best;
  };
  std::stable_sort(partitions_.begin(), partitions_.end(), [&](const Partition& a, const Partition& b) {
    if (a.bound().is_default != b.bound().is_default) return b.bound().is_default;
    if (a.bound().is_default) return false;
    switch (strategy()) {
      case 'h': return std::pair(a.bound().modulus, a.bound().remainder) < std::pair(b.bound().modulus, b.bound().remainder);
      case 'l': {
        const Value *x = first_value(a), *y = first_value(b);
        if (x == nullptr || y == nullptr) return x != nullptr && y == nullptr;
        return compare(0, x->value, y->value) < 0;
      }
      default: return compare_bounds(a.lower, b.lower) < 0;
    }
  });
  for (size_t i = 0; i < partitions_.size(); ++i) {
    if (partitions_[i].bound().is_default) default_ = static_cast<int>(i);
    for (auto& v : partitions_[i].values)
      if (v.kind == 'n') null_ = static_cast<int>(i);
      else list_.push_back({v.value, static_cast<int>(i)});
  }
  std::sort(list_.begin(), list_.end(), [&](const ListEntry& a, const ListEntry& b) { return compare(0, a.value, b.value) < 0; });
}

std::vector<PartitionMap::Value> PartitionMap::decode(const std::vector<catalog::PartitionDatum>& list, bool one_key) {
  std::vector<Value> out;
  auto state = ctx_.catalog->state();
  for (size_t i = 0; i < list.size(); ++i) {
    const Key& k = keys_[one_key ? 0 : i];
    Value v{list[i].kind, {}};
    if (v.kind == 'v') v.value = rows::decode_value(rows::resolve_type(k.type.type, *state), list[i].value, arena_);
    out.push_back(v);
  }
  return out;
}

std::vector<NullableDatum> PartitionMap::key_of(std::span<const NullableDatum> row, Arena& arena) const {
  std::vector<NullableDatum> key;
  for (auto& k : keys_) key.push_back(k.column != 0 ? row[static_cast<size_t>(k.column - 1)] : evaluate_row(k.expr, row, ctx_, arena));
  return key;
}

int PartitionMap::compare_bound(const std::vector<Value>& bound, std::span<const NullableDatum> key) const {
  for (size_t i = 0; i < key.size() && i < bound.size(); ++i) {
    if (bound[i].kind == '<') return -1;
    if (bound[i].kind == '>') return 1;
    if (int c = compare(i, bound[i].value, key[i].value); c != 0) return c;
  }
  return 0;
}

int PartitionMap::compare_bounds(const std::vector<Value>& a, const std::vector<Value>& b) const {
  auto rank = [](char kind) { return kind == '<' ? -1 : kind == '>' ? 1 : 0; };
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const int x = rank(a[i].kind), y = rank(b[i].kind);
    if (x != y) return x < y ? -1 : 1;
    if (x != 0) return 0;   // what follows an infinite value does not matter
    if (int c = compare(i, a[i].value, b[i].value); c != 0) return c;
  }
  return 0;
}

uint64_t PartitionMap::hash(std::span<const NullableDatum> key) const {
  uint64_t out = 0;
  for (size_t i = 0; i < key.size(); ++i)
    if (!key[i].is_null) out = combine(out, pg_hash_value_extended(keys_[i].type.base, key[i].value, keys_[i].collation, kHashSeed, *ctx_.eval));
  return out;
}

int PartitionMap::find(std::span<const NullableDatum> key) const {
  switch (strategy()) {
    case 'h': {
      const uint64_t h = hash(key);
      for (size_t i = 0; i < partitions_.size(); ++i)
        if (h % static_cast<uint64_t>(partitions_[i].bound().modulus) == static_cast<uint64_t>(partitions_[i].bound().remainder)) return static_cast<int>(i);
      return -1;
    }
    case 'l': {
      if (key[0].is_null) return null_ >= 0 ? null_ : default_;
      auto it = std::lower_bound(list_.begin(), list_.end(), key[0].value, [&](const ListEntry& e, Datum v) { return compare(0, e.value, v) < 0; });
      return it != list_.end() && compare(0, it->value, key[0].value) == 0 ? it->partition : default_;
    }
    default: {
      for (auto& k : key)
        if (k.is_null) return default_;
      const size_t n = partitions_.size() - (default_ >= 0 ? 1 : 0);
      size_t lo = 0, hi = n;   // the last partition whose lower bound is not above the key
      while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (compare_bound(partitions_[mid].lower, key) <= 0) lo = mid + 1;
        else hi = mid;
      }
      if (lo == 0) return default_;
      return compare_bound(partitions_[lo - 1].upper, key) > 0 ? static_cast<int>(lo - 1) : default_;
    }
  }
}

std::string PartitionMap::describe(std::span<const NullableDatum> key) const {
  std::string out = "(" + partition_key_text(*table_) + ") = (";
  for (size_t i = 0; i < key.size(); ++i) {
    if (i > 0) out += ", ";
    if (key[i].is_null) {
      out += "null";
      continue;
    }
    std::string text;
    type_output(keys_[i].type.type, key[i].value, text, *ctx_.eval);
    if (text.size() > 64) {
      size_t cut = 64;
      while (cut > 0 && (static_cast<uint8_t>(text[cut]) & 0xc0) == 0x80) --cut;
      text = text.substr(0, cut) + "...";
    }
    out += text;
  }
  return out + ")";
}

PartitionMap& PartitionRouter::map(Oid table) {
  auto& m = maps_[table];
  if (!m) m = std::make_unique<PartitionMap>(table == root_->oid ? root_ : ctx_.catalog->state()->relation(table), ctx_);
  return *m;
}

Oid PartitionRouter::route(std::span<const NullableDatum> row, Arena& arena) { return search(row, arena, true); }

Oid PartitionRouter::search(std::span<const NullableDatum> row, Arena& arena, bool required) {
  std::vector<NullableDatum> own(row.begin(), row.end());
  for (Oid at = root_->oid;;) {
    PartitionMap& m = map(at);
    const auto key = m.key_of(own, arena);
    const int i = m.find(key);
    if (i < 0 && !required) return 0;
    if (i < 0)
      throw Error(ErrorCode::kCheckViolation, fmt::format("no partition of relation \"{}\" found for row", m.table().name))
          .detail("Partition key of the failing row contains " + m.describe(key) + ".").names(schema_name(m.table(), ctx_), m.table().name);
    const auto& child = *m.partitions()[static_cast<size_t>(i)].table;
    if (!child.partitioning) return child.oid;
    std::vector<NullableDatum> next(child.columns.size());
    const auto positions = attribute_map(m.table(), child);
    for (size_t c = 0; c < positions.size(); ++c)
      if (positions[c] > 0) next[static_cast<size_t>(positions[c] - 1)] = own[c];
    own = std::move(next);
    at = child.oid;
  }
}

bool in_partition(const catalog::Relation& table, std::span<const NullableDatum> row, ExecContext& ctx, Arena& arena, PartitionRouter* cache) {
  auto state = ctx.catalog->state();
  std::vector<NullableDatum> own(row.begin(), row.end());
  const catalog::Relation* child = &table;
  for (auto& parent : partition_ancestors(*state, table)) {
    std::vector<NullableDatum> above(parent->columns.size());
    const auto positions = attribute_map(*parent, *child);
    for (size_t c = 0; c < positions.size(); ++c)
      if (positions[c] > 0) above[c] = own[static_cast<size_t>(positions[c] - 1)];
    PartitionMap& m = cache->map(parent->oid);
    const int i = m.find(m.key_of(above, arena));
    if (i < 0 || m.partitions()[static_cast<size_t>(i)].table->oid != child->oid) return false;
    own = std::move(above);
    child = parent.get();
  }
  return true;
}

namespace {
// Whether a key satisfies a bound that is not the default's.
bool satisfies(const PartitionMap& m, const catalog::PartitionBound& bound, const std::vector<PartitionMap::Value>& lower, const std::vector<PartitionMap::Value>& upper,
               const std::vector<PartitionMap::Value>& values, std::span<const NullableDatum> key) {
  switch (bound.strategy) {
    case 'h': return m.hash(key) % static_cast<uint64_t>(bound.modulus) == static_cast<uint64_t>(bound.remainder);
    case 'l':
      for (auto& v : values)
        if (v.kind == 'n' ? key[0].is_null : !key[0].is_null && m.compare(0, v.value, key[0].value) == 0) return true;
      return false;
    default:
      for (auto& k : key)
        if (k.is_null) return false;
      return m.compare_bound(lower, key) <= 0 && m.compare_bound(upper, key) > 0;
  }
}
}  // namespace

void validate_partition(const catalog::Relation& table, const catalog::Relation& parent, const catalog::PartitionBound& bound, bool excluded, ExecContext& ctx) {
  auto state = ctx.catalog->state();
  std::vector<Oid> leaves;
  if (table.relkind == 'p') leaves = inheritance_children(*state, table.oid);
  else leaves = {table.oid};
  PartitionMap m(std::make_shared<const catalog::Relation>(parent), ctx);
  Arena bounds;
  auto decode = [&](const std::vector<catalog::PartitionDatum>& list, bool one_key) {
    std::vector<PartitionMap::Value> out;
    for (size_t i = 0; i < list.size(); ++i) {
      PartitionMap::Value v{list[i].kind, {}};
      if (v.kind == 'v') v.value = rows::decode_value(rows::resolve_type(m.keys()[one_key ? 0 : i].type.type, *state), list[i].value, bounds);
      out.push_back(v);
    }
    return out;
  };
  const auto lower = decode(bound.lower, false), upper = decode(bound.upper, false), values = decode(bound.values, true);
  for (Oid leaf : leaves) {
    auto r = state->relation(leaf);
    if (!r || r->relkind != 'r') continue;
    rows::TableAccess access(rows::Table::make(r, *state), *ctx.txn, nullptr, ctx.eval);
    const auto positions = attribute_map(parent, *r);
    std::vector<NullableDatum> row(r->columns.size()), above(parent.columns.size());
    Arena arena;
    uint64_t n = 0;
    for (auto c = access.scan({nullptr, UINT32_MAX}); c.valid(); c.next()) {
      if (++n % 1024 == 0 && ctx.eval->check_interrupts) ctx.eval->check_interrupts();
      arena.reset();
      access.table().format().decode_all(c.bytes(), row.data(), arena);
      for (size_t i = 0; i < positions.size(); ++i) above[i] = positions[i] > 0 ? row[static_cast<size_t>(positions[i] - 1)] : NullableDatum{};
      const auto key = m.key_of(above, arena);
      bool ok;
      if (bound.is_default) {
        // Rows of every other partition are not the default's.
        const int i = m.find(key);
        ok = i < 0 || m.partitions()[static_cast<size_t>(i)].bound().is_default;
      } else {
        ok = satisfies(m, bound, lower, upper, values, key);
      }
      if (ok != excluded) continue;
      if (excluded)
        throw Error(ErrorCode::kCheckViolation, fmt::format("updated partition constraint for default partition \"{}\" would be violated by some row", r->name))
            .names(schema_name(*r, ctx), r->name);
      throw Error(ErrorCode::kCheckViolation, fmt::format("partition constraint of relation \"{}\" is violated by some row", r->name)).names(schema_name(*r, ctx), r->name);
    }
  }
}

}  // namespace stele::query

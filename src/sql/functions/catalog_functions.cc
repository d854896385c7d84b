// Facts about access methods, indexes, collations, key words and transactions' ages.
#include "sql/binder/catalog_view.h"
#include "sql/functions/host.h"
#include "types/builtin.h"

namespace stele::sql {
namespace {

// What PostgreSQL's access methods can do. Of our own, only what is common to all.
struct Method {
  std::string_view name;
  bool order, unique, columns, exclude, include, cluster, index_scan, backward, order_by, arrays, nulls, returns;
};
constexpr Method kMethods[] = {
    {"btree", true, true, true, true, true, true, true, true, false, true, true, true},
    {"hash", false, false, false, true, false, false, true, true, false, false, false, false},
    {"gist", false, false, true, true, true, true, true, false, true, false, true, false},
    {"spgist", false, false, false, true, true, false, true, false, true, false, true, true},
    {"gin", false, false, true, false, false, false, false, false, false, false, false, false},
    {"brin", false, false, true, false, false, false, false, false, false, false, true, false},
};
const Method* method_named(std::string_view name) {
  for (const Method& m : kMethods)
    if (m.name == name) return &m;
  return nullptr;
}
Datum boolean(bool v) { return Datum::from_bool(v); }

Datum indexam_has_property(FnCall& c) {
  const Method* m = nullptr;
  for (const auto& row : builtin::rows("pg_am"))
    if (static_cast<Oid>(std::stoul(row[0])) == c.arg(0).as_oid()) m = method_named(row[1]);
  if (m == nullptr) return c.null();
  const std::string p = lower_ascii(c.text_arg(1));
  if (p == "can_order") return boolean(m->order);
  if (p == "can_unique") return boolean(m->unique);
  if (p == "can_multi_col") return boolean(m->columns);
  if (p == "can_exclude") return boolean(m->exclude);
  if (p == "can_include") return boolean(m->include);
  return c.null();
}

const catalog::IndexInfo* index_of(FnCall& c, catalog::Ptr<catalog::Relation>& held) {
  held = host_of(c).view().relation(c.arg(0).as_oid());
  return held != nullptr && held->index ? &*held->index : nullptr;
}

Datum index_has_property(FnCall& c) {
  catalog::Ptr<catalog::Relation> held;
  const auto* index = index_of(c, held);
  const Method* m = index == nullptr ? nullptr : method_named(index->method);
  if (m == nullptr) return c.null();
  const std::string p = lower_ascii(c.text_arg(1));
  if (p == "clusterable") return boolean(m->cluster);
  if (p == "index_scan") return boolean(m->index_scan);
  if (p == "bitmap_scan") return boolean(true);
  if (p == "backward_scan") return boolean(m->backward);
  return c.null();
}

Datum index_column_has_property(FnCall& c) {
  catalog::Ptr<catalog::Relation> held;
  const auto* index = index_of(c, held);
  const Method* m = index == nullptr ? nullptr : method_named(index->method);
  const int64_t n = c.int_arg(1);
  if (m == nullptr || n < 1 || n > static_cast<int64_t>(index->keys.size() + index->included.size())) return c.null();
  const bool key = n <= static_cast<int64_t>(index->keys.size());
  const std::string p = lower_ascii(c.text_arg(2));
  if (p == "asc" || p == "desc" || p == "nulls_first" || p == "nulls_last") {
    if (!key) return c.null();
    if (!m->order) return boolean(false);
    const auto& k = index->keys[static_cast<size_t>(n - 1)];
    return boolean(p == "asc" ? !k.descending : p == "desc" ? k.descending : p == "nulls_first" ? k.nulls_first : !k.nulls_first);
  }
  if (p == "orderable") return boolean(key && m->order);
  if (p == "distance_orderable") {
    if (!key || !m->order_by) return boolean(false);
    // Operator classes with a distance: geometry.
    const Oid type = index->keys[static_cast<size_t>(n - 1)].type;
    return boolean(type == 600 || type == 603 || type == 604 || type == 718);
  }
  if (p == "returnable") {
    if (m->name == "gist") {
      const Oid type = key ? index->keys[static_cast<size_t>(n - 1)].type : 0;
      return boolean(!key || type == 600 || type == 603 || type == 869 || type == 650);
    }
    return boolean(m->returns);
  }
  if (p == "search_array") return key ? boolean(m->arrays) : c.null();
  if (p == "search_nulls") return key ? boolean(m->nulls) : c.null();
  return c.null();
}

Datum collation_for(FnCall& c) {
  const Oid type = c.arg_types[0];
  CatalogView& view = host_of(c).view();
  if (view.type(type).collation == 0 && type != 705) throw Error(ErrorCode::kDatatypeMismatch, "collations are not supported by type " + view.format_type(type));
  if (c.collation == 0) return c.null();
  std::string name = quote_identifier(view.collation_name(c.collation));
  if (view.collation(view.collation_name(c.collation)) != c.collation) name = quote_identifier(view.schema_name(view.collation_schema(c.collation))) + "." + name;
  return c.text(name);
}

class Keywords : public SetRows {
 public:
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    const auto& rows = builtin::rows("pg_keywords");
    if (at_ >= rows.size()) return false;
    const auto& row = rows[at_++];
    const char category = row[1][0];
    const bool bare = row[2] == "t";
    out[0] = c.text(row[0]);
    out[1] = Datum::from_int(category);
    out[2] = Datum::from_bool(bare);
    out[3] = c.text(category == 'U' ? "unreserved" : category == 'R' ? "reserved" : category == 'C' ? "unreserved (cannot be function or type name)"
                                                                                                : "reserved (can be function or type name)");
    out[4] = c.text(bare ? "can be bare label" : "requires AS");
    std::fill_n(nulls, 5, false);
    return true;
  }

 private:
  size_t at_ = 0;
};

// Permanent ids are older than all others.
Datum xid_age(FnCall& c) {
  const uint32_t x = c.arg(0).as_oid();
  if (x < 3) return Datum::from_int(INT32_MAX);
  const auto now = static_cast<uint32_t>(host_of(c).exec().txn->id());
  return Datum::from_int(static_cast<int32_t>(now - x));
}

}  // namespace

void register_catalog_functions(FunctionRegistry& r) {
  r.add("pg_indexam_has_property", indexam_has_property);
  r.add("pg_index_has_property", index_has_property);
  r.add("pg_index_column_has_property", index_column_has_property);
  r.add("pg_collation_for", collation_for);
  r.add("xid_age", xid_age);
  r.add("mxid_age", [](FnCall&) { return Datum::from_int(0); });
  r.add("pg_log_backend_memory_contexts", [](FnCall&) { return Datum::from_bool(true); });
  for (const char* n : {"pg_current_logfile", "pg_current_logfile_1arg"}) r.add(n, null_of);
  r.add_set("pg_get_keywords", [](FnCall&) -> std::unique_ptr<SetRows> { return std::make_unique<Keywords>(); });
}

}  // namespace stele::sql

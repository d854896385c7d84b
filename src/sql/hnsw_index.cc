#include "sql/hnsw_index.h"

#include "base/error.h"
#include "sql/index_methods.h"
#include "types/oids.h"

namespace stele::sql {

namespace {

class HnswIndex : public IndexMethod {
 public:
  explicit HnswIndex(segments::vectors::VectorStore& store) : store_(store) {}
  std::string_view name() const override { return "hnsw"; }

  void build(const catalog::Relation& index, query::ExecContext& ctx) override {
    const auto state = ctx.catalog->state();
    const auto table = state->relation(index.index->table);
    STELE_CHECK(table != nullptr);
    check(index, *table);
    store_.build(*table, *state, *ctx.txn);
  }

 private:
  // What pgvector refuses, in its words.
  static void check(const catalog::Relation& index, const catalog::Relation& table) {
    const auto& keys = index.index->keys;
    if (keys.size() != 1) throw Error(ErrorCode::kFeatureNotSupported, "access method \"hnsw\" does not support multicolumn indexes");
    const catalog::Column* column = keys[0].column > 0 ? table.column(keys[0].column) : nullptr;
    if (column == nullptr) throw Error(ErrorCode::kFeatureNotSupported, "access method \"hnsw\" does not support indexes on expressions");
    if (column->type != oid::kVector && column->type != oid::kHalfvec) {
      throw Error(ErrorCode::kFeatureNotSupported, fmt::format("access method \"hnsw\" does not support column \"{}\": it is no vector", column->name));
    }
    if (column->typmod <= 0) throw Error(ErrorCode::kInvalidParameterValue, "column does not have dimensions");
    auto number = [&](const char* option, long low, long high) {
      auto it = index.options.find(option);
      if (it == index.options.end()) return;
      char* end = nullptr;
      const long v = std::strtol(it->second.c_str(), &end, 10);
      if (*end != 0 || it->second.empty()) {
        throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid value for integer option \"{}\": {}", option, it->second));
      }
      if (v < low || v > high) {
        throw Error(ErrorCode::kInvalidParameterValue, fmt::format("value {} out of bounds for option \"{}\"", it->second, option))
            .detail(fmt::format("Valid values are between \"{}\" and \"{}\".", low, high));
      }
    };
    number("m", 2, 100);
    number("ef_construction", 4, 1000);
    number("ef_search", 1, 1000);
    if (auto it = index.options.find("recall"); it != index.options.end()) {
      const double v = std::strtod(it->second.c_str(), nullptr);
      if (!(v > 0 && v <= 1)) {
        throw Error(ErrorCode::kInvalidParameterValue, fmt::format("value {} out of bounds for option \"recall\"", it->second))
            .detail("Valid values are above \"0\" and up to \"1\".");
      }
    }
  }
  segments::vectors::VectorStore& store_;
};

}  // namespace

void register_hnsw_index(segments::vectors::VectorStore& store) {
  static HnswIndex method(store);
  register_index_method(&method);
}

}  // namespace stele::sql

// Text search functions that run queries (ts_stat, ts_rewrite) and the triggers that keep a tsvector column.
#include <map>

#include "sql/functions/host.h"
#include "sql/functions/text_search_functions.h"
#include "sql/parser/parser.h"
#include "types/builtin.h"
#include "types/oids.h"
#include "types/text_search/ts_config.h"
#include "types/text_search/ts_rewrite.h"

namespace stele::sql {
namespace {

using query::QueryPtr;

// Binds the one query in `text`.
QueryPtr bind_text(UtilityHost& host, std::string_view text) {
  const ParseTreePtr tree = parse_sql(text);
  if (tree->statements.size() != 1) throw Error(ErrorCode::kSyntaxError, "cannot execute multiple statements here");
  return bind_statement(tree->statements[0].node, host.bind_context(tree->text));
}

struct WordCount {
  int64_t documents = 0, entries = 0;
};

class StatRows final : public SetRows {
 public:
  StatRows(FnCall& c, int weights) {
    UtilityHost& host = host_of(c);
    const QueryPtr query = bind_text(host, c.text_arg(0));
    const auto columns = host.columns_of(query);
    if (columns.size() != 1 || columns[0].type != oid::kTsvector)
      throw Error(ErrorCode::kInvalidParameterValue, "ts_stat query must return one tsvector column");
    host.run(query, {}, {}, [&](std::span<const NullableDatum> row, std::span<const OutputColumn>) {
      if (row[0].is_null) return true;
      const TsVectorView v(row[0].value);
      for (int i = 0; i < v.size(); ++i) {
        const TsLexeme l = v[i];
        int n = l.npos == 0 ? 1 : l.npos;
        if (weights != 0) {
          n = 0;
          for (int k = 0; k < l.npos; ++k) n += weights >> l.at(k).weight() & 1;
          if (n == 0) continue;
        }
        auto it = words_.find(l.text);
        if (it == words_.end()) it = words_.emplace(std::string(l.text), WordCount{}).first;
        ++it->second.documents;
        it->second.entries += n;
      }
      return true;
    });
    next_ = words_.begin();
  }
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (next_ == words_.end()) return false;
    out[0] = c.text(next_->first);
    out[1] = Datum::from_int(next_->second.documents);
    out[2] = Datum::from_int(next_->second.entries);
    nulls[0] = nulls[1] = nulls[2] = false;
    ++next_;
    return true;
  }

 private:
  std::map<std::string, WordCount, std::less<>> words_;
  std::map<std::string, WordCount, std::less<>>::const_iterator next_;
};

int weights_of(std::string_view letters) {
  int bits = 0;
  for (const char ch : letters) {
    const char c = static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
    if (c >= 'a' && c <= 'd') bits |= 1 << ('d' - c);
  }
  return bits;
}

// ts_rewrite(query, 'SELECT what, by FROM ...')
Datum rewrite_by_query(FnCall& c) {
  const TsNodePtr start = decode_tsquery(c.arg(0));
  if (!start) return c.arg(0);
  UtilityHost& host = host_of(c);
  const QueryPtr query = bind_text(host, c.text_arg(1));
  const auto columns = host.columns_of(query);
  if (columns.size() != 2 || columns[0].type != oid::kTsquery || columns[1].type != oid::kTsquery)
    throw Error(ErrorCode::kInvalidParameterValue, "ts_rewrite query must return two tsquery columns");
  TsRewriter rewriter(*start);
  bool anything = true;
  host.run(query, {}, {}, [&](std::span<const NullableDatum> row, std::span<const OutputColumn>) {
    if (!anything || row[0].is_null || row[1].is_null) return anything;
    const TsNodePtr what = decode_tsquery(row[0].value), by = decode_tsquery(row[1].value);
    if (what) anything = rewriter.replace(*what, by.get());
    rewriter.again();
    return anything;
  });
  return encode_tsquery(rewriter.result().get(), *c.arena);
}

size_t column_of(const catalog::Relation& table, std::string_view name) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (!table.columns[i].dropped && table.columns[i].name == name) return i;
  }
  throw Error(ErrorCode::kUndefinedColumn, fmt::format("column \"{}\" does not exist", name));
}

}  // namespace

bool is_text_search_trigger(std::string_view function) {
  return function == "tsvector_update_trigger" || function == "tsvector_update_trigger_column";
}

void run_text_search_trigger(UtilityHost& host, std::string_view function, const catalog::Relation& table,
                             const std::vector<std::string>& arguments, const query::TriggerEvent& event) {
  constexpr int kRow = 1, kBefore = 2, kInsert = 4, kUpdate = 16;
  auto internal = [](const char* what) { throw Error(ErrorCode::kInternalError, std::string("tsvector_update_trigger: ") + what); };
  if ((event.bits & kRow) == 0) internal("must be fired for row");
  if ((event.bits & kBefore) == 0) internal("must be fired BEFORE event");
  if ((event.bits & (kInsert | kUpdate)) == 0 || event.new_row == nullptr) internal("must be fired for INSERT or UPDATE");
  if (arguments.size() < 3) internal("arguments must be tsvector_field, ts_config, text_field1, ...)");
  std::vector<NullableDatum>& row = *event.new_row;
  CatalogView& view = host.view();
  auto is_type = [&](size_t column, Oid type) { return view.binary_coercible(table.columns[column].type, type); };
  const size_t target = column_of(table, arguments[0]);
  if (!is_type(target, oid::kTsvector))
    throw Error(ErrorCode::kDatatypeMismatch, fmt::format("column \"{}\" is not of tsvector type", arguments[0]));
  EvalContext& eval = *host.exec().eval;
  Oid config;
  bool changed = (event.bits & kUpdate) == 0;
  auto compare = [&](size_t column) {
    if (changed || event.old_row == nullptr) return;
    const NullableDatum a = (*event.old_row)[column], b = row[column];
    if (a.is_null != b.is_null) changed = true;
    else if (!a.is_null) changed = passed_by_value(view.base_type(table.columns[column].type)) ? a.value.bits != b.value.bits : a.value.as_view() != b.value.as_view();
  };
  if (function == "tsvector_update_trigger_column") {
    const size_t c = column_of(table, arguments[1]);
    if (!is_type(c, oid::kRegconfig))
      throw Error(ErrorCode::kDatatypeMismatch, fmt::format("column \"{}\" is not of regconfig type", arguments[1]));
    if (row[c].is_null)
      throw Error(ErrorCode::kNullValueNotAllowed, fmt::format("configuration column \"{}\" must not be null", arguments[1]));
    config = row[c].value.as_oid();
    compare(c);
  } else {
    if (arguments[1].find('.') == std::string::npos)
      throw Error(ErrorCode::kInvalidParameterValue, fmt::format("text search configuration name \"{}\" must be schema-qualified", arguments[1]));
    config = eval.catalog->find(oid::kRegconfig, arguments[1]);
  }
  std::vector<TsParsedWord> words;
  int position = 0;
  std::vector<size_t> sources;
  for (size_t i = 2; i < arguments.size(); ++i) {
    const size_t c = column_of(table, arguments[i]);
    const Oid type = view.base_type(table.columns[c].type);
    if (type != oid::kText && type != oid::kVarchar && type != oid::kBpchar)
      throw Error(ErrorCode::kDatatypeMismatch, fmt::format("column \"{}\" is not of a character type", arguments[i]));
    compare(c);
    sources.push_back(c);
  }
  if (!changed) return;
  for (const size_t c : sources) {
    if (!row[c].is_null) ts_parse_document(TsConfig::find(config), row[c].value.as_view(), words, &position, eval);
  }
  row[target] = {ts_make_document(std::move(words), *event.arena), false};
}

void register_text_search_query_functions(FunctionRegistry& r) {
  r.add_set("ts_stat1", [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<StatRows>(c, 0); });
  r.add_set("ts_stat2", [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<StatRows>(c, weights_of(c.text_arg(1))); });
  r.add("tsquery_rewrite_query", rewrite_by_query);
}

}  // namespace stele::sql

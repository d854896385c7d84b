// to_tsvector, to_tsquery and their kin, headlines, and the functions that look into parsers and
// dictionaries.
#include "base/error.h"
#include "types/array.h"
#include "types/builtin.h"
#include "types/function.h"
#include "types/jsonb.h"
#include "types/oids.h"
#include "types/text_search/ts_config.h"
#include "types/text_search/ts_execute.h"
#include "types/text_search/ts_headline.h"
#include "types/text_search/ts_parser.h"

namespace stele {
namespace {

// The optional first argument of most functions here.
template <bool kById>
const TsConfig& config_of(FnCall& c) {
  return TsConfig::find(kById ? c.arg(0).as_oid() : current_ts_config(*c.context));
}

template <bool kById>
Datum to_tsvector(FnCall& c) {
  std::vector<TsParsedWord> words;
  int position = 0;
  ts_parse_document(config_of<kById>(c), c.text_arg(kById ? 1 : 0), words, &position, *c.context);
  return ts_make_document(std::move(words), *c.arena);
}
template <bool kById, TsQueryKind kKind>
Datum to_query(FnCall& c) {
  const TsNodePtr q = ts_make_query(config_of<kById>(c), c.text_arg(kById ? 1 : 0), kKind, *c.context);
  return encode_tsquery(q.get(), *c.arena);
}
Datum match_text(FnCall& c, bool text_query) {
  const TsConfig& config = config_of<false>(c);
  std::vector<TsParsedWord> words;
  int position = 0;
  ts_parse_document(config, c.text_arg(0), words, &position, *c.context);
  const Datum document = ts_make_document(std::move(words), *c.arena);
  const TsNodePtr q = text_query ? ts_make_query(config, c.text_arg(1), TsQueryKind::kPlain, *c.context) : decode_tsquery(c.arg(1));
  return Datum::from_bool(ts_matches(TsVectorView(document), q.get()));
}

// ---------------------------------------------------------------- JSON

enum JsonParts : int { kKeys = 1, kStrings = 2, kNumbers = 4, kBooleans = 8, kAllParts = 15 };

int json_parts(Datum flags) {
  static constexpr const char* kHint = "Possible values are: \"string\", \"numeric\", \"boolean\", \"key\", and \"all\".";
  const JsonbView v(flags);
  if (v.is_object()) throw Error(ErrorCode::kInvalidParameterValue, "wrong flag type, only arrays and scalars are allowed");
  int parts = 0;
  for (int i = 0; i < v.size(); ++i) {
    const JsonbValue f = v.value(i);
    if (f.is_container()) throw Error(ErrorCode::kInternalError, "unexpected end of flag array");
    if (f.type != JsonType::kString) throw Error(ErrorCode::kInvalidParameterValue, "flag array element is not a string").hint(kHint);
    if (f.bytes.size() == 3 && ::strncasecmp(f.bytes.data(), "all", 3) == 0) parts |= kAllParts;
    else if (f.bytes == "key") parts |= kKeys;
    else if (f.bytes == "string") parts |= kStrings;
    else if (f.bytes == "numeric") parts |= kNumbers;
    else if (f.bytes == "boolean") parts |= kBooleans;
    else throw Error(ErrorCode::kInvalidParameterValue, fmt::format("wrong flag in flag array: \"{}\"", f.bytes)).hint(kHint);
  }
  return parts;
}

// Calls f with the text of every wanted part, in the document's order.
template <typename F>
void each_part(const JsonbValue& v, int parts, EvalContext& ctx, const F& f) {
  switch (v.type) {
    case JsonType::kString:
      if ((parts & kStrings) != 0) f(v.bytes);
      return;
    case JsonType::kNumber:
    case JsonType::kTrue:
    case JsonType::kFalse:
      if ((parts & (v.type == JsonType::kNumber ? kNumbers : kBooleans)) != 0) {
        std::string s;
        jsonb_as_text(v, s, ctx);
        f(s);
      }
      return;
    case JsonType::kNull: return;
    case JsonType::kArray:
    case JsonType::kObject: {
      const JsonbView view = v.view();
      for (int i = 0; i < view.size(); ++i) {
        if (view.is_object() && (parts & kKeys) != 0) f(view.key(i));
        each_part(view.value(i), parts, ctx, f);
      }
      return;
    }
  }
}
template <typename F>
void each_part(const JsonNode& n, int parts, EvalContext& ctx, const F& f) {
  switch (n.type) {
    case JsonType::kString:
      if ((parts & kStrings) != 0) f(n.text);
      return;
    case JsonType::kNumber:
      if ((parts & kNumbers) != 0) f(n.text);
      return;
    case JsonType::kTrue:
    case JsonType::kFalse:
      if ((parts & kBooleans) != 0) f(n.type == JsonType::kTrue ? "true" : "false");
      return;
    case JsonType::kNull: return;
    case JsonType::kArray:
    case JsonType::kObject:
      for (size_t i = 0; i < n.items.size(); ++i) {
        if (n.type == JsonType::kObject && (parts & kKeys) != 0) f(n.keys[i]);
        each_part(n.items[i], parts, ctx, f);
      }
  }
}

template <bool kById, bool kBinary, bool kFlags>
Datum json_to_tsvector(FnCall& c) {
  const int at = kById ? 1 : 0;
  const TsConfig& config = config_of<kById>(c);
  const int parts = kFlags ? json_parts(c.arg(at + 1)) : kStrings;
  std::vector<TsParsedWord> words;
  int position = 0;
  auto add = [&](std::string_view text) {
    const size_t before = words.size();
    ts_parse_document(config, text, words, &position, *c.context);
    // A gap, so that no phrase runs from one element into the next.
    if (words.size() > before) ++position;
  };
  Arena arena;
  if constexpr (kBinary) each_part(JsonbView(c.arg(at)).root(), parts, *c.context, add);
  else each_part(parse_json(c.text_arg(at), arena), parts, *c.context, add);
  return ts_make_document(std::move(words), *c.arena);
}

// ---------------------------------------------------------------- headlines

template <bool kById, bool kOptions>
struct HeadlineCall {
  const TsConfig& config;
  TsNodePtr query;
  TsHeadlineOptions options;
  EvalContext& ctx;

  explicit HeadlineCall(FnCall& c)
      : config(config_of<kById>(c)), query(decode_tsquery(c.arg(at() + 1))),
        options(TsHeadlineOptions::parse(kOptions ? c.text_arg(at() + 2) : std::string_view{})), ctx(*c.context) {}
  static constexpr int at() { return kById ? 1 : 0; }
  std::string operator()(std::string_view text) const { return ts_headline(config, text, query.get(), options, ctx); }
};

template <bool kById, bool kOptions>
Datum headline(FnCall& c) {
  const HeadlineCall<kById, kOptions> h(c);
  return c.text(h(c.text_arg(h.at())));
}
template <typename H>
void transform(JsonNode& n, const H& h, Arena& arena) {
  if (n.stored) n.unfold();
  if (n.type == JsonType::kString) n.text = arena.copy(h(n.text));
  for (JsonNode& i : n.items) transform(i, h, arena);
}
template <bool kById, bool kOptions>
Datum headline_jsonb(FnCall& c) {
  const HeadlineCall<kById, kOptions> h(c);
  JsonNode root = JsonNode::of(JsonbView(c.arg(h.at())).root());
  Arena arena;
  transform(root, h, arena);
  return make_jsonb(root, *c.arena, *c.context);
}
void put_compact(const JsonNode& n, std::string& out) {
  switch (n.type) {
    case JsonType::kNull: out += "null"; return;
    case JsonType::kTrue: out += "true"; return;
    case JsonType::kFalse: out += "false"; return;
    case JsonType::kNumber: out += n.text; return;
    case JsonType::kString: put_json_string(n.text, out); return;
    case JsonType::kArray:
    case JsonType::kObject:
      out.push_back(n.type == JsonType::kArray ? '[' : '{');
      for (size_t i = 0; i < n.items.size(); ++i) {
        if (i > 0) out.push_back(',');
        if (n.type == JsonType::kObject) {
          put_json_string(n.keys[i], out);
          out.push_back(':');
        }
        put_compact(n.items[i], out);
      }
      out.push_back(n.type == JsonType::kArray ? ']' : '}');
  }
}
template <bool kById, bool kOptions>
Datum headline_json(FnCall& c) {
  const HeadlineCall<kById, kOptions> h(c);
  Arena arena;
  JsonNode root = parse_json(c.text_arg(h.at()), arena);
  transform(root, h, arena);
  std::string out;
  put_compact(root, out);
  return c.text(out);
}

// ---------------------------------------------------------------- looking inside

Oid parser_named(FnCall& c, bool by_id) {
  constexpr Oid kDefaultParser = 3722;
  if (by_id) {
    if (c.arg(0).as_oid() != kDefaultParser)
      throw Error(ErrorCode::kInternalError, fmt::format("cache lookup failed for text search parser {}", c.arg(0).as_oid()));
    return kDefaultParser;
  }
  std::string_view name = c.text_arg(0);
  if (name != "default" && name != "pg_catalog.default")
    throw Error(ErrorCode::kUndefinedObject, fmt::format("text search parser \"{}\" does not exist", name));
  return kDefaultParser;
}

class TokenTypes : public SetRows {
 public:
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ > kTsTokenTypes) return false;
    const TsTokenName& n = ts_token_names()[static_cast<size_t>(at_)];
    out[0] = Datum::from_int(at_++);
    out[1] = c.text(n.alias);
    out[2] = c.text(n.description);
    nulls[0] = nulls[1] = nulls[2] = false;
    return true;
  }

 private:
  int at_ = 1;
};
class Tokens : public SetRows {
 public:
  explicit Tokens(std::string_view text) : text_(text), tokens_(ts_parse(text_)) {}
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= tokens_.size()) return false;
    out[0] = Datum::from_int(tokens_[at_].type);
    out[1] = c.text(tokens_[at_++].text);
    nulls[0] = nulls[1] = false;
    return true;
  }

 private:
  std::string text_;
  std::vector<TsToken> tokens_;
  size_t at_ = 0;
};

class Debug : public SetRows {
 public:
  Debug(const TsConfig& config, std::string_view text) : config_(config), text_(text), tokens_(ts_parse(text_)) {}
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ >= tokens_.size()) return false;
    const TsToken& t = tokens_[at_++];
    const TsTokenName& n = ts_token_names()[static_cast<size_t>(t.type)];
    const TsDictionary* d = config_.dictionary(t.type);
    const TsLexemes lexemes = d == nullptr ? TsLexemes{} : d->lexize(t.text);
    std::fill(nulls, nulls + 6, false);
    out[0] = c.text(n.alias);
    out[1] = c.text(n.description);
    out[2] = c.text(t.text);
    ArrayBuilder dictionaries(element_info(oid::kRegdictionary, nullptr));
    if (d != nullptr) dictionaries.add(Datum::from_oid(d->id()));
    out[3] = dictionaries.finish(*c.arena);
    nulls[4] = nulls[5] = !lexemes;
    if (lexemes) {
      out[4] = Datum::from_oid(d->id());
      out[5] = make_text_array(std::span<const std::string>(*lexemes), *c.arena);
    }
    return true;
  }

 private:
  const TsConfig& config_;
  std::string text_;
  std::vector<TsToken> tokens_;
  size_t at_ = 0;
};

Datum lexize(FnCall& c) {
  const TsLexemes l = TsDictionary::find(c.arg(0).as_oid()).lexize(c.text_arg(1));
  if (!l) return c.null();
  return make_text_array(std::span<const std::string>(*l), *c.arena);
}

template <bool kById>
void add_config_functions(FunctionRegistry& r) {
  auto name = [](const char* by_default, const char* by_id) { return std::string_view(kById ? by_id : by_default); };
  r.add(name("to_tsvector", "to_tsvector_byid"), to_tsvector<kById>);
  r.add(name("to_tsquery", "to_tsquery_byid"), to_query<kById, TsQueryKind::kStandard>);
  r.add(name("plainto_tsquery", "plainto_tsquery_byid"), to_query<kById, TsQueryKind::kPlain>);
  r.add(name("phraseto_tsquery", "phraseto_tsquery_byid"), to_query<kById, TsQueryKind::kPhrase>);
  r.add(name("websearch_to_tsquery", "websearch_to_tsquery_byid"), to_query<kById, TsQueryKind::kWeb>);
  r.add(name("jsonb_string_to_tsvector", "jsonb_string_to_tsvector_byid"), json_to_tsvector<kById, true, false>);
  r.add(name("json_string_to_tsvector", "json_string_to_tsvector_byid"), json_to_tsvector<kById, false, false>);
  r.add(name("jsonb_to_tsvector", "jsonb_to_tsvector_byid"), json_to_tsvector<kById, true, true>);
  r.add(name("json_to_tsvector", "json_to_tsvector_byid"), json_to_tsvector<kById, false, true>);
  r.add(name("ts_headline", "ts_headline_byid"), headline<kById, false>);
  r.add(name("ts_headline_opt", "ts_headline_byid_opt"), headline<kById, true>);
  r.add(name("ts_headline_jsonb", "ts_headline_jsonb_byid"), headline_jsonb<kById, false>);
  r.add(name("ts_headline_jsonb_opt", "ts_headline_jsonb_byid_opt"), headline_jsonb<kById, true>);
  r.add(name("ts_headline_json", "ts_headline_json_byid"), headline_json<kById, false>);
  r.add(name("ts_headline_json_opt", "ts_headline_json_byid_opt"), headline_json<kById, true>);
}

}  // namespace

void register_text_search_functions(FunctionRegistry& r) {
  add_config_functions<false>(r);
  add_config_functions<true>(r);
  r.add("ts_match_tt", [](FnCall& c) { return match_text(c, true); });
  r.add("ts_match_tq", [](FnCall& c) { return match_text(c, false); });
  r.add("get_current_ts_config", [](FnCall& c) { return Datum::from_oid(current_ts_config(*c.context)); });
  r.add("ts_lexize", lexize);
  r.add_set("ts_token_type_byid", [](FnCall& c) -> std::unique_ptr<SetRows> {
    parser_named(c, true);
    return std::make_unique<TokenTypes>();
  });
  r.add_set("ts_token_type_byname", [](FnCall& c) -> std::unique_ptr<SetRows> {
    parser_named(c, false);
    return std::make_unique<TokenTypes>();
  });
  r.add_set("ts_parse_byid", [](FnCall& c) -> std::unique_ptr<SetRows> {
    parser_named(c, true);
    return std::make_unique<Tokens>(c.text_arg(1));
  });
  r.add_set("ts_parse_byname", [](FnCall& c) -> std::unique_ptr<SetRows> {
    parser_named(c, false);
    return std::make_unique<Tokens>(c.text_arg(1));
  });
  r.add_set("sql:ts_debug/regconfig,text", [](FnCall& c) -> std::unique_ptr<SetRows> {
    return std::make_unique<Debug>(config_of<true>(c), c.text_arg(1));
  });
  r.add_set("sql:ts_debug/text", [](FnCall& c) -> std::unique_ptr<SetRows> {
    return std::make_unique<Debug>(config_of<false>(c), c.text_arg(0));
  });
}

}  // namespace stele

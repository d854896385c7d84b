// What PostgreSQL 15 answers, without a server. The whole-server side is tests/oracle/sql/text_search*.sql.
#include <gtest/gtest.h>

#include "base/error.h"
#include "types/function_helpers.h"
#include "types/oids.h"
#include "types/text_search/ts_config.h"
#include "types/text_search/ts_execute.h"
#include "types/text_search/ts_headline.h"
#include "types/text_search/ts_parser.h"
#include "types/text_search/ts_rewrite.h"
#include "types/type_io.h"
#include "types/type_ops.h"

namespace stele {
namespace {

constexpr Oid kEnglish = 13164, kSimple = 3748;

struct Session {
  Arena arena;
  EvalContext ctx;
  Datum vector(std::string_view s) { return type_input(oid::kTsvector, s, -1, arena, ctx); }
  Datum query(std::string_view s) { return type_input(oid::kTsquery, s, -1, arena, ctx); }
  std::string text(Oid type, Datum d) {
    std::string out;
    type_output(type, d, out, ctx);
    return out;
  }
  std::string text(const TsNodePtr& q) { return text(oid::kTsquery, encode_tsquery(q.get(), arena)); }
};

std::string tokens(std::string_view s) {
  std::string out;
  for (const TsToken& t : ts_parse(s)) {
    if (t.type == kTsSpace) continue;
    if (!out.empty()) out += ' ';
    out += fmt::format("{}:{}", ts_token_names()[static_cast<size_t>(t.type)].alias, t.text);
  }
  return out;
}

TEST(TextSearch, ParserFindsTokens) {
  const std::pair<const char*, const char*> cases[] = {
      {"foo-bar 12 -3.5e2", "asciihword:foo-bar hword_asciipart:foo hword_asciipart:bar uint:12 sfloat:-3.5e2"},
      {"http://a.org/b?c=1", "protocol:http:// url:a.org/b?c=1 host:a.org url_path:/b?c=1"},
      {"me@x.org /usr/lib", "email:me@x.org file:/usr/lib"},
      {"<b>x</b> &amp;", "tag:<b> asciiword:x tag:</b> entity:&amp;"},
      {"1.2.3 9x", "version:1.2.3 numword:9x"},
      {"größe", "word:größe"},
  };
  for (const auto& [in, expected] : cases) EXPECT_EQ(tokens(in), expected) << in;
}

TEST(TextSearch, DocumentsAndQueries) {
  Session s;
  std::vector<TsParsedWord> words;
  int position = 0;
  ts_parse_document(TsConfig::find(kEnglish), "The quick foxes, the running fox", words, &position, s.ctx);
  const Datum document = ts_make_document(words, s.arena);
  EXPECT_EQ(s.text(oid::kTsvector, document), "'fox':3,6 'quick':2 'run':5");
  struct { TsQueryKind kind; const char* text; const char* query; bool matches; } cases[] = {
      {TsQueryKind::kStandard, "foxes & !cats", "'fox' & !'cat'", true},
      {TsQueryKind::kStandard, "quick <-> foxes", "'quick' <-> 'fox'", true},
      {TsQueryKind::kPhrase, "foxes the running", "'fox' <2> 'run'", true},
      {TsQueryKind::kPlain, "running cats", "'run' & 'cat'", false},
      {TsQueryKind::kWeb, "\"quick fox\" or -fox", "'quick' <-> 'fox' | !'fox'", true},
      {TsQueryKind::kStandard, "ru:* <-> fox:*D", "'ru':* <-> 'fox':*D", true},
  };
  for (const auto& c : cases) {
    const TsNodePtr q = ts_make_query(TsConfig::find(kEnglish), c.text, c.kind, s.ctx);
    EXPECT_EQ(s.text(q), c.query) << c.text;
    EXPECT_EQ(ts_matches(TsVectorView(document), q.get()), c.matches) << c.text;
  }
  EXPECT_FALSE(ts_make_query(TsConfig::find(kEnglish), "the", TsQueryKind::kPlain, s.ctx));
}

TEST(TextSearch, StrippedDocumentsProveNoPhrase) {
  Session s;
  const Datum stripped = s.vector("a b");
  EXPECT_FALSE(ts_matches(TsVectorView(stripped), decode_tsquery(s.query("a <-> b")).get()));
  EXPECT_TRUE(ts_matches(TsVectorView(stripped), decode_tsquery(s.query("a:A & b")).get()));
}

TEST(TextSearch, FormsRoundTrip) {
  Session s;
  for (const char* v : {"", "'a''b':1A,2 'c\\\\d'", "'x':16383"}) {
    const Datum d = s.vector(v);
    EXPECT_EQ(s.text(oid::kTsvector, d), v);
    std::string bytes;
    type_send(oid::kTsvector, d, bytes, s.ctx);
    EXPECT_EQ(s.text(oid::kTsvector, type_receive(oid::kTsvector, bytes, -1, s.arena, s.ctx)), v);
    std::string key;
    type_ops(oid::kTsvector).encode_key(d, 0, key);
    std::string_view in = key;
    EXPECT_EQ(s.text(oid::kTsvector, type_ops(oid::kTsvector).decode_key(in, s.arena)), v);
    EXPECT_TRUE(in.empty());
  }
  for (const char* q : {"'a' & !( 'b' | 'c':*AB )", "'a' <-> ( 'b' <3> 'c' )"}) {
    const Datum d = s.query(q);
    EXPECT_EQ(s.text(oid::kTsquery, d), q);
    std::string bytes;
    type_send(oid::kTsquery, d, bytes, s.ctx);
    EXPECT_EQ(s.text(oid::kTsquery, type_receive(oid::kTsquery, bytes, -1, s.arena, s.ctx)), q);
  }
}

TEST(TextSearch, HostileQueries) {
  Session s;
  const std::string deep(100000, '!'), open(100000, '(');
  EXPECT_THROW(s.query(deep + "a"), Error);
  EXPECT_THROW(s.query(open + "a"), Error);
  std::string garbage("\0\0\0\5\2\2\2\2\2\2", 10);
  EXPECT_THROW(type_receive(oid::kTsquery, garbage, -1, s.arena, s.ctx), Error);
}

TEST(TextSearch, Headline) {
  Session s;
  const Datum q = s.query("fox");
  const TsNodePtr tree = decode_tsquery(q);
  EXPECT_EQ(ts_headline(TsConfig::find(kSimple), "a fox and a <i>fox</i>", tree.get(), TsHeadlineOptions::parse("StartSel=[,StopSel=]"), s.ctx),
            "a [fox] and a  [fox] ");
  EXPECT_THROW(TsHeadlineOptions::parse("MaxWords=2"), Error);
}

TEST(TextSearch, Rewrite) {
  Session s;
  TsRewriter r(*decode_tsquery(s.query("a & b & c")));
  r.replace(*decode_tsquery(s.query("c & a")), decode_tsquery(s.query("x | y")).get());
  EXPECT_EQ(s.text(r.result()), "'b' & ( 'y' | 'x' )");
}

}  // namespace
}  // namespace stele

// Catalogues of what is held as catalog::Entry: foreign data, publications, operator classes, text search, event triggers ...
#include "sql/ddl/text_search.h"
#include "sql/system_catalogs/rows.h"
#include "types/builtin.h"
#include "types/text_search/ts_config.h"
#include "types/text_search/ts_parser.h"

namespace stele::sql::system_catalogs {
namespace {

using catalog::Entry;
using catalog::kBootstrapRole;
using catalog::kPgCatalog;
using catalog::ObjectKind;
using catalog::Relation;

std::optional<std::string> fact(const Entry& e, const char* name) {
  return e.fact(name).empty() ? std::optional<std::string>() : e.fact(name);
}
std::optional<std::string_view> nullable(const std::string& s) {
  if (s == "\\N") return std::nullopt;
  return s;
}
std::optional<Made> option_array(Rows& out, const std::vector<std::pair<std::string, std::string>>& options) {
  if (options.empty()) return std::nullopt;
  std::vector<std::string> list;
  for (auto& [k, v] : options) list.push_back(k + "=" + v);
  return out.text_array(list);
}
Oid number(const std::string& s) { return static_cast<Oid>(std::strtoul(s.c_str(), nullptr, 10)); }

void pg_event_trigger(Rows& out) {
  out.each<Entry>(ObjectKind::kEventTrigger, [&](const Entry& e) {
    out(e.oid, e.name, e.fact("event"), e.owner, e.ref(0), e.fact("enabled")[0], out.if_any(e.list, [&](auto& v) { return out.text_array(v); }));
  });
}
void pg_foreign_data_wrapper(Rows& out) {
  out.each<Entry>(ObjectKind::kForeignWrapper, [&](const Entry& e) { out(e.oid, e.name, e.owner, e.ref(0), e.ref(1), out.acl(e.acl), option_array(out, e.options)); });
}
void pg_foreign_server(Rows& out) {
  out.each<Entry>(ObjectKind::kForeignServer, [&](const Entry& e) {
    out(e.oid, e.name, e.owner, e.ref(0), fact(e, "type"), fact(e, "version"), out.acl(e.acl), option_array(out, e.options));
  });
}
void pg_foreign_table(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (r.relkind != 'f') return;
    auto server = r.extra.find("server");
    auto options = r.extra.find("options");
    out(r.oid, server == r.extra.end() ? 0 : number(server->second), option_array(out, foreign_options(options == r.extra.end() ? "" : options->second)));
  });
}
void pg_user_mapping(Rows& out) {
  out.each<Entry>(ObjectKind::kUserMapping, [&](const Entry& e) { out(e.oid, e.ref(1), e.ref(0), option_array(out, e.options)); });
}
void pg_user_mappings(Rows& out) {
  out.each<Entry>(ObjectKind::kUserMapping, [&](const Entry& e) {
    auto server = out.state.get(ObjectKind::kForeignServer, e.ref(0));
    out(e.oid, e.ref(0), server == nullptr ? std::string() : server->name, e.ref(1), e.ref(1) == 0 ? std::string("public") : out.role_name(e.ref(1)), option_array(out, e.options));
  });
}
void pg_publication(Rows& out) {
  auto flag = [](const Entry& e, const char* f) { return e.fact(f) == "t"; };
  out.each<Entry>(ObjectKind::kPublication, [&](const Entry& e) {
    out(e.oid, e.name, e.owner, flag(e, "all_tables"), flag(e, "insert"), flag(e, "update"), flag(e, "delete"), flag(e, "truncate"), flag(e, "via_root"));
  });
}
void pg_publication_rel(Rows& out) {
  out.each<Entry>(ObjectKind::kPublicationRelation, [&](const Entry& e) {
    out(e.oid, e.ref(0), e.ref(1), fact(e, "where"), out.if_any(e.columns, [&](auto& v) { return out.int2vector(v); }));
  });
}
void pg_publication_namespace(Rows& out) {
  out.each<Entry>(ObjectKind::kPublicationSchema, [&](const Entry& e) { out(e.oid, e.ref(0), e.ref(1)); });
}
void pg_publication_tables(Rows& out) {
  out.each<Entry>(ObjectKind::kPublication, [&](const Entry& p) {
    out.each_relation([&](const Relation& r) {
      if (r.relkind != 'r' || r.persistence != 'p') return;
      const Entry* by_table = nullptr;
      bool in = p.fact("all_tables") == "t";
      std::set<Oid> above{r.oid};
      for (Oid parent : r.parents) above.insert(parent);
      out.each<Entry>(ObjectKind::kPublicationRelation, [&](const Entry& e) {
        if (e.ref(0) == p.oid && above.contains(e.ref(1))) by_table = &e, in = true;
      });
      out.each<Entry>(ObjectKind::kPublicationSchema, [&](const Entry& e) { in |= e.ref(0) == p.oid && e.ref(1) == r.schema; });
      if (!in) return;
      std::vector<std::string> columns;
      for (auto& c : r.columns)
        if (!c.dropped && (by_table == nullptr || by_table->columns.empty() || std::find(by_table->columns.begin(), by_table->columns.end(), c.number) != by_table->columns.end())) columns.push_back(c.name);
      out(p.name, out.schema_name(r.schema), r.name, out.name_array(columns), by_table == nullptr ? std::optional<std::string>() : fact(*by_table, "where"));
    });
  });
}
void pg_subscription(Rows& out) {
  out.each<Entry>(ObjectKind::kSubscription, [&](const Entry& e) {
    auto flag = [&](const char* f) { return e.fact(f) == "t"; };
    out(e.oid, out.context.database_oid, e.fact("skip_lsn").empty() ? std::string("0/0") : e.fact("skip_lsn"), e.name, e.owner, e.fact("enabled") != "f", flag("binary"), flag("streaming"), flag("two_phase") ? 'p' : 'd',
        flag("disable_on_error"), e.fact("conninfo"), fact(e, "slot_name"), e.fact("synchronous_commit").empty() ? std::string("off") : e.fact("synchronous_commit"), out.text_array(e.list));
  });
}
void pg_transform(Rows& out) {
  out.each<Entry>(ObjectKind::kTransform, [&](const Entry& e) { out(e.oid, e.ref(0), e.ref(1), e.ref(2), e.ref(3)); });
}
void pg_conversion(Rows& out) {
  out.each<Entry>(ObjectKind::kConversion, [&](const Entry& e) {
    out(e.oid, e.name, e.schema, e.owner, std::atoi(e.fact("from").c_str()), std::atoi(e.fact("to").c_str()), e.ref(0), e.fact("default") == "t");
  });
}
void pg_statistic_ext(Rows& out) {
  out.each<Entry>(ObjectKind::kStatistics, [&](const Entry& e) {
    std::string expressions;
    for (auto& x : e.list) expressions += (expressions.empty() ? "" : ", ") + x;
    out(e.oid, e.ref(0), e.name, e.schema, e.owner, std::atoi(e.fact("target").c_str()), out.int2vector(e.columns), out.char_array(e.fact("kinds")),
        expressions.empty() ? std::optional<std::string>() : expressions);
  });
}
void pg_am(Rows& out) {
  for (const auto& f : builtin::rows("pg_am")) out(f[0], f[1], f[2], f[3]);
  out.each<Entry>(ObjectKind::kAccessMethod, [&](const Entry& e) { out(e.oid, e.name, e.ref(0), e.fact("type")); });
}
void pg_opclass(Rows& out) {
  for (const auto& f : builtin::rows("pg_opclass")) out(f[0], f[2], f[1], kPgCatalog, kBootstrapRole, f[3], f[4], f[5], f[6]);
  out.each<Entry>(ObjectKind::kOpclass, [&](const Entry& e) { out(e.oid, e.ref(3), e.name, e.schema, e.owner, e.ref(0), e.ref(1), e.fact("default") == "t", e.ref(2)); });
}
Oid method_oid(Rows& out, const std::string& name) {
  if (const Oid oid = access_method_oid(name)) return oid;
  auto e = out.state.find(ObjectKind::kAccessMethod, 0, name);
  return e == nullptr ? 0 : e->oid;
}
void pg_opfamily(Rows& out) {
  for (const auto& f : builtin::rows("pg_opfamily")) out(f[0], f[2], f[1], kPgCatalog, kBootstrapRole);
  out.each<Entry>(ObjectKind::kOpfamily, [&](const Entry& e) { out(e.oid, method_oid(out, e.fact("method")), e.name, e.schema, e.owner); });
}
template <typename F> void each_member(Rows& out, char kind, F f) {
  out.each<Entry>(ObjectKind::kOpclass, [&](const Entry& e) {
    for (auto& m : e.members)
      if (m.kind == kind) f(e.ref(0), e, m);
  });
  out.each<Entry>(ObjectKind::kOpfamily, [&](const Entry& e) {
    for (auto& m : e.members)
      if (m.kind == kind) f(e.oid, e, m);
  });
}
void pg_amop(Rows& out) {
  for (const auto& f : builtin::rows("pg_amop")) out(f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]);
  each_member(out, 'o', [&](Oid family, const Entry& e, const catalog::EntryMember& m) {
    out(m.oid, family, m.left, m.right, m.number, m.extra == 0 ? 's' : 'o', m.object, method_oid(out, e.fact("method")), m.extra);
  });
}
void pg_amproc(Rows& out) {
  for (const auto& f : builtin::rows("pg_amproc")) out(f[0], f[1], f[2], f[3], f[4], f[5]);
  each_member(out, 'f', [&](Oid family, const Entry&, const catalog::EntryMember& m) { out(m.oid, family, m.left, m.right, m.number, m.object); });
}
void pg_language(Rows& out) {
  for (const auto& f : builtin::rows("pg_language")) {
    // plpgsql's handlers have no pg_proc rows here, but tools tell procedural languages by them.
    const bool procedural = f[2] == "t";
    out(f[0], f[1], kBootstrapRole, f[2], f[3], procedural ? 13564 : 0, procedural ? 13565 : 0, procedural ? 13566 : f[1] == "sql" ? 2248 : f[1] == "c" ? 2247 : 2246, nullptr);
  }
  out.each<Entry>(ObjectKind::kLanguage, [&](const Entry& e) { out(e.oid, e.name, e.owner, true, e.fact("trusted") == "t", e.ref(0), e.ref(1), e.ref(2), out.acl(e.acl)); });
}
void pg_ts_config(Rows& out) {
  for (const auto& f : builtin::rows("pg_ts_config")) out(f[0], f[1], kPgCatalog, kBootstrapRole, f[2]);
  out.each<Entry>(ObjectKind::kTextSearchConfig, [&](const Entry& e) { out(e.oid, e.name, e.schema, e.owner, e.ref(0)); });
}
void pg_ts_config_map(Rows& out) {
  for (const auto& f : builtin::rows("pg_ts_config")) {
    const TsConfig& c = TsConfig::find(number(f[0]));
    for (int t = 1; t <= kTsTokenTypes; ++t)
      if (const TsDictionary* d = c.dictionary(t)) out(f[0], t, 1, d->id());
  }
  out.each<Entry>(ObjectKind::kTextSearchConfig, [&](const Entry& e) {
    for (auto& m : e.members) out(e.oid, m.number, m.left, m.object);
  });
}
void pg_ts_dict(Rows& out) {
  for (const auto& f : builtin::rows("pg_ts_dict")) out(f[0], f[1], kPgCatalog, kBootstrapRole, f[2], nullable(f[3]));
  out.each<Entry>(ObjectKind::kTextSearchDictionary, [&](const Entry& e) {
    const std::string options = text_search_options(e);
    out(e.oid, e.name, e.schema, e.owner, e.ref(0), options.empty() ? std::optional<std::string>() : options);
  });
}
void pg_ts_parser(Rows& out) {
  out(3722, "default", kPgCatalog, "prsd_start", "prsd_nexttoken", "prsd_end", "prsd_headline", "prsd_lextype");
  out.each<Entry>(ObjectKind::kTextSearchParser, [&](const Entry& e) { out(e.oid, e.name, e.schema, e.ref(0), e.ref(1), e.ref(2), e.ref(3), e.ref(4)); });
}
void pg_ts_template(Rows& out) {
  out(3727, "simple", kPgCatalog, "dsimple_init", "dsimple_lexize");
  out(3730, "synonym", kPgCatalog, "dsynonym_init", "dsynonym_lexize");
  out(3733, "ispell", kPgCatalog, "dispell_init", "dispell_lexize");
  out(3742, "thesaurus", kPgCatalog, "thesaurus_init", "thesaurus_lexize");
  out(13150, "snowball", kPgCatalog, "-", "-");
  out.each<Entry>(ObjectKind::kTextSearchTemplate, [&](const Entry& e) { out(e.oid, e.name, e.schema, e.ref(0), e.ref(1)); });
}
void pg_tablespace(Rows& out) {
  out(1663, "pg_default", kBootstrapRole, nullptr, nullptr);
  out(1664, "pg_global", kBootstrapRole, nullptr, nullptr);
  out.each<Entry>(ObjectKind::kTablespace, [&](const Entry& e) { out(e.oid, e.name, e.owner, out.acl(e.acl), option_array(out, e.options)); });
}

// ---- information_schema

template <typename F> void each_option(const std::vector<std::pair<std::string, std::string>>& options, F f) {
  for (auto& [k, v] : options) f(k, v);
}
void foreign_data_wrappers(Rows& out) {
  out.each<Entry>(ObjectKind::kForeignWrapper, [&](const Entry& e) { out(out.context.database, e.name, out.role_name(e.owner), nullptr, "c"); });
}
void foreign_data_wrapper_options(Rows& out) {
  out.each<Entry>(ObjectKind::kForeignWrapper, [&](const Entry& e) {
    each_option(e.options, [&](auto& k, auto& v) { out(out.context.database, e.name, k, v); });
  });
}
void foreign_servers(Rows& out) {
  out.each<Entry>(ObjectKind::kForeignServer, [&](const Entry& e) {
    auto w = out.state.get(ObjectKind::kForeignWrapper, e.ref(0));
    out(out.context.database, e.name, out.context.database, w == nullptr ? std::string() : w->name, fact(e, "type"), fact(e, "version"), out.role_name(e.owner));
  });
}
void foreign_server_options(Rows& out) {
  out.each<Entry>(ObjectKind::kForeignServer, [&](const Entry& e) {
    each_option(e.options, [&](auto& k, auto& v) { out(out.context.database, e.name, k, v); });
  });
}
void foreign_tables(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (r.relkind != 'f') return;
    auto s = r.extra.find("server");
    auto server = out.state.get(ObjectKind::kForeignServer, s == r.extra.end() ? 0 : number(s->second));
    out(out.context.database, out.schema_name(r.schema), r.name, out.context.database, server == nullptr ? std::string() : server->name);
  });
}
void foreign_table_options(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (r.relkind != 'f') return;
    auto o = r.extra.find("options");
    each_option(foreign_options(o == r.extra.end() ? "" : o->second), [&](auto& k, auto& v) { out(out.context.database, out.schema_name(r.schema), r.name, k, v); });
  });
}
void user_mappings(Rows& out) {
  out.each<Entry>(ObjectKind::kUserMapping, [&](const Entry& e) {
    auto server = out.state.get(ObjectKind::kForeignServer, e.ref(0));
    out(e.ref(1) == 0 ? std::string("PUBLIC") : out.role_name(e.ref(1)), out.context.database, server == nullptr ? std::string() : server->name);
  });
}
void user_mapping_options(Rows& out) {
  out.each<Entry>(ObjectKind::kUserMapping, [&](const Entry& e) {
    auto server = out.state.get(ObjectKind::kForeignServer, e.ref(0));
    each_option(e.options, [&](auto& k, auto& v) { out(e.ref(1) == 0 ? std::string("PUBLIC") : out.role_name(e.ref(1)), out.context.database, server == nullptr ? std::string() : server->name, k, v); });
  });
}

}  // namespace

std::vector<std::pair<std::string, std::string>> foreign_options(const std::string& stored) {
  std::vector<std::pair<std::string, std::string>> out;
  for (size_t at = 0; at < stored.size();) {
    const size_t mid = stored.find('\1', at), end = stored.find('\2', at);
    out.emplace_back(stored.substr(at, mid - at), stored.substr(mid + 1, end - mid - 1));
    at = end + 1;
  }
  return out;
}

Producer entry_producer(std::string_view name) {
  static const std::unordered_map<std::string_view, Producer> kProducers = {
#define P(f) {#f, f}
      P(pg_event_trigger), P(pg_foreign_data_wrapper), P(pg_foreign_server), P(pg_foreign_table), P(pg_user_mapping), P(pg_user_mappings), P(pg_publication), P(pg_publication_rel),
      P(pg_publication_namespace), P(pg_publication_tables), P(pg_subscription), P(pg_transform), P(pg_conversion), P(pg_statistic_ext), P(pg_am), P(pg_opclass), P(pg_opfamily), P(pg_amop),
      P(pg_amproc), P(pg_language), P(pg_ts_config), P(pg_ts_config_map), P(pg_ts_dict), P(pg_ts_parser), P(pg_ts_template), P(pg_tablespace), P(foreign_data_wrappers),
      P(foreign_data_wrapper_options), P(foreign_servers), P(foreign_server_options), P(foreign_tables), P(foreign_table_options), P(user_mappings), P(user_mapping_options)
#undef P
  };
  auto it = kProducers.find(name);
  return it == kProducers.end() ? nullptr : it->second;
}

}  // namespace stele::sql::system_catalogs

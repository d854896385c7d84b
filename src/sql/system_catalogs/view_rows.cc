// The views of pg_catalog over users' objects: pg_tables, pg_roles, pg_indexes and the like.
#include "sql/functions/host.h"
#include "sql/system_catalogs/rows.h"

namespace stele::sql::system_catalogs {
namespace {

using catalog::ObjectKind;
using catalog::Relation;

bool is_table(const Relation& r) { return r.relkind == 'r' || r.relkind == 'p'; }
bool has_foreign_key(const Relation& r) {
  for (auto& c : r.constraints)
    if (c.kind == catalog::ConstraintKind::kForeignKey) return true;
  return false;
}
std::optional<std::string> text(const std::string& s) { return s.empty() ? std::optional<std::string>() : s; }

// The definition of a view as psql shows it: from pg_get_viewdef where it exists.
std::string view_definition(Rows& out, const Relation& r) {
  if (auto d = out.text_function("pg_get_viewdef", r.oid)) return *d;
  return r.view_sql;
}

void pg_tables(Rows& out) {
  for (auto& r : all())
    if (r->relkind == 'r')
      out(out.schema_name(r->schema), r->name, out.role_name(r->owner), nullptr, true, false, false, false);
  out.each_relation([&](const Relation& r) {
    if (!is_table(r)) return;
    out(out.schema_name(r.schema), r.name, out.role_name(r.owner), nullptr, !r.indexes.empty(), !r.rules.empty(),
        !r.triggers.empty() || has_foreign_key(r), r.row_security);
  });
}
void pg_views(Rows& out) {
  for (auto& r : all())
    if (r->relkind == 'v') out(out.schema_name(r->schema), r->name, out.role_name(r->owner), nullptr);
  out.each_relation([&](const Relation& r) {
    if (r.relkind == 'v') out(out.schema_name(r.schema), r.name, out.role_name(r.owner), view_definition(out, r));
  });
}
void pg_matviews(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (r.relkind == 'm')
      out(out.schema_name(r.schema), r.name, out.role_name(r.owner), nullptr, !r.indexes.empty(), r.populated, view_definition(out, r));
  });
}
void pg_indexes(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (!r.index) return;
    auto table = out.state.relation(r.index->table);
    if (table)
      out(out.schema_name(table->schema), table->name, r.name, nullptr, out.text_function("pg_get_indexdef", r.oid));
  });
}
void pg_sequences(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (!r.sequence) return;
    auto& s = *r.sequence;
    std::optional<int64_t> last;
    if (out.context.sequence_last_value) last = out.context.sequence_last_value(r.oid);
    out(out.schema_name(r.schema), r.name, out.role_name(r.owner), s.type, s.start, s.min, s.max, s.increment, s.cycle, s.cache, last);
  });
}
void pg_roles(Rows& out) {
  out.each<catalog::Role>(ObjectKind::kRole, [&](const catalog::Role& r) {
    out(r.name, r.superuser, r.inherit, r.create_role, r.create_db, r.login, r.replication, r.connection_limit, "********",
        r.valid_until, r.bypass_rls, out.options(r.settings), r.oid);
  });
}
void users(Rows& out, bool show_password) {
  out.each<catalog::Role>(ObjectKind::kRole, [&](const catalog::Role& r) {
    if (!r.login) return;
    out(r.name, r.oid, r.create_db, r.superuser, r.replication, r.bypass_rls,
        show_password ? text(r.password) : std::optional<std::string>("********"), r.valid_until, out.options(r.settings));
  });
}
void pg_user(Rows& out) { users(out, false); }
void pg_shadow(Rows& out) { users(out, true); }
void pg_group(Rows& out) {
  out.each<catalog::Role>(ObjectKind::kRole, [&](const catalog::Role& group) {
    if (group.login) return;
    std::vector<Oid> members;
    out.each<catalog::Role>(ObjectKind::kRole, [&](const catalog::Role& r) {
      for (auto& m : r.member_of)
        if (m.role == group.oid) members.push_back(r.oid);
    });
    out(group.name, group.oid, out.oid_array(members));
  });
}
void pg_policies(Rows& out) {
  out.each<catalog::Policy>(ObjectKind::kPolicy, [&](const catalog::Policy& p) {
    auto table = out.state.relation(p.relation);
    if (!table) return;
    std::vector<std::string> roles;
    for (Oid r : p.roles) roles.push_back(r == 0 ? "public" : out.role_name(r));
    if (roles.empty()) roles.push_back("public");
    const char* command = p.command == 'r' ? "SELECT" : p.command == 'a' ? "INSERT" : p.command == 'w' ? "UPDATE"
                        : p.command == 'd' ? "DELETE" : "ALL";
    out(out.schema_name(table->schema), table->name, p.name, p.permissive ? "PERMISSIVE" : "RESTRICTIVE",
        out.name_array(roles), command, text(p.using_sql), text(p.check_sql));
  });
}
void pg_rules(Rows& out) {
  out.each_relation([&](const Relation& r) {
    for (auto& rule : r.rules) out(out.schema_name(r.schema), r.name, rule.name, rule_definition(rule, quote_identifier(out.schema_name(r.schema)) + "." + quote_identifier(r.name)));
  });
}
void pg_stats(Rows& out) {
  out.each_relation([&](const Relation& r) {
    auto statistics = out.state.statistics(r.oid);
    if (!statistics) return;
    for (auto& [number, s] : statistics->columns) {
      auto* column = r.column(number);
      if (column == nullptr || column->dropped) continue;
      std::vector<double> frequencies;
      for (auto& [value, frequency] : s.most_common) frequencies.push_back(frequency);
      out(out.schema_name(r.schema), r.name, column->name, false, s.null_fraction, s.average_width, s.distinct, nullptr,
          out.if_any(frequencies, [&](auto& v) { return out.float4_array(v); }), nullptr, s.correlation, nullptr, nullptr, nullptr);
    }
  });
}
void pg_available_extensions(Rows& out) {
  struct Known { const char *name, *version, *comment; };
  static constexpr Known kKnown[] = {
      {"plpgsql", "1.0", "PL/pgSQL procedural language"},
      {"vector", "0.5.1", "vector data type and ivfflat and hnsw access methods"},
      {"pgcrypto", "1.3", "cryptographic functions"},
      {"uuid-ossp", "1.1", "generate universally unique identifiers (UUIDs)"},
      {"citext", "1.6", "data type for case-insensitive character strings"},
      {"pg_trgm", "1.6", "text similarity measurement and index searching based on trigrams"}};
  for (auto& k : kKnown) {
    std::optional<std::string> installed;
    if (std::string_view(k.name) == "plpgsql") installed = k.version;
    out.each<catalog::Extension>(ObjectKind::kExtension, [&](const catalog::Extension& e) {
      if (e.name == k.name) installed = e.version;
    });
    out(k.name, k.version, installed, k.comment);
  }
}

}  // namespace

Producer view_producer(std::string_view name) {
  static const std::unordered_map<std::string_view, Producer> kProducers = {
#define P(f) {#f, f}
      P(pg_tables), P(pg_views), P(pg_matviews), P(pg_indexes), P(pg_sequences), P(pg_roles), P(pg_user), P(pg_shadow),
      P(pg_group), P(pg_policies), P(pg_rules), P(pg_stats), P(pg_available_extensions)
#undef P
  };
  auto it = kProducers.find(name);
  return it == kProducers.end() ? nullptr : it->second;
}

}  // namespace stele::sql::system_catalogs

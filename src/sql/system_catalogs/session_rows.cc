// What the server and its sessions are doing: settings, activity, locks, statistics views, time zones.
#include <unicode/basictz.h>
#include <unicode/locid.h>
#include <unicode/strenum.h>
#include <unicode/timezone.h>

#include "sql/system_catalogs/rows.h"
#include "types/builtin.h"
#include "types/type_io.h"

namespace stele::sql::system_catalogs {
namespace {

using catalog::ObjectKind;
using catalog::Relation;

std::optional<std::string> nullable(const std::string& s) {
  return s == "\\N" ? std::nullopt : std::optional<std::string>(s);
}
std::optional<std::string> text(const std::string& s) { return s.empty() ? std::optional<std::string>() : s; }
std::optional<int64_t> time_or_null(int64_t us) { return us == 0 ? std::nullopt : std::optional<int64_t>(us); }

void pg_settings(Rows& out) {
  for (const auto& f : builtin::rows("pg_settings")) {
    std::optional<std::string> value = f[10];
    if (out.context.eval->setting)
      if (auto v = out.context.setting_raw ? out.context.setting_raw(f[0]) : out.context.eval->setting(f[0])) value = v;
    std::string source = out.context.setting_source ? out.context.setting_source(f[0]) : "default";
    std::optional<std::string> enums = nullable(f[7]);
    out(f[0], value, text(f[1]), f[2], "", nullptr, f[3], f[4], source, nullable(f[5]), nullable(f[6]), enums,
        nullable(f[8]), nullable(f[9]), nullptr, nullptr, false);
  }
}

void pg_stat_activity(Rows& out) {
  if (!out.context.sessions) return;
  for (auto& a : out.context.sessions()) {
    std::optional<std::string> address = text(a.client_address);
    if (address && address->find_first_not_of("0123456789abcdef.:") != std::string::npos) address.reset();
    out(a.database, a.database_name, a.pid, nullptr, a.user, out.role_name(a.user), a.application,
        address, nullptr, a.client_port, time_or_null(a.backend_start_us), time_or_null(a.xact_start_us),
        time_or_null(a.query_start_us), time_or_null(a.state_change_us), text(a.wait_event_type), text(a.wait_event),
        a.state, nullptr, nullptr, nullptr, a.query, "client backend");
  }
}

const char* mode_name(storage::LockMode m) {
  using M = storage::LockMode;
  switch (m) {
    case M::kAccessShare: return "AccessShareLock";
    case M::kRowShare: return "RowShareLock";
    case M::kRowExclusive: return "RowExclusiveLock";
    case M::kShareUpdateExclusive: return "ShareUpdateExclusiveLock";
    case M::kShare: return "ShareLock";
    case M::kShareRowExclusive: return "ShareRowExclusiveLock";
    case M::kExclusive: return "ExclusiveLock";
    case M::kAccessExclusive: return "AccessExclusiveLock";
    case M::kForKeyShare: return "ForKeyShareLock";
    case M::kForShare: return "ForShareLock";
    case M::kForNoKeyUpdate:
    case M::kNoKeyWrite: return "ForNoKeyUpdateLock";
    case M::kForUpdate:
    case M::kKeyWrite: return "ForUpdateLock";
    default: return "NoLock";
  }
}

uint32_t big_endian(std::string_view s, size_t at) {
  uint32_t v = 0;
  for (size_t i = 0; i < 4 && at + i < s.size(); ++i) v = v << 8 | static_cast<unsigned char>(s[at + i]);
  return v;
}

void pg_locks(Rows& out) {
  if (out.context.engine == nullptr || out.context.engine->store == nullptr) return;
  std::unordered_map<storage::OwnerId, int> pids;
  if (out.context.sessions)
    for (auto& a : out.context.sessions())
      if (a.lock_owner != 0) pids[a.lock_owner] = a.pid;
  using K = storage::LockKind;
  for (auto& l : out.context.engine->store->locks().list()) {
    const char* type = l.kind == K::kRelation ? "relation" : l.kind == K::kRow ? "tuple" : l.kind == K::kAdvisory ? "advisory"
                     : l.kind == K::kTransaction ? "transactionid" : "object";
    std::optional<Oid> relation, database, class_id, object_id;
    std::optional<int> sub;
    if (l.kind == K::kRelation) relation = big_endian(l.key, 0), database = out.context.database_oid;
    if (l.kind == K::kAdvisory && l.key.size() >= 16) {
      database = big_endian(l.key, 0);
      class_id = big_endian(l.key, 4), object_id = big_endian(l.key, 8), sub = static_cast<int>(big_endian(l.key, 12));
    }
    auto pid = pids.find(l.owner);
    std::optional<int> owner = pid == pids.end() ? std::nullopt : std::optional<int>(pid->second);
    out(type, database, relation, nullptr, nullptr, nullptr, nullptr, class_id, object_id, sub,
        fmt::format("{}/{}", owner.value_or(0), l.owner), owner, mode_name(l.mode), l.granted, false,
        l.granted ? std::nullopt : time_or_null(l.wait_start_us));
  }
}

void pg_prepared_statements(Rows& out) {
  if (!out.context.prepared_statements) return;
  for (auto& p : out.context.prepared_statements())
    out(p.name, p.text, p.prepared_us, out.oid_array(p.types, oid::kRegtype), p.from_sql, p.generic, p.custom);
}
void pg_cursors(Rows& out) {
  if (!out.context.cursors) return;
  for (auto& c : out.context.cursors()) out(c.name, c.text, c.holdable, c.binary, c.scrollable, c.created_us);
}

void pg_largeobject_metadata(Rows& out) {
  if (!out.context.large_objects) return;
  for (auto [object, owner] : out.context.large_objects()) out(object, owner, nullptr);
}
void pg_largeobject(Rows& out) {
  if (!out.context.large_object_pages) return;
  out.context.large_object_pages([&](Oid object, int32_t page, std::string_view bytes) { out(object, page, Made{make_bytes(out.arena, bytes)}); });
}

// pg_stat_*_tables: `which` selects all, system or user tables.
template <int which>
void stat_tables(Rows& out) {
  if (which == 1) return;
  out.each_relation([&](const Relation& r) {
    if (r.relkind != 'r' && r.relkind != 'm' && r.relkind != 't') return;
    auto s = out.state.statistics(r.oid);
    double live = s && s->rows > 0 ? s->rows : 0;
    if (out.context.live_rows)
      if (auto n = out.context.live_rows(r.oid)) live = *n;
    int64_t analyzed = s ? s->last_analyze_us : 0, auto_analyzed = s ? s->last_autoanalyze_us : 0;
    out(r.oid, out.schema_name(r.schema), r.name, 0, 0, 0, 0, 0, 0, 0, 0, live, 0, 0, 0, nullptr, nullptr,
        time_or_null(analyzed), time_or_null(auto_analyzed), 0, 0, analyzed != 0 ? 1 : 0, auto_analyzed != 0 ? 1 : 0);
  });
}
template <int which>
void stat_indexes(Rows& out) {
  if (which == 1) return;
  out.each_relation([&](const Relation& r) {
    if (!r.index) return;
    if (auto table = out.state.relation(r.index->table))
      out(table->oid, r.oid, out.schema_name(table->schema), table->name, r.name, 0, 0, 0);
  });
}
void statio_tables(Rows& out) {
  out.each_relation([&](const Relation& r) {
    if (r.relkind == 'r' || r.relkind == 'm')
      out(r.oid, out.schema_name(r.schema), r.name, 0, 0, 0, 0, 0, 0, 0, 0);
  });
}
void pg_stat_database(Rows& out) {
  std::map<Oid, int64_t> connected;
  if (out.context.sessions)
    for (auto& a : out.context.sessions()) ++connected[a.database];
  out.each<catalog::Database>(ObjectKind::kDatabase, [&](const catalog::Database& d) {
    const int64_t sessions = connected[d.oid];
    out(d.oid, d.name, sessions, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, nullptr,
        nullptr, 0.0, 0.0, 0.0, 0.0, 0.0, sessions, 0, 0, 0, nullptr);
  });
}
void pg_stat_ssl(Rows& out) {
  if (!out.context.sessions) return;
  for (auto& a : out.context.sessions()) out(a.pid, false, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
}

Made interval(Rows& out, int64_t seconds) {
  std::string t = fmt::format("{}{:02}:{:02}:{:02}", seconds < 0 ? "-" : "", std::abs(seconds) / 3600,
                              std::abs(seconds) / 60 % 60, std::abs(seconds) % 60);
  return {type_input(oid::kInterval, t, -1, out.arena, *out.context.eval)};
}

void pg_timezone_names(Rows& out) {
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::StringEnumeration> zones(icu::TimeZone::createEnumeration(status));
  if (U_FAILURE(status) || !zones) return;
  double now = static_cast<double>(out.context.eval->now_us) / 1000.0 + 946684800000.0;
  while (const char* name = zones->next(nullptr, status)) {
    std::unique_ptr<icu::TimeZone> zone(icu::TimeZone::createTimeZone(icu::UnicodeString::fromUTF8(name)));
    int32_t raw = 0, dst = 0;
    zone->getOffset(now, false, raw, dst, status);
    icu::UnicodeString display;
    zone->getDisplayName(dst != 0, icu::TimeZone::SHORT, icu::Locale::getUS(), display);
    std::string abbreviation;
    display.toUTF8String(abbreviation);
    out(name, abbreviation, interval(out, (raw + dst) / 1000), dst != 0);
  }
}
void pg_timezone_abbrevs(Rows& out) {
  struct Abbreviation { const char* name; int hours; bool dst; };
  static constexpr Abbreviation kKnown[] = {
      {"AKDT", -8, true}, {"AKST", -9, false}, {"BST", 1, true}, {"CDT", -5, true}, {"CEST", 2, true}, {"CET", 1, false},
      {"CST", -6, false}, {"EDT", -4, true}, {"EEST", 3, true}, {"EET", 2, false}, {"EST", -5, false}, {"GMT", 0, false},
      {"HST", -10, false}, {"JST", 9, false}, {"KST", 9, false}, {"MDT", -6, true}, {"MSK", 3, false}, {"MST", -7, false},
      {"PDT", -7, true}, {"PST", -8, false}, {"UCT", 0, false}, {"UT", 0, false}, {"UTC", 0, false}, {"WEST", 1, true},
      {"WET", 0, false}, {"Z", 0, false}, {"ZULU", 0, false}};
  for (auto& a : kKnown) out(a.name, interval(out, a.hours * 3600), a.dst);
}

}  // namespace

Producer session_producer(std::string_view name) {
  static const std::unordered_map<std::string_view, Producer> kProducers = {
#define P(f) {#f, f}
      P(pg_settings), P(pg_stat_activity), P(pg_locks), P(pg_prepared_statements), P(pg_cursors), P(pg_stat_database),
      P(pg_stat_ssl), P(pg_timezone_names), P(pg_timezone_abbrevs), P(pg_largeobject), P(pg_largeobject_metadata),
#undef P
      {"pg_stat_all_tables", stat_tables<0>}, {"pg_stat_sys_tables", stat_tables<1>}, {"pg_stat_user_tables", stat_tables<2>},
      {"pg_stat_all_indexes", stat_indexes<0>}, {"pg_stat_sys_indexes", stat_indexes<1>}, {"pg_stat_user_indexes", stat_indexes<2>},
      {"pg_statio_all_tables", statio_tables}, {"pg_statio_user_tables", statio_tables}};
  auto it = kProducers.find(name);
  return it == kProducers.end() ? nullptr : it->second;
}

}  // namespace stele::sql::system_catalogs

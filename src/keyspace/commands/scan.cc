// SCAN and its relatives.
#include "keyspace/keyspace.h"

namespace stele::keyspace {

bool parse_scan_cursor(Call& c, size_t i, uint64_t* out) {
  if (parse_u64(c[i], out)) return true;
  return c.fail("invalid cursor");
}

namespace {
struct Options {
  int64_t count = 10;
  std::string_view pattern, type;
  bool has_pattern = false;
};
bool parse(Call& c, size_t from, bool keys, Options* o) {
  for (size_t i = from; i < c.argc(); i += 2) {
    bool more = i + 1 < c.argc();
    if (c.is(i, "count") && more) {
      if (!c.get_int(i + 1, &o->count)) return false;
      if (o->count < 1) return c.syntax_error();
    } else if (c.is(i, "match") && more) {
      o->pattern = c[i + 1];
      o->has_pattern = o->pattern != "*";
    } else if (c.is(i, "type") && more && keys) {
      o->type = c[i + 1];
    } else {
      return c.syntax_error();
    }
  }
  return true;
}
void cmd_scan(Call& c) {
  uint64_t cursor;
  Options o;
  if (!parse_scan_cursor(c, 1, &cursor) || !parse(c, 2, true, &o)) return;
  std::vector<std::string> found;
  int64_t visited = 0, steps = std::min(o.count, INT64_MAX / 10) * 10;
  std::vector<std::string> row_keys;
  if (c.ks.rows_active && cursor >> 63 != 0) {  // rows of tables follow the keys
    cursor = c.ks.rows->scan(c.db.id, cursor, static_cast<size_t>(o.count), [&](std::string_view key) { row_keys.emplace_back(key); });
  } else {
    do {
      cursor = c.db.dict.scan(cursor, [&](Entry* e) { found.emplace_back(e->key()); ++visited; });
    } while (cursor != 0 && --steps > 0 && visited < o.count);
    if (cursor == 0 && c.ks.rows_active) cursor = c.ks.rows->scan(c.db.id, 0, 0, [](std::string_view) {});
  }
  std::vector<std::string> shown;
  for (auto& k : row_keys) {
    if ((!o.has_pattern || glob_match(o.pattern, k)) && (o.type.empty() || iequals(o.type, "hash"))) shown.push_back(std::move(k));
  }
  for (auto& k : found) {
    if (o.has_pattern && !glob_match(o.pattern, k)) continue;
    Entry* e = c.db.dict.find(k);
    if (e == nullptr) continue;
    if (!o.type.empty() && !iequals(o.type, type_name(e->value.type()))) {
      if (c.ks.is_expired(c.db, e)) c.ks.expire_now(c.db, e);
      continue;
    }
    if (c.ks.is_expired(c.db, e)) { c.ks.expire_now(c.db, e); continue; }
    shown.push_back(std::move(k));
  }
  c.reply.array(2);
  c.reply.bulk(std::to_string(cursor));
  c.reply.array(shown.size());
  for (auto& k : shown) c.reply.bulk(k);
}
const HandlerEntry kCommands[] = {{"scan", cmd_scan}};
}  // namespace

void scan_elements(Call& c, Object* o, uint64_t cursor, size_t first_option) {
  Options opt;
  if (!parse(c, first_option, false, &opt)) return;
  std::vector<std::string> out;
  auto wanted = [&](std::string_view k) { return !opt.has_pattern || glob_match(opt.pattern, k); };
  if (o == nullptr) {
    cursor = 0;
  } else if (o->enc() == Enc::kTable || o->enc() == Enc::kSkiplist) {
    int64_t steps = opt.count * 10, visited = 0;
    do {
      if (o->type() == Type::kSet)
        cursor = o->set_table().scan(cursor, [&](SetNode* n) { ++visited; if (wanted(n->key())) out.emplace_back(n->key()); });
      else if (o->type() == Type::kHash)
        cursor = o->fields().scan(cursor, [&](HashNode* n) { ++visited; if (wanted(n->key())) { out.emplace_back(n->key()); out.emplace_back(n->value->view()); } });
      else
        cursor = o->zset().table.scan(cursor, [&](ZNode* n) { ++visited; if (wanted(n->key())) { out.emplace_back(n->key()); out.push_back(format_score(n->score)); } });
    } while (cursor != 0 && --steps > 0 && visited < opt.count);
  } else {
    cursor = 0;
    if (o->type() == Type::kSet) set_each(*o, [&](std::string_view m) { if (wanted(m)) out.emplace_back(m); });
    else if (o->type() == Type::kHash) hash_each(*o, [&](std::string_view f, std::string_view v) { if (wanted(f)) { out.emplace_back(f); out.emplace_back(v); } });
    else zset_each(*o, false, [&](std::string_view m, double s) { if (wanted(m)) { out.emplace_back(m); out.push_back(format_score(s)); } return true; });
  }
  c.reply.array(2);
  c.reply.bulk(std::to_string(cursor));
  c.reply.array(out.size());
  for (auto& s : out) c.reply.bulk(s);
}
std::span<const HandlerEntry> scan_commands() { return kCommands; }
}  // namespace stele::keyspace

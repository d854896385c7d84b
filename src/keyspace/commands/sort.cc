// SORT and SORT_RO.
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

// The value a BY or GET pattern names for an element; false when there is none.
bool pattern_value(Call& c, std::string_view pattern, std::string_view element, std::string* out) {
  if (pattern == "#") { *out = element; return true; }
  size_t star = pattern.find('*');
  if (star == std::string_view::npos) return false;
  size_t arrow = pattern.find("->", star + 1);
  std::string_view field;
  std::string_view key_part = pattern;
  if (arrow != std::string_view::npos && arrow + 2 < pattern.size()) {
    field = pattern.substr(arrow + 2);
    key_part = pattern.substr(0, arrow);
  }
  std::string key(key_part.substr(0, star));
  key += element;
  key += key_part.substr(star + 1);
  Entry* e = c.ks.lookup_read(c.db, key);
  if (e == nullptr) return false;
  char buf[24];
  if (!field.empty()) {
    std::string_view v;
    if (e->value.type() != Type::kHash || !hash_get(e->value, field, buf, &v)) return false;
    *out = v;
    return true;
  }
  if (e->value.type() != Type::kString) return false;
  *out = e->value.text(buf);
  return true;
}

void sort(Call& c, bool read_only) {
  bool desc = false, alpha = false, dont_sort = false, has_store = false;
  int64_t start = 0, count = -1;
  std::string_view by, store;
  bool has_by = false;
  std::vector<std::string_view> gets;
  for (size_t i = 2; i < c.argc(); ++i) {
    size_t left = c.argc() - i - 1;
    if (c.is(i, "asc")) desc = false;
    else if (c.is(i, "desc")) desc = true;
    else if (c.is(i, "alpha")) alpha = true;
    else if (c.is(i, "limit") && left >= 2) {
      if (!c.get_int(i + 1, &start) || !c.get_int(i + 2, &count)) return;
      i += 2;
    } else if (!read_only && c.is(i, "store") && left >= 1) {
      store = c[++i];
      has_store = true;
    } else if (c.is(i, "by") && left >= 1) {
      by = c[++i];
      has_by = true;
      if (by.find('*') == std::string_view::npos) dont_sort = true;
      else if (!c.session.fake && !c.session.user->selectors[0].all_keys) {
        c.fail("BY option of SORT denied due to insufficient ACL permissions");
        return;
      }
    } else if (c.is(i, "get") && left >= 1) {
      ++i;
      if (c[i] != "#" && !c.session.fake && !c.session.user->selectors[0].all_keys) {
        c.fail("GET option of SORT denied due to insufficient ACL permissions");
        return;
      }
      gets.push_back(c[i]);
    } else { c.syntax_error(); return; }
  }
  Entry* e = c.ks.lookup_read(c.db, c[1]);
  if (e != nullptr && e->value.type() != Type::kList && e->value.type() != Type::kSet && e->value.type() != Type::kZset) { c.wrong_type(); return; }
  if (e != nullptr && e->value.type() == Type::kZset) zset_convert(e->value);  // as Redis does
  struct Item { std::string value; double score = 0; std::string text; bool has_text = false; };
  std::vector<Item> items;
  bool set_without_order = e != nullptr && e->value.type() == Type::kSet && dont_sort && (has_store || c.session.script);
  if (set_without_order) { dont_sort = false; alpha = true; has_by = false; }
  if (e != nullptr) {
    if (e->value.type() == Type::kList) {
      char buf[24];
      for (auto it = e->value.list().first(); it.valid(); it.next()) items.push_back({std::string(it.value(buf))});
    } else if (e->value.type() == Type::kSet) {
      set_each(e->value, [&](std::string_view m) { items.push_back({std::string(m)}); });
    } else {
      bool reverse = dont_sort && desc;
      zset_each(e->value, reverse, [&](std::string_view m, double) { items.push_back({std::string(m)}); return true; });
    }
  }
  if (!dont_sort) {
    for (auto& it : items) {
      std::string v;
      if (has_by) {
        if (!pattern_value(c, by, it.value, &v)) continue;
      } else {
        v = it.value;
      }
      if (alpha) { it.text = v; it.has_text = true; continue; }
      char* end;
      it.score = std::strtod(v.c_str(), &end);
      if (*end != 0 || std::isnan(it.score)) { c.fail("One or more scores can't be converted into double"); return; }
    }
    std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
      int o;
      if (!alpha) {
        o = a.score < b.score ? -1 : a.score > b.score ? 1 : 0;
        if (o == 0) o = a.value.compare(b.value);
      } else if (has_by) {
        if (a.has_text != b.has_text) o = a.has_text ? 1 : -1;
        else o = has_store ? a.text.compare(b.text) : std::strcoll(a.text.c_str(), b.text.c_str());
        if (o == 0) o = a.value.compare(b.value);
      } else {
        o = has_store ? a.value.compare(b.value) : std::strcoll(a.value.c_str(), b.value.c_str());
      }
      return desc ? o > 0 : o < 0;
    });
  }
  int64_t n = static_cast<int64_t>(items.size());
  start = std::clamp<int64_t>(start, 0, n);
  int64_t end = count < 0 ? n - 1 : std::min(start + count - 1, n - 1);
  if (start >= n) { start = n; end = n - 1; }
  std::vector<std::pair<bool, std::string>> out;
  for (int64_t i = start; i <= end; ++i) {
    auto& it = items[static_cast<size_t>(i)];
    if (gets.empty()) { out.emplace_back(true, it.value); continue; }
    for (auto g : gets) {
      std::string v;
      bool found = pattern_value(c, g, it.value, &v);
      out.emplace_back(found, std::move(v));
    }
  }
  if (!has_store) {
    c.reply.array(out.size());
    for (auto& [found, v] : out) found ? c.reply.bulk(v) : c.reply.null();
    return;
  }
  std::string key(store);
  if (!out.empty()) {
    Object l = Object::new_list(static_cast<int>(c.ks.config.s.list_max_listpack_size));
    for (auto& [found, v] : out) l.list().push_back(v);
    c.ks.set_key(c.db, key, std::move(l));
    c.changed(key, kNotifyList, "sortstore", out.size());
  } else if (c.ks.lookup_write(c.db, key) != nullptr && c.ks.remove(c.db, key)) {
    c.changed(key, kNotifyGeneric, "del");
  }
  c.reply.integer(static_cast<int64_t>(out.size()));
}
void cmd_sort(Call& c) { sort(c, false); }
void cmd_sort_ro(Call& c) { sort(c, true); }
const HandlerEntry kCommands[] = {{"sort", cmd_sort}, {"sort_ro", cmd_sort_ro}};
}  // namespace
std::span<const HandlerEntry> sort_commands() { return kCommands; }
}  // namespace stele::keyspace

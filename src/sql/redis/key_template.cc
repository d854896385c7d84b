#include "sql/redis/key_template.h"

#include "base/error.h"
#include "types/oids.h"

namespace stele::sql::redis {

namespace {
// Texts of these types consist of digits, hexadecimal letters and '-'.
bool restricted_type(Oid t) {
  return t == oid::kInt2 || t == oid::kInt4 || t == oid::kInt8 || t == oid::kOid || t == oid::kUuid || t == oid::kDate || t == oid::kBool;
}
bool restricted_char(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-' || c == 't'; }
[[noreturn]] void bad(std::string_view text, std::string why) {
  throw Error(ErrorCode::kInvalidParameterValue, "invalid redis_key \"" + std::string(text) + "\"").detail(std::move(why));
}
}  // namespace

KeyTemplate KeyTemplate::parse(std::string_view text, const catalog::Relation& table) {
  KeyTemplate t;
  std::string literal;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{') {
      literal.push_back(text[i]);
      continue;
    }
    size_t end = text.find('}', i);
    if (end == std::string_view::npos) bad(text, "A brace is not closed.");
    std::string name(text.substr(i + 1, end - i - 1));
    const catalog::Column* c = table.column(name);
    if (c == nullptr || c->dropped) bad(text, "Table \"" + table.name + "\" has no column \"" + name + "\".");
    for (int16_t seen : t.columns_)
      if (seen == c->number) bad(text, "Column \"" + name + "\" appears twice.");
    t.literals_.push_back(std::move(literal));
    literal.clear();
    t.columns_.push_back(c->number);
    t.restricted_.push_back(restricted_type(c->type));
    i = end;
  }
  t.literals_.push_back(std::move(literal));
  if (t.columns_.empty()) bad(text, "It names no column: write the key's columns in braces, as in 'product:{id}'.");
  if (t.literals_[0].empty()) bad(text, "It must begin with text that belongs to this table alone, as in 'product:{id}'.");
  if (t.literals_[0].starts_with("changes:")) bad(text, "Keys that begin with \"changes:\" are streams of changes.");
  int open = 0;
  for (size_t i = 0; i < t.columns_.size(); ++i) {
    open += !t.restricted_[i];
    if (i > 0 && (t.literals_[i].empty() || restricted_char(t.literals_[i].front()) || restricted_char(t.literals_[i].back())))
      bad(text, "Columns must be kept apart by text such as ':' that cannot be part of their values.");
  }
  if (open > 1) bad(text, "More than one of its columns can hold any text, so different rows could have the same key.");
  return t;
}

std::string KeyTemplate::key_of(const std::vector<std::string>& values) const {
  std::string key = literals_[0];
  for (size_t i = 0; i < columns_.size(); ++i) {
    key += values[i];
    key += literals_[i + 1];
  }
  return key;
}

bool KeyTemplate::match(std::string_view key, std::vector<std::string_view>* values) const {
  if (!key.starts_with(literals_[0])) return false;
  const std::string& tail = literals_.back();
  if (key.size() < literals_[0].size() + tail.size() || !key.ends_with(tail)) return false;
  std::string_view rest = key.substr(literals_[0].size(), key.size() - literals_[0].size() - tail.size());
  size_t n = columns_.size(), open = n;
  for (size_t i = 0; i < n; ++i)
    if (!restricted_[i]) open = i;
  if (open == n) open = n - 1;
  std::string_view parts[16];
  if (n > 16) return false;
  for (size_t i = 0; i < open; ++i) {
    size_t at = rest.find(literals_[i + 1]);
    if (at == std::string_view::npos) return false;
    parts[i] = rest.substr(0, at);
    rest.remove_prefix(at + literals_[i + 1].size());
  }
  for (size_t i = n - 1; i > open; --i) {
    size_t at = rest.rfind(literals_[i]);
    if (at == std::string_view::npos) return false;
    parts[i] = rest.substr(at + literals_[i].size());
    rest = rest.substr(0, at);
  }
  parts[open] = rest;
  for (size_t i = 0; i < n; ++i) {
    if (!restricted_[i]) continue;
    if (parts[i].empty()) return false;
    for (char c : parts[i])
      if (!restricted_char(c)) return false;
  }
  if (values != nullptr) values->assign(parts, parts + n);
  return true;
}

}  // namespace stele::sql::redis

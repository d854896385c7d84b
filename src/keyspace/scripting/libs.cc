// The small libraries scripts may use: cjson, bit.
#include <lua5.1/lua.hpp>

#include "keyspace/scripting/engine.h"

namespace stele::keyspace {
namespace {

// ---- cjson ----
constexpr int kMaxDepth = 1000;
char g_empty_array;

void json_string(std::string& out, std::string_view s) {
  out += '"';
  for (char ch : s) {
    auto c = static_cast<unsigned char>(ch);
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '/': out += "\\/"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (c < 0x20 || c == 127) out += fmt::format("\\u{:04x}", c);
        else out += ch;
    }
  }
  out += '"';
}
// Encodes the value at the top; leaves the stack as it was. False: *error says why.
bool json_encode(lua_State* l, std::string& out, int depth, std::string* error) {
  switch (lua_type(l, -1)) {
    case LUA_TSTRING: {
      size_t n;
      const char* s = lua_tolstring(l, -1, &n);
      json_string(out, {s, n});
      return true;
    }
    case LUA_TNUMBER: {
      double v = lua_tonumber(l, -1);
      if (std::isinf(v) || std::isnan(v)) { *error = "Cannot serialise number: must not be NaN or Inf"; return false; }
      char buf[32];
      std::snprintf(buf, sizeof buf, "%.14g", v);
      out += buf;
      return true;
    }
    case LUA_TBOOLEAN: out += lua_toboolean(l, -1) ? "true" : "false"; return true;
    case LUA_TNIL: out += "null"; return true;
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(l, -1) == nullptr) { out += "null"; return true; }
      if (lua_touserdata(l, -1) == &g_empty_array) { out += "[]"; return true; }
      *error = "Cannot serialise userdata: type not supported";
      return false;
    case LUA_TTABLE: break;
    default: *error = fmt::format("Cannot serialise {}: type not supported", luaL_typename(l, -1)); return false;
  }
  if (depth + 1 > kMaxDepth || !lua_checkstack(l, 3)) { *error = fmt::format("Cannot serialise, excessive nesting ({})", depth + 1); return false; }
  double max = 0;
  int64_t items = 0;
  bool array = true;
  lua_pushnil(l);
  while (lua_next(l, -2)) {
    if (lua_type(l, -2) == LUA_TNUMBER) {
      double k = lua_tonumber(l, -2);
      if (k >= 1 && std::floor(k) == k) { max = std::max(max, k); ++items; lua_pop(l, 1); continue; }
    }
    array = false;
    lua_pop(l, 2);
    break;
  }
  if (array && items > 0) {
    if (max > static_cast<double>(items) * 2 && max > 10) { *error = "Cannot serialise table: excessively sparse array"; return false; }
    out += '[';
    for (int64_t i = 1; i <= static_cast<int64_t>(max); ++i) {
      if (i > 1) out += ',';
      lua_rawgeti(l, -1, static_cast<int>(i));
      bool ok = json_encode(l, out, depth + 1, error);
      lua_pop(l, 1);
      if (!ok) return false;
    }
    out += ']';
    return true;
  }
  out += '{';
  bool first = true;
  lua_pushnil(l);
  while (lua_next(l, -2)) {
    if (!first) out += ',';
    first = false;
    if (lua_type(l, -2) == LUA_TSTRING) {
      size_t n;
      const char* s = lua_tolstring(l, -2, &n);
      json_string(out, {s, n});
    } else if (lua_type(l, -2) == LUA_TNUMBER) {
      char buf[32];
      std::snprintf(buf, sizeof buf, "%.14g", lua_tonumber(l, -2));
      out += '"';
      out += buf;
      out += '"';
    } else {
      *error = "Cannot serialise table: table key must be a number or string";
      lua_pop(l, 2);
      return false;
    }
    out += ':';
    bool ok = json_encode(l, out, depth + 1, error);
    lua_pop(l, 1);
    if (!ok) { lua_pop(l, 1); return false; }
  }
  out += '}';
  return true;
}

struct JsonIn {
  const char* p;
  const char* begin;
  const char* end;
  std::string error;
  bool fail(const char* expected) {
    std::string found = "invalid token";
    std::string_view rest(p, p < end ? static_cast<size_t>(end - p) : 0);
    if (rest.empty()) found = "T_END";
    else if (rest.starts_with("true") || rest.starts_with("false")) found = "T_BOOLEAN";
    else if (rest.starts_with("null")) found = "T_NULL";
    else if (rest[0] == '-' || isdigit(static_cast<unsigned char>(rest[0]))) found = "T_NUMBER";
    else {
      static constexpr std::pair<char, const char*> kTokens[] = {{'{', "T_OBJ_BEGIN"}, {'}', "T_OBJ_END"}, {'[', "T_ARR_BEGIN"}, {']', "T_ARR_END"}, {'"', "T_STRING"}, {':', "T_COLON"}, {',', "T_COMMA"}};
      for (auto& [c, name] : kTokens)
        if (rest[0] == c) found = name;
    }
    if (error.empty()) error = fmt::format("Expected {} but found {} at character {}", expected, found, p - begin + 1);
    return false;
  }
  void space() { while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) ++p; }
};
void utf8(std::string& out, uint32_t c) {
  if (c < 0x80) out += static_cast<char>(c);
  else if (c < 0x800) { out += static_cast<char>(0xc0 | c >> 6); out += static_cast<char>(0x80 | (c & 63)); }
  else if (c < 0x10000) { out += static_cast<char>(0xe0 | c >> 12); out += static_cast<char>(0x80 | ((c >> 6) & 63)); out += static_cast<char>(0x80 | (c & 63)); }
  else { out += static_cast<char>(0xf0 | c >> 18); out += static_cast<char>(0x80 | ((c >> 12) & 63)); out += static_cast<char>(0x80 | ((c >> 6) & 63)); out += static_cast<char>(0x80 | (c & 63)); }
}
bool json_text(JsonIn& in, std::string* out) {
  ++in.p;
  auto hex4 = [&](uint32_t* v) {
    if (in.end - in.p < 4) return false;
    *v = 0;
    for (int i = 0; i < 4; ++i, ++in.p) {
      if (!isxdigit(static_cast<unsigned char>(*in.p))) return false;
      *v = *v * 16 + static_cast<uint32_t>(isdigit(static_cast<unsigned char>(*in.p)) ? *in.p - '0' : tolower(*in.p) - 'a' + 10);
    }
    return true;
  };
  while (in.p < in.end && *in.p != '"') {
    char c = *in.p++;
    if (static_cast<unsigned char>(c) < 0x20) return in.fail("value");
    if (c != '\\') { *out += c; continue; }
    if (in.p >= in.end) return in.fail("value");
    switch (c = *in.p++) {
      case '"': case '\\': case '/': *out += c; break;
      case 'b': *out += '\b'; break;
      case 'f': *out += '\f'; break;
      case 'n': *out += '\n'; break;
      case 'r': *out += '\r'; break;
      case 't': *out += '\t'; break;
      case 'u': {
        uint32_t v, low;
        if (!hex4(&v)) return in.fail("value");
        if (v >= 0xd800 && v < 0xdc00) {
          if (in.end - in.p < 6 || in.p[0] != '\\' || in.p[1] != 'u') return in.fail("value");
          in.p += 2;
          if (!hex4(&low) || low < 0xdc00 || low > 0xdfff) return in.fail("value");
          v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
        }
        utf8(*out, v);
        break;
      }
      default: return in.fail("value");
    }
  }
  if (in.p >= in.end) return in.fail("value");
  ++in.p;
  return true;
}
bool json_decode(lua_State* l, JsonIn& in, int depth) {
  in.space();
  if (in.p >= in.end) return in.fail("value");
  auto word = [&](std::string_view w) {
    if (static_cast<size_t>(in.end - in.p) < w.size() || std::string_view(in.p, w.size()) != w) return false;
    in.p += w.size();
    return true;
  };
  char c = *in.p;
  if (c == '"') {
    std::string s;
    if (!json_text(in, &s)) return false;
    lua_pushlstring(l, s.data(), s.size());
    return true;
  }
  if (c == '{' || c == '[') {
    if (depth + 1 > kMaxDepth || !lua_checkstack(l, 4)) {
      in.error = fmt::format("Found too many nested data structures ({})", depth + 1);
      return false;
    }
    bool object = c == '{';
    char close = object ? '}' : ']';
    ++in.p;
    lua_newtable(l);
    in.space();
    if (in.p < in.end && *in.p == close) { ++in.p; return true; }
    for (int i = 1;; ++i) {
      if (object) {
        in.space();
        std::string key;
        if (in.p >= in.end || *in.p != '"') { lua_pop(l, 1); return in.fail("object key string"); }
        if (!json_text(in, &key)) { lua_pop(l, 1); return false; }
        in.space();
        if (in.p >= in.end || *in.p != ':') { lua_pop(l, 1); return in.fail("colon"); }
        ++in.p;
        lua_pushlstring(l, key.data(), key.size());
        if (!json_decode(l, in, depth + 1)) { lua_pop(l, 2); return false; }
        lua_rawset(l, -3);
      } else {
        if (!json_decode(l, in, depth + 1)) { lua_pop(l, 1); return false; }
        lua_rawseti(l, -2, i);
      }
      in.space();
      if (in.p < in.end && *in.p == close) { ++in.p; return true; }
      if (in.p >= in.end || *in.p != ',') { lua_pop(l, 1); return in.fail(object ? "comma or object end" : "comma or array end"); }
      ++in.p;
    }
  }
  if (word("true")) { lua_pushboolean(l, 1); return true; }
  if (word("false")) { lua_pushboolean(l, 0); return true; }
  if (word("null")) { lua_pushlightuserdata(l, nullptr); return true; }
  if (c == '-' || isdigit(static_cast<unsigned char>(c)) || c == 'n' || c == 'N' || c == 'i' || c == 'I') {
    char* stop;
    std::string text(in.p, static_cast<size_t>(std::min<ptrdiff_t>(in.end - in.p, 400)));
    double v = std::strtod(text.c_str(), &stop);
    if (stop == text.c_str()) return in.fail("value");
    in.p += stop - text.c_str();
    lua_pushnumber(l, v);
    return true;
  }
  return in.fail("value");
}
int l_encode(lua_State* l) {
  if (lua_gettop(l) != 1) return luaL_error(l, "expected 1 argument");
  bool ok;
  {
    std::string out, error;
    ok = json_encode(l, out, 0, &error);
    if (ok) lua_pushlstring(l, out.data(), out.size());
    else { luaL_where(l, 1); lua_pushlstring(l, error.data(), error.size()); lua_concat(l, 2); }
  }
  return ok ? 1 : lua_error(l);
}
int l_decode(lua_State* l) {
  if (lua_gettop(l) != 1) return luaL_error(l, "expected 1 argument");
  size_t n;
  const char* s = luaL_checklstring(l, 1, &n);
  bool ok;
  {
    JsonIn in{s, s, s + n, {}};
    ok = json_decode(l, in, 0);
    if (ok) {
      in.space();
      if (in.p != in.end) { ok = false; in.fail("the end"); }
    }
    if (!ok) { luaL_where(l, 1); lua_pushlstring(l, in.error.data(), in.error.size()); lua_concat(l, 2); }
  }
  return ok ? 1 : lua_error(l);
}
int l_option(lua_State* l) { lua_settop(l, 1); return 1; }

// ---- bit ----
int32_t bits_of(lua_State* l, int i) {
  double d = luaL_checknumber(l, i);
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(std::fmod(std::nearbyint(d), 4294967296.0))));
}
int put(lua_State* l, uint32_t v) { lua_pushnumber(l, static_cast<int32_t>(v)); return 1; }
uint32_t ub(lua_State* l, int i) { return static_cast<uint32_t>(bits_of(l, i)); }
int b_tobit(lua_State* l) { return put(l, ub(l, 1)); }
int b_not(lua_State* l) { return put(l, ~ub(l, 1)); }
int b_and(lua_State* l) { uint32_t v = ub(l, 1); for (int i = 2; i <= lua_gettop(l); ++i) v &= ub(l, i); return put(l, v); }
int b_or(lua_State* l) { uint32_t v = ub(l, 1); for (int i = 2; i <= lua_gettop(l); ++i) v |= ub(l, i); return put(l, v); }
int b_xor(lua_State* l) { uint32_t v = ub(l, 1); for (int i = 2; i <= lua_gettop(l); ++i) v ^= ub(l, i); return put(l, v); }
int b_lshift(lua_State* l) { return put(l, ub(l, 1) << (ub(l, 2) & 31)); }
int b_rshift(lua_State* l) { return put(l, ub(l, 1) >> (ub(l, 2) & 31)); }
int b_arshift(lua_State* l) { return put(l, static_cast<uint32_t>(bits_of(l, 1) >> (ub(l, 2) & 31))); }
int b_rol(lua_State* l) { return put(l, std::rotl(ub(l, 1), static_cast<int>(ub(l, 2) & 31))); }
int b_ror(lua_State* l) { return put(l, std::rotr(ub(l, 1), static_cast<int>(ub(l, 2) & 31))); }
int b_bswap(lua_State* l) { return put(l, __builtin_bswap32(ub(l, 1))); }
int b_tohex(lua_State* l) {
  uint32_t v = ub(l, 1);
  int n = lua_isnone(l, 2) ? 8 : bits_of(l, 2);
  const char* digits = n < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
  n = std::clamp(std::abs(std::max(n, -8)), 0, 8);
  char buf[8];
  for (int i = n; i-- > 0; v >>= 4) buf[i] = digits[v & 15];
  lua_pushlstring(l, buf, static_cast<size_t>(n));
  return 1;
}

int make(lua_State* l, const luaL_Reg* r) {
  lua_newtable(l);
  for (; r->name != nullptr; ++r) {
    lua_pushcfunction(l, r->func);
    lua_setfield(l, -2, r->name);
  }
  return 1;
}
}  // namespace

int open_cjson(lua_State* l) {
  static const luaL_Reg f[] = {{"encode", l_encode}, {"decode", l_decode}, {"encode_keep_buffer", l_option}, {"encode_max_depth", l_option}, {"decode_max_depth", l_option},
                               {"encode_sparse_array", l_option}, {"encode_number_precision", l_option}, {"encode_invalid_numbers", l_option}, {"decode_invalid_numbers", l_option}, {nullptr, nullptr}};
  make(l, f);
  lua_pushlightuserdata(l, nullptr);
  lua_setfield(l, -2, "null");
  lua_pushlightuserdata(l, &g_empty_array);
  lua_setfield(l, -2, "empty_array");
  return 1;
}
int open_bit(lua_State* l) {
  static const luaL_Reg f[] = {{"tobit", b_tobit}, {"bnot", b_not}, {"band", b_and}, {"bor", b_or}, {"bxor", b_xor}, {"lshift", b_lshift}, {"rshift", b_rshift}, {"arshift", b_arshift},
                               {"rol", b_rol}, {"ror", b_ror}, {"bswap", b_bswap}, {"tohex", b_tohex}, {nullptr, nullptr}};
  return make(l, f);
}
}  // namespace stele::keyspace

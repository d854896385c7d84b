// cmsgpack and struct: binary packing for scripts.
#include <lua5.1/lua.hpp>

#include "base/codec.h"
#include "keyspace/scripting/engine.h"

namespace stele::keyspace {
namespace {

template <class T>
void put_be(std::string& out, T v) {
  for (size_t i = sizeof(T); i-- > 0;) out += static_cast<char>(static_cast<uint64_t>(v) >> (8 * i));
}
void pack_head(std::string& out, size_t n, unsigned fix, size_t fix_max, int b8, unsigned b16, unsigned b32) {
  if (n <= fix_max) out += static_cast<char>(fix | n);
  else if (b8 >= 0 && n <= 255) { out += static_cast<char>(b8); out += static_cast<char>(n); }
  else if (n <= 65535) { out += static_cast<char>(b16); put_be<uint16_t>(out, static_cast<uint16_t>(n)); }
  else { out += static_cast<char>(b32); put_be<uint32_t>(out, static_cast<uint32_t>(n)); }
}
void pack(lua_State* l, std::string& out, int depth) {
  switch (lua_type(l, -1)) {
    case LUA_TSTRING: {
      size_t n;
      const char* s = lua_tolstring(l, -1, &n);
      pack_head(out, n, 0xa0, 31, 0xd9, 0xda, 0xdb);
      out.append(s, n);
      return;
    }
    case LUA_TBOOLEAN: out += static_cast<char>(lua_toboolean(l, -1) ? 0xc3 : 0xc2); return;
    case LUA_TNUMBER: {
      double d = lua_tonumber(l, -1);
      if (d == std::floor(d) && std::fabs(d) < 9.2e18) {
        auto v = static_cast<int64_t>(d);
        if (v >= 0) {
          if (v <= 127) out += static_cast<char>(v);
          else if (v <= 255) { out += '\xcc'; out += static_cast<char>(v); }
          else if (v <= 65535) { out += '\xcd'; put_be<uint16_t>(out, static_cast<uint16_t>(v)); }
          else if (v <= UINT32_MAX) { out += '\xce'; put_be<uint32_t>(out, static_cast<uint32_t>(v)); }
          else { out += '\xcf'; put_be<uint64_t>(out, static_cast<uint64_t>(v)); }
        } else if (v >= -32) out += static_cast<char>(v);
        else if (v >= -128) { out += '\xd0'; out += static_cast<char>(v); }
        else if (v >= INT16_MIN) { out += '\xd1'; put_be<uint16_t>(out, static_cast<uint16_t>(v)); }
        else if (v >= INT32_MIN) { out += '\xd2'; put_be<uint32_t>(out, static_cast<uint32_t>(v)); }
        else { out += '\xd3'; put_be<uint64_t>(out, static_cast<uint64_t>(v)); }
        return;
      }
      auto f = static_cast<float>(d);
      if (static_cast<double>(f) == d) { out += '\xca'; put_be<uint32_t>(out, std::bit_cast<uint32_t>(f)); }
      else { out += '\xcb'; put_be<uint64_t>(out, std::bit_cast<uint64_t>(d)); }
      return;
    }
    case LUA_TTABLE: {
      if (depth >= 16 || !lua_checkstack(l, 3)) { out += '\xc0'; return; }
      size_t n = 0, max = 0;
      bool array = true;
      lua_pushnil(l);
      while (lua_next(l, -2)) {
        lua_pop(l, 1);
        double k = lua_type(l, -1) == LUA_TNUMBER ? lua_tonumber(l, -1) : -1;
        if (k <= 0 || k != std::floor(k)) array = false;
        else max = std::max(max, static_cast<size_t>(k));
        ++n;
      }
      if (array && max == n) {
        pack_head(out, n, 0x90, 15, -1, 0xdc, 0xdd);
        for (size_t i = 1; i <= n; ++i) {
          lua_rawgeti(l, -1, static_cast<int>(i));
          pack(l, out, depth + 1);
          lua_pop(l, 1);
        }
        return;
      }
      pack_head(out, n, 0x80, 15, -1, 0xde, 0xdf);
      lua_pushnil(l);
      while (lua_next(l, -2)) {
        lua_pushvalue(l, -2);
        pack(l, out, depth + 1);
        lua_pop(l, 1);
        pack(l, out, depth + 1);
        lua_pop(l, 1);
      }
      return;
    }
    default: out += '\xc0';
  }
}
struct PackIn { const unsigned char* p; const unsigned char* end; const char* error = nullptr; };
bool unpack(lua_State* l, PackIn& in, int depth) {
  auto bad = [&](const char* e) { in.error = e; return false; };
  auto need = [&](size_t n) { return static_cast<size_t>(in.end - in.p) >= n; };
  if (!need(1)) return bad("Missing bytes in input.");
  if (depth > 900 || !lua_checkstack(l, 4)) return bad("Bad data format in input.");
  unsigned char b = *in.p++;
  auto be = [&](size_t n) { uint64_t v = 0; while (n-- > 0) v = v << 8 | *in.p++; return v; };
  auto text = [&](size_t n) {
    if (!need(n)) return bad("Missing bytes in input.");
    lua_pushlstring(l, reinterpret_cast<const char*>(in.p), n);
    in.p += n;
    return true;
  };
  auto array = [&](uint64_t n) {
    if (n > static_cast<uint64_t>(in.end - in.p)) return bad("Missing bytes in input.");
    lua_newtable(l);
    for (uint64_t i = 1; i <= n; ++i) {
      if (!unpack(l, in, depth + 1)) { lua_pop(l, 1); return false; }
      lua_rawseti(l, -2, static_cast<int>(i));
    }
    return true;
  };
  auto map = [&](uint64_t n) {
    if (n > static_cast<uint64_t>(in.end - in.p)) return bad("Missing bytes in input.");
    lua_newtable(l);
    for (; n > 0; --n) {
      if (!unpack(l, in, depth + 1)) { lua_pop(l, 1); return false; }
      if (!unpack(l, in, depth + 1)) { lua_pop(l, 2); return false; }
      if (lua_isnil(l, -2)) { lua_pop(l, 2); continue; }
      lua_settable(l, -3);
    }
    return true;
  };
  if (b < 0x80) { lua_pushnumber(l, b); return true; }
  if (b >= 0xe0) { lua_pushnumber(l, static_cast<int8_t>(b)); return true; }
  if (b < 0x90) return map(b & 15);
  if (b < 0xa0) return array(b & 15);
  if (b < 0xc0) return text(b & 31);
  static const uint8_t sizes[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 16, 1, 2, 4, 2, 4, 2, 4};
  size_t head = sizes[b - 0xc0];
  if (b < 0xd4 || b > 0xd8)
    if (!need(head)) return bad("Missing bytes in input.");
  switch (b) {
    case 0xc0: lua_pushnil(l); return true;
    case 0xc2: lua_pushboolean(l, 0); return true;
    case 0xc3: lua_pushboolean(l, 1); return true;
    case 0xca: lua_pushnumber(l, std::bit_cast<float>(static_cast<uint32_t>(be(4)))); return true;
    case 0xcb: lua_pushnumber(l, std::bit_cast<double>(be(8))); return true;
    case 0xcc: case 0xcd: case 0xce: case 0xcf: lua_pushnumber(l, static_cast<lua_Number>(be(head))); return true;
    case 0xd0: lua_pushnumber(l, static_cast<int8_t>(be(1))); return true;
    case 0xd1: lua_pushnumber(l, static_cast<int16_t>(be(2))); return true;
    case 0xd2: lua_pushnumber(l, static_cast<int32_t>(be(4))); return true;
    case 0xd3: lua_pushnumber(l, static_cast<lua_Number>(static_cast<int64_t>(be(8)))); return true;
    case 0xc4: case 0xc5: case 0xc6: case 0xd9: case 0xda: case 0xdb: return text(be(head));
    case 0xdc: case 0xdd: return array(be(head));
    case 0xde: case 0xdf: return map(be(head));
    default: return bad("Bad data format in input.");
  }
}
int l_pack(lua_State* l) {
  int n = lua_gettop(l);
  if (n == 0) return luaL_argerror(l, 0, "MessagePack pack needs input.");
  {
    std::string out;
    for (int i = 1; i <= n; ++i) {
      lua_pushvalue(l, i);
      pack(l, out, 0);
      lua_pop(l, 1);
    }
    lua_pushlstring(l, out.data(), out.size());
  }
  return 1;
}
int unpack_from(lua_State* l, int64_t limit, int64_t offset, bool partial) {
  size_t n;
  const char* s = luaL_checklstring(l, 1, &n);
  if (offset < 0 || limit < 0) return luaL_error(l, "Invalid request to unpack with offset of %d and limit of %d.", static_cast<int>(offset), static_cast<int>(n));
  if (static_cast<size_t>(offset) > n) return luaL_error(l, "Start offset %d greater than input length %d.", static_cast<int>(offset), static_cast<int>(n));
  auto* base = reinterpret_cast<const unsigned char*>(s);
  PackIn in{base + offset, base + n};
  int results = 0;
  if (partial) lua_pushnumber(l, 0);
  int slot = lua_gettop(l);
  while (in.p < in.end && (!partial || results < limit)) {
    if (!unpack(l, in, 0)) return luaL_error(l, "%s", in.error);
    ++results;
  }
  if (partial) {
    lua_pushnumber(l, in.p == in.end ? -1 : static_cast<lua_Number>(in.p - base));
    lua_replace(l, slot);
    return results + 1;
  }
  return results;
}
int l_unpack(lua_State* l) { return unpack_from(l, INT32_MAX, 0, false); }
int l_unpack_one(lua_State* l) { return unpack_from(l, 1, static_cast<int64_t>(luaL_optnumber(l, 2, 0)), true); }
int l_unpack_limit(lua_State* l) { return unpack_from(l, static_cast<int64_t>(luaL_checknumber(l, 2)), static_cast<int64_t>(luaL_optnumber(l, 3, 0)), true); }

// ---- struct ----
struct Format { bool little = true; size_t align = 1; };
size_t option_size(lua_State* l, char opt, const char** f) {
  auto digits = [&](size_t def) -> size_t {
    if (!isdigit(static_cast<unsigned char>(**f))) return def;
    size_t v = 0;
    while (isdigit(static_cast<unsigned char>(**f))) {
      int d = *(*f)++ - '0';
      if (v > (INT32_MAX - static_cast<size_t>(d)) / 10) { luaL_error(l, "integral size overflow"); return 0; }
      v = v * 10 + static_cast<size_t>(d);
    }
    return v;
  };
  switch (opt) {
    case 'B': case 'b': return 1;
    case 'H': case 'h': return 2;
    case 'L': case 'l': case 'T': return 8;
    case 'f': return 4;
    case 'd': return 8;
    case 'x': return 1;
    case 'c': return digits(1);
    case 'i': case 'I': {
      size_t n = digits(4);
      if (n > 32) luaL_error(l, "integral size %d is larger than limit of %d", static_cast<int>(n), 32);
      return n;
    }
    default: return 0;
  }
}
size_t padding(size_t size, char opt, const Format& f, size_t at) {
  if (size == 0 || opt == 'c') return 0;
  size_t a = std::min(size, f.align);
  return a > 1 ? (a - (at & (a - 1))) & (a - 1) : 0;
}
void control(lua_State* l, char opt, const char** fmt, Format* f) {
  switch (opt) {
    case ' ': return;
    case '>': f->little = false; return;
    case '<': f->little = true; return;
    case '!': {
      size_t a = 0;
      if (!isdigit(static_cast<unsigned char>(**fmt))) a = 8;
      while (isdigit(static_cast<unsigned char>(**fmt)) && a < 1000) a = a * 10 + static_cast<size_t>(*(*fmt)++ - '0');
      if (a == 0 || (a & (a - 1))) luaL_error(l, "alignment is not a power of 2");
      f->align = a;
      return;
    }
    default: luaL_argerror(l, 1, lua_pushfstring(l, "invalid format option '%c'", opt));
  }
}
int s_pack(lua_State* l) {
  const char* fmt = luaL_checkstring(l, 1);
  luaL_Buffer b;
  Format f;
  int arg = 2;
  size_t total = 0;
  lua_pushnil(l);
  luaL_buffinit(l, &b);
  while (*fmt) {
    char opt = *fmt++;
    size_t size = option_size(l, opt, &fmt), pad = padding(size, opt, f, total);
    total += pad;
    while (pad-- > 0) luaL_addchar(&b, 0);
    switch (opt) {
      case 'b': case 'B': case 'h': case 'H': case 'l': case 'L': case 'T': case 'i': case 'I': {
        double d = luaL_checknumber(l, arg++);
        uint64_t v = d < 0 ? static_cast<uint64_t>(static_cast<int64_t>(d)) : static_cast<uint64_t>(d);
        char buf[32];
        for (size_t i = 0; i < size; ++i) {
          char byte = i < 8 ? static_cast<char>(v >> (8 * i)) : static_cast<char>(d < 0 ? -1 : 0);
          buf[f.little ? i : size - 1 - i] = byte;
        }
        luaL_addlstring(&b, buf, size);
        break;
      }
      case 'x': luaL_addchar(&b, 0); break;
      case 'f': case 'd': {
        double d = luaL_checknumber(l, arg++);
        uint64_t v = opt == 'f' ? std::bit_cast<uint32_t>(static_cast<float>(d)) : std::bit_cast<uint64_t>(d);
        for (size_t i = 0; i < size; ++i) luaL_addchar(&b, static_cast<char>(v >> (8 * (f.little ? i : size - 1 - i))));
        break;
      }
      case 'c': case 's': {
        size_t n;
        const char* s = luaL_checklstring(l, arg++, &n);
        if (size == 0) size = n;
        luaL_argcheck(l, n >= size, arg, "string too short");
        luaL_addlstring(&b, s, size);
        if (opt == 's') { luaL_addchar(&b, 0); ++size; }
        break;
      }
      default: control(l, opt, &fmt, &f);
    }
    total += size;
  }
  luaL_pushresult(&b);
  return 1;
}
int s_unpack(lua_State* l) {
  const char* fmt = luaL_checkstring(l, 1);
  size_t n;
  const char* data = luaL_checklstring(l, 2, &n);
  lua_Number start = luaL_optnumber(l, 3, 1);
  luaL_argcheck(l, start > 0, 3, "offset must be 1 or greater");
  size_t at = static_cast<size_t>(start) - 1;
  Format f;
  int results = 0;
  while (*fmt) {
    char opt = *fmt++;
    size_t size = option_size(l, opt, &fmt);
    at += padding(size, opt, f, at);
    luaL_argcheck(l, size <= n && at <= n - size, 2, "data string too short");
    luaL_checkstack(l, 2, "too many results");
    switch (opt) {
      case 'b': case 'B': case 'h': case 'H': case 'l': case 'L': case 'T': case 'i': case 'I': {
        uint64_t v = 0;
        for (size_t i = 0; i < std::min<size_t>(size, 8); ++i) v |= static_cast<uint64_t>(static_cast<unsigned char>(data[at + (f.little ? i : size - 1 - i)])) << (8 * i);
        bool is_signed = opt == 'b' || opt == 'h' || opt == 'l' || opt == 'i';
        if (is_signed) {
          if (size < 8 && size > 0 && (v >> (8 * size - 1))) v |= ~uint64_t{0} << (8 * size);
          lua_pushnumber(l, static_cast<lua_Number>(static_cast<int64_t>(v)));
        } else {
          lua_pushnumber(l, static_cast<lua_Number>(v));
        }
        ++results;
        break;
      }
      case 'x': break;
      case 'f': case 'd': {
        uint64_t v = 0;
        for (size_t i = 0; i < size; ++i) v |= static_cast<uint64_t>(static_cast<unsigned char>(data[at + (f.little ? i : size - 1 - i)])) << (8 * i);
        lua_pushnumber(l, opt == 'f' ? std::bit_cast<float>(static_cast<uint32_t>(v)) : std::bit_cast<double>(v));
        ++results;
        break;
      }
      case 'c':
        if (size == 0) {
          if (results == 0 || !lua_isnumber(l, -1)) luaL_error(l, "format 'c0' needs a previous size");
          double want = lua_tonumber(l, -1);
          lua_pop(l, 1);
          --results;
          luaL_argcheck(l, want >= 0 && want <= static_cast<double>(n) && at <= n - static_cast<size_t>(want), 2, "data string too short");
          size = static_cast<size_t>(want);
        }
        lua_pushlstring(l, data + at, size);
        ++results;
        break;
      case 's': {
        const void* e = std::memchr(data + at, 0, n - at);
        if (e == nullptr) luaL_error(l, "unfinished string in data");
        size = static_cast<size_t>(static_cast<const char*>(e) - (data + at)) + 1;
        lua_pushlstring(l, data + at, size - 1);
        ++results;
        break;
      }
      default: control(l, opt, &fmt, &f);
    }
    at += size;
  }
  lua_pushinteger(l, static_cast<lua_Integer>(at + 1));
  return results + 1;
}
int s_size(lua_State* l) {
  const char* fmt = luaL_checkstring(l, 1);
  Format f;
  size_t at = 0;
  while (*fmt) {
    char opt = *fmt++;
    size_t size = option_size(l, opt, &fmt);
    at += padding(size, opt, f, at);
    if (opt == 's') luaL_argerror(l, 1, "option 's' has no fixed size");
    if (opt == 'c' && size == 0) luaL_argerror(l, 1, "variable-length format");
    if (!isalnum(static_cast<unsigned char>(opt))) control(l, opt, &fmt, &f);
    at += size;
  }
  lua_pushinteger(l, static_cast<lua_Integer>(at));
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

int open_cmsgpack(lua_State* l) {
  static const luaL_Reg f[] = {{"pack", l_pack}, {"unpack", l_unpack}, {"unpack_one", l_unpack_one}, {"unpack_limit", l_unpack_limit}, {nullptr, nullptr}};
  return make(l, f);
}
int open_struct(lua_State* l) {
  static const luaL_Reg f[] = {{"pack", s_pack}, {"unpack", s_unpack}, {"size", s_size}, {nullptr, nullptr}};
  return make(l, f);
}
}  // namespace stele::keyspace

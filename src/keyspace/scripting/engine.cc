#include "keyspace/scripting/engine.h"

#include <lua5.1/lua.hpp>

namespace stele::keyspace {
namespace {

ScriptEngine* engine_of(lua_State* l) {
  lua_getfield(l, LUA_REGISTRYINDEX, "stele.engine");
  auto* e = static_cast<ScriptEngine*>(lua_touserdata(l, -1));
  lua_pop(l, 1);
  return e;
}
int l_call(lua_State* l) {
  int n = engine_of(l)->redis_call(l, true);
  return n < 0 ? lua_error(l) : n;
}
int l_pcall(lua_State* l) {
  int n = engine_of(l)->redis_call(l, false);
  return n < 0 ? 1 : n;
}
int raise(lua_State* l, const char* text) {
  push_error_table(l, text);
  return lua_error(l);
}
// pcall() gives the text of errors that redis.call raised, not their table.
int plain_pcall(lua_State* l) {
  luaL_checkany(l, 1);
  bool failed = lua_pcall(l, lua_gettop(l) - 1, LUA_MULTRET, 0) != 0;
  if (failed && lua_istable(l, -1)) {
    lua_getfield(l, -1, "err");
    if (lua_isstring(l, -1)) lua_replace(l, -2);
    else lua_pop(l, 1);
  }
  lua_pushboolean(l, !failed);
  lua_insert(l, 1);
  return lua_gettop(l);
}
// Marks the table of an error that the statistics have already, as in Redis.
constexpr const char* kCounted = "ignore_error_stats_update";
bool is_counted(lua_State* l) {
  lua_getfield(l, -1, kCounted);
  bool yes = lua_toboolean(l, -1) != 0;
  lua_pop(l, 1);
  return yes;
}
// Tables that protect() closed stay as they are, whatever way a script tries.
bool is_protected(lua_State* l, int index) {
  if (!lua_istable(l, index) || !lua_getmetatable(l, index)) return false;
  lua_getfield(l, -1, "__metatable");
  bool closed = !lua_isnil(l, -1);
  lua_pop(l, 2);
  return closed;
}
int guarded_rawset(lua_State* l) {
  if (is_protected(l, 1)) return raise(l, "Attempt to modify a readonly table");
  luaL_checktype(l, 1, LUA_TTABLE);
  luaL_checkany(l, 2);
  luaL_checkany(l, 3);
  lua_settop(l, 3);
  lua_rawset(l, 1);
  return 1;
}
int guarded_setmetatable(lua_State* l) {
  if (is_protected(l, 1)) return raise(l, "Attempt to modify a readonly table");
  lua_pushvalue(l, lua_upvalueindex(1));
  lua_insert(l, 1);
  lua_call(l, lua_gettop(l) - 1, LUA_MULTRET);
  return lua_gettop(l);
}
int l_log(lua_State* l) {
  if (lua_gettop(l) < 2) return raise(l, "redis.log() requires two arguments or more.");
  if (!lua_isnumber(l, 1)) return raise(l, "First argument must be a number (log level).");
  int level = static_cast<int>(lua_tonumber(l, 1));
  if (level < 0 || level > 3) return raise(l, "Invalid debug level.");
  return 0;
}
int single_field(lua_State* l, const char* field) {
  if (lua_gettop(l) != 1 || lua_type(l, 1) != LUA_TSTRING) {
    push_error_table(l, "wrong number or type of arguments");
    return 1;
  }
  lua_newtable(l);
  lua_pushvalue(l, 1);
  lua_setfield(l, -2, field);
  return 1;
}
int l_status(lua_State* l) { return single_field(l, "ok"); }
int l_error(lua_State* l) {
  if (lua_gettop(l) != 1 || lua_type(l, 1) != LUA_TSTRING) {
    push_error_table(l, "wrong number or type of arguments");
    return 1;
  }
  {
    std::string text = lua_tostring(l, 1);
    if (text.empty() || text[0] != '-') text = "-" + text;
    push_error_table(l, text);
  }
  return 1;
}
int l_sha1(lua_State* l) {
  if (lua_gettop(l) != 1) return raise(l, "wrong number of arguments");
  size_t n;
  const char* s = lua_tolstring(l, 1, &n);
  {
    std::string hex = sha1_hex({s == nullptr ? "" : s, s == nullptr ? 0 : n});
    lua_pushlstring(l, hex.data(), hex.size());
  }
  return 1;
}
int l_true(lua_State* l) { lua_pushboolean(l, 1); return 1; }
int l_set_repl(lua_State* l) {
  if (lua_gettop(l) != 1) return raise(l, "redis.set_repl() requires two arguments.");
  int flags = static_cast<int>(lua_tonumber(l, 1));
  if (flags & ~3) return raise(l, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  return 0;
}
int l_nothing(lua_State*) { return 0; }
int l_setresp(lua_State* l) {
  if (lua_gettop(l) != 1) return raise(l, "redis.setresp() requires one argument.");
  int v = static_cast<int>(lua_tonumber(l, 1));
  if (v != 2 && v != 3) return raise(l, "RESP version must be 2 or 3.");
  engine_of(l)->script_resp = v;
  return 0;
}
int l_acl_check(lua_State* l) {
  bool bad = lua_gettop(l) == 0;
  int result = 0;
  if (!bad) {
    ScriptEngine* e = engine_of(l);
    std::vector<std::string> args;
    for (int i = 1; i <= lua_gettop(l); ++i) {
      size_t n;
      const char* s = lua_tolstring(l, i, &n);
      args.emplace_back(s == nullptr ? "" : std::string(s, n));
    }
    std::vector<std::string_view> views(args.begin(), args.end());
    CommandSpec* spec = e->keyspace().commands.find(views);
    if (spec == nullptr) bad = true;
    else {
      int at;
      Session* s = e->keyspace().current_script;
      result = s == nullptr || e->keyspace().acl.check(*s->user, *spec, views, &at) == AclVerdict::kOk;
    }
    if (bad) push_error_table(l, "Invalid command passed to redis.acl_check_cmd()");
  } else {
    push_error_table(l, "Please specify at least one argument for this redis lib call");
  }
  if (bad) return lua_error(l);
  lua_pushboolean(l, result);
  return 1;
}

// ---- register_function ----
int l_register(lua_State* l) {
  if (engine_of(l)->loading == nullptr) return raise(l, "redis.register_function can only be called on FUNCTION LOAD command");
  const char* error = nullptr;
  {
    ScriptEngine* e = engine_of(l);
    ScriptFunction f;
    int n = lua_gettop(l);
    static const std::pair<const char*, uint32_t> kFlags[] = {{"no-writes", kScriptNoWrites}, {"allow-oom", kScriptAllowOom}, {"allow-stale", kScriptAllowStale}, {"no-cluster", kScriptNoCluster}, {"allow-cross-slot-keys", kScriptAllowCross}};
    if (n < 1 || n > 2) error = "wrong number of arguments to redis.register_function";
    else if (n == 2) {
      if (!lua_isstring(l, 1)) error = "first argument to redis.register_function must be a string";
      else if (!lua_isfunction(l, 2)) error = "second argument to redis.register_function must be a function";
      else {
        f.name = lua_tostring(l, 1);
        lua_pushvalue(l, 2);
        f.ref = luaL_ref(l, LUA_REGISTRYINDEX);
      }
    } else if (!lua_istable(l, 1)) {
      error = "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).";
    } else {
      lua_pushnil(l);
      while (error == nullptr && lua_next(l, 1) != 0) {
        std::string key = lua_type(l, -2) == LUA_TSTRING ? lua_tostring(l, -2) : "";
        if (key.empty()) error = "named argument key given to redis.register_function is not a string";
        else if (key == "function_name") { if (lua_isstring(l, -1)) { lua_pushvalue(l, -1); f.name = lua_tostring(l, -1); lua_pop(l, 1); } else error = "function_name argument given to redis.register_function must be a string"; }
        else if (key == "description") { if (lua_isstring(l, -1)) { lua_pushvalue(l, -1); f.description = lua_tostring(l, -1); lua_pop(l, 1); } else error = "description argument given to redis.register_function must be a string"; }
        else if (key == "callback") {
          if (lua_isfunction(l, -1)) { lua_pushvalue(l, -1); f.ref = luaL_ref(l, LUA_REGISTRYINDEX); }
          else error = "callback argument given to redis.register_function must be a function";
        } else if (key == "flags") {
          if (!lua_istable(l, -1)) error = "flags argument to redis.register_function must be a table representing function flags";
          else
            for (int i = 1;; ++i) {
              lua_rawgeti(l, -1, i);
              if (lua_isnil(l, -1)) { lua_pop(l, 1); break; }
              std::string flag = lua_type(l, -1) == LUA_TSTRING ? lua_tostring(l, -1) : "";
              lua_pop(l, 1);
              bool known = false;
              for (auto& [name, bit] : kFlags)
                if (flag == name) { f.flags |= bit; known = true; }
              if (!known) { error = "unknown flag given"; break; }
            }
        } else {
          error = "unknown argument given to redis.register_function";
        }
        lua_pop(l, 1);
      }
      if (error == nullptr && f.name.empty()) error = "redis.register_function must get a function name argument";
      else if (error == nullptr && f.ref < 0) error = "redis.register_function must get a callback argument";
    }
    if (error == nullptr) {
      for (char ch : f.name)
        if (!isalnum(static_cast<unsigned char>(ch)) && ch != '_') error = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
      if (f.name.empty()) error = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
    }
    if (error == nullptr && e->loading->functions.contains(f.name)) error = "Function already exists in the library";
    if (error == nullptr) {
      f.library = e->loading->name;
      std::string name = f.name;
      e->loading->functions[name] = std::move(f);
    }
  }
  return error != nullptr ? raise(l, error) : 0;
}

// Globals are reached through an empty table whose metatable refuses writes and unknown names.
// While a library is loaded they are others: it sees nothing but what registers functions.
int global_index(lua_State* l) {
  if (lua_toboolean(l, lua_upvalueindex(2)) && engine_of(l)->loading != nullptr) lua_getfield(l, LUA_REGISTRYINDEX, "stele.load_env");
  else lua_pushvalue(l, lua_upvalueindex(1));
  lua_pushvalue(l, 2);
  lua_rawget(l, -2);
  if (!lua_isnil(l, -1)) return 1;
  const char* name = lua_tostring(l, 2);
  return luaL_error(l, "Script attempted to access nonexistent global variable '%s'", name == nullptr ? "?" : name);
}
int read_only(lua_State* l) { return luaL_error(l, "Attempt to modify a readonly table"); }

// Replaces the table on top of the stack by a read-only view of it.
enum Protected { kTable, kStrictTable, kGlobals };
void protect(lua_State* l, Protected globals) {
  lua_newtable(l);                 // view
  lua_newtable(l);                 // metatable
  lua_pushvalue(l, -3);
  if (globals != kTable) {
    lua_pushboolean(l, globals == kGlobals);
    lua_pushcclosure(l, global_index, 2);
  }
  lua_setfield(l, -2, "__index");
  lua_pushcfunction(l, read_only);
  lua_setfield(l, -2, "__newindex");
  lua_pushboolean(l, 0);
  lua_setfield(l, -2, "__metatable");
  lua_setmetatable(l, -2);
  lua_remove(l, -2);
}

int error_handler(lua_State* l) {
  lua_Debug info;
  bool found = lua_getstack(l, 1, &info) && lua_getinfo(l, "nSl", &info);
  if (found && info.what[0] == 'C') found = lua_getstack(l, 2, &info) && lua_getinfo(l, "nSl", &info);
  if (!lua_istable(l, 1)) {
    const char* s = lua_tostring(l, 1);
    lua_newtable(l);
    lua_pushfstring(l, "ERR %s", s == nullptr ? "(error object is not a string)" : s);
    lua_setfield(l, -2, "err");
    lua_replace(l, 1);
  }
  if (found) {
    lua_pushstring(l, info.source);
    lua_setfield(l, 1, "source");
    lua_pushinteger(l, info.currentline);
    lua_setfield(l, 1, "line");
  }
  lua_settop(l, 1);
  return 1;
}
// pcall as scripts see it: error tables of redis.call stay tables.
int safe_loadstring(lua_State* l) {
  size_t n;
  const char* s = luaL_checklstring(l, 1, &n);
  const char* name = luaL_optstring(l, 2, s);
  if (n > 0 && s[0] == '\x1b') {
    lua_pushnil(l);
    lua_pushstring(l, "binary chunks are not allowed");
    return 2;
  }
  if (luaL_loadbuffer(l, s, n, name) == 0) {
    lua_getfield(l, LUA_REGISTRYINDEX, "stele.env");
    lua_setfenv(l, -2);
    return 1;
  }
  lua_pushnil(l);
  lua_insert(l, -2);
  return 2;
}
void hook_trampoline(lua_State* l, lua_Debug*) { engine_of(l)->hook(l); if (lua_toboolean(l, -1)) lua_error(l); lua_pop(l, 1); }

std::string to_text(lua_State* l, int i) {
  size_t n;
  const char* s = lua_tolstring(l, i, &n);
  return s == nullptr ? std::string() : std::string(s, n);
}
}  // namespace

void push_error_table(lua_State* l, std::string_view text) {
  std::string code = "ERR", message(text);
  if (!text.empty() && text[0] == '-') {
    size_t space = text.find(' ');
    if (space == std::string_view::npos) message = text.substr(1);
    else { code = text.substr(1, space - 1); message = text.substr(space + 1); }
  }
  while (!message.empty() && (message.back() == '\n' || message.back() == '\r')) message.pop_back();
  std::string full = code + " " + message;
  lua_newtable(l);
  lua_pushlstring(l, full.data(), full.size());
  lua_setfield(l, -2, "err");
}

ScriptEngine::ScriptEngine(Keyspace& ks) : ks_(ks) {
  session_ = std::make_unique<Session>(&session_out_);
  session_->fake = session_->script = true;
  session_->deny_blocking = true;
  lua_ = new_state(false);
  function_lua_ = new_state(true);
}
ScriptEngine::~ScriptEngine() {
  lua_close(lua_);
  lua_close(function_lua_);
}

lua_State* ScriptEngine::new_state(bool functions) {
  lua_State* l = luaL_newstate();
  lua_pushlightuserdata(l, this);
  lua_setfield(l, LUA_REGISTRYINDEX, "stele.engine");
  static const luaL_Reg libs[] = {{"", luaopen_base}, {LUA_TABLIBNAME, luaopen_table}, {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math}};
  for (auto& lib : libs) {
    lua_pushcfunction(l, lib.func);
    lua_pushstring(l, lib.name);
    lua_call(l, 1, 0);
  }
  lua_pushcfunction(l, plain_pcall);
  lua_setglobal(l, "pcall");
  lua_pushcfunction(l, guarded_rawset);
  lua_setglobal(l, "rawset");
  lua_getglobal(l, "setmetatable");
  lua_pushcclosure(l, guarded_setmetatable, 1);
  lua_setglobal(l, "setmetatable");
  for (const char* name : {"loadfile", "dofile", "print", "getfenv", "setfenv", "newproxy", "module", "require", "gcinfo"}) {
    lua_pushnil(l);
    lua_setglobal(l, name);
  }
  for (const char* name : {"loadstring", "load"}) {
    lua_pushcfunction(l, safe_loadstring);
    lua_setglobal(l, name);
  }
  lua_pushcfunction(l, open_cjson);
  lua_call(l, 0, 1);
  lua_setglobal(l, "cjson");
  lua_pushcfunction(l, open_cmsgpack);
  lua_call(l, 0, 1);
  lua_setglobal(l, "cmsgpack");
  lua_pushcfunction(l, open_struct);
  lua_call(l, 0, 1);
  lua_setglobal(l, "struct");
  lua_pushcfunction(l, open_bit);
  lua_call(l, 0, 1);
  lua_setglobal(l, "bit");
  static const luaL_Reg api[] = {{"call", l_call}, {"pcall", l_pcall}, {"log", l_log}, {"status_reply", l_status}, {"error_reply", l_error}, {"sha1hex", l_sha1},
                                 {"setresp", l_setresp}, {"set_repl", l_set_repl}, {"acl_check_cmd", l_acl_check}, {nullptr, nullptr}};
  lua_newtable(l);
  for (auto* r = api; r->name != nullptr; ++r) {
    lua_pushcfunction(l, r->func);
    lua_setfield(l, -2, r->name);
  }
  if (!functions) {
    lua_pushcfunction(l, l_true);
    lua_setfield(l, -2, "replicate_commands");
    lua_pushcfunction(l, l_nothing);
    lua_setfield(l, -2, "breakpoint");
    lua_pushcfunction(l, l_nothing);
    lua_setfield(l, -2, "debug");
  }
  static const std::pair<const char*, int> constants[] = {{"LOG_DEBUG", 0}, {"LOG_VERBOSE", 1}, {"LOG_NOTICE", 2}, {"LOG_WARNING", 3}, {"REPL_NONE", 0}, {"REPL_AOF", 1},
                                                          {"REPL_SLAVE", 2}, {"REPL_REPLICA", 2}, {"REPL_ALL", 3}, {"REDIS_VERSION_NUM", 0x0007000f}};
  for (auto& [name, v] : constants) {
    lua_pushinteger(l, v);
    lua_setfield(l, -2, name);
  }
  lua_pushstring(l, "7.0.15");
  lua_setfield(l, -2, "REDIS_VERSION");
  lua_setglobal(l, "redis");
  for (const char* name : {"redis", "cjson", "cmsgpack", "struct", "bit", "string", "table", "math"}) {
    lua_getglobal(l, name);
    protect(l, kTable);
    lua_setglobal(l, name);
  }
  if (functions) {
    lua_newtable(l);   // what a library sees while it is loaded
    lua_newtable(l);
    lua_pushcfunction(l, l_register);
    lua_setfield(l, -2, "register_function");
    lua_pushcfunction(l, l_log);
    lua_setfield(l, -2, "log");
    for (auto& [constant, v] : constants) {
      if (std::string_view(constant).starts_with("REPL")) continue;
      lua_pushinteger(l, v);
      lua_setfield(l, -2, constant);
    }
    lua_pushstring(l, "7.0.15");
    lua_setfield(l, -2, "REDIS_VERSION");
    protect(l, kStrictTable);
    lua_setfield(l, -2, "redis");
    lua_setfield(l, LUA_REGISTRYINDEX, "stele.load_env");
  }
  lua_pushvalue(l, LUA_GLOBALSINDEX);
  protect(l, kGlobals);
  lua_pushvalue(l, -1);
  lua_setfield(l, LUA_REGISTRYINDEX, "stele.env");
  lua_pushvalue(l, -1);
  lua_setglobal(l, "_G");
  lua_pop(l, 1);
  return l;
}

uint64_t ScriptEngine::memory_bytes() const {
  return static_cast<uint64_t>(lua_gc(lua_, LUA_GCCOUNT, 0)) * 1024 + static_cast<uint64_t>(lua_gc(function_lua_, LUA_GCCOUNT, 0)) * 1024;
}
uint64_t ScriptEngine::running_ms() const { return running_ ? static_cast<uint64_t>(system_clock().monotonic_us() - started_us_) / 1000 : 0; }

std::string parse_shebang(std::string_view body, std::string* name, uint32_t* flags, bool library, std::string_view* rest) {
  *rest = body;
  *flags = library ? 0u : static_cast<uint32_t>(kScriptCompat);
  if (body.substr(0, 2) != "#!") return library ? "Missing library metadata" : "";
  size_t end = body.find('\n');
  if (end == std::string_view::npos) return library ? "Invalid library metadata" : "Invalid script shebang";
  std::vector<std::string> parts;
  split_args(body.substr(0, end), &parts);
  *rest = body.substr(end);
  *flags = 0;
  if (parts.empty() || (!library && parts[0] != "#!lua")) return "Unexpected engine in script shebang: " + (parts.empty() ? std::string() : parts[0]);
  if (library && lower(parts[0]) != "#!lua") return fmt::format("Engine '{}' not found", parts[0].substr(2));
  bool named = false;
  for (size_t i = 1; i < parts.size(); ++i) {
    if (library) {
      if (lower(parts[i].substr(0, 5)) != "name=") return "Invalid metadata value given: " + parts[i];
      if (named) return "Invalid metadata value, name argument was given multiple times";
      named = true;
      *name = parts[i].substr(5);
      continue;
    }
    if (parts[i].substr(0, 6) != "flags=") return "Unknown lua shebang option: " + parts[i];
    std::string list = parts[i].substr(6);
    size_t from = 0;
    while (from <= list.size()) {
      size_t comma = list.find(',', from);
      std::string f = list.substr(from, comma == std::string::npos ? comma : comma - from);
      if (f == "no-writes") *flags |= kScriptNoWrites;
      else if (f == "allow-oom") *flags |= kScriptAllowOom;
      else if (f == "allow-stale") *flags |= kScriptAllowStale;
      else if (f == "no-cluster") *flags |= kScriptNoCluster;
      else if (f == "allow-cross-slot-keys") *flags |= kScriptAllowCross;
      else if (!list.empty()) return "Unexpected flag in script shebang: " + f;
      if (comma == std::string::npos) break;
      from = comma + 1;
    }
  }
  if (library) {
    if (!named) return "Library name was not given";
    if (name->empty()) return "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
    for (char ch : *name)
      if (!isalnum(static_cast<unsigned char>(ch)) && ch != '_') return "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
  }
  return "";
}

std::string ScriptEngine::compile(std::string_view body, std::string* sha, Script** out) {
  *sha = sha1_hex(body);
  auto it = scripts_.find(*sha);
  if (it != scripts_.end()) { *out = &it->second; return ""; }
  uint32_t flags;
  std::string name;
  std::string_view rest;
  std::string error = parse_shebang(body, &name, &flags, false, &rest);
  if (!error.empty()) return error;
  if (!rest.empty() && rest[0] == '\x1b') return "Error compiling script (new function): binary chunks are not allowed";
  if (luaL_loadbuffer(lua_, rest.data(), rest.size(), "@user_script")) {
    error = "Error compiling script (new function): " + to_text(lua_, -1);
    lua_pop(lua_, 1);
    return error;
  }
  lua_getfield(lua_, LUA_REGISTRYINDEX, "stele.env");
  lua_setfenv(lua_, -2);
  int ref = luaL_ref(lua_, LUA_REGISTRYINDEX);
  *out = &(scripts_[*sha] = Script{ref, flags, std::string(body)});
  return "";
}

bool ScriptEngine::parse_keys(Call& c, int64_t* n) {
  if (!c.get_int(2, n)) return false;
  if (*n > static_cast<int64_t>(c.argc()) - 3) return c.fail("Number of keys can't be greater than number of args");
  if (*n < 0) return c.fail("Number of keys can't be negative");
  return true;
}

void ScriptEngine::eval(Call& c, bool by_sha, bool ro) {
  int64_t keys;
  if (by_sha && c[1].size() != 40) { c.fail("-NOSCRIPT No matching script. Please use EVAL."); return; }
  Script* s = nullptr;
  std::string sha;
  if (!parse_keys(c, &keys)) return;
  if (by_sha) {
    sha = lower(c[1]);
    auto it = scripts_.find(sha);
    if (it == scripts_.end()) { c.fail("-NOSCRIPT No matching script. Please use EVAL."); return; }
    s = &it->second;
  } else {
    std::string error = compile(c[1], &sha, &s);
    if (!error.empty()) { c.fail(error); return; }
  }
  run(c, lua_, s->ref, sha, s->flags, ro, 3, keys, false);
}

void ScriptEngine::fcall(Call& c, bool ro) {
  auto it = functions_.find(lower(c[1]));
  if (it == functions_.end()) { c.fail("Function not found"); return; }
  int64_t keys;
  if (!parse_i64(c[2], &keys)) { c.fail("Bad number of keys provided"); return; }
  if (keys > static_cast<int64_t>(c.argc()) - 3) { c.fail("Number of keys can't be greater than number of args"); return; }
  if (keys < 0) { c.fail("Number of keys can't be negative"); return; }
  run(c, function_lua_, it->second->ref, it->second->name, it->second->flags, ro, 3, keys, true);
}

void ScriptEngine::run(Call& c, lua_State* l, int ref, const std::string& name, uint32_t flags, bool ro, size_t first_key, int64_t keys, bool function) {
  if (running_) { c.fail("Script execution is not possible from within a script"); return; }
  if (!(flags & kScriptCompat)) {
    if (ro && !(flags & kScriptNoWrites)) {
      c.fail("Can not execute a script with write flag using *_ro command.");
      return;
    }
    if (ks_.config.s.min_replicas_to_write > 0 && !ro && !(flags & kScriptNoWrites)) {
      c.fail("-NOREPLICAS Not enough good replicas to write.");
      return;
    }
    if (oom_ && !(flags & (kScriptAllowOom | kScriptNoWrites)) && ks_.config.s.maxmemory > 0) {
      c.fail("-OOM command not allowed when used memory > 'maxmemory'.");
      return;
    }
  }
  Session& s = *session_;
  s.user = c.session.user;
  s.authenticated = true;
  s.db = c.session.db;
  s.reply.set_resp(2);
  s.id = c.session.id;
  s.address = c.session.address;
  script_resp = 2;
  running_ = true;
  running_function_ = function;
  timed_out_ = killed_ = wrote_ = false;
  read_only_ = ro || (flags & kScriptNoWrites);
  allow_oom_ = flags & kScriptAllowOom;
  started_us_ = polled_us_ = system_clock().monotonic_us();
  name_ = name;
  command_.assign(c.argv.begin(), c.argv.end());
  bool outer_script = ks_.in_script;
  ks_.in_script = true;
  ks_.current_script = &c.session;
  lua_sethook(l, hook_trampoline, LUA_MASKCOUNT, 100000);
  lua_pushcfunction(l, error_handler);
  int handler = lua_gettop(l);
  lua_rawgeti(l, LUA_REGISTRYINDEX, ref);
  auto push_args = [&](size_t from, size_t to) {
    lua_createtable(l, static_cast<int>(to - from), 0);
    for (size_t i = from; i < to; ++i) {
      lua_pushlstring(l, c[i].data(), c[i].size());
      lua_rawseti(l, -2, static_cast<int>(i - from + 1));
    }
  };
  size_t args_at = first_key + static_cast<size_t>(keys);
  if (function) {
    push_args(first_key, args_at);
    push_args(args_at, c.argc());
  } else {
    push_args(first_key, args_at);
    lua_setglobal(l, "KEYS");
    push_args(args_at, c.argc());
    lua_setglobal(l, "ARGV");
  }
  int status = lua_pcall(l, function ? 2 : 0, 1, handler);
  lua_sethook(l, nullptr, 0, 0);
  ks_.in_script = outer_script;
  ks_.current_script = nullptr;
  running_ = false;
  bool was_slow = timed_out_;
  timed_out_ = false;
  if (status != 0) {
    if (lua_istable(l, -1)) {
      lua_getfield(l, -1, "err");
      std::string text = "-" + to_text(l, -1);
      lua_pop(l, 1);
      lua_getfield(l, -1, "source");
      lua_getfield(l, -2, "line");
      if (lua_isstring(l, -1) && lua_isstring(l, -2)) text += fmt::format(" script: {}, on {}:{}.", name, to_text(l, -2), to_text(l, -1));
      lua_pop(l, 2);
      c.fail(text);
      if (is_counted(l)) c.reply.last_error.clear();
    } else {
      c.fail(fmt::format("Error running script {}, {}", name, to_text(l, -1).substr(0, 100)));
    }
    lua_pop(l, 1);
  } else {
    reply_from_lua(l, c.reply, script_resp);
  }
  lua_settop(l, handler - 1);
  static int runs = 0;
  if (++runs % 50 == 0) lua_gc(l, LUA_GCSTEP, 1);
  if (was_slow)
    for (Session* other : ks_.sessions)
      if (other != &c.session && other->host != nullptr) other->host->wake(*other);
  c.session.db = c.session.db;
  c.stop_propagation = true;
}

int ScriptEngine::redis_call(lua_State* l, bool raise) {
  int argc = lua_gettop(l);
  Session& s = *session_;
  auto refuse = [&](std::string_view text) {
    push_error_table(l, text);
    return -1;
  };
  if (loading != nullptr || !running_) {  // as if the table had no such function while a library is loaded
    luaL_where(l, 1);
    std::string where = to_text(l, -1);
    return refuse(fmt::format("{}Script attempted to access nonexistent global variable '{}'", where, raise ? "call" : "pcall"));
  }
  if (argc == 0) return refuse("Please specify at least one argument for this redis lib call");
  std::vector<std::string> args;
  args.reserve(static_cast<size_t>(argc));
  for (int i = 1; i <= argc; ++i) {
    if (lua_type(l, i) == LUA_TNUMBER) {
      lua_Number v = lua_tonumber(l, i);
      if (v == std::floor(v) && std::fabs(v) < 9.2e18) args.push_back(std::to_string(static_cast<int64_t>(v)));
      else args.push_back(fmt::format("{:.17g}", v));
    } else if (lua_type(l, i) == LUA_TSTRING) {
      args.push_back(to_text(l, i));
    } else {
      return refuse("Lua redis lib command arguments must be strings or integers");
    }
  }
  std::vector<std::string_view> argv(args.begin(), args.end());
  CommandSpec* spec = ks_.commands.find(argv);
  if (spec == nullptr || spec->handler == nullptr) {
    ks_.count_error("ERR");
    int refused = refuse("Unknown Redis command called from script");
    lua_pushboolean(l, 1);
    lua_setfield(l, -2, kCounted);
    return refused;
  }
  auto count = [&](std::string_view code) { ++spec->rejected; ks_.count_error(code); };
  // An error that the statistics have already; the script may return it.
  auto counted = [&](int result) {
    lua_pushboolean(l, 1);
    lua_setfield(l, -2, kCounted);
    return result;
  };
  if ((spec->arity > 0 && static_cast<int>(argv.size()) != spec->arity) || static_cast<int>(argv.size()) < -spec->arity) {
    count("ERR");
    return counted(refuse("Wrong number of args calling Redis command from script"));
  }
  if (spec->is(kCmdNoScript)) { count("ERR"); return counted(refuse("This Redis command is not allowed from script")); }
  if (ks_.rows_active || !ks_.key_locks.empty())
    if (std::string reason = ks_.script_refusal(s.db, *spec, argv); !reason.empty()) { count("ERR"); return counted(refuse(reason)); }
  int bad = 0;
  AclVerdict v = ks_.acl.check(*s.user, *spec, argv, &bad);
  if (v != AclVerdict::kOk) {
    ks_.acl_log(*ks_.current_script, v, v == AclVerdict::kCommand ? spec->name : args[static_cast<size_t>(bad)], s.user->name, "lua", false);
    count("NOPERM");
    return counted(refuse(v == AclVerdict::kCommand ? "-NOPERM The user executing the script can't run this command or subcommand"
                  : v == AclVerdict::kKey   ? "-NOPERM The user executing the script can't access at least one of the keys mentioned in the command arguments"
                                            : "-NOPERM The user executing the script can't publish to the channel mentioned in the command"));
  }
  if (spec->is(kCmdWrite)) {
    if (read_only_) { count("ERR"); return counted(refuse("Write commands are not allowed from read-only scripts.")); }
    if (ks_.config.s.min_replicas_to_write > 0) { count("NOREPLICAS"); return counted(refuse("-NOREPLICAS Not enough good replicas to write.")); }
    wrote_ = true;
  }
  if (oom_ && spec->is(kCmdDenyOom) && !allow_oom_ && ks_.config.s.maxmemory > 0) {
    count("OOM");
    return counted(refuse("-OOM command not allowed when used memory > 'maxmemory'."));
  }
  s.reply.set_resp(script_resp);
  session_out_.clear();
  s.in_exec = ks_.in_exec;
  uint64_t dirty = ks_.dirty;
  ks_.call(s, spec, argv, Keyspace::kCallAll);
  if (ks_.dirty != dirty) wrote_ = true;
  push_reply(l, session_out_.data());
  bool error = !session_out_.empty() && session_out_[0] == '-';
  return error ? counted(-1) : 1;
}

void ScriptEngine::hook(lua_State* l) {
  int64_t now = system_clock().monotonic_us();
  if (!timed_out_ && ks_.config.s.busy_reply_threshold > 0 && (now - started_us_) / 1000 >= ks_.config.s.busy_reply_threshold) timed_out_ = true;
  if (timed_out_ && now - polled_us_ > 1000 && ks_.poll_events) {
    polled_us_ = now;
    ks_.poll_events();
  }
  if (killed_) {
    lua_sethook(l, hook_trampoline, LUA_MASKLINE, 0);
    push_error_table(l, "Script killed by user with SCRIPT KILL...");
  } else {
    lua_pushboolean(l, 0);
  }
}

void ScriptEngine::kill(Call& c, bool function) {
  if (!running_) { c.fail("-NOTBUSY No scripts in execution right now."); return; }
  if (running_function_ != function) {
    c.fail(function ? "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE." : "-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.");
    return;
  }
  if (wrote_) {
    c.fail("-UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.");
    return;
  }
  killed_ = true;
  c.reply.ok();
}

void ScriptEngine::script_load(Call& c) {
  std::string sha;
  Script* s;
  std::string error = compile(c[2], &sha, &s);
  if (!error.empty()) { c.fail(error); return; }
  c.reply.bulk(sha);
}
void ScriptEngine::script_flush() {
  scripts_.clear();
  lua_close(lua_);
  lua_ = new_state(false);
}

std::string ScriptEngine::load_library(std::string code, bool replace, std::string* name) {
  uint32_t flags;
  std::string_view rest;
  std::string error = parse_shebang(code, name, &flags, true, &rest);
  if (!error.empty()) return error;
  auto existing = libraries_.find(*name);
  if (existing != libraries_.end() && !replace) return fmt::format("Library '{}' already exists", *name);
  auto lib = std::make_unique<ScriptLibrary>();
  lib->name = *name;
  lib->code = code;
  lua_State* l = function_lua_;
  if (luaL_loadbuffer(l, rest.data(), rest.size(), "@user_function")) {
    error = "Error compiling function: " + to_text(l, -1);
    lua_pop(l, 1);
    return error;
  }
  lua_getfield(l, LUA_REGISTRYINDEX, "stele.env");
  lua_setfenv(l, -2);
  lua_pushcfunction(l, error_handler);
  lua_insert(l, -2);
  loading = lib.get();
  started_us_ = system_clock().monotonic_us();
  int status = lua_pcall(l, 0, 0, -2);
  loading = nullptr;
  if (status != 0) {
    if (lua_istable(l, -1)) {
      lua_getfield(l, -1, "err");
      error = to_text(l, -1);
      lua_pop(l, 1);
    } else {
      error = to_text(l, -1);
    }
    lua_pop(l, 2);
    return "Error registering functions: " + error;
  }
  lua_pop(l, 1);
  if (lib->functions.empty()) return "No functions registered";
  for (auto& [fn, f] : lib->functions) {
    auto it = functions_.find(lower(fn));
    if (it != functions_.end() && it->second->library != *name) return fmt::format("Function {} already exists", fn);
  }
  if (existing != libraries_.end()) delete_library(*name);
  for (auto& [fn, f] : lib->functions) functions_[lower(fn)] = &f;
  libraries_[*name] = std::move(lib);
  return "";
}
bool ScriptEngine::delete_library(std::string_view name) {
  auto it = libraries_.find(name);
  if (it == libraries_.end()) return false;
  for (auto& [fn, f] : it->second->functions) {
    functions_.erase(lower(fn));
    luaL_unref(function_lua_, LUA_REGISTRYINDEX, f.ref);
  }
  libraries_.erase(it);
  return true;
}
void ScriptEngine::flush_functions() {
  functions_.clear();
  libraries_.clear();
  lua_close(function_lua_);
  function_lua_ = new_state(true);
}

// ---- values ----

void reply_from_lua(lua_State* l, Reply& r, int script_resp, int depth) {
  if (!lua_checkstack(l, 4) || depth > 200) {
    r.error("reached lua stack limit");
    lua_pop(l, 1);
    return;
  }
  switch (lua_type(l, -1)) {
    case LUA_TSTRING: {
      size_t n;
      const char* s = lua_tolstring(l, -1, &n);
      r.bulk({s, n});
      break;
    }
    case LUA_TBOOLEAN:
      if (script_resp < 3 && r.resp() == 2 + (r.resp() - 2)) {
        if (lua_toboolean(l, -1)) r.integer(1);
        else r.null();
      } else {
        r.boolean(lua_toboolean(l, -1));
      }
      break;
    case LUA_TNUMBER: r.integer(static_cast<int64_t>(lua_tonumber(l, -1))); break;
    case LUA_TTABLE: {
      auto field = [&](const char* name) {
        lua_pushstring(l, name);
        lua_rawget(l, -2);
        return lua_type(l, -1);
      };
      if (field("err") == LUA_TSTRING) {
        std::string text = lua_tostring(l, -1);
        lua_pop(l, 1);
        r.error("-" + text);
        if (is_counted(l)) r.last_error.clear();
        break;
      }
      lua_pop(l, 1);
      if (field("ok") == LUA_TSTRING) {
        std::string text = lua_tostring(l, -1);
        for (char& ch : text)
          if (ch == '\n' || ch == '\r') ch = ' ';
        r.simple(text);
        lua_pop(l, 1);
        break;
      }
      lua_pop(l, 1);
      if (field("double") == LUA_TNUMBER) { r.number(lua_tonumber(l, -1)); lua_pop(l, 1); break; }
      lua_pop(l, 1);
      if (field("map") == LUA_TTABLE || (lua_istable(l, -1))) {
        size_t mark = r.mark(), n = 0;
        lua_pushnil(l);
        while (lua_next(l, -2)) {
          lua_pushvalue(l, -2);
          reply_from_lua(l, r, script_resp, depth + 1);
          reply_from_lua(l, r, script_resp, depth + 1);
          ++n;
        }
        r.insert_map(mark, n);
        lua_pop(l, 1);
        break;
      }
      lua_pop(l, 1);
      if (field("set") == LUA_TTABLE) {
        size_t mark = r.mark(), n = 0;
        lua_pushnil(l);
        while (lua_next(l, -2)) {
          lua_pop(l, 1);
          lua_pushvalue(l, -1);
          reply_from_lua(l, r, script_resp, depth + 1);
          ++n;
        }
        r.insert_set(mark, n);
        lua_pop(l, 1);
        break;
      }
      lua_pop(l, 1);
      if (field("big_number") == LUA_TSTRING) {
        std::string text = lua_tostring(l, -1);
        for (char& ch : text)
          if (ch == '\n' || ch == '\r') ch = ' ';
        r.bignum(text);
        lua_pop(l, 1);
        break;
      }
      lua_pop(l, 1);
      if (field("verbatim_string") == LUA_TTABLE) {
        std::string text, format;
        lua_getfield(l, -1, "string");
        text = to_text(l, -1);
        lua_pop(l, 1);
        lua_getfield(l, -1, "format");
        format = to_text(l, -1);
        lua_pop(l, 2);
        r.verbatim(text, format);
        break;
      }
      lua_pop(l, 1);
      size_t mark = r.mark(), n = 0;
      for (int i = 1;; ++i) {
        lua_pushnumber(l, i);
        lua_rawget(l, -2);
        if (lua_isnil(l, -1)) { lua_pop(l, 1); break; }
        reply_from_lua(l, r, script_resp, depth + 1);
        ++n;
      }
      r.insert_array(mark, n);
      break;
    }
    default: r.null();
  }
  lua_pop(l, 1);
}

const char* push_reply(lua_State* l, const char* p, int depth) {
  lua_checkstack(l, 6);
  char tag = *p++;
  const char* eol = std::strchr(p, '\r');
  std::string_view line(p, static_cast<size_t>(eol - p));
  const char* next = eol + 2;
  int64_t n = 0;
  auto number = [&] { parse_i64(line, &n); return n; };
  auto children = [&](int64_t count, bool as_map, bool as_set) {
    lua_newtable(l);
    for (int64_t i = 0; i < count; ++i) {
      next = push_reply(l, next, depth + 1);
      if (as_map) { next = push_reply(l, next, depth + 1); lua_settable(l, -3); }
      else if (as_set) { lua_pushboolean(l, 1); lua_settable(l, -3); }
      else lua_rawseti(l, -2, static_cast<int>(i + 1));
    }
  };
  auto wrap = [&](const char* field) {
    lua_newtable(l);
    lua_insert(l, -2);
    lua_setfield(l, -2, field);
  };
  switch (tag) {
    case ':': lua_pushnumber(l, static_cast<lua_Number>(number())); break;
    case '$':
      if (number() < 0) { lua_pushboolean(l, 0); break; }
      lua_pushlstring(l, next, static_cast<size_t>(n));
      next += n + 2;
      break;
    case '+': lua_pushlstring(l, line.data(), line.size()); wrap("ok"); break;
    case '-':
      lua_newtable(l);
      lua_pushlstring(l, line.data(), line.size());
      lua_setfield(l, -2, "err");
      break;
    case '*':
      if (number() < 0) { lua_pushboolean(l, 0); break; }
      children(n, false, false);
      break;
    case '%': number(); children(n, true, false); wrap("map"); break;
    case '~': number(); children(n, false, true); wrap("set"); break;
    case '_': lua_pushnil(l); break;
    case '#': lua_pushboolean(l, line == "t"); break;
    case ',': {
      double v = 0;
      parse_double(line, &v);
      lua_pushnumber(l, v);
      wrap("double");
      break;
    }
    case '(': lua_pushlstring(l, line.data(), line.size()); wrap("big_number"); break;
    case '=': {
      number();
      lua_newtable(l);
      lua_pushlstring(l, next, 3);
      lua_setfield(l, -2, "format");
      lua_pushlstring(l, next + 4, static_cast<size_t>(n - 4));
      lua_setfield(l, -2, "string");
      wrap("verbatim_string");
      next += n + 2;
      break;
    }
    default: lua_pushnil(l);
  }
  return next;
}

}  // namespace stele::keyspace

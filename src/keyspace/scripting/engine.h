// Lua 5.1 scripts and function libraries: a sandboxed state each for EVAL and for functions,
// redis.call into the dispatcher, time limits, and the effects of a script as one unit.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/keyspace.h"

struct lua_State;

namespace stele::keyspace {

enum ScriptFlag : uint32_t { kScriptNoWrites = 1, kScriptAllowOom = 2, kScriptAllowStale = 4, kScriptNoCluster = 8, kScriptAllowCross = 16, kScriptCompat = 32 };

struct ScriptFunction {
  std::string name, library, description;
  int ref = -1;
  uint32_t flags = 0;
};
struct ScriptLibrary {
  std::string name, code;
  std::map<std::string, ScriptFunction> functions;
};

class ScriptEngine {
 public:
  explicit ScriptEngine(Keyspace& ks);
  ~ScriptEngine();
  void set_oom(bool v) { oom_ = v; }
  bool timed_out() const { return timed_out_; }
  bool running_function() const { return running_function_; }
  bool running() const { return running_; }
  void eval(Call& c, bool by_sha, bool read_only);
  void fcall(Call& c, bool read_only);
  void script_load(Call& c);
  bool script_exists(std::string_view sha) const { return scripts_.find(sha) != scripts_.end(); }
  void script_flush();
  void kill(Call& c, bool function);
  // FUNCTION ...: an error text or "".
  std::string load_library(std::string code, bool replace, std::string* name);
  bool delete_library(std::string_view name);
  void flush_functions();
  const std::map<std::string, std::unique_ptr<ScriptLibrary>, std::less<>>& libraries() const { return libraries_; }
  size_t script_count() const { return scripts_.size(); }
  size_t function_count() const { return functions_.size(); }
  uint64_t memory_bytes() const;
  uint64_t running_ms() const;
  std::string running_name() const { return name_; }
  const std::vector<std::string>& running_command() const { return command_; }

  // Called from Lua.
  int redis_call(lua_State* l, bool raise);
  void hook(lua_State* l);
  Keyspace& keyspace() { return ks_; }
  int script_resp = 2;
  ScriptLibrary* loading = nullptr;  // the library whose code runs at FUNCTION LOAD

 private:
  struct Script { int ref; uint32_t flags; std::string body; };
  lua_State* new_state(bool functions);
  std::string compile(std::string_view body, std::string* sha, Script** out);
  void run(Call& c, lua_State* l, int ref, const std::string& name, uint32_t flags, bool read_only, size_t first_key, int64_t keys, bool function);
  bool parse_keys(Call& c, int64_t* n);
  Keyspace& ks_;
  lua_State* lua_ = nullptr;
  lua_State* function_lua_ = nullptr;
  std::map<std::string, Script, std::less<>> scripts_;
  std::map<std::string, std::unique_ptr<ScriptLibrary>, std::less<>> libraries_;
  std::map<std::string, ScriptFunction*, std::less<>> functions_;   // by lower-case name
  std::string session_out_;
  std::unique_ptr<Session> session_;
  bool oom_ = false, timed_out_ = false, running_ = false, running_function_ = false, killed_ = false, wrote_ = false, read_only_ = false, allow_oom_ = false;
  int64_t started_us_ = 0, polled_us_ = 0;
  std::string name_;
  std::vector<std::string> command_;
};

// Replies with the Lua value on top of the stack and pops it.
void reply_from_lua(lua_State* l, Reply& r, int script_resp, int depth = 0);
// Pushes the reply as a Lua value; returns what follows it.
const char* push_reply(lua_State* l, const char* p, int depth = 0);
void push_error_table(lua_State* l, std::string_view text);  // "-CODE text" or plain text
std::string parse_shebang(std::string_view body, std::string* name, uint32_t* flags, bool library, std::string_view* rest);

// Libraries (lua_json.cc, lua_msgpack.cc, lua_struct.cc, lua_bit.cc).
int open_cjson(lua_State* l);
int open_cmsgpack(lua_State* l);
int open_struct(lua_State* l);
int open_bit(lua_State* l);

}  // namespace stele::keyspace

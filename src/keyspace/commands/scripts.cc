// EVAL, SCRIPT, FCALL, FUNCTION.
#include "base/codec.h"
#include "keyspace/scripting/engine.h"

namespace stele::keyspace {
namespace {

bool help(Call& c, std::initializer_list<const char*> lines) {
  if (!c.is(1, "help")) return false;
  c.reply.array(lines.size() + 2);
  c.reply.simple(fmt::format("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", upper(c[0])));
  for (auto l : lines) c.reply.simple(l);
  c.reply.simple("HELP");
  return true;
}
void cmd_eval(Call& c) { c.ks.scripts->eval(c, false, false); }
void cmd_evalsha(Call& c) { c.ks.scripts->eval(c, true, false); }
void cmd_eval_ro(Call& c) { c.ks.scripts->eval(c, false, true); }
void cmd_evalsha_ro(Call& c) { c.ks.scripts->eval(c, true, true); }
void cmd_fcall(Call& c) { c.ks.scripts->fcall(c, false); }
void cmd_fcall_ro(Call& c) { c.ks.scripts->fcall(c, true); }

void cmd_script(Call& c) {
  if (help(c, {"DEBUG (YES|SYNC|NO)", "EXISTS <sha1> [<sha1> ...]", "FLUSH [ASYNC|SYNC]", "KILL", "LOAD <script>"})) return;
  if (c.is(1, "flush")) {
    if (c.argc() > 3 || (c.argc() == 3 && !c.is(2, "sync") && !c.is(2, "async"))) { c.fail("SCRIPT FLUSH only support SYNC|ASYNC option"); return; }
    c.ks.scripts->script_flush();
    c.reply.ok();
  } else if (c.is(1, "exists")) {
    c.reply.array(c.argc() - 2);
    for (size_t i = 2; i < c.argc(); ++i) c.reply.integer(c.ks.scripts->script_exists(lower(c[i])));
  } else if (c.is(1, "load")) {
    c.ks.scripts->script_load(c);
  } else if (c.is(1, "kill")) {
    c.ks.scripts->kill(c, false);
  } else if (c.is(1, "debug")) {
    if (c.is(2, "no")) c.reply.ok();
    else if (!c.is(2, "yes") && !c.is(2, "sync")) c.fail("Use SCRIPT DEBUG YES/SYNC/NO");
    else c.fail("The Lua debugger is not available in this server");
  }
}

std::vector<const char*> flag_names(uint32_t f) {
  std::vector<const char*> out;
  if (f & kScriptNoWrites) out.push_back("no-writes");
  if (f & kScriptAllowOom) out.push_back("allow-oom");
  if (f & kScriptAllowStale) out.push_back("allow-stale");
  if (f & kScriptNoCluster) out.push_back("no-cluster");
  if (f & kScriptAllowCross) out.push_back("allow-cross-slot-keys");
  return out;
}
std::string dump_all(ScriptEngine& e) {
  std::string out;
  for (auto& [name, lib] : e.libraries()) {
    out += static_cast<char>(245);
    uint32_t n = static_cast<uint32_t>(lib->code.size());
    if (n < 64) out += static_cast<char>(n);
    else if (n < 16384) { out += static_cast<char>(0x40 | (n >> 8)); out += static_cast<char>(n); }
    else { out += static_cast<char>(0x80); put_be32(out, n); }
    out += lib->code;
  }
  put_le<uint16_t>(out, 10);
  put_le<uint64_t>(out, crc64(0, out.data(), out.size()));
  return out;
}

void cmd_function(Call& c) {
  ScriptEngine& e = *c.ks.scripts;
  if (help(c, {"LOAD [REPLACE] <FUNCTION CODE>", "DELETE <LIBRARY NAME>", "LIST [LIBRARYNAME PATTERN] [WITHCODE]", "STATS", "KILL", "FLUSH [ASYNC|SYNC]", "DUMP", "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]"})) return;
  if (c.is(1, "load")) {
    bool replace = false;
    size_t i = 2;
    for (; i + 1 < c.argc(); ++i) {
      if (c.is(i, "replace")) replace = true;
      else { c.fail(fmt::format("Unknown option given: {}", c[i])); return; }
    }
    if (i >= c.argc()) { c.fail("Function code is missing"); return; }
    std::string name, error = e.load_library(std::string(c[i]), replace, &name);
    if (!error.empty()) { c.fail(error); return; }
    ++c.ks.dirty;
    c.ks.functions_changed = true;
    c.reply.bulk(name);
  } else if (c.is(1, "delete")) {
    if (!e.delete_library(c[2])) { c.fail("Library not found"); return; }
    ++c.ks.dirty;
    c.ks.functions_changed = true;
    c.reply.ok();
  } else if (c.is(1, "flush")) {
    if (c.argc() > 3) { c.fail("unknown subcommand or wrong number of arguments for 'FLUSH'. Try FUNCTION HELP."); return; }
    if (c.argc() == 3 && !c.is(2, "sync") && !c.is(2, "async")) { c.fail("FUNCTION FLUSH only supports SYNC|ASYNC option"); return; }
    e.flush_functions();
    ++c.ks.dirty;
    c.ks.functions_changed = true;
    c.reply.ok();
  } else if (c.is(1, "list")) {
    bool with_code = false;
    std::string_view pattern;
    bool has = false;
    for (size_t i = 2; i < c.argc(); ++i) {
      if (!with_code && c.is(i, "withcode")) with_code = true;
      else if (!has && c.is(i, "libraryname")) {
        if (i + 1 >= c.argc()) { c.fail("library name argument was not given"); return; }
        pattern = c[++i];
        has = true;
      } else { c.fail(fmt::format("Unknown argument {}", c[i])); return; }
    }
    size_t mark = c.reply.mark(), n = 0;
    for (auto& [name, lib] : e.libraries()) {
      if (has && !glob_match(pattern, name, true)) continue;
      ++n;
      c.reply.map(with_code ? 4 : 3);
      c.reply.bulk("library_name");
      c.reply.bulk(name);
      c.reply.bulk("engine");
      c.reply.bulk("LUA");
      c.reply.bulk("functions");
      c.reply.array(lib->functions.size());
      for (auto& [fn, f] : lib->functions) {
        c.reply.map(3);
        c.reply.bulk("name");
        c.reply.bulk(fn);
        c.reply.bulk("description");
        if (f.description.empty()) c.reply.null();
        else c.reply.bulk(f.description);
        c.reply.bulk("flags");
        auto flags = flag_names(f.flags);
        c.reply.set(flags.size());
        for (auto* flag : flags) c.reply.simple(flag);
      }
      if (with_code) { c.reply.bulk("library_code"); c.reply.bulk(lib->code); }
    }
    c.reply.insert_array(mark, n);
  } else if (c.is(1, "stats")) {
    c.reply.map(2);
    c.reply.bulk("running_script");
    if (!e.running()) c.reply.null();
    else {
      c.reply.map(3);
      c.reply.bulk("name");
      c.reply.bulk(e.running_name());
      c.reply.bulk("command");
      c.reply.array(e.running_command().size());
      for (auto& a : e.running_command()) c.reply.bulk(a);
      c.reply.bulk("duration_ms");
      c.reply.integer(static_cast<int64_t>(e.running_ms()));
    }
    c.reply.bulk("engines");
    c.reply.map(1);
    c.reply.bulk("LUA");
    c.reply.map(2);
    c.reply.bulk("libraries_count");
    c.reply.integer(static_cast<int64_t>(e.libraries().size()));
    c.reply.bulk("functions_count");
    c.reply.integer(static_cast<int64_t>(e.function_count()));
  } else if (c.is(1, "kill")) {
    e.kill(c, true);
  } else if (c.is(1, "dump")) {
    c.reply.bulk(dump_all(e));
  } else if (c.is(1, "restore")) {
    enum { kAppend, kReplace, kFlush } mode = kAppend;
    if (c.argc() > 4) { c.fail("unknown subcommand or wrong number of arguments for 'RESTORE'. Try FUNCTION HELP."); return; }
    if (c.argc() == 4) {
      if (c.is(3, "append")) mode = kAppend;
      else if (c.is(3, "replace")) mode = kReplace;
      else if (c.is(3, "flush")) mode = kFlush;
      else { c.fail("Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."); return; }
    }
    std::string_view p = c[2];
    if (p.size() < 10 || load_le<uint16_t>(p.data() + p.size() - 10) > 10 || load_le<uint64_t>(p.data() + p.size() - 8) != crc64(0, p.data(), p.size() - 8)) {
      c.fail("DUMP payload version or checksum are wrong");
      return;
    }
    std::vector<std::string> codes;
    p = p.substr(0, p.size() - 10);
    while (!p.empty()) {
      if (static_cast<unsigned char>(p[0]) != 245 || p.size() < 2) { c.fail("given type is not a function"); return; }
      auto b = static_cast<unsigned char>(p[1]);
      size_t n, head = 2;
      if (b < 64) n = b;
      else if (b < 128 && p.size() > 2) { n = static_cast<size_t>(b & 63) << 8 | static_cast<unsigned char>(p[2]); head = 3; }
      else if (p.size() > 6) { n = load_be32(p.data() + 2); head = 6; }
      else n = SIZE_MAX;
      if (n > p.size() - head) { c.fail("failed loading functions payload"); return; }
      codes.emplace_back(p.substr(head, n));
      p = p.substr(head + n);
    }
    std::vector<std::string> backup;
    for (auto& [name, lib] : e.libraries()) backup.push_back(lib->code);
    if (mode == kFlush) e.flush_functions();
    for (auto& code : codes) {
      std::string name, error = e.load_library(code, mode == kReplace, &name);
      if (error.empty()) continue;
      e.flush_functions();
      for (auto& b : backup) { std::string ignored; e.load_library(b, true, &ignored); }
      c.fail(error);
      return;
    }
    ++c.ks.dirty;
    c.ks.functions_changed = true;
    c.reply.ok();
  }
}
const HandlerEntry kScripts[] = {{"eval", cmd_eval}, {"evalsha", cmd_evalsha}, {"eval_ro", cmd_eval_ro}, {"evalsha_ro", cmd_evalsha_ro}, {"script", cmd_script}};
const HandlerEntry kFunctions[] = {{"fcall", cmd_fcall}, {"fcall_ro", cmd_fcall_ro}, {"function", cmd_function}};
}  // namespace
std::span<const HandlerEntry> script_commands() { return kScripts; }
std::span<const HandlerEntry> function_commands() { return kFunctions; }
}  // namespace stele::keyspace

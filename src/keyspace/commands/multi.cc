// MULTI, EXEC, DISCARD, WATCH.
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

void cmd_multi(Call& c) {
  if (c.session.in_multi) { c.fail("MULTI calls can not be nested"); return; }
  c.session.in_multi = true;
  c.reply.ok();
}
void cmd_discard(Call& c) {
  if (!c.session.in_multi) { c.fail("DISCARD without MULTI"); return; }
  c.ks.discard_multi(c.session);
  c.reply.ok();
}
void cmd_watch(Call& c) {
  if (c.session.in_multi) { c.fail("WATCH inside MULTI is not allowed"); return; }
  if (!c.session.dirty_cas)
    for (size_t i = 1; i < c.argc(); ++i) c.ks.watch(c.session, c.db, c[i]);
  c.reply.ok();
}
void cmd_unwatch(Call& c) {
  c.ks.unwatch_all(c.session);
  c.session.dirty_cas = false;
  c.reply.ok();
}
void cmd_exec(Call& c) {
  Session& s = c.session;
  if (!s.in_multi) { c.fail("EXEC without MULTI"); return; }
  for (auto& w : s.watched) {
    Database& d = c.ks.db(w.db);
    Entry* e = d.dict.find(w.key);
    if (e != nullptr && !w.expired && c.ks.is_expired(d, e)) s.dirty_cas = true;
  }
  if (s.dirty_exec || s.dirty_cas) {
    bool aborted = s.dirty_exec;
    c.ks.discard_multi(s);
    if (aborted) c.fail("-EXECABORT Transaction discarded because of previous errors.");
    else c.reply.null_array();
    return;
  }
  c.ks.unwatch_all(s);
  auto queued = std::move(s.queued);
  s.queued.clear();
  bool outer_deny = s.deny_blocking;
  s.deny_blocking = true;
  s.in_exec = true;
  c.ks.in_exec = true;
  c.reply.array(queued.size());
  s.in_multi = true;
  for (auto& q : queued) {
    std::vector<std::string_view> views(q.argv.begin(), q.argv.end());
    int bad = 0;
    AclVerdict v = c.ks.acl.check(*s.user, *q.spec, views, &bad);
    if (v != AclVerdict::kOk) {
      std::string object = v == AclVerdict::kCommand ? q.spec->name : q.argv[static_cast<size_t>(bad)];
      c.ks.acl_log(s, v, object, s.user->name, "multi", false);
      const char* reason = v == AclVerdict::kCommand ? "no permission to execute the command or subcommand" : v == AclVerdict::kKey ? "no permission to touch the specified keys"
                                                                                                                         : "no permission to access one of the channels used as arguments to the command";
      c.fail(fmt::format("-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: {}", reason));
      continue;
    }
    c.ks.call(s, q.spec, views, Keyspace::kCallAll);
  }
  c.ks.in_exec = false;
  s.in_exec = false;
  s.deny_blocking = outer_deny;
  c.ks.discard_multi(s);
}
const HandlerEntry kCommands[] = {{"multi", cmd_multi}, {"exec", cmd_exec}, {"discard", cmd_discard}, {"watch", cmd_watch}, {"unwatch", cmd_unwatch}};
}  // namespace
std::span<const HandlerEntry> multi_commands() { return kCommands; }
}  // namespace stele::keyspace

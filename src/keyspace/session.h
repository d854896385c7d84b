// What the keyspace knows of one client. A door owns the connection and the Session; the keyspace
// changes it under its latch and talks back through SessionHost.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "keyspace/acl.h"
#include "keyspace/command.h"
#include "keyspace/reply.h"

namespace stele::keyspace {

struct Session;

// Implemented by the door. Calls come with the keyspace's latch held, from any thread.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  // Output was added, or the session can go on with its input, outside a command of its own.
  virtual void wake(Session& s) = 0;
  // The session ends: now, or after its output has been sent.
  virtual void close(Session& s, bool after_flush) = 0;
  virtual size_t input_bytes(const Session& s) const = 0;
  virtual size_t input_capacity(const Session& s) const = 0;
  virtual size_t output_bytes(const Session& s) const = 0;
};

struct QueuedCommand {
  CommandSpec* spec;
  std::vector<std::string> argv;
};
struct WatchedKey {
  int db;
  std::string key;
  bool expired;  // already past its time when watched
};

enum class BlockKind : uint8_t { kNone, kList, kZset, kStream, kWait, kPaused, kSql };
struct BlockState {
  BlockKind kind = BlockKind::kNone;
  int64_t deadline_ms = 0;  // 0: none
  std::vector<std::string> keys;
  std::vector<std::string> argv;  // re-executed when a key is ready
  CommandSpec* spec = nullptr;
  bool retrying = false, group_read = false;
  int db = 0;
};

struct Tracking {
  bool on = false, bcast = false, optin = false, optout = false, noloop = false, caching = false, caching_set = false, broken = false;
  uint64_t redirect = 0;
  std::vector<std::string> prefixes;
};

struct Session {
  explicit Session(std::string* out) : reply(out) {}
  uint64_t id = 0;
  int db = 0;
  Reply reply;
  SessionHost* host = nullptr;
  std::string name, address, local_address;
  int fd = -1;
  bool fake = false;            // scripts, replay, SQL: no connection behind it
  bool script = false;          // runs inside a script
  bool authenticated = false;
  std::shared_ptr<AclUser> user;
  int64_t created_ms = 0, last_active_ms = 0;
  CommandSpec* last_command = nullptr;

  bool in_multi = false, dirty_cas = false, dirty_exec = false, in_exec = false, deny_blocking = false;
  std::vector<QueuedCommand> queued;
  std::vector<WatchedKey> watched;

  std::set<std::string, std::less<>> channels, patterns, shard_channels;
  bool pubsub() const { return !channels.empty() || !patterns.empty() || !shard_channels.empty(); }

  BlockState block;
  Tracking tracking;
  bool monitor = false, no_evict = false, close_asked = false, reply_off = false, reply_skip = false, reply_skip_next = false;
  bool paused = false;          // held back by CLIENT PAUSE
  uint64_t paused_at = 0;       // its place among those
  bool killed = false;
  bool pushing = false;
  int64_t soft_limit_since_ms = 0;
  size_t multi_bytes = 0, memory_seen = 0;
  std::string pending_push;     // invalidations of the running command, sent after its reply
  std::list<Session*>::iterator where;
  bool blocked() const { return block.kind != BlockKind::kNone; }
};

}  // namespace stele::keyspace

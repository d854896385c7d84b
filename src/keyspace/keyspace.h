// The keyspace: sixteen databases of Redis values, and everything a command may touch beside them
// (subscriptions, blocked clients, scripts, users, parameters, statistics).
//
// Threads: one latch. Doors hold it (KeyspaceLatch) while they run commands; commands run to
// completion. Effects collect in pending effects and are committed, one log record for all of them,
// by commit_round(), which a door calls before it sends the replies of the round.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "keyspace/acl.h"
#include "keyspace/command.h"
#include "keyspace/config.h"
#include "keyspace/key_locks.h"
#include "keyspace/object.h"
#include "keyspace/reply.h"
#include "keyspace/row_source.h"
#include "keyspace/session.h"
#include "keyspace/util.h"
#include "keyspace/versions.h"

namespace stele::keyspace {

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return hash_key(s); }
};
template <class V>
using StringMap = std::unordered_map<std::string, V, StringHash, std::equal_to<>>;

struct Database {
  int id = 0;
  HashTable<Entry> dict;
  HashTable<ExpireNode> expires;
  StringMap<std::list<Session*>> blocked;        // by key, in the order of arrival
  StringMap<std::vector<Session*>> watchers;
  uint64_t expire_cursor = 0;
  double avg_ttl = 0;
};

// Keyspace notification classes, as letters in notify-keyspace-events.
enum Notify : uint32_t {
  kNotifyKeyspace = 1, kNotifyKeyevent = 2, kNotifyGeneric = 4, kNotifyString = 8, kNotifyList = 16,
  kNotifySet = 32, kNotifyHash = 64, kNotifyZset = 128, kNotifyExpired = 256, kNotifyEvicted = 512,
  kNotifyStream = 1024, kNotifyKeyMiss = 2048, kNotifyModule = 8192, kNotifyNew = 16384,
  kNotifyAll = kNotifyGeneric | kNotifyString | kNotifyList | kNotifySet | kNotifyHash | kNotifyZset |
               kNotifyExpired | kNotifyEvicted | kNotifyStream | kNotifyModule,
};

struct SlowlogEntry {
  int64_t id, time_s, duration_us;
  std::vector<std::string> argv;
  std::string peer, name;
};
struct LatencySeries {
  struct Sample { int64_t time_s; int64_t ms; };
  std::deque<Sample> samples;
  int64_t max_ms = 0;
};

struct Stats {
  int64_t start_ms = 0;
  uint64_t commands = 0, connections = 0, rejected_connections = 0, expired = 0, evicted = 0, evicted_clients = 0, hits = 0, misses = 0;
  uint64_t net_in = 0, net_out = 0, errors = 0, unexpected_errors = 0, reads = 0, writes = 0, saves = 0;
  uint64_t expire_cap_reached = 0, expire_cycle_us = 0, evict_exceeded_us = 0, lazyfreed = 0, acl_denied_auth = 0;
  double expired_stale_perc = 0;
  uint64_t peak_memory = 0;
  int64_t last_save_s = 0;
  uint64_t dirty_at_save = 0;
  std::map<std::string, uint64_t> error_counts;
  uint64_t ops_samples[16] = {}; int ops_at = 0; uint64_t ops_last = 0; int64_t ops_last_ms = 0;
  uint64_t in_samples[16] = {}, in_last = 0, out_samples[16] = {}, out_last = 0;
  uint64_t dump_sanitizations = 0;
  int64_t evict_exceeded_since_us = 0;
  bool errors_full = false;
};

class Keyspace;
class ScriptEngine;

// Commands of a client that run in one SQL transaction: STELE.SQL, writes of rows, EXEC with one of them.
struct SqlJob {
  uint64_t session_id = 0;
  int db = 0, resp = 2;
  bool exec = false;
  std::string user;
  std::vector<QueuedCommand> commands;
};

// Told of every change that must reach the disk, with the latch held.
class ChangeSink {
 public:
  virtual ~ChangeSink() = default;
  virtual void changed(Database& d, std::string_view key) = 0;  // the key may be gone
  virtual void removing(Database& d, const Entry& e) = 0;       // its entry is about to be freed
  virtual void flushed(Database& d) = 0;                        // all its entries are, or change their place
};

// One running command.
struct Call {
  Keyspace& ks;
  Session& session;
  Argv argv;
  CommandSpec* spec;
  Reply& reply;
  Database& db;

  size_t argc() const { return argv.size(); }
  std::string_view operator[](size_t i) const { return argv[i]; }
  bool is(size_t i, std::string_view word) const { return iequals(argv[i], word); }
  // Replies the error; returns false so that parsers can `return c.fail(...)`.
  bool fail(std::string_view text) { reply.error(text); return false; }
  bool syntax_error() { return fail("syntax error"); }
  bool wrong_type() { return fail("-WRONGTYPE Operation against a key holding the wrong kind of value"); }
  // Parse an argument or reply Redis's error (or `error` if given).
  bool get_int(size_t i, int64_t* out, std::string_view error = {});
  bool get_int_range(size_t i, int64_t min, int64_t max, int64_t* out, std::string_view error = {});
  bool get_positive(size_t i, int64_t* out, std::string_view error = {});
  bool get_double(size_t i, double* out, std::string_view error = {});
  // Null and a reply were made when the key is missing / of another type.
  Entry* read_or(std::string_view key, Type t, void (Reply::*missing)());
  // Object of type t; null if missing; *bad set (and error replied) on a wrong type.
  Entry* typed(std::string_view key, Type t, bool write, bool* bad);
  // Marks a change of the key: watchers, tracking, draining, dirty count, notification.
  void changed(std::string_view key, uint32_t cls, const char* event, uint64_t dirty = 1);
  bool stop_propagation = false;
  std::vector<std::string> rewritten;   // what is logged instead of argv
  void rewrite(std::initializer_list<std::string_view> args);
};

class Keyspace {
 public:
  Keyspace();
  ~Keyspace();
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  // ---- the latch ----
  std::recursive_mutex& latch() { return latch_; }

  // ---- doors: all with the latch held ----
  void connect(Session& s);
  void disconnect(Session& s);
  // Runs one command. False: held back (CLIENT PAUSE); try the same input again after a wake().
  bool execute(Session& s, Argv argv);
  // Starts to fetch into the processor's caches what requests that come next will look up. Changes nothing.
  void prefetch(const Session& s, std::span<const Argv> requests);
  // The same for the next keys of one command, from argument `from` on: call it once every kPrefetched keys.
  static constexpr size_t kPrefetched = 16;
  void prefetch_keys(Database& d, Argv argv, size_t from, size_t step);
  // The time at which the last command ended is not the time of the next one.
  void time_passed() { time_known_ = false; }
  // Timers: expiry, eviction, timeouts, statistics. Returns milliseconds until the next call.
  int64_t cron();
  // Frees and rehashes a little; wakes timed-out clients. Once a round.
  void round_end();
  // Commits what collected; the returned Lsn must be durable before replies go out when
  // wait_for_durability() says so. Called without the latch.
  uint64_t commit_round();
  // The same while a long script runs, for what was complete before it: a script's effects stay together.
  uint64_t commit_before_command();
  std::function<uint64_t(std::string effects, Stamp stamp)> commit_effects;  // set by the durable keyspace
  std::function<void(bool rewrite)> background_save;            // BGSAVE, SAVE, BGREWRITEAOF
  std::function<void()> shutdown;                               // SHUTDOWN
  std::function<void()> poll_events;                            // serve others during a long script
  std::function<void(const std::string& key, const std::string& value)> option_changed;
  bool wait_for_durability() const { return config.s.appendfsync == 0; }

  // ---- keys (keys.cc) ----
  Database& db(int i) { return *dbs_[static_cast<size_t>(i)]; }
  int databases() const { return static_cast<int>(dbs_.size()); }
  enum LookupFlags { kTouch = 0, kNoTouch = 1, kNoStats = 2, kNoNotify = 4 };
  Entry* lookup_read(Database& d, std::string_view key, int flags = 0);
  Entry* lookup_write(Database& d, std::string_view key, int flags = 0);
  Entry* add(Database& d, std::string_view key, Object&& value);       // absent before
  void set_key(Database& d, std::string_view key, Object&& value, bool keep_ttl = false);
  bool remove(Database& d, std::string_view key);                      // no notification
  void remove_entry(Database& d, Entry* e);
  int64_t expire_of(Database& d, Entry* e);                            // -1: none
  void set_expire(Database& d, Entry* e, int64_t when_ms);
  bool clear_expire(Database& d, Entry* e);
  bool is_expired(Database& d, Entry* e);
  void expire_now(Database& d, Entry* e);                              // logs, counts, notifies
  void touched(Session* s, Database& d, std::string_view key);         // signal a change
  void notify(uint32_t cls, const char* event, std::string_view key, int db);
  void signal_ready(Database& d, std::string_view key);                // for blocked clients
  void flush_db(Database& d, bool watch_all);
  void swap_dbs(int a, int b);
  void lazy_free(Object&& o);
  void free_some(size_t allocations);                                  // of what lazy_free() left for later
  uint32_t lru_clock() const { return static_cast<uint32_t>(now_ms_ / 1000) & 0xffffff; }
  uint64_t idle_ms(const Object& o) const;
  void init_access(Object& o);
  void touch_access(Object& o);
  uint8_t lfu_counter(const Object& o) const;                          // decayed
  static bool lfu_policy(int64_t p) { return p == kVolatileLfu || p == kAllkeysLfu; }
  int64_t now_ms() const { return now_ms_; }
  int64_t now_us() const;
  void refresh_time();
  void set_time(int64_t monotonic_us);

  // ---- effects (effects.cc) ----
  void propagate(int db, Argv argv);
  void propagate_delete(int db, std::string_view key);
  void propagate_image(Database& d, std::string_view key);   // the key's whole state
  uint64_t dirty = 0;
  bool replaying = false;

  // What collected, for a keyspace that stands in for another one inside a transaction.
  std::string take_effects() { return std::move(effects_); }

  // ---- SQL beside it (outside.cc) ----
  Versions versions;
  bool keeps_versions = false;           // there are snapshots to keep them for
  KeyLocks key_locks;
  RowSource* rows = nullptr;
  std::atomic<bool> rows_active{false};  // some table has rows or changes here; kept by the RowSource
  bool applying = false;                 // effects of another door's transaction run: what clients hear waits
  enum class RowUse : uint8_t { kNone, kWrite, kRefused };
  // What a command's writes mean for keys of tables; the refusal is set with kRefused.
  RowUse row_use(int db, const CommandSpec& spec, Argv argv, std::string* refusal);
  bool locked_key(int db, const CommandSpec& spec, Argv argv, std::string_view* key);
  bool wait_for_locks(Session& s, const CommandSpec& spec, Argv argv);
  std::string script_refusal(int db, const CommandSpec& spec, Argv argv);   // empty: allowed
  void log_flush(Call& c);                       // FLUSHDB and FLUSHALL, with what they spared
  bool runs_as_sql(Session& s, CommandSpec* spec, Argv argv);
  std::function<void(SqlJob)> sql_job;           // takes a job to a worker; set by the door
  std::function<void(std::function<void()>)> post;   // runs a task on the door's thread, without the latch; set by the door
  void sql_done(uint64_t session_id, std::string_view reply, int db);
  // A row's key changed by a commit: watchers at once, notifications and invalidations later.
  void row_changed(std::string_view key, const char* event);
  void outside_committed();                      // with the latch, after publish
  std::function<void()> outside_changes;         // asks the door to call run_outside_events()
  void run_outside_events();

  // ---- blocking (blocking.cc) ----
  void block_on_keys(Call& c, BlockKind kind, std::span<const std::string> keys, int64_t timeout_ms);
  void unblock(Session& s);
  void serve_ready_keys();
  void reply_timeout(Session& s);
  bool unblock_with_error(Session& s);
  void handle_timeouts();
  uint64_t blocked_clients = 0;

  // ---- pub/sub (pubsub.cc) ----
  int64_t publish(std::string_view channel, std::string_view message, bool shard = false);
  StringMap<std::vector<Session*>> channels, shard_channels;
  std::map<std::string, std::vector<Session*>> patterns;
  void unsubscribe_all(Session& s);
  void push_begin(Session& s);   // a push outside of the session's own command
  void push_end(Session& s);

  // ---- tracking (tracking.cc) ----
  StringMap<std::unordered_set<uint64_t>> tracking_table;
  std::map<std::string, std::set<uint64_t>> tracking_prefixes;
  std::map<std::string, std::unordered_map<std::string, uint64_t>> tracking_pending;  // prefix -> keys
  void tracking_remember(Session& s, const CommandSpec& spec, Argv argv);
  void tracking_invalidate(Session* writer, std::string_view key, bool bcast);
  void tracking_flush(Session* writer);                // FLUSHALL: null message
  void tracking_disable(Session& s);
  void tracking_round();                               // broadcast of collected keys
  void tracking_limit();
  void send_invalidation(Session& target, const std::vector<std::string>* keys);
  uint64_t tracking_items = 0;
  uint64_t tracking_clients = 0;

  // ---- watch ----
  void watch(Session& s, Database& d, std::string_view key);
  void unwatch_all(Session& s);
  void discard_multi(Session& s);

  // ---- dispatch (dispatch.cc) ----
  // Runs a command that is already resolved and permitted. flags: see CallFlags.
  enum CallFlags { kCallStats = 1, kCallPropagate = 2, kCallSlowlog = 4, kCallAll = 7 };
  void call(Session& s, CommandSpec* spec, Argv argv, int flags = kCallAll);
  bool out_of_memory();                                // tries to evict first
  void feed_monitors(Session& s, Argv argv);
  void count_error(std::string_view line);
  void log_slow(Session& s, Argv argv, int64_t us);
  void add_latency(const char* event, int64_t ms);
  void acl_log(Session& s, AclVerdict v, const std::string& object, const std::string& user, const char* context, bool auth);
  void reset_session(Session& s);
  void free_clients_of_user(const AclUser& u);
  void pause_clients(bool writes_only, int64_t until_ms);
  void unpause_clients();
  void check_output_limit(Session& s);
  void kill(Session& s);
  bool evict(bool* freed);                             // evict.cc: false when over the limit still
  void active_expire(int64_t budget_us);
  std::string client_line(const Session& s) const;
  uint64_t used_memory() const;
  std::string info(const std::vector<std::string>& sections);

  Config config;
  CommandTable commands;
  Acl acl;
  Stats stats;
  std::list<Session*> sessions;
  std::unordered_map<uint64_t, Session*> session_by_id;
  std::unordered_set<Session*> monitors;
  std::set<std::pair<int64_t, Session*>> timeouts;
  std::vector<std::pair<int, std::string>> ready_keys;
  std::unordered_set<std::string> ready_seen;
  std::deque<SlowlogEntry> slowlog;
  int64_t slowlog_id = 0;
  std::map<std::string, LatencySeries> latency;
  uint32_t notify_flags = 0;
  std::unique_ptr<ScriptEngine> scripts;
  bool active_expire_on = true;
  std::string run_id, replid;
  int64_t pause_until_ms = 0;
  bool pause_writes_only = false;
  uint64_t pauses = 0;              // how many clients were held back
  Session* current = nullptr;       // whose command runs
  Session* current_script = nullptr;
  bool in_exec = false, in_script = false;
  int call_depth = 0;
  uint64_t lazy_pending = 0;
  std::vector<std::pair<int, std::string>> dirty_keys_round;   // multi-key writes: keys touched
  bool collecting_keys = false;
  struct OutputLimit { uint64_t hard, soft; int64_t soft_s; } output_limits[3] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
  ChangeSink* sink = nullptr;                                    // draining
  std::function<Entry*(Database&, Entry*)> load_value;           // brings a value back from disk
  uint64_t memory_limit() const { return static_cast<uint64_t>(config.s.memory_limit); }  // beyond it cold values live on disk only
  std::atomic<uint64_t> last_effect_lsn{0};                      // the newest commit that changed keys
  // What the background drain did so far, for INFO.
  struct Draining { std::atomic<uint64_t> bytes{0}, runs{0}, longest_latch_us{0}, cold_keys{0}; } draining;
  bool functions_changed = false;
  std::string config_file;
  uint64_t cron_loops = 0;
  uint64_t pending_effect_bytes() const { return effects_.size(); }

 private:
  void bind_config();
  void after_command();
  bool deny(Session& s, CommandSpec* spec, std::string_view error);
  void finish_collected();
  std::recursive_mutex latch_;
  std::mutex commit_order_;
  std::vector<std::unique_ptr<Database>> dbs_;
  int64_t now_ms_ = 0;
  int64_t monotonic_us_ = 0, unix_offset_us_ = 0, offset_at_us_ = 0;  // the last reading; unix time less monotonic time, and when that was found
  bool time_known_ = false;   // refresh_time() would change nothing worth its price
  std::string effects_;
  size_t command_effects_from_ = 0;  // where those of the running command begin
  uint64_t next_session_id_ = 1;
  std::deque<Object> lazy_;
  struct OutsideEvent { uint32_t cls; const char* event; std::string key; int db; bool track; };
  std::vector<OutsideEvent> outside_events_;
  friend class DurableKeyspace;
};

using KeyspaceLatch = std::lock_guard<std::recursive_mutex>;

// ---- helpers shared by command files ----
// Converts encodings when limits are passed.
void hash_try_convert(Keyspace& ks, Object& o, Argv argv, size_t from, size_t to);
void hash_convert(Object& o);
bool hash_get(const Object& o, std::string_view field, char* buf, std::string_view* out);
bool hash_set(Keyspace& ks, Object& o, std::string_view field, std::string_view value);  // true: new field
bool hash_erase(Object& o, std::string_view field);
uint64_t hash_size(const Object& o);
void hash_each(const Object& o, const std::function<void(std::string_view, std::string_view)>& f);

bool set_add(Keyspace& ks, Object& o, std::string_view member);
bool set_remove(Object& o, std::string_view member);
bool set_contains(const Object& o, std::string_view member);
uint64_t set_size(const Object& o);
void set_each(const Object& o, const std::function<void(std::string_view)>& f);
void set_convert(Object& o);
Object set_make(std::string_view first);
std::string set_random(const Object& o);

uint64_t zset_size(const Object& o);
bool zset_score(const Object& o, std::string_view member, double* out);
enum ZaddFlags : uint32_t { kZaddNx = 1, kZaddXx = 2, kZaddGt = 4, kZaddLt = 8, kZaddIncr = 16 };
enum ZaddOutcome : uint8_t { kZaddNop, kZaddAdded, kZaddUpdated, kZaddNan };
ZaddOutcome zset_add(Keyspace& ks, Object& o, std::string_view member, double score, uint32_t flags, double* result);
bool zset_remove(Object& o, std::string_view member);
void zset_convert(Object& o);
void zset_maybe_convert(Keyspace& ks, Object& o);
// In order (or reverse); f returns false to stop.
void zset_each(const Object& o, bool reverse, const std::function<bool(std::string_view, double)>& f);
int64_t zset_rank(const Object& o, std::string_view member, bool reverse);

bool bitmap_offset(Call& c, size_t i, int64_t* out, bool hash_form, int bits);
void scan_elements(Call& c, Object* o, uint64_t cursor, size_t first_option);
bool parse_scan_cursor(Call& c, size_t i, uint64_t* out);

// dump.cc
// RDB type byte, payload, version, crc (0: none, for what is stored under a checksum anyway).
std::string dump_value(const Object& o, bool checksum = true);
bool dumped_type(std::string_view payload, Type* type);  // of dump_value's result
bool restore_value(Keyspace& ks, std::string_view payload, Object* out, bool verify);  // of dump_value
std::string digest_hex(Keyspace& ks);
std::string digest_value_hex(Keyspace& ks, Database& d, Entry* e);

}  // namespace stele::keyspace

// The table of commands: facts by name (commands/table.inc) joined with handlers.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "keyspace/histogram.h"

namespace stele::keyspace {

struct Call;
using Handler = void (*)(Call&);
using Argv = std::span<const std::string_view>;

enum CommandFlag : uint32_t {
  kCmdWrite = 1, kCmdReadonly = 2, kCmdDenyOom = 4, kCmdAdmin = 8, kCmdPubsub = 16, kCmdNoScript = 32,
  kCmdBlocking = 64, kCmdLoading = 128, kCmdStale = 256, kCmdSkipMonitor = 512, kCmdSkipSlowlog = 1024,
  kCmdAsking = 2048, kCmdFast = 4096, kCmdNoAuth = 8192, kCmdMayReplicate = 16384, kCmdNoAsyncLoading = 32768,
  kCmdNoMulti = 65536, kCmdMovableKeys = 1 << 17, kCmdAllowBusy = 1 << 18, kCmdNoMandatoryKeys = 1 << 19,
};
enum KeyFlag : uint32_t {
  kKeyRO = 1, kKeyRW = 2, kKeyOW = 4, kKeyRM = 8, kKeyAccess = 16, kKeyUpdate = 32, kKeyInsert = 64,
  kKeyDelete = 128, kKeyNotKey = 256, kKeyIncomplete = 512, kKeyVariable = 1024, kKeyChannel = 2048,
};
struct KeySpec {
  uint32_t flags = 0;
  char begin = 'u';  // i: index, k: keyword, u: unknown
  int index = 0;
  std::string keyword;
  int start_from = 0;
  char find = 'u';   // r: range, n: number of keys, u: unknown
  int last = 0, step = 0, limit = 0;          // range
  int num_index = 0, first = 0;               // number of keys (step shared)
};
struct KeyRef { int index; uint32_t flags; };

struct CommandSpec {
  std::string name;                // lower case; "config|get" for subcommands
  int arity = 0;
  uint32_t flags = 0;
  uint64_t categories = 0;         // bits by acl_categories()
  int first_key = 0, last_key = 0, key_step = 0;
  std::vector<KeySpec> keys;
  std::vector<std::string> tips;
  std::string group, since;
  Handler handler = nullptr;
  CommandSpec* parent = nullptr;
  std::vector<CommandSpec*> subcommands;
  int id = 0;                      // bit of permissions
  bool simple_write = false;       // logged as it stands: one key, deterministic
  bool is(uint32_t f) const { return flags & f; }
  std::string_view sub_name() const { return std::string_view(name).substr(name.find('|') + 1); }
  // statistics
  uint64_t calls = 0, usec = 0, rejected = 0, failed = 0;
  std::unique_ptr<Histogram> latency;
};

class CommandTable {
 public:
  CommandTable();
  // By lower- or upper-case name; null if unknown.
  CommandSpec* find(std::string_view name);
  // Resolves container commands by their first argument.
  CommandSpec* find(Argv argv);
  CommandSpec* find_full(std::string_view name);  // "config|get" too
  const std::vector<std::unique_ptr<CommandSpec>>& all() const { return all_; }
  // All top-level ones in table order.
  const std::vector<CommandSpec*>& top() const { return top_; }
  // Keys of a call; false when they cannot be told. with_channels includes channel names.
  bool keys_of(const CommandSpec& c, Argv argv, std::vector<KeyRef>* out, bool with_channels = false) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const;
  };
  std::vector<std::unique_ptr<CommandSpec>> all_;
  std::vector<CommandSpec*> top_;
  std::unordered_map<std::string, CommandSpec*, Hash, std::equal_to<>> by_name_;
};

const std::vector<std::string>& acl_categories();
const char* command_flag_name(int bit);
const char* key_flag_names(uint32_t flags, std::vector<std::string>* out);

// Each commands/*.cc adds its handlers from a static array.
struct HandlerEntry { const char* name; Handler handler; };
std::span<const HandlerEntry> string_commands();
std::span<const HandlerEntry> bit_commands();
std::span<const HandlerEntry> hll_commands();
std::span<const HandlerEntry> list_commands();
std::span<const HandlerEntry> set_commands();
std::span<const HandlerEntry> hash_commands();
std::span<const HandlerEntry> zset_commands();
std::span<const HandlerEntry> zset_range_commands();
std::span<const HandlerEntry> geo_commands();
std::span<const HandlerEntry> stream_commands();
std::span<const HandlerEntry> stream_group_commands();
std::span<const HandlerEntry> generic_commands();
std::span<const HandlerEntry> scan_commands();
std::span<const HandlerEntry> sort_commands();
std::span<const HandlerEntry> dump_commands();
std::span<const HandlerEntry> pubsub_commands();
std::span<const HandlerEntry> multi_commands();
std::span<const HandlerEntry> script_commands();
std::span<const HandlerEntry> function_commands();
std::span<const HandlerEntry> connection_commands();
std::span<const HandlerEntry> client_commands();
std::span<const HandlerEntry> acl_commands();
std::span<const HandlerEntry> server_commands();
std::span<const HandlerEntry> info_commands();
std::span<const HandlerEntry> config_commands();
std::span<const HandlerEntry> debug_commands();

}  // namespace stele::keyspace

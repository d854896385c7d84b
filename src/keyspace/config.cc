#include "keyspace/config.h"

#include <unistd.h>

#include <charconv>

#include "keyspace/keyspace.h"
#include "keyspace/util.h"

namespace stele::keyspace {
namespace {

// name, alias, kind, minimum, maximum, flags (I immutable, P protected), default.
const char* const kParameters =
#include "keyspace/parameters.inc"
    ;

std::vector<std::string> split(const std::string& s, char by) {
  std::vector<std::string> out;
  size_t from = 0;
  for (;;) {
    size_t at = s.find(by, from);
    out.push_back(s.substr(from, at == std::string::npos ? at : at - from));
    if (at == std::string::npos) return out;
    from = at + 1;
  }
}
std::vector<std::string> words(const std::string& s) {
  std::vector<std::string> out;
  for (auto& w : split(s, ' '))
    if (!w.empty()) out.push_back(w);
  return out;
}

const std::pair<char, uint32_t> kNotifyLetters[] = {
    {'A', kNotifyAll}, {'g', kNotifyGeneric}, {'$', kNotifyString}, {'l', kNotifyList}, {'s', kNotifySet}, {'h', kNotifyHash},
    {'z', kNotifyZset}, {'x', kNotifyExpired}, {'e', kNotifyEvicted}, {'K', kNotifyKeyspace}, {'E', kNotifyKeyevent},
    {'t', kNotifyStream}, {'m', kNotifyKeyMiss}, {'d', kNotifyModule}, {'n', kNotifyNew}};

bool parse_notify(const std::string& s, uint32_t* flags) {
  *flags = 0;
  for (char c : s) {
    bool known = false;
    for (auto& [letter, bits] : kNotifyLetters)
      if (c == letter) { *flags |= bits; known = true; }
    if (!known) return false;
  }
  return true;
}
std::string notify_text(uint32_t f) {
  std::string s;
  if ((f & kNotifyAll) == kNotifyAll) s = "A";
  else
    for (char c : std::string("g$lshzxetd"))
      for (auto& [letter, bits] : kNotifyLetters)
        if (letter == c && (f & bits)) s += c;
  for (char c : std::string("KEmn"))
    for (auto& [letter, bits] : kNotifyLetters)
      if (letter == c && (f & bits)) s += c;
  return s;
}

std::string check_save(std::string* v) {
  auto w = words(*v);
  if (w.size() == 1 && w[0] == "\"\"") w.clear();
  if (w.size() % 2) return "Invalid save parameters";
  std::string out;
  for (size_t i = 0; i < w.size(); ++i) {
    int64_t n;
    if (!parse_i64(w[i], &n) || n < (i % 2 ? 0 : 1)) return "Invalid save parameters";
    out += (i ? " " : "") + w[i];
  }
  *v = out;
  return "";
}
std::string check_percentiles(std::string* v) {
  std::string out;
  for (auto& w : words(*v)) {
    double d;
    if (!parse_double(w, &d)) return "Invalid latency-tracking-info-percentiles parameters";
    if (d < 0 || d > 100) return "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
    out += (out.empty() ? "" : " ") + fmt::format("{}", d);
  }
  *v = out;
  return "";
}
std::string check_title(std::string* v) {
  static constexpr std::string_view kKnown[] = {"title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"};
  for (size_t at = 0; (at = v->find('{', at)) != std::string::npos; ++at) {
    size_t end = v->find('}', at);
    if (end == std::string::npos || std::find(std::begin(kKnown), std::end(kKnown), std::string_view(*v).substr(at + 1, end - at - 1)) == std::end(kKnown))
      return "template format is invalid or contains unknown variables";
  }
  return "";
}
std::string check_oom_values(std::string* v) {
  auto w = words(*v);
  if (w.size() != 3) return "wrong number of arguments";
  int64_t last = -2000;
  for (auto& x : w) {
    int64_t n;
    if (!parse_i64(x, &n) || n < -2000 || n > 2000)
      return "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
    last = std::max(last, n);
  }
  *v = w[0] + " " + w[1] + " " + w[2];
  return "";
}

}  // namespace

Config::Config() {
  std::map<std::string, int64_t*> numbers = {
      {"hash-max-listpack-entries", &s.hash_max_listpack_entries}, {"hash-max-listpack-value", &s.hash_max_listpack_value},
      {"set-max-intset-entries", &s.set_max_intset_entries}, {"zset-max-listpack-entries", &s.zset_max_listpack_entries},
      {"zset-max-listpack-value", &s.zset_max_listpack_value}, {"list-max-listpack-size", &s.list_max_listpack_size},
      {"stream-node-max-bytes", &s.stream_node_max_bytes}, {"stream-node-max-entries", &s.stream_node_max_entries},
      {"hll-sparse-max-bytes", &s.hll_sparse_max_bytes}, {"maxmemory", &s.maxmemory}, {"memory-limit", &s.memory_limit}, {"maxmemory-policy", &s.maxmemory_policy},
      {"maxmemory-samples", &s.maxmemory_samples}, {"maxmemory-eviction-tenacity", &s.maxmemory_eviction_tenacity},
      {"maxmemory-clients", &s.maxmemory_clients}, {"lfu-log-factor", &s.lfu_log_factor}, {"lfu-decay-time", &s.lfu_decay_time},
      {"active-expire-effort", &s.active_expire_effort}, {"hz", &s.hz}, {"databases", &s.databases}, {"maxclients", &s.maxclients},
      {"timeout", &s.timeout}, {"slowlog-log-slower-than", &s.slowlog_log_slower_than}, {"slowlog-max-len", &s.slowlog_max_len},
      {"latency-monitor-threshold", &s.latency_monitor_threshold}, {"acllog-max-len", &s.acllog_max_len},
      {"proto-max-bulk-len", &s.proto_max_bulk_len}, {"client-query-buffer-limit", &s.client_query_buffer_limit},
      {"busy-reply-threshold", &s.busy_reply_threshold}, {"tracking-table-max-keys", &s.tracking_table_max_keys},
      {"min-replicas-to-write", &s.min_replicas_to_write}, {"appendfsync", &s.appendfsync},
      {"enable-debug-command", &s.enable_debug_command}, {"acl-pubsub-default", &s.acl_pubsub_default},
      {"propagation-error-behavior", &s.propagation_error_behavior}, {"port", &s.port}, {"tcp-keepalive", &s.tcp_keepalive}};
  std::map<std::string, bool*> flags = {
      {"lazyfree-lazy-user-del", &s.lazyfree_lazy_user_del}, {"lazyfree-lazy-user-flush", &s.lazyfree_lazy_user_flush},
      {"latency-tracking", &s.latency_tracking}, {"appendonly", &s.appendonly}, {"replica-serve-stale-data", &s.replica_serve_stale},
      {"protected-mode", &s.protected_mode}, {"rdbcompression", &s.rdb_compression}, {"activerehashing", &s.activerehashing}};
  std::map<std::string, std::string*> texts = {
      {"requirepass", &s.requirepass}, {"notify-keyspace-events", &s.notify_keyspace_events}, {"aclfile", &s.aclfile},
      {"dir", &s.dir}, {"dbfilename", &s.dbfilename}, {"save", &s.save}, {"bind", &s.bind}, {"unixsocket", &s.unixsocket},
      {"client-output-buffer-limit", &s.client_output_buffer_limit}, {"latency-tracking-info-percentiles", &s.percentiles},
      {"oom-score-adj-values", &s.oom_values}};
  s.sanitize = false;
  for (auto& line : split(kParameters, '\n')) {
    if (line.empty()) continue;
    auto f = split(line, '\t');
    Param p;
    p.name = f[0];
    p.alias = f[1];
    switch (f[2][0]) {
      case 'b': p.kind = Kind::kBool; break;
      case 'i': p.kind = Kind::kInt; break;
      case 'm': p.kind = Kind::kMemory; break;
      case 'p': p.kind = Kind::kPercentMemory; break;
      case 's': p.kind = Kind::kString; break;
      case 'x': p.kind = Kind::kSpecial; break;
      case 'e':
        p.kind = Kind::kEnum;
        for (auto& v : split(f[2].substr(2), ',')) {
          size_t eq = v.find('=');
          p.values.emplace_back(v.substr(0, eq), std::stoll(v.substr(eq + 1)));
        }
        break;
    }
    p.min = std::stoll(f[3]);
    p.max = std::stoll(f[4]);
    p.immutable = f[5].find('I') != std::string::npos;
    p.is_protected = f[5].find('P') != std::string::npos;
    if (auto it = numbers.find(p.name); it != numbers.end()) p.number = it->second;
    if (auto it = flags.find(p.name); it != flags.end()) p.flag = it->second;
    if (auto it = texts.find(p.name); it != texts.end()) p.text = it->second;
    if (p.name == "save") p.check = check_save;
    if (p.name == "latency-tracking-info-percentiles") p.check = check_percentiles;
    if (p.name == "proc-title-template") p.check = check_title;
    if (p.name == "oom-score-adj-values") p.check = check_oom_values;
    if (p.name == "notify-keyspace-events")
      p.check = [](std::string* v) -> std::string {
        uint32_t bits;
        if (!parse_notify(*v, &bits)) return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
        *v = notify_text(bits);
        return "";
      };
    std::string def = f[6];
    // Values beyond three fifths of the machine's memory live on disk.
    if (p.name == "memory-limit") def = std::to_string(sysconf(_SC_PHYS_PAGES) / 5 * 3 * sysconf(_SC_PAGESIZE));
    index_[p.name] = params_.size();
    if (!p.alias.empty()) index_[p.alias] = params_.size();
    params_.push_back(std::move(p));
    set(params_.back(), def);
    params_.back().changed = false;
  }
}

Config::Param* Config::find(std::string_view name) {
  auto it = index_.find(lower(name));
  return it == index_.end() ? nullptr : &params_[it->second];
}
void Config::bind_apply(std::string_view name, std::function<std::string(const std::string&)> f) {
  find(name)->apply = std::move(f);
}

std::string Config::set(Param& p, std::string v) {
  switch (p.kind) {
    case Kind::kBool: {
      if (!iequals(v, "yes") && !iequals(v, "no")) return "argument must be 'yes' or 'no'";
      v = lower(v);
      if (p.flag != nullptr) *p.flag = v == "yes";
      break;
    }
    case Kind::kInt: {
      int64_t n;
      bool octal = p.name == "unixsocketperm";
      if (octal) {
        char* end;
        n = std::strtoll(v.c_str(), &end, 8);
        if (v.empty() || *end) return "argument couldn't be parsed into an integer";
      } else if (!parse_i64(v, &n)) {
        return "argument couldn't be parsed into an integer";
      }
      if (n < p.min || n > p.max) {
        if (octal) return fmt::format("argument must be between {:o} and {:o} inclusive", p.min, p.max);
        return fmt::format("argument must be between {} and {} inclusive", p.min, p.max);
      }
      if (p.name == "hz") { n = std::clamp<int64_t>(n, 1, 500); v = std::to_string(n); }
      if (p.number != nullptr) *p.number = n;
      break;
    }
    case Kind::kPercentMemory:
      if (!v.empty() && v.back() == '%') {
        int64_t n;
        if (!parse_i64(v.substr(0, v.size() - 1), &n) || n < 0) return "argument must be a memory or percent value";
        if (n > 100) return "percentage argument must be less or equal to 100";
        if (p.number != nullptr) *p.number = -n;
        break;
      }
      [[fallthrough]];
    case Kind::kMemory: {
      int64_t n;
      if (!parse_memory(v, &n) || n < 0) return p.kind == Kind::kPercentMemory ? "argument must be a memory or percent value" : "argument must be a memory value";
      if (n < p.min || n > p.max) return fmt::format("argument must be between {} and {} inclusive", p.min, p.max);
      v = std::to_string(n);
      if (p.number != nullptr) *p.number = n;
      break;
    }
    case Kind::kEnum: {
      int64_t n = -1;
      for (auto& [name, value] : p.values)
        if (iequals(name, v)) { n = value; v = name; }
      if (p.name.starts_with("shutdown-on") && n < 0) {
        bool all = true;
        for (auto& w : words(v)) {
          bool known = false;
          for (auto& [name, value] : p.values) known |= iequals(name, w);
          all &= known;
        }
        bool save = false, nosave = false;
        for (auto& w : words(v)) { save |= iequals(w, "save"); nosave |= iequals(w, "nosave"); }
        if (save && nosave) return "shutdown options SAVE and NOSAVE can't be used simultaneously";
        if (all && !v.empty()) n = 0;
      }
      if (n < 0) {
        std::string list;
        for (auto& [name, value] : p.values) list += (list.empty() ? "" : ", ") + name;
        return "argument(s) must be one of the following: " + list;
      }
      if (p.number != nullptr) *p.number = n;
      break;
    }
    case Kind::kString:
    case Kind::kSpecial:
      if (p.check) {
        std::string error = p.check(&v);
        if (!error.empty()) return error;
      }
      if (p.text != nullptr) *p.text = v;
      break;
  }
  p.value = v;
  p.changed = true;
  return "";
}

static const char* const kClasses[] = {"normal", "slave", "pubsub"};

void Keyspace::bind_config() {
  auto limits = [this](const std::string& v) -> std::string {
    auto w = words(v);
    if (w.size() % 4) return "Wrong number of arguments in buffer limit configuration.";
    for (size_t i = 0; i < w.size(); i += 4) {
      int cls = -1;
      for (int k = 0; k < 3; ++k)
        if (iequals(w[i], kClasses[k])) cls = k;
      if (iequals(w[i], "replica")) cls = 1;
      if (cls < 0) return "Invalid client class specified in buffer limit configuration.";
      int64_t hard, soft, seconds;
      if (!parse_memory(w[i + 1], &hard) || !parse_memory(w[i + 2], &soft) || !parse_i64(w[i + 3], &seconds) || hard < 0 || soft < 0 || seconds < 0)
        return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
      output_limits[cls] = {static_cast<uint64_t>(hard), static_cast<uint64_t>(soft), seconds};
    }
    std::string text;
    for (int k = 0; k < 3; ++k)
      text += fmt::format("{}{} {} {} {}", k ? " " : "", kClasses[k], output_limits[k].hard, output_limits[k].soft, output_limits[k].soft_s);
    config.find("client-output-buffer-limit")->value = text;
    return "";
  };
  config.bind_apply("client-output-buffer-limit", limits);
  limits(config.s.client_output_buffer_limit);
  config.bind_apply("notify-keyspace-events", [this](const std::string& v) -> std::string {
    parse_notify(v, &notify_flags);
    return "";
  });
  config.bind_apply("requirepass", [this](const std::string& v) -> std::string {
    AclUser& u = *acl.default_user;
    acl.set_rule(u, "resetpass", true);
    if (!v.empty()) acl.set_rule(u, ">" + v, true);
    else acl.set_rule(u, "nopass", true);
    return "";
  });
  config.bind_apply("maxmemory", [this](const std::string&) -> std::string {
    bool freed;
    evict(&freed);
    return "";
  });
}

}  // namespace stele::keyspace

// INFO.
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "keyspace/scripting/engine.h"

namespace stele::keyspace {
namespace {

uint64_t rss_bytes() {
  std::ifstream f("/proc/self/statm");
  uint64_t size = 0, rss = 0;
  f >> size >> rss;
  return rss * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}
uint64_t mean(const uint64_t* samples) {
  uint64_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += samples[i];
  return sum / 16;
}
const std::vector<std::string>& default_sections() {
  static const std::vector<std::string> s = {"server", "clients", "memory", "persistence", "stats", "replication", "cpu", "modules", "errorstats", "cluster", "keyspace"};
  return s;
}
}  // namespace

std::string Keyspace::info(const std::vector<std::string>& asked) {
  std::set<std::string> want;
  auto add_default = [&] { want.insert(default_sections().begin(), default_sections().end()); };
  auto add_all = [&] { add_default(); want.insert({"commandstats", "latencystats"}); };
  if (asked.empty()) add_default();
  for (auto& a : asked) {
    std::string s = lower(a);
    if (s == "default") add_default();
    else if (s == "all" || s == "everything") add_all();
    else want.insert(s);
  }
  std::string out;
  auto section = [&](const char* name, const char* title) {
    if (!want.contains(name)) return false;
    if (!out.empty()) out += "\r\n";
    out += fmt::format("# {}\r\n", title);
    return true;
  };
  auto row = [&](std::string_view k, const auto& v) { out += fmt::format("{}:{}\r\n", k, v); };
  int64_t uptime = (now_ms_ - stats.start_ms) / 1000;
  uint64_t used = used_memory();
  stats.peak_memory = std::max(stats.peak_memory, used);
  if (section("server", "Server")) {
    utsname u{};
    uname(&u);
    row("redis_version", "7.0.15");
    row("redis_git_sha1", "00000000");
    row("redis_git_dirty", 0);
    row("redis_build_id", "57e1e57e1e57e1e");
    row("redis_mode", "standalone");
    row("os", fmt::format("{} {} {}", u.sysname, u.release, u.machine));
    row("arch_bits", 64);
    row("monotonic_clock", "POSIX clock_gettime");
    row("multiplexing_api", "epoll");
    row("atomicvar_api", "c11-builtin");
    row("gcc_version", __VERSION__);
    row("process_id", getpid());
    row("process_supervised", "no");
    row("run_id", run_id);
    row("tcp_port", config.s.port);
    row("server_time_usec", now_us());
    row("uptime_in_seconds", uptime);
    row("uptime_in_days", uptime / 86400);
    row("hz", config.s.hz);
    row("configured_hz", config.s.hz);
    row("lru_clock", lru_clock());
    row("executable", "/proc/self/exe");
    row("config_file", config_file);
    row("io_threads_active", 0);
  }
  if (section("clients", "Clients")) {
    size_t in = 0, obl = 0;
    for (auto* s : sessions)
      if (s->host) { in = std::max(in, s->host->input_bytes(*s)); obl = std::max(obl, s->host->output_bytes(*s)); }
    row("connected_clients", sessions.size());
    row("cluster_connections", 0);
    row("maxclients", config.s.maxclients);
    row("client_recent_max_input_buffer", in);
    row("client_recent_max_output_buffer", obl);
    row("blocked_clients", blocked_clients);
    row("tracking_clients", tracking_clients);
    row("clients_in_timeout_table", timeouts.size());
  }
  if (section("memory", "Memory")) {
    uint64_t rss = rss_bytes(), lua = scripts->memory_bytes();
    static const char* const policies[] = {"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"};
    uint64_t client_bytes = 0;
    for (auto* s : sessions)
      if (s->host) client_bytes += s->host->input_capacity(*s) + s->host->output_bytes(*s) + s->multi_bytes + sizeof(Session);
    row("used_memory", used);
    row("used_memory_human", human_bytes(used));
    row("used_memory_rss", rss);
    row("used_memory_rss_human", human_bytes(rss));
    row("used_memory_peak", stats.peak_memory);
    row("used_memory_peak_human", human_bytes(stats.peak_memory));
    row("used_memory_peak_perc", fmt::format("{:.2f}%", 100.0 * static_cast<double>(used) / static_cast<double>(stats.peak_memory)));
    uint64_t overhead = 1000000 + client_bytes;
    for (auto& d : dbs_) overhead += d->dict.memory_bytes() + d->expires.memory_bytes();
    row("used_memory_overhead", overhead);
    row("used_memory_startup", 1000000);
    row("used_memory_dataset", used > overhead ? used - overhead : 0);
    row("used_memory_dataset_perc", fmt::format("{:.2f}%", used > overhead ? 100.0 * static_cast<double>(used - overhead) / static_cast<double>(used - 1000000 + 1) : 0.0));
    row("allocator_allocated", used);
    row("allocator_active", rss);
    row("allocator_resident", rss);
    row("total_system_memory", static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
    row("total_system_memory_human", human_bytes(static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE))));
    row("used_memory_lua", lua);
    row("used_memory_vm_eval", lua);
    row("used_memory_lua_human", human_bytes(lua));
    row("used_memory_scripts_eval", scripts->script_count() * 200);
    row("number_of_cached_scripts", scripts->script_count());
    row("number_of_functions", scripts->function_count());
    row("number_of_libraries", scripts->libraries().size());
    row("used_memory_vm_functions", lua / 2);
    row("used_memory_vm_total", lua);
    row("used_memory_vm_total_human", human_bytes(lua));
    row("used_memory_functions", 200 + scripts->function_count() * 200);
    row("used_memory_scripts", 200 + scripts->script_count() * 200);
    row("used_memory_scripts_human", human_bytes(200 + scripts->script_count() * 200));
    row("maxmemory", config.s.maxmemory);
    row("maxmemory_human", human_bytes(static_cast<uint64_t>(config.s.maxmemory)));
    row("maxmemory_policy", policies[config.s.maxmemory_policy]);
    row("allocator_frag_ratio", "1.00");
    row("allocator_frag_bytes", 0);
    row("allocator_rss_ratio", "1.00");
    row("allocator_rss_bytes", 0);
    row("rss_overhead_ratio", "1.00");
    row("rss_overhead_bytes", 0);
    row("mem_fragmentation_ratio", fmt::format("{:.2f}", static_cast<double>(rss) / static_cast<double>(used)));
    row("mem_fragmentation_bytes", static_cast<int64_t>(rss) - static_cast<int64_t>(used));
    row("mem_not_counted_for_evict", 0);
    row("mem_replication_backlog", 0);
    row("mem_total_replication_buffers", 0);
    row("mem_clients_slaves", 0);
    row("mem_clients_normal", client_bytes);
    row("mem_cluster_links", 0);
    row("mem_aof_buffer", effects_.size());
    row("mem_allocator", "jemalloc-5.3.0");
    row("active_defrag_running", 0);
    row("lazyfree_pending_objects", lazy_pending);
    row("lazyfreed_objects", stats.lazyfreed);
  }
  if (section("persistence", "Persistence")) {
    row("loading", 0);
    row("async_loading", 0);
    for (auto* k : {"current_cow_peak", "current_cow_size", "current_cow_size_age"}) row(k, 0);
    row("current_fork_perc", "0.00");
    row("current_save_keys_processed", 0);
    row("current_save_keys_total", 0);
    row("rdb_changes_since_last_save", dirty - stats.dirty_at_save);
    row("rdb_bgsave_in_progress", 0);
    row("rdb_last_save_time", stats.last_save_s);
    row("rdb_last_bgsave_status", "ok");
    row("rdb_last_bgsave_time_sec", stats.saves ? 0 : -1);
    row("rdb_current_bgsave_time_sec", -1);
    row("rdb_saves", stats.saves);
    for (auto* k : {"rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded"}) row(k, 0);
    row("stele_cold_keys", draining.cold_keys.load());
    row("stele_drains", draining.runs.load());
    row("stele_drained_bytes", draining.bytes.load());
    row("stele_drain_longest_latch_us", draining.longest_latch_us.load());
    row("aof_enabled", config.s.appendonly ? 1 : 0);
    row("aof_rewrite_in_progress", 0);
    row("aof_rewrite_scheduled", 0);
    row("aof_last_rewrite_time_sec", -1);
    row("aof_current_rewrite_time_sec", -1);
    row("aof_last_bgrewrite_status", "ok");
    row("aof_rewrites", 0);
    row("aof_rewrites_consecutive_failures", 0);
    row("aof_last_write_status", "ok");
    row("aof_last_cow_size", 0);
    row("module_fork_in_progress", 0);
    row("module_fork_last_cow_size", 0);
  }
  if (section("stats", "Stats")) {
    uint64_t prefixes = tracking_prefixes.size();
    row("total_connections_received", stats.connections);
    row("total_commands_processed", stats.commands);
    row("instantaneous_ops_per_sec", mean(stats.ops_samples));
    row("total_net_input_bytes", stats.net_in);
    row("total_net_output_bytes", stats.net_out);
    row("total_net_repl_input_bytes", 0);
    row("total_net_repl_output_bytes", 0);
    row("instantaneous_input_kbps", fmt::format("{:.2f}", static_cast<double>(mean(stats.in_samples)) / 1024));
    row("instantaneous_output_kbps", fmt::format("{:.2f}", static_cast<double>(mean(stats.out_samples)) / 1024));
    row("instantaneous_input_repl_kbps", "0.00");
    row("instantaneous_output_repl_kbps", "0.00");
    row("rejected_connections", stats.rejected_connections);
    for (auto* k : {"sync_full", "sync_partial_ok", "sync_partial_err"}) row(k, 0);
    row("expired_keys", stats.expired);
    row("expired_stale_perc", fmt::format("{:.2f}", stats.expired_stale_perc * 100));
    row("expired_time_cap_reached_count", stats.expire_cap_reached);
    row("expire_cycle_cpu_milliseconds", stats.expire_cycle_us / 1000);
    row("evicted_keys", stats.evicted);
    row("evicted_clients", stats.evicted_clients);
    row("total_eviction_exceeded_time", stats.evict_exceeded_us / 1000);
    row("current_eviction_exceeded_time", 0);
    row("keyspace_hits", stats.hits);
    row("keyspace_misses", stats.misses);
    row("pubsub_channels", channels.size());
    row("pubsub_patterns", patterns.size());
    row("pubsubshard_channels", shard_channels.size());
    for (auto* k : {"latest_fork_usec", "total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys", "active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses", "total_active_defrag_time", "current_active_defrag_time"}) row(k, 0);
    row("tracking_total_keys", tracking_table.size());
    row("tracking_total_items", tracking_items);
    row("tracking_total_prefixes", prefixes);
    row("unexpected_error_replies", 0);
    row("total_error_replies", stats.errors);
    row("dump_payload_sanitizations", 0);
    row("total_reads_processed", stats.reads);
    row("total_writes_processed", stats.writes);
    for (auto* k : {"io_threaded_reads_processed", "io_threaded_writes_processed", "reply_buffer_shrinks", "reply_buffer_expands"}) row(k, 0);
  }
  if (section("replication", "Replication")) {
    row("role", "master");
    row("connected_slaves", 0);
    row("master_failover_state", "no-failover");
    row("master_replid", replid);
    row("master_replid2", std::string(40, '0'));
    row("master_repl_offset", 0);
    row("second_repl_offset", -1);
    row("repl_backlog_active", 0);
    row("repl_backlog_size", 1048576);
    row("repl_backlog_first_byte_offset", 0);
    row("repl_backlog_histlen", 0);
  }
  if (section("cpu", "CPU")) {
    rusage r{};
    getrusage(RUSAGE_SELF, &r);
    auto t = [](const timeval& v) { return fmt::format("{}.{:06}", v.tv_sec, v.tv_usec); };
    row("used_cpu_sys", t(r.ru_stime));
    row("used_cpu_user", t(r.ru_utime));
    row("used_cpu_sys_children", "0.000000");
    row("used_cpu_user_children", "0.000000");
    row("used_cpu_sys_main_thread", t(r.ru_stime));
    row("used_cpu_user_main_thread", t(r.ru_utime));
  }
  section("modules", "Modules");
  if (section("commandstats", "Commandstats"))
    for (auto& c : commands.all())
      if (c->calls || c->failed || c->rejected)
        row("cmdstat_" + c->name, fmt::format("calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}", c->calls, c->usec, c->calls ? static_cast<double>(c->usec) / static_cast<double>(c->calls) : 0.0, c->rejected, c->failed));
  if (section("errorstats", "Errorstats"))
    for (auto& [k, n] : stats.error_counts) row("errorstat_" + k, fmt::format("count={}", n));
  if (section("latencystats", "Latencystats"))
    for (auto& c : commands.all()) {
      if (c->latency == nullptr || c->latency->total() == 0 || config.s.percentiles.empty()) continue;
      std::string line;
      std::vector<std::string> ps;
      split_args(config.s.percentiles, &ps);
      for (auto& p : ps) {
        double v = 0;
        parse_double(p, &v);
        line += fmt::format("{}p{}={:.3f}", line.empty() ? "" : ",", format_score(v), c->latency->percentile_us(v));
      }
      row("latency_percentiles_usec_" + c->name, line);
    }
  if (section("cluster", "Cluster")) row("cluster_enabled", 0);
  if (section("keyspace", "Keyspace"))
    for (auto& d : dbs_)
      if (d->dict.size() > 0) row(fmt::format("db{}", d->id), fmt::format("keys={},expires={},avg_ttl={}", d->dict.size(), d->expires.size(), static_cast<int64_t>(d->avg_ttl)));
  return out;
}

namespace {
void cmd_info(Call& c) {
  std::vector<std::string> sections(c.argv.begin() + 1, c.argv.end());
  c.reply.verbatim(c.ks.info(sections));
}
const HandlerEntry kCommands[] = {{"info", cmd_info}};
}  // namespace
std::span<const HandlerEntry> info_commands() { return kCommands; }
}  // namespace stele::keyspace

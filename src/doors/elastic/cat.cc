// _cat: tables for people.
#include <unistd.h>

#include <cstring>

#include "doors/elastic/activity.h"
#include "doors/elastic/cluster_parts.h"
#include "doors/elastic/machine.h"

namespace stele::elastic {

namespace {

struct CatColumn { const char* name; const char* alias; bool shown; bool right; };
struct CatTable {
  std::vector<CatColumn> columns;
  std::vector<std::vector<std::string>> rows;
};

Reply cat(Call& c, CatTable t) {
  if (c.flag("help", false)) {
    size_t wn = 0, wa = 0;
    for (auto& col : t.columns) {
      wn = std::max(wn, std::strlen(col.name));
      wa = std::max(wa, std::strlen(col.alias));
    }
    std::string out;
    for (auto& col : t.columns) out += fmt::format("{:<{}} | {:<{}} | {} \n", col.name, wn, col.alias, wa, std::string(col.name));
    return Reply::plain(out);
  }
  auto find = [&](const std::string& name) -> int {
    for (size_t i = 0; i < t.columns.size(); ++i) {
      if (name == t.columns[i].name) return static_cast<int>(i);
      for (auto& a : split(t.columns[i].alias, ',')) if (a == name) return static_cast<int>(i);
    }
    return -1;
  };
  std::vector<std::pair<size_t, std::string>> shown;
  if (c.has("h")) {
    for (auto& n : split(c.param("h"), ',')) {
      if (n.find('*') != std::string::npos) {
        for (size_t i = 0; i < t.columns.size(); ++i) if (glob(n, t.columns[i].name)) shown.emplace_back(i, t.columns[i].name);
        continue;
      }
      int i = find(n);
      if (i >= 0) shown.emplace_back(static_cast<size_t>(i), n);
    }
  } else {
    for (size_t i = 0; i < t.columns.size(); ++i) if (t.columns[i].shown) shown.emplace_back(i, t.columns[i].name);
  }
  if (c.has("s")) {
    auto keys = split(c.param("s"), ',');
    std::vector<std::pair<size_t, bool>> by;
    for (auto& k : keys) {
      auto parts = split(k, ':');
      int i = find(parts[0]);
      if (i < 0) throw ElasticError(400, "unsupported_operation_exception", "Unable to sort by unknown sort key `" + parts[0] + "`");
      by.emplace_back(static_cast<size_t>(i), parts.size() > 1 && parts[1] == "desc");
    }
    std::stable_sort(t.rows.begin(), t.rows.end(), [&](auto& a, auto& b) {
      for (auto& [i, desc] : by) {
        char *ea, *eb;
        double x = std::strtod(a[i].c_str(), &ea), y = std::strtod(b[i].c_str(), &eb);
        bool numeric = !a[i].empty() && !b[i].empty() && *ea == 0 && *eb == 0;
        if (numeric ? x != y : a[i] != b[i]) return desc ? (numeric ? x > y : a[i] > b[i]) : (numeric ? x < y : a[i] < b[i]);
      }
      return false;
    });
  }
  std::string accept(c.request.header("accept"));
  std::string format = c.param("format");
  if (format == "json" || format == "yaml" || (format.empty() && accept.find("json") != std::string::npos && accept.find("text/plain") == std::string::npos)) {
    json::array list;
    for (auto& r : t.rows) {
      json::object o;
      for (auto& [i, n] : shown) o[n] = r[i].empty() ? json::value(nullptr) : json::value(r[i]);
      list.push_back(o);
    }
    return Reply(list);
  }
  bool head = c.flag("v", false);
  std::string out;
  std::vector<size_t> width(shown.size());
  for (size_t k = 0; k < shown.size(); ++k) {
    if (head) width[k] = shown[k].second.size();
    for (auto& r : t.rows) width[k] = std::max(width[k], r[shown[k].first].size());
  }
  auto line = [&](auto&& cell) {
    for (size_t k = 0; k < shown.size(); ++k) {
      std::string s = cell(k);
      bool last = k + 1 == shown.size();
      if (t.columns[shown[k].first].right) out += std::string(width[k] - s.size(), ' ') + s;
      else out += last ? s : s + std::string(width[k] - s.size(), ' ');
      if (!last) out += ' ';
    }
    out += '\n';
  };
  if (head) line([&](size_t k) { return shown[k].second; });
  for (auto& r : t.rows) line([&](size_t k) { return r[shown[k].first]; });
  return Reply::plain(out);
}

std::string bytes_text(Call& c, uint64_t n) {
  std::string unit = c.param("bytes");
  if (!unit.empty()) {
    static const std::map<std::string, uint64_t> kUnits = {{"b", 1}, {"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}};
    auto it = kUnits.find(unit);
    return std::to_string(n / (it == kUnits.end() ? 1 : it->second));
  }
  const char* units[] = {"b", "kb", "mb", "gb", "tb"};
  double v = static_cast<double>(n);
  int u = 0;
  while (v >= 1024 && u < 4) {
    v /= 1024;
    ++u;
  }
  if (u == 0) return std::to_string(n) + "b";
  std::string s = fmt::format("{:.1f}", v);
  if (s.ends_with(".0")) s.resize(s.size() - 2);
  return s + units[u];
}

Reply cat_help(Call&) {
  return Reply::plain("=^.^=\n/_cat/allocation\n/_cat/shards\n/_cat/shards/{index}\n/_cat/master\n/_cat/nodes\n/_cat/tasks\n/_cat/indices\n/_cat/indices/{index}\n/_cat/segments\n/_cat/segments/{index}\n/_cat/count\n/_cat/count/{index}\n/_cat/recovery\n/_cat/recovery/{index}\n/_cat/health\n/_cat/pending_tasks\n/_cat/aliases\n/_cat/aliases/{alias}\n/_cat/thread_pool\n/_cat/thread_pool/{thread_pools}\n/_cat/plugins\n/_cat/fielddata\n/_cat/fielddata/{fields}\n/_cat/nodeattrs\n/_cat/repositories\n/_cat/snapshots/{repository}\n/_cat/templates\n/_cat/component_templates\n");
}
Reply cat_indices(Call& c) {
  CatTable t;
  t.columns = {{"health", "h", true, false}, {"status", "s", true, false}, {"index", "i,idx", true, false}, {"uuid", "id", true, false}, {"pri", "p,shards.primary,shardsPrimary", true, true}, {"rep", "r,shards.replica,shardsReplica", true, true}, {"docs.count", "dc,docsCount", true, true}, {"docs.deleted", "dd,docsDeleted", true, true}, {"creation.date", "cd", false, true}, {"creation.date.string", "cds", false, false}, {"store.size", "ss,storeSize", true, true}, {"pri.store.size", "pri.store.size", true, true}, {"dataset.size", "dataset.size", true, true}};
  std::string health = c.param("health");
  if (!health.empty() && health != "green" && health != "yellow" && health != "red") illegal("unknown cluster health status [" + health + "]");
  auto targets = c.resolve(c.part("index"), true, false, true);
  if (c.part("index").empty() || c.part("index").find('*') != std::string::npos) {
    targets = {};
    for (auto& x : c.engine().all()) {
      bool hit = c.part("index").empty();
      for (auto& p : split(c.part("index"), ',')) hit |= glob(p, x->name);
      for (auto& [a, d] : x->aliases) for (auto& p : split(c.part("index"), ',')) hit |= glob(p, std::string(a));
      std::string expand = c.param("expand_wildcards", "all");
      if (x->closed && expand == "open") hit = false;
      if (!x->closed && expand == "closed") hit = false;
      if (hit) {
        Call::Target target;
        target.index = x;
        targets.push_back(target);
      }
    }
  }
  for (auto& target : targets) {
    const Index& x = *target.index;
    Counts n = counts(x);
    auto s = x.indexed->index.stats();
    std::string h = n.replicas > 0 ? "yellow" : "green";
    if (!health.empty() && health != h) continue;
    bool closed = x.closed;
    t.rows.push_back({h, closed ? "close" : "open", x.name, x.uuid, std::to_string(n.primaries), std::to_string(n.replicas / n.primaries), closed ? "" : std::to_string(s.docs), closed ? "" : std::to_string(s.deleted), std::to_string(x.created_ms), segments::default_date_format().format(x.created_ms), closed ? "" : bytes_text(c, s.bytes), closed ? "" : bytes_text(c, s.bytes), closed ? "" : bytes_text(c, s.bytes)});
  }
  return cat(c, t);
}
Reply cat_aliases(Call& c) {
  CatTable t;
  t.columns = {{"alias", "a", true, false}, {"index", "i,idx", true, false}, {"filter", "f,fi", true, false}, {"routing.index", "ri,routingIndex", true, false}, {"routing.search", "rs,routingSearch", true, false}, {"is_write_index", "w,isWriteIndex", true, false}};
  std::vector<std::string> names = split(c.part("name"), ',');
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> sorted;
  for (auto& x : c.engine().all()) {
    for (auto& [a, d] : x->aliases) {
      bool take = names.empty();
      for (auto& n : names) {
        if (n.size() > 1 && n[0] == '-') take = take && !glob(n.substr(1), std::string(a));
        else take |= glob(n, std::string(a));
      }
      if (!take) continue;
      const json::object& o = d.as_object();
      std::string r = text_or(o, "routing");
      sorted[{std::string(a), x->name}] = {std::string(a), x->name, o.contains("filter") ? "*" : "-", text_or(o, "index_routing", r.empty() ? "-" : r), text_or(o, "search_routing", r.empty() ? "-" : r), text_or(o, "is_write_index", "-")};
    }
  }
  for (auto& [k, r] : sorted) t.rows.push_back(r);
  return cat(c, t);
}
std::pair<std::string, std::string> clock_of(Call& c) {
  int64_t now = c.engine().now_ms();
  return {std::to_string(now / 1000), segments::DateFormat("HH:mm:ss").format(now)};
}
Reply cat_count(Call& c) {
  CatTable t;
  t.columns = {{"epoch", "t,time", true, false}, {"timestamp", "ts,hms,hhmmss", true, false}, {"count", "dc,docs.count,docsCount", true, false}};
  uint64_t n = 0;
  for (auto& target : c.resolve(c.part("index"))) n += target.index->indexed->index.stats().docs;
  auto [epoch, time] = clock_of(c);
  t.rows.push_back({epoch, time, std::to_string(n)});
  return cat(c, t);
}
Reply cat_health(Call& c) {
  CatTable t;
  t.columns = {{"epoch", "t,time", true, false}, {"timestamp", "ts,hms,hhmmss", true, false}, {"cluster", "cl", true, false}, {"status", "st", true, false}, {"node.total", "nt,nodeTotal", true, true}, {"node.data", "nd,nodeData", true, true}, {"shards", "t,sh,shards.total,shardsTotal", true, true}, {"pri", "p,shards.primary,shardsPrimary", true, true}, {"relo", "r,shards.relocating,shardsRelocating", true, true}, {"init", "i,shards.initializing,shardsInitializing", true, true}, {"unassign", "u,shards.unassigned,shardsUnassigned", true, true}, {"unassign.pri", "up,shards.unassigned.primary,shardsUnassignedPrimary", true, true}, {"pending_tasks", "pt,pendingTasks", true, true}, {"max_task_wait_time", "mtwt,maxTaskWaitTime", true, true}, {"active_shards_percent", "asp,activeShardsPercent", true, true}};
  int64_t p = 0, u = 0;
  for (auto& x : c.engine().all()) {
    p += counts(*x).primaries;
    u += counts(*x).replicas;
  }
  auto [epoch, time] = clock_of(c);
  if (!c.flag("ts", true)) {
    t.columns[0].shown = t.columns[1].shown = false;
  }
  t.rows.push_back({epoch, time, c.door.cluster_name, u > 0 ? "yellow" : "green", "1", "1", std::to_string(p), std::to_string(p), "0", "0", std::to_string(u), "0", "0", "-", fmt::format("{:.1f}%", p + u == 0 ? 100.0 : 100.0 * static_cast<double>(p) / static_cast<double>(p + u))});
  return cat(c, t);
}
// The counters of one index as columns; prefix "pri." for those of its primaries.
using Counter = std::pair<CatColumn, std::string>;
std::vector<Counter> counters(Call& c, const Index& x, const segments::RelationIndex::Stats& s) {
  Activity a = activity_of(x.oid);
  auto n = [](int64_t v) { return std::to_string(v); };
  auto ms = [](int64_t us) { return std::to_string(us / 1000) + "ms"; };
  int64_t seq = x.indexed->next_seq_no.load() - 1;
  return {
      {{"completion.size", "cs,completionSize", false, true}, bytes_text(c, 0)}, {{"fielddata.memory_size", "fm,fielddataMemory", false, true}, bytes_text(c, 0)}, {{"fielddata.evictions", "fe,fielddataEvictions", false, true}, "0"},
      {{"query_cache.memory_size", "qcm,queryCacheMemory", false, true}, bytes_text(c, 0)}, {{"query_cache.evictions", "qce,queryCacheEvictions", false, true}, "0"},
      {{"flush.total", "ft,flushTotal", false, true}, n(a.flushes)}, {{"flush.total_time", "ftt,flushTotalTime", false, true}, "0s"},
      {{"get.current", "gc,getCurrent", false, true}, "0"}, {{"get.time", "gti,getTime", false, true}, "0s"}, {{"get.total", "gto,getTotal", false, true}, n(a.gets)}, {{"get.exists_time", "geti,getExistsTime", false, true}, "0s"},
      {{"get.exists_total", "geto,getExistsTotal", false, true}, n(a.gets_found)}, {{"get.missing_time", "gmti,getMissingTime", false, true}, "0s"}, {{"get.missing_total", "gmto,getMissingTotal", false, true}, n(a.gets - a.gets_found)},
      {{"indexing.delete_current", "idc,indexingDeleteCurrent", false, true}, "0"}, {{"indexing.delete_time", "idti,indexingDeleteTime", false, true}, "0s"}, {{"indexing.delete_total", "idto,indexingDeleteTotal", false, true}, n(a.deleted)},
      {{"indexing.index_current", "iic,indexingIndexCurrent", false, true}, "0"}, {{"indexing.index_time", "iiti,indexingIndexTime", false, true}, ms(a.write_us)}, {{"indexing.index_total", "iito,indexingIndexTotal", false, true}, n(a.indexed)},
      {{"indexing.index_failed", "iif,indexingIndexFailed", false, true}, n(a.failed)}, {{"indexing.index_failed_due_to_version_conflict", "iifvc,indexingIndexFailedDueToVersionConflict", false, true}, n(a.conflicts)},
      {{"merges.current", "mc,mergesCurrent", false, true}, "0"}, {{"merges.current_docs", "mcd,mergesCurrentDocs", false, true}, "0"}, {{"merges.current_size", "mcs,mergesCurrentSize", false, true}, bytes_text(c, 0)}, {{"merges.total", "mt,mergesTotal", false, true}, n(a.merges)},
      {{"merges.total_docs", "mtd,mergesTotalDocs", false, true}, "0"}, {{"merges.total_size", "mts,mergesTotalSize", false, true}, bytes_text(c, 0)}, {{"merges.total_time", "mtt,mergesTotalTime", false, true}, "0s"},
      {{"refresh.total", "rto,refreshTotal", false, true}, n(a.refreshes)}, {{"refresh.time", "rti,refreshTime", false, true}, "0s"}, {{"refresh.external_total", "rto,refreshTotal", false, true}, n(a.refreshes)}, {{"refresh.external_time", "rti,refreshTime", false, true}, "0s"}, {{"refresh.listeners", "rli,refreshListeners", false, true}, "0"},
      {{"search.fetch_current", "sfc,searchFetchCurrent", false, true}, "0"}, {{"search.fetch_time", "sfti,searchFetchTime", false, true}, ms(a.search.fetch_us)}, {{"search.fetch_total", "sfto,searchFetchTotal", false, true}, n(a.search.fetches)}, {{"search.open_contexts", "so,searchOpenContexts", false, true}, "0"},
      {{"search.query_current", "sqc,searchQueryCurrent", false, true}, "0"}, {{"search.query_time", "sqti,searchQueryTime", false, true}, ms(a.search.query_us)}, {{"search.query_total", "sqto,searchQueryTotal", false, true}, n(a.search.queries)},
      {{"search.scroll_current", "scc,searchScrollCurrent", false, true}, "0"}, {{"search.scroll_time", "scti,searchScrollTime", false, true}, "0s"}, {{"search.scroll_total", "scto,searchScrollTotal", false, true}, n(a.scrolls)},
      {{"segments.count", "sc,segmentsCount", false, true}, n(static_cast<int64_t>(s.segments))}, {{"segments.memory", "sm,segmentsMemory", false, true}, bytes_text(c, 0)}, {{"segments.index_writer_memory", "siwm,segmentsIndexWriterMemory", false, true}, bytes_text(c, 0)},
      {{"segments.version_map_memory", "svmm,segmentsVersionMapMemory", false, true}, bytes_text(c, 0)}, {{"segments.fixed_bitset_memory", "sfbm,fixedBitsetMemory", false, true}, bytes_text(c, 0)},
      {{"seq_no.max", "sqm,maxSeqNo", false, true}, n(seq)}, {{"seq_no.local_checkpoint", "sql,localCheckpoint", false, true}, n(seq)}, {{"seq_no.global_checkpoint", "sqg,globalCheckpoint", false, true}, n(seq)},
      {{"warmer.current", "wc,warmerCurrent", false, true}, "0"}, {{"warmer.total", "wto,warmerTotal", false, true}, "0"}, {{"warmer.total_time", "wtt,warmerTotalTime", false, true}, "0s"},
      {{"path.data", "pd,dataPath", false, true}, ""}, {{"path.state", "ps,statsPath", false, true}, ""},
      {{"bulk.total_operations", "bto,bulkTotalOperations", false, true}, n(a.bulks)}, {{"bulk.total_time", "btti,bulkTotalTime", false, true}, ms(a.bulk_us)}, {{"bulk.total_size_in_bytes", "btsi,bulkTotalSizeInBytes", false, true}, bytes_text(c, static_cast<uint64_t>(a.bulk_bytes))},
      {{"bulk.avg_time", "bati,bulkAvgTime", false, true}, ms(a.bulks == 0 ? 0 : a.bulk_us / a.bulks)}, {{"bulk.avg_size_in_bytes", "basi,bulkAvgSizeInBytes", false, true}, bytes_text(c, a.bulks == 0 ? 0 : static_cast<uint64_t>(a.bulk_bytes / a.bulks))},
      {{"dense_vector.value_count", "dvc,denseVectorCount", false, true}, ""}, {{"sparse_vector.value_count", "svc,sparseVectorCount", false, true}, ""}};
}
Reply cat_shards(Call& c) {
  CatTable t;
  t.columns = {{"index", "i,idx", true, false}, {"shard", "s,sh", true, false}, {"prirep", "p,pr,primaryOrReplica", true, false}, {"state", "st", true, false}, {"docs", "d,dc", true, true}, {"store", "sto", true, true}, {"dataset", "dataset", true, true}, {"ip", "ip", true, false}, {"id", "id", false, false}, {"node", "n", true, false},
               {"sync_id", "sync_id", false, false}, {"unassigned.reason", "ur", false, false}, {"unassigned.at", "ua", false, false}, {"unassigned.for", "uf", false, true}, {"unassigned.details", "ud", false, false}, {"recoverysource.type", "rs", false, false}};
  static const char* kNames[] = {"completion.size", "fielddata.memory_size", "fielddata.evictions", "query_cache.memory_size", "query_cache.evictions", "flush.total", "flush.total_time", "get.current", "get.time", "get.total", "get.exists_time", "get.exists_total", "get.missing_time", "get.missing_total", "indexing.delete_current", "indexing.delete_time",
      "indexing.delete_total", "indexing.index_current", "indexing.index_time", "indexing.index_total", "indexing.index_failed", "indexing.index_failed_due_to_version_conflict", "merges.current", "merges.current_docs", "merges.current_size", "merges.total", "merges.total_docs", "merges.total_size", "merges.total_time", "refresh.total", "refresh.time",
      "refresh.external_total", "refresh.external_time", "refresh.listeners", "search.fetch_current", "search.fetch_time", "search.fetch_total", "search.open_contexts", "search.query_current", "search.query_time", "search.query_total", "search.scroll_current", "search.scroll_time", "search.scroll_total", "segments.count", "segments.memory",
      "segments.index_writer_memory", "segments.version_map_memory", "segments.fixed_bitset_memory", "seq_no.max", "seq_no.local_checkpoint", "seq_no.global_checkpoint", "warmer.current", "warmer.total", "warmer.total_time", "path.data", "path.state", "bulk.total_operations", "bulk.total_time", "bulk.total_size_in_bytes", "bulk.avg_time",
      "bulk.avg_size_in_bytes", "dense_vector.value_count", "sparse_vector.value_count"};
  for (const char* name : kNames) t.columns.push_back({name, name, false, true});
  for (auto& target : c.resolve(c.part("index"), true, false, true)) {
    const Index& x = *target.index;
    Counts n = counts(x);
    auto s = x.indexed->index.stats();
    for (int64_t i = 0; i < n.primaries; ++i) {
      std::vector<std::string> row{x.name, std::to_string(i), "p", "STARTED", std::to_string(i == 0 ? s.docs : 0), bytes_text(c, i == 0 ? s.bytes : 0), bytes_text(c, i == 0 ? s.bytes : 0), "127.0.0.1", c.engine().node_id(), c.door.node_name, "", "", "", "", "", ""};
      auto list = counters(c, x, s);
      for (size_t k = 0; k < list.size(); ++k) {
        t.columns[16 + k] = list[k].first;
        row.push_back(i == 0 ? list[k].second : "0");
      }
      t.rows.push_back(std::move(row));
      for (int64_t r = 0; r < n.replicas / n.primaries; ++r) {
        std::vector<std::string> replica{x.name, std::to_string(i), "r", "UNASSIGNED", "", "", "", "", "", "", "", "INDEX_CREATED", segments::default_date_format().format(x.created_ms), std::to_string((c.engine().now_ms() - x.created_ms) / 1000) + "s", "", "PEER"};
        replica.resize(t.columns.size());
        t.rows.push_back(std::move(replica));
      }
    }
  }
  return cat(c, t);
}
Reply cat_nodes(Call& c) {
  CatTable t;
  t.columns = {{"id", "id,nodeId", false, false}, {"pid", "p", false, false}, {"ip", "i", true, false}, {"port", "po", false, false}, {"http_address", "http", false, false}, {"version", "v", false, false}, {"heap.current", "hc,heapCurrent", false, true}, {"heap.percent", "hp,heapPercent", true, true}, {"heap.max", "hm,heapMax", false, true}, {"ram.percent", "rp,ramPercent", true, true}, {"file_desc.current", "fdc,fileDescriptorCurrent", false, true}, {"file_desc.percent", "fdp,fileDescriptorPercent", false, true}, {"file_desc.max", "fdm,fileDescriptorMax", false, true}, {"disk.total", "dt,diskTotal", false, true}, {"disk.used", "du,diskUsed", false, true}, {"disk.avail", "d,da,disk,diskAvail", false, true}, {"disk.used_percent", "dup,diskUsedPercent", false, true}, {"cpu", "cpu", true, true}, {"load_1m", "l", true, true}, {"load_5m", "l", true, true}, {"load_15m", "l", true, true}, {"node.role", "r,role,nodeRole", true, false}, {"master", "m", true, false}, {"name", "n", true, false}};
  std::string id = c.flag("full_id", false) ? c.engine().node_id() : c.engine().node_id().substr(0, 4);
  Machine m = machine_now();
  t.rows.push_back({id, std::to_string(::getpid()), "127.0.0.1", "9300", c.door.address, kVersion, bytes_text(c, m.resident), std::to_string(m.resident_percent()), bytes_text(c, m.memory_total), std::to_string(m.memory_used_percent()), std::to_string(m.open_files), std::to_string(m.max_files == 0 ? 0 : 100 * m.open_files / m.max_files), std::to_string(m.max_files), bytes_text(c, m.disk_total), bytes_text(c, m.disk_total - m.disk_avail), bytes_text(c, m.disk_avail), fmt::format("{:.2f}", m.disk_used_percent()), std::to_string(std::min<int64_t>(100, static_cast<int64_t>(100 * m.load_1m / m.processors))), fmt::format("{:.2f}", m.load_1m), fmt::format("{:.2f}", m.load_5m), fmt::format("{:.2f}", m.load_15m), "dim", "*", c.door.node_name});
  return cat(c, t);
}
Reply cat_master(Call& c) {
  CatTable t;
  t.columns = {{"id", "id", true, false}, {"host", "h", true, false}, {"ip", "ip", true, false}, {"node", "n", true, false}};
  t.rows.push_back({c.engine().node_id(), "127.0.0.1", "127.0.0.1", c.door.node_name});
  return cat(c, t);
}
Reply cat_allocation(Call& c) {
  CatTable t;
  t.columns = {{"shards", "s", true, true}, {"shards.undesired", "shards.undesired", true, true}, {"write_load.forecast", "wlf,writeLoadForecast", true, true}, {"disk.indices.forecast", "dif,diskIndicesForecast", true, true}, {"disk.indices", "di,diskIndices", true, true}, {"disk.used", "du,diskUsed", true, true}, {"disk.avail", "da,diskAvail", true, true}, {"disk.total", "dt,diskTotal", true, true}, {"disk.percent", "dp,diskPercent", true, true}, {"host", "h", true, false}, {"ip", "ip", true, false}, {"node", "n", true, false}, {"node.role", "r,role,nodeRole", true, false}};
  int64_t p = 0, u = 0;
  uint64_t bytes = 0;
  for (auto& x : c.engine().all()) {
    p += counts(*x).primaries;
    u += counts(*x).replicas;
    bytes += x->indexed->index.stats().bytes;
  }
  Machine m = machine_now();
  t.rows.push_back({std::to_string(p), "0", "0.0", bytes_text(c, bytes), bytes_text(c, bytes), bytes_text(c, m.disk_total - m.disk_avail), bytes_text(c, m.disk_avail), bytes_text(c, m.disk_total), std::to_string(static_cast<int64_t>(m.disk_used_percent())), "127.0.0.1", "127.0.0.1", c.door.node_name, "dim"});
  if (u > 0) t.rows.push_back({std::to_string(u), "", "", "", "", "", "", "", "", "", "", "UNASSIGNED", ""});
  return cat(c, t);
}
Reply cat_templates(Call& c) {
  CatTable t;
  t.columns = {{"name", "n", true, false}, {"index_patterns", "t", true, false}, {"order", "o,p", true, false}, {"version", "v", true, false}, {"composed_of", "c", true, false}};
  auto patterns = [](const json::object& b) {
    std::string s = "[";
    auto& v = b.at("index_patterns");
    if (v.is_array()) for (auto& e : v.get_array()) s += (s.size() > 1 ? ", " : "") + json_text(e);
    else s += json_text(v);
    return s + "]";
  };
  std::string want = c.part("name");
  for (auto& [n, b] : c.engine().things("template")) {
    if (want.empty() || glob(want, n)) t.rows.push_back({n, patterns(b), text_or(b, "order", "0"), text_or(b, "version"), ""});
  }
  for (auto& [n, b] : c.engine().things("index_template")) {
    if (!want.empty() && !glob(want, n)) continue;
    std::string comp = "[";
    if (auto* l = b.if_contains("composed_of"); l != nullptr && l->is_array()) for (auto& e : l->get_array()) comp += (comp.size() > 1 ? ", " : "") + json_text(e);
    t.rows.push_back({n, patterns(b), text_or(b, "priority", "0"), text_or(b, "version"), comp + "]"});
  }
  return cat(c, t);
}
Reply cat_component_templates(Call& c) {
  CatTable t;
  t.columns = {{"name", "n", true, false}, {"version", "v", true, false}, {"alias_count", "a", true, false}, {"mapping_count", "m", true, false}, {"settings_count", "s", true, false}, {"metadata_count", "me", true, false}, {"included_in", "i", true, false}};
  std::string want = c.part("name");
  for (auto& [n, b] : c.engine().things("component_template")) {
    if (!want.empty() && !glob(want, n)) continue;
    const json::object& tpl = b.at("template").as_object();
    auto size = [&](const char* k) {
      auto* v = tpl.if_contains(k);
      if (v == nullptr || !v->is_object()) return std::string("0");
      if (std::string_view(k) == "mappings") {
        auto* p = v->get_object().if_contains("properties");
        return std::to_string(p != nullptr && p->is_object() ? p->get_object().size() : 0);
      }
      json::object flat;
      flatten(v->get_object(), "", flat);
      return std::to_string(std::string_view(k) == "aliases" ? v->get_object().size() : flat.size());
    };
    std::string in = "[";
    for (auto& [name, it] : c.engine().things("index_template")) {
      if (auto* l = it.if_contains("composed_of"); l != nullptr && l->is_array()) for (auto& e : l->get_array()) if (json_text(e) == n) in += (in.size() > 1 ? ", " : "") + name;
    }
    t.rows.push_back({n, text_or(b, "version"), size("aliases"), size("mappings"), size("settings"), b.contains("_meta") ? std::to_string(b.at("_meta").as_object().size()) : "0", in + "]"});
  }
  return cat(c, t);
}
Reply cat_segments(Call& c) {
  CatTable t;
  t.columns = {{"index", "i,idx", true, false}, {"shard", "s,sh", true, false}, {"prirep", "p,pr,primaryOrReplica", true, false}, {"ip", "ip", true, false}, {"id", "id", false, false}, {"segment", "seg", true, false}, {"generation", "g,gen", true, true}, {"docs.count", "dc,docsCount", true, true}, {"docs.deleted", "dd,docsDeleted", true, true}, {"size", "si", true, true}, {"size.memory", "sm,sizeMemory", true, true}, {"committed", "ic,isCommitted", true, false}, {"searchable", "is,isSearchable", true, false}, {"version", "v,ver", true, false}, {"compound", "ico,isCompound", true, false}};
  for (auto& target : c.resolve(c.part("index"), true, false, false)) {
    int k = 0;
    auto list = target.index->indexed->index.segments();
    for (auto& s : *list) {
      t.rows.push_back({target.index->name, "0", "p", "127.0.0.1", c.engine().node_id(), "_" + std::to_string(k), std::to_string(k), std::to_string(s->docs() - s->deleted()), std::to_string(s->deleted()), bytes_text(c, s->image_bytes()), "0", "true", "true", "9.12.2", "true"});
      ++k;
    }
  }
  return cat(c, t);
}
Reply cat_recovery(Call& c) {
  CatTable t;
  t.columns = {{"index", "i,idx", true, false}, {"shard", "s,sh", true, false}, {"time", "t,ti", true, false}, {"type", "ty", true, false}, {"stage", "st", true, false}, {"source_host", "shost", true, false}, {"source_node", "snode", true, false}, {"target_host", "thost", true, false}, {"target_node", "tnode", true, false}, {"repository", "rep", true, false}, {"snapshot", "snap", true, false}, {"files", "f", true, false}, {"files_recovered", "fr", true, false}, {"files_percent", "fp", true, false}, {"files_total", "tf", true, false}, {"bytes", "b", true, false}, {"bytes_recovered", "br", true, false}, {"bytes_percent", "bp", true, false}, {"bytes_total", "tb", true, false}, {"translog_ops", "to", true, false}, {"translog_ops_recovered", "tor", true, false}, {"translog_ops_percent", "top", true, false}};
  for (auto& target : c.resolve(c.part("index"), true, false, true)) t.rows.push_back({target.index->name, "0", "0s", "empty_store", "done", "n/a", "n/a", "127.0.0.1", c.door.node_name, "n/a", "n/a", "0", "0", "0.0%", "0", "0b", "0b", "0.0%", "0b", "0", "0", "100.0%"});
  return cat(c, t);
}
Reply cat_simple(Call& c) {
  CatTable t;
  std::string what = split_path(c.request.path)[1];
  if (what == "plugins") t.columns = {{"id", "id", false, false}, {"name", "n", true, false}, {"component", "c", true, false}, {"version", "v", true, false}, {"description", "d", false, false}};
  else if (what == "pending_tasks") t.columns = {{"insertOrder", "o", true, true}, {"timeInQueue", "t", true, true}, {"priority", "p", true, false}, {"source", "s", true, false}};
  else if (what == "fielddata") t.columns = {{"id", "id", true, false}, {"host", "h", true, false}, {"ip", "ip", true, false}, {"node", "n", true, false}, {"field", "f", true, false}, {"size", "s", true, false}};
  else if (what == "repositories") {
    t.columns = {{"id", "id,repoId", true, false}, {"type", "t,type", true, false}};
    for (auto& [name, r] : c.engine().things("repository")) t.rows.push_back({name, text_or(r, "type")});
  } else if (what == "snapshots") {
    t.columns = {{"id", "id,snapshot", true, false}, {"repository", "re,repo", true, false}, {"status", "s,status", true, false}, {"start_epoch", "ste,startEpoch", true, true}, {"start_time", "sti,startTime", true, false}, {"end_epoch", "ete,endEpoch", true, true},
                 {"end_time", "eti,endTime", true, false}, {"duration", "dur,duration", true, true}, {"indices", "i,indices", true, true}, {"successful_shards", "ss", true, true}, {"failed_shards", "fs", true, true}, {"total_shards", "ts", true, true}, {"reason", "r,reason", false, false}};
    for (auto& [key, s] : c.engine().things("snapshot")) {
      std::string repo = key.substr(0, key.find('/'));
      if (auto want = c.part("repository"); !want.empty() && want != repo) continue;
      auto time = [&](const char* k) { return text_or(s, k).substr(11, 8); };
      std::string n = std::to_string(s.at("indices").as_array().size());
      t.rows.push_back({text_or(s, "snapshot"), repo, "SUCCESS", std::to_string(s.at("start_time_in_millis").to_number<int64_t>() / 1000), time("start_time"), std::to_string(s.at("end_time_in_millis").to_number<int64_t>() / 1000), time("end_time"),
                        text_or(s, "duration_in_millis") + "ms", n, n, "0", n, ""});
    }
  } else if (what == "circuit_breaker") {
    t.columns = {{"node_id", "id", true, false}, {"node_name", "nn", false, false}, {"breaker", "br", true, false}, {"limit", "l", true, false}, {"limit_bytes", "lb", false, true}, {"estimated", "e", true, false}, {"estimated_bytes", "eb", false, true}, {"tripped", "t", true, true}, {"overhead", "o", false, true}};
    // No breaker limits memory here, so none is listed.
  } else if (what == "nodeattrs") {
    t.columns = {{"node", "name", true, false}, {"id", "id,nodeId", false, false}, {"pid", "p", false, false}, {"host", "h", true, false}, {"ip", "i", true, false}, {"port", "po", false, false}, {"attr", "attr.name", true, false}, {"value", "attr.value", true, false}};
    t.rows.push_back({c.door.node_name, c.engine().node_id().substr(0, 4), std::to_string(::getpid()), "127.0.0.1", "127.0.0.1", "9300", "testattr", "test"});
  } else if (what == "thread_pool") {
    t.columns = {{"node_name", "nn", true, false}, {"node_id", "id", false, false}, {"ephemeral_node_id", "eid", false, false}, {"pid", "p", false, true}, {"host", "h", false, false}, {"ip", "i", false, false}, {"port", "po", false, false}, {"name", "n", true, false}, {"type", "t", false, false}, {"active", "a", true, true}, {"pool_size", "psz", false, true}, {"queue", "q", true, true}, {"queue_size", "qs", false, true}, {"rejected", "r", true, true}, {"largest", "l", false, true}, {"completed", "c", false, true}, {"core", "cr", false, true}, {"max", "mx", false, true}, {"size", "sz", false, true}, {"keep_alive", "ka", false, true}};
    auto want = split(c.part("name"), ',');
    for (const char* n : {"analyze", "fetch_shard_started", "fetch_shard_store", "flush", "force_merge", "generic", "get", "management", "refresh", "search", "snapshot", "warmer", "write"}) {
      bool take = want.empty();
      for (auto& w : want) take |= glob(w, n);
      if (take) t.rows.push_back({c.door.node_name, c.engine().node_id(), c.engine().node_id(), std::to_string(::getpid()), "127.0.0.1", "127.0.0.1", "9300", n, "fixed", "0", "1", "0", "1000", "0", "0", "0", "", "", "4", ""});
    }
  } else if (what == "tasks") {
    t.columns = {{"id", "id", false, false}, {"action", "ac", true, false}, {"task_id", "ti", true, false}, {"parent_task_id", "pti", true, false}, {"type", "ty", true, false}, {"start_time", "start", true, false}, {"timestamp", "ts,hms,hhmmss", true, false}, {"running_time_ns", "time", false, false}, {"running_time", "time", true, false}, {"node_id", "ni", false, false}, {"ip", "i", true, false}, {"port", "po", false, false}, {"node", "n", true, false}, {"version", "v", false, false}};
    t.rows.push_back({"1", "cluster:monitor/tasks/lists", c.engine().node_id() + ":1", "-", "transport", std::to_string(c.engine().now_ms()), clock_of(c).second, "1000", "1micros", c.engine().node_id(), "127.0.0.1", "9300", c.door.node_name, kVersion});
  }
  return cat(c, t);
}


constexpr const char* kCat = "h,v,s,help,bytes,time,local,master_timeout,health,pri,expand_wildcards,include_unloaded_segments,ts,full_id,active_only,detailed,index,size,fields,nodes,actions,parent_task_id,node_id,timeout,ignore_unavailable,allow_no_indices,wait_for_completion";

}  // namespace

std::vector<Route> cat_routes() {
  std::vector<Route> r = {
      {"GET", "/_cat", cat_help, kCat},
      {"GET", "/_cat/indices", cat_indices, kCat},
      {"GET", "/_cat/indices/{index}", cat_indices, kCat},
      {"GET", "/_cat/aliases", cat_aliases, kCat},
      {"GET", "/_cat/aliases/{name}", cat_aliases, kCat},
      {"GET", "/_cat/count", cat_count, kCat},
      {"GET", "/_cat/count/{index}", cat_count, kCat},
      {"GET", "/_cat/health", cat_health, kCat},
      {"GET", "/_cat/shards", cat_shards, kCat},
      {"GET", "/_cat/shards/{index}", cat_shards, kCat},
      {"GET", "/_cat/nodes", cat_nodes, kCat},
      {"GET", "/_cat/master", cat_master, kCat},
      {"GET", "/_cat/allocation", cat_allocation, kCat},
      {"GET", "/_cat/allocation/{node_id}", cat_allocation, kCat},
      {"GET", "/_cat/templates", cat_templates, kCat},
      {"GET", "/_cat/templates/{name}", cat_templates, kCat},
      {"GET", "/_cat/component_templates", cat_component_templates, kCat},
      {"GET", "/_cat/component_templates/{name}", cat_component_templates, kCat},
      {"GET", "/_cat/segments", cat_segments, kCat},
      {"GET", "/_cat/segments/{index}", cat_segments, kCat},
      {"GET", "/_cat/recovery", cat_recovery, kCat},
      {"GET", "/_cat/recovery/{index}", cat_recovery, kCat},
  };
  for (const char* p : {"/_cat/plugins", "/_cat/pending_tasks", "/_cat/fielddata", "/_cat/fielddata/{fields}", "/_cat/repositories", "/_cat/nodeattrs", "/_cat/thread_pool", "/_cat/thread_pool/{name}", "/_cat/tasks", "/_cat/snapshots", "/_cat/snapshots/{repository}", "/_cat/circuit_breaker", "/_cat/circuit_breaker/{name}"}) {
    r.push_back({"GET", p, cat_simple, kCat});
  }
  return r;
}

}  // namespace stele::elastic

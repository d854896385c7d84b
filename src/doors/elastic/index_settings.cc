#include "doors/elastic/index_settings.h"

#include "doors/elastic/call.h"

namespace stele::elastic {

void check_index_setting(const std::string& key) {
  static const std::set<std::string> kKnown = {
      "index.number_of_shards", "index.number_of_replicas", "index.number_of_routing_shards", "index.auto_expand_replicas", "index.refresh_interval", "index.max_result_window", "index.max_inner_result_window", "index.max_rescore_window",
      "index.max_docvalue_fields_search", "index.max_script_fields", "index.max_ngram_diff", "index.max_shingle_diff", "index.max_refresh_listeners", "index.max_terms_count", "index.max_regex_length", "index.max_slices_per_scroll", "index.max_slices_per_pit",
      "index.max_adjacency_matrix_filters", "index.top_metrics_max_size", "index.codec", "index.hidden", "index.uuid", "index.creation_date", "index.provided_name", "index.version.created", "index.gc_deletes", "index.default_pipeline", "index.final_pipeline",
      "index.priority", "index.routing_partition_size", "index.routing_path", "index.load_fixed_bitset_filters_eagerly", "index.shard.check_on_startup", "index.data_path", "index.mode", "index.mapper.dynamic", "index.flush_after_merge", "index.format",
      "index.verified_before_close", "index.write.wait_for_active_shards", "index.warmer.enabled", "index.unassigned.node_left.delayed_timeout", "index.fielddata.cache", "index.requests.cache.enable", "index.recovery.type", "index.optimize_auto_generated_id",
      "index.use_mmapfs", "index.highlight.max_analyzed_offset", "index.highlight.weight_matches_mode.enabled", "index.analyze.max_token_count", "index.bloom_filter_for_id_field.enabled", "index.fast_refresh", "index.dense_vector.experimental", "index.logsdb.route_on_sort_fields",
      "index.compound_format", "index.xpack.version", "index.esql.stored_fields_sequential_proportion", "index.look_back_time", "index.look_ahead_time", "index.lifecycle.name", "index.mapping.use_doc_values_skipper"};
  static const std::vector<std::string> kGroups = {"index.analysis.", "index.blocks.", "index.routing.", "index.translog.", "index.merge.", "index.search.", "index.indexing.", "index.mapping.", "index.query.", "index.similarity.", "index.sort.", "index.store.",
                                                   "index.soft_deletes.", "index.time_series.", "index.resize.", "index.lifecycle.", "index.version.", "index.queries.", "index.query_string.", "index.allocation.", "index.percolator.", "index.frozen", "index.downsample.", "index.archived.",
                                                   "index.shrink.", "index.write_load.", "index.mapper.", "index.unassigned.", "index.requests.", "index.failure_store.", "index.synthetic_source.", "index.recovery."};
  if (kKnown.count(key) != 0) return;
  for (auto& g : kGroups) if (key.starts_with(g)) return;
  illegal("unknown setting [" + key + "] please check that any required plugins are installed, or check the breaking changes documentation for removed settings");
}

void check_settings(const json::object& holder) {
  auto* s = holder.if_contains("settings");
  if (s == nullptr || !s->is_object()) return;
  json::object flat;
  flatten(s->get_object(), "", flat);
  for (auto& [k, v] : flat) check_index_setting(std::string(k).starts_with("index.") ? std::string(k) : "index." + std::string(k));
}

namespace {
std::atomic<bool> expensive_allowed{true};
}
bool expensive_queries_allowed() { return expensive_allowed.load(std::memory_order_relaxed); }
void allow_expensive_queries(bool allowed) { expensive_allowed.store(allowed, std::memory_order_relaxed); }

namespace {
constexpr std::string_view kSet = ".synonyms_set", kRules = ".synonyms";
}
void inline_synonyms(const Engine& engine, json::object& flat) {
  std::vector<std::pair<std::string, std::string>> wanted;
  for (auto& [k, v] : flat) {
    std::string key(k);
    if (key.starts_with("index.analysis.filter.") && key.ends_with(kSet)) wanted.emplace_back(key.substr(0, key.size() - kSet.size()), json_text(v));
  }
  for (auto& [filter, set] : wanted) {
    auto stored = engine.get_thing("synonyms", set);
    if (!stored) illegal("synonyms set [" + set + "] not found");
    json::array rules;
    for (auto& r : stored->at("rules").as_array()) rules.push_back(json::value(text_or(r.as_object(), "synonyms")));
    flat[filter + std::string(kRules)] = std::move(rules);
  }
}
void hide_synonyms(json::object& flat) {
  std::vector<std::string> gone;
  for (auto& [k, v] : flat) {
    std::string key(k);
    if (key.ends_with(kSet)) gone.push_back(key.substr(0, key.size() - kSet.size()) + std::string(kRules));
  }
  for (auto& g : gone) flat.erase(g);
}

}  // namespace stele::elastic

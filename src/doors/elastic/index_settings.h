// Which settings an index may have.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

namespace stele::elastic {

// Throws illegal_argument for a setting no index knows. key: "index.number_of_replicas".
void check_index_setting(const std::string& key);
// All below "settings" of a create body or a template.
void check_settings(const boost::json::object& holder);

// search.allow_expensive_queries
bool expensive_queries_allowed();
void allow_expensive_queries(bool allowed);

class Engine;
// Puts the rules of synonym sets beside the filters that name them, where analysers read them. flat: settings by full names.
void inline_synonyms(const Engine& engine, boost::json::object& flat);
// Takes them out again: settings as they are shown.
void hide_synonyms(boost::json::object& flat);

}  // namespace stele::elastic

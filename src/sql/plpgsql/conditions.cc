// Names of SQLSTATEs in EXCEPTION and RAISE: those of the table of errors, and classes that only PL/pgSQL speaks of.
#include <cctype>
#include <unordered_map>

#include "base/error.h"
#include "sql/plpgsql/ast.h"

namespace stele::sql::plpgsql {

namespace {

struct Conditions {
  std::multimap<std::string, std::string> by_name;
  std::map<std::string, std::string, std::less<>> by_state;

  void add(const std::string& name, const std::string& state) {
    by_name.emplace(name, state);
    by_state.emplace(state, name);
  }
  Conditions() {
    const int last = static_cast<int>(ErrorCode::kIndexCorrupted);
    for (int i = 0; i <= last; ++i) {
      const ErrorRendering& r = rendering(static_cast<ErrorCode>(i));
      std::string name;
      for (const char* c = r.name + 1; *c != 0; ++c) {
        if (std::isupper(static_cast<unsigned char>(*c))) {
          if (!name.empty()) name += '_';
          name += static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
        } else {
          name += *c;
        }
      }
      if (name != "successful_completion") add(name, r.sqlstate);
    }
    static const std::pair<const char*, const char*> kMore[] = {
        {"sql_statement_not_yet_complete", "03000"}, {"connection_does_not_exist", "08003"}, {"sqlclient_unable_to_establish_sqlconnection", "08001"},
        {"transaction_resolution_unknown", "08007"}, {"locator_exception", "0F000"},
        {"invalid_grant_operation", "0LP01"}, {"diagnostics_exception", "0Z000"},
        {"array_element_error", "2202E"}, {"character_not_in_repertoire", "22021"}, {"data_exception", "22000"}, {"indicator_overflow", "22022"},
        {"null_value_no_indicator_parameter", "22002"}, {"string_data_length_mismatch", "22026"}, {"unterminated_c_string", "22024"},
        {"zero_length_character_string", "2200F"}, {"not_an_xml_document", "2200L"}, {"invalid_xml_document", "2200M"}, {"invalid_xml_content", "2200N"},
        {"invalid_transaction_state", "25000"}, {"branch_transaction_already_active", "25002"}, {"read_only_sql_transaction", "25006"},
        {"dependent_privilege_descriptors_still_exist", "2B000"}, {"modifying_sql_data_not_permitted", "2F002"},
        {"prohibited_sql_statement_attempted", "2F003"}, {"reading_sql_data_not_permitted", "2F004"}, {"external_routine_exception", "38000"},
        {"external_routine_invocation_exception", "39000"}, {"invalid_sqlstate_returned", "39001"}, {"null_value_not_allowed", "39004"},
        {"event_trigger_protocol_violated", "39P03"},
        {"statement_completion_unknown", "40003"}, {"undefined_cursor", "34000"}, {"undefined_database", "3D000"}, {"undefined_pstatement", "26000"},
        {"undefined_schema", "3F000"}, {"duplicate_pstatement", "42P05"}, {"fdw_error", "HV000"}, {"config_file_error", "F0000"},
        {"lock_file_exists", "F0001"}, {"operator_intervention", "57000"}, {"too_many_rows", "P0003"}, {"out_of_memory", "53200"}};
    for (const auto& [name, state] : kMore)
      if (!by_name.contains(name)) add(name, state);
  }
};

const Conditions& conditions() {
  static const Conditions c;
  return c;
}

}  // namespace

std::vector<std::string> condition_states(std::string_view name) {
  std::vector<std::string> out;
  auto [a, b] = conditions().by_name.equal_range(std::string(name));
  for (auto it = a; it != b; ++it) out.push_back(it->second);
  return out;
}

std::string condition_name(std::string_view sqlstate) {
  auto it = conditions().by_state.find(sqlstate);
  return it == conditions().by_state.end() ? std::string() : it->second;
}

}  // namespace stele::sql::plpgsql

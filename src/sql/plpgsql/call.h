// The way in: functions, procedures, triggers and blocks in PL/pgSQL for the rest of sql.
#pragma once

#include "sql/session/utility.h"

namespace stele::sql::plpgsql {

NullableDatum call_function(UtilityHost& host, const catalog::Ptr<catalog::Function>& f, std::span<const NullableDatum> args, std::span<const Oid> arg_types, Oid result, Arena& arena);
void call_set_function(UtilityHost& host, const catalog::Ptr<catalog::Function>& f, std::span<const NullableDatum> args, std::span<const Oid> arg_types,
                       const std::function<bool(std::span<const NullableDatum>)>& emit);
// CREATE FUNCTION: throws what is wrong with the body.
std::vector<Error> validate(UtilityHost& host, const catalog::Function& f);
void fire_event_trigger(UtilityHost& host, const catalog::Ptr<catalog::Function>& f, const std::string& event, const std::string& tag);
bool fire_triggers(UtilityHost& host, const query::TriggerEvent& event);
void emit_held_rows(UtilityHost& host, int number, const std::function<bool(std::span<const NullableDatum>)>& emit);
int trigger_depth(UtilityHost& host);
// Types of arguments and result with the polymorphic ones replaced by what the call has.
void resolve_polymorphic(CatalogView& view, const std::vector<Oid>& declared, std::span<const Oid> actual, std::vector<Oid>* types);

}  // namespace stele::sql::plpgsql

namespace stele::sql {

// Runs with the owner's privileges and the settings of a function that asks for them; undone at the end.
class CallScope {
 public:
  CallScope(UtilityHost& host, const catalog::Function& f);
  ~CallScope();
  CallScope(const CallScope&) = delete;

 private:
  UtilityHost& host_;
  std::optional<Oid> user_;
  std::vector<std::pair<std::string, std::string>> settings_;
};

}  // namespace stele::sql

// Event triggers: what fires around a statement that changes the catalogue, and what their functions can ask about it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "sql/session/utility.h"

namespace stele::sql {

struct EventState {
  struct Command { Oid class_oid = 0, object = 0; int sub = 0; std::string tag, type, schema, identity; bool has_schema = true; };
  struct Dropped {
    Oid class_oid = 0, object = 0;
    int sub = 0;
    bool original = false, normal = false, temporary = false;
    std::string type, schema, name, identity;
    bool has_schema = false, has_name = false;
    std::vector<std::string> address_names, address_args;
  };
  std::vector<Command> commands;
  std::vector<Dropped> dropped;
  Oid rewritten = 0;
  int rewrite_reason = 0;
  std::string running;      // the event whose functions run now; empty: none
};

// The state of the statement at work; null: none that event triggers follow.
EventState* event_state(UtilityHost& host);
bool any_event_trigger(const catalog::State& state);
// Runs the enabled triggers of an event whose tag list has the tag.
void fire_event(UtilityHost& host, const char* event, const std::string& tag);

}  // namespace stele::sql

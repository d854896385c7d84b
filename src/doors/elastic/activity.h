// What has been asked of each index since the server started: the numbers behind _stats.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "types/oids.h"

namespace stele::elastic {

struct Activity {
  struct Searches {
    int64_t queries = 0, query_us = 0, fetches = 0, fetch_us = 0;
    void add(const Searches& o) {
      queries += o.queries;
      query_us += o.query_us;
      fetches += o.fetches;
      fetch_us += o.fetch_us;
    }
  };
  Searches search;
  std::map<std::string, Searches> groups;  // by the names in "stats"
  int64_t scrolls = 0, suggests = 0, gets = 0, gets_found = 0;
  int64_t indexed = 0, failed = 0, conflicts = 0, deleted = 0, noops = 0, write_us = 0, bulks = 0, bulk_bytes = 0, bulk_us = 0;
  int64_t refreshes = 0, flushes = 0, merges = 0;
  void add(const Activity& o);
};
// Thread-safe; f runs under a lock and must not call either of these.
void note_activity(Oid index, const std::function<void(Activity&)>& f);
Activity activity_of(Oid index);

}  // namespace stele::elastic

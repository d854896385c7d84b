#include "doors/elastic/activity.h"

#include <mutex>

namespace stele::elastic {

namespace {
struct Book {
  std::mutex mutex;
  std::map<Oid, Activity> by_index;
};
Book& book() {
  static Book b;
  return b;
}
}  // namespace

void Activity::add(const Activity& o) {
  search.add(o.search);
  for (auto& [name, s] : o.groups) groups[name].add(s);
  scrolls += o.scrolls;
  suggests += o.suggests;
  gets += o.gets;
  gets_found += o.gets_found;
  indexed += o.indexed;
  failed += o.failed;
  conflicts += o.conflicts;
  deleted += o.deleted;
  noops += o.noops;
  write_us += o.write_us;
  bulks += o.bulks;
  bulk_bytes += o.bulk_bytes;
  bulk_us += o.bulk_us;
  refreshes += o.refreshes;
  flushes += o.flushes;
  merges += o.merges;
}
void note_activity(Oid index, const std::function<void(Activity&)>& f) {
  std::lock_guard lock(book().mutex);
  f(book().by_index[index]);
}
Activity activity_of(Oid index) {
  std::lock_guard lock(book().mutex);
  auto it = book().by_index.find(index);
  return it == book().by_index.end() ? Activity() : it->second;
}

}  // namespace stele::elastic

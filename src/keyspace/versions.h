// Pre-images of keys, so that an SQL statement reads the keyspace as of its snapshot.
//
// Off (and free) until SQL asks for the keyspace for the first time; from then on every write leaves
// behind what the key held before, until no snapshot can ask for it. A group of writes shares a stamp:
// 0 while the log does not have them, then the lsn of their commit. What a snapshot sees of a key is its
// oldest pre-image whose stamp is 0 or younger than the snapshot, or the key as it is.
//
// Everything with the keyspace's latch held, except enabled() and Stamp.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "keyspace/command.h"
#include "keyspace/object.h"
#include "storage/log.h"

namespace stele::keyspace {

class Keyspace;
struct Database;
using Stamp = std::shared_ptr<std::atomic<storage::Lsn>>;

class Versions {
 public:
  // Whether pre-images are kept. Turned on by whoever is about to take a snapshot for reading keys.
  static bool enabled() { return enabled_.load(std::memory_order_relaxed); }
  static void enable() {
    if (!enabled()) enabled_.store(true);
  }

  // What a key held: a copy, or of a large collection the commands that take the change back.
  struct Image {
    Stamp until;
    bool absent = true;
    bool partial = false;     // undo, to be applied to what came next, last command first
    bool unknown = false;     // a large value changed in a way that cannot be taken back
    Object value;
    int64_t expire_ms = -1;
    std::vector<std::vector<std::string>> undo;
    storage::Lsn lsn() const { return until->load(std::memory_order_acquire); }
  };
  struct Seen {
    bool current = true;          // the key as it is
    bool known = true;            // false: changed since, and nobody can say from what
    const Image* base = nullptr;  // else this copy; null: the key as it is
    std::vector<const std::vector<std::string>*> undo;  // commands to run on it, in order
    bool as_copied() const { return !current && known && base != nullptr && undo.empty(); }
  };
  // The undo of XADD: {kTruncate, key, last id, length, entries added}.
  static constexpr std::string_view kTruncate = "STELE.TRUNCATE";

  // Before a command of the running session changes its keys.
  void before_command(Keyspace& ks, Database& d, const CommandSpec& spec, Argv argv);
  // spec and argv, when given, let the change of a large value be taken back.
  void keep(Keyspace& ks, Database& d, std::string_view key, const CommandSpec* spec = nullptr, Argv argv = {});
  // Everything in the database changes at once (FLUSHDB, SWAPDB).
  void database_changes(int db);
  // The stamp for the writes since the last call; the caller stores the lsn before it is published.
  Stamp seal();
  // Writes that follow belong to a commit that has its number already.
  void begin_commit(storage::Lsn lsn);
  void end_commit();

  Seen at(int db, std::string_view key, storage::Lsn snapshot) const;
  // Keys that a snapshot sees although they may be gone now.
  void for_each_changed(int db, storage::Lsn snapshot, const std::function<void(std::string_view key, const Seen&)>& f) const;
  bool database_changed_since(int db, storage::Lsn snapshot) const;
  // Drops what no snapshot at or above the horizon can ask for.
  void prune(storage::Lsn horizon);
  size_t size() const { return order_.size(); }

 private:
  static std::atomic<bool> enabled_;
  static std::string id_of(int db, std::string_view key);
  const Stamp& open_stamp();
  Seen seen_in(const std::deque<Image>& images, storage::Lsn snapshot) const;
  Stamp stamp_;                  // of writes that are not committed yet
  Stamp commit_stamp_;           // inside begin_commit()
  std::unordered_map<std::string, std::deque<Image>> images_;
  std::deque<std::pair<Stamp, std::string>> order_;   // oldest first
  std::unordered_map<int, std::deque<Stamp>> databases_;
};

}  // namespace stele::keyspace

// Values of sequences. They are handed out outside transactions, as in PostgreSQL: a number once given
// is never given again, whatever becomes of the transaction. Durable ahead by a block: after a crash at
// most one block of numbers is skipped. Thread-safe.
#pragma once

#include <memory>

#include "catalog/objects.h"
#include "storage/store.h"

namespace stele::rows {

struct SequenceState {
  int64_t last_value = 0;
  bool is_called = false;
};

class Sequences {
 public:
  explicit Sequences(storage::Store& store);
  ~Sequences();
  // One instance a store, shared by all sessions.
  static Sequences& of(storage::Store& store);

  // `sequence` is a relation of kind 'S'; its storage id names the state. Throws
  // sequence_generator_limit_exceeded with PostgreSQL's words.
  int64_t next(const catalog::Relation& sequence);
  void set(const catalog::Relation& sequence, int64_t value, bool is_called);
  SequenceState state(const catalog::Relation& sequence);
  // Writes the exact state, so that a clean restart skips nothing; done when the store closes.
  void flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele::rows

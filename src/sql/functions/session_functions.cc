// Functions of the session and the server: settings, sequences, advisory locks, back ends, sizes.
#include <unistd.h>

#include "base/codec.h"
#include "rows/sequences.h"
#include "sql/functions/host.h"
#include "types/array.h"
#include "types/datetime.h"
#include "types/type_io.h"

namespace stele::sql {

UtilityHost& host_of(FnCall& call) {
  if (call.context->session == nullptr) throw Error(ErrorCode::kInternalError, "this function needs a session");
  return *static_cast<UtilityHost*>(call.context->session);
}

std::string qualified_relation_name(const catalog::Relation& r, CatalogView& view) {
  return quote_identifier(view.schema_name(r.schema)) + "." + quote_identifier(r.name);
}
std::string visible_relation_name(const catalog::Relation& r, CatalogView& view) {
  return view.relation_visible(r) ? quote_identifier(r.name) : qualified_relation_name(r, view);
}
catalog::Ptr<catalog::Relation> relation_named(FnCall& call, std::string_view name) {
  Oid oid = call.context->catalog->find(oid::kRegclass, name);
  return host_of(call).view().relation(oid);
}

namespace {

using catalog::ObjectKind;
using catalog::Relation;

std::vector<std::string> path_names(FnCall& c, bool implicit) {
  UtilityHost& host = host_of(c);
  CatalogView& view = host.view();
  std::vector<std::string> out;
  std::string setting = host.settings().raw("search_path").value_or("");
  bool explicit_system = setting.find("pg_catalog") != std::string::npos;
  for (Oid s : view.path()) {
    if (!implicit && ((s == catalog::kPgCatalog && !explicit_system) || s == view.temp_schema())) continue;
    if (s == 0) continue;
    out.push_back(view.schema_name(s));
  }
  return out;
}
Datum current_schema(FnCall& c) {
  auto names = path_names(c, false);
  return names.empty() ? c.null() : c.text(names[0]);
}
Datum current_schemas(FnCall& c) {
  ArrayBuilder b(element_info(oid::kName, nullptr));
  for (auto& n : path_names(c, c.arg(0).as_bool())) b.add(make_bytes(*c.arena, n));
  return b.finish(*c.arena);
}
Datum current_database(FnCall& c) { return c.text(host_of(c).database_name()); }
Datum current_user(FnCall& c) { return c.text(host_of(c).view().role_name(host_of(c).current_user())); }
Datum session_user(FnCall& c) { return c.text(host_of(c).view().role_name(host_of(c).session_user())); }
Datum current_query(FnCall& c) { return c.text(host_of(c).current_query()); }
Datum version(FnCall& c) { return c.text("PostgreSQL 15.0 (Stele 0.1.0) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit"); }

Datum show_setting_by_name(FnCall& c) {
  auto v = host_of(c).settings().shown(c.text_arg(0));
  if (!v) {
    if (c.nargs == 2 && c.arg(1).as_bool()) return c.null();
    throw Error(ErrorCode::kUndefinedObject, fmt::format("unrecognized configuration parameter \"{}\"", c.text_arg(0)));
  }
  return c.text(*v);
}
Datum set_config(FnCall& c) {
  if (c.is_null(0)) throw Error(ErrorCode::kNullValueNotAllowed, "SET requires parameter name");
  UtilityHost& host = host_of(c);
  host.settings().set(c.text_arg(0), c.is_null(1) ? std::string_view() : c.text_arg(1), !c.is_null(2) && c.arg(2).as_bool(), host.superuser());
  return c.text(host.settings().shown(c.text_arg(0)).value_or(""));
}

// ---- Sequences ----
catalog::Ptr<Relation> sequence_of(FnCall& c, uint32_t any_of) {
  UtilityHost& host = host_of(c);
  Oid oid = c.arg(0).as_oid();
  auto r = host.view().relation(oid);
  if (!r) throw Error(ErrorCode::kUndefinedTable, fmt::format("could not open relation with OID {}", oid));
  if (!r->sequence) throw Error(ErrorCode::kWrongObjectType, fmt::format("\"{}\" is not a sequence", r->name));
  uint32_t held = privileges_of(host.current_user(), *r, r->acl, catalog::kSelect | catalog::kUpdate | catalog::kUsage, 0, *host.view().state());
  if (!(held & any_of)) throw Error(ErrorCode::kInsufficientPrivilege, fmt::format("permission denied for sequence {}", r->name));
  return r;
}
rows::Sequences& sequences(FnCall& c) { return rows::Sequences::of(*host_of(c).exec().engine->store); }
void refuse_read_only(FnCall& c, const char* what) {
  auto* txn = host_of(c).exec().txn;
  if (txn != nullptr && txn->read_only())
    throw Error(ErrorCode::kReadOnlySqlTransaction, fmt::format("cannot execute {} in a read-only transaction", what));
}
Datum nextval(FnCall& c) {
  auto r = sequence_of(c, catalog::kUpdate | catalog::kUsage);
  if (r->persistence != 't') refuse_read_only(c, "nextval()");
  int64_t v = sequences(c).next(*r);
  auto& memory = host_of(c).sequence_memory;
  memory.current[r->oid] = v;
  memory.last = r->oid;
  return Datum::from_int(v);
}
Datum currval(FnCall& c) {
  auto r = sequence_of(c, catalog::kSelect | catalog::kUsage);
  auto& memory = host_of(c).sequence_memory;
  auto it = memory.current.find(r->oid);
  if (it == memory.current.end())
    throw Error(ErrorCode::kObjectNotInPrerequisiteState, fmt::format("currval of sequence \"{}\" is not yet defined in this session", r->name));
  return Datum::from_int(it->second);
}
Datum lastval(FnCall& c) {
  auto& memory = host_of(c).sequence_memory;
  auto it = memory.current.find(memory.last);
  if (memory.last == 0 || it == memory.current.end() || !host_of(c).view().relation(memory.last))
    throw Error(ErrorCode::kObjectNotInPrerequisiteState, "lastval is not yet defined in this session");
  return Datum::from_int(it->second);
}
Datum setval(FnCall& c) {
  auto r = sequence_of(c, catalog::kUpdate);
  refuse_read_only(c, "setval()");
  int64_t v = c.int_arg(1);
  auto& s = *r->sequence;
  if (v < s.min || v > s.max)
    throw Error(ErrorCode::kNumericValueOutOfRange,
                fmt::format("setval: value {} is out of bounds for sequence \"{}\" ({}..{})", v, r->name, s.min, s.max));
  bool called = c.nargs < 3 || c.arg(2).as_bool();
  sequences(c).set(*r, v, called);
  if (called) host_of(c).sequence_memory.current[r->oid] = v;
  return Datum::from_int(v);
}
Datum sequence_last_value(FnCall& c) {
  auto r = sequence_of(c, catalog::kSelect | catalog::kUsage);
  auto state = sequences(c).state(*r);
  return state.is_called ? Datum::from_int(state.last_value) : c.null();
}

// ---- Advisory locks: the key is database, two halves, and which form was used ----
std::string advisory_key(FnCall& c) {
  std::string key;
  put_be32(key, host_of(c).database_oid());
  if (c.nargs == 2) {
    put_be32(key, static_cast<uint32_t>(c.int_arg(0)));
    put_be32(key, static_cast<uint32_t>(c.int_arg(1)));
    put_be32(key, 2);
  } else {
    put_be64(key, static_cast<uint64_t>(c.int_arg(0)));
    put_be32(key, 1);
  }
  return key;
}
// Locks of the session live beside those of its transactions.
storage::OwnerId session_owner(FnCall& c) { return (uint64_t{1} << 63) | static_cast<uint64_t>(host_of(c).pid()); }

template <bool session, bool shared, bool wait> Datum advisory_lock(FnCall& c) {
  UtilityHost& host = host_of(c);
  query::ExecContext& exec = host.exec();
  storage::WaitOptions options = exec.wait;
  if (!wait) options.policy = storage::WaitPolicy::kSkip;
  std::string key = advisory_key(c);
  storage::LockTag tag{storage::LockKind::kAdvisory, key};
  auto mode = shared ? storage::LockMode::kShare : storage::LockMode::kExclusive;
  auto& locks = exec.engine->store->locks();
  storage::OwnerId me = session ? session_owner(c) : exec.txn->id();
  storage::OwnerId twin = session ? exec.txn->id() : session_owner(c);
  // A session never blocks itself: what its other half holds is compatible.
  bool own_conflict = false, others = false;
  for (auto& l : locks.list()) {
    if (l.kind != storage::LockKind::kAdvisory || l.key != key || !l.granted) continue;
    bool conflict = !(shared && l.mode == storage::LockMode::kShare);
    if (l.owner == twin) own_conflict |= conflict;
    else if (l.owner != me) others |= conflict;
  }
  storage::LockOutcome outcome;
  if (own_conflict && !others) outcome = locks.acquire(twin, tag, mode, options);
  else outcome = session ? locks.acquire(me, tag, mode, options) : exec.txn->lock(tag, mode, options);
  if (!wait) return Datum::from_bool(outcome != storage::LockOutcome::kWouldBlock);
  return {};
}
template <bool shared> Datum advisory_unlock(FnCall& c) {
  std::string key = advisory_key(c);
  auto mode = shared ? storage::LockMode::kShare : storage::LockMode::kExclusive;
  bool held = host_of(c).exec().engine->store->locks().release(session_owner(c), {storage::LockKind::kAdvisory, key}, mode);
  if (!held && c.context->notice)
    c.context->notice(Error(ErrorCode::kWarning, fmt::format("you don't own a lock of type {}", shared ? "ShareLock" : "ExclusiveLock")), "WARNING");
  return Datum::from_bool(held);
}
Datum advisory_unlock_all(FnCall& c) {
  host_of(c).exec().engine->store->locks().release_all(session_owner(c));
  return {};
}

// ---- Back ends ----
Datum backend_pid(FnCall& c) { return Datum::from_int(host_of(c).pid()); }
void need_superuser(FnCall& c, const char* what) {
  if (!host_of(c).superuser())
    throw Error(ErrorCode::kInsufficientPrivilege, fmt::format("must be a superuser to {} superuser query", what));
}
template <bool terminate> Datum signal_backend(FnCall& c) {
  need_superuser(c, terminate ? "terminate" : "cancel");
  int pid = static_cast<int>(c.int_arg(0));
  bool found = host_of(c).signal_backend(pid, terminate);
  if (!found && c.context->notice)
    c.context->notice(Error(ErrorCode::kWarning, fmt::format("PID {} is not a PostgreSQL backend process", pid)), "WARNING");
  return Datum::from_bool(found);
}
Datum pid_array(FnCall& c, const std::vector<int>& pids) {
  ArrayBuilder b(element_info(oid::kInt4, nullptr));
  for (int pid : pids) b.add(Datum::from_int(pid));
  return b.finish(*c.arena);
}
Datum blocking_pids(FnCall& c) { return pid_array(c, host_of(c).blocking_pids(static_cast<int>(c.int_arg(0)))); }
// A deferrable transaction here never waits for a safe snapshot: it takes one that is.
Datum safe_snapshot_blocking_pids(FnCall& c) { return pid_array(c, {}); }
// isolationtester: is session arg 0 blocked by one of the sessions of arg 1?
Datum session_is_blocked(FnCall& c) {
  ArrayView interesting(c.arg(1));
  for (int pid : host_of(c).blocking_pids(static_cast<int>(c.int_arg(0))))
    for (int i = 0; i < interesting.count(); ++i)
      if (!interesting.is_null(i) && interesting.get(i).as_int() == pid) return Datum::from_bool(true);
  return Datum::from_bool(false);
}
Datum sleep(FnCall& c) {
  double seconds = c.arg(0).as_double();
  auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(seconds > 0 ? static_cast<int64_t>(std::min(seconds, 1e9) * 1e6) : 0);
  for (;;) {
    if (c.context->check_interrupts) c.context->check_interrupts();
    auto left = until - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) return {};
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(5)));
  }
}
Datum sleep_for(FnCall& c) {
  std::string text;
  type_output(oid::kInterval, c.arg(0), text, *c.context);
  Datum seconds = call_native("float8in", {make_bytes(*c.arena, numeric_text(call_native("extract_interval", {make_bytes(*c.arena, "epoch"), c.arg(0)}, c), *c.context))}, c);
  FnCall inner = c;
  inner.args = &seconds;
  return sleep(inner);
}
Datum notify(FnCall& c) {
  std::string_view channel = c.is_null(0) ? std::string_view() : c.text_arg(0), payload = c.is_null(1) ? std::string_view() : c.text_arg(1);
  if (channel.empty()) throw Error(ErrorCode::kInvalidParameterValue, "channel name cannot be empty");
  if (channel.size() >= 64) throw Error(ErrorCode::kInvalidParameterValue, "channel name too long");
  if (payload.size() >= 8000) throw Error(ErrorCode::kInvalidParameterValue, "payload string too long");
  host_of(c).notify(channel, payload);
  return {};
}
class Channels final : public SetRows {
 public:
  explicit Channels(std::vector<std::string> names) : names_(std::move(names)) {}
  bool next(FnCall& c, Datum* out, bool* nulls) override {
    if (at_ == names_.size()) return false;
    out[0] = c.text(names_[at_++]);
    nulls[0] = false;
    return true;
  }
 private:
  std::vector<std::string> names_;
  size_t at_ = 0;
};
std::unique_ptr<SetRows> listening_channels(FnCall& c) { return std::make_unique<Channels>(host_of(c).listening_channels()); }

Datum client_addr(FnCall& c) {
  std::string a = host_of(c).client_address();
  if (a.empty() || a.find_first_not_of("0123456789abcdef.:") != std::string::npos) return c.null();
  return type_input(oid::kInet, a, -1, *c.arena, *c.context);
}
Datum client_port(FnCall& c) { return host_of(c).client_port() < 0 ? c.null() : Datum::from_int(host_of(c).client_port()); }
Datum server_addr(FnCall& c) {
  if (host_of(c).client_address().empty()) return c.null();
  return type_input(oid::kInet, "127.0.0.1", -1, *c.arena, *c.context);
}
Datum server_port(FnCall& c) { return Datum::from_int(5432); }
Datum postmaster_start(FnCall& c) { return Datum::from_int(host_of(c).server_start_us()); }

// ---- Transactions ----
Datum txid(FnCall& c) { return Datum::from_int(static_cast<int64_t>(host_of(c).exec().txn->id() & 0x7fffffffffffffff)); }
Datum txid_if_assigned(FnCall& c) { return host_of(c).exec().txn->has_writes() ? txid(c) : c.null(); }
// No list of those in progress is kept: a snapshot shows what ended before this transaction began.
Datum current_snapshot(FnCall& c) {
  const int64_t id = txid(c).as_int();
  return type_input(5038, fmt::format("{}:{}:", id, id), -1, *c.arena, *c.context);
}
// Transactions leave no trace when they end; the first three ids are PostgreSQL's permanent ones.
Datum xact_status(FnCall& c) {
  const int64_t id = c.int_arg(0), own = txid(c).as_int();
  if (id == 0) return c.null();
  if (id == 1 || id == 2) return c.text("committed");
  if (id == own) return c.text("in progress");
  if (id > own) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("transaction ID {} is in the future", id));
  return c.null();
}
Datum wal_lsn(FnCall& c) { return Datum::from_int(static_cast<int64_t>(host_of(c).exec().engine->store->published_lsn())); }
Datum no(FnCall&) { return Datum::from_bool(false); }
Datum yes(FnCall&) { return Datum::from_bool(true); }
Datum zero(FnCall&) { return Datum::from_int(0); }
Datum zero_float(FnCall&) { return Datum::from_double(0); }
Datum nothing(FnCall&) { return {}; }
Datum null_result(FnCall& c) { return c.null(); }
Datum now(FnCall& c) { return Datum::from_int(c.context->now_us); }
Datum my_temp_schema(FnCall& c) { return Datum::from_oid(host_of(c).view().temp_schema()); }

// ---- Encodings and types ----
Datum encoding_to_char(FnCall& c) { return c.text(c.int_arg(0) == 6 ? "UTF8" : c.int_arg(0) == 0 ? "SQL_ASCII" : ""); }
Datum char_to_encoding(FnCall& c) {
  std::string n = lower_ascii(c.text_arg(0));
  return Datum::from_int(n == "utf8" || n == "utf-8" || n == "unicode" ? 6 : n == "sql_ascii" ? 0 : -1);
}
Datum utf8(FnCall& c) { return c.text("UTF8"); }
Datum type_of(FnCall& c) { return Datum::from_oid(c.arg_types[0]); }
Datum column_size(FnCall& c) {
  const BuiltinType* t = builtin::type(c.arg_types[0]);
  if (t != nullptr && t->len > 0) return Datum::from_int(t->len);
  if (t == nullptr && c.context->catalog != nullptr && c.context->catalog->type_facts(c.arg_types[0]).by_value) return Datum::from_int(4);
  size_t n = c.text_arg(0).size();
  return Datum::from_int(static_cast<int64_t>(n + (n < 127 ? 1 : 4)));
}

// ---- Sizes, by the statistics: rows are counted, not pages ----
int64_t relation_bytes(const catalog::State& state, Oid oid) {
  auto r = state.relation(oid);
  if (!r) return -1;
  Oid base = r->index ? r->index->table : oid;
  auto s = state.statistics(base);
  double rows = s && s->rows > 0 ? s->rows : 0, width = 24;
  if (!r->index && s)
    for (auto& [n, column] : s->columns) width += column.average_width;
  return rows <= 0 ? 0 : (static_cast<int64_t>(rows * width) / 8192 + 1) * 8192;
}
Datum relation_size(FnCall& c) {
  int64_t n = relation_bytes(*host_of(c).view().state(), c.arg(0).as_oid());
  if (n < 0) return host_of(c).view().relation(c.arg(0).as_oid()) ? Datum::from_int(0) : c.null();
  return Datum::from_int(c.nargs == 2 && c.text_arg(1) != "main" ? 0 : n);
}
int64_t index_bytes(const catalog::State& state, Oid oid) {
  int64_t n = 0;
  if (auto r = state.relation(oid))
    for (Oid i : r->indexes) n += std::max<int64_t>(0, relation_bytes(state, i));
  return n;
}
Datum indexes_size(FnCall& c) { return Datum::from_int(index_bytes(*host_of(c).view().state(), c.arg(0).as_oid())); }
Datum total_size(FnCall& c) {
  auto state = host_of(c).view().state();
  int64_t n = relation_bytes(*state, c.arg(0).as_oid());
  return n < 0 ? c.null() : Datum::from_int(n + index_bytes(*state, c.arg(0).as_oid()));
}
Datum database_size(FnCall& c) {
  auto state = host_of(c).view().state();
  int64_t n = 0;
  state->for_each(ObjectKind::kRelation, [&](const catalog::Ptr<catalog::Object>& o) { n += std::max<int64_t>(0, relation_bytes(*state, o->oid)); });
  return Datum::from_int(n);
}
Datum relation_updatable(FnCall& c) {
  auto r = host_of(c).view().relation(c.arg(0).as_oid());
  return Datum::from_int(r && (r->relkind == 'r' || r->relkind == 'p') ? 28 : 0);
}
Datum column_updatable(FnCall& c) {
  auto r = host_of(c).view().relation(c.arg(0).as_oid());
  return Datum::from_bool(r && (r->relkind == 'r' || r->relkind == 'p'));
}
Datum relation_filenode(FnCall& c) {
  auto r = host_of(c).view().state()->relation(c.arg(0).as_oid());
  return r && std::string_view("rmiS").find(r->relkind) != std::string_view::npos ? Datum::from_oid(r->oid) : c.null();
}

// "12345 bytes", "12 kB" ... as PostgreSQL rounds them.
Datum size_pretty(FnCall& c) {
  int64_t v = c.int_arg(0);
  struct Unit { const char* name; int64_t limit; bool round; int bits; };
  static constexpr Unit kUnits[] = {{"bytes", 10 * 1024, false, 0}, {"kB", 20 * 1024 - 1, true, 10}, {"MB", 20 * 1024 - 1, true, 20},
                                    {"GB", 20 * 1024 - 1, true, 30}, {"TB", 20 * 1024 - 1, true, 40}, {"PB", 20 * 1024 - 1, true, 50}};
  int bits = 0;
  for (size_t i = 0; i < std::size(kUnits); ++i) {
    const Unit& u = kUnits[i];
    uint64_t magnitude = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
    if (i + 1 == std::size(kUnits) || magnitude < static_cast<uint64_t>(u.limit)) {
      if (u.round) v = (v + (v < 0 ? -1 : 1)) / 2;
      return c.text(fmt::format("{} {}", v, u.name));
    }
    // Keep one extra bit for rounding at the end.
    int shift = kUnits[i + 1].bits - bits - (kUnits[i + 1].round ? 1 : 0) + (u.round ? 1 : 0);
    v /= int64_t{1} << shift;
    bits = kUnits[i + 1].bits;
  }
  return c.text("");
}
Datum size_pretty_numeric(FnCall& c) {
  std::string text = numeric_text(c.arg(0), *c.context);
  size_t dot = text.find('.');
  double v = std::strtod(text.c_str(), nullptr);
  if (std::abs(v) < 10 * 1024) return c.text(text + " bytes");
  FnCall inner = c;
  Datum whole = Datum::from_int(std::strtoll(text.substr(0, dot).c_str(), nullptr, 10));
  inner.args = &whole;
  return size_pretty(inner);
}
Datum size_bytes(FnCall& c) {
  const std::string s(c.text_arg(0));
  size_t at = s.find_first_not_of(" \t\n");
  auto bad = [&] { return Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid size: \"{}\"", s)); };
  if (at == std::string::npos) throw bad();
  size_t end = at;
  bool digits = false;
  auto skip_digits = [&] { while (end < s.size() && std::isdigit(static_cast<unsigned char>(s[end])) != 0) { ++end; digits = true; } };
  if (s[end] == '-' || s[end] == '+') ++end;
  skip_digits();
  if (end < s.size() && s[end] == '.') {
    ++end;
    skip_digits();
  }
  if (!digits) throw bad();
  if (end + 1 < s.size() && (s[end] == 'e' || s[end] == 'E')) {
    const size_t exponent = end + 1 + (s[end + 1] == '-' || s[end + 1] == '+' ? 1 : 0);
    if (exponent < s.size() && std::isdigit(static_cast<unsigned char>(s[exponent])) != 0) {
      end = exponent;
      skip_digits();
    }
  }
  long double v = std::strtold(s.substr(at, end - at).c_str(), nullptr);
  const size_t from = s.find_first_not_of(" \t\n", end), to = s.find_last_not_of(" \t\n");
  const std::string unit = from == std::string::npos ? "" : s.substr(from, to - from + 1);
  static const std::map<std::string, int> kBits = {{"", 0}, {"bytes", 0}, {"kb", 10}, {"mb", 20}, {"gb", 30}, {"tb", 40}, {"pb", 50}};
  auto it = kBits.find(lower_ascii(unit));
  if (it == kBits.end())
    throw std::move(bad()).detail(fmt::format("Invalid size unit: \"{}\".", unit)).hint("Valid units are \"bytes\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\".");
  v = std::roundl(v * static_cast<long double>(int64_t{1} << it->second));
  if (!(v >= -0x1p63L && v < 0x1p63L)) throw Error(ErrorCode::kNumericValueOutOfRange, "bigint out of range");
  return Datum::from_int(static_cast<int64_t>(v));
}

template <bool session, bool wait> void add_lock(FunctionRegistry& r, const std::string& name) {
  for (const char* arity : {"_int8", "_int4"}) {
    r.add(keep_name(name + arity), advisory_lock<session, false, wait>);
    r.add(keep_name(name + "_shared" + arity), advisory_lock<session, true, wait>);
  }
}

}  // namespace

void register_session_functions(FunctionRegistry& r) {
  r.add("current_schema", current_schema);
  r.add("current_schemas", current_schemas);
  r.add("current_database", current_database);
  r.add("current_user", current_user);
  r.add("session_user", session_user);
  r.add("current_query", current_query);
  r.add("pgsql_version", version);
  r.add("show_config_by_name", show_setting_by_name);
  r.add("show_config_by_name_missing_ok", show_setting_by_name);
  r.add("set_config_by_name", set_config);
  r.add("nextval_oid", nextval);
  r.add("currval_oid", currval);
  r.add("lastval", lastval);
  r.add("setval_oid", setval);
  r.add("setval3_oid", setval);
  r.add("pg_sequence_last_value", sequence_last_value);
  add_lock<true, true>(r, "pg_advisory_lock");
  add_lock<true, false>(r, "pg_try_advisory_lock");
  add_lock<false, true>(r, "pg_advisory_xact_lock");
  add_lock<false, false>(r, "pg_try_advisory_xact_lock");
  for (const char* arity : {"_int8", "_int4"}) {
    r.add(keep_name(std::string("pg_advisory_unlock") + arity), advisory_unlock<false>);
    r.add(keep_name(std::string("pg_advisory_unlock_shared") + arity), advisory_unlock<true>);
  }
  r.add("pg_advisory_unlock_all", advisory_unlock_all);
  r.add("pg_backend_pid", backend_pid);
  r.add("pg_cancel_backend", signal_backend<false>);
  r.add("pg_terminate_backend", signal_backend<true>);
  r.add("pg_blocking_pids", blocking_pids);
  r.add("pg_safe_snapshot_blocking_pids", safe_snapshot_blocking_pids);
  r.add("pg_isolation_test_session_is_blocked", session_is_blocked);
  r.add("pg_sleep", sleep);
  r.add("sql:pg_sleep_for/interval", sleep_for);
  r.add("pg_notify", notify);
  r.add("pg_notification_queue_usage", zero_float);
  r.add_set("pg_listening_channels", listening_channels);
  r.add("inet_client_addr", client_addr);
  r.add("inet_client_port", client_port);
  r.add("inet_server_addr", server_addr);
  r.add("inet_server_port", server_port);
  r.add("pg_postmaster_start_time", postmaster_start);
  r.add("pg_conf_load_time", postmaster_start);
  r.add("pg_current_xact_id", txid);
  r.add("pg_current_xact_id_if_assigned", txid_if_assigned);
  r.add("txid_current", txid);
  r.add("txid_current_if_assigned", txid_if_assigned);
  for (const char* n : {"pg_current_snapshot", "txid_current_snapshot"}) r.add(n, current_snapshot);
  for (const char* n : {"pg_xact_status", "txid_status"}) r.add(n, xact_status);
  for (const char* n : {"pg_current_wal_lsn", "pg_current_wal_insert_lsn", "pg_current_wal_flush_lsn"}) r.add(n, wal_lsn);
  for (const char* n : {"pg_is_in_recovery", "pg_is_other_temp_schema", "pg_jit_available", "row_security_active", "row_security_active_name",
                        "pg_is_wal_replay_paused", "pg_relation_is_publishable"})
    r.add(n, no);
  for (const char* n : {"pg_reload_conf", "pg_stat_have_stats"}) r.add(n, yes);
  for (const char* n : {"pg_stat_clear_snapshot", "pg_stat_reset", "pg_stat_force_next_flush"}) r.add(n, nothing);
  for (const char* n : {"pg_stat_get_numscans", "pg_stat_get_tuples_returned", "pg_stat_get_tuples_fetched", "pg_stat_get_tuples_inserted",
                        "pg_stat_get_tuples_updated", "pg_stat_get_tuples_deleted", "pg_stat_get_live_tuples", "pg_stat_get_dead_tuples",
                        "pg_trigger_depth", "pg_stat_get_blocks_fetched", "pg_stat_get_blocks_hit"})
    r.add(n, zero);
  for (const char* n : {"pg_tablespace_location", "pg_relation_filepath", "pg_collation_actual_version",
                        "pg_database_collation_actual_version", "pg_last_wal_replay_lsn", "pg_last_wal_receive_lsn", "pg_stat_get_last_analyze_time"})
    r.add(n, null_result);
  r.add("pg_stat_get_snapshot_timestamp", now);
  r.add("pg_my_temp_schema", my_temp_schema);
  r.add("PG_encoding_to_char", encoding_to_char);
  r.add("PG_char_to_encoding", char_to_encoding);
  r.add("pg_client_encoding", utf8);
  r.add("getdatabaseencoding", utf8);
  r.add("pg_typeof", type_of);
  r.add("pg_column_size", column_size);
  r.add("pg_relation_size", relation_size);
  r.add("sql:pg_relation_size/regclass", relation_size);
  r.add("pg_table_size", relation_size);
  r.add("pg_indexes_size", indexes_size);
  r.add("pg_total_relation_size", total_size);
  r.add("pg_database_size_name", database_size);
  r.add("pg_database_size_oid", database_size);
  r.add("pg_relation_is_updatable", relation_updatable);
  r.add("pg_column_is_updatable", column_updatable);
  r.add("pg_relation_filenode", relation_filenode);
  r.add("pg_size_pretty", size_pretty);
  r.add("pg_size_pretty_numeric", size_pretty_numeric);
  r.add("pg_size_bytes", size_bytes);
}

}  // namespace stele::sql

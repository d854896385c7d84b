#include "sql/functions/large_objects.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <mutex>
#include <unordered_map>

#include "base/codec.h"
#include "sql/functions/host.h"
#include "storage/store.h"

namespace stele::sql {

namespace {

constexpr char kSpace = 'o';
constexpr size_t kPage = 2048;
constexpr uint32_t kObjectItself = 0xffffffff;
constexpr int64_t kMostBytes = int64_t{INT32_MAX} * kPage;
constexpr int32_t kWrite = 0x20000, kRead = 0x40000;

std::string key_of(Oid object, uint32_t page) {
  std::string k(1, kSpace);
  put_be32(k, object);
  put_be32(k, page);
  return k;
}

// Objects are read as their transaction sees them now, own writes included.
storage::ReadView now(query::ExecContext& exec) { return {exec.txn->statement_snapshot(), UINT32_MAX}; }

bool exists(query::ExecContext& exec, Oid object) {
  std::string value;
  return exec.txn->get(key_of(object, kObjectItself), now(exec), &value);
}
void require(query::ExecContext& exec, Oid object) {
  if (!exists(exec, object)) throw Error(ErrorCode::kUndefinedObject, fmt::format("large object {} does not exist", object));
}

void write_page(query::ExecContext& exec, Oid object, uint32_t page, std::string_view bytes) {
  exec.txn->put(key_of(object, page), bytes);
}

int64_t size_of(query::ExecContext& exec, Oid object) {
  auto c = exec.txn->scan(key_of(object, 0), key_of(object, kObjectItself), now(exec), true);
  return c->valid() ? static_cast<int64_t>(load_be32(c->key().data() + 5)) * static_cast<int64_t>(kPage) + static_cast<int64_t>(c->value().size()) : 0;
}

std::string read(query::ExecContext& exec, Oid object, int64_t at, int64_t length) {
  std::string out;
  const int64_t size = size_of(exec, object), end = length < 0 ? size : std::min(size, at + length);
  if (at >= end) return out;
  out.assign(static_cast<size_t>(end - at), '\0');  // holes read as zeros
  for (auto c = exec.txn->scan(key_of(object, static_cast<uint32_t>(at / static_cast<int64_t>(kPage))), key_of(object, kObjectItself), now(exec)); c->valid(); c->next()) {
    const int64_t from = static_cast<int64_t>(load_be32(c->key().data() + 5)) * static_cast<int64_t>(kPage);
    if (from >= end) break;
    const std::string_view page = c->value();
    const int64_t low = std::max(from, at), high = std::min(end, from + static_cast<int64_t>(page.size()));
    if (low < high) std::memcpy(out.data() + (low - at), page.data() + (low - from), static_cast<size_t>(high - low));
  }
  return out;
}

void write(query::ExecContext& exec, Oid object, int64_t at, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto page = static_cast<uint32_t>(at / static_cast<int64_t>(kPage));
    const size_t offset = static_cast<size_t>(at % static_cast<int64_t>(kPage)), n = std::min(bytes.size(), kPage - offset);
    std::string value;
    if (n < kPage) exec.txn->get(key_of(object, page), now(exec), &value);
    if (value.size() < offset + n) value.resize(offset + n, '\0');
    value.replace(offset, n, bytes.substr(0, n));
    write_page(exec, object, page, value);
    bytes.remove_prefix(n);
    at += static_cast<int64_t>(n);
  }
}

void truncate(query::ExecContext& exec, Oid object, int64_t length) {
  const int64_t size = size_of(exec, object);
  if (length > size) {
    write(exec, object, length - 1, std::string_view("\0", 1));
    return;
  }
  const auto last = static_cast<uint32_t>(length / static_cast<int64_t>(kPage));
  const auto keep = static_cast<size_t>(length % static_cast<int64_t>(kPage));
  std::vector<std::string> gone;
  std::string rest;
  for (auto c = exec.txn->scan(key_of(object, last), key_of(object, kObjectItself), now(exec)); c->valid(); c->next()) {
    if (keep > 0 && load_be32(c->key().data() + 5) == last) rest = c->value().substr(0, keep);
    else gone.emplace_back(c->key());
  }
  if (!rest.empty()) write_page(exec, object, last, rest);
  for (const std::string& k : gone) exec.txn->erase(k);
}

void check_writable(query::ExecContext& exec, const char* function) {
  if (exec.txn->read_only()) throw Error(ErrorCode::kReadOnlySqlTransaction, fmt::format("cannot execute {}() in a read-only transaction", function));
}

Oid create(FnCall& c, Oid wanted) {
  query::ExecContext& exec = host_of(c).exec();
  if (wanted != 0 && exists(exec, wanted))
    throw Error(ErrorCode::kUniqueViolation, "duplicate key value violates unique constraint \"pg_largeobject_metadata_oid_index\"")
        .detail(fmt::format("Key (oid)=({}) already exists.", wanted));
  Oid object = wanted;
  while (object == 0 || (wanted == 0 && exists(exec, object))) object = exec.engine->catalog->allocate_oid();
  std::string owner;
  put_be32(owner, host_of(c).current_user());
  write_page(exec, object, kObjectItself, owner);
  return object;
}

// ---- descriptors: they live as long as the transaction that opened them

struct Descriptor { Oid object = 0; int64_t at = 0; int32_t mode = 0; bool open = false; };
struct Descriptors {
  uint64_t transaction = 0;
  std::vector<Descriptor> list;
};
// By session; an entry goes when its transaction ends. A session is used by one thread at a time.
struct OpenObjects {
  std::mutex mutex;
  std::unordered_map<const UtilityHost*, Descriptors> of;
};
Descriptors& descriptors(FnCall& c) {
  static auto* const all = new OpenObjects;
  UtilityHost& host = host_of(c);
  storage::Transaction& txn = *host.exec().txn;
  std::lock_guard lock(all->mutex);
  Descriptors& d = all->of[&host];
  if (d.transaction != txn.id()) {
    d.transaction = txn.id();
    d.list.clear();
    auto forget = [key = &host] {
      std::lock_guard again(all->mutex);
      all->of.erase(key);
    };
    txn.on_published([forget](storage::Lsn) { forget(); });
    txn.on_abort(forget);
  }
  return d;
}
Descriptor& descriptor(FnCall& c, int64_t fd) {
  auto& d = descriptors(c);
  if (fd < 0 || fd >= static_cast<int64_t>(d.list.size()) || !d.list[static_cast<size_t>(fd)].open)
    throw Error(ErrorCode::kUndefinedObject, fmt::format("invalid large-object descriptor: {}", fd));
  return d.list[static_cast<size_t>(fd)];
}

Datum lo_open(FnCall& c) {
  query::ExecContext& exec = host_of(c).exec();
  const auto mode = static_cast<int32_t>(c.int_arg(1));
  if ((mode & kWrite) != 0) check_writable(exec, "lo_open(INV_WRITE)");
  if ((mode & (kRead | kWrite)) == 0) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid flags for opening a large object: {}", mode));
  require(exec, c.arg(0).as_oid());
  auto& d = descriptors(c);
  size_t fd = 0;
  while (fd < d.list.size() && d.list[fd].open) ++fd;
  if (fd == d.list.size()) d.list.emplace_back();
  d.list[fd] = {c.arg(0).as_oid(), 0, mode, true};
  return Datum::from_int(static_cast<int64_t>(fd));
}
Datum lo_close(FnCall& c) {
  descriptor(c, c.int_arg(0)).open = false;
  return Datum::from_int(0);
}
Datum lo_read(FnCall& c) {
  Descriptor& d = descriptor(c, c.int_arg(0));
  std::string bytes = read(host_of(c).exec(), d.object, d.at, std::max<int64_t>(0, c.int_arg(1)));
  d.at += static_cast<int64_t>(bytes.size());
  return c.text(bytes);
}
Datum lo_write(FnCall& c) {
  query::ExecContext& exec = host_of(c).exec();
  check_writable(exec, "lowrite");
  Descriptor& d = descriptor(c, c.int_arg(0));
  if ((d.mode & kWrite) == 0)
    throw Error(ErrorCode::kObjectNotInPrerequisiteState, fmt::format("large object descriptor {} was not opened for writing", c.int_arg(0)));
  write(exec, d.object, d.at, c.text_arg(1));
  d.at += static_cast<int64_t>(c.text_arg(1).size());
  return Datum::from_int(static_cast<int64_t>(c.text_arg(1).size()));
}
template <bool kLong>
Datum lo_seek(FnCall& c) {
  Descriptor& d = descriptor(c, c.int_arg(0));
  const int64_t offset = c.int_arg(1), whence = c.int_arg(2);
  if (whence < 0 || whence > 2) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid whence setting: {}", whence));
  const int64_t at = offset + (whence == 1 ? d.at : whence == 2 ? size_of(host_of(c).exec(), d.object) : 0);
  if (at < 0 || at > kMostBytes) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid large object seek target: {}", at));
  if (!kLong && at > INT32_MAX) throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("lo_lseek result out of range for large-object descriptor {}", c.int_arg(0)));
  d.at = at;
  return Datum::from_int(at);
}
template <bool kLong>
Datum lo_tell(FnCall& c) {
  const int64_t at = descriptor(c, c.int_arg(0)).at;
  if (!kLong && at > INT32_MAX) throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("lo_tell result out of range for large-object descriptor {}", c.int_arg(0)));
  return Datum::from_int(at);
}
Datum lo_truncate(FnCall& c) {
  check_writable(host_of(c).exec(), "lo_truncate");
  Descriptor& d = descriptor(c, c.int_arg(0));
  if ((d.mode & kWrite) == 0)
    throw Error(ErrorCode::kObjectNotInPrerequisiteState, fmt::format("large object descriptor {} was not opened for writing", c.int_arg(0)));
  if (c.int_arg(1) < 0 || c.int_arg(1) > kMostBytes)
    throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid large object truncation target: {}", c.int_arg(1)));
  truncate(host_of(c).exec(), d.object, c.int_arg(1));
  return Datum::from_int(0);
}
Datum lo_unlink(FnCall& c) {
  query::ExecContext& exec = host_of(c).exec();
  check_writable(exec, "lo_unlink");
  const Oid object = c.arg(0).as_oid();
  require(exec, object);
  std::vector<std::string> keys{key_of(object, kObjectItself)};
  for (auto s = exec.txn->scan(key_of(object, 0), key_of(object, kObjectItself), now(exec)); s->valid(); s->next()) keys.emplace_back(s->key());
  for (const std::string& k : keys) exec.txn->erase(k);
  for (Descriptor& d : descriptors(c).list)
    if (d.object == object) d.open = false;
  return Datum::from_int(1);
}
Datum lo_creat(FnCall& c) {
  check_writable(host_of(c).exec(), "lo_creat");
  return Datum::from_oid(create(c, 0));
}
Datum lo_create(FnCall& c) {
  check_writable(host_of(c).exec(), "lo_create");
  return Datum::from_oid(create(c, c.arg(0).as_oid()));
}
Datum lo_from_bytea(FnCall& c) {
  check_writable(host_of(c).exec(), "lo_from_bytea");
  const Oid object = create(c, c.arg(0).as_oid());
  write(host_of(c).exec(), object, 0, c.text_arg(1));
  return Datum::from_oid(object);
}
Datum lo_get(FnCall& c) {
  query::ExecContext& exec = host_of(c).exec();
  require(exec, c.arg(0).as_oid());
  if (c.nargs == 1) return c.text(read(exec, c.arg(0).as_oid(), 0, -1));
  if (c.int_arg(2) < 0) throw Error(ErrorCode::kInvalidParameterValue, "requested length cannot be negative");
  if (c.int_arg(1) < 0) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid large object seek target: {}", c.int_arg(1)));
  return c.text(read(exec, c.arg(0).as_oid(), c.int_arg(1), c.int_arg(2)));
}
Datum lo_put(FnCall& c) {
  query::ExecContext& exec = host_of(c).exec();
  check_writable(exec, "lo_put");
  require(exec, c.arg(0).as_oid());
  if (c.int_arg(1) < 0) throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid large object seek target: {}", c.int_arg(1)));
  write(exec, c.arg(0).as_oid(), c.int_arg(1), c.text_arg(2));
  return {};
}

// Files of the server's machine: for superusers only.
void check_files(FnCall& c, const char* function) {
  if (!host_of(c).superuser()) throw Error(ErrorCode::kInsufficientPrivilege, fmt::format("permission denied for function {}", function));
}
Datum lo_import(FnCall& c) {
  check_files(c, "lo_import");
  const std::string name(c.text_arg(0));
  std::ifstream in(name, std::ios::binary);
  if (!in) throw Error(ErrorCode::kUndefinedFile, fmt::format("could not open server file \"{}\": {}", name, std::strerror(errno)));
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const Oid object = create(c, c.nargs > 1 ? c.arg(1).as_oid() : 0);
  write(host_of(c).exec(), object, 0, bytes);
  return Datum::from_oid(object);
}
Datum lo_export(FnCall& c) {
  check_files(c, "lo_export");
  query::ExecContext& exec = host_of(c).exec();
  require(exec, c.arg(0).as_oid());
  const std::string name(c.text_arg(1));
  std::ofstream out(name, std::ios::binary | std::ios::trunc);
  if (!out) throw Error(ErrorCode::kUndefinedFile, fmt::format("could not create server file \"{}\": {}", name, std::strerror(errno)));
  out << read(exec, c.arg(0).as_oid(), 0, -1);
  return Datum::from_int(1);
}

}  // namespace

std::vector<LargeObject> large_objects(query::ExecContext& exec) {
  std::vector<LargeObject> out;
  if (exec.txn == nullptr) return out;
  const std::string upper(1, static_cast<char>(kSpace + 1));
  // One jump an object: its own entry comes after its pages.
  for (auto c = exec.txn->scan(std::string(1, kSpace), upper, now(exec)); c->valid();) {
    const Oid object = load_be32(c->key().data() + 1);
    if (load_be32(c->key().data() + 5) != kObjectItself) {
      c->seek(key_of(object, kObjectItself));
      continue;
    }
    out.push_back({object, load_be32(c->value().data())});
    c->next();
  }
  return out;
}

void each_large_object_page(query::ExecContext& exec, const std::function<void(Oid, int32_t, std::string_view)>& emit) {
  if (exec.txn == nullptr) return;
  const std::string upper(1, static_cast<char>(kSpace + 1));
  for (auto c = exec.txn->scan(std::string(1, kSpace), upper, now(exec)); c->valid(); c->next()) {
    const uint32_t page = load_be32(c->key().data() + 5);
    if (page != kObjectItself) emit(load_be32(c->key().data() + 1), static_cast<int32_t>(page), c->value());
  }
}

void register_large_object_functions(FunctionRegistry& r) {
  r.add("be_lo_open", lo_open);
  r.add("be_lo_close", lo_close);
  r.add("be_loread", lo_read);
  r.add("be_lowrite", lo_write);
  r.add("be_lo_lseek", lo_seek<false>);
  r.add("be_lo_lseek64", lo_seek<true>);
  r.add("be_lo_tell", lo_tell<false>);
  r.add("be_lo_tell64", lo_tell<true>);
  r.add("be_lo_truncate", lo_truncate);
  r.add("be_lo_truncate64", lo_truncate);
  r.add("be_lo_unlink", lo_unlink);
  r.add("be_lo_creat", lo_creat);
  r.add("be_lo_create", lo_create);
  r.add("be_lo_from_bytea", lo_from_bytea);
  r.add("be_lo_get", lo_get);
  r.add("be_lo_get_fragment", lo_get);
  r.add("be_lo_put", lo_put);
  r.add("be_lo_import", lo_import);
  r.add("be_lo_import_with_oid", lo_import);
  r.add("be_lo_export", lo_export);
}

}  // namespace stele::sql

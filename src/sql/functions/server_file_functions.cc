// Files of the server, as superusers may read them, and maintenance calls of index methods.
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "sql/functions/host.h"
#include "types/oids.h"
#include "types/record.h"

namespace stele::sql {
namespace {

// Relative names are the data folder's.
std::string path_of(FnCall& c, const char* function) {
  UtilityHost& host = host_of(c);
  if (!host.superuser()) throw Error(ErrorCode::kInsufficientPrivilege, fmt::format("permission denied for function {}", function));
  const std::string name(c.text_arg(0));
  if (name.starts_with("/")) return name;
  return host.settings().shown("data_directory").value_or(".") + "/" + name;
}

[[noreturn]] void cannot(const char* what, std::string_view name, int error) {
  throw Error(error == ENOENT ? ErrorCode::kUndefinedFile : ErrorCode::kInsufficientPrivilege, fmt::format("could not {} \"{}\"{}: {}", what, name, std::string_view(what) == "open file" ? " for reading" : "", std::strerror(error)));
}

// args: name [, offset, length [, missing_ok]] or name, missing_ok
std::optional<std::string> read_file(FnCall& c, const char* function) {
  const std::string path = path_of(c, function);
  int64_t offset = 0, length = -1;
  bool missing_ok = false;
  if (c.nargs >= 3) {
    offset = c.int_arg(1);
    length = c.int_arg(2);
    if (length < 0) throw Error(ErrorCode::kInvalidParameterValue, "requested length cannot be negative");
  }
  if (c.nargs == 2) missing_ok = c.arg(1).as_bool();
  if (c.nargs == 4) missing_ok = c.arg(3).as_bool();
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    if (missing_ok && errno == ENOENT) return std::nullopt;
    cannot("open file", c.text_arg(0), errno);
  }
  if (offset < 0) {
    in.seekg(0, std::ios::end);
    offset = std::max<int64_t>(0, static_cast<int64_t>(in.tellg()) + offset);
  }
  in.seekg(offset);
  std::string out;
  char buffer[65536];
  while (in && (length < 0 || static_cast<int64_t>(out.size()) < length)) {
    const size_t want = length < 0 ? sizeof(buffer) : std::min<size_t>(sizeof(buffer), static_cast<size_t>(length) - out.size());
    in.read(buffer, static_cast<std::streamsize>(want));
    out.append(buffer, static_cast<size_t>(in.gcount()));
    if (out.size() > (1u << 30)) throw Error(ErrorCode::kProgramLimitExceeded, "file length too large");
    if (in.gcount() == 0) break;
  }
  return out;
}
Datum read_text_file(FnCall& c) {
  auto s = read_file(c, "pg_read_file");
  if (!s) return c.null();
  if (s->find('\0') != std::string::npos) throw Error(ErrorCode::kCharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00");
  return c.text(*s);
}
Datum read_binary_file(FnCall& c) {
  auto s = read_file(c, "pg_read_binary_file");
  return s ? c.text(*s) : c.null();
}

class Names final : public SetRows {
 public:
  explicit Names(FnCall& c) {
    const std::string path = path_of(c, "pg_ls_dir");
    const bool missing_ok = c.nargs > 1 && c.arg(1).as_bool(), dots = c.nargs > 2 && c.arg(2).as_bool();
    std::error_code error;
    std::filesystem::directory_iterator it(path, error);
    if (error) {
      if (missing_ok && error.value() == ENOENT) return;
      cannot("open directory", c.text_arg(0), error.value());
    }
    if (dots) names_ = {".", ".."};
    for (const auto& e : it) names_.push_back(e.path().filename().string());
  }
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

Datum stat_file(FnCall& c) {
  const std::string path = path_of(c, "pg_stat_file");
  struct stat st {};
  std::vector<NullableDatum> v(6, NullableDatum{{}, true});
  if (::stat(path.c_str(), &st) != 0) {
    if (!(c.nargs > 1 && c.arg(1).as_bool() && errno == ENOENT)) cannot("stat file", c.text_arg(0), errno);
    return c.null();
  }
  auto time = [](int64_t seconds) { return NullableDatum{Datum::from_int((seconds - 946684800) * 1000000), false}; };
  v = {{Datum::from_int(st.st_size), false}, time(st.st_atime), time(st.st_mtime), time(st.st_ctime), {{}, true}, {Datum::from_bool(S_ISDIR(st.st_mode)), false}};
  std::vector<ElementInfo> infos;
  for (Oid t : {oid::kInt8, oid::kTimestamptz, oid::kTimestamptz, oid::kTimestamptz, oid::kTimestamptz, oid::kBool}) infos.push_back(element_info(t, c.context));
  return make_record(oid::kRecord, intern_record_shape({"size", "access", "modification", "change", "creation", "isdir"}), infos, v, *c.arena);
}

// Indexes of these methods have nothing that waits to be summarised or merged.
void require_index(FnCall& c, const char* method, const char* shown) {
  const Oid oid = c.arg(0).as_oid();
  auto r = host_of(c).view().relation(oid);
  if (r == nullptr) throw Error(ErrorCode::kUndefinedTable, fmt::format("could not open relation with OID {}", oid));
  if (!r->index) throw Error(ErrorCode::kWrongObjectType, fmt::format("\"{}\" is not an index", r->name));
  if (r->index->method != method) throw Error(ErrorCode::kWrongObjectType, fmt::format("\"{}\" is not a {} index", r->name, shown));
}
Datum brin_new(FnCall& c) {
  require_index(c, "brin", "BRIN");
  return Datum::from_int(0);
}
Datum brin_range(FnCall& c) {
  const int64_t block = c.int_arg(1);
  if (block < 0 || block > 4294967295) throw Error(ErrorCode::kNumericValueOutOfRange, fmt::format("block number out of range: {}", block));
  require_index(c, "brin", "BRIN");
  return Datum::from_int(0);
}
Datum gin_clean(FnCall& c) {
  require_index(c, "gin", "GIN");
  return Datum::from_int(0);
}

}  // namespace

void register_server_file_functions(FunctionRegistry& r) {
  for (const char* n : {"pg_read_file_all", "pg_read_file_all_missing", "pg_read_file_off_len", "pg_read_file_v2", "pg_read_file_off_len_missing"}) r.add(n, read_text_file);
  for (const char* n : {"pg_read_binary_file_all", "pg_read_binary_file_off_len", "pg_read_binary_file"}) r.add(n, read_binary_file);
  for (const char* n : {"pg_ls_dir", "pg_ls_dir_1arg"}) r.add_set(n, [](FnCall& c) -> std::unique_ptr<SetRows> { return std::make_unique<Names>(c); });
  for (const char* n : {"pg_stat_file", "pg_stat_file_1arg"}) r.add(n, stat_file);
  r.add("brin_summarize_new_values", brin_new);
  r.add("brin_summarize_range", brin_range);
  r.add("brin_desummarize_range", brin_range);
  r.add("gin_clean_pending_list", gin_clean);
}

}  // namespace stele::sql

#include "types/function_helpers.h"

#include "base/error.h"
#include "types/builtin.h"
#include "types/hash.h"
#include "types/oids.h"
#include "types/type_io.h"
#include "types/type_ops.h"

namespace stele {

std::string_view keep_name(std::string name) {
  static std::mutex mutex;
  static auto* names = new std::set<std::string>;
  std::lock_guard lock(mutex);
  return *names->insert(std::move(name)).first;
}

namespace {

// The extreme so far, copied out of the input.
class Extreme : public AggregateState {
 public:
  Extreme(Oid type, bool greatest) : type_(type), greatest_(greatest), by_value_(passed_by_value(type)) {}
  void add(FnCall& call) override {
    if (call.is_null(0)) return;
    Datum v = call.arg(0);
    if (has_value_) {
      int c = type_ops(type_).compare(v, value_, call.collation);
      if (greatest_ ? c <= 0 : c >= 0) return;
    }
    has_value_ = true;
    if (by_value_) {
      value_ = v;
      return;
    }
    arena_.reset();
    value_ = copy_datum(false, v, arena_);
  }
  Datum finish(FnCall& call) override {
    if (!has_value_) return call.null();
    return copy_datum(by_value_, value_, *call.arena);
  }
  size_t bytes() const override { return sizeof *this + arena_.bytes(); }

 private:
  Oid type_;
  bool greatest_, by_value_, has_value_ = false;
  Datum value_;
  Arena arena_;
};

}  // namespace

void add_extremes(FunctionRegistry& r, Oid, const char* type_name) {
  r.add_aggregate(keep_name(std::string("max/") + type_name),
                  [](FnCall& c) -> std::unique_ptr<AggregateState> { return std::make_unique<Extreme>(c.arg_types[0], true); });
  r.add_aggregate(keep_name(std::string("min/") + type_name),
                  [](FnCall& c) -> std::unique_ptr<AggregateState> { return std::make_unique<Extreme>(c.arg_types[0], false); });
}

Datum call_native(std::string_view prosrc, std::initializer_list<Datum> args, Arena& arena, EvalContext& ctx) {
  ScalarFn fn = FunctionRegistry::instance().scalar(prosrc);
  if (fn == nullptr) throw Error(ErrorCode::kInternalError, fmt::format("native function \"{}\" is missing", prosrc));
  static constexpr bool kNulls[8] = {};
  static constexpr Oid kTypes[8] = {};
  std::shared_ptr<void> cache;
  FnCall call{args.begin(), kNulls, static_cast<int>(args.size()), kTypes, 0, oid::kDefaultCollation, -1, &arena, &ctx, &cache};
  return fn(call);
}
Datum call_native(std::string_view prosrc, std::initializer_list<Datum> args, FnCall& like) {
  return call_native(prosrc, args, *like.arena, *like.context);
}

Datum numeric_from_text(std::string_view text, Arena& arena, EvalContext& ctx) {
  return type_input(oid::kNumeric, text, -1, arena, ctx);
}
Datum numeric_from_scaled(__int128 v, int scale, Arena& arena, EvalContext& ctx) {
  bool negative = v < 0;
  unsigned __int128 u = negative ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v);
  std::string digits;
  do {
    digits.push_back(static_cast<char>('0' + static_cast<int>(u % 10)));
    u /= 10;
  } while (u != 0 || static_cast<int>(digits.size()) <= scale);
  if (negative) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  if (scale > 0) digits.insert(digits.size() - static_cast<size_t>(scale), 1, '.');
  return numeric_from_text(digits, arena, ctx);
}
std::string numeric_text(Datum v, EvalContext& ctx) {
  std::string out;
  type_output(oid::kNumeric, v, out, ctx);
  return out;
}

std::string lower_ascii(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

namespace {
uint32_t fold(int64_t v) {
  uint32_t low = static_cast<uint32_t>(v), high = static_cast<uint32_t>(v >> 32);
  return low ^ (v >= 0 ? high : ~high);
}
}  // namespace
uint32_t pg_hash_int8(int64_t v) { return pg_hash_uint32(fold(v)); }
uint64_t pg_hash_int8_extended(int64_t v, uint64_t seed) { return pg_hash_uint32_extended(fold(v), seed); }

}  // namespace stele

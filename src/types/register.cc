// The list of everything that registers native functions in the types layer.
#include "types/function.h"

#include <memory>

namespace stele {

struct FunctionRegistry::Impl {
  std::unordered_map<std::string_view, ScalarFn> scalars;
  std::unordered_map<std::string_view, SetFn> sets;
  std::unordered_map<std::string_view, AggregateFn> aggregates;
};

// Each family of types registers its functions here.

#define X(family) void register_##family##_functions(FunctionRegistry&);
#include "types/function_families.def"
#undef X

FunctionRegistry::FunctionRegistry() : impl_(std::make_shared<Impl>()) {}

FunctionRegistry& FunctionRegistry::mutable_instance() {
  static FunctionRegistry* registry = [] {
    auto* r = new FunctionRegistry;
#define X(family) register_##family##_functions(*r);
#include "types/function_families.def"
#undef X
    return r;
  }();
  return *registry;
}
const FunctionRegistry& FunctionRegistry::instance() { return mutable_instance(); }

// Names must be string literals or otherwise outlive the registry.
void FunctionRegistry::add(std::string_view prosrc, ScalarFn fn) { impl_->scalars[prosrc] = fn; }
void FunctionRegistry::add_set(std::string_view prosrc, SetFn fn) { impl_->sets[prosrc] = fn; }
void FunctionRegistry::add_aggregate(std::string_view signature, AggregateFn fn) {
  impl_->aggregates[signature] = fn;
}
namespace {
template <typename M>
typename M::mapped_type find(const M& map, std::string_view key) {
  auto it = map.find(key);
  return it == map.end() ? nullptr : it->second;
}
}  // namespace
ScalarFn FunctionRegistry::scalar(std::string_view prosrc) const { return find(impl_->scalars, prosrc); }
SetFn FunctionRegistry::set(std::string_view prosrc) const { return find(impl_->sets, prosrc); }
AggregateFn FunctionRegistry::aggregate(std::string_view signature) const {
  return find(impl_->aggregates, signature);
}

}  // namespace stele

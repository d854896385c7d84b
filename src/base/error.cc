#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace stele {

namespace {
constexpr ErrorRendering kRenderings[] = {
#define STELE_ERROR(name, sqlstate, redis, elastic_type, http) \
  {#name, sqlstate, redis, elastic_type, http},
#include "base/errors.def"
#undef STELE_ERROR
};
}  // namespace

const ErrorRendering& rendering(ErrorCode code) { return kRenderings[static_cast<size_t>(code)]; }

void check_failed(const char* expr, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expr);
  std::abort();
}

}  // namespace stele

#include "segments/vectors/multi_field.h"

#include "types/vector_kernels.h"

namespace stele::segments::vectors {

MultiVector MultiField::prepare(MultiVector query) const {
  if (params_.metric == Metric::kCosine) {
    for (auto& v : query) {
      const float norm = std::sqrt(dot_f32(v.data(), v.data(), v.size()));
      if (norm > 0 && std::fabs(norm - 1) > 1e-6f) {
        for (float& x : v) x /= norm;
      }
    }
  }
  return query;
}

void MultiField::set(Lsn lsn, RowId row, MultiVector vectors, Lsn horizon) {
  auto stored = std::make_shared<const MultiVector>(prepare(std::move(vectors)));
  std::unique_lock lock(mutex_);
  auto& versions = rows_[row];
  if (!versions.empty() && versions.back().died == kAlive) {
    versions.back().died = lsn;
  } else {
    ++live_;
  }
  std::erase_if(versions, [horizon](const Version& v) { return v.died <= horizon; });
  versions.push_back({lsn, kAlive, std::move(stored)});
}

void MultiField::clear(Lsn lsn, RowId row) {
  std::unique_lock lock(mutex_);
  auto it = rows_.find(row);
  if (it == rows_.end() || it->second.back().died != kAlive) return;
  it->second.back().died = lsn;
  --live_;
}

std::shared_ptr<const MultiVector> MultiField::find(RowId row, Lsn lsn) const {
  std::shared_lock lock(mutex_);
  auto it = rows_.find(row);
  if (it == rows_.end()) return nullptr;
  for (const Version& v : it->second) {
    if (v.born <= lsn && v.died > lsn) return v.vectors;
  }
  return nullptr;
}
bool MultiField::vector(RowId row, Lsn lsn, MultiVector* out) const {
  const auto v = find(row, lsn);
  if (v != nullptr) *out = *v;
  return v != nullptr;
}

float MultiField::measure(const MultiVector& query, const MultiVector& vectors) const {
  float sum = 0;
  for (const auto& q : query) {
    float best = -HUGE_VALF;
    for (const auto& v : vectors) {
      float s = 0;
      switch (params_.metric) {
        case Metric::kCosine: case Metric::kInnerProduct: s = dot_f32(q.data(), v.data(), v.size()); break;
        case Metric::kL2: s = -l2_squared_f32(q.data(), v.data(), v.size()); break;
        case Metric::kL1: s = -l1_f32(q.data(), v.data(), v.size()); break;
      }
      best = std::max(best, s);
    }
    sum += best;
  }
  return sum;
}
bool MultiField::similarity(const MultiVector& query, RowId row, Lsn lsn, float* out) const {
  const auto v = find(row, lsn);
  if (v != nullptr) *out = measure(query, *v);
  return v != nullptr;
}

std::vector<RowNeighbor> MultiField::search(const MultiVector& query, uint32_t k, Lsn lsn, const RowFilter* filter,
                                            const std::vector<RowId>* rows) const {
  std::vector<std::pair<RowId, std::shared_ptr<const MultiVector>>> candidates;
  if (rows != nullptr) {
    for (RowId row : *rows) {
      if (auto v = find(row, lsn)) candidates.emplace_back(row, std::move(v));
    }
  } else {
    std::shared_lock lock(mutex_);
    for (const auto& [row, versions] : rows_) {
      for (const Version& v : versions) {
        if (v.born <= lsn && v.died > lsn) candidates.emplace_back(row, v.vectors);
      }
    }
  }
  std::vector<RowNeighbor> out;
  for (const auto& [row, v] : candidates) {
    if (filter == nullptr || (*filter)(row)) out.push_back({measure(query, *v), row});
  }
  std::sort(out.begin(), out.end(), [](const RowNeighbor& a, const RowNeighbor& b) {
    return a.distance > b.distance || (a.distance == b.distance && a.row < b.row);
  });
  if (out.size() > k) out.resize(k);
  return out;
}

uint64_t MultiField::live() const {
  std::shared_lock lock(mutex_);
  return live_;
}

}  // namespace stele::segments::vectors

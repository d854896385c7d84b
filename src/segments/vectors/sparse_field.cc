#include "segments/vectors/sparse_field.h"

namespace stele::segments::vectors {

float sparse_dot(const SparseVector& a, const SparseVector& b) {
  float sum = 0;
  for (size_t i = 0, j = 0; i < a.indexes.size() && j < b.indexes.size();) {
    if (a.indexes[i] < b.indexes[j]) {
      ++i;
    } else if (b.indexes[j] < a.indexes[i]) {
      ++j;
    } else {
      sum += a.values[i++] * b.values[j++];
    }
  }
  return sum;
}

void SparseField::set(Lsn lsn, RowId row, SparseVector vector) {
  std::unique_lock lock(mutex_);
  const auto s = static_cast<uint32_t>(slots_.size());
  for (size_t i = 0; i < vector.indexes.size(); ++i) postings_[vector.indexes[i]].push_back({s, vector.values[i]});
  slots_.push_back({row, lsn, kAlive, std::move(vector)});
  auto [it, fresh] = newest_.try_emplace(row, s);
  if (!fresh) {
    if (slots_[it->second].died == kAlive) {
      slots_[it->second].died = lsn;
      --live_;
    }
    it->second = s;
  }
  ++live_;
}

void SparseField::clear(Lsn lsn, RowId row) {
  std::unique_lock lock(mutex_);
  auto it = newest_.find(row);
  if (it == newest_.end() || slots_[it->second].died != kAlive) return;
  slots_[it->second].died = lsn;
  --live_;
}

std::vector<RowNeighbor> SparseField::search(const SparseVector& query, uint32_t k, Lsn lsn, const RowFilter* filter,
                                             bool idf) const {
  std::shared_lock lock(mutex_);
  std::unordered_map<uint32_t, float> scores;
  for (size_t i = 0; i < query.indexes.size(); ++i) {
    auto it = postings_.find(query.indexes[i]);
    if (it == postings_.end()) continue;
    float weight = query.values[i];
    if (idf) {
      double df = 0;
      for (const Posting& p : it->second) df += visible(slots_[p.slot], lsn);
      weight *= static_cast<float>(std::log1p((static_cast<double>(live_) - df + 0.5) / (df + 0.5)));
    }
    for (const Posting& p : it->second) {
      if (visible(slots_[p.slot], lsn)) scores[p.slot] += weight * p.value;
    }
  }
  std::vector<RowNeighbor> out;
  for (const auto& [slot, score] : scores) {
    if (filter == nullptr || (*filter)(slots_[slot].row)) out.push_back({score, slots_[slot].row});
  }
  std::sort(out.begin(), out.end(), [](const RowNeighbor& a, const RowNeighbor& b) {
    return a.distance > b.distance || (a.distance == b.distance && a.row < b.row);
  });
  if (out.size() > k) out.resize(k);
  return out;
}

bool SparseField::vector(RowId row, Lsn lsn, SparseVector* out) const {
  std::shared_lock lock(mutex_);
  auto it = newest_.find(row);
  if (it == newest_.end()) return false;
  for (uint32_t s = it->second + 1; s-- > 0;) {
    if (slots_[s].row != row) continue;
    if (visible(slots_[s], lsn)) {
      *out = slots_[s].vector;
      return true;
    }
    if (slots_[s].born <= lsn) return false;
  }
  return false;
}

uint64_t SparseField::live() const {
  std::shared_lock lock(mutex_);
  return live_;
}

}  // namespace stele::segments::vectors

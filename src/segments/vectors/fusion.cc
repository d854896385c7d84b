#include "segments/vectors/fusion.h"

#include "base/error.h"

namespace stele::segments::vectors {

namespace {
// Sums by row; ties keep the order of first appearance.
class Sums {
 public:
  void add(uint64_t row, double score) {
    auto [it, fresh] = at_.try_emplace(row, out_.size());
    if (fresh) out_.push_back({row, 0.0});
    out_[it->second].second += score;
  }
  std::vector<Ranked> take() {
    std::stable_sort(out_.begin(), out_.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    std::vector<Ranked> ranked;
    ranked.reserve(out_.size());
    for (const auto& [row, score] : out_) ranked.push_back({row, static_cast<float>(score)});
    return ranked;
  }

 private:
  std::unordered_map<uint64_t, size_t> at_;
  std::vector<std::pair<uint64_t, double>> out_;
};
}  // namespace

std::vector<Ranked> reciprocal_rank_fusion(const std::vector<std::vector<Ranked>>& lists, double k, const std::vector<double>& weights) {
  Sums sums;
  for (size_t l = 0; l < lists.size(); ++l) {
    const double weight = l < weights.size() ? weights[l] : 1.0;
    for (size_t rank = 0; rank < lists[l].size(); ++rank) sums.add(lists[l][rank].row, weight / (k + static_cast<double>(rank)));
  }
  return sums.take();
}

std::vector<Ranked> distribution_fusion(const std::vector<std::vector<Ranked>>& lists) {
  Sums sums;
  for (const auto& list : lists) {
    if (list.empty()) continue;
    double mean = 0, square = 0;
    for (const Ranked& r : list) mean += r.score;
    mean /= static_cast<double>(list.size());
    for (const Ranked& r : list) square += (r.score - mean) * (r.score - mean);
    const double sigma = list.size() > 1 ? std::sqrt(square / static_cast<double>(list.size() - 1)) : 0;
    const double low = mean - 3 * sigma, high = mean + 3 * sigma;
    for (const Ranked& r : list) sums.add(r.row, high > low ? std::clamp((r.score - low) / (high - low), 0.0, 1.0) : 0.5);
  }
  return sums.take();
}

}  // namespace stele::segments::vectors

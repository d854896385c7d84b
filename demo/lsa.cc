#include "lsa.h"

#include <Eigen/Dense>
#include <Eigen/Sparse>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <random>

namespace lsa {

namespace {

using Dense = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
using Sparse = Eigen::SparseMatrix<float, Eigen::RowMajor>;

// Lower-cased runs of letters and digits, a plural's s cut off.
std::vector<std::string> tokens(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  auto flush = [&] {
    if (word.size() > 3 && word.back() == 's' && word[word.size() - 2] != 's') word.pop_back();
    if (word.size() > 1 && word.size() < 40) out.push_back(word);
    word.clear();
  };
  for (const char ch : text) {
    const auto c = static_cast<unsigned char>(ch);
    if (std::isalnum(c) || c >= 0x80 || c == '+') {
      word.push_back(static_cast<char>(std::tolower(c)));
    } else {
      flush();
    }
  }
  flush();
  return out;
}

// An orthonormal basis of the columns, by the Cholesky factor of the Gram matrix, twice.
void orthonormalise(Dense& y) {
  for (int pass = 0; pass < 2; ++pass) {
    Eigen::MatrixXd gram = (y.transpose() * y).cast<double>();
    gram.diagonal().array() += 1e-7 * gram.trace() / static_cast<double>(gram.rows());
    const Eigen::LLT<Eigen::MatrixXd> llt(gram);
    const Eigen::MatrixXd inverse = llt.matrixU().solve(Eigen::MatrixXd::Identity(gram.rows(), gram.cols()));
    y = y * inverse.cast<float>();
  }
}

void normalise(float* v, size_t n) {
  double norm = 0;
  for (size_t i = 0; i < n; ++i) norm += static_cast<double>(v[i]) * v[i];
  if (norm <= 0) return;
  const auto scale = static_cast<float>(1.0 / std::sqrt(norm));
  for (size_t i = 0; i < n; ++i) v[i] *= scale;
}

}  // namespace

// Term frequencies damped by the logarithm, times inverse document frequency, at length one.
std::vector<std::pair<uint32_t, float>> Model::weigh(const std::string& text) const {
  std::map<uint32_t, float> counts;
  for (const auto& word : tokens(text)) {
    auto it = words_.find(word);
    if (it != words_.end()) counts[it->second] += 1;
  }
  std::vector<std::pair<uint32_t, float>> out;
  double norm = 0;
  for (const auto& [word, count] : counts) {
    const float w = (1 + std::log(count)) * weight_[word];
    out.emplace_back(word, w);
    norm += static_cast<double>(w) * w;
  }
  for (auto& [word, w] : out) w = static_cast<float>(w / std::sqrt(norm));
  return out;
}

std::vector<float> Model::learn(const std::vector<std::string>& texts, uint32_t dimensions) {
  dimensions_ = dimensions;
  std::unordered_map<std::string, uint32_t> documents;
  for (const auto& text : texts) {
    auto words = tokens(text);
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    for (const auto& word : words) ++documents[word];
  }
  std::vector<std::string> kept;
  for (const auto& [word, count] : documents) {
    if (count >= 3 && count * 5 < texts.size()) kept.push_back(word);
  }
  std::sort(kept.begin(), kept.end());
  words_.clear();
  weight_.clear();
  for (const auto& word : kept) {
    words_[word] = static_cast<uint32_t>(weight_.size());
    weight_.push_back(std::log(static_cast<float>(texts.size()) / static_cast<float>(documents[word])));
  }
  std::vector<Eigen::Triplet<float>> entries;
  for (size_t row = 0; row < texts.size(); ++row) {
    for (const auto& [word, w] : weigh(texts[row])) entries.emplace_back(static_cast<int>(row), static_cast<int>(word), w);
  }
  Sparse a(static_cast<int>(texts.size()), static_cast<int>(kept.size()));
  a.setFromTriplets(entries.begin(), entries.end());
  const Sparse at = a.transpose();
  const int rank = static_cast<int>(std::min<size_t>({dimensions + 24, texts.size(), std::max<size_t>(kept.size(), 1)}));
  std::mt19937 random(20);
  std::normal_distribution<float> normal;
  Dense q(a.cols(), rank);
  for (int j = 0; j < rank; ++j) {
    for (int i = 0; i < a.cols(); ++i) q(i, j) = normal(random);
  }
  Dense y = a * q;
  for (int pass = 0; pass < 2; ++pass) {
    orthonormalise(y);
    q = at * y;
    orthonormalise(q);
    y = a * q;
  }
  // A ~ y q^T with q orthonormal: rotated to the principal axes of y, longest first.
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> axes((y.transpose() * y).cast<double>());
  const int used = std::min<int>(rank, static_cast<int>(dimensions));
  const Dense turn = axes.eigenvectors().rightCols(used).rowwise().reverse().cast<float>();
  const Dense factors = q * turn;
  factors_.assign(kept.size() * dimensions, 0.0f);
  for (size_t w = 0; w < kept.size(); ++w) {
    for (int d = 0; d < used; ++d) factors_[w * dimensions + static_cast<size_t>(d)] = factors(static_cast<int>(w), d);
  }
  const Dense placed = y * turn;
  std::vector<float> out(texts.size() * dimensions, 0.0f);
  for (size_t row = 0; row < texts.size(); ++row) {
    for (int d = 0; d < used; ++d) out[row * dimensions + static_cast<size_t>(d)] = placed(static_cast<int>(row), d);
    normalise(out.data() + row * dimensions, dimensions);
  }
  return out;
}

std::vector<float> Model::embed(const std::string& text) const {
  std::vector<float> out(dimensions_, 0.0f);
  for (const auto& [word, w] : weigh(text)) {
    for (uint32_t d = 0; d < dimensions_; ++d) out[d] += w * factors_[size_t{word} * dimensions_ + d];
  }
  normalise(out.data(), out.size());
  return out;
}

bool Model::save(const std::string& path) const {
  std::ofstream f(path, std::ios::binary);
  const auto words = static_cast<uint32_t>(weight_.size());
  f.write(reinterpret_cast<const char*>(&dimensions_), 4).write(reinterpret_cast<const char*>(&words), 4);
  std::vector<const std::string*> names(words);
  for (const auto& [word, number] : words_) names[number] = &word;
  for (const auto* name : names) f << *name << '\n';
  f.write(reinterpret_cast<const char*>(weight_.data()), static_cast<std::streamsize>(weight_.size() * 4));
  f.write(reinterpret_cast<const char*>(factors_.data()), static_cast<std::streamsize>(factors_.size() * 4));
  return f.good();
}

bool Model::load(const std::string& path) {
  std::ifstream f(path, std::ios::binary);
  uint32_t words = 0;
  f.read(reinterpret_cast<char*>(&dimensions_), 4).read(reinterpret_cast<char*>(&words), 4);
  if (!f || dimensions_ > 4096 || words > 10'000'000) return false;
  words_.clear();
  std::string name;
  for (uint32_t i = 0; i < words && std::getline(f, name); ++i) words_[name] = i;
  weight_.resize(words);
  factors_.resize(size_t{words} * dimensions_);
  f.read(reinterpret_cast<char*>(weight_.data()), static_cast<std::streamsize>(weight_.size() * 4));
  f.read(reinterpret_cast<char*>(factors_.data()), static_cast<std::streamsize>(factors_.size() * 4));
  return f.good();
}

}  // namespace lsa

// Latent semantic analysis: texts to vectors whose cosine says how much two texts are about the same
// (Deerwester et al. 1990; the factors by Halko, Martinsson and Tropp's randomised SVD, arXiv:0909.4061). No
// language model: words that keep the same company come near each other, and that is all it knows.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace lsa {

class Model {
 public:
  // Learns from the texts and returns their vectors (normalised), one after the other.
  std::vector<float> learn(const std::vector<std::string>& texts, uint32_t dimensions);
  // The vector of a text in a learnt space; zeros when it has no known word.
  std::vector<float> embed(const std::string& text) const;
  bool save(const std::string& path) const;
  bool load(const std::string& path);
  uint32_t dimensions() const { return dimensions_; }

 private:
  std::vector<std::pair<uint32_t, float>> weigh(const std::string& text) const;
  uint32_t dimensions_ = 0;
  std::unordered_map<std::string, uint32_t> words_;
  std::vector<float> weight_;   // inverse document frequency of each word
  std::vector<float> factors_;  // a row of `dimensions_` for each word
};

}  // namespace lsa

// embed learn MODEL DIMENSIONS < texts      one vector a line (pgvector's text form), and the model in a file
// embed query MODEL < texts                 vectors of other texts in that space
// Texts are lines. See lsa.h for what these vectors know.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "lsa.h"

namespace {

void print(const float* v, uint32_t n) {
  std::string line = "[";
  char number[32];
  for (uint32_t i = 0; i < n; ++i) line.append(number, static_cast<size_t>(std::snprintf(number, sizeof number, i == 0 ? "%.5g" : ",%.5g", static_cast<double>(v[i]))));
  line += "]\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (!(mode == "learn" && argc == 4) && !(mode == "query" && argc == 3)) {
    std::fprintf(stderr, "usage: embed learn MODEL DIMENSIONS | embed query MODEL, with texts as lines of the standard input\n");
    return 2;
  }
  std::vector<std::string> texts;
  for (std::string line; std::getline(std::cin, line);) texts.push_back(line);
  lsa::Model model;
  if (mode == "query") {
    if (!model.load(argv[2])) return std::fprintf(stderr, "embed: cannot read %s\n", argv[2]), 1;
    for (const auto& text : texts) print(model.embed(text).data(), model.dimensions());
    return 0;
  }
  const auto dimensions = static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10));
  if (dimensions == 0 || dimensions > 1024) return std::fprintf(stderr, "embed: dimensions from 1 to 1024\n"), 2;
  const auto vectors = model.learn(texts, dimensions);
  for (size_t i = 0; i < texts.size(); ++i) print(vectors.data() + i * dimensions, dimensions);
  if (!model.save(argv[2])) return std::fprintf(stderr, "embed: cannot write %s\n", argv[2]), 1;
  return 0;
}

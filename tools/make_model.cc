// SPDX-License-Identifier: Apache-2.0
// Writes a GGUF file of a named shape with random weights; see tests/models/random_model.h.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "tests/models/random_model.h"

namespace {

std::string shape_names() {
  std::string out;
  for (const redknot::ModelShape& shape : redknot::known_shapes()) {
    out += (out.empty() ? "" : ", ") + std::string(shape.name);
  }
  return out;
}

void show_progress(double fraction) {
  std::fprintf(stderr, "\r%3d %%%s", static_cast<int>(fraction * 100), fraction >= 1 ? "\n" : "");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Writes a GGUF model of a named shape with random weights."};
  std::string shape_name, path;
  redknot::RandomModelOptions options;
  int layers = 0, context = 0, vocabulary = 0;
  app.add_option("--shape", shape_name, "One of " + shape_names())->required();
  app.add_option(
         "--type", options.type,
         "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, or Q4_K_M. The output "
         "matrix becomes Q6_K where llama-quantize does so")
      ->capture_default_str();
  app.add_flag("--pure", options.pure, "All matrices of the type, the output too");
  app.add_option("--seed", options.seed, "Equal seeds give equal files")->capture_default_str();
  app.add_option("--layers", layers, "Instead of the shape's own number")
      ->check(CLI::Range(1, 1024));
  app.add_option("--context", context, "Trained context in tokens, instead of the shape's own")
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--vocabulary", vocabulary, "Tokens, instead of the shape's own number")
      ->check(CLI::Range(259, 400000));
  app.add_option("-o,--output", path, "The file to write")->required();
  CLI11_PARSE(app, argc, argv);

  const redknot::ModelShape* shape = redknot::find_shape(shape_name);
  if (shape == nullptr) {
    std::fprintf(stderr, "make_model: unknown shape %s; there are %s\n", shape_name.c_str(),
                 shape_names().c_str());
    return 1;
  }
  options.shape = *shape;
  if (layers > 0) options.shape.layers = layers;
  if (context > 0) options.shape.context_tokens = context;
  if (vocabulary > 0) options.shape.vocabulary_size = vocabulary;
  const bool interactive = ::isatty(STDERR_FILENO) != 0;
  const auto status = redknot::write_random_model(
      options, path, [&](double fraction) { interactive ? show_progress(fraction) : void(); });
  if (status.ok()) return 0;
  std::fprintf(stderr, "make_model: %s\n", status.error().message().c_str());
  return 1;
}

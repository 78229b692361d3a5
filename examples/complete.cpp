// SPDX-License-Identifier: Apache-2.0
// Streams a model's continuation of a text:  complete MODEL TEXT [TOKENS]
#include <cstdlib>
#include <iostream>
#include <utility>

#include "redknot/redknot.h"

namespace {

int report(const redknot::Error& error) {
  std::cerr << "complete: " << error.message() << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: complete MODEL TEXT [TOKENS]\n";
    return 2;
  }
  auto engine = redknot::Engine::open({.model = argv[1]});
  if (!engine.ok()) return report(engine.error());

  redknot::Request request;
  request.prompt = {redknot::text_part(argv[2])};
  request.max_tokens = argc > 3 ? std::atoi(argv[3]) : 64;
  request.sampling.temperature = 0;
  auto generation = engine->generate(std::move(request));
  if (!generation.ok()) return report(generation.error());

  while (const auto piece = generation->next()) std::cout << piece->text << std::flush;
  std::cout << '\n';
  if (generation->error()) return report(*generation->error());

  const redknot::Usage usage = generation->usage();
  std::cerr << usage.generated_tokens / usage.generation_seconds << " tokens per second\n";
  return 0;
}

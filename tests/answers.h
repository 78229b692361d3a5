// SPDX-License-Identifier: Apache-2.0
// Small engines for tests, and whole answers of generations.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::tests {

// 4 sequences of 256 tokens over f16 pages of 16, 32 tokens a step, one thread.
EngineOptions small_engine(const std::filesystem::path& model);

// Greedy, 20 tokens whatever they are. `tokens` from a seed; ids fit every small model.
Request greedy_request(int prompt_tokens, std::uint64_t seed);

// Everything that next() gave, until there was no more.
struct Answer {
  std::vector<int> tokens;
  std::string text;
  std::vector<float> log_probabilities;  // of the tokens, where asked for
  std::vector<float> logits;             // where asked for
  int logit_rows = 0;
  FinishReason finish = FinishReason::kNone;  // of the last piece
  std::optional<Error> error;
  Usage usage;

  // Equal tokens, text, numbers and end; not times.
  bool operator==(const Answer& other) const;
};
Answer read_all(Generation& generation);

// Generates with an engine and waits; the request must be accepted.
Answer answer(Engine& engine, Request request);

// Whether nothing runs or waits, and all pages are free: now, or within the limit of tests/wait.h.
[[nodiscard]] bool nothing_runs(const Engine& engine);
[[nodiscard]] bool becomes_idle(const Engine& engine);

}  // namespace redknot::tests

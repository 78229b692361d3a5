// SPDX-License-Identifier: Apache-2.0
// How the next token is chosen from a row of logits. A request carries these settings as a plain
// value, and the sampler applies them. A token depends on them, on its position, on the logits and
// on what a constraint allows; with penalties, on the tokens before it, too. On nothing else.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace redknot {

// Defaults are llama.cpp's, but for the temperature of the first line: 0 is greedy.
struct Sampling {
  float temperature = 0.8f;         // 0: always the most likely token
  int top_k = 40;                   // 0: off
  float top_p = 0.95f;              // 1: off
  float min_p = 0.05f;              // 0: off
  float repetition_penalty = 1.0f;  // 1: off
  float frequency_penalty = 0.0f;
  float presence_penalty = 0.0f;
  int penalty_tokens = 64;                          // how far back penalties look; -1: everything
  std::vector<std::pair<int, float>> logit_bias{};  // token id, added to its logit
  std::uint64_t seed = 0;      // a token depends on (seed, position) and the logits alone
  int log_probabilities = -1;  // >= 0: report the token's, and those of that many best tokens
  bool operator==(const Sampling&) const = default;
};

}  // namespace redknot

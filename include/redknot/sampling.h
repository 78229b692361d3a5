// SPDX-License-Identifier: Apache-2.0
// How the next token is chosen from a row of logits. A request carries these settings as a plain
// value, and the sampler applies them. A token depends on them, on its position, on the logits and
// on what a constraint allows; with penalties, on the tokens before it, too. On nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
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

// How a model's own files say it should be sampled: generation_config.json, or general.sampling.*
// of a GGUF file. What they leave open is empty.
struct SamplingDefaults {
  std::optional<float> temperature{}, top_p{}, min_p{}, repetition_penalty{};
  std::optional<int> top_k{}, penalty_tokens{};
  std::string refusal{};  // why they cannot be used; the others are empty then

  bool empty() const {
    return !temperature && !top_p && !min_p && !repetition_penalty && !top_k && !penalty_tokens;
  }
};

// The settings with those in place that the files name.
inline Sampling with_defaults(Sampling sampling, const SamplingDefaults& defaults) {
  sampling.temperature = defaults.temperature.value_or(sampling.temperature);
  sampling.top_k = defaults.top_k.value_or(sampling.top_k);
  sampling.top_p = defaults.top_p.value_or(sampling.top_p);
  sampling.min_p = defaults.min_p.value_or(sampling.min_p);
  sampling.repetition_penalty = defaults.repetition_penalty.value_or(sampling.repetition_penalty);
  sampling.penalty_tokens = defaults.penalty_tokens.value_or(sampling.penalty_tokens);
  return sampling;
}

}  // namespace redknot

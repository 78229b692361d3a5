// SPDX-License-Identifier: Apache-2.0
// How tokens are chosen, as the command line says it, with the same words wherever it is said: a
// plain value that the options of a verb own, CLI11 fills, and chosen_sampling() turns into the
// public header's. What is not given comes from the model's files, and is llama.cpp's default where
// they are silent. Main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::cli {

struct SamplingOptions {
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int> top_k, penalty_tokens;
  float frequency_penalty = 0, presence_penalty = 0;
  std::int64_t seed = -1;  // -1: a random one
  std::vector<std::string> logit_bias;
  std::string generation_config = "auto";
};

void add_sampling(CLI::App& app, SamplingOptions& options);
// --generation-config alone, for servers, whose requests say the rest.
void add_generation_config(CLI::App& app, std::string& choice);

// What the files of the model say, or nothing if they are not to be asked ("none").
// kInvalidArgument if they say what cannot be done.
Result<SamplingDefaults> file_defaults(const ModelInfo& model, const std::string& choice);

// Settings of a request; of the seed, only if it is given.
Result<Sampling> chosen_sampling(const SamplingOptions& options, const SamplingDefaults& defaults);

// The seed, or a random one, which is said on standard error if `say` is set.
std::uint64_t chosen_seed(const SamplingOptions& options, bool say);

// "temperature 0.7, top-k 20": those that the files name. Empty if they name none.
std::string described(const SamplingDefaults& defaults);

}  // namespace redknot::cli

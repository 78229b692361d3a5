// SPDX-License-Identifier: Apache-2.0
// Reads a ModelConfig from GGUF metadata or config.json. Every number is checked to be in a sane
// range, and whatever would change what the model computes and is not run is refused by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/config.h"
#include "model/gguf.h"
#include "redknot/result.h"

namespace redknot {

// kUnsupported for architectures, scalings and switches that do not run; kCorrupt naming the key.
Result<ModelConfig> config_from_gguf(const Gguf& gguf);

struct JsonConfig {
  ModelConfig config;
  std::optional<bool> tied;  // nothing where the file leaves it open
  bool attention_bias = false;
};
Result<JsonConfig> config_from_json(std::string_view text);

// "llama (also Mistral, SmolLM, TinyLlama), qwen2, ...".
std::string running_architectures();

// The value, or the fallback where there is none, within [low, high]. kCorrupt naming the key if it
// is outside, or absent without a fallback.
Result<int> int_within(std::string_view key, std::optional<std::int64_t> value,
                       std::optional<int> fallback, int low, int high);
Result<double> number_within(std::string_view key, std::optional<double> value,
                             std::optional<double> fallback, double low, double high);

// Limits that both formats share.
inline constexpr int kMaxLayers = 1024;
inline constexpr int kMaxWidth = 1 << 18;
inline constexpr int kMaxHeads = 4096;
inline constexpr int kMaxHeadDim = 1024;
inline constexpr int kMaxFfnWidth = 1 << 20;
inline constexpr int kMaxVocabulary = 1 << 24;
inline constexpr int kMaxContext = 1 << 30;
inline constexpr int kMaxExperts = 4096;
inline constexpr double kMaxRopeBase = 1e12;
inline constexpr double kMaxRopeFactor = 1e6;

// What holds between the numbers: heads divide, dimensions are even, and so on.
Status check_config(const ModelConfig& config);

// Refuses a sliding window that hides something within the trained context; one that is as long
// changes nothing. A window of 0 is none.
Status check_sliding_window(std::string_view key, std::int64_t window_tokens, int context_tokens);

// YaRN's default magnitude: 0.1 m ln(factor) + 1, or 1 for factors up to 1.
double yarn_magnitude(double factor, double multiplier);

}  // namespace redknot

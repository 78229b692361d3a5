// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "base/error.h"
#include "model/config_files.h"

namespace redknot {

std::string running_architectures() {
  return "llama (also Mistral, SmolLM, TinyLlama), qwen2, qwen3, qwen3moe";
}

Result<int> int_within(std::string_view key, std::optional<std::int64_t> value,
                       std::optional<int> fallback, int low, int high) {
  if (!value && fallback) return *fallback;
  if (!value) return corrupt(key, " is missing");
  if (*value < low || *value > high) {
    return corrupt(key, " is ", *value, ", expected ", low, " to ", high);
  }
  return static_cast<int>(*value);
}

Result<double> number_within(std::string_view key, std::optional<double> value,
                             std::optional<double> fallback, double low, double high) {
  if (!value && fallback) return *fallback;
  if (!value) return corrupt(key, " is missing");
  if (!(*value >= low && *value <= high)) {
    return corrupt(key, " is ", *value, ", expected ", low, " to ", high);
  }
  return *value;
}

Status check_config(const ModelConfig& config) {
  if (config.query_heads % config.kv_heads != 0) {
    return corrupt(config.query_heads, " query heads are not a multiple of ", config.kv_heads,
                   " KV heads");
  }
  if (config.head_dim % 2 != 0) return corrupt("a head size of ", config.head_dim, " is odd");
  if (config.rope.dims % 2 != 0 || config.rope.dims > config.head_dim) {
    return corrupt("rotating ", config.rope.dims, " of ", config.head_dim,
                   " elements of a head: expected an even number, and not more");
  }
  if (config.experts_per_token > config.experts) {
    return corrupt(config.experts_per_token, " experts used of ", config.experts);
  }
  return Done{};
}

Status check_sliding_window(std::string_view key, std::int64_t window_tokens, int context_tokens) {
  if (window_tokens <= 0 || window_tokens >= context_tokens) return Done{};
  return unsupported(key, " is ", window_tokens, " tokens, within the trained context of ",
                     context_tokens, "; models with a sliding window do not run");
}

double yarn_magnitude(double factor, double multiplier) {
  return factor <= 1.0 ? 1.0 : 0.1 * multiplier * std::log(factor) + 1.0;
}

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/error.h"
#include "model/config_files.h"
#include "tensor/dtype.h"

namespace redknot {
namespace {

// Metadata under "<architecture>.".
class ArchitectureKeys {
 public:
  ArchitectureKeys(const Gguf& gguf, std::string_view architecture)
      : gguf_(gguf), prefix_(concat(architecture, ".")) {}

  std::string key(std::string_view suffix) const { return concat(prefix_, suffix); }

  Result<int> count(std::string_view suffix, int low, int high,
                    std::optional<int> fallback = std::nullopt) const {
    REDKNOT_TRY(const auto value, gguf_.integer(key(suffix)));
    return int_within(key(suffix), value, fallback, low, high);
  }
  Result<double> number(std::string_view suffix, double low, double high,
                        std::optional<double> fallback = std::nullopt) const {
    REDKNOT_TRY(const auto value, gguf_.number(key(suffix)));
    return number_within(key(suffix), value, fallback, low, high);
  }
  const Gguf& gguf() const { return gguf_; }

 private:
  const Gguf& gguf_;
  std::string prefix_;
};

const StoredTensor* find_tensor(const Gguf& gguf, std::string_view name) {
  const auto found = std::ranges::find(gguf.tensors(), name, &StoredTensor::name);
  return found == gguf.tensors().end() ? nullptr : &*found;
}

Result<Architecture> architecture_named(std::string_view name) {
  if (name == "llama") return Architecture::kLlama;
  if (name == "qwen2") return Architecture::kQwen2;
  if (name == "qwen3") return Architecture::kQwen3;
  if (name == "qwen3moe") return Architecture::kQwen3Moe;
  return unsupported("the architecture is \"", name.substr(0, 40),
                     "\"; these run: ", running_architectures());
}

Status check_not_split(const Gguf& gguf) {
  REDKNOT_TRY(const auto count, gguf.integer("split.count"));
  if (count.value_or(0) <= 1) return Done{};
  return unsupported("the model is split into ", *count,
                     " files (split.count); merge them into one GGUF file");
}

// Switches of other models of these architectures that would change what is computed.
Status check_neutral(const ArchitectureKeys& keys) {
  for (const std::string_view suffix :
       {"attention.clamp_kqv", "attention.scale", "attention.temperature_scale", "logit_scale",
        "residual_scale", "embedding_scale", "attn_logit_softcapping", "final_logit_softcapping",
        "expert_weights_scale", "expert_shared_count", "leading_dense_block_count",
        "rope.scaling.yarn_ext_factor"}) {
    REDKNOT_TRY(const auto value, keys.gguf().number(keys.key(suffix)));
    const bool additive = suffix.starts_with("expert_shared") || suffix.starts_with("leading") ||
                          suffix.ends_with("softcapping") || suffix.ends_with("clamp_kqv");
    if (value && *value != 0.0 && (additive || *value != 1.0)) {
      return unsupported(keys.key(suffix), " is ", *value, ", which does not run");
    }
  }
  REDKNOT_TRY(const auto causal, keys.gguf().boolean(keys.key("attention.causal")));
  if (!causal.value_or(true)) return unsupported("attention that is not causal does not run");
  return Done{};
}

Status read_heads(const ArchitectureKeys& keys, ModelConfig& config) {
  REDKNOT_TRY(config.query_heads, keys.count("attention.head_count", 1, kMaxHeads));
  REDKNOT_TRY(config.kv_heads,
              keys.count("attention.head_count_kv", 1, kMaxHeads, config.query_heads));
  std::optional<int> fallback;
  if (config.hidden_size % config.query_heads == 0)
    fallback = config.hidden_size / config.query_heads;
  REDKNOT_TRY(config.head_dim, keys.count("attention.key_length", 2, kMaxHeadDim, fallback));
  if (config.head_dim < 2 || config.head_dim > kMaxHeadDim) {
    return corrupt("a head size of ", config.head_dim, ", expected 2 to ", kMaxHeadDim);
  }
  REDKNOT_TRY(const int value_dim,
              keys.count("attention.value_length", 2, kMaxHeadDim, config.head_dim));
  if (value_dim != config.head_dim) {
    return unsupported(keys.key("attention.value_length"), " is ", value_dim,
                       ", unlike the key length ", config.head_dim);
  }
  REDKNOT_TRY(const auto window, keys.gguf().integer(keys.key("attention.sliding_window")));
  return check_sliding_window(keys.key("attention.sliding_window"), window.value_or(0),
                              config.context_tokens);
}

Status read_yarn(const ArchitectureKeys& keys, ModelConfig& config) {
  RopeConfig& rope = config.rope;
  const std::string prefix = "rope.scaling.";
  REDKNOT_TRY(rope.original_context_tokens, keys.count(prefix + "original_context_length", 1,
                                                       kMaxContext, config.context_tokens));
  REDKNOT_TRY(rope.yarn_beta_fast, keys.number(prefix + "yarn_beta_fast", 1e-3, 1e6, 32.0));
  REDKNOT_TRY(rope.yarn_beta_slow, keys.number(prefix + "yarn_beta_slow", 1e-3, 1e6, 1.0));
  REDKNOT_TRY(const double log_multiplier,
              keys.number(prefix + "yarn_log_multiplier", 0.0, 1e3, 0.0));
  REDKNOT_TRY(const double attention_factor, keys.number(prefix + "attn_factor", 1e-3, 1e3, 1.0));
  REDKNOT_TRY(const double yarn_factor, keys.number(prefix + "yarn_attn_factor", 1e-3, 1e3, 1.0));
  rope.yarn_magnitude = yarn_magnitude(rope.factor, 1.0) * attention_factor * yarn_factor;
  if (log_multiplier != 0.0) rope.yarn_magnitude /= yarn_magnitude(rope.factor, log_multiplier);
  return Done{};
}

Status read_scaling(const ArchitectureKeys& keys, ModelConfig& config) {
  RopeConfig& rope = config.rope;
  REDKNOT_TRY(const auto type, keys.gguf().text(keys.key("rope.scaling.type")));
  REDKNOT_TRY(const double old_factor, keys.number("rope.scale_linear", 0.0, kMaxRopeFactor, 0.0));
  REDKNOT_TRY(const double factor,
              keys.number("rope.scaling.factor", 0.0, kMaxRopeFactor, old_factor));
  rope.factor = factor == 0.0 || type == "none" ? 1.0 : factor;
  if (rope.factor < 1e-3) return corrupt(keys.key("rope.scaling.factor"), " is ", rope.factor);
  if (type == "yarn") {
    rope.scaling = RopeScaling::kYarn;
    return read_yarn(keys, config);
  }
  if (type && *type != "none" && *type != "linear") {
    return unsupported(keys.key("rope.scaling.type"), " is \"", type->substr(0, 40),
                       "\"; none, linear, yarn and Llama-3's rope_freqs run");
  }
  if (rope.factor != 1.0) rope.scaling = RopeScaling::kLinear;
  REDKNOT_TRY(const auto magnitude, keys.gguf().number(keys.key("rope.scaling.attn_factor")));
  if (magnitude.value_or(1.0) != 1.0) {
    return unsupported(keys.key("rope.scaling.attn_factor"), " without YaRN does not run");
  }
  return Done{};
}

// Llama-3's divisors lie in the file as a tensor.
Status read_divisors(const Gguf& gguf, RopeConfig& rope) {
  if (find_tensor(gguf, "rope_factors_long.weight") != nullptr) {
    return unsupported("rope_factors_long.weight: LongRoPE scaling does not run");
  }
  const StoredTensor* tensor = find_tensor(gguf, "rope_freqs.weight");
  if (tensor == nullptr) return Done{};
  if (rope.scaling != RopeScaling::kNone) {
    return unsupported("rope_freqs.weight together with rope.scaling does not run");
  }
  const auto size = static_cast<std::size_t>(rope.dims / 2);
  if (tensor->dtype != DType::kF32 || tensor->shape.size() != 1 ||
      tensor->bytes.size() != size * sizeof(float)) {
    return corrupt("tensor rope_freqs.weight at offset ", tensor->offset, " is not ", size,
                   " F32 values");
  }
  rope.scaling = RopeScaling::kLlama3;
  rope.frequency_divisors.resize(size);
  dequantize(DType::kF32, tensor->bytes, rope.frequency_divisors);
  for (const float divisor : rope.frequency_divisors) {
    if (!(divisor > 0.0f) || !std::isfinite(divisor)) {
      return corrupt("tensor rope_freqs.weight at offset ", tensor->offset, " holds ", divisor);
    }
  }
  return Done{};
}

Status read_experts(const ArchitectureKeys& keys, ModelConfig& config) {
  if (config.architecture != Architecture::kQwen3Moe) {
    REDKNOT_TRY(const int experts, keys.count("expert_count", 0, kMaxExperts, 0));
    if (experts == 0) return Done{};
    return unsupported(keys.key("expert_count"), " is ", experts,
                       "; of the models with experts, qwen3moe runs");
  }
  REDKNOT_TRY(config.experts, keys.count("expert_count", 1, kMaxExperts));
  REDKNOT_TRY(config.experts_per_token, keys.count("expert_used_count", 1, kMaxExperts));
  REDKNOT_TRY(config.intermediate_size, keys.count("expert_feed_forward_length", 1, kMaxFfnWidth));
  REDKNOT_TRY(const auto renormalize, keys.gguf().boolean(keys.key("expert_weights_norm")));
  config.renormalize_experts = renormalize.value_or(true);
  return Done{};
}

Result<int> embedding_rows(const Gguf& gguf) {
  const StoredTensor* embedding = find_tensor(gguf, "token_embd.weight");
  if (embedding == nullptr) {
    return corrupt("tensor token_embd.weight is missing",
                   gguf.tensors().empty() ? ": the file has a vocabulary only" : "");
  }
  return int_within("the vocabulary of token_embd.weight", embedding->shape.front(), std::nullopt,
                    1, kMaxVocabulary);
}

}  // namespace

Result<ModelConfig> config_from_gguf(const Gguf& gguf) {
  REDKNOT_TRY(const auto name, gguf.text("general.architecture"));
  if (!name) return corrupt("general.architecture is missing");
  ModelConfig config;
  REDKNOT_TRY(config.architecture, architecture_named(*name));
  REDKNOT_RETURN_IF_ERROR(check_not_split(gguf));
  const ArchitectureKeys keys(gguf, *name);
  REDKNOT_RETURN_IF_ERROR(check_neutral(keys));
  REDKNOT_TRY(const auto model_name, gguf.text("general.name"));
  config.name = model_name.value_or("");
  REDKNOT_TRY(config.layers, keys.count("block_count", 1, kMaxLayers));
  REDKNOT_TRY(config.hidden_size, keys.count("embedding_length", 1, kMaxWidth));
  REDKNOT_TRY(config.context_tokens, keys.count("context_length", 1, kMaxContext));
  REDKNOT_RETURN_IF_ERROR(read_experts(keys, config));
  if (config.experts == 0) {
    REDKNOT_TRY(config.intermediate_size, keys.count("feed_forward_length", 1, kMaxFfnWidth));
  }
  REDKNOT_TRY(config.vocabulary_size, embedding_rows(gguf));
  REDKNOT_TRY(const double epsilon, keys.number("attention.layer_norm_rms_epsilon", 1e-12, 0.1));
  config.rms_norm_epsilon = static_cast<float>(epsilon);
  REDKNOT_RETURN_IF_ERROR(read_heads(keys, config));
  const bool llama = config.architecture == Architecture::kLlama;
  config.qk_norm = !llama && config.architecture != Architecture::kQwen2;
  config.rope.pairing = llama ? RopePairing::kInterleaved : RopePairing::kHalfSplit;
  REDKNOT_TRY(config.rope.dims,
              keys.count("rope.dimension_count", 2, kMaxHeadDim, config.head_dim));
  REDKNOT_TRY(config.rope.base, keys.number("rope.freq_base", 1.0, kMaxRopeBase, 10000.0));
  REDKNOT_RETURN_IF_ERROR(read_scaling(keys, config));
  REDKNOT_RETURN_IF_ERROR(read_divisors(gguf, config.rope));
  REDKNOT_RETURN_IF_ERROR(check_config(config));
  return config;
}

}  // namespace redknot

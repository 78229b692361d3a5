// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include "base/error.h"
#include "model/config_files.h"
#include "model/json.h"

namespace redknot {
namespace {

// The fields of an object, each within a range.
class CheckedFields : public FileFields {
 public:
  CheckedFields(const Json& object, std::string_view place)
      : FileFields(file_fields(object, place)) {}

  Result<int> count(const char* key, int low, int high,
                    std::optional<int> fallback = std::nullopt) const {
    REDKNOT_TRY(const auto value, optional_integer(key));
    return int_within(concat("config.json: ", key), value, fallback, low, high);
  }
  Result<double> number_in(const char* key, double low, double high,
                           std::optional<double> fallback = std::nullopt) const {
    REDKNOT_TRY(const auto value, optional_number(key));
    return number_within(concat("config.json: ", key), value, fallback, low, high);
  }
};

Result<Architecture> architecture_of(const CheckedFields& fields) {
  REDKNOT_TRY(const auto type, fields.optional_text("model_type"));
  if (!type) return corrupt("config.json: model_type is missing");
  if (*type == "llama" || *type == "mistral") return Architecture::kLlama;
  if (*type == "qwen2") return Architecture::kQwen2;
  if (*type == "qwen3") return Architecture::kQwen3;
  if (*type == "qwen3_moe") return Architecture::kQwen3Moe;
  return unsupported("config.json: model_type is \"", type->substr(0, 40),
                     "\"; these run: ", running_architectures());
}

Status check_switches(const CheckedFields& fields) {
  const Json* quantization = fields.find("quantization_config");
  if (quantization != nullptr) {
    REDKNOT_TRY(const auto method,
                file_fields(*quantization, "config.json").optional_text("quant_method"));
    return unsupported("config.json: quantization_config (", method.value_or("unnamed"),
                       ") does not run; F32, F16 and BF16 safetensors do, and GGUF files");
  }
  REDKNOT_TRY(const auto activation, fields.optional_text("hidden_act"));
  if (activation.value_or("silu") != "silu" && *activation != "swish") {
    return unsupported("config.json: hidden_act is \"", activation->substr(0, 40), "\"; silu runs");
  }
  REDKNOT_TRY(const auto ffn_bias, fields.optional_boolean("mlp_bias"));
  if (ffn_bias.value_or(false)) return unsupported("config.json: mlp_bias does not run");
  return Done{};
}

bool has_sliding_layers(const CheckedFields& fields) {
  const Json* types = fields.find("layer_types");
  return types != nullptr && types->is_array() &&
         std::ranges::find(*types, Json("sliding_attention")) != types->end();
}

// Mistral's window is on where it is given; Qwen's where use_sliding_window says so, for the layers
// from max_window_layers.
Status check_window(const CheckedFields& fields, const ModelConfig& config) {
  REDKNOT_TRY(const auto window, fields.optional_integer("sliding_window"));
  REDKNOT_TRY(const auto use, fields.optional_boolean("use_sliding_window"));
  REDKNOT_TRY(const auto type, fields.optional_text("model_type"));
  REDKNOT_TRY(const auto first_layer, fields.optional_integer("max_window_layers"));
  const bool all_layers_full = fields.find("layer_types") == nullptr && type != "mistral" &&
                               first_layer.value_or(0) >= config.layers;
  const bool on = has_sliding_layers(fields) || type == "mistral" || use.value_or(false);
  if (!on || all_layers_full) return Done{};
  return check_sliding_window("config.json: sliding_window", window.value_or(0),
                              config.context_tokens);
}

Status read_heads(const CheckedFields& fields, ModelConfig& config) {
  REDKNOT_TRY(config.query_heads, fields.count("num_attention_heads", 1, kMaxHeads));
  REDKNOT_TRY(config.kv_heads,
              fields.count("num_key_value_heads", 1, kMaxHeads, config.query_heads));
  std::optional<int> fallback;
  if (config.hidden_size % config.query_heads == 0)
    fallback = config.hidden_size / config.query_heads;
  if (config.qk_norm) fallback = 128;  // Qwen3's default does not follow the hidden_size
  REDKNOT_TRY(config.head_dim, fields.count("head_dim", 2, kMaxHeadDim, fallback));
  if (config.head_dim < 2 || config.head_dim > kMaxHeadDim) {
    return corrupt("config.json: a head size of ", config.head_dim, ", expected 2 to ",
                   kMaxHeadDim);
  }
  return Done{};
}

Status read_yarn(const CheckedFields& scaling, ModelConfig& config) {
  RopeConfig& rope = config.rope;
  REDKNOT_TRY(rope.original_context_tokens, scaling.count("original_max_position_embeddings", 1,
                                                          kMaxContext, config.context_tokens));
  const double stretch = static_cast<double>(config.context_tokens) / rope.original_context_tokens;
  REDKNOT_TRY(rope.factor, scaling.number_in("factor", 1e-3, kMaxRopeFactor, stretch));
  REDKNOT_TRY(rope.yarn_beta_fast, scaling.number_in("beta_fast", 1e-3, 1e6, 32.0));
  REDKNOT_TRY(rope.yarn_beta_slow, scaling.number_in("beta_slow", 1e-3, 1e6, 1.0));
  REDKNOT_TRY(const auto truncate, scaling.optional_boolean("truncate"));
  if (!truncate.value_or(true)) {
    return unsupported("config.json: YaRN with truncate false does not run");
  }
  REDKNOT_TRY(const double multiplier, scaling.number_in("mscale", 0.0, 1e3, 0.0));
  REDKNOT_TRY(const double all_multiplier, scaling.number_in("mscale_all_dim", 0.0, 1e3, 0.0));
  double magnitude = yarn_magnitude(rope.factor, 1.0);
  if (multiplier != 0.0 && all_multiplier != 0.0) {
    magnitude =
        yarn_magnitude(rope.factor, multiplier) / yarn_magnitude(rope.factor, all_multiplier);
  }
  REDKNOT_TRY(rope.yarn_magnitude, scaling.number_in("attention_factor", 1e-3, 1e3, magnitude));
  const double stretched = rope.factor * rope.original_context_tokens;
  config.context_tokens =
      std::max(config.context_tokens, static_cast<int>(std::min<double>(stretched, kMaxContext)));
  return Done{};
}

// Wavelengths up to original / high are kept, those from original / low are divided by the factor,
// and those between by something between. Llama 3.1's reference code.
Status read_llama3(const CheckedFields& scaling, ModelConfig& config) {
  RopeConfig& rope = config.rope;
  REDKNOT_TRY(rope.factor, scaling.number_in("factor", 1.0, kMaxRopeFactor));
  REDKNOT_TRY(rope.original_context_tokens,
              scaling.count("original_max_position_embeddings", 1, kMaxContext));
  REDKNOT_TRY(const double low, scaling.number_in("low_freq_factor", 1e-3, 1e3));
  REDKNOT_TRY(const double high, scaling.number_in("high_freq_factor", 1e-3, 1e3));
  if (high <= low) {
    return corrupt("config.json: high_freq_factor ", high, " is not above low_freq_factor ", low);
  }
  for (int i = 0; i < rope.dims / 2; ++i) {
    const double wavelength = 2.0 * std::numbers::pi * std::pow(rope.base, 2.0 * i / rope.dims);
    const double turns = rope.original_context_tokens / wavelength;
    const double kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    const double frequency = (1.0 - kept) / rope.factor + kept;
    rope.frequency_divisors.push_back(static_cast<float>(1.0 / frequency));
  }
  return Done{};
}

Status read_scaling(const CheckedFields& scaling, ModelConfig& config) {
  REDKNOT_TRY(auto type, scaling.optional_text("rope_type"));
  REDKNOT_TRY(const auto old_type, scaling.optional_text("type"));
  if (!type) type = old_type;
  RopeConfig& rope = config.rope;
  if (!type || *type == "default" || *type == "none") return Done{};
  if (*type == "linear") {
    rope.scaling = RopeScaling::kLinear;
    REDKNOT_TRY(rope.factor, scaling.number_in("factor", 1e-3, kMaxRopeFactor));
    return Done{};
  }
  if (*type == "yarn") {
    rope.scaling = RopeScaling::kYarn;
    return read_yarn(scaling, config);
  }
  if (*type == "llama3") {
    rope.scaling = RopeScaling::kLlama3;
    return read_llama3(scaling, config);
  }
  return unsupported("config.json: the RoPE scaling is \"", type->substr(0, 40),
                     "\"; default, linear, yarn and llama3 run");
}

// Newer files hold base and scaling together in rope_parameters.
Status read_rope(const CheckedFields& fields, ModelConfig& config) {
  const Json* parameters = fields.find("rope_parameters");
  const Json* scaling_json = parameters != nullptr ? parameters : fields.find("rope_scaling");
  const Json empty = Json::object();
  const CheckedFields scaling(scaling_json != nullptr ? *scaling_json : empty,
                              "config.json: RoPE scaling");
  if (scaling.find("full_attention") != nullptr || scaling.find("sliding_attention") != nullptr) {
    return unsupported("config.json: rope_parameters that differ between layers do not run");
  }
  REDKNOT_TRY(const double outer_base, fields.number_in("rope_theta", 1.0, kMaxRopeBase, 10000.0));
  REDKNOT_TRY(config.rope.base, scaling.number_in("rope_theta", 1.0, kMaxRopeBase, outer_base));
  REDKNOT_TRY(const double outer_part, fields.number_in("partial_rotary_factor", 0.0, 1.0, 1.0));
  REDKNOT_TRY(const double part, scaling.number_in("partial_rotary_factor", 0.0, 1.0, outer_part));
  config.rope.dims = static_cast<int>(config.head_dim * part);
  if (config.rope.dims < 2) return corrupt("config.json: partial_rotary_factor is ", part);
  config.rope.pairing = RopePairing::kHalfSplit;
  return read_scaling(scaling, config);
}

Status read_experts(const CheckedFields& fields, ModelConfig& config) {
  if (config.architecture != Architecture::kQwen3Moe) {
    REDKNOT_TRY(config.intermediate_size, fields.count("intermediate_size", 1, kMaxFfnWidth));
    return Done{};
  }
  REDKNOT_TRY(config.experts, fields.count("num_experts", 1, kMaxExperts));
  REDKNOT_TRY(config.experts_per_token, fields.count("num_experts_per_tok", 1, kMaxExperts));
  REDKNOT_TRY(config.intermediate_size, fields.count("moe_intermediate_size", 1, kMaxFfnWidth));
  REDKNOT_TRY(const auto renormalize, fields.optional_boolean("norm_topk_prob"));
  config.renormalize_experts = renormalize.value_or(false);
  REDKNOT_TRY(const auto step, fields.optional_integer("decoder_sparse_step"));
  const Json* dense_layers = fields.find("mlp_only_layers");
  if (step.value_or(1) != 1 || (dense_layers != nullptr && !dense_layers->empty())) {
    return unsupported("config.json: layers without experts beside layers with them do not run");
  }
  return Done{};
}

}  // namespace

Result<JsonConfig> config_from_json(std::string_view text) {
  REDKNOT_TRY(const Json root, parse_json_object(text, "config.json"));
  const CheckedFields fields(root, "config.json");
  JsonConfig out;
  ModelConfig& config = out.config;
  REDKNOT_TRY(config.architecture, architecture_of(fields));
  REDKNOT_RETURN_IF_ERROR(check_switches(fields));
  REDKNOT_TRY(config.layers, fields.count("num_hidden_layers", 1, kMaxLayers));
  REDKNOT_TRY(config.hidden_size, fields.count("hidden_size", 1, kMaxWidth));
  REDKNOT_TRY(config.context_tokens, fields.count("max_position_embeddings", 1, kMaxContext));
  REDKNOT_TRY(config.vocabulary_size, fields.count("vocab_size", 1, kMaxVocabulary));
  REDKNOT_TRY(const double epsilon, fields.number_in("rms_norm_eps", 1e-12, 0.1, 1e-6));
  config.rms_norm_epsilon = static_cast<float>(epsilon);
  config.qk_norm =
      config.architecture == Architecture::kQwen3 || config.architecture == Architecture::kQwen3Moe;
  REDKNOT_RETURN_IF_ERROR(read_experts(fields, config));
  REDKNOT_RETURN_IF_ERROR(read_heads(fields, config));
  REDKNOT_RETURN_IF_ERROR(check_window(fields, config));
  REDKNOT_RETURN_IF_ERROR(read_rope(fields, config));
  REDKNOT_TRY(out.tied, fields.optional_boolean("tie_word_embeddings"));
  REDKNOT_TRY(const auto attention_bias, fields.optional_boolean("attention_bias"));
  out.attention_bias = attention_bias.value_or(false);
  REDKNOT_RETURN_IF_ERROR(check_config(config));
  return out;
}

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <string>
#include <utility>

#include "base/error.h"

namespace redknot {
namespace {

struct Names {
  const char *token_embedding, *output_norm, *output, *layer;
  const char *attention_norm, *query, *key, *value, *attention_output, *query_norm, *key_norm;
  const char *ffn_norm, *gate, *up, *down, *router;
};

// A layer's names follow "<layer>.<index>."; ".weight" or ".bias" follows each.
constexpr Names kGgufNames = {
    .token_embedding = "token_embd",
    .output_norm = "output_norm",
    .output = "output",
    .layer = "blk",
    .attention_norm = "attn_norm",
    .query = "attn_q",
    .key = "attn_k",
    .value = "attn_v",
    .attention_output = "attn_output",
    .query_norm = "attn_q_norm",
    .key_norm = "attn_k_norm",
    .ffn_norm = "ffn_norm",
    .gate = "ffn_gate",
    .up = "ffn_up",
    .down = "ffn_down",
    .router = "ffn_gate_inp",
};
constexpr Names kHuggingFaceNames = {
    .token_embedding = "model.embed_tokens",
    .output_norm = "model.norm",
    .output = "lm_head",
    .layer = "model.layers",
    .attention_norm = "input_layernorm",
    .query = "self_attn.q_proj",
    .key = "self_attn.k_proj",
    .value = "self_attn.v_proj",
    .attention_output = "self_attn.o_proj",
    .query_norm = "self_attn.q_norm",
    .key_norm = "self_attn.k_norm",
    .ffn_norm = "post_attention_layernorm",
    .gate = "mlp.gate_proj",
    .up = "mlp.up_proj",
    .down = "mlp.down_proj",
    .router = "mlp.gate",
};

class Binder {
 public:
  Binder(const ModelConfig& config, const WeightRules& rules, TensorTable& tensors)
      : config_(config),
        rules_(rules),
        names_(rules.naming == WeightNaming::kGguf ? kGgufNames : kHuggingFaceNames),
        tensors_(tensors) {}

  Result<ModelWeights> bind();

 private:
  Result<LayerWeights> bind_layer(int layer);
  Status bind_attention(const std::string& prefix, LayerWeights& out);
  Status bind_experts(const std::string& prefix, LayerWeights& out);
  Status bind_stacked_experts(const std::string& prefix, LayerWeights& out);
  void ignore_frequencies();

  Result<TensorView> bias(const std::string& name, int size, bool required) {
    return required ? tensors_.vector(name + ".bias", size)
                    : tensors_.optional_vector(name + ".bias", size);
  }

  const ModelConfig& config_;
  const WeightRules& rules_;
  const Names& names_;
  TensorTable& tensors_;
};

Status Binder::bind_attention(const std::string& prefix, LayerWeights& out) {
  const int query_rows = config_.query_heads * config_.head_dim;
  const int kv_rows = config_.kv_heads * config_.head_dim;
  const int hidden_size = config_.hidden_size;
  const std::string query = prefix + names_.query;
  const std::string key = prefix + names_.key;
  const std::string value = prefix + names_.value;
  const std::string output = prefix + names_.attention_output;
  REDKNOT_TRY(out.query, tensors_.matrix(query + ".weight", query_rows, hidden_size));
  REDKNOT_TRY(out.key, tensors_.matrix(key + ".weight", kv_rows, hidden_size));
  REDKNOT_TRY(out.value, tensors_.matrix(value + ".weight", kv_rows, hidden_size));
  REDKNOT_TRY(out.attention_output, tensors_.matrix(output + ".weight", hidden_size, query_rows));
  REDKNOT_TRY(out.query_bias, bias(query, query_rows, rules_.query_key_value_bias));
  REDKNOT_TRY(out.key_bias, bias(key, kv_rows, rules_.query_key_value_bias));
  REDKNOT_TRY(out.value_bias, bias(value, kv_rows, rules_.query_key_value_bias));
  REDKNOT_TRY(out.attention_output_bias, bias(output, hidden_size, rules_.output_bias));
  if (!config_.qk_norm) return Done{};
  REDKNOT_TRY(out.query_norm,
              tensors_.vector(concat(prefix, names_.query_norm, ".weight"), config_.head_dim));
  REDKNOT_TRY(out.key_norm,
              tensors_.vector(concat(prefix, names_.key_norm, ".weight"), config_.head_dim));
  return Done{};
}

Status Binder::bind_stacked_experts(const std::string& prefix, LayerWeights& out) {
  const int hidden_size = config_.hidden_size, intermediate_size = config_.intermediate_size,
            count = config_.experts;
  const auto name = [&](const char* part) { return concat(prefix, part, "_exps.weight"); };
  REDKNOT_TRY(auto gates, tensors_.stack(name(names_.gate), count, intermediate_size, hidden_size));
  REDKNOT_TRY(auto ups, tensors_.stack(name(names_.up), count, intermediate_size, hidden_size));
  REDKNOT_TRY(auto downs, tensors_.stack(name(names_.down), count, hidden_size, intermediate_size));
  for (std::size_t i = 0; i < gates.size(); ++i) {
    out.experts.push_back({std::move(gates[i]), std::move(ups[i]), std::move(downs[i])});
  }
  return Done{};
}

Status Binder::bind_experts(const std::string& prefix, LayerWeights& out) {
  const std::string router = concat(prefix, names_.router, ".weight");
  REDKNOT_TRY(out.router, tensors_.matrix(router, config_.experts, config_.hidden_size));
  if (rules_.naming == WeightNaming::kGguf) return bind_stacked_experts(prefix, out);
  for (int i = 0; i < config_.experts; ++i) {
    const std::string expert = concat(prefix, "mlp.experts.", i, ".");
    ExpertWeights weights;
    REDKNOT_TRY(weights.gate, tensors_.matrix(expert + "gate_proj.weight",
                                              config_.intermediate_size, config_.hidden_size));
    REDKNOT_TRY(weights.up, tensors_.matrix(expert + "up_proj.weight", config_.intermediate_size,
                                            config_.hidden_size));
    REDKNOT_TRY(weights.down, tensors_.matrix(expert + "down_proj.weight", config_.hidden_size,
                                              config_.intermediate_size));
    out.experts.push_back(std::move(weights));
  }
  return Done{};
}

Result<LayerWeights> Binder::bind_layer(int layer) {
  const int hidden_size = config_.hidden_size, intermediate_size = config_.intermediate_size;
  const std::string prefix = concat(names_.layer, ".", layer, ".");
  const auto name = [&](const char* part) { return concat(prefix, part, ".weight"); };
  LayerWeights out;
  REDKNOT_TRY(out.attention_norm, tensors_.vector(name(names_.attention_norm), hidden_size));
  REDKNOT_RETURN_IF_ERROR(bind_attention(prefix, out));
  REDKNOT_TRY(out.ffn_norm, tensors_.vector(name(names_.ffn_norm), hidden_size));
  if (config_.experts > 0) {
    REDKNOT_RETURN_IF_ERROR(bind_experts(prefix, out));
    return out;
  }
  REDKNOT_TRY(out.ffn.gate, tensors_.matrix(name(names_.gate), intermediate_size, hidden_size));
  REDKNOT_TRY(out.ffn.up, tensors_.matrix(name(names_.up), intermediate_size, hidden_size));
  REDKNOT_TRY(out.ffn.down, tensors_.matrix(name(names_.down), hidden_size, intermediate_size));
  return out;
}

// Tables of rotation frequencies that old converters wrote; they follow from the configuration.
void Binder::ignore_frequencies() {
  tensors_.ignore("model.rotary_emb.inv_freq");
  for (int layer = 0; layer < config_.layers; ++layer) {
    tensors_.ignore(concat("model.layers.", layer, ".self_attn.rotary_emb.inv_freq"));
    tensors_.ignore(concat("blk.", layer, ".attn_rot_embd"));
  }
}

Result<ModelWeights> Binder::bind() {
  ModelWeights out;
  const std::string output = concat(names_.output, ".weight");
  REDKNOT_TRY(out.token_embedding, tensors_.matrix(concat(names_.token_embedding, ".weight"),
                                                   config_.vocabulary_size, config_.hidden_size));
  REDKNOT_TRY(out.output_norm,
              tensors_.vector(concat(names_.output_norm, ".weight"), config_.hidden_size));
  out.tied = rules_.tied;
  if (rules_.tied) {
    out.output = out.token_embedding;
    tensors_.ignore(output);
  } else {
    REDKNOT_TRY(out.output, tensors_.matrix(output, config_.vocabulary_size, config_.hidden_size));
  }
  for (int layer = 0; layer < config_.layers; ++layer) {
    REDKNOT_TRY(LayerWeights weights, bind_layer(layer));
    out.layers.push_back(std::move(weights));
  }
  ignore_frequencies();
  REDKNOT_RETURN_IF_ERROR(tensors_.check_all_used());
  return out;
}

}  // namespace

Result<ModelWeights> bind_weights(const ModelConfig& config, const WeightRules& rules,
                                  TensorTable& tensors) {
  return Binder(config, rules, tensors).bind();
}

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
#include "model/fingerprint.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/sha256.h"

namespace redknot {
namespace {

std::vector<const TensorView*> tensors_of(const ModelWeights& weights) {
  std::vector<const TensorView*> out = {&weights.token_embedding, &weights.output_norm,
                                        &weights.output};
  const auto add_experts = [&out](const ExpertWeights& ffn) {
    out.insert(out.end(), {&ffn.gate, &ffn.up, &ffn.down});
  };
  for (const LayerWeights& layer : weights.layers) {
    out.insert(out.end(), {&layer.attention_norm, &layer.query, &layer.key, &layer.value,
                           &layer.query_bias, &layer.key_bias, &layer.value_bias, &layer.query_norm,
                           &layer.key_norm, &layer.attention_output, &layer.attention_output_bias,
                           &layer.ffn_norm, &layer.router});
    add_experts(layer.ffn);
    for (const ExpertWeights& expert : layer.experts) add_experts(expert);
  }
  return out;
}

Sha256Digest digest_of(const TensorView& tensor) {
  Sha256 hash;
  hash.add_field(concat(name(tensor.dtype), " ", tensor.rows, " ", tensor.columns));
  hash.add(tensor.bytes);
  return std::move(hash).finish();
}

// Every number of the configuration, in full.
std::string described(const ModelConfig& config) {
  const auto exactly = [](double number) {
    char text[40];
    std::snprintf(text, sizeof(text), " %a", number);
    return std::string(text);
  };
  const RopeConfig& rope = config.rope;
  std::string out = concat(name(config.architecture), " ", config.layers, " ", config.hidden_size,
                           " ", config.query_heads, " ", config.kv_heads, " ", config.head_dim, " ",
                           config.intermediate_size, " ", config.vocabulary_size, " ",
                           config.qk_norm, " ", config.experts, " ", config.experts_per_token, " ",
                           config.renormalize_experts, " ", static_cast<int>(rope.pairing), " ",
                           name(rope.scaling), " ", rope.dims, " ", rope.original_context_tokens);
  for (const double number : {double{config.rms_norm_epsilon}, rope.base, rope.factor,
                              rope.yarn_beta_fast, rope.yarn_beta_slow, rope.yarn_magnitude}) {
    out += exactly(number);
  }
  for (const float divisor : rope.frequency_divisors) out += exactly(double{divisor});
  return out;
}

}  // namespace

std::string fingerprint(const Model& model, ThreadPool& threads) {
  const std::vector<const TensorView*> tensors = tensors_of(model.weights());
  std::vector<Sha256Digest> digests(tensors.size());
  threads.parallel_for(static_cast<int>(tensors.size()), [&](int index, int) {
    const auto i = static_cast<std::size_t>(index);
    digests[i] = digest_of(*tensors[i]);
  });
  Sha256 hash;
  hash.add_field(described(model.config()));
  for (const Sha256Digest& digest : digests) hash.add(digest);
  return "sha256:" + hex(std::move(hash).finish());
}

std::string quick_identity(const Model& model) {
  constexpr std::size_t kMostTensors = 1000, kFirstBytes = 1024;
  Sha256 hash;
  hash.add_field(described(model.config()));
  const std::vector<const TensorView*> tensors = tensors_of(model.weights());
  const std::size_t every = (tensors.size() + kMostTensors - 1) / kMostTensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorView& tensor = *tensors[i];
    hash.add_field(
        concat(tensor.name, " ", name(tensor.dtype), " ", tensor.rows, " ", tensor.columns));
    if (i % every == 0) hash.add(tensor.bytes.first(std::min(tensor.bytes.size(), kFirstBytes)));
  }
  return "quick:" + hex(std::move(hash).finish());
}

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
#include "tests/dense_forward.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "kernels/packed_matrix.h"
#include "tensor/half.h"

namespace redknot::tests {
namespace {

using Vector = std::vector<double>;
using Rows = std::vector<Vector>;  // by position

Vector values_of(const TensorView& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.rows) *
                            static_cast<std::size_t>(tensor.columns));
  if (tensor.present()) dequantize(tensor.dtype, tensor.bytes, values);
  return {values.begin(), values.end()};
}

// A matrix as the runtime keeps it: blocks of some types are requantised when they are packed.
Vector packed_values_of(const TensorView& tensor) {
  PackedMatrix matrix{packed_format(tensor.dtype), tensor.rows, tensor.columns, nullptr};
  std::vector<std::byte> bytes(matrix.size_bytes());
  matrix.bytes = bytes.data();
  const auto columns = static_cast<std::size_t>(tensor.columns);
  Vector values;
  std::vector<float> panel(kPanelColumns * columns);
  for (int index = 0; index < matrix.panels(); ++index) {
    pack_panel(matrix, index, tensor.dtype, tensor.bytes, bytes.data());
    unpack_panel(matrix, index, panel);
    values.insert(values.end(), panel.begin(), panel.end());
  }
  values.resize(static_cast<std::size_t>(tensor.rows) * columns);
  return values;
}

// To one or two digits of 8 bits with a scale per 32.
Vector in_digits(Vector x, int digits) {
  for (std::size_t first = 0; first < x.size(); first += 32) {
    double peak = 0.0;
    for (std::size_t i = first; i < first + 32; ++i) peak = std::max(peak, std::abs(x[i]));
    if (peak == 0.0) continue;
    for (std::size_t i = first; i < first + 32; ++i) {
      const double scaled = x[i] * 127.0 / peak;
      double code = std::nearbyint(scaled);
      if (digits == 2) code += std::nearbyint((scaled - code) * 254.0) / 254.0;
      x[i] = code * peak / 127.0;
    }
  }
  return x;
}

// What enters a matrix of a type.
Vector rounded(Vector x, DType type, ActivationFormat format) {
  if (format == ActivationFormat::kBf16 && type == DType::kBF16) {
    for (double& one : x) one = bf16_to_f32(f32_to_bf16(static_cast<float>(one)));
  }
  if (!is_integer(packed_format(type))) return x;
  if (format == ActivationFormat::k8) return in_digits(std::move(x), 1);
  if (format == ActivationFormat::k16) return in_digits(std::move(x), 2);
  return x;
}

// y = W x + bias, for every row.
Rows linear(const TensorView& matrix, const TensorView& bias, const Rows& inputs,
            ActivationFormat format) {
  const Vector weights = packed_values_of(matrix);
  const auto columns = static_cast<std::size_t>(matrix.columns);
  Rows outputs;
  for (const Vector& input : inputs) {
    const Vector x = rounded(input, matrix.dtype, format);
    Vector y = bias.present() ? values_of(bias) : Vector(static_cast<std::size_t>(matrix.rows));
    for (std::size_t row = 0; row < y.size(); ++row) {
      y[row] = std::inner_product(
          x.begin(), x.end(), weights.begin() + static_cast<std::ptrdiff_t>(row * columns), y[row]);
    }
    outputs.push_back(std::move(y));
  }
  return outputs;
}

void norm(std::span<double> x, const Vector& weight, double epsilon) {
  const double squares = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
  const double factor = 1.0 / std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= factor * weight[i];
}

Rows normed(Rows rows, const TensorView& weight, double epsilon) {
  const Vector values = values_of(weight);
  for (Vector& row : rows) norm(row, values, epsilon);
  return rows;
}

void add(Rows& to, const Rows& from) {
  for (std::size_t row = 0; row < to.size(); ++row) {
    std::transform(to[row].begin(), to[row].end(), from[row].begin(), to[row].begin(),
                   std::plus<>());
  }
}

Rows feed_forward(const ExpertWeights& ffn, const Rows& inputs, ActivationFormat format) {
  Rows hidden = linear(ffn.gate, {}, inputs, format);
  const Rows up = linear(ffn.up, {}, inputs, format);
  for (std::size_t row = 0; row < hidden.size(); ++row) {
    for (std::size_t i = 0; i < hidden[row].size(); ++i) {
      const double gate = hidden[row][i];
      hidden[row][i] = gate / (1.0 + std::exp(-gate)) * up[row][i];
    }
  }
  return linear(ffn.down, {}, hidden, format);
}

// Softmax over all experts, then the best few, their weights renormalised.
Rows mixture(const ModelConfig& config, const LayerWeights& layer, const Rows& inputs,
             ActivationFormat format) {
  const Rows scores = linear(layer.router, {}, inputs, format);
  Rows outputs;
  for (std::size_t row = 0; row < inputs.size(); ++row) {
    std::vector<std::size_t> order(scores[row].size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[row][a] > scores[row][b]; });
    const auto used = static_cast<std::size_t>(config.experts_per_token);
    const std::size_t counted = config.renormalize_experts ? used : order.size();
    double total = 0.0;
    for (std::size_t i = 0; i < counted; ++i) total += std::exp(scores[row][order[i]]);
    Vector output(static_cast<std::size_t>(config.hidden_size));
    for (std::size_t i = 0; i < used; ++i) {
      const Rows one = feed_forward(layer.experts[order[i]], {inputs[row]}, format);
      const double weight = std::exp(scores[row][order[i]]) / total;
      for (std::size_t d = 0; d < output.size(); ++d) output[d] += weight * one[0][d];
    }
    outputs.push_back(std::move(output));
  }
  return outputs;
}

// One head of a row, normalised for models that ask for it.
Vector head_of(const ModelConfig& config, const Vector& row, int head, const Vector& norm_weight) {
  const auto first = row.begin() + std::ptrdiff_t{head} * config.head_dim;
  Vector one(first, first + config.head_dim);
  if (!norm_weight.empty()) norm(one, norm_weight, config.rms_norm_epsilon);
  return one;
}

Vector weight_of(const TensorView& tensor) {
  return tensor.present() ? values_of(tensor) : Vector();
}

// The rows of a pass, and what stands at other positions.
struct Pass {
  const ModelConfig& config;
  const HeadProfile& profile;
  std::vector<int> positions;  // of the rows, increasing
  const ReusedKv* reused = nullptr;
  ReusedKv* kept = nullptr;  // the keys and values of all rows are put here, at their positions
  const PassesFfn* passes_ffn = nullptr;
  ActivationFormat activations = ActivationFormat::k8;
};

// Keys (normalised, not rotated) and values of one KV head, by position.
struct HeadKeysValues {
  Rows keys, values;
};

HeadKeysValues keys_values(const Pass& pass, int layer, int kv_head, const Rows& keys,
                           const Rows& values, const Vector& norm_weight) {
  const ModelConfig& config = pass.config;
  const int head = layer * config.kv_heads + kv_head;
  HeadKeysValues out;
  if (pass.reused != nullptr) {
    out.keys = pass.reused->keys[static_cast<std::size_t>(head)];
    out.values = pass.reused->values[static_cast<std::size_t>(head)];
  }
  const auto positions = static_cast<std::size_t>(pass.positions.back()) + 1;
  out.keys.resize(std::max(out.keys.size(), positions));
  out.values.resize(out.keys.size());
  for (std::size_t row = 0; row < keys.size(); ++row) {
    const auto position = static_cast<std::size_t>(pass.positions[row]);
    if (!out.keys[position].empty()) continue;  // reused
    out.keys[position] = head_of(config, keys[row], kv_head, norm_weight);
    out.values[position] = head_of(config, values[row], kv_head, {});
  }
  if (pass.kept != nullptr) {
    pass.kept->keys.push_back(out.keys);
    pass.kept->values.push_back(out.values);
  }
  const Vector frequencies = rope_frequencies(config.rope);
  for (std::size_t position = 0; position < out.keys.size(); ++position) {
    if (out.keys[position].empty()) continue;
    rotate_dense(config.rope, frequencies, static_cast<double>(position), out.keys[position]);
  }
  return out;
}

Rows attention(const Pass& pass, int index, const LayerWeights& layer, const Rows& inputs) {
  const ModelConfig& config = pass.config;
  const Rows queries = linear(layer.query, layer.query_bias, inputs, pass.activations);
  const Rows keys = linear(layer.key, layer.key_bias, inputs, pass.activations);
  const Rows values = linear(layer.value, layer.value_bias, inputs, pass.activations);
  const Vector query_norm = weight_of(layer.query_norm), key_norm = weight_of(layer.key_norm);
  const Vector frequencies = rope_frequencies(config.rope);
  Rows attended(inputs.size());
  for (int kv_head = 0; kv_head < config.kv_heads; ++kv_head) {
    const HeadKeysValues stored = keys_values(pass, index, kv_head, keys, values, key_norm);
    for (int query = 0; query < config.group_size(); ++query) {
      const int head = kv_head * config.group_size() + query;
      for (std::size_t row = 0; row < inputs.size(); ++row) {
        Vector one = head_of(config, queries[row], head, query_norm);
        rotate_dense(config.rope, frequencies, pass.positions[row], one);
        const Vector out =
            attend_dense(seen_positions(pass.profile.at(index, kv_head), pass.positions[row]), one,
                         stored.keys, stored.values);
        attended[row].insert(attended[row].end(), out.begin(), out.end());
      }
    }
  }
  return attended;
}

// Adds what the feed-forward network gives to the rows that pass it.
void add_ffn(const Pass& pass, int index, const LayerWeights& layer, const Rows& attended,
             Rows& residual) {
  const ModelConfig& config = pass.config;
  const Rows inputs = normed(residual, layer.ffn_norm, config.rms_norm_epsilon);
  Rows outputs = config.experts > 0 ? mixture(config, layer, inputs, pass.activations)
                                    : feed_forward(layer.ffn, inputs, pass.activations);
  if (pass.passes_ffn != nullptr && *pass.passes_ffn) {
    const std::vector<bool> passes = (*pass.passes_ffn)(index, attended);
    for (std::size_t row = 0; row < outputs.size(); ++row) {
      if (!passes[row]) outputs[row].assign(outputs[row].size(), 0.0);
    }
  }
  add(residual, outputs);
}

std::vector<double> forward(const Pass& pass, const ModelWeights& weights,
                            std::span<const TokenId> tokens) {
  const ModelConfig& config = pass.config;
  const Vector embedding = values_of(weights.token_embedding);
  Rows residual;
  for (const TokenId token : tokens) {
    const auto first = embedding.begin() + static_cast<std::ptrdiff_t>(token) * config.hidden_size;
    residual.emplace_back(first, first + config.hidden_size);
  }
  for (int index = 0; index < config.layers; ++index) {
    const LayerWeights& layer = weights.layers[static_cast<std::size_t>(index)];
    const Rows attended = attention(
        pass, index, layer, normed(residual, layer.attention_norm, config.rms_norm_epsilon));
    add(residual,
        linear(layer.attention_output, layer.attention_output_bias, attended, pass.activations));
    add_ffn(pass, index, layer, attended, residual);
  }
  const Rows logits =
      linear(weights.output, {}, normed(residual, weights.output_norm, config.rms_norm_epsilon),
             pass.activations);
  Vector out;
  for (const Vector& row : logits) out.insert(out.end(), row.begin(), row.end());
  return out;
}

std::vector<int> positions_from(int first, std::size_t count) {
  std::vector<int> positions(count);
  std::iota(positions.begin(), positions.end(), first);
  return positions;
}

}  // namespace

std::vector<double> rope_frequencies(const RopeConfig& rope) {
  constexpr double kTurn = 2.0 * std::numbers::pi;
  Vector frequencies;
  for (int pair = 0; pair < rope.dims / 2; ++pair) {
    const double plain = 1.0 / std::pow(rope.base, 2.0 * pair / rope.dims);
    double frequency = plain;
    if (rope.scaling == RopeScaling::kLinear) frequency = plain / rope.factor;
    if (rope.scaling == RopeScaling::kLlama3) {
      frequency = plain / rope.frequency_divisors[static_cast<std::size_t>(pair)];
    }
    if (rope.scaling == RopeScaling::kYarn) {
      // The pair index where a frequency makes `turns` turns in the original context.
      const auto pair_of = [&rope](double turns) {
        return rope.dims * std::log(rope.original_context_tokens / (turns * kTurn)) /
               (2.0 * std::log(rope.base));
      };
      const double first = std::max(std::floor(pair_of(rope.yarn_beta_fast)), 0.0);
      const double last = std::min(std::ceil(pair_of(rope.yarn_beta_slow)), rope.dims - 1.0);
      const double stretched = std::clamp((pair - first) / std::max(last - first, 1e-3), 0.0, 1.0);
      frequency = (1.0 - stretched) * plain + stretched * plain / rope.factor;
    }
    frequencies.push_back(frequency);
  }
  return frequencies;
}

void rotate_dense(const RopeConfig& rope, const std::vector<double>& frequencies, double position,
                  std::span<double> head) {
  for (std::size_t pair = 0; pair < frequencies.size(); ++pair) {
    const bool interleaved = rope.pairing == RopePairing::kInterleaved;
    double& a = head[interleaved ? 2 * pair : pair];
    double& b = head[interleaved ? 2 * pair + 1 : pair + frequencies.size()];
    const double cos = rope.yarn_magnitude * std::cos(position * frequencies[pair]);
    const double sin = rope.yarn_magnitude * std::sin(position * frequencies[pair]);
    const double first = a * cos - b * sin;
    b = a * sin + b * cos;
    a = first;
  }
}

std::vector<int> seen_positions(const HeadPolicy& policy, int position) {
  std::vector<int> seen;
  for (int key = 0; key <= position; ++key) {
    if (policy.head_class == HeadClass::kGlobal || key < policy.sink_tokens ||
        key > position - policy.window_tokens) {
      seen.push_back(key);
    }
  }
  return seen;
}

std::vector<double> attend_dense(std::span<const int> seen, std::span<const double> query,
                                 const Rows& keys, const Rows& values) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(query.size()));
  std::vector<std::pair<std::size_t, double>> scores;  // key, score
  double peak = -std::numeric_limits<double>::infinity();
  for (const int key : seen) {
    const Vector& one = keys[static_cast<std::size_t>(key)];
    const double score = scale * std::inner_product(query.begin(), query.end(), one.begin(), 0.0);
    scores.emplace_back(key, score);
    peak = std::max(peak, score);
  }
  Vector out(query.size());
  double sum = 0.0;
  for (const auto& [key, score] : scores) {
    const double weight = std::exp(score - peak);
    sum += weight;
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += weight * values[key][d];
  }
  for (double& element : out) element /= sum;
  return out;
}

std::vector<double> dense_logits(const ModelConfig& config, const ModelWeights& weights,
                                 const HeadProfile& profile, std::span<const TokenId> tokens,
                                 ActivationFormat activations) {
  return forward({.config = config,
                  .profile = profile,
                  .positions = positions_from(0, tokens.size()),
                  .activations = activations},
                 weights, tokens);
}

ReusedKv dense_kv(const ModelConfig& config, const ModelWeights& weights,
                  const HeadProfile& profile, std::span<const TokenId> tokens) {
  ReusedKv kept;
  forward({config, profile, positions_from(0, tokens.size()), nullptr, &kept}, weights, tokens);
  return kept;
}

std::vector<double> composed_logits(const ModelConfig& config, const ModelWeights& weights,
                                    const HeadProfile& profile, std::span<const TokenId> tokens,
                                    std::span<const int> positions, const ReusedKv& reused,
                                    const PassesFfn& passes_ffn) {
  const Pass pass{config,  profile, {positions.begin(), positions.end()},
                  &reused, nullptr, &passes_ffn};
  return forward(pass, weights, tokens);
}

}  // namespace redknot::tests

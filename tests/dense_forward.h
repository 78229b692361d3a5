// SPDX-License-Identifier: Apache-2.0
// The slow forward pass: plain loops, double precision, dense attention without pages. What the
// runtime is tested against; written from the formulas, sharing no code with it.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "model/config.h"
#include "model/model.h"
#include "redknot/activation_format.h"

namespace redknot::tests {

// Radians per position of each pair: plain, linear (Chen et al. 2023), Llama-3 (by the divisors in
// the configuration), YaRN (Peng et al. 2023, equations 19 to 23). [dims / 2]
std::vector<double> rope_frequencies(const RopeConfig& rope);

// Rotates the first rope.dims elements of a head by the angles of a position.
void rotate_dense(const RopeConfig& rope, const std::vector<double>& frequencies, double position,
                  std::span<double> head);

// The positions that a query at `position` sees whatever it selects: global {0..p}; others
// {0..sink-1} and {p-window+1..p}, none after p. Increasing.
std::vector<int> seen_positions(const HeadPolicy& policy, int position);

// Softmax attention of one query over the keys and values at some positions, all rotated already.
std::vector<double> attend_dense(std::span<const int> seen, std::span<const double> query,
                                 const std::vector<std::vector<double>>& keys,
                                 const std::vector<std::vector<double>>& values);

// Logits [tokens, vocabulary_size] of every position. Weights are what their packed form stands
// for; what enters a matrix is rounded as the format says, as the runtime does.
std::vector<double> dense_logits(const ModelConfig& config, const ModelWeights& weights,
                                 const HeadProfile& profile, std::span<const TokenId> tokens,
                                 ActivationFormat activations = ActivationFormat::k8);

// Keys, normalised but not rotated, and values [layers * kv_heads, positions, head_dim]; an empty
// vector at positions that are not reused.
struct ReusedKv {
  std::vector<std::vector<std::vector<double>>> keys{}, values{};
};

// Those of all positions of a dense pass.
ReusedKv dense_kv(const ModelConfig& config, const ModelWeights& weights,
                  const HeadProfile& profile, std::span<const TokenId> tokens);

// Which rows pass the feed-forward network of a layer, by what attention gave them
// [rows, query_heads * head_dim]; the others keep their residual.
using PassesFfn =
    std::function<std::vector<bool>(int layer, const std::vector<std::vector<double>>& attended)>;

// Logits [tokens, vocabulary_size] of tokens at increasing positions of a sequence. What is reused
// stands at its position, for its head, in the place of what the token there would give. Without
// passes_ffn all rows pass.
std::vector<double> composed_logits(const ModelConfig& config, const ModelWeights& weights,
                                    const HeadProfile& profile, std::span<const TokenId> tokens,
                                    std::span<const int> positions, const ReusedKv& reused,
                                    const PassesFfn& passes_ffn = {});

}  // namespace redknot::tests

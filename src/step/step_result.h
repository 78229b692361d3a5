// SPDX-License-Identifier: Apache-2.0
// What running one plan gave: sampled tokens, logits that were asked for, and what was measured, by
// slice. An executor returns it and the scheduler takes it; a regular value.
#pragma once

#include <cstdint>
#include <vector>

#include "model/vocabulary.h"

namespace redknot {

struct TokenLogProbability {
  TokenId token{};
  float log_probability = 0.0f;
  bool operator==(const TokenLogProbability&) const = default;
};

struct SampledToken {
  TokenId token{};
  // False if no token could be chosen, because every logit was NaN or -infinity; token is 0 then.
  bool usable = true;
  // Set if sampling.log_probabilities >= 0; `top` has that many entries (fewer if fewer tokens are
  // possible), best first.
  float log_probability = 0.0f;
  std::vector<TokenLogProbability> top{};
  bool operator==(const SampledToken&) const = default;
};

// Of one slice of the plan.
struct SliceResult {
  // Multiplications and additions that its rows took in products of matrices and in attention.
  double flops = 0;
  // [rows of logits, vocabulary_size], if the slice returns them.
  std::vector<float> logits{};
  // Measure::kDeviation: by row, the squared distance of its values to those of its reused pages
  // in the layer behind those that it passes, summed over the heads.
  std::vector<float> deviations{};
  // Measure::kPageMass: [layers * kv_heads, entries of the page table, pieces of a page], the
  // attention that the rows give to each piece (runtime/page_mass.h); 0 for heads that do not keep
  // everything, and behind the end of a page.
  std::vector<std::int64_t> page_mass{};
  bool operator==(const SliceResult&) const = default;
};

struct StepResult {
  std::vector<SampledToken> sampled{};  // by sample of the plan
  std::vector<SliceResult> slices{};    // by slice of the plan
  bool operator==(const StepResult&) const = default;
};

}  // namespace redknot

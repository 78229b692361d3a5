// SPDX-License-Identifier: Apache-2.0
// From the logits of one position to the next token. Pure functions: equal arguments give equal
// tokens, on any thread, whatever else is in the batch.
//
// The order is that of llama.cpp's default chain: logit bias, penalties, top-k, top-p, min-p,
// temperature, then one draw. Penalties follow llama.cpp too: a token that occurs `count` times in
// the last `penalty_tokens` tokens of the history has its logit divided by repetition_penalty if
// positive, multiplied if not, and then lowered by
// count * frequency_penalty + presence_penalty.
//
// Order of candidates is by logit, ties by lower id. A NaN logit counts as -infinity: it is never
// chosen. Log-probabilities are those of the model itself, log-softmax of the logits as they came,
// before bias, penalties, filters and temperature.
#pragma once

#include <cstdint>
#include <span>

#include "model/vocabulary.h"
#include "redknot/result.h"
#include "redknot/sampling.h"
#include "step/step_result.h"

namespace redknot {

inline constexpr int kMaxLogitBiases = 65536;
inline constexpr int kMaxLogProbabilities = 1024;

// The token that follows. `position` is the one it will stand at; it and the seed alone decide the
// draw (uniform_draw). `history` is prompt and answer, oldest first. Requires logits not empty,
// ids of the history inside it, position >= 0, and validate(sampling, logits.size()). `allowed` has
// a bit for each token, lowest first, in words of 64; tokens without it are never chosen. If it is
// empty, all are allowed.
// O(V) for greedy and for small top_k; a full sort only if top_p < 1 must look at every token.
SampledToken sample(std::span<const float> logits, std::span<const TokenId> history,
                    const Sampling& sampling, int position,
                    std::span<const std::uint64_t> allowed = {});

// Uniform in [0, 1), 53 bits: mix_bits(mix_bits(seed + g) + g * (position + 1)) of base/mix_bits.h,
// g = 2^64 / golden ratio. Counter-based: no state is kept.
double uniform_draw(std::uint64_t seed, int position);

// kInvalidArgument naming the first field that is out of range, for a vocabulary of that size.
Status validate(const Sampling& sampling, int vocabulary_size);

}  // namespace redknot

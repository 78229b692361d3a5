// SPDX-License-Identifier: Apache-2.0
// What a model thinks of an answer that it is given: probabilities of tokens that follow a prompt,
// each behind those before it. Pure functions; the caller asks the engine.
#pragma once

#include <span>
#include <vector>

#include "eval/question.h"
#include "redknot/redknot.h"

namespace redknot::eval {

// The prompt as a reusable part and the rest of it, for Reuse::kSegment. A part that nothing stands
// before is exactly what dense attention computes, bit for bit if it ends with a page; so this asks
// for dense attention, and whatever follows the prompt, an answer or another, takes little more
// than its own tokens cost.
std::vector<PromptPart> as_one_part(const Question& question);

// Gives the logits where each of the tokens is to come behind the prompt, in the last rows.
Request predicting(std::vector<PromptPart> prompt, std::span<const int> tokens);

// Rows of logits, [rows, vocabulary_size], to log-probabilities, in place.
void normalise_rows(std::span<float> rows, std::size_t vocabulary_size);

// Nats a token, of log-probabilities [tokens, vocabulary_size]. Requires one token at least.
double mean_log_probability(std::span<const float> rows, std::span<const int> tokens);

}  // namespace redknot::eval

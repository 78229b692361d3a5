// SPDX-License-Identifier: Apache-2.0
#include "step/step_plan.h"

#include <algorithm>

#include "base/error.h"

namespace redknot {

std::span<const TokenId> penalised_tokens(std::span<const TokenId> tokens,
                                          const Sampling& sampling) {
  const bool penalises = sampling.repetition_penalty != 1.0f ||
                         sampling.frequency_penalty != 0.0f || sampling.presence_penalty != 0.0f;
  if (!penalises) return {};
  if (sampling.penalty_tokens >= 0) {
    const auto most = static_cast<std::size_t>(sampling.penalty_tokens);
    tokens = tokens.last(std::min(tokens.size(), most));
  }
  return tokens;
}

std::string to_string(const StepPlan& plan) {
  std::string text;
  for (const StepSlice& slice : plan.slices) {
    const auto first = static_cast<std::size_t>(slice.first_row);
    const std::size_t last = first + static_cast<std::size_t>(slice.rows) - 1;
    text += concat("sequence ", static_cast<std::uint32_t>(slice.sequence), ": rows ", first, "..",
                   last, " at positions ", plan.positions[first], "..", plan.positions[last], "\n");
  }
  text += concat(plan.logit_rows.size(), " rows of logits\n");
  for (const RowSample& sample : plan.samples) {
    text += concat("row ", sample.row, ": the token at position ", sample.position, "\n");
  }
  for (const PageOp& op : plan.page_ops) text += to_string(op) + "\n";
  return text;
}

}  // namespace redknot

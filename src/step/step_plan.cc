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
    const std::int64_t first = slice.first_row, last = first + slice.rows - 1;
    text += concat("sequence ", static_cast<std::uint32_t>(slice.sequence), ": rows ", first, "..",
                   last, " at positions ");
    // A plan that was read from a file may be any.
    const bool is_there =
        first >= 0 && last >= first && last < static_cast<std::int64_t>(plan.positions.size());
    text += is_there ? concat(plan.positions[static_cast<std::size_t>(first)], "..",
                              plan.positions[static_cast<std::size_t>(last)], "\n")
                     : "that it does not have\n";
  }
  text += concat(plan.logit_rows.size(), " rows of logits\n");
  for (const RowSample& sample : plan.samples) {
    text += concat("row ", sample.row, ": the token at position ", sample.position, "\n");
  }
  for (const PageOp& op : plan.page_ops) text += to_string(op) + "\n";
  return text;
}

}  // namespace redknot

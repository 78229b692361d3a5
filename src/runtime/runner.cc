// SPDX-License-Identifier: Apache-2.0
#include "runtime/runner.h"

#include "base/check.h"

namespace redknot {

StepOutput Runner::run(const StepPlan& plan, std::span<SequenceKv* const> kv) {
  REDKNOT_CHECK(kv.size() == plan.slices.size());
  REDKNOT_CHECK(plan.tokens.size() == plan.positions.size());
  sequences_.clear();
  for (std::size_t i = 0; i < kv.size(); ++i) {
    const StepSlice& slice = plan.slices[i];
    sequences_.push_back({kv[i],
                          std::span(plan.positions)
                              .subspan(static_cast<std::size_t>(slice.first_row),
                                       static_cast<std::size_t>(slice.rows)),
                          slice.first_row, slice.measure});
  }
  return transformer_.run({.tokens = plan.tokens,
                           .sequences = sequences_,
                           .depths = plan.depths,
                           .ffn_groups = plan.ffn_groups,
                           .logit_rows = plan.logit_rows});
}

}  // namespace redknot

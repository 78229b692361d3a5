// SPDX-License-Identifier: Apache-2.0
#include "runtime/runner.h"

#include "base/check.h"

namespace redknot {

std::span<const float> Runner::run(const StepPlan& plan, std::span<SequenceKv* const> kv) {
  REDKNOT_CHECK(kv.size() == plan.slices.size());
  REDKNOT_CHECK(plan.tokens.size() == plan.positions.size());
  sequences_.clear();
  for (std::size_t i = 0; i < kv.size(); ++i) {
    const StepSlice& slice = plan.slices[i];
    sequences_.push_back({kv[i],
                          std::span(plan.positions)
                              .subspan(static_cast<std::size_t>(slice.first_row),
                                       static_cast<std::size_t>(slice.rows)),
                          slice.first_row});
  }
  return transformer_.run(plan.tokens, sequences_, plan.logit_rows);
}

}  // namespace redknot

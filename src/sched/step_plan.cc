// SPDX-License-Identifier: Apache-2.0
#include "sched/step_plan.h"

#include "base/error.h"

namespace redknot {

std::string to_string(const StepPlan& plan) {
  std::string text;
  for (const StepSlice& slice : plan.slices) {
    const auto first = static_cast<std::size_t>(slice.first_row);
    const std::size_t last = first + static_cast<std::size_t>(slice.rows) - 1;
    text += concat("sequence ", static_cast<std::uint32_t>(slice.sequence), ": rows ", first, "..",
                   last, " at positions ", plan.positions[first], "..", plan.positions[last], "\n");
  }
  text += concat(plan.logit_rows.size(), " rows of logits\n");
  return text;
}

}  // namespace redknot

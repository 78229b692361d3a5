// SPDX-License-Identifier: Apache-2.0
// Whoever runs plans: the narrow waist between what is decided and what is computed.
//
// An executor keeps the page tables of all sequences that plans name, in step with the changes that
// the plans list, and takes no decision: equal plans in equal order give equal results, bit for
// bit. CpuExecutor (runtime/cpu_executor.h) runs the transformer; RecordingExecutor passes plans on
// and writes a file that can be replayed; tests have one whose tokens are hashes of what heads see.
// Owned by whoever turns the loop; one thread at a time.
#pragma once

#include "step/step_plan.h"
#include "step/step_result.h"

namespace redknot {

class Executor {
 public:
  virtual ~Executor() = default;

  // Applies the plan's changes and computes its rows. Requires a plan that follows those before.
  virtual StepResult run(const StepPlan& plan) = 0;
};

}  // namespace redknot

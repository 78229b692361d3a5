// SPDX-License-Identifier: Apache-2.0
// Runner: runs a StepPlan. It finds each slice's rows and pages, calls the transformer, and takes
// no decision. The engine's core owns it, and the thread that runs the steps calls it. It owns
// nothing but the list of rows that it writes for each step.
#pragma once

#include <span>
#include <vector>

#include "runtime/transformer.h"
#include "sched/step_plan.h"

namespace redknot {

class Runner {
 public:
  // The transformer must outlive the object.
  explicit Runner(Transformer& transformer) : transformer_(transformer) {}

  // kv[i] belongs to plan.slices[i] and has a slot for each of its positions already. Sequences of
  // the output are in the order of the slices.
  StepOutput run(const StepPlan& plan, std::span<SequenceKv* const> kv);

 private:
  Transformer& transformer_;
  std::vector<SequenceRows> sequences_;  // of the latest step
};

}  // namespace redknot

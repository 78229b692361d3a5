// SPDX-License-Identifier: Apache-2.0
// Runs a StepPlan: finds each slice's rows and pages, and calls the transformer. Takes no decision.
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
  std::vector<SequenceRows> sequences_;
};

}  // namespace redknot

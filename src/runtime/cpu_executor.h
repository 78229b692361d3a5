// SPDX-License-Identifier: Apache-2.0
// Runs plans on the CPU: applies their changes to page tables and page memory, passes their rows
// through the transformer, and samples. Takes no decision.
//
// The engine makes one for its loop, which owns it; benchmarks and the profiler make their own on
// the same backend, one for each head profile. One thread at a time.
#pragma once

#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "runtime/cpu_backend.h"
#include "step/executor.h"
#include "step/sequence_tables.h"

namespace redknot {

class CpuExecutor final : public Executor {
 public:
  // Both must outlive the object.
  CpuExecutor(CpuBackend& backend, const HeadProfile& profile);

  StepResult run(const StepPlan& plan) override;

 private:
  // The rows and tables of the plan's slices.
  void find_rows(const StepPlan& plan);
  // What the plan's slices return of the logits that were computed.
  static void add_logits(const StepPlan& plan, std::span<const float> logits, StepResult& result);
  static std::vector<SampledToken> sample_rows(const StepPlan& plan, std::span<const float> logits);

  CpuBackend& backend_;
  SequenceTables tables_;
  std::vector<SequenceRows> rows_;  // by slice of the plan at hand
};

}  // namespace redknot

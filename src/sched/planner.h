// SPDX-License-Identifier: Apache-2.0
// Writes the next step: which rows of which running sequences it computes, and what is sampled of
// them.
//
// Every sequence that generates gets its one token first, so that prompts do not hold it up; before
// them comes one that found too little room in the last step for rows that belong together. Prompts
// share what is left of the step (sched/step_share.h), larger priority first. A sequence begins
// with what the cache has of it when its first rows are asked for. Owned by the scheduler; the
// loop's thread.
#pragma once

#include <vector>

#include "kv/kv_cache.h"
#include "sched/sequences.h"
#include "step/step_plan.h"

namespace redknot {

// What composers may use of a cache.
CacheAccess cache_access(KvCache& cache);

struct PlannerLimits {
  int step_tokens = 512;
  int logit_rows = 64;  // of one step
};

class Planner {
 public:
  // References must outlive the object.
  Planner(const PlannerLimits& limits, Sequences& sequences, KvCache& cache,
          SchedulerCounts& counts);

  // All but the changes of page tables, which sequences have logged; empty if nothing can run.
  StepPlan next_step();

 private:
  // Whether a sequence has rows to compute that somebody wants, and may now.
  bool may_go_on(const SequenceRecord& record) const;
  // Whether it waits for a segment that is being built, or for its prompt.
  bool is_blocked(const SequenceRecord& record) const;
  // Begins a sequence with what an earlier one left, if any, or with a shared prompt. Its last
  // token is always computed: its logits are wanted.
  void begin(SequenceRecord& record);
  // Adds its next rows, at most so many. Returns how many; none if it cannot go on now.
  int add_rows(StepPlan& plan, SequenceRecord& record, int most_rows);
  // Shares what is left of the step among prompts that are not in it yet.
  void add_prompts(StepPlan& plan);
  // Says how what the composer wants sampled is sampled.
  static void complete_samples(StepPlan& plan, std::size_t first, const SequenceRecord& record);

  const PlannerLimits limits_;
  Sequences& sequences_;
  KvCache& cache_;
  SchedulerCounts& counts_;
};

}  // namespace redknot

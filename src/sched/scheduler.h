// SPDX-License-Identifier: Apache-2.0
// Who runs next and exactly what, in three parts that meet at the sequences: Admission says who may
// run and who gives way, KvCache what is kept for reuse, and Planner writes the next step.
// Activation carries out what starting and stopping a sequence takes; the scheduler says what
// became of sequences.
//
// A turn of the loop calls admit(), plan() and finish(), in this order. Sequences that are
// submitted together may share their prompt: one of the scheduler's own computes and keeps it, and
// they begin with all of it but the last token. A reusable part of a prompt is a segment, on first
// sight too: a sequence of the scheduler's own builds what is missing, once for all that wait for
// it. The loop owns the scheduler; all of it belongs to the loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "kv/kv_cache.h"
#include "kv/page_allocator.h"
#include "sched/activation.h"
#include "sched/admission.h"
#include "sched/planner.h"
#include "sched/sequence_event.h"
#include "sched/sequence_request.h"
#include "sched/sequences.h"
#include "step/step_plan.h"
#include "step/step_result.h"

namespace redknot {

struct SchedulerOptions {
  int max_step_tokens = 512;
  int max_logit_rows = 64;  // of one step
  int max_sequences = 64;   // running at a time
  Domain domain{};          // of what is kept for reuse; that of its requests
};

class Scheduler {
 public:
  // Both must outlive the object.
  Scheduler(PageAllocator& pages, const HeadProfile& profile, const SchedulerOptions& options);

  // So many sequences of one request, at least one, wait their turn; the i-th samples with the
  // request's seed + i. Requires a request that was made for these pages, this profile and
  // max_step_tokens.
  std::vector<SequenceId> submit(const std::shared_ptr<const SequenceRequest>& request, int count);

  // Takes a waiting or running sequence out; its pages are free at once, or once they are wanted if
  // it leaves a prefix. Unknown ids are ignored. Whoever was told that a sequence has ended or
  // failed says so, too.
  void cancel(SequenceId id);

  // A paused sequence is left out of steps until it is resumed.
  void pause(SequenceId id, bool paused);

  // Lets sequences run that there is room for: kAdmitted events, in order.
  std::vector<SequenceEvent> admit();

  // The next step; empty if nothing can run. Makes room in the page tables.
  StepPlan plan();

  // Takes what the plan gave, and gives back pages that left their windows: an event for each
  // slice of a sequence that somebody submitted, in order.
  std::vector<SequenceEvent> finish(const StepPlan& plan, StepResult result);

  // Requires a sequence that waits or runs. The pages are counted only if asked for: O(pages).
  SequenceUsage usage(SequenceId id, bool with_pages) const;
  std::span<const TokenId> tokens(SequenceId id) const;  // prompt and generated, so far

  // What is kept for reuse. A pin has to leave alone what runs: pins_fit() says whether it does.
  KvCache& cache() { return cache_; }
  const KvCache& cache() const { return cache_; }
  bool pins_fit() const { return admission_.reservations_fit(); }

  int running() const { return sequences_.answers(); }
  int waiting() const { return static_cast<int>(sequences_.waiting().size()); }
  const SchedulerCounts& counts() const { return counts_; }
  // Adds the pages that running sequences hold of their own, and those of segments, by head
  // [layers, kv_heads].
  void count_pages(std::span<int> pages) const;

  // True if reservations and page tables add up. O(pages). For tests.
  bool check() const;

 private:
  // Takes a slice's result for the sequence that it belongs to; nothing for the scheduler's own.
  std::optional<SequenceEvent> take(const StepPlan& plan, std::size_t slice, SliceResult& result,
                                    const SampledToken* sampled);

  // Constant after construction.
  PageAllocator& pages_;
  const HeadProfile& profile_;

  SchedulerCounts counts_{};
  std::vector<PageOp> page_ops_;  // changes of page tables that no plan has had yet
  // What is kept, who there is, and those who decide about them, each over the ones before.
  KvCache cache_;
  Sequences sequences_;
  Admission admission_;
  Activation activation_;
  Planner planner_;
};

}  // namespace redknot

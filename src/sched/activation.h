// SPDX-License-Identifier: Apache-2.0
// How sequences begin to run and stop: what they take of the KV cache, what they leave in it, and
// the scheduler's own sequences that work for them.
//
// A sequence that runs uses the segments of its prompt that are at hand; those that are neither
// here nor on their way are built by sequences of the scheduler's own, once for all that wait for
// them. Answers to one prompt may have it computed by one sequence for all. Who nobody waits for
// any more is stopped. Owned by the scheduler; the loop's thread.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "kv/kv_cache.h"
#include "kv/page_allocator.h"
#include "sched/sequences.h"

namespace redknot {

class Activation {
 public:
  // References must outlive the object. Changes of page tables are written to `page_ops`.
  Activation(PageAllocator& pages, const HeadProfile& profile, Sequences& sequences, KvCache& cache,
             SchedulerCounts& counts, std::vector<PageOp>& page_ops);

  // Lets a sequence that waits run, and those that it needs.
  void start(SequenceRecord& next);

  // Takes a sequence out, waiting or running, and those that only it needed. What it holds may stay
  // as a prefix.
  void stop(SequenceRecord& record);

  // Has running sequences wait again: prompt and generated tokens will be computed anew.
  void preempt(std::span<const SequenceId> ids);

  // The segment that a sequence has built is here from now on, for all that wait for it; the
  // sequence is no more. `pins_fit`: whether what runs has room beside all that is pinned.
  void finish_build(SequenceRecord& build, const Pins::Fits& pins_fit);

  // Keeps what a sequence holds for later ones, if all of it is computed and its request says so.
  void keep_prefix(const SequenceRecord& record);

 private:
  void run(SequenceRecord& record);
  // A sequence that computes a part behind its canonical context, which it adopts. Nothing of it is
  // forgotten.
  void start_build(const SequenceRecord& record, const SequencePart& part);
  // A sequence of the prompt alone, as each answer would compute it.
  void start_shared_prompt(const SequenceRecord& answer);
  // Gives back what a running sequence holds, and has it wait.
  void give_back(SequenceRecord& record);
  // Stops builds of segments that no sequence is composed of, shared prompts that nobody answers
  // any more, and then builds that only these needed.
  void stop_unneeded();
  bool is_needed(const SequenceRecord& inner) const;
  // Uses a segment of its prompt; a prompt uses it once, however many answers share it.
  void acquire(SequenceRecord& record, const SegmentKey& key);

  PageAllocator& pages_;
  const HeadProfile& profile_;
  Sequences& sequences_;
  KvCache& cache_;
  SchedulerCounts& counts_;
  std::vector<PageOp>& page_ops_;
};

}  // namespace redknot

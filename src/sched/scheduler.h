// SPDX-License-Identifier: Apache-2.0
// Who runs next and exactly what: turns waiting and running sequences into a StepPlan.
//
// First come, first served. A sequence is admitted when the pages it may ever hold are free of
// other reservations, so nothing that was admitted can run out of memory. In a step every sequence
// that generates gets its one token first; prompts share what is left of max_step_tokens in order
// of arrival. Used by the step loop only.
//
// A reusable part of a prompt is a segment, on first sight too: a sequence of the scheduler's own
// builds what is missing, once for all that wait for it, and the prompt is then composed of what
// was built, part by part, as its rows are asked for.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "kv/page_pool.h"
#include "kv/segment_index.h"
#include "redknot/result.h"
#include "sched/prefix_index.h"
#include "sched/sequence.h"
#include "sched/step_plan.h"

namespace redknot {

struct SchedulerOptions {
  int max_step_tokens = 512;
  int max_logit_rows = 64;  // of one step
  int max_sequences = 64;   // running at a time
};

// `parts` are those of the prompt. kResourceExhausted if the sequence could not run even alone,
// kInvalidArgument if its recovery needs larger steps. Any thread.
Status fits_alone(const PagePool& pool, const HeadProfile& profile, const SequenceSpec& spec,
                  std::span<const SequencePart> parts, int chunk_tokens);

class Scheduler {
 public:
  // References must outlive the object.
  Scheduler(PagePool& pool, const HeadProfile& profile, const SchedulerOptions& options);

  // The errors of fits_alone(). Otherwise it waits its turn.
  Result<SequenceId> submit(SequenceSpec spec);

  // Drops a waiting or running sequence; its pages are free at once, or once they are wanted if it
  // leaves a prefix. Unknown ids are ignored.
  void cancel(SequenceId id);

  // A paused sequence is left out of steps until it is resumed.
  void pause(SequenceId id, bool paused);

  // Those that the latest next_step() let run.
  std::span<const SequenceId> admitted() const { return admitted_; }

  // The next step; empty if nothing can run. Makes room in the page tables.
  StepPlan next_step();

  // The pages of the plan's slices, in their order.
  std::vector<SequenceKv*> kv(const StepPlan& plan);

  // Takes note that the plan has been computed, and what its slices measured, and gives back pages
  // that left their windows.
  void computed(const StepPlan& plan, std::span<const Measured> measured);

  // Whether somebody submitted it; the scheduler's own have no logits.
  bool is_submitted(SequenceId id) const;

  // True when the row's logits are those a next token is to be sampled from.
  bool samples(SequenceId id) const;

  // Appends a sampled token. The sequence ends itself at max_tokens (then ended() is true).
  void append(SequenceId id, TokenId token);
  bool ended(SequenceId id) const;

  // Prompt and generated tokens so far.
  std::span<const TokenId> tokens(SequenceId id) const;
  PromptTokens prompt_tokens(SequenceId id) const;  // so far
  KvPages kv_pages(SequenceId id) const;
  const SegmentIndex& segments() const { return segments_; }

  // Pages that running sequences hold of their own and those of segments, by head: added to pages
  // [layers, kv_heads].
  void count_pages(std::span<int> pages) const;

  int running() const { return submitted(); }
  int waiting() const { return static_cast<int>(waiting_.size()); }

  // True if reservations and page tables add up. For tests.
  bool check() const;

 private:
  using Running = std::vector<Sequence>::iterator;
  Sequence* find(SequenceId id);
  const Sequence* find(SequenceId id) const;
  Supply supply();
  void admit();
  bool admit_front();
  bool is_being_built(const SegmentKey& key) const;
  void start_build(const Sequence& sequence, const SequencePart& part);
  void pin_parts(Sequence& sequence);
  void run(Sequence sequence);
  bool fits(const PageCounts& pages) const;
  int submitted() const;  // of those that run
  bool is_blocked(const Sequence& sequence) const;
  void begin(Sequence& sequence);
  void leave_prefix(const Sequence& sequence);
  void make_room(const std::function<PageCounts()>& wanted);
  void drop_segment(const SegmentKey& key);
  void finish_build(Sequence& build);
  void drop(Running running);
  void drop_unneeded_builds();

  PagePool& pool_;
  const HeadProfile& profile_;
  SchedulerOptions options_;
  SegmentIndex segments_;
  PrefixIndex prefixes_;
  std::deque<Sequence> waiting_;
  std::vector<Sequence> running_;  // in order of arrival
  std::vector<SequenceId> admitted_;
  PageCounts reserved_ = {};
  std::uint32_t next_id_ = 0;
  std::uint64_t now_ = 0;  // grows with each sequence that begins
};

}  // namespace redknot

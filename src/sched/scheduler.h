// SPDX-License-Identifier: Apache-2.0
// Who runs next and exactly what: turns waiting and running sequences into a StepPlan.
//
// By priority, then first come, first served. A sequence is admitted when the pages it may ever
// hold are free of other reservations, so nothing that was admitted can run out of memory; once its
// prompt is computed its reservation shrinks to what tokens one by one may need. If there is no
// room, sequences of less priority give way: they wait again, with what they have generated, and
// are computed anew. In a step every sequence that generates gets its one token first; prompts
// share what is left of max_step_tokens (sched/step_share.h). Used by the step loop only.
//
// Sequences that are submitted together share their prompt's pages: one of the scheduler's own
// computes the prompt and keeps it, and they begin with all of it but the last token.
//
// A reusable part of a prompt is a segment, on first sight too: a sequence of the scheduler's own
// builds what is missing, once for all that wait for it, and the prompt is then composed of what
// was built, part by part, as its rows are asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "heads/head_profile.h"
#include "kv/domain.h"
#include "kv/kv_cache.h"
#include "kv/page_allocator.h"
#include "sched/sequence.h"
#include "step/step_plan.h"

namespace redknot {

struct SchedulerOptions {
  int max_step_tokens = 512;
  int max_logit_rows = 64;  // of one step
  int max_sequences = 64;   // running at a time
  DomainNames domain{};     // of what is kept for reuse
};

// What has happened so far.
struct SchedulerCounts {
  std::uint64_t preemptions = 0;
  // Segments that prompts asked for: at hand or under way, or to be built; and prompts that may
  // begin with what another left, and did, or did not.
  std::uint64_t segment_hits = 0, segment_misses = 0, prefix_hits = 0, prefix_misses = 0;
};

class Scheduler {
 public:
  using Time = Pins::Time;

  // References must outlive the object.
  Scheduler(PageAllocator& pool, const HeadProfile& profile, const SchedulerOptions& options);

  // So many sequences of one request, at least one, wait their turn. They share the prompt if the
  // request says so. Requires a request that was made for this pool, profile and max_step_tokens.
  std::vector<SequenceId> submit(std::shared_ptr<const SequenceRequest> request, int count);

  // Drops a waiting or running sequence; its pages are free at once, or once they are wanted if it
  // leaves a prefix. Unknown ids are ignored.
  void cancel(SequenceId id);

  // A paused sequence is left out of steps until it is resumed.
  void pause(SequenceId id, bool paused);

  // Those that the latest next_step() let run.
  std::span<const SequenceId> admitted() const { return admitted_; }

  // The next step; empty if nothing can run. Makes room in the page tables.
  StepPlan next_step();

  // Takes note of what the plan gave, and gives back pages that left their windows.
  void computed(const StepPlan& plan, const StepResult& result);

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
  const SegmentTable& segments() const { return cache_.segments(); }

  // Segments of a salt, by name.
  std::vector<SegmentUse> segment_uses(const std::string& salt) const;
  // Drops those of a name, of all names of the salt if `id` is empty: now, or when their last user
  // ends. How many names.
  int drop_segments(const std::string& salt, const std::string& id);
  // Keeps those of a name until then, those that come later too, unless nothing else could run.
  // False if there are none, or if all that is kept this way would be more than half of the pool,
  // or what its tenant has pinned more than its quota in bytes; 0: no limit.
  bool pin_segments(const SegmentName& name, Time until, std::size_t quota_bytes = 0);
  void unpin_segments(const SegmentName& name);
  // Ends pins whose time has come.
  void end_pins(Time now);
  std::optional<Time> next_pin_end() const;

  // Pages that running sequences hold of their own and those of segments, by head: added to pages
  // [layers, kv_heads].
  void count_pages(std::span<int> pages) const;

  int running() const { return submitted(); }
  int waiting() const { return static_cast<int>(waiting_.size()); }
  const SchedulerCounts& counts() const { return counts_; }

  // True if reservations and page tables add up. For tests.
  bool check() const;

 private:
  using Running = std::vector<Sequence>::iterator;
  Sequence* find(SequenceId id);
  const Sequence* find(SequenceId id) const;
  CacheAccess cache_access();

  // Who may run (admission.cc).
  void admit();
  void queue(Sequence sequence);
  bool is_over_quota(const Sequence& next) const;
  bool make_way_for(const Sequence& next);
  bool fits(const Sequence& next, std::span<const SequenceId> without) const;
  PageCounts demand(const Sequence* next, std::span<const SequenceId> without) const;
  void preempt(std::span<const SequenceId> victims);
  void start(Sequence next);
  void start_build(const Sequence& sequence, const SequencePart& part);
  void start_shared_prompt(const Sequence& answer);
  void run(Sequence sequence);
  int submitted() const;  // of those that run
  Sequence take(Running running);
  void drop(Running running);
  void drop_unneeded();

  // What is kept for reuse (kept_parts.cc).
  bool is_being_built(const SegmentKey& key) const;
  void acquire(Sequence& sequence, const SegmentKey& key);
  void acquire_parts(Sequence& sequence);
  void release_parts(const Sequence& sequence);
  void leave_prefix(const Sequence& sequence);
  void finish_build(Sequence& build);
  bool pins_fit() const;

  bool is_blocked(const Sequence& sequence) const;
  const Sequence* shared_prompt_of(const Sequence& answer) const;
  void begin(Sequence& sequence);
  int add_rows(StepPlan& plan, Sequence& sequence, int most_rows);
  void add_prompts(StepPlan& plan);
  void shrink(Sequence& sequence) const;

  PageAllocator& pool_;
  const HeadProfile& profile_;
  SchedulerOptions options_;
  std::vector<PageOp> page_ops_;   // changes of page tables that no plan has had yet
  KvCache cache_;                  // what is kept for reuse
  std::deque<Sequence> waiting_;   // by priority, then in order of arrival
  std::vector<Sequence> running_;  // in the order in which they were let run
  std::vector<SequenceId> admitted_;
  SchedulerCounts counts_{};
  std::uint32_t next_id_ = 0;
};

}  // namespace redknot

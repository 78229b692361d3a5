// SPDX-License-Identifier: Apache-2.0
// Who runs next and exactly what: turns waiting and running sequences into a StepPlan.
//
// First come, first served. A sequence is admitted when the pages it may ever hold are free of
// other reservations, so nothing that was admitted can run out of memory. In a step every sequence
// that generates gets its one token first; prompts share what is left of max_step_tokens in order
// of arrival. Used by the step loop only.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "kv/page_pool.h"
#include "kv/sequence_kv.h"
#include "redknot/result.h"
#include "sched/step_plan.h"

namespace redknot {

// What a request means to the scheduler.
struct SequenceSpec {
  std::vector<TokenId> prompt;  // at least one token
  int max_tokens = 0;           // to generate; 0: only compute the prompt
  bool all_logits = false;      // logits of every row, not only of those sampled
};

struct SchedulerOptions {
  int max_step_tokens = 512;
  int max_logit_rows = 64;  // of one step
  int max_sequences = 64;   // running at a time
};

// kResourceExhausted if a sequence of so many tokens, prompt and answer, could not run even alone.
Status fits_alone(const PagePool& pool, const HeadProfile& profile, int tokens, int chunk_tokens);

class Scheduler {
 public:
  // References must outlive the object.
  Scheduler(PagePool& pool, const HeadProfile& profile, const SchedulerOptions& options);

  // kResourceExhausted if the sequence could not run even alone. Otherwise it waits its turn.
  Result<SequenceId> submit(SequenceSpec spec);

  // Drops a waiting or running sequence; its pages are free at once. Unknown ids are ignored.
  void cancel(SequenceId id);

  // A paused sequence is left out of steps until it is resumed.
  void pause(SequenceId id, bool paused);

  // The next step; empty if nothing can run. Makes room in the page tables.
  StepPlan next_step();

  // The pages of the plan's slices, in their order.
  std::vector<SequenceKv*> kv(const StepPlan& plan);

  // Takes note that the plan has been computed and gives back pages that left their windows.
  void computed(const StepPlan& plan);

  // True when the row's logits are those a next token is to be sampled from.
  bool samples(SequenceId id) const;

  // Appends a sampled token. The sequence ends itself at max_tokens (then ended() is true).
  void append(SequenceId id, TokenId token);
  bool ended(SequenceId id) const;

  // Prompt and generated tokens so far.
  std::span<const TokenId> tokens(SequenceId id) const;

  // Pages that running sequences hold, by head: added to pages [layers, kv_heads].
  void count_pages(std::span<int> pages) const;

  int running() const { return static_cast<int>(running_.size()); }
  int waiting() const { return static_cast<int>(waiting_.size()); }

  // True if reservations and page tables add up. For tests.
  bool check() const;

 private:
  using PageCounts = std::array<int, kKvFormatCount>;
  struct Sequence {
    SequenceId id{};
    std::vector<TokenId> tokens;  // prompt, then generated
    int prompt_tokens = 0;
    int max_tokens = 0;
    bool all_logits = false;
    bool paused = false;
    PageCounts reserved = {};
    std::unique_ptr<SequenceKv> kv = nullptr;  // once running
    int pending() const { return static_cast<int>(tokens.size()) - kv->length(); }
  };
  Sequence* find(SequenceId id);
  const Sequence* find(SequenceId id) const;
  void admit();
  bool fits(const PageCounts& pages) const;
  void add_rows(StepPlan& plan, Sequence& sequence, int rows);

  PagePool& pool_;
  const HeadProfile& profile_;
  SchedulerOptions options_;
  std::deque<Sequence> waiting_;
  std::vector<Sequence> running_;  // in order of arrival
  PageCounts reserved_ = {};
  std::uint32_t next_id_ = 0;
};

}  // namespace redknot

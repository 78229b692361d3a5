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

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "heads/head_profile.h"
#include "kv/page_pool.h"
#include "kv/segment_index.h"
#include "kv/sequence_kv.h"
#include "redknot/result.h"
#include "sched/prefix_index.h"
#include "sched/prompt_parts.h"
#include "sched/recovery.h"
#include "sched/step_plan.h"

namespace redknot {

// What a request means to the scheduler.
struct SequenceSpec {
  Prompt prompt;               // at least one token
  int max_tokens = 0;          // to generate; 0: only compute the prompt
  bool all_logits = false;     // logits of every row, not only of those sampled
  Recovery recovery{};         // of reusable parts
  bool uses_prefixes = false;  // begins with what earlier sequences left, and leaves its own
};

struct SchedulerOptions {
  int max_step_tokens = 512;
  int max_logit_rows = 64;     // of one step
  int max_sequences = 64;      // running at a time
  std::string segment_salt{};  // all that segments depend on beside their tokens
};

// kResourceExhausted if the sequence could not run even alone. Any thread.
Status fits_alone(const PagePool& pool, const HeadProfile& profile, const SequenceSpec& spec,
                  int chunk_tokens);

// How the tokens of a prompt came about.
struct PromptTokens {
  int prefix = 0;     // what an earlier sequence began with, the same bits
  int computed = 0;   // for this sequence
  int recovered = 0;  // of segments, for this sequence again
  int adopted = 0;    // of segments behind the prefix, the recovered ones too
  bool operator==(const PromptTokens&) const = default;
};

class Scheduler {
 public:
  // References must outlive the object.
  Scheduler(PagePool& pool, const HeadProfile& profile, const SchedulerOptions& options);

  // kResourceExhausted if the sequence could not run even alone. Otherwise it waits its turn.
  Result<SequenceId> submit(SequenceSpec spec);

  // Drops a waiting or running sequence; its pages are free at once, or once they are wanted if it
  // leaves a prefix. Unknown ids are ignored.
  void cancel(SequenceId id);

  // A paused sequence is left out of steps until it is resumed.
  void pause(SequenceId id, bool paused);

  // The next step; empty if nothing can run. Makes room in the page tables.
  StepPlan next_step();

  // The pages of the plan's slices, in their order.
  std::vector<SequenceKv*> kv(const StepPlan& plan);

  // Takes note that the plan has been computed and gives back pages that left their windows.
  void computed(const StepPlan& plan);

  // Whether somebody submitted it; the scheduler's own have no logits.
  bool is_submitted(SequenceId id) const;

  // True when the row's logits are those a next token is to be sampled from.
  bool samples(SequenceId id) const;

  // Appends a sampled token. The sequence ends itself at max_tokens (then ended() is true).
  void append(SequenceId id, TokenId token);
  bool ended(SequenceId id) const;

  // Prompt and generated tokens so far.
  std::span<const TokenId> tokens(SequenceId id) const;
  PromptTokens prompt_tokens(SequenceId id) const;  // laid out so far
  const SegmentIndex& segments() const { return segments_; }
  const PrefixIndex& prefixes() const { return prefixes_; }

  // Pages that running sequences hold, by head: added to pages [layers, kv_heads].
  void count_pages(std::span<int> pages) const;

  int running() const { return submitted(); }
  int waiting() const { return static_cast<int>(waiting_.size()); }

  // True if reservations and page tables add up. For tests.
  bool check() const;

 private:
  using PageCounts = std::array<int, kKvFormatCount>;
  struct Sequence {
    SequenceId id{};
    std::vector<TokenId> tokens;           // prompt, then generated
    std::vector<SequencePart> parts = {};  // of the prompt
    int context_tokens = 0;                // canonical context of its segments
    Recovery recovery{};
    bool uses_prefixes = false;
    int max_tokens = 0;
    bool all_logits = false;
    bool paused = false;
    std::optional<SegmentKey> builds = {};  // the scheduler's own, for a segment
    int prompt_tokens = 0;
    PageCounts reserved = {};
    std::vector<SegmentKey> pinned = {};
    // Once running:
    std::unique_ptr<SequenceKv> kv = nullptr;
    bool is_begun = false;                    // has looked for a prefix
    std::size_t next_part = 0;                // to be laid out
    std::deque<PositionRange> laid_out = {};  // has slots and is to be computed, increasing
    int computed_length = 0;                  // the length when a step was last computed
    PromptTokens counts{};
    bool is_computed() const {
      return laid_out.empty() && kv->length() == static_cast<int>(tokens.size());
    }
  };
  Sequence* find(SequenceId id);
  const Sequence* find(SequenceId id) const;
  void admit();
  bool admit_front();
  bool is_being_built(const SegmentKey& key) const;
  void start_build(const Sequence& sequence, const SequencePart& part);
  void run(Sequence sequence);
  bool fits(const PageCounts& pages) const;
  int submitted() const;  // of those that run
  bool is_blocked(const Sequence& sequence) const;
  void begin(Sequence& sequence);
  void leave_prefix(const Sequence& sequence);
  void make_room(const std::function<PageCounts()>& wanted);
  bool lay_out(Sequence& sequence, int most_rows);
  void adopt(Sequence& sequence, const SequencePart& part);
  std::vector<int> take_rows(Sequence& sequence, int most_rows);
  int add_rows(StepPlan& plan, Sequence& sequence, int most_rows);
  void finish_build(Sequence& build);
  void drop(std::vector<Sequence>::iterator running);

  PagePool& pool_;
  const HeadProfile& profile_;
  SchedulerOptions options_;
  SegmentIndex segments_;
  PrefixIndex prefixes_;
  std::deque<Sequence> waiting_;
  std::vector<Sequence> running_;  // in order of arrival
  PageCounts reserved_ = {};
  std::uint32_t next_id_ = 0;
};

}  // namespace redknot

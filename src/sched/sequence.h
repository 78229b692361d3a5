// SPDX-License-Identifier: Apache-2.0
// One sequence under way: its tokens, its pages, and how its prompt is composed part by part as its
// rows are asked for. Own tokens are computed, segments are adopted, what recovery chooses of them
// is computed again in its place; where that has to be measured first, rows are run to measure it.
//
// Used by the scheduler only.
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

#include "kv/segment_table.h"
#include "kv/sequence_kv.h"
#include "sched/prompt_parts.h"
#include "sched/recovery.h"
#include "sched/step_plan.h"

namespace redknot {

// What a request means to the scheduler.
struct SequenceSpec {
  Prompt prompt{};              // at least one token
  int max_tokens = 0;           // to generate; 0: only compute the prompt
  bool all_logits = false;      // of the last part and what follows, not only of rows sampled
  Recovery recovery{};          // of reusable parts
  std::string salt{};           // nothing is shared between requests of different ones
  bool uses_prefixes = false;   // begins with what earlier sequences left, and leaves its own
  bool shares_prompt = false;   // with others that are submitted together with it
  int priority = 0;             // larger goes first
  std::size_t quota_bytes = 0;  // of own pages of all that run with this salt; 0: no limit
};

// How the tokens of a prompt came about, and what that took.
struct PromptTokens {
  int prefix = 0;  // what stands as dense attention would have it: kept by an earlier sequence, or
                   // segments behind their own context
  int computed = 0;   // for this sequence
  int adopted = 0;    // of segments behind the prefix, the recovered ones too
  int recovered = 0;  // of those, for this sequence again
  int built = 0;      // of segments that had to be computed first, and their context
  double flops = 0;   // all of it
  bool operator==(const PromptTokens&) const = default;
};

// Pages of a sequence, by format: those that it shares, with segments or with what an earlier one
// left, and its own.
struct KvPages {
  PageCounts own{}, shared{};
  bool operator==(const KvPages&) const = default;
};

// What a step measured for one of its slices (as SequenceOutput, runtime/transformer.h).
struct Measured {
  double flops = 0;
  std::span<const float> deviations{};        // by row
  std::span<const std::int64_t> page_mass{};  // [layers * kv_heads, pages of the table]
};

// Where a sequence gets what it is composed of.
struct Supply {
  const SegmentTable& segments;
  // Frees pages until what is wanted is free. What is wanted may become less meanwhile: a page that
  // is not shared any more needs no copy.
  std::function<void(const std::function<PageCounts()>& wanted)> make_room;
};

class Sequence {
 public:
  Sequence(SequenceId id, SequenceSpec spec, std::vector<SequencePart> parts);

  SequenceId id() const { return id_; }
  std::span<const TokenId> tokens() const { return tokens_; }  // prompt, then generated
  std::span<const SequencePart> parts() const { return parts_; }
  int prompt_length() const { return prompt_length_; }
  int context_tokens() const { return context_tokens_; }
  int max_tokens() const { return max_tokens_; }
  const Recovery& recovery() const { return recovery_; }
  bool uses_prefixes() const { return uses_prefixes_; }
  const std::string& salt() const { return salt_; }
  bool all_logits() const { return all_logits_; }
  int priority() const { return priority_; }
  std::size_t quota_bytes() const { return quota_bytes_; }
  bool generates() const { return static_cast<int>(tokens_.size()) > prompt_length_; }
  bool ended() const;
  void append(TokenId token) { tokens_.push_back(token); }

  // Once it runs. The pool and the profile must outlive it.
  void start(PagePool& pool, const HeadProfile& profile);
  SequenceKv& kv() { return *kv_; }
  const SequenceKv& kv() const { return *kv_; }

  // Before the first rows: begins with what an earlier sequence left.
  void begin_with(SequenceKv prefix);
  // The same, with all of its prompt but the last token, which another one keeps that is here as
  // long as this one. `counts`: what that took, to be told as this one's own; or nothing.
  void branch_from(const Sequence& trunk, bool takes_counts);
  bool has_begun() const { return has_begun_; }
  void begin() { has_begun_ = true; }

  // Parts that are still to be laid out.
  std::span<const SequencePart> remaining() const { return std::span(parts_).subspan(next_part_); }

  // Adds its next rows to the plan, at most so many, and so many whose logits are wanted, as one
  // slice; returns how many. Requires that the segments of remaining parts are at hand.
  int add_rows(StepPlan& plan, int most_rows, int most_logit_rows, const Supply& supply);

  // About so many rows are still to be computed for what it has.
  int rows_left() const;

  // Whether it found too little room at its last turn for rows that one step must have together.
  bool waits_for_room() const { return waits_for_room_; }

  // Takes note that a slice of the plan has been computed.
  void computed(const StepPlan& plan, const StepSlice& slice, const Measured& measured,
                const Supply& supply);

  // Whether all that it has is computed: what follows its last token can be sampled.
  bool is_computed() const {
    return laid_out_.empty() && !probe_ && computed_length_ == static_cast<int>(tokens_.size());
  }
  // What it holds may be kept as a prefix: all of it is computed, and the prompt is whole.
  bool is_prefix() const {
    return laid_out_.empty() && !probe_ && kv_->length() >= prompt_length_ &&
           kv_->length() == computed_length_;
  }
  // No row before it will be computed again.
  int first_needed() const;

  KvPages kv_pages() const;
  // Those that its reservation is for.
  PageCounts own_pages() const;
  // The most that it will hold if it goes on token by token, which is less than while it computed
  // chunks.
  PageCounts pages_to_decode() const;

  // Gives back all pages and begins anew, later: prompt and generated tokens are computed again.
  void restart();

  PromptTokens counts() const;  // of the first time
  void add_built(int tokens) { counts_.built += tokens; }
  void add_flops(double flops) { counts_.flops += flops; }

  // The scheduler's own.
  std::optional<SegmentKey> builds{};      // the segment that it computes
  std::optional<SequenceId> builds_for{};  // whose request that is
  // Those that share a prompt, and the one that computes and keeps it for them.
  std::optional<SequenceId> group{};
  bool is_trunk = false;
  bool is_inner() const { return builds || is_trunk; }  // nobody submitted it
  PageCounts needs{};     // most own pages from the beginning to the end
  PageCounts reserved{};  // most from now on, once it runs
  bool has_run = false;   // and was restarted
  std::vector<SegmentKey> pinned{};
  bool paused = false;

 private:
  // Rows that have slots and are to be computed.
  struct Rows {
    PositionRange positions{};
    int depth = 0;
    Measure measure = Measure::kNothing;
    bool is_probe = false;  // only to find out; nobody gets their logits
    bool at_once = false;   // they compete for feed-forward networks, so one step has them all
    int recent = 0;         // of those that compete, the last that pass in any case
  };
  // What is being found out before recovery can choose.
  struct Probe {
    std::vector<PageCandidate> candidates{};
    std::vector<PositionRange> redone{};  // own rows that are computed again
  };

  bool recovers() const;
  bool lay_out(int most_rows, const Supply& supply);
  void lay_out_segment(const Supply& supply);
  void lay_out_group(const Supply& supply);
  void extend(int end, const Supply& supply);
  std::vector<PageCandidate> adopt(const SequencePart& part, const Supply& supply);
  void choose(const Supply& supply);
  void recover(std::span<const PositionRange> pages, const Supply& supply);
  void lay_out_recovered(std::span<const PositionRange> pages, std::span<const PositionRange> own);
  void add_scores(const StepPlan& plan, const StepSlice& slice, const Measured& measured);
  bool is_asked(const Rows& rows) const;
  void add_mass(std::span<const std::int64_t> mass);
  bool is_branch() const { return group && !is_trunk; }
  bool is_own(const PageRef& page) const;
  std::vector<Rows> take(int most_rows, int most_logit_rows, const Supply& supply);
  int whole_depth() const { return profile_->layers - 1; }  // of rows without logits

  SequenceId id_;
  std::vector<TokenId> tokens_;
  std::vector<SequencePart> parts_;  // of the prompt
  int prompt_length_;
  int context_tokens_;
  int max_tokens_;
  Recovery recovery_;
  bool all_logits_;
  bool uses_prefixes_;
  std::string salt_;
  int priority_;
  std::size_t quota_bytes_;

  const HeadProfile* profile_ = nullptr;
  std::unique_ptr<SequenceKv> kv_;
  bool has_begun_ = false;
  bool waits_for_room_ = false;
  std::size_t next_part_ = 0;  // to be laid out
  std::deque<Rows> laid_out_;  // increasing
  std::optional<Probe> probe_;
  int prefix_length_ = 0;    // of what it began with
  int computed_length_ = 0;  // positions before it have been computed or adopted
  int asked_until_ = 0;      // logits of positions before it have been given
  PromptTokens counts_{};
  std::optional<PromptTokens> first_counts_{};  // before it was restarted, if the prompt was whole
};

}  // namespace redknot

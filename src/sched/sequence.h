// SPDX-License-Identifier: Apache-2.0
// One sequence under way: its request, its tokens, its page table, and what the scheduler keeps of
// it. How its prompt becomes rows of steps is its composer's part. The scheduler owns all sequences
// and calls them, on the step loop's thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kv/segment_table.h"
#include "kv/sequence_kv.h"
#include "sched/prompt_composer.h"
#include "sched/sequence_request.h"
#include "step/step_plan.h"
#include "step/step_result.h"

namespace redknot {

// Pages of a sequence, by format: those that it shares, with segments or with what an earlier one
// left, and its own.
struct KvPages {
  PageCounts own{}, shared{};
  bool operator==(const KvPages&) const = default;
};

class Sequence {
 public:
  Sequence(SequenceId id, std::shared_ptr<const SequenceRequest> request);

  SequenceId id() const { return id_; }
  const SequenceRequest& request() const { return *request_; }
  std::span<const TokenId> tokens() const { return tokens_; }  // prompt, then generated
  std::span<const SequencePart> parts() const { return request_->parts; }
  int prompt_length() const { return request_->prompt_tokens(); }
  int context_tokens() const { return request_->spec.prompt.context_tokens; }
  int max_tokens() const { return request_->spec.max_tokens; }
  const RecoveryOptions& recovery() const { return request_->spec.recovery; }
  bool uses_prefixes() const { return request_->spec.uses_prefixes; }
  const std::string& salt() const { return request_->spec.salt; }
  bool all_logits() const { return request_->spec.all_logits; }
  int priority() const { return request_->spec.priority; }
  std::size_t quota_bytes() const { return request_->spec.quota_bytes; }
  bool generates() const { return static_cast<int>(tokens_.size()) > prompt_length(); }
  bool ended() const;
  void append(TokenId token) { tokens_.push_back(token); }

  // Once it runs. The pool and the profile must outlive it.
  void start(PageAllocator& pages, const HeadProfile& profile, PageLog log);
  SequenceKv& kv() { return *kv_; }
  const SequenceKv& kv() const { return *kv_; }

  // Before the first rows: begins with what an earlier sequence left.
  void begin_with(const SequenceKv& prefix);
  // The same, with all of its prompt but the last token, which another one keeps that is here as
  // long as this one. `takes_counts`: what that took is told as this one's own.
  void begin_with_shared_prompt(const Sequence& shared, bool takes_counts);
  bool has_begun() const { return composer_.has_begun(); }
  void begin() { composer_.begin(*kv_); }

  // How its prompt is composed (sched/prompt_composer.h).
  std::span<const SequencePart> remaining() const { return composer_.remaining(); }
  int add_rows(StepPlan& plan, int most_rows, int most_logit_rows, const CacheAccess& cache);
  int rows_left() const;
  bool waits_for_room() const { return composer_.waits_for_room(); }
  void computed(const StepPlan& plan, const StepSlice& slice, const SliceResult& result,
                const CacheAccess& cache);

  // Whether all that it has is computed: what follows its last token can be sampled.
  bool is_computed() const { return composer_.is_computed_to(static_cast<int>(tokens_.size())); }
  // What it holds may be kept as a prefix: all of it is computed, and the prompt is whole.
  bool is_prefix() const {
    return kv_->length() >= prompt_length() && composer_.is_computed_to(kv_->length());
  }
  int first_needed() const { return composer_.first_needed(*kv_); }

  KvPages kv_pages() const;
  // Those that its reservation is for.
  PageCounts own_pages() const;
  // The most that it will hold if it goes on token by token, which is less than while it computed
  // chunks.
  PageCounts pages_to_decode() const;

  // Gives back all pages and begins anew, later: prompt and generated tokens are computed again.
  void restart();

  PromptTokens counts() const { return composer_.counts(); }  // of the first time
  void add_built(int tokens) { composer_.add_built(tokens, 0); }
  void add_flops(double flops) { composer_.add_built(0, flops); }

  // The scheduler's own.
  std::optional<SegmentKey> builds{};      // the segment that it computes
  std::optional<SequenceId> builds_for{};  // whose request that is
  // Those that share a prompt, and the one that computes and keeps it for them.
  std::optional<SequenceId> group{};
  bool keeps_shared_prompt = false;
  bool is_inner() const { return builds || keeps_shared_prompt; }  // nobody submitted it
  PageCounts reserved{};  // most own pages from now on, once it runs
  bool has_run = false;   // and was restarted
  std::vector<SegmentKey> pinned{};
  bool paused = false;

 private:
  // Whether it begins with a prompt that another sequence keeps.
  bool is_answer() const { return group && !keeps_shared_prompt; }
  // Whether its reservation is for the page: what a shared prompt holds is reserved by the one that
  // keeps it, and what is adopted by nobody, as it is pinned.
  bool is_own(const PageRef& page) const;

  SequenceId id_;
  std::shared_ptr<const SequenceRequest> request_;
  std::vector<TokenId> tokens_;
  PromptComposer composer_;

  // Once it runs.
  const HeadProfile* profile_ = nullptr;
  std::unique_ptr<SequenceKv> kv_;
};

}  // namespace redknot

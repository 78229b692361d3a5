// SPDX-License-Identifier: Apache-2.0
// What a recovery policy does: one stateless object per policy, which says which tokens of adopted
// segments are computed again, and for which heads what they give takes the place of what was
// reused.
//
// What a segment lost by being computed alone is recovered token by token; the pages that hold some
// of them become the sequence's own. Strategies differ in how they choose tokens, in the heads that
// take what is computed, and in what a first pass over reused pages measures for that. Two of them
// are the product's: `none` and `knot`. Published ones that they are compared with lie in
// sched/baselines/. Requests ask them when they are made (any thread), and a PromptComposer while
// it composes a prompt (the step loop's thread).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "heads/visibility.h"
#include "kv/sequence_kv.h"
#include "redknot/recovery.h"
#include "sched/page_choice.h"
#include "step/step_plan.h"

namespace redknot {

// The same options without gaps: defaults are filled in, and what the policy does not read is
// cleared, so that options which mean the same are equal.
RecoveryOptions with_defaults(RecoveryOptions options);

// What a step of a first pass brought back.
struct FirstPassResult {
  std::span<const int> positions{};     // of its rows, increasing
  std::span<const float> deviations{};  // by row
  // [layers * kv_heads, entries of the table, page_pieces]
  std::span<const std::int64_t> page_mass{};
  const PageTable* table = nullptr;  // of a head that keeps everything
  int layers = 0, kv_heads = 0;
  int page_pieces = 1;
};

// Options that are given to these functions have no gaps.
class RecoveryStrategy {
 public:
  virtual ~RecoveryStrategy() = default;

  // Whether a head takes what recovered tokens give.
  virtual bool recomputes(const HeadPolicy& policy) const = 0;

  // Whether these options choose any token of some segment.
  virtual bool chooses_any(const RecoveryOptions& options) const = 0;

  // What a first pass over reused pages measures before tokens can be chosen: kDeviation of each
  // segment's own rows, which pass the first layer; kPageMass of the question's last row, which
  // passes all of them. kNothing: there is no first pass.
  virtual Measure measure() const { return Measure::kNothing; }

  // Whether tokens are chosen of all segments that stand together, by what the question behind them
  // looks at; otherwise each segment is composed by itself.
  bool looks_with_question() const { return measure() == Measure::kPageMass; }

  // Candidates are pieces of a page of so many tokens.
  virtual int candidate_tokens(int page_tokens) const { return page_tokens; }

  // Adds what a step of the first pass measured to the candidates' scores.
  virtual void add_scores(const FirstPassResult& /*result*/,
                          std::span<Candidate> /*candidates*/) const {}

  // The positions that are recovered. Candidates are in order of their positions, and so is what is
  // returned, apart from each other.
  virtual std::vector<PositionRange> choose(const RecoveryOptions& options,
                                            std::span<const Candidate> candidates) const = 0;

  // Most pages of one head that hold tokens which are recovered of segments of so many tokens that
  // are chosen from together.
  virtual int most_pages(const RecoveryOptions& options, std::span<const int> segment_tokens,
                         int page_tokens) const = 0;

  // How rows of a range that is recovered of a segment compete for feed-forward networks, if they
  // do. One step has all rows of such a range.
  virtual std::optional<FfnGroup> ffn_group(const RecoveryOptions& /*options*/,
                                            PositionRange /*range*/, PositionRange /*segment*/,
                                            int /*layers*/) const {
    return std::nullopt;
  }

  // A step must hold at least so many tokens if segments are recovered.
  virtual int least_step_tokens(int /*page_tokens*/) const { return 1; }

  // The deepest layer with a head that recomputes; -1: none.
  int deepest_recomputed(const HeadProfile& profile) const;
};

// The strategy of a policy.
const RecoveryStrategy& strategy_of(RecoveryPolicy policy);

const RecoveryStrategy& knot_strategy();

}  // namespace redknot

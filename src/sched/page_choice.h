// SPDX-License-Identifier: Apache-2.0
// Choosing pages of adopted segments: what recovery strategies have in common. All functions are
// pure, and a strategy combines them (sched/recovery_strategy.h). A page is chosen as a whole, so
// a choice holds at least the tokens that were asked for, if there are so many.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "heads/visibility.h"
#include "redknot/recovery.h"

namespace redknot {

// A page of a segment that may be computed again.
struct PageCandidate {
  PositionRange positions{};  // in the sequence
  int segment = 0;            // which of those that are chosen from together
  double score = 0;           // what the first pass measured
  int tokens() const { return positions.end - positions.begin; }
};

// Tokens that the ratio and the least number ask for, of so many. Requires options without gaps
// (with_defaults(), sched/recovery_strategy.h).
std::int64_t tokens_to_recover(const RecoveryOptions& options, std::int64_t tokens);

std::int64_t tokens_of(std::span<const PageCandidate> candidates);

// The candidates of each segment. Candidates of a segment stand together.
std::vector<std::span<const PageCandidate>> by_segment(std::span<const PageCandidate> candidates);

// Adds to `chosen` the positions of the first candidates, until they hold so many tokens.
void choose_first(std::span<const PageCandidate> candidates, std::int64_t tokens,
                  std::vector<PositionRange>& chosen);

// The same with those of the largest score, the earlier of equal ones; in order of their
// positions.
void choose_best(std::span<const PageCandidate> candidates, std::int64_t tokens,
                 std::vector<PositionRange>& chosen);

// Most pages that a choice from each segment by itself takes, by the ratio. Segments have so many
// tokens.
int most_pages_by_segment(const RecoveryOptions& options, std::span<const int> segment_tokens,
                          int page_tokens);

}  // namespace redknot

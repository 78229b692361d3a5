// SPDX-License-Identifier: Apache-2.0
// Choosing tokens of adopted segments: what recovery strategies have in common. All functions are
// pure, and a strategy combines them (sched/recovery_strategy.h). A choice holds exactly the tokens
// that were asked for, if there are so many.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "heads/visibility.h"
#include "redknot/recovery.h"

namespace redknot {

// A page of a segment that may be computed again, or a piece of one.
struct Candidate {
  PositionRange positions{};  // in the sequence
  int segment = 0;            // which of those that are chosen from together
  double score = 0;           // what the first pass measured
  int tokens() const { return positions.end - positions.begin; }
};

// Tokens that the ratio and the least number ask for, of so many. Requires options without gaps
// (with_defaults(), sched/recovery_strategy.h).
std::int64_t tokens_to_recover(const RecoveryOptions& options, std::int64_t tokens);

std::int64_t tokens_of(std::span<const Candidate> candidates);

// The candidates of each segment. Candidates of a segment stand together.
std::vector<std::span<const Candidate>> by_segment(std::span<const Candidate> candidates);

// Adds a range that begins where the last one ends, or behind it, to increasing ranges: to the last
// one if nothing is between them.
void append_range(PositionRange range, std::vector<PositionRange>& ranges);

// Adds to `chosen` so many positions from the first candidate on.
void choose_first(std::span<const Candidate> candidates, std::int64_t tokens,
                  std::vector<PositionRange>& chosen);

// The same with those of the largest score, the earlier of equal ones; in order of their positions.
// Of the last one that is taken, the first positions.
void choose_best(std::span<const Candidate> candidates, std::int64_t tokens,
                 std::vector<PositionRange>& chosen);

}  // namespace redknot

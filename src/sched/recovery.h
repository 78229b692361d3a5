// SPDX-License-Identifier: Apache-2.0
// Which tokens of reused segments pass the layers again, and for which heads what they give takes
// the place of what was reused.
//
// What a segment lost by being computed alone is recovered by whole pages of it. Policies differ in
// how they choose them, in the heads that take what is computed, and in what is measured for that:
//
//   none       no page
//   boundary   the first pages of each segment (EPIC, Hu et al. 2024)
//   deviation  of each segment the pages whose values, behind the first layer, are farthest from
//              what is stored (CacheBlend, Yao et al. 2024)
//   elastic    all pages, for heads that are not local; feed-forward networks only for the tokens
//              that attention wrote most into (the RedKnot paper)
//   knot       pages that the question's last token looks at, found by running the question over
//              what is reused; for context-bound heads
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "heads/visibility.h"
#include "step/step_plan.h"

namespace redknot {

struct Recovery {
  enum class Policy { kNone, kBoundary, kDeviation, kElastic, kKnot };
  Policy policy = Policy::kNone;
  double ratio = 0;         // 0..1, of a segment's tokens; not kNone, kElastic
  int least_tokens = 0;     // kKnot: but so many, if there are, unless the ratio is 0
  int boundary_tokens = 0;  // kBoundary: so many of each segment, if not 0, whatever the ratio
  SparseFfn sparse{};       // kElastic; of each page
  int recent_tokens = 0;    // kElastic: of a segment's last tokens, which always pass
  bool operator==(const Recovery&) const = default;
};

// What is measured before pages are chosen, and of which rows: kDeviation of the segment's own,
// kPageMass of the question's last.
Measure measured(const Recovery& recovery);

// Whether a head takes what recovered tokens give.
bool recomputes(const Recovery& recovery, const HeadPolicy& policy);

// The deepest layer with a head that does; -1: none.
int deepest_recomputed(const Recovery& recovery, const HeadProfile& profile);

// A page of a segment that may be recovered.
struct PageCandidate {
  PositionRange positions{};  // in the sequence
  int segment = 0;            // which of those that are chosen from together
  double score = 0;           // what was measured
  int tokens() const { return positions.end - positions.begin; }
};

// The positions of those that are recovered. Candidates are in order of their positions.
std::vector<PositionRange> choose_pages(const Recovery& recovery,
                                        std::span<const PageCandidate> candidates);

// Most pages of one head that are recovered of segments of so many tokens.
int most_recovered_pages(const Recovery& recovery, std::span<const int> segment_tokens,
                         int page_tokens);

}  // namespace redknot

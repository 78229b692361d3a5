// SPDX-License-Identifier: Apache-2.0
// Which tokens of reused segments pass the layers again, and for which heads what they give takes
// the place of what was reused.
#pragma once

#include <vector>

#include "heads/visibility.h"
#include "kv/segment.h"

namespace redknot {

enum class RecoveryPolicy {
  kNone,      // no token: everything is reused
  kBoundary,  // the first tokens of each segment (EPIC, Hu et al. 2024), all heads
};

struct Recovery {
  RecoveryPolicy policy = RecoveryPolicy::kNone;
  int boundary_tokens = 0;  // kBoundary; rounded up to whole pages
  bool operator==(const Recovery&) const = default;
};

// The tokens of a segment that are recovered: ranges of whole pages of it, from 0, increasing.
std::vector<PositionRange> recovered(const Recovery& recovery, const Segment& segment);

// Most pages of one head that recovery of a segment of so many tokens takes.
int most_recovered_pages(const Recovery& recovery, int tokens, int page_tokens);

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
#include "sched/recovery.h"

#include <algorithm>

namespace redknot {

std::vector<PositionRange> recovered(const Recovery& recovery, const Segment& segment) {
  if (recovery.policy == RecoveryPolicy::kNone) return {};
  PositionRange range;
  for (const PositionRange& page : segment.pages()) {
    if (page.begin < recovery.boundary_tokens) range.end = page.end;
  }
  if (range.empty()) return {};
  return {range};
}

int most_recovered_pages(const Recovery& recovery, int tokens, int page_tokens) {
  if (recovery.policy == RecoveryPolicy::kNone) return 0;
  const int reached = std::min(recovery.boundary_tokens, tokens);
  return (reached + page_tokens - 1) / page_tokens;
}

}  // namespace redknot

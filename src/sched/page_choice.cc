// SPDX-License-Identifier: Apache-2.0
#include "sched/page_choice.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/check.h"

namespace redknot {

std::int64_t tokens_to_recover(const RecoveryOptions& options, std::int64_t tokens) {
  REDKNOT_CHECK(options.ratio && options.least_tokens);
  if (*options.ratio == 0) return 0;
  const auto share = [tokens](double ratio) {
    return static_cast<std::int64_t>(std::ceil(ratio * static_cast<double>(tokens)));
  };
  const std::int64_t least =
      std::min<std::int64_t>(*options.least_tokens, share(kMostRecoveryLeast));
  return std::max(share(*options.ratio), least);
}

std::int64_t tokens_of(std::span<const Candidate> candidates) {
  return std::accumulate(candidates.begin(), candidates.end(), std::int64_t{0},
                         [](std::int64_t sum, const Candidate& one) { return sum + one.tokens(); });
}

std::vector<std::span<const Candidate>> by_segment(std::span<const Candidate> candidates) {
  std::vector<std::span<const Candidate>> segments;
  for (std::size_t first = 0, end = 0; first < candidates.size(); first = end) {
    while (end < candidates.size() && candidates[end].segment == candidates[first].segment) ++end;
    segments.push_back(candidates.subspan(first, end - first));
  }
  return segments;
}

void append_range(PositionRange range, std::vector<PositionRange>& ranges) {
  if (!ranges.empty() && ranges.back().end == range.begin) {
    ranges.back().end = range.end;
  } else {
    ranges.push_back(range);
  }
}

void choose_first(std::span<const Candidate> candidates, std::int64_t tokens,
                  std::vector<PositionRange>& chosen) {
  for (const Candidate& candidate : candidates) {
    if (tokens <= 0) return;
    PositionRange taken = candidate.positions;
    if (candidate.tokens() > tokens) taken.end = taken.begin + static_cast<int>(tokens);
    append_range(taken, chosen);
    tokens -= candidate.tokens();
  }
}

void choose_best(std::span<const Candidate> candidates, std::int64_t tokens,
                 std::vector<PositionRange>& chosen) {
  std::vector<Candidate> best(candidates.begin(), candidates.end());
  std::stable_sort(best.begin(), best.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  std::size_t count = 0;
  for (; count < best.size() && tokens > 0; ++count) {
    PositionRange& taken = best[count].positions;
    if (best[count].tokens() > tokens) taken.end = taken.begin + static_cast<int>(tokens);
    tokens -= best[count].tokens();
  }
  best.resize(count);
  std::sort(best.begin(), best.end(), [](const Candidate& a, const Candidate& b) {
    return a.positions.begin < b.positions.begin;
  });
  for (const Candidate& one : best) append_range(one.positions, chosen);
}

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
#include "sched/page_choice.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/check.h"
#include "kv/page_allocator.h"

namespace redknot {

std::int64_t tokens_to_recover(const RecoveryOptions& options, std::int64_t tokens) {
  REDKNOT_CHECK(options.ratio && options.least_tokens);
  if (*options.ratio == 0) return 0;
  const double share = std::ceil(*options.ratio * static_cast<double>(tokens));
  return std::max<std::int64_t>(static_cast<std::int64_t>(share), *options.least_tokens);
}

std::int64_t tokens_of(std::span<const PageCandidate> candidates) {
  return std::accumulate(
      candidates.begin(), candidates.end(), std::int64_t{0},
      [](std::int64_t sum, const PageCandidate& one) { return sum + one.tokens(); });
}

std::vector<std::span<const PageCandidate>> by_segment(std::span<const PageCandidate> candidates) {
  std::vector<std::span<const PageCandidate>> segments;
  for (std::size_t first = 0, end = 0; first < candidates.size(); first = end) {
    while (end < candidates.size() && candidates[end].segment == candidates[first].segment) ++end;
    segments.push_back(candidates.subspan(first, end - first));
  }
  return segments;
}

void choose_first(std::span<const PageCandidate> candidates, std::int64_t tokens,
                  std::vector<PositionRange>& chosen) {
  for (const PageCandidate& candidate : candidates) {
    if (tokens <= 0) return;
    chosen.push_back(candidate.positions);
    tokens -= candidate.tokens();
  }
}

void choose_best(std::span<const PageCandidate> candidates, std::int64_t tokens,
                 std::vector<PositionRange>& chosen) {
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&candidates](std::size_t a, std::size_t b) {
    return candidates[a].score > candidates[b].score;
  });
  std::size_t count = 0;
  while (count < order.size() && tokens > 0) tokens -= candidates[order[count++]].tokens();
  order.resize(count);
  std::sort(order.begin(), order.end());
  for (const std::size_t i : order) chosen.push_back(candidates[i].positions);
}

int most_pages_by_segment(const RecoveryOptions& options, std::span<const int> segment_tokens,
                          int page_tokens) {
  std::int64_t most = 0, tokens = 0;
  for (const int own : segment_tokens) {
    const std::int64_t pages = pages_for(own, page_tokens);
    // Its last page may hold less than the others.
    most += std::min(pages, pages_for(tokens_to_recover(options, own), page_tokens) + 1);
    tokens += own;
  }
  return tokens_to_recover(options, tokens) == 0 ? 0 : static_cast<int>(most);
}

}  // namespace redknot

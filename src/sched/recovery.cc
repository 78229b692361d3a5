// SPDX-License-Identifier: Apache-2.0
#include "sched/recovery.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "kv/page_allocator.h"

namespace redknot {
namespace {

// Tokens that are recovered of so many.
std::int64_t budget(const Recovery& recovery, std::int64_t tokens) {
  if (recovery.ratio == 0) return 0;
  const double share = std::ceil(recovery.ratio * static_cast<double>(tokens));
  return std::max<std::int64_t>(static_cast<std::int64_t>(share), recovery.least_tokens);
}

std::int64_t tokens_of(std::span<const PageCandidate> candidates) {
  return std::accumulate(
      candidates.begin(), candidates.end(), std::int64_t{0},
      [](std::int64_t sum, const PageCandidate& one) { return sum + one.tokens(); });
}

// Marks candidates in an order until they hold so many tokens.
void mark(std::span<const PageCandidate> candidates, std::span<const std::size_t> order,
          std::int64_t tokens, std::vector<bool>& marks) {
  for (const std::size_t i : order) {
    if (tokens <= 0) return;
    if (marks[i]) continue;
    marks[i] = true;
    tokens -= candidates[i].tokens();
  }
}

// The places of candidates, those with the largest score first, the earlier of equal ones.
std::vector<std::size_t> by_score(std::span<const PageCandidate> candidates) {
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&candidates](std::size_t a, std::size_t b) {
    return candidates[a].score > candidates[b].score;
  });
  return order;
}

// Of the candidates of one segment.
void mark_in_segment(const Recovery& recovery, std::span<const PageCandidate> candidates,
                     std::vector<bool>& marks) {
  const bool fixed = recovery.policy == Recovery::Policy::kBoundary && recovery.boundary_tokens > 0;
  const std::int64_t tokens =
      fixed ? recovery.boundary_tokens : budget(recovery, tokens_of(candidates));
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (recovery.policy == Recovery::Policy::kDeviation) order = by_score(candidates);
  mark(candidates, order, tokens, marks);
}

}  // namespace

Measure measured(const Recovery& recovery) {
  if (recovery.policy == Recovery::Policy::kDeviation) return Measure::kDeviation;
  if (recovery.policy == Recovery::Policy::kKnot) return Measure::kPageMass;
  return Measure::kNothing;
}

bool recomputes(const Recovery& recovery, const HeadPolicy& policy) {
  switch (recovery.policy) {
    case Recovery::Policy::kNone:
      return false;
    case Recovery::Policy::kBoundary:
    case Recovery::Policy::kDeviation:
      return true;
    case Recovery::Policy::kElastic:
      return policy.head_class != HeadClass::kLocal;
    case Recovery::Policy::kKnot:
      return policy.context_bound;
  }
  return false;
}

int deepest_recomputed(const Recovery& recovery, const HeadProfile& profile) {
  for (int head = profile.layers * profile.kv_heads - 1; head >= 0; --head) {
    const HeadPolicy& policy = profile.policies[static_cast<std::size_t>(head)];
    if (recomputes(recovery, policy)) return head / profile.kv_heads;
  }
  return -1;
}

std::vector<PositionRange> choose_pages(const Recovery& recovery,
                                        std::span<const PageCandidate> candidates) {
  std::vector<bool> marks(candidates.size(), recovery.policy == Recovery::Policy::kElastic);
  if (recovery.policy == Recovery::Policy::kKnot) {
    mark(candidates, by_score(candidates), budget(recovery, tokens_of(candidates)), marks);
  }
  if (recovery.policy == Recovery::Policy::kBoundary ||
      recovery.policy == Recovery::Policy::kDeviation) {
    for (std::size_t first = 0, end = 0; first < candidates.size(); first = end) {
      while (end < candidates.size() && candidates[end].segment == candidates[first].segment) ++end;
      std::vector<bool> own(end - first);
      mark_in_segment(recovery, candidates.subspan(first, end - first), own);
      std::copy(own.begin(), own.end(), marks.begin() + static_cast<std::ptrdiff_t>(first));
    }
  }
  std::vector<PositionRange> chosen;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (marks[i]) chosen.push_back(candidates[i].positions);
  }
  return chosen;
}

int most_recovered_pages(const Recovery& recovery, std::span<const int> segment_tokens,
                         int page_tokens) {
  std::int64_t all = 0, most = 0, tokens = 0;
  for (const int own : segment_tokens) {
    const std::int64_t pages = pages_for(own, page_tokens);
    const bool fixed = recovery.boundary_tokens > 0;
    const std::int64_t wanted = recovery.policy == Recovery::Policy::kBoundary && fixed
                                    ? pages_for(recovery.boundary_tokens, page_tokens)
                                    // Its last page may hold less than the others.
                                    : pages_for(budget(recovery, own), page_tokens) + 1;
    all += pages;
    most += std::min(pages, wanted);
    tokens += own;
  }
  switch (recovery.policy) {
    case Recovery::Policy::kNone:
      return 0;
    case Recovery::Policy::kElastic:
      return static_cast<int>(all);
    case Recovery::Policy::kKnot:
      most = pages_for(budget(recovery, tokens), page_tokens) +
             static_cast<std::int64_t>(segment_tokens.size());
      break;
    case Recovery::Policy::kBoundary:
    case Recovery::Policy::kDeviation:
      break;
  }
  return static_cast<int>(
      std::min(all, budget(recovery, tokens) == 0 && recovery.boundary_tokens == 0 ? 0 : most));
}

}  // namespace redknot

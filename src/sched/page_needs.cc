// SPDX-License-Identifier: Apache-2.0
#include "sched/page_needs.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/check.h"
#include "kv/peak_pages.h"
#include "sched/recovery_strategy.h"

namespace redknot {
namespace {

int saturated(std::int64_t count) {
  return static_cast<int>(std::min<std::int64_t>(count, std::numeric_limits<int>::max()));
}

}  // namespace

PageCounts own_pages(const HeadProfile& profile, const PageShape& shape,
                     std::span<const SequencePart> parts, int max_tokens, int chunk_tokens,
                     const RecoveryOptions& recovery) {
  REDKNOT_CHECK(max_tokens >= 0 && chunk_tokens >= 1);
  const RecoveryStrategy& strategy = strategy_of(recovery.policy);
  // Every part begins a page of its own, so that parts add up.
  PageCounts pages{};
  int recovered = 0;
  std::vector<int> group;  // tokens of segments whose pages are chosen together
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].segment) {
      group.push_back(parts[i].tokens());
      if (strategy.looks_with_question() && end_of_group(parts, i) > i + 1) continue;
      recovered += strategy.most_pages(recovery, group, shape.page_tokens);
      group.clear();
      continue;
    }
    const std::int64_t all =
        std::int64_t{parts[i].tokens()} + (i + 1 == parts.size() ? max_tokens : 0);
    // Nothing of what recovery looks with is forgotten until it has been computed again.
    const bool looks = strategy.looks_with_question() && i > 0;
    const int kept = looks ? std::min(parts[i].tokens(), kMostQuestionTokens) : 0;
    pages = sum(pages, peak_pages(profile, shape, saturated(all), std::max(chunk_tokens, kept)));
  }
  for (const HeadPolicy& policy : profile.policies) {
    PageCounts more{};
    more[index_of(policy.kv_format)] = strategy.recomputes(policy) ? recovered : 0;
    pages = sum(pages, more);
  }
  return pages;
}

PageCounts answer_pages(const HeadProfile& profile, const PageShape& shape,
                        std::span<const SequencePart> parts, int max_tokens, int chunk_tokens) {
  const int last = parts.back().tokens();
  const int all = saturated(std::int64_t{last} + max_tokens);
  const int shared = (last - 1) / shape.page_tokens;
  PageCounts pages = peak_pages(profile, shape, all, chunk_tokens);
  for (const HeadPolicy& policy : profile.policies) {
    if (keeps_everything(policy)) pages[index_of(policy.kv_format)] -= shared;
  }
  return pages;
}

PageCounts segment_pages(const HeadProfile& profile, const PageShape& shape, int tokens) {
  PageCounts pages{};
  for (const HeadPolicy& policy : profile.policies) {
    PageCounts more{};
    more[index_of(policy.kv_format)] = saturated(pages_for(tokens, shape.page_tokens));
    pages = sum(pages, more);
  }
  return pages;
}

}  // namespace redknot

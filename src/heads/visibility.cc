// SPDX-License-Identifier: Apache-2.0
#include "heads/visibility.h"

#include <algorithm>

#include "base/check.h"

namespace redknot {
namespace {

// What the policy keeps of positions [0, end) for a query at `position`.
VisibleRange seen_before(const HeadPolicy& policy, int position, int end) {
  const VisibleRange everything{.sink = {}, .recent = {0, end}};
  if (policy.head_class == HeadClass::kGlobal) return everything;
  REDKNOT_DCHECK(policy.window_tokens >= 1 && policy.sink_tokens >= 0);
  const int window_begin = std::max(0, position - policy.window_tokens + 1);
  const int sink_end = std::min(policy.sink_tokens, end);
  if (window_begin <= sink_end) return everything;
  return {.sink = {0, sink_end}, .recent = {window_begin, end}};
}

}  // namespace

VisibleRange visible(const HeadPolicy& policy, int position) {
  REDKNOT_DCHECK(position >= 0);
  return seen_before(policy, position, position + 1);
}

VisibleRange still_needed(const HeadPolicy& policy, int position) {
  REDKNOT_DCHECK(position >= 0);
  if (keeps_everything(policy)) return {.sink = {}, .recent = {0, position}};
  return seen_before(policy, position, position);
}

int selected_pages(const HeadPolicy& policy) {
  return policy.head_class == HeadClass::kRetrieval ? policy.top_pages : 0;
}

bool selects_pages(const HeadProfile& profile) {
  return std::any_of(profile.policies.begin(), profile.policies.end(),
                     [](const HeadPolicy& policy) { return selected_pages(policy) > 0; });
}

std::int64_t most_attended(const HeadPolicy& policy, std::int64_t tokens, int page_tokens) {
  if (policy.head_class == HeadClass::kGlobal) return tokens;
  const std::int64_t seen = std::int64_t{policy.sink_tokens} + policy.window_tokens +
                            std::int64_t{selected_pages(policy)} * page_tokens;
  return std::min(tokens, seen);
}

bool keeps_everything(const HeadPolicy& policy) { return policy.head_class != HeadClass::kLocal; }

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
#include "kv/peak_pages.h"

#include <algorithm>

#include "base/check.h"
#include "heads/visibility.h"
#include "kv/page_sum.h"

namespace redknot {
namespace {

// Most pages that `tokens` > 0 consecutive tokens touch, wherever they start.
std::int64_t pages_touched(std::int64_t tokens, int page_tokens) {
  return 1 + pages_for(tokens - 1, page_tokens);
}

}  // namespace

// Its sink, what the window still held when the last chunk began, and the chunk; or all of the
// sequence, if that is less.
std::int64_t peak_pages_of_head(const HeadPolicy& policy, int page_tokens, int tokens,
                                int chunk_tokens) {
  const std::int64_t all = pages_for(tokens, page_tokens);
  if (tokens == 0 || keeps_everything(policy)) return all;
  const std::int64_t recent = std::int64_t{policy.window_tokens} + chunk_tokens;
  return std::min(all,
                  pages_for(policy.sink_tokens, page_tokens) + pages_touched(recent, page_tokens));
}

PageCounts peak_pages(const HeadProfile& profile, const PageShape& shape, int tokens,
                      int chunk_tokens) {
  REDKNOT_CHECK(tokens >= 0 && chunk_tokens >= 1);
  PageSum sum;
  for (const HeadPolicy& policy : profile.policies) {
    sum.add(policy.kv_format, peak_pages_of_head(policy, shape.page_tokens, tokens, chunk_tokens));
  }
  return sum.total();
}

}  // namespace redknot

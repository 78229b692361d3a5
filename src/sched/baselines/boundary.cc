// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kv/page_allocator.h"
#include "sched/baselines/baselines.h"

namespace redknot::baselines {
namespace {

class BoundaryRecovery final : public RecoveryStrategy {
 public:
  bool recomputes(const HeadPolicy& /*policy*/) const override { return true; }

  bool chooses_any(const RecoveryOptions& options) const override {
    return *options.ratio > 0 || options.boundary_tokens > 0;
  }

  std::vector<PositionRange> choose_pages(
      const RecoveryOptions& options, std::span<const PageCandidate> candidates) const override {
    std::vector<PositionRange> chosen;
    for (const std::span<const PageCandidate> segment : by_segment(candidates)) {
      const std::int64_t tokens = options.boundary_tokens > 0
                                      ? options.boundary_tokens
                                      : tokens_to_recover(options, tokens_of(segment));
      choose_first(segment, tokens, chosen);
    }
    return chosen;
  }

  int most_pages(const RecoveryOptions& options, std::span<const int> segment_tokens,
                 int page_tokens) const override {
    if (options.boundary_tokens == 0) {
      return most_pages_by_segment(options, segment_tokens, page_tokens);
    }
    std::int64_t most = 0;
    for (const int tokens : segment_tokens) {
      most += pages_for(std::min(tokens, options.boundary_tokens), page_tokens);
    }
    return static_cast<int>(most);
  }
};

}  // namespace

const RecoveryStrategy& boundary_strategy() {
  static const BoundaryRecovery strategy;
  return strategy;
}

}  // namespace redknot::baselines

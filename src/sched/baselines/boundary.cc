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

  std::vector<PositionRange> choose(const RecoveryOptions& options,
                                    std::span<const Candidate> candidates) const override {
    std::vector<PositionRange> chosen;
    for (const std::span<const Candidate> segment : by_segment(candidates)) {
      choose_first(segment, first_tokens(options, tokens_of(segment)), chosen);
    }
    return chosen;
  }

  int most_pages(const RecoveryOptions& options, std::span<const int> segment_tokens,
                 int page_tokens) const override {
    std::int64_t most = 0;
    for (const int tokens : segment_tokens) {
      most += pages_for(std::min<std::int64_t>(tokens, first_tokens(options, tokens)), page_tokens);
    }
    return static_cast<int>(most);
  }

 private:
  static std::int64_t first_tokens(const RecoveryOptions& options, std::int64_t tokens) {
    if (options.boundary_tokens > 0) return options.boundary_tokens;
    return tokens_to_recover(options, tokens);
  }
};

}  // namespace

const RecoveryStrategy& boundary_strategy() {
  static const BoundaryRecovery strategy;
  return strategy;
}

}  // namespace redknot::baselines

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kv/page_allocator.h"
#include "sched/baselines/baselines.h"

namespace redknot::baselines {
namespace {

class DeviationRecovery final : public RecoveryStrategy {
 public:
  bool recomputes(const HeadPolicy& /*policy*/) const override { return true; }

  bool chooses_any(const RecoveryOptions& options) const override { return *options.ratio > 0; }

  Measure measure() const override { return Measure::kDeviation; }

  int candidate_tokens(int /*page_tokens*/) const override { return 1; }

  void add_scores(const FirstPassResult& result, std::span<Candidate> candidates) const override {
    auto candidate = candidates.begin();
    for (std::size_t row = 0; row < result.positions.size(); ++row) {
      while (candidate->positions.end <= result.positions[row]) ++candidate;
      const float deviation = result.deviations[row];
      if (std::isfinite(deviation)) candidate->score = deviation;
    }
  }

  std::vector<PositionRange> choose(const RecoveryOptions& options,
                                    std::span<const Candidate> candidates) const override {
    std::vector<PositionRange> chosen;
    for (const std::span<const Candidate> segment : by_segment(candidates)) {
      choose_best(segment, tokens_to_recover(options, tokens_of(segment)), chosen);
    }
    return chosen;
  }

  int most_pages(const RecoveryOptions& options, std::span<const int> segment_tokens,
                 int page_tokens) const override {
    // No two need lie in one page.
    std::int64_t most = 0;
    for (const int tokens : segment_tokens) {
      most += std::min(pages_for(tokens, page_tokens), tokens_to_recover(options, tokens));
    }
    return static_cast<int>(most);
  }
};

}  // namespace

const RecoveryStrategy& deviation_strategy() {
  static const DeviationRecovery strategy;
  return strategy;
}

}  // namespace redknot::baselines

// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstddef>

#include "sched/baselines/baselines.h"

namespace redknot::baselines {
namespace {

class DeviationRecovery final : public RecoveryStrategy {
 public:
  bool recomputes(const HeadPolicy& /*policy*/) const override { return true; }

  bool chooses_any(const RecoveryOptions& options) const override { return *options.ratio > 0; }

  Measure measure() const override { return Measure::kDeviation; }

  // Rows are added up in their order, so that the sum does not depend on how they were cut into
  // steps.
  void add_scores(const FirstPassResult& result,
                  std::span<PageCandidate> candidates) const override {
    auto candidate = candidates.begin();
    for (std::size_t row = 0; row < result.positions.size(); ++row) {
      while (candidate->positions.end <= result.positions[row]) ++candidate;
      const float deviation = result.deviations[row];
      if (std::isfinite(deviation)) candidate->score += deviation;
    }
  }

  std::vector<PositionRange> choose_pages(
      const RecoveryOptions& options, std::span<const PageCandidate> candidates) const override {
    std::vector<PositionRange> chosen;
    for (const std::span<const PageCandidate> segment : by_segment(candidates)) {
      choose_best(segment, tokens_to_recover(options, tokens_of(segment)), chosen);
    }
    return chosen;
  }

  int most_pages(const RecoveryOptions& options, std::span<const int> segment_tokens,
                 int page_tokens) const override {
    return most_pages_by_segment(options, segment_tokens, page_tokens);
  }
};

}  // namespace

const RecoveryStrategy& deviation_strategy() {
  static const DeviationRecovery strategy;
  return strategy;
}

}  // namespace redknot::baselines

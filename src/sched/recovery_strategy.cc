// SPDX-License-Identifier: Apache-2.0
#include "sched/recovery_strategy.h"

#include "base/check.h"
#include "sched/baselines/baselines.h"

namespace redknot {
namespace {

// Segments stay as they were computed.
class NoRecovery final : public RecoveryStrategy {
 public:
  bool recomputes(const HeadPolicy& /*policy*/) const override { return false; }
  bool chooses_any(const RecoveryOptions& /*options*/) const override { return false; }
  std::vector<PositionRange> choose(const RecoveryOptions& /*options*/,
                                    std::span<const Candidate> /*candidates*/) const override {
    return {};
  }
  int most_pages(const RecoveryOptions& /*options*/, std::span<const int> /*segment_tokens*/,
                 int /*page_tokens*/) const override {
    return 0;
  }
};

}  // namespace

int RecoveryStrategy::deepest_recomputed(const HeadProfile& profile) const {
  for (int head = profile.layers * profile.kv_heads - 1; head >= 0; --head) {
    if (recomputes(profile.policies[static_cast<std::size_t>(head)])) {
      return head / profile.kv_heads;
    }
  }
  return -1;
}

RecoveryOptions with_defaults(RecoveryOptions options) {
  const RecoveryPolicy policy = options.policy;
  if (policy != RecoveryPolicy::kKnot) {
    options.least_tokens = 0;
  } else if (!options.least_tokens) {
    options.least_tokens = options.ratio ? 0 : kDefaultRecoveryTokens;
  }
  const bool reads_ratio = policy != RecoveryPolicy::kNone && policy != RecoveryPolicy::kElastic;
  options.ratio = reads_ratio ? options.ratio.value_or(kDefaultRecoveryRatio) : 0;
  if (policy != RecoveryPolicy::kBoundary) options.boundary_tokens = 0;
  if (policy != RecoveryPolicy::kElastic) options.elastic = {};
  return options;
}

const RecoveryStrategy& strategy_of(RecoveryPolicy policy) {
  static const NoRecovery none;
  switch (policy) {
    case RecoveryPolicy::kNone:
      return none;
    case RecoveryPolicy::kBoundary:
      return baselines::boundary_strategy();
    case RecoveryPolicy::kDeviation:
      return baselines::deviation_strategy();
    case RecoveryPolicy::kElastic:
      return baselines::elastic_strategy();
    case RecoveryPolicy::kKnot:
      return knot_strategy();
  }
  REDKNOT_CHECK(false);
}

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>

#include "kv/page_allocator.h"
#include "sched/baselines/baselines.h"

namespace redknot::baselines {
namespace {

// What a layer is told, made of the options.
SparseFfn sparse_ffn(const ElasticOptions& elastic) {
  SparseFfn sparse{.dense_until = elastic.dense_until,
                   .mass = static_cast<float>(elastic.mass),
                   .mass_deep = static_cast<float>(elastic.mass_deep)};
  if (elastic.deep_start >= 0) sparse.deep_start = elastic.deep_start;
  return sparse;
}

class ElasticRecovery final : public RecoveryStrategy {
 public:
  bool recomputes(const HeadPolicy& policy) const override {
    return policy.head_class != HeadClass::kLocal;
  }

  bool chooses_any(const RecoveryOptions& /*options*/) const override { return true; }

  // Pages apart from each other, as their rows are.
  std::vector<PositionRange> choose(const RecoveryOptions& /*options*/,
                                    std::span<const Candidate> candidates) const override {
    std::vector<PositionRange> all;
    for (const Candidate& candidate : candidates) all.push_back(candidate.positions);
    return all;
  }

  int most_pages(const RecoveryOptions& /*options*/, std::span<const int> segment_tokens,
                 int page_tokens) const override {
    std::int64_t pages = 0;
    for (const int tokens : segment_tokens) pages += pages_for(tokens, page_tokens);
    return static_cast<int>(pages);
  }

  // Rows of a page compete with each other; the last tokens of the segment pass in any case.
  std::optional<FfnGroup> ffn_group(const RecoveryOptions& options, PositionRange page,
                                    PositionRange segment, int layers) const override {
    const SparseFfn sparse = sparse_ffn(options.elastic);
    const bool all_pass =
        sparse.mass >= 1.0f && (sparse.mass_deep >= 1.0f || sparse.deep_start >= layers);
    if (all_pass) return std::nullopt;
    const int recent = std::max(page.begin, segment.end - options.elastic.recent_tokens);
    return FfnGroup{.rows = page.end - page.begin,
                    .recent_rows = std::max(0, page.end - recent),
                    .sparse = sparse};
  }

  int least_step_tokens(int page_tokens) const override { return page_tokens; }
};

}  // namespace

const RecoveryStrategy& elastic_strategy() {
  static const ElasticRecovery strategy;
  return strategy;
}

}  // namespace redknot::baselines

// SPDX-License-Identifier: Apache-2.0
#include "profiler/head_effects.h"

#include <span>

#include "base/check.h"

namespace redknot {
namespace {

class Search {
 public:
  Search(const HeadProfile& dense, const EffectOptions& options, const MeasureKl& measure)
      : dense_(dense), options_(options), measure_(measure), found_(dense.policies.size()) {}

  Status run(std::span<const int> heads) {
    HeadProfile profile = dense_;
    for (const int head : heads) {
      HeadPolicy& policy = profile.policies[static_cast<std::size_t>(head)];
      const KvFormat format = policy.kv_format;
      policy = options_.trial;
      policy.kv_format = format;
    }
    REDKNOT_TRY(const double kl, measure_(profile));
    if (heads.size() == 1 || kl <= options_.negligible_kl) {
      for (const int head : heads) {
        found_[static_cast<std::size_t>(head)] = {kl, static_cast<int>(heads.size())};
      }
      return Done{};
    }
    const std::size_t half = heads.size() / 2;
    REDKNOT_RETURN_IF_ERROR(run(heads.first(half)));
    return run(heads.subspan(half));
  }

  std::vector<HeadEffect> take() { return std::move(found_); }

 private:
  const HeadProfile& dense_;
  const EffectOptions& options_;
  const MeasureKl& measure_;
  std::vector<HeadEffect> found_;
};

}  // namespace

Result<std::vector<HeadEffect>> find_effects(const HeadProfile& dense, const EffectOptions& options,
                                             const MeasureKl& measure) {
  REDKNOT_CHECK(options.order.size() == dense.policies.size());
  if (options.order.empty()) return std::vector<HeadEffect>();
  Search search(dense, options, measure);
  REDKNOT_RETURN_IF_ERROR(search.run(options.order));
  return search.take();
}

}  // namespace redknot

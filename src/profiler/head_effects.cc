// SPDX-License-Identifier: Apache-2.0
#include "profiler/head_effects.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

class Search {
 public:
  Search(const HeadProfile& dense, const EffectOptions& options, const KlOfProfiles& kl_of)
      : dense_(dense), options_(options), kl_of_(kl_of), found_(dense.policies.size()) {}

  Result<std::vector<HeadEffect>> search() {
    std::vector<Group> level;
    for (std::size_t first = 0; first < options_.order.size(); first += options_.first_group) {
      const std::size_t count = std::min(options_.first_group, options_.order.size() - first);
      level.push_back(std::span(options_.order).subspan(first, count));
    }
    while (!level.empty()) {
      std::vector<Group> halves;
      for (std::size_t first = 0; first < level.size(); first += options_.most_at_once) {
        const std::size_t count = std::min(options_.most_at_once, level.size() - first);
        REDKNOT_RETURN_IF_ERROR(try_groups(std::span(level).subspan(first, count), halves));
      }
      level = std::move(halves);
    }
    return std::move(found_);
  }

 private:
  using Group = std::span<const int>;

  HeadProfile changed(Group heads) const {
    HeadProfile profile = dense_;
    for (const int head : heads) {
      change(profile.policies[static_cast<std::size_t>(head)]);
    }
    return profile;
  }

  void change(HeadPolicy& policy) const {
    if (options_.change) return options_.change(policy);
    const KvFormat format = policy.kv_format;
    policy = options_.trial;
    policy.kv_format = format;
  }

  // Finds the effects of the groups; those to be taken apart add their halves.
  Status try_groups(std::span<const Group> groups, std::vector<Group>& halves) {
    std::vector<HeadProfile> profiles;
    for (const Group& heads : groups) profiles.push_back(changed(heads));
    REDKNOT_TRY(const std::vector<double> kls, kl_of_(profiles));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const Group& heads = groups[i];
      if (heads.size() > 1 && kls[i] > options_.negligible_kl) {
        halves.push_back(heads.first(heads.size() / 2));
        halves.push_back(heads.subspan(heads.size() / 2));
        continue;
      }
      for (const int head : heads) {
        found_[static_cast<std::size_t>(head)] = {kls[i], static_cast<int>(heads.size())};
      }
    }
    return Done{};
  }

  const HeadProfile& dense_;
  const EffectOptions& options_;
  const KlOfProfiles& kl_of_;
  std::vector<HeadEffect> found_;
};

}  // namespace

Result<std::vector<HeadEffect>> find_effects(const HeadProfile& dense, const EffectOptions& options,
                                             const KlOfProfiles& kl_of) {
  REDKNOT_CHECK(options.order.size() == dense.policies.size() && options.most_at_once > 0);
  REDKNOT_CHECK(options.first_group > 0);
  return Search(dense, options, kl_of).search();
}

}  // namespace redknot

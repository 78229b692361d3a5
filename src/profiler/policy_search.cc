// SPDX-License-Identifier: Apache-2.0
#include "profiler/policy_search.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

class Search {
 public:
  Search(const HeadProfile& dense, const std::vector<HeadEffect>& effects,
         const PolicySearchOptions& options, const MeasureTrial& measure)
      : options_(options), measure_(measure), order_(dense.policies.size()) {
    result_.profile = dense;
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    // A group's effect counts for each of its heads by its share.
    const auto share = [&](std::size_t i) { return effects[i].kl / effects[i].group_size; };
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return share(a) < share(b); });
  }

  Result<PolicySearchResult> run() {
    REDKNOT_RETURN_IF_ERROR(try_profile(result_.profile));
    for (const KvFormat format : options_.formats) {
      REDKNOT_RETURN_IF_ERROR(
          try_set(order_, [&](HeadPolicy& policy) { policy.kv_format = format; }));
    }
    REDKNOT_RETURN_IF_ERROR(most_local());
    REDKNOT_RETURN_IF_ERROR(widen_the_rest());
    REDKNOT_RETURN_IF_ERROR(narrow());
    return std::move(result_);
  }

 private:
  using Heads = std::span<const std::size_t>;

  // Measures, and keeps the profile if it is within the budget and not larger.
  Result<bool> try_profile(const HeadProfile& profile) {
    REDKNOT_TRY(const ProfileTrial trial, measure_(profile));
    const bool first = result_.trials.empty();
    result_.trials.push_back(trial);
    const bool holds = trial.divergence.kl_mean <= options_.budget_kl &&
                       (first || trial.kv_bytes < result_.trial.kv_bytes);
    if (first || holds) {
      result_.profile = profile;
      result_.trial = trial;
    }
    return holds;
  }

  template <typename Change>
  Result<bool> try_set(Heads heads, const Change& change) {
    HeadProfile profile = result_.profile;
    for (const std::size_t head : heads) change(profile.policies[head]);
    return try_profile(profile);
  }

  static void make_local(HeadPolicy& policy, const HeadPolicy& trial, int window) {
    policy.head_class = HeadClass::kLocal;
    policy.sink_tokens = trial.sink_tokens;
    policy.window_tokens = window;
  }

  // The largest number of heads, in order, that may be local; by halving.
  Status most_local() {
    std::size_t fits = 0, too_many = order_.size() + 1;
    while (fits + 1 < too_many) {
      const std::size_t count =
          fits == 0 && too_many > order_.size() ? order_.size() : (fits + too_many) / 2;
      REDKNOT_TRY(const bool holds, try_set(Heads(order_).first(count), [&](HeadPolicy& policy) {
                    make_local(policy, options_.trial, options_.trial.window_tokens);
                  }));
      (holds ? fits : too_many) = count;
    }
    local_ = fits;
    return Done{};
  }

  // The smallest larger window of each head that is left, in order, until one head has none.
  Status widen_the_rest() {
    for (; local_ < order_.size(); ++local_) {
      bool found = false;
      for (const int window : options_.windows) {
        if (window <= options_.trial.window_tokens || found) continue;
        REDKNOT_TRY(found, try_set(Heads(order_).subspan(local_, 1), [&](HeadPolicy& policy) {
                      make_local(policy, options_.trial, window);
                    }));
      }
      if (!found) return Done{};
    }
    return Done{};
  }

  // Smaller windows for as many local heads as the budget leaves: all, or those that come first.
  Status narrow() {
    std::vector<int> smaller;
    for (const int window : options_.windows) {
      if (window < options_.trial.window_tokens) smaller.push_back(window);
    }
    std::size_t count = local_;
    for (auto window = smaller.rbegin(); window != smaller.rend() && count > 0; ++window) {
      bool holds = false;
      for (; count > 0 && !holds; count = holds ? count : count / 2) {
        REDKNOT_TRY(holds, try_set(Heads(order_).first(count), [&](HeadPolicy& policy) {
                      make_local(policy, options_.trial, *window);
                    }));
      }
    }
    return Done{};
  }

  const PolicySearchOptions& options_;
  const MeasureTrial& measure_;
  std::vector<std::size_t> order_;  // heads, those of least effect first
  std::size_t local_ = 0;           // of them, from the first
  PolicySearchResult result_;
};

}  // namespace

Result<PolicySearchResult> search_policies(const HeadProfile& dense,
                                           const std::vector<HeadEffect>& effects,
                                           const PolicySearchOptions& options,
                                           const MeasureTrial& measure) {
  REDKNOT_CHECK(effects.size() == dense.policies.size());
  return Search(dense, effects, options, measure).run();
}

}  // namespace redknot

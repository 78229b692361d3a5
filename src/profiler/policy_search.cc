// SPDX-License-Identifier: Apache-2.0
#include "profiler/policy_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "heads/visibility.h"

namespace redknot {
namespace {

// A divergence of so much of the budget is good enough to end with.
constexpr double kEnough = 0.93;
// What a trial aims at, and how far the next one may go from the last.
constexpr double kAim = 0.97, kFarthest = 6;

class Search {
 public:
  Search(const HeadProfile& dense, PolicySearchOptions options)
      : options_(std::move(options)), dense_(dense) {
    dense_cost_ = costs(dense);
    for (std::vector<HeadOption>& head : options_.heads) {
      for (HeadOption& option : head) option.cost = cost(costs(one_head(option.policy)));
    }
    without_selecting_ = options_.heads;
    for (std::vector<HeadOption>& head : without_selecting_) {
      std::erase_if(head, [](const HeadOption& o) { return selected_pages(o.policy) > 0; });
    }
  }

  Result<PolicySearchResult> search() {
    REDKNOT_TRY(result_.trial, tried(dense_));
    result_.profile = dense_;
    double allowed = options_.budget_kl;
    for (int trial = 0; trial < options_.most_trials && allowed > 0; ++trial) {
      HeadProfile profile = choose(allowed);
      if (profile == last_ || profile == result_.profile) break;
      last_ = profile;
      REDKNOT_TRY(const ProfileTrial found, tried(profile));
      const double kl = found.divergence.kl_mean;
      const bool holds = kl <= options_.budget_kl;  // not NaN
      (holds ? enough_ : too_much_) = allowed;
      if (holds && cost(found) < cost(result_.trial)) {
        result_.profile = std::move(profile);
        result_.trial = found;
      }
      if (holds && kl >= kEnough * options_.budget_kl) break;
      allowed = next(allowed, kl);
    }
    return std::move(result_);
  }

 private:
  static HeadProfile one_head(const HeadPolicy& policy) { return uniform_profile(1, 1, policy); }

  ProfileTrial costs(const HeadProfile& profile) const {
    return {.kv_bytes = options_.bytes(profile), .kv_bytes_read = options_.bytes_read(profile)};
  }

  // Shares of what dense attention takes.
  double cost(const ProfileTrial& trial) const {
    const auto share = [](std::size_t part, std::size_t whole) {
      return static_cast<double>(part) / static_cast<double>(std::max<std::size_t>(whole, 1));
    };
    return share(trial.kv_bytes, dense_cost_.kv_bytes) +
           kReadingWeight * share(trial.kv_bytes_read, dense_cost_.kv_bytes_read);
  }

  Result<ProfileTrial> tried(const HeadProfile& profile) {
    ProfileTrial trial = costs(profile);
    REDKNOT_TRY(trial.divergence, options_.divergence(profile));
    result_.trials.push_back(trial);
    return trial;
  }

  HeadProfile chosen(const std::vector<std::vector<HeadOption>>& heads, double allowed) const {
    HeadProfile profile = dense_;
    const std::vector<std::size_t> choice = choose_options(heads, allowed);
    for (std::size_t i = 0; i < choice.size(); ++i) {
      profile.policies[i] = heads[i][choice[i]].policy;
    }
    return profile;
  }

  // One head that selects pages puts key bounds into the pages of all, which no option's cost can
  // have: so the choice is made with such options and without.
  HeadProfile choose(double allowed) const {
    HeadProfile with = chosen(options_.heads, allowed);
    HeadProfile without = chosen(without_selecting_, allowed);
    return cost(costs(with)) < cost(costs(without)) ? with : without;
  }

  // The divergence grows about as what the estimates add up to.
  double next(double allowed, double kl) const {
    const double factor = std::isfinite(kl) && kl > 0 ? kAim * options_.budget_kl / kl
                          : std::isfinite(kl)         ? kFarthest
                                                      : 0;
    const double aimed = allowed * std::clamp(factor, 1 / kFarthest, kFarthest);
    if (aimed > enough_ && aimed < too_much_) return aimed;
    if (!std::isfinite(too_much_)) return enough_ * 2;
    return enough_ > 0 ? std::sqrt(enough_ * too_much_) : too_much_ / 4;
  }

  PolicySearchOptions options_;
  const HeadProfile& dense_;
  std::vector<std::vector<HeadOption>> without_selecting_;
  ProfileTrial dense_cost_;
  // What the estimates may add up to: the most that held the budget, the least that did not.
  double enough_ = 0, too_much_ = std::numeric_limits<double>::infinity();
  HeadProfile last_;
  PolicySearchResult result_;
};

}  // namespace

Result<PolicySearchResult> search_policies(const HeadProfile& dense, PolicySearchOptions options) {
  REDKNOT_CHECK(options.heads.size() == dense.policies.size());
  REDKNOT_CHECK(options.bytes && options.bytes_read && options.divergence);
  return Search(dense, std::move(options)).search();
}

}  // namespace redknot

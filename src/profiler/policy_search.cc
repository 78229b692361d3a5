// SPDX-License-Identifier: Apache-2.0
#include "profiler/policy_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/check.h"
#include "heads/visibility.h"

namespace redknot {
namespace {

// A divergence of so much of the budget is good enough to end with.
constexpr double kEnough = 0.93;
// What a choice aims at, and how far what estimates are worth may go from one trial to the next.
constexpr double kAim = 0.97, kFarthest = 6;
// So near to a choice that was too much, in cost, is near enough, too.
constexpr double kNear = 0.01;

// What estimates add up to.
struct Sum {
  double reads = 0, formats = 0;
};

class Search {
 public:
  Search(const HeadProfile& dense, PolicySearchOptions options)
      : options_(std::move(options)), dense_(dense) {
    dense_cost_ = costs(dense);
    for (std::vector<HeadOption>& head : options_.heads) {
      for (HeadOption& option : head) option.cost = cost(costs(one_head(option.policy)));
    }
  }

  Result<PolicySearchResult> search() {
    REDKNOT_TRY(result_.trial, tried(dense_));
    result_.profile = dense_;
    if (options_.budget_kl <= 0) return std::move(result_);
    if (options_.worth) {
      worth_ = *options_.worth;
    } else {
      REDKNOT_RETURN_IF_ERROR(try_formats());
    }
    for (int trial = 0; trial < options_.most_trials; ++trial) {
      const Choice choice = choose();
      if (!seen_.insert(choice.options).second) break;
      REDKNOT_TRY(const ProfileTrial found, tried(choice.profile));
      const double kl = found.divergence.kl_mean;
      const bool holds = kl <= options_.budget_kl;  // not NaN
      if (holds && cost(found) < cost(result_.trial)) {
        result_.profile = choice.profile;
        result_.trial = found;
        result_.worth = worth_;
      }
      (holds ? held_ : failed_) = {worth_.reads, cost(found)};
      if (holds && kl >= kEnough * options_.budget_kl) break;
      if (held_.cost - failed_.cost < kNear * held_.cost) break;
      learn(sum_of(choice.options), kl);
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

  // An option for each head, and the profile that they make.
  struct Choice {
    std::vector<std::size_t> options{};
    HeadProfile profile{};
  };

  Choice choice_of(std::vector<std::size_t> options) const {
    Choice choice{.options = std::move(options), .profile = dense_};
    for (std::size_t i = 0; i < choice.options.size(); ++i) {
      choice.profile.policies[i] = options_.heads[i][choice.options[i]].policy;
    }
    return choice;
  }

  Sum sum_of(const std::vector<std::size_t>& options) const {
    Sum sum;
    for (std::size_t i = 0; i < options.size(); ++i) {
      const HeadOption& option = options_.heads[i][options[i]];
      sum.formats += option.format_kl;
      sum.reads += option.kl - option.format_kl;
    }
    return sum;
  }

  // All heads in the format that costs the least, and read everything: what formats are worth.
  Status try_formats() {
    std::vector<std::size_t> options;
    for (const std::vector<HeadOption>& head : options_.heads) {
      std::size_t least = 0;
      for (std::size_t i = 1; i < head.size(); ++i) {
        if (keeps_everything(head[i].policy) && selected_pages(head[i].policy) == 0 &&
            head[i].cost < head[least].cost) {
          least = i;
        }
      }
      options.push_back(least);
    }
    const Sum sum = sum_of(options);
    if (sum.formats <= 0) return Done{};
    REDKNOT_TRY(const ProfileTrial found, tried(choice_of(options).profile));
    const double kl = found.divergence.kl_mean;
    if (kl > 0) worth_.formats = std::clamp(kl / sum.formats, 1 / kFarthest, kFarthest);
    return Done{};
  }

  // One head that selects pages puts key bounds into the pages of all, which no option's cost can
  // have: so the choice is made with such options and without.
  Choice choose() const {
    std::vector<std::vector<HeadOption>> priced = options_.heads;
    for (std::vector<HeadOption>& head : priced) {
      for (HeadOption& option : head) {
        option.kl =
            worth_.reads * (option.kl - option.format_kl) + worth_.formats * option.format_kl;
      }
    }
    const double aim = kAim * options_.budget_kl;
    Choice with = choice_of(choose_options(priced, aim));
    if (!selects_pages(with.profile)) return with;
    for (std::size_t i = 0; i < priced.size(); ++i) {
      for (HeadOption& option : priced[i]) {
        if (selected_pages(option.policy) > 0) option.kl = 2 * aim;  // too much for any choice
      }
    }
    Choice without = choice_of(choose_options(priced, aim));
    return cost(costs(with.profile)) < cost(costs(without.profile)) ? with : without;
  }

  // What formats are worth is known; all else is what reads are worth.
  void learn(Sum sum, double kl) {
    double worth = kFarthest;  // not finite: far too much
    if (std::isfinite(kl) && sum.reads > 0) {
      worth = (kl - worth_.formats * sum.formats) / (worth_.reads * sum.reads);
    } else if (std::isfinite(kl)) {
      worth = 1 / kFarthest;
    }
    worth_.reads *= std::clamp(worth, 1 / kFarthest, kFarthest);
    const bool between = worth_.reads > failed_.worth && worth_.reads < held_.worth;
    if (!between && std::isfinite(held_.worth) && failed_.worth > 0) {
      worth_.reads = std::sqrt(held_.worth * failed_.worth);
    }
  }

  PolicySearchOptions options_;
  const HeadProfile& dense_;
  ProfileTrial dense_cost_;
  EstimateWorth worth_{};
  // The least worth whose choice held the budget, the largest whose did not, and their costs.
  struct Tried {
    double worth = 0, cost = 0;
  };
  Tried held_{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  Tried failed_{};
  std::set<std::vector<std::size_t>> seen_{};  // choices that were tried
  PolicySearchResult result_;
};

}  // namespace

Result<PolicySearchResult> search_policies(const HeadProfile& dense, PolicySearchOptions options) {
  REDKNOT_CHECK(options.heads.size() == dense.policies.size());
  REDKNOT_CHECK(options.bytes && options.bytes_read && options.divergence);
  return Search(dense, std::move(options)).search();
}

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
#include "profiler/policy_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

// Heads that are passed over, because they alone may be what breaks the budget, before a change is
// given up for all that follow.
constexpr std::size_t kMostPassedOver = 2;

// What must be left of bytes held times bytes read where pages are selected.
constexpr double kWorthReading = 0.9;

// Share of the work, about, at which windows are chosen.
constexpr double kWindowsDone = 0.8;

// What a window leaves of the budget to smaller ones.
constexpr double kKept = 0.4;

class Search {
 public:
  using Heads = std::vector<std::size_t>;

  Search(const HeadProfile& dense, const std::vector<HeadEffect>& effects,
         const PolicySearchOptions& options)
      : options_(options), order_(dense.policies.size()) {
    result_.profile = dense;
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    // A group's effect counts for each of its heads by its share.
    const auto share = [&](std::size_t i) { return effects[i].kl / effects[i].group_size; };
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return share(a) < share(b); });
  }

  Result<PolicySearchResult> search() {
    result_.trial = costs(result_.profile);
    REDKNOT_TRY(result_.trial.divergence, options_.divergence(result_.profile));
    result_.trials.push_back(result_.trial);
    if (options_.try_q8) REDKNOT_RETURN_IF_ERROR(use_q8(order_, options_.budget_kl / 2));
    REDKNOT_RETURN_IF_ERROR(choose_windows());
    limit_ = options_.budget_kl;
    if (options_.try_q8) {
      REDKNOT_TRY(const Heads rest, change_most(order_, [](HeadPolicy& policy) {
                    policy.kv_format = KvFormat::kQ8;
                  }));
    }
    REDKNOT_RETURN_IF_ERROR(choose_selections());
    report(1);
    return std::move(result_);
  }

 private:
  template <typename Change>
  HeadProfile changed(const Heads& heads, std::size_t count, const Change& change) const {
    HeadProfile profile = result_.profile;
    for (std::size_t i = 0; i < count; ++i) change(profile.policies[heads[i]]);
    return profile;
  }

  ProfileTrial costs(const HeadProfile& profile) const {
    return {.kv_bytes = options_.bytes(profile),
            .kv_bytes_read = options_.bytes_read ? options_.bytes_read(profile) : 0};
  }

  // Whether it is worth a trial: it takes less, or, in the last step, saves enough of what is
  // read for what it adds to what is held.
  bool pays(const ProfileTrial& trial) const {
    const auto product = [](const ProfileTrial& of) {
      return static_cast<double>(of.kv_bytes) * static_cast<double>(of.kv_bytes_read);
    };
    if (!reading_) return trial.kv_bytes < result_.trial.kv_bytes;
    return product(trial) <= kWorthReading * product(result_.trial);
  }

  enum class Outcome { kKept, kOverBudget, kDoesNotPay };

  // Tries a profile that pays, and keeps it if it holds the budget.
  Result<Outcome> keep(HeadProfile profile, double budget_kl) {
    ProfileTrial trial = costs(profile);
    if (!pays(trial)) return Outcome::kDoesNotPay;
    REDKNOT_TRY(trial.divergence, options_.divergence(profile));
    result_.trials.push_back(trial);
    if (!(trial.divergence.kl_mean <= budget_kl)) return Outcome::kOverBudget;  // or NaN
    result_.profile = std::move(profile);
    result_.trial = trial;
    return Outcome::kKept;
  }

  Status use_q8(const Heads& heads, double budget_kl) {
    const auto to_q8 = [](HeadPolicy& policy) { policy.kv_format = KvFormat::kQ8; };
    const auto kept = keep(changed(heads, heads.size(), to_q8), budget_kl);
    if (!kept.ok()) return kept.error();
    return Done{};
  }

  // How many of the heads, from the front, the budget allows to change; by halving. What so many
  // heads do not pay, fewer do not.
  template <typename Change>
  Result<std::size_t> change_first(const Heads& heads, const Change& change) {
    std::size_t changed_heads = 0, too_few = 0, too_many = heads.size() + 1;
    for (std::size_t count = heads.size(); too_few + 1 < too_many;
         count = (too_few + too_many) / 2) {
      REDKNOT_TRY(const Outcome outcome, keep(changed(heads, count, change), limit_));
      (outcome == Outcome::kOverBudget ? too_many : too_few) = count;
      if (outcome == Outcome::kKept) changed_heads = count;
    }
    return changed_heads;
  }

  // Changes as many of the heads as the budget allows. Returns the others, in their order.
  template <typename Change>
  Result<Heads> change_most(Heads heads, const Change& change) {
    Heads rest;
    while (!heads.empty()) {
      REDKNOT_TRY(const std::size_t count, change_first(heads, change));
      heads.erase(heads.begin(), heads.begin() + static_cast<std::ptrdiff_t>(count));
      if (heads.empty() || rest.size() == kMostPassedOver) break;
      rest.push_back(heads.front());
      heads.erase(heads.begin());
    }
    rest.insert(rest.end(), heads.begin(), heads.end());
    return rest;
  }

  Result<Heads> give_window(const Heads& heads, int window) {
    return change_most(heads, [&](HeadPolicy& policy) {
      policy.head_class = HeadClass::kLocal;
      policy.sink_tokens = options_.sink_tokens;
      policy.window_tokens = window;
    });
  }

  // Every window has its part of what is left of the budget. The largest saves the most for what it
  // moves, but must leave something to the others.
  // A head that cannot have one cannot have a smaller one.
  Status choose_windows() {
    Heads heads = order_;
    const double used = result_.trial.divergence.kl_mean;
    const auto steps = static_cast<double>(options_.windows.size());
    double step = 0;
    for (auto window = options_.windows.rbegin(); window != options_.windows.rend(); ++window) {
      report(kWindowsDone * step / steps);
      ++step;
      limit_ = options_.budget_kl - (options_.budget_kl - used) * std::pow(kKept, step);
      REDKNOT_RETURN_IF_ERROR(give_window(heads, *window));
      std::erase_if(heads, [&](std::size_t head) {
        return result_.profile.policies[head].window_tokens != *window;
      });
    }
    return Done{};
  }

  // For heads that no window was enough for; those that see least first.
  Status choose_selections() {
    reading_ = true;
    Heads heads = order_;
    std::erase_if(heads, [&](std::size_t head) {
      return result_.profile.policies[head].head_class != HeadClass::kGlobal;
    });
    double step = 0;
    for (const HeadPolicy& selection : options_.selections) {
      report(kWindowsDone + (1 - kWindowsDone) * step++ / options_.selections.size());
      REDKNOT_TRY(heads, change_most(std::move(heads), [&](HeadPolicy& policy) {
                    const KvFormat format = policy.kv_format;
                    policy = selection;
                    policy.kv_format = format;
                  }));
    }
    return Done{};
  }

  void report(double fraction) const {
    if (options_.progress) options_.progress(fraction);
  }

  const PolicySearchOptions& options_;
  Heads order_;           // those of least effect first
  double limit_ = 0;      // of the mean KL, for now
  bool reading_ = false;  // what is read is to become less, not what is held
  PolicySearchResult result_;
};

}  // namespace

Result<PolicySearchResult> search_policies(const HeadProfile& dense,
                                           const std::vector<HeadEffect>& effects,
                                           const PolicySearchOptions& options) {
  REDKNOT_CHECK(effects.size() == dense.policies.size());
  REDKNOT_CHECK(options.bytes && options.divergence && options.sink_tokens >= 0);
  REDKNOT_CHECK(options.selections.empty() || options.bytes_read);
  return Search(dense, effects, options).search();
}

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
// Chooses a policy for every head: the smallest cost whose divergence from dense attention stays
// within a budget, end to end.
//
// Estimates of single heads (head_estimates.h) say what to choose for how much divergence, never
// what holds: they are added up, and heads together do more or less than that, with what they read
// otherwise than with their formats (what a window leaves out is missed at every position before,
// too; what rounding does there evens out). So formats alone have a trial as a whole, then choices
// have, and what each shows says what the estimates are worth. A pure search over functions that
// its caller, profiling.cc, gives it; it owns nothing that outlives the call.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "heads/profile_file.h"
#include "profiler/policy_choice.h"

namespace redknot {

// What reading a byte for each token is worth beside holding it: held bytes say how many sessions
// fit, those read how fast one goes on, as far as attention is what takes the time.
inline constexpr double kReadingWeight = 0.25;

// What whole trials come to, over what estimates add up to.
struct EstimateWorth {
  double reads = 1, formats = 1;
  bool operator==(const EstimateWorth&) const = default;
};

struct PolicySearchOptions {
  double budget_kl = 0.005;  // mean, nats: that of the chosen policies stays within it
  // By head; the costs are filled in by the search. A head's first is its dense one.
  std::vector<std::vector<HeadOption>> heads{};
  std::optional<EstimateWorth> worth{};  // from an earlier search; empty: formats have a trial
  int most_trials = 7;                   // of choices
  // What policies take, also of a part of the heads, and what a token decoded under them reads.
  std::function<std::size_t(const HeadProfile&profile)> bytes{}, bytes_read{};
  // Of the policies as a whole from dense attention; a trial may end as soon as it is sure that its
  // mean is above the budget or below. An error ends the search.
  std::function<Result<Divergence>(const HeadProfile& profile)> divergence{};
};

struct PolicySearchResult {
  HeadProfile profile{};
  ProfileTrial trial{};                // of the profile, on the text that was searched on
  std::vector<ProfileTrial> trials{};  // all, in the order of the search
  EstimateWorth worth{};               // with which the profile was chosen
};

// The errors of `divergence`. Without any policies within the budget the profile is dense.
Result<PolicySearchResult> search_policies(const HeadProfile& dense, PolicySearchOptions options);

}  // namespace redknot

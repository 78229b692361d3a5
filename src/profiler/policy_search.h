// SPDX-License-Identifier: Apache-2.0
// Chooses a policy for every head: the smallest KV bytes whose divergence from dense attention
// stays within a budget, end to end.
//
// Effects of single heads say in which order to try, never what holds: every set of policies that
// is kept has been measured as a whole. In order: 8-bit pages; as many local heads at the trial
// window as the budget allows; larger windows for those that are left; smaller ones for those that
// are not.
#pragma once

#include <functional>
#include <vector>

#include "heads/profile_file.h"
#include "profiler/head_effects.h"

namespace redknot {

// The policies as a whole: divergence from dense attention, and the bytes they take.
using MeasureTrial = std::function<Result<ProfileTrial>(const HeadProfile& profile)>;

struct PolicySearchOptions {
  double budget_kl = 0.005;         // mean, nats
  HeadPolicy trial{};               // as the effects were measured with
  std::vector<int> windows{};       // that may be tried, increasing; the trial's is one of them
  std::vector<KvFormat> formats{};  // that may be tried beside f16
};

struct PolicySearchResult {
  HeadProfile profile{};
  ProfileTrial trial{};                // of the profile, on the text that was searched on
  std::vector<ProfileTrial> trials{};  // all, in the order of the search
};

// The errors of `measure`. Without any policies within the budget the profile is dense.
Result<PolicySearchResult> search_policies(const HeadProfile& dense,
                                           const std::vector<HeadEffect>& effects,
                                           const PolicySearchOptions& options,
                                           const MeasureTrial& measure);

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
// Chooses a policy for every head: the smallest KV bytes whose divergence from dense attention
// stays within a budget, end to end.
//
// Effects of single heads say in which order to try, never what holds: every set of policies that
// is kept has had a trial as a whole. In order: 8-bit pages for all, if they take no more than
// half of the budget; the largest window for as many heads as a part of the budget allows, then
// smaller and smaller ones for as many of those; 8-bit pages for as many as are left.
// What of the budget is left then goes into reading less: heads that are still global select pages,
// where bytes held times bytes read by a decoded token fall by a tenth (key bounds add to the one,
// selecting takes from the other).
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "heads/profile_file.h"
#include "profiler/head_effects.h"

namespace redknot {

struct PolicySearchOptions {
  double budget_kl = 0.005;    // mean, nats: that of the chosen policies stays within it
  int sink_tokens = 4;         // of heads with a window
  std::vector<int> windows{};  // that may be tried, increasing
  bool try_q8 = true;          // 8-bit pages
  // Policies of heads that select pages, those that see least first; but for the format.
  std::vector<HeadPolicy> selections{};
  // What the policies take; a set that takes no less than another gets no trial.
  std::function<std::size_t(const HeadProfile& profile)> bytes{};
  // What a token decoded under them reads of it. Needed for selections.
  std::function<std::size_t(const HeadProfile& profile)> bytes_read{};
  // Of the policies as a whole from dense attention; an error ends the search.
  std::function<Result<Divergence>(const HeadProfile& profile)> divergence{};
  std::function<void(double fraction)> progress{};  // of the search, about
};

struct PolicySearchResult {
  HeadProfile profile{};
  ProfileTrial trial{};                // of the profile, on the text that was searched on
  std::vector<ProfileTrial> trials{};  // all, in the order of the search
};

// The errors of `divergence`. Without any policies within the budget the profile is dense.
Result<PolicySearchResult> search_policies(const HeadProfile& dense,
                                           const std::vector<HeadEffect>& effects,
                                           const PolicySearchOptions& options);

}  // namespace redknot

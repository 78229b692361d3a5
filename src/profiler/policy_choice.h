// SPDX-License-Identifier: Apache-2.0
// Which of its options each head takes: the least cost whose estimated divergences add up to no
// more than is allowed. A pure function that policy_search.h calls with estimates, again and again
// with another allowance; any thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "heads/head_profile.h"

namespace redknot {

// A policy that a head may have.
struct HeadOption {
  HeadPolicy policy{};
  double cost = 0;
  double kl = 0;         // mean, nats: what it moves predictions by, about; >= 0
  double format_kl = 0;  // of that, what its format does
};

// By head, the index of its option. Every head starts with its option of the least divergence and
// goes along the lower convex hull of its options; the step that saves the most for what it moves
// comes first, of any head. So the cost is at most one step from the least one (Sinha and Zoltners
// 1979, "The multiple-choice knapsack problem"). Requires an option at least for each head.
std::vector<std::size_t> choose_options(std::span<const std::vector<HeadOption>> heads,
                                        double kl_allowed);

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
// What policies of single heads move predictions by, about, found with few trials. It owns the
// one list of what a head may be: what it reads (everything, a window, selected pages) times its
// format.
//
// What a window costs is tried at one or two sizes; between them it goes with the square of what a
// head's own output loses, which dense passes have shown for all heads and windows at once
// (attention_mass.h): divergence is of second order in a small change. Selected pages are tried for
// heads that large windows hurt, formats for groups of heads. What a head reads and its format add
// up. A pure search over a function that its caller, profiling.cc, gives it.
#pragma once

#include <functional>
#include <vector>

#include "profiler/head_effects.h"
#include "profiler/policy_choice.h"

namespace redknot {

struct EstimateOptions {
  EffectOptions effects{};     // of the trial window; its order and its callbacks
  double budget_kl = 0.005;    // of all heads together
  std::vector<int> windows{};  // that may be chosen, increasing
  // Policies of heads that select pages, but for the format. From the second on of heads that the
  // one before did not hurt.
  std::vector<HeadPolicy> selections{};
  std::vector<KvFormat> formats{};  // beside the dense one
  // The squared distance of a head's output under a window, in any unit of its own.
  std::function<double(std::size_t head, int window)> window_error{};
  // Called when more is known of how many trials there are to come, about.
  std::function<void(std::size_t trials)> to_come{};
};

struct HeadEstimates {
  std::vector<HeadEffect> effects{};             // of the trial window
  std::vector<std::vector<HeadOption>> heads{};  // without costs; the dense one first
};

// The errors of kl_of.
Result<HeadEstimates> estimate_heads(const HeadProfile& dense, const EstimateOptions& options,
                                     const KlOfProfiles& kl_of);

}  // namespace redknot

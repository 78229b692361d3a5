// SPDX-License-Identifier: Apache-2.0
// What heads do, found with few trials: how far predictions move when heads lose what lies beyond a
// trial window, or keep another format. Groups first; only a group with an effect is taken apart,
// half by half. A pure search over a function that its caller, head_estimates.cc, gives it; it owns
// nothing that outlives the call, and calls back on the caller's thread.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "redknot/result.h"

namespace redknot {

// Mean KL to dense attention under each of the profiles, in nats; an error ends the search.
using KlOfProfiles =
    std::function<Result<std::vector<double>>(std::span<const HeadProfile> profiles)>;

struct HeadEffect {
  double kl = 0;       // of the group that the head was tried in last
  int group_size = 1;  // heads of that group
};

struct EffectOptions {
  HeadPolicy trial{.head_class = HeadClass::kLocal, .sink_tokens = 4, .window_tokens = 64};
  // What a trial does to each of its heads; empty: it gives them `trial`, but for the format.
  std::function<void(HeadPolicy& policy)> change{};
  double negligible_kl = 1e-4;  // a group with no more than this is not taken apart
  // Heads that are expected to matter less come first: neighbours are tried together. Indices into
  // policies, each once.
  std::vector<int> order{};
  std::size_t first_group = 4;   // heads of the groups that are tried first; at least 1
  std::size_t most_at_once = 8;  // profiles given to one call of kl_of
};

// [layers, kv_heads]. With k heads that matter in groups of g, n / g + 2 k log2(g) trials at most.
Result<std::vector<HeadEffect>> find_effects(const HeadProfile& dense, const EffectOptions& options,
                                             const KlOfProfiles& kl_of);

}  // namespace redknot

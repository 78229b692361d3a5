// SPDX-License-Identifier: Apache-2.0
// Published recovery strategies that the product's own is compared with, one file each. They are
// chosen by name like every policy, and nothing but strategy_of() (sched/recovery_strategy.cc)
// includes this header. The objects are stateless and may be used from any thread.
#pragma once

#include "sched/recovery_strategy.h"

namespace redknot::baselines {

// The first tokens of each segment (EPIC, Hu et al. 2024).
const RecoveryStrategy& boundary_strategy();

// Of each segment the tokens whose values, behind the first layer, are farthest from what is stored
// (CacheBlend, Yao et al. 2024).
const RecoveryStrategy& deviation_strategy();

// All pages, for heads that are not local; feed-forward networks only for the tokens that attention
// wrote most into (the RedKnot paper).
const RecoveryStrategy& elastic_strategy();

}  // namespace redknot::baselines

// SPDX-License-Identifier: Apache-2.0
// A sequence that goes on from a dense one under another head profile, also with other formats:
// what heads of equal formats keep is shared, what others keep is rounded to theirs, page by page.
// DenseComparison makes such sequences to try many profiles behind one prefix; on its thread.
#pragma once

#include <optional>

#include "engine/engine_core.h"
#include "heads/head_profile.h"
#include "runtime/single_sequence.h"

namespace redknot {

// Nothing if the core has too few free pages for it and `tokens` more tokens. Requires a dense
// sequence with f16 pages of its own that are full; the profile must outlive the result.
std::optional<SingleSequence> converted_fork(const SingleSequence& dense,
                                             const HeadProfile& profile, EngineCore& core,
                                             int tokens);

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
// The most pages that a sequence ever holds at once, from its head profile alone: what admission
// reserves and what the engine sizes its memory for. Pure functions; any thread.
#pragma once

#include <cstdint>

#include "heads/head_profile.h"
#include "kv/page_shape.h"

namespace redknot {

// Of one head: see below.
std::int64_t peak_pages_of_head(const HeadPolicy& policy, int page_tokens, int tokens,
                                int chunk_tokens);

// Most pages that a sequence of `tokens` tokens without adopted ones, computed in chunks of at most
// `chunk_tokens` that start anywhere, with forget() after each, ever holds at once, per format:
// what admission reserves. Some chunking needs as many for global heads, and at most one page less
// for a local head. Requires tokens >= 0, chunk_tokens >= 1. Saturates.
PageCounts peak_pages(const HeadProfile& profile, const PageShape& shape, int tokens,
                      int chunk_tokens);

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
// How many pages, per format, a sequence of given parts and a segment come to at most: what
// admission reserves. Pure functions. A request asks them once, when it is made (any thread), and
// the engine when it sizes the pool.
#pragma once

#include <array>
#include <span>

#include "heads/head_profile.h"
#include "kv/page_allocator.h"
#include "kv/sequence_kv.h"
#include "redknot/recovery.h"
#include "sched/prompt_parts.h"

namespace redknot {

// Pages that a sequence of these parts may hold of its own with max_tokens tokens behind the
// prompt, computed in chunks of at most chunk_tokens. The options have no gaps.
std::array<int, kKvFormatCount> own_pages(const HeadProfile& profile, const PageShape& shape,
                                          std::span<const SequencePart> parts, int max_tokens,
                                          int chunk_tokens, const RecoveryOptions& recovery);

// Of those, for an answer's sequence that shares all of its prompt but the last token with the one
// that computes it: those behind it.
std::array<int, kKvFormatCount> answer_pages(const HeadProfile& profile, const PageShape& shape,
                                             std::span<const SequencePart> parts, int max_tokens,
                                             int chunk_tokens);

// Pages of a segment of so many tokens: every head keeps all of them.
std::array<int, kKvFormatCount> segment_pages(const HeadProfile& profile, const PageShape& shape,
                                              int tokens);

}  // namespace redknot

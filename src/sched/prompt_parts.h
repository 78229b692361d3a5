// SPDX-License-Identifier: Apache-2.0
// A prompt as the scheduler composes it: own parts, which are computed for this sequence, and
// reusable ones, which are adopted from segments.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heads/visibility.h"
#include "kv/segment_index.h"
#include "model/vocabulary.h"
#include "sched/recovery.h"

namespace redknot {

// Where the segments of a prompt are computed: behind which tokens.
enum class CanonicalContext {
  kBare,    // the beginning-of-sequence token alone, if the prompt begins with one
  kPrefix,  // all that stands before the first reusable part
};

struct SequencePart {
  PositionRange positions;
  std::optional<SegmentKey> segment;  // of a reusable part
};

// Tokens of a prompt, and which ranges of it may be reused elsewhere.
struct Prompt {
  std::vector<TokenId> tokens{};
  std::vector<PositionRange> reusable{};  // increasing, apart from each other, none empty
  int context_tokens = 0;                 // canonical context of them: so many first tokens
};

// All of the prompt's positions, in order. A reusable range that the last token is in is an own
// part: its logits are wanted. `salt` stands for what a segment depends on beside its tokens and
// its context.
std::vector<SequencePart> parts_of(const Prompt& prompt, std::string_view salt);

// Pages that a sequence of these parts may hold of its own, per format, with max_tokens tokens
// behind the prompt, computed in chunks of at most chunk_tokens.
std::array<int, kKvFormatCount> own_pages(const HeadProfile& profile, const PageShape& shape,
                                          std::span<const SequencePart> parts, int max_tokens,
                                          int chunk_tokens, const Recovery& recovery);

// Pages that computing a segment takes: all of its context's and its own.
std::array<int, kKvFormatCount> build_pages(const HeadProfile& profile, const PageShape& shape,
                                            int context_tokens, int tokens);

}  // namespace redknot

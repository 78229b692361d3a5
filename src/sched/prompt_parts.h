// SPDX-License-Identifier: Apache-2.0
// A prompt as the scheduler composes it: own parts, which are computed for this sequence, and
// reusable ones, which are adopted from segments. Values and pure functions: a request's parts are
// computed once, when it is made (any thread), and a PromptComposer goes along them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heads/visibility.h"
#include "kv/page_allocator.h"
#include "kv/segment_key.h"
#include "model/vocabulary.h"

namespace redknot {

struct SequencePart {
  PositionRange positions{};
  std::optional<SegmentKey> segment{};  // of a reusable part
  // Of a segment: the text that recovery may look with, the first of the prompt's own behind it and
  // the segments that stand together with it.
  PositionRange question{};
  int tokens() const { return positions.end - positions.begin; }
};

// Tokens of a prompt, and which ranges of it may be reused elsewhere.
struct Prompt {
  std::vector<TokenId> tokens{};
  std::vector<PositionRange> reusable{};  // increasing, apart from each other, none empty
  std::vector<int> text_ends{};           // where its pieces of text end, increasing
  // Segments are computed behind so many first tokens: all that stands before the first of them, or
  // the beginning-of-sequence token alone.
  int context_tokens = 0;
};

// Own text between two segments that is shorter than this separates them; longer text is something
// that recovery may look with.
inline constexpr int kSeparatorTokens = 32;
// Of a question, recovery looks with so many first tokens.
inline constexpr int kMostQuestionTokens = 1024;

// All of the prompt's positions, in order. A reusable range that the last token is in is an own
// part: its logits are wanted. If there are others, their context is a segment too, behind nothing.
// `salt` stands for what a segment depends on beside its tokens and its context.
std::vector<SequencePart> parts_of(const Prompt& prompt, std::string_view salt);

// Where the segments end that stand together with the one at `first`: the index of the own part
// that begins with their question.
std::size_t end_of_group(std::span<const SequencePart> parts, std::size_t first);

// Names tokens that a segment is made of: 32 hexadecimal digits.
std::string segment_id(std::span<const TokenId> tokens);

}  // namespace redknot

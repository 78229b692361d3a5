// SPDX-License-Identifier: Apache-2.0
// How a sequence is composed, written as a chain of blocks that the KV cache knows (kv/chain.h):
// one place that says when two sequences have the same keys and values so far. Text is cut at the
// pages of its part; a segment is one block, and the same only under the same recovery. Where
// recovery chooses pages of segments that stand together by a question, all of them, the text
// between them and the question belong to it. Pure functions, used by the scheduler.
#pragma once

#include <span>
#include <string_view>

#include "kv/chain.h"
#include "model/vocabulary.h"
#include "redknot/recovery.h"
#include "sched/prompt_parts.h"

namespace redknot {

// What decides what lies in the pages of a sequence.
struct ComposedTokens {
  std::span<const TokenId> tokens;
  std::span<const SequencePart> parts;  // of the prompt; what follows continues the last
  RecoveryOptions recovery{};
  std::string_view salt{};
};

// Of all of the tokens, or up to the first segment that needs more than these: what recovery chose
// of it could not be said. Refers to the tokens and the salt.
Chain chain_of(const ComposedTokens& composed, int page_tokens);

}  // namespace redknot

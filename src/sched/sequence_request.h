// SPDX-License-Identifier: Apache-2.0
// What a request means to the scheduler, and what can be told of it before it runs: how its prompt
// is cut into parts, and how many pages it needs. It is made once, by the thread that makes the
// request, never changes, and is shared by all sequences that answer it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "heads/head_profile.h"
#include "kv/domain.h"
#include "kv/page_allocator.h"
#include "redknot/recovery.h"
#include "redknot/result.h"
#include "redknot/sampling.h"
#include "sched/prompt_parts.h"

namespace redknot {

struct SequenceSpec {
  Prompt prompt{};          // at least one token
  int max_tokens = 0;       // to generate; 0: only compute the prompt
  bool all_logits = false;  // of the last part and what follows, not only of rows sampled
  RecoveryOptions recovery{.policy = RecoveryPolicy::kNone};  // of reusable parts
  std::string salt{};           // nothing is shared between requests of different ones
  bool uses_prefixes = false;   // begins with what earlier sequences left, and leaves its own
  bool shares_prompt = false;   // with others that are submitted together with it
  int priority = 0;             // larger goes first
  std::size_t quota_bytes = 0;  // of own pages of all that run with this salt; 0: no limit
  Sampling sampling{};          // of the first answer; the i-th has seed + i
  Domain domain{};              // of the cache that it runs beside
};

struct SequenceRequest {
  SequenceSpec spec{};                // recovery options are without gaps
  std::vector<SequencePart> parts{};  // of the prompt
  // The answers' sequences begin with all of the prompt but its last token, which one sequence of
  // the scheduler's own computes for all of them.
  bool shares_prompt = false;
  PageCounts needs{};                // most own pages of a sequence, from beginning to end
  PageCounts shared_prompt_needs{};  // and of the one that computes the shared prompt
  int prompt_tokens() const { return static_cast<int>(spec.prompt.tokens.size()); }
};

// The request, if a sequence of it could run alone in steps of at most `chunk_tokens` tokens.
// kResourceExhausted if it needs more pages than there are, or than its quota; kInvalidArgument if
// its recovery needs larger steps. Requires a prompt of at least one token. Any thread.
Result<std::shared_ptr<const SequenceRequest>> make_request(const PageAllocator& pool,
                                                            const HeadProfile& profile,
                                                            SequenceSpec spec, int chunk_tokens);

// The same for the most tokens, up to spec.max_tokens, with which it could run alone. The error is
// that of spec.max_tokens if not even one token fits.
Result<std::shared_ptr<const SequenceRequest>> make_longest_request(const PageAllocator& pool,
                                                                    const HeadProfile& profile,
                                                                    SequenceSpec spec,
                                                                    int chunk_tokens);

}  // namespace redknot

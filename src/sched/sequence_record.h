// SPDX-License-Identifier: Apache-2.0
// What the scheduler keeps of one sequence: its request, its tokens, how its prompt is composed,
// and while it runs its pages and what is reserved for it. A record without behaviour of its own;
// Sequences owns all of them, and the parts of the scheduler read and write it on the loop's
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "kv/page_shape.h"
#include "kv/segment_key.h"
#include "kv/sequence_kv.h"
#include "sched/prompt_composer.h"
#include "sched/sequence_event.h"
#include "sched/sequence_request.h"

namespace redknot {

// Who began a sequence, and what for.
enum class SequenceRole : std::uint8_t {
  kAnswer,        // somebody submitted it
  kSegmentBuild,  // the scheduler, to compute a segment that others wait for
  kSharedPrompt,  // the scheduler, to compute and keep a prompt that several answers share
};

struct SequenceRecord {
  // Constant once it is known.
  SequenceId id{};
  std::shared_ptr<const SequenceRequest> request{};
  SequenceRole role = SequenceRole::kAnswer;
  int answer = 0;                         // kAnswer: which of its request's
  std::optional<SequenceId> group{};      // those that share a prompt: the first of the answers
  std::optional<SegmentKey> builds{};     // kSegmentBuild
  std::optional<SequenceId> works_for{};  // not kAnswer: whose request that is

  // How far it is.
  std::vector<TokenId> tokens{};  // prompt, then generated
  PromptComposer composer;
  bool has_run = false;  // and was preempted
  bool paused = false;   // left out of steps

  // While it runs.
  std::unique_ptr<SequenceKv> kv{};    // null: it waits
  PageCounts reserved{};               // most own pages from now on
  std::vector<SegmentKey> acquired{};  // segments that it uses

  const SequenceSpec& spec() const { return request->spec; }
  std::span<const SequencePart> parts() const { return request->parts; }
  int token_count() const { return static_cast<int>(tokens.size()); }
  bool is_answer() const { return role == SequenceRole::kAnswer; }
  // Whether it begins with a prompt that another sequence keeps.
  bool shares_prompt() const { return group && is_answer(); }
  bool generates() const { return token_count() > request->prompt_tokens(); }
  // Whether all that it has is computed: what follows its last token can be sampled.
  bool is_computed() const { return composer.is_computed_to(token_count()); }
  // Whether it has all that it asked for. The last token is never fed back; a prompt alone ends
  // when it has been computed.
  bool has_ended() const {
    const int generated = token_count() - request->prompt_tokens();
    return generated >= spec().max_tokens && (generated > 0 || is_computed());
  }
};

// A record that waits, of the request's first tokens.
SequenceRecord make_record(SequenceId id, std::shared_ptr<const SequenceRequest> request);

// Pages of its own, which its reservation is for. What a shared prompt holds is reserved by the one
// that keeps it, and what is adopted by nobody, as it is pinned. O(pages).
PageCounts own_pages(const SequenceRecord& record);

// The most that it will hold of its own if it goes on token by token, which is less than while it
// computed chunks. O(pages).
PageCounts pages_to_decode(const SequenceRecord& record);

// All that it holds, as its user sees it: what it began with is shared. O(pages).
KvPages pages_of(const SequenceRecord& record);

}  // namespace redknot

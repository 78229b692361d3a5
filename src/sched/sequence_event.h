// SPDX-License-Identifier: Apache-2.0
// What became of sequences: the scheduler's answer to a turn of the loop. Plain values; the loop's
// thread takes them and hands each to whoever waits for that sequence.
#pragma once

#include <cstdint>
#include <vector>

#include "kv/page_table.h"
#include "sched/prompt_composer.h"
#include "step/step_result.h"

namespace redknot {

struct SequenceEvent {
  enum class Kind : std::uint8_t {
    kAdmitted,  // it runs from now on; again, if it was preempted before
    kComputed,  // rows of its prompt were computed, and nothing follows them yet
    kToken,     // `token` follows all that it has, and is its own from now on
    kFailed,    // no token can follow: `token` is not usable
    kEnded,     // all that it asked for is computed, and no token was asked for
  };
  Kind kind = Kind::kAdmitted;
  SequenceId sequence{};
  SampledToken token{};  // kToken, kFailed
  bool is_last = false;  // kToken: it asked for no more tokens
  // [rows, vocabulary_size] of consecutive positions, if its request asks for all logits.
  std::vector<float> logits{};
};

// Pages of a sequence, by format: those that it shares, with segments or with what an earlier one
// left, and its own.
struct KvPages {
  PageCounts own{}, shared{};
  bool operator==(const KvPages&) const = default;
};

// What a sequence took so far.
struct SequenceUsage {
  PromptTokens prompt{};
  KvPages pages{};
};

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
// The beginnings of earlier prompts and answers, for prompts that begin alike: page tables kept as
// they were at the end of a prompt and of an answer, sharing their pages. What continues one is
// what would have been computed, bit for bit.
//
// A beginning may be taken up anywhere that its heads still hold what queries there see: heads that
// keep everything allow any token, heads with windows only the end. Segments in it must be composed
// alike. Used by the step loop only.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kv/sequence_kv.h"
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

class PrefixIndex {
 public:
  static constexpr std::size_t kMostPrefixes = 256;

  // The longest beginning, of at most `most_tokens` tokens, or nothing. `now` is a time that does
  // not go back, as below.
  std::optional<SequenceKv> find(const ComposedTokens& wanted, int most_tokens, std::uint64_t now);

  // Keeps what `kv` holds. Requires kv.length() <= tokens.size().
  void insert(const ComposedTokens& tokens, const SequenceKv& kv, std::uint64_t now);

  // When the one that was used longest ago was used; nothing if there is none.
  std::optional<std::uint64_t> oldest_use() const;
  // Gives that one back. Requires that there is one.
  void drop_oldest();
  // Gives back all that hold pages of a segment.
  void drop_holding(const SegmentKey& key);

  // The page tables kept, for tests.
  std::vector<const SequenceKv*> kept() const;

 private:
  struct Prefix {
    std::vector<TokenId> tokens;  // kv.length() of them
    std::vector<SequencePart> parts;
    RecoveryOptions recovery;
    std::string salt;
    SequenceKv kv;
    std::uint64_t used = 0;
  };
  static int common_tokens(const Prefix& prefix, const ComposedTokens& wanted);

  std::list<Prefix> prefixes_;  // the latest used first
};

}  // namespace redknot

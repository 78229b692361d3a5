// SPDX-License-Identifier: Apache-2.0
// A sequence as the KV cache sees it: a chain of blocks, each named by a digest of all that its
// keys and values depend on. A block is the text of one page, or a whole segment as it was
// composed. The key of a block is a digest of the key before it and of what it holds, so that equal
// keys mean equal beginnings, block for block. The scheduler writes chains (sched/composition.h).
// Plain values.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "heads/visibility.h"
#include "kv/domain.h"
#include "kv/segment_key.h"
#include "model/vocabulary.h"

namespace redknot {

// Positions from where the block before it ends. Of text at most a page; a shorter block is the end
// of its part of the prompt, or of the sequence. A segment's pages are full but for the last.
struct ChainBlock {
  PositionRange positions{};
  std::span<const TokenId> tokens{};    // at these positions
  std::optional<SegmentKey> segment{};  // nothing: text
  Sha256Digest composition{};           // of a segment: all that decides what was recovered of it
  // What follows was composed together with it, so that nobody may go on in it or right behind it.
  bool is_bound = false;
};

struct Chain {
  std::string_view tenant{};  // whose entries it meets and leaves, and nobody else's
  std::vector<ChainBlock> blocks{};
};

using ChainKey = Sha256Digest;

// What all chains of a tenant begin with.
ChainKey root_key(const Domain& domain, std::string_view tenant);
ChainKey key_behind(const ChainKey& before, const ChainBlock& block);

// How digests take in what is no text.
void hash_numbers(Sha256& sha, std::initializer_list<int> numbers);
void hash_tokens(Sha256& sha, std::span<const TokenId> tokens);

}  // namespace redknot

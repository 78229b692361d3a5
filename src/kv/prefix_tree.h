// SPDX-License-Identifier: Apache-2.0
// The prefix cache: beginnings of earlier prompts and answers, for prompts that begin alike. What
// continues one is what would have been computed, bit for bit.
//
// A tree of blocks (kv/chain.h), one below the other as they stood in sequences: sequences that
// begin alike share their nodes. A node holds, for every (layer, KV head), the page of its block or
// none: heads with windows have given back what left their windows. So a hit may end only where
// every head holds what queries there see; of text that all heads hold pages of, at any token; of
// segments at their end; and not between blocks that were composed together. Look-up walks down by
// keys and notes the deepest such place; where no key matches, the longest common beginning among
// the blocks there is a neighbour in their order.
//
// The end of a prefix goes first: leaves stand in the order of eviction, inner nodes do not. Owned
// by the KV cache; used by the step loop only.
//
// Invariants: (1) every node but the roots names one reference for each of its pages; (2) a node is
// in the order iff it is a leaf that is not set aside; (3) in a leaf a hit may end, and it has a
// page that is not a segment's: others go at once, and roots without children too; (4) text that
// another block at the same place begins with is no leaf, if that one misses no page; (5) nodes of
// a segment are listed with it, so that they go before it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "heads/head_profile.h"
#include "kv/chain.h"
#include "kv/eviction_order.h"
#include "kv/page_allocator.h"
#include "kv/prefix_node.h"
#include "kv/sequence_kv.h"
#include "kv/use_memory.h"

namespace redknot {

class PrefixTree {
 public:
  // References must outlive the object.
  PrefixTree(PageAllocator& pool, const HeadProfile& profile, const Domain& domain,
             EvictionOrder& order, UseMemory& memory);
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;
  ~PrefixTree();

  // The longest beginning, of at most `most_tokens` tokens, or nothing. Counted as a use of what it
  // is made of, at `now`, a time that does not go back.
  std::optional<SequenceKv> find(const Chain& wanted, int most_tokens, std::uint64_t now);

  // Keeps what a sequence holds of the chain. Requires that the chain is not longer.
  void insert(const Chain& chain, const SequenceKv& kv, std::uint64_t now);

  // Gives back a leaf that the order named, and what is good for nothing without it.
  void evict(const EvictionOrder::Rank& leaf);
  // Gives back one leaf that stands on a segment. False if there is none.
  bool evict_adopter(const SegmentKey& segment);
  // Gives back all that stands on a segment.
  void drop_adopters(const SegmentKey& segment);

  // Takes a leaf out of the order if sequences hold all of its pages too, so that nothing would be
  // free without it. False: it is not so.
  bool set_aside(const ChainKey& leaf);
  // Puts those that were set aside back. False if there are none.
  bool take_back();

  // Pages that are not a segment's; some may be named twice.
  std::vector<PageId> own_pages() const;
  int nodes() const { return static_cast<int>(nodes_.size()); }

  // True if the invariants hold. For tests.
  bool check() const;

 private:
  // The node of a key; null.
  PrefixNode* node(const ChainKey& key);
  // A node without pages, under its parent.
  PrefixNode& add(PrefixNode& parent, const ChainBlock& block, const ChainKey& key);
  // Takes the pages that it lacks from a sequence that holds them.
  void fill(PrefixNode& node, const SequenceKv& kv);
  // Drops leaves beside it that it begins with.
  void supersede(PrefixNode& node);
  // Counts a use of nodes of which a sequence of so many tokens was made.
  void use(std::span<PrefixNode* const> path, int tokens, std::uint64_t now);
  // Puts a node where it belongs in the order, or takes it out, after any change.
  void place(PrefixNode& node);
  // Drops a leaf and nothing else.
  void erase(PrefixNode& leaf);
  // After a node lost a child: it goes if it is good for nothing, and so may those before it.
  void settle(PrefixNode& node);

  // What it works with.
  PageAllocator& pool_;
  const HeadProfile& profile_;
  Domain domain_;
  EvictionOrder& order_;
  UseMemory& memory_;
  // What is kept.
  struct KeyHash {
    std::size_t operator()(const ChainKey& key) const;
  };
  std::unordered_map<ChainKey, PrefixNode, KeyHash> nodes_;  // roots too
  std::map<SegmentKey, std::set<PrefixNode*, PrefixNode::ByKey>> adopters_;
  std::vector<ChainKey> set_aside_;
};

}  // namespace redknot

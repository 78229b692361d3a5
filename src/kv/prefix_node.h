// SPDX-License-Identifier: Apache-2.0
// A block of the prefix tree with its pages, and what a walk down the tree knows of the pages
// behind it. Plain data and its pure functions: PrefixTree owns the nodes and keeps their
// invariants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "heads/head_profile.h"
#include "kv/chain.h"
#include "kv/eviction_order.h"
#include "kv/sequence_kv.h"

namespace redknot {

struct PrefixNode {
  struct ByKey {
    bool operator()(const PrefixNode* a, const PrefixNode* b) const { return a->key < b->key; }
  };
  struct ByTokens {
    using is_transparent = void;
    bool operator()(const PrefixNode* a, const PrefixNode* b) const;
    bool operator()(const PrefixNode* a, std::span<const TokenId> b) const;
    bool operator()(std::span<const TokenId> a, const PrefixNode* b) const;
  };

  // What it is.
  ChainKey key{};
  PrefixNode* parent = nullptr;  // null: the root of its tenant, which holds nothing
  std::string tenant{};
  PositionRange positions{};
  std::vector<TokenId> tokens{};        // of text only
  std::optional<SegmentKey> segment{};  // nothing: text
  // Its pages: [heads, slots], one slot for text. An entry of no tokens is no page.
  std::vector<PageRef> pages{};
  int missing = 0;            // entries that are no page
  std::size_t own_bytes = 0;  // of those that are not a segment's
  // How it was used.
  int uses = 0;
  std::uint64_t used = 0;
  bool ends = false;  // a hit may end in it: its heads hold what queries behind its end see
  // What stands behind it.
  std::set<PrefixNode*, ByKey> children{};
  std::set<PrefixNode*, ByTokens> texts{};    // of those, text that misses no page
  std::optional<EvictionOrder::Rank> rank{};  // while it is in the order of eviction

  bool is_root() const { return parent == nullptr; }
  bool is_leaf() const { return children.empty(); }
};

// How many tokens both begin with.
int common_tokens(std::span<const TokenId> a, std::span<const TokenId> b);

// Of the children of a node that are text without a missing page, one that begins with as many of
// these tokens as any; null if none begins with one. O(log children).
PrefixNode* longest_beginning(const PrefixNode& parent, std::span<const TokenId> tokens);

// Of a hit of so many tokens, the entries of a path from the root, by head.
std::vector<PageTable> tables_of(std::span<PrefixNode* const> path, std::size_t heads, int tokens);

// Of the same children, one that begins with all of these tokens and goes on; null.
PrefixNode* longer_beside(const PrefixNode& parent, std::span<const TokenId> tokens);

// Whether a hit may end in a leaf, and saves something that neither a segment nor another block
// would give.
bool is_useful(const PrefixNode& leaf);

// Which positions the heads hold pages of, along a path from the root.
class Coverage {
 public:
  // The profile must outlive the object.
  Coverage(const HeadProfile& profile, int page_tokens);

  // Requires that the node stands right behind the one before.
  void add(const PrefixNode& node);
  // Whether every head holds what queries at `position` and later see of positions before it, and
  // the page of the last of them, which the next token may continue. Requires position >= 1 within
  // the node added last, or behind it within a page that all heads hold.
  bool allows(int position) const;

 private:
  // Positions of a head without a page: from the first one on, and up to the last one.
  struct Gaps {
    int first = 0;
    int end = 0;  // 0: there are none
  };
  const HeadProfile& profile_;
  int page_tokens_;
  std::vector<Gaps> gaps_;  // [heads]
};

}  // namespace redknot

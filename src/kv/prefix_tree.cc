// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_tree.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "base/check.h"

namespace redknot {

std::size_t PrefixTree::KeyHash::operator()(const ChainKey& key) const {
  std::size_t hash = 0;
  std::memcpy(&hash, key.data(), sizeof hash);
  return hash;
}

PrefixTree::PrefixTree(PageAllocator& pool, const HeadProfile& profile, const Domain& domain,
                       EvictionOrder& order, UseMemory& memory)
    : pool_(pool), profile_(profile), domain_(domain), order_(order), memory_(memory) {}

PrefixTree::~PrefixTree() {
  for (auto& [key, node] : nodes_) {
    if (node.rank) order_.leave(node.tenant, *node.rank);
    order_.discharge(node.tenant, node.own_bytes);
    for (const PageRef& entry : node.pages) {
      if (entry.tokens > 0) pool_.release(entry.page, Hold::kKeeps);
    }
  }
}

PrefixNode* PrefixTree::node(const ChainKey& key) {
  const auto found = nodes_.find(key);
  return found == nodes_.end() ? nullptr : &found->second;
}

std::optional<SequenceKv> PrefixTree::find(const Chain& wanted, int most_tokens,
                                           std::uint64_t now) {
  std::vector<PrefixNode*> path;
  std::size_t depth = 0;  // of the best place: so many nodes of the path, and the last one
  PrefixNode* last = nullptr;
  int best_tokens = 0;
  Coverage coverage(profile_, pool_.shape().page_tokens);
  const auto end_at = [&](PrefixNode* node, int tokens) {
    if (tokens <= best_tokens || !coverage.allows(tokens)) return;
    depth = path.size();
    last = node;
    best_tokens = tokens;
    node->ends = true;
  };
  ChainKey key = root_key(domain_, wanted.tenant);
  PrefixNode* before = node(key);
  for (const ChainBlock& block : wanted.blocks) {
    if (block.positions.begin >= most_tokens) break;
    key = key_behind(key, block);
    PrefixNode* here = before == nullptr ? nullptr : node(key);
    if (here == nullptr) memory_.ask(key);
    // Where a hit may end at no token of the very block, it may in one that begins alike.
    const bool is_whole = here != nullptr && here->missing == 0;
    if (before != nullptr && !block.segment && !block.is_bound && !is_whole) {
      if (PrefixNode* alike = longest_beginning(*before, block.tokens)) {
        const int common = common_tokens(alike->tokens, block.tokens);
        end_at(alike, std::min(block.positions.begin + common, most_tokens));
      }
    }
    if (here != nullptr) {
      coverage.add(*here);
      const int tokens = std::min(block.positions.end, most_tokens);
      const bool may_end = !block.segment || tokens == block.positions.end;
      if (may_end && !block.is_bound) end_at(here, tokens);
      path.push_back(here);
    }
    before = here;
  }
  if (last == nullptr) return std::nullopt;
  path.resize(depth);
  path.push_back(last);
  use(path, best_tokens, now);
  return SequenceKv::of_tables(pool_, profile_,
                               tables_of(path, profile_.policies.size(), best_tokens), best_tokens);
}

// A block of which only a few tokens were taken is not counted as used: most prompts begin with the
// same few.
void PrefixTree::use(std::span<PrefixNode* const> path, int tokens, std::uint64_t now) {
  for (PrefixNode* node : path) {
    const PositionRange& positions = node->positions;
    const int taken = std::min(tokens, positions.end) - positions.begin;
    if (2 * taken < positions.end - positions.begin) continue;
    ++node->uses;
    node->used = now;
    place(*node);
  }
}

void PrefixTree::insert(const Chain& chain, const SequenceKv& kv, std::uint64_t now) {
  if (chain.blocks.empty()) return;
  REDKNOT_CHECK(chain.blocks.back().positions.end <= kv.length());
  const ChainKey root = root_key(domain_, chain.tenant);
  PrefixNode* before = &nodes_[root];
  before->key = root;
  before->tenant = chain.tenant;
  Coverage coverage(profile_, pool_.shape().page_tokens);
  for (const ChainBlock& block : chain.blocks) {
    const ChainKey key = key_behind(before->key, block);
    PrefixNode* here = node(key);
    const bool is_last = &block == &chain.blocks.back();
    if (here == nullptr && is_last && !block.segment) {
      here = longer_beside(*before, block.tokens);  // which stands in for it
    }
    if (here == nullptr) here = &add(*before, block, key);
    if (here->key == key) fill(*here, kv);
    coverage.add(*here);
    here->ends = here->ends || (!block.is_bound && coverage.allows(block.positions.end));
    here->used = now;
    if (!block.segment && here->missing == 0) supersede(*here);
    before = here;
  }
  settle(*before);
}

PrefixNode& PrefixTree::add(PrefixNode& parent, const ChainBlock& block, const ChainKey& key) {
  PrefixNode& node = nodes_[key];
  node.key = key;
  node.parent = &parent;
  node.tenant = parent.tenant;
  node.positions = block.positions;
  if (block.segment) {
    node.segment = block.segment;
    adopters_[*block.segment].insert(&node);
  } else {
    node.tokens.assign(block.tokens.begin(), block.tokens.end());
  }
  const int tokens = block.positions.end - block.positions.begin;
  const std::int64_t slots = pages_for(tokens, pool_.shape().page_tokens);
  node.pages.resize(profile_.policies.size() * static_cast<std::size_t>(slots));
  node.missing = static_cast<int>(node.pages.size());
  node.uses = std::max(1, memory_.uses(key));
  parent.children.insert(&node);
  place(parent);
  return node;
}

void PrefixTree::fill(PrefixNode& node, const SequenceKv& kv) {
  if (node.missing == 0) return;
  const int page_tokens = pool_.shape().page_tokens;
  const std::size_t slots = node.pages.size() / profile_.policies.size();
  std::size_t bytes = 0;
  for (std::size_t head = 0; head < profile_.policies.size(); ++head) {
    const int number = static_cast<int>(head);
    const PageTable& table = kv.table(number / profile_.kv_heads, number % profile_.kv_heads);
    auto entry =
        std::lower_bound(table.begin(), table.end(), node.positions.begin,
                         [](const PageRef& one, int position) { return one.position < position; });
    for (; entry != table.end() && entry->position < node.positions.end; ++entry) {
      const int offset = entry->position - node.positions.begin;
      REDKNOT_CHECK(offset % page_tokens == 0);
      REDKNOT_CHECK(entry->end() == std::min(node.positions.end, entry->position + page_tokens));
      PageRef& at = node.pages[head * slots + static_cast<std::size_t>(offset / page_tokens)];
      if (at.tokens > 0) continue;
      pool_.share(entry->page, Hold::kKeeps);
      at = *entry;
      --node.missing;
      if (!at.reused) bytes += pool_.shape().bytes(profile_.policies[head].kv_format);
    }
  }
  node.own_bytes += bytes;
  order_.charge(node.tenant, bytes);
  if (!node.segment && node.missing == 0) node.parent->texts.insert(&node);
}

// What a block begins with stands before it in the order of tokens, the longest last; others may
// stand between, and what they have in common with the block is longer than what is left to find.
void PrefixTree::supersede(PrefixNode& node) {
  const std::set<PrefixNode*, PrefixNode::ByTokens>& texts = node.parent->texts;
  const std::span<const TokenId> tokens(node.tokens);
  for (std::size_t most = tokens.size() - 1; most > 0;) {
    const auto behind = texts.upper_bound(tokens.first(most));
    if (behind == texts.begin()) return;
    PrefixNode* const one = *std::prev(behind);
    most = static_cast<std::size_t>(common_tokens(one->tokens, tokens));
    if (most < one->tokens.size()) continue;
    --most;
    if (!one->is_leaf()) continue;
    node.uses = std::max(node.uses, one->uses);
    erase(*one);
  }
}

void PrefixTree::place(PrefixNode& node) {
  if (node.rank) order_.leave(node.tenant, *std::exchange(node.rank, std::nullopt));
  if (node.is_root() || !node.is_leaf() || node.own_bytes == 0) return;
  node.rank = EvictionOrder::Rank{.worth = order_.worth(node.positions.end, node.uses),
                                  .used = node.used,
                                  .kind = EvictionOrder::Kind::kPrefix,
                                  .key = node.key};
  order_.enter(node.tenant, *node.rank);
}

void PrefixTree::erase(PrefixNode& leaf) {
  REDKNOT_CHECK(leaf.is_leaf() && !leaf.is_root());
  if (leaf.rank) order_.leave(leaf.tenant, *leaf.rank);
  order_.discharge(leaf.tenant, leaf.own_bytes);
  for (const PageRef& entry : leaf.pages) {
    if (entry.tokens > 0) pool_.release(entry.page, Hold::kKeeps);
  }
  leaf.parent->children.erase(&leaf);
  if (!leaf.segment && leaf.missing == 0) leaf.parent->texts.erase(&leaf);
  if (leaf.segment) {
    const auto adopters = adopters_.find(*leaf.segment);
    adopters->second.erase(&leaf);
    if (adopters->second.empty()) adopters_.erase(adopters);
  }
  memory_.remember(leaf.key, leaf.uses);
  nodes_.erase(ChainKey(leaf.key));
}

void PrefixTree::settle(PrefixNode& node) {
  PrefixNode* here = &node;
  while (here->is_leaf() && !here->is_root()) {
    if (is_useful(*here)) return place(*here);
    if (PrefixNode* longer = longer_beside(*here->parent, here->tokens)) {
      if (!here->segment) longer->ends = longer->ends || here->ends;
    }
    PrefixNode* parent = here->parent;
    erase(*here);
    here = parent;
  }
  if (here->is_leaf()) nodes_.erase(ChainKey(here->key));
}

void PrefixTree::evict(const EvictionOrder::Rank& leaf) {
  PrefixNode* node = this->node(leaf.key);
  REDKNOT_CHECK(node != nullptr && node->rank == leaf);
  order_.evicted(leaf);
  PrefixNode* parent = node->parent;
  erase(*node);
  settle(*parent);
}

bool PrefixTree::evict_adopter(const SegmentKey& segment) {
  const auto at = adopters_.find(segment);
  if (at == adopters_.end()) return false;
  PrefixNode* leaf = *at->second.begin();
  while (!leaf->is_leaf()) leaf = *leaf->children.begin();
  if (leaf->rank) order_.evicted(*leaf->rank);
  PrefixNode* parent = leaf->parent;
  erase(*leaf);
  settle(*parent);
  return true;
}

void PrefixTree::drop_adopters(const SegmentKey& segment) {
  for (auto at = adopters_.find(segment); at != adopters_.end(); at = adopters_.find(segment)) {
    PrefixNode* const top = *at->second.begin();
    PrefixNode* const parent = top->parent;
    while (!top->is_leaf()) {
      PrefixNode* leaf = top;
      while (!leaf->is_leaf()) leaf = *leaf->children.begin();
      erase(*leaf);
    }
    erase(*top);
    settle(*parent);
  }
}

bool PrefixTree::set_aside(const ChainKey& leaf) {
  PrefixNode* node = this->node(leaf);
  REDKNOT_CHECK(node != nullptr && node->rank);
  for (const PageRef& entry : node->pages) {
    const bool is_own = entry.tokens > 0 && !entry.reused;
    if (is_own && pool_.reference_count(entry.page) == 1) return false;
  }
  order_.leave(node->tenant, *std::exchange(node->rank, std::nullopt));
  set_aside_.push_back(leaf);
  return true;
}

bool PrefixTree::take_back() {
  const bool some = !set_aside_.empty();
  for (const ChainKey& key : std::exchange(set_aside_, {})) {
    // It may have gone meanwhile.
    if (PrefixNode* one = node(key)) place(*one);
  }
  return some;
}

std::vector<PageId> PrefixTree::own_pages() const {
  std::vector<PageId> out;
  for (const auto& [key, node] : nodes_) {
    for (const PageRef& entry : node.pages) {
      if (entry.tokens > 0 && !entry.reused) out.push_back(entry.page);
    }
  }
  return out;
}

bool PrefixTree::check() const {
  std::size_t adopters = 0, segments = 0;
  for (const auto& [key, node] : nodes_) {
    if (node.key != key) return false;
    if (node.is_root()) {
      if (node.is_leaf()) return false;  // (3)
      continue;
    }
    std::size_t bytes = 0;
    int missing = 0;
    for (std::size_t i = 0; i < node.pages.size(); ++i) {
      const PageRef& entry = node.pages[i];
      missing += entry.tokens == 0 ? 1 : 0;
      if (entry.tokens == 0) continue;
      if (pool_.reference_count(entry.page) < 1) return false;  // (1)
      const std::size_t slots = node.pages.size() / profile_.policies.size();
      if (!entry.reused) bytes += pool_.shape().bytes(profile_.policies[i / slots].kv_format);
      if (entry.reused && !node.segment) return false;
    }
    if (missing != node.missing || bytes != node.own_bytes) return false;
    if (!node.parent->children.contains(const_cast<PrefixNode*>(&node))) return false;
    const bool is_aside = std::find(set_aside_.begin(), set_aside_.end(), key) != set_aside_.end();
    if (node.rank.has_value() != (node.is_leaf() && !is_aside)) return false;  // (2)
    if (node.is_leaf() && !is_useful(node)) return false;                      // (3), (4)
    if (!node.segment) continue;
    ++segments;
    if (!adopters_.at(*node.segment).contains(const_cast<PrefixNode*>(&node))) return false;  // (5)
  }
  for (const auto& [key, nodes] : adopters_) adopters += nodes.size();
  return adopters == segments;
}

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_node.h"

#include <algorithm>
#include <iterator>

#include "heads/visibility.h"

namespace redknot {
namespace {

bool is_before(std::span<const TokenId> a, std::span<const TokenId> b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

bool PrefixNode::ByTokens::operator()(const PrefixNode* a, const PrefixNode* b) const {
  return is_before(a->tokens, b->tokens);
}
bool PrefixNode::ByTokens::operator()(const PrefixNode* a, std::span<const TokenId> b) const {
  return is_before(a->tokens, b);
}
bool PrefixNode::ByTokens::operator()(std::span<const TokenId> a, const PrefixNode* b) const {
  return is_before(a, b->tokens);
}

int common_tokens(std::span<const TokenId> a, std::span<const TokenId> b) {
  const auto differ = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<int>(differ.first - a.begin());
}

// In the order of their tokens, those that begin most alike are neighbours.
PrefixNode* longest_beginning(const PrefixNode& parent, std::span<const TokenId> tokens) {
  const auto behind = parent.texts.lower_bound(tokens);
  PrefixNode* longest = nullptr;
  int most = 0;
  const auto look_at = [&](PrefixNode* node) {
    const int common = common_tokens(node->tokens, tokens);
    if (common > most) longest = node;
    most = std::max(most, common);
  };
  if (behind != parent.texts.end()) look_at(*behind);
  if (behind != parent.texts.begin()) look_at(*std::prev(behind));
  return longest;
}

std::vector<PageTable> tables_of(std::span<PrefixNode* const> path, std::size_t heads, int tokens) {
  std::vector<PageTable> tables(heads);
  for (const PrefixNode* node : path) {
    const std::size_t slots = node->pages.size() / heads;
    for (std::size_t i = 0; i < node->pages.size(); ++i) {
      PageRef entry = node->pages[i];
      if (entry.tokens == 0 || entry.position >= tokens) continue;
      entry.tokens = std::min(entry.tokens, tokens - entry.position);
      tables[i / slots].push_back(entry);
    }
  }
  return tables;
}

PrefixNode* longer_beside(const PrefixNode& parent, std::span<const TokenId> tokens) {
  const auto next = parent.texts.upper_bound(tokens);
  if (next == parent.texts.end()) return nullptr;
  const bool begins = common_tokens((*next)->tokens, tokens) == static_cast<int>(tokens.size());
  return begins ? *next : nullptr;
}

bool is_useful(const PrefixNode& leaf) {
  if (!leaf.ends || leaf.own_bytes == 0) return false;
  return leaf.segment || longer_beside(*leaf.parent, leaf.tokens) == nullptr;
}

Coverage::Coverage(const HeadProfile& profile, int page_tokens)
    : profile_(profile), page_tokens_(page_tokens), gaps_(profile.policies.size()) {}

void Coverage::add(const PrefixNode& node) {
  if (node.missing == 0) return;
  const std::size_t slots = node.pages.size() / gaps_.size();
  for (std::size_t i = 0; i < node.pages.size(); ++i) {
    if (node.pages[i].tokens > 0) continue;
    Gaps& gaps = gaps_[i / slots];
    const std::size_t slot = i % slots;
    const int begin = node.positions.begin + static_cast<int>(slot) * page_tokens_;
    if (gaps.end == 0) gaps.first = begin;
    gaps.end = std::min(node.positions.end, begin + page_tokens_);
  }
}

bool Coverage::allows(int position) const {
  for (std::size_t head = 0; head < gaps_.size(); ++head) {
    const Gaps& gaps = gaps_[head];
    if (gaps.end == 0) continue;
    const VisibleRange needed = still_needed(profile_.policies[head], position);
    const int first = std::clamp(position - 1, 0, needed.recent.begin);
    if (gaps.end > first || gaps.first < needed.sink.end) return false;
  }
  return true;
}

}  // namespace redknot

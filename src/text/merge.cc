// SPDX-License-Identifier: Apache-2.0
#include "text/merge.h"

#include <bit>
#include <string>

#include "base/check.h"

namespace redknot::text {
namespace {

constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // no pair: token ids are not negative

std::uint64_t key_of(TokenId left, TokenId right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

}  // namespace

MergeTable::MergeTable(std::size_t merge_count)
    : slots_(std::bit_ceil(2 * merge_count + 2), Slot{kEmpty, {}}),
      shift_(64 - std::countr_zero(slots_.size())) {}

std::size_t MergeTable::slot_of(std::uint64_t key) const {
  // Fibonacci hashing: the high bits of the product are the well mixed ones.
  std::size_t slot = static_cast<std::size_t>(key * 0x9e3779b97f4a7c15u >> shift_);
  while (slots_[slot].key != key && slots_[slot].key != kEmpty) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

void MergeTable::add(TokenId left, TokenId right, Merge merge) {
  REDKNOT_DCHECK(left != kNoToken && right != kNoToken);
  const std::uint64_t key = key_of(left, right);
  Slot& slot = slots_[slot_of(key)];
  if (slot.key == kEmpty) slot = {key, merge};
}

std::optional<Merge> MergeTable::find(TokenId left, TokenId right) const {
  if (left == kNoToken || right == kNoToken) return {};
  const Slot& slot = slots_[slot_of(key_of(left, right))];
  if (slot.key == kEmpty) return {};
  return slot.merge;
}

MergeTable merge_table(const Vocabulary& vocabulary, const TokenTable& table) {
  const TextIndex index = index_by_text(vocabulary, table);
  const auto token_of = [&index](const std::string& text) {
    const auto found = index.find(text);
    return found == index.end() ? kNoToken : found->second;
  };
  MergeTable merges(vocabulary.merges.size());
  std::uint32_t rank = 0;
  for (const auto& [left_text, right_text] : vocabulary.merges) {
    const TokenId left = token_of(left_text);
    const TokenId right = token_of(right_text);
    const TokenId whole = token_of(left_text + right_text);
    const bool applies = left != kNoToken && right != kNoToken && whole != kNoToken;
    if (applies) merges.add(left, right, {rank, whole});
    ++rank;
  }
  return merges;
}

void SymbolList::add(int begin, int length, TokenId token) {
  const int index = static_cast<int>(symbols_.size());
  if (index > 0) symbols_.back().next = index;
  symbols_.push_back({begin, length, token, index - 1, -1});
}

bool SymbolList::join(const Candidate& candidate) {
  Symbol& left = symbols_[static_cast<std::size_t>(candidate.left)];
  if (left.length == 0 || left.next < 0) return false;
  Symbol& right = symbols_[static_cast<std::size_t>(left.next)];
  if (left.length + right.length != candidate.length) return false;
  left.length += right.length;
  left.token = candidate.merge.token;
  left.next = right.next;
  if (right.next >= 0) symbols_[static_cast<std::size_t>(right.next)].previous = candidate.left;
  right.length = 0;
  return true;
}

}  // namespace redknot::text

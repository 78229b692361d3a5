// SPDX-License-Identifier: Apache-2.0
// Byte-pair merging: neighbours are joined, best pair first, until no pair can be joined.
//
// The symbols of a word form a linked list; pairs that can merge wait in a heap, ordered by
// priority, then from left to right. A merge leaves old pairs in the heap; they are known by their
// length and dropped when they come up. O(n log n) for n symbols. Both kinds of tokenizers own a
// MergeTable, which is immutable once built; a SymbolList belongs to one call of encode and its
// thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/vocabulary.h"
#include "text/token_table.h"

namespace redknot::text {

inline constexpr TokenId kNoToken{-1};

// What joining two symbols gives. The lowest priority goes first.
struct Merge {
  std::uint32_t priority = 0;
  TokenId token = kNoToken;
};

// (left token, right token) -> merge; open addressing.
class MergeTable {
 public:
  explicit MergeTable(std::size_t merge_count = 0);
  // Keeps the first of equal pairs. Requires at most merge_count calls.
  void add(TokenId left, TokenId right, Merge merge);
  std::optional<Merge> find(TokenId left, TokenId right) const;

 private:
  struct Slot {
    std::uint64_t key;
    Merge merge;
  };
  std::size_t slot_of(std::uint64_t key) const;

  std::vector<Slot> slots_;  // a power of two, at most half full
  int shift_;
};

// The merges of a vocabulary by rank. Those that name no tokens can never apply and are left out.
MergeTable merge_table(const Vocabulary& vocabulary, const TokenTable& table);

// Bytes [begin, begin + length) of a word. Length 0: merged into its left neighbour.
struct Symbol {
  int begin = 0;
  int length = 0;
  TokenId token = kNoToken;
  int previous = -1;
  int next = -1;
};

class SymbolList {
 public:
  void clear() { symbols_.clear(); }
  void add(int begin, int length, TokenId token);

  // find(left symbol, right symbol) -> std::optional<Merge>.
  template <typename Find>
  void merge(const Find& find);

  // After merge: those with length 0 are to be skipped.
  std::span<const Symbol> symbols() const { return symbols_; }

 private:
  struct Candidate {
    Merge merge;
    int left;
    int length;  // of both together
    // The heap keeps the greatest on top; ours is the lowest.
    bool operator<(const Candidate& other) const {
      if (merge.priority != other.merge.priority) return merge.priority > other.merge.priority;
      return left > other.left;
    }
  };
  bool join(const Candidate& candidate);  // false if the candidate is out of date

  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

template <typename Find>
void SymbolList::merge(const Find& find) {
  heap_.clear();
  const auto consider = [&](int left) {
    if (left < 0) return false;
    const Symbol& first = symbols_[static_cast<std::size_t>(left)];
    if (first.next < 0) return false;
    const Symbol& second = symbols_[static_cast<std::size_t>(first.next)];
    const std::optional<Merge> merge = find(first, second);
    if (merge) heap_.push_back({*merge, left, first.length + second.length});
    return merge.has_value();
  };
  for (int left = 0; left + 1 < static_cast<int>(symbols_.size()); ++left) consider(left);
  std::make_heap(heap_.begin(), heap_.end());
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Candidate candidate = heap_.back();
    heap_.pop_back();
    if (!join(candidate)) continue;
    if (consider(symbols_[static_cast<std::size_t>(candidate.left)].previous)) {
      std::push_heap(heap_.begin(), heap_.end());
    }
    if (consider(candidate.left)) std::push_heap(heap_.begin(), heap_.end());
  }
}

}  // namespace redknot::text

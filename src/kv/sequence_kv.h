// SPDX-License-Identifier: Apache-2.0
// The pages of one sequence, for every (layer, KV head).
//
// A page table lists pages in position order; each entry says which positions its slots stand for
// and by how much they were shifted from where their keys were rotated. Heads that see less keep
// less. Pages may be shared between sequences; the pool counts. Move-only; used by the step loop
// only (compute workers read tables inside a step).
//
// Invariants: (1) positions in a table strictly increase and entries do not overlap; (2) every page
// named here holds one of our references; (3) after forget(next), a table covers all of
// still_needed(policy, next) and of [next, length), and keeps no page wholly outside them, but for
// one that ends just before them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "heads/visibility.h"
#include "kv/page_pool.h"
#include "redknot/result.h"

namespace redknot {

// `tokens` filled slots of one page, from slot 0, standing at [position, position + tokens).
// The key in slot i was rotated at position + i - shift. A run is consecutive entries of one shift.
struct PageRef {
  PageId page{};
  int position = 0;
  int tokens = 0;
  int shift = 0;
  bool reused = false;  // adopted: this sequence reads its slots and never writes them
  int end() const { return position + tokens; }
  bool operator==(const PageRef&) const = default;
};

using PageTable = std::vector<PageRef>;

class SequenceKv {
 public:
  // Both must outlive the object.
  SequenceKv(PagePool& pool, const HeadProfile& profile);
  SequenceKv(SequenceKv&& other) noexcept;
  SequenceKv& operator=(SequenceKv&& other) noexcept;
  ~SequenceKv();

  int length() const { return length_; }  // tokens ever appended or adopted
  const HeadProfile& profile() const { return *profile_; }
  int page_tokens() const { return pool_->shape().page_tokens; }
  const PageTable& table(int layer, int kv_head) const;

  // Makes room for the next `tokens` positions of every head, or changes nothing and returns
  // kResourceExhausted. A partly filled last page is continued if its shift is zero and end_page()
  // was not called behind it; if it is also shared it is copied first (copy on write).
  // New slots stand at shift 0. O(layers x kv_heads).
  Status extend(int tokens);

  // The next token begins a page of its own, also where the last one has free slots: where a part
  // of a prompt ends, so that a part lies in the same pages whatever follows it.
  void end_page() { page_ended_at_ = length_; }

  // Gives back pages that queries at `next` and later cannot see; there will be no earlier query.
  // Requires 0 <= next <= length().
  void forget(int next);

  // A sequence with the same pages, shared. O(pages).
  SequenceKv fork() const { return fork(*profile_); }
  // The same under another profile of equal formats; what its policies cannot see is left out. It
  // must outlive the sequence.
  SequenceKv fork(const HeadProfile& profile) const;

  // A sequence of the first `tokens` tokens of this one, sharing its pages, as if no more had ever
  // been appended and no page ended there; nothing if a head has given back what queries there see,
  // or if it would end within an adopted page. Requires 0 <= tokens <= length(). O(pages).
  std::optional<SequenceKv> prefix(int tokens) const;

  // A sequence of so many tokens that holds what these tables name, [layers, kv_heads], and shares
  // their pages, but for those that queries at its end cannot see. Requires that it then keeps the
  // invariants. Both references must outlive it. O(pages).
  static SequenceKv of_tables(PagePool& pool, const HeadProfile& profile,
                              std::vector<PageTable> tables, int tokens);

  // Appends, for one head, pages that hold `tokens` tokens (all pages full but the last), shared by
  // reference, standing at the sequence's current end under `shift`. The caller does so for
  // every head and then calls advance(tokens). Requires the pages' format to be the head's.
  void adopt(int layer, int kv_head, std::span<const PageId> pages, int tokens, int shift);
  void advance(int tokens);

  // Puts pages of this sequence alone in the place of those adopted ones of a head that hold a
  // position of the range: at the same positions, under no shift, their slots to be written anew.
  // kResourceExhausted, and nothing has changed, if the pool has too few.
  Status recover(int layer, int kv_head, PositionRange positions);

  // Pages that extend(tokens) would take from the pool, per format.
  std::array<int, kKvFormatCount> pages_to_extend(int tokens) const;

  // Pages of a head that it holds beside those that it adopted. O(1).
  int own_pages(int layer, int kv_head) const {
    const std::size_t head = index(layer, kv_head);
    return static_cast<int>(tables_[head].size()) - reused_[head];
  }

  // Referenced pages, per format, counting shared ones.
  std::array<int, kKvFormatCount> pages() const;

  // True if the invariants hold (those that can be seen from here). O(pages).
  bool check() const;

 private:
  // What extend() must take from the pool for one head.
  struct Growth {
    bool continues = false;  // the last page has free slots that may be filled
    bool copies = false;     // it is shared, so a copy takes its place first
    int pages = 0;           // the copy and the new ones
  };
  Growth growth(const PageTable& table, int tokens) const;
  void extend_table(std::size_t head, int tokens);
  std::size_t index(int layer, int kv_head) const;

  PagePool* pool_;
  const HeadProfile* profile_;
  std::vector<PageTable> tables_;  // [layers, kv_heads]
  std::vector<int> reused_;        // [layers, kv_heads]: entries of the table that are reused
  int length_ = 0;
  int forgotten_ = 0;       // the largest `next` given to forget()
  int page_ended_at_ = -1;  // the length at the latest end_page()
};

// Most pages of one head of such a sequence: see below.
std::int64_t peak_pages_of_head(const HeadPolicy& policy, int page_tokens, int tokens,
                                int chunk_tokens);

// Most pages that a sequence of `tokens` tokens without adopted ones, computed in chunks of at most
// `chunk_tokens` that start anywhere, with forget() after each, ever holds at once, per format:
// what admission reserves. Some chunking needs as many for global heads, and at most one page less
// for a local head. Requires tokens >= 0, chunk_tokens >= 1. Saturates.
std::array<int, kKvFormatCount> peak_pages(const HeadProfile& profile, const PageShape& shape,
                                           int tokens, int chunk_tokens);

}  // namespace redknot

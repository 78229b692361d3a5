// SPDX-License-Identifier: Apache-2.0
// The pages of one sequence, for every (layer, KV head): its page tables, and one hold on each page
// in them. Names only, no bytes.
//
// Heads that see less keep less. Pages may be shared between sequences; the allocator counts. A
// sequence that a step may run writes every change of its tables to a log, which goes into the next
// plan: executors apply the same changes. The scheduler's sequences own one each; whoever runs
// steps without a scheduler (a benchmark, the profiler) too. Move-only; used by the step loop only.
//
// Invariants: (1) positions in a table strictly increase and entries do not overlap; (2) every page
// named here holds one of our references and has the frame that its entry says; (3) after
// forget(next), a table covers all of still_needed(policy, next) and of [next, length), and keeps
// no page wholly outside them, but for one that ends just before them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "heads/visibility.h"
#include "kv/page_allocator.h"
#include "kv/page_table.h"
#include "redknot/result.h"

namespace redknot {

// Where the changes of the tables of one sequence are written.
struct PageLog {
  std::vector<PageOp>* ops = nullptr;  // null: nowhere
  SequenceId sequence{};
};

class SequenceKv {
 public:
  // All must outlive the object.
  SequenceKv(PageAllocator& pages, const HeadProfile& profile, PageLog log = {});
  SequenceKv(SequenceKv&& other) noexcept;
  SequenceKv& operator=(SequenceKv&& other) noexcept;
  ~SequenceKv();  // gives back all pages, and writes to the log that the sequence has ended

  SequenceId sequence() const { return log_.sequence; }  // by which plans name it
  int length() const { return length_; }                 // tokens ever appended or adopted
  const HeadProfile& profile() const { return tables_.profile(); }
  int page_tokens() const { return allocator_->shape().page_tokens; }
  const PageTables& tables() const { return tables_; }
  const PageTable& table(int layer, int kv_head) const { return tables_.at(layer, kv_head); }

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
  SequenceKv fork(PageLog log = {}) const;

  // Begins an empty sequence with the pages of another, shared. If its profile is another one, of
  // equal formats, what its policies cannot see is there until forget(). O(pages).
  void begin_with(const SequenceKv& other);

  // A sequence of the first `tokens` tokens of this one, sharing its pages, as if no more had ever
  // been appended and no page ended there; nothing if a head has given back what queries there see,
  // or if it would end within an adopted page, or one that was in part. Requires 0 <= tokens <=
  // length(). O(pages).
  std::optional<SequenceKv> prefix(int tokens) const;

  // A sequence of so many tokens that holds what these tables name, [layers, kv_heads], and shares
  // their pages, but for those that queries at its end cannot see. Requires that it then keeps the
  // invariants. Both references must outlive it. O(pages).
  static SequenceKv of_tables(PageAllocator& pages, const HeadProfile& profile,
                              const std::vector<PageTable>& tables, int tokens);

  // Appends, for one head, pages that hold `tokens` tokens (all pages full but the last), shared by
  // reference, standing at the sequence's current end under `shift`. The caller does so for
  // every head and then calls advance(tokens). Requires the pages' format to be the head's.
  void adopt(int layer, int kv_head, std::span<const PageId> pages, int tokens, int shift);
  void advance(int tokens);

  // Puts pages of this sequence alone in the place of those adopted ones of a head that hold
  // positions of these increasing ranges, whose slots are to be written anew. A page that lies in
  // one of them stands under no shift; of others the rest is copied, under their shift.
  // kResourceExhausted, and nothing has changed, if the allocator has too few.
  Status recover(int layer, int kv_head, std::span<const PositionRange> positions);
  // Pages that recover() would take from the allocator.
  int pages_to_recover(int layer, int kv_head, std::span<const PositionRange> positions) const;

  // Pages that extend(tokens) would take from the allocator, per format.
  PageCounts pages_to_extend(int tokens) const;

  // Pages of a head that it holds beside those that it adopted. O(1).
  int own_pages(int layer, int kv_head) const {
    const int head = index(layer, kv_head);
    return static_cast<int>(tables_.at(head).size()) - reused_[static_cast<std::size_t>(head)];
  }

  // Referenced pages, per format, counting shared ones.
  PageCounts pages() const;

  // True if the invariants hold (those that can be seen from here). O(pages).
  bool check() const;

 private:
  // What extend() must take for one head.
  struct Growth {
    bool continues = false;  // the last page has free slots that may be filled
    bool copies = false;     // it is shared, so a copy takes its place first
    int pages = 0;           // the copy and the new ones
    int filled = 0;          // slots of the last page that are filled then, if it continues
  };
  Growth growth(const PageTable& table, int tokens) const;
  // The three parts of extend(): copies shared last pages, fills last pages, appends new ones.
  void copy_shared(const std::vector<Growth>& growths);
  void fill_last(const std::vector<Growth>& growths);
  void append_new(int tokens);
  // Puts a page of the sequence alone in the place of an adopted one, as recover() says.
  void take_over(int head, const PageRef& adopted, bool wholly);
  // Applies a change to the tables and writes it to the log. Holds are the caller's business.
  void change(PageOp op);
  PageRef new_entry(KvFormat format, int position, int tokens);
  const HeadPolicy& policy(int head) const;
  int index(int layer, int kv_head) const { return layer * profile().kv_heads + kv_head; }
  void swap(SequenceKv& other) noexcept;

  // Constant after construction.
  PageAllocator* allocator_;
  PageLog log_;

  PageTables tables_;
  std::vector<int> reused_;  // [layers, kv_heads]: entries of the table that are reused
  int length_ = 0;
  int forgotten_ = 0;       // the largest `next` given to forget()
  int page_ended_at_ = -1;  // the length at the latest end_page()
};

}  // namespace redknot

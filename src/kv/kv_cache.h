// SPDX-License-Identifier: Apache-2.0
// All keys and values that are kept for reuse: prefixes of earlier sequences, and segments.
//
// Everything is named by what it holds (kv/chain.h, kv/segment_key.h), per tenant, and bounded by
// the bytes of the page pool alone: what is kept goes when its room is wanted, in one order (kv/
// eviction_order.h). Segments may be pinned (kv/pins.h). A prefix never outlives a segment that it
// adopted, so that pages of segments in use are those that are counted.
//
// It decides nothing about sequences: the scheduler owns it and asks. Used by the step loop only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "heads/head_profile.h"
#include "kv/chain.h"
#include "kv/domain.h"
#include "kv/eviction_order.h"
#include "kv/page_allocator.h"
#include "kv/pins.h"
#include "kv/prefix_tree.h"
#include "kv/segment_table.h"
#include "kv/sequence_kv.h"
#include "kv/use_memory.h"

namespace redknot {

// Segments of one name.
struct SegmentUse {
  std::string id{};
  int tokens = 0;
  PageCounts pages{};
  int copies = 0;  // behind other contexts
  int uses = 0;
  std::optional<Pins::Time> pinned_until{};
};

class KvCache {
 public:
  // References must outlive the object.
  KvCache(PageAllocator& pool, const HeadProfile& profile, const Domain& domain);
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // The longest beginning that is kept, of at most `most_tokens` tokens, or nothing.
  std::optional<SequenceKv> find_prefix(const Chain& wanted, int most_tokens);
  // Keeps what a sequence holds of a chain, which is not longer.
  void keep_prefix(const Chain& chain, const SequenceKv& kv);

  // Requires that it is not here. It is held at once if its name is pinned and it fits.
  void add_segment(const SegmentKey& key, Segment segment, const SegmentName& name,
                   const Pins::Fits& fits);
  // Keeps a segment that is here until as many releases; acquire() counts a use.
  void acquire(const SegmentKey& key);
  void acquire_again(const SegmentKey& key);
  void release(const SegmentKey& key);

  // What tenants see of their segments, and drop: those of a name, or of all names of the salt if
  // `id` is empty, at once, or when their last user ends. How many names.
  std::vector<SegmentUse> segment_uses(const std::string& salt) const;
  int drop_segments(const std::string& salt, const std::string& id);

  const SegmentTable& segments() const { return segments_; }
  const PrefixTree& prefixes() const { return prefixes_; }
  Pins& pins() { return pins_; }
  const Pins& pins() const { return pins_; }
  std::size_t kept_bytes(const std::string& tenant) const { return order_.kept_bytes(tenant); }

  // Evicts until what is wanted is free, or nothing is left that may go. What is wanted may become
  // less meanwhile: a page that is not shared any more needs no copy.
  void evict_until(const std::function<PageCounts()>& wanted);

  // True if all invariants hold. O(pages). For tests.
  bool check() const;

 private:
  void erase_segment(const SegmentKey& key);
  void evict(const EvictionOrder::Rank& rank);

  const PageAllocator& pool_;
  // What entries share. Before those that are in it.
  EvictionOrder order_;
  UseMemory memory_;
  // What is kept. Prefixes go before the segments that they adopted.
  SegmentTable segments_;
  Pins pins_;
  PrefixTree prefixes_;
  std::uint64_t now_ = 0;  // grows with all that is used or kept
};

}  // namespace redknot

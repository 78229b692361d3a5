// SPDX-License-Identifier: Apache-2.0
// The segments that are at hand in the page pool, by what they are the keys and values of.
//
// A segment may be in use, by sequences that are composed of it; pinned, because a caller asked for
// it; and doomed, to go when its last user ends. One that is neither in use nor pinned stands in
// the order of eviction. How often a segment was used is remembered for a while after it has gone.
//
// Owned by the KV cache, which also sees to it that no prefix outlives a segment that it adopted;
// the scheduler reads it. Used by the step loop only.
//
// Invariants: (1) an entry is in the order of eviction iff it has no users and is not pinned;
// (2) its tenant is charged for its pages; (3) counts of pages are sums over entries.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kv/eviction_order.h"
#include "kv/segment.h"
#include "kv/segment_key.h"
#include "kv/use_memory.h"

namespace redknot {

class SegmentTable {
 public:
  struct Entry {
    Segment segment;
    SegmentName name{};
    int users = 0;  // acquired and not yet released
    int uses = 0;   // ever
    bool pinned = false;
    bool doomed = false;
    std::uint64_t used = 0;
    std::optional<EvictionOrder::Rank> rank{};  // while it is in the order
  };

  // References must outlive the object.
  SegmentTable(const PageShape& shape, EvictionOrder& order, UseMemory& memory);
  SegmentTable(const SegmentTable&) = delete;
  SegmentTable& operator=(const SegmentTable&) = delete;
  ~SegmentTable();

  // Null if it is not here. Not counted as a use.
  const Segment* find(const SegmentKey& key) const;
  // Requires that it is here, as all below do.
  const Entry& entry(const SegmentKey& key) const { return entries_.at(key); }

  // Requires that it is not here. It comes without users.
  const Segment& insert(const SegmentKey& key, Segment segment, SegmentName name = {});

  // Those of a name; of an empty id all of the salt. In the order of their names and keys.
  std::vector<SegmentKey> named(const SegmentName& name) const;

  // Counts a use at `now`, a time that does not go back, and keeps the segment until as many
  // releases.
  void acquire(const SegmentKey& key, std::uint64_t now);
  void acquire_again(const SegmentKey& key);  // not a use of its own
  void release(const SegmentKey& key);

  // Keeps it until it is unpinned, in use or not.
  void pin(const SegmentKey& key);
  void unpin(const SegmentKey& key);
  // It is to go as soon as nobody uses it.
  void doom(const SegmentKey& key) { entries_.at(key).doomed = true; }

  // Requires that nobody uses it and that it is not pinned.
  void erase(const SegmentKey& key);
  // The same, to make room.
  void evict(const SegmentKey& key);

  // Pages of all segments, and of those that are in use.
  PageCounts pages() const { return pages_; }
  PageCounts used_pages() const { return used_pages_; }
  int pages_per_head() const { return pages_per_head_; }  // of all segments; all heads alike
  int segments() const { return static_cast<int>(entries_.size()); }
  std::uint64_t evictions() const { return evictions_; }

  // True if the invariants hold. For tests.
  bool check() const;

 private:
  // Puts an entry where it belongs in the order of eviction, or takes it out, after any change.
  void place(const SegmentKey& key, Entry& entry);

  // What it works with.
  PageShape shape_;
  EvictionOrder& order_;
  UseMemory& memory_;
  // What is kept, and by which names.
  std::map<SegmentKey, Entry> entries_;
  std::map<SegmentName, std::set<SegmentKey>> names_;
  // Counts.
  PageCounts pages_{}, used_pages_{};
  int pages_per_head_ = 0;
  std::uint64_t evictions_ = 0;
};

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
// The segments that are at hand in the page pool, by what they are the keys and values of.
//
// A segment in use is pinned; one may also be held for some time, whoever uses it. When pages are
// wanted, segments that are neither go, the least worth first: rebuild cost times uses over bytes,
// aged as in GreedyDual-Size-Frequency (Cherkasova 1998). One that was used only once gets no
// credit for its age, so that documents that come once do not drive out those that come again; how
// often a segment was used is remembered for a while after it has gone. Used by the step loop only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "kv/segment.h"

namespace redknot {

// A SHA-256 of everything that a segment's pages depend on.
using SegmentKey = std::array<std::byte, 32>;

// What callers call a segment: whose it is, and its tokens, whatever they stand behind.
struct SegmentName {
  std::string salt{};
  std::string id{};
  bool operator==(const SegmentName&) const = default;
  bool operator<(const SegmentName& other) const {
    return std::tie(salt, id) < std::tie(other.salt, other.id);
  }
};

class SegmentIndex {
 public:
  SegmentIndex() = default;
  SegmentIndex(const SegmentIndex&) = delete;
  SegmentIndex& operator=(const SegmentIndex&) = delete;

  // Null if it is not here. Not counted as a use.
  const Segment* find(const SegmentKey& key) const;

  // Requires that it is not here. It comes unpinned.
  const Segment& insert(const SegmentKey& key, Segment segment, SegmentName name = {});

  // Those of a name; of an empty id all of the salt. O(segments).
  struct Named {
    SegmentKey key{};
    SegmentName name{};
    const Segment* segment = nullptr;
    int uses = 0;
  };
  std::vector<Named> named(const SegmentName& name) const;

  // Counts a use at `now`, a time that does not go back, and keeps the segment until as many
  // unpins. Requires that it is here.
  void pin(const SegmentKey& key, std::uint64_t now);
  void pin_again(const SegmentKey& key);  // not a use of its own
  void unpin(const SegmentKey& key);
  bool is_pinned(const SegmentKey& key) const { return entries_.at(key).pins > 0; }

  // Keeps the segment until it is let go, pinned or not. Requires that it is here.
  void hold(const SegmentKey& key) { entries_.at(key).held = true; }
  void let_go(const SegmentKey& key) { entries_.at(key).held = false; }
  bool is_held(const SegmentKey& key) const { return entries_.at(key).held; }
  // It is to be dropped as soon as nobody has it pinned.
  void doom(const SegmentKey& key) { entries_.at(key).doomed = true; }
  bool is_doomed(const SegmentKey& key) const { return entries_.at(key).doomed; }

  // The one that goes next when room is wanted, and when it was last used. Nothing if all are
  // pinned or held.
  struct Candidate {
    SegmentKey key{};
    std::uint64_t used = 0;
  };
  std::optional<Candidate> least_worth() const;
  // Requires that it is here and not pinned.
  void drop(const SegmentKey& key);
  // The same, to make room.
  void evict(const SegmentKey& key);

  // Pages of all segments, and of those that are pinned.
  std::array<int, kKvFormatCount> pages() const { return pages_; }
  std::array<int, kKvFormatCount> pinned_pages() const { return pinned_pages_; }
  int pages_per_head() const { return pages_per_head_; }  // of all segments; all heads alike
  int segments() const { return static_cast<int>(entries_.size()); }
  std::uint64_t evictions() const { return evictions_; }

  // True if counts add up. For tests.
  bool check() const;

 private:
  struct Entry {
    Segment segment;
    SegmentName name{};
    int pins = 0;
    int uses = 0;
    bool held = false;
    bool doomed = false;
    double worth = 0;
    std::uint64_t used = 0;
  };
  using Entries = std::map<SegmentKey, Entry>;
  double worth(const Entry& entry) const;
  void remember(const SegmentKey& key, int uses);

  Entries entries_;
  std::map<SegmentKey, int> remembered_;  // uses of segments that were dropped
  std::deque<SegmentKey> dropped_;        // the keys of remembered_, in order
  std::array<int, kKvFormatCount> pages_ = {}, pinned_pages_ = {};
  int pages_per_head_ = 0;
  double age_ = 0;  // the largest worth of a segment that was dropped
  std::uint64_t evictions_ = 0;
};

}  // namespace redknot

// SPDX-License-Identifier: Apache-2.0
// Segments that callers asked to keep, by name, for some time.
//
// A pin holds all copies of its name, those that come later too, behind other contexts: each is
// asked for as it comes, and not held if there is no room for it. What a tenant has pinned never
// exceeds the quota that it names, nor all that is pinned half of the pool; and what runs keeps
// what was reserved for it, which the caller says.
//
// Owned by the KV cache; the scheduler asks it. Used by the step loop only.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "kv/page_allocator.h"
#include "kv/segment_key.h"
#include "kv/segment_table.h"

namespace redknot {

class Pins {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Terms {
    Time until{};
    std::size_t quota_bytes = 0;  // of all that its tenant has pinned; 0: no limit
  };
  // Asked while what is wanted is held: whether there is room for all that runs beside it.
  using Fits = std::function<bool()>;

  // References must outlive the object.
  Pins(const PageAllocator& pool, SegmentTable& segments);

  // Pins all copies of a name. False, and nothing has changed, if there are none or if they do not
  // fit.
  bool pin(const SegmentName& name, const Terms& terms, const Fits& fits);
  // A segment has come: it is held if its name is pinned and if it fits.
  void add_copy(const SegmentKey& key, const Fits& fits);
  // One is about to go: it is held no more.
  void drop_copy(const SegmentKey& key);
  void unpin(const SegmentName& name);
  // Ends one of the pins. False if there is none.
  bool unpin_one();
  // Ends those whose time has come.
  void end(Time now);

  std::optional<Time> next_end() const;
  std::optional<Time> until(const SegmentName& name) const;        // nothing: it is not pinned
  const std::map<SegmentKey, int>& held() const { return held_; }  // and how many tokens they have
  std::size_t bytes(std::string_view salt) const;

  // True if counts add up and no limit is exceeded. For tests.
  bool check() const;

 private:
  // Holds a copy, whatever the limits.
  void hold(const SegmentKey& key);
  // What is held of a tenant and of all stays within the limits, and what runs beside it.
  bool is_within_limits(const std::string& salt, std::size_t quota_bytes, const Fits& fits) const;

  const PageAllocator& pool_;
  SegmentTable& segments_;
  std::map<SegmentName, Terms> pins_;
  std::map<SegmentKey, int> held_;
  std::map<std::string, std::size_t, std::less<>> bytes_;  // of tenants that hold some
  PageCounts pages_{};                                     // of all that are held
};

}  // namespace redknot

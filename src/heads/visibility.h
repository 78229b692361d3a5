// SPDX-License-Identifier: Apache-2.0
// Which positions a KV head may attend to. The only place that knows head classes: page tables,
// kernels and planning see ranges.
#pragma once

#include <cstdint>

#include "heads/head_profile.h"

namespace redknot {

// Positions [begin, end). Empty when begin >= end.
struct PositionRange {
  int begin = 0;
  int end = 0;
  bool empty() const { return begin >= end; }
  bool operator==(const PositionRange&) const = default;
};

// What one query sees: the union of two disjoint ranges, `sink` before `recent`; either may be
// empty. The set semantics of the contract: a sink inside the window is counted once.
struct VisibleRange {
  PositionRange sink;
  PositionRange recent;
  bool contains(int position) const {
    return (position >= sink.begin && position < sink.end) ||
           (position >= recent.begin && position < recent.end);
  }
  bool operator==(const VisibleRange&) const = default;
};

// What a query at `position` sees. Requires position >= 0. A global head: sink empty,
// recent {0, position + 1}. A local head whose sink meets its window: the same. A retrieval head:
// what it sees whatever it selects.
VisibleRange visible(const HeadPolicy& policy, int position);

// What queries at `position` and later may still see of positions before it: what must be kept.
VisibleRange still_needed(const HeadPolicy& policy, int position);

// How many pages beyond visible() a query selects; 0: none, it sees visible() alone.
int selected_pages(const HeadPolicy& policy);

bool selects_pages(const HeadProfile& profile);  // whether any of its heads does

// Most positions that a query behind `tokens` tokens, itself among them, attends to.
std::int64_t most_attended(const HeadPolicy& policy, std::int64_t tokens, int page_tokens);

// Whether still_needed() is everything at every position.
bool keeps_everything(const HeadPolicy& policy);

}  // namespace redknot

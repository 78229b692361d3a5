// SPDX-License-Identifier: Apache-2.0
// Which pages a query of a retrieval head looks at beside its sink and window: those whose keys may
// meet it best, by the bounds of their keys (Tang et al. 2024, "Quest").
//
// What is selected depends on the query and on the pages that were full at its position, never on
// how the prompt was cut into steps or on what came later.
//
// KeyValues calls bound_keys when it has filled pages; SegPagedAttention owns the PageSelector, and
// its worker threads call it, each for units of its own.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "heads/visibility.h"
#include "kernels/kernels.h"
#include "kv/page_memory.h"
#include "kv/page_table.h"
#include "runtime/attention_plan.h"
#include "runtime/unit_queries.h"

namespace redknot {

// Writes the bounds of the full pages of a table that hold a position of the range. Requires a pool
// with key bounds, and keys in all slots of those pages.
void bound_keys(const PageTable& table, PositionRange positions, PageMemory& memory,
                const Kernels& kernels);

// Whether a query at `position` sees the page whatever it selects, because it has no bounds and
// never will: the last page of a part of a prompt, if it is not full and another part has begun.
bool always_selected(const PageRef& page, int page_tokens, int position);

// Whether a query at `position` may select the page: it is full, holds nothing later, and something
// that the query does not see anyway.
bool may_select(const PageRef& page, int page_tokens, int position, const VisibleRange& visible);

// Marks of the `top_pages` pages with the largest of the given scores, the earlier of equal ones
// first; all if there are no more. A score comes with its page's place among the marks; none is
// NaN. Their order is lost.
void mark_best(std::span<std::pair<float, int>> scores, int top_pages,
               std::span<std::uint8_t> marks);

// Selects the pages of whole units.
class PageSelector {
 public:
  // Pool and kernels must outlive the object.
  PageSelector(const AttentionShape& shape, PageMemory& memory, const Kernels& kernels,
               int threads);

  // Marks what each token of the unit selects, and what any of them does. Requires a unit of the
  // plan that selects pages, with its queries loaded, and pages with key bounds.
  void select(const AttentionUnit& unit, UnitQueries& queries, int thread, AttentionPlan& plan);

 private:
  // By token of a unit: the scores of pages that it may select, each with its place in the table.
  using Scores = std::vector<std::vector<std::pair<float, int>>>;

  // Marks entry `entry` of the unit's table for the tokens that see it in any case, and scores it
  // for those that may select it.
  void consider(const AttentionUnit& unit, int entry, UnitQueries& queries, Scores& scores,
                AttentionPlan& plan) const;

  // A page counts for a token by the best of the group's queries: they read it together.
  float best_score(const PageView& page, const float* queries) const;

  PageView view(const PageRef& page) const;

  AttentionShape shape_;
  PageMemory& memory_;
  const Kernels& kernels_;
  std::vector<Scores> scores_;  // [threads]
};

}  // namespace redknot

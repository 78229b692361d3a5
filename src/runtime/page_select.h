// SPDX-License-Identifier: Apache-2.0
// Which pages a query of a retrieval head looks at beside its sink and window: those whose keys may
// meet it best, by the bounds of their keys (Tang et al. 2024, "Quest").
//
// What is selected depends on the query and on the pages that were full at its position, never on
// how the prompt was cut into steps or on what came later.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "heads/visibility.h"
#include "kernels/kernels.h"
#include "kv/page_memory.h"
#include "kv/page_table.h"

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

}  // namespace redknot

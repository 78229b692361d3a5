// SPDX-License-Identifier: Apache-2.0
#include "runtime/page_select.h"

#include <algorithm>

#include "runtime/attention.h"
#include "runtime/page_read.h"

namespace redknot {

void bound_keys(const PageTable& table, PositionRange positions, PageMemory& memory,
                const Kernels& kernels) {
  for (auto page = table.rbegin(); page != table.rend(); ++page) {
    if (page->end() <= positions.begin) break;
    if (page->position >= positions.end || page->tokens < memory.shape().page_tokens) continue;
    if (page->reused) continue;  // bounded by whoever filled it
    kernels.bound_keys(page_view(memory, page->frame));
  }
}

bool always_selected(const PageRef& page, int page_tokens, int position) {
  return page.tokens < page_tokens && page.end() <= position;
}

bool may_select(const PageRef& page, int page_tokens, int position, const VisibleRange& visible) {
  if (page.tokens < page_tokens || page.end() > position + 1) return false;
  return page.end() > visible.sink.end && page.position < visible.recent.begin;
}

void mark_best(std::span<std::pair<float, int>> scores, int top_pages,
               std::span<std::uint8_t> marks) {
  const auto count = std::min(scores.size(), static_cast<std::size_t>(top_pages));
  const auto better = [](const std::pair<float, int>& a, const std::pair<float, int>& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  };
  std::nth_element(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(count),
                   scores.end(), better);
  for (const auto& [score, page] : scores.first(count)) marks[static_cast<std::size_t>(page)] = 1;
}

}  // namespace redknot

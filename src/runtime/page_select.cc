// SPDX-License-Identifier: Apache-2.0
#include "runtime/page_select.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
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

PageSelector::PageSelector(const AttentionShape& shape, PageMemory& memory, const Kernels& kernels,
                           int threads)
    : shape_(shape), memory_(memory), kernels_(kernels) {
  scores_.resize(static_cast<std::size_t>(threads));
  for (Scores& scores : scores_) scores.resize(static_cast<std::size_t>(block_tokens(shape)));
}

PageView PageSelector::view(const PageRef& page) const { return page_view(memory_, page.frame); }

float PageSelector::best_score(const PageView& page, const float* queries) const {
  float best = -std::numeric_limits<float>::infinity();
  for (int query = 0; query < shape_.group(); ++query) {
    const float* rotated = queries + static_cast<std::ptrdiff_t>(query) * shape_.head_dim;
    best = std::max(best, kernels_.score_page(page, rotated));  // a NaN leaves it
  }
  return best;
}

void PageSelector::consider(const AttentionUnit& unit, int entry, UnitQueries& queries,
                            Scores& scores, AttentionPlan& plan) const {
  const auto at = static_cast<std::size_t>(entry);
  const PageRef& page = (*unit.table)[at];
  const int page_tokens = memory_.shape().page_tokens;
  const PageView seen = view(page);
  for (int token = 0; token < unit.tokens; ++token) {
    const int position = unit.position(token);
    if (always_selected(page, page_tokens, position)) plan.marks_of(unit, token)[at] = 1;
    if (!may_select(page, page_tokens, position, queries.visible(token))) continue;
    const float* own = queries.rotated(page.shift) +
                       static_cast<std::ptrdiff_t>(token) * shape_.group() * shape_.head_dim;
    scores[static_cast<std::size_t>(token)].emplace_back(best_score(seen, own), entry);
  }
}

void PageSelector::select(const AttentionUnit& unit, UnitQueries& queries, int thread,
                          AttentionPlan& plan) {
  REDKNOT_CHECK(memory_.shape().key_bounds);
  Scores& scores = scores_[static_cast<std::size_t>(thread)];
  for (auto& own : scores) own.clear();
  for (int entry = 0; entry < static_cast<int>(unit.table->size()); ++entry) {
    consider(unit, entry, queries, scores, plan);
  }
  const std::span<std::uint8_t> any = plan.marks_of(unit, unit.tokens);
  for (int token = 0; token < unit.tokens; ++token) {
    const std::span<std::uint8_t> own = plan.marks_of(unit, token);
    mark_best(scores[static_cast<std::size_t>(token)], selected_pages(*unit.policy), own);
    for (std::size_t page = 0; page < own.size(); ++page) any[page] |= own[page];
  }
}

}  // namespace redknot
